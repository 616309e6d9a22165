/* What the files of staged contractions share. See lower_contract.c. */
#ifndef FRIT_PASSES_LOWER_CONTRACT_H
#define FRIT_PASSES_LOWER_CONTRACT_H
#include "lower_internal.h"

typedef struct lower_axes {
    int n;
    sym_t var[IR_MAX_RANK], extent[IR_MAX_RANK];
} lower_axes;

typedef struct lower_operand {
    const ir_value *v; /* what is staged; a value of the stage's block 0 */
    bool *wanted;      /* it and what it is computed from */
    frit_dtype t;
    lower_axes axes;   /* that it alone varies along */
    int tile;          /* positions along them that are done at a time */
    bool k_inner;      /* staged as [tile][chunk], else as [chunk][tile] */
    int ld;            /* elements from row to row of that */
    int width;         /* elements of a row with exchanged pieces (lower_wgmma.c); 0: rows are padded instead */
    bool turned;       /* memory is contiguous along the side, though it is staged along k */
    int64_t at, elements; /* bytes from the start of the contraction's memory; elements of one buffer */
    ir_value *ptr;
    const ir_value *held; /* the buffer that it is, of which each thread has what it needs in registers (lower_rows.c) */
    bool once;         /* staged before the loop that the contraction is in */
    int64_t from;      /* position along the side from which on the tile is summed up */
    /* Copied as boxes of a tensor (lower_boxes.c, lower_tma.c). */
    bool bulk;
    const ir_op *boxed;  /* the read */
    int n_box, box_axis[LOWER_MAP_AXES]; /* the tensor's axes in the map, the contiguous one first */
    int64_t box[LOWER_MAP_AXES], step[LOWER_MAP_AXES]; /* positions of a box along each, every so many */
    int filled;          /* rows of 128 bytes of a staged tile that boxes hold */
    ir_value *map;
} lower_operand;

typedef struct lower_contract {
    const ir_op *op;
    lower_operand side[2];
    lower_axes outer, k; /* one after another; reduced */
    frit_dtype sum;
    const ir_value *term;
    bool guarded;        /* sums that come out infinite or NaN are made again, term by term: terms may be left out
                            (lower_absent.c), or the products are split ones (lower_mma.c) */
    int chunk;           /* reduced positions staged at a time */
    int buffers;         /* chunks that there is room for */
    int first_id;        /* of the values of block 0 */
    lower_place place;
    bool n_inner;        /* the sums pass to the epilogue as [m][n], else as [n][m] */
    int result_ld[2];    /* elements from row to row, where m or n is inner */
    ir_value *result;
    bool direct;         /* the epilogue takes the sums from registers: none of the above */
    /* The sums of a thread. */
    int threads[2], n_each[2]; /* along m and n: threads, and positions of each */
    int n_sums;
    ir_value **sums;
    bool whole;          /* split products: what the small ones sum up to has been added */
    const ir_product *product; /* by matrix instructions: threads counts warps; or NULL */
    bool wgmma;          /* by those of four warps: threads counts warpgroups */
    bool roles;          /* a part of the block of its own copies both operands */
    int64_t result_at;   /* bytes from the start of the contraction's memory */
    int rows_of;         /* wgmma: the side that gives rows of 64 */
    sym_t k0, turn;      /* in the loop over chunks: where the chunk at hand begins, its buffer; turn is NULL elsewhere */
    sym_t from, to;      /* the reduced positions of the task at hand, from a multiple of the chunk on; NULL: all */
    struct lower_parts *parts; /* how its tiles are shared out (lower_parts.h), or NULL */
    const struct lower_rows *rows; /* the loop that it is part of, where threads own rows (lower_rows.c) */
    ir_product_order order; /* of the reduced positions, where an operand is what another product's sums have become */
    int in_flight;       /* wgmma: chunks whose products need not be done when the next chunk begins */
} lower_contract;

