#include "shim.h"
#include <llvm-c/DebugInfo.h>
#include "machine.h"
#include <llvm-c/IRReader.h>
#include <llvm/Config/llvm-config.h>
#include <stdio.h>
#include <string.h>

LLVMValueRef shim_intrinsic(LLVMBuilderRef b, LLVMModuleRef m, const char *name, int n_types, LLVMTypeRef *types,
                            int n_args, LLVMValueRef *args) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    if (!id) machine_fatal(name);
    LLVMValueRef fn = LLVMGetIntrinsicDeclaration(m, id, types, (size_t)n_types);
    LLVMTypeRef t = LLVMIntrinsicGetType(LLVMGetModuleContext(m), id, types, (size_t)n_types);
    return LLVMBuildCall2(b, t, fn, args, (unsigned)n_args, "");
}

/* args has room for one more; `at` is the pointer's place among them. */
static LLVMValueRef masked(LLVMBuilderRef b, LLVMModuleRef m, const char *name, LLVMTypeRef *types, unsigned align,
                           int n_args, LLVMValueRef *args, int at) {
    LLVMContextRef c = LLVMGetModuleContext(m);
#if LLVM_VERSION_MAJOR >= 22
    LLVMValueRef v = shim_intrinsic(b, m, name, 2, types, n_args, args);
    unsigned kind = LLVMGetEnumAttributeKindForName("align", 5);
    LLVMAddCallSiteAttribute(v, (LLVMAttributeIndex)(at + 1), LLVMCreateEnumAttribute(c, kind, align));
    return v;
#else
    memmove(args + at + 2, args + at + 1, sizeof *args * (size_t)(n_args - at - 1));
    args[at + 1] = LLVMConstInt(LLVMInt32TypeInContext(c), align, false);
    return shim_intrinsic(b, m, name, 2, types, n_args + 1, args);
#endif
}

static bool is_vector(LLVMValueRef v) { return LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMVectorTypeKind; }

LLVMValueRef shim_masked_load(LLVMBuilderRef b, LLVMModuleRef m, LLVMTypeRef t, LLVMValueRef at, unsigned align,
                              LLVMValueRef mask, LLVMValueRef other) {
    LLVMTypeRef types[] = {t, LLVMTypeOf(at)};
    return masked(b, m, is_vector(at) ? "llvm.masked.gather" : "llvm.masked.load", types, align, 3,
                  (LLVMValueRef[4]){at, mask, other}, 0);
}

LLVMValueRef shim_masked_store(LLVMBuilderRef b, LLVMModuleRef m, LLVMValueRef x, LLVMValueRef at, unsigned align,
                               LLVMValueRef mask) {
    LLVMTypeRef types[] = {LLVMTypeOf(x), LLVMTypeOf(at)};
    return masked(b, m, is_vector(at) ? "llvm.masked.scatter" : "llvm.masked.store", types, align, 3,
                  (LLVMValueRef[4]){x, at, mask}, 1);
}

void shim_string_attribute(LLVMValueRef fn, const char *key, const char *value) {
    LLVMContextRef c = LLVMGetModuleContext(LLVMGetGlobalParent(fn));
    LLVMAttributeRef a =
        LLVMCreateStringAttribute(c, key, (unsigned)strlen(key), value, (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, a);
}

void shim_enum_attribute(LLVMValueRef fn, unsigned index, const char *name, uint64_t value) {
    LLVMContextRef c = LLVMGetModuleContext(LLVMGetGlobalParent(fn));
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(fn, index, LLVMCreateEnumAttribute(c, kind, value));
}

#if LLVM_VERSION_MAJOR >= 20
void shim_fence(LLVMBuilderRef b, LLVMModuleRef m, LLVMAtomicOrdering order, const char *scope) {
    LLVMValueRef v = LLVMBuildFence(b, order, false, "");
    LLVMSetAtomicSyncScopeID(v, LLVMGetSyncScopeID(LLVMGetModuleContext(m), scope, strlen(scope)));
}
#else
/* No call of the C API names a scope: the instruction is read from text and cloned. */
void shim_fence(LLVMBuilderRef b, LLVMModuleRef m, LLVMAtomicOrdering order, const char *scope) {
    char text[160], *message = NULL;
    const char *word = order == LLVMAtomicOrderingRelease ? "release" : "acquire";
    int n = snprintf(text, sizeof text, "define void @f() { fence syncscope(\"%s\") %s\n ret void }\n", scope, word);
    LLVMMemoryBufferRef buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy(text, (size_t)n, "fence");
    LLVMModuleRef parsed;
    if (LLVMParseIRInContext(LLVMGetModuleContext(m), buffer, &parsed, &message)) machine_fatal(message);
    LLVMBasicBlockRef entry = LLVMGetEntryBasicBlock(LLVMGetFirstFunction(parsed));
    LLVMInsertIntoBuilder(b, LLVMInstructionClone(LLVMGetFirstInstruction(entry)));
    LLVMDisposeModule(parsed);
}
#endif

LLVMValueRef shim_metadata(LLVMContextRef c, LLVMMetadataRef *v, int n) {
    return LLVMMetadataAsValue(c, LLVMMDNodeInContext2(c, v, (size_t)n));
}

void shim_set_metadata(LLVMValueRef instruction, const char *kind, LLVMValueRef node) {
    LLVMContextRef c = LLVMGetTypeContext(LLVMTypeOf(node));
    LLVMSetMetadata(instruction, LLVMGetMDKindIDInContext(c, kind, (unsigned)strlen(kind)), node);
}

void shim_keep_rolled(LLVMContextRef c, LLVMValueRef branch) {
    static const char word[] = "llvm.loop.unroll.disable";
    LLVMMetadataRef text = LLVMMDStringInContext2(c, word, sizeof word - 1), self = LLVMTemporaryMDNode(c, NULL, 0);
    LLVMMetadataRef parts[] = {self, LLVMMDNodeInContext2(c, &text, 1)}; /* a loop's node begins with itself */
    LLVMMetadataRef node = LLVMMDNodeInContext2(c, parts, 2);
    LLVMMetadataReplaceAllUsesWith(self, node);
    shim_set_metadata(branch, "llvm.loop", LLVMMetadataAsValue(c, node));
}
