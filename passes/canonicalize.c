/* One spelling for views.
 *
 * Terminates because every rule removes a view, moves a broadcast towards the results past an op with fewer elements
 * before it, replaces `view` by named views, or replaces a named view by one earlier in the order
 *     transpose, slice, broadcast > reshape > nothing
 * and no rule goes the other way. Views commute in one direction only:
 *     transpose, slice and reshape (of axes of 1) move in front of broadcast;
 *     elementwise ops move in front of broadcast, and with reductions in front of a reshape that adds axes of 1.
 * All rules are exact, but for sums and products of floats whose axes change order or join, and a sum of one -0 (marked
 * below, off in exact mode). Ranges are never assumed: a rule on coordinates asks for a proof from the bounds of its
 * variables. */
#include "canonicalize.h"
#include <string.h>

static bool is_one(ir_type t, int i) { return sym_is(t.dims[i], 1); }

/* ---- Views of constants ------------------------------------------------------------------------------------------ */
static ir_value *view_of_splat(rewriter *r, ir_op *op) {
    scalar x, y;
    if (!splat_of(ir_operand(op, 0), &x)) return NULL;
    ir_type t = ir_result(op, 0)->type;
    for (int i = 1; i < op->n_operands && op->code != IR_gather; i++)
        if (!splat_of(ir_operand(op, i), &y) || memcmp(&x, &y, sizeof x)) return NULL;
    if (op->code == IR_view || op->code == IR_gather) {
        double fill = ir_get_float(op, IR_ATTR_fill, 0);
        scalar f = is_float_type(t) ? (scalar){.f = scalar_round((frit_dtype)t.dtype, fill)}
                                    : (scalar){.i = scalar_wrap((frit_dtype)t.dtype,
                                                                frit_int_from_double(FRIT_i64, fill))};
        if (memcmp(&x, &f, sizeof x)) return NULL;
    }
    return make_splat(&r->at, t, x);
}

/* ---- reshape ----------------------------------------------------------------------------------------------------- */
/* The axes of `from` that are not 1, in order, are those of `to`: at[i] is the axis of `to` for axis i of `from`, or
 * -1. */
static bool only_ones_differ(ir_type from, ir_type to, int *at) {
    int j = 0;
    for (int i = 0; i < from.rank; i++) {
        at[i] = -1;
        if (is_one(from, i)) continue;
        while (j < to.rank && is_one(to, j)) j++;
        if (j == to.rank || to.dims[j] != from.dims[i]) return false;
        at[i] = j++;
    }
    while (j < to.rank && is_one(to, j)) j++;
    return j == to.rank;
}

static ir_value *canonical_reshape(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0);
    ir_type t = ir_result(op, 0)->type;
    if (ir_type_equal(x->type, t)) return x;
    if (ir_is(x, IR_reshape)) return ir_reshape(&r->at, ir_operand(x->op, 0), t.rank, t.dims);
    int at[IR_MAX_RANK];
    if (!ir_is(x, IR_broadcast) || !only_ones_differ(x->type, t, at)) return NULL;
    const int64_t *axes;
    int64_t to[IR_MAX_RANK];
    ir_value *y = ir_operand(x->op, 0);
    int n = ir_get_ints(x->op, IR_ATTR_axes, &axes);
    for (int i = 0; i < n; i++)
        if ((to[i] = at[axes[i]]) < 0) return NULL;
    return ir_broadcast(&r->at, y, t.rank, t.dims, to);
}

/* ---- transpose --------------------------------------------------------------------------------------------------- */
static bool moves_ones_only(ir_type x, const int64_t *perm) {
    int64_t last = -1;
    for (int i = 0; i < x.rank; i++) {
        if (is_one(x, (int)perm[i])) continue;
        if (perm[i] < last) return false;
        last = perm[i];
    }
    return true;
}

/* Brings the axes of x into the order of where they go, then broadcasts. */
static ir_value *sorted_broadcast(rewriter *r, ir_value *x, ir_type t, const int64_t *to) {
    int64_t perm[IR_MAX_RANK], axes[IR_MAX_RANK];
    int n = 0;
    for (int a = 0; a < t.rank; a++)
        for (int i = 0; i < x->type.rank; i++)
            if (to[i] == a) perm[n] = i, axes[n++] = a;
    return ir_broadcast(&r->at, ir_transpose(&r->at, x, perm), t.rank, t.dims, axes);
}

