#include "products.h"
#include "bounded.h"
#include "ir/absent.h"
#include <math.h>
#include <string.h>

double products_size(const products *p, unsigned axes) {
    double n = 1;
    for (int i = 0; i < p->n_axes; i++)
        if (axes >> i & 1) n *= (double)sym_hint(p->extent[i]);
    return n;
}

/* ---- Where a value is read --------------------------------------------------------------------------------------- */
/* v read at coordinates that are each an axis in full (or the one position of a dim of 1), no axis twice. */
static bool plain_factor(const products *p, ir_value *v, const sym_t *at, factor *f) {
    *f = (factor){.v = v};
    for (int d = 0; d < v->type.rank; d++) {
        f->axis[d] = -1;
        for (int i = 0; i < p->n_axes; i++)
            if (at[d] == p->var[i] && sym_is_var(at[d])) f->axis[d] = i;
        if (f->axis[d] < 0) {
            if (!sym_is(v->type.dims[d], 1) || !sym_is_const(at[d], NULL)) return false;
            continue;
        }
        if (v->type.dims[d] != p->extent[f->axis[d]] || f->axes >> f->axis[d] & 1) return false;
        f->axes |= 1u << f->axis[d];
    }
    return true;
}

static bool has_ones(const factor *f) {
    for (int d = 0; d < f->v->type.rank; d++)
        if (f->axis[d] < 0) return true;
    return false;
}

/* Follows views down from v; *f is the deepest value that is read plainly. Dims of 1 are not worth going back to. */
static void follow_views(rewriter *r, const products *p, ir_value *v, const sym_t *coords, factor *f) {
    enum { DEEPEST = 64 };
    sym_t at[IR_MAX_RANK], next[IR_MAX_RANK];
    factor g;
    memcpy(at, coords, sizeof(sym_t) * (size_t)v->type.rank);
    for (int i = 0; i < DEEPEST && v->op; i++) {
        ir_opcode code = v->op->code;
        if (code != IR_transpose && code != IR_broadcast && code != IR_reshape && code != IR_slice) break;
        access_operand(&r->x, v->op, 0, at, next);
        v = ir_operand(v->op, 0);
        for (int d = 0; d < v->type.rank; d++)
            if (sym_is_invalid(next[d]) || has_division(next[d])) return;
        memcpy(at, next, sizeof(sym_t) * (size_t)v->type.rank);
        bool opens = ir_is(v, IR_mul); /* a product behind dims of 1 can be taken apart */
        if (plain_factor(p, v, at, &g) && (!has_ones(&g) || g.axes != f->axes || opens)) *f = g;
    }
}

static factor factor_at(rewriter *r, const products *p, const factor *outer, ir_value *v) {
    sym_t at[IR_MAX_RANK];
    factor f = *outer;
    f.v = v;
    scalar c;
    if (splat_of(v, &c)) {
        f.axes = 0;
        for (int d = 0; d < v->type.rank; d++) f.axis[d] = -1;
    }
    for (int d = 0; d < v->type.rank; d++) at[d] = f.axis[d] < 0 ? sym_const(r->s, 0) : p->var[f.axis[d]];
    follow_views(r, p, v, at, &f);
    f.root = outer->root;
    f.divides = outer->divides;
    f.outside = f.cast = false;
    return f;
}

/* ---- Taking products apart --------------------------------------------------------------------------------------- */
static bool multiplies(const rewriter *r, const ir_value *v) {
    frit_dtype t = (frit_dtype)v->type.dtype;
    if (t == FRIT_f16 || t == FRIT_bf16) return !r->exact; /* inexact: the products are no longer rounded */
    return t == FRIT_f32 || t == FRIT_f64 || frit_dtype_is_int(t);
}

bool products_masked(const ir_value *v, int depth) {
    enum { DEEPEST = 10 };
    const ir_op *op = v->op;
    if (!op || depth > DEEPEST) return false;
    switch (op->code) {
    case IR_select:
        for (int i = 1; i < 3; i++) {
            double x;
            const ir_value *y = ir_operand(op, i);
            while (ir_is(y, IR_broadcast)) y = ir_operand(y->op, 0);
            if (ir_excludes(op, i) || (ir_splat_value(y, &x) && x == -INFINITY)) return true;
        }
        return products_masked(ir_operand(op, 1), depth + 1) || products_masked(ir_operand(op, 2), depth + 1);
    case IR_mul:
    case IR_add:
    case IR_sub: return products_masked(ir_operand(op, 0), depth + 1) || products_masked(ir_operand(op, 1), depth + 1);
    default: {
        ir_absence a = ir_absence_of(op);
        return a != IR_ABSENT_NEVER && products_masked(ir_operand(op, 0), depth + 1);
    }
    }
}

static bool is_reduction(const ir_value *v) { return ir_is(v, IR_reduce) || ir_is(v, IR_contract); }

/* Factors that the sum does not run over go behind it where that is less work, or where the product is divided by a
 * reduction, as softmax does: then what is summed needs no earlier result. */
static bool goes_outside(const rewriter *r, const products *p, const factor *f) {
    bool is_float = is_float_type(f->v->type);
    if (f->axes & p->summed || (is_float && r->exact)) return false; /* inexact on floats: rounds in another order */
    if (is_float && !f->divides && products_masked(f->v, 0)) return false;
    if (f->divides && (is_reduction(f->v) || f->v->type.dtype != p->dtype)) return true;
    return products_size(p, p->kept) <= products_size(p, p->root[f->root].axes);
}

