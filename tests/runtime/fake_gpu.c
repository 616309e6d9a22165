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
#include "fake_gpu_internal.h"
#include <stdio.h>
#include <string.h>

static long context_refs;

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
