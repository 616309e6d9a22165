/* Tensor operations on elaboration values. A tensor's index axes stand in front of its own dims and are carried along
 * by every operation, so that whatever is written for one element works for all of them at once. */
#include "elab_internal.h"
#include <string.h>

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
            el_no_tensor(e, v[i], at);
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

static bool el_align(elab *e, val *v, int n, ir_span at) {
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
    bool whole = !strcmp(need, "integer") || !strcmp(need, "integer or bool");
    if (op == IR_xor)
        diag_suggest(e->d, r, "^ works on bits; a power is written x ** y");
    else
        diag_suggest(e->d, r, "cast it first, for example %s(...)", whole ? "i64" : "f32");
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

/* An op as messages name it. */
static const char *operator_text(ir_opcode op) {
    static const struct {
        ir_opcode op;
        const char *text;
    } operators[] = {{IR_add, "+"}, {IR_sub, "-"}, {IR_mul, "*"}, {IR_div, "/"}, {IR_floordiv, "//"}, {IR_mod, "%"},
                     {IR_pow, "**"}, {IR_and, "&"}, {IR_or, "|"}, {IR_xor, "^"}, {IR_not, "~"}, {IR_shl, "<<"},
                     {IR_shr, ">>"}, {IR_neg, "-"}, {IR_eq, "=="}, {IR_ne, "!="}, {IR_lt, "<"}, {IR_le, "<="}};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (operators[i].op == op)
            return operators[i].text;
    return ir_op_table[op].name;
}

val el_unary(elab *e, ir_opcode op, val x, ir_span at) { return el_elementwise(e, op, &x, 1, operator_text(op), at); }
val el_binary(elab *e, ir_opcode op, val x, val y, ir_span at) {
    return el_elementwise(e, op, (val[]){x, y}, 2, operator_text(op), at);
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
