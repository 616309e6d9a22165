/* The IR core: one representation for the three levels (tensor, tile, thread).
 *
 *   module   functions + symbols + params + states + checks; owns the arena everything below lives in
 *   func     one model (tensor level) or one kernel (tile, thread level): a body block whose arguments are its inputs
 *   block    arguments and a list of ops; belongs to a func or to an op (if, loop, stage, kernel...)
 *   op       opcode, operands, results, attributes, nested blocks, span
 *   value    an op's result or a block's argument; typed; knows its uses
 *
 * Ops are rows of tensor.def, tile.def and thread.def, plus elementwise.def, whose ops mean the same on tensors, on the
 * scalars inside a tile stage, and on the scalars and short vectors of thread IR. Nodes are made only through ir_builder
 * (and the helpers at the end). A nested block may use values of the blocks around it unless the op is flagged ISOLATED.
 *
 * Ownership: nodes belong to the module's arena and are freed with it. Removing an op unlinks it only.
 * Not thread-safe: one thread per module at a time. */
#ifndef FRIT_IR_IR_H
#define FRIT_IR_IR_H
#include "arena.h"
#include "runtime/dtype.h"
#include "span.h"
#include "sym.h"

#define IR_MAX_RANK 16

/* ---- Types ------------------------------------------------------------------------------------------------------ */
typedef enum ir_type_kind {
    IR_NONE,   /* an op with no value; rank 0 */
    IR_TENSOR, /* dtype + dims. Rank 0 is a scalar: the values inside tile stages */
    IR_BUFFER, /* dtype + dims + space: memory that a kernel reads or writes (tile level); row-major, dense */
    IR_VECTOR, /* dtype + lanes: what a thread computes with; lanes == 1 is a scalar (thread level) */
    IR_PTR,    /* dtype + space: address of elements of dtype (thread level) */
} ir_type_kind;

typedef enum ir_space { IR_GLOBAL, IR_CORE, IR_REGISTER, IR_MAP, IR_CLUSTER, IR_SPACE_COUNT } ir_space;
/* IR_GLOBAL: device memory.  IR_CORE: one core's or block's fast memory (a cache-resident scratch on a CPU, shared memory
 * on a GPU).  IR_REGISTER: private to a thread (a register tile).  IR_MAP: no memory but the description of a tensor in
 * global memory (op tensor_map).  IR_CLUSTER: shared memory of any block of the cluster (op cluster_ptr). */

typedef struct ir_type {
    uint8_t kind;  /* ir_type_kind */
    uint8_t dtype; /* frit_dtype */
    uint8_t space; /* ir_space, for IR_BUFFER and IR_PTR */
    uint8_t rank;  /* number of dims, for IR_TENSOR and IR_BUFFER */
    uint16_t lanes; /* for IR_VECTOR */
    const sym_t *dims;
} ir_type;

/* ---- Ops and attributes ------------------------------------------------------------------------------------------ */
typedef enum ir_opcode {
    IR_OP_INVALID,
#define OP(name, ...) IR_##name,
#include "ops.def"
#undef OP
    IR_OPCODE_COUNT
} ir_opcode;

typedef enum ir_attr_key {
#define ATTR(name, kind, doc) IR_ATTR_##name,
#include "attrs.def"
#undef ATTR
    IR_ATTR_COUNT
} ir_attr_key;

typedef enum ir_attr_kind {
    IR_ATTR_INT,    /* int64; also bool */
    IR_ATTR_FLOAT,  /* double */
    IR_ATTR_STRING, /* name or path */
    IR_ATTR_DTYPE,  /* frit_dtype */
    IR_ATTR_ENUM,   /* one of ir_combine (printed by name) */
    IR_ATTR_INTS,   /* int64 list */
    IR_ATTR_SYMS,   /* list of symbolic integers */
    IR_ATTR_DATA    /* dense elements of a constant: dtype of the result, row-major */
} ir_attr_kind;

/* How a reduction, scan or scatter combines: sum, product, max, min (NaN wins), any, all, argmax, argmin (first wins;
 * NaN counts as the extreme), set (scatter: the last write wins). */
typedef enum ir_combine {
    IR_SUM, IR_PROD, IR_MAX, IR_MIN, IR_ANY, IR_ALL, IR_ARGMAX, IR_ARGMIN, IR_SET, IR_COMBINE_COUNT
} ir_combine;
const char *ir_combine_name(ir_combine c);

