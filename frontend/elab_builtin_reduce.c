/* Built-in reductions, scans and questions to the compiler. */
#include "elab_builtins.h"
#include <math.h>

static val reduce(elab *e, const call_site *c, val *a, ir_combine how, frit_dtype t) {
    int n, axes[IR_MAX_RANK];
    bool keep;
    if (!el_arg_axes(e, c, a[1], el_rank(a[0]), &n, axes) || !el_arg_bool(e, c, a[2], "keepdims", &keep))
        return v_error();
    return el_reduce(e, how, a[0], n, axes, keep, t, c->span);
}

static val no_bool(elab *e, const call_site *c) {
    diag_record *r = diag_report(e->d, MSG_OPERAND_KIND, el_at(e, c->span), c->name, "number", "bool");
    diag_suggest(e->d, r, "cast it first, for example i64(...)");
    return el_fail(e, r);
}

static val sum_like(elab *e, const call_site *c, val *a, ir_combine how) {
    frit_dtype t;
    if (!el_arg_tensor(e, c, &a[0]) || !el_arg_dtype(e, c, a[3], el_dtype(a[0]), &t))
        return v_error();
    if (el_dtype(a[0]) == FRIT_bool)
        return no_bool(e, c);
    /* Narrow floats sum in f32 anyway; any other dtype that is asked for is the one to sum in. */
    bool widened = frit_dtype_is_float(el_dtype(a[0])) && t == FRIT_f32 && frit_dtype_bits(el_dtype(a[0])) < 32;
    if (t != el_dtype(a[0]) && !widened)
        a[0] = el_cast(e, a[0], t, c->span);
    if (widened)
        a[0] = el_cast(e, a[0], FRIT_f32, c->span);
    return reduce(e, c, a, how, t);
}

val b_sum(elab *e, const call_site *c, val *a) { return sum_like(e, c, a, IR_SUM); }
val b_prod(elab *e, const call_site *c, val *a) { return sum_like(e, c, a, IR_PROD); }

static val extreme(elab *e, const call_site *c, val *a, ir_combine how) {
    if (!el_arg_tensor(e, c, &a[0]))
        return v_error();
    return reduce(e, c, a, how, el_dtype(a[0]));
}
/* max(a, b) of two values is meant where the second is no axis. */
static val extreme_along(elab *e, const call_site *c, val *a, ir_combine how) {
    if (a[1].kind != V_NONE && a[1].kind != V_LIST && a[1].kind != V_ERROR && !el_const_int(a[1], &(int64_t){0})) {
        diag_record *r = diag_report(e->d, MSG_NOT_STATIC, el_at(e, c->span), arena_printf(e->a, "an axis of '%s'", c->name));
        diag_suggest(e->d, r, "of two values: %s(x, y)", how == IR_MAX ? "maximum" : "minimum");
        return el_fail(e, r);
    }
    return extreme(e, c, a, how);
}

val b_max(elab *e, const call_site *c, val *a) { return extreme_along(e, c, a, IR_MAX); }
val b_min(elab *e, const call_site *c, val *a) { return extreme_along(e, c, a, IR_MIN); }

static val logical(elab *e, const call_site *c, val *a, ir_combine how) {
    if (!el_arg_tensor(e, c, &a[0]))
        return v_error();
    if (el_dtype(a[0]) != FRIT_bool)
        return el_bad_arg(e, c, "a bool tensor", a[0]);
    return reduce(e, c, a, how, FRIT_bool);
}
val b_any(elab *e, const call_site *c, val *a) { return logical(e, c, a, IR_ANY); }
val b_all(elab *e, const call_site *c, val *a) { return logical(e, c, a, IR_ALL); }

/* The number of elements along some axes, as a scalar of dtype t. A product of symbolic dims that has too many terms to
 * be written out is computed in the program. */
