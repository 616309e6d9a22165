/* The ops of a stage's block for one register tile: each value once per distinct position of the axes it depends on, in
 * the outermost scope that knows those. */
#include "lower_internal.h"

ir_value *lower_get(lower *l, const lower_stage *s, const ir_value *v, const int *p, bool wide) {
    const lower_val *val = &l->vals[v->id];
    ir_value *x = val->inst[lower_position(s, val->axes, s->count, p)];
    return wide ? lower_splat(l, x, l->lanes, val->depth) : x;
}

/* Outermost scope inside the stage that knows the axes. */
static int depth_of_axes(const lower_stage *s, uint32_t axes) {
    int depth = s->depth;
    for (int i = 0; i < s->n; i++)
        if ((axes & lower_axis(i)) && s->at_depth[i] > depth) depth = s->at_depth[i];
    return depth;
}

static void prepare(lower *l, const lower_stage *s, const ir_op *op, lower_val *v) {
    v->depth = depth_of_axes(s, v->axes);
    for (int i = 0; i < op->n_operands; i++) {
        const ir_value *x = ir_operand(op, i);
        if (x->type.kind != IR_BUFFER && l->vals[x->id].depth > v->depth) v->depth = l->vals[x->id].depth;
    }
    if (op->code == IR_read && v->depth < s->only_depth) v->depth = s->only_depth;
    v->n = lower_positions(s, v->axes, s->count);
    v->inst = arena_array(l->scratch, ir_value *, v->n);
    v->as_sym = NULL;
}

static void elementwise(lower *l, lower_stage *s, const ir_op *op, lower_val *v) {
    bool wide = lower_has_lanes(s, v->axes);
    ir_type t = ir_vector((frit_dtype)ir_result(op, 0)->type.dtype, wide ? l->lanes : 1);
    int p[IR_MAX_RANK] = {0}, i = 0;
    ir_value *x[3];
    do {
        for (int k = 0; k < op->n_operands; k++) x[k] = lower_get(l, s, ir_operand(op, k), p, wide);
        v->inst[i++] = lower_build(l, v->depth, op->code, op->n_operands, x, t);
    } while (lower_next(s, v->axes, s->count, p));
}

static void constant(lower *l, const ir_op *op, lower_val *v) {
    const ir_attr *value = ir_attr_get(op, IR_ATTR_value);
    v->depth = 0;
    v->inst[0] = lower_build(l, 0, IR_constant, 0, NULL, ir_vector((frit_dtype)ir_result(op, 0)->type.dtype, 1));
    ir_set_data(l->m, v->inst[0]->op, IR_ATTR_value, value->data.p, value->data.bytes);
}

ir_value *lower_index_as(lower *l, sym_t e, frit_dtype t, int depth, bool wide) {
    sym_t coef, base;
    int64_t k;
    if (wide && frit_dtype_is_int(t) && frit_dtype_bits(t) >= 8 && sym_linear(l->syms, e, l->lane, &coef, &base) &&
        sym_is_const(coef, &k)) {
        ir_value *x = lower_index(l, base), *zero = lower_int(l, t, 0);
        ir_type one = ir_vector(t, 1), type = ir_vector(t, l->lanes);
        int d = lower_depth(l, base);
        if (t != FRIT_i64) x = lower_build(l, d, IR_cast, 1, &x, one);
        ir_value *v[2] = {lower_build(l, depth, IR_ramp, 1, &zero, type), lower_splat(l, lower_int(l, t, k), l->lanes, 0)};
        if (k != 1) v[0] = lower_build(l, depth, IR_mul, 2, v, type);
        v[1] = lower_splat(l, x, l->lanes, d);
        return lower_build(l, depth, IR_add, 2, v, type);
    }
    ir_value *x = lower_index(l, e);
    if (wide) x = lower_splat(l, x, l->lanes, lower_depth(l, e));
    return t == FRIT_i64 ? x : lower_build(l, depth, IR_cast, 1, &x, ir_vector(t, wide ? l->lanes : 1));
}

static void index_op(lower *l, lower_stage *s, const ir_op *op, lower_val *v) {
    const sym_t *size;
    ir_get_syms(op, IR_ATTR_size, &size);
    int p[IR_MAX_RANK] = {0}, i = 0;
    do {
        sym_t e = lower_point(l, s, size[0], p, 0, NULL, NULL);
        int d = lower_depth(l, e);
        if (d > v->depth) v->depth = d;
        v->inst[i++] = lower_index_as(l, e, (frit_dtype)ir_result(op, 0)->type.dtype, v->depth, lower_has_lanes(s, v->axes));
    } while (lower_next(s, v->axes, s->count, p));
}

/* The i64 that v is, as a formula of positions and sizes; NULL: none, or one whose sums might wrap. */
static sym_t position_of(const lower *l, const ir_value *v, int depth) {
    enum { DEEPEST = 8 };
    const sym_t *size;
    double c;
    if (!v->op || depth > DEEPEST || v->type.dtype != FRIT_i64) return NULL;
    if (ir_splat_value(v, &c)) return c > -0x1p47 && c < 0x1p47 ? sym_const(l->syms, (int64_t)c) : NULL;
    if (v->op->code == IR_index && ir_get_syms(v->op, IR_ATTR_size, &size) == 1) return size[0];
    if (v->op->code != IR_add && v->op->code != IR_sub) return NULL;
    sym_t x = position_of(l, ir_operand(v->op, 0), depth + 1), y = position_of(l, ir_operand(v->op, 1), depth + 1);
    if (!x || !y) return NULL;
    return v->op->code == IR_add ? sym_add(l->syms, x, y) : sym_sub(l->syms, x, y);
}

