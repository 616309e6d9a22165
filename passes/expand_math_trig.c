/* Sine, cosine, tangent: the argument is brought to [-pi/4, pi/4] and a quadrant, then polynomials.
 *
 * Reduction. |x| below `near`: n = round(x 2/pi) and x - n pi/2 with pi/2 in three parts, of which the first difference
 * is exact (Cody and Waite 1980; fma makes full-width parts possible). Otherwise, in a branch that is taken when a lane
 * needs it, Payne and Hanek 1983: the significand times the bits of 2/pi that matter, in limbs of 32 bits. */
#include "expand_math_internal.h"

/* x = q pi/2 + r: q in the low bits. */
typedef struct reduced {
    mdd r;
    mv q;
} reduced;

static double near_limit(const mx *m) { return m->t == FRIT_f32 ? 0x1p16 : 0x1p30; }

static reduced reduce_near(mx *m, mv x) {
    bool single = m->t == FRIT_f32;
    mv magic = mx_k(m, m->round), t = mx_fma(m, x, mx_k(m, 0x1.45f306dc9c883p-1), magic), n = mx_sub(m, t, magic);
    mv r = mx_fma(m, n, mx_k(m, single ? -0x1.921fb6p+0 : -0x1.921fb54442d18p+0), x);
    mdd p = mx_two_mul(m, n, mx_k(m, single ? -0x1.777a5cp-25 : 0x1.1a62633145c07p-54));
    mdd s = mx_two_sum(m, r, mx_neg(m, p.hi));
    s.lo = mx_sub(m, s.lo, p.lo);
    s.lo = mx_fma(m, n, mx_k(m, single ? 0x1.ee59dap-50 : 0x1.f1976b7ed8fbcp-110), s.lo);
    return (reduced){mx_fast_two_sum(m, s.hi, s.lo), mx_int(m, t)};
}

/* ---- Payne and Hanek, in 64-bit lanes. With |x| = M 2^e (M an integer), x / (2 pi) modulo 1 is M 2^(e-2) (2/pi)
 * modulo 1: only limbs of 2/pi from weight 2^-e on matter. */
enum { LIMB = 32, MOST = 6 };
static const int64_t LOW = 0xffffffff;

static ir_type longs(const mx *m) { return ir_vector(FRIT_u64, m->lanes); }

/* The table of 2/pi on the stack: thread IR has no constant memory. */
static mv pi_table(mx *m) {
    ir_builder *b = &m->b;
    sym_t size = sym_const(b->m->syms, MATH_PI_LIMBS);
    ir_type t = ir_ptr(FRIT_u32, IR_REGISTER), eight = ir_vector(FRIT_u32, 8);
    ir_op *local = ir_build(b, IR_local, 0, NULL, 1, &t);
    ir_set_syms(b->m, local, IR_ATTR_size, 1, &size);
    for (int i = 0; i < MATH_PI_LIMBS; i += 8) {
        ir_op *c = ir_build(b, IR_constant, 0, NULL, 1, &eight);
        ir_set_data(b->m, c, IR_ATTR_value, &math_two_over_pi[i], 8 * sizeof *math_two_over_pi);
        mv args[3] = {ir_result(local, 0), ir_splat_int(b, ir_vector(FRIT_i64, 1), i), ir_result(c, 0)};
        ir_build(b, IR_store, 3, args, 0, NULL);
    }
    return ir_result(local, 0);
}

static mv table_limb(mx *m, mv table, mv index) {
    ir_builder *b = &m->b;
    if (m->lanes == 1) {
        ir_type t = ir_vector(FRIT_u32, 1);
        mv args[2] = {table, index};
        return ir_cast(b, ir_result(ir_build(b, IR_load, 2, args, 1, &t), 0), FRIT_u64);
    }
    ir_type t = ir_vector(FRIT_u32, m->lanes);
    mv args[2] = {table, index};
    return ir_cast(b, ir_result(ir_build(b, IR_load_lanes, 2, args, 1, &t), 0), FRIT_u64);
}

/* |x| = M 2^e; with e - 2 = 32 k + s, the limbs of M 2^s, and where in the table the first limb that matters is. */
typedef struct pieces {
    mv limb[3], first;
    int n;
} pieces;

static pieces take_apart(mx *m, mv a) {
    bool single = m->t == FRIT_f32;
    mv u = ir_cast(&m->b, mx_int(m, a), FRIT_u64);
    int64_t fraction = (INT64_C(1) << m->fraction) - 1;
    mv e = mx_iaddk(m, mx_shr(m, u, m->fraction), -(m->bias + m->fraction) - 2 + LIMB);
    mv whole = mx_or(m, mx_andk(m, u, fraction), ir_splat_int(&m->b, u->type, fraction + 1));
    mv s = mx_andk(m, e, LIMB - 1);
    mv lo = ir_binary(&m->b, IR_shl, mx_andk(m, whole, LOW), s);
    mv hi = mx_add(m, ir_binary(&m->b, IR_shl, mx_shr(m, whole, LIMB), s), mx_shr(m, lo, LIMB));
    return (pieces){{mx_andk(m, lo, LOW), mx_andk(m, hi, LOW), mx_shr(m, hi, LIMB)},
                         ir_cast(&m->b, mx_shr(m, e, 5), FRIT_i64),
                         single ? 2 : 3};
}