static ir_value *canonical_transpose(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0);
    ir_type t = ir_result(op, 0)->type;
    const int64_t *perm, *p;
    ir_get_ints(op, IR_ATTR_perm, &perm);
    if (moves_ones_only(x->type, perm)) return ir_reshape(&r->at, x, t.rank, t.dims);
    if (ir_is(x, IR_transpose)) {
        int64_t both[IR_MAX_RANK];
        ir_get_ints(x->op, IR_ATTR_perm, &p);
        for (int i = 0; i < t.rank; i++) both[i] = p[perm[i]];
        return ir_transpose(&r->at, ir_operand(x->op, 0), both);
    }
    if (!ir_is(x, IR_broadcast)) return NULL;
    int64_t inverse[IR_MAX_RANK], to[IR_MAX_RANK];
    for (int i = 0; i < t.rank; i++) inverse[perm[i]] = i;
    int n = ir_get_ints(x->op, IR_ATTR_axes, &p);
    for (int i = 0; i < n; i++) to[i] = inverse[p[i]];
    return sorted_broadcast(r, ir_operand(x->op, 0), t, to);
}

/* ---- broadcast --------------------------------------------------------------------------------------------------- */
static ir_value *canonical_broadcast(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0);
    ir_type t = ir_result(op, 0)->type;
    const int64_t *axes, *p;
    int64_t to[IR_MAX_RANK];
    int n = ir_get_ints(op, IR_ATTR_axes, &axes), kept = 0, at[IR_MAX_RANK];
    if (ir_type_equal(x->type, t)) return x;
    if (only_ones_differ(x->type, t, at)) return ir_reshape(&r->at, x, t.rank, t.dims);
    if (ir_is(x, IR_broadcast)) {
        int k = ir_get_ints(x->op, IR_ATTR_axes, &p);
        for (int i = 0; i < k; i++) to[i] = axes[p[i]];
        return ir_broadcast(&r->at, ir_operand(x->op, 0), t.rank, t.dims, to);
    }
    unsigned drop = 0;
    for (int i = 0; i < n; i++) {
        if (is_one(x->type, i)) drop |= 1u << i;
        else to[kept++] = axes[i];
    }
    return drop ? ir_broadcast(&r->at, drop_axes(&r->at, x, drop), t.rank, t.dims, to) : NULL;
}

/* ---- slice, pad, concat, insert ---------------------------------------------------------------------------------- */
static ir_value *slice_of_concat(rewriter *r, ir_op *op, const sym_t *start, const int64_t *step) {
    ir_op *c = ir_operand(op, 0)->op;
    ir_type t = ir_result(op, 0)->type;
    int axis = (int)ir_get_int(c, IR_ATTR_axis, 0);
    sym_t first = start[axis], moved[IR_MAX_RANK], at = sym_const(r->s, 0);
    sym_t last = sym_add(r->s, first, sym_muli(r->s, sym_addi(r->s, t.dims[axis], -1), step[axis]));
    if (c->n_operands > 32 || !sym_prove_ge(r->s, t.dims[axis], sym_const(r->s, 1))) return NULL;
    for (int i = 0; i < c->n_operands; i++) {
        ir_value *piece = ir_operand(c, i);
        sym_t extent = piece->type.dims[axis];
        memcpy(moved, start, sizeof(sym_t) * (size_t)t.rank);
        moved[axis] = sym_sub(r->s, first, at);
        if (in_range(r->s, moved[axis], extent) && in_range(r->s, sym_sub(r->s, last, at), extent))
            return ir_slice(&r->at, piece, moved, t.dims, step);
        at = sym_add(r->s, at, extent);
    }
    return NULL;
}

