/* Arithmetic on host values: exact symbolic integers, doubles, bools. */
#include "elab_internal.h"
#include <math.h>
#include <string.h>

bool el_is_host(val v) { return v.kind == V_INT || v.kind == V_NUM || v.kind == V_BOOL || v.kind == V_COND; }

static void axis_var(void *u, sym_t var) {
    if (sym_var_role(var) == SYM_INDEX)
        *(bool *)u = true;
}
static bool uses_axis(sym_t s) {
    bool found = false;
    sym_each_var(s, axis_var, &found);
    return found;
}

sym_t el_resolve(elab *e, sym_t s) {
    if (!e->subst_var.len || sym_is_const(s, NULL))
        return s;
    /* A replacement may itself be replaced later, so run through them in the order in which they were found. */
    for (int i = 0; i < e->subst_var.len; i++)
        if (sym_uses(s, e->subst_var.data[i]))
            s = sym_subst(e->s, s, 1, &e->subst_var.data[i], &e->subst_to.data[i]);
    return s;
}

static val overflow(elab *e, ir_span at) {
    return el_fail(e, diag_report(e->d, MSG_STATIC_ARITHMETIC, el_at(e, at), "the result does not fit 64 bits"));
}

/* Formulas of open sizes grow from layer to layer of a deep network: one that has become long gets a variable. */
static val checked(elab *e, sym_t s, ir_span at) {
    enum { LONG = 48 };
    if (sym_is_invalid(s))
        return el_fail(e, diag_report(e->d, MSG_STATIC_ARITHMETIC, el_at(e, at),
                                      "the result does not fit 64 bits, or its formula is too long"));
    if (sym_leaves(s, LONG) <= LONG || !el_runs_known(e, s))
        return v_int(s);
    sym_t v = sym_opaque(e->s, "size", SYM_INT, s);
    vec_push(e->a, &e->opaque, v);
    return v_int(v);
}

static val int_power(elab *e, int64_t x, int64_t y, ir_span at) {
    if (y < 0)
        return v_num(pow((double)x, (double)y));
    int64_t r = 1;
    for (int64_t i = 0; i < y; i++) {
        if (__builtin_mul_overflow(r, x, &r))
            return overflow(e, at);
        if (r == 0 || r == 1 || r == -1) /* further factors only flip the sign */
            return v_consti(e, r == -1 ? ((y & 1) ? -1 : 1) : r);
    }
    return v_consti(e, r);
}

static val int_bits(elab *e, ast_op op, int64_t x, int64_t y) {
    int64_t r = 0;
    switch (op) {
    case AST_BITOR: r = x | y; break;
    case AST_BITXOR: r = x ^ y; break;
    case AST_BITAND: r = x & y; break;
    case AST_SHL: r = y >= 0 && y < 64 ? (int64_t)((uint64_t)x << y) : 0; break;
    default: r = y >= 0 && y < 64 ? x >> y : x < 0 ? -1 : 0; break;
    }
    return v_consti(e, r);
}

/* Comparison of symbolic integers: decided if the bounds of their variables decide it. */
static val compare(elab *e, ast_op op, sym_t x, sym_t y) {
    const char *text = op == AST_EQ ? "==" : op == AST_NE ? "!=" : op == AST_LT ? "<" : "<=";
    if (op == AST_LT || op == AST_LE) {
        bool strict = op == AST_LT;
        if (strict ? sym_prove_lt(e->s, x, y) : sym_prove_ge(e->s, y, x))
            return v_bool(true);
        if (strict ? sym_prove_ge(e->s, x, y) : sym_prove_lt(e->s, y, x))
            return v_bool(false);
    } else if (x == y) {
        return v_bool(op == AST_EQ);
    } else if (sym_prove_lt(e->s, x, y) || sym_prove_lt(e->s, y, x)) {
        return v_bool(op == AST_NE);
    }
    val v = {.kind = V_COND};
    v.cond.op = text;
    v.cond.lhs = x;
    v.cond.rhs = y;
    return v;
}

static val int_binary(elab *e, ast_op op, sym_t x, sym_t y, ir_span at) {
    int64_t a, b;
    bool constant = sym_is_const(x, &a) && sym_is_const(y, &b);
    switch (op) {
    case AST_ADD: return checked(e, sym_add(e->s, x, y), at);
    case AST_SUB: return checked(e, sym_sub(e->s, x, y), at);
    case AST_MUL: return checked(e, sym_mul(e->s, x, y), at);
    case AST_FLOORDIV:
    case AST_MOD:
        if (sym_is(y, 0))
            return el_fail(e, diag_report(e->d, MSG_STATIC_ARITHMETIC, el_at(e, at), "division by zero"));
        return checked(e, op == AST_MOD ? sym_mod(e->s, x, y) : sym_floordiv(e->s, x, y), at);
    case AST_EQ: case AST_NE: case AST_LT: case AST_LE: return compare(e, op, x, y);
    case AST_GT: return compare(e, AST_LT, y, x);
    case AST_GE: return compare(e, AST_LE, y, x);
    case AST_DIV: return constant ? v_num((double)a / (double)b) : v_none();
    case AST_POW: return constant ? int_power(e, a, b, at) : v_none();
    case AST_BITOR: case AST_BITXOR: case AST_BITAND: case AST_SHL: case AST_SHR:
        return constant ? int_bits(e, op, a, b) : v_none();
    default: return v_none();
    }
}

