/* What is done with the sums of a contraction of a block of threads (lower_contract.c): block 1 of its stage, over the tile.
 *
 * Where a thread has its sums in the layout of a matrix instruction, each thread may do the epilogue of its own, straight from
 * registers: no memory of the block, no barriers. That code is written out once a sum, so it must be short; and it is
 * worth it only where the threads' positions make whole sectors of memory, which all those layouts do either way. Else the
 * sums pass through shared memory, and the epilogue is shared out like any other stage. */
#include "expand_math.h"
#include "lower_contract.h"

/* ---- Through shared memory ---- */
static ir_value *sum_at(lower *l, lower_contract *p, const lower_stage *s, const int *pos) {
    sym_ctx *c = l->syms;
    int inner = p->n_inner;
    sym_t at = sym_add(c, sym_muli(c, s->vars[!inner], p->result_ld[inner]), s->vars[inner]), coef, rest;
    at = lower_point(l, s, at, pos, 0, NULL, NULL);
    ir_type t = ir_vector(p->sum, s->vector >= 0 ? l->lanes : 1);
    if (t.lanes > 1 && !(sym_linear(c, at, l->lane, &coef, &rest) && sym_is(coef, 1)))
        return lower_load(l, l->depth, p->result, lower_splat(l, lower_index(l, at), t.lanes, lower_depth(l, at)), t, NULL, NULL);
    ir_value *v = lower_load(l, l->depth, p->result, lower_index(l, t.lanes > 1 ? rest : at), t, NULL, NULL);
    if (t.lanes > 1 && sym_prove_multiple(c, rest, t.lanes))
        ir_set_int(l->m, v->op, IR_ATTR_align, t.lanes * (int)frit_dtype_bits(p->sum) / 8);
    return v;
}

/* The sum at one position of s, term by term. */
static ir_value *sum_of_terms(lower *l, lower_contract *p, lower_stage *s) {
    sym_ctx *c = l->syms;
    sym_t depth = lower_axes_total(l, &p->k), outer[2 * IR_MAX_RANK];
    int zero[IR_MAX_RANK] = {0};
    ir_value *sum = lower_float(l, p->sum, 0);
    ir_op *loop = lower_for(l, lower_int(l, FRIT_i64, 0), lower_index(l, depth), lower_int(l, FRIT_i64, 1), 1, &sum);
    sym_t k = sym_var(c, "k", SYM_INDEX, sym_const(c, 0), sym_addi(c, depth, -1));
    lower_bind(l, k, loop->blocks[0]->args[0], l->depth);
    for (int i = 0; i < s->n_outer; i++) outer[i] = s->outer[i];
    s->outer = outer;
    lower_unflatten(l, s, outer, &p->k, k);
    lower_find_axes(l, s, p->op->blocks[0]);
    s->depth = s->at_depth[0] = s->at_depth[1] = l->depth;
    lower_body(l, s, p->op->blocks[0]);
    sum = lower_combine(l, IR_SUM, sum, lower_get(l, s, p->term, zero, false));
    lower_for_end(l, loop, 1, &sum);
    return sum;
}

/* Sums x at pos that are infinite or NaN are made again, lane by lane, in their place in `result`. */
static ir_value *leave_out(lower *l, lower_contract *p, const lower_stage *s, const int *pos, ir_value *x) {
    sym_ctx *c = l->syms;
    lower_stage one = *s;
    int lanes = l->lanes, u = s->vector;
    sym_t lane = l->lane, lane_no = sym_const(c, 0);
    ir_op *loop = NULL, *again = lower_choice(l, lower_any_infinite(l, 1, &x), 1, &x);
    for (int i = 0; i < s->n; i++) {
        one.base[i] = sym_addi(c, s->base[i], i == u ? (int64_t)pos[i] * lanes : pos[i]);
        one.count[i] = 1;
        one.clamped[i] = false;
    }
    if (u >= 0) {
        sym_t some = sym_min(c, sym_const(c, lanes), sym_sub(c, s->extent[u], one.base[u]));
        loop = lower_for(l, lower_int(l, FRIT_i64, 0), lower_index(l, some), lower_int(l, FRIT_i64, 1), 0, NULL);
        lane_no = sym_var(c, "lane", SYM_INDEX, lane_no, sym_const(c, lanes - 1));
        lower_bind(l, lane_no, loop->blocks[0]->args[0], l->depth);
        one.base[u] = sym_add(c, one.base[u], lane_no);
    }
    one.vector = -1;
    one.rest = NULL;
    l->lanes = 1;
    int inner = p->n_inner;
    sym_t at = sym_add(c, sym_muli(c, one.base[!inner], p->result_ld[inner]), one.base[inner]);
    lower_store(l, p->result, lower_index(l, at), sum_of_terms(l, p, &one), NULL);
    if (loop) lower_for_end(l, loop, 0, NULL);
    l->lanes = lanes;
    l->lane = lane;
    x = sum_at(l, p, s, pos);
    lower_choice_end(l, again, 1, &x);
    return x;
}