typedef struct ir_attr {
    uint8_t key;  /* ir_attr_key */
    union {
        int64_t i; /* INT, DTYPE, ENUM */
        double f;
        const char *s;
        struct { int n; const int64_t *v; } ints;
        struct { int n; const sym_t *v; } syms;
        struct { int64_t bytes; const void *p; } data;
    };
} ir_attr;

typedef enum ir_flags {
    IR_F_TENSOR = 1 << 0, IR_F_TILE = 1 << 1, IR_F_THREAD = 1 << 2, /* levels the op may appear at */
    IR_F_ELEMENTWISE = 1 << 3,  /* result element depends on the operands' elements at the same position only */
    IR_F_VIEW = 1 << 4,         /* moves elements, computes nothing */
    IR_F_EFFECT = 1 << 5,       /* kept even when its results are unused; not reordered among effects */
    IR_F_TERMINATOR = 1 << 6,   /* ends a block */
    IR_F_COMMUTATIVE = 1 << 7,
    IR_F_COMPARE = 1 << 8,      /* result dtype is bool */
    IR_F_FLOAT = 1 << 9,        /* defined on floats only */
    IR_F_INT = 1 << 10,         /* defined on integers (and bool where it makes sense) only */
    IR_F_ISOLATED = 1 << 11,    /* nested blocks see only their own arguments */
    IR_F_TRANSCENDENTAL = 1 << 12 /* expanded to arithmetic before code is printed; costs tens of flops */
} ir_flags;

typedef struct ir_op_info {
    const char *name;
    int8_t n_operands; /* -1: any number */
    int8_t n_results;  /* -1: any number */
    int8_t n_blocks;
    uint32_t flags;
    uint64_t attrs; /* set of allowed attribute keys */
    const char *operand_names; /* "x, y" */
    const char *doc;
} ir_op_info;
extern const ir_op_info ir_op_table[IR_OPCODE_COUNT];
typedef struct ir_attr_info { const char *name; ir_attr_kind kind; const char *doc; } ir_attr_info;
extern const ir_attr_info ir_attr_table[IR_ATTR_COUNT];
/* Opcode by name, IR_OP_INVALID when there is none. */
ir_opcode ir_opcode_from_name(const char *name, size_t len);

/* ---- Nodes ------------------------------------------------------------------------------------------------------- */
typedef struct ir_value ir_value;
typedef struct ir_op ir_op;
typedef struct ir_block ir_block;
typedef struct ir_func ir_func;
typedef struct ir_module ir_module;

typedef struct ir_use {
    ir_value *value;
    ir_op *user;
    struct ir_use *next, **link; /* the value's list of uses */
} ir_use;

struct ir_value {
    ir_type type;
    ir_op *op;       /* defining op, or NULL for a block argument */
    ir_block *block; /* the block it is an argument of, or NULL */
    int index;       /* which result or argument */
    int id;          /* unique in its func's module; passes index side tables with it (module->n_values) */
    const char *name; /* from the source, for people; may be NULL, need not be unique */
    const char *hint; /* what texts for people may call it where it has no name; no part of the IR's own text */
    ir_use *uses;
};

struct ir_op {
    ir_opcode code;
    int n_operands, n_results, n_blocks, n_attrs;
    ir_use *operands;
    ir_value *results; /* array of n_results */
    ir_block **blocks;
    ir_attr *attrs;
    ir_span span;
    ir_block *parent;
    ir_op *prev, *next;
    int mark; /* scratch for the pass that runs; no meaning between passes */
};

struct ir_block {
    ir_value **args;
    int n_args;
    ir_op *first, *last;
    ir_op *op;     /* the op it is nested in, or NULL */
    ir_func *func; /* set for the body of a func */
};

typedef enum ir_level { IR_LEVEL_TENSOR, IR_LEVEL_TILE, IR_LEVEL_THREAD } ir_level;

/* A param (weights) or a state: identified by its path; equal paths are one. */
typedef struct ir_global {
    const char *path;
    ir_type type; /* IR_TENSOR */
    bool is_state;
    int number; /* among the module's params, or among its states */
    ir_span span;
    /* A state's first value: `init` (a 0-operand func of the module whose one result is the value). NULL for a param. */
    ir_func *init;
} ir_global;

