/* When two ops of a block compute the same. */
#ifndef FRIT_PASSES_CSE_H
#define FRIT_PASSES_CSE_H
#include "ir/ir.h"

/* a and b have no effect and the same opcode, operands (commuted where that may be), attributes and result types. */
bool cse_same_op(const ir_module *m, const ir_op *a, const ir_op *b);
#endif
