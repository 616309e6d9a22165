/* Control, memory and the kernel ABI, run through compiled code. */
#include "jit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs the headers above first */
#include <cmocka.h>

/* y[i] = x[i] + x[i], 8 lanes at a time, over tasks of 8. */
static ir_func *build_double(jit *j, const char *name) {
    ir_builder b;
    ir_func *f = jit_func(j, name, 2, (frit_dtype[]){FRIT_f32, FRIT_f32}, 0, &b);
    ir_value *eight = jit_i64(&b, 8);
    jit_for(&b, jit_begin(f), jit_end(f), jit_i64(&b, 1), 0, NULL);
    ir_value *i = b.block->args[0], *at = ir_binary(&b, IR_mul, i, eight);
    ir_value *x = jit_load(&b, jit_buffer(f, 0), at, 8, NULL, NULL);
    jit_store(&b, jit_buffer(f, 1), at, ir_binary(&b, IR_add, x, x), NULL);
    jit_yield(&b, 0, NULL);
    return f;
}

static void test_first_kernel(void **state) {
    jit j;
    jit_open(&j, NULL);
    ir_func *f = build_double(&j, "twice");
    jit_fn fn;
    jit_compile(&j, 1, &f, &fn);
    float x[32], y[32] = {0};
    for (int i = 0; i < 32; i++) x[i] = (float)i - 7.5f;
    fn((void *[]){x, y}, NULL, NULL, 1, 3);
    for (int i = 0; i < 32; i++) assert_true(y[i] == (i >= 8 && i < 24 ? 2 * x[i] : 0));
    jit_close(&j);
}


/* One function, compiled; the jit stays open. */
static jit_fn compile_one(jit *j, ir_func *f) {
    jit_fn fn;
    jit_compile(j, 1, &f, &fn);
    return fn;
}

static void test_many_kernels_ints_scratch(void **state) {
    jit j;
    jit_open(&j, NULL);
    ir_func *f[3] = {build_double(&j, "first")};
    ir_builder b;
    /* y[0] = ints[0] - ints[1] + scratch[3] */
    f[1] = jit_func(&j, "second", 1, (frit_dtype[]){FRIT_i64}, 2, &b);
    ir_value *s = jit_load(&b, jit_scratch(f[1]), jit_i64(&b, 3), 1, NULL, NULL);
    ir_value *v = ir_binary(&b, IR_sub, jit_int(f[1], 1, 0), jit_int(f[1], 1, 1));
    jit_store(&b, jit_buffer(f[1], 0), jit_i64(&b, 0), ir_binary(&b, IR_add, v, ir_cast(&b, s, FRIT_i64)), NULL);
    f[2] = build_double(&j, "first"); /* equal names are two kernels */
    jit_fn fn[3];
    jit_compile(&j, 3, f, fn);
    int64_t y = 0;
    uint8_t scratch[4] = {1, 2, 3, 200};
    fn[1]((void *[]){&y}, (int64_t[]){1000, 1}, scratch, 0, 1);
    assert_int_equal(y, 1199);
    float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, z[8];
    for (int k = 0; k < 3; k += 2) {
        memset(z, 0, sizeof z);
        fn[k]((void *[]){x, z}, NULL, NULL, 0, 1);
        assert_true(z[7] == 16);
    }
    assert_ptr_not_equal(fn[0], fn[2]);
    jit_close(&j);
}

/* sum and last of i over for (i = from; i < to; i += step), all three from ints. */
static ir_func *build_loop(jit *j, const char *name, int unroll, const int64_t *fixed) {
    ir_builder b;
    ir_func *f = jit_func(j, name, 1, (frit_dtype[]){FRIT_i64}, 3, &b);
    ir_value *v[3];
    for (int i = 0; i < 3; i++) v[i] = fixed ? jit_i64(&b, fixed[i]) : jit_int(f, 1, i);
    ir_value *start[2] = {jit_i64(&b, 0), jit_i64(&b, -7)};
    ir_op *loop = jit_for(&b, v[0], v[1], v[2], 2, start);
    if (unroll) ir_set_int(j->m, loop, IR_ATTR_unroll, unroll);
    ir_value **args = b.block->args;
    jit_yield(&b, 2, (ir_value *[]){ir_binary(&b, IR_add, args[1], args[0]), args[0]});
    b = ir_builder_after(j->m, loop);
    for (int i = 0; i < 2; i++) jit_store(&b, jit_buffer(f, 0), jit_i64(&b, i), ir_result(loop, i), NULL);
    return f;
}