/* A thread's part of a chunk of one operand. */
typedef struct lower_copy {
    const lower_operand *o;
    lower_stage *s;         /* over (position along the side, position in the chunk) */
    sym_t k0, side0;        /* of the chunk, of the tile */
    int lanes, n;           /* vectors this wide, so many of them */
    int wide;               /* loaded by words of so many neighbours along the side, turned on their way to shared memory; or 1 */
    sym_t *row, *col;       /* of each */
    bool some;              /* more threads than vectors */
    const ir_op *plain;     /* lower_copy_plain */
    sym_t var, as;          /* a variable of a loop around, and its value for the chunk; NULL: as it is */
} lower_copy;

/* The sums that a thread has in registers: a grid of positions of the tile. */
typedef struct lower_fragment {
    sym_t first[2];      /* position of the first one along m and n */
    int count[2];        /* positions along each, a power of two */
    int64_t *offset[2];  /* of each from the first; that of i is the sum of those of i's bits */
    ir_value **sum;      /* of each, along n fastest: the vector and its lane in it */
    int *lane;
} lower_fragment;

/* The first reduced position; the end of them. */
sym_t lower_contract_from(lower *l, const lower_contract *p);
sym_t lower_contract_to(lower *l, const lower_contract *p);
/* lower_raster.c: the last two coordinates of the task of that number in the grid last planned, in an order that lets blocks
 * share what they read; *task becomes the number of the task in the axes before those. False: any order is as good. */
bool lower_raster(lower *l, const ir_op *grid, ir_value **task, ir_value **v);
/* The extent of all axes; their variables at position `at` of all of them in row-major order, for s. */
sym_t lower_axes_total(lower *l, const lower_axes *a);
void lower_unflatten(lower *l, lower_stage *s, sym_t *outer, const lower_axes *a, sym_t at);

/* lower_contract_plan.c: the contraction that op is, by its axes; NULL: none. Its operands: what they are computed from, and
 * how they are to lie in shared memory for its product. */
lower_contract *lower_contract_of(lower *l, const ir_op *op);
void lower_contract_operands(lower *l, lower_contract *p);

/* lower_rows.c. A loop of a task whose stages all run over the same rows. */
enum { LOWER_MOST_IN_ROWS = 8 };
typedef struct lower_rows {
    const ir_op *loop;
    sym_t row, extent;         /* the stages' variable of rows; how many there are */
    int side;                  /* of every contraction: the one that gives rows */
    const ir_product *product; /* of the first; all have its layout of sums */
    int tile, each;            /* rows of the block, of a thread */
    int share_bits[2];         /* the first bit of the thread's number, and how many, of threads that share a row */
    int n;
    lower_contract *contract[LOWER_MOST_IN_ROWS];
    bool wgmma;                /* its products are those of four warps */
    int buffers;               /* chunks that there is room for */
    bool ahead;                /* a thread has registers for its part of the next chunk */
    int64_t left;              /* registers that all this leaves of a thread's */
    lower_place place;
} lower_rows;
/* Where a thread's points of the contraction's tile are. */
void lower_rows_stage(lower *l, const lower_contract *p, const ir_op *op);
/* Fragment of an operand that is held: part i along the side, from reduced position k on. */
ir_value *lower_rows_fragment(lower *l, const lower_contract *p, int side, int i, int k);
/* Elements of a thread of a tile with so many columns. */
int lower_rows_columns(const lower_rows *r, int columns);
/* The contraction's tile with so many columns: where its sums would be. */
lower_contract lower_rows_geometry(const lower_contract *p, int columns);
/* What becomes of the sums of p, a part of the columns of a tile that has `tile`. careful: as of lower_epilogue_guard. */
void lower_rows_result(lower *l, lower_contract *p, int tile, ir_value *careful);
/* All sums of p, whose operand on the rows' side is held, term by term, into memory of the thread, where `careful` (bool). */
ir_value *lower_rows_careful(lower *l, const lower_contract *p, ir_value *careful);

/* lower_copies.c: the operands' way to shared memory. lanes: elements of a vector. plain: the read that is all there is to
 * the operand, if it can be copied as it is, or NULL. registers: of a thread, while a chunk is summed up. */
