/* What sm_90a has for roles of warps: mbarriers, tensor and bulk copies, the tensor core of four warps. Inline assembly: no
 * LLVM has wgmma as an intrinsic, and before 22 few of the others. Source: PTX ISA, "Asynchronous Warpgroup Level Matrix
 * Multiply-Accumulate Operation using wgmma.mma_async" (descriptors: "Matrix descriptor format"), "mbarrier", "Tensor copy". */
#include "nvvm.h"
#include "codegen/llvm/machine.h"
#include "codegen/llvm/printer_internal.h"
#include "ir/atom.h"
#include "ir/text.h"
#include <string.h>

enum { MOST = 300 }; /* operands of an instruction */

static LLVMTypeRef i32(printer *p) { return int_type(p, 32, 1); }
static LLVMTypeRef i64(printer *p) { return int_type(p, 64, 1); }
static LLVMValueRef k32(printer *p, int64_t v) { return const_int(i32(p), v); }

/* An instruction with effects on memory that all threads of a warp come to alike. */
static LLVMValueRef assembly(printer *p, LLVMTypeRef result, const char *words, const char *constraints, int n, LLVMValueRef *x) {
    LLVMTypeRef types[MOST];
    for (int i = 0; i < n; i++) types[i] = LLVMTypeOf(x[i]);
    LLVMTypeRef t = LLVMFunctionType(result ? result : LLVMVoidTypeInContext(p->context), types, (unsigned)n, false);
    constraints = arena_printf(p->a, "%s%s~{memory}", constraints, *constraints ? "," : "");
    LLVMValueRef fn = LLVMGetInlineAsm(t, (char *)words, strlen(words), (char *)constraints, strlen(constraints), true, false,
                                       LLVMInlineAsmDialectATT, false);
    LLVMValueRef call = LLVMBuildCall2(p->b, t, fn, x, (unsigned)n, "");
    unsigned convergent = LLVMGetEnumAttributeKindForName("convergent", 10);
    LLVMAddCallSiteAttribute(call, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(p->context, convergent, 0));
    return call;
}

static void plain(printer *p, const char *words) { assembly(p, NULL, words, "", 0, NULL); }

/* ------------ addresses: operands i and i + 1 of op */
static LLVMValueRef place(printer *p, const ir_op *op, int i) {
    LLVMValueRef index = operand_of(p, op, i + 1);
    return LLVMBuildGEP2(p->b, mem_type(p, (frit_dtype)ir_operand(op, i)->type.dtype, 1), operand_of(p, op, i), &index, 1, "");
}
static LLVMValueRef shared_at(printer *p, const ir_op *op, int i) { return LLVMBuildPtrToInt(p->b, place(p, op, i), i32(p), ""); }
static LLVMValueRef global_at(printer *p, const ir_op *op, int i) { return LLVMBuildPtrToInt(p->b, place(p, op, i), i64(p), ""); }
static LLVMValueRef narrow32(printer *p, const ir_op *op, int i) { return LLVMBuildTrunc(p->b, operand_of(p, op, i), i32(p), ""); }

static LLVMValueRef bytes_of(printer *p, const ir_op *op, int i, frit_dtype t) {
    return LLVMBuildMul(p->b, narrow32(p, op, i), k32(p, frit_dtype_bytes(t, 1)), "");
}

/* ------------ registers that an instruction takes and gives */
typedef struct registers {
    text outputs, ties; /* constraints */
    int n;
    LLVMValueRef x[MOST];
    LLVMTypeRef types[MOST];
} registers;

