/* NAME.h: what the caller sees. */
#include "export_internal.h"
#include <string.h>

/* ---- Parameter lists --------------------------------------------------------------------------------------------- */
bool in_outputs(const exporter *x, uint32_t symbol) { return in_tensors(x, RT_OUTPUT, symbol); }

const char *output_extent(const exporter *x, uint32_t symbol) {
    return arena_printf(x->a, "%s_out", x->symbol[symbol]);
}

void put_level_params(exporter *x, text *t, level l, bool names_only, const char *sep) {
    for (uint32_t i = 0; i < n_symbols(x); i++)
        if (x->level[i] == l) put(t, "%s%s%s", sep, names_only ? "" : "int64_t ", x->symbol[i]), sep = ", ";
}

static bool host_int(const exporter *x, uint32_t input) { return rt_tensor(x->p, RT_INPUT, input)->symbol != FPK_NONE; }

void put_run_params(exporter *x, text *t, bool names_only, const char *sep) {
    const fpk_info *f = x->p->info;
    for (uint32_t i = 0; i < n_symbols(x); i++) {
        if (x->level[i] != LEVEL_RUN || x->p->symbols[i].role != FRIT_DIM_BOUND) continue;
        put(t, "%s%s%s", sep, names_only ? "" : "int64_t ", x->symbol[i]), sep = ", ";
    }
    for (uint32_t i = 0; i < f->n_inputs; i++) {
        const char *name = x->tensor[tensor_at(x, RT_INPUT, i)];
        if (names_only)
            put(t, "%s%s", sep, name);
        else if (host_int(x, i))
            put(t, "%sint64_t %s", sep, name);
        else
            put(t, "%sconst %s *%s", sep, tensor_type(x, RT_INPUT, i), name);
        sep = ", ";
    }
    for (uint32_t i = 0; i < f->n_outputs; i++) {
        put(t, "%s", sep);
        if (!names_only) put(t, "%s *", tensor_type(x, RT_OUTPUT, i));
        put(t, "%s", x->tensor[tensor_at(x, RT_OUTPUT, i)]);
        sep = ", ";
    }
    for (uint32_t i = 0; i < n_symbols(x); i++)
        if (x->level[i] == LEVEL_DEVICE && in_outputs(x, i))
            put(t, "%s%s%s", sep, names_only ? "" : "int64_t *", output_extent(x, i)), sep = ", ";
}

/* ---- Documentation ----------------------------------------------------------------------------------------------- */
static void doc_symbol(exporter *x, text *t, uint32_t i, const char *what) {
    const fpk_symbol *s = &x->p->symbols[i];
    put(t, " *   %-12s %s", x->symbol[i], what);
    if (strcmp(x->symbol[i], rt_string(x->p, s->name))) put(t, " %s of the model", rt_string(x->p, s->name));
    if (s->lo > 0) put(t, ", at least %lld", (long long)s->lo);
    if (s->hi < INT64_MAX) put(t, ", at most %lld", (long long)s->hi);
    if (s->multiple > 1) put(t, ", a multiple of %lld", (long long)s->multiple);
    put(t, "\n");
}

static void doc_tensor(exporter *x, text *t, int kind, uint32_t i, const char *way) {
    const fpk_tensor *f = rt_tensor(x->p, kind, i);
    const char *note = "";
    switch ((frit_dtype)f->dtype) {
    case FRIT_f16: note = " (the bits of IEEE binary16)"; break;
    case FRIT_bf16: note = " (the upper half of an IEEE binary32)"; break;
    case FRIT_f8e4m3:
    case FRIT_f8e5m2: note = " (the bits)"; break;
    case FRIT_bool: note = " (0 or 1)"; break;
    case FRIT_i4:
    case FRIT_u4: note = " (two to a byte, the first in the low half)"; break;
    default: break;
    }
    put(t, " *   %-12s %s%s%s\n", x->tensor[tensor_at(x, kind, i)], way, rt_string(x->p, f->type), note);
}

