/* From tile programs to what one core does, or one thread of a block (limits.threads > 0): tile IR -> thread IR.
 *
 * The result is a thread-level func with the arguments that thread.def names: a pointer per buffer, an i64 per symbol
 * that the kernel uses (in id order), a u8 pointer to scratch memory, and the i64 range (for blocks: number) of tasks. */
#ifndef FRIT_PASSES_LOWER_TILE_H
#define FRIT_PASSES_LOWER_TILE_H
#include "ir/ir.h"
#include "target.h"

/* Of a grid whose contraction is done in two launches: its last `rest` tiles, whose chunks are shared out in equal runs. */
typedef struct lower_piece {
    const ir_op *grid;
    sym_t rest, chunks;  /* chunks: of a tile */
    int64_t workers;     /* blocks that run at a time: rest is what is left over by whole waves of them, or 0 where */
    int64_t least;       /*     chunks * (workers - rest) <= least * workers */
    int64_t least_run;   /* chunks of a run: as many as there would be for each worker, but at least these */
    sym_t at;            /* bytes from the start of the parts' memory */
    int64_t sums;        /* elements of a piece, the sums that a run has of a tile: run number + tile number are its place */
    int chunk;                     /* reduced positions */
    frit_dtype dtype;              /* of sums */
} lower_piece;

typedef struct lower_info {
    sym_t tasks;         /* tasks over all grids, over the kernel's symbols */
    sym_t scratch_bytes; /* private memory of one worker or block, over the same symbols; its base is 64-byte aligned */
    sym_t parts_bytes;   /* of the memory that both launches of a kernel in parts share, 64-byte aligned */
    int n_inputs, n_pieces; /* of a launch of parts or the rest: the buffers before the memory of parts; grids that have pieces */
    const lower_piece *pieces;
} lower_info;

/* Contractions for blocks of threads may be done in two launches (lower_parts.h): what a func is to do. */
typedef enum lower_phase {
    LOWER_WHOLE, /* all of it */
    LOWER_PARTS, /* the sums of parts */
    LOWER_REST   /* the rest, from those sums on */
} lower_phase;

/* Makes a thread-level func of the kernel's name in `dest`. dest and the kernel's module may differ, but the symbols
 * stay those of the kernel's module (func->arg_syms and info are in its sym_ctx). The kernel is not changed.
 *
 * What a stage becomes: loops over its vars in their order, parallel ones first, each stepping by its tile; inside them
 * the register tile, unrolled, where each value of the body exists once per distinct position of the axes it depends
 * on, as a vector where it depends on the `vector` axis. Values are computed in the outermost loop in which all they
 * depend on is known. An axis that its tile does not divide gets a second loop: one vector at a time under a mask for
 * the vector axis, one position at a time for the others. A reduction's order depends on extents and tile alone.
 * For a block of threads each loop is shared out among a number of them (lower_spread.c); docs/gpu.md has the rules.
 *
 * A program that breaks tile.def's rules (run ir_verify first) ends the process. */
ir_func *lower_tile(ir_module *dest, const ir_func *tile_kernel, const frit_target_limits *lim, lower_info *info);
/* The same in parts, of that name. The memory that the launches share is an argument behind the kernel's n_inputs inputs; it
 * is written by the first launch, which takes no outputs, and read by the second one. NULL: no contraction of the kernel is worth it, whatever its open sizes are. */
ir_func *lower_tile_parts(ir_module *dest, const ir_func *tile_kernel, const char *name, int n_inputs, lower_phase phase,
                          const frit_target_limits *lim, lower_info *info);
#endif
