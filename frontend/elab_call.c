/* Calls. A call of a function of a file elaborates its body in place, with its own names and path prefix. */
#include "elab_internal.h"
#include <string.h>

enum { MAX_CALLS = 400, MAX_CALLS_IN_ALL = 1000000 };

val el_callee(elab *e, const ast_expr *x, const char **name) {
    val v = el_eval(e, x);
    *name = x->kind == AST_NAME ? x->name.text : x->kind == AST_ATTR ? x->attr.name.text : "this";
    if (v.kind == V_ERROR || v.kind == V_FN || v.kind == V_BUILTIN || v.kind == V_DTYPE)
        return v;
    return el_fail(e, diag_report(e->d, MSG_NOT_CALLABLE, el_at(e, x->span), *name, el_describe(e, v)));
}

static val cast_call(elab *e, val dtype, const arg *args, int n, ir_span at) {
    if (n != 1 || args[0].name)
        return el_fail(e, diag_report(e->d, MSG_EXTRA_ARGUMENT, el_at(e, at), frit_dtype_name((frit_dtype)dtype.dtype), 1, n));
    e->b.span = el_at(e, at);
    return el_cast(e, args[0].v, (frit_dtype)dtype.dtype, args[0].span);
}

val el_call_value(elab *e, val callee, const char *name, arg *args, int n, const char *prefix, ir_span at) {
    switch (callee.kind) {
    case V_FN: return el_call_fn(e, callee.fn, args, n, prefix, at);
    case V_BUILTIN:
        e->b.span = el_at(e, at);
        return el_call_builtin(e, callee.builtin, args, n, at);
    case V_DTYPE: return cast_call(e, callee, args, n, at);
    default: return v_error();
    }
}

static const char *joined_prefix(elab *e, const ast_expr *from) {
    const char *outer = e->frame ? e->frame->prefix : "";
    if (!from)
        return outer;
    const char *p = el_eval_string(e, from);
    return p ? arena_printf(e->a, "%s%s.", outer, p) : NULL;
}

static bool eval_args(elab *e, const ast_args *in, arg *out) {
    bool ok = true;
    for (int i = 0; i < in->len; i++) {
        out[i] = (arg){el_eval(e, in->data[i].value), in->data[i].value->span, in->data[i].name.text};
        ok = ok && out[i].v.kind != V_ERROR;
    }
    return ok;
}

val el_call(elab *e, const ast_expr *x) {
    const char *name;
    if (x->call.callee->kind == AST_INDEX)
        return el_call_notation(e, x);
    val callee = el_callee(e, x->call.callee, &name);
    if (callee.kind == V_ERROR)
        return callee;
    arg *args = arena_array(e->a, arg, x->call.args.len + 1);
    const char *prefix = joined_prefix(e, x->call.from);
    if (!eval_args(e, &x->call.args, args) || !prefix)
        return v_error();
    if (x->call.from && callee.kind != V_FN)
        return el_fail(e, diag_report(e->d, MSG_FROM_NO_PARAMS, el_at(e, x->call.from->span), name));
    return el_call_value(e, callee, name, args, x->call.args.len, prefix, x->span);
}

/* ---- Binding arguments to the parameters of a function ------------------------------------------------------------- */

typedef struct binder {
    elab *e;
    const fn_ref *f;
    const ast_fn *fn;
    const arg **runtime; /* by position in fn->params; NULL: not given */
    const arg **statics;
    ir_span at;
} binder;

/* More arguments by position than run-time parameters: as many static parameters on, one may be meant. */
static bool extra_argument(binder *b, const arg *a, int position) {
    elab *e = b->e;
    int k = position - b->fn->params.len;
    diag_record *r = diag_report(e->d, MSG_EXTRA_ARGUMENT, el_at(e, a->span), b->fn->name.text, b->fn->params.len, position + 1);
    for (int i = 0; i < b->fn->statics.len; i++) {
        const ast_static *s = &b->fn->statics.data[i];
        if (s->kind.text && strcmp(s->kind.text, "int") && strcmp(s->kind.text, "bool") && strcmp(s->kind.text, "str"))
            continue; /* a dtype */
        if (k-- == 0)
            diag_suggest(e->d, r, "static parameters are given by keyword: %s = ...", s->name.text);
    }
    diag_note(e->d, r, b->fn->head, "declared here");
    el_fail(e, r);
    return false;
}

