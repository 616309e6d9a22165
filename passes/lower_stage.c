/* One stage: its loop nest, main loops and tails, and what is known at each point of it. */
#include "lower_internal.h"
#include <string.h>

/* ---- Tile positions ---- */
bool lower_next(const lower_stage *s, uint32_t axes, const int *count, int *p) {
    for (int i = s->n - 1; i >= 0; i--) {
        if (!(axes & lower_axis(i))) continue;
        if (++p[i] < count[i]) return true;
        p[i] = 0;
    }
    return false;
}

int lower_position(const lower_stage *s, uint32_t axes, const int *count, const int *p) {
    int at = 0;
    for (int i = 0; i < s->n; i++)
        if (axes & lower_axis(i)) at = at * count[i] + p[i];
    return at;
}

int lower_positions(const lower_stage *s, uint32_t axes, const int *count) {
    int n = 1;
    for (int i = 0; i < s->n; i++)
        if (axes & lower_axis(i)) n *= count[i];
    return n;
}

int64_t lower_place_of(const lower *l, const lower_stage *s, int axis, int p) {
    if (s->place[axis]) return s->place[axis][p];
    return axis == s->vector ? (int64_t)p * l->lanes : p;
}

sym_t lower_point(lower *l, const lower_stage *s, sym_t e, const int *p, int n_idx, const sym_t *idx, const sym_t *with) {
    sym_ctx *c = l->syms;
    sym_t from[2 * IR_MAX_RANK], to[2 * IR_MAX_RANK];
    int n = 0;
    e = lower_in_vars(l, s, e);
    for (int i = 0; i < s->n; i++) {
        if (!sym_uses(e, s->vars[i])) continue;
        from[n] = s->vars[i];
        to[n] = sym_addi(c, s->base[i], lower_place_of(l, s, i, p[i]));
        if (i == s->vector) to[n] = sym_add(c, to[n], l->lane);
        if (s->clamped[i] && p[i]) to[n] = sym_min(c, to[n], sym_addi(c, s->extent[i], -1));
        n++;
    }
    for (int i = 0; i < n_idx; i++) from[n] = idx[i], to[n++] = with[i];
    return sym_subst(c, e, n, from, to);
}

sym_t lower_in_vars(lower *l, const lower_stage *s, sym_t e) {
    return s->n_outer ? sym_subst(l->syms, e, s->n_outer, s->outer, s->outer_as) : e;
}

uint32_t lower_sym_axes(const lower_stage *s, sym_t e) {
    uint32_t axes = 0;
    for (int i = 0; i < s->n_outer; i++)
        for (int k = 0; k < s->n && sym_uses(e, s->outer[i]); k++)
            if (sym_uses(s->outer_as[i], s->vars[k])) axes |= lower_axis(k);
    for (int i = 0; i < s->n; i++)
        if (sym_uses(e, s->vars[i])) axes |= lower_axis(i);
    return axes;
}

/* ---- Loops ---- */
static void nest(lower *l, lower_stage *s, int axis);

static sym_t loop_var(lower *l, const lower_stage *s, int axis, sym_t lo, sym_t hi, int64_t multiple) {
    sym_t v = sym_var(l->syms, sym_var_name(s->vars[axis]), SYM_INDEX, lo, hi);
    sym_var_bound(l->syms, v, NULL, NULL, multiple);
    return v;
}

/* The axis's base is a value of this scope, at most hi. */
static void bind_base(lower *l, lower_stage *s, int axis, ir_value *v, sym_t hi, int64_t multiple) {
    s->base[axis] = loop_var(l, s, axis, sym_const(l->syms, 0), hi, multiple);
    lower_bind(l, s->base[axis], v, l->depth);
    s->at_depth[axis] = l->depth;
}