/* The new axes of a broadcast hold equal elements: only the operand's axes are sliced. */
static ir_value *slice_of_broadcast(rewriter *r, ir_op *op, const sym_t *start, const int64_t *step) {
    ir_op *b = ir_operand(op, 0)->op;
    ir_type t = ir_result(op, 0)->type;
    ir_value *x = ir_operand(b, 0);
    const int64_t *axes;
    sym_t s[IR_MAX_RANK], size[IR_MAX_RANK];
    int64_t by[IR_MAX_RANK];
    int n = ir_get_ints(b, IR_ATTR_axes, &axes);
    for (int i = 0; i < n; i++) {
        if (x->type.dims[i] != b->results[0].type.dims[axes[i]]) return NULL;
        s[i] = start[axes[i]], size[i] = t.dims[axes[i]], by[i] = step[axes[i]];
    }
    return ir_broadcast(&r->at, ir_slice(&r->at, x, s, size, by), t.rank, t.dims, axes);
}

static ir_value *canonical_slice(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0);
    ir_type t = ir_result(op, 0)->type;
    const sym_t *start, *inner;
    const int64_t *step, *by;
    ir_get_syms(op, IR_ATTR_start, &start);
    ir_get_ints(op, IR_ATTR_step, &step);
    bool whole = ir_type_equal(x->type, t);
    for (int i = 0; i < t.rank; i++) whole = whole && sym_is(start[i], 0) && (step[i] == 1 || is_one(t, i));
    if (whole) return x;
    if (ir_is(x, IR_slice)) {
        sym_t s[IR_MAX_RANK];
        int64_t both[IR_MAX_RANK];
        ir_get_syms(x->op, IR_ATTR_start, &inner);
        ir_get_ints(x->op, IR_ATTR_step, &by);
        for (int i = 0; i < t.rank; i++) {
            if (__builtin_mul_overflow(step[i], by[i], &both[i])) return NULL;
            s[i] = sym_add(r->s, inner[i], sym_muli(r->s, start[i], by[i]));
        }
        return ir_slice(&r->at, ir_operand(x->op, 0), s, t.dims, both);
    }
    if (ir_is(x, IR_broadcast)) return slice_of_broadcast(r, op, start, step);
    if (ir_is(x, IR_concat)) return slice_of_concat(r, op, start, step);
    return NULL;
}

static bool nonnegative(rewriter *r, const sym_t *v, int n) {
    for (int i = 0; i < n; i++)
        if (!sym_prove_ge0(r->s, v[i])) return false;
    return true;
}

static ir_value *crop(rewriter *r, ir_op *op, const sym_t *lo, const sym_t *hi) {
    sym_t start[IR_MAX_RANK];
    int64_t step[IR_MAX_RANK];
    ir_type t = ir_result(op, 0)->type;
    for (int i = 0; i < t.rank; i++) {
        int64_t a, b;
        if (!sym_is_const(lo[i], &a) || !sym_is_const(hi[i], &b) || a > 0 || b > 0) return NULL;
        start[i] = sym_const(r->s, -a);
        step[i] = 1;
    }
    return ir_slice(&r->at, ir_operand(op, 0), start, t.dims, step);
}

static ir_value *canonical_pad(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0), *fill = ir_operand(op, 1);
    const sym_t *lo, *hi, *l, *h;
    int n = ir_get_syms(op, IR_ATTR_lo, &lo);
    ir_get_syms(op, IR_ATTR_hi, &hi);
    bool none = true;
    for (int i = 0; i < n; i++) none = none && sym_is(lo[i], 0) && sym_is(hi[i], 0);
    if (none) return x;
    if (ir_is(x, IR_pad) && ir_operand(x->op, 1) == fill && nonnegative(r, lo, n) && nonnegative(r, hi, n)) {
        sym_t a[IR_MAX_RANK], b[IR_MAX_RANK];
        ir_get_syms(x->op, IR_ATTR_lo, &l);
        ir_get_syms(x->op, IR_ATTR_hi, &h);
        if (nonnegative(r, l, n) && nonnegative(r, h, n)) {
            for (int i = 0; i < n; i++) a[i] = sym_add(r->s, lo[i], l[i]), b[i] = sym_add(r->s, hi[i], h[i]);
            return ir_pad(&r->at, ir_operand(x->op, 0), fill, a, b);
        }
    }
    return crop(r, op, lo, hi);
}

enum { MAX_PIECES = 256 };