/* Dims that the caller does not pass to a run, but tensors of it have. */
static void doc_fixed_dims(exporter *x, text *t) {
    for (uint32_t i = 0; i < n_symbols(x); i++) {
        if (!in_tensors(x, RT_INPUT, i) && !in_outputs(x, i)) continue;
        if (x->level[i] == LEVEL_CONTEXT) put(t, " *   %-12s dim, as the context was made with\n", x->symbol[i]);
        if (x->level[i] != LEVEL_WEIGHTS) continue;
        if (x->is_known[i]) put(t, " *   %-12s dim, %lld: that of the weights\n", x->symbol[i], (long long)x->known[i]);
        else put(t, " *   %-12s dim, that of the weights\n", x->symbol[i]);
    }
}

static void doc_run(exporter *x, text *t) {
    const fpk_info *f = x->p->info;
    for (uint32_t i = 0; i < n_symbols(x); i++)
        if (x->level[i] == LEVEL_RUN && x->p->symbols[i].role == FRIT_DIM_BOUND) doc_symbol(x, t, i, "dim");
    doc_fixed_dims(x, t);
    for (uint32_t i = 0; i < f->n_inputs; i++) {
        if (host_int(x, i))
            doc_symbol(x, t, rt_tensor(x->p, RT_INPUT, i)->symbol, "in   an integer");
        else
            doc_tensor(x, t, RT_INPUT, i, "in   ");
    }
    for (uint32_t i = 0; i < f->n_outputs; i++) doc_tensor(x, t, RT_OUTPUT, i, "out  ");
    for (uint32_t i = 0; i < n_symbols(x); i++)
        if (x->level[i] == LEVEL_DEVICE && in_outputs(x, i)) {
            const fpk_symbol *s = &x->p->symbols[i];
            const char *upper =
                s->hi < INT64_MAX ? arena_printf(x->a, "%lld", (long long)s->hi) : "what the dims allow";
            put(t, " *   %-12s out  the extent %s of this run, or NULL. Outputs need room for the greatest: %s\n",
                output_extent(x, i), rt_string(x->p, s->name), upper);
        }
}

static void put_status_enum(exporter *x, text *t) {
    put(t, "/* What a call returns. %s_status_text says it in words. */\ntypedef enum %s_status {\n    %s_OK = 0,\n",
        x->name, x->name, x->upper);
    for (int i = 0; i < x->statuses.len; i++) {
        put(t, "    %s_E_%s%s /* %s */\n", x->upper, x->statuses.data[i].name, i + 1 < x->statuses.len ? "," : "",
            x->statuses.data[i].meaning);
    }
    put(t, "} %s_status;\nconst char *%s_status_text(%s_status status);\n\n", x->name, x->name, x->name);
}

/* ---- Weights ----------------------------------------------------------------------------------------------------- */
/* A template with % where a device's is the first parameter. */
static void put_on_device(exporter *x, text *t, const char *template) {
    text out = {.a = x->a};
    for (; *template; template ++) {
        if (*template != '%')
            put_bytes(&out, template, 1);
        else if (x->gpu)
            put(&out, "@_device *device, ");
    }
    put_template(t, x, text_of(&out));
}

static void put_params(exporter *x, text *t) {
    put_template(
        t, x,
        "/* ---- Weights ---- */\n/* Every param of the model: dense, row-major, little-endian, aligned to its "
        "elements. */\ntypedef struct @_params {\n");
    for (uint32_t i = 0; i < n_symbols(x); i++)
        if (x->level[i] == LEVEL_WEIGHTS) put(t, "    int64_t %s; /* dim */\n", x->symbol[i]);
    for (uint32_t i = 0; i < x->p->info->n_params; i++) {
        const fpk_tensor *f = rt_tensor(x->p, RT_PARAM, i);
        put(t, "    const %s *%s; /* \"%s\": %s */\n", tensor_type(x, RT_PARAM, i),
            x->tensor[tensor_at(x, RT_PARAM, i)], rt_string(x->p, f->name), rt_string(x->p, f->type));
    }
    put_template(
        t, x,
        "} @_params;\n\n/* Params with what is computed from them once (packed, folded). Any number of contexts "
        "and threads may share it;\n * it must outlive the contexts. */\ntypedef struct @_weights "
        "@_weights;\n");
    if (x->reads_file) {
        put(t, "/* Reads %s, a safetensors file, from `path`. */\n", x->set->weights_file.name);
        put_on_device(
            x, t,
            "@_status @_weights_open(%const char *path, @_weights **out);\n"
            "/* The same from memory with the file's contents, aligned to 8 bytes (a mapping, or an array in the "
            "program). It is\n * borrowed: it must outlive the weights. */\n"
            "@_status @_weights_from_memory(%const void *bytes, uint64_t size, @_weights **out);\n");
    }
    put_on_device(
        x, t,
        "/* From pointers. The struct is copied; what it points to is borrowed and must outlive the weights. */\n"
        "@_status @_weights_from_params(%const @_params *params, @_weights **out);\n"
        "/* NULL is allowed. */\nvoid @_weights_free(@_weights *weights);\n\n");
}

