/* Reductions: accumulators in SSA values carried by the reduced loops.
 *
 * The state of a term is one value, or two for argmax and argmin (extreme, its flat index). Each parallel tile position
 * has its own; so has each vector along a reduced vector axis, and each position of another reduced axis as long as
 * there are few, so that the chains of dependent operations are short. The partial results are merged in a fixed tree
 * after the loops, the lanes last. */
#include "lower_internal.h"
#include <math.h>

enum { MAX_CHAINS = 12 }; /* accumulators that hide the latency of an operation and still fit the registers */

static bool is_arg(ir_combine c) { return c == IR_ARGMAX || c == IR_ARGMIN; }
static int state_size(int64_t c) { return is_arg((ir_combine)c) ? 2 : 1; }
static const ir_op *yield_of(const lower_stage *s) { return s->op->blocks[0]->last; }
static bool reduces_lanes(const lower_stage *s) { return s->vector >= s->parallel; }

/* What the k-th accumulators add up. */
static const ir_value *term_of(const lower_stage *s, int k) { return s->summing_plain ? s->plain : ir_operand(yield_of(s), k); }

bool lower_is_fused(const lower *l, const lower_stage *s, const ir_op *op) {
    if (op->code != IR_mul || s->parallel == s->n || !l->lim->fma || ir_use_count(ir_result(op, 0)) != 1) return false;
    const ir_op *y = yield_of(s);
    frit_dtype t = (frit_dtype)ir_result(op, 0)->type.dtype;
    if (s->summing_plain) return ir_result(op, 0) == s->plain && (t == FRIT_f32 || t == FRIT_f64);
    if (ir_result(op, 0)->uses->user != y || (t != FRIT_f32 && t != FRIT_f64)) return false;
    for (int i = 0; i < y->n_operands; i++)
        if (ir_operand(y, i) == ir_result(op, 0)) return s->combines[i] == IR_SUM;
    return false;
}

/* ---- Combining ---- */
ir_value *lower_combine(lower *l, ir_combine c, ir_value *x, ir_value *y) {
    static const ir_opcode code[] = {[IR_SUM] = IR_add, [IR_PROD] = IR_mul, [IR_MAX] = IR_max,
                                     [IR_MIN] = IR_min, [IR_ANY] = IR_or,   [IR_ALL] = IR_and};
    if (c >= IR_ARGMAX) lower_fail(NULL, "a combination that needs more than the values");
    ir_opcode op = code[c];
    if (x->type.dtype == FRIT_bool) op = c == IR_SUM || c == IR_MAX || c == IR_ANY ? IR_or : IR_and;
    return lower_build(l, l->depth, op, 2, (ir_value *[]){x, y}, x->type);
}

static ir_value *op2(lower *l, ir_opcode code, ir_value *x, ir_value *y) {
    ir_type t = ir_op_table[code].flags & IR_F_COMPARE ? ir_vector(FRIT_bool, x->type.lanes) : x->type;
    return lower_build(l, l->depth, code, 2, (ir_value *[]){x, y}, t);
}

static ir_value *choose(lower *l, ir_value *cond, ir_value *x, ir_value *y) {
    return lower_build(l, l->depth, IR_select, 3, (ir_value *[]){cond, x, y}, x->type);
}

/* (v, i) replaces (best, at) where v is more extreme, NaN being the most extreme; `ties`: or as extreme and earlier. */
static void combine_arg(lower *l, ir_combine c, ir_value **best, ir_value *v, ir_value *i, bool ties) {
    bool is_float = frit_dtype_is_float((frit_dtype)v->type.dtype);
    ir_value *no_more = c == IR_ARGMAX ? op2(l, IR_le, v, best[0]) : op2(l, IR_le, best[0], v);
    ir_value *more = lower_build(l, l->depth, IR_not, 1, &no_more, no_more->type);
    if (is_float) more = op2(l, IR_and, more, op2(l, IR_eq, best[0], best[0])); /* a NaN is not less or equal: it wins over numbers */
    if (ties) {
        ir_value *same = op2(l, IR_eq, v, best[0]);
        if (is_float) {
            ir_value *nan = op2(l, IR_ne, v, v), *best_nan = op2(l, IR_ne, best[0], best[0]);
            same = op2(l, IR_or, same, op2(l, IR_and, nan, best_nan));
        }
        more = op2(l, IR_or, more, op2(l, IR_and, same, op2(l, IR_lt, i, best[1])));
    }
    best[0] = choose(l, more, v, best[0]);
    best[1] = choose(l, more, i, best[1]);
}

