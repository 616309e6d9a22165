/* Scans along contiguous memory by a block of threads: one line of the other axes a task. The line is done chunk by chunk: every
 * thread combines some neighbouring elements, the threads' results are scanned in steps of doubling distance (Hillis and
 * Steele, "Data Parallel Algorithms", 1986), and each thread runs over its elements again from what stands before them. Reads and
 * writes of the line are by neighbouring threads at neighbouring elements, by way of shared memory.
 *
 * Few long lines are shared out: reduce, then scan (Blelloch, "Prefix Sums and Their Applications", 1990). A line's chunks are dealt out
 * in runs of neighbours; a first launch combines each run's elements, and in a second one a task combines what runs before its own
 * came to, and goes through its run from there. How many runs there are is a formula over sizes and limits, so that any number of
 * blocks gives the same bits. */
#include "schedule_plan.h"
#include "schedule_special.h"
#include <string.h>

enum {
    EACH = 4, /* elements of a thread */
    PAD = 8,  /* a row of the memory they lie in is so much longer, for its banks */
    LEAST = 64,
    LEAST_CHUNKS = 8, /* of a line that is shared out: a launch takes as long as a few */
    BLOCKS = 2        /* of a multiprocessor, at work */
};

typedef struct block_scan {
    sched *s;
    const ir_op *op;
    ir_block *body;     /* of the loop over chunks */
    ir_value *out;
    ir_combine combine;
    frit_dtype held, acc;
    int64_t threads;
    sym_t at[IR_MAX_RANK]; /* of the line */
    sym_t extent, base;    /* of the axis; where the chunk begins */
    sym_t lines, line;     /* how many there are; this one's number */
    sym_t parts, part;     /* runs of a line, NULL: it is not shared out; this one's number */
    sym_t first, chunks;   /* of the run at hand */
    sym_t pieces;          /* where in the memory between the launches what the runs come to begins */
    ir_value *elements, *carry, *sums[2];
} block_scan;

bool sched_scans_by_block(const sched *s, const ir_op *op) {
    const ir_value *x = ir_operand(op, 0);
    ir_combine how = (ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SUM);
    int axis = (int)ir_get_int(op, IR_ATTR_axis, 0);
    bool bytes = frit_dtype_bits((frit_dtype)x->type.dtype) >= 8 && frit_dtype_bits((frit_dtype)ir_result(op, 0)->type.dtype) >= 8;
    return s->lim->threads > 1 && how != IR_ARGMAX && how != IR_ARGMIN && axis == x->type.rank - 1 && bytes &&
           sym_hint(x->type.dims[axis]) >= LEAST;
}

static ir_op *stage_over(block_scan *b, ir_block *in, sym_t var, sym_t extent) {
    stage_vars sv = {0};
    if (var) sched_add_var(&sv, var, extent);
    sv.n_par = sv.n;
    return sched_stage(b->s, in, &sv);
}

static void each_alone(block_scan *b, ir_op *stage) {
    int64_t one = 1;
    ir_set_ints(b->s->m, stage, IR_ATTR_tile, 1, &one);
    ir_set_int(b->s->m, stage, IR_ATTR_vector, -1);
}

static sym_t element_at(block_scan *b, sym_t i) {
    sym_ctx *c = b->s->m->syms;
    sym_t at = sym_add(c, b->base, i);
    return ir_get_int(b->op, IR_ATTR_reverse, 0) ? sym_sub(c, sym_addi(c, b->extent, -1), at) : at;
}

/* Element i of the chunk belongs to thread i / EACH. */
static void place_of(block_scan *b, sym_t i, sym_t *map) {
    sym_ctx *c = b->s->m->syms;
    map[0] = sym_mod(c, i, sym_const(c, EACH));
    map[1] = sym_floordiv(c, i, sym_const(c, EACH));
}

/* The chunk's elements; what lies beyond the line changes nothing. */
static bool load(block_scan *b) {
    sched *s = b->s;
    sym_ctx *c = s->m->syms;
    sym_t size = sym_const(c, EACH * b->threads), i = sym_index(c, "i", size), map[2];
    int rank = ir_operand(b->op, 0)->type.rank;
    ir_op *stage = stage_over(b, b->body, i, size);
    b->at[rank - 1] = element_at(b, i);
    ir_value *x = emit_element_or(&s->e, ir_operand(b->op, 0), b->at, 0);
    if (!x) return false;
    ir_builder *e = &s->e.b;
    ir_value *inside = ir_binary(e, IR_lt, sched_index_value(s, sym_add(c, b->base, i)), sched_index_value(s, b->extent));
    x = ir_select(e, inside, ir_cast(e, x, b->acc), sched_identity(e, b->combine, b->held));
    place_of(b, i, map);
    emit_write(&s->e, b->elements, x, 2, map);
    each_alone(b, stage);
    return true;
}

