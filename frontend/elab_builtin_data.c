/* Built-in functions whose accesses depend on data: sorting, gathering, compaction. */
#include "elab_builtins.h"
#include <string.h>

/* kept: how many elements along the axis the results have; NULL: all. */
static bool sorted(elab *e, const call_site *c, val *x, val axis, bool descending, sym_t kept, int *at, val out[2]) {
    if (!el_arg_tensor(e, c, x) || !el_arg_axis(e, c, axis, el_rank(*x), at))
        return false;
    ir_type type = x->t->type;
    if (kept) {
        sym_t dims[IR_MAX_RANK];
        memcpy(dims, type.dims, type.rank * sizeof *dims);
        dims[*at + x->n_axes] = kept;
        type = ir_tensor(e->m, (frit_dtype)type.dtype, type.rank, dims);
    }
    ir_type types[2] = {type, ir_with_dtype(type, FRIT_i64)};
    ir_op *op = ir_build(&e->b, IR_sort, 1, &x->t, 2, types);
    ir_set_int(e->m, op, IR_ATTR_axis, *at + x->n_axes);
    ir_set_int(e->m, op, IR_ATTR_descending, descending);
    for (int i = 0; i < 2; i++)
        out[i] = v_tensor_axes(ir_result(op, i), x->n_axes, x->axes);
    return true;
}

val b_sort(elab *e, const call_site *c, val *a) {
    bool down;
    int at;
    val out[2];
    if (!el_arg_bool(e, c, a[2], "descending", &down) || !sorted(e, c, &a[0], a[1], down, NULL, &at, out))
        return v_error();
    return el_tuple(e, out, 2);
}

val b_argsort(elab *e, const call_site *c, val *a) {
    bool down;
    int at;
    val out[2];
    if (!el_arg_bool(e, c, a[2], "descending", &down) || !sorted(e, c, &a[0], a[1], down, NULL, &at, out))
        return v_error();
    return out[1];
}

val b_topk(elab *e, const call_site *c, val *a) {
    bool largest;
    int at;
    val out[2];
    if (a[1].kind != V_INT)
        return el_bad_arg(e, c, "an integer as k", a[1]);
    if (!el_arg_tensor(e, c, &a[0]) || !el_arg_bool(e, c, a[3], "largest", &largest) || !el_arg_axis(e, c, a[2], el_rank(a[0]), &at))
        return v_error();
    sym_t dim = el_dims(a[0])[at], k = a[1].i;
    if (sym_prove_lt(e->s, dim, k) || sym_prove_lt(e->s, k, sym_const(e->s, 0)))
        return el_fail(e, diag_report(e->d, MSG_OUT_OF_RANGE, el_at(e, c->span), sym_print(e->a, k), sym_print(e->a, dim)));
    if (!sym_prove_ge(e->s, dim, k))
        el_check(e, "<=", k, dim, "topk takes at most as many elements as there are", c->span);
    if (!sorted(e, c, &a[0], a[2], largest, k, &at, out))
        return v_error();
    return el_tuple(e, out, 2);
}

static bool index_tensor(elab *e, const call_site *c, val *v) {
    if (!el_arg_tensor(e, c, v))
        return false;
    return frit_dtype_is_int(el_dtype(*v)) || el_bad_arg(e, c, "an integer tensor as index", *v).kind != V_ERROR;
}

