/* frit run: compile, bind, run once; show, store or compare the results. */
#include "driver.h"
#include "exec.h"
#include "feed.h"
#include "ir/interp.h"
#include "tools/io/npy.h"
#include "tools/io/report.h"
#include "warm.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const ir_span nowhere = {0};

typedef struct {
    cli *c;
    model *m;
    exec *x;
    cache_entry kept; /* where the package's bytes lie */
    uint64_t seed;
    feed feed;
    io_array *outputs, *states; /* states: those read from --state */
    const frit_package_info *info;
} runner;

static int output_index(runner *r, const char *name, int n) {
    for (int i = 0; i < r->info->n_outputs; i++)
        if ((int)strlen(r->info->outputs[i].name) == n && !strncmp(r->info->outputs[i].name, name, (size_t)n))
            return i;
    diag_record *record = diag_report(r->c->d, MSG_OUTPUT_UNKNOWN, nowhere, arena_strndup(r->c->arena, name, (size_t)n));
    for (int i = 0; i < r->info->n_outputs; i++)
        diag_note(r->c->d, record, nowhere, "output %s: %s", r->info->outputs[i].name, r->info->outputs[i].type);
    return -1;
}

/* ---- states ---- */
static int load_states(runner *r) {
    const char *path = option_text(&r->c->o, OPT_state, NULL);
    r->states = calloc((size_t)r->info->n_states + 1, sizeof *r->states);
    zip_file z;
    io_error e;
    if (!path || access(path, F_OK))
        return EXIT_DONE;
    if (!zip_open(&z, path, &e)) {
        diag_report(r->c->d, MSG_STATE_DATA, nowhere, e.text);
        return EXIT_MODEL;
    }
    int status = EXIT_DONE;
    for (int i = 0; i < r->info->n_states && status == EXIT_DONE; i++) {
        const frit_tensor_info *t = &r->info->states[i];
        int at = npz_find(&z, t->name);
        if (at < 0)
            continue;
        if (!npz_read(&r->states[i], &z, at, t->dtype, &e)) {
            diag_report(r->c->d, MSG_STATE_DATA, nowhere, e.text);
            status = EXIT_MODEL;
        } else
            status = r->x->set_state(r->x, r->c, i, &r->states[i]);
    }
    zip_close(&z);
    return status;
}

static int store_states(runner *r) {
    const char *path = option_text(&r->c->o, OPT_state, NULL);
    int n = r->info->n_states, status = EXIT_DONE;
    io_error e;
    if (!path)
        return EXIT_DONE;
    io_array *a = calloc((size_t)n + 1, sizeof *a);
    const char **names = arena_array(r->c->arena, const char *, n + 1);
    for (int i = 0; i < n && status == EXIT_DONE; i++) {
        names[i] = r->info->states[i].name;
        status = r->x->get_state(r->x, r->c, i, &a[i]);
    }
    if (status == EXIT_DONE && !npz_write_file(path, n, names, a, &e)) {
        diag_report(r->c->d, MSG_OUTPUT_FILE, nowhere, e.text);
        status = EXIT_MODEL;
    }
    for (int i = 0; i < n; i++)
        io_array_free(&a[i]);
    free(a);
    return status;
}

/* ---- results ---- */
static bool ends_with(const char *s, const char *tail) {
    size_t n = strlen(s), t = strlen(tail);
    return n >= t && !strcmp(s + n - t, tail);
}

static int store_all(runner *r, const char *path) {
    io_error e;
    const char **names = arena_array(r->c->arena, const char *, r->info->n_outputs + 1);
    for (int i = 0; i < r->info->n_outputs; i++)
        names[i] = r->info->outputs[i].name;
    if (npz_write_file(path, r->info->n_outputs, names, r->outputs, &e))
        return EXIT_DONE;
    diag_report(r->c->d, MSG_OUTPUT_FILE, nowhere, e.text);
    return EXIT_MODEL;
}

static int store_one(runner *r, const char *text) {
    const char *equals = strchr(text, '=');
    int i = 0;
    io_error e;
    if (!equals && ends_with(text, ".npz"))
        return store_all(r, text);
    if (!equals && r->info->n_outputs != 1)
        return cli_usage(r->c, "-o wants NAME=FILE.npy, or one FILE.npz for all outputs, not '%s'", text);
    if (equals && (i = output_index(r, text, (int)(equals - text))) < 0)
        return EXIT_MODEL;
    if (npy_write_file(equals ? equals + 1 : text, &r->outputs[i], &e))
        return EXIT_DONE;
    diag_report(r->c->d, MSG_OUTPUT_FILE, nowhere, e.text);
    return EXIT_MODEL;
}

static int show(runner *r) {
    const strings *v = &r->c->o.values[OPT_output];
    int status = EXIT_DONE;
    for (int i = 0; i < v->len && status == EXIT_DONE; i++)
        status = store_one(r, v->data[i]);
    for (int i = 0; i < r->info->n_outputs && !v->len; i++)
        report_summary(stdout, r->info->outputs[i].name, &r->outputs[i]);
    return status;
}

