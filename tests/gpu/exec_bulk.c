/* Copies by the asynchronous proxy. PTX ISA: "cp.async.bulk", "cp.async.bulk.tensor", "Tensors", "Swizzling modes".
 *
 * A load arrives at once, or when no thread can go on without it (exec_launch.late); its destination holds nonsense until then. A
 * store takes what its source holds when it starts; the source must be the same when the wait comes. */
#include "exec_async.h"
#include <string.h>

/* ---- Tensor maps ------------------------------------------------------------------------------------------------- */
void exec_tensor_map(exec_context *x, const exec_inst *i) {
    exec_map *m = i->map;
    const exec_root *r = &x->k->roots[m->base->root];
    int64_t zero = 0;
    for (int a = 0; a < m->rank; a++) {
        m->extent[a] = exec_i64(i->in[1 + a], 0);
        m->stride[a] = a ? m->size * exec_i64(i->in[m->rank + a], 0) : m->size;
        if (m->extent[a] < 0 || m->extent[a] > INT64_C(1) << 32) exec_fail(x, i, -1, "a map can't have an extent of %lld", (long long)m->extent[a]);
        if (a && (m->stride[a] % 16 || m->stride[a] < 0 || m->stride[a] >= INT64_C(1) << 40))
            exec_fail(x, i, -1, "a map can't have a stride of %lld bytes", (long long)m->stride[a]);
    }
    if ((uintptr_t)r->base % 16) exec_fail(x, i, -1, "a map's tensor starts at a multiple of 16 bytes");
    memcpy(i->out->p, &zero, 8);
}

/* ---- Places ------------------------------------------------------------------------------------------------------ */
/* Row k of the box of c: its byte in the tensor, and which of its elements lo .. hi - 1 are in it. */
static int64_t row_of(const exec_bulk *c, const exec_map *m, int64_t k, int64_t *lo, int64_t *hi) {
    int64_t at = m->size * c->c[0];
    bool inside = true;
    for (int a = 1; a < m->rank; k /= m->box[a], a++) {
        int64_t p = c->c[a] + k % m->box[a] * m->step[a];
        inside = inside && p >= 0 && p < m->extent[a];
        at += p * m->stride[a];
    }
    *lo = c->c[0] < 0 ? -c->c[0] : 0;
    *hi = m->extent[0] - c->c[0] < m->box[0] ? m->extent[0] - c->c[0] : m->box[0];
    if (!inside || *hi < *lo) *hi = *lo = 0;
    return at;
}

/* Byte of the block's shared memory where byte b of the copy lies. */
static int64_t shared_at(const exec_bulk *c, int64_t b) {
    int64_t at = c->at + b;
    return at ^ (at >> 3 & (c->swizzle - 16));
}

/* The same from the root's base on. */
static int64_t chunk_place(const exec_context *x, const exec_bulk *c, int64_t b) { return exec_place(x, c->shared, c->thread, shared_at(c, b) - c->shared->start); }
static char *shared_chunk(const exec_context *x, const exec_bulk *c, int64_t b) { return c->shared->base + chunk_place(x, c, b); }
static int block_of(const exec_context *x, const exec_bulk *c) { return exec_owner(x->k, c->thread, c->at); }

/* Calls fn for each piece of global memory that the copy moves: n bytes from byte `at` of the root on, byte b of the copy. */
typedef bool piece_fn(exec_context *x, exec_bulk *c, int64_t at, int64_t b, int n);
static bool each_piece(exec_context *x, exec_bulk *c, piece_fn *fn) {
    const exec_map *m = c->inst->map;
    if (!c->tensor) return fn(x, c, c->from, 0, (int)c->bytes);
    for (int64_t k = 0; k * m->row < c->bytes; k++) {
        int64_t lo, hi, at = row_of(c, m, k, &lo, &hi);
        if (lo < hi && !fn(x, c, at + lo * m->size, k * m->row + lo * m->size, (int)((hi - lo) * m->size))) return false;
    }
    return true;
}

/* ---- Loads ------------------------------------------------------------------------------------------------------- */
static bool fetch(exec_context *x, exec_bulk *c, int64_t at, int64_t b, int n) {
    const char *p = exec_read(x, c->inst, c->global, c->thread, at, n, false);
    if (p) memcpy(c->data + b, p, (size_t)n);
    return p;
}

static bool same(exec_context *x, exec_bulk *c, int64_t at, int64_t b, int n) {
    if (memcmp(c->global->base + at, c->data + b, (size_t)n))
        return exec_fail(x, c->inst, c->thread, "the source of an asynchronous copy changed while it was in flight"), false;
    return true;
}

static void arrive(exec_context *x, exec_bulk *c) {
    each_piece(x, c, same);
    for (int64_t b = 0; b < c->bytes; b += 16) {
        memcpy(shared_chunk(x, c, b), c->data + b, 16);
        exec_clock_landed(x, c->inst, c->shared, exec_engine(x, ENGINE_LOADS, block_of(x, c)), chunk_place(x, c, b), 16);
    }
    exec_mbarrier_complete(x, c->inst, c->bar, c->bytes);
}

