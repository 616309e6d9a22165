/* The state of fusion over one block, shared by the files fuse*.c. */
#ifndef FRIT_PASSES_FUSE_INTERNAL_H
#define FRIT_PASSES_FUSE_INTERNAL_H
#include "fuse.h"
#include "isomorph.h"
#include "schedule_internal.h"

/* An op of the block. Nodes are numbered in block order. */
typedef struct fuse_node {
    ir_op *op;
    int group; /* -1: inline, evaluated by whoever reads it */
    VEC(int) sized;    /* of a compact: nodes with dims made of its counter, which come behind it without reading it */
    VEC(int) counters; /* the compacts whose counters its dims are made of */
} fuse_node;

/* Ops that share a kernel, or a single op that is none. */
typedef struct fuse_group {
    VEC(int) ops; /* node indices, ascending */
    bool fixed;   /* not a kernel: params, states, control flow */
    bool dead;    /* merged into another */
    bool grown;   /* another was merged into it since it was last tried with its readers */
    bool special; /* rooted in an op with a schedule of its own */
    bool kept;    /* ends in a materialize: what reads it is another kernel */
    bool emitted; /* its kernel stands in the block */
    double cost;  /* bytes of traffic; < 0: not known yet */
    const char *reason;
} fuse_group;

/* What groups would be as one kernel. */
typedef struct fuse_io {
    VEC(ir_op *) ops;       /* the groups' ops and the inline ops they read, in block order */
    VEC(ir_value *) inputs;  /* read from memory */
    VEC(ir_value *) outputs; /* stored */
} fuse_io;

/* A kernel's cost (< 0: it should be none); points of its grid, and those of its loop nests in all; the blocks of a cluster
 * share its rows; a task reduces for each of many positions, how many is not known. */
typedef struct fuse_weight {
    double cost, grid, points;
    bool clusters, open;
} fuse_weight;

typedef struct fuser {
    ir_module *m;
    ir_block *block;
    const fuse_options *o;
    schedule_sizes sizes;
    arena *scratch;
    arena *trial; /* for one attempt at a time: what fuse_collect finds */
    isomorph_names names;
    isomorph_table costs, scheduled; /* sets of ops that were weighed; kernels that were scheduled */
    VEC(fuse_weight) weights;        /* what `costs` found */
    fuse_node *nodes;
    int n_nodes;
    int classified; /* nodes up to this one belong to a group or are known to be inline; no op after it is in a group */
    int *node_of;   /* value id -> node index, -1 for values of other blocks */
    int n_ids;
    VEC(fuse_group) groups;
    int *seen, stamp;           /* per group: the last path search that met it */
    int *seen_node, node_stamp; /* per node: the last walk that passed through it as an inline op */
    int *walked, walk;          /* the same for walks toward producers */
    int *far;                   /* per node: the last node of any group that has nodes on both sides of it, or itself; at least */
    int next_name;
} fuser;

/* ---- fuse.c: nodes and groups ---- */
/* The node that computes v; -1 when another block does. */
int fuse_node_of(const fuser *f, const ir_value *v);
/* The node of the block's op that `user` is or is nested in; -1 for ops without results, which no value names. */
int fuse_node_of_user(const fuser *f, const ir_op *user);
/* The operand is what op updates in place: it must lie in memory. */
bool fuse_updates_base(const ir_op *op, int operand);
/* A group of node `at` alone; returns its index. May move f->groups.data. */
int fuse_new_group(fuser *f, int at, bool fixed);

/* ---- fuse_sets.c ---- */
/* Node `at` is in group a or b. */
bool fuse_in_either(const fuser *f, int at, int a, int b);
/* What groups a and b (b < 0: only a) would be as one kernel. Lies in f->trial. */
fuse_io fuse_collect(fuser *f, int a, int b);

/* ---- fuse_cost.c ---- */
/* Traffic in bytes of one kernel with these ops, and its start; < 0 when they do not fit one. Layers of a network are
 * alike: each set of ops is weighed once, and nothing of the attempt stays. */
double fuse_cost(fuser *f, const fuse_io *k);
/* Whether a and b together (merged) would leave a few blocks of threads with what a or b shares among many. */
bool fuse_loses_tasks(fuser *f, const fuse_io *merged, int a, int b);
/* The same of a group as it is; 1e300 when it fits no kernel (and is split when kernels are made). */
double fuse_group_cost(fuser *f, int g);
/* A copy of a key in memory that stays. */
isomorph_key fuse_kept_key(fuser *f, const isomorph_key *k);

/* ---- fuse_order.c ---- */
int fuse_first_node(const fuser *f, int g);
int fuse_last_node(const fuser *f, int g);
/* Group g has got more ops. */
void fuse_note_span(fuser *f, int g);
/* Calls visit(f, u, group) for each group that reads a value of op, through inline ops, until it returns false. Inline ops
 * that this walk has passed are not entered again: whoever starts a walk advances node_stamp. */
bool fuse_each_reader(fuser *f, const ir_op *op, bool (*visit)(fuser *, void *, int), void *u);
/* `to` depends on `from`. */
bool fuse_depends(fuser *f, int from, int to);
/* `to` depends on `from` through a third group. Direct edges do not count. */
bool fuse_indirect_path(fuser *f, int from, int to);
/* Some operand of op that is not in g needs g. */
bool fuse_needs_group(fuser *f, const ir_op *op, int g);

/* ---- fuse_merge.c: the sweeps ---- */
/* First sweep: node `at` joins a producer's group or starts one of its own. */
void fuse_join_epilogue(fuser *f, int at);
/* Second sweep: groups into those that read them. */
void fuse_merge_backward(fuser *f);
/* Fourth sweep: independent groups that read the same values. */
void fuse_merge_siblings(fuser *f);

/* ---- fuse_sink.c ---- */
/* Third sweep: ops out of groups, into whoever reads them. */
void fuse_sink(fuser *f);

/* ---- fuse_rewrite.c ---- */
/* Replaces the block's ops by kernels, one a group, and the fixed ops between them. */
void fuse_rewrite(fuser *f);
#endif
