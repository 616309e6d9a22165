/* A stand-in for libcuda.so.1 or libamdhip64.so (FAKE_HIP): every function of gpu.def, on the host. Device memory is
 * host memory with guards around it; streams are lists of work that is done when it is waited for (or at once); a
 * context must be current, handles must be live and belong to the device, ranges of memory must be allocated. Any call
 * can be told to fail.
 *
 * A module's image is a shared object. A kernel `name` in it is a function `name(void **params, unsigned blocks,
 * unsigned threads, unsigned shared)`, with `const unsigned name_args[2]` beside it: how many buffers and how many
 * integers it takes; `const unsigned name_maps`: tensor maps (fake_map.h) behind them. Text images pass for PTX: their kernels are found as ".entry NAME(" and do nothing. Other text is
 * given to the command in FAKE_GPU_TEXT, which makes such a shared object of it (its kernels are called NAME_launch).
 */
#include "fake_gpu.h"
#include "fake_map.h"
#include "runtime/gpu.h"
#include <dlfcn.h>
#include <elf.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Each function of the table gets the name that the library has for it; where it has none, one that nobody looks up. */
#undef NULL
#define NULL FAKE_NONE(__LINE__)
#define FAKE_NONE(line) FAKE_NONE_(line)
#define FAKE_NONE_(line) "fake_none_" #line
#ifdef FAKE_HIP
#define PICK(cuda, hip) hip
#else
#define PICK(cuda, hip) cuda
#endif
#define GPU_FN(result, id, params, need, cuda, hip)                                                                    \
    __attribute__((visibility("default"))) result fake_##id params __asm__(PICK(cuda, hip));
#include "runtime/gpu.def"
#undef GPU_FN
#undef NULL
#define NULL ((void *)0)

enum { DEVICES = 2, GUARD = 256, MOST_ARGS = 64, MOST_MAPS = 8, MAP_BYTES = 128, FREE_SHARED = 48 << 10 };
enum {
    BAD_VALUE = 1,
    NO_MEMORY = 2,
    NO_DEVICE = 100,
    BAD_IMAGE = 200,
    BAD_CONTEXT = 201,
    BAD_HANDLE = 400,
    NOT_FOUND = 500,
    NOT_READY = 600,
    FAULT = 700,
    CAPTURE = 900
};

typedef enum { STREAM, EVENT, MODULE, GRAPH, EXEC, KINDS } kind;
typedef struct op op;
typedef struct object {
    struct object *next;
    kind kind;
    int device;
    op *first, **last;        /* STREAM: queued work; GRAPH, EXEC: recorded work */
    struct object *recording; /* STREAM: the graph that work goes to */
    bool broken;              /* GRAPH: something was asked of it that cannot be recorded */
    bool done;                /* EVENT */
    long when;
    struct object *stream; /* EVENT */
    void *library;         /* MODULE */
    char *text;
    struct function *functions;
} object;

typedef struct function {
    struct function *next;
    object *module;
    void (*run)(void **params, unsigned blocks, unsigned threads, unsigned shared);
    unsigned buffers, ints, maps, allowed_shared;
} function;

struct op {
    op *next;
    enum { OP_COPY, OP_FILL, OP_LAUNCH, OP_EVENT, OP_FREE } what;
    char *dst;
    const char *src;
    size_t bytes;
    unsigned value, width;
    bool from_device, to_device;
    function *fn;
    unsigned blocks, threads, shared, cluster, n_args;
    uint64_t args[MOST_ARGS];
    _Alignas(16) char maps[MOST_MAPS][MAP_BYTES];
    object *event;
};

typedef struct block {
    struct block *next;
    int device; /* -1: pinned memory of the host */
    size_t bytes;
    char *data;
} block;

static object *objects;
static block *blocks;
static pthread_mutex_t lock;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static long ticks, context_refs;
static bool started, faulted[DEVICES];
#ifdef FAKE_HIP
static __thread int current;
#else
static __thread int stack[16], depth;
#endif

static void *test_alloc(int device, size_t bytes);
static void test_free(void *p);
static void *test_stream(int device);
static void test_stream_free(void *s);
__attribute__((visibility("default"))) extern fake_gpu fake_gpu_control;
fake_gpu fake_gpu_control = {.devices = DEVICES,
                             .pools = true,
                             .fail_at = -1,
                             .fault_at = -1,
                             .alloc = test_alloc,
                             .free = test_free,
                             .stream = test_stream,
                             .stream_free = test_stream_free};
