/* NVRTC: CUDA C to PTX or machine code in this process. The library is found with dlopen; it needs no GPU. */
#ifndef FRIT_CODEGEN_CUDA_NVRTC_H
#define FRIT_CODEGEN_CUDA_NVRTC_H
#include "ir/arena.h"
#include <stdbool.h>

typedef struct nvrtc_code {
    const void *bytes; /* arena; PTX is text with its NUL, which size does not count */
    int64_t size;
    const char *log;   /* what the compiler said; ptxas's table of registers and spills with a cubin */
} nvrtc_code;

/* The library is there. *version (may be NULL): 1000 * major + 10 * minor. */
bool nvrtc_find(arena *a, int *version);
/* source: CUDA C that includes nothing. arch: "sm_80"; with cubin its machine code, else PTX for it. Products and sums
 * are not contracted, divisions and square roots are rounded correctly, denormals are kept. False with *error: no library, or what the
 * compiler said. */
bool nvrtc_compile(arena *a, const char *source, const char *arch, bool cubin, nvrtc_code *out, const char **error);
#endif
