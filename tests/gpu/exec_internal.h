/* Inside of the executor: a func as a plan of instructions over preallocated arrays, and the state of a launch. */
#ifndef FRIT_TESTS_GPU_EXEC_INTERNAL_H
#define FRIT_TESTS_GPU_EXEC_INTERNAL_H
#include "exec.h"
#include "exec_loops.h"
#include "passes/ranges.h"

/* The values that the threads of a block hold for one ir_value. Elements lie thread by thread, the lanes of a thread side
 * by side, each in the register form of its dtype (exec_loops.h); a uniform value is there once. A pointer is a byte
 * offset (i64) from the start of what `root` names. */
typedef struct exec_value {
    char *p;
    int size, lanes, bytes; /* of an element; of a thread: lanes * size */
    frit_dtype dtype;
    bool uniform, is_ptr;
    bool alike; /* all lanes of a uniform value are the same */
    int root;
    bool placed;
    struct exec_map *map; /* of a tensor_map */
} exec_value;

typedef struct exec_context exec_context;
typedef struct exec_inst exec_inst;

typedef struct exec_code {
    int n;
    exec_inst *v;
    int n_yield;
    exec_value **yield;
    int n_args;
    exec_value **args;
} exec_code;

struct exec_inst {
    void (*fn)(exec_context *x, const exec_inst *i);
    const ir_op *op;
    int id; /* number among the kernel's instructions */
    int n_in;
    exec_value **in, *out; /* out: the first result */
    exec_value **results;
    const exec_loop *loop;
    int64_t number; /* constant attribute of the op */
    int align;
    exec_code *blocks[2];
    uint8_t *masks[2]; /* of control that diverges */
    char *temp[4];     /* room for an operand each; [3]: for the results of control */
    const struct exec_atom *atom;
    const struct exec_product *product; /* of an atom that is one */
    struct exec_map *map; /* of the tensor_map that it makes or uses */
    const value_range *range; /* of the i64 that it makes, where it is said to have one */
    bool parts;           /* its blocks wait for each other: they run side by side */
};

/* Who takes part: threads lo .. hi - 1 for which on[t]. */
typedef struct exec_mask {
    const uint8_t *on;
    int lo, hi, n;
} exec_mask;

/* ---- Memory ------------------------------------------------------------------------------------------------------ */
/* Latest accesses to a few bytes. Epochs count barriers and blocks, over all launches of a kernel; 0 is before all.
 *   w: epoch << 31 | in flight << 30 | op << 14 | thread           the latest write
 *   r: epoch << 32 | other blocks << 31 | many threads << 30 | op << 14 | thread   the latest read */
typedef struct exec_cell {
    uint64_t w, r;
} exec_cell;
enum { CELL_FLAG = 1 << 30, CELL_THREAD = (1 << 14) - 1, CELL_OP_SHIFT = 14, CELL_W_SHIFT = 31, CELL_R_SHIFT = 32 };
#define CELL_OTHER (UINT64_C(1) << 31)

typedef enum exec_root_kind { ROOT_GLOBAL, ROOT_SHARED, ROOT_LOCAL } exec_root_kind;
/* What pointers stem from: an argument, a part of shared memory, or a thread's local. */
typedef struct exec_root {
    exec_root_kind kind;
    int arg;         /* ROOT_GLOBAL: which argument */
    int granule;     /* bytes a cell stands for: the smallest element that is accessed through it, a power of two */
    int shift;       /* its logarithm */
    char *base;      /* ROOT_LOCAL: thread t's is at base + t * bytes */
    int64_t start;   /* ROOT_SHARED: first byte within the block's */
    int64_t bytes;
    exec_cell *cells; /* NULL: not tracked (nothing writes it) */
    uint8_t *written; /* bits; NULL: all is */
    int64_t first;
    uint8_t *read; /* NULL, or bits to set */
    bool may_write;
} exec_root;

typedef struct exec_copy {
    int thread, op;
    int64_t group, to, from; /* byte offsets */
    const exec_root *source, *target;
    int bytes;
    bool inside;
    char was[16]; /* the source when it started */
    const exec_inst *inst;
} exec_copy;

