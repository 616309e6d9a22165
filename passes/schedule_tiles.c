#include "schedule_tiles.h"

int schedule_stored_bits(const ir_op *contract, int i) {
    const ir_value *v = ir_operand(contract, i);
    int bits = (int)frit_dtype_bits((frit_dtype)v->type.dtype);
    while (v->op && v->op->n_operands == 1 && (v->op->code == IR_cast || (ir_op_flags(v->op) & IR_F_VIEW))) {
        v = ir_operand(v->op, 0);
        int b = (int)frit_dtype_bits((frit_dtype)v->type.dtype);
        if (b < bits) bits = b;
    }
    return bits;
}

/* Typical number of positions along the axes of operand i that the other one has not. */
static int64_t own_positions(const ir_op *op, int i) {
    const int64_t *axes[2];
    int n[2] = {ir_get_ints(op, i ? IR_ATTR_rhs_batch : IR_ATTR_lhs_batch, &axes[0]),
                ir_get_ints(op, i ? IR_ATTR_rhs_contract : IR_ATTR_lhs_contract, &axes[1])};
    ir_type t = ir_operand(op, i)->type;
    int64_t positions = 1;
    for (int d = 0; d < t.rank; d++) {
        bool common = false;
        for (int k = 0; k < 2; k++)
            for (int j = 0; j < n[k]; j++) common |= axes[k][j] == d;
        if (!common) positions *= sym_hint(t.dims[d]);
    }
    return positions;
}

bool schedule_has_few_rows(const ir_op *contract) {
    const int64_t *axes[2];
    int n[2] = {ir_get_ints(contract, IR_ATTR_lhs_batch, &axes[0]), ir_get_ints(contract, IR_ATTR_lhs_contract, &axes[1])};
    ir_type t = ir_operand(contract, 0)->type;
    int64_t rows = 1, e;
    for (int d = 0; d < t.rank; d++) {
        bool own = true;
        for (int k = 0; k < 2; k++)
            for (int j = 0; j < n[k]; j++) own &= axes[k][j] != d;
        if (!own) continue;
        if (!sym_is_const(t.dims[d], &e) || e > SCHEDULE_FEW_ROWS) return false;
        rows *= e;
    }
    return rows <= SCHEDULE_FEW_ROWS;
}

bool schedule_in_tiles(const ir_op *contract) {
    enum { LEAST = 16 };
    return own_positions(contract, 0) >= LEAST && own_positions(contract, 1) >= LEAST;
}

int64_t schedule_most_cols(const schedule_sizes *z, const ir_op *contract) {
    bool narrow = z->narrow_cols > 0 && schedule_in_tiles(contract);
    for (int i = 0; i < 2; i++) narrow &= schedule_stored_bits(contract, i) <= 16;
    return narrow ? z->narrow_cols : z->cols;
}

int64_t schedule_wanted_tasks(const schedule_sizes *z, const ir_op *contract) {
    const int64_t *axes;
    int64_t depth = 1;
    int n = ir_get_ints(contract, IR_ATTR_lhs_contract, &axes);
    for (int i = 0; i < n; i++) depth *= sym_hint(ir_operand(contract, 0)->type.dims[axes[i]]);
    bool parts = z->tasks_in_parts > 0 && depth >= z->depth_in_parts && z->tasks != INT64_MAX && schedule_in_tiles(contract);
    return parts && z->tasks_in_parts < z->tasks ? z->tasks_in_parts : z->tasks;
}
