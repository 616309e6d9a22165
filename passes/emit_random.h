/* Elements of `random` as scalar ops: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2,
 * 3, SC 2011, section 3.3). The stream layout is that of ir/interp_source.c: the key is the run's seed; the counter is
 * (block low, block high, stream low, stream high); word w of the stream is output w % 4 of block w / 4; element e of a u64
 * tensor is words 2e (low) and 2e + 1. */
#ifndef FRIT_PASSES_EMIT_RANDOM_H
#define FRIT_PASSES_EMIT_RANDOM_H
#include "ir/ir.h"

/* t: FRIT_u32 or FRIT_u64; seed and element: u64 scalars. */
ir_value *emit_random(ir_builder *b, frit_dtype t, uint64_t stream, ir_value *seed, ir_value *element);
#endif