bool exec_bulk_step(exec_context *x) {
    exec_async *s = x->async;
    int n = 0, pick = -1;
    for (int k = 0; s && k < s->n_bulk; k++) n += s->bulk[k].load;
    if (!n) return false;
    s->random = s->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    int nth = (int)((s->random >> 33) % (uint64_t)n);
    for (int k = 0; k < s->n_bulk && pick < 0; k++)
        if (s->bulk[k].load && nth-- == 0) pick = k;
    exec_bulk c = s->bulk[pick];
    s->bulk[pick] = s->bulk[--s->n_bulk];
    arrive(x, &c);
    free(c.data);
    exec_progress(x);
    return true;
}

static bool begin_load(exec_context *x, exec_bulk *c) {
    for (int64_t b = 0; b < c->bytes; b += 16) {
        char *p = exec_write_in_flight(x, c->inst, c->shared, c->thread, shared_at(c, b) - c->shared->start, 16);
        if (!p) return false;
        memset(p, 0xff, 16);
    }
    return each_piece(x, c, fetch);
}

/* ---- Stores ------------------------------------------------------------------------------------------------------ */
static bool mark(exec_context *x, exec_bulk *c, int64_t at, int64_t b, int n) {
    return exec_write_in_flight(x, c->inst, c->global, c->thread, at, n);
}

static bool put(exec_context *x, exec_bulk *c, int64_t at, int64_t b, int n) {
    memcpy(c->global->base + at, c->data + b, (size_t)n);
    return true;
}

static bool land(exec_context *x, exec_bulk *c, int64_t at, int64_t b, int n) {
    put(x, c, at, b, n);
    if (c->global->cells) exec_clock_landed(x, c->inst, c->global, c->thread, at, n);
    return true;
}

static bool begin_store(exec_context *x, exec_bulk *c) {
    uint64_t good = 0;
    for (int64_t b = 0; b < c->bytes; b += 16) {
        const char *p = exec_proxy_read(x, c->inst, c->shared, c->thread, 1, shared_at(c, b) - c->shared->start, 16, exec_engine(x, ENGINE_STORES, block_of(x, c)), &good);
        if (!p) return false;
        memcpy(c->data + b, p, 16);
    }
    return each_piece(x, c, mark) && (x->l->late || each_piece(x, c, put));
}

static void source_read(exec_context *x, exec_bulk *c) {
    if (c->read) return;
    for (int64_t b = 0; b < c->bytes; b += 16)
        if (memcmp(shared_chunk(x, c, b), c->data + b, 16))
            return exec_fail(x, c->inst, c->thread, "the source of an asynchronous copy changed while it was in flight");
    c->read = true;
}

void exec_bulk_commit(exec_context *x, const exec_inst *i) {
    EACH_THREAD(x, t) x->async->committed[t]++;
    x->epoch++; /* groups differ in it */
}

void exec_bulk_wait(exec_context *x, const exec_inst *i) {
    exec_async *s = x->async;
    bool reading = ir_get_int(i->op, IR_ATTR_reading, 0);
    int left = 0;
    uint64_t until = x->epoch + 1;
    for (int k = 0; k < s->n_bulk; k++) {
        exec_bulk *c = &s->bulk[k];
        bool on = !c->load && c->thread >= x->mask.lo && c->thread < x->mask.hi && x->mask.on[c->thread];
        bool covered = on && c->group < s->committed[c->thread] - i->number;
        if (covered) source_read(x, c);
        if (!covered && !c->load && !c->read && c->epoch < until) until = c->epoch;
        if (covered && !reading) {
            each_piece(x, c, land);
            free(c->data);
        } else s->bulk[left++] = *c;
    }
    s->n_bulk = left;
    EACH_THREAD(x, t) exec_clock_knows(x, t, exec_engine(x, ENGINE_STORES, t / x->k->block), until);
    x->epoch++;
}

void exec_bulk_end(exec_context *x) {
    exec_async *s = x->async;
    for (int k = 0; k < s->n_bulk; k++) {
        exec_bulk *c = &s->bulk[k];
        if (c->load || !c->read) return exec_fail(x, c->inst, c->thread, "an asynchronous copy is in flight when the kernel ends");
        each_piece(x, c, land);
        free(c->data);
    }
    s->n_bulk = 0;
}

