/* Loop nests -> grid and stages. */
#include "schedule_plan.h"
#include <assert.h>
#include <math.h>
#include <string.h>

sym_t plan_on_cuts(plan *p, sym_t e) {
    sym_t with[24];
    const stream *of = p->chunks.of;
    for (int g = 0; g < p->r->n_grid; g++) with[g] = p->cuts[g].expr;
    e = sym_subst(p->s->m->syms, e, p->r->n_grid, p->r->grid, with);
    return of ? sym_subst(p->s->m->syms, e, of->n_vars, of->vars, p->chunks.expr) : e;
}

static int streamed(const plan *p, sym_t var) { return p->chunks.of ? stream_var(p->chunks.of, var) : -1; }

static void make_cut(plan *p, int g, sym_t tile) {
    sym_ctx *c = p->s->m->syms;
    cut *k = &p->cuts[g];
    sym_t var = p->r->grid[g], extent = p->r->grid_extent[g];
    int64_t e, t;
    if (tile && sym_is_const(tile, &t) && sym_is_const(extent, &e) && t >= e) tile = extent;
    *k = (cut){.tile = tile, .expr = var};
    if (!tile) {
        k->task = var;
        k->task_extent = extent;
    } else if (tile == extent) {
        k->inner = var;
        k->inner_extent = k->inner_max = extent;
    } else {
        k->task_extent = sym_ceildiv(c, extent, tile);
        k->task = sym_index(c, "t", k->task_extent);
        sym_t base = sym_mul(c, k->task, tile);
        bool even = sym_mul(c, sym_floordiv(c, extent, tile), tile) == extent;
        k->inner_max = tile;
        k->inner_extent = even ? tile : sym_min(c, tile, sym_sub(c, extent, base));
        k->inner = sym_index(c, sym_var_name(var), k->inner_extent);
        k->expr = sym_add(c, base, k->inner);
    }
}

/* ---- Tile sizes -------------------------------------------------------------------------------------------------- */
/* Operand coordinates of contraction n, in grid and own variables. */
static void contract_coords(plan *p, const nest *n, int i, sym_t *out) {
    sym_t at[IR_MAX_RANK], red[IR_MAX_RANK];
    for (int d = 0; d < n->rank; d++) at[d] = n->dim[d].expr;
    for (int k = 0; k < n->n_red; k++) red[k] = n->red[k].expr;
    access_reduced(&p->r->x, n->v->op, i, at, red, out);
}

static bool any_uses(const sym_t *v, int n, sym_t var) {
    for (int i = 0; i < n; i++)
        if (sym_uses(v[i], var)) return true;
    return false;
}

/* Which side of contraction n varies along var: 1 left only, 2 right only, 3 both, 0 neither. */
static int contract_side(plan *p, const nest *n, sym_t var) {
    sym_t a[IR_MAX_RANK], b[IR_MAX_RANK];
    contract_coords(p, n, 0, a);
    contract_coords(p, n, 1, b);
    return any_uses(a, ir_operand(n->v->op, 0)->type.rank, var) | any_uses(b, ir_operand(n->v->op, 1)->type.rank, var) << 1;
}

static bool has_local_axes(const region *r) {
    for (int i = 0; i < r->nests.len; i++)
        for (int d = 0; d < r->nests.data[i].rank; d++)
            if (r->nests.data[i].dim[d].n_vars) return true;
    return false;
}

static const nest *last_contract(const region *r) {
    for (int i = r->nests.len - 1; i >= 0; i--)
        if (r->nests.data[i].kind == NEST_CONTRACT) return &r->nests.data[i];
    return NULL;
}

/* Elements that one value of all grid variables stands for: the longest local or reduced extent of a nest. */
static int64_t row_length(const region *r) {
    int64_t longest = 1;
    for (int i = 0; i < r->nests.len; i++) {
        const nest *n = &r->nests.data[i];
        int64_t len = 1;
        for (int d = 0; d < n->rank; d++)
            for (int k = 0; k < n->dim[d].n_vars; k++) len *= sym_hint(n->dim[d].extents[k]);
        for (int d = 0; d < n->n_red; d++)
            for (int k = 0; k < n->red[d].n_vars; k++) len *= sym_hint(n->red[d].extents[k]);
        if (len > longest) longest = len;
    }
    return longest;
}

