/* Built-in functions that move elements. */
#include "elab_builtins.h"

/* Product of v[0..n), leaving out one position. */
static sym_t product_but(elab *e, const sym_t *v, int n, int but) {
    sym_t p = sym_const(e->s, 1);
    for (int i = 0; i < n; i++)
        if (i != but)
            p = sym_mul(e->s, p, v[i]);
    return p;
}

static val reshape_mismatch(elab *e, const call_site *c, val x, const sym_t *dims, int n) {
    return el_fail(e, diag_report(e->d, MSG_RESHAPE, el_at(e, c->span), el_shape_text(e, x), el_dims_text(e, dims, n)));
}

/* Dims that stay at the front and at the back need no comparison: what is left says more, also about a single unknown. */
static void leave_out_kept(elab *e, val x, const sym_t *dims, int n, sym_t *have, sym_t *want) {
    int rank = el_rank(x), front = 0, back = 0;
    while (front < rank && front < n && el_dims(x)[front] == dims[front])
        front++;
    while (front + back < rank && front + back < n && el_dims(x)[rank - 1 - back] == dims[n - 1 - back])
        back++;
    *have = sym_prod(e->s, el_dims(x) + front, rank - front - back);
    *want = sym_prod(e->s, dims + front, n - front - back);
}

val b_reshape(elab *e, const call_site *c, val *a) {
    int n, open = -1;
    sym_t dims[IR_MAX_RANK];
    val x = a[0];
    if (!el_arg_tensor(e, c, &x) || !el_arg_dims(e, c, a[1], &n, dims))
        return v_error();
    for (int i = 0; i < n; i++) {
        if (!sym_is(dims[i], -1))
            continue;
        if (open >= 0)
            return reshape_mismatch(e, c, x, dims, n);
        open = i;
    }
    sym_t have = sym_prod(e->s, el_dims(x), el_rank(x)), want = product_but(e, dims, n, open);
    if (open >= 0) {
        dims[open] = sym_floordiv(e->s, have, want);
        want = sym_mul(e->s, want, dims[open]);
    }
    const char *text = arena_printf(e->a, "reshape of %s to %s", el_shape_text(e, x), el_dims_text(e, dims, n));
    if (have != want) {
        leave_out_kept(e, x, dims, n, &have, &want);
        if (sym_prove_lt(e->s, have, want) || sym_prove_lt(e->s, want, have) || !el_dims_equal(e, have, want, c->span, text))
            return reshape_mismatch(e, c, x, dims, n);
        for (int i = 0; i < n; i++)
            dims[i] = el_resolve(e, dims[i]);
    }
    if (x.n_axes + n > IR_MAX_RANK)
        return el_fail(e, diag_report(e->d, MSG_RANK_LIMIT, el_at(e, c->span), x.n_axes + n, IR_MAX_RANK));
    return el_reshape(e, x, n, dims);
}

val b_transpose(elab *e, const call_site *c, val *a) {
    int perm[IR_MAX_RANK], rank;
    val x = a[0];
    uint32_t seen = 0;
    if (!el_arg_tensor(e, c, &x))
        return v_error();
    rank = el_rank(x);
    if (a[1].kind != V_NONE && a[1].kind != V_LIST)
        return el_bad_arg(e, c, "a list of axes as perm", a[1]);
    if (a[1].kind == V_LIST && a[1].count != rank)
        return el_fail(e, diag_report(e->d, MSG_PERM, el_at(e, c->span), a[1].count, rank));
    for (int i = 0; i < rank; i++) {
        perm[i] = rank - 1 - i;
        if (a[1].kind == V_LIST && !el_arg_axis(e, c, a[1].items[i], rank, &perm[i]))
            return v_error();
        seen |= 1u << perm[i];
    }
    if (seen != (rank ? UINT32_MAX >> (32 - rank) : 0))
        return el_fail(e, diag_report(e->d, MSG_PERM, el_at(e, c->span), rank, rank));
    return el_transpose(e, x, perm);
}

