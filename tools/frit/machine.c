/* Copy bandwidth and multiply-add rate, by all threads at once. */
#include "machine.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { COPY_BYTES = 64 << 20, ROUNDS = 5, MAX_THREADS = 256, CHAINS = 12 };

double machine_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void machine_evict(void) {
    static const size_t size = (size_t)128 << 20;
    volatile char *p = malloc(size);
    for (size_t i = 0; p && i < size; i += 64)
        p[i] = (char)i;
    free((void *)p);
}

/* ---- multiply-adds: enough independent chains to fill the pipelines, in the widest vectors there are ---- */
#define CHAIN_LOOP(vector, fma)                                                                                        \
    vector x[CHAINS], a = {0}, b = {0};                                                                                \
    _Pragma("GCC unroll 16") for (int k = 0; k < CHAINS; k++) x[k] = a;                                                \
    for (int64_t i = 0; i < n; i++)                                                                                    \
        _Pragma("GCC unroll 16") for (int k = 0; k < CHAINS; k++) { /* unrolled: x stays in registers */               \
            x[k] = fma(x[k], a, b);                                                                                    \
            __asm__ volatile("" : "+x"(x[k]));                                                                         \
        }                                                                                                              \
    return (double)n * CHAINS * (double)(sizeof(vector) / sizeof(float)) * 2

#if defined(__x86_64__)
#include <immintrin.h>
__attribute__((target("avx512f"))) static double chains_512(int64_t n) { CHAIN_LOOP(__m512, _mm512_fmadd_ps); }
__attribute__((target("avx2,fma"))) static double chains_256(int64_t n) { CHAIN_LOOP(__m256, _mm256_fmadd_ps); }
static __m128 mul_add(__m128 x, __m128 a, __m128 b) { return _mm_add_ps(_mm_mul_ps(x, a), b); }
static double chains_128(int64_t n) { CHAIN_LOOP(__m128, mul_add); }
static double run_chains(int64_t n) {
    if (__builtin_cpu_supports("avx512f"))
        return chains_512(n);
    return __builtin_cpu_supports("fma") ? chains_256(n) : chains_128(n);
}
#else
typedef float four __attribute__((vector_size(16)));
static four mul_add(four x, four a, four b) {
    for (int i = 0; i < 4; i++)
        x[i] = __builtin_fmaf(x[i], a[i], b[i]);
    return x;
}
#undef CHAIN_LOOP
static double run_chains(int64_t n) {
    four x[CHAINS] = {0}, a = {0}, b = {0};
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < CHAINS; k++) {
            x[k] = mul_add(x[k], a, b);
            __asm__ volatile("" : "+w"(x[k]));
        }
    return (double)n * CHAINS * 8;
}
#endif

/* ---- threads ---- */
typedef struct {
    pthread_barrier_t *start;
    bool copy;
    double amount, began, ended;
} worker;

static void copy_once(worker *w, char *to, const char *from) {
    memcpy(to, from, COPY_BYTES);
    __asm__ volatile("" : : "r"(to) : "memory");
    w->amount = 2.0 * COPY_BYTES;
}

static void *work(void *arg) {
    worker *w = arg;
    char *to = w->copy ? malloc(COPY_BYTES) : NULL, *from = w->copy ? malloc(COPY_BYTES) : NULL;
    if (to && from) {
        memset(to, 1, COPY_BYTES);
        memset(from, 2, COPY_BYTES);
    }
    pthread_barrier_wait(w->start);
    w->began = machine_seconds();
    if (!w->copy)
        w->amount = run_chains(1 << 20);
    else if (to && from)
        copy_once(w, to, from);
    w->ended = machine_seconds();
    free(to);
    free(from);
    return NULL;
}

static double rate(int threads, bool copy) {
    worker workers[MAX_THREADS];
    pthread_t handles[MAX_THREADS];
    pthread_barrier_t start;
    double amount = 0, began = 0, ended = 0;
    pthread_barrier_init(&start, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++) {
        workers[i] = (worker){.start = &start, .copy = copy};
        if (i && pthread_create(&handles[i], NULL, work, &workers[i]))
            return 0;
    }
    work(&workers[0]);
    for (int i = 0; i < threads; i++) {
        if (i)
            pthread_join(handles[i], NULL);
        amount += workers[i].amount;
        began = i && began < workers[i].began ? began : workers[i].began;
        ended = ended > workers[i].ended ? ended : workers[i].ended;
    }
    pthread_barrier_destroy(&start);
    return ended > began ? amount / (ended - began) : 0;
}

machine_limits machine_measure(int threads) {
    if (threads <= 0)
        threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (threads > MAX_THREADS)
        threads = MAX_THREADS;
    machine_limits best = {.threads = threads};
    for (int i = 0; i < ROUNDS; i++) {
        double copy = rate(threads, true), fma = rate(threads, false);
        best.copy_bytes = copy > best.copy_bytes ? copy : best.copy_bytes;
        best.fma_flops = fma > best.fma_flops ? fma : best.fma_flops;
    }
    return best;
}
