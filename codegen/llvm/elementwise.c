/* Elementwise ops: a table from opcode to the function that prints it. Every op is total, so integer division and
 * shifts carry the selects that make them so (LLVM drops them where an operand is a constant). */
#include "printer_internal.h"

/* One application: operands x of dtype t. */
typedef struct ew {
    printer *p;
    const ir_op *op;
    frit_dtype t;
    int lanes;
    LLVMTypeRef type; /* of operands of dtype t */
    LLVMValueRef *x;
} ew;

static bool is_float(const ew *e) { return frit_dtype_is_float(e->t); }
static unsigned width(const ew *e) { return frit_dtype_bits(e->t); }

static LLVMValueRef call(const ew *e, const char *name, int n, LLVMValueRef x, LLVMValueRef y, LLVMValueRef z) {
    LLVMTypeRef t = LLVMTypeOf(x);
    return shim_intrinsic(e->p->b, e->p->module, name, 1, &t, n, (LLVMValueRef[]){x, y, z});
}

/* ------------ arithmetic; on bool sum is or, product is and, since what is stored is x != 0 */
static LLVMValueRef ew_add(ew *e) {
    LLVMBuilderRef b = e->p->b;
    if (is_float(e)) return LLVMBuildFAdd(b, e->x[0], e->x[1], "");
    return e->t == FRIT_bool ? LLVMBuildOr(b, e->x[0], e->x[1], "") : LLVMBuildAdd(b, e->x[0], e->x[1], "");
}
static LLVMValueRef ew_sub(ew *e) {
    LLVMBuilderRef b = e->p->b;
    return is_float(e) ? LLVMBuildFSub(b, e->x[0], e->x[1], "") : LLVMBuildSub(b, e->x[0], e->x[1], "");
}
static LLVMValueRef ew_mul(ew *e) {
    LLVMBuilderRef b = e->p->b;
    return is_float(e) ? LLVMBuildFMul(b, e->x[0], e->x[1], "") : LLVMBuildMul(b, e->x[0], e->x[1], "");
}
static LLVMValueRef ew_div(ew *e) { return LLVMBuildFDiv(e->p->b, e->x[0], e->x[1], ""); }
static LLVMValueRef ew_fma(ew *e) {
    if (is_float(e)) return call(e, "llvm.fma", 3, e->x[0], e->x[1], e->x[2]);
    LLVMValueRef xy = LLVMBuildMul(e->p->b, e->x[0], e->x[1], "");
    return e->t == FRIT_bool ? LLVMBuildOr(e->p->b, xy, e->x[2], "") : LLVMBuildAdd(e->p->b, xy, e->x[2], "");
}
static LLVMValueRef ew_neg(ew *e) {
    if (e->t == FRIT_bool) return e->x[0];
    return is_float(e) ? LLVMBuildFNeg(e->p->b, e->x[0], "") : LLVMBuildNeg(e->p->b, e->x[0], "");
}
static LLVMValueRef ew_abs(ew *e) {
    if (is_float(e)) return call(e, "llvm.fabs", 1, e->x[0], NULL, NULL);
    if (!is_signed(e->t)) return e->x[0];
    return call(e, "llvm.abs", 2, e->x[0], LLVMConstInt(int_type(e->p, 1, 1), 0, false), NULL);
}

static LLVMValueRef ew_sign(ew *e) {
    LLVMBuilderRef b = e->p->b;
    LLVMValueRef x = e->x[0];
    if (is_float(e)) { /* zeros and NaN pass through */
        LLVMValueRef some = LLVMBuildFCmp(b, LLVMRealONE, x, const_float(e->type, 0), "");
        return LLVMBuildSelect(b, some, call(e, "llvm.copysign", 2, const_float(e->type, 1), x, NULL), x, "");
    }
    LLVMValueRef zero = const_int(e->type, 0);
    LLVMValueRef some = LLVMBuildZExtOrBitCast(b, LLVMBuildICmp(b, LLVMIntNE, x, zero, ""), e->type, "");
    if (!is_signed(e->t)) return some;
    return LLVMBuildOr(b, LLVMBuildAShr(b, x, const_int(e->type, width(e) - 1), ""), some, "");
}