val b_broadcast_to(elab *e, const call_site *c, val *a) {
    int n;
    sym_t dims[IR_MAX_RANK];
    if (!el_arg_tensor(e, c, &a[0]))
        return v_error();
    if (a[1].kind == V_TYPE)
        a[1] = v_list(a[1].items, a[1].count);
    if (!el_arg_dims(e, c, a[1], &n, dims))
        return v_error();
    return el_broadcast_to(e, a[0], n, dims, c->span);
}

static bool same_but(elab *e, const call_site *c, val x, val y, int axis) {
    bool ok = el_rank(x) == el_rank(y);
    for (int i = 0; ok && i < el_rank(x); i++)
        ok = i == axis || el_dims_merge(e, el_dims(x)[i], el_dims(y)[i]);
    if (!ok)
        el_fail(e, diag_report(e->d, MSG_CONCAT, el_at(e, c->span), c->name, el_shape_text(e, x), el_shape_text(e, y)));
    return ok;
}

/* All items over the same index axes. */
static bool common_axes(elab *e, const call_site *c, val *x, int n) {
    iaxis **axes;
    int m = el_union_axes(e, x, n, &axes);
    if (m + el_rank(x[0]) > IR_MAX_RANK) {
        el_fail(e, diag_report(e->d, MSG_RANK_LIMIT, el_at(e, c->span), m + el_rank(x[0]), IR_MAX_RANK));
        return false;
    }
    for (int i = 0; i < n; i++) {
        sym_t dims[IR_MAX_RANK];
        for (int k = 0; k < el_rank(x[i]); k++)
            dims[k] = el_dims(x[i])[k];
        x[i] = el_spread(e, x[i], m, axes, el_rank(x[i]), dims);
    }
    return true;
}

static val concat(elab *e, const call_site *c, val *x, int n, int axis) {
    ir_value **v = arena_array(e->a, ir_value *, n);
    for (int i = 1; i < n; i++)
        if (!same_but(e, c, x[0], x[i], axis))
            return v_error();
    if (!common_axes(e, c, x, n))
        return v_error();
    for (int i = 0; i < n; i++)
        v[i] = x[i].t;
    return v_tensor_axes(ir_concat(&e->b, n, v, axis + x[0].n_axes), x[0].n_axes, x[0].axes);
}

val b_concat(elab *e, const call_site *c, val *a) {
    int n, axis;
    val *x;
    if (!el_arg_tensors(e, c, a[0], &n, &x) || !el_arg_axis(e, c, a[1], el_rank(x[0]), &axis))
        return v_error();
    return concat(e, c, x, n, axis);
}

static val insert_dim(elab *e, val x, int axis) {
    sym_t dims[IR_MAX_RANK];
    int rank = el_rank(x);
    for (int i = 0; i <= rank; i++)
        dims[i] = i == axis ? sym_const(e->s, 1) : el_dims(x)[i - (i > axis)];
    return el_reshape(e, x, rank + 1, dims);
}

static bool room_for_dim(elab *e, const call_site *c, val x) {
    if (x.t->type.rank < IR_MAX_RANK)
        return true;
    el_fail(e, diag_report(e->d, MSG_RANK_LIMIT, el_at(e, c->span), x.t->type.rank + 1, IR_MAX_RANK));
    return false;
}

val b_stack(elab *e, const call_site *c, val *a) {
    int n, axis;
    val *x;
    if (!el_arg_tensors(e, c, a[0], &n, &x) || !el_arg_axis(e, c, a[1], el_rank(x[0]) + 1, &axis))
        return v_error();
    for (int i = 0; i < n; i++) {
        if (!room_for_dim(e, c, x[i]) || (i && !same_but(e, c, x[0], x[i], -1)))
            return v_error();
    }
    for (int i = 0; i < n; i++)
        x[i] = insert_dim(e, x[i], axis);
    return concat(e, c, x, n, axis);
}

val b_unsqueeze(elab *e, const call_site *c, val *a) {
    int axis;
    if (!el_arg_tensor(e, c, &a[0]) || !room_for_dim(e, c, a[0]) || !el_arg_axis(e, c, a[1], el_rank(a[0]) + 1, &axis))
        return v_error();
    return insert_dim(e, a[0], axis);
}

