/* The CPU as a device: code mapped W^X, launches spread over a pool of threads. */
#include "cpu.h"
#include "pool.h"
#include "rt.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Launches that take less than this on one worker run on the caller: waking others costs as much. Nanoseconds. */
#define INLINE_BELOW 4000

/* Clang's check of function types reads what stands before a function, which for the first kernel of a mapping is nothing. */
#ifdef __clang__
#define CALLS_KERNELS __attribute__((no_sanitize("function")))
#else
#define CALLS_KERNELS
#endif
typedef void (*kernel_fn)(void *const *buffers, const int64_t *ints, void *scratch, int64_t begin, int64_t end);

/* Launches are done when they return; a queue only keeps times. */
struct rt_queue {
    double marks[RT_MARKS];
};

struct rt_module {
    void *code;
    size_t mapped;
    uint32_t n;
    kernel_fn entry[];
};

/* ---- Floating environment ---------------------------------------------------------------------------------------- */
/* To nearest, denormals kept, exceptions masked. x86: MXCSR's power-on value; AArch64: FPCR = 0. */
static uint32_t enter(frit_device *d) {
    (void)d;
#if defined(__x86_64__)
    uint32_t was = __builtin_ia32_stmxcsr();
    if ((was & 0xffc0) != 0x1f80) __builtin_ia32_ldmxcsr(0x1f80);
    return was;
#elif defined(__aarch64__)
    uint64_t was, zero = 0;
    __asm__ volatile("mrs %0, fpcr" : "=r"(was));
    if (was) __asm__ volatile("msr fpcr, %0" : : "r"(zero));
    return (uint32_t)was;
#else
    return 0;
#endif
}

/* Exception flags that kernels raised are dropped too: the host sees none of the run. */
static void leave(frit_device *d, uint32_t was) {
    (void)d;
#if defined(__x86_64__)
    if (__builtin_ia32_stmxcsr() != was) __builtin_ia32_ldmxcsr(was);
#elif defined(__aarch64__)
    uint64_t v = was;
    if (v) __asm__ volatile("msr fpcr, %0" : : "r"(v));
#else
    (void)was;
#endif
}

/* ---- Open -------------------------------------------------------------------------------------------------------- */
static frit_status make_pool(frit_device *d, const frit_device_options *o, frit_error *err) {
    if (o->pool) {
        if (!o->pool->run || o->pool->threads < 1)
            return rt_fail(err, FRIT_USAGE, "frit_device_open: a pool needs `run` and at least one thread");
        d->pool = *o->pool;
        return FRIT_OK;
    }
    int n = o->threads ? o->threads : rt_cpu_count();
    if (n < 1 || n > 4096) return rt_fail(err, FRIT_USAGE, "frit_device_open: threads = %d is not in 1 .. 4096", n);
    rt_pool *own = pool_new(&d->mem, n);
    if (!own) return rt_fail(err, FRIT_NO_MEMORY, "cannot start %d threads", n);
    d->own = own;
    d->pool = (frit_pool){own, n, pool_run};
    return FRIT_OK;
}

static frit_status cpu_count(int *n, frit_error *err) {
    (void)err;
    *n = 1;
    return FRIT_OK;
}

static frit_status cpu_open(frit_device *d, const frit_device_options *o, frit_error *err) {
    if (o->index) return rt_fail(err, FRIT_UNAVAILABLE, "there is one cpu device, index 0");
    TRY(make_pool(d, o, err));
    d->dl = (DLDevice){kDLCPU, 0};
    d->workers = d->pool.threads;
    char level[24] = "aarch64";
    if (rt_cpu_arch() == FPK_ARCH_X86_64) snprintf(level, sizeof level, "x86-64-v%d", rt_cpu_level(rt_cpu_features()));
    snprintf(d->name, sizeof d->name, "cpu (%s, %d thread%s)", level, d->workers, d->workers == 1 ? "" : "s");
    return FRIT_OK;
}

static void cpu_close(frit_device *d) { pool_free(&d->mem, d->own); }

/* The variant that asks for most is the best. */
static int cpu_fits(const frit_device *d, const fpk_variant *v, const rt_image *image, char *why) {
    (void)d;
    uint64_t missing = v->features & ~rt_cpu_features();
    if ((v->arch == FPK_ARCH_ANY || v->arch == rt_cpu_arch()) && !missing) return 1 + __builtin_popcountll(v->features);
    const char *name = rt_cpu_feature_name(v->arch, missing ? __builtin_ctzll(missing) : -1);
    snprintf(why, 160, "%s needs %s", image->target,
             v->arch != rt_cpu_arch() ? "another architecture"
             : name                   ? name
                                      : "a newer CPU");
    return 0;
}

/* ---- Memory ------------------------------------------------------------------------------------------------------ */
static frit_status cpu_queue_open(frit_device *d, void *stream, rt_queue **out, frit_error *err) {
    if (stream) return rt_fail(err, FRIT_USAGE, "%s has no streams", d->name);
    *out = rt_new(&d->mem, 1, sizeof **out);
    return *out ? FRIT_OK : rt_no_memory(err);
}
static void cpu_queue_close(frit_device *d, rt_queue *q) { rt_free(&d->mem, q, 1, sizeof *q); }

