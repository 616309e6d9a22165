/* Remainders and floor division of floats: exact remainders by long division, about fifty bits of the quotient a turn.
 * f32 is done in f64, whose remainder of the same numbers is the same. */
#include "expand_math_internal.h"

/* floor(log2 v) of a positive finite number, as an integer. */
static mv exponent(mx *m, mv v) {
    mv small = mx_ltk(m, v, 0x1p-1022);
    v = mx_sel(m, small, mx_mulk(m, v, 0x1p54), v);
    mv e = mx_iaddk(m, mx_shr(m, mx_int(m, v), m->fraction), -m->bias);
    return mx_sub(m, e, mx_sel(m, small, mx_ik(m, 54), mx_ik(m, 0)));
}

static mv two_to(mx *m, mv n) { return mx_float(m, mx_shl(m, mx_iaddk(m, n, m->bias), m->fraction)); }

/* r less a multiple of d 2^k, the result at least 0 and below d 2^k; k = what makes the quotient fit, at least 0. */
static mv step(mx *m, mv r, mv d) {
    mv k = mx_iaddk(m, mx_sub(m, exponent(m, r), exponent(m, d)), -50);
    k = ir_binary(&m->b, IR_max, k, mx_ik(m, 0));
    mv half = mx_shr(m, k, 1);
    mv scaled = mx_mul(m, mx_mul(m, d, two_to(m, half)), two_to(m, mx_sub(m, k, half)));
    mv q = ir_unary(&m->b, IR_trunc, mx_div(m, r, scaled)), left = mx_fnma(m, q, scaled, r);
    left = mx_sel(m, mx_ltk(m, left, 0), mx_add(m, left, scaled), left); /* the quotient was rounded up */
    return mx_sel(m, mx_lt(m, r, d), r, left);
}

/* |x| mod |y| for finite a and d > 0; 0 elsewhere makes the loop end. */
static mv divide_out(mx *m, mv a, mv d) {
    ir_op *loop = ir_build(&m->b, IR_twhile, 1, &a, 1, &m->type);
    mx test = *m, body = *m;
    test.b = ir_builder_at_end(m->b.m, loop->blocks[0]);
    mv r = ir_block_add_arg(m->b.m, loop->blocks[0], m->type, NULL);
    mv more = mx_any(&test, ir_binary(&test.b, IR_le, d, r));
    ir_build(&test.b, IR_yield, 2, (mv[]){more, r}, 0, NULL);
    body.b = ir_builder_at_end(m->b.m, loop->blocks[1]);
    r = ir_block_add_arg(m->b.m, loop->blocks[1], m->type, NULL);
    mv next = step(&body, r, d);
    ir_build(&body.b, IR_yield, 1, &next, 0, NULL);
    return ir_result(loop, 0);
}

static mv rem64(mx *m, mv x, mv y) {
    mv a = mx_abs(m, x), d = mx_abs(m, y);
    mv ok = mx_and(m, mx_ltk(m, a, INFINITY), mx_gtk(m, d, 0)); /* y may be infinite: then nothing is taken off */
    mv r = divide_out(m, mx_sel(m, ok, a, mx_k(m, 0)), mx_sel(m, ok, d, mx_k(m, 1)));
    r = mx_copysign(m, r, x);
    r = mx_sel(m, ok, r, mx_k(m, NAN));
    return mx_sel(m, mx_ne(m, y, y), y, r);
}

static mv mod64(mx *m, mv x, mv y) {
    mv r = rem64(m, x, y), other = mx_ne(m, mx_ltk(m, r, 0), mx_ltk(m, y, 0));
    return mx_sel(m, mx_eqk(m, r, 0), mx_copysign(m, r, y), mx_sel(m, other, mx_add(m, r, y), r));
}

/* As NumPy: what the remainder leaves divided by y is whole up to rounding. */
static mv floordiv64(mx *m, mv x, mv y) {
    mv r = rem64(m, x, y), ratio = mx_div(m, x, y), q = mx_div(m, mx_sub(m, x, r), y);
    mv other = mx_and(m, mx_ne(m, r, mx_k(m, 0)), mx_ne(m, mx_ltk(m, r, 0), mx_ltk(m, y, 0)));
    q = mx_sel(m, other, mx_addk(m, q, -1), q);
    mv whole = ir_unary(&m->b, IR_floor, q);
    mv v = mx_sel(m, mx_gtk(m, mx_sub(m, q, whole), 0.5), mx_addk(m, whole, 1), whole);
    v = mx_sel(m, mx_eqk(m, q, 0), mx_copysign(m, mx_k(m, 0), ratio), v);
    return mx_sel(m, mx_eqk(m, y, 0), ratio, v);
}

static mv in_f64(mx *m, mv x, mv y, mv (*f)(mx *m, mv x, mv y)) {
    if (m->t == FRIT_f64) return f(m, x, y);
    mx d = mx_at(m->b, FRIT_f64, m->lanes);
    mv x64 = ir_cast(&d.b, x, FRIT_f64), y64 = ir_cast(&d.b, y, FRIT_f64), r = f(&d, x64, y64);
    m->b = d.b;
    return ir_cast(&m->b, r, m->t);
}

mv mx_rem(mx *m, mv x, mv y) { return in_f64(m, x, y, rem64); }
mv mx_mod(mx *m, mv x, mv y) { return in_f64(m, x, y, mod64); }
mv mx_floordiv(mx *m, mv x, mv y) { return in_f64(m, x, y, floordiv64); }
