/* Exports for GPUs: one C file that holds the modules and finds the driver's library with dlopen. What differs from a
 * CPU's export is here: how memory is had and moved, how kernels are launched; and the bare modules with their manifest
 * (manifest.c). The driver's functions and their types come from runtime/gpu.def. */
#include "export_internal.h"
#include <string.h>

/* ---- Drivers ----------------------------------------------------------------------------------------------------- */
struct gpu_family {
    const char *kind;
    bool hip;              /* the column of gpu.def */
    const char *libraries; /* as C strings */
    const char *machine;   /* ending of files of machine code */
    int multiprocessors;   /* number of a device attribute */
};
static const gpu_family families[] = {
    {"cuda", false, "\"libcuda.so.1\", \"libcuda.so\"", "cubin", 16},
    {"hip", true, "\"libamdhip64.so\", \"libamdhip64.so.7\", \"libamdhip64.so.6\", \"libamdhip64.so.5\"", "hsaco", 63},
};

/* What generated code calls, by gpu.def's ids. */
static const char *const called[] = {
    "init",         "device_get",    "device_attribute", "context_retain", "context_release",
    "context_push", "context_pop",   "device_current",   "device_use",     "alloc",
    "free",         "to_device",     "to_host",          "on_device",      "fill8",
    "fill16",       "fill32",        "stream_create",    "stream_destroy", "stream_wait",
    "module_load",  "module_unload", "function_get",     "function_set",   "launch"};

enum { NEED, MAY };
static const struct {
    const char *result, *id, *params;
    int need;
    const char *names[2];
} functions[] = {
#define GPU_FN(result, id, params, need, cuda, hip) {#result, #id, #params, need, {cuda, hip}},
#include "runtime/gpu.def"
#undef GPU_FN
};
enum { N_FUNCTIONS = sizeof functions / sizeof *functions };

static bool has_clusters(const exporter *x) {
    bool any = false;
    for (uint32_t k = 0; k < x->v->n_kernels; k++) any |= x->kernels[k].cluster > 0;
    return any;
}

static bool is_called(const exporter *x, const char *id) {
    if (!strcmp(id, "tensor_map")) return gpu_has_maps(x);
    if (!strcmp(id, "launch_more")) return has_clusters(x);
    for (size_t i = 0; i < sizeof called / sizeof *called; i++)
        if (!strcmp(called[i], id)) return true;
    return false;
}

bool gpu_prepare(exporter *x) {
    if (!x->v->n_kernels || !x->kernels[0].threads) return true;
    const char *driver = rt_string(x->p, x->v->target);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (!strncmp(driver, families[i].kind, strlen(families[i].kind)) && driver[strlen(families[i].kind)] == ':')
            x->gpu = &families[i];
    if (!x->gpu) export_fail(x, "code for %s runs under no driver that an export could call", driver);
    return x->gpu;
}

/* ---- Modules ----------------------------------------------------------------------------------------------------- */
static const uint8_t *code_of(const exporter *x, const fpk_kernel *k) {
    return x->p->base + x->p->sections[FPK_CODE].offset + x->v->code_offset + k->code_offset;
}

/* "ptx", "cubin", "hsaco", or NULL: text that the driver cannot load. */
static const char *form_of(const exporter *x, const fpk_kernel *k) {
    static const uint8_t elf[4] = {0x7f, 'E', 'L', 'F'}, fat[4] = {0x50, 0xed, 0x55, 0xba};
    const uint8_t *code = code_of(x, k);
    if (k->code_size >= 4 && (!memcmp(code, elf, 4) || !memcmp(code, fat, 4))) return x->gpu->machine;
    return memmem(code, k->code_size, ".entry", 6) && memmem(code, k->code_size, ".version", 8) ? "ptx" : NULL;
}

