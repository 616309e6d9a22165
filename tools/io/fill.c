/* Seeded contents: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014) as a counter
 * based generator, and the sum of uniforms for the normal distribution (Irwin-Hall of 12: exact arithmetic, no libm, so
 * that every machine makes the same numbers). */
#include "fill.h"
#include <math.h>

static uint64_t split_mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint64_t stream_of(uint64_t seed, const char *name) {
    uint64_t h = split_mix(seed);
    for (; *name; name++)
        h = split_mix(h ^ (uint8_t)*name);
    return h;
}

/* Twelve 10-bit uniforms, mean 0, variance 1 (but for their grain). */
static double normal(uint64_t key, int64_t i) {
    int64_t sum = 0;
    for (int word = 0; word < 2; word++) {
        uint64_t bits = split_mix(key + 2 * (uint64_t)i + (uint64_t)word);
        for (int k = 0; k < 6; k++, bits >>= 10)
            sum += (int64_t)(bits & 1023);
    }
    return ((double)sum - 6 * 1023) / 1024;
}

static double uniform(uint64_t key, int64_t i) { return (double)(split_mix(key + (uint64_t)i) >> 11) * 0x1p-53; }

static void fill_floats(io_array *a, fill_kind kind, uint64_t key, int64_t n) {
    bool matrix = a->rank >= 2;
    double scale = kind == FILL_WEIGHT && matrix && a->dims[a->rank - 1] ? 1 / sqrt((double)a->dims[a->rank - 1]) : 1;
    for (int64_t i = 0; i < n; i++)
        frit_store_float(a->dtype, a->data, i,
                         kind == FILL_WEIGHT && !matrix ? 0.5 + uniform(key, i) : scale * normal(key, i));
}

void fill_seeded(io_array *a, fill_kind kind, uint64_t seed, const char *name, int64_t bound) {
    uint64_t key = stream_of(seed, name);
    int64_t n = io_elements(a);
    if (frit_dtype_is_float(a->dtype)) {
        fill_floats(a, kind, key, n);
        return;
    }
    unsigned bits = frit_dtype_bits(a->dtype) - (frit_dtype_kind_of(a->dtype) == FRIT_KIND_SINT);
    uint64_t limit = bound > 0 ? (uint64_t)bound : 8;
    if (a->dtype == FRIT_bool)
        limit = 2;
    else if (bits < 63 && limit > UINT64_C(1) << bits)
        limit = UINT64_C(1) << bits;
    for (int64_t i = 0; i < n; i++)
        frit_store_int(a->dtype, a->data, i, (int64_t)(split_mix(key + (uint64_t)i) % limit));
}
