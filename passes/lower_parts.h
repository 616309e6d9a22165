/* Contractions done in parts: stream-K with a fixed order (Osama, Merrill, Cecka, Garland and Owens, "Stream-K: Work-centric
 * Parallel Decomposition for Dense Matrix-Matrix Multiplication on the GPU", PPoPP 2023).
 *
 * Tiles seldom fill a whole number of waves of blocks. Here those of whole waves are done tile by tile; the reduced axes
 * of the rest, laid end to end, are shared out in equal runs of chunks, one a block. That takes two launches: the first
 * makes the sums of each run's piece of each tile, which go to memory; in the second one a tile of the rest has no products of
 * its own, and adds up the sums of its pieces, in the order of the reduced axis. Nothing waits for another
 * block, and which sums meet in which order is a formula over dims and limits alone. Where those are open it is evaluated
 * in the launch: with few tiles the whole kernel is done in parts, with a whole number of waves none of it is. */
#ifndef FRIT_PASSES_LOWER_PARTS_H
#define FRIT_PASSES_LOWER_PARTS_H
#include "lower_contract.h"

/* How a grid is shared out: formulas over the kernel's symbols, and variables in the kernel that stand for them. */
typedef struct lower_parts {
    const ir_op *grid;
    lower_contract *of;
    sym_t rest, run, runs;     /* tiles in parts, the last ones of the grid; chunks of a run; runs */
    sym_t rest_var, run_var;
    sym_t chunks;              /* of a tile */
    int64_t workers, least, least_run; /* what lower_piece says of rest and run */
    sym_t at;                  /* bytes from the start of the parts' memory */
    int64_t sums;              /* elements of a piece */
    /* In a task: the tile's number among those in parts; the run at hand; the runs that have pieces of the tile. */
    sym_t tile, unit, first, end;
} lower_parts;

/* Of the grid last planned, with so many tasks: whether some of its tiles may be done in parts; adds the memory needed. */
bool lower_parts_plan(lower *l, const ir_op *grid, sym_t tasks);
/* Of this grid, NULL where it has none. */
lower_parts *lower_parts_of(lower *l, const ir_op *grid);
/* What there is of them, for lower_info. */
const lower_piece *lower_parts_pieces(lower *l);
/* In a task of the launch that makes the pieces: opens a loop over the tiles that run `task` has pieces of; *task becomes the
 * number of the tile in the grid. */
ir_op *lower_parts_tiles(lower *l, lower_parts *s, sym_t tasks, ir_value **task);
/* In a task of the second launch: how much of the tile is done by now. */
void lower_parts_tile(lower *l, lower_parts *s, sym_t tasks, ir_value *task);
/* Of the contraction at hand: adds the pieces' sums to the thread's; puts the thread's sums into the piece at hand. */
void lower_parts_gather(lower *l, lower_contract *p);
bool lower_parts_store(lower *l, lower_contract *p);
#endif
