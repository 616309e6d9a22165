/* What the files of elaboration share. One `elab` lives for one call of elaborate. */
#ifndef FRIT_FRONTEND_ELAB_INTERNAL_H
#define FRIT_FRONTEND_ELAB_INTERNAL_H
#include "elab.h"
#include "ir/sym.h"

typedef struct elab elab;
typedef struct val val;
typedef struct scope scope;
typedef struct binding binding;
typedef struct file_env file_env;
typedef struct loop_rec loop_rec;

/* ---- Values ------------------------------------------------------------------------------------------------------ */

/* An axis of index notation: `var` runs over [lo, lo + extent). Ids grow, so sorting by id puts inner axes last. */
typedef struct iaxis {
    int id;
    const char *name;
    sym_t var, lo, extent;
    ir_span span;
} iaxis;

typedef enum {
    V_ERROR,   /* an error was reported; spreads silently */
    V_NONE,    /* none */
    V_INT,     /* host integer, maybe symbolic, maybe using index axes: i */
    V_NUM,     /* host number: num */
    V_BOOL,    /* host bool: b */
    V_COND,    /* host bool that is known per run: cond */
    V_STR,     /* s */
    V_DTYPE,   /* dtype */
    V_TYPE,    /* f32[B, 4] as an argument: dtype, list of its dims in items */
    V_LIST,    /* items, count */
    V_TUPLE,   /* several results: items, count */
    V_TENSOR,  /* t: the first n_axes dims are the index axes `axes`, sorted by id; the others are its own */
    V_FN,      /* fn: a fn or model of a file */
    V_BUILTIN, /* builtin */
    V_MODULE   /* module */
} val_kind;

typedef struct fn_ref {
    const ast_fn *fn;
    file_env *file;
    bool is_model;
    const char *doc;
} fn_ref;

typedef enum { STRONG, WEAK_INT, WEAK_NUM } weakness;

struct val {
    uint8_t kind;   /* val_kind */
    uint8_t weak;   /* V_TENSOR: weakness; a weak tensor (i64 or f32) takes the dtype that it meets */
    uint8_t dtype;  /* V_DTYPE, V_TYPE */
    uint8_t n_axes; /* V_TENSOR */
    int count;
    union {
        sym_t i;
        double num;
        bool b;
        const char *s;
        const val *items;
        ir_value *t;
        const fn_ref *fn;
        const struct builtin *builtin;
        file_env *module;
        struct {
            const char *op; /* "==", "!=", "<", "<=" */
            sym_t lhs, rhs;
        } cond;
    };
    iaxis *const *axes;
};

/* ---- Names ------------------------------------------------------------------------------------------------------- */

typedef enum {
    B_VALUE,
    B_AXIS, /* an axis of index notation */
    B_LOOP, /* counter of a for or loop */
    B_STATE /* v is unused: state */
} binding_kind;

struct binding {
    const char *name;
    val v;
    ir_span span; /* where it was bound, for notes */
    binding_kind kind;
    bool is_dim;  /* a name that a signature introduced as a dim */
    bool unbound; /* known by name, no value yet (a static parameter or dim to be solved) */
    int uses;
    loop_rec *loop;
    ir_global *state;
    scope *home;
    binding *next; /* in its hash bucket */
};

struct scope {
    scope *up; /* NULL: a function's or file's outermost */
    binding **buckets;
    int n_buckets;
    VEC(binding *) list;
    scope *ended_before; /* of a block that is over */
};

/* A file with its top-level names. */
struct file_env {
    const ast_file *ast;
    scope *top;
    bool is_prelude, is_root, busy;
    file_env *next;
};

/* A call being elaborated. */
typedef struct frame {
    struct frame *up;
    const fn_ref *fn;
    scope *scope;        /* outermost scope of the call */
    const char *prefix;  /* of param paths: "encoder.layer.0." or "" */
    ir_span call;        /* where it was called */
    bool returned, failed;
    ir_span return_span;
    val result;
    int run_time; /* depth of run-time blocks inside this call */
} frame;

/* A carried variable of a run-time loop. */
typedef struct carried {
    binding *b;
    val init;      /* tensor */
    ir_value *arg; /* block argument */
    weakness weak; /* of the first value: the body sees a literal's dtype as open */
    bool stacked;  /* came into being by stacking */
} carried;

/* A for or loop being elaborated, innermost first. */
struct loop_rec {
    loop_rec *up;
    sym_t lo, hi, counter; /* counter: of a run-time loop */
    bool run_time;
    scope *outside;      /* scope around the loop: where stacked values are bound */
    ir_builder before;   /* cursor in front of the loop */
    ir_block *block;     /* body of a run-time loop (the second block of a while) */
    ir_block *cond;      /* first block of a while, or NULL */
    frame *frame;
    VEC(carried) carried;
};

