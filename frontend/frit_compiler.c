/* The C API: compilers and modules. */
#include "elab.h"
#include "frit_compiler_internal.h"
#include "source.h"
#include <stdlib.h>
#include <string.h>

frit_status api_fail(frit_error *err, frit_status s, const char *format, ...) {
    va_list ap;
    if (!err)
        return s;
    *err = (frit_error){.status = s};
    va_start(ap, format);
    vsnprintf(err->message, sizeof err->message, format, ap);
    va_end(ap);
    return s;
}

bool api_take_options(void *dst, size_t size, const void *src) {
    enum { MOST = 4096 };
    size_t given;
    if (!src)
        return true;
    memcpy(&given, src, sizeof given);
    if (given < sizeof given || given > MOST)
        return false;
    memcpy(dst, src, given < size ? given : size);
    for (size_t i = size; i < given; i++)
        if (((const char *)src)[i])
            return false;
    return true;
}

frit_status api_bad_options(frit_error *err, const char *function) {
    return api_fail(err, FRIT_USAGE, "%s: set struct_size, and nothing that this version does not know", function);
}

/* ---- Compiler ---------------------------------------------------------------------------------------------------- */
static void configure(frit_compiler *c, const frit_compiler_options *o) {
    static const cache_mode modes[] = {CACHE_ON, CACHE_ON, CACHE_READ_ONLY, CACHE_OFF};
    c->cache = cache_from_environment(c->arena);
    c->workers = o->workers;
    c->never_compile = o->never_compile;
    c->diagnose = o->diagnose;
    c->diagnose_ctx = o->diagnose_ctx;
    if (o->cache_dir) {
        const char *mode = getenv("FRIT_CACHE"); /* without a home the environment's cache is off */
        c->cache.mode = !mode || (strcmp(mode, "off") && strcmp(mode, "ro")) ? CACHE_ON : c->cache.mode;
        c->cache.folder = arena_strdup(c->arena, o->cache_dir);
    }
    if (o->cache_limit)
        c->cache.limit = o->cache_limit;
    if (o->cache != FRIT_CACHE_ENVIRONMENT)
        c->cache.mode = c->cache.folder ? modes[o->cache] : CACHE_OFF;
}

frit_status frit_compiler_create(const frit_compiler_options *options, frit_compiler **out, frit_error *err) {
    frit_compiler_options o = {.struct_size = sizeof o};
    if (!out)
        return api_fail(err, FRIT_USAGE, "frit_compiler_create: out must not be NULL");
    *out = NULL;
    if (!api_take_options(&o, sizeof o, options))
        return api_bad_options(err, "frit_compiler_create");
    if ((unsigned)o.cache > FRIT_CACHE_OFF || o.workers < 0)
        return api_fail(err, FRIT_USAGE, "frit_compiler_create: an option is out of range");
    frit_compiler *c = calloc(1, sizeof *c);
    if (c && !(c->background = background_new())) {
        free(c);
        c = NULL;
    }
    if (!c)
        return api_fail(err, FRIT_NO_MEMORY, "out of memory");
    c->refs = 1;
    c->arena = arena_new();
    configure(c, &o);
    *out = c;
    return FRIT_OK;
}

frit_compiler *frit_compiler_retain(frit_compiler *c) {
    if (c)
        c->refs++;
    return c;
}

void frit_compiler_release(frit_compiler *c) {
    if (!c || --c->refs)
        return;
    arena_free(c->arena);
    background_free(c->background);
    free(c);
}

/* ---- Diagnostics ------------------------------------------------------------------------------------------------- */
enum { MOST_LINE = 1024 };

/* The line that a byte of a source lies in, cut when it is very long. */
static void copy_line(const diag *d, ir_span span, char line[MOST_LINE]) {
    size_t size, from = span.begin, n = 0;
    const char *text = diag_source_text(d, span.file, &size);
    from = from < size ? from : size;
    while (from && text[from - 1] != '\n')
        from--;
    while (from + n < size && text[from + n] != '\n' && text[from + n] != '\r' && n < MOST_LINE - 1)
        n++;
    memcpy(line, text + from, n);
    line[n] = 0;
}

static frit_diagnostic placed(const diag *d, ir_span span, char line[MOST_LINE]) {
    frit_diagnostic f = {.file = ""};
    if (span.file) {
        f.file = diag_source_name(d, span.file);
        diag_locate(d, span.file, span.begin, &f.line, &f.column);
        copy_line(d, span, line);
        f.source = line;
    }
    return f;
}

