/* Index maps read back as named views. A map is a chain of them when, after splitting the axes that it divides
 * (d // E, d % E) and those that it addresses in mixed radix (h * E + e), each coordinate is start + step * one
 * variable. */
#include "canonicalize.h"
#include <string.h>

/* out[vars] = x[map], as it is taken apart. */
typedef struct mapping {
    ir_value *x;
    int rank;                    /* of the result */
    sym_t vars[2 * IR_MAX_RANK];
    sym_t dims[2 * IR_MAX_RANK]; /* extents of vars */
    sym_t map[2 * IR_MAX_RANK];  /* one per axis of x */
    double fill;
} mapping;

static mapping mapping_of(const ir_op *op) {
    const sym_t *vars, *map;
    mapping p = {.x = ir_operand(op, 0), .rank = ir_get_syms(op, IR_ATTR_vars, &vars),
                 .fill = ir_get_float(op, IR_ATTR_fill, 0)};
    int n = ir_get_syms(op, IR_ATTR_map, &map);
    memcpy(p.vars, vars, sizeof(sym_t) * (size_t)p.rank);
    memcpy(p.dims, ir_result(op, 0)->type.dims, sizeof(sym_t) * (size_t)p.rank);
    memcpy(p.map, map, sizeof(sym_t) * (size_t)n);
    return p;
}

static bool mapping_in_range(rewriter *r, const mapping *p) {
    for (int i = 0; i < p->x->type.rank; i++)
        if (!in_range(r->s, p->map[i], p->x->type.dims[i])) return false;
    return true;
}

static bool divides_index(const mapping *p) {
    for (int i = 0; i < p->x->type.rank; i++)
        if (has_division(p->map[i])) return true;
    return false;
}

/* ---- A view of a view -------------------------------------------------------------------------------------------- */
static bool compose_pad(rewriter *r, mapping *p) {
    ir_op *pad = p->x->op;
    scalar f;
    const sym_t *lo, *hi;
    int n = ir_get_syms(pad, IR_ATTR_lo, &lo);
    ir_get_syms(pad, IR_ATTR_hi, &hi);
    if (!splat_of(ir_operand(pad, 1), &f)) return false;
    double fill = is_float_type(p->x->type) ? f.f : (double)f.i;
    if (memcmp(&fill, &p->fill, sizeof fill) && !mapping_in_range(r, p)) return false;
    if (!is_float_type(p->x->type) && (f.i > INT64_C(1) << 53 || f.i < -(INT64_C(1) << 53))) return false;
    for (int i = 0; i < n; i++)
        if (!sym_prove_ge0(r->s, lo[i]) || !sym_prove_ge0(r->s, hi[i])) return false;
    for (int i = 0; i < n; i++) p->map[i] = sym_sub(r->s, p->map[i], lo[i]);
    p->x = ir_operand(pad, 0);
    p->fill = fill;
    return true;
}

/* Reads through the view that p reads. False when that needs a range that cannot be proven, or a division. */
static bool compose(rewriter *r, mapping *p) {
    ir_op *inner = p->x->op;
    if (!inner) return false;
    switch (inner->code) {
    case IR_pad: return compose_pad(r, p);
    case IR_transpose: break;
    case IR_reshape:
    case IR_broadcast:
    case IR_slice:
    case IR_view:
        if (!mapping_in_range(r, p)) return false;
        break;
    default: return false;
    }
    mapping q = *p;
    access_operand(&r->x, inner, 0, p->map, q.map);
    q.x = ir_operand(inner, 0);
    if (inner->code == IR_view) q.fill = ir_get_float(inner, IR_ATTR_fill, 0);
    for (int i = 0; i < q.x->type.rank; i++)
        if (sym_is_invalid(q.map[i])) return false;
    if (divides_index(&q) && !divides_index(p)) return false;
    *p = q;
    return true;
}

static ir_value *build_mapping(rewriter *r, const mapping *p) {
    return ir_view(&r->at, p->x, p->rank, p->dims, p->vars, p->map, p->fill);
}

