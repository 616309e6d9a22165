/* Comparisons that choose between what is the same. */
#ifndef FRIT_TESTS_GPU_MUTATE_EQUALS_H
#define FRIT_TESTS_GPU_MUTATE_EQUALS_H
#include "ir/ir.h"

/* op, lt or le of i64, may as well be the other one: where its operands are equal, it chooses between these two, or between
 * two floats that are equal as well (or both NaN) wherever it decides, and of what is chosen nothing but comparisons can
 * tell, for which -0.0 is 0.0 and all NaN are one. So it is for the ties of an argmax whose indices are the same. */
bool mutate_chooses_equals(const ir_op *op);
#endif
