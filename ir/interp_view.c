/* Views: how the elements of a result are found in the operand. */
#include "interp_internal.h"
#include <stdlib.h>

static bool result_shape(interp *it, const ir_op *op, int64_t *shape) {
    return interp_dims(it, ir_result(op, 0)->type, shape);
}

/* A recipe that would be evaluated more than once per element is evaluated now. */
static bool compute_once(interp *it, node *x, int64_t reads) {
    return x->kind == NODE_STRIDED || reads <= x->n || node_settle(it, x);
}

bool op_reshape(interp *it, const ir_op *op, node **in, node **out) {
    int64_t shape[IR_MAX_RANK];
    int rank = ir_result(op, 0)->type.rank;
    if (!result_shape(it, op, shape)) return false;
    int64_t n = interp_count(it, rank, shape);
    if (n < 0) return false;
    if (n != in[0]->n)
        return interp_fail(it, INTERP_BAD_INPUT, "reshape of %lld elements to %lld", (long long)in[0]->n, (long long)n);
    bool dense = node_is_dense(in[0]);
    node *x = out[0] = node_new(it, dense ? NODE_STRIDED : NODE_RESHAPE, in[0]->dtype, rank, shape, dense ? 0 : 1, in);
    if (!x || !dense) return x != NULL;
    x->store = in[0]->store;
    x->store->refs++;
    x->undecided = in[0]->undecided;
    int64_t stride = 1;
    for (int i = rank; i-- > 0;) {
        x->stride[i] = stride;
        stride *= n ? shape[i] : 1;
    }
    return true;
}

bool op_transpose(interp *it, const ir_op *op, node **in, node **out) {
    const int64_t *perm;
    int p[IR_MAX_RANK], n = ir_get_ints(op, IR_ATTR_perm, &perm);
    unsigned seen = 0;
    for (int i = 0; i < n && i < IR_MAX_RANK; i++) {
        p[i] = (int)perm[i];
        if (perm[i] >= 0 && perm[i] < n) seen |= 1u << perm[i];
    }
    if (n != in[0]->rank || seen != (1u << n) - 1) return interp_fail(it, INTERP_BAD_IR, "perm is no permutation");
    return (out[0] = node_permute(it, in[0], p)) != NULL;
}

bool op_broadcast(interp *it, const ir_op *op, node **in, node **out) {
    const int64_t *axes;
    int64_t shape[IR_MAX_RANK], start[IR_MAX_RANK] = {0}, step[IR_MAX_RANK];
    int axis[IR_MAX_RANK], rank = ir_result(op, 0)->type.rank;
    if (ir_get_ints(op, IR_ATTR_axes, &axes) != in[0]->rank)
        return interp_fail(it, INTERP_BAD_IR, "broadcast needs one axis per operand axis");
    if (!result_shape(it, op, shape)) return false;
    for (int i = 0; i < in[0]->rank; i++) {
        if (axes[i] < 0 || axes[i] >= rank)
            return interp_fail(it, INTERP_BAD_IR, "broadcast to axis %lld", (long long)axes[i]);
        int64_t have = in[0]->shape[i], want = shape[axes[i]];
        if (have != want && have != 1)
            return interp_fail(it, INTERP_BAD_INPUT, "broadcast of a dim of %lld to %lld", (long long)have,
                               (long long)want);
        axis[i] = have == want ? (int)axes[i] : -1;
        step[i] = 1;
    }
    int64_t n = interp_count(it, rank, shape);
    if (n < 0 || !compute_once(it, in[0], n)) return false;
    return (out[0] = node_affine(it, in[0], rank, shape, axis, start, step)) != NULL;
}