static val element_count(elab *e, const call_site *c, val x, int n, const int *axes, frit_dtype t) {
    sym_t count = sym_const(e->s, 1);
    for (int i = 0; i < n; i++)
        count = sym_mul(e->s, count, el_dims(x)[axes[i]]);
    if (!sym_is_invalid(count))
        return el_tensor(e, v_int(count), t, c->span);
    val r = el_tensor(e, v_consti(e, 1), t, c->span);
    for (int i = 0; i < n; i++)
        r = el_binary(e, IR_mul, r, el_tensor(e, v_int(el_dims(x)[axes[i]]), t, c->span), c->span);
    return r;
}

/* Summed and divided in f32 at least; the result has x's dtype unless dtype says otherwise. */
val b_mean(elab *e, const call_site *c, val *a) {
    frit_dtype t;
    int n, axes[IR_MAX_RANK];
    if (!el_arg_tensor(e, c, &a[0]) || !el_arg_dtype(e, c, a[3], el_dtype(a[0]), &t) ||
        !el_arg_axes(e, c, a[1], el_rank(a[0]), &n, axes))
        return v_error();
    if (!frit_dtype_is_float(t)) {
        diag_record *r = diag_report(e->d, MSG_OPERAND_KIND, el_at(e, c->span), c->name, "floating-point", frit_dtype_name(t));
        diag_suggest(e->d, r, "cast it first, or say dtype = f32");
        return el_fail(e, r);
    }
    frit_dtype sum_t = t == FRIT_f64 ? FRIT_f64 : FRIT_f32;
    val x = a[0];
    a[0] = el_cast(e, a[0], sum_t, c->span);
    val s = reduce(e, c, a, IR_SUM, sum_t);
    if (s.kind != V_TENSOR)
        return s;
    val mean = el_binary(e, IR_div, s, element_count(e, c, x, n, axes, sum_t), c->span);
    return mean.kind == V_TENSOR ? el_cast(e, mean, t, c->span) : mean;
}

static val arg_extreme(elab *e, const call_site *c, val *a, ir_combine how) {
    frit_dtype t;
    if (!el_arg_tensor(e, c, &a[0]) || !el_arg_dtype(e, c, a[3], FRIT_i64, &t))
        return v_error();
    if (!frit_dtype_is_int(t))
        return el_bad_arg(e, c, "an integer dtype", a[3]);
    bool all = a[1].kind == V_NONE;
    if (all) { /* the position in row-major order */
        sym_t n = sym_prod(e->s, el_dims(a[0]), el_rank(a[0]));
        a[0] = el_reshape(e, a[0], 1, &n);
        a[1] = v_consti(e, 0);
    }
    return reduce(e, c, a, how, t);
}
val b_argmax(elab *e, const call_site *c, val *a) { return arg_extreme(e, c, a, IR_ARGMAX); }
val b_argmin(elab *e, const call_site *c, val *a) { return arg_extreme(e, c, a, IR_ARGMIN); }

static val scan(elab *e, const call_site *c, val x, val axis, val exclusive, val reverse, ir_combine how) {
    int at;
    bool ex = false, back;
    if (!el_arg_tensor(e, c, &x) || !el_arg_axis(e, c, axis, el_rank(x), &at) || !el_arg_bool(e, c, reverse, "reverse", &back))
        return v_error();
    if (exclusive.kind != V_NONE && !el_arg_bool(e, c, exclusive, "exclusive", &ex))
        return v_error();
    if (el_dtype(x) == FRIT_bool)
        return no_bool(e, c);
    ir_op *op = ir_build(&e->b, IR_scan, 1, &x.t, 1, &x.t->type);
    ir_set_int(e->m, op, IR_ATTR_combine, how);
    ir_set_int(e->m, op, IR_ATTR_axis, at + x.n_axes);
    ir_set_int(e->m, op, IR_ATTR_exclusive, ex);
    ir_set_int(e->m, op, IR_ATTR_reverse, back);
    return v_tensor_axes(ir_result(op, 0), x.n_axes, x.axes);
}
val b_cumsum(elab *e, const call_site *c, val *a) { return scan(e, c, a[0], a[1], a[2], a[3], IR_SUM); }
val b_cumprod(elab *e, const call_site *c, val *a) { return scan(e, c, a[0], a[1], a[2], a[3], IR_PROD); }
val b_cummax(elab *e, const call_site *c, val *a) { return scan(e, c, a[0], a[1], v_none(), a[2], IR_MAX); }
val b_cummin(elab *e, const call_site *c, val *a) { return scan(e, c, a[0], a[1], v_none(), a[2], IR_MIN); }