static bool unknown_argument(binder *b, const arg *a) {
    elab *e = b->e;
    const char **names = arena_array(e->a, const char *, b->fn->params.len + b->fn->statics.len + 1);
    int n = 0;
    for (int i = 0; i < b->fn->params.len; i++)
        names[n++] = b->fn->params.data[i].name.text;
    for (int i = 0; i < b->fn->statics.len; i++)
        names[n++] = b->fn->statics.data[i].name.text;
    const char *near = el_keyword(a->name, names, n);
    diag_record *r = diag_report(e->d, MSG_UNKNOWN_ARGUMENT, el_at(e, a->span), b->fn->name.text, a->name);
    if (near)
        diag_suggest(e->d, r, "did you mean '%s'?", near);
    else
        diag_note(e->d, r, b->fn->head, "declared here");
    el_fail(e, r);
    return false;
}

static bool assign_arg(binder *b, const arg *a, int *position) {
    elab *e = b->e;
    const arg **slot = NULL;
    for (int i = 0; a->name && i < b->fn->params.len; i++)
        if (!strcmp(a->name, b->fn->params.data[i].name.text))
            slot = &b->runtime[i];
    for (int i = 0; a->name && i < b->fn->statics.len; i++)
        if (!strcmp(a->name, b->fn->statics.data[i].name.text))
            slot = &b->statics[i];
    if (!a->name && *position >= b->fn->params.len)
        return extra_argument(b, a, (*position)++);
    if (!a->name)
        slot = &b->runtime[(*position)++];
    if (!slot)
        return unknown_argument(b, a);
    if (*slot) {
        diag_record *r = diag_report(e->d, MSG_DUPLICATE_ARGUMENT, el_at(e, a->span), a->name ? a->name : "this");
        diag_note(e->d, r, (*slot)->span, "it is this argument already");
        el_fail(e, r);
        return false;
    }
    *slot = a;
    return true;
}

static bool static_kind_ok(const char *kind, val v) {
    if (!strcmp(kind, "float") || !strcmp(kind, "integer") || !strcmp(kind, "number") || !strcmp(kind, "dtype"))
        return v.kind == V_DTYPE &&
               (strcmp(kind, "float") || frit_dtype_is_float((frit_dtype)v.dtype)) &&
               (strcmp(kind, "integer") || frit_dtype_is_int((frit_dtype)v.dtype)) &&
               (strcmp(kind, "number") || v.dtype != FRIT_bool);
    if (!strcmp(kind, "str"))
        return v.kind == V_STR;
    if (!strcmp(kind, "bool"))
        return v.kind == V_BOOL;
    if (!strcmp(kind, "int"))
        return v.kind == V_INT;
    return true;
}

static bool bind_static(binder *b, const ast_static *s, const arg *a) {
    elab *e = b->e;
    val v = a ? a->v : s->value ? el_eval(e, s->value) : v_none();
    ir_span at = a ? a->span : s->span;
    if (v.kind == V_ERROR)
        return false;
    if (v.kind == V_TENSOR || v.kind == V_COND) {
        el_fail(e, diag_report(e->d, MSG_NOT_STATIC, el_at(e, at),
                               arena_printf(e->a, "the static parameter '%s'", s->name.text)));
        return false;
    }
    if (!a && !s->value) { /* found from the shapes and dtypes of the arguments, or reported when it is used */
        binding *n = el_bind(e, e->scope, s->name.text, s->kind.text ? v_str(s->kind.text) : v_error(), b->at);
        n->unbound = true;
        return true;
    }
    if (s->kind.text && a && !static_kind_ok(s->kind.text, v)) {
        el_fail(e, diag_report(e->d, MSG_STATIC_KIND, el_at(e, at), s->name.text, s->kind.text, el_describe(e, v)));
        return false;
    }
    el_bind(e, e->scope, s->name.text, v, at);
    return true;
}

