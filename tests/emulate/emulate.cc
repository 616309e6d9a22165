/* Fibers for the threads of a block, and the watch over what they do. Never compiled with a sanitizer itself. */
#include "emulate.h"
#include "../runtime/fake_map.h"
extern "C" {
#include "ir/atom.h"
}
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

extern "C" {
__attribute__((weak)) void __sanitizer_start_switch_fiber(void **save, const void *bottom, size_t size);
__attribute__((weak)) void __sanitizer_finish_switch_fiber(void *save, const void **bottom, size_t *size);
__attribute__((weak)) void __asan_poison_memory_region(void const volatile *p, size_t n);
__attribute__((weak)) void __asan_unpoison_memory_region(void const volatile *p, size_t n);
void emulate_switch(void **from, void *to);
}

/* Saves what the System V ABI has a callee save, and changes stacks. */
asm(".text\n.globl emulate_switch\n.hidden emulate_switch\nemulate_switch:\n"
    "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp,(%rdi)\nmov %rsi,%rsp\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n");

emulate_id threadIdx, blockIdx, gridDim;
#undef shared
enum { MOST_BLOCKS = 8 };
alignas(1024) static unsigned char more[MOST_BLOCKS - 1][(EMULATE_MOST_SHARED + 1023) / 1024 * 1024];
extern "C" {
alignas(1024) unsigned char emulate_first[EMULATE_MOST_SHARED] __asm__("shared"); /* HIP's text names it */
unsigned char (*emulate_shared)[] = (unsigned char (*)[]) & emulate_first;
}

enum { MOST_THREADS = 1024 * MOST_BLOCKS, STACK = 1 << 21, MOST_COPIES = 4096, SLOTS = 1 << 20 };
static constexpr size_t SCRATCH = (size_t)1 << 38;
enum state { RUNS, AT_BARRIER, AT_CLUSTER, AT_EXCHANGE, WAITS, DONE };

struct copy {
    void *to;
    const void *from;
    int bytes, group;
    bool inside;
};

/* An accumulator whose products wait to be done. */
struct accumulator {
    unsigned id;
    int n;
    unsigned char value[512];
    struct step {
        void (*run)(void *, void *);
        void *product;
        int group;
        step *next;
    } *first, **last;
    accumulator *next;
};
/* A copy from shared to global memory that a wait is to do. */
struct store {
    unsigned char *to;
    const unsigned char *from;
    int bytes, group;
    store *next;
};

struct fiber {
    void *sp;
    int products_committed, stores_committed;
    accumulator *accumulators;
    store *stores, **last_store;
    state s;
    long long place; /* of the barrier it waits at */
    int committed; /* groups of copies closed so far */
    int n_copies;
    copy *copies;
    const void *waits_for; /* WAITS: an mbarrier, or a barrier of parts */
    long long until;       /* parity; round */
};

enum { MOST_MBARRIERS = 256, MOST_BOXES = 1024, PARTS = 16 };
struct mbarrier {
    const void *at;
    long long count, pending, expected, phase;
};
struct part {
    long long arrived, round;
};
/* A copy by the asynchronous proxy that is on its way to shared memory. */
struct box {
    unsigned char *to, *data;
    long long bytes;
    unsigned swizzle;
    const void *bar;
};

static struct {
    const char *kernel;
    void (*body)(void *);
    void *arg;
    int threads, warp, current; /* threads: of all blocks of a cluster */
    int block, first; /* threads of a block; number of the first block */
    fiber fibers[MOST_THREADS];
    char *stacks;
    void *scratch; /* SCRATCH bytes, of which only what is touched is taken; NULL: not wanted yet */
    void *scheduler;
    const void *bottom; /* of the scheduler's stack */
    size_t size;
    unsigned char slots[2][MOST_THREADS][EMULATE_SLOT];
    int exchanges[MOST_THREADS];
    uint64_t epoch; /* grows at every barrier and launch */
    int order;
    bool late;
    uint64_t random;
    mbarrier mbarriers[MOST_MBARRIERS];
    int n_mbarriers;
    part parts[MOST_BLOCKS][PARTS];
    box boxes[MOST_BOXES];
    int n_boxes;
} m;

