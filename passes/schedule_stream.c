/* The states of a streamed region: running values that stages within the chunk loop update, and stages before and behind
 * it. See stream.h for the rule.
 *
 * The running maximum of a row that has seen nothing but -inf is -inf, which would make exp(x - m) NaN although later
 * chunks may hold numbers. Terms therefore use a shifted value, 0 in such a case; where it still differs at the end, the
 * sums are brought to the scale of the true value, which gives the NaN (or number) that the program asks for. */
#include "schedule_plan.h"
#include <math.h>
#include <string.h>

static ir_combine combine_of(const nest *n) {
    return n->kind == NEST_REDUCE ? (ir_combine)ir_get_int(n->v->op, IR_ATTR_combine, IR_SUM) : IR_SUM;
}

static double identity_of(ir_combine c) {
    switch (c) {
    case IR_PROD: return 1;
    case IR_MAX: return -INFINITY;
    case IR_MIN: return INFINITY;
    default: return 0;
    }
}

static ir_value *combine(emit *e, ir_combine c, ir_value *x, ir_value *y) {
    static const ir_opcode code[] = {[IR_SUM] = IR_add, [IR_PROD] = IR_mul, [IR_MAX] = IR_max, [IR_MIN] = IR_min};
    return ir_binary(&e->b, code[c], x, y);
}

static int index_of(const plan *p, const nest *n) { return (int)(n - p->r->nests.data); }
static const stream_nest *role_of(const plan *p, const nest *n) { return &p->chunks.of->nests[index_of(p, n)]; }
bool plan_is_state(const plan *p, const nest *n) { return p->chunks.of && role_of(p, n)->role == STREAM_STATE; }
static bool is_shifted(const plan *p, const nest *n) { return role_of(p, n)->early && isinf(identity_of(combine_of(n))); }

static emit_place *place_of_state(plan *p, const nest *n) {
    emit *e = &p->s->e;
    for (int i = e->places.len - 1; i >= 0; i--)
        if (e->places.data[i].v == n->v) return &e->places.data[i];
    return NULL;
}

/* Where the element at coords is in the state's buffers. */
static int state_map(plan *p, const nest *n, const sym_t *coords, sym_t *map) {
    const emit_place *place = place_of_state(p, n);
    for (int k = 0; k < place->rank; k++)
        map[k] = sym_subst(p->s->m->syms, place->index[k], n->rank, place->at, coords);
    return place->rank;
}

static ir_value *read_state(plan *p, const nest *n, ir_value *buffer, const sym_t *coords) {
    sym_t map[IR_MAX_RANK];
    int rank = state_map(p, n, coords, map);
    return emit_read(&p->s->e, buffer, rank, map, 0);
}

static void write_state(plan *p, const nest *n, ir_value *buffer, const sym_t *coords, ir_value *x) {
    sym_t map[IR_MAX_RANK];
    int rank = state_map(p, n, coords, map);
    emit_write(&p->s->e, buffer, x, rank, map);
}

static ir_value *buffer_like(plan *p, const ir_value *b) {
    return sched_alloc(p->s, p->grid, (frit_dtype)b->type.dtype, b->type.rank, b->type.dims);
}

/* A stage over the elements of n. */
static ir_op *element_stage(plan *p, const nest *n, const nest *q, sym_t *coords) {
    stage_vars sv = plan_loops(p, n, q);
    sv.n = sv.n_par;
    plan_coords(p, n, coords);
    plan_look_at(p, n, q);
    return sched_stage(p->s, p->block, &sv);
}

static ir_value *number(emit *e, const ir_value *like, double x) {
    return ir_splat(&e->b, ir_scalar((frit_dtype)like->type.dtype), x);
}

