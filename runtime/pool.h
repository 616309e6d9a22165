/* A pool of threads that run the parts of one job at a time. Workers spin for a moment after a job, then sleep. */
#ifndef FRIT_RUNTIME_POOL_H
#define FRIT_RUNTIME_POOL_H
#include "frit.h"

typedef struct rt_pool rt_pool;
/* `threads` counts the caller of pool_run too. NULL: no memory, or the system gives no thread. Not usable after fork in
 * the child. */
rt_pool *pool_new(const frit_allocator *mem, int threads);
void pool_free(const frit_allocator *mem, rt_pool *p);
int pool_threads(const rt_pool *p);
/* frit_pool's run; ctx is the rt_pool. The caller takes part as i = 0. When the pool is busy with another caller's job,
 * everything runs on this caller. Takes no lock; calls the system only to wake sleeping workers, or to sleep when the
 * others take long. */
void pool_run(void *ctx, int n, void (*fn)(void *arg, int i), void *arg);
#endif
