/* Conversions between dtypes. Narrow floats are converted by integer arithmetic, so that rounding, denormals and NaN are
 * the same with every compiler. */
#include "printer_internal.h"

/* name(x): a function of one argument. */
static expr helper_call(cprinter *p, const char *name, frit_dtype from, frit_dtype to, const char *body, expr x) {
    if (c_helper_new(p, name))
        c_helper_define(p, "%s %s %s(%s x) {\n%s}\n", p->d->inline_, c_scalar_type(p, to), name, c_scalar_type(p, from), body);
    return c_call(p, name, 1, &x);
}

static expr c_cast(cprinter *p, frit_dtype to, expr x) {
    return (expr){arena_printf(p->a, "(%s)%s", c_scalar_type(p, to), c_tight(p, x, PREC_UNARY)), PREC_UNARY};
}

/* ------------ bits */
expr c_bits_of(cprinter *p, frit_dtype from, frit_dtype to, expr x) {
    if (to == FRIT_bool) return c_binary(p, "!=", x, c_primary("0"));
    bool ff = frit_dtype_is_float(from) && !c_is_narrow_float(from), tf = frit_dtype_is_float(to) && !c_is_narrow_float(to);
    if (!ff && !tf) { /* both are integers here */
        if (from == FRIT_bool || !c_is_nibble(to)) return c_cast(p, to, x);
        return c_convert(p, FRIT_i32, to, x);
    }
    const char *name = arena_printf(p->a, "as_%s_%s", frit_dtype_name(to), frit_dtype_name(from));
    const char *body = arena_printf(p->a, "    union { %s from; %s to; } u;\n    u.from = x;\n    return u.to;\n",
                                    c_scalar_type(p, from), c_scalar_type(p, to));
    return helper_call(p, name, from, to, body, x);
}

static void need_bits(cprinter *p) {
    c_bits_of(p, FRIT_f32, FRIT_u32, c_primary("x"));
    c_bits_of(p, FRIT_u32, FRIT_f32, c_primary("x"));
}

/* ------------ narrow floats to f32: exact */
/* The fraction and exponent moved into place make a float too small by a power of two; the product is exact, also for
 * denormals. What has the largest exponent is infinite or NaN. */
static const char f16_to_f32[] = "    u32 sign = (u32)(x & 0x8000) << 16, a = x & 0x7fff;\n"
                                 "    u32 v = a >= 0x7c00 ? 0x7f800000 | (a & 0x3ff) << 13 : as_u32_f32(as_f32_u32(a << 13) * 0x1p112f);\n"
                                 "    return as_f32_u32(v | sign);\n";
static const char e5m2_to_f32[] = "    u32 sign = (u32)(x & 0x80) << 24, a = x & 0x7f;\n"
                                  "    u32 v = a >= 0x7c ? 0x7f800000 | (a & 3) << 21 : as_u32_f32(as_f32_u32(a << 21) * 0x1p112f);\n"
                                  "    return as_f32_u32(v | sign);\n";
static const char e4m3_to_f32[] = "    u32 sign = (u32)(x & 0x80) << 24, a = x & 0x7f;\n"
                                  "    u32 v = a == 0x7f ? 0x7fc00000 : as_u32_f32(as_f32_u32(a << 20) * 0x1p120f);\n"
                                  "    return as_f32_u32(v | sign);\n";
static const char bf16_to_f32[] = "    return as_f32_u32((u32)x << 16);\n";

/* ------------ f32 to narrow floats: to nearest even. Half a unit of the last kept bit is added, less one when that bit
 * is even. Denormal results come from adding a number whose unit is theirs, so that the addition rounds. */
static const char f32_to_f16[] =
    "    u32 u = as_u32_f32(x), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;\n"
    "    if (a > 0x7f800000) return (f16)(sign | 0x7e00 | (a >> 13 & 0x3ff));\n"
    "    if (a >= 0x47800000) return (f16)(sign | 0x7c00);\n"
    "    if (a < 0x38800000) return (f16)(sign | (as_u32_f32(as_f32_u32(a) + 0.5f) - 0x3f000000));\n"
    "    return (f16)(sign | (((a + 0xfff + (a >> 13 & 1)) >> 13) - 0x1c000));\n";