[[noreturn]] static void fail(const char *what, long long a, long long b) {
    fprintf(stderr, "emulate: kernel %s, block %u, thread %d: ", m.kernel, blockIdx.x, m.current);
    fprintf(stderr, what, a, b);
    fprintf(stderr, "\n");
    abort();
}

/* ------------ memory of blocks */
static unsigned char *memory_of(int block) { return block ? more[block - 1] : emulate_first; }
/* The memory that p lies in; else that of the block at hand. */
static unsigned char *memory_around(const void *p) {
    for (int b = 0; b < MOST_BLOCKS; b++)
        if ((const unsigned char *)p >= memory_of(b) && (const unsigned char *)p < memory_of(b) + EMULATE_MOST_SHARED) return memory_of(b);
    return (unsigned char *)emulate_shared;
}

/* ------------ switching */
static void resume(int i) {
    void *fake = nullptr;
    m.current = i;
    threadIdx.x = (unsigned)(i % m.block);
    blockIdx.x = (unsigned)(m.first + i / m.block);
    emulate_shared = (unsigned char (*)[])memory_of(i / m.block);
    if (__sanitizer_start_switch_fiber) __sanitizer_start_switch_fiber(&fake, m.stacks + (size_t)i * STACK, STACK);
    emulate_switch(&m.scheduler, m.fibers[i].sp);
    if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
}

static void suspend(state s) {
    fiber *f = &m.fibers[m.current];
    void *fake = nullptr;
    f->s = s;
    if (__sanitizer_start_switch_fiber)
        __sanitizer_start_switch_fiber(s == DONE ? nullptr : &fake, m.bottom, m.size);
    emulate_switch(&f->sp, m.scheduler);
    if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(fake, &m.bottom, &m.size);
}

static void enter() {
    if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(nullptr, &m.bottom, &m.size);
    m.body(m.arg);
    if (m.fibers[m.current].n_copies) fail("a copy that nothing waits for", 0, 0);
    if (m.fibers[m.current].accumulators) fail("a product that nothing waits for", 0, 0);
    if (m.fibers[m.current].stores) fail("a copy from shared memory that nothing waits for", 0, 0);
    suspend(DONE);
    abort();
}

static void prepare(int i) {
    fiber *f = &m.fibers[i];
    uintptr_t top = (uintptr_t)(m.stacks + (size_t)(i + 1) * STACK) & ~(uintptr_t)15;
    void **sp = (void **)(top - 8); /* a call leaves the stack at 16 n + 8 */
    *sp = nullptr;
    *--sp = (void *)enter;
    sp -= 6;
    memset(sp, 0, 6 * sizeof *sp);
    f->sp = sp;
    f->s = RUNS;
    f->committed = f->n_copies = f->products_committed = f->stores_committed = 0;
    f->last_store = &f->stores;
}

/* ------------ the scheduler */
static void next_order(int *order) {
    for (int i = 0; i < m.threads; i++) order[i] = m.order == 1 ? m.threads - 1 - i : i;
    for (int i = m.threads - 1; m.order > 1 && i > 0; i--) {
        m.random = m.random * 6364136223846793005u + 1442695040888963407u;
        int j = (int)((m.random >> 33) % (uint64_t)(i + 1)), t = order[i];
        order[i] = order[j], order[j] = t;
    }
}

static int count(state s, int from, int to) {
    int n = 0;
    for (int i = from; i < to; i++) n += m.fibers[i].s == s;
    return n;
}

static bool open_warps() {
    bool any = false;
    for (int from = 0; from < m.threads; from += m.warp) {
        int to = from + m.warp < m.threads ? from + m.warp : m.threads;
        if (count(AT_EXCHANGE, from, to) < to - from) continue;
        for (int i = from; i < to; i++) m.fibers[i].s = RUNS;
        m.exchanges[from / m.warp]++;
        any = true;
    }
    return any;
}

