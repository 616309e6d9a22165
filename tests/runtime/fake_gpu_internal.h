/* What the files of the stand-in share: its functions by the library's names, handles, queued work, memory. */
#ifndef FRIT_TESTS_RUNTIME_FAKE_GPU_INTERNAL_H
#define FRIT_TESTS_RUNTIME_FAKE_GPU_INTERNAL_H
#include "fake_gpu.h"
#include "runtime/gpu.h"
#include <stdint.h>

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

/* ---- fake_gpu_state.c */
__attribute__((visibility("default"))) extern fake_gpu fake_gpu_control;
static fake_gpu *const state = &fake_gpu_control;
extern bool started, faulted[DEVICES]; /* faulted: a launch has broken the device */
#ifdef FAKE_HIP
extern __thread int current; /* the device */
#else
extern __thread int stack[16], depth; /* of devices whose contexts were pushed */
#endif

/* Notes a mistake of the caller's, if it is the first one. */
__attribute__((format(printf, 1, 2))) void misuse(const char *fmt, ...);
int enter(const char *name);
int leave(int code);
/* ENTER begins every function: an injected failure leaves at once. Functions that release something do so even then, as
 * the failure they report may be that of earlier work. */
#define ENTER                                                                                                          \
    int injected = enter(__func__);                                                                                    \
    if (injected) return leave(injected)
#define ENTER_RELEASE int injected = enter(__func__)

int device_now(void); /* -1: none is current */
bool live(kind k, const void *handle);
/* The error of using the handle here and now. */
int check(kind k, const void *handle, const char *what);
object *make(kind k);
void destroy(object *o);

block *new_block(int device, size_t bytes); /* NULL: there is no memory */
block *block_of(const void *p, size_t bytes);
void free_block(void *p, bool pinned);

void append(object *o, const op *p);
/* Queues the work, or records it. */
int submit(void *stream, const op *p, const char *what);
void drain(object *stream);
void drain_device(int device);
#endif
