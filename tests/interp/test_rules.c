/* What NumPy cannot say: symbols, checks, states, limits, programs that are wrong. */
#include "support.h"
#include "ir/scalar.h"
#include <math.h>
#include <string.h>

static void assert_message(const interp *it, const char *part) {
    if (!strstr(interp_message(it), part)) fail_msg("message '%s' does not say '%s'", interp_message(it), part);
}

static const char dims_text[] =
    "fir 1\ndim A\ndim B\nint pos in 0..\n"
    "param \"w\": f32[2*A + 1]\n"
    "check A + pos <= 8 \"room for pos\"\n"
    "func tensor @f(%x: f32[2*A + 1, A*B], %p: i64[] is pos) -> 1 {\n"
    "    %s = size() {size = [100*A + 10*B + pos]} : i64[]\n"
    "    return(%s)\n}\n";

static void test_symbols(void **state) {
    ir_module *m = module_of(dims_text);
    interp *it = interp_new(m, NULL);
    float data[30] = {0};
    int64_t pos = 4;
    interp_tensor in[2] = {F32(data, 5, 6), SCALAR(FRIT_i64, &pos)}, out;
    assert_int_equal(run_func(it, m, "f", 2, in, 1, &out), INTERP_OK);
    assert_int_equal(interp_get_int(&out, 0), 2 * 100 + 3 * 10 + 4);
    interp_tensor_free(&out);

    in[0].shape[0] = 6; /* 2 A + 1 == 6 has no solution */
    assert_int_equal(run_func(it, m, "f", 2, in, 1, &out), INTERP_BAD_INPUT);
    assert_message(it, "dim 0");
    in[0].shape[0] = 5;
    in[0].shape[1] = 5; /* 2 B == 5 neither */
    assert_int_equal(run_func(it, m, "f", 2, in, 1, &out), INTERP_BAD_INPUT);
    in[0].shape[1] = 6;
    pos = 7;
    assert_int_equal(run_func(it, m, "f", 2, in, 1, &out), INTERP_CHECK);
    assert_message(it, "room for pos");
    pos = 0;
    interp_tensor w = F32(data, 7); /* says A == 3, the input says 2 */
    assert_int_equal(interp_set_param(it, "w", &w), INTERP_OK);
    assert_int_equal(run_func(it, m, "f", 2, in, 1, &out), INTERP_BAD_INPUT);
    assert_message(it, "must equal");
    assert_int_equal(run_func(it, m, "f", 1, in, 1, &out), INTERP_BAD_INPUT);
    in[0].dtype = FRIT_i32;
    assert_int_equal(run_func(it, m, "f", 2, in, 1, &out), INTERP_BAD_INPUT);
    interp_free(it);
    ir_module_free(m);
}

static const char state_text[] =
    "fir 1\nstate \"n\": f32[3] = @init\nparam \"w\": f32[3]\n"
    "func tensor @init() -> 1 {\n    %c = constant() {value = 10} : f32[3]\n    return(%c)\n}\n"
    "func tensor @step() -> 1 {\n"
    "    %old = state_read() {path = \"n\"} : f32[3]\n"
    "    %w = param() {path = \"w\"} : f32[3]\n"
    "    %new = add(%old, %w) : f32[3]\n"
    "    state_write(%new) {path = \"n\"}\n"
    "    %now = state_read() {path = \"n\"} : f32[3]\n"
    "    %r = sub(%now, %old) : f32[3]\n"
    "    return(%r)\n}\n";

static void test_states(void **state) {
    ir_module *m = module_of(state_text);
    interp *it = interp_new(m, NULL);
    float w[3] = {1, 2, 3};
    interp_tensor param = F32(w, 3), out, s;
    assert_int_equal(run_func(it, m, "step", 0, NULL, 1, &out), INTERP_BAD_INPUT);
    assert_message(it, "'w'");
    assert_int_equal(interp_set_param(it, "w", &param), INTERP_OK);
    assert_int_equal(interp_set_param(it, "v", &param), INTERP_BAD_INPUT);
    for (int run = 0; run < 3; run++) {
        assert_int_equal(run_func(it, m, "step", 0, NULL, 1, &out), INTERP_OK);
        assert_true(interp_get_float(&out, 2) == 3);
        interp_tensor_free(&out);
    }
    assert_int_equal(interp_get_state(it, "n", &s), INTERP_OK);
    assert_true(interp_get_float(&s, 1) == 16);
    interp_tensor_free(&s);
    assert_int_equal(interp_set_state(it, "n", &param), INTERP_OK);
    w[0] = 5; /* the state was copied, the param borrowed */
    assert_int_equal(run_func(it, m, "step", 0, NULL, 1, &out), INTERP_OK);
    interp_tensor_free(&out);
    assert_int_equal(interp_get_state(it, "n", &s), INTERP_OK);
    assert_true(interp_get_float(&s, 0) == 6);
    interp_tensor_free(&s);
    interp_free(it);
    ir_module_free(m);
}

