/* Operations on constants become constants, by the interpreter's own rules: one element at a time where all elements of
 * the operands are equal, and by running the interpreter on the op where constants are dense and small. Arithmetic
 * on sizes stays symbolic: size(a) + size(b) = size(a + b). Terminates since every rule leaves fewer ops that are
 * not constants. */
#include "rewrite.h"
#include "ir/interp.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ELEMENTS = 4096 };

static ir_value *elementwise(rewriter *r, ir_op *op) {
    scalar args[3], result;
    if (op->n_operands < 1 || op->n_operands > 3) return NULL;
    for (int i = 0; i < op->n_operands; i++)
        if (!splat_of(ir_operand(op, i), &args[i])) return NULL;
    ir_type t = ir_result(op, 0)->type;
    frit_dtype in = (frit_dtype)ir_operand(op, op->code == IR_select)->type.dtype;
    return scalar_eval(op->code, in, (frit_dtype)t.dtype, args, &result) ? make_splat(&r->at, t, result) : NULL;
}

/* ---- Sizes ------------------------------------------------------------------------------------------------------- */
static void note_role(void *u, sym_t var) { *(bool *)u &= sym_var_role(var) == SYM_DIM; }

/* v is a number that follows from dims: a size, or a constant. Host integers are left out: their arithmetic may
 * wrap. */
static bool size_of(rewriter *r, const ir_value *v, sym_t *out) {
    scalar c;
    const sym_t *s;
    bool dims = true;
    if (v->type.dtype != FRIT_i64) return false;
    if (splat_of(v, &c)) return *out = sym_const(r->s, c.i), true;
    if (!ir_is(v, IR_size)) return false;
    ir_get_syms(v->op, IR_ATTR_size, &s);
    sym_each_var(*out = s[0], note_role, &dims);
    return dims;
}

static ir_value *known(rewriter *r, ir_type t, bool value) { return ir_splat_int(&r->at, t, value); }

static ir_value *compare_sizes(rewriter *r, ir_op *op, sym_t x, sym_t y) {
    ir_type t = ir_result(op, 0)->type;
    bool less = sym_prove_lt(r->s, x, y), more = sym_prove_lt(r->s, y, x);
    switch (op->code) {
    case IR_eq:
    case IR_ne:
        if (x == y) return known(r, t, op->code == IR_eq);
        return less || more ? known(r, t, op->code == IR_ne) : NULL;
    case IR_lt:
        if (less) return known(r, t, true);
        return sym_prove_ge(r->s, x, y) ? known(r, t, false) : NULL;
    default:
        if (more) return known(r, t, false);
        return sym_prove_ge(r->s, y, x) ? known(r, t, true) : NULL;
    }
}

static ir_value *size_arithmetic(rewriter *r, ir_op *op) {
    sym_t x, y, z;
    if (op->n_operands != 2 || ir_operand(op, 0)->type.rank) return NULL;
    if (!size_of(r, ir_operand(op, 0), &x) || !size_of(r, ir_operand(op, 1), &y)) return NULL;
    if (ir_op_flags(op) & IR_F_COMPARE) return compare_sizes(r, op, x, y);
    switch (op->code) {
    case IR_add: z = sym_add(r->s, x, y); break;
    case IR_sub: z = sym_sub(r->s, x, y); break;
    case IR_mul: z = sym_mul(r->s, x, y); break;
    case IR_floordiv: z = sym_prove_lt(r->s, sym_const(r->s, 0), y) ? sym_floordiv(r->s, x, y) : NULL; break; /* x // 0 is 0 */
    case IR_mod: z = sym_mod(r->s, x, y); break;
    case IR_min: z = sym_min(r->s, x, y); break;
    case IR_max: z = sym_max(r->s, x, y); break;
    default: return NULL;
    }
    return !z || sym_is_invalid(z) ? NULL : ir_size(&r->at, z);
}

static ir_value *known_size(rewriter *r, ir_op *op) {
    const sym_t *s;
    int64_t v;
    ir_get_syms(op, IR_ATTR_size, &s);
    return sym_is_const(s[0], &v) ? ir_splat_int(&r->at, ir_result(op, 0)->type, v) : NULL;
}

/* ---- Reductions of one repeated element -------------------------------------------------------------------------- */
/* The sum of n times x: on integers modulo 2^64; on floats where every partial sum is exact. */
static bool sum_of(frit_dtype t, scalar x, bool counted, int64_t n, scalar *out) {
    if (!frit_dtype_is_float(t)) {
        out->i = (int64_t)((uint64_t)n * (uint64_t)x.i);
        return counted || x.i == 0;
    }
    double whole = fabs(x.f), limit = t == FRIT_f64 ? 0x1p53 : 0x1p24;
    out->f = x.f == 0 ? 0 : (double)n * x.f;
    return x.f == 0 || (counted && whole == floor(whole) && whole <= limit && (double)n * whole <= limit);
}

