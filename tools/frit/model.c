/* From the command line to an elaborated module. */
#include "model.h"
#include "frontend/source.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const ir_span nowhere = {0};

static bool ends_with(const char *s, const char *tail) {
    size_t n = strlen(s), t = strlen(tail);
    return n >= t && !strcmp(s + n - t, tail);
}

/* ---- -D ---- */
static bool parse_integer(const char **p, int64_t *v) {
    char *end;
    errno = 0;
    *v = strtoll(*p, &end, 10);
    bool any = end > *p && !errno;
    *p = end;
    return any;
}

static void parse_list(cli *c, define *d) {
    VEC(int64_t) list = {0};
    const char *p = d->value;
    int64_t v;
    while (parse_integer(&p, &v)) {
        vec_push(c->arena, &list, v);
        if (*p != ',')
            break;
        p++;
    }
    if (*p || list.len < 2)
        return;
    d->kind = DEFINE_LIST;
    d->list = list.data;
    d->n = list.len;
}

static bool parse_define(cli *c, define *d, const char *text) {
    size_t n = strcspn(text, "=%");
    *d = (define){.name = arena_strndup(c->arena, text, n)};
    if (!n || !text[n] || !text[n + 1]) {
        cli_usage(c, "-D wants NAME=VALUE, not '%s'", text);
        return false;
    }
    const char *p = d->value = text + n + 1;
    if (text[n] == '%') {
        d->kind = DEFINE_MULTIPLE;
        if (parse_integer(&p, &d->lo) && !*p && d->lo > 0)
            return true;
        cli_usage(c, "-D %s wants a positive number after %%", text);
        return false;
    }
    if (parse_integer(&p, &d->lo) && p[0] == '.' && p[1] == '.') {
        p += 2;
        d->kind = DEFINE_RANGE;
        if (parse_integer(&p, &d->hi) && !*p && d->lo >= 0 && d->hi >= d->lo)
            return true;
        cli_usage(c, "-D %s wants bounds as 1..512", text);
        return false;
    }
    parse_list(c, d);
    return true;
}

static bool parse_defines(cli *c, model *m) {
    const strings *v = &c->o.values[OPT_define];
    m->defines = arena_array(c->arena, define, v->len + 1);
    for (int i = 0; i < v->len; i++) {
        define *d = &m->defines[m->n_defines++];
        if (!parse_define(c, d, v->data[i]))
            return false;
        for (const define *other = m->defines; other < d; other++)
            if (other->kind == d->kind && !strcmp(other->name, d->name)) {
                cli_usage(c, "-D %s is given twice", d->name);
                return false;
            }
        if (d->kind == DEFINE_LIST && c->o.command != CMD_bench) {
            cli_usage(c, "-D %s: lists of values are for bench", v->data[i]);
            return false;
        }
        if ((d->kind == DEFINE_RANGE || d->kind == DEFINE_MULTIPLE) && c->o.command != CMD_compile) {
            cli_usage(c, "-D %s: bounds are for compile", v->data[i]);
            return false;
        }
    }
    return true;
}

define *model_define(model *m, const char *name) {
    for (int i = 0; i < m->n_defines; i++)
        if (m->defines[i].kind == DEFINE_VALUE && !strcmp(m->defines[i].name, name))
            return &m->defines[i];
    return NULL;
}

/* ---- weights ---- */
static bool open_weights(cli *c, model *m) {
    const strings *v = &c->o.values[OPT_weights_from];
    m->weights = weights_new();
    m->has_weights = v->len > 0;
    for (int i = 0; i < v->len; i++) {
        io_error e;
        if (!weights_add(m->weights, v->data[i], &e))
            diag_report(c->d, MSG_WEIGHT_FILE, nowhere, e.text);
    }
    return !diag_errors(c->d);
}

static bool weight_type(void *user, const char *path, frit_dtype *dtype, int *rank, int64_t dims[IR_MAX_RANK]) {
    const weights *w = user;
    int i = weights_find(w, path);
    if (i < 0)
        return false;
    const safetensor *t = weights_entry(w, i);
    if (t->dtype == FRIT_DTYPE_COUNT)
        return false;
    *dtype = t->dtype;
    *rank = t->rank;
    memcpy(dims, t->dims, sizeof *dims * (size_t)t->rank);
    return true;
}

/* ---- source ---- */
uint32_t model_read_source(cli *c, const char *path) {
    io_error e;
    if (!strcmp(path, "-")) {
        io_file *f = io_file_open(path, &e);
        if (!f) {
            diag_report(c->d, MSG_MODEL_FILE, nowhere, path, e.text);
            return 0;
        }
        uint32_t id = diag_add_source(c->d, "<stdin>", (const char *)io_file_data(f), io_file_size(f));
        io_file_release(f);
        return id;
    }
    int error = 0;
    uint32_t id = source_read(c->d, path, &error);
    if (!id)
        diag_report(c->d, MSG_MODEL_FILE, nowhere, path, strerror(error));
    return id;
}