static const char limit_text[] =
    "fir 1\ndim N\n"
    "func tensor @big(%x: f32[N]) -> 1 {\n"
    "    %a = broadcast(%x) {axes = [0]} : f32[N, 1000000, 1000000]\n"
    "    %b = exp(%a) : f32[N, 1000000, 1000000]\n    return(%b)\n}\n"
    "func tensor @huge(%x: f32[N]) -> 1 {\n"
    "    %a = broadcast(%x) {axes = [0]} : f32[N, 4000000000, 4000000000]\n"
    "    %b = exp(%a) : f32[N, 4000000000, 4000000000]\n    return(%b)\n}\n"
    "func tensor @folded(%x: f32[N]) -> 1 {\n"
    "    %a = broadcast(%x) {axes = [0]} : f32[N, 1000, 100]\n"
    "    %b = broadcast(%x) {axes = [1]} : f32[100, N]\n"
    "    %c = broadcast(%b) {axes = [2, 0]} : f32[N, 1000, 100]\n"
    "    %d = mul(%a, %c) : f32[N, 1000, 100]\n"
    "    %r = reduce(%d) {axes = [0, 1, 2], combine = sum} : f32[]\n    return(%r)\n}\n"
    "func tensor @forever(%x: f32[N]) -> 1 {\n"
    "    %r = while(%x) : f32[N] (%y: f32[N]) {\n"
    "        %t = constant() {value = 1} : bool[]\n        yield(%t)\n    } (%z: f32[N]) {\n"
    "        %n = neg(%z) : f32[N]\n        yield(%n)\n    }\n    return(%r)\n}\n"
    "func tensor @outside(%x: f32[N]) -> 1 {\n"
    "    %r = slice(%x) {start = [3], step = [2]} : f32[3]\n    return(%r)\n}\n"
    "func tensor @wrong(%x: f32[N], %y: f32[3]) -> 1 {\n"
    "    %r = add(%x, %y) : f32[N]\n    return(%r)\n}\n";

static void test_limits(void **state) {
    ir_module *m = module_of(limit_text);
    interp *it = interp_new(m, &(interp_options){.max_bytes = 100000, .max_ops = 1000});
    float data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    interp_tensor in[2] = {F32(data, 8), F32(data, 3)}, out = {0};
    assert_int_equal(run_func(it, m, "big", 1, in, 1, &out), INTERP_MEMORY);
    assert_int_equal(run_func(it, m, "huge", 1, in, 1, &out), INTERP_BAD_INPUT);
    assert_int_equal(run_func(it, m, "forever", 1, in, 1, &out), INTERP_LIMIT);
    assert_int_equal(run_func(it, m, "outside", 1, in, 1, &out), INTERP_OK); /* 3, 5, 7 */
    assert_true(interp_get_float(&out, 2) == 8);
    interp_tensor_free(&out);
    in[0].shape[0] = 7;
    assert_int_equal(run_func(it, m, "outside", 1, in, 1, &out), INTERP_BAD_INPUT);
    assert_message(it, "slice");
    assert_int_equal(run_func(it, m, "wrong", 2, in, 1, &out), INTERP_BAD_INPUT);
    in[0].shape[0] = 3;
    assert_int_equal(run_func(it, m, "wrong", 2, in, 1, &out), INTERP_OK);
    interp_tensor_free(&out);
    interp_free(it);
    ir_module_free(m);
}

/* 800000 products in 100 kB: the product of broadcasts is never written out. */
static void test_recipes(void **state) {
    ir_module *m = module_of(limit_text);
    interp *it = interp_new(m, &(interp_options){.max_bytes = 100000});
    float data[8] = {1, 1, 1, 1, 0, 0, 0, 0};
    interp_tensor in = F32(data, 8), out;
    assert_int_equal(run_func(it, m, "folded", 1, &in, 1, &out), INTERP_OK);
    assert_true(interp_get_float(&out, 0) == 4 * 1000 * 100);
    interp_tensor_free(&out);
    interp_free(it);
    ir_module_free(m);
}

