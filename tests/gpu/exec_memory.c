/* Loads and stores with their checks. Shadow cells: see exec_internal.h. */
#include "exec_internal.h"
#include <string.h>

/* ---- Where ------------------------------------------------------------------------------------------------------- */
static inline char *address(const exec_context *x, const exec_root *r, int t, int64_t at) {
    if (r->kind != ROOT_LOCAL) return r->base + exec_place(x, r, t, at);
    return r->base + (r->bytes + 15) / 16 * 16 * t + at;
}

inline bool exec_bounds(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int64_t n) {
    if (r->kind == ROOT_SHARED) at = exec_inner(at);
    if (at >= 0 && at + n <= r->bytes) return true;
    exec_fail(x, i, t, "accesses bytes %lld .. %lld of %s, which has %lld", (long long)at, (long long)(at + n - 1), exec_root_name(x, r),
              (long long)r->bytes);
    return false;
}

inline bool exec_aligned(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int align) {
    if (align <= 1 || (uintptr_t)address(x, r, t, at) % (uintptr_t)align == 0) return true;
    exec_fail(x, i, t, "byte %lld of %s is not aligned to %d bytes", (long long)(r->kind == ROOT_SHARED ? exec_inner(at) : at), exec_root_name(x, r), align);
    return false;
}

/* ---- What has a value -------------------------------------------------------------------------------------------- */
static inline int64_t first_bit(const exec_root *r, int t, int64_t at) {
    return r->kind == ROOT_LOCAL ? (r->bytes + 15) / 16 * 16 * t + at : r->first + at;
}

/* Bits of the byte that holds bit number `bit`, up to `n` from there on. */
static inline uint8_t bits_from(int64_t bit, int64_t n) {
    int64_t k = 8 - (bit & 7) < n ? 8 - (bit & 7) : n;
    return (uint8_t)(((1u << k) - 1) << (bit & 7));
}

static inline bool all_written(const exec_root *r, int t, int64_t at, int64_t n) {
    int64_t bit = first_bit(r, t, at), end = bit + n;
    for (; bit < end; bit = (bit | 7) + 1) {
        uint8_t want = bits_from(bit, end - bit);
        if ((r->written[bit >> 3] & want) != want) return false;
    }
    return true;
}

static void set_bits(uint8_t *bits, const exec_root *r, int t, int64_t at, int n) {
    int64_t bit = first_bit(r, t, at), end = bit + n;
    for (; bit < end; bit = (bit | 7) + 1) bits[bit >> 3] |= bits_from(bit, end - bit);
}

/* ---- Who else ---------------------------------------------------------------------------------------------------- */
static inline uint64_t since(const exec_context *x, const exec_root *r) {
    return r->kind == ROOT_SHARED ? x->block_epoch : x->launch_epoch;
}

void exec_race(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, const char *does, const char *did,
               uint64_t cell, bool other_block, bool many) {
    const exec_inst *with = x->k->insts[(cell >> CELL_OP_SHIFT & 0xffff) % (uint64_t)x->k->n_inst];
    char who[64] = "another block";
    if (!other_block) snprintf(who, sizeof who, "thread %d%s", (int)(cell & CELL_THREAD), many ? " and others" : "");
    exec_fail(x, i, t, "race: %s byte %lld of %s, which %s %s %s: %s", does, (long long)at, exec_root_name(x, r), who, did,
              other_block ? "in the same launch" : "since the last barrier", ir_op_table[with->op->code].name);
}

static void report_flight(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at) {
    exec_fail(x, i, t, "byte %lld of %s is the destination of an asynchronous copy that no copy_wait has covered", (long long)at,
              exec_root_name(x, r));
}

/* True: the cell's latest write stands in the way of thread t. */
static bool against_write(exec_context *x, const exec_inst *i, const exec_root *r, const exec_cell *c, int t, int64_t at, bool whole,
                          const char *does) {
    uint64_t e = c->w >> CELL_W_SHIFT;
    if (e < since(x, r)) return false;
    if (c->w & CELL_FLAG) return report_flight(x, i, r, t, at), true;
    bool other = e < x->block_epoch;
    if (!other && (e != x->epoch || ((int)(c->w & CELL_THREAD) == t && !whole))) return false;
    return exec_race(x, i, r, t, at, does, "writes", c->w, other, false), true;
}

/* Notes a read where nothing has to be looked at closer: the cell's latest write is of this block, before the last barrier
 * (or thread t's own), and its latest read of this block or of no block of the launch. */