static uint32_t gpu_module(const exporter *x, uint32_t kernel) {
    uint32_t n = 0;
    for (uint32_t k = 0; k < x->v->n_kernels; k++) {
        bool first = true;
        for (uint32_t i = 0; i < k; i++) first &= x->kernels[i].code_offset != x->kernels[k].code_offset;
        if (x->kernels[k].code_offset == x->kernels[kernel].code_offset) return n;
        n += first;
    }
    return n;
}

const char *gpu_module_file(exporter *x, uint32_t kernel) {
    return arena_printf(x->a, "kernels/%s_%u.%s", x->name, gpu_module(x, kernel), form_of(x, &x->kernels[kernel]));
}

static bool same_kernel(const exporter *x, uint32_t a, uint32_t b) {
    return x->kernels[a].code_offset == x->kernels[b].code_offset && x->kernels[a].entry == x->kernels[b].entry;
}

/* Number of the function of kernel record k; `first`: no record before it has the same. */
static uint32_t function_of(const exporter *x, uint32_t k, bool *first) {
    uint32_t n = 0;
    for (uint32_t i = 0; i <= k; i++) {
        bool seen = false;
        for (uint32_t j = 0; j < i && !seen; j++) seen = same_kernel(x, j, i);
        if (same_kernel(x, i, k)) return *first = i == k, n;
        n += !seen;
    }
    return n;
}

bool gpu_name_kernels(exporter *x) {
    for (uint32_t k = 0; k < x->v->n_kernels; k++) {
        bool first;
        uint32_t f = function_of(x, k, &first);
        if (!form_of(x, &x->kernels[k]))
            return export_fail(x, "%s is source text, which the driver cannot load: export for machine code or PTX",
                               rt_string(x->p, x->v->target)),
                   false;
        x->kernel[k] = arena_printf(x->a, "%u", f);
        if (!first) continue;
        x->n_functions = f + 1;
        uint32_t m = gpu_module(x, k);
        if (m < x->n_modules) continue;
        x->n_modules = m + 1;
        export_add(x->set, gpu_module_file(x, k), code_of(x, &x->kernels[k]), x->kernels[k].code_size);
    }
    return true;
}

static void put_modules(exporter *x, text *t) {
    uint32_t done = 0;
    put(t, "/* ---- Kernels ---- */\n");
    for (uint32_t k = 0; k < x->v->n_kernels; k++) {
        if (gpu_module(x, k) != done) continue;
        text bytes = {.a = x->a}; /* text ends with a NUL */
        put_bytes(&bytes, code_of(x, &x->kernels[k]), x->kernels[k].code_size);
        put_bytes(&bytes, "", 1);
        put(t, "/* %s */\n", gpu_module_file(x, k));
        put_array(t, arena_printf(x->a, "module%u", done), text_of(&bytes), bytes.len, 8, true);
        done++;
    }
    put(t, "static const uint64_t *const modules[] = {");
    for (uint32_t m = 0; m < done; m++) put(t, "%smodule%u", m ? ", " : "", m);
    put(t,
        "};\nenum { MODULES = %u, KERNELS = %u };\nstatic const struct {\n    const char *entry;\n    int module;\n"
        "    unsigned threads, shared; /* of a block */\n%s} kernels[] = {\n",
        done, x->n_functions, has_clusters(x) ? "    unsigned cluster; /* blocks; 0: none */\n" : "");
    for (uint32_t k = 0; k < x->v->n_kernels; k++) {
        bool first;
        function_of(x, k, &first);
        if (first)
            put(t, "    {\"%s\", %u, %u, %u%s},\n", rt_string(x->p, x->kernels[k].entry), gpu_module(x, k), x->kernels[k].threads, x->kernels[k].shared,
                has_clusters(x) ? arena_printf(x->a, ", %u", x->kernels[k].cluster) : "");
    }
    put(t, "};\n\n");
}

