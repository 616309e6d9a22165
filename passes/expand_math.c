/* The driver: finds the ops, brings their operands to f32 or f64, and puts the expansion in their place. */
#include "expand_math_internal.h"

mx mx_at(ir_builder b, frit_dtype t, int lanes) {
    bool single = t == FRIT_f32;
    return (mx){.b = b,
                .t = t,
                .lanes = lanes,
                .type = ir_vector(t, lanes),
                .bits = ir_vector(single ? FRIT_i32 : FRIT_i64, lanes),
                .fraction = single ? 23 : 52,
                .bias = single ? 127 : 1023,
                .round = single ? 0x1.8p23 : 0x1.8p52,
                .tiny = single ? 0x1p-26 : 0x1p-55};
}

/* ---- Composites */
mv mx_sign_bit(mx *m, mv x) { return mx_and(m, mx_int(m, x), mx_ik(m, m->t == FRIT_f32 ? INT32_MIN : INT64_MIN)); }
mv mx_with_sign(mx *m, mv x, mv sign) { return mx_float(m, mx_xor(m, mx_int(m, x), sign)); }
mv mx_copysign(mx *m, mv x, mv y) { return mx_with_sign(m, mx_abs(m, x), mx_sign_bit(m, y)); }

mv mx_any(mx *m, mv cond) {
    if (m->lanes == 1) return cond;
    ir_type t = ir_vector(FRIT_bool, 1);
    ir_op *op = ir_build(&m->b, IR_reduce_lanes, 1, &cond, 1, &t);
    ir_set_int(m->b.m, op, IR_ATTR_combine, IR_ANY);
    return ir_result(op, 0);
}

mv mx_poly(mx *m, const math_poly *p, mv x) {
    bool single = m->t == FRIT_f32;
    const double *c = single ? p->c32 : p->c64;
    int n = single ? p->n32 : p->n64;
    mv r = mx_k(m, c[n - 1]);
    for (int i = n - 2; i >= 0; i--) r = mx_named(mx_fma(m, r, x, mx_k(m, c[i])), "p");
    return r;
}

/* Knuth, TAOCP 2, 4.2.2. */
mdd mx_two_sum(mx *m, mv x, mv y) {
    mv s = mx_add(m, x, y), y1 = mx_sub(m, s, x), x1 = mx_sub(m, s, y1);
    return (mdd){s, mx_add(m, mx_sub(m, x, x1), mx_sub(m, y, y1))};
}

/* Dekker 1971. */
mdd mx_fast_two_sum(mx *m, mv x, mv y) {
    mv s = mx_add(m, x, y);
    return (mdd){s, mx_add(m, mx_sub(m, x, s), y)};
}

mdd mx_two_mul(mx *m, mv x, mv y) {
    mv p = mx_mul(m, x, y);
    return (mdd){p, mx_fms(m, x, y, p)};
}

/* ---- Stated errors and lengths */
static const struct {
    double f32, f64; /* units in the last place */
    int length;
} expansions[IR_OPCODE_COUNT] = {
    [IR_exp] = {1.7, 1.6, 16},   [IR_exp2] = {1.4, 1.4, 14},  [IR_expm1] = {1.7, 2.0, 18},
    [IR_log] = {1.0, 1.0, 30},   [IR_log2] = {1.0, 1.0, 40},  [IR_log1p] = {1.5, 1.4, 46},
    [IR_sin] = {1.0, 1.0, 190},  [IR_cos] = {1.0, 1.0, 190},  [IR_tan] = {1.3, 1.4, 200},
    [IR_asin] = {1.8, 1.8, 30},  [IR_acos] = {1.2, 1.2, 28},  [IR_atan] = {1.2, 1.0, 60},
    [IR_atan2] = {1.2, 1.2, 86}, [IR_sinh] = {1.9, 1.9, 30},  [IR_cosh] = {1.7, 1.7, 16},
    [IR_tanh] = {1.6, 1.6, 34},  [IR_asinh] = {1.7, 1.7, 76}, [IR_acosh] = {1.9, 2.0, 70},
    [IR_atanh] = {1.3, 1.3, 66}, [IR_erf] = {1.4, 1.3, 38},   [IR_pow] = {1.5, 1.5, 112},
};

double expand_math_ulps(ir_opcode op, frit_dtype t) { return t == FRIT_f64 ? expansions[op].f64 : expansions[op].f32; }
int expand_math_length(ir_opcode op) { return expansions[op].length ? expansions[op].length : 1; }