static void at_point(lower *l, lower_stage *s, void *u) {
    lower_contract *p = u;
    const ir_value *arg = p->op->blocks[1]->args[0];
    uint32_t axes = (UINT32_C(1) << s->parallel) - 1;
    lower_val *v = &l->vals[arg->id];
    int n = lower_positions(s, axes, s->count), pos[IR_MAX_RANK] = {0}, i = 0;
    *v = (lower_val){.axes = axes, .depth = l->depth, .n = n, .inst = arena_array(l->scratch, ir_value *, n)};
    do {
        ir_value *x = sum_at(l, p, s, pos);
        if (p->guarded) x = leave_out(l, p, s, pos, x);
        if (x->type.dtype != arg->type.dtype)
            x = lower_build(l, l->depth, IR_cast, 1, &x, ir_vector((frit_dtype)arg->type.dtype, x->type.lanes));
        v->inst[i++] = x;
    } while (lower_next(s, axes, s->count, pos));
    lower_body(l, s, p->op->blocks[1]);
}

static sym_t rest_of_tile(lower *l, const lower_operand *o, sym_t at) {
    sym_ctx *c = l->syms;
    sym_t all = lower_axes_total(l, &o->axes), tile = sym_const(c, o->tile);
    if (sym_prove_multiple(c, all, o->tile)) return tile;
    return sym_min(c, tile, sym_sub(c, all, at));
}

/* The op's epilogue as a stage over the tile that begins at those positions along the sides. */
static lower_stage *tile_stage(lower *l, lower_contract *p, const sym_t *first) {
    lower_stage *s = arena_new_of(l->scratch, lower_stage);
    sym_t *outer = arena_array(l->scratch, sym_t, 2 * IR_MAX_RANK), *vars = arena_array(l->scratch, sym_t, 2);
    sym_t *extent = arena_array(l->scratch, sym_t, 2);
    s->op = p->op, s->n = s->parallel = 2, s->vars = vars, s->extent = extent, s->outer = outer;
    s->first_block = 1;
    s->unit = p->n_inner;
    for (int i = 0; i < 2; i++) {
        extent[i] = rest_of_tile(l, &p->side[i], first[i]);
        vars[i] = sym_index(l->syms, i ? "n" : "m", extent[i]);
        lower_unflatten(l, s, outer, &p->side[i].axes, sym_add(l->syms, first[i], vars[i]));
        s->tile[i] = 1;
    }
    return s;
}

void lower_epilogue_shared(lower *l, lower_contract *p, const sym_t *first) {
    lower_stage *s = tile_stage(l, p, first);
    s->leaf = at_point, s->leaf_data = p;
    s->tile[s->unit] = l->lim->vector_bytes;
    lower_part(l, s);
}

/* ---- Straight from registers ---- */
enum {
    MOST_COST = 16,   /* of the epilogue of one sum, in plain ops */
    DEAR = 16,        /* a transcendental op or a division, in those */
    GROUP = 8,        /* vectors that are done together: their operands are in registers at once */
    MOST_LANES = 4
};

static int cost_of(const ir_op *op) {
    return ir_op_flags(op) & IR_F_TRANSCENDENTAL || op->code == IR_div ? DEAR : op->code == IR_constant || op->code == IR_yield ? 0 : 1;
}

int lower_epilogue_cost(const ir_block *b) {
    int cost = 0;
    for (const ir_op *op = b->first; op; op = op->next) cost += cost_of(op);
    return cost;
}

int lower_long_functions(const ir_block *b) {
    enum { LONG = 100 };
    int length = 0;
    for (const ir_op *op = b->first; op; op = op->next)
        if (ir_op_flags(op) & IR_F_TRANSCENDENTAL && expand_math_length(op->code) > LONG) length += expand_math_length(op->code);
    return length;
}

bool lower_may_write_out(const ir_block *b, int64_t points) {
    enum { MOST_LONG = 1024 };
    return points * lower_long_functions(b) <= MOST_LONG;
}