/* x and y are neighbouring parts of one value: the part that both cover, or NULL. */
static ir_value *join_slices(rewriter *r, ir_value *x, ir_value *y, int axis) {
    const sym_t *s, *t;
    const int64_t *p, *q;
    if (!ir_is(x, IR_slice) || !ir_is(y, IR_slice) || ir_operand(x->op, 0) != ir_operand(y->op, 0)) return NULL;
    int n = ir_get_syms(x->op, IR_ATTR_start, &s);
    ir_get_syms(y->op, IR_ATTR_start, &t);
    ir_get_ints(x->op, IR_ATTR_step, &p);
    ir_get_ints(y->op, IR_ATTR_step, &q);
    for (int i = 0; i < n; i++)
        if (p[i] != q[i] || (i != axis && s[i] != t[i])) return NULL;
    sym_t extent = x->type.dims[axis], size[IR_MAX_RANK];
    if (sym_add(r->s, s[axis], sym_muli(r->s, extent, p[axis])) != t[axis]) return NULL;
    memcpy(size, x->type.dims, sizeof(sym_t) * (size_t)n);
    size[axis] = sym_add(r->s, extent, y->type.dims[axis]);
    return ir_slice(&r->at, ir_operand(x->op, 0), s, size, p);
}

static ir_value *canonical_concat(rewriter *r, ir_op *op) {
    ir_value *parts[MAX_PIECES];
    int n = 0, axis = (int)ir_get_int(op, IR_ATTR_axis, 0);
    bool changed = false;
    if (op->n_operands > MAX_PIECES) return NULL;
    for (int i = 0; i < op->n_operands; i++) {
        ir_value *v = ir_operand(op, i), *joined;
        bool empty = sym_is(v->type.dims[axis], 0) && op->n_operands > 1;
        bool nested = ir_is(v, IR_concat) && ir_get_int(v->op, IR_ATTR_axis, 0) == axis && single_use(v) &&
                      n + v->op->n_operands + op->n_operands - i <= MAX_PIECES;
        if (empty && (n || i + 1 < op->n_operands)) {
            changed = true;
        } else if (nested) {
            for (int k = 0; k < v->op->n_operands; k++) parts[n++] = ir_operand(v->op, k);
            changed = true;
        } else if (n && (joined = join_slices(r, parts[n - 1], v, axis))) {
            parts[n - 1] = joined;
            changed = true;
        } else parts[n++] = v;
    }
    return changed || n == 1 ? ir_concat(&r->at, n, parts, axis) : NULL;
}

static ir_value *canonical_insert(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 1);
    const sym_t *start;
    const int64_t *step;
    int n = ir_get_syms(op, IR_ATTR_start, &start);
    ir_get_ints(op, IR_ATTR_step, &step);
    if (!ir_type_equal(x->type, ir_result(op, 0)->type)) return NULL;
    for (int i = 0; i < n; i++)
        if (!sym_is(start[i], 0) || step[i] != 1) return NULL;
    return x;
}

/* ---- Elementwise ops of broadcasts ------------------------------------------------------------------------------- */
/* Result axes along which v varies, as far as its broadcast tells. */
static unsigned varying_axes(const ir_value *v) {
    scalar s;
    const int64_t *axes;
    unsigned all = (1u << v->type.rank) - 1, set = 0;
    if (splat_of(v, &s)) return 0;
    if (!ir_is(v, IR_broadcast)) return all;
    int n = ir_get_ints(v->op, IR_ATTR_axes, &axes);
    for (int i = 0; i < n; i++) set |= 1u << axes[i];
    return set;
}

/* v, which varies along the axes in `keep` only, as a value of just these axes. */
static ir_value *narrowed(rewriter *r, ir_value *v, unsigned keep, int rank, const sym_t *dims) {
    scalar s;
    ir_type t = ir_tensor(r->m, (frit_dtype)v->type.dtype, rank, dims);
    if (splat_of(v, &s)) return make_splat(&r->at, t, s);
    const int64_t *axes;
    int64_t to[IR_MAX_RANK];
    int n = ir_get_ints(v->op, IR_ATTR_axes, &axes);
    for (int i = 0; i < n; i++) to[i] = __builtin_popcount(keep & ((1u << axes[i]) - 1));
    return ir_broadcast(&r->at, ir_operand(v->op, 0), rank, dims, to);
}

