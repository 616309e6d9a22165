/* Tensor maps in exports for GPUs: a context keeps those that its launches have used, so that a run of known places and
 * shapes makes none. A context belongs to one thread at a time, so that nothing is locked. */
#include "export_internal.h"

enum { WAYS = 4 }; /* maps kept for each place in the schedule: buffers that are swapped, a caller's that alternate */

static uint32_t most_maps(const exporter *x) {
    uint32_t most = 0;
    for (uint32_t k = 0; k < x->v->n_kernels; k++)
        if (x->kernels[k].n_maps > most) most = x->kernels[k].n_maps;
    return most;
}

bool gpu_has_maps(const exporter *x) { return most_maps(x) > 0; }

/* The room is a multiple of 64 bytes, as the driver wants maps aligned. */
void put_gpu_map_struct(exporter *x, text *t) {
    if (!gpu_has_maps(x)) return;
    put(t,
        "/* A tensor map with what it was made from. */\n"
        "typedef struct tensor_map {\n    uint64_t bytes[16];\n    int64_t shape[%d];\n    void *base;\n"
        "    int64_t made, next; /* next: which of a place's maps goes when another is made; in the first of them */\n"
        "    int64_t rest[%d];\n} tensor_map;\nenum { MAP_WAYS = %d, MAP_PLACES = %u };\n\n",
        FPK_MAP_VALUES, 16 - FPK_MAP_VALUES - 3, WAYS, x->n_map_places);
}

/* The driver's numbers of dtypes (CUtensorMapDataType) by ours, of those that have 8 bits or more. */
static void put_elements(text *t) {
    for (int d = 0; d < FRIT_DTYPE_COUNT; d++) {
        unsigned bits = frit_dtype_bits((frit_dtype)d);
        int number = bits <= 8 ? 0 : bits == 16 ? 1 : bits == 32 ? 2 : 4;
        if (d == FRIT_f16) number = 6;
        if (d == FRIT_f32) number = 7;
        if (d == FRIT_f64) number = 8;
        if (d == FRIT_bf16) number = 9;
        put(t, "%s{%d, %u}", d ? ", " : "", number, bits < 8 ? 1 : bits / 8);
    }
}

static void put_make_map(text *t) {
    put(t,
        "/* ---- Tensor maps ---- */\n"
        "/* A buffer as bulk copies see it. w: its number, dtype, rank, bytes of the swizzle, box (upper\n * halves: steps less 1); shape: extents, then strides "
        "of all axes but the first, in elements. */\n"
        "static int make_map(const queue *q, void *map, const unsigned *w, void *base, const int64_t *shape) {\n"
        "    static const struct {\n        int number, bytes;\n    } elements[] = {");
    put_elements(t);
    put(t,
        "};\n    unsigned long long extents[%d], strides[%d];\n    unsigned box[%d], steps[%d], i;\n"
        "    int swizzle = w[3] == 128 ? 3 : w[3] == 64 ? 2 : w[3] == 32 ? 1 : 0;\n"
        "    if (!q->device->api.tensor_map) return failed(q->device, 801); /* not supported */\n"
        "    for (i = 0; i < w[2]; i++) {\n"
        "        if (!shape[i]) return 0; /* an empty tensor has no map, and nothing copies from it */\n"
        "        extents[i] = (unsigned long long)shape[i];\n"
        "        if (i) strides[i - 1] = (unsigned long long)(shape[%d + i] * elements[w[1]].bytes);\n"
        "        steps[i] = (w[%d + i] >> 16) + 1;\n        box[i] = ((w[%d + i] & 0xffff) - 1) * steps[i] + 1;\n    }\n"
        "    return failed(q->device, q->device->api.tensor_map(map, elements[w[1]].number, w[2], base, extents, strides, box, "
        "steps,\n                                                       0, swizzle, 2, 0));\n}\n\n",
        FPK_MAP_RANK, FPK_MAP_RANK, FPK_MAP_RANK, FPK_MAP_RANK, FPK_MAP_RANK - 1, FPK_MAP_BOX, FPK_MAP_BOX);
}

void put_gpu_maps(exporter *x, text *t) {
    if (!gpu_has_maps(x)) return;
    put_make_map(t);
    put(t,
        "/* The map for `place` of the schedule: one that is kept, or a new one instead of the oldest. NULL on failure. */\n"
        "static void *find_map(const queue *q, int place, const unsigned *w, void *base, const int64_t *shape) {\n"
        "    tensor_map *all = q->maps + (int64_t)place * MAP_WAYS, *m = all;\n    int i;\n"
        "    for (i = 0; i < MAP_WAYS; i++, m++)\n"
        "        if (m->made && m->base == base && !memcmp(m->shape, shape, sizeof m->shape)) return m->bytes;\n"
        "    m = all + all->next++ %% MAP_WAYS;\n    m->made = 0;\n"
        "    if (make_map(q, m->bytes, w, base, shape)) return NULL;\n"
        "    memcpy(m->shape, shape, sizeof m->shape);\n    m->base = base;\n    m->made = 1;\n"
        "    return m->bytes;\n}\n\n");
}

const char *gpu_map_parameters(const exporter *x) {
    return gpu_has_maps(x) ? "const unsigned *maps, const int64_t *shapes, int n_maps, int place,\n                  " : "";
}

void put_gpu_map_locals(const exporter *x, text *t) {
    if (gpu_has_maps(x))
        put(t, "    uint64_t room[%u]; /* for maps that are not kept */\n"
               "    char *map = (char *)(((uintptr_t)room + 63) & ~(uintptr_t)63);\n",
            most_maps(x) * 16 + 8);
}

void put_gpu_map_params(const exporter *x, text *t) {
    if (gpu_has_maps(x))
        put(t, "    for (i = 0; i < n_maps; i++, maps += %d, shapes += %d) {\n"
               "        void *base = buffers[maps[0]], *at = map + i * 128;\n"
               "        if (q->maps) at = find_map(q, place + i, maps, base, shapes);\n"
               "        else if (make_map(q, at, maps, base, shapes)) return 1;\n"
               "        if (!at) return 1;\n        params[n++] = at;\n    }\n",
            FPK_MAP_WORDS, FPK_MAP_VALUES);
}
