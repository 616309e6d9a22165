/* The tree as nested lists: ast_dump. Recursion is bounded by AST_MAX_DEPTH and AST_MAX_NEST (ast.h). */
#include "ast.h"
#include <stdio.h>
#include <stdlib.h>

static void dump_expr(FILE *f, const ast_expr *e);
static void dump_block(FILE *f, const ast_block *b);

static void dump_text(FILE *f, const char *s) {
    fputc('"', f);
    for (; *s; s++)
        fprintf(f, *s == '"' || *s == '\\' ? "\\%c" : *s == '\n' ? "\\n" : "%c", *s);
    fputc('"', f);
}

static void dump_optional(FILE *f, const ast_expr *e) {
    fputc(' ', f);
    if (e)
        dump_expr(f, e);
    else
        fputc('_', f);
}

static void dump_exprs(FILE *f, const ast_exprs *list) {
    for (int i = 0; i < list->len; i++)
        dump_optional(f, list->data[i]);
}

static void dump_subs(FILE *f, const ast_subs *subs) {
    static const char *const heads[] = {"", "slice", "...", "in"};
    for (int i = 0; i < subs->len; i++) {
        const ast_sub *s = &subs->data[i];
        if (s->kind == AST_SUB_EXPR) {
            dump_optional(f, s->value);
            continue;
        }
        fprintf(f, " (%s%s%s", heads[s->kind], s->name.text ? " " : "", s->name.text ? s->name.text : "");
        if (s->kind != AST_SUB_REST) {
            dump_optional(f, s->value);
            dump_optional(f, s->hi);
            dump_optional(f, s->step);
        }
        fputc(')', f);
    }
}

static void dump_pieces(FILE *f, const ast_pieces *pieces) {
    fputs("(string", f);
    for (int i = 0; i < pieces->len; i++) {
        fputc(' ', f);
        if (pieces->data[i].expr)
            dump_expr(f, pieces->data[i].expr);
        else
            dump_text(f, pieces->data[i].text);
    }
    fputc(')', f);
}

static void dump_chain(FILE *f, const ast_expr *e) {
    fputs("(chain ", f);
    dump_expr(f, e->chain.first);
    for (int i = 0; i < e->chain.links.len; i++) {
        fprintf(f, " %s", ast_op_text(e->chain.links.data[i].op));
        dump_optional(f, e->chain.links.data[i].rhs);
    }
    fputc(')', f);
}

static void dump_call(FILE *f, const ast_expr *e) {
    fputs("(call", f);
    dump_optional(f, e->call.callee);
    for (int i = 0; i < e->call.args.len; i++) {
        const ast_arg *a = &e->call.args.data[i];
        if (a->name.text)
            fprintf(f, " %s=", a->name.text);
        dump_optional(f, a->value);
    }
    if (e->call.from) {
        fputs(" from", f);
        dump_optional(f, e->call.from);
    }
    fputc(')', f);
}

static void dump_expr(FILE *f, const ast_expr *e) {
    switch (e->kind) {
    case AST_ERROR: fputs("(error)", f); break;
    case AST_INT: fprintf(f, "%llu", (unsigned long long)e->integer); break;
    case AST_FLOAT: fprintf(f, "%a", e->number); break;
    case AST_BOOL: fputs(e->boolean ? "true" : "false", f); break;
    case AST_NONE: fputs("none", f); break;
    case AST_STRING: dump_pieces(f, &e->pieces); break;
    case AST_NAME: fputs(e->name.text, f); break;
    case AST_LIST:
        fputs("(list", f);
        dump_exprs(f, &e->items);
        fputc(')', f);
        break;
    case AST_UNARY:
        fprintf(f, "(%s", ast_op_text(e->unary.op));
        dump_optional(f, e->unary.operand);
        fputc(')', f);
        break;
    case AST_CHAIN: dump_chain(f, e); break;
    case AST_SELECT:
        fputs("(select", f);
        dump_optional(f, e->select.cond);
        dump_optional(f, e->select.then);
        dump_optional(f, e->select.otherwise);
        fputc(')', f);
        break;
    case AST_CALL: dump_call(f, e); break;
    case AST_INDEX:
        fputs("(index", f);
        dump_optional(f, e->index.base);
        dump_subs(f, &e->index.subs);
        fputc(')', f);
        break;
    case AST_ATTR:
        fputs("(attr", f);
        dump_optional(f, e->attr.base);
        fprintf(f, " %s)", e->attr.name.text);
        break;
    }
}

static void dump_type(FILE *f, const ast_type *t) {
    fprintf(f, "(type %s%s%s", t->name.text, t->optional ? "?" : "", t->shaped ? " [" : "");
    dump_subs(f, &t->dims);
    fputs(t->shaped ? "])" : ")", f);
}

static void dump_decls(FILE *f, const char *head, const ast_decls *list) {
    fprintf(f, " (%s", head);
    for (int i = 0; i < list->len; i++) {
        const ast_decl *d = &list->data[i];
        fprintf(f, " (%s ", d->name.text ? d->name.text : "_");
        dump_type(f, d->type);
        dump_optional(f, d->value);
        dump_optional(f, d->from);
        fputc(')', f);
    }
    fputc(')', f);
}

