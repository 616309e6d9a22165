/* The drivers of GPUs on a stand-in for their libraries; without one, what is said when there is no device. */
#include "fake_use.h"
#include "runtime/package.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static DLTensor on_device(float *p, int device, int64_t *n) {
    DLTensor t = frit_dense(p, FRIT_f32, 1, n);
    t.device = (DLDevice){is_hip() ? kDLROCM : kDLCUDA, device};
    return t;
}

/* ---- Memory of host and device ----------------------------------------------------------------------------------- */
enum { N = 100 };
typedef struct arrays {
    float x[2 * N], y[2 * N], z[2 * N];
} arrays;
static void make(arrays *a) {
    for (int i = 0; i < 2 * N; i++) a->x[i] = (float)i, a->y[i] = (float)(1000 * i), a->z[i] = -1;
}

/* Each of the tensors on the host or the device, dense or with a stride of 2. */
static void run_mixed(rig *r, fake_gpu *g, int mix) {
    arrays host, *dev = g->alloc(0, sizeof *dev);
    make(&host);
    memcpy(dev, &host, sizeof host);
    int64_t n = N, two = 2;
    arrays *at[3] = {mix & 1 ? dev : &host, mix & 2 ? dev : &host, mix & 4 ? dev : &host};
    DLTensor t[3] = {frit_dense(at[0]->x, FRIT_f32, 1, &n), frit_dense(at[1]->y, FRIT_f32, 1, &n),
                     frit_dense(at[2]->z, FRIT_f32, 1, &n)};
    for (int i = 0; i < 3; i++) {
        if (at[i] == dev) t[i].device = (DLDevice){is_hip() ? kDLROCM : kDLCUDA, 0};
        if (mix >> 3 >> i & 1) t[i].strides = &two;
    }
    assert_ok(frit_session_run(r->session, t, 2, &t[2], 1, err));
    assert_ok(frit_session_wait(r->session, err));
    int sx = t[0].strides ? 2 : 1, sy = t[1].strides ? 2 : 1, sz = t[2].strides ? 2 : 1;
    for (int i = 0; i < N; i++) assert_true(at[2]->z[i * sz] == (float)(i * sx) + (float)(1000 * i * sy));
    for (int i = 1; sz == 2 && i < N; i += 2) assert_true(at[2]->z[i] == -1);
    g->free(dev);
}

static void test_memory(void **state) {
    (void)state;
    for (int how = 0; how < 4; how++) {
        fake_gpu *g = begin();
        g->pools = how & 1, g->lazy = how & 2;
        model m = model_add();
        rig r = rig_open(&m, 1);
        for (int mix = 0; mix < 64; mix++) run_mixed(&r, g, mix);
        rig_close(&r);
        model_free(&m);
        end(g);
    }
}

static void test_wrong_memory(void **state) {
    (void)state;
    fake_gpu *g = begin();
    model m = model_add();
    rig r = rig_open(&m, 1);
    float x[N] = {0}, z[N], *there = g->alloc(1, sizeof x);
    int64_t n = N;
    DLTensor in[2] = {frit_dense(x, FRIT_f32, 1, &n), on_device(there, 1, &n)}, out = frit_dense(z, FRIT_f32, 1, &n);
    assert_fails(frit_session_run(r.session, in, 2, &out, 1, err), FRIT_USAGE, "another device than");
    in[1] = on_device(there, 0, &n);
    in[1].device.device_type = is_hip() ? kDLCUDA : kDLROCM;
    assert_fails(frit_session_run(r.session, in, 2, &out, 1, err), FRIT_USAGE, "another device than");
    g->free(there);
    rig_close(&r);
    model_free(&m);
    end(g);
}

