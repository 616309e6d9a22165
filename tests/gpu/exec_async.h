/* State of what runs beside the threads: parts of a block, mbarriers, bulk copies, tensor cores. */
#ifndef FRIT_TESTS_GPU_EXEC_ASYNC_H
#define FRIT_TESTS_GPU_EXEC_ASYNC_H
#include "exec_internal.h"
#include <stdlib.h>

/* exec_parts.c: an arm that runs on a stack of its own. */
typedef struct exec_part exec_part;

/* exec_mbarrier.c */
typedef struct exec_mbarrier {
    int64_t at;             /* byte of shared memory, of all blocks of the cluster */
    int64_t count, pending; /* arrivals of a phase, and those still wanted */
    int64_t expected;       /* bytes that are to come in this phase */
    int64_t phase;
    uint64_t *now, *last;   /* what the arrivals of this phase, and of the one before, tell */
} exec_mbarrier;

/* A barrier of parts of a block. */
typedef struct exec_named {
    int64_t count, arrived, round;
    uint64_t *now, *last;
} exec_named;

/* exec_bulk.c: a copy under way. */
typedef struct exec_bulk {
    const exec_inst *inst;
    int thread;
    bool load, tensor, read; /* read: the source of a store may change again */
    const exec_root *shared, *global;
    int64_t at;    /* byte of the block's shared memory */
    int64_t bytes; /* there */
    int64_t swizzle; /* bytes that the bits of a row are mixed into; 16: none */
    int64_t from;  /* plain copies: byte of the global root */
    int64_t c[5];
    int64_t bar, group;
    uint64_t epoch;
    char *data; /* what the source held */
} exec_bulk;

/* exec_wgmma.c: registers that belong to a tensor core: an accumulator as a matrix, or an A as threads hold it. */
typedef struct exec_tile {
    uint32_t id;
    int n; /* columns; 0: an A */
    bool pending;
    int64_t group; /* of its latest product */
    struct exec_tile *next;
    int32_t v[];
} exec_tile;

typedef struct exec_mma {
    const exec_inst *inst;
    int first;
    int64_t group;
    exec_tile *tile;
    uint64_t epoch;
    char *a, *b; /* what the operands held; a NULL: in registers */
    int64_t at[2];
} exec_mma;

/* Places of a product's operand. */
typedef struct exec_places {
    const struct ir_product *p;
    int operand, lane_row[128], lane_column[128], row[128], column[128];
} exec_places;

enum { EXEC_PLACES = 8, EXEC_BARRIERS = 16, EXEC_BLOCKS = 8, EXEC_GROUPS = 8 * EXEC_BLOCKS };
typedef struct exec_async {
    uint64_t random;
    uint64_t progress;
    exec_part *running;    /* NULL: not in an arm */
    void *stacks;          /* of arms that have ended */
    const exec_inst *waits; /* the latest op that could not go on */
    int waits_thread;
    int n_mbarriers, cap_mbarriers;
    exec_mbarrier *mbarriers;
    exec_named *named; /* EXEC_BARRIERS of each block */
    int n_bulk, cap_bulk;
    exec_bulk *bulk;
    int64_t *committed; /* groups of stores that thread t has closed */
    uint32_t next_id;
    exec_tile *tiles;
    int n_places;
    exec_places places[EXEC_PLACES];
    int n_mma, cap_mma;
    exec_mma *mma;
    int64_t mma_committed[EXEC_GROUPS];
    int64_t registers[EXEC_GROUPS], pool[EXEC_BLOCKS]; /* of a thread of each group; given up by all of a block */
} exec_async;

static inline exec_named *exec_named_at(const exec_context *x, int block, int id) { return &x->async->named[block * EXEC_BARRIERS + id]; }
static inline void *exec_grow(void *v, int n, int *cap, size_t size) {
    if (n < *cap) return v;
    *cap = *cap * 2 + 16;
    v = realloc(v, (size_t)*cap * size);
    if (!v) abort();
    return v;
}
static inline void *exec_room(size_t n) {
    void *p = calloc(n, 1);
    if (!p) abort();
    return p;
}
#endif