/* An op on values that repeat along an axis repeats along it too: compute less, then broadcast. */
static ir_value *broadcast_after(rewriter *r, ir_op *op) {
    ir_type t = ir_result(op, 0)->type;
    unsigned keep = 0, all = (1u << t.rank) - 1;
    if (t.rank == 0 || op->n_operands == 0 || op->n_operands > 3) return NULL;
    for (int i = 0; i < op->n_operands; i++) keep |= varying_axes(ir_operand(op, i));
    for (int i = 0; i < t.rank; i++)
        if (is_one(t, i)) keep |= 1u << i; /* no work is saved along these */
    if (keep == all) return NULL;
    sym_t dims[IR_MAX_RANK];
    int64_t axes[IR_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < t.rank; i++)
        if (keep >> i & 1) axes[rank] = i, dims[rank++] = t.dims[i];
    ir_value *in[3];
    for (int i = 0; i < op->n_operands; i++) in[i] = narrowed(r, ir_operand(op, i), keep, rank, dims);
    ir_type small = ir_tensor(r->m, (frit_dtype)t.dtype, rank, dims);
    ir_value *y = ir_result(ir_build(&r->at, op->code, op->n_operands, in, 1, &small), 0);
    y->name = ir_result(op, 0)->name;
    return ir_broadcast(&r->at, y, t.rank, t.dims, axes);
}

/* ---- Dims of 1 behind arithmetic --------------------------------------------------------------------------------- */
static int without_ones(ir_type t, sym_t *dims) {
    int n = 0;
    for (int i = 0; i < t.rank; i++)
        if (!is_one(t, i)) dims[n++] = t.dims[i];
    return n;
}

/* v has dims of 1 that cost nothing to leave out. */
static bool adds_ones(const ir_value *v) {
    int at[IR_MAX_RANK];
    return ir_is(v, IR_reshape) && only_ones_differ(v->type, ir_operand(v->op, 0)->type, at);
}

static bool drops_freely(const ir_value *v) {
    scalar s;
    return splat_of(v, &s) || ir_is(v, IR_broadcast) || adds_ones(v);
}

static ir_value *squeezed(rewriter *r, ir_value *v, int rank, const sym_t *dims) {
    scalar s;
    if (splat_of(v, &s)) return make_splat(&r->at, ir_tensor(r->m, (frit_dtype)v->type.dtype, rank, dims), s);
    return ir_reshape(&r->at, ir_is(v, IR_reshape) ? ir_operand(v->op, 0) : v, rank, dims);
}

/* Elementwise ops work on dims that are not 1; the reshape that adds the others goes behind them. */
static ir_value *ones_after(rewriter *r, ir_op *op) {
    ir_type t = ir_result(op, 0)->type;
    sym_t dims[IR_MAX_RANK];
    ir_value *in[3];
    bool any = false;
    int rank = without_ones(t, dims);
    if (rank == t.rank || op->n_operands == 0 || op->n_operands > 3) return NULL;
    for (int i = 0; i < op->n_operands; i++) {
        if (!drops_freely(ir_operand(op, i))) return NULL;
        any |= adds_ones(ir_operand(op, i));
    }
    if (!any) return NULL;
    for (int i = 0; i < op->n_operands; i++) in[i] = squeezed(r, ir_operand(op, i), rank, dims);
    ir_type small = ir_tensor(r->m, (frit_dtype)t.dtype, rank, dims);
    ir_value *y = ir_result(ir_build(&r->at, op->code, op->n_operands, in, 1, &small), 0);
    y->name = ir_result(op, 0)->name;
    return ir_reshape(&r->at, y, t.rank, t.dims);
}

/* ---- reduce ------------------------------------------------------------------------------------------------------ */
static bool order_free(rewriter *r, const ir_op *op) {
    ir_combine c = (ir_combine)ir_get_int(op, IR_ATTR_combine, 0);
    if (c == IR_MAX || c == IR_MIN || c == IR_ANY || c == IR_ALL) return true;
    bool sums = c == IR_SUM || c == IR_PROD;
    /* inexact on floats: another order of terms */
    return sums && (!is_float_type(ir_result(op, 0)->type) || !r->exact);
}

