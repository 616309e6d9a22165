#include "mutate_launch.h"
#include "ir/scalar.h"
#include "runtime/package.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_LATE = 1, RUN_FEW = 2, RUN_BRIEF = 4, SAMPLE = 4, FEW_SAMPLE = 2, BRIEF_SAMPLE = 2, MOST_OF_ONE = 4, ALIGN = 256 };
static const int ways[RUNS] = {RUN_BRIEF, RUN_BRIEF | RUN_FEW | RUN_LATE, RUN_LATE, RUN_FEW};

/* ---- Outputs ----------------------------------------------------------------------------------------------------- */
typedef void piece_fn(char *at, size_t n, char **kept);

/* Does fn for the data of each output, and for the bits that say what has a value. */
static void each_output(const trial *r, piece_fn *fn, char **kept) {
    for (int i = 0; i < r->n_buffers; i++) {
        const exec_memory *m = &r->t->launch->buffers[i];
        if (!m->output || !m->bytes) continue;
        fn(m->data, (size_t)m->bytes, kept);
        if (m->written) fn((char *)m->written + m->first / 8, (size_t)((m->first % 8 + m->bytes + 7) / 8), kept);
    }
}

static void measure(char *at, size_t n, char **kept) { (void)at, *kept += n; }
static void save(char *at, size_t n, char **kept) { memcpy(*kept, at, n), *kept += n; }
static void restore(char *at, size_t n, char **kept) { memcpy(at, *kept, n), *kept += n; }
static void mix(char *at, size_t n, char **kept) { *kept = (char *)((uintptr_t)*kept * 31 + (uintptr_t)fpk_hash(at, n)); }

uint64_t trial_outcome(const trial *r) {
    char *h = NULL;
    each_output(r, mix, &h);
    return (uint64_t)(uintptr_t)h;
}

