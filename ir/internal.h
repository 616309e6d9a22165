/* Shared by the files of the IR core. */
#ifndef FRIT_IR_INTERNAL_H
#define FRIT_IR_INTERNAL_H
#include "ir.h"

/* Ends the process: frit itself misused the IR while building or editing `code`. */
_Noreturn void ir_misuse(ir_opcode code, const char *what);
#define IR_REQUIRE(condition, code, what) ((condition) ? (void)0 : ir_misuse((code), (what)))

/* A value as a result or argument, not yet named or used. */
void ir_value_init(ir_module *m, ir_value *v, ir_type t);
/* An op with operands, results and empty blocks, outside any block. */
ir_op *ir_op_new(ir_module *m, ir_opcode code, int n_operands, ir_value *const *operands, int n_results,
                 const ir_type *types);
/* Links op into block before `before`, or at the end when it is NULL. */
void ir_op_insert(ir_block *block, ir_op *before, ir_op *op);
void ir_use_set(ir_use *u, ir_value *v);
void ir_use_drop(ir_use *u);
void ir_set_attr(ir_module *m, ir_op *op, ir_attr attr);
/* Bytes of a constant that holds one element for all. */
static inline int64_t ir_splat_bytes(ir_type t) { return frit_dtype_bytes((frit_dtype)t.dtype, 1); }
#endif
