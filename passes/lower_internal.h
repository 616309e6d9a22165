/* What the files of the tile lowering share. See lower_tile.h.
 *
 * Scopes. The lowering keeps a stack of the blocks that it is inside of: scope 0 is the function's body. While an inner
 * scope is open, the outer ones insert before the op that holds it; so whatever depends only on what an outer scope
 * knows can be placed there at any time, and is available in all scopes inside. A memo remembers what has been placed;
 * entries die with their scope. */
#ifndef FRIT_PASSES_LOWER_INTERNAL_H
#define FRIT_PASSES_LOWER_INTERNAL_H
#include "ir/ir.h"
#include "lower_tile.h"
#include "target.h"

enum { LOWER_MAX_SCOPES = 96 };

static inline int lower_log2(int64_t n) { return 63 - __builtin_clzll((uint64_t)n); }
/* The least power of two that is not less. */
static inline int64_t lower_next_power(int64_t n) { return n <= 1 ? 1 : INT64_C(1) << (64 - __builtin_clzll((uint64_t)n - 1)); }

typedef struct lower_scope {
    ir_builder b;
    int serial;
} lower_scope;

typedef struct lower_memo {
    const void *a, *b;
    int tag, depth, serial;
    ir_value *v;
} lower_memo;

typedef struct lower_alias {
    sym_t e, var;
} lower_alias;

/* Which threads the code being made is for: all of the block's, or one of its two parts (lower_tile.c). */
typedef enum lower_role { LOWER_ALL, LOWER_CONSUMERS, LOWER_PRODUCER } lower_role;

/* A stage whose points each thread does as it has the sums of a contraction. */
typedef struct lower_own {
    const ir_op *stage;
    const struct lower_contract *as;
} lower_own;

/* Bits of the thread's number as a variable. */
typedef struct lower_coord {
    int first, bits;
    sym_t var;
} lower_coord;

/* A column with its pieces exchanged by the row (lower_wgmma.c). */
typedef struct lower_exchange {
    sym_t turn, col, var;
} lower_exchange;

/* A tensor as boxes are copied from it (lower_tma.c): box[i] positions along its axis axis[i], every step[i]-th. */
enum { LOWER_MAP_AXES = 5 };
typedef struct lower_map {
    const ir_value *buffer;
    int n, axis[LOWER_MAP_AXES];
    int64_t box[LOWER_MAP_AXES], step[LOWER_MAP_AXES];
    ir_value *map;
} lower_map;

typedef struct lower {
    ir_module *m;   /* where the func is made */
    arena *scratch; /* freed after the lowering */
    sym_ctx *syms;
    const frit_target_limits *lim;
    lower_scope scope[LOWER_MAX_SCOPES];
    int depth, next_serial;
    int n_same; /* of the grid being lowered: its attribute `same` */
    const sym_t *same;
    int floor; /* index arithmetic is placed in no scope further out */
    lower_memo *memo;
    int memo_size, memo_count;
    VEC(lower_alias) opaque;
    sym_t lane; /* stands for the lane number inside index expressions */
    int lanes;  /* of the stage being lowered */
    struct lower_val *vals; /* by id of the tile program's values */
    ir_value **ptrs;        /* pointer of each buffer, by id */
    ir_value *scratch_arg;
    sym_t scratch_used; /* bytes given to the allocs of the grid being lowered */
    /* Where tasks are done by blocks of threads (lim->threads > 0). */
    int warp_bits;             /* a warp is 2^warp_bits threads */
    sym_t thread;              /* number of this thread, known in scope 0 */
    struct lower_place *place; /* of each buffer, by id */
    VEC(struct lower_place *) places; /* of the kernel's arguments, then of what the grid allocates */
    int n_args;
    VEC(struct lower_contract *) contracts; /* plans of the grid's staged contractions */
    VEC(lower_coord) coords;
    VEC(lower_exchange) exchanges;
    ir_value *block, *block_count; /* number of this block; how many */
    ir_value *block_scratch;   /* this block's part of the scratch memory */
    int64_t merge_bytes;       /* shared memory from 0 on in which partial results meet; 0: none */
    bool merge_read;           /* threads may still be reading there: no barrier since */
    int64_t shared_bytes;      /* used at most */
    int64_t reserved_bytes;    /* from 0 on: the above, and mbarriers */
    int64_t barriers_at;
    ir_value *barriers, *phases; /* mbarriers; of each the parity of the phase that is waited for next, a bit each */
    ir_value *is_first;        /* bool: this thread starts copies */
    bool roles;                /* the block has two parts */
    int cluster;               /* blocks of a cluster, 0: none */
    int64_t cluster_at;        /* shared memory in which their results meet */
    int cluster_half;
    lower_role role;
    VEC(lower_map) maps;
    /* Contractions in parts (lower_parts.h). */
    lower_phase phase;
    VEC(struct lower_parts *) parts;
    sym_t parts_bytes;
    ir_value *parts_arg;
    VEC(struct lower_own) owns; /* the grid's stages that run over a contraction's sums (lower_own.c) */
    VEC(struct lower_rows *) rows; /* the grid's loops over rows that threads own (lower_rows.c) */
} lower;