/* ---- The driver -------------------------------------------------------------------------------------------------- */
/* "(T a, U b)" as it is; a pointer to such a function named id. */
static void put_driver_struct(exporter *x, text *t) {
    put(t, "/* ---- The driver ---- */\n/* Its functions; handles and device addresses are pointers. */\n"
           "typedef struct driver {\n    void *library;\n");
    for (int i = 0; i < N_FUNCTIONS; i++)
        if (is_called(x, functions[i].id) && functions[i].names[x->gpu->hip])
            put(t, "    %s (*%s)%s;\n", functions[i].result, functions[i].id, functions[i].params);
    put(t, "} driver;\n\n");
    put(t,
        "static int find(void *library, const char *name, void *to) {\n"
        "    void *at = dlsym(library, name);\n    memcpy(to, &at, sizeof at);\n    return at != NULL;\n}\n"
        "static int open_driver(driver *d) {\n    static const char *const names[] = {%s};\n    size_t i;\n"
        "    memset(d, 0, sizeof *d);\n"
        "    for (i = 0; i < sizeof names / sizeof *names && !d->library; i++) d->library = dlopen(names[i], "
        "RTLD_NOW);\n"
        "    if (!d->library) return 0;\n    return ",
        x->gpu->libraries);
    const char *sep = "";
    for (int i = 0; i < N_FUNCTIONS; i++) {
        if (!is_called(x, functions[i].id) || !functions[i].names[x->gpu->hip]) continue;
        const char *optional = functions[i].need == MAY ? ", 1" : "";
        put(t, "%s%sfind(d->library, \"%s\", &d->%s)%s%s", sep, *optional ? "(" : "", functions[i].names[x->gpu->hip],
            functions[i].id, optional, *optional ? ")" : "");
        sep = " &&\n           ";
    }
    put(t, ";\n}\n\n");
}

static void put_device_struct(exporter *x, text *t) {
    put_template(
        t, x,
        "struct @_device {\n    driver api;\n    int device;\n    void *primary; /* the driver's context */\n"
        "    void *modules[MODULES], *kernels[KERNELS], *stream;\n    int workers; /* blocks that have scratch */\n"
        "    int error;   /* of the last call that failed */\n");
    for (uint32_t b = 0; b < x->v->n_buffers; b++)
        if (x->const_used[b]) put(t, "    void *constant%u;\n", b);
    put(t, "};\n\n");
    put_gpu_map_struct(x, t);
    put(t, "/* Where work is queued. */\ntypedef struct queue {\n    %s_device *device;\n    void *stream;\n%s} queue;\n\n", x->name,
        gpu_has_maps(x) ? "    tensor_map *maps; /* the context's; NULL: none are kept */\n" : "");
}

static void put_current(exporter *x, text *t) {
    put(t, "/* Makes the device the calling thread's; leave_ gives back what was before. */\n");
    if (x->gpu->hip)
        put_template(
            t, x,
            "static int enter_(@_device *d) {\n    int was = 0;\n"
            "    if (d->api.device_current(&was) || d->api.device_use(d->device)) return 0;\n    return was + 1;\n}\n"
            "static void leave_(@_device *d, int was) {\n    if (was) d->api.device_use(was - 1);\n}\n");
    else
        put_template(t, x,
                     "static int enter_(@_device *d) { return d->api.context_push(d->primary) == 0; }\n"
                     "static void leave_(@_device *d, int was) {\n    void *context;\n"
                     "    if (was) d->api.context_pop(&context);\n}\n");
    put_template(
        t, x,
        "static int failed(@_device *d, int error) {\n    if (error) d->error = error;\n    return error != 0;\n}\n\n");
}

/* Params and constants come from the host. */
static bool puts_on_device(const exporter *x) {
    bool any = x->p->info->n_params > 0;
    for (uint32_t b = 0; b < x->v->n_buffers; b++) any |= x->const_used[b];
    return any;
}