/* ---- Start ---- */
static int64_t int_extreme(frit_dtype t, bool highest) {
    int bits = (int)frit_dtype_bits(t);
    if (frit_dtype_kind_of(t) == FRIT_KIND_SINT)
        return highest ? (int64_t)(UINT64_MAX >> (65 - bits)) : -(int64_t)(UINT64_MAX >> (65 - bits)) - 1;
    return highest ? (int64_t)(UINT64_MAX >> (64 - bits)) : 0;
}

static ir_value *identity(lower *l, ir_combine c, frit_dtype t) {
    bool low = c == IR_MAX || c == IR_ARGMAX, high = c == IR_MIN || c == IR_ARGMIN;
    if (frit_dtype_is_float(t)) {
        double v = c == IR_PROD ? 1 : low ? -INFINITY : high ? INFINITY : 0;
        return lower_float(l, t, v);
    }
    if (t == FRIT_bool) return lower_int(l, t, c == IR_PROD || c == IR_ALL || high);
    if (low || high) return lower_int(l, t, int_extreme(t, high));
    return lower_int(l, t, c == IR_PROD || c == IR_ALL);
}

static void choose_accumulators(lower_stage *s) {
    s->acc_axes = (UINT32_C(1) << s->parallel) - 1;
    for (int i = 0; i < s->n; i++) s->acc_count[i] = i < s->parallel ? s->count[i] : s->full[i];
    if (reduces_lanes(s)) s->acc_axes |= lower_axis(s->vector);
    for (int i = s->n - 1; i >= s->parallel; i--)
        if (lower_positions(s, s->acc_axes | lower_axis(i), s->acc_count) <= MAX_CHAINS) s->acc_axes |= lower_axis(i);
    s->n_acc = lower_positions(s, s->acc_axes, s->acc_count);
}

static frit_dtype position_dtype(lower *l, const lower_stage *s) {
    sym_t n = sym_prod(l->syms, s->extent + s->parallel, s->n - s->parallel);
    return !lower_is_block(l) && sym_prove_lt(l->syms, n, sym_const(l->syms, INT32_MAX)) ? FRIT_i32 : FRIT_i64;
}

void lower_reduce_init(lower *l, lower_stage *s) {
    s->n_state = 0;
    if (s->parallel == s->n) return;
    const ir_op *y = yield_of(s);
    if (y->n_operands != s->n_terms) lower_fail(s->op, "terms and combines differ in number");
    choose_accumulators(s);
    s->counts = position_dtype(l, s);
    for (int k = 0; k < s->n_terms; k++) s->n_state += s->n_acc * state_size(s->combines[k]);
    s->acc = arena_array(l->scratch, ir_value *, s->n_state);
    int lanes = s->vector >= 0 ? l->lanes : 1, n = 0;
    for (int k = 0; k < s->n_terms; k++) {
        ir_value *v = lower_splat(l, identity(l, (ir_combine)s->combines[k], (frit_dtype)ir_operand(y, k)->type.dtype), lanes, 0);
        for (int i = 0; i < s->n_acc; i++) s->acc[n++] = v;
        for (int i = 0; i < s->n_acc && is_arg((ir_combine)s->combines[k]); i++)
            s->acc[n++] = lower_splat(l, lower_int(l, s->counts, 0), lanes, 0);
    }
}

/* ---- Step ---- */
/* Tiled reduced axes other than the last visit elements out of order: ties then go by index. */
static bool is_out_of_order(const lower_stage *s) {
    for (int i = s->parallel; i < s->n - 1; i++)
        if (s->tile[i] > 1) return true;
    return false;
}

