/* Index notation: y[i, j in a..b] = e and f[k, r in a..b](e). */
#include "elab_extents.h"
#include <string.h>

static iaxis *axis_named(elab *e, const char *name) {
    binding *b = el_find_local(e, name);
    return b && b->kind == B_AXIS ? e->axis_of_var.data[sym_var_id(b->v.i)] : NULL;
}

/* ---- f[k](e) ------------------------------------------------------------------------------------------------------- */

static bool takes_axis(val f) {
    if (f.kind == V_BUILTIN)
        return el_builtin_takes(f.builtin, "axis");
    for (int i = 0; f.kind == V_FN && i < f.fn->fn->statics.len; i++)
        if (!strcmp(f.fn->fn->statics.data[i].name.text, "axis"))
            return true;
    return false;
}

static bool callee_axes(wanteds *w, const ast_subs *subs, const ast_args *args) {
    elab *e = w->e;
    for (int i = 0; i < subs->len; i++) {
        const ast_sub *s = &subs->data[i];
        bool bare = s->kind == AST_SUB_EXPR && s->value->kind == AST_NAME;
        if (s->kind != AST_SUB_RANGE && !bare) {
            el_fail(e, diag_report(e->d, MSG_BAD_SUBSCRIPT, el_at(e, s->span), "an index is a name or 'name in a..b'"));
            return false;
        }
        if (el_want_of(w, bare ? s->value->name.text : s->name.text)) {
            el_fail(e, diag_report(e->d, MSG_BAD_SUBSCRIPT, el_at(e, s->span), "an index is named once"));
            return false;
        }
        if (bare ? !el_want_name(w, s) : !el_want_range(w, s))
            return false;
    }
    for (int i = 0; i < w->list.len; i++) /* a written range is the extent, whatever the uses are */
        if (w->list.data[i].extent)
            w->list.data[i].first = (ir_span){0};
    el_extents_from(w, args, NULL);
    return !w->failed && el_make_axes(w);
}

/* e tabulated over the new axes, which become own dims in front. */
static val tabulate(elab *e, val v, int first_axis, int n, ir_span at) {
    v = el_tensor(e, v, FRIT_DTYPE_COUNT, at);
    if (v.kind != V_TENSOR)
        return v;
    iaxis *fresh[IR_MAX_RANK], **all;
    val with = {.kind = V_TENSOR, .n_axes = (uint8_t)n, .axes = fresh};
    for (int i = 0, k = 0; i < e->axis_of_var.len && k < n; i++)
        if (e->axis_of_var.data[i] && e->axis_of_var.data[i]->id >= first_axis &&
            e->axis_of_var.data[i]->id < first_axis + n)
            fresh[k++] = e->axis_of_var.data[i];
    int n_axes = el_union_axes(e, (val[]){v, with}, 2, &all);
    if (n_axes + el_rank(v) > IR_MAX_RANK)
        return el_fail(e, diag_report(e->d, MSG_RANK_LIMIT, el_at(e, at), n_axes + el_rank(v), IR_MAX_RANK));
    sym_t dims[IR_MAX_RANK];
    for (int i = 0; i < el_rank(v); i++)
        dims[i] = el_dims(v)[i];
    v = el_spread(e, v, n_axes, all, el_rank(v), dims);
    return el_own_axes(v, n);
}