/* Halves the longer side of a contraction's tile while there would be fewer tasks than there is room for. */
static void shrink_tile(plan *p, const nest *n, int64_t *rows, int64_t *cols) {
    double extent[4] = {1, 1, 1, 1};
    for (int g = 0; g < p->r->n_grid; g++) extent[contract_side(p, n, p->r->grid[g])] *= (double)sym_hint(p->r->grid_extent[g]);
    double others = extent[0] * extent[3];
    while (*rows * *cols > 32 * 32) {
        double tasks = ceil(extent[1] / (double)*rows) * ceil(extent[2] / (double)*cols) * others;
        if (tasks >= (double)p->s->sizes.tasks) return;
        *(*rows >= *cols ? rows : cols) /= 2;
    }
}

static void cut_contract(plan *p, const nest *n) {
    region *r = p->r;
    sym_ctx *c = p->s->m->syms;
    bool chain = has_local_axes(r);
    const ir_value *rhs = ir_operand(n->v->op, 1);
    bool in_panels = rhs->op && rhs->op->code == IR_view; /* weights that were packed ahead (pack.c) */
    const schedule_sizes *z = &p->s->sizes;
    int64_t m_left = chain ? z->chain_rows : in_panels ? z->rows : z->packing_rows, n_left = z->cols;
    shrink_tile(p, n, &m_left, &n_left);
    for (int g = r->n_grid - 1; g >= 0; g--) {
        int side = contract_side(p, n, r->grid[g]);
        int64_t *left = side == 1 ? &m_left : side == 2 ? &n_left : NULL, h = sym_hint(r->grid_extent[g]), e;
        if (!left || *left <= 1) {
            make_cut(p, g, NULL);
        } else if (sym_is_const(r->grid_extent[g], &e) && e <= *left) {
            make_cut(p, g, r->grid_extent[g]);
            *left = e ? *left / e : 1;
        } else {
            make_cut(p, g, sym_const(c, *left));
            *left = h > 0 ? *left / h : 1;
        }
    }
}

/* The innermost of the first n grid variables, up to about `elements` points a task. */
static void cut_inner(plan *p, int64_t elements, int n) {
    region *r = p->r;
    int64_t left = elements;
    for (int g = n - 1; g >= 0; g--) {
        int64_t h = sym_hint(r->grid_extent[g]);
        if (left <= 1) make_cut(p, g, NULL);
        else if (h <= left && sym_is_const(r->grid_extent[g], NULL)) {
            make_cut(p, g, r->grid_extent[g]);
            left = h > 0 ? left / h : left;
        } else { /* an extent that is not known may be far from typical: the tile bounds the task */
            make_cut(p, g, sym_const(p->s->m->syms, left < SCHEDULE_PANEL ? left : left / SCHEDULE_PANEL * SCHEDULE_PANEL));
            left = h > 0 && h < left ? left / h : 1;
        }
    }
}

/* Reductions over an axis that is not the fastest want many neighbouring results a task, for unit-stride reads. */
static bool reduces_slow_axis(const region *r) {
    for (int i = 0; i < r->nests.len; i++) {
        const nest *n = &r->nests.data[i];
        const int64_t *axes;
        if (n->kind != NEST_REDUCE) continue;
        int k = ir_get_ints(n->v->op, IR_ATTR_axes, &axes);
        if (k && axes[k - 1] != ir_operand(n->v->op, 0)->type.rank - 1) return true;
    }
    return false;
}

/* Neighbouring four-bit elements share a byte, which two tasks must not both write. */
static bool stores_nibbles(const plan *p) {
    for (int i = 0; i < p->n_outputs; i++)
        if (frit_dtype_bits((frit_dtype)p->outputs[i].v->type.dtype) < 8) return true;
    return false;
}

/* A transpose: a task takes few enough of the axis that is read across memory for the lines it touches to stay in the
 * nearest cache while the other axis uses them up. */
static bool cut_transpose(plan *p) {
    region *r = p->r;
    int64_t across = p->s->sizes.across;
    int last = r->n_grid - 1;
    if (last < 1 || row_length(r) > 1 || sym_hint(r->grid_extent[last]) <= across || !region_strided(r, r->grid[last]))
        return false;
    cut_inner(p, p->s->sizes.points / across, last);
    make_cut(p, last, sym_const(p->s->m->syms, across));
    return true;
}

