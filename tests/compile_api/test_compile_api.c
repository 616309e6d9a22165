/* frontend/frit_compiler.h: errors, diagnostics, the builder, the cache, writing, background compilation. */
#include "frontend/frit_compiler.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static const char twice[] = "model twice(x: f32[N]) -> (y: f32[N]) {\n    return x + x\n}\n";

typedef struct {
    int errors, notes, line;
    char code[8], file[64];
} findings;

static void diagnose(void *ctx, const frit_diagnostic *d) {
    findings *f = ctx;
    f->errors += d->severity == FRIT_ERROR;
    f->notes += d->severity == FRIT_NOTE;
    if (d->severity == FRIT_ERROR) {
        f->line = d->line;
        snprintf(f->code, sizeof f->code, "%s", d->code);
        snprintf(f->file, sizeof f->file, "%s", d->file);
    }
}

static frit_compiler *compiler(findings *f, frit_cache_mode mode, const char *folder) {
    frit_compiler_options o = {.struct_size = sizeof o, .cache = mode, .cache_dir = folder, .workers = 1,
                               .diagnose = f ? diagnose : NULL, .diagnose_ctx = f};
    frit_compiler *c;
    assert_int_equal(frit_compiler_create(&o, &c, NULL), FRIT_OK);
    return c;
}

static frit_status parse(frit_compiler *c, const char *text, frit_module **m, frit_error *err) {
    return frit_module_parse(c, FRIT_SOURCE_FRIT, "test.frit", text, strlen(text), NULL, m, err);
}

typedef struct {
    frit_package *package;
    frit_device *device;
    frit_weights *weights;
    frit_session *session;
} opened;

/* A session of p, which is released. */
static opened open_session(frit_compiled *p) {
    opened o;
    frit_error err;
    frit_device_options options = {.struct_size = sizeof options, .threads = 1};
    assert_int_equal(frit_compiled_open(p, &o.package, &err), FRIT_OK);
    frit_compiled_release(p);
    assert_int_equal(frit_device_open("cpu", &options, &o.device, &err), FRIT_OK);
    assert_int_equal(frit_weights_create(o.package, o.device, NULL, &o.weights, &err), FRIT_OK);
    assert_int_equal(frit_session_create(o.weights, NULL, &o.session, &err), FRIT_OK);
    return o;
}

static void close_session(opened o) {
    frit_session_release(o.session);
    frit_weights_release(o.weights);
    frit_device_release(o.device);
    frit_package_release(o.package);
}

/* y = model(x) for f32 vectors of four. */
static void run_session(frit_session *s, float x[4], float y[4]) {
    frit_error err;
    DLTensor in = frit_dense(x, FRIT_f32, 1, (int64_t[]){4}), out = frit_dense(y, FRIT_f32, 1, (int64_t[]){4});
    assert_int_equal(frit_session_run(s, &in, 1, &out, 1, &err), FRIT_OK);
}

/* The same with a compiled model, which is released. */
static void run(frit_compiled *p, float x[4], float y[4]) {
    opened o = open_session(p);
    run_session(o.session, x, y);
    close_session(o);
}

/* Runs of one seed are alike; a session that was retained lives until both are released. */
static void test_seed(void **state) {
    static const char text[] = "model dice(x: f32[4]) -> (y: f32[4]) {\n    return x + uniform(f32[4], 1)\n}\n";
    frit_compiler *c = compiler(NULL, FRIT_CACHE_OFF, NULL);
    frit_module *m;
    frit_compiled *p;
    frit_error err;
    float x[4] = {0}, y[3][4];
    assert_int_equal(parse(c, text, &m, &err), FRIT_OK);
    assert_int_equal(frit_compile(m, NULL, &p, &err), FRIT_OK);
    opened o = open_session(p);
    assert_ptr_equal(frit_session_retain(o.session), o.session);
    frit_session_release(o.session);
    frit_session_seed(o.session, 1);
    run_session(o.session, x, y[0]);
    frit_session_seed(o.session, 2);
    run_session(o.session, x, y[1]);
    frit_session_seed(o.session, 1);
    run_session(o.session, x, y[2]);
    assert_memory_equal(y[0], y[2], sizeof *y);
    assert_memory_not_equal(y[0], y[1], sizeof *y);
    close_session(o);
    frit_module_release(m);
    frit_compiler_release(c);
}

