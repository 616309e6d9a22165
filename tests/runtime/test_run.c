/* Runs of hand-made packages: values, shapes, strides, states, control flow, threads. */
#include "model.h"
#include <fenv.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static package_ref in_buf(model *m, int i) { return package_at(package_input_buffer(m->p, i)); }
static package_ref out_buf(model *m, int i) { return package_at(package_output_buffer(m->p, i)); }
static sym_t constant(model *m, int64_t v) { return sym_const(m->c, v); }
static sym_t dim(model *m, const char *name) { return sym_var(m->c, name, SYM_DIM, NULL, NULL); }

static void test_add(void **state) {
    (void)state;
    model m = model_add();
    rig r = rig_open(&m, 2);
    float x[100], y[100], z[100];
    for (int64_t n = 1; n <= 100; n += 33) {
        for (int i = 0; i < 100; i++) x[i] = (float)i, y[i] = 0.5f * (float)i, z[i] = -1;
        DLTensor in[2] = {frit_dense(x, FRIT_f32, 1, &n), frit_dense(y, FRIT_f32, 1, &n)};
        DLTensor out = frit_dense(z, FRIT_f32, 1, &n);
        assert_ok(frit_session_run(r.session, in, 2, &out, 1, err));
        for (int i = 0; i < 100; i++) assert_true(z[i] == (i < n ? 1.5f * (float)i : -1));
        int64_t shape, value;
        assert_ok(frit_session_output_shape(r.session, 0, &shape, err));
        assert_ok(frit_session_dim(r.session, "n", &value, err));
        assert_int_equal(shape, n);
        assert_int_equal(value, n);
    }
    rig_close(&r);
    model_free(&m);
}

static void test_info(void **state) {
    (void)state;
    model m = model_add();
    rig r = rig_open(&m, 1);
    const frit_package_info *i = frit_package_get_info(r.package);
    assert_string_equal(i->entry, "test");
    assert_string_equal(i->doc, "A test.");
    assert_int_equal(i->n_inputs, 2);
    assert_int_equal(i->n_outputs, 1);
    assert_string_equal(i->inputs[1].name, "y");
    assert_string_equal(i->inputs[1].type, "f32[n]");
    assert_string_equal(i->inputs[1].dims[0], "n");
    assert_int_equal(i->n_dims, 1);
    assert_string_equal(i->dims[0].name, "n");
    assert_int_equal(i->dims[0].lo, 0);
    assert_int_equal(strncmp(i->targets[0], model_device(), strlen(model_device())), 0);
    assert_string_equal(frit_weights_target(r.weights), i->targets[0]);
    assert_ok(frit_package_verify(r.package, err));
    rig_close(&r);
    model_free(&m);
}

/* Wrong calls are refused with a reason, and the session works afterwards. */
static void test_usage(void **state) {
    (void)state;
    model m = model_add();
    rig r = rig_open(&m, 1);
    float x[8] = {1, 2, 3, 4}, y[8] = {1, 1, 1, 1}, z[8] = {0};
    int64_t n = 4, other = 3, two[2] = {2, 2};
    DLTensor in[2] = {frit_dense(x, FRIT_f32, 1, &n), frit_dense(y, FRIT_f32, 1, &other)};
    DLTensor out = frit_dense(z, FRIT_f32, 1, &n);
    assert_fails(frit_session_output_shape(r.session, 0, &n, err), FRIT_USAGE, "after prepare or run");
    assert_fails(frit_session_run(r.session, in, 2, &out, 1, err), FRIT_SHAPE,
                 "input 'y' has shape [3], but f32[n] with n = 4 is wanted");
    assert_fails(frit_session_run(r.session, in, 1, &out, 1, err), FRIT_USAGE, "2 inputs, but 1");
    in[1] = frit_dense(y, FRIT_f16, 1, &n);
    assert_fails(frit_session_run(r.session, in, 2, &out, 1, err), FRIT_SHAPE, "dtype f16, but f32[n]");
    in[1] = frit_dense(y, FRIT_f32, 2, two);
    assert_fails(frit_session_run(r.session, in, 2, &out, 1, err), FRIT_SHAPE, "2 dims");
    in[1] = frit_dense(NULL, FRIT_f32, 1, &n);
    assert_fails(frit_session_run(r.session, in, 2, &out, 1, err), FRIT_USAGE, "'y' has no data");
    assert_ok(frit_session_prepare(r.session, in, 2, err));
    in[1] = frit_dense(y, FRIT_f32, 1, &n);
    out.shape = &other;
    assert_fails(frit_session_run(r.session, in, 2, &out, 1, err), FRIT_SHAPE, "output 'z'");
    out.shape = &n;
    assert_fails(frit_session_run(r.session, in, 2, NULL, 1, err), FRIT_USAGE, "outputs");
    assert_int_equal(frit_session_run(r.session, in, 2, NULL, 1, NULL), FRIT_USAGE);
    assert_ok(frit_session_run(r.session, in, 2, &out, 1, err));
    for (int i = 0; i < 4; i++) assert_true(z[i] == x[i] + 1);
    rig_close(&r);
    model_free(&m);
}