/* What orders accesses besides barriers of the block (exec_clock.c). */
typedef struct exec_clock {
    int threads, block, warps, actors, width;
    uint64_t *base;   /* by block of the cluster: accesses of its threads before this epoch lie behind a barrier of the block */
    uint64_t all;     /* before this one, accesses of all threads lie behind a barrier of the cluster */
    uint64_t *rows;   /* by thread */
    uint64_t *fenced; /* by thread: its fences that a barrier of the block has told all of */
    int n_readers, readers_a_bit; /* of a cell's r */
    uint64_t *readers; /* by cell of shared memory */
} exec_clock;
typedef enum exec_engine_kind { ENGINE_LOADS, ENGINE_STORES, ENGINE_COUNT } exec_engine_kind;

/* A tensor in global memory as copies take it. */
typedef struct exec_map {
    int rank, size, row; /* bytes of an element, of a box's row */
    int64_t extent[5], stride[5], box[5], step[5], swizzle, bytes; /* stride in bytes; bytes of a box */
    const exec_value *base;
} exec_map;

struct exec_kernel {
    arena *a;
    ir_func *f;
    const diag *d;
    int threads, warp;       /* threads: of all blocks of a cluster, which go in step */
    int block, cluster;      /* threads of a block; blocks of a cluster, 1 where there is none */
    int64_t stride;          /* from a block's shared memory to the next one's */
    exec_code *body;
    int n_inst;
    const exec_inst **insts; /* by id */
    uint8_t *seen;           /* by id: exec_seen */
    exec_value *values;      /* by ir value id */
    int n_roots;
    exec_root *roots;
    char *shared;
    exec_cell *shared_cells;
    exec_clock *clock; /* NULL: barriers of the block are all that orders */
    struct exec_product *products;
    exec_cell *pool; /* cells of global memory */
    int64_t pool_size;
    uint64_t epoch;
    int64_t steps;
    const char *error;
    const value_range *ranges; /* by ir value id */
};

struct exec_context {
    exec_kernel *k;
    const exec_launch *l;
    int threads;
    exec_mask mask;
    uint64_t launch_epoch, block_epoch, epoch;
    int64_t block; /* the first of the cluster */
    struct exec_cluster *cluster; /* of kernels with clusters */
    int64_t steps_left;
    bool failed;
    char *message;
    size_t n_message;
    int n_copies, cap_copies;
    exec_copy *copies;
    int64_t *committed; /* groups that thread t has closed */
    struct exec_async *async; /* of kernels with a clock */
    uint64_t run; /* counts runs of blocks of code */
    struct exec_matrix *matrices; /* exec_products.c */
};

