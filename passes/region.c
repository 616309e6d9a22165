#include "region.h"
#include "expand_math.h"
#include <assert.h>
#include <limits.h>
#include <string.h>

enum { MAX_ROUNDS = 32, MAX_SPLITS = 96, LANES = 16, KEEP_COST = 16, MAX_DEPTH = 3000 };

/* Axis `axis` of v (a reduced one when red): its variable number k is split so that the inner part has `factor` values. */
typedef struct split {
    const ir_value *v;
    bool red;
    int axis, k;
    sym_t factor;
} split;
/* Variable k of an axis of the primary output that is not a grid axis. */
typedef struct exclusion {
    int axis, k;
} exclusion;
typedef struct owner {
    sym_t var;
    const ir_value *v;
    bool red;
    int axis, k;
} owner;
typedef struct leaf {
    const ir_value *v;
    const sym_t *coords;
} leaf;

typedef struct visit {
    const ir_value *v;
    const sym_t *coords;
} visit;

struct region_splits {
    VEC(split) splits;
    int first_split;  /* splits from here on were asked for in this round */
    VEC(exclusion) excluded;
    VEC(owner) owners;
    VEC(leaf) leaves; /* reads of inputs and nests by the primary output */
    visit *seen;      /* what the current trace has visited: open addressing */
    int n_seen, cap_seen;
    bool again;       /* something changed: analyse once more */
    bool record_leaves, matching;
    region_read_fn on_read; /* asked for by region_each_read */
    void *on_read_data;
    nest *match;      /* the sink being aligned with the primary output */
    sym_t match_var[IR_MAX_RANK], match_to[IR_MAX_RANK];
};
typedef struct region_splits work;

nest *region_nest_of(region *r, const ir_value *v) {
    for (int i = 0; i < r->nests.len; i++)
        if (r->nests.data[i].v == v) return &r->nests.data[i];
    return NULL;
}

bool region_inside(const region *r, const ir_value *v) { return v->op && v->op->mark == REGION_MARK; }

static bool kept(const region *r, const ir_value *v) {
    for (int i = 0; i < r->keep.len; i++)
        if (r->keep.data[i] == v) return true;
    return false;
}

/* ---- Which ops are nests ----------------------------------------------------------------------------------------- */
static double op_cost(const ir_op *op) {
    uint32_t f = ir_op_flags(op);
    if (f & IR_F_TRANSCENDENTAL) return 20;
    if (op->code == IR_div || op->code == IR_sqrt || op->code == IR_rsqrt || op->code == IR_mod || op->code == IR_floordiv)
        return 6;
    if (op->code == IR_gather || op->code == IR_concat) return 4;
    if (op->code == IR_random) return 40;
    return f & IR_F_ELEMENTWISE ? 1 : 0;
}

static double element_cost(region *r, const ir_value *v, int depth) {
    if (!region_inside(r, v) || depth > 64) return 0;
    if (!access_is_pointwise(v->op) || (depth && region_nest_of(r, v))) return 0;
    double cost = op_cost(v->op);
    for (int i = 0; i < v->op->n_operands && cost < 1e3; i++) cost += element_cost(r, ir_operand(v->op, i), depth + 1);
    return cost;
}
double region_element_cost(region *r, const ir_value *v) { return element_cost(r, v, 0); }

static int element_length(region *r, const ir_value *v, int most, int depth) {
    if (!region_inside(r, v) || !access_is_pointwise(v->op) || (depth && region_nest_of(r, v))) return 0;
    int n = ir_op_flags(v->op) & IR_F_ELEMENTWISE ? expand_math_length(v->op->code) : 0;
    for (int i = 0; i < v->op->n_operands && n <= most && depth < 64; i++)
        n += element_length(r, ir_operand(v->op, i), most - n, depth + 1);
    return n;
}
int region_element_length(region *r, const ir_value *v, int most) { return element_length(r, v, most, 0); }