static ir_value *flat_reduced_index(lower *l, const lower_stage *s, const int *p, bool wide) {
    sym_t e = sym_const(l->syms, 0);
    for (int i = s->parallel; i < s->n; i++) e = sym_add(l->syms, sym_mul(l->syms, e, s->extent[i]), s->vars[i]);
    e = lower_point(l, s, e, p, 0, NULL, NULL);
    return lower_index_as(l, e, s->counts, lower_depth(l, e), wide);
}

static ir_value *step_value(lower *l, const lower_stage *s, ir_combine c, const ir_value *term, const int *p, ir_value *acc) {
    bool wide = s->vector >= 0;
    if (!lower_is_fused(l, s, term->op)) return lower_combine(l, c, acc, lower_get(l, s, term, p, wide));
    ir_value *x[3] = {lower_get(l, s, ir_operand(term->op, 0), p, wide), lower_get(l, s, ir_operand(term->op, 1), p, wide),
                      acc};
    return lower_build(l, l->depth, IR_fma, 3, x, acc->type);
}

static void step_at(lower *l, lower_stage *s, int k, ir_value **acc, const int *p, ir_value *mask) {
    ir_combine c = (ir_combine)s->combines[k];
    const ir_value *term = term_of(s, k);
    bool wide = s->vector >= 0;
    ir_value *old[2] = {acc[0], NULL}, *now[2] = {acc[0], NULL};
    if (is_arg(c)) {
        old[1] = now[1] = acc[s->n_acc];
        combine_arg(l, c, now, lower_get(l, s, term, p, wide), flat_reduced_index(l, s, p, wide), is_out_of_order(s));
        acc[s->n_acc] = mask ? choose(l, mask, now[1], old[1]) : now[1];
    } else {
        now[0] = step_value(l, s, c, term, p, acc[0]);
    }
    acc[0] = mask ? choose(l, mask, now[0], old[0]) : now[0];
}

void lower_reduce_step(lower *l, lower_stage *s, const ir_block *b) {
    int p[IR_MAX_RANK] = {0}, depth;
    uint32_t all = (UINT32_C(1) << s->n) - 1;
    do {
        ir_value *mask = reduces_lanes(s) ? lower_rest_mask(l, s, p, &depth) : NULL;
        ir_value **acc = s->acc + lower_position(s, s->acc_axes, s->acc_count, p);
        for (int k = 0; k < s->n_terms; k++) {
            step_at(l, s, k, acc, p, mask);
            acc += s->n_acc * state_size(s->combines[k]);
        }
    } while (lower_next(s, all, s->count, p));
}

/* ---- Finish ---- */
void lower_merge(lower *l, ir_combine c, ir_value **x, ir_value *const *y) {
    if (is_arg(c)) combine_arg(l, c, x, y[0], y[1], true);
    else x[0] = lower_combine(l, c, x[0], y[0]);
}

static ir_value *lane_of(lower *l, ir_value *x, int i) {
    ir_value *v = lower_build(l, l->depth, IR_extract, 1, &x, ir_vector((frit_dtype)x->type.dtype, 1));
    ir_set_int(l->m, v->op, IR_ATTR_offset, i);
    return v;
}

static void merge_lanes(lower *l, ir_combine c, ir_value **x) {
    if (!is_arg(c)) {
        ir_value *v = lower_build(l, l->depth, IR_reduce_lanes, 1, x, ir_vector((frit_dtype)x[0]->type.dtype, 1));
        ir_set_int(l->m, v->op, IR_ATTR_combine, c);
        x[0] = v;
        return;
    }
    ir_value *value = x[0], *index = x[1];
    x[0] = lane_of(l, value, 0), x[1] = lane_of(l, index, 0);
    for (int i = 1; i < l->lanes; i++)
        combine_arg(l, c, x, lane_of(l, value, i), lane_of(l, index, i), true);
}

