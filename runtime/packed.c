/* What the load program made of the params, as bytes that another process takes instead of running it. */
#include "rt.h"
#include <string.h>

/* The bytes: this header, a record for each packed buffer in order, then their contents at multiples of FPK_ALIGN. */
typedef struct saved_header {
    char magic[8];
    uint64_t package;  /* frit_package_info.digest */
    uint64_t variant;  /* index */
    uint64_t n, size;  /* records; all bytes */
    uint64_t checksum; /* of the header with this field 0, then of the records */
} saved_header;
typedef struct saved_record {
    uint64_t buffer, offset, size;
} saved_record;
static const char magic[8] = "fritpkd1";

static uint64_t align_up(uint64_t n) { return (n + FPK_ALIGN - 1) / FPK_ALIGN * FPK_ALIGN; }

static uint64_t checksum(saved_header h, const saved_record *r) {
    uint64_t both[2] = {0, fpk_hash(r, h.n * sizeof *r)};
    h.checksum = 0;
    both[0] = fpk_hash(&h, sizeof h);
    return fpk_hash(both, sizeof both);
}

/* The header and the records of w's packed buffers, whose sizes are known; r: room for n_buffers, or NULL to count. */
static saved_header describe(const frit_weights *w, const int64_t *size, saved_record *r) {
    saved_header h = {.package = w->pkg->public.digest, .variant = (uint64_t)(w->variant - w->pkg->variants)};
    memcpy(h.magic, magic, sizeof magic);
    for (uint32_t b = 0; b < w->variant->n_buffers; b++)
        h.n += w->pkg->buffers[w->variant->first_buffer + b].kind == FPK_BUF_PACKED;
    h.size = align_up(sizeof h + h.n * sizeof *r);
    for (uint32_t b = 0, i = 0; b < w->variant->n_buffers; b++) {
        if (w->pkg->buffers[w->variant->first_buffer + b].kind != FPK_BUF_PACKED) continue;
        uint64_t bytes = size[b] ? (uint64_t)size[b] : 1; /* as weights.c allocates them */
        if (r) r[i++] = (saved_record){b, h.size, bytes};
        h.size = align_up(h.size + bytes);
    }
    if (r) h.checksum = checksum(h, r);
    return h;
}

/* ---- Saving ------------------------------------------------------------------------------------------------------ */
size_t frit_weights_saved_size(const frit_weights *w) {
    if (!w || !w->loaded) return 0;
    saved_header h = describe(w, w->packed_size, NULL);
    return h.n ? (size_t)h.size : 0;
}

typedef struct sink {
    bool (*write)(void *ctx, const void *bytes, size_t n);
    void *ctx;
    uint64_t at;
    frit_error *err;
} sink;

static frit_status put(sink *s, const void *bytes, uint64_t n) {
    s->at += n;
    return !n || s->write(s->ctx, bytes, n) ? FRIT_OK : rt_fail(s->err, FRIT_IO, "the packed params were not written");
}

static frit_status put_gap(sink *s, uint64_t to) {
    static const char zeros[FPK_ALIGN];
    return put(s, zeros, to - s->at);
}

/* A buffer of the device; memory that the host cannot read goes through a block of its own. */
static frit_status put_buffer(sink *s, frit_weights *w, const saved_record *r) {
    const rt_driver *drv = w->dev->driver;
    const char *data = w->packed[r->buffer];
    if (drv->host_memory) return put(s, data, r->size);
    uint64_t most = r->size < 1 << 20 ? r->size : 1 << 20;
    char *block = rt_new(&w->dev->mem, most, 1);
    if (!block) return rt_no_memory(s->err);
    frit_status st = FRIT_OK;
    for (uint64_t done = 0, n; st == FRIT_OK && done < r->size; done += n) {
        n = r->size - done < most ? r->size - done : most;
        st = drv->read(w->dev, w->queue, block, data + done, (int64_t)n, s->err);
        if (st == FRIT_OK) st = put(s, block, n);
    }
    rt_free(&w->dev->mem, block, most, 1);
    return st;
}

static frit_status save(frit_weights *w, const saved_header *h, const saved_record *r, sink *s) {
    TRY(put(s, h, sizeof *h));
    TRY(put(s, r, h->n * sizeof *r));
    for (uint64_t i = 0; i < h->n; i++) {
        TRY(put_gap(s, r[i].offset));
        TRY(put_buffer(s, w, &r[i]));
    }
    return put_gap(s, h->size);
}

frit_status frit_weights_save(frit_weights *w, bool (*write)(void *ctx, const void *bytes, size_t n), void *ctx,
                              frit_error *err) {
    if (!w || !write) return rt_fail(err, FRIT_USAGE, "frit_weights_save: weights and write must not be NULL");
    if (!w->loaded) return rt_fail(err, FRIT_USAGE, "frit_weights_save: load the weights first");
    saved_record *r = rt_new(&w->dev->mem, w->variant->n_buffers, sizeof *r);
    if (!r) return rt_no_memory(err);
    saved_header h = describe(w, w->packed_size, r);
    sink s = {write, ctx, 0, err};
    uint32_t was = w->dev->driver->begin(w->dev);
    frit_status st = save(w, &h, r, &s);
    w->dev->driver->end(w->dev, was);
    rt_free(&w->dev->mem, r, w->variant->n_buffers, sizeof *r);
    return st;
}

/* ---- Restoring --------------------------------------------------------------------------------------------------- */
/* The bytes are what describe() gives for sizes as they are now, to the last bit. */
static bool fits(const frit_weights *w, const int64_t *size, const void *bytes, uint64_t n, saved_record *r) {
    saved_header want = describe(w, size, r);
    uint64_t front = sizeof want + want.n * sizeof *r;
    return n == want.size && !memcmp(bytes, &want, sizeof want) &&
           !memcmp((const char *)bytes + sizeof want, r, front - sizeof want);
}

static frit_status take(frit_weights *w, const saved_record *r, const char *data, bool lent, frit_error *err) {
    const rt_driver *drv = w->dev->driver;
    w->packed_size[r->buffer] = (int64_t)r->size;
    if (lent) {
        w->packed[r->buffer] = (char *)data;
        return FRIT_OK;
    }
    w->packed[r->buffer] = drv->alloc(w->dev, w->queue, &w->dev->mem, w->packed_size[r->buffer]);
    if (!w->packed[r->buffer])
        return rt_fail(err, FRIT_NO_MEMORY, "no memory for %llu bytes of packed params", (unsigned long long)r->size);
    return drv->write(w->dev, w->queue, w->packed[r->buffer], data, (int64_t)r->size, err);
}

frit_status rt_packed_take(frit_weights *w, const int64_t *size, const void *bytes, uint64_t n, bool *lent,
                           frit_error *err) {
    saved_record *r = rt_new(&w->dev->mem, w->variant->n_buffers, sizeof *r);
    if (!r) return rt_no_memory(err);
    frit_status s = FRIT_OK;
    if (!fits(w, size, bytes, n, r))
        s = rt_fail(err, FRIT_BAD_PACKAGE, "the packed params are damaged or belong to another package or target");
    uint64_t count = describe(w, size, NULL).n;
    *lent = s == FRIT_OK && w->dev->driver->host_memory && (uintptr_t)bytes % FPK_ALIGN == 0;
    for (uint64_t i = 0; s == FRIT_OK && i < count; i++) s = take(w, &r[i], (const char *)bytes + r[i].offset, *lent, err);
    rt_free(&w->dev->mem, r, w->variant->n_buffers, sizeof *r);
    return s;
}
