/* Inputs, weights and dims of a run. */
#include "feed.h"
#include "formula.h"
#include "tools/io/fill.h"
#include "tools/io/literal.h"
#include "tools/io/npy.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_EXTENT = 4 };
static const ir_span nowhere = {0};

typedef struct {
    cli *c;
    model *m;
    exec *x;
    const frit_package_info *info;
    feed *f;
    uint64_t seed;
    bool *given;     /* per input: has data */
    bool *spread;    /* per input: one number, to fill the tensor once its shape is known */
    int64_t *values; /* per dim */
    bool *known;
    const char *made; /* names of what was made up, for the note */
} feeder;

/* ---- dims ---- */
static int dim_index(const frit_package_info *info, const char *name, int n) {
    for (int i = 0; i < info->n_dims; i++)
        if ((int)strlen(info->dims[i].name) == n && !strncmp(info->dims[i].name, name, (size_t)n))
            return i;
    return -1;
}

static bool dim_value(void *u, const char *name, int n, int64_t *v) {
    const feeder *s = u;
    int i = dim_index(s->info, name, n);
    if (i < 0 || !s->known[i])
        return false;
    *v = s->values[i];
    return true;
}

static void learn(feeder *s, const char *name, int64_t v) {
    int i = dim_index(s->info, name, (int)strlen(name));
    if (i < 0 || s->known[i])
        return;
    s->values[i] = v;
    s->known[i] = true;
}

/* A bare name takes the extent; other formulas are left to the runtime's checks. */
static void learn_shape(feeder *s, const frit_tensor_info *t, const io_array *a) {
    for (int d = 0; d < t->rank && d < a->rank; d++)
        learn(s, t->dims[d], a->dims[d]);
}

static int64_t default_extent(const frit_dim_info *d) {
    int64_t v = d->role == FRIT_DIM_INT ? 0 : DEFAULT_EXTENT;
    if (v < d->lo)
        v = d->lo;
    if (d->multiple > 1 && v % d->multiple && v <= INT64_MAX - d->multiple)
        v += d->multiple - (v % d->multiple + d->multiple) % d->multiple;
    if (v > d->hi)
        v = d->multiple > 1 ? d->hi - d->hi % d->multiple : d->hi;
    return v;
}

static void make_up(feeder *s, const char *what) {
    s->made = s->made ? arena_printf(s->c->arena, "%s, %s", s->made, what) : what;
}

static void learn_dims_of(feeder *s, const frit_tensor_info *t) {
    for (int d = 0; d < t->rank; d++) {
        int i = dim_index(s->info, t->dims[d], (int)strlen(t->dims[d]));
        if (i < 0 || s->known[i])
            continue;
        learn(s, t->dims[d], default_extent(&s->info->dims[i]));
        make_up(s, arena_printf(s->c->arena, "%s = %lld", t->dims[d], (long long)s->values[i]));
    }
}

static bool shape_of(feeder *s, const frit_tensor_info *t, int64_t *dims) {
    for (int d = 0; d < t->rank; d++)
        if (!formula_eval(t->dims[d], dim_value, s, &dims[d]) || dims[d] < 0) {
            diag_record *r = diag_report(s->c->d, MSG_RUN_REFUSED, nowhere,
                                         arena_printf(s->c->arena, "the shape of '%s' (%s) is not known", t->name, t->type));
            diag_suggest(s->c->d, r, "give its dims with -D NAME=N");
            return false;
        }
    return true;
}

/* ---- -i ---- */
static int input_index(const frit_package_info *info, const char *name) {
    for (int i = 0; i < info->n_inputs; i++)
        if (!strcmp(info->inputs[i].name, name))
            return i;
    return -1;
}

static int unknown_input(feeder *s, const char *name) {
    const char **names = arena_array(s->c->arena, const char *, s->info->n_inputs + 1);
    diag_record *r = diag_report(s->c->d, MSG_INPUT_UNKNOWN, nowhere, name);
    for (int i = 0; i < s->info->n_inputs; i++) {
        names[i] = s->info->inputs[i].name;
        diag_note(s->c->d, r, nowhere, "input %s: %s", names[i], s->info->inputs[i].type);
    }
    const char *near = diag_nearest(name, names, s->info->n_inputs);
    if (near)
        diag_suggest(s->c->d, r, "did you mean %s?", near);
    return EXIT_MODEL;
}