static void test_version(void **state) {
    assert_string_equal(frit_version(), FRIT_VERSION);
    assert_int_equal(frit_abi_version(), FRIT_ABI_MAJOR << 16 | FRIT_ABI_MINOR);
}

static void test_wrong_model(void **state) {
    findings f = {0};
    frit_compiler *c = compiler(&f, FRIT_CACHE_OFF, NULL);
    frit_module *m = (frit_module *)&f;
    frit_error err;
    assert_int_equal(parse(c, "model m(x: f32[N]) -> f32[N] {\n    return rleu(x)\n}\n", &m, &err), FRIT_BAD_MODEL);
    assert_null(m);
    assert_int_equal(err.status, FRIT_BAD_MODEL);
    assert_int_equal(err.line, 2);
    assert_string_equal(err.file, "test.frit");
    assert_non_null(strstr(err.message, "rleu"));
    assert_int_equal(f.errors, 1);
    assert_int_equal(f.line, 2);
    assert_string_equal(f.file, "test.frit");
    assert_string_equal(frit_status_name(FRIT_BAD_MODEL), "BAD_MODEL");
    assert_int_equal(parse(c, "model", &m, NULL), FRIT_BAD_MODEL);
    assert_int_equal(frit_module_parse(c, FRIT_SOURCE_FIR, "x.fir", "fir 99\n", 7, NULL, &m, &err), FRIT_BAD_MODEL);
    assert_int_equal(frit_module_open(c, "/no/such/model.frit", NULL, &m, &err), FRIT_IO);
    assert_int_equal(frit_module_parse(NULL, FRIT_SOURCE_FRIT, "x", "", 0, NULL, &m, &err), FRIT_USAGE);
    frit_compiler_release(c);
}

static void test_options(void **state) {
    frit_compiler *c = compiler(NULL, FRIT_CACHE_OFF, NULL);
    const char *text = "const K = 3\nmodel a(x: f32[4]) -> f32[4] { return x * K }\n"
                       "model b(x: f32[4]) -> f32[4] { return x - K }\n";
    frit_define d = {"K", "5"};
    frit_module_options o = {.struct_size = sizeof o, .entry = "a", .defines = &d, .n_defines = 1};
    frit_module *m;
    frit_compiled *p;
    frit_error err;
    float x[4] = {1, 2, 3, 4}, y[4];
    assert_int_equal(frit_module_parse(c, FRIT_SOURCE_FRIT, "t", text, strlen(text), &o, &m, &err), FRIT_OK);
    frit_module *lazy;
    frit_module_options later = {.struct_size = sizeof later, .lazy = true};
    assert_int_equal(frit_module_parse(c, FRIT_SOURCE_FRIT, "t", "model", 5, &later, &lazy, &err), FRIT_OK);
    assert_int_equal(frit_compile(lazy, NULL, &p, &err), FRIT_BAD_MODEL);
    assert_null(p);
    frit_module_release(lazy);
    frit_compile_options target = {.struct_size = sizeof target, .target = "toaster"};
    assert_int_equal(frit_compile(m, &target, &p, &err), FRIT_NOT_FOUND);
    assert_null(p);
    assert_int_equal(frit_compile(m, NULL, &p, &err), FRIT_OK);
    run(p, x, y);
    assert_float_equal(y[3], 20, 0);
    frit_module_release(m);
    frit_compiler_release(c);
}

static void test_builder(void **state) {
    findings f = {0};
    frit_compiler *c = compiler(&f, FRIT_CACHE_OFF, NULL);
    frit_builder *b;
    frit_module *m;
    frit_compiled *p;
    frit_error err;
    float x[4] = {1, -2, 3, -4}, y[4];
    assert_int_equal(frit_builder_create(c, "m", &b, &err), FRIT_OK);
    frit_value in = frit_builder_input(b, "x", "f32[N]"), two[2];
    frit_value r = frit_builder_call(b, "relu", &in, 1, NULL);
    frit_value sum = frit_builder_call(b, "+", (frit_value[]){r, in}, 2, NULL);
    frit_value e = frit_builder_expression(b, "$0 * 10.0 - sum($1, axis = 0)", (frit_value[]){sum, in}, 2);
    frit_builder_calls(b, "topk", &e, 1, "k = 4", two, 2);
    frit_builder_output(b, two[0], "y", "f32[4]");
    assert_int_equal(frit_builder_finish(b, &m, &err), FRIT_OK);
    frit_builder_release(b);
    assert_int_equal(frit_compile(m, NULL, &p, &err), FRIT_OK);
    run(p, x, y); /* x + relu(x) = 2 -2 6 -4; times 10, plus 2, from the largest */
    const float want[4] = {62, 22, -18, -38};
    assert_memory_equal(y, want, sizeof want);
    frit_module_release(m);
    frit_compiler_release(c);
}

