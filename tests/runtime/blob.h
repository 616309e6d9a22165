/* Kernels of the CPU ABI for hand-made packages: all live in one section whose bytes become a package's code. */
#ifndef FRIT_TESTS_RUNTIME_BLOB_H
#define FRIT_TESTS_RUNTIME_BLOB_H
#include <stdint.h>

#define BLOB_KERNEL(name)                                                                                              \
    void name(void *const *buffers, const int64_t *ints, void *scratch, int64_t begin, int64_t end)

/* out[i] = x[i] + y[i]; ints: elements per task, elements. */
BLOB_KERNEL(blob_add);
/* out[i] = x[i] * x[i]. Same ints. */
BLOB_KERNEL(blob_square);
/* out[r] = sum of x[r, 0 .. n) ; a task is a row; ints: n. The sum is collected in scratch. */
BLOB_KERNEL(blob_row_sum);
/* state[i] += x[i], in place (buffers: state, x, state); ints: elements. One task. */
BLOB_KERNEL(blob_accumulate);
/* out[i] = ints[0] + i; ints[1] elements (i64). One task. */
BLOB_KERNEL(blob_iota);
/* f[0] += 1; keep[0] = f[0] < ints[0]. buffers: f, f, keep (f32, f32, bool). */
BLOB_KERNEL(blob_count);
/* out[0] = the floating environment's rounding of 1 + 2^-24 + 2^-30 and out[1] a denormal kept or flushed. */
BLOB_KERNEL(blob_rounding);
/* i64 out[0] = number of elements of x that are not 0, which are moved to the front of y. ints: elements. */
BLOB_KERNEL(blob_compact);

/* u32 out[i] = 3 * x[i] + 5 * y[i] + 7, modulo 2^32. ints: elements. One task. */
BLOB_KERNEL(blob_mix);

extern const char __start_frit_blob[], __stop_frit_blob[];
#endif