int lower_copy_lanes(lower *l, lower_contract *p, const lower_operand *o);
const ir_op *lower_copy_plain(lower *l, lower_contract *p, const lower_operand *o, int lanes);
int lower_copy_registers(lower *l, lower_contract *p, const lower_operand *o);
/* Of those, for what is on its way from load to store. */
int lower_copy_held_registers(lower *l, lower_contract *p, const lower_operand *o);
/* Values that a thread holds from load to store. */
int lower_copy_held(const lower_copy *c);
/* Of the tile that begins at side0. load: the elements of the chunk at k0 are on their way to the buffer, or in v; store: from
 * v to the buffer; split: those that were copied whole are split where they lie, each by one thread, whichever it is: pieces
 * are taken as they come. */
lower_copy lower_copy_make(lower *l, lower_contract *p, const lower_operand *o, sym_t side0);
void lower_copy_load(lower *l, lower_contract *p, lower_copy *c, sym_t k0, sym_t buffer, ir_value **v);
void lower_copy_store(lower *l, lower_contract *p, lower_copy *c, sym_t buffer, ir_value *const *v);
void lower_copy_split(lower *l, lower_contract *p, lower_copy *c, sym_t buffer);

/* lower_epilogue.c: block 1 over the tile that begins at those positions along the sides, the sums being in `result`, or
 * in the threads' registers. The question is asked of the op as it stands, s. */
bool lower_epilogue_may_be_direct(lower *l, const lower_contract *p, const lower_stage *s);
void lower_epilogue_shared(lower *l, lower_contract *p, const sym_t *first);
void lower_epilogue_direct(lower *l, lower_contract *p, const sym_t *first);
/* Where that is true, sums of f that are infinite or NaN are made again, term by term from memory. */
void lower_epilogue_guard(lower *l, lower_contract *p, const sym_t *first, lower_fragment *f, ir_value *where);
/* The stage op, of the extents of p's only tile, with a thread's points those of its sums. */
void lower_epilogue_stage(lower *l, const lower_contract *p, const ir_op *op);
/* Plain ops that one point of the block takes, transcendental ones counting more. */
int lower_epilogue_cost(const ir_block *b);
/* The block's long functions, such as sines, do not come to too much when each thread has so many points of it written out. */
bool lower_may_write_out(const ir_block *b, int64_t points);
/* Where a thread's sums are; `sum` and `lane` are set if there are any yet. */
void lower_contract_fragment(lower *l, const lower_contract *p, lower_fragment *f);
/* Registers of a thread while p runs. */
int lower_contract_registers(lower *l, lower_contract *p);

/* lower_sums.c: which sums a thread has; adds the chunk in the buffer of that number to them; puts them into `result`. */
void lower_share_sums(lower *l, lower_contract *p);
/* Registers of a thread for sums and the elements of a step. */
int lower_sums_registers(lower *l, lower_contract *p);
void lower_sum_chunk(lower *l, lower_contract *p, sym_t buffer);
void lower_store_sums(lower *l, lower_contract *p);
/* Where the sum of a row and a column of the tile is in `result`. */
sym_t lower_result_at(lower *l, const lower_contract *p, sym_t row, sym_t col);

/* lower_mma.c: the same by matrix instructions. The plan says whether target and dtypes allow it, and may choose what is
 * staged; false of share: the tile has too few rows and columns for the block's warps. */
bool lower_mma_plan(lower *l, lower_contract *p);
bool lower_mma_share(lower *l, lower_contract *p);
/* Fragments of both operands are loaded by an instruction that takes either layout. */
bool lower_mma_has_matrix_loads(const lower_contract *p);
/* Registers of a thread for sums and fragments; 0 where the tile can't be shared. */
int lower_mma_registers(lower *l, lower_contract *p);
void lower_mma_zero(lower *l, lower_contract *p);
void lower_mma_sum_chunk(lower *l, lower_contract *p, sym_t buffer);
void lower_mma_store(lower *l, lower_contract *p);
void lower_mma_fragment(lower *l, const lower_contract *p, lower_fragment *f);
/* Positions of one product's sums of a thread along an axis, in order; at (may be NULL) says which is element e's. */
int lower_mma_places(const ir_product *q, int axis, int64_t *offset, int *at);
/* Takes the operands without the casts that widen them from t; false: they are not both of t before one. */
bool lower_mma_narrow(lower_contract *p, frit_dtype t);
/* Products of f32 in parts; the upper part of an element. */
bool lower_mma_is_split(const lower_contract *p);
ir_value *lower_mma_upper(lower *l, ir_value *x);
/* Sum i of n, split ones with what their small products sum up to; all of them, from here on. */
ir_value *lower_mma_whole_sum(lower *l, const lower_contract *p, int i, int n);
void lower_mma_make_whole(lower *l, lower_contract *p);