static void dump_bindings(FILE *f, const ast_bindings *list) {
    fputs("(const", f);
    for (int i = 0; i < list->len; i++) {
        fprintf(f, " (%s", list->data[i].name.text);
        dump_optional(f, list->data[i].value);
        fputc(')', f);
    }
    fputc(')', f);
}

static void dump_assign(FILE *f, const ast_stmt *s) {
    fputs(s->assign.add ? "(add" : "(assign", f);
    for (int i = 0; i < s->assign.targets.len; i++) {
        const ast_target *t = &s->assign.targets.data[i];
        fprintf(f, " (%s%s", t->name.text, t->indexed ? " [" : "");
        dump_subs(f, &t->subs);
        fputs(t->indexed ? "])" : ")", f);
    }
    if (s->assign.type) {
        fputc(' ', f);
        dump_type(f, s->assign.type);
    }
    dump_optional(f, s->assign.value);
    fputc(')', f);
}

static void dump_branch(FILE *f, const ast_stmt *s) {
    fputs("(if", f);
    for (int i = 0; i < s->branch.arms.len; i++) {
        dump_optional(f, s->branch.arms.data[i].cond);
        dump_block(f, &s->branch.arms.data[i].block);
    }
    if (s->branch.has_else)
        dump_block(f, &s->branch.otherwise);
    fputc(')', f);
}

static void dump_list_stmt(FILE *f, const char *head, const ast_exprs *values) {
    fprintf(f, "(%s", head);
    dump_exprs(f, values);
    fputc(')', f);
}

static void dump_stmt(FILE *f, const ast_stmt *s) {
    switch (s->kind) {
    case AST_ASSIGN: dump_assign(f, s); break;
    case AST_PARAM: dump_decls(f, "param", &s->decls); break;
    case AST_STATE: dump_decls(f, "state", &s->decls); break;
    case AST_LOCAL_CONST: dump_bindings(f, &s->consts); break;
    case AST_RETURN: dump_list_stmt(f, "return", &s->values); break;
    case AST_ASSERT:
        fputs("(assert", f);
        dump_optional(f, s->assertion.cond);
        dump_optional(f, s->assertion.text);
        fputc(')', f);
        break;
    case AST_IF: dump_branch(f, s); break;
    case AST_FOR: case AST_LOOP:
        fprintf(f, s->kind == AST_FOR ? "(for %s" : "(loop %s", s->loop.name.text);
        dump_optional(f, s->loop.lo);
        dump_optional(f, s->loop.hi);
        dump_block(f, &s->loop.body);
        fputc(')', f);
        break;
    case AST_WHILE:
        fputs("(while", f);
        dump_optional(f, s->repeat.cond);
        dump_block(f, &s->repeat.body);
        fputc(')', f);
        break;
    }
}

static void dump_block(FILE *f, const ast_block *b) {
    fputs(" {", f);
    for (int i = 0; i < b->stmts.len; i++) {
        fputc(' ', f);
        dump_stmt(f, b->stmts.data[i]);
    }
    fputs(" }", f);
}

static void dump_statics(FILE *f, const ast_statics *list) {
    fputs(" (static", f);
    for (int i = 0; i < list->len; i++) {
        const ast_static *s = &list->data[i];
        fprintf(f, " (%s %s", s->name.text, s->kind.text ? s->kind.text : "_");
        dump_optional(f, s->value);
        fputc(')', f);
    }
    fputc(')', f);
}

static void dump_fn(FILE *f, const char *head, const ast_fn *fn) {
    fprintf(f, "(%s %s", head, fn->name.text);
    dump_statics(f, &fn->statics);
    dump_decls(f, "params", &fn->params);
    dump_decls(f, fn->results_named ? "results" : "result", &fn->results);
    fputs(" (where", f);
    dump_exprs(f, &fn->where);
    fputc(')', f);
    dump_block(f, &fn->body);
    fputc(')', f);
}

static void dump_item(FILE *f, const ast_item *item) {
    if (item->doc) {
        fputs("(doc ", f);
        dump_text(f, item->doc);
        fputs(") ", f);
    }
    switch (item->kind) {
    case AST_IMPORT: fprintf(f, "(import %s %s)", item->import.module.text, item->import.alias.text); break;
    case AST_CONST: dump_bindings(f, &item->consts); break;
    case AST_FN: dump_fn(f, "fn", &item->fn); break;
    case AST_MODEL: dump_fn(f, "model", &item->fn); break;
    }
}

char *ast_dump(arena *a, const ast_file *file) {
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return arena_strdup(a, "");
    for (int i = 0; i < file->items.len; i++) {
        if (i)
            fputc(' ', f);
        dump_item(f, file->items.data[i]);
    }
    fclose(f);
    char *copy = arena_strndup(a, text, size);
    free(text);
    return copy;
}
