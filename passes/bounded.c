#include "bounded.h"
#include <math.h>

enum { DEEPEST = 24 };

static bool is_view(ir_opcode code) {
    return code == IR_broadcast || code == IR_transpose || code == IR_reshape || code == IR_slice;
}

/* Follows views from v at coordinates `at` (replaced by those at the value returned) down to what they show; stops at `until`. */
static ir_value *shown(rewriter *r, ir_value *v, sym_t *at, const ir_value *until) {
    sym_t next[IR_MAX_RANK];
    for (int i = 0; i < DEEPEST && v != until && v->op && is_view(v->op->code); i++) {
        access_operand(&r->x, v->op, 0, at, next);
        v = ir_operand(v->op, 0);
        for (int d = 0; d < v->type.rank; d++) at[d] = next[d];
    }
    return v;
}

/* `most` at coordinates `at` is the maximum of elements of x among which is the one at x_at: max(x) along some axes, seen again
 * at each of its elements. */
static bool is_maximum(rewriter *r, ir_value *most, sym_t *at, ir_value *x, const sym_t *x_at) {
    sym_t red[IR_MAX_RANK], from[IR_MAX_RANK], own[IR_MAX_RANK];
    most = shown(r, most, at, NULL);
    if (!ir_is(most, IR_reduce) || (ir_combine)ir_get_int(most->op, IR_ATTR_combine, IR_SUM) != IR_MAX) return false;
    int n = access_reduced_extents(most->op, red);
    for (int k = 0; k < n; k++) red[k] = sym_index(r->s, "r", red[k]);
    access_reduced(&r->x, most->op, 0, at, red, from);
    for (int d = 0; d < x->type.rank; d++) own[d] = x_at[d];
    ir_value *of = ir_operand(most->op, 0), *y = shown(r, x, own, of);
    if (y != of) of = shown(r, of, from, y);
    if (y != of) return false;
    for (int d = 0; d < y->type.rank; d++) {
        bool reduced = false;
        for (int k = 0; k < n; k++) reduced |= from[d] == red[k];
        if (!reduced && from[d] != own[d]) return false;
    }
    return true;
}

/* No element of v is above 0. */
static bool below_zero(rewriter *r, ir_value *v, int depth) {
    const ir_op *op = v->op;
    sym_t at[2][IR_MAX_RANK];
    double x;
    if (!op || depth > DEEPEST || !is_float_type(v->type)) return false;
    if (is_view(op->code) || op->code == IR_cast) return is_float_type(ir_operand(op, 0)->type) && below_zero(r, ir_operand(op, 0), depth + 1);
    switch (op->code) {
    case IR_constant: return ir_splat_value(v, &x) && x <= 0;
    case IR_mul:
    case IR_div: return ir_splat_value(ir_operand(op, 1), &x) && x > 0 && below_zero(r, ir_operand(op, 0), depth + 1);
    case IR_select: return below_zero(r, ir_operand(op, 1), depth + 1) && below_zero(r, ir_operand(op, 2), depth + 1);
    case IR_sub:
        for (int d = 0; d < v->type.rank; d++) at[0][d] = at[1][d] = sym_index(r->s, "i", v->type.dims[d]);
        return is_maximum(r, ir_operand(op, 1), at[1], ir_operand(op, 0), at[0]);
    default: return false;
    }
}

static bool by_one(rewriter *r, ir_value *v, int depth) {
    const ir_op *op = v->op;
    double x;
    if (v->type.dtype == FRIT_bool) return true;
    if (!op || depth > DEEPEST || !is_float_type(v->type)) return false;
    switch (op->code) {
    case IR_exp:
    case IR_exp2: return below_zero(r, ir_operand(op, 0), depth + 1);
    case IR_tanh:
    case IR_erf:
    case IR_sin:
    case IR_cos: return true;
    case IR_constant: return ir_splat_value(v, &x) && fabs(x) <= 1;
    case IR_cast:
    case IR_neg:
    case IR_abs:
    case IR_broadcast:
    case IR_transpose:
    case IR_reshape:
    case IR_slice: return by_one(r, ir_operand(op, 0), depth + 1);
    case IR_mul:
    case IR_min:
    case IR_max: return by_one(r, ir_operand(op, 0), depth + 1) && by_one(r, ir_operand(op, 1), depth + 1);
    case IR_select: return by_one(r, ir_operand(op, 1), depth + 1) && by_one(r, ir_operand(op, 2), depth + 1);
    default: return false;
    }
}

bool bounded_by_one(rewriter *r, ir_value *v) { return by_one(r, v, 0); }