static inline bool plain_read(const exec_context *x, exec_cell *c, int t, bool whole, uint64_t mine) {
    uint64_t w = c->w >> CELL_W_SHIFT, e = c->r >> CELL_R_SHIFT;
    if (w < x->block_epoch || (c->w & CELL_FLAG) || (w == x->epoch && ((int)(c->w & CELL_THREAD) != t || whole))) return false;
    if (e < x->block_epoch && e >= x->launch_epoch) return false;
    uint64_t flags = e < x->block_epoch ? 0 : c->r & CELL_OTHER;
    if (e == x->epoch && ((c->r & CELL_FLAG) || (c->r ^ mine) & CELL_THREAD)) flags |= CELL_FLAG;
    c->r = mine | flags;
    return true;
}

static bool read_cell(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t g, bool whole, uint64_t mine) {
    exec_cell *c = &r->cells[g];
    uint64_t from = since(x, r);
    if (c->w >> CELL_W_SHIFT >= from) {
        if (against_write(x, i, r, c, t, g * r->granule, whole, "reads")) return false;
    } else if (r->kind == ROOT_SHARED) {
        exec_fail(x, i, t, "reads byte %lld of shared memory, which nothing has written", (long long)(g * r->granule));
        return false;
    }
    uint64_t e = c->r >> CELL_R_SHIFT, flags = 0;
    if (e >= from) {
        flags = e < x->block_epoch ? CELL_OTHER : c->r & CELL_OTHER;
        if (e == x->epoch && ((c->r & CELL_FLAG) || (c->r & CELL_THREAD) != (uint64_t)t)) flags |= CELL_FLAG;
    }
    c->r = mine | flags;
    return true;
}

/* A cell's note of a read by thread t now. */
static inline uint64_t read_mark(const exec_context *x, const exec_inst *i, int t, bool whole) {
    uint64_t mine = x->epoch << CELL_R_SHIFT | (uint64_t)(i->id & 0xffff) << CELL_OP_SHIFT | (uint64_t)t;
    return whole ? mine | CELL_FLAG : mine;
}

static inline bool read_cells(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int n, bool whole) {
    if (x->k->cluster > 1 && !x->k->clock) return exec_cluster_read(x, i, r, t, at, n, whole);
    if (x->k->clock) return exec_clock_read(x, i, r, t, at, n, !whole ? EXEC_ONE : i->out && i->out->uniform ? EXEC_ALL : EXEC_WARP);
    uint64_t mine = read_mark(x, i, t, whole);
    for (int64_t g = at >> r->shift; g <= (at + n - 1) >> r->shift; g++) {
        if (plain_read(x, &r->cells[g], t, whole, mine)) continue;
        if (!read_cell(x, i, r, t, g, whole, mine)) return false;
    }
    return true;
}

static bool write_cells(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int n, uint64_t flag) {
    if (x->k->cluster > 1 && !x->k->clock) return exec_cluster_write(x, i, r, t, at, n, flag);
    if (x->k->clock) return exec_clock_write(x, i, r, t, at, n, flag);
    uint64_t from = since(x, r);
    uint64_t mine = x->epoch << CELL_W_SHIFT | flag | (uint64_t)(i->id & 0xffff) << CELL_OP_SHIFT | (uint64_t)t;
    for (int64_t g = at >> r->shift; g <= (at + n - 1) >> r->shift; g++) {
        exec_cell *c = &r->cells[g];
        if (against_write(x, i, r, c, t, g * r->granule, false, "writes")) return false;
        uint64_t e = c->r >> CELL_R_SHIFT;
        bool other = e >= from && (e < x->block_epoch || (c->r & CELL_OTHER)), many = c->r & CELL_FLAG;
        if (other || (e == x->epoch && e >= from && (many || (int)(c->r & CELL_THREAD) != t))) {
            exec_race(x, i, r, t, g * r->granule, "writes", "reads", c->r, other, many);
            return false;
        }
        c->w = mine;
    }
    return true;
}

