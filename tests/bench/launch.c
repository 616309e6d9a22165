/* What a session's run costs when its one kernel has next to nothing to do: nanoseconds of a run, medians of batches.
 *
 *     bench_launch [LIMIT]     exit status 4 when a row takes more than LIMIT nanoseconds
 *
 * Rows: the kernel called as a C function (what the work itself takes); frit_session_run with shapes as the time before,
 * with shapes that change every time, and with a state and a host integer that moves. */
#include "frontend/frit_compiler.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 2000, BATCHES = 301 };

static void check(frit_status s, const frit_error *err) {
    if (s == FRIT_OK)
        return;
    fprintf(stderr, "bench_launch: %s\n", err->message);
    exit(3);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static frit_session *open_session(const char *text) {
    frit_compiler *c;
    frit_module *m;
    frit_compiled *p;
    frit_package *package;
    frit_device *d;
    frit_weights *w;
    frit_session *s;
    frit_error err;
    check(frit_compiler_create(NULL, &c, &err), &err);
    check(frit_module_parse(c, FRIT_SOURCE_FRIT, "tiny", text, strlen(text), NULL, &m, &err), &err);
    check(frit_compile(m, NULL, &p, &err), &err);
    check(frit_compiled_open(p, &package, &err), &err);
    check(frit_device_open("cpu", NULL, &d, &err), &err);
    check(frit_weights_create(package, d, NULL, &w, &err), &err);
    check(frit_session_create(w, NULL, &s, &err), &err);
    frit_module_release(m);
    frit_compiled_release(p);
    frit_package_release(package);
    frit_device_release(d);
    frit_weights_release(w);
    frit_compiler_release(c);
    return s;
}

typedef struct subject {
    frit_session *session;
    float x[16], y[16];
    int64_t extents[2], pos;
    int64_t turn;
} subject;

static void plain(const float *x, float *y, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] + x[i];
}
static void (*volatile plain_call)(const float *x, float *y, int64_t n) = plain;

static void run_plain(subject *u) { plain_call(u->x, u->y, 4); }

static void run_shape(subject *u, int64_t *extent) {
    frit_error err;
    DLTensor in = frit_dense(u->x, FRIT_f32, 1, extent), out = frit_dense(u->y, FRIT_f32, 1, extent);
    check(frit_session_run(u->session, &in, 1, &out, 1, &err), &err);
}
static void run_same(subject *u) { run_shape(u, &u->extents[0]); }
static void run_changing(subject *u) { run_shape(u, &u->extents[u->turn++ & 1]); }

static void run_state(subject *u) {
    frit_error err;
    u->pos = u->turn++ & 7;
    DLTensor in[2] = {frit_dense(u->x, FRIT_f32, 1, &u->extents[0]), frit_dense(&u->pos, FRIT_i64, 0, NULL)};
    DLTensor out = frit_dense(u->y, FRIT_f32, 1, &u->extents[0]);
    check(frit_session_run(u->session, in, 2, &out, 1, &err), &err);
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double measure(void (*run)(subject *), subject *u) {
    static double ns[BATCHES];
    for (int b = 0; b < BATCHES; b++) {
        double start = now();
        for (int i = 0; i < BATCH; i++)
            run(u);
        ns[b] = (now() - start) / BATCH;
    }
    qsort(ns, BATCHES, sizeof *ns, by_size);
    return ns[BATCHES / 2];
}

int main(int argc, char **argv) {
    static const struct {
        const char *name, *text;
        void (*run)(subject *);
    } rows[] = {
        {"C function", NULL, run_plain},
        {"one kernel, shapes in the package", "model m(x: f32[4]) -> (y: f32[4]) { return x + x }\n", run_same},
        {"one kernel, shapes as before", "model m(x: f32[N]) -> (y: f32[N]) { return x + x }\n", run_same},
        {"one kernel, shapes that change", "model m(x: f32[N]) -> (y: f32[N]) { return x + x }\n", run_changing},
        {"a state, a position that moves",
         "model m(x: f32[4], pos: int) -> (y: f32[4]) {\n    state s: f32[12] = 0\n    assert pos <= 8, \"room\"\n"
         "    s[pos:pos + 4] = x\n    return x + x\n}\n",
         run_state},
    };
    double limit = argc > 1 ? atof(argv[1]) : 0;
    int status = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        subject u = {.extents = {4, 3}, .session = rows[i].text ? open_session(rows[i].text) : NULL};
        double ns = measure(rows[i].run, &u);
        bool over = limit > 0 && ns > limit;
        printf("%-36s %7.0f ns%s\n", rows[i].name, ns, over ? "  over the limit" : "");
        status = over ? 4 : status;
        frit_session_release(u.session);
    }
    return status;
}