/* ---- Questions ----------------------------------------------------------------------------------------------------- */

val b_size(elab *e, const call_site *c, val *a) {
    int axis;
    if (a[0].kind != V_TENSOR)
        return el_bad_arg(e, c, "a tensor", a[0]);
    return el_arg_axis(e, c, a[1], el_rank(a[0]), &axis) ? v_int(el_dims(a[0])[axis]) : v_error();
}
val b_extent(elab *e, const call_site *c, val *a) {
    int n, axes[IR_MAX_RANK];
    sym_t p = sym_const(e->s, 1);
    if (a[0].kind != V_TENSOR)
        return el_bad_arg(e, c, "a tensor", a[0]);
    if (!el_arg_axes(e, c, a[1], el_rank(a[0]), &n, axes))
        return v_error();
    for (int i = 0; i < n; i++)
        p = sym_mul(e->s, p, el_dims(a[0])[axes[i]]);
    return v_int(p);
}
val b_rank(elab *e, const call_site *c, val *a) {
    return a[0].kind == V_TENSOR ? v_consti(e, el_rank(a[0])) : el_bad_arg(e, c, "a tensor", a[0]);
}
val b_dtype_of(elab *e, const call_site *c, val *a) {
    return a[0].kind == V_TENSOR ? v_dtype(el_dtype(a[0])) : el_bad_arg(e, c, "a tensor", a[0]);
}
val b_wide(elab *e, const call_site *c, val *a) {
    frit_dtype t;
    if (!el_arg_dtype(e, c, a[0], FRIT_f32, &t))
        return v_error();
    return v_dtype(frit_dtype_is_float(t) && frit_dtype_bits(t) < 32 ? FRIT_f32 : t);
}
val b_lowest(elab *e, const call_site *c, val *a) {
    frit_dtype t;
    if (!el_arg_dtype(e, c, a[0], FRIT_f32, &t))
        return v_error();
    if (frit_dtype_is_float(t))
        return v_num(-INFINITY);
    bool has_sign = frit_dtype_kind_of(t) == FRIT_KIND_SINT;
    return v_consti(e, has_sign ? (int64_t)-1 * ((int64_t)1 << (frit_dtype_bits(t) - 2)) * 2 : 0);
}
val b_is_list(elab *e, const call_site *c, val *a) { return v_bool(a[0].kind == V_LIST); }
val b_is_one(elab *e, const call_site *c, val *a) {
    return a[0].kind == V_INT ? v_bool(sym_is(a[0].i, 1)) : el_bad_arg(e, c, "an integer", a[0]);
}
val b_len(elab *e, const call_site *c, val *a) {
    return a[0].kind == V_LIST ? v_consti(e, a[0].count) : el_bad_arg(e, c, "a list", a[0]);
}
val b_normal_axis(elab *e, const call_site *c, val *a) {
    int64_t rank;
    int axis;
    if (!el_arg_const(e, c, a[1], "a rank", &rank) || !el_arg_axis(e, c, a[0], (int)rank, &axis))
        return v_error();
    return v_consti(e, axis);
}
val b_fail(elab *e, const call_site *c, val *a) {
    if (a[0].kind != V_STR)
        return el_bad_arg(e, c, "a string", a[0]);
    return el_fail(e, diag_report(e->d, MSG_ASSERT_FAILED, el_at(e, c->span), a[0].s));
}