static void put_moves(exporter *x, text *t) {
    put_template(
        t, x,
        "/* ---- Memory of the device. All return whether they failed ---- */\n"
        "static void *get_device(@_device *d, int64_t bytes) {\n"
        "    void *p = NULL;\n    int was, error;\n"
        "    if (bytes < 0 || (uint64_t)bytes > SIZE_MAX) return NULL;\n"
        "    was = enter_(d);\n    error = d->api.alloc(&p, bytes ? (size_t)bytes : 1);\n    leave_(d, was);\n"
        "    return failed(d, error) ? NULL : p;\n}\n"
        "static void free_device(@_device *d, void *p) {\n"
        "    int was;\n    if (!p) return;\n    was = enter_(d);\n    d->api.free(p);\n    leave_(d, was);\n}\n");
    if (puts_on_device(x))
        put_template(t, x,
                     "/* A copy of the host's memory; NULL on failure. */\n"
                     "static void *put_device(@_device *d, const void *host, int64_t bytes) {\n"
                     "    void *p = get_device(d, bytes);\n    int was, error = 0;\n    if (!p || !bytes) return p;\n  "
                     "  was = enter_(d);\n"
                     "    error = d->api.to_device(p, host, (size_t)bytes, d->stream);\n"
                     "    if (!error) error = d->api.stream_wait(d->stream);\n    leave_(d, was);\n"
                     "    if (!failed(d, error)) return p;\n    free_device(d, p);\n    return NULL;\n}\n");
    put_template(
        t, x,
        "static int read_(const queue *q, void *host, const void *src, size_t bytes) {\n"
        "    int error = q->device->api.to_host(host, src, bytes, q->stream);\n"
        "    if (!error) error = q->device->api.stream_wait(q->stream);\n    return failed(q->device, error);\n}\n");
    if (x->helps[HELP_DEVICE_COPY])
        put_template(t, x,
                     "static int copy_(const queue *q, void *dst, const void *src, int64_t bytes) {\n"
                     "    return bytes > 0 && failed(q->device, q->device->api.on_device(dst, src, (size_t)bytes, "
                     "q->stream));\n}\n");
    if (x->helps[HELP_DEVICE_FILL8])
        put_template(
            t, x,
            "static int fill8_(const queue *q, void *dst, unsigned char v, int64_t bytes) {\n"
            "    return bytes > 0 && failed(q->device, q->device->api.fill8(dst, v, (size_t)bytes, q->stream));\n}\n");
    if (x->helps[HELP_FILL])
        put_template(
            t, x,
            "/* There is no fill of eight bytes: one is written, then what is there is doubled. */\n"
            "static int fill_(const queue *q, void *dst, int64_t bytes, int width, uint64_t pattern) {\n"
            "    const driver *api = &q->device->api;\n    char *p = (char *)dst;\n    int64_t done;\n    int error;\n"
            "    if (bytes <= 0) return 0;\n"
            "    if (width == 2) return failed(q->device, api->fill16(p, (unsigned short)pattern, (size_t)bytes / 2, "
            "q->stream));\n"
            "    if (width == 4) return failed(q->device, api->fill32(p, (unsigned)pattern, (size_t)bytes / 4, "
            "q->stream));\n"
            "    error = api->fill32(p, (unsigned)pattern, 1, q->stream);\n"
            "    if (!error) error = api->fill32(p + 4, (unsigned)(pattern >> 32), 1, q->stream);\n"
            "    for (done = 8; !error && done < bytes; done *= 2)\n"
            "        error = api->on_device(p + done, p, (size_t)(bytes - done < done ? bytes - done : done), "
            "q->stream);\n"
            "    return failed(q->device, error);\n}\n");
    put(t, "\n");
}

