/* Inverse trigonometric functions. */
#include "expand_math_internal.h"

/* x + x^3 P(x^2) with z = x^2. */
static mv odd_poly(mx *m, const math_poly *p, mv x, mv z) { return mx_fma(m, mx_mul(m, mx_poly(m, p, z), z), x, x); }

/* hi + lo is pi * scale (a power of two). */
static mdd pi_times(mx *m, double scale) {
    return m->t == FRIT_f32 ? mx_kk(m, 0x1.921fb6p+1 * scale, -0x1.777a5cp-24 * scale)
                            : mx_kk(m, 0x1.921fb54442d18p+1 * scale, 0x1.1a62633145c07p-53 * scale);
}

/* asin(sqrt((1 - a) / 2)) = asin-like polynomial of s = sqrt(z), z = (1 - a) / 2 exact; what the root lost is put back.
 * pi/2 - 2 times it is asin(a), twice it is acos(a). */
static mdd half_arc(mx *m, mv a) {
    mv z = mx_mulk(m, mx_sub(m, mx_k(m, 1), a), 0.5), s = mx_sqrt(m, z);
    mv lost = mx_div(m, mx_fnma(m, s, s, z), mx_add(m, s, s));
    lost = mx_sel(m, mx_eqk(m, z, 0), mx_k(m, 0), lost);
    return (mdd){s, mx_fma(m, mx_mul(m, mx_poly(m, &math_asin, z), z), s, lost)};
}

mv mx_asin(mx *m, mv x) {
    mv a = mx_abs(m, x), near = odd_poly(m, &math_asin, x, mx_mul(m, x, x));
    mdd h = half_arc(m, a), q = pi_times(m, 0.5);
    mv far = mx_sub(m, mx_fma(m, h.hi, mx_k(m, -2), q.hi), mx_fms(m, mx_k(m, 2), h.lo, q.lo));
    return mx_copysign(m, mx_sel(m, mx_ltk(m, a, 0.5), near, far), x);
}

mv mx_acos(mx *m, mv x) {
    mv a = mx_abs(m, x), z = mx_mul(m, x, x), cube = mx_mul(m, mx_mul(m, mx_poly(m, &math_asin, z), z), x);
    mdd q = pi_times(m, 0.5), p = pi_times(m, 1), h = half_arc(m, a);
    mv mid = mx_sub(m, q.hi, mx_sub(m, x, mx_sub(m, q.lo, cube)));
    mv twice = mx_mulk(m, mx_add(m, h.hi, h.lo), 2);
    mv far = mx_sel(m, mx_ltk(m, x, 0), mx_sub(m, p.hi, mx_sub(m, twice, p.lo)), twice);
    return mx_sel(m, mx_ltk(m, a, 0.5), mid, far);
}

/* atan of n/d >= 0 for n, d >= 0, not both 0 or infinite. With t = min/max: t above sqrt 2 - 1 is turned by pi/4
 * through (t - 1) / (t + 1), which is formed from n and d with one rounding each; then the octants. */
static mv atan_ratio(mx *m, mv n, mv d) {
    mv steep = mx_lt(m, d, n), lo = mx_sel(m, steep, d, n), hi = mx_sel(m, steep, n, d);
    mv turned = mx_lt(m, mx_mulk(m, hi, 0x1.a827999fcef32p-2), lo);
    mdd num = mx_two_sum(m, lo, mx_neg(m, hi)), den = mx_two_sum(m, lo, hi);
    mv zero = mx_k(m, 0);
    mv p = mx_sel(m, turned, num.hi, lo), q = mx_sel(m, turned, den.hi, hi);
    mv p_lo = mx_sel(m, turned, num.lo, zero), q_lo = mx_sel(m, turned, den.lo, zero);
    mv t = mx_div(m, p, q);
    mv left = mx_fnma(m, t, q_lo, mx_add(m, mx_fnma(m, t, q, p), p_lo)), t_lo = mx_div(m, left, q);
    mv z = mx_mul(m, t, t), tail = mx_fma(m, mx_mul(m, mx_poly(m, &math_atan, z), z), t, t_lo);
    mdd e = pi_times(m, 0.25), h = pi_times(m, 0.5);
    /* angle = base + t + tail, or pi/2 less that */
    mdd base = {mx_sel(m, turned, e.hi, zero), mx_sel(m, turned, e.lo, zero)};
    mdd s = mx_fast_two_sum(m, base.hi, t);
    s.lo = mx_add(m, s.lo, mx_add(m, tail, base.lo));
    mv gentle = mx_add(m, s.hi, s.lo);
    mdd c = mx_two_sum(m, h.hi, mx_neg(m, s.hi));
    mv steeply = mx_add(m, c.hi, mx_add(m, mx_sub(m, c.lo, s.lo), h.lo));
    return mx_sel(m, steep, steeply, gentle);
}

mv mx_atan(mx *m, mv x) {
    mv a = mx_abs(m, x), large = mx_gtk(m, a, 0x1p100); /* pi/2 long before; spares the sums an overflow */
    mv r = atan_ratio(m, mx_sel(m, large, mx_k(m, 0x1p100), a), mx_k(m, 1));
    r = mx_sel(m, mx_ltk(m, a, m->tiny), a, r);
    return mx_copysign(m, r, x);
}

/* Both scaled by a power of two to where sums and quotients neither overflow nor lose bits. */
static void scale_pair(mx *m, mv *y, mv *x) {
    bool single = m->t == FRIT_f32;
    mv a = mx_abs(m, *x), b = mx_abs(m, *y), top = mx_sel(m, mx_lt(m, a, b), b, a);
    mv large = mx_gtk(m, top, single ? 0x1p100 : 0x1p1000), small = mx_ltk(m, top, single ? 0x1p-60 : 0x1p-500);
    mv k = mx_sel(m, large, mx_pick(m, 0x1p-64, 0x1p-520), mx_sel(m, small, mx_pick(m, 0x1p64, 0x1p520), mx_k(m, 1)));
    *x = mx_mul(m, a, k);
    *y = mx_mul(m, b, k);
}

/* Infinite: each infinity stands for 1, what is finite beside it for 0. Both zero: the ratio 0/1. */
mv mx_atan2(mx *m, mv y, mv x) {
    mv a = x, b = y;
    scale_pair(m, &b, &a);
    mv x_inf = mx_eqk(m, a, INFINITY), y_inf = mx_eqk(m, b, INFINITY), inf = mx_or(m, x_inf, y_inf);
    mv one = mx_k(m, 1), zero = mx_k(m, 0);
    mv n = mx_sel(m, inf, mx_sel(m, y_inf, one, zero), b), d = mx_sel(m, inf, mx_sel(m, x_inf, one, zero), a);
    mv none = mx_and(m, mx_eqk(m, n, 0), mx_eqk(m, d, 0));
    d = mx_sel(m, none, one, d);
    mv r = atan_ratio(m, n, d);
    mdd p = pi_times(m, 1);
    mv left = mx_ne(m, mx_sign_bit(m, x), mx_ik(m, 0));
    r = mx_sel(m, left, mx_sub(m, p.hi, mx_sub(m, r, p.lo)), r);
    r = mx_copysign(m, r, y);
    mv nan = mx_or(m, mx_ne(m, x, x), mx_ne(m, y, y));
    return mx_sel(m, nan, mx_add(m, x, y), r);
}