static bool entry_exists(cli *c, const ast_file *file, const char *entry) {
    const char *names[64];
    int n = 0;
    for (int i = 0; i < file->items.len; i++) {
        const ast_item *item = file->items.data[i];
        if (item->kind != AST_MODEL || !item->fn.name.text)
            continue;
        if (!strcmp(item->fn.name.text, entry))
            return true;
        if (n < 64)
            names[n++] = item->fn.name.text;
    }
    diag_record *r = diag_report(c->d, MSG_ENTRY_UNKNOWN, nowhere, entry);
    const char *near = diag_nearest(entry, names, n);
    if (near)
        diag_suggest(c->d, r, "did you mean %s?", near);
    for (int i = 0; i < n; i++)
        diag_note(c->d, r, nowhere, "the file has model %s", names[i]);
    return false;
}

static void elaborate_source(cli *c, model *m) {
    ast_file *file = ast_parse(c->arena, c->d, m->source);
    if (diag_errors(c->d))
        return;
    const char *entry = m->entry;
    if (entry && !entry_exists(c, file, entry))
        return;
    elab_define *defines = arena_array(c->arena, elab_define, m->n_defines + 1);
    int n = 0;
    for (int i = 0; i < m->n_defines; i++)
        if (m->defines[i].kind == DEFINE_VALUE)
            defines[n++] = (elab_define){m->defines[i].name, m->defines[i].value};
    elab_loader loader = elab_folder_loader(c->arena, c->d);
    elab_options options = {.entry = entry, .n_defines = n, .defines = defines, .weight_type = weight_type,
                            .weight_user = m->weights};
    m->module = elaborate(c->arena, c->d, file, &loader, &options);
    m->imports = elab_folder_sources(&loader, &m->n_imports);
}

/* The entry: the func named by -e, else the last tensor-level func that is no state's first value. */
static ir_func *choose_entry(const ir_module *m, const char *name) {
    if (name)
        return ir_func_find(m, name);
    ir_func *chosen = NULL;
    for (ir_func *f = m->funcs; f; f = f->next) {
        bool init = false;
        for (int i = 0; i < m->globals.len; i++)
            init |= m->globals.data[i]->init == f;
        if (f->level == IR_LEVEL_TENSOR && !init)
            chosen = f;
    }
    return chosen;
}


/* Bounds given for compile narrow the symbol of that name. */
static void apply_bound(const model *m, const define *d) {
    sym_ctx *s = m->module->syms;
    for (int i = 0; i < m->module->symbols.len; i++) {
        sym_t v = m->module->symbols.data[i];
        if (strcmp(sym_var_name(v), d->name))
            continue;
        if (d->kind == DEFINE_RANGE)
            sym_var_bound(s, v, sym_const(s, d->lo), sym_const(s, d->hi), 1);
        else
            sym_var_bound(s, v, NULL, NULL, d->lo);
    }
}

static void check_dims_exist(cli *c, model *m) {
    for (int i = 0; i < m->n_defines; i++) {
        const define *d = &m->defines[i];
        bool found = d->kind == DEFINE_VALUE;
        for (int s = 0; s < m->module->symbols.len; s++)
            found |= !strcmp(sym_var_name(m->module->symbols.data[s]), d->name);
        if (found)
            continue;
        diag_record *r = diag_report(c->d, MSG_DIM_UNKNOWN, nowhere, d->name);
        for (int s = 0; s < m->module->symbols.len; s++)
            diag_note(c->d, r, nowhere, "dim %s", sym_var_name(m->module->symbols.data[s]));
    }
}

static void finish_module(cli *c, model *m) {
    const char *entry = m->entry;
    m->func = choose_entry(m->module, entry);
    if (!m->func) {
        diag_report(c->d, MSG_ENTRY_UNKNOWN, nowhere, entry ? entry : "(any)");
        return;
    }
    check_dims_exist(c, m);
    for (int i = 0; i < m->n_defines; i++)
        if (m->defines[i].kind == DEFINE_RANGE || m->defines[i].kind == DEFINE_MULTIPLE)
            apply_bound(m, &m->defines[i]);
    m->n_bounds = m->func->body->n_args;
    m->bounds = arena_array(c->arena, const char *, m->n_bounds + 1);
    for (int i = 0; i < m->n_bounds; i++)
        m->bounds[i] = model_index_bound(c, m, i);
}

/* Formats that other tools write and this version does not read. */
static bool is_foreign(cli *c, const char *path) {
    if (!ends_with(path, ".onnx"))
        return false;
    cli_usage(c, "'%s': this version of frit reads no ONNX yet; MODEL is a .frit or .fir file, or a package (.fpk)", path);
    return true;
}

