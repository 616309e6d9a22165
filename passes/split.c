/* Reductions with few results over very many elements are done in parts: a first reduction gives one value a part, kept
 * in memory, and a second one combines the parts. The parts run side by side; how many there are depends on the extents
 * and the target alone, so the result does not depend on the number of threads. (Split-K for contractions.) */
#include "rewrite.h"
#include "schedule_sizes.h"
#include "split_ordered.h"
#include "split_sort.h"
#include "target.h"
#include <math.h>
#include <string.h>

enum {
    FEW_RESULTS = 8,         /* of a reduction; there are tasks enough with more, or as many as multiprocessors (few_results) */
    FEW_PRODUCTS = 2048,     /* of a contraction: a few tasks at most */
    LONG = 1 << 18,          /* terms of a reduction's result: a row that is shorter stays in one kernel with its readers */
    LONG_PRODUCT = 1 << 15,  /* terms of a contraction's result */
    LONG_COLUMN = 1 << 16,   /* terms of one that is no row, for blocks of threads */
    PART = 1 << 12,          /* terms a part, about */
    MOST_PARTS = 512,
    TRAFFIC = 8              /* terms a partial result must stand for at least */
};

/* A divisor of n near the number of parts wanted, where there is one. */
static int64_t divisor_near(int64_t n, int64_t want) {
    for (int64_t p = want; p > want / 2; p--)
        if (n % p == 0) return p;
    return want;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t parts_of(int64_t n) { return divisor_near(n, least(n / PART, MOST_PARTS)); }

static frit_dtype partial_dtype(frit_dtype t) {
    return frit_dtype_is_float(t) && frit_dtype_bits(t) < 32 ? FRIT_f32 : t;
}

static double identity_of(ir_combine c) {
    switch (c) {
    case IR_PROD:
    case IR_ALL: return 1;
    case IR_MAX: return -INFINITY;
    case IR_MIN: return INFINITY;
    default: return 0;
    }
}

/* x, whose last dim has n elements, with that dim in `parts` parts; what the last one lacks is `fill`. */
static ir_value *in_parts(rewriter *r, ir_value *x, int64_t n, int64_t parts, double fill) {
    sym_t dims[IR_MAX_RANK + 1], vars[IR_MAX_RANK + 1], map[IR_MAX_RANK];
    int last = x->type.rank - 1;
    int64_t size = (n + parts - 1) / parts;
    memcpy(dims, x->type.dims, (size_t)last * sizeof *dims);
    dims[last] = sym_const(r->s, parts);
    dims[last + 1] = sym_const(r->s, size);
    if (size * parts == n) return ir_reshape(&r->at, x, last + 2, dims);
    for (int d = 0; d <= last + 1; d++) vars[d] = sym_index(r->s, "p", dims[d]);
    for (int d = 0; d < last; d++) map[d] = vars[d];
    map[last] = sym_add(r->s, sym_muli(r->s, vars[last], size), vars[last + 1]);
    return ir_view(&r->at, x, last + 2, dims, vars, map, fill);
}

static ir_value *kept(rewriter *r, ir_value *x) { return ir_result(ir_build(&r->at, IR_materialize, 1, &x, 1, &x->type), 0); }

/* x with the given axes behind the others and joined into one. *n: its extent; false when that is not a constant of so many
 * elements at least. */
static bool join_axes(rewriter *r, ir_type t, int n_axes, const int64_t *axes, int64_t fewest, int64_t *perm, int64_t *n) {
    int k = 0;
    *n = 1;
    for (int i = 0; i < n_axes; i++) {
        int64_t e;
        if (!sym_is_const(t.dims[axes[i]], &e) || e <= 0 || *n > INT64_MAX / e) return false;
        *n *= e;
    }
    for (int d = 0; d < t.rank; d++) {
        bool joined = false;
        for (int i = 0; i < n_axes; i++) joined |= axes[i] == d;
        if (!joined) perm[k++] = d;
    }
    for (int i = 0; i < n_axes; i++) perm[k++] = axes[i];
    return *n >= fewest && t.rank - n_axes + 2 <= IR_MAX_RANK;
}

static ir_value *joined(rewriter *r, ir_value *x, int n_axes, const int64_t *perm, int64_t n) {
    x = ir_transpose(&r->at, x, perm);
    sym_t dims[IR_MAX_RANK];
    int rank = x->type.rank - n_axes + 1;
    memcpy(dims, x->type.dims, (size_t)(rank - 1) * sizeof *dims);
    dims[rank - 1] = sym_const(r->s, n);
    return ir_reshape(&r->at, x, rank, dims);
}

/* The axes are the last ones: a result's terms are neighbours, a row. */
static bool are_last(ir_type t, int n_axes, const int64_t *axes) {
    for (int i = 0; i < n_axes; i++)
        if (axes[i] != t.rank - n_axes + i) return false;
    return true;
}

/* How many results are few: a machine of many multiprocessors needs one for each of them. Rows are left to one kernel with
 * what reads them again. */
static int64_t few_results(const rewriter *r, bool rows) {
    bool many = !rows && r->limits && r->limits->threads && r->limits->multiprocessors > FEW_RESULTS;
    return many ? r->limits->multiprocessors : FEW_RESULTS;
}

static int64_t long_for(const rewriter *r, bool rows) { return !rows && r->limits && r->limits->threads ? LONG_COLUMN : LONG; }

/* Where the axes of a sum, in their order, are cut: parts are the positions of those before, times `parts` of this one. */
typedef struct axis_cut {
    int at;
    int64_t parts, extent;
} axis_cut;

/* Parts of each of so many results that hold whole inner axes, so that they are read as they lie. Results that are neighbours in
 * memory share tasks, and take more parts to be many tasks. */
static bool cut_axes(ir_type t, int n_axes, const int64_t *axes, int64_t n, int64_t results, axis_cut *cut) {
    bool neighbours = axes[n_axes - 1] != t.rank - 1;
    int64_t most = neighbours ? MOST_PARTS : least(MOST_PARTS, MOST_PARTS * FEW_RESULTS / results);
    int64_t want = least(n / PART, most), outer = 1, e;
    for (int i = 1; i < n_axes; i++)
        if (axes[i] <= axes[i - 1]) return false;
    for (int i = 0; i < n_axes && sym_is_const(t.dims[axes[i]], &e) && outer <= want; outer *= e, i++)
        for (int64_t d = least(want / outer, e); d * outer > want / 2; d--)
            if (e % d == 0) {
                *cut = (axis_cut){i, d, e};
                return true;
            }
    return false;
}

/* The axes stay where they are: what was neighbours in memory is among the partial results too. */
static ir_value *reduce_at(rewriter *r, ir_combine c, ir_value *x, int n_axes, const int64_t *axes, const axis_cut *cut) {
    sym_t dims[IR_MAX_RANK + 1];
    int64_t inner[IR_MAX_RANK];
    int n_inner = 0, axis = (int)axes[cut->at], rank = x->type.rank;
    memcpy(dims, x->type.dims, (size_t)axis * sizeof *dims);
    dims[axis] = sym_const(r->s, cut->parts);
    dims[axis + 1] = sym_const(r->s, cut->extent / cut->parts);
    memcpy(dims + axis + 2, x->type.dims + axis + 1, (size_t)(rank - axis - 1) * sizeof *dims);
    x = ir_reshape(&r->at, x, rank + 1, dims);
    for (int i = cut->at; i < n_axes; i++) inner[n_inner++] = axes[i] + 1;
    x = kept(r, ir_reduce(&r->at, c, x, n_inner, inner, (frit_dtype)x->type.dtype));
    return ir_reduce(&r->at, c, x, cut->at + 1, axes, (frit_dtype)x->type.dtype);
}

static ir_value *split_reduce(rewriter *r, ir_op *op) {
    const int64_t *axes;
    int64_t perm[IR_MAX_RANK], n, results;
    int n_axes = ir_get_ints(op, IR_ATTR_axes, &axes);
    ir_combine c = (ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SUM);
    ir_value *x = ir_operand(op, 0);
    ir_type t = ir_result(op, 0)->type;
    frit_dtype from = (frit_dtype)x->type.dtype;
    if (c > IR_ALL || from != t.dtype || frit_dtype_bits(from) < 8) return NULL;
    bool rows = are_last(x->type, n_axes, axes);
    axis_cut cut;
    if (!sym_is_const(ir_type_elements(r->m, t), &results) || results < 1 || results > few_results(r, rows)) return NULL;
    if (!join_axes(r, x->type, n_axes, axes, long_for(r, rows), perm, &n)) return NULL;
    if (n_axes == 1 && axes[0] == x->type.rank - 1 && r->limits && schedule_cluster_holds(r->limits, n)) return NULL;
    int64_t parts = parts_of(n), last = t.rank + 1, part = t.rank;
    bool along = !rows && x->type.rank < IR_MAX_RANK && cut_axes(x->type, n_axes, axes, n, results, &cut);
    if (!along && n % parts && isinf(identity_of(c)) && !frit_dtype_is_float(from)) return NULL; /* no such number */
    if (along) {
        x = reduce_at(r, c, ir_cast(&r->at, x, partial_dtype(from)), n_axes, axes, &cut);
        return ir_cast(&r->at, x, (frit_dtype)t.dtype);
    }
    x = ir_cast(&r->at, joined(r, x, n_axes, perm, n), partial_dtype(from));
    x = in_parts(r, x, n, parts, identity_of(c));
    x = kept(r, ir_reduce(&r->at, c, x, 1, &last, (frit_dtype)x->type.dtype));
    return ir_cast(&r->at, ir_reduce(&r->at, c, x, 1, &part, (frit_dtype)x->type.dtype), (frit_dtype)t.dtype);
}

/* The position of the greatest (or least) of a long axis: each part's, and of these the one whose part has the greatest. What
 * the last part lacks is no better than what stands before it. */
static ir_value *split_arg(rewriter *r, ir_op *op) {
    const int64_t *axes;
    int64_t perm[IR_MAX_RANK], n, results;
    ir_combine c = (ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SUM), of = c == IR_ARGMAX ? IR_MAX : IR_MIN;
    ir_value *x = ir_operand(op, 0);
    ir_type t = ir_result(op, 0)->type;
    frit_dtype from = (frit_dtype)x->type.dtype;
    if ((c != IR_ARGMAX && c != IR_ARGMIN) || ir_get_ints(op, IR_ATTR_axes, &axes) != 1 || frit_dtype_bits(from) < 8) return NULL;
    if (!r->limits || !r->limits->threads || !sym_is_const(ir_type_elements(r->m, t), &results)) return NULL;
    if (results < 1 || results > FEW_RESULTS || !join_axes(r, x->type, 1, axes, LONG, perm, &n)) return NULL;
    int64_t parts = parts_of(n), size = (n + parts - 1) / parts, last = t.rank + 1, part = t.rank;
    if (n % parts && !frit_dtype_is_float(from)) return NULL; /* no such number */
    x = in_parts(r, joined(r, x, 1, perm, n), n, parts, identity_of(of));
    ir_value *best = kept(r, ir_reduce(&r->at, of, x, 1, &last, from));
    ir_value *place = kept(r, ir_reduce(&r->at, c, x, 1, &last, FRIT_i64));
    best = ir_reduce(&r->at, c, best, 1, &part, FRIT_i64);
    sym_t var = sym_var(r->s, "best", SYM_VALUE, NULL, NULL), vars[IR_MAX_RANK], map[IR_MAX_RANK];
    for (int d = 0; d < t.rank; d++) map[d] = vars[d] = sym_index(r->s, "i", t.dims[d]);
    map[t.rank] = var;
    place = ir_gather(&r->at, place, 1, &best, &var, t.rank, t.dims, vars, map, 0);
    best = ir_binary(&r->at, IR_mul, best, ir_splat_int(&r->at, best->type, size));
    return ir_cast(&r->at, ir_binary(&r->at, IR_add, best, place), (frit_dtype)t.dtype);
}

/* Sums over parts of the first summed axis; the others stay as they are. */
static ir_value *split_contract(rewriter *r, ir_op *op) {
    const int64_t *batch[2], *summed[2];
    int n_batch = 0, n_summed = 0;
    ir_type t = ir_result(op, 0)->type;
    int64_t results, n = 1, own[2][IR_MAX_RANK], sums[2][IR_MAX_RANK];
    ir_value *x[2];
    for (int i = 0; i < 2; i++) {
        n_batch = ir_get_ints(op, i ? IR_ATTR_rhs_batch : IR_ATTR_lhs_batch, &batch[i]);
        n_summed = ir_get_ints(op, i ? IR_ATTR_rhs_contract : IR_ATTR_lhs_contract, &summed[i]);
    }
    if (!frit_dtype_is_float((frit_dtype)t.dtype) || n_summed < 1 || t.rank + 1 > IR_MAX_RANK) return NULL;
    if (!sym_is_const(ir_type_elements(r->m, t), &results) || results < 1) return NULL;
    if (!sym_is_const(ir_operand(op, 0)->type.dims[summed[0][0]], &n)) return NULL;
    if (results > FEW_PRODUCTS || n < LONG_PRODUCT) return NULL;
    int64_t parts = least(parts_of(n), n / TRAFFIC / results), zero = 0;
    if (parts < 2) return NULL;
    for (int i = 0; i < 2; i++) { /* [parts, the axes in their order, with a part in the place of the split one] */
        int64_t perm[IR_MAX_RANK + 1], axis = summed[i][0];
        int rank = ir_operand(op, i)->type.rank, k = 0;
        if (rank + 1 > IR_MAX_RANK) return NULL;
        for (int d = 0; d < rank; d++)
            if (d != axis) perm[k++] = d;
        perm[k] = axis;
        x[i] = in_parts(r, ir_transpose(&r->at, ir_operand(op, i), perm), n, parts, 0);
        perm[0] = rank - 1;
        for (int d = 0, q = 0; d < rank; d++) perm[d + 1] = d == axis ? rank : q++;
        x[i] = ir_transpose(&r->at, x[i], perm);
        own[i][0] = 0;
        for (int d = 0; d < n_batch; d++) own[i][d + 1] = batch[i][d] + 1;
        for (int d = 0; d < n_summed; d++) sums[i][d] = summed[i][d] + 1;
    }
    frit_dtype partial = partial_dtype((frit_dtype)t.dtype);
    ir_value *y = ir_contract(&r->at, x[0], x[1], n_batch + 1, own[0], own[1], n_summed, sums[0], sums[1], partial);
    return ir_cast(&r->at, ir_reduce(&r->at, IR_SUM, kept(r, y), 1, &zero, partial), (frit_dtype)t.dtype);
}

static ir_value *rule(rewriter *r, ir_op *op) {
    ir_value *y = split_scatter(r, op);
    if (y || r->exact) return y; /* parts of floats are rounded on their own */
    if (op->code == IR_reduce) {
        y = split_reduce(r, op);
        return y ? y : split_arg(r, op);
    }
    return op->code == IR_contract ? split_contract(r, op) : NULL;
}

bool pass_split(pass_ctx *c, ir_func *f) {
    bool sorts = split_sorts(c, f), compacts = split_compacts(c, f);
    return rewrite_func(c, f, rule) || sorts || compacts;
}
