/* The interpreter: the definition of every tensor op, written to be read rather than to be fast.
 *
 * One walk, two definitions:
 *   typed  each op rounded to its dtype. This is what a model means. f16, bf16 and f8 elementwise ops compute in f32
 *          and round; their sums and contractions accumulate in f32, left to right in row-major order of the reduced
 *          axes starting from the identity, and round once at the end.
 *   wide   floats stay f64, each with a bound on how far a correct kernel may be from it. Integers as in typed.
 *
 * The bound. Every wide float carries err, the running first-order sum of u (n + k) M: u the unit of the accumulator
 * (2^-24 for f32 and narrower, 2^-53 for f64), n the reduction length, k the op's units in the last place
 * (scalar_ulps), M the magnitude of its terms (for x + y: |x| + |y|, so that a kernel may associate a sum as it likes).
 * Through an op f(x, y), err = |df/dx| err(x) + |df/dy| err(y) + u k M. A written cast adds the unit of its dtype. A
 * kernel's y is right when |y - y64| <= 4 err + half a unit of y's dtype (running error analysis: Higham, Accuracy and
 * Stability of Numerical Algorithms, 2nd ed., section 3.3).
 *
 * Where first order says too little, the operand's bound x +- 4 err(x) is an interval, and err is a quarter of how far f goes
 * within it: near the end of a slope's meaning (sqrt at 0, sin of a value known to a turn or worse), over the steps of floor and
 * sign, between the arms of a select whose condition is open. err is infinite where nothing can be said: an operand about which
 * that holds already, an interval that leaves the domain of f or holds a pole, a value that may be too large for its dtype, and
 * every integer or bool that is not certain (comparison, cast to integer, argmax, sort positions within 4 err of a step). */
#ifndef FRIT_IR_INTERP_H
#define FRIT_IR_INTERP_H
#include "ir.h"

/* A host tensor: dense, row-major, shape in elements. */
typedef struct interp_tensor {
    frit_dtype dtype;
    int rank;
    int64_t shape[IR_MAX_RANK];
    void *data;  /* elements of dtype; in wide results floats are doubles */
    bool wide;   /* floats are stored as doubles */
    double *err; /* wide results: the bound above, one per element; NULL when all are 0 */
} interp_tensor;
/* Elements of t; -1 on overflow. */
int64_t interp_elements(const interp_tensor *t);
/* Frees data and err of a result. */
void interp_tensor_free(interp_tensor *t);
/* Element i: of a float tensor as a double, of others as an int64. */
double interp_get_float(const interp_tensor *t, int64_t i);
int64_t interp_get_int(const interp_tensor *t, int64_t i);

typedef enum interp_status {
    INTERP_OK,
    INTERP_BAD_INPUT, /* an input, param or shape does not fit */
    INTERP_CHECK,     /* a check of the module failed */
    INTERP_MEMORY,    /* more than max_bytes, or malloc failed */
    INTERP_LIMIT,     /* more work than max_ops */
    INTERP_BAD_IR,    /* the program is not one (unverified IR) */
} interp_status;

typedef struct interp_options {
    bool wide;
    bool stored;       /* wide: what an op gives in f16, bf16 or f8 may have been rounded, as where one kernel ends and the
                        * next begins, and a factor may have left a sum, so that NaN which products or sums make of infinities
                        * is open; without it the bound is that of one kernel */
    uint64_t seed;     /* of `random` */
    int64_t max_bytes; /* of tensors alive at once; 0: 8 GiB */
    int64_t max_ops;   /* ops executed plus blocks of 256 elements computed, so that every run ends; 0: no limit */
} interp_options;

/* An interpreter of one module: params bound to it, states that live from run to run. Not thread-safe; uses (and grows)
 * the module's symbols, so that one thread uses a module at a time. */
typedef struct interp interp;
interp *interp_new(ir_module *m, const interp_options *options); /* NULL options: typed, defaults */
void interp_free(interp *it);
/* What went wrong last, or "". Valid until the next call. */
const char *interp_message(const interp *it);

/* Binds a param. The data is borrowed until interp_free. */
interp_status interp_set_param(interp *it, const char *path, const interp_tensor *t);
/* Copies a state out of or into the interpreter. get: INTERP_BAD_INPUT before the first run that uses it. */
interp_status interp_get_state(interp *it, const char *path, interp_tensor *out);
interp_status interp_set_state(interp *it, const char *path, const interp_tensor *t);

/* Runs a tensor-level func. inputs[i] is argument i; results are allocated here (interp_tensor_free), nothing on
 * failure. Symbols are bound from the dims of inputs and params and from host ints (i64[] arguments with an arg_sym):
 * a bare symbol takes the value, an equation with one unknown is solved exactly, the rest are checked. The module's
 * checks are evaluated first. */
interp_status interp_run(interp *it, const ir_func *f, int n_inputs, const interp_tensor *inputs, int n_results,
                         interp_tensor *results);
/* Runs the block of a `kernel` op alone: inputs are its arguments. Symbols that the arguments' dims do not determine
 * come from interp_bind. */
interp_status interp_run_kernel(interp *it, const ir_op *kernel, int n_inputs, const interp_tensor *inputs,
                                int n_results, interp_tensor *results);
/* Gives a symbol a value for the runs to come (a -D dim, a host int of a kernel). */
void interp_bind(interp *it, sym_t var, int64_t value);
/* Value of a symbolic integer after a run; false when a symbol has none. */
bool interp_value(interp *it, sym_t s, int64_t *out);
/* After a wide run: whether it met an extent (compact's count) that hangs on an undecidable value, so that a correct kernel may
 * find another one, and nothing can be said about any result. */
bool interp_extents_open(const interp *it);

/* How a kernel's output compares with the wide result. */
typedef struct interp_comparison {
    bool ok;             /* no element is out of bounds */
    int64_t n;           /* elements */
    int64_t undecidable; /* elements skipped: nothing can be said about them */
    int64_t bad;         /* elements out of bounds */
    int64_t worst;       /* index of the worst element (largest difference over bound), -1 when none differs */
    double ratio;        /* its difference over its bound; infinite for a mismatch of exact elements */
    double got, want, bound;
} interp_comparison;
/* got: dtype as wide's, dims equal (a mismatch is not ok, with n = -1). extra_rtol and extra_atol widen the bound (0, 0
 * for the contract). NaN matches NaN, infinities match themselves or a value that rounds to them. */
interp_comparison interp_compare(const interp_tensor *got, const interp_tensor *wide, double extra_rtol,
                                 double extra_atol);
#endif