static void test_builder_mistakes(void **state) {
    frit_compiler *c = compiler(NULL, FRIT_CACHE_OFF, NULL);
    frit_builder *b;
    frit_module *m;
    frit_error err;
    assert_int_equal(frit_builder_create(c, "no name", &b, &err), FRIT_USAGE);
    assert_int_equal(frit_builder_create(c, "m", &b, &err), FRIT_OK);
    assert_int_equal(frit_builder_finish(b, &m, &err), FRIT_USAGE); /* no output */
    assert_non_null(strstr(err.message, "output"));
    frit_builder_release(b);
    assert_int_equal(frit_builder_create(c, "m", &b, &err), FRIT_OK);
    frit_value in = frit_builder_input(b, "x", "f32[N]");
    assert_int_equal(frit_builder_call(b, "relu", (frit_value[]){7}, 1, NULL), -1);
    frit_builder_output(b, in, NULL, NULL);
    assert_int_equal(frit_builder_finish(b, &m, &err), FRIT_USAGE);
    assert_non_null(strstr(err.message, "7"));
    frit_builder_release(b);
    assert_int_equal(frit_builder_create(c, "m", &b, &err), FRIT_OK);
    in = frit_builder_input(b, "x", "f32[N]");
    frit_builder_output(b, frit_builder_call(b, "no_such", &in, 1, NULL), NULL, NULL);
    assert_int_equal(frit_builder_finish(b, &m, &err), FRIT_BAD_MODEL);
    assert_non_null(strstr(err.message, "no_such"));
    frit_builder_release(b);
    frit_compiler_release(c);
}

static void test_join(void **state) {
    static const char *const targets[3] = {"cpu", "cpu:aarch64", "null"};
    frit_compiler *c = compiler(NULL, FRIT_CACHE_OFF, NULL);
    frit_module *m;
    frit_compiled *each[3], *all, *other;
    frit_error err;
    assert_int_equal(parse(c, twice, &m, &err), FRIT_OK);
    for (int i = 0; i < 3; i++) {
        frit_compile_options o = {.struct_size = sizeof o, .target = targets[i]};
        assert_int_equal(frit_compile(m, &o, &each[i], &err), FRIT_OK);
    }
    assert_int_equal(frit_compiled_join((const frit_compiled *const *)each, 3, &all, &err), FRIT_OK);
    each[1] = (frit_compiled_release(each[1]), frit_compiled_retain(each[0]));
    assert_int_equal(frit_compiled_join((const frit_compiled *const *)each, 2, &other, &err), FRIT_USAGE);
    assert_non_null(strstr(err.message, "twice"));
    assert_int_equal(frit_compiled_join(NULL, 0, &other, &err), FRIT_USAGE);
    for (int i = 0; i < 3; i++) frit_compiled_release(each[i]);
    float x[4] = {1, 2, 3, 4}, y[4] = {0};
    run(all, x, y);
    assert_true(y[0] == 2 && y[3] == 8);
    frit_module_release(m);
    frit_compiler_release(c);
}

