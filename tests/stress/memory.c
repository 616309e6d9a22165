/* memory MIXED.fpk CACHE.fpk: every allocation from opening a device to the end of a run fails once: each time an error and
 * nothing lost, and with memory the same objects go on to the right result. To be run under a leak checker. */
#include "stress.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct budget {
    int left; /* allocations until one fails; -1: never */
    int64_t live, bytes;
} budget;

static void *take(void *ctx, size_t size, size_t align) {
    budget *b = ctx;
    if (b->left == 0) return NULL;
    if (b->left > 0) b->left--;
    void *p = aligned_alloc(align, (size + align - 1) / align * align);
    if (p) b->live++, b->bytes += (int64_t)size;
    return p;
}

static void give(void *ctx, void *p, size_t size) {
    budget *b = ctx;
    b->live--, b->bytes -= (int64_t)size;
    free(p);
}

typedef struct block {
    char *data;
    size_t n, room;
} block;

static bool append(void *u, const void *p, size_t n) {
    block *b = u;
    if (n > b->room - b->n) return false;
    memcpy(b->data + b->n, p, n);
    b->n += n;
    return true;
}

/* Runs of all shapes, then of the first again. */
static frit_status run_all(frit_session *s, mixed_run *r) {
    frit_status st = FRIT_OK;
    for (int i = 0; i < N_CASES && st == FRIT_OK; i++) {
        mixed_case(r, i);
        st = frit_session_run(s, &r->in, 1, r->out, 2, NULL);
    }
    return st;
}

/* What the whole life of a session needs; `saved` receives the packed params, or gives them when it has some already. */
static frit_status mixed_life(frit_package *p, const frit_allocator *mem, mixed_run *r, block *saved) {
    budget *b = mem->ctx;
    frit_device_options o = {.struct_size = sizeof o, .threads = 2, .allocator = mem};
    frit_device *d = NULL;
    frit_weights *w = NULL;
    frit_session *s = NULL;
    bool restore = saved->n;
    frit_status st = frit_device_open("cpu", &o, &d, NULL);
    if (st == FRIT_OK) st = frit_weights_create(p, d, NULL, &w, NULL);
    for (int i = 0; i < 2 && st == FRIT_OK; i++) {
        static float data[64 * 32];
        int64_t shape[] = {i ? 64 : 32, i ? 32 : 64};
        DLTensor t = frit_dense(data, FRIT_f32, 2, shape);
        st = frit_weights_bind(w, i ? "v" : "w", &t, FRIT_COPY, NULL);
    }
    if (st == FRIT_OK) st = restore ? frit_weights_restore(w, saved->data, saved->n, NULL, NULL, NULL) : frit_weights_load(w, NULL);
    if (st == FRIT_OK && !restore) {
        saved->room = frit_weights_saved_size(w);
        saved->data = aligned_alloc(64, saved->room + 64);
        st = frit_weights_save(w, append, saved, NULL);
        if (st != FRIT_OK) free(saved->data), *saved = (block){0};
    }
    if (st == FRIT_OK) st = frit_session_create(w, NULL, &s, NULL);
    if (st == FRIT_OK) st = run_all(s, r);
    if (st == FRIT_NO_MEMORY && s) { /* as if nothing had happened */
        b->left = -1;
        must(run_all(s, r));
    }
    frit_session_release(s);
    frit_weights_release(w);
    frit_device_release(d);
    return st;
}

static frit_status cached_life(frit_package *p, const frit_allocator *mem, mixed_run *r, block *saved) {
    budget *b = mem->ctx;
    frit_device_options o = {.struct_size = sizeof o, .threads = 1, .allocator = mem};
    frit_device *d = NULL;
    frit_weights *w = NULL;
    frit_session *s = NULL;
    frit_status st = frit_device_open("cpu", &o, &d, NULL);
    if (st == FRIT_OK) st = frit_weights_create(p, d, NULL, &w, NULL);
    if (st == FRIT_OK) st = frit_session_create(w, NULL, &s, NULL);
    int done = 0;
    for (; st == FRIT_OK && done < 5; done++) st = cached_run(s, done, NULL);
    if (st == FRIT_NO_MEMORY && s) {
        b->left = -1;
        for (int k = 0; k < 5; k++) must(cached_run(s, k, err));
    }
    frit_session_release(s);
    frit_weights_release(w);
    frit_device_release(d);
    return st;
}

static int fail_each(const char *path, frit_status (*life)(frit_package *, const frit_allocator *, mixed_run *, block *),
                     block *saved) {
    frit_package *p;
    mixed_run *r = aligned_alloc(64, sizeof *r);
    int failures = 0;
    must(frit_package_open(path, &p, err));
    for (;; failures++) {
        budget b = {.left = failures};
        frit_allocator mem = {&b, take, give};
        frit_status st = life(p, &mem, r, saved);
        holds(b.live == 0 && b.bytes == 0);
        if (st == FRIT_OK) break;
        holds(st == FRIT_NO_MEMORY);
        holds(failures < 1000);
    }
    frit_package_release(p);
    free(r);
    return failures;
}

int main(int argc, char **argv) {
    if (argc != 3) return fputs("usage: memory MIXED.fpk CACHE.fpk\n", stderr), 2;
    block saved = {0}, none = {0};
    int load = fail_each(argv[1], mixed_life, &saved), restore = fail_each(argv[1], mixed_life, &saved);
    int cached = fail_each(argv[2], cached_life, &none);
    free(saved.data);
    printf("failures: %d with load, %d with restore, %d with a state\n", load, restore, cached);
    holds(load > 15 && restore > 10 && cached > 10);
    return 0;
}