/* An access of x with one integer tensor at `axis` and everything else whole. */
val b_take(elab *e, const call_site *c, val *a) {
    int axis;
    if (!el_arg_tensor(e, c, &a[0]) || !index_tensor(e, c, &a[1]) || !el_arg_axis(e, c, a[2], el_rank(a[0]), &axis))
        return v_error();
    access x = {.base = a[0], .span = c->span};
    val parts[2] = {a[0], a[1]};
    x.n_axes = el_union_axes(e, parts, 2, &x.axes);
    if (x.n_axes + el_rank(a[0]) + el_rank(a[1]) > IR_MAX_RANK)
        return el_fail(e, diag_report(e->d, MSG_RANK_LIMIT, el_at(e, c->span), x.n_axes + el_rank(a[0]) + el_rank(a[1]), IR_MAX_RANK));
    for (int k = 0; k < el_rank(a[0]); k++) {
        if (k == axis) {
            x.idx[0] = a[1];
            x.idx_at[0] = x.n_own;
            x.coord[k] = x.idx_vars[0] = sym_var(e->s, "v", SYM_VALUE, NULL, NULL);
            x.n_idx = 1;
        }
        for (int i = 0; i < (k == axis ? el_rank(a[1]) : 1); i++) {
            x.own_dims[x.n_own] = k == axis ? el_dims(a[1])[i] : el_dims(a[0])[k];
            x.own_vars[x.n_own] = sym_index(e->s, "k", x.own_dims[x.n_own]);
            x.n_own++;
        }
        if (k != axis)
            x.coord[k] = x.own_vars[x.n_own - 1];
        x.range[k] = k != axis;
    }
    return el_read(e, &x, NULL);
}

/* Coordinates of an element of `index`: the value along axis, the position elsewhere. */
static bool element_access(elab *e, const call_site *c, val base, val index, int axis, access *x) {
    *x = (access){.base = base, .span = c->span, .n_idx = 1, .n_own = el_rank(index)};
    x->n_axes = el_union_axes(e, (val[]){base, index}, 2, &x->axes);
    x->idx[0] = index;
    x->idx_vars[0] = sym_var(e->s, "v", SYM_VALUE, NULL, NULL);
    if (el_rank(base) != el_rank(index)) {
        el_fail(e, diag_report(e->d, MSG_RANK_MISMATCH, el_at(e, c->span), "index", el_rank(index),
                               arena_printf(e->a, "%d", el_rank(base))));
        return false;
    }
    for (int k = 0; k < x->n_own; k++) {
        x->own_dims[k] = el_dims(index)[k];
        x->own_vars[k] = sym_index(e->s, "k", x->own_dims[k]);
        x->coord[k] = k == axis ? x->idx_vars[0] : x->own_vars[k];
    }
    return true;
}

val b_gather(elab *e, const call_site *c, val *a) {
    int axis;
    access x;
    if (!el_arg_tensor(e, c, &a[0]) || !index_tensor(e, c, &a[1]) || !el_arg_axis(e, c, a[2], el_rank(a[0]), &axis) ||
        !element_access(e, c, a[0], a[1], axis, &x))
        return v_error();
    return el_read(e, &x, NULL);
}

val b_scatter_add(elab *e, const call_site *c, val *a) {
    int axis;
    access x;
    if (!el_arg_tensor(e, c, &a[0]) || !index_tensor(e, c, &a[1]) || !el_arg_tensor(e, c, &a[2]) ||
        !el_arg_axis(e, c, a[3], el_rank(a[0]), &axis) || !element_access(e, c, a[0], a[1], axis, &x))
        return v_error();
    val u = el_convert_to(e, a[2], el_dtype(a[0]), "updates", c->span);
    return u.kind == V_TENSOR ? el_update(e, &x, u, true, c->span) : u;
}

val b_nonzero(elab *e, const call_site *c, val *a) {
    val m = a[0];
    if (!el_arg_tensor(e, c, &m))
        return v_error();
    if (el_dtype(m) != FRIT_bool || el_rank(m) != 1 || m.n_axes)
        return el_bad_arg(e, c, "a bool vector", m);
    sym_t n = sym_var(e->s, "nonzero", SYM_DIM, sym_const(e->s, 0), el_dims(m)[0]);
    ir_type types[2] = {ir_tensor(e->m, FRIT_i64, 1, &n), ir_scalar(FRIT_i64)};
    ir_op *op = ir_build(&e->b, IR_compact, 1, &m.t, 2, types);
    ir_set_syms(e->m, op, IR_ATTR_counter, 1, &n);
    return v_tensor(ir_result(op, 0));
}
