#include "scalar.h"
#include <math.h>
#include <string.h>

scalar scalar_load(frit_dtype t, const void *buf, int64_t index) {
    return frit_dtype_is_float(t) ? (scalar){.f = frit_load_float(t, buf, index)}
                                  : (scalar){.i = frit_load_int(t, buf, index)};
}

void scalar_store(frit_dtype t, void *buf, int64_t index, scalar x) {
    if (frit_dtype_is_float(t)) frit_store_float(t, buf, index, x.f);
    else frit_store_int(t, buf, index, x.i);
}

double scalar_round(frit_dtype t, double x) {
    switch (t) {
    case FRIT_f32: return (float)x;
    case FRIT_f16: return frit_f16_to_double(frit_f16_from_double(x));
    case FRIT_bf16: return frit_bf16_to_double(frit_bf16_from_double(x));
    case FRIT_f8e4m3: return frit_f8e4m3_to_double(frit_f8e4m3_from_double(x));
    case FRIT_f8e5m2: return frit_f8e5m2_to_double(frit_f8e5m2_from_double(x));
    default: return x;
    }
}

int64_t scalar_wrap(frit_dtype t, int64_t x) {
    if (t == FRIT_bool) return x != 0;
    unsigned drop = 64 - frit_dtype_bits(t);
    uint64_t up = (uint64_t)x << drop;
    return frit_dtype_kind_of(t) == FRIT_KIND_UINT ? (int64_t)(up >> drop) : (int64_t)up >> drop;
}

/* ---- Floats ------------------------------------------------------------------------------------------------------ */
static double pick(double x, double y, bool larger) {
    if (isnan(x)) return x;
    if (isnan(y)) return y;
    if (x == y) return (signbit(x) != 0) == larger ? y : x; /* -0 < +0 */
    return (x > y) == larger ? x : y;
}

static double float_mod(double x, double y) {
    double r = fmod(x, y);
    if (r == 0) return copysign(0.0, y);
    return (r < 0) != (y < 0) ? r + y : r;
}

/* As NumPy: the quotient of what the remainder leaves is a whole number up to rounding. */
static double float_floordiv(double x, double y) {
    if (y == 0) return x / y;
    double r = fmod(x, y), q = (x - r) / y;
    if (r != 0 && (r < 0) != (y < 0)) q -= 1;
    if (q == 0) return copysign(0.0, x / y);
    double whole = floor(q);
    return q - whole > 0.5 ? whole + 1 : whole;
}

/* The op in double precision. `single`: the operands are f32 (or narrower), for the ops where rounding the double
 * result would round twice. */
static bool float_eval(ir_opcode op, bool single, const scalar *a, double *r) {
    double x = a[0].f;
    switch (op) {
    case IR_add: *r = x + a[1].f; break;
    case IR_sub: *r = x - a[1].f; break;
    case IR_mul: *r = x * a[1].f; break;
    case IR_div: *r = x / a[1].f; break;
    case IR_floordiv: *r = float_floordiv(x, a[1].f); break;
    case IR_mod: *r = float_mod(x, a[1].f); break;
    case IR_rem: *r = fmod(x, a[1].f); break;
    case IR_fma: *r = single ? (double)fmaf((float)x, (float)a[1].f, (float)a[2].f) : fma(x, a[1].f, a[2].f); break;
    case IR_neg: *r = -x; break;
    case IR_abs: *r = fabs(x); break;
    case IR_sign: *r = x > 0 ? 1 : x < 0 ? -1 : x; break;
    case IR_min: *r = pick(x, a[1].f, false); break;
    case IR_max: *r = pick(x, a[1].f, true); break;
    case IR_floor: *r = floor(x); break;
    case IR_ceil: *r = ceil(x); break;
    case IR_round: *r = rint(x); break;
    case IR_trunc: *r = trunc(x); break;
    case IR_sqrt: *r = sqrt(x); break;
    case IR_rsqrt: *r = single ? 1.0 / (double)sqrtf((float)x) : 1.0 / sqrt(x); break;
    case IR_exp: *r = exp(x); break;
    case IR_exp2: *r = exp2(x); break;
    case IR_expm1: *r = expm1(x); break;
    case IR_log: *r = log(x); break;
    case IR_log2: *r = log2(x); break;
    case IR_log1p: *r = log1p(x); break;
    case IR_sin: *r = sin(x); break;
    case IR_cos: *r = cos(x); break;
    case IR_tan: *r = tan(x); break;
    case IR_asin: *r = asin(x); break;
    case IR_acos: *r = acos(x); break;
    case IR_atan: *r = atan(x); break;
    case IR_atan2: *r = atan2(x, a[1].f); break;
    case IR_sinh: *r = sinh(x); break;
    case IR_cosh: *r = cosh(x); break;
    case IR_tanh: *r = tanh(x); break;
    case IR_asinh: *r = asinh(x); break;
    case IR_acosh: *r = acosh(x); break;
    case IR_atanh: *r = atanh(x); break;
    case IR_erf: *r = erf(x); break;
    case IR_pow: *r = pow(x, a[1].f); break;
    default: return false;
    }
    return true;
}