/* A kernel that takes a tensor map: the map is made once for each shape and place. */
static model model_map(void) {
    model m = model_new();
    sym_t n = sym_var(m.c, "n", SYM_DIM, NULL, NULL), twelve = sym_const(m.c, 12), eight = sym_const(m.c, 8);
    package_input(m.p, "x", FRIT_f32, 1, &n, NULL);
    package_output(m.p, "y", FRIT_f32, 1, &twelve);
    model_target(&m);
    package_map map = {{0, FRIT_f32, 3, 64, 16, 2, 3, 1, 1}, {n, eight, sym_addi(m.c, n, 5), NULL, NULL, sym_muli(m.c, n, 4), sym_const(m.c, 64)}};
    package_kernel k = {.name = "map", .n_inputs = 1, .n_outputs = 1, .n_ints = 1, .ints = &n, .threads = 32, .entry = "gpu_blob_map", .code_size = m.code_bytes,
                        .n_maps = 1, .maps = &map, .file = "test.frit", .line = 3};
    int kernel = package_add_kernel(m.p, &k);
    package_main(m.p);
    package_launch(m.p, kernel, (package_ref[]){package_at(package_input_buffer(m.p, 0)), package_at(package_output_buffer(m.p, 0))});
    return m;
}

static void check_map(rig *r, fake_gpu *g, int64_t n, float *x, float *y) {
    int64_t twelve = 12;
    DLTensor in = on_device(x, 0, &n), out = on_device(y, 0, &twelve);
    assert_ok(frit_session_run(r->session, &in, 1, &out, 1, err));
    assert_ok(frit_session_wait(r->session, err));
    const float want[] = {0, 3, 4, 64, (float)n, 8, (float)(n + 5), (float)(16 * n), 256, 16, 2, 3};
    for (int i = 0; i < 12; i++) assert_true(y[i] == want[i]);
}

static void test_maps(void **state) {
    (void)state;
    fake_gpu *g = begin();
    model m = model_map();
    rig r = rig_open(&m, 1);
    float *x = g->alloc(0, 4000), *y = g->alloc(0, 4000), *other = g->alloc(0, 4000);
    if (is_hip()) { /* its driver has none */
        int64_t n = 16, twelve = 12;
        DLTensor in = on_device(x, 0, &n), out = on_device(y, 0, &twelve);
        assert_fails(frit_session_run(r.session, &in, 1, &out, 1, err), FRIT_UNAVAILABLE, "no tensor maps");
    }
    g->maps = 0;
    for (int i = 0; !is_hip() && i < 3; i++) check_map(&r, g, 16, x, y);
    assert_int_equal(g->maps, is_hip() ? 0 : 1);
    for (int i = 0; !is_hip() && i < 6; i++) { /* other shapes and places */
        check_map(&r, g, i % 2 ? 16 : 20, x, y);
        check_map(&r, g, 16, other, y);
    }
    assert_int_equal(g->maps, is_hip() ? 0 : 3);
    g->free(x), g->free(y), g->free(other);
    rig_close(&r);
    model_free(&m);
    end(g);
}

/* More than the pinned pieces hold, both ways. */
static void test_tensor_copy(void **state) {
    (void)state;
    fake_gpu *g = begin();
    frit_device *d;
    assert_ok(frit_device_open(model_device(), NULL, &d, err));
    enum { BIG = 700001 };
    int64_t n = BIG, half = BIG / 2, two = 2;
    float *x = malloc(sizeof *x * BIG), *y = malloc(sizeof *y * BIG), *there = g->alloc(0, sizeof *x * BIG);
    for (int i = 0; i < BIG; i++) x[i] = (float)i, y[i] = -1;
    DLTensor from = frit_dense(x, FRIT_f32, 1, &n), to = frit_dense(y, FRIT_f32, 1, &n), dev = on_device(there, 0, &n);
    assert_ok(frit_tensor_copy(d, &dev, &from, err));
    assert_ok(frit_tensor_copy(d, &to, &dev, err));
    assert_memory_equal(x, y, sizeof *x * BIG);
    dev.shape = to.shape = &half, dev.strides = to.strides = &two;
    for (int i = 0; i < BIG; i++) there[i] = (float)-i;
    assert_ok(frit_tensor_copy(d, &to, &dev, err));
    for (int i = 0; i < BIG - 1; i++) assert_true(y[i] == (float)(i % 2 ? i : -i));
    dev.shape = &n;
    assert_fails(frit_tensor_copy(d, &to, &dev, err), FRIT_SHAPE, "differ");
    g->free(there);
    int64_t few = 5;
    float *made = frit_device_alloc(d, 20);
    from.shape = to.shape = &few, to.strides = NULL;
    dev = (DLTensor){.data = made, .device = frit_device_dl(d), .ndim = 1, .dtype = from.dtype, .shape = &few};
    assert_ok(frit_tensor_copy(d, &dev, &from, err));
    assert_ok(frit_tensor_copy(d, &to, &dev, err));
    assert_memory_equal(x, y, 20);
    frit_device_free(d, made, 20);
    free(x);
    free(y);
    frit_device_release(d);
    end(g);
}

