#include "schedule_sizes.h"

static schedule_sizes sizes_of_core(void) {
    return (schedule_sizes){.points = 16384,
                            .row_points = 4096,
                            .slow_points = 256,
                            .across = 64,
                            .rows = 96,
                            .cols = 128,
                            .packing_rows = 528,
                            .chain_rows = 24,
                            .chunk = 256,
                            .tasks = 16,
                            .least_points = 264 * 128,
                            .least_tasks = 4};
}

/* A thread has 8 x 4 to 8 x 8 results of a contraction in its registers; the machine has a few blocks' room in each of a
 * hundred or so multiprocessors. Instructions of four warps take 64 rows at once. */
static schedule_sizes sizes_of_block(const frit_target_limits *lim) {
    int64_t threads = lim->threads, side = threads >= 256 ? 128 : 64;
    return (schedule_sizes){.points = 16 * threads,
                            .row_points = 8 * threads,
                            .slow_points = 32,
                            .across = 32,
                            .rows = side,
                            .cols = threads >= 128 ? side : 32,
                            .packing_rows = side,
                            .chain_rows = 64,
                            .chunk = 64,
                            .tasks = 256,
                            .least_points = (lim->atoms & FRIT_ATOM_WGMMA ? 64 : 32) * 32,
                            .least_tasks = 32};
}

schedule_sizes schedule_sizes_of(const frit_target_limits *lim) {
    return lim->threads ? sizes_of_block(lim) : sizes_of_core();
}
