/* Loads, stores and addresses. */
#include "printer_internal.h"

static frit_dtype pointee(const ir_op *op) { return (frit_dtype)ir_operand(op, 0)->type.dtype; }

expr c_element_address(cprinter *p, expr ptr, expr index) {
    return index.s[0] == '0' && !index.s[1] ? ptr : c_binary(p, "+", ptr, index);
}

static expr element(cprinter *p, expr ptr, expr index) {
    return PRIMARY(p, "%s[%s]", c_tight(p, ptr, PREC_PRIMARY), index.s);
}

/* ------------ scalars */
/* Element i of 4-bit elements is a half of byte i / 2. */
static const char *nibble_helper(cprinter *p, const char *what, frit_dtype t) {
    const char *name = arena_printf(p->a, "%s_%s", what, frit_dtype_name(t));
    if (!c_helper_new(p, name)) return name;
    if (*what == 's')
        c_helper_define(p,
                      "%s void %s(u8 *p, i64 i, %s x) {\n    int shift = (int)(i & 1) * 4;\n"
                      "    p[i >> 1] = (u8)((p[i >> 1] & ~(15 << shift)) | (x & 15) << shift);\n}\n",
                      p->d->inline_, name, c_scalar_type(p, t));
    else
        c_helper_define(p, "%s %s %s(const u8 *p, i64 i) {\n    int half = p[i >> 1] >> (int)(i & 1) * 4 & 15;\n    return (%s)(%s);\n}\n",
                      p->d->inline_, c_scalar_type(p, t), name, c_scalar_type(p, t), t == FRIT_i4 ? "(half ^ 8) - 8" : "half");
    return name;
}

static expr load_one(cprinter *p, frit_dtype t, expr ptr, expr index) {
    if (c_is_nibble(t)) return c_call(p, nibble_helper(p, "load", t), 2, (expr[]){ptr, index});
    expr e = element(p, ptr, index);
    return t == FRIT_bool ? c_binary(p, "!=", e, c_primary("0")) : e;
}

static const char *store_one(cprinter *p, frit_dtype t, expr ptr, expr index, expr x) {
    if (c_is_nibble(t)) return c_call(p, nibble_helper(p, "store", t), 3, (expr[]){ptr, index, x}).s;
    return arena_printf(p->a, "%s = %s", element(p, ptr, index).s, x.s);
}

/* ------------ lanes */
/* How lane l is found: consecutive from i, or at lane l of the vector i. */
typedef struct access {
    const ir_op *op;
    frit_dtype t;
    ir_type x;            /* of what is loaded or stored */
    bool lanes, masked, aligned;
    const char *name;
} access;

static access describe(cprinter *p, const ir_op *op, ir_type x, bool masked) {
    access a = {op, pointee(op), x, op->code == IR_load_lanes || op->code == IR_store_lanes, masked, false, NULL};
    int64_t bytes = frit_dtype_bytes(a.t, x.lanes), align = ir_get_int(op, IR_ATTR_align, 0);
    a.aligned = !a.lanes && !masked && p->d->blocks && !c_is_nibble(a.t) && a.t != FRIT_bool && align >= (bytes > 16 ? 16 : bytes) && !(bytes & (bytes - 1));
    bool store = op->code == IR_store || op->code == IR_store_lanes;
    const char *verb = a.lanes ? (store ? "scatter" : "gather") : store ? "store" : "load";
    a.name = arena_printf(p->a, "%s%s%s_%s", verb, a.aligned ? "_aligned" : "", masked ? "_if" : "", c_type_tag(p, a.t, x.lanes));
    return a;
}

static expr lane_index(cprinter *p, const access *a) {
    if (c_is_nibble(a->t) && !a->lanes) return (expr){"i + l", PREC_ADD};
    return a->lanes ? c_primary(c_lane_text(p, "i", "l", a->x.lanes)) : c_primary("l");
}

/* The address of consecutive elements is computed before the call, but for 4-bit ones. */
static bool has_index(const access *a) { return a->lanes || c_is_nibble(a->t); }

