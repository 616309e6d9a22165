/* What a launch of a kernel computes, in words for people: the comment over it in texts of the C family, made from its tile
 * program and from the func of the launch. */
#ifndef FRIT_PASSES_DESCRIBE_H
#define FRIT_PASSES_DESCRIBE_H
#include "lower_tile.h"

/* What is launched. */
typedef struct describe_launch {
    const ir_func *thread;  /* its parameters */
    lower_phase phase;
    const lower_info *info; /* its pieces, unless it is whole */
    const char *before, *after; /* names of the kernels that are launched right before it, and behind it; NULL: none is */
} describe_launch;

/* Buffers of tasks get the names s0, s1 ... that formulas have for them, so that the code says the same: before the kernel is lowered. */
void describe_name_buffers(arena *a, ir_func *tile_kernel);

/* Lines without a comment's marks, arena memory: one for each parameter, as `name: what it is`, an empty one, and what is computed:
 *
 *     x: f32[B, N], in
 *     out: f32[B, N], out
 *     B: i64, a size
 *     ...
 *
 *     tasks t < (B + 15) // 16:
 *       for i0 < min(16, B - 16*t):
 *         s0[i0] = max over r < N of x[i0 + 16*t, r]
 *
 * A formula is one stage's. What it has several times, and what would make it too long, has lines of its own, named as in the model
 * where it has a name there. Lines may be long. */
const char *describe_kernel(arena *a, const ir_func *tile_kernel, const describe_launch *launch);
#endif
