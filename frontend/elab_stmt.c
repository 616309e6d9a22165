/* Statements, in order; what assert and where mean. */
#include "elab_internal.h"
#include <string.h>

static bool stop(elab *e) {
    if (e->frame)
        e->frame->failed = true;
    return false;
}

/* ---- Assignment ---------------------------------------------------------------------------------------------------- */

static bool el_set_name(elab *e, const ast_name *n, val v, ir_span at) {
    if (v.kind == V_ERROR)
        return false;
    if (!strcmp(n->text, "_"))
        return true;
    if (v.kind == V_FN || v.kind == V_BUILTIN || v.kind == V_MODULE || v.kind == V_TYPE) {
        el_fail(e, diag_report(e->d, MSG_EXPECTED_VALUE, el_at(e, at), "a value", el_describe(e, v)));
        return false;
    }
    if (v.kind == V_TENSOR && !v.t->name)
        v.t->name = arena_strdup(e->m->arena, n->text);
    binding *b = el_find_local(e, n->text);
    if (b && b->kind == B_STATE)
        return el_assigned_value(e, b, v, at);
    if (b && (b->kind == B_LOOP || b->kind == B_AXIS)) {
        el_fail(e, diag_report(e->d, MSG_ASSIGN_COUNTER, el_at(e, n->span), n->text));
        return false;
    }
    if (b && !b->unbound)
        el_rebind(e, b, v);
    else if (b) {
        b->unbound = false;
        b->v = v;
        b->span = n->span;
    } else
        el_bind(e, e->scope, n->text, v, n->span);
    return true;
}

/* name: type = e: dtype and dims must match; a weak value takes the dtype. */
static bool typed_value(elab *e, const ast_type *t, const ast_name *n, val *v, ir_span at) {
    frit_dtype have = v->kind == V_TENSOR && !v->weak ? el_dtype(*v) : FRIT_DTYPE_COUNT;
    if (!t->shaped && !strcmp(t->name.text, "int")) {
        if (v->kind == V_INT)
            return true;
        el_fail(e, diag_report(e->d, MSG_EXPECTED_VALUE, el_at(e, at), "an integer", el_describe(e, *v)));
        return false;
    }
    if (!t->shaped && (!strcmp(t->name.text, "str") || !strcmp(t->name.text, "bool")))
        return true;
    frit_dtype d = el_type_dtype(e, t, have, at);
    if (d == FRIT_DTYPE_COUNT)
        return false;
    *v = el_convert_to(e, *v, d, n->text, at);
    equations eqs = {0};
    place_of w = {arena_printf(e->a, "'%s'", n->text), t->span, at};
    if (v->kind == V_TENSOR && !el_rank(*v) && t->dims.len) { /* h: f32[B, D] = 0 */
        int rank;
        sym_t dims[IR_MAX_RANK];
        if (!el_type_dims(e, &t->dims, &rank, dims, false, NULL))
            return false;
        *v = el_broadcast_to(e, *v, rank, dims, at);
    }
    return v->kind == V_TENSOR && el_match_dims(e, &t->dims, el_rank(*v), el_dims(*v), w, &eqs) && el_solve(e, &eqs);
}

static bool assign_several(elab *e, const ast_stmt *s) {
    const ast_targets *t = &s->assign.targets;
    val v = el_eval_any(e, s->assign.value);
    if (v.kind == V_ERROR)
        return false;
    if (v.kind != V_TUPLE || v.count != t->len) {
        int n = v.kind == V_TUPLE ? v.count : 1;
        el_fail(e, diag_report(e->d, MSG_RESULT_COUNT, el_at(e, s->assign.value->span), n, t->len));
        return false;
    }
    for (int i = 0; i < t->len; i++) {
        const ast_target *x = &t->data[i];
        bool ok = x->indexed ? el_assign_indexed(e, x, NULL, &v.items[i], false, x->span)
                             : el_set_name(e, &x->name, v.items[i], x->span);
        if (!ok)
            return false;
    }
    return true;
}

static bool assign(elab *e, const ast_stmt *s) {
    const ast_target *t = &s->assign.targets.data[0];
    e->b.span = el_at(e, s->span);
    if (s->assign.targets.len > 1)
        return assign_several(e, s);
    if (t->indexed)
        return el_assign_indexed(e, t, s->assign.value, NULL, s->assign.add, s->span);
    val v = el_eval(e, s->assign.value);
    if (s->assign.add)
        v = el_binary_op(e, AST_ADD, el_lookup(e, &t->name), v, s->span);
    if (v.kind == V_ERROR)
        return false;
    if (s->assign.type && !typed_value(e, s->assign.type, &t->name, &v, s->assign.value->span))
        return false;
    return el_set_name(e, &t->name, v, s->assign.value->span);
}

/* ---- Asserts ------------------------------------------------------------------------------------------------------- */

static void learn(elab *e, val c) {
    sym_t l = c.cond.lhs, r = c.cond.rhs;
    int64_t m;
    if (!strcmp(c.cond.op, "==") && sym_is(r, 0) && sym_kind_of(l) == SYM_MOD && sym_is_var(sym_arg(l, 0)) &&
        sym_is_const(sym_arg(l, 1), &m) && m > 0)
        sym_var_bound(e->s, sym_arg(l, 0), NULL, NULL, m);
    else
        el_bound(e, c.cond.op, l, r);
}

