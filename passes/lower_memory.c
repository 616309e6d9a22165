/* Element access. A mask that is the same for all lanes becomes a branch: vector stores under a mask are slow on some
 * machines (tens of micro-operations), and a predicate such as "this row exists" is predicted well. */
#include "lower_internal.h"

static ir_opcode with_lanes(const ir_value *index, ir_opcode plain, ir_opcode lanes) {
    return index->type.lanes > 1 ? lanes : plain;
}

static bool is_uniform(const ir_value *mask, ir_type t) { return mask && mask->type.lanes == 1 && t.lanes > 1; }

static void yield_value(ir_builder *b, int n, ir_value *v) { ir_build(b, IR_yield, n, &v, 0, NULL); }

static ir_value *branch_load(lower *l, int depth, ir_opcode code, ir_value **x, ir_type t) {
    ir_op *branch = ir_build(lower_at(l, depth), IR_tif, 1, &x[2], 1, &t);
    ir_builder yes = ir_builder_at_end(l->m, branch->blocks[0]), no = ir_builder_at_end(l->m, branch->blocks[1]);
    yes.span = no.span = branch->span;
    yield_value(&yes, 1, ir_result(ir_build(&yes, code, 2, x, 1, &t), 0));
    yield_value(&no, 1, x[3]);
    return ir_result(branch, 0);
}

void lower_tell_alignment(lower *l, ir_op *access, ir_type t) {
    int bytes = t.lanes * (int)frit_dtype_bits((frit_dtype)t.dtype) / 8;
    if (t.lanes > 1 && bytes > 0) ir_set_int(l->m, access, IR_ATTR_align, bytes < l->lim->vector_bytes ? bytes : l->lim->vector_bytes);
}

ir_value *lower_load(lower *l, int depth, ir_value *ptr, ir_value *index, ir_type t, ir_value *mask, ir_value *other) {
    ir_value *x[4] = {ptr, index, mask, other};
    ir_opcode code = with_lanes(index, IR_load, IR_load_lanes);
    if (is_uniform(mask, t)) return branch_load(l, depth, code, x, t);
    return lower_build(l, depth, code, mask ? 4 : 2, x, t);
}

ir_op *lower_store(lower *l, ir_value *ptr, ir_value *index, ir_value *x, ir_value *mask) {
    ir_value *v[4] = {ptr, index, x, mask};
    ir_opcode code = with_lanes(index, IR_store, IR_store_lanes);
    if (!is_uniform(mask, x->type)) return ir_build(lower_here(l), code, mask ? 4 : 3, v, 0, NULL);
    ir_op *branch = lower_if(l, mask), *store = ir_build(lower_here(l), code, 3, v, 0, NULL);
    lower_if_end(l, branch);
    return store;
}