static void choose_cuts(plan *p) {
    if (stores_nibbles(p)) {
        for (int g = 0; g < p->r->n_grid; g++) make_cut(p, g, p->r->grid_extent[g]);
        return;
    }
    const nest *n = last_contract(p->r);
    if (n) {
        cut_contract(p, n);
        return;
    }
    if (cut_transpose(p)) return;
    const schedule_sizes *z = &p->s->sizes;
    int64_t row = row_length(p->r), points = row > 1 ? z->row_points / row : z->points;
    if (reduces_slow_axis(p->r) && points < z->slow_points) points = z->slow_points;
    cut_inner(p, points < 1 ? 1 : points, p->r->n_grid);
}

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
    place.buffer = sched_alloc(s, p->grid, emit_compute_dtype((frit_dtype)n->v->type.dtype), place.rank, dims);
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
bool plan_needs_buffer(const nest *n) { return n->n_readers > (n->into >= 0) && !n->output; }

/* Stores the element x of n wherever readers look for it, and makes it known to later stages. */
static void store_element(plan *p, const nest *n, ir_value *x, const sym_t *coords) {
    sched *s = p->s;
    if (plan_is_state(p, n)) { /* its readers know where it is */
        if (n->output) write_output(p, n, x, coords);
    } else if (n->output) {
        write_output(p, n, x, coords);
        for (int k = 0; k < p->n_outputs; k++)
            if (p->outputs[k].v == n->v && n->n_readers) place_output(s, &p->outputs[k]);
    } else if (plan_needs_buffer(n)) {
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
    frit_dtype t = (frit_dtype)n->v->type.dtype, c = emit_compute_dtype(t);
    x = ir_cast(&s->e.b, x, c);
    if (frit_dtype_bits(t) >= 8) return x;
    ir_combine how = (ir_combine)ir_get_int(n->v->op, IR_ATTR_combine, IR_SUM);
    if (how == IR_MAX && t == FRIT_i4) x = ir_binary(&s->e.b, IR_max, x, ir_splat_int(&s->e.b, ir_scalar(c), -8));
    if (how == IR_MIN) x = ir_binary(&s->e.b, IR_min, x, ir_splat_int(&s->e.b, ir_scalar(c), t == FRIT_i4 ? 7 : 15));
    return ir_cast(&s->e.b, ir_cast(&s->e.b, x, t), c);
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
static bool epilogue(plan *p, ir_op *stage, const nest *n, const nest *q, const sym_t *coords, ir_type t) {
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
    plan_coords(p, n, coords);
    ir_op *stage = sched_stage(s, p->block, &sv);
    ir_value *x = emit_element(&s->e, n->v, coords);
    if (!x) return false;
    store_element(p, n, x, coords);
    sched_choose_tile(s, stage, NULL);
    return !s->why;
}

static void finish_terms(sched *s, ir_op *stage, ir_value *term, ir_combine combine) {
    int64_t c = combine;
    ir_set_ints(s->m, stage, IR_ATTR_combines, 1, &c);
    ir_build(&s->e.b, IR_yield, 1, &term, 0, NULL);
}

/* Terms are combined in the wider of the operand's and the result's dtypes. */
static frit_dtype accumulator(const ir_op *op) {
    frit_dtype from = emit_compute_dtype((frit_dtype)ir_operand(op, 0)->type.dtype);
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
        finish_terms(s, stage, x, combine);
        if (!epilogue(p, stage, n, q, coords, arg ? ir_scalar(FRIT_i64) : x->type)) return false;
    }
    sched_choose_tile(s, stage, NULL);
    return true;
}

/* ---- Contractions ------------------------------------------------------------------------------------------------ */
typedef struct contraction {
    const nest *n, *q;
    stage_vars sv;
    sym_t coords[IR_MAX_RANK], red[IR_MAX_RANK], at[2][IR_MAX_RANK];
    int side[SCHED_MAX_VARS]; /* of each parallel variable: see contract_side */
    int m, nv;                /* positions in sv of the variables tiled for reuse and along lanes; -1 for none */
    int rhs;                  /* the operand that varies along nv */
} contraction;

static void contraction_coords(plan *p, contraction *k) {
    for (int i = 0; i < 2; i++) access_reduced(&p->s->e.x, k->n->v->op, i, k->coords, k->red, k->at[i]);
}

/* Address step of operand i's memory along var when the operand is read directly; 1 is contiguous, -1 unknown. */
static int64_t operand_step(plan *p, contraction *k, int i, sym_t var) {
    ir_value *v = ir_operand(k->n->v->op, i);
    sym_t coords[IR_MAX_RANK], at[IR_MAX_RANK], coef, rest;
    sym_ctx *c = p->s->m->syms;
    memcpy(coords, k->at[i], v->type.rank * sizeof *coords);
    while (region_inside(p->r, v) && !region_nest_of(p->r, v)) {
        if (v->op->n_operands < 1 || !access_is_pointwise(v->op)) return -1;
        access_operand(&p->s->e.x, v->op, 0, coords, at);
        v = ir_operand(v->op, 0);
        memcpy(coords, at, sizeof coords);
    }
    sym_t addr = sym_const(c, 0);
    for (int d = 0; d < v->type.rank; d++) addr = sym_add(c, sym_mul(c, addr, v->type.dims[d]), coords[d]);
    int64_t step;
    return sym_linear(c, addr, var, &coef, &rest) && sym_is_const(coef, &step) ? step : -1;
}

/* The widest variable of each side; the side whose variable is written with unit stride gets the lanes. */
static void choose_roles(plan *p, contraction *k) {
    int best[2] = {-1, -1};
    for (int i = 0; i < k->sv.n_par; i++) {
        int side = any_uses(k->at[0], ir_operand(k->n->v->op, 0)->type.rank, k->sv.var[i]) |
                   any_uses(k->at[1], ir_operand(k->n->v->op, 1)->type.rank, k->sv.var[i]) << 1;
        k->side[i] = side;
        if (side != 1 && side != 2) continue;
        int *b = &best[side - 1];
        if (*b < 0 || sym_hint(k->sv.extent[i]) >= sym_hint(k->sv.extent[*b])) *b = i;
    }
    const nest *w = k->q ? k->q : k->n;
    sym_t out[IR_MAX_RANK], coef, rest;
    plan_coords(p, w, out);
    bool left_unit = best[0] >= 0 && w->rank && sym_linear(p->s->m->syms, out[w->rank - 1], k->sv.var[best[0]], &coef, &rest) &&
                     sym_is(coef, 1);
    bool swap = left_unit || best[1] < 0;
    k->rhs = swap ? 0 : 1;
    k->nv = best[k->rhs];
    k->m = best[1 - k->rhs];
}

/* Copies the operand that varies along lanes into panels [.., n / 16, reduced.., 16] and replaces its variable by two. */
static ir_value *pack_panels(plan *p, contraction *k) {
    sched *s = p->s;
    sym_ctx *c = s->m->syms;
    sym_t n = k->sv.var[k->nv], extent = k->sv.extent[k->nv], panel = sym_const(c, SCHEDULE_PANEL);
    sym_t panels = sym_ceildiv(c, extent, panel), n0 = sym_index(c, "n", panels), n1 = sym_index(c, "l", panel);
    bool even = sym_mul(c, sym_floordiv(c, extent, panel), panel) == extent;
    s->e.split_var = n;
    s->e.split_expr = sym_add(c, sym_mul(c, n0, panel), n1);
    s->e.split_lane = even ? NULL : n1;
    s->e.split_extent = extent;
    /* loops and dims of the copy */
    stage_vars sv = {0};
    sym_t dims[IR_MAX_RANK], index[IR_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < k->sv.n && rank < IR_MAX_RANK - 2; i++) {
        bool own = i < k->sv.n_par && i != k->nv && (k->side[i] >> k->rhs & 1);
        if (!own && i != k->nv && i < k->sv.n_par) continue;
        sym_t var = i == k->nv ? n0 : k->sv.var[i], e = i == k->nv ? panels : k->sv.extent[i];
        sched_add_var(&sv, var, e);
        index[rank] = var;
        int64_t lo, hi; /* the buffer is sized by the largest extent that any task meets */
        sym_range(c, e, &lo, &hi);
        dims[rank++] = sym_is_const(e, NULL) || hi == INT64_MAX ? e : sym_const(c, hi);
    }
    sched_add_var(&sv, n1, panel);
    sv.n_par = sv.n;
    index[rank] = n1;
    dims[rank++] = panel;
    ir_value *v = ir_operand(k->n->v->op, k->rhs);
    ir_value *buffer = sched_alloc(s, p->grid, emit_compute_dtype((frit_dtype)v->type.dtype), rank, dims);
    ir_op *stage = sched_stage(s, p->block, &sv);
    ir_value *x = emit_element(&s->e, v, k->at[k->rhs]);
    if (!x) return NULL;
    emit_write(&s->e, buffer, x, rank, index);
    sched_choose_tile(s, stage, NULL);
    /* the contraction's stage runs over n0, n1 in the place of n */
    stage_vars out = {0};
    for (int i = 0; i < k->sv.n; i++) {
        if (i == k->nv) sched_add_var(&out, n0, panels), sched_add_var(&out, n1, panel);
        else sched_add_var(&out, k->sv.var[i], k->sv.extent[i]);
    }
    out.n_par = k->sv.n_par + 1;
    if (k->m > k->nv) k->m++;
    k->sv = out;
    return buffer;
}

/* The packed operand's element in the contraction's own variables. */
static ir_value *read_panels(plan *p, contraction *k, ir_value *buffer, const contraction *before) {
    sym_t index[IR_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < before->sv.n; i++) {
        bool own = i < before->sv.n_par && i != before->nv && (before->side[i] >> k->rhs & 1);
        if (!own && i != before->nv && i < before->sv.n_par) continue;
        index[rank++] = i == before->nv ? k->sv.var[before->nv] : before->sv.var[i];
    }
    index[rank++] = k->sv.var[before->nv + 1];
    return emit_read(&p->s->e, buffer, rank, index, 0);
}

/* Operand i is read through a view or pad that runs past its tensor: every access would be tested. */
static bool runs_outside(plan *p, contraction *k, int i) {
    sym_ctx *c = p->s->m->syms;
    ir_value *v = ir_operand(k->n->v->op, i);
    sym_t coords[IR_MAX_RANK], at[IR_MAX_RANK];
    memcpy(coords, k->at[i], v->type.rank * sizeof *coords);
    while (region_inside(p->r, v) && !region_nest_of(p->r, v) && v->op->n_operands > 0 && access_is_pointwise(v->op)) {
        const ir_op *op = v->op;
        access_operand(&p->s->e.x, op, 0, coords, at);
        v = ir_operand(op, 0);
        for (int d = 0; d < v->type.rank; d++)
            if ((op->code == IR_view || op->code == IR_pad) &&
                !(sym_prove_ge0(c, at[d]) && sym_prove_lt(c, at[d], v->type.dims[d])))
                return true;
        memcpy(coords, at, sizeof coords);
    }
    return false;
}

static bool wants_panels(plan *p, contraction *k) {
    enum { ROWS_WORTH_A_COPY = 24 };
    if (k->nv < 0 || p->s->lim->threads) return false; /* a block shares operands its own way */
    int64_t rows = k->m < 0 ? 1 : sym_hint(k->sv.extent[k->m]), depth = 1;
    for (int i = k->sv.n_par; i < k->sv.n; i++) depth *= sym_hint(k->sv.extent[i]);
    sym_t n = k->sv.var[k->nv];
    if (sym_hint(k->sv.extent[k->nv]) < 8 || rows < 4) return false;
    if (rows >= ROWS_WORTH_A_COPY && runs_outside(p, k, k->rhs)) return true;
    if (operand_step(p, k, k->rhs, n) == 1 && k->sv.n > k->sv.n_par) {
        int64_t step = operand_step(p, k, k->rhs, k->sv.var[k->sv.n - 1]); /* along the innermost reduced axis */
        if (step >= 0 && step <= SCHEDULE_PANEL) return false;                 /* it is in panels */
    }
    if (operand_step(p, k, k->rhs, n) == 1)
        return rows >= 12 && depth * sym_hint(k->sv.extent[k->nv]) * 4 > p->s->lim->l1_bytes / 2;
    return true;
}

/* The parallel variable to keep several positions of in registers: one along which the operand in lanes does not move;
 * with a single row, one of that operand's own, so that enough sums are under way to hide the latency of an addition. */
static sym_t reuse_variable(const contraction *k) {
    if (k->m >= 0 && !sym_is(k->sv.extent[k->m], 1)) return k->sv.var[k->m];
    int best = -1;
    for (int i = 0; i < k->sv.n_par; i++) {
        if (i == k->nv || sym_is(k->sv.extent[i], 1) || sym_is(k->sv.extent[i], SCHEDULE_PANEL)) continue;
        if (best < 0 || sym_hint(k->sv.extent[i]) > sym_hint(k->sv.extent[best])) best = i;
    }
    return best < 0 ? NULL : k->sv.var[best];
}

static bool contract_stage(plan *p, const nest *n, const nest *q) {
    sched *s = p->s;
    contraction k = {.n = n, .q = q, .sv = plan_loops(p, n, q)};
    plan_coords(p, n, k.coords);
    for (int i = 0; i < n->n_red; i++) k.red[i] = plan_on_cuts(p, n->red[i].expr);
    contraction_coords(p, &k);
    choose_roles(p, &k);
    contraction before = k;
    ir_value *panels = NULL;
    if (wants_panels(p, &k) && !(panels = pack_panels(p, &k))) return false;
    ir_op *stage = sched_stage(s, p->block, &k.sv);
    frit_dtype acc = emit_compute_dtype((frit_dtype)ir_operand(n->v->op, 0)->type.dtype);
    frit_dtype out = emit_compute_dtype((frit_dtype)n->v->type.dtype);
    if (frit_dtype_bits(out) > frit_dtype_bits(acc)) acc = out;
    ir_value *x[2];
    for (int i = 0; i < 2; i++) {
        x[i] = panels && i == k.rhs ? read_panels(p, &k, panels, &before)
                                    : emit_element(&s->e, ir_operand(n->v->op, i), k.at[i]);
        if (!x[i]) return false;
        x[i] = ir_cast(&s->e.b, x[i], acc);
    }
    ir_value *term = ir_binary(&s->e.b, acc == FRIT_bool ? IR_and : IR_mul, x[0], x[1]);
    bool ok;
    if (k.sv.n == k.sv.n_par) ok = plan_finish(p, n, q, k.coords, term);
    else {
        finish_terms(s, stage, term, acc == FRIT_bool ? IR_ANY : IR_SUM);
        ok = epilogue(p, stage, n, q, k.coords, ir_scalar(acc));
    }
    if (!ok) return false;
    sched_choose_tile(s, stage, reuse_variable(&k));
    s->e.split_var = s->e.split_expr = s->e.split_lane = NULL;
    return !s->why;
}

/* ---- A region ---------------------------------------------------------------------------------------------------- */
static void open_grid(plan *p) {
    sym_t vars[24], extents[24];
    int n = 0;
    for (int g = 0; g < p->r->n_grid; g++)
        if (p->cuts[g].task) {
            vars[n] = p->cuts[g].task;
            extents[n++] = p->cuts[g].task_extent;
        }
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
    case NEST_CONTRACT: return contract_stage(p, n, q);
    }
    return false;
}

