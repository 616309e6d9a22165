#include "verify_internal.h"
#include <string.h>

/* ---- Sources (30) ---- */

static void check_global_op(verifier *v, const ir_op *op) {
    const ir_global *g = ir_global_find(v->m, ir_get_string(op, IR_ATTR_path));
    bool is_state = op->code != IR_param;
    ir_type t = op->code == IR_state_write ? verify_type(op, 0) : verify_result(op, 0);
    if (!g || g->is_state != is_state) verify_fail(v, 30, op, "the module has no such %s", is_state ? "state" : "param");
    else if (!ir_type_equal(g->type, t)) verify_fail(v, 30, op, "its type is not the declared one");
}

static bool is_number(ir_type t) { return t.dtype != FRIT_bool; }

static bool axis_in_range(const ir_op *op, ir_type t) {
    int64_t axis = ir_get_int(op, IR_ATTR_axis, -1);
    return axis >= 0 && axis < t.rank;
}

static void check_source(verifier *v, const ir_op *op) {
    ir_type t = verify_result(op, 0);
    if (op->code == IR_size && (!verify_is_scalar(t, FRIT_i64) || verify_syms(op, IR_ATTR_size) != 1))
        verify_fail(v, 30, op, "is not i64[] of one symbolic integer");
    if (op->code == IR_iota && (!axis_in_range(op, t) || !is_number(t))) verify_fail(v, 30, op, "axis out of range, or bool");
    if (op->code == IR_random && t.dtype != FRIT_u32 && t.dtype != FRIT_u64) verify_fail(v, 30, op, "is not u32 or u64");
}

/* ---- Views (31) ---- */

static bool provably_different(verifier *v, sym_t a, sym_t b) {
    return sym_prove_lt(v->m->syms, a, b) || sym_prove_lt(v->m->syms, b, a);
}

static void check_reshape(verifier *v, const ir_op *op) {
    sym_t from = ir_type_elements((ir_module *)v->m, verify_type(op, 0));
    sym_t to = ir_type_elements((ir_module *)v->m, verify_result(op, 0));
    if (provably_different(v, from, to)) verify_fail(v, 31, op, "the number of elements changes");
}

static void check_transpose(verifier *v, const ir_op *op) {
    const int64_t *perm;
    ir_type x = verify_type(op, 0), r = verify_result(op, 0);
    unsigned seen = 0;
    if (ir_get_ints(op, IR_ATTR_perm, &perm) != x.rank || r.rank != x.rank) {
        verify_fail(v, 31, op, "perm is not as long as the rank");
        return;
    }
    for (int i = 0; i < x.rank; i++) {
        if (perm[i] < 0 || perm[i] >= x.rank || seen >> perm[i] & 1) {
            verify_fail(v, 31, op, "perm is no permutation");
            return;
        }
        seen |= 1u << perm[i];
        if (r.dims[i] != x.dims[perm[i]]) verify_fail(v, 31, op, "dim %d of the result is not the operand's", i);
    }
}

static void check_broadcast(verifier *v, const ir_op *op) {
    const int64_t *axes;
    ir_type x = verify_type(op, 0), r = verify_result(op, 0);
    if (ir_get_ints(op, IR_ATTR_axes, &axes) != x.rank) {
        verify_fail(v, 31, op, "axes are not as many as the operand's");
        return;
    }
    for (int i = 0; i < x.rank; i++) {
        if (axes[i] < 0 || axes[i] >= r.rank || (i && axes[i] <= axes[i - 1]))
            verify_fail(v, 31, op, "axis %d is out of range or does not ascend", i);
        else if (x.dims[i] != r.dims[axes[i]] && !sym_is(x.dims[i], 1))
            verify_fail(v, 31, op, "axis %d is neither 1 nor the result's dim", i);
    }
}

static bool lists_fit(verifier *v, const ir_op *op, int rank, int a, int b) {
    if (a == rank && b == rank) return true;
    verify_fail(v, 31, op, "its lists are not as long as the rank");
    return false;
}

