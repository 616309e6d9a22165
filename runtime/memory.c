#include "rt.h"
#include <stdlib.h>
#include <string.h>

static void *malloc_alloc(void *ctx, size_t size, size_t align) {
    (void)ctx;
    return aligned_alloc(align, (size + align - 1) / align * align);
}
static void malloc_free(void *ctx, void *p, size_t size) {
    (void)ctx, (void)size;
    free(p);
}
const frit_allocator rt_malloc = {NULL, malloc_alloc, malloc_free};

void *rt_new(const frit_allocator *a, uint64_t n, uint64_t size) {
    uint64_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > PTRDIFF_MAX - FPK_ALIGN) return NULL;
    void *p = a->alloc(a->ctx, bytes ? bytes : 1, FPK_ALIGN);
    return p ? memset(p, 0, bytes) : NULL;
}

void rt_free(const frit_allocator *a, void *p, uint64_t n, uint64_t size) {
    uint64_t bytes = n * size;
    if (p) a->free(a->ctx, p, bytes ? bytes : 1);
}

bool rt_take_options(void *dst, size_t size, const void *src) {
    enum { MOST = 4096 }; /* no struct is this long: the field was not set */
    size_t given;
    if (!src) return true;
    memcpy(&given, src, sizeof given);
    if (given < sizeof given || given > MOST) return false;
    memcpy(dst, src, given < size ? given : size);
    for (size_t i = size; i < given; i++)
        if (((const char *)src)[i]) return false;
    return true;
}
