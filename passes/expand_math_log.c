/* Logarithms and what is made of them. */
#include "expand_math_internal.h"

static const double LN2_HI32 = 0x1.62e4p-1, LN2_LO32 = 0x1.7f7d1cp-20;
static const double LN2_HI64 = 0x1.62e42fefa38p-1, LN2_LO64 = 0x1.ef35793c7673p-45;

/* x = 2^e (1 + f), 1 + f in [sqrt 1/2, sqrt 2). */
typedef struct split {
    mv e;    /* as a float */
    mv e_int; /* as an integer, without the correction for denormals */
    mv f;
} split;

static split split_at(mx *m, mv x) {
    bool single = m->t == FRIT_f32;
    mv small = mx_lt(m, x, mx_pick(m, 0x1p-126, 0x1p-1022));
    double up = single ? 0x1p25 : 0x1p54;
    x = mx_sel(m, small, mx_mulk(m, x, up), x);
    int64_t root = single ? 0x3f3504f3 : 0x3fe6a09e667f3bcd; /* sqrt 1/2 */
    mv d = mx_iaddk(m, mx_int(m, x), -root);
    mv e = mx_shr(m, d, m->fraction);
    mv s = mx_float(m, mx_iaddk(m, mx_andk(m, d, (INT64_C(1) << m->fraction) - 1), root));
    /* e becomes a float by landing in the low bits of a number whose unit is 1 */
    mv magic = mx_k(m, m->round), ef = mx_sub(m, mx_float(m, mx_add(m, e, mx_int(m, magic))), magic);
    ef = mx_sub(m, ef, mx_sel(m, small, mx_pick(m, 25, 54), mx_k(m, 0)));
    return (split){ef, e, mx_addk(m, s, -1)};
}

/* log(1 + f) = f - (f^2/2 - s (f^2/2 + R)), s = f / (2 + f), R = s^2 P(s^2); then e ln 2. The sum runs from small to
 * large. (The form is that of FDLIBM's e_log.c.) */
static mv log_of(mx *m, split x) {
    mv s = mx_div(m, x.f, mx_addk(m, x.f, 2)), z = mx_mul(m, s, s);
    mv h = mx_mul(m, mx_mulk(m, x.f, 0.5), x.f), r = mx_fma(m, z, mx_poly(m, &math_log, z), h);
    mv a = mx_fma(m, s, r, mx_mul(m, x.e, mx_pick(m, LN2_LO32, LN2_LO64)));
    mv b = mx_sub(m, mx_sub(m, h, a), x.f);
    return mx_fms(m, x.e, mx_pick(m, LN2_HI32, LN2_HI64), b);
}

/* r where 0 < x < inf; the limits elsewhere. */
static mv with_limits(mx *m, mv x, mv r) {
    r = mx_sel(m, mx_ltk(m, x, INFINITY), r, x);
    r = mx_sel(m, mx_eqk(m, x, 0), mx_k(m, -INFINITY), r);
    return mx_sel(m, mx_ltk(m, x, 0), mx_k(m, NAN), r);
}

mv mx_log(mx *m, mv x) { return with_limits(m, x, log_of(m, split_at(m, x))); }

/* log2(1 + f) = log(1 + f) log2(e), with log(1 + f) as two numbers, and e added last. */
mv mx_log2(mx *m, mv x) {
    split p = split_at(m, x);
    mv s = mx_div(m, p.f, mx_addk(m, p.f, 2)), z = mx_mul(m, s, s);
    mv h = mx_mul(m, mx_mulk(m, p.f, 0.5), p.f), r = mx_fma(m, z, mx_poly(m, &math_log, z), h);
    mv hi = mx_sub(m, p.f, h), lo = mx_fma(m, s, r, mx_sub(m, mx_sub(m, p.f, hi), h));
    mdd l = mx_fast_two_sum(m, hi, lo), c = m->t == FRIT_f32 ? mx_kk(m, 0x1.715476p+0, 0x1.4ae0cp-26)
                                                              : mx_kk(m, 0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56);
    mdd v = mx_two_mul(m, l.hi, c.hi);
    v.lo = mx_fma(m, l.lo, c.hi, mx_fma(m, l.hi, c.lo, v.lo));
    mdd w = mx_fast_two_sum(m, p.e, v.hi);
    return with_limits(m, x, mx_add(m, w.hi, mx_add(m, w.lo, v.lo)));
}

/* log(x.hi + x.lo): what is small beside x.hi joins f. From 2^60 on it does not matter. */
static mv log_dd(mx *m, mdd x) {
    split p = split_at(m, x.hi);
    mv near = mx_ltk(m, x.hi, 0x1p60);
    mv lo = mx_sel(m, near, x.lo, mx_k(m, 0)), e = mx_sel(m, near, p.e_int, mx_ik(m, 0));
    mv scale = mx_float(m, mx_shl(m, mx_sub(m, mx_ik(m, m->bias), e), m->fraction)); /* 2^-e */
    p.f = mx_fma(m, lo, scale, p.f);
    return with_limits(m, x.hi, log_of(m, p));
}

mv mx_log1p(mx *m, mv x) {
    mv r = log_dd(m, mx_two_sum(m, mx_k(m, 1), x));
    return mx_sel(m, mx_ltk(m, mx_abs(m, x), m->tiny), x, r);
}

/* sqrt of a number as two. */
static mdd sqrt_dd(mx *m, mv x) {
    mv s = mx_sqrt(m, x), d = mx_div(m, mx_fnma(m, s, s, x), mx_add(m, s, s));
    return (mdd){s, mx_sel(m, mx_eqk(m, s, 0), s, d)};
}

