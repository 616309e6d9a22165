/* Modules of a GPU, launches of their kernels, and launches recorded as graphs. */
#include "gpu.h"
#include <stdio.h>
#include <string.h>

/* Attributes of functions, the same numbers in both interfaces. */
enum { MOST_THREADS = 0, DYNAMIC_SHARED = 8 };
/* More dynamic shared memory than this a kernel has to be allowed. */
enum { SHARED_FREE = 48 << 10 };

typedef struct function {
    void *handle;
    gpu_image *image;
} function;

struct rt_module {
    uint32_t n, widest; /* widest: most arguments of a kernel */
    char target[48];
    function kernel[];
};

static size_t module_size(uint32_t n) { return sizeof(rt_module) + n * sizeof(function); }

/* ---- Images ------------------------------------------------------------------------------------------------------ */
/* Machine code is an ELF file, or several in a container; what else a driver takes is text. */
static bool is_text(const uint8_t *code, uint64_t bytes) {
    static const uint8_t elf[4] = {0x7f, 'E', 'L', 'F'}, fat[4] = {0x50, 0xed, 0x55, 0xba};
    return bytes < 4 || (memcmp(code, elf, 4) && memcmp(code, fat, 4));
}

static void name_form(gpu_image *im, const char *code, bool text) {
    static const char key[] = ".version ";
    const char *at = text ? memmem(code, im->bytes, key, sizeof key - 1) : NULL;
    snprintf(im->form, sizeof im->form, "%s", text ? "text" : "machine code");
    if (!at) return;
    at += sizeof key - 1;
    int n = 0;
    while (n < 6 && at + n < code + im->bytes && (at[n] == '.' || (at[n] >= '0' && at[n] <= '9'))) n++;
    snprintf(im->form, sizeof im->form, "PTX %.*s", n, at);
}

/* The driver's log has the reason when it compiles text. */
static int load_image(gpu_device *g, const void *code, void **module, char *log, unsigned n) {
    enum { JIT_ERROR_LOG = 5, JIT_ERROR_LOG_BYTES = 6 };
    int options[2] = {JIT_ERROR_LOG, JIT_ERROR_LOG_BYTES};
    void *values[2] = {log, (void *)(uintptr_t)n};
    log[0] = 0;
    bool jit = g->dialect->column == GPU_CUDA;
    int error = g->api.module_load(module, code, jit ? 2 : 0, jit ? options : NULL, jit ? values : NULL);
    log[n - 1] = 0;
    for (char *p = log; *p; p++)
        if (*p == '\n') *p = ' ';
    return error;
}

static frit_status load_text(frit_device *d, gpu_image *im, const uint8_t *code, bool text, char *log, unsigned n,
                             int *error) {
    gpu_device *g = gpu_of(d);
    char *copy = NULL;
    if (text && (!im->bytes || code[im->bytes - 1])) { /* the driver looks for a NUL */
        copy = rt_new(&d->mem, 1, im->bytes + 1);
        if (!copy) return FRIT_NO_MEMORY;
        memcpy(copy, code, im->bytes);
    }
    *error = load_image(g, copy ? copy : (const void *)code, &im->module, log, n);
    if (copy) rt_free(&d->mem, copy, 1, im->bytes + 1);
    return FRIT_OK;
}

static frit_status make_image(frit_device *d, const rt_image *image, const fpk_kernel *k, uint64_t hash,
                              gpu_image **out, frit_error *err) {
    gpu_device *g = gpu_of(d);
    const uint8_t *code = image->code + k->code_offset;
    bool text = is_text(code, k->code_size);
    char log[512];
    int error = 0;
    gpu_image *im = rt_new(&d->mem, 1, sizeof *im);
    if (!im) return rt_no_memory(err);
    *im = (gpu_image){.hash = hash, .bytes = k->code_size, .next = g->images};
    name_form(im, (const char *)code, text);
    frit_status s = load_text(d, im, code, text, log, sizeof log, &error);
    if (s == FRIT_OK) s = gpu_check(g, GPU_module_load, error, err);
    if (s == FRIT_OK) return g->images = *out = im, FRIT_OK;
    frit_error reason = {0};
    if (err && error) reason = *err;
    rt_fail(err, s, "code for %s (%s) does not load: %.280s%s%.120s", image->target, im->form,
            error ? reason.message : "out of memory", log[0] ? ": " : "", log);
    rt_free(&d->mem, im, 1, sizeof *im);
    return s;
}

static frit_status find_image(frit_device *d, const rt_image *image, const fpk_kernel *k, gpu_image **out,
                              frit_error *err) {
    gpu_device *g = gpu_of(d);
    uint64_t hash = fpk_hash(image->code + k->code_offset, k->code_size);
    for (gpu_image *im = g->images; im; im = im->next)
        if (im->hash == hash && im->bytes == k->code_size) return *out = im, FRIT_OK;
    return make_image(d, image, k, hash, out, err);
}

