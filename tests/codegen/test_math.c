/* The error of every transcendental function, as machine code, against the C library in long double: at most what
 * expand_math_ulps states, over arguments of all exponents, the ranges where each function changes its formula, and the
 * special values. FRIT_MATH_SAMPLES sets how many arguments each function gets (default 100000). */
#include "jit.h"
#include "passes/expand_math.h"
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above first */
#include <cmocka.h>

#if LDBL_MANT_DIG < 64
#error "the reference needs a long double wider than double"
#endif

typedef long double ld;
enum { LANES = 8 };

typedef struct function {
    ir_opcode op;
    ld (*one)(ld);
    ld (*two)(ld, ld);
    double lo, hi; /* a range of ordinary arguments */
} function;

static const function functions[] = {
    {IR_exp, expl, NULL, -110, 95},   {IR_exp2, exp2l, NULL, -155, 130}, {IR_expm1, expm1l, NULL, -20, 20},
    {IR_log, logl, NULL, 0, 4},       {IR_log2, log2l, NULL, 0, 4},      {IR_log1p, log1pl, NULL, -1, 3},
    {IR_sin, sinl, NULL, -100, 100},  {IR_cos, cosl, NULL, -100, 100},   {IR_tan, tanl, NULL, -100, 100},
    {IR_asin, asinl, NULL, -1, 1},    {IR_acos, acosl, NULL, -1, 1},     {IR_atan, atanl, NULL, -10, 10},
    {IR_sinh, sinhl, NULL, -90, 90},  {IR_cosh, coshl, NULL, -90, 90},   {IR_tanh, tanhl, NULL, -12, 12},
    {IR_asinh, asinhl, NULL, -20, 20}, {IR_acosh, acoshl, NULL, 1, 20},  {IR_atanh, atanhl, NULL, -1, 1},
    {IR_erf, erfl, NULL, -6, 6},      {IR_atan2, NULL, atan2l, -4, 4},   {IR_pow, NULL, powl, -20, 20},
};
enum { N_FUNCTIONS = sizeof functions / sizeof *functions };

static uint64_t next_random(uint64_t *s) {
    *s ^= *s << 13;
    *s ^= *s >> 7;
    return *s ^= *s << 17;
}

static const double specials[] = {0.0,        -0.0,
                                  1,          -1,
                                  2,          -2,
                                  0.5,        -0.5,
                                  INFINITY,   -INFINITY,
                                  NAN,        3,
                                  -3,         1e-45,
                                  -1e-45,     1e-38,
                                  3e38,       -3e38,
                                  1e-310,     1e308,
                                  -1e308,     0.625,
                                  0.25,       88.72284,
                                  -103.97208, 709.782712893384,
                                  16777216,   65536,
                                  -65536,     1e10,
                                  1e22,       0x1p30,
                                  0.99999994};
enum { N_SPECIALS = sizeof specials / sizeof *specials };

/* Any bits, the ordinary range, and close to 0 or 1. */
static double argument(const function *f, bool single, uint64_t *seed, int i) {
    if (i < N_SPECIALS) return specials[i];
    uint64_t r = next_random(seed);
    double unit = (double)(r >> 11) * 0x1p-53, range = f->lo + (f->hi - f->lo) * unit;
    if (i % 4 == 0) {
        uint32_t low = (uint32_t)r;
        float s;
        double d;
        memcpy(&s, &low, sizeof s);
        memcpy(&d, &r, sizeof d);
        return single ? (double)s : d;
    }
    if (i % 4 == 1) return (unit - 0.5) * 3;
    if (i % 4 == 2) return 1 + (unit - 0.5) * 0x1p-3;
    return single || f->op != IR_exp ? range : range * 7.5;
}

/* The distance of neighbours at |x| in the format. */
static ld unit_at(bool single, ld x) {
    int e;
    frexpl(x, &e);
    int least = single ? -149 : -1074;
    e -= single ? 24 : 53;
    return ldexpl(1, e < least ? least : e);
}

/* Units between got and the exact result; overflow counts as the next power of two. */
static double error_in_ulps(bool single, double got, ld want) {
    if (isnan(got) || isnan(want)) return isnan(got) && isnan(want) ? 0 : INFINITY;
    if (got == 0 && want == 0) return !signbit(got) == !signbit(want) ? 0 : INFINITY;
    ld top = ldexpl(1, single ? 128 : 1024);
    if (isinf(want)) return isinf(got) && !signbit(got) == !signbit(want) ? 0 : INFINITY;
    ld g = isinf(got) ? copysignl(top, got) : (ld)got, w = fabsl(want) > top ? copysignl(top, want) : want;
    return (double)(fabsl(g - w) / unit_at(single, fabsl(w) >= top ? top / 2 : w));
}