/* Neighbouring sums of a thread are neighbours along the inner axis too. Where they are not, each has an address of its own: more
 * registers than there are. */
static bool has_neighbours(const lower_contract *p) {
    int first[2], second[2];
    if (p->wgmma) return true;
    ir_product_place(p->product, 2, 0, 0, &first[0], &first[1]);
    ir_product_place(p->product, 2, 0, 1, &second[0], &second[1]);
    return second[p->n_inner] == first[p->n_inner] + 1;
}

/* s: the op as it stands. What does not vary along the inner axis is done once a group. */
bool lower_epilogue_may_be_direct(lower *l, const lower_contract *p, const lower_stage *s) {
    const lower_axes *inner = &p->side[p->n_inner].axes;
    int cost = 0;
    if ((!p->product && !p->wgmma) || inner->n != 1 || !has_neighbours(p)) return false;
    lower_find_axes(l, s, p->op->blocks[1]);
    uint32_t axis = lower_sym_axes(s, inner->var[0]);
    for (const ir_op *op = p->op->blocks[1]->first; op; op = op->next) {
        bool varies = op->code == IR_write || (op->n_results && (l->vals[op->results[0].id].axes & axis));
        cost += varies ? GROUP * cost_of(op) : cost_of(op);
    }
    return cost <= GROUP * MOST_COST;
}

void lower_contract_fragment(lower *l, const lower_contract *p, lower_fragment *f) {
    if (p->wgmma) lower_wgmma_fragment(l, p, f);
    else lower_mma_fragment(l, p, f);
}

static ir_value *lanes_of(lower *l, ir_value *x, int first, int n) {
    if (x->type.lanes == n) return x;
    ir_value *v = lower_build(l, l->depth, IR_extract, 1, &x, ir_vector((frit_dtype)x->type.dtype, n));
    ir_set_int(l->m, v->op, IR_ATTR_offset, first);
    return v;
}

/* So many neighbours along `axis` lie side by side in one vector, wherever a thread's sums do. */
static int run_along(const lower_fragment *f, int axis) {
    int run = MOST_LANES, step[2] = {f->count[1], 1}, n = f->count[0] * f->count[1];
    while (run > f->count[axis]) run /= 2;
    for (int i = 0; i < n; i++) {
        int at = i / step[axis] % f->count[axis];
        if (at == 0) continue;
        bool next = f->offset[axis][at] == f->offset[axis][at - 1] + 1 && f->sum[i] == f->sum[i - step[axis]] &&
                    f->lane[i] == f->lane[i - step[axis]] + 1;
        while (at % run && !next) run /= 2;
    }
    return run;
}

/* Offsets by position are sums over the bits of the position: that at `at`, a loop's variable. */
static sym_t by_bits(lower *l, sym_t at, int count, int64_t (*value)(const lower_fragment *f, int axis, int i), const lower_fragment *f, int axis) {
    sym_ctx *c = l->syms;
    sym_t sum = sym_const(c, value(f, axis, 0));
    for (int b = 1; b < count; b *= 2) {
        sym_t bit = sym_mod(c, sym_floordiv(c, at, sym_const(c, b)), sym_const(c, 2));
        sum = sym_add(c, sum, sym_muli(c, bit, value(f, axis, b) - value(f, axis, 0)));
    }
    return sum;
}

static int64_t offset_at(const lower_fragment *f, int axis, int i) { return f->offset[axis][i]; }

/* Where the sum is among a thread's sums, one vector behind another. */
static int64_t slot_at(const lower_fragment *f, int axis, int i) {
    int at = axis ? i : i * f->count[1], first = 0;
    while (f->sum[first] != f->sum[at]) first++;
    int64_t n = 0;
    for (int k = 0; k < first; k++) {
        bool seen = false;
        for (int j = 0; j < k; j++) seen |= f->sum[j] == f->sum[k];
        n += seen ? 0 : f->sum[k]->type.lanes;
    }
    return n + f->lane[at];
}

static int vectors_of(const lower_fragment *f, ir_value **v) {
    int n = 0;
    for (int i = 0; i < f->count[0] * f->count[1]; i++) {
        int k = 0;
        while (k < n && v[k] != f->sum[i]) k++;
        if (k == n) v[n++] = f->sum[i];
    }
    return n;
}

