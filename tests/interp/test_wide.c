/* The wide definition: bounds that right kernels meet and wrong ones do not, and what cannot be decided. */
#include "support.h"
#include <math.h>
#include <stdio.h>

enum { N = 64 };

typedef struct {
    ir_module *m;
    interp_tensor typed, wide;
} both;

/* Result 0 of @f by both definitions. */
static both run_both(const char *text, int n, const interp_tensor *in) {
    both b = {.m = module_of(text)};
    for (int wide = 0; wide < 2; wide++) {
        interp *it = interp_new(b.m, &(interp_options){.wide = wide});
        interp_status s = run_func(it, b.m, "f", n, in, 1, wide ? &b.wide : &b.typed);
        if (s) fail_msg("%s", interp_message(it));
        interp_free(it);
    }
    return b;
}

static void free_both(both *b) {
    interp_tensor_free(&b->typed);
    interp_tensor_free(&b->wide);
    ir_module_free(b->m);
}

static float noise(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(int32_t)*seed * 0x1p-31f;
}

static void test_sum(void **state) {
    static float x[N];
    uint32_t seed = 1;
    for (int i = 0; i < N; i++) x[i] = noise(&seed);
    interp_tensor in = F32(x, N);
    both b = run_both("fir 1\ndim S\nfunc tensor @f(%x: f32[S]) -> 1 {\n"
                      "    %r = reduce(%x) {axes = [0], combine = sum} : f32[]\n    return(%r)\n}\n",
                      1, &in);
    interp_comparison c = interp_compare(&b.typed, &b.wide, 0, 0);
    assert_true(c.ok && c.n == 1 && c.undecidable == 0);
    float backwards = 0;
    for (int i = N; i-- > 0;) backwards += x[i];
    *(float *)b.typed.data = backwards;
    assert_true(interp_compare(&b.typed, &b.wide, 0, 0).ok);
    *(float *)b.typed.data = backwards - x[N / 2]; /* one term forgotten */
    c = interp_compare(&b.typed, &b.wide, 0, 0);
    assert_false(c.ok);
    assert_true(c.bad == 1 && c.worst == 0 && c.ratio > 1);
    free_both(&b);
}

static const char softmax[] =
    "fir 1\ndim B\ndim S\nfunc tensor @f(%x: f32[B, S]) -> 1 {\n"
    "    %m = reduce(%x) {axes = [1], combine = max} : f32[B]\n"
    "    %mb = broadcast(%m) {axes = [0]} : f32[B, S]\n"
    "    %d = sub(%x, %mb) : f32[B, S]\n"
    "    %e = exp(%d) : f32[B, S]\n"
    "    %s = reduce(%e) {axes = [1], combine = sum} : f32[B]\n"
    "    %sb = broadcast(%s) {axes = [0]} : f32[B, S]\n"
    "    %y = div(%e, %sb) : f32[B, S]\n    return(%y)\n}\n";

static void test_softmax(void **state) {
    enum { ROWS = 8, COLUMNS = 300 };
    static float x[ROWS * COLUMNS];
    uint32_t seed = 2;
    for (int i = 0; i < ROWS * COLUMNS; i++) x[i] = i % 7 == 3 ? -INFINITY : 30 * noise(&seed);
    interp_tensor in = F32(x, ROWS, COLUMNS);
    both b = run_both(softmax, 1, &in);
    interp_comparison c = interp_compare(&b.typed, &b.wide, 0, 0);
    assert_true(c.ok && c.undecidable == 0);
    float *y = b.typed.data;
    int largest = 0;
    for (int i = 0; i < COLUMNS; i++)
        if (y[i] > y[largest]) largest = i;
    y[largest] *= 1.001f;
    c = interp_compare(&b.typed, &b.wide, 0, 0);
    assert_true(!c.ok && c.bad == 1 && c.worst == largest);
    assert_true(interp_compare(&b.typed, &b.wide, 0.002, 0).ok);
    y[largest] = NAN;
    assert_false(interp_compare(&b.typed, &b.wide, 0, 0).ok);
    free_both(&b);
}