/* lower_wgmma.c: the same by instructions of four warps that read shared memory. The layout follows the plan, before the
 * tile is chosen; elements are those of one buffer of the operand. */
bool lower_wgmma_plan(lower *l, lower_contract *p);
void lower_wgmma_layout(lower_operand *o);
int64_t lower_wgmma_elements(const lower_contract *p, const lower_operand *o);
bool lower_wgmma_share(lower *l, lower_contract *p);
/* Of a thread: its sums; and what it needs with them. */
int lower_wgmma_sums(lower *l, lower_contract *p);
int lower_wgmma_registers(lower *l, lower_contract *p);
/* Index of the element in that row and column of the operand's layout ([tile][chunk] or [chunk][tile]); puts x there. */
sym_t lower_wgmma_staged_at(lower *l, const lower_contract *p, const lower_operand *o, sym_t buffer, sym_t row, sym_t col);
void lower_wgmma_store(lower *l, lower_contract *p, const lower_operand *o, sym_t at, ir_value *x, ir_value *some);
/* Zeros as sums. They belong to the tensor cores from begin to end. */
void lower_wgmma_zero(lower *l, lower_contract *p);
void lower_wgmma_begin(lower *l, lower_contract *p);
void lower_wgmma_end(lower *l, lower_contract *p);
/* The products of chunks before those in flight are done, as far as this thread's warpgroup goes. */
void lower_wgmma_wait(lower *l, const lower_contract *p);
void lower_wgmma_sum_chunk(lower *l, lower_contract *p, sym_t buffer);
void lower_wgmma_store_sums(lower *l, lower_contract *p);
void lower_wgmma_fragment(lower *l, const lower_contract *p, lower_fragment *f);
/* Of p, in a loop whose rows on `side` warps own (lower_rows.c): four warps do what each would by instructions of its own, whose
 * rows and sums lie alike. All sums of the chunk, from nothing on, as p's. */
bool lower_wgmma_may_take_rows(const lower *l, const lower_contract *p, int side);
void lower_wgmma_sum_rows(lower *l, const lower_contract *p, sym_t buffer);

/* lower_boxes.c: operands of those contractions that are boxes of a tensor. plan: once the layout is known; check: and the
 * tile. stride: elements from one position to the next along the tensor's axis. */
void lower_boxes_plan(lower *l, const lower_contract *p, lower_operand *o);
void lower_boxes_check(lower *l, const lower_contract *p, lower_operand *o);
sym_t lower_boxes_stride(lower *l, const ir_value *buffer, int axis);

/* lower_tma.c: their copies. prepare, clear: before any task. load starts the copies of the chunk at k0, if there is one, of a
 * tile that begins at those positions along the sides. wait: for the copies to a buffer; by all threads. release: this warp is
 * done with the buffer; wait_empty: all are (at first they are, too). */
void lower_tma_prepare(lower *l, lower_operand *o);
void lower_tma_clear(lower *l, const lower_contract *p, const lower_operand *o);
void lower_tma_load(lower *l, const lower_contract *p, const sym_t *side0, sym_t k0, sym_t buffer);
void lower_tma_wait(lower *l, sym_t buffer);
/* The same for all boxes of a loop's turn, whose variable is var. */
void lower_tma_load_rows(lower *l, const lower_rows *r, sym_t var, sym_t turn, sym_t buffer);
void lower_tma_wait_empty(lower *l, sym_t buffer);
void lower_tma_release(lower *l, sym_t buffer);
/* The staged operand is called after what it is read from, in the texts of kernels. */
void lower_name_tile(lower *l, lower_operand *o);
#endif
