/* The stage of a contraction: which operand runs along lanes, whether it is copied into panels first. */
#include "ir/absent.h"
#include "schedule_plan.h"
#include "schedule_tiles.h"
#include <string.h>

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

/* Address step of operand i's memory along var, once k's variable `from` (or NULL) runs as `as`, when the operand is read
 * directly; 1 is contiguous, -1 unknown. */
static int64_t step_as(plan *p, const contraction *k, int i, sym_t var, sym_t from, sym_t as) {
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
    if (from) addr = sym_subst(c, addr, 1, &from, &as);
    int64_t step;
    return sym_linear(c, addr, var, &coef, &rest) && sym_is_const(coef, &step) ? step : -1;
}

static int64_t operand_step(plan *p, const contraction *k, int i, sym_t var) { return step_as(p, k, i, var, NULL, NULL); }

/* Of the packed operand's own variables one that is contiguous in memory, if there are some lanes of it: that of the panels
 * of weights that were packed ahead. */
static int contiguous_variable(plan *p, const contraction *k) {
    for (int i = 0; i < k->sv.n_par; i++)
        if (k->side[i] == 1 << k->rhs && sym_hint(k->sv.extent[i]) >= 8 && operand_step(p, k, k->rhs, k->sv.var[i]) == 1) return i;
    return k->nv;
}