static void check_slice(verifier *v, const ir_op *op) {
    const sym_t *start;
    const int64_t *step;
    ir_type x = verify_type(op, 0), r = verify_result(op, 0);
    int n_start = ir_get_syms(op, IR_ATTR_start, &start), n_step = ir_get_ints(op, IR_ATTR_step, &step);
    if (!lists_fit(v, op, x.rank, n_start, n_step) || r.rank != x.rank) return;
    sym_ctx *c = v->m->syms;
    for (int i = 0; i < x.rank; i++) {
        sym_t last = sym_add(c, start[i], sym_muli(c, sym_addi(c, r.dims[i], -1), step[i]));
        bool some = sym_prove_ge(c, r.dims[i], sym_const(c, 1));
        if (some && (sym_prove_lt(c, start[i], sym_const(c, 0)) || sym_prove_ge(c, start[i], x.dims[i]) ||
                     sym_prove_lt(c, last, sym_const(c, 0)) || sym_prove_ge(c, last, x.dims[i])))
            verify_fail(v, 31, op, "axis %d leaves the operand", i);
    }
}

static void check_pad(verifier *v, const ir_op *op) {
    const sym_t *lo, *hi;
    ir_type x = verify_type(op, 0), r = verify_result(op, 0);
    int n_lo = ir_get_syms(op, IR_ATTR_lo, &lo), n_hi = ir_get_syms(op, IR_ATTR_hi, &hi);
    if (!verify_is_scalar(verify_type(op, 1), (frit_dtype)x.dtype)) verify_fail(v, 31, op, "fill is no scalar of x's dtype");
    if (!lists_fit(v, op, x.rank, n_lo, n_hi)) return;
    for (int i = 0; i < x.rank && r.rank == x.rank; i++)
        if (sym_add(v->m->syms, sym_add(v->m->syms, lo[i], hi[i]), x.dims[i]) != r.dims[i])
            verify_fail(v, 31, op, "dim %d is not lo + x + hi", i);
}

static void check_concat(verifier *v, const ir_op *op) {
    ir_type r = verify_result(op, 0);
    int64_t axis = ir_get_int(op, IR_ATTR_axis, -1);
    if (op->n_operands < 1 || !axis_in_range(op, r)) {
        verify_fail(v, 31, op, "has no operands, or the axis is out of range");
        return;
    }
    sym_t sum = sym_const(v->m->syms, 0);
    for (int i = 0; i < op->n_operands; i++) {
        ir_type x = verify_type(op, i);
        if (x.rank != r.rank || x.dtype != r.dtype) {
            verify_fail(v, 31, op, "operand %d differs from the result in rank or dtype", i);
            return;
        }
        for (int d = 0; d < r.rank; d++)
            if (d != axis && x.dims[d] != r.dims[d]) verify_fail(v, 31, op, "operand %d differs in dim %d", i, d);
        sum = sym_add(v->m->syms, sum, x.dims[axis]);
    }
    if (sum != r.dims[axis]) verify_fail(v, 31, op, "the dims along the axis do not add up");
}

static void check_view(verifier *v, const ir_op *op) {
    ir_type x = verify_type(op, 0), r = verify_result(op, 0);
    if (verify_syms(op, IR_ATTR_map) != x.rank) verify_fail(v, 31, op, "map is not as long as the operand's rank");
    verify_extents(v, 31, op, r.rank, r.dims);
}

static void check_views(verifier *v, const ir_op *op) {
    ir_type x = verify_type(op, 0), r = verify_result(op, 0);
    if (r.dtype != x.dtype) verify_fail(v, 31, op, "changes the dtype");
    bool keeps_rank = op->code == IR_slice || op->code == IR_pad;
    if (keeps_rank && r.rank != x.rank) verify_fail(v, 31, op, "changes the rank");
    switch (op->code) {
    case IR_reshape: check_reshape(v, op); break;
    case IR_transpose: check_transpose(v, op); break;
    case IR_broadcast: check_broadcast(v, op); break;
    case IR_slice: check_slice(v, op); break;
    case IR_pad: check_pad(v, op); break;
    case IR_materialize:
        if (!ir_type_equal(r, x)) verify_fail(v, 31, op, "changes the type");
        break;
    default: check_view(v, op); break;
    }
}

/* ---- Reductions (32) ---- */

static bool axis_set(verifier *v, const ir_op *op, ir_attr_key key, int rank, unsigned *set) {
    const int64_t *axes;
    int n = ir_get_ints(op, key, &axes);
    *set = 0;
    for (int i = 0; i < n; i++) {
        if (axes[i] < 0 || axes[i] >= rank || *set >> axes[i] & 1) {
            verify_fail(v, 32, op, "%s is out of range or repeats itself", ir_attr_table[key].name);
            return false;
        }
        *set |= 1u << axes[i];
    }
    return true;
}

