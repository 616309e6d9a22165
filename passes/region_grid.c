/* The axes that all nests of a region share, and where each nest stands on them. */
#include "region_internal.h"
#include <string.h>

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
bool region_over_grid_only(const region *r, sym_t e) {
    only_grid_state s = {r, true};
    sym_each_var(e, only_grid_var, &s);
    return s.ok;
}

static void make_red_axes(region *r, nest *n) {
    sym_t extents[IR_MAX_RANK];
    n->n_red = n->kind == NEST_MAP ? 0 : access_reduced_extents(n->v->op, extents);
    for (int k = 0; k < n->n_red; k++) n->red[k] = region_make_axis(r, n->v, true, k, extents[k], "r");
}

/* The primary output: its variables are the grid, but for the excluded ones. */
static void place_primary(region *r, nest *n, sym_t *coords) {
    static const char *const names[] = {"i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7"};
    work *w = r->splits;
    for (int d = 0; d < n->rank; d++) {
        nest_axis a = region_make_axis(r, n->v, false, d, n->v->type.dims[d], names[d & 7]), own = {.expr = a.expr};
        for (int k = 0; k < a.n_vars; k++) {
            bool out = false;
            for (int e = 0; e < w->excluded.len; e++) out |= w->excluded.data[e].axis == d && w->excluded.data[e].k == k;
            if (out || r->n_grid == REGION_MAX_GRID) {
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
    region_trace_nest(r, i, w->match_var);
    w->matching = false;
    bool any = false;
    for (int d = 0; d < n->rank; d++) any |= w->match_to[d] != NULL;
    bool used[REGION_MAX_GRID] = {false};
    for (int d = 0; d < n->rank; d++) {
        sym_t to = !any && same ? primary->dim[d].expr : w->match_to[d];
        n->bound[d] = to && region_over_grid_only(r, to) && runs_over(r, to, n->v->type.dims[d], used);
        if (n->bound[d]) n->dim[d] = (nest_axis){.expr = to};
        else n->dim[d] = region_make_axis(r, n->v, false, d, n->v->type.dims[d], "j");
        coords[d] = n->dim[d].expr;
    }
}

/* Dim d of n is read at several places of a run of few values that the grid chooses, such as 2*h and 2*h + 1: the run is the task's,
 * the choice of it the grid's. False: it is not so. */
static bool place_run(region *r, const nest *n, int d, bool *used, nest_axis *a) {
    sym_ctx *c = r->x.m->syms;
    int64_t f = n->stride[d];
    if (!f || !sym_prove_multiple(c, n->v->type.dims[d], f) || region_is_split(r, n->v, d)) return false;
    sym_t which = sym_floordiv(c, n->read_at[d], sym_const(c, f)), runs = sym_floordiv(c, n->v->type.dims[d], sym_const(c, f));
    if (!region_over_grid_only(r, which) || (n->output && !runs_over(r, which, runs, used))) return false;
    *a = region_make_axis(r, n->v, false, d, sym_const(c, f), "j");
    a->expr = sym_add(c, sym_muli(c, which, f), a->expr);
    return true;
}

/* A nest runs where it is read, were it outside of its domain (under a pad, the scheduler sees to it); but all of an output
 * is stored. */
static void place_read(region *r, nest *n, sym_t *coords) {
    bool used[REGION_MAX_GRID] = {false};
    for (int d = 0; d < n->rank; d++) {
        n->bound[d] = !n->conflict[d] && region_over_grid_only(r, n->read_at[d]) &&
                      (!n->output || runs_over(r, n->read_at[d], n->v->type.dims[d], used));
        if (n->bound[d]) n->dim[d] = (nest_axis){.expr = n->read_at[d]};
        else if (!place_run(r, n, d, used, &n->dim[d])) n->dim[d] = region_make_axis(r, n->v, false, d, n->v->type.dims[d], "j");
        coords[d] = n->dim[d].expr;
    }
}

/* A block of threads reduces a few terms again for each of its tasks rather than leave a long axis to one: what parts of a reduction
 * (split.c) come to. */
static bool is_short_beside(region *r, const nest *n, int g) {
    enum { FEW = 512, TIMES = 64 };
    int64_t terms = 1, e;
    if (!r->blocks || n->kind != NEST_REDUCE || n->output) return false;
    for (int d = 0; d < n->rank; d++)
        if (!n->bound[d]) return false;
    for (int k = 0; k < n->n_red; k++)
        for (int i = 0; i < n->red[k].n_vars; i++) {
            if (!sym_is_const(n->red[k].extents[i], &e) || e > FEW) return false;
            terms *= e;
        }
    return terms <= FEW && region_is_plain_read(r, ir_operand(n->v->op, 0)) && sym_is_const(r->grid_extent[g], &e) && e >= TIMES * terms;
}

/* A nest that does not vary along a grid variable would be computed again at each of its values: that variable leaves
 * the grid. A kept operand of a contraction may be recomputed: it is what packing costs. */
static void restrict_grid(region *r, const nest *primary) {
    work *w = r->splits;
    for (int g = 0; g < r->n_grid; g++)
        for (int i = 0; i < r->nests.len; i++) {
            nest *n = &r->nests.data[i];
            if (n == primary || (n->kind == NEST_MAP && !n->output) || sym_is(r->grid_extent[g], 1) || is_short_beside(r, n, g)) continue;
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

static bool used_inside(const nest *n) {
    for (ir_use *u = n->v->uses; u; u = u->next)
        if (u->user->mark == REGION_MARK) return true;
    return false;
}

/* The largest output; where others read it, it is placed where they do, and the last output that nobody reads is taken. */
static int pick_primary(const region *r) {
    int best = -1;
    int64_t size = -1;
    for (int i = r->nests.len - 1; i >= 0; i--) {
        const nest *n = &r->nests.data[i];
        if (!n->output) continue;
        int64_t s = sym_hint(ir_type_elements(r->x.m, n->v->type));
        if (best < 0 || s > size) best = i, size = s; /* a typical size may come out below 0 */
    }
    if (best < 0 || !used_inside(&r->nests.data[best])) return best;
    for (int i = r->nests.len - 1; i >= 0; i--)
        if (r->nests.data[i].output && !used_inside(&r->nests.data[i])) return i;
    return best;
}

static void begin_round(region *r) {
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
        memset(n->stride, 0, sizeof n->stride);
    }
}

/* One round of placing and tracing. */
bool region_place(region *r) {
    work *w = r->splits;
    begin_round(r);
    int p = pick_primary(r);
    if (p < 0) return r->why_not = "no output", false;
    const nest *primary = &r->nests.data[p];
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
            region_trace_nest(r, i, coords);
            w->record_leaves = false;
            if (w->again) return true;
        }
    restrict_grid(r, primary);
    return true;
}