/* ---- Data -------------------------------------------------------------------------------------------------------- */
static uint64_t next(uint64_t *s) { /* splitmix64, Steele, Lea and Flood 2014 */
    uint64_t x = *s += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Of 4096 numbers, how many are among the extremes, and how many infinite or NaN; of 4, how many -0.0, which some kernels take
 * for "left out". */
typedef struct wildness {
    unsigned extreme, infinite, left_out;
} wildness;

static double number(uint64_t *s, wildness w) {
    static const double extremes[] = {0, -0.0, 1e30, -1e30, 1e-30, 65504, 1e6, -1e6};
    uint64_t x = next(s);
    if (x >> 62 < w.left_out) return -0.0;
    if (x % 4096 < w.extreme) return extremes[x / 4096 % (sizeof extremes / sizeof *extremes)];
    if (x % 4096 < w.extreme + w.infinite) return x & 4096 ? INFINITY : NAN;
    return ((double)(x >> 40) + (double)(next(s) >> 40)) / (1 << 23) - 2; /* -2 .. 2, densest at 0 */
}

enum { LARGE = 2048 };

/* Where some are to be infinite, one is in whatever is large. */
static void fill(frit_dtype t, void *p, int64_t bytes, uint64_t seed, wildness w) {
    int64_t n = bytes / frit_dtype_bytes(t, 1), infinite = 0;
    for (int64_t i = 0; i < n; i++) {
        double v = number(&seed, w);
        infinite += isinf(v);
        frit_store_float(t, p, i, v);
    }
    if (w.infinite && !infinite && n >= LARGE) frit_store_float(t, p, (int64_t)(next(&seed) % (uint64_t)n), INFINITY);
}

/* open: sizes are. */
static wildness wildness_of(int data, bool open, int64_t n) {
    static const wildness tame = {0}, wild = {.extreme = 64, .infinite = 1}; /* so few that many sums have none */
    unsigned few = n < 2048 ? 8 : n < 8192 ? 4 : 1;
    if (data == DATA_WEIGHTS) return (wildness){.infinite = open || n < LARGE ? 0 : 16};
    if (data == DATA_FEW) return (wildness){.left_out = 1, .infinite = open ? few : 0};
    return data == DATA_WILD ? wild : tame;
}

static bool meets_output(const trial *r, const exec_memory *m) {
    for (int i = 0; i < r->n_buffers; i++) {
        const exec_memory *o = &r->t->launch->buffers[i];
        const char *lo = o->data, *at = m->data;
        if (o->output && at < lo + o->bytes && lo < at + m->bytes) return true;
    }
    return false;
}

/* Set d has a buffer of its own. */
static bool is_own(const trial *r, int d, int buffer) { return r->buffers[d][buffer].data != r->t->launch->buffers[buffer].data; }

static frit_dtype type_of_buffer(const trial *r, int number) {
    for (int i = 0;; i++)
        if (r->t->f->body->args[i]->type.kind == IR_PTR && number-- == 0) return (frit_dtype)r->t->f->body->args[i]->type.dtype;
}

/* Whether a size of buffer `number` is open: so says the kernel's description, "name: f32[B, 96], in" a line. */
static bool is_open(const trial *r, int number) {
    const char *line = r->t->f->doc;
    while (line && number-- > 0) line = (line = strchr(line, '\n')) ? line + 1 : NULL;
    for (line = line ? strchr(line, '[') : NULL; line && *line && *line != ']'; line++)
        if (isalpha((unsigned char)*line)) return true;
    return false;
}

/* An infinity in matrix of weights number `which` of those in set d. */
static void put_infinity(const trial *r, exec_memory *b, int d, int which) {
    for (int i = 0; i < r->n_buffers; i++) {
        frit_dtype t = type_of_buffer(r, i);
        if (!is_own(r, d, i) || is_open(r, i)) continue;
        int64_t n = b[i].bytes / frit_dtype_bytes(t, 1);
        uint64_t seed = (uint64_t)d;
        if (n >= LARGE && which-- == 0) frit_store_float(t, b[i].data, (int64_t)(next(&seed) % (uint64_t)n), INFINITY);
    }
}

/* Set d: inputs of floats hold random numbers. */
static void make_data(trial *r, int d) {
    const exec_launch *l = r->t->launch;
    exec_memory *b = r->buffers[d] = calloc((size_t)r->n_buffers + 1, sizeof *b);
    int64_t *ints = r->ints[d] = calloc((size_t)r->n_ints + 1, sizeof *ints);
    if (!b || !ints) abort();
    memcpy(b, l->buffers, sizeof *b * (size_t)r->n_buffers);
    memcpy(ints, l->ints, sizeof *ints * (size_t)r->n_ints);
    if (d >= DATA_INTS) ints[d - DATA_INTS] = INT64_C(1) << 33;
    for (int i = 0; i < r->n_buffers && d != DATA_OWN; i++) {
        frit_dtype t = type_of_buffer(r, i);
        if (b[i].output || !b[i].bytes || !frit_dtype_is_float(t) || frit_dtype_bits(t) < 8 || meets_output(r, &b[i])) continue;
        void *p = aligned_alloc(ALIGN, ((size_t)b[i].bytes + ALIGN) / ALIGN * ALIGN);
        if (!p) abort();
        fill(t, p, b[i].bytes, (uint64_t)d * 1000 + (uint64_t)i, wildness_of(d, is_open(r, i), b[i].bytes / frit_dtype_bytes(t, 1)));
        b[i] = (exec_memory){.data = p, .bytes = b[i].bytes};
    }
    if (d >= DATA_POINT && d < DATA_UNREAD) put_infinity(r, b, d, d - DATA_POINT);
}

/* ---- A trial ----------------------------------------------------------------------------------------------------- */
static int64_t whole(int64_t blocks, int64_t cluster) { return cluster ? (blocks + cluster - 1) / cluster * cluster : blocks; }

/* Whole clusters. */
static int64_t blocks_for(const trial *r, int way) {
    int64_t tasks = r->t->launch->tasks, few = tasks <= MOST_OF_ONE ? 1 : (tasks + 2) / 3;
    return whole(way & RUN_FEW ? few : tasks, r->t->f->cluster);
}

/* The device at hand may have room for a few blocks; trials have it for one a task, as a large device does: blocks that run one
 * after another are long when each goes through many tasks. */
static void lend_scratch(trial *r) {
    const exec_launch *l = r->t->launch;
    exec_memory *s = &r->scratch;
    r->scratch_bytes = l->scratch.bytes / l->blocks;
    if (!r->scratch_bytes) return;
    *s = (exec_memory){.bytes = r->scratch_bytes * blocks_for(r, 0), .output = true};
    s->data = aligned_alloc(ALIGN, ((size_t)s->bytes + ALIGN) / ALIGN * ALIGN);
    s->written = calloc(1, (size_t)s->bytes / 8 + 1);
    if (!s->data || !s->written) abort();
}

void trial_open(trial *r, int pass, const exec_tapped *t) {
    const ir_block *body = t->f->body;
    *r = (trial){.pass = pass, .t = t};
    for (int i = 0; i < body->n_args - 2; i++) *(body->args[i]->type.kind == IR_PTR ? &r->n_buffers : &r->n_ints) += 1;
    r->n_data = pass == 1 ? 1 : DATA_INTS + r->n_ints < MAX_DATA ? DATA_INTS + r->n_ints : MAX_DATA;
}

static void prepare(trial *r) {
    lend_scratch(r);
    char *bytes = NULL;
    each_output(r, measure, &bytes);
    char *at = r->before = malloc((size_t)(uintptr_t)bytes + 16);
    if (!at) abort();
    each_output(r, save, &at);
    r->open = true;
}

static void put_back(const trial *r) {
    char *at = r->before;
    each_output(r, restore, &at);
    if (r->scratch.bytes) memset(r->scratch.written, 0, (size_t)r->scratch.bytes / 8 + 1); /* nothing in it has a value */
}

/* As fill, with what repeats: long enough that no row or tile is like another. */
static void fill_quickly(frit_dtype t, char *p, int64_t bytes, uint64_t seed) {
    int64_t period = 4093 * frit_dtype_bytes(t, 1), first = bytes < period ? bytes : period;
    fill(t, p, first, seed, (wildness){0});
    for (int64_t at = first; at < bytes; at += period) memcpy(p + at, p, (size_t)(bytes - at < period ? bytes - at : period));
}

/* They hold numbers, and all have a value. */
static void fill_outputs(const trial *r) {
    for (int i = 0; i < r->n_buffers; i++) {
        const exec_memory *m = &r->t->launch->buffers[i];
        frit_dtype t = type_of_buffer(r, i);
        if (!m->output || !m->bytes) continue;
        if (frit_dtype_is_float(t) && frit_dtype_bits(t) >= 8) fill_quickly(t, m->data, m->bytes, (uint64_t)i);
        else memset(m->data, 0, (size_t)m->bytes);
        for (int64_t b = m->first, end = b + m->bytes; m->written && b < end; b++) {
            if (b % 8 == 0 && b + 8 <= end) m->written[b / 8] = 0xff, b += 7;
            else m->written[b / 8] |= (uint8_t)(1 << b % 8);
        }
    }
}

void trial_close(trial *r, bool filled) {
    if (r->open && !filled) put_back(r);
    if (filled) fill_outputs(r);
    for (int d = 0; d < r->n_data; d++) {
        if (!r->buffers[d]) continue;
        for (int i = 0; i < r->n_buffers; i++)
            if (is_own(r, d, i)) free(r->buffers[d][i].data);
        free(r->buffers[d]);
        free(r->ints[d]);
    }
    free(r->before), free(r->scratch.data), free(r->scratch.written);
}

bool trial_has(const trial *r, int data, int run) {
    bool brief = ways[run] & RUN_BRIEF;
    return data == DATA_OWN ? brief == (r->pass == 1) : run == data % 2;
}

/* All NaN are one: a processor's sign of them is no result. */
static void unite_nans(const trial *r) {
    for (int i = 0; i < r->n_buffers; i++) {
        const exec_memory *m = &r->t->launch->buffers[i];
        if (!m->output || type_of_buffer(r, i) != FRIT_f32) continue;
        uint32_t *v = m->data;
        for (int64_t e = 0; e < m->bytes / 4; e++)
            if ((v[e] & 0x7fffffff) > 0x7f800000) v[e] = 0x7fc00000;
    }
}

/* What launch l of the kernel itself does not read of set d, whose random numbers it has, becomes NaN. */
static void spoil_unread(trial *r, exec_kernel *k, int d, exec_launch l) {
    char message[256];
    exec_memory *b = r->buffers[d];
    l.watch = false;
    for (int i = 0; i < r->n_buffers; i++)
        if (is_own(r, d, i) && !(b[i].read = calloc(1, (size_t)b[i].bytes / 8 + 1))) abort();
    put_back(r);
    exec_run(k, &l, message, sizeof message);
    for (int i = 0; i < r->n_buffers; i++) {
        frit_dtype t = type_of_buffer(r, i);
        int64_t size = frit_dtype_bytes(t, 1);
        for (int64_t at = 0; b[i].read && at < b[i].bytes; at += size)
            if (!(b[i].read[at / 8] >> at % 8 & 1)) frit_store_float(t, b[i].data, at / size, NAN);
        free(b[i].read);
        b[i].read = NULL;
    }
}

bool trial_run(trial *r, exec_kernel *k, int data, int run, int64_t max_steps, const ir_op *nonsense, char *message, size_t n) {
    exec_launch l = *r->t->launch;
    if (!r->open) prepare(r);
    bool first = !r->buffers[data];
    if (first) make_data(r, data);
    l.buffers = r->buffers[data];
    l.ints = r->ints[data];
    l.blocks = blocks_for(r, ways[run]);
    l.scratch = r->scratch, l.scratch.bytes = r->scratch_bytes * l.blocks;
    l.late = ways[run] & RUN_LATE;
    bool few = ways[run] & RUN_FEW;
    l.sample = !(ways[run] & RUN_BRIEF) ? few ? FEW_SAMPLE : SAMPLE : few ? 1 : BRIEF_SAMPLE;
    l.nonsense = nonsense;
    l.seed = (uint64_t)run * 77 + 5;
    l.max_steps = max_steps;
    l.watch = r->watch, l.tame = r->tame;
    if (first && data == DATA_UNREAD) spoil_unread(r, k, data, l);
    put_back(r);
    bool ok = exec_run(k, &l, message, n);
    if (ok) unite_nans(r);
    return ok;
}
