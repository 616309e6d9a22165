/* Hand-made packages for the tests, and the objects to run them. */
#ifndef FRIT_TESTS_RUNTIME_MODEL_H
#define FRIT_TESTS_RUNTIME_MODEL_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "blob.h"
#include "codegen/package.h"
#include "runtime/frit.h"

/* The kind of device that the tests use: FRIT_TEST_DEVICE, or "cpu". For another than the CPU, FRIT_TEST_IMAGE is the
 * file with the kernels (gpu_kernels.c). */
const char *model_device(void);

/* A package under construction with the blob as the code of its one target, any CPU (or else the file with kernels). */
typedef struct model {
    arena *a;
    sym_ctx *c;
    package *p;
    uint64_t code_bytes; /* of a GPU's module */
    sym_t n;             /* model_add: the dim */
    int cluster;         /* blocks of a cluster of the kernels added from now on */
} model;
model model_new(void);
void model_free(model *m);
void model_target(model *m); /* after tensors, before buffers */
/* The same for another device than the tests' own: a variant for `target` with this code (a CPU's blob when NULL). */
void model_target_for(model *m, const char *target, const void *code, uint64_t bytes);
/* A kernel of the blob. */
int model_kernel(model *m, void (*fn)(void *const *, const int64_t *, void *, int64_t, int64_t), int n_inputs,
                 int n_outputs, int n_ints, const sym_t *ints, sym_t tasks, sym_t scratch);
/* Finishes; fails the test with the writer's reason. */
const void *model_bytes(model *m, uint64_t *n);

/* A session on the package, with `threads` threads. */
typedef struct rig {
    frit_package *package;
    frit_device *device;
    frit_weights *weights;
    frit_session *session;
} rig;
rig rig_open(model *m, int threads);
void rig_close(rig *r);

#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        frit_error ok_err = {0};                                                                                       \
        frit_error *err = &ok_err;                                                                                     \
        frit_status ok_status = (call);                                                                                \
        if (ok_status != FRIT_OK) fail_msg("%s: %s: %s", #call, frit_status_name(ok_status), err->message);            \
    } while (0)
/* The call fails with this status and a message that contains `part`. */
#define assert_fails(call, want, part)                                                                                 \
    do {                                                                                                               \
        frit_error fail_err = {0};                                                                                     \
        frit_error *err = &fail_err;                                                                                   \
        frit_status fail_status = (call);                                                                              \
        if (fail_status != (want) || !strstr(err->message, part))                                                      \
            fail_msg("%s: %s: %s", #call, frit_status_name(fail_status), err->message);                                \
    } while (0)

/* z[n] = x[n] + y[n], 16 elements a task. */
model model_add(void);
void model_add_tensors(model *m);
void model_add_launch(model *m);
/* Something of all that a package may hold. x f32[n <= 64], y f32[2 n + 1], trips <= 9; out = x + trips * state, where
 * the state is 1. */
model model_everything(void);
/* The same for several devices in one package; only the first is any CPU's. Of the model's arena. */
const void *model_several(model *m, uint64_t *n);
#endif