/* ---- Streams ----------------------------------------------------------------------------------------------------- */
/* The greatest (or least) value of e within a task: over the points of the grid variables that it covers. NULL: e is not
 * affine in them. */
static sym_t extreme(plan *p, sym_t e, bool greatest) {
    sym_ctx *c = p->s->m->syms;
    for (int g = 0; e && g < p->r->n_grid; g++) {
        sym_t var = p->cuts[g].inner, coef, rest;
        int64_t k;
        if (!var || !sym_uses(e, var)) continue;
        if (sym_kind_of(e) == SYM_MIN || sym_kind_of(e) == SYM_MAX) {
            sym_t a = extreme(p, sym_arg(e, 0), greatest), b = extreme(p, sym_arg(e, 1), greatest);
            return !a || !b ? NULL : sym_kind_of(e) == SYM_MIN ? sym_min(c, a, b) : sym_max(c, a, b);
        }
        if (!sym_linear(c, e, var, &coef, &rest) || !sym_is_const(coef, &k)) return NULL;
        e = (k > 0) == greatest ? sym_add(c, rest, sym_muli(c, sym_addi(c, p->cuts[g].inner_extent, -1), k)) : rest;
    }
    return e;
}

static void note_loop(void *u, sym_t var) {
    const plan *p = ((void **)u)[0];
    if (sym_var_role(var) != SYM_INDEX) return;
    for (int g = 0; g < p->r->n_grid; g++)
        if (p->cuts[g].task == var) return;
    *(bool *)((void **)u)[1] = true;
}