/* ---- Strides ----------------------------------------------------------------------------------------------------- */
/* z[a, b, c] = x + y over flat elements. */
static model model_add3(void) {
    model m = model_new();
    sym_t d[3] = {dim(&m, "a"), dim(&m, "b"), dim(&m, "c")}, n = sym_prod(m.c, d, 3), each = constant(&m, 5);
    package_input(m.p, "x", FRIT_f32, 3, d, NULL);
    package_input(m.p, "y", FRIT_f32, 3, d, NULL);
    package_output(m.p, "z", FRIT_f32, 3, d);
    model_target(&m);
    int k = model_kernel(&m, blob_add, 2, 1, 2, (sym_t[]){each, n}, sym_ceildiv(m.c, n, each), NULL);
    package_main(m.p);
    package_launch(m.p, k, (package_ref[]){in_buf(&m, 0), in_buf(&m, 1), out_buf(&m, 0)});
    return m;
}

static void test_strides(void **state) {
    (void)state;
    model m = model_add3();
    rig r = rig_open(&m, 2);
    float x[60], y[60], z[200];
    for (int i = 0; i < 60; i++) x[i] = (float)i, y[i] = (float)(i * i);
    int64_t shape[3] = {3, 4, 5};
    /* x is transposed, y runs backwards and repeats along b, z leaves gaps. */
    int64_t sx[3] = {1, 15, 3}, sy[3] = {-5, 0, 1}, sz[3] = {60, 15, 2};
    DLTensor in[2] = {frit_dense(x, FRIT_f32, 3, shape), frit_dense(y, FRIT_f32, 3, shape)};
    DLTensor out = frit_dense(z, FRIT_f32, 3, shape);
    in[0].strides = sx, in[1].strides = sy, in[1].byte_offset = 10 * sizeof(float), out.strides = sz;
    for (int i = 0; i < 200; i++) z[i] = -1;
    assert_ok(frit_session_run(r.session, in, 2, &out, 1, err));
    int written = 0;
    for (int64_t a = 0; a < 3; a++)
        for (int64_t b = 0; b < 4; b++)
            for (int64_t c = 0; c < 5; c++)
                assert_true(z[a * 60 + b * 15 + c * 2] == x[a + b * 15 + c * 3] + y[10 - a * 5 + c]);
    for (int i = 0; i < 200; i++) written += z[i] != -1;
    assert_int_equal(written, 60);
    rig_close(&r);
    model_free(&m);
}

/* Memory that is not aligned to elements is copied; outputs that share memory with inputs are written last. */
static void test_overlap(void **state) {
    (void)state;
    model m = model_add();
    rig r = rig_open(&m, 1);
    _Alignas(64) char raw[4 * 40 + 1];
    float x[40], y[40];
    for (int i = 0; i < 40; i++) x[i] = (float)i, y[i] = 100;
    memcpy(raw + 1, x, sizeof x);
    int64_t n = 30;
    DLTensor in[2] = {frit_dense(raw, FRIT_f32, 1, &n), frit_dense(y, FRIT_f32, 1, &n)};
    in[0].byte_offset = 1;
    DLTensor out = frit_dense(y + 3, FRIT_f32, 1, &n);
    assert_ok(frit_session_run(r.session, in, 2, &out, 1, err));
    for (int i = 0; i < 40; i++) assert_true(y[i] == (i >= 3 && i < 33 ? 97 + (float)i : 100));
    rig_close(&r);
    model_free(&m);
}

