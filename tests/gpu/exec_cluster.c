/* Clusters: their blocks go through the program in step, as threads of one large block, each with shared memory of its own. What
 * is checked besides, in kernels with a clock and without: another block's memory is touched only once that block is known to
 * run, and the block does not leave before it knows that the others are done with its memory. PTX ISA: "Cooperative Thread
 * Arrays", "mapa", "barrier.cluster".
 *
 * Without a clock, accesses of two threads are ordered by barriers alone: of their block where they are of one, else of the
 * cluster. A cell notes its latest read; CELL_OTHER says that since the cluster's last barrier threads of several blocks have read. */
#include "exec_async.h"
#include <string.h>

/* The latest touch of a block's memory by a thread of another. */
typedef struct reach {
    uint64_t epoch;
    const exec_inst *inst;
} reach;

struct exec_cluster {
    uint64_t all;  /* accesses before lie behind a barrier of the cluster */
    uint64_t *own; /* by block: behind one of the block */
    reach *reached; /* by block, by thread */
};

/* ---- A launch ---------------------------------------------------------------------------------------------------- */
void exec_cluster_open(exec_context *x) {
    const exec_kernel *k = x->k;
    if (k->cluster == 1) return;
    struct exec_cluster *c = x->cluster = exec_room(sizeof *c);
    c->own = exec_room(sizeof *c->own * (size_t)k->cluster);
    c->reached = exec_room(sizeof *c->reached * (size_t)(k->cluster * k->threads));
}

void exec_cluster_begin(exec_context *x) {
    struct exec_cluster *c = x->cluster;
    if (!c) return;
    c->all = x->block_epoch;
    for (int b = 0; b < x->k->cluster; b++) c->own[b] = x->block_epoch;
    memset(c->reached, 0, sizeof *c->reached * (size_t)(x->k->cluster * x->k->threads));
}

/* Every touch of a block's memory lies before something that the block knows of. */
void exec_cluster_end(exec_context *x) {
    const struct exec_cluster *c = x->cluster;
    for (int b = 0; c && b < x->k->cluster; b++)
        for (int t = 0; t < x->k->threads; t++) {
            const reach *r = &c->reached[b * x->k->threads + t];
            if (r->epoch < c->all || r->epoch < x->block_epoch) continue;
            if (x->k->clock && exec_clock_told(x, t, r->epoch, b)) continue;
            return exec_fail(x, r->inst, t, "block %d of the cluster may have left when its shared memory is touched", b);
        }
}

void exec_cluster_close(exec_context *x) {
    if (!x->cluster) return;
    free(x->cluster->own), free(x->cluster->reached);
    free(x->cluster);
}

/* ---- Order ------------------------------------------------------------------------------------------------------- */
void exec_cluster_block_barrier(exec_context *x) {
    int n = x->k->block;
    for (int b = x->mask.lo / n; b * n < x->mask.hi; b++)
        if (x->mask.on[b * n]) x->cluster->own[b] = x->epoch;
}

bool exec_cluster_reach(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at) {
    struct exec_cluster *c = x->cluster;
    int owner = exec_owner(x->k, t, at);
    if (owner == t / x->k->block) return true;
    if (c->all == x->block_epoch) return exec_fail(x, i, t, "touches shared memory of block %d of the cluster, which may not run yet", owner), false;
    c->reached[owner * x->k->threads + t] = (reach){x->epoch, i};
    return true;
}

/* What thread `of` did at epoch e is ordered before what t does; `same`: t's own, and no one else's, is. */
static bool ordered(const exec_context *x, int of, uint64_t e, int t, bool same) {
    const struct exec_cluster *c = x->cluster;
    if (of / x->k->block != t / x->k->block) return e < c->all;
    return e < c->own[t / x->k->block] || (same && of == t);
}

static uint64_t since(const exec_context *x, const exec_root *r) { return r->kind == ROOT_SHARED ? x->block_epoch : x->launch_epoch; }

