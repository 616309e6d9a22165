/* Axes of nests, split as the reads ask for it; and the reads, traced through pointwise ops. */
#include "region_internal.h"
#include <string.h>

/* Loops of a nest at most: a stage has IR_MAX_RANK, of which chunks and parts of a task take some. */
enum { MAX_SPLITS = 96, MAX_LOOPS = IR_MAX_RANK - 3 };

nest_axis region_make_axis(region *r, const ir_value *v, bool red, int axis, sym_t extent, const char *name) {
    work *w = r->splits;
    sym_ctx *c = r->x.m->syms;
    nest_axis a = {.n_vars = 1, .extents = {extent}};
    for (int i = 0; i < w->splits.len; i++) {
        split *s = &w->splits.data[i];
        if (s->v != v || s->red != red || s->axis != axis || a.n_vars == 6) continue;
        memmove(a.extents + s->k + 1, a.extents + s->k, (size_t)(a.n_vars++ - s->k) * sizeof *a.extents);
        a.extents[s->k] = sym_floordiv(c, a.extents[s->k], s->factor);
        a.extents[s->k + 1] = s->factor;
    }
    a.expr = sym_const(c, 0);
    if (!red && a.n_vars == 1 && sym_is(extent, 1)) a.n_vars = 0; /* no loop: reads at 0 and at the variable would look different */
    for (int k = 0; k < a.n_vars; k++) {
        a.vars[k] = sym_index(c, name, a.extents[k]);
        if (!sym_is(a.extents[k], 1)) a.expr = sym_add(c, sym_mul(c, a.expr, a.extents[k]), a.vars[k]);
        owner o = {a.vars[k], v, red, axis, k};
        vec_push(r->x.scratch, &w->owners, o);
    }
    return a;
}

bool region_is_split(const region *r, const ir_value *v, int axis) {
    const work *w = r->splits;
    for (int i = 0; i < w->splits.len; i++)
        if (w->splits.data[i].v == v && !w->splits.data[i].red && w->splits.data[i].axis == axis) return true;
    return false;
}

/* This round has changed the same axis already: what else it needs shows in the next one. */
static bool asked_before(const work *w, const owner *o) {
    for (int i = w->first_split; i < w->splits.len; i++)
        if (w->splits.data[i].v == o->v && w->splits.data[i].red == o->red && w->splits.data[i].axis == o->axis) return true;
    return false;
}

/* The loops of v's nest, with those that this round has asked for. */
static int loops_of(const work *w, const ir_value *v) {
    int n = 0;
    for (int i = 0; i < w->owners.len; i++) n += w->owners.data[i].v == v;
    for (int i = w->first_split; i < w->splits.len; i++) n += w->splits.data[i].v == v;
    return n;
}

/* Requests a split for every x // f or x % f of a loop variable x in e that divides evenly. */
static void find_splits(region *r, sym_t e) {
    sym_ctx *c = r->x.m->syms;
    work *w = r->splits;
    switch (sym_kind_of(e)) {
    case SYM_FLOORDIV:
    case SYM_MOD: {
        sym_t x = sym_arg(e, 0), f = sym_arg(e, 1);
        if (sym_is_var(x) && sym_var_role(x) == SYM_INDEX)
            for (int i = 0; i < w->owners.len; i++) {
                owner *o = &w->owners.data[i];
                if (o->var != x) continue;
                sym_t extent = sym_addi(c, sym_var_hi(x), 1);
                if (sym_mul(c, sym_floordiv(c, extent, f), f) != extent || extent == f || w->splits.len > MAX_SPLITS) continue;
                if (asked_before(w, o) || loops_of(w, o->v) >= MAX_LOOPS) return;
                split s = {o->v, o->red, o->axis, o->k, f};
                vec_push(r->x.scratch, &w->splits, s);
                w->again = true;
                return;
            }
        find_splits(r, x);
        return;
    }
    case SYM_MIN:
    case SYM_MAX: find_splits(r, sym_arg(e, 0)), find_splits(r, sym_arg(e, 1)); return;
    case SYM_SUM:
    case SYM_PRODUCT:
        for (int i = 0; i < sym_n_terms(e); i++) {
            sym_t m;
            sym_term(c, e, i, &m);
            if (m == e) { /* a product */
                for (int k = 0; k < sym_n_atoms(m); k++) find_splits(r, sym_atom(m, k));
                return;
            }
            find_splits(r, m);
        }
        return;
    default: return;
    }
}

