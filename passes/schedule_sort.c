/* Sorts. Elements are ordered by value and, where values are equal, by position, so that no two are equal and any way of
 * sorting is stable. Short lines: an element's place is the number of elements before it, which takes a square of
 * comparisons, all alike. Others: a bitonic network of K (K + 1) / 2 steps for lines of at most 2^K elements (Batcher, "Sorting
 * networks and their applications", 1968), in the form whose every step puts the smaller element first: the first step
 * of a merge compares an element with its mirror image in the block. Elements beyond the line, were they there, would be
 * largest and never move, so that comparisons with them are left out. A task sorts several short lines side by side. Two
 * sorted runs are merged by many tasks (passes/split_sort.c makes such). */
#include "schedule_special.h"
#include "split_sort.h"
#include <string.h>

enum { FEW = 32, MAX_LEVELS = 47, SIDE_BY_SIDE = 8 };

typedef struct sorting {
    sched *s;
    const ir_op *op;
    ir_value *x, *values, *indices;
    int axis, rank;
    bool descending;
    ir_block *grid;
    sym_t at[IR_MAX_RANK]; /* the line's coordinates, and the variable along it */
    stage_vars lines;      /* which of the task's lines */
    sym_t extent, kept;    /* of the axis: elements, results */
    frit_dtype place_dtype;
    ir_value *key, *place; /* of the task: its lines' elements, and where each was */
} sorting;

/* x, found at place px, comes before y, found at py. */
static ir_value *comes_before(sorting *w, ir_value *x, ir_value *px, ir_value *y, ir_value *py) {
    ir_builder *b = &w->s->e.b;
    ir_value *less = sort_before(b, x, y, w->descending), *more = sort_before(b, y, x, w->descending);
    ir_value *tie = ir_binary(b, IR_and, ir_unary(b, IR_not, more), ir_binary(b, IR_lt, px, py));
    return ir_binary(b, IR_or, less, tie);
}

static ir_value *position(sorting *w, sym_t at, frit_dtype t) {
    ir_type type = ir_scalar(t);
    ir_op *op = ir_build(&w->s->e.b, IR_index, 0, NULL, 1, &type);
    ir_set_syms(w->s->m, op, IR_ATTR_size, 1, &at);
    return ir_result(op, 0);
}

/* A coordinate in [lo, n) that the kernel has computed. */
static sym_t coordinate(sorting *w, const char *name, ir_value *v, int64_t lo, sym_t n) {
    sched *s = w->s;
    sym_ctx *c = s->m->syms;
    sym_t var = sym_var(c, name, SYM_VALUE, sym_const(c, lo), sym_addi(c, n, -1));
    vec_push(s->scratch, &s->e.value_vars, var);
    vec_push(s->scratch, &s->e.values, v);
    return var;
}

/* Where element i of the line at hand is in a task's buffer. */
static int own_map(const sorting *w, sym_t i, sym_t *map) {
    for (int d = 0; d < w->lines.n; d++) map[d] = w->lines.var[d];
    map[w->lines.n] = i;
    return w->lines.n + 1;
}

static ir_value *read_own(sorting *w, ir_value *buffer, sym_t i) {
    sym_t map[2];
    return emit_read(&w->s->e, buffer, own_map(w, i, map), map, 0);
}

static void write_own(sorting *w, ir_value *buffer, sym_t i, ir_value *v) {
    sym_t map[2];
    emit_write(&w->s->e, buffer, v, own_map(w, i, map), map);
}

static ir_op *stage_over(sorting *w, ir_block *in, sym_t var, sym_t extent) {
    stage_vars sv = w->lines;
    sched_add_var(&sv, var, extent);
    sv.n_par = sv.n;
    return sched_stage(w->s, in, &sv);
}

static void each_alone(sorting *w, ir_op *stage) {
    int64_t one[2] = {1, 1};
    ir_set_ints(w->s->m, stage, IR_ATTR_tile, w->lines.n + 1, one);
    ir_set_int(w->s->m, stage, IR_ATTR_vector, -1);
}

/* Lines of the last other axis that a task takes on. */
static int64_t lines_of_task(const sorting *w) {
    int64_t n = sym_hint(w->extent), most = w->s->lim->threads;
    if (w->axis != w->rank - 1 && n <= 4 * most) return SIDE_BY_SIDE; /* neighbours in memory */
    return n > 0 && 2 * n <= most ? most / n : 1;
}

