/* Expressions. */
#include "elab_internal.h"
#include <string.h>

static val expected(elab *e, const char *what, val got, ir_span at) {
    if (got.kind == V_ERROR)
        return got;
    if (got.kind == V_NONE)
        return el_fail(e, diag_report(e->d, MSG_ABSENT, el_at(e, at)));
    return el_fail(e, diag_report(e->d, MSG_EXPECTED_VALUE, el_at(e, at), what, el_describe(e, got)));
}

/* ---- Operators ----------------------------------------------------------------------------------------------------- */

static val true_division(elab *e, val x, val y, ir_span at) {
    frit_dtype t = el_common_dtype(e, (val[]){x, y}, 2, "/", at);
    if (t == FRIT_DTYPE_COUNT)
        return v_error();
    if (frit_dtype_is_float(t))
        return el_binary(e, IR_div, x, y, at);
    if (t == FRIT_bool)
        return el_fail(e, diag_report(e->d, MSG_OPERAND_KIND, el_at(e, at), "/", "number", "bool"));
    bool weak = (x.kind != V_TENSOR || x.weak) && (y.kind != V_TENSOR || y.weak);
    val r = el_binary(e, IR_div, el_cast(e, x, FRIT_f32, at), el_cast(e, y, FRIT_f32, at), at);
    r.weak = r.kind == V_TENSOR && weak ? WEAK_NUM : STRONG;
    return r;
}

static val power(elab *e, val x, val y, ir_span at) {
    int64_t n;
    double p = y.kind == V_NUM ? y.num : el_const_int(y, &n) ? (double)n : 0;
    if (p == 1 && x.kind == V_TENSOR)
        return x;
    if (p == 2 && x.kind == V_TENSOR)
        return el_binary(e, IR_mul, x, x, at);
    if (p == 0.5 && x.kind == V_TENSOR && frit_dtype_is_float(el_dtype(x)))
        return el_unary(e, IR_sqrt, x, at);
    return el_binary(e, IR_pow, x, y, at);
}

static val tensor_op(elab *e, ast_op op, val x, val y, ir_span at) {
    switch (op) {
    case AST_ADD: return el_binary(e, IR_add, x, y, at);
    case AST_SUB: return el_binary(e, IR_sub, x, y, at);
    case AST_MUL: return el_binary(e, IR_mul, x, y, at);
    case AST_DIV: return true_division(e, x, y, at);
    case AST_FLOORDIV: return el_binary(e, IR_floordiv, x, y, at);
    case AST_MOD: return el_binary(e, IR_mod, x, y, at);
    case AST_MATMUL: return el_matmul(e, el_tensor(e, x, FRIT_DTYPE_COUNT, at), el_tensor(e, y, FRIT_DTYPE_COUNT, at),
                                      FRIT_DTYPE_COUNT, at);
    case AST_POW: return power(e, x, y, at);
    case AST_EQ: return el_binary(e, IR_eq, x, y, at);
    case AST_NE: return el_binary(e, IR_ne, x, y, at);
    case AST_LT: return el_binary(e, IR_lt, x, y, at);
    case AST_LE: return el_binary(e, IR_le, x, y, at);
    case AST_GT: return el_binary(e, IR_lt, y, x, at);
    case AST_GE: return el_binary(e, IR_le, y, x, at);
    case AST_BITOR: return el_binary(e, IR_or, x, y, at);
    case AST_BITXOR: return el_binary(e, IR_xor, x, y, at);
    case AST_BITAND: return el_binary(e, IR_and, x, y, at);
    case AST_SHL: return el_binary(e, IR_shl, x, y, at);
    case AST_SHR: return el_binary(e, IR_shr, x, y, at);
    default: return v_error();
    }
}

/* Strings, dtypes and none compare on the host. */
static bool compare_words(ast_op op, val x, val y, val *out) {
    bool equal = x.kind == y.kind;
    if (op != AST_EQ && op != AST_NE)
        return false;
    if (x.kind == V_STR && y.kind == V_STR)
        equal = !strcmp(x.s, y.s);
    else if (x.kind == V_DTYPE && y.kind == V_DTYPE)
        equal = x.dtype == y.dtype;
    else if (x.kind != V_NONE && y.kind != V_NONE && x.kind != V_STR && y.kind != V_STR)
        return false;
    *out = v_bool(equal == (op == AST_EQ));
    return true;
}

