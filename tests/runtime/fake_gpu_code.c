/* Modules, launches and tensor maps of the stand-in. */
#include "fake_gpu_internal.h"
#include "fake_map.h"
#include <dlfcn.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- Code -------------------------------------------------------------------------------------------------------- */
static size_t elf_bytes(const Elf64_Ehdr *h) { return h->e_shoff + (size_t)h->e_shnum * h->e_shentsize; }

static void *open_object(const void *image) {
    char path[64];
    size_t n = elf_bytes(image);
    int fd = memfd_create("kernels", 0);
    if (fd < 0 || write(fd, image, n) != (ssize_t)n) return NULL;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    close(fd);
    return library;
}

/* The shared object that FAKE_GPU_TEXT makes of the text; NULL when there is no such command or it fails. */
static void *open_text(const char *image) {
    const char *maker = getenv("FAKE_GPU_TEXT");
    char dir[] = "/tmp/fake-gpu-XXXXXX", in[64], out[64], command[600];
    if (!maker || strstr(image, ".version ") || !mkdtemp(dir)) return NULL;
    snprintf(in, sizeof in, "%s/k.cu", dir);
    snprintf(out, sizeof out, "%s/k.so", dir);
    snprintf(command, sizeof command, "%s %s %s", maker, in, out);
    FILE *f = fopen(in, "w");
    bool made = f && fputs(image, f) >= 0;
    if (f && fclose(f)) made = false;
    void *library = made && system(command) == 0 ? dlopen(out, RTLD_NOW | RTLD_LOCAL) : NULL;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    (void)!system(command);
    return library;
}

int fake_module_load(void **module, const void *image, unsigned n, int *options, void **values) {
    ENTER;
    if (device_now() < 0) return leave(BAD_CONTEXT);
    bool object_file = !memcmp(image, ELFMAG, SELFMAG);
    void *library = object_file ? open_object(image) : open_text(image);
    bool right = object_file || library ? library != NULL : strstr(image, ".version") && !strstr(image, "syntax error");
    if (!object_file) state->jitted++;
    if (!right) {
        for (unsigned i = 0; i + 1 < n; i++)
            if (options[i] == 5 && options[i + 1] == 6)
                snprintf(values[i], (size_t)(uintptr_t)values[i + 1], "line 2: a mistake\nin the text");
        return leave(BAD_IMAGE);
    }
    object *m = make(MODULE);
    m->library = library;
    m->text = library ? NULL : strdup(image);
    *module = m;
    return leave(0);
}
int fake_module_unload(void *module) {
    ENTER_RELEASE;
    if (!live(MODULE, module)) return misuse("a module is unloaded twice"), leave(BAD_HANDLE);
    drain_device(((object *)module)->device);
    destroy(module);
    return leave(injected);
}

/* Counts of buffers and integers of a text kernel: all parameters but the last two pass for integers. */
static bool find_text(function *f, const char *text, const char *name) {
    char entry[256];
    snprintf(entry, sizeof entry, ".entry %s(", name);
    const char *at = strstr(text, entry), *end = at ? strchr(at, ')') : NULL;
    for (const char *p = at; p && p < end; p++)
        if (!strncmp(p, ".param", 6)) f->ints++;
    if (f->ints >= 2) f->ints -= 2;
    return end != NULL;
}
static bool find_code(function *f, void *library, const char *name) {
    char args[256], launch[256], maps[256];
    snprintf(maps, sizeof maps, "%s_maps", name);
    const unsigned *n_maps = dlsym(library, maps);
    if (n_maps) f->maps = *n_maps;
    snprintf(args, sizeof args, "%s_args", name);
    snprintf(launch, sizeof launch, "%s_launch", name);
    const unsigned *n = dlsym(library, args);
    void *at = dlsym(library, launch);
    if (!at) at = dlsym(library, name);
    memcpy(&f->run, &at, sizeof at);
    if (n) f->buffers = n[0], f->ints = n[1];
    return at && n;
}

int fake_function_get(void **out, void *module, const char *name) {
    ENTER;
    int error = check(MODULE, module, "function_get");
    if (error) return leave(error);
    object *m = module;
    function *f = calloc(1, sizeof *f);
    *f = (function){.next = m->functions, .module = m, .allowed_shared = FREE_SHARED};
    if (!(m->library ? find_code(f, m->library, name) : find_text(f, m->text, name))) return free(f), leave(NOT_FOUND);
    m->functions = f;
    *out = f;
    return leave(0);
}
int fake_function_attribute(int *v, int attribute, void *fn) {
    ENTER;
    (void)fn;
    if (attribute != 0) return misuse("function attribute %d", attribute), leave(BAD_VALUE);
    *v = 1024;
    return leave(0);
}
int fake_function_set(void *fn, int attribute, int v) {
    ENTER;
    if (attribute != 8 || v > 227 << 10)
        return misuse("function attribute %d set to %d", attribute, v), leave(BAD_VALUE);
    ((function *)fn)->allowed_shared = (unsigned)v;
    return leave(0);
}