/* All threads take the same turns. Where turns go beyond `to`, a thread's tile is the last one and not valid. */
static void uniform_turn(lower *l, lower_stage *s, int axis, sym_t start, sym_t to, int64_t step) {
    sym_ctx *c = l->syms;
    sym_t at = sym_add(c, start, sym_muli(c, s->coord[axis], step));
    if (sym_prove_multiple(c, sym_sub(c, to, start), step * s->threads[axis])) {
        s->base[axis] = at;
        s->at_depth[axis] = lower_depth(l, at);
        nest(l, s, axis + 1);
        return;
    }
    int d;
    sym_t last = sym_addi(c, to, s->clamped[axis] ? -1 : -step); /* whole tiles end there, others repeat their last position */
    s->valid[axis] = lower_inside(l, at, to, &d);
    s->valid_depth[axis] = d;
    bind_base(l, s, axis, lower_index(l, sym_min(c, at, last)), last, 1);
    nest(l, s, axis + 1);
    s->valid[axis] = NULL;
}

/* The axis's positions are at least one (see has_points) and no more than its threads do at once. */
static bool is_one_turn(lower *l, const lower_stage *s, int axis, sym_t from, sym_t to, int64_t stride) {
    int64_t lo, hi;
    sym_t span = sym_sub(l->syms, to, from);
    if (sym_is_const(span, &hi)) return hi <= stride;
    sym_range(l->syms, span, &lo, &hi);
    return sym_is(from, 0) && to == s->extent[axis] && axis < s->parallel && hi <= stride;
}

static void uniform_loop(lower *l, lower_stage *s, int axis, sym_t from, sym_t to, int64_t step) {
    sym_ctx *c = l->syms;
    int64_t stride = step * s->threads[axis];
    if (is_one_turn(l, s, axis, from, to, stride)) {
        uniform_turn(l, s, axis, from, to, step);
        return;
    }
    ir_op *op = lower_for(l, lower_index(l, from), lower_index(l, to), lower_int(l, FRIT_i64, stride), 0, NULL);
    bool even = sym_prove_multiple(c, sym_sub(c, to, from), stride);
    sym_t turn = loop_var(l, s, axis, from, sym_addi(c, to, even ? -stride : -1), sym_prove_multiple(c, from, stride) ? stride : 1);
    lower_bind(l, turn, op->blocks[0]->args[0], l->depth);
    uniform_turn(l, s, axis, turn, to, step);
    lower_for_end(l, op, 0, NULL);
}

/* A thread's share: the positions from + step * coordinate, then on by the step of all threads. */
static void shared_loop(lower *l, lower_stage *s, int axis, sym_t from, sym_t to, sym_t hi, int64_t step) {
    sym_ctx *c = l->syms;
    bool reduced = axis >= s->parallel;
    int64_t stride = step * s->threads[axis], span, multiple = sym_prove_multiple(c, from, step) ? step : 1;
    sym_t first = sym_add(c, from, sym_muli(c, s->coord[axis], step));
    bool one_turn = is_one_turn(l, s, axis, from, to, stride);
    if (sym_is_const(sym_sub(c, to, from), &span) && span == stride) {
        s->base[axis] = first;
        s->at_depth[axis] = lower_depth(l, first);
        nest(l, s, axis + 1);
        return;
    }
    int n = reduced ? s->n_state : 0;
    s->maybe_empty[axis] = reduced;
    ir_op *op = one_turn && !reduced
                    ? lower_if(l, lower_compare(l, IR_lt, first, to))
                    : lower_for(l, lower_index(l, first), lower_index(l, to), lower_int(l, FRIT_i64, stride), n, s->acc);
    bind_base(l, s, axis, op->code == IR_tif ? lower_index(l, first) : op->blocks[0]->args[0], hi, multiple);
    nest(l, s, axis + 1);
    s->maybe_empty[axis] = false;
    if (op->code == IR_tif) lower_if_end(l, op);
    else lower_for_end(l, op, n, s->acc);
}

