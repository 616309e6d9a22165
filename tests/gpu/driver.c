/* A device for packages made for "null:block": its code is the text of thread IR, its processor the executor (exec.h).
 * A program that links this file has this device and the CPU; the list in runtime/drivers.c is replaced.
 *
 * The device's index is a seed: the number of blocks of a launch (1 .. tasks), their order, how many may run where they have
 * scratch memory, and whether asynchronous copies end early or late, follow from it and from the number of the launch.
 *
 * Each allocation of device memory knows which of its bytes have a value. A kernel's outputs lose theirs when it starts,
 * unless they are inputs as well or were copied or filled since the launch before. */
#include "driver.h"
#include "runtime/driver.h"
#include "runtime/rt.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct region {
    char *base;
    int64_t bytes;
    uint8_t *written;
    struct region *next;
} region;

typedef struct span {
    const char *lo, *hi;
} span;

typedef struct device {
    region *regions;
    int seed;
    void *tap;
    uint64_t launches;
    span *copied; /* since the last launch */
    int n_copied, cap_copied;
} device;

typedef struct code {
    uint64_t offset;
    char name[128];
    diag *d;
    ir_module *m;
    exec_kernel *k;
    const char *error;
} code;

struct rt_module {
    int warp;
    int n, n_codes;
    code *codes;
    int *code_of; /* kernel -> code */
};

static device *own(const frit_device *d) { return d->own; }

/* ---- Memory ------------------------------------------------------------------------------------------------------ */
static region *find(frit_device *d, const void *p) {
    for (region *r = own(d)->regions; r; r = r->next)
        if ((const char *)p >= r->base && (const char *)p < r->base + r->bytes) return r;
    return NULL;
}

static void add_region(frit_device *d, void *p, int64_t bytes) {
    region *r = malloc(sizeof *r);
    if (!r) abort();
    *r = (region){p, bytes, calloc(1, (size_t)bytes / 8 + 1), own(d)->regions};
    own(d)->regions = r;
}

static void drop_region(frit_device *d, region **at) {
    region *r = *at;
    *at = r->next;
    free(r->written);
    free(r);
}

static void set(region *r, const char *p, int64_t n, bool to) {
    for (int64_t i = p - r->base, end = i + n; i < end; i++) {
        if (i % 8 == 0 && i + 8 <= end) r->written[i / 8] = to ? 0xff : 0, i += 7;
        else if (to) r->written[i / 8] |= (uint8_t)(1 << i % 8);
        else r->written[i / 8] &= (uint8_t)~(1 << i % 8);
    }
}

static bool is_set(const region *r, const char *p) {
    int64_t i = p - r->base;
    return r->written[i / 8] >> i % 8 & 1;
}

static void note_written(frit_device *d, void *p, int64_t n) {
    region *r = find(d, p);
    if (r) set(r, p, n, true);
    device *o = own(d);
    if (o->n_copied == o->cap_copied) {
        o->cap_copied = 2 * o->cap_copied + 16;
        o->copied = realloc(o->copied, (size_t)o->cap_copied * sizeof *o->copied);
        if (!o->copied) abort();
    }
    o->copied[o->n_copied++] = (span){p, (char *)p + n};
}

static void *device_alloc(frit_device *d, rt_queue *q, const frit_allocator *mem, int64_t bytes) {
    (void)q;
    void *p = mem->alloc(mem->ctx, (size_t)bytes, FPK_ALIGN);
    if (p) {
        memset(p, 0xff, (size_t)bytes);
        add_region(d, p, bytes);
    }
    return p;
}

static void device_free(frit_device *d, rt_queue *q, const frit_allocator *mem, void *p, int64_t bytes) {
    (void)q;
    for (region **at = &own(d)->regions; *at; at = &(*at)->next)
        if ((*at)->base == p) {
            drop_region(d, at);
            break;
        }
    mem->free(mem->ctx, p, (size_t)bytes);
}