static void expect_loop(jit_fn fn, const int64_t *range) {
    int64_t y[2] = {1, 1}, sum = 0, last = -7;
    for (int64_t i = range[0]; i < range[1]; i += range[2]) {
        sum += i;
        last = i;
    }
    fn((void *[]){y}, range, NULL, 0, 0);
    assert_int_equal(y[0], sum);
    assert_int_equal(y[1], last);
}

static void test_for(void **state) {
    static const int64_t ranges[][3] = {{0, 10, 1}, {0, 0, 1},   {5, 3, 2}, {-9, 9, 4},
                                        {0, 7, 3},  {0, 1, 100}, {3, 11, 2}};
    enum { N = sizeof ranges / sizeof *ranges };
    static const int unrolls[] = {0, 1, 2, 3, 4, 8};
    for (size_t u = 0; u < sizeof unrolls / sizeof *unrolls; u++) {
        jit j;
        jit_open(&j, NULL);
        ir_func *f[1 + N] = {build_loop(&j, "any", unrolls[u], NULL)};
        for (int r = 0; r < N; r++) f[1 + r] = build_loop(&j, "fixed", unrolls[u], ranges[r]);
        jit_fn fn[1 + N];
        jit_compile(&j, 1 + N, f, fn);
        for (int r = 0; r < N; r++) {
            expect_loop(fn[0], ranges[r]);
            expect_loop(fn[1 + r], ranges[r]);
        }
        jit_close(&j);
    }
}

/* y = x < 10 ? x * 2 : x - 1, with a store in one arm alone; then the Collatz length of x. */
static void test_if_while(void **state) {
    jit j;
    jit_open(&j, NULL);
    ir_builder b;
    ir_func *f = jit_func(&j, "branches", 1, (frit_dtype[]){FRIT_i64}, 1, &b);
    ir_value *x = jit_int(f, 1, 0), *one = jit_i64(&b, 1), *two = jit_i64(&b, 2);
    ir_type i64 = ir_vector(FRIT_i64, 1);
    ir_value *cond = ir_binary(&b, IR_lt, x, jit_i64(&b, 10));
    ir_op *branch = ir_build(&b, IR_tif, 1, &cond, 1, &i64);
    ir_builder arm = ir_builder_at_end(j.m, branch->blocks[0]);
    ir_value *v = ir_binary(&arm, IR_mul, x, two);
    jit_store(&arm, jit_buffer(f, 0), jit_i64(&arm, 2), v, NULL);
    jit_yield(&arm, 1, &v);
    arm = ir_builder_at_end(j.m, branch->blocks[1]);
    v = ir_binary(&arm, IR_sub, x, one);
    jit_yield(&arm, 1, &v);
    jit_store(&b, jit_buffer(f, 0), jit_i64(&b, 0), ir_result(branch, 0), NULL);

    ir_value *start[2] = {x, jit_i64(&b, 0)};
    ir_op *loop = ir_build(&b, IR_twhile, 2, start, 2, (ir_type[]){i64, i64});
    ir_value *n[2], *m[2];
    for (int i = 0; i < 2; i++) n[i] = ir_block_add_arg(j.m, loop->blocks[0], i64, NULL);
    for (int i = 0; i < 2; i++) m[i] = ir_block_add_arg(j.m, loop->blocks[1], i64, NULL);
    arm = ir_builder_at_end(j.m, loop->blocks[0]);
    jit_yield(&arm, 3, (ir_value *[]){ir_binary(&arm, IR_ne, n[0], one), n[0], n[1]});
    arm = ir_builder_at_end(j.m, loop->blocks[1]);
    ir_value *odd = ir_binary(&arm, IR_eq, ir_binary(&arm, IR_mod, m[0], two), one);
    ir_value *up = ir_binary(&arm, IR_add, ir_binary(&arm, IR_mul, m[0], jit_i64(&arm, 3)), one);
    ir_value *next = ir_select(&arm, odd, up, ir_binary(&arm, IR_floordiv, m[0], two));
    jit_yield(&arm, 2, (ir_value *[]){next, ir_binary(&arm, IR_add, m[1], one)});
    jit_store(&b, jit_buffer(f, 0), jit_i64(&b, 1), ir_result(loop, 1), NULL);

    jit_fn fn = compile_one(&j, f);
    int64_t y[3] = {0, 0, -1};
    fn((void *[]){y}, (int64_t[]){27}, NULL, 0, 0);
    assert_int_equal(y[0], 26);
    assert_int_equal(y[1], 111);
    assert_int_equal(y[2], -1);
    fn((void *[]){y}, (int64_t[]){6}, NULL, 0, 0);
    assert_int_equal(y[0], 12);
    assert_int_equal(y[1], 8);
    assert_int_equal(y[2], 12);
    jit_close(&j);
}

