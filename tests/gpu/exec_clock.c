/* Races where more orders accesses than barriers of the whole block: mbarriers, barriers of parts, asynchronous engines.
 *
 * Every access is stamped with the epoch, which grows at each op that orders anything. A thread has a row of clocks: for every
 * actor the epoch below which that actor's accesses are ordered before what the thread does next. Ops that order join rows
 * (vector clocks; Flanagan and Freund, "FastTrack: efficient and precise dynamic race detection", 2009). Actors are the
 * threads, and behind them the engine that brings bulk copies, the one that takes them, and the tensor core of each group of
 * four warps. Behind the actors a row has, by thread, the epoch below which that thread's writes are known to be fenced for the
 * asynchronous proxy. */
#include "exec_internal.h"
#include <string.h>

enum { GROUP = 128, WARP_SIZE = 32 };
/* An entry of the readers of a cell: epoch << 22 | op << 6 | many lanes << 5 | lane. A cell of shared memory has in `r` a
 * bit for each reader (each few, in large clusters) that is noted: what the others hold means nothing. */
enum { READ_EPOCH = 22, READ_OP = 6, READ_MANY = 1 << 5 };

int exec_tensor_core(const exec_context *x, int thread) { return x->k->clock->threads + ENGINE_COUNT * x->k->cluster + thread / GROUP; }
int exec_engine(const exec_context *x, exec_engine_kind e, int block) { return x->k->clock->threads + ENGINE_COUNT * block + (int)e; }

exec_clock *exec_clock_new(exec_kernel *k, int64_t cells) {
    exec_clock *c = arena_new_of(k->a, exec_clock);
    c->threads = k->threads;
    c->block = k->block;
    c->warps = (k->threads + WARP_SIZE - 1) / WARP_SIZE;
    c->actors = k->threads + ENGINE_COUNT * k->cluster + (k->threads + GROUP - 1) / GROUP;
    c->width = c->actors + c->threads;
    c->base = arena_array(k->a, uint64_t, k->cluster);
    c->rows = arena_array(k->a, uint64_t, (int64_t)c->width * c->threads);
    c->fenced = arena_array(k->a, uint64_t, c->threads);
    c->n_readers = c->warps + c->actors - c->threads;
    c->readers_a_bit = (c->n_readers + 63) / 64;
    c->readers = arena_array(k->a, uint64_t, c->n_readers * (cells + 1));
    return c;
}

static uint64_t *row_of(const exec_clock *c, int t) { return c->rows + (int64_t)c->width * t; }

void exec_clock_block(exec_context *x) {
    exec_clock *c = x->k->clock;
    if (!c) return;
    c->all = x->block_epoch;
    for (int b = 0; b < x->k->cluster; b++) c->base[b] = x->block_epoch;
}

/* ---- Ops that order ---------------------------------------------------------------------------------------------- */
static void most(uint64_t *to, const uint64_t *from, int n) {
    for (int i = 0; i < n; i++) to[i] = to[i] > from[i] ? to[i] : from[i];
}

int64_t exec_clock_width(const exec_context *x) { return x->k->clock->width; }

void exec_clock_tell(exec_context *x, int t, uint64_t *m) {
    const exec_clock *c = x->k->clock;
    most(m, row_of(c, t), c->width);
    m[t] = x->epoch + 1;
}

void exec_clock_learn(exec_context *x, int t, const uint64_t *m) {
    const exec_clock *c = x->k->clock;
    most(row_of(c, t), m, c->width);
}

void exec_clock_knows(exec_context *x, int t, int actor, uint64_t epoch) {
    uint64_t *at = &row_of(x->k->clock, t)[actor];
    if (*at < epoch) *at = epoch;
}

void exec_clock_fence(exec_context *x, int t) { row_of(x->k->clock, t)[x->k->clock->actors + t] = x->epoch + 1; }

/* Actors lo .. hi - 1: what one of the threads from .. to - 1 knows of them, all of these know. */
static void share_actors(exec_clock *c, int lo, int hi, int from, int to) {
    for (int a = lo; a < hi; a++) {
        uint64_t latest = 0;
        for (int t = from; t < to; t++) latest = latest > row_of(c, t)[a] ? latest : row_of(c, t)[a];
        for (int t = from; t < to; t++) row_of(c, t)[a] = latest;
    }
}

