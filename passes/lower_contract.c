/* Contractions done by a block of threads: sums of products x(m, k) * y(n, k), where the parallel axes fall into those
 * that only x varies along (m), those that only y does (n), and the rest.
 *
 * The block does tiles of m by n. The reduced positions k go by in chunks: the elements of both operands that a chunk
 * needs are evaluated once, each by one thread, and put into shared memory, where all threads read them; the elements of
 * the next chunks are under way meanwhile, in registers or, where the target copies asynchronously and the operand is plain
 * memory, straight to shared memory (several buffers, one barrier a chunk). Positions beyond an extent hold zeros. The
 * sums then pass through shared memory to the epilogue, which runs as a stage of its own over the tile, so that its
 * accesses are shared out like any other stage's. Several axes on one side run as one, flattened. */
#include "lower_parts.h"

/* ---- Axes ---- */
sym_t lower_axes_total(lower *l, const lower_axes *a) { return sym_prod(l->syms, a->extent, a->n); }

void lower_unflatten(lower *l, lower_stage *s, sym_t *outer, const lower_axes *a, sym_t at) {
    sym_ctx *c = l->syms;
    for (int i = a->n - 1; i >= 0; i--) {
        outer[s->n_outer] = a->var[i];
        s->outer_as[s->n_outer++] = i ? sym_mod(c, at, a->extent[i]) : at;
        if (i) at = sym_floordiv(c, at, a->extent[i]);
    }
}

sym_t lower_contract_from(lower *l, const lower_contract *p) { return p->from ? p->from : sym_const(l->syms, 0); }
sym_t lower_contract_to(lower *l, const lower_contract *p) { return p->to ? p->to : lower_axes_total(l, &p->k); }

/* ---- The tile ---- */
static void begin_sums(lower *l, lower_contract *p) {
    ir_value *zero = frit_dtype_is_float(p->sum) ? lower_float(l, p->sum, 0) : lower_int(l, p->sum, 0);
    if (p->wgmma) lower_wgmma_zero(l, p);
    else if (p->product) lower_mma_zero(l, p);
    else
        for (int i = 0; i < p->n_sums; i++) p->sums[i] = zero;
}

/* Where there may be no chunk at all, sums of wgmma go around the products by an `if` of their own: behind a loop that may
 * not run they would meet before the wait, as copies while the tensor cores still hold them. */
static ir_op *begin_products(lower *l, lower_contract *p, sym_t from, sym_t to) {
    if (!p->wgmma) return NULL;
    ir_value *some = sym_prove_lt(l->syms, from, to) ? NULL : lower_compare(l, IR_lt, from, to);
    ir_op *choice = some ? lower_choice(l, some, p->n_sums, p->sums) : NULL;
    lower_wgmma_begin(l, p);
    return choice;
}

static void end_products(lower *l, lower_contract *p, ir_op *choice) {
    if (p->wgmma) lower_wgmma_end(l, p);
    if (choice) lower_choice_end(l, choice, p->n_sums, p->sums);
}

/* The copies of both operands. */
typedef struct copies {
    lower_copy side[2];
    bool any_plain, any_bulk;
    bool all_bulk; /* and the elements stay as they are copied */
} copies;

/* Chunks this thread has started to copy are groups: one a chunk, be it empty. */
static void close_group(lower *l, const copies *c) {
    if (c->any_plain) ir_build(lower_here(l), IR_copy_commit, 0, NULL, 0, NULL);
}

static void wait_groups(lower *l, const copies *c, int pending) {
    if (!c->any_plain) return;
    ir_op *op = ir_build(lower_here(l), IR_copy_wait, 0, NULL, 0, NULL);
    ir_set_int(l->m, op, IR_ATTR_pending, pending);
}

/* turn + by, modulo the number of buffers: by a comparison. */
static ir_value *turned(lower *l, const lower_contract *p, int64_t by) {
    ir_type t = ir_vector(FRIT_i64, 1);
    ir_value *n = lower_int(l, FRIT_i64, p->buffers), *v = lower_index(l, sym_addi(l->syms, p->turn, by));
    ir_value *wraps = lower_build(l, l->depth, IR_le, 2, (ir_value *[]){n, v}, ir_vector(FRIT_bool, 1));
    ir_value *less = lower_build(l, l->depth, IR_sub, 2, (ir_value *[]){v, n}, t);
    return lower_build(l, l->depth, IR_select, 3, (ir_value *[]){wraps, less, v}, t);
}