/* ---- Tracing reads ----------------------------------------------------------------------------------------------- */
static bool seen_before(region *r, const ir_value *v, const sym_t *coords) {
    work *w = r->splits;
    size_t bytes = v->type.rank * sizeof *coords;
    if (w->n_seen * 2 >= w->cap_seen) {
        visit *old = w->seen;
        int cap = w->cap_seen;
        w->cap_seen = cap ? cap * 2 : 128;
        w->seen = arena_array(r->x.scratch, visit, w->cap_seen);
        w->n_seen = 0;
        for (int i = 0; i < cap; i++)
            if (old[i].v) seen_before(r, old[i].v, old[i].coords);
    }
    uint64_t h = (uint64_t)v->id * 0x9E3779B97F4A7C15u;
    for (int d = 0; d < v->type.rank; d++) h = (h ^ (uint64_t)(uintptr_t)coords[d]) * 0x9E3779B97F4A7C15u;
    for (uint64_t i = h >> 20;; i++) {
        visit *s = &w->seen[i & (uint64_t)(w->cap_seen - 1)];
        if (!s->v) {
            *s = (visit){v, arena_copy(r->x.scratch, coords, bytes)};
            w->n_seen++;
            return false;
        }
        if (s->v == v && !memcmp(s->coords, coords, bytes)) return true;
    }
}

static void forget_seen(work *w) {
    if (w->seen) memset(w->seen, 0, (size_t)w->cap_seen * sizeof *w->seen);
    w->n_seen = 0;
}

/* A sink reads v where the primary output does too: plain variables of the sink are identified with its coordinates. */
static void match_read(work *w, const ir_value *v, const sym_t *coords) {
    for (int i = 0; i < w->leaves.len; i++) {
        if (w->leaves.data[i].v != v) continue;
        for (int d = 0; d < v->type.rank; d++)
            for (int k = 0; k < w->match->rank; k++)
                if (w->match_var[k] == coords[d] && !w->match_to[k]) w->match_to[k] = w->leaves.data[i].coords[d];
        return;
    }
}

/* The largest number that divides e's coefficients, all of variables that run over numbers. */
static int64_t common_factor(sym_ctx *c, sym_t e) {
    int64_t f = 0;
    for (int i = 0; i < sym_n_terms(e); i++) {
        sym_t atoms;
        int64_t a = sym_term(c, e, i, &atoms), b = f;
        for (a = a < 0 ? -a : a; b;) {
            int64_t rest = a % b;
            a = b, b = rest;
        }
        f = a;
    }
    return f;
}

/* Of what runs of values are a and b, both coordinates of one dim, always in the same one? 0: of none. */
static int64_t common_run(sym_ctx *c, sym_t a, sym_t b) {
    int64_t f = common_factor(c, a), g = common_factor(c, b);
    sym_t run = sym_const(c, f > g ? f : g);
    return (f > 1 || g > 1) && sym_floordiv(c, a, run) == sym_floordiv(c, b, run) ? (f > g ? f : g) : 0;
}

static void note_coord(region *r, nest *n, int d, sym_t coord) {
    if (n->read_at[d] == coord) return;
    int64_t stride = common_run(r->x.m->syms, n->read_at[d], coord);
    n->stride[d] = n->conflict[d] && n->stride[d] != stride ? 0 : stride;
    n->conflict[d] = true;
}

static void note_read(region *r, int reader, nest *n, const sym_t *coords) {
    for (int d = 0; d < n->rank; d++) find_splits(r, coords[d]);
    if (!n->read_at) n->read_at = arena_copy(r->x.scratch, coords, (size_t)n->rank * sizeof *coords);
    for (int d = 0; d < n->rank; d++) note_coord(r, n, d, coords[d]);
    if (n->last_reader != reader) n->n_readers++;
    n->last_reader = reader;
}

