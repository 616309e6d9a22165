/* Ops that are no formula of single elements, each as a small tile program of its own. Their operands are evaluated on the
 * fly like any other read, so producers still fuse into them. */
#include "schedule_special.h"
#include <string.h>

bool sched_is_special(const ir_op *op) {
    switch (op->code) {
    case IR_scatter:
    case IR_scan:
    case IR_sort:
    case IR_compact: return true;
    default: return false;
    }
}

ir_value *sched_output_of(sched *s, const ir_value *v) {
    ir_op *yield = s->block->last;
    for (int i = 0; i < yield->n_operands; i++)
        if (ir_operand(yield, i) == v) return sched_output(s, i);
    return NULL;
}

sym_t sched_cut_dim(sched *s, sym_t extent, int64_t tile, sym_t *task, sym_t *tasks, stage_vars *sv) {
    sym_ctx *c = s->m->syms;
    *tasks = sym_ceildiv(c, extent, sym_const(c, tile));
    *task = sym_index(c, "t", *tasks);
    sym_t base = sym_muli(c, *task, tile), left = sym_sub(c, extent, base);
    sym_t inner = sym_prove_multiple(c, extent, tile) ? sym_const(c, tile) : sym_min(c, sym_const(c, tile), left);
    sym_t var = sym_index(c, "i", inner);
    sched_add_var(sv, var, inner);
    return sym_add(c, base, var);
}

/* One coordinate per dim of t. The outer dims become tasks while a task keeps at least `least` elements; the others are
 * added to sv, for a block of threads the outermost of them in parts. Returns the grid's block. */
static ir_block *grid_over(sched *s, ir_type t, sym_t *vars, stage_vars *sv, int64_t least) {
    sym_t task[IR_MAX_RANK], extent[IR_MAX_RANK];
    int n = 0, first = t.rank;
    int64_t size = 1;
    if (frit_dtype_bits((frit_dtype)t.dtype) < 8) least = INT64_MAX; /* tasks must not share a byte */
    while (first > 0 && size < least) size *= sym_hint(t.dims[--first]);
    int64_t inside = 1;
    for (int d = first + 1; d < t.rank; d++) inside *= sym_hint(t.dims[d]);
    int64_t tile = inside > 0 && inside < least && least != INT64_MAX ? least / inside : 0;
    for (int d = 0; d < t.rank; d++) {
        vars[d] = sym_index(s->m->syms, "i", t.dims[d]);
        if (d == first && s->lim->threads && tile > 1 && sym_hint(t.dims[d]) >= tile) {
            vars[d] = sched_cut_dim(s, t.dims[d], tile, &task[n], &extent[n], sv);
            n++;
        } else if (d < first) task[n] = vars[d], extent[n++] = t.dims[d];
        else sched_add_var(sv, vars[d], t.dims[d]);
    }
    return sched_grid(s, n, task, extent);
}

static bool ends(sched *s, ir_op *stage) {
    sched_choose_tile(s, stage, NULL);
    return !s->why;
}

void sched_output_coords(sched *s, const sched_out *o, const sym_t *coords, sym_t *at) {
    sym_ctx *c = s->m->syms;
    const sym_t *start;
    const int64_t *step;
    memcpy(at, coords, o->v->type.rank * sizeof *at);
    if (!o->via) return;
    if (o->via->code == IR_insert) {
        ir_get_syms(o->via, IR_ATTR_start, &start);
        ir_get_ints(o->via, IR_ATTR_step, &step);
        for (int d = 0; d < o->v->type.rank; d++) at[d] = sym_add(c, start[d], sym_muli(c, coords[d], step[d]));
        return;
    }
    int axis = (int)ir_get_int(o->via, IR_ATTR_axis, 0);
    for (int i = 0; i < o->piece; i++) at[axis] = sym_add(c, at[axis], ir_operand(o->via, i)->type.dims[axis]);
}

