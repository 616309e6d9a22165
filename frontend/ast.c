/* The tree: operands; building it: measured nodes, operator chains, doc comments. */
#include "parse.h"
#include <string.h>

const char *ast_op_text(ast_op op) {
    static const char *const texts[] = {
        [AST_OR] = "or",      [AST_AND] = "and",     [AST_EQ] = "==",       [AST_NE] = "!=",      [AST_LT] = "<",
        [AST_LE] = "<=",      [AST_GT] = ">",        [AST_GE] = ">=",       [AST_BITOR] = "|",    [AST_BITXOR] = "^",
        [AST_BITAND] = "&",   [AST_SHL] = "<<",      [AST_SHR] = ">>",      [AST_ADD] = "+",      [AST_SUB] = "-",
        [AST_MUL] = "*",      [AST_DIV] = "/",       [AST_FLOORDIV] = "//", [AST_MOD] = "%",      [AST_MATMUL] = "@",
        [AST_POW] = "**",     [AST_COALESCE] = "?\?", [AST_NOT] = "not",    [AST_NEG] = "-",      [AST_INVERT] = "~"};
    return texts[op];
}

void ast_each_operand(const ast_expr *x, void (*visit)(void *, const ast_expr *), void *u) {
    switch (x->kind) {
    case AST_LIST:
        for (int i = 0; i < x->items.len; i++)
            visit(u, x->items.data[i]);
        return;
    case AST_UNARY: visit(u, x->unary.operand); return;
    case AST_CHAIN:
        visit(u, x->chain.first);
        for (int i = 0; i < x->chain.links.len; i++)
            visit(u, x->chain.links.data[i].rhs);
        return;
    case AST_SELECT:
        visit(u, x->select.cond);
        visit(u, x->select.then);
        visit(u, x->select.otherwise);
        return;
    case AST_CALL:
        for (int i = 0; i < x->call.args.len; i++)
            visit(u, x->call.args.data[i].value);
        return;
    default: return;
    }
}

ast_expr *ast_new_expr(parser *p, ast_expr_kind kind, ir_span span) {
    ast_expr *e = arena_new_of(p->memory, ast_expr);
    e->kind = kind;
    e->span = span;
    e->depth = 1;
    return e;
}

static int deeper(int depth, const ast_expr *child) {
    return child && child->depth > depth ? child->depth : depth;
}

static int subs_depth(int depth, const ast_subs *subs) {
    for (int i = 0; i < subs->len; i++) {
        const ast_sub *s = &subs->data[i];
        depth = deeper(deeper(deeper(depth, s->value), s->hi), s->step);
    }
    return depth;
}

/* The depth of the deepest child. */
static int child_depth(const ast_expr *e) {
    int depth = 0;
    switch (e->kind) {
    case AST_STRING:
        for (int i = 0; i < e->pieces.len; i++)
            depth = deeper(depth, e->pieces.data[i].expr);
        return depth;
    case AST_LIST:
        for (int i = 0; i < e->items.len; i++)
            depth = deeper(depth, e->items.data[i]);
        return depth;
    case AST_SELECT:
        return deeper(deeper(deeper(0, e->select.cond), e->select.then), e->select.otherwise);
    case AST_CALL:
        for (int i = 0; i < e->call.args.len; i++)
            depth = deeper(depth, e->call.args.data[i].value);
        return deeper(deeper(depth, e->call.callee), e->call.from);
    case AST_INDEX:
        return subs_depth(deeper(0, e->index.base), &e->index.subs);
    case AST_ATTR:
        return e->attr.base->depth;
    default:
        return 0;
    }
}

static ast_expr *set_depth(parser *p, ast_expr *e, int depth) {
    if (depth <= AST_MAX_DEPTH) {
        e->depth = (uint16_t)depth;
        return e;
    }
    if (!p->too_deep)
        diag_report(p->d, MSG_EXPRESSION_TOO_DEEP, e->span);
    p->too_deep = true;
    return ast_new_expr(p, AST_ERROR, e->span);
}

ast_expr *ast_measure(parser *p, ast_expr *e) {
    return set_depth(p, e, 1 + child_depth(e));
}

/* Operators of one level that associate to the left share a level; the others stand alone. */
static int chain_level(ast_op op) {
    switch (op) {
    case AST_OR: return 1;
    case AST_AND: return 2;
    case AST_BITOR: return 3;
    case AST_BITXOR: return 4;
    case AST_BITAND: return 5;
    case AST_SHL: case AST_SHR: return 6;
    case AST_ADD: case AST_SUB: return 7;
    case AST_MUL: case AST_DIV: case AST_FLOORDIV: case AST_MOD: case AST_MATMUL: return 8;
    case AST_COALESCE: return 9;
    default: return 0;
    }
}

static bool extends_chain(const ast_expr *lhs, ast_op op) {
    return lhs->kind == AST_CHAIN && !lhs->parens && chain_level(op) &&
           chain_level(lhs->chain.links.data[0].op) == chain_level(op);
}

ast_expr *ast_binary(parser *p, ir_span span, ast_expr *lhs, ast_op op, ir_span op_span, ast_expr *rhs) {
    ast_link link = {op, op_span, rhs};
    ast_expr *e = lhs;
    if (!extends_chain(lhs, op)) {
        e = ast_new_expr(p, AST_CHAIN, span);
        e->chain.first = lhs;
        e->depth = (uint16_t)(lhs->depth + 1);
    }
    e->span = span;
    vec_push(p->memory, &e->chain.links, link);
    return set_depth(p, e, deeper(e->depth - 1, rhs) + 1);
}

ast_expr *ast_unary(parser *p, ir_span span, ast_op op, ast_expr *operand) {
    ast_expr *e = ast_new_expr(p, AST_UNARY, span);
    e->unary.op = op;
    e->unary.operand = operand;
    return set_depth(p, e, operand->depth + 1);
}

/* One blank after ## belongs to the mark. */
static char *join_docs(parser *p, const ast_comment *c, int n) {
    size_t size = 0;
    for (int i = 0; i < n; i++)
        size += c[i].span.end - c[i].span.begin;
    char *text = arena_alloc(p->memory, size + 1), *to = text;
    for (int i = 0; i < n; i++) {
        uint32_t begin = c[i].span.begin + 2;
        begin += begin < c[i].span.end && p->text[begin] == ' ';
        memcpy(to, p->text + begin, c[i].span.end - begin);
        to += c[i].span.end - begin;
        *to++ = '\n';
    }
    to[-1] = 0;
    return text;
}

/* Between two places of the text, are there blanks and at most one line end? */
static bool adjacent(const parser *p, uint32_t from, uint32_t to) {
    int lines = 0;
    for (uint32_t i = from; i < to; i++) {
        if (!strchr(" \t\r\n", p->text[i]))
            return false;
        lines += p->text[i] == '\n';
    }
    return lines == 1;
}

void ast_attach_docs(parser *p) {
    const ast_comments *all = &p->file->comments;
    int next = 0;
    for (int i = 0; i < p->file->items.len; i++) {
        ast_item *item = p->file->items.data[i];
        while (next < all->len && all->data[next].span.begin < item->span.begin)
            next++;
        uint32_t below = item->span.begin;
        int first = next;
        while (first > 0 && all->data[first - 1].doc && adjacent(p, all->data[first - 1].span.end, below))
            below = all->data[--first].span.begin;
        if (first < next)
            item->doc = join_docs(p, &all->data[first], next - first);
    }
}
