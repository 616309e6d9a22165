/* What a kind of device offers. One driver per kind, listed in drivers.c: cpu_driver.c; the drivers of GPUs fill the
 * same table from the functions that they find with dlopen. */
#ifndef FRIT_RUNTIME_DRIVER_H
#define FRIT_RUNTIME_DRIVER_H
#include "frit.h"
#include "package.h"
#include <stdatomic.h>

typedef struct rt_driver rt_driver;
typedef struct rt_module rt_module; /* the code of a variant, ready to launch; its form is the driver's */
typedef struct rt_queue rt_queue;   /* work that is done in order, beside that of other queues (a stream) */
typedef struct rt_graph rt_graph;   /* recorded work of a queue */

struct frit_device {
    atomic_int refs;
    const rt_driver *driver;
    frit_allocator mem; /* host memory */
    DLDevice dl;
    int workers; /* the most that run a launch at once; each has scratch of its own */
    char name[96];
    frit_pool pool; /* CPU */
    void *own;      /* the driver's: a thread pool, a context */
};

/* The code of a variant as the package has it. */
typedef struct rt_image {
    const char *target; /* the variant's string */
    const fpk_kernel *kernels;
    uint32_t n_kernels;
    const char *strings;
    const uint8_t *code;
    uint64_t bytes;
} rt_image;

typedef struct rt_launch {
    const rt_module *module;
    const fpk_kernel *record;
    uint32_t kernel;      /* index within the variant */
    void *const *args;    /* device addresses */
    const int64_t *sizes; /* bytes from each argument to the end of its buffer */
    const int64_t *ints;   /* arguments, then the values of the maps */
    const uint32_t *maps;  /* their words */
    int64_t tasks;
    int64_t work; /* nanoseconds of one worker, a rough estimate; -1 when not known */
    int workers;
    char *scratch; /* worker w has scratch + w * stride (blocks of threads: + block * scratch_bytes) */
    int64_t stride;
    int64_t scratch_bytes; /* that the kernel uses of a worker's; at most stride */
} rt_launch;

/* Functions fill *err (may be NULL). What takes a queue is called between begin and end, but for queue_open,
 * queue_close, alloc, free and forget, which may be called from anywhere. */
struct rt_driver {
    const char *kind; /* the target string up to ':' */
    const char *also; /* another kind whose code it runs, or NULL */
    bool host_memory; /* device addresses may be read and written by the host */
    /* How many devices there are; FRIT_UNAVAILABLE with what to install when the driver is missing. */
    frit_status (*count)(int *n, frit_error *err);
    frit_status (*open)(frit_device *d, const frit_device_options *o, frit_error *err);
    void (*close)(frit_device *d);
    /* How well code of the variant runs on this device: 0 not at all (`why`, room for 160, receives the reason), else
     * the larger the better. */
    int (*fits)(const frit_device *d, const fpk_variant *v, const rt_image *image, char *why);
    /* stream: the host's own, which stays the host's, or NULL for a new one. */
    frit_status (*queue_open)(frit_device *d, void *stream, rt_queue **out, frit_error *err);
    void (*queue_close)(frit_device *d, rt_queue *q);
    /* Device memory for work on the queue, 64-byte aligned (4096 for large); NULL when there is none. mem: host
     * allocator to take it from where the device's memory is the host's. free may wait until the queue has done what
     * uses it. */
    void *(*alloc)(frit_device *d, rt_queue *q, const frit_allocator *mem, int64_t bytes);
    void (*free)(frit_device *d, rt_queue *q, const frit_allocator *mem, void *p, int64_t bytes);
    /* FRIT_UNSUPPORTED when another variant may do. */
    frit_status (*load)(frit_device *d, const rt_image *image, rt_module **out, frit_error *err);
    void (*unload)(frit_device *d, rt_module *m);
    /* begin and end enclose the work of one run on the calling thread. */
    uint32_t (*begin)(frit_device *d);
    void (*end)(frit_device *d, uint32_t was);
    frit_status (*launch)(frit_device *d, rt_queue *q, const rt_launch *l, frit_error *err);
    /* Device to device; may overlap. */
    frit_status (*copy)(frit_device *d, rt_queue *q, void *dst, const void *src, int64_t bytes, frit_error *err);
    frit_status (*fill)(frit_device *d, rt_queue *q, void *dst, int64_t bytes, int width, uint64_t pattern,
                        frit_error *err);
    /* Between host and device, in the queue's order. The host's memory has been read or written when they return. */
    frit_status (*read)(frit_device *d, rt_queue *q, void *host, const void *src, int64_t bytes, frit_error *err);
    frit_status (*write)(frit_device *d, rt_queue *q, void *dst, const void *host, int64_t bytes, frit_error *err);
    /* Until all that was queued is done; reports its failures. */
    frit_status (*wait)(frit_device *d, rt_queue *q, frit_error *err);
    /* Marks 0 .. RT_MARKS-1 note the time at which the queue reaches them; seconds between two that it has passed. */
    frit_status (*mark)(frit_device *d, rt_queue *q, int i, frit_error *err);
    double (*between)(frit_device *d, rt_queue *q, int from, int to);
    /* NULL where there is nothing to gain. Between record and recorded, work is noted instead of done; a failure of
     * either leaves the queue as it was. replay does it. */
    frit_status (*record)(frit_device *d, rt_queue *q, frit_error *err);
    frit_status (*recorded)(frit_device *d, rt_queue *q, rt_graph **out, frit_error *err);
    frit_status (*replay)(frit_device *d, rt_queue *q, rt_graph *g, frit_error *err);
    void (*forget)(frit_device *d, rt_graph *g);
};
enum { RT_MARKS = 512 };
/* The driver runs code for targets of this string's kind. */
bool rt_driver_serves(const rt_driver *d, const char *target);
extern const rt_driver rt_cpu_driver, rt_cuda_driver, rt_hip_driver;
/* The drivers there are, NULL at the end. */
extern const rt_driver *const rt_drivers[];
#endif
