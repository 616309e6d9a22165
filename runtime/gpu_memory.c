/* Queues (streams) of a GPU and what moves data on them. */
#include "gpu.h"
#include <string.h>

/* Copies between host and device go through pinned pieces of this size: the device reads one while the next is filled.
 */
enum { SLOT = 1 << 20 };
enum { STREAM_NON_BLOCKING = 1, EVENT_NO_TIMING = 2 };

/* ---- Queues ------------------------------------------------------------------------------------------------------ */
frit_status gpu_queue_open(frit_device *d, void *stream, rt_queue **out, frit_error *err) {
    gpu_device *g = gpu_of(d);
    rt_queue *q = rt_new(&d->mem, 1, sizeof *q);
    if (!q) return rt_no_memory(err);
    q->stream = stream, q->lent = stream != NULL;
    uint32_t was = gpu_begin(d);
    frit_status s =
        stream ? FRIT_OK : gpu_check(g, GPU_stream_create, g->api.stream_create(&q->stream, STREAM_NON_BLOCKING), err);
    gpu_end(d, was);
    if (s != FRIT_OK) return rt_free(&d->mem, q, 1, sizeof *q), s;
    *out = q;
    return FRIT_OK;
}

void gpu_queue_close(frit_device *d, rt_queue *q) {
    gpu_device *g = gpu_of(d);
    uint32_t was = gpu_begin(d);
    g->api.stream_wait(q->stream);
    for (int i = 0; i < RT_MARKS; i++)
        if (q->marks[i]) g->api.event_destroy(q->marks[i]);
    for (int i = 0; i < GPU_SLOTS; i++)
        if (q->staged[i]) g->api.event_destroy(q->staged[i]);
    if (q->staging) g->api.host_free(q->staging);
    if (!q->lent) g->api.stream_destroy(q->stream);
    gpu_end(d, was);
    rt_free(&d->mem, q->params, q->n_params, sizeof *q->params);
    gpu_drop_maps(d, q);
    rt_free(&d->mem, q, 1, sizeof *q);
}

frit_status gpu_wait(frit_device *d, rt_queue *q, frit_error *err) {
    gpu_device *g = gpu_of(d);
    GPU_TRY(g, err, stream_wait, q->stream);
    return FRIT_OK;
}

frit_status gpu_mark(frit_device *d, rt_queue *q, int i, frit_error *err) {
    gpu_device *g = gpu_of(d);
    if (!q->marks[i]) GPU_TRY(g, err, event_create, &q->marks[i], 0);
    GPU_TRY(g, err, event_record, q->marks[i], q->stream);
    return FRIT_OK;
}

double gpu_between(frit_device *d, rt_queue *q, int from, int to) {
    float ms = 0;
    if (gpu_of(d)->api.event_elapsed(&ms, q->marks[from], q->marks[to]) != 0) return 0;
    return 1e-3 * (double)ms;
}

/* ---- Memory ------------------------------------------------------------------------------------------------------ */
void *gpu_alloc(frit_device *d, rt_queue *q, const frit_allocator *mem, int64_t bytes) {
    (void)mem;
    gpu_device *g = gpu_of(d);
    void *p = NULL;
    uint32_t was = gpu_begin(d);
    int code = g->pools ? g->api.alloc_async(&p, (size_t)bytes, q->stream) : g->api.alloc(&p, (size_t)bytes);
    gpu_end(d, was);
    return code ? NULL : p;
}

void gpu_free(frit_device *d, rt_queue *q, const frit_allocator *mem, void *p, int64_t bytes) {
    (void)mem, (void)bytes;
    gpu_device *g = gpu_of(d);
    uint32_t was = gpu_begin(d);
    if (!g->pools || g->api.free_async(p, q->stream) != 0) {
        g->api.stream_wait(q->stream);
        g->api.free(p);
    }
    gpu_end(d, was);
}

/* ---- On the device ----------------------------------------------------------------------------------------------- */
/* The driver's copy must not overlap: pieces as long as the distance do not. */
frit_status gpu_copy(frit_device *d, rt_queue *q, void *dst, const void *src, int64_t bytes, frit_error *err) {
    gpu_device *g = gpu_of(d);
    int64_t by = (char *)dst - (const char *)src, piece = by < 0 ? -by : by;
    if (piece >= bytes) {
        GPU_TRY(g, err, on_device, dst, src, (size_t)bytes, q->stream);
        return FRIT_OK;
    }
    for (int64_t done = 0; done < bytes && piece; done += piece) {
        int64_t n = bytes - done < piece ? bytes - done : piece, at = by < 0 ? done : bytes - done - n;
        GPU_TRY(g, err, on_device, (char *)dst + at, (const char *)src + at, (size_t)n, q->stream);
    }
    return FRIT_OK;
}

