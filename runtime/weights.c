/* Params on a device: bound by name, found in the package or beside it, packed by the load program. */
#include "rt.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* ---- Choice of the variant --------------------------------------------------------------------------------------- */
static rt_image image_of(const frit_package *p, const fpk_variant *v) {
    return (rt_image){.target = rt_string(p, v->target),
                      .kernels = p->kernels + v->first_kernel,
                      .n_kernels = v->n_kernels,
                      .strings = p->strings,
                      .code = p->base + p->sections[FPK_CODE].offset + v->code_offset,
                      .bytes = v->code_size};
}

/* How well variant v runs on the device, 0 for not; why: room for 160. */
static int fit(const frit_package *p, const frit_device *d, const fpk_variant *v, const char *target, char *why) {
    rt_image image = image_of(p, v);
    if (!rt_driver_serves(d->driver, image.target) || (target && strcmp(target, image.target))) return 0;
    return d->driver->fits(d, v, &image, why);
}

int frit_package_fits(const frit_package *p, int i, const frit_device *d, frit_error *why) {
    char text[160] = "";
    if (!p || !d || i < 0 || (uint32_t)i >= p->n_variants) return 0;
    int n = fit(p, d, &p->variants[i], NULL, text);
    if (!n) rt_fail(why, FRIT_UNSUPPORTED, "%s", text[0] ? text : "it is for another kind of device");
    return n;
}

/* The variant that fits best, the first of equals, among those that fit less well than `below`, or as well and come
 * after variant `after`. */