static LLVMValueRef ew_min(ew *e) {
    return call(e,
                is_float(e)       ? "llvm.minimum"
                : is_signed(e->t) ? "llvm.smin"
                                  : "llvm.umin",
                2, e->x[0], e->x[1], NULL);
}
static LLVMValueRef ew_max(ew *e) {
    return call(e,
                is_float(e)       ? "llvm.maximum"
                : is_signed(e->t) ? "llvm.smax"
                                  : "llvm.umax",
                2, e->x[0], e->x[1], NULL);
}
static LLVMValueRef ew_floor(ew *e) { return call(e, "llvm.floor", 1, e->x[0], NULL, NULL); }
static LLVMValueRef ew_ceil(ew *e) { return call(e, "llvm.ceil", 1, e->x[0], NULL, NULL); }
static LLVMValueRef ew_round(ew *e) { return call(e, "llvm.roundeven", 1, e->x[0], NULL, NULL); }
static LLVMValueRef ew_trunc(ew *e) { return call(e, "llvm.trunc", 1, e->x[0], NULL, NULL); }
static LLVMValueRef ew_sqrt(ew *e) { return call(e, "llvm.sqrt", 1, e->x[0], NULL, NULL); }
static LLVMValueRef ew_rsqrt(ew *e) { return LLVMBuildFDiv(e->p->b, const_float(e->type, 1), ew_sqrt(e), ""); }

/* ------------ integer division */
/* x / y and x % y toward zero with a divisor that cannot trap; y == 0 is told by `zero`. */
typedef struct quotient {
    LLVMValueRef q, r, zero, divisor;
} quotient;

static quotient divide(ew *e) {
    LLVMBuilderRef b = e->p->b;
    LLVMValueRef x = e->x[0], y = e->x[1], bad;
    quotient d;
    bad = d.zero = LLVMBuildICmp(b, LLVMIntEQ, y, const_int(e->type, 0), "");
    if (is_signed(e->t)) { /* the smallest / -1: dividing by 1 gives what wraps */
        LLVMValueRef least =
            LLVMBuildICmp(b, LLVMIntEQ, x, const_int(e->type, (int64_t)(UINT64_MAX << (width(e) - 1))), "");
        LLVMValueRef minus = LLVMBuildICmp(b, LLVMIntEQ, y, const_int(e->type, -1), "");
        bad = LLVMBuildOr(b, bad, LLVMBuildAnd(b, least, minus, ""), "");
    }
    d.divisor = LLVMBuildSelect(b, bad, const_int(e->type, 1), y, "");
    d.q = is_signed(e->t) ? LLVMBuildSDiv(b, x, d.divisor, "") : LLVMBuildUDiv(b, x, d.divisor, "");
    d.r = LLVMBuildSub(b, x, LLVMBuildMul(b, d.q, d.divisor, ""), "");
    return d;
}

static LLVMValueRef zero_if(ew *e, LLVMValueRef cond, LLVMValueRef x) {
    return LLVMBuildSelect(e->p->b, cond, const_int(e->type, 0), x, "");
}

/* The remainder is not 0 and its sign differs from the divisor's: floor is one below. */
static LLVMValueRef below(ew *e, const quotient *d) {
    LLVMBuilderRef b = e->p->b;
    LLVMValueRef zero = const_int(e->type, 0), sign = LLVMBuildXor(b, d->r, d->divisor, "");
    return LLVMBuildAnd(b, LLVMBuildICmp(b, LLVMIntNE, d->r, zero, ""), LLVMBuildICmp(b, LLVMIntSLT, sign, zero, ""),
                        "");
}

static LLVMValueRef ew_truncdiv(ew *e) {
    quotient d = divide(e);
    return zero_if(e, d.zero, d.q);
}
static LLVMValueRef ew_rem(ew *e) {
    quotient d = divide(e);
    return zero_if(e, d.zero, d.r);
}
static LLVMValueRef ew_floordiv(ew *e) {
    quotient d = divide(e);
    if (is_signed(e->t)) d.q = LLVMBuildAdd(e->p->b, d.q, LLVMBuildSExt(e->p->b, below(e, &d), e->type, ""), "");
    return zero_if(e, d.zero, d.q);
}
static LLVMValueRef ew_mod(ew *e) {
    quotient d = divide(e);
    if (is_signed(e->t)) {
        LLVMValueRef up = LLVMBuildSelect(e->p->b, below(e, &d), d.divisor, const_int(e->type, 0), "");
        d.r = LLVMBuildAdd(e->p->b, d.r, up, "");
    }
    return zero_if(e, d.zero, d.r);
}

