/* Loop nests -> grid and stages. */
#include "schedule_plan.h"
#include "schedule_special.h"
#include <string.h>

sym_t plan_on_cuts(plan *p, sym_t e) {
    sym_t with[REGION_MAX_GRID];
    const stream *of = p->chunks.of;
    for (int g = 0; g < p->r->n_grid; g++) with[g] = p->cuts[g].expr;
    e = sym_subst(p->s->m->syms, e, p->r->n_grid, p->r->grid, with);
    return of ? sym_subst(p->s->m->syms, e, of->n_vars, of->vars, p->chunks.expr) : e;
}

static int streamed(const plan *p, sym_t var) { return p->chunks.of ? stream_var(p->chunks.of, var) : -1; }

/* ---- Stages ------------------------------------------------------------------------------------------------------ */
/* Own variables come before reduced ones; grid variables that a task covers come first. */
static void add_axis_vars(plan *p, stage_vars *sv, const nest_axis *a) {
    for (int k = 0; k < a->n_vars; k++) {
        int i = streamed(p, a->vars[k]);
        if (i >= 0) sched_add_var(sv, p->chunks.inner[i], p->chunks.inner_extent);
        else sched_add_var(sv, a->vars[k], plan_on_cuts(p, a->extents[k]));
    }
}

static bool nest_uses(const nest *n, sym_t var) {
    for (int d = 0; d < n->rank; d++)
        if (sym_uses(n->dim[d].expr, var)) return true;
    return false;
}

stage_vars plan_loops(plan *p, const nest *n, const nest *q) {
    stage_vars sv = {0};
    for (int g = 0; g < p->r->n_grid; g++)
        if (p->cuts[g].inner && (nest_uses(n, p->r->grid[g]) || (q && nest_uses(q, p->r->grid[g]))))
            sched_add_var(&sv, p->cuts[g].inner, p->cuts[g].inner_extent);
    for (int d = 0; q && d < q->rank; d++) add_axis_vars(p, &sv, &q->dim[d]);
    for (int d = 0; d < n->rank; d++) add_axis_vars(p, &sv, &n->dim[d]);
    sv.n_par = sv.n;
    for (int k = 0; k < n->n_red; k++) add_axis_vars(p, &sv, &n->red[k]);
    return sv;
}

void plan_coords(plan *p, const nest *n, sym_t *out) {
    for (int d = 0; d < n->rank; d++) out[d] = plan_on_cuts(p, n->dim[d].expr);
}

/* What a task keeps of n. A block's matrix instructions take operands of 16 bits as they are, and shared memory is short; a
 * core would widen each element again. */
static frit_dtype held_dtype(const plan *p, const nest *n) {
    frit_dtype t = (frit_dtype)n->v->type.dtype;
    bool narrow = p->s->lim->threads && frit_dtype_is_float(t) && frit_dtype_bits(t) == 16 && emit_is_rounded(n->v);
    return narrow && !plan_is_state(p, n) ? t : emit_compute_dtype(t);
}

/* The task-private buffer of n: the covered grid variables, then every local dim in full. */
ir_value *plan_buffer(plan *p, const nest *n) {
    sched *s = p->s;
    sym_ctx *c = s->m->syms;
    sym_t dims[IR_MAX_RANK], own[IR_MAX_RANK * 6], zero[IR_MAX_RANK * 6], top[IR_MAX_RANK * 6];
    emit_place place = {.v = n->v};
    sym_t *at = arena_array(s->scratch, sym_t, n->rank + 1), *index = arena_array(s->scratch, sym_t, IR_MAX_RANK);
    for (int g = 0; g < p->r->n_grid && place.rank < IR_MAX_RANK; g++)
        if (p->cuts[g].inner && nest_uses(n, p->r->grid[g])) {
            dims[place.rank] = p->cuts[g].inner_max;
            index[place.rank++] = p->cuts[g].inner;
        }
    for (int d = 0; d < n->rank; d++) {
        const nest_axis *a = &n->dim[d];
        at[d] = sym_index(c, "x", n->v->type.dims[d]);
        if (!a->n_vars) continue;
        for (int k = 0; k < a->n_vars; k++) {
            own[k] = a->vars[k];
            zero[k] = sym_const(c, 0);
            top[k] = sym_addi(c, a->extents[k], -1);
        }
        sym_t base = sym_subst(c, a->expr, a->n_vars, own, zero);
        if (place.rank == IR_MAX_RANK) {
            s->why = "a value of too high rank";
            return NULL;
        }
        if (a->n_vars == 1 && streamed(p, a->vars[0]) >= 0) { /* the chunk at hand */
            dims[place.rank] = sym_const(c, p->chunks.size);
            index[place.rank++] = sym_sub(c, at[d], p->chunks.base);
            continue;
        }
        dims[place.rank] = plan_on_cuts(p, sym_addi(c, sym_sub(c, sym_subst(c, a->expr, a->n_vars, own, top), base), 1));
        index[place.rank++] = sym_sub(c, at[d], plan_on_cuts(p, base));
    }
    place.at = at;
    place.index = index;
    place.buffer = sched_alloc(s, p->grid, held_dtype(p, n), place.rank, dims);
    if (!place.buffer) return NULL;
    vec_push(s->scratch, &s->e.places, place);
    return place.buffer;
}