static void test_undecidable(void **state) {
    /* exp of equal numbers: a kernel's two results may differ either way */
    float x[4] = {1.0f / 3, 10.5f, -2, 0.1f}, y[4] = {1.0f / 3, 1, -3, 0.1f};
    interp_tensor in[2] = {F32(x, 4), F32(y, 4)};
    both b = run_both("fir 1\nfunc tensor @f(%x: f32[4], %y: f32[4]) -> 1 {\n"
                      "    %a = exp(%x) : f32[4]\n    %b = exp(%y) : f32[4]\n"
                      "    %c = lt(%a, %b) : bool[4]\n    return(%c)\n}\n",
                      2, in);
    assert_true(isinf(b.wide.err[0]) && b.wide.err[1] == 0 && b.wide.err[2] == 0 && isinf(b.wide.err[3]));
    ((uint8_t *)b.typed.data)[0] ^= 1;
    interp_comparison c = interp_compare(&b.typed, &b.wide, 0, 0);
    assert_true(c.ok && c.undecidable == 2);
    ((uint8_t *)b.typed.data)[1] ^= 1;
    assert_false(interp_compare(&b.typed, &b.wide, 0, 0).ok);
    free_both(&b);

    both r = run_both("fir 1\nfunc tensor @f(%x: f32[4], %y: f32[4]) -> 1 {\n"
                      "    %a = exp(%x) : f32[4]\n"
                      "    %i = reduce(%a) {axes = [0], combine = argmax} : i64[]\n    return(%i)\n}\n",
                      2, in);
    assert_true(!r.wide.err || r.wide.err[0] == 0);
    free_both(&r);
    x[0] = 10.5f; /* tanh of two equal numbers: a kernel may find either larger by its own error */
    r = run_both("fir 1\nfunc tensor @f(%x: f32[4], %y: f32[4]) -> 1 {\n"
                 "    %a = tanh(%x) : f32[4]\n"
                 "    %i = reduce(%a) {axes = [0], combine = argmax} : i64[]\n    return(%i)\n}\n",
                 2, in);
    assert_true(isinf(r.wide.err[0]));
    free_both(&r);
}

/* f(g(x)) for one x; err of f's result, and what f gives. */
static double err_of(const char *inner, const char *outer, float x, double *value) {
    char text[400];
    snprintf(text, sizeof text, "fir 1\nfunc tensor @f(%%x: f32[]) -> 1 {\n    %%a = %s(%%x) : f32[]\n    %%b = %s(%%a) : f32[]\n    return(%%b)\n}\n",
             inner, outer);
    interp_tensor in = SCALAR(FRIT_f32, &x);
    both b = run_both(text, 1, &in);
    double e = b.wide.err[0];
    *value = interp_get_float(&b.wide, 0);
    free_both(&b);
    return e;
}

/* Where an operand's interval is wide, the bound is what the function spans within it. */
static void test_spans(void **state) {
    double y, e = err_of("exp", "sin", 20, &y); /* exp(20) is known to several turns: any value of sin, and no other */
    assert_true(4 * e >= 1 && 4 * e <= 1.001 * (1 + fabs(y)));
    e = err_of("exp", "floor", logf(3), &y); /* 2 or 3 */
    assert_true((y == 2 || y == 3) && 4 * e == 1);
    e = err_of("sin", "trunc", 1e-20f, &y); /* 1e-20 within half the least f32: 0 of one sign */
    assert_true(y == 0 && e == 0);
    e = err_of("sin", "trunc", 0, &y); /* 0 or a little to either side: 0 of either */
    assert_true(y == 0 && e > 0 && e < 0x1p-1060);
    e = err_of("exp", "floor", 1, &y);
    assert_true(y == 2 && e == 0);
    e = err_of("exp", "tan", 20, &y); /* poles */
    assert_true(isinf(e));
    e = err_of("tanh", "acosh", 9.5f, &y); /* tanh may round to 1, where acosh is 0 */
    assert_true(isnan(y) && isinf(e));
    e = err_of("exp", "acos", 20, &y); /* 485165195 +- 231, which has no arc */
    assert_true(isnan(y) && e == 0);
    e = err_of("tanh", "acosh", 0.5f, &y); /* NaN whatever tanh's error */
    assert_true(isnan(y) && e == 0);
    e = err_of("exp", "sqrt", -100, &y);
    assert_true(e > 0 && 4 * e < y); /* far from the end of the domain, in units of the bound */
}