/* ---- --expect ---- */
static int compare_with(runner *r, int i, const io_array *expected, const char *path) {
    double rtol, atol;
    report_difference d;
    io_error e;
    report_default_tolerance(r->outputs[i].dtype, &rtol, &atol);
    if (!cli_real(r->c, OPT_rtol, rtol, &rtol) || !cli_real(r->c, OPT_atol, atol, &atol))
        return EXIT_USAGE;
    if (!report_compare(&r->outputs[i], expected, rtol, atol, &d, &e)) {
        diag_report(r->c->d, MSG_EXPECTED_DATA, nowhere, arena_printf(r->c->arena, "%s: %s", path, e.text));
        return EXIT_DIFFERENT;
    }
    if (d.wrong)
        report_print(stderr, r->info->outputs[i].name, &r->outputs[i], &d, rtol, atol);
    else
        cli_note(r->c, "%s agrees with %s: largest difference %.3g", r->info->outputs[i].name, path, d.max_abs);
    return d.wrong ? EXIT_DIFFERENT : EXIT_DONE;
}

static int expect_failed(runner *r, const io_error *e) {
    diag_report(r->c->d, MSG_EXPECTED_DATA, nowhere, e->text);
    return EXIT_MODEL;
}

static int expect_archive(runner *r, const char *path) {
    zip_file z;
    io_error e;
    int status = EXIT_DONE, compared = 0;
    if (!zip_open(&z, path, &e))
        return expect_failed(r, &e);
    for (int i = 0; i < r->info->n_outputs && status != EXIT_MODEL; i++) {
        io_array a;
        int at = npz_find(&z, r->info->outputs[i].name);
        if (at < 0)
            continue;
        compared++;
        if (!npz_read(&a, &z, at, r->outputs[i].dtype, &e)) {
            status = expect_failed(r, &e);
            break;
        }
        int one = compare_with(r, i, &a, path);
        status = one != EXIT_DONE ? one : status;
        io_array_free(&a);
    }
    zip_close(&z);
    if (compared)
        return status;
    io_fail(&e, "%.300s holds none of the outputs", path);
    return expect_failed(r, &e);
}

static int expect_one(runner *r, const char *text) {
    const char *equals = strchr(text, '=');
    io_error e;
    io_array a;
    if (!equals && ends_with(text, ".npz"))
        return expect_archive(r, text);
    if (!equals && r->info->n_outputs != 1)
        return cli_usage(r->c, "--expect wants NAME=FILE, or one FILE.npz, not '%s'", text);
    int i = equals ? output_index(r, text, (int)(equals - text)) : 0;
    if (i < 0)
        return EXIT_MODEL;
    const char *path = equals ? equals + 1 : text;
    if (!npy_read_file(&a, path, r->outputs[i].dtype, &e))
        return expect_failed(r, &e);
    int status = compare_with(r, i, &a, path);
    io_array_free(&a);
    return status;
}

static int expect(runner *r) {
    const strings *v = &r->c->o.values[OPT_expect];
    int status = EXIT_DONE;
    for (int i = 0; i < v->len; i++) {
        int one = expect_one(r, v->data[i]);
        if (one != EXIT_DONE && one != EXIT_DIFFERENT)
            return one;
        status = one != EXIT_DONE ? one : status;
    }
    return status;
}

/* ---- --check ---- */
static interp_tensor as_tensor(const io_array *a) {
    interp_tensor t = {.dtype = a->dtype, .rank = a->rank, .data = a->data};
    memcpy(t.shape, a->dims, sizeof *a->dims * (size_t)a->rank);
    return t;
}

static int check_failed(runner *r, interp *it) {
    fprintf(stderr, "frit: the interpreter could not run the model: %s\n", interp_message(it));
    return EXIT_DIFFERENT;
}

static int compare_wide(runner *r, int i, const interp_tensor *wide) {
    double rtol, atol;
    interp_tensor got = as_tensor(&r->outputs[i]);
    if (!cli_real(r->c, OPT_rtol, 0, &rtol) || !cli_real(r->c, OPT_atol, 0, &atol))
        return EXIT_USAGE;
    interp_comparison k = interp_compare(&got, wide, rtol, atol);
    const char *name = r->info->outputs[i].name;
    if (k.ok) {
        cli_note(r->c, "%s agrees with the interpreter: worst element at %.3g of its bound%s", name, k.ratio,
                 k.undecidable ? arena_printf(r->c->arena, ", %lld not decidable", (long long)k.undecidable) : "");
        return EXIT_DONE;
    }
    if (k.n < 0)
        fprintf(stderr, "%s: another shape or dtype than the interpreter's\n", name);
    else
        fprintf(stderr, "%s: %lld of %lld elements are outside the bound; worst is element %lld: %.9g, expected %.9g +- %.3g\n",
                name, (long long)k.bad, (long long)k.n, (long long)k.worst, k.got, k.want, k.bound);
    return EXIT_DIFFERENT;
}