/* The sum of one position again, if it is infinite or NaN: it lies at its slot of the thread's own memory. */
static void sum_again(lower *l, lower_contract *p, lower_stage *s, ir_value *own, sym_t slot) {
    int d, e;
    ir_value *index = lower_index(l, slot), *x = lower_load(l, l->depth, own, index, ir_vector(p->sum, 1), NULL, NULL);
    ir_value *in = lower_and(l, lower_inside(l, s->base[0], s->extent[0], &d), l->depth, lower_inside(l, s->base[1], s->extent[1], &e), l->depth, &d);
    ir_op *some = in ? lower_if(l, in) : NULL, *again = lower_if(l, lower_any_infinite(l, 1, &x));
    lower_store(l, own, index, sum_of_terms(l, p, s), NULL);
    lower_if_end(l, again);
    if (some) lower_if_end(l, some);
}

/* Guarded sums, where one of the thread's is infinite or NaN. That is rare, and the code short: a
 * loop over the sums, which lie in memory of the thread meanwhile. */
static void leave_out_direct(lower *l, lower_contract *p, const lower_stage *s, lower_fragment *f, ir_value *where) {
    int n = f->count[0] * f->count[1], lanes = l->lanes;
    sym_t lane = l->lane, at[2];
    ir_value **before = arena_array(l->scratch, ir_value *, n), **now = arena_array(l->scratch, ir_value *, n);
    int n_vectors = vectors_of(f, before);
    ir_value *any = where ? where : lower_any_infinite(l, n_vectors, before);
    ir_op *choice = lower_choice(l, any, n_vectors, before), *loops[2];
    ir_value *own = lower_own_memory(l, p->sum, n);
    int64_t slot = 0;
    for (int i = 0; i < n_vectors; slot += before[i++]->type.lanes) lower_store(l, own, lower_int(l, FRIT_i64, slot), before[i], NULL);
    lower_stage one = *s;
    one.vector = -1, one.rest = NULL, l->lanes = 1;
    sym_t slots = sym_const(l->syms, 0);
    for (int i = 0; i < 2; i++) {
        loops[i] = lower_loop_over(l, i ? "n" : "m", f->count[i], 0, NULL, &at[i]);
        one.base[i] = sym_add(l->syms, f->first[i], by_bits(l, at[i], f->count[i], offset_at, f, i));
        one.count[i] = 1;
        slots = sym_add(l->syms, slots, by_bits(l, at[i], f->count[i], slot_at, f, i));
    }
    sum_again(l, p, &one, own, slots);
    for (int i = 1; i >= 0; i--) lower_for_end(l, loops[i], 0, NULL);
    slot = 0;
    for (int i = 0; i < n_vectors; slot += before[i++]->type.lanes)
        now[i] = lower_load(l, l->depth, own, lower_int(l, FRIT_i64, slot), before[i]->type, NULL, NULL);
    lower_choice_end(l, choice, n_vectors, now);
    l->lanes = lanes, l->lane = lane;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n_vectors; k++)
            if (f->sum[i] == before[k]) {
                f->sum[i] = now[k];
                break;
            }
}

/* A block of a stage over the points of a thread's sums. */
typedef struct direct {
    const lower_contract *p;
    const ir_block *body;
    lower_stage *s;
    lower_fragment f;
} direct;

static int lanes_of_stage(const lower *l, const lower_stage *s) { return s->vector >= 0 ? l->lanes : 1; }

/* The block's argument: the sums at those positions. */
static void take_sums(lower *l, const direct *d, int row, int from, int n) {
    const ir_value *arg = d->body->args[0];
    const lower_fragment *f = &d->f;
    int lanes = lanes_of_stage(l, d->s);
    lower_val *v = &l->vals[arg->id];
    *v = (lower_val){.axes = 3, .depth = l->depth, .n = n, .inst = arena_array(l->scratch, ir_value *, n)};
    for (int i = 0; i < n; i++) {
        int along = from + i * lanes, at = d->p->n_inner ? row * f->count[1] + along : along * f->count[1] + row;
        ir_value *x = lanes_of(l, f->sum[at], f->lane[at], lanes);
        if (x->type.dtype != arg->type.dtype) x = lower_build(l, l->depth, IR_cast, 1, &x, ir_vector((frit_dtype)arg->type.dtype, lanes));
        v->inst[i] = x;
    }
}

