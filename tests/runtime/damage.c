#include "damage.h"
#include "runtime/rt.h"
#include <string.h>

void damage_reseal(uint8_t *bytes, size_t n) {
    fpk_header h;
    if (n < sizeof h) return;
    memcpy(&h, bytes, sizeof h);
    memcpy(h.magic, FPK_MAGIC, 8);
    h.version = FPK_VERSION, h.file_size = n, h.n_sections %= FPK_SECTION_KINDS + 1;
    size_t head = sizeof h + h.n_sections * sizeof(fpk_section);
    if (n < head) return;
    for (uint32_t i = 0; i < h.n_sections; i++) {
        fpk_section s;
        uint8_t *at = bytes + sizeof h + i * sizeof s;
        memcpy(&s, at, sizeof s);
        if (s.offset > n || s.size > n - s.offset) continue;
        s.checksum = fpk_hash(bytes + s.offset, s.size);
        memcpy(at, &s, sizeof s);
    }
    h.checksum = 0;
    memcpy(bytes, &h, sizeof h);
    h.checksum = fpk_hash(bytes, head);
    memcpy(bytes, &h, sizeof h);
}

/* Shapes that a host might give: every dim 3; integers 2. */
static void bind_small(const frit_package *p, rt_frame *f) {
    static int64_t shape[FPK_MAX_RANK], two = 2;
    DLTensor given[64];
    uint32_t n = p->info->n_inputs;
    if (n > 64) return;
    for (int i = 0; i < FPK_MAX_RANK; i++) shape[i] = 3;
    for (uint32_t i = 0; i < n; i++) {
        const fpk_tensor *t = rt_tensor(p, RT_INPUT, i);
        given[i] = frit_dense(&two, (frit_dtype)t->dtype, t->rank, shape);
    }
    frit_error err;
    if (rt_bind_shapes(p, RT_INPUT, given, f->syms, f->known, &err) == FRIT_OK)
        rt_bind_bounds(p, f->syms, f->known, &err);
}

/* Gives every symbol a value, so that plans are made whatever the shapes told. */
static void plan_all(const frit_package *p, rt_frame *f) {
    frit_error err;
    for (uint32_t i = 0; i < p->n_symbols; i++)
        if (!f->known[i]) f->syms[i] = 2, f->known[i] = 1;
    for (uint32_t s = 0; s < 2 + p->info->n_states; s++) {
        int64_t most = 0;
        for (uint32_t k = 0; k < f->variant->n_kernels; k++) {
            int64_t v;
            if (rt_value(f, f->kernels[k].scratch, &v, &err) == FRIT_OK && v > most) most = v;
        }
        if (rt_frame_sizes(f, FPK_BUF_TEMP, &err) != FRIT_OK || most > 1 << 20) return;
        for (uint32_t b = 0; b < f->variant->n_buffers; b++)
            if (f->buffers[b].kind == FPK_BUF_TEMP && f->size[b] > 1 << 20) return; /* real memory is not the subject */
        rt_frame_place(f, s, 0, NULL, &err);
    }
}

bool damage_exercise(const uint8_t *bytes, size_t n) {
    frit_package *p;
    frit_error err;
    if (frit_package_open_memory(bytes, n, NULL, NULL, NULL, &p, &err) != FRIT_OK) return false;
    frit_device d = {.driver = &rt_cpu_driver, .mem = rt_malloc, .workers = 1};
    for (uint32_t i = 0; i < p->n_variants; i++) {
        rt_frame f;
        if (rt_frame_init(&f, p, &p->variants[i], &d, NULL, NULL, &rt_malloc, 1, &err) != FRIT_OK) continue;
        bind_small(p, &f);
        plan_all(p, &f);
        rt_frame_free(&f);
    }
    frit_package_release(p);
    return true;
}
