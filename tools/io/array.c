/* Host tensors. */
#include "io.h"
#include <stdlib.h>
#include <string.h>

bool io_size(frit_dtype t, int rank, const int64_t *dims, int64_t *elements, int64_t *bytes) {
    int64_t n = 1;
    bool empty = false;
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return false;
        empty |= dims[i] == 0;
    }
    for (int i = 0; i < rank && !empty; i++)
        if (__builtin_mul_overflow(n, dims[i], &n))
            return false;
    *elements = empty ? 0 : n;
    *bytes = frit_dtype_bytes(t, *elements);
    return *bytes >= 0;
}

int64_t io_elements(const io_array *a) {
    int64_t n = 0, bytes;
    io_size(a->dtype, a->rank, a->dims, &n, &bytes);
    return n;
}

char *io_shape_text(char *text, size_t size, frit_dtype t, int rank, const int64_t *dims) {
    size_t n = (size_t)snprintf(text, size, "%s[", frit_dtype_name(t));
    for (int i = 0; i < rank && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%lld", i ? ", " : "", (long long)dims[i]);
    if (n < size)
        snprintf(text + n, size - n, "]");
    return text;
}

static bool describe(io_array *a, frit_dtype t, int rank, const int64_t *dims, io_error *e) {
    int64_t n;
    if (rank > IO_MAX_RANK)
        return io_fail(e, "a tensor of rank %d: at most %d is supported", rank, IO_MAX_RANK);
    *a = (io_array){.dtype = t, .rank = rank};
    if (rank)
        memcpy(a->dims, dims, sizeof *dims * (size_t)rank);
    return io_size(t, rank, dims, &n, &a->bytes) || io_fail(e, "the size of the tensor overflows 64 bits");
}

bool io_array_alloc(io_array *a, frit_dtype t, int rank, const int64_t *dims, io_error *e) {
    if (!describe(a, t, rank, dims, e))
        return false;
    size_t size = ((size_t)a->bytes + 63) / 64 * 64;
    a->data = aligned_alloc(64, size ? size : 64);
    if (!a->data) {
        char shape[200];
        return io_fail(e, "out of memory for %s", io_shape_text(shape, sizeof shape, t, rank, dims));
    }
    memset(a->data, 0, size ? size : 64);
    return true;
}

bool io_array_from_file(io_array *a, frit_dtype t, int rank, const int64_t *dims, io_file *f, size_t offset,
                        io_error *e) {
    if (!describe(a, t, rank, dims, e))
        return false;
    if (offset > io_file_size(f) || (uint64_t)a->bytes > io_file_size(f) - offset)
        return io_fail(e, "the file ends in the middle of the data");
    const uint8_t *p = io_file_data(f) + offset;
    size_t align = frit_dtype_bits(t) / 8;
    if (a->bytes && (uintptr_t)p % (align ? align : 1) == 0) {
        a->file = io_file_retain(f);
        a->data = (void *)(uintptr_t)p;
        return true;
    }
    if (!io_array_alloc(a, t, rank, dims, e))
        return false;
    if (a->bytes)
        memcpy(a->data, p, (size_t)a->bytes);
    return true;
}

void io_array_free(io_array *a) {
    if (a->file)
        io_file_release(a->file);
    else
        free(a->data);
    *a = (io_array){0};
}