static frit_status choose(const frit_package *p, const frit_device *d, const char *target, int *below, uint32_t after,
                          const fpk_variant **out, frit_error *err) {
    char why[400] = "", one[160];
    int best = 0;
    for (uint32_t i = 0; i < p->n_variants; i++) {
        one[0] = 0;
        int n = fit(p, d, &p->variants[i], target, one);
        if (n > best && (n < *below || (n == *below && i > after))) best = n, *out = &p->variants[i];
        size_t at = strlen(why);
        if (one[0]) snprintf(why + at, sizeof why - at, "%s%s", at ? "; " : "", one);
    }
    *below = best;
    if (best) return FRIT_OK;
    if (why[0]) return rt_fail(err, FRIT_UNSUPPORTED, "%s cannot run the package: %s", d->name, why);
    return rt_fail(err, FRIT_UNSUPPORTED, "the package was not compiled for %s%s%s; it has %s%s", target ? target : "",
                   target ? "" : "a target of kind ", target ? "" : d->driver->kind,
                   rt_string(p, p->variants[0].target), p->n_variants > 1 ? " and others" : "");
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */
static void drop_param(frit_weights *w, rt_param *q) {
    if (q->owned) w->dev->driver->free(w->dev, w->queue, &w->dev->mem, q->data, q->bytes ? q->bytes : 1);
    if (q->map) munmap(q->map, q->map_size);
    *q = (rt_param){.view.ndim = -1};
}

static void drop_packed(frit_weights *w) {
    for (uint32_t b = 0; w->packed && b < w->variant->n_buffers; b++) {
        if (w->packed[b] && !w->packed_lent)
            w->dev->driver->free(w->dev, w->queue, &w->dev->mem, w->packed[b], w->packed_size[b]);
        w->packed[b] = NULL;
    }
    w->packed_lent = false;
}

static void destroy(frit_weights *w) {
    const frit_allocator *mem = &w->dev->mem;
    drop_packed(w);
    if (w->packed_done) w->packed_done(w->packed_ctx);
    for (uint32_t i = 0; w->params && i < w->pkg->info->n_params; i++) drop_param(w, &w->params[i]);
    rt_free(mem, w->params, w->pkg->info->n_params, sizeof *w->params);
    rt_free(mem, w->views, w->pkg->info->n_params, sizeof *w->views);
    rt_free(mem, w->syms, w->pkg->n_symbols, sizeof *w->syms);
    rt_free(mem, w->known, w->pkg->n_symbols, 1);
    rt_free(mem, w->packed, w->variant->n_buffers, sizeof *w->packed);
    rt_free(mem, w->packed_size, w->variant->n_buffers, sizeof *w->packed_size);
    if (w->queue) w->dev->driver->queue_close(w->dev, w->queue);
    w->dev->driver->unload(w->dev, w->module);
    frit_device *d = w->dev;
    frit_package_release(w->pkg);
    rt_free(mem, w, 1, sizeof *w);
    frit_device_release(d);
}

static frit_status fill_weights(frit_weights *w, frit_error *err) {
    const frit_allocator *mem = &w->dev->mem;
    const frit_package *p = w->pkg;
    const fpk_variant *v = w->variant;
    w->params = rt_new(mem, p->info->n_params, sizeof *w->params);
    w->views = rt_new(mem, p->info->n_params, sizeof *w->views);
    w->syms = rt_new(mem, p->n_symbols, sizeof *w->syms);
    w->known = rt_new(mem, p->n_symbols, 1);
    w->packed = rt_new(mem, v->n_buffers, sizeof *w->packed);
    w->packed_size = rt_new(mem, v->n_buffers, sizeof *w->packed_size);
    if (!w->params || !w->views || !w->syms || !w->known || !w->packed || !w->packed_size) return rt_no_memory(err);
    for (uint32_t i = 0; i < p->info->n_params; i++) w->params[i].view.ndim = -1;
    TRY(w->dev->driver->queue_open(w->dev, NULL, &w->queue, err));
    rt_image image = image_of(p, v);
    return w->dev->driver->load(w->dev, &image, &w->module, err);
}

static frit_status make_weights(frit_package *p, frit_device *d, const fpk_variant *v, frit_weights **out,
                                frit_error *err) {
    frit_weights *w = rt_new(&d->mem, 1, sizeof *w);
    if (!w) return rt_no_memory(err);
    atomic_init(&w->refs, 1);
    w->pkg = frit_package_retain(p), w->dev = frit_device_retain(d), w->variant = v;
    frit_status s = fill_weights(w, err);
    if (s != FRIT_OK) return destroy(w), s;
    *out = w;
    return FRIT_OK;
}

frit_status frit_weights_create(frit_package *p, frit_device *d, const frit_weights_options *options,
                                frit_weights **out, frit_error *err) {
    if (!p || !d || !out)
        return rt_fail(err, FRIT_USAGE, "frit_weights_create: package, device and out must not be NULL");
    frit_weights_options o = {0};
    if (!rt_take_options(&o, sizeof o, options))
        return rt_fail(err, FRIT_USAGE,
                       "frit_weights_create: set struct_size, and nothing that this version does not know");
    const fpk_variant *v = NULL;
    int fits = INT_MAX;
    TRY(choose(p, d, o.target, &fits, 0, &v, err));
    for (;;) { /* the driver has the last word on what it can run */
        frit_status s = make_weights(p, d, v, out, err);
        if (s != FRIT_UNSUPPORTED) return s;
        if (choose(p, d, o.target, &fits, (uint32_t)(v - p->variants), &v, NULL) != FRIT_OK) return s;
    }
}

frit_weights *frit_weights_retain(frit_weights *w) {
    if (w) atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
    return w;
}
void frit_weights_release(frit_weights *w) {
    if (w && atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) == 1) destroy(w);
}
frit_package *frit_weights_package(const frit_weights *w) { return w ? w->pkg : NULL; }
const char *frit_weights_target(const frit_weights *w) { return w ? rt_string(w->pkg, w->variant->target) : ""; }

/* ---- Binding ----------------------------------------------------------------------------------------------------- */
static bool find_param(const frit_package *p, const char *name, uint32_t *i) {
    for (*i = 0; *i < p->info->n_params; ++*i)
        if (!strcmp(rt_string(p, rt_tensor(p, RT_PARAM, *i)->name), name)) return true;
    return false;
}

