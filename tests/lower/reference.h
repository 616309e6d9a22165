/* The meaning of a tile program, one point after another: what the lowering is compared with. */
#ifndef FRIT_TESTS_LOWER_REFERENCE_H
#define FRIT_TESTS_LOWER_REFERENCE_H
#include "harness.h"

/* Runs all tasks of p on bufs (one per argument); dims as in run. Sums of floats are taken in f64 and rounded once. */
void reference_run(const prog *p, const memory *bufs, const dim_value *dims);
#endif