static ir_value *reduce_repeated(rewriter *r, ir_op *op) {
    ir_value *x = ir_operand(op, 0);
    ir_type t = ir_result(op, 0)->type;
    frit_dtype in = (frit_dtype)x->type.dtype, out = (frit_dtype)t.dtype;
    scalar v, y;
    sym_t extents[IR_MAX_RANK], n;
    int64_t count = 0;
    if (!splat_of(x, &v)) return NULL;
    n = sym_prod(r->s, extents, access_reduced_extents(op, extents));
    bool counted = sym_is_const(n, &count), some = sym_prove_ge(r->s, n, sym_const(r->s, 1));
    y = v;
    switch ((ir_combine)ir_get_int(op, IR_ATTR_combine, 0)) {
    case IR_ARGMAX:
    case IR_ARGMIN: return ir_splat_int(&r->at, t, 0);
    case IR_SUM:
        if (!sum_of(in, v, counted, count, &y)) return NULL;
        break;
    case IR_PROD:
        if (frit_dtype_is_float(in) ? v.f != 1 : v.i != 1) return NULL;
        break;
    default:
        if (!some) return NULL;
    }
    y = frit_dtype_is_float(out) ? (scalar){.f = scalar_round(out, y.f)} : (scalar){.i = scalar_wrap(out, y.i)};
    return make_splat(&r->at, t, y);
}

/* ---- Dense constants --------------------------------------------------------------------------------------------- */
static bool is_small(rewriter *r, ir_type t) {
    int64_t n;
    return sym_is_const(ir_type_elements(r->m, t), &n) && n <= MAX_ELEMENTS;
}

static bool runs_now(rewriter *r, const ir_op *op) {
    bool pure = ir_op_flags(op) & (IR_F_ELEMENTWISE | IR_F_VIEW) || op->code == IR_reduce || op->code == IR_contract ||
                op->code == IR_scan || op->code == IR_gather || op->code == IR_insert;
    if (!pure || op->n_operands == 0 || !is_small(r, ir_result(op, 0)->type)) return false;
    for (int i = 0; i < op->n_operands; i++)
        if (!ir_is(ir_operand(op, i), IR_constant) || !is_small(r, ir_operand(op, i)->type)) return false;
    return true;
}

static bool all_equal(frit_dtype t, const void *data, int64_t n, scalar *first) {
    if (n) *first = scalar_load(t, data, 0);
    for (int64_t i = 1; i < n; i++) {
        scalar x = scalar_load(t, data, i);
        if (memcmp(&x, first, sizeof x)) return false;
    }
    return n > 0;
}

static ir_value *run_now(rewriter *r, ir_op *op) {
    if (!runs_now(r, op)) return NULL;
    ir_func *f = ir_func_new(r->m, "constant folding", IR_LEVEL_TENSOR);
    ir_builder b = ir_builder_at_end(r->m, f->body);
    ir_map map = {0};
    for (int i = 0; i < op->n_operands; i++) ir_clone(&b, ir_operand(op, i)->op, &map);
    ir_value *result = ir_result(ir_clone(&b, op, &map), 0);
    ir_build(&b, IR_return, 1, &result, 0, NULL);
    f->n_results = 1;
    interp *it = interp_new(r->m, NULL);
    interp_tensor t = {0};
    ir_value *v = NULL;
    if (interp_run(it, f, 0, NULL, 1, &t) == INTERP_OK) {
        int64_t n = interp_elements(&t);
        scalar same;
        ir_type type = ir_result(op, 0)->type;
        if (all_equal(t.dtype, t.data, n, &same)) v = make_splat(&r->at, type, same);
        else v = ir_dense(&r->at, type, t.data, frit_dtype_bytes(t.dtype, n));
        interp_tensor_free(&t);
    }
    interp_free(it);
    ir_func_remove(f);
    return v;
}

static ir_value *folded(rewriter *r, ir_op *op) {
    ir_value *v = NULL;
    if (op->code == IR_size) return known_size(r, op);
    if (op->code == IR_iota)
        return sym_is(ir_result(op, 0)->type.dims[ir_get_int(op, IR_ATTR_axis, 0)], 1)
                   ? make_splat(&r->at, ir_result(op, 0)->type, (scalar){.i = 0})
                   : NULL;
    if (op->code == IR_constant || op->n_operands == 0) return NULL;
    if (op->code == IR_reduce) v = reduce_repeated(r, op);
    else if (ir_op_flags(op) & IR_F_ELEMENTWISE) v = elementwise(r, op);
    if (!v && ir_op_flags(op) & IR_F_ELEMENTWISE) v = size_arithmetic(r, op);
    return v ? v : run_now(r, op);
}

bool pass_fold(pass_ctx *c, ir_func *f) { return rewrite_func(c, f, folded); }