static frit_status device_copy(frit_device *d, rt_queue *q, void *dst, const void *src, int64_t bytes, frit_error *err) {
    (void)q, (void)err;
    region *from = find(d, src), *to = find(d, dst);
    note_written(d, dst, bytes);
    for (int64_t i = 0; from && to && i < bytes; i++) { /* what has no value is copied as such */
        int64_t at = (const char *)src + i - from->base;
        if (at % 8 == 0 && i + 8 <= bytes && from->written[at / 8] == 0xff) i += 7;
        else if (!is_set(from, (const char *)src + i)) set(to, (char *)dst + i, 1, false);
    }
    memmove(dst, src, (size_t)bytes);
    return FRIT_OK;
}

static frit_status device_fill(frit_device *d, rt_queue *q, void *dst, int64_t bytes, int width, uint64_t pattern, frit_error *err) {
    (void)q, (void)err;
    note_written(d, dst, bytes);
    if (width == 1 || !pattern) memset(dst, (int)(pattern & 0xff), (size_t)bytes);
    else for (int64_t i = 0; i < bytes; i++) ((char *)dst)[i] = (char)(pattern >> i % width * 8);
    return FRIT_OK;
}

static frit_status device_write(frit_device *d, rt_queue *q, void *dst, const void *host, int64_t bytes, frit_error *err) {
    (void)q, (void)err;
    note_written(d, dst, bytes);
    memcpy(dst, host, (size_t)bytes);
    return FRIT_OK;
}

/* Behind a length that the run computed nothing needs a value; where one is wanted, the host sees the nonsense that outputs
 * are filled with. */
static frit_status device_read(frit_device *d, rt_queue *q, void *host, const void *src, int64_t bytes, frit_error *err) {
    (void)d, (void)q, (void)err;
    memcpy(host, src, (size_t)bytes);
    return FRIT_OK;
}

/* ---- Code -------------------------------------------------------------------------------------------------------- */
/* The text of the function at p, with the symbols of its arguments taken out: they mean nothing here. */
static char *function_text(const char *p, size_t most, size_t *n) {
    const char *end = memmem(p, most, "\n}\n", 3), *body = memchr(p, '{', most);
    if (!end || !body) return NULL;
    *n = (size_t)(end + 3 - p) + 6;
    char *s = malloc(*n + 1);
    if (!s) return NULL;
    memcpy(s, "fir 1\n", 6);
    memcpy(s + 6, p, *n - 6);
    s[*n] = 0;
    char *head = s + 6 + (body - p);
    for (char *is = s; (is = memmem(is, (size_t)(head - is), " is ", 4));)
        for (int depth = 0; *is && (depth || (*is != ',' && *is != ')')); *is++ = ' ') depth += (*is == '(') - (*is == ')');
    return s;
}

static void read_code(code *c, const char *name, const char *p, size_t most, int warp) {
    size_t n = 0;
    char file[160], *text = function_text(p, most, &n);
    snprintf(c->name, sizeof c->name, "%s", name);
    snprintf(file, sizeof file, "%.150s.fir", name);
    c->d = diag_new();
    c->m = text ? ir_parse(c->d, diag_add_source(c->d, file, text, n)) : NULL;
    free(text);
    if (!c->m) diag_print_text(c->d, stderr, false);
    if (c->m) c->k = exec_kernel_new(c->m->funcs, warp, c->d, &c->error);
    else c->error = "its code is no text of thread IR";
}

static int warp_of(const char *target) {
    const char *at = strstr(target, "warp=");
    return at ? atoi(at + 5) : 32;
}

static void device_unload(frit_device *d, rt_module *m) {
    (void)d;
    for (int i = 0; m && i < m->n_codes; i++) {
        exec_kernel_free(m->codes[i].k);
        if (m->codes[i].m) ir_module_free(m->codes[i].m);
        diag_free(m->codes[i].d);
    }
    if (m) free(m->codes), free(m->code_of);
    free(m);
}

static code *code_at(rt_module *m, uint64_t offset) {
    for (int i = 0; i < m->n_codes; i++)
        if (m->codes[i].offset == offset) return &m->codes[i];
    m->codes[m->n_codes] = (code){.offset = offset};
    return &m->codes[m->n_codes++];
}