static void drop_image(frit_device *d, gpu_image *im) {
    gpu_device *g = gpu_of(d);
    if (!im || --im->refs) return;
    gpu_image **at = &g->images;
    while (*at != im) at = &(*at)->next;
    *at = im->next;
    g->api.module_unload(im->module);
    rt_free(&d->mem, im, 1, sizeof *im);
}

/* ---- Modules ----------------------------------------------------------------------------------------------------- */
static frit_status check_limits(const gpu_device *g, const fpk_kernel *k, void *handle, frit_error *err) {
    int most = 0;
    GPU_TRY(g, err, function_attribute, &most, MOST_THREADS, handle);
    if ((uint32_t)most < k->threads)
        return rt_fail(err, FRIT_UNSUPPORTED, "it needs blocks of %u threads, but its registers allow %d on %s",
                       k->threads, most, g->model);
    if (k->shared > (uint32_t)g->shared)
        return rt_fail(err, FRIT_UNSUPPORTED, "it needs %u bytes of shared memory, but %s has %d a block", k->shared,
                       g->model, g->shared);
    if (k->cluster && !g->api.launch_more)
        return rt_fail(err, FRIT_UNSUPPORTED, "it runs in clusters of %u blocks, which the driver (%s) is too old to launch: CUDA 11.8 or later does",
                       k->cluster, g->version);
    if (k->shared > SHARED_FREE && g->api.function_set)
        GPU_TRY(g, err, function_set, handle, DYNAMIC_SHARED, (int)k->shared);
    return FRIT_OK;
}

static frit_status load_kernel(frit_device *d, const rt_image *image, const fpk_kernel *k, const function *before,
                               function *f, frit_error *err) {
    gpu_device *g = gpu_of(d);
    if (!k->threads) return rt_fail(err, FRIT_BAD_PACKAGE, "the kernel is not one for blocks of threads");
    bool same = before && k->code_offset == (k - 1)->code_offset && k->code_size == (k - 1)->code_size;
    if (same)
        f->image = before->image;
    else
        TRY(find_image(d, image, k, &f->image, err));
    f->image->refs++;
    GPU_TRY(g, err, function_get, &f->handle, f->image->module, image->strings + k->entry);
    return check_limits(g, k, f->handle, err);
}

static frit_status load_kernels(frit_device *d, const rt_image *image, rt_module *m, frit_error *err) {
    for (uint32_t i = 0; i < m->n; i++) {
        const fpk_kernel *k = &image->kernels[i];
        uint32_t wide = k->n_inputs + k->n_outputs + k->n_ints + k->n_maps + 2;
        frit_status s = load_kernel(d, image, k, i ? &m->kernel[i - 1] : NULL, &m->kernel[i], err);
        if (wide > m->widest) m->widest = wide;
        if (s == FRIT_OK) continue;
        frit_error reason = {0};
        if (err) reason = *err;
        rt_fail(err, s, "kernel %s: %.440s", image->strings + k->name, reason.message);
        rt_blame(err, image->strings + k->file, k->line);
        return s;
    }
    return FRIT_OK;
}

frit_status gpu_load(frit_device *d, const rt_image *image, rt_module **out, frit_error *err) {
    gpu_device *g = gpu_of(d);
    rt_module *m = rt_new(&d->mem, 1, module_size(image->n_kernels));
    if (!m) return rt_no_memory(err);
    m->n = image->n_kernels;
    snprintf(m->target, sizeof m->target, "%s", image->target);
    uint32_t was = gpu_begin(d);
    pthread_mutex_lock(&g->lock);
    frit_status s = load_kernels(d, image, m, err);
    for (gpu_image *im = g->images, *next; im; im = next) { /* loaded for a kernel that then failed */
        next = im->next;
        if (!im->refs) im->refs = 1, drop_image(d, im);
    }
    pthread_mutex_unlock(&g->lock);
    gpu_end(d, was);
    if (s != FRIT_OK) return gpu_unload(d, m), s;
    *out = m;
    return FRIT_OK;
}

void gpu_unload(frit_device *d, rt_module *m) {
    gpu_device *g = gpu_of(d);
    if (!m) return;
    uint32_t was = gpu_begin(d);
    pthread_mutex_lock(&g->lock);
    for (uint32_t i = 0; i < m->n; i++) drop_image(d, m->kernel[i].image);
    pthread_mutex_unlock(&g->lock);
    gpu_end(d, was);
    rt_free(&d->mem, m, 1, module_size(m->n));
}

int gpu_fits(const frit_device *d, const fpk_variant *v, const rt_image *image, char *why) {
    (void)v;
    const gpu_device *g = gpu_of(d);
    if (!image->n_kernels) return 1;
    bool text = is_text(image->code + image->kernels[0].code_offset, image->kernels[0].code_size);
    return g->dialect->fits(g, image->target, text, why);
}

/* ---- Launch ------------------------------------------------------------------------------------------------------ */
static frit_status make_room(frit_device *d, rt_queue *q, const rt_module *m, frit_error *err) {
    if (q->n_params >= m->widest) return FRIT_OK;
    void **p = rt_new(&d->mem, m->widest, sizeof *p);
    if (!p) return rt_no_memory(err);
    rt_free(&d->mem, q->params, q->n_params, sizeof *q->params);
    q->params = p, q->n_params = m->widest;
    return FRIT_OK;
}

