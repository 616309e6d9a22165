/* Ops of a block of threads as NVVM intrinsics. */
#ifndef FRIT_CODEGEN_CUDA_NVVM_H
#define FRIT_CODEGEN_CUDA_NVVM_H
#include "codegen/llvm/printer.h"

/* Plain; with asynchronous copies, matrix products and conversions to bf16 (sm_80 on); and with nvvm_async.c's (sm_90a). */
extern const printer_block_ops nvvm_sm_75, nvvm_sm_80, nvvm_sm_90;
bool nvvm_async(printer *p, const ir_op *op);
/* Marks fn as the kernel f: for blocks of at most so many threads; its parameters from `maps` on are tensor maps. */
void nvvm_declare(printer *p, LLVMValueRef fn, const ir_func *f, int maps);
#endif
