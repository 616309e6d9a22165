/* A launch: roots get their memory and cells, and the blocks run one after another. */
#include "exec_internal.h"
#include <stdlib.h>
#include <string.h>

static uint64_t next_random(uint64_t *s) { /* xorshift64*, Vigna 2016 */
    *s ^= *s >> 12, *s ^= *s << 25, *s ^= *s >> 27;
    return *s * UINT64_C(2685821657736338717);
}

/* ---- Memory of the arguments ------------------------------------------------------------------------------------- */
static void lend(exec_kernel *k, const exec_launch *l) {
    int n_args = k->f->body->n_args, n = 0;
    for (int i = 0; i < n_args - 1; i++) {
        const exec_value *v = &k->values[k->f->body->args[i]->id];
        if (!v->is_ptr) continue;
        const exec_memory *m = i == n_args - 2 ? &l->scratch : &l->buffers[n++];
        exec_root *r = &k->roots[v->root];
        r->base = m->data, r->bytes = m->bytes, r->written = m->written, r->read = m->read, r->first = m->first;
        r->may_write = m->output;
        r->cells = NULL;
    }
}

static bool overlap(const exec_root *a, const exec_root *b) {
    return a->bytes > 0 && b->bytes > 0 && a->base < b->base + b->bytes && b->base < a->base + a->bytes;
}

/* Roots that share memory with what may be written get the same cells, of the finest granule among them. */
static int64_t share_cells(exec_kernel *k, int64_t used, exec_cell *pool) {
    for (int i = 0; i < k->n_roots; i++) {
        exec_root *r = &k->roots[i];
        if (r->kind != ROOT_GLOBAL || !r->may_write || !r->bytes || r->cells) continue;
        char *lo = r->base, *hi = r->base + r->bytes;
        int granule = r->granule;
        for (int j = 0; j < k->n_roots; j++)
            if (k->roots[j].kind == ROOT_GLOBAL && overlap(r, &k->roots[j])) {
                const exec_root *o = &k->roots[j];
                if (o->base < lo) lo = o->base;
                if (o->base + o->bytes > hi) hi = o->base + o->bytes;
                if (o->granule < granule) granule = o->granule;
            }
        for (int j = 0; pool && j < k->n_roots; j++)
            if (k->roots[j].kind == ROOT_GLOBAL && overlap(r, &k->roots[j])) {
                exec_root *o = &k->roots[j];
                while (granule > 1 && (o->base - lo) % granule) granule /= 2;
            }
        for (int j = 0; pool && j < k->n_roots; j++)
            if (k->roots[j].kind == ROOT_GLOBAL && overlap(r, &k->roots[j])) {
                exec_set_granule(&k->roots[j], granule);
                k->roots[j].cells = pool + used + (k->roots[j].base - lo) / granule;
            }
        used += (hi - lo) / (pool ? granule : 1) + 2;
    }
    return used;
}

/* Cells keep what earlier launches left: their epochs are over. */
static bool lend_cells(exec_kernel *k) {
    int64_t most = share_cells(k, 0, NULL);
    if (most > k->pool_size) {
        free(k->pool);
        k->pool = calloc((size_t)most, sizeof *k->pool);
        k->pool_size = k->pool ? most : 0;
    }
    if (!k->pool && most) return false;
    share_cells(k, 0, k->pool);
    return true;
}

/* ---- Blocks ------------------------------------------------------------------------------------------------------ */
static void set_ints(exec_kernel *k, const exec_launch *l) {
    int n_args = k->f->body->n_args, n = 0;
    for (int i = 0; i < n_args; i++) {
        const exec_value *v = &k->values[k->f->body->args[i]->id];
        int64_t zero = 0;
        if (v->is_ptr) memcpy(v->p, &zero, 8);
        else memcpy(v->p, i == n_args - 1 ? &l->tasks : &l->ints[n++], 8);
    }
}

static void run_block(exec_context *x, int64_t block) {
    exec_kernel *k = x->k;
    x->block = block;
    x->block_epoch = ++x->epoch;
    if (k->shared) memset(k->shared, 0xff, (size_t)(k->stride * k->cluster));
    for (int i = 0; i < k->n_roots; i++)
        if (k->roots[i].kind == ROOT_LOCAL)
            memset(k->roots[i].written, 0, (size_t)((k->roots[i].bytes + 15) / 16 * 16 * k->threads / 8));
    memset(x->committed, 0, sizeof *x->committed * (size_t)k->threads);
    exec_clock_block(x);
    exec_cluster_begin(x);
    exec_async_block(x);
    exec_code_run(x, k->body);
    if (!x->failed) exec_copies_end(x);
    if (!x->failed) exec_async_end(x);
    if (!x->failed) exec_cluster_end(x);
}

/* Number i of the n that run, of `all`. */
static int64_t sampled(int64_t n, int64_t all, int64_t i) { return n >= all ? i : n == 1 ? 0 : i * (all - 1) / (n - 1); }

/* The order in which blocks (clusters) run: shuffled, or round from a random one where there are too many to list. */
static void run_blocks(exec_context *x, uint64_t seed) {
    enum { LISTED = 1 << 16 };
    const exec_launch *l = x->l;
    int64_t cluster = x->k->cluster, all = l->blocks / cluster, n = l->sample > 0 && l->sample < all ? l->sample : all;
    seed = seed * 2 + 0x9E3779B97F4A7C15u;
    uint64_t start = next_random(&seed);
    if (l->blocks % cluster) exec_fail(x, NULL, -1, "%lld blocks are no whole clusters", (long long)l->blocks);
    if (n > LISTED) {
        for (int64_t i = 0; i < n && !x->failed; i++) run_block(x, cluster * (int64_t)((start % (uint64_t)n + (uint64_t)i) % (uint64_t)n));
        return;
    }
    int64_t *order = malloc(sizeof *order * (size_t)(n + 1));
    if (!order) abort();
    for (int64_t i = 0; i < n; i++) order[i] = cluster * sampled(n, all, i);
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)(next_random(&seed) % (uint64_t)(i + 1)), t = order[i];
        order[i] = order[j], order[j] = t;
    }
    for (int64_t i = 0; i < n && !x->failed; i++) run_block(x, order[i]);
    free(order);
}

bool exec_run(exec_kernel *k, const exec_launch *l, char *message, size_t n) {
    exec_context x = {.k = k, .l = l, .threads = k->threads, .message = message, .n_message = n, .epoch = k->epoch};
    x.steps_left = l->max_steps ? l->max_steps : INT64_MAX;
    int64_t steps = x.steps_left;
    uint8_t *all = malloc((size_t)k->threads);
    x.committed = malloc(sizeof *x.committed * (size_t)k->threads);
    lend(k, l);
    if (!all || !x.committed || !lend_cells(k)) abort();
    memset(all, 1, (size_t)k->threads);
    set_ints(k, l);
    exec_async_open(&x);
    exec_cluster_open(&x);
    x.mask = (exec_mask){all, 0, k->threads, k->threads};
    x.launch_epoch = ++x.epoch;
    run_blocks(&x, l->seed);
    k->epoch = x.epoch;
    k->steps += steps - x.steps_left;
    free(all);
    free(x.committed);
    free(x.copies);
    exec_async_close(&x);
    exec_cluster_close(&x);
    free(x.matrices);
    return !x.failed;
}
