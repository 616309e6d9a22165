/* The frame of the verifier (verify.c) and its rules per level. The list of invariants opens verify.c. */
#ifndef FRIT_IR_VERIFY_INTERNAL_H
#define FRIT_IR_VERIFY_INTERNAL_H
#include "text.h"

typedef struct verify_note {
    const ir_op *op;
    const char *text;
} verify_note;

typedef struct verifier {
    arena *a;
    const ir_module *m;
    const ir_func *f;
    text out;
    int n;
    VEC(verify_note) notes;
    VEC(sym_t) bound; /* variables that ops around the place bind */
    int *visible;     /* by value id: the isolation the value is defined in, 0 when not in scope */
    int isolation, isolations;
} verifier;

/* Records that invariant `rule` does not hold for op (NULL: for the func or module as a whole). */
void verify_fail(verifier *v, int rule, const ir_op *op, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static inline ir_type verify_type(const ir_op *op, int i) { return op->operands[i].value->type; }
static inline ir_type verify_result(const ir_op *op, int i) { return op->results[i].type; }
bool verify_same_shape(ir_type a, ir_type b);
static inline bool verify_is_scalar(ir_type t, frit_dtype d) { return ir_type_equal(t, ir_scalar(d)); }
static inline bool verify_is_lane(ir_type t, frit_dtype d) { return ir_type_equal(t, ir_vector(d, 1)); }
/* The block's arguments have these types, and so do the operands of its yield from `skip` on. */
void verify_args(verifier *v, int rule, const ir_op *op, int block, int n, const ir_type *types);
void verify_yield(verifier *v, int rule, const ir_op *op, int block, int skip, int n, const ir_type *types);
/* Types of operands from `first` on, and of the results. */
ir_type *verify_operand_types(verifier *v, const ir_op *op, int first);
ir_type *verify_result_types(verifier *v, const ir_op *op);
/* Index variables `vars` of op do range over at least these extents. */
void verify_extents(verifier *v, int rule, const ir_op *op, int n, const sym_t *extents);
int verify_syms(const ir_op *op, ir_attr_key k);
int verify_ints(const ir_op *op, ir_attr_key k);

/* The rules of each table; the op's operand, result and block counts are right, its required attributes present. */
void verify_elementwise(verifier *v, const ir_op *op);
void verify_tensor_op(verifier *v, const ir_op *op);
void verify_tile_op(verifier *v, const ir_op *op);
void verify_thread_op(verifier *v, const ir_op *op);
void verify_async_op(verifier *v, const ir_op *op);
/* What belongs to the tensor core is used by nothing else (any op at thread level). */
void verify_held(verifier *v, const ir_op *op);

/* The whole program with a comment before every op that `note` has one for. (print.c) */
const char *ir_print_noted(arena *a, const ir_module *m, const char *(*note)(void *u, const ir_op *op), void *u);
#endif