static bool assume_value(elab *e, val v, const char *text, ir_span at) {
    switch (v.kind) {
    case V_ERROR: return false;
    case V_BOOL:
        if (!v.b)
            el_fail(e, diag_report(e->d, MSG_ASSERT_FAILED, el_at(e, at), text ? text : "the condition is false"));
        return v.b;
    case V_COND:
        if (!el_runs_known(e, v.cond.lhs) || !el_runs_known(e, v.cond.rhs))
            break;
        if (!strcmp(v.cond.op, "==") && el_dims_merge(e, v.cond.lhs, v.cond.rhs))
            return true;
        el_check(e, v.cond.op, v.cond.lhs, v.cond.rhs, text, at);
        learn(e, v);
        return true;
    default: break;
    }
    el_fail(e, diag_report(e->d, MSG_ASSERT_RUN_TIME, el_at(e, at)));
    return false;
}

bool el_assume(elab *e, const ast_expr *x, const char *text, ir_span at) {
    if (x->kind == AST_CHAIN && x->chain.links.data[0].op == AST_AND) {
        bool ok = el_assume(e, x->chain.first, text, x->chain.first->span);
        for (int i = 0; ok && i < x->chain.links.len; i++)
            ok = el_assume(e, x->chain.links.data[i].rhs, text, x->chain.links.data[i].rhs->span);
        return ok;
    }
    return assume_value(e, el_eval(e, x), text, at);
}

static bool assertion(elab *e, const ast_stmt *s) {
    const char *text = s->assertion.text ? el_eval_string(e, s->assertion.text) : NULL;
    return (!s->assertion.text || text) && el_assume(e, s->assertion.cond, text, s->span);
}

/* ---- return, const ------------------------------------------------------------------------------------------------- */

static bool give_back(elab *e, const ast_stmt *s) {
    int n = s->values.len;
    val *items = arena_array(e->a, val, n + 1);
    if (e->frame->run_time) {
        el_fail(e, diag_report(e->d, MSG_RETURN_IN_BLOCK, el_at(e, s->span)));
        return false;
    }
    for (int i = 0; i < n; i++) {
        items[i] = n == 1 ? el_eval_any(e, s->values.data[i]) : el_eval(e, s->values.data[i]);
        if (items[i].kind == V_ERROR)
            return false;
    }
    e->frame->returned = true;
    e->frame->return_span = s->span;
    e->frame->result = n == 1 ? items[0] : (val){.kind = V_TUPLE, .items = items, .count = n};
    return true;
}

static bool local_consts(elab *e, const ast_stmt *s) {
    for (int i = 0; i < s->consts.len; i++) {
        const ast_binding *c = &s->consts.data[i];
        val v = el_eval(e, c->value);
        if (v.kind == V_TENSOR || v.kind == V_COND) {
            el_fail(e, diag_report(e->d, MSG_NOT_STATIC, el_at(e, c->value->span), "a const"));
            return false;
        }
        if (!el_set_name(e, &c->name, v, c->value->span))
            return false;
    }
    return true;
}

/* ---- All of them --------------------------------------------------------------------------------------------------- */

static bool el_stmt(elab *e, const ast_stmt *s) {
    switch (s->kind) {
    case AST_ASSIGN: return assign(e, s);
    case AST_PARAM: return el_params(e, s);
    case AST_STATE: return el_states(e, s);
    case AST_LOCAL_CONST: return local_consts(e, s);
    case AST_RETURN: return give_back(e, s);
    case AST_ASSERT: return assertion(e, s);
    case AST_IF: return el_if(e, s);
    case AST_FOR: return el_for(e, s);
    case AST_LOOP: return el_loop(e, s);
    case AST_WHILE: return el_while(e, s);
    }
    return false;
}

/* After an error the statements that follow are still looked at, as long as the names they use are not poisoned: a
 * failed assignment binds its targets to V_ERROR, which is silent. */
static void poison_name(elab *e, const ast_name *n) {
    binding *b = el_find_local(e, n->text);
    if (b && b->kind != B_VALUE)
        return;
    if (b) {
        b->unbound = false;
        el_rebind(e, b, v_error());
    } else
        el_bind(e, e->scope, n->text, v_error(), n->span);
}

static void poison(elab *e, const ast_stmt *s);
static void poison_block(elab *e, const ast_block *b) {
    for (int i = 0; i < b->stmts.len; i++)
        poison(e, b->stmts.data[i]);
}

static void poison(elab *e, const ast_stmt *s) {
    switch (s->kind) {
    case AST_ASSIGN:
        for (int i = 0; i < s->assign.targets.len; i++)
            poison_name(e, &s->assign.targets.data[i].name);
        return;
    case AST_PARAM: case AST_STATE:
        for (int i = 0; i < s->decls.len; i++)
            if (!el_find_local(e, s->decls.data[i].name.text))
                el_bind(e, e->scope, s->decls.data[i].name.text, v_error(), s->decls.data[i].name.span);
        return;
    case AST_IF:
        for (int i = 0; i < s->branch.arms.len; i++)
            poison_block(e, &s->branch.arms.data[i].block);
        if (s->branch.has_else)
            poison_block(e, &s->branch.otherwise);
        return;
    case AST_FOR: case AST_LOOP: poison_block(e, &s->loop.body); return;
    case AST_WHILE: poison_block(e, &s->repeat.body); return;
    default: return;
    }
}

bool el_block(elab *e, const ast_stmts *stmts) {
    bool ok = true;
    for (int i = 0; i < stmts->len && !e->frame->returned; i++) {
        if (el_stmt(e, stmts->data[i]))
            continue;
        ok = stop(e);
        if (diag_full(e->d))
            return false;
        poison(e, stmts->data[i]);
    }
    return ok && !e->frame->returned;
}
