/* From a `kernel` op to a tile program: which axes become tasks, how much of each a task does, which nests become stages
 * and where their results live. Choices follow the target's limits and the extents' typical sizes; any choice is right. */
#ifndef FRIT_PASSES_SCHEDULE_H
#define FRIT_PASSES_SCHEDULE_H
#include "ir/ir.h"
#include "schedule_sizes.h"

/* Columns of a panel: how the operand that runs along lanes is laid out for a contraction's inner loop. */
enum { SCHEDULE_PANEL = 16 };

/* A tile-level func named `name` in m, with one buffer argument per operand of the kernel and one per result. NULL when the
 * kernel does not fit a schedule; *why says what stood in the way. An output that the kernel updates in place
 * (schedule_in_place) starts out holding its base operand's elements; the caller sees to it.
 * first: NULL, or where to put a second func, of a launch that comes before (NULL where there is none). It has the kernel's operands and then
 * one buffer, which the func that is returned has between operands and results. */
ir_func *schedule_kernel(ir_module *m, const ir_op *kernel, const char *name, const frit_target_limits *lim,
                         ir_func **first, const char **why);

/* The operand index whose elements result `k` of the kernel must hold before it runs, or -1. */
int schedule_in_place(const ir_op *kernel, int k);

#endif
