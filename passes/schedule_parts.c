/* A streamed axis shared out among tasks: with few rows there are fewer tasks than the machine runs at a time, however long
 * the axis (decoding attends with a query or a few to all keys so far). The chunks of each task are then shared out in
 * runs of neighbours ("Flash-Decoding for long-context inference", Dao, Haziza, Massa and Sizov, 2023). That takes two launches: in
 * the first, a task makes the running values of a row over one run, and leaves them in memory, its piece. In the second, a
 * task's running values are those of its pieces together, brought to one scale, and what follows goes on from there. How many
 * runs there are is a formula over sizes and limits alone, and pieces meet in a fixed tree: any number of blocks in any
 * order gives the same bits. */
#include "schedule_plan.h"

enum {
    BLOCKS = 2, /* of a multiprocessor, at work */
    ALIGNED = 4 /* elements: 16 bytes */
};

/* ---- Whether -------------------------------------------------------------------------------------------------------- */
bool plan_has_few_rows(const plan *p) {
    int64_t rows = 1, e;
    if (!p->s->lim->threads || !p->stream) return false;
    for (int g = 0; g < p->r->n_grid; g++) {
        if (!p->cuts[g].inner) continue;
        if (!sym_is_const(p->cuts[g].inner_max, &e) || e > SCHEDULE_FEW_ROWS) return false;
        rows *= e;
    }
    return rows <= SCHEDULE_FEW_ROWS;
}

/* Elements of the task's buffer for n, rounded up; 0 where it is not known ahead. */
static int64_t elements_of(const plan *p, const nest *n) {
    int64_t all = 1, e;
    for (int g = 0; g < p->r->n_grid; g++) {
        bool uses = false;
        for (int d = 0; d < n->rank; d++) uses |= sym_uses(n->dim[d].expr, p->r->grid[g]);
        if (!p->cuts[g].inner || !uses) continue;
        if (!sym_is_const(p->cuts[g].inner_max, &e) || e < 1) return 0;
        all *= e;
    }
    for (int d = 0; d < n->rank; d++)
        for (int k = 0; k < n->dim[d].n_vars; k++) {
            if (!sym_is_const(n->dim[d].extents[k], &e) || e < 1 || e > INT32_MAX / all) return 0;
            all *= e;
        }
    return (all + ALIGNED - 1) / ALIGNED * ALIGNED;
}

static bool combines_in_any_order(const nest *n) {
    ir_combine c = n->kind == NEST_REDUCE ? (ir_combine)ir_get_int(n->v->op, IR_ATTR_combine, IR_SUM) : IR_SUM;
    return c == IR_SUM || c == IR_PROD || c == IR_MAX || c == IR_MIN;
}

/* Every running value is of f32 and of known size, and nothing is stored on the way. Sets the size of a piece. */
static bool lay_piece_out(plan *p) {
    plan_parts *k = &p->parts;
    k->at_value = arena_array(p->s->scratch, int64_t, p->r->nests.len + 1);
    k->at_used = arena_array(p->s->scratch, int64_t, p->r->nests.len + 1);
    k->piece = 0;
    for (int i = 0; i < p->r->nests.len; i++) {
        const nest *n = &p->r->nests.data[i];
        const stream_nest *w = &p->stream->nests[i];
        if ((w->role == STREAM_BEFORE || w->role == STREAM_BODY) && n->output) return false;
        if (w->role != STREAM_STATE) continue;
        int64_t elements = elements_of(p, n);
        if (!elements || !combines_in_any_order(n) || emit_compute_dtype((frit_dtype)n->v->type.dtype) != FRIT_f32) return false;
        k->at_value[i] = k->piece;
        k->at_used[i] = k->piece + elements;
        k->piece += w->early ? 2 * elements : elements;
    }
    return k->piece > 0;
}

/* The task's number in its grid, of `count`. */
static sym_t task_number(plan *p, sym_t *count) {
    sym_ctx *c = p->s->m->syms;
    sym_t at = sym_const(c, 0);
    *count = sym_const(c, 1);
    for (int g = 0; g < p->r->n_grid; g++) {
        if (!p->cuts[g].task) continue;
        at = sym_add(c, sym_mul(c, at, p->cuts[g].task_extent), p->cuts[g].task);
        *count = sym_mul(c, *count, p->cuts[g].task_extent);
    }
    return at;
}

bool plan_find_parts(plan *p) {
    sched *s = p->s;
    sym_ctx *c = s->m->syms;
    plan_parts *k = &p->parts;
    *k = (plan_parts){0};
    if (!sched_may_launch(s, FRIT_f32) || s->one_task || !s->lim->threads || !s->lim->multiprocessors || !p->chunks.of) return false;
    if (!p->few_rows || !lay_piece_out(p)) return false;
    sym_t one = sym_const(c, 1), chunks = sym_ceildiv(c, p->stream->extent, sym_const(c, p->chunks.size));
    k->task = task_number(p, &k->tasks);
    sym_t room = sym_floordiv(c, sym_const(c, BLOCKS * s->lim->multiprocessors), sym_max(c, one, k->tasks));
    sym_t runs = sym_min(c, room, chunks);
    sym_t is_long = sym_min(c, one, sym_floordiv(c, p->stream->extent, sym_const(c, SCHEDULE_LEAST_SHARED)));
    k->parts = sym_max(c, one, sym_mul(c, is_long, runs));
    if (sym_is(k->parts, 1)) return false;
    if (!sym_is_const(k->parts, NULL)) k->parts = sym_opaque(c, "parts", SYM_INT, k->parts);
    k->in_parts = sym_min(c, one, sym_addi(c, k->parts, -1));
    return true;
}

