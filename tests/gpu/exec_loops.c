/* Compiled once per instruction set; EXEC_LOOP names the one function that it exports. */
#include "exec_loops.h"
#include <math.h>
#include <string.h>

/* ---- Shapes of loops --------------------------------------------------------------------------------------------- */
#define ARGS void *restrict vd, const void *va, const void *vb, const void *vc, int64_t n, int sa, int sb, int sc
#define UNUSED (void)va, (void)vb, (void)vc, (void)sa, (void)sb, (void)sc

#define LOOP1(name, D, A, expr)                                                                                        \
    static void name(ARGS) {                                                                                           \
        UNUSED;                                                                                                        \
        D *d = vd;                                                                                                     \
        const A *a = va;                                                                                               \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            A x = a[i];                                                                                                \
            d[i] = (D)(expr);                                                                                          \
        }                                                                                                              \
    }

#define LOOP2(name, D, A, expr)                                                                                        \
    static void name(ARGS) {                                                                                           \
        UNUSED;                                                                                                        \
        D *d = vd;                                                                                                     \
        const A *a = va, *b = vb;                                                                                      \
        if (sa && sb)                                                                                                  \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                A x = a[i], y = b[i];                                                                                  \
                d[i] = (D)(expr);                                                                                      \
            }                                                                                                          \
        else if (sa) {                                                                                                 \
            A y = b[0];                                                                                                \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                A x = a[i];                                                                                            \
                d[i] = (D)(expr);                                                                                      \
            }                                                                                                          \
        } else {                                                                                                       \
            A x = a[0];                                                                                                \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                A y = b[i];                                                                                            \
                d[i] = (D)(expr);                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

#define LOOP3(name, T, expr)                                                                                           \
    static void name(ARGS) {                                                                                           \
        T *d = vd;                                                                                                     \
        const T *a = va, *b = vb, *c = vc;                                                                             \
        if (sa && sb && sc)                                                                                            \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                T x = a[i], y = b[i], z = c[i];                                                                        \
                d[i] = (T)(expr);                                                                                      \
            }                                                                                                          \
        else                                                                                                           \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                T x = a[i * sa], y = b[i * sb], z = c[i * sc];                                                         \
                d[i] = (T)(expr);                                                                                      \
            }                                                                                                          \
    }

/* ---- Floats ------------------------------------------------------------------------------------------------------ */
#define PICK_LESS(x, y) (x < y ? x : y < x ? y : x == y ? (signbit(x) ? x : y) : x != x ? x : y)
#define PICK_MORE(x, y) (x > y ? x : y > x ? y : x == y ? (signbit(x) ? y : x) : x != x ? x : y)