/* Shapes come and go: more of them than plans are kept, in an order that finds some kept and others not. */
static void test_many_shapes(void **state) {
    (void)state;
    model m = model_new();
    sym_t n = dim(&m, "n"), bytes = sym_muli(m.c, n, 4);
    package_input(m.p, "x", FRIT_f32, 1, &n, NULL);
    package_output(m.p, "out", FRIT_f32, 1, &n);
    model_target(&m);
    int add = model_kernel(&m, blob_add, 2, 1, 2, (sym_t[]){n, n}, NULL, NULL);
    package_ref a = package_at(package_temp(m.p, bytes)), b = package_at(package_temp(m.p, bytes));
    package_main(m.p);
    package_launch(m.p, add, (package_ref[]){in_buf(&m, 0), in_buf(&m, 0), a});
    package_launch(m.p, add, (package_ref[]){a, in_buf(&m, 0), b});
    package_launch(m.p, add, (package_ref[]){a, b, out_buf(&m, 0)});
    rig r = rig_open(&m, 1);
    float x[300], z[300];
    for (int i = 0; i < 300; i++) x[i] = (float)i;
    for (int64_t turn = 0; turn < 200; turn++) {
        int64_t len = 1 + turn * turn % 23 * 13;
        DLTensor in = frit_dense(x, FRIT_f32, 1, &len), out = frit_dense(z, FRIT_f32, 1, &len);
        assert_ok(frit_session_run(r.session, &in, 1, &out, 1, err));
        for (int i = 0; i < len; i++) assert_true(z[i] == 5 * x[i]);
    }
    rig_close(&r);
    model_free(&m);
}

static void test_empty(void **state) {
    (void)state;
    model m = model_add();
    rig r = rig_open(&m, 2);
    int64_t n = 0;
    DLTensor in[2] = {frit_dense(NULL, FRIT_f32, 1, &n), frit_dense(NULL, FRIT_f32, 1, &n)};
    DLTensor out = frit_dense(NULL, FRIT_f32, 1, &n);
    assert_ok(frit_session_run(r.session, in, 2, &out, 1, err));
    rig_close(&r);
    model_free(&m);
}

/* ---- Host integers, checks --------------------------------------------------------------------------------------- */
/* out[n - pos] = pos + i; n from x, pos from the host; pos <= n. */
static model model_iota(void) {
    model m = model_new();
    sym_t n = dim(&m, "n"), pos = sym_var(m.c, "pos", SYM_INT, constant(&m, 0), NULL), len = sym_sub(m.c, n, pos);
    package_input(m.p, "x", FRIT_f32, 1, &n, NULL);
    package_input(m.p, "pos", FRIT_i64, 0, NULL, pos);
    package_output(m.p, "out", FRIT_i64, 1, &len);
    package_check(m.p, "<=", pos, n, "pos is within x", "model.frit", 12);
    model_target(&m);
    int k = model_kernel(&m, blob_iota, 0, 1, 2, (sym_t[]){pos, len}, NULL, NULL);
    package_main(m.p);
    package_launch(m.p, k, (package_ref[]){out_buf(&m, 0)});
    return m;
}

static void test_host_int(void **state) {
    (void)state;
    model m = model_iota();
    rig r = rig_open(&m, 1);
    float x[10] = {0};
    int64_t n = 10, pos = 4, len = 6, got[10];
    DLTensor in[2] = {frit_dense(x, FRIT_f32, 1, &n), frit_dense(&pos, FRIT_i64, 0, NULL)};
    DLTensor out = frit_dense(got, FRIT_i64, 1, &len);
    assert_true(frit_package_get_info(r.package)->inputs[1].host_int);
    assert_ok(frit_session_run(r.session, in, 2, &out, 1, err));
    for (int i = 0; i < len; i++) assert_int_equal(got[i], 4 + i);
    pos = 9, len = 1;
    assert_ok(frit_session_run(r.session, in, 2, &out, 1, err));
    assert_int_equal(got[0], 9);
    pos = -1;
    assert_fails(frit_session_run(r.session, in, 2, &out, 1, err), FRIT_SHAPE, "pos = -1 is below");
    pos = 11;
    frit_error e = {0};
    assert_int_equal(frit_session_run(r.session, in, 2, &out, 1, &e), FRIT_SHAPE);
    assert_non_null(strstr(e.message, "pos is within x"));
    assert_string_equal(e.file, "model.frit");
    assert_int_equal(e.line, 12);
    rig_close(&r);
    model_free(&m);
}