val b_squeeze(elab *e, const call_site *c, val *a) {
    int n, axes[IR_MAX_RANK], kept = 0;
    sym_t dims[IR_MAX_RANK];
    if (!el_arg_tensor(e, c, &a[0]) || !el_arg_axes(e, c, a[1], el_rank(a[0]), &n, axes))
        return v_error();
    for (int i = 0, k = 0; i < el_rank(a[0]); i++) {
        if (k < n && axes[k] == i) {
            k++;
            if (!el_dims_equal(e, el_dims(a[0])[i], sym_const(e->s, 1), c->span, "a squeezed dim is 1"))
                return el_fail(e, diag_report(e->d, MSG_RESHAPE, el_at(e, c->span), el_shape_text(e, a[0]),
                                              arena_printf(e->a, "a shape without dim %d, which is not 1", i + 1)));
            continue;
        }
        dims[kept++] = el_dims(a[0])[i];
    }
    return el_reshape(e, a[0], kept, dims);
}

/* A part of x: `size` elements from `start` on along one axis. */
static val part(elab *e, val x, int axis, sym_t start, sym_t size) {
    sym_t starts[IR_MAX_RANK], sizes[IR_MAX_RANK];
    int64_t steps[IR_MAX_RANK];
    for (int i = 0; i < x.t->type.rank; i++) {
        bool here = i == axis + x.n_axes;
        starts[i] = here ? start : sym_const(e->s, 0);
        sizes[i] = here ? size : x.t->type.dims[i];
        steps[i] = 1;
    }
    x.t = ir_slice(&e->b, x.t, starts, sizes, steps);
    return x;
}

static bool split_sizes(elab *e, const call_site *c, val *a, sym_t dim, int *n, sym_t **sizes) {
    int64_t parts;
    if (a[2].kind == V_LIST) {
        sym_t total = sym_const(e->s, 0);
        *n = a[2].count;
        *sizes = arena_array(e->a, sym_t, *n + 1);
        for (int i = 0; i < *n; i++) {
            if (a[2].items[i].kind != V_INT)
                return el_bad_arg(e, c, "integers as sizes", a[2].items[i]).kind != V_ERROR;
            (*sizes)[i] = a[2].items[i].i;
            total = sym_add(e->s, total, (*sizes)[i]);
        }
        if (*n && el_dims_equal(e, dim, total, c->span, "the sizes of a split add up to the dim"))
            return true;
        el_fail(e, diag_report(e->d, MSG_SPLIT, el_at(e, c->span), sym_print(e->a, dim), sym_print(e->a, total)));
        return false;
    }
    if (!el_arg_const(e, c, a[1], "the number of parts", &parts))
        return false;
    if (parts < 1 || parts > 4096) {
        el_bad_arg(e, c, "a number of parts from 1 to 4096", a[1]);
        return false;
    }
    *n = (int)parts;
    *sizes = arena_array(e->a, sym_t, *n);
    sym_t each = sym_floordiv(e->s, dim, sym_const(e->s, parts)), left = sym_mod(e->s, dim, sym_const(e->s, parts));
    if (!sym_is(left, 0) && !el_dims_equal(e, left, sym_const(e->s, 0), c->span, "a split has equal parts")) {
        el_fail(e, diag_report(e->d, MSG_NOT_DIVISIBLE, el_at(e, c->span), sym_print(e->a, dim), arena_printf(e->a, "%d", *n)));
        return false;
    }
    for (int i = 0; i < *n; i++)
        (*sizes)[i] = each;
    return true;
}

static val parts_of(elab *e, const call_site *c, val *a, val_kind kind) {
    int axis, n;
    sym_t *sizes;
    if (!el_arg_tensor(e, c, &a[0]) || !el_arg_axis(e, c, a[3], el_rank(a[0]), &axis) ||
        !split_sizes(e, c, a, el_dims(a[0])[axis], &n, &sizes))
        return v_error();
    val *items = arena_array(e->a, val, n);
    sym_t at = sym_const(e->s, 0);
    for (int i = 0; i < n; i++) {
        items[i] = part(e, a[0], axis, at, sizes[i]);
        at = sym_add(e->s, at, sizes[i]);
    }
    if (n == 1 && kind == V_TUPLE)
        return items[0];
    return (val){.kind = (uint8_t)kind, .items = items, .count = n};
}
val b_split(elab *e, const call_site *c, val *a) { return parts_of(e, c, a, V_TUPLE); }
val b_chunks(elab *e, const call_site *c, val *a) { return parts_of(e, c, a, V_LIST); }