static void *cpu_alloc(frit_device *d, rt_queue *q, const frit_allocator *mem, int64_t bytes) {
    (void)d, (void)q;
    return mem->alloc(mem->ctx, (size_t)bytes, bytes >= 4096 ? 4096 : FPK_ALIGN);
}
static void cpu_free(frit_device *d, rt_queue *q, const frit_allocator *mem, void *p, int64_t bytes) {
    (void)d, (void)q;
    mem->free(mem->ctx, p, (size_t)bytes);
}
static frit_status cpu_copy(frit_device *d, rt_queue *q, void *dst, const void *src, int64_t bytes, frit_error *err) {
    (void)d, (void)q, (void)err;
    memmove(dst, src, (size_t)bytes);
    return FRIT_OK;
}

static frit_status cpu_fill(frit_device *d, rt_queue *q, void *dst, int64_t bytes, int width, uint64_t pattern,
                            frit_error *err) {
    (void)d, (void)q, (void)err;
    char *p = dst;
    if (width == 1 || pattern == 0) return memset(dst, (int)(pattern & 0xff), (size_t)bytes), FRIT_OK;
    int64_t i = 0;
    for (; i + width <= bytes; i += width) memcpy(p + i, &pattern, (size_t)width);
    memcpy(p + i, &pattern, (size_t)(bytes - i));
    return FRIT_OK;
}
static frit_status cpu_wait(frit_device *d, rt_queue *q, frit_error *err) {
    (void)d, (void)q, (void)err;
    return FRIT_OK;
}
static frit_status cpu_mark(frit_device *d, rt_queue *q, int i, frit_error *err) {
    (void)d, (void)err;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    q->marks[i] = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    return FRIT_OK;
}
static double cpu_between(frit_device *d, rt_queue *q, int from, int to) {
    (void)d;
    return q->marks[to] - q->marks[from];
}

/* ---- Code -------------------------------------------------------------------------------------------------------- */
static size_t module_size(uint32_t n) { return sizeof(rt_module) + n * sizeof(kernel_fn); }

static void cpu_unload(frit_device *d, rt_module *m) {
    if (!m) return;
    if (m->code) munmap(m->code, m->mapped);
    rt_free(&d->mem, m, 1, module_size(m->n));
}

/* Pages that are first writable, then executable, never both. */
static frit_status map_code(rt_module *m, const void *code, uint64_t bytes, frit_error *err) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    m->mapped = ((size_t)bytes + page - 1) / page * page;
    void *p = mmap(NULL, m->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return rt_fail(err, FRIT_NO_MEMORY, "cannot map %zu bytes for code: %s", m->mapped, strerror(errno));
    m->code = p;
    memcpy(p, code, bytes);
    if (mprotect(p, m->mapped, PROT_READ | PROT_EXEC) != 0)
        return rt_fail(err, FRIT_DEVICE_FAILED, "the system does not let code run: %s", strerror(errno));
    __builtin___clear_cache((char *)p, (char *)p + bytes);
    return FRIT_OK;
}

static frit_status cpu_load(frit_device *d, const rt_image *image, rt_module **out, frit_error *err) {
    uint32_t n = image->n_kernels;
    rt_module *m = rt_new(&d->mem, 1, module_size(n));
    if (!m) return rt_no_memory(err);
    m->n = n;
    frit_status s = image->bytes ? map_code(m, image->code, image->bytes, err) : FRIT_OK;
    if (s != FRIT_OK) return cpu_unload(d, m), s;
    for (uint32_t i = 0; i < n; i++) {
        void *at = (char *)m->code + image->kernels[i].code_offset;
        memcpy(&m->entry[i], &at, sizeof at);
    }
    *out = m;
    return FRIT_OK;
}

/* ---- Launch ------------------------------------------------------------------------------------------------------ */
typedef struct job {
    kernel_fn fn;
    const rt_launch *l;
    frit_device *d;
    int parts;
} job;

/* Part i of the tasks: contiguous, sizes equal up to one. */
static int64_t part_begin(int64_t tasks, int parts, int i) {
    int64_t each = tasks / parts, rest = tasks % parts;
    return each * i + (i < rest ? i : rest);
}

CALLS_KERNELS static void run_part(void *arg, int i) {
    const job *j = arg;
    const rt_launch *l = j->l;
    uint32_t was = enter(j->d);
    j->fn(l->args, l->ints, l->scratch + l->stride * i, part_begin(l->tasks, j->parts, i),
          part_begin(l->tasks, j->parts, i + 1));
    leave(j->d, was);
}

CALLS_KERNELS static frit_status cpu_launch(frit_device *d, rt_queue *q, const rt_launch *l, frit_error *err) {
    (void)q, (void)err;
    kernel_fn fn = l->module->entry[l->kernel];
    int parts = l->workers < l->tasks ? l->workers : (int)l->tasks;
    if (parts <= 1 || (l->work >= 0 && l->work < INLINE_BELOW)) {
        fn(l->args, l->ints, l->scratch, 0, l->tasks);
        return FRIT_OK;
    }
    job j = {fn, l, d, parts};
    d->pool.run(d->pool.ctx, parts, run_part, &j);
    return FRIT_OK;
}

const rt_driver rt_cpu_driver = {
    .kind = "cpu",
    .also = "c",
    .host_memory = true,
    .count = cpu_count,
    .open = cpu_open,
    .close = cpu_close,
    .fits = cpu_fits,
    .queue_open = cpu_queue_open,
    .queue_close = cpu_queue_close,
    .alloc = cpu_alloc,
    .free = cpu_free,
    .load = cpu_load,
    .unload = cpu_unload,
    .begin = enter,
    .end = leave,
    .launch = cpu_launch,
    .copy = cpu_copy,
    .fill = cpu_fill,
    .read = cpu_copy,
    .write = cpu_copy,
    .wait = cpu_wait,
    .mark = cpu_mark,
    .between = cpu_between,
};
