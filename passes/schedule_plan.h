/* A region on its way to stages: how its axes are cut into tasks (and chunks), and what the files of the nest schedule
 * share. */
#ifndef FRIT_PASSES_SCHEDULE_PLAN_H
#define FRIT_PASSES_SCHEDULE_PLAN_H
#include "schedule_internal.h"
#include "stream.h"

/* How one grid variable is cut: g = task * tile + inner. */
typedef struct cut {
    sym_t tile;             /* NULL: one value a task; the extent itself: all of it in one task */
    sym_t task, inner;      /* variables, NULL where there is none */
    sym_t task_extent, inner_extent, inner_max;
    sym_t expr;             /* g in terms of task and inner */
} cut;

/* Memory of a streamed reduction's state, one element per element of its result. */
typedef struct state_buffers {
    ir_value *value;  /* the running value */
    ir_value *used;   /* what later terms of the chunk use for it: see schedule_stream.c */
    ir_value *before; /* of an early state: `used` as of the chunk before */
    const sym_t *index; /* where an element is in them, while its place is in a piece; NULL: not yet */
} state_buffers;

/* An axis that a loop within the task runs over in chunks: each of the stream's variables is base + inner. */
typedef struct chunking {
    const stream *of; /* NULL: none */
    int64_t size;
    sym_t first;                      /* the first chunk of the loop */
    sym_t chunk, chunks;              /* the loop's variable and its extent */
    sym_t base;                       /* position of the chunk at hand */
    sym_t inner[STREAM_MAX_VARS], expr[STREAM_MAX_VARS]; /* of each variable of the stream */
    sym_t inner_extent;
    state_buffers *states; /* by index of the nest */
} chunking;

/* A streamed axis shared out among tasks: see schedule_parts.c. */
typedef enum plan_phase {
    PLAN_WHOLE,  /* a task streams all of the axis */
    PLAN_PIECES, /* a run of its chunks, whose running values go to memory */
    PLAN_MEETING /* none of it: running values come from there */
} plan_phase;

typedef struct plan_parts {
    plan_phase phase;
    sym_t parts, in_parts;         /* runs of chunks; 1 where there are several, else 0 */
    sym_t part;                    /* the run: a variable of the task, or of reductions over pieces */
    sym_t task, tasks;             /* the task's number among those of the grid, and their number */
    int64_t piece;                 /* elements of a piece */
    int64_t *at_value, *at_used;   /* by index of the nest: where in it a state's values are */
    sym_t at;                      /* of the first piece in memory */
    ir_value *memory;
} plan_parts;

enum { PLAN_MAX_ACROSS = 4 };

typedef struct plan {
    sched *s;
    region *r;
    cut cuts[REGION_MAX_GRID];
    stream *stream;   /* NULL: none is to be done in chunks */
    const schedule_rows *of_products; /* by rows of products whose sums are operands again, or NULL */
    bool few_rows;    /* streamed for so few rows that tasks may share the axis out */
    chunking chunks;
    plan_parts parts;
    ir_block *grid;  /* the task */
    ir_block *block; /* where stages go: the task, or a loop in it */
    const sched_out *outputs;
    int n_outputs;
    /* What a block of threads reads by way of shared memory (schedule_across.c), contiguous along grid[unit]. */
    int n_across, unit;
    ir_value *across[PLAN_MAX_ACROSS];
} plan;

/* e with grid variables and streamed ones replaced by what they are within a task. */
sym_t plan_on_cuts(plan *p, sym_t e);
void plan_coords(plan *p, const nest *n, sym_t *out);
/* The loops of n (and of q, which its epilogue computes). */
stage_vars plan_loops(plan *p, const nest *n, const nest *q);
/* The task-private buffer of n; made known as the place where n's elements are. */
ir_value *plan_buffer(plan *p, const nest *n);
/* The element of n at coords is `combined`: stores it and what q computes from it where readers look for them. */
bool plan_finish(plan *p, const nest *n, const nest *q, const sym_t *coords, ir_value *combined);

/* Ends block 0 of a stage: term is combined over its reduced variables. */
void plan_yield_terms(sched *s, ir_op *stage, ir_value *term, ir_combine combine);
/* Block 1 of a reduction's stage, which receives the combined value as t. */
bool plan_epilogue(plan *p, ir_op *stage, const nest *n, const nest *q, const sym_t *coords, ir_type t);
static inline bool plan_any_uses(const sym_t *v, int n, sym_t var) {
    for (int i = 0; i < n; i++)
        if (sym_uses(v[i], var)) return true;
    return false;
}

/* Where diagnostics point, and whether coordinates may leave their tensors, for stages of n (and q). */
void plan_look_at(plan *p, const nest *n, const nest *q);

/* schedule_cuts.c */
void plan_choose_stream(plan *p); /* first */
void plan_choose_cuts(plan *p);
void plan_choose_chunks(plan *p);
void plan_place_chunks(plan *p); /* again, once the range of the loop has changed */

/* schedule_across.c: whether the only nest reads something across memory that it is worth to turn; its copies. */
bool plan_find_across(plan *p);
bool plan_copy_across(plan *p, const nest *n);

/* schedule_contract.c: the stages of contraction n, with q in its epilogue. */
bool plan_contract_stage(plan *p, const nest *n, const nest *q);

/* schedule_parts.c: a block's task has few rows of a streamed axis. */
bool plan_has_few_rows(const plan *p);
/* Whether the axis may be shared out among tasks; sets how. */
bool plan_find_parts(plan *p);
typedef bool (*plan_schedule)(plan *p);
/* The grids of a plan that is, some of them in the func of the first launch: `begin` makes the plan anew, `schedule` the stages of a
 * grid (and ends the plan). */
bool plan_in_parts(plan *p, plan_schedule begin, plan_schedule schedule);
/* Of a piece's memory the element that is `element` of what begins at `at`. */
sym_t plan_piece_element(plan *p, int64_t at, sym_t element);

/* schedule_stream.c: n is a state of the stream. */
bool plan_is_state(const plan *p, const nest *n);
/* Memory for the state of every streamed reduction, and stages that give it its first value. */
bool plan_begin_states(plan *p);
/* Block 1 of a streamed reduction's stage: x is what the chunk at hand adds to n. */
bool plan_step_state(plan *p, const nest *n, const sym_t *coords, ir_value *x);
/* Stages behind the loop: states become values. */
bool plan_end_states(plan *p);
/* Or what the task has of them goes to its piece. */
bool plan_store_states(plan *p);
/* In place of the loop: the states of all pieces together. */
bool plan_meet_states(plan *p);
#endif