bool op_slice(interp *it, const ir_op *op, node **in, node **out) {
    const sym_t *starts;
    const int64_t *steps;
    int64_t shape[IR_MAX_RANK], start[IR_MAX_RANK], step[IR_MAX_RANK];
    int axis[IR_MAX_RANK], rank = in[0]->rank;
    if (ir_get_syms(op, IR_ATTR_start, &starts) != rank || ir_result(op, 0)->type.rank != rank)
        return interp_fail(it, INTERP_BAD_IR, "slice needs one start per axis");
    int n_steps = ir_get_ints(op, IR_ATTR_step, &steps);
    if (!result_shape(it, op, shape)) return false;
    for (int i = 0; i < rank; i++) {
        int64_t last;
        step[i] = i < n_steps && shape[i] > 1 ? steps[i] : 1;
        axis[i] = i;
        if (!interp_eval(it, starts[i], &start[i])) return false;
        bool bad = __builtin_mul_overflow(shape[i] - 1, step[i], &last);
        bad = bad || __builtin_add_overflow(last, start[i], &last);
        bad |= start[i] < 0 || start[i] >= in[0]->shape[i] || last < 0 || last >= in[0]->shape[i];
        if (shape[i] > 0 && bad)
            return interp_fail(it, INTERP_BAD_INPUT, "slice of %lld from %lld by %lld leaves a dim of %lld",
                               (long long)shape[i], (long long)start[i], (long long)step[i],
                               (long long)in[0]->shape[i]);
        if (shape[i] == 0) start[i] = 0;
    }
    return (out[0] = node_affine(it, in[0], rank, shape, axis, start, step)) != NULL;
}

/* Writes x into the part of dense y that starts at `start` along each axis. */
typedef struct {
    node *y;
    const int64_t *start, *step;
} region;

static bool write_region(void *u, interp *it, int64_t begin, int n, const column *at, const scalar *v,
                         const double *e) {
    const region *r = u;
    for (int i = 0; i < n; i++) {
        int64_t place = 0;
        bool inside = true;
        for (int k = 0; k < r->y->rank && inside; k++) {
            int64_t c = r->start[k] + (r->step ? r->step[k] : 1) * column_at(at[k], i);
            inside = c >= 0 && c < r->y->shape[k];
            if (inside) place += c * r->y->stride[k];
        }
        if (!inside) continue;
        scalar_store(r->y->store->t, r->y->store->data, place, v[i]);
        if (e) r->y->store->err[place] = e[i];
    }
    return true;
}

bool node_write_region(interp *it, node *x, node *y, const int64_t *start, const int64_t *step) {
    region r = {.y = y, .start = start, .step = step};
    return node_visit(it, x, write_region, &r);
}

static bool fill_all(interp *it, node *y, node *fill) {
    int axis = 0;
    int64_t none = 0, zero[IR_MAX_RANK] = {0};
    node *everywhere = node_affine(it, fill, y->rank, y->shape, &axis, &none, &none);
    bool ok = everywhere && node_write_region(it, everywhere, y, zero, NULL);
    node_release(it, everywhere);
    return ok;
}

bool op_pad(interp *it, const ir_op *op, node **in, node **out) {
    const sym_t *lo, *hi;
    int rank = in[0]->rank;
    int64_t shape[IR_MAX_RANK], want[IR_MAX_RANK], start[IR_MAX_RANK];
    if (ir_get_syms(op, IR_ATTR_lo, &lo) != rank || ir_get_syms(op, IR_ATTR_hi, &hi) != rank || in[1]->n != 1 ||
        ir_result(op, 0)->type.rank != rank || in[1]->rank != 0)
        return interp_fail(it, INTERP_BAD_IR, "pad needs lo and hi per axis and a scalar");
    if (!result_shape(it, op, want)) return false;
    for (int i = 0; i < rank; i++) {
        int64_t end;
        if (!interp_eval(it, lo[i], &start[i]) || !interp_eval(it, hi[i], &end)) return false;
        if (__builtin_add_overflow(in[0]->shape[i], start[i], &shape[i]) ||
            __builtin_add_overflow(shape[i], end, &shape[i]) || shape[i] != want[i])
            return interp_fail(it, INTERP_BAD_INPUT, "pad by %lld and %lld does not give a dim of %lld",
                               (long long)start[i], (long long)end, (long long)want[i]);
    }
    node *y = out[0] = node_dense(it, in[0]->dtype, rank, want);
    return y && fill_all(it, y, in[1]) && node_write_region(it, in[0], y, start, NULL);
}