static const char *index_arg(cprinter *p, const access *a) {
    if (c_is_nibble(a->t) && !a->lanes) return ", i64 i";
    return a->lanes ? arena_printf(p->a, ", %s i", c_type_of(p, ir_vector(FRIT_i64, a->x.lanes))) : "";
}

static const char *storage(cprinter *p, const access *a) {
    return p->d->gnu_vectors && (a->lanes || a->masked) ? "LANEWISE" : p->d->inline_;
}

static void define_load(cprinter *p, const access *a) {
    const char *type = c_type_of(p, a->x), *index = index_arg(p, a);
    const char *mask = a->masked ? arena_printf(p->a, ", %s mask, %s other", c_type_of(p, ir_vector(FRIT_bool, a->x.lanes)), type) : "";
    const char *lane = c_lane_text(p, "r", "l", a->x.lanes);
    expr x = load_one(p, a->t, c_primary("p"), lane_index(p, a));
    c_helper_define(p, "%s %s %s(const %s *p%s%s) {\n", storage(p, a), type, a->name, c_memory_type(p, a->t), index, mask);
    if (a->aligned) {
        c_helper_define(p, "    return *(const %s *)p;\n}\n", type);
        return;
    }
    c_helper_define(p, "    %s r = %s;\n", type, a->masked ? "other" : p->d->gnu_vectors ? "{0}" : "{}");
    bool whole = !a->lanes && !a->masked && !c_is_nibble(a->t) && a->t != FRIT_bool;
    if (whole && p->d->gnu_vectors) c_helper_define(p, "    memcpy(&r, p, sizeof r);\n");
    else
        c_helper_define(p, "    LANES(%d) %s%s = %s;\n", a->x.lanes,
                      a->masked ? arena_printf(p->a, "if (%s) ", c_lane_text(p, "mask", "l", a->x.lanes)) : "", lane,
                      c_as_lane(p, x, a->t));
    c_helper_define(p, "    return r;\n}\n");
}

expr c_load_of(cprinter *p, const ir_op *op) {
    ir_type t = ir_result(op, 0)->type;
    expr ptr = c_operand_of(p, op, 0), index = c_operand_of(p, op, 1);
    bool masked = op->n_operands > 2;
    if (t.lanes <= 1) {
        expr e = load_one(p, pointee(op), ptr, index);
        if (!masked) return e;
        expr other = op->n_operands > 3 ? c_operand_of(p, op, 3) : c_primary("0");
        return (expr){arena_printf(p->a, "%s ? %s : %s", c_tight(p, c_operand_of(p, op, 2), PREC_LOR), c_tight(p, e, PREC_LOR),
                                   c_tight(p, other, PREC_COND)), PREC_COND};
    }
    access a = describe(p, op, t, masked);
    if (c_helper_new(p, a.name)) define_load(p, &a);
    expr x[4];
    int n = 0;
    x[n++] = has_index(&a) ? ptr : c_element_address(p, ptr, index);
    if (has_index(&a)) x[n++] = index;
    if (masked) {
        x[n++] = c_operand_of(p, op, 2);
        expr other = op->n_operands > 3 ? c_operand_of(p, op, 3) : c_splat_of(p, t, c_int_literal(p, a.t, 0));
        x[n++] = other.prec == PREC_SPLAT ? c_scalar_of(p, other) : other;
    }
    return c_call(p, a.name, n, x);
}

