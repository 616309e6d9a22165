/* Pointwise kernels whose values all have the same dims run over them as over one axis: schedule_flat.c. */
#ifndef FRIT_PASSES_SCHEDULE_FLAT_H
#define FRIT_PASSES_SCHEDULE_FLAT_H
#include "schedule.h"
#include "target.h"

/* Whether a block of threads gains from that: lines of memory do not begin at multiples of a vector. */
bool flat_is_wanted(const ir_op *kernel, sym_ctx *c, const frit_target_limits *lim);
/* t with its dims, if it has any, as one. */
ir_type flat_type(ir_module *m, ir_type t);
/* The values of the kernel's block get such types. */
void flat_make(ir_module *m, ir_op *kernel);
#endif
