/* How much a task takes on: the sizes that the schedule cuts by and the cost model of fusion counts with. */
#ifndef FRIT_PASSES_SCHEDULE_SIZES_H
#define FRIT_PASSES_SCHEDULE_SIZES_H
#include "target.h"

/* Of a streamed kernel whose products' sums are operands again (lower_rows.c). */
typedef struct schedule_rows {
    int64_t rows;    /* of a task; 0: there are no such products */
    int64_t columns; /* at most, of what such a row keeps in registers */
} schedule_rows;

typedef struct schedule_sizes {
    int64_t points;       /* elements of a pointwise kernel */
    int64_t row_points;   /* elements that are reduced, over all rows of a task */
    int64_t slow_points;  /* neighbouring results of a reduction along memory's slow axes, at least */
    int64_t across;       /* of the axis along which a transpose reads across memory */
    int64_t rows, cols;   /* of a contraction's result */
    int64_t narrow_cols;  /* cols where elements have 16 bits or less; 0: the same */
    int64_t packing_rows; /* the same where the task packs an operand itself */
    int64_t chain_rows;   /* rows of a contraction whose result another nest of the kernel reads */
    schedule_rows stream[2]; /* the same where it is streamed by products of 16 bits, of 32 bits, whose sums are operands again */
    int64_t stream_least; /* what is longer is streamed there */
    int64_t chunk;        /* elements of a long axis that are at hand at a time when it is streamed (stream.h) */
    int64_t few_rows_chunk; /* the same for few rows, which are bound by memory: barriers are few beside what is read */
    int64_t tasks;        /* a contraction's tile shrinks while there are fewer, */
    int64_t tasks_in_parts; /* or, with sums of so many terms, fewer than these; 0: the same */
    int64_t depth_in_parts;
    int64_t least_points; /* and it has more results than these */
    int64_t least_tasks;  /* with fewer, contractions that feed each other stay kernels of their own */
} schedule_sizes;

/* For one core: tasks that keep its caches busy. For a block of threads: small tasks, since there are many blocks. */
schedule_sizes schedule_sizes_of(const frit_target_limits *lim);

/* A streamed axis may be shared out among tasks that have so many rows at most (more have a schedule of their own: lower_rows.c), where it
 * has so many positions: they take about as long as a second launch. */
enum { SCHEDULE_FEW_ROWS = 15, SCHEDULE_LEAST_SHARED = 512 };

enum { SCHEDULE_CLUSTER = 8 }; /* blocks of a cluster that every device of the family has */
/* Bytes that a block of a cluster may keep of a row; a row of n f32 fits a cluster's blocks, and is not reduced in parts then. */
int64_t schedule_cluster_room(const frit_target_limits *lim);
bool schedule_cluster_holds(const frit_target_limits *lim, int64_t n);
#endif
