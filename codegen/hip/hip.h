/* AMD GPUs: `hip:gfx90a`, `hip:gfx1100+source`...
 *
 *     hip[:ARCH[+source]]
 *
 * ARCH is a row of arch.c; alone, `hip` is this machine's first device. A package holds a code object from LLVM and
 * lld; with `source`, the HIP text itself, for clang or HIPRTC elsewhere to finish: the driver loads none. The launch contract
 * is docs/gpu.md's. */
#ifndef FRIT_CODEGEN_HIP_HIP_H
#define FRIT_CODEGEN_HIP_HIP_H
#include "codegen/target.h"

extern const target_class hip_target_class;
#endif