/* ---- States ------------------------------------------------------------------------------------------------------ */
/* state s[n] = 3, t[n] = 0; run: s += x, t += x; out = s + t. */
static model model_state(void) {
    model m = model_new();
    sym_t n = dim(&m, "n"), bytes = sym_muli(m.c, n, 4);
    package_input(m.p, "x", FRIT_f32, 1, &n, NULL);
    package_output(m.p, "out", FRIT_f32, 1, &n);
    int s = package_state(m.p, "s", FRIT_f32, 1, &n), t = package_state(m.p, "t", FRIT_f32, 1, &n);
    model_target(&m);
    int acc = model_kernel(&m, blob_accumulate, 2, 1, 1, &n, NULL, NULL);
    int add = model_kernel(&m, blob_add, 2, 1, 2, (sym_t[]){n, n}, NULL, NULL);
    package_ref rs = package_at(package_state_buffer(m.p, s)), rt = package_at(package_state_buffer(m.p, t));
    package_main(m.p);
    package_launch(m.p, acc, (package_ref[]){rs, in_buf(&m, 0), rs});
    package_launch(m.p, acc, (package_ref[]){rt, in_buf(&m, 0), rt});
    package_launch(m.p, add, (package_ref[]){rs, rt, out_buf(&m, 0)});
    package_init(m.p, s);
    package_fill(m.p, rs, bytes, 4, 0x40400000); /* 3.0f */
    return m;
}

static void run_state(rig *r, float *x, int64_t n, float want) {
    float z[8];
    DLTensor in = frit_dense(x, FRIT_f32, 1, &n), out = frit_dense(z, FRIT_f32, 1, &n);
    assert_ok(frit_session_run(r->session, &in, 1, &out, 1, err));
    for (int i = 0; i < n; i++) assert_true(z[i] == want);
}

static void test_state(void **state) {
    (void)state;
    model m = model_state();
    rig r = rig_open(&m, 1);
    float x[8] = {1, 1, 1, 1, 1, 1, 1, 1}, z[8];
    DLTensor view;
    assert_fails(frit_session_state(r.session, "s", &view, err), FRIT_USAGE, "before the first");
    run_state(&r, x, 4, 5);
    run_state(&r, x, 4, 7);
    assert_ok(frit_session_state(r.session, "s", &view, err));
    assert_int_equal(view.shape[0], 4);
    assert_true(((float *)view.data)[3] == 5);
    ((float *)view.data)[0] = ((float *)view.data)[1] = ((float *)view.data)[2] = ((float *)view.data)[3] = 100;
    run_state(&r, x, 4, 104);
    assert_ok(frit_session_reset(r.session, err));
    run_state(&r, x, 4, 5);
    assert_fails(frit_session_state(r.session, "u", &view, err), FRIT_NOT_FOUND, "'u'");
    int64_t n = 5;
    DLTensor in = frit_dense(x, FRIT_f32, 1, &n), out = frit_dense(z, FRIT_f32, 1, &n);
    assert_fails(frit_session_run(r.session, &in, 1, &out, 1, err), FRIT_SHAPE, "n = 4");
    assert_true(frit_session_memory(r.session) >= 32);
    rig_close(&r);
    model_free(&m);
}