/* Ends the process: the program given was not a valid tile program. */
_Noreturn void lower_fail(const ir_op *op, const char *why);

/* ---- lower_scope.c ---- */
static inline ir_builder *lower_at(lower *l, int depth) { return &l->scope[depth].b; }
static inline ir_builder *lower_here(lower *l) { return &l->scope[l->depth].b; }
/* Opens the block `b` of `op` (the last op of the current scope); lower_pop closes it. */
void lower_push(lower *l, ir_op *op, ir_block *b);
void lower_pop(lower *l);
/* What was placed under a key, if it is still in reach. */
const lower_memo *lower_memo_find(lower *l, const void *a, const void *b, int tag);
ir_value *lower_memo_get(lower *l, const void *a, const void *b, int tag);
void lower_memo_put(lower *l, const void *a, const void *b, int tag, int depth, ir_value *v);
/* One op with one result, in the scope `depth`. */
ir_value *lower_build(lower *l, int depth, ir_opcode code, int n, ir_value *const *operands, ir_type t);
/* The scalar v in every lane (v itself when lanes is 1 or v is a vector). */
ir_value *lower_splat(lower *l, ir_value *v, int lanes, int depth);
ir_value *lower_int(lower *l, frit_dtype t, int64_t v);
ir_value *lower_float(lower *l, frit_dtype t, double v);
/* `for` with n carried values, in the current scope: opens its body; carried[i] becomes the body's i-th carried value.
 * lower_for_end yields carried, closes the body and sets carried to the loop's results. */
ir_op *lower_for(lower *l, ir_value *from, ir_value *to, ir_value *step, int n, ir_value **carried);
void lower_for_end(lower *l, ir_op *loop, int n, ir_value **carried);
/* The same from 0 to count, a constant; at: the symbol that stands for the counter. */
ir_op *lower_loop_over(lower *l, const char *name, int count, int n, ir_value **carried, sym_t *at);
/* `if` without results: opens its first block. */
ir_op *lower_if(lower *l, ir_value *cond);
void lower_if_end(lower *l, ir_op *op);

/* ---- lower_index.c ---- */
/* var has this value in the scope `depth`, which is the innermost one that knows it. */
void lower_bind(lower *l, sym_t var, ir_value *v, int depth);
/* The depth of the outermost scope in which e can be computed. */
int lower_depth(lower *l, sym_t e);
/* The value of e as i64, placed in the scope lower_depth(e): a vector of l->lanes if e uses l->lane or a var bound to
 * a vector. */
ir_value *lower_index(lower *l, sym_t e);
/* e as one variable where it is more than that: products of dims that are long sums would grow out of hand. */
sym_t lower_opaque(lower *l, sym_t e);
/* The lesser of x, an i64 that is not negative, and a constant, as t: by unsigned numbers, so that those who read the code see
 * that it is small. */
ir_value *lower_at_most(lower *l, int depth, ir_value *x, int64_t most, frit_dtype t);
/* Dim d of the buffer, by the names that the grid being lowered has for symbols (lower_tile.c). */
sym_t lower_dim(lower *l, const ir_value *buffer, int d);
/* Takes `bits` of the task's scratch memory, rounded up to 64 bytes: where they begin, in bytes. */
sym_t lower_take_scratch(lower *l, sym_t bits);
/* bool: 0 <= e < n, as far as the bounds of e's variables do not prove it; NULL when they do. *depth: its scope. */
ir_value *lower_inside(lower *l, sym_t e, sym_t n, int *depth);
/* bool: 0 <= e, a scalar; NULL when proven. */
ir_value *lower_nonnegative(lower *l, sym_t e, int *depth);
/* x op y in the scope that knows both. */
ir_value *lower_compare(lower *l, ir_opcode code, sym_t x, sym_t y);
/* bool lanes: lane < n. */
ir_value *lower_lanes_below(lower *l, sym_t n, int *depth);
/* x and y (NULL: true), widened to the lanes of the wider one. */
ir_value *lower_and(lower *l, ir_value *x, int xd, ir_value *y, int yd, int *depth);

