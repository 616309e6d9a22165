/* Files and their top-level names, and the way from a file to a module. */
#include "elab_internal.h"
#include <string.h>

static file_env *known_file(elab *e, const ast_file *ast) {
    for (file_env *f = e->files; f; f = f->next)
        if (f->ast == ast)
            return f;
    return NULL;
}

static void define(elab *e, file_env *f, const ast_name *n, val v) {
    binding *old = el_find(f->top, n->text);
    if (old) {
        diag_record *r = diag_report(e->d, MSG_REDEFINED, n->span, n->text);
        diag_note(e->d, r, old->span, "first defined here");
        return;
    }
    el_bind(e, f->top, n->text, v, n->span);
}

typedef struct seen {
    const ast_name **names;
    int n;
} seen;

static void seen_once(elab *e, seen *s, const ast_name *name) {
    for (int i = 0; name->text && i < s->n; i++)
        if (!strcmp(s->names[i]->text, name->text)) {
            diag_record *r = diag_report(e->d, MSG_DECLARED_TWICE, name->span, name->text);
            diag_note(e->d, r, s->names[i]->span, "first declared here");
            return;
        }
    if (name->text)
        s->names[s->n++] = name;
}

/* Parameters of both kinds share one set of names, results have another. */
static void check_names(elab *e, const ast_fn *fn) {
    seen in = {arena_array(e->a, const ast_name *, fn->statics.len + fn->params.len + 1), 0};
    seen out = {arena_array(e->a, const ast_name *, fn->results.len + 1), 0};
    for (int i = 0; i < fn->statics.len; i++)
        seen_once(e, &in, &fn->statics.data[i].name);
    for (int i = 0; i < fn->params.len; i++)
        seen_once(e, &in, &fn->params.data[i].name);
    for (int i = 0; i < fn->results.len; i++)
        seen_once(e, &out, &fn->results.data[i].name);
}

static void add_fn(elab *e, file_env *f, const ast_item *item) {
    check_names(e, &item->fn);
    fn_ref *r = arena_new_of(e->a, fn_ref);
    *r = (fn_ref){&item->fn, f, item->kind == AST_MODEL, item->doc};
    define(e, f, &item->fn.name, (val){.kind = V_FN, .fn = r});
}

static file_env *el_file(elab *e, const ast_file *ast, bool prelude, bool root);

static void add_import(elab *e, file_env *f, const ast_item *item) {
    const char *name = item->import.module.text;
    int errors = diag_errors(e->d);
    const ast_file *ast = e->loader && e->loader->load ? e->loader->load(e->loader->user, f->ast->source, name) : NULL;
    if (!ast) {
        if (diag_errors(e->d) == errors)
            diag_report(e->d, MSG_IMPORT_FAILED, item->import.module.span, name);
        define(e, f, &item->import.alias, v_error());
        return;
    }
    file_env *m = known_file(e, ast);
    if (m && m->busy) {
        diag_report(e->d, MSG_IMPORT_CYCLE, item->import.module.span, name);
        return;
    }
    if (!m)
        m = el_file(e, ast, false, false);
    define(e, f, &item->import.alias, (val){.kind = V_MODULE, .module = m});
}

/* Consts are evaluated with the names above them in the same file. */
static void add_consts(elab *e, file_env *f, const ast_item *item) {
    fn_ref here = {.file = f};
    frame fr = {.fn = &here, .prefix = "", .scope = el_scope_new(e, NULL)};
    scope *outer = e->scope;
    for (int i = 0; i < item->consts.len; i++) {
        const ast_binding *c = &item->consts.data[i];
        val v;
        e->frame = &fr;
        e->scope = fr.scope;
        if (!f->is_root || !el_define(e, c->name.text, &v))
            v = el_eval(e, c->value);
        if (v.kind == V_TENSOR || v.kind == V_COND || v.kind == V_FN || v.kind == V_BUILTIN || v.kind == V_MODULE)
            v = el_fail(e, diag_report(e->d, MSG_NOT_STATIC, c->value->span, "a const"));
        e->frame = NULL;
        e->scope = outer;
        define(e, f, &c->name, v);
    }
}

static file_env *el_file(elab *e, const ast_file *ast, bool prelude, bool root) {
    file_env *f = arena_new_of(e->a, file_env);
    *f = (file_env){.ast = ast, .top = el_scope_new(e, NULL), .is_prelude = prelude, .is_root = root, .busy = true, .next = e->files};
    e->files = f;
    frame *outer = e->frame;
    scope *outer_scope = e->scope;
    for (int i = 0; i < ast->items.len; i++)
        if (ast->items.data[i]->kind == AST_IMPORT)
            add_import(e, f, ast->items.data[i]);
    for (int i = 0; i < ast->items.len; i++) {
        const ast_item *item = ast->items.data[i];
        if (item->kind == AST_FN || item->kind == AST_MODEL)
            add_fn(e, f, item);
        else if (item->kind == AST_CONST)
            add_consts(e, f, item);
    }
    e->frame = outer;
    e->scope = outer_scope;
    f->busy = false;
    return f;
}

static void load_prelude(elab *e) {
    for (int i = 0; i < prelude_count; i++) {
        uint32_t source = diag_add_source(e->d, prelude_files[i].name, prelude_files[i].text, strlen(prelude_files[i].text));
        file_env *f = el_file(e, ast_parse(e->a, e->d, source), true, false);
        vec_push(e->a, &e->preludes, f);
    }
}

static const fn_ref *entry_model(elab *e) {
    const char *want = e->o->entry;
    const fn_ref *last = NULL;
    const char **names = arena_array(e->a, const char *, e->root->top->list.len + 1);
    int n = 0;
    for (int i = 0; i < e->root->top->list.len; i++) {
        const binding *b = e->root->top->list.data[i];
        if (b->v.kind != V_FN || !b->v.fn->is_model)
            continue;
        names[n++] = b->name;
        last = b->v.fn;
        if (want && !strcmp(b->name, want))
            return last;
    }
    if (last && !want)
        return last;
    if (!want) {
        diag_report(e->d, MSG_NO_MODEL, (ir_span){e->root->ast->source, 0, 0});
        return NULL;
    }
    diag_record *r = diag_report(e->d, MSG_UNKNOWN_MODEL, (ir_span){e->root->ast->source, 0, 0}, want);
    const char *near = diag_nearest(want, names, n);
    if (near)
        diag_suggest(e->d, r, "did you mean '%s'?", near);
    return NULL;
}

static void unused_defines(elab *e) {
    for (int i = 0; i < e->o->n_defines; i++)
        if (!e->define_used[i])
            diag_report(e->d, MSG_UNUSED_DEFINE, (ir_span){0}, e->o->defines[i].name);
}

ir_module *elaborate(arena *a, diag *d, const ast_file *root, const elab_loader *loader, const elab_options *options) {
    char here;
    elab_options none = {0};
    int errors = diag_errors(d);
    elab *e = arena_new_of(a, elab);
    *e = (elab){.a = a, .d = d, .o = options ? options : &none, .loader = loader, .stack_base = &here};
    e->define_used = arena_array(a, bool, e->o->n_defines + 1);
    e->m = ir_module_new();
    e->s = e->m->syms;
    e->b = ir_builder_at_end(e->m, ir_block_new(e->m)); /* a const whose value is not one gets no further than here */
    load_prelude(e);
    e->root = el_file(e, root, false, true);
    const fn_ref *f = diag_errors(d) == errors ? entry_model(e) : NULL;
    if (f && el_model(e, f) && diag_errors(d) == errors) {
        unused_defines(e);
        return e->m;
    }
    ir_module_free(e->m);
    return NULL;
}