/* The driver's CUlaunchConfig with one CUlaunchAttribute: the dimension of a cluster. */
static void put_cluster_launch(text *t) {
    put(t, "    if (kernels[kernel].cluster) {\n"
           "        struct {\n            int id;\n            unsigned none, value[16];\n        } cluster = {4, 0, {0}};\n"
           "        struct {\n            unsigned grid[3], block[3], shared;\n            void *stream, *attributes;\n            unsigned n;\n"
           "        } config = {{0, 1, 1}, {0, 1, 1}, 0, NULL, NULL, 1};\n"
           "        unsigned size = kernels[kernel].cluster;\n"
           "        cluster.value[0] = size, cluster.value[1] = cluster.value[2] = 1;\n"
           "        config.grid[0] = (unsigned)(blocks > size ? blocks - blocks %% size : size);\n"
           "        config.block[0] = kernels[kernel].threads, config.shared = kernels[kernel].shared;\n"
           "        config.stream = q->stream, config.attributes = &cluster;\n"
           "        if (!q->device->api.launch_more) return failed(q->device, 801); /* not supported: the driver is older than CUDA 11.8 */\n"
           "        return failed(q->device, q->device->api.launch_more(&config, q->device->kernels[kernel], params, NULL));\n    }\n");
}

static void put_gpu_launch(exporter *x, text *t) {
    uint32_t most = 0;
    for (uint32_t k = 0; k < x->v->n_kernels; k++) {
        uint32_t n = x->kernels[k].n_inputs + x->kernels[k].n_outputs + x->kernels[k].n_ints + x->kernels[k].n_maps + 2;
        if (n > most) most = n;
    }
    put_gpu_maps(x, t);
    put(t,
        "/* ---- Launching ---- */\n"
        "/* A kernel takes its buffers, its integers, the scratch and the number of tasks%s. scratch_bytes: of each "
        "block. */\n"
        "static int launch(const queue *q, int kernel, void **buffers, int n_buffers, const int64_t *ints, int "
        "n_ints,\n"
        "                  %schar *scratch, int64_t scratch_bytes, int64_t tasks) {\n"
        "    void *params[%u];\n    void *value = scratch;\n",
        gpu_has_maps(x) ? ", then tensor maps" : "", gpu_map_parameters(x), most);
    put_gpu_map_locals(x, t);
    put(t, "    int64_t blocks = tasks, most = UINT32_MAX / kernels[kernel].threads;\n    int i, n = 0;\n"
           "    if (tasks <= 0) return 0;\n"
           "    if (tasks >= 1 << 30) return failed(q->device, 1); /* kernels count no further: an invalid value, as drivers say */\n"
           "    if (most > INT32_MAX) most = INT32_MAX;\n"
           "    if (scratch_bytes > 0 && q->device->workers < most) most = q->device->workers;\n"
           "    if (blocks > most) blocks = most;\n"
           "    for (i = 0; i < n_buffers; i++) params[n++] = &buffers[i];\n"
           "    for (i = 0; i < n_ints; i++) params[n++] = (void *)&ints[i];\n"
           "    params[n++] = &value;\n    params[n++] = &tasks;\n");
    put_gpu_map_params(x, t);
    if (has_clusters(x)) put_cluster_launch(t);
    put(t, "    return failed(q->device, q->device->api.launch(q->device->kernels[kernel], (unsigned)blocks, 1, 1,\n"
           "                                                   kernels[kernel].threads, 1, 1, kernels[kernel].shared, "
           "q->stream,\n"
           "                                                   params, NULL));\n}\n\n");
}

/* ---- Devices ----------------------------------------------------------------------------------------------------- */
static void put_close(exporter *x, text *t) {
    put_template(t, x, "void @_device_close(@_device *device) {\n    int i, was;\n    if (!device) return;\n");
    for (uint32_t b = 0; b < x->v->n_buffers; b++)
        if (x->const_used[b]) put(t, "    if (device->stream) free_device(device, device->constant%u);\n", b);
    put(t, "    if (device->stream) {\n        was = enter_(device);\n"
           "        for (i = 0; i < MODULES; i++)\n            if (device->modules[i]) "
           "device->api.module_unload(device->modules[i]);\n"
           "        device->api.stream_destroy(device->stream);\n        leave_(device, was);\n    }\n");
    if (!x->gpu->hip) put(t, "    if (device->primary) device->api.context_release(device->device);\n");
    put(t, "    if (device->api.library) dlclose(device->api.library);\n    free_memory(device);\n}\n\n");
}

