#include "rt.h"
#include <string.h>

/* What to say when a target's driver is not there. */
static frit_status no_driver(const char *target, size_t len, frit_error *err) {
    static const struct {
        const char *kind, *advice;
    } known[] = {{"cuda", "needs the NVIDIA driver (libcuda.so.1) and a frit built with the cuda driver"},
                 {"hip", "needs ROCm (libamdhip64.so) and a frit built with the hip driver"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].kind) == len && !memcmp(known[i].kind, target, len))
            return rt_fail(err, FRIT_UNAVAILABLE, "no %s device: it %s", known[i].kind, known[i].advice);
    return rt_fail(err, FRIT_NOT_FOUND, "no kind of device is called '%.*s' (there are cpu, cuda, hip)", (int)len,
                   target);
}

static const rt_driver *find_driver(const char *target, size_t len) {
    for (int i = 0; rt_drivers[i]; i++)
        if (strlen(rt_drivers[i]->kind) == len && !memcmp(rt_drivers[i]->kind, target, len)) return rt_drivers[i];
    return NULL;
}

frit_status frit_device_open(const char *target, const frit_device_options *options, frit_device **out,
                             frit_error *err) {
    if (!target || !out) return rt_fail(err, FRIT_USAGE, "frit_device_open: target and out must not be NULL");
    frit_device_options o = {0};
    if (!rt_take_options(&o, sizeof o, options)) return rt_fail(err, FRIT_USAGE, "frit_device_open: set struct_size");
    if (o.allocator && (!o.allocator->alloc || !o.allocator->free))
        return rt_fail(err, FRIT_USAGE, "frit_device_open: an allocator needs `alloc` and `free`");
    size_t len = strcspn(target, ":");
    const rt_driver *drv = find_driver(target, len);
    if (!drv) return no_driver(target, len, err);
    const frit_allocator *mem = o.allocator ? o.allocator : &rt_malloc;
    frit_device *d = rt_new(mem, 1, sizeof *d);
    if (!d) return rt_no_memory(err);
    atomic_init(&d->refs, 1);
    d->driver = drv;
    d->mem = *mem;
    frit_status s = drv->open(d, &o, err);
    if (s != FRIT_OK) return rt_free(mem, d, 1, sizeof *d), s;
    *out = d;
    return FRIT_OK;
}

frit_device *frit_device_retain(frit_device *d) {
    if (d) atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    return d;
}

void frit_device_release(frit_device *d) {
    if (!d || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1) return;
    d->driver->close(d);
    frit_allocator mem = d->mem;
    rt_free(&mem, d, 1, sizeof *d);
}

const char *frit_device_name(const frit_device *d) { return d ? d->name : ""; }