/* As many blocks as there are tasks, where the grid and the scratch have room for them. Blocks that copy by tensor maps are
 * as many as the machine has room for at once: each starts the copies of its next task before it is done with the last. */
static int64_t blocks_of(const gpu_device *g, const rt_launch *l) {
    int64_t most = UINT32_MAX / l->record->threads; /* HIP counts threads of a grid in 32 bits */
    if (most > INT32_MAX) most = INT32_MAX;
    if (l->scratch_bytes > 0 && l->workers < most) most = l->workers;
    if (l->record->n_maps > 0 && l->record->shared > 0) {
        int64_t each = g->shared / (int64_t)l->record->shared, room = g->processors * (each > 1 ? each : 1);
        if (room < most) most = room;
    }
    if (l->record->cluster) most = most > l->record->cluster ? most - most % l->record->cluster : l->record->cluster;
    return l->tasks < most ? l->tasks : most;
}

static int start(const gpu_device *g, const rt_queue *q, const rt_launch *l) {
    const fpk_kernel *k = l->record;
    void *handle = l->module->kernel[l->kernel].handle;
    unsigned blocks = (unsigned)blocks_of(g, l);
    if (!k->cluster) return g->api.launch(handle, blocks, 1, 1, k->threads, 1, 1, k->shared, q->stream, q->params, NULL);
    gpu_launch_attribute cluster = {GPU_CLUSTER_DIMENSION, 0, {k->cluster, 1, 1}};
    gpu_launch_config config = {{blocks, 1, 1}, {k->threads, 1, 1}, k->shared, q->stream, &cluster, 1};
    return g->api.launch_more(&config, handle, q->params, NULL);
}

frit_status gpu_launch(frit_device *d, rt_queue *q, const rt_launch *l, frit_error *err) {
    gpu_device *g = gpu_of(d);
    const fpk_kernel *k = l->record;
    uint32_t n = 0;
    void *scratch = l->scratch;
    int64_t tasks = l->tasks;
    if (tasks > FPK_MAX_GPU_TASKS)
        return rt_fail(err, FRIT_SHAPE, "the launch has %lld tasks; kernels of GPUs count up to %d: use smaller dims", (long long)tasks,
                       FPK_MAX_GPU_TASKS);
    TRY(make_room(d, q, l->module, err));
    for (uint32_t i = 0; i < k->n_inputs + k->n_outputs; i++) q->params[n++] = (void *)&l->args[i];
    for (uint32_t i = 0; i < k->n_ints; i++) q->params[n++] = (void *)&l->ints[i];
    q->params[n++] = &scratch;
    q->params[n++] = &tasks;
    for (uint32_t i = 0; i < k->n_maps; i++) TRY(gpu_map(d, q, l, i, &q->params[n++], err));
    int error = start(g, q, l);
    if (!error) return FRIT_OK;
    frit_error reason = {0};
    frit_status s = gpu_check(g, GPU_launch, error, &reason);
    return rt_fail(err, s, "%.360s; code for %s (%s)", reason.message, l->module->target,
                   l->module->kernel[l->kernel].image->form);
}

/* ---- Graphs ------------------------------------------------------------------------------------------------------ */
frit_status gpu_record(frit_device *d, rt_queue *q, frit_error *err) {
    enum { MODE_THIS_THREAD = 1 };
    gpu_device *g = gpu_of(d);
    const gpu_api *a = &g->api;
    if (!a->capture_begin || !a->capture_end || !a->graph_instantiate || !a->graph_destroy || !a->graph_launch ||
        !a->exec_destroy)
        return rt_fail(err, FRIT_UNAVAILABLE, "the driver has no graphs");
    GPU_TRY(g, err, capture_begin, q->stream, MODE_THIS_THREAD);
    return FRIT_OK;
}

frit_status gpu_recorded(frit_device *d, rt_queue *q, rt_graph **out, frit_error *err) {
    gpu_device *g = gpu_of(d);
    void *graph = NULL, *exec = NULL;
    GPU_TRY(g, err, capture_end, q->stream, &graph);
    frit_status s = gpu_check(g, GPU_graph_instantiate, g->api.graph_instantiate(&exec, graph, 0), err);
    g->api.graph_destroy(graph);
    if (s == FRIT_OK) *out = exec;
    return s;
}

frit_status gpu_replay(frit_device *d, rt_queue *q, rt_graph *graph, frit_error *err) {
    gpu_device *g = gpu_of(d);
    GPU_TRY(g, err, graph_launch, (void *)graph, q->stream);
    return FRIT_OK;
}

void gpu_forget(frit_device *d, rt_graph *graph) {
    uint32_t was = gpu_begin(d);
    gpu_of(d)->api.exec_destroy((void *)graph);
    gpu_end(d, was);
}
