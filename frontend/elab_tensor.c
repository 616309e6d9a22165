/* Tensor operations on elaboration values. A tensor's index axes stand in front of its own dims and are carried along
 * by every operation, so that whatever is written for one element works for all of them at once. */
#include "elab_internal.h"
#include <string.h>

/* ---- Host values as tensors --------------------------------------------------------------------------------------- */

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

static val no_tensor(elab *e, val v, ir_span at) {
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
        return no_tensor(e, v, at);
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
    default: return no_tensor(e, v, at);
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

/* ---- Dtypes -------------------------------------------------------------------------------------------------------- */

static weakness weakness_of(val v) {
    return v.kind == V_INT ? WEAK_INT : v.kind == V_NUM ? WEAK_NUM : v.kind == V_TENSOR ? (weakness)v.weak : STRONG;
}
static frit_dtype strong_dtype(val v) {
    return v.kind == V_BOOL || v.kind == V_COND ? FRIT_bool : el_dtype(v);
}

static bool mixed(elab *e, val x, val y, const char *what, ir_span at) {
    frit_dtype a = strong_dtype(x), b = strong_dtype(y);
    diag_record *r = diag_report(e->d, MSG_MIXED_DTYPES, el_at(e, at), frit_dtype_name(a), frit_dtype_name(b), what);
    diag_suggest(e->d, r, "cast one side, for example %s(...)", frit_dtype_name(a));
    el_fail(e, r);
    return false;
}

frit_dtype el_common_dtype(elab *e, const val *v, int n, const char *what, ir_span at) {
    const val *strong = NULL;
    weakness weakest = WEAK_INT;
    for (int i = 0; i < n; i++) {
        if (v[i].kind == V_ERROR)
            return FRIT_DTYPE_COUNT;
        if (!el_is_host(v[i]) && v[i].kind != V_TENSOR) {
            no_tensor(e, v[i], at);
            return FRIT_DTYPE_COUNT;
        }
        weakness w = weakness_of(v[i]);
        if (w != STRONG)
            weakest = w > weakest ? w : weakest;
        else if (!strong)
            strong = &v[i];
        else if (strong_dtype(*strong) != strong_dtype(v[i]) && !mixed(e, *strong, v[i], what, at))
            return FRIT_DTYPE_COUNT;
    }
    return strong ? strong_dtype(*strong) : weakest == WEAK_NUM ? FRIT_f32 : FRIT_i64;
}

/* ---- Shapes -------------------------------------------------------------------------------------------------------- */

int el_union_axes(elab *e, const val *v, int n, iaxis ***out) {
    VEC(iaxis *) u = {0};
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < v[i].n_axes; k++) {
            iaxis *x = v[i].axes[k];
            int at = u.len;
            while (at > 0 && u.data[at - 1]->id > x->id)
                at--;
            if (at > 0 && u.data[at - 1] == x)
                continue;
            vec_push(e->a, &u, x);
            for (int j = u.len - 1; j > at; j--)
                u.data[j] = u.data[j - 1];
            u.data[at] = x;
        }
    }
    *out = u.data;
    return u.len;
}

val el_spread(elab *e, val v, int n_axes, iaxis *const *axes, int rank, const sym_t *dims) {
    sym_t all[2 * IR_MAX_RANK];
    int64_t to[2 * IR_MAX_RANK];
    int own = el_rank(v), total = n_axes + rank;
    bool same = v.n_axes == n_axes && own == rank;
    for (int i = 0; i < n_axes; i++)
        all[i] = axes[i]->extent;
    for (int i = 0; i < rank; i++)
        all[n_axes + i] = dims[i];
    for (int i = 0, k = 0; i < v.n_axes; i++) {
        while (axes[k] != v.axes[i])
            k++;
        to[i] = k;
    }
    for (int i = 0; i < own; i++)
        to[v.n_axes + i] = n_axes + rank - own + i;
    for (int i = 0; same && i < total; i++)
        same = v.t->type.dims[i] == all[i];
    if (same)
        return v;
    val r = v_tensor_axes(ir_broadcast(&e->b, v.t, total, all, to), n_axes, axes);
    r.weak = v.weak;
    return r;
}

static bool no_broadcast(elab *e, val x, val y, ir_span at) {
    diag_record *r = diag_report(e->d, MSG_BROADCAST, el_at(e, at), el_shape_text(e, x), el_shape_text(e, y));
    diag_note(e->d, r, (ir_span){0}, "dims must be equal, or 1 in the source");
    el_fail(e, r);
    return false;
}

