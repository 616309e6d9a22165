#include "amdgcn.h"
#include "codegen/llvm/printer_internal.h"

static LLVMTypeRef i32(printer *p) { return int_type(p, 32, 1); }
static LLVMValueRef k32(printer *p, int64_t v) { return const_int(i32(p), v); }

static LLVMValueRef call(printer *p, const char *name, int n, LLVMValueRef *args) {
    return shim_intrinsic(p->b, p->module, name, 0, NULL, n, args);
}

/* A launch is in one dimension, so that ids of the others are never asked for. Code object version 5 is what block_count
 * reads, what every ROCm from 5.3 on loads, and what the LLVMs would not agree about by themselves. */
void amdgcn_declare(printer *p, LLVMValueRef fn, int threads) {
    static const char *const unused[] = {"dispatch-ptr", "queue-ptr", "dispatch-id", "workgroup-id-y", "workgroup-id-z",
                                         "workitem-id-y", "workitem-id-z", "lds-kernel-id"};
    for (size_t i = 0; i < sizeof unused / sizeof *unused; i++)
        shim_string_attribute(fn, arena_printf(p->a, "amdgpu-no-%s", unused[i]), "");
    static const char flag[] = "amdhsa_code_object_version";
    if (!LLVMGetModuleFlag(p->module, flag, sizeof flag - 1))
        LLVMAddModuleFlag(p->module, LLVMModuleFlagBehaviorError, flag, sizeof flag - 1, LLVMValueAsMetadata(k32(p, 500)));
    shim_string_attribute(fn, "amdgpu-flat-work-group-size", arena_printf(p->a, "%d,%d", threads, threads));
    shim_string_attribute(fn, "uniform-work-group-size", "true");
}

static LLVMValueRef in_range(printer *p, LLVMValueRef v, int64_t from, int64_t below) {
    LLVMMetadataRef range[] = {LLVMValueAsMetadata(k32(p, from)), LLVMValueAsMetadata(k32(p, below))};
    shim_set_metadata(v, "range", shim_metadata(p->context, range, 2));
    return v;
}

static LLVMValueRef thread_id(printer *p) {
    return in_range(p, call(p, "llvm.amdgcn.workitem.id.x", 0, NULL), 0, p->func->threads);
}
static LLVMValueRef block_id(printer *p) {
    return in_range(p, call(p, "llvm.amdgcn.workgroup.id.x", 0, NULL), 0, INT32_MAX);
}

/* The first hidden argument, hidden_block_count_x (LLVM's "User Guide for AMDGPU Backend", code object version 5). */
static LLVMValueRef block_count(printer *p) {
    LLVMValueRef at = call(p, "llvm.amdgcn.implicitarg.ptr", 0, NULL);
    LLVMValueRef v = in_range(p, LLVMBuildLoad2(p->b, i32(p), at, ""), 1, INT32_MAX);
    LLVMSetAlignment(v, 4);
    shim_set_metadata(v, "invariant.load", shim_metadata(p->context, NULL, 0));
    return v;
}

/* The instruction orders nothing by itself: memory is released before it and acquired after. */
static void barrier(printer *p) {
    shim_fence(p->b, p->module, LLVMAtomicOrderingRelease, "workgroup");
    call(p, "llvm.amdgcn.s.barrier", 0, NULL);
    shim_fence(p->b, p->module, LLVMAtomicOrderingAcquire, "workgroup");
}

/* Lanes are counted in bytes. */
static LLVMValueRef shuffle(printer *p, LLVMValueRef x, LLVMValueRef lane) {
    LLVMValueRef at = LLVMBuildShl(p->b, lane, k32(p, 2), "");
    return call(p, "llvm.amdgcn.ds.bpermute", 2, (LLVMValueRef[]){at, x});
}

static bool no_atom(printer *p, const ir_op *op, const char *name) { return false; }

#define OPS(w)                                                                                                         \
    {.spaces = {[IR_GLOBAL] = 1, [IR_CORE] = 3, [IR_REGISTER] = 5},                                                    \
     .warp = w,                                                                                                        \
     .thread_id = thread_id,                                                                                           \
     .block_id = block_id,                                                                                             \
     .block_count = block_count,                                                                                       \
     .barrier = barrier,                                                                                               \
     .shuffle = shuffle,                                                                                               \
     .atom = no_atom}
const printer_block_ops amdgcn_wave32 = OPS(32), amdgcn_wave64 = OPS(64);