static bool float_compare(ir_opcode op, double x, double y) {
    return op == IR_eq ? x == y : op == IR_ne ? x != y : op == IR_lt ? x < y : x <= y;
}

/* ---- Integers ---------------------------------------------------------------------------------------------------- */
static bool less(bool is_unsigned, int64_t x, int64_t y) { return is_unsigned ? (uint64_t)x < (uint64_t)y : x < y; }

static bool int_compare(ir_opcode op, bool is_unsigned, int64_t x, int64_t y) {
    if (op == IR_eq || op == IR_ne) return (x == y) == (op == IR_eq);
    return op == IR_lt ? less(is_unsigned, x, y) : !less(is_unsigned, y, x);
}

/* Quotient toward zero, and what is left. By 0: both 0. By -1: the quotient wraps. */
static int64_t int_divide(bool is_unsigned, int64_t x, int64_t y, int64_t *left) {
    *left = 0;
    if (y == 0) return 0;
    if (is_unsigned) {
        *left = (int64_t)((uint64_t)x % (uint64_t)y);
        return (int64_t)((uint64_t)x / (uint64_t)y);
    }
    if (y == -1) return (int64_t)(0 - (uint64_t)x);
    *left = x % y;
    return x / y;
}

static int64_t int_division(ir_opcode op, bool is_unsigned, int64_t x, int64_t y) {
    int64_t left, q = int_divide(is_unsigned, x, y, &left);
    bool down = !is_unsigned && left != 0 && (left < 0) != (y < 0);
    switch (op) {
    case IR_truncdiv: return q;
    case IR_rem: return left;
    case IR_floordiv: return q - down;
    default: return down ? left + y : left;
    }
}

static int64_t int_pow(bool is_unsigned, int64_t x, int64_t y) {
    if (!is_unsigned && y < 0) return x == 1 ? 1 : x == -1 ? (y % 2 ? -1 : 1) : 0;
    uint64_t base = (uint64_t)x, r = 1;
    for (uint64_t n = (uint64_t)y; n; n >>= 1, base *= base)
        if (n & 1) r *= base;
    return (int64_t)r;
}

static int64_t int_shift(ir_opcode op, frit_dtype t, int64_t x, int64_t y) {
    bool is_unsigned = frit_dtype_kind_of(t) == FRIT_KIND_UINT;
    bool inside = y >= 0 && y < (int64_t)frit_dtype_bits(t);
    if (op == IR_shl) return inside ? (int64_t)((uint64_t)x << y) : 0;
    if (is_unsigned) return inside ? (int64_t)((uint64_t)x >> y) : 0;
    return inside ? x >> y : x < 0 ? -1 : 0;
}