static ir_value *own_element(block_scan *b, sym_t p, int64_t q) {
    return emit_read(&b->s->e, b->elements, 2, (sym_t[]){sym_const(b->s->m->syms, q), p}, 0);
}

static void combine_own(block_scan *b) {
    sym_t threads = sym_const(b->s->m->syms, b->threads), p = sym_index(b->s->m->syms, "p", threads);
    ir_op *stage = stage_over(b, b->body, p, threads);
    ir_value *sum = own_element(b, p, 0);
    for (int q = 1; q < EACH; q++) sum = sched_combined(&b->s->e.b, b->combine, sum, own_element(b, p, q));
    emit_write(&b->s->e, b->sums[0], sum, 1, &p);
    each_alone(b, stage);
}

/* Afterwards sums[0] holds, for each thread, its elements and all before them in the chunk. */
static void scan_threads(block_scan *b) {
    sched *s = b->s;
    sym_ctx *c = s->m->syms;
    for (int64_t distance = 1; distance < b->threads; distance *= 2) {
        sym_t threads = sym_const(c, b->threads), p = sym_index(c, "p", threads);
        ir_op *stage = stage_over(b, b->body, p, threads);
        sym_t before = sym_max(c, sym_const(c, 0), sym_addi(c, p, -distance));
        ir_value *own = emit_read(&s->e, b->sums[0], 1, &p, 0), *other = emit_read(&s->e, b->sums[0], 1, &before, 0);
        ir_value *has = ir_binary(&s->e.b, IR_le, sched_index_value(s, sym_const(c, distance)), sched_index_value(s, p));
        ir_value *both = sched_combined(&s->e.b, b->combine, other, own);
        emit_write(&s->e, b->sums[1], ir_select(&s->e.b, has, both, own), 1, &p);
        each_alone(b, stage);
        ir_value *swap = b->sums[0];
        b->sums[0] = b->sums[1];
        b->sums[1] = swap;
    }
}

/* Every element becomes its result. */
static void run_own(block_scan *b) {
    sched *s = b->s;
    sym_ctx *c = s->m->syms;
    bool exclusive = ir_get_int(b->op, IR_ATTR_exclusive, 0);
    sym_t threads = sym_const(c, b->threads), p = sym_index(c, "p", threads), zero = sym_const(c, 0);
    ir_op *stage = stage_over(b, b->body, p, threads);
    sym_t before = sym_max(c, zero, sym_addi(c, p, -1));
    ir_builder *e = &s->e.b;
    ir_value *carry = emit_read(&s->e, b->carry, 1, &zero, 0), *others = emit_read(&s->e, b->sums[0], 1, &before, 0);
    ir_value *first = ir_binary(e, IR_eq, sched_index_value(s, p), sched_index_value(s, zero));
    ir_value *sum = ir_select(e, first, carry, sched_combined(e, b->combine, carry, others)), *own[EACH];
    for (int q = 0; q < EACH; q++) own[q] = own_element(b, p, q);
    for (int q = 0; q < EACH; q++) {
        ir_value *next = sched_combined(e, b->combine, sum, own[q]);
        emit_write(&s->e, b->elements, exclusive ? sum : next, 2, (sym_t[]){sym_const(c, q), p});
        sum = next;
    }
    each_alone(b, stage);
}

static void store(block_scan *b) {
    sched *s = b->s;
    sym_ctx *c = s->m->syms;
    sym_t size = sym_const(c, EACH * b->threads), left = sym_min(c, size, sym_sub(c, b->extent, b->base)), map[2];
    sym_t i = sym_index(c, "i", left);
    int rank = ir_operand(b->op, 0)->type.rank;
    ir_op *stage = stage_over(b, b->body, i, left);
    place_of(b, i, map);
    b->at[rank - 1] = element_at(b, i);
    emit_write(&s->e, b->out, emit_read(&s->e, b->elements, 2, map, 0), rank, b->at);
    each_alone(b, stage);
}