#define FLOAT_LOOPS(T, m)                                                                                              \
    LOOP2(T##_add, T, T, x + y)                                                                                        \
    LOOP2(T##_sub, T, T, x - y)                                                                                        \
    LOOP2(T##_mul, T, T, x *y)                                                                                         \
    LOOP2(T##_div, T, T, x / y)                                                                                        \
    LOOP2(T##_min, T, T, PICK_LESS(x, y))                                                                              \
    LOOP2(T##_max, T, T, PICK_MORE(x, y))                                                                              \
    LOOP2(T##_eq, uint8_t, T, x == y)                                                                                  \
    LOOP2(T##_ne, uint8_t, T, x != y)                                                                                  \
    LOOP2(T##_lt, uint8_t, T, x < y)                                                                                   \
    LOOP2(T##_le, uint8_t, T, x <= y)                                                                                  \
    LOOP1(T##_neg, T, T, -x)                                                                                           \
    LOOP1(T##_abs, T, T, fabs##m(x))                                                                                   \
    LOOP1(T##_sign, T, T, x > 0 ? 1 : x < 0 ? -1 : x)                                                                  \
    LOOP1(T##_floor, T, T, floor##m(x))                                                                                \
    LOOP1(T##_ceil, T, T, ceil##m(x))                                                                                  \
    LOOP1(T##_round, T, T, rint##m(x))                                                                                 \
    LOOP1(T##_trunc, T, T, trunc##m(x))                                                                                \
    LOOP1(T##_sqrt, T, T, sqrt##m(x))                                                                                  \
    LOOP1(T##_rsqrt, T, T, 1 / sqrt##m(x))                                                                             \
    LOOP3(T##_fma, T, fma##m(x, y, z))
FLOAT_LOOPS(float, f)
FLOAT_LOOPS(double, )

/* ---- Integers ---------------------------------------------------------------------------------------------------- */
#define BITS(T) ((T)(8 * sizeof(T)))
#define IS_MIN_BY_MINUS(T, x, y) ((T)-1 < 0 && y == (T)-1 && x == (T)((uint64_t)1 << (8 * sizeof(T) - 1)))
#define TRUNCDIV(T, x, y) (y == 0 ? 0 : IS_MIN_BY_MINUS(T, x, y) ? x : x / y)
#define REM(T, x, y) (y == 0 || IS_MIN_BY_MINUS(T, x, y) ? 0 : x % y)
#define BELOW(T, x, y) ((T)-1 < 0 && REM(T, x, y) != 0 && (REM(T, x, y) < 0) != (y < 0))
#define INSIDE(T, y) ((y) >= 0 && (uint64_t)(y) < 8 * sizeof(T))

#define INT_LOOPS(T, U)                                                                                                \
    LOOP2(T##_add, T, T, (U)((U)x + (U)y))                                                                             \
    LOOP2(T##_sub, T, T, (U)((U)x - (U)y))                                                                             \
    LOOP2(T##_mul, T, T, (U)((uint64_t)x * (uint64_t)y))                                                               \
    LOOP2(T##_truncdiv, T, T, TRUNCDIV(T, x, y))                                                                       \
    LOOP2(T##_rem, T, T, REM(T, x, y))                                                                                 \
    LOOP2(T##_floordiv, T, T, (U)((U)TRUNCDIV(T, x, y) - (U)BELOW(T, x, y)))                                           \
    LOOP2(T##_mod, T, T, BELOW(T, x, y) ? REM(T, x, y) + y : REM(T, x, y))                                             \
    LOOP2(T##_min, T, T, x < y ? x : y)                                                                                \
    LOOP2(T##_max, T, T, x > y ? x : y)                                                                                \
    LOOP2(T##_and, T, T, x &y)                                                                                         \
    LOOP2(T##_or, T, T, x | y)                                                                                         \
    LOOP2(T##_xor, T, T, x ^ y)                                                                                        \
    LOOP2(T##_shl, T, T, INSIDE(T, y) ? (T)((uint64_t)x << (y & 63)) : 0)                                              \
    LOOP2(T##_shr, T, T, INSIDE(T, y) ? x >> (y & 63) : x < 0 ? (T)-1 : 0)                                             \
    LOOP2(T##_eq, uint8_t, T, x == y)                                                                                  \
    LOOP2(T##_ne, uint8_t, T, x != y)                                                                                  \
    LOOP2(T##_lt, uint8_t, T, x < y)                                                                                   \
    LOOP2(T##_le, uint8_t, T, x <= y)                                                                                  \
    LOOP1(T##_neg, T, T, (U)(0 - (U)x))                                                                                \
    LOOP1(T##_abs, T, T, x < 0 ? (U)(0 - (U)x) : (U)x)                                                                 \
    LOOP1(T##_sign, T, T, (x > 0) - (x < 0))                                                                           \
    LOOP1(T##_not, T, T, ~x)                                                                                           \
    LOOP3(T##_fma, T, (U)((uint64_t)x * (uint64_t)y + (uint64_t)z))
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtype-limits"
INT_LOOPS(int8_t, uint8_t)
INT_LOOPS(int16_t, uint16_t)
INT_LOOPS(int32_t, uint32_t)
INT_LOOPS(int64_t, uint64_t)
INT_LOOPS(uint8_t, uint8_t)
INT_LOOPS(uint16_t, uint16_t)
INT_LOOPS(uint32_t, uint32_t)
INT_LOOPS(uint64_t, uint64_t)
#pragma GCC diagnostic pop

/* bool */
LOOP2(bool_and, uint8_t, uint8_t, x &y)
LOOP2(bool_or, uint8_t, uint8_t, x | y)
LOOP2(bool_xor, uint8_t, uint8_t, x ^ y)
LOOP1(bool_not, uint8_t, uint8_t, x ^ 1)

/* ---- Choice ------------------------------------------------------------------------------------------------------ */
#define SELECT(T)                                                                                                      \
    static void T##_select(ARGS) {                                                                                     \
        T *d = vd;                                                                                                     \
        const uint8_t *a = va;                                                                                         \
        const T *b = vb, *c = vc;                                                                                      \
        if (sa && sb && sc)                                                                                            \
            for (int64_t i = 0; i < n; i++) d[i] = a[i] ? b[i] : c[i];                                                 \
        else                                                                                                           \
            for (int64_t i = 0; i < n; i++) d[i] = a[i * sa] ? b[i * sb] : c[i * sc];                                  \
    }
SELECT(uint8_t)
SELECT(uint16_t)
SELECT(uint32_t)
SELECT(uint64_t)

#define COPY(T)                                                                                                        \
    static void T##_copy(ARGS) {                                                                                       \
        UNUSED;                                                                                                        \
        memcpy(vd, va, (size_t)n * sizeof(T));                                                                         \
    }
COPY(uint8_t)
COPY(uint16_t)
COPY(uint32_t)
COPY(uint64_t)

/* ---- Conversions ------------------------------------------------------------------------------------------------- */
static inline float f16_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7fff, bits;
    float f;
    if (rest >= 0x7c00) bits = sign | 0x7f800000 | (rest & 0x3ff) << 13;
    else if (rest >= 0x400) bits = sign | ((rest << 13) + 0x38000000);
    else { /* 0 and what is below the normal numbers: rest * 2^-24, exact */
        f = (float)rest * 0x1p-24f;
        memcpy(&bits, &f, 4);
        bits |= sign;
    }
    memcpy(&f, &bits, 4);
    return f;
}

/* To nearest even. Normal results by an addition to the bits, small ones by letting an addition in f32 round. */
static inline uint16_t float_to_f16(float f) {
    uint32_t bits, low;
    memcpy(&bits, &f, 4);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    bits &= 0x7fffffff;
    if (bits > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (bits >> 13 & 0x3ff));
    if (bits >= 0x47800000) return (uint16_t)(sign | 0x7c00);
    if (bits < 0x38800000) {
        float small;
        memcpy(&small, &bits, 4);
        small += 0.5f; /* one unit of 0.5f is 2^-24, that of the small numbers of f16 */
        memcpy(&low, &small, 4);
        return (uint16_t)(sign | (low - 0x3f000000));
    }
    bits += 0xfff + (bits >> 13 & 1);
    return (uint16_t)(sign | ((bits - 0x38000000) >> 13));
}

static inline float bf16_to_float(uint16_t h) {
    uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static inline uint16_t float_to_bf16(float f) {
    uint32_t bits;
    memcpy(&bits, &f, 4);
    if (f != f) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float f8e4m3_to_float(uint8_t h) { return (float)frit_f8e4m3_to_double(h); }
static inline float f8e5m2_to_float(uint8_t h) { return (float)frit_f8e5m2_to_double(h); }
static inline uint8_t float_to_f8e4m3(float f) { return frit_f8e4m3_from_double((double)f); }
static inline uint8_t float_to_f8e5m2(float f) { return frit_f8e5m2_from_double((double)f); }

/* Saturating, NaN to 0. `end` is the first number above the largest, exact in F. */
#define TO_INT(T, lo, hi, end) (x != x ? (T)0 : x >= (end) ? (T)(hi) : x <= (lo) ? (T)(lo) : (T)x)
#define FROM_FLOAT(F)                                                                                                  \
    LOOP1(F##_to_int8_t, int8_t, F, TO_INT(int8_t, INT8_MIN, INT8_MAX, 128))                                           \
    LOOP1(F##_to_int16_t, int16_t, F, TO_INT(int16_t, INT16_MIN, INT16_MAX, 32768))                                    \
    LOOP1(F##_to_int32_t, int32_t, F, TO_INT(int32_t, (F)INT32_MIN, INT32_MAX, (F)0x1p31))                             \
    LOOP1(F##_to_int64_t, int64_t, F, TO_INT(int64_t, (F)INT64_MIN, INT64_MAX, (F)0x1p63))                             \
    LOOP1(F##_to_uint8_t, uint8_t, F, TO_INT(uint8_t, 0, UINT8_MAX, 256))                                              \
    LOOP1(F##_to_uint16_t, uint16_t, F, TO_INT(uint16_t, 0, UINT16_MAX, 65536))                                        \
    LOOP1(F##_to_uint32_t, uint32_t, F, TO_INT(uint32_t, 0, UINT32_MAX, (F)0x1p32))                                    \
    LOOP1(F##_to_uint64_t, uint64_t, F, TO_INT(uint64_t, 0, UINT64_MAX, (F)0x1p64))                                    \
    LOOP1(F##_to_float, float, F, x)                                                                                   \
    LOOP1(F##_to_double, double, F, x)                                                                                 \
    LOOP1(F##_to_bool, uint8_t, F, x != 0)
FROM_FLOAT(float)
FROM_FLOAT(double)
LOOP1(float_to_half, uint16_t, float, float_to_f16(x))
LOOP1(float_to_brain, uint16_t, float, float_to_bf16(x))
LOOP1(float_to_e4m3, uint8_t, float, float_to_f8e4m3(x))
LOOP1(float_to_e5m2, uint8_t, float, float_to_f8e5m2(x))

#define FROM_INT(I)                                                                                                    \
    LOOP1(I##_to_int8_t, int8_t, I, x)                                                                                 \
    LOOP1(I##_to_int16_t, int16_t, I, x)                                                                               \
    LOOP1(I##_to_int32_t, int32_t, I, x)                                                                               \
    LOOP1(I##_to_int64_t, int64_t, I, x)                                                                               \
    LOOP1(I##_to_float, float, I, x)                                                                                   \
    LOOP1(I##_to_double, double, I, x)                                                                                 \
    LOOP1(I##_to_bool, uint8_t, I, x != 0)
FROM_INT(int8_t)
FROM_INT(int16_t)
FROM_INT(int32_t)
FROM_INT(int64_t)
FROM_INT(uint8_t)
FROM_INT(uint16_t)
FROM_INT(uint32_t)
FROM_INT(uint64_t)

/* ---- Narrow floats: in f32, rounded -------------------------------------------------------------------------------- */
enum { PIECE = 256 };
#define NARROW(N, S)                                                                                                   \
    static void N##_widen(float *restrict d, const S *restrict a, int64_t n) {                                         \
        for (int64_t i = 0; i < n; i++) d[i] = N##_to_float(a[i]);                                                     \
    }                                                                                                                  \
    static void N##_narrow(S *restrict d, const float *restrict a, int64_t n) {                                        \
        for (int64_t i = 0; i < n; i++) d[i] = float_to_##N(a[i]);                                                     \
    }                                                                                                                  \
    static void N##_through(exec_loop_fn *fn, bool compare, ARGS) {                                                    \
        const S *in[3] = {va, vb, vc};                                                                                 \
        int stride[3] = {sa, sb, sc};                                                                                  \
        float wide[3][PIECE], out[PIECE];                                                                              \
        for (int64_t at = 0; at < n; at += PIECE) {                                                                    \
            int64_t m = n - at < PIECE ? n - at : PIECE;                                                               \
            for (int k = 0; k < 3; k++)                                                                                \
                if (in[k]) N##_widen(wide[k], in[k] + (stride[k] ? at : 0), stride[k] ? m : 1);                        \
            fn(compare ? (void *)((uint8_t *)vd + at) : out, wide[0], wide[1], wide[2], m, sa, sb, sc);                \
            if (!compare) N##_narrow((S *)vd + at, out, m);                                                            \
        }                                                                                                              \
    }                                                                                                                  \
    LOOP1(N##_cast_float, float, S, N##_to_float(x))                                                                   \
    LOOP1(N##_cast_double, double, S, N##_to_float(x))                                                                 \
    LOOP1(N##_cast_bool, uint8_t, S, N##_to_float(x) != 0)                                                             \
    LOOP1(N##_cast_half, uint16_t, S, float_to_f16(N##_to_float(x)))                                                   \
    LOOP1(N##_cast_brain, uint16_t, S, float_to_bf16(N##_to_float(x)))
NARROW(f16, uint16_t)
NARROW(bf16, uint16_t)
NARROW(f8e4m3, uint8_t)
NARROW(f8e5m2, uint8_t)

#define THROUGH(N, op)                                                                                                 \
    static void N##_##op(ARGS) { N##_through(float_##op, false, vd, va, vb, vc, n, sa, sb, sc); }
#define THROUGH_COMPARE(N, op)                                                                                         \
    static void N##_##op(ARGS) { N##_through(float_##op, true, vd, va, vb, vc, n, sa, sb, sc); }
#define NARROW_LOOPS(N)                                                                                                \
    THROUGH(N, add)                                                                                                    \
    THROUGH(N, sub)                                                                                                    \
    THROUGH(N, mul)                                                                                                    \
    THROUGH(N, div)                                                                                                    \
    THROUGH(N, min)                                                                                                    \
    THROUGH(N, max)                                                                                                    \
    THROUGH(N, neg)                                                                                                    \
    THROUGH(N, abs)                                                                                                    \
    THROUGH(N, sign)                                                                                                   \
    THROUGH(N, floor)                                                                                                  \
    THROUGH(N, ceil)                                                                                                   \
    THROUGH(N, round)                                                                                                  \
    THROUGH(N, trunc)                                                                                                  \
    THROUGH(N, sqrt)                                                                                                   \
    THROUGH(N, rsqrt)                                                                                                  \
    THROUGH(N, fma)                                                                                                    \
    THROUGH_COMPARE(N, eq)                                                                                             \
    THROUGH_COMPARE(N, ne)                                                                                             \
    THROUGH_COMPARE(N, lt)                                                                                             \
    THROUGH_COMPARE(N, le)
NARROW_LOOPS(f16)
NARROW_LOOPS(bf16)
NARROW_LOOPS(f8e4m3)
NARROW_LOOPS(f8e5m2)

/* ---- Tables ------------------------------------------------------------------------------------------------------ */
#define FLOAT_ROWS(T)                                                                                                  \
    [IR_add] = T##_add, [IR_sub] = T##_sub, [IR_mul] = T##_mul, [IR_div] = T##_div, [IR_min] = T##_min,                \
    [IR_max] = T##_max, [IR_eq] = T##_eq, [IR_ne] = T##_ne, [IR_lt] = T##_lt, [IR_le] = T##_le, [IR_neg] = T##_neg,    \
    [IR_abs] = T##_abs, [IR_sign] = T##_sign, [IR_floor] = T##_floor, [IR_ceil] = T##_ceil, [IR_round] = T##_round,    \
    [IR_trunc] = T##_trunc, [IR_sqrt] = T##_sqrt, [IR_rsqrt] = T##_rsqrt, [IR_fma] = T##_fma
#define INT_ROWS(T)                                                                                                    \
    [IR_add] = T##_add, [IR_sub] = T##_sub, [IR_mul] = T##_mul, [IR_truncdiv] = T##_truncdiv, [IR_rem] = T##_rem,      \
    [IR_floordiv] = T##_floordiv, [IR_mod] = T##_mod, [IR_min] = T##_min, [IR_max] = T##_max, [IR_and] = T##_and,      \
    [IR_or] = T##_or, [IR_xor] = T##_xor, [IR_shl] = T##_shl, [IR_shr] = T##_shr, [IR_eq] = T##_eq, [IR_ne] = T##_ne,  \
    [IR_lt] = T##_lt, [IR_le] = T##_le, [IR_neg] = T##_neg, [IR_abs] = T##_abs, [IR_sign] = T##_sign,                  \
    [IR_not] = T##_not, [IR_fma] = T##_fma

static exec_loop_fn *const loops[FRIT_DTYPE_COUNT][IR_OPCODE_COUNT] = {
    [FRIT_f32] = {FLOAT_ROWS(float)},      [FRIT_f64] = {FLOAT_ROWS(double)},     [FRIT_f16] = {FLOAT_ROWS(f16)},
    [FRIT_bf16] = {FLOAT_ROWS(bf16)},      [FRIT_f8e4m3] = {FLOAT_ROWS(f8e4m3)},  [FRIT_f8e5m2] = {FLOAT_ROWS(f8e5m2)},
    [FRIT_i8] = {INT_ROWS(int8_t)},        [FRIT_i16] = {INT_ROWS(int16_t)},      [FRIT_i32] = {INT_ROWS(int32_t)},
    [FRIT_i64] = {INT_ROWS(int64_t)},      [FRIT_u8] = {INT_ROWS(uint8_t)},       [FRIT_u16] = {INT_ROWS(uint16_t)},
    [FRIT_u32] = {INT_ROWS(uint32_t)},     [FRIT_u64] = {INT_ROWS(uint64_t)},
    [FRIT_bool] = {[IR_and] = bool_and, [IR_or] = bool_or, [IR_xor] = bool_xor, [IR_not] = bool_not, [IR_eq] = uint8_t_eq,
                   [IR_ne] = uint8_t_ne},
};

#define INT_CASTS(T)                                                                                                   \
    [FRIT_i8] = T##_to_int8_t, [FRIT_i16] = T##_to_int16_t, [FRIT_i32] = T##_to_int32_t, [FRIT_i64] = T##_to_int64_t,  \
    [FRIT_u8] = T##_to_int8_t, [FRIT_u16] = T##_to_int16_t, [FRIT_u32] = T##_to_int32_t, [FRIT_u64] = T##_to_int64_t,  \
    [FRIT_f32] = T##_to_float, [FRIT_f64] = T##_to_double, [FRIT_bool] = T##_to_bool
#define FLOAT_CASTS(T)                                                                                                 \
    [FRIT_i8] = T##_to_int8_t, [FRIT_i16] = T##_to_int16_t, [FRIT_i32] = T##_to_int32_t, [FRIT_i64] = T##_to_int64_t,  \
    [FRIT_u8] = T##_to_uint8_t, [FRIT_u16] = T##_to_uint16_t, [FRIT_u32] = T##_to_uint32_t,                            \
    [FRIT_u64] = T##_to_uint64_t, [FRIT_f32] = T##_to_float, [FRIT_f64] = T##_to_double, [FRIT_bool] = T##_to_bool
#define NARROW_CASTS(T)                                                                                                \
    [FRIT_f32] = T##_cast_float, [FRIT_f64] = T##_cast_double, [FRIT_bool] = T##_cast_bool, [FRIT_f16] = T##_cast_half, \
    [FRIT_bf16] = T##_cast_brain
/* From row to column. */
static exec_loop_fn *const casts[FRIT_DTYPE_COUNT][FRIT_DTYPE_COUNT] = {
    [FRIT_f32] = {FLOAT_CASTS(float), [FRIT_f16] = float_to_half, [FRIT_bf16] = float_to_brain, [FRIT_f8e4m3] = float_to_e4m3,
                  [FRIT_f8e5m2] = float_to_e5m2},
    [FRIT_f64] = {FLOAT_CASTS(double)},    [FRIT_f16] = {NARROW_CASTS(f16)},      [FRIT_bf16] = {NARROW_CASTS(bf16)},
    [FRIT_f8e4m3] = {NARROW_CASTS(f8e4m3)}, [FRIT_f8e5m2] = {NARROW_CASTS(f8e5m2)},
    [FRIT_i8] = {INT_CASTS(int8_t)},       [FRIT_i16] = {INT_CASTS(int16_t)},     [FRIT_i32] = {INT_CASTS(int32_t)},
    [FRIT_i64] = {INT_CASTS(int64_t)},     [FRIT_u8] = {INT_CASTS(uint8_t)},      [FRIT_u16] = {INT_CASTS(uint16_t)},
    [FRIT_u32] = {INT_CASTS(uint32_t)},    [FRIT_u64] = {INT_CASTS(uint64_t)},    [FRIT_bool] = {INT_CASTS(uint8_t)},
};

static exec_loop_fn *const selects[] = {uint8_t_select, uint16_t_select, uint32_t_select, uint64_t_select};
static exec_loop_fn *const copies[] = {uint8_t_copy, uint16_t_copy, uint32_t_copy, uint64_t_copy};

static int log_bytes(frit_dtype t) {
    unsigned bits = frit_dtype_bits(t);
    return bits <= 8 ? 0 : bits == 16 ? 1 : bits == 32 ? 2 : 3;
}

exec_loop_fn *EXEC_LOOP(ir_opcode op, frit_dtype in, frit_dtype out) {
    if (op == IR_select) return selects[log_bytes(in)];
    if (op == IR_cast) return in == out ? copies[log_bytes(in)] : casts[in][out];
    if (op == IR_bitcast)
        return in == FRIT_bool || out == FRIT_bool || frit_dtype_bits(in) < 8 ? NULL : copies[log_bytes(in)];
    return loops[in][op];
}