/* NaN has many patterns of bits. */
static void test_bits_of_nan(void **state) {
    float x[2] = {NAN, 1};
    interp_tensor in = F32(x, 2);
    both b = run_both("fir 1\nfunc tensor @f(%x: f32[2]) -> 1 {\n    %a = bitcast(%x) : i32[2]\n    return(%a)\n}\n", 1, &in);
    assert_true(isinf(b.wide.err[0]) && b.wide.err[1] == 0);
    free_both(&b);
}

/* Around the origin an angle may be any, f32's pi (a little more than pi) included. */
static void test_any_angle(void **state) {
    float x = 0;
    interp_tensor in = SCALAR(FRIT_f32, &x);
    both b = run_both("fir 1\nfunc tensor @f(%x: f32[]) -> 1 {\n    %a = sin(%x) : f32[]\n    %b = atan2(%a, %a) : f32[]\n    return(%b)\n}\n", 1, &in);
    *(float *)b.typed.data = 0x1.921fb6p1f;
    assert_true(interp_compare(&b.typed, &b.wide, 0, 0).ok);
    *(float *)b.typed.data = 3.2f;
    assert_false(interp_compare(&b.typed, &b.wide, 0, 0).ok);
    free_both(&b);
}

/* A value that nothing can be said about says nothing of what is computed from it, be it NaN in f64 and in f32. */
static void test_undecidable_stays(void **state) {
    float x = 9.5f;
    interp_tensor in = SCALAR(FRIT_f32, &x);
    both b = run_both("fir 1\nfunc tensor @f(%x: f32[]) -> 1 {\n    %a = tanh(%x) : f32[]\n    %b = acosh(%a) : f32[]\n"
                      "    %c = min(%b, %b) : f32[]\n    %d = atanh(%c) : f32[]\n    %e = cast(%d) : i32[]\n    return(%e)\n}\n", 1, &in);
    assert_true(isinf(b.wide.err[0]));
    free_both(&b);
    x = 20; /* exp(20) - 485165190 = 5.4 +- 231: the domain lies within the interval, NaN at both its ends */
    b = run_both("fir 1\nfunc tensor @f(%x: f32[]) -> 1 {\n    %a = exp(%x) : f32[]\n    %k = constant() {value = 485165184} : f32[]\n"
                 "    %c = sub(%a, %k) : f32[]\n    %d = acos(%c) : f32[]\n    return(%d)\n}\n", 1, &in);
    assert_true(isnan(interp_get_float(&b.wide, 0)) && isinf(b.wide.err[0]));
    free_both(&b);
}

/* A sum of zeros that holds -0 may be -0 or +0: its inverse is open, a comparison is not. */
static void test_sign_of_zero(void **state) {
    static const char *const ops[] = {"div", "lt", "add"};
    for (int contract = 0; contract < 2; contract++)
        for (int c = 0; c < 6; c++) {
            bool plain = c % 2;
            const char *op = ops[c / 2];
            float x[2] = {plain ? 0.0f : -0.0f, 0.0f}, ones[2] = {1, 1};
            interp_tensor in[2] = {F32(x, 2), F32(ones, 2)};
            char text[500];
            snprintf(text, sizeof text,
                     "fir 1\nfunc tensor @f(%%x: f32[2], %%y: f32[2]) -> 1 {\n    %%s = %s : f32[]\n"
                     "    %%o = constant() {value = 1} : f32[]\n    %%r = %s(%%o, %%s) : %s[]\n    return(%%r)\n}\n",
                     contract ? "contract(%x, %y) {lhs_batch = [], rhs_batch = [], lhs_contract = [0], rhs_contract = [0]}"
                              : "reduce(%x) {axes = [0], combine = sum}",
                     op, c / 2 == 1 ? "bool" : "f32");
            both b = run_both(text, 2, in);
            assert_true(isinf(b.wide.err[0]) == (c == 0));
            assert_true(c == 0 || b.wide.err[0] == 0);
            free_both(&b);
        }
}

/* Exact arithmetic on whole numbers decides comparisons. */
static void test_exact(void **state) {
    float x[3] = {1, 2, 3};
    interp_tensor in = F32(x, 3);
    both b = run_both("fir 1\nfunc tensor @f(%x: f32[3]) -> 1 {\n"
                      "    %a = add(%x, %x) : f32[3]\n    %b = mul(%x, %x) : f32[3]\n"
                      "    %c = eq(%a, %b) : bool[3]\n    return(%c)\n}\n",
                      1, &in);
    const uint8_t want[3] = {0, 1, 0};
    assert_memory_equal(b.wide.data, want, 3);
    assert_true(b.wide.err[0] == 0 && b.wide.err[1] == 0 && b.wide.err[2] == 0);
    free_both(&b);
}

