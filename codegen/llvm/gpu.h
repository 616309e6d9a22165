/* Modules of GPU kernels: what CUDA and HIP have in common of docs/gpu.md's launch contract. */
#ifndef FRIT_CODEGEN_LLVM_GPU_H
#define FRIT_CODEGEN_LLVM_GPU_H
#include "machine.h"

typedef struct gpu_machine {
    machine_spec spec;
    const printer_block_ops *ops;
    unsigned convention; /* LLVM's number of the calling convention of kernels */
    /* Attributes of the kernel f, whose parameters from `maps` on are f's tensor maps; may be NULL. */
    void (*declare)(printer *p, LLVMValueRef fn, const ir_func *f, int maps);
} gpu_machine;

/* The functions as one module in one form (TARGET_ASM is the machine's text, TARGET_OBJ its object). names[i] becomes
 * the name of function i in the module: its own, with what an identifier can't hold replaced. */
bool gpu_generate(const gpu_machine *g, arena *a, target_form form, int n, ir_func *const *funcs, const char **names,
                  machine_output *out, const char **error);
/* A blob that is one module: its bytes, and a kernel per name that the driver finds by it. */
code_blob *gpu_blob(arena *a, const void *bytes, int64_t size, int n, const char *const *names);
#endif
