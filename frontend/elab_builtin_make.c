/* Built-in functions that make, choose and convert. */
#include "elab_builtins.h"
#include <math.h>

static val filled(elab *e, const call_site *c, ir_type t, val v) {
    if (v.kind == V_TENSOR) {
        v = el_convert_to(e, v, (frit_dtype)t.dtype, c->name, c->span);
        return v.kind == V_TENSOR ? el_broadcast_to(e, v, t.rank, t.dims, c->span) : v;
    }
    int64_t i;
    if (v.kind == V_NUM && frit_dtype_is_float((frit_dtype)t.dtype))
        return v_tensor(ir_splat(&e->b, t, v.num));
    if (el_const_int(v, &i) && frit_dtype_is_float((frit_dtype)t.dtype))
        return v_tensor(ir_splat(&e->b, t, (double)i));
    if (el_const_int(v, &i) && t.dtype != FRIT_bool)
        return v_tensor(ir_splat_int(&e->b, t, i));
    v = el_tensor(e, v, (frit_dtype)t.dtype, c->span);
    return v.kind == V_TENSOR ? el_broadcast_to(e, v, t.rank, t.dims, c->span) : v;
}

static val constant(elab *e, ir_type t, int64_t i) {
    bool real = frit_dtype_is_float((frit_dtype)t.dtype);
    return v_tensor(real ? ir_splat(&e->b, t, (double)i) : ir_splat_int(&e->b, t, i));
}

val b_zeros(elab *e, const call_site *c, val *a) {
    ir_type t;
    return el_arg_type(e, c, a[0], &t) ? constant(e, t, 0) : v_error();
}
val b_ones(elab *e, const call_site *c, val *a) {
    ir_type t;
    return el_arg_type(e, c, a[0], &t) ? constant(e, t, 1) : v_error();
}
val b_full(elab *e, const call_site *c, val *a) {
    ir_type t;
    return el_arg_type(e, c, a[0], &t) ? filled(e, c, t, a[1]) : v_error();
}

static val like(elab *e, val x, int64_t i) {
    val r = constant(e, x.t->type, i);
    return v_tensor_axes(r.t, x.n_axes, x.axes);
}
val b_zeros_like(elab *e, const call_site *c, val *a) { return el_arg_tensor(e, c, &a[0]) ? like(e, a[0], 0) : v_error(); }
val b_ones_like(elab *e, const call_site *c, val *a) { return el_arg_tensor(e, c, &a[0]) ? like(e, a[0], 1) : v_error(); }
val b_full_like(elab *e, const call_site *c, val *a) {
    if (!el_arg_tensor(e, c, &a[0]))
        return v_error();
    return filled(e, c, ir_tensor(e->m, el_dtype(a[0]), el_rank(a[0]), el_dims(a[0])), a[1]);
}

static bool extent(elab *e, const call_site *c, val a, sym_t *out) {
    if (a.kind != V_INT)
        return el_bad_arg(e, c, "an integer", a).kind != V_ERROR;
    *out = el_resolve(e, a.i);
    if (!sym_prove_lt(e->s, *out, sym_const(e->s, 0)))
        return true;
    el_fail(e, diag_report(e->d, MSG_NEGATIVE_DIM, el_at(e, c->span), sym_print(e->a, *out)));
    return false;
}

val b_iota(elab *e, const call_site *c, val *a) {
    sym_t n;
    frit_dtype t;
    if (!extent(e, c, a[0], &n) || !el_arg_dtype(e, c, a[1], FRIT_i64, &t))
        return v_error();
    return v_tensor(ir_iota(&e->b, ir_tensor(e->m, t, 1, &n), 0));
}

/* start + step * iota, as integers or numbers. */
static val ramp(elab *e, const call_site *c, sym_t n, val start, val step, frit_dtype t) {
    val i = v_tensor(ir_iota(&e->b, ir_tensor(e->m, t, 1, &n), 0));
    val r = el_binary_op(e, AST_MUL, i, step, c->span);
    return el_binary_op(e, AST_ADD, r, start, c->span);
}

