#ifndef FRIT_CODEGEN_CUDA_CUDA_INTERNAL_H
#define FRIT_CODEGEN_CUDA_CUDA_INTERNAL_H
#include "codegen/llvm/gpu.h"
#include "cuda.h"

/* One kind of GPU, as the CUDA programming guide ("Compute capabilities") has it. */
typedef struct cuda_arch {
    const char *name;     /* "sm_90a": to ptxas, nvJitLink and NVRTC */
    const char *llvm;     /* the processor that LLVM makes code for */
    const char *old_llvm; /* the same for an LLVM before 22 that lacks it; NULL where all have it */
    int ptx;              /* version of PTX, 70 is 7.0: the least that has the processor */
    int shared_kb;        /* of a block at most */
    uint32_t atoms;       /* frit_atoms */
    int multiprocessors, gb_per_s; /* of the widespread device, for the cost model; GB/s of memory */
} cuda_arch;

typedef enum cuda_road { CUDA_PTX, CUDA_CUBIN, CUDA_NVRTC, CUDA_SOURCE, CUDA_ROADS } cuda_road;

typedef struct cuda_target {
    target base;
    const cuda_arch *arch;
    cuda_road road;
    gpu_machine machine;
} cuda_target;

/* arch.c: the row of that name, or NULL; row i, NULL past the last. */
const cuda_arch *cuda_arch_find(const char *name, size_t len);
const cuda_arch *cuda_arch_at(int i);

/* device.c: the arch of this machine's first device by the CUDA driver; NULL with *error when there is none. */
const cuda_arch *cuda_arch_here(arena *a, const char **error);

typedef struct cuda_code {
    const void *bytes; /* a cubin */
    int64_t size;
    const char *log; /* what the assembler said, verbose */
} cuda_code;
/* finish.c: PTX (NUL-terminated, `size` without the NUL) to a cubin for arch, by a ptxas process, or by nvJitLink
 * in this process where that program is missing or too old. False: neither is there, or what they had to say. */
bool cuda_assemble(arena *a, const char *arch, const char *ptx, size_t size, cuda_code *code, const char **error);
/* Bytes that the kernels spill, by name, from that log. */
void cuda_read_spills(arena *a, const char *log, int n, code_kernel *k);

/* cubin.c: what the kernels of a cubin take, by name, into k[i] (name is set). False: not a cubin, or one without the
 * kernels. */
bool cuda_read_cubin(arena *a, const void *cubin, int64_t size, int n, code_kernel *k, const char **error);
#endif
