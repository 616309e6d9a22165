/* launch PACKAGE PTX [DEVICE]: what a session's run of one kernel costs the caller over a bare launch of the same
 * kernel by the driver. The package is models/tiny.frit: one buffer in, one out. Interleaved, medians of 31 batches, each short
 * enough not to fill the driver's queue (a full one would show the device's pace), and waited for outside of the time taken. */
#include "runtime/frit.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RUNS = 400, TURNS = 31, WARM_TURNS = 20, N = 8 };

typedef struct driver {
    int (*init)(unsigned), (*get)(int *, int), (*retain)(void **, int), (*push)(void *),
        (*stream_create)(void **, unsigned);
    int (*wait)(void *), (*alloc)(void **, size_t), (*load)(void **, const void *, unsigned, int *, void **),
        (*function)(void **, void *, const char *);
    int (*launch)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **,
                  void **);
} driver;

static void need(bool ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "launch: %s\n", what);
    exit(1);
}

static void find(void *library, void *to, const char *name) {
    void *at = dlsym(library, name);
    need(at, name);
    memcpy(to, &at, sizeof at);
}

static driver open_driver(void) {
    driver d;
    void *l = dlopen("libcuda.so.1", RTLD_NOW);
    need(l, "no libcuda.so.1");
    find(l, &d.init, "cuInit"), find(l, &d.get, "cuDeviceGet"), find(l, &d.retain, "cuDevicePrimaryCtxRetain");
    find(l, &d.push, "cuCtxPushCurrent_v2"), find(l, &d.stream_create, "cuStreamCreate");
    find(l, &d.wait, "cuStreamSynchronize"), find(l, &d.alloc, "cuMemAlloc_v2"), find(l, &d.load, "cuModuleLoadDataEx");
    find(l, &d.function, "cuModuleGetFunction"), find(l, &d.launch, "cuLaunchKernel");
    return d;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static char *read_file(const char *path) {
    FILE *f = fopen(path, "rb");
    need(f, path);
    char *s = calloc(1, 1 << 20);
    size_t n = fread(s, 1, (1 << 20) - 1, f);
    fclose(f);
    s[n] = 0;
    return s;
}

/* The first kernel of the text. */
static void entry_name(const char *ptx, char *name, size_t n) {
    const char *at = strstr(ptx, ".entry ");
    need(at, "the text has no kernel");
    snprintf(name, n, "%.*s", (int)strcspn(at + 7, "( \n"), at + 7);
}

/* Threads of a block that the first kernel of the text asks for. */
static unsigned block_threads(const char *ptx) {
    const char *at = strstr(ptx, ".maxntid");
    return at ? (unsigned)atoi(at + 8) : 32;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static double median(double *v) {
    qsort(v, TURNS, sizeof *v, compare);
    return v[TURNS / 2];
}

typedef struct bare {
    driver d;
    void *stream, *function, *memory;
    unsigned threads;
} bare;

static double bare_launches(const bare *b) {
    char *x = b->memory, *out = x + 256, *scratch = NULL;
    long long tasks = 1;
    void *params[] = {&x, &out, &scratch, &tasks};
    double start = now();
    for (int i = 0; i < RUNS; i++)
        need(!b->d.launch(b->function, 1, 1, 1, b->threads, 1, 1, 0, b->stream, params, NULL), "cuLaunchKernel");
    double end = now();
    need(!b->d.wait(b->stream), "cuStreamSynchronize");
    return (end - start) / RUNS;
}

static double session_runs(frit_session *s, DLTensor *in, DLTensor *out) {
    frit_error err = {0};
    double start = now();
    for (int i = 0; i < RUNS; i++) need(frit_session_run(s, in, 1, out, 1, &err) == FRIT_OK, err.message);
    double end = now();
    need(frit_session_wait(s, &err) == FRIT_OK, err.message);
    return (end - start) / RUNS;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    int index = argc > 3 ? atoi(argv[3]) : 0, handle;
    frit_error err = {0};
    frit_package *p;
    frit_device *d;
    frit_weights *w;
    frit_session *s;
    char name[256];
    void *context, *module;
    bare b = {.d = open_driver()};
    need(!b.d.init(0) && !b.d.get(&handle, index) && !b.d.retain(&context, handle) && !b.d.push(context), "no device");
    char *ptx = read_file(argv[2]);
    entry_name(ptx, name, sizeof name);
    b.threads = block_threads(ptx);
    need(!b.d.load(&module, ptx, 0, NULL, NULL) && !b.d.function(&b.function, module, name), "the text does not load");
    need(!b.d.stream_create(&b.stream, 1) && !b.d.alloc(&b.memory, 4096), "no memory");
    frit_device_options o = {.struct_size = sizeof o, .index = index};
    need(frit_package_open(argv[1], &p, &err) == FRIT_OK && frit_device_open("cuda", &o, &d, &err) == FRIT_OK &&
             frit_weights_create(p, d, NULL, &w, &err) == FRIT_OK && frit_session_create(w, NULL, &s, &err) == FRIT_OK,
         err.message);
    int64_t n = N;
    DLTensor in = frit_dense((char *)b.memory + 1024, FRIT_f32, 1, &n),
             out = frit_dense((char *)b.memory + 2048, FRIT_f32, 1, &n);
    in.device = out.device = (DLDevice){kDLCUDA, index};
    double bare_time[TURNS], run_time[TURNS];
    for (int i = 0; i < WARM_TURNS; i++) bare_launches(&b), session_runs(s, &in, &out);
    for (int i = 0; i < TURNS; i++) bare_time[i] = bare_launches(&b), run_time[i] = session_runs(s, &in, &out);
    double one = median(bare_time), run = median(run_time);
    printf("a bare cuLaunchKernel %.2f us, a session's run %.2f us: ratio %.2f\n", one * 1e6, run * 1e6, run / one);
    frit_session_release(s);
    frit_weights_release(w);
    frit_device_release(d);
    frit_package_release(p);
    free(ptx);
    return 0;
}
