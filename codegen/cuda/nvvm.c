#include "nvvm.h"
#include "codegen/llvm/machine.h"
#include "codegen/llvm/printer_internal.h"
#include <string.h>

static LLVMTypeRef i32(printer *p) { return int_type(p, 32, 1); }
static LLVMValueRef k32(printer *p, int64_t v) { return const_int(i32(p), v); }

static LLVMValueRef call(printer *p, const char *name, int n, LLVMValueRef *args) {
    return shim_intrinsic(p->b, p->module, name, 0, NULL, n, args);
}

/* Up to LLVM 20 a kernel's properties are metadata, later attributes. */
static void annotate(printer *p, LLVMValueRef fn, const char *key, LLVMMetadataRef value) {
    LLVMMetadataRef node[] = {LLVMValueAsMetadata(fn), LLVMMDStringInContext2(p->context, key, strlen(key)), value};
    if (machine_llvm_version() < 21) LLVMAddNamedMetadataOperand(p->module, "nvvm.annotations", shim_metadata(p->context, node, 3));
}

/* A tensor map is 128 bytes of the kernel's parameters, read where they lie. */
static void declare_maps(printer *p, LLVMValueRef fn, int maps) {
    int n = (int)LLVMCountParams(fn);
    if (maps == n) return;
    LLVMMetadataRef *numbers = arena_array(p->a, LLVMMetadataRef, n);
    LLVMTypeRef bytes = LLVMArrayType2(int_type(p, 8, 1), 128);
    unsigned by_value = LLVMGetEnumAttributeKindForName("byval", 5);
    for (int i = maps; i < n; i++) {
        LLVMAddAttributeAtIndex(fn, (unsigned)i + 1, LLVMCreateTypeAttribute(p->context, by_value, bytes));
        shim_enum_attribute(fn, (unsigned)i + 1, "align", 64);
        if (machine_llvm_version() >= 21)
            LLVMAddAttributeAtIndex(fn, (unsigned)i + 1, LLVMCreateStringAttribute(p->context, "nvvm.grid_constant", 18, "", 0));
        numbers[i - maps] = LLVMValueAsMetadata(k32(p, i + 1));
    }
    annotate(p, fn, "grid_constant", LLVMMDNodeInContext2(p->context, numbers, (size_t)(n - maps)));
}

void nvvm_declare(printer *p, LLVMValueRef fn, const ir_func *f, int maps) {
    annotate(p, fn, "maxntidx", LLVMValueAsMetadata(k32(p, f->threads)));
    shim_string_attribute(fn, "nvvm.maxntid", arena_printf(p->a, "%d", f->threads));
    if (f->cluster) {
        annotate(p, fn, "cluster_dim_x", LLVMValueAsMetadata(k32(p, f->cluster)));
        shim_string_attribute(fn, "nvvm.cluster_dim", arena_printf(p->a, "%d", f->cluster));
    }
    declare_maps(p, fn, maps);
    /* setmaxnreg needs to know what a thread starts with; else assemblers spill so that more blocks fit */
    annotate(p, fn, "minctasm", LLVMValueAsMetadata(k32(p, 1)));
    shim_string_attribute(fn, "nvvm.minctasm", "1");
}

/* ------------ ids; an id is below what the launch contract says */
static LLVMValueRef id(printer *p, const char *name, int64_t from, int64_t below) {
    LLVMValueRef v = call(p, name, 0, NULL);
    LLVMMetadataRef range[] = {LLVMValueAsMetadata(k32(p, from)), LLVMValueAsMetadata(k32(p, below))};
    shim_set_metadata(v, "range", shim_metadata(p->context, range, 2));
    return v;
}

/* Read where it stands: what is computed from an intrinsic's value is moved out of all loops, and takes registers there. */
static LLVMValueRef read_here(printer *p, const char *text) {
    static const char constraint[] = "=r";
    LLVMTypeRef t = LLVMFunctionType(i32(p), NULL, 0, 0);
    LLVMValueRef f = LLVMGetInlineAsm(t, text, strlen(text), constraint, strlen(constraint), 1, 0, LLVMInlineAsmDialectATT, 0);
    return LLVMBuildCall2(p->b, t, f, NULL, 0, "");
}

