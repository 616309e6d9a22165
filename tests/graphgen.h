/* Random tensor-level programs, random data for them, and the shrinking of one that shows a bug. Everything follows
 * from a seed: the same seed gives the same program and data on every machine. */
#ifndef FRIT_TESTS_GRAPHGEN_H
#define FRIT_TESTS_GRAPHGEN_H
#include "ir/interp.h"

typedef struct graphgen_options {
    uint64_t seed;
    int n_ops;             /* about so many ops are drawn; helpers (broadcasts, constants) come on top */
    bool no_control;       /* no if, loop or while */
    bool no_dependent;     /* no sort, gather, scatter: data-dependent access */
    uint32_t dtypes;       /* bit set of frit_dtype to draw from; 0: all */
    bool broad;            /* besides: params, states, host ints, compact, random, while, whole layers; dims without a bound */
} graphgen_options;

/* A module with one tensor-level func "main": several inputs with dims of 0..7 (constants and the symbols A..D), ops
 * drawn from the whole table with an eye on what passes look for (sums of products, chains of views, repeated axes),
 * and up to four results. It verifies. The caller frees it. */
ir_module *graphgen_module(const graphgen_options *o);

/* The value of a symbol for a seed: 0..7, by its name. */
int64_t graphgen_dim(uint64_t seed, const char *name);

/* Values for all symbols of a broad module, within their bounds: values[i] is of m->symbols[i]. Row 0 holds 0..8, the
 * others extents of up to 300 now and then. */
void graphgen_binding(const ir_module *m, uint64_t seed, int row, int64_t *values);

/* Runs f on data drawn from the seed, with dims by graphgen_dim: results as of interp_run. `f` may have any
 * arguments. */
enum {
    GRAPHGEN_WIDE = 1, /* the wide results */
    GRAPHGEN_TAME = 2  /* data without NaN, infinities and huge numbers */
};
interp_status graphgen_run(ir_module *m, const ir_func *f, uint64_t seed, int flags, interp_tensor *results);

/* A copy of m through its text. */
ir_module *graphgen_clone(const ir_module *m);
/* Makes m smaller while fails(user, module) stays true: results and ops are dropped, replaced by operands or by new
 * inputs. `fails` may change the module it is given (a copy). Takes m over and returns the smallest that was found. */
ir_module *graphgen_shrink(ir_module *m, bool (*fails)(void *user, ir_module *m), void *user);
#endif