/* One task for each line or for some; where lines may share a byte, one for all. */
static void open_grid(sorting *w) {
    sched *s = w->s;
    const sym_t *dims = w->x->type.dims;
    sym_t task[IR_MAX_RANK], tasks[IR_MAX_RANK];
    bool nibbles = w->values && frit_dtype_bits((frit_dtype)w->values->type.dtype) < 8;
    int n = 0, last = w->axis == w->rank - 1 ? w->rank - 2 : w->rank - 1;
    int64_t side = s->lim->threads && !nibbles ? lines_of_task(w) : 1;
    for (int d = 0; d < w->rank; d++) {
        w->at[d] = sym_index(s->m->syms, "i", dims[d]);
        if (d == w->axis) continue;
        if (d == last && side > 1) {
            w->at[d] = sched_cut_dim(s, dims[d], side, &task[n], &tasks[n], &w->lines);
            n++;
        } else {
            task[n] = w->at[d], tasks[n++] = dims[d];
        }
    }
    w->grid = sched_grid(s, nibbles ? 0 : n, task, tasks);
    for (int d = 0; d < n && nibbles; d++) w->grid = sched_loop_over(s, w->grid, task[d], tasks[d]);
}

static ir_value *own_buffer(sorting *w, frit_dtype t) {
    sym_t dims[2];
    for (int d = 0; d < w->lines.n; d++) dims[d] = w->lines.extent[d];
    dims[w->lines.n] = w->extent;
    return sched_alloc(w->s, w->grid, t, w->lines.n + 1, dims);
}

static bool load(sorting *w) {
    sched *s = w->s;
    sym_t i = w->at[w->axis];
    ir_op *copy = stage_over(w, w->grid, i, w->extent);
    ir_value *e = emit_element(&s->e, w->x, w->at);
    if (!e) return false;
    write_own(w, w->key, i, e);
    if (w->place) write_own(w, w->place, i, position(w, i, w->place_dtype));
    sched_choose_tile(s, copy, NULL);
    return true;
}

/* ---- Short lines ---- */
static bool sort_by_counting(sorting *w) {
    sched *s = w->s;
    sym_ctx *c = s->m->syms;
    sym_t i = w->at[w->axis], j = sym_index(c, "j", w->extent), to[IR_MAX_RANK];
    stage_vars sv = w->lines;
    sched_add_var(&sv, i, w->extent);
    sv.n_par = sv.n;
    sched_add_var(&sv, j, w->extent);
    ir_op *stage = sched_stage(s, w->grid, &sv);
    ir_builder *b = &s->e.b;
    ir_value *mine = read_own(w, w->key, i), *theirs = read_own(w, w->key, j);
    ir_value *before = comes_before(w, theirs, position(w, j, FRIT_i64), mine, position(w, i, FRIT_i64));
    ir_value *term = ir_cast(b, before, FRIT_i64);
    int64_t sum = IR_SUM;
    ir_set_ints(s->m, stage, IR_ATTR_combines, 1, &sum);
    ir_build(b, IR_yield, 1, &term, 0, NULL);
    ir_value *place = ir_block_add_arg(s->m, stage->blocks[1], ir_scalar(FRIT_i64), NULL);
    emit_block(&s->e, stage->blocks[1], s->span);
    memcpy(to, w->at, sizeof to);
    to[w->axis] = coordinate(w, "rank", place, 0, w->extent);
    if (w->values) emit_write(&s->e, w->values, read_own(w, w->key, i), w->rank, to);
    if (w->indices) emit_write(&s->e, w->indices, position(w, i, FRIT_i64), w->rank, to);
    sched_choose_tile(s, stage, NULL);
    return !s->why;
}

/* ---- The network ---- */
/* The least k with 2^k >= n; no memory holds a line of more elements than MAX_LEVELS allow. */
static sym_t levels(sorting *w) {
    sym_ctx *c = w->s->m->syms;
    int64_t lo, hi;
    sym_range(c, w->extent, &lo, &hi);
    sym_t n = sym_const(c, 0), last = sym_max(c, sym_const(c, 0), sym_addi(c, w->extent, -1));
    for (int k = 0; k < MAX_LEVELS && (hi == INT64_MAX || INT64_C(1) << k < hi); k++)
        n = sym_add(c, n, sym_min(c, sym_const(c, 1), sym_floordiv(c, last, sym_const(c, INT64_C(1) << k))));
    return sym_is_const(n, NULL) ? n : sym_opaque(c, "levels", SYM_INT, n);
}

static ir_value *constant(sorting *w, int64_t v) { return ir_splat_int(&w->s->e.b, ir_scalar(w->place_dtype), v); }

/* The pair p of a step that compares elements of blocks of 2^(shift + 1), in their first step mirror images: its two
 * places in the line. */
