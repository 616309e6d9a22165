/* Names, levels, and the list of files. */
#include "export_internal.h"
#include "codegen/c/printer.h"
#include <string.h>

void export_fail(exporter *x, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    if (!x->set->error) x->set->error = arena_vprintf(x->a, fmt, ap);
    va_end(ap);
}

void export_add(export_set *s, const char *name, const void *bytes, uint64_t size) {
    export_file f = {name, bytes, size};
    vec_push(s->a, &s->files, f);
}

const char *status_for(exporter *x, const char *what, const char *meaning) {
    int same = 0;
    for (int i = 0; i < x->statuses.len; i++) {
        const code_status *s = &x->statuses.data[i];
        if (!strcmp(s->meaning, meaning)) return arena_printf(x->a, "%s_E_%s", x->upper, s->name);
        same += !strncmp(s->name, what, strlen(what));
    }
    code_status s = {same ? arena_printf(x->a, "%s_%d", what, same + 1) : what, meaning};
    vec_push(x->a, &x->statuses, s);
    return arena_printf(x->a, "%s_E_%s", x->upper, s.name);
}

/* ---- The package's tables ---------------------------------------------------------------------------------------- */
uint32_t tensor_at(const exporter *x, int kind, uint32_t i) {
    const fpk_info *f = x->p->info;
    uint32_t first[] = {0, f->n_inputs, f->n_inputs + f->n_outputs, f->n_inputs + f->n_outputs + f->n_params};
    return first[kind] + i;
}

const char *tensor_type(const exporter *x, int kind, uint32_t i) {
    return c_type((frit_dtype)rt_tensor(x->p, kind, i)->dtype);
}

bool has_states(const exporter *x) { return x->p->info->n_states > 0; }

bool uses_seed(const exporter *x) {
    for (uint32_t i = 0; i < n_symbols(x); i++)
        if (x->level[i] == LEVEL_SEED) return true;
    return false;
}

bool schedule_empty(const exporter *x, uint32_t s) { return x->p->schedules[x->v->first_schedule + s].count <= 1; }

bool in_tensors(const exporter *x, int kind, uint32_t symbol) {
    for (uint32_t i = 0; i < rt_n_tensors(x->p, kind); i++) {
        const fpk_tensor *t = rt_tensor(x->p, kind, i);
        for (uint32_t k = 0; k < t->rank; k++) {
            const fpk_expr *e = &x->p->exprs[x->p->lists[t->dims + k]];
            for (uint32_t j = e->first; j < e->first + e->count; j++)
                if (x->p->steps[j].op == FPK_SYM && x->p->steps[j].sym == symbol) return true;
        }
    }
    return false;
}

static level level_of(const exporter *x, uint32_t i) {
    switch ((frit_dim_role)x->p->symbols[i].role) {
    case FRIT_DIM_INT: return LEVEL_RUN;
    case FRIT_DIM_SEED: return LEVEL_SEED;
    case FRIT_DIM_LOOP: return LEVEL_LOOP;
    case FRIT_DIM_DEVICE: return LEVEL_DEVICE;
    case FRIT_DIM_BOUND: break;
    }
    if (in_tensors(x, RT_PARAM, i)) return LEVEL_WEIGHTS;
    return in_tensors(x, RT_STATE, i) ? LEVEL_CONTEXT : LEVEL_RUN;
}

/* The name of a host integer is its input's. */
static const char *wanted_name(const exporter *x, uint32_t symbol) {
    for (uint32_t i = 0; i < x->p->info->n_inputs; i++)
        if (rt_tensor(x->p, RT_INPUT, i)->symbol == symbol) return rt_string(x->p, rt_tensor(x->p, RT_INPUT, i)->name);
    return rt_string(x->p, x->p->symbols[symbol].name);
}