/* Instructions convert f16 as the integer arithmetic does. */
static const char f16_widened[][180] = {"    _Float16 h;\n    __builtin_memcpy(&h, &x, sizeof h);\n    return (float)h;\n",
                                        "    float r;\n    asm(\"cvt.f32.f16 %0, %1;\" : \"=f\"(r) : \"h\"(x));\n    return r;\n"};
static const char f16_narrowed[][180] = {
    "    _Float16 h = (_Float16)x;\n    f16 r;\n    __builtin_memcpy(&r, &h, sizeof r);\n    return r;\n",
    "    f16 r;\n    asm(\"cvt.rn.f16.f32 %0, %1;\" : \"=h\"(r) : \"f\"(x));\n    return r;\n"};

static expr f16_by_instruction(cprinter *p, bool to_f16, expr x) {
    const char *name = to_f16 ? "f16_from_f32" : "f32_from_f16";
    if (c_helper_new(p, name))
        c_define_instruction(p, "%s %s %s(%s x) {\n%s}\n", p->d->inline_, to_f16 ? "f16" : "float", name, to_f16 ? "float" : "f16",
                             (to_f16 ? f16_narrowed : f16_widened)[p->d->nvidia]);
    return c_call(p, name, 1, &x);
}

expr c_widen(cprinter *p, frit_dtype t, expr x) {
    if (!c_is_narrow_float(t)) return x;
    if (t == FRIT_f16 && p->d->blocks) return f16_by_instruction(p, false, x);
    need_bits(p);
    const char *body = t == FRIT_f16 ? f16_to_f32 : t == FRIT_bf16 ? bf16_to_f32 : t == FRIT_f8e5m2 ? e5m2_to_f32 : e4m3_to_f32;
    return helper_call(p, arena_printf(p->a, "f32_from_%s", frit_dtype_name(t)), t, FRIT_f32, body, x);
}

static const char f32_to_bf16[] =
    "    u32 u = as_u32_f32(x);\n"
    "    return (bf16)(x != x ? u >> 16 | 0x40 : (u + 0x7fff + (u >> 16 & 1)) >> 16);\n";

/* Saturates. */
static const char *f32_to_f8(cprinter *p, frit_dtype t) {
    bool e4 = t == FRIT_f8e4m3;
    int drop = e4 ? 20 : 21;
    return arena_printf(
        p->a,
        "    u32 u = as_u32_f32(x), sign = u >> 24 & 0x80, a = u & 0x7fffffff;\n"
        "    if (a > 0x7f800000) return (%s)(sign | 0x%x);\n"
        "    if (a > 0x%x) a = 0x%x;\n"
        "    if (a < 0x%x) return (%s)(sign | (as_u32_f32(as_f32_u32(a) + %s) - 0x%x));\n"
        "    return (%s)(sign | (((a + 0x%x + (a >> %d & 1)) >> %d) - 0x%x));\n",
        frit_dtype_name(t), e4 ? 0x7f : 0x7e, e4 ? 0x43e00000 : 0x47600000, e4 ? 0x43e00000 : 0x47600000,
        e4 ? 0x3c800000 : 0x38800000, frit_dtype_name(t), e4 ? "16384.0f" : "128.0f", e4 ? 0x46800000 : 0x43000000,
        frit_dtype_name(t), (1 << (drop - 1)) - 1, drop, drop, e4 ? 120 << 3 : 112 << 2);
}

expr c_narrow(cprinter *p, frit_dtype t, expr x) {
    if (!c_is_narrow_float(t)) return x;
    if (t == FRIT_f16 && p->d->blocks) return f16_by_instruction(p, true, x);
    need_bits(p);
    const char *body = t == FRIT_f16 ? f32_to_f16 : t == FRIT_bf16 ? f32_to_bf16 : f32_to_f8(p, t);
    return helper_call(p, arena_printf(p->a, "%s_from_f32", frit_dtype_name(t)), FRIT_f32, t, body, x);
}

