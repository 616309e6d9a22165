#ifndef FRIT_CODEGEN_HIP_HIP_INTERNAL_H
#define FRIT_CODEGEN_HIP_HIP_INTERNAL_H
#include "codegen/llvm/gpu.h"
#include "hip.h"

/* One kind of GPU. */
typedef struct hip_arch {
    const char *name;     /* "gfx90a": to LLVM, clang and HIPRTC */
    const char *old_llvm; /* for an LLVM before 22 that lacks it: a processor whose instructions it all has, with a name as
                           * long; NULL: all have it */
    int old_mach;         /* then: its own number in the flags of an object (EF_AMDGPU_MACH) */
    int warp;
    int shared_kb; /* of a block at most */
    int registers; /* 32-bit vector registers of a thread at most, two waves to a scheduler */
    int registers_k; /* those that a compute unit has, in units of 1024 */
    uint32_t atoms;
    int multiprocessors, gb_per_s; /* compute units of the widespread device, for the cost model; GB/s of memory */
} hip_arch;

typedef struct hip_target {
    target base;
    const hip_arch *arch;
    bool source;
    gpu_machine machine;
} hip_target;

/* arch.c: the row of that name, or NULL; row i, NULL past the last. */
const hip_arch *hip_arch_find(const char *name, size_t len);
const hip_arch *hip_arch_at(int i);

/* device.c: the arch of this machine's first device by the HIP runtime; NULL with *error when there is none. */
const hip_arch *hip_arch_here(arena *a, const char **error);

/* finish.c: an object made for the processor `made_for` to a code object for arch that the HIP runtime loads, by ld.lld. NULL with *error: lld is not there, or what
 * it had to say. */
const void *hip_link(arena *a, const hip_arch *arch, const char *made_for, const void *object, size_t size, int64_t *bytes, const char **error);

/* notes.c: what the kernels of a code object take, by name, into k[i] (name is set). False: not a code object, or one
 * without the kernels. */
bool hip_read_notes(arena *a, const void *object, int64_t size, int n, code_kernel *k, const char **error);
#endif
