/* Libraries and devices of GPUs: found, opened, made current; failures in words. */
#include "gpu.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

enum { MAY, NEED };
static const struct {
    const char *names[2];
    int need;
    size_t field;
} functions[GPU_FNS] = {
#define GPU_FN(result, id, params, need, cuda, hip) [GPU_##id] = {{cuda, hip}, need, offsetof(gpu_api, id)},
#include "gpu.def"
#undef GPU_FN
};

/* ---- Failures ---------------------------------------------------------------------------------------------------- */
/* Error numbers that the two interfaces share. */
enum {
    OUT_OF_MEMORY = 2,
    STUB = 34,
    NO_DEVICE = 100,
    INVALID_IMAGE = 200,
    NO_BINARY = 209,
    INVALID_PTX = 218,
    NO_JIT = 221,
    NEWER_PTX = 222,
    JIT_DISABLED = 223
};

static frit_status status_of(int code) {
    switch (code) {
    case OUT_OF_MEMORY: return FRIT_NO_MEMORY;
    case NO_DEVICE: return FRIT_UNAVAILABLE;
    case INVALID_IMAGE:
    case NO_BINARY:
    case INVALID_PTX:
    case NO_JIT:
    case NEWER_PTX:
    case JIT_DISABLED: return FRIT_UNSUPPORTED;
    default: return FRIT_DEVICE_FAILED;
    }
}

static void describe(const gpu_api *api, int code, const char **name, const char **text) {
    *name = *text = NULL;
    if (api->error_name) api->error_name(code, name);
    if (api->error_string) api->error_string(code, text);
    if (api->error_name_of) *name = api->error_name_of(code);
    if (api->error_string_of) *text = api->error_string_of(code);
    bool stub = code == STUB && !*text;
    if (!*name) *name = stub ? "CUDA_ERROR_STUB_LIBRARY" : "error";
    if (!*text)
        *text = stub ? "this is the toolkit's stub of the driver's library" : "the driver does not say what it is";
}

frit_status gpu_check(const gpu_device *g, gpu_fn fn, int code, frit_error *err) {
    const char *name, *text;
    if (!code) return FRIT_OK;
    if (!err) return status_of(code);
    describe(&g->api, code, &name, &text);
    return rt_fail(err, status_of(code), "%s: %s (%d: %.200s); %s, %s, driver for %s",
                   functions[fn].names[g->dialect->column], name, code, text, g->model, g->architecture, g->version);
}

/* ---- Library ----------------------------------------------------------------------------------------------------- */
static void unload(gpu_api *api) {
    if (api->library) dlclose(api->library);
    *api = (gpu_api){0};
}

static const char *resolve(const gpu_dialect *x, gpu_api *api) {
    for (int i = 0; i < GPU_FNS; i++) {
        const char *name = functions[i].names[x->column];
        void *at = name ? dlsym(api->library, name) : NULL;
        if (name && !at && functions[i].need == NEED) return name;
        memcpy((char *)api + functions[i].field, &at, sizeof at);
    }
    return NULL;
}