/* ---- Divided axes ------------------------------------------------------------------------------------------------ */
/* The divisor of `var // E` or `var % E` somewhere in e, or NULL. */
static sym_t divisor_of(sym_ctx *s, sym_t e, sym_t var) {
    sym_kind k = sym_kind_of(e);
    sym_t d = NULL, atoms;
    if (k == SYM_FLOORDIV || k == SYM_MOD)
        return sym_arg(e, 0) == var ? sym_arg(e, 1) : divisor_of(s, sym_arg(e, 0), var);
    if (k == SYM_PRODUCT) {
        for (int i = 0; i < sym_n_atoms(e) && !d; i++) d = divisor_of(s, sym_atom(e, i), var);
    } else if (k == SYM_SUM) {
        for (int i = 0; i < sym_n_terms(e) && !d; i++) {
            sym_term(s, e, i, &atoms);
            d = divisor_of(s, atoms, var);
        }
    }
    return d;
}

/* Replaces variable v of extent H * E by two, of extents H and E. */
static bool split_axis(rewriter *r, mapping *p, int v) {
    sym_t by = NULL;
    for (int i = 0; i < p->x->type.rank && !by; i++) by = divisor_of(r->s, p->map[i], p->vars[v]);
    if (!by || sym_is(by, 1) || p->rank + 1 > IR_MAX_RANK) return false;
    for (int i = 0; i < p->rank; i++)
        if (sym_uses(by, p->vars[i])) return false;
    sym_t outer = sym_floordiv(r->s, p->dims[v], by);
    if (sym_mul(r->s, outer, by) != p->dims[v]) return false;
    sym_t hi = sym_index(r->s, sym_var_name(p->vars[v]), outer), lo = sym_index(r->s, sym_var_name(p->vars[v]), by);
    sym_t whole = sym_add(r->s, sym_mul(r->s, hi, by), lo);
    for (int i = 0; i < p->x->type.rank; i++) p->map[i] = sym_subst(r->s, p->map[i], 1, &p->vars[v], &whole);
    memmove(p->vars + v + 1, p->vars + v, sizeof(sym_t) * (size_t)(p->rank - v));
    memmove(p->dims + v + 1, p->dims + v, sizeof(sym_t) * (size_t)(p->rank - v));
    p->rank++;
    p->vars[v] = hi, p->vars[v + 1] = lo;
    p->dims[v] = outer, p->dims[v + 1] = by;
    return true;
}

/* ---- Mixed radix ------------------------------------------------------------------------------------------------- */
/* map[d] = ((v0 * e1 + v1) * e2 + v2)... with all of axis d covered: the variables, outermost first. */
static int radix_digits(rewriter *r, const mapping *p, int d, int *digits) {
    sym_t e = p->map[d], stride = sym_const(r->s, 1), coef, rest;
    int found[IR_MAX_RANK], n = 0;
    for (;;) {
        int v = 0;
        for (; v < p->rank; v++) {
            if (!sym_uses(e, p->vars[v]) || !sym_linear(r->s, e, p->vars[v], &coef, &rest) || coef != stride) continue;
            break;
        }
        if (v == p->rank || n == IR_MAX_RANK) break;
        found[n++] = v;
        stride = sym_mul(r->s, stride, p->dims[v]);
        e = rest;
    }
    if (n < 2 || !sym_is(e, 0) || stride != p->x->type.dims[d]) return 0;
    for (int i = 0; i < n; i++) digits[i] = found[n - 1 - i];
    return n;
}

/* Splits the axes of x that are addressed in mixed radix, by a reshape of x. */
static bool split_operand(rewriter *r, const mapping *p, sym_t *dims, sym_t *map, int *rank) {
    bool any = false;
    *rank = 0;
    for (int d = 0; d < p->x->type.rank; d++) {
        int digits[IR_MAX_RANK], n = radix_digits(r, p, d, digits);
        if (*rank + (n ? n : 1) > IR_MAX_RANK) return false;
        for (int i = 0; i < n; i++) {
            dims[*rank] = p->dims[digits[i]];
            map[(*rank)++] = p->vars[digits[i]];
        }
        any |= n > 0;
        if (n) continue;
        dims[*rank] = p->x->type.dims[d];
        map[(*rank)++] = p->map[d];
    }
    return any;
}

/* ---- Named views ------------------------------------------------------------------------------------------------- */
/* What each axis of x gives: `var` (-1: a constant position), from `start` in steps of `step`. */
typedef struct axis_read {
    int var;
    sym_t start;
    int64_t step;
} axis_read;

