/* Transposes by a block of threads. Where neighbours along the output's last axis are far apart in what is read, and
 * neighbours along another axis are not, no order of the threads suits both. The task then reads its part along the other
 * axis into shared memory, and writes from there along the last one (Ruetsch and Micikevicius, "Optimizing Matrix
 * Transpose in CUDA", 2009: a row more than the threads that read down a column, so that these meet no bank twice). */
#include "schedule_plan.h"
#include <string.h>

enum { LEAST_UNIT = 8 }; /* positions along the other axis that are worth it */

/* The element of v at n's coordinates is read through views alone: its address in memory; NULL: it is not. */
static sym_t address_of(plan *p, const nest *n, ir_value *v) {
    sym_ctx *c = p->s->m->syms;
    sym_t coords[IR_MAX_RANK], at[IR_MAX_RANK], address = sym_const(c, 0);
    for (int d = 0; d < n->rank; d++) coords[d] = n->dim[d].expr;
    while (region_inside(p->r, v)) {
        if (v->op->n_operands != 1 || !access_is_pointwise(v->op)) return NULL;
        access_operand(&p->s->e.x, v->op, 0, coords, at);
        v = ir_operand(v->op, 0);
        memcpy(coords, at, v->type.rank * sizeof *coords);
    }
    for (int d = 0; d < v->type.rank; d++) address = sym_add(c, sym_mul(c, address, v->type.dims[d]), coords[d]);
    return address;
}

/* The grid variable along which v is contiguous, when it is not along `last`; -1: none. */
static int unit_of(plan *p, const nest *n, ir_value *v, sym_t last) {
    sym_ctx *c = p->s->m->syms;
    sym_t address = address_of(p, n, v), step, rest;
    if (!address) return -1;
    if (sym_linear(c, address, last, &step, &rest) && (sym_is(step, 0) || sym_is(step, 1))) return -1;
    for (int g = 0; g < p->r->n_grid; g++) {
        sym_t var = p->r->grid[g];
        if (var != last && sym_linear(c, address, var, &step, &rest) && sym_is(step, 1)) return g;
    }
    return -1;
}

static bool has_one_user(const ir_value *v) {
    for (const ir_use *u = v->uses; u; u = u->next)
        if (u->user != v->uses->user) return false;
    return v->uses != NULL;
}

/* Adds to p->across what v, read at n's own coordinates, reads across memory. */
static void find_across(plan *p, const nest *n, ir_value *v, sym_t last) {
    if (!region_inside(p->r, v) || p->n_across == PLAN_MAX_ACROSS) return;
    if (v != n->v && (!has_one_user(v) || region_nest_of(p->r, v))) return; /* others may read it elsewhere */
    for (int i = 0; i < p->n_across; i++)
        if (p->across[i] == v) return;
    if (ir_op_flags(v->op) & IR_F_ELEMENTWISE) {
        for (int i = 0; i < v->op->n_operands; i++)
            if (ir_operand(v->op, i)->type.kind == IR_TENSOR) find_across(p, n, ir_operand(v->op, i), last);
        return;
    }
    int unit = unit_of(p, n, v, last);
    if (unit < 0 || (p->n_across && unit != p->unit)) return;
    if (sym_hint(p->r->grid_extent[unit]) < LEAST_UNIT) return;
    p->unit = unit;
    p->across[p->n_across++] = v;
}

bool plan_find_across(plan *p) {
    const nest *n = &p->r->nests.data[0];
    if (!p->s->lim->threads || p->r->nests.len != 1 || n->kind != NEST_MAP) return false;
    find_across(p, n, n->v, p->r->grid[p->r->n_grid - 1]);
    return p->n_across > 0;
}

/* v at n's coordinates, into memory of the task in which the unit variable comes last. */
static bool copy_across(plan *p, const nest *n, ir_value *v) {
    sched *s = p->s;
    sym_ctx *c = s->m->syms;
    stage_vars sv = {0};
    sym_t dims[2], coords[IR_MAX_RANK];
    const int order[2] = {p->r->n_grid - 1, p->unit};
    for (int k = 0; k < 2; k++) {
        const struct cut *of = &p->cuts[order[k]];
        sched_add_var(&sv, of->inner, of->inner_extent);
        dims[k] = k ? sym_addi(c, of->inner_max, 1) : of->inner_max;
    }
    sv.n_par = sv.n;
    plan_coords(p, n, coords);
    ir_value *buffer = sched_alloc(s, p->grid, emit_compute_dtype((frit_dtype)v->type.dtype), 2, dims);
    if (!buffer) return false;
    ir_op *stage = sched_stage(s, p->block, &sv);
    ir_value *x = emit_element(&s->e, v, coords);
    if (!x) return false;
    emit_write(&s->e, buffer, x, 2, sv.var);
    sched_choose_tile(s, stage, NULL);
    sym_t *at = arena_array(s->scratch, sym_t, v->type.rank + 1);
    for (int d = 0; d < v->type.rank; d++) at[d] = sym_index(c, "x", v->type.dims[d]);
    emit_place place = {.v = v, .buffer = buffer, .rank = 2, .at = at, .index = arena_copy(s->scratch, sv.var, 2 * sizeof *sv.var)};
    vec_push(s->scratch, &s->e.places, place);
    return !s->why;
}

bool plan_copy_across(plan *p, const nest *n) {
    for (int i = 0; i < p->n_across; i++)
        if (!copy_across(p, n, p->across[i])) return false;
    return true;
}