static fake_gpu *const state = &fake_gpu_control;

__attribute__((format(printf, 1, 2))) static void misuse(const char *fmt, ...) {
    va_list ap;
    if (state->misuse[0]) return;
    va_start(ap, fmt);
    vsnprintf(state->misuse, sizeof state->misuse, fmt, ap);
    va_end(ap);
}

/* ---- Calls ------------------------------------------------------------------------------------------------------- */
static void make_lock(void) {
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lock, &a);
    pthread_mutexattr_destroy(&a);
}

static int enter(const char *name) {
    pthread_once(&once, make_lock);
    pthread_mutex_lock(&lock);
    snprintf(state->last_call, sizeof state->last_call, "%s", name);
    if (!started && strcmp(name, "fake_init")) misuse("%s before the library was started", name);
    return state->calls++ == state->fail_at ? state->fail_code : 0;
}
static int leave(int code) {
    pthread_mutex_unlock(&lock);
    return code;
}
/* ENTER begins every function: an injected failure leaves at once. Functions that release something do so even then, as
 * the failure they report may be that of earlier work. */
#define ENTER                                                                                                          \
    int injected = enter(__func__);                                                                                    \
    if (injected) return leave(injected)
#define ENTER_RELEASE int injected = enter(__func__)

static int device_now(void) {
#ifdef FAKE_HIP
    return current;
#else
    return depth ? stack[depth - 1] : -1;
#endif
}

static bool live(kind k, const void *handle) {
    for (const object *o = objects; o; o = o->next)
        if (o == handle) return o->kind == k;
    return false;
}

/* The error of using the handle here and now. */
static int check(kind k, const void *handle, const char *what) {
    if (device_now() < 0) return BAD_CONTEXT;
    if (!live(k, handle)) return misuse("%s: the handle is not live", what), BAD_HANDLE;
    if (((const object *)handle)->device != device_now())
        return misuse("%s: the handle is another device's", what), BAD_HANDLE;
    return faulted[device_now()] ? FAULT : 0;
}

static object *make(kind k) {
    object *o = calloc(1, sizeof *o);
    *o = (object){.next = objects, .kind = k, .device = device_now(), .last = NULL};
    o->last = &o->first;
    state->live++;
    return objects = o;
}

static void drop_ops(object *o) {
    for (op *p = o->first, *next; p; p = next) next = p->next, free(p);
    o->first = NULL, o->last = &o->first;
}

static void destroy(object *o) {
    object **at = &objects;
    while (*at != o) at = &(*at)->next;
    *at = o->next;
    drop_ops(o);
    for (function *f = o->functions, *next; f; f = next) next = f->next, free(f);
    if (o->library) dlclose(o->library);
    free(o->text);
    free(o);
    state->live--;
}

/* ---- Memory ------------------------------------------------------------------------------------------------------ */
static block *new_block(int device, size_t bytes) {
    char *raw = bytes < (size_t)1 << 40 ? aligned_alloc(GUARD, (bytes + 2 * GUARD + GUARD - 1) / GUARD * GUARD) : NULL;
    if (!raw) return NULL;
    block *b = calloc(1, sizeof *b);
    memset(raw, 0xcb, GUARD);
    memset(raw + GUARD, 0xff, bytes); /* NaN to who reads it */
    memset(raw + GUARD + bytes, 0xcb, GUARD);
    *b = (block){blocks, device, bytes, raw + GUARD};
    state->live++;
    return blocks = b;
}

static block *block_of(const void *p, size_t bytes) {
    for (block *b = blocks; b; b = b->next)
        if ((const char *)p >= b->data && (const char *)p + bytes <= b->data + b->bytes) return b;
    return NULL;
}

static void check_guards(const block *b) {
    for (int i = 1; i <= GUARD; i++)
        if ((unsigned char)b->data[-i] != 0xcb ||
            (i < GUARD && (unsigned char)b->data[b->bytes + (size_t)i - 1] != 0xcb)) {
            misuse("memory around an allocation of %zu bytes was written", b->bytes);
            return;
        }
}