/* Chunks take the buffers in turn. Within the loop over chunks that is counted along, since no division is cheap there. */
static sym_t buffer_of(lower *l, const lower_contract *p, sym_t k) {
    int64_t d;
    if (p->turn && sym_is_const(sym_sub(l->syms, k, p->k0), &d)) {
        d = (d / p->chunk % p->buffers + p->buffers) % p->buffers;
        if (d == 0 || sym_is(p->turn, 0)) return sym_addi(l->syms, p->turn, d);
        sym_t v = sym_index(l->syms, "turn", sym_const(l->syms, p->buffers));
        lower_bind(l, v, turned(l, p, d), l->depth);
        return v;
    }
    return sym_mod(l->syms, sym_floordiv(l->syms, k, sym_const(l->syms, p->chunk)), sym_const(l->syms, p->buffers));
}

/* What passes through registers is loaded one chunk ahead, what is copied as far ahead as there are buffers that no
 * product in flight reads. */
static void load_ahead(lower *l, lower_contract *p, copies *c, sym_t k, bool plain, ir_value **v) {
    sym_t buffer = plain ? buffer_of(l, p, k) : sym_const(l->syms, 0); /* registers are in no buffer */
    for (int i = 0; i < 2; i++) {
        lower_copy *side = &c->side[i];
        if (side->o->bulk) side->k0 = k;
        else if ((side->plain != NULL) == plain) lower_copy_load(l, p, side, k, buffer, v);
        v += lower_copy_held(side);
    }
    if (!plain) return;
    close_group(l, c);
    if (c->any_bulk) lower_tma_load(l, p, (sym_t[]){c->side[0].side0, c->side[1].side0}, k, buffer);
}

static void start_tile(lower *l, lower_contract *p, copies *c, ir_value **ahead) {
    sym_t from = lower_contract_from(l, p);
    if (p->roles) return;
    load_ahead(l, p, c, from, false, ahead);
    for (int i = 0; i < p->buffers - 1 - p->in_flight; i++) load_ahead(l, p, c, sym_addi(l->syms, from, (int64_t)i * p->chunk), true, ahead);
}

/* The chunk at k, if there is one, has been used up. */
static void release_chunk(lower *l, const lower_contract *p, sym_t k) {
    int d;
    ir_value *is = lower_nonnegative(l, sym_sub(l->syms, k, lower_contract_from(l, p)), &d);
    ir_op *choice = is ? lower_if(l, is) : NULL;
    lower_tma_release(l, buffer_of(l, p, k));
    if (choice) lower_if_end(l, choice);
}

/* Where another part of the block copies. */
static void take_chunk(lower *l, lower_contract *p, sym_t k0) {
    lower_wgmma_wait(l, p);
    release_chunk(l, p, sym_addi(l->syms, k0, -(int64_t)(p->in_flight + 1) * p->chunk));
    lower_tma_wait(l, buffer_of(l, p, k0));
    lower_wgmma_sum_chunk(l, p, buffer_of(l, p, k0));
}

static void release_rest(lower *l, const lower_contract *p) {
    sym_ctx *c = l->syms;
    sym_t chunks = sym_ceildiv(c, lower_contract_to(l, p), sym_const(c, p->chunk));
    for (int i = p->in_flight; i >= 0; i--) release_chunk(l, p, sym_muli(c, sym_addi(c, chunks, -1 - i), p->chunk));
}

static void do_chunk(lower *l, lower_contract *p, copies *c, sym_t k0, ir_value **ahead) {
    sym_ctx *sc = l->syms;
    sym_t buffer = buffer_of(l, p, k0);
    if (p->wgmma) lower_wgmma_wait(l, p);
    lower_copy_store(l, p, &c->side[0], buffer, ahead);
    lower_copy_store(l, p, &c->side[1], buffer, ahead + lower_copy_held(&c->side[0]));
    wait_groups(l, c, p->buffers - 2 - p->in_flight);
    if (c->any_bulk) lower_tma_wait(l, buffer);
    for (int i = 0; i < 2; i++) lower_copy_split(l, p, &c->side[i], buffer);
    if (p->wgmma && !c->all_bulk) ir_build(lower_here(l), IR_fence_async, 0, NULL, 0, NULL);
    lower_barrier(l);
    load_ahead(l, p, c, sym_addi(sc, k0, p->chunk), false, ahead);
    load_ahead(l, p, c, sym_addi(sc, k0, (int64_t)(p->buffers - 1 - p->in_flight) * p->chunk), true, ahead);
    if (p->wgmma) lower_wgmma_sum_chunk(l, p, buffer);
    else if (p->product) lower_mma_sum_chunk(l, p, buffer);
    else lower_sum_chunk(l, p, buffer);
}