static void trace(region *r, int reader, ir_value *v, const sym_t *coords, int depth) {
    work *w = r->splits;
    if (depth > REGION_MAX_DEPTH || seen_before(r, v, coords)) return;
    nest *n = region_nest_of(r, v);
    bool inside = region_inside(r, v);
    if (w->on_read && (n || !inside)) {
        if (n) w->on_read(w->on_read_data, n, coords);
        return;
    }
    if (w->matching && (n || !inside)) {
        match_read(w, v, coords);
        return;
    }
    if (w->record_leaves && (n || !inside)) {
        leaf l = {v, arena_copy(r->x.scratch, coords, v->type.rank * sizeof *coords)};
        vec_push(r->x.scratch, &w->leaves, l);
    }
    if (n) {
        note_read(r, reader, n, coords);
        return;
    }
    if (!inside) {
        for (int d = 0; d < v->type.rank; d++) find_splits(r, coords[d]);
        return;
    }
    if (w->visits && w->visits[region_id(r, v)]++) w->again_cost += region_op_cost(v->op);
    sym_t at[IR_MAX_RANK];
    for (int i = 0; i < v->op->n_operands; i++) {
        access_operand(&r->x, v->op, i, coords, at);
        trace(r, reader, ir_operand(v->op, i), at, depth + 1);
    }
}

/* Everything that nest i evaluates at its coordinates. */
void region_trace_nest(region *r, int i, const sym_t *coords) {
    nest *n = &r->nests.data[i];
    const ir_op *op = n->v->op;
    sym_t at[IR_MAX_RANK], red[IR_MAX_RANK];
    for (int k = 0; k < n->n_red; k++) red[k] = n->red[k].expr;
    forget_seen(r->splits);
    for (int k = 0; k < op->n_operands; k++) {
        if (n->kind == NEST_MAP) access_operand(&r->x, op, k, coords, at);
        else access_reduced(&r->x, op, k, coords, red, at);
        trace(r, i, ir_operand(op, k), at, 0);
    }
}

void region_each_read(region *r, int i, region_read_fn f, void *u) {
    sym_t coords[IR_MAX_RANK];
    const nest *n = &r->nests.data[i];
    for (int d = 0; d < n->rank; d++) coords[d] = n->dim[d].expr;
    r->splits->on_read = f;
    r->splits->on_read_data = u;
    region_trace_nest(r, i, coords);
    r->splits->on_read = NULL;
}

static void ignore_read(void *u, nest *n, const sym_t *coords) {}

double region_again(region *r) {
    enum { FEW = 128 }; /* a position is in one piece of a concat: the others' evaluations are counted, but not made */
    work *w = r->splits;
    double operations = 0;
    for (int i = 0; i < r->nests.len; i++) {
        const nest *n = &r->nests.data[i];
        w->visits = arena_array(r->x.scratch, int, r->n_ids + 1);
        w->again_cost = 0;
        region_each_read(r, i, ignore_read, NULL);
        if (w->again_cost <= FEW) continue;
        operations += (w->again_cost - FEW) * (double)sym_hint(ir_type_elements(r->x.m, n->v->type)) * region_points(n->n_red, n->red);
    }
    w->visits = NULL;
    return operations;
}

bool region_strided(region *r, sym_t var) {
    sym_ctx *c = r->x.m->syms;
    for (int i = 0; i < r->splits->leaves.len; i++) {
        const leaf *l = &r->splits->leaves.data[i];
        sym_t at = sym_const(c, 0), step, rest;
        for (int d = 0; d < l->v->type.rank; d++) at = sym_add(c, sym_mul(c, at, l->v->type.dims[d]), l->coords[d]);
        if (!sym_linear(c, at, var, &step, &rest) || (!sym_is(step, 0) && !sym_is(step, 1))) return true;
    }
    return false;
}