/* ---- lower_guard.c ---- */
/* bool: a grid's guard, which depends on sizes alone, is 1. */
ir_value *lower_guard(lower *l, sym_t guard);

/* ---- Stages ---- */
typedef struct lower_val {
    uint32_t axes; /* the stage's axes that it depends on */
    int depth;     /* scope that holds its instances */
    int n;
    ir_value **inst; /* one per position of the register tile along `axes`, last axis fastest */
    sym_t *as_sym;   /* variables that stand for the instances in index expressions, where they are used so */
} lower_val;

typedef struct lower_stage {
    const ir_op *op;
    int n, parallel, vector; /* vector: axis along lanes, or -1 */
    int unit;                /* the axis that the schedule put along lanes: memory is contiguous along it */
    const sym_t *vars, *extent;
    const int64_t *combines;
    int n_terms;
    /* Parts of a stage that have loops of their own (lower_contract.c): the op's variables in terms of vars; the first
     * block that the loops run; what is done at each point instead of that block. */
    int n_outer, first_block;
    const sym_t *outer;
    sym_t outer_as[IR_MAX_RANK];
    void (*leaf)(lower *l, struct lower_stage *s, void *u);
    void *leaf_data;
    /* Sums that leave terms out (lower_absent.c): the product whose sum is right where it is finite, or NULL; what it is
     * computed from, as in `wanted`; the loops being emitted sum that. */
    const ir_value *plain;
    const bool *of_plain;
    bool summing_plain;
    const bool *wanted; /* by the index of a value since first_id: what lower_body computes; NULL: all */
    int first_id;
    int64_t tile[IR_MAX_RANK];
    bool in_order; /* a scatter: points one after another */
    int only_depth; /* scope of the branch that an `only` has opened; 0: none */
    bool repeats;  /* computing a point twice in one tile does no harm: ragged tiles repeat their last position */
    int depth;     /* scope that the stage began in */
    /* The loop nest's position at the moment. */
    sym_t base[IR_MAX_RANK];   /* var = base + tile position (* lanes + lane for the vector axis) */
    int count[IR_MAX_RANK];    /* tile positions of the body being emitted (vectors, for the vector axis) */
    int full[IR_MAX_RANK];     /* of the axis's main loop */
    int at_depth[IR_MAX_RANK]; /* scope that knows base */
    const int64_t *own;        /* of each position along `unit`: where it is in the thread's part of a buffer (lower_own.c) */
    int64_t own_row;           /* which of a thread's rows it is (lower_rows.c) */
    const ir_value *stood_for; /* reads of this buffer give that instead */
    ir_value *stands;
    const int64_t *place[IR_MAX_RANK]; /* elements from base to each position; NULL: one after another */
    bool clamped[IR_MAX_RANK];     /* positions beyond the extent stand for the last one */
    int border_axis;               /* the axis whose interior tiles run without checks, or -1 */
    bool interior;                 /* the code being emitted is for such tiles */
    bool maybe_empty[IR_MAX_RANK]; /* reduced axis whose loop may run zero times */
    sym_t rest;                /* elements left along the vector axis where lanes must be masked, else NULL */
    /* Threads: bits first_bit .. of the thread's number are its coordinate along the axis. */
    int threads[IR_MAX_RANK], first_bit[IR_MAX_RANK]; /* threads: 1 where all do the same positions */
    sym_t coord[IR_MAX_RANK];
    int used_bits;             /* threads whose higher bits are set do nothing */
    bool settles;              /* threads read what the epilogue writes */
    bool merges;               /* threads share reduced axes: loops over parallel axes are the same for all threads */
    ir_value *valid[IR_MAX_RANK]; /* bool: this thread's position along the axis exists; NULL: always */
    int valid_depth[IR_MAX_RANK];
    /* Accumulators: one per position along acc_axes for each value of each term's state (see lower_reduce.c). */
    uint32_t acc_axes;
    int acc_count[IR_MAX_RANK];
    int n_acc, n_state; /* per state value; in all */
    frit_dtype counts;  /* of the positions that argmax and argmin keep: as narrow as holds them */
    ir_value **acc;
} lower_stage;