bool region_is_plain_read(region *r, const ir_value *v) {
    for (int depth = 0; depth < 64; depth++) {
        if (!region_inside(r, v) || region_nest_of(r, v)) return true;
        switch (v->op->code) {
        case IR_transpose:
        case IR_broadcast:
        case IR_slice:
        case IR_reshape:
        case IR_view:
        case IR_cast:
        case IR_pad: v = ir_operand(v->op, 0); break;
        default: return false;
        }
    }
    return false;
}

/* Marks the ops that the outputs need. */
static void mark_needed(const region *r, ir_value *const *outputs, int n) {
    enum { KNOWN = REGION_MARK + 1 };
    for (int i = 0; i < r->n_ops; i++) r->ops[i]->mark = KNOWN;
    for (int i = 0; i < n; i++)
        if (outputs[i]->op && outputs[i]->op->mark == KNOWN) outputs[i]->op->mark = REGION_MARK;
    for (int k = r->n_ops - 1; k >= 0; k--) {
        const ir_op *op = r->ops[k];
        if (op->mark != REGION_MARK) continue;
        for (int i = 0; i < op->n_operands; i++) {
            ir_value *v = ir_operand(op, i);
            if (v->op && v->op->mark == KNOWN) v->op->mark = REGION_MARK;
        }
    }
    for (int i = 0; i < r->n_ops; i++)
        if (r->ops[i]->mark == KNOWN) r->ops[i]->mark = 0;
}

void region_release(region *r) {
    for (int i = 0; i < r->n_ops; i++) r->ops[i]->mark = 0;
}

static bool is_output(ir_value *const *outputs, int n, const ir_value *v) {
    for (int i = 0; i < n; i++)
        if (outputs[i] == v) return true;
    return false;
}

static bool find_nests(region *r, int n_out, ir_value *const *outputs) {
    r->nests.len = 0;
    for (int k = 0; k < r->n_ops; k++) {
        const ir_op *op = r->ops[k];
        bool needed = op->mark == REGION_MARK;
        if (!needed || op->n_results != 1) {
            if (needed) return r->why_not = "an op with several results has a kernel of its own", false;
            continue;
        }
        bool loops = op->code == IR_reduce || op->code == IR_contract, out = is_output(outputs, n_out, ir_result(op, 0));
        if (!loops && !access_is_pointwise(op)) return r->why_not = "an op without a formula has a kernel of its own", false;
        if (!loops && !out && !kept(r, ir_result(op, 0))) continue;
        if (r->nests.len >= 64) return r->why_not = "too many loop nests for one kernel", false;
        nest n = {.v = ir_result(op, 0),
                  .kind = op->code == IR_reduce ? NEST_REDUCE : op->code == IR_contract ? NEST_CONTRACT : NEST_MAP,
                  .output = out,
                  .rank = ir_result(op, 0)->type.rank,
                  .into = -1,
                  .merged = -1,
                  .own = NULL,
                  .last_reader = -1};
        vec_push(r->x.scratch, &r->nests, n);
    }
    return true;
}

/* Side tables of a region are indexed by value id from the region's lowest: ids of neighbouring ops are close. */
static void find_ids(region *r) {
    int lo = INT_MAX, hi = 0;
    for (int k = 0; k < r->n_ops; k++)
        for (int j = 0; j < r->ops[k]->n_results; j++) {
            int id = ir_result(r->ops[k], j)->id;
            if (id < lo) lo = id;
            if (id >= hi) hi = id + 1;
        }
    r->first_id = lo < hi ? lo : 0;
    r->n_ids = lo < hi ? hi - lo : 0;
}

static int id_in(const region *r, const ir_value *v) { return v->id - r->first_id; }

