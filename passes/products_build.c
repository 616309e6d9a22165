/* Writes a sum of products with as little work as its factors allow:
 *   1. factors are divided into two groups that each vary along few axes: the operands of a contraction;
 *   2. axes that only one group has are summed before; axes that no factor has count as often as they are long;
 *   3. neighbouring axes that both operands have (or lack) alike become one long axis;
 *   4. what was left outside is applied to the result. */
#include "products.h"
#include <string.h>

/* A value and the axis that each of its dims runs along. */
typedef struct term {
    ir_value *v;
    int n, axis[IR_MAX_RANK];
    unsigned axes;
} term;

typedef struct grouping {
    int n;           /* groups: 1 or 2 */
    unsigned set[2]; /* factors in each */
    unsigned axes[2];
} grouping;

typedef struct build {
    rewriter *r;
    products *p;
    ir_builder *b;
    int merged[MAX_AXES][2]; /* an axis made of two: they */
    frit_dtype sum_dtype;    /* of the sum before outer factors apply */
    frit_dtype dtype;        /* of products of several factors */
} build;

/* ---- Grouping ---------------------------------------------------------------------------------------------------- */
static unsigned axes_of(const products *p, unsigned factors) {
    unsigned set = 0;
    for (int i = 0; i < p->n_factors; i++)
        if (factors >> i & 1) set |= p->f[i].axes;
    return set;
}

static unsigned inside(const products *p) {
    unsigned set = 0;
    for (int i = 0; i < p->n_factors; i++)
        if (!p->f[i].outside) set |= 1u << i;
    return set;
}

static unsigned factors_of_root(const products *p, int root) {
    unsigned set = 0;
    for (int i = 0; i < p->n_factors; i++)
        if (p->f[i].root == root) set |= 1u << i;
    return set;
}

/* Two groups make a contraction when both have a summed axis in common, and not both span the whole product. */
static bool contracts(const products *p, unsigned a, unsigned b) {
    return a & b & p->summed && (a != (a | b) || b != (a | b));
}

static void consider(const products *p, unsigned a, unsigned b, grouping *best, double *cost) {
    if (!a || !b) return;
    unsigned x = axes_of(p, a), y = axes_of(p, b);
    double c = products_size(p, x) + products_size(p, y);
    if (!contracts(p, x, y) || (*cost >= 0 && c >= *cost)) return;
    *best = (grouping){2, {a, b}, {x, y}};
    *cost = c;
}

static grouping group_factors(const products *p) {
    unsigned all = inside(p);
    grouping best = {1, {all, 0}, {axes_of(p, all), 0}};
    double cost = -1;
    if (p->n_roots == 2) consider(p, factors_of_root(p, 0) & all, factors_of_root(p, 1) & all, &best, &cost);
    for (unsigned a = 1; a < 1u << p->n_factors; a++)
        if ((a & all) == a && a & (all & -all)) consider(p, a, all & ~a, &best, &cost);
    return best;
}

/* The left group holds the first axis of the result that the other has not. */
static void order_groups(const products *p, grouping *g) {
    unsigned free_a = g->axes[0] & p->kept & ~g->axes[1], free_b = g->axes[1] & p->kept & ~g->axes[0];
    if (p->n_roots == 2 || g->n < 2 || !free_b || (free_a && (free_a & -free_a) < (free_b & -free_b))) return;
    *g = (grouping){2, {g->set[1], g->set[0]}, {g->axes[1], g->axes[0]}};
}

/* ---- Terms ------------------------------------------------------------------------------------------------------- */
static term term_of(build *w, const factor *f) {
    term t = {.axes = f->axes};
    unsigned drop = 0;
    for (int d = 0; d < f->v->type.rank; d++) {
        if (f->axis[d] < 0) drop |= 1u << d;
        else t.axis[t.n++] = f->axis[d];
    }
    scalar c;
    if (f->v->type.rank && t.n == 0 && splat_of(f->v, &c))
        t.v = make_splat(w->b, ir_scalar((frit_dtype)f->v->type.dtype), c);
    else t.v = drop ? drop_axes(w->b, f->v, drop) : f->v;
    if (f->cast) t.v = ir_cast(w->b, t.v, w->p->dtype);
    return t;
}