static void name_everything(exporter *x) {
    names n = {.a = x->a};
    const char *entry = rt_string(x->p, x->p->info->entry), *name = x->o->name;
    if (!name || x->set->n > 1) name = name && x->o->prefixed ? arena_printf(x->a, "%s_%s", name, entry) : entry;
    x->name = name_model(&n, name);
    x->upper = upper(x->a, x->name);
    x->symbol = arena_array(x->a, const char *, n_symbols(x) + 1);
    x->level = arena_array(x->a, level, n_symbols(x) + 1);
    x->tensor = arena_array(x->a, const char *, x->p->n_tensors + 1);
    for (uint32_t i = 0; i < n_symbols(x); i++) {
        x->level[i] = level_of(x, i);
        x->symbol[i] = name_new(&n, wanted_name(x, i));
    }
    for (uint32_t i = 0; i < x->p->n_tensors; i++) {
        uint32_t s = i < x->p->info->n_inputs ? x->p->tensors[i].symbol : FPK_NONE;
        x->tensor[i] = s != FPK_NONE ? x->symbol[s] : name_new(&n, rt_string(x->p, x->p->tensors[i].name));
    }
}

/* ---- Kernels ----------------------------------------------------------------------------------------------------- */
static bool find_code(exporter *x) {
    for (uint32_t k = 0; k < x->v->n_kernels; k++) {
        x->code[k] = -1;
        for (int i = 0; i < x->program->n_kernels; i++)
            if (x->program->kernels[i].code_offset == x->kernels[k].code_offset) x->code[k] = i;
        if (x->code[k] < 0) return export_fail(x, "kernel %s has no code", rt_string(x->p, x->kernels[k].name)), false;
    }
    return true;
}

/* Functions in an object of their own have the model's name in front: several models may meet in one program. */
static void name_object_kernels(exporter *x) {
    names n = {.a = x->a};
    const char **of = arena_array(x->a, const char *, x->program->n_kernels + 1);
    for (uint32_t k = 0; k < x->v->n_kernels; k++) {
        const char **name = &of[x->code[k]];
        if (!*name)
            *name = name_new(&n, arena_printf(x->a, "%s_kernel_%s", x->name, x->program->kernels[x->code[k]].name));
        x->kernel[k] = *name;
    }
}

/* The kernels of all models as C, when that is a form of the target: in one text with the host side, so that no prefix is
 * needed but what keeps models apart. */
static bool print_kernels(export_set *s) {
    int n = 0;
    int64_t size;
    const char *error = NULL;
    for (int m = 0; m < s->n; m++) n += s->models[m].program->n_kernels;
    ir_func **funcs = arena_array(s->a, ir_func *, n + 1);
    n = 0;
    for (int m = 0; m < s->n; m++) {
        exporter *x = &s->models[m];
        int first = n;
        for (int i = 0; i < x->program->n_kernels; i++) {
            ir_func *f = funcs[n++] = x->program->kernels[i].thread;
            if (s->n > 1) f->name = arena_printf(s->a, "%s_%s", x->name, f->name);
        }
        for (uint32_t k = 0; k < x->v->n_kernels; k++) x->kernel[k] = cprint_kernel_name(s->a, funcs[first + x->code[k]]);
    }
    s->kernel_text = target_emit(s->models[0].target, s->a, TARGET_C, n, funcs, &size, &error);
    return s->kernel_text;
}

/* ---- The whole --------------------------------------------------------------------------------------------------- */
static bool open_package(exporter *x) {
    frit_error err;
    if (frit_package_open_memory(x->program->bytes, x->program->n_bytes, NULL, NULL, NULL, &x->p, &err) != FRIT_OK)
        return export_fail(x, "the package cannot be read: %s", err.message), false;
    x->v = &x->p->variants[0];
    x->buffers = x->p->buffers + x->v->first_buffer;
    x->kernels = x->p->kernels + x->v->first_kernel;
    x->kernel = arena_array(x->a, const char *, x->v->n_kernels + 1);
    x->code = arena_array(x->a, int, x->v->n_kernels + 1);
    x->helps = arena_array(x->a, bool, HELP_COUNT);
    x->const_used = arena_array(x->a, bool, x->v->n_buffers + 1);
    x->known = arena_array(x->a, int64_t, n_symbols(x) + 1);
    x->is_known = arena_array(x->a, uint8_t, n_symbols(x) + 1);
    name_everything(x);
    return find_code(x);
}