/* reduce(transpose x): the axes of x that the reduced ones are; what is kept is transposed afterwards, if at all. */
static ir_value *reduce_of_transpose(rewriter *r, ir_op *op) {
    ir_op *tr = ir_operand(op, 0)->op;
    ir_value *x = ir_operand(tr, 0);
    const int64_t *axes, *perm;
    int n = ir_get_ints(op, IR_ATTR_axes, &axes), rank = ir_get_ints(tr, IR_ATTR_perm, &perm), kept = 0;
    int64_t on[IR_MAX_RANK], keep[IR_MAX_RANK], order[IR_MAX_RANK];
    unsigned set = 0;
    bool ascending = true;
    for (int i = 0; i < n; i++) {
        on[i] = perm[axes[i]];
        set |= 1u << on[i];
        ascending = ascending && (i == 0 || on[i] > on[i - 1]);
    }
    if (!ascending && !order_free(r, op)) return NULL;
    for (int i = 0, k = 0; i < rank; i++)
        if (!(set >> i & 1)) keep[i] = k++;
    for (int i = 0; i < rank; i++)
        if (!(set >> perm[i] & 1)) order[kept++] = keep[perm[i]];
    ir_value *y = ir_reduce(&r->at, (ir_combine)ir_get_int(op, IR_ATTR_combine, 0), x, n, on,
                            (frit_dtype)ir_result(op, 0)->type.dtype);
    return ir_transpose(&r->at, y, order);
}

/* Reduced axes of extent 1 go. A sum of one -0 is +0 and stays a sum unless inexact rules are allowed. */
static ir_value *reduce_ones(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0);
    ir_type t = ir_result(op, 0)->type;
    ir_combine c = (ir_combine)ir_get_int(op, IR_ATTR_combine, 0);
    const int64_t *axes;
    int64_t rest[IR_MAX_RANK];
    int n = ir_get_ints(op, IR_ATTR_axes, &axes), left = 0;
    unsigned drop = 0;
    for (int i = 0; i < n; i++) {
        if (is_one(x->type, (int)axes[i])) drop |= 1u << axes[i];
        else rest[left++] = axes[i];
    }
    if (n && !drop) return NULL;
    for (int i = 0; i < left; i++) rest[i] -= __builtin_popcount(drop & ((1u << rest[i]) - 1));
    if (left) return ir_reduce(&r->at, c, drop_axes(&r->at, x, drop), left, rest, (frit_dtype)t.dtype);
    if (c == IR_ARGMAX || c == IR_ARGMIN) return ir_splat_int(&r->at, t, 0);
    if (c == IR_SUM && is_float_type(t) && r->exact) return NULL;
    return ir_cast(&r->at, ir_reshape(&r->at, x, t.rank, t.dims), (frit_dtype)t.dtype);
}

/* A repeated axis that is surely not empty changes no max, min, any or all. */
static ir_value *reduce_of_broadcast(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0);
    ir_type t = ir_result(op, 0)->type;
    ir_combine c = (ir_combine)ir_get_int(op, IR_ATTR_combine, 0);
    if (c != IR_MAX && c != IR_MIN && c != IR_ANY && c != IR_ALL) return NULL;
    const int64_t *axes;
    int64_t rest[IR_MAX_RANK];
    unsigned varying = varying_axes(x), drop = 0;
    int n = ir_get_ints(op, IR_ATTR_axes, &axes), left = 0, rank = 0;
    for (int i = 0; i < n; i++)
        if (!(varying >> axes[i] & 1) && sym_prove_ge(r->s, x->type.dims[axes[i]], sym_const(r->s, 1)))
            drop |= 1u << axes[i];
    if (!drop) return NULL;
    for (int i = 0; i < n; i++)
        if (!(drop >> axes[i] & 1)) rest[left++] = axes[i] - __builtin_popcount(drop & ((1u << axes[i]) - 1));
    sym_t dims[IR_MAX_RANK];
    for (int i = 0; i < x->type.rank; i++)
        if (!(drop >> i & 1)) dims[rank++] = x->type.dims[i];
    return ir_reduce(&r->at, c, narrowed(r, x, ~drop, rank, dims), left, rest, (frit_dtype)t.dtype);
}

