/* What a kernel computes, in words for people: the comment over it in texts of the C family, made from its tile
 * program. */
#ifndef FRIT_PASSES_DESCRIBE_H
#define FRIT_PASSES_DESCRIBE_H
#include "ir/ir.h"

/* Lines without a comment's marks, arena memory:
 *
 *     x: f32[B, N], in
 *     out: f32[B, N], out
 *
 *     (B + 15) // 16 tasks, t < (B + 15) // 16:
 *       s0[i0] = max over r of x[i0 + 16*t, r]
 *
 * A formula is one stage's; what is too long of it is left out (...). Buffers of tasks get the names s0, s1 ... that it has
 * for them, so that the code says the same. */
const char *describe_kernel(arena *a, ir_func *tile_kernel);
#endif
