/* The tensor core of four warps. PTX ISA: "Asynchronous Warpgroup Level Matrix Instructions": fragments as ir/products.def has
 * them, "Shared Memory Matrix Layout", "Strides", "Matrix descriptor format".
 *
 * What belongs to the tensor core is a tile here; the values of the threads hold its number alone, so that nothing can be read
 * before a wait. Operands in shared memory are read when the product starts; launches whose copies come late look again when it
 * is waited for, and a change is told. */
#include "exec_async.h"
#include "exec_multiply.h"
#include "ir/atom.h"
#include <stdlib.h>
#include <string.h>

enum { GROUP = 128, ROWS = 64, WARP_SIZE = 32, DEPTH = 32, MARK = 0x7fc00000, MOST_COLUMNS = 256 }; /* DEPTH: bytes along k */

typedef void group_fn(exec_context *x, const exec_inst *i, int first);

/* Does fn for each group of four warps that takes part. */
static void each_group(exec_context *x, const exec_inst *i, group_fn *fn) {
    if (x->k->warp != WARP_SIZE || x->k->block % GROUP) exec_fail(x, i, -1, "wants groups of four warps of 32 threads");
    if (x->failed || !exec_whole_groups(x, i, GROUP, "group of four warps")) return;
    for (int first = 0; first < x->threads && !x->failed; first += GROUP)
        if (first >= x->mask.lo && first < x->mask.hi && x->mask.on[first]) fn(x, i, first);
}

/* ---- Tiles ------------------------------------------------------------------------------------------------------- */
static exec_tile *new_tile(exec_context *x, int n, size_t numbers) {
    exec_async *s = x->async;
    exec_tile *t = exec_room(sizeof *t + 4 * numbers);
    t->n = n;
    t->next = s->tiles;
    s->tiles = t;
    return t;
}

static char *of_thread(const exec_value *v, int t) { return v->p + (int64_t)t * v->bytes; }

/* The values of the group's threads become the tile's number. */
static void hand_over(exec_context *x, exec_tile *t, const exec_value *v, int first) {
    t->id = MARK | (++x->async->next_id & 0x3fffff);
    for (int l = 0; l < GROUP; l++) memcpy(of_thread(v, first + l), &t->id, 4);
}

static exec_tile *tile_of(exec_context *x, const exec_inst *i, const exec_value *v, int first) {
    uint32_t id, other;
    memcpy(&id, exec_of(v, first), 4);
    for (int l = 1; l < GROUP; l++) {
        memcpy(&other, exec_of(v, first + l), 4);
        if (other != id) return exec_fail(x, i, first + l, "holds another accumulator than thread %d", first), NULL;
    }
    for (exec_tile **at = &x->async->tiles, *t; (t = *at); at = &t->next)
        if (t->id == id) { /* likely soon wanted again */
            *at = t->next;
            t->next = x->async->tiles;
            return x->async->tiles = t;
        }
    return exec_fail(x, i, first, "the tensor core has these registers no more: another wgmma or wgmma_wait took them"), NULL;
}

/* Where elements lie: those of a lane and of an element add up. */
static const exec_places *places_of(exec_context *x, const ir_product *p, int operand) {
    exec_async *s = x->async;
    for (int k = 0; k < s->n_places; k++)
        if (s->places[k].p == p && s->places[k].operand == operand) return &s->places[k];
    exec_places *v = &s->places[s->n_places++];
    v->p = p, v->operand = operand;
    for (int l = 0; l < GROUP; l++) {
        ir_product_place(p, operand, l, 0, &v->lane_row[l], &v->lane_column[l]);
        ir_product_place(p, operand, 0, l, &v->row[l], &v->column[l]);
    }
    return v;
}

static int place_of(const exec_places *v, int lane, int e, int n) {
    return (v->lane_row[lane] + v->row[e]) * n + v->lane_column[lane] + v->column[e];
}
/* Accumulators of all dtypes are alike. */
static const exec_places *accumulator(exec_context *x) { return places_of(x, ir_wgmma_product(FRIT_f16), 2); }

