/* The largest tile of a contraction that a block of threads takes on, and how many tiles there are to be. */
#ifndef FRIT_PASSES_SCHEDULE_TILES_H
#define FRIT_PASSES_SCHEDULE_TILES_H
#include "ir/ir.h"
#include "schedule_sizes.h"

/* Columns at most: twice as many where elements of 16 bits and less leave the registers and the memory for them. */
int64_t schedule_most_cols(const schedule_sizes *z, const ir_op *contract);
/* Bits of operand i's elements as they are stored, before casts that widen them. */
int schedule_stored_bits(const ir_op *contract, int i);
/* The contraction is done in tiles of rows and columns: there are enough of both. */
bool schedule_in_tiles(const ir_op *contract);
/* Tasks that a tile is to leave: a few where the sums are long enough to be made in parts (lower_parts.h). */
int64_t schedule_wanted_tasks(const schedule_sizes *z, const ir_op *contract);
/* The rows of its first operand, batches apart, are known to be SCHEDULE_FEW_ROWS at most. */
bool schedule_has_few_rows(const ir_op *contract);
#endif