/* A fact checked on the host before a run: lhs op rhs, op one of "==", "!=", "<", "<=". `text` is for the message. */
typedef struct ir_check {
    const char *op;
    sym_t lhs, rhs;
    const char *text;
    ir_span span;
} ir_check;

/* Ops first .. last of one block, made of one op: `code` of x (and y) is result. They use nothing else from outside, and nothing
 * outside uses what they make but result. */
typedef struct ir_expansion {
    ir_opcode code;
    const ir_value *x, *y, *result; /* y: NULL if there is none */
    const ir_op *first, *last;
    struct ir_expansion *next;
} ir_expansion;

struct ir_func {
    const char *name;
    const char *doc;
    ir_module *module;
    ir_level level;
    ir_block *body;
    const char **result_names; /* tensor level: names of the values that the `return` op yields, or NULL */
    int n_results;
    /* Tensor level: a host integer input (`pos: int`) is an i64[] argument; arg_syms[i] is its symbol, else NULL. */
    sym_t *arg_syms;
    int threads;    /* thread level: of a block; 0 where a task is one core's */
    int64_t shared; /* thread level: bytes of a block's shared memory */
    int cluster;    /* tile and thread level: blocks that run side by side and reach each other's shared memory; 0: none */
    ir_expansion *expansions; /* thread level: of functions of mathematics, for printers of text; may be NULL */
    ir_span span;
    ir_func *next;
};

struct ir_module {
    arena *arena;
    sym_ctx *syms;
    ir_func *funcs, **last_func;
    VEC(ir_global *) globals;
    ir_global **by_path; /* open addressing, at most half full */
    int n_by_path, n_params;
    VEC(ir_check) checks;
    sym_t seed; /* the session's seed in kernels; NULL until a kernel set is made */
    const char *model; /* thread level: whose kernels they are, for people; may be NULL */
    VEC(sym_t) symbols; /* dims and host ints that a run binds, in order of first appearance */
    int n_values;
};

/* ---- Module, funcs ----------------------------------------------------------------------------------------------- */
ir_module *ir_module_new(void); /* with an arena of its own */
void ir_module_free(ir_module *m);
ir_func *ir_func_new(ir_module *m, const char *name, ir_level level);
/* Unlinks f from its module. */
void ir_func_remove(ir_func *f);
ir_func *ir_func_find(const ir_module *m, const char *name);
ir_value *ir_block_add_arg(ir_module *m, ir_block *b, ir_type t, const char *name);
ir_block *ir_block_new(ir_module *m);
/* The param or state at `path`, or NULL; ir_global_add appends (the caller has checked that the path is new). */
ir_global *ir_global_find(const ir_module *m, const char *path);
ir_global *ir_global_add(ir_module *m, const char *path, ir_type t, bool is_state, ir_span span);
/* To be called when globals have been taken out of the list. */
void ir_global_index(ir_module *m);
/* The func that encloses b, through any nesting. */
ir_func *ir_block_func(const ir_block *b);

/* ---- Types ------------------------------------------------------------------------------------------------------- */
ir_type ir_tensor(ir_module *m, frit_dtype t, int rank, const sym_t *dims); /* copies dims */
ir_type ir_scalar(frit_dtype t);                                            /* rank-0 tensor */
ir_type ir_buffer(ir_module *m, frit_dtype t, ir_space s, int rank, const sym_t *dims);
ir_type ir_vector(frit_dtype t, int lanes);
ir_type ir_ptr(frit_dtype t, ir_space s);
bool ir_type_equal(ir_type a, ir_type b);
sym_t ir_type_elements(ir_module *m, ir_type t); /* product of dims */
const char *ir_type_print(arena *a, ir_type t);  /* "f32[B, 64]", "buffer core f32[6, 16]", "f32x8", "ptr f32" */
ir_type ir_with_dtype(ir_type t, frit_dtype d);

/* ---- Builder ----------------------------------------------------------------------------------------------------- */
/* A cursor: new ops go before `before` in `block`, or at its end when `before` is NULL. */
typedef struct ir_builder {
    ir_module *m;
    ir_block *block;
    ir_op *before;
    ir_span span; /* given to new ops */
} ir_builder;
ir_builder ir_builder_at_end(ir_module *m, ir_block *b);
ir_builder ir_builder_before(ir_module *m, ir_op *op);
ir_builder ir_builder_after(ir_module *m, ir_op *op);