/* Adds to keep: operands of contractions that are more than a read, and dear values that several nests evaluate. */
static void count_readers(region *r, ir_value *v, int reader, int *readers, int *last, int depth) {
    if (!region_inside(r, v) || depth > MAX_DEPTH || last[id_in(r, v)] == reader) return;
    last[id_in(r, v)] = reader;
    readers[id_in(r, v)]++;
    if (region_nest_of(r, v)) return;
    for (int i = 0; i < v->op->n_operands; i++)
        count_readers(r, ir_operand(v->op, i), reader, readers, last, depth + 1);
}

static bool add_keep(region *r, ir_value *v) {
    if (kept(r, v) || region_nest_of(r, v) || !region_inside(r, v)) return false;
    vec_push(r->x.scratch, &r->keep, v);
    return true;
}

/* Looks through reads that cost nothing to the value worth keeping. */
static ir_value *behind_views(region *r, ir_value *v) {
    while (region_inside(r, v) && !region_nest_of(r, v) &&
           (v->op->code == IR_transpose || v->op->code == IR_broadcast || v->op->code == IR_reshape))
        v = ir_operand(v->op, 0);
    return v;
}

static bool choose_keep(region *r) {
    bool changed = false;
    for (int i = 0; i < r->nests.len; i++) {
        nest *n = &r->nests.data[i];
        if (n->kind != NEST_CONTRACT) continue;
        for (int k = 0; k < 2; k++)
            if (!region_is_plain_read(r, ir_operand(n->v->op, k)))
                changed |= add_keep(r, behind_views(r, ir_operand(n->v->op, k)));
    }
    int *readers = arena_array(r->x.scratch, int, r->n_ids + 1), *last = arena_array(r->x.scratch, int, r->n_ids + 1);
    for (int i = 0; i < r->nests.len; i++)
        for (int k = 0; k < r->nests.data[i].v->op->n_operands; k++)
            count_readers(r, ir_operand(r->nests.data[i].v->op, k), i + 1, readers, last, 0);
    for (int k = r->n_ops - 1; k >= 0; k--) {
        const ir_op *op = r->ops[k];
        if (op->mark != REGION_MARK || !(ir_op_flags(op) & IR_F_ELEMENTWISE)) continue;
        ir_value *v = ir_result(op, 0);
        if (readers[id_in(r, v)] < 2 || region_element_cost(r, v) < KEEP_COST) continue;
        bool last_shared = false; /* some user is a nest, or is evaluated by fewer nests than v */
        for (ir_use *u = v->uses; u; u = u->next)
            if (u->user->mark == REGION_MARK && u->user->n_results == 1) {
                ir_value *w = ir_result(u->user, 0);
                last_shared |= region_nest_of(r, w) || readers[id_in(r, w)] < readers[id_in(r, v)];
            }
        if (last_shared) changed |= add_keep(r, v);
    }
    return changed;
}

/* ---- Axes -------------------------------------------------------------------------------------------------------- */
static nest_axis make_axis(region *r, const ir_value *v, bool red, int axis, sym_t extent, const char *name) {
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
    for (int k = 0; k < a.n_vars; k++) {
        a.vars[k] = sym_index(c, name, a.extents[k]);
        a.expr = sym_add(c, sym_mul(c, a.expr, a.extents[k]), a.vars[k]);
        owner o = {a.vars[k], v, red, axis, k};
        vec_push(r->x.scratch, &w->owners, o);
    }
    return a;
}

