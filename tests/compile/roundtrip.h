/* A tensor module compiled and run against the interpreter: the one harness of every compiled-kernel test. */
#ifndef FRIT_TESTS_ROUNDTRIP_H
#define FRIT_TESTS_ROUNDTRIP_H
#include "frontend/compiler.h"
#include "ir/interp.h"
#include <stdint.h>

typedef struct roundtrip_options {
    compile_fusion fusion;
    uint64_t seed;       /* of the inputs */
    int n_dims;          /* dims and host ints by name; others take `extent` */
    const char *const *dim_names;
    const int64_t *dim_values; /* n_rows (0: 1) rows of n_dims values; run i uses row i % n_rows */
    int n_rows;
    int64_t extent;
    const char *target;  /* NULL: cpu. "null:block" and its kin run on the executor of tests/gpu */
    int device;          /* index of the device: the seed of the executor */
    bool compile_only;   /* ends when there is a package, for targets that this machine can't run */
    int runs;            /* runs in a row, for states; at least one a row */
    bool special;        /* inputs hold NaN, infinities, signed zeros and the dtype's limits too */
    bool guard;          /* inputs and outputs lie flush against inaccessible pages, at both ends in turn */
    int threads;         /* of the compilation and of the device; 0: one per CPU */
    int64_t max_ops;     /* interp_options.max_ops: beyond it the trial ends, not run; 0: no limit */
    bool stored;         /* any programs: interp_options.stored; and a finite result beyond 2^96 may overflow */
    void (*inspect)(void *u, const ir_module *source, const ir_module *fused, const program *p); /* may be NULL */
    void *inspect_ctx;
    FILE *show;          /* prints the fused module, tile and thread functions; NULL: nothing */
} roundtrip_options;

typedef struct roundtrip_result {
    bool ok;
    bool skipped;        /* with ok: a run was too much work for the interpreter, or a check did not hold */
    int n_kernels, n_launches;
    int output;          /* the first that is wrong, or -1 */
    double worst;        /* largest difference over its bound */
    int64_t elements, undecidable; /* of all runs' outputs; undecidable: nothing can be said about them */
    char message[1024];  /* why not ok */
} roundtrip_result;

/* text: a .fir module whose first tensor func is the model. */
roundtrip_result roundtrip_text(const char *text, size_t size, const roundtrip_options *o);
#endif