/* ---- Before the loop --------------------------------------------------------------------------------------------- */
static bool begin_state(plan *p, const nest *n) {
    state_buffers *b = &p->chunks.states[index_of(p, n)];
    emit *e = &p->s->e;
    double first = identity_of(combine_of(n));
    sym_t coords[IR_MAX_RANK];
    if (!(b->value = plan_buffer(p, n))) return false;
    bool met = p->parts.phase == PLAN_MEETING;
    if (role_of(p, n)->early && !met) b->before = buffer_like(p, b->value);
    b->used = is_shifted(p, n) ? buffer_like(p, b->value) : b->value;
    place_of_state(p, n)->buffer = b->used;
    if (met) return true;
    ir_op *stage = element_stage(p, n, NULL, coords);
    write_state(p, n, b->value, coords, number(e, b->value, first));
    if (b->used != b->value) write_state(p, n, b->used, coords, number(e, b->used, 0));
    sched_choose_tile(p->s, stage, NULL);
    return true;
}

bool plan_begin_states(plan *p) {
    region *r = p->r;
    p->chunks.states = arena_array(p->s->scratch, state_buffers, r->nests.len);
    for (int i = 0; i < r->nests.len; i++)
        if (p->chunks.of->nests[i].role == STREAM_STATE && !begin_state(p, &r->nests.data[i])) return false;
    return true;
}

/* ---- In the loop ------------------------------------------------------------------------------------------------- */
/* Which of the early states' values expressions see. */
typedef enum moment { USED_NOW, USED_BEFORE, USED_IN_PIECE, FINAL } moment;

/* The state's element number, in its own buffer, of the one that the indices are of. */
static sym_t flat(plan *p, const ir_value *buffer, const sym_t *index) {
    sym_ctx *c = p->s->m->syms;
    sym_t at = sym_const(c, 0);
    for (int d = 0; d < buffer->type.rank; d++) at = sym_add(c, sym_mul(c, at, buffer->type.dims[d]), index[d]);
    return at;
}

/* The place's own index, where it has been turned to a piece. */
static void leave_piece(emit_place *place, const state_buffers *b) {
    if (!b->index) return;
    place->index = b->index;
    place->rank = b->value->type.rank;
}

/* The place is in the piece at hand. */
static void look_in_piece(plan *p, int i, emit_place *place) {
    state_buffers *b = &p->chunks.states[i];
    if (!b->index) b->index = place->index;
    sym_t *at = arena_new_of(p->s->scratch, sym_t);
    *at = plan_piece_element(p, p->parts.at_used[i], flat(p, b->value, b->index));
    place->index = at;
    place->rank = 1;
    place->buffer = p->parts.memory;
}

static void look_at(plan *p, moment m) {
    for (int i = 0; i < p->r->nests.len; i++) {
        const state_buffers *b = &p->chunks.states[i];
        if (!p->chunks.of->nests[i].early) continue;
        emit_place *place = place_of_state(p, &p->r->nests.data[i]);
        leave_piece(place, b);
        if (m == USED_IN_PIECE) look_in_piece(p, i, place);
        else place->buffer = m == USED_NOW ? b->used : m == USED_BEFORE ? b->before : b->value;
    }
    emit_forget(&p->s->e);
}

static ir_value *element_at(plan *p, ir_value *v, const sym_t *at) {
    sym_t here[IR_MAX_RANK];
    for (int d = 0; d < v->type.rank; d++) here[d] = plan_on_cuts(p, at[d]);
    return emit_element(&p->s->e, v, here);
}

/* W with the states' values as of a moment. */
static ir_value *exponent(plan *p, const stream_nest *w, moment m) {
    emit *e = &p->s->e;
    ir_value *sum = NULL;
    look_at(p, m);
    for (int i = 0; i < w->n_terms; i++) {
        const stream_term *t = &w->term[i];
        ir_value *x = element_at(p, t->v, t->at);
        for (int k = 0; x && k < t->n_factors; k++) {
            ir_value *y = element_at(p, t->factor[k], t->factor_at[k]);
            x = y ? ir_binary(&e->b, t->divides[k] ? IR_div : IR_mul, x, ir_cast(&e->b, y, (frit_dtype)x->type.dtype)) : NULL;
        }
        if (!x) return NULL;
        if (t->minus) x = ir_unary(&e->b, IR_neg, x);
        sum = sum ? ir_binary(&e->b, IR_add, sum, ir_cast(&e->b, x, (frit_dtype)sum->type.dtype)) : x;
    }
    return sum;
}

