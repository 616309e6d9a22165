/* Progress: a thread that sleeps for a second and then keeps one line of the terminal up to date. */
#include "cli.h"
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct progress {
    const char *what;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
};

static void *show(void *arg) {
    progress *p = arg;
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    pthread_mutex_lock(&p->lock);
    for (int seconds = 1; !p->done; seconds++) {
        at.tv_sec++;
        while (!p->done && !pthread_cond_timedwait(&p->changed, &p->lock, &at))
            ;
        fprintf(stderr, p->done ? "\r\033[K" : "\r%s ... %d s", p->what, seconds);
        fflush(stderr);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

progress *progress_begin(const cli *c, const char *what) {
    if (c->quiet || c->json || !isatty(STDERR_FILENO))
        return NULL;
    progress *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->what = what;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    if (!pthread_create(&p->thread, NULL, show, p))
        return p;
    free(p);
    return NULL;
}

void progress_end(progress *p) {
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->done = true;
    pthread_cond_signal(&p->changed);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