static bool open_barrier_of(state s, int from, int to) {
    if (count(s, from, to) < to - from) return false;
    for (int i = from; i < to; i++) {
        m.current = i;
        if (m.fibers[i].place != m.fibers[from].place)
            fail("waits at the barrier of line %lld, the first thread at that of line %lld", m.fibers[i].place, m.fibers[from].place);
        m.fibers[i].s = RUNS;
    }
    return true;
}

static bool open_barrier() {
    bool any = open_barrier_of(AT_CLUSTER, 0, m.threads);
    for (int from = 0; from < m.threads; from += m.block) any |= open_barrier_of(AT_BARRIER, from, from + m.block);
    if (any) m.epoch++;
    return any;
}

/* ------------ mbarriers, copies of boxes */
static mbarrier *mbarrier_at(const void *at) {
    for (int i = 0; i < m.n_mbarriers; i++)
        if (m.mbarriers[i].at == at) return &m.mbarriers[i];
    fail("no mbarrier is there", 0, 0);
}

static bool is_part(const void *p) { return p >= (const void *)m.parts && p < (const void *)(m.parts + MOST_BLOCKS); }

/* Those whose wait is over go on. */
static bool open_waits() {
    bool any = false;
    for (int i = 0; i < m.threads; i++) {
        fiber *f = &m.fibers[i];
        if (f->s != WAITS) continue;
        bool over = is_part(f->waits_for) ? ((const part *)f->waits_for)->round != f->until : (mbarrier_at(f->waits_for)->phase & 1) != f->until;
        if (!over) continue;
        f->s = RUNS;
        any = true;
    }
    if (any) m.epoch++; /* what was done before may be ordered now */
    return any;
}

static void settle(mbarrier *b) {
    if (b->pending || b->expected) return;
    b->pending = b->count;
    b->phase++;
}

static void arrive_box(const box *b) {
    for (long long at = 0; at < b->bytes; at += 16) {
        unsigned char *memory = memory_around(b->to);
        long long place = b->to - memory + at;
        memcpy(memory + (place ^ (place >> 3 & (b->swizzle - 16))), b->data + at, 16);
    }
    free(b->data);
    mbarrier *bar = mbarrier_at(b->bar);
    bar->expected -= b->bytes;
    settle(bar);
}

static bool open_box() {
    if (!m.n_boxes) return false;
    m.random = m.random * 6364136223846793005u + 1442695040888963407u;
    int i = (int)((m.random >> 33) % (uint64_t)m.n_boxes);
    box b = m.boxes[i];
    m.boxes[i] = m.boxes[--m.n_boxes];
    arrive_box(&b);
    return true;
}

static void run_block() {
    int order[MOST_THREADS];
    while (count(DONE, 0, m.threads) < m.threads) {
        bool ran = false;
        next_order(order);
        for (int i = 0; i < m.threads; i++)
            if (m.fibers[order[i]].s == RUNS) {
                resume(order[i]);
                ran = true;
            }
        if (open_warps() || open_barrier() || open_waits() || ran || open_box()) continue;
        fail("not all threads reach a barrier or a shuffle: %lld wait at a barrier, %lld are done",
             count(AT_BARRIER, 0, m.threads), count(DONE, 0, m.threads));
    }
    if (m.n_boxes) fail("a copy by the asynchronous proxy that nothing waits for", 0, 0);
}

static void set_up() {
    const char *order = getenv("EMULATE_ORDER"), *copies = getenv("EMULATE_COPIES");
    if (m.stacks) return;
    m.stacks = (char *)mmap(nullptr, (size_t)STACK * MOST_THREADS, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m.stacks == MAP_FAILED) abort();
    m.order = order ? atoi(order) : 0;
    m.late = copies && !strcmp(copies, "late");
    m.random = 12345 + (uint64_t)m.order;
}