static val num_binary(ast_op op, double x, double y) {
    switch (op) {
    case AST_ADD: return v_num(x + y);
    case AST_SUB: return v_num(x - y);
    case AST_MUL: return v_num(x * y);
    case AST_DIV: return v_num(x / y);
    case AST_FLOORDIV: return v_num(floor(x / y));
    case AST_MOD: return v_num(x - y * floor(x / y));
    case AST_POW: return v_num(pow(x, y));
    case AST_EQ: return v_bool(x == y);
    case AST_NE: return v_bool(x != y);
    case AST_LT: return v_bool(x < y);
    case AST_LE: return v_bool(x <= y);
    case AST_GT: return v_bool(x > y);
    case AST_GE: return v_bool(x >= y);
    default: return v_none();
    }
}

static bool as_number(val v, double *out) {
    int64_t i;
    if (v.kind == V_NUM)
        *out = v.num;
    else if (el_const_int(v, &i))
        *out = (double)i;
    else
        return false;
    return true;
}

/* V_NONE: the host can't compute it; tensors must. */
val el_host_binary(elab *e, ast_op op, val x, val y, ir_span at) {
    double a, b;
    if (x.kind == V_INT && y.kind == V_INT) {
        bool order = op >= AST_EQ && op <= AST_GE;
        return order && (uses_axis(x.i) || uses_axis(y.i)) ? v_none() : int_binary(e, op, x.i, y.i, at);
    }
    if (x.kind == V_BOOL && y.kind == V_BOOL) {
        switch (op) {
        case AST_EQ: return v_bool(x.b == y.b);
        case AST_NE: case AST_BITXOR: return v_bool(x.b != y.b);
        case AST_BITAND: return v_bool(x.b && y.b);
        case AST_BITOR: return v_bool(x.b || y.b);
        default: return v_none();
        }
    }
    if (as_number(x, &a) && as_number(y, &b))
        return num_binary(op, a, b);
    return v_none();
}

static val negated(val c) {
    const char *op = c.cond.op;
    sym_t l = c.cond.lhs, r = c.cond.rhs;
    bool less = !strcmp(op, "<"), less_equal = !strcmp(op, "<=");
    c.cond.op = less ? "<=" : less_equal ? "<" : !strcmp(op, "==") ? "!=" : "==";
    if (less || less_equal) {
        c.cond.lhs = r;
        c.cond.rhs = l;
    }
    return c;
}

val el_host_unary(elab *e, ast_op op, val x, ir_span at) {
    int64_t i;
    if (op == AST_NEG && x.kind == V_INT)
        return checked(e, sym_muli(e->s, x.i, -1), at);
    if (op == AST_NEG && x.kind == V_NUM)
        return v_num(-x.num);
    if (op == AST_NOT && x.kind == V_BOOL)
        return v_bool(!x.b);
    if (op == AST_NOT && x.kind == V_COND)
        return negated(x);
    if (op == AST_INVERT && el_const_int(x, &i))
        return v_consti(e, ~i);
    if (op == AST_INVERT && x.kind == V_BOOL)
        return v_bool(!x.b);
    return v_none();
}

static bool host_float(ir_opcode op, double x, double *r) {
    switch (op) {
    case IR_floor: *r = floor(x); return true;
    case IR_ceil: *r = ceil(x); return true;
    case IR_round: *r = nearbyint(x); return true;
    case IR_trunc: *r = trunc(x); return true;
    case IR_sqrt: *r = sqrt(x); return true;
    case IR_rsqrt: *r = 1 / sqrt(x); return true;
    case IR_exp: *r = exp(x); return true;
    case IR_exp2: *r = exp2(x); return true;
    case IR_expm1: *r = expm1(x); return true;
    case IR_log: *r = log(x); return true;
    case IR_log2: *r = log2(x); return true;
    case IR_log1p: *r = log1p(x); return true;
    case IR_sin: *r = sin(x); return true;
    case IR_cos: *r = cos(x); return true;
    case IR_tan: *r = tan(x); return true;
    case IR_tanh: *r = tanh(x); return true;
    case IR_atan: *r = atan(x); return true;
    case IR_erf: *r = erf(x); return true;
    default: return false;
    }
}

static bool host_pair(elab *e, ir_opcode op, val x, val y, val *out) {
    if (op != IR_min && op != IR_max)
        return false;
    if (x.kind == V_INT && y.kind == V_INT && !uses_axis(x.i) && !uses_axis(y.i)) {
        *out = v_int(op == IR_min ? sym_min(e->s, x.i, y.i) : sym_max(e->s, x.i, y.i));
        return true;
    }
    double a, b;
    if (!as_number(x, &a) || !as_number(y, &b))
        return false;
    *out = v_num(op == IR_min ? fmin(a, b) : fmax(a, b));
    return true;
}

bool el_host_call(elab *e, ir_opcode op, const val *v, int n, val *out) {
    double x, r;
    int64_t i;
    if (n == 2)
        return host_pair(e, op, v[0], v[1], out);
    if (n != 1 || !as_number(v[0], &x))
        return false;
    if (op == IR_abs || op == IR_sign || op == IR_neg) {
        if (el_const_int(v[0], &i))
            *out = op == IR_sign               ? v_consti(e, (i > 0) - (i < 0))
                   : op == IR_abs && i >= 0 ? v_consti(e, i)
                                            : v_int(sym_muli(e->s, v[0].i, -1));
        else
            *out = v_num(op == IR_neg ? -x : op == IR_abs ? fabs(x) : (x > 0) - (x < 0));
        return true;
    }
    if (!host_float(op, x, &r))
        return false;
    *out = v_num(r);
    return true;
}

/* A condition on symbols as a bool[] tensor. */
val el_cond_tensor(elab *e, val c) {
    val x = el_sym_tensor(e, c.cond.lhs), y = el_sym_tensor(e, c.cond.rhs);
    const char *op = c.cond.op;
    ir_opcode code = !strcmp(op, "==") ? IR_eq : !strcmp(op, "!=") ? IR_ne : !strcmp(op, "<") ? IR_lt : IR_le;
    return el_binary(e, code, x, y, e->b.span);
}