static int accept(feeder *s, int i, const io_array *a, bool literal) {
    const frit_tensor_info *t = &s->info->inputs[i];
    char shape[400];
    s->spread[i] = literal && a->rank == 0 && t->rank > 0;
    s->given[i] = true;
    s->f->inputs[i] = *a;
    if (a->dtype != t->dtype || (a->rank != t->rank && !s->spread[i])) {
        diag_report(s->c->d, MSG_INPUT_TYPE, nowhere, t->name,
                    io_shape_text(shape, sizeof shape, a->dtype, a->rank, a->dims), t->type);
        return EXIT_MODEL;
    }
    if (!s->spread[i])
        learn_shape(s, t, a);
    for (int d = 0; d < s->info->n_dims && t->host_int; d++)
        if (!strcmp(s->info->dims[d].name, t->name))
            learn(s, t->name, frit_load_int(a->dtype, a->data, 0));
    return EXIT_DONE;
}

static bool ends_with(const char *s, const char *tail) {
    size_t n = strlen(s), t = strlen(tail);
    return n >= t && !strcmp(s + n - t, tail);
}

static bool read_member(io_array *a, const char *path, const char *name, frit_dtype t, io_error *e) {
    zip_file z;
    if (!zip_open(&z, path, e))
        return false;
    int i = npz_find(&z, name);
    bool ok = i >= 0 ? npz_read(a, &z, i, t, e) : io_fail(e, "%.300s holds no array '%.100s'", path, name);
    zip_close(&z);
    return ok;
}

static int give_one(feeder *s, const char *name, const char *value) {
    int i = input_index(s->info, name);
    if (i < 0)
        return unknown_input(s, name);
    if (s->given[i])
        return cli_usage(s->c, "input '%s' is given twice", name);
    const frit_tensor_info *t = &s->info->inputs[i];
    io_array a;
    io_error e;
    bool literal = literal_looks_like(value);
    bool ok = literal                     ? literal_parse(&a, value, t->dtype, &e)
              : ends_with(value, ".npz") ? read_member(&a, value, name, t->dtype, &e)
                                          : npy_read_file(&a, value, t->dtype, &e);
    if (ok)
        return accept(s, i, &a, literal);
    diag_report(s->c->d, MSG_INPUT_DATA, nowhere, name, e.text);
    return EXIT_MODEL;
}

/* Every array of the archive is an input. */
static int give_archive(feeder *s, const char *path) {
    zip_file z;
    io_error e;
    int status = EXIT_DONE;
    char name[4200];
    if (!zip_open(&z, path, &e)) {
        diag_report(s->c->d, MSG_INPUT_DATA, nowhere, path, e.text);
        return EXIT_MODEL;
    }
    for (int k = 0; k < z.n && status == EXIT_DONE; k++) {
        int i = input_index(s->info, npz_name(&z, k, name, sizeof name));
        io_array a;
        if (i < 0)
            status = unknown_input(s, arena_strdup(s->c->arena, name));
        else if (s->given[i])
            status = cli_usage(s->c, "input '%s' is given twice", name);
        else if (npz_read(&a, &z, k, s->info->inputs[i].dtype, &e))
            status = accept(s, i, &a, false);
        else {
            diag_report(s->c->d, MSG_INPUT_DATA, nowhere, s->info->inputs[i].name, e.text);
            status = EXIT_MODEL;
        }
    }
    zip_close(&z);
    return status;
}

static int give_inputs(feeder *s) {
    const strings *v = &s->c->o.values[OPT_input];
    int status = EXIT_DONE;
    for (int k = 0; k < v->len && status == EXIT_DONE; k++) {
        const char *equals = strchr(v->data[k], '=');
        if (equals)
            status = give_one(s, arena_strndup(s->c->arena, v->data[k], (size_t)(equals - v->data[k])), equals + 1);
        else if (ends_with(v->data[k], ".npz"))
            status = give_archive(s, v->data[k]);
        else
            status = cli_usage(s->c, "-i wants NAME=FILE, NAME=LITERAL or FILE.npz, not '%s'", v->data[k]);
    }
    return status;
}