static inline uint32_t lower_axis(int i) { return UINT32_C(1) << i; }
static inline bool lower_has_lanes(const lower_stage *s, uint32_t axes) {
    return s->vector >= 0 && (axes & lower_axis(s->vector));
}
/* Positions of the register tile along `axes`: p starts as zeros; false after the last. */
bool lower_next(const lower_stage *s, uint32_t axes, const int *count, int *p);
int lower_position(const lower_stage *s, uint32_t axes, const int *count, const int *p);
int lower_positions(const lower_stage *s, uint32_t axes, const int *count);
/* e with the stage's vars at tile position p, and idx replaced by with. */
sym_t lower_point(lower *l, const lower_stage *s, sym_t e, const int *p, int n_idx, const sym_t *idx, const sym_t *with);
/* bool lanes: which lanes of the vector at p are inside the vector axis's extent; NULL: all. */
ir_value *lower_rest_mask(lower *l, const lower_stage *s, const int *p, int *depth);
/* Axes of the stage that e uses. */
uint32_t lower_sym_axes(const lower_stage *s, sym_t e);
/* The instance of v at p, widened to lanes if wide. */
ir_value *lower_get(lower *l, const lower_stage *s, const ir_value *v, const int *p, bool wide);

/* lower_stage.c */
void lower_stage_op(lower *l, const ir_op *op);
/* Tasks, turns of a task's loops and contractions among others look their thread up anew: what a thread computed once for all
 * of them would stay in its registers throughout. */
void lower_look_thread_up(lower *l);
/* Ops that the block's long functions, such as sines, come to at one point. */
int lower_long_functions(const ir_block *b);
/* Chooses the lanes of s->vector, at most s->tile[vector], by what blocks access. Axes have been found. */
void lower_settle_lanes(lower *l, lower_stage *s);
/* Bytes of a vector of sums that a thread may keep in this stage: those of a vector in memory, or twice as many where the tile asks for them. */
int64_t lower_sum_bytes(const lower *l, const ir_op *stage);
/* Elements from base to position p of the axis. */
int64_t lower_place_of(const lower *l, const lower_stage *s, int axis, int p);
/* lower_own.c: finds buffers that threads can keep in registers, once contractions have been planned. pointer: to this
 * thread's part of one. stage: lowers a stage that works on such buffers; false: it does not. memory: so many elements of the
 * thread's own. */
void lower_own_find(lower *l, const ir_block *grid);
ir_value *lower_own_pointer(lower *l, const ir_value *buffer);
bool lower_own_stage(lower *l, const ir_op *op);
ir_value *lower_own_memory(lower *l, frit_dtype t, int64_t elements);
/* lower_rows.c: loops of the grid all of whose stages run over the same rows, each thread keeping its part of what passes
 * between them; found once contractions have been planned, before their memory is. lower_rows_loop lowers one (false: it is
 * none). */
void lower_rows_find(lower *l, const ir_block *grid);
/* The tensor maps of the loops found. */
void lower_rows_maps(lower *l);
bool lower_rows_loop(lower *l, const ir_op *op);
/* Runs a part: s has op, n, vars, extent, parallel, tile, unit, outer, first_block and leaf. */
void lower_part(lower *l, lower_stage *s);
/* The axes of s that each value of the block depends on. */
void lower_find_axes(lower *l, const lower_stage *s, const ir_block *b);
/* e, in the op's variables, in the loops' variables. */
sym_t lower_in_vars(lower *l, const lower_stage *s, sym_t e);
/* lower_contract.c: contractions whose operands a block stages in shared memory. Planned for each stage of a grid before
 * its allocs are placed; lower_contract_op is false where there is no plan. */