/* v with one own dim written differently: the two are equal when the checks hold. */
val el_with_dim(elab *e, val v, int k, sym_t dim) {
    sym_t dims[IR_MAX_RANK];
    for (int i = 0; i < el_rank(v); i++)
        dims[i] = i == k ? dim : el_dims(v)[i];
    return el_reshape(e, v, el_rank(v), dims);
}

/* NumPy's rule over own dims, but only equal dims or a literal 1. */
static bool broadcast_dims(elab *e, val *v, int n, int *rank, sym_t *dims, ir_span at) {
    *rank = 0;
    for (int i = 0; i < n; i++)
        *rank = el_rank(v[i]) > *rank ? el_rank(v[i]) : *rank;
    for (int k = 0; k < *rank; k++) {
        int from = -1;
        dims[k] = sym_const(e->s, 1);
        for (int i = 0; i < n; i++) {
            int j = k - (*rank - el_rank(v[i]));
            if (j < 0 || sym_is(el_dims(v[i])[j], 1) || el_dims(v[i])[j] == dims[k])
                continue;
            if (from >= 0 && !el_dims_merge(e, dims[k], el_dims(v[i])[j])) {
                if (!el_dims_assume(e, dims[k], el_dims(v[i])[j], at))
                    return no_broadcast(e, v[from], v[i], at);
                v[i] = el_with_dim(e, v[i], j, dims[k]);
            }
            if (from >= 0) /* two names became one dim: everything read so far may be out of date */
                return broadcast_dims(e, v, n, rank, dims, at);
            from = i;
            dims[k] = el_dims(v[i])[j];
        }
    }
    return true;
}

bool el_align(elab *e, val *v, int n, ir_span at) {
    iaxis **axes;
    int rank, n_axes = el_union_axes(e, v, n, &axes);
    sym_t dims[IR_MAX_RANK];
    if (!broadcast_dims(e, v, n, &rank, dims, at))
        return false;
    if (n_axes + rank > IR_MAX_RANK) {
        el_fail(e, diag_report(e->d, MSG_RANK_LIMIT, el_at(e, at), n_axes + rank, IR_MAX_RANK));
        return false;
    }
    for (int i = 0; i < n; i++)
        v[i] = el_spread(e, v[i], n_axes, axes, rank, dims);
    return true;
}

/* ---- Elementwise --------------------------------------------------------------------------------------------------- */

static bool operand_kind(elab *e, ir_opcode op, frit_dtype t, const char *name, ir_span at) {
    uint32_t flags = ir_op_table[op].flags;
    const char *need = NULL;
    bool bits = op == IR_and || op == IR_or || op == IR_xor || op == IR_not;
    bool any = op == IR_eq || op == IR_ne || op == IR_lt || op == IR_le || op == IR_min || op == IR_max;
    if ((flags & IR_F_FLOAT) && !frit_dtype_is_float(t))
        need = "floating-point";
    else if ((flags & IR_F_INT) && !frit_dtype_is_int(t) && !(bits && t == FRIT_bool))
        need = bits ? "integer or bool" : "integer";
    else if (t == FRIT_bool && !bits && !any)
        need = "number";
    if (!need)
        return true;
    diag_record *r = diag_report(e->d, MSG_OPERAND_KIND, el_at(e, at), name, need, frit_dtype_name(t));
    diag_suggest(e->d, r, "cast it first, for example f32(...)");
    el_fail(e, r);
    return false;
}

val el_elementwise(elab *e, ir_opcode op, const val *in, int n, const char *name, ir_span at) {
    val v[3] = {0};
    for (int i = 0; i < n; i++) {
        v[i] = in[i].kind == V_LIST ? el_tensor(e, in[i], FRIT_DTYPE_COUNT, at) : in[i];
        if (v[i].kind == V_ERROR)
            return v_error();
    }
    frit_dtype t = el_common_dtype(e, v, n, name, at);
    if (t == FRIT_DTYPE_COUNT)
        return v_error();
    bool weak = true;
    weakness weakest = WEAK_INT;
    for (int i = 0; i < n; i++) {
        weak &= weakness_of(v[i]) != STRONG;
        weakest = weakness_of(v[i]) == WEAK_NUM ? WEAK_NUM : weakest;
    }
    if (weak && t == FRIT_i64 && (ir_op_table[op].flags & IR_F_FLOAT)) { /* sqrt of a dim: as a number */
        t = FRIT_f32;
        weakest = WEAK_NUM;
    }
    if (!operand_kind(e, op, t, name, at))
        return v_error();
    for (int i = 0; i < n; i++) {
        v[i] = el_tensor(e, v[i], t, at);
        if (v[i].kind == V_ERROR)
            return v_error();
    }
    if (!el_align(e, v, n, at))
        return v_error();
    ir_value *x = n == 1 ? ir_unary(&e->b, op, v[0].t)
                  : n == 2 ? ir_binary(&e->b, op, v[0].t, v[1].t) : ir_fma(&e->b, v[0].t, v[1].t, v[2].t);
    val r = v_tensor_axes(x, v[0].n_axes, v[0].axes);
    r.weak = weak && !(ir_op_table[op].flags & IR_F_COMPARE) ? weakest : STRONG;
    return r;
}