/* ---- making up the rest ---- */
static int allocate(feeder *s, io_array *a, const frit_tensor_info *t) {
    int64_t dims[IO_MAX_RANK];
    io_error e;
    learn_dims_of(s, t);
    if (!shape_of(s, t, dims))
        return EXIT_MODEL;
    return io_array_alloc(a, t->dtype, t->rank, dims, &e) ? EXIT_DONE : cli_environment(s->c, "%s: %s", t->name, e.text);
}

static int64_t bound_of(feeder *s, int input) {
    const char *text = input < s->m->n_bounds ? s->m->bounds[input] : NULL;
    int64_t v;
    return text && formula_eval(text, dim_value, s, &v) ? v : 0;
}

static int spread_number(feeder *s, int i) {
    io_array one = s->f->inputs[i], *a = &s->f->inputs[i];
    int status = allocate(s, a, &s->info->inputs[i]);
    if (status != EXIT_DONE) {
        *a = one;
        return status;
    }
    for (int64_t k = 0, n = io_elements(a); k < n; k++)
        if (frit_dtype_is_float(a->dtype))
            frit_store_float(a->dtype, a->data, k, frit_load_float(a->dtype, one.data, 0));
        else
            frit_store_int(a->dtype, a->data, k, frit_load_int(a->dtype, one.data, 0));
    io_array_free(&one);
    return EXIT_DONE;
}

static int make_input(feeder *s, int i) {
    const frit_tensor_info *t = &s->info->inputs[i];
    io_array *a = &s->f->inputs[i];
    if (s->spread[i])
        return spread_number(s, i);
    if (s->given[i])
        return EXIT_DONE;
    int status = allocate(s, a, t);
    if (status != EXIT_DONE)
        return status;
    if (t->host_int) {
        int d = dim_index(s->info, t->name, (int)strlen(t->name));
        int64_t v = d < 0 ? 0 : s->known[d] ? s->values[d] : default_extent(&s->info->dims[d]);
        frit_store_int(t->dtype, a->data, 0, v);
    } else
        fill_seeded(a, FILL_INPUT, s->seed, t->name, bound_of(s, i));
    make_up(s, t->name);
    return EXIT_DONE;
}

/* ---- params ---- */
static int bind_param(feeder *s, int i) {
    const frit_tensor_info *t = &s->info->params[i];
    io_array *a = &s->f->params[i];
    int at = weights_find(s->m->weights, t->name);
    io_error e;
    if (at >= 0) {
        if (!weights_read(s->m->weights, at, a, &e)) {
            diag_report(s->c->d, MSG_WEIGHT_FILE, nowhere, e.text);
            return EXIT_MODEL;
        }
        learn_shape(s, t, a);
        return s->x->bind(s->x, s->c, i, a);
    }
    if (t->place != FRIT_PARAM_NONE)
        return EXIT_DONE;
    if (s->m->has_weights) { /* of a package: the model's source reports this with more detail */
        const char *near[1];
        diag_record *r = diag_report(s->c->d, MSG_WEIGHT_MISSING, nowhere, t->name, t->type);
        if (weights_nearest(s->m->weights, t->name, 1, near))
            diag_note(s->c->d, r, nowhere, "there is %s", near[0]);
        return EXIT_MODEL;
    }
    int status = allocate(s, a, t);
    if (status != EXIT_DONE)
        return status;
    fill_seeded(a, FILL_WEIGHT, s->seed, t->name, 0);
    return s->x->bind(s->x, s->c, i, a);
}

/* Dims that weight files tell; then those of inputs, made up where nothing tells them. */
static void learn_dims(feeder *s) {
    for (int i = 0; i < s->info->n_params; i++) {
        int at = weights_find(s->m->weights, s->info->params[i].name);
        if (at < 0)
            continue;
        const safetensor *t = weights_entry(s->m->weights, at);
        for (int d = 0; d < t->rank && t->rank == s->info->params[i].rank; d++)
            learn(s, s->info->params[i].dims[d], t->dims[d]);
    }
    for (int i = 0; i < s->info->n_inputs; i++)
        learn_dims_of(s, &s->info->inputs[i]);
}

