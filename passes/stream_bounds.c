/* Which part of a streamed axis counts at all. Under a causal mask or a window, the terms of most chunks are nothing: -inf
 * under a maximum, 0 under a sum, where a comparison of positions that the program makes is false. Such chunks are left
 * out of the loop. */
#include "stream.h"
#include <math.h>

enum { MAX_DEPTH = 64 };

typedef struct bounds {
    region *r;
    const stream *s;
    sym_ctx *c;
} bounds;

/* first <= position <= last, in the nest's variables; NULL: no such bound. */
typedef struct range {
    sym_t first, last;
} range;

static ir_value *operand_at(bounds *b, const ir_op *op, int i, const sym_t *coords, sym_t *at) {
    access_operand(&b->r->x, op, i, coords, at);
    return ir_operand(op, i);
}

static bool is_view(const ir_op *op) {
    return op->code == IR_broadcast || op->code == IR_transpose || op->code == IR_reshape || op->code == IR_slice;
}

/* ---- Integers that follow from positions ----------------------------------------------------------------------------- */
/* The element of v at coords as a formula of positions and sizes, or NULL. */
static sym_t position(bounds *b, ir_value *v, const sym_t *coords, int depth) {
    const ir_op *op = v->op;
    sym_t at[2][IR_MAX_RANK], x, y;
    const sym_t *size;
    double d;
    if (!op || depth > MAX_DEPTH || (v->type.dtype != FRIT_i64 && v->type.dtype != FRIT_i32)) return NULL;
    if (ir_splat_value(v, &d) && fabs(d) < 1e15) return sym_const(b->c, (int64_t)d);
    if (op->code == IR_iota) return coords[ir_get_int(op, IR_ATTR_axis, 0)];
    if (op->code == IR_size && ir_get_syms(op, IR_ATTR_size, &size) == 1) return size[0];
    if (is_view(op) || (op->code == IR_cast && frit_dtype_bits((frit_dtype)v->type.dtype) == 64)) {
        ir_value *from = operand_at(b, op, 0, coords, at[0]);
        return position(b, from, at[0], depth + 1);
    }
    if (op->code != IR_add && op->code != IR_sub && op->code != IR_mul) return NULL;
    if (!(x = position(b, operand_at(b, op, 0, coords, at[0]), at[0], depth + 1))) return NULL;
    if (!(y = position(b, operand_at(b, op, 1, coords, at[1]), at[1], depth + 1))) return NULL;
    return op->code == IR_add ? sym_add(b->c, x, y) : op->code == IR_sub ? sym_sub(b->c, x, y) : sym_mul(b->c, x, y);
}

static sym_t either(sym_ctx *c, sym_t a, sym_t b, sym_t (*f)(sym_ctx *, sym_t, sym_t)) { return a && b ? f(c, a, b) : NULL; }
static sym_t both(sym_ctx *c, sym_t a, sym_t b, sym_t (*f)(sym_ctx *, sym_t, sym_t)) {
    return a && b ? f(c, a, b) : a ? a : b;
}

/* Positions along the axis at which x <= y may hold. */
static range where_le(bounds *b, sym_t x, sym_t y) {
    sym_t over = sym_sub(b->c, x, y), coef, rest;
    int64_t k;
    range none = {NULL, NULL};
    for (int i = 0; i < b->s->n_vars; i++) {
        sym_t var = b->s->vars[i];
        if (!sym_uses(over, var)) continue;
        if (!sym_linear(b->c, over, var, &coef, &rest) || !sym_is_const(coef, &k)) return none;
        if (k == 1) return (range){NULL, sym_sub(b->c, sym_const(b->c, 0), rest)};
        return k == -1 ? (range){rest, NULL} : none;
    }
    return none;
}

/* Positions at which the bool v may be true. */
static range where_true(bounds *b, ir_value *v, const sym_t *coords, int depth) {
    range none = {NULL, NULL};
    const ir_op *op = v->op;
    sym_t at[2][IR_MAX_RANK];
    if (!region_inside(b->r, v) || depth > MAX_DEPTH || op->n_operands < 1 || !access_is_pointwise(op)) return none;
    ir_value *x = operand_at(b, op, 0, coords, at[0]);
    if (is_view(op)) return where_true(b, x, at[0], depth + 1);
    if (op->n_operands != 2) return none;
    ir_value *y = operand_at(b, op, 1, coords, at[1]);
    if (op->code == IR_and || op->code == IR_or) {
        range p = where_true(b, x, at[0], depth + 1), q = where_true(b, y, at[1], depth + 1);
        if (op->code == IR_and) return (range){both(b->c, p.first, q.first, sym_max), both(b->c, p.last, q.last, sym_min)};
        return (range){either(b->c, p.first, q.first, sym_min), either(b->c, p.last, q.last, sym_max)};
    }
    sym_t p = position(b, x, at[0], 0), q = position(b, y, at[1], 0);
    if (!p || !q) return none;
    switch (op->code) {
    case IR_le: return where_le(b, p, q);
    case IR_lt: return where_le(b, sym_addi(b->c, p, 1), q);
    default: return none;
    }
}