static val join_lists(elab *e, val x, val y) {
    val *items = arena_array(e->a, val, x.count + y.count + 1);
    for (int i = 0; i < x.count + y.count; i++)
        items[i] = i < x.count ? x.items[i] : y.items[i - x.count];
    return v_list(items, x.count + y.count);
}

val el_binary_op(elab *e, ast_op op, val x, val y, ir_span at) {
    val r;
    if (x.kind == V_ERROR || y.kind == V_ERROR)
        return v_error();
    if (compare_words(op, x, y, &r))
        return r;
    if (x.kind == V_LIST && y.kind == V_LIST && op == AST_ADD)
        return join_lists(e, x, y);
    if (el_is_host(x) && el_is_host(y)) {
        r = el_host_binary(e, op, x, y, at);
        if (r.kind != V_NONE)
            return r;
    }
    val *sides[2] = {&x, &y};
    for (int i = 0; i < 2; i++)
        if (!el_is_host(*sides[i]) && sides[i]->kind != V_TENSOR && sides[i]->kind != V_LIST)
            return expected(e, "a number or a tensor", *sides[i], at);
    e->b.span = el_at(e, at);
    return tensor_op(e, op, x, y, at);
}

static ir_span join(ir_span a, ir_span b) { return (ir_span){a.file, a.begin, b.end}; }

/* and, or: on host bools the right side is not evaluated when the left decides. */
static val logic(elab *e, ast_op op, val x, const ast_expr *rhs, ir_span at) {
    if (x.kind == V_BOOL && x.b == (op == AST_OR))
        return x;
    val y = el_eval(e, rhs);
    if (x.kind == V_ERROR || y.kind == V_ERROR)
        return v_error();
    if (x.kind == V_BOOL && (y.kind == V_BOOL || y.kind == V_COND))
        return y;
    if (y.kind == V_BOOL && x.kind == V_COND)
        return y.b == (op == AST_OR) ? y : x;
    bool host = (x.kind == V_COND || x.kind == V_BOOL || x.kind == V_TENSOR) &&
                (y.kind == V_COND || y.kind == V_BOOL || y.kind == V_TENSOR);
    bool own = (x.kind == V_TENSOR && el_rank(x)) || (y.kind == V_TENSOR && el_rank(y));
    if (!host || own) {
        val bad = x.kind == V_BOOL || x.kind == V_COND || (x.kind == V_TENSOR && !el_rank(x)) ? y : x;
        diag_record *r = diag_report(e->d, MSG_BAD_CONDITION, el_at(e, at), el_describe(e, bad));
        if (own)
            diag_suggest(e->d, r, "combine bool tensors with & and |");
        return el_fail(e, r);
    }
    return el_binary(e, op == AST_AND ? IR_and : IR_or, x, y, at);
}

static bool is_access(const ast_expr *x) { return x->kind == AST_INDEX; }

/* x[..] ?? d: d where the access is outside; h ?? d: d where h is absent. */
static val coalesce(elab *e, const ast_expr *lhs, const ast_expr *rhs, ir_span at) {
    if (is_access(lhs)) {
        val d = el_eval(e, rhs);
        return d.kind == V_ERROR ? d : el_index(e, lhs, &d);
    }
    val v = el_eval(e, lhs);
    return v.kind == V_NONE ? el_eval(e, rhs) : v;
}

static val chain(elab *e, const ast_expr *x) {
    const ast_links *links = &x->chain.links;
    if (links->data[0].op == AST_COALESCE) {
        val r = coalesce(e, x->chain.first, links->data[0].rhs, x->span);
        for (int i = 1; i < links->len && r.kind == V_NONE; i++)
            r = el_eval(e, links->data[i].rhs);
        return r;
    }
    val r = el_eval(e, x->chain.first);
    for (int i = 0; i < links->len && r.kind != V_ERROR; i++) {
        const ast_link *l = &links->data[i];
        ir_span at = join(x->span, l->rhs->span);
        if (l->op == AST_AND || l->op == AST_OR)
            r = logic(e, l->op, r, l->rhs, at);
        else
            r = el_binary_op(e, l->op, r, el_eval(e, l->rhs), at);
    }
    return r;
}