/* Later stages read the value back from where it was written. */
static void place_output(sched *s, const sched_out *o) {
    emit_place_identity(&s->e, o->v, o->buffer);
    emit_place *p = &s->e.places.data[s->e.places.len - 1];
    sym_t *index = arena_array(s->scratch, sym_t, IR_MAX_RANK);
    sched_output_coords(s, o, p->at, index);
    p->index = index;
    p->exact = !o->via;
}

static void write_output(plan *p, const nest *n, ir_value *x, const sym_t *coords) {
    for (int k = 0; k < p->n_outputs; k++)
        if (p->outputs[k].v == n->v) {
            sym_t at[IR_MAX_RANK];
            sched_output_coords(p->s, &p->outputs[k], coords, at);
            emit_write(&p->s->e, p->outputs[k].buffer, x, n->rank, at);
        }
}

/* Whether some nest other than its own epilogue reads n from memory. */
static bool needs_buffer(const nest *n) { return n->n_readers > (n->into >= 0) && !n->output; }

/* Stores the element x of n wherever readers look for it, and makes it known to later stages. */
static void store_element(plan *p, const nest *n, ir_value *x, const sym_t *coords) {
    sched *s = p->s;
    if (plan_is_state(p, n)) { /* its readers know where it is */
        if (n->output) write_output(p, n, x, coords);
    } else if (n->output) {
        write_output(p, n, x, coords);
        for (int k = 0; k < p->n_outputs; k++)
            if (p->outputs[k].v == n->v && n->n_readers) place_output(s, &p->outputs[k]);
    } else if (needs_buffer(n)) {
        ir_value *buffer = plan_buffer(p, n);
        if (!buffer) return;
        emit_place *place = &s->e.places.data[s->e.places.len - 1];
        sym_t map[IR_MAX_RANK];
        for (int k = 0; k < place->rank; k++) map[k] = sym_subst(s->m->syms, place->index[k], n->rank, place->at, coords);
        emit_write(&s->e, buffer, x, place->rank, map);
    }
}

/* The combined value x as an element of n. Four-bit values are combined as bytes: what is left of the byte's identity and
 * what wraps is seen to here. */
static ir_value *settled(sched *s, const nest *n, ir_value *x) {
    frit_dtype from = (frit_dtype)ir_operand(n->v->op, 0)->type.dtype, t = (frit_dtype)n->v->type.dtype;
    ir_combine how = (ir_combine)ir_get_int(n->v->op, IR_ATTR_combine, IR_SUM);
    ir_type c = x->type;
    if (how == IR_MAX && from == FRIT_i4) x = ir_binary(&s->e.b, IR_max, x, ir_splat_int(&s->e.b, c, -8));
    if (how == IR_MIN && (from == FRIT_i4 || from == FRIT_u4))
        x = ir_binary(&s->e.b, IR_min, x, ir_splat_int(&s->e.b, c, from == FRIT_i4 ? 7 : 15));
    x = ir_cast(&s->e.b, x, emit_compute_dtype(t));
    return frit_dtype_bits(t) >= 8 ? x : ir_cast(&s->e.b, ir_cast(&s->e.b, x, t), emit_compute_dtype(t));
}

/* The combined value, and what is computed from it on the spot. */
bool plan_finish(plan *p, const nest *n, const nest *q, const sym_t *coords, ir_value *combined) {
    sched *s = p->s;
    ir_value *x = settled(s, n, combined), *y = NULL;
    emit_known(&s->e, n->v, coords, x);
    sym_t at[IR_MAX_RANK];
    if (q) {
        plan_coords(p, q, at);
        if (!(y = emit_element(&s->e, q->v, at))) return false;
    }
    store_element(p, n, x, coords);
    if (q) store_element(p, q, y, at);
    return !s->why;
}