/* Dense memory of the device with the tensor's elements; made here, from the host or the device. */
static frit_status copy_in(frit_weights *w, rt_param *q, const DLTensor *t, frit_error *err) {
    q->data = w->dev->driver->alloc(w->dev, w->queue, &w->dev->mem, q->bytes ? q->bytes : 1);
    if (!q->data) return rt_fail(err, FRIT_NO_MEMORY, "no memory for a param of %lld bytes", (long long)q->bytes);
    q->owned = true;
    uint32_t was = w->dev->driver->begin(w->dev);
    frit_status s = rt_put(w->dev, w->queue, &w->dev->mem, q->data, t, err);
    if (s == FRIT_OK) s = w->dev->driver->wait(w->dev, w->queue, err); /* the host may change its tensor now */
    w->dev->driver->end(w->dev, was);
    return s;
}

/* The alignment that kernels rely on for param i. */
static uint32_t param_align(const frit_weights *w, uint32_t i) {
    uint32_t align = 1;
    for (uint32_t b = 0; b < w->variant->n_buffers; b++) {
        const fpk_buffer *buf = &w->pkg->buffers[w->variant->first_buffer + b];
        if (buf->kind == FPK_BUF_PARAM && buf->index == i && buf->align > align) align = buf->align;
    }
    return align;
}

frit_status frit_weights_bind(frit_weights *w, const char *name, const DLTensor *t, int flags, frit_error *err) {
    if (!w || !name || !t)
        return rt_fail(err, FRIT_USAGE, "frit_weights_bind: weights, name and tensor must not be NULL");
    if (w->loaded) return rt_fail(err, FRIT_USAGE, "frit_weights_bind: '%s' comes after load", name);
    if (flags & ~FRIT_BORROW) return rt_fail(err, FRIT_USAGE, "frit_weights_bind: there are no such flags as %d", flags);
    uint32_t i;
    if (!find_param(w->pkg, name, &i))
        return rt_fail(err, FRIT_NOT_FOUND, "the model %s has no param '%s'", rt_string(w->pkg, w->pkg->info->entry),
                       name);
    const fpk_tensor *want = rt_tensor(w->pkg, RT_PARAM, i);
    TRY(rt_check_tensor(w->pkg, RT_PARAM, want, t, w->dev, true, err));
    rt_param q = {.view = *t};
    q.bytes = frit_dtype_bytes((frit_dtype)want->dtype, rt_elements(t));
    if (q.bytes < 0) return rt_fail(err, FRIT_SHAPE, "param '%s' is too large", name);
    if (t->ndim) memcpy(q.shape, t->shape, (size_t)t->ndim * sizeof *t->shape);
    frit_status s = FRIT_OK;
    bool usable = rt_is_dense(t) && rt_on_device(w->dev, t->device) && (uintptr_t)rt_data(t) % param_align(w, i) == 0;
    if ((flags & FRIT_BORROW) && usable && q.bytes)
        q.data = rt_data(t);
    else
        s = copy_in(w, &q, t, err);
    if (s != FRIT_OK) return drop_param(w, &q), s;
    drop_param(w, &w->params[i]);
    w->params[i] = q;
    return FRIT_OK;
}

frit_status frit_weights_set_dim(frit_weights *w, const char *name, int64_t value, frit_error *err) {
    if (!w || !name) return rt_fail(err, FRIT_USAGE, "frit_weights_set_dim: weights and name must not be NULL");
    if (w->loaded) return rt_fail(err, FRIT_USAGE, "frit_weights_set_dim: %s comes after load", name);
    for (uint32_t i = 0; i < w->pkg->n_symbols; i++) {
        if (strcmp(rt_string(w->pkg, w->pkg->symbols[i].name), name) || w->pkg->symbols[i].role != FRIT_DIM_BOUND)
            continue;
        w->syms[i] = value, w->known[i] = 1;
        return FRIT_OK;
    }
    return rt_fail(err, FRIT_NOT_FOUND, "the model %s has no dim %s", rt_string(w->pkg, w->pkg->info->entry), name);
}

