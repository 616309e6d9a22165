/* What the files of expand_math share: short names for building arithmetic. An expansion is a function from values to a
 * value; the cursor and the type travel in `mx`. */
#ifndef FRIT_PASSES_EXPAND_MATH_INTERNAL_H
#define FRIT_PASSES_EXPAND_MATH_INTERNAL_H
#include "expand_math.h"
#include <math.h>

/* f32 or f64 in some number of lanes, and the format's constants. */
typedef struct mx {
    ir_builder b;
    frit_dtype t;
    int lanes;
    ir_type type;  /* floats */
    ir_type bits;  /* integers of the same width */
    int fraction;  /* stored bits of the significand: 23, 52 */
    int bias;      /* 127, 1023 */
    double round;  /* 1.5 * 2^fraction: adding it rounds to an integer, which its low bits then hold */
    double tiny;   /* below, sin x, e^x - 1 and their like are x */
} mx;
mx mx_at(ir_builder b, frit_dtype t, int lanes);

/* Polynomial coefficients, lowest degree first. */
typedef struct math_poly {
    int n32;
    double c32[16];
    int n64;
    double c64[16];
} math_poly;
extern const math_poly math_exp, math_exp2, math_expm1, math_log, math_log_tail, math_sin, math_cos, math_asin,
    math_atan, math_sinh, math_tanh, math_asinh, math_atanh, math_erf, math_erfc_1_4, math_erfc_1_2, math_erfc_2_6;
enum { MATH_PI_LIMBS = 40 };
extern const uint32_t math_two_over_pi[MATH_PI_LIMBS];

typedef ir_value *mv;

/* What texts for people call x. */
static inline mv mx_named(mv x, const char *name) {
    x->hint = name;
    return x;
}