/* ---- Contexts ---------------------------------------------------------------------------------------------------- */
static void put_context(exporter *x, text *t) {
    put_template(
        t, x,
        "/* ---- Running ---- */\n/* What one caller needs to run the model: working memory that grows with the "
        "shapes seen");
    put(t, "%s. One thread\n * at a time may use a context; different contexts may run at the same time. */\n",
        has_states(x) ? ", and the states" : "");
    put_template(t, x, "typedef struct @_context @_context;\n");
    const char *outlives = x->has_params ? "the weights, which must outlive it" : x->gpu ? "the device, which must outlive it" : NULL;
    put(t, "/* Makes a context%s%s.%s */\n", outlives ? " for " : "", outlives ? outlives : "",
        has_states(x) ? " The dims of states are fixed here." : "");
    put_create_head(x, t);
    put_template(t, x, "@_context **out);\n/* NULL is allowed. */\nvoid @_destroy(@_context *context);\n");
    if (uses_seed(x))
        put_template(t, x, "/* The seed of later runs. */\nvoid @_set_seed(@_context *context, uint64_t seed);\n");
    if (x->gpu)
        put_gpu_context_header(x, t);
    else
        put_template(t, x,
                     "/* Spreads the tasks of later runs over the caller's threads: parallel(user, n, fn, arg) calls "
                     "fn(arg, i) once "
                     "for each i in\n * [0, n), n <= threads, from any threads, and returns when all have returned. "
                     "Results do not "
                     "depend on it. The default,\n * (1, NULL, NULL), runs everything on the calling thread. */\n"
                     "typedef void (*@_parallel)(void *user, int n, void (*fn)(void *arg, int i), void *arg);\n"
                     "@_status @_set_threads(@_context *context, int threads, @_parallel parallel, void *user);\n");
    put_template(t, x,
                 "/* Gets the memory for runs of these dims: runs with the same ones then allocate nothing. */\n"
                 "@_status @_prepare(@_context *context");
    put_level_params(x, t, LEVEL_RUN, false, ", ");
    put(t, ");\n\n");
}

static void put_states(exporter *x, text *t) {
    if (!has_states(x)) return;
    put_template(t, x,
                 "/* ---- States ---- */\n/* All states back to their first values. */\n"
                 "@_status @_reset(@_context *context);\n");
    for (uint32_t i = 0; i < x->p->info->n_states; i++) {
        const fpk_tensor *f = rt_tensor(x->p, RT_STATE, i);
        put(t,
            "/* \"%s\": %s. May be read and written between runs; the context owns it. */\n%s *%s_state_%s(%s_context "
            "*context);\n",
            rt_string(x->p, f->name), rt_string(x->p, f->type), tensor_type(x, RT_STATE, i), x->name,
            x->tensor[tensor_at(x, RT_STATE, i)], x->name);
    }
    put(t, "\n");
}