/* z = x + y, by a chain of four launches through temps: z = (((x + y) + 0) + 0) + 0. */
static model model_chain(void) {
    model m = model_new();
    model_add_tensors(&m);
    model_target(&m);
    sym_t each = sym_const(m.c, 16), bytes = sym_muli(m.c, m.n, 4);
    int k = model_kernel(&m, blob_add, 2, 1, 2, (sym_t[]){each, m.n}, sym_ceildiv(m.c, m.n, each), NULL);
    package_ref zero = package_at(package_temp(m.p, bytes)), a = package_at(package_input_buffer(m.p, 0)),
                b = package_at(package_input_buffer(m.p, 1));
    package_main(m.p);
    package_fill(m.p, zero, bytes, 4, 0);
    for (int i = 0; i < 4; i++) {
        package_ref to = package_at(i == 3 ? package_output_buffer(m.p, 0) : package_temp(m.p, bytes));
        package_launch(m.p, k, (package_ref[]){a, b, to});
        a = to, b = zero;
    }
    return m;
}

/* ---- Launches ---------------------------------------------------------------------------------------------------- */
/* Kernels of clusters: whole ones, launched as such, in graphs too; a driver that cannot launch them is told of. */
static void test_clusters(void **state) {
    (void)state;
    fake_gpu *g = begin();
    bool cuda = !strcmp(model_device(), "cuda");
    model m = model_new();
    sym_t n = sym_var(m.c, "n", SYM_DIM, NULL, NULL), tasks = sym_muli(m.c, n, 4);
    package_input(m.p, "x", FRIT_f32, 1, &n, NULL);
    package_output(m.p, "out", FRIT_f32, 1, &n);
    model_target(&m);
    m.cluster = 4;
    int k = model_kernel(&m, blob_square, 1, 1, 2, (sym_t[]){sym_const(m.c, 1), n}, tasks, NULL);
    package_main(m.p);
    for (int i = 0; i < 4; i++)
        package_launch(m.p, k, (package_ref[]){package_at(package_input_buffer(m.p, 0)), package_at(package_output_buffer(m.p, 0))});
    if (cuda) {
        rig r = rig_open(&m, 1);
        for (int turn = 0; turn < 4; turn++) {
            float x[6] = {1, 2, 3, 4, 5, 6}, z[6];
            int64_t shape = 6;
            DLTensor in = frit_dense(x, FRIT_f32, 1, &shape), out = frit_dense(z, FRIT_f32, 1, &shape);
            g->last_cluster = 0;
            assert_ok(frit_session_run(r.session, &in, 1, &out, 1, err));
            assert_int_equal(g->last_cluster, 4);
            assert_int_equal(g->last_blocks, 24);
            for (int i = 0; i < 6; i++) assert_true(z[i] == x[i] * x[i]);
        }
        assert_true(g->replays > 0);
        rig_close(&r);
    } else {
        frit_weights *w;
        assert_fails(load(&m, &w, err), FRIT_UNSUPPORTED, "clusters of 4 blocks");
    }
    model_free(&m);
    end(g);
}