/* exec_ranges.c: what passes/ranges.h says of i64s holds for those that threads compute. */
const value_range *exec_range_of(const exec_kernel *k, const ir_op *op);
void exec_check_range(exec_context *x, const exec_inst *i);
/* exec_report.c: the op at hand is wrong. thread -1: no one in particular. */
void exec_fail(exec_context *x, const exec_inst *i, int thread, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
const char *exec_root_name(const exec_context *x, const exec_root *r);

/* exec_clock.c. `m`: a row outside of the threads', exec_clock_width numbers, 0 at first. */
enum { EXEC_ONE, EXEC_WARP, EXEC_ALL }; /* who reads: the thread; its warp, for which it stands; all that take part */
exec_clock *exec_clock_new(exec_kernel *k, int64_t cells);
void exec_clock_block(exec_context *x);
int64_t exec_clock_width(const exec_context *x);
void exec_clock_tell(exec_context *x, int t, uint64_t *m);        /* what t did so far is ordered before those who learn m */
void exec_clock_learn(exec_context *x, int t, const uint64_t *m);
void exec_clock_knows(exec_context *x, int t, int actor, uint64_t epoch); /* what the actor did before is ordered before t's next */
void exec_clock_fence(exec_context *x, int t);
void exec_clock_barrier(exec_context *x);
bool exec_clock_read(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int n, int whole);
bool exec_clock_write(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int n, uint64_t flag);
void exec_clock_landed(exec_context *x, const exec_inst *i, const exec_root *r, int actor, int64_t at, int n);
int exec_tensor_core(const exec_context *x, int thread); /* the actor of the thread's group of four warps */
int exec_engine(const exec_context *x, exec_engine_kind e, int block);
/* What thread t's block did until e is ordered before what some thread of the other block does. */
bool exec_clock_told(const exec_context *x, int t, uint64_t e, int block);
void exec_clock_cluster_barrier(exec_context *x);
/* A read of shared memory by an actor of the asynchronous proxy on behalf of thread t, and of those one warp on, and so on;
 * NULL when a check fails. *good: the latest write that these were found to be behind since nothing else happened, 0 at first. */
const char *exec_proxy_read(exec_context *x, const exec_inst *i, const exec_root *r, int t, int warps, int64_t at, int n, int actor, uint64_t *good);

/* exec_parts.c: arms of a branch that wait for each other */
void exec_parts_if(exec_context *x, const exec_inst *i, const exec_mask arms[2], void (*run)(exec_context *, const exec_inst *, int arm));
/* Someone may go on now. */
void exec_progress(exec_context *x);
/* The threads at i can't go on: others run, then this returns. Fails when no one can. */
void exec_pause(exec_context *x, const exec_inst *i, int thread);
void exec_async_open(exec_context *x);
void exec_async_close(exec_context *x);
void exec_async_block(exec_context *x);
void exec_async_end(exec_context *x); /* of a block */

/* exec_mbarrier.c */
void exec_mbarrier_init(exec_context *x, const exec_inst *i);
void exec_mbarrier_arrive(exec_context *x, const exec_inst *i);
void exec_mbarrier_wait(exec_context *x, const exec_inst *i);
void exec_part_barrier(exec_context *x, const exec_inst *i);
void exec_warp_barrier(exec_context *x, const exec_inst *i);
void exec_fence_async(exec_context *x, const exec_inst *i);
void exec_registers(exec_context *x, const exec_inst *i);
/* The mbarrier at a byte of shared memory for the engine: it must be there for the asynchronous proxy of thread t. */
bool exec_mbarrier_known(exec_context *x, const exec_inst *i, int t, const exec_root *r, int64_t at);
void exec_mbarrier_complete(exec_context *x, const exec_inst *i, int64_t at, int64_t bytes);

/* exec_bulk.c */
void exec_tensor_map(exec_context *x, const exec_inst *i);
void exec_tensor_load(exec_context *x, const exec_inst *i);
void exec_tensor_store(exec_context *x, const exec_inst *i);
void exec_bulk_load(exec_context *x, const exec_inst *i);
void exec_bulk_store(exec_context *x, const exec_inst *i);
void exec_bulk_commit(exec_context *x, const exec_inst *i);
void exec_bulk_wait(exec_context *x, const exec_inst *i);
/* Lets one copy arrive that is under way; false when none is. */
bool exec_bulk_step(exec_context *x);
void exec_bulk_end(exec_context *x);

/* exec_wgmma.c */
void exec_wgmma_fence(exec_context *x, const exec_inst *i);
void exec_wgmma(exec_context *x, const exec_inst *i);
void exec_wgmma_commit(exec_context *x, const exec_inst *i);
void exec_wgmma_wait(exec_context *x, const exec_inst *i);

/* exec_cluster.c. A pointer into the cluster is a byte offset with the block's rank + 1 above bit 40. */
enum { EXEC_RANK_SHIFT = 40 };
static inline int64_t exec_inner(int64_t at) { return at >> EXEC_RANK_SHIFT > 0 ? at & ((INT64_C(1) << EXEC_RANK_SHIFT) - 1) : at; }
/* The block of the cluster whose memory thread t means. */
static inline int exec_owner(const exec_kernel *k, int t, int64_t at) {
    return at >> EXEC_RANK_SHIFT > 0 ? (int)(at >> EXEC_RANK_SHIFT) - 1 : t / k->block;
}
/* Byte `at` of root for thread t as bytes from its base, where the cells are too. */
static inline int64_t exec_place(const exec_context *x, const exec_root *r, int t, int64_t at) {
    if (x->k->cluster == 1 || r->kind != ROOT_SHARED) return at;
    return exec_inner(at) + exec_owner(x->k, t, at) * x->k->stride;
}
/* The same of `at` behind exec_place, as messages have it. */
static inline int64_t exec_said(const exec_context *x, const exec_root *r, int64_t at) {
    return x->k->cluster > 1 && r->kind == ROOT_SHARED ? at % x->k->stride : at;
}
void exec_cluster_open(exec_context *x);
void exec_cluster_begin(exec_context *x); /* of a cluster's run */
void exec_cluster_end(exec_context *x);
void exec_cluster_close(exec_context *x);
void exec_cluster_block_barrier(exec_context *x);
/* Thread t touches a block's shared memory. */
bool exec_cluster_reach(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at);
bool exec_cluster_read(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int n, bool whole);
bool exec_cluster_write(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int n, uint64_t flag);
void exec_race(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, const char *does, const char *did, uint64_t cell, bool other_block,
               bool many);
void exec_cluster_rank(exec_context *x, const exec_inst *i);
void exec_cluster_ptr(exec_context *x, const exec_inst *i);
void exec_cluster_barrier(exec_context *x, const exec_inst *i);

/* exec_watch.c: notes in `seen` what the op is about to do. */
void exec_watch(exec_context *x, const exec_inst *i);

/* exec_control.c */
void exec_code_run(exec_context *x, const exec_code *c);
void exec_for(exec_context *x, const exec_inst *i);
void exec_if(exec_context *x, const exec_inst *i);
void exec_while(exec_context *x, const exec_inst *i);
/* All threads of each group of `size` that has some active thread are active; else fails. */
bool exec_whole_groups(exec_context *x, const exec_inst *i, int size, const char *what);

/* exec_lanes.c */
void exec_elementwise(exec_context *x, const exec_inst *i);
void exec_splat(exec_context *x, const exec_inst *i);
void exec_ramp(exec_context *x, const exec_inst *i);
void exec_extract(exec_context *x, const exec_inst *i);
void exec_reinterpret(exec_context *x, const exec_inst *i);
void exec_reduce_lanes(exec_context *x, const exec_inst *i);
void exec_shuffle(exec_context *x, const exec_inst *i);
void exec_barrier(exec_context *x, const exec_inst *i);
void exec_thread_id(exec_context *x, const exec_inst *i);
void exec_block_id(exec_context *x, const exec_inst *i);
void exec_block_count(exec_context *x, const exec_inst *i);

/* exec_memory.c */
void exec_load(exec_context *x, const exec_inst *i);
void exec_store(exec_context *x, const exec_inst *i);
void exec_load_lanes(exec_context *x, const exec_inst *i);
void exec_store_lanes(exec_context *x, const exec_inst *i);
void exec_ptradd(exec_context *x, const exec_inst *i);
void exec_ptrcast(exec_context *x, const exec_inst *i);
/* Address of bytes [at, at + n) of root for thread t, all checks of a read (write) done; NULL when they fail. A read by
 * `whole` is one by a group of threads, the reader's number standing for all of them: it conflicts with every write since
 * the last barrier. */
char *exec_read(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int n, bool whole);
char *exec_write(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int n);
/* The same for a write that arrives later; exec_landed says that it is there, as a write of thread t by op number `op`. */
char *exec_write_in_flight(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int n);
void exec_landed(exec_context *x, const exec_root *r, int t, int op, int64_t at, int n);
bool exec_bounds(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int64_t n);
bool exec_aligned(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int align);

/* exec_async.c */
void exec_copy_async(exec_context *x, const exec_inst *i);
void exec_copy_commit(exec_context *x, const exec_inst *i);
void exec_copy_wait(exec_context *x, const exec_inst *i);
/* Nothing may be in flight at the end of a block. */
void exec_copies_end(exec_context *x);

/* exec_atoms.c */
typedef struct exec_atom exec_atom;
const exec_atom *exec_atom_find(const char *name);
void exec_atom_run(exec_context *x, const exec_inst *i);

/* exec_products.c: what is worked out beforehand of the product of that name (of ir/products.def), and its run by the
 * threads from `first` on. */
typedef struct exec_product exec_product;
typedef struct exec_matrix exec_matrix;
const exec_product *exec_product_plan(exec_kernel *k, const char *name);
void exec_product_run(exec_context *x, const exec_inst *i, int first);

/* exec_plan.c: loops for this processor. */
exec_loop_fn *exec_loop_for(ir_opcode op, frit_dtype in, frit_dtype out);
bool exec_has_v3(void);

static inline void exec_set_granule(exec_root *r, int granule) {
    r->granule = granule;
    r->shift = __builtin_ctz((unsigned)granule);
}
static inline int64_t exec_i64(const exec_value *v, int t) { return ((const int64_t *)(void *)v->p)[v->uniform ? 0 : t]; }
static inline const char *exec_of(const exec_value *v, int t) { return v->p + (v->uniform ? 0 : (int64_t)t * v->bytes); }
#define EACH_THREAD(x, t)                                                                                              \
    for (int t = (x)->mask.lo; t < (x)->mask.hi; t++)                                                                  \
        if ((x)->mask.on[t])
#endif
