/* threads MIXED CACHE THREADS RUNS: many threads, each with sessions of its own on shared packages, weights and
 * device; every result is compared with what one thread gave. Sessions come and go meanwhile. */
#include "stress.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct shared {
    frit_weights *mixed, *cached;
    const mixed_run *expected; /* of every case */
    int runs;
} shared;
typedef struct worker {
    const shared *all;
    int index;
} worker;

static frit_session *open_session(frit_weights *w, int index) {
    frit_session_options o = {.struct_size = sizeof o, .threads = index % 3 ? 1 : 0, .profile = index % 4 == 0};
    frit_session *s;
    must(frit_session_create(w, &o, &s, err));
    return s;
}

static void run_mixed(frit_session *s, mixed_run *r, int i, const mixed_run *expected) {
    mixed_case(r, i);
    must(frit_session_run(s, &r->in, 1, r->out, 2, err));
    size_t n = (size_t)(r->in_shape[0] * r->in_shape[1] * 32);
    holds(!memcmp(r->out[0].data, expected->y + ((float *)r->out[0].data - r->y), n * sizeof(float)));
    holds(!memcmp(r->top, expected->top, (size_t)r->in_shape[0] * sizeof(float)));
}

/* Mostly small shapes, so that many runs meet; one in sixteen is one of those that wake workers or copy much. */
static int next_case(uint32_t random) {
    static const int small[] = {0, 1, 5, 6}, large[] = {2, 3, 4};
    return random % 16 ? small[random / 16 % 4] : large[random / 16 % 3];
}

static void *work(void *u) {
    const worker *w = u;
    mixed_run *r = aligned_alloc(64, sizeof *r);
    frit_session *mixed = open_session(w->all->mixed, w->index), *cached = open_session(w->all->cached, w->index);
    uint32_t random = (uint32_t)w->index * 7919 + 1;
    for (int k = 0; k < w->all->runs; k++) {
        random = random * 1664525 + 1013904223;
        int i = next_case(random >> 16);
        run_mixed(mixed, r, i, &w->all->expected[i]);
        must(cached_run(cached, k, err));
        if (k % 1000 == 999) { /* the last references of others may go at the same time */
            frit_session_release(mixed);
            mixed = open_session(w->all->mixed, w->index + k);
        }
    }
    frit_session_release(mixed);
    frit_session_release(cached);
    free(r);
    return NULL;
}

static frit_weights *open_weights(const char *path, frit_device *d, bool bind) {
    frit_package *p = stress_open(path);
    frit_weights *w;
    must(frit_weights_create(p, d, NULL, &w, err));
    if (bind) mixed_bind(w);
    must(frit_weights_load(w, err));
    frit_package_release(p);
    return w;
}

/* Every case by one session, the outputs kept. */
static mixed_run *all_cases(frit_weights *w) {
    mixed_run *r = aligned_alloc(64, N_CASES * sizeof *r);
    frit_session *s = open_session(w, 1);
    for (int i = 0; i < N_CASES; i++) {
        mixed_case(&r[i], i);
        must(frit_session_run(s, &r[i].in, 1, r[i].out, 2, err));
    }
    frit_session_release(s);
    return r;
}

int main(int argc, char **argv) {
    enum { MOST = 64 };
    int n = argc == 5 ? atoi(argv[3]) : 0;
    pthread_t threads[MOST];
    worker workers[MOST];
    if (n < 1 || n > MOST) return fputs("usage: threads MIXED.fpk CACHE.fpk THREADS RUNS\n", stderr), 2;
    frit_device_options o = {.struct_size = sizeof o, .threads = 3};
    frit_device *d;
    must(frit_device_open("cpu", &o, &d, err));
    shared all = {open_weights(argv[1], d, true), open_weights(argv[2], d, false), NULL, atoi(argv[4])};
    frit_device_release(d); /* the weights keep it */
    mixed_run *expected = all_cases(all.mixed);
    all.expected = expected;
    for (int i = 0; i < n; i++) {
        workers[i] = (worker){&all, i};
        holds(!pthread_create(&threads[i], NULL, work, &workers[i]));
    }
    for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
    frit_weights_release(all.mixed);
    frit_weights_release(all.cached);
    free(expected);
    printf("%d threads, %d runs of two packages each\n", n, all.runs);
    return 0;
}