static frit_status device_load(frit_device *d, const rt_image *image, rt_module **out, frit_error *err) {
    const fpk_kernel *kernels = image->kernels;
    uint32_t n = image->n_kernels;
    rt_module *m = calloc(1, sizeof *m);
    if (!m) return rt_no_memory(err);
    m->n = (int)n;
    m->warp = warp_of(image->target);
    m->codes = calloc(n + 1, sizeof *m->codes);
    m->code_of = calloc(n + 1, sizeof *m->code_of);
    for (uint32_t i = 0; i < n; i++) {
        const char *name = image->strings + kernels[i].name;
        code *c = code_at(m, kernels[i].code_offset);
        if (!c->d) read_code(c, name, (const char *)image->code + c->offset, image->bytes - c->offset, m->warp);
        m->code_of[i] = (int)(c - m->codes);
        if (c->k) continue;
        rt_fail(err, FRIT_BAD_PACKAGE, "kernel %s: %.300s", name, c->error);
        return device_unload(d, m), FRIT_BAD_PACKAGE;
    }
    *out = m;
    return FRIT_OK;
}

/* ---- Launch ------------------------------------------------------------------------------------------------------ */
static uint64_t mix(uint64_t x) { /* splitmix64, Steele, Lea and Flood 2014 */
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static bool meets(const void *a, int64_t na, const void *b, int64_t nb) {
    return (const char *)a < (const char *)b + nb && (const char *)b < (const char *)a + na;
}

static bool kept(const device *own_, const rt_launch *l, const fpk_kernel *k, uint32_t out) {
    for (uint32_t i = 0; i < k->n_inputs; i++)
        if (meets(l->args[i], l->sizes[i], l->args[out], l->sizes[out])) return true;
    for (int i = 0; i < own_->n_copied; i++) {
        const span *s = &own_->copied[i];
        if (meets(s->lo, s->hi - s->lo, l->args[out], l->sizes[out])) return true;
    }
    return false;
}

static void follow(exec_memory *m, const region *r) {
    m->written = r->written;
    m->first = (char *)m->data - r->base;
}

/* Argument i as the executor sees it. Constants lie in the package and are whole. */
static void argument(frit_device *d, const rt_launch *l, const fpk_kernel *k, uint32_t i, exec_memory *m) {
    *m = (exec_memory){.data = l->args[i], .bytes = l->sizes[i], .output = i >= k->n_inputs};
    if (!m->bytes) return;
    region *r = find(d, m->data);
    if (!r) return;
    if (m->output && !kept(own(d), l, k, i)) {
        set(r, m->data, m->bytes, false);
        memset(m->data, 0xff, (size_t)m->bytes);
    }
    follow(m, r);
}

static int64_t most_blocks(const rt_launch *l) {
    return l->scratch_bytes && l->workers < l->tasks ? l->workers : l->tasks;
}

static int64_t blocks_of(const rt_launch *l, uint64_t random) {
    int64_t most = most_blocks(l);
    int64_t n = random % 4 == 0 ? 1 : random % 4 == 1 ? most : 1 + (int64_t)((random >> 2) % (uint64_t)most), cluster = l->record->cluster;
    return cluster ? (n + cluster - 1) / cluster * cluster : n;
}

static frit_status device_launch(frit_device *d, rt_queue *q, const rt_launch *l, frit_error *err) {
    enum { MAX_ARGS = 512 };
    exec_memory memory[MAX_ARGS];
    (void)q;
    const fpk_kernel *k = l->record;
    const code *c = &l->module->codes[l->module->code_of[l->kernel]];
    uint64_t random = mix((uint64_t)own(d)->seed * 1000003 + own(d)->launches++);
    uint32_t n = k->n_inputs + k->n_outputs;
    if (n > MAX_ARGS) return rt_fail(err, FRIT_DEVICE_FAILED, "a kernel of %u buffers", n);
    for (uint32_t i = 0; i < n; i++) argument(d, l, k, i, &memory[i]);
    exec_launch e = {.buffers = memory, .ints = l->ints, .tasks = l->tasks, .blocks = blocks_of(l, random >> 8), .seed = random,
                     .late = random & 1, .max_steps = INT64_C(1) << 40};
    region *r = l->scratch_bytes ? find(d, l->scratch) : NULL;
    e.scratch = (exec_memory){.data = l->scratch, .bytes = l->scratch_bytes * e.blocks, .output = true};
    if (r) {
        set(r, l->scratch, l->scratch_bytes * most_blocks(l), false);
        follow(&e.scratch, r);
    }
    own(d)->n_copied = 0;
    if (exec_device_tap.launch && exec_device_tap.launch(own(d)->tap, &(exec_tapped){c->name, c->d, c->m->funcs, l->module->warp, &e}))
        return FRIT_OK;
    char message[440];
    if (exec_run(c->k, &e, message, sizeof message)) return FRIT_OK;
    return rt_fail(err, FRIT_DEVICE_FAILED, "%s", message);
}

/* ---- The device -------------------------------------------------------------------------------------------------- */
static frit_status device_count(int *n, frit_error *err) { return (void)err, *n = INT32_MAX, FRIT_OK; }

static frit_status device_open(frit_device *d, const frit_device_options *o, frit_error *err) {
    d->own = calloc(1, sizeof(device));
    if (!d->own) return rt_no_memory(err);
    *own(d) = (device){.seed = o->index, .tap = exec_device_tap.open ? exec_device_tap.open() : NULL};
    d->dl = (DLDevice){kDLExtDev, o->index};
    d->workers = 1 + (int)(mix((uint64_t)o->index) % 6);
    snprintf(d->name, sizeof d->name, "executor of thread IR, seed %d", o->index);
    return FRIT_OK;
}

static void device_close(frit_device *d) {
    if (exec_device_tap.close) exec_device_tap.close(own(d)->tap);
    while (own(d)->regions) drop_region(d, &own(d)->regions);
    free(own(d)->copied);
    free(d->own);
}

static int device_fits(const frit_device *d, const fpk_variant *v, const rt_image *image, char *why) {
    (void)d, (void)v;
    if (!strncmp(image->target, "null:block", 10)) return 1;
    if (why) snprintf(why, 160, "%s has no blocks of threads", image->target);
    return 0;
}

static frit_status device_queue_open(frit_device *d, void *stream, rt_queue **out, frit_error *err) {
    (void)d, (void)stream, (void)err;
    *out = NULL;
    return FRIT_OK;
}
static void device_queue_close(frit_device *d, rt_queue *q) { (void)d, (void)q; }

static uint32_t device_begin(frit_device *d) { return (void)d, 0; }
static void device_end(frit_device *d, uint32_t was) { (void)was, own(d)->n_copied = 0; }
static frit_status device_wait(frit_device *d, rt_queue *q, frit_error *err) { return (void)d, (void)q, (void)err, FRIT_OK; }
static frit_status device_mark(frit_device *d, rt_queue *q, int i, frit_error *err) {
    return (void)d, (void)q, (void)i, (void)err, FRIT_OK;
}
static double device_between(frit_device *d, rt_queue *q, int from, int to) {
    return (void)d, (void)q, (void)from, (void)to, 0;
}

static const rt_driver exec_driver = {
    .kind = "null",
    .count = device_count,
    .open = device_open,
    .close = device_close,
    .fits = device_fits,
    .queue_open = device_queue_open,
    .queue_close = device_queue_close,
    .alloc = device_alloc,
    .free = device_free,
    .load = device_load,
    .unload = device_unload,
    .begin = device_begin,
    .end = device_end,
    .launch = device_launch,
    .copy = device_copy,
    .fill = device_fill,
    .read = device_read,
    .write = device_write,
    .wait = device_wait,
    .mark = device_mark,
    .between = device_between,
};

const rt_driver *const rt_drivers[] = {&exec_driver, &rt_cpu_driver, &rt_cuda_driver, &rt_hip_driver, NULL};