/* ---- Weights that the package has -------------------------------------------------------------------------------- */
/* Refers to the mapped bytes where the device and the kernels can use them there, else copies them. */
static frit_status use_stored(frit_weights *w, rt_param *q, uint32_t i, const char *data, frit_error *err) {
    const fpk_tensor *t = rt_tensor(w->pkg, RT_PARAM, i);
    q->bytes = (int64_t)t->size;
    if (w->dev->driver->host_memory && (uintptr_t)data % param_align(w, i) == 0 && data) {
        q->data = (char *)data;
        return FRIT_OK;
    }
    int64_t n = q->bytes;
    DLTensor bytes = frit_dense((void *)data, FRIT_u8, 1, &n);
    return copy_in(w, q, &bytes, err);
}

static frit_status find_stored(frit_weights *w, uint32_t i, frit_error *err) {
    const fpk_tensor *t = rt_tensor(w->pkg, RT_PARAM, i);
    rt_param q = {.view.ndim = -1};
    const char *data = (const char *)w->pkg->base + w->pkg->sections[FPK_WEIGHTS].offset + t->offset;
    if (t->place == FRIT_PARAM_NONE)
        return rt_fail(err, FRIT_USAGE, "param '%s': %s has no value: bind it", rt_string(w->pkg, t->name),
                       rt_string(w->pkg, t->type));
    if (t->place == FRIT_PARAM_BESIDE)
        TRY(rt_map_beside(w->pkg, t, t->size <= RT_CHECK_BELOW, &q.map, &q.map_size, &data, err));
    frit_status s = use_stored(w, &q, i, data, err);
    if (s != FRIT_OK) return drop_param(w, &q), s;
    w->params[i] = q;
    return FRIT_OK;
}

/* ---- Load -------------------------------------------------------------------------------------------------------- */
/* Sizes of params: their dims as bound, or as the package says, against the bytes there are. */
static frit_status check_sizes(const frit_weights *w, rt_frame *f, frit_error *err) {
    for (uint32_t i = 0; i < w->pkg->info->n_params; i++) {
        const fpk_tensor *t = rt_tensor(w->pkg, RT_PARAM, i);
        int64_t n = 1, d;
        for (uint32_t k = 0; k < t->rank; k++) {
            TRY(rt_value(f, w->pkg->lists[t->dims + k], &d, err));
            if (d < 0 || __builtin_mul_overflow(n, d, &n))
                return rt_fail(err, FRIT_SHAPE, "param '%s' is too large", rt_string(w->pkg, t->name));
        }
        if (frit_dtype_bytes((frit_dtype)t->dtype, n) != w->params[i].bytes)
            return rt_fail(err, FRIT_SHAPE, "param '%s' has %lld bytes, but %s is wanted", rt_string(w->pkg, t->name),
                           (long long)w->params[i].bytes, rt_string(w->pkg, t->type));
    }
    return FRIT_OK;
}

static frit_status make_buffer(frit_weights *w, rt_frame *f, uint32_t b, const char *what, frit_error *err) {
    int64_t n = f->size[b] ? f->size[b] : 1;
    w->packed[b] = w->dev->driver->alloc(w->dev, w->queue, &w->dev->mem, n);
    if (!w->packed[b]) return rt_fail(err, FRIT_NO_MEMORY, "no memory for %lld bytes of %s", (long long)n, what);
    w->packed_size[b] = n;
    return FRIT_OK;
}

static frit_status make_packed(frit_weights *w, rt_frame *f, frit_error *err) {
    for (uint32_t b = 0; b < w->variant->n_buffers; b++)
        if (f->buffers[b].kind == FPK_BUF_PACKED) TRY(make_buffer(w, f, b, "packed params", err));
    return FRIT_OK;
}

/* Constants lie in the package; a device that cannot read it there has copies. */
static frit_status make_constants(frit_weights *w, rt_frame *f, frit_error *err) {
    const rt_driver *drv = w->dev->driver;
    for (uint32_t b = 0; !drv->host_memory && b < w->variant->n_buffers; b++) {
        if (f->buffers[b].kind != FPK_BUF_CONST) continue;
        TRY(make_buffer(w, f, b, "constants", err));
        if (f->size[b]) TRY(drv->write(w->dev, w->queue, w->packed[b], f->base[b], f->size[b], err));
    }
    return FRIT_OK;
}