/* The blocks of which threads take part come to their barriers. */
void exec_clock_barrier(exec_context *x) {
    exec_clock *c = x->k->clock;
    int n = x->k->block;
    x->epoch++;
    if (x->cluster) exec_cluster_block_barrier(x);
    if (!c) return;
    if (x->k->cluster == 1) c->all = x->epoch;
    for (int b = x->mask.lo / n; b * n < x->mask.hi; b++) {
        if (!x->mask.on[b * n]) continue;
        int from = b * n, to = from + n;
        c->base[b] = x->epoch;
        for (int t = from; t < to; t++) c->fenced[t] = row_of(c, t)[c->actors + t];
        share_actors(c, 0, from, from, to);
        share_actors(c, to, c->actors, from, to);
        if (x->k->cluster > 1) share_actors(c, c->actors, c->width, from, to);
    }
}

void exec_clock_cluster_barrier(exec_context *x) {
    exec_clock *c = x->k->clock;
    if (!c) return;
    c->all = x->epoch;
    for (int b = 0; b < x->k->cluster; b++) c->base[b] = x->epoch;
    for (int t = 0; t < c->threads; t++) c->fenced[t] = row_of(c, t)[c->actors + t];
    share_actors(c, c->threads, c->actors, 0, c->threads);
}

/* ---- What is ordered --------------------------------------------------------------------------------------------- */
/* Behind barriers of the block, where both are of one, or of the cluster. */
static bool behind(const exec_clock *c, int actor, uint64_t e, int t) {
    return e < c->all || (actor / c->block == t / c->block && e < c->base[t / c->block]);
}

static bool ordered(const exec_clock *c, int actor, uint64_t e, int t) {
    return (actor < c->threads && behind(c, actor, e, t)) || e < row_of(c, t)[actor];
}

bool exec_clock_told(const exec_context *x, int t, uint64_t e, int block) {
    for (int u = block * x->k->block; u < (block + 1) * x->k->block; u++)
        if (ordered(x->k->clock, t, e, u)) return true;
    return false;
}

static bool warp_ordered(const exec_clock *c, int warp, uint64_t e, int t) {
    if (behind(c, warp * WARP_SIZE, e, t)) return true;
    for (int l = warp * WARP_SIZE; l < (warp + 1) * WARP_SIZE && l < c->threads; l++)
        if (l != t && !ordered(c, l, e, t)) return false;
    return true;
}

static uint64_t since(const exec_context *x, const exec_root *r) { return r->kind == ROOT_SHARED ? x->block_epoch : x->launch_epoch; }

static void race(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t g, const char *does, const char *did, uint64_t op,
                 int actor, bool other) {
    const exec_inst *with = x->k->insts[op % (uint64_t)x->k->n_inst];
    char who[64] = "another block";
    if (!other && actor < x->threads) snprintf(who, sizeof who, "thread %d", actor);
    else if (!other) snprintf(who, sizeof who, "the asynchronous proxy");
    exec_fail(x, i, t, "race: %s byte %lld of %s, which %s %s %s: %s", does, (long long)exec_said(x, r, g * r->granule), exec_root_name(x, r), who, did,
              other ? "in the same launch" : "with nothing that orders the two", ir_op_table[with->op->code].name);
}

/* The latest write is ordered before what thread t (with others, if whole) does. */
static bool after_write(exec_context *x, const exec_inst *i, const exec_root *r, const exec_cell *cell, int t, int64_t g, bool whole,
                        const char *does) {
    const exec_clock *c = x->k->clock;
    uint64_t e = cell->w >> CELL_W_SHIFT, op = cell->w >> CELL_OP_SHIFT & 0xffff;
    int actor = (int)(cell->w & CELL_THREAD);
    if (e < since(x, r)) return true;
    if (cell->w & CELL_FLAG) {
        exec_fail(x, i, t, "byte %lld of %s is the destination of an asynchronous copy that no wait has covered", (long long)exec_said(x, r, g * r->granule),
                  exec_root_name(x, r));
        return false;
    }
    bool other = e < x->block_epoch;
    int as = actor == t && whole ? (t ? t - 1 : t + 1) : t; /* the others are not ordered by being the writer */
    if (!other && (actor == as || as >= c->threads || ordered(c, actor, e, as))) return true;
    return race(x, i, r, t, g, does, "writes", op, actor, other), false;
}

static uint64_t *readers_of(const exec_context *x, const exec_root *r, int64_t g) {
    const exec_clock *c = x->k->clock;
    return c->readers + c->n_readers * (r->cells + g - x->k->shared_cells);
}