static LLVMValueRef thread_id(printer *p) {
    int64_t below = 1;
    while (below < p->func->threads) below *= 2;
    return LLVMBuildAnd(p->b, read_here(p, "mov.u32 $0, %tid.x;"), k32(p, below - 1), "");
}
static LLVMValueRef block_id(printer *p) { return id(p, "llvm.nvvm.read.ptx.sreg.ctaid.x", 0, INT32_MAX); }
static LLVMValueRef block_count(printer *p) { return read_here(p, "mov.u32 $0, %nctaid.x;"); }

static void barrier(printer *p) {
    if (machine_llvm_version() < 21) call(p, "llvm.nvvm.barrier0", 0, NULL);
    else call(p, "llvm.nvvm.barrier.cta.sync.aligned.all", 1, (LLVMValueRef[]){k32(p, 0)});
}

static LLVMValueRef shuffle(printer *p, LLVMValueRef x, LLVMValueRef lane) {
    return call(p, "llvm.nvvm.shfl.sync.idx.i32", 4, (LLVMValueRef[]){k32(p, -1), x, lane, k32(p, 31)});
}

/* ------------ asynchronous copies: 16 bytes pass by the first-level cache */
static void copy_async(printer *p, LLVMValueRef to, LLVMValueRef from, int bytes, LLVMValueRef inside) {
    const char *name = arena_printf(p->a, "llvm.nvvm.cp.async.%s.shared.global.%d%s", bytes == 16 ? "cg" : "ca", bytes,
                                    inside ? ".s" : "");
    LLVMValueRef size = inside ? LLVMBuildSelect(p->b, inside, k32(p, bytes), k32(p, 0), "") : NULL;
    call(p, name, inside ? 3 : 2, (LLVMValueRef[]){to, from, size});
}

static void copy_commit(printer *p) { call(p, "llvm.nvvm.cp.async.commit.group", 0, NULL); }

static void copy_wait(printer *p, int64_t pending) {
    call(p, "llvm.nvvm.cp.async.wait.group", 1, (LLVMValueRef[]){k32(p, pending)});
}

/* ------------ atoms: fragments pass in 32-bit registers */
typedef struct atom_info {
    const char *name, *intrinsic;
    bool halves; /* A and B are pairs of f16, not i32 */
} atom_info;

static const atom_info products[] = {
    {"mma_m16n8k16_f16", "llvm.nvvm.mma.m16n8k16.row.col.f32.f32", true},
    {"mma_m16n8k16_bf16", "llvm.nvvm.mma.m16n8k16.row.col.bf16", false},
    {"mma_m16n8k8_tf32", "llvm.nvvm.mma.m16n8k8.row.col.tf32", false},
    {"mma_m16n8k32_i8", "llvm.nvvm.mma.m16n8k32.row.col.s8", false},
};
static const atom_info matrix_loads[] = {
    {"ldmatrix_x4_f16", "llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.b16", false},
    {"ldmatrix_x4_bf16", "llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.b16", false},
    {"ldmatrix_x4_trans_f16", "llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.trans.b16", false},
    {"ldmatrix_x4_trans_bf16", "llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.trans.b16", false},
};

/* x, all of its bits, as registers of type t (32 bits each) appended to args. */
static int unpack(printer *p, LLVMValueRef x, LLVMTypeRef t, LLVMValueRef *args, int n) {
    unsigned lanes = LLVMGetVectorSize(LLVMTypeOf(x));
    LLVMTypeRef e = LLVMGetElementType(LLVMTypeOf(x));
    unsigned bits = LLVMGetTypeKind(e) == LLVMFloatTypeKind ? 32 : LLVMGetIntTypeWidth(e), count = lanes * bits / 32;
    x = LLVMBuildBitCast(p->b, x, LLVMVectorType(i32(p), count), "");
    for (unsigned i = 0; i < count; i++) {
        LLVMValueRef r = LLVMBuildExtractElement(p->b, x, k32(p, (int64_t)i), "");
        args[n++] = LLVMBuildBitCast(p->b, r, t, "");
    }
    return n;
}