void emulate_launch(const emulate_block *b, void (*body)(void *), void *arg) {
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    int blocks = b->cluster > 1 ? b->cluster : 1, threads = b->threads * blocks;
    long long bytes = b->bytes;
    pthread_mutex_lock(&one);
    set_up();
    m.kernel = b->kernel, m.threads = threads, m.warp = b->warp, m.body = body, m.arg = arg;
    if (threads > MOST_THREADS || (blocks > 1 && b->threads % b->warp)) fail("a cluster of %lld blocks", blocks, 0);
    m.block = b->threads, m.first = (int)b->block;
    /* HIP counts a grid's threads in 32 bits. */
    blockIdx.x = (unsigned)b->block, gridDim.x = b->alone ? ~0u / (unsigned)threads : (unsigned)blocks;
    m.epoch++;
    memset(m.exchanges, 0, sizeof m.exchanges);
    memset(m.parts, 0, sizeof m.parts);
    m.n_mbarriers = 0;
    for (int k = 0; k < blocks; k++) {
        unsigned char *memory = memory_of(k);
        if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(memory, EMULATE_MOST_SHARED);
        memset(memory, 0xff, (size_t)bytes);
        if (__asan_poison_memory_region) __asan_poison_memory_region(memory + bytes, EMULATE_MOST_SHARED - (size_t)bytes);
    }
    for (int i = 0; i < threads; i++) prepare(i);
    run_block();
    if (m.scratch && madvise(m.scratch, SCRATCH, MADV_DONTNEED)) abort();
    pthread_mutex_unlock(&one);
}

void *emulate_scratch() {
    if (!m.scratch) m.scratch = mmap(nullptr, SCRATCH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m.scratch == MAP_FAILED) abort();
    return m.scratch;
}

/* ------------ barriers and exchanges */
void emulate_barrier(long long place) {
    m.fibers[m.current].place = place;
    suspend(AT_BARRIER);
}

int emulate_threads() { return m.block; }

unsigned cluster_rank() { return (unsigned)(m.current / m.block); }

void emulate_cluster_barrier(long long place) {
    m.fibers[m.current].place = place;
    suspend(AT_CLUSTER);
}

void *of_rank(void *at, unsigned rank) {
    unsigned char *memory = memory_around(at);
    if (rank >= gridDim.x || (unsigned char *)at < memory || (unsigned char *)at >= memory + EMULATE_MOST_SHARED) fail("no such place in block %lld of the cluster", rank, 0);
    return memory_of((int)rank) + ((unsigned char *)at - memory);
}

int emulate_lane() { return m.current % m.warp; }

const unsigned char *emulate_exchange(const void *x, int n) {
    int warp = m.current / m.warp, turn = m.exchanges[warp] & 1;
    memcpy(m.slots[turn][m.current], x, (size_t)n);
    suspend(AT_EXCHANGE);
    return m.slots[turn][warp * m.warp];
}

unsigned emulate_shuffle(unsigned x, long long lane) {
    unsigned r;
    const unsigned char *all = emulate_exchange(&x, 4);
    if (lane < 0 || lane >= m.warp) fail("shuffle from lane %lld", lane, 0);
    memcpy(&r, all + lane * EMULATE_SLOT, 4);
    return r;
}

/* ------------ matrices */
emulate_halves emulate_ldmatrix(const void *row, bool transposed) {
    emulate_halves mine, r;
    if ((uintptr_t)row % 16) fail("ldmatrix from an address that is no multiple of 16", 0, 0);
    memcpy(&mine, row, sizeof mine);
    const unsigned char *all = emulate_exchange(&mine, sizeof mine);
    int g = emulate_lane() / 4, t = emulate_lane() % 4;
    for (int matrix = 0; matrix < 4; matrix++)
        for (int i = 0; i < 2; i++) {
            int at_row = transposed ? 2 * t + i : g, at_column = transposed ? g : 2 * t + i;
            memcpy(&r.v[2 * matrix + i], all + (matrix * 8 + at_row) * EMULATE_SLOT + at_column * 2, 2);
        }
    return r;
}

