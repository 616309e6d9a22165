/* Index arithmetic of GPUs in 32 bits where the ranges of values (passes/ranges.h) allow it. LLVM is told that nothing
 * overflows, so that it moves constants into the offsets of instructions as it does in 64 bits. */
#include "passes/ranges.h"
#include "printer_internal.h"

static bool is_nonnegative(const printer *p, const ir_value *v) { return p->ranges[v->id].lo >= 0; }

bool fits_narrow(const printer *p, const ir_value *v) {
    return p->ranges && v->type.kind == IR_VECTOR && v->type.dtype == FRIT_i64 && range_fits_i32(p->ranges[v->id]);
}

LLVMValueRef narrow_of(printer *p, const ir_value *v) {
    if (p->narrow[v->id]) return p->narrow[v->id];
    return LLVMBuildTrunc(p->b, value_of(p, v), int_type(p, 32, lanes_of(v)), "");
}

void bind_narrow(printer *p, const ir_value *v, LLVMValueRef x) {
    LLVMTypeRef wide = int_type(p, 64, lanes_of(v));
    p->narrow[v->id] = x;
    p->values[v->id] = is_nonnegative(p, v) ? LLVMBuildZExt(p->b, x, wide, "") : LLVMBuildSExt(p->b, x, wide, "");
    if (is_nonnegative(p, v) && LLVMIsAZExtInst(p->values[v->id])) LLVMSetNNeg(p->values[v->id], true);
}

static LLVMValueRef call2(printer *p, const char *name, LLVMValueRef x, LLVMValueRef y) {
    LLVMTypeRef t = LLVMTypeOf(x);
    return shim_intrinsic(p->b, p->module, name, 1, &t, 2, (LLVMValueRef[]){x, y});
}

static LLVMValueRef without_overflow(LLVMValueRef v, bool nonnegative) {
    if (!LLVMIsAInstruction(v)) return v;
    LLVMSetNSW(v, true);
    if (nonnegative) LLVMSetNUW(v, true);
    return v;
}

static LLVMValueRef ramp(printer *p, LLVMValueRef x, int lanes) {
    LLVMValueRef *v = arena_array(p->a, LLVMValueRef, lanes);
    for (int i = 0; i < lanes; i++) v[i] = LLVMConstInt(int_type(p, 32, 1), (uint64_t)i, false);
    return LLVMBuildAdd(p->b, splat(p, x, lanes), LLVMConstVector(v, (unsigned)lanes), "");
}

static LLVMValueRef print(printer *p, const ir_op *op, LLVMValueRef *x) {
    bool nonnegative = is_nonnegative(p, ir_result(op, 0));
    for (int i = op->code == IR_select; i < op->n_operands; i++) nonnegative &= is_nonnegative(p, ir_operand(op, i));
    switch (op->code) {
    case IR_add: return without_overflow(LLVMBuildAdd(p->b, x[0], x[1], ""), nonnegative);
    case IR_sub: return without_overflow(LLVMBuildSub(p->b, x[0], x[1], ""), nonnegative);
    case IR_mul: return without_overflow(LLVMBuildMul(p->b, x[0], x[1], ""), nonnegative);
    case IR_shl: return without_overflow(LLVMBuildShl(p->b, x[0], x[1], ""), nonnegative);
    case IR_neg: return without_overflow(LLVMBuildNeg(p->b, x[0], ""), false);
    case IR_shr: return LLVMBuildAShr(p->b, x[0], x[1], "");
    case IR_and: return LLVMBuildAnd(p->b, x[0], x[1], "");
    case IR_or: return LLVMBuildOr(p->b, x[0], x[1], "");
    case IR_xor: return LLVMBuildXor(p->b, x[0], x[1], "");
    case IR_min: return call2(p, "llvm.smin", x[0], x[1]);
    case IR_max: return call2(p, "llvm.smax", x[0], x[1]);
    case IR_select: return LLVMBuildSelect(p->b, x[0], x[1], x[2], "");
    default: return NULL;
    }
}

static LLVMValueRef compare(printer *p, const ir_op *op) {
    LLVMIntPredicate how = op->code == IR_eq ? LLVMIntEQ : op->code == IR_ne ? LLVMIntNE : op->code == IR_lt ? LLVMIntSLT : LLVMIntSLE;
    return LLVMBuildICmp(p->b, how, narrow_of(p, ir_operand(op, 0)), narrow_of(p, ir_operand(op, 1)), "");
}

static bool print_lanes(printer *p, const ir_op *op) {
    const ir_value *v = ir_result(op, 0);
    if (lanes_of(v) == 1 || (op->code != IR_splat && op->code != IR_ramp)) return false;
    LLVMValueRef x = narrow_of(p, ir_operand(op, 0));
    bind_narrow(p, v, op->code == IR_splat ? splat(p, x, lanes_of(v)) : ramp(p, x, lanes_of(v)));
    return true;
}

bool print_narrow_op(printer *p, const ir_op *op) {
    if (!p->ranges) return false;
    if ((ir_op_flags(op) & IR_F_COMPARE) && fits_narrow(p, ir_operand(op, 0)) && fits_narrow(p, ir_operand(op, 1))) {
        p->values[ir_result(op, 0)->id] = compare(p, op);
        return true;
    }
    if (!ranges_narrow_op(p->ranges, op)) return false;
    if (op->code == IR_splat || op->code == IR_ramp || op->code == IR_extract) return print_lanes(p, op);
    LLVMValueRef x[3];
    for (int i = 0; i < op->n_operands; i++)
        x[i] = op->code == IR_select && i == 0 ? operand_of(p, op, 0) : narrow_of(p, ir_operand(op, i));
    bind_narrow(p, ir_result(op, 0), print(p, op, x));
    return true;
}