/* A block for each task; with scratch, which is there for four blocks of each of the three multiprocessors, no more. */
static void test_blocks(void **state) {
    (void)state;
    fake_gpu *g = begin();
    for (int scratch = 0; scratch < 2; scratch++) {
        model m = model_new();
        sym_t d[2] = {sym_var(m.c, "r", SYM_DIM, NULL, NULL), sym_var(m.c, "c", SYM_DIM, NULL, NULL)};
        package_input(m.p, "x", FRIT_f32, 2, d, NULL);
        package_output(m.p, "out", FRIT_f32, scratch ? 1 : 2, d);
        model_target(&m);
        sym_t four = sym_const(m.c, 4), all = sym_mul(m.c, d[0], d[1]);
        int k = scratch ? model_kernel(&m, blob_row_sum, 1, 1, 1, &d[1], d[0], four)
                        : model_kernel(&m, blob_square, 1, 1, 2, (sym_t[]){d[1], all}, d[0], NULL);
        package_main(m.p);
        package_launch(
            m.p, k,
            (package_ref[]){package_at(package_input_buffer(m.p, 0)), package_at(package_output_buffer(m.p, 0))});
        rig r = rig_open(&m, 1);
        for (int64_t rows = 0; rows < 40; rows += 13) {
            int64_t shape[2] = {rows, 5};
            float x[40 * 5], z[40 * 5];
            for (int i = 0; i < 200; i++) x[i] = (float)i;
            DLTensor in = frit_dense(x, FRIT_f32, 2, shape), out = frit_dense(z, FRIT_f32, scratch ? 1 : 2, shape);
            g->last_blocks = 0;
            assert_ok(frit_session_run(r.session, &in, 1, &out, 1, err));
            assert_int_equal(g->last_blocks, scratch && rows > 12 ? 12 : rows);
            if (rows) assert_int_equal(g->last_threads, 32);
            for (int i = 0; i < rows; i++)
                assert_true(scratch ? z[i] == (float)(25 * i + 10) : z[5 * i] == (float)(25 * i * i));
        }
        rig_close(&r);
        model_free(&m);
    }
    end(g);
}

/* ---- Recorded runs ----------------------------------------------------------------------------------------------- */
static void test_graphs(void **state) {
    (void)state;
    fake_gpu *g = begin();
    model m = model_chain();
    rig r = rig_open(&m, 1);
    float *p[4];
    int64_t n = N;
    for (int i = 0; i < 4; i++) p[i] = g->alloc(0, sizeof **p * N);
    for (int turn = 0; turn < 10; turn++) {
        for (int i = 0; i < N; i++) p[0][i] = (float)turn, p[1][i] = (float)i, p[2][i] = p[3][i] = -1;
        float *to = turn % 2 ? p[2] : p[3];
        DLTensor in[2] = {on_device(p[0], 0, &n), on_device(p[1], 0, &n)}, out = on_device(to, 0, &n);
        assert_ok(frit_session_run(r.session, in, 2, &out, 1, err));
        assert_true(to[N - 1] == -1); /* nothing has been waited for */
        assert_ok(frit_session_wait(r.session, err));
        for (int i = 0; i < N; i++) assert_true(to[i] == (float)(turn + i));
    }
    /* Of each of the two outputs: once as it is, once recorded and replayed, then replayed. */
    assert_int_equal(g->recorded, 2);
    assert_int_equal(g->replays, 8);
    frit_session_set_profile(r.session, true);
    DLTensor in[2] = {on_device(p[0], 0, &n), on_device(p[1], 0, &n)}, out = on_device(p[2], 0, &n);
    for (int i = 0; i < 300; i++) assert_ok(frit_session_run(r.session, in, 2, &out, 1, err));
    frit_kernel_profile k;
    assert_int_equal(frit_session_get_profile(r.session, &k, 1), 1);
    assert_int_equal(k.launches, 1200);
    assert_true(k.seconds > 1.19 && k.seconds < 1.21); /* the stand-in's clock: a millisecond a launch */
    assert_int_equal(g->replays, 8);
    for (int i = 0; i < 4; i++) g->free(p[i]);
    rig_close(&r);
    model_free(&m);
    end(g);
}

/* Once a shape has run, runs on tensors of the device take no memory of the host's or the device's, recorded or not. */
static void *none(void *ctx, size_t size, size_t align) {
    return *(bool *)ctx ? NULL : aligned_alloc(align, (size + align - 1) / align * align);
}
static void release(void *ctx, void *p, size_t size) {
    (void)ctx, (void)size;
    free(p);
}