/* The same by one call, from the cache the second time; a precision is another package. */
static void test_several_targets(void **state) {
    char folder[] = "/tmp/frit-targets-XXXXXX", command[80];
    static const char *const targets[2] = {"cpu", "cpu:aarch64"}, *const twice_over[2] = {"cpu", "cpu"}, *const none[1] = {NULL};
    static const char product[] = "model m(x: f32[4]) -> (y: f32[4]) {\n    return x @ eye(4, dtype = f32)\n}\n";
    frit_error err;
    frit_module *m;
    frit_compiled *p;
    assert_non_null(mkdtemp(folder));
    frit_compiler *c = compiler(NULL, FRIT_CACHE_ON, folder);
    frit_compile_options o = {.struct_size = sizeof o, .targets = targets, .n_targets = 2};
    assert_int_equal(parse(c, product, &m, &err), FRIT_OK);
    float x[4] = {1, 2.0009765625f + 0.00001f, 3, 4}, y[4] = {0};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(frit_compile(m, &o, &p, &err), FRIT_OK);
        assert_int_equal(frit_compiled_from_cache(p), i);
        frit_package *package;
        assert_int_equal(frit_compiled_open(p, &package, &err), FRIT_OK);
        frit_target_info second = {.struct_size = sizeof second};
        assert_int_equal(frit_package_target(package, 1, &second, &err), FRIT_OK);
        assert_non_null(strstr(second.target, "aarch64"));
        assert_int_equal(frit_package_target(package, 2, &second, &err), FRIT_USAGE);
        frit_package_release(package);
        run(p, x, y);
        assert_true(y[1] == x[1]);
    }
    o.precision = FRIT_PRECISION_BF16;
    assert_int_equal(frit_compile(m, &o, &p, &err), FRIT_OK);
    assert_false(frit_compiled_from_cache(p));
    run(p, x, y);
    assert_true(y[1] == 2);
    o.precision = (frit_precision)9;
    assert_int_equal(frit_compile(m, &o, &p, &err), FRIT_USAGE);
    o.precision = FRIT_PRECISION_F32, o.target = "cpu";
    assert_int_equal(frit_compile(m, &o, &p, &err), FRIT_USAGE);
    o.target = NULL, o.targets = none, o.n_targets = 1;
    assert_int_equal(frit_compile(m, &o, &p, &err), FRIT_USAGE);
    o.n_targets = -1;
    assert_int_equal(frit_compile(m, &o, &p, &err), FRIT_USAGE);
    o.targets = twice_over, o.n_targets = 2;
    assert_int_equal(frit_compile(m, &o, &p, &err), FRIT_USAGE);
    assert_non_null(strstr(err.message, "twice"));
    assert_null(p);
    frit_module_release(m);
    frit_compiler_release(c);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* Types of weights fix the dims of params; they are part of what a package in the cache is for. */
static void test_weight_types(void **state) {
    static const char open[] = "model m(x: f32[B, I]) -> (y: f32[B, O]) {\n    param w: f32[I, O]\n    return x @ w\n}\n";
    int64_t dims[2] = {3, 5};
    frit_weight_type w = {"w", FRIT_f32, 2, dims};
    frit_module_options o = {.struct_size = sizeof o, .weights = &w, .n_weights = 1};
    frit_compiler *c = compiler(NULL, FRIT_CACHE_OFF, NULL);
    frit_module *m;
    frit_package *package;
    frit_compiled *p;
    frit_error err;
    assert_int_equal(frit_module_parse(c, FRIT_SOURCE_FRIT, "m", open, strlen(open), &o, &m, &err), FRIT_OK);
    dims[0] = 7, w.name = "v"; /* was copied */
    assert_int_equal(frit_compile(m, NULL, &p, &err), FRIT_OK);
    assert_int_equal(frit_compiled_open(p, &package, &err), FRIT_OK);
    assert_string_equal(frit_package_get_info(package)->params[0].type, "f32[I, 5]");
    frit_package_release(package);
    frit_compiled_release(p);
    frit_module_release(m);
    w = (frit_weight_type){"w", FRIT_f32, 3, (int64_t[3]){1, 2, 3}};
    assert_int_equal(frit_module_parse(c, FRIT_SOURCE_FRIT, "m", open, strlen(open), &o, &m, &err), FRIT_BAD_MODEL);
    frit_weight_type wrong[] = {{NULL, FRIT_f32, 0, NULL}, {"w", FRIT_DTYPE_COUNT, 0, NULL}, {"w", FRIT_f32, -1, dims},
                                {"w", FRIT_f32, 99, dims}, {"w", FRIT_f32, 1, NULL}, {"w", FRIT_f32, 1, (int64_t[1]){-1}}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        w = wrong[i];
        assert_int_equal(frit_module_parse(c, FRIT_SOURCE_FRIT, "m", open, strlen(open), &o, &m, &err), FRIT_USAGE);
    }
    frit_compiler_release(c);
}

