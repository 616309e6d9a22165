/* What the programs of this folder share: packages of mixed.frit and cache.frit, opened and run. Needs libfrit_rt alone, so
 * that it can be built with sanitizers by itself. */
#ifndef FRIT_TESTS_STRESS_H
#define FRIT_TESTS_STRESS_H
#include "runtime/frit.h"
#include <stdint.h>

enum { N_CASES = 7, MOST_X = 4 * 16 * 32 };

/* A failed check ends the program: it says where, and what the library said. */
#define must(call)                                                                                                     \
    do {                                                                                                               \
        frit_error must_err = {0};                                                                                     \
        frit_error *err = &must_err;                                                                                   \
        if ((call) != FRIT_OK) stress_fail(__FILE__, __LINE__, err->message);                                          \
    } while (0)
#define holds(fact)                                                                                                    \
    do {                                                                                                               \
        if (!(fact)) stress_fail(__FILE__, __LINE__, #fact);                                                           \
    } while (0)
_Noreturn void stress_fail(const char *file, int line, const char *what);

/* Inputs and outputs of one run of mixed.frit: case i has its own B, S, strides and alignment. */
typedef struct mixed_run {
    _Alignas(64) float x[MOST_X + 16];
    float y[MOST_X + 16], top[8];
    int64_t in_shape[3], in_strides[3], top_shape[1];
    DLTensor in, out[2];
} mixed_run;
/* The package at `path`; with STRESS_COMPILES also a model, which is compiled here. */
frit_package *stress_open(const char *path);
void mixed_case(mixed_run *r, int i);
void mixed_bind(frit_weights *w);

/* Run k of a sequence of cache.frit: writes a row and checks both results, which are exact. */
frit_status cached_run(frit_session *s, int k, frit_error *err);
#endif
