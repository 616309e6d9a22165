/* Tests that run on the stand-in for the libraries of GPU drivers. */
#ifndef FRIT_TESTS_RUNTIME_FAKE_USE_H
#define FRIT_TESTS_RUNTIME_FAKE_USE_H
#include "fake_gpu.h"
#include "model.h"
#include <dlfcn.h>
#include <string.h>

static inline bool is_hip(void) { return !strcmp(model_device(), "hip"); }

static inline fake_gpu *fake(void) {
    void *library = dlopen(is_hip() ? "libamdhip64.so" : "libcuda.so.1", RTLD_NOW);
    fake_gpu *g = library ? dlsym(library, "fake_gpu_control") : NULL;
    if (!g) fail_msg("the stand-in's library is not the one that is found");
    return g;
}

/* A clean stand-in; at the end of a test nothing may be left in it. */
static inline fake_gpu *begin(void) {
    fake_gpu *g = fake();
    g->devices = 2, g->pools = true, g->lazy = true, g->fail_at = g->fault_at = -1;
    g->calls = g->launches = g->replays = g->recorded = g->jitted = 0, g->waits = 0;
    g->misuse[0] = 0;
    return g;
}

static inline void end(fake_gpu *g) {
    assert_string_equal(g->misuse, "");
    assert_int_equal(g->live, 0);
}

/* The status of putting the package's weights on the first device; *w is NULL where that fails. */
static inline frit_status load(model *m, frit_weights **w, frit_error *err) {
    uint64_t n;
    frit_package *p = NULL;
    frit_device *d = NULL;
    const void *bytes = model_bytes(m, &n);
    *w = NULL;
    frit_status st = frit_package_open_memory(bytes, n, NULL, NULL, NULL, &p, err);
    if (st == FRIT_OK) st = frit_device_open(model_device(), NULL, &d, err);
    if (st == FRIT_OK) st = frit_weights_create(p, d, NULL, w, err);
    frit_device_release(d);
    frit_package_release(p);
    return st;
}

int test_gpu_code(void); /* runs those of test_gpu_code.c: how many failed */
#endif