static val notation_args(elab *e, val f, const char *name, const ast_expr *x, int first_axis, int n) {
    const ast_args *in = &x->call.args;
    arg *args = arena_array(e->a, arg, in->len + 2);
    if (!in->len || in->data[0].name.text)
        return el_fail(e, diag_report(e->d, MSG_MISSING_ARGUMENT, el_at(e, x->span), name, "the expression"));
    for (int i = 0; i < in->len; i++) {
        args[i] = (arg){el_eval(e, in->data[i].value), in->data[i].value->span, in->data[i].name.text};
        if (args[i].v.kind == V_ERROR)
            return v_error();
    }
    e->b.span = el_at(e, x->span);
    args[0].v = tabulate(e, args[0].v, first_axis, n, args[0].span);
    if (args[0].v.kind != V_TENSOR)
        return v_error();
    val *axes = arena_array(e->a, val, n + 1);
    for (int i = 0; i < n; i++)
        axes[i] = v_consti(e, i);
    args[in->len] = (arg){n == 1 ? axes[0] : v_list(axes, n), x->span, "axis"};
    const char *prefix = e->frame->prefix;
    if (x->call.from) {
        const char *p = el_eval_string(e, x->call.from);
        if (!p)
            return v_error();
        prefix = arena_printf(e->a, "%s%s.", prefix, p);
    }
    return el_call_value(e, f, name, args, in->len + 1, prefix, x->span);
}

val el_call_notation(elab *e, const ast_expr *x) {
    const ast_expr *callee = x->call.callee;
    const char *name;
    val f = el_callee(e, callee->index.base, &name);
    if (f.kind == V_ERROR)
        return f;
    if (!takes_axis(f))
        return el_fail(e, diag_report(e->d, MSG_NEEDS_AXIS, el_at(e, callee->span), name));
    if (callee->index.subs.len > IR_MAX_RANK / 2)
        return el_fail(e, diag_report(e->d, MSG_RANK_LIMIT, el_at(e, callee->span), callee->index.subs.len, IR_MAX_RANK / 2));
    wanteds w = {.e = e};
    el_scope_push(e);
    int first = e->n_axes;
    val r = v_error();
    if (callee_axes(&w, &callee->index.subs, &x->call.args))
        r = notation_args(e, f, name, x, first, w.list.len);
    el_scope_pop(e);
    return r;
}

/* ---- y[i] = e, y not yet bound ------------------------------------------------------------------------------------- */

static binding *loop_var(elab *e, const ast_sub *s) {
    if (s->kind != AST_SUB_EXPR || s->value->kind != AST_NAME)
        return NULL;
    binding *b = el_find_local(e, s->value->name.text);
    return b && b->kind == B_LOOP ? b : NULL;
}

typedef struct shape_plan { /* own dims of y in target order, and where each comes from in the value */
    int n;
    int from[IR_MAX_RANK];    /* own dim of the value, -1: a stacking loop */
    sym_t dims[IR_MAX_RANK];
    binding *loop[IR_MAX_RANK];
} shape_plan;

static bool too_many(elab *e, const ast_target *t) {
    el_fail(e, diag_report(e->d, MSG_RANK_LIMIT, el_at(e, t->span), IR_MAX_RANK + 1, IR_MAX_RANK));
    return false;
}

static const char *index_name(const ast_sub *s) {
    bool name = s->kind == AST_SUB_EXPR && s->value->kind == AST_NAME;
    return s->kind == AST_SUB_RANGE ? s->name.text : name ? s->value->name.text : NULL;
}

static bool new_sub(elab *e, const ast_sub *s, shape_plan *p, int *next_axis, int *next_own, int n_fresh, val v) {
    binding *l = loop_var(e, s);
    if (l) {
        if (!sym_is(l->loop->lo, 0)) {
            el_fail(e, diag_report(e->d, MSG_AXIS_START, el_at(e, s->span), l->name, sym_print(e->a, l->loop->lo)));
            return false;
        }
        p->loop[p->n] = l;
        p->dims[p->n] = l->loop->hi;
        p->from[p->n++] = -1;
        return true;
    }
    const char *name = index_name(s);
    iaxis *x = name ? axis_named(e, name) : NULL;
    if (x && x->id >= e->statement_axis) {
        if (!sym_is(x->lo, 0)) {
            el_fail(e, diag_report(e->d, MSG_AXIS_START, el_at(e, s->span), name, sym_print(e->a, x->lo)));
            return false;
        }
        p->from[p->n++] = (*next_axis)++;
        return true;
    }
    if (s->kind == AST_SUB_SLICE && !s->value && !s->hi && !s->step && *next_own < el_rank(v)) {
        p->from[p->n++] = (*next_own)++;
        return true;
    }
    if (s->kind == AST_SUB_SLICE) {
        el_fail(e, diag_report(e->d, MSG_BAD_SUBSCRIPT, el_at(e, s->span), "a ':' on the left stands for a dim of the value"));
        return false;
    }
    diag_record *r = diag_report(e->d, MSG_NEW_SUBSCRIPT, el_at(e, s->span));
    if (name)
        diag_suggest(e->d, r, "'%s' has a value already; index with a fresh name", name);
    el_fail(e, r);
    return false;
}