static ir_value *reduce_of_reduce(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0);
    const int64_t *outer, *inner;
    int64_t axes[IR_MAX_RANK];
    if (ir_get_int(x->op, IR_ATTR_combine, 0) != ir_get_int(op, IR_ATTR_combine, 0) || !order_free(r, op) ||
        !single_use(x))
        return NULL;
    ir_value *y = ir_operand(x->op, 0);
    if (x->type.dtype != y->type.dtype || x->type.dtype != ir_result(op, 0)->type.dtype) return NULL;
    int n = ir_get_ints(op, IR_ATTR_axes, &outer), k = ir_get_ints(x->op, IR_ATTR_axes, &inner), all = 0;
    unsigned gone = 0, set = 0;
    for (int i = 0; i < k; i++) gone |= 1u << inner[i];
    for (int i = 0, at = 0; i < y->type.rank; i++) {
        if (gone >> i & 1) continue;
        for (int j = 0; j < n; j++)
            if (outer[j] == at) set |= 1u << i;
        at++;
    }
    for (int i = 0; i < y->type.rank; i++)
        if ((gone | set) >> i & 1) axes[all++] = i;
    return ir_reduce(&r->at, (ir_combine)ir_get_int(op, IR_ATTR_combine, 0), y, all, axes, (frit_dtype)x->type.dtype);
}

/* The same for reductions, whose reduced axes are none of 1 any more. */
static ir_value *reduce_before_ones(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0);
    ir_type t = ir_result(op, 0)->type;
    sym_t dims[IR_MAX_RANK];
    const int64_t *axes;
    int64_t on[IR_MAX_RANK];
    int rank = without_ones(x->type, dims), n = ir_get_ints(op, IR_ATTR_axes, &axes);
    if (rank == x->type.rank || !adds_ones(x)) return NULL;
    for (int i = 0; i < n; i++) {
        on[i] = axes[i];
        for (int d = 0; d < axes[i]; d++) on[i] -= is_one(x->type, d);
    }
    ir_value *y = ir_reduce(&r->at, (ir_combine)ir_get_int(op, IR_ATTR_combine, 0), squeezed(r, x, rank, dims), n, on,
                            (frit_dtype)t.dtype);
    return ir_reshape(&r->at, y, t.rank, t.dims);
}

static ir_value *canonical_reduce(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0), *v = reduce_ones(r, op);
    if (v) return v;
    if (ir_is(x, IR_transpose)) return reduce_of_transpose(r, op);
    if (ir_is(x, IR_broadcast)) return reduce_of_broadcast(r, op);
    if (ir_is(x, IR_reduce)) return reduce_of_reduce(r, op);
    const int64_t *axes;
    int n = ir_get_ints(op, IR_ATTR_axes, &axes);
    for (int i = 0; i < n; i++)
        if (is_one(x->type, (int)axes[i])) return NULL;
    return reduce_before_ones(r, op);
}

static ir_value *canonical(rewriter *r, ir_op *op) {
    if (ir_op_flags(op) & IR_F_VIEW || op->code == IR_gather) {
        ir_value *v = view_of_splat(r, op);
        if (v) return v;
    }
    switch (op->code) {
    case IR_reshape: return canonical_reshape(r, op);
    case IR_transpose: return canonical_transpose(r, op);
    case IR_broadcast: return canonical_broadcast(r, op);
    case IR_slice: return canonical_slice(r, op);
    case IR_pad: return canonical_pad(r, op);
    case IR_concat: return canonical_concat(r, op);
    case IR_insert: return canonical_insert(r, op);
    case IR_view: return canonical_view(r, op);
    case IR_gather: return canonical_gather(r, op);
    case IR_reduce: return canonical_reduce(r, op);
    default: break;
    }
    if (!(ir_op_flags(op) & IR_F_ELEMENTWISE)) return NULL;
    ir_value *v = broadcast_after(r, op);
    return v ? v : ones_after(r, op);
}

bool pass_canonicalize(pass_ctx *c, ir_func *f) { return rewrite_func(c, f, canonical); }
