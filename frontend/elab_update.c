/* Updates y[...] = e of a value that exists: an insert where the places are a strided box, else a scatter. */
#include "elab_internal.h"

typedef struct box {
    int v[IR_MAX_RANK]; /* update axis per base dim, -1: none */
    sym_t start[IR_MAX_RANK], size[IR_MAX_RANK];
    int64_t step[IR_MAX_RANK];
} box;

/* Everything an update needs: base over all axes that are not the statement's own, update dims and coordinates. */
typedef struct update {
    val base;
    int n_dims;
    sym_t dims[2 * IR_MAX_RANK], vars[2 * IR_MAX_RANK];
    sym_t coord[2 * IR_MAX_RANK];
    ir_value *value;
} update;

static bool box_coord(elab *e, const update *u, int k, box *b) {
    b->v[k] = -1;
    b->start[k] = u->coord[k];
    b->step[k] = 1;
    b->size[k] = sym_const(e->s, 1);
    for (int i = 0; i < u->n_dims; i++) {
        sym_t coef, rest;
        if (!sym_uses(u->coord[k], u->vars[i]))
            continue;
        if (b->v[k] >= 0 || !sym_linear(e->s, u->coord[k], u->vars[i], &coef, &rest) ||
            !sym_is_const(coef, &b->step[k]) || b->step[k] == 0)
            return false;
        b->v[k] = i;
        b->start[k] = rest;
        b->size[k] = u->dims[i];
    }
    return true;
}

/* True when the places written are a strided box and no place is written twice. */
static bool is_box(elab *e, const update *u, box *b) {
    uint32_t seen = 0;
    for (int k = 0; k < u->base.t->type.rank; k++) {
        if (!box_coord(e, u, k, b) || (b->v[k] >= 0 && seen >> b->v[k] & 1))
            return false;
        if (b->v[k] >= 0)
            seen |= 1u << b->v[k];
    }
    for (int i = 0; i < u->n_dims; i++)
        if (!(seen >> i & 1) && !sym_is(u->dims[i], 1))
            return false;
    return true;
}

/* The update's value in the base's dim order, 1 where the base's coordinate is fixed. */
static ir_value *in_base_order(elab *e, const update *u, const box *b) {
    int64_t perm[2 * IR_MAX_RANK];
    int n = 0, rank = u->base.t->type.rank;
    uint32_t used = 0;
    for (int k = 0; k < rank; k++)
        if (b->v[k] >= 0) {
            perm[n++] = b->v[k];
            used |= 1u << b->v[k];
        }
    for (int i = 0; i < u->n_dims; i++)
        if (!(used >> i & 1))
            perm[n++] = i; /* dims of 1 that no coordinate uses */
    ir_value *x = ir_transpose(&e->b, u->value, perm);
    return ir_reshape(&e->b, x, rank, b->size);
}

static bool covers(const update *u, const box *b) {
    for (int k = 0; k < u->base.t->type.rank; k++)
        if (!sym_is(b->start[k], 0) || b->step[k] != 1 || b->size[k] != u->base.t->type.dims[k])
            return false;
    return true;
}

static ir_value *insert(elab *e, const update *u, const box *b, bool add) {
    ir_value *x = in_base_order(e, u, b);
    int rank = u->base.t->type.rank;
    if (add)
        x = ir_binary(&e->b, IR_add, ir_slice(&e->b, u->base.t, b->start, b->size, b->step), x);
    if (covers(u, b))
        return x;
    ir_op *op = ir_build(&e->b, IR_insert, 2, (ir_value *[]){u->base.t, x}, 1, &u->base.t->type);
    ir_set_syms(e->m, op, IR_ATTR_start, rank, b->start);
    ir_set_ints(e->m, op, IR_ATTR_step, rank, b->step);
    return ir_result(op, 0);
}

static ir_value *spread_index(elab *e, const access *a, int i, int n_axes, iaxis *const *axes) {
    sym_t dims[IR_MAX_RANK];
    for (int k = 0; k < a->n_own; k++)
        dims[k] = sym_const(e->s, 1);
    for (int j = 0; j < el_rank(a->idx[i]); j++)
        dims[a->idx_at[i] + j] = el_dims(a->idx[i])[j];
    val v = el_reshape(e, a->idx[i], a->n_own, dims);
    return el_spread(e, v, n_axes, axes, a->n_own, a->own_dims).t;
}