static bool dtype_mismatch(elab *e, const ast_decl *p, val v, frit_dtype want_t, ir_span at) {
    diag_record *r = diag_report(e->d, MSG_DTYPE_MISMATCH, el_at(e, at), p->name.text ? p->name.text : "the result",
                                 frit_dtype_name(el_dtype(v)), frit_dtype_name(want_t));
    diag_note(e->d, r, p->span, "declared here");
    diag_suggest(e->d, r, "cast it: %s(...)", frit_dtype_name(want_t));
    el_fail(e, r);
    return false;
}

static bool host_param(binder *b, const ast_decl *p, const arg *a, val v) {
    elab *e = b->e;
    const char *type = p->type->name.text;
    bool is_list = p->type->shaped, ok = is_list ? v.kind == V_LIST : v.kind == V_INT;
    if (!strcmp(type, "bool"))
        ok = v.kind == V_BOOL || v.kind == V_COND;
    if (!strcmp(type, "str"))
        ok = v.kind == V_STR;
    if (v.kind == V_NONE && p->type->optional)
        ok = true;
    for (int i = 0; ok && is_list && i < v.count; i++)
        ok = v.items[i].kind == V_INT;
    if (ok) {
        el_bind(e, e->scope, p->name.text, v, a ? a->span : p->span);
        return true;
    }
    if (v.kind != V_ERROR)
        el_fail(e, diag_report(e->d, MSG_ARGUMENT_KIND, el_at(e, a ? a->span : b->at), p->name.text,
                               is_list ? "a list of integers" : type, el_describe(e, v)));
    return false;
}

static bool is_host_type(const ast_type *t) {
    const char *n = t->name.text;
    return (!strcmp(n, "int") || !strcmp(n, "str") || (!strcmp(n, "bool") && !t->shaped));
}

static bool missing(binder *b, const char *name) {
    diag_record *r = diag_report(b->e->d, MSG_MISSING_ARGUMENT, el_at(b->e, b->at), b->fn->name.text, name);
    diag_note(b->e->d, r, b->fn->head, "declared here");
    el_fail(b->e, r);
    return false;
}

/* Dtypes first, from the arguments that have a strong one. */
static bool bind_dtypes(binder *b, val *v) {
    elab *e = b->e;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < b->fn->params.len; i++) {
            const ast_decl *p = &b->fn->params.data[i];
            bool strong = v[i].kind == V_TENSOR && !v[i].weak;
            if (is_host_type(p->type) || v[i].kind == V_NONE || strong != !pass)
                continue;
            frit_dtype own = strong ? el_dtype(v[i])
                             : v[i].kind == V_BOOL || v[i].kind == V_COND ? FRIT_bool
                             : v[i].kind == V_NUM || (v[i].kind == V_TENSOR && v[i].weak == WEAK_NUM) ? FRIT_f32
                                                                                                   : FRIT_i64;
            if (!strong) { /* a literal for T: float is a float */
                binding *t = el_find_local(e, p->type->name.text);
                if (t && t->unbound && own == FRIT_i64 && t->v.kind == V_STR && !strcmp(t->v.s, "float"))
                    own = FRIT_f32;
            }
            ir_span at = b->runtime[i] ? b->runtime[i]->span : p->span;
            frit_dtype t = el_type_dtype(e, p->type, own, at);
            if (t == FRIT_DTYPE_COUNT)
                return false;
            if (strong && el_dtype(v[i]) != t)
                return dtype_mismatch(e, p, v[i], t, at);
            if (!strong)
                v[i] = el_tensor(e, v[i], t, at);
            if (v[i].kind == V_ERROR)
                return false;
        }
    }
    return true;
}

static bool is_literal(const arg *a) { return a && (a->v.kind == V_NUM || a->v.kind == V_INT || a->v.kind == V_BOOL); }