/* ------------ bits */
static LLVMValueRef ew_and(ew *e) { return LLVMBuildAnd(e->p->b, e->x[0], e->x[1], ""); }
static LLVMValueRef ew_or(ew *e) { return LLVMBuildOr(e->p->b, e->x[0], e->x[1], ""); }
static LLVMValueRef ew_xor(ew *e) { return LLVMBuildXor(e->p->b, e->x[0], e->x[1], ""); }
static LLVMValueRef ew_not(ew *e) { return LLVMBuildNot(e->p->b, e->x[0], ""); }

/* As unsigned numbers, negative counts are too large as well. */
static LLVMValueRef in_width(ew *e) {
    return LLVMBuildICmp(e->p->b, LLVMIntULT, e->x[1], const_int(e->type, width(e)), "");
}
static LLVMValueRef ew_shl(ew *e) {
    LLVMValueRef v = LLVMBuildShl(e->p->b, e->x[0], e->x[1], "");
    return LLVMBuildSelect(e->p->b, in_width(e), v, const_int(e->type, 0), "");
}
static LLVMValueRef ew_shr(ew *e) {
    LLVMBuilderRef b = e->p->b;
    if (!is_signed(e->t))
        return LLVMBuildSelect(b, in_width(e), LLVMBuildLShr(b, e->x[0], e->x[1], ""), const_int(e->type, 0), "");
    LLVMValueRef n = LLVMBuildSelect(b, in_width(e), e->x[1], const_int(e->type, width(e) - 1), "");
    return LLVMBuildAShr(b, e->x[0], n, "");
}
static LLVMValueRef ew_popcount(ew *e) { return call(e, "llvm.ctpop", 1, e->x[0], NULL, NULL); }
static LLVMValueRef ew_clz(ew *e) {
    return call(e, "llvm.ctlz", 2, e->x[0], LLVMConstInt(int_type(e->p, 1, 1), 0, false), NULL);
}

/* ------------ comparison */
static LLVMValueRef compare(ew *e, LLVMRealPredicate f, LLVMIntPredicate s, LLVMIntPredicate u) {
    if (is_float(e)) return LLVMBuildFCmp(e->p->b, f, e->x[0], e->x[1], "");
    return LLVMBuildICmp(e->p->b, is_signed(e->t) ? s : u, e->x[0], e->x[1], "");
}
static LLVMValueRef ew_eq(ew *e) { return compare(e, LLVMRealOEQ, LLVMIntEQ, LLVMIntEQ); }
static LLVMValueRef ew_ne(ew *e) { return compare(e, LLVMRealUNE, LLVMIntNE, LLVMIntNE); }
static LLVMValueRef ew_lt(ew *e) { return compare(e, LLVMRealOLT, LLVMIntSLT, LLVMIntULT); }
static LLVMValueRef ew_le(ew *e) { return compare(e, LLVMRealOLE, LLVMIntSLE, LLVMIntULE); }

/* ------------ choice and conversion: on bits, never widened */
static LLVMValueRef ew_select(ew *e) { return LLVMBuildSelect(e->p->b, e->x[0], e->x[1], e->x[2], ""); }
static LLVMValueRef ew_cast(ew *e) {
    return convert(e->p, e->t, (frit_dtype)ir_result(e->op, 0)->type.dtype, e->lanes, e->x[0]);
}
static LLVMValueRef ew_bitcast(ew *e) {
    frit_dtype to = (frit_dtype)ir_result(e->op, 0)->type.dtype;
    LLVMValueRef x = e->x[0];
    if (e->t == to) return x;
    if (e->t == FRIT_bool) x = LLVMBuildZExt(e->p->b, x, int_type(e->p, 8, e->lanes), "");
    if (to == FRIT_bool) return LLVMBuildICmp(e->p->b, LLVMIntNE, x, const_int(LLVMTypeOf(x), 0), "");
    return LLVMBuildBitCast(e->p->b, x, reg_type(e->p, to, e->lanes), "");
}

