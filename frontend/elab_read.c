/* Reading what a subscript chooses: slices and transposes where the coordinates are that simple, else a view or a
 * gather. */
#include "elab_internal.h"
#include <string.h>

/* A read as one map: out[vars] = base[coord(vars)]. */
typedef struct map {
    int n_out, n_in;
    sym_t out_dims[2 * IR_MAX_RANK], vars[2 * IR_MAX_RANK];
    sym_t in_dims[2 * IR_MAX_RANK], coord[2 * IR_MAX_RANK];
} map;

static void full_map(elab *e, const access *a, map *m) {
    sym_t axis_vars[IR_MAX_RANK], with[IR_MAX_RANK];
    m->n_out = m->n_in = 0;
    for (int i = 0; i < a->n_axes; i++) {
        sym_t v = sym_index(e->s, a->axes[i]->name, a->axes[i]->extent);
        axis_vars[i] = a->axes[i]->var;
        with[i] = sym_add(e->s, v, a->axes[i]->lo);
        m->out_dims[m->n_out] = a->axes[i]->extent;
        m->vars[m->n_out++] = v;
    }
    for (int i = 0; i < a->n_own; i++) {
        m->out_dims[m->n_out] = a->own_dims[i];
        m->vars[m->n_out++] = a->own_vars[i];
    }
    for (int i = 0; i < a->base.n_axes; i++) {
        int k = 0;
        while (a->axes[k] != a->base.axes[i])
            k++;
        m->in_dims[m->n_in] = a->base.t->type.dims[i];
        m->coord[m->n_in++] = m->vars[k];
    }
    for (int i = 0; i < el_rank(a->base); i++) {
        m->in_dims[m->n_in] = el_dims(a->base)[i];
        m->coord[m->n_in++] = sym_subst(e->s, a->coord[i], a->n_axes, axis_vars, with);
    }
}

/* coord = start + step * vars[v] with a constant step, or start alone (v = -1). */
static bool simple_coord(elab *e, const map *m, sym_t c, int *v, sym_t *start, int64_t *step) {
    *v = -1;
    *start = c;
    *step = 1;
    for (int i = 0; i < m->n_out; i++) {
        sym_t coef, rest;
        if (!sym_uses(c, m->vars[i]))
            continue;
        if (*v >= 0 || !sym_linear(e->s, c, m->vars[i], &coef, &rest) || !sym_is_const(coef, step) || *step == 0)
            return false;
        *v = i;
        *start = rest;
    }
    return true;
}

typedef struct plain {
    int v[2 * IR_MAX_RANK];
    sym_t start[2 * IR_MAX_RANK];
    int64_t step[2 * IR_MAX_RANK];
} plain;

/* Each coordinate simple and each result axis in one coordinate at most. */
static bool is_plain(elab *e, const map *m, plain *p) {
    uint32_t seen = 0;
    for (int k = 0; k < m->n_in; k++) {
        if (!simple_coord(e, m, m->coord[k], &p->v[k], &p->start[k], &p->step[k]))
            return false;
        if (p->v[k] >= 0 && seen >> p->v[k] & 1)
            return false;
        if (p->v[k] >= 0)
            seen |= 1u << p->v[k];
    }
    return true;
}

/* slice, drop fixed dims, reorder, repeat. */
static ir_value *read_plain(elab *e, const map *m, const plain *p, ir_value *x) {
    sym_t size[2 * IR_MAX_RANK], kept[2 * IR_MAX_RANK];
    int n = 0, of[2 * IR_MAX_RANK];
    int64_t perm[2 * IR_MAX_RANK], axes[2 * IR_MAX_RANK];
    for (int k = 0; k < m->n_in; k++) {
        size[k] = p->v[k] >= 0 ? m->out_dims[p->v[k]] : sym_const(e->s, 1);
        if (p->v[k] >= 0) {
            of[n] = p->v[k];
            kept[n++] = size[k];
        }
    }
    x = ir_slice(&e->b, x, p->start, size, p->step);
    x = ir_reshape(&e->b, x, n, kept);
    for (int i = 0, at = 0; i < m->n_out; i++)
        for (int k = 0; k < n; k++)
            if (of[k] == i) {
                axes[at] = i;
                perm[at++] = k;
            }
    x = ir_transpose(&e->b, x, perm);
    return ir_broadcast(&e->b, x, m->n_out, m->out_dims, axes);
}

