#include "dtype.h"
#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    uint8_t bits, kind;
} table[FRIT_DTYPE_COUNT] = {
#define DTYPE(n, b, k) [FRIT_##n] = {#n, b, FRIT_KIND_##k},
#include "dtype.def"
#undef DTYPE
};

const char *frit_dtype_name(frit_dtype t) { return (unsigned)t < FRIT_DTYPE_COUNT ? table[t].name : "?"; }
unsigned frit_dtype_bits(frit_dtype t) { return table[t].bits; }
frit_dtype_kind frit_dtype_kind_of(frit_dtype t) { return (frit_dtype_kind)table[t].kind; }

frit_dtype frit_dtype_from_name(const char *name, size_t len) {
    for (int t = 0; t < FRIT_DTYPE_COUNT; t++)
        if (strlen(table[t].name) == len && !memcmp(table[t].name, name, len)) return (frit_dtype)t;
    return FRIT_DTYPE_COUNT;
}

int64_t frit_dtype_bytes(frit_dtype t, int64_t n) {
    int64_t bits;
    if (n < 0 || __builtin_mul_overflow(n, (int64_t)table[t].bits, &bits)) return -1;
    return bits / 8 + (bits % 8 != 0);
}

/* A binary format with `e` exponent bits and `m` mantissa bits. `finite` formats (f8e4m3) use the top exponent for
 * numbers, all ones being NaN; `sat` formats clamp to the largest finite value. */
typedef struct {
    int e, m;
    bool finite, sat;
} format;
static const format F16 = {5, 10, false, false}, BF16 = {8, 7, false, false}, E4M3 = {4, 3, true, true},
                    E5M2 = {5, 2, false, true};

static uint32_t encode(double x, format f) {
    int bias = (1 << (f.e - 1)) - 1, top = (1 << f.e) - 1;
    uint32_t sign = signbit(x) ? 1u << (f.e + f.m) : 0, inf = (uint32_t)top << f.m;
    uint32_t nan = f.finite ? (inf | ((1u << f.m) - 1)) : (inf | 1u << (f.m - 1));
    uint32_t max = f.finite ? nan - 1 : inf - 1;
    if (isnan(x)) return sign | nan;
    x = fabs(x);
    if (x == 0) return sign;
    if (isinf(x)) return sign | (f.sat ? max : inf);
    int exp;
    frexp(x, &exp); /* x = fraction * 2^exp, fraction in [0.5, 1) */
    int unit = (exp - 1 < 1 - bias ? 1 - bias : exp - 1) - f.m;
    double q = rint(ldexp(x, -unit)); /* exact scaling; the default rounding mode is to nearest even */
    uint32_t bits = q < (double)(1u << f.m) ? (uint32_t)q
                                            : ((uint32_t)(unit + f.m + bias - 1) << f.m) + (uint32_t)q;
    if (unit + f.m + bias > top + 1 || bits > max) return sign | (f.sat ? max : inf);
    return sign | bits;
}

static double decode(uint32_t h, format f) {
    int bias = (1 << (f.e - 1)) - 1, top = (1 << f.e) - 1;
    int e = (int)(h >> f.m) & top;
    uint32_t m = h & ((1u << f.m) - 1);
    double s = h >> (f.e + f.m) & 1 ? -1.0 : 1.0;
    if (e == top && !f.finite) return m ? NAN : s * INFINITY;
    if (e == top && f.finite && m == (1u << f.m) - 1) return NAN;
    return e ? s * ldexp((double)(m | 1u << f.m), e - bias - f.m) : s * ldexp((double)m, 1 - bias - f.m);
}

uint16_t frit_f16_from_double(double x) { return (uint16_t)encode(x, F16); }
uint16_t frit_bf16_from_double(double x) { return (uint16_t)encode(x, BF16); }
uint8_t frit_f8e4m3_from_double(double x) { return (uint8_t)encode(x, E4M3); }
uint8_t frit_f8e5m2_from_double(double x) { return (uint8_t)encode(x, E5M2); }
double frit_f16_to_double(uint16_t h) { return decode(h, F16); }
double frit_bf16_to_double(uint16_t h) {
    uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}
double frit_f8e4m3_to_double(uint8_t h) { return decode(h, E4M3); }
double frit_f8e5m2_to_double(uint8_t h) { return decode(h, E5M2); }