static void free_block(void *p, bool pinned) {
    block **at = &blocks;
    while (*at && (*at)->data != p) at = &(*at)->next;
    block *b = *at;
    if (!b || (b->device < 0) != pinned) {
        misuse("what is freed was not allocated");
        return;
    }
    *at = b->next;
    check_guards(b);
    memset(b->data, 0xdd, b->bytes);
    free(b->data - GUARD);
    free(b);
    state->live--;
}

static bool on_this_device(const void *p, size_t bytes, int device, const char *what) {
    block *b = block_of(p, bytes);
    if (!bytes) return true;
    if (!b || (b->device >= 0 && b->device != device)) {
        misuse("%s: %zu bytes at %p are not this device's", what, bytes, p);
        return false;
    }
    return true;
}

/* ---- Work -------------------------------------------------------------------------------------------------------- */
static void fill(const op *p) {
    for (size_t i = 0; i < p->bytes; i++) p->dst[i] = (char)(p->value >> i % p->width * 8);
}

static void run_launch(op *p, int device) {
    void *params[MOST_ARGS + MOST_MAPS];
    for (unsigned i = 0; i < p->fn->maps; i++) params[p->n_args + i] = p->maps[i];
    for (unsigned i = 0; i < p->n_args; i++) params[i] = &p->args[i];
    for (unsigned i = 0; i < p->fn->buffers; i++)
        if (p->args[i] && !block_of((void *)(uintptr_t)p->args[i], 0))
            misuse("a kernel's buffer %u is not allocated", i);
    if (state->launches++ == state->fault_at) {
        faulted[device] = true;
        return;
    }
    state->last_blocks = p->blocks, state->last_threads = p->threads, state->last_cluster = p->cluster;
    if (p->fn->run) p->fn->run(params, p->blocks, p->threads, p->shared);
    for (const block *b = blocks; b; b = b->next) check_guards(b);
}

static void run(op *p, int device) {
    if (faulted[device] && p->what != OP_FREE) return;
    switch (p->what) {
    case OP_COPY:
        if (p->to_device && !on_this_device(p->dst, p->bytes, device, "copy")) return;
        if (p->from_device && !on_this_device(p->src, p->bytes, device, "copy")) return;
        if (p->dst < p->src + p->bytes && p->src < p->dst + p->bytes && p->bytes) misuse("a copy overlaps");
        memmove(p->dst, p->src, p->bytes);
        return;
    case OP_FILL:
        if (on_this_device(p->dst, p->bytes, device, "fill")) fill(p);
        return;
    case OP_LAUNCH: run_launch(p, device); return;
    case OP_EVENT:
        if (live(EVENT, p->event)) p->event->done = true, p->event->when = ++ticks;
        return;
    case OP_FREE: free_block(p->dst, false); return;
    }
}

static void drain(object *stream) {
    while (stream->first) {
        op *p = stream->first;
        stream->first = p->next;
        if (!stream->first) stream->last = &stream->first;
        run(p, stream->device);
        free(p);
    }
}

static void drain_device(int device) {
    for (object *o = objects; o; o = o->next)
        if (o->kind == STREAM && o->device == device) drain(o);
}

static void append(object *o, const op *p) {
    op *copy = malloc(sizeof *copy);
    *copy = *p;
    copy->next = NULL;
    *o->last = copy;
    o->last = &copy->next;
}

static int submit(void *stream, const op *p, const char *what) {
    int error = check(STREAM, stream, what);
    object *s = stream;
    if (error) return error;
    if (s->recording) {
        bool can =
            p->what != OP_FREE && p->what != OP_EVENT && (p->what != OP_COPY || (p->from_device && p->to_device));
        if (!can) return s->recording->broken = true, misuse("%s while work is recorded", what), CAPTURE;
        append(s->recording, p);
        return 0;
    }
    append(s, p);
    if (!state->lazy) drain(s);
    return 0;
}

