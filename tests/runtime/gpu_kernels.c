/* The kernels of blob.c as a module that the stand-in of a GPU's driver loads: the kernel NAME is gpu_NAME. */
#include "blob.h"
#include "fake_map.h"

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

/* Tells what its map says of x: y = where its base lies in x, rank, bytes of an element, swizzle, extents, strides in bytes, boxes. */
extern const unsigned gpu_blob_map_args[2], gpu_blob_map_maps;
const unsigned gpu_blob_map_args[2] = {2, 1}, gpu_blob_map_maps = 1;
void gpu_blob_map(void **params, unsigned blocks, unsigned threads, unsigned shared);
void gpu_blob_map(void **params, unsigned blocks, unsigned threads, unsigned shared) {
    const fake_map *m = params[5];
    float *y = *(float **)params[1];
    (void)blocks, (void)threads, (void)shared;
    *y++ = (float)(m->base - *(char **)params[0]);
    *y++ = (float)m->rank, *y++ = (float)m->bytes, *y++ = (float)m->swizzle;
    for (unsigned i = 0; i < 3; i++) *y++ = (float)m->extents[i];
    for (unsigned i = 0; i < 2; i++) *y++ = (float)m->strides[i];
    for (unsigned i = 0; i < 3; i++) *y++ = (float)(m->box[i] + 1);
}
