#include "lower_parts.h"
#include "lower_tile.h"

enum { MOST_BLOCKS = 2, MOST_VECTOR = 4 };

/* ---- Planning ---- */
/* One stage, which is one tile of a contraction. */
static lower_contract *only_tile(lower *l, const ir_op *grid) {
    const ir_op *stage = grid->blocks[0]->first;
    lower_contract *p = l->contracts.len == 1 ? l->contracts.data[0] : NULL;
    if (!p || stage != grid->blocks[0]->last || p->op != stage) return NULL;
    for (int i = 0; i < p->outer.n; i++)
        if (!sym_is(p->outer.extent[i], 1)) return NULL;
    for (int i = 0; i < 2; i++) {
        int64_t lo, hi;
        sym_range(l->syms, lower_axes_total(l, &p->side[i].axes), &lo, &hi);
        if (hi > p->side[i].tile) return NULL;
    }
    return p;
}

/* Bytes that a block reads for a chunk; that the sums of a piece take. */
static int64_t chunk_bytes(const lower_contract *p) {
    int64_t bytes = 0;
    for (int i = 0; i < 2; i++) bytes += (int64_t)p->side[i].tile * p->chunk * (int64_t)frit_dtype_bits(p->side[i].t) / 8;
    return bytes;
}

static int64_t piece_bytes(const lower_contract *p) {
    return (int64_t)p->side[0].tile * p->side[1].tile * (int64_t)frit_dtype_bits(p->sum) / 8;
}

/* Blocks that run at a time. */
static int64_t workers(lower *l, lower_contract *p) {
    const frit_target_limits *lim = l->lim;
    int64_t registers = lower_contract_registers(l, p);
    int64_t blocks = lim->multiprocessor_registers / (registers * lim->threads), room = lim->multiprocessor_shared / (p->place.at + p->place.bytes);
    if (room < blocks) blocks = room;
    if (blocks > MOST_BLOCKS) blocks = MOST_BLOCKS;
    if (p->roles) blocks = 1;
    return lim->multiprocessors * (blocks > 1 ? blocks : 1);
}

/* What parts cost, in chunks: another launch, and the sums of a piece or two that a block writes and another reads. */
static int64_t cost(const lower *l, const lower_contract *p) {
    enum { PIECES = 3 };
    int64_t chunk = chunk_bytes(p), bytes = l->lim->launch_bytes + (int64_t)(l->lim->piece_price * PIECES * (double)piece_bytes(p));
    return (bytes + chunk - 1) / chunk;
}

/* The tiles left over by whole waves of w blocks; none where what is saved, the time in which the others would wait for
 * them, is less than twice the cost. */
static sym_t rest_of(lower *l, const lower_contract *p, sym_t tasks, sym_t chunks, int64_t w) {
    sym_ctx *c = l->syms;
    enum { FAR = 2 }; /* from the typical size of an open sum, which may be longer */
    int64_t n, least = 2 * cost(l, p);
    sym_t zero = sym_const(c, 0), rest = sym_mod(c, tasks, sym_const(c, w));
    if (sym_is_const(chunks, &n) ? n <= least : FAR * sym_hint(chunks) <= least) return zero;
    sym_t saved = sym_sub(c, sym_mul(c, chunks, sym_sub(c, sym_const(c, w), rest)), sym_const(c, least * w));
    return sym_mul(c, rest, sym_min(c, sym_const(c, 1), sym_max(c, zero, saved)));
}

bool lower_parts_plan(lower *l, const ir_op *grid, sym_t tasks) {
    sym_ctx *c = l->syms;
    lower_contract *p = l->lim->multiprocessors && l->phase != LOWER_WHOLE ? only_tile(l, grid) : NULL;
    if (!p) return false;
    lower_parts s = {.grid = grid, .of = p, .at = l->parts_bytes, .sums = piece_bytes(p) * 8 / (int64_t)frit_dtype_bits(p->sum)};
    int64_t w = workers(l, p);
    s.chunks = sym_ceildiv(c, lower_axes_total(l, &p->k), sym_const(c, p->chunk));
    s.rest = rest_of(l, p, tasks, s.chunks, w);
    if (sym_is(s.rest, 0)) return false;
    sym_t all = sym_mul(c, s.rest, s.chunks);
    int64_t least = cost(l, p) / 2;
    s.workers = w, s.least = 2 * cost(l, p), s.least_run = least > 1 ? least : 1;
    s.run = sym_max(c, sym_const(c, s.least_run), sym_ceildiv(c, all, sym_const(c, w)));
    s.runs = sym_ceildiv(c, all, s.run);
    l->parts_bytes = sym_add(c, l->parts_bytes, sym_muli(c, sym_add(c, s.rest, s.runs), piece_bytes(p)));
    vec_push(l->scratch, &l->parts, arena_copy(l->scratch, &s, sizeof s));
    return true;
}