static void fence(exec_context *x, const exec_inst *i, int first) {
    const exec_places *at = accumulator(x);
    for (int k = 0; k < i->n_in; k++) {
        const exec_value *v = i->in[k];
        int n = v->dtype == FRIT_f32 || v->dtype == FRIT_i32 ? 2 * v->lanes : 0;
        exec_tile *t = new_tile(x, n, (size_t)(ROWS * (n ? n : 8)) + GROUP * 4); /* four f32: an A or eight columns, kept as both */
        int32_t *raw = t->v + ROWS * (n ? n : 8);
        for (int l = 0; l < GROUP; l++) {
            const char *from = exec_of(v, first + l);
            if (v->bytes == 16) memcpy(raw + 4 * l, from, 16);
            for (int e = 0; n && e < v->lanes; e++) memcpy(&t->v[place_of(at, l, e, n)], from + 4 * e, 4);
        }
        hand_over(x, t, i->results[k], first);
    }
}
void exec_wgmma_fence(exec_context *x, const exec_inst *i) { each_group(x, i, fence); }

/* ---- Operands in shared memory --------------------------------------------------------------------------------------- */
typedef struct layout {
    int64_t start, swizzle, leading, stride; /* start: byte of the block's shared memory */
    bool major;
    const exec_root *r;
} layout;

static int64_t of_side(const exec_inst *i, ir_attr_key k, int side) {
    const int64_t *v;
    ir_get_ints(i->op, k, &v);
    return v[side];
}

static layout layout_of(exec_context *x, const exec_inst *i, int side, int operand, int first) {
    const exec_root *r = &x->k->roots[i->in[operand]->root];
    layout l = {.swizzle = of_side(i, IR_ATTR_swizzle, side), .leading = of_side(i, IR_ATTR_leading, side),
                .stride = of_side(i, IR_ATTR_stride, side), .major = of_side(i, IR_ATTR_major, side), .r = r};
    int64_t size = frit_dtype_bytes(i->in[operand]->dtype, 1), at = exec_i64(i->in[operand], first) + size * exec_i64(i->in[operand + 1], first);
    for (int t = first + 1; t < first + GROUP; t++)
        if (exec_i64(i->in[operand], t) + size * exec_i64(i->in[operand + 1], t) != at) exec_fail(x, i, t, "names another matrix than thread %d", first);
    l.start = r->start + at;
    if (r->kind != ROOT_SHARED) exec_fail(x, i, first, "an operand lies elsewhere than in shared memory");
    if (l.start % 16) exec_fail(x, i, first, "byte %lld of shared memory is not aligned to 16 bytes", (long long)l.start);
    if (l.swizzle > 16 && l.start % (8 * l.swizzle) >= l.swizzle)
        exec_fail(x, i, first, "byte %lld of shared memory is not in the first row of a pattern of %lld bytes", (long long)l.start, (long long)(8 * l.swizzle));
    return l;
}

/* Byte of shared memory of the 16 bytes that hold, k contiguous: chunk c of row r; else: rows 8 c .. 8 c + 7 of reduced position r. */
static int64_t chunk_at(const layout *l, int r, int c) {
    int64_t row = l->swizzle, b = l->start, per = l->swizzle / 16;
    if (!l->major) b += r / 8 * l->stride + r % 8 * row + (per > 1 ? 16 * c : c * l->leading);
    else b += r / 8 * l->stride + r % 8 * row + c / per * l->leading + c % per * 16;
    return b ^ (b >> 3 & (l->swizzle - 16));
}

/* Reads rows x 32 bytes in the order of chunks; all four warps must have been told of what is there. */
static bool read_chunks(exec_context *x, const exec_inst *i, const layout *l, int rows, int first, char *out) {
    int outer = l->major ? DEPTH / 2 : rows, inner = l->major ? rows / 8 : DEPTH / 16;
    uint64_t good = 0;
    for (int r = 0; r < outer; r++)
        for (int c = 0; c < inner; c++, out += 16) {
            int64_t at = chunk_at(l, r, c) - l->r->start;
            const char *p = exec_proxy_read(x, i, l->r, first, GROUP / WARP_SIZE, at, 16, exec_tensor_core(x, first), &good);
            if (!p || x->failed) return false;
            memcpy(out, p, 16);
        }
    return true;
}

