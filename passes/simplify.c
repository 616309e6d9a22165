/* Identities of elementwise ops, as tables where they are regular.
 *
 * Terminates because each rule gives an operand, a constant, or an op of a smaller weight: the weight of a program
 * counts its ops, with pow, div and casts counting more than what replaces them (mul, a shorter chain), negations more
 * when they are further from the results, and `not` more above a comparison than inside it.
 *
 * Rules are exact (the bits that the typed interpreter gives, NaN payloads aside) unless marked inexact. A float x +
 * 0 is x only where x cannot be -0. */
#include "rewrite.h"
#include <math.h>

typedef enum dtype_class {
    FLOATS = 1, INTS = 2, BOOLS = 4, NUMBERS = FLOATS | INTS, BITS = INTS | BOOLS, ANY = 7
} dtype_class;
typedef enum side { LEFT = 1, RIGHT = 2, EITHER = 3 } side;
typedef enum number { ZERO, MINUS_ZERO, ONE, MINUS_ONE, LOWEST, HIGHEST, ALL_BITS } number;
typedef enum outcome { THE_OTHER, NOT_THE_OTHER, NEGATED, THE_NUMBER, GIVES_ZERO, GIVES_ONE } outcome;

/* op with the constant `value` on side `at` is `gives`. */
static const struct constant_rule {
    ir_opcode op;
    dtype_class of;
    side at;
    number value;
    outcome gives;
} constant_rules[] = {
    {IR_add, FLOATS, EITHER, MINUS_ZERO, THE_OTHER},
    {IR_add, INTS, EITHER, ZERO, THE_OTHER},
    {IR_sub, NUMBERS, RIGHT, ZERO, THE_OTHER},
    {IR_sub, INTS, LEFT, ZERO, NEGATED},
    {IR_sub, FLOATS, LEFT, MINUS_ZERO, NEGATED},
    {IR_mul, NUMBERS, EITHER, ONE, THE_OTHER},
    {IR_mul, NUMBERS, EITHER, MINUS_ONE, NEGATED},
    {IR_mul, INTS, EITHER, ZERO, THE_NUMBER},
    {IR_div, FLOATS, RIGHT, ONE, THE_OTHER},
    {IR_div, FLOATS, RIGHT, MINUS_ONE, NEGATED},
    {IR_floordiv, INTS, RIGHT, ONE, THE_OTHER},
    {IR_truncdiv, INTS, RIGHT, ONE, THE_OTHER},
    {IR_mod, INTS, RIGHT, ONE, GIVES_ZERO},
    {IR_rem, INTS, RIGHT, ONE, GIVES_ZERO},
    {IR_pow, NUMBERS, RIGHT, ONE, THE_OTHER},
    {IR_pow, NUMBERS, RIGHT, ZERO, GIVES_ONE},
    {IR_max, ANY, EITHER, LOWEST, THE_OTHER},
    {IR_min, ANY, EITHER, HIGHEST, THE_OTHER},
    {IR_max, BITS, EITHER, HIGHEST, THE_NUMBER},
    {IR_min, BITS, EITHER, LOWEST, THE_NUMBER},
    {IR_and, BITS, EITHER, ALL_BITS, THE_OTHER},
    {IR_and, BITS, EITHER, ZERO, THE_NUMBER},
    {IR_or, BITS, EITHER, ZERO, THE_OTHER},
    {IR_or, BITS, EITHER, ALL_BITS, THE_NUMBER},
    {IR_xor, BITS, EITHER, ZERO, THE_OTHER},
    {IR_xor, BOOLS, EITHER, ALL_BITS, NOT_THE_OTHER},
    {IR_shl, INTS, RIGHT, ZERO, THE_OTHER},
    {IR_shr, INTS, RIGHT, ZERO, THE_OTHER},
    {IR_eq, BOOLS, EITHER, ALL_BITS, THE_OTHER},
    {IR_eq, BOOLS, EITHER, ZERO, NOT_THE_OTHER},
    {IR_ne, BOOLS, EITHER, ZERO, THE_OTHER},
    {IR_ne, BOOLS, EITHER, ALL_BITS, NOT_THE_OTHER},
};

/* op(x, x) */
static const struct equal_rule {
    ir_opcode op;
    dtype_class of;
    outcome gives;
} equal_rules[] = {
    {IR_sub, INTS, GIVES_ZERO}, {IR_xor, BITS, GIVES_ZERO}, {IR_and, BITS, THE_OTHER}, {IR_or, BITS, THE_OTHER},
    {IR_min, ANY, THE_OTHER},   {IR_max, ANY, THE_OTHER},   {IR_eq, BITS, GIVES_ONE},  {IR_le, BITS, GIVES_ONE},
    {IR_ne, BITS, GIVES_ZERO},  {IR_lt, ANY, GIVES_ZERO},
};