/* A coordinate h*E + e over the whole of its dim: the dim is [H, E] with a coordinate each. */
static bool split_digits(elab *e, map *m, int k) {
    int digit[IR_MAX_RANK], n = 0;
    sym_t stride = sym_const(e->s, 1), left = m->coord[k], coef, rest;
    for (bool found = true; found && n < IR_MAX_RANK;) {
        found = false;
        for (int i = 0; i < m->n_out && !found; i++) {
            if (!sym_uses(left, m->vars[i]) || !sym_linear(e->s, left, m->vars[i], &coef, &rest) || coef != stride)
                continue;
            digit[n++] = i;
            left = rest;
            stride = sym_mul(e->s, stride, m->out_dims[i]);
            found = true;
        }
    }
    if (n < 2 || !sym_is(left, 0) || stride != m->in_dims[k] || m->n_in + n - 1 > IR_MAX_RANK)
        return false;
    for (int i = m->n_in - 1; i > k; i--) {
        m->in_dims[i + n - 1] = m->in_dims[i];
        m->coord[i + n - 1] = m->coord[i];
    }
    for (int i = 0; i < n; i++) {
        m->in_dims[k + i] = m->out_dims[digit[n - 1 - i]];
        m->coord[k + i] = m->vars[digit[n - 1 - i]];
    }
    m->n_in += n - 1;
    return true;
}

static int uses_of(const map *m, sym_t var) {
    int n = 0;
    for (int k = 0; k < m->n_in; k++)
        n += sym_uses(m->coord[k], var);
    return n;
}

/* A result axis d read as d // E and d % E over the whole of two dims: the result is [.., H, E, ..] reshaped. */
static bool merge_digits(elab *e, map *m, int d) {
    sym_t var = m->vars[d];
    if (uses_of(m, var) != 2 || m->n_out >= IR_MAX_RANK)
        return false;
    int high = -1, low = -1;
    for (int k = 0; k < m->n_in; k++) {
        sym_t c = m->coord[k];
        if (sym_kind_of(c) == SYM_FLOORDIV && sym_arg(c, 0) == var)
            high = k;
        if (sym_kind_of(c) == SYM_MOD && sym_arg(c, 0) == var)
            low = k;
    }
    if (high < 0 || low < 0)
        return false;
    sym_t E = m->in_dims[low], H = m->in_dims[high];
    if (sym_arg(m->coord[low], 1) != E || sym_arg(m->coord[high], 1) != E || sym_mul(e->s, H, E) != m->out_dims[d])
        return false;
    for (int i = m->n_out - 1; i > d; i--) {
        m->out_dims[i + 1] = m->out_dims[i];
        m->vars[i + 1] = m->vars[i];
    }
    m->n_out++;
    m->out_dims[d] = H;
    m->out_dims[d + 1] = E;
    m->coord[high] = m->vars[d] = sym_index(e->s, "h", H);
    m->coord[low] = m->vars[d + 1] = sym_index(e->s, "e", E);
    return true;
}

static ir_value *read_digits(elab *e, const map *whole, ir_value *x) {
    map m = *whole;
    plain p;
    bool any = false;
    for (int d = 0; d < m.n_out; d++)
        any |= merge_digits(e, &m, d);
    for (int k = 0; k < m.n_in; k++)
        any |= split_digits(e, &m, k);
    if (!any || !is_plain(e, &m, &p))
        return NULL;
    x = ir_reshape(&e->b, x, m.n_in, m.in_dims);
    x = read_plain(e, &m, &p, x);
    return ir_reshape(&e->b, x, whole->n_out, whole->out_dims);
}

static ir_value *read_general(elab *e, const access *a, const map *m, double fill) {
    ir_value *idx[IR_MAX_RANK];
    for (int i = 0; i < a->n_idx; i++) {
        int where[IR_MAX_RANK];
        for (int j = 0; j < el_rank(a->idx[i]); j++)
            where[j] = a->idx_at[i] + j;
        val v = el_place_own(e, a, a->idx[i], where);
        idx[i] = el_spread(e, v, a->n_axes, a->axes, a->n_own, a->own_dims).t;
    }
    return ir_gather(&e->b, a->base.t, a->n_idx, idx, a->idx_vars, m->n_out, m->out_dims, m->vars, m->coord, fill);
}