/* log(|x| + sqrt(x^2 + 1)); log 2|x| where x^2 would be large; a polynomial near 0. */
mv mx_asinh(mx *m, mv x) {
    mv a = mx_abs(m, x), z = mx_mul(m, x, x), near = mx_fma(m, mx_mul(m, mx_poly(m, &math_asinh, z), z), x, x);
    double large = m->t == FRIT_f32 ? 0x1p14 : 0x1p30;
    mv b = mx_atmost(m, a, large), w = mx_fma(m, b, b, mx_k(m, 1));
    mdd s = sqrt_dd(m, w), u = mx_two_sum(m, b, s.hi);
    u.lo = mx_add(m, u.lo, s.lo);
    mv huge = mx_gtk(m, a, large), ln2 = mx_sel(m, huge, mx_k(m, 0x1.62e42fefa39efp-1), mx_k(m, 0));
    u.hi = mx_sel(m, huge, a, u.hi);
    u.lo = mx_sel(m, huge, mx_k(m, 0), u.lo);
    mv far = mx_add(m, log_dd(m, u), ln2);
    return mx_copysign(m, mx_sel(m, mx_ltk(m, a, 0.5), near, far), x);
}

/* With t = x - 1: log(1 + t + sqrt(2 t + t^2)). */
mv mx_acosh(mx *m, mv x) {
    double large = m->t == FRIT_f32 ? 0x1p14 : 0x1p30;
    mv t = mx_addk(m, mx_atmost(m, x, large), -1);
    mdd s = sqrt_dd(m, mx_fma(m, t, t, mx_add(m, t, t))), u = mx_two_sum(m, t, s.hi),
        v = mx_two_sum(m, mx_k(m, 1), u.hi);
    v.lo = mx_add(m, v.lo, mx_add(m, u.lo, s.lo));
    mv huge = mx_gtk(m, x, large), ln2 = mx_sel(m, huge, mx_k(m, 0x1.62e42fefa39efp-1), mx_k(m, 0));
    v.hi = mx_sel(m, huge, x, v.hi);
    v.lo = mx_sel(m, huge, mx_k(m, 0), v.lo);
    mv r = mx_add(m, log_dd(m, v), ln2);
    return mx_sel(m, mx_ltk(m, x, 1), mx_k(m, NAN), r);
}

/* log1p(2 |x| / (1 - |x|)) / 2. */
mv mx_atanh(mx *m, mv x) {
    mv a = mx_abs(m, x), z = mx_mul(m, x, x), near = mx_fma(m, mx_mul(m, mx_poly(m, &math_atanh, z), z), x, x);
    mv u = mx_div(m, mx_add(m, a, a), mx_sub(m, mx_k(m, 1), a));
    mv far = mx_mulk(m, log_dd(m, mx_two_sum(m, mx_k(m, 1), u)), 0.5);
    far = mx_sel(m, mx_gtk(m, a, 1), mx_k(m, NAN), far);
    return mx_copysign(m, mx_sel(m, mx_ltk(m, a, 0.5), near, far), x);
}

/* s = f / (2 + f) as two numbers, then 2 s + 2/3 s^3 + s^5 P(s^2), times log2(e), plus e. Relative error about 2^-(2p -
 * 40) for a format of p bits: f64 keeps 65 bits. */
mdd mx_log2_dd(mx *m, mv x) {
    split p = split_at(m, x);
    mv d = mx_addk(m, p.f, 2), d_lo = mx_sub(m, p.f, mx_addk(m, d, -2)), s = mx_div(m, p.f, d);
    mv left = mx_fnma(m, s, d_lo, mx_fnma(m, s, d, p.f)), s_lo = mx_div(m, left, d);
    mdd z = mx_two_mul(m, s, s);
    z.lo = mx_fma(m, mx_add(m, s, s), s_lo, z.lo);
    mdd c = mx_two_mul(m, s, z.hi);
    c.lo = mx_fma(m, s, z.lo, mx_fma(m, s_lo, z.hi, c.lo));
    mdd third = m->t == FRIT_f32 ? mx_kk(m, 0x1.555556p-1, -0x1.555556p-26)
                                 : mx_kk(m, 0x1.5555555555555p-1, 0x1.5555555555555p-55);
    mdd t = mx_two_mul(m, c.hi, third.hi);
    t.lo = mx_fma(m, c.hi, third.lo, mx_fma(m, c.lo, third.hi, t.lo));
    mv tail = mx_mul(m, mx_mul(m, c.hi, z.hi), mx_poly(m, &math_log_tail, z.hi));
    mdd l = mx_fast_two_sum(m, mx_add(m, s, s), t.hi);
    l.lo = mx_add(m, l.lo, mx_add(m, mx_fma(m, mx_k(m, 2), s_lo, t.lo), tail));
    l = mx_fast_two_sum(m, l.hi, l.lo);
    mdd k = m->t == FRIT_f32 ? mx_kk(m, 0x1.715476p+0, 0x1.4ae0cp-26)
                             : mx_kk(m, 0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56);
    mdd v = mx_two_mul(m, l.hi, k.hi);
    v.lo = mx_fma(m, l.hi, k.lo, mx_fma(m, l.lo, k.hi, v.lo));
    mdd w = mx_fast_two_sum(m, p.e, v.hi);
    return (mdd){w.hi, mx_add(m, w.lo, v.lo)};
}