/* t over the axes in `want` (which has all of t's), ascending. */
static term spread(build *w, term t, unsigned want) {
    int64_t perm[IR_MAX_RANK], to[IR_MAX_RANK];
    sym_t dims[IR_MAX_RANK];
    term out = {.axes = want};
    int n = 0;
    for (int a = 0; a < w->p->n_axes; a++) {
        if (!(want >> a & 1)) continue;
        for (int d = 0; d < t.n; d++)
            if (t.axis[d] == a) perm[n] = d, to[n++] = out.n;
        dims[out.n] = w->p->extent[a];
        out.axis[out.n++] = a;
    }
    out.v = ir_broadcast(w->b, ir_transpose(w->b, t.v, perm), out.n, dims, to);
    return out;
}

/* Operand `root` of the op is the product of these factors and varies along no other axis. */
static bool is_root(const products *p, int root, unsigned set) {
    return set == factors_of_root(p, root) && p->root[root].axes == axes_of(p, set);
}

/* The product of a set of factors. A whole operand of the op is taken as it stands. */
static term product_of(build *w, unsigned set) {
    products *p = w->p;
    for (int i = 0; i < p->n_roots; i++)
        if (is_root(p, i, set)) return term_of(w, &p->root[i]);
    unsigned axes = axes_of(p, set);
    term out = {0};
    for (int i = 0; i < p->n_factors; i++) {
        if (!(set >> i & 1)) continue;
        term t = term_of(w, &p->f[i]);
        if (set == 1u << i) return t;
        t.v = ir_cast(w->b, t.v, w->dtype);
        t = spread(w, t, axes);
        if (out.v) t.v = ir_binary(w->b, IR_mul, out.v, t.v);
        out = t;
    }
    return out;
}

static term sum_over(build *w, term t, unsigned axes, frit_dtype dtype) {
    int64_t on[IR_MAX_RANK];
    int n = 0;
    term out = {.axes = t.axes & ~axes};
    for (int d = 0; d < t.n; d++) {
        if (axes >> t.axis[d] & 1) on[n++] = d;
        else out.axis[out.n++] = t.axis[d];
    }
    out.v = n ? ir_reduce(w->b, IR_SUM, t.v, n, on, dtype) : ir_cast(w->b, t.v, dtype);
    return out;
}

/* ---- Long axes --------------------------------------------------------------------------------------------------- */
static int place(const term *t, int axis) {
    for (int d = 0; d < t->n; d++)
        if (t->axis[d] == axis) return d;
    return -1;
}

/* A reshape of v is another reading of the same memory. */
static bool is_contiguous(const ir_value *v) {
    return !v->op || !(ir_op_flags(v->op) & IR_F_VIEW) || v->op->code == IR_reshape;
}

/* Axes a and b may become one: neighbours in this order wherever they are. */
static bool alike(const term *t, int a, int b) {
    int i = place(t, a), j = place(t, b);
    return (i < 0 && j < 0) || (i >= 0 && j == i + 1 && is_contiguous(t->v));
}

static bool mergeable(const products *p, const term *x, const term *y, int a, int b) {
    unsigned both = 1u << a | 1u << b;
    if ((p->summed & both) != both && (p->kept & both) != both) return false;
    /* batch axes: nothing gained, and other ops keep them apart */
    if (x->axes & y->axes & p->kept & both) return false;
    if (p->summed & both) /* the order of the sum stays */
        for (int i = a + 1; i < b; i++)
            if ((p->summed & x->axes) >> i & 1) return false;
    return a < b && alike(x, a, b) && alike(y, a, b);
}

