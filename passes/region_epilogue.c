/* Map nests that are computed where another nest has just made its element. */
#include "region_internal.h"
#include <string.h>

enum { LANES = 16 };

/* The latest nest, in order, that v is or is computed from. -1: none. */
static int latest_nest(region *r, const ir_value *v, int *memo) {
    enum { UNKNOWN = 0, OFFSET = 2 }; /* memo holds the answer + OFFSET */
    if (!region_inside(r, v)) return -1;
    if (memo[region_id(r, v)] != UNKNOWN) return memo[region_id(r, v)] - OFFSET;
    int latest = -1;
    for (int i = 0; i < r->nests.len && latest < 0; i++)
        if (r->nests.data[i].v == v) latest = i;
    for (int k = 0; k < v->op->n_operands && !(latest >= 0 && r->nests.data[latest].v == v); k++) {
        int n = latest_nest(r, ir_operand(v->op, k), memo);
        if (n > latest) latest = n;
    }
    memo[region_id(r, v)] = latest + OFFSET;
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
void region_merge_epilogues(region *r) {
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
                    n->bound[d] = region_over_grid_only(r, n->read_at[d]);
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
        n->bound[d] = region_over_grid_only(r, n->dim[d].expr);
    }
    bool apart = n->into >= 0;
    n->into = apart ? -1 : q;
    r->nests.data[q].merged = apart ? -1 : i;
}
