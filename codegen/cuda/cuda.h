/* NVIDIA GPUs: `cuda:sm_80`, `cuda:sm_90a+cubin`...
 *
 *     cuda[:ARCH[+ROAD]]
 *
 * ARCH is a row of arch.c; alone, `cuda` is this machine's first device. ROAD says what a package holds:
 *
 *     (none)    PTX from LLVM, which the driver finishes when it loads the package
 *     cubin     that PTX finished here, by ptxas or nvJitLink: machine code of exactly ARCH
 *     nvrtc     CUDA C text, compiled here by NVRTC to machine code of exactly ARCH
 *     source    the CUDA C text itself
 *
 * The launch contract is docs/gpu.md's. Code for an ARCH that the linked LLVM does not know is made as for the newest
 * older one whose PTX runs on it. */
#ifndef FRIT_CODEGEN_CUDA_CUDA_H
#define FRIT_CODEGEN_CUDA_CUDA_H
#include "codegen/target.h"

extern const target_class cuda_target_class;
#endif