/* The products are done: the sums, whole, go where they belong. */
static void finish_tile(lower *l, lower_contract *p, const copies *both, const sym_t first[2]) {
    if (p->roles) release_rest(l, p);
    else lower_look_thread_up(l); /* nor the epilogue's through the products */
    wait_groups(l, both, 0);
    if (p->parts) lower_mma_make_whole(l, p);
    lower_parts_gather(l, p);
    if (lower_parts_store(l, p)) return;
    if (p->direct) {
        lower_epilogue_direct(l, p, first);
        return;
    }
    lower_barrier(l);
    if (p->wgmma) lower_wgmma_store_sums(l, p);
    else if (p->product) lower_mma_store(l, p);
    else lower_store_sums(l, p);
    lower_barrier(l);
    lower_epilogue_shared(l, p, first);
}

/* One tile of the result. carried: the sums, then the elements on their way. */
static void run_tile(lower *l, lower_contract *p, sym_t m0, sym_t n0) {
    sym_ctx *c = l->syms;
    copies both = {.side = {lower_copy_make(l, p, &p->side[0], m0), lower_copy_make(l, p, &p->side[1], n0)}};
    both.any_bulk = p->side[0].bulk || p->side[1].bulk;
    both.all_bulk = p->side[0].bulk && p->side[1].bulk && p->side[0].t != FRIT_f32;
    both.any_plain = both.side[0].plain || both.side[1].plain;
    sym_t depth = lower_axes_total(l, &p->k), from = lower_contract_from(l, p), to = lower_contract_to(l, p);
    int n = p->n_sums + lower_copy_held(&both.side[0]) + lower_copy_held(&both.side[1]);
    bool turns = (p->buffers & (p->buffers - 1)) != 0;
    ir_value **carried = arena_array(l->scratch, ir_value *, n + 1), **ahead = carried + p->n_sums;
    p->sums = carried;
    begin_sums(l, p);
    ir_op *choice = begin_products(l, p, from, to);
    if (turns) p->k0 = from, p->turn = sym_const(c, 0);
    start_tile(l, p, &both, ahead);
    carried[n] = lower_int(l, FRIT_i64, 0);
    ir_op *loop = lower_for(l, lower_index(l, from), lower_index(l, to), lower_int(l, FRIT_i64, p->chunk), n + turns, carried);
    sym_t k0 = sym_var(c, "k", SYM_INDEX, sym_const(c, 0), sym_addi(c, depth, -1));
    sym_var_bound(c, k0, NULL, NULL, p->chunk);
    lower_bind(l, k0, loop->blocks[0]->args[0], l->depth);
    if (turns) {
        p->k0 = k0;
        p->turn = sym_index(c, "turn", sym_const(c, p->buffers));
        lower_bind(l, p->turn, carried[n], l->depth);
    }
    if (p->roles) take_chunk(l, p, k0);
    else do_chunk(l, p, &both, k0, ahead);
    if (turns) carried[n] = turned(l, p, 1);
    lower_for_end(l, loop, n + turns, carried);
    p->turn = NULL;
    end_products(l, p, choice);
    finish_tile(l, p, &both, (sym_t[]){m0, n0});
}

/* ---- Loops around the tile ---- */
static ir_op *tile_loop(lower *l, const lower_operand *o, const char *name, sym_t *at) {
    sym_ctx *c = l->syms;
    sym_t all = lower_axes_total(l, &o->axes);
    int64_t lo, hi;
    sym_range(c, all, &lo, &hi);
    *at = sym_const(c, 0);
    if (hi <= o->tile) return NULL;
    ir_op *loop = lower_for(l, lower_int(l, FRIT_i64, 0), lower_index(l, all), lower_int(l, FRIT_i64, o->tile), 0, NULL);
    *at = sym_var(c, name, SYM_INDEX, *at, sym_addi(c, all, -1));
    sym_var_bound(c, *at, NULL, NULL, o->tile);
    lower_bind(l, *at, loop->blocks[0]->args[0], l->depth);
    return loop;
}

static ir_op *outer_loop(lower *l, const lower_axes *a, int i) {
    ir_op *loop = lower_for(l, lower_int(l, FRIT_i64, 0), lower_index(l, a->extent[i]), lower_int(l, FRIT_i64, 1), 0, NULL);
    lower_bind(l, a->var[i], loop->blocks[0]->args[0], l->depth);
    return loop;
}