/* for base = from, from + step .. below to; one turn only when `once`. */
static void loop(lower *l, lower_stage *s, int axis, sym_t from, sym_t to, sym_t hi, int64_t step, bool once) {
    bool reduced = axis >= s->parallel;
    if (s->threads[axis] > 1) {
        if (once) to = sym_addi(l->syms, from, step);
        if (s->merges && !reduced) uniform_loop(l, s, axis, from, to, step);
        else shared_loop(l, s, axis, from, to, hi, step);
        return;
    }
    if (once) {
        s->base[axis] = from;
        s->at_depth[axis] = lower_depth(l, from);
        nest(l, s, axis + 1);
        return;
    }
    int n = reduced ? s->n_state : 0;
    s->maybe_empty[axis] = reduced && !sym_prove_lt(l->syms, from, to);
    ir_op *op = lower_for(l, lower_index(l, from), lower_index(l, to), lower_int(l, FRIT_i64, step), n, s->acc);
    s->base[axis] = loop_var(l, s, axis, from, hi, sym_prove_multiple(l->syms, from, step) ? step : 1);
    lower_bind(l, s->base[axis], op->blocks[0]->args[0], l->depth);
    s->at_depth[axis] = l->depth;
    nest(l, s, axis + 1);
    s->maybe_empty[axis] = false;
    lower_for_end(l, op, n, s->acc);
}

static void plain_axis(lower *l, lower_stage *s, int axis) {
    sym_ctx *c = l->syms;
    sym_t e = s->extent[axis], zero = sym_const(c, 0);
    s->count[axis] = 1;
    loop(l, s, axis, zero, e, sym_addi(c, e, -1), 1, sym_is(e, 1));
}

/* One branch of a split axis: what depends on the axis stays inside it. */
static void branch(lower *l, lower_stage *s, int axis, ir_op *choice, bool interior) {
    lower_push(l, choice, choice->blocks[!interior]);
    s->at_depth[axis] = l->depth;
    s->interior = interior;
    nest(l, s, axis + 1);
    s->interior = false;
    ir_build(lower_here(l), IR_yield, 0, NULL, 0, NULL);
    lower_pop(l);
}

/* A loop over whole tiles, each either in the interior or with checks and masks. */
static void split_axis(lower *l, lower_stage *s, int axis) {
    sym_ctx *c = l->syms;
    bool lanes = axis == s->vector;
    int64_t tile = s->tile[axis];
    sym_t e = s->extent[axis], zero = sym_const(c, 0);
    bool ragged = !sym_prove_multiple(c, e, tile);
    s->count[axis] = s->full[axis];
    ir_op *op = lower_for(l, lower_index(l, zero), lower_index(l, e), lower_int(l, FRIT_i64, tile), 0, NULL);
    s->base[axis] = loop_var(l, s, axis, zero, sym_addi(c, e, -1), tile);
    lower_bind(l, s->base[axis], op->blocks[0]->args[0], l->depth);
    ir_value *cond = lower_is_interior(l, s, axis);
    if (!cond) cond = lower_int(l, FRIT_bool, 1);
    ir_op *choice = ir_build(lower_here(l), IR_tif, 1, &cond, 0, NULL);
    branch(l, s, axis, choice, true);
    if (ragged && lanes) s->rest = e;
    s->clamped[axis] = ragged && !lanes;
    branch(l, s, axis, choice, false);
    s->rest = NULL;
    s->clamped[axis] = false;
    lower_for_end(l, op, 0, NULL);
}

/* What whole tiles leave over: single positions, or single vectors under a mask; at once if it is known how many. */
static void tail(lower *l, lower_stage *s, int axis, sym_t main) {
    sym_ctx *c = l->syms;
    bool lanes = axis == s->vector;
    int64_t unit = lanes ? l->lanes : 1, n;
    sym_t e = s->extent[axis], left = sym_sub(c, e, main);
    bool at_once = s->threads[axis] == 1 && (lanes ? sym_is_const(left, &n) : sym_is(left, 1));
    s->count[axis] = at_once && lanes ? (int)((n + unit - 1) / unit) : 1;
    bool masked = lanes && !sym_prove_multiple(c, left, unit);
    if (masked) s->rest = e;
    loop(l, s, axis, main, e, sym_addi(c, e, -1), unit, at_once);
    if (masked) s->rest = NULL;
}

