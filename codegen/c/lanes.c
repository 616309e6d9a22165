/* Lanes made, taken and combined. */
#include "printer_internal.h"
#include <ctype.h>
#include <string.h>

/* {x, y, ...} as a value of vector type t: a function of as many arguments, by name. */
static const char *zero_init(const cprinter *p) { return p->d->gnu_vectors ? " = {0}" : ""; }

expr c_scalar_of(cprinter *p, expr splat) {
    const char *s = strchr(splat.s, '(') + 1, *e = arena_printf(p->a, "%.*s", (int)strlen(s) - 1, s);
    size_t type = *e == '(' ? strcspn(e, ")") + 1 : 0; /* a cast */
    bool simple = true;
    for (const char *c = e + (type == 5 ? type : 0); *c; c++) simple = simple && (isalnum((unsigned char)*c) || *c == '_' || *c == '.' || (*c == '-' && (c == e || c[-1] == 'e')));
    return (expr){e, !simple ? PREC_COND : *e == '-' || *e == '(' ? PREC_UNARY : PREC_PRIMARY};
}

expr c_splat_of(cprinter *p, ir_type t, expr x) {
    if (t.lanes <= 1) return x;
    frit_dtype d = (frit_dtype)t.dtype;
    const char *type = c_type_of(p, t), *name = arena_printf(p->a, "splat_%s", c_type_tag(p, d, t.lanes));
    if (p->d->blocks) {
        return (expr){arena_printf(p->a, "%s(%s)", type, x.s), PREC_SPLAT};
    }
    const char *lane = c_as_lane(p, c_primary("x"), d), *all = "e";
    for (int i = 1; i < t.lanes; i++) all = arena_printf(p->a, "%s, e", all);
    bool vector = p->d->gnu_vectors && !(t.lanes & (t.lanes - 1));
    if (!c_helper_new(p, name)) return c_call(p, name, 1, &x);
    if (vector)
        c_helper_define(p, "%s %s %s(%s x) {\n    const %s e = %s;\n    %s r = {%s};\n    return r;\n}\n", p->d->inline_, type,
                        name, c_scalar_type(p, d), c_scalar_type(p, d == FRIT_bool ? FRIT_i8 : d), lane, type, all);
    else
        c_helper_define(p, "%s %s %s(%s x) {\n    %s r%s;\n    LANES(%d) %s = %s;\n    return r;\n}\n", p->d->inline_, type, name,
                      c_scalar_type(p, d), type, zero_init(p), t.lanes, c_lane_text(p, "r", "l", t.lanes),
                      c_as_lane(p, c_primary("x"), d));
    return c_call(p, name, 1, &x);
}

static expr ramp_of(cprinter *p, ir_type t, expr x) {
    if (t.lanes <= 1) return x;
    frit_dtype d = (frit_dtype)t.dtype;
    const char *type = c_type_of(p, t), *name = arena_printf(p->a, "ramp_%s", c_type_tag(p, d, t.lanes)), *s = c_scalar_type(p, d);
    if (c_helper_new(p, name)) {
        expr next = c_convert(p, FRIT_u64, d, (expr){arena_printf(p->a, "(%s)x + l", p->d->types[FRIT_u64]), PREC_ADD});
        if (d == FRIT_u64) next = (expr){"x + l", PREC_ADD};
        c_helper_define(p, "%s %s %s(%s x) {\n    %s r%s;\n    LANES(%d) %s = %s;\n    return r;\n}\n", p->d->inline_, type, name,
                      s, type, zero_init(p), t.lanes, c_lane_text(p, "r", "l", t.lanes), next.s);
    }
    return c_call(p, name, 1, &x);
}

/* Some of the lanes as a shorter vector. */
static expr lanes_from(cprinter *p, const ir_op *op, expr x) {
    ir_type from = ir_operand(op, 0)->type, to = ir_result(op, 0)->type;
    frit_dtype d = (frit_dtype)to.dtype;
    const char *name = arena_printf(p->a, "lanes_%s_%d", c_type_tag(p, d, from.lanes), to.lanes), *type = c_type_of(p, to);
    if (c_helper_new(p, name))
        c_helper_define(p, "%s %s %s(%s x, int first) {\n    %s r;\n    LANES(%d) %s = %s;\n    return r;\n}\n", p->d->inline_,
                        type, name, c_type_of(p, from), type, to.lanes, c_lane_text(p, "r", "l", to.lanes),
                        c_lane_text(p, "x", "(first + l)", from.lanes));
    return PRIMARY(p, "%s(%s, %d)", name, x.s, (int)ir_get_int(op, IR_ATTR_offset, 0));
}

static expr extract_of(cprinter *p, const ir_op *op, expr x) {
    ir_type t = ir_operand(op, 0)->type;
    if (t.lanes <= 1) return x;
    frit_dtype d = (frit_dtype)t.dtype;
    if (ir_result(op, 0)->type.lanes > 1) return lanes_from(p, op, x);
    const char *tag = c_type_tag(p, d, t.lanes), *name = arena_printf(p->a, "lane_%s", tag);
    if (c_helper_new(p, name))
        c_helper_define(p, "%s %s %s(%s x, int l) {\n    return %s;\n}\n", p->d->inline_, c_scalar_type(p, d), name, c_type_of(p, t),
                      c_lane_of(p, "x", t).s);
    return PRIMARY(p, "%s(%s, %d)", name, x.s, (int)ir_get_int(op, IR_ATTR_offset, 0));
}