/* A literal for a parameter whose dims are all '...' stands for every element. */
static bool literal_fits(elab *e, binder *b, int i, val *v) {
    const ast_decl *p = &b->fn->params.data[i];
    if (!is_literal(b->runtime[i]) || p->type->dims.len != 1 || p->type->dims.data[0].kind != AST_SUB_REST)
        return false;
    const ast_sub *s = &p->type->dims.data[0];
    binding *n = el_find_local(e, s->name.text ? arena_printf(e->a, "...%s", s->name.text) : "...");
    if (!n || n->unbound || !n->v.count)
        return false;
    sym_t dims[IR_MAX_RANK];
    for (int k = 0; k < n->v.count; k++)
        dims[k] = el_resolve(e, n->v.items[k].i);
    *v = el_broadcast_to(e, *v, n->v.count, dims, b->at);
    return v->kind != V_ERROR;
}

static bool bind_shapes(binder *b, val *v) {
    elab *e = b->e;
    equations eqs = {0};
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < b->fn->params.len; i++) {
            const ast_decl *p = &b->fn->params.data[i];
            if (v[i].kind != V_TENSOR || is_host_type(p->type) || is_literal(b->runtime[i]) != (pass == 1))
                continue;
            if (pass && literal_fits(e, b, i, &v[i]))
                continue;
            const char *what = arena_printf(e->a, "argument '%s' of '%s'", p->name.text, b->fn->name.text);
            place_of w = {what, p->span, b->runtime[i] ? b->runtime[i]->span : p->span};
            if (!p->type->shaped) {
                el_fail(e, diag_report(e->d, MSG_TYPE_NEEDS_DIMS, el_at(e, p->type->span), p->type->name.text));
                return false;
            }
            if (!el_match_dims(e, &p->type->dims, el_rank(v[i]), el_dims(v[i]), w, &eqs))
                return false;
        }
    }
    return el_solve(e, &eqs);
}

static bool bind_params(binder *b) {
    elab *e = b->e;
    int n = b->fn->params.len;
    val *v = arena_array(e->a, val, n + 1);
    for (int i = 0; i < n; i++) {
        const ast_decl *p = &b->fn->params.data[i];
        if (!b->runtime[i] && !p->value)
            return missing(b, p->name.text);
        v[i] = b->runtime[i] ? b->runtime[i]->v : el_eval(e, p->value);
        if (v[i].kind == V_ERROR)
            return false;
        if (is_host_type(p->type) && !host_param(b, p, b->runtime[i], v[i]))
            return false;
        if (!is_host_type(p->type) && v[i].kind == V_NONE && !p->type->optional) {
            el_fail(e, diag_report(e->d, MSG_ABSENT, el_at(e, b->runtime[i] ? b->runtime[i]->span : b->at)));
            return false;
        }
    }
    if (!bind_dtypes(b, v) || !bind_shapes(b, v))
        return false;
    for (int i = 0; i < n; i++) {
        const ast_decl *p = &b->fn->params.data[i];
        if (!is_host_type(p->type))
            el_bind(e, e->scope, p->name.text, v[i], p->span);
    }
    return true;
}

static bool bind_arguments(binder *b, arg *args, int n) {
    elab *e = b->e;
    b->runtime = arena_array(e->a, const arg *, b->fn->params.len + 1);
    b->statics = arena_array(e->a, const arg *, b->fn->statics.len + 1);
    int position = 0;
    bool ok = true;
    for (int i = 0; i < n; i++)
        ok = assign_arg(b, &args[i], &position) && ok;
    for (int i = 0; ok && i < b->fn->statics.len; i++)
        ok = bind_static(b, &b->fn->statics.data[i], b->statics[i]);
    return ok && bind_params(b);
}

/* ---- where, results ------------------------------------------------------------------------------------------------ */

/* What stands at a span, on one line. */
static const char *written(elab *e, ir_span s) {
    size_t size;
    const char *source = diag_source_text(e->d, s.file, &size);
    char *text = arena_strndup(e->a, source + s.begin, s.end - s.begin);
    for (char *c = text; *c; c++)
        if (*c == '\n' || *c == '\r' || *c == '\t')
            *c = ' ';
    return text;
}

