/* The stand-in's own state: who is current, live handles, memory with guards around it, queued work and when it is done. */
#include "fake_gpu_internal.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static object *objects;
static block *blocks;
static pthread_mutex_t lock;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static long ticks;
bool started, faulted[DEVICES];
#ifdef FAKE_HIP
__thread int current;
#else
__thread int stack[16], depth;
#endif

static void *test_alloc(int device, size_t bytes);
static void test_free(void *p);
static void *test_stream(int device);
static void test_stream_free(void *s);
fake_gpu fake_gpu_control = {.devices = DEVICES,
                             .pools = true,
                             .fail_at = -1,
                             .fault_at = -1,
                             .alloc = test_alloc,
                             .free = test_free,
                             .stream = test_stream,
                             .stream_free = test_stream_free};

void misuse(const char *fmt, ...) {
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

int enter(const char *name) {
    pthread_once(&once, make_lock);
    pthread_mutex_lock(&lock);
    snprintf(state->last_call, sizeof state->last_call, "%s", name);
    if (!started && strcmp(name, "fake_init")) misuse("%s before the library was started", name);
    return state->calls++ == state->fail_at ? state->fail_code : 0;
}
int leave(int code) {
    pthread_mutex_unlock(&lock);
    return code;
}

int device_now(void) {
#ifdef FAKE_HIP
    return current;
#else
    return depth ? stack[depth - 1] : -1;
#endif
}

bool live(kind k, const void *handle) {
    for (const object *o = objects; o; o = o->next)
        if (o == handle) return o->kind == k;
    return false;
}

/* The error of using the handle here and now. */
int check(kind k, const void *handle, const char *what) {
    if (device_now() < 0) return BAD_CONTEXT;
    if (!live(k, handle)) return misuse("%s: the handle is not live", what), BAD_HANDLE;
    if (((const object *)handle)->device != device_now())
        return misuse("%s: the handle is another device's", what), BAD_HANDLE;
    return faulted[device_now()] ? FAULT : 0;
}

object *make(kind k) {
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

void destroy(object *o) {
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
block *new_block(int device, size_t bytes) {
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

block *block_of(const void *p, size_t bytes) {
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

void free_block(void *p, bool pinned) {
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

void drain(object *stream) {
    while (stream->first) {
        op *p = stream->first;
        stream->first = p->next;
        if (!stream->first) stream->last = &stream->first;
        run(p, stream->device);
        free(p);
    }
}

void drain_device(int device) {
    for (object *o = objects; o; o = o->next)
        if (o->kind == STREAM && o->device == device) drain(o);
}

void append(object *o, const op *p) {
    op *copy = malloc(sizeof *copy);
    *copy = *p;
    copy->next = NULL;
    *o->last = copy;
    o->last = &copy->next;
}

int submit(void *stream, const op *p, const char *what) {
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
