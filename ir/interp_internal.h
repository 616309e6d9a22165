/* Inside the interpreter. A value of the program is a node: a strided view of stored elements, or a recipe (elementwise
 * op, affine view, reshape, index map) that is evaluated for a block of positions at a time when somebody reads it, so
 * that broadcasts and windows are never written out. */
#ifndef FRIT_IR_INTERP_INTERNAL_H
#define FRIT_IR_INTERP_INTERNAL_H
#include "interp.h"
#include "scalar.h"

enum {
    BLOCK = 256,    /* positions evaluated together */
    MAX_DEPTH = 12, /* of recipes within recipes */
};

/* Elements in memory. data: dtype `t` (f64 for the floats that a wide run computes). err: NULL, or one per element. */
typedef struct storage {
    int refs;
    frit_dtype t;
    int64_t n, bytes;
    void *data;
    double *err;
    bool owned;
} storage;

typedef enum node_kind {
    NODE_STRIDED,     /* store[offset + sum of index * stride] */
    NODE_ELEMENTWISE, /* op(in...) at the same position */
    NODE_AFFINE,      /* in[0] at: coordinate i = start[i] + step[i] * index[axis[i]] (axis -1: start[i]) */
    NODE_RESHAPE,     /* in[0] at the same row-major position */
    NODE_MAP,         /* in[0] at map(index, in[1..] at index), fill outside */
} node_kind;

typedef struct map map;
typedef struct node {
    int refs;
    node_kind kind;
    frit_dtype dtype;
    int rank, depth;
    int64_t shape[IR_MAX_RANK], n;
    bool undecided; /* wide: every element is undecidable (control flow hung on such a value) */
    storage *store;
    int64_t offset, stride[IR_MAX_RANK];
    ir_opcode op;
    int n_in;
    struct node **in;
    int axis[IR_MAX_RANK];
    int64_t start[IR_MAX_RANK], step[IR_MAX_RANK];
    map **maps; /* one per axis of in[0] */
    double fill;
} node;

/* The values of one index over a block: v[i], or k for all when v is NULL. */
typedef struct column {
    const int64_t *v;
    int64_t k;
} column;
static inline int64_t column_at(column c, int i) { return c.v ? c.v[i] : c.k; }

typedef struct interp_symbol {
    bool known, preset;
    int64_t value;
} interp_symbol;

struct interp {
    ir_module *m;
    bool wide, stored;
    bool open_extents; /* this run: compact counted an undecidable value */
    uint64_t seed;
    int64_t max_bytes, live_bytes, max_ops, ops;
    interp_status status;
    char message[512];
    node **env;      /* by value id */
    ir_op **last_use; /* by value id: the op after which the value is dead, in the block that defines it */
    node **absent;    /* by value id: bool, which elements are excluded (absent.h); NULL: none */
    node *absent_in[2]; /* of the operands of the sum at hand */
    int n_env;
    interp_symbol *symbols; /* by sym_var_id */
    int n_symbols;
    node **globals; /* by position in m->globals */
    int n_globals;
};

/* ---- interp_node.c: memory and nodes. Functions that return a node return a new reference, or NULL after
 * interp_fail; arguments keep theirs. */