/* ---- Library and devices ----------------------------------------------------------------------------------------- */
int fake_init(unsigned flags) {
    ENTER;
    if (flags) return leave(BAD_VALUE);
    started = true;
    return leave(state->devices ? 0 : NO_DEVICE);
}
int fake_driver_version(int *v) {
    ENTER;
    *v = PICK(12040, 60100000);
    return leave(0);
}
static const char *name_of(int code) {
    switch (code) {
    case NO_MEMORY: return "FAKE_OUT_OF_MEMORY";
    case NO_DEVICE: return "FAKE_NO_DEVICE";
    case FAULT: return "FAKE_ILLEGAL_ADDRESS";
    default: return "FAKE_ERROR";
    }
}
/* Errors are described whatever happens: these are not counted. */
int fake_error_name(int code, const char **text) { return *text = name_of(code), 0; }
int fake_error_string(int code, const char **text) { return *text = name_of(code) + 5, 0; }
const char *fake_error_name_of(int code) { return name_of(code); }
const char *fake_error_string_of(int code) { return name_of(code) + 5; }
int fake_device_count(int *n) {
    ENTER;
    *n = state->devices;
    return leave(0);
}
int fake_device_get(int *device, int index) {
    ENTER;
    if (index < 0 || index >= state->devices) return leave(101);
    *device = index;
    return leave(0);
}
int fake_device_name(char *name, int size, int device) {
    ENTER;
    snprintf(name, (size_t)size, "Stand-in %d", device);
    return leave(0);
}
/* Device 0 is an sm_90 or gfx942, device 1 an sm_80 or gfx1100. */
int fake_device_attribute(int *v, int attribute, int device) {
    ENTER;
    switch (attribute) {
    case PICK(16, 63): *v = 3; break;
    case PICK(97, 74): *v = PICK(227 << 10, 64 << 10); break;
    case PICK(115, 88): *v = state->pools; break;
    case PICK(75, 23): *v = PICK(device ? 8 : 9, device ? 11 : 9); break;
    case PICK(76, 61): *v = PICK(0, device ? 0 : 4); break;
    default: misuse("device attribute %d", attribute); return leave(BAD_VALUE);
    }
    return leave(0);
}
int fake_device_properties(void *properties, int device) {
    ENTER;
    snprintf((char *)properties + 1160, 64, "%s", device ? "gfx1100" : "gfx942:sramecc+:xnack-");
    return leave(0);
}
int fake_device_properties_old(void *properties, int device) { return fake_device_properties(properties, device); }

int fake_context_retain(void **context, int device) {
    ENTER;
    context_refs++, state->live++;
    *context = (void *)(uintptr_t)(device + 1);
    return leave(0);
}
int fake_context_release(int device) {
    ENTER_RELEASE;
    if (--context_refs < 0) misuse("the context of device %d is released too often", device);
    state->live--;
    return leave(injected);
}
#ifdef FAKE_HIP
int fake_context_push(void *context) { return (void)context, BAD_VALUE; }
int fake_context_pop(void **context) { return *context = NULL, BAD_VALUE; }
int fake_device_current(int *device) {
    ENTER;
    *device = current;
    return leave(0);
}
int fake_device_use(int device) {
    ENTER_RELEASE; /* the last one of a call restores what was */
    if (!injected || device == 0) current = device;
    return leave(injected);
}
#else
int fake_context_push(void *context) {
    ENTER;
    if (depth == 16) return misuse("contexts are pushed and not popped"), leave(BAD_VALUE);
    stack[depth++] = (int)(uintptr_t)context - 1;
    return leave(0);
}
int fake_context_pop(void **context) {
    ENTER_RELEASE;
    if (!depth) return misuse("a context is popped that was not pushed"), leave(BAD_CONTEXT);
    *context = (void *)(uintptr_t)(stack[--depth] + 1);
    return leave(injected);
}
int fake_device_current(int *device) { return *device = 0, BAD_VALUE; }
int fake_device_use(int device) { return (void)device, BAD_VALUE; }
#endif