static void test_steady(void **state) {
    (void)state;
    for (int chain = 0; chain < 2; chain++) {
        fake_gpu *g = begin();
        bool refuse = false;
        frit_allocator mem = {&refuse, none, release};
        model m = chain ? model_chain() : model_add();
        uint64_t n_bytes;
        const void *bytes = model_bytes(&m, &n_bytes);
        rig r = {0};
        frit_device_options o = {.struct_size = sizeof o, .allocator = &mem};
        assert_ok(frit_package_open_memory(bytes, n_bytes, NULL, NULL, NULL, &r.package, err));
        assert_ok(frit_device_open(model_device(), &o, &r.device, err));
        assert_ok(frit_weights_create(r.package, r.device, NULL, &r.weights, err));
        assert_ok(frit_session_create(r.weights, NULL, &r.session, err));
        float *p = g->alloc(0, 3 * sizeof *p * N);
        int64_t n = N;
        DLTensor in[2] = {on_device(p, 0, &n), on_device(p + N, 0, &n)}, out = on_device(p + 2 * N, 0, &n);
        for (int i = 0; i < 2 * N; i++) p[i] = (float)i;
        for (int i = 0; i < 2; i++) assert_ok(frit_session_run(r.session, in, 2, &out, 1, err));
        long live = g->live, calls = g->calls;
        refuse = true;
        for (int i = 0; i < 10; i++) assert_ok(frit_session_run(r.session, in, 2, &out, 1, err));
        assert_int_equal(g->live, live);
        /* A run is made current, submitted, and that is all: three calls of the library, four in HIP. */
        assert_int_equal(g->calls - calls, is_hip() ? 40 : 30);
        refuse = false;
        assert_ok(frit_session_wait(r.session, err));
        for (int i = 0; i < N; i++) assert_true(p[2 * N + i] == (float)(2 * i + N));
        g->free(p);
        rig_close(&r);
        model_free(&m);
        end(g);
    }
}

/* ---- Everything -------------------------------------------------------------------------------------------------- */
/* From device to the results of three runs of model_everything. */
static frit_status whole_life(const void *bytes, uint64_t n_bytes, frit_error *err) {
    frit_package *p = NULL;
    frit_device *d = NULL;
    frit_weights *w = NULL;
    frit_session *s = NULL;
    float x[16], y[33] = {0}, out[16];
    int64_t n = 16, n2 = 33, trips = 3;
    for (int i = 0; i < 16; i++) x[i] = (float)i;
    DLTensor in[3] = {frit_dense(x, FRIT_f32, 1, &n), frit_dense(y, FRIT_f32, 1, &n2),
                      frit_dense(&trips, FRIT_i64, 0, NULL)};
    DLTensor z = frit_dense(out, FRIT_f32, 1, &n);
    frit_status st = frit_package_open_memory(bytes, n_bytes, NULL, NULL, NULL, &p, err);
    if (st == FRIT_OK) st = frit_device_open(model_device(), NULL, &d, err);
    if (st == FRIT_OK) st = frit_weights_create(p, d, NULL, &w, err);
    if (st == FRIT_OK) st = frit_session_create(w, NULL, &s, err);
    for (int turn = 0; st == FRIT_OK && turn < 3; turn++) {
        memset(out, 0xff, sizeof out);
        st = frit_session_run(s, in, 3, &z, 1, err);
        if (st == FRIT_OK) st = frit_session_wait(s, err);
        for (int i = 0; st == FRIT_OK && i < 16; i++) assert_true(out[i] == (float)(i + trips));
    }
    frit_session_release(s);
    frit_weights_release(w);
    frit_device_release(d);
    frit_package_release(p);
    return st;
}

/* Every call of the library fails once: a status with a reason each time (or the driver gets by without), and nothing
 * is left behind. */