static void take_lanes(printer *p, registers *r, LLVMValueRef v, bool tied) {
    bool vector = LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMVectorTypeKind;
    unsigned lanes = vector ? LLVMGetVectorSize(LLVMTypeOf(v)) : 1;
    LLVMTypeRef e = vector ? LLVMGetElementType(LLVMTypeOf(v)) : LLVMTypeOf(v);
    bool is_float = LLVMGetTypeKind(e) == LLVMFloatTypeKind;
    unsigned bits = is_float ? 32 : LLVMGetIntTypeWidth(e);
    if (bits < 32) {
        lanes = lanes * bits / 32;
        v = LLVMBuildBitCast(p->b, v, LLVMVectorType(e = i32(p), lanes), "");
    }
    for (unsigned i = 0; i < lanes && r->n < MOST; i++) {
        if (tied) {
            text_printf(&r->outputs, "%s=%c", r->n ? "," : "", is_float ? 'f' : 'r');
            text_printf(&r->ties, ",%d", r->n);
        }
        r->x[r->n] = vector ? LLVMBuildExtractElement(p->b, v, k32(p, (int64_t)i), "") : v;
        r->types[r->n++] = e;
    }
}

/* The struct's members from *at on as a value of v's type, which is bound to it. */
static void give_lanes(printer *p, const ir_value *v, LLVMValueRef from, int *at, int n) {
    LLVMTypeRef type = printer_type(p, v->type);
    bool vector = LLVMGetTypeKind(type) == LLVMVectorTypeKind;
    unsigned lanes = vector ? LLVMGetVectorSize(type) : 1;
    LLVMTypeRef e = vector ? LLVMGetElementType(type) : type;
    if (LLVMGetTypeKind(e) == LLVMIntegerTypeKind && LLVMGetIntTypeWidth(e) < 32) lanes = lanes * LLVMGetIntTypeWidth(e) / 32, e = i32(p);
    LLVMValueRef x = LLVMGetPoison(vector ? LLVMVectorType(e, lanes) : e);
    for (unsigned i = 0; i < lanes; i++) {
        LLVMValueRef one = n == 1 ? from : LLVMBuildExtractValue(p->b, from, (unsigned)(*at)++, "");
        x = vector ? LLVMBuildInsertElement(p->b, x, one, k32(p, (int64_t)i), "") : one;
    }
    p->values[v->id] = vector ? LLVMBuildBitCast(p->b, x, type, "") : x;
}

static LLVMTypeRef results_type(printer *p, registers *r, int n) {
    return n == 0 ? NULL : n == 1 ? r->types[0] : LLVMStructTypeInContext(p->context, r->types, (unsigned)n, false);
}

/* An instruction that its operands' registers pass through: nothing moves over it. */
static void through(printer *p, const ir_op *op, const char *words) {
    registers *r = arena_new_of(p->a, registers);
    r->outputs.a = r->ties.a = p->a;
    for (int i = 0; i < op->n_operands; i++) take_lanes(p, r, operand_of(p, op, i), true);
    const char *constraints = arena_printf(p->a, "%s%s", r->outputs.s ? r->outputs.s : "", r->ties.s ? r->ties.s : "");
    LLVMValueRef v = assembly(p, results_type(p, r, r->n), words, constraints, r->n, r->x);
    for (int i = 0, at = 0; i < op->n_results; i++) give_lanes(p, ir_result(op, i), v, &at, r->n);
}

/* ------------ wgmma */
static int64_t of_side(const ir_op *op, ir_attr_key k, int side) {
    const int64_t *v;
    return ir_get_ints(op, k, &v) == 2 ? v[side] : 0;
}

/* Where a matrix lies: address, distances, swizzle. */
static LLVMValueRef descriptor(printer *p, const ir_op *op, int side, int operand) {
    int64_t leading = of_side(op, IR_ATTR_leading, side) >> 4, stride = of_side(op, IR_ATTR_stride, side) >> 4, s = of_side(op, IR_ATTR_swizzle, side);
    if (s == 16 && of_side(op, IR_ATTR_major, side)) { /* there the fields have changed places */
        int64_t t = leading;
        leading = stride, stride = t;
    }
    int64_t mode = s == 128 ? 1 : s == 64 ? 2 : s == 32 ? 3 : 0;
    LLVMValueRef at = LLVMBuildAnd(p->b, shared_at(p, op, operand), k32(p, 0x3ffff), "");
    at = LLVMBuildZExt(p->b, LLVMBuildLShr(p->b, at, k32(p, 4), ""), i64(p), "");
    return LLVMBuildOr(p->b, at, const_int(i64(p), (int64_t)((uint64_t)mode << 62 | (uint64_t)stride << 32 | (uint64_t)leading << 16)), "");
}