/* ---- Memory ------------------------------------------------------------------------------------------------------ */
int fake_alloc(void **p, size_t bytes) {
    ENTER;
    if (device_now() < 0) return leave(BAD_CONTEXT);
    if (!bytes) return misuse("an allocation of no bytes"), leave(BAD_VALUE);
    block *b = new_block(device_now(), bytes);
    if (b) *p = b->data;
    return leave(b ? 0 : NO_MEMORY);
}
int fake_free(void *p) {
    ENTER_RELEASE;
    if (device_now() >= 0)
        drain_device(device_now());
    else if (state->fail_at < 0)
        misuse("memory is freed with no device current");
    free_block(p, false);
    return leave(injected);
}
int fake_alloc_async(void **p, size_t bytes, void *stream) {
    ENTER;
    int error = check(STREAM, stream, "alloc_async");
    if (error) return leave(error);
    if (!state->pools || !bytes) return misuse("alloc_async without pools or of nothing"), leave(BAD_VALUE);
    block *b = new_block(device_now(), bytes);
    if (b) *p = b->data;
    return leave(b ? 0 : NO_MEMORY);
}
int fake_free_async(void *p, void *stream) {
    ENTER_RELEASE;
    int error = check(STREAM, stream, "free_async");
    if (error && error != FAULT) return leave(error);
    append(stream, &(op){.what = OP_FREE, .dst = p});
    if (!state->lazy) drain(stream);
    return leave(injected ? 0 : 0); /* a failure would make the caller free it again */
}
int fake_host_alloc(void **p, size_t bytes, unsigned flags) {
    ENTER;
    (void)flags;
    if (device_now() < 0) return leave(BAD_CONTEXT);
    block *b = new_block(-1, bytes);
    if (b) *p = b->data;
    return leave(b ? 0 : NO_MEMORY);
}
int fake_host_free(void *p) {
    ENTER_RELEASE;
    free_block(p, true);
    return leave(injected);
}

/* Copies of pageable memory are over for the host when the call returns; those of pinned memory are not. */
static int host_copy(op p, void *stream, const void *host, const char *what) {
    block *b = block_of(host, p.bytes);
    int error = submit(stream, &p, what);
    if (!error && !(b && b->device < 0) && !((object *)stream)->recording) drain(stream);
    return error;
}
int fake_to_device(void *dst, const void *src, size_t bytes, void *stream) {
    ENTER;
    return leave(host_copy((op){.what = OP_COPY, .dst = dst, .src = src, .bytes = bytes, .to_device = true}, stream,
                           src, "to_device"));
}
int fake_to_host(void *dst, const void *src, size_t bytes, void *stream) {
    ENTER;
    return leave(host_copy((op){.what = OP_COPY, .dst = dst, .src = src, .bytes = bytes, .from_device = true}, stream,
                           dst, "to_host"));
}
int fake_on_device(void *dst, const void *src, size_t bytes, void *stream) {
    ENTER;
    op p = {.what = OP_COPY, .dst = dst, .src = src, .bytes = bytes, .from_device = true, .to_device = true};
    return leave(submit(stream, &p, "on_device"));
}
static int submit_fill(void *dst, unsigned v, unsigned width, size_t n, void *stream) {
    op p = {.what = OP_FILL, .dst = dst, .value = v, .width = width, .bytes = n * width};
    if ((uintptr_t)dst % width) return misuse("a fill of %u bytes each is not aligned", width), BAD_VALUE;
    return submit(stream, &p, "fill");
}
int fake_fill8(void *dst, unsigned char v, size_t n, void *stream) {
    ENTER;
    return leave(submit_fill(dst, v, 1, n, stream));
}
int fake_fill16(void *dst, unsigned short v, size_t n, void *stream) {
    ENTER;
    return leave(submit_fill(dst, v, 2, n, stream));
}
int fake_fill32(void *dst, unsigned v, size_t n, void *stream) {
    ENTER;
    return leave(submit_fill(dst, v, 4, n, stream));
}

