#include "rt.h"
#include <string.h>

/* Codes of DLPack 1.1 that older headers lack. */
enum { DL_F8E4M3FN = 10, DL_F8E5M2 = 12 };

DLDataType frit_dltype(frit_dtype t) {
    uint8_t bits = (uint8_t)frit_dtype_bits(t);
    switch (t) {
    case FRIT_bf16: return (DLDataType){kDLBfloat, 16, 1};
    case FRIT_f8e4m3: return (DLDataType){DL_F8E4M3FN, 8, 1};
    case FRIT_f8e5m2: return (DLDataType){DL_F8E5M2, 8, 1};
    case FRIT_bool: return (DLDataType){kDLBool, 8, 1};
    default: break;
    }
    switch (frit_dtype_kind_of(t)) {
    case FRIT_KIND_FLOAT: return (DLDataType){kDLFloat, bits, 1};
    case FRIT_KIND_SINT: return (DLDataType){kDLInt, bits, 1};
    default: return (DLDataType){kDLUInt, bits, 1};
    }
}

frit_dtype frit_dtype_from_dl(DLDataType t) {
    for (int i = 0; i < FRIT_DTYPE_COUNT; i++) {
        DLDataType have = frit_dltype((frit_dtype)i);
        if (have.code == t.code && have.bits == t.bits && t.lanes == 1) return (frit_dtype)i;
    }
    return FRIT_DTYPE_COUNT;
}

DLTensor frit_dense(void *data, frit_dtype t, int rank, int64_t *shape) {
    return (DLTensor){.data = data, .device = {kDLCPU, 0}, .ndim = rank, .dtype = frit_dltype(t), .shape = shape};
}

int64_t rt_elements(const DLTensor *t) {
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++)
        if (t->shape[i] < 0 || __builtin_mul_overflow(n, t->shape[i], &n)) return -1;
    return n;
}

bool rt_is_dense(const DLTensor *t) {
    if (!t->strides) return true;
    int64_t want = 1;
    bool dense = true;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->shape[i] == 0) return true;
        if (t->shape[i] != 1 && t->strides[i] != want) dense = false;
        if (__builtin_mul_overflow(want, t->shape[i], &want)) return false;
    }
    return dense;
}

bool rt_extent(const DLTensor *t, int64_t *lo, int64_t *hi) {
    int64_t n = rt_elements(t), first = 0, last = 0;
    *lo = *hi = 0;
    if (n <= 0) return n == 0;
    for (int i = 0; t->strides && i < t->ndim; i++) {
        int64_t reach;
        if (__builtin_mul_overflow(t->shape[i] - 1, t->strides[i], &reach)) return false;
        if (__builtin_add_overflow(reach < 0 ? first : last, reach, reach < 0 ? &first : &last)) return false;
    }
    if (!t->strides) last = n - 1;
    if (__builtin_add_overflow(last, 1, &last)) return false;
    int64_t bits = t->dtype.bits;
    if (bits >= 8) return !__builtin_mul_overflow(first, bits / 8, lo) && !__builtin_mul_overflow(last, bits / 8, hi);
    *hi = (last + 1) / 2;
    return true;
}

static const char *kind_name(int kind) { return kind == RT_INPUT ? "input" : kind == RT_OUTPUT ? "output" : "param"; }

static frit_status check_dtype(int kind, const char *name, const char *type, const fpk_tensor *want, const DLTensor *t,
                               frit_error *err) {
    frit_dtype got = frit_dtype_from_dl(t->dtype);
    /* Older producers give bool as u8. */
    if (got == want->dtype || (want->dtype == FRIT_bool && got == FRIT_u8)) return FRIT_OK;
    return rt_fail(err, FRIT_SHAPE, "%s '%s' has dtype %s, but %s is wanted", kind_name(kind), name,
                   frit_dtype_name(got), type);
}

frit_status rt_check_tensor(const frit_package *p, int kind, const fpk_tensor *want, const DLTensor *t,
                            const frit_device *dev, bool needs_data, frit_error *err) {
    const char *name = rt_string(p, want->name), *type = rt_string(p, want->type), *what = kind_name(kind);
    TRY(check_dtype(kind, name, type, want, t, err));
    if (t->ndim != want->rank)
        return rt_fail(err, FRIT_SHAPE, "%s '%s' has %d dims, but %s is wanted", what, name, t->ndim, type);
    if (t->ndim && !t->shape) return rt_fail(err, FRIT_USAGE, "%s '%s' has no shape", what, name);
    int64_t n = rt_elements(t), lo, hi;
    if (n < 0 || !rt_extent(t, &lo, &hi)) return rt_fail(err, FRIT_SHAPE, "%s '%s' is too large", what, name);
    bool host_int = want->symbol != FPK_NONE;
    if (t->device.device_type != kDLCPU && (host_int || !rt_on_device(dev, t->device)))
        return rt_fail(err, FRIT_USAGE, "%s '%s' is in memory of another device than %s", what, name,
                       host_int ? "the host" : dev->name);
    if (t->dtype.bits < 8 && !rt_is_dense(t))
        return rt_fail(err, FRIT_USAGE, "%s '%s': 4-bit tensors must be dense row-major", what, name);
    if ((needs_data || host_int) && n > 0 && !t->data)
        return rt_fail(err, FRIT_USAGE, "%s '%s' has no data", what, name);
    return FRIT_OK;
}