static bool read_axis(rewriter *r, const mapping *p, sym_t e, unsigned *used, axis_read *a) {
    *a = (axis_read){.var = -1, .start = e, .step = 1};
    for (int v = 0; v < p->rank; v++) {
        sym_t coef;
        if (!sym_uses(e, p->vars[v])) continue;
        if (a->var >= 0 || *used >> v & 1) return false;
        if (!sym_linear(r->s, e, p->vars[v], &coef, &a->start) || !sym_is_const(coef, &a->step)) return false;
        a->var = v;
        *used |= 1u << v;
    }
    return true;
}

/* The mapping as slice, reshape, transpose, broadcast of x, which has dims `dims` once reshaped. */
static ir_value *named_views(rewriter *r, const mapping *p, int rank, const sym_t *dims, const sym_t *map) {
    axis_read a[IR_MAX_RANK];
    sym_t start[IR_MAX_RANK], size[IR_MAX_RANK];
    int64_t step[IR_MAX_RANK], perm[IR_MAX_RANK], axes[IR_MAX_RANK];
    int at[IR_MAX_RANK], kept = 0, n = 0;
    unsigned used = 0, drop = 0;
    if (p->rank > IR_MAX_RANK) return NULL;
    for (int d = 0; d < rank; d++) {
        if (!in_range(r->s, map[d], dims[d]) || !read_axis(r, p, map[d], &used, &a[d])) return NULL;
        start[d] = a[d].start;
        step[d] = a[d].step;
        size[d] = a[d].var < 0 ? sym_const(r->s, 1) : p->dims[a[d].var];
        if (a[d].var < 0) drop |= 1u << d;
        at[d] = kept;
        kept += a[d].var >= 0;
    }
    for (int v = 0; v < p->rank; v++)
        for (int d = 0; d < rank; d++)
            if (a[d].var == v) perm[n] = at[d], axes[n++] = v;
    ir_value *y = ir_slice(&r->at, ir_reshape(&r->at, p->x, rank, dims), start, size, step);
    if (drop) y = drop_axes(&r->at, y, drop);
    return ir_broadcast(&r->at, ir_transpose(&r->at, y, perm), p->rank, p->dims, axes);
}

/* Variables that the map does not use repeat what the others give: a smaller view, then a broadcast. */
static ir_value *without_idle_axes(rewriter *r, const mapping *p) {
    mapping q = *p;
    int64_t axes[IR_MAX_RANK];
    q.rank = 0;
    for (int v = 0; v < p->rank; v++) {
        bool used = false;
        for (int d = 0; d < p->x->type.rank && !used; d++) used = sym_uses(p->map[d], p->vars[v]);
        if (!used) continue;
        axes[q.rank] = v;
        q.vars[q.rank] = p->vars[v];
        q.dims[q.rank++] = p->dims[v];
    }
    if (q.rank == p->rank) return NULL;
    return ir_broadcast(&r->at, build_mapping(r, &q), p->rank, p->dims, axes);
}

ir_value *canonical_view(rewriter *r, ir_op *op) {
    ir_type t = ir_result(op, 0)->type;
    mapping p = mapping_of(op);
    if (compose(r, &p)) return build_mapping(r, &p);
    ir_value *small = without_idle_axes(r, &p);
    if (small) return small;
    for (int v = 0; v < p.rank; v++)
        if (split_axis(r, &p, v)) v = -1;
    sym_t dims[IR_MAX_RANK], map[IR_MAX_RANK];
    int rank = p.x->type.rank;
    if (!split_operand(r, &p, dims, map, &rank)) {
        rank = p.x->type.rank;
        memcpy(dims, p.x->type.dims, sizeof(sym_t) * (size_t)rank);
        memcpy(map, p.map, sizeof(sym_t) * (size_t)rank);
    }
    ir_value *y = named_views(r, &p, rank, dims, map);
    if (!y && p.rank != t.rank && !divides_index(&p)) y = build_mapping(r, &p); /* at least no index is divided */
    return y ? ir_reshape(&r->at, y, t.rank, t.dims) : NULL;
}

/* ---- Indices that are formulas ----------------------------------------------------------------------------------- */
static sym_t host_int(const ir_value *v) {
    ir_func *f = v->block ? v->block->func : NULL;
    return f && f->arg_syms ? f->arg_syms[v->index] : NULL;
}

