/* What a program may hang into the executor's device (driver.c): it defines exec_device_tap; tap_none.c is the one that does
 * nothing. */
#ifndef FRIT_TESTS_GPU_DRIVER_H
#define FRIT_TESTS_GPU_DRIVER_H
#include "exec.h"

typedef struct exec_tapped {
    const char *kernel;
    const diag *d; /* source 1 is the kernel's text */
    const ir_func *f;
    int warp;
    const exec_launch *launch; /* as it is about to run */
} exec_tapped;

typedef struct exec_tap {
    void *(*open)(void); /* with the device */
    bool (*launch)(void *ctx, const exec_tapped *t); /* before every launch. False: leaves its memory as it is. True: has filled its outputs, it does not run */
    void (*close)(void *ctx);
} exec_tap;
extern const exec_tap exec_device_tap;
#endif