bool sched_copy(sched *s, const sched_out *o) {
    sym_t at[IR_MAX_RANK], to[IR_MAX_RANK];
    stage_vars sv = {0};
    ir_block *grid = grid_over(s, o->v->type, at, &sv, 4096);
    sv.n_par = sv.n;
    ir_op *stage = sched_stage(s, grid, &sv);
    ir_value *e = emit_element(&s->e, o->v, at);
    if (!e) return false;
    sched_output_coords(s, o, at, to);
    emit_write(&s->e, o->buffer, e, o->v->type.rank, to);
    return ends(s, stage);
}

/* Of x's axes those along which updates go to places of their own are shared out among blocks of threads: lines of the
 * axis that moves along contiguous memory (else the last one) to each, every position of another. Where updates along what
 * is left would be one thread's, the results are shared out as well, `share` positions of one axis to each owner. An owner
 * goes through all updates and does those of its own, in order. */
typedef struct scatter_plan {
    sym_t at[IR_MAX_RANK];
    int axis;      /* of the result, that is shared out; -1: none */
    sym_t first;   /* of an owner's positions */
    sym_t share;   /* how many they are */
} scatter_plan;

enum { SCATTER_LINE = 128, SCATTER_LONG = 32 };

static bool moves_apart(const ir_op *op, int d) {
    const sym_t *vars, *map;
    int rank = ir_get_syms(op, IR_ATTR_map, &map);
    ir_get_syms(op, IR_ATTR_vars, &vars);
    for (int k = 0; k < rank; k++)
        if (map[k] == vars[d]) return true;
    return false;
}

/* The axis of op's result, of those that indices move along, that has the most positions; -1: none has several. */
static int shared_axis(const ir_op *op) {
    const sym_t *idx, *map;
    int n = ir_get_syms(op, IR_ATTR_idx, &idx), rank = ir_get_syms(op, IR_ATTR_map, &map), best = -1;
    const sym_t *dims = ir_result(op, 0)->type.dims;
    for (int k = 0; k < rank; k++)
        for (int i = 0; i < n; i++)
            if (sym_uses(map[k], idx[i]) && (best < 0 || sym_hint(dims[k]) > sym_hint(dims[best]))) best = k;
    return best >= 0 && sym_hint(dims[best]) > 1 ? best : -1;
}

static int64_t power_of_two(int64_t n) {
    int64_t p = 1;
    while (p < n) p *= 2;
    return p;
}

/* Owners: as many as fill a block beside a line's threads, times blocks that fill the machine; as many of a result of any length, so that what
 * all of them read of the updates does not grow with it. */
static void share_results(sched *s, const ir_op *op, int64_t line, int64_t blocks, scatter_plan *p, sym_t *task, sym_t *tasks,
                          int *n_tasks, stage_vars *sv) {
    sym_ctx *c = s->m->syms;
    p->axis = shared_axis(op);
    if (p->axis < 0) return;
    sym_t dim = ir_result(op, 0)->type.dims[p->axis];
    int64_t size = sym_hint(dim), own = s->lim->threads / power_of_two(line);
    if (own < 1) own = 1;
    if (own > power_of_two(size)) own = power_of_two(size);
    int64_t machine = s->lim->multiprocessors, owners = own * (blocks < machine ? machine / blocks : 1);
    p->share = sym_ceildiv(c, dim, sym_const(c, owners));
    sym_t n = sym_is_const(dim, NULL) ? sym_ceildiv(c, dim, sym_muli(c, p->share, own)) : sym_const(c, owners / own);
    sym_t t = sym_index(c, "t", n), o = sym_index(c, "o", sym_const(c, own));
    p->first = sym_mul(c, sym_add(c, sym_muli(c, t, own), o), p->share);
    task[*n_tasks] = t, tasks[(*n_tasks)++] = n;
    sched_add_var(sv, o, sym_const(c, own));
}