static void put_load_modules(exporter *x, text *t) {
    put_template(
        t, x,
        "static int load_modules(@_device *d) {\n    int i, error = 0;\n"
        "    for (i = 0; i < MODULES && !error; i++) error = d->api.module_load(&d->modules[i], modules[i], 0, NULL, "
        "NULL);\n"
        "    for (i = 0; i < KERNELS && !error; i++) {\n"
        "        error = d->api.function_get(&d->kernels[i], d->modules[kernels[i].module], kernels[i].entry);\n");
    if (!x->gpu->hip) /* attribute 8: the most dynamic shared memory; more than 48 KB has to be allowed */
        put(t,
            "        if (!error && kernels[i].shared > 48 * 1024 && d->api.function_set) /* more has to be allowed */\n"
            "            error = d->api.function_set(d->kernels[i], 8, (int)kernels[i].shared);\n");
    put(t, "    }\n    return error;\n}\n");
}

static void put_open(exporter *x, text *t) {
    put_template(t, x,
                 "static @_status open_device(@_device *d, int index) {\n    int was, error, processors = 1;\n"
                 "    if (!open_driver(&d->api)) return $_E_DRIVER;\n"
                 "    if (failed(d, d->api.init(0)) || failed(d, d->api.device_get(&d->device, index))) return "
                 "$_E_NO_DEVICE;\n");
    if (!x->gpu->hip)
        put_template(t, x, "    if (failed(d, d->api.context_retain(&d->primary, d->device))) return $_E_NO_DEVICE;\n");
    put(t,
        "    was = enter_(d);\n    error = d->api.device_attribute(&processors, %d, d->device); /* multiprocessors "
        "*/\n",
        x->gpu->multiprocessors);
    put_template(
        t, x,
        "    if (!error) error = d->api.stream_create(&d->stream, 1);\n    if (!error) error = load_modules(d);\n"
        "    leave_(d, was);\n    d->workers = 4 * processors;\n    if (failed(d, error)) return $_E_MACHINE;\n");
    for (uint32_t b = 0; b < x->v->n_buffers; b++) {
        int64_t bytes;
        if (!x->const_used[b] || !formula_const(x, x->buffers[b].size, &bytes)) continue;
        put(t, "    d->constant%u = put_device(d, constant%u, %lld);\n    if (!d->constant%u) return %s_E_NO_MEMORY;\n",
            b, b, (long long)bytes, b, x->upper);
    }
    put_template(
        t, x,
        "    return $_OK;\n}\n\n"
        "@_status @_device_open(int index, @_device **out) {\n    @_device *device;\n    @_status status;\n"
        "    if (!out) return $_E_ARGUMENT;\n    *out = NULL;\n"
        "    device = (@_device *)get_memory((int64_t)sizeof *device);\n    if (!device) return $_E_NO_MEMORY;\n"
        "    memset(device, 0, sizeof *device);\n    status = open_device(device, index);\n"
        "    if (status == $_OK) *out = device;\n    else @_device_close(device);\n    return status;\n}\n\n"
        "int @_device_error(const @_device *device) { return device ? device->error : 0; }\n\n"
        "void *@_alloc(@_device *device, int64_t bytes) { return device ? get_device(device, bytes) : NULL; }\n"
        "void @_free(@_device *device, void *memory) {\n    if (device) free_device(device, memory);\n}\n\n");
}

/* Everything up to launches: modules, driver, device. */
void put_gpu_support(exporter *x, text *t) {
    put_modules(x, t);
    put_driver_struct(x, t);
    put_device_struct(x, t);
    put_current(x, t);
    put_moves(x, t);
    put_gpu_launch(x, t);
}

