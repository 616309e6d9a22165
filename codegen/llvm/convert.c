/* Conversions between dtypes. Narrow floats live in registers as their bits; what is not one machine instruction
 * everywhere is integer arithmetic, so that rounding, denormals and NaN are the same on every machine. */
#include "printer_internal.h"

static LLVMValueRef bits_of(printer *p, LLVMValueRef x, unsigned bits, int lanes) {
    return LLVMBuildBitCast(p->b, x, int_type(p, bits, lanes), "");
}
static LLVMValueRef f32_of(printer *p, LLVMValueRef x, int lanes) {
    return LLVMBuildBitCast(p->b, x, float_type(p, 32, lanes), "");
}
static LLVMValueRef and_k(printer *p, LLVMValueRef x, int64_t k) {
    return LLVMBuildAnd(p->b, x, const_int(LLVMTypeOf(x), k), "");
}
static LLVMValueRef add_k(printer *p, LLVMValueRef x, int64_t k) {
    return LLVMBuildAdd(p->b, x, const_int(LLVMTypeOf(x), k), "");
}
static LLVMValueRef shl_k(printer *p, LLVMValueRef x, int64_t k) {
    return LLVMBuildShl(p->b, x, const_int(LLVMTypeOf(x), k), "");
}
static LLVMValueRef shr_k(printer *p, LLVMValueRef x, int64_t k) {
    return LLVMBuildLShr(p->b, x, const_int(LLVMTypeOf(x), k), "");
}
static LLVMValueRef test_k(printer *p, LLVMIntPredicate c, LLVMValueRef x, int64_t k) {
    return LLVMBuildICmp(p->b, c, x, const_int(LLVMTypeOf(x), k), "");
}

/* ------------ narrow floats to f32: exact */
/* Behind the fence LLVM does not see that the number was an f16; it would do what follows in f16, which most machines
 * cannot. */
static LLVMValueRef half_to_f32(printer *p, LLVMValueRef x, int lanes) {
    LLVMTypeRef t = float_type(p, 32, lanes);
    x = LLVMBuildBitCast(p->b, x, float_type(p, 16, lanes), "");
    x = LLVMBuildFPExt(p->b, x, t, "");
    if (p->block) return x; /* GPUs compute in f16 */
    return shim_intrinsic(p->b, p->module, "llvm.arithmetic.fence", 1, &t, 1, &x);
}

/* The exponent and fraction, moved into place, make a float too small by 2^(127 - 7); the product is exact, also for
 * denormals. */
static LLVMValueRef e4m3_to_f32(printer *p, LLVMValueRef x, int lanes) {
    LLVMValueRef u = LLVMBuildZExt(p->b, x, int_type(p, 32, lanes), "");
    LLVMValueRef sign = shl_k(p, and_k(p, u, 0x80), 24), a = and_k(p, u, 0x7f);
    LLVMValueRef f = f32_of(p, shl_k(p, a, 20), lanes);
    f = LLVMBuildFMul(p->b, f, const_float(LLVMTypeOf(f), 0x1p120), "");
    LLVMValueRef nan = test_k(p, LLVMIntEQ, a, 0x7f);
    LLVMValueRef v = LLVMBuildSelect(p->b, nan, const_int(LLVMTypeOf(u), 0x7fc00000), bits_of(p, f, 32, lanes), "");
    return f32_of(p, LLVMBuildOr(p->b, v, sign, ""), lanes);
}

LLVMValueRef widen(printer *p, frit_dtype from, int lanes, LLVMValueRef x) {
    switch (from) {
    case FRIT_f16: return half_to_f32(p, x, lanes);
    case FRIT_bf16: return f32_of(p, shl_k(p, LLVMBuildZExt(p->b, x, int_type(p, 32, lanes), ""), 16), lanes);
    case FRIT_f8e5m2: /* the upper byte of an f16 */
        return half_to_f32(p, shl_k(p, LLVMBuildZExt(p->b, x, int_type(p, 16, lanes), ""), 8), lanes);
    case FRIT_f8e4m3: return e4m3_to_f32(p, x, lanes);
    default: return x;
    }
}

