/* The entry model: its inputs become arguments of the func, its dims symbols of the module. */
#include "elab_internal.h"
#include <string.h>

static bool int_input(elab *e, const ast_decl *p, arg *a) {
    val v;
    if (el_define(e, p->name.text, &v) && v.kind == V_INT) {
        *a = (arg){v, p->span, NULL};
        return true;
    }
    sym_t s = sym_var(e->s, p->name.text, SYM_INT, NULL, NULL);
    ir_value *x = ir_block_add_arg(e->m, e->func->body, ir_scalar(FRIT_i64), p->name.text);
    vec_push(e->m->arena, &e->m->symbols, s);
    e->func->arg_syms[x->index] = s;
    *a = (arg){v_int(s), p->span, NULL};
    return true;
}

static bool host_input(elab *e, const ast_decl *p, arg *a) {
    val v = v_none();
    if (!strcmp(p->type->name.text, "int") && !p->type->shaped)
        return int_input(e, p, a);
    if (!el_define(e, p->name.text, &v) && p->value)
        v = el_eval(e, p->value);
    if (v.kind == V_NONE && !p->value) {
        diag_record *r = diag_report(e->d, MSG_HOST_INPUT, p->span, p->name.text);
        diag_suggest(e->d, r, "-D %s=...", p->name.text);
        return false;
    }
    *a = (arg){v, p->span, NULL};
    return v.kind != V_ERROR;
}

static bool tensor_input(elab *e, const ast_decl *p, arg *a) {
    int rank;
    sym_t dims[IR_MAX_RANK];
    if (p->value) { /* an optional input has its default */
        *a = (arg){el_eval(e, p->value), p->span, NULL};
        return a->v.kind != V_ERROR;
    }
    if (p->type->optional) {
        *a = (arg){v_none(), p->span, NULL};
        return true;
    }
    for (int i = 0; i < p->type->dims.len; i++)
        if (p->type->dims.data[i].kind == AST_SUB_REST) {
            diag_report(e->d, MSG_MODEL_REST, p->type->dims.data[i].span);
            return false;
        }
    frit_dtype t = el_type_dtype(e, p->type, FRIT_DTYPE_COUNT, p->span);
    if (t == FRIT_DTYPE_COUNT || !el_type_dims(e, &p->type->dims, &rank, dims, true, NULL))
        return false;
    ir_value *x = ir_block_add_arg(e->m, e->func->body, ir_tensor(e->m, t, rank, dims), p->name.text);
    *a = (arg){v_tensor(x), p->span, NULL};
    return true;
}

static bool is_host(const ast_type *t) {
    const char *n = t->name.text;
    return !strcmp(n, "int") || !strcmp(n, "str") || (!strcmp(n, "bool") && !t->shaped);
}

static bool inputs(elab *e, const ast_fn *fn, arg *args) {
    bool ok = true;
    for (int i = 0; i < fn->params.len; i++) {
        const ast_decl *p = &fn->params.data[i];
        if (!is_host(p->type) && !p->type->shaped) {
            diag_report(e->d, MSG_TYPE_NEEDS_DIMS, p->type->span, p->type->name.text);
            ok = false;
        } else
            ok = (is_host(p->type) ? host_input(e, p, &args[i]) : tensor_input(e, p, &args[i])) && ok;
    }
    return ok;
}

static bool results(elab *e, const ast_fn *fn, val r) {
    int n = r.kind == V_TUPLE ? r.count : 1;
    ir_value **out = arena_array(e->a, ir_value *, n);
    const char **names = arena_array(e->m->arena, const char *, n);
    for (int i = 0; i < n; i++) {
        val v = el_strong(e, r.kind == V_TUPLE ? r.items[i] : r, fn->name.span);
        if (v.kind != V_TENSOR)
            return false;
        out[i] = v.t;
        bool named = i < fn->results.len && fn->results.data[i].name.text;
        names[i] = named ? arena_strdup(e->m->arena, fn->results.data[i].name.text)
                         : arena_printf(e->m->arena, n == 1 ? "result" : "result%d", i);
    }
    ir_build(&e->b, IR_return, n, out, 0, NULL);
    e->func->n_results = n;
    e->func->result_names = names;
    return true;
}

bool el_model(elab *e, const fn_ref *f) {
    const ast_fn *fn = f->fn;
    frame outer = {.fn = f, .prefix = "", .scope = el_scope_new(e, NULL)};
    e->func = ir_func_new(e->m, arena_strdup(e->m->arena, fn->name.text), IR_LEVEL_TENSOR);
    e->func->doc = f->doc ? arena_strdup(e->m->arena, f->doc) : NULL;
    e->func->span = fn->name.span;
    e->func->arg_syms = arena_array(e->m->arena, sym_t, fn->params.len + 1);
    e->b = ir_builder_at_end(e->m, e->func->body);
    arg *args = arena_array(e->a, arg, fn->params.len + 1);
    /* The signature is elaborated once to make the inputs, and again as a call that binds its names to them. */
    e->frame = &outer;
    e->scope = outer.scope;
    bool ok = inputs(e, fn, args);
    el_scope_new(e, NULL);
    val r = ok ? el_call_fn(e, f, args, fn->params.len, "", (ir_span){0}) : v_error();
    e->b.span = fn->name.span;
    ok = r.kind != V_ERROR && results(e, fn, r);
    e->frame = NULL;
    return ok;
}