/* ---- Which op is what */
static mv expand_float(mx *m, ir_opcode c, mv x, mv y) {
    switch (c) {
    case IR_exp: return mx_exp(m, x);
    case IR_exp2: return mx_exp2(m, x);
    case IR_expm1: return mx_expm1(m, x);
    case IR_log: return mx_log(m, x);
    case IR_log2: return mx_log2(m, x);
    case IR_log1p: return mx_log1p(m, x);
    case IR_sin: return mx_sin(m, x);
    case IR_cos: return mx_cos(m, x);
    case IR_tan: return mx_tan(m, x);
    case IR_asin: return mx_asin(m, x);
    case IR_acos: return mx_acos(m, x);
    case IR_atan: return mx_atan(m, x);
    case IR_atan2: return mx_atan2(m, x, y);
    case IR_sinh: return mx_sinh(m, x);
    case IR_cosh: return mx_cosh(m, x);
    case IR_tanh: return mx_tanh(m, x);
    case IR_asinh: return mx_asinh(m, x);
    case IR_acosh: return mx_acosh(m, x);
    case IR_atanh: return mx_atanh(m, x);
    case IR_erf: return mx_erf(m, x);
    case IR_pow: return mx_pow(m, x, y);
    case IR_rem: return mx_rem(m, x, y);
    case IR_mod: return mx_mod(m, x, y);
    case IR_floordiv: return mx_floordiv(m, x, y);
    default: return NULL;
    }
}

static bool is_expanded(const ir_op *op) {
    if (ir_op_flags(op) & IR_F_TRANSCENDENTAL) return true;
    bool division = op->code == IR_rem || op->code == IR_mod || op->code == IR_floordiv;
    return division && frit_dtype_is_float((frit_dtype)ir_operand(op, 0)->type.dtype);
}

static mv expansion(ir_op *op) {
    ir_builder b = ir_builder_before(ir_block_func(op->parent)->module, op);
    mv x = ir_operand(op, 0), y = op->n_operands > 1 ? ir_operand(op, 1) : NULL;
    frit_dtype t = (frit_dtype)x->type.dtype;
    if (!frit_dtype_is_float(t)) return expand_int_pow(&b, x, y);
    frit_dtype in = t == FRIT_f64 ? FRIT_f64 : FRIT_f32;
    x = ir_cast(&b, x, in);
    y = y ? ir_cast(&b, y, in) : NULL;
    mx m = mx_at(b, in, x->type.lanes);
    mv r = expand_float(&m, op->code, x, y);
    return r ? ir_cast(&m.b, r, t) : NULL;
}

static bool is_within(const ir_op *first, const ir_op *last, const ir_value *v) {
    const ir_op *op = v->op ? v->op : v->block->op;
    while (op && op->parent != first->parent) op = op->parent->op;
    for (const ir_op *at = first; op && at; at = at == last ? NULL : at->next)
        if (at == op) return true;
    return false;
}

static bool is_closed(const ir_expansion *e, const ir_op *from, const ir_op *to) {
    for (const ir_op *op = from; op; op = op == to ? NULL : op->next) {
        for (int i = 0; i < op->n_operands; i++) {
            const ir_value *v = ir_operand(op, i);
            if (v != e->x && v != e->y && !is_within(e->first, e->last, v)) return false;
        }
        for (int i = 0; i < op->n_blocks; i++)
            if (!is_closed(e, op->blocks[i]->first, op->blocks[i]->last)) return false;
    }
    return true;
}

/* What now stands before op, behind `before`. */
static void keep_expansion(const ir_op *op, const ir_op *before, const ir_value *result) {
    ir_func *f = ir_block_func(op->parent);
    const ir_value *x = ir_operand(op, 0), *y = op->n_operands > 1 ? ir_operand(op, 1) : NULL;
    const ir_op *first = before ? before->next : op->parent->first;
    if (first == op || x == y || !frit_dtype_is_float((frit_dtype)x->type.dtype)) return;
    ir_expansion e = {op->code, x, y, result, first, op->prev, f->expansions};
    if (!is_within(e.first, e.last, result) || !is_closed(&e, e.first, e.last)) return;
    f->expansions = arena_new_of(f->module->arena, ir_expansion);
    *f->expansions = e;
}

static bool expand_block(ir_block *blk) {
    bool progress = false;
    for (ir_op *op = blk->first, *next; op; op = next) {
        next = op->next;
        for (int i = 0; i < op->n_blocks; i++) progress |= expand_block(op->blocks[i]);
        if (!is_expanded(op)) continue;
        const ir_op *before = op->prev;
        mv r = expansion(op);
        if (!r) continue;
        keep_expansion(op, before, r);
        ir_replace_uses(ir_result(op, 0), r);
        ir_op_remove(op);
        progress = true;
    }
    return progress;
}

bool expand_math(ir_func *f) { return expand_block(f->body); }