/* ---- Reads ------------------------------------------------------------------------------------------------------- */
/* The entry of a reader, 0 where it is not noted yet. */
static uint64_t *note(const exec_context *x, const exec_root *r, int64_t g, int reader) {
    const exec_clock *c = x->k->clock;
    uint64_t *readers = readers_of(x, r, g), bit = UINT64_C(1) << reader / c->readers_a_bit;
    if (!(r->cells[g].r & bit))
        for (int k = reader - reader % c->readers_a_bit, n = 0; n < c->readers_a_bit && k < c->n_readers; n++) readers[k++] = 0;
    r->cells[g].r |= bit;
    return &readers[reader];
}

static void note_warp(exec_context *x, const exec_inst *i, const exec_root *r, int64_t g, int warp, int t, bool many) {
    const exec_clock *c = x->k->clock;
    uint64_t *entry = note(x, r, g, warp), e = *entry >> READ_EPOCH;
    int lane = (int)(*entry & 31);
    if (e == x->epoch && *entry & READ_MANY) return; /* nothing new */
    if (e >= x->block_epoch && ((*entry & READ_MANY) || warp * WARP_SIZE + lane != t) &&
        !((*entry & READ_MANY) ? warp_ordered(c, warp, e, t) : ordered(c, warp * WARP_SIZE + lane, e, t)))
        many = true;
    *entry = x->epoch << READ_EPOCH | (uint64_t)(i->id & 0xffff) << READ_OP | (many ? READ_MANY : 0) | (uint64_t)(t % WARP_SIZE);
}

static bool read_shared(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t g, int whole) {
    exec_cell *cell = &r->cells[g];
    if (cell->w >> CELL_W_SHIFT < x->block_epoch) {
        exec_fail(x, i, t, "reads byte %lld of shared memory, which nothing has written", (long long)exec_said(x, r, g * r->granule));
        return false;
    }
    if (!after_write(x, i, r, cell, t, g, whole, "reads")) return false;
    note_warp(x, i, r, g, t / WARP_SIZE, t, whole);
    for (int w = x->mask.lo / WARP_SIZE; whole == EXEC_ALL && w <= (x->mask.hi - 1) / WARP_SIZE; w++)
        if (w != t / WARP_SIZE) note_warp(x, i, r, g, w, w * WARP_SIZE, true);
    return true;
}

/* The reads that a cell of global memory notes are ordered before what thread t does: then t's stand for them. */
static bool reads_ordered(const exec_clock *c, uint64_t r, int t) {
    uint64_t e = r >> CELL_R_SHIFT;
    int actor = (int)(r & CELL_THREAD);
    if (e < c->all) return true;
    if (!(r & CELL_FLAG)) return actor == t || ordered(c, actor, e, t);
    for (int w = 0; w < c->warps; w++)
        if (!warp_ordered(c, w, e, t)) return false;
    return true;
}

static bool read_global(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t g, int whole) {
    exec_cell *cell = &r->cells[g];
    if (!after_write(x, i, r, cell, t, g, whole, "reads")) return false;
    uint64_t e = cell->r >> CELL_R_SHIFT, flags = whole ? CELL_FLAG : 0;
    if (e == x->epoch && cell->r & CELL_FLAG) return true; /* nothing new */
    if (e >= x->launch_epoch) {
        flags |= e < x->block_epoch ? CELL_OTHER : cell->r & CELL_OTHER;
        if (e >= x->block_epoch && !reads_ordered(x->k->clock, cell->r, t)) flags |= CELL_FLAG;
    }
    cell->r = x->epoch << CELL_R_SHIFT | flags | (uint64_t)(i->id & 0xffff) << CELL_OP_SHIFT | (uint64_t)t;
    return true;
}

bool exec_clock_read(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int n, int whole) {
    for (int64_t g = at >> r->shift; g <= (at + n - 1) >> r->shift; g++)
        if (!(r->kind == ROOT_SHARED ? read_shared : read_global)(x, i, r, t, g, whole)) return false;
    return true;
}

/* ---- Writes ------------------------------------------------------------------------------------------------------ */
static bool after_reader(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t g, int k) {
    const exec_clock *c = x->k->clock;
    uint64_t entry = readers_of(x, r, g)[k], e = entry >> READ_EPOCH, op = entry >> READ_OP & 0xffff;
    if (e < x->block_epoch) return true;
    int actor = k < c->warps ? k * WARP_SIZE + (int)(entry & 31) : c->threads + k - c->warps;
    bool many = k < c->warps && entry & READ_MANY;
    if (many ? warp_ordered(c, k, e, t) : actor == t || ordered(c, actor, e, t)) return true;
    return race(x, i, r, t, g, "writes", "reads", op, actor, false), false;
}