/* Who holds element (row, column) of operand o (lane * 16 + number of the element), and where a lane's sums lie: the table's
 * words are read once. */
struct holders {
    const ir_product *p;
    short of[3][32][32];
    unsigned char row[64][16], column[64][16];
};

static const holders *holders_of(const char *name) {
    static holders all[32];
    holders *h = all;
    while (h->p && strcmp(h->p->name, name)) h++;
    if (h->p) return h;
    h->p = ir_product_find(name);
    if (!h->p || h == all + 31) fail("no such product", 0, 0);
    for (int o = 0; o < 3; o++)
        for (int lane = h->p->warp - 1; lane >= 0; lane--)
            for (int e = 0; e < ir_product_elements(h->p, o); e++) {
                int row, column;
                ir_product_place(h->p, o, lane, e, &row, &column);
                h->of[o][row][column] = (short)(lane * 16 + e);
                if (o == 2) h->row[lane][e] = (unsigned char)row, h->column[lane][e] = (unsigned char)column;
            }
    return h;
}

static float wide(frit_dtype t, const unsigned char *p) {
    unsigned short u;
    float f;
    if (t == FRIT_f32) return memcpy(&f, p, 4), f;
    memcpy(&u, p, 2);
    if (t == FRIT_f16) {
        _Float16 h;
        return memcpy(&h, &u, 2), (float)h;
    }
    unsigned bits = (unsigned)u << 16;
    return memcpy(&f, &bits, 4), f;
}

void emulate_wave_product(const char *name, const void *a, const void *b, int n, const void *c, int bytes, void *d) {
    const holders *h = holders_of(name);
    const ir_product *p = h->p;
    unsigned char mine[EMULATE_SLOT];
    memcpy(mine, a, (size_t)n), memcpy(mine + n, b, (size_t)n);
    if (m.warp != p->warp) fail("a product for waves of %lld in one of %lld", p->warp, m.warp);
    const unsigned char *all = emulate_exchange(mine, 2 * n);
    int size = p->in == FRIT_f32 ? 4 : p->in == FRIT_i8 ? 1 : 2;
    memcpy(d, c, (size_t)bytes);
    for (int e = 0; e < bytes / 4; e++) {
        int row = h->row[emulate_lane()][e], column = h->column[emulate_lane()][e];
        float f, *to = (float *)d + e;
        int i;
        memcpy(&f, to, 4), memcpy(&i, to, 4);
        for (int k = 0; k < p->k; k++) {
            int x = h->of[0][row][k], y = h->of[1][k][column];
            const unsigned char *px = all + x / 16 * EMULATE_SLOT + x % 16 * size, *py = all + y / 16 * EMULATE_SLOT + n + y % 16 * size;
            if (p->in == FRIT_i8) i += (signed char)*px * (signed char)*py;
            else f = __builtin_fmaf(wide(p->in, px), wide(p->in, py), f);
        }
        if (p->in == FRIT_i8) memcpy(to, &i, 4);
        else memcpy(to, &f, 4);
    }
}

/* ------------ asynchronous copies */
static void touch(const void *p, int n, bool write);

static void do_copy(const copy *c) {
    if (c->inside) memcpy(c->to, c->from, (size_t)c->bytes);
    else memset(c->to, 0, (size_t)c->bytes);
}

void emulate_copy(void *to, const void *from, int bytes, bool inside) {
    fiber *f = &m.fibers[m.current];
    if ((uintptr_t)to % (uintptr_t)bytes || (inside && (uintptr_t)from % (uintptr_t)bytes)) fail("a copy of %lld bytes is not aligned", bytes, 0);
    if (!f->copies) f->copies = (copy *)malloc(sizeof(copy) * MOST_COPIES);
    if (f->n_copies == MOST_COPIES) fail("more than %lld copies under way", MOST_COPIES, 0);
    copy c = {to, from, bytes, f->committed, inside};
    touch(to, bytes, true);
    if (inside) touch(from, bytes, false);
    if (m.late) memset(to, 0xff, (size_t)bytes);
    else do_copy(&c);
    f->copies[f->n_copies++] = c;
}