/* Main loop in whole tiles, then the tail. */
static void tiled_axis(lower *l, lower_stage *s, int axis) {
    sym_ctx *c = l->syms;
    bool lanes = axis == s->vector;
    int64_t tile = s->tile[axis], unit = lanes ? l->lanes : 1;
    sym_t e = s->extent[axis], zero = sym_const(c, 0), t = sym_const(c, tile);
    sym_t main = sym_muli(c, sym_floordiv(c, e, t), tile);
    if (s->repeats && axis < s->parallel && !lanes && !sym_prove_multiple(c, e, tile)) {
        s->count[axis] = (int)tile;
        s->clamped[axis] = true;
        loop(l, s, axis, zero, e, sym_addi(c, e, -1), tile, false);
        s->clamped[axis] = false;
        return;
    }
    if (sym_prove_multiple(c, e, tile)) main = e;
    if (!sym_is(main, 0)) {
        s->count[axis] = (int)(tile / unit);
        loop(l, s, axis, zero, main, sym_sub(c, main, t), tile, sym_is(main, tile));
    }
    if (main == e) return;
    tail(l, s, axis, main);
}

static void axis_loops(lower *l, lower_stage *s, int axis) {
    if (axis == s->border_axis) split_axis(l, s, axis);
    else if (s->tile[axis] > 1) tiled_axis(l, s, axis);
    else plain_axis(l, s, axis);
}

static void reduced_loops(lower *l, lower_stage *s) { axis_loops(l, s, s->parallel); }

static void nest(lower *l, lower_stage *s, int axis) {
    if (axis == s->parallel) {
        lower_reduce_init(l, s);
        if (s->parallel == s->n) {
            if (s->leaf) s->leaf(l, s, s->leaf_data);
            else lower_body(l, s, s->op->blocks[0]);
            return;
        }
    }
    if (axis == s->n) {
        lower_body(l, s, s->op->blocks[0]);
        lower_reduce_step(l, s, s->op->blocks[0]);
        return;
    }
    if (axis == s->parallel && s->plain) lower_sum_plain(l, s, reduced_loops);
    else axis_loops(l, s, axis);
    if (axis == s->parallel) lower_reduce_finish(l, s, s->op->blocks[1]);
}

/* ---- Setting up ---- */
static uint32_t op_axes(const lower *l, const lower_stage *s, const ir_op *op) {
    uint32_t axes = 0;
    for (int i = 0; i < op->n_operands; i++)
        if (ir_operand(op, i)->type.kind != IR_BUFFER) axes |= l->vals[ir_operand(op, i)->id].axes;
    const ir_attr_key keys[] = {IR_ATTR_map, IR_ATTR_size, IR_ATTR_extent};
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        const sym_t *v;
        int n = ir_get_syms(op, keys[k], &v);
        for (int i = 0; i < n; i++) axes |= lower_sym_axes(s, v[i]);
    }
    return axes;
}

/* Lanes run along the vector axis: as many as fit a register for the widest dtype that varies along it. A thread's registers
 * are scalars: there it is as many as memory moves at once, and as fit what is merged through shared memory. */
static int widest_bits(const lower *l, const lower_stage *s, const ir_block *b) {
    unsigned bits = 8;
    bool block = lower_is_block(l);
    for (int i = 0; block && s->vector < s->parallel && i < b->n_args; i++) {
        unsigned w = frit_dtype_bits((frit_dtype)b->args[i]->type.dtype);
        if (w > bits) bits = w;
    }
    for (const ir_op *op = b->first; op; op = op->next) {
        bool along = op->code == IR_write && lower_has_lanes(s, op_axes(l, s, op));
        unsigned stored = along ? frit_dtype_bits((frit_dtype)ir_operand(op, 0)->type.dtype) : 0;
        if (block && stored > bits) bits = stored;
        for (int i = 0; i < op->n_results && (!block || op->code == IR_read); i++) {
            unsigned w = frit_dtype_bits((frit_dtype)op->results[i].type.dtype);
            along = lower_has_lanes(s, l->vals[op->results[i].id].axes);
            if (along && w > bits && !lower_only_compared(l, op)) bits = w;
        }
    }
    return (int)bits;
}

void lower_find_axes(lower *l, const lower_stage *s, const ir_block *b) {
    for (int i = 0; i < b->n_args; i++) l->vals[b->args[i]->id].axes = (UINT32_C(1) << s->parallel) - 1;
    for (const ir_op *op = b->first; op; op = op->next)
        for (int i = 0; i < op->n_results; i++) l->vals[op->results[i].id].axes = op_axes(l, s, op);
}