static ir_block *scatter_grid(sched *s, const ir_op *op, scatter_plan *p, stage_vars *sv) {
    const ir_value *x = ir_operand(op, 1);
    const sym_t *vars, *map;
    sym_t task[IR_MAX_RANK + 1], tasks[IR_MAX_RANK + 1];
    int n = ir_get_syms(op, IR_ATTR_vars, &vars), rank = ir_get_syms(op, IR_ATTR_map, &map), n_tasks = 0, unit = n - 1;
    bool shares = s->lim->threads && frit_dtype_bits((frit_dtype)x->type.dtype) >= 8;
    int64_t line = 1, blocks = 1, in_order = 1;
    for (int d = 0; d < n; d++)
        if (rank && map[rank - 1] == vars[d]) unit = d;
    for (int d = 0; d < n; d++) {
        int64_t size = sym_hint(x->type.dims[d]);
        if (size < 1) size = 1;
        if (!moves_apart(op, d)) in_order *= size;
        else if (d != unit) blocks *= size;
        else line = size < SCATTER_LINE ? size : SCATTER_LINE, blocks *= size / line;
    }
    p->axis = -1;
    if (shares && in_order >= SCATTER_LONG) share_results(s, op, line, blocks, p, task, tasks, &n_tasks, sv);
    for (int d = 0; d < n; d++) {
        bool apart = shares && moves_apart(op, d);
        p->at[d] = sym_index(s->m->syms, "i", x->type.dims[d]);
        if (apart && d != unit) task[n_tasks] = p->at[d], tasks[n_tasks++] = x->type.dims[d];
        else if (apart && sym_hint(x->type.dims[d]) >= SCATTER_LINE) {
            p->at[d] = sched_cut_dim(s, x->type.dims[d], SCATTER_LINE, &task[n_tasks], &tasks[n_tasks], sv);
            n_tasks++;
        } else {
            sched_add_var(sv, p->at[d], x->type.dims[d]);
        }
    }
    return sched_grid(s, n_tasks, task, tasks);
}

/* Updates in row-major order: coordinates may repeat. Outside coordinates write nothing. */
static bool scatter(sched *s, const ir_op *op) {
    sym_ctx *c = s->m->syms;
    ir_value *x = ir_operand(op, 1), *out = sched_output_of(s, ir_result(op, 0));
    const sym_t *vars, *idx, *map;
    int n = ir_get_syms(op, IR_ATTR_vars, &vars), n_idx = ir_get_syms(op, IR_ATTR_idx, &idx);
    int rank = ir_get_syms(op, IR_ATTR_map, &map);
    sym_t from[IR_MAX_RANK * 2], with[IR_MAX_RANK * 2], to[IR_MAX_RANK];
    stage_vars sv = {0};
    scatter_plan p;
    ir_block *grid = scatter_grid(s, op, &p, &sv);
    const sym_t *at = p.at;
    for (int d = 0; d < n; d++) from[d] = vars[d], with[d] = at[d];
    sv.n_par = sv.n;
    ir_op *stage = sched_stage(s, grid, &sv);
    for (int k = 0; k < n_idx; k++) {
        ir_value *i = emit_element(&s->e, ir_operand(op, 2 + k), at);
        if (!i) return false;
        from[n + k] = idx[k];
        with[n + k] = sym_var(c, "idx", SYM_VALUE, NULL, NULL);
        vec_push(s->scratch, &s->e.value_vars, with[n + k]);
        vec_push(s->scratch, &s->e.values, ir_cast(&s->e.b, i, FRIT_i64));
    }
    for (int d = 0; d < rank; d++) to[d] = sym_subst(c, map[d], n + n_idx, from, with);
    if (p.axis >= 0) emit_only(&s->e, sym_sub(c, to[p.axis], p.first), p.share);
    ir_value *e = emit_element(&s->e, x, at);
    if (!e) return false;
    s->e.unsafe++;
    ir_op *w = emit_write(&s->e, out, e, rank, to);
    s->e.unsafe--;
    ir_combine combine = (ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SET);
    ir_set_int(s->m, w, IR_ATTR_combine, combine); /* `set` too: the last of equal coordinates wins */
    int64_t tile[IR_MAX_RANK]; /* in order: no lanes */
    for (int d = 0; d < sv.n; d++) tile[d] = 1;
    ir_set_ints(s->m, stage, IR_ATTR_tile, sv.n, tile);
    ir_set_int(s->m, stage, IR_ATTR_vector, -1);
    return true;
}