/* exp(W(to) - W(from)), as t. */
static ir_value *rescale(plan *p, const stream_nest *w, moment from, moment to, frit_dtype t) {
    emit *e = &p->s->e;
    ir_value *b = exponent(p, w, to), *a = b ? exponent(p, w, from) : NULL;
    look_at(p, USED_NOW);
    if (!a) return NULL;
    ir_value *g = ir_unary(&e->b, w->base2 ? IR_exp2 : IR_exp, ir_binary(&e->b, IR_sub, b, a));
    return ir_cast(&e->b, g, t);
}

/* Nothing summed so far stays nothing, whatever the factor. */
static ir_value *scaled_sum(emit *e, ir_value *sum, ir_value *g) {
    ir_value *zero = number(e, sum, 0), *none = ir_binary(&e->b, IR_eq, sum, zero);
    return ir_select(&e->b, none, zero, ir_binary(&e->b, IR_mul, sum, g));
}

/* What terms use for the running value `now`, where that is not it. */
static void write_used(plan *p, const nest *n, const sym_t *coords, ir_value *now) {
    emit *e = &p->s->e;
    const state_buffers *b = &p->chunks.states[index_of(p, n)];
    if (b->used == b->value) return;
    ir_value *nothing = ir_binary(&e->b, IR_eq, now, number(e, now, identity_of(combine_of(n))));
    write_state(p, n, b->used, coords, ir_select(&e->b, nothing, number(e, now, 0), now));
}

bool plan_step_state(plan *p, const nest *n, const sym_t *coords, ir_value *x) {
    emit *e = &p->s->e;
    const stream_nest *w = role_of(p, n);
    const state_buffers *b = &p->chunks.states[index_of(p, n)];
    frit_dtype t = (frit_dtype)b->value->type.dtype;
    ir_value *old = read_state(p, n, b->value, coords);
    ir_value *used = w->early && b->used != b->value ? read_state(p, n, b->used, coords) : old;
    ir_value *kept = old;
    if (w->scaled) {
        ir_value *g = rescale(p, w, USED_BEFORE, USED_NOW, t);
        if (!g) return false;
        kept = scaled_sum(e, old, g);
    }
    ir_value *now = combine(e, combine_of(n), kept, ir_cast(&e->b, x, t));
    write_state(p, n, b->value, coords, now);
    if (w->early) write_state(p, n, b->before, coords, used);
    write_used(p, n, coords, now);
    return true;
}

/* ---- Behind the loop --------------------------------------------------------------------------------------------- */
static bool depends_on_shifted(const plan *p, const stream_nest *w) {
    bool any = false;
    for (int i = 0; i < p->r->nests.len; i++)
        any |= p->chunks.states[i].value && p->chunks.states[i].used != p->chunks.states[i].value;
    return w->scaled && any;
}

/* The sum on the scale of the true values. An empty axis has no terms whose scale could matter. */
static ir_value *settled_sum(plan *p, const stream_nest *w, ir_value *sum) {
    emit *e = &p->s->e;
    ir_value *to = exponent(p, w, FINAL), *from = to ? exponent(p, w, USED_NOW) : NULL;
    look_at(p, USED_NOW);
    if (!from) return NULL;
    ir_value *g = ir_unary(&e->b, w->base2 ? IR_exp2 : IR_exp, ir_binary(&e->b, IR_sub, to, from));
    ir_value *same = ir_binary(&e->b, IR_eq, to, from);
    if (!sym_prove_lt(p->s->m->syms, sym_const(p->s->m->syms, 0), p->chunks.of->extent)) {
        ir_value *length = emit_size(e, p->chunks.of->extent);
        ir_value *empty = ir_binary(&e->b, IR_le, length, ir_splat_int(&e->b, length->type, 0));
        same = ir_binary(&e->b, IR_or, same, empty);
    }
    ir_value *fixed = ir_binary(&e->b, IR_mul, sum, ir_cast(&e->b, g, (frit_dtype)sum->type.dtype));
    return ir_select(&e->b, same, sum, fixed);
}

/* A state that only later stages read stays where it is; one that is stored, or goes into an epilogue, or needs the last
 * factor, is looked at once more. */
