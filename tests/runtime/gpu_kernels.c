/* The kernels of blob.c as a module that the stand-in of a GPU's driver loads: the kernel NAME is gpu_NAME. */
#include "blob.h"

#define MODULE_KERNEL(name, n_buffers, n_ints, scratch_bytes)                                                          \
    extern const unsigned gpu_##name##_args[2];                                                                        \
    const unsigned gpu_##name##_args[2] = {n_buffers, n_ints};                                                         \
    void gpu_##name(void **params, unsigned blocks, unsigned threads, unsigned shared);                                \
    void gpu_##name(void **params, unsigned blocks, unsigned threads, unsigned shared) {                               \
        void *buffers[n_buffers];                                                                                      \
        int64_t ints[n_ints + 1], tasks = *(int64_t *)params[n_buffers + n_ints + 1];                                  \
        char *scratch = *(char **)params[n_buffers + n_ints];                                                          \
        (void)threads, (void)shared;                                                                                   \
        for (int i = 0; i < n_buffers; i++) buffers[i] = *(void **)params[i];                                          \
        for (int i = 0; i < n_ints; i++) ints[i] = *(int64_t *)params[n_buffers + i];                                  \
        for (int64_t b = 0; b < blocks; b++)                                                                           \
            for (int64_t t = b; t < tasks; t += blocks) name(buffers, ints, scratch + b * scratch_bytes, t, t + 1);    \
    }

MODULE_KERNEL(blob_add, 3, 2, 0)
MODULE_KERNEL(blob_square, 2, 2, 0)
MODULE_KERNEL(blob_row_sum, 2, 1, 4)
MODULE_KERNEL(blob_accumulate, 3, 1, 0)
MODULE_KERNEL(blob_iota, 1, 2, 0)
MODULE_KERNEL(blob_count, 3, 1, 0)
MODULE_KERNEL(blob_rounding, 2, 0, 0)
MODULE_KERNEL(blob_compact, 3, 1, 0)
MODULE_KERNEL(blob_mix, 3, 1, 0)