lower_parts *lower_parts_of(lower *l, const ir_op *grid) {
    for (int i = 0; i < l->parts.len; i++)
        if (l->parts.data[i]->grid == grid) return l->parts.data[i];
    return NULL;
}

const lower_piece *lower_parts_pieces(lower *l) {
    lower_piece *all = arena_array(l->m->arena, lower_piece, l->parts.len + 1);
    for (int i = 0; i < l->parts.len; i++) {
        const lower_parts *s = l->parts.data[i];
        all[i] = (lower_piece){.grid = s->grid, .rest = s->rest, .chunks = s->chunks, .workers = s->workers, .least = s->least,
                               .least_run = s->least_run, .at = s->at, .sums = s->sums, .chunk = s->of->chunk, .dtype = s->of->sum};
    }
    return all;
}

/* ---- Tasks ---- */
/* A variable for e, a number from lo to hi, in the scope that knows it. */
static sym_t named(lower *l, const char *name, sym_t e, sym_t lo, sym_t hi, int64_t multiple) {
    sym_t v = sym_var(l->syms, name, SYM_INDEX, lo, hi);
    if (multiple > 1) sym_var_bound(l->syms, v, NULL, NULL, multiple);
    ir_value *x = lower_index(l, e);
    lower_bind(l, v, x, lower_depth(l, e));
    return v;
}

/* The plan of this task's contraction: plans are made anew for each grid. */
static void begin(lower *l, lower_parts *s) {
    sym_ctx *c = l->syms;
    s->of = l->contracts.data[0];
    s->of->parts = s;
    s->rest_var = named(l, "rest", s->rest, sym_const(c, 0), NULL, 1);
    s->run_var = named(l, "run", s->run, sym_const(c, 1), NULL, 1);
}

/* Whether the last chunk of a tile is a whole one: then all runs end at multiples of a chunk. */
static int64_t multiple_of(lower *l, const lower_contract *p) {
    return sym_prove_multiple(l->syms, lower_axes_total(l, &p->k), p->chunk) ? p->chunk : 1;
}

ir_op *lower_parts_tiles(lower *l, lower_parts *s, sym_t tasks, ir_value **task) {
    sym_ctx *c = l->syms;
    begin(l, s);
    sym_t zero = sym_const(c, 0), depth = lower_axes_total(l, &s->of->k);
    int64_t chunk = s->of->chunk;
    s->unit = sym_var(c, "unit", SYM_INDEX, zero, NULL);
    lower_bind(l, s->unit, *task, l->depth);
    sym_t from = sym_mul(c, s->unit, s->run_var), to = sym_add(c, from, s->run_var);
    sym_t last = sym_min(c, sym_ceildiv(c, to, s->chunks), s->rest_var);
    ir_op *loop = lower_for(l, lower_index(l, sym_floordiv(c, from, s->chunks)), lower_index(l, last), lower_int(l, FRIT_i64, 1), 0, NULL);
    s->tile = sym_var(c, "tile", SYM_INDEX, zero, NULL);
    lower_bind(l, s->tile, loop->blocks[0]->args[0], l->depth);
    sym_t before = sym_mul(c, s->tile, s->chunks);
    sym_t lo = sym_max(c, zero, sym_sub(c, from, before)), hi = sym_min(c, s->chunks, sym_sub(c, to, before));
    s->of->from = named(l, "from", sym_muli(c, lo, chunk), zero, depth, chunk);
    s->of->to = named(l, "to", sym_min(c, depth, sym_muli(c, hi, chunk)), zero, depth, multiple_of(l, s->of));
    *task = lower_index(l, sym_add(c, sym_sub(c, tasks, s->rest_var), s->tile));
    return loop;
}

