/* Subscripts. An access gives, for each dim of the base, a coordinate written in index axes, slice positions and values
 * read from integer tensors; reading it makes slices and transposes where the coordinates are that simple, else a view
 * or a gather. */
#include "elab_internal.h"
#include <string.h>

/* ---- Understanding subscripts -------------------------------------------------------------------------------------- */

static bool bad_subscript(elab *e, ir_span at, const char *what) {
    if (what)
        el_fail(e, diag_report(e->d, MSG_BAD_SUBSCRIPT, el_at(e, at), what));
    return false;
}

/* A literal negative counts from the end. */
static bool from_end(const ast_expr *x) {
    return x->kind == AST_UNARY && x->unary.op == AST_NEG && x->unary.operand->kind == AST_INT;
}

static bool position(elab *e, const ast_expr *x, sym_t dim, sym_t absent, sym_t *out) {
    if (!x) {
        *out = absent;
        return true;
    }
    if (!el_eval_int(e, x, out, "a bound of a slice"))
        return false;
    if (from_end(x))
        *out = sym_add(e->s, dim, *out);
    return true;
}

static sym_t own_dim(elab *e, access *a, sym_t extent) {
    sym_t v = sym_index(e->s, "k", extent);
    if (a->n_own == IR_MAX_RANK) {
        a->full = true;
        return v;
    }
    a->own_dims[a->n_own] = extent;
    a->own_vars[a->n_own++] = v;
    return v;
}

static bool outside(elab *e, ir_span at, sym_t index, sym_t dim) {
    el_fail(e, diag_report(e->d, MSG_OUT_OF_RANGE, el_at(e, at), sym_print(e->a, index), sym_print(e->a, dim)));
    return false;
}

/* low <= high, by proof or by a check on the host; false when it certainly fails or no one can check it. */
static bool require_le(elab *e, sym_t low, sym_t high, const char *text, ir_span at) {
    if (sym_prove_ge(e->s, high, low))
        return true;
    if (sym_prove_lt(e->s, high, low) || !el_runs_known(e, low) || !el_runs_known(e, high))
        return false;
    el_check(e, "<=", low, high, text, at);
    el_bound(e, "<=", low, high);
    return true;
}

static bool slice_sub(elab *e, const ast_sub *s, int k, access *a) {
    sym_t dim = el_dims(a->base)[k], lo, hi, size, zero = sym_const(e->s, 0);
    int64_t step = 1;
    sym_t st;
    if (s->step && (!el_eval_int(e, s->step, &st, "the step of a slice") || !sym_is_const(st, &step) || step == 0))
        return bad_subscript(e, s->span, "the step of a slice must be a constant other than 0");
    bool back = step < 0;
    if (!position(e, s->value, dim, back ? sym_addi(e->s, dim, -1) : zero, &lo) ||
        !position(e, s->hi, dim, back ? sym_const(e->s, -1) : dim, &hi))
        return false;
    sym_t length = back ? sym_sub(e->s, lo, hi) : sym_sub(e->s, hi, lo);
    size = sym_ceildiv(e->s, length, sym_const(e->s, back ? -step : step));
    iaxis **used;
    int n_used;
    el_sym_axes(e, size, &used, &n_used);
    if (n_used)
        return bad_subscript(e, s->span, "the length of a slice can't depend on an index");
    if (sym_prove_lt(e->s, length, zero))
        return bad_subscript(e, s->span, arena_printf(e->a, "the slice has length %s", sym_print(e->a, length)));
    require_le(e, zero, length, "the end of a slice lies before its beginning", s->span);
    sym_t first = back ? sym_addi(e->s, hi, 1) : lo, last = back ? sym_addi(e->s, lo, 1) : hi;
    const char *text = arena_printf(e->a, "the slice %s:%s lies within dim %s", sym_print(e->a, lo), sym_print(e->a, hi),
                                    sym_print(e->a, dim));
    bool whole = !s->value && !s->hi;
    bool ok = whole || (require_le(e, zero, first, text, s->span) && require_le(e, last, dim, text, s->span));
    if (!ok && sym_prove_lt(e->s, dim, last))
        return outside(e, s->span, sym_addi(e->s, last, -1), dim);
    if (!ok && sym_prove_lt(e->s, first, zero))
        return outside(e, s->span, first, dim);
    a->range[k] = ok;
    a->coord[k] = sym_add(e->s, lo, sym_muli(e->s, own_dim(e, a, size), step));
    return true;
}