static void merge_in(build *w, term *t, int a, int b, int axis) {
    int i = place(t, a);
    sym_t dims[IR_MAX_RANK];
    if (i < 0) return;
    t->axis[i] = axis;
    memmove(t->axis + i + 1, t->axis + i + 2, sizeof(int) * (size_t)(t->n - i - 2));
    t->n--;
    t->axes = (t->axes & ~(1u << a | 1u << b)) | 1u << axis;
    for (int d = 0; d < t->n; d++) dims[d] = w->p->extent[t->axis[d]];
    t->v = ir_reshape(w->b, t->v, t->n, dims);
}

static bool find_pair(const products *p, const term *x, const term *y, int *a, int *b) {
    for (int side = 0; side < 2; side++) {
        const term *t = side ? y : x;
        for (int d = 0; d + 1 < t->n; d++) {
            *a = t->axis[d], *b = t->axis[d + 1];
            if (mergeable(p, x, y, *a, *b)) return true;
        }
    }
    return false;
}

static void merge_axes(build *w, term *x, term *y) {
    products *p = w->p;
    int a, b;
    while (p->n_axes < MAX_AXES && find_pair(p, x, y, &a, &b)) {
        int axis = p->n_axes++;
        p->extent[axis] = sym_mul(w->r->s, p->extent[a], p->extent[b]);
        w->merged[axis][0] = a, w->merged[axis][1] = b;
        *(p->summed >> a & 1 ? &p->summed : &p->kept) |= 1u << axis;
        merge_in(w, x, a, b, axis);
        merge_in(w, y, a, b, axis);
    }
}

static void expand_axes(build *w, term *t, int n_axes) {
    sym_t dims[IR_MAX_RANK];
    bool any = false;
    for (int d = 0; d < t->n; d++) {
        if (t->axis[d] < n_axes) continue;
        int axis = t->axis[d];
        memmove(t->axis + d + 2, t->axis + d + 1, sizeof(int) * (size_t)(t->n - d - 1));
        t->n++;
        t->axis[d] = w->merged[axis][0], t->axis[d + 1] = w->merged[axis][1];
        t->axes = (t->axes & ~(1u << axis)) | 1u << t->axis[d] | 1u << t->axis[d + 1];
        any = true;
        d--;
    }
    for (int d = 0; d < t->n; d++) dims[d] = w->p->extent[t->axis[d]];
    if (any) t->v = ir_reshape(w->b, t->v, t->n, dims);
}

/* ---- The sum ----------------------------------------------------------------------------------------------------- */
static term contract_terms(build *w, term x, term y) {
    products *p = w->p;
    int n_axes = p->n_axes, nb = 0, nc = 0;
    int64_t xb[IR_MAX_RANK], yb[IR_MAX_RANK], xc[IR_MAX_RANK], yc[IR_MAX_RANK];
    x = sum_over(w, x, x.axes & p->summed & ~y.axes, p->dtype);
    y = sum_over(w, y, y.axes & p->summed & ~x.axes, p->dtype);
    merge_axes(w, &x, &y);
    term out = {0};
    for (int d = 0; d < x.n; d++)
        if ((p->kept & y.axes) >> x.axis[d] & 1) {
            xb[nb] = d;
            yb[nb++] = place(&y, x.axis[d]);
            out.axis[out.n++] = x.axis[d];
        }
    /* summed axes in the order of the op; a merged axis stands where its first part did */
    int order[IR_MAX_RANK];
    for (int d = 0; d < x.n; d++) {
        if (!(p->summed >> x.axis[d] & 1)) continue;
        int key = x.axis[d], at = nc++;
        while (key >= n_axes) key = w->merged[key][0];
        for (; at > 0 && order[at - 1] > key; at--) order[at] = order[at - 1], xc[at] = xc[at - 1];
        order[at] = key;
        xc[at] = d;
    }
    for (int i = 0; i < nc; i++) yc[i] = place(&y, x.axis[xc[i]]);
    for (int d = 0; d < x.n; d++)
        if ((p->kept & ~y.axes) >> x.axis[d] & 1) out.axis[out.n++] = x.axis[d];
    for (int d = 0; d < y.n; d++)
        if ((p->kept & ~x.axes) >> y.axis[d] & 1) out.axis[out.n++] = y.axis[d];
    for (int d = 0; d < out.n; d++) out.axes |= 1u << out.axis[d];
    out.v = ir_contract(w->b, x.v, y.v, nb, xb, yb, nc, xc, yc, w->sum_dtype);
    expand_axes(w, &out, n_axes);
    return out;
}