static bool formula(rewriter *r, const ir_value *v, const sym_t *at, int depth, sym_t *out);

static bool binary_formula(rewriter *r, const ir_op *op, const sym_t *at, int depth, sym_t *out) {
    sym_t x, y;
    if (ir_result(op, 0)->type.dtype != FRIT_i64 || !formula(r, ir_operand(op, 0), at, depth, &x) ||
        !formula(r, ir_operand(op, 1), at, depth, &y))
        return false;
    switch (op->code) {
    case IR_add: *out = sym_add(r->s, x, y); break;
    case IR_sub: *out = sym_sub(r->s, x, y); break;
    case IR_mul: *out = sym_mul(r->s, x, y); break;
    case IR_floordiv:
        if (!sym_prove_lt(r->s, sym_const(r->s, 0), y)) return false; /* x // 0 is 0 */
        *out = sym_floordiv(r->s, x, y);
        break;
    case IR_mod: *out = sym_mod(r->s, x, y); break;
    case IR_min: *out = sym_min(r->s, x, y); break;
    default: *out = sym_max(r->s, x, y); break;
    }
    return !sym_is_invalid(*out);
}

static bool fits(rewriter *r, frit_dtype t, sym_t e) {
    int64_t lo, hi;
    sym_range(r->s, e, &lo, &hi);
    return t == FRIT_i64 || (scalar_wrap(t, lo) == lo && scalar_wrap(t, hi) == hi && t != FRIT_u64 && t != FRIT_bool);
}

/* The element of integer v at coordinates `at`, when it follows from them and the host's integers alone. */
static bool formula(rewriter *r, const ir_value *v, const sym_t *at, int depth, sym_t *out) {
    enum { DEEPEST = 12 };
    scalar c;
    sym_t coords[IR_MAX_RANK];
    ir_op *op = v->op;
    frit_dtype t = (frit_dtype)v->type.dtype;
    if (host_int(v)) return (*out = host_int(v)) != NULL;
    if (!op || depth > DEEPEST || !frit_dtype_is_int(t)) return false;
    if (splat_of(v, &c)) return *out = sym_const(r->s, c.i), t != FRIT_u64;
    switch (op->code) {
    case IR_size: {
        const sym_t *s;
        ir_get_syms(op, IR_ATTR_size, &s);
        return *out = s[0], true;
    }
    case IR_iota: return *out = at[ir_get_int(op, IR_ATTR_axis, 0)], fits(r, t, *out);
    case IR_reshape:
    case IR_transpose:
    case IR_broadcast:
    case IR_slice:
        access_operand(&r->x, op, 0, at, coords);
        return formula(r, ir_operand(op, 0), coords, depth + 1, out);
    case IR_cast: return formula(r, ir_operand(op, 0), at, depth + 1, out) && fits(r, t, *out);
    case IR_add:
    case IR_sub:
    case IR_mul:
    case IR_floordiv:
    case IR_mod:
    case IR_min:
    case IR_max: return binary_formula(r, op, at, depth + 1, out);
    default: return false;
    }
}

ir_value *canonical_gather(rewriter *r, ir_op *op) {
    const sym_t *vars, *idx, *map;
    int rank = ir_get_syms(op, IR_ATTR_vars, &vars), n = ir_get_syms(op, IR_ATTR_idx, &idx), left = 0, known = 0;
    int coords = ir_get_syms(op, IR_ATTR_map, &map);
    ir_value *keep[IR_MAX_RANK];
    sym_t keep_vars[IR_MAX_RANK], from[IR_MAX_RANK], to[IR_MAX_RANK], moved[IR_MAX_RANK];
    if (n > IR_MAX_RANK) return NULL;
    for (int k = 0; k < n; k++) {
        ir_value *v = ir_operand(op, k + 1);
        if (formula(r, v, vars, 0, &to[known])) from[known++] = idx[k];
        else keep[left] = v, keep_vars[left++] = idx[k];
    }
    if (!known && n) return NULL;
    for (int d = 0; d < coords; d++) moved[d] = sym_subst(r->s, map[d], known, from, to);
    return ir_gather(&r->at, ir_operand(op, 0), left, keep, keep_vars, rank, ir_result(op, 0)->type.dims, vars, moved,
                     ir_get_float(op, IR_ATTR_fill, 0));
}