/* The next chunk begins with all of this one. */
static void carry_on(block_scan *b) {
    sched *s = b->s;
    sym_t zero = sym_const(s->m->syms, 0), last = sym_const(s->m->syms, b->threads - 1), i = sym_index(s->m->syms, "i", sym_const(s->m->syms, 1));
    ir_op *stage = stage_over(b, b->body, i, sym_const(s->m->syms, 1));
    ir_value *all = emit_read(&s->e, b->sums[0], 1, &last, 0), *carry = emit_read(&s->e, b->carry, 1, &zero, 0);
    emit_write(&s->e, b->carry, sched_combined(&s->e.b, b->combine, carry, all), 1, &zero);
    each_alone(b, stage);
}

/* ---- A task ------------------------------------------------------------------------------------------------------------ */
static int64_t chunk_size(const block_scan *b) { return EACH * b->threads; }

/* A task for each line, or for each run of it. */
static ir_block *open_task(block_scan *b) {
    sym_ctx *c = b->s->m->syms;
    const ir_value *x = ir_operand(b->op, 0);
    sym_t extents[IR_MAX_RANK], all = sym_ceildiv(c, b->extent, sym_const(c, chunk_size(b)));
    int n = x->type.rank - 1;
    memcpy(extents, x->type.dims, (size_t)n * sizeof *extents);
    b->line = b->first = sym_const(c, 0);
    b->chunks = all;
    for (int d = 0; d < n; d++) {
        b->at[d] = sym_index(c, "i", extents[d]);
        b->line = sym_add(c, sym_mul(c, b->line, extents[d]), b->at[d]);
    }
    if (b->parts) {
        sym_t run = sym_ceildiv(c, all, b->parts);
        extents[n] = b->parts;
        b->at[n++] = b->part = sym_index(c, "part", b->parts);
        b->first = sym_mul(c, b->part, run);
        b->chunks = sym_max(c, sym_const(c, 0), sym_min(c, run, sym_sub(c, all, b->first)));
    }
    return sched_grid(b->s, n, b->at, extents);
}

/* What run q of the line came to. */
static sym_t piece_of(block_scan *b, sym_t q) {
    sym_ctx *c = b->s->m->syms;
    return sym_add(c, b->pieces, sym_add(c, sym_mul(c, b->line, b->parts), q));
}

/* Ends a stage over the reduced variable r, whose term is x; gives what all terms come to. */
static ir_value *combine_terms(block_scan *b, ir_op *stage, ir_value *x) {
    sched *s = b->s;
    plan_yield_terms(s, stage, x, b->combine);
    ir_value *all = ir_block_add_arg(s->m, stage->blocks[1], x->type, NULL);
    emit_block(&s->e, stage->blocks[1], s->span);
    return all;
}

/* What the line's runs before this one came to. */
static void begin_carry(block_scan *b, ir_block *grid, ir_value *memory) {
    sched *s = b->s;
    sym_ctx *c = s->m->syms;
    sym_t zero = sym_const(c, 0), one = sym_const(c, 1);
    if (!b->parts) {
        ir_op *start = stage_over(b, grid, sym_index(c, "i", one), one);
        emit_write(&s->e, b->carry, sched_identity(&s->e.b, b->combine, b->held), 1, &zero);
        each_alone(b, start);
        return;
    }
    stage_vars sv = {0};
    sym_t q = sym_index(c, "q", b->part), at = piece_of(b, q);
    sched_add_var(&sv, q, b->part);
    ir_op *stage = sched_stage(s, grid, &sv);
    ir_value *all = combine_terms(b, stage, emit_read(&s->e, memory, 1, &at, 0));
    ir_value *nothing = sched_identity(&s->e.b, b->combine, b->held); /* of a narrow dtype, where there are no runs before */
    emit_write(&s->e, b->carry, sched_combined(&s->e.b, b->combine, nothing, all), 1, &zero);
    sched_choose_tile(s, stage, NULL);
}

/* Memory of the task, and the loop over its chunks. */
static bool open_line(block_scan *b, ir_value *memory) {
    sched *s = b->s;
    sym_ctx *c = s->m->syms;
    ir_block *grid = open_task(b);
    sym_t own[2] = {sym_const(c, EACH), sym_const(c, b->threads + PAD)}, threads = sym_const(c, b->threads), one = sym_const(c, 1);
    b->elements = sched_alloc(s, grid, b->acc, 2, own);
    b->carry = sched_alloc(s, grid, b->acc, 1, &one);
    for (int i = 0; i < 2; i++) b->sums[i] = sched_alloc(s, grid, b->acc, 1, &threads);
    if (s->why) return false;
    begin_carry(b, grid, memory);
    sym_t chunk = sym_index(c, "c", b->chunks);
    b->base = sym_muli(c, sym_add(c, b->first, chunk), chunk_size(b));
    b->body = sched_loop_over(s, grid, chunk, b->chunks);
    return true;
}

