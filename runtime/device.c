#include "rt.h"
#include <stdio.h>
#include <string.h>

static bool is_kind(const char *kind, const char *target) {
    size_t len = strcspn(target, ":");
    return kind && strlen(kind) == len && !memcmp(kind, target, len);
}

bool rt_driver_serves(const rt_driver *d, const char *target) {
    return is_kind(d->kind, target) || is_kind(d->also, target);
}

static const rt_driver *find_driver(const char *target, frit_error *err) {
    size_t len = strcspn(target, ":");
    char known[64] = "";
    for (int i = 0; rt_drivers[i]; i++) {
        const char *kind = rt_drivers[i]->kind;
        if (rt_driver_serves(rt_drivers[i], target)) return rt_drivers[i];
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", kind);
    }
    rt_fail(err, FRIT_NOT_FOUND, "no kind of device is called '%.*s' (there are %s)", (int)len, target, known);
    return NULL;
}

frit_status frit_device_count(const char *target, int *n, frit_error *err) {
    if (!target || !n) return rt_fail(err, FRIT_USAGE, "frit_device_count: target and n must not be NULL");
    const rt_driver *drv = find_driver(target, err);
    return drv ? drv->count(n, err) : FRIT_NOT_FOUND;
}

frit_status frit_device_open(const char *target, const frit_device_options *options, frit_device **out,
                             frit_error *err) {
    if (!target || !out) return rt_fail(err, FRIT_USAGE, "frit_device_open: target and out must not be NULL");
    frit_device_options o = {0};
    if (!rt_take_options(&o, sizeof o, options))
        return rt_fail(err, FRIT_USAGE,
                       "frit_device_open: set struct_size, and nothing that this version does not know");
    if (o.allocator && (!o.allocator->alloc || !o.allocator->free))
        return rt_fail(err, FRIT_USAGE, "frit_device_open: an allocator needs `alloc` and `free`");
    const rt_driver *drv = find_driver(target, err);
    if (!drv) return FRIT_NOT_FOUND;
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