static bool kept_dims_agree(ir_type x, unsigned dropped, ir_type r, int *at) {
    for (int i = 0; i < x.rank; i++) {
        if (dropped >> i & 1) continue;
        if (*at >= r.rank || r.dims[*at] != x.dims[i]) return false;
        ++*at;
    }
    return true;
}

static bool reduced_dtype_fits(ir_combine c, ir_type x, ir_type r) {
    if (c == IR_ARGMAX || c == IR_ARGMIN) return frit_dtype_is_int((frit_dtype)r.dtype);
    if (c == IR_ANY || c == IR_ALL) return x.dtype == FRIT_bool && r.dtype == FRIT_bool;
    return frit_dtype_is_float((frit_dtype)x.dtype) == frit_dtype_is_float((frit_dtype)r.dtype);
}

static void check_reduce(verifier *v, const ir_op *op) {
    ir_type x = verify_type(op, 0), r = verify_result(op, 0);
    ir_combine c = (ir_combine)ir_get_int(op, IR_ATTR_combine, 0);
    const int64_t *axes;
    int n = ir_get_ints(op, IR_ATTR_axes, &axes), at = 0;
    unsigned set;
    if (!axis_set(v, op, IR_ATTR_axes, x.rank, &set)) return;
    for (int i = 1; i < n; i++)
        if (axes[i] < axes[i - 1]) verify_fail(v, 32, op, "axes do not ascend");
    if (!kept_dims_agree(x, set, r, &at) || at != r.rank) verify_fail(v, 32, op, "the dims are not those that are kept");
    if (c == IR_SET || !reduced_dtype_fits(c, x, r)) verify_fail(v, 32, op, "combination and dtypes do not fit");
}

static void check_scan(verifier *v, const ir_op *op) {
    ir_type x = verify_type(op, 0), r = verify_result(op, 0);
    ir_combine c = (ir_combine)ir_get_int(op, IR_ATTR_combine, 0);
    if (!axis_in_range(op, x)) verify_fail(v, 32, op, "axis out of range");
    if (!verify_same_shape(x, r)) verify_fail(v, 32, op, "changes the dims");
    if (c == IR_SET || !reduced_dtype_fits(c, x, r)) verify_fail(v, 32, op, "combination and dtypes do not fit");
}

static void check_pairs(verifier *v, const ir_op *op, ir_attr_key left, ir_attr_key right) {
    const int64_t *a, *b;
    ir_type x = verify_type(op, 0), y = verify_type(op, 1);
    int n = ir_get_ints(op, left, &a);
    if (ir_get_ints(op, right, &b) != n) {
        verify_fail(v, 32, op, "%s and %s differ in length", ir_attr_table[left].name, ir_attr_table[right].name);
        return;
    }
    for (int i = 0; i < n; i++)
        if (x.dims[a[i]] != y.dims[b[i]]) verify_fail(v, 32, op, "the dims of a pair of axes differ");
}

static void check_contract(verifier *v, const ir_op *op) {
    ir_type x = verify_type(op, 0), y = verify_type(op, 1), r = verify_result(op, 0);
    unsigned bx, by, sx, sy;
    if (!axis_set(v, op, IR_ATTR_lhs_batch, x.rank, &bx) || !axis_set(v, op, IR_ATTR_rhs_batch, y.rank, &by) ||
        !axis_set(v, op, IR_ATTR_lhs_contract, x.rank, &sx) || !axis_set(v, op, IR_ATTR_rhs_contract, y.rank, &sy))
        return;
    if (bx & sx || by & sy) verify_fail(v, 32, op, "an axis is both batch and summed");
    check_pairs(v, op, IR_ATTR_lhs_batch, IR_ATTR_rhs_batch);
    check_pairs(v, op, IR_ATTR_lhs_contract, IR_ATTR_rhs_contract);
    const int64_t *batch;
    int at = ir_get_ints(op, IR_ATTR_lhs_batch, &batch);
    bool agree = at <= r.rank;
    for (int i = 0; agree && i < at; i++) agree = r.dims[i] == x.dims[batch[i]];
    agree = agree && kept_dims_agree(x, bx | sx, r, &at) && kept_dims_agree(y, by | sy, r, &at) && at == r.rank;
    if (!agree) verify_fail(v, 32, op, "the dims are not batch, free of x, free of y");
    if (x.dtype != y.dtype || !reduced_dtype_fits(IR_SUM, x, r)) verify_fail(v, 32, op, "the dtypes do not fit");
    const int64_t *absent;
    int n = ir_get_ints(op, IR_ATTR_absent, &absent);
    bool sides = n <= 2 && (n == 0 || frit_dtype_is_float((frit_dtype)x.dtype));
    for (int i = 0; sides && i < n; i++) sides = (absent[i] == 0 || absent[i] == 1) && (i == 0 || absent[0] < absent[1]);
    if (!sides) verify_fail(v, 32, op, "absent does not name float operands");
}