/* Eight bytes at a time there is no fill: one is written, then what is there is doubled. */
static frit_status fill64(gpu_device *g, rt_queue *q, char *dst, int64_t bytes, uint64_t pattern, frit_error *err) {
    GPU_TRY(g, err, fill32, dst, (unsigned)pattern, 1, q->stream);
    GPU_TRY(g, err, fill32, dst + 4, (unsigned)(pattern >> 32), 1, q->stream);
    for (int64_t done = 8; done < bytes; done *= 2)
        GPU_TRY(g, err, on_device, dst + done, dst, (size_t)(bytes - done < done ? bytes - done : done), q->stream);
    return FRIT_OK;
}

frit_status gpu_fill(frit_device *d, rt_queue *q, void *dst, int64_t bytes, int width, uint64_t pattern,
                     frit_error *err) {
    gpu_device *g = gpu_of(d);
    if (pattern == 0) width = 1;
    if (width == 8 && pattern >> 32 == (uint32_t)pattern) width = 4;
    size_t n = (size_t)(bytes / width), rest = (size_t)(bytes % width);
    if (width == 1) GPU_TRY(g, err, fill8, dst, (unsigned char)pattern, n, q->stream);
    if (width == 2 && n) GPU_TRY(g, err, fill16, dst, (unsigned short)pattern, n, q->stream);
    if (width == 4 && n) GPU_TRY(g, err, fill32, dst, (unsigned)pattern, n, q->stream);
    if (width == 8 && n) TRY(fill64(g, q, dst, bytes - (int64_t)rest, pattern, err));
    for (size_t i = 0; i < rest; i++)
        GPU_TRY(g, err, fill8, (char *)dst + bytes - (int64_t)rest + i, (unsigned char)(pattern >> 8 * i), 1,
                q->stream);
    return FRIT_OK;
}

/* ---- Host and device --------------------------------------------------------------------------------------------- */
/* Pinned pieces, made at the first use. Without them the driver stages by itself, and is waited for. */
static bool staging(gpu_device *g, rt_queue *q) {
    void *p;
    if (q->staging) return true;
    for (int i = 0; i < GPU_SLOTS; i++)
        if (!q->staged[i] && g->api.event_create(&q->staged[i], EVENT_NO_TIMING) != 0)
            return q->staged[i] = NULL, false;
    if (g->api.host_alloc(&p, (size_t)SLOT * GPU_SLOTS, 0) != 0) return false;
    q->staging = p;
    return true;
}

/* The next piece, free to be written by the host. */
static frit_status next_slot(gpu_device *g, rt_queue *q, int *slot, frit_error *err) {
    *slot = q->turn;
    q->turn = (q->turn + 1) % GPU_SLOTS;
    if (q->busy[*slot]) GPU_TRY(g, err, event_wait, q->staged[*slot]);
    q->busy[*slot] = false;
    return FRIT_OK;
}

frit_status gpu_write(frit_device *d, rt_queue *q, void *dst, const void *host, int64_t bytes, frit_error *err) {
    gpu_device *g = gpu_of(d);
    if (!staging(g, q)) {
        GPU_TRY(g, err, to_device, dst, host, (size_t)bytes, q->stream);
        return gpu_wait(d, q, err);
    }
    for (int64_t at = 0; at < bytes; at += SLOT) {
        size_t n = (size_t)(bytes - at < SLOT ? bytes - at : SLOT);
        int slot;
        TRY(next_slot(g, q, &slot, err));
        char *piece = q->staging + (size_t)slot * SLOT;
        memcpy(piece, (const char *)host + at, n);
        GPU_TRY(g, err, to_device, (char *)dst + at, piece, n, q->stream);
        GPU_TRY(g, err, event_record, q->staged[slot], q->stream);
        q->busy[slot] = true;
    }
    return FRIT_OK;
}

/* Queues the copy of the piece at `at` to a slot. */
static frit_status fetch(gpu_device *g, rt_queue *q, const char *src, int64_t bytes, int64_t at, int *slot,
                         frit_error *err) {
    size_t n = (size_t)(bytes - at < SLOT ? bytes - at : SLOT);
    TRY(next_slot(g, q, slot, err));
    GPU_TRY(g, err, to_host, q->staging + (size_t)*slot * SLOT, src + at, n, q->stream);
    GPU_TRY(g, err, event_record, q->staged[*slot], q->stream);
    q->busy[*slot] = true;
    return FRIT_OK;
}

frit_status gpu_read(frit_device *d, rt_queue *q, void *host, const void *src, int64_t bytes, frit_error *err) {
    gpu_device *g = gpu_of(d);
    int slot, next;
    if (bytes <= 0) return FRIT_OK;
    if (!staging(g, q)) {
        GPU_TRY(g, err, to_host, host, src, (size_t)bytes, q->stream);
        return gpu_wait(d, q, err);
    }
    TRY(fetch(g, q, src, bytes, 0, &slot, err));
    for (int64_t at = 0; at < bytes; at += SLOT, slot = next) {
        next = slot;
        if (at + SLOT < bytes) TRY(fetch(g, q, src, bytes, at + SLOT, &next, err));
        GPU_TRY(g, err, event_wait, q->staged[slot]);
        q->busy[slot] = false;
        memcpy((char *)host + at, q->staging + (size_t)slot * SLOT, (size_t)(bytes - at < SLOT ? bytes - at : SLOT));
    }
    return FRIT_OK;
}