/* ---- Ops --------------------------------------------------------------------------------------------------------- */
static bool is_placed(exec_context *x, const exec_bulk *c) {
    for (int a = 0; c->tensor && a < c->inst->map->rank; a++)
        if (!c->inst->map->extent[a]) return exec_fail(x, c->inst, c->thread, "copies boxes of an empty tensor, which has no map"), false;
    int64_t align = !c->tensor ? 16 : c->swizzle > 16 ? 8 * c->swizzle : 128;
    if (c->shared->kind != ROOT_SHARED) return exec_fail(x, c->inst, c->thread, "is not to or from shared memory"), false;
    if (c->at % align) return exec_fail(x, c->inst, c->thread, "byte %lld of shared memory is not aligned to %lld bytes", (long long)exec_inner(c->at), (long long)align), false;
    return exec_bounds(x, c->inst, c->shared, c->thread, c->at - c->shared->start, c->bytes);
}

static bool start(exec_context *x, exec_bulk *c) {
    exec_async *s = x->async;
    if (!is_placed(x, c)) return false;
    c->data = exec_room((size_t)c->bytes + 16);
    c->group = s->committed[c->thread];
    c->epoch = x->epoch;
    bool good = c->load ? begin_load(x, c) : begin_store(x, c);
    s->bulk = exec_grow(s->bulk, s->n_bulk, &s->cap_bulk, sizeof *c);
    s->bulk[s->n_bulk++] = *c;
    if (!good || !c->load || x->l->late) return good;
    s->n_bulk--;
    arrive(x, c);
    free(c->data);
    return !x->failed;
}

/* far: the rank of another block, as pointers have it. */
static bool names_mbarrier(exec_context *x, const exec_inst *i, int operand, int t, int64_t far, exec_bulk *c) {
    const exec_root *r = &x->k->roots[i->in[operand]->root];
    int64_t at = exec_i64(i->in[operand], t) + 8 * exec_i64(i->in[operand + 1], t) + far;
    c->bar = r->start + exec_place(x, r, t, at);
    return exec_mbarrier_known(x, i, t, r, at);
}

/* Operands `operand` and the next: a place in shared memory. */
static void set_shared(const exec_context *x, exec_bulk *c, int operand) {
    const exec_value *v = c->inst->in[operand];
    c->shared = &x->k->roots[v->root];
    c->at = c->shared->start + exec_i64(v, c->thread) + frit_dtype_bytes(v->dtype, exec_i64(c->inst->in[operand + 1], c->thread));
}

static exec_bulk tensor_copy(const exec_context *x, const exec_inst *i, int t, bool load) {
    exec_bulk c = {.inst = i, .thread = t, .load = load, .tensor = true, .bytes = i->map->bytes, .swizzle = i->map->swizzle, .global = &x->k->roots[i->map->base->root]};
    set_shared(x, &c, load ? 0 : 1);
    for (int a = 0; a < i->map->rank; a++) c.c[a] = (int32_t)exec_i64(i->in[(load ? 5 : 3) + a], t);
    return c;
}

void exec_tensor_load(exec_context *x, const exec_inst *i) {
    int64_t ranks = ir_get_int(i->op, IR_ATTR_ranks, 0);
    EACH_THREAD(x, t)
        for (int64_t rank = -1; rank < x->k->cluster; rank++) { /* -1: this block alone */
            if (ranks ? rank < 0 || !(ranks >> rank & 1) : rank >= 0) continue;
            exec_bulk c = tensor_copy(x, i, t, true);
            c.at += (rank + 1) << EXEC_RANK_SHIFT;
            if (!names_mbarrier(x, i, 3, t, (rank + 1) << EXEC_RANK_SHIFT, &c) || !start(x, &c)) return;
        }
}

void exec_tensor_store(exec_context *x, const exec_inst *i) {
    EACH_THREAD(x, t) {
        exec_bulk c = tensor_copy(x, i, t, false);
        if (!start(x, &c)) return;
    }
}

static bool plain_copy(exec_context *x, const exec_inst *i, int t, bool load, exec_bulk *c) {
    int g = load ? 2 : 0;
    const exec_value *v = i->in[g];
    *c = (exec_bulk){.inst = i, .thread = t, .load = load, .swizzle = 16, .global = &x->k->roots[v->root]};
    c->bytes = frit_dtype_bytes(v->dtype, exec_i64(i->in[4], t));
    c->from = exec_i64(v, t) + frit_dtype_bytes(v->dtype, exec_i64(i->in[g + 1], t));
    set_shared(x, c, load ? 0 : 2);
    if (c->bytes % 16 || c->bytes < 16) return exec_fail(x, i, t, "copies %lld bytes", (long long)c->bytes), false;
    return exec_aligned(x, i, c->global, t, c->from, 16);
}

void exec_bulk_load(exec_context *x, const exec_inst *i) {
    EACH_THREAD(x, t) {
        exec_bulk c;
        if (!plain_copy(x, i, t, true, &c) || !names_mbarrier(x, i, 5, t, 0, &c) || !start(x, &c)) return;
    }
}

void exec_bulk_store(exec_context *x, const exec_inst *i) {
    EACH_THREAD(x, t) {
        exec_bulk c;
        if (!plain_copy(x, i, t, false, &c) || !start(x, &c)) return;
    }
}