static bool whole_dim(elab *e, int k, access *a) {
    a->coord[k] = own_dim(e, a, el_dims(a->base)[k]);
    a->range[k] = true;
    return true;
}

/* An integer tensor of which every element is known: a constant, a dim, an iota. */
static bool known_index(elab *e, val v, access *a, int k) {
    double c;
    if (ir_is(v.t, IR_constant) && !el_rank(v) && !v.n_axes && ir_splat_value(v.t, &c)) {
        a->coord[k] = sym_const(e->s, (int64_t)c);
        return true;
    }
    if (ir_is(v.t, IR_size) && !v.n_axes) {
        const sym_t *s;
        ir_get_syms(v.t->op, IR_ATTR_size, &s);
        a->coord[k] = s[0];
        return true;
    }
    if (ir_is(v.t, IR_iota) && el_rank(v) == 1 && !v.n_axes) {
        a->coord[k] = own_dim(e, a, el_dims(v)[0]);
        return true;
    }
    return false;
}

static bool tensor_sub(elab *e, val v, int k, access *a, ir_span at) {
    if (el_dtype(v) == FRIT_bool)
        return bad_subscript(e, at, "a bool tensor is no subscript; nonzero(mask) gives the positions of its true elements");
    if (!frit_dtype_is_int(el_dtype(v)))
        return bad_subscript(e, at, arena_printf(e->a, "a subscript is an integer, not %s", el_describe(e, v)));
    if (known_index(e, v, a, k))
        return true;
    for (int i = 0; i < a->n_idx && el_rank(v); i++)
        if (el_rank(a->idx[i]))
            return bad_subscript(e, at, "only one integer tensor may gather; use index notation for several");
    sym_t x = sym_var(e->s, "v", SYM_VALUE, NULL, NULL);
    a->idx_at[a->n_idx] = a->n_own;
    a->idx_vars[a->n_idx] = x;
    a->idx[a->n_idx++] = v;
    for (int i = 0; i < el_rank(v); i++)
        own_dim(e, a, el_dims(v)[i]);
    a->coord[k] = x;
    return true;
}

static bool value_sub(elab *e, const ast_sub *s, val v, int k, access *a) {
    if (v.kind == V_LIST)
        v = el_tensor(e, v, FRIT_i64, s->span);
    switch (v.kind) {
    case V_ERROR: return false;
    case V_INT:
        a->coord[k] = el_resolve(e, v.i);
        if (s->kind == AST_SUB_EXPR && from_end(s->value))
            a->coord[k] = sym_add(e->s, el_dims(a->base)[k], a->coord[k]);
        return true;
    case V_TENSOR: return tensor_sub(e, v, k, a, s->span);
    default:
        return bad_subscript(e, s->span, arena_printf(e->a, "a subscript is an integer, not %s", el_describe(e, v)));
    }
}

static bool sub_values(elab *e, const ast_subs *subs, val *v, int *consumed, bool *open) {
    *consumed = 0;
    *open = false;
    for (int i = 0; i < subs->len; i++) {
        const ast_sub *s = &subs->data[i];
        v[i] = v_error();
        if (s->kind == AST_SUB_REST) {
            if (*open)
                return bad_subscript(e, s->span, "'...' may stand once");
            *open = true;
            continue;
        }
        if (s->kind == AST_SUB_RANGE)
            v[i] = el_lookup(e, &s->name);
        else if (s->kind == AST_SUB_EXPR)
            v[i] = el_eval(e, s->value);
        if (s->kind != AST_SUB_SLICE && v[i].kind == V_ERROR)
            return false;
        *consumed += s->kind == AST_SUB_SLICE || v[i].kind != V_NONE;
    }
    return true;
}