/* The bound for all of a task's points, in what is known before its loops; NULL: none. */
static sym_t task_bound(plan *p, sym_t e, bool greatest) {
    bool loops = false;
    if (e) e = extreme(p, plan_on_cuts(p, e), greatest);
    if (e) sym_each_var(e, note_loop, (void *[]){p, &loops});
    return loops ? NULL : e;
}

/* Which chunks have an effect: the first one, and how many. */
static void choose_chunk_range(plan *p) {
    sym_ctx *c = p->s->m->syms;
    chunking *k = &p->chunks;
    sym_t size = sym_const(c, k->size), zero = sym_const(c, 0);
    sym_t first = task_bound(p, k->of->first, false), last = task_bound(p, k->of->last, true);
    k->chunks = sym_ceildiv(c, k->of->extent, size);
    if (last) k->chunks = sym_min(c, k->chunks, sym_max(c, zero, sym_addi(c, sym_floordiv(c, last, size), 1)));
    k->first = first ? sym_max(c, zero, sym_floordiv(c, first, size)) : zero;
    if (first) k->chunks = sym_max(c, zero, sym_sub(c, k->chunks, k->first));
}

static void choose_chunks(plan *p) {
    sym_ctx *c = p->s->m->syms;
    chunking *k = &p->chunks;
    stream *of = stream_find(p->r, p->s->sizes.chunk);
    if (!of) return;
    stream_bound(p->r, of);
    *k = (chunking){.size = p->s->sizes.chunk};
    k->of = of;
    for (int i = 0; i < of->n_vars; i++) k->expr[i] = of->vars[i]; /* for now */
    choose_chunk_range(p);
    sym_t size = sym_const(c, k->size);
    k->chunk = sym_index(c, "c", k->chunks);
    k->base = sym_muli(c, sym_add(c, k->first, k->chunk), k->size);
    k->inner_extent = sym_prove_multiple(c, of->extent, k->size) ? size : sym_min(c, size, sym_sub(c, of->extent, k->base));
    for (int i = 0; i < of->n_vars; i++) {
        k->inner[i] = sym_index(c, sym_var_name(of->vars[i]), k->inner_extent);
        k->expr[i] = sym_add(c, k->base, k->inner[i]);
    }
}