/* Copies n elements under a mask, 8 lanes at a time, so that the last access reaches past both ends; `other` fills. */
static ir_func *build_masked(jit *j, frit_dtype t, int lanes, bool gathered, const char *name) {
    ir_builder b;
    ir_func *f = jit_func(j, name, 2, (frit_dtype[]){t, t}, 1, &b);
    ir_value *n = jit_int(f, 2, 0);
    jit_for(&b, jit_i64(&b, 0), n, jit_i64(&b, lanes), 0, NULL);
    ir_value *at = b.block->args[0], *index = jit_ramp(&b, at, lanes);
    ir_value *mask = ir_binary(&b, IR_lt, index, jit_splat(&b, n, lanes));
    ir_value *other = ir_splat(&b, ir_vector(t, lanes), 1);
    ir_value *x = gathered ? jit_load_lanes(&b, jit_buffer(f, 0), index, mask, other)
                           : jit_load(&b, jit_buffer(f, 0), at, lanes, mask, other);
    if (gathered) jit_store_lanes(&b, jit_buffer(f, 1), index, x, mask);
    else jit_store(&b, jit_buffer(f, 1), at, x, mask);
    jit_yield(&b, 0, NULL);
    return f;
}

static void test_masked_edges(void **state) {
    static const int lanes[] = {1, 3, 8, 16};
    for (int t = 0; t < FRIT_DTYPE_COUNT; t++) {
        jit j;
        jit_open(&j, NULL);
        ir_func *f[8];
        jit_fn fn[8];
        for (int k = 0; k < 8; k++) f[k] = build_masked(&j, (frit_dtype)t, lanes[k % 4], k >= 4, "masked");
        jit_compile(&j, 8, f, fn);
        for (int k = 0; k < 8; k++)
            for (int64_t n = 0; n <= 37; n += 1 + (n > 18) * 5) {
                size_t bytes = (size_t)frit_dtype_bytes((frit_dtype)t, n);
                uint8_t *x = guard_alloc(bytes), *y = guard_alloc(bytes);
                for (int64_t i = 0; i < n; i++) frit_store_int((frit_dtype)t, x, i, i % 7);
                fn[k]((void *[]){x, y}, &n, NULL, 0, 1);
                for (int64_t i = 0; i < n; i++)
                    assert_true(frit_load_float((frit_dtype)t, x, i) == frit_load_float((frit_dtype)t, y, i));
                guard_free(x, bytes);
                guard_free(y, bytes);
            }
        jit_close(&j);
    }
}