int64_t lower_sum_bytes(const lower *l, const ir_op *stage) {
    const sym_t *vars;
    const int64_t *tile;
    int64_t bytes = l->lim->vector_bytes, vector = ir_get_int(stage, IR_ATTR_vector, -1), n = ir_get_syms(stage, IR_ATTR_vars, &vars);
    int64_t parallel = ir_get_int(stage, IR_ATTR_parallel, n);
    if (vector < 0 || vector >= parallel || parallel == n || vector >= ir_get_ints(stage, IR_ATTR_tile, &tile)) return bytes;
    for (int i = 0; i < stage->blocks[1]->n_args; i++)
        if (tile[vector] * (int64_t)frit_dtype_bits((frit_dtype)stage->blocks[1]->args[i]->type.dtype) > 8 * bytes) return 2 * bytes;
    return bytes;
}

static bool is_ordered(const lower *l, const lower_stage *s, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next)
        if (op->code == IR_only || (op->code == IR_write && lower_write_is_ordered(l, s, op))) return true;
    return false;
}

/* What a block's stage sums up in registers along a reduced axis may have as many lanes as it reads at once: it is merged and
 * stored in pieces of 16 bytes. */
static int lanes_of_sums(const lower *l, const lower_stage *s, int lanes) {
    int wide = l->lim->vector_bytes * 8 / widest_bits(l, s, s->op->blocks[0]), most = (int)lower_sum_bytes(l, s->op);
    bool sums = lower_is_block(l) && s->first_block == 0 && s->vector < s->parallel && s->parallel < s->n;
    for (int i = 0; sums && i < s->op->blocks[1]->n_args; i++) {
        int bits = (int)frit_dtype_bits((frit_dtype)s->op->blocks[1]->args[i]->type.dtype);
        while (wide > lanes && wide * bits > most * 8) wide /= 2;
    }
    return sums && wide > lanes ? wide : lanes;
}

void lower_settle_lanes(lower *l, lower_stage *s) {
    enum { MOST_LONG = 2048 }; /* ops that long functions come to: a thread does them lane after lane */
    l->lanes = 1;
    if (s->vector < 0) return;
    int bits = 8;
    for (int i = s->first_block; i < 2; i++) {
        int w = widest_bits(l, s, s->op->blocks[i]);
        if (w > bits) bits = w;
    }
    l->lanes = lanes_of_sums(l, s, l->lim->vector_bytes * 8 / bits);
    while (l->lanes > 1 && s->tile[s->vector] % l->lanes) l->lanes /= 2;
    if (lower_is_block(l)) {
        while (l->lanes > 1 && l->lanes * lower_long_functions(s->op->blocks[0]) > MOST_LONG) l->lanes /= 2;
        l->lanes = lower_aligned_lanes(l, s, l->lanes);
        s->tile[s->vector] = l->lanes; /* neighbouring threads touch neighbouring vectors */
    }
    if (l->lanes == 1) s->vector = -1;
    else l->lane = sym_index(l->syms, "lane", sym_const(l->syms, l->lanes));
}

/* An axis with a tail doubles the code: two such axes at most keep their tile, the vector axis
 * first. */
static void bound_code_size(lower *l, lower_stage *s) {
    int ragged = s->vector >= 0 && !sym_prove_multiple(l->syms, s->extent[s->vector], s->tile[s->vector]);
    for (int i = s->n - 1; i >= 0; i--) {
        int64_t e;
        if (i == s->vector) continue;
        if (sym_is_const(s->extent[i], &e) && e < s->tile[i]) s->tile[i] = e > 1 ? e : 1;
        if (s->tile[i] == 1 || sym_prove_multiple(l->syms, s->extent[i], s->tile[i])) continue;
        if (i == s->border_axis || (s->repeats && i < s->parallel)) continue;
        if (++ragged > 2) s->tile[i] = 1;
    }
}