/* ------------ f32 to narrow floats: to nearest even */
/* Adds half a unit of the last kept bit, less one when that bit is even, and drops the rest. */
static LLVMValueRef round_bits(printer *p, LLVMValueRef u, int drop) {
    LLVMValueRef odd = and_k(p, shr_k(p, u, drop), 1);
    return shr_k(p, LLVMBuildAdd(p->b, add_k(p, u, (1 << (drop - 1)) - 1), odd, ""), drop);
}

static LLVMValueRef f32_to_bf16(printer *p, LLVMValueRef x, int lanes) {
    if (p->block && p->block->bf16) {
        LLVMTypeRef b = LLVMBFloatTypeInContext(p->context);
        return bits_of(p, LLVMBuildFPTrunc(p->b, x, same_lanes(LLVMTypeOf(x), b), ""), 16, lanes);
    }
    LLVMValueRef u = bits_of(p, x, 32, lanes);
    LLVMValueRef quiet = LLVMBuildOr(p->b, shr_k(p, u, 16), const_int(LLVMTypeOf(u), 0x40), "");
    LLVMValueRef nan = LLVMBuildFCmp(p->b, LLVMRealUNO, x, x, "");
    LLVMValueRef v = LLVMBuildSelect(p->b, nan, quiet, round_bits(p, u, 16), "");
    return LLVMBuildTrunc(p->b, v, int_type(p, 16, lanes), "");
}

typedef struct f8_format {
    int fraction;   /* bits */
    int bias;
    double max;     /* largest finite */
    double magic;   /* 2^23 units of the denormals */
    int nan;
} f8_format;

/* Saturates. Denormal results come from adding a number whose unit is theirs, so that the addition rounds. */
static LLVMValueRef f32_to_f8(printer *p, LLVMValueRef x, int lanes, const f8_format *f) {
    LLVMTypeRef f32 = float_type(p, 32, lanes), i32 = int_type(p, 32, lanes);
    LLVMValueRef u = bits_of(p, x, 32, lanes), sign = and_k(p, shr_k(p, u, 24), 0x80);
    LLVMValueRef a = f32_of(p, and_k(p, u, 0x7fffffff), lanes), max = const_float(f32, f->max);
    LLVMValueRef c = LLVMBuildSelect(p->b, LLVMBuildFCmp(p->b, LLVMRealOLT, a, max, ""), a, max, "");
    LLVMValueRef magic = const_float(f32, f->magic);
    LLVMValueRef tiny = LLVMBuildSub(p->b, bits_of(p, LLVMBuildFAdd(p->b, c, magic, ""), 32, lanes),
                                     bits_of(p, magic, 32, lanes), "");
    LLVMValueRef normal = add_k(p, round_bits(p, bits_of(p, c, 32, lanes), 23 - f->fraction),
                                -((int64_t)(127 - f->bias) << f->fraction));
    double least = f->magic * 0x1p-23 * (1 << f->fraction);
    LLVMValueRef is_tiny = LLVMBuildFCmp(p->b, LLVMRealOLT, c, const_float(f32, least), "");
    LLVMValueRef v = LLVMBuildSelect(p->b, is_tiny, tiny, normal, "");
    LLVMValueRef nan = LLVMBuildFCmp(p->b, LLVMRealUNO, x, x, "");
    v = LLVMBuildSelect(p->b, nan, const_int(i32, f->nan), v, "");
    return LLVMBuildTrunc(p->b, LLVMBuildOr(p->b, v, sign, ""), int_type(p, 8, lanes), "");
}

LLVMValueRef narrow(printer *p, frit_dtype to, int lanes, LLVMValueRef x) {
    static const f8_format e4m3 = {3, 7, 448, 0x1p14, 0x7f}, e5m2 = {2, 15, 57344, 0x1p7, 0x7e};
    switch (to) {
    case FRIT_f16: return bits_of(p, LLVMBuildFPTrunc(p->b, x, float_type(p, 16, lanes), ""), 16, lanes);
    case FRIT_bf16: return f32_to_bf16(p, x, lanes);
    case FRIT_f8e4m3: return f32_to_f8(p, x, lanes, &e4m3);
    case FRIT_f8e5m2: return f32_to_f8(p, x, lanes, &e5m2);
    default: return x;
    }
}

