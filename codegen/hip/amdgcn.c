#include "amdgcn.h"
#include "codegen/llvm/printer_internal.h"
#include <string.h>

static LLVMTypeRef i32(printer *p) { return int_type(p, 32, 1); }
static LLVMValueRef k32(printer *p, int64_t v) { return const_int(i32(p), v); }

static LLVMValueRef call(printer *p, const char *name, int n, LLVMValueRef *args) {
    return shim_intrinsic(p->b, p->module, name, 0, NULL, n, args);
}

/* A launch is in one dimension, so that ids of the others are never asked for. For the hidden arguments that are addresses the
 * HIP runtime would make what they point to at a first launch: a thread of the host that answers calls, a heap. Code object
 * version 5 is what block_count reads, and what the LLVMs would not agree about by themselves; its argument of the size of shared
 * memory, which LLVM lists from 18 on, is known to ROCm from 6 on. */
void amdgcn_declare(printer *p, LLVMValueRef fn, const ir_func *f, int maps) {
    static const char *const unused[] = {"dispatch-ptr", "queue-ptr", "dispatch-id", "workgroup-id-y", "workgroup-id-z",
                                         "workitem-id-y", "workitem-id-z", "lds-kernel-id", "hostcall-ptr",
                                         "heap-ptr", "default-queue", "completion-action", "multigrid-sync-arg"};
    for (size_t i = 0; i < sizeof unused / sizeof *unused; i++)
        shim_string_attribute(fn, arena_printf(p->a, "amdgpu-no-%s", unused[i]), "");
    static const char flag[] = "amdhsa_code_object_version";
    if (!LLVMGetModuleFlag(p->module, flag, sizeof flag - 1))
        LLVMAddModuleFlag(p->module, LLVMModuleFlagBehaviorError, flag, sizeof flag - 1, LLVMValueAsMetadata(k32(p, 500)));
    shim_string_attribute(fn, "amdgpu-flat-work-group-size", arena_printf(p->a, "%d,%d", f->threads, f->threads));
    shim_string_attribute(fn, "uniform-work-group-size", "true");
    /* Sums of matrix products stay in ordinary registers: in the others each turn of a loop would move all of them to and
     * fro. Two waves a scheduler leave 256, which the lowering keeps to. The two spellings are those before and from LLVM 21. */
    shim_string_attribute(fn, "amdgpu-no-agpr", "");
    shim_string_attribute(fn, "amdgpu-agpr-alloc", "0");
    if (f->threads <= 256) shim_string_attribute(fn, "amdgpu-waves-per-eu", "2");
}

static LLVMValueRef in_range(printer *p, LLVMValueRef v, int64_t from, int64_t below) {
    LLVMMetadataRef range[] = {LLVMValueAsMetadata(k32(p, from)), LLVMValueAsMetadata(k32(p, below))};
    shim_set_metadata(v, "range", shim_metadata(p->context, range, 2));
    return v;
}

/* As if read where it stands, by an instruction of no length: what is computed from the intrinsic's value is moved out of all
 * loops, and takes registers there. */
