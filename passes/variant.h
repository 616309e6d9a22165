/* Guarded variants. A grid's guard is 1 where it holds and else 0, so that a launch runs the tasks of one set of grids and none of
 * the other.
 *
 * On a core, a kernel whose contractions have a row count that may be 1 (a decoder that takes one token at a time) gets a
 * second set of grids, made for exactly that. For blocks of threads, a contraction of open size gets one set with large tiles,
 * for when there are enough of them to fill the machine, and one with small tiles; attention with an open number of queries
 * gets a set for one query, whose keys are shared out among tasks (schedule_parts.c).
 *
 * Rows of open length begin anywhere in memory, and a block's threads could take no vectors of them. Kernels without
 * contractions get a set of grids for rows that are whole vectors, and one for all others. */
#ifndef FRIT_PASSES_VARIANT_H
#define FRIT_PASSES_VARIANT_H
#include "ir/ir.h"

enum { VARIANT_MAX_DIMS = 4 };

/* The symbols (dims and host integers of which 1 is the least interesting value) that leave the kernel's last contraction
 * with a single row (or a few) when all of them are 1. Returns how many; 0: no variant is worth having. */
int variant_dims(const ir_op *kernel, sym_ctx *c, sym_t *dims);
/* The kernel's only contraction, or NULL. */
const ir_op *variant_contraction(const ir_op *kernel);
/* Where its size is open: 1 when it fills at least `tasks` tiles of rows x cols (half of one counts), else 0. NULL: no variant is
 * worth having. */
sym_t variant_large(const ir_op *contraction, sym_ctx *c, int64_t rows, int64_t cols, int64_t tasks);
/* The kernel is made of loops over elements, and of reductions of contiguous rows; elements may be looked up where `gathers`. */
bool variant_is_loops(const ir_op *kernel, bool gathers);
/* The open dims which, if they were multiples of *lanes, would make all rows of the kernel's tensors whole vectors of `bytes`.
 * Returns how many; 0: they are that anyway, or can't be, or the kernel is made of something else than such loops. */
int variant_rows(const ir_op *kernel, sym_ctx *c, bool gathers, int bytes, sym_t *dims, int64_t *lanes);
/* Variables for such dims that are known to be multiples of lanes. */
void variant_whole(sym_ctx *c, int n, const sym_t *dims, int64_t lanes, sym_t *whole);
/* 1 where all of dims are multiples of lanes, else 0. */
sym_t variant_whole_guard(sym_ctx *c, int n, const sym_t *dims, int64_t lanes);
/* 1 where all of dims are 1, else 0. */
sym_t variant_guard(sym_ctx *c, int n, const sym_t *dims);
#endif