/* Splits f into two factors when it is a product that nothing else reads. A division stays whole unless its divisor can
 * leave the sum. `cast(e / l)` to 16 bits is cast(e) / l then: bf16 is as wide as f32, and to f16 only what cannot overflow
 * goes, as the exponentials of a softmax. */
static bool split(rewriter *r, const products *p, const factor *f, factor *x, factor *y) {
    ir_op *op = f->v->op;
    if (!op || !single_use(f->v) || f->divides || f->cast) return false;
    bool root = p->n_roots == 1 && f->v == p->root[0].v;
    if (is_float_type(f->v->type) && r->exact && !root) return false; /* inexact: products in another order */
    frit_dtype to = (frit_dtype)f->v->type.dtype;
    bool cast = op->code == IR_cast && (to == FRIT_bf16 || to == FRIT_f16) && !r->exact;
    if (cast) {
        const ir_value *q = ir_operand(op, 0);
        if (!ir_is(q, IR_div) || q->type.dtype != FRIT_f32 || !single_use(q)) return false;
        if (to == FRIT_f16 && !bounded_by_one(r, ir_operand(q->op, 0))) return false;
        op = q->op;
    }
    if ((op->code != IR_mul && op->code != IR_div) || !multiplies(r, f->v)) return false;
    *x = factor_at(r, p, f, ir_operand(op, 0));
    *y = factor_at(r, p, f, ir_operand(op, 1));
    x->cast = cast;
    y->divides = op->code == IR_div;
    return !y->divides || (is_float_type(y->v->type) && goes_outside(r, p, y));
}

static bool take_apart(rewriter *r, products *p, const factor *root) {
    factor todo[MAX_FACTORS + 1], x, y;
    int n = 0;
    todo[n++] = *root;
    while (n) {
        factor f = todo[--n];
        if (n + p->n_factors + 2 <= MAX_FACTORS && split(r, p, &f, &x, &y)) {
            todo[n++] = y;
            todo[n++] = x;
            continue;
        }
        if (p->n_factors == MAX_FACTORS) return false;
        f.outside = goes_outside(r, p, &f);
        p->f[p->n_factors++] = f;
    }
    return true;
}

/* ---- Reading ops ------------------------------------------------------------------------------------------------- */
static bool add_axis(rewriter *r, products *p, sym_t extent, bool summed) {
    if (p->n_axes == MAX_AXES) return false;
    bool one = sym_is(extent, 1);
    p->var[p->n_axes] = one ? sym_const(r->s, 0) : sym_index(r->s, "i", extent);
    p->extent[p->n_axes] = extent;
    if (!one) *(summed ? &p->summed : &p->kept) |= 1u << p->n_axes;
    p->n_axes++;
    return true;
}

static bool read_root(rewriter *r, products *p, int i) {
    sym_t at[IR_MAX_RANK];
    ir_value *v = ir_operand(p->op, i);
    int n_kept = ir_result(p->op, 0)->type.rank;
    access_reduced(&r->x, p->op, i, p->var, p->var + n_kept, at);
    factor f;
    if (!plain_factor(p, v, at, &f)) return false;
    p->root[i] = f;
    follow_views(r, p, v, at, &p->root[i]);
    scalar c;
    if (splat_of(p->root[i].v, &c)) { /* a number varies along no axis */
        p->root[i].axes = 0;
        for (int d = 0; d < p->root[i].v->type.rank; d++) p->root[i].axis[d] = -1;
    }
    p->root[i].root = i;
    return true;
}

static bool fits(rewriter *r, const ir_op *op) {
    frit_dtype in = (frit_dtype)ir_operand(op, 0)->type.dtype, out = (frit_dtype)ir_result(op, 0)->type.dtype;
    if (op->code == IR_reduce && ir_get_int(op, IR_ATTR_combine, 0) != IR_SUM) return false;
    if (in == FRIT_bool || out == FRIT_bool || in == FRIT_f8e4m3 || in == FRIT_f8e5m2) return false;
    return frit_dtype_is_float(in) || frit_dtype_bits(out) <= frit_dtype_bits(in); /* integers: equal modulo 2^bits */
}

bool products_read(rewriter *r, ir_op *op, products *p) {
    if ((op->code != IR_reduce && op->code != IR_contract) || !fits(r, op) || ir_has(op, IR_ATTR_absent)) return false;
    ir_type t = ir_result(op, 0)->type;
    sym_t extents[IR_MAX_RANK];
    int n = access_reduced_extents(op, extents);
    if (t.rank + n > IR_MAX_RANK) return false;
    *p = (products){.op = op, .dtype = (frit_dtype)ir_operand(op, 0)->type.dtype,
                    .n_roots = op->code == IR_contract ? 2 : 1};
    for (int i = 0; i < t.rank; i++)
        if (!add_axis(r, p, t.dims[i], false)) return false;
    for (int i = 0; i < n; i++)
        if (!add_axis(r, p, extents[i], true)) return false;
    for (int i = 0; i < p->n_roots; i++)
        if (!read_root(r, p, i)) return false;
    for (int i = 0; i < p->n_roots; i++)
        if (!take_apart(r, p, &p->root[i])) return false;
    return true;
}
