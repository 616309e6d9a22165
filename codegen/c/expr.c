/* Expressions with just the parentheses they need, and numbers. */
#include "printer_internal.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

expr c_primary(const char *s) { return (expr){s, PREC_PRIMARY}; }

const char *c_tight(cprinter *p, expr e, prec at) { return e.prec >= at ? e.s : arena_printf(p->a, "(%s)", e.s); }

static const struct {
    const char *op;
    prec prec;
} operators[] = {{"+", PREC_ADD}, {"-", PREC_ADD},  {"*", PREC_MUL},   {"/", PREC_MUL},    {"%", PREC_MUL},
                 {"<", PREC_REL}, {"<=", PREC_REL}, {">", PREC_REL},   {">=", PREC_REL},   {"==", PREC_EQ},
                 {"!=", PREC_EQ}, {"&", PREC_AND},  {"^", PREC_XOR},   {"|", PREC_OR},     {"<<", PREC_SHIFT},
                 {">>", PREC_SHIFT}, {"&&", PREC_LAND}, {"||", PREC_LOR}};

/* Beside the arithmetic and comparison that everyone reads alike, operands that are not simple get parentheses. */
expr c_binary(cprinter *p, const char *op, expr x, expr y) {
    prec at = PREC_MUL;
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (!strcmp(operators[i].op, op)) at = operators[i].prec;
    bool arithmetic = at == PREC_ADD || at == PREC_MUL || at == PREC_REL;
    bool chain = at == PREC_LAND || at == PREC_LOR;
    prec left = arithmetic ? at : chain ? (x.prec == at ? at : PREC_EQ) : PREC_UNARY;
    prec right = arithmetic ? at + 1 : chain ? PREC_EQ : PREC_UNARY;
    if (at == PREC_REL) left = right = PREC_ADD;
    if (at == PREC_EQ) left = right = PREC_ADD;
    return (expr){arena_printf(p->a, "%s %s %s", c_tight(p, x, left), op, c_tight(p, y, right)), at};
}

bool c_constant_int(const ir_value *v, int64_t *out) {
    if (!ir_is(v, IR_constant) || frit_dtype_is_float((frit_dtype)v->type.dtype)) return false;
    const ir_attr *value = ir_attr_get(v->op, IR_ATTR_value);
    if (v->type.lanes > 1 && value->data.bytes != frit_dtype_bytes((frit_dtype)v->type.dtype, 1)) return false;
    *out = frit_load_int((frit_dtype)v->type.dtype, value->data.p, 0);
    return true;
}

expr c_int_literal(cprinter *p, frit_dtype t, int64_t v) {
    if (t == FRIT_bool) return c_primary(v ? "true" : "false");
    const char *suffix = t == FRIT_u64 ? "ull" : t == FRIT_u32 ? "u" : t == FRIT_i64 && (v > INT32_MAX || v < -INT32_MAX) ? "ll" : "";
    if (t == FRIT_u64) return PRIMARY(p, "%lluull", (unsigned long long)v);
    if (v == INT64_MIN) return c_primary("(-9223372036854775807ll - 1)");
    if (v == INT32_MIN && t == FRIT_i32) return (expr){arena_printf(p->a, "(%s)0x80000000", c_scalar_type(p, t)), PREC_UNARY};
    expr e = PRIMARY(p, "%lld%s", (long long)v, suffix);
    if (v < 0) e.prec = PREC_UNARY;
    return e;
}

/* The shortest decimal that reads back as the same number. */
static expr decimal(cprinter *p, double v, bool single) {
    char b[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(b, sizeof b, "%.*g", digits, v);
        double back;
        sscanf(b, "%lf", &back);
        if (single ? (float)back == (float)v : back == v) break;
    }
    bool plain = !strpbrk(b, ".e");
    expr e = PRIMARY(p, "%s%s%s", b, plain ? ".0" : "", single ? "f" : "");
    if (signbit(v)) e.prec = PREC_UNARY;
    return e;
}

/* A NaN, or a number whose decimal form a compiler might not keep: by its bits. */
static expr by_bits(cprinter *p, frit_dtype t, uint64_t bits) {
    frit_dtype i = t == FRIT_f64 ? FRIT_i64 : FRIT_i32;
    return c_bits_of(p, i, t, c_int_literal(p, i, t == FRIT_f64 ? (int64_t)bits : (int32_t)bits));
}

expr c_literal(cprinter *p, frit_dtype t, const void *data, int64_t i) {
    if (!frit_dtype_is_float(t)) return c_int_literal(p, t, frit_load_int(t, data, i));
    unsigned bytes = frit_dtype_bits(t) / 8;
    uint64_t bits = 0;
    memcpy(&bits, (const char *)data + i * (int64_t)bytes, bytes);
    if (c_is_narrow_float(t)) return PRIMARY(p, "0x%0*llx", (int)bytes * 2, (unsigned long long)bits);
    double v = frit_load_float(t, data, i);
    if (isnan(v)) return by_bits(p, t, bits);
    if (isinf(v)) return v > 0 ? c_primary("INFINITY") : (expr){"-INFINITY", PREC_UNARY};
    return decimal(p, v, t == FRIT_f32);
}