void copy_commit() { m.fibers[m.current].committed++; }

void emulate_wait(int pending) {
    fiber *f = &m.fibers[m.current];
    int left = 0;
    for (int i = 0; i < f->n_copies; i++) {
        copy *c = &f->copies[i];
        bool finished = c->group < f->committed - pending;
        if (finished && m.late) do_copy(c);
        if (!finished) f->copies[left++] = *c;
    }
    f->n_copies = left;
}

/* ------------ sm_90a */
static void wait_for(const void *what, long long until) {
    m.fibers[m.current].waits_for = what, m.fibers[m.current].until = until;
    suspend(WAITS);
}

void part_barrier(int number, int threads) {
    part *p = &m.parts[m.current / m.block][number];
    long long round = p->round;
    if (number < 1 || number >= PARTS || threads % 32) fail("barrier %lld for %lld threads", number, threads);
    if (++p->arrived > threads) fail("more than %lld threads come to barrier %lld", threads, number);
    if (p->arrived == threads) p->arrived = 0, p->round++;
    wait_for(p, round);
}

void mbarrier_init(unsigned long long *bar, unsigned n) {
    int i = 0;
    while (i < m.n_mbarriers && m.mbarriers[i].at != bar) i++;
    if (i == MOST_MBARRIERS || (uintptr_t)bar % 8) fail("no room for an mbarrier", 0, 0);
    if (i == m.n_mbarriers) m.n_mbarriers++;
    m.mbarriers[i] = mbarrier{bar, n, n, 0, 0};
}

void emulate_arrive(unsigned long long *bar, long long bytes) {
    mbarrier *b = mbarrier_at(bar);
    b->expected += bytes;
    if (b->pending-- == 0) fail("more arrivals than the mbarrier's %lld", b->count, 0);
    settle(b);
}

void mbarrier_wait(unsigned long long *bar, long long parity) {
    mbarrier_at(bar);
    wait_for(bar, parity & 1);
}

void emulate_map(void *map, void *base, int bytes, int rank, int swizzle, const long long *extents, const long long *strides, const int *b,
                 const int *steps) {
    fake_map f = {FAKE_MAP_MAGIC, (unsigned)rank, (unsigned)bytes, (unsigned)swizzle, (char *)base, {}, {}, {}, {}};
    for (int i = 0; i < rank; i++) {
        f.extents[i] = (unsigned long long)extents[i];
        if (i) f.strides[i - 1] = (unsigned long long)(strides[i - 1] * bytes);
        f.box[i] = (unsigned char)(b[i] - 1);
        f.step[i] = (unsigned char)steps[i];
    }
    memset(map, 0, 128);
    for (int i = 0; i < rank; i++)
        if (!extents[i]) return; /* an empty tensor has no map */
    memcpy(map, &f, sizeof f);
}

static void start_load(void *to, unsigned char *data, long long bytes, unsigned swizzle, const void *bar) {
    box b = {(unsigned char *)to, data, bytes, swizzle, bar};
    long long at = b.to - memory_around(to);
    if (at % (swizzle > 16 ? 8 * swizzle : 16)) fail("byte %lld of the block's memory is not aligned", at, 0);
    if (!m.late) return arrive_box(&b);
    memset(to, 0xff, (size_t)bytes);
    if (m.n_boxes == MOST_BOXES) fail("more than %lld boxes under way", MOST_BOXES, 0);
    m.boxes[m.n_boxes++] = b;
}

static void start_store(void *to, const void *from, long long bytes);