static int launch(void *fn, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                  void *stream, void **params, void **extra, unsigned cluster) {
    ENTER;
    function *f = fn;
    op p = {.what = OP_LAUNCH, .fn = f, .blocks = gx, .threads = bx, .shared = shared, .cluster = cluster};
    if (!live(MODULE, f->module)) return misuse("a kernel of an unloaded module is launched"), leave(BAD_HANDLE);
    p.n_args = f->buffers + f->ints + 2;
    unsigned most = PICK(f->allowed_shared, 64 << 10);
    if (!gx || gy != 1 || gz != 1 || !bx || bx > 1024 || by != 1 || bz != 1 || shared > most || extra ||
        p.n_args > MOST_ARGS)
        return misuse("a launch of %u blocks of %u threads with %u bytes of shared memory", gx, bx, shared),
               leave(BAD_VALUE);
    for (unsigned i = 0; i < p.n_args; i++) memcpy(&p.args[i], params[i], sizeof p.args[i]);
    for (unsigned i = 0; i < f->maps && i < MOST_MAPS; i++) {
        memcpy(p.maps[i], params[p.n_args + i], MAP_BYTES);
        const fake_map *m = (fake_map *)(void *)p.maps[i]; /* zeros: of an empty tensor */
        if (m->magic && m->magic != FAKE_MAP_MAGIC) misuse("argument %u of a launch is no tensor map", p.n_args + i);
    }
    return leave(submit(stream, &p, "launch"));
}

int fake_launch(void *fn, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void *stream, void **params,
                void **extra) {
    return launch(fn, gx, gy, gz, bx, by, bz, shared, stream, params, extra, 0);
}

#ifndef FAKE_HIP
int fake_launch_more(const void *config, void *fn, void **params, void **extra) {
    const gpu_launch_config *c = config;
    const unsigned *g = c->grid, *b = c->block;
    const gpu_launch_attribute *a = c->attributes;
    bool good = c->n_attributes == 1 && a->id == GPU_CLUSTER_DIMENSION && a->value[0] > 1 && a->value[0] <= 8 && a->value[1] == 1 && a->value[2] == 1;
    if (!good || g[0] % a->value[0]) misuse("a launch of %u blocks in clusters of %u", g[0], a->value[0]);
    return launch(fn, g[0], g[1], g[2], b[0], b[1], b[2], c->shared, c->stream, params, extra, a->value[0]);
}
#endif

/* ---- Tensor maps: the rules of cuTensorMapEncodeTiled --------------------------------------------------------------------- */
static bool map_fits(void *map, int element, unsigned rank, const fake_map *m, const unsigned *steps, int interleave, int promotion, int zero) {
    static const unsigned char bytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
    bool good = (uintptr_t)map % 64 == 0 && element >= 0 && element < (int)sizeof bytes && rank >= 1 && rank <= 5 && (uintptr_t)m->base % 16 == 0;
    if (!good || interleave || zero || promotion < 0 || promotion > 3) return false;
    unsigned long long row = (m->box[0] + 1ull) * bytes[element];
    for (unsigned i = 0; i < rank; i++) good = good && m->extents[i] >= 1 && m->extents[i] <= 1ull << 32 && steps[i] >= 1 && steps[i] <= (i ? 8u : 1u);
    for (unsigned i = 0; i + 1 < rank; i++) good = good && m->strides[i] % 16 == 0 && m->strides[i] < 1ull << 40;
    return good && row % 16 == 0 && (m->swizzle == 16 || row <= m->swizzle);
}

int fake_tensor_map(void *map, int element, unsigned rank, void *base, const unsigned long long *extents, const unsigned long long *strides,
                    const unsigned *box, const unsigned *steps, int interleave, int swizzle, int promotion, int zero) {
    ENTER;
    static const unsigned char bytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
    fake_map m = {.magic = FAKE_MAP_MAGIC, .rank = rank, .swizzle = 16u << swizzle, .base = base};
    for (unsigned i = 0; i < rank && i < 5; i++) {
        m.extents[i] = extents[i];
        if (i) m.strides[i - 1] = strides[i - 1];
        if (box[i] < 1 || box[i] > 256) return misuse("a tensor map's box of %u", box[i]), leave(BAD_VALUE);
        if (steps[i] < 1) return misuse("a tensor map's step of 0"), leave(BAD_VALUE);
        m.box[i] = (unsigned char)((box[i] - 1) / steps[i]);
        m.step[i] = (unsigned char)steps[i];
    }
    if (swizzle < 0 || swizzle > 3 || !map_fits(map, element, rank, &m, steps, interleave, promotion, zero)) return misuse("a tensor map that can't be"), leave(BAD_VALUE);
    if (!block_of(base, 0)) misuse("a tensor map of memory that is not allocated");
    m.bytes = bytes[element];
    memset(map, 0, MAP_BYTES);
    memcpy(map, &m, sizeof m);
    state->maps++;
    return leave(0);
}