/* A line, or a run of it. */
static bool scan_line(void *u, ir_value *memory) {
    block_scan *b = u;
    if (!open_line(b, memory) || !load(b)) return false;
    combine_own(b);
    scan_threads(b);
    run_own(b);
    store(b);
    carry_on(b);
    return !b->s->why;
}

/* ---- Lines in parts ---------------------------------------------------------------------------------------------------- */
/* What the elements of a run come to. */
static bool combine_run(void *u, ir_value *memory) {
    block_scan *b = u;
    sched *s = b->s;
    sym_ctx *c = s->m->syms;
    ir_block *grid = open_task(b);
    sym_t size = sym_const(c, chunk_size(b)), left = sym_sub(c, b->extent, sym_mul(c, b->first, size));
    sym_t elements = sym_max(c, sym_const(c, 0), sym_min(c, sym_mul(c, b->chunks, size), left)), r = sym_index(c, "r", elements);
    int rank = ir_operand(b->op, 0)->type.rank;
    stage_vars sv = {0};
    sched_add_var(&sv, r, elements);
    ir_op *stage = sched_stage(s, grid, &sv);
    b->base = sym_mul(c, b->first, size);
    b->at[rank - 1] = element_at(b, r);
    ir_value *x = emit_element(&s->e, ir_operand(b->op, 0), b->at);
    if (!x) return false;
    sym_t at = piece_of(b, b->part);
    ir_value *all = combine_terms(b, stage, ir_cast(&s->e.b, x, b->acc));
    emit_write(&s->e, memory, all, 1, &at);
    sched_choose_tile(s, stage, NULL);
    return !s->why;
}

/* Sets parts where lines may be shared out; *is: 1 where they are, else 0. */
static bool find_parts(block_scan *b, sym_t *is) {
    const sched *s = b->s;
    sym_ctx *c = s->m->syms;
    sym_t one = sym_const(c, 1), all = sym_ceildiv(c, b->extent, sym_const(c, chunk_size(b)));
    if (!s->lim->multiprocessors || s->one_task || !sched_may_launch(s, b->acc)) return false;
    sym_t room = sym_floordiv(c, sym_const(c, BLOCKS * s->lim->multiprocessors), sym_max(c, one, b->lines));
    sym_t is_long = sym_min(c, one, sym_floordiv(c, all, sym_const(c, LEAST_CHUNKS)));
    sym_t parts = sym_max(c, one, sym_mul(c, is_long, sym_min(c, room, all)));
    if (sym_is(parts, 1)) return false;
    b->parts = sym_is_const(parts, NULL) ? parts : sym_opaque(c, "parts", SYM_INT, parts);
    *is = sym_min(c, one, sym_addi(c, b->parts, -1));
    return true;
}

static bool scan_in_parts(block_scan *b, sym_t is) {
    sched *s = b->s;
    sym_ctx *c = s->m->syms;
    sym_t guard = s->guard, one = sym_const(c, 1);
    block_scan whole = *b, first = *b;
    whole.parts = NULL;
    first.pieces = b->pieces = s->parts_elements;
    s->guard = sched_guard_and(c, guard, sym_sub(c, one, is));
    bool ok = sym_is(is, 1) || sched_in_launch(s, 1, b->acc, scan_line, &whole);
    s->guard = sched_guard_and(c, guard, is);
    ok = ok && sched_in_launch(s, 0, b->acc, combine_run, &first) && sched_in_launch(s, 1, b->acc, scan_line, b);
    sym_t memory = sym_mul(c, b->lines, b->parts);
    s->parts_elements = sym_add(c, s->parts_elements, s->guard ? sym_mul(c, s->guard, memory) : memory);
    s->guard = guard;
    return ok;
}

bool sched_block_scan(sched *s, const ir_op *op, ir_value *out, frit_dtype held) {
    const ir_value *x = ir_operand(op, 0);
    block_scan b = {.s = s, .op = op, .out = out, .held = held, .acc = emit_compute_dtype(held), .threads = s->lim->threads,
                    .combine = (ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SUM), .extent = x->type.dims[x->type.rank - 1]};
    sym_t is;
    b.lines = sym_prod(s->m->syms, x->type.dims, x->type.rank - 1);
    return find_parts(&b, &is) ? scan_in_parts(&b, is) : scan_line(&b, NULL);
}
