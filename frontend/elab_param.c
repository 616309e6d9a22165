/* param and state: paths, types and first values. */
#include "elab_internal.h"
#include <string.h>

val el_convert_to(elab *e, val v, frit_dtype t, const char *what, ir_span at) {
    v = el_tensor(e, v, t, at);
    if (v.kind != V_TENSOR || el_dtype(v) == t)
        return v;
    diag_record *r = diag_report(e->d, MSG_DTYPE_MISMATCH, el_at(e, at), what, frit_dtype_name(el_dtype(v)), frit_dtype_name(t));
    diag_suggest(e->d, r, "cast it: %s(...)", frit_dtype_name(t));
    return el_fail(e, r);
}

static const char *full_path(elab *e, const ast_decl *d) {
    const char *own = d->from ? el_eval_string(e, d->from) : d->name.text;
    return own ? arena_printf(e->m->arena, "%s%s", e->frame->prefix, own) : NULL;
}

/* The path that -D may name a dim by: the prefix without its last dot. */
static const char *dim_prefix(elab *e) {
    size_t n = strlen(e->frame->prefix);
    return arena_strndup(e->a, e->frame->prefix, n ? n - 1 : 0);
}

static bool weight_type(elab *e, const char *path, frit_dtype *t, int *rank, sym_t *dims) {
    int64_t d[IR_MAX_RANK];
    if (!e->o->weight_type || !e->o->weight_type(e->o->weight_user, path, t, rank, d))
        return false;
    for (int i = 0; i < *rank; i++)
        dims[i] = sym_const(e->s, d[i]);
    return true;
}

static bool match(elab *e, const ast_decl *d, const char *path, int rank, const sym_t *dims) {
    equations eqs = {0};
    place_of w = {arena_printf(e->a, "'%s'", path), d->span, d->span};
    return el_match_dims(e, &d->type->dims, rank, dims, w, &eqs) && el_solve(e, &eqs);
}

static bool weight_dtype(elab *e, const ast_decl *d, const char *path, frit_dtype file, frit_dtype declared) {
    if (file == declared)
        return true;
    diag_record *r = diag_report(e->d, MSG_WEIGHT_DTYPE, el_at(e, d->span), path, frit_dtype_name(file), frit_dtype_name(declared));
    diag_suggest(e->d, r, "declare it %s[...] and cast where it is used", frit_dtype_name(file));
    el_fail(e, r);
    return false;
}

static bool conflict(elab *e, const ast_decl *d, const ir_global *g) {
    diag_record *r = diag_report(e->d, MSG_PARAM_CONFLICT, el_at(e, d->span), g->path, ir_type_print(e->a, g->type));
    diag_note(e->d, r, g->span, "first declared here");
    el_fail(e, r);
    return false;
}

/* Finds or makes the global of a declaration, binding the dims that its type introduces. */
static ir_global *global_of(elab *e, const ast_decl *d, bool is_state) {
    if (!e->func || e->in_init) {
        diag_message m = e->in_init ? MSG_STATE_INIT : MSG_PARAM_IN_CONST;
        el_fail(e, diag_report(e->d, m, el_at(e, d->span), d->name.text));
        return NULL;
    }
    const char *path = full_path(e, d);
    frit_dtype file_t = FRIT_DTYPE_COUNT;
    int rank = 0;
    sym_t dims[IR_MAX_RANK];
    if (!path)
        return NULL;
    if (!d->type->shaped) {
        el_fail(e, diag_report(e->d, MSG_TYPE_NEEDS_DIMS, el_at(e, d->type->span), d->type->name.text));
        return NULL;
    }
    ir_global *g = ir_global_find(e->m, path);
    bool in_file = !g && !is_state && weight_type(e, path, &file_t, &rank, dims);
    frit_dtype t = el_type_dtype(e, d->type, g ? (frit_dtype)g->type.dtype : file_t, d->span);
    if (t == FRIT_DTYPE_COUNT) {
        if (diag_errors(e->d) == 0)
            el_fail(e, diag_report(e->d, MSG_UNKNOWN_DTYPE, el_at(e, d->type->span), d->type->name.text));
        return NULL;
    }
    if (g && ((frit_dtype)g->type.dtype != t || g->is_state != is_state)) {
        conflict(e, d, g);
        return NULL;
    }
    if (g)
        return match(e, d, path, g->type.rank, g->type.dims) ? g : NULL;
    if (in_file && (!weight_dtype(e, d, path, file_t, t) || !match(e, d, path, rank, dims)))
        return NULL;
    if (!el_type_dims(e, &d->type->dims, &rank, dims, true, dim_prefix(e)))
        return NULL;
    g = ir_global_add(e->m, path, ir_tensor(e->m, t, rank, dims), is_state, d->span);
    if (!is_state)
        vec_push(e->a, &e->param_values, NULL);
    return g;
}

/* The op that stands for a param, at the front of the func so that every block sees it. */
static ir_value *param_value(elab *e, ir_global *g, ir_span span) {
    ir_value **made = &e->param_values.data[g->number];
    if (*made)
        return *made;
    ir_builder b = e->last_param ? ir_builder_after(e->m, e->last_param) : ir_builder_at_end(e->m, e->func->body);
    if (!e->last_param)
        b.before = e->func->body->first;
    b.span = span;
    ir_op *op = ir_build(&b, IR_param, 0, NULL, 1, &g->type);
    ir_set_string(e->m, op, IR_ATTR_path, g->path);
    e->last_param = op;
    return *made = ir_result(op, 0);
}

