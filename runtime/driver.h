/* What a kind of device offers. One driver per kind: cpu.c; a GPU driver fills the same table from the functions that
 * it finds with dlopen. */
#ifndef FRIT_RUNTIME_DRIVER_H
#define FRIT_RUNTIME_DRIVER_H
#include "frit.h"
#include "package.h"
#include <stdatomic.h>

typedef struct rt_driver rt_driver;
typedef struct rt_module rt_module; /* the code of a variant, ready to launch; its form is the driver's */

struct frit_device {
    atomic_int refs;
    const rt_driver *driver;
    frit_allocator mem; /* host memory */
    DLDevice dl;
    int workers; /* the most that run a launch at once; each has scratch of its own. 1 where scratch is on the device */
    char name[96];
    frit_pool pool; /* CPU */
    void *own;      /* the driver's: a thread pool, a context */
};

typedef struct rt_launch {
    const rt_module *module;
    uint32_t kernel;   /* index within the variant */
    void *const *args; /* device addresses */
    const int64_t *sizes; /* bytes from each argument to the end of its buffer */
    const int64_t *ints;
    int64_t tasks;
    int64_t work; /* nanoseconds of one worker, a rough estimate; -1 when not known */
    int workers;
    char *scratch; /* worker w has scratch + w * stride */
    int64_t stride;
    int64_t scratch_bytes; /* that the kernel uses of a worker's; at most stride */
} rt_launch;

struct rt_driver {
    const char *kind; /* the target string up to ':' */
    bool host_memory; /* device addresses may be read and written by the host */
    frit_status (*open)(frit_device *d, const frit_device_options *o, frit_error *err);
    void (*close)(frit_device *d);
    /* Whether this device can run code for the variant; `why` (may be NULL, room for 160) receives the reason. */
    bool (*runs)(const frit_device *d, const fpk_variant *v, const char *target, char *why);
    /* Device memory, 64-byte aligned (4096 for large); NULL when there is none. mem: host allocator to take it from
     * where the device's memory is the host's. */
    void *(*alloc)(frit_device *d, const frit_allocator *mem, int64_t bytes);
    void (*free)(frit_device *d, const frit_allocator *mem, void *p, int64_t bytes);
    frit_status (*load)(frit_device *d, const fpk_kernel *kernels, uint32_t n, const char *strings, const void *code,
                        uint64_t bytes, rt_module **out, frit_error *err);
    void (*unload)(frit_device *d, rt_module *m);
    /* begin and end enclose the work of one run on the calling thread. */
    uint32_t (*begin)(frit_device *d);
    void (*end)(frit_device *d, uint32_t was);
    frit_status (*launch)(frit_device *d, const rt_launch *l, frit_error *err);
    /* Device to device; may overlap. */
    frit_status (*copy)(frit_device *d, void *dst, const void *src, int64_t bytes, frit_error *err);
    frit_status (*fill)(frit_device *d, void *dst, int64_t bytes, int width, uint64_t pattern, frit_error *err);
    /* Between host and device, done when they return. */
    frit_status (*read)(frit_device *d, void *host, const void *src, int64_t bytes, frit_error *err);
    frit_status (*write)(frit_device *d, void *dst, const void *host, int64_t bytes, frit_error *err);
    frit_status (*wait)(frit_device *d, frit_error *err);
    /* Seconds on the device's clock once everything queued so far is done. */
    double (*time)(frit_device *d);
};
extern const rt_driver rt_cpu_driver;
/* The drivers there are, NULL at the end. */
extern const rt_driver *const rt_drivers[];
#endif