typedef LLVMValueRef (*ew_printer)(ew *e);
static const ew_printer table[IR_OPCODE_COUNT] = {
    [IR_add] = ew_add,           [IR_sub] = ew_sub,     [IR_mul] = ew_mul,           [IR_div] = ew_div,
    [IR_floordiv] = ew_floordiv, [IR_mod] = ew_mod,     [IR_rem] = ew_rem,           [IR_truncdiv] = ew_truncdiv,
    [IR_fma] = ew_fma,           [IR_neg] = ew_neg,     [IR_abs] = ew_abs,           [IR_sign] = ew_sign,
    [IR_min] = ew_min,           [IR_max] = ew_max,     [IR_floor] = ew_floor,       [IR_ceil] = ew_ceil,
    [IR_round] = ew_round,       [IR_trunc] = ew_trunc, [IR_sqrt] = ew_sqrt,         [IR_rsqrt] = ew_rsqrt,
    [IR_and] = ew_and,           [IR_or] = ew_or,       [IR_xor] = ew_xor,           [IR_not] = ew_not,
    [IR_shl] = ew_shl,           [IR_shr] = ew_shr,     [IR_popcount] = ew_popcount, [IR_clz] = ew_clz,
    [IR_eq] = ew_eq,             [IR_ne] = ew_ne,       [IR_lt] = ew_lt,             [IR_le] = ew_le,
    [IR_select] = ew_select,     [IR_cast] = ew_cast,   [IR_bitcast] = ew_bitcast,
};

/* Narrow floats compute in f32 and round. */
static LLVMValueRef in_f32(printer *p, const ir_op *op, frit_dtype t, int lanes, LLVMValueRef *x) {
    LLVMValueRef wide[3];
    for (int i = 0; i < op->n_operands; i++) wide[i] = widen(p, t, lanes, x[i]);
    ew e = {p, op, FRIT_f32, lanes, float_type(p, 32, lanes), wide};
    LLVMValueRef v = table[op->code](&e);
    return ir_op_flags(op) & IR_F_COMPARE ? v : narrow(p, t, lanes, v);
}

static bool works_on_bits(ir_opcode c) { return c == IR_select || c == IR_cast || c == IR_bitcast; }

/* fmod-like ops of floats and transcendental ops have no instruction: passes/expand_math.c removes them. */
static bool must_be_expanded(const ir_op *op, frit_dtype t) {
    bool division = op->code == IR_floordiv || op->code == IR_mod || op->code == IR_rem;
    return !table[op->code] || (division && frit_dtype_is_float(t));
}

LLVMValueRef print_elementwise(printer *p, const ir_op *op, frit_dtype t, int lanes, LLVMValueRef *x) {
    if (must_be_expanded(op, t)) {
        printer_fail(p, op, "must be expanded before code is printed");
        return NULL;
    }
    if (is_narrow_float(t) && !works_on_bits(op->code)) return in_f32(p, op, t, lanes, x);
    ew e = {p, op, t, lanes, reg_type(p, t, lanes), x};
    return table[op->code](&e);
}

LLVMValueRef combine(printer *p, ir_combine c, frit_dtype t, int lanes, LLVMValueRef x, LLVMValueRef y) {
    static const ew_printer combines[IR_COMBINE_COUNT] = {[IR_SUM] = ew_add, [IR_PROD] = ew_mul, [IR_MAX] = ew_max,
                                                          [IR_MIN] = ew_min, [IR_ANY] = ew_or,   [IR_ALL] = ew_and};
    if (!combines[c]) return x;
    bool wide = is_narrow_float(t);
    frit_dtype in = wide ? FRIT_f32 : t;
    LLVMValueRef v[2] = {wide ? widen(p, t, lanes, x) : x, wide ? widen(p, t, lanes, y) : y};
    ew e = {p, NULL, in, lanes, reg_type(p, in, lanes), v};
    LLVMValueRef r = combines[c](&e);
    return wide ? narrow(p, t, lanes, r) : r;
}