/* ---- Outside ----------------------------------------------------------------------------------------------------- */
static term apply(build *w, term t, term f, bool divides) {
    f.v = ir_cast(w->b, f.v, w->sum_dtype);
    unsigned all = t.axes | f.axes;
    t = spread(w, t, all);
    f = spread(w, f, all);
    t.v = ir_binary(w->b, divides ? IR_div : IR_mul, t.v, f.v);
    return t;
}

static term count_of(build *w, unsigned axes) {
    rewriter *r = w->r;
    sym_t n = sym_const(r->s, 1);
    int64_t v;
    for (int i = 0; i < w->p->n_axes; i++)
        if (axes >> i & 1) n = sym_mul(r->s, n, w->p->extent[i]);
    term t = {0};
    if (sym_is_const(n, &v)) t.v = ir_cast(w->b, ir_splat_int(w->b, ir_scalar(FRIT_i64), v), w->sum_dtype);
    else t.v = ir_cast(w->b, ir_size(w->b, n), w->sum_dtype);
    return t;
}

/* t where the sum has terms, else 0: a factor behind the sum may be infinite or NaN, and so is 0 times it. */
static term unless_empty(build *w, term t) {
    sym_t n = sym_const(w->r->s, 1), dims[IR_MAX_RANK];
    int64_t lo, hi;
    for (int i = 0; i < w->p->n_axes; i++)
        if (w->p->summed >> i & 1) n = sym_mul(w->r->s, n, w->p->extent[i]);
    sym_range(w->r->s, n, &lo, &hi);
    if (lo > 0 || !is_float_type(t.v->type)) return t;
    ir_value *none = ir_splat_int(w->b, ir_scalar(FRIT_i64), 0), *some = ir_binary(w->b, IR_lt, none, ir_size(w->b, n));
    for (int d = 0; d < t.n; d++) dims[d] = w->p->extent[t.axis[d]];
    some = ir_broadcast(w->b, some, t.n, dims, NULL);
    t.v = ir_select(w->b, some, t.v, ir_splat(w->b, t.v->type, 0));
    return t;
}

/* f times t, but nothing where t is: of a sum whose terms a mask has left out, every factor that stood in them is left out,
 * infinite ones too. (Where terms that are there vanish beside an infinite factor, it is nothing as well.) */
static term apply_masked(build *w, term t, term f) {
    term product = apply(w, t, f, false);
    t = spread(w, t, product.axes);
    ir_value *zero = ir_splat(w->b, t.v->type, 0);
    product.v = ir_select(w->b, ir_binary(w->b, IR_eq, t.v, zero), zero, product.v);
    return product;
}

static bool has_mask(const products *p) {
    for (int i = 0; i < p->n_factors; i++)
        if (!p->f[i].outside && is_float_type(p->f[i].v->type) && products_masked(p->f[i].v, 0)) return true;
    return false;
}

static ir_value *finish(build *w, term t) {
    ir_type type = ir_result(w->p->op, 0)->type;
    t = spread(w, t, w->p->kept & ((1u << type.rank) - 1));
    return ir_cast(w->b, ir_reshape(w->b, t.v, type.rank, type.dims), (frit_dtype)type.dtype);
}