/* y[i, i] = e gives the elements beside the diagonal no value. */
static bool index_twice(elab *e, const ast_target *t, int at) {
    const char *name = index_name(&t->subs.data[at]);
    for (int i = 0; name && i < at; i++) {
        const char *before = index_name(&t->subs.data[i]);
        if (before && !strcmp(before, name)) {
            diag_record *r = diag_report(e->d, MSG_NEW_SUBSCRIPT, el_at(e, t->subs.data[at].span));
            diag_suggest(e->d, r, "'%s' stands here twice; to set a diagonal, make the value first: y = zeros(...)", name);
            el_fail(e, r);
            return true;
        }
    }
    return false;
}

/* v's own dims are the fresh axes in order, then the value's. */
static bool plan_shape(elab *e, const ast_target *t, val v, int n_fresh, shape_plan *p) {
    int next_axis = 0, next_own = n_fresh, colons = 0;
    *p = (shape_plan){0};
    for (int i = 0; i < t->subs.len; i++)
        colons += t->subs.data[i].kind == AST_SUB_SLICE;
    int rest = el_rank(v) - n_fresh - colons;
    for (int i = 0; i < t->subs.len; i++) {
        const ast_sub *s = &t->subs.data[i];
        if (p->n >= IR_MAX_RANK)
            return too_many(e, t);
        if (s->kind == AST_SUB_REST) {
            for (; rest > 0; rest--)
                p->from[p->n++] = next_own++;
            continue;
        }
        if (index_twice(e, t, i) || !new_sub(e, s, p, &next_axis, &next_own, n_fresh, v))
            return false;
    }
    while (next_own < el_rank(v) && p->n < IR_MAX_RANK)
        p->from[p->n++] = next_own++;
    for (int i = 0; i < p->n; i++)
        if (p->from[i] >= 0)
            p->dims[i] = el_dims(v)[p->from[i]];
    return true;
}

/* The outermost loop whose counter is in the target, or NULL. */
static loop_rec *outermost(elab *e, const shape_plan *p) {
    loop_rec *found = NULL;
    for (loop_rec *l = e->loops; l; l = l->up)
        for (int i = 0; i < p->n; i++)
            if (p->loop[i] && p->loop[i]->loop == l)
                found = l;
    return found;
}