/* ---- One access -------------------------------------------------------------------------------------------------- */
static inline char *read_at(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int n, bool whole) {
    if (!exec_bounds(x, i, r, t, at, n)) return NULL;
    if (x->cluster && r->kind == ROOT_SHARED && !exec_cluster_reach(x, i, r, t, at)) return NULL;
    if (r->cells && !read_cells(x, i, r, t, exec_place(x, r, t, at), n, whole)) return NULL;
    if (r->written && !all_written(r, t, at, n)) {
        exec_fail(x, i, t, "reads byte %lld of %s, which nothing has written", (long long)at, exec_root_name(x, r));
        return NULL;
    }
    if (r->read) set_bits(r->read, r, t, at, n);
    return address(x, r, t, at);
}

char *exec_read(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int n, bool whole) {
    return read_at(x, i, r, t, at, n, whole);
}

static char *write_as(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int n, uint64_t flag) {
    if (!exec_bounds(x, i, r, t, at, n)) return NULL;
    if (!r->may_write) {
        exec_fail(x, i, t, "writes %s, which the kernel only reads", exec_root_name(x, r));
        return NULL;
    }
    if (x->cluster && r->kind == ROOT_SHARED && !exec_cluster_reach(x, i, r, t, at)) return NULL;
    if (r->cells && !write_cells(x, i, r, t, exec_place(x, r, t, at), n, flag)) return NULL;
    if (r->written) set_bits(r->written, r, t, at, n);
    return address(x, r, t, at);
}

char *exec_write(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int n) {
    return write_as(x, i, r, t, at, n, 0);
}

char *exec_write_in_flight(exec_context *x, const exec_inst *i, const exec_root *r, int t, int64_t at, int n) {
    return write_as(x, i, r, t, at, n, CELL_FLAG);
}

void exec_landed(exec_context *x, const exec_root *r, int t, int op, int64_t at, int n) {
    uint64_t mine = x->epoch << CELL_W_SHIFT | (uint64_t)(op & 0xffff) << CELL_OP_SHIFT | (uint64_t)t;
    at = exec_place(x, r, t, at);
    for (int64_t g = at >> r->shift; g <= (at + n - 1) >> r->shift; g++) r->cells[g].w = mine;
}

/* ---- Ops --------------------------------------------------------------------------------------------------------- */
/* An access of some lanes by one thread. */
typedef struct access {
    const exec_inst *i;
    const exec_root *r;
    frit_dtype t;
    int size, lanes; /* bytes of an element in memory, 0: half a byte */
    bool whole;
} access;

static access access_of(const exec_context *x, const exec_inst *i, const exec_value *v) {
    unsigned bits = frit_dtype_bits(v->dtype);
    return (access){i, &x->k->roots[i->in[0]->root], v->dtype, bits < 8 ? 0 : (int)bits / 8, v->lanes, false};
}

static int64_t byte_of(const access *a, int64_t pointer, int64_t index) {
    int64_t offset;
    if (!a->size) return pointer + (index >> 1);
    /* what does not fit lies far outside */
    if (__builtin_mul_overflow(index, (int64_t)a->size, &offset) || __builtin_add_overflow(offset, pointer, &offset)) return INT64_MIN / 2;
    return offset;
}

/* Element `index` to or from its register form. */
static bool load_one(exec_context *x, const access *a, int t, int64_t pointer, int64_t index, char *d) {
    const char *p = exec_read(x, a->i, a->r, t, byte_of(a, pointer, index), a->size ? a->size : 1, a->whole);
    if (!p) return false;
    if (!a->size) *d = (char)(frit_load_int(a->t, p, index & 1));
    else if (a->t == FRIT_bool) *d = *p != 0;
    else memcpy(d, p, (size_t)a->size);
    return true;
}

static bool store_one(exec_context *x, const access *a, int t, int64_t pointer, int64_t index, const char *s) {
    char *p = exec_write(x, a->i, a->r, t, byte_of(a, pointer, index), a->size ? a->size : 1);
    if (!p) return false;
    if (!a->size) frit_store_int(a->t, p, index & 1, *s);
    else memcpy(p, s, (size_t)a->size);
    return true;
}

/* Which lanes of thread t are on: all, none, or some. */
static inline int lanes_on(const char *mask, int lanes) {
    if (!mask) return lanes;
    int n = 0;
    for (int l = 0; l < lanes; l++) n += mask[l] != 0;
    return n;
}

static inline bool aligned(exec_context *x, const access *a, int t, int64_t at) {
    return exec_aligned(x, a->i, a->r, t, at, a->i->align ? a->i->align : a->size);
}

static inline void copy_lanes(char *d, const char *s, int n) {
    if (n == 16) memcpy(d, s, 16);
    else if (n == 4) memcpy(d, s, 4);
    else if (n == 8) memcpy(d, s, 8);
    else memcpy(d, s, (size_t)n);
}