static int64_t int_op(ir_opcode op, frit_dtype t, int64_t x, int64_t y) {
    scalar a[2] = {{.i = x}, {.i = y}}, r;
    assert_true(scalar_eval(op, t, t, a, &r));
    return r.i;
}

static double float_op(ir_opcode op, frit_dtype t, double x, double y) {
    scalar a[2] = {{.f = x}, {.f = y}}, r;
    assert_true(scalar_eval(op, t, t, a, &r));
    return r.f;
}

static void test_scalars(void **state) {
    assert_int_equal(int_op(IR_floordiv, FRIT_i64, INT64_MIN, -1), INT64_MIN);
    assert_int_equal(int_op(IR_truncdiv, FRIT_i8, -128, -1), -128);
    assert_int_equal(int_op(IR_mod, FRIT_i64, INT64_MIN, -1), 0);
    assert_int_equal(int_op(IR_floordiv, FRIT_i32, -7, 2), -4);
    assert_int_equal(int_op(IR_mod, FRIT_i32, -7, 2), 1);
    assert_int_equal(int_op(IR_rem, FRIT_i32, -7, 2), -1);
    assert_int_equal(int_op(IR_floordiv, FRIT_u64, -1, 2), INT64_MAX);
    assert_int_equal(int_op(IR_add, FRIT_i4, 7, 1), -8);
    assert_int_equal(int_op(IR_mul, FRIT_u4, 5, 5), 9);
    assert_int_equal(int_op(IR_clz, FRIT_i4, 1, 0), 3);
    assert_int_equal(int_op(IR_shr, FRIT_i32, -8, 32), -1);
    assert_int_equal(int_op(IR_shl, FRIT_u8, 3, 7), 128);
    assert_int_equal(int_op(IR_pow, FRIT_i32, 0, -1), 0);
    assert_true(signbit(float_op(IR_max, FRIT_f32, -0.0, -0.0)));
    assert_false(signbit(float_op(IR_max, FRIT_f32, -0.0, 0.0)));
    assert_true(signbit(float_op(IR_min, FRIT_f32, 0.0, -0.0)));
    assert_true(signbit(float_op(IR_sign, FRIT_f32, -0.0, 0)));
    assert_true(float_op(IR_add, FRIT_f8e4m3, 448, 448) == 448);
    assert_true(isinf(float_op(IR_add, FRIT_f16, 65504, 65504)));
    /* fma rounds once: (1 + 2^-12)^2 - 1 keeps 2^-24, a rounded product does not */
    scalar a[3] = {{.f = 1 + 0x1p-12}, {.f = 1 + 0x1p-12}, {.f = -1}}, r;
    assert_true(scalar_eval(IR_fma, FRIT_f32, FRIT_f32, a, &r));
    assert_true(r.f == 0x1p-11 + 0x1p-24);
    /* an integer between two floats, just above the middle: one rounding goes up */
    a[0].i = (INT64_C(1) << 60) + (INT64_C(1) << 36) + 1;
    assert_true(scalar_eval(IR_cast, FRIT_i64, FRIT_f32, a, &r));
    assert_true(r.f == 0x1p60 + 0x1p37);
    assert_false(scalar_eval(IR_exp, FRIT_i32, FRIT_i32, a, &r));
    assert_false(scalar_eval(IR_shl, FRIT_f32, FRIT_f32, a, &r));
    assert_false(scalar_eval(IR_bitcast, FRIT_f32, FRIT_i64, a, &r));
    assert_false(scalar_eval(IR_reduce, FRIT_f32, FRIT_f32, a, &r));
}

/* base has a later reader: insert must not write into it. */
static void test_insert_copies(void **state) {
    ir_module *m = module_of("fir 1\nfunc tensor @f(%x: f32[4]) -> 2 {\n"
                             "    %b = neg(%x) : f32[4]\n"
                             "    %p = slice(%b) {start = [0], step = [1]} : f32[2]\n"
                             "    %i = insert(%b, %p) {start = [2], step = [1]} : f32[4]\n"
                             "    %j = insert(%i, %p) {start = [1], step = [1]} : f32[4]\n"
                             "    %s = add(%i, %b) : f32[4]\n"
                             "    return(%j, %s)\n}\n");
    interp *it = interp_new(m, NULL);
    float data[4] = {1, 2, 3, 4}, j[4] = {-1, -1, -2, -2}, s[4] = {-2, -4, -4, -6};
    interp_tensor in = F32(data, 4), out[2];
    assert_int_equal(run_func(it, m, "f", 1, &in, 2, out), INTERP_OK);
    assert_memory_equal(out[0].data, j, sizeof j);
    assert_memory_equal(out[1].data, s, sizeof s);
    interp_tensor_free(&out[0]);
    interp_tensor_free(&out[1]);
    interp_free(it);
    ir_module_free(m);
}