static val read_filled(elab *e, const access *a, bool inside, double fill) {
    map m;
    plain p;
    ir_value *x = NULL;
    full_map(e, a, &m);
    if (!a->n_idx && inside) {
        x = is_plain(e, &m, &p) ? read_plain(e, &m, &p, a->base.t) : NULL;
        x = x ? x : read_digits(e, &m, a->base.t);
    }
    val r = v_tensor_axes(x ? x : read_general(e, a, &m, fill), a->n_axes, a->axes);
    r.weak = a->base.weak;
    return r;
}

val el_read(elab *e, const access *a, const val *otherwise) {
    e->b.span = el_at(e, a->span);
    bool inside = el_inside(e, a);
    int64_t c;
    if (!otherwise && !inside && !e->guarded && el_certain_miss(e, a))
        return v_error();
    if (!otherwise || inside)
        return read_filled(e, a, inside, 0);
    if (otherwise->kind == V_NUM || otherwise->kind == V_BOOL || el_const_int(*otherwise, &c)) {
        val t = el_tensor(e, *otherwise, el_dtype(a->base), a->span); /* reports a literal that does not fit */
        double d = otherwise->kind == V_NUM ? otherwise->num : otherwise->kind == V_BOOL ? otherwise->b : (double)c;
        return t.kind == V_ERROR ? t : read_filled(e, a, false, d);
    }
    return el_select(e, el_in_range(e, a), read_filled(e, a, false, 0), *otherwise, a->span);
}

static bool list_bound(elab *e, const ast_expr *x, int64_t absent, int count, int64_t *out) {
    sym_t s;
    *out = absent;
    if (!x)
        return true;
    if (!el_eval_int(e, x, &s, "a bound of a slice"))
        return false;
    if (!sym_is_const(s, out)) {
        el_fail(e, diag_report(e->d, MSG_NOT_STATIC, el_at(e, x->span), "a bound of a slice of a list"));
        return false;
    }
    *out += el_from_end(x) ? count : 0;
    return true;
}

static val list_slice(elab *e, val base, const ast_sub *s) {
    int64_t lo, hi;
    if (!list_bound(e, s->value, 0, base.count, &lo) || !list_bound(e, s->hi, base.count, base.count, &hi))
        return v_error();
    if (s->step || lo < 0 || hi > base.count || lo > hi)
        return el_bad_subscript(e, s->span, "a slice of a list lies within it and has no step"), v_error();
    return v_list(base.items + lo, (int)(hi - lo));
}

static val list_item(elab *e, val base, const ast_expr *x) {
    const ast_subs *subs = &x->index.subs;
    sym_t at;
    int64_t i;
    if (subs->len == 1 && subs->data[0].kind == AST_SUB_SLICE)
        return list_slice(e, base, &subs->data[0]);
    if (subs->len != 1 || subs->data[0].kind != AST_SUB_EXPR)
        return el_fail(e, diag_report(e->d, MSG_BAD_SUBSCRIPT, el_at(e, x->span), "a list has one integer subscript"));
    if (!el_eval_int(e, subs->data[0].value, &at, "the subscript of a list"))
        return v_error();
    if (!sym_is_const(at, &i))
        return el_fail(e, diag_report(e->d, MSG_NOT_STATIC, el_at(e, x->span), "the subscript of a list"));
    if (i < 0 && el_from_end(subs->data[0].value))
        i += base.count;
    if (i < 0 || i >= base.count)
        return el_fail(e, diag_report(e->d, MSG_OUT_OF_RANGE, el_at(e, x->span), sym_print(e->a, at),
                                      arena_printf(e->a, "%d", base.count)));
    return base.items[i];
}

val el_index(elab *e, const ast_expr *x, const val *otherwise) {
    val base = el_eval(e, x->index.base);
    access a;
    switch (base.kind) {
    case V_ERROR: return base;
    case V_DTYPE: return el_eval_type(e, x);
    case V_LIST: return list_item(e, base, x);
    case V_NONE:
        if (otherwise)
            return *otherwise;
        return el_fail(e, diag_report(e->d, MSG_ABSENT, el_at(e, x->index.base->span)));
    case V_TENSOR: return el_access(e, base, &x->index.subs, x->span, &a) ? el_read(e, &a, otherwise) : v_error();
    default:
        return el_fail(e, diag_report(e->d, MSG_EXPECTED_VALUE, el_at(e, x->index.base->span), "a tensor or a list",
                                      el_describe(e, base)));
    }
}