bool op_concat(interp *it, const ir_op *op, node **in, node **out) {
    int64_t shape[IR_MAX_RANK], start[IR_MAX_RANK] = {0};
    int rank = ir_result(op, 0)->type.rank, axis = (int)ir_get_int(op, IR_ATTR_axis, 0);
    if (axis < 0 || axis >= rank) return interp_fail(it, INTERP_BAD_IR, "concat along axis %d", axis);
    if (!result_shape(it, op, shape)) return false;
    node *y = out[0] = node_dense(it, (frit_dtype)ir_result(op, 0)->type.dtype, rank, shape);
    for (int i = 0; y && i < op->n_operands; i++) {
        for (int k = 0; k < rank; k++)
            if (in[i]->rank != rank || in[i]->dtype != y->dtype || (k != axis && in[i]->shape[k] != shape[k]))
                return interp_fail(it, INTERP_BAD_INPUT, "concat: operand %d does not fit", i);
        if (in[i]->shape[axis] > shape[axis] - start[axis])
            return interp_fail(it, INTERP_BAD_INPUT, "concat: operands exceed the result");
        if (!node_write_region(it, in[i], y, start, NULL)) return false;
        start[axis] += in[i]->shape[axis];
    }
    if (y && start[axis] != shape[axis])
        return interp_fail(it, INTERP_BAD_INPUT, "concat: operands do not fill the result");
    return y != NULL;
}

/* view and gather: map is written in vars (one per result axis), then idx (one per index operand). */
bool op_map(interp *it, const ir_op *op, node **in, node **out) {
    const sym_t *vars, *idx = NULL, *exprs;
    int64_t shape[IR_MAX_RANK];
    int rank = ir_result(op, 0)->type.rank, n_idx = op->n_operands - 1;
    bool bad = ir_get_syms(op, IR_ATTR_vars, &vars) != rank || ir_get_syms(op, IR_ATTR_map, &exprs) != in[0]->rank;
    bad |= ir_get_syms(op, IR_ATTR_idx, &idx) != n_idx || n_idx > IR_MAX_RANK;
    if (bad) return interp_fail(it, INTERP_BAD_IR, "%s: variables and map do not fit", ir_op_table[op->code].name);
    if (!result_shape(it, op, shape)) return false;
    int64_t n = interp_count(it, rank, shape);
    if (n < 0 || !compute_once(it, in[0], n)) return false;
    for (int i = 0; i < n_idx; i++) {
        bool fits = in[i + 1]->rank == rank && !frit_dtype_is_float(in[i + 1]->dtype);
        for (int k = 0; fits && k < rank; k++) fits = in[i + 1]->shape[k] == shape[k];
        if (!fits) return interp_fail(it, INTERP_BAD_INPUT, "gather: index %d does not have the result's dims", i);
    }
    node *x = out[0] = node_new(it, NODE_MAP, in[0]->dtype, rank, shape, op->n_operands, in);
    if (!x) return false;
    x->fill = ir_get_float(op, IR_ATTR_fill, 0);
    x->maps = calloc((size_t)in[0]->rank + 1, sizeof *x->maps);
    if (!x->maps) return interp_fail(it, INTERP_MEMORY, "out of memory");
    sym_t all[2 * IR_MAX_RANK];
    for (int i = 0; i < rank + n_idx; i++) all[i] = i < rank ? vars[i] : idx[i - rank];
    for (int i = 0; i < in[0]->rank; i++)
        if (!(x->maps[i] = map_new(it, exprs[i], rank + n_idx, all))) return false;
    return true;
}