static frit_status load(const gpu_dialect *x, gpu_api *api, frit_error *err) {
    *api = (gpu_api){0};
    char why[200] = "";
    for (int i = 0; x->libraries[i] && !api->library; i++) {
        /* These libraries start threads of their own: once there, they stay. */
        api->library = dlopen(x->libraries[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (!api->library && !why[0]) snprintf(why, sizeof why, "%s", dlerror());
    }
    if (!api->library) return rt_fail(err, FRIT_UNAVAILABLE, "no %s device: %s (%s)", x->kind, x->advice, why);
    const char *missing = resolve(x, api);
    if (!missing) return FRIT_OK;
    unload(api);
    return rt_fail(err, FRIT_UNAVAILABLE, "no %s device: its driver is too old, it has no %s; %s", x->kind, missing,
                   x->advice);
}

/* The library, started, and the number of its devices. */
static frit_status start(const gpu_dialect *x, gpu_api *api, int *n, frit_error *err) {
    const char *name, *text;
    TRY(load(x, api, err));
    int code = api->init(0);
    if (!code) code = api->device_count(n);
    if (!code && *n > 0) return FRIT_OK;
    describe(api, code ? code : NO_DEVICE, &name, &text);
    rt_fail(err, FRIT_UNAVAILABLE, "no %s device: %s (%d: %.200s); %s", x->kind, name, code, text, x->advice);
    unload(api);
    return FRIT_UNAVAILABLE;
}

frit_status gpu_count(const gpu_dialect *x, int *n, frit_error *err) {
    gpu_api api;
    *n = 0;
    TRY(start(x, &api, n, err));
    unload(&api);
    return FRIT_OK;
}

/* ---- Device ------------------------------------------------------------------------------------------------------ */
uint32_t gpu_begin(frit_device *d) {
    gpu_device *g = gpu_of(d);
    int was = 0;
    if (g->api.context_push) return g->api.context_push(g->context) == 0;
    if (g->api.device_current(&was) != 0 || g->api.device_use(g->device) != 0) return 0;
    return (uint32_t)was + 1;
}

/* was: 0 when begin changed nothing. */
void gpu_end(frit_device *d, uint32_t was) {
    gpu_device *g = gpu_of(d);
    void *context;
    if (!was) return;
    if (g->api.context_pop)
        g->api.context_pop(&context);
    else
        g->api.device_use((int)was - 1);
}

static frit_status look_at(gpu_device *g, frit_device *d, frit_error *err) {
    const gpu_dialect *x = g->dialect;
    int pools = 0, version = 0;
    GPU_TRY(g, err, device_name, g->model, (int)sizeof g->model, g->device);
    g->model[sizeof g->model - 1] = 0;
    GPU_TRY(g, err, driver_version, &version);
    x->version(version, g->version, sizeof g->version);
    GPU_TRY(g, err, device_attribute, &g->processors, x->multiprocessors, g->device);
    GPU_TRY(g, err, device_attribute, &g->shared, x->shared, g->device);
    g->pools =
        g->api.alloc_async && g->api.free_async && g->api.device_attribute(&pools, x->pools, g->device) == 0 && pools;
    x->architecture(g);
    /* Scratch is for so many blocks: each of a multiprocessor's four schedulers has one to run. */
    if (g->processors < 1) g->processors = 1;
    d->workers = 4 * g->processors;
    snprintf(d->name, sizeof d->name, "%s (%.40s, %.16s, driver for %.20s)", x->kind, g->model, g->architecture,
             g->version);
    return FRIT_OK;
}

static frit_status open_device(gpu_device *g, frit_device *d, int index, frit_error *err) {
    GPU_TRY(g, err, device_get, &g->device, index);
    TRY(look_at(g, d, err));
    if (g->api.context_retain) GPU_TRY(g, err, context_retain, &g->context, g->device);
    return FRIT_OK;
}

frit_status gpu_open(const gpu_dialect *x, frit_device *d, const frit_device_options *o, frit_error *err) {
    gpu_api api;
    int n = 0;
    TRY(start(x, &api, &n, err));
    if (o->index < 0 || o->index >= n) {
        unload(&api);
        return rt_fail(err, FRIT_UNAVAILABLE, "there is no %s device %d: this machine has %d", x->kind, o->index, n);
    }
    gpu_device *g = rt_new(&d->mem, 1, sizeof *g);
    if (!g) return unload(&api), rt_no_memory(err);
    *g = (gpu_device){.api = api, .dialect = x};
    pthread_mutex_init(&g->lock, NULL);
    d->own = g;
    d->dl = (DLDevice){x->type, o->index};
    frit_status s = open_device(g, d, o->index, err);
    if (s != FRIT_OK) gpu_close(d);
    return s;
}

void gpu_close(frit_device *d) {
    gpu_device *g = gpu_of(d);
    if (g->context) g->api.context_release(g->device);
    unload(&g->api);
    pthread_mutex_destroy(&g->lock);
    rt_free(&d->mem, g, 1, sizeof *g);
}