static const char *list(printer *p, int from, int n) {
    text s = {0};
    s.a = p->a;
    for (int i = 0; i < n; i++) text_printf(&s, "%s$%d", i ? ", " : "", from + i);
    return arena_printf(p->a, "{%s}", s.s);
}

static void multiply(printer *p, const ir_op *op) {
    registers *r = arena_new_of(p->a, registers);
    r->outputs.a = r->ties.a = p->a;
    bool in_registers = op->n_operands == 4;
    take_lanes(p, r, operand_of(p, op, 0), true);
    int n = r->n, b = op->n_operands - 2;
    if (in_registers) take_lanes(p, r, operand_of(p, op, 1), false);
    else r->x[r->n++] = descriptor(p, op, 0, 1);
    int n_a = r->n - n;
    for (int i = 0; i < n_a; i++) text_printf(&r->ties, in_registers ? ",r" : ",l");
    for (int i = 0; in_registers && i < n_a; i++) r->x[n + i] = LLVMBuildBitCast(p->b, r->x[n + i], i32(p), "");
    r->x[r->n++] = descriptor(p, op, 1, b);
    text_printf(&r->ties, ",l");
    frit_dtype t = (frit_dtype)ir_operand(op, b)->type.dtype;
    const ir_product *m = ir_wgmma_product(t);
    const char *in = t == FRIT_f32 ? "tf32" : t == FRIT_i8 ? "s8" : frit_dtype_name(t), *tail = t == FRIT_i8 ? "1" : "1, 1, 1";
    if (t == FRIT_f16 || t == FRIT_bf16)
        tail = in_registers ? arena_printf(p->a, "1, 1, 1, %d", (int)of_side(op, IR_ATTR_major, 1))
                            : arena_printf(p->a, "1, 1, 1, %d, %d", (int)of_side(op, IR_ATTR_major, 0), (int)of_side(op, IR_ATTR_major, 1));
    /* numbers of operands: n results, n that they are tied to, A, B */
    const char *a = in_registers ? list(p, 2 * n, n_a) : arena_printf(p->a, "$%d", 2 * n);
    const char *s = arena_printf(p->a, "wgmma.mma_async.sync.aligned.m64n%dk%d.%s.%s.%s %s, %s, $%d, %s;", 2 * n, m->k,
                                 t == FRIT_i8 ? "s32" : "f32", in, in, list(p, 0, n), a, 2 * n + n_a, tail);
    const char *constraints = arena_printf(p->a, "%s%s", r->outputs.s ? r->outputs.s : "", r->ties.s ? r->ties.s : "");
    LLVMValueRef v = assembly(p, results_type(p, r, n), s, constraints, r->n, r->x);
    int at = 0;
    give_lanes(p, ir_result(op, 0), v, &at, n);
}

/* ------------ mbarriers */
static void init_mbarrier(printer *p, const ir_op *op) {
    LLVMValueRef x[] = {shared_at(p, op, 0), k32(p, ir_get_int(op, IR_ATTR_count, 1))};
    assembly(p, NULL, "mbarrier.init.shared::cta.b64 [$0], $1;\n\tfence.mbarrier_init.release.cluster;", "r,r", 2, x);
}

static void arrive(printer *p, const ir_op *op) {
    if (ir_operand(op, 0)->type.space == IR_CLUSTER) {
        LLVMValueRef there = global_at(p, op, 0);
        assembly(p, NULL,
                 "{\n\t.reg .u64 wide;\n\t.reg .u32 at;\n\tcvta.to.shared::cluster.u64 wide, $0;\n\tcvt.u32.u64 at, wide;\n\t"
                 "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [at];\n\t}",
                 "l", 1, &there);
        return;
    }
    LLVMValueRef x[2] = {shared_at(p, op, 0)};
    if (op->n_operands < 3) {
        assembly(p, NULL, "mbarrier.arrive.shared::cta.b64 _, [$0];", "r", 1, x);
        return;
    }
    x[1] = narrow32(p, op, 2);
    assembly(p, NULL, "mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;", "r,r", 2, x);
}

