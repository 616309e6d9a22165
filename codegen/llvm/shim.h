/* What the LLVM C API lacks or spells differently from version to version (19 to 22), and the few calls so common that
 * they deserve a short form. */
#ifndef FRIT_CODEGEN_LLVM_SHIM_H
#define FRIT_CODEGEN_LLVM_SHIM_H
#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

/* A call of the intrinsic `name` overloaded on n_types types. Ends the process's compile job through LLVM's fatal error
 * road when this LLVM does not know the name: that is a bug of the caller. */
LLVMValueRef shim_intrinsic(LLVMBuilderRef b, LLVMModuleRef m, const char *name, int n_types, LLVMTypeRef *types,
                            int n_args, LLVMValueRef *args);
/* Masked accesses of a vector: consecutive from a pointer, or one pointer per lane. `align` is each access's own, in
 * bytes. (The alignment is an argument of the intrinsic up to LLVM 21, an attribute of its pointer from 22 on.) */
LLVMValueRef shim_masked_load(LLVMBuilderRef b, LLVMModuleRef m, LLVMTypeRef t, LLVMValueRef at, unsigned align,
                              LLVMValueRef mask, LLVMValueRef other);
LLVMValueRef shim_masked_store(LLVMBuilderRef b, LLVMModuleRef m, LLVMValueRef x, LLVMValueRef at, unsigned align,
                               LLVMValueRef mask);
/* A string attribute (value "" for none) or an enum attribute (by LLVM's name of it) on a function (index
 * LLVMAttributeFunctionIndex) or one of its parameters (from 1). */
void shim_string_attribute(LLVMValueRef fn, const char *key, const char *value);
void shim_enum_attribute(LLVMValueRef fn, unsigned index, const char *name, uint64_t value);
/* A fence among the threads of a scope ("workgroup"). */
void shim_fence(LLVMBuilderRef b, LLVMModuleRef m, LLVMAtomicOrdering order, const char *scope);
/* A metadata node as a value, and attaching it to an instruction under a kind's name. */
LLVMValueRef shim_metadata(LLVMContextRef c, LLVMMetadataRef *v, int n);
void shim_set_metadata(LLVMValueRef instruction, const char *kind, LLVMValueRef node);
/* The loop that the branch goes back in is not to be unrolled, by whoever finishes the code either. */
void shim_keep_rolled(LLVMContextRef c, LLVMValueRef branch);
#endif