double frit_load_float(frit_dtype t, const void *buf, int64_t i) {
    switch (t) {
    case FRIT_f64: return ((const double *)buf)[i];
    case FRIT_f32: return ((const float *)buf)[i];
    case FRIT_f16: return frit_f16_to_double(((const uint16_t *)buf)[i]);
    case FRIT_bf16: return frit_bf16_to_double(((const uint16_t *)buf)[i]);
    case FRIT_f8e4m3: return frit_f8e4m3_to_double(((const uint8_t *)buf)[i]);
    case FRIT_f8e5m2: return frit_f8e5m2_to_double(((const uint8_t *)buf)[i]);
    case FRIT_u64: return (double)((const uint64_t *)buf)[i];
    default: return (double)frit_load_int(t, buf, i);
    }
}

int64_t frit_load_int(frit_dtype t, const void *buf, int64_t i) {
    switch (t) {
    case FRIT_i64: return ((const int64_t *)buf)[i];
    case FRIT_i32: return ((const int32_t *)buf)[i];
    case FRIT_i16: return ((const int16_t *)buf)[i];
    case FRIT_i8: return ((const int8_t *)buf)[i];
    case FRIT_u64: return (int64_t)((const uint64_t *)buf)[i];
    case FRIT_u32: return ((const uint32_t *)buf)[i];
    case FRIT_u16: return ((const uint16_t *)buf)[i];
    case FRIT_u8: return ((const uint8_t *)buf)[i];
    case FRIT_bool: return ((const uint8_t *)buf)[i] != 0;
    case FRIT_u4: return ((const uint8_t *)buf)[i / 2] >> (i % 2 * 4) & 15;
    case FRIT_i4: return ((((const uint8_t *)buf)[i / 2] >> (i % 2 * 4) & 15) ^ 8) - 8;
    default: return frit_int_from_double(FRIT_i64, frit_load_float(t, buf, i));
    }
}

void frit_store_float(frit_dtype t, void *buf, int64_t i, double x) {
    switch (t) {
    case FRIT_f64: ((double *)buf)[i] = x; break;
    case FRIT_f32: ((float *)buf)[i] = (float)x; break;
    case FRIT_f16: ((uint16_t *)buf)[i] = frit_f16_from_double(x); break;
    case FRIT_bf16: ((uint16_t *)buf)[i] = frit_bf16_from_double(x); break;
    case FRIT_f8e4m3: ((uint8_t *)buf)[i] = frit_f8e4m3_from_double(x); break;
    case FRIT_f8e5m2: ((uint8_t *)buf)[i] = frit_f8e5m2_from_double(x); break;
    default: frit_store_int(t, buf, i, frit_int_from_double(t, x)); break;
    }
}

void frit_store_int(frit_dtype t, void *buf, int64_t i, int64_t x) {
    switch (t) {
    case FRIT_i64:
    case FRIT_u64: ((int64_t *)buf)[i] = x; break;
    case FRIT_i32:
    case FRIT_u32: ((uint32_t *)buf)[i] = (uint32_t)x; break;
    case FRIT_i16:
    case FRIT_u16: ((uint16_t *)buf)[i] = (uint16_t)x; break;
    case FRIT_i8:
    case FRIT_u8: ((uint8_t *)buf)[i] = (uint8_t)x; break;
    case FRIT_bool: ((uint8_t *)buf)[i] = x != 0; break;
    case FRIT_i4:
    case FRIT_u4: {
        uint8_t *b = (uint8_t *)buf + i / 2;
        int shift = (int)(i % 2) * 4;
        *b = (uint8_t)((*b & ~(15 << shift)) | (x & 15) << shift);
        break;
    }
    default: frit_store_float(t, buf, i, (double)x); break;
    }
}

int64_t frit_int_from_double(frit_dtype t, double x) {
    if (isnan(x)) return 0;
    unsigned bits = table[t].bits;
    if (table[t].kind == FRIT_KIND_BOOL) return x != 0;
    if (table[t].kind == FRIT_KIND_UINT) {
        if (x <= 0) return 0;
        if (x >= ldexp(1, (int)bits)) return bits == 64 ? -1 : (int64_t)((UINT64_C(1) << bits) - 1);
        return (int64_t)(uint64_t)x;
    }
    double lim = ldexp(1, (int)bits - 1);
    if (x < -lim) return bits == 64 ? INT64_MIN : -(INT64_C(1) << (bits - 1));
    if (x >= lim) return bits == 64 ? INT64_MAX : (INT64_C(1) << (bits - 1)) - 1;
    return (int64_t)x;
}