void emulate_box(void *at, const void *map, unsigned long long *bar, const long long *c) {
    fake_map f;
    memcpy(&f, map, sizeof f);
    if (f.magic != FAKE_MAP_MAGIC) fail("this is no tensor map", 0, 0);
    long long elements = 1;
    for (unsigned i = 0; i < f.rank; i++) elements *= f.box[i] + 1;
    unsigned char *data = (unsigned char *)calloc((size_t)elements, f.bytes), *memory = memory_around(at);
    for (long long k = 0; k < elements; k++) {
        long long rest = k, from = 0, place = (unsigned char *)at - memory + k * f.bytes;
        bool inside = true;
        for (unsigned i = 0; i < f.rank; rest /= f.box[i] + 1, i++) {
            long long x = c[i] + rest % (f.box[i] + 1) * f.step[i];
            inside = inside && x >= 0 && x < (long long)f.extents[i];
            from += x * (long long)(i ? f.strides[i - 1] : f.bytes);
        }
        place ^= place >> 3 & (f.swizzle - 16);
        if (inside && bar) memcpy(data + k * f.bytes, f.base + from, f.bytes);
        if (inside && !bar) start_store(f.base + from, memory + place, f.bytes);
    }
    if (bar) start_load(at, data, elements * f.bytes, f.swizzle, bar);
    else free(data);
}

void bulk_load(void *to, const void *from, long long bytes, unsigned long long *bar) {
    if (bytes % 16 || (uintptr_t)from % 16) fail("a bulk copy of %lld bytes", bytes, 0);
    unsigned char *data = (unsigned char *)malloc((size_t)bytes);
    memcpy(data, from, (size_t)bytes);
    start_load(to, data, bytes, 16, bar);
}
static void start_store(void *to, const void *from, long long bytes) {
    if (!m.late) {
        memcpy(to, from, (size_t)bytes);
        return;
    }
    fiber *f = &m.fibers[m.current];
    memset(to, 0xff, (size_t)bytes);
    store *c = (store *)malloc(sizeof *c);
    *c = store{(unsigned char *)to, (const unsigned char *)from, (int)bytes, f->stores_committed, nullptr};
    *f->last_store = c;
    f->last_store = &c->next;
}

void bulk_store(void *to, const void *from, long long bytes) {
    if (bytes % 16 || (uintptr_t)to % 16 || (uintptr_t)from % 16) fail("a bulk copy of %lld bytes", bytes, 0);
    start_store(to, from, bytes);
}
void bulk_commit() { m.fibers[m.current].stores_committed++; }

void emulate_bulk_wait(int pending) {
    fiber *f = &m.fibers[m.current];
    while (f->stores && f->stores->group < f->stores_committed - pending) {
        store *c = f->stores;
        memcpy(c->to, c->from, (size_t)c->bytes);
        if (!(f->stores = c->next)) f->last_store = &f->stores;
        free(c);
    }
}

/* ------------ products of four warps, late */
bool emulate_is_late() { return m.late; }
void wgmma_commit() { m.fibers[m.current].products_committed++; }

/* The accumulator that the nonsense at c names. */
static accumulator *accumulator_at(const void *c, int n, accumulator ***link) {
    unsigned id;
    memcpy(&id, c, sizeof id);
    for (accumulator **at = &m.fibers[m.current].accumulators; *at; at = &(*at)->next)
        if ((*at)->id == id && (*at)->n == n) return *link = at, *at;
    return nullptr;
}

void emulate_later(void *c, int n, void (*run)(void *, void *), void *product) {
    static unsigned last;
    fiber *f = &m.fibers[m.current];
    accumulator **link, *a = accumulator_at(c, n, &link);
    if (n > (int)sizeof a->value) fail("an accumulator of %lld bytes", n, 0);
    if (!a) {
        a = (accumulator *)calloc(1, sizeof *a);
        memcpy(a->value, c, (size_t)n);
        a->n = n, a->last = &a->first, a->next = f->accumulators;
        f->accumulators = a;
    }
    a->id = 0x7fd00000u | (++last & 0xfffff);
    accumulator::step *s = (accumulator::step *)malloc(sizeof *s);
    *s = accumulator::step{run, product, f->products_committed, nullptr};
    *a->last = s;
    a->last = &s->next;
    memset(c, 0xff, (size_t)n);
    memcpy(c, &a->id, sizeof a->id);
}