void put_gpu_device(exporter *x, text *t) {
    put_load_modules(x, t);
    put_close(x, t);
    put_open(x, t);
}

/* Copies between host and device, on a context's stream. */
void put_gpu_transfers(exporter *x, text *t) {
    put_template(t, x,
                 "static queue queue_of(const @_context *context) {\n    queue q;\n    q.device = context->device;\n"
                 "    q.stream = context->stream;\n");
    put(t, "%s    return q;\n}\n\n", gpu_has_maps(x) ? "    q.maps = context->maps;\n" : "");
    put_template(
        t, x,
        "@_status @_upload(@_context *context, void *to, const void *host, int64_t bytes) {\n    int was, error;\n"
        "    if (!context || bytes < 0 || (bytes && (!to || !host))) return $_E_ARGUMENT;\n    if (!bytes) return "
        "$_OK;\n"
        "    was = enter_(context->device);\n"
        "    error = context->device->api.to_device(to, host, (size_t)bytes, context->stream);\n"
        "    if (!error) error = context->device->api.stream_wait(context->stream);\n    leave_(context->device, "
        "was);\n"
        "    return failed(context->device, error) ? $_E_DEVICE : $_OK;\n}\n\n"
        "@_status @_download(@_context *context, void *host, const void *from, int64_t bytes) {\n"
        "    queue q;\n    int was, error;\n"
        "    if (!context || bytes < 0 || (bytes && (!host || !from))) return $_E_ARGUMENT;\n    if (!bytes) return "
        "$_OK;\n"
        "    q = queue_of(context);\n"
        "    was = enter_(context->device);\n    error = read_(&q, host, from, (size_t)bytes);\n    "
        "leave_(context->device, was);\n"
        "    return error ? $_E_DEVICE : $_OK;\n}\n\n"
        "@_status @_wait(@_context *context) {\n    int was, error;\n    if (!context) return $_E_ARGUMENT;\n"
        "    was = enter_(context->device);\n    error = context->device->api.stream_wait(context->stream);\n"
        "    leave_(context->device, was);\n    return failed(context->device, error) ? $_E_DEVICE : $_OK;\n}\n\n"
        "@_status @_set_stream(@_context *context, void *stream) {\n    if (!context) return $_E_ARGUMENT;\n"
        "    context->stream = stream ? stream : context->own;\n    return $_OK;\n}\n\n");
}

void put_gpu_header(exporter *x, text *t) {
    put_template(t, x,
                 "/* ---- Devices ---- */\n"
                 "/* A GPU with the model's kernels loaded. Any number of threads may use it; it outlives what is made "
                 "on it. */\n"
                 "typedef struct @_device @_device;\n"
                 "/* Opens the driver's library and device `index`. */\n"
                 "@_status @_device_open(int index, @_device **out);\n"
                 "/* NULL is allowed. */\nvoid @_device_close(@_device *device);\n"
                 "/* The number of the driver's error behind the last failure, 0 when there was none. */\n"
                 "int @_device_error(const @_device *device);\n"
                 "/* Memory of the device; NULL when there is none. */\n"
                 "void *@_alloc(@_device *device, int64_t bytes);\nvoid @_free(@_device *device, void *memory);\n\n");
}

void put_gpu_context_header(exporter *x, text *t) {
    put_template(t, x,
                 "/* Runs are queued on the context's own stream, or on the caller's (a CUstream or hipStream_t; NULL: "
                 "the own one "
                 "again). */\n@_status @_set_stream(@_context *context, void *stream);\n"
                 "/* Waits for what is queued. */\n@_status @_wait(@_context *context);\n"
                 "/* Copies between host and device behind what is queued, and waits for them. */\n"
                 "@_status @_upload(@_context *context, void *to, const void *host, int64_t bytes);\n"
                 "@_status @_download(@_context *context, void *host, const void *from, int64_t bytes);\n");
}