/* All threads of a range read what lies side by side in memory that nothing writes: checked and copied at once. False when
 * that is not so, or a check fails; nothing has happened then. */
static bool load_together(exec_context *x, const access *a) {
    const exec_inst *i = a->i;
    int lo = x->mask.lo, n = x->mask.n, bytes = a->lanes * a->size;
    if (i->n_in > 2 || a->r->kind != ROOT_GLOBAL || a->r->cells || a->r->read || !a->size || a->t == FRIT_bool || i->out->uniform ||
        n != x->mask.hi - lo || !i->in[0]->uniform || i->in[1]->uniform)
        return false;
    const int64_t *index = (const int64_t *)(const void *)i->in[1]->p + lo;
    for (int t = 1; t < n; t++)
        if (index[t] - index[0] != (int64_t)t * a->lanes) return false;
    int64_t at = byte_of(a, exec_i64(i->in[0], 0), index[0]);
    int align = i->align ? i->align : a->size;
    if (at < 0 || at + (int64_t)n * bytes > a->r->bytes || (uintptr_t)(a->r->base + at) % (uintptr_t)align || bytes % align) return false;
    if (a->r->written && !all_written(a->r, 0, at, (int64_t)n * bytes)) return false;
    memcpy(i->out->p + (int64_t)lo * bytes, a->r->base + at, (size_t)n * (size_t)bytes);
    return true;
}

static inline void load_thread(exec_context *x, const access *a, int t, const char *mask, const char *other, char *d) {
    int64_t pointer = exec_i64(a->i->in[0], t), index = exec_i64(a->i->in[1], t), at = byte_of(a, pointer, index);
    int size = a->size ? a->size : 1, n = lanes_on(mask, a->lanes);
    if (n && !aligned(x, a, t, at)) return;
    if (n == a->lanes && a->size && a->t != FRIT_bool) {
        const char *p = read_at(x, a->i, a->r, t, at, a->lanes * size, a->whole);
        if (p) copy_lanes(d, p, a->lanes * size);
        return;
    }
    for (int l = 0; l < a->lanes; l++) {
        if (!mask || mask[l]) {
            if (!load_one(x, a, t, pointer, index + l, d + l * size)) return;
        } else if (other) memcpy(d + l * size, other + l * size, (size_t)size);
        else memset(d + l * size, 0, (size_t)size);
    }
}

void exec_load(exec_context *x, const exec_inst *i) {
    access a = access_of(x, i, i->out);
    a.whole = i->out->uniform && x->mask.n > 1;
    if (load_together(x, &a)) return;
    EACH_THREAD(x, t) {
        load_thread(x, &a, t, i->n_in > 2 ? exec_of(i->in[2], t) : NULL, i->n_in > 3 ? exec_of(i->in[3], t) : NULL,
                    i->out->p + (i->out->uniform ? 0 : (int64_t)t * i->out->bytes));
        if (i->out->uniform || x->failed) return;
    }
}

void exec_store(exec_context *x, const exec_inst *i) {
    access a = access_of(x, i, i->in[2]);
    int size = a.size ? a.size : 1;
    EACH_THREAD(x, t) {
        int64_t pointer = exec_i64(i->in[0], t), index = exec_i64(i->in[1], t), at = byte_of(&a, pointer, index);
        const char *s = exec_of(i->in[2], t), *mask = i->n_in > 3 ? exec_of(i->in[3], t) : NULL;
        int n = lanes_on(mask, a.lanes);
        if (n && !aligned(x, &a, t, at)) return;
        if (n == a.lanes && a.size) {
            char *p = exec_write(x, i, a.r, t, at, a.lanes * size);
            if (!p) return;
            memcpy(p, s, (size_t)(a.lanes * size));
            continue;
        }
        for (int l = 0; n && l < a.lanes; l++)
            if (mask ? mask[l] : true)
                if (!store_one(x, &a, t, pointer, index + l, s + l * size)) return;
    }
}

static int64_t index_of_lane(const exec_value *v, int t, int l) {
    return ((const int64_t *)(const void *)exec_of(v, t))[l];
}

