/* twins FOLDER|FILE [DEVICE]: every kernel of FOLDER (thread IR, *.fir), or one, on the executor of thread IR, with its checks, and on
 * a device, by PTX and by CUDA C where NVRTC is: all must write the same bytes. Those in a folder sm_80 are for every device from sm_80
 * on, others for one of architecture sm_90. Exit status 77 with the reason where there is no such device; the executor has run by then. */
#include "codegen/program_kernels.h"
#include "codegen/target.h"
#include "twin.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The device -------------------------------------------------------------------------------------------------- */
typedef struct driver {
    int (*init)(unsigned), (*get)(int *, int), (*attribute)(int *, int, int), (*retain)(void **, int), (*push)(void *);
    int (*alloc)(void **, size_t), (*release)(void *), (*to_device)(void *, const void *, size_t), (*to_host)(void *, void *, size_t);
    int (*load)(void **, const void *, unsigned, int *, void **), (*unload)(void *), (*function)(void **, void *, const char *), (*set)(void *, int, int);
    int (*launch)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **), (*wait)(void);
    int (*launch_more)(const void *config, void *, void **, void **);
    int (*map)(void *, int, unsigned, void *, const unsigned long long *, const unsigned long long *, const unsigned *, const unsigned *, int, int, int, int);
} driver;

static void find(void *library, void *to, const char *name) {
    void *at = dlsym(library, name);
    twin_need(at, "the driver has no", name);
    memcpy(to, &at, sizeof at);
}

/* Why there is no device to use; NULL when there is one. */
static const char *open_driver(driver *d, int device, bool any, char *arch, size_t size) {
    enum { MAJOR = 75, MINOR = 76 };
    int handle, major = 0, minor = 0;
    void *l = dlopen("libcuda.so.1", RTLD_NOW), *context;
    if (!l) return "no libcuda.so.1";
    find(l, &d->init, "cuInit"), find(l, &d->get, "cuDeviceGet"), find(l, &d->attribute, "cuDeviceGetAttribute");
    find(l, &d->retain, "cuDevicePrimaryCtxRetain"), find(l, &d->push, "cuCtxPushCurrent_v2");
    if (d->init(0) || d->get(&handle, device)) return "the driver finds no device";
    d->attribute(&major, MAJOR, handle), d->attribute(&minor, MINOR, handle);
    if (any ? major < 8 : major != 9 || minor) return any ? "the device is older than sm_80" : "the device is not of architecture sm_90";
    snprintf(arch, size, "cuda:sm_%d%d%s", major, minor, major >= 9 ? "a" : "");
    find(l, &d->alloc, "cuMemAlloc_v2"), find(l, &d->release, "cuMemFree_v2"), find(l, &d->to_device, "cuMemcpyHtoD_v2");
    find(l, &d->to_host, "cuMemcpyDtoH_v2"), find(l, &d->load, "cuModuleLoadDataEx"), find(l, &d->unload, "cuModuleUnload");
    find(l, &d->function, "cuModuleGetFunction"), find(l, &d->set, "cuFuncSetAttribute"), find(l, &d->launch, "cuLaunchKernel");
    if (!any) find(l, &d->launch_more, "cuLaunchKernelEx");
    find(l, &d->wait, "cuCtxSynchronize"), find(l, &d->map, "cuTensorMapEncodeTiled");
    twin_need(!d->retain(&context, handle) && !d->push(context), "no context", NULL);
    return NULL;
}

static void make_map(const driver *d, const twin *k, const package_map *p, void *const *buffers, void *map) {
    unsigned long long extents[FPK_MAP_RANK], strides[FPK_MAP_RANK];
    unsigned steps[FPK_MAP_RANK], box[FPK_MAP_RANK];
    sym_t var = k->f->arg_syms[k->n], value = sym_const(k->m->syms, TWIN_EXTENT);
    for (unsigned i = 0; i < p->words[2]; i++) {
        int64_t extent = 1, stride = 1;
        sym_is_const(sym_subst(k->m->syms, p->values[i], 1, &var, &value), &extent);
        if (i) sym_is_const(sym_subst(k->m->syms, p->values[FPK_MAP_RANK + i - 1], 1, &var, &value), &stride);
        extents[i] = (unsigned long long)extent;
        steps[i] = fpk_map_step(p->words[FPK_MAP_BOX + i]);
        box[i] = (fpk_map_box(p->words[FPK_MAP_BOX + i]) - 1) * steps[i] + 1;
        if (i) strides[i - 1] = (unsigned long long)stride * 4;
    }
    twin_need(p->words[1] == FRIT_f32, k->path, "a map of another dtype than f32");
    int swizzle = p->words[3] == 128 ? 3 : p->words[3] == 64 ? 2 : p->words[3] == 32 ? 1 : 0;
    twin_need(!d->map(map, 7, p->words[2], buffers[p->words[0]], extents, strides, box, steps, 0, swizzle, 2, 0), k->path, "no tensor map");
}