static void test_failures(void **state) {
    (void)state;
    model m = model_everything();
    uint64_t n;
    const void *bytes = model_bytes(&m, &n);
    for (int how = 0; how < 4; how++) {
        fake_gpu *g = begin();
        g->pools = how & 1, g->lazy = how & 2;
        assert_ok(whole_life(bytes, n, err));
        long calls = g->calls, refused = 0;
        assert_true(calls > 60);
        assert_true(g->recorded == 1);
        for (long i = 0; i < calls; i++) {
            g->calls = 0, g->fail_at = i, g->fail_code = i % 3 == 0 ? 2 : 999;
            frit_error err = {0};
            frit_status st = whole_life(bytes, n, &err);
            refused += st != FRIT_OK;
            if (st != FRIT_OK && (!err.message[0] || err.status != st))
                fail_msg("call %ld (%s): no reason", i, g->last_call);
            if (g->live || g->misuse[0]) fail_msg("call %ld: %ld left, %s; %s", i, g->live, g->misuse, err.message);
        }
        assert_true(refused > calls / 4); /* those that switch devices and release things are survived */
        g->fail_at = -1;
        assert_ok(whole_life(bytes, n, err));
        end(g);
    }
    model_free(&m);
}

/* A kernel that breaks the device shows when the run is waited for; the kernel and its line are named. */
static void test_fault(void **state) {
    (void)state;
    fake_gpu *g = begin();
    model m = model_add();
    rig r = rig_open(&m, 1);
    float *p = g->alloc(0, 3 * sizeof *p * N);
    int64_t n = N;
    DLTensor in[2] = {on_device(p, 0, &n), on_device(p + N, 0, &n)}, out = on_device(p + 2 * N, 0, &n);
    g->fault_at = 0;
    assert_ok(frit_session_run(r.session, in, 2, &out, 1, err));
    frit_error e = {0};
    assert_int_equal(frit_session_wait(r.session, &e), FRIT_DEVICE_FAILED);
    if (!strstr(e.message, "kernel kernel") || !strstr(e.message, "FAKE_ILLEGAL_ADDRESS") ||
        !strstr(e.message, "driver for"))
        fail_msg("%s", e.message);
    assert_string_equal(e.file, "test.frit");
    assert_int_equal(e.line, 7);
    g->free(p);
    rig_close(&r);
    g->stream_free(g->stream(0)); /* mends the stand-in's devices */
    model_free(&m);
    end(g);
}

/* ---- Devices ----------------------------------------------------------------------------------------------------- */
typedef struct worker {
    frit_package *package;
    int device;
    fake_gpu *g;
    const char *wrong;
} worker;

static void *work(void *u) {
    worker *k = u;
    frit_device_options o = {.struct_size = sizeof o, .index = k->device};
    frit_device *d = NULL;
    frit_weights *w = NULL;
    frit_session *s = NULL;
    int64_t n = N;
    float *p = k->g->alloc(k->device, 3 * sizeof *p * N), x[N];
    frit_error err = {0};
    bool ok = frit_device_open(model_device(), &o, &d, &err) == FRIT_OK &&
              frit_weights_create(k->package, d, NULL, &w, &err) == FRIT_OK &&
              frit_session_create(w, NULL, &s, &err) == FRIT_OK;
    for (int turn = 0; ok && turn < 50; turn++) {
        for (int i = 0; i < N; i++) x[i] = (float)(turn * (i + 1));
        DLTensor from = frit_dense(x, FRIT_f32, 1, &n), in[2] = {on_device(p, k->device, &n), from};
        DLTensor out = on_device(p + N, k->device, &n);
        ok = frit_tensor_copy(d, &in[0], &from, &err) == FRIT_OK &&
             frit_session_run(s, in, 2, &out, 1, &err) == FRIT_OK && frit_session_wait(s, &err) == FRIT_OK;
        for (int i = 0; ok && i < N; i++) ok = p[N + i] == 2 * x[i];
    }
    if (!ok) k->wrong = err.message[0] ? strdup(err.message) : "wrong results";
    frit_session_release(s);
    frit_weights_release(w);
    frit_device_release(d);
    k->g->free(p);
    return NULL;
}