/* outer(inner(x)): x itself, or `as` of x. */
static const struct nested_rule {
    ir_opcode outer, inner, as;
} nested_rules[] = {
    {IR_neg, IR_neg, IR_OP_INVALID}, {IR_not, IR_not, IR_OP_INVALID},
    {IR_abs, IR_abs, IR_abs},        {IR_abs, IR_neg, IR_abs},
    {IR_floor, IR_floor, IR_floor},  {IR_ceil, IR_ceil, IR_ceil},     {IR_round, IR_round, IR_round},
    {IR_trunc, IR_trunc, IR_trunc},  {IR_sign, IR_sign, IR_sign},
};

/* not(op(x, y)): `as`, with the operands swapped or not. On floats only what holds for NaN. */
static const struct negation_rule {
    ir_opcode op, as;
    dtype_class of;
    bool swap;
} negation_rules[] = {
    {IR_eq, IR_ne, ANY, false}, {IR_ne, IR_eq, ANY, false}, {IR_lt, IR_le, BITS, true}, {IR_le, IR_lt, BITS, true},
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

static dtype_class class_of(ir_type t) {
    return is_float_type(t) ? FLOATS : t.dtype == FRIT_bool ? BOOLS : INTS;
}

/* The number as an element of t; false when t has none. */
static bool number_of(ir_type t, number n, scalar *out) {
    frit_dtype d = (frit_dtype)t.dtype;
    bool is_unsigned = frit_dtype_kind_of(d) == FRIT_KIND_UINT;
    if (is_float_type(t)) {
        static const double values[] = {0, -0.0, 1, -1, -INFINITY, INFINITY};
        if (n == ALL_BITS) return false;
        out->f = values[n];
        return true;
    }
    uint64_t high = UINT64_C(1) << (frit_dtype_bits(d) - 1);
    switch (n) {
    case ZERO: out->i = 0; return true;
    case ONE: out->i = 1; return true;
    case ALL_BITS: out->i = d == FRIT_bool ? 1 : scalar_wrap(d, -1); return true;
    case LOWEST: out->i = d == FRIT_bool || is_unsigned ? 0 : scalar_wrap(d, (int64_t)high); return true;
    case HIGHEST:
        out->i = d == FRIT_bool ? 1 : is_unsigned ? scalar_wrap(d, -1) : scalar_wrap(d, (int64_t)(high - 1));
        return true;
    case MINUS_ONE: out->i = -1; return !is_unsigned && d != FRIT_bool;
    default: return false;
    }
}

static bool is_number(const ir_value *v, number n) {
    scalar want;
    if (!number_of(v->type, n, &want)) return false;
    return is_float_type(v->type) ? is_splat_float(v, want.f) : is_splat_int(v, want.i);
}

static ir_value *give(rewriter *r, const ir_op *op, outcome o, ir_value *other, ir_value *constant) {
    ir_type t = ir_result(op, 0)->type;
    switch (o) {
    case THE_OTHER: return other;
    case NOT_THE_OTHER: return ir_unary(&r->at, IR_not, other);
    case NEGATED: return ir_unary(&r->at, IR_neg, other);
    case THE_NUMBER: return constant;
    default: return is_float_type(t) ? ir_splat(&r->at, t, o == GIVES_ONE) : ir_splat_int(&r->at, t, o == GIVES_ONE);
    }
}

static ir_value *constant_operand(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0), *y = ir_operand(op, 1);
    dtype_class c = class_of(x->type);
    if (!ir_is(x, IR_constant) && !ir_is(y, IR_constant)) return NULL;
    for (size_t i = 0; i < COUNT(constant_rules); i++) {
        const struct constant_rule *k = &constant_rules[i];
        if (k->op != op->code || !(k->of & c)) continue;
        if (k->at & RIGHT && is_number(y, k->value)) return give(r, op, k->gives, x, y);
        if (k->at & LEFT && is_number(x, k->value)) return give(r, op, k->gives, y, x);
    }
    return NULL;
}

static ir_value *equal_operands(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0);
    if (x != ir_operand(op, 1)) return NULL;
    for (size_t i = 0; i < COUNT(equal_rules); i++)
        if (equal_rules[i].op == op->code && equal_rules[i].of & class_of(x->type))
            return give(r, op, equal_rules[i].gives, x, x);
    return NULL;
}

static ir_value *nested(rewriter *r, ir_op *op) {
    ir_op *inner = ir_operand(op, 0)->op;
    if (!inner) return NULL;
    for (size_t i = 0; i < COUNT(nested_rules); i++) {
        if (nested_rules[i].outer != op->code || nested_rules[i].inner != inner->code) continue;
        ir_value *x = ir_operand(inner, 0);
        bool is_unsigned = frit_dtype_kind_of((frit_dtype)x->type.dtype) == FRIT_KIND_UINT;
        if (inner->code == IR_neg && op->code == IR_abs && is_unsigned) continue; /* -x wraps, and |x| is x */
        return nested_rules[i].as == IR_OP_INVALID ? x : ir_unary(&r->at, nested_rules[i].as, x);
    }
    return NULL;
}