void lower_contract_plan(lower *l, const ir_op *op, int clock);
void lower_contract_places(lower *l);
bool lower_contract_op(lower *l, const ir_op *op);
/* All that the grid last planned does is one contraction that a part of the block may copy for. */
bool lower_contract_has_roles(const lower *l);
/* Maps of the tensors that the contractions of the grid last planned are copied from, before any task is open. */
void lower_contract_maps(lower *l);
/* lower_body.c: all ops of the block for the tile at hand; the operands of its yield (if any) can be got after. */
void lower_body(lower *l, lower_stage *s, const ir_block *b);
/* What v, made in b, is computed from there, and v itself: by the index of a value since *first_id. */
bool *lower_cone(lower *l, const ir_block *b, const ir_value *v, int *first_id);
/* The value of a symbolic integer as a dtype, in every lane if wide; there an integer counts in its own width. */
ir_value *lower_index_as(lower *l, sym_t e, frit_dtype t, int depth, bool wide);
/* op's result is a position that is compared with positions, and nothing else: along lanes it takes none of its width. */
bool lower_only_compared(const lower *l, const ir_op *op);
/* lower_access.c */
void lower_read(lower *l, lower_stage *s, const ir_op *op, lower_val *v);
void lower_write(lower *l, lower_stage *s, const ir_op *op);
/* Starts the copy of `lanes` elements that the read `op` reads at s's base to to[0] at index to[1]; zeros where inside
 * (may be NULL) is false. */
void lower_copy_async(lower *l, const lower_stage *s, const ir_op *op, ir_value *const *to, ir_value *inside, int lanes);
void lower_inrange(lower *l, lower_stage *s, const ir_op *op, lower_val *v);
bool lower_write_is_ordered(const lower *l, const lower_stage *s, const ir_op *op);
bool lower_may_repeat(const lower_stage *s);
/* x combined with y in the current scope (c: not argmax, argmin, set). */
ir_value *lower_combine(lower *l, ir_combine c, ir_value *x, ir_value *y);
/* lower_border.c */
/* The axis to split, -1 for none. */
int lower_border_axis(lower *l, lower_stage *s);
/* bool: in the tile at hand along `axis`, all affine checked coordinates of reads are inside, and so is the tile. NULL:
 * always. */
ir_value *lower_is_interior(lower *l, lower_stage *s, int axis);
/* e, a coordinate of op, is affine in the stage's vars with constant factors: what lower_is_interior covers. */
bool lower_is_affine(lower *l, const lower_stage *s, const ir_op *op, sym_t e);
/* lower_access.c: the number of lanes, at most `lanes`, in which all accesses that are contiguous along the vector axis
 * start at multiples of it, given that the axis's positions do. */
int lower_aligned_lanes(lower *l, const lower_stage *s, int lanes);
/* Of block b's writes and (wanted) reads: how many step by one element along var, writes counting more; and the lanes, at
 * most `lanes`, in which all of them move along var from positions that are multiples of it. */
int lower_unit_steps(lower *l, const ir_block *b, const bool *wanted, int first_id, sym_t var);
int lower_aligned_reads(lower *l, const ir_block *b, const bool *wanted, int first_id, sym_t var, int lanes);
bool lower_is_axis_distinct(const lower *l, const lower_stage *s, const ir_op *op, int axis);
/* Sectors of memory that the block's writes and (wanted) reads touch at each of the positions along axes, the last of which moves
 * fastest: 1 where each position is apart, less where neighbours share some. */
double lower_sectors(lower *l, const ir_block *b, const bool *wanted, int first_id, int n, const sym_t *vars, const sym_t *extent);
/* lower_memory.c: the access begins at a multiple of its size, and may be done by vectors of memory. */
void lower_tell_alignment(lower *l, ir_op *access, ir_type t);
/* One element (or one per lane). mask and other may be NULL; a scalar mask holds for all lanes. */
ir_value *lower_load(lower *l, int depth, ir_value *ptr, ir_value *index, ir_type t, ir_value *mask, ir_value *other);
/* Returns the store itself. */
ir_op *lower_store(lower *l, ir_value *ptr, ir_value *index, ir_value *x, ir_value *mask);
/* lower_reduce.c */
/* A product that is only summed: the step makes it a fused multiply-add, so the body leaves it out. */
bool lower_is_fused(const lower *l, const lower_stage *s, const ir_op *op);
void lower_reduce_init(lower *l, lower_stage *s);
void lower_reduce_step(lower *l, lower_stage *s, const ir_block *b);
void lower_reduce_finish(lower *l, lower_stage *s, const ir_block *epilogue);
/* x[0] (and x[1], the index of an argmax or argmin) merged with y. */
void lower_merge(lower *l, ir_combine c, ir_value **x, ir_value *const *y);