static LLVMValueRef thread_id(printer *p) {
    static const char constraint[] = "=v,0";
    LLVMTypeRef types[] = {i32(p)}, t = LLVMFunctionType(i32(p), types, 1, 0);
    LLVMValueRef f = LLVMGetInlineAsm(t, "", 0, constraint, strlen(constraint), 1, 0, LLVMInlineAsmDialectATT, 0);
    LLVMValueRef id = call(p, "llvm.amdgcn.workitem.id.x", 0, NULL), v = LLVMBuildCall2(p->b, t, f, &id, 1, "");
    int64_t below = 1;
    while (below < p->func->threads) below *= 2;
    return LLVMBuildAnd(p->b, v, k32(p, below - 1), "");
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

/* ------------ matrix products: an operand is passed as a vector of halves, of 16-bit integers (bf16), or of whole words */
typedef enum operand_form { HALVES, SHORTS, WORDS, FLOAT } operand_form;
typedef enum tail_form { MFMA, WMMA, WMMA_INT } tail_form;

typedef struct product_info {
    const char *name, *intrinsic;
    operand_form form; /* of A and B */
    tail_form tail;    /* what else the intrinsic takes */
} product_info;

static const product_info products[] = {
    {"mfma_16x16x16_f16", "llvm.amdgcn.mfma.f32.16x16x16f16", HALVES, MFMA},
    {"mfma_16x16x16_bf16", "llvm.amdgcn.mfma.f32.16x16x16bf16.1k", SHORTS, MFMA},
    {"mfma_16x16x4_f32", "llvm.amdgcn.mfma.f32.16x16x4f32", FLOAT, MFMA},
    {"mfma_16x16x16_i8", "llvm.amdgcn.mfma.i32.16x16x16i8", WORDS, MFMA},
    {"mfma_16x16x32_i8", "llvm.amdgcn.mfma.i32.16x16x32.i8", WORDS, MFMA},
    {"wmma_16x16x16_f16", "llvm.amdgcn.wmma.f32.16x16x16.f16", HALVES, WMMA},
    {"wmma_16x16x16_bf16", "llvm.amdgcn.wmma.f32.16x16x16.bf16", SHORTS, WMMA},
    {"wmma_16x16x16_i8", "llvm.amdgcn.wmma.i32.16x16x16.iu8", WORDS, WMMA_INT},
    {"wmma4_16x16x16_f16", "llvm.amdgcn.wmma.f32.16x16x16.f16", HALVES, WMMA},
    {"wmma4_16x16x16_bf16", "llvm.amdgcn.wmma.f32.16x16x16.bf16", SHORTS, WMMA},
    {"wmma4_16x16x16_i8", "llvm.amdgcn.wmma.i32.16x16x16.iu8", WORDS, WMMA_INT},
};

static const product_info *find_product(const char *name) {
    for (size_t i = 0; i < sizeof products / sizeof *products; i++)
        if (!strcmp(products[i].name, name)) return &products[i];
    return NULL;
}

/* Operand i in the form that the intrinsic takes: for MFMA, bytes come as one integer; for WMMA, as a vector of words. */
static LLVMValueRef shaped(printer *p, const ir_op *op, int i, const product_info *f) {
    LLVMValueRef x = operand_of(p, op, i);
    unsigned lanes = (unsigned)lanes_of(ir_operand(op, i));
    if (f->form == FLOAT || f->form == SHORTS) return x;
    if (f->form == HALVES) return LLVMBuildBitCast(p->b, x, float_type(p, 16, (int)lanes), "");
    LLVMTypeRef t = f->tail == MFMA ? int_type(p, lanes * 8, 1) : int_type(p, 32, (int)lanes / 4);
    return LLVMBuildBitCast(p->b, x, t, "");
}

static LLVMValueRef multiply(printer *p, const ir_op *op, const product_info *f) {
    LLVMValueRef a = shaped(p, op, 0, f), b = shaped(p, op, 1, f), c = operand_of(p, op, 2);
    LLVMValueRef zero = k32(p, 0), yes = const_int(int_type(p, 1, 1), 1), no = const_int(int_type(p, 1, 1), 0);
    LLVMTypeRef types[] = {LLVMTypeOf(c), LLVMTypeOf(a)};
    if (f->tail == MFMA) return call(p, f->intrinsic, 6, (LLVMValueRef[]){a, b, c, zero, zero, zero});
    if (f->tail == WMMA) return shim_intrinsic(p->b, p->module, f->intrinsic, 2, types, 3, (LLVMValueRef[]){a, b, c});
    return shim_intrinsic(p->b, p->module, f->intrinsic, 2, types, 6, (LLVMValueRef[]){yes, a, yes, b, c, no});
}

/* Left to itself, LLVM loads the operands of all of a block's products as early as registers seem to last, and then they do not:
 * vectors of eight find no place, and what is live is moved about. Nothing passes every so many products: that is time enough for
 * loads of shared memory. */
static void keep_order(printer *p, const ir_op *op) {
    enum { PRODUCTS = 8 };
    if (p->atoms_of != op->parent) p->atoms_of = op->parent, p->atoms = 0;
    if (p->atoms && p->atoms % PRODUCTS == 0) call(p, "llvm.amdgcn.sched.barrier", 1, (LLVMValueRef[]){k32(p, 0)});
    p->atoms++;
}

/* What a processor lacks of these, LLVM says when it selects instructions. */
static bool atom(printer *p, const ir_op *op, const char *name) {
    const product_info *f = find_product(name);
    if (!f) return false;
    keep_order(p, op);
    p->values[ir_result(op, 0)->id] = multiply(p, op, f);
    return true;
}

/* ------------ the same for an LLVM that makes code of gfx942 for gfx950. There the results of products of 16 and 8 bits (XDL, four
 * passes) must not be touched for eight wait states, one more than LLVM then sees to, and no hardware does (LLVM,
 * GCNHazardRecognizer): they bring their waits along; two before them are for operands that vector instructions wrote. */
static const char *const waiting[][2] = {{"mfma_16x16x16_f16", "v_mfma_f32_16x16x16_f16"},
                                         {"mfma_16x16x16_bf16", "v_mfma_f32_16x16x16_bf16"},
                                         {"mfma_16x16x32_i8", "v_mfma_i32_16x16x32_i8"}};

static LLVMValueRef multiply_and_wait(printer *p, const ir_op *op, const char *instruction) {
    static const char constraint[] = "=&v,v,v,0";
    LLVMTypeRef word = int_type(p, 64, 1);
    LLVMValueRef c = operand_of(p, op, 2), x[3] = {[2] = c};
    for (int i = 0; i < 2; i++) x[i] = LLVMBuildBitCast(p->b, operand_of(p, op, i), word, "");
    const char *words = arena_printf(p->a, "s_nop 1\n\t%s $0, $1, $2, $3\n\ts_nop 7", instruction);
    LLVMTypeRef t = LLVMFunctionType(LLVMTypeOf(c), (LLVMTypeRef[]){word, word, LLVMTypeOf(c)}, 3, 0);
    LLVMValueRef f = LLVMGetInlineAsm(t, (char *)words, strlen(words), (char *)constraint, strlen(constraint), 0, 0, LLVMInlineAsmDialectATT, 0);
    LLVMValueRef v = LLVMBuildCall2(p->b, t, f, x, 3, "");
    LLVMAttributeRef convergent = LLVMCreateEnumAttribute(p->context, LLVMGetEnumAttributeKindForName("convergent", 10), 0);
    LLVMAddCallSiteAttribute(v, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, convergent);
    return v;
}

static bool waiting_atom(printer *p, const ir_op *op, const char *name) {
    for (size_t k = 0; k < sizeof waiting / sizeof *waiting; k++)
        if (!strcmp(waiting[k][0], name)) {
            keep_order(p, op);
            return p->values[ir_result(op, 0)->id] = multiply_and_wait(p, op, waiting[k][1]), true;
        }
    return atom(p, op, name);
}

#define OPS(w, a)                                                                                                      \
    {.spaces = {[IR_GLOBAL] = 1, [IR_CORE] = 3, [IR_REGISTER] = 5},                                                    \
     .warp = w,                                                                                                        \
     .thread_id = thread_id,                                                                                           \
     .block_id = block_id,                                                                                             \
     .block_count = block_count,                                                                                       \
     .barrier = barrier,                                                                                               \
     .shuffle = shuffle,                                                                                               \
     .atom = a}
const printer_block_ops amdgcn_wave32 = OPS(32, atom), amdgcn_wave64 = OPS(64, atom), amdgcn_wave64_waiting = OPS(64, waiting_atom);