static void test_cache_and_write(void **state) {
    char folder[] = "/tmp/frit-api-XXXXXX", file[64], command[80];
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/twice.fpk", folder);
    frit_compiler *c = compiler(NULL, FRIT_CACHE_ON, folder);
    frit_module *m;
    frit_compiled *first, *second;
    frit_package *package;
    frit_error err;
    struct stat s;
    size_t n, k;
    float x[4] = {1, 2, 3, 4}, y[4];
    assert_int_equal(parse(c, twice, &m, &err), FRIT_OK);
    assert_int_equal(frit_compile(m, NULL, &first, &err), FRIT_OK);
    assert_int_equal(frit_compile(m, NULL, &second, &err), FRIT_OK);
    assert_false(frit_compiled_from_cache(first));
    assert_true(frit_compiled_from_cache(second));
    const void *bytes = frit_compiled_bytes(first, &n), *again = frit_compiled_bytes(second, &k);
    assert_int_equal((uintptr_t)bytes % 64, 0);
    assert_int_equal(n, k);
    assert_memory_equal(bytes, again, n);
    assert_int_equal(frit_compiled_write(second, file, &err), FRIT_OK);
    assert_int_equal(stat(file, &s), 0);
    assert_int_equal(s.st_size, n);
    assert_int_equal(frit_package_open(file, &package, &err), FRIT_OK);
    frit_package_release(package);
    assert_int_equal(frit_compiled_write(second, "/no/such/folder/x.fpk", &err), FRIT_IO);
    frit_module_release(m);
    frit_compiler_release(c);
    frit_compiled_release(first);
    run(second, x, y);
    assert_float_equal(y[2], 6, 0);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void test_source(void **state) {
    frit_compiler *c = compiler(NULL, FRIT_CACHE_OFF, NULL);
    frit_package *p;
    frit_error err;
    assert_int_equal(frit_compile_source(c, "twice", twice, NULL, &p, &err), FRIT_OK);
    assert_string_equal(frit_package_get_info(p)->entry, "twice");
    frit_package_release(p);
    setenv("FRIT_CACHE", "off", 1);
    assert_int_equal(frit_compile_source(NULL, "twice", twice, NULL, &p, &err), FRIT_OK);
    frit_package_release(p);
    assert_int_equal(frit_compile_source(NULL, "t", "model t(x: f32[N]) { return y }", NULL, &p, &err), FRIT_BAD_MODEL);
    assert_null(p);
    assert_int_equal(err.line, 1);
    assert_int_equal(frit_compile_source(c, NULL, twice, NULL, &p, &err), FRIT_USAGE);
    frit_compiler_release(c);
}

/* ---- Threads ---- */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int done, good;
    frit_compiled *last;
} gathered;