/* y[0..7] = load of x[4..11] where lane is odd, else 9. */
static void test_masked_other(void **state) {
    jit j;
    jit_open(&j, NULL);
    ir_builder b;
    ir_func *f = jit_func(&j, "other", 2, (frit_dtype[]){FRIT_f32, FRIT_f32}, 0, &b);
    ir_type i8 = ir_vector(FRIT_i32, 8);
    ir_value *lane = jit_ramp(&b, ir_splat_int(&b, ir_vector(FRIT_i32, 1), 0), 8);
    ir_value *mask =
        ir_binary(&b, IR_eq, ir_binary(&b, IR_and, lane, ir_splat_int(&b, i8, 1)), ir_splat_int(&b, i8, 1));
    ir_value *four = jit_i64(&b, 4), *p = jit_buffer(f, 0);
    ir_type ptr = ir_ptr(FRIT_f32, IR_GLOBAL);
    ir_value *shifted = ir_result(ir_build(&b, IR_ptradd, 2, (ir_value *[]){p, four}, 1, &ptr), 0);
    ir_value *x = jit_load(&b, shifted, jit_i64(&b, 0), 8, mask, ir_splat(&b, ir_vector(FRIT_f32, 8), 9));
    jit_store(&b, jit_buffer(f, 1), jit_i64(&b, 0), x, NULL);
    jit_fn fn = compile_one(&j, f);
    float in[12], out[8];
    for (int i = 0; i < 12; i++) in[i] = (float)(100 + i);
    fn((void *[]){in, out}, NULL, NULL, 0, 0);
    for (int i = 0; i < 8; i++) assert_true(out[i] == (i % 2 ? in[4 + i] : 9));
    jit_close(&j);
}

/* Reverses 8 floats through a local array; the lane order of store_lanes shows where indices meet. */
static void test_local_and_lanes(void **state) {
    jit j;
    jit_open(&j, NULL);
    ir_builder b;
    ir_func *f = jit_func(&j, "reverse", 3, (frit_dtype[]){FRIT_f32, FRIT_f32, FRIT_f32}, 0, &b);
    ir_type ptr = ir_ptr(FRIT_f32, IR_REGISTER);
    ir_op *local = ir_build(&b, IR_local, 0, NULL, 1, &ptr);
    sym_t size = sym_const(j.m->syms, 8);
    ir_set_syms(j.m, local, IR_ATTR_size, 1, &size);
    ir_set_int(j.m, local, IR_ATTR_align, 64);
    ir_value *zero = jit_i64(&b, 0), *mem = ir_result(local, 0);
    jit_store(&b, mem, zero, jit_load(&b, jit_buffer(f, 0), zero, 8, NULL, NULL), NULL);
    ir_value *back = ir_binary(&b, IR_sub, ir_splat_int(&b, ir_vector(FRIT_i64, 8), 7), jit_ramp(&b, zero, 8));
    ir_value *x = jit_load_lanes(&b, mem, back, NULL, NULL);
    jit_store(&b, jit_buffer(f, 1), zero, x, NULL);
    jit_store_lanes(&b, jit_buffer(f, 2), ir_splat_int(&b, ir_vector(FRIT_i64, 8), 1), x, NULL);
    jit_fn fn = compile_one(&j, f);
    float in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, out[8], hit[2] = {0, 0};
    fn((void *[]){in, out, hit}, NULL, NULL, 0, 0);
    for (int i = 0; i < 8; i++) assert_true(out[i] == in[7 - i]);
    assert_true(hit[0] == 0 && hit[1] == 1); /* lane 7 writes last */
    jit_close(&j);
}

/* The documented tree: lane i with lane i + n/2. */
static float tree_sum(const float *x, int n) {
    float v[64];
    memcpy(v, x, sizeof *x * (size_t)n);
    for (int h = n / 2; h; h /= 2)
        for (int i = 0; i < h; i++) v[i] += v[i + h];
    return v[0];
}