static ir_value *scatter(elab *e, const access *a, const update *u, bool add, int n_axes, iaxis *const *axes) {
    ir_value *operands[IR_MAX_RANK + 2] = {u->base.t, u->value};
    for (int i = 0; i < a->n_idx; i++)
        operands[2 + i] = spread_index(e, a, i, n_axes, axes);
    ir_op *op = ir_build(&e->b, IR_scatter, 2 + a->n_idx, operands, 1, &u->base.t->type);
    ir_set_syms(e->m, op, IR_ATTR_vars, u->n_dims, u->vars);
    ir_set_syms(e->m, op, IR_ATTR_idx, a->n_idx, a->idx_vars);
    ir_set_syms(e->m, op, IR_ATTR_map, u->base.t->type.rank, u->coord);
    ir_set_int(e->m, op, IR_ATTR_combine, add ? IR_SUM : IR_SET);
    return ir_result(op, 0);
}

static bool is_coordinate_axis(elab *e, const access *a, const iaxis *x) {
    for (int k = 0; k < el_rank(a->base); k++)
        if (sym_uses(a->coord[k], x->var))
            return true;
    return false;
}

/* Axes of the update that the base has to have as well: those of the enclosing element, not of the places. */
static int hidden_axes(elab *e, const access *a, int n_axes, iaxis **axes, int first_new, iaxis **out) {
    int n = 0;
    for (int i = 0; i < n_axes; i++)
        if (axes[i]->id < first_new)
            out[n++] = axes[i];
    return n;
}

val el_update(elab *e, const access *a, val value, bool add, ir_span at) {
    int first_new = e->statement_axis;
    iaxis **axes, *hidden[IR_MAX_RANK], **kept;
    val shape = {.kind = V_TENSOR, .n_axes = (uint8_t)a->n_axes, .axes = a->axes};
    int n_axes = el_union_axes(e, (val[]){shape, value}, 2, &axes);
    if (n_axes + a->n_own > IR_MAX_RANK)
        return el_fail(e, diag_report(e->d, MSG_RANK_LIMIT, el_at(e, at), n_axes + a->n_own, IR_MAX_RANK));
    int n_hidden = hidden_axes(e, a, n_axes, axes, first_new, hidden);
    for (int i = 0; i < n_axes; i++)
        if (axes[i]->id >= first_new && !is_coordinate_axis(e, a, axes[i]) && !a->n_idx)
            return el_fail(e, diag_report(e->d, MSG_AXIS_NOT_STORED, el_at(e, at), axes[i]->name));
    if (n_hidden + el_rank(a->base) > IR_MAX_RANK)
        return el_fail(e, diag_report(e->d, MSG_RANK_LIMIT, el_at(e, at), n_hidden + el_rank(a->base), IR_MAX_RANK));
    kept = arena_copy(e->a, hidden, sizeof *kept * (size_t)(n_hidden + 1));
    update u = {0};
    u.base = el_spread(e, a->base, n_hidden, kept, el_rank(a->base), el_dims(a->base));
    value = el_broadcast_to(e, value, a->n_own, a->own_dims, at);
    if (value.kind == V_ERROR)
        return value;
    access now = *a; /* that may have told what a dim is */
    for (int i = 0; i < a->n_own; i++)
        now.own_dims[i] = el_resolve(e, a->own_dims[i]);
    for (int k = 0; k < el_rank(a->base); k++)
        now.coord[k] = el_resolve(e, a->coord[k]);
    a = &now;
    value = el_spread(e, value, n_axes, axes, a->n_own, a->own_dims);
    u.value = value.t;
    sym_t axis_vars[IR_MAX_RANK], with[IR_MAX_RANK];
    for (int i = 0; i < n_axes; i++) {
        sym_t v = sym_index(e->s, axes[i]->name, axes[i]->extent);
        axis_vars[i] = axes[i]->var;
        with[i] = sym_add(e->s, v, axes[i]->lo);
        u.dims[u.n_dims] = axes[i]->extent;
        u.vars[u.n_dims++] = v;
        for (int k = 0; k < n_hidden; k++)
            if (hidden[k] == axes[i])
                u.coord[k] = v;
    }
    for (int i = 0; i < a->n_own; i++) {
        u.dims[u.n_dims] = a->own_dims[i];
        u.vars[u.n_dims++] = a->own_vars[i];
    }
    for (int k = 0; k < el_rank(a->base); k++)
        u.coord[n_hidden + k] = sym_subst(e->s, a->coord[k], n_axes, axis_vars, with);
    box b;
    e->b.span = el_at(e, at);
    bool inside = !a->n_idx && el_inside(e, a);
    if (!a->n_idx && !inside && el_certain_miss(e, a))
        return v_error();
    ir_value *r = inside && is_box(e, &u, &b) ? insert(e, &u, &b, add) : scatter(e, a, &u, add, n_axes, axes);
    return v_tensor_axes(r, n_hidden, kept);
}