static val unary(elab *e, const ast_expr *x) {
    val v = el_eval(e, x->unary.operand);
    if (v.kind == V_ERROR)
        return v;
    val r = el_host_unary(e, x->unary.op, v, x->span);
    if (r.kind != V_NONE)
        return r;
    if (!el_is_host(v) && v.kind != V_TENSOR)
        return expected(e, "a number or a tensor", v, x->unary.operand->span);
    e->b.span = el_at(e, x->span);
    if (x->unary.op == AST_NOT && v.kind == V_TENSOR && el_rank(v)) {
        diag_record *d = diag_report(e->d, MSG_BAD_CONDITION, el_at(e, x->span), el_describe(e, v));
        diag_suggest(e->d, d, "negate a bool tensor with ~");
        return el_fail(e, d);
    }
    return el_unary(e, x->unary.op == AST_NEG ? IR_neg : IR_not, v, x->span);
}

/* a if c else b: on the host where c is known; where c depends on an index or a scalar of the run it is a select. */
static val choice(elab *e, const ast_expr *x) {
    val c = el_eval(e, x->select.cond);
    if (c.kind == V_ERROR)
        return c;
    if (c.kind == V_BOOL)
        return el_eval(e, c.b ? x->select.then : x->select.otherwise);
    if (c.kind == V_COND)
        c = el_cond_tensor(e, c);
    if (c.kind != V_TENSOR || el_dtype(c) != FRIT_bool || el_rank(c)) {
        diag_record *r = diag_report(e->d, MSG_BAD_CONDITION, el_at(e, x->select.cond->span), el_describe(e, c));
        if (c.kind == V_TENSOR && el_rank(c))
            diag_suggest(e->d, r, "choose elementwise with where(cond, a, b)");
        return el_fail(e, r);
    }
    e->guarded++;
    val a = el_eval(e, x->select.then), b = el_eval(e, x->select.otherwise);
    e->guarded--;
    e->b.span = el_at(e, x->span);
    return a.kind == V_ERROR || b.kind == V_ERROR ? v_error() : el_select(e, c, a, b, x->span);
}

/* ---- Strings and lists --------------------------------------------------------------------------------------------- */

static const char *piece_text(elab *e, const ast_piece *p) {
    if (p->text)
        return p->text;
    val v = el_eval(e, p->expr);
    int64_t i;
    if (v.kind == V_STR)
        return v.s;
    if (el_const_int(v, &i))
        return arena_printf(e->a, "%lld", (long long)i);
    if (v.kind == V_BOOL)
        return v.b ? "true" : "false";
    if (v.kind == V_DTYPE)
        return frit_dtype_name((frit_dtype)v.dtype);
    if (v.kind != V_ERROR)
        el_fail(e, diag_report(e->d, MSG_NOT_STATIC, el_at(e, p->span), "a value in a string"));
    return NULL;
}

const char *el_eval_string(elab *e, const ast_expr *x) {
    const char *text = "";
    for (int i = 0; i < x->pieces.len; i++) {
        const char *p = piece_text(e, &x->pieces.data[i]);
        if (!p)
            return NULL;
        text = *text ? arena_printf(e->a, "%s%s", text, p) : p;
    }
    return text;
}

static val list(elab *e, const ast_expr *x) {
    val *items = arena_array(e->a, val, x->items.len + 1);
    for (int i = 0; i < x->items.len; i++) {
        items[i] = el_eval(e, x->items.data[i]);
        if (items[i].kind == V_ERROR)
            return v_error();
    }
    return v_list(items, x->items.len);
}

static val string(elab *e, const ast_expr *x) {
    const char *s = el_eval_string(e, x);
    return s ? v_str(s) : v_error();
}

/* ---- m.f, x.T ------------------------------------------------------------------------------------------------------ */

static val dims_list(elab *e, val v) {
    val *items = arena_array(e->a, val, el_rank(v) + 1);
    for (int i = 0; i < el_rank(v); i++)
        items[i] = v_int(el_dims(v)[i]);
    return v_list(items, el_rank(v));
}

static val transposed(elab *e, val v, ir_span at) {
    int perm[IR_MAX_RANK], n = el_rank(v);
    if (n < 2)
        return el_fail(e, diag_report(e->d, MSG_RANK_MISMATCH, el_at(e, at), "the operand of .T", n, "at least 2"));
    for (int i = 0; i < n; i++)
        perm[i] = i;
    perm[n - 1] = n - 2;
    perm[n - 2] = n - 1;
    e->b.span = el_at(e, at);
    return el_transpose(e, v, perm);
}