static void collect(void *ctx, frit_compiled *result, const frit_error *err) {
    gathered *g = ctx;
    pthread_mutex_lock(&g->lock);
    g->done++;
    g->good += result && err->status == FRIT_OK;
    frit_compiled_release(g->last);
    g->last = result;
    pthread_cond_signal(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static void test_background(void **state) {
    enum { JOBS = 6 };
    gathered g = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    frit_compiler *c = compiler(NULL, FRIT_CACHE_OFF, NULL);
    frit_module *m;
    frit_error err;
    float x[4] = {1, 2, 3, 4}, y[4];
    assert_int_equal(parse(c, twice, &m, &err), FRIT_OK);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(frit_compile_background(m, NULL, collect, &g, &err), FRIT_OK);
    frit_module_release(m); /* the jobs keep both */
    frit_compiler_release(c);
    pthread_mutex_lock(&g.lock);
    while (g.done < JOBS)
        pthread_cond_wait(&g.changed, &g.lock);
    pthread_mutex_unlock(&g.lock);
    assert_int_equal(g.good, JOBS);
    run(g.last, x, y);
    assert_float_equal(y[3], 8, 0);
    assert_int_equal(frit_compile_background(NULL, NULL, collect, &g, &err), FRIT_USAGE);
}

/* More jobs than threads, from several threads, some of them wrong: each is called back once, before wait returns. */
typedef struct {
    frit_compiler *c;
    gathered *g;
    int first;
} starter;

static void *start_jobs(void *u) {
    starter *s = u;
    for (int i = 0; i < 5; i++) {
        char text[80];
        frit_module *m;
        frit_module_options lazy = {.struct_size = sizeof lazy, .lazy = true};
        snprintf(text, sizeof text, i < 4 ? "model m(x: f32[4]) -> f32[4] { return x * %d.5 }" : "model m(x: f32[%d]) {",
                 s->first + i);
        assert_int_equal(frit_module_parse(s->c, FRIT_SOURCE_FRIT, "m", text, strlen(text), &lazy, &m, NULL), FRIT_OK);
        assert_int_equal(frit_compile_background(m, NULL, collect, s->g, NULL), FRIT_OK);
        frit_module_release(m);
    }
    return NULL;
}

static void test_background_queue(void **state) {
    enum { STARTERS = 4 };
    gathered g = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    frit_compiler *c = compiler(NULL, FRIT_CACHE_OFF, NULL);
    pthread_t threads[STARTERS];
    starter s[STARTERS];
    for (int i = 0; i < STARTERS; i++) {
        s[i] = (starter){c, &g, 10 * i};
        assert_int_equal(pthread_create(&threads[i], NULL, start_jobs, &s[i]), 0);
    }
    for (int i = 0; i < STARTERS; i++)
        pthread_join(threads[i], NULL);
    frit_compiler_wait(c);
    assert_int_equal(g.done, 5 * STARTERS);
    assert_int_equal(g.good, 4 * STARTERS);
    frit_compiler_wait(c); /* nothing is left to wait for */
    frit_compiled_release(g.last);
    frit_compiler_release(c);
}

/* What the load program makes of params is kept by the name that the caller has for their values: under a name that is known,
 * the params themselves are not looked at. */
static void test_packed_weights(void **state) {
    static const char text[] = "model m(x: f32[2, 4]) -> (y: f32[2, 512]) {\n    param w: f32[4, 512]\n    return x @ w\n}\n";
    static const struct { const char *key; float value, wanted; } rows[] = {{"one", 1, 10}, {"two", 2, 20}, {"one", 3, 10}};
    static float w[4 * 512], y[2 * 512];
    char folder[] = "/tmp/frit-api-XXXXXX", command[80];
    float x[8] = {1, 2, 3, 4, 1, 2, 3, 4};
    frit_error err;
    assert_non_null(mkdtemp(folder));
    frit_compiler *c = compiler(NULL, FRIT_CACHE_ON, folder);
    assert_int_equal(frit_compiler_load_weights(c, NULL, "one", &err), FRIT_USAGE);
    for (int i = 0; i < 3; i++) {
        opened o;
        DLTensor param = frit_dense(w, FRIT_f32, 2, (int64_t[]){4, 512});
        DLTensor in = frit_dense(x, FRIT_f32, 2, (int64_t[]){2, 4}), out = frit_dense(y, FRIT_f32, 2, (int64_t[]){2, 512});
        for (int k = 0; k < 4 * 512; k++) w[k] = rows[i].value;
        assert_int_equal(frit_compile_source(c, "test.frit", text, NULL, &o.package, &err), FRIT_OK);
        assert_int_equal(frit_device_open("cpu", NULL, &o.device, &err), FRIT_OK);
        assert_int_equal(frit_weights_create(o.package, o.device, NULL, &o.weights, &err), FRIT_OK);
        assert_int_equal(frit_weights_bind(o.weights, "w", &param, FRIT_BORROW, &err), FRIT_OK);
        assert_int_equal(frit_compiler_load_weights(c, o.weights, rows[i].key, &err), FRIT_OK);
        assert_int_equal(frit_session_create(o.weights, NULL, &o.session, &err), FRIT_OK);
        assert_int_equal(frit_session_run(o.session, &in, 1, &out, 1, &err), FRIT_OK);
        for (int k = 0; k < 2 * 512; k++) assert_float_equal(y[k], rows[i].wanted, 0);
        close_session(o);
    }
    frit_compiler_release(c);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seed), cmocka_unit_test(test_version), cmocka_unit_test(test_background_queue), cmocka_unit_test(test_source), cmocka_unit_test(test_join),
        cmocka_unit_test(test_several_targets), cmocka_unit_test(test_weight_types),
        cmocka_unit_test(test_wrong_model),      cmocka_unit_test(test_options),         cmocka_unit_test(test_builder),
        cmocka_unit_test(test_builder_mistakes), cmocka_unit_test(test_cache_and_write), cmocka_unit_test(test_background),
        cmocka_unit_test(test_packed_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