/* The part of the block that copies: chunk after chunk, as buffers become free. */
static void copy_tile(lower *l, lower_contract *p, const sym_t *at) {
    sym_ctx *c = l->syms;
    sym_t depth = lower_axes_total(l, &p->k);
    ir_value *from = lower_index(l, lower_contract_from(l, p)), *to = lower_index(l, lower_contract_to(l, p));
    ir_op *loop = lower_for(l, from, to, lower_int(l, FRIT_i64, p->chunk), 0, NULL);
    sym_t k0 = sym_var(c, "k", SYM_INDEX, sym_const(c, 0), sym_addi(c, depth, -1));
    sym_var_bound(c, k0, NULL, NULL, p->chunk);
    lower_bind(l, k0, loop->blocks[0]->args[0], l->depth);
    lower_tma_wait_empty(l, buffer_of(l, p, k0));
    lower_tma_load(l, p, at, k0, buffer_of(l, p, k0));
    lower_for_end(l, loop, 0, NULL);
}

static lower_contract *plan_of(const lower *l, const ir_op *op) {
    for (int i = 0; i < l->contracts.len; i++)
        if (l->contracts.data[i]->op == op) return l->contracts.data[i];
    return NULL;
}

/* The first buffer that v is computed from. */
static const char *source_name(const ir_value *v) {
    const char *name = NULL;
    if (!v->op || v->op->parent->op->code != IR_stage) return NULL;
    if (v->op->code == IR_read) return ir_operand(v->op, 0)->name;
    for (int i = 0; i < v->op->n_operands && !name; i++) name = source_name(ir_operand(v->op, i));
    return name;
}

void lower_name_tile(lower *l, lower_operand *o) {
    const char *name = source_name(o->v);
    if (name && !o->ptr->name) o->ptr->name = arena_printf(l->m->arena, "%s_tile", name);
}

static void prepare(lower *l, lower_contract *p) {
    for (int i = 0; i < 2; i++) {
        int64_t at = p->side[i].at, end = i ? p->place.bytes : p->side[1].at;
        p->side[i].ptr = lower_shared(l, p->side[i].t, p->place.at + at, end - at);
        lower_name_tile(l, &p->side[i]);
    }
    if (!p->direct) {
        p->result = lower_shared(l, p->sum, p->place.at + p->result_at, p->place.bytes - p->result_at);
        if (!p->result->name) p->result->name = "sums";
    }
    for (int i = 0; i < 2; i++)
        if (p->side[i].bulk) lower_tma_prepare(l, &p->side[i]);
    if (!p->product && !p->wgmma) lower_share_sums(l, p);
}

/* The memory is free; for copies that are not the threads' own too, if a fence comes before the barrier. */
static void begin_copies(lower *l, bool bulk) {
    lower_barrier(l);
    if (!bulk) return;
    ir_builder b = *lower_here(l);
    b.before = b.block->last;
    ir_build(&b, IR_fence_async, 0, NULL, 0, NULL);
}

bool lower_contract_op(lower *l, const ir_op *op) {
    enum { TOUCHED = 3 };
    lower_contract *p = lower_is_block(l) ? plan_of(l, op) : NULL;
    ir_op *outer[IR_MAX_RANK], *tiles[2];
    sym_t at[2];
    if (!p) return false;
    bool many = !l->roles && l->contracts.len > 1;
    if (many) lower_look_thread_up(l);
    prepare(l, p);
    lower_touched before = lower_order_state(l);
    for (int i = 0; i < p->outer.n; i++) outer[i] = outer_loop(l, &p->outer, i);
    for (int i = 0; i < 2; i++) tiles[i] = tile_loop(l, &p->side[i], i ? "n" : "m", &at[i]);
    bool inside = !l->roles && (p->outer.n || tiles[0] || tiles[1]);
    if (inside) lower_look_thread_up(l); /* no turn's address is held through the others */
    if (l->role == LOWER_PRODUCER) {
        copy_tile(l, p, at);
    } else {
        if (!p->roles) begin_copies(l, p->side[0].bulk || p->side[1].bulk);
        run_tile(l, p, at[0], at[1]);
    }
    for (int i = 1; i >= 0; i--)
        if (tiles[i]) lower_for_end(l, tiles[i], 0, NULL);
    for (int i = p->outer.n - 1; i >= 0; i--) lower_for_end(l, outer[i], 0, NULL);
    if (many || inside) lower_look_thread_up(l);
    lower_order_maybe(l, before);
    lower_order_touch(l, op->blocks[0]);
    lower_order_touch(l, op->blocks[1]);
    p->place.touched = TOUCHED;
    return true;
}