ir_value *sched_combined(ir_builder *b, ir_combine c, ir_value *x, ir_value *y) {
    switch (c) {
    case IR_SUM: return ir_binary(b, IR_add, x, y);
    case IR_PROD: return ir_binary(b, IR_mul, x, y);
    case IR_MAX: return ir_binary(b, IR_max, x, y);
    case IR_MIN: return ir_binary(b, IR_min, x, y);
    case IR_ANY: return ir_binary(b, IR_or, x, y);
    case IR_ALL: return ir_binary(b, IR_and, x, y);
    default: return NULL;
    }
}

ir_value *sched_identity(ir_builder *b, ir_combine c, frit_dtype t) {
    ir_type type = ir_scalar(emit_compute_dtype(t));
    bool is_float = frit_dtype_is_float(t), is_signed = frit_dtype_kind_of(t) == FRIT_KIND_SINT;
    int bits = (int)frit_dtype_bits(t);
    int64_t lowest = t == FRIT_bool || !is_signed ? 0 : INT64_MIN >> (64 - bits);
    int64_t highest = t == FRIT_bool ? 1 : is_signed ? INT64_MAX >> (64 - bits) : bits == 64 ? -1 : (INT64_C(1) << bits) - 1;
    switch (c) {
    case IR_PROD:
    case IR_ALL: return is_float ? ir_splat(b, type, 1) : ir_splat_int(b, type, 1);
    case IR_MAX:
    case IR_ARGMAX: return is_float ? ir_splat(b, type, -__builtin_inf()) : ir_splat_int(b, type, lowest);
    case IR_MIN:
    case IR_ARGMIN: return is_float ? ir_splat(b, type, __builtin_inf()) : ir_splat_int(b, type, highest);
    default: return is_float ? ir_splat(b, type, 0) : ir_splat_int(b, type, 0);
    }
}

static bool is_arg(ir_combine c) { return c == IR_ARGMAX || c == IR_ARGMIN; }

/* v takes the place of the best so far: NaN beats numbers, the first of equals stays. */
static ir_value *beats(ir_builder *b, ir_combine c, ir_value *v, ir_value *best) {
    ir_value *more = c == IR_ARGMAX ? ir_binary(b, IR_lt, best, v) : ir_binary(b, IR_lt, v, best);
    if (!frit_dtype_is_float((frit_dtype)v->type.dtype)) return more;
    ir_value *is_nan = ir_binary(b, IR_ne, v, v), *was_number = ir_binary(b, IR_eq, best, best);
    return ir_binary(b, IR_or, more, ir_binary(b, IR_and, is_nan, was_number));
}

ir_value *sched_index_value(sched *s, sym_t at) {
    ir_type i64 = ir_scalar(FRIT_i64);
    ir_op *op = ir_build(&s->e.b, IR_index, 0, NULL, 1, &i64);
    ir_set_syms(s->m, op, IR_ATTR_size, 1, &at);
    return ir_result(op, 0);
}

ir_block *sched_loop_over(sched *s, ir_block *in, sym_t var, sym_t extent) {
    ir_builder b = ir_builder_at_end(s->m, in);
    b.span = s->span;
    ir_op *loop = ir_build(&b, IR_for, 0, NULL, 0, NULL);
    ir_set_syms(s->m, loop, IR_ATTR_vars, 1, &var);
    ir_set_syms(s->m, loop, IR_ATTR_extent, 1, &extent);
    return loop->blocks[0];
}

/* Sequential along the axis, with the running value (for argmax and argmin: the best and its position) of every other
 * point in a task's memory. */
typedef struct running {
    ir_combine combine;
    int axis;
    bool exclusive, reverse, arg;
    frit_dtype held, acc;
    stage_vars sv;          /* the other points of the task */
    ir_value *state, *place; /* place: of the best */
} running;

static running running_of(const ir_op *op, const ir_value *out) {
    running r = {.combine = (ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SUM), .axis = (int)ir_get_int(op, IR_ATTR_axis, 0)};
    r.exclusive = ir_get_int(op, IR_ATTR_exclusive, 0), r.reverse = ir_get_int(op, IR_ATTR_reverse, 0);
    r.arg = is_arg(r.combine);
    bool compares = r.arg || r.combine == IR_MAX || r.combine == IR_MIN;
    r.held = (frit_dtype)(compares ? ir_operand(op, 0) : out)->type.dtype;
    r.acc = emit_compute_dtype(r.held);
    return r;
}