/* Lanes of thread t, each apart. False when one of them has to be looked at closer; then nothing is wrong yet. */
#define GATHER(T)                                                                                                      \
    for (int l = 0; l < a->lanes; l++) {                                                                               \
        int64_t at = pointer + index[l] * (int64_t)sizeof(T);                                                          \
        if ((uint64_t)index[l] >= elements || (uint64_t)at > last || at & (int64_t)(sizeof(T) - 1)) return false;      \
        if (!plain_read(x, &r->cells[at >> r->shift], t, a->whole, mine)) return false;                                \
        memcpy(d + l * (int)sizeof(T), r->base + at, sizeof(T));                                                       \
    }                                                                                                                  \
    return true;
static inline bool gather_thread(exec_context *x, const access *a, int t, int64_t pointer, const int64_t *index, char *d) {
    const exec_root *r = a->r;
    uint64_t elements = (uint64_t)r->bytes, last = elements - (uint64_t)a->size;
    uint64_t mine = read_mark(x, a->i, t, a->whole);
    switch (a->size) {
    case 1: GATHER(uint8_t)
    case 2: GATHER(uint16_t)
    case 4: GATHER(uint32_t)
    default: GATHER(uint64_t)
    }
}

/* An element is a cell of tracked memory in which everything has a value that was read before, aligned to itself. */
static bool gathers_plainly(const exec_context *x, const access *a) {
    const exec_root *r = a->r;
    return r->cells && !x->k->clock && !r->written && !r->read && a->size == r->granule && r->bytes >= a->size && a->t != FRIT_bool && a->i->align <= a->size &&
           (uintptr_t)r->base % (uintptr_t)a->size == 0;
}

void exec_load_lanes(exec_context *x, const exec_inst *i) {
    access a = access_of(x, i, i->out);
    a.whole = i->out->uniform && x->mask.n > 1;
    int size = a.size ? a.size : 1;
    bool plain = gathers_plainly(x, &a) && i->n_in < 3;
    EACH_THREAD(x, t) {
        const char *mask = i->n_in > 2 ? exec_of(i->in[2], t) : NULL, *other = i->n_in > 3 ? exec_of(i->in[3], t) : NULL;
        char *d = i->out->p + (i->out->uniform ? 0 : (int64_t)t * i->out->bytes);
        int64_t pointer = exec_i64(i->in[0], t);
        bool done = plain && gather_thread(x, &a, t, pointer, (const int64_t *)(const void *)exec_of(i->in[1], t), d);
        for (int l = 0; !done && l < a.lanes; l++) {
            int64_t index = index_of_lane(i->in[1], t, l);
            if (!mask || mask[l]) {
                if (!aligned(x, &a, t, byte_of(&a, pointer, index)) || !load_one(x, &a, t, pointer, index, d + l * size)) return;
            } else if (other) memcpy(d + l * size, other + l * size, (size_t)size);
            else memset(d + l * size, 0, (size_t)size);
        }
        if (i->out->uniform) return;
    }
}

void exec_store_lanes(exec_context *x, const exec_inst *i) {
    access a = access_of(x, i, i->in[2]);
    int size = a.size ? a.size : 1;
    EACH_THREAD(x, t) {
        const char *s = exec_of(i->in[2], t), *mask = i->n_in > 3 ? exec_of(i->in[3], t) : NULL;
        int64_t pointer = exec_i64(i->in[0], t);
        for (int l = 0; l < a.lanes; l++) {
            int64_t index = index_of_lane(i->in[1], t, l);
            if (mask && !mask[l]) continue;
            if (!aligned(x, &a, t, byte_of(&a, pointer, index)) || !store_one(x, &a, t, pointer, index, s + l * size)) return;
        }
    }
}

/* ---- Pointers ---------------------------------------------------------------------------------------------------- */
void exec_ptradd(exec_context *x, const exec_inst *i) {
    int64_t *d = (int64_t *)(void *)i->out->p;
    access a = access_of(x, i, i->in[0]);
    if (i->out->uniform) d[0] = byte_of(&a, exec_i64(i->in[0], 0), exec_i64(i->in[1], 0));
    else
        for (int t = x->mask.lo; t < x->mask.hi; t++) d[t] = byte_of(&a, exec_i64(i->in[0], t), exec_i64(i->in[1], t));
}

void exec_ptrcast(exec_context *x, const exec_inst *i) {
    int64_t *d = (int64_t *)(void *)i->out->p;
    if (i->out->uniform) d[0] = exec_i64(i->in[0], 0);
    else
        for (int t = x->mask.lo; t < x->mask.hi; t++) d[t] = exec_i64(i->in[0], t);
}
