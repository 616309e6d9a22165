#include "blob.h"
#define KERNEL(name) __attribute__((section("frit_blob"), used)) BLOB_KERNEL(name)

KERNEL(blob_add) {
    const float *x = buffers[0], *y = buffers[1];
    float *out = buffers[2];
    (void)scratch;
    for (int64_t t = begin; t < end; t++)
        for (int64_t i = t * ints[0]; i < (t + 1) * ints[0] && i < ints[1]; i++) out[i] = x[i] + y[i];
}

KERNEL(blob_square) {
    const float *x = buffers[0];
    float *out = buffers[1];
    (void)scratch;
    for (int64_t t = begin; t < end; t++)
        for (int64_t i = t * ints[0]; i < (t + 1) * ints[0] && i < ints[1]; i++) out[i] = x[i] * x[i];
}

KERNEL(blob_row_sum) {
    const float *x = buffers[0];
    float *out = buffers[1];
    volatile float *sum = scratch;
    for (int64_t r = begin; r < end; r++) {
        *sum = 0;
        for (int64_t i = 0; i < ints[0]; i++) *sum = *sum + x[r * ints[0] + i];
        out[r] = *sum;
    }
}

KERNEL(blob_accumulate) {
    float *state = buffers[2];
    const float *x = buffers[1];
    (void)scratch, (void)begin, (void)end;
    for (int64_t i = 0; i < ints[0]; i++) state[i] += x[i];
}

KERNEL(blob_iota) {
    int64_t *out = buffers[0];
    (void)scratch, (void)begin, (void)end;
    for (int64_t i = 0; i < ints[1]; i++) out[i] = ints[0] + i;
}

KERNEL(blob_count) {
    float *f = buffers[1];
    unsigned char *keep = buffers[2];
    (void)scratch, (void)begin, (void)end;
    int64_t n = (int64_t)*f + 1;
    *f = (float)n;
    *keep = n < ints[0];
}

KERNEL(blob_rounding) {
    volatile const float *x = buffers[0]; /* 1, 2^-24 + 2^-30, the least normal, 2 */
    float *out = buffers[1];
    (void)ints, (void)scratch, (void)begin, (void)end;
    out[0] = x[0] + x[1];
    out[1] = x[2] / x[3];
}

KERNEL(blob_compact) {
    const float *x = buffers[0];
    float *y = buffers[1];
    int64_t *count = buffers[2], n = 0;
    (void)scratch, (void)begin, (void)end;
    for (int64_t i = 0; i < ints[0]; i++)
        if (x[i] != 0) y[n++] = x[i];
    *count = n;
}

KERNEL(blob_mix) {
    const uint32_t *x = buffers[0], *y = buffers[1];
    uint32_t *out = buffers[2];
    (void)scratch, (void)begin, (void)end;
    for (int64_t i = 0; i < ints[0]; i++) out[i] = 3 * x[i] + 5 * y[i] + 7;
}