static int bind_params(feeder *s) {
    int made = 0;
    for (int i = 0; i < s->info->n_params; i++) {
        int status = bind_param(s, i);
        if (status != EXIT_DONE)
            return status;
        made += s->info->params[i].place == FRIT_PARAM_NONE && weights_find(s->m->weights, s->info->params[i].name) < 0;
    }
    if (made)
        make_up(s, made == 1 ? "one weight" : arena_printf(s->c->arena, "%d weights", made));
    return EXIT_DONE;
}

static int set_dims(feeder *s, int n_sizes, const frit_dim *sizes) {
    for (int i = 0; i < n_sizes; i++)
        learn(s, sizes[i].name, sizes[i].value);
    for (int i = 0; i < s->info->n_dims; i++) {
        const define *d = model_define(s->m, s->info->dims[i].name);
        char *end;
        if (!d)
            continue;
        errno = 0;
        int64_t v = strtoll(d->value, &end, 10);
        if (*end || errno)
            return cli_usage(s->c, "-D %s wants a whole number, not '%s'", d->name, d->value);
        learn(s, d->name, v);
    }
    if (s->m->kind == MODEL_PACKAGE) /* of a package: what names no dim is a slip */
        for (int i = 0; i < s->m->n_defines; i++)
            if (dim_index(s->info, s->m->defines[i].name, (int)strlen(s->m->defines[i].name)) < 0) {
                diag_report(s->c->d, MSG_DIM_UNKNOWN, nowhere, s->m->defines[i].name);
                return EXIT_MODEL;
            }
    return EXIT_DONE;
}

static bool shown_by_input(const frit_package_info *info, const char *dim) {
    for (int i = 0; i < info->n_inputs; i++)
        for (int d = 0; d < info->inputs[i].rank; d++)
            if (!strcmp(info->inputs[i].dims[d], dim))
                return true;
    return false;
}

/* Dims that no input shows (a state's capacity) are fixed for the session. */
static int fix_dims(feeder *s) {
    for (int i = 0; i < s->info->n_states; i++)
        learn_dims_of(s, &s->info->states[i]);
    for (int i = 0; i < s->info->n_dims; i++) {
        const frit_dim_info *d = &s->info->dims[i];
        if (!s->known[i] || d->role != FRIT_DIM_BOUND || shown_by_input(s->info, d->name))
            continue;
        int status = s->x->set_dim(s->x, s->c, s->info->dims[i].name, s->values[i]);
        if (status != EXIT_DONE)
            return status;
    }
    return EXIT_DONE;
}

int feed_make(cli *c, model *m, exec *x, uint64_t seed, int n_sizes, const frit_dim *sizes, feed *f) {
    const frit_package_info *info = x->info;
    feeder s = {.c = c, .m = m, .x = x, .info = info, .f = f, .seed = seed};
    *f = (feed){.inputs = calloc((size_t)info->n_inputs + 1, sizeof *f->inputs), .n_inputs = info->n_inputs,
                .params = calloc((size_t)info->n_params + 1, sizeof *f->params), .n_params = info->n_params};
    s.given = arena_array(c->arena, bool, info->n_inputs + 1);
    s.spread = arena_array(c->arena, bool, info->n_inputs + 1);
    s.values = arena_array(c->arena, int64_t, info->n_dims + 1);
    s.known = arena_array(c->arena, bool, info->n_dims + 1);
    int status = set_dims(&s, n_sizes, sizes);
    if (status == EXIT_DONE)
        status = give_inputs(&s);
    if (status == EXIT_DONE) {
        learn_dims(&s);
        status = bind_params(&s);
    }
    for (int i = 0; i < info->n_inputs && status == EXIT_DONE; i++)
        status = make_input(&s, i);
    if (status == EXIT_DONE)
        status = fix_dims(&s);
    if (status == EXIT_DONE && s.made)
        cli_note(c, "made up from seed %llu: %s", (unsigned long long)seed, s.made);
    return status;
}

void feed_free(feed *f) {
    for (int i = 0; i < f->n_inputs; i++)
        io_array_free(&f->inputs[i]);
    for (int i = 0; i < f->n_params; i++)
        io_array_free(&f->params[i]);
    free(f->inputs);
    free(f->params);
    *f = (feed){0};
}