/* y begins as zeros in front of loop `outer` and is carried by every run-time loop from there to here. */
static binding *begin_stack(elab *e, const ast_name *name, val piece, const shape_plan *p, loop_rec *outer) {
    loop_rec *chain[AST_MAX_NEST];
    int n = 0;
    for (loop_rec *l = e->loops; l; l = l->up) {
        if (l->run_time && n < AST_MAX_NEST)
            chain[n++] = l;
        if (l == outer)
            break;
    }
    sym_t dims[2 * IR_MAX_RANK];
    for (int i = 0; i < piece.n_axes; i++)
        dims[i] = piece.t->type.dims[i];
    for (int i = 0; i < p->n; i++)
        dims[piece.n_axes + i] = p->dims[i];
    ir_type type = ir_tensor(e->m, el_dtype(piece), piece.n_axes + p->n, dims);
    ir_builder *at = n ? &chain[n - 1]->before : &e->b;
    at->span = e->b.span;
    ir_value *zero = frit_dtype_is_float(el_dtype(piece)) ? ir_splat(at, type, 0) : ir_splat_int(at, type, 0);
    val v = v_tensor_axes(zero, piece.n_axes, piece.axes);
    binding *b = el_bind(e, outer->outside, name->text, v, name->span);
    for (int i = n - 1; i >= 0; i--) {
        carried c = {.b = b, .init = b->v, .stacked = true};
        c.arg = ir_block_add_arg(e->m, chain[i]->block, type, name->text);
        if (chain[i]->cond)
            ir_block_add_arg(e->m, chain[i]->cond, type, name->text);
        vec_push(e->a, &chain[i]->carried, c);
        b->v = v_tensor_axes(c.arg, piece.n_axes, piece.axes);
    }
    return b;
}

static bool stack_piece(elab *e, const ast_target *t, val piece, const shape_plan *p, loop_rec *outer) {
    sym_t dims[IR_MAX_RANK];
    int perm[IR_MAX_RANK], n = 0;
    for (int i = 0; i < p->n; i++)
        if (p->from[i] >= 0)
            perm[n++] = p->from[i];
    if (piece.n_axes + p->n > IR_MAX_RANK)
        return too_many(e, t);
    piece = el_transpose(e, piece, perm);
    for (int i = 0; i < p->n; i++)
        dims[i] = p->from[i] >= 0 ? p->dims[i] : sym_const(e->s, 1);
    binding *b = begin_stack(e, &t->name, piece, p, outer);
    access a = {.base = b->v, .span = t->span, .n_axes = b->v.n_axes, .axes = (iaxis **)b->v.axes};
    for (int i = 0; i < p->n; i++) {
        a.own_dims[a.n_own] = dims[i];
        a.own_vars[a.n_own] = sym_index(e->s, "k", dims[i]);
        a.coord[i] = p->from[i] >= 0 ? a.own_vars[a.n_own] : p->loop[i]->v.i;
        a.range[i] = true;
        a.n_own++;
    }
    val r = el_update(e, &a, el_reshape(e, piece, p->n, dims), false, t->span);
    if (r.kind == V_ERROR)
        return false;
    el_rebind(e, b, r);
    return true;
}

static bool create(elab *e, const ast_target *t, val v, int first_axis, int n_fresh) {
    shape_plan p;
    v = tabulate(e, v, first_axis, n_fresh, t->span);
    if (v.kind != V_TENSOR)
        return false;
    v.weak = STRONG;
    if (!plan_shape(e, t, v, n_fresh, &p))
        return false;
    loop_rec *outer = outermost(e, &p);
    if (outer)
        return stack_piece(e, t, v, &p, outer);
    v = el_transpose(e, v, p.from);
    scope *home = e->scope->up; /* the axes' own scope ends with the statement */
    el_bind(e, home, t->name.text, v, t->name.span);
    return true;
}

/* ---- The statement ------------------------------------------------------------------------------------------------- */

static bool fresh_name(elab *e, const ast_sub *s) {
    return s->kind == AST_SUB_EXPR && s->value->kind == AST_NAME && !el_known(e, s->value->name.text);
}

/* Names without a value inside a subscript of a bound target, y[k[i]] += x[i], are indices too. */
static void nested_names(void *u, const ast_expr *x) {
    wanteds *w = u;
    elab *e = w->e;
    switch (x->kind) {
    case AST_NAME:
        if (!el_known(e, x->name.text) && !el_want_of(w, x->name.text) &&
            frit_dtype_from_name(x->name.text, strlen(x->name.text)) == FRIT_DTYPE_COUNT)
            vec_push(e->a, &w->list, ((wanted){.name = x->name.text, .span = x->span, .lo = sym_const(e->s, 0)}));
        return;
    case AST_INDEX:
        for (int i = 0; i < x->index.subs.len; i++)
            if (x->index.subs.data[i].kind == AST_SUB_EXPR)
                nested_names(w, x->index.subs.data[i].value);
        return;
    case AST_CALL:
        if (x->call.callee->kind != AST_NAME) /* a reduction has axes of its own */
            return;
        break;
    case AST_LIST: return;
    default: break;
    }
    ast_each_operand(x, nested_names, w);
}