/* A kernel op alone, on inputs of its own; the dim A * B needs help to be taken apart. */
static void test_kernel(void **state) {
    ir_module *m = module_of("fir 1\ndim A\ndim B\nfunc tensor @f(%x: f32[A, B]) -> 1 {\n"
                             "    %y = reshape(%x) : f32[A*B]\n"
                             "    %k = kernel(%y) {name = \"k\", reason = \"\"} : f32[A, B] (%z: f32[A*B]) {\n"
                             "        %n = neg(%z) : f32[A*B]\n        %r = reshape(%n) : f32[A, B]\n"
                             "        yield(%r)\n    }\n    return(%k)\n}\n");
    ir_func *f = ir_func_find(m, "f");
    ir_op *kernel = f->body->first;
    while (kernel && kernel->code != IR_kernel) kernel = kernel->next;
    assert_non_null(kernel);
    interp *it = interp_new(m, NULL);
    float data[6] = {1, 2, 3, 4, 5, 6};
    interp_tensor in = F32(data, 6), out;
    assert_int_equal(interp_run_kernel(it, kernel, 1, &in, 1, &out), INTERP_BAD_INPUT);
    assert_message(it, "no way to solve");
    interp_bind(it, f->body->args[0]->type.dims[0], 2);
    assert_int_equal(interp_run_kernel(it, kernel, 1, &in, 1, &out), INTERP_OK);
    assert_true(out.rank == 2 && out.shape[0] == 2 && out.shape[1] == 3 && interp_get_float(&out, 5) == -6);
    interp_tensor_free(&out);
    assert_int_equal(interp_run_kernel(it, f->body->first, 1, &in, 1, &out), INTERP_BAD_IR);
    interp_free(it);
    ir_module_free(m);
}

/* 4-bit constants: two elements are not a splat, one is. */
static void test_nibbles(void **state) {
    ir_module *m = module_of("fir 1\nfunc tensor @f() -> 2 {\n"
                             "    %a = constant() {value = [1, -2]} : i4[2]\n"
                             "    %b = constant() {value = 9} : u4[5]\n"
                             "    %c = add(%a, %a) : i4[2]\n    return(%c, %b)\n}\n");
    interp *it = interp_new(m, NULL);
    interp_tensor out[2];
    assert_int_equal(run_func(it, m, "f", 0, NULL, 2, out), INTERP_OK);
    assert_int_equal(interp_get_int(&out[0], 0), 2);
    assert_int_equal(interp_get_int(&out[0], 1), -4);
    assert_int_equal(interp_get_int(&out[1], 4), 9);
    interp_tensor_free(&out[0]);
    interp_tensor_free(&out[1]);
    interp_free(it);
    ir_module_free(m);
}

/* A chain as long as a generated model: neither the walk nor the recipes recurse on it. */
static void test_long_chain(void **state) {
    enum { LENGTH = 20000 };
    ir_module *m = ir_module_new();
    ir_func *f = ir_func_new(m, "chain", IR_LEVEL_TENSOR);
    sym_t n = sym_const(m->syms, 3);
    ir_value *x = ir_block_add_arg(m, f->body, ir_tensor(m, FRIT_f32, 1, &n), "x"), *y = x;
    ir_builder b = ir_builder_at_end(m, f->body);
    for (int i = 0; i < LENGTH; i++) y = ir_binary(&b, IR_add, y, x);
    ir_build(&b, IR_return, 1, &y, 0, NULL);
    interp *it = interp_new(m, &(interp_options){.max_bytes = 10000});
    float data[3] = {0, 1, 2};
    interp_tensor in = F32(data, 3), out;
    assert_int_equal(interp_run(it, f, 1, &in, 1, &out), INTERP_OK);
    assert_true(interp_get_float(&out, 2) == 2 * (LENGTH + 1));
    interp_tensor_free(&out);
    interp_free(it);
    ir_module_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symbols), cmocka_unit_test(test_states),        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_recipes), cmocka_unit_test(test_insert_copies), cmocka_unit_test(test_long_chain),
        cmocka_unit_test(test_scalars), cmocka_unit_test(test_nibbles),
        cmocka_unit_test(test_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
