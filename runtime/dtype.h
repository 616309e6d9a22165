/* Element types and the conversions between a stored element and a host number.
 * Shared by every part of frit, the runtime included; depends on nothing. */
#ifndef FRIT_RUNTIME_DTYPE_H
#define FRIT_RUNTIME_DTYPE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One FRIT_name for each dtype of the language: FRIT_f64 f32 f16 bf16 f8e4m3 f8e5m2 i64 i32 i16 i8 u64 u32 u16 u8 i4 u4
 * bool. The order is part of the ABI. FRIT_DTYPE_COUNT stands for none. */
typedef enum frit_dtype {
#define DTYPE(name, bits, kind) FRIT_##name,
#include "dtype.def"
#undef DTYPE
    FRIT_DTYPE_COUNT
} frit_dtype;

/* What its elements are. */
typedef enum frit_dtype_kind { FRIT_KIND_FLOAT, FRIT_KIND_SINT, FRIT_KIND_UINT, FRIT_KIND_BOOL } frit_dtype_kind;

/* Lower-case name as written in the language ("bf16"). */
const char *frit_dtype_name(frit_dtype t);
/* The dtype called `name` (of `len` bytes), or FRIT_DTYPE_COUNT. */
frit_dtype frit_dtype_from_name(const char *name, size_t len);
unsigned frit_dtype_bits(frit_dtype t);
frit_dtype_kind frit_dtype_kind_of(frit_dtype t);
/* Bytes that `n` elements of `t` occupy (4-bit types round up); -1 when n < 0 or the size overflows 64 bits. */
int64_t frit_dtype_bytes(frit_dtype t, int64_t n);
static inline bool frit_dtype_is_float(frit_dtype t) { return frit_dtype_kind_of(t) == FRIT_KIND_FLOAT; }
static inline bool frit_dtype_is_int(frit_dtype t) {
    return frit_dtype_kind_of(t) == FRIT_KIND_SINT || frit_dtype_kind_of(t) == FRIT_KIND_UINT;
}

/* Narrow floats. Rounding is to nearest even and NaN stays NaN; f8 saturates to the largest finite value,
 * infinities included for f8e4m3 (which has none). The sources are doubles so that one rounding takes place. */
uint16_t frit_f16_from_double(double x);
uint16_t frit_bf16_from_double(double x);
uint8_t frit_f8e4m3_from_double(double x);
uint8_t frit_f8e5m2_from_double(double x);
double frit_f16_to_double(uint16_t h);
double frit_bf16_to_double(uint16_t h);
double frit_f8e4m3_to_double(uint8_t h);
double frit_f8e5m2_to_double(uint8_t h);

/* Element i of a buffer as a double (floats, exact), or as an int64 (integers and bool; u64 keeps its bits). */
double frit_load_float(frit_dtype t, const void *buf, int64_t i);
int64_t frit_load_int(frit_dtype t, const void *buf, int64_t i);
/* Store with one rounding (floats), or with two's complement truncation (integers); bool stores x != 0. */
void frit_store_float(frit_dtype t, void *buf, int64_t i, double x);
void frit_store_int(frit_dtype t, void *buf, int64_t i, int64_t x);
/* Saturating conversion of a double to an integer dtype: NaN gives 0, the fraction is dropped. */
int64_t frit_int_from_double(frit_dtype t, double x);
#endif