/* ---- Streams and events ------------------------------------------------------------------------------------------ */
int fake_stream_create(void **stream, unsigned flags) {
    ENTER;
    (void)flags;
    if (device_now() < 0) return leave(BAD_CONTEXT);
    *stream = make(STREAM);
    return leave(0);
}
int fake_stream_destroy(void *stream) {
    ENTER_RELEASE;
    if (!live(STREAM, stream)) return misuse("a stream is destroyed twice"), leave(BAD_HANDLE);
    drain(stream);
    destroy(stream);
    return leave(injected);
}
int fake_stream_wait(void *stream) {
    ENTER;
    state->waits++;
    int error = check(STREAM, stream, "stream_wait");
    if (error) return leave(error);
    if (((object *)stream)->recording) return misuse("waiting while work is recorded"), leave(CAPTURE);
    drain(stream);
    return leave(faulted[device_now()] ? FAULT : 0);
}
int fake_event_create(void **event, unsigned flags) {
    ENTER;
    (void)flags;
    if (device_now() < 0) return leave(BAD_CONTEXT);
    *event = make(EVENT);
    return leave(0);
}
int fake_event_destroy(void *event) {
    ENTER_RELEASE;
    if (!live(EVENT, event)) return misuse("an event is destroyed twice"), leave(BAD_HANDLE);
    destroy(event);
    return leave(injected);
}
int fake_event_record(void *event, void *stream) {
    ENTER;
    int error = check(EVENT, event, "event_record");
    if (error) return leave(error);
    object *e = event;
    e->done = false, e->stream = stream;
    return leave(submit(stream, &(op){.what = OP_EVENT, .event = e}, "event_record"));
}
int fake_event_wait(void *event) {
    ENTER;
    int error = check(EVENT, event, "event_wait");
    if (error) return leave(error);
    object *e = event;
    if (e->stream && live(STREAM, e->stream)) drain(e->stream);
    return leave(faulted[device_now()] ? FAULT : 0);
}
int fake_event_elapsed(float *ms, void *from, void *to) {
    ENTER;
    int error = check(EVENT, from, "event_elapsed");
    if (!error) error = check(EVENT, to, "event_elapsed");
    if (error) return leave(error);
    const object *a = from, *b = to;
    if (!a->done || !b->done) return misuse("time between events that were not waited for"), leave(NOT_READY);
    *ms = (float)(b->when - a->when);
    return leave(0);
}

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

/* ---- Graphs ------------------------------------------------------------------------------------------------------ */
int fake_capture_begin(void *stream, int mode) {
    ENTER;
    (void)mode;
    int error = check(STREAM, stream, "capture_begin");
    if (error) return leave(error);
    if (((object *)stream)->recording) return misuse("a stream is recorded twice"), leave(CAPTURE);
    ((object *)stream)->recording = make(GRAPH);
    return leave(0);
}
/* The capture ends whatever happens, as it does in the driver's. */
int fake_capture_end(void *stream, void **graph) {
    ENTER_RELEASE;
    object *s = stream, *g = live(STREAM, stream) ? s->recording : NULL;
    *graph = NULL;
    if (!g) return misuse("a recording ends that was not begun"), leave(CAPTURE);
    s->recording = NULL;
    if (g->broken || injected) return destroy(g), leave(injected ? injected : CAPTURE);
    *graph = g;
    return leave(0);
}
int fake_graph_instantiate(void **exec, void *graph, unsigned long long flags) {
    ENTER;
    (void)flags;
    int error = check(GRAPH, graph, "graph_instantiate");
    if (error) return leave(error);
    object *e = make(EXEC);
    for (op *p = ((object *)graph)->first; p; p = p->next) append(e, p);
    *exec = e;
    state->recorded++;
    return leave(0);
}
int fake_graph_destroy(void *graph) {
    ENTER_RELEASE;
    if (!live(GRAPH, graph)) return misuse("a graph is destroyed twice"), leave(BAD_HANDLE);
    destroy(graph);
    return leave(injected);
}
int fake_graph_launch(void *exec, void *stream) {
    ENTER;
    int error = check(EXEC, exec, "graph_launch");
    state->replays++;
    for (op *p = error ? NULL : ((object *)exec)->first; p && !error; p = p->next)
        error = submit(stream, p, "graph_launch");
    return leave(error);
}
int fake_exec_destroy(void *exec) {
    ENTER_RELEASE;
    if (!live(EXEC, exec)) return misuse("a graph is destroyed twice"), leave(BAD_HANDLE);
    destroy(exec);
    return leave(injected);
}

/* ---- For the test itself ----------------------------------------------------------------------------------------- */
static void *test_alloc(int device, size_t bytes) {
    enter("test");
    void *p = new_block(device, bytes)->data;
    state->live--, state->calls--;
    return leave(0), p;
}
static void test_free(void *p) {
    enter("test");
    state->live++, state->calls--;
    free_block(p, false);
    leave(0);
}
static void *test_stream(int device) {
    enter("test");
    object *s = make(STREAM);
    s->device = device;
    state->live--, state->calls--;
    return leave(0), s;
}
static void test_stream_free(void *s) {
    enter("test");
    state->live++, state->calls--;
    faulted[0] = faulted[1] = false;
    destroy(s);
    leave(0);
}