void emulate_products_wait(int pending) {
    fiber *f = &m.fibers[m.current];
    for (accumulator *a = f->accumulators; a; a = a->next) {
        accumulator::step *s;
        while ((s = a->first) && s->group < f->products_committed - pending) {
            s->run(s->product, a->value);
            if (!(a->first = s->next)) a->last = &a->first;
            free(s->product);
            free(s);
        }
    }
}

void emulate_take(void *c, int n) {
    accumulator **link, *a = accumulator_at(c, n, &link);
    if (!a || a->first) return;
    memcpy(c, a->value, (size_t)n);
    *link = a->next;
    free(a);
}

/* ------------ races: what has been done to each byte since the last barrier */
struct shadow {
    uintptr_t address;
    uint64_t write_epoch, read_epoch;
    int writer, reader; /* reader -1: several */
};
static shadow *table;

static shadow *shadow_of(uintptr_t a) {
    if (!table) table = (shadow *)calloc(SLOTS, sizeof *table);
    size_t i = (a * 0x9e3779b97f4a7c15u) >> 44;
    for (int probes = 0; probes < 64; probes++, i = (i + 1) & (SLOTS - 1)) {
        shadow *s = &table[i];
        if (s->address == a) return s;
        if (s->address && (s->write_epoch == m.epoch || s->read_epoch == m.epoch)) continue;
        *s = shadow{a, 0, 0, 0, 0};
        return s;
    }
    return nullptr;
}

static bool is_private(uintptr_t a) { return a >= (uintptr_t)m.stacks && a < (uintptr_t)m.stacks + (uintptr_t)STACK * MOST_THREADS; }

[[noreturn]] static void race(const void *p, const char *does, int other, const char *has) {
    long long at = (const unsigned char *)p - memory_around(p);
    char who[32] = "several threads have", what[160];
    if (other >= 0) snprintf(who, sizeof who, "thread %d has", other);
    snprintf(what, sizeof what, "a race: %s what %s %s, at %s", does, who, has,
             at >= 0 && at < EMULATE_MOST_SHARED ? "byte %lld of the block's memory" : "an address in global memory");
    fail(what, at, 0);
}

static void touch(const void *p, int n, bool write) {
    if (!m.stacks || is_private((uintptr_t)p)) return;
    for (int i = 0; i < n; i++) {
        shadow *s = shadow_of((uintptr_t)p + (uintptr_t)i);
        if (!s) continue;
        if (s->write_epoch == m.epoch && s->writer != m.current) race(p, write ? "writes" : "reads", s->writer, "written");
        if (write && s->read_epoch == m.epoch && s->reader != m.current) race(p, "writes", s->reader, "read");
        if (write) s->write_epoch = m.epoch, s->writer = m.current;
        else s->reader = s->read_epoch == m.epoch && s->reader != m.current ? -1 : m.current, s->read_epoch = m.epoch;
    }
}

/* What -fsanitize=thread calls. */
extern "C" {
#define HOOKS(n)                                                                                                       \
    void __tsan_read##n(void *p) { touch(p, n, false); }                                                               \
    void __tsan_write##n(void *p) { touch(p, n, true); }                                                               \
    void __tsan_unaligned_read##n(void *p) { touch(p, n, false); }                                                     \
    void __tsan_unaligned_write##n(void *p) { touch(p, n, true); }                                                     \
    void __tsan_read_write##n(void *p) { touch(p, n, false), touch(p, n, true); }
HOOKS(1) HOOKS(2) HOOKS(4) HOOKS(8) HOOKS(16)
void __tsan_read_range(void *p, size_t n) { touch(p, (int)n, false); }
void __tsan_write_range(void *p, size_t n) { touch(p, (int)n, true); }
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}
void __tsan_init() {}
void *__tsan_memset(void *p, int c, size_t n) { return touch(p, (int)n, true), memset(p, c, n); }
void *__tsan_memcpy(void *to, const void *from, size_t n) {
    touch(from, (int)n, false), touch(to, (int)n, true);
    return memcpy(to, from, n);
}
}
