/* The thread pool: every part runs once and is finished when run returns, under any mix of callers. */
#include "model.h"
#include "runtime/pool.h"
#include "runtime/rt.h"
#include <fenv.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

enum { PARTS = 8 };
typedef struct job {
    int done[PARTS]; /* not atomic: run's return orders them */
    atomic_int running;
} job;

static void part(void *arg, int i) {
    job *j = arg;
    j->done[i]++;
    atomic_fetch_add(&j->running, 1);
}

static void run_once(rt_pool *p, int n) {
    job j = {0};
    pool_run(p, n, part, &j);
    assert_int_equal(atomic_load(&j.running), n);
    for (int i = 0; i < PARTS; i++) assert_int_equal(j.done[i], i < n);
}

static void test_parts(void **state) {
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        rt_pool *p = pool_new(&rt_malloc, threads);
        assert_non_null(p);
        assert_int_equal(pool_threads(p), threads);
        for (int i = 0; i < 2000; i++) run_once(p, i % (PARTS + 1));
        struct timespec nap = {0, 3000000}; /* workers fall asleep */
        for (int i = 0; i < 20; i++) {
            nanosleep(&nap, NULL);
            run_once(p, threads);
        }
        pool_free(&rt_malloc, p);
    }
}

static void slow_part(void *arg, int i) {
    struct timespec nap = {0, 2000000};
    if (i) nanosleep(&nap, NULL); /* the caller waits for the others, asleep */
    part(arg, i);
}

static void test_slow_parts(void **state) {
    (void)state;
    rt_pool *p = pool_new(&rt_malloc, 3);
    for (int i = 0; i < 20; i++) {
        job j = {0};
        pool_run(p, 3, slow_part, &j);
        for (int k = 0; k < 3; k++) assert_int_equal(j.done[k], 1);
    }
    pool_free(&rt_malloc, p);
}

static void *caller(void *arg) {
    for (int i = 0; i < 3000; i++) {
        job j = {0};
        int n = 1 + i % 4;
        pool_run(arg, n, part, &j);
        for (int k = 0; k < n; k++)
            if (j.done[k] != 1) return "a part did not run once";
    }
    return NULL;
}

static void test_callers(void **state) {
    (void)state;
    rt_pool *p = pool_new(&rt_malloc, 4);
    pthread_t t[3];
    void *wrong = NULL;
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&t[i], NULL, caller, p), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(t[i], &wrong);
        assert_null(wrong);
    }
    pool_free(&rt_malloc, p);
}

/* ---- Sessions on threads ----------------------------------------------------------------------------------------- */
/* out[r] = sum of row r of x, through scratch of each worker: workers that shared it would spoil each other's sums. */
static model model_rows(void) {
    model m = model_new();
    sym_t d[2] = {sym_var(m.c, "r", SYM_DIM, NULL, NULL), sym_var(m.c, "c", SYM_DIM, NULL, NULL)};
    package_input(m.p, "x", FRIT_f32, 2, d, NULL);
    package_output(m.p, "out", FRIT_f32, 1, d);
    model_target(&m);
    int sum = model_kernel(&m, blob_row_sum, 1, 1, 1, &d[1], d[0], sym_const(m.c, 4));
    package_main(m.p);
    package_launch(
        m.p, sum, (package_ref[]){package_at(package_input_buffer(m.p, 0)), package_at(package_output_buffer(m.p, 0))});
    return m;
}

enum { ROWS = 37, COLUMNS = 51 };
static void run_rows(frit_session *s, float *out) {
    float x[ROWS * COLUMNS];
    for (int i = 0; i < ROWS * COLUMNS; i++) x[i] = 1 / (float)(i + 1);
    int64_t shape[2] = {ROWS, COLUMNS};
    DLTensor in = frit_dense(x, FRIT_f32, 2, shape), z = frit_dense(out, FRIT_f32, 1, shape);
    assert_ok(frit_session_run(s, &in, 1, &z, 1, err));
}

/* Equal bits for any number of threads. */
static void test_thread_counts(void **state) {
    (void)state;
    float want[ROWS], got[ROWS];
    for (int threads = 1; threads <= 5; threads++) {
        model m = model_rows();
        rig r = rig_open(&m, threads);
        for (int i = 0; i < 50; i++) run_rows(r.session, threads == 1 ? want : got);
        if (threads > 1) assert_memory_equal(want, got, sizeof want);
        rig_close(&r);
        model_free(&m);
    }
}

typedef struct host_pool {
    rt_pool *pool;
    atomic_int runs;
} host_pool;
static void host_run(void *ctx, int n, void (*fn)(void *, int), void *arg) {
    host_pool *h = ctx;
    atomic_fetch_add(&h->runs, 1);
    fesetround(FE_UPWARD); /* the host's threads may be in any state */
    for (int i = n; i-- > 0;) fn(arg, i);
    assert_int_equal(fegetround(), FE_UPWARD);
    fesetround(FE_TONEAREST);
}

static void test_host_pool(void **state) {
    (void)state;
    float want[ROWS], got[ROWS];
    model m = model_rows();
    rig r = rig_open(&m, 1);
    run_rows(r.session, want);
    frit_session_release(r.session);
    frit_weights_release(r.weights);
    frit_device_release(r.device);
    host_pool h = {0};
    frit_pool pool = {&h, 3, host_run};
    frit_device_options o = {.struct_size = sizeof o, .pool = &pool};
    assert_ok(frit_device_open("cpu", &o, &r.device, err));
    assert_ok(frit_weights_create(r.package, r.device, NULL, &r.weights, err));
    assert_ok(frit_session_create(r.weights, NULL, &r.session, err));
    run_rows(r.session, got);
    assert_int_equal(atomic_load(&h.runs), 1);
    assert_memory_equal(want, got, sizeof want);
    rig_close(&r);
    model_free(&m);
}

typedef struct client {
    frit_weights *weights;
    const float *want;
    const char *wrong;
} client;

static void *serve(void *arg) {
    client *c = arg;
    frit_session *s;
    if (frit_session_create(c->weights, NULL, &s, NULL) != FRIT_OK) return c->wrong = "no session", NULL;
    for (int i = 0; i < 100 && !c->wrong; i++) {
        float got[ROWS];
        run_rows(s, got);
        if (memcmp(got, c->want, sizeof got)) c->wrong = "other results";
    }
    frit_session_release(s);
    return NULL;
}

/* Several host threads, each with a session, share weights, device and its threads. */
static void test_shared_device(void **state) {
    (void)state;
    float want[ROWS];
    model m = model_rows();
    rig r = rig_open(&m, 3);
    run_rows(r.session, want);
    client c[3];
    pthread_t t[3];
    for (int i = 0; i < 3; i++) {
        c[i] = (client){r.weights, want, NULL};
        assert_int_equal(pthread_create(&t[i], NULL, serve, &c[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(t[i], NULL);
        assert_null(c[i].wrong);
    }
    rig_close(&r);
    model_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),         cmocka_unit_test(test_slow_parts), cmocka_unit_test(test_callers),
        cmocka_unit_test(test_thread_counts), cmocka_unit_test(test_host_pool),  cmocka_unit_test(test_shared_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