static ir_value *negated_comparison(rewriter *r, ir_op *op) {
    ir_op *inner = ir_operand(op, 0)->op;
    if (op->code != IR_not || !inner || ir_result(op, 0)->type.dtype != FRIT_bool) return NULL;
    for (size_t i = 0; i < COUNT(negation_rules); i++) {
        const struct negation_rule *k = &negation_rules[i];
        if (k->op != inner->code || !(k->of & class_of(ir_operand(inner, 0)->type))) continue;
        return ir_binary(&r->at, k->as, ir_operand(inner, k->swap), ir_operand(inner, !k->swap));
    }
    return NULL;
}

/* ---- Sums -------------------------------------------------------------------------------------------------------- */
/* No element of v is -0. */
static bool never_minus_zero(const ir_value *v, int depth) {
    scalar s;
    const ir_op *op = v->op;
    if (splat_of(v, &s)) return s.f != 0 || !signbit(s.f);
    if (!op || depth > 4) return false;
    switch (op->code) {
    case IR_exp:
    case IR_exp2:
    case IR_abs:
    case IR_contract: return true; /* sums start from +0 */
    case IR_reduce: return ir_get_int(op, IR_ATTR_combine, 0) == IR_SUM;
    case IR_cast: return !is_float_type(ir_operand(op, 0)->type);
    case IR_mul: return ir_operand(op, 0) == ir_operand(op, 1);
    case IR_add:
    case IR_max:
        return never_minus_zero(ir_operand(op, 0), depth + 1) || never_minus_zero(ir_operand(op, 1), depth + 1);
    case IR_select:
        return never_minus_zero(ir_operand(op, 1), depth + 1) && never_minus_zero(ir_operand(op, 2), depth + 1);
    case IR_reshape:
    case IR_transpose:
    case IR_broadcast:
    case IR_slice: return never_minus_zero(ir_operand(op, 0), depth + 1);
    default: return false;
    }
}

static ir_value *sum(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0), *y = ir_operand(op, 1);
    bool adds = op->code == IR_add;
    if (adds && is_splat_float(y, 0) && never_minus_zero(x, 0)) return x;
    if (adds && is_splat_float(x, 0) && never_minus_zero(y, 0)) return y;
    if (ir_is(y, IR_neg)) return ir_binary(&r->at, adds ? IR_sub : IR_add, x, ir_operand(y->op, 0));
    if (adds && ir_is(x, IR_neg)) return ir_binary(&r->at, IR_sub, y, ir_operand(x->op, 0));
    return NULL;
}

/* (x op c) op d = x op (c op d) on integers, which wrap. */
static ir_value *integer_chain(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0), *y = ir_operand(op, 1);
    scalar c, d;
    if (is_float_type(y->type) || !splat_of(y, &d) || !ir_is(x, op->code) || !splat_of(ir_operand(x->op, 1), &c))
        return NULL;
    scalar two[2] = {c, d}, both;
    frit_dtype t = (frit_dtype)y->type.dtype;
    if (!scalar_eval(op->code, t, t, two, &both)) return NULL;
    return ir_binary(&r->at, op->code, ir_operand(x->op, 0), make_splat(&r->at, y->type, both));
}

/* ---- Products ---------------------------------------------------------------------------------------------------- */
/* x / 2^k is x * 2^-k, bit for bit, where 2^-k is a number of the dtype. */
static ir_value *divide(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0), *y = ir_operand(op, 1);
    scalar c;
    int e;
    if (is_splat_float(x, 1) && ir_is(y, IR_sqrt)) return ir_unary(&r->at, IR_rsqrt, ir_operand(y->op, 0));
    if (!splat_of(y, &c) || fabs(frexp(c.f, &e)) != 0.5) return NULL;
    double inverse = 1 / c.f;
    if (!isfinite(inverse) || scalar_round((frit_dtype)y->type.dtype, inverse) != inverse) return NULL;
    return ir_binary(&r->at, IR_mul, x, ir_splat(&r->at, y->type, inverse));
}

static ir_value *power(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0), *y = ir_operand(op, 1), *sq;
    scalar n;
    if (!splat_of(y, &n)) return NULL;
    bool is_float = is_float_type(y->type);
    double e = is_float ? n.f : (double)n.i;
    if (e != 2 && e != 3 && e != 4) return NULL;
    if (is_float && (e != 2 || y->type.dtype == FRIT_f64) && r->exact) return NULL; /* inexact: each product rounds */
    sq = ir_binary(&r->at, IR_mul, x, x);
    return e == 2 ? sq : ir_binary(&r->at, IR_mul, sq, e == 3 ? x : sq);
}