static bool check_where(elab *e, const ast_fn *fn) {
    for (int i = 0; i < fn->where.len; i++) {
        ir_span at = fn->where.data[i]->span;
        if (!el_assume(e, fn->where.data[i], arena_printf(e->a, "the bound '%s' does not hold", written(e, at)), at))
            return false;
    }
    return true;
}

/* Result number i of a call: converted from weak, dtype and dims checked against the declaration. */
static bool check_result(elab *e, const ast_decl *p, val *v, equations *eqs, ir_span at) {
    if (v->kind == V_NONE && p->type->optional)
        return true;
    if (is_host_type(p->type))
        return true;
    frit_dtype have = v->kind == V_TENSOR && !v->weak ? el_dtype(*v) : FRIT_DTYPE_COUNT;
    binding *free_t = el_find_local(e, p->type->name.text);
    if (free_t && free_t->unbound && have == FRIT_DTYPE_COUNT)
        have = FRIT_f32;
    frit_dtype t = el_type_dtype(e, p->type, have, at);
    if (t == FRIT_DTYPE_COUNT)
        return false;
    *v = el_tensor(e, *v, t, at);
    if (v->kind != V_TENSOR)
        return false;
    if (el_dtype(*v) != t)
        return dtype_mismatch(e, p, *v, t, at);
    const char *what = p->name.text ? arena_printf(e->a, "result '%s'", p->name.text) : "the result";
    return el_match_dims(e, &p->type->dims, el_rank(*v), el_dims(*v), (place_of){what, p->span, at}, eqs);
}

static val check_results(elab *e, const ast_fn *fn, val r) {
    ir_span at = e->frame->return_span;
    int n = r.kind == V_TUPLE ? r.count : 1;
    if (!fn->results.len)
        return r;
    if (n != fn->results.len) {
        diag_record *d = diag_report(e->d, MSG_RESULT_COUNT, el_at(e, at), n, fn->results.len);
        diag_note(e->d, d, fn->head, "declared here");
        return el_fail(e, d);
    }
    val *items = arena_array(e->a, val, n);
    equations eqs = {0};
    for (int i = 0; i < n; i++) {
        items[i] = r.kind == V_TUPLE ? r.items[i] : r;
        if (!check_result(e, &fn->results.data[i], &items[i], &eqs, at))
            return v_error();
    }
    if (!el_solve(e, &eqs))
        return v_error();
    return n == 1 ? items[0] : (val){.kind = V_TUPLE, .items = items, .count = n};
}

static val run_body(elab *e, const fn_ref *f, ir_span at) {
    el_block(e, &f->fn->body.stmts);
    if (e->frame->failed)
        return v_error();
    if (!e->frame->returned)
        return el_fail(e, diag_report(e->d, MSG_NO_RETURN, el_at(e, f->fn->name.span), f->fn->name.text));
    val r = check_results(e, f->fn, e->frame->result);
    el_warn_misspelt(e, f, e->frame->scope);
    return r;
}

val el_call_fn(elab *e, const fn_ref *f, arg *args, int n, const char *prefix, ir_span at) {
    if (e->depth >= MAX_CALLS || el_deep(e, at)) {
        if (e->depth >= MAX_CALLS)
            el_fail(e, diag_report(e->d, MSG_RECURSION, el_at(e, at), f->fn->name.text, MAX_CALLS));
        return v_error();
    }
    if (++e->calls > MAX_CALLS_IN_ALL)
        return e->calls == MAX_CALLS_IN_ALL + 1
                   ? el_fail(e, diag_report(e->d, MSG_TOO_MUCH, el_at(e, at), MAX_CALLS_IN_ALL, "calls")) : v_error();
    scope *outer = e->scope;
    frame fr = {.up = e->frame, .fn = f, .prefix = prefix, .call = at};
    fr.scope = e->scope = el_scope_new(e, NULL);
    e->frame = &fr;
    e->depth++;
    binder b = {.e = e, .f = f, .fn = f->fn, .at = at};
    val r = v_error();
    if (bind_arguments(&b, args, n) && check_where(e, f->fn))
        r = run_body(e, f, at);
    e->depth--;
    e->frame = fr.up;
    e->scope = outer;
    return r;
}