val el_unary(elab *e, ir_opcode op, val x, ir_span at) { return el_elementwise(e, op, &x, 1, ir_op_table[op].name, at); }
val el_binary(elab *e, ir_opcode op, val x, val y, ir_span at) {
    return el_elementwise(e, op, (val[]){x, y}, 2, ir_op_table[op].name, at);
}

val el_select(elab *e, val c, val x, val y, ir_span at) {
    c = el_tensor(e, c, FRIT_DTYPE_COUNT, at);
    val v[3] = {c, x, y};
    frit_dtype t = el_common_dtype(e, v + 1, 2, "a choice", at);
    if (c.kind == V_ERROR || t == FRIT_DTYPE_COUNT)
        return v_error();
    if (el_dtype(c) != FRIT_bool)
        return el_fail(e, diag_report(e->d, MSG_BAD_CONDITION, el_at(e, at), el_describe(e, c)));
    bool weak = weakness_of(x) != STRONG && weakness_of(y) != STRONG;
    for (int i = 1; i < 3; i++) {
        v[i] = el_tensor(e, v[i], t, at);
        if (v[i].kind == V_ERROR)
            return v_error();
    }
    if (!el_align(e, v, 3, at))
        return v_error();
    val r = v_tensor_axes(ir_select(&e->b, v[0].t, v[1].t, v[2].t), v[0].n_axes, v[0].axes);
    r.weak = weak ? (t == FRIT_i64 ? WEAK_INT : WEAK_NUM) : STRONG;
    return r;
}

/* ---- Reductions and views ------------------------------------------------------------------------------------------ */

val el_reduce(elab *e, ir_combine c, val x, int n, const int *axes, bool keep, frit_dtype t, ir_span at) {
    int64_t at_axis[IR_MAX_RANK];
    sym_t dims[IR_MAX_RANK];
    int rank = el_rank(x);
    for (int i = 0; i < n; i++)
        at_axis[i] = axes[i] + x.n_axes;
    val r = x;
    if (n)
        r = v_tensor_axes(ir_reduce(&e->b, c, x.t, n, at_axis, t), x.n_axes, x.axes);
    else if (c == IR_ARGMAX || c == IR_ARGMIN)
        return el_fail(e, diag_report(e->d, MSG_AXIS_RANGE, el_at(e, at), (long long)0, 0));
    else
        r = el_cast(e, x, t, at);
    if (!keep || !n)
        return r;
    for (int i = 0; i < rank; i++)
        dims[i] = el_dims(x)[i];
    for (int i = 0; i < n; i++)
        dims[axes[i]] = sym_const(e->s, 1);
    return el_reshape(e, r, rank, dims);
}

val el_reshape(elab *e, val x, int rank, const sym_t *dims) {
    sym_t all[2 * IR_MAX_RANK];
    for (int i = 0; i < x.n_axes; i++)
        all[i] = x.t->type.dims[i];
    bool same = el_rank(x) == rank;
    for (int i = 0; i < rank; i++) {
        all[x.n_axes + i] = dims[i];
        same = same && el_dims(x)[i] == dims[i];
    }
    if (!same)
        x.t = ir_reshape(&e->b, x.t, x.n_axes + rank, all);
    return x;
}

val el_transpose(elab *e, val x, const int *perm) {
    int64_t all[IR_MAX_RANK];
    bool same = true;
    for (int i = 0; i < x.n_axes; i++)
        all[i] = i;
    for (int i = 0; i < el_rank(x); i++) {
        all[x.n_axes + i] = x.n_axes + perm[i];
        same = same && perm[i] == i;
    }
    if (!same)
        x.t = ir_transpose(&e->b, x.t, all);
    return x;
}

val el_broadcast_to(elab *e, val x, int rank, const sym_t *dims, ir_span at) {
    int own = el_rank(x);
    bool ok = own <= rank;
    for (int i = 0; ok && i < own; i++) {
        sym_t d = el_dims(x)[i], to = dims[rank - own + i];
        ok = d == to || sym_is(d, 1) || el_dims_merge(e, d, to);
        if (!ok && el_dims_assume(e, d, to, at)) {
            x = el_with_dim(e, x, i, to);
            ok = true;
        }
    }
    if (!ok)
        return el_fail(e, diag_report(e->d, MSG_BROADCAST, el_at(e, at), el_shape_text(e, x), el_dims_text(e, dims, rank)));
    sym_t now[IR_MAX_RANK];
    for (int i = 0; i < rank; i++)
        now[i] = el_resolve(e, dims[i]);
    return el_spread(e, x, x.n_axes, x.axes, rank, now);
}

