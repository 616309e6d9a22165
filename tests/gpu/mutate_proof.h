/* What can't be otherwise in a kernel, for all sizes: conditions that always or never hold, integers that are never equal.
 *
 * An integer (i64) is a sum of multiples of values; a value is bounded by what makes it (the number of a thread, a loop's
 * counter, min, max, mod, shifts) and by the conditions under which the op at hand runs. That a sum is at least 0 is shown
 * by putting bounds in place of values, from the last one back (Fourier-Motzkin elimination of one side; each min, max and
 * select taken both ways). Premises: arguments are at least 0, nothing overflows, and divisors are at least 1: those of a
 * task's number are factors of the number of tasks, which is not 0 where there is a task. */
#ifndef FRIT_TESTS_GPU_MUTATE_PROOF_H
#define FRIT_TESTS_GPU_MUTATE_PROOF_H
#include "mutate_ops.h"

/* The mutant of kernel f that changes `op` does what f does: the value it changes can't be another than it was, is
 * read by nothing, or the op is never come to. */
bool mutate_proven(const ir_func *f, const ir_op *op, mutant_kind k);
#endif