/* Block 1 of a reduction's stage. */
bool plan_epilogue(plan *p, ir_op *stage, const nest *n, const nest *q, const sym_t *coords, ir_type t) {
    sched *s = p->s;
    ir_value *arg = ir_block_add_arg(s->m, stage->blocks[1], t, NULL);
    emit_block(&s->e, stage->blocks[1], s->span);
    if (plan_is_state(p, n)) return plan_step_state(p, n, coords, arg);
    return plan_finish(p, n, q, coords, arg);
}

static bool map_stage(plan *p, const nest *n) {
    sched *s = p->s;
    stage_vars sv = plan_loops(p, n, NULL);
    sym_t coords[IR_MAX_RANK];
    int n_places = s->e.places.len;
    if (!plan_copy_across(p, n)) return false;
    plan_coords(p, n, coords);
    sched_stage(s, p->block, &sv);
    ir_value *x = emit_element(&s->e, n->v, coords);
    if (!x) return false;
    if (p->n_across) s->e.places.len = n_places; /* the copies have been read */
    store_element(p, n, x, coords);
    return !s->why;
}

void plan_yield_terms(sched *s, ir_op *stage, ir_value *term, ir_combine combine) {
    int64_t c = combine;
    ir_set_ints(s->m, stage, IR_ATTR_combines, 1, &c);
    ir_build(&s->e.b, IR_yield, 1, &term, 0, NULL);
}

/* Terms are combined in the wider of the operand's and the result's dtypes; compared, in the operand's. */
static frit_dtype accumulator(const ir_op *op) {
    frit_dtype from = emit_compute_dtype((frit_dtype)ir_operand(op, 0)->type.dtype);
    ir_combine c = (ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SUM);
    if (c == IR_MAX || c == IR_MIN) return from;
    frit_dtype to = emit_compute_dtype((frit_dtype)ir_result(op, 0)->type.dtype);
    bool same_kind = frit_dtype_is_float(from) == frit_dtype_is_float(to) && from != FRIT_bool && to != FRIT_bool;
    return same_kind && frit_dtype_bits(from) > frit_dtype_bits(to) ? from : to;
}

static bool reduce_stage(plan *p, const nest *n, const nest *q) {
    sched *s = p->s;
    stage_vars sv = plan_loops(p, n, q);
    sym_t coords[IR_MAX_RANK], at[IR_MAX_RANK], red[IR_MAX_RANK];
    plan_coords(p, n, coords);
    for (int k = 0; k < n->n_red; k++) red[k] = plan_on_cuts(p, n->red[k].expr);
    access_reduced(&s->e.x, n->v->op, 0, coords, red, at);
    ir_op *stage = sched_stage(s, p->block, &sv);
    ir_value *x = emit_element(&s->e, ir_operand(n->v->op, 0), at);
    if (!x) return false;
    ir_combine combine = (ir_combine)ir_get_int(n->v->op, IR_ATTR_combine, IR_SUM);
    bool arg = combine == IR_ARGMAX || combine == IR_ARGMIN;
    if (!arg) x = ir_cast(&s->e.b, x, accumulator(n->v->op));
    if (sv.n == sv.n_par) { /* over no axes: the only term is the result */
        if (!plan_finish(p, n, q, coords, arg ? ir_splat_int(&s->e.b, ir_scalar(FRIT_i64), 0) : x)) return false;
    } else {
        plan_yield_terms(s, stage, x, combine);
        if (!plan_epilogue(p, stage, n, q, coords, arg ? ir_scalar(FRIT_i64) : x->type)) return false;
    }
    return true;
}

/* ---- A region ---------------------------------------------------------------------------------------------------- */
static void open_grid(plan *p) {
    sym_t vars[REGION_MAX_GRID + 1], extents[REGION_MAX_GRID + 1]; /* and the part */
    int n = 0;
    for (int g = 0; g < p->r->n_grid; g++)
        if (p->cuts[g].task) {
            vars[n] = p->cuts[g].task;
            extents[n++] = p->cuts[g].task_extent;
        }
    if (p->parts.phase == PLAN_PIECES) vars[n] = p->parts.part, extents[n++] = p->parts.parts;
    p->grid = p->block = sched_grid(p->s, n, vars, extents);
}

/* n may be evaluated outside of its domain, because its readers ask there and drop what they get. */
static bool leaves_domain(plan *p, const nest *n) {
    sym_ctx *c = p->s->m->syms;
    for (int d = 0; n && d < n->rank; d++)
        if (!sym_prove_ge0(c, n->dim[d].expr) || !sym_prove_lt(c, n->dim[d].expr, n->v->type.dims[d])) return true;
    return false;
}

void plan_look_at(plan *p, const nest *n, const nest *q) {
    p->s->span = n->v->op->span;
    p->s->e.unsafe = leaves_domain(p, n) || leaves_domain(p, q);
}