val el_own_axes(val v, int n) {
    v.n_axes = (uint8_t)(v.n_axes - n);
    return v;
}

/* ---- Matrix product ------------------------------------------------------------------------------------------------ */

static val matmul_shapes(elab *e, val x, val y, ir_span at) {
    return el_fail(e, diag_report(e->d, MSG_MATMUL_SHAPES, el_at(e, at), el_shape_text(e, x), el_shape_text(e, y)));
}

/* x with its leading dims (own rank - keep of them) brought to `batch`. */
static val matmul_operand(elab *e, val x, int keep, int n_axes, iaxis *const *axes, int n_batch, const sym_t *batch) {
    sym_t dims[IR_MAX_RANK];
    for (int i = 0; i < n_batch; i++)
        dims[i] = batch[i];
    for (int i = 0; i < keep; i++)
        dims[n_batch + i] = el_dims(x)[el_rank(x) - keep + i];
    return el_spread(e, x, n_axes, axes, n_batch + keep, dims);
}

/* NumPy's matmul. With a right operand of one or two dims there is no batch: x keeps all its leading dims as free. */
val el_matmul(elab *e, val x, val y, frit_dtype t, ir_span at) {
    val v[2] = {x, y};
    frit_dtype in = el_common_dtype(e, v, 2, "@", at);
    if (in == FRIT_DTYPE_COUNT)
        return v_error();
    x = el_tensor(e, x, in, at);
    y = el_tensor(e, y, in, at);
    if (x.kind == V_ERROR || y.kind == V_ERROR)
        return v_error();
    int rx = el_rank(x), ry = el_rank(y);
    if (!rx || !ry)
        return matmul_shapes(e, x, y, at);
    if (in == FRIT_bool)
        return el_fail(e, diag_report(e->d, MSG_OPERAND_KIND, el_at(e, at), "@", "number", "bool"));
    int kx = rx > 1 ? 2 : 1, ky = ry > 1 ? 2 : 1;
    if (!el_dims_merge(e, el_dims(x)[rx - 1], el_dims(y)[ry - ky])) {
        if (!el_dims_assume(e, el_dims(x)[rx - 1], el_dims(y)[ry - ky], at))
            return matmul_shapes(e, x, y, at);
        x = el_with_dim(e, x, rx - 1, el_dims(y)[ry - ky]);
    }
    int n_batch = 0;
    sym_t batch[IR_MAX_RANK];
    v[0] = x, v[1] = y;
    iaxis **axes = NULL;
    int n_axes = 0;
    if (ry > 2 || y.n_axes) { /* batched: both operands get the same leading dims */
        n_axes = el_union_axes(e, v, 2, &axes);
        int bx = rx - kx, by = ry - ky;
        n_batch = bx > by ? bx : by;
        for (int i = 0; i < n_batch; i++) {
            int ix = i - (n_batch - bx), iy = i - (n_batch - by);
            sym_t dx = ix < 0 ? sym_const(e->s, 1) : el_dims(x)[ix], dy = iy < 0 ? sym_const(e->s, 1) : el_dims(y)[iy];
            if (!sym_is(dx, 1) && !sym_is(dy, 1) && !el_dims_merge(e, dx, dy))
                return matmul_shapes(e, x, y, at);
            batch[i] = sym_is(dx, 1) ? dy : dx;
        }
        for (int i = 0; i < n_batch; i++)
            batch[i] = el_resolve(e, batch[i]);
        if (n_axes + n_batch + 2 > IR_MAX_RANK)
            return el_fail(e, diag_report(e->d, MSG_RANK_LIMIT, el_at(e, at), n_axes + n_batch + 2, IR_MAX_RANK));
        x = matmul_operand(e, x, kx, n_axes, axes, n_batch, batch);
        y = matmul_operand(e, y, ky, n_axes, axes, n_batch, batch);
    } else {
        n_axes = x.n_axes;
        axes = (iaxis **)x.axes;
    }
    int lead = ry > 2 || v[1].n_axes ? n_axes + n_batch : 0;
    int64_t b[IR_MAX_RANK], cx = x.t->type.rank - 1, cy = y.t->type.rank - ky;
    for (int i = 0; i < lead; i++)
        b[i] = i;
    frit_dtype out = t == FRIT_DTYPE_COUNT ? in : t;
    return v_tensor_axes(ir_contract(&e->b, x.t, y.t, lead, b, b, 1, &cx, &cy, out), n_axes, axes);
}