bool interp_fail(interp *it, interp_status s, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Counts n ops or blocks of elements against the limit. */
bool interp_work(interp *it, int64_t n);
/* The dtype that values of dtype t are computed and stored in. */
static inline frit_dtype interp_store_dtype(const interp *it, frit_dtype t) {
    return it->wide && frit_dtype_is_float(t) ? FRIT_f64 : t;
}
/* Zeroed elements of interp_store_dtype(t), with err when wide. */
storage *storage_new(interp *it, frit_dtype t, int64_t n);
void storage_release(interp *it, storage *s);
/* Elements of a shape; -1 (and failure) when negative or too many. */
int64_t interp_count(interp *it, int rank, const int64_t *shape);
node *node_new(interp *it, node_kind kind, frit_dtype t, int rank, const int64_t *shape, int n_in, node *const *in);
node *node_keep(node *x);
void node_release(interp *it, node *x);
/* A dense strided node with fresh storage. */
node *node_dense(interp *it, frit_dtype t, int rank, const int64_t *shape);
/* A dense node over a host tensor, borrowed. */
node *node_borrow(interp *it, const interp_tensor *t);
bool node_is_dense(const node *x);
/* x with its elements stored and dense; x itself when it is. Changes a recipe to what it computed. */
bool node_settle(interp *it, node *x); /* in place: x becomes strided */
node *node_to_dense(interp *it, node *x);
/* A dense copy nobody else sees. If the caller's reference is the only one, the storage is reused. */
node *node_private(interp *it, node *x);
/* x with coordinate i = start[i] + step[i] * index[axis[i]]; bounds are the caller's to check. */
node *node_affine(interp *it, node *x, int rank, const int64_t *shape, const int *axis, const int64_t *start,
                  const int64_t *step);
node *node_permute(interp *it, node *x, const int *perm);
/* Writes x into the part of dense y from `start` on, by `step` (NULL: 1) along each axis; what falls outside is not. */
bool node_write_region(interp *it, node *x, node *y, const int64_t *start, const int64_t *step);
bool interp_to_host(interp *it, node *x, interp_tensor *out);

/* ---- interp_block.c: evaluation of n <= BLOCK positions. e: errs, NULL when typed. */
bool node_eval(interp *it, const node *x, int n, const column *at, scalar *v, double *e);
/* The positions [begin, begin + n) of a shape, row-major, as columns. room: [IR_MAX_RANK][BLOCK]. */
void block_columns(int rank, const int64_t *shape, int64_t begin, int n, column *at, int64_t (*room)[BLOCK]);
/* All of x, row-major, into dense dst of dtype t (and err when not NULL). */
bool node_write(interp *it, const node *x, frit_dtype t, void *dst, double *err);
/* Calls f for x's elements in row-major order, a block at a time; f returns false to stop. */
typedef bool (*block_visitor)(void *u, interp *it, int64_t begin, int n, const column *at, const scalar *v,
                              const double *e);
bool node_visit(interp *it, const node *x, block_visitor f, void *u);

/* ---- interp_map.c: index maps, compiled for evaluation over columns. */
map *map_new(interp *it, sym_t s, int n_vars, const sym_t *vars);
void map_free(map *p);
bool map_eval(interp *it, const map *p, int n, const column *vars, int64_t *out);
bool interp_eval(interp *it, sym_t s, int64_t *out); /* failure names the expression */
void interp_set_symbol(interp *it, sym_t var, int64_t value);
bool interp_symbol_get(void *it, sym_t var, int64_t *v); /* for sym_eval */
/* The dims of t as numbers. */
bool interp_dims(interp *it, ir_type t, int64_t *shape);

/* err of a zero whose sign is open. A sum of zeros with -0 among them is -0 or, started from 0, +0; and a zero factor may
 * have left a sum, whose sign the product then has. */
#define INTERP_ZERO_SIGN 0x1p-1074
bool interp_sign_open(double x, double e);
/* ---- interp_error.c: err of an elementwise result. in: operand dtype; a: operands, ea: their
 * errs, y: the wide result (adjusted where a narrow dtype saturates or overflows). */
double interp_unit(frit_dtype t);
/* What rounding to t may lose, relative to the value. */
double interp_half_ulp(frit_dtype t);
/* Half the least positive number of t: what rounding to a denormal may lose. */
double interp_half_least(frit_dtype t);
/* err of v (err e so far) when it may have been rounded to t; e itself where t is no narrow float. */
double interp_stored_err(const interp *it, frit_dtype t, double v, double e);
/* The same of a sum or other combination of elements of dtype `in`, which is rounded to f32 first where in is f64. */
double interp_sum_err(const interp *it, frit_dtype in, frit_dtype out, double v, double e);
/* err (e so far) of a product, quotient or sum v where a factor may have left a sum: NaN made of operands that are not is open. */
double interp_moved_err(const interp *it, double v, bool from_nan, double e);
double interp_err(ir_opcode op, frit_dtype in, frit_dtype out, const scalar *a, const double *ea, scalar *y);
/* Whether x (err ex) is too near to y (err ey) to say which is larger. */
bool interp_too_close(double x, double ex, double y, double ey);

/* ---- interp_combine.c: a running combination. */
typedef struct combination {
    ir_combine how;
    frit_dtype dtype, held; /* of the elements; of v (f32 for the narrow floats, f64 when wide) */
    bool wide;
    scalar v;                   /* so far; the best element for argmax and argmin */
    int64_t n, best;            /* elements so far; where the best is */
    bool signed_zero, has_nan;  /* one of them is -0, or may be; one is NaN */
    double e, rival;            /* wide: errs; the most that another element may be */
    double magnitude;           /* wide: sum of |terms|; of a product, the most that some of its factors may make */
    bool doubt, certain;
} combination;
combination combine_start(const interp *it, ir_combine c, frit_dtype t);
void combine_step(combination *a, scalar x, double e);
/* Rounded or wrapped to `out`. */
scalar combine_value(const combination *a, frit_dtype out, double *e);

/* ---- The ops. Each computes the results of op into out[]. */
typedef bool op_function(interp *it, const ir_op *op, node **in, node **out);
op_function op_constant, op_param, op_state_read, op_state_write, op_size, op_iota, op_random; /* interp_source.c */
op_function op_reshape, op_transpose, op_broadcast, op_slice, op_pad, op_concat, op_map;       /* interp_view.c */
op_function op_reduce, op_scan, op_sort;                                                       /* interp_reduce.c ... */
op_function op_contract;                                                                       /* interp_contract.c */
op_function op_scatter, op_insert, op_compact;                                                 /* interp_access.c */
op_function op_if, op_loop, op_while, op_kernel;                                               /* interp_exec.c */
/* ---- interp_exec.c. Lifetimes of b's values (nested blocks included): before its first interp_block. */
bool interp_prepare(interp *it, const ir_block *b);
/* What computes op; NULL when there is no such op. */
op_function *interp_function(const ir_op *op);
/* Runs a block. The references args[i] are taken and set to NULL (on failure some may be left); results are new. */
bool interp_block(interp *it, const ir_block *b, int n_args, node **args, int n_results, node **results);
/* ---- interp_absent.c: which elements of op's result are excluded, from those of its operands (absent_in[i], NULL: none): a
 * new bool node of the result's shape, or NULL when none are (or after interp_fail). */
node *interp_absent(interp *it, const ir_op *op, node **in, node *const *absent_in, node *out);
/* Some element of dense x is infinite or NaN. */
bool interp_any_infinite(const node *x);
/* x with 0 where absent. */
node *interp_leave_out(interp *it, node *x, node *absent);
/* ---- interp_solve.c: symbols from the dims of inputs and globals; arg_syms may be NULL. */
bool interp_solve(interp *it, const ir_block *b, const sym_t *arg_syms, const interp_tensor *inputs);
#endif