static bool begin_running(sched *s, running *r, ir_block *grid, sym_t extent) {
    sym_ctx *c = s->m->syms;
    r->state = sched_alloc(s, grid, r->acc, r->sv.n, r->sv.extent);
    r->place = r->arg ? sched_alloc(s, grid, FRIT_i64, r->sv.n, r->sv.extent) : NULL;
    if (!r->state || (r->arg && !r->place)) return false;
    ir_op *start = sched_stage(s, grid, &r->sv);
    emit_write(&s->e, r->state, sched_identity(&s->e.b, r->combine, r->held), r->sv.n, r->sv.var);
    sym_t first = r->reverse ? sym_addi(c, extent, -1) : sym_const(c, 0);
    if (r->arg) emit_write(&s->e, r->place, sched_index_value(s, first), r->sv.n, r->sv.var);
    sched_choose_tile(s, start, NULL);
    return true;
}

/* The scan's value where e is the next element, at that position of the axis. */
static ir_value *step_running(sched *s, const running *r, ir_value *e, sym_t at) {
    ir_value *before = emit_read(&s->e, r->state, r->sv.n, r->sv.var, 0);
    e = ir_cast(&s->e.b, e, r->acc);
    if (r->arg) {
        ir_value *was = emit_read(&s->e, r->place, r->sv.n, r->sv.var, 0), *better = beats(&s->e.b, r->combine, e, before);
        ir_value *now = ir_select(&s->e.b, better, sched_index_value(s, at), was);
        emit_write(&s->e, r->state, ir_select(&s->e.b, better, e, before), r->sv.n, r->sv.var);
        emit_write(&s->e, r->place, now, r->sv.n, r->sv.var);
        return r->exclusive ? was : now;
    }
    ir_value *after = sched_combined(&s->e.b, r->combine, before, e);
    if (!after) return s->why = "a scan with this combination", NULL;
    emit_write(&s->e, r->state, after, r->sv.n, r->sv.var);
    return r->exclusive ? before : after;
}

static bool scan(sched *s, const ir_op *op) {
    sym_ctx *c = s->m->syms;
    ir_value *x = ir_operand(op, 0), *out = sched_output_of(s, ir_result(op, 0));
    running r = running_of(op, out);
    if (sched_scans_by_block(s, op)) return sched_block_scan(s, op, out, r.held);
    sym_t rest[IR_MAX_RANK], at[IR_MAX_RANK], dims[IR_MAX_RANK];
    int n = 0;
    for (int d = 0; d < x->type.rank; d++)
        if (d != r.axis) dims[n++] = x->type.dims[d];
    ir_block *grid = grid_over(s, ir_tensor(s->m, (frit_dtype)x->type.dtype, n, dims), rest, &r.sv, 64);
    r.sv.n_par = r.sv.n;
    sym_t extent = x->type.dims[r.axis], t = sym_index(c, "t", extent);
    if (!begin_running(s, &r, grid, extent)) return false;
    ir_block *loop = sched_loop_over(s, grid, t, extent);
    for (int d = 0, k = 0; d < x->type.rank; d++)
        at[d] = d != r.axis ? rest[k++] : r.reverse ? sym_addi(c, sym_sub(c, extent, t), -1) : t;
    ir_op *stage = sched_stage(s, loop, &r.sv);
    ir_value *e = emit_element(&s->e, x, at), *result = e ? step_running(s, &r, e, at[r.axis]) : NULL;
    if (!result) return false;
    emit_write(&s->e, out, result, x->type.rank, at);
    return ends(s, stage);
}