static ir_func *build(jit *j, const function *f, frit_dtype t, int lanes, const char *name) {
    ir_builder b;
    ir_func *fn = jit_func(j, name, 3, (frit_dtype[]){t, t, t}, 0, &b);
    jit_for(&b, jit_begin(fn), jit_end(fn), jit_i64(&b, lanes), 0, NULL);
    ir_value *at = b.block->args[0], *x = jit_load(&b, jit_buffer(fn, 0), at, lanes, NULL, NULL);
    ir_value *y = f->two ? jit_load(&b, jit_buffer(fn, 1), at, lanes, NULL, NULL) : NULL;
    jit_store(&b, jit_buffer(fn, 2), at, f->two ? ir_binary(&b, f->op, x, y) : ir_unary(&b, f->op, x), NULL);
    jit_yield(&b, 0, NULL);
    assert_true(expand_math(fn));
    return fn;
}

typedef struct worst {
    double ulps, x, y, got;
    ld want;
} worst;

static void set(bool single, void *buf, int i, double x) {
    if (single) ((float *)buf)[i] = (float)x;
    else ((double *)buf)[i] = x;
}

static double get(bool single, const void *buf, int i) {
    return single ? (double)((const float *)buf)[i] : ((const double *)buf)[i];
}

static worst measure(const function *f, bool single, jit_fn fn, int count) {
    enum { BATCH = 4096 };
    double x[BATCH], y[BATCH], z[BATCH];
    worst w = {.ulps = -1};
    uint64_t seed = UINT64_C(88172645463325252) + (uint64_t)f->op;
    for (int done = 0; done < count; done += BATCH) {
        for (int i = 0; i < BATCH; i++) {
            int k = done + i;
            set(single, x, i, argument(f, single, &seed, f->two && k < N_SPECIALS * N_SPECIALS ? k / N_SPECIALS : k));
            int second = k < N_SPECIALS * N_SPECIALS ? k % N_SPECIALS : k ^ (int)(next_random(&seed) % 4);
            set(single, y, i, argument(f, single, &seed, second));
        }
        fn((void *[]){x, y, z}, NULL, NULL, 0, BATCH);
        for (int i = 0; i < BATCH; i++) {
            double a = get(single, x, i), b = get(single, y, i), got = get(single, z, i);
            ld want = f->two ? f->two(a, b) : f->one(a);
            double e = error_in_ulps(single, got, want);
            if (e > w.ulps) w = (worst){e, a, b, got, want};
        }
    }
    return w;
}

static int samples(void) {
    const char *s = getenv("FRIT_MATH_SAMPLES");
    int n = s ? atoi(s) : 0;
    return n > 0 ? n : 100000;
}

static void run(const function *f, frit_dtype t) {
    double allowed = expand_math_ulps(f->op, t);
    assert_true(allowed > 0 && allowed <= 2);
    jit j;
    jit_open(&j, NULL);
    ir_func *fn[2] = {build(&j, f, t, LANES, "lanes"), build(&j, f, t, 1, "scalar")};
    jit_fn code[2];
    jit_compile(&j, 2, fn, code);
    worst w = measure(f, t == FRIT_f32, code[0], samples());
    print_message("%s %s: %.3f ulps at %a, %a\n", ir_op_table[f->op].name, frit_dtype_name(t), w.ulps, w.x, w.y);
    worst s = measure(f, t == FRIT_f32, code[1], samples() / 10);
    if (w.ulps > allowed || s.ulps > allowed) {
        worst *bad = w.ulps > allowed ? &w : &s;
        fail_msg("%s %s: %a, %a gives %a, not %La: %g ulps", ir_op_table[f->op].name, frit_dtype_name(t), bad->x,
                 bad->y, bad->got, bad->want, bad->ulps);
    }
    jit_close(&j);
}

static void test_f32(void **state) { run(*state, FRIT_f32); }
static void test_f64(void **state) { run(*state, FRIT_f64); }

int main(void) {
    static struct CMUnitTest tests[2 * N_FUNCTIONS];
    for (int i = 0; i < N_FUNCTIONS; i++) {
        void *f = (void *)(uintptr_t)&functions[i];
        tests[2 * i] = (struct CMUnitTest){ir_op_table[functions[i].op].name, test_f32, NULL, NULL, f};
        tests[2 * i + 1] = (struct CMUnitTest){ir_op_table[functions[i].op].name, test_f64, NULL, NULL, f};
    }
    return _cmocka_run_group_tests("math", tests, 2 * N_FUNCTIONS, NULL, NULL);
}