typedef struct change {
    binding *b;
    val old;
} change;

struct elab {
    arena *a;
    diag *d;
    const elab_options *o;
    const elab_loader *loader;
    ir_module *m;
    sym_ctx *s;
    ir_func *func;
    ir_builder b;
    file_env *files, *root;
    VEC(file_env *) preludes;
    frame *frame;
    scope *scope;
    loop_rec *loops;
    VEC(change) journal;     /* every rebinding, so that branches can be compared and undone */
    VEC(iaxis *) axis_of_var; /* by sym_var_id; NULL: not an iaxis */
    int n_axes;
    int statement_axis; /* axes from this id on belong to the assignment being elaborated */
    int guarded;    /* inside the arms of a select or the left of ??: a miss is not an error */
    bool in_init;   /* inside a state's first value: no run-time value may be used */
    ir_op *last_param;
    VEC(sym_t) opaque;    /* variables that stand for long formulas */
    VEC(sym_t) subst_var; /* dims found equal: subst_var[k] stands for subst_to[k] from there on */
    VEC(sym_t) subst_to;
    VEC(sym_t) free_dims; /* dims of params that no file and no -D gives */
    VEC(ir_value *) param_values; /* by number of the param */
    VEC(ir_block *) open_blocks;  /* blocks being filled that no op holds yet */
    bool *define_used;
    char *stack_base;
    int depth;
    scope *ended;   /* blocks that are over, the last one first */
    int calls, steps; /* expanded and unrolled so far */
};

/* elab_scope.c */
scope *el_scope_push(elab *e);
void el_scope_pop(elab *e);
scope *el_scope_new(elab *e, scope *up);
binding *el_find(const scope *s, const char *name);       /* in s alone */
binding *el_find_local(const elab *e, const char *name);  /* through the scopes of the current call */
binding *el_bind(elab *e, scope *s, const char *name, val v, ir_span span); /* new or replaced in s */
void el_rebind(elab *e, binding *b, val v);
val el_lookup(elab *e, const ast_name *n);                /* reports unknown names */
bool el_is_function(const elab *e, const char *name); /* of the prelude, or built in */
bool el_known(elab *e, const char *name);                 /* as a local name or a const of the file */
const char *el_spelling(const char *name);                /* what to write for a name of another library, or NULL */
/* The parameter that a keyword of another library stands for, else the nearest; or NULL. */
const char *el_keyword(const char *name, const char *const *params, int n);
val el_lookup_in(file_env *f, const char *name, bool *found);

/* elab_value.c: values and their description */
val v_error(void), v_none(void), v_int(sym_t s), v_num(double d), v_bool(bool b), v_str(const char *s);
val v_dtype(frit_dtype t), v_tensor(ir_value *t), v_list(const val *items, int n);
val v_consti(elab *e, int64_t i);
val v_tensor_axes(ir_value *t, int n_axes, iaxis *const *axes);
bool el_const_int(val v, int64_t *out);
/* "f32[B, 4]", "the integer 3", "a string": for messages. */
const char *el_describe(elab *e, val v);
const char *el_shape_text(elab *e, val tensor);      /* own dims: "[B, 4]" */
const char *el_dims_text(elab *e, const sym_t *dims, int n);
static inline int el_rank(val v) { return v.t->type.rank - v.n_axes; }
static inline const sym_t *el_dims(val v) { return v.n_axes ? v.t->type.dims + v.n_axes : v.t->type.dims; }
static inline frit_dtype el_dtype(val v) { return (frit_dtype)v.t->type.dtype; }

/* elab_report.c */
ir_span el_at(const elab *e, ir_span s);     /* s, or the call in the user's file when s lies in the prelude */
val el_fail(elab *e, diag_record *r);        /* adds where it was called from; gives V_ERROR */
bool el_deep(elab *e, ir_span s);            /* reports nesting beyond the stack that elaboration may use */

/* elab_convert.c: values as tensors */
val el_tensor(elab *e, val v, frit_dtype t, ir_span at); /* host values become tensors of dtype t (COUNT: default) */
val el_strong(elab *e, val v, ir_span at);               /* tensor of a strong dtype */
val el_cast(elab *e, val v, frit_dtype t, ir_span at);
val el_no_tensor(elab *e, val v, ir_span at);            /* reports that v is none */
/* Same value as a tensor over the index axes that s uses; dtype i64. */
val el_sym_tensor(elab *e, sym_t s);
void el_sym_axes(elab *e, sym_t s, iaxis ***axes, int *n);