/* f64 to f32, rounding to odd: an inexact result has its last bit set, so that a second rounding to a type with at
 * least two bits less gives what one rounding would have given (Boldo and Melquiond, "Emulation of FMA and correctly
 * rounded sums", 2008, section 3). */
static LLVMValueRef f64_to_f32_odd(printer *p, LLVMValueRef x, int lanes) {
    LLVMTypeRef f64 = float_type(p, 64, lanes);
    LLVMValueRef y = LLVMBuildFPTrunc(p->b, x, float_type(p, 32, lanes), "");
    LLVMValueRef back = LLVMBuildFPExt(p->b, y, f64, ""), u = bits_of(p, y, 32, lanes);
    LLVMValueRef inexact = LLVMBuildFCmp(p->b, LLVMRealONE, back, x, "");
    LLVMValueRef even = test_k(p, LLVMIntEQ, and_k(p, u, 1), 0);
    LLVMValueRef ax = and_k(p, bits_of(p, x, 64, lanes), INT64_MAX),
                 aback = and_k(p, bits_of(p, back, 64, lanes), INT64_MAX);
    LLVMValueRef less = LLVMBuildICmp(p->b, LLVMIntULT, aback, ax, "");
    LLVMValueRef odd = LLVMBuildSelect(p->b, less, add_k(p, u, 1), add_k(p, u, -1), "");
    return f32_of(p, LLVMBuildSelect(p->b, LLVMBuildAnd(p->b, inexact, even, ""), odd, u, ""), lanes);
}

/* ------------ by kind */
static LLVMValueRef float_to_float(printer *p, frit_dtype from, frit_dtype to, int lanes, LLVMValueRef x) {
    if (is_narrow_float(from)) {
        x = widen(p, from, lanes, x);
        from = FRIT_f32;
    }
    if (from == to) return x;
    if (to == FRIT_f64) return LLVMBuildFPExt(p->b, x, float_type(p, 64, lanes), "");
    if (to == FRIT_f32) return LLVMBuildFPTrunc(p->b, x, float_type(p, 32, lanes), "");
    if (from == FRIT_f64) x = f64_to_f32_odd(p, x, lanes);
    return narrow(p, to, lanes, x);
}

/* x if it is more (or less) than k, else k; a NaN stays. */
static LLVMValueRef limited(printer *p, LLVMValueRef x, double k, LLVMRealPredicate beyond) {
    LLVMValueRef limit = const_float(LLVMTypeOf(x), k);
    return LLVMBuildSelect(p->b, LLVMBuildFCmp(p->b, beyond, x, limit, ""), limit, x, "");
}

/* Floats as 32 bits in a whole vector: LLVM takes the saturating conversion of a vector apart where the machine has none. */
static LLVMValueRef lanes_to_int(printer *p, frit_dtype from, frit_dtype to, int lanes, LLVMValueRef x) {
    unsigned bits = frit_dtype_bits(to);
    int64_t hi = is_signed(to) ? (INT64_C(1) << (bits - 1)) - 1 : (INT64_C(1) << bits) - 1, lo = is_signed(to) ? -hi - 1 : 0;
    LLVMTypeRef t = int_type(p, 32, lanes);
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(x)), over = NULL;
    x = LLVMBuildSelect(p->b, LLVMBuildFCmp(p->b, LLVMRealORD, x, x, ""), x, zero, "");
    x = limited(p, x, (double)lo, LLVMRealOLT);
    if (bits < 32 || from == FRIT_f64) {
        x = limited(p, x, (double)hi, LLVMRealOGT);
    } else { /* the highest integer is no f32 */
        over = LLVMBuildFCmp(p->b, LLVMRealOGE, x, const_float(LLVMTypeOf(x), 0x1p31), "");
        x = LLVMBuildSelect(p->b, over, zero, x, "");
    }
    LLVMValueRef v = LLVMBuildFPToSI(p->b, x, t, "");
    if (over) v = LLVMBuildSelect(p->b, over, const_int(t, hi), v, "");
    return bits == 32 ? v : LLVMBuildTrunc(p->b, v, int_type(p, bits, lanes), "");
}

