/* Integers of a kernel that take few values. */
#ifndef FRIT_TESTS_GPU_MUTATE_WALK_H
#define FRIT_TESTS_GPU_MUTATE_WALK_H
#include "ir/ir.h"

/* All lanes of v are *out, known beforehand. */
bool mutate_constant(const ir_value *v, int64_t *out);
/* A constant that v is never above, where it is never negative; else -1. */
int64_t mutate_most(const ir_value *v);
/* a and b, numbers, are never equal: so found by going through all that they may be. */
bool mutate_differ(const ir_value *a, const ir_value *b);
/* a is less than b, always: found likewise. */
bool mutate_less(const ir_value *a, const ir_value *b);
/* a is not more than b, always. */
bool mutate_no_more(const ir_value *a, const ir_value *b);
#endif
