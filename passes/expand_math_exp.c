/* Exponentials and what is made of them. */
#include "expand_math_internal.h"

static const double LOG2E = 0x1.71547652b82fep+0;
/* ln 2 in two parts; the first has few enough bits that a whole multiple of it is exact. */
static const double LN2_HI32 = 0x1.62e4p-1, LN2_LO32 = 0x1.7f7d1cp-20;
static const double LN2_HI64 = 0x1.62e42fefa38p-1, LN2_LO64 = 0x1.ef35793c7673p-45;

/* x - n * c * ln 2. */
static mv reduce(mx *m, mv x, mv n, double c) {
    mv r = mx_fma(m, n, mx_pick(m, -c * LN2_HI32, -c * LN2_HI64), x);
    return mx_named(mx_fma(m, n, mx_pick(m, -c * LN2_LO32, -c * LN2_LO64), r), "reduced");
}

/* 2^n, where the low bits of t hold n + bias. */
static mv power(mx *m, mv t) {
    mx_named(t, "n_biased");
    return mx_named(mx_float(m, mx_shl(m, mx_int(m, t), m->fraction)), "two_to_n");
}

/* 1 + r + r^2 P(r). */
static mv exp_poly(mx *m, mv r) {
    mv p = mx_named(mx_fma(m, mx_poly(m, &math_exp, r), r, mx_k(m, 1)), "p");
    return mx_named(mx_fma(m, p, r, mx_k(m, 1)), "exp_reduced");
}

/* x = 2 n ln 2 + r with |r| <= ln 2: e^x is e^r multiplied by 2^n twice, which overflows and underflows where e^x does
 * and needs no case of its own for denormals. n is rounded by adding a number whose low bits then hold n + bias. */
static mv exp_between(mx *m, mv x) {
    mv magic = mx_k(m, m->round + m->bias);
    mv t = mx_fma(m, x, mx_k(m, LOG2E / 2), magic), n = mx_named(mx_sub(m, t, magic), "n"), s = power(m, t);
    mv p = exp_poly(m, reduce(m, x, n, 2));
    return mx_mul(m, mx_mul(m, p, s), s);
}

static mv clamp(mx *m, mv x, double lo32, double lo64, double hi32, double hi64) {
    bool single = m->t == FRIT_f32;
    return mx_atmost(m, mx_atleast(m, x, single ? lo32 : lo64), single ? hi32 : hi64);
}

mv mx_exp(mx *m, mv x) { return exp_between(m, clamp(m, x, -104, -746, 89, 710)); }

/* The same with x = 2 n + r, |r| <= 1. */
mv mx_exp2_dd(mx *m, mdd x) {
    mv magic = mx_k(m, m->round + m->bias), hi = clamp(m, x.hi, -151, -1077, 129, 1025);
    mv t = mx_fma(m, hi, mx_k(m, 0.5), magic), n = mx_named(mx_sub(m, t, magic), "n"), s = power(m, t);
    mv r = mx_fma(m, n, mx_k(m, -2), hi);
    if (x.lo) r = mx_add(m, r, x.lo);
    mv p = mx_fma(m, mx_poly(m, &math_exp2, r), r, mx_k(m, 1));
    return mx_mul(m, mx_mul(m, p, s), s);
}

mv mx_exp2(mx *m, mv x) { return mx_exp2_dd(m, (mdd){x, NULL}); }

/* e^x - 1 = 2^n q + (2^n - 1) with q = e^r - 1; half of it, so that 2^n does not overflow before the result does. */
static mv half_expm1(mx *m, mv x) {
    mv magic = mx_k(m, m->round + m->bias - 1);
    mv t = mx_fma(m, x, mx_k(m, LOG2E), magic), n = mx_named(mx_sub(m, t, magic), "n"), h = power(m, t);
    mv r = reduce(m, x, n, 1);
    mv q = mx_fma(m, mx_mul(m, r, r), mx_poly(m, &math_expm1, r), r);
    return mx_fma(m, h, q, mx_addk(m, h, -0.5));
}

