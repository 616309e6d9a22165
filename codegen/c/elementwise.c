/* Elementwise ops: a table from opcode to an operator, a function of <math.h> or a helper, by kind of dtype. */
#include "printer_internal.h"
#include <ctype.h>
#include <string.h>

/* By kind: floats, signed and unsigned integers, bool. Words are functions; ending in '_' functions of <math.h>. */
typedef struct ew_row {
    const char *f, *s, *u, *b;
} ew_row;

static const ew_row table[IR_OPCODE_COUNT] = {
    [IR_add] = {"+", "add", "add", "||"},
    [IR_sub] = {"-", "sub", "sub", "!="},
    [IR_mul] = {"*", "mul", "mul", "&&"},
    [IR_div] = {"/", NULL, NULL, NULL},
    [IR_floordiv] = {NULL, "floordiv", "div", "&&"},
    [IR_mod] = {NULL, "mod", "rem", "no"},
    [IR_rem] = {NULL, "rem", "rem", "no"},
    [IR_truncdiv] = {NULL, "div", "div", "&&"},
    [IR_neg] = {"-", "neg", "neg", "same"},
    [IR_abs] = {"fabs_", "abs", "same", "same"},
    [IR_sign] = {"sign", "sign", "some", "same"},
    [IR_min] = {"min", "min", "min", "&&"},
    [IR_max] = {"max", "max", "max", "||"},
    [IR_floor] = {"floor_", NULL, NULL, NULL},
    [IR_ceil] = {"ceil_", NULL, NULL, NULL},
    [IR_round] = {"rint_", NULL, NULL, NULL},
    [IR_trunc] = {"trunc_", NULL, NULL, NULL},
    [IR_sqrt] = {"sqrt_", NULL, NULL, NULL},
    [IR_and] = {NULL, "&", "&", "&&"},
    [IR_or] = {NULL, "|", "|", "||"},
    [IR_xor] = {NULL, "^", "^", "!="},
    [IR_not] = {NULL, "not", "not", "!"},
    [IR_shl] = {NULL, "shl", "shl", NULL},
    [IR_shr] = {NULL, "shr", "shr", NULL},
    [IR_popcount] = {NULL, "popcount", "popcount", NULL},
    [IR_clz] = {NULL, "clz", "clz", NULL},
    [IR_eq] = {"==", "==", "==", "=="},
    [IR_ne] = {"!=", "!=", "!=", "!="},
    [IR_lt] = {"<", "<", "<", "<"},
    [IR_le] = {"<=", "<=", "<=", "<="},
};

static expr unary(cprinter *p, const char *op, expr x) {
    return (expr){arena_printf(p->a, "%s%s", op, c_tight(p, x, PREC_PRIMARY)), PREC_UNARY};
}

static expr math_call(cprinter *p, const char *name, frit_dtype t, int n, const expr *x) {
    int len = (int)strlen(name) - (name[strlen(name) - 1] == '_');
    return c_call(p, arena_printf(p->a, "%.*s%s", len, name, t == FRIT_f32 ? "f" : ""), n, x);
}

