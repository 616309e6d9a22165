/* Ops of a block of threads as AMDGPU intrinsics. */
#ifndef FRIT_CODEGEN_HIP_AMDGCN_H
#define FRIT_CODEGEN_HIP_AMDGCN_H
#include "codegen/llvm/printer.h"

/* waiting: for code of gfx942 that runs on gfx950. */
extern const printer_block_ops amdgcn_wave32, amdgcn_wave64, amdgcn_wave64_waiting;
/* Marks fn, a kernel, as one for blocks of exactly `threads`. */
void amdgcn_declare(printer *p, LLVMValueRef fn, const ir_func *f, int maps);
#endif
