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

/* Results that let every warp have a matrix product of its own, where there are such instructions. */
static int64_t least_points(const frit_target_limits *lim) {
    enum { LEAST = 32 * 32, OF_WARP = 16 * 16, OF_FOUR = 64 * 32 };
    bool any = false;
    for (int i = 0; ir_product_at(i); i++) any |= ir_product_at(i)->warp == lim->warp && lim->atoms & ir_product_at(i)->family;
    int64_t points = any ? lim->threads / lim->warp * OF_WARP : LEAST;
    if (lim->atoms & FRIT_ATOM_WGMMA && points < OF_FOUR) points = OF_FOUR;
    return points < LEAST ? LEAST : points;
}

/* Rows of a block whose warps have some each, of products of so many bits whose sums are operands again (lower_rows.c). */
static int64_t stream_rows(const frit_target_limits *lim, int bits) {
    for (int i = 0; ir_product_at(i); i++) {
        const ir_product *q = ir_product_at(i);
        bool any = q->warp == lim->warp && lim->atoms & q->family && (int)frit_dtype_bits(q->in) == bits;
        for (int o = 0; o < 2 && any; o++)
            if (ir_product_feeds(q, o, NULL)) return lim->threads / lim->warp * (int64_t)(o ? q->n : q->m);
    }
    return 0;
}

/* Of such rows as many elements as let the operands of one chunk fit shared memory: the rows, and two of a chunk's positions. */
static schedule_rows stream_sizes(const frit_target_limits *lim, int bits, int64_t chunk) {
    enum { MOST = 128, PAD = 8, OF_THREAD = 16 };
    schedule_rows r = {stream_rows(lim, bits), MOST};
    while (r.columns > PAD && (r.rows + 2 * chunk) * (r.columns + PAD) * bits / 8 > lim->shared_bytes - OF_THREAD * lim->threads) r.columns /= 2;
    return r;
}

/* A thread has 8 x 4 to 8 x 8 results of a contraction in its registers; the machine has a few blocks' room in each of a
 * hundred or so multiprocessors. */
static schedule_sizes sizes_of_block(const frit_target_limits *lim) {
    int64_t threads = lim->threads, side = threads >= 256 ? 128 : 64;
    return (schedule_sizes){.points = 16 * threads,
                            .row_points = 8 * threads,
                            .slow_points = 32,
                            .across = 32,
                            .rows = side,
                            .cols = threads >= 128 ? side : 32,
                            .narrow_cols = lim->atoms & FRIT_ATOM_WGMMA && threads >= 256 ? 2 * side : 0,
                            .packing_rows = side,
                            .chain_rows = 64,
                            .stream = {stream_sizes(lim, 16, 64), stream_sizes(lim, 32, 64)},
                            .stream_least = 16,
                            .chunk = 64,
                            .few_rows_chunk = 256,
                            .tasks = 256,
                            .tasks_in_parts = lim->multiprocessors / 8,
                            .depth_in_parts = 2048,
                            .least_points = least_points(lim),
                            .least_tasks = 32};
}

int64_t schedule_cluster_room(const frit_target_limits *lim) {
    enum { RESERVED = 24 << 10 };
    return lim->shared_bytes - RESERVED;
}

/* Machines with clusters read as much with a few dozen blocks that do nothing else as with all: one kernel then takes no longer
 * than the first of two. */
bool schedule_cluster_holds(const frit_target_limits *lim, int64_t n) {
    return lim->threads && (lim->atoms & FRIT_ATOM_CLUSTER) && n <= SCHEDULE_CLUSTER * schedule_cluster_room(lim) / 4;
}

schedule_sizes schedule_sizes_of(const frit_target_limits *lim) {
    return lim->threads ? sizes_of_block(lim) : sizes_of_core();
}