/* As numbers, rows x depth. */
static void widen(const layout *l, frit_dtype t, const char *bytes, int rows, int depth, int32_t *m) {
    int inner = rows / 8;
    for (int r = 0; r < rows; r++)
        for (int k = 0; k < depth; k++) {
            int64_t e = !l->major ? (int64_t)r * depth + k : ((int64_t)k * inner + r / 8) * 8 + r % 8;
            float f;
            if (t == FRIT_i8) m[r * depth + k] = ((const int8_t *)bytes)[e];
            else f = (float)frit_load_float(t, bytes, e), memcpy(&m[r * depth + k], &f, 4);
        }
}

static void widen_fragments(exec_context *x, frit_dtype t, const char *raw, int depth, int32_t *m) {
    const exec_places *p = places_of(x, ir_wgmma_product(t), 0);
    int held = 16 / (int)frit_dtype_bytes(t, 1);
    for (int l = 0; l < GROUP; l++)
        for (int e = 0; e < held; e++) {
            int32_t *to = &m[place_of(p, l, e, depth)];
            float f;
            if (t == FRIT_i8) *to = (int8_t)raw[16 * l + e];
            else f = (float)frit_load_float(t, raw + 16 * l, e), memcpy(to, &f, 4);
        }
}

/* ---- Products ---------------------------------------------------------------------------------------------------- */
static void multiply(exec_context *x, const exec_inst *i, frit_dtype t, int32_t *a, const int32_t *b, exec_tile *c) {
    const exec_multiply *f = exec_has_v3() ? &exec_multiply_v3 : &exec_multiply_any;
    int depth = DEPTH / (int)frit_dtype_bytes(t, 1), rows[ROWS];
    int32_t *turned = exec_room(4 * (size_t)(depth * c->n)); /* B as k by columns */
    for (int r = 0; r < ROWS; r++) rows[r] = r;
    for (int k = 0; k < depth; k++)
        for (int n = 0; n < c->n; n++) turned[k * c->n + n] = b[n * depth + k];
    if (t == FRIT_f32) f->to_tf32((float *)(void *)a, ROWS * depth), f->to_tf32((float *)(void *)turned, c->n * depth);
    if (t == FRIT_i8) f->i32(ROWS, c->n, depth, a, rows, turned, c->v);
    else f->f32(ROWS, c->n, depth, (const float *)(const void *)a, rows, (const float *)(const void *)turned, (float *)(void *)c->v);
    free(turned);
}

static void start(exec_context *x, const exec_inst *i, int first) {
    exec_async *s = x->async;
    bool in_registers = i->n_in == 4;
    int at_b = i->n_in - 2;
    frit_dtype t = i->in[at_b]->dtype;
    exec_tile *c = tile_of(x, i, i->in[0], first), *fragments = in_registers && c ? tile_of(x, i, i->in[1], first) : NULL;
    if (x->failed) return;
    int depth = DEPTH / (int)frit_dtype_bytes(t, 1);
    layout la = {0}, lb = layout_of(x, i, 1, at_b, first);
    if (!in_registers) la = layout_of(x, i, 0, 1, first);
    exec_mma m = {.inst = i, .first = first, .group = s->mma_committed[first / GROUP], .tile = c, .epoch = x->epoch, .at = {la.start, lb.start}};
    m.b = exec_room((size_t)c->n * DEPTH);
    if (!in_registers) m.a = exec_room(ROWS * DEPTH);
    s->mma = exec_grow(s->mma, s->n_mma, &s->cap_mma, sizeof m);
    s->mma[s->n_mma++] = m;
    if (x->failed || !read_chunks(x, i, &lb, c->n, first, m.b) || (m.a && !read_chunks(x, i, &la, ROWS, first, m.a))) return;
    int32_t *a = exec_room(4 * (size_t)(ROWS * depth)), *b = exec_room(4 * (size_t)(c->n * depth));
    widen(&lb, t, m.b, c->n, depth, b);
    if (m.a) widen(&la, t, m.a, ROWS, depth, a);
    else widen_fragments(x, t, (const char *)(fragments->v + ROWS * (fragments->n ? fragments->n : 8)), depth, a);
    multiply(x, i, t, a, b, c);
    free(a), free(b);
    c->pending = true;
    c->group = m.group;
    hand_over(x, c, i->out, first);
}
void exec_wgmma(exec_context *x, const exec_inst *i) { each_group(x, i, start); }