/* lower_absent.c: x * y where term is that but for terms left out, in the form of schedule_contract.c; NULL otherwise. */
const ir_value *lower_plain_product(const ir_value *term);
/* Sets plain and of_plain. */
void lower_plan_plain(lower *l, lower_stage *s);
/* Runs the loops over the reduced axes for the plain sum, and once more behind a test that seldom holds. */
void lower_sum_plain(lower *l, lower_stage *s, void (*loops)(lower *l, lower_stage *s));
/* bool, scalar: some element (lane) of the n floats x, all of one type, is infinite or NaN. */
ir_value *lower_any_infinite(lower *l, int n, ir_value *const *x);
/* Opens the branch in which n values are made; elsewhere they are `otherwise`. The end takes those made and gives both. */
ir_op *lower_choice(lower *l, ir_value *cond, int n, ir_value *const *otherwise);
void lower_choice_end(lower *l, ir_op *choice, int n, ir_value **x);

/* ---- Blocks of threads ---- */
static inline bool lower_is_block(const lower *l) { return l->lim->threads > 0; }
/* lower_spread.c: how many threads share each axis. Sets threads, coord, merges; may take lanes and tiles back. */
void lower_spread(lower *l, lower_stage *s);
/* `bits` bits of the thread's number from bit `first` on. */
sym_t lower_coordinate(lower *l, int first, int bits);
/* bool, scalar: this thread is the first of those that share a point (and no spare one); NULL: all are. */
ir_value *lower_is_leader(lower *l, const lower_stage *s);
/* bool: no spare thread; NULL: there are none. */
ir_value *lower_is_used(lower *l, const lower_stage *s);
/* The thread's number with the bits of `mask` alone, moved down by `shift`; in scope 0. */
ir_value *lower_thread_bits(lower *l, int64_t mask, int shift);
/* lower_merge.c: n partial results, each of one value or two, become those of all threads that share the point. All
 * threads of the block must come here. */
void lower_merge_threads(lower *l, const lower_stage *s, int n, const ir_combine *combine, ir_value *(*x)[2]);
/* lower_cluster.c: bytes of shared memory in which results of a cluster's blocks meet. merge: the same as lower_merge_threads, of
 * all blocks; after it, and before any thread goes on. barrier: of the cluster. */
int64_t lower_cluster_bytes(const lower *l);
void lower_cluster_merge(lower *l, const lower_stage *s, int n, const ir_combine *combine, ir_value *(*x)[2]);
void lower_cluster_barrier(lower *l);
/* lower_tma.c: bytes of shared memory that mbarriers take; 0 where the target has none. */
int64_t lower_tma_bytes(const lower *l);
/* Makes them at the function's top, unless this has been done. */
void lower_tma_begin(lower *l);
/* lower_place.c: where the allocs of a grid live. */
typedef struct lower_place {
    const ir_value *buffer; /* NULL: memory of a contraction */
    bool known, shared;
    bool apart;        /* mbarriers order all that happens there */
    const struct lower_contract *own; /* each thread has the elements of its sums of this contraction in registers */
    int64_t own_elements; /* lower_rows.c: so many, not as many as there are sums */
    bool own_rows;        /* one for each row of the sums */
    const int64_t *slots; /* where a position's element is among them; NULL: in order */
    int64_t at, bytes; /* in shared memory */
    int64_t align;     /* of at, a power of two; 0: 16 */
    sym_t offset;      /* else in the block's scratch memory */
    int first, last;   /* stages that use it */
    uint8_t touched;   /* since the last barrier (lower_order.c) */
} lower_place;
/* Takes `bytes` of shared memory at the lowest address that is free through p's life; false when there is none. */
bool lower_place_shared(lower *l, lower_place *p, int64_t bytes);
ir_value *lower_shared(lower *l, frit_dtype t, int64_t at, int64_t bytes);
/* Also adds the grid's need to l->scratch_used, and keeps l->shared_bytes. */
void lower_place_allocs(lower *l, const ir_block *grid);
ir_value *lower_placed_pointer(lower *l, const ir_value *buffer);
/* lower_order.c: barriers, before a stage where it needs one and at the start of a task. */
typedef const uint8_t *lower_touched;
void lower_order_stage(lower *l, const ir_op *stage);
lower_touched lower_order_state(lower *l);
/* What was touched before may be touched still: code in between may not have run. */
void lower_order_maybe(lower *l, lower_touched before);
/* The block's accesses have been made. */
void lower_order_touch(lower *l, const ir_block *b);
void lower_order_task(lower *l);
void lower_barrier(lower *l);
/* All that a barrier tells is known here. */
void lower_barrier_met(lower *l);
#endif