/* Axes of the result: those of the base, of the coordinates and of the index tensors. */
static bool collect_axes(elab *e, access *a) {
    val parts[2 * IR_MAX_RANK + 1] = {a->base};
    int n = 1;
    for (int k = 0; k < el_rank(a->base); k++) {
        iaxis **used;
        int m;
        el_sym_axes(e, a->coord[k], &used, &m);
        parts[n++] = (val){.kind = V_TENSOR, .n_axes = (uint8_t)m, .axes = used};
    }
    for (int i = 0; i < a->n_idx; i++)
        parts[n++] = a->idx[i];
    a->n_axes = el_union_axes(e, parts, n, &a->axes);
    if (!a->full && a->n_axes + a->n_own <= IR_MAX_RANK)
        return true;
    el_fail(e, diag_report(e->d, MSG_RANK_LIMIT, el_at(e, a->span), a->n_axes + a->n_own + a->full, IR_MAX_RANK));
    return false;
}

bool el_access(elab *e, val base, const ast_subs *subs, ir_span at, access *a) {
    *a = (access){.base = base, .span = at};
    int rank = el_rank(base), consumed;
    bool open;
    val *v = arena_array(e->a, val, subs->len + 1);
    e->b.span = el_at(e, at);
    if (subs->len > 2 * IR_MAX_RANK || !sub_values(e, subs, v, &consumed, &open))
        return subs->len > 2 * IR_MAX_RANK ? bad_subscript(e, at, "too many subscripts") : false;
    if (consumed > rank) {
        el_fail(e, diag_report(e->d, MSG_SUBSCRIPT_COUNT, el_at(e, at), consumed, rank, el_shape_text(e, base)));
        return false;
    }
    int k = 0, fill = rank - consumed;
    for (int i = 0; i < subs->len; i++) {
        const ast_sub *s = &subs->data[i];
        if (s->kind == AST_SUB_REST)
            for (; fill > 0; fill--)
                whole_dim(e, k++, a);
        else if (s->kind == AST_SUB_SLICE) {
            if (!slice_sub(e, s, k++, a))
                return false;
        } else if (v[i].kind == V_NONE)
            own_dim(e, a, sym_const(e->s, 1));
        else if (!value_sub(e, s, v[i], k++, a))
            return false;
    }
    while (k < rank)
        whole_dim(e, k++, a);
    return collect_axes(e, a);
}

/* ---- Inside or outside --------------------------------------------------------------------------------------------- */

static bool coord_inside(elab *e, const access *a, int k) {
    return a->range[k] ||
           (sym_prove_ge0(e->s, a->coord[k]) && sym_prove_lt(e->s, a->coord[k], el_dims(a->base)[k]));
}

bool el_inside(elab *e, const access *a) {
    for (int k = 0; k < el_rank(a->base); k++)
        if (!coord_inside(e, a, k))
            return false;
    return true;
}

struct extreme {
    elab *e;
    sym_t s;
    bool upper, ok;
};

static void take_extreme(void *u, sym_t var) {
    struct extreme *x = u;
    sym_t coef, rest;
    int64_t c;
    if (sym_var_role(var) == SYM_VALUE)
        x->ok = false;
    if (!x->ok || sym_var_role(var) != SYM_INDEX)
        return;
    x->ok = sym_linear(x->e->s, x->s, var, &coef, &rest) && sym_is_const(coef, &c);
    if (!x->ok)
        return;
    sym_t at = (c > 0) == x->upper ? sym_var_hi(var) : sym_var_lo(var);
    x->ok = at != NULL;
    if (x->ok)
        x->s = sym_subst(x->e->s, x->s, 1, &var, &at);
}