/* This round has changed the same axis already: what else it needs shows in the next one. */
static bool asked_before(const work *w, const owner *o) {
    for (int i = w->first_split; i < w->splits.len; i++)
        if (w->splits.data[i].v == o->v && w->splits.data[i].red == o->red && w->splits.data[i].axis == o->axis) return true;
    return false;
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
                if (asked_before(w, o)) return;
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

static void note_read(region *r, int reader, nest *n, const sym_t *coords) {
    for (int d = 0; d < n->rank; d++) find_splits(r, coords[d]);
    if (!n->read_at) n->read_at = arena_copy(r->x.scratch, coords, (size_t)n->rank * sizeof *coords);
    for (int d = 0; d < n->rank; d++) n->conflict[d] |= n->read_at[d] != coords[d];
    if (n->last_reader != reader) n->n_readers++;
    n->last_reader = reader;
}

static void trace(region *r, int reader, ir_value *v, const sym_t *coords, int depth) {
    work *w = r->splits;
    if (depth > MAX_DEPTH || seen_before(r, v, coords)) return;
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
    sym_t at[IR_MAX_RANK];
    for (int i = 0; i < v->op->n_operands; i++) {
        access_operand(&r->x, v->op, i, coords, at);
        trace(r, reader, ir_operand(v->op, i), at, depth + 1);
    }
}

/* Everything that nest i evaluates at its coordinates. */
static void trace_nest(region *r, int i, const sym_t *coords) {
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
    trace_nest(r, i, coords);
    r->splits->on_read = NULL;
}

/* ---- The grid ---------------------------------------------------------------------------------------------------- */
static bool is_grid(const region *r, sym_t var) {
    for (int i = 0; i < r->n_grid; i++)
        if (r->grid[i] == var) return true;
    return false;
}

typedef struct only_grid_state {
    const region *r;
    bool ok;
} only_grid_state;
static void only_grid_var(void *u, sym_t var) {
    only_grid_state *s = u;
    if (sym_var_role(var) == SYM_VALUE || (sym_var_role(var) == SYM_INDEX && !is_grid(s->r, var))) s->ok = false;
}
static bool over_grid_only(const region *r, sym_t e) {
    only_grid_state s = {r, true};
    sym_each_var(e, only_grid_var, &s);
    return s.ok;
}

static void make_red_axes(region *r, nest *n) {
    sym_t extents[IR_MAX_RANK];
    n->n_red = n->kind == NEST_MAP ? 0 : access_reduced_extents(n->v->op, extents);
    for (int k = 0; k < n->n_red; k++) n->red[k] = make_axis(r, n->v, true, k, extents[k], "r");
}

/* The primary output: its variables are the grid, but for the excluded ones. */
static void place_primary(region *r, nest *n, sym_t *coords) {
    static const char *const names[] = {"i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7"};
    work *w = r->splits;
    for (int d = 0; d < n->rank; d++) {
        nest_axis a = make_axis(r, n->v, false, d, n->v->type.dims[d], names[d & 7]), own = {.expr = a.expr};
        for (int k = 0; k < a.n_vars; k++) {
            bool out = false;
            for (int e = 0; e < w->excluded.len; e++) out |= w->excluded.data[e].axis == d && w->excluded.data[e].k == k;
            if (out || r->n_grid == 24) {
                own.vars[own.n_vars] = a.vars[k];
                own.extents[own.n_vars++] = a.extents[k];
            } else {
                r->grid[r->n_grid] = a.vars[k];
                r->grid_extent[r->n_grid++] = a.extents[k];
            }
        }
        n->dim[d] = own;
        n->bound[d] = own.n_vars == 0;
        coords[d] = own.expr;
    }
}

/* As the grid runs, e takes each value of [0, extent) once: a sum of grid variables in mixed radix. Marks those it uses. */
static bool runs_over(const region *r, sym_t e, sym_t extent, bool *used) {
    sym_ctx *c = r->x.m->syms;
    sym_t unit = sym_const(c, 1);
    for (bool found = true; found;) {
        found = false;
        for (int g = 0; g < r->n_grid && !found; g++) {
            sym_t coef, rest;
            if (used[g] || !sym_uses(e, r->grid[g]) || !sym_linear(c, e, r->grid[g], &coef, &rest) || coef != unit) continue;
            e = rest;
            unit = sym_mul(c, unit, r->grid_extent[g]);
            used[g] = found = true;
        }
    }
    return sym_is(e, 0) && unit == extent;
}

/* Another output that no nest reads: its dims are aligned with the primary output where they read the same things. */
static void place_sink(region *r, int i, nest *n, const nest *primary, sym_t *coords) {
    work *w = r->splits;
    bool same = n->rank == primary->rank;
    for (int d = 0; same && d < n->rank; d++) same = n->v->type.dims[d] == primary->v->type.dims[d];
    for (int d = 0; d < n->rank; d++) {
        w->match_var[d] = sym_index(r->x.m->syms, "q", n->v->type.dims[d]);
        w->match_to[d] = NULL;
    }
    w->matching = true;
    w->match = n;
    trace_nest(r, i, w->match_var);
    w->matching = false;
    bool any = false;
    for (int d = 0; d < n->rank; d++) any |= w->match_to[d] != NULL;
    bool used[24] = {false};
    for (int d = 0; d < n->rank; d++) {
        sym_t to = !any && same ? primary->dim[d].expr : w->match_to[d];
        n->bound[d] = to && over_grid_only(r, to) && runs_over(r, to, n->v->type.dims[d], used);
        if (n->bound[d]) n->dim[d] = (nest_axis){.expr = to};
        else n->dim[d] = make_axis(r, n->v, false, d, n->v->type.dims[d], "j");
        coords[d] = n->dim[d].expr;
    }
}

/* A nest runs where it is read, were it outside of its domain (under a pad, the scheduler sees to it); but all of an output
 * is stored. */
static void place_read(region *r, nest *n, sym_t *coords) {
    bool used[24] = {false};
    for (int d = 0; d < n->rank; d++) {
        n->bound[d] = !n->conflict[d] && over_grid_only(r, n->read_at[d]) &&
                      (!n->output || runs_over(r, n->read_at[d], n->v->type.dims[d], used));
        if (n->bound[d]) n->dim[d] = (nest_axis){.expr = n->read_at[d]};
        else n->dim[d] = make_axis(r, n->v, false, d, n->v->type.dims[d], "j");
        coords[d] = n->dim[d].expr;
    }
}

/* A nest that does not vary along a grid variable would be computed again at each of its values: that variable leaves
 * the grid. A kept operand of a contraction may be recomputed: it is what packing costs. */
static void restrict_grid(region *r, const nest *primary) {
    work *w = r->splits;
    for (int g = 0; g < r->n_grid; g++)
        for (int i = 0; i < r->nests.len; i++) {
            nest *n = &r->nests.data[i];
            if (n == primary || (n->kind == NEST_MAP && !n->output)) continue;
            bool varies = false;
            for (int d = 0; d < n->rank; d++) varies |= sym_uses(n->dim[d].expr, r->grid[g]);
            if (varies) continue;
            for (int d = 0; d < primary->rank; d++)
                for (int o = 0; o < w->owners.len; o++)
                    if (w->owners.data[o].var == r->grid[g]) {
                        exclusion e = {w->owners.data[o].axis, w->owners.data[o].k};
                        vec_push(r->x.scratch, &w->excluded, e);
                        w->again = true;
                        d = primary->rank;
                        break;
                    }
            break;
        }
}

static int pick_primary(region *r) {
    int best = -1;
    int64_t size = -1;
    for (int i = r->nests.len - 1; i >= 0; i--) {
        nest *n = &r->nests.data[i];
        if (!n->output) continue;
        int64_t s = sym_hint(ir_type_elements(r->x.m, n->v->type));
        if (s > size) best = i, size = s;
    }
    return best;
}

static bool used_inside(const nest *n) {
    for (ir_use *u = n->v->uses; u; u = u->next)
        if (u->user->mark == REGION_MARK) return true;
    return false;
}

/* One round of placing and tracing. */
static bool place_all(region *r) {
    work *w = r->splits;
    w->again = false;
    w->first_split = w->splits.len;
    w->owners.len = w->leaves.len = 0;
    r->n_grid = 0;
    r->x.values.len = 0;
    for (int i = 0; i < r->nests.len; i++) {
        nest *n = &r->nests.data[i];
        n->read_at = NULL;
        n->n_readers = 0;
        n->last_reader = -1;
        memset(n->conflict, 0, sizeof n->conflict);
    }
    int p = pick_primary(r);
    if (p < 0) return r->why_not = "no output", false;
    nest *primary = &r->nests.data[p];
    if (used_inside(primary)) { /* then it is placed where it is read; pick a sink instead */
        for (int i = r->nests.len - 1; i >= 0; i--)
            if (r->nests.data[i].output && !used_inside(&r->nests.data[i])) {
                primary = &r->nests.data[p = i];
                break;
            }
    }
    sym_t coords[IR_MAX_RANK];
    for (int pass = 0; pass < 2; pass++)
        for (int i = r->nests.len - 1; i >= 0; i--) {
            nest *n = &r->nests.data[i];
            bool sink = n->output && !used_inside(n);
            if ((pass == 0) != (i == p)) continue;
            make_red_axes(r, n);
            if (i == p) place_primary(r, n, coords);
            else if (sink) place_sink(r, i, n, primary, coords);
            else if (n->read_at) place_read(r, n, coords);
            else return r->why_not = "a value is read by nothing", false;
            w->record_leaves = i == p;
            trace_nest(r, i, coords);
            w->record_leaves = false;
            if (w->again) return true;
        }
    restrict_grid(r, primary);
    return true;
}

/* ---- Epilogues --------------------------------------------------------------------------------------------------- */
/* The latest nest, in order, that v is or is computed from. -1: none. */
static int latest_nest(region *r, const ir_value *v, int *memo) {
    enum { UNKNOWN = 0, OFFSET = 2 }; /* memo holds the answer + OFFSET */
    if (!region_inside(r, v)) return -1;
    if (memo[id_in(r, v)] != UNKNOWN) return memo[id_in(r, v)] - OFFSET;
    int latest = -1;
    for (int i = 0; i < r->nests.len && latest < 0; i++)
        if (r->nests.data[i].v == v) latest = i;
    for (int k = 0; k < v->op->n_operands && !(latest >= 0 && r->nests.data[latest].v == v); k++) {
        int n = latest_nest(r, ir_operand(v->op, k), memo);
        if (n > latest) latest = n;
    }
    memo[id_in(r, v)] = latest + OFFSET;
    return latest;
}

static bool same_loops(const nest *a, const nest *b) {
    for (int d = 0; d < a->rank; d++)
        if (!a->bound[d]) return false;
    for (int d = 0; d < b->rank; d++)
        if (!b->bound[d]) return false;
    return true;
}

/* Every own variable of q appears in the coordinates at which it reads n, and n has as many elements as q. */
static bool covers(region *r, const nest *n, const nest *q) {
    sym_ctx *c = r->x.m->syms;
    sym_t size = sym_const(c, 1), want = sym_const(c, 1);
    for (int d = 0; d < n->rank; d++)
        if (n->conflict[d]) return false;
    for (int d = 0; d < q->rank; d++)
        for (int k = 0; k < q->dim[d].n_vars; k++) {
            bool used = false;
            for (int e = 0; e < n->rank; e++) used |= sym_uses(n->read_at[e], q->dim[d].vars[k]);
            if (!used) return false;
            want = sym_mul(c, want, q->dim[d].extents[k]);
        }
    for (int d = 0; d < n->rank; d++)
        for (int k = 0; k < n->dim[d].n_vars; k++) size = sym_mul(c, size, n->dim[d].extents[k]);
    return size == want;
}

/* q reads n at plain variables of its own: it runs on n's axes instead, which are split the way n needs. */
static bool adopt_axes(const nest *n, nest *q) {
    int from[IR_MAX_RANK];
    for (int e = 0; e < q->rank; e++) {
        from[e] = -1;
        for (int d = 0; d < n->rank; d++)
            if (q->dim[e].n_vars == 1 && q->dim[e].expr == q->dim[e].vars[0] && n->read_at[d] == q->dim[e].expr && !n->bound[d])
                from[e] = d;
        if (q->dim[e].n_vars && from[e] < 0) return false;
    }
    for (int e = 0; e < q->rank; e++)
        if (from[e] >= 0) q->dim[e] = n->dim[from[e]];
    return true;
}

/* Running contraction n on q's loops would leave it an innermost axis too short for vector lanes. */
static bool narrows(const nest *n, const nest *q) {
    if (n->kind != NEST_CONTRACT || n->rank == 0 || q->rank == 0) return false;
    const nest_axis *own = &n->dim[n->rank - 1], *new = &q->dim[q->rank - 1];
    int64_t e;
    return own->n_vars && new->n_vars && sym_is_const(new->extents[new->n_vars - 1], &e) && e < LANES &&
           sym_hint(own->extents[own->n_vars - 1]) >= LANES;
}

/* The map nest that can be computed in n's epilogue: it reads n element for element, and everything else that it reads
 * is ready before n. */
static void merge_epilogues(region *r) {
    int *memo = arena_array(r->x.scratch, int, r->n_ids + 1);
    for (int i = 0; i < r->nests.len; i++) {
        nest *n = &r->nests.data[i];
        if (n->kind == NEST_MAP || !n->read_at) continue;
        for (int q = i + 1; q < r->nests.len; q++) {
            nest *m = &r->nests.data[q];
            if (m->kind != NEST_MAP || m->merged >= 0) continue;
            int latest = -1;
            for (int k = 0; k < m->v->op->n_operands; k++) {
                int l = latest_nest(r, ir_operand(m->v->op, k), memo);
                if (l > latest) latest = l;
            }
            if (latest != i) continue; /* i is the last that it waits for */
            bool ok = same_loops(n, m);
            if (!ok && n->n_readers == 1 && n->last_reader == q && covers(r, n, m)) ok = adopt_axes(n, m);
            if (!ok && n->n_readers == 1 && n->last_reader == q && !n->output && covers(r, n, m) && !narrows(n, m)) {
                n->own = arena_copy(r->x.scratch, n->dim, (size_t)n->rank * sizeof *n->dim + 1);
                for (int d = 0; d < n->rank; d++) { /* n runs on its reader's variables */
                    n->dim[d] = (nest_axis){.expr = n->read_at[d]};
                    n->bound[d] = over_grid_only(r, n->read_at[d]);
                }
                ok = true;
            }
            if (!ok) continue;
            n->into = q;
            m->merged = i;
            break;
        }
    }
}

void region_set_apart(region *r, int i, int q) {
    nest *n = &r->nests.data[i];
    for (int d = 0; n->own && d < n->rank; d++) {
        nest_axis a = n->dim[d];
        n->dim[d] = n->own[d];
        n->own[d] = a;
        n->bound[d] = over_grid_only(r, n->dim[d].expr);
    }
    bool apart = n->into >= 0;
    n->into = apart ? -1 : q;
    r->nests.data[q].merged = apart ? -1 : i;
}

region *region_analyse(ir_module *m, arena *scratch, int n_ops, ir_op *const *ops, int n_outputs,
                       ir_value *const *outputs, const char **why) {
    region *r = arena_new_of(scratch, region);
    r->x.m = m;
    r->x.scratch = scratch;
    r->n_ops = n_ops;
    r->ops = ops;
    r->splits = arena_new_of(scratch, work);
    find_ids(r);
    mark_needed(r, outputs, n_outputs);
    bool ok = find_nests(r, n_outputs, outputs);
    for (int round = 0; ok && round < 8 && choose_keep(r); round++) ok = find_nests(r, n_outputs, outputs);
    for (int round = 0; ok; round++) {
        if (round == MAX_ROUNDS) r->why_not = "its index maps do not settle on common axes", ok = false;
        else if (!(ok = place_all(r)) || !r->splits->again) break;
    }
    if (!ok) {
        region_release(r);
        if (why) *why = r->why_not;
        return NULL;
    }
    merge_epilogues(r);
    return r;
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