void rt_weights_addresses(const frit_weights *w, rt_frame *f) {
    for (uint32_t b = 0; b < w->variant->n_buffers; b++) {
        const fpk_buffer *buf = &f->buffers[b];
        if (buf->kind == FPK_BUF_PARAM)
            f->base[b] = w->params[buf->index].data, f->size[b] = w->params[buf->index].bytes;
        if (w->packed[b]) f->base[b] = w->packed[b], f->size[b] = w->packed_size[b];
    }
}

/* Symbols from the shapes of params, in the frame: the weights take them when all has gone well. */
static frit_status bind_params(frit_weights *w, rt_frame *f, frit_error *err) {
    for (uint32_t i = 0; i < w->pkg->info->n_params; i++) {
        if (!w->params[i].data) TRY(find_stored(w, i, err));
        w->views[i] = w->params[i].view;
        w->views[i].shape = w->params[i].shape;
    }
    rt_frame_symbols(f, w->syms, w->known);
    TRY(rt_bind_shapes(w->pkg, RT_PARAM, w->views, f->syms, f->known, err));
    return rt_bind_bounds(w->pkg, f->syms, f->known, err);
}

static frit_status run_load(frit_weights *w, rt_frame *f, frit_error *err) {
    TRY(check_sizes(w, f, err));
    TRY(rt_frame_sizes(f, FPK_BUF_PACKED, err));
    TRY(make_packed(w, f, err));
    rt_weights_addresses(w, f);
    if (w->pkg->schedules[w->variant->first_schedule + 1].count > 1) { /* not END alone */
        TRY(rt_frame_place(f, 1, 0, NULL, err));
        TRY(rt_exec(f, 1, err));
    }
    return FRIT_OK;
}

typedef struct saved {
    const void *bytes;
    size_t size;
} saved;

static frit_status restore(frit_weights *w, rt_frame *f, const saved *from, frit_error *err) {
    TRY(check_sizes(w, f, err));
    TRY(rt_frame_sizes(f, FPK_BUF_PACKED, err));
    return rt_packed_take(w, f->size, from->bytes, from->size, &w->packed_lent, err);
}

/* `from`: packed params instead of the load program, or NULL. */
static frit_status load(frit_weights *w, rt_frame *f, const saved *from, frit_error *err) {
    TRY(bind_params(w, f, err));
    TRY(make_constants(w, f, err));
    TRY(from ? restore(w, f, from, err) : run_load(w, f, err));
    TRY(w->dev->driver->wait(w->dev, w->queue, err));
    memcpy(w->syms, f->syms, w->pkg->n_symbols * sizeof *w->syms);
    memcpy(w->known, f->known, w->pkg->n_symbols);
    return FRIT_OK;
}

static frit_status load_once(frit_weights *w, const saved *from, frit_error *err) {
    rt_frame f;
    TRY(rt_frame_init(&f, w->pkg, w->variant, w->dev, w->module, w->queue, &w->dev->mem, w->dev->workers, err));
    uint32_t was = w->dev->driver->begin(w->dev);
    frit_status s = load(w, &f, from, err);
    w->dev->driver->end(w->dev, was);
    rt_frame_free(&f);
    if (s != FRIT_OK) return drop_packed(w), s;
    w->loaded = true;
    return FRIT_OK;
}

frit_status frit_weights_load(frit_weights *w, frit_error *err) {
    if (!w) return rt_fail(err, FRIT_USAGE, "frit_weights_load: weights must not be NULL");
    return w->loaded ? FRIT_OK : load_once(w, NULL, err);
}

frit_status frit_weights_restore(frit_weights *w, const void *bytes, size_t size, void (*done)(void *ctx), void *ctx,
                                 frit_error *err) {
    if (!w || !bytes) return rt_fail(err, FRIT_USAGE, "frit_weights_restore: weights and bytes must not be NULL");
    if (w->loaded) return rt_fail(err, FRIT_USAGE, "frit_weights_restore: the weights are loaded already");
    TRY(load_once(w, &(saved){bytes, size}, err));
    if (w->packed_lent)
        w->packed_done = done, w->packed_ctx = ctx;
    else if (done)
        done(ctx);
    return FRIT_OK;
}