/* Limbs r[1 .. n] behind the point of the product, carried through; what is before the point is dropped. */
static void fraction_limbs(mx *m, pieces s, int n, mv *r) {
    mv table = pi_table(m), t[MOST + 3], zero = ir_splat_int(&m->b, longs(m), 0);
    for (int i = 0; i < n + s.n - 1; i++) t[i] = table_limb(m, table, mx_iaddk(m, s.first, i));
    for (int j = 0; j <= n; j++) r[j] = zero;
    for (int j = 1; j <= n; j++)
        for (int i = 0; i < s.n; i++) {
            mv p = mx_mul(m, s.limb[i], t[j - 1 + i]);
            r[j] = mx_add(m, r[j], mx_andk(m, p, LOW));
            r[j - 1] = mx_add(m, r[j - 1], mx_shr(m, p, LIMB));
        }
    for (int j = n; j >= 1; j--) {
        r[j - 1] = mx_add(m, r[j - 1], mx_shr(m, r[j], LIMB));
        r[j] = mx_andk(m, r[j], LOW);
    }
}

/* The angle from limbs: a quarter turn is 2^30 of the first; the rest, signed, times 2 pi. In f64. */
static mdd angle(mx *m, mv *r, mv quarter, int n) {
    mx d = mx_at(m->b, FRIT_f64, m->lanes);
    mv first = mx_sub(&d, ir_cast(&d.b, r[1], FRIT_i64), mx_shl(&d, ir_cast(&d.b, quarter, FRIT_i64), 30));
    mv part[MOST];
    for (int j = 1; j < n; j++) {
        mv limb = j == 1 ? first : ir_cast(&d.b, r[j], FRIT_i64);
        part[j] = mx_mulk(&d, ir_cast(&d.b, limb, FRIT_f64), ldexp(1, -LIMB * j));
    }
    mdd s = mx_two_sum(&d, part[1], part[2]);
    mv rest = part[n - 1];
    for (int j = n - 2; j > 2; j--) rest = mx_add(&d, rest, part[j]);
    if (n > 3) s.lo = mx_add(&d, s.lo, rest);
    s = mx_fast_two_sum(&d, s.hi, s.lo);
    mdd v = mx_two_mul(&d, s.hi, mx_k(&d, 0x1.921fb54442d18p+2));
    v.lo = mx_fma(&d, s.hi, mx_k(&d, 0x1.1a62633145c07p-52), v.lo);
    v.lo = mx_fma(&d, s.lo, mx_k(&d, 0x1.921fb54442d18p+2), v.lo);
    m->b = d.b;
    if (m->t == FRIT_f64) return mx_fast_two_sum(m, v.hi, v.lo);
    mv hi = ir_cast(&m->b, v.hi, FRIT_f32), back = ir_cast(&m->b, hi, FRIT_f64);
    return (mdd){hi, ir_cast(&m->b, ir_binary(&m->b, IR_sub, v.hi, back), FRIT_f32)};
}

/* Infinities and NaN are not: their result does not come from here. */
static mv is_far_lane(mx *m, mv a) {
    mv large = ir_binary(&m->b, IR_le, mx_k(m, near_limit(m)), a);
    return mx_and(m, large, mx_ltk(m, a, INFINITY));
}

/* a >= near_limit, finite. */
static reduced reduce_far(mx *m, mv a) {
    int n = m->t == FRIT_f32 ? 4 : 5; /* limbs; the last only feeds carries */
    mv r[MOST + 1];
    fraction_limbs(m, take_apart(m, a), n, r);
    mv quarter = mx_shr(m, mx_iaddk(m, r[1], INT64_C(1) << 29), 30);
    return (reduced){angle(m, r, quarter, n), ir_cast(&m->b, quarter, (frit_dtype)m->bits.dtype)};
}

/* Both, each lane taking its own. */
static reduced reduce_both(mx *m, mv x, reduced near) {
    mv a = mx_abs(m, x), far_lane = is_far_lane(m, a);
    reduced far = reduce_far(m, mx_sel(m, far_lane, a, mx_k(m, near_limit(m))));
    mv sign = mx_sign_bit(m, x), negative = mx_ltk(m, x, 0);
    far.r.hi = mx_with_sign(m, far.r.hi, sign);
    far.r.lo = mx_with_sign(m, far.r.lo, sign);
    far.q = mx_sel(m, negative, ir_unary(&m->b, IR_neg, far.q), far.q);
    return (reduced){{mx_sel(m, far_lane, far.r.hi, near.r.hi), mx_sel(m, far_lane, far.r.lo, near.r.lo)},
                     mx_sel(m, far_lane, far.q, near.q)};
}