val b_arange(elab *e, const call_site *c, val *a) {
    val start = a[1].kind == V_NONE ? v_consti(e, 0) : a[0], stop = a[1].kind == V_NONE ? a[0] : a[1], step = a[2];
    bool ints = start.kind == V_INT && stop.kind == V_INT && step.kind == V_INT;
    frit_dtype t;
    if (!el_arg_dtype(e, c, a[3], ints ? FRIT_i64 : FRIT_f32, &t))
        return v_error();
    if (ints) {
        if (sym_is(step.i, 0))
            return el_bad_arg(e, c, "a step other than 0", step);
        /* ceil(a / b) as -floor(-a / b), which holds for steps of either sign. */
        sym_t n = sym_muli(e->s, sym_floordiv(e->s, sym_sub(e->s, start.i, stop.i), step.i), -1);
        return ramp(e, c, sym_max(e->s, n, sym_const(e->s, 0)), start, step, t);
    }
    double v[3];
    val in[3] = {start, stop, step};
    for (int i = 0; i < 3; i++) {
        int64_t k;
        if (in[i].kind != V_NUM && !el_const_int(in[i], &k))
            return el_bad_arg(e, c, "numbers", in[i]);
        v[i] = in[i].kind == V_NUM ? in[i].num : (double)k;
    }
    double n = ceil((v[1] - v[0]) / v[2]);
    if (!(n < 1e15))
        return el_bad_arg(e, c, "a step other than 0", step);
    return ramp(e, c, sym_const(e->s, n > 0 ? (int64_t)n : 0), start, step, t);
}

val b_linspace(elab *e, const call_site *c, val *a) {
    sym_t n;
    frit_dtype t;
    if (!extent(e, c, a[2], &n) || !el_arg_dtype(e, c, a[3], FRIT_f32, &t))
        return v_error();
    val gaps = v_int(sym_max(e->s, sym_addi(e->s, n, -1), sym_const(e->s, 1)));
    val step = el_binary_op(e, AST_DIV, el_binary_op(e, AST_SUB, a[1], a[0], c->span), gaps, c->span);
    return step.kind == V_ERROR ? step : ramp(e, c, n, a[0], step, t);
}

val b_eye(elab *e, const call_site *c, val *a) {
    sym_t dims[2];
    frit_dtype t;
    if (!extent(e, c, a[0], &dims[0]) || !extent(e, c, a[1].kind == V_NONE ? a[0] : a[1], &dims[1]) ||
        !el_arg_dtype(e, c, a[2], FRIT_f32, &t))
        return v_error();
    ir_type i = ir_tensor(e->m, FRIT_i64, 2, dims);
    return v_tensor(ir_cast(&e->b, ir_binary(&e->b, IR_eq, ir_iota(&e->b, i, 0), ir_iota(&e->b, i, 1)), t));
}

/* ---- Random numbers ------------------------------------------------------------------------------------------------ */

static ir_value *bits(elab *e, ir_type t, int64_t seed) {
    ir_op *op = ir_build(&e->b, IR_random, 0, NULL, 1, &t);
    ir_set_int(e->m, op, IR_ATTR_seed, seed);
    return ir_result(op, 0);
}

val b_random_bits(elab *e, const call_site *c, val *a) {
    ir_type t;
    int64_t seed;
    if (!el_arg_type(e, c, a[0], &t) || !el_arg_const(e, c, a[1], "the seed", &seed))
        return v_error();
    if (t.dtype != FRIT_u32 && t.dtype != FRIT_u64)
        return el_bad_arg(e, c, "u32[...] or u64[...]", a[0]);
    return v_tensor(bits(e, t, seed));
}

/* The top 24 bits of a word, as a multiple of 2^-24: every value is exact in f32. */
static ir_value *unit_interval(elab *e, ir_type t, int64_t seed) {
    ir_type u = ir_with_dtype(t, FRIT_u32), f = ir_with_dtype(t, FRIT_f32);
    ir_value *top = ir_binary(&e->b, IR_shr, bits(e, u, seed), ir_splat_int(&e->b, u, 8));
    return ir_binary(&e->b, IR_mul, ir_cast(&e->b, top, FRIT_f32), ir_splat(&e->b, f, 0x1p-24));
}

