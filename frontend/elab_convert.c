/* Values as tensors: integers over index axes, literals, lists of numbers; casts. */
#include "elab_internal.h"

struct axes_of {
    elab *e;
    VEC(iaxis *) list;
};

static void add_axis(void *u, sym_t var) {
    struct axes_of *c = u;
    int id = sym_var_id(var);
    iaxis *x = id < c->e->axis_of_var.len ? c->e->axis_of_var.data[id] : NULL;
    if (!x)
        return;
    int at = c->list.len;
    vec_push(c->e->a, &c->list, x);
    for (; at > 0 && c->list.data[at - 1]->id > x->id; at--)
        c->list.data[at] = c->list.data[at - 1];
    c->list.data[at] = x;
}

void el_sym_axes(elab *e, sym_t s, iaxis ***axes, int *n) {
    struct axes_of c = {e, {0}};
    sym_each_var(s, add_axis, &c);
    *axes = c.list.data;
    *n = c.list.len;
}

static val var_tensor(elab *e, sym_t var) {
    iaxis **axes;
    int n;
    el_sym_axes(e, var, &axes, &n);
    if (!n)
        return v_tensor(ir_size(&e->b, var));
    val i = v_tensor_axes(ir_iota(&e->b, ir_tensor(e->m, FRIT_i64, 1, &axes[0]->extent), 0), 1, axes);
    return sym_is(axes[0]->lo, 0) ? i : el_binary(e, IR_add, i, el_sym_tensor(e, axes[0]->lo), e->b.span);
}

static val scalar_i64(elab *e, int64_t v) { return v_tensor(ir_splat_int(&e->b, ir_scalar(FRIT_i64), v)); }

/* A product of atoms: each factor in turn. */
static val product_tensor(elab *e, sym_t s) {
    val r = {0};
    for (int i = 0; i < sym_n_atoms(s); i++) {
        val f = el_sym_tensor(e, sym_atom(s, i));
        r = i ? el_binary(e, IR_mul, r, f, e->b.span) : f;
    }
    return r;
}

static val sum_tensor(elab *e, sym_t s) {
    int64_t c = sym_constant_part(s);
    val r = c ? scalar_i64(e, c) : v_none();
    for (int i = 0; i < sym_n_terms(s); i++) {
        sym_t atoms;
        int64_t k = sym_term(e->s, s, i, &atoms);
        val t = el_sym_tensor(e, atoms);
        if (k != 1)
            t = el_binary(e, IR_mul, t, scalar_i64(e, k), e->b.span);
        r = r.kind == V_NONE ? t : el_binary(e, IR_add, r, t, e->b.span);
    }
    return r;
}

val el_sym_tensor(elab *e, sym_t s) {
    int64_t c;
    iaxis **axes;
    int n;
    if (sym_is_const(s, &c))
        return scalar_i64(e, c);
    el_sym_axes(e, s, &axes, &n);
    if (!n)
        return v_tensor(ir_size(&e->b, s));
    ir_opcode op;
    switch (sym_kind_of(s)) {
    case SYM_VAR: return var_tensor(e, s);
    case SYM_FLOORDIV: op = IR_floordiv; break;
    case SYM_MOD: op = IR_mod; break;
    case SYM_MIN: op = IR_min; break;
    case SYM_MAX: op = IR_max; break;
    case SYM_PRODUCT: if (sym_n_terms(s) == 1 && sym_n_atoms(s) > 1) return product_tensor(e, s); /* fallthrough */
    default: return sum_tensor(e, s);
    }
    return el_binary(e, op, el_sym_tensor(e, sym_arg(s, 0)), el_sym_tensor(e, sym_arg(s, 1)), e->b.span);
}

static bool fits(frit_dtype t, int64_t v) {
    unsigned bits = frit_dtype_bits(t);
    if (t == FRIT_bool)
        return v == 0 || v == 1;
    if (frit_dtype_kind_of(t) == FRIT_KIND_UINT)
        return v >= 0 && (bits == 64 || v < (int64_t)1 << bits);
    return bits == 64 || (v >= -((int64_t)1 << (bits - 1)) && v < (int64_t)1 << (bits - 1));
}

static val wrong_literal(elab *e, val v, frit_dtype t, ir_span at) {
    diag_record *r = diag_report(e->d, MSG_LITERAL_DTYPE, el_at(e, at), el_describe(e, v), frit_dtype_name(t));
    return el_fail(e, r);
}

static val int_tensor(elab *e, val v, frit_dtype t, ir_span at) {
    int64_t c;
    if (sym_is_const(v.i, &c)) {
        if (frit_dtype_is_float(t))
            return v_tensor(ir_splat(&e->b, ir_scalar(t), (double)c));
        if (!fits(t, c))
            return wrong_literal(e, v, t, at);
        return v_tensor(ir_splat_int(&e->b, ir_scalar(t), c));
    }
    val s = el_sym_tensor(e, v.i);
    if (t == FRIT_bool)
        return wrong_literal(e, v, t, at);
    s.t = ir_cast(&e->b, s.t, t);
    return s;
}

val el_no_tensor(elab *e, val v, ir_span at) {
    if (v.kind == V_ERROR)
        return v;
    if (v.kind == V_NONE)
        return el_fail(e, diag_report(e->d, MSG_ABSENT, el_at(e, at)));
    return el_fail(e, diag_report(e->d, MSG_EXPECTED_VALUE, el_at(e, at), "a tensor", el_describe(e, v)));
}