static bool after_readers(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t g) {
    const exec_clock *c = x->k->clock;
    exec_cell *cell = &r->cells[g];
    for (uint64_t left = cell->r; left; left &= left - 1) {
        int first = __builtin_ctzll(left) * c->readers_a_bit;
        for (int k = first; k < first + c->readers_a_bit && k < c->n_readers; k++)
            if (!after_reader(x, i, r, t, g, k)) return false;
    }
    cell->r = 0;
    return true;
}

static bool after_global_readers(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t g) {
    const exec_clock *c = x->k->clock;
    const exec_cell *cell = &r->cells[g];
    uint64_t e = cell->r >> CELL_R_SHIFT, op = cell->r >> CELL_OP_SHIFT & 0xffff;
    int actor = (int)(cell->r & CELL_THREAD);
    if (e < x->launch_epoch) return true;
    bool other = e < x->block_epoch || cell->r & CELL_OTHER;
    if (reads_ordered(c, cell->r, t) && !other) return true;
    return race(x, i, r, t, g, "writes", "reads", op, actor, other), false;
}

/* What the asynchronous proxy reads or overwrites, its writer has fenced. */
static bool is_fenced(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t g, const char *does) {
    const exec_clock *c = x->k->clock;
    const exec_cell *cell = &r->cells[g];
    uint64_t e = cell->w >> CELL_W_SHIFT;
    int writer = (int)(cell->w & CELL_THREAD);
    if (e < x->block_epoch || writer >= c->threads || e < c->fenced[writer] || e < row_of(c, t)[c->actors + writer]) return true;
    exec_fail(x, i, t, "the asynchronous proxy %s byte %lld of shared memory, which thread %d writes with no fence_async after", does,
              (long long)exec_said(x, r, g * r->granule), writer);
    return false;
}

bool exec_clock_write(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int n, uint64_t flag) {
    uint64_t mine = x->epoch << CELL_W_SHIFT | flag | (uint64_t)(i->id & 0xffff) << CELL_OP_SHIFT | (uint64_t)t;
    bool by_proxy = i->op->code == IR_tensor_load || i->op->code == IR_bulk_load;
    for (int64_t g = at >> r->shift; g <= (at + n - 1) >> r->shift; g++) {
        if (!after_write(x, i, r, &r->cells[g], t, g, false, "writes")) return false;
        if (!(r->kind == ROOT_SHARED ? after_readers : after_global_readers)(x, i, r, t, g)) return false;
        if (r->kind == ROOT_SHARED && by_proxy && !is_fenced(x, i, r, t, g, "overwrites")) return false;
        r->cells[g].w = mine;
    }
    return true;
}

void exec_clock_landed(exec_context *x, const exec_inst *i, const exec_root *r, int actor, int64_t at, int n) {
    uint64_t mine = x->epoch << CELL_W_SHIFT | (uint64_t)(i->id & 0xffff) << CELL_OP_SHIFT | (uint64_t)actor;
    for (int64_t g = at >> r->shift; g <= (at + n - 1) >> r->shift; g++) r->cells[g].w = mine;
}

/* ---- The asynchronous proxy -------------------------------------------------------------------------------------- */
static bool proxy_may_read(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t g) {
    const exec_cell *cell = &r->cells[g];
    if (cell->w >> CELL_W_SHIFT < x->block_epoch) {
        exec_fail(x, i, t, "reads byte %lld of shared memory, which nothing has written", (long long)exec_said(x, r, g * r->granule));
        return false;
    }
    return after_write(x, i, r, cell, t, g, false, "reads") && is_fenced(x, i, r, t, g, "reads");
}

const char *exec_proxy_read(exec_context *x, const exec_inst *i, const exec_root *r, int t, int warps, int64_t at, int n, int actor, uint64_t *good) {
    if (r->kind != ROOT_SHARED) return exec_fail(x, i, t, "reads from elsewhere than shared memory"), NULL;
    if (!exec_bounds(x, i, r, t, at, n)) return NULL;
    int reader = x->k->clock->warps + actor - x->k->clock->threads;
    at = exec_place(x, r, t, at);
    for (int64_t g = at >> r->shift; g <= (at + n - 1) >> r->shift; g++) {
        bool known = *good && r->cells[g].w == *good;
        for (int w = 0; w < warps && !known; w++)
            if (!proxy_may_read(x, i, r, t + w * WARP_SIZE, g)) return NULL;
        *good = r->cells[g].w;
        *note(x, r, g, reader) = x->epoch << READ_EPOCH | (uint64_t)(i->id & 0xffff) << READ_OP;
    }
    return r->base + at;
}