static void pair_of(sorting *w, sym_t p, sym_t shift, sym_t step, ir_value *place[2]) {
    ir_builder *b = &w->s->e.b;
    ir_value *v = position(w, p, w->place_dtype), *by = position(w, shift, w->place_dtype), *one = constant(w, 1);
    ir_value *half = ir_binary(b, IR_shl, one, by);
    ir_value *within = ir_binary(b, IR_and, v, ir_binary(b, IR_sub, half, one));
    ir_value *first = ir_binary(b, IR_sub, ir_binary(b, IR_shl, v, one), within);
    ir_value *mirrored = ir_binary(b, IR_eq, position(w, step, w->place_dtype), constant(w, 0));
    ir_value *all = ir_binary(b, IR_sub, ir_binary(b, IR_shl, half, one), one);
    place[0] = first;
    place[1] = ir_binary(b, IR_xor, first, ir_select(b, mirrored, all, half));
}

static void compare_pair(sorting *w, ir_block *in, sym_t p, sym_t pairs, sym_t shift, sym_t step) {
    sched *s = w->s;
    ir_op *stage = stage_over(w, in, p, pairs);
    ir_builder *b = &s->e.b;
    ir_value *place[2], *key[2], *was[2];
    pair_of(w, p, shift, step, place);
    ir_value *there = ir_binary(b, IR_lt, place[1], position(w, w->extent, w->place_dtype));
    for (int i = 0; i < 2; i++) {
        sym_t at = coordinate(w, "at", ir_select(b, there, place[i], constant(w, -1)), -1, w->extent);
        key[i] = read_own(w, w->key, at);
        was[i] = read_own(w, w->place, at);
    }
    ir_value *swap = ir_binary(b, IR_and, there, comes_before(w, key[1], was[1], key[0], was[0]));
    for (int i = 0; i < 2; i++) {
        sym_t to = coordinate(w, "to", ir_select(b, swap, place[i], constant(w, -1)), -1, w->extent);
        write_own(w, w->key, to, key[1 - i]);
        write_own(w, w->place, to, was[1 - i]);
    }
    each_alone(w, stage);
}

static bool store(sorting *w) {
    sched *s = w->s;
    sym_t i = sym_index(s->m->syms, "i", w->kept);
    ir_op *stage = stage_over(w, w->grid, i, w->kept);
    w->at[w->axis] = i;
    if (w->values) emit_write(&s->e, w->values, read_own(w, w->key, i), w->rank, w->at);
    if (w->indices) emit_write(&s->e, w->indices, ir_cast(&s->e.b, read_own(w, w->place, i), FRIT_i64), w->rank, w->at);
    sched_choose_tile(s, stage, NULL);
    return !s->why;
}

/* Half the padded line's elements, which a step pairs up: known where the line's length is, else at most that length. */
static sym_t pairs_of(const sorting *w) {
    int64_t n, pairs = 1;
    if (!sym_is_const(w->extent, &n)) return w->extent;
    while (2 * pairs < n) pairs *= 2;
    return sym_const(w->s->m->syms, pairs);
}

static bool sort_by_network(sorting *w) {
    sched *s = w->s;
    sym_ctx *c = s->m->syms;
    sym_t n = levels(w), level = sym_index(c, "k", n), steps = sym_addi(c, level, 1), step = sym_index(c, "j", steps);
    ir_block *merge = sched_loop_over(s, w->grid, level, n), *body = sched_loop_over(s, merge, step, steps);
    sym_t pairs = pairs_of(w), p = sym_index(c, "p", pairs);
    compare_pair(w, body, p, pairs, sym_sub(c, level, step), step);
    return store(w);
}

/* ---- Two runs that are in order ---- */
static ir_value *arith(sorting *w, ir_opcode code, ir_value *x, ir_value *y) { return ir_binary(&w->s->e.b, code, x, y); }

static ir_value *element_of_line(sorting *w, ir_value *place) {
    sym_t at[IR_MAX_RANK];
    memcpy(at, w->at, sizeof at);
    at[w->axis] = coordinate(w, "at", place, 0, w->extent);
    return emit_element(&w->s->e, w->x, at);
}

/* The element of the right run comes before that of the left one, which equal ones do not; NULL: they have no formula. */
static ir_value *right_first(sorting *w, ir_value *left, ir_value *right) {
    ir_value *x = element_of_line(w, left), *y = element_of_line(w, right);
    return x && y ? sort_before(&w->s->e.b, y, x, w->descending) : NULL;
}

/* Where result d of the merged line is: of the first d, as many come from the left as binary search finds along the
 * diagonal, at least `from` and at most `to` (Odeh, Green, Mwassi, Shmueli, Birk, "Merge path", 2012). */
