/* Powers. Floats: 2^(y log2|x|) with the logarithm to more than the format's precision, then C's list of cases.
 * Integers: squaring. */
#include "expand_math_internal.h"

/* Small constant powers are products. NULL: not one of them. */
static mv constant_power(mx *m, mv x, mv y) {
    double n;
    if (!ir_splat_value(y, &n)) return NULL;
    if (n == 1) return x;
    if (n == 2) return mx_mul(m, x, x);
    if (n == 3) return mx_mul(m, mx_mul(m, x, x), x);
    if (n == -1) return mx_div(m, mx_k(m, 1), x);
    return NULL;
}

/* |x|^y for finite x other than 0. f32 goes through f64, where one number is precise enough. */
static mv positive_power(mx *m, mv a, mv y) {
    mx d = mx_at(m->b, FRIT_f64, m->lanes);
    mv y64 = ir_cast(&d.b, y, FRIT_f64), x64 = ir_cast(&d.b, a, FRIT_f64);
    mv r;
    if (m->t == FRIT_f32) {
        r = mx_exp2(&d, mx_mul(&d, y64, mx_log2(&d, x64)));
    } else {
        mdd l = mx_log2_dd(&d, x64), w = mx_two_mul(&d, y64, l.hi);
        w.lo = mx_fma(&d, y64, l.lo, w.lo);
        w.lo = mx_sel(&d, mx_ltk(&d, mx_abs(&d, w.hi), 2000), w.lo, mx_k(&d, 0)); /* 0 or infinity already */
        r = mx_exp2_dd(&d, w);
    }
    m->b = d.b;
    return ir_cast(&m->b, r, m->t);
}

static mv is_whole(mx *m, mv y) { return mx_eq(m, ir_unary(&m->b, IR_trunc, y), y); }

mv mx_pow(mx *m, mv x, mv y) {
    mv easy = constant_power(m, x, y);
    if (easy) return easy;
    mv a = mx_abs(m, x), one = mx_k(m, 1), zero = mx_k(m, 0), inf = mx_k(m, INFINITY);
    mv r = positive_power(m, a, y);
    mv is_zero = mx_eqk(m, a, 0), is_inf = mx_eqk(m, a, INFINITY), down = mx_ltk(m, y, 0);
    r = mx_sel(m, is_zero, mx_sel(m, down, inf, zero), r);
    r = mx_sel(m, is_inf, mx_sel(m, down, zero, inf), r);
    r = mx_sel(m, mx_eqk(m, a, 1), one, r); /* also for infinite y */
    mv whole = is_whole(m, y), odd = mx_and(m, whole, ir_unary(&m->b, IR_not, is_whole(m, mx_mulk(m, y, 0.5))));
    mv flip = mx_and(m, odd, mx_ne(m, mx_sign_bit(m, x), mx_ik(m, 0)));
    r = mx_sel(m, flip, mx_neg(m, r), r);
    mv root = mx_and(m, mx_and(m, mx_ltk(m, x, 0), mx_gtk(m, x, -INFINITY)), ir_unary(&m->b, IR_not, whole));
    r = mx_sel(m, root, mx_k(m, NAN), r);
    mv nan = mx_or(m, mx_ne(m, x, x), mx_ne(m, y, y));
    r = mx_sel(m, nan, mx_add(m, x, y), r);
    return mx_sel(m, mx_or(m, mx_eqk(m, y, 0), mx_eqk(m, x, 1)), one, r);
}

/* ---- Integers */
static mv splat_like(ir_builder *b, mv x, int64_t v) { return ir_splat_int(b, x->type, v); }

static mv any_lane(ir_builder *b, mv cond) {
    mx m = mx_at(*b, FRIT_f32, cond->type.lanes);
    mv r = mx_any(&m, cond);
    *b = m.b;
    return r;
}

/* while some n is not 0: r *= base where n is odd; base *= base; n /= 2. */
static mv square_loop(ir_builder *b, mv x, mv n) {
    mv start[3] = {splat_like(b, x, 1), x, n};
    ir_type t[3] = {x->type, x->type, x->type};
    ir_op *loop = ir_build(b, IR_twhile, 3, start, 3, t);
    mv v[3];
    ir_builder test = ir_builder_at_end(b->m, loop->blocks[0]), body = ir_builder_at_end(b->m, loop->blocks[1]);
    for (int i = 0; i < 3; i++) v[i] = ir_block_add_arg(b->m, loop->blocks[0], t[i], NULL);
    mv more = any_lane(&test, ir_binary(&test, IR_ne, v[2], splat_like(&test, v[2], 0)));
    ir_build(&test, IR_yield, 4, (mv[]){more, v[0], v[1], v[2]}, 0, NULL);
    for (int i = 0; i < 3; i++) v[i] = ir_block_add_arg(b->m, loop->blocks[1], t[i], NULL);
    mv one = splat_like(&body, x, 1), bit = ir_binary(&body, IR_eq, ir_binary(&body, IR_and, v[2], one), one);
    mv r = ir_select(&body, bit, ir_binary(&body, IR_mul, v[0], v[1]), v[0]);
    mv base = ir_binary(&body, IR_mul, v[1], v[1]), half = ir_binary(&body, IR_shr, v[2], one);
    ir_build(&body, IR_yield, 3, (mv[]){r, base, half}, 0, NULL);
    return ir_result(loop, 0);
}

mv expand_int_pow(ir_builder *b, mv x, mv y) {
    if (frit_dtype_kind_of((frit_dtype)x->type.dtype) != FRIT_KIND_SINT) return square_loop(b, x, y);
    mv zero = splat_like(b, x, 0), one = splat_like(b, x, 1), minus = splat_like(b, x, -1);
    mv down = ir_binary(b, IR_lt, y, zero);
    mv r = square_loop(b, x, ir_select(b, down, zero, y));
    mv odd = ir_binary(b, IR_eq, ir_binary(b, IR_and, y, one), one);
    mv unit = ir_select(b, ir_binary(b, IR_eq, x, one), one,
                        ir_select(b, ir_binary(b, IR_eq, x, minus), ir_select(b, odd, minus, one), zero));
    return ir_select(b, down, unit, r);
}