/* The members of the struct v as one vector of `type`. */
static LLVMValueRef pack(printer *p, LLVMValueRef v, LLVMTypeRef type) {
    unsigned n = LLVMCountStructElementTypes(LLVMTypeOf(v));
    LLVMValueRef x = LLVMGetPoison(LLVMVectorType(LLVMStructGetTypeAtIndex(LLVMTypeOf(v), 0), n));
    for (unsigned i = 0; i < n; i++)
        x = LLVMBuildInsertElement(p->b, x, LLVMBuildExtractValue(p->b, v, i, ""), k32(p, (int64_t)i), "");
    return LLVMBuildBitCast(p->b, x, type, "");
}

static LLVMValueRef multiply(printer *p, const ir_op *op, const atom_info *info) {
    LLVMValueRef args[16];
    int n = 0;
    LLVMTypeRef ab = info->halves ? float_type(p, 16, 2) : i32(p);
    LLVMTypeRef c = reg_type(p, (frit_dtype)ir_result(op, 0)->type.dtype, 1);
    for (int i = 0; i < 3; i++) n = unpack(p, operand_of(p, op, i), i < 2 ? ab : c, args, n);
    return call(p, info->intrinsic, n, args);
}

static LLVMValueRef load_matrices(printer *p, const ir_op *op, const atom_info *info) {
    LLVMValueRef at = operand_of(p, op, 0), index = operand_of(p, op, 1);
    LLVMTypeRef t = LLVMTypeOf(at);
    at = LLVMBuildGEP2(p->b, mem_type(p, (frit_dtype)ir_operand(op, 0)->type.dtype, 1), at, &index, 1, "");
    return shim_intrinsic(p->b, p->module, info->intrinsic, 1, &t, 1, &at);
}

static const atom_info *find(const atom_info *list, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (!strcmp(list[i].name, name)) return &list[i];
    return NULL;
}

static bool atom(printer *p, const ir_op *op, const char *name) {
    const atom_info *product = find(products, sizeof products / sizeof *products, name);
    const atom_info *load = find(matrix_loads, sizeof matrix_loads / sizeof *matrix_loads, name);
    if (!product && !load) return false;
    LLVMValueRef v = product ? multiply(p, op, product) : load_matrices(p, op, load);
    p->values[ir_result(op, 0)->id] = pack(p, v, printer_type(p, ir_result(op, 0)->type));
    return true;
}

static bool no_atom(printer *p, const ir_op *op, const char *name) { return false; }

const printer_block_ops nvvm_sm_75 = {
    .spaces = {[IR_GLOBAL] = 1, [IR_CORE] = 3, [IR_REGISTER] = 0},
    .warp = 32,
    .thread_id = thread_id,
    .block_id = block_id,
    .block_count = block_count,
    .barrier = barrier,
    .shuffle = shuffle,
    .atom = no_atom,
};
#define SM_80                                                                                                          \
    .spaces = {[IR_GLOBAL] = 1, [IR_CORE] = 3, [IR_REGISTER] = 0, [IR_CLUSTER] = 0}, .warp = 32, .bf16 = true,          \
    .thread_id = thread_id, .block_id = block_id, .block_count = block_count, .barrier = barrier, .shuffle = shuffle,   \
    .copy_async = copy_async, .copy_commit = copy_commit, .copy_wait = copy_wait, .atom = atom
const printer_block_ops nvvm_sm_80 = {SM_80};
const printer_block_ops nvvm_sm_90 = {SM_80, .async = nvvm_async, .shared_align = 1024};