static void check_sort(verifier *v, const ir_op *op) {
    ir_type x = verify_type(op, 0);
    if (!axis_in_range(op, x)) {
        verify_fail(v, 32, op, "axis out of range");
        return;
    }
    ir_type values = verify_result(op, 0);
    int64_t axis = ir_get_int(op, IR_ATTR_axis, 0);
    bool same = values.kind == x.kind && values.dtype == x.dtype && values.rank == x.rank;
    for (int d = 0; d < x.rank && same; d++)
        same = d == axis ? !sym_prove_lt(v->m->syms, x.dims[d], values.dims[d]) : values.dims[d] == x.dims[d];
    if (!same || !ir_type_equal(verify_result(op, 1), ir_with_dtype(values, FRIT_i64)))
        verify_fail(v, 32, op, "the results are not x's type, or the first of it along axis, and i64 positions");
}

/* ---- Data-dependent access (33) ---- */

/* Index operands from `first` on: integers of the given dims, one variable of idx each. */
static void check_indices(verifier *v, const ir_op *op, int first, ir_type domain) {
    if (verify_syms(op, IR_ATTR_idx) != op->n_operands - first) verify_fail(v, 33, op, "idx is not one per index operand");
    for (int i = first; i < op->n_operands; i++) {
        ir_type t = verify_type(op, i);
        if (!frit_dtype_is_int((frit_dtype)t.dtype) || !verify_same_shape(t, domain))
            verify_fail(v, 33, op, "index operand %d is no integer tensor of the right dims", i);
    }
}

static void check_gather(verifier *v, const ir_op *op) {
    if (op->n_operands < 1) {
        verify_fail(v, 33, op, "has no operand to read from");
        return;
    }
    ir_type x = verify_type(op, 0), r = verify_result(op, 0);
    if (x.dtype != r.dtype) verify_fail(v, 33, op, "changes the dtype");
    if (verify_syms(op, IR_ATTR_map) != x.rank) verify_fail(v, 33, op, "map is not as long as x's rank");
    check_indices(v, op, 1, r);
    verify_extents(v, 33, op, r.rank, r.dims);
}

static void check_scatter(verifier *v, const ir_op *op) {
    if (op->n_operands < 2) {
        verify_fail(v, 33, op, "has no base or no updates");
        return;
    }
    ir_type base = verify_type(op, 0), updates = verify_type(op, 1);
    ir_combine c = (ir_combine)ir_get_int(op, IR_ATTR_combine, 0);
    if (!ir_type_equal(verify_result(op, 0), base)) verify_fail(v, 33, op, "the result has not the base's type");
    if (updates.dtype != base.dtype) verify_fail(v, 33, op, "updates have another dtype");
    if (c == IR_ARGMAX || c == IR_ARGMIN) verify_fail(v, 33, op, "can't combine with argmax or argmin");
    if (verify_syms(op, IR_ATTR_map) != base.rank) verify_fail(v, 33, op, "map is not as long as the base's rank");
    check_indices(v, op, 2, updates);
    verify_extents(v, 33, op, updates.rank, updates.dims);
}

static void check_insert(verifier *v, const ir_op *op) {
    ir_type base = verify_type(op, 0), x = verify_type(op, 1);
    if (!ir_type_equal(verify_result(op, 0), base)) verify_fail(v, 33, op, "the result has not the base's type");
    if (x.dtype != base.dtype || x.rank != base.rank) verify_fail(v, 33, op, "x differs from the base in dtype or rank");
    if (verify_syms(op, IR_ATTR_start) != base.rank || verify_ints(op, IR_ATTR_step) != base.rank)
        verify_fail(v, 33, op, "start and step are not as long as the rank");
}