static bool float_type(elab *e, const call_site *c, val *a, ir_type *t, int64_t *seed) {
    if (!el_arg_type(e, c, a[0], t) || !el_arg_const(e, c, a[1], "the seed", seed))
        return false;
    return frit_dtype_is_float((frit_dtype)t->dtype) || el_bad_arg(e, c, "a floating-point type", a[0]).kind != V_ERROR;
}

val b_uniform(elab *e, const call_site *c, val *a) {
    ir_type t;
    int64_t seed;
    if (!float_type(e, c, a, &t, &seed))
        return v_error();
    return v_tensor(ir_cast(&e->b, unit_interval(e, t, seed), (frit_dtype)t.dtype));
}

/* Box-Muller: sqrt(-2 log(1 - u)) cos(2 pi v); u < 1 keeps the logarithm finite. */
val b_normal(elab *e, const call_site *c, val *a) {
    ir_type t;
    int64_t seed;
    if (!float_type(e, c, a, &t, &seed))
        return v_error();
    ir_type f = ir_with_dtype(t, FRIT_f32);
    ir_value *u = unit_interval(e, t, seed), *v = unit_interval(e, t, (int64_t)((uint64_t)seed ^ UINT64_C(0x5851f42d4c957f2d)));
    ir_value *r = ir_unary(&e->b, IR_log1p, ir_unary(&e->b, IR_neg, u));
    r = ir_unary(&e->b, IR_sqrt, ir_binary(&e->b, IR_mul, r, ir_splat(&e->b, f, -2)));
    ir_value *x = ir_unary(&e->b, IR_cos, ir_binary(&e->b, IR_mul, v, ir_splat(&e->b, f, 6.283185307179586)));
    return v_tensor(ir_cast(&e->b, ir_binary(&e->b, IR_mul, r, x), (frit_dtype)t.dtype));
}

/* ---- Choice, casts, products ----------------------------------------------------------------------------------------- */

val b_where(elab *e, const call_site *c, val *a) {
    if (a[0].kind == V_BOOL)
        return a[0].b ? a[1] : a[2];
    if (!el_arg_tensor(e, c, &a[0]))
        return v_error();
    for (int i = 1; i < 3; i++)
        if (a[i].kind == V_LIST && !el_arg_tensor(e, c, &a[i]))
            return v_error();
    return el_select(e, a[0], a[1], a[2], c->span);
}

static val pairwise(elab *e, const call_site *c, val *a, ir_opcode op) {
    val host;
    if (el_is_host(a[0]) && el_is_host(a[1]) && el_host_call(e, op, a, 2, &host))
        return host;
    return el_elementwise(e, op, a, 2, c->name, c->span);
}
val b_maximum(elab *e, const call_site *c, val *a) { return pairwise(e, c, a, IR_max); }
val b_minimum(elab *e, const call_site *c, val *a) { return pairwise(e, c, a, IR_min); }

val b_matmul(elab *e, const call_site *c, val *a) {
    frit_dtype t;
    if (!el_arg_tensor(e, c, &a[0]) || !el_arg_tensor(e, c, &a[1]) || !el_arg_dtype(e, c, a[2], FRIT_DTYPE_COUNT, &t))
        return v_error();
    return el_matmul(e, a[0], a[1], t, c->span);
}

val b_cast(elab *e, const call_site *c, val *a) {
    frit_dtype t;
    if (a[1].kind != V_DTYPE || !el_arg_dtype(e, c, a[1], FRIT_f32, &t))
        return el_bad_arg(e, c, "a dtype", a[1]);
    return el_cast(e, a[0], t, c->span);
}

val b_bitcast(elab *e, const call_site *c, val *a) {
    frit_dtype t;
    if (!el_arg_tensor(e, c, &a[0]) || a[1].kind != V_DTYPE || !el_arg_dtype(e, c, a[1], FRIT_f32, &t))
        return el_bad_arg(e, c, "a dtype", a[1]);
    if (frit_dtype_bits(t) != frit_dtype_bits(el_dtype(a[0])))
        return el_bad_arg(e, c, arena_printf(e->a, "a dtype of %u bits", frit_dtype_bits(el_dtype(a[0]))), a[1]);
    ir_type type = ir_with_dtype(a[0].t->type, t);
    return v_tensor_axes(ir_result(ir_build(&e->b, IR_bitcast, 1, &a[0].t, 1, &type), 0), a[0].n_axes, a[0].axes);
}