static void wait_mbarrier(printer *p, const ir_op *op) {
    LLVMValueRef x[] = {shared_at(p, op, 0), narrow32(p, op, 2)};
    const char *scope = p->func->cluster ? ".acquire.cluster" : ""; /* other blocks may arrive there */
    assembly(p, NULL,
             arena_printf(p->a,
                          "{\n\t.reg .pred done;\n\tagain_${:uid}:\n\tmbarrier.try_wait.parity%s.shared::cta.b64 done, [$0], $1;\n\t"
                          "@!done bra again_${:uid};\n\t}",
                          scope),
             "r,r", 2, x);
}

/* ------------ copies */
/* Coordinates from operand c on: their places in the assembly, from `from` on, and their values behind x[n]. */
static const char *coordinates(printer *p, const ir_op *op, int c, int from, LLVMValueRef *x, int *n) {
    int rank = op->n_operands - c;
    for (int i = 0; i < rank; i++) x[(*n)++] = narrow32(p, op, c + i);
    return list(p, from, rank);
}

static const char *r_times(printer *p, int n) {
    const char *s = "";
    for (int i = 0; i < n; i++) s = arena_printf(p->a, "%s,r", s);
    return s;
}

static LLVMValueRef map_at(printer *p, const ir_op *op, int i) { return LLVMBuildPtrToInt(p->b, operand_of(p, op, i), i64(p), ""); }

static void load_tensor(printer *p, const ir_op *op) {
    LLVMValueRef x[9] = {shared_at(p, op, 0), map_at(p, op, 2), shared_at(p, op, 3)};
    int n = 3, rank = op->n_operands - 5;
    const char *c = coordinates(p, op, 5, 3, x, &n), *cast = "", *mask = "", *constraint = "";
    if (ir_has(op, IR_ATTR_ranks)) {
        cast = ".multicast::cluster", mask = arena_printf(p->a, ", $%d", n), constraint = ",h";
        x[n++] = const_int(int_type(p, 16, 1), ir_get_int(op, IR_ATTR_ranks, 0));
    }
    assembly(p, NULL,
             arena_printf(p->a, "cp.async.bulk.tensor.%dd.shared::cluster.global.tile.mbarrier::complete_tx::bytes%s [$0], [$1, %s], [$2]%s;", rank, cast, c, mask),
             arena_printf(p->a, "r,l,r%s%s", r_times(p, rank), constraint), n, x);
}

static void store_tensor(printer *p, const ir_op *op) {
    LLVMValueRef x[8] = {map_at(p, op, 0), shared_at(p, op, 1)};
    int n = 2, rank = op->n_operands - 3;
    const char *c = coordinates(p, op, 3, 2, x, &n);
    assembly(p, NULL, arena_printf(p->a, "cp.async.bulk.tensor.%dd.global.shared::cta.tile.bulk_group [$0, %s], [$1];", rank, c),
             arena_printf(p->a, "l,r%s", r_times(p, rank)), n, x);
}

static void load_bulk(printer *p, const ir_op *op) {
    frit_dtype t = (frit_dtype)ir_operand(op, 0)->type.dtype;
    LLVMValueRef x[] = {shared_at(p, op, 0), global_at(p, op, 2), bytes_of(p, op, 4, t), shared_at(p, op, 5)};
    assembly(p, NULL, "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [$0], [$1], $2, [$3];", "r,l,r,r", 4, x);
}

static void store_bulk(printer *p, const ir_op *op) {
    frit_dtype t = (frit_dtype)ir_operand(op, 0)->type.dtype;
    LLVMValueRef x[] = {global_at(p, op, 0), shared_at(p, op, 2), bytes_of(p, op, 4, t)};
    assembly(p, NULL, "cp.async.bulk.global.shared::cta.bulk_group [$0], [$1], $2;", "l,r,r", 3, x);
}

