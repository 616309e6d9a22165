/* mbarriers, barriers of parts of a block, fences, shares of registers. PTX ISA: "mbarrier", "barrier", "setmaxnreg". */
#include "exec_async.h"
#include <stdlib.h>
#include <string.h>

enum { WARP_SIZE = 32, GROUP = 128, MOST_BYTES = (1 << 20) - 1 };

/* ---- mbarriers --------------------------------------------------------------------------------------------------- */
static int64_t place_of(const exec_context *x, const exec_inst *i, int t, const exec_root **r) {
    *r = &x->k->roots[i->in[0]->root];
    return exec_i64(i->in[0], t) + 8 * exec_i64(i->in[1], t);
}

static exec_mbarrier *find(exec_context *x, int64_t at) {
    for (int k = 0; k < x->async->n_mbarriers; k++)
        if (x->async->mbarriers[k].at == at) return &x->async->mbarriers[k];
    return NULL;
}

/* The number by which it is known: its byte in the shared memory of all blocks of the cluster. */
static int64_t key_of(const exec_context *x, const exec_root *r, int t, int64_t at) { return r->start + exec_place(x, r, t, at); }
static long long said(const exec_context *x, int64_t key) { return (long long)(x->k->cluster > 1 ? key % x->k->stride : key); }

/* The latest write to the cells was by mbarrier_init. */
static bool is_whole(const exec_context *x, const exec_root *r, int t, int64_t at) {
    const exec_cell *c = &r->cells[exec_place(x, r, t, at) >> r->shift];
    uint64_t op = c->w >> CELL_OP_SHIFT & 0xffff;
    return x->k->insts[op % (uint64_t)x->k->n_inst]->op->code == IR_mbarrier_init;
}

/* The mbarrier that thread t names, seen by it; NULL when there is none. */
static exec_mbarrier *named(exec_context *x, const exec_inst *i, int t) {
    const exec_root *r;
    int64_t at = place_of(x, i, t, &r);
    if (!exec_bounds(x, i, r, t, at, 8) || !exec_aligned(x, i, r, t, at, 8)) return NULL;
    exec_mbarrier *b = find(x, key_of(x, r, t, at));
    if (!b) return exec_fail(x, i, t, "there is no mbarrier at byte %lld of shared memory", said(x, key_of(x, r, t, at))), NULL;
    if (!exec_read(x, i, r, t, at, 8, false)) return NULL;
    if (!is_whole(x, r, t, at)) return exec_fail(x, i, t, "something else was written where the mbarrier was"), NULL;
    return b;
}

void exec_mbarrier_init(exec_context *x, const exec_inst *i) {
    exec_async *s = x->async;
    EACH_THREAD(x, t) {
        const exec_root *r;
        int64_t at = place_of(x, i, t, &r);
        if (r->kind != ROOT_SHARED || !exec_aligned(x, i, r, t, at, 8)) return exec_fail(x, i, t, "is no place for an mbarrier");
        char *p = exec_write(x, i, r, t, at, 8);
        if (!p) return;
        memset(p, 0xff, 8);
        exec_mbarrier *b = find(x, key_of(x, r, t, at));
        if (!b) {
            s->mbarriers = exec_grow(s->mbarriers, s->n_mbarriers, &s->cap_mbarriers, sizeof *b);
            b = &s->mbarriers[s->n_mbarriers++];
            b->now = exec_room(8 * (size_t)exec_clock_width(x)), b->last = exec_room(8 * (size_t)exec_clock_width(x));
        } else if (b->expected || b->pending != b->count)
            return exec_fail(x, i, t, "the mbarrier there is in the middle of a phase");
        *b = (exec_mbarrier){.at = key_of(x, r, t, at), .count = i->number, .pending = i->number, .now = b->now, .last = b->last};
        memset(b->now, 0, 8 * (size_t)exec_clock_width(x));
        memset(b->last, 0, 8 * (size_t)exec_clock_width(x));
    }
}

/* Ends the phase when all has come. */
static void settle(exec_context *x, exec_mbarrier *b) {
    if (b->pending || b->expected) return;
    uint64_t *t = b->last;
    b->last = b->now, b->now = t;
    memset(b->now, 0, 8 * (size_t)exec_clock_width(x));
    b->pending = b->count;
    b->phase++;
    exec_progress(x);
}

static bool count_bytes(exec_context *x, const exec_inst *i, int t, exec_mbarrier *b, int64_t bytes) {
    b->expected += bytes;
    if (b->expected <= MOST_BYTES && b->expected >= -MOST_BYTES) return true;
    return exec_fail(x, i, t, "an mbarrier can't expect %lld bytes", (long long)b->expected), false;
}

void exec_mbarrier_arrive(exec_context *x, const exec_inst *i) {
    EACH_THREAD(x, t) {
        exec_mbarrier *b = named(x, i, t);
        if (!b || (i->n_in > 2 && !count_bytes(x, i, t, b, exec_i64(i->in[2], t)))) return;
        if (b->pending-- == 0) return exec_fail(x, i, t, "more arrivals than the mbarrier's %lld in a phase", (long long)b->count);
        exec_clock_tell(x, t, b->now);
        settle(x, b);
    }
    x->epoch++;
}

bool exec_mbarrier_known(exec_context *x, const exec_inst *i, int t, const exec_root *r, int64_t at) {
    if (!exec_bounds(x, i, r, t, at, 8) || !exec_aligned(x, i, r, t, at, 8)) return false;
    if (!find(x, key_of(x, r, t, at))) return exec_fail(x, i, t, "there is no mbarrier at byte %lld of shared memory", said(x, key_of(x, r, t, at))), false;
    return exec_proxy_read(x, i, r, t, 1, at, 8, exec_engine(x, ENGINE_LOADS, exec_owner(x->k, t, at)), &(uint64_t){0});
}

