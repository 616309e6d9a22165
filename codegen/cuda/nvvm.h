/* Ops of a block of threads as NVVM intrinsics. */
#ifndef FRIT_CODEGEN_CUDA_NVVM_H
#define FRIT_CODEGEN_CUDA_NVVM_H
#include "codegen/llvm/printer.h"

/* Plain; and with asynchronous copies, matrix products and conversions to bf16 (sm_80 on). */
extern const printer_block_ops nvvm_sm_75, nvvm_sm_80;
/* Marks fn, a kernel, as one for blocks of at most `threads`. */
void nvvm_declare(printer *p, LLVMValueRef fn, int threads);
#endif