/* The widest variable of each side; the side whose variable is written with unit stride gets the lanes. */
static void choose_roles(plan *p, contraction *k) {
    int best[2] = {-1, -1};
    for (int i = 0; i < k->sv.n_par; i++) {
        int side = plan_any_uses(k->at[0], ir_operand(k->n->v->op, 0)->type.rank, k->sv.var[i]) |
                   plan_any_uses(k->at[1], ir_operand(k->n->v->op, 1)->type.rank, k->sv.var[i]) << 1;
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
    if (k->nv >= 0 && !p->s->lim->threads) k->nv = contiguous_variable(p, k);
}

/* How many panels hold `extent` positions. The tail of a cut axis, min(a, b), is a minimum again: bounds are found in it. */
static sym_t panel_count(sym_ctx *c, sym_t extent) {
    if (sym_kind_of(extent) == SYM_MIN)
        return sym_min(c, panel_count(c, sym_arg(extent, 0)), panel_count(c, sym_arg(extent, 1)));
    return sym_ceildiv(c, extent, sym_const(c, SCHEDULE_PANEL));
}

/* The variable along lanes as one of panels and one within a panel, in the code to come. */
static void split_lanes(plan *p, contraction *k, sym_t n0, sym_t n1) {
    sym_ctx *c = p->s->m->syms;
    emit *e = &p->s->e;
    sym_t extent = k->sv.extent[k->nv], panel = sym_const(c, SCHEDULE_PANEL), panels = panel_count(c, extent);
    e->split_var = k->sv.var[k->nv];
    e->split_expr = sym_add(c, sym_mul(c, n0, panel), n1);
    e->split_lane = sym_mul(c, sym_floordiv(c, extent, panel), panel) == extent ? NULL : n1;
    e->split_extent = extent;
    stage_vars out = {0};
    for (int i = 0; i < k->sv.n; i++) {
        if (i == k->nv) sched_add_var(&out, n0, panels), sched_add_var(&out, n1, panel);
        else sched_add_var(&out, k->sv.var[i], k->sv.extent[i]);
    }
    out.n_par = k->sv.n_par + 1;
    if (k->m > k->nv) k->m++;
    k->nv++;
    k->sv = out;
}

/* Split so, the operand is contiguous in memory along its lanes: weights that were packed ahead, the last panel filled up. */
static bool in_panels(plan *p, contraction *k) {
    sym_ctx *c = p->s->m->syms;
    if (k->nv < 0 || p->s->lim->threads || operand_step(p, k, k->rhs, k->sv.var[k->nv]) >= 0) return false;
    sym_t panel = sym_const(c, SCHEDULE_PANEL), n0 = sym_index(c, "n", panel_count(c, k->sv.extent[k->nv]));
    sym_t n1 = sym_index(c, "l", panel), as = sym_add(c, sym_mul(c, n0, panel), n1);
    if (step_as(p, k, k->rhs, n1, k->sv.var[k->nv], as) != 1) return false;
    split_lanes(p, k, n0, n1);
    return true;
}

/* Copies the operand that varies along lanes into panels [.., n / 16, reduced.., 16] and replaces its variable by two. */
static ir_value *pack_panels(plan *p, contraction *k) {
    sched *s = p->s;
    sym_ctx *c = s->m->syms;
    sym_t extent = k->sv.extent[k->nv], panel = sym_const(c, SCHEDULE_PANEL);
    sym_t panels = panel_count(c, extent), n0 = sym_index(c, "n", panels), n1 = sym_index(c, "l", panel);
    contraction before = *k;
    split_lanes(p, k, n0, n1);
    k = &before;
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
    if (!buffer) return NULL;
    ir_op *stage = sched_stage(s, p->block, &sv);
    ir_value *x = emit_element(&s->e, v, k->at[k->rhs]);
    if (!x) return NULL;
    emit_write(&s->e, buffer, x, rank, index);
    sched_choose_tile(s, stage, NULL);
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

/* ---- The footprint of windows --------------------------------------------------------------------------------------
 * Windows overlap: what a task reads of the tensor that they slide over is far less than the windows hold. A copy of just
 * that, padding included, is read by the sums in place (Zhang, Franchetti and Low, "High Performance Zero-Memory Overhead
 * Direct Convolutions", 2018, make the same point). */
typedef struct footprint {
    ir_value *of;
    double elements, fill; /* fill: what is read outside of it */
    sym_t at[IR_MAX_RANK]; /* coordinates that the contraction reads, in its loops' variables */
    sym_t base[IR_MAX_RANK], extent[IR_MAX_RANK];
} footprint;

/* What the loops read of f->of: every coordinate must grow with them, the last one along nv in steps of one. */
static bool measure_footprint(plan *p, const contraction *k, footprint *f) {
    sym_ctx *c = p->s->m->syms;
    int rank = f->of->type.rank;
    f->elements = 1;
    for (int d = 0; d < rank; d++) {
        sym_t rest = f->at[d], span = sym_const(c, 1);
        for (int i = 0; i < k->sv.n; i++) {
            sym_t coef, without;
            int64_t step, lo, hi;
            if (!sym_linear(c, rest, k->sv.var[i], &coef, &without) || !sym_is_const(coef, &step) || step < 0) return false;
            if (i == k->nv && step != (d == rank - 1)) return false;
            sym_range(c, k->sv.extent[i], &lo, &hi);
            if (step && hi == INT64_MAX) return false;
            span = sym_add(c, span, sym_muli(c, sym_addi(c, k->sv.extent[i], -1), step));
            rest = without;
        }
        f->base[d] = rest;
        f->extent[d] = span;
        f->elements *= (double)sym_hint(span);
    }
    return rank > 0;
}

/* The value behind the packed operand's views of which the loops read least; false: not half of what panels would hold. */
static bool find_footprint(plan *p, const contraction *k, footprint *f) {
    ir_value *v = ir_operand(k->n->v->op, k->rhs);
    footprint x = {.of = v};
    double panels = 1;
    bool found = false;
    for (int i = 0; i < k->sv.n; i++)
        if (i >= k->sv.n_par || (k->side[i] >> k->rhs & 1)) panels *= (double)sym_hint(k->sv.extent[i]);
    memcpy(x.at, k->at[k->rhs], v->type.rank * sizeof *x.at);
    for (bool inside = true;;) {
        if (measure_footprint(p, k, &x) && x.elements <= panels / 2 && (!found || x.elements < f->elements)) {
            *f = x;
            found = true;
        }
        const ir_op *op = x.of->op;
        if (!inside || !region_inside(p->r, x.of) || region_nest_of(p->r, x.of)) return found;
        if (op->n_operands != 1 || !(ir_op_flags(op) & IR_F_VIEW)) return found;
        sym_t at[IR_MAX_RANK];
        access_operand(&p->s->e.x, op, 0, x.at, at);
        x.of = ir_operand(op, 0);
        x.fill = ir_get_float(op, IR_ATTR_fill, 0);
        memcpy(x.at, at, x.of->type.rank * sizeof *at);
        for (int d = 0; op->code == IR_view && d < x.of->type.rank; d++)
            inside = inside && sym_prove_ge0(p->s->m->syms, at[d]) && sym_prove_lt(p->s->m->syms, at[d], x.of->type.dims[d]);
    }
}

/* Copies it; the buffer. */
static ir_value *copy_footprint(plan *p, const contraction *k, const footprint *f) {
    sched *s = p->s;
    sym_ctx *c = s->m->syms;
    int rank = f->of->type.rank;
    stage_vars sv = {0};
    sym_t coords[IR_MAX_RANK], dims[IR_MAX_RANK];
    for (int d = 0; d < rank; d++) {
        int64_t lo, hi; /* the buffer is sized by the largest extent that any task meets */
        sym_range(c, f->extent[d], &lo, &hi);
        dims[d] = sym_const(c, hi);
        sym_t x = sym_index(c, "x", f->extent[d]);
        sched_add_var(&sv, x, f->extent[d]);
        coords[d] = sym_add(c, f->base[d], x);
    }
    sv.n_par = sv.n;
    ir_value *buffer = sched_alloc(s, p->grid, emit_compute_dtype((frit_dtype)f->of->type.dtype), rank, dims);
    if (!buffer) return NULL;
    ir_op *stage = sched_stage(s, p->block, &sv);
    ir_value *x = emit_element_or(&s->e, f->of, coords, f->fill);
    if (!x) return NULL;
    emit_write(&s->e, buffer, x, rank, sv.var);
    sched_choose_tile(s, stage, NULL);
    return buffer;
}

static ir_value *read_footprint(plan *p, const footprint *f, ir_value *buffer) {
    sym_t index[IR_MAX_RANK];
    for (int d = 0; d < f->of->type.rank; d++) index[d] = sym_sub(p->s->m->syms, f->at[d], f->base[d]);
    return emit_read(&p->s->e, buffer, f->of->type.rank, index, 0);
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

/* bool: x is -0. */
static ir_value *is_mark(ir_builder *b, ir_value *x) {
    frit_dtype bits = x->type.dtype == FRIT_f64 ? FRIT_i64 : FRIT_i32;
    ir_type t = ir_scalar(bits);
    ir_value *y = ir_result(ir_build(b, IR_bitcast, 1, &x, 1, &t), 0);
    return ir_binary(b, IR_eq, y, ir_splat_int(b, t, bits == FRIT_i64 ? INT64_MIN : INT32_MIN));
}

/* x[0] * x[1], or 0 where a factor is marked as absent: the form that lowering looks for (lower_absent.c). */
static ir_value *product_of(emit *e, const ir_op *op, ir_value *const *x, frit_dtype acc) {
    ir_value *absent = NULL, *term = ir_binary(&e->b, acc == FRIT_bool ? IR_and : IR_mul, x[0], x[1]);
    for (int i = 0; i < 2; i++) {
        if (!ir_marks_absent(op, i)) continue;
        ir_value *mark = is_mark(&e->b, x[i]);
        absent = absent ? ir_binary(&e->b, IR_or, absent, mark) : mark;
    }
    return absent ? ir_select(&e->b, absent, ir_splat(&e->b, ir_scalar(acc), 0), term) : term;
}

/* A matrix by a few vectors. */
static bool is_strip(const plan *p, const nest *n) {
    return p->s->lim->threads && p->s->lim->multiprocessors && !p->chunks.of && schedule_has_few_rows(n->v->op) && !schedule_in_tiles(n->v->op);
}

/* Elements of 16 bytes of what the products read along var: their sums are in registers, and are stored once. */
static int64_t lanes_of_reads(const sched *s, const ir_op *stage, sym_t var) {
    int64_t bits = 8;
    for (const ir_op *op = stage->blocks[0]->first; op; op = op->next) {
        const sym_t *map;
        int rank = op->code == IR_read ? ir_get_syms(op, IR_ATTR_map, &map) : 0;
        int64_t own = rank ? (int64_t)frit_dtype_bits((frit_dtype)ir_operand(op, 0)->type.dtype) : 0;
        if (rank && plan_any_uses(map, rank, var) && own > bits) bits = own;
    }
    return 8 * s->lim->vector_bytes / bits;
}

/* Few rows read the other operand once, and what they wait for is memory: a thread has several reads of it under way. */
static void take_several(plan *p, ir_op *stage, const contraction *k) {
    enum { READS = 4 };
    sched *s = p->s;
    const int64_t *old;
    int64_t tile[SCHED_MAX_VARS];
    int n = ir_get_ints(stage, IR_ATTR_tile, &old), vector = (int)ir_get_int(stage, IR_ATTR_vector, -1), at = -1;
    memcpy(tile, old, (size_t)n * sizeof *tile);
    if (vector >= k->sv.n_par) at = k->nv;
    else if (p->few_rows && k->sv.n > k->sv.n_par) at = k->sv.n - 1;
    if (at < 0 || at == vector || tile[at] > READS) return;
    tile[at] = READS;
    if (p->few_rows && vector == k->nv) tile[vector] = lanes_of_reads(s, stage, k->sv.var[vector]);
    ir_set_ints(s->m, stage, IR_ATTR_tile, n, tile);
}

bool plan_contract_stage(plan *p, const nest *n, const nest *q) {
    sched *s = p->s;
    contraction k = {.n = n, .q = q, .sv = plan_loops(p, n, q)};
    plan_coords(p, n, k.coords);
    for (int i = 0; i < n->n_red; i++) k.red[i] = plan_on_cuts(p, n->red[i].expr);
    contraction_coords(p, &k);
    choose_roles(p, &k);
    contraction before = k;
    ir_value *copy = NULL;
    footprint f = {0};
    bool packs = !in_panels(p, &k) && wants_panels(p, &k), windows = packs && find_footprint(p, &k, &f);
    if (packs && !(copy = windows ? copy_footprint(p, &k, &f) : pack_panels(p, &k))) return false;
    ir_op *stage = sched_stage(s, p->block, &k.sv);
    frit_dtype acc = emit_compute_dtype((frit_dtype)ir_operand(n->v->op, 0)->type.dtype);
    frit_dtype out = emit_compute_dtype((frit_dtype)n->v->type.dtype);
    if (frit_dtype_bits(out) > frit_dtype_bits(acc)) acc = out;
    ir_value *x[2];
    for (int i = 0; i < 2; i++) {
        if (!copy || i != k.rhs) x[i] = emit_element(&s->e, ir_operand(n->v->op, i), k.at[i]);
        else x[i] = windows ? read_footprint(p, &f, copy) : read_panels(p, &k, copy, &before);
        if (!x[i]) return false;
        x[i] = ir_cast(&s->e.b, x[i], acc);
    }
    ir_value *term = product_of(&s->e, n->v->op, x, acc);
    bool ok;
    if (k.sv.n == k.sv.n_par) ok = plan_finish(p, n, q, k.coords, term);
    else {
        plan_yield_terms(s, stage, term, acc == FRIT_bool ? IR_ANY : IR_SUM);
        ok = plan_epilogue(p, stage, n, q, k.coords, ir_scalar(acc));
    }
    if (!ok) return false;
    sched_choose_tile(s, stage, reuse_variable(&k));
    if (p->few_rows || is_strip(p, n)) take_several(p, stage, &k);
    s->e.split_var = s->e.split_expr = s->e.split_lane = NULL;
    return !s->why;
}