/* Where the running count grows, its value before is the element's place: every position on its own. */
static bool compact_by_counts(sched *s, const ir_op *op, ir_value *out, ir_value *count) {
    sym_ctx *c = s->m->syms;
    ir_value *counts = ir_operand(op, 0);
    ir_builder *e = &s->e.b;
    ir_type i64 = ir_scalar(FRIT_i64);
    stage_vars sv = {0};
    sym_t at, n = counts->type.dims[0];
    ir_block *grid = grid_over(s, counts->type, &at, &sv, 4096);
    sv.n_par = sv.n;
    ir_op *stage = sched_stage(s, grid, &sv);
    sym_t last = sym_addi(c, at, -1), var = sym_var(c, "to", SYM_VALUE, NULL, NULL);
    ir_value *x = emit_element(&s->e, counts, &at), *before = x ? emit_element_or(&s->e, counts, &last, 0) : NULL;
    if (!before) return false;
    ir_value *grows = ir_binary(e, IR_lt, before, x);
    vec_push(s->scratch, &s->e.value_vars, var);
    vec_push(s->scratch, &s->e.values, ir_select(e, grows, ir_cast(e, before, FRIT_i64), ir_splat_int(e, i64, -1)));
    if (out) emit_write(&s->e, out, sched_index_value(s, at), 1, &var);
    if (!ends(s, stage)) return false;
    if (!count) return true;
    stage_vars none = {0};
    stage = sched_stage(s, sched_grid(s, 0, NULL, NULL), &none);
    last = sym_addi(c, n, -1);
    if (!(x = emit_element_or(&s->e, counts, &last, 0))) return false;
    emit_write(&s->e, count, ir_cast(e, x, FRIT_i64), 0, NULL);
    return ends(s, stage);
}

/* One pass over the mask with a running count; a false element's position is -1, which writes nothing. */
static bool compact(sched *s, const ir_op *op) {
    sym_ctx *c = s->m->syms;
    ir_value *mask = ir_operand(op, 0), *out = sched_output_of(s, ir_result(op, 0)), *count = sched_output_of(s, ir_result(op, 1));
    if (mask->type.dtype != FRIT_bool) return compact_by_counts(s, op, out, count);
    ir_block *grid = sched_grid(s, 0, NULL, NULL);
    ir_value *total = sched_alloc(s, grid, FRIT_i64, 0, NULL);
    stage_vars none = {0};
    ir_op *start = sched_stage(s, grid, &none);
    emit_write(&s->e, total, ir_splat_int(&s->e.b, ir_scalar(FRIT_i64), 0), 0, NULL);
    sched_choose_tile(s, start, NULL);
    sym_t extent = mask->type.dims[0], t = sym_index(c, "t", extent);
    ir_op *stage = sched_stage(s, sched_loop_over(s, grid, t, extent), &none);
    ir_value *m = emit_element(&s->e, mask, &t);
    if (!m) return false;
    ir_builder *e = &s->e.b;
    ir_type i64 = ir_scalar(FRIT_i64);
    ir_value *n = emit_read(&s->e, total, 0, NULL, 0), *none_at = ir_splat_int(e, i64, -1);
    sym_t var = sym_var(c, "to", SYM_VALUE, NULL, NULL);
    vec_push(s->scratch, &s->e.value_vars, var);
    vec_push(s->scratch, &s->e.values, ir_select(e, m, n, none_at));
    ir_value *at = sched_index_value(s, t);
    if (out) emit_write(&s->e, out, at, 1, &var);
    emit_write(&s->e, total, ir_binary(e, IR_add, n, ir_cast(e, m, FRIT_i64)), 0, NULL);
    sched_choose_tile(s, stage, NULL);
    if (!count) return true;
    ir_op *last = sched_stage(s, grid, &none);
    emit_write(&s->e, count, emit_read(&s->e, total, 0, NULL, 0), 0, NULL);
    sched_choose_tile(s, last, NULL);
    return true;
}

bool sched_special(sched *s, const ir_op *op) {
    s->span = op->span;
    bool ok;
    switch (op->code) {
    case IR_scatter: ok = scatter(s, op); break;
    case IR_scan: ok = scan(s, op); break;
    case IR_sort: ok = sched_sort(s, op); break;
    case IR_compact: ok = compact(s, op); break;
    default: ok = false; break;
    }
    if (!ok && !s->why) s->why = s->e.error ? s->e.error : ir_op_table[op->code].name;
    return ok;
}