/* One block, or one cluster. CUDA Driver API: CUlaunchConfig, CUlaunchAttribute. */
static int start(const driver *d, const ir_func *f, void *function, void **params) {
    struct {
        int id;
        unsigned pad, value[16];
    } cluster = {4, 0, {(unsigned)TWIN_TASKS(f), 1, 1}};
    struct {
        unsigned grid[3], block[3], shared;
        void *stream, *attributes;
        unsigned n;
    } config = {{(unsigned)TWIN_TASKS(f), 1, 1}, {(unsigned)f->threads, 1, 1}, (unsigned)f->shared, NULL, &cluster, 1};
    if (f->cluster) return d->launch_more(&config, function, params, NULL);
    return d->launch(function, 1, 1, 1, (unsigned)f->threads, 1, 1, (unsigned)f->shared, NULL, params, NULL);
}

static void launch(const driver *d, twin *k, const code_blob *code, void **buffers) {
    enum { DYNAMIC_SHARED = 8, MOST_MAPS = 4 };
    static _Alignas(64) char maps[MOST_MAPS][128];
    void *module, *function, *params[TWIN_BUFFERS + 3 + MOST_MAPS], *scratch = NULL;
    int64_t extent = TWIN_EXTENT, tasks = TWIN_TASKS(k->f);
    package_map *list;
    const char *error = NULL;
    int n = 0, n_maps = kernel_maps(k->m->arena, k->f, &list, &error);
    twin_need(n_maps >= 0 && n_maps <= MOST_MAPS, k->path, error);
    for (int i = 0; i < k->n; i++) params[n++] = &buffers[i];
    params[n++] = &extent, params[n++] = &scratch, params[n++] = &tasks;
    for (int i = 0; i < n_maps; i++) {
        make_map(d, k, &list[i], buffers, maps[i]);
        params[n++] = maps[i];
    }
    twin_need(!d->load(&module, code->bytes, 0, NULL, NULL), k->path, "its code does not load");
    twin_need(!d->function(&function, module, code->kernels[0].name), k->path, "its function is not found");
    twin_need(!d->set(function, DYNAMIC_SHARED, (int)k->f->shared), k->path, "too much shared memory");
    twin_need(!start(d, k->f, function, params) && !d->wait(), k->path, "it breaks");
    d->unload(module);
}

/* False: the device writes something else. */
static bool same_on_device(const driver *d, twin *k, const code_blob *code, const char *road) {
    void *buffers[TWIN_BUFFERS];
    static char got[TWIN_BYTES];
    for (int i = 0; i < k->n; i++)
        twin_need(!d->alloc(&buffers[i], TWIN_BYTES) && !d->to_device(buffers[i], k->host[i], TWIN_BYTES), k->path, "no memory");
    launch(d, k, code, buffers);
    twin_need(!d->to_host(got, buffers[k->n - 1], TWIN_BYTES), k->path, "no results");
    for (int i = 0; i < k->n; i++) d->release(buffers[i]);
    int at = 0;
    while (at < TWIN_BYTES && got[at] == k->want[at]) at++;
    printf("%s%s: %s", k->path, road, at < TWIN_BYTES ? "" : "the same\n");
    if (at < TWIN_BYTES) printf("differs from byte %d of its output on\n", at);
    return at == TWIN_BYTES;
}

static bool ends_in(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && !strcmp(s + n - m, end);
}

/* Roads of code to the device: how many give something else than the executor. */
static int compare_kernel(const driver *d, const char *path, const char *arch, bool device) {
    twin k = twin_open(path);
    int wrong = 0;
    for (int r = 0; r < 2 && device; r++) {
        const char *error = NULL;
        const target *t = target_open(k.m->arena, arena_printf(k.m->arena, "%s%s", arch, r ? "+nvrtc" : ""), &error);
        const code_blob *code = t ? target_compile(t, k.m->arena, 1, &k.f, &error) : NULL;
        if (!code && r && strstr(error, TARGET_MISSING)) continue;
        twin_need(code, path, error);
        wrong += !same_on_device(d, &k, code, r ? ", CUDA C" : ", PTX");
    }
    twin_close(&k);
    return wrong;
}

int main(int n, char **args) {
    enum { MOST = 256 };
    if (n < 2) return 2;
    char *paths[MOST] = {args[1]}, arch[32] = "";
    bool one = ends_in(args[1], ".fir"), any = strstr(args[1], "sm_80") != NULL;
    int count = one ? 1 : twin_list(args[1], paths, MOST), wrong = 0;
    driver d = {0};
    const char *missing = open_driver(&d, n > 2 ? atoi(args[2]) : 0, any, arch, sizeof arch);
    for (int i = 0; i < count; i++) wrong += compare_kernel(&d, paths[i], arch, !missing);
    twin_need(count > 0, "no kernels in", args[1]);
    if (missing) return printf("skipped: %s; %d kernels are fine on the executor\n", missing, count), 77;
    return wrong > 0;
}