static void common_statuses(exporter *x) {
    status_for(x, "ARGUMENT", "a pointer is NULL, tensors overlap, or a number makes no sense");
    status_for(x, "NO_MEMORY", "out of memory");
    status_for(x, "TOO_LARGE", "a size overflows 64 bits: the dims are too large");
    const char *machine = x->gpu                        ? "this device does not run code for %s"
                          : x->target->limits.is_source ? "not with code for %s: any processor runs it"
                                                        : "this processor lacks instructions of %s";
    status_for(x, "MACHINE", arena_printf(x->a, machine, rt_string(x->p, x->v->target)));
    if (x->gpu) {
        status_for(x, "DRIVER", "the driver's library is not there, or too old");
        status_for(x, "NO_DEVICE", "there is no such device");
        status_for(x, "DEVICE", "the device or its driver reported a failure");
    }
    if (!x->reads_file) return;
    status_for(x, "FILE", "the file of weights cannot be opened");
    status_for(x, "WEIGHTS",
               "these are not the weights that the code was made for, or they are not aligned to 8 bytes");
}

static bool any_packed(const exporter *x) {
    for (uint32_t b = 0; b < x->v->n_buffers; b++)
        if (x->buffers[b].kind == FPK_BUF_PACKED) return true;
    return false;
}

static bool prepare(exporter *x) {
    if (!open_package(x)) return false;
    x->has_load = x->p->info->n_params || any_packed(x);
    x->has_params = x->p->info->n_params && x->o->weights != EXPORT_WEIGHTS_INSIDE;
    x->reads_file = x->p->info->n_params && x->o->weights == EXPORT_WEIGHTS_BESIDE;
    if (!gpu_prepare(x) || !weights_prepare(x)) return false;
    common_statuses(x);
    return true;
}

/* Functions of one model must not be called like another's. */
static bool names_apart(export_set *s) {
    for (int i = 0; i < s->n; i++)
        for (int k = 0; k < s->n; k++) {
            const char *a = s->models[i].name, *b = s->models[k].name;
            size_t n = strlen(a);
            if (i != k && !strncmp(a, b, n) && (!b[n] || b[n] == '_'))
                return export_fail(&s->models[i], "the models '%s' and '%s' would have functions of the same names", a, b), false;
        }
    return true;
}

static bool name_kernels(export_set *s) {
    bool object = !s->models[0].gpu && !print_kernels(s), ok = true;
    for (int i = 0; i < s->n; i++) {
        if (object) name_object_kernels(&s->models[i]);
        if (s->models[i].gpu) ok &= gpu_name_kernels(&s->models[i]);
    }
    return ok;
}

static void make_files(export_set *s) {
    text header = {.a = s->a}, source = {.a = s->a};
    weights_layout(s);
    if (!names_apart(s) || !name_kernels(s)) return;
    put_source(s, &source); /* before the header, which lists the statuses that it found */
    put_header(s, &header);
    export_add(s, arena_printf(s->a, "%s.h", s->name), text_of(&header), header.len);
    export_add(s, arena_printf(s->a, "%s.c", s->name), text_of(&source), source.len);
    for (int i = 0; i < s->n && !s->kernel_text && !s->models[0].gpu; i++)
        object_write(&s->models[i], arena_printf(s->a, "%s_kernels.o", s->models[i].name));
    if (s->models[0].gpu) put_manifest(s);
    put_build_files(s);
}

static const export_result *result_of(const export_set *s) {
    export_result *r = arena_new_of(s->a, export_result);
    *r = (export_result){.name = s->name, .n = s->files.len, .files = s->files.data, .weights = s->weights_file};
    for (int i = 0; i < r->n; i++) r->code_bytes += r->files[i].size;
    return r;
}

const export_result *export_build(arena *a, int n, const program *const *programs, const target *t,
                                  const export_options *o, const char **error) {
    export_set s = {.a = a, .o = o, .n = n, .models = arena_array(a, exporter, n)};
    bool ok = true;
    for (int i = 0; i < n; i++) {
        s.models[i] = (exporter){.a = a, .program = programs[i], .target = t, .o = o, .set = &s};
        ok = ok && prepare(&s.models[i]);
    }
    names fresh = {.a = a};
    s.name = n == 1 ? s.models[0].name : name_model(&fresh, o->name);
    s.upper = upper(a, s.name ? s.name : "");
    if (ok) make_files(&s);
    for (int i = 0; i < n; i++) frit_package_release(s.models[i].p);
    *error = s.error;
    return s.error ? NULL : result_of(&s);
}
