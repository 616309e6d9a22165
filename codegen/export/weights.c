/* Weights: the file's header, arrays inside the source, and the functions that make a weights object. */
#include "export_internal.h"
#include <string.h>

/* ---- The file ---------------------------------------------------------------------------------------------------- */
/* Names of dtypes in safetensors; the 4-bit ones are frit's own. */
static const char *stored_name(frit_dtype t) {
    if (t == FRIT_f8e4m3) return "F8_E4M3";
    if (t == FRIT_f8e5m2) return "F8_E5M2";
    return NULL;
}

static void put_json_string(text *t, const char *s) {
    put(t, "\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            put(t, "\\%c", *s);
        else if ((unsigned char)*s < 32)
            put(t, "\\u%04x", (unsigned)*s);
        else
            put(t, "%c", *s);
    }
    put(t, "\"");
}

static void put_entry(exporter *x, text *t, uint32_t i, uint64_t at) {
    const fpk_tensor *f = rt_tensor(x->p, RT_PARAM, i);
    const char *dtype = stored_name((frit_dtype)f->dtype);
    put_json_string(t, rt_string(x->p, f->name));
    put(t, ":{\"dtype\":\"%s\",\"shape\":[", dtype ? dtype : upper(x->a, frit_dtype_name((frit_dtype)f->dtype)));
    for (int k = 0; k < x->params[i].rank; k++) put(t, "%s%lld", k ? "," : "", (long long)x->params[i].dims[k]);
    put(t, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at, (unsigned long long)(at + x->params[i].bytes));
}

static uint64_t element_bytes(const exporter *x, uint32_t i) {
    unsigned bits = frit_dtype_bits((frit_dtype)rt_tensor(x->p, RT_PARAM, i)->dtype);
    return bits < 8 ? 1 : bits / 8;
}

/* Models share params of equal paths: whether one before x has param i, which then has its place. */
static bool placed(const export_set *s, const exporter *x, uint32_t i, uint64_t *offset) {
    const char *path = rt_string(x->p, rt_tensor(x->p, RT_PARAM, i)->name);
    for (const exporter *y = s->models; y < x; y++)
        for (uint32_t k = 0; k < y->p->info->n_params; k++)
            if (!strcmp(path, rt_string(y->p, rt_tensor(y->p, RT_PARAM, k)->name)))
                return *offset = y->weights_offset[k], true;
    return false;
}

/* Appends the params of x whose elements have `size` bytes. */
static void place_params(export_set *s, exporter *x, uint64_t size, text *header, const char **paths, int *m) {
    for (uint32_t i = 0; i < x->p->info->n_params; i++) {
        if (element_bytes(x, i) != size || placed(s, x, i, &x->weights_offset[i])) continue;
        put(header, ",");
        put_entry(x, header, i, s->weights_bytes);
        x->weights_offset[i] = s->weights_bytes;
        s->weights_bytes += x->params[i].bytes;
        paths[(*m)++] = rt_string(x->p, rt_tensor(x->p, RT_PARAM, i)->name);
    }
}

/* Large elements first: without gaps, each lies aligned. Offsets are from the first byte of data, then of the file. */
void weights_layout(export_set *s) {
    uint32_t n = 0;
    int m = 0;
    text header = {.a = s->a}, whole = {.a = s->a};
    for (int k = 0; k < s->n; k++) n += s->models[k].reads_file ? s->models[k].p->info->n_params : 0;
    if (!n) return;
    const char **paths = arena_array(s->a, const char *, n);
    put(&header, "{\"__metadata__\":{\"format\":\"frit\"}");
    for (uint64_t size = 8; size; size /= 2)
        for (int k = 0; k < s->n; k++) place_params(s, &s->models[k], size, &header, paths, &m);
    put(&header, "}");
    while ((header.len + 8) % 64) put(&header, " ");
    for (int k = 0; k < 8; k++) put(&whole, "%c", (int)((uint64_t)header.len >> 8 * k & 0xff));
    put_bytes(&whole, text_of(&header), header.len);
    s->weights_bytes += whole.len;
    for (int k = 0; k < s->n; k++)
        for (uint32_t i = 0; i < s->models[k].p->info->n_params; i++) s->models[k].weights_offset[i] += whole.len;
    s->weights_file =
        (export_weights_file){arena_printf(s->a, "%s.weights", s->name), text_of(&whole), whole.len, m, paths};
}