val b_slice(elab *e, const call_site *c, val *a) {
    int axis;
    if (!el_arg_tensor(e, c, &a[0]) || !el_arg_axis(e, c, a[1], el_rank(a[0]), &axis))
        return v_error();
    if (a[2].kind != V_INT || a[3].kind != V_INT)
        return el_bad_arg(e, c, "integers as start and size", a[2].kind != V_INT ? a[2] : a[3]);
    sym_t dim = el_dims(a[0])[axis], end = sym_add(e->s, a[2].i, a[3].i), zero = sym_const(e->s, 0);
    if (sym_prove_lt(e->s, dim, end) || sym_prove_lt(e->s, a[2].i, zero) || sym_prove_lt(e->s, a[3].i, zero))
        return el_fail(e, diag_report(e->d, MSG_OUT_OF_RANGE, el_at(e, c->span), sym_print(e->a, end), sym_print(e->a, dim)));
    if (!sym_prove_ge(e->s, dim, end))
        el_check(e, "<=", end, dim, "a slice lies within its dim", c->span);
    if (!sym_prove_ge0(e->s, a[2].i))
        el_check(e, "<=", zero, a[2].i, "a slice begins within its dim", c->span);
    return part(e, a[0], axis, a[2].i, a[3].i);
}

val b_flip(elab *e, const call_site *c, val *a) {
    int n, axes[IR_MAX_RANK];
    sym_t starts[IR_MAX_RANK];
    int64_t steps[IR_MAX_RANK];
    val x = a[0];
    if (!el_arg_tensor(e, c, &x) || !el_arg_axes(e, c, a[1], el_rank(x), &n, axes))
        return v_error();
    for (int i = 0; i < x.t->type.rank; i++) {
        starts[i] = sym_const(e->s, 0);
        steps[i] = 1;
    }
    for (int i = 0; i < n; i++) {
        int k = axes[i] + x.n_axes;
        starts[k] = sym_addi(e->s, x.t->type.dims[k], -1);
        steps[k] = -1;
    }
    x.t = ir_slice(&e->b, x.t, starts, x.t->type.dims, steps);
    return x;
}

val b_pad(elab *e, const call_site *c, val *a) {
    val x = a[0];
    sym_t lo[IR_MAX_RANK], hi[IR_MAX_RANK], zero = sym_const(e->s, 0);
    if (!el_arg_tensor(e, c, &x))
        return v_error();
    if (a[1].kind != V_LIST || a[1].count != el_rank(x))
        return el_bad_arg(e, c, "a pair [before, after] for each dim", a[1]);
    for (int i = 0; i < x.n_axes; i++)
        lo[i] = hi[i] = zero;
    for (int i = 0; i < el_rank(x); i++) {
        val p = a[1].items[i];
        int k = i + x.n_axes;
        if (p.kind != V_LIST || p.count != 2 || p.items[0].kind != V_INT || p.items[1].kind != V_INT)
            return el_bad_arg(e, c, "a pair [before, after] for each dim", p);
        lo[k] = p.items[0].i;
        hi[k] = p.items[1].i;
        sym_t dim = sym_add(e->s, sym_add(e->s, lo[k], hi[k]), el_dims(x)[i]);
        if (sym_prove_lt(e->s, dim, zero))
            return el_fail(e, diag_report(e->d, MSG_NEGATIVE_DIM, el_at(e, c->span), sym_print(e->a, dim)));
    }
    val fill = el_tensor(e, a[2], el_dtype(x), c->span);
    if (fill.kind != V_TENSOR)
        return v_error();
    if (fill.t->type.rank)
        return el_bad_arg(e, c, "a scalar as value", fill);
    if (el_dtype(fill) != el_dtype(x))
        return el_fail(e, diag_report(e->d, MSG_MIXED_DTYPES, el_at(e, c->span), frit_dtype_name(el_dtype(x)), frit_dtype_name(el_dtype(fill)), c->name));
    x.t = ir_pad(&e->b, x.t, fill.t, lo, hi);
    return x;
}
