/* What the drivers of GPUs share. CUDA's driver API and HIP's runtime API have the same functions under other names
 * (gpu.def); a gpu_dialect says where they differ beyond that. */
#ifndef FRIT_RUNTIME_GPU_H
#define FRIT_RUNTIME_GPU_H
#include "rt.h"
#include <pthread.h>

typedef enum gpu_fn {
#define GPU_FN(result, id, params, need, cuda, hip) GPU_##id,
#include "gpu.def"
#undef GPU_FN
    GPU_FNS
} gpu_fn;

typedef struct gpu_api {
    void *library;
#define GPU_FN(result, id, params, need, cuda, hip) result(*id) params;
#include "gpu.def"
#undef GPU_FN
} gpu_api;

/* What a launch of clusters is told, as CUDA's driver has it (CUlaunchConfig, CUlaunchAttribute). */
enum { GPU_CLUSTER_DIMENSION = 4 };
typedef struct gpu_launch_attribute {
    int id;
    unsigned none, value[16]; /* of a cluster's dimension: x, y, z */
} gpu_launch_attribute;
typedef struct gpu_launch_config {
    unsigned grid[3], block[3], shared;
    void *stream;
    gpu_launch_attribute *attributes;
    unsigned n_attributes;
} gpu_launch_config;

typedef struct gpu_device gpu_device;
typedef struct gpu_dialect {
    const char *kind;
    enum { GPU_CUDA, GPU_HIP } column; /* of the names in gpu.def */
    const char *const *libraries;      /* tried in turn; NULL at the end */
    const char *advice;                /* what to install when there is none */
    DLDeviceType type;
    int multiprocessors, shared, pools; /* numbers of device attributes; shared: the most a block may ask for */
    /* The architecture as the target string spells it ("sm_90", "gfx942"), "" when not known. */
    void (*architecture)(gpu_device *g);
    /* As rt_driver's; `text`: the code is to be finished by the driver. */
    int (*fits)(const gpu_device *g, const char *target, bool text, char *why);
    void (*version)(int v, char *text, size_t n); /* "CUDA 12.4" */
} gpu_dialect;

/* A loaded module, found again by its contents: every weights object of a package uses the same. */
typedef struct gpu_image {
    struct gpu_image *next;
    uint64_t hash, bytes;
    void *module;
    int refs;
    char form[16]; /* "PTX 8.5", "machine code" */
} gpu_image;

struct gpu_device {
    gpu_api api;
    const gpu_dialect *dialect;
    int device;    /* the driver's handle */
    void *context; /* retained; NULL in HIP */
    char architecture[48], version[24], model[64];
    int shared, processors; /* bytes that a block may ask for; multiprocessors */
    bool pools;
    pthread_mutex_t lock; /* of images */
    gpu_image *images;
};

enum { GPU_SLOTS = 2 };
struct rt_queue {
    void *stream;
    bool lent; /* the host's */
    void **params;
    uint32_t n_params;
    void *marks[RT_MARKS];
    char *staging;           /* GPU_SLOTS pieces of pinned memory */
    void *staged[GPU_SLOTS]; /* reached when the device has read a piece */
    bool busy[GPU_SLOTS];
    int turn;
    struct gpu_map **maps; /* by hash; gpu_maps.c */
    uint32_t n_maps;
};

static inline gpu_device *gpu_of(const frit_device *d) { return d->own; }
/* FRIT_OK, or the failure `code` of a call in words: its name, the error's name and text, the device and the driver. */
frit_status gpu_check(const gpu_device *g, gpu_fn fn, int code, frit_error *err);
#define GPU_TRY(g, err, id, ...) TRY(gpu_check(g, GPU_##id, (g)->api.id(__VA_ARGS__), err))

/* ---- gpu_device.c ------------------------------------------------------------------------------------------------ */
frit_status gpu_count(const gpu_dialect *x, int *n, frit_error *err);
frit_status gpu_open(const gpu_dialect *x, frit_device *d, const frit_device_options *o, frit_error *err);
void gpu_close(frit_device *d);
uint32_t gpu_begin(frit_device *d);
void gpu_end(frit_device *d, uint32_t was);
/* ---- gpu_memory.c ------------------------------------------------------------------------------------------------ */
frit_status gpu_queue_open(frit_device *d, void *stream, rt_queue **out, frit_error *err);
void gpu_queue_close(frit_device *d, rt_queue *q);
void *gpu_alloc(frit_device *d, rt_queue *q, const frit_allocator *mem, int64_t bytes);
void gpu_free(frit_device *d, rt_queue *q, const frit_allocator *mem, void *p, int64_t bytes);
frit_status gpu_copy(frit_device *d, rt_queue *q, void *dst, const void *src, int64_t bytes, frit_error *err);
frit_status gpu_fill(frit_device *d, rt_queue *q, void *dst, int64_t bytes, int width, uint64_t pattern,
                     frit_error *err);
frit_status gpu_read(frit_device *d, rt_queue *q, void *host, const void *src, int64_t bytes, frit_error *err);
frit_status gpu_write(frit_device *d, rt_queue *q, void *dst, const void *host, int64_t bytes, frit_error *err);
frit_status gpu_wait(frit_device *d, rt_queue *q, frit_error *err);
frit_status gpu_mark(frit_device *d, rt_queue *q, int i, frit_error *err);
double gpu_between(frit_device *d, rt_queue *q, int from, int to);
/* ---- gpu_maps.c -------------------------------------------------------------------------------------------------- */
/* Map number i of the launch, made when the queue has none like it: *map is good until the launch is submitted. */
frit_status gpu_map(frit_device *d, rt_queue *q, const rt_launch *l, uint32_t i, void **map, frit_error *err);
void gpu_drop_maps(frit_device *d, rt_queue *q);
/* ---- gpu_launch.c ------------------------------------------------------------------------------------------------ */
int gpu_fits(const frit_device *d, const fpk_variant *v, const rt_image *image, char *why);
frit_status gpu_load(frit_device *d, const rt_image *image, rt_module **out, frit_error *err);
void gpu_unload(frit_device *d, rt_module *m);
frit_status gpu_launch(frit_device *d, rt_queue *q, const rt_launch *l, frit_error *err);
frit_status gpu_record(frit_device *d, rt_queue *q, frit_error *err);
frit_status gpu_recorded(frit_device *d, rt_queue *q, rt_graph **out, frit_error *err);
frit_status gpu_replay(frit_device *d, rt_queue *q, rt_graph *g, frit_error *err);
void gpu_forget(frit_device *d, rt_graph *g);

#define GPU_DRIVER(name, count_fn, open_fn)                                                                            \
    {                                                                                                                  \
        .kind = name, .count = count_fn, .open = open_fn, .close = gpu_close, .fits = gpu_fits,                        \
        .queue_open = gpu_queue_open, .queue_close = gpu_queue_close, .alloc = gpu_alloc, .free = gpu_free,            \
        .load = gpu_load, .unload = gpu_unload, .begin = gpu_begin, .end = gpu_end, .launch = gpu_launch,              \
        .copy = gpu_copy, .fill = gpu_fill, .read = gpu_read, .write = gpu_write, .wait = gpu_wait, .mark = gpu_mark,  \
        .between = gpu_between, .record = gpu_record, .recorded = gpu_recorded, .replay = gpu_replay,                  \
        .forget = gpu_forget                                                                                           \
    }
#endif