/* elab_tensor.c: tensor operations that carry index axes along */
/* The dtype that n operands share; COUNT after an error. */
frit_dtype el_common_dtype(elab *e, const val *v, int n, const char *what, ir_span at);
/* v spread over more axes (a sorted superset of its own) and own dims that it broadcasts to. */
val el_spread(elab *e, val v, int n_axes, iaxis *const *axes, int rank, const sym_t *dims);
int el_union_axes(elab *e, const val *v, int n, iaxis ***out);
val el_unary(elab *e, ir_opcode op, val x, ir_span at);
val el_binary(elab *e, ir_opcode op, val x, val y, ir_span at);
val el_select(elab *e, val c, val x, val y, ir_span at);
val el_elementwise(elab *e, ir_opcode op, const val *v, int n, const char *name, ir_span at);
val el_reduce(elab *e, ir_combine c, val x, int n, const int *axes, bool keep, frit_dtype t, ir_span at);
val el_reshape(elab *e, val x, int rank, const sym_t *dims);
val el_transpose(elab *e, val x, const int *perm);
val el_matmul(elab *e, val x, val y, frit_dtype t, ir_span at);
val el_broadcast_to(elab *e, val x, int rank, const sym_t *dims, ir_span at);
val el_own_axes(val v, int n); /* the last n index axes become own dims in front */
/* v with its own dim k written as `dim`, which a check says it is. */
val el_with_dim(elab *e, val v, int k, sym_t dim);

/* elab_static.c: arithmetic on host values */
bool el_is_host(val v); /* int, number or bool: arithmetic may be done on the host */
val el_host_binary(elab *e, ast_op op, val x, val y, ir_span at);
val el_host_unary(elab *e, ast_op op, val x, ir_span at);
/* sqrt(2) and the like; false: not a host computation. */
bool el_host_call(elab *e, ir_opcode op, const val *v, int n, val *out);
val el_cond_tensor(elab *e, val cond);
sym_t el_resolve(elab *e, sym_t s);

/* elab_expr.c */
val el_eval(elab *e, const ast_expr *x);        /* one value */
val el_eval_any(elab *e, const ast_expr *x);    /* one or several (V_TUPLE) */
bool el_eval_int(elab *e, const ast_expr *x, sym_t *out, const char *what);
const char *el_eval_string(elab *e, const ast_expr *x); /* interpolated; NULL after an error */
val el_binary_op(elab *e, ast_op op, val x, val y, ir_span at);

/* elab_dims.c */
/* a == b by proof, by unification, or by a check on the host. False when they differ for certain. */
bool el_dims_equal(elab *e, sym_t a, sym_t b, ir_span at, const char *text);
/* Dims that depend on a param's unknown dim are taken to be equal, and checked when the weights are there. */
bool el_dims_assume(elab *e, sym_t a, sym_t b, ir_span at);
bool el_dims_merge(elab *e, sym_t a, sym_t b); /* unifies if one is a param's dim that nothing gives yet */
bool el_is_free_dim(const elab *e, sym_t s);   /* a param's dim that nothing gives yet */
void el_substitute(elab *e, sym_t var, sym_t to);
/* A check of every run: lhs op rhs. */
void el_check(elab *e, const char *op, sym_t lhs, sym_t rhs, const char *text, ir_span at);
/* Records what lhs <= rhs says about the variable that is an integer input, else about a lone dim. */
void el_bound(elab *e, const char *op, sym_t lhs, sym_t rhs);
bool el_runs_known(elab *e, sym_t s); /* only dims and int inputs: the host can compute it before a run */

/* elab_types.c */
typedef struct place_of { /* where a type is matched, for messages */
    const char *what;  /* "argument 'x'", "the result" */
    ir_span decl, at;
} place_of;
typedef struct equation {
    const ast_expr *pattern;
    sym_t actual;
    place_of w;
    int dim;
} equation;
typedef VEC(equation) equations;
/* dtype of a type's name; COUNT after an error. A dtype parameter that is not bound yet is bound to `actual`. */
frit_dtype el_type_dtype(elab *e, const ast_type *t, frit_dtype actual, ir_span at);
/* Matches rank and `...`, binds bare dims, and appends the other dims to eqs. False after an error. */
bool el_match_dims(elab *e, const ast_subs *subs, int rank, const sym_t *dims, place_of w, equations *eqs);
bool el_solve(elab *e, equations *eqs);
/* Dims of a type whose names are all known (new: makes a dim for each unknown name). */
bool el_type_dims(elab *e, const ast_subs *subs, int *rank, sym_t dims[IR_MAX_RANK], bool make_new, const char *path);
val el_eval_type(elab *e, const ast_expr *x); /* f32[B, 4] as an expression */
void el_warn_misspelt(elab *e, const fn_ref *f, scope *s);
bool el_define(elab *e, const char *name, val *out);