/* `n` vectors along the inner axis from its position `from` on, at position `row` of the other one. */
static void do_group(lower *l, const direct *d, int row, int from, int n) {
    lower_stage *s = d->s;
    const lower_fragment *f = &d->f;
    int a = d->p->n_inner, lanes = lanes_of_stage(l, s);
    int64_t *place = arena_array(l->scratch, int64_t, n), *own = arena_array(l->scratch, int64_t, n);
    for (int i = 0; i < n; i++) {
        place[i] = f->offset[a][from + i * lanes] - f->offset[a][from];
        own[i] = (int64_t)row * f->count[a] + from + i * lanes;
    }
    if (d->body->n_args) take_sums(l, d, row, from, n);
    s->base[a] = sym_addi(l->syms, f->first[a], f->offset[a][from]);
    s->place[a] = place;
    s->own = own;
    s->count[a] = n;
    s->depth = s->at_depth[0] = s->at_depth[1] = l->depth;
    lower_body(l, s, d->body);
}

/* All vectors of one row; where there is no other way to leave out what lies beyond the tile, one at a time. */
static void do_row(lower *l, const direct *d, int row) {
    lower_stage *s = d->s;
    int a = d->p->n_inner, lanes = lanes_of_stage(l, s), vectors = d->f.count[a] / lanes, depth;
    bool ragged = !sym_prove_multiple(l->syms, lower_axes_total(l, &d->p->side[a].axes), d->p->side[a].tile);
    int group = ragged && lanes == 1 ? 1 : vectors < GROUP ? vectors : GROUP;
    s->rest = ragged && lanes > 1 ? s->extent[a] : NULL;
    for (int i = 0; i < vectors; i += group) {
        sym_t at = sym_addi(l->syms, d->f.first[a], d->f.offset[a][i * lanes]);
        ir_value *in = group == 1 && ragged ? lower_inside(l, at, s->extent[a], &depth) : NULL;
        ir_op *choice = in ? lower_if(l, in) : NULL;
        do_group(l, d, row, i * lanes, group);
        if (choice) lower_if_end(l, choice);
    }
}

/* The stage's lanes, at most `run`. */
static void settle(lower *l, const direct *d, int run) {
    lower_stage *s = d->s;
    s->border_axis = -1;
    s->vector = s->unit;
    for (int i = 0; i < 2; i++) s->threads[i] = 2, s->count[i] = s->full[i] = 1;
    lower_find_axes(l, s, d->body);
    s->tile[s->unit] = run;
    lower_settle_lanes(l, s);
}

static void do_rows(lower *l, const direct *d) {
    int o = !d->p->n_inner, depth;
    for (int row = 0; row < d->f.count[o]; row++) {
        d->s->base[o] = sym_addi(l->syms, d->f.first[o], d->f.offset[o][row]);
        ir_value *in = lower_inside(l, d->s->base[o], d->s->extent[o], &depth);
        ir_op *choice = in ? lower_if(l, in) : NULL;
        do_row(l, d, row);
        if (choice) lower_if_end(l, choice);
    }
}

void lower_epilogue_direct(lower *l, lower_contract *p, const sym_t *first) {
    direct d = {.p = p, .body = p->op->blocks[1], .s = tile_stage(l, p, first)};
    lower_contract_fragment(l, p, &d.f);
    settle(l, &d, run_along(&d.f, p->n_inner));
    if (p->guarded) leave_out_direct(l, p, d.s, &d.f, NULL);
    do_rows(l, &d);
}

void lower_epilogue_guard(lower *l, lower_contract *p, const sym_t *first, lower_fragment *f, ir_value *where) {
    lower_stage *s = tile_stage(l, p, first);
    s->border_axis = s->vector = -1;
    for (int i = 0; i < 2; i++) s->threads[i] = 2, s->count[i] = s->full[i] = 1;
    l->lanes = 1;
    leave_out_direct(l, p, s, f, where);
}

/* Neighbours that there always are: a matrix instruction's in the order of its vector are not known here. */
static int run_of_offsets(const lower_fragment *f, int axis) {
    int run = MOST_LANES;
    while (run > f->count[axis]) run /= 2;
    for (int i = 1; i < f->count[axis]; i++)
        while (i % run && f->offset[axis][i] != f->offset[axis][i - 1] + 1) run /= 2;
    return run;
}

void lower_epilogue_stage(lower *l, const lower_contract *p, const ir_op *op) {
    lower_stage *s = arena_new_of(l->scratch, lower_stage);
    direct d = {.p = p, .body = op->blocks[0], .s = s};
    lower_contract geometry = *p;
    geometry.sums = NULL;
    lower_contract_fragment(l, &geometry, &d.f);
    s->op = op;
    s->n = s->parallel = ir_get_syms(op, IR_ATTR_vars, &s->vars);
    ir_get_syms(op, IR_ATTR_extent, &s->extent);
    s->unit = p->n_inner;
    settle(l, &d, run_of_offsets(&d.f, p->n_inner));
    do_rows(l, &d);
}
