#include "schedule_flat.h"
#include <string.h>

enum { VECTOR = 16 /* elements whose multiple as the last dim leaves every line aligned */ };

/* Rank 0, or the dims of the others; elements of whole bytes. */
static bool fits(ir_type t, const sym_t **dims, int *rank) {
    if (t.kind != IR_TENSOR || frit_dtype_bits((frit_dtype)t.dtype) < 8) return false;
    if (t.rank == 0) return true;
    if (!*dims) *dims = t.dims, *rank = t.rank;
    return t.rank == *rank && !memcmp(t.dims, *dims, (size_t)t.rank * sizeof *t.dims);
}

/* Computes each element from the elements at the same place, or from numbers. */
static bool is_pointwise(const ir_op *op) {
    if (op->code == IR_yield) return true;
    if (op->n_results != 1 || op->n_blocks) return false;
    if (op->code == IR_broadcast) return ir_operand(op, 0)->type.rank == 0;
    if (op->code == IR_constant) return ir_attr_get(op, IR_ATTR_value)->data.bytes == frit_dtype_bytes((frit_dtype)ir_result(op, 0)->type.dtype, 1);
    return (ir_op_flags(op) & IR_F_ELEMENTWISE) != 0;
}

bool flat_is_wanted(const ir_op *kernel, sym_ctx *c, const frit_target_limits *lim) {
    const ir_block *b = kernel->blocks[0];
    const sym_t *dims = NULL;
    int rank = 0;
    if (!lim->threads) return false;
    for (int i = 0; i < b->n_args; i++)
        if (!fits(b->args[i]->type, &dims, &rank)) return false;
    for (const ir_op *op = b->first; op; op = op->next) {
        if (!is_pointwise(op)) return false;
        for (int i = 0; i < op->n_results; i++)
            if (!fits(op->results[i].type, &dims, &rank)) return false;
    }
    for (int i = 0; i < kernel->n_results; i++)
        if (ir_result(kernel, i)->type.rank == 0) return false;
    return rank > 1 && !sym_prove_multiple(c, dims[rank - 1], VECTOR) && !sym_is_invalid(sym_prod(c, dims, rank));
}

ir_type flat_type(ir_module *m, ir_type t) {
    if (t.rank == 0) return t;
    sym_t all = ir_type_elements(m, t);
    return ir_tensor(m, (frit_dtype)t.dtype, 1, &all);
}

void flat_make(ir_module *m, ir_op *kernel) {
    ir_block *b = kernel->blocks[0];
    for (int i = 0; i < b->n_args; i++) b->args[i]->type = flat_type(m, b->args[i]->type);
    for (ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_yield) continue;
        for (int i = 0; i < op->n_results; i++) op->results[i].type = flat_type(m, op->results[i].type);
    }
}