void exec_mbarrier_complete(exec_context *x, const exec_inst *i, int64_t at, int64_t bytes) {
    exec_mbarrier *b = find(x, at);
    if (!b || !count_bytes(x, i, -1, b, -bytes)) return;
    b->now[exec_engine(x, ENGINE_LOADS, (int)(at / (x->k->stride ? x->k->stride : 1)))] = x->epoch + 1;
    x->epoch++;
    settle(x, b);
}

static bool may_pass(const exec_context *x, const exec_inst *i, const exec_mbarrier *b, int t) {
    return (b->phase & 1) != (exec_i64(i->in[2], t) & 1);
}

/* All that take part go on together. */
void exec_mbarrier_wait(exec_context *x, const exec_inst *i) {
    for (bool all = false; !all && !x->failed;) {
        all = true;
        EACH_THREAD(x, t) {
            exec_mbarrier *b = named(x, i, t);
            if (!b) return;
            if (may_pass(x, i, b, t)) continue;
            all = false;
            exec_pause(x, i, t);
            break;
        }
    }
    if (x->failed) return;
    EACH_THREAD(x, t) {
        exec_mbarrier *b = named(x, i, t);
        if (!b) return;
        exec_clock_learn(x, t, b->last);
    }
    x->epoch++;
    exec_progress(x);
}

/* ---- Barriers ---------------------------------------------------------------------------------------------------- */
/* The threads of one block that take part come to its barrier. */
static bool come(exec_context *x, const exec_inst *i, int id, exec_named *b, int from, int to) {
    int n = 0;
    for (int t = from; t < to; t++) n += x->mask.on[t];
    if (b->arrived && b->count != i->number) return exec_fail(x, i, from, "others come to barrier %d for %lld threads", id, (long long)b->count), false;
    if (!b->arrived) memset(b->now, 0, 8 * (size_t)exec_clock_width(x));
    b->count = i->number;
    b->arrived += n;
    if (b->arrived > b->count)
        return exec_fail(x, i, from, "%lld threads come to barrier %d, which is for %lld", (long long)b->arrived, id, (long long)b->count), false;
    for (int t = from; t < to; t++)
        if (x->mask.on[t]) exec_clock_tell(x, t, b->now);
    if (b->arrived < b->count) return true;
    uint64_t *t = b->last;
    b->last = b->now, b->now = t;
    b->arrived = 0;
    b->round++;
    exec_progress(x);
    return true;
}

void exec_part_barrier(exec_context *x, const exec_inst *i) {
    int id = (int)ir_get_int(i->op, IR_ATTR_barrier, 0), size = x->k->block, first = x->mask.lo / size, last = (x->mask.hi - 1) / size;
    int64_t round[EXEC_BLOCKS];
    if (!exec_whole_groups(x, i, WARP_SIZE, "warp")) return;
    if (i->number % WARP_SIZE) return exec_fail(x, i, -1, "%lld threads are no whole warps", (long long)i->number);
    for (int b = first; b <= last; b++) {
        exec_named *n = exec_named_at(x, b, id);
        round[b] = n->round;
        int from = b == first ? x->mask.lo : b * size, to = b == last ? x->mask.hi : (b + 1) * size;
        if (!come(x, i, id, n, from, to)) return;
    }
    x->epoch++;
    for (int b = first; b <= last; b++)
        while (exec_named_at(x, b, id)->round == round[b] && !x->failed) exec_pause(x, i, x->mask.lo);
    if (!x->failed) EACH_THREAD(x, t) exec_clock_learn(x, t, exec_named_at(x, t / size, id)->last);
    exec_progress(x);
}

void exec_warp_barrier(exec_context *x, const exec_inst *i) {
    if (!exec_whole_groups(x, i, WARP_SIZE, "warp")) return;
    uint64_t *m = exec_room(8 * (size_t)exec_clock_width(x));
    for (int w = x->mask.lo / WARP_SIZE * WARP_SIZE; w < x->mask.hi; w += WARP_SIZE) {
        memset(m, 0, 8 * (size_t)exec_clock_width(x));
        for (int t = w; t < w + WARP_SIZE && t < x->mask.hi; t++)
            if (x->mask.on[t]) exec_clock_tell(x, t, m);
        for (int t = w; t < w + WARP_SIZE && t < x->mask.hi; t++)
            if (x->mask.on[t]) exec_clock_learn(x, t, m);
    }
    x->epoch++;
    free(m);
}

void exec_fence_async(exec_context *x, const exec_inst *i) {
    EACH_THREAD(x, t) exec_clock_fence(x, t);
    x->epoch++;
}

/* ---- Registers: what is taken must have been given up by others -------------------------------------------------------- */
void exec_registers(exec_context *x, const exec_inst *i) {
    enum { ALL = 65536, STEP = 8, MOST = 248 };
    exec_async *s = x->async;
    int64_t start = ALL / x->k->block / STEP * STEP;
    if (start > MOST) start = MOST;
    if (!exec_whole_groups(x, i, GROUP, "group of four warps")) return;
    for (int g = x->mask.lo / GROUP; g * GROUP < x->mask.hi; g++) {
        if (!x->mask.on[g * GROUP]) continue;
        int64_t had = s->registers[g] ? s->registers[g] : start, more = (i->number - had) * GROUP;
        int64_t *pool = &s->pool[g * GROUP / x->k->block];
        while (more > *pool && !x->failed) exec_pause(x, i, g * GROUP);
        *pool -= more;
        s->registers[g] = i->number;
        exec_progress(x);
    }
}