/* ---- arithmetic */
static inline mv mx_k(mx *m, double v) { return ir_splat(&m->b, m->type, v); }
static inline mv mx_pick(mx *m, double v32, double v64) { return mx_k(m, m->t == FRIT_f32 ? v32 : v64); }
static inline mv mx_add(mx *m, mv x, mv y) { return ir_binary(&m->b, IR_add, x, y); }
static inline mv mx_sub(mx *m, mv x, mv y) { return ir_binary(&m->b, IR_sub, x, y); }
static inline mv mx_mul(mx *m, mv x, mv y) { return ir_binary(&m->b, IR_mul, x, y); }
static inline mv mx_div(mx *m, mv x, mv y) { return ir_binary(&m->b, IR_div, x, y); }
static inline mv mx_fma(mx *m, mv x, mv y, mv z) { return ir_fma(&m->b, x, y, z); }
static inline mv mx_neg(mx *m, mv x) { return ir_unary(&m->b, IR_neg, x); }
static inline mv mx_abs(mx *m, mv x) { return ir_unary(&m->b, IR_abs, x); }
static inline mv mx_sqrt(mx *m, mv x) { return ir_unary(&m->b, IR_sqrt, x); }
static inline mv mx_addk(mx *m, mv x, double v) { return mx_add(m, x, mx_k(m, v)); }
static inline mv mx_mulk(mx *m, mv x, double v) { return mx_mul(m, x, mx_k(m, v)); }
/* x * y - z and z - x * y, rounded once. */
static inline mv mx_fms(mx *m, mv x, mv y, mv z) { return mx_fma(m, x, y, mx_neg(m, z)); }
static inline mv mx_fnma(mx *m, mv x, mv y, mv z) { return mx_fma(m, mx_neg(m, x), y, z); }
/* ---- choice */
static inline mv mx_lt(mx *m, mv x, mv y) { return ir_binary(&m->b, IR_lt, x, y); }
static inline mv mx_eq(mx *m, mv x, mv y) { return ir_binary(&m->b, IR_eq, x, y); }
static inline mv mx_ne(mx *m, mv x, mv y) { return ir_binary(&m->b, IR_ne, x, y); }
static inline mv mx_ltk(mx *m, mv x, double v) { return mx_lt(m, x, mx_k(m, v)); }
static inline mv mx_gtk(mx *m, mv x, double v) { return mx_lt(m, mx_k(m, v), x); }
static inline mv mx_eqk(mx *m, mv x, double v) { return mx_eq(m, x, mx_k(m, v)); }
static inline mv mx_sel(mx *m, mv c, mv x, mv y) { return ir_select(&m->b, c, x, y); }
static inline mv mx_and(mx *m, mv x, mv y) { return ir_binary(&m->b, IR_and, x, y); }
static inline mv mx_or(mx *m, mv x, mv y) { return ir_binary(&m->b, IR_or, x, y); }
static inline mv mx_xor(mx *m, mv x, mv y) { return ir_binary(&m->b, IR_xor, x, y); }
/* x inside [lo, hi]; NaN stays. */
static inline mv mx_atleast(mx *m, mv x, double lo) { return mx_sel(m, mx_ltk(m, x, lo), mx_k(m, lo), x); }
static inline mv mx_atmost(mx *m, mv x, double hi) { return mx_sel(m, mx_gtk(m, x, hi), mx_k(m, hi), x); }
/* ---- bits */
static inline mv mx_ik(mx *m, int64_t v) { return ir_splat_int(&m->b, m->bits, v); }
static inline mv mx_cast_bits(mx *m, mv x, ir_type t) {
    return ir_result(ir_build(&m->b, IR_bitcast, 1, &x, 1, &t), 0);
}
static inline mv mx_int(mx *m, mv x) { return mx_cast_bits(m, x, m->bits); }
static inline mv mx_float(mx *m, mv x) { return mx_cast_bits(m, x, m->type); }
static inline mv mx_shl(mx *m, mv x, int n) {
    return ir_binary(&m->b, IR_shl, x, ir_splat_int(&m->b, x->type, n));
}
static inline mv mx_shr(mx *m, mv x, int n) {
    return ir_binary(&m->b, IR_shr, x, ir_splat_int(&m->b, x->type, n));
}
static inline mv mx_andk(mx *m, mv x, int64_t v) { return mx_and(m, x, ir_splat_int(&m->b, x->type, v)); }
static inline mv mx_iaddk(mx *m, mv x, int64_t v) { return mx_add(m, x, ir_splat_int(&m->b, x->type, v)); }
mv mx_sign_bit(mx *m, mv x);          /* as an integer: the sign bit alone */
mv mx_with_sign(mx *m, mv x, mv sign); /* x with its sign flipped where `sign` has the sign bit */
mv mx_copysign(mx *m, mv x, mv y);
mv mx_any(mx *m, mv cond); /* scalar bool: some lane */
/* ---- composites */
mv mx_poly(mx *m, const math_poly *p, mv x);
/* A number too precise for one value: hi + lo, |lo| at most half a unit of hi. */
typedef struct mdd {
    mv hi, lo;
} mdd;
mdd mx_two_sum(mx *m, mv x, mv y);      /* exact */
mdd mx_fast_two_sum(mx *m, mv x, mv y); /* exact if |x| >= |y| or x = 0 */
mdd mx_two_mul(mx *m, mv x, mv y);      /* exact */
/* The constant c (a string of digits would do no better: c_hi + c_lo are the two parts). */
static inline mdd mx_kk(mx *m, double hi, double lo) { return (mdd){mx_k(m, hi), mx_k(m, lo)}; }

/* ---- the functions, by file */
/* expand_math_exp.c */
mv mx_exp(mx *m, mv x);
mv mx_exp2(mx *m, mv x);
mv mx_exp2_dd(mx *m, mdd x);
mv mx_expm1(mx *m, mv x);
mv mx_sinh(mx *m, mv x);
mv mx_cosh(mx *m, mv x);
mv mx_tanh(mx *m, mv x);
mv mx_erf(mx *m, mv x);
/* expand_math_log.c */
mv mx_log(mx *m, mv x);
mv mx_log2(mx *m, mv x);
mv mx_log1p(mx *m, mv x);
mv mx_asinh(mx *m, mv x);
mv mx_acosh(mx *m, mv x);
mv mx_atanh(mx *m, mv x);
mdd mx_log2_dd(mx *m, mv x); /* of a positive finite number, with twice the precision less a few bits */
/* expand_math_trig.c */
mv mx_sin(mx *m, mv x);
mv mx_cos(mx *m, mv x);
mv mx_tan(mx *m, mv x);
/* expand_math_arc.c */
mv mx_asin(mx *m, mv x);
mv mx_acos(mx *m, mv x);
mv mx_atan(mx *m, mv x);
mv mx_atan2(mx *m, mv y, mv x);
/* expand_math_pow.c */
mv mx_pow(mx *m, mv x, mv y);
mv expand_int_pow(ir_builder *b, mv x, mv y);
/* expand_math_rem.c */
mv mx_rem(mx *m, mv x, mv y);
mv mx_mod(mx *m, mv x, mv y);
mv mx_floordiv(mx *m, mv x, mv y);
#endif