/* ---- Pieces --------------------------------------------------------------------------------------------------------- */
/* The run whose running values the task makes, or the pieces it takes. */
static void choose_part(plan *p) {
    sym_ctx *c = p->s->m->syms;
    plan_parts *k = &p->parts;
    chunking *h = &p->chunks;
    k->part = sym_index(c, "part", k->parts);
    k->at = p->s->parts_elements;
    if (k->phase != PLAN_PIECES) return;
    sym_t run = sym_ceildiv(c, h->chunks, k->parts), from = sym_mul(c, k->part, run);
    h->first = sym_add(c, h->first, from);
    h->chunks = sym_max(c, sym_const(c, 0), sym_min(c, run, sym_sub(c, h->chunks, from)));
    plan_place_chunks(p);
}

sym_t plan_piece_element(plan *p, int64_t at, sym_t element) {
    sym_ctx *c = p->s->m->syms;
    const plan_parts *k = &p->parts;
    sym_t unit = sym_add(c, sym_mul(c, k->part, k->tasks), k->task);
    return sym_add(c, sym_add(c, k->at, sym_muli(c, unit, k->piece)), sym_addi(c, element, at));
}

/* ---- Launches ------------------------------------------------------------------------------------------------------- */
static ir_type memory_type(sched *s) { return ir_buffer(s->m, s->parts_dtype, IR_GLOBAL, 1, &s->parts_elements); }

sym_t sched_guard_and(sym_ctx *c, sym_t guard, sym_t when) {
    return sym_is(when, 1) ? guard : guard ? sym_mul(c, guard, when) : when;
}

bool sched_may_launch(const sched *s, frit_dtype t) { return s->may_split && (!s->first || s->parts_dtype == t); }

/* The func of the first launch, and the second one's argument behind the inputs. */
static void begin_launches(sched *s, frit_dtype t) {
    ir_module *m = s->m;
    if (s->first) return;
    s->parts_dtype = t;
    s->first = ir_func_new(m, arena_printf(m->arena, "%s_parts", s->f->name), IR_LEVEL_TILE);
    s->first->span = s->f->span;
    for (int i = 0; i < s->kernel->n_operands; i++)
        ir_block_add_arg(m, s->first->body, s->f->body->args[i]->type, s->f->body->args[i]->name);
    s->memory[0] = ir_block_add_arg(m, s->first->body, memory_type(s), "parts");
    ir_block *b = s->f->body;
    ir_value *arg = s->memory[1] = ir_block_add_arg(m, b, memory_type(s), "parts");
    for (int i = b->n_args - 1; i > s->kernel->n_operands; i--) {
        b->args[i] = b->args[i - 1];
        b->args[i]->index = i;
    }
    b->args[s->kernel->n_operands] = arg;
    arg->index = s->kernel->n_operands;
}

void sched_end_launches(sched *s) {
    if (!s->first) return;
    for (int i = 0; i < 2; i++) s->memory[i]->type = memory_type(s);
    ir_builder b = ir_builder_at_end(s->m, s->first->body);
    b.span = s->span;
    ir_build(&b, IR_return, 0, NULL, 0, NULL);
}

bool sched_in_launch(sched *s, int launch, frit_dtype t, sched_launch make, void *u) {
    begin_launches(s, t);
    ir_func *f = s->f;
    int n_places = s->e.places.len;
    if (launch == 0) s->f = s->first;
    for (int i = 0; i < s->kernel->n_operands && launch == 0; i++)
        emit_place_identity(&s->e, s->block->args[i], s->f->body->args[i]);
    bool ok = make(u, s->memory[launch]);
    s->e.places.len = n_places;
    s->f = f;
    return ok;
}

typedef struct scheduling {
    plan *p;
    plan_schedule schedule;
} scheduling;

static bool schedule_in(void *u, ir_value *memory) {
    scheduling *x = u;
    x->p->parts.memory = memory;
    return x->schedule(x->p);
}

bool plan_in_parts(plan *p, plan_schedule begin, plan_schedule schedule) {
    sched *s = p->s;
    sym_ctx *c = s->m->syms;
    sym_t guard = s->guard, is = p->parts.in_parts, one = sym_const(c, 1), memory = NULL;
    bool ok = true;
    for (int i = 0; i < 3 && ok; i++) {
        plan_phase phase = i == 0 ? PLAN_WHOLE : i == 1 ? PLAN_PIECES : PLAN_MEETING;
        sym_t when = phase == PLAN_WHOLE ? sym_sub(c, one, is) : is;
        if (sym_is(when, 0)) continue;
        s->guard = sched_guard_and(c, guard, when);
        if (i) ok = begin(p) && plan_find_parts(p); /* of variables of its own */
        if (!ok) break;
        p->parts.phase = phase;
        if (phase != PLAN_WHOLE) choose_part(p);
        memory = sym_mul(c, sym_mul(c, s->guard ? s->guard : one, p->parts.tasks), sym_muli(c, p->parts.parts, p->parts.piece));
        ok = sched_in_launch(s, phase == PLAN_PIECES ? 0 : 1, FRIT_f32, schedule_in, &(scheduling){p, schedule});
    }
    s->guard = guard;
    s->parts_elements = sym_add(c, s->parts_elements, memory);
    return ok;
}
