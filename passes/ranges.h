/* What the i64s of a thread function can be: intervals, from constants, sizes with bounds, the numbers of threads and blocks,
 * and the bounds of loops. Printers of code compute in 32 bits what needs no more: a 64-bit multiply-add takes four
 * instructions of a GPU. The functions themselves stay as they are, in i64. */
#ifndef FRIT_PASSES_RANGES_H
#define FRIT_PASSES_RANGES_H
#include "ir/ir.h"

/* A launch on GPUs has at most so many tasks, and blocks (docs/gpu.md, "Launch"). */
enum { RANGES_MOST_TASKS = (1 << 30) - 1 };

/* Inclusive; INT64_MIN and INT64_MAX where nothing is known. An op that may overflow has no bounds at all. */
typedef struct value_range { int64_t lo, hi; } value_range;

/* By id of f's values; what is no integer of 64 bits has no bounds. Vectors: of each lane. Lives in a. */
const value_range *ranges_of(arena *a, const ir_func *f);

static inline bool range_fits_i32(value_range r) { return r.lo >= INT32_MIN && r.hi <= INT32_MAX; }
/* The op computes an i64 from i64s, all of which fit i32, and no step on the way leaves that either. */
bool ranges_narrow_op(const value_range *r, const ir_op *op);
/* So does a loop's counter, the addition behind its last turn included. */
bool ranges_narrow_counter(const value_range *r, const ir_op *loop);
#endif