/* What the shapes of the params that were given say of symbols. */
static bool bind_known(exporter *x) {
    uint32_t n = x->p->info->n_params;
    DLTensor *views = arena_array(x->a, DLTensor, n + 1);
    frit_error err;
    for (uint32_t i = 0; i < n; i++)
        views[i] = (DLTensor){.ndim = x->params[i].rank, .shape = (int64_t *)x->params[i].dims};
    if (rt_bind_shapes(x->p, RT_PARAM, views, x->known, x->is_known, &err) == FRIT_OK) return true;
    return export_fail(x, "%s", err.message), false;
}

bool weights_prepare(exporter *x) {
    uint32_t n = x->p->info->n_params;
    x->weights_offset = arena_array(x->a, uint64_t, n + 1);
    if (x->o->weights == EXPORT_WEIGHTS_NONE || !n) return true;
    export_param *params = arena_array(x->a, export_param, n);
    for (uint32_t i = 0; i < n; i++) {
        const char *path = rt_string(x->p, rt_tensor(x->p, RT_PARAM, i)->name);
        if (!x->o->param(x->o->param_ctx, path, &params[i])) {
            export_fail(x, "the param '%s' has no value", path);
            return false;
        }
    }
    x->params = params;
    return bind_known(x);
}

/* FNV-1a, 64 bits (Fowler, Noll, Vo): whether a file has the layout that the code was made for. */
static uint64_t hash(const void *bytes, uint64_t n) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (uint64_t i = 0; i < n; i++) h = (h ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* ---- Arrays ------------------------------------------------------------------------------------------------------ */
/* `bytes` bytes as elements of `size` bytes, in hexadecimal. */
void put_array(text *t, const char *name, const void *data, uint64_t bytes, unsigned size, bool aligned) {
    const uint8_t *b = data;
    uint64_t n = (bytes + size - 1) / size;
    put(t, "static const uint%u_t %s[%llu]%s = {", size * 8, name, (unsigned long long)(n ? n : 1),
        aligned ? " ALIGNED_" : "");
    for (uint64_t i = 0; i < n; i++) {
        uint64_t v = 0;
        for (unsigned k = 0; k < size && i * size + k < bytes; k++) v |= (uint64_t)b[i * size + k] << 8 * k;
        put(t, "%s%s", i ? "," : "", i % (size == 8 ? 5 : 64 / size) ? "" : "\n    ");
        put(t, size == 8 ? "UINT64_C(0x%llx)" : "0x%llx", (unsigned long long)v);
    }
    put(t, "%s\n};\n", n ? "" : "0");
}

void put_constants(exporter *x, text *t) {
    for (uint32_t b = 0; b < x->v->n_buffers; b++) {
        int64_t bytes;
        if (!x->const_used[b] || !formula_const(x, x->buffers[b].size, &bytes)) continue;
        const uint8_t *data = x->p->base + x->p->sections[FPK_DATA].offset + x->buffers[b].offset;
        put_array(t, arena_printf(x->a, "constant%u", b), data, (uint64_t)bytes, 8, true);
    }
    if (x->o->weights != EXPORT_WEIGHTS_INSIDE || !x->params) return;
    for (uint32_t i = 0; i < x->p->info->n_params; i++)
        put_array(t, arena_printf(x->a, "param%u", i), x->params[i].data, x->params[i].bytes,
                  (unsigned)element_bytes(x, i), true);
    put(t, "\n");
}

/* ---- The weights object ------------------------------------------------------------------------------------------ */
void put_weights_struct(exporter *x, text *t) {
    if (!x->has_load) return;
    if (!x->has_params) {
        put_template(t, x, "typedef struct @_params {\n");
        for (uint32_t i = 0; i < n_symbols(x); i++)
            if (x->level[i] == LEVEL_WEIGHTS) put(t, "    int64_t %s;\n", x->symbol[i]);
        for (uint32_t i = 0; i < x->p->info->n_params; i++)
            put(t, "    const %s *%s;\n", tensor_type(x, RT_PARAM, i), x->tensor[tensor_at(x, RT_PARAM, i)]);
        if (!x->p->info->n_params) put(t, "    int none;\n");
        put_template(t, x, "} @_params;\ntypedef struct @_weights @_weights;\n");
    }
    put_template(t, x, "struct @_weights {\n    @_params params;\n    void *file; /* contents, when read here */\n");
    if (x->gpu)
        put(t, "    %s_device *device;\n    void *copies[%u]; /* of params */\n", x->name, x->p->info->n_params + 1);
    for (uint32_t b = 0; b < x->v->n_buffers; b++)
        if (x->buffers[b].kind == FPK_BUF_PACKED) put(t, "    void *packed%u;\n", b);
    put(t, "};\n\n");
}

static void put_packed(exporter *x, text *t, scope *s) {
    for (uint32_t b = 0; b < x->v->n_buffers; b++) {
        if (x->buffers[b].kind != FPK_BUF_PACKED) continue;
        line(s, x->gpu ? "weights->packed%u = get_device(weights->device, %s);" : "weights->packed%u = get_memory(%s);",
             b, formula(s, x->buffers[b].size, false));
        line(s, "if (!weights->packed%u) return %s_E_NO_MEMORY;", b, x->upper);
    }
    (void)t;
}

static void put_load_call(exporter *x, scope *s) {
    line(s, "{");
    s->indent++;
    line(s, "load_plan plan;");
    line(s, "char *memory;");
    line(s, "%s_status status = plan_load(weights, &plan);", x->name);
    line(s, "if (status != %s_OK) return status;", x->upper);
    if (x->gpu)
        line(s, "memory = (char *)get_device(weights->device, plan.total + plan.scratch * weights->device->workers);");
    else
        line(s, "memory = (char *)get_memory(plan.total + plan.scratch);");
    line(s, "if (!memory) return %s_E_NO_MEMORY;", x->upper);
    line(s, "{");
    if (x->gpu) {
        line(s, "    const int saved = enter_(weights->device);");
        line(s, "    queue q;");
        line(s, "    q.device = weights->device;");
        line(s, "    q.stream = weights->device->stream;");
        if (gpu_has_maps(x)) line(s, "    q.maps = NULL; /* the load program runs once */");
        line(s, "    status = load_schedule(&q, weights, &plan, memory);");
        line(s, "    if (failed(q.device, q.device->api.stream_wait(q.stream))) status = %s_E_DEVICE;", x->upper);
        line(s, "    leave_(weights->device, saved);");
    } else {
        line(s, "    const unsigned saved = enter_();");
        line(s, "    status = load_schedule(weights, &plan, memory);");
        line(s, "    leave_(saved);");
    }
    line(s, "}");
    line(s, x->gpu ? "free_device(weights->device, memory);" : "free_memory(memory);");
    line(s, "if (status != %s_OK) return status;", x->upper);
    s->indent--;
    line(s, "}");
}

/* Checks, packs. What it has allocated when it fails is freed with the object. */
static void put_finish(exporter *x, text *t) {
    scope s;
    scope_init(&s, x, NULL);
    for (uint32_t i = 0; x->has_params && i < x->p->info->n_params; i++) {
        const char *n = tensor_bytes(&s, RT_PARAM, i);
        const char *name = x->tensor[tensor_at(x, RT_PARAM, i)];
        if (!strcmp(n, "0")) continue;
        if (strspn(n, "0123456789") == strlen(n))
            line(&s, "if (!weights->params.%s) return %s_E_ARGUMENT;", name, x->upper);
        else
            line(&s, "if (!weights->params.%s && (%s) != 0) return %s_E_ARGUMENT;", name, n, x->upper);
    }
    put_checks(&s, LEVEL_WEIGHTS);
    for (uint32_t i = 0; x->gpu && i < x->p->info->n_params; i++) {
        const char *name = x->tensor[tensor_at(x, RT_PARAM, i)];
        line(&s, "weights->copies[%u] = put_device(weights->device, weights->params.%s, %s);", i, name,
             tensor_bytes(&s, RT_PARAM, i));
        line(&s, "if (!weights->copies[%u]) return %s_E_NO_MEMORY;", i, x->upper);
        line(&s, "weights->params.%s = (const %s *)weights->copies[%u];", name, tensor_type(x, RT_PARAM, i), i);
    }
    put_packed(x, t, &s);
    if (s.checked) line(&s, "if (bad) return %s_E_TOO_LARGE;", x->upper);
    if (!schedule_empty(x, 1)) put_load_call(x, &s);
    put_template(t, x, "static @_status finish_weights(@_weights *weights) {\n");
    put_locals(t, &s, "weights");
    if (!x->gpu) put(t, "    if (!machine_fits()) return %s_E_MACHINE;\n", x->upper);
    if (!strstr(text_of(&s.body), "weights->")) put(t, "    (void)weights;\n");
    put(t, "%s    return %s_OK;\n}\n\n", text_of(&s.body), x->upper);
}

static void put_free(exporter *x, text *t) {
    put_template(t, x,
                 x->has_params ? "void @_weights_free(@_weights *weights) {\n"
                               : "static void weights_free(@_weights *weights) {\n");
    put(t, "    if (!weights) return;\n");
    for (uint32_t b = 0; b < x->v->n_buffers; b++)
        if (x->buffers[b].kind == FPK_BUF_PACKED)
            put(t,
                x->gpu ? "    free_device(weights->device, weights->packed%u);\n"
                       : "    free_memory(weights->packed%u);\n",
                b);
    for (uint32_t i = 0; x->gpu && i < x->p->info->n_params; i++)
        put(t, "    free_device(weights->device, weights->copies[%u]);\n", i);
    put(t, "    free_memory(weights->file);\n    free_memory(weights);\n}\n\n");
}

static void put_make(exporter *x, text *t) {
    const char *free_name = x->has_params ? arena_printf(x->a, "%s_weights_free", x->name) : "weights_free";
    put_template(t, x,
                 "/* Takes over `file`, also on failure. */\n"
                 "static @_status make_weights(");
    put_template(t, x, x->gpu ? "@_device *device, " : "");
    put_template(t, x,
                 "const @_params *params, void *file, @_weights **out) {\n"
                 "    @_weights *weights = (@_weights *)get_memory((int64_t)sizeof *weights);\n"
                 "    @_status status;\n"
                 "    if (!weights) {\n        free_memory(file);\n        return $_E_NO_MEMORY;\n    }\n"
                 "    memset(weights, 0, sizeof *weights);\n"
                 "    weights->params = *params;\n    weights->file = file;\n");
    if (x->gpu) put(t, "    weights->device = device;\n");
    put_template(t, x,
                 "    status = finish_weights(weights);\n"
                 "    if (status != $_OK) {\n");
    put(t, "        %s(weights);\n        return status;\n    }\n%s    *out = weights;\n    return %s_OK;\n}\n\n",
        free_name,
        x->gpu ? "    free_memory(weights->file); /* the device has copies */\n    weights->file = NULL;\n" : "",
        x->upper);
}

static void put_known_dims(exporter *x, text *t) {
    for (uint32_t i = 0; i < n_symbols(x); i++)
        if (x->level[i] == LEVEL_WEIGHTS) put(t, "    params->%s = %s;\n", x->symbol[i], literal(x->a, x->known[i]));
}

static void put_inside(exporter *x, text *t) {
    put_template(t, x, "static void inside_params(@_params *params) {\n    memset(params, 0, sizeof *params);\n");
    if (x->params) put_known_dims(x, t);
    for (uint32_t i = 0; x->params && i < x->p->info->n_params; i++)
        put(t, "    params->%s = (const %s *)param%u;\n", x->tensor[tensor_at(x, RT_PARAM, i)],
            tensor_type(x, RT_PARAM, i), i);
    put(t, "}\n\n");
}

static void put_file_functions(exporter *x, text *t) {
    put_template(t, x,
                 "/* The header says where each param lies; the code was made for one layout. */\n"
                 "static @_status file_params(const char *bytes, uint64_t size, @_params *params) {\n");
    put(t, "    uint64_t hash = UINT64_C(0xcbf29ce484222325);\n    uint64_t i;\n");
    put(t, "    if (size != UINT64_C(%llu) || ((uintptr_t)bytes & 7)) return %s_E_WEIGHTS;\n",
        (unsigned long long)x->set->weights_bytes, x->upper);
    put(t, "    for (i = 0; i < %llu; i++) hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);\n",
        (unsigned long long)x->set->weights_file.header_bytes);
    put(t, "    if (hash != UINT64_C(0x%llx)) return %s_E_WEIGHTS;\n",
        (unsigned long long)hash(x->set->weights_file.header, x->set->weights_file.header_bytes), x->upper);
    put(t, "    memset(params, 0, sizeof *params);\n");
    put_known_dims(x, t);
    for (uint32_t i = 0; i < x->p->info->n_params; i++)
        put(t, "    params->%s = (const %s *)(const void *)(bytes + UINT64_C(%llu));\n",
            x->tensor[tensor_at(x, RT_PARAM, i)], tensor_type(x, RT_PARAM, i),
            (unsigned long long)x->weights_offset[i]);
    put(t, "    return %s_OK;\n}\n\n", x->upper);
    put_template(t, x, "@_status @_weights_from_memory(");
    put_template(t, x, x->gpu ? "@_device *device, " : "");
    put_template(t, x,
                 "const void *bytes, uint64_t size, @_weights **out) {\n"
                 "    @_params params;\n    @_status status;\n"
                 "    if (!bytes || !out) return $_E_ARGUMENT;\n");
    if (x->gpu) put_template(t, x, "    if (!device) return $_E_ARGUMENT;\n");
    put_template(t, x,
                 "    *out = NULL;\n"
                 "    status = file_params((const char *)bytes, size, &params);\n"
                 "    return status == $_OK ? make_weights(");
    put(t, x->gpu ? "device, " : "");
    put_template(t, x,
                 "&params, NULL, out) : status;\n}\n\n"
                 "@_status @_weights_open(");
    put_template(t, x, x->gpu ? "@_device *device, " : "");
    put_template(t, x,
                 "const char *path, @_weights **out) {\n"
                 "    @_params params;\n    @_status status;\n    FILE *file;\n    void *bytes;\n    size_t got;\n"
                 "    if (!path || !out) return $_E_ARGUMENT;\n");
    if (x->gpu) put_template(t, x, "    if (!device) return $_E_ARGUMENT;\n");
    put_template(t, x,
                 "    *out = NULL;\n"
                 "    file = fopen(path, \"rb\");\n"
                 "    if (!file) return $_E_FILE;\n");
    put(t, "    bytes = get_memory(INT64_C(%llu));\n", (unsigned long long)x->set->weights_bytes + 1);
    put(t, "    if (!bytes) {\n        fclose(file);\n        return %s_E_NO_MEMORY;\n    }\n", x->upper);
    put(t, "    got = fread(bytes, 1, (size_t)UINT64_C(%llu), file); /* a byte more would show a longer file */\n",
        (unsigned long long)x->set->weights_bytes + 1);
    put_template(t, x,
                 "    fclose(file);\n"
                 "    status = file_params((const char *)bytes, got, &params);\n"
                 "    if (status != $_OK) {\n        free_memory(bytes);\n        return status;\n    }\n"
                 "    return make_weights(");
    put(t, "%s&params, bytes, out);\n}\n\n", x->gpu ? "device, " : "");
}

void put_weights_functions(exporter *x, text *t, layout *load) {
    if (!x->has_load) return;
    (void)load;
    put_finish(x, t);
    put_free(x, t);
    put_make(x, t);
    if (!x->has_params) {
        put_inside(x, t);
        return;
    }
    if (x->reads_file) put_file_functions(x, t);
    put_template(t, x,
                 x->gpu
                     ? "@_status @_weights_from_params(@_device *device, const @_params *params, @_weights **out) {\n"
                       "    if (!device) return $_E_ARGUMENT;\n"
                     : "@_status @_weights_from_params(const @_params *params, @_weights **out) {\n");
    put_template(t, x, "    if (!params || !out) return $_E_ARGUMENT;\n    *out = NULL;\n    return make_weights(");
    put(t, "%sparams, NULL, out);\n}\n\n", x->gpu ? "device, " : "");
}