mv mx_expm1(mx *m, mv x) {
    mv y = half_expm1(m, clamp(m, x, -18, -38, 89, 710));
    return mx_sel(m, mx_ltk(m, mx_abs(m, x), m->tiny), x, mx_add(m, y, y));
}

/* Where |x| < limit the polynomial x + x^3 P(x^2), else `other` with x's sign. */
static mv odd_or(mx *m, mv x, double limit, const math_poly *p, mv other) {
    mv z = mx_mul(m, x, x), near = mx_fma(m, mx_mul(m, mx_poly(m, p, z), z), x, x);
    mx_named(near, "near"), mx_named(z, "square"), mx_named(other, "far");
    return mx_copysign(m, mx_named(mx_sel(m, mx_ltk(m, mx_abs(m, x), limit), near, other), "y"), x);
}

/* e^|x| / 2, which overflows where sinh and cosh do. x = n ln 2 + r with |r| <= ln 2 / 2, so that next to the powers of
 * two, where sinh has half the unit of e^x / 2, r is small and the error too. */
static mv half_exp_abs(mx *m, mv x) {
    bool single = m->t == FRIT_f32;
    int up = single ? 64 : 512;
    mv a = mx_atmost(m, mx_abs(m, x), single ? 90 : 711), magic = mx_k(m, m->round + m->bias - 1 - up);
    mv t = mx_fma(m, a, mx_k(m, LOG2E), magic), n = mx_named(mx_sub(m, t, magic), "n"), s = power(m, t);
    return mx_mulk(m, mx_mul(m, exp_poly(m, reduce(m, a, n, 1)), s), ldexp(1, up));
}

mv mx_sinh(mx *m, mv x) {
    mv h = half_exp_abs(m, x);
    return odd_or(m, x, 1, &math_sinh, mx_sub(m, h, mx_div(m, mx_k(m, 0.25), h)));
}

mv mx_cosh(mx *m, mv x) {
    mv h = half_exp_abs(m, x);
    return mx_add(m, h, mx_div(m, mx_k(m, 0.25), h));
}

/* 1 - 2 / (e^2|x| + 1), which is 1 from 10 (f32) or 20 on. */
mv mx_tanh(mx *m, mv x) {
    mv a = mx_atmost(m, mx_abs(m, x), m->t == FRIT_f32 ? 10 : 20);
    mv e = exp_between(m, mx_add(m, a, a));
    mv far = mx_sub(m, mx_k(m, 1), mx_div(m, mx_k(m, 2), mx_addk(m, e, 1)));
    return odd_or(m, x, 0.625, &math_tanh, far);
}

/* ---- erf: near 0 a polynomial; else 1 - e^P(|x|) with P = log erfc, in one piece for f32, in two for f64 */
static mv log_erfc(mx *m, mv a) {
    if (m->t == FRIT_f32) return mx_poly(m, &math_erfc_1_4, mx_addk(m, a, -1));
    const double *c = math_erfc_1_2.c64, *d = math_erfc_2_6.c64;
    mv far = mx_gtk(m, a, 2.25), x = mx_sub(m, a, mx_sel(m, far, mx_k(m, 2.25), mx_k(m, 1))), r = NULL;
    for (int i = math_erfc_1_2.n64 - 1; i >= 0; i--) {
        mv k = mx_sel(m, far, mx_k(m, d[i]), mx_k(m, c[i]));
        r = r ? mx_fma(m, r, x, k) : k;
    }
    return r;
}

mv mx_erf(mx *m, mv x) {
    mv a = mx_abs(m, x), z = mx_mul(m, x, x), near = mx_fma(m, mx_poly(m, &math_erf, z), x, x);
    mv l = mx_named(log_erfc(m, mx_atmost(m, a, m->t == FRIT_f32 ? 4 : 6)), "log_erfc");
    mv far = mx_named(mx_sub(m, mx_k(m, 1), exp_between(m, l)), "far");
    mx_named(near, "near"), mx_named(z, "square");
    return mx_copysign(m, mx_named(mx_sel(m, mx_ltk(m, a, 1), near, far), "y"), x);
}