/* The stages of nest i. A state's epilogue runs behind the loop. */
static bool nest_stages(plan *p, int i) {
    const nest *n = &p->r->nests.data[i], *q = n->into >= 0 ? &p->r->nests.data[n->into] : NULL;
    if (n->merged >= 0) return true;
    if (plan_is_state(p, n)) q = NULL;
    plan_look_at(p, n, q);
    switch (n->kind) {
    case NEST_MAP: return map_stage(p, n);
    case NEST_REDUCE: return reduce_stage(p, n, q);
    case NEST_CONTRACT: return plan_contract_stage(p, n, q);
    }
    return false;
}

/* ---- Streams ----------------------------------------------------------------------------------------------------- */
static bool stages_of(plan *p, stream_role a, stream_role b) {
    for (int i = 0; i < p->r->nests.len; i++) {
        stream_role role = p->chunks.of ? p->chunks.of->nests[i].role : a;
        if ((role == a || role == b) && !nest_stages(p, i)) return false;
    }
    return true;
}

static bool all_stages(plan *p) {
    if (!p->chunks.of) return stages_of(p, STREAM_BEFORE, STREAM_BEFORE);
    if (!stages_of(p, STREAM_BEFORE, STREAM_BEFORE) || !plan_begin_states(p)) return false;
    if (p->parts.phase == PLAN_MEETING) {
        if (!plan_meet_states(p)) return false;
    } else {
        p->block = sched_loop_over(p->s, p->grid, p->chunks.chunk, p->chunks.chunks);
        if (!stages_of(p, STREAM_BODY, STREAM_STATE)) return false;
        p->block = p->grid;
    }
    if (p->parts.phase == PLAN_PIECES) return plan_store_states(p);
    return plan_end_states(p) && stages_of(p, STREAM_AFTER, STREAM_AFTER);
}

/* On a core the epilogue of a contraction is written out for every sum that is in a register: one that is long is a loop
 * of its own behind them. */
static void set_long_epilogues_apart(plan *p) {
    enum { LONG = 100 };
    for (int i = 0; i < p->r->nests.len && !p->s->lim->threads; i++) {
        const nest *n = &p->r->nests.data[i];
        if (n->kind != NEST_CONTRACT || n->into < 0) continue;
        if (region_element_length(p->r, p->r->nests.data[n->into].v, LONG) > LONG) region_set_apart(p->r, i, n->into);
    }
}

/* What the nests are, and how their axes are cut. */
static bool begin_plan(plan *p) {
    sched *s = p->s;
    ir_value **values = arena_array(s->scratch, ir_value *, p->n_outputs);
    for (int i = 0; i < p->n_outputs; i++) values[i] = p->outputs[i].v;
    *p = (plan){.s = s, .outputs = p->outputs, .n_outputs = p->n_outputs};
    p->r = region_analyse(s->m, s->scratch, s->lim->threads > 0, s->n_ops, s->ops, p->n_outputs, values, &s->why);
    if (!p->r) return false;
    set_long_epilogues_apart(p);
    plan_choose_stream(p);
    plan_choose_cuts(p);
    plan_choose_chunks(p);
    return true;
}

static bool keep_rows(plan *p) {
    sched *s = p->s;
    if (s->kept_row) return sched_keep_rows(s, p->grid, p->grid, s->kept_row);
    for (ir_op *op = p->grid->first; op && s->streamed_row; op = op->next)
        if (op->code == IR_for && !sched_keep_rows(s, p->grid, op->blocks[0], p->chunks.inner_extent)) return false;
    return true;
}

static bool finish_plan(plan *p) {
    sched *s = p->s;
    open_grid(p);
    int n_places = s->e.places.len;
    bool ok = all_stages(p), pieces = p->parts.phase == PLAN_PIECES; /* which are stored once, not summed up in memory */
    if (ok && !pieces) sched_direct(s, p->grid);
    if (ok) sched_merge_stages(s, p->grid);
    if (ok) ok = keep_rows(p);
    if (ok) sched_fetch_ahead(s, p->grid);
    if (ok) ok = sched_block_reductions(s, p->grid);
    s->e.unsafe = 0;
    s->e.places.len = n_places;
    region_release(p->r);
    return ok;
}

bool sched_nests(sched *s, int n_outputs, const sched_out *outputs) {
    plan p = {.s = s, .outputs = outputs, .n_outputs = n_outputs};
    if (!begin_plan(&p)) return false;
    bool ok = plan_find_parts(&p) ? plan_in_parts(&p, begin_plan, finish_plan) : finish_plan(&p);
    if (!ok && !s->why) s->why = s->e.error ? s->e.error : "no schedule";
    return ok;
}