/* LLVM's saturating conversions also give 0 for NaN. They are asked for at 32 bits at least, where machines have
 * instructions; the clamp to fewer bits is an integer's. */
static LLVMValueRef float_to_int(printer *p, frit_dtype from, frit_dtype to, int lanes, LLVMValueRef x) {
    x = widen(p, from, lanes, x);
    unsigned bits = frit_dtype_bits(to), wide = bits < 32 ? 32 : bits;
    LLVMTypeRef t[2] = {int_type(p, wide, lanes), LLVMTypeOf(x)};
    bool sign = is_signed(to) || bits < 32;
    if (lanes > 1 && wide == 32 && sign && !p->block) return lanes_to_int(p, from, to, lanes, x);
    LLVMValueRef v = shim_intrinsic(p->b, p->module, sign ? "llvm.fptosi.sat" : "llvm.fptoui.sat", 2, t, 1, &x);
    if (bits == wide) return v;
    int64_t hi = is_signed(to) ? (1 << (bits - 1)) - 1 : (1 << bits) - 1, lo = is_signed(to) ? -hi - 1 : 0;
    v = shim_intrinsic(p->b, p->module, "llvm.smin", 1, t, 2, (LLVMValueRef[]){v, const_int(t[0], hi)});
    v = shim_intrinsic(p->b, p->module, "llvm.smax", 1, t, 2, (LLVMValueRef[]){v, const_int(t[0], lo)});
    return LLVMBuildTrunc(p->b, v, int_type(p, bits, lanes), "");
}

static LLVMValueRef int_to_float(printer *p, frit_dtype from, frit_dtype to, int lanes, LLVMValueRef x) {
    unsigned bits = frit_dtype_bits(from);
    frit_dtype via = !is_narrow_float(to) ? to : bits < 32 ? FRIT_f32 : FRIT_f64;
    LLVMTypeRef t = reg_type(p, via, lanes);
    LLVMValueRef v = is_signed(from) ? LLVMBuildSIToFP(p->b, x, t, "") : LLVMBuildUIToFP(p->b, x, t, "");
    return float_to_float(p, via, to, lanes, v);
}

static LLVMValueRef int_to_int(printer *p, frit_dtype from, frit_dtype to, int lanes, LLVMValueRef x) {
    LLVMTypeRef t = reg_type(p, to, lanes);
    unsigned have = from == FRIT_bool ? 1 : frit_dtype_bits(from), want = frit_dtype_bits(to);
    if (have == want) return x;
    if (have > want) return LLVMBuildTrunc(p->b, x, t, "");
    return is_signed(from) ? LLVMBuildSExt(p->b, x, t, "") : LLVMBuildZExt(p->b, x, t, "");
}

static LLVMValueRef to_bool(printer *p, frit_dtype from, int lanes, LLVMValueRef x) {
    if (!frit_dtype_is_float(from)) return test_k(p, LLVMIntNE, x, 0);
    x = widen(p, from, lanes, x);
    return LLVMBuildFCmp(p->b, LLVMRealUNE, x, const_float(LLVMTypeOf(x), 0), "");
}

LLVMValueRef convert(printer *p, frit_dtype from, frit_dtype to, int lanes, LLVMValueRef x) {
    if (from == to) return x;
    bool ff = frit_dtype_is_float(from), tf = frit_dtype_is_float(to);
    if (to == FRIT_bool) return to_bool(p, from, lanes, x);
    if (ff && tf) return float_to_float(p, from, to, lanes, x);
    if (ff) return float_to_int(p, from, to, lanes, x);
    return tf ? int_to_float(p, from, to, lanes, x) : int_to_int(p, from, to, lanes, x);
}
