/* Copy bandwidth and multiply-add rate, by all threads at once. */
#include "machine.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { COPY_BYTES = 64 << 20, SHARE_BYTES = 16 << 20, MANY = 8, MAX_THREADS = 256, MAX_SAMPLES = 4096, CHAINS = 12 };

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
struct machine_meter {
    int threads, n;
    size_t bytes;                              /* that a thread copies */
    char *to[MAX_THREADS], *from[MAX_THREADS]; /* of each thread's copy */
    double copy[MAX_SAMPLES], fma[MAX_SAMPLES];
};

typedef struct {
    pthread_barrier_t *start;
    char *to; /* NULL: multiply-adds */
    const char *from;
    size_t bytes;
    double amount, began, ended;
} worker;

static void *work(void *arg) {
    worker *w = arg;
    pthread_barrier_wait(w->start);
    w->began = machine_seconds();
    if (w->to) {
        memcpy(w->to, w->from, w->bytes);
        __asm__ volatile("" : : "r"(w->to) : "memory");
        w->amount = 2.0 * (double)w->bytes;
    } else {
        w->amount = run_chains(1 << 20);
    }
    w->ended = machine_seconds();
    return NULL;
}

static double rate(machine_meter *m, bool copy) {
    worker workers[MAX_THREADS];
    pthread_t handles[MAX_THREADS];
    pthread_barrier_t start;
    double amount = 0, began = 0, ended = 0;
    pthread_barrier_init(&start, NULL, (unsigned)m->threads);
    for (int i = 0; i < m->threads; i++) {
        workers[i] = (worker){.start = &start, .to = copy ? m->to[i] : NULL, .from = m->from[i], .bytes = m->bytes};
        if (i && pthread_create(&handles[i], NULL, work, &workers[i]))
            return 0;
    }
    work(&workers[0]);
    for (int i = 0; i < m->threads; i++) {
        if (i)
            pthread_join(handles[i], NULL);
        amount += workers[i].amount;
        began = i && began < workers[i].began ? began : workers[i].began;
        ended = ended > workers[i].ended ? ended : workers[i].ended;
    }
    pthread_barrier_destroy(&start);
    return ended > began ? amount / (ended - began) : 0;
}

machine_meter *machine_meter_open(int threads) {
    machine_meter *m = calloc(1, sizeof *m);
    if (threads <= 0)
        threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (!m)
        return NULL;
    m->threads = threads > MAX_THREADS ? MAX_THREADS : threads;
    m->bytes = m->threads > MANY ? SHARE_BYTES : COPY_BYTES;
    for (int i = 0; i < m->threads; i++) {
        m->to[i] = malloc(m->bytes);
        m->from[i] = malloc(m->bytes);
        if (!m->to[i] || !m->from[i]) {
            machine_meter_close(m);
            return NULL;
        }
        memset(m->to[i], 1, m->bytes); /* the pages are there before the clock runs */
        memset(m->from[i], 2, m->bytes);
    }
    return m;
}

void machine_meter_close(machine_meter *m) {
    for (int i = 0; m && i < m->threads; i++) {
        free(m->to[i]);
        free(m->from[i]);
    }
    free(m);
}

void machine_meter_sample(machine_meter *m) {
    if (m->n == MAX_SAMPLES)
        return;
    m->copy[m->n] = rate(m, true);
    m->fma[m->n++] = rate(m, false);
}

int machine_meter_count(const machine_meter *m) { return m->n; }

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(const double *x, int n) {
    double sorted[MAX_SAMPLES];
    if (n <= 0)
        return 0;
    memcpy(sorted, x, (size_t)n * sizeof *x);
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

machine_limits machine_meter_read(const machine_meter *m, int first) {
    return (machine_limits){.copy_bytes = median_of(m->copy + first, m->n - first),
                            .fma_flops = median_of(m->fma + first, m->n - first),
                            .threads = m->threads};
}
