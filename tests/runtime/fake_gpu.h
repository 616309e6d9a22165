/* A stand-in for the library of a GPU's driver (fake_gpu.c), as tests see it: what it is to do, and what it has seen.
 * Found in the loaded library by the name fake_gpu_control. */
#ifndef FRIT_TESTS_RUNTIME_FAKE_GPU_H
#define FRIT_TESTS_RUNTIME_FAKE_GPU_H
#include <stdbool.h>
#include <stddef.h>

typedef struct fake_gpu {
    /* Set by the test. */
    int devices;   /* 0: none, as on a machine without */
    bool pools;    /* streams order allocations */
    bool lazy;     /* queued work is done at the latest moment, not at once */
    long fail_at;  /* number of the call that fails, -1: none */
    int fail_code; /* with this error */
    long fault_at; /* number of the launch that breaks its device, -1: none */
    /* Seen. */
    long calls, launches, replays, recorded, jitted, maps;
    long live;        /* objects and allocations that were not released */
    char misuse[256]; /* the first mistake of the caller's, "" */
    char last_call[64];
    int waits;
    unsigned last_blocks, last_threads, last_cluster; /* of the launch done last */
    /* Device memory and streams for the test itself. */
    void *(*alloc)(int device, size_t bytes);
    void (*free)(void *p);
    void *(*stream)(int device);
    void (*stream_free)(void *stream);
} fake_gpu;
#endif