/* Any op. result_types has n_results entries. Attributes are added with ir_set_*; nested blocks are made empty. */
ir_op *ir_build(ir_builder *b, ir_opcode code, int n_operands, ir_value *const *operands, int n_results,
                const ir_type *result_types);
/* Elementwise ops of 1, 2 and 3 operands; the result type follows from the operands (equal dims and dtypes; bool for
 * IR_F_COMPARE; `select` takes its type from operand 1). Works at every level. */
ir_value *ir_unary(ir_builder *b, ir_opcode code, ir_value *x);
ir_value *ir_binary(ir_builder *b, ir_opcode code, ir_value *x, ir_value *y);
ir_value *ir_select(ir_builder *b, ir_value *cond, ir_value *x, ir_value *y);
ir_value *ir_fma(ir_builder *b, ir_value *x, ir_value *y, ir_value *z);
ir_value *ir_cast(ir_builder *b, ir_value *x, frit_dtype t); /* x itself when it has dtype t */
/* A constant of type t, every element v. Floats and integers; the number is rounded to t's dtype. */
ir_value *ir_splat(ir_builder *b, ir_type t, double v);
ir_value *ir_splat_int(ir_builder *b, ir_type t, int64_t v);

/* Tensor level; dims follow from the arguments. */
/* data is copied. A constant's `value` is a splat (one element for all) iff it is as long as one element; two 4-bit
 * elements therefore take two bytes, the second of them padding. */
ir_value *ir_dense(ir_builder *b, ir_type t, const void *data, int64_t bytes);
ir_value *ir_size(ir_builder *b, sym_t s);                                     /* i64[] holding s */
ir_value *ir_iota(ir_builder *b, ir_type t, int axis);
ir_value *ir_reshape(ir_builder *b, ir_value *x, int rank, const sym_t *dims);
ir_value *ir_transpose(ir_builder *b, ir_value *x, const int64_t *perm);
/* Result dims `dims`; axes[i] is the result dim that dim i of x goes to (a dim of 1 is stretched). */
ir_value *ir_broadcast(ir_builder *b, ir_value *x, int rank, const sym_t *dims, const int64_t *axes);
/* Element start + step * i along each dim; size[i] elements of it. */
ir_value *ir_slice(ir_builder *b, ir_value *x, const sym_t *start, const sym_t *size, const int64_t *step);
ir_value *ir_pad(ir_builder *b, ir_value *x, ir_value *fill, const sym_t *lo, const sym_t *hi);
ir_value *ir_concat(ir_builder *b, int n, ir_value *const *x, int axis);
/* out[axes] = data[map(axes)], and `fill` where a coordinate is outside data. axes are fresh index variables, one per
 * result dim; extents of the result are dims. With n_idx > 0: idx[k] are integer tensors of the result's dims and
 * idx_vars[k] stands for their element in map. (Ops `view` and `gather`.) */
ir_value *ir_view(ir_builder *b, ir_value *data, int rank, const sym_t *dims, const sym_t *axes, const sym_t *map,
                  double fill);
ir_value *ir_gather(ir_builder *b, ir_value *data, int n_idx, ir_value *const *idx, const sym_t *idx_vars, int rank,
                    const sym_t *dims, const sym_t *axes, const sym_t *map, double fill);
/* dims of x without the reduced axes. t: result dtype (argmax, argmin: an integer dtype). */
ir_value *ir_reduce(ir_builder *b, ir_combine c, ir_value *x, int n_axes, const int64_t *axes, frit_dtype t);
/* General dot: result dims are the batch dims, then x's free dims, then y's; products are summed in the accumulator
 * (f32 for f16, bf16 and f8; else the operand dtype) and rounded to t. */
ir_value *ir_contract(ir_builder *b, ir_value *x, ir_value *y, int n_batch, const int64_t *x_batch,
                      const int64_t *y_batch, int n_contract, const int64_t *x_contract, const int64_t *y_contract,
                      frit_dtype t);