static bool end_state(plan *p, const nest *n) {
    const stream_nest *w = role_of(p, n);
    const state_buffers *b = &p->chunks.states[index_of(p, n)];
    const nest *q = n->into >= 0 ? &p->r->nests.data[n->into] : NULL;
    sym_t coords[IR_MAX_RANK];
    bool fix = depends_on_shifted(p, w);
    if (!fix && !q && !n->output) return true;
    ir_op *stage = element_stage(p, n, q, coords);
    ir_value *x = read_state(p, n, b->value, coords);
    if (fix && !(x = settled_sum(p, w, x))) return false;
    if (fix && n->n_readers > (q != NULL)) write_state(p, n, b->value, coords, x);
    look_at(p, FINAL);
    if (!plan_finish(p, n, q, coords, x)) return false;
    look_at(p, USED_NOW);
    sched_choose_tile(p->s, stage, NULL);
    return true;
}

bool plan_end_states(plan *p) {
    region *r = p->r;
    for (int i = 0; i < r->nests.len; i++)
        if (p->chunks.of->nests[i].role == STREAM_STATE && !end_state(p, &r->nests.data[i])) return false;
    look_at(p, FINAL);
    return true;
}

/* ---- Pieces (schedule_parts.c) ----------------------------------------------------------------------------------- */
/* The element of a piece that the state's at coords is kept in, which begins at `at`. */
static sym_t piece_element(plan *p, const nest *n, int64_t at, const sym_t *coords) {
    sym_t map[IR_MAX_RANK];
    state_map(p, n, coords, map);
    return plan_piece_element(p, at, flat(p, p->chunks.states[index_of(p, n)].value, map));
}

static void store_state(plan *p, const nest *n) {
    int i = index_of(p, n);
    const state_buffers *b = &p->chunks.states[i];
    sym_t coords[IR_MAX_RANK];
    ir_op *stage = element_stage(p, n, NULL, coords);
    ir_value *from[2] = {b->value, role_of(p, n)->early ? b->used : NULL};
    for (int k = 0; k < 2 && from[k]; k++) {
        sym_t to = piece_element(p, n, k ? p->parts.at_used[i] : p->parts.at_value[i], coords);
        emit_write(&p->s->e, p->parts.memory, read_state(p, n, from[k], coords), 1, &to);
    }
    sched_choose_tile(p->s, stage, NULL);
}

bool plan_store_states(plan *p) {
    for (int i = 0; i < p->r->nests.len; i++)
        if (p->chunks.of->nests[i].role == STREAM_STATE) store_state(p, &p->r->nests.data[i]);
    return !p->s->why;
}

static bool meet_state(plan *p, const nest *n) {
    emit *e = &p->s->e;
    int i = index_of(p, n);
    const stream_nest *w = role_of(p, n);
    stage_vars sv = plan_loops(p, n, NULL);
    sym_t coords[IR_MAX_RANK];
    sv.n = sv.n_par;
    sched_add_var(&sv, p->parts.part, p->parts.parts);
    plan_coords(p, n, coords);
    plan_look_at(p, n, NULL);
    ir_op *stage = sched_stage(p->s, p->block, &sv);
    sym_t at = piece_element(p, n, p->parts.at_value[i], coords);
    ir_value *x = emit_read(e, p->parts.memory, 1, &at, 0);
    if (w->scaled) {
        ir_value *g = rescale(p, w, USED_IN_PIECE, USED_NOW, (frit_dtype)x->type.dtype);
        if (!g) return false;
        x = scaled_sum(e, x, g);
    }
    plan_yield_terms(p->s, stage, x, combine_of(n));
    ir_value *all = ir_block_add_arg(p->s->m, stage->blocks[1], x->type, NULL);
    emit_block(e, stage->blocks[1], p->s->span);
    write_state(p, n, p->chunks.states[i].value, coords, all);
    write_used(p, n, coords, all);
    sched_choose_tile(p->s, stage, NULL);
    return true;
}

bool plan_meet_states(plan *p) {
    for (int i = 0; i < p->r->nests.len; i++)
        if (p->chunks.of->nests[i].role == STREAM_STATE && !meet_state(p, &p->r->nests.data[i])) return false;
    return !p->s->why;
}