/* What the interpreter is given is what the run was given: inputs, weights, states, seed. Elaboration is done again
 * since compiling changes the module. */
static int check(runner *r) {
    model m;
    int status;
    if (r->m->kind == MODEL_PACKAGE)
        return cli_usage(r->c, "--check needs the model's source, not a package");
    if (!model_open(r->c, r->m->path, &m, &status))
        return status;
    interp_options options = {.wide = true, .stored = true, .seed = r->seed}; /* the program has several kernels */
    interp *it = interp_new(m.module, &options);
    interp_tensor *in = arena_array(r->c->arena, interp_tensor, r->info->n_inputs + 1);
    interp_tensor *out = arena_array(r->c->arena, interp_tensor, r->info->n_outputs + 1);
    bool ok = true;
    for (int i = 0; i < r->info->n_inputs; i++)
        in[i] = as_tensor(&r->feed.inputs[i]);
    for (int i = 0; i < r->info->n_params && ok; i++) {
        interp_tensor t = as_tensor(&r->feed.params[i]);
        ok = interp_set_param(it, r->info->params[i].name, &t) == INTERP_OK;
    }
    for (int i = 0; i < r->info->n_states && ok; i++) {
        interp_tensor t = as_tensor(&r->states[i]);
        ok = !r->states[i].data || interp_set_state(it, r->info->states[i].name, &t) == INTERP_OK;
    }
    progress *p = progress_begin(r->c, "interpreting");
    ok = ok && interp_run(it, m.func, r->info->n_inputs, in, r->info->n_outputs, out) == INTERP_OK;
    progress_end(p);
    status = ok ? EXIT_DONE : check_failed(r, it);
    for (int i = 0; i < r->info->n_outputs && ok; i++) {
        int one = compare_wide(r, i, &out[i]);
        status = one != EXIT_DONE ? one : status;
        interp_tensor_free(&out[i]);
    }
    interp_free(it);
    model_close(&m);
    return status;
}

/* ---- all of it ---- */
static int open_exec(runner *r) {
    int status = EXIT_DONE;
    const void *bytes = NULL;
    size_t size = 0;
    if (option_given(&r->c->o, OPT_interp)) {
        if (r->m->kind == MODEL_PACKAGE)
            return cli_usage(r->c, "--interp needs the model's source, not a package");
        if (!model_elaborate(r->c, r->m, &status))
            return status;
        if (!model_check_weights(r->c, r->m))
            return EXIT_MODEL;
        r->x = exec_open_interp(r->c, r->m, r->seed, &status);
        return r->x ? EXIT_DONE : status;
    }
    if (r->m->kind != MODEL_PACKAGE &&
        (status = warm_package(r->c, r->m, &r->kept, &bytes, &size)) != EXIT_DONE)
        return status;
    r->x = exec_open_package(r->c, r->m, bytes, size, r->seed, &status);
    return r->x ? EXIT_DONE : status;
}

static int run_all(runner *r) {
    int status = open_exec(r);
    if (status != EXIT_DONE)
        return status;
    r->info = r->x->info;
    r->outputs = calloc((size_t)r->info->n_outputs + 1, sizeof *r->outputs);
    status = feed_make(r->c, r->m, r->x, r->seed, 0, NULL, &r->feed);
    if (status == EXIT_DONE)
        status = load_states(r);
    if (status == EXIT_DONE) {
        progress *p = progress_begin(r->c, "running");
        status = r->x->run(r->x, r->c, r->feed.inputs, r->outputs);
        progress_end(p);
    }
    if (status == EXIT_DONE)
        status = show(r);
    if (status == EXIT_DONE)
        status = store_states(r);
    if (status == EXIT_DONE)
        status = expect(r);
    if (status == EXIT_DONE && option_given(&r->c->o, OPT_check))
        status = check(r);
    return status;
}

static void close_all(runner *r) {
    for (int i = 0; r->info && i < r->info->n_outputs; i++)
        io_array_free(&r->outputs[i]);
    for (int i = 0; r->info && r->states && i < r->info->n_states; i++)
        io_array_free(&r->states[i]);
    free(r->outputs);
    free(r->states);
    if (r->x)
        r->x->close(r->x);
    feed_free(&r->feed);
}

int cmd_run(cli *c) {
    model m;
    int64_t seed;
    int status;
    if (c->o.arguments.len != 1)
        return cli_usage(c, "one MODEL is wanted (frit run --help)");
    if (!cli_number(c, OPT_seed, 0, &seed))
        return EXIT_USAGE;
    if (!model_read(c, c->o.arguments.data[0], &m, &status)) {
        model_close(&m);
        return status;
    }
    runner r = {.c = c, .m = &m, .seed = (uint64_t)seed};
    status = run_all(&r);
    close_all(&r);
    cache_close(&r.kept);
    model_close(&m);
    return status;
}