static void put_run(exporter *x, text *t) {
    const char *doc = rt_string(x->p, x->p->info->doc);
    put(t, x->gpu ? "/* Queues a run of the model. Tensors are in the device's memory. It waits only where data decide "
                    "what runs next.\n"
                  : "/* Runs the model.\n");
    if (*doc) put(t, " *\n"), put_doc(t, doc, " * ");
    put(t, " *\n");
    doc_run(x, t);
    put(t,
        " *\n * Tensors are dense and row-major; pointers are aligned to the element; an output may share memory with "
        "nothing "
        "else.\n * After a failure the contents of outputs%s are not specified. */\n",
        has_states(x) ? " and states" : "");
    put_template(t, x, "@_status @_run(@_context *context");
    put_run_params(x, t, false, ", ");
    put(t, ");\n");
    if (x->has_params || has_states(x) || x->gpu) return;
    put_template(
        t, x,
        "/* The same in one call: makes a context, runs it, and destroys it. Any threads may call it at once. */\n"
        "@_status @(");
    put_run_params(x, t, false, uses_seed(x) ? (put(t, "uint64_t seed"), ", ") : "");
    put(t, ");\n");
}

/* The calls that a program makes, in order. */
static void put_in_short(exporter *x, text *t) {
    put_template(t, x, "/* In short, with runs as often as wanted; a program looks at each status, which is $_OK or says why not:\n *\n");
    if (x->gpu) put_template(t, x, " *     @_device *device;\n");
    if (x->has_params) put_template(t, x, " *     @_weights *weights;\n");
    put_template(t, x, " *     @_context *context;\n");
    if (x->gpu) put_template(t, x, " *     @_device_open(0, &device);\n");
    if (x->reads_file) {
        put_template(t, x, " *     @_weights_open(");
        put(t, "%s\"%s\", &weights);\n", x->gpu ? "device, " : "", x->set->weights_file.name);
    } else if (x->has_params) {
        put_template(t, x, " *     @_params params = {...};\n *     @_weights_from_params(");
        put(t, "%s&params, &weights);\n", x->gpu ? "device, " : "");
    }
    put_template(t, x, " *     @_create(");
    put(t, "%s%s", x->gpu ? "device, " : "", x->has_params ? "weights, " : "");
    for (uint32_t i = 0; i < n_symbols(x); i++)
        if (x->level[i] == LEVEL_CONTEXT) put(t, "%s, ", x->symbol[i]);
    put_template(t, x, uses_seed(x) ? "seed, &context);\n *     @_run(context" : "&context);\n *     @_run(context");
    put_run_params(x, t, true, ", ");
    put_template(t, x, ");\n *     @_destroy(context);\n");
    if (x->has_params) put_template(t, x, " *     @_weights_free(weights);\n");
    if (x->gpu) put_template(t, x, " *     @_device_close(device);\n *\n * Tensors: @_alloc, @_upload, @_download, @_free.\n");
    put(t, " */\n\n");
}

static void put_model(exporter *x, text *t) {
    if (x->set->n > 1) put(t, "/* ==== The model %s ==== */\n\n", rt_string(x->p, x->p->info->entry));
    put_in_short(x, t);
    put_status_enum(x, t);
    if (x->gpu) put_gpu_header(x, t);
    if (x->has_params) put_params(x, t);
    put_context(x, t);
    put_states(x, t);
    put_run(x, t);
}

void put_header(export_set *s, text *t) {
    const exporter *x = &s->models[0];
    put(t, "/* %s.h: the model%s", s->name, s->n > 1 ? "s" : "");
    for (int i = 0; i < s->n; i++)
        put(t, "%s %s", i ? "," : "", rt_string(s->models[i].p, s->models[i].p->info->entry));
    put(t, ", compiled by %s for %s.\n *\n * A program is built with it by\n *     cc -O2 -ffp-contract=off program.c %s.c",
        rt_string(x->p, x->p->info->compiler), rt_string(x->p, x->v->target), s->name);
    for (int i = 0; i < s->n && !s->kernel_text && !x->gpu; i++) put(t, " %s_kernels.o", s->models[i].name);
    put(t, "%s -o program\n", x->gpu ? " -ldl" : s->kernel_text ? " -lm" : "");
    put(t,
        " *\n * C99 or C++. Functions that can fail return a status; after a failure `*out` is NULL and nothing "
        "is allocated. Nothing\n * prints, aborts or keeps state of its own. */\n"
        "#ifndef %s_H\n#define %s_H\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n",
        s->upper, s->upper);
    for (int i = 0; i < s->n; i++) {
        if (i) put(t, "\n");
        put_model(&s->models[i], t);
    }
    put(t, "\n#ifdef __cplusplus\n}\n#endif\n#endif\n");
}