static void test_reduce_lanes(void **state) {
    static const int lanes[] = {1, 2, 4, 8, 16, 32};
    static const ir_combine combines[] = {IR_SUM, IR_PROD, IR_MAX, IR_MIN};
    jit j;
    jit_open(&j, NULL);
    ir_func *f[24];
    jit_fn fn[24];
    for (int k = 0; k < 24; k++) {
        ir_builder b;
        f[k] = jit_func(&j, "reduce", 2, (frit_dtype[]){FRIT_f32, FRIT_f32}, 0, &b);
        ir_value *x = jit_load(&b, jit_buffer(f[k], 0), jit_i64(&b, 0), lanes[k % 6], NULL, NULL);
        ir_type t = ir_vector(FRIT_f32, 1);
        ir_op *op = ir_build(&b, IR_reduce_lanes, 1, &x, 1, &t);
        ir_set_int(j.m, op, IR_ATTR_combine, combines[k / 6]);
        jit_store(&b, jit_buffer(f[k], 1), jit_i64(&b, 0), ir_result(op, 0), NULL);
    }
    jit_compile(&j, 24, f, fn);
    float x[32], y;
    for (int i = 0; i < 32; i++) x[i] = 1 + (float)((i * 37) % 32) * 0.0123f;
    for (int k = 0; k < 24; k++) {
        int n = lanes[k % 6];
        fn[k]((void *[]){x, &y}, NULL, NULL, 0, 0);
        float prod = 1, most = x[0], least = x[0];
        for (int i = 0; i < n; i++) {
            prod *= x[i];
            most = x[i] > most ? x[i] : most;
            least = x[i] < least ? x[i] : least;
        }
        switch (combines[k / 6]) {
        case IR_SUM: assert_true(y == tree_sum(x, n)); break;
        case IR_PROD: assert_true(y > prod * 0.99999f && y < prod * 1.00001f); break;
        case IR_MAX: assert_true(y == most); break;
        default: assert_true(y == least); break;
        }
    }
    jit_close(&j);
}

/* Lane 2 of 1, 2, 3, ... as a scalar, and the bytes of a float through ptrcast; the same out of halves of words. */
static void test_extract_ptrcast(void **state) {
    jit j;
    jit_open(&j, NULL);
    ir_builder b;
    ir_func *f = jit_func(&j, "extract", 2, (frit_dtype[]){FRIT_f32, FRIT_u32}, 0, &b);
    ir_type u32 = ir_vector(FRIT_u32, 1), ptr = ir_ptr(FRIT_u32, IR_GLOBAL);
    ir_value *p = jit_buffer(f, 0), *q = ir_result(ir_build(&b, IR_ptrcast, 1, &p, 1, &ptr), 0);
    ir_value *v = jit_load(&b, q, jit_i64(&b, 0), 4, NULL, NULL);
    ir_op *op = ir_build(&b, IR_extract, 1, &v, 1, &u32);
    ir_set_int(j.m, op, IR_ATTR_offset, 2);
    jit_store(&b, jit_buffer(f, 1), jit_i64(&b, 0), ir_result(op, 0), NULL);
    ir_type i16 = ir_vector(FRIT_i16, 8), words = ir_vector(FRIT_u32, 1);
    v = ir_result(ir_build(&b, IR_reinterpret, 1, &v, 1, &i16), 0);
    op = ir_build(&b, IR_extract, 1, &v, 1, (ir_type[]){ir_vector(FRIT_i16, 2)});
    ir_set_int(j.m, op, IR_ATTR_offset, 4);
    v = ir_result(op, 0);
    jit_store(&b, jit_buffer(f, 1), jit_i64(&b, 1), ir_result(ir_build(&b, IR_reinterpret, 1, &v, 1, &words), 0), NULL);
    jit_fn fn = compile_one(&j, f);
    float x[4] = {0, 0, -2.0f, 0};
    uint32_t y[2] = {0};
    fn((void *[]){x, y}, NULL, NULL, 0, 0);
    for (int i = 0; i < 2; i++) assert_int_equal(y[i], 0xc0000000u);
    jit_close(&j);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_kernel),     cmocka_unit_test(test_many_kernels_ints_scratch),
        cmocka_unit_test(test_for),              cmocka_unit_test(test_if_while),
        cmocka_unit_test(test_masked_edges),     cmocka_unit_test(test_masked_other),
        cmocka_unit_test(test_local_and_lanes),  cmocka_unit_test(test_reduce_lanes),
        cmocka_unit_test(test_extract_ptrcast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