static ir_block *open_chunks(plan *p) {
    ir_builder b = ir_builder_at_end(p->s->m, p->grid);
    ir_op *loop = ir_build(&b, IR_for, 0, NULL, 0, NULL);
    ir_set_syms(p->s->m, loop, IR_ATTR_vars, 1, &p->chunks.chunk);
    ir_set_syms(p->s->m, loop, IR_ATTR_extent, 1, &p->chunks.chunks);
    return loop->blocks[0];
}

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
    p->block = open_chunks(p);
    if (!stages_of(p, STREAM_BODY, STREAM_STATE)) return false;
    p->block = p->grid;
    return plan_end_states(p) && stages_of(p, STREAM_AFTER, STREAM_AFTER);
}

bool sched_nests(sched *s, int n_outputs, const sched_out *outputs) {
    plan p = {.s = s, .outputs = outputs, .n_outputs = n_outputs};
    ir_value **values = arena_array(s->scratch, ir_value *, n_outputs);
    for (int i = 0; i < n_outputs; i++) values[i] = outputs[i].v;
    p.r = region_analyse(s->m, s->scratch, s->n_ops, s->ops, n_outputs, values, &s->why);
    if (!p.r) return false;
    choose_cuts(&p);
    choose_chunks(&p);
    open_grid(&p);
    int n_places = s->e.places.len;
    bool ok = all_stages(&p);
    s->e.unsafe = 0;
    s->e.places.len = n_places;
    region_release(p.r);
    if (!ok && !s->why) s->why = s->e.error ? s->e.error : "no schedule";
    return ok;
}
