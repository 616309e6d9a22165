/* LLVM types and constants for thread IR's. */
#include "printer_internal.h"
#include <stdlib.h>
#include <string.h>

static LLVMTypeRef vector(LLVMTypeRef t, int lanes) { return lanes > 1 ? LLVMVectorType(t, (unsigned)lanes) : t; }

LLVMTypeRef int_type(printer *p, unsigned bits, int lanes) {
    return vector(LLVMIntTypeInContext(p->context, bits), lanes);
}

LLVMTypeRef float_type(printer *p, unsigned bits, int lanes) {
    LLVMTypeRef t = bits == 64   ? LLVMDoubleTypeInContext(p->context)
                    : bits == 32 ? LLVMFloatTypeInContext(p->context)
                                 : LLVMHalfTypeInContext(p->context);
    return vector(t, lanes);
}

bool is_narrow_float(frit_dtype t) { return frit_dtype_is_float(t) && frit_dtype_bits(t) < 32; }
bool is_signed(frit_dtype t) { return frit_dtype_kind_of(t) == FRIT_KIND_SINT; }
bool is_nibble(frit_dtype t) { return frit_dtype_bits(t) == 4; }

LLVMTypeRef reg_type(printer *p, frit_dtype t, int lanes) {
    if (t == FRIT_bool) return int_type(p, 1, lanes);
    if (t == FRIT_f64 || t == FRIT_f32) return float_type(p, frit_dtype_bits(t), lanes);
    return int_type(p, frit_dtype_bits(t), lanes);
}

LLVMTypeRef mem_type(printer *p, frit_dtype t, int lanes) {
    return t == FRIT_bool ? int_type(p, 8, lanes) : reg_type(p, t, lanes);
}

LLVMTypeRef printer_type(printer *p, ir_type t) {
    if (t.kind == IR_PTR) return LLVMPointerTypeInContext(p->context, p->block ? p->block->spaces[t.space] : 0);
    return reg_type(p, (frit_dtype)t.dtype, t.lanes);
}

static bool is_vector(LLVMTypeRef t) { return LLVMGetTypeKind(t) == LLVMVectorTypeKind; }

LLVMTypeRef same_lanes(LLVMTypeRef like, LLVMTypeRef element) {
    return is_vector(like) ? LLVMVectorType(element, LLVMGetVectorSize(like)) : element;
}

static LLVMValueRef repeat(LLVMTypeRef t, LLVMValueRef scalar) {
    if (!is_vector(t)) return scalar;
    enum { MAX_LANES = UINT16_MAX }; /* what ir_type can say */
    LLVMValueRef few[64], *v = few;
    unsigned n = LLVMGetVectorSize(t);
    if (n > 64) v = malloc(MAX_LANES * sizeof *v);
    if (!v) abort();
    for (unsigned i = 0; i < n; i++) v[i] = scalar;
    LLVMValueRef all = LLVMConstVector(v, n);
    if (v != few) free(v);
    return all;
}

LLVMValueRef const_int(LLVMTypeRef t, int64_t v) {
    LLVMTypeRef e = is_vector(t) ? LLVMGetElementType(t) : t;
    return repeat(t, LLVMConstInt(e, (uint64_t)v, false));
}

LLVMValueRef const_float(LLVMTypeRef t, double v) {
    LLVMTypeRef e = is_vector(t) ? LLVMGetElementType(t) : t;
    return repeat(t, LLVMConstReal(e, v));
}

LLVMValueRef splat(printer *p, LLVMValueRef x, int lanes) {
    if (lanes == 1) return x;
    LLVMTypeRef t = LLVMVectorType(LLVMTypeOf(x), (unsigned)lanes), i32 = int_type(p, 32, 1);
    LLVMValueRef v = LLVMBuildInsertElement(p->b, LLVMGetPoison(t), x, LLVMConstInt(i32, 0, false), "");
    return LLVMBuildShuffleVector(p->b, v, LLVMGetPoison(t), LLVMConstNull(LLVMVectorType(i32, (unsigned)lanes)), "");
}

/* Bits, not numbers: a NaN's payload and a signed zero survive. */
static LLVMValueRef element(printer *p, frit_dtype t, const void *data, int64_t i) {
    LLVMTypeRef type = reg_type(p, t, 1);
    if (!frit_dtype_is_float(t)) return LLVMConstInt(type, (uint64_t)frit_load_int(t, data, i), false);
    unsigned bytes = frit_dtype_bits(t) / 8;
    uint64_t bits = 0;
    memcpy(&bits, (const char *)data + i * (int64_t)bytes, bytes);
    LLVMValueRef v = LLVMConstInt(int_type(p, bytes * 8, 1), bits, false);
    return is_narrow_float(t) ? v : LLVMConstBitCast(v, type);
}

LLVMValueRef print_constant(printer *p, const ir_op *op) {
    const ir_attr *value = ir_attr_get(op, IR_ATTR_value);
    frit_dtype t = (frit_dtype)ir_result(op, 0)->type.dtype;
    int lanes = lanes_of(ir_result(op, 0));
    LLVMTypeRef type = reg_type(p, t, lanes);
    if (lanes == 1 || value->data.bytes < frit_dtype_bytes(t, lanes))
        return repeat(type, element(p, t, value->data.p, 0));
    LLVMValueRef *v = arena_array(p->a, LLVMValueRef, lanes);
    for (int i = 0; i < lanes; i++) v[i] = element(p, t, value->data.p, i);
    return LLVMConstVector(v, (unsigned)lanes);
}