/* A param or state with the name of a parameter of the function would hide what the caller gives. */
static bool hides_parameter(elab *e, const ast_decl *d) {
    const ast_decls *params = &e->frame->fn->fn->params;
    for (int i = 0; i < params->len; i++)
        if (!strcmp(params->data[i].name.text, d->name.text)) {
            diag_record *r = diag_report(e->d, MSG_DECLARED_TWICE, el_at(e, d->name.span), d->name.text);
            diag_note(e->d, r, params->data[i].name.span, "first declared here");
            diag_suggest(e->d, r, "another name can read the same path: param p: ... from \"%s\"", d->name.text);
            el_fail(e, r);
            return true;
        }
    return false;
}

bool el_params(elab *e, const ast_stmt *s) {
    for (int i = 0; i < s->decls.len; i++) {
        const ast_decl *d = &s->decls.data[i];
        ir_global *g = hides_parameter(e, d) ? NULL : global_of(e, d, false);
        if (!g)
            return false;
        ir_value *v = param_value(e, g, d->span);
        if (!v->name)
            v->name = arena_strdup(e->m->arena, d->name.text);
        el_bind(e, e->scope, d->name.text, v_tensor(v), d->span);
    }
    return true;
}

/* ---- State --------------------------------------------------------------------------------------------------------- */

static bool foreign(const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next)
        for (int i = 0; i < op->n_operands; i++) {
            const ir_value *v = op->operands[i].value;
            if ((v->op ? v->op->parent : v->block) != b)
                return true;
        }
    return false;
}

/* A state's first value is a func of no arguments; it may use dims, not what a run computes. */
static bool init_func(elab *e, const ast_decl *d, ir_global *g) {
    ir_builder outside = e->b;
    ir_func *f = ir_func_new(e->m, arena_printf(e->m->arena, "init.%s", g->path), IR_LEVEL_TENSOR);
    f->span = d->span;
    e->b = ir_builder_at_end(e->m, f->body);
    e->b.span = el_at(e, d->span);
    bool outer = e->in_init;
    e->in_init = true;
    val v = el_eval(e, d->value);
    if (v.kind != V_ERROR)
        v = el_convert_to(e, v, (frit_dtype)g->type.dtype, d->name.text, d->value->span);
    if (v.kind == V_TENSOR)
        v = el_broadcast_to(e, v, g->type.rank, g->type.dims, d->value->span);
    bool ok = v.kind == V_TENSOR;
    if (ok && v.n_axes == 0) {
        ir_build(&e->b, IR_return, 1, &v.t, 0, NULL);
        f->n_results = 1;
    }
    e->in_init = outer;
    e->b = outside;
    if (ok && (v.n_axes || foreign(f->body))) {
        el_fail(e, diag_report(e->d, MSG_STATE_INIT, el_at(e, d->value->span), d->name.text));
        return false;
    }
    g->init = f;
    return ok;
}

bool el_states(elab *e, const ast_stmt *s) {
    for (int i = 0; i < s->decls.len; i++) {
        const ast_decl *d = &s->decls.data[i];
        ir_global *g = hides_parameter(e, d) ? NULL : global_of(e, d, true);
        if (!g)
            return false;
        if (!g->init && !init_func(e, d, g))
            return false;
        binding *b = el_bind(e, e->scope, d->name.text, v_none(), d->span);
        b->kind = B_STATE;
        b->state = g;
    }
    return true;
}

val el_state_read(elab *e, binding *b) {
    ir_op *op = ir_build(&e->b, IR_state_read, 0, NULL, 1, &b->state->type);
    ir_set_string(e->m, op, IR_ATTR_path, b->state->path);
    ir_result(op, 0)->name = b->name;
    return v_tensor(ir_result(op, 0));
}

void el_state_write(elab *e, binding *b, val v) {
    if (v.n_axes) {
        el_fail(e, diag_report(e->d, MSG_STATE_IN_INDEX, el_at(e, e->b.span), b->name));
        return;
    }
    ir_op *op = ir_build(&e->b, IR_state_write, 1, &v.t, 0, NULL);
    ir_set_string(e->m, op, IR_ATTR_path, b->state->path);
}

/* state = e: the whole value. */
bool el_assigned_value(elab *e, binding *b, val v, ir_span at) {
    v = el_convert_to(e, v, (frit_dtype)b->state->type.dtype, b->name, at);
    if (v.kind != V_TENSOR)
        return false;
    if (el_rank(v) == b->state->type.rank) {
        for (int i = 0; i < el_rank(v); i++)
            if (!sym_is(el_dims(v)[i], 1) && !el_dims_equal(e, b->state->type.dims[i], el_dims(v)[i], at, "the state keeps its shape")) {
                el_fail(e, diag_report(e->d, MSG_BROADCAST, el_at(e, at), el_shape_text(e, v),
                                       el_dims_text(e, b->state->type.dims, b->state->type.rank)));
                return false;
            }
    }
    v = el_broadcast_to(e, v, b->state->type.rank, b->state->type.dims, at);
    if (v.kind != V_TENSOR)
        return false;
    el_state_write(e, b, v);
    return true;
}
