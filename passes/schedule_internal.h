#ifndef FRIT_PASSES_SCHEDULE_INTERNAL_H
#define FRIT_PASSES_SCHEDULE_INTERNAL_H
#include "emit.h"
#include "region.h"
#include "schedule.h"
#include "variant.h"

enum { SCHED_MAX_VARS = 40 };

/* The read or write is of the element that its map says, whatever else holds: nothing is checked, looked up or combined. */
static inline bool sched_is_plain(const ir_op *op) {
    return !ir_has(op, IR_ATTR_checked) && !ir_has(op, IR_ATTR_within) && !ir_has(op, IR_ATTR_combine) && !ir_has(op, IR_ATTR_idx);
}

/* The loops of one stage. */
typedef struct stage_vars {
    int n, n_par;
    sym_t var[SCHED_MAX_VARS], extent[SCHED_MAX_VARS];
} stage_vars;

/* A value that the kernel stores: all of an output buffer, or (via an insert or concat) a part of it. */
typedef struct sched_out {
    ir_value *v, *buffer;
    const ir_op *via; /* insert or concat, or NULL */
    int piece;        /* which operand of the concat v is */
} sched_out;

typedef struct sched {
    ir_module *m;
    arena *scratch;
    const frit_target_limits *lim;
    schedule_sizes sizes;
    ir_func *f;
    const ir_op *kernel;
    ir_block *block; /* the kernel's */
    int n_ops;
    ir_op **ops;     /* of the block, in order */
    sym_t guard;     /* tasks of every grid run as often as it says (0 or 1); NULL: always */
    int n_same;      /* symbols that every grid knows by two names: the attribute `same` */
    sym_t same[2 * (VARIANT_MAX_DIMS + 1)];
    sym_t kept_row;  /* rows so long fit shared memory: sched_keep_rows; NULL: none do */
    sym_t streamed_row; /* rows so long are reduced in one pass where they can be, in chunks of row_chunk, which fit; NULL: none are */
    int64_t row_chunk;
    emit e;
    const char *why;
    ir_span span;
    bool one_task; /* grids without axes are one */
    /* Axes shared out among tasks of two launches (schedule_parts.c): whether there may be a launch before this one; its func, NULL while there
     * is none; the memory between the two, as an argument of each. */
    bool may_split;
    ir_func *first;
    ir_value *memory[2];
    frit_dtype parts_dtype;
    sym_t parts_elements;
} sched;

/* The output buffer of yield operand k. */
ir_value *sched_output(const sched *s, int k);
void sched_add_var(stage_vars *sv, sym_t var, sym_t extent);
/* A stage at the end of `in`; block 0 is ready for emission. */
ir_op *sched_stage(sched *s, ir_block *in, const stage_vars *sv);
/* A grid op at the end of the func; returns its block. */
ir_block *sched_grid(sched *s, int n, const sym_t *vars, const sym_t *extents);
/* Task-private memory, made at the start of `in`: a stage that is already there may use it. Dims that a task's own
 * variables move are replaced by their most; NULL with s->why when that is not known. */
ir_value *sched_alloc(sched *s, ir_block *in, frit_dtype t, int rank, const sym_t *dims);
/* Sets the register tile and the vector axis of a finished stage from how its reads and writes move through memory.
 * m_var: a parallel variable to tile for reuse in registers (or NULL). */
void sched_choose_tile(sched *s, ir_op *stage, sym_t m_var);
/* The axis that it would put along lanes, -1 for none. */
int sched_vector_axis(sched *s, const ir_op *stage);
/* schedule_merge.c: of the stages in b (and in loops in it) whose tile has not been chosen, those that run over the same
 * loops become one where that changes nothing but the order; then all have a tile. */
void sched_merge_stages(sched *s, ir_block *b);
/* schedule_direct.c: buffers of a finished grid that live in an output's memory instead. */
void sched_direct(sched *s, ir_block *grid);
/* schedule_blocks.c: reductions down the rows of a large matrix take a few rows at a time. False with s->why. */
bool sched_block_reductions(sched *s, ir_block *grid);
/* The kernel's grids with dims replaced. */
bool sched_with(sched *s, const ir_op *kernel, int n, const sym_t *dims, const sym_t *with);
/* schedule_rows.c: grids for rows of open length, by that length. *made is false where the kernel does not go over such rows several
 * times, or does something else: nothing has been done. False with s->why. */
bool sched_rows(sched *s, const ir_op *kernel, bool *made);
/* schedule_keep.c: what stages of a finished grid, or of a loop in it, read again of rows so long that fit stays in shared memory. False
 * with s->why. */
bool sched_keep_rows(sched *s, ir_block *grid, ir_block *b, sym_t row);
/* schedule_cluster.c: rows of a finished kernel that are few and long are shared by the blocks of clusters, where the target has
 * them. False with s->why. */
bool sched_cluster(sched *s);
/* schedule_parts.c. A guard (NULL: always) and a condition, 0 or 1, as one guard. */
sym_t sched_guard_and(sym_ctx *c, sym_t guard, sym_t when);
/* Whether grids may come before this launch and leave elements of this dtype in memory. */
bool sched_may_launch(const sched *s, frit_dtype t);
/* Makes grids of launch 0 (the one before) or 1: `make` has that memory as an argument of the launch's func; the caller adds what it
 * takes of it to parts_elements. */
typedef bool (*sched_launch)(void *u, ir_value *memory);
bool sched_in_launch(sched *s, int launch, frit_dtype t, sched_launch make, void *u);
/* Ends the func of the first launch, where there is one. */
void sched_end_launches(sched *s);
/* schedule_ahead.c: marks the reads of a finished grid that are to fetch what the next task reads. */
void sched_fetch_ahead(sched *s, ir_block *grid);
/* Where in o's buffer the element of o->v at coords goes. */
void sched_output_coords(sched *s, const sched_out *o, const sym_t *coords, sym_t *at);
/* One output value through loop nests; several when they share nests. */
bool sched_nests(sched *s, int n_outputs, const sched_out *outputs);
/* Copies a value that is an argument of the kernel into an output. */
bool sched_copy(sched *s, const sched_out *o);
/* Ops with a schedule of their own: scatter, scan, sort, compact. */
bool sched_is_special(const ir_op *op);
bool sched_special(sched *s, const ir_op *op);
#endif
