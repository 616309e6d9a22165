/* Scans along contiguous memory by a block of threads: one line of the other axes a task. The line is done chunk by chunk: every
 * thread combines some neighbouring elements, the threads' results are scanned in steps of doubling distance (Hillis and
 * Steele, "Data Parallel Algorithms", 1986), and each thread runs over its elements again from what stands before them. Reads and
 * writes of the line are by neighbouring threads at neighbouring elements, by way of shared memory. */
#include "schedule_special.h"

enum { EACH = 4, PAD = 8, LEAST = 64 }; /* elements of a thread; a row of the memory they lie in is so much longer, for its banks */

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

/* Memory of the task, and the loop over its chunks. */
static bool open_line(block_scan *b) {
    sched *s = b->s;
    sym_ctx *c = s->m->syms;
    const ir_value *x = ir_operand(b->op, 0);
    int n = x->type.rank - 1;
    for (int d = 0; d < n; d++) b->at[d] = sym_index(c, "i", x->type.dims[d]);
    ir_block *grid = sched_grid(s, n, b->at, x->type.dims);
    sym_t own[2] = {sym_const(c, EACH), sym_const(c, b->threads + PAD)}, threads = sym_const(c, b->threads), one = sym_const(c, 1);
    b->elements = sched_alloc(s, grid, b->acc, 2, own);
    b->carry = sched_alloc(s, grid, b->acc, 1, &one);
    for (int i = 0; i < 2; i++) b->sums[i] = sched_alloc(s, grid, b->acc, 1, &threads);
    if (s->why) return false;
    sym_t i = sym_index(c, "i", one), zero = sym_const(c, 0);
    ir_op *start = stage_over(b, grid, i, one);
    emit_write(&s->e, b->carry, sched_identity(&s->e.b, b->combine, b->held), 1, &zero);
    each_alone(b, start);
    sym_t chunks = sym_ceildiv(c, b->extent, sym_const(c, EACH * b->threads)), chunk = sym_index(c, "c", chunks);
    b->base = sym_muli(c, chunk, EACH * b->threads);
    b->body = sched_loop_over(s, grid, chunk, chunks);
    return true;
}

bool sched_block_scan(sched *s, const ir_op *op, ir_value *out, frit_dtype held) {
    const ir_value *x = ir_operand(op, 0);
    block_scan b = {.s = s, .op = op, .out = out, .held = held, .acc = emit_compute_dtype(held), .threads = s->lim->threads,
                    .combine = (ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SUM), .extent = x->type.dims[x->type.rank - 1]};
    if (!open_line(&b) || !load(&b)) return false;
    combine_own(&b);
    scan_threads(&b);
    run_own(&b);
    store(&b);
    carry_on(&b);
    return !s->why;
}