static void give(const frit_compiler *c, const diag *d, int i, const diag_view *v) {
    char line[MOST_LINE];
    frit_diagnostic f = placed(d, v->span, line);
    f.severity = v->severity == DIAG_ERROR ? FRIT_ERROR : v->severity == DIAG_WARNING ? FRIT_WARNING : FRIT_NOTE;
    f.code = v->code;
    f.message = v->text;
    f.suggestion = v->suggestion;
    c->diagnose(c->diagnose_ctx, &f);
    for (int n = 0; n < v->notes; n++) {
        ir_span span;
        const char *text = diag_get_note(d, i, n, &span);
        f = placed(d, span, line);
        f.severity = FRIT_NOTE;
        f.code = "";
        f.message = text;
        c->diagnose(c->diagnose_ctx, &f);
    }
}

static void api_report(const frit_compiler *c, const diag *d, frit_error *err) {
    bool first = true;
    for (int i = 0; i < diag_count(d); i++) {
        diag_view v = diag_get(d, i);
        if (c->diagnose)
            give(c, d, i, &v);
        if (v.severity != DIAG_ERROR || !first)
            continue;
        first = false;
        char line[MOST_LINE];
        frit_diagnostic f = placed(d, v.span, line);
        api_fail(err, FRIT_BAD_MODEL, "%s: %s", v.code, v.text);
        if (err) {
            snprintf(err->file, sizeof err->file, "%s", f.file);
            err->line = (uint32_t)f.line;
        }
    }
}

/* ---- Weights that will be bound ---------------------------------------------------------------------------------- */
static bool weight_type(void *user, const char *path, frit_dtype *dtype, int *rank, int64_t dims[IR_MAX_RANK]) {
    const frit_module *m = user;
    for (int i = 0; i < m->n_weights; i++) {
        const frit_weight_type *w = &m->weights[i];
        if (strcmp(w->name, path))
            continue;
        *dtype = w->dtype;
        *rank = w->rank;
        memcpy(dims, w->dims, sizeof *dims * (size_t)w->rank);
        return true;
    }
    return false;
}

static void take_weights(frit_module *m, const frit_module_options *o) {
    m->weights = arena_array(m->arena, frit_weight_type, o->n_weights + 1);
    for (m->n_weights = 0; m->n_weights < o->n_weights; m->n_weights++) {
        frit_weight_type *w = &m->weights[m->n_weights];
        *w = o->weights[m->n_weights];
        w->name = arena_strdup(m->arena, w->name);
        int64_t *dims = arena_array(m->arena, int64_t, w->rank + 1);
        if (w->rank)
            memcpy(dims, w->dims, sizeof *dims * (size_t)w->rank);
        w->dims = dims;
    }
}

static bool weights_are_whole(const frit_module_options *o) {
    if (o->n_weights < 0 || (o->n_weights && !o->weights))
        return false;
    for (int i = 0; i < o->n_weights; i++) {
        const frit_weight_type *w = &o->weights[i];
        if (!w->name || (unsigned)w->dtype >= FRIT_DTYPE_COUNT || w->rank < 0 || w->rank > IR_MAX_RANK || (w->rank && !w->dims))
            return false;
        for (int k = 0; k < w->rank; k++)
            if (w->dims[k] < 0)
                return false;
    }
    return true;
}

/* ---- Elaboration ------------------------------------------------------------------------------------------------- */
static void elaborate_frit(const frit_module *m, elaborated *e, uint32_t source) {
    ast_file *file = ast_parse(e->arena, e->d, source);
    if (diag_errors(e->d))
        return;
    elab_define *defines = arena_array(e->arena, elab_define, m->n_defines + 1);
    for (int i = 0; i < m->n_defines; i++)
        defines[i] = (elab_define){m->defines[i].name, m->defines[i].value};
    elab_loader loader = elab_folder_loader(e->arena, e->d);
    elab_options options = {.entry = m->entry, .n_defines = m->n_defines, .defines = defines};
    if (m->n_weights) {
        options.weight_type = weight_type;
        options.weight_user = (void *)m;
    }
    e->module = elaborate(e->arena, e->d, file, &loader, &options);
    e->imports = elab_folder_sources(&loader, &e->n_imports);
}

/* The entry is the func of that name, else the last tensor-level func that is no state's first value. */
static ir_func *entry_of(const ir_module *m, const char *name) {
    if (name)
        return ir_func_find(m, name);
    ir_func *chosen = NULL;
    for (ir_func *f = m->funcs; f; f = f->next) {
        bool init = f->level != IR_LEVEL_TENSOR;
        for (int i = 0; i < m->globals.len; i++)
            init |= m->globals.data[i]->init == f;
        if (!init)
            chosen = f;
    }
    return chosen;
}

void elaborated_free(elaborated *e) {
    if (e->module)
        ir_module_free(e->module);
    if (e->d)
        diag_free(e->d);
    if (e->arena)
        arena_free(e->arena);
    *e = (elaborated){0};
}

