#include "pool.h"
#include "rt.h"
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How long to spin before sleeping, in pauses: about 50 microseconds. Launches of a model follow one another faster. */
#define SPINS 2000

/* A worker's mailbox. Only the caller that owns `busy` changes IDLE or ASLEEP to WORK; only the worker leaves WORK. */
enum { IDLE, WORK, ASLEEP, STOP };
typedef struct worker {
    _Alignas(64) atomic_uint mail;
    rt_pool *pool;
    int index;
    pthread_t thread;
} worker;

struct rt_pool {
    int threads;
    atomic_flag busy;
    void (*fn)(void *arg, int i);
    void *arg;
    _Alignas(64) atomic_uint left; /* parts of the job that workers have not finished, + CALLER_SLEEPS */
    worker workers[];
};
#define CALLER_SLEEPS 0x80000000u

static void pause_cpu(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

static void futex_wait(atomic_uint *at, uint32_t value) {
    syscall(SYS_futex, at, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}
static void futex_wake(atomic_uint *at) { syscall(SYS_futex, at, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0); }

/* Until there is mail: WORK or STOP. */
static uint32_t next_mail(worker *w) {
    uint32_t m;
    for (int i = 0; i < SPINS; i++, pause_cpu()) {
        m = atomic_load_explicit(&w->mail, memory_order_acquire);
        if (m != IDLE) return m;
    }
    m = IDLE;
    if (!atomic_compare_exchange_strong(&w->mail, &m, ASLEEP)) return m;
    do {
        futex_wait(&w->mail, ASLEEP);
        m = atomic_load_explicit(&w->mail, memory_order_acquire);
    } while (m == ASLEEP);
    return m;
}

static void *work(void *arg) {
    worker *w = arg;
    rt_pool *p = w->pool;
    while (next_mail(w) == WORK) {
        void (*fn)(void *, int) = p->fn;
        void *fn_arg = p->arg;
        atomic_store_explicit(&w->mail, IDLE, memory_order_relaxed);
        fn(fn_arg, w->index);
        if (atomic_fetch_sub(&p->left, 1) == (CALLER_SLEEPS | 1)) futex_wake(&p->left);
    }
    return NULL;
}

static void send(worker *w, uint32_t mail) {
    if (atomic_exchange(&w->mail, mail) == ASLEEP) futex_wake(&w->mail);
}

/* Until the workers have finished. CALLER_SLEEPS stays set until the caller clears it, so that no worker touches the
 * pool after its part has been counted down unless the caller still waits. */
static void wait_for_workers(rt_pool *p) {
    for (int i = 0; i < SPINS; i++, pause_cpu())
        if (atomic_load_explicit(&p->left, memory_order_acquire) == 0) return;
    uint32_t left = atomic_fetch_or(&p->left, CALLER_SLEEPS) | CALLER_SLEEPS;
    while (left != CALLER_SLEEPS) {
        futex_wait(&p->left, left);
        left = atomic_load_explicit(&p->left, memory_order_acquire);
    }
    atomic_store_explicit(&p->left, 0, memory_order_relaxed);
}

void pool_run(void *ctx, int n, void (*fn)(void *arg, int i), void *arg) {
    rt_pool *p = ctx;
    if (n <= 1 || n > p->threads || atomic_flag_test_and_set_explicit(&p->busy, memory_order_acquire)) {
        for (int i = 0; i < n; i++) fn(arg, i);
        return;
    }
    p->fn = fn, p->arg = arg;
    atomic_store_explicit(&p->left, (uint32_t)(n - 1), memory_order_relaxed);
    for (int i = 1; i < n; i++) send(&p->workers[i - 1], WORK);
    fn(arg, 0);
    wait_for_workers(p);
    atomic_flag_clear_explicit(&p->busy, memory_order_release);
}

static size_t pool_size(int threads) { return sizeof(rt_pool) + (size_t)threads * sizeof(worker); }

static void stop_workers(rt_pool *p) {
    for (int i = 1; i < p->threads; i++) {
        send(&p->workers[i - 1], STOP);
        pthread_join(p->workers[i - 1].thread, NULL);
    }
}

/* Workers take no signals: these are the host's. */
static bool start_worker(rt_pool *p, int i) {
    worker *w = &p->workers[i - 1];
    w->pool = p, w->index = i;
    atomic_init(&w->mail, IDLE);
    sigset_t all, was;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &was) != 0) return false;
    bool ok = pthread_create(&w->thread, NULL, work, w) == 0;
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    return ok;
}

rt_pool *pool_new(const frit_allocator *mem, int threads) {
    rt_pool *p = rt_new(mem, 1, pool_size(threads));
    if (!p) return NULL;
    atomic_flag_clear(&p->busy);
    for (p->threads = 1; p->threads < threads; p->threads++)
        if (!start_worker(p, p->threads)) break;
    if (p->threads == threads) return p;
    stop_workers(p);
    rt_free(mem, p, 1, pool_size(threads));
    return NULL;
}

void pool_free(const frit_allocator *mem, rt_pool *p) {
    if (!p) return;
    stop_workers(p);
    rt_free(mem, p, 1, pool_size(p->threads));
}

int pool_threads(const rt_pool *p) { return p->threads; }