static bool read_precision(cli *c, model *m) {
    const char *name = option_text(&c->o, OPT_precision, "f32");
    if (!precision_from_name(name, &m->precision))
        return cli_usage(c, "--precision is f32, tf32, bf16 or fast, not '%s'", name), false;
    if (m->kind == MODEL_PACKAGE && m->precision != PRECISION_F32)
        return cli_usage(c, "--precision %s: a package is compiled already", name), false;
    return true;
}

bool model_read(cli *c, const char *path, model *m, int *status) {
    *m = (model){.path = path,
                 .entry = option_text(&c->o, OPT_entry, NULL),
                 .kind = ends_with(path, ".fpk")   ? MODEL_PACKAGE
                         : ends_with(path, ".fir") ? MODEL_FIR
                                                   : MODEL_FRIT};
    *status = EXIT_USAGE;
    if (is_foreign(c, path) || !parse_defines(c, m) || !read_precision(c, m))
        return false;
    *status = EXIT_MODEL;
    if (!open_weights(c, m))
        return false;
    if (m->kind == MODEL_PACKAGE)
        return true;
    m->source = model_read_source(c, path);
    return m->source;
}

bool model_elaborate(cli *c, model *m, int *status) {
    *status = EXIT_MODEL;
    if (m->kind == MODEL_PACKAGE)
        return true;
    if (m->kind == MODEL_FIR)
        m->module = ir_parse(c->d, m->source);
    else
        elaborate_source(c, m);
    if (m->module)
        finish_module(c, m);
    if (m->module && !diag_errors(c->d))
        precision_apply(m->module, m->precision);
    return m->module && !diag_errors(c->d);
}

bool model_open(cli *c, const char *path, model *m, int *status) {
    return model_read(c, path, m, status) && model_elaborate(c, m, status);
}

void model_close(model *m) {
    if (m->module)
        ir_module_free(m->module);
    weights_free(m->weights);
    *m = (model){0};
}

/* ---- checking weights ---- */
static void report_missing(cli *c, const model *m, const ir_global *g) {
    const char *near[3];
    diag_record *r = diag_report(c->d, MSG_WEIGHT_MISSING, g->span, g->path, ir_type_print(c->arena, g->type));
    int n = weights_nearest(m->weights, g->path, 3, near);
    for (int i = 0; i < n; i++) {
        const safetensor *t = weights_entry(m->weights, weights_find(m->weights, near[i]));
        char shape[400];
        diag_note(c->d, r, nowhere, "there is %s: %s", near[i],
                  t->dtype == FRIT_DTYPE_COUNT ? t->foreign
                                               : io_shape_text(shape, sizeof shape, t->dtype, t->rank, t->dims));
    }
}

static bool fits(const ir_global *g, const safetensor *t) {
    bool ok = t->dtype == (frit_dtype)g->type.dtype && t->rank == g->type.rank;
    for (int d = 0; ok && d < t->rank; d++) {
        int64_t v;
        if (sym_is_const(g->type.dims[d], &v))
            ok = v == t->dims[d];
    }
    return ok;
}

static void report_unused(cli *c, model *m) {
    int n = 0;
    const char *first[3];
    for (int i = 0; i < weights_count(m->weights); i++)
        if (!ir_global_find(m->module, weights_key(m->weights, i)) && n++ < 3)
            first[n - 1] = weights_key(m->weights, i);
    if (!n)
        return;
    m->unused = arena_printf(c->arena, "%d of the weights %s not used: %s%s%s%s%s%s", n, n == 1 ? "is" : "are", first[0],
                             n > 1 ? ", " : "", n > 1 ? first[1] : "", n > 2 ? ", " : "", n > 2 ? first[2] : "",
                             n > 3 ? ", ..." : "");
    cli_note(c, "%s", m->unused);
}

bool model_check_weights(cli *c, model *m) {
    if (!m->has_weights || !m->module)
        return true;
    for (int i = 0; i < m->module->globals.len; i++) {
        const ir_global *g = m->module->globals.data[i];
        if (g->is_state)
            continue;
        int at = weights_find(m->weights, g->path);
        if (at < 0) {
            report_missing(c, m, g);
            continue;
        }
        const safetensor *t = weights_entry(m->weights, at);
        char shape[400];
        if (!fits(g, t))
            diag_report(c->d, MSG_WEIGHT_TYPE, g->span, g->path,
                        t->dtype == FRIT_DTYPE_COUNT ? t->foreign
                                                     : io_shape_text(shape, sizeof shape, t->dtype, t->rank, t->dims),
                        weights_file(m->weights, at), ir_type_print(c->arena, g->type));
    }
    report_unused(c, m);
    return !diag_errors(c->d);
}