static bool int_eval(ir_opcode op, frit_dtype t, const scalar *a, int64_t *r) {
    bool u = frit_dtype_kind_of(t) == FRIT_KIND_UINT;
    unsigned width = frit_dtype_bits(t);
    int64_t x = a[0].i;
    uint64_t ux = (uint64_t)x, low = width == 64 ? ux : ux & ((UINT64_C(1) << width) - 1);
    switch (op) {
    case IR_add: *r = (int64_t)(ux + (uint64_t)a[1].i); break;
    case IR_sub: *r = (int64_t)(ux - (uint64_t)a[1].i); break;
    case IR_mul: *r = (int64_t)(ux * (uint64_t)a[1].i); break;
    case IR_fma: *r = (int64_t)(ux * (uint64_t)a[1].i + (uint64_t)a[2].i); break;
    case IR_floordiv:
    case IR_mod:
    case IR_rem:
    case IR_truncdiv: *r = int_division(op, u, x, a[1].i); break;
    case IR_neg: *r = (int64_t)(0 - ux); break;
    case IR_abs: *r = !u && x < 0 ? (int64_t)(0 - ux) : x; break;
    case IR_sign: *r = u ? x != 0 : (x > 0) - (x < 0); break;
    case IR_min: *r = less(u, a[1].i, x) ? a[1].i : x; break;
    case IR_max: *r = less(u, x, a[1].i) ? a[1].i : x; break;
    case IR_pow: *r = int_pow(u, x, a[1].i); break;
    case IR_and: *r = x & a[1].i; break;
    case IR_or: *r = x | a[1].i; break;
    case IR_xor: *r = x ^ a[1].i; break;
    case IR_not: *r = t == FRIT_bool ? !x : ~x; break;
    case IR_shl:
    case IR_shr: *r = int_shift(op, t, x, a[1].i); break;
    case IR_popcount: *r = __builtin_popcountll(low); break;
    case IR_clz: *r = low ? __builtin_clzll(low) - (int)(64 - width) : (int)width; break;
    default: return false;
    }
    *r = scalar_wrap(t, *r);
    return true;
}

/* ---- Conversions ------------------------------------------------------------------------------------------------- */
/* An integer to a float dtype with one rounding: below f64, bits that a double would round away are folded into one
 * sticky bit, which no narrower format keeps. */
static double float_from_int(frit_dtype out, bool is_unsigned, int64_t x) {
    uint64_t mag = is_unsigned || x >= 0 ? (uint64_t)x : 0 - (uint64_t)x;
    if (out != FRIT_f64 && mag >> 53) mag = (mag & ~UINT64_C(0xfff)) | (uint64_t)((mag & 0xfff) != 0) << 11;
    double d = (double)mag;
    return scalar_round(out, !is_unsigned && x < 0 ? -d : d);
}

static scalar convert(frit_dtype in, frit_dtype out, scalar x) {
    bool from_float = frit_dtype_is_float(in);
    if (frit_dtype_is_float(out))
        return (scalar){.f = from_float ? scalar_round(out, x.f)
                                        : float_from_int(out, frit_dtype_kind_of(in) == FRIT_KIND_UINT, x.i)};
    if (!from_float) return (scalar){.i = scalar_wrap(out, x.i)};
    return (scalar){.i = out == FRIT_bool ? x.f != 0 : frit_int_from_double(out, x.f)};
}

static bool bitcast(frit_dtype in, frit_dtype out, scalar x, scalar *result) {
    if (frit_dtype_bits(in) != frit_dtype_bits(out)) return false;
    unsigned char bytes[8] = {0};
    scalar_store(in, bytes, 0, x);
    *result = scalar_load(out, bytes, 0);
    return true;
}

bool scalar_eval(ir_opcode op, frit_dtype in, frit_dtype out, const scalar *args, scalar *result) {
    uint32_t flags = ir_op_table[op].flags;
    bool is_float = frit_dtype_is_float(in);
    if (op == IR_select) {
        *result = args[0].i ? args[1] : args[2];
        return true;
    }
    if (op == IR_cast) {
        *result = convert(in, out, args[0]);
        return true;
    }
    if (op == IR_bitcast) return bitcast(in, out, args[0], result);
    if ((flags & IR_F_FLOAT && !is_float) || (flags & IR_F_INT && is_float)) return false;
    if (flags & IR_F_COMPARE) {
        result->i = is_float ? float_compare(op, args[0].f, args[1].f)
                             : int_compare(op, frit_dtype_kind_of(in) == FRIT_KIND_UINT, args[0].i, args[1].i);
        return true;
    }
    if (!is_float) return int_eval(op, in, args, &result->i);
    double r;
    if (!float_eval(op, in != FRIT_f64, args, &r)) return false;
    if (in != FRIT_f64) r = (float)r;
    result->f = in == FRIT_f64 || in == FRIT_f32 ? r : scalar_round(in, r);
    return true;
}

double scalar_ulps(ir_opcode op) {
    switch (op) {
    case IR_neg:
    case IR_abs:
    case IR_sign:
    case IR_min:
    case IR_max:
    case IR_select: return 0;
    case IR_rsqrt: return 2;
    case IR_exp:
    case IR_exp2:
    case IR_log:
    case IR_log2: return 2;
    case IR_pow: return 8;
    default: return ir_op_table[op].flags & IR_F_TRANSCENDENTAL ? 4 : 1;
    }
}