/* elab_call.c */
typedef struct arg {
    val v;
    ir_span span;
    const char *name;
} arg;
val el_call(elab *e, const ast_expr *x);
val el_call_fn(elab *e, const fn_ref *f, arg *args, int n, const char *prefix, ir_span at);
val el_call_value(elab *e, val callee, const char *name, arg *args, int n, const char *prefix, ir_span at);
val el_callee(elab *e, const ast_expr *x, const char **name);

/* elab_builtin.c */
typedef struct call_site {
    ir_span span;
    const char *name;
    const arg *given; /* by parameter; span.file 0 where the default stands */
} call_site;
typedef val (*builtin_fn)(elab *e, const call_site *c, val *args);
typedef struct builtin {
    const char *name, *params;
    builtin_fn fn;
    const char *doc;
} builtin;
const builtin *el_builtin_find(const char *name);
val el_call_builtin(elab *e, const builtin *b, arg *args, int n, ir_span at);
bool el_builtin_takes(const builtin *b, const char *param);
void el_builtin_names(void (*f)(void *u, const char *name), void *u);

/* elab_access.c, elab_read.c: subscripts */
typedef struct access {
    val base;
    int n_axes;
    iaxis **axes;
    bool full; /* the result would have too many dims */
    int n_own;
    sym_t own_dims[IR_MAX_RANK], own_vars[IR_MAX_RANK];
    sym_t coord[IR_MAX_RANK]; /* per own dim of base: over axis vars, own_vars and idx_vars */
    bool range[IR_MAX_RANK];  /* the coordinate is a slice a:b of host ints */
    int n_idx;
    val idx[IR_MAX_RANK];
    int idx_at[IR_MAX_RANK]; /* own dim where the idx tensor's own dims begin */
    sym_t idx_vars[IR_MAX_RANK];
    ir_span span;
} access;
bool el_access(elab *e, val base, const ast_subs *subs, ir_span at, access *out);
bool el_from_end(const ast_expr *x); /* a subscript that counts from the end: -1 */
bool el_bad_subscript(elab *e, ir_span at, const char *what); /* reports it; false */
/* v, whose own dims stand for the result's own dims where[0], where[1], ..., with 1 for the others. */
val el_place_own(elab *e, const access *a, val v, const int *where);
val el_read(elab *e, const access *x, const val *otherwise);
val el_index(elab *e, const ast_expr *x, const val *otherwise);
/* True when every coordinate certainly lies inside base. */
bool el_inside(elab *e, const access *x);
bool el_certain_miss(elab *e, const access *x);
val el_in_range(elab *e, const access *x); /* bool tensor */

/* elab_update.c */
val el_update(elab *e, const access *x, val value, bool add, ir_span at); /* the updated base */

/* elab_extents.c, elab_notation.c */
iaxis *el_axis_new(elab *e, const char *name, sym_t lo, sym_t extent, ir_span span);
bool el_assign_indexed(elab *e, const ast_target *t, const ast_expr *value, const val *given, bool add, ir_span at);
val el_call_notation(elab *e, const ast_expr *call);

/* elab_stmt.c, elab_control.c, elab_loop.c */
bool el_block(elab *e, const ast_stmts *stmts); /* false: stop (returned or error) */
bool el_if(elab *e, const ast_stmt *s);
bool el_for(elab *e, const ast_stmt *s);
bool el_loop(elab *e, const ast_stmt *s);
bool el_while(elab *e, const ast_stmt *s);
void el_discard(ir_block *b); /* removes every op of a block (NULL: none) */
bool el_assume(elab *e, const ast_expr *cond, const char *text, ir_span at);
bool el_assigned_value(elab *e, binding *b, val v, ir_span at);

/* elab_param.c */
bool el_params(elab *e, const ast_stmt *s);
bool el_states(elab *e, const ast_stmt *s);
val el_state_read(elab *e, binding *b);
void el_state_write(elab *e, binding *b, val v);
val el_convert_to(elab *e, val v, frit_dtype t, const char *what, ir_span at); /* weak values take t; strong must be t */

/* elab_model.c */
bool el_model(elab *e, const fn_ref *f);

#endif