/* ---- Terms that are nothing ------------------------------------------------------------------------------------------ */
static bool is_number(const ir_value *v, double x) {
    double d;
    while (v->op && v->op->code == IR_broadcast) v = ir_operand(v->op, 0);
    return v->op && v->op->code == IR_constant && ir_splat_value(v, &d) && d == x;
}

static range narrower(bounds *b, range p, range q) {
    return (range){both(b->c, p.first, q.first, sym_max), both(b->c, p.last, q.last, sym_min)};
}

/* Positions at which the element of v may be anything but `nothing`: -inf, or 0. */
static range where_counts(bounds *b, ir_value *v, const sym_t *coords, double nothing, int depth) {
    range none = {NULL, NULL};
    const ir_op *op = v->op;
    sym_t at[3][IR_MAX_RANK];
    ir_value *x[3];
    const nest *n = region_nest_of(b->r, v);
    if (!region_inside(b->r, v) || depth > MAX_DEPTH || !access_is_pointwise(op) || op->n_operands > 3) return none;
    if (n && n->kind != NEST_MAP) return none;
    for (int i = 0; i < op->n_operands; i++) x[i] = operand_at(b, op, i, coords, at[i]);
    if (is_view(op) || op->code == IR_cast) return where_counts(b, x[0], at[0], nothing, depth + 1);
    if (op->code == IR_select) {
        if (!is_number(x[2], nothing)) return none;
        return narrower(b, where_true(b, x[0], at[0], 0), where_counts(b, x[1], at[1], nothing, depth + 1));
    }
    bool low = nothing != 0;
    if ((op->code == IR_exp || op->code == IR_exp2) && !low) return where_counts(b, x[0], at[0], -INFINITY, depth + 1);
    double scale;
    if (op->code == IR_mul && low) { /* scaled after the mask */
        int k = ir_splat_value(x[0], &scale) ? 1 : 0;
        return ir_splat_value(x[1 - k], &scale) && scale > 0 ? where_counts(b, x[k], at[k], nothing, depth + 1) : none;
    }
    if (op->code == IR_sub && low) return where_counts(b, x[0], at[0], nothing, depth + 1);
    if ((op->code == IR_add && low) || (op->code == IR_mul && !low))
        return narrower(b, where_counts(b, x[0], at[0], nothing, depth + 1), where_counts(b, x[1], at[1], nothing, depth + 1));
    if (op->code == IR_div && !low) return where_counts(b, x[0], at[0], nothing, depth + 1);
    return none;
}

static range of_state(bounds *b, const nest *n) {
    const ir_op *op = n->v->op;
    sym_t coords[IR_MAX_RANK], red[IR_MAX_RANK], at[IR_MAX_RANK];
    ir_combine c = n->kind == NEST_REDUCE ? (ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SUM) : IR_SUM;
    range r = {NULL, NULL};
    if (c != IR_SUM && c != IR_MAX) return r;
    for (int d = 0; d < n->rank; d++) coords[d] = n->dim[d].expr;
    for (int k = 0; k < n->n_red; k++) red[k] = n->red[k].expr;
    for (int i = 0; i < op->n_operands; i++) {
        access_reduced(&b->r->x, op, i, coords, red, at);
        r = narrower(b, r, where_counts(b, ir_operand(op, i), at, c == IR_SUM ? 0 : -INFINITY, 0));
    }
    return r;
}

void stream_bound(region *r, stream *s) {
    bounds b = {r, s, r->x.m->syms};
    bool any = false;
    for (int i = 0; i < r->nests.len; i++) {
        if (s->nests[i].role != STREAM_STATE) continue;
        range one = of_state(&b, &r->nests.data[i]);
        s->first = any ? either(b.c, s->first, one.first, sym_min) : one.first;
        s->last = any ? either(b.c, s->last, one.last, sym_max) : one.last;
        any = true;
    }
}