frit_status module_elaborate(const frit_module *m, elaborated *e, frit_error *err) {
    *e = (elaborated){.arena = arena_new(), .d = diag_new()};
    uint32_t source = diag_add_source(e->d, m->name, m->text, m->size);
    if (m->form == FRIT_SOURCE_FIR)
        e->module = ir_parse(e->d, source);
    else
        elaborate_frit(m, e, source);
    if (e->module && !(e->model = entry_of(e->module, m->entry)))
        diag_report(e->d, MSG_ENTRY_UNKNOWN, (ir_span){0}, m->entry ? m->entry : "(any)");
    api_report(m->compiler, e->d, err);
    if (e->model && !diag_errors(e->d))
        return FRIT_OK;
    elaborated_free(e);
    return FRIT_BAD_MODEL;
}

/* ---- Modules ----------------------------------------------------------------------------------------------------- */
static void take_options(frit_module *m, const frit_module_options *o) {
    m->entry = o->entry ? arena_strdup(m->arena, o->entry) : NULL;
    m->defines = arena_array(m->arena, frit_define, o->n_defines + 1);
    for (int i = 0; i < o->n_defines; i++)
        m->defines[m->n_defines++] =
            (frit_define){arena_strdup(m->arena, o->defines[i].name), arena_strdup(m->arena, o->defines[i].value)};
}

static bool defines_are_whole(const frit_module_options *o) {
    if (o->n_defines < 0 || (o->n_defines && !o->defines))
        return false;
    for (int i = 0; i < o->n_defines; i++)
        if (!o->defines[i].name || !o->defines[i].value)
            return false;
    return true;
}

frit_status frit_module_parse(frit_compiler *c, frit_source form, const char *name, const char *text, size_t size,
                              const frit_module_options *options, frit_module **out, frit_error *err) {
    elaborated e;
    frit_module_options o = {.struct_size = sizeof o};
    if (!c || !name || (!text && size) || !out || (unsigned)form > FRIT_SOURCE_FIR)
        return api_fail(err, FRIT_USAGE, "frit_module_parse: compiler, name, text and out are wanted");
    *out = NULL;
    if (!api_take_options(&o, sizeof o, options))
        return api_bad_options(err, "frit_module_parse");
    if (!defines_are_whole(&o))
        return api_fail(err, FRIT_USAGE, "frit_module_parse: a define lacks its name or value");
    if (!weights_are_whole(&o))
        return api_fail(err, FRIT_USAGE, "frit_module_parse: the type of a weight lacks its name or dims, or has wrong ones");
    frit_module *m = calloc(1, sizeof *m);
    if (!m)
        return api_fail(err, FRIT_NO_MEMORY, "out of memory");
    *m = (frit_module){.refs = 1, .compiler = frit_compiler_retain(c), .arena = arena_new(), .form = form, .size = size};
    m->name = arena_strdup(m->arena, name);
    m->text = arena_strndup(m->arena, "", 0);
    if (size)
        m->text = arena_copy(m->arena, text, size);
    take_options(m, &o);
    take_weights(m, &o);
    frit_status s = o.lazy ? FRIT_OK : module_elaborate(m, &e, err);
    if (s != FRIT_OK) {
        frit_module_release(m);
        return s;
    }
    if (!o.lazy)
        elaborated_free(&e);
    *out = m;
    return FRIT_OK;
}

frit_status frit_module_open(frit_compiler *c, const char *path, const frit_module_options *options, frit_module **out,
                             frit_error *err) {
    int error = 0;
    if (!c || !path || !out)
        return api_fail(err, FRIT_USAGE, "frit_module_open: compiler, path and out are wanted");
    *out = NULL;
    diag *d = diag_new();
    uint32_t source = source_read(d, path, &error);
    if (!source) {
        diag_free(d);
        return api_fail(err, FRIT_IO, "%s: %s", path, strerror(error));
    }
    size_t size, n = strlen(path);
    const char *text = diag_source_text(d, source, &size);
    frit_source form = n > 4 && !strcmp(path + n - 4, ".fir") ? FRIT_SOURCE_FIR : FRIT_SOURCE_FRIT;
    frit_status s = frit_module_parse(c, form, path, text, size, options, out, err);
    diag_free(d);
    return s;
}

frit_module *frit_module_retain(frit_module *m) {
    if (m)
        m->refs++;
    return m;
}

void frit_module_release(frit_module *m) {
    if (!m || --m->refs)
        return;
    frit_compiler *c = m->compiler;
    arena_free(m->arena);
    free(m);
    frit_compiler_release(c);
}
