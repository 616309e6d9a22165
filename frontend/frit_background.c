/* The C API: compilations in the background. A compiler has a queue, and threads that come with work and go without. */
#include "frit_compiler_internal.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Deep models need a main thread's stack. */
enum { STACK_BYTES = 8 << 20 };

typedef struct job {
    struct job *next;
    frit_module *m;
    arena *arena; /* of the request */
    compile_request request;
    void (*done)(void *ctx, frit_compiled *result, const frit_error *err);
    void *ctx;
} job;

struct background {
    pthread_mutex_t lock;
    pthread_cond_t idle; /* no job is queued or running */
    job *first, **end;
    int threads, most;
};

background *background_new(void) {
    background *b = calloc(1, sizeof *b);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (!b)
        return NULL;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->idle, NULL);
    b->end = &b->first;
    b->most = cpus > 0 && cpus < 1024 ? (int)cpus : 1;
    return b;
}

void background_free(background *b) {
    pthread_cond_destroy(&b->idle);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

static void job_free(job *j) {
    frit_module_release(j->m);
    arena_free(j->arena);
    free(j);
}

static void run_job(job *j) {
    frit_error err = {0};
    frit_compiled *result = NULL;
    request_compile(j->m, &j->request, &result, &err);
    j->done(j->ctx, result, &err);
    job_free(j);
}

/* The next job; NULL ends the calling thread, which is then no longer counted. */
static job *take(background *b) {
    pthread_mutex_lock(&b->lock);
    job *j = b->first;
    if (j && !(b->first = j->next))
        b->end = &b->first;
    if (!j && !--b->threads)
        pthread_cond_broadcast(&b->idle);
    pthread_mutex_unlock(&b->lock);
    return j;
}

static void *work(void *u) {
    frit_compiler *c = u;
    for (job *j; (j = take(c->background));)
        run_job(j);
    frit_compiler_release(c);
    return NULL;
}

static int start_thread(frit_compiler *c) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int error = pthread_create(&thread, &attributes, work, frit_compiler_retain(c));
    pthread_attr_destroy(&attributes);
    if (error)
        frit_compiler_release(c);
    return error;
}

/* Queues j and sees to it that a thread comes by; where none can be had and none is at work, the job is given back. */
static int enqueue(frit_compiler *c, job *j) {
    background *b = c->background;
    int error = 0;
    pthread_mutex_lock(&b->lock);
    if (b->threads < b->most && !(error = start_thread(c)))
        b->threads++;
    if (b->threads) {
        error = 0;
        *b->end = j;
        b->end = &j->next;
    }
    pthread_mutex_unlock(&b->lock);
    return error;
}

frit_status frit_compile_background(frit_module *m, const frit_compile_options *options,
                                    void (*done)(void *ctx, frit_compiled *result, const frit_error *err), void *ctx,
                                    frit_error *err) {
    if (!m || !done)
        return api_fail(err, FRIT_USAGE, "frit_compile_background: a module and a callback are wanted");
    job *j = calloc(1, sizeof *j);
    if (!j)
        return api_fail(err, FRIT_NO_MEMORY, "out of memory");
    *j = (job){.m = frit_module_retain(m), .arena = arena_new(), .done = done, .ctx = ctx};
    frit_status s = request_take(j->arena, "frit_compile_background", options, &j->request, err);
    if (s != FRIT_OK)
        return job_free(j), s;
    int error = enqueue(m->compiler, j);
    if (!error)
        return FRIT_OK;
    job_free(j);
    return api_fail(err, FRIT_NO_MEMORY, "no thread: %s", strerror(error));
}

void frit_compiler_wait(frit_compiler *c) {
    if (!c)
        return;
    background *b = c->background;
    pthread_mutex_lock(&b->lock);
    while (b->threads)
        pthread_cond_wait(&b->idle, &b->lock);
    pthread_mutex_unlock(&b->lock);
}