static void test_several_devices(void **state) {
    (void)state;
    fake_gpu *g = begin();
    int count = 0;
    assert_ok(frit_device_count(model_device(), &count, err));
    assert_int_equal(count, 2);
    frit_device *d;
    frit_device_options o = {.struct_size = sizeof o, .index = 2};
    assert_fails(frit_device_open(model_device(), &o, &d, err), FRIT_UNAVAILABLE, "this machine has 2");
    model m = model_new();
    model_add_tensors(&m);
    model_target(&m); /* for device 0 */
    model_add_launch(&m);
    model other = model_add();
    uint64_t n;
    frit_package *p;
    const void *bytes = model_bytes(&m, &n);
    assert_ok(frit_package_open_memory(bytes, n, NULL, NULL, NULL, &p, err));
    worker k[4] = {{p, 0, g, NULL}, {p, 0, g, NULL}, {p, 0, g, NULL}, {p, 1, g, NULL}};
    pthread_t t[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&t[i], NULL, work, &k[i]), 0);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    for (int i = 0; i < 3; i++)
        if (k[i].wrong) fail_msg("%s", k[i].wrong);
    assert_non_null(k[3].wrong); /* code for device 0 does not run on device 1 */
    assert_non_null(strstr(k[3].wrong, is_hip() ? "gfx942 is not gfx1100" : "sm_90 needs a newer device"));
    free((void *)k[3].wrong);
    frit_package_release(p);
    model_free(&m);
    model_free(&other);
    end(g);
}

/* The host's own stream: all work is on it, and it stays. */
static void test_stream(void **state) {
    (void)state;
    fake_gpu *g = begin();
    model m = model_add();
    rig r = rig_open(&m, 1);
    frit_session_release(r.session);
    void *stream = g->stream(0);
    frit_session_options o = {.struct_size = sizeof o, .stream = stream};
    assert_ok(frit_session_create(r.weights, &o, &r.session, err));
    for (int mix = 0; mix < 8; mix++) run_mixed(&r, g, mix);
    rig_close(&r);
    g->stream_free(stream);
    assert_ok(frit_device_open("cpu", NULL, &r.device, err));
    model_free(&m);
    frit_device_release(r.device);
    end(g);
}

/* ---- No device --------------------------------------------------------------------------------------------------- */
static void test_no_device(void **state) {
    (void)state;
    fake_gpu *g = begin();
    frit_device *d = NULL;
    int n;
    g->devices = 0;
    assert_fails(frit_device_open(model_device(), NULL, &d, err), FRIT_UNAVAILABLE, "FAKE_NO_DEVICE");
    assert_fails(frit_device_open(model_device(), NULL, &d, err), FRIT_UNAVAILABLE, "install");
    assert_fails(frit_device_count(model_device(), &n, err), FRIT_UNAVAILABLE, "install");
    assert_int_equal(n, 0);
    assert_null(d);
    end(g);
}

/* Without the stand-in: no library, the toolkit's stub of it, or a real device. */
static void test_as_it_is(void **state) {
    (void)state;
    static const char *const kinds[] = {"cuda", "hip"};
    for (int i = 0; i < 2; i++) {
        frit_device *d = NULL;
        frit_error err = {0};
        frit_status st = frit_device_open(kinds[i], NULL, &d, &err);
        print_message("%s: %s\n", kinds[i], st == FRIT_OK ? frit_device_name(d) : err.message);
        assert_true(st == FRIT_OK ? d != NULL : st == FRIT_UNAVAILABLE && strstr(err.message, "install"));
        frit_device_release(d);
    }
}

int main(void) {
    const struct CMUnitTest without[] = {cmocka_unit_test(test_as_it_is)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),   cmocka_unit_test(test_clusters),        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_maps),     cmocka_unit_test(test_wrong_memory),    cmocka_unit_test(test_tensor_copy),
        cmocka_unit_test(test_graphs),   cmocka_unit_test(test_steady),          cmocka_unit_test(test_failures),
        cmocka_unit_test(test_fault),    cmocka_unit_test(test_several_devices), cmocka_unit_test(test_stream),
        cmocka_unit_test(test_no_device),
    };
    if (!strcmp(model_device(), "cpu")) return cmocka_run_group_tests(without, NULL, NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + test_gpu_code();
}
