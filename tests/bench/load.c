/* load FILE.fpk [RUNS]: what it takes to open a package that holds its weights, until a session can run: the package alone;
 * with the code on the device; with params packed by the load program, or taken as another process packed them. Medians
 * of RUNS (20), with warm caches. */
#include "runtime/frit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static frit_error err;
static void must(frit_status s) {
    if (s != FRIT_OK) fprintf(stderr, "%s\n", err.message), exit(1);
}
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}
static bool append(void *ctx, const void *bytes, size_t n) { return write(*(int *)ctx, bytes, n) == (ssize_t)n; }

typedef struct packed {
    void *bytes;
    size_t n;
} packed;

/* The packed params as a mapped file, as a cache has them. */
static packed pack(const char *path, frit_device *d) {
    frit_package *p;
    frit_weights *w;
    int f = memfd_create("packed", 0);
    must(frit_package_open(path, &p, &err));
    must(frit_weights_create(p, d, NULL, &w, &err));
    must(frit_weights_load(w, &err));
    packed k = {NULL, frit_weights_saved_size(w)};
    if (k.n) must(frit_weights_save(w, append, &f, &err));
    if (k.n) k.bytes = mmap(NULL, k.n, PROT_READ, MAP_SHARED, f, 0);
    frit_weights_release(w);
    frit_package_release(p);
    return k;
}

enum { OPEN, CODE, RESTORED, LOADED, STEPS };
static void once(const char *path, frit_device *d, const packed *k, double ms[STEPS]) {
    for (int way = RESTORED; way <= LOADED; way++) {
        frit_package *p;
        frit_weights *w;
        frit_session *s;
        double start = now();
        must(frit_package_open(path, &p, &err));
        ms[OPEN] = now() - start;
        must(frit_weights_create(p, d, NULL, &w, &err));
        ms[CODE] = now() - start;
        if (way == RESTORED && k->n) must(frit_weights_restore(w, k->bytes, k->n, NULL, NULL, &err));
        must(frit_session_create(w, NULL, &s, &err));
        ms[way] = now() - start;
        frit_session_release(s);
        frit_weights_release(w);
        frit_package_release(p);
    }
}

static int by_value(const void *a, const void *b) { return *(const double *)a < *(const double *)b ? -1 : 1; }

int main(int argc, char **argv) {
    enum { MOST = 1000 };
    static const char *const what[STEPS] = {"opened, verified", "code on the device", "a session, params packed before",
                                            "a session, params packed now"};
    static double ms[STEPS][MOST];
    int runs = argc > 2 ? atoi(argv[2]) : 20;
    frit_device *d;
    if (argc < 2 || runs < 1 || runs > MOST) return fputs("usage: load FILE.fpk [RUNS]\n", stderr), 2;
    must(frit_device_open("cpu", NULL, &d, &err));
    packed k = pack(argv[1], d);
    for (int i = 0; i < runs; i++) {
        double one[STEPS];
        once(argv[1], d, &k, one);
        for (int s = 0; s < STEPS; s++) ms[s][i] = one[s];
    }
    for (int s = 0; s < STEPS; s++) {
        qsort(ms[s], (size_t)runs, sizeof **ms, by_value);
        printf("%-34s %9.3f ms\n", what[s], ms[s][runs / 2]);
    }
    frit_device_release(d);
    return 0;
}