/* ---- Attributes -------------------------------------------------------------------------------------------------- */
const ir_attr *ir_attr_get(const ir_op *op, ir_attr_key k); /* NULL when absent */
bool ir_has(const ir_op *op, ir_attr_key k);
int64_t ir_get_int(const ir_op *op, ir_attr_key k, int64_t absent);
double ir_get_float(const ir_op *op, ir_attr_key k, double absent);
const char *ir_get_string(const ir_op *op, ir_attr_key k); /* NULL when absent */
int ir_get_ints(const ir_op *op, ir_attr_key k, const int64_t **v); /* length; 0 when absent */
int ir_get_syms(const ir_op *op, ir_attr_key k, const sym_t **v);
void ir_set_int(ir_module *m, ir_op *op, ir_attr_key k, int64_t v);
void ir_set_float(ir_module *m, ir_op *op, ir_attr_key k, double v);
void ir_set_string(ir_module *m, ir_op *op, ir_attr_key k, const char *s);
void ir_set_ints(ir_module *m, ir_op *op, ir_attr_key k, int n, const int64_t *v);
void ir_set_syms(ir_module *m, ir_op *op, ir_attr_key k, int n, const sym_t *v);
void ir_set_data(ir_module *m, ir_op *op, ir_attr_key k, const void *p, int64_t bytes);
void ir_remove_attr(ir_op *op, ir_attr_key k);

/* ---- Editing ----------------------------------------------------------------------------------------------------- */
static inline ir_value *ir_operand(const ir_op *op, int i) { return op->operands[i].value; }
static inline ir_value *ir_result(const ir_op *op, int i) { return &op->results[i]; }
static inline bool ir_is(const ir_value *v, ir_opcode c) { return v->op && v->op->code == c; }
static inline uint32_t ir_op_flags(const ir_op *op) { return ir_op_table[op->code].flags; }
void ir_set_operand(ir_op *op, int i, ir_value *v);
void ir_replace_uses(ir_value *of, ir_value *with);
bool ir_is_written(const ir_value *buffer); /* tile level: by some write */
void ir_op_remove(ir_op *op); /* its results must be unused; drops its operand uses (nested blocks included) */
/* An op of this code is in b or in a block nested in it. */
bool ir_block_has(const ir_block *b, ir_opcode code);
/* The variable is in a type or an attribute of op, or of b's ops but `except` (may be NULL); nested blocks included. */
bool ir_op_uses_sym(const ir_op *op, sym_t var, const ir_op *except);
bool ir_block_uses_sym(const ir_block *b, sym_t var, const ir_op *except);
/* Loops of a kernel with matrix instructions are written out as far as they should be: whoever finishes its code must not make more
 * copies of a turn, which would spill. */
bool ir_keeps_rolled(const ir_func *f);
void ir_op_move_before(ir_op *op, ir_op *before);
void ir_op_move_into(ir_op *op, ir_block *b, ir_op *before); /* before NULL: at the end of b */
int ir_use_count(const ir_value *v);
/* Values and what they became. Zeroed, it is empty. */
typedef struct ir_map_slot { const ir_value *from; ir_value *to; } ir_map_slot;
typedef struct ir_map { ir_map_slot *slots; int n, cap; } ir_map;
ir_value *ir_map_get(const ir_map *map, ir_value *v); /* v itself when unmapped */
void ir_map_set(ir_module *m, ir_map *map, const ir_value *v, ir_value *to);
/* A copy of op at the cursor, operands mapped through map; results and nested block arguments are entered into it. */
ir_op *ir_clone(ir_builder *b, const ir_op *op, ir_map *map);

/* Replaces vars[i] by with[i] in the types and attributes of op and everything in it. Operands from outside stay. */
void ir_substitute(ir_module *m, ir_op *op, int n, const sym_t *vars, const sym_t *with);

/* The constant splat value of v, if v is a `constant` whose elements are all equal. */
bool ir_splat_value(const ir_value *v, double *out);

/* ---- Text and checks --------------------------------------------------------------------------------------------- */
/* Round-trips through ir_parse. Caller frees with the arena. */
const char *ir_print(arena *a, const ir_module *m);
const char *ir_print_func(arena *a, const ir_func *f);
const char *ir_print_op(arena *a, const ir_op *op);
typedef struct diag diag;
/* Reads .fir text registered as source `file` of d. NULL with diagnostics on error. Never crashes on any bytes. */
ir_module *ir_parse(diag *d, uint32_t file);
/* All violated invariants are reported, each as one line, with the op. Returns how many there are; `out` (may be NULL)
 * receives arena text: the reasons and the annotated program. */
int ir_verify(arena *a, const ir_module *m, const char **out);
#endif
