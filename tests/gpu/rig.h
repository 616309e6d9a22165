/* What the tests of the executor share: a kernel from its text, and small whole numbers. */
#ifndef FRIT_TESTS_GPU_RIG_H
#define FRIT_TESTS_GPU_RIG_H
#include "exec.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef struct kernel {
    diag *d;
    ir_module *m;
    exec_kernel *k;
} kernel;

/* The func of this text, verified, for warps of so many threads; fails the test otherwise. */
kernel rig_kernel(const char *text, int warp);
void rig_free(kernel *k);
/* -8 .. 7, so that sums of a few products are exact in every dtype. */
int rig_number(unsigned *state);
/* Element i of an array of dtype t. */
void rig_put(frit_dtype t, void *p, int64_t i, int x);
int rig_get(frit_dtype t, const void *p, int64_t i);
#endif