/* Sessions of one set of weights have their own states and dims. */
static void test_sessions(void **state) {
    (void)state;
    model m = model_state();
    rig r = rig_open(&m, 1);
    rig other = r;
    frit_session_options o = {.struct_size = sizeof o, .dims = (frit_dim[]){{"n", 2}}, .n_dims = 1};
    assert_ok(frit_session_create(r.weights, &o, &other.session, err));
    float x[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    run_state(&r, x, 4, 5);
    run_state(&other, x, 2, 5);
    run_state(&r, x, 4, 7);
    frit_session_release(other.session);
    o.dims = (frit_dim[]){{"q", 2}};
    assert_fails(frit_session_create(r.weights, &o, &other.session, err), FRIT_NOT_FOUND, "no dim q");
    o.threads = -1;
    assert_fails(frit_session_create(r.weights, &o, &other.session, err), FRIT_USAGE, "threads");
    rig_close(&r);
    model_free(&m);
}

/* ---- Control flow ------------------------------------------------------------------------------------------------ */
/* Fibonacci by a loop over two temps that swap: out = F(trips + 1) elementwise, from a = 0, b = x. */
static void test_loop_swap(void **state) {
    (void)state;
    model m = model_new();
    sym_t n = dim(&m, "n"), trips = sym_var(m.c, "trips", SYM_INT, constant(&m, 0), constant(&m, 50));
    sym_t bytes = sym_muli(m.c, n, 4), i = sym_var(m.c, "i", SYM_INT, NULL, NULL);
    package_input(m.p, "x", FRIT_f32, 1, &n, NULL);
    package_input(m.p, "trips", FRIT_i64, 0, NULL, trips);
    package_output(m.p, "out", FRIT_f32, 1, &n);
    model_target(&m);
    int add = model_kernel(&m, blob_add, 2, 1, 2, (sym_t[]){n, n}, NULL, NULL);
    int a = package_temp(m.p, bytes), b = package_temp(m.p, bytes), t = package_temp(m.p, bytes);
    package_main(m.p);
    package_fill(m.p, package_at(a), bytes, 1, 0);
    package_copy(m.p, package_at(b), in_buf(&m, 0), bytes);
    package_loop(m.p, i, trips); /* a, b = b, a + b */
    package_launch(m.p, add, (package_ref[]){package_at(a), package_at(b), package_at(t)});
    package_swap(m.p, a, b);
    package_swap(m.p, b, t);
    package_end(m.p);
    package_copy(m.p, out_buf(&m, 0), package_at(b), bytes);
    rig r = rig_open(&m, 1);
    float x[20], z[20];
    for (int k = 0; k < 20; k++) x[k] = (float)k;
    int64_t len = 20, count;
    static const float fib[] = {1, 1, 2, 3, 5, 8, 13, 21, 34};
    for (count = 0; count < 8; count++) {
        DLTensor in[2] = {frit_dense(x, FRIT_f32, 1, &len), frit_dense(&count, FRIT_i64, 0, NULL)};
        DLTensor out = frit_dense(z, FRIT_f32, 1, &len);
        assert_ok(frit_session_run(r.session, in, 2, &out, 1, err));
        for (int k = 0; k < 20; k++) assert_true(z[k] == fib[count] * x[k]);
    }
    rig_close(&r);
    model_free(&m);
}

/* Rows of x summed one by one: the counter is in offsets and the trip count of the inner loop. */
static void test_nested_loops(void **state) {
    (void)state;
    model m = model_new();
    sym_t d[2] = {dim(&m, "r"), dim(&m, "c")};
    sym_t i = sym_var(m.c, "i", SYM_INT, NULL, NULL), j = sym_var(m.c, "j", SYM_INT, NULL, NULL);
    package_input(m.p, "x", FRIT_f32, 2, d, NULL);
    package_output(m.p, "out", FRIT_f32, 1, d);
    model_target(&m);
    int sum = model_kernel(&m, blob_row_sum, 1, 1, 1, &d[1], NULL, constant(&m, 4));
    int add = model_kernel(&m, blob_add, 2, 1, 2, (sym_t[]){constant(&m, 1), constant(&m, 1)}, NULL, NULL);
    int t = package_temp(m.p, constant(&m, 4));
    package_main(m.p);
    package_loop(m.p, i, d[0]); /* out[i] = sum of row i, added i + 1 times */
    package_ref out = {package_output_buffer(m.p, 0), sym_muli(m.c, i, 4)};
    package_ref row = {package_input_buffer(m.p, 0), sym_muli(m.c, sym_mul(m.c, i, d[1]), 4)};
    package_launch(m.p, sum, (package_ref[]){row, package_at(t)});
    package_fill(m.p, out, constant(&m, 4), 4, 0);
    package_loop(m.p, j, sym_addi(m.c, i, 1));
    package_launch(m.p, add, (package_ref[]){package_at(t), out, out});
    package_end(m.p);
    package_end(m.p);
    rig r = rig_open(&m, 1);
    float x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, z[4];
    int64_t shape[2] = {4, 3};
    DLTensor xin = frit_dense(x, FRIT_f32, 2, shape), zout = frit_dense(z, FRIT_f32, 1, shape);
    assert_ok(frit_session_run(r.session, &xin, 1, &zout, 1, err));
    for (int k = 0; k < 4; k++) assert_true(z[k] == (float)(k + 1) * (float)(9 * k + 6));
    rig_close(&r);
    model_free(&m);
}

/* f counts up while f < limit; then out = 1 when f is above 5 (a bool from the host decides the branch). */
static void test_while_if(void **state) {
    (void)state;
    model m = model_new();
    sym_t limit = sym_var(m.c, "limit", SYM_INT, constant(&m, 0), NULL), one = constant(&m, 1), four = constant(&m, 4);
    package_input(m.p, "limit", FRIT_i64, 0, NULL, limit);
    package_input(m.p, "flag", FRIT_bool, 0, NULL, NULL);
    package_output(m.p, "count", FRIT_f32, 1, &one);
    package_output(m.p, "branch", FRIT_f32, 1, &one);
    model_target(&m);
    int count = model_kernel(&m, blob_count, 1, 2, 1, &limit, NULL, NULL);
    package_ref f = package_at(package_temp(m.p, four)), keep = package_at(package_temp(m.p, one));
    package_main(m.p);
    package_fill(m.p, f, four, 4, 0);
    package_fill(m.p, keep, one, 1, 1);
    package_while(m.p, keep);
    package_launch(m.p, count, (package_ref[]){f, f, keep});
    package_end(m.p);
    package_copy(m.p, out_buf(&m, 0), f, four);
    package_if(m.p, in_buf(&m, 1));
    package_fill(m.p, out_buf(&m, 1), four, 4, 0x3f800000);
    package_else(m.p);
    package_fill(m.p, out_buf(&m, 1), four, 2, 0);
    package_end(m.p);
    rig r = rig_open(&m, 1);
    for (int64_t n = 0; n < 6; n++) {
        uint8_t flag = n % 2;
        float a = -1, b = -1;
        int64_t shape = 1;
        DLTensor in[2] = {frit_dense(&n, FRIT_i64, 0, NULL), frit_dense(&flag, FRIT_bool, 0, NULL)};
        DLTensor out[2] = {frit_dense(&a, FRIT_f32, 1, &shape), frit_dense(&b, FRIT_f32, 1, &shape)};
        assert_ok(frit_session_run(r.session, in, 2, out, 2, err));
        assert_true(a == (n ? (float)n : 1));
        assert_true(b == (float)flag);
    }
    rig_close(&r);
    model_free(&m);
}

/* Elements that are not 0: their number is known on the device only. */
static void test_data_dependent(void **state) {
    (void)state;
    model m = model_new();
    sym_t n = dim(&m, "n"), found = sym_var(m.c, "found", SYM_DIM, constant(&m, 0), n), bytes = sym_muli(m.c, n, 4);
    package_input(m.p, "x", FRIT_f32, 1, &n, NULL);
    package_output(m.p, "y", FRIT_f32, 1, &found);
    model_target(&m);
    int compact = model_kernel(&m, blob_compact, 1, 2, 1, &n, NULL, NULL);
    int square = model_kernel(&m, blob_square, 1, 1, 2, (sym_t[]){found, found}, NULL, NULL);
    package_ref y = package_at(package_temp(m.p, bytes)), count = package_at(package_temp(m.p, constant(&m, 8)));
    package_main(m.p);
    package_launch(m.p, compact, (package_ref[]){in_buf(&m, 0), y, count});
    package_read(m.p, found, count);
    package_launch(m.p, square, (package_ref[]){y, out_buf(&m, 0)});
    rig r = rig_open(&m, 1);
    float x[6] = {0, 2, 0, 3, 4, 0}, z[6];
    int64_t len = 6, shape = 0;
    for (int turn = 0; turn < 2; turn++) {
        DLTensor in = frit_dense(x, FRIT_f32, 1, &len), out = frit_dense(z, FRIT_f32, 1, &shape);
        assert_ok(frit_session_prepare(r.session, &in, 1, err));
        assert_ok(frit_session_output_shape(r.session, 0, &shape, err));
        assert_int_equal(shape, 6); /* the bound */
        assert_ok(frit_session_run(r.session, &in, 1, &out, 1, err));
        assert_int_equal(shape, 3 + turn);
        assert_true(z[0] == 4 && z[1] == 9 && z[2] == 16);
        x[5] = 1;
    }
    rig_close(&r);
    model_free(&m);
}

/* ---- Params ------------------------------------------------------------------------------------------------------ */
/* out[n] = (w + w) + c, with w + w made by the load program and c a constant. w: f32[n]. */
static model model_params(void) {
    model m = model_new();
    sym_t n = constant(&m, 4);
    package_output(m.p, "out", FRIT_f32, 1, &n);
    package_param(m.p, "layer.w", FRIT_f32, 1, &n);
    return m;
}

static void finish_params(model *m) {
    static const float c[4] = {10, 20, 30, 40};
    sym_t n = constant(m, 4);
    model_target(m);
    int add = model_kernel(m, blob_add, 2, 1, 2, (sym_t[]){n, n}, NULL, NULL);
    package_ref w = package_at(package_param_buffer(m->p, 0)),
                twice = package_at(package_packed(m->p, constant(m, 16)));
    package_load(m->p);
    package_launch(m->p, add, (package_ref[]){w, w, twice});
    package_main(m->p);
    package_launch(m->p, add, (package_ref[]){twice, package_at(package_constant(m->p, c, sizeof c)), out_buf(m, 0)});
}

static void check_params(frit_weights *w, float w0) {
    frit_session *s;
    float z[4];
    int64_t n = 4;
    assert_ok(frit_session_create(w, NULL, &s, err));
    DLTensor out = frit_dense(z, FRIT_f32, 1, &n);
    assert_ok(frit_session_run(s, NULL, 0, &out, 1, err));
    for (int i = 0; i < 4; i++) assert_true(z[i] == 2 * (w0 + (float)i) + 10 * (float)(i + 1));
    frit_session_release(s);
}

static void test_params_bound(void **state) {
    (void)state;
    model m = model_params();
    finish_params(&m);
    uint64_t n;
    const void *bytes = model_bytes(&m, &n);
    rig r = {0};
    assert_ok(frit_package_open_memory(bytes, n, NULL, NULL, NULL, &r.package, err));
    const char *target = arena_printf(m.a, "%s:whatever", model_device());
    assert_ok(frit_device_open(target, NULL, &r.device, err));
    float w[8] = {1, 0, 2, 0, 3, 0, 4, 0};
    int64_t four = 4, five = 5, step = 2;
    for (int flags = 0; flags <= FRIT_BORROW; flags++) {
        assert_ok(frit_weights_create(r.package, r.device, NULL, &r.weights, err));
        assert_fails(frit_session_create(r.weights, NULL, &r.session, err), FRIT_USAGE,
                     "'layer.w': f32[4] has no value");
        DLTensor t = frit_dense(w, FRIT_f32, 1, &five);
        assert_fails(frit_weights_bind(r.weights, "w", &t, 0, err), FRIT_NOT_FOUND, "no param 'w'");
        assert_fails(frit_weights_bind(r.weights, "layer.w", &t, 6, err), FRIT_USAGE, "no such flags");
        assert_ok(frit_weights_bind(r.weights, "layer.w", &t, flags, err));
        assert_fails(frit_weights_load(r.weights, err), FRIT_SHAPE, "param 'layer.w' has shape [5], but f32[4]");
        t.shape = &four, t.strides = &step;
        assert_ok(frit_weights_bind(r.weights, "layer.w", &t, flags, err));
        check_params(r.weights, 1);
        assert_fails(frit_weights_bind(r.weights, "layer.w", &t, 0, err), FRIT_USAGE, "after load");
        frit_weights_release(r.weights);
    }
    r.weights = NULL;
    rig_close(&r);
    model_free(&m);
}

static void test_params_inside(void **state) {
    (void)state;
    static const float w[4] = {5, 6, 7, 8};
    model m = model_params();
    package_param_inside(m.p, 0, w, sizeof w);
    finish_params(&m);
    rig r = rig_open(&m, 1);
    assert_int_equal(frit_package_get_info(r.package)->params[0].place, FRIT_PARAM_INSIDE);
    check_params(r.weights, 5);
    rig_close(&r);
    model_free(&m);
}

static void test_params_beside(void **state) {
    (void)state;
    static const float w[5] = {0, 2, 3, 4, 5};
    char path[] = "/tmp/frit-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, w, sizeof w) == sizeof w);
    close(fd);
    model m = model_params();
    package_param_beside(m.p, 0, strrchr(path, '/') + 1, 4, w + 1, 16);
    finish_params(&m);
    uint64_t n;
    const void *bytes = model_bytes(&m, &n);
    rig r = {0};
    assert_ok(frit_package_open_memory(bytes, n, "/tmp", NULL, NULL, &r.package, err));
    assert_ok(frit_device_open(model_device(), NULL, &r.device, err));
    assert_ok(frit_weights_create(r.package, r.device, NULL, &r.weights, err));
    check_params(r.weights, 2);
    frit_weights_release(r.weights);
    assert_int_equal(truncate(path, 19), 0);
    assert_ok(frit_weights_create(r.package, r.device, NULL, &r.weights, err));
    assert_fails(frit_weights_load(r.weights, err), FRIT_IO, "shorter");
    unlink(path);
    assert_fails(frit_weights_load(r.weights, err), FRIT_IO, "cannot open");
    rig_close(&r);
    model_free(&m);
}

/* ---- Environment ------------------------------------------------------------------------------------------------- */
static void test_floating_environment(void **state) {
    (void)state;
    if (strcmp(model_device(), "cpu")) return; /* devices have one of their own */
    model m = model_new();
    sym_t four = constant(&m, 4), two = constant(&m, 2);
    package_input(m.p, "x", FRIT_f32, 1, &four, NULL);
    package_output(m.p, "out", FRIT_f32, 1, &two);
    model_target(&m);
    int k = model_kernel(&m, blob_rounding, 1, 1, 0, NULL, NULL, NULL);
    package_main(m.p);
    package_launch(m.p, k, (package_ref[]){in_buf(&m, 0), out_buf(&m, 0)});
    rig r = rig_open(&m, 1);
    float x[4] = {1, 0x1.04p-24f, 0x1p-126f, 2}, z[2];
    int64_t n4 = 4, n2 = 2;
    DLTensor in = frit_dense(x, FRIT_f32, 1, &n4), out = frit_dense(z, FRIT_f32, 1, &n2);
    assert_int_equal(fesetround(FE_DOWNWARD), 0);
    assert_ok(frit_session_run(r.session, &in, 1, &out, 1, err));
    assert_int_equal(fegetround(), FE_DOWNWARD);
    fesetround(FE_TONEAREST);
    assert_true(z[0] == 1 + 0x1p-23f);
    assert_true(z[1] == 0x1p-127f);
    rig_close(&r);
    model_free(&m);
}

static void test_profile(void **state) {
    (void)state;
    model m = model_add();
    rig r = rig_open(&m, 1);
    float x[64] = {0}, z[64];
    int64_t n = 64;
    DLTensor in[2] = {frit_dense(x, FRIT_f32, 1, &n), frit_dense(x, FRIT_f32, 1, &n)},
             out = frit_dense(z, FRIT_f32, 1, &n);
    frit_session_set_profile(r.session, true);
    for (int i = 0; i < 3; i++) assert_ok(frit_session_run(r.session, in, 2, &out, 1, err));
    frit_kernel_profile p;
    assert_int_equal(frit_session_get_profile(r.session, &p, 1), 1);
    assert_int_equal(p.launches, 3);
    assert_true(p.seconds > 0 && p.seconds < 10);
    assert_string_equal(p.file, "test.frit");
    assert_int_equal(p.line, 7);
    rig_close(&r);
    model_free(&m);
}

/* ---- Devices and targets ----------------------------------------------------------------------------------------- */
static void test_devices(void **state) {
    (void)state;
    frit_device *d = NULL;
    int n = -1;
    if (frit_device_count("cuda", &n, NULL) != FRIT_OK) {
        assert_int_equal(n, 0);
        assert_fails(frit_device_open("cuda", NULL, &d, err), FRIT_UNAVAILABLE, "install NVIDIA's driver");
    }
    assert_ok(frit_device_count("cpu", &n, err));
    assert_int_equal(n, 1);
    assert_fails(frit_device_open("tpu:1", NULL, &d, err), FRIT_NOT_FOUND, "'tpu'");
    frit_device_options unset = {0}, one = {.struct_size = sizeof one, .index = 1};
    assert_fails(frit_device_open("cpu", &unset, &d, err), FRIT_USAGE, "struct_size");
    assert_fails(frit_device_open("cpu", &one, &d, err), FRIT_UNAVAILABLE, "index 0");
    assert_null(d);
    frit_device_release(NULL);
}

/* The variant that asks for most of what is there wins; one for another machine is never taken. */
static void test_variants(void **state) {
    (void)state;
    if (strcmp(model_device(), "cpu")) return; /* test_gpu.c has those of GPUs */
    model m = model_new();
    sym_t n = constant(&m, 3);
    package_output(m.p, "out", FRIT_i64, 1, &n);
    static const struct {
        const char *target;
        uint64_t features;
    } variants[] = {{"cpu:none", 0}, {"cpu:all", (uint64_t)1 << 63}, {"cuda:sm_80", 0}};
    for (int v = 0; v < 3; v++) {
        package_target(m.p, variants[v].target, FPK_ARCH_ANY, variants[v].features);
        package_code(m.p, __start_frit_blob, (uint64_t)(__stop_frit_blob - __start_frit_blob), 64);
        int k = model_kernel(&m, blob_iota, 0, 1, 2, (sym_t[]){constant(&m, 10 * v), n}, NULL, NULL);
        package_main(m.p);
        package_launch(m.p, k, (package_ref[]){out_buf(&m, 0)});
    }
    rig r = rig_open(&m, 1);
    assert_string_equal(frit_weights_target(r.weights), "cpu:none");
    frit_weights *w = NULL;
    frit_weights_options o = {.struct_size = sizeof o, .target = "cpu:all"};
    assert_fails(frit_weights_create(r.package, r.device, &o, &w, err), FRIT_UNSUPPORTED, "cpu:all");
    o.target = "cpu:gone";
    assert_fails(frit_weights_create(r.package, r.device, &o, &w, err), FRIT_UNSUPPORTED, "cpu:gone");
    rig_close(&r);
    model_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_strides),
        cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_many_shapes),
        cmocka_unit_test(test_host_int),
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_loop_swap),
        cmocka_unit_test(test_nested_loops),
        cmocka_unit_test(test_while_if),
        cmocka_unit_test(test_data_dependent),
        cmocka_unit_test(test_params_bound),
        cmocka_unit_test(test_params_inside),
        cmocka_unit_test(test_params_beside),
        cmocka_unit_test(test_floating_environment),
        cmocka_unit_test(test_profile),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_variants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