static void check_compact(verifier *v, const ir_op *op) {
    const sym_t *counter;
    ir_type mask = verify_type(op, 0), where = verify_result(op, 0);
    bool one = ir_get_syms(op, IR_ATTR_counter, &counter) == 1;
    bool counts = mask.dtype == FRIT_i32 || mask.dtype == FRIT_i64;
    if ((mask.dtype != FRIT_bool && !counts) || mask.rank != 1) verify_fail(v, 33, op, "the mask is no vector of bools or counts");
    if (!one || sym_var_role(counter[0]) != SYM_DIM || where.dtype != FRIT_i64 || where.rank != 1 ||
        where.dims[0] != counter[0])
        verify_fail(v, 33, op, "the positions are not i64 of the dim that it counts");
    if (!verify_is_scalar(verify_result(op, 1), FRIT_i64)) verify_fail(v, 33, op, "the count is not i64[]");
}

/* ---- Control (34) ---- */

static void check_same_types(verifier *v, const ir_op *op, int n, const ir_type *types) {
    bool same = op->n_results == n;
    for (int i = 0; same && i < n; i++) same = ir_type_equal(verify_result(op, i), types[i]);
    if (!same) verify_fail(v, 34, op, "the results are not of the carried types");
}

static void check_if(verifier *v, const ir_op *op) {
    if (op->n_operands < 1 || !verify_is_scalar(verify_type(op, 0), FRIT_bool)) {
        verify_fail(v, 34, op, "the condition is not bool[]");
        return;
    }
    ir_type *args = verify_operand_types(v, op, 1), *results = verify_result_types(v, op);
    for (int i = 0; i < 2; i++) {
        verify_args(v, 34, op, i, op->n_operands - 1, args);
        verify_yield(v, 34, op, i, 0, op->n_results, results);
    }
}

static void check_loop(verifier *v, const ir_op *op) {
    ir_type *carried = verify_operand_types(v, op, 0);
    if (verify_syms(op, IR_ATTR_counter) != 1 || verify_syms(op, IR_ATTR_extent) != 1)
        verify_fail(v, 34, op, "wants one counter and one extent");
    check_same_types(v, op, op->n_operands, carried);
    verify_args(v, 34, op, 0, op->n_operands, carried);
    verify_yield(v, 34, op, 0, 0, op->n_operands, carried);
}

static void check_while(verifier *v, const ir_op *op) {
    ir_type *carried = verify_operand_types(v, op, 0), condition = ir_scalar(FRIT_bool);
    check_same_types(v, op, op->n_operands, carried);
    for (int i = 0; i < 2; i++) verify_args(v, 34, op, i, op->n_operands, carried);
    verify_yield(v, 34, op, 0, 0, 1, &condition);
    verify_yield(v, 34, op, 1, 0, op->n_operands, carried);
}

static void check_kernel(verifier *v, const ir_op *op) {
    verify_args(v, 34, op, 0, op->n_operands, verify_operand_types(v, op, 0));
    verify_yield(v, 34, op, 0, 0, op->n_results, verify_result_types(v, op));
}

void verify_tensor_op(verifier *v, const ir_op *op) {
    switch (op->code) {
    case IR_param:
    case IR_state_read:
    case IR_state_write: check_global_op(v, op); break;
    case IR_size:
    case IR_iota:
    case IR_random: check_source(v, op); break;
    case IR_reshape:
    case IR_transpose:
    case IR_broadcast:
    case IR_slice:
    case IR_pad:
    case IR_materialize:
    case IR_view: check_views(v, op); break;
    case IR_concat: check_concat(v, op); break;
    case IR_reduce: check_reduce(v, op); break;
    case IR_scan: check_scan(v, op); break;
    case IR_contract: check_contract(v, op); break;
    case IR_sort: check_sort(v, op); break;
    case IR_gather: check_gather(v, op); break;
    case IR_scatter: check_scatter(v, op); break;
    case IR_insert: check_insert(v, op); break;
    case IR_compact: check_compact(v, op); break;
    case IR_if: check_if(v, op); break;
    case IR_loop: check_loop(v, op); break;
    case IR_while: check_while(v, op); break;
    case IR_kernel: check_kernel(v, op); break;
    default: break; /* yield and return: checked with the block they end */
    }
}