static void settle_axes(lower *l, lower_stage *s) {
    s->in_order = false;
    for (int i = s->first_block; i < 2; i++) s->in_order |= is_ordered(l, s, s->op->blocks[i]);
    for (int i = 0; i < s->n; i++) {
        if (s->in_order || s->tile[i] < 1) s->tile[i] = 1;
        s->base[i] = sym_const(l->syms, 0);
        s->count[i] = s->full[i] = 1;
        s->at_depth[i] = l->depth;
    }
    s->repeats = !s->in_order && lower_may_repeat(s);
    if (s->in_order) s->vector = -1;
    for (int i = s->first_block; i < 2; i++) lower_find_axes(l, s, s->op->blocks[i]);
    lower_settle_lanes(l, s);
    s->border_axis = lower_is_block(l) ? -1 : lower_border_axis(l, s);
    lower_spread(l, s);
    bound_code_size(l, s);
    int64_t e;
    for (int i = 0; i < s->n; i++) {
        s->full[i] = (int)(i == s->vector ? s->tile[i] / l->lanes : s->tile[i]);
        if (i == s->vector && sym_is_const(s->extent[i], &e) && e < s->tile[i])
            s->full[i] = e > 0 ? (int)((e + l->lanes - 1) / l->lanes) : 1;
    }
}

static void set_up(lower *l, lower_stage *s, const ir_op *op) {
    const int64_t *tile;
    memset(s, 0, sizeof *s);
    s->op = op;
    s->n = ir_get_syms(op, IR_ATTR_vars, &s->vars);
    if (ir_get_syms(op, IR_ATTR_extent, &s->extent) != s->n) lower_fail(op, "vars and extent differ in number");
    s->parallel = (int)ir_get_int(op, IR_ATTR_parallel, s->n);
    s->vector = s->unit = (int)ir_get_int(op, IR_ATTR_vector, -1);
    s->n_terms = ir_get_ints(op, IR_ATTR_combines, &s->combines);
    int n_tile = ir_get_ints(op, IR_ATTR_tile, &tile);
    for (int i = 0; i < s->n; i++) s->tile[i] = i < n_tile ? tile[i] : 1;
    lower_plan_plain(l, s);
    settle_axes(l, s);
}

/* bool: all parallel extents are positive, where this is not proven; NULL when it is. */
static ir_value *has_points(lower *l, const lower_stage *s) {
    ir_value *all = NULL;
    int depth = 0;
    for (int i = 0; i < s->parallel; i++) {
        int d;
        if (lower_is_block(l) && sym_prove_lt(l->syms, sym_const(l->syms, 0), s->extent[i])) continue;
        ir_value *v = lower_inside(l, sym_const(l->syms, 0), s->extent[i], &d);
        all = lower_and(l, all, depth, v, d, &depth);
    }
    return all;
}

/* Reads are moved out of the loops that they do not depend on; the test keeps them from running for an empty stage. */
static void run(lower *l, lower_stage *s) {
    ir_value *cond = has_points(l, s);
    lower_touched before = cond ? lower_order_state(l) : NULL;
    bool read = l->merge_read;
    ir_op *guard = cond ? lower_if(l, cond) : NULL;
    ir_value *used = s->merges ? NULL : lower_is_used(l, s);
    ir_op *some = used ? lower_if(l, used) : NULL;
    s->depth = l->depth;
    nest(l, s, 0);
    if (some) lower_if_end(l, some);
    if (guard) lower_if_end(l, guard);
    if (guard) lower_order_maybe(l, before);
    if (guard) l->merge_read |= read;
}

void lower_part(lower *l, lower_stage *s) {
    s->vector = s->unit;
    settle_axes(l, s);
    run(l, s);
}

void lower_stage_op(lower *l, const ir_op *op) {
    bool read = l->merge_read;
    if (lower_contract_op(l, op) || lower_own_stage(l, op)) {
        l->merge_read |= read; /* barriers in its loops may not have been met */
        return;
    }
    lower_stage *s = arena_new_of(l->scratch, lower_stage);
    lower_order_stage(l, op);
    set_up(l, s, op);
    run(l, s);
    lower_order_touch(l, op->blocks[0]);
    lower_order_touch(l, op->blocks[1]);
}