void lower_parts_tile(lower *l, lower_parts *s, sym_t tasks, ir_value *task) {
    sym_ctx *c = l->syms;
    begin(l, s);
    sym_t zero = sym_const(c, 0), one = sym_const(c, 1), depth = lower_axes_total(l, &s->of->k);
    sym_t number = sym_var(c, "task", SYM_INDEX, zero, NULL);
    lower_bind(l, number, task, l->depth);
    sym_t tile = sym_add(c, sym_sub(c, number, tasks), s->rest_var); /* negative: not one of those */
    s->tile = named(l, "tile", sym_max(c, zero, tile), zero, NULL, 1);
    sym_t is = named(l, "in_parts", sym_max(c, zero, sym_min(c, one, sym_addi(c, tile, 1))), zero, one, 1);
    sym_t before = sym_mul(c, s->tile, s->chunks), after = sym_addi(c, sym_add(c, before, s->chunks), -1);
    s->first = sym_floordiv(c, before, s->run_var);
    s->end = sym_mul(c, is, sym_addi(c, sym_floordiv(c, after, s->run_var), 1));
    s->of->from = zero;
    s->of->to = named(l, "to", sym_mul(c, sym_sub(c, one, is), depth), zero, depth, multiple_of(l, s->of));
}

/* ---- Sums ---- */
/* Where sum i of this thread is in the piece of that run: neighbouring threads have neighbouring vectors. */
static ir_value *place_of(lower *l, const lower_contract *p, sym_t unit, int i) {
    sym_ctx *c = l->syms;
    const lower_parts *s = p->parts;
    int64_t lanes = p->sums[i]->type.lanes, threads = l->lim->threads;
    sym_t at = sym_muli(c, sym_add(c, unit, s->tile), s->sums);
    at = sym_add(c, at, sym_muli(c, sym_addi(c, l->thread, i * threads), lanes));
    return lower_index(l, at);
}

static ir_value *memory_of(lower *l, const lower_contract *p) {
    ir_value *v[2] = {l->parts_arg, lower_index(l, p->parts->at)};
    ir_value *at = lower_build(l, l->floor, IR_ptradd, 2, v, l->parts_arg->type);
    return lower_build(l, l->floor, IR_ptrcast, 1, &at, ir_ptr(p->sum, IR_GLOBAL));
}

static int64_t alignment(ir_type t) {
    int lanes = t.lanes < MOST_VECTOR ? t.lanes : MOST_VECTOR;
    int64_t bytes = lanes * (int64_t)frit_dtype_bits((frit_dtype)t.dtype) / 8;
    return bytes < 16 ? bytes : 16;
}

void lower_parts_gather(lower *l, lower_contract *p) {
    sym_ctx *c = l->syms;
    if (!p->parts || l->phase != LOWER_REST) return;
    ir_value *ptr = memory_of(l, p);
    ir_op *loop = lower_for(l, lower_index(l, p->parts->first), lower_index(l, p->parts->end), lower_int(l, FRIT_i64, 1), p->n_sums, p->sums);
    sym_t unit = sym_var(c, "unit", SYM_INDEX, sym_const(c, 0), NULL);
    lower_bind(l, unit, loop->blocks[0]->args[0], l->depth);
    for (int i = 0; i < p->n_sums; i++) {
        ir_type t = p->sums[i]->type;
        ir_value *x = lower_load(l, l->depth, ptr, place_of(l, p, unit, i), t, NULL, NULL);
        if (t.lanes > 1) ir_set_int(l->m, x->op, IR_ATTR_align, alignment(t));
        p->sums[i] = lower_build(l, l->depth, IR_add, 2, (ir_value *[]){p->sums[i], x}, t);
    }
    lower_for_end(l, loop, p->n_sums, p->sums);
}

bool lower_parts_store(lower *l, lower_contract *p) {
    if (!p->parts || l->phase != LOWER_PARTS) return false;
    ir_value *ptr = memory_of(l, p);
    for (int i = 0; i < p->n_sums; i++) {
        ir_op *op = lower_store(l, ptr, place_of(l, p, p->parts->unit, i), p->sums[i], NULL);
        if (p->sums[i]->type.lanes > 1) ir_set_int(l->m, op, IR_ATTR_align, alignment(p->sums[i]->type));
    }
    return true;
}