static reduced reduce(mx *m, mv x) {
    reduced near = reduce_near(m, x);
    mv a = mx_abs(m, x), any = mx_any(m, is_far_lane(m, a));
    ir_type t[3] = {m->type, m->type, m->bits};
    ir_op *branch = ir_build(&m->b, IR_tif, 1, &any, 3, t);
    mx far = *m;
    far.b = ir_builder_at_end(m->b.m, branch->blocks[0]);
    reduced both = reduce_both(&far, x, near);
    ir_build(&far.b, IR_yield, 3, (mv[]){both.r.hi, both.r.lo, both.q}, 0, NULL);
    ir_builder no = ir_builder_at_end(m->b.m, branch->blocks[1]);
    ir_build(&no, IR_yield, 3, (mv[]){near.r.hi, near.r.lo, near.q}, 0, NULL);
    return (reduced){{ir_result(branch, 0), ir_result(branch, 1)}, ir_result(branch, 2)};
}

/* ---- Polynomials on r.hi + r.lo; the results are sums still to be rounded */
static mdd sin_poly(mx *m, mdd r, mv z) {
    mv c = mx_mul(m, z, r.hi);
    return (mdd){r.hi, mx_fma(m, c, mx_poly(m, &math_sin, z), r.lo)};
}

/* 1 - z/2 rounds; what it lost comes back with the rest. */
static mdd cos_poly(mx *m, mdd r, mv z) {
    mv h = mx_mulk(m, z, 0.5), w = mx_sub(m, mx_k(m, 1), h), lost = mx_sub(m, mx_sub(m, mx_k(m, 1), w), h);
    return (mdd){w, mx_fma(m, mx_mul(m, z, z), mx_poly(m, &math_cos, z), mx_fnma(m, r.hi, r.lo, lost))};
}

static mv rounded(mx *m, mdd x) { return mx_add(m, x.hi, x.lo); }

/* Bit 0 of q as a condition; bit 1 moved to the sign. */
static mv is_odd(mx *m, mv q) { return mx_ne(m, mx_andk(m, q, 1), mx_ik(m, 0)); }
static mv half_turn(mx *m, mv q) { return mx_shl(m, mx_andk(m, q, 2), m->fraction == 23 ? 30 : 62); }

static mv or_nan(mx *m, mv x, mv r) { return mx_sel(m, mx_ltk(m, mx_abs(m, x), INFINITY), r, mx_k(m, NAN)); }

static mv sine(mx *m, mv x, int quarters) {
    reduced p = reduce(m, x);
    mv q = quarters ? mx_iaddk(m, p.q, quarters) : p.q, z = mx_mul(m, p.r.hi, p.r.hi);
    mv r = mx_sel(m, is_odd(m, q), rounded(m, cos_poly(m, p.r, z)), rounded(m, sin_poly(m, p.r, z)));
    return or_nan(m, x, mx_with_sign(m, r, half_turn(m, q)));
}

mv mx_sin(mx *m, mv x) {
    mv r = sine(m, x, 0);
    return mx_sel(m, mx_ltk(m, mx_abs(m, x), m->tiny), x, r);
}

mv mx_cos(mx *m, mv x) { return sine(m, x, 1); }

/* sin / cos, or -cos / sin in odd quadrants; the quotient is corrected by what it leaves. */
mv mx_tan(mx *m, mv x) {
    reduced p = reduce(m, x);
    mv z = mx_mul(m, p.r.hi, p.r.hi), odd = is_odd(m, p.q);
    mdd s = sin_poly(m, p.r, z), c = cos_poly(m, p.r, z);
    s = mx_fast_two_sum(m, s.hi, s.lo);
    c = mx_fast_two_sum(m, c.hi, c.lo);
    mdd n = {mx_sel(m, odd, mx_neg(m, c.hi), s.hi), mx_sel(m, odd, mx_neg(m, c.lo), s.lo)};
    mdd d = {mx_sel(m, odd, s.hi, c.hi), mx_sel(m, odd, s.lo, c.lo)};
    mv t = mx_div(m, n.hi, d.hi), left = mx_add(m, mx_fnma(m, t, d.hi, n.hi), mx_fnma(m, t, d.lo, n.lo));
    mv r = mx_add(m, t, mx_div(m, left, d.hi));
    return mx_sel(m, mx_ltk(m, mx_abs(m, x), m->tiny), x, or_nan(m, x, r));
}
