/* A kernel's block read as loop nests. Every op that needs loops of its own (a reduction, a contraction, a value worth
 * keeping, an output) is a *nest*; pointwise ops between nests have none: they are evaluated where they are read. The
 * analysis finds the axes that all nests share (the grid) and, for every nest, which of its dims are bound to grid axes and
 * which run in full inside a task.
 *
 * The analysis fails (and says why) on blocks that do not fit the form; fusion asks it before it groups ops. */
#ifndef FRIT_PASSES_REGION_H
#define FRIT_PASSES_REGION_H
#include "access.h"

typedef enum nest_kind {
    NEST_MAP,     /* a pointwise value: an output, or one kept because it is dear and read more than once */
    NEST_REDUCE,  /* ir reduce */
    NEST_CONTRACT /* ir contract */
} nest_kind;

/* An axis of a nest that a loop runs over: a local dim or a reduced axis, possibly split into several variables. */
typedef struct nest_axis {
    sym_t expr;      /* the coordinate, in terms of vars (or of grid variables for a bound dim) */
    int n_vars;
    sym_t vars[6];   /* outermost first */
    sym_t extents[6];
} nest_axis;

typedef struct nest {
    ir_value *v;
    nest_kind kind;
    bool output;
    int rank, n_red;
    nest_axis dim[IR_MAX_RANK]; /* per dim of v */
    bool bound[IR_MAX_RANK];    /* the dim's expr is over grid variables only; else it has variables of its own, too */
    nest_axis red[IR_MAX_RANK];
    /* Coordinates at which other nests read v: NULL until read; `conflict` marks dims read at different coordinates. */
    const sym_t *read_at;
    bool conflict[IR_MAX_RANK];
    int64_t stride[IR_MAX_RANK]; /* where those are always of one run of so many values; else 0 */
    int n_readers;   /* nests that read it */
    int last_reader; /* index of the last nest that counted itself in n_readers */
    int into;        /* the map nest that is computed in this nest's epilogue, or -1 */
    int merged;      /* the nest whose epilogue computes this one, or -1 */
    nest_axis *own;  /* its own axes, where it runs on the variables of `into` instead; else NULL */
} nest;

enum { REGION_MAX_GRID = 24 };

typedef struct region {
    access x;
    bool blocks;           /* see region_analyse */
    int n_ops;
    ir_op *const *ops;
    int first_id, n_ids;   /* range of the ids of its values */
    VEC(nest) nests;       /* producers before consumers */
    int n_grid;
    sym_t grid[REGION_MAX_GRID], grid_extent[REGION_MAX_GRID];
    const char *why_not;   /* set when the analysis fails */
    VEC(ir_value *) keep;  /* values that must be nests of their own although pointwise */
    struct region_splits *splits;
} region;

/* Reads those of `ops` (one block's, in its order) that `outputs` depend on; any other value is an input. Returns NULL
 * when out of the form; then *why (if given) names the reason. Memory comes from scratch. blocks: tasks are done by blocks
 * of threads, which compute what operands of contractions are made of on its way. While the region is in use its
 * ops carry REGION_MARK; region_release clears it, and must be called (on success only) before the next analysis. */
enum { REGION_MARK = 0x4e45 };
region *region_analyse(ir_module *m, arena *scratch, bool blocks, int n_ops, ir_op *const *ops, int n_outputs,
                       ir_value *const *outputs, const char **why);
void region_release(region *r);

/* The nest that holds v, or NULL. */
nest *region_nest_of(region *r, const ir_value *v);
/* Calls f for every read of another nest by nest i, with the coordinates in nest i's variables (each distinct one once). */
typedef void (*region_read_fn)(void *u, nest *n, const sym_t *coords);
void region_each_read(region *r, int i, region_read_fn f, void *u);
/* Operations of values that a nest evaluates at several positions for one of its own, beyond the first and beyond a few: those of all
 * nests and points. Butterflies in a row double them at each level. */
double region_again(region *r);
/* Makes nest i's epilogue a nest apart; where i runs on the variables of that reader, it goes back to its own. The same
 * call undoes it: q is the reader. */
void region_set_apart(region *r, int i, int q);
/* Points of loops over n axes, and of the grid, as far as sizes have hints. */
double region_points(int n, const nest_axis *axes);
double region_tasks(const region *r);
/* v is computed by one of the region's ops (not an input). */
bool region_inside(const region *r, const ir_value *v);
/* Flops of evaluating one element of v down to inputs and nests; transcendental ops count 20. */
double region_element_cost(region *r, const ir_value *v);
/* Ops to write one element of v out, once transcendental ones are expanded, down to inputs and nests; counted up to a
 * little over `most`. */
int region_element_length(region *r, const ir_value *v, int most);
/* The primary output reads some tensor with a stride along this variable: neighbours in it are not neighbours in memory. */
bool region_strided(region *r, sym_t var);
/* v reaches an input or nest through transpose, broadcast, slice, cast and exact reshape only. */
bool region_is_plain_read(region *r, const ir_value *v);
#endif
