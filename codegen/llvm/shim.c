#include "shim.h"
#include "machine.h"
#include <string.h>

LLVMValueRef shim_intrinsic(LLVMBuilderRef b, LLVMModuleRef m, const char *name, int n_types, LLVMTypeRef *types,
                            int n_args, LLVMValueRef *args) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    if (!id) machine_fatal(name);
    LLVMValueRef fn = LLVMGetIntrinsicDeclaration(m, id, types, (size_t)n_types);
    LLVMTypeRef t = LLVMIntrinsicGetType(LLVMGetModuleContext(m), id, types, (size_t)n_types);
    return LLVMBuildCall2(b, t, fn, args, (unsigned)n_args, "");
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

LLVMValueRef shim_metadata(LLVMContextRef c, LLVMMetadataRef *v, int n) {
    return LLVMMetadataAsValue(c, LLVMMDNodeInContext2(c, v, (size_t)n));
}

void shim_set_metadata(LLVMValueRef instruction, const char *kind, LLVMValueRef node) {
    LLVMContextRef c = LLVMGetTypeContext(LLVMTypeOf(node));
    LLVMSetMetadata(instruction, LLVMGetMDKindIDInContext(c, kind, (unsigned)strlen(kind)), node);
}
