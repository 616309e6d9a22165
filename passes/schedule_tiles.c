#include "schedule_tiles.h"

/* Elements as they are stored, before casts that widen them. */
static int stored_bits(const ir_value *v) {
    int bits = (int)frit_dtype_bits((frit_dtype)v->type.dtype);
    while (v->op && v->op->n_operands == 1 && (v->op->code == IR_cast || (ir_op_flags(v->op) & IR_F_VIEW))) {
        v = ir_operand(v->op, 0);
        int b = (int)frit_dtype_bits((frit_dtype)v->type.dtype);
        if (b < bits) bits = b;
    }
    return bits;
}

int64_t schedule_most_cols(const schedule_sizes *z, const ir_op *contract) {
    bool narrow = z->narrow_cols > 0;
    for (int i = 0; i < 2; i++) narrow &= stored_bits(ir_operand(contract, i)) <= 16;
    return narrow ? z->narrow_cols : z->cols;
}

int64_t schedule_wanted_tasks(const schedule_sizes *z, const ir_op *contract) {
    const int64_t *axes;
    int64_t depth = 1;
    int n = ir_get_ints(contract, IR_ATTR_lhs_contract, &axes);
    for (int i = 0; i < n; i++) depth *= sym_hint(ir_operand(contract, 0)->type.dims[axes[i]]);
    bool parts = z->tasks_in_parts > 0 && depth >= z->depth_in_parts && z->tasks != INT64_MAX;
    return parts && z->tasks_in_parts < z->tasks ? z->tasks_in_parts : z->tasks;
}