/* ---- Choice and conversion --------------------------------------------------------------------------------------- */
static ir_value *choose(rewriter *r, ir_op *op) {
    ir_value *c = ir_operand(op, 0), *x = ir_operand(op, 1), *y = ir_operand(op, 2);
    if (x == y) return x;
    if (is_splat_int(c, 1)) return x;
    if (is_splat_int(c, 0)) return y;
    if (ir_is(c, IR_not)) return ir_select(&r->at, ir_operand(c->op, 0), y, x);
    if (x->type.dtype != FRIT_bool) return NULL;
    if (is_splat_int(x, 1) && is_splat_int(y, 0)) return c;
    return is_splat_int(x, 0) && is_splat_int(y, 1) ? ir_unary(&r->at, IR_not, c) : NULL;
}

static int float_precision(frit_dtype t) {
    switch (t) {
    case FRIT_f64: return 53;
    case FRIT_f32: return 24;
    case FRIT_f16: return 11;
    case FRIT_bf16: return 8;
    case FRIT_f8e4m3: return 4;
    default: return 3;
    }
}

/* Every value of a is one of b. */
static bool holds(frit_dtype a, frit_dtype b) {
    int bits = (int)frit_dtype_bits(a);
    bool unsigned_a = frit_dtype_kind_of(a) == FRIT_KIND_UINT, unsigned_b = frit_dtype_kind_of(b) == FRIT_KIND_UINT;
    if (a == b || a == FRIT_bool) return true;
    if (b == FRIT_bool) return false;
    if (frit_dtype_is_float(a)) {
        if (!frit_dtype_is_float(b)) return false;
        return b == FRIT_f64 || (b == FRIT_f32 && a != FRIT_f64); /* bf16 and f16 do not hold each other */
    }
    if (frit_dtype_is_float(b)) return bits - !unsigned_a <= float_precision(b) && (b == FRIT_f64 || b == FRIT_f32);
    if (unsigned_a == unsigned_b) return frit_dtype_bits(b) >= (unsigned)bits;
    return unsigned_a && frit_dtype_bits(b) > (unsigned)bits;
}

/* cast(cast(x)): the first is superfluous when it changes no value, and the second would treat x alike: float to
 * integer saturates where integer to integer wraps. */
static ir_value *cast_chain(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0);
    frit_dtype to = (frit_dtype)ir_result(op, 0)->type.dtype, mid = (frit_dtype)x->type.dtype;
    if (mid == to) return x;
    if (!ir_is(x, IR_cast)) return NULL;
    ir_value *y = ir_operand(x->op, 0);
    frit_dtype from = (frit_dtype)y->type.dtype;
    bool changes_kind = frit_dtype_is_float(mid) && !frit_dtype_is_float(from) && frit_dtype_is_int(to);
    if (holds(from, mid) && (!changes_kind || holds(from, to))) return ir_cast(&r->at, y, to);
    bool ints = !frit_dtype_is_float(from) && frit_dtype_is_int(mid) && frit_dtype_is_int(to);
    if (ints && frit_dtype_bits(to) <= frit_dtype_bits(mid)) return ir_cast(&r->at, y, to); /* low bits only */
    return NULL;
}

/* A mask made a number and compared with 0 is the mask. */
static ir_value *mask(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0), *y = ir_operand(op, 1);
    if (!ir_is(x, IR_cast) || ir_operand(x->op, 0)->type.dtype != FRIT_bool || !is_number(y, ZERO)) return NULL;
    ir_value *m = ir_operand(x->op, 0);
    return op->code == IR_ne ? m : ir_unary(&r->at, IR_not, m);
}

static ir_value *simplified(rewriter *r, ir_op *op) {
    ir_value *v = NULL;
    if (!(ir_op_flags(op) & IR_F_ELEMENTWISE)) return NULL;
    if (op->n_operands == 1) {
        v = nested(r, op);
        if (!v) v = negated_comparison(r, op);
    } else if (op->n_operands == 2) {
        v = constant_operand(r, op);
        if (!v) v = equal_operands(r, op);
    }
    if (v) return v;
    switch (op->code) {
    case IR_add: v = integer_chain(r, op); return v ? v : sum(r, op);
    case IR_sub: return sum(r, op);
    case IR_mul: return integer_chain(r, op);
    case IR_div: return divide(r, op);
    case IR_pow: return power(r, op);
    case IR_select: return choose(r, op);
    case IR_cast: return cast_chain(r, op);
    case IR_eq:
    case IR_ne: return mask(r, op);
    default: return NULL;
    }
}

bool pass_simplify(pass_ctx *c, ir_func *f) { return rewrite_func(c, f, simplified); }
