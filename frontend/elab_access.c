/* Subscripts. An access gives, for each dim of the base, a coordinate written in index axes, slice positions and values
 * read from integer tensors. Whether these lie inside the base is proved, known to be false, or asked per element. */
#include "elab_internal.h"
#include <string.h>

/* ---- Understanding subscripts -------------------------------------------------------------------------------------- */

bool el_bad_subscript(elab *e, ir_span at, const char *what) {
    if (what)
        el_fail(e, diag_report(e->d, MSG_BAD_SUBSCRIPT, el_at(e, at), what));
    return false;
}

/* A literal negative counts from the end. */
bool el_from_end(const ast_expr *x) {
    return x->kind == AST_UNARY && x->unary.op == AST_NEG && x->unary.operand->kind == AST_INT;
}

static bool position(elab *e, const ast_expr *x, sym_t dim, sym_t absent, sym_t *out) {
    if (!x) {
        *out = absent;
        return true;
    }
    if (!el_eval_int(e, x, out, "a bound of a slice"))
        return false;
    if (el_from_end(x))
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
        return el_bad_subscript(e, s->span, "the step of a slice must be a constant other than 0");
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
        return el_bad_subscript(e, s->span, "the length of a slice can't depend on an index");
    if (sym_prove_lt(e->s, length, zero))
        return el_bad_subscript(e, s->span, arena_printf(e->a, "the slice has length %s", sym_print(e->a, length)));
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
        return el_bad_subscript(e, at, "a bool tensor is no subscript; nonzero(mask) gives the positions of its true elements");
    if (!frit_dtype_is_int(el_dtype(v)))
        return el_bad_subscript(e, at, arena_printf(e->a, "a subscript is an integer, not %s", el_describe(e, v)));
    if (known_index(e, v, a, k))
        return true;
    for (int i = 0; i < a->n_idx && el_rank(v); i++)
        if (el_rank(a->idx[i]))
            return el_bad_subscript(e, at, "only one integer tensor may gather; use index notation for several");
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
        if (s->kind == AST_SUB_EXPR && el_from_end(s->value))
            a->coord[k] = sym_add(e->s, el_dims(a->base)[k], a->coord[k]);
        return true;
    case V_TENSOR: return tensor_sub(e, v, k, a, s->span);
    default:
        return el_bad_subscript(e, s->span, arena_printf(e->a, "a subscript is an integer, not %s", el_describe(e, v)));
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
                return el_bad_subscript(e, s->span, "'...' may stand once");
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
        return subs->len > 2 * IR_MAX_RANK ? el_bad_subscript(e, at, "too many subscripts") : false;
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

val el_place_own(elab *e, const access *a, val v, const int *where) {
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
        return el_place_own(e, a, el_cast(e, a->idx[i], FRIT_i64, a->span), where);
    }
    sym_t s = a->coord[k];
    for (int i = 0; i < a->n_own; i++) {
        if (!sym_uses(s, a->own_vars[i]))
            continue;
        iaxis *x = el_axis_new(e, "k", sym_const(e->s, 0), a->own_dims[i], a->span);
        s = sym_subst(e->s, s, 1, &a->own_vars[i], &x->var);
        where[n++] = i;
    }
    return el_place_own(e, a, el_own_axes(el_sym_tensor(e, s), n), where);
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