/* ------------ registers: a block of so many threads starts with an equal share of the multiprocessor's */
static int nvvm_registers_at_start(int threads) {
    enum { ALL = 65536, STEP = 8, MOST_REGISTERS = 255 };
    int n = ALL / (threads ? threads : 1) / STEP * STEP;
    return n > MOST_REGISTERS ? MOST_REGISTERS / STEP * STEP : n;
}

static void set_registers(printer *p, const ir_op *op) {
    int64_t n = ir_get_int(op, IR_ATTR_count, 0);
    bool more = n > nvvm_registers_at_start(p->func->threads);
    plain(p, arena_printf(p->a, "setmaxnreg.%s.sync.aligned.u32 %lld;", more ? "inc" : "dec", (long long)n));
}

/* ------------ clusters. Pointers into the cluster are generic: no LLVM before 21 has their address space. */
static void rank_of(printer *p, const ir_op *op) {
    LLVMValueRef v = assembly(p, i32(p), "mov.u32 $0, %cluster_ctarank;", "=r", 0, NULL);
    p->values[ir_result(op, 0)->id] = LLVMBuildZExt(p->b, v, i64(p), "");
}

static void reach(printer *p, const ir_op *op) {
    LLVMTypeRef generic = LLVMPointerTypeInContext(p->context, 0);
    LLVMValueRef here = LLVMBuildAddrSpaceCast(p->b, operand_of(p, op, 0), generic, "");
    LLVMValueRef x[] = {LLVMBuildPtrToInt(p->b, here, i64(p), ""), narrow32(p, op, 1)};
    LLVMValueRef v = assembly(p, i64(p), "mapa.u64 $0, $1, $2;", "=l,l,r", 2, x);
    p->values[ir_result(op, 0)->id] = LLVMBuildIntToPtr(p->b, v, generic, "");
}

bool nvvm_async(printer *p, const ir_op *op) {
    long long pending = (long long)ir_get_int(op, IR_ATTR_pending, 0);
    switch (op->code) {
    case IR_warp_barrier: plain(p, "bar.warp.sync 0xffffffff;"); return true;
    case IR_part_barrier:
        plain(p, arena_printf(p->a, "barrier.sync %lld, %lld;", (long long)ir_get_int(op, IR_ATTR_barrier, 1), (long long)ir_get_int(op, IR_ATTR_count, 0)));
        return true;
    case IR_fence_async: plain(p, "fence.proxy.async.shared::cta;"); return true;
    case IR_mbarrier_init: init_mbarrier(p, op); return true;
    case IR_mbarrier_arrive: arrive(p, op); return true;
    case IR_mbarrier_wait: wait_mbarrier(p, op); return true;
    case IR_tensor_map: return true; /* an argument, bound by then */
    case IR_tensor_load: load_tensor(p, op); return true;
    case IR_tensor_store: store_tensor(p, op); return true;
    case IR_bulk_load: load_bulk(p, op); return true;
    case IR_bulk_store: store_bulk(p, op); return true;
    case IR_bulk_commit: plain(p, "cp.async.bulk.commit_group;"); return true;
    case IR_bulk_wait:
        plain(p, arena_printf(p->a, "cp.async.bulk.wait_group%s %lld;", ir_get_int(op, IR_ATTR_reading, 0) ? ".read" : "", pending));
        return true;
    case IR_wgmma_fence: through(p, op, "wgmma.fence.sync.aligned;"); return true;
    case IR_wgmma: multiply(p, op); return true;
    case IR_wgmma_commit: plain(p, "wgmma.commit_group.sync.aligned;"); return true;
    case IR_wgmma_wait: through(p, op, arena_printf(p->a, "wgmma.wait_group.sync.aligned %lld;", pending)); return true;
    case IR_registers: set_registers(p, op); return true;
    case IR_cluster_rank: rank_of(p, op); return true;
    case IR_cluster_barrier: plain(p, "barrier.cluster.arrive.aligned;\n\tbarrier.cluster.wait.aligned;"); return true;
    case IR_cluster_ptr: reach(p, op); return true;
    default: return false;
    }
}
