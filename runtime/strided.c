/* Copies between strided tensors and dense memory. */
#include "rt.h"
#include <string.h>

/* One row of n elements of `size` bytes; steps in bytes. */
static void copy_row(char *dst, int64_t dst_step, const char *src, int64_t src_step, int64_t n, int size) {
    if (dst_step == size && src_step == size) {
        memcpy(dst, src, (size_t)(n * size));
        return;
    }
#define ROW(bytes)                                                                                                     \
    case bytes:                                                                                                        \
        for (int64_t i = 0; i < n; i++) memcpy(dst + i * dst_step, src + i * src_step, bytes);                         \
        return
    switch (size) {
        ROW(1);
        ROW(2);
        ROW(4);
        ROW(8);
    }
#undef ROW
}

/* All rows: the last dim inside, the others counted like an odometer. The dense side moves on row by row. */
static void copy_rows(const DLTensor *t, char *strided, char *dense, bool pack) {
    int64_t at[FPK_MAX_RANK] = {0}, size = t->dtype.bits / 8;
    int inner = t->ndim - 1;
    int64_t n = t->shape[inner], step = t->strides[inner] * size;
    for (;;) {
        if (pack)
            copy_row(dense, size, strided, step, n, (int)size);
        else
            copy_row(strided, step, dense, size, n, (int)size);
        dense += n * size;
        int d = inner - 1;
        for (; d >= 0; d--) {
            strided += t->strides[d] * size;
            if (++at[d] < t->shape[d]) break;
            strided -= at[d] * t->strides[d] * size;
            at[d] = 0;
        }
        if (d < 0) return;
    }
}

static void copy_tensor(const DLTensor *t, char *dense, bool pack) {
    int64_t n = rt_elements(t);
    if (n <= 0) return;
    if (!rt_is_dense(t)) {
        copy_rows(t, rt_data(t), dense, pack);
        return;
    }
    size_t bytes = (size_t)((n * t->dtype.bits + 7) / 8);
    memcpy(pack ? dense : rt_data(t), pack ? rt_data(t) : dense, bytes);
}

void rt_pack(char *dense, const DLTensor *t) { copy_tensor(t, dense, true); }
void rt_unpack(const DLTensor *t, const char *dense) { copy_tensor(t, (char *)dense, false); }