static expr lane_at(cprinter *p, const char *vector, ir_type t, int l) {
    const char *e = c_lane_text(p, vector, arena_printf(p->a, "%d", l), t.lanes);
    return t.dtype == FRIT_bool ? PRIMARY(p, "(%s != 0)", e) : c_primary(e);
}

/* Lane i with lane i + n/2; an odd last lane is combined at the very end, in lane order. Unrolled: a handful of lanes. */
static expr tree(cprinter *p, text *body, ir_combine c, ir_type t) {
    frit_dtype d = (frit_dtype)t.dtype;
    const char *type = c_scalar_type(p, d);
    int n = t.lanes, n_odd = 0;
    expr *v = arena_array(p->a, expr, n), odd[32];
    for (int i = 0; i < n; i++) v[i] = lane_at(p, "x", t, i);
    for (int level = 0; n > 1; n /= 2, level++) {
        if (n % 2) odd[n_odd++] = v[n - 1];
        for (int i = 0; i < n / 2; i++) {
            const char *name = arena_printf(p->a, "%c%d", 'a' + level, i);
            text_printf(body, "    %s %s = %s;\n", type, name, c_combine(p, c, d, v[i], v[i + n / 2]).s);
            v[i] = c_primary(name);
        }
    }
    while (n_odd) v[0] = c_combine(p, c, d, v[0], odd[--n_odd]);
    return v[0];
}

static expr reduce_of(cprinter *p, const ir_op *op, expr x) {
    ir_type t = ir_operand(op, 0)->type;
    if (t.lanes <= 1) return x;
    frit_dtype d = (frit_dtype)t.dtype;
    ir_combine c = (ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SUM);
    const char *name = arena_printf(p->a, "%s_%s", c_combined_name(c), c_type_tag(p, d, t.lanes)), *type = c_type_of(p, t);
    if (c_helper_new(p, name)) {
        text body = {.a = p->a};
        text_put(&body, "");
        expr all = tree(p, &body, c, t);
        c_helper_define(p, "%s %s %s(%s x) {\n%s    return %s;\n}\n", p->d->inline_, c_scalar_type(p, d), name, type, body.s, all.s);
    }
    return c_call(p, name, 1, &x);
}

static expr reinterpreted(cprinter *p, const ir_op *op, expr x) {
    ir_type from = ir_operand(op, 0)->type, to = ir_result(op, 0)->type;
    const char *name = arena_printf(p->a, "as_%s_%s", c_type_tag(p, (frit_dtype)to.dtype, to.lanes),
                                    c_type_tag(p, (frit_dtype)from.dtype, from.lanes));
    const char *in = c_type_of(p, from), *out = c_type_of(p, to);
    if (from.lanes == 1 && to.lanes == 1) return c_bits_of(p, (frit_dtype)from.dtype, (frit_dtype)to.dtype, x);
    if (c_helper_new(p, name))
        c_helper_define(p, "%s %s %s(%s x) {\n    union { %s from; %s to; } u;\n    u.from = x;\n    return u.to;\n}\n", p->d->inline_,
                        out, name, in, in, out);
    return c_call(p, name, 1, &x);
}

/* A constant whose lanes differ is made lane by lane, once in a kernel. */
typedef struct lane_constant {
    ir_type t;
    const void *bytes;
    const char *name;
    struct lane_constant *next;
} lane_constant;

static const char *lane_by_lane(cprinter *p, ir_type t, const void *bytes) {
    frit_dtype d = (frit_dtype)t.dtype;
    size_t n = (size_t)frit_dtype_bytes(d, t.lanes);
    for (const lane_constant *c = p->constants; c; c = c->next)
        if (c->t.dtype == t.dtype && c->t.lanes == t.lanes && !memcmp(c->bytes, bytes, n)) return c->name;
    const char *name = c_lasting_name(p, "constant"), *type = c_type_of(p, t);
    text_printf(&p->locals, "    %s %s%s;\n", type, name, zero_init(p));
    for (int l = 0; l < t.lanes; l++)
        text_printf(&p->locals, "    %s = %s;\n", c_lane_text(p, name, arena_printf(p->a, "%d", l), t.lanes),
                    c_as_lane(p, c_literal(p, d, bytes, l), d));
    lane_constant *c = arena_new_of(p->a, lane_constant);
    *c = (lane_constant){t, bytes, name, p->constants};
    p->constants = c;
    return name;
}

void c_constant(cprinter *p, const ir_op *op) {
    const ir_value *v = ir_result(op, 0);
    frit_dtype d = (frit_dtype)v->type.dtype;
    const ir_attr *value = ir_attr_get(op, IR_ATTR_value);
    bool splat = v->type.lanes <= 1 || value->data.bytes < frit_dtype_bytes(d, v->type.lanes);
    if (splat) c_bind(p, v, c_splat_of(p, v->type, c_literal(p, d, value->data.p, 0)));
    else p->value[v->id] = c_primary(lane_by_lane(p, v->type, value->data.p));
}

expr c_lanes_op(cprinter *p, const ir_op *op) {
    ir_type t = ir_result(op, 0)->type;
    switch (op->code) {
    case IR_splat: return c_splat_of(p, t, c_operand_of(p, op, 0));
    case IR_ramp: return ramp_of(p, t, c_operand_of(p, op, 0));
    case IR_extract: return extract_of(p, op, c_operand_of(p, op, 0));
    case IR_reinterpret: return reinterpreted(p, op, c_operand_of(p, op, 0));
    default: return reduce_of(p, op, c_operand_of(p, op, 0));
    }
}