/* The term's state at parallel position p: its accumulators merged pairwise. */
static void finish_at(lower *l, const lower_stage *s, ir_combine c, ir_value **acc, const int *p, ir_value **out) {
    uint32_t reduced = s->acc_axes & ~((UINT32_C(1) << s->parallel) - 1);
    int n = lower_positions(s, reduced, s->acc_count), q[IR_MAX_RANK] = {0}, i = 0;
    ir_value *(*x)[2] = arena_alloc(l->scratch, sizeof(ir_value *[2]) * (size_t)n);
    for (int k = 0; k < s->parallel; k++) q[k] = p[k];
    do {
        int at = lower_position(s, s->acc_axes, s->acc_count, q);
        x[i][0] = acc[at];
        if (is_arg(c)) x[i][1] = acc[s->n_acc + at];
        i++;
    } while (lower_next(s, reduced, s->acc_count, q));
    for (int m = n; m > 1; m = (m + 1) / 2)
        for (int k = 0; k < m / 2; k++) lower_merge(l, c, x[k], x[k + (m + 1) / 2]);
    if (reduces_lanes(s)) merge_lanes(l, c, x[0]);
    out[0] = x[0][0];
    out[1] = is_arg(c) ? x[0][1] : NULL;
}

static ir_value *as_dtype(lower *l, ir_value *v, frit_dtype t) {
    return v->type.dtype == t ? v : lower_build(l, l->depth, IR_cast, 1, &v, ir_vector(t, v->type.lanes));
}

/* States of all terms at all parallel positions: term by term. */
static void finish_all(lower *l, const lower_stage *s, ir_combine *combine, ir_value *(*x)[2]) {
    uint32_t parallel = (UINT32_C(1) << s->parallel) - 1;
    ir_value **acc = s->acc;
    int i = 0;
    for (int k = 0; k < s->n_terms; k++) {
        ir_combine c = (ir_combine)s->combines[k];
        int p[IR_MAX_RANK] = {0};
        do {
            combine[i] = c;
            finish_at(l, s, c, acc, p, x[i++]);
        } while (lower_next(s, parallel, s->count, p));
        acc += s->n_acc * state_size(c);
    }
}

/* Opens the branch of the threads that go on with the results. */
static ir_op *only_writers(lower *l, const lower_stage *s) {
    int depth = 0;
    ir_value *who = s->merges ? lower_is_leader(l, s) : NULL;
    for (int i = 0; i < s->parallel; i++)
        if (s->valid[i]) who = lower_and(l, who, depth, s->valid[i], s->valid_depth[i], &depth);
    return who ? lower_if(l, who) : NULL;
}

void lower_reduce_finish(lower *l, lower_stage *s, const ir_block *epilogue) {
    if (epilogue->n_args != s->n_terms) lower_fail(s->op, "the epilogue's arguments and the terms differ in number");
    int n = lower_positions(s, (UINT32_C(1) << s->parallel) - 1, s->count), i = 0;
    ir_combine *combine = arena_array(l->scratch, ir_combine, n * s->n_terms);
    ir_value *(*x)[2] = arena_alloc(l->scratch, sizeof(ir_value *[2]) * (size_t)(n * s->n_terms));
    finish_all(l, s, combine, x);
    if (s->merges) lower_merge_threads(l, s, n * s->n_terms, combine, x);
    if (ir_get_int(s->op, IR_ATTR_across, 0)) lower_cluster_merge(l, s, n * s->n_terms, combine, x);
    if (s->merges && s->settles) lower_barrier(l);
    ir_op *branch = only_writers(l, s);
    for (int k = 0; k < s->n_terms; k++) {
        lower_val *v = &l->vals[epilogue->args[k]->id];
        *v = (lower_val){.axes = v->axes, .depth = l->depth, .n = n, .inst = arena_array(l->scratch, ir_value *, n)};
        for (int m = 0; m < n; m++, i++)
            v->inst[m] = as_dtype(l, x[i][is_arg(combine[i])], (frit_dtype)epilogue->args[k]->type.dtype);
    }
    lower_body(l, s, epilogue);
    if (branch) lower_if_end(l, branch);
}