static void define_store(cprinter *p, const access *a) {
    const char *type = c_type_of(p, a->x), *index = index_arg(p, a);
    const char *mask = a->masked ? arena_printf(p->a, ", %s mask", c_type_of(p, ir_vector(FRIT_bool, a->x.lanes))) : "";
    const char *one = store_one(p, a->t, c_primary("p"), lane_index(p, a), c_lane_of(p, "x", a->x));
    c_helper_define(p, "%s void %s(%s *p%s, %s x%s) {\n", storage(p, a), a->name, c_memory_type(p, a->t), index, type, mask);
    bool whole = !a->lanes && !a->masked && !c_is_nibble(a->t) && a->t != FRIT_bool;
    if (a->aligned) c_helper_define(p, "    *(%s *)p = x;\n", type);
    else if (whole && p->d->gnu_vectors) c_helper_define(p, "    memcpy(p, &x, sizeof x);\n");
    else
        c_helper_define(p, "    LANES(%d) %s%s;\n", a->x.lanes,
                      a->masked ? arena_printf(p->a, "if (%s) ", c_lane_text(p, "mask", "l", a->x.lanes)) : "", one);
    c_helper_define(p, "}\n");
}

void c_store(cprinter *p, const ir_op *op) {
    ir_type t = ir_operand(op, 2)->type;
    expr ptr = c_operand_of(p, op, 0), index = c_operand_of(p, op, 1), x = c_operand_of(p, op, 2);
    bool masked = op->n_operands > 3;
    if (t.lanes <= 1) {
        const char *s = store_one(p, pointee(op), ptr, index, x);
        if (masked) c_line(p, "if (%s) %s;", c_operand_of(p, op, 3).s, s);
        else c_line(p, "%s;", s);
        return;
    }
    access a = describe(p, op, t, masked);
    if (c_helper_new(p, a.name)) define_store(p, &a);
    expr v[4];
    int n = 0;
    v[n++] = has_index(&a) ? ptr : c_element_address(p, ptr, index);
    if (has_index(&a)) v[n++] = index;
    v[n++] = x.prec == PREC_SPLAT ? c_scalar_of(p, x) : x;
    if (masked) v[n++] = c_operand_of(p, op, 3);
    c_line(p, "%s;", c_call(p, a.name, n, v).s);
}

/* ------------ pointers */
/* A pointer is called after what it leads into. */
static const char *pointer_name(cprinter *p, const ir_value *v) {
    const char *of = v->name ? v->name : c_base_name(p, v);
    return c_fresh_name(p, v->name ? v->name : of ? arena_printf(p->a, "%s_part", of) : "part");
}

static const char *const_of(const cprinter *p, const ir_value *v) {
    int root = p->roots[v->id];
    return root && !p->written[root - 1] ? "const " : "";
}

void c_pointer(cprinter *p, const ir_op *op) {
    const ir_value *v = ir_result(op, 0);
    frit_dtype t = (frit_dtype)v->type.dtype;
    const sym_t *size;
    int64_t n = 0;
    if (op->code == IR_local) {
        if (ir_get_syms(op, IR_ATTR_size, &size) == 1) sym_is_const(size[0], &n);
        const char *name = c_lasting_name(p, v->name ? v->name : v->hint ? v->hint : "local");
        unsigned align = (unsigned)ir_get_int(op, IR_ATTR_align, 0);
        int64_t elements = c_is_nibble(t) ? (n + 1) / 2 : n;
        text_printf(&p->locals, "    %s%s %s[%lld];\n", align ? arena_printf(p->a, "__attribute__((aligned(%u))) ", align) : "",
                    c_memory_type(p, t), name, (long long)(elements ? elements : 1));
        p->value[v->id] = c_primary(name);
        return;
    }
    expr x = c_operand_of(p, op, 0);
    if (op->code == IR_ptradd) {
        expr i = c_operand_of(p, op, 1);
        x = c_element_address(p, x, c_is_nibble(t) ? c_binary(p, "/", i, c_primary("2")) : i);
    } else {
        x = (expr){arena_printf(p->a, "(%s%s *)%s", const_of(p, v), c_memory_type(p, t), c_tight(p, x, PREC_UNARY)), PREC_UNARY};
    }
    if (c_knows(p, v, V_INLINE)) {
        p->value[v->id] = x;
        return;
    }
    const char *name = pointer_name(p, v);
    c_line(p, "%s%s *%s = %s;", const_of(p, v), c_memory_type(p, t), name, x.s);
    p->value[v->id] = c_primary(name);
}