/* To odd: an inexact result gets its last bit set, so that a second rounding to a type with at least two bits less gives
 * what one rounding would have given (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008,
 * section 3). */
static expr f64_to_f32_odd(cprinter *p, expr x) {
    need_bits(p);
    static const char body[] = "    float y = (float)x;\n"
                               "    u32 u = as_u32_f32(y);\n"
                               "    double far = x < 0 ? -x : x, near = y < 0 ? -(double)y : (double)y;\n"
                               "    if (far == near || x != x || u & 1) return y;\n"
                               "    return as_f32_u32(near < far ? u + 1 : u - 1);\n";
    return helper_call(p, "odd_f32_from_f64", FRIT_f64, FRIT_f32, body, x);
}

/* ------------ by kind */
static expr float_to_float(cprinter *p, frit_dtype from, frit_dtype to, expr x) {
    if (c_is_narrow_float(from)) x = c_widen(p, from, x);
    if (to == FRIT_f32 && from != FRIT_f64) return x;
    if (to == FRIT_f64 || to == FRIT_f32) return c_cast(p, to, x);
    return c_narrow(p, to, from == FRIT_f64 ? f64_to_f32_odd(p, x) : x);
}

/* Saturates; NaN gives 0. The bounds are powers of two, exact in every float. */
static expr float_to_int(cprinter *p, frit_dtype from, frit_dtype to, expr x) {
    x = c_widen(p, from, x);
    frit_dtype f = from == FRIT_f64 ? FRIT_f64 : FRIT_f32;
    unsigned bits = frit_dtype_bits(to) - c_is_signed(to);
    const char *suffix = f == FRIT_f32 ? "f" : "";
    int64_t most = bits == 64 ? -1 : (int64_t)((UINT64_C(1) << bits) - 1), least = c_is_signed(to) ? -most - 1 : 0;
    const char *low = c_is_signed(to) ? arena_printf(p->a, "x < -0x1p%u%s ? %s", bits, suffix, c_int_literal(p, to, least).s)
                                    : "x <= 0 ? 0";
    const char *body = arena_printf(p->a, "    return x != x ? 0 : x >= 0x1p%u%s ? %s : %s : (%s)x;\n", bits, suffix,
                                    c_int_literal(p, to, most).s, low, c_scalar_type(p, to));
    return helper_call(p, arena_printf(p->a, "%s_from_%s", frit_dtype_name(to), frit_dtype_name(f)), f, to, body, x);
}

static expr int_to_float(cprinter *p, frit_dtype from, frit_dtype to, expr x) {
    frit_dtype via = !c_is_narrow_float(to) ? to : frit_dtype_bits(from) < 32 ? FRIT_f32 : FRIT_f64;
    return float_to_float(p, via, to, c_cast(p, via, x));
}

static expr int_to_int(cprinter *p, frit_dtype from, frit_dtype to, expr x) {
    if (!c_is_nibble(to)) return c_cast(p, to, x);
    if (to == FRIT_u4) return c_cast(p, to, c_binary(p, "&", x, c_primary("15")));
    static const char body[] = "    return (i8)(((x & 15) ^ 8) - 8);\n";
    return helper_call(p, "i4_from_i32", FRIT_i32, FRIT_i4, body, frit_dtype_bits(from) > 32 ? c_cast(p, FRIT_i32, x) : x);
}

expr c_convert(cprinter *p, frit_dtype from, frit_dtype to, expr x) {
    if (from == to) return x;
    bool ff = frit_dtype_is_float(from), tf = frit_dtype_is_float(to);
    if (to == FRIT_bool) return c_binary(p, "!=", c_widen(p, from, x), c_primary("0"));
    if (ff && tf) return float_to_float(p, from, to, x);
    if (ff) return float_to_int(p, from, to, x);
    return tf ? int_to_float(p, from, to, x) : int_to_int(p, from, to, x);
}
