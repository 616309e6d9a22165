/* Thread IR to LLVM IR, the same for every target that LLVM serves.
 *
 * Registers hold floats of 64 and 32 bits as such, f16, bf16 and f8 as the integers that are their bits, bool as i1.
 * Memory holds bool as a byte and 4-bit integers two to a byte. Every op is total as ir/elementwise.def says; no
 * fast-math flag is ever set and nothing is contracted.
 *
 * Pointer arguments of one function are taken not to overlap, but for an output that is the same buffer as an input,
 * each element of which is read by the task that writes it, before the write. */
#ifndef FRIT_CODEGEN_LLVM_PRINTER_H
#define FRIT_CODEGEN_LLVM_PRINTER_H
#include "ir/ir.h"
#include <llvm-c/Core.h>

typedef struct printer {
    arena *a;
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef b;
    const char *error; /* first failure, arena text; printing goes on with poison */

    /* The function being printed. */
    const ir_func *func;
    LLVMValueRef fn;
    LLVMBasicBlockRef entry; /* allocas go to its front */
    LLVMValueRef *values;    /* by ir_value id */
    int *roots;              /* by id of a pointer: the function argument it is derived from + 1; 0 is none */
    int n_args;
    LLVMValueRef *scope, *noalias; /* by root: metadata for accesses through it */
} printer;

/* Prints the body of func into fn, whose builder stands at the end of fn's entry block: args[i] is the value of
 * argument i of the body. The builder is left at the end of the last block, with no terminator. */
void printer_body(printer *p, const ir_func *func, LLVMValueRef fn, LLVMValueRef *args);
/* The register type of a value of type t. */
LLVMTypeRef printer_type(printer *p, ir_type t);
#endif