/* ---- Whether ----------------------------------------------------------------------------------------------------- */
static bool drops_ones(const products *p) {
    for (int i = 0; i < p->n_roots; i++)
        for (int d = 0; d < p->root[i].v->type.rank; d++)
            if (p->root[i].axis[d] < 0) return true;
    return false;
}

static bool roots_stand(const products *p, const grouping *g) {
    for (int i = 0; i < p->n_roots; i++)
        if (p->root[i].v != ir_operand(p->op, i) || !is_root(p, i, g->set[i])) return false;
    return !drops_ones(p);
}

static bool has_long_axes(const products *p) {
    term t[2];
    int a, b;
    for (int i = 0; i < 2; i++) {
        t[i] = (term){.v = p->root[i].v, .n = p->root[i].v->type.rank, .axes = p->root[i].axes};
        memcpy(t[i].axis, p->root[i].axis, sizeof t[i].axis);
    }
    return !find_pair(p, &t[0], &t[1], &a, &b);
}

static bool narrow(frit_dtype t) { return frit_dtype_is_float(t) && frit_dtype_bits(t) < 32; }

/* What the sum is kept in until outer factors have been applied. */
static frit_dtype accumulator(frit_dtype in, frit_dtype out) {
    if (!frit_dtype_is_float(in)) return out;
    return in == FRIT_f64 || out == FRIT_f64 ? FRIT_f64 : FRIT_f32;
}

ir_value *products_build(rewriter *r, products *p) {
    for (int i = 0; i < p->n_factors && !inside(p); i++)
        if (!p->f[i].divides) p->f[i].outside = false;
    grouping g = group_factors(p);
    order_groups(p, &g);
    unsigned repeated = p->summed & ~axes_of(p, inside(p)), all = (1u << p->n_factors) - 1;
    unsigned alone = g.n == 2 ? (g.axes[0] ^ g.axes[1]) & p->summed : 0;
    bool is_float = frit_dtype_is_float(p->dtype), same = inside(p) == all && !repeated;
    if (is_float && r->exact && (repeated || alone)) return NULL; /* inexact: other sums */
    for (int i = 0; is_float && alone && i < p->n_factors; i++)
        if (p->f[i].axes & alone && products_masked(p->f[i].v, 0)) return NULL;
    if (alone && narrow(p->dtype)) return NULL; /* an operand that is a sum would be rounded to its dtype */
    if (p->op->code == IR_reduce && same && g.n == 1) return NULL;
    if (p->op->code == IR_contract && same && g.n == 2 && !alone && roots_stand(p, &g) && has_long_axes(p)) return NULL;
    if (is_float && r->exact && g.n == 1 && p->op->code == IR_contract) return NULL; /* a sum of one -0 is +0 */

    frit_dtype out = (frit_dtype)ir_result(p->op, 0)->type.dtype;
    build w = {.r = r, .p = p, .b = &r->at, .sum_dtype = same ? out : accumulator(p->dtype, out)};
    /* A contraction keeps the bits of narrow products, and so does what takes its place. */
    w.dtype = g.n == 1 && narrow(p->dtype) ? FRIT_f32 : p->dtype;
    int n_axes = p->n_axes;
    term t = product_of(&w, g.set[0]);
    if (g.n == 2) t = contract_terms(&w, t, product_of(&w, g.set[1]));
    else t = sum_over(&w, t, t.axes & p->summed, w.sum_dtype);
    p->n_axes = n_axes;
    if (repeated) t = apply(&w, t, count_of(&w, repeated), false);
    bool masked = is_float && has_mask(p);
    for (int i = 0; i < p->n_factors; i++) {
        if (!p->f[i].outside) continue;
        term f = term_of(&w, &p->f[i]);
        t = masked && !p->f[i].divides ? apply_masked(&w, t, f) : apply(&w, t, f, p->f[i].divides);
    }
    if (repeated || inside(p) != all) t = unless_empty(&w, t);
    return finish(&w, t);
}