/* A (nested) list of numbers: a constant tensor. Rows must have equal lengths. */
typedef struct table {
    int rank;
    sym_t dims[IR_MAX_RANK];
    int64_t size[IR_MAX_RANK];
    frit_dtype t;
    int64_t n;
    VEC(val) items;
} table;

static bool flatten(elab *e, val v, int depth, table *t) {
    if (v.kind != V_LIST) {
        vec_push(e->a, &t->items, v);
        return depth == t->rank && (v.kind == V_INT || v.kind == V_NUM || v.kind == V_BOOL);
    }
    if (depth >= IR_MAX_RANK || (depth == t->rank && t->items.len))
        return false;
    if (depth == t->rank) {
        t->size[t->rank] = v.count;
        t->dims[t->rank++] = sym_const(e->s, v.count);
    }
    if (t->size[depth] != v.count)
        return false;
    for (int i = 0; i < v.count; i++)
        if (!flatten(e, v.items[i], depth + 1, t))
            return false;
    return true;
}

static val list_tensor(elab *e, val v, frit_dtype want, ir_span at) {
    table t = {0};
    if (!flatten(e, v, 0, &t) || !t.items.len)
        return el_no_tensor(e, v, at);
    bool any_num = false, all_bool = true;
    for (int i = 0; i < t.items.len; i++) {
        any_num |= t.items.data[i].kind == V_NUM;
        all_bool &= t.items.data[i].kind == V_BOOL;
    }
    frit_dtype d = want != FRIT_DTYPE_COUNT ? want : any_num ? FRIT_f32 : all_bool ? FRIT_bool : FRIT_i64;
    int64_t bytes = frit_dtype_bytes(d, t.items.len);
    char *data = arena_alloc(e->a, (size_t)bytes);
    for (int i = 0; i < t.items.len; i++) {
        val x = t.items.data[i];
        int64_t c = x.kind == V_BOOL ? x.b : 0;
        if (x.kind == V_INT && !sym_is_const(x.i, &c))
            return el_fail(e, diag_report(e->d, MSG_NOT_STATIC, el_at(e, at), "an element of a list of numbers"));
        if (frit_dtype_is_float(d))
            frit_store_float(d, data, i, x.kind == V_NUM ? x.num : (double)c);
        else if (x.kind == V_NUM || !fits(d, c))
            return wrong_literal(e, x, d, at);
        else
            frit_store_int(d, data, i, c);
    }
    val r = v_tensor(ir_dense(&e->b, ir_tensor(e->m, d, t.rank, t.dims), data, bytes));
    if (want == FRIT_DTYPE_COUNT && !all_bool)
        r.weak = any_num ? WEAK_NUM : WEAK_INT;
    return r;
}

/* With t == COUNT the result is weak (i64 or f32) where v is a literal or dim. */
val el_tensor(elab *e, val v, frit_dtype t, ir_span at) {
    bool chosen = t != FRIT_DTYPE_COUNT;
    val r;
    switch ((val_kind)v.kind) {
    case V_TENSOR: return chosen && v.weak ? el_cast(e, v, t, at) : v;
    case V_INT:
        r = int_tensor(e, v, chosen ? t : FRIT_i64, at);
        r.weak = r.kind == V_TENSOR && !chosen ? WEAK_INT : STRONG;
        return r;
    case V_NUM:
        if (chosen && !frit_dtype_is_float(t))
            return wrong_literal(e, v, t, at);
        r = v_tensor(ir_splat(&e->b, ir_scalar(chosen ? t : FRIT_f32), v.num));
        r.weak = chosen ? STRONG : WEAK_NUM;
        return r;
    case V_BOOL:
        if (chosen && t != FRIT_bool)
            return wrong_literal(e, v, t, at);
        return v_tensor(ir_splat_int(&e->b, ir_scalar(FRIT_bool), v.b));
    case V_COND: return el_cond_tensor(e, v);
    case V_LIST: return list_tensor(e, v, t, at);
    default: return el_no_tensor(e, v, at);
    }
}

val el_strong(elab *e, val v, ir_span at) {
    v = el_tensor(e, v, FRIT_DTYPE_COUNT, at);
    v.weak = STRONG;
    return v;
}

val el_cast(elab *e, val v, frit_dtype t, ir_span at) {
    if (v.kind != V_TENSOR) {
        int64_t c;
        if (v.kind == V_NUM && !frit_dtype_is_float(t)) /* i32(2.5): converted as run-time values are */
            return v_tensor(ir_splat_int(&e->b, ir_scalar(t), t == FRIT_bool ? v.num != 0 : frit_int_from_double(t, v.num)));
        if (el_const_int(v, &c) && !frit_dtype_is_float(t)) {
            uint64_t cell = 0;
            frit_store_int(t, &cell, 0, c);
            return v_tensor(ir_splat_int(&e->b, ir_scalar(t), frit_load_int(t, &cell, 0)));
        }
        if (v.kind == V_INT)
            return int_tensor(e, v, t, at);
        v = el_strong(e, v, at);
        if (v.kind != V_TENSOR)
            return v;
    }
    v.t = ir_cast(&e->b, v.t, t);
    v.weak = STRONG;
    return v;
}