static bool after_write(exec_context *x, const exec_inst *i, const exec_root *r, const exec_cell *c, int t, int64_t at, bool whole, const char *does) {
    uint64_t e = c->w >> CELL_W_SHIFT;
    int by = (int)(c->w & CELL_THREAD);
    if (e < since(x, r)) return true;
    if (c->w & CELL_FLAG) {
        exec_fail(x, i, t, "byte %lld of %s is the destination of an asynchronous copy that no copy_wait has covered", (long long)exec_said(x, r, at),
                  exec_root_name(x, r));
        return false;
    }
    bool other = e < x->block_epoch;
    if (!other && ordered(x, by, e, t, !whole)) return true;
    return exec_race(x, i, r, t, exec_said(x, r, at), does, "writes", c->w, other, false), false;
}

static bool after_reads(exec_context *x, const exec_inst *i, const exec_root *r, const exec_cell *c, int t, int64_t at) {
    uint64_t e = c->r >> CELL_R_SHIFT;
    int by = (int)(c->r & CELL_THREAD);
    if (e < since(x, r)) return true;
    bool other = e < x->block_epoch, many = c->r & CELL_FLAG, blocks = c->r & CELL_OTHER;
    if (!other && (blocks ? e < x->cluster->all : ordered(x, by, e, t, !many))) return true;
    return exec_race(x, i, r, t, exec_said(x, r, at), "writes", "reads", c->r, other, many), false;
}

/* ---- Accesses, at bytes behind exec_place --------------------------------------------------------------------------- */
bool exec_cluster_read(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int n, bool whole) {
    uint64_t mine = x->epoch << CELL_R_SHIFT | (uint64_t)(i->id & 0xffff) << CELL_OP_SHIFT | (uint64_t)t | (whole ? CELL_FLAG : 0);
    for (int64_t g = at >> r->shift; g <= (at + n - 1) >> r->shift; g++) {
        exec_cell *c = &r->cells[g];
        uint64_t e = c->r >> CELL_R_SHIFT, flags = 0;
        int by = (int)(c->r & CELL_THREAD);
        if (r->kind == ROOT_SHARED && c->w >> CELL_W_SHIFT < x->block_epoch)
            return exec_fail(x, i, t, "reads byte %lld of shared memory, which nothing has written", (long long)exec_said(x, r, g * r->granule)), false;
        if (!after_write(x, i, r, c, t, g * r->granule, whole, "reads")) return false;
        if (e >= since(x, r)) {
            bool apart = by / x->k->block != t / x->k->block;
            if (e < x->block_epoch || ((apart || (c->r & CELL_OTHER)) && e >= x->cluster->all)) flags |= CELL_OTHER;
            if ((c->r & CELL_FLAG) || by != t) flags |= e >= x->cluster->own[t / x->k->block] ? CELL_FLAG : 0;
        }
        c->r = mine | flags;
    }
    return true;
}

bool exec_cluster_write(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int n, uint64_t flag) {
    uint64_t mine = x->epoch << CELL_W_SHIFT | flag | (uint64_t)(i->id & 0xffff) << CELL_OP_SHIFT | (uint64_t)t;
    for (int64_t g = at >> r->shift; g <= (at + n - 1) >> r->shift; g++) {
        exec_cell *c = &r->cells[g];
        if (!after_write(x, i, r, c, t, g * r->granule, false, "writes") || !after_reads(x, i, r, c, t, g * r->granule)) return false;
        c->w = mine;
    }
    return true;
}

/* ---- Ops --------------------------------------------------------------------------------------------------------- */
void exec_cluster_rank(exec_context *x, const exec_inst *i) {
    int64_t *d = (int64_t *)(void *)i->out->p;
    for (int t = 0; t < x->threads; t++) d[t] = t / x->k->block;
}

void exec_cluster_ptr(exec_context *x, const exec_inst *i) {
    EACH_THREAD(x, t) {
        int64_t rank = exec_i64(i->in[1], t), at = exec_i64(i->in[0], t) + ((rank + 1) << EXEC_RANK_SHIFT);
        if (rank < 0 || rank >= x->k->cluster) return exec_fail(x, i, t, "the cluster has no block %lld", (long long)rank);
        memcpy(i->out->p + (i->out->uniform ? 0 : 8 * t), &at, 8);
    }
}

void exec_cluster_barrier(exec_context *x, const exec_inst *i) {
    if (!exec_whole_groups(x, i, x->threads, "cluster")) return;
    x->epoch++;
    x->cluster->all = x->epoch;
    for (int b = 0; b < x->k->cluster; b++) x->cluster->own[b] = x->epoch;
    exec_clock_cluster_barrier(x);
}