static void commit(exec_context *x, const exec_inst *i, int first) { x->async->mma_committed[first / GROUP]++; }
void exec_wgmma_commit(exec_context *x, const exec_inst *i) {
    each_group(x, i, commit);
    x->epoch++; /* groups differ in it */
}

/* ---- Waiting ----------------------------------------------------------------------------------------------------- */
static void unchanged(exec_context *x, const exec_mma *m, int side, const char *was, int rows) {
    const exec_inst *i = m->inst;
    int operand = side ? i->n_in - 2 : 1;
    layout l = {.start = m->at[side], .swizzle = of_side(i, IR_ATTR_swizzle, side), .leading = of_side(i, IR_ATTR_leading, side),
                .stride = of_side(i, IR_ATTR_stride, side), .major = of_side(i, IR_ATTR_major, side), .r = &x->k->roots[i->in[operand]->root]};
    int outer = l.major ? DEPTH / 2 : rows, inner = l.major ? rows / 8 : DEPTH / 16;
    for (int r = 0; r < outer; r++)
        for (int c = 0; c < inner; c++, was += 16)
            if (memcmp(l.r->base + exec_place(x, l.r, m->first, chunk_at(&l, r, c) - l.r->start), was, 16))
                return exec_fail(x, i, m->first, "an operand in shared memory changed while the product was under way");
}

static void finish(exec_context *x, const exec_mma *m) {
    if (x->l->late) {
        unchanged(x, m, 1, m->b, m->tile->n);
        if (m->a) unchanged(x, m, 0, m->a, ROWS);
    }
    free(m->a), free(m->b);
}

static void give_back(exec_context *x, const exec_inst *i, int first, int k) {
    exec_async *s = x->async;
    exec_tile *t = tile_of(x, i, i->in[k], first);
    if (!t) return;
    if (t->pending && t->group >= s->mma_committed[first / GROUP]) exec_fail(x, i, first, "no wgmma_commit stands behind this accumulator's products");
    else if (t->pending && t->group >= s->mma_committed[first / GROUP] - i->number)
        exec_fail(x, i, first, "this accumulator's products may be under way: they belong to one of the latest %lld groups", (long long)i->number);
    if (x->failed || t->n != 2 * i->in[k]->lanes) return;
    const exec_places *at = accumulator(x);
    for (int l = 0; l < GROUP; l++)
        for (int e = 0; e < i->in[k]->lanes; e++) memcpy(of_thread(i->results[k], first + l) + 4 * e, &t->v[place_of(at, l, e, t->n)], 4);
    s->tiles = t->next; /* it was found last */
    free(t);
}

static void wait_for(exec_context *x, const exec_inst *i, int first) {
    exec_async *s = x->async;
    int left = 0;
    for (int k = 0; k < s->n_mma; k++) {
        const exec_mma m = s->mma[k];
        if (m.first == first && m.group < s->mma_committed[first / GROUP] - i->number) finish(x, &m);
        else s->mma[left++] = m;
    }
    uint64_t until = x->epoch + 1; /* reads from here on may be under way */
    for (int k = left; k-- > 0;)
        if (s->mma[k].first == first) until = s->mma[k].epoch;
    s->n_mma = left;
    for (int t = first; t < first + GROUP; t++) exec_clock_knows(x, t, exec_tensor_core(x, first), until);
    for (int k = 0; k < i->n_in && !x->failed; k++) give_back(x, i, first, k);
}

void exec_wgmma_wait(exec_context *x, const exec_inst *i) {
    each_group(x, i, wait_for);
    x->epoch++;
}
