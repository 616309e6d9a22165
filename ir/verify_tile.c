#include "verify_internal.h"

static void check_domain(verifier *v, const ir_op *op) {
    const sym_t *extent;
    int n = ir_get_syms(op, IR_ATTR_extent, &extent);
    if (op->code == IR_for && n != 1) verify_fail(v, 40, op, "wants one var");
    if (op->code == IR_stage && n > IR_MAX_RANK) verify_fail(v, 40, op, "%d variables; at most %d fit", n, IR_MAX_RANK);
    const sym_t *same, *guard;
    if (ir_get_syms(op, IR_ATTR_guard, &guard) > 1) verify_fail(v, 40, op, "has more than one guard");
    int n_same = ir_get_syms(op, IR_ATTR_same, &same);
    if (n_same % 2) verify_fail(v, 40, op, "same is not made of pairs");
    for (int i = 0; i < n_same; i++)
        if (!sym_is_var(same[i])) verify_fail(v, 40, op, "same wants variables");
    verify_extents(v, 40, op, n, extent);
    for (int i = 0; i < op->n_blocks && op->code != IR_stage; i++) verify_args(v, 40, op, i, 0, NULL);
}

static void check_combined(verifier *v, const ir_op *op, int n, const int64_t *combines) {
    const ir_op *yield = op->blocks[0]->last;
    const ir_block *epilogue = op->blocks[1];
    if (!yield || yield->code != IR_yield) return;
    if (yield->n_operands != n || epilogue->n_args != n) {
        verify_fail(v, 40, op, "combines, the yielded values and the arguments of block 1 differ in number");
        return;
    }
    for (int i = 0; i < n; i++) {
        ir_type arg = epilogue->args[i]->type;
        bool is_position = combines[i] == IR_ARGMAX || combines[i] == IR_ARGMIN;
        if (is_position ? !frit_dtype_is_int((frit_dtype)arg.dtype) : !ir_type_equal(arg, verify_type(yield, i)))
            verify_fail(v, 40, op, "argument %d of block 1 has the wrong type", i);
    }
}

static void check_stage(verifier *v, const ir_op *op) {
    const int64_t *combines;
    int n = verify_syms(op, IR_ATTR_vars), n_combines = ir_get_ints(op, IR_ATTR_combines, &combines);
    int64_t parallel = ir_get_int(op, IR_ATTR_parallel, -1), vector = ir_get_int(op, IR_ATTR_vector, -1);
    check_domain(v, op);
    if (parallel < 0 || parallel > n) verify_fail(v, 40, op, "parallel is out of range");
    if (vector < -1 || vector >= n) verify_fail(v, 40, op, "vector is out of range");
    if (ir_has(op, IR_ATTR_tile) && verify_ints(op, IR_ATTR_tile) != n) verify_fail(v, 40, op, "tile is not one per var");
    if (op->blocks[0]->n_args) verify_fail(v, 40, op, "block 0 has arguments");
    if (ir_get_int(op, IR_ATTR_across, 0) && (parallel == n || !ir_block_func(op->parent)->cluster))
        verify_fail(v, 40, op, "combines nothing across the blocks of a cluster");
    if (parallel < n) check_combined(v, op, n_combines, combines);
    else if (op->blocks[1]->first || op->blocks[1]->n_args || n_combines)
        verify_fail(v, 40, op, "nothing is reduced, but block 1 or combines is not empty");
}

/* Integer scalars from operand `first` on, one variable of idx each. */
static bool indices_fit(const ir_op *op, int first) {
    for (int i = first; i < op->n_operands; i++) {
        ir_type t = verify_type(op, i);
        if (t.kind != IR_TENSOR || t.rank || !frit_dtype_is_int((frit_dtype)t.dtype)) return false;
    }
    return verify_syms(op, IR_ATTR_idx) == op->n_operands - first;
}

static void check_access(verifier *v, const ir_op *op, int values) {
    if (op->n_operands < 1 + values || verify_type(op, 0).kind != IR_BUFFER) {
        verify_fail(v, 41, op, "has no buffer");
        return;
    }
    ir_type buffer = verify_type(op, 0), x = values ? verify_type(op, 1) : verify_result(op, 0);
    const int64_t *checked;
    int n_checked = ir_get_ints(op, IR_ATTR_checked, &checked);
    if (!verify_is_scalar(x, (frit_dtype)buffer.dtype)) verify_fail(v, 41, op, "the value is no scalar of the buffer's dtype");
    if (verify_syms(op, IR_ATTR_map) != buffer.rank) verify_fail(v, 41, op, "map is not as long as the buffer's rank");
    if (!indices_fit(op, 1 + values)) verify_fail(v, 41, op, "indices are not integers with one idx each");
    for (int i = 0; i < n_checked; i++)
        if (checked[i] < 0 || checked[i] >= buffer.rank) verify_fail(v, 41, op, "checks a coordinate that is not there");
}

static void check_write(verifier *v, const ir_op *op) {
    check_access(v, op, 1);
    int n = verify_syms(op, IR_ATTR_within);
    if (ir_has(op, IR_ATTR_within) && n != 2) verify_fail(v, 41, op, "within is not a coordinate and its extent");
}

static void check_inrange(verifier *v, const ir_op *op) {
    if (!verify_is_scalar(verify_result(op, 0), FRIT_bool)) verify_fail(v, 42, op, "the result is not bool[]");
    if (verify_syms(op, IR_ATTR_map) != verify_syms(op, IR_ATTR_extent)) verify_fail(v, 42, op, "map and extent differ in length");
    if (!indices_fit(op, 0)) verify_fail(v, 42, op, "indices are not integers with one idx each");
}

static void check_index(verifier *v, const ir_op *op) {
    ir_type t = verify_result(op, 0);
    if (t.kind != IR_TENSOR || t.rank || t.dtype == FRIT_bool || verify_syms(op, IR_ATTR_size) != 1)
        verify_fail(v, 42, op, "is no scalar number of one symbolic integer");
}

static void check_alloc(verifier *v, const ir_op *op) {
    ir_type t = verify_result(op, 0);
    if (t.kind != IR_BUFFER || t.space == IR_GLOBAL) verify_fail(v, 42, op, "is no buffer of core or register space");
}

void verify_tile_op(verifier *v, const ir_op *op) {
    switch (op->code) {
    case IR_grid:
    case IR_for: check_domain(v, op); break;
    case IR_stage: check_stage(v, op); break;
    case IR_read: check_access(v, op, 0); break;
    case IR_write: check_write(v, op); break;
    case IR_only:
        if (!verify_is_scalar(ir_operand(op, 0)->type, FRIT_bool)) verify_fail(v, 42, op, "the condition is not bool[]");
        break;
    case IR_index: check_index(v, op); break;
    case IR_inrange: check_inrange(v, op); break;
    case IR_alloc: check_alloc(v, op); break;
    default: break;
    }
}