static ir_value *source_of(sorting *w, ir_value *d, int64_t length) {
    ir_builder *b = &w->s->e.b;
    ir_value *all = constant(w, length), *one = constant(w, 1), *past = NULL;
    ir_value *from = arith(w, IR_max, constant(w, 0), arith(w, IR_sub, d, all)), *to = arith(w, IR_min, d, all);
    ir_value *last_right = arith(w, IR_add, d, constant(w, length - 1));
    for (int64_t left = length; left > 0; left /= 2) {
        ir_value *mid = arith(w, IR_shr, arith(w, IR_add, from, to), one), *open = arith(w, IR_lt, from, to);
        if (!(past = right_first(w, mid, arith(w, IR_sub, last_right, mid)))) return NULL;
        ir_value *here = ir_select(b, past, from, arith(w, IR_add, mid, one));
        to = ir_select(b, arith(w, IR_and, open, past), mid, to);
        from = ir_select(b, open, here, from);
    }
    ir_value *right = arith(w, IR_sub, arith(w, IR_add, d, all), from), *end = constant(w, 2 * length);
    ir_value *left_at = arith(w, IR_min, from, constant(w, length - 1)), *right_at = arith(w, IR_min, right, constant(w, 2 * length - 1));
    if (!(past = right_first(w, left_at, right_at))) return NULL;
    ir_value *is_right = arith(w, IR_or, arith(w, IR_le, all, from), arith(w, IR_and, arith(w, IR_lt, right, end), past));
    return ir_select(b, is_right, right_at, left_at);
}

/* A task makes some neighbouring results. */
static bool merge_runs(sorting *w, int64_t length) {
    sched *s = w->s;
    sym_t task[IR_MAX_RANK], tasks[IR_MAX_RANK];
    stage_vars sv = {0};
    int n = 0;
    for (int d = 0; d < w->rank; d++) {
        w->at[d] = sym_index(s->m->syms, "i", w->x->type.dims[d]);
        if (d != w->axis) task[n] = w->at[d], tasks[n++] = w->x->type.dims[d];
    }
    w->at[w->axis] = sched_cut_dim(s, w->kept, s->sizes.row_points, &task[n], &tasks[n], &sv);
    w->grid = sched_grid(s, n + 1, task, tasks);
    sv.n_par = sv.n;
    ir_op *stage = sched_stage(s, w->grid, &sv);
    ir_value *source = source_of(w, position(w, w->at[w->axis], w->place_dtype), length);
    ir_value *value = source ? element_of_line(w, source) : NULL;
    if (!value) return false;
    if (w->values) emit_write(&s->e, w->values, value, w->rank, w->at);
    if (w->indices) emit_write(&s->e, w->indices, ir_cast(&s->e.b, source, FRIT_i64), w->rank, w->at);
    each_alone(w, stage);
    return !s->why;
}

/* The line is two runs of equal length, each in order. */
static bool is_merge(const sorting *w, int64_t *length) {
    *length = ir_get_int(w->op, IR_ATTR_runs, 0);
    bool bytes = !w->values || frit_dtype_bits((frit_dtype)w->values->type.dtype) >= 8;
    return *length > 0 && bytes && sym_is(w->extent, 2 * *length) && w->place_dtype == FRIT_i32;
}

bool sched_sort(sched *s, const ir_op *op) {
    int64_t lo, hi, length;
    ir_value *x = ir_operand(op, 0);
    sorting w = {.s = s, .op = op, .x = x, .axis = (int)ir_get_int(op, IR_ATTR_axis, 0), .rank = x->type.rank,
                 .values = sched_output_of(s, ir_result(op, 0)), .indices = sched_output_of(s, ir_result(op, 1)),
                 .descending = ir_get_int(op, IR_ATTR_descending, 0)};
    w.extent = x->type.dims[w.axis], w.kept = ir_result(op, 0)->type.dims[w.axis];
    sym_range(s->m->syms, w.extent, &lo, &hi);
    bool short_line = hi <= FEW;
    w.place_dtype = hi <= INT32_MAX / 2 ? FRIT_i32 : FRIT_i64;
    if (is_merge(&w, &length)) return merge_runs(&w, length);
    open_grid(&w);
    if (!(w.key = own_buffer(&w, emit_compute_dtype((frit_dtype)x->type.dtype)))) return false;
    if (!short_line && !(w.place = own_buffer(&w, w.place_dtype))) return false;
    if (!load(&w)) return false;
    return short_line ? sort_by_counting(&w) : sort_by_network(&w);
}