/* u32 and u64 wrap by themselves. */
static const char *natural(frit_dtype t, const char *word) {
    if (frit_dtype_kind_of(t) != FRIT_KIND_UINT || frit_dtype_bits(t) < 32) return word;
    static const char *const words[][2] = {{"add", "+"}, {"sub", "-"}, {"mul", "*"}, {"not", "~"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(word, words[i][0])) return words[i][1];
    return word;
}

static expr apply(cprinter *p, const char *word, frit_dtype t, int n, const expr *x) {
    word = natural(t, word);
    size_t len = strlen(word);
    if (!strcmp(word, "same")) return x[0];
    if (!strcmp(word, "no")) return c_primary("false");
    if (!strcmp(word, "some")) return c_binary(p, "!=", x[0], c_primary("0"));
    if (!isalpha((unsigned char)*word)) return n == 1 ? unary(p, word, x[0]) : c_binary(p, word, x[0], x[1]);
    if (word[len - 1] == '_') return math_call(p, word, t, n, x);
    return c_call(p, c_scalar_helper(p, word, t), n, x);
}

static expr fused(cprinter *p, frit_dtype t, const expr *x) {
    if (frit_dtype_is_float(t)) return math_call(p, "fma", t, 3, x);
    expr xy = apply(p, t == FRIT_bool ? "&&" : "mul", t, 2, x);
    return apply(p, t == FRIT_bool ? "||" : "add", t, 2, (expr[]){xy, x[2]});
}

static expr select_of(cprinter *p, const expr *x) {
    const char *test = arena_printf(p->a, "%s ? ", c_tight(p, x[0], PREC_LOR)), *other = arena_printf(p->a, " : %s", c_tight(p, x[2], PREC_COND));
    size_t n = strlen(x[1].s), m = strlen(other);
    bool again = x[1].prec == PREC_COND && n > m && !strncmp(x[1].s, test, strlen(test)) && !strcmp(x[1].s + n - m, other);
    if (again && !memchr(x[1].s + strlen(test), '?', n - m - strlen(test))) return x[1]; /* the same choice */
    return (expr){arena_printf(p->a, "%s%s%s", test, c_tight(p, x[1], PREC_LOR), other), PREC_COND};
}

/* A compiler may join a product with the sum it goes into. */
static expr rounded_product(cprinter *p, frit_dtype t, const expr *x) {
    return c_call(p, t == FRIT_f64 ? "__dmul_rn" : "__fmul_rn", 2, x);
}

static bool is_joined(ir_opcode code) {
    switch (code) {
    case IR_mul:
    case IR_div:
    case IR_fma:
    case IR_store:
    case IR_cast:
    case IR_max:
    case IR_min:
    case IR_lt:
    case IR_le: return false;
    default: return true;
    }
}

static bool may_be_joined(const ir_value *v) {
    for (const ir_use *u = v->uses; u; u = u->next)
        if (is_joined(u->user->code)) return true;
    return false;
}

/* One value of each operand; t: the dtype of operand 0 (of operand 1 for select). */
static expr scalar(cprinter *p, ir_opcode code, frit_dtype t, frit_dtype to, int n, const expr *x) {
    if (code == IR_cast) return c_convert(p, t, to, x[0]);
    if (code == IR_bitcast) return c_bits_of(p, t, to, x[0]);
    if (code == IR_select) return select_of(p, x);
    if (c_is_narrow_float(t)) { /* computes in f32 and rounds */
        expr wide[3];
        for (int i = 0; i < n; i++) wide[i] = c_widen(p, t, x[i]);
        bool test = ir_op_table[code].flags & IR_F_COMPARE;
        expr e = scalar(p, code, FRIT_f32, test ? FRIT_bool : FRIT_f32, n, wide);
        return test ? e : c_narrow(p, t, e);
    }
    if (code == IR_fma) return fused(p, t, x);
    if (code == IR_rsqrt) return c_binary(p, "/", c_primary(t == FRIT_f32 ? "1.0f" : "1.0"), math_call(p, "sqrt", t, 1, x));
    const ew_row *r = &table[code];
    const char *word = frit_dtype_is_float(t) ? r->f : t == FRIT_bool ? r->b : c_is_signed(t) ? r->s : r->u;
    if (!word) {
        if (!p->error)
            p->error = arena_printf(p->a, "internal error: kernel '%s': op '%s' of %s must be expanded before code is printed",
                                    p->f->name, ir_op_table[code].name, frit_dtype_name(t));
        return x[0];
    }
    return apply(p, word, t, n, x);
}

/* With a constant on the left it reads the wrong way around. */
static bool turned(cprinter *p, const ir_op *op, const expr *x, expr *e) {
    bool less = op->code == IR_lt || op->code == IR_le, constant = less && ir_is(ir_operand(op, 0), IR_constant);
    frit_dtype t = (frit_dtype)ir_operand(op, 0)->type.dtype;
    if (!constant || ir_is(ir_operand(op, 1), IR_constant) || t == FRIT_bool || c_is_narrow_float(t)) return false;
    *e = c_binary(p, op->code == IR_lt ? ">" : ">=", x[1], x[0]);
    return true;
}

static bool is_at_most(const cprinter *p, const ir_op *op) {
    const ir_value *v = op->code == IR_cast ? ir_operand(op, 0) : NULL, *r = v ? ir_result(op, 0) : NULL;
    int64_t most;
    bool fits = v && (r->type.dtype == FRIT_u32 || r->type.dtype == FRIT_i32 || c_knows(p, r, V_NARROW));
    if (!p->d->blocks || !fits || !ir_is(v, IR_min) || v->type.dtype != FRIT_u64 || v->type.lanes > 1 || !c_knows(p, v, V_INLINE)) return false;
    const ir_value *x = ir_operand(v->op, 0);
    bool wide = ir_is(x, IR_cast) && c_knows(p, x, V_INLINE) && ir_operand(x->op, 0)->type.dtype == FRIT_i64;
    return wide && c_constant_int(ir_operand(v->op, 1), &most) && most >= 0 && most <= INT32_MAX;
}

/* The smaller of x and a constant as numbers without sign, which fits 32 bits whatever x is. */
static bool at_most(cprinter *p, const ir_op *op, expr *e) {
    if (op->code == IR_min && op->n_results && !ir_result(op, 0)->uses->next && is_at_most(p, ir_result(op, 0)->uses->user)) {
        *e = c_primary("0"); /* the cast has it */
        return true;
    }
    if (!is_at_most(p, op)) return false;
    const ir_op *min = ir_operand(op, 0)->op, *wide = ir_operand(min, 0)->op;
    frit_dtype to = (frit_dtype)ir_result(op, 0)->type.dtype;
    int64_t most = 0;
    c_constant_int(ir_operand(min, 1), &most);
    if (c_helper_new(p, "at_most"))
        c_helper_define(p, "/* min(x, most) for x >= 0; below that, most */\n%s i32 at_most(i64 x, i32 most) {\n    return (i32)((u64)x < (u64)most ? (u64)x : (u64)most);\n}\n", p->d->inline_);
    *e = c_call(p, "at_most", 2, (expr[]){c_operand_of(p, wide, 0), c_int_literal(p, FRIT_i32, most)});
    if (to == FRIT_u32) *e = (expr){arena_printf(p->a, "(%s)%s", c_scalar_type(p, to), e->s), PREC_UNARY};
    return true;
}

/* ------------ index arithmetic: cannot overflow, so it is written plainly */
static expr index_shift(cprinter *p, const ir_op *op, const expr *x, int64_t by) {
    return c_binary(p, op->code == IR_shl ? "*" : "/", x[0], c_int_literal(p, FRIT_i64, INT64_C(1) << by));
}

/* x + -y as x - y. */
static expr index_sum(cprinter *p, expr x, expr y) {
    if (y.s[0] == '-' && y.prec >= PREC_MUL) return c_binary(p, "-", x, (expr){y.s + 1, PREC_MUL});
    if (x.s[0] == '-' && x.prec >= PREC_MUL) return c_binary(p, "-", y, (expr){x.s + 1, PREC_MUL});
    return c_binary(p, "+", x, y);
}

static bool index_op(cprinter *p, const ir_op *op, const expr *x, expr *e) {
    int64_t k;
    bool constant = op->n_operands > 1 && c_constant_int(ir_operand(op, 1), &k);
    const ir_value *v = ir_operand(op, 0);
    switch (op->code) {
    case IR_add: *e = index_sum(p, x[0], x[1]); return true;
    case IR_sub:
        *e = x[0].s[0] == '0' && !x[0].s[1] ? unary(p, "-", x[1]) : c_binary(p, "-", x[0], x[1]);
        return true;
    case IR_mul: *e = constant && k < 0 ? c_binary(p, "*", x[1], x[0]) : c_binary(p, "*", x[0], x[1]); return true;
    case IR_neg: *e = unary(p, "-", x[0]); return true;
    case IR_fma: *e = c_binary(p, "+", c_binary(p, "*", x[0], x[1]), x[2]); return true;
    case IR_floordiv:
    case IR_truncdiv:
    case IR_mod:
    case IR_rem:
        if (!constant || k <= 0 || !c_knows(p, v, V_NONNEGATIVE)) return false;
        *e = c_binary(p, op->code == IR_mod || op->code == IR_rem ? "%" : "/", x[0], k <= INT32_MAX ? c_int_literal(p, FRIT_i32, k) : x[1]);
        return true;
    case IR_shl:
    case IR_shr:
        if (!constant || k < 0 || k > 30 || !c_knows(p, v, V_NONNEGATIVE)) return false;
        *e = index_shift(p, op, x, k);
        return true;
    default: return false;
    }
}

/* ------------ lanes */
/* The op in GCC's vectors as a template: $T the result's type, $I and $U vectors of signed and unsigned integers as wide as
 * an operand's lanes, $W their width. Integers compute unsigned, where they wrap. */
static const struct {
    ir_opcode op;
    const char *f, *i; /* of f32 and f64; of integers */
} gnu_table[] = {
    {IR_add, "x + y", "($T)(($U)x + ($U)y)"},
    {IR_sub, "x - y", "($T)(($U)x - ($U)y)"},
    {IR_mul, "x * y", "($T)(($U)x * ($U)y)"},
    {IR_div, "x / y", NULL},
    {IR_neg, "-x", "($T)(0 - ($U)x)"},
    {IR_and, NULL, "x & y"},
    {IR_or, NULL, "x | y"},
    {IR_xor, NULL, "x ^ y"},
    {IR_not, NULL, "~x"},
    {IR_shl, NULL, "($T)((($U)x << (($U)y & ($W - 1))) & ($U)(($U)y < $W))"},
    {IR_min, "($T)(((x == y) & (($I)x | ($I)y)) | (((x < y) | (x != x)) & ($I)x & ~(x == y)) | (~((x < y) | (x != x) | (x == y)) & ($I)y))",
     "($T)(((x < y) & ($I)x) | (~(x < y) & ($I)y))"},
    {IR_max, "($T)(((x == y) & ($I)x & ($I)y) | (((x > y) | (x != x)) & ($I)x & ~(x == y)) | (~((x > y) | (x != x) | (x == y)) & ($I)y))",
     "($T)(((x > y) & ($I)x) | (~(x > y) & ($I)y))"},
    {IR_eq, "__builtin_convertvector(x == y, $T)", "__builtin_convertvector(x == y, $T)"},
    {IR_ne, "__builtin_convertvector(x != y, $T)", "__builtin_convertvector(x != y, $T)"},
    {IR_lt, "__builtin_convertvector(x < y, $T)", "__builtin_convertvector(x < y, $T)"},
    {IR_le, "__builtin_convertvector(x <= y, $T)", "__builtin_convertvector(x <= y, $T)"},
    {IR_select, "($T)(($I)z ^ ((($I)y ^ ($I)z) & __builtin_convertvector(x, $I)))",
     "($T)(($I)z ^ ((($I)y ^ ($I)z) & __builtin_convertvector(x, $I)))"},
};

static const char *gnu_template(ir_opcode code, frit_dtype t) {
    for (size_t i = 0; i < sizeof gnu_table / sizeof *gnu_table; i++)
        if (gnu_table[i].op == code) return t == FRIT_f32 || t == FRIT_f64 ? gnu_table[i].f : gnu_table[i].i;
    return NULL;
}

static const char *gnu_conversion(cprinter *p, ir_opcode code, frit_dtype t, ir_type to) {
    frit_dtype d = (frit_dtype)to.dtype;
    bool bits = frit_dtype_bits(t) >= 8 && t != FRIT_bool && frit_dtype_bits(d) >= 8 && d != FRIT_bool;
    if (code == IR_bitcast) return bits ? arena_printf(p->a, "(%s)x", c_type_of(p, to)) : NULL;
    bool plain = bits && !c_is_narrow_float(t) && !c_is_narrow_float(d), from_float = frit_dtype_is_float(t);
    if (!plain || (from_float && !frit_dtype_is_float(d))) return NULL; /* saturates */
    return arena_printf(p->a, "__builtin_convertvector(x, %s)", c_type_of(p, to));
}

static frit_dtype integer_of(unsigned bits, bool sign) {
    static const frit_dtype s[] = {FRIT_i8, FRIT_i16, FRIT_i32, FRIT_i64}, u[] = {FRIT_u8, FRIT_u16, FRIT_u32, FRIT_u64};
    int i = bits == 8 ? 0 : bits == 16 ? 1 : bits == 32 ? 2 : 3;
    return sign ? s[i] : u[i];
}

static const char *gnu_form(cprinter *p, const ir_op *op, frit_dtype t, ir_type to) {
    if (to.lanes & (to.lanes - 1)) return NULL;
    if (op->code == IR_cast || op->code == IR_bitcast) return gnu_conversion(p, op->code, t, to);
    bool moves = op->code == IR_select, narrow = c_is_narrow_float(t) || c_is_nibble(t);
    if (t == FRIT_bool || (narrow && !moves)) return NULL;
    const char *form = gnu_template(op->code, t);
    unsigned bits = frit_dtype_bits(t) < 8 ? 8 : frit_dtype_bits(t);
    text s = {.a = p->a};
    for (const char *c = form; c && *c; c++) {
        if (*c != '$') text_putn(&s, c, 1);
        else if (*++c == 'T') text_put(&s, c_type_of(p, to));
        else if (*c == 'W') text_printf(&s, "%u", bits);
        else text_put(&s, c_type_of(p, ir_vector(integer_of(bits, *c == 'I'), to.lanes)));
    }
    return form ? s.s : NULL;
}

static const char *vector_name(cprinter *p, const ir_op *op, frit_dtype t, ir_type to) {
    const char *name = ir_op_table[op->code].name, *tag = c_type_tag(p, (frit_dtype)to.dtype, to.lanes);
    if (op->code == IR_cast) return arena_printf(p->a, "%s_from_%s", tag, frit_dtype_name(t));
    if (op->code == IR_bitcast) return arena_printf(p->a, "as_%s_%s", tag, frit_dtype_name(t));
    return arena_printf(p->a, "%s_%s", name, c_type_tag(p, t, to.lanes));
}

/* How C++ writes the op; NULL: as a call. Masks have no arithmetic. */
static const char *lane_operator(const cprinter *p, const ir_op *op, frit_dtype t) {
    static const char *const operators[IR_OPCODE_COUNT] = {
        [IR_add] = "+", [IR_sub] = "-", [IR_mul] = "*",   [IR_div] = "/",   [IR_neg] = "-",  [IR_and] = "&", [IR_or] = "|",
        [IR_xor] = "^", [IR_not] = "~", [IR_shl] = "<<", [IR_shr] = ">>", [IR_eq] = "==", [IR_ne] = "!=", [IR_lt] = "<", [IR_le] = "<="};
    bool mask = t == FRIT_bool && (op->code == IR_add || op->code == IR_sub || op->code == IR_mul || op->code == IR_neg);
    return p->d->blocks && !mask ? operators[op->code] : NULL;
}

static void define_vector(cprinter *p, const ir_op *op, const char *name, frit_dtype t, ir_type to, bool turn) {
    ir_type types[3];
    expr lanes[3];
    for (int i = 0; i < op->n_operands; i++) {
        types[i] = ir_operand(op, i)->type;
        lanes[i] = c_lane_of(p, (const char *[]){"x", "y", "z"}[turn ? 1 - i : i], types[i]);
    }
    bool product = op->code == IR_mul && (t == FRIT_f32 || t == FRIT_f64) && p->d->rounds_products;
    expr e = product ? rounded_product(p, t, lanes) : scalar(p, op->code, t, (frit_dtype)to.dtype, op->n_operands, lanes);
    c_vector_helper(p, name, to, op->n_operands, types, c_as_lane(p, e, (frit_dtype)to.dtype),
                    p->d->gnu_vectors ? gnu_form(p, op, t, to) : NULL);
}

static expr vector(cprinter *p, const ir_op *op, frit_dtype t, ir_type to, expr *x) {
    const char *name = vector_name(p, op, t, to), *sign = lane_operator(p, op, t);
    bool less = op->code == IR_lt || op->code == IR_le, turn = sign && less && x[0].prec == PREC_SPLAT && x[1].prec != PREC_SPLAT;
    if (turn) {
        expr y = x[0];
        x[0] = x[1], x[1] = y;
        sign = op->code == IR_lt ? ">" : ">=";
        name = arena_printf(p->a, "turned_%s", name);
    }
    if (c_helper_new(p, name)) define_vector(p, op, sign ? arena_printf(p->a, "operator%s", sign) : name, t, to, turn);
    for (int i = sign ? op->n_operands - 1 : 0; i >= 0 && i < op->n_operands; i += sign ? -1 : 1) {
        bool other = false; /* an operand of an operator that is a vector by itself */
        for (int j = 0; j < op->n_operands; j++) other |= j != i && x[j].prec != PREC_SPLAT;
        if (x[i].prec == PREC_SPLAT && (!sign || other)) x[i] = c_scalar_of(p, x[i]);
    }
    if (!sign) return c_call(p, name, op->n_operands, x);
    return op->n_operands == 1 ? unary(p, sign, x[0]) : c_binary(p, sign, x[0], x[1]);
}

/* Numbers alone are ints to C. */
static void widen_literals(cprinter *p, const ir_op *op, frit_dtype t, expr *x) {
    if (frit_dtype_is_float(t) || t == FRIT_bool) return;
    for (int i = 0; i < op->n_operands; i++)
        if (!ir_is(ir_operand(op, i), IR_constant)) return;
    x[0] = (expr){arena_printf(p->a, "(%s)%s", c_scalar_type(p, t), c_tight(p, x[0], PREC_UNARY)), PREC_UNARY};
}

/* By a constant, of what C shifts in its own width. */
static bool plain_shift(cprinter *p, const ir_op *op, frit_dtype t, const expr *x, expr *e) {
    int64_t by;
    bool left = op->code == IR_shl, sign = c_is_signed(t);
    if ((!left && op->code != IR_shr) || frit_dtype_bits(t) < 32 || frit_dtype_is_float(t) || !c_constant_int(ir_operand(op, 1), &by)) return false;
    if (by < 0 || by >= (int64_t)frit_dtype_bits(t)) return false;
    frit_dtype natural = frit_dtype_bits(t) == 32 ? FRIT_u32 : FRIT_u64;
    expr from = left && sign ? (expr){arena_printf(p->a, "(%s)%s", c_scalar_type(p, natural), c_tight(p, x[0], PREC_UNARY)), PREC_UNARY} : x[0];
    *e = c_binary(p, left ? "<<" : ">>", from, PRIMARY(p, "%lld", (long long)by));
    if (left && sign) *e = (expr){arena_printf(p->a, "(%s)(%s)", c_scalar_type(p, t), e->s), PREC_UNARY};
    return true;
}

/* By a constant other than 0, without sign: that is what C divides. */
static bool plain_division(cprinter *p, const ir_op *op, frit_dtype t, const expr *x, expr *e) {
    int64_t by;
    bool quotient = op->code == IR_floordiv || op->code == IR_truncdiv, remainder = op->code == IR_mod || op->code == IR_rem;
    if (!p->d->blocks || t != FRIT_u32 || (!quotient && !remainder) || !c_constant_int(ir_operand(op, 1), &by) || by <= 0 || by > INT32_MAX) return false;
    *e = c_binary(p, quotient ? "/" : "%", x[0], c_int_literal(p, FRIT_i32, by));
    return true;
}

/* Of i32s alone C would make an i32, where more is wanted. */
static void widen_narrow(cprinter *p, const ir_op *op, expr *x) {
    for (int i = 0; i < op->n_operands; i++)
        if (!c_knows(p, ir_operand(op, i), V_NARROW)) return;
    const char *was = arena_printf(p->a, "(%s)", c_scalar_type(p, FRIT_i32));
    const char *s = strncmp(x[0].s, was, strlen(was)) ? c_tight(p, x[0], PREC_UNARY) : x[0].s + strlen(was);
    x[0] = (expr){arena_printf(p->a, "(%s)%s", c_scalar_type(p, FRIT_i64), s), PREC_UNARY};
}

static bool may_grow(ir_opcode code) {
    return code == IR_add || code == IR_sub || code == IR_mul || code == IR_fma || code == IR_neg || code == IR_shl;
}

expr c_elementwise(cprinter *p, const ir_op *op) {
    expr x[3], e;
    for (int i = 0; i < op->n_operands; i++) x[i] = c_operand_of(p, op, i);
    frit_dtype t = (frit_dtype)ir_operand(op, op->code == IR_select)->type.dtype;
    ir_type to = ir_result(op, 0)->type;
    if (to.lanes > 1) return vector(p, op, t, to, x);
    bool narrow = c_knows(p, ir_result(op, 0), V_NARROW);
    if (at_most(p, op, &e) || turned(p, op, x, &e)) return e;
    if (op->code == IR_cast && to.dtype == FRIT_i32 && c_knows(p, ir_operand(op, 0), V_NARROW)) return x[0];
    if (narrow && op->code == IR_cast) to.dtype = FRIT_i32;
    else if (narrow) t = FRIT_i32;
    else if (t == FRIT_i64 && may_grow(op->code)) widen_narrow(p, op, x);
    else if (op->code != IR_select) widen_literals(p, op, t, x);
    if ((narrow || c_knows(p, ir_result(op, 0), V_INDEX)) && index_op(p, op, x, &e)) return e;
    if (plain_shift(p, op, t, x, &e) || plain_division(p, op, t, x, &e)) return e;
    bool product = op->code == IR_mul && (t == FRIT_f32 || t == FRIT_f64) && p->d->rounds_products;
    if (product && (c_math_result(p, ir_result(op, 0)) || may_be_joined(ir_result(op, 0)))) return rounded_product(p, t, x);
    return scalar(p, op->code, t, (frit_dtype)to.dtype, op->n_operands, x);
}

expr c_combine(cprinter *p, ir_combine c, frit_dtype t, expr x, expr y) {
    static const ir_opcode ops[IR_COMBINE_COUNT] = {[IR_SUM] = IR_add, [IR_PROD] = IR_mul, [IR_MAX] = IR_max,
                                                    [IR_MIN] = IR_min, [IR_ANY] = IR_or,   [IR_ALL] = IR_and};
    return ops[c] ? scalar(p, ops[c], t, t, 2, (expr[]){x, y}) : x;
}