static bool compares_positions(const lower *l, const ir_op *op) {
    return (op->code == IR_le || op->code == IR_lt) && position_of(l, ir_operand(op, 0), 0) && position_of(l, ir_operand(op, 1), 0);
}

bool lower_only_compared(const lower *l, const ir_op *op) {
    enum { MOST = 8 };
    const ir_value *v = ir_result(op, 0);
    int n = 0;
    if (!v->uses || !position_of(l, v, 0)) return false;
    for (const ir_use *u = v->uses; u; u = u->next) {
        bool sum = u->user->code == IR_add || u->user->code == IR_sub;
        if (++n > MOST || !(sum ? lower_only_compared(l, u->user) : compares_positions(l, u->user))) return false;
    }
    return true;
}

/* A comparison of positions along lanes is one of the lane's number, in 32 bits: a mask in attention costs as little as a tail.
 * False: op is no such comparison. */
static bool compare_lanes(lower *l, lower_stage *s, const ir_op *op, lower_val *v) {
    if (!compares_positions(l, op) || !lower_has_lanes(s, v->axes)) return false;
    sym_ctx *c = l->syms;
    sym_t x = position_of(l, ir_operand(op, 0), 0), y = position_of(l, ir_operand(op, 1), 0), coef, rest;
    sym_t over = sym_addi(c, sym_sub(c, y, x), op->code == IR_le); /* positive where op holds */
    int p[IR_MAX_RANK] = {0}, i = 0, d;
    do {
        sym_t e = lower_point(l, s, over, p, 0, NULL, NULL);
        bool linear = sym_linear(c, e, l->lane, &coef, &rest) && (sym_is(coef, 1) || sym_is(coef, -1));
        if (!linear) return false;
        ir_value *below = lower_lanes_below(l, sym_is(coef, -1) ? rest : sym_sub(c, sym_const(c, 1), rest), &d);
        if (d > v->depth) v->depth = d;
        if (sym_is(coef, 1)) below = lower_build(l, v->depth, IR_not, 1, &below, below->type);
        v->inst[i++] = below;
    } while (lower_next(s, v->axes, s->count, p));
    return true;
}

static void mark_cone(const ir_block *b, const ir_value *v, int first_id, bool *wanted) {
    if (!v->op || v->op->parent != b || wanted[v->id - first_id]) return;
    wanted[v->id - first_id] = true;
    for (int i = 0; i < v->op->n_operands; i++) mark_cone(b, ir_operand(v->op, i), first_id, wanted);
}

bool *lower_cone(lower *l, const ir_block *b, const ir_value *v, int *first_id) {
    int lo = INT32_MAX, hi = -1;
    for (const ir_op *op = b->first; op; op = op->next)
        for (int i = 0; i < op->n_results; i++) {
            int id = op->results[i].id;
            if (id < lo) lo = id;
            if (id > hi) hi = id;
        }
    bool *wanted = arena_array(l->scratch, bool, hi - lo + 1);
    mark_cone(b, v, lo, wanted);
    *first_id = lo;
    return wanted;
}

/* Opens a branch for the rest of the block, which is lowered point by point. */
static ir_op *only(lower *l, lower_stage *s, const ir_op *op) {
    int p[IR_MAX_RANK] = {0};
    if (!s->in_order) lower_fail(op, "a condition where points are not taken in order");
    ir_op *branch = lower_if(l, lower_get(l, s, ir_operand(op, 0), p, false));
    s->only_depth = l->depth;
    return branch;
}

/* Each instance of a value that the model has a name for is called so in texts. */
static void hand_hint_on(const lower_stage *s, const ir_op *op, const lower_val *v) {
    const char *hint = ir_result(op, 0)->hint;
    int p[IR_MAX_RANK] = {0}, i = 0;
    if (!hint) return;
    do {
        ir_value *x = v->inst[i++];
        if (x && x->op && !x->name && !x->hint) x->hint = hint;
    } while (lower_next(s, v->axes, s->count, p));
}

void lower_body(lower *l, lower_stage *s, const ir_block *b) {
    ir_op *branch = NULL;
    for (const ir_op *op = b->first; op; op = op->next) {
        lower_here(l)->span = op->span;
        if (op->code == IR_write) lower_write(l, s, op);
        if (op->code == IR_only) branch = only(l, s, op);
        if (op->n_results == 0 || lower_is_fused(l, s, op)) continue;
        if (s->wanted && !s->wanted[ir_result(op, 0)->id - s->first_id]) continue;
        lower_val *v = &l->vals[ir_result(op, 0)->id];
        prepare(l, s, op, v);
        if (op->code == IR_read) lower_read(l, s, op, v);
        else if (op->code == IR_inrange) lower_inrange(l, s, op, v);
        else if (op->code == IR_index) index_op(l, s, op, v);
        else if (op->code == IR_constant) constant(l, op, v);
        else if (compare_lanes(l, s, op, v)) continue;
        else if (ir_op_flags(op) & IR_F_ELEMENTWISE) elementwise(l, s, op, v);
        else lower_fail(op, "not an op of a stage's block");
        hand_hint_on(s, op, v);
    }
    if (branch) lower_if_end(l, branch);
    s->only_depth = 0;
}