/* A kernel over f16 that keeps f32 inside meets the bound; so does a written cast. */
static void test_narrow(void **state) {
    enum { K = 64 };
    static uint16_t x[4 * K], y[K * 4];
    uint32_t seed = 5;
    for (int i = 0; i < 4 * K; i++) {
        x[i] = frit_f16_from_double(noise(&seed));
        y[i] = frit_f16_from_double(noise(&seed));
    }
    interp_tensor in[2] = {tensor_of(FRIT_f16, x, 4, K, -1), tensor_of(FRIT_f16, y, K, 4, -1)};
    both b = run_both("fir 1\nfunc tensor @f(%x: f16[4, 64], %y: f16[64, 4]) -> 1 {\n"
                      "    %p = contract(%x, %y) {lhs_batch = [], rhs_batch = [], lhs_contract = [1], "
                      "rhs_contract = [0]} : f32[4, 4]\n"
                      "    %h = cast(%p) : bf16[4, 4]\n    %w = cast(%h) : f32[4, 4]\n"
                      "    %r = mul(%w, %w) : f32[4, 4]\n    return(%r)\n}\n",
                      2, in);
    interp_comparison c = interp_compare(&b.typed, &b.wide, 0, 0);
    assert_true(c.ok && c.undecidable == 0 && c.worst >= 0);
    for (int i = 0; i < 16; i++) ((float *)b.typed.data)[i] *= 1.2f;
    assert_true(interp_compare(&b.typed, &b.wide, 0, 0).bad > 8);
    free_both(&b);
}

static void test_contract(void **state) {
    enum { S = 64, K = 300, M = 70 };
    static float x[S * K], y[K * M];
    uint32_t seed = 9;
    for (int i = 0; i < S * K; i++) x[i] = noise(&seed);
    for (int i = 0; i < K * M; i++) y[i] = noise(&seed);
    interp_tensor in[2] = {F32(x, S, K), F32(y, K, M)};
    both b = run_both("fir 1\ndim S\ndim K\ndim M\nfunc tensor @f(%x: f32[S, K], %y: f32[K, M]) -> 1 {\n"
                      "    %a = neg(%x) : f32[S, K]\n"
                      "    %p = contract(%a, %y) {lhs_batch = [], rhs_batch = [], lhs_contract = [1], "
                      "rhs_contract = [0]} : f32[S, M]\n    return(%p)\n}\n",
                      2, in);
    assert_true(interp_compare(&b.typed, &b.wide, 0, 0).ok);
    for (int at = 0; at < S * M; at += 501) { /* against sums in long double */
        long double sum = 0;
        for (int k = 0; k < K; k++) sum -= (long double)x[at / M * K + k] * y[k * M + at % M];
        assert_true(fabs((double)(sum - interp_get_float(&b.wide, at))) < 1e-12);
    }
    for (int at = 0; at < S * M; at++) { /* typed: f32, left to right */
        float sum = 0;
        for (int k = 0; k < K; k++) sum += -x[at / M * K + k] * y[k * M + at % M];
        assert_true(sum == ((float *)b.typed.data)[at]);
    }
    ((float *)b.typed.data)[77] += 0.05f;
    interp_comparison c = interp_compare(&b.typed, &b.wide, 0, 0);
    assert_true(!c.ok && c.worst == 77);
    interp_tensor other = b.typed;
    other.shape[0]--;
    assert_true(interp_compare(&other, &b.wide, 0, 0).n == -1);
    free_both(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sum),   cmocka_unit_test(test_softmax), cmocka_unit_test(test_undecidable), cmocka_unit_test(test_undecidable_stays),
        cmocka_unit_test(test_spans), cmocka_unit_test(test_any_angle), cmocka_unit_test(test_bits_of_nan), cmocka_unit_test(test_sign_of_zero),
        cmocka_unit_test(test_exact), cmocka_unit_test(test_narrow),  cmocka_unit_test(test_contract),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