/* The largest or smallest value of a coordinate that is linear in its axes. */
static bool extreme_of(elab *e, sym_t s, bool upper, sym_t *out) {
    struct extreme x = {e, s, upper, true};
    sym_each_var(s, take_extreme, &x);
    *out = x.s;
    return x.ok;
}

bool el_certain_miss(elab *e, const access *a) {
    for (int k = 0; k < el_rank(a->base); k++) {
        sym_t far, dim = el_dims(a->base)[k];
        if (coord_inside(e, a, k))
            continue;
        bool over = extreme_of(e, a->coord[k], true, &far) && sym_prove_ge(e->s, far, dim);
        if (!over && !(extreme_of(e, a->coord[k], false, &far) && sym_prove_lt(e->s, far, sym_const(e->s, 0))))
            continue;
        diag_record *r = diag_report(e->d, MSG_OUT_OF_RANGE, el_at(e, a->span), sym_print(e->a, far), sym_print(e->a, dim));
        diag_note(e->d, r, (ir_span){0}, "dim %d of %s; write x[...] ?? d for a value d outside", k + 1,
                  el_shape_text(e, a->base));
        el_fail(e, r);
        return true;
    }
    return false;
}

/* v, whose own dims stand for the result's own dims from `at` on, with 1 for the others. */
static val place_own(elab *e, const access *a, val v, const int *where) {
    sym_t dims[IR_MAX_RANK];
    for (int i = 0; i < a->n_own; i++)
        dims[i] = sym_const(e->s, 1);
    for (int i = 0; i < el_rank(v); i++)
        dims[where[i]] = el_dims(v)[i];
    return el_reshape(e, v, a->n_own, dims);
}

static val coord_tensor(elab *e, const access *a, int k) {
    int where[IR_MAX_RANK], n = 0;
    for (int i = 0; i < a->n_idx; i++) {
        if (a->coord[k] != a->idx_vars[i])
            continue;
        for (int j = 0; j < el_rank(a->idx[i]); j++)
            where[n++] = a->idx_at[i] + j;
        return place_own(e, a, el_cast(e, a->idx[i], FRIT_i64, a->span), where);
    }
    sym_t s = a->coord[k];
    for (int i = 0; i < a->n_own; i++) {
        if (!sym_uses(s, a->own_vars[i]))
            continue;
        iaxis *x = el_axis_new(e, "k", sym_const(e->s, 0), a->own_dims[i], a->span);
        s = sym_subst(e->s, s, 1, &a->own_vars[i], &x->var);
        where[n++] = i;
    }
    return place_own(e, a, el_own_axes(el_sym_tensor(e, s), n), where);
}

val el_in_range(elab *e, const access *a) {
    val all = v_none();
    for (int k = 0; k < el_rank(a->base); k++) {
        if (coord_inside(e, a, k))
            continue;
        val c = coord_tensor(e, a, k), zero = v_consti(e, 0), dim = el_sym_tensor(e, el_dims(a->base)[k]);
        val in = el_binary(e, IR_and, el_binary(e, IR_le, zero, c, a->span), el_binary(e, IR_lt, c, dim, a->span), a->span);
        all = all.kind == V_NONE ? in : el_binary(e, IR_and, all, in, a->span);
    }
    return all;
}

/* ---- Reading ------------------------------------------------------------------------------------------------------- */

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
        val v = place_own(e, a, a->idx[i], where);
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
    *out += from_end(x) ? count : 0;
    return true;
}

static val list_slice(elab *e, val base, const ast_sub *s) {
    int64_t lo, hi;
    if (!list_bound(e, s->value, 0, base.count, &lo) || !list_bound(e, s->hi, base.count, base.count, &hi))
        return v_error();
    if (s->step || lo < 0 || hi > base.count || lo > hi)
        return bad_subscript(e, s->span, "a slice of a list lies within it and has no step"), v_error();
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
    if (i < 0 && from_end(subs->data[0].value))
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