static val module_member(elab *e, file_env *m, const ast_expr *x) {
    bool found;
    val v = el_lookup_in(m, x->attr.name.text, &found);
    if (found)
        return v;
    const char **names = arena_array(e->a, const char *, m->top->list.len + 1);
    for (int i = 0; i < m->top->list.len; i++)
        names[i] = m->top->list.data[i]->name;
    const char *near = diag_nearest(x->attr.name.text, names, m->top->list.len);
    diag_record *r = diag_report(e->d, MSG_ATTRIBUTE, el_at(e, x->attr.name.span), "this module", x->attr.name.text);
    if (near)
        diag_suggest(e->d, r, "did you mean '%s'?", near);
    return el_fail(e, r);
}

static val attribute(elab *e, const ast_expr *x) {
    val base = el_eval(e, x->attr.base);
    const char *name = x->attr.name.text;
    if (base.kind == V_ERROR)
        return base;
    if (base.kind == V_MODULE)
        return module_member(e, base.module, x);
    if (base.kind == V_TENSOR && !strcmp(name, "T"))
        return transposed(e, base, x->span);
    if (base.kind == V_TENSOR && !strcmp(name, "shape"))
        return dims_list(e, base);
    if (base.kind == V_TENSOR && !strcmp(name, "rank"))
        return v_consti(e, el_rank(base));
    if (base.kind == V_TENSOR && !strcmp(name, "dtype"))
        return v_dtype(el_dtype(base));
    diag_record *r = diag_report(e->d, MSG_ATTRIBUTE, el_at(e, x->attr.name.span), el_describe(e, base), name);
    if (el_spelling(name))
        diag_suggest(e->d, r, "%s", el_spelling(name));
    else if (el_is_function(e, name))
        diag_suggest(e->d, r, "write %s(x, ...): values have no methods", name);
    return el_fail(e, r);
}

/* ---- Evaluation ---------------------------------------------------------------------------------------------------- */

static val literal_int(elab *e, const ast_expr *x) {
    if (x->integer > INT64_MAX)
        return el_fail(e, diag_report(e->d, MSG_STATIC_ARITHMETIC, el_at(e, x->span), "the literal does not fit i64"));
    return v_consti(e, (int64_t)x->integer);
}

val el_eval_any(elab *e, const ast_expr *x) {
    if (el_deep(e, x->span))
        return v_error();
    switch (x->kind) {
    case AST_ERROR: return v_error();
    case AST_INT: return literal_int(e, x);
    case AST_FLOAT: return v_num(x->number);
    case AST_BOOL: return v_bool(x->boolean);
    case AST_NONE: return v_none();
    case AST_STRING: return string(e, x);
    case AST_NAME: return el_lookup(e, &x->name);
    case AST_LIST: return list(e, x);
    case AST_UNARY: return unary(e, x);
    case AST_CHAIN: return chain(e, x);
    case AST_SELECT: return choice(e, x);
    case AST_CALL: return el_call(e, x);
    case AST_INDEX: return el_index(e, x, NULL);
    case AST_ATTR: return attribute(e, x);
    }
    return v_error();
}

val el_eval(elab *e, const ast_expr *x) {
    val v = el_eval_any(e, x);
    if (v.kind != V_TUPLE)
        return v;
    return el_fail(e, diag_report(e->d, MSG_RESULT_COUNT, el_at(e, x->span), v.count, 1));
}

static bool divides(const ast_expr *x) {
    for (int i = 0; x->kind == AST_CHAIN && i < x->chain.links.len; i++)
        if (x->chain.links.data[i].op == AST_DIV)
            return true;
    return false;
}

bool el_eval_int(elab *e, const ast_expr *x, sym_t *out, const char *what) {
    val v = el_eval(e, x);
    if (v.kind == V_INT) {
        *out = el_resolve(e, v.i);
        return true;
    }
    if (v.kind == V_ERROR)
        return false;
    diag_record *r = diag_report(e->d, MSG_EXPECTED_VALUE, el_at(e, x->span),
                                 arena_printf(e->a, "an integer as %s", what), el_describe(e, v));
    if (divides(x))
        diag_suggest(e->d, r, "x // y is the quotient of integers, rounded down; x / y is a number");
    el_fail(e, r);
    return false;
}
