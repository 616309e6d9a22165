/* Tensor maps, made once for each place and shape that a queue's launches see. */
#include "gpu.h"
#include <stddef.h>
#include <string.h>

/* What cuTensorMapEncodeTiled makes, kept with what it was made from. */
typedef struct gpu_map {
    _Alignas(64) unsigned char bytes[128];
    struct gpu_map *next;
    uint32_t words[FPK_MAP_WORDS];
    int64_t values[FPK_MAP_VALUES];
    void *base;
} gpu_map_entry;

enum { BUCKETS = 256, MOST = 4096 };

static uint64_t hash_of(const uint32_t *words, const int64_t *values, const void *base) {
    return fpk_hash(words, FPK_MAP_WORDS * sizeof *words) ^ 3 * fpk_hash(values, FPK_MAP_VALUES * sizeof *values) ^ 5 * fpk_hash(&base, sizeof base);
}

/* CUtensorMapDataType. */
static int element_of(frit_dtype t) {
    switch (t) {
    case FRIT_f16: return 6;
    case FRIT_f32: return 7;
    case FRIT_f64: return 8;
    case FRIT_bf16: return 9;
    case FRIT_i32: return 3;
    case FRIT_i64: return 5;
    case FRIT_u64: return 4;
    default: return frit_dtype_bits(t) == 8 ? 0 : frit_dtype_bits(t) == 16 ? 1 : 2;
    }
}

static frit_status encode(const gpu_device *g, gpu_map_entry *m, frit_error *err) {
    enum { NO_INTERLEAVE = 0, PROMOTE_128 = 2, ZEROS = 0 };
    unsigned long long extents[FPK_MAP_RANK], strides[FPK_MAP_RANK];
    unsigned box[FPK_MAP_RANK], steps[FPK_MAP_RANK], rank = m->words[2];
    int64_t size = frit_dtype_bytes((frit_dtype)m->words[1], 1);
    int swizzle = m->words[3] == 128 ? 3 : m->words[3] == 64 ? 2 : m->words[3] == 32 ? 1 : 0;
    for (unsigned i = 0; i < rank; i++) {
        if (!m->values[i]) return FRIT_OK; /* the driver makes none of an empty tensor, and no launch copies from one */
        extents[i] = (unsigned long long)m->values[i];
        if (i) strides[i - 1] = (unsigned long long)(m->values[FPK_MAP_RANK + i - 1] * size);
        steps[i] = fpk_map_step(m->words[FPK_MAP_BOX + i]); /* the driver counts the positions that a box spans */
        box[i] = (fpk_map_box(m->words[FPK_MAP_BOX + i]) - 1) * steps[i] + 1;
    }
    if (!g->api.tensor_map) return rt_fail(err, FRIT_UNAVAILABLE, "the driver (%s) has no tensor maps: CUDA 12 or later is needed", g->version);
    return gpu_check(g, GPU_tensor_map,
                     g->api.tensor_map(m->bytes, element_of((frit_dtype)m->words[1]), rank, m->base, extents, strides, box, steps, NO_INTERLEAVE, swizzle,
                                       PROMOTE_128, ZEROS),
                     err);
}

void gpu_drop_maps(frit_device *d, rt_queue *q) {
    for (uint32_t b = 0; q->maps && b < BUCKETS; b++)
        for (gpu_map_entry *m = q->maps[b], *next; m; m = next) {
            next = m->next;
            rt_free(&d->mem, m, 1, sizeof *m);
        }
    rt_free(&d->mem, q->maps, q->maps ? BUCKETS : 0, sizeof *q->maps);
    q->maps = NULL;
    q->n_maps = 0;
}

static bool equal(const gpu_map_entry *m, const uint32_t *words, const int64_t *values, const void *base) {
    return m->base == base && !memcmp(m->words, words, sizeof m->words) && !memcmp(m->values, values, sizeof m->values);
}

frit_status gpu_map(frit_device *d, rt_queue *q, const rt_launch *l, uint32_t i, void **map, frit_error *err) {
    const uint32_t *words = l->maps + i * FPK_MAP_WORDS;
    const int64_t *values = l->ints + l->record->n_ints + i * FPK_MAP_VALUES;
    void *base = l->args[words[0]];
    if (i == 0 && q->n_maps > MOST) gpu_drop_maps(d, q); /* shapes that do not come back */
    if (!q->maps) q->maps = rt_new(&d->mem, BUCKETS, sizeof *q->maps);
    if (!q->maps) return rt_no_memory(err);
    gpu_map_entry **bucket = &q->maps[hash_of(words, values, base) % BUCKETS];
    for (gpu_map_entry *m = *bucket; m; m = m->next)
        if (equal(m, words, values, base)) return *map = m->bytes, FRIT_OK;
    gpu_map_entry *m = rt_new(&d->mem, 1, sizeof *m);
    if (!m) return rt_no_memory(err);
    memcpy(m->words, words, sizeof m->words);
    memcpy(m->values, values, sizeof m->values);
    m->base = base;
    frit_status s = encode(gpu_of(d), m, err);
    if (s != FRIT_OK) return rt_free(&d->mem, m, 1, sizeof *m), s;
    m->next = *bucket;
    *bucket = m;
    q->n_maps++;
    return *map = m->bytes, FRIT_OK;
}