static bool target_axes(wanteds *w, const ast_target *t, const ast_expr *value, const binding *b) {
    elab *e = w->e;
    for (int i = 0; i < t->subs.len; i++) {
        const ast_sub *s = &t->subs.data[i];
        if (s->kind == AST_SUB_RANGE ? !el_want_range(w, s) : fresh_name(e, s) && !el_want_of(w, s->value->name.text) && !el_want_name(w, s))
            return false;
    }
    for (int i = 0; b && i < t->subs.len; i++)
        if (t->subs.data[i].kind == AST_SUB_EXPR)
            nested_names(w, t->subs.data[i].value);
    if (w->list.len > IR_MAX_RANK)
        return too_many(e, t);
    for (int i = 0; i < w->list.len; i++)
        if (w->list.data[i].extent)
            w->list.data[i].first = (ir_span){0};
    if (value && w->list.len)
        el_extents_from(w, NULL, value);
    for (int i = 0; b && w->list.len && i < t->subs.len; i++)
        if (t->subs.data[i].kind == AST_SUB_EXPR)
            el_extents_from(w, NULL, t->subs.data[i].value);
    if (el_any_left(w) && b && (b->kind == B_STATE || b->v.kind == V_TENSOR)) {
        const sym_t *dims = b->kind == B_STATE ? b->state->type.dims : el_dims(b->v);
        el_bare_uses(w, &t->subs, b->kind == B_STATE ? b->state->type.rank : el_rank(b->v), dims);
    }
    return !w->failed && el_make_axes(w);
}

static bool update(elab *e, const ast_target *t, binding *b, val v, bool add) {
    access a;
    val base = b->kind == B_STATE ? el_state_read(e, b) : b->v;
    if (base.kind != V_TENSOR) {
        if (base.kind != V_ERROR)
            el_fail(e, diag_report(e->d, MSG_EXPECTED_VALUE, el_at(e, t->name.span), "a tensor", el_describe(e, base)));
        return false;
    }
    v = el_convert_to(e, v, el_dtype(base), t->name.text, t->span);
    if (v.kind != V_TENSOR || !el_access(e, base, &t->subs, t->span, &a))
        return false;
    val r = el_update(e, &a, v, add, t->span);
    if (r.kind != V_TENSOR)
        return false;
    if (b->kind == B_STATE)
        el_state_write(e, b, r);
    else
        el_rebind(e, b, r);
    return true;
}

bool el_assign_indexed(elab *e, const ast_target *t, const ast_expr *value, const val *given, bool add, ir_span at) {
    binding *b = el_find_local(e, t->name.text);
    if (b && b->unbound)
        b = NULL;
    if (!b && add) {
        ast_name n = t->name;
        el_lookup(e, &n);
        return false;
    }
    wanteds w = {.e = e};
    int outer_axis = e->statement_axis;
    el_scope_push(e);
    e->statement_axis = e->n_axes;
    bool ok = target_axes(&w, t, value, b);
    int first = e->statement_axis, n = w.list.len;
    val v = !ok ? v_error() : given ? *given : el_eval(e, value);
    e->statement_axis = first;
    e->b.span = el_at(e, at);
    ok = v.kind != V_ERROR && (b ? update(e, t, b, v, add) : create(e, t, v, first, n));
    el_scope_pop(e);
    e->statement_axis = outer_axis;
    return ok;
}
