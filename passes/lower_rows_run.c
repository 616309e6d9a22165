/* Lowering of loops whose stages run over rows that threads own (lower_rows.c says which): each thread does all stages at its
 * points, one after another, on values in its registers. The operands of the contractions are staged for the whole block,
 * those that change with the loop one turn ahead: one barrier a turn where there is room for two of each.
 *
 * Sums that leave terms out are right where they are finite (lower_absent.c). Where one was not, all turns are done once more,
 * with care: such sums are then made term by term. */
#include "lower_contract.h"

enum { PASS_SUMS = 32 };

/* ---- Contractions ---- */
static ir_value *word2(lower *l, ir_opcode code, ir_value *x, ir_value *y) {
    return lower_build(l, l->depth, code, 2, (ir_value *[]){x, y}, ir_vector(FRIT_u32, 1));
}

/* Two 16-bit elements of each of two threads, that of the even positions first, in the order of positions. */
static void interleave(lower *l, ir_value *even, ir_value *odd, ir_value **low, ir_value **high) {
    ir_value *bits = lower_int(l, FRIT_u32, 16), *half = lower_int(l, FRIT_u32, 0xFFFF), *rest = lower_int(l, FRIT_u32, 0xFFFF0000);
    *low = word2(l, IR_or, word2(l, IR_and, even, half), word2(l, IR_shl, odd, bits));
    *high = word2(l, IR_or, word2(l, IR_shr, even, bits), word2(l, IR_and, odd, rest));
}

/* x, a thread's elements of every other position, with those that its twin has, as one operand of both. */
static ir_value *with_twin(lower *l, const lower_contract *p, ir_value *x) {
    int n = x->type.lanes / 2, twin = p->order.twin;
    ir_type word = ir_vector(FRIT_u32, 1);
    ir_value *own = lower_build(l, l->depth, IR_reinterpret, 1, &x, ir_vector(FRIT_u32, n));
    ir_value *all = lower_own_memory(l, FRIT_u32, 2 * n), *zero = lower_int(l, FRIT_i64, 0);
    ir_value *lane[2] = {lower_thread_bits(l, p->product->warp - 1, 0), lower_int(l, FRIT_i64, twin)};
    ir_value *other = lower_build(l, l->depth, IR_xor, 2, lane, ir_vector(FRIT_i64, 1));
    ir_value *at[2] = {lower_thread_bits(l, twin, 0), zero}, *is_even = lower_build(l, l->depth, IR_eq, 2, at, ir_vector(FRIT_bool, 1));
    for (int i = 0; i < n; i++) {
        ir_value *w[2], *out[2];
        w[0] = lower_build(l, l->depth, IR_extract, 1, &own, word);
        ir_set_int(l->m, w[0]->op, IR_ATTR_offset, i);
        w[1] = lower_build(l, l->depth, IR_shuffle, 2, (ir_value *[]){w[0], other}, word);
        ir_value *even = lower_build(l, l->depth, IR_select, 3, (ir_value *[]){is_even, w[0], w[1]}, word);
        ir_value *odd = lower_build(l, l->depth, IR_select, 3, (ir_value *[]){is_even, w[1], w[0]}, word);
        interleave(l, even, odd, &out[0], &out[1]);
        for (int k = 0; k < 2; k++) lower_store(l, all, lower_int(l, FRIT_i64, 2 * i + k), out[k], NULL);
    }
    ir_value *v = lower_load(l, l->depth, all, zero, ir_vector(FRIT_u32, 2 * n), NULL, NULL);
    return lower_build(l, l->depth, IR_reinterpret, 1, &v, ir_vector((frit_dtype)x->type.dtype, 4 * n));
}

ir_value *lower_rows_fragment(lower *l, const lower_contract *p, int side, int i, int k) {
    const lower_operand *o = &p->side[side];
    int n = ir_product_elements(p->product, side) / (p->order.twin ? 2 : 1);
    int64_t at = (int64_t)(k / p->product->k) * n;
    if (i) lower_fail(p->op, "a thread has one part of its rows");
    ir_value *v = lower_load(l, l->depth, l->ptrs[o->held->id], lower_int(l, FRIT_i64, at), ir_vector(o->t, n), NULL, NULL);
    int bytes = n * (int)frit_dtype_bits(o->t) / 8;
    ir_set_int(l->m, v->op, IR_ATTR_align, bytes < 16 ? bytes : 16);
    return p->order.twin ? with_twin(l, p, v) : v;
}

/* Held elements beyond the reduced axis are nothing. */
static void clear_rest(lower *l, const lower_contract *p) {
    const lower_rows *r = p->rows;
    const lower_operand *o = &p->side[r->side];
    sym_t extent = p->k.extent[0];
    int depth;
    if (sym_prove_multiple(l->syms, extent, p->chunk)) return;
    const lower_place *b = &l->place[o->held->id];
    lower_contract g = lower_rows_geometry(p, p->chunk);
    lower_fragment f = {0};
    lower_mma_fragment(l, &g, &f);
    ir_op *rest = lower_if(l, lower_compare(l, IR_lt, extent, sym_const(l->syms, p->chunk)));
    for (int i = 0; i < f.count[!r->side]; i++) {
        ir_value *in = lower_inside(l, sym_addi(l->syms, f.first[!r->side], f.offset[!r->side][i]), extent, &depth);
        for (int row = 0; row < f.count[r->side] && in; row++) {
            int64_t at = b->slots[row * f.count[!r->side] + i];
            ir_value *x = lower_load(l, l->depth, l->ptrs[o->held->id], lower_int(l, FRIT_i64, at), ir_vector(o->t, 1), NULL, NULL);
            x = lower_build(l, l->depth, IR_select, 3, (ir_value *[]){in, x, lower_float(l, o->t, 0)}, x->type);
            lower_store(l, l->ptrs[o->held->id], lower_int(l, FRIT_i64, at), x, NULL);
        }
    }
    lower_if_end(l, rest);
}

static void sum_plainly(lower *l, lower_contract *p, sym_t buffer) {
    if (p->rows->wgmma) {
        lower_wgmma_sum_rows(l, p, buffer);
        return;
    }
    lower_mma_zero(l, p);
    lower_mma_sum_chunk(l, p, buffer);
}

/* Held operands leave nothing in memory to look at again: such sums are made one way or the other. `own`: those made with
 * care, the part's from element `at` on. */
static void sum_one_way(lower *l, lower_contract *p, sym_t buffer, ir_value *careful, ir_value *own, int64_t at) {
    ir_type *t = arena_array(l->scratch, ir_type, p->n_sums);
    int n = ir_product_elements(p->product, 2);
    for (int i = 0; i < p->n_sums; i++) t[i] = ir_vector(p->sum, n);
    ir_op *choice = ir_build(lower_here(l), IR_tif, 1, &careful, p->n_sums, t);
    for (int i = 0; i < 2; i++) {
        lower_push(l, choice, choice->blocks[i]);
        if (i) {
            lower_look_thread_up(l);
            sum_plainly(l, p, buffer);
        }
        int whole = p->n_sums / (lower_mma_is_split(p) ? 2 : 1);
        if (!i) lower_mma_zero(l, p); /* of split products nothing is left to add */
        for (int k = 0; k < whole && !i; k++)
            p->sums[k] = lower_load(l, l->depth, own, lower_int(l, FRIT_i64, at + (int64_t)k * n), t[k], NULL, NULL);
        ir_build(lower_here(l), IR_yield, p->n_sums, p->sums, 0, NULL);
        lower_pop(l);
    }
    lower_look_thread_up(l);
    for (int i = 0; i < p->n_sums; i++) p->sums[i] = ir_result(choice, i);
}

/* What the turns of a loop share. */
typedef struct turns {
    lower_rows *r;
    sym_t var, turn;      /* of the op; the loop's */
    sym_t count;
    lower_copy copy[LOWER_MOST_IN_ROWS][2];
    bool any_plain, any_bulk;
    int n_held;
    ir_value **held;      /* on their way through registers */
    ir_value *careful;    /* bool; NULL: there is nothing to care for */
    ir_value *any;        /* i32: some sum that leaves out terms was no number */
} turns;

static void note_infinite(lower *l, turns *t, const lower_contract *p) {
    ir_type i32 = ir_vector(FRIT_i32, 1);
    ir_value *x = lower_any_infinite(l, p->n_sums, p->sums);
    x = lower_build(l, l->depth, IR_cast, 1, &x, i32);
    t->any = lower_build(l, l->depth, IR_or, 2, (ir_value *[]){t->any, x}, i32);
}

/* Columns from..from + tile of the contraction's result. */
static void contract_part(lower *l, turns *t, const lower_contract *whole, int from, int tile, sym_t buffer, ir_value *own) {
    const lower_rows *r = whole->rows;
    lower_contract p = *whole;
    lower_operand *o = &p.side[!r->side];
    o->tile = tile, o->from = from;
    int m = p.side[0].tile / p.threads[0] / p.product->m, n = p.side[1].tile / p.threads[1] / p.product->n;
    p.n_sums = m * n * (lower_mma_is_split(&p) ? 2 : 1);
    p.sums = arena_array(l->scratch, ir_value *, p.n_sums);
    if (own) sum_one_way(l, &p, buffer, t->careful, own, (int64_t)r->each * lower_rows_columns(r, from));
    else sum_plainly(l, &p, buffer);
    if (p.guarded) note_infinite(l, t, &p);
    lower_rows_result(l, &p, whole->side[!r->side].tile, t->careful);
}

static void contract(lower *l, turns *t, lower_contract *p, sym_t buffer) {
    const lower_rows *r = p->rows;
    int tile = p->side[!r->side].tile, part = tile;
    /* Sums of split products count twice; those of an operand from memory would keep what all parts split of it. */
    bool split = lower_mma_is_split(p) && p->side[r->side].held;
    while (!r->wgmma && part > 2 * 16 && r->each * lower_rows_columns(r, part) * (split ? 2 : 1) > PASS_SUMS) part /= 2;
    if (p->side[r->side].held) clear_rest(l, p);
    ir_value *own = p->side[r->side].held && p->guarded ? lower_rows_careful(l, p, t->careful) : NULL;
    for (int from = 0; from < tile; from += part) contract_part(l, t, p, from, part, buffer, own);
}

/* ---- The loop ---- */
static bool is_copied(const lower_operand *o, bool once) { return !o->held && o->once == once; }

static void make_copies(lower *l, turns *t) {
    t->n_held = 0;
    for (int i = 0; i < t->r->n; i++)
        for (int k = 0; k < 2; k++) {
            lower_contract *p = t->r->contract[i];
            lower_operand *o = &p->side[k];
            if (o->held) continue;
            int64_t bytes = t->r->place.bytes - o->at;
            o->ptr = lower_shared(l, o->t, t->r->place.at + o->at, bytes);
            lower_name_tile(l, o);
            lower_copy *c = &t->copy[i][k];
            *c = lower_copy_make(l, p, o, sym_const(l->syms, 0));
            if (o->bulk) lower_tma_prepare(l, o);
            t->any_bulk |= o->bulk;
            t->any_plain |= c->plain != NULL;
            if (!o->once) t->n_held += lower_copy_held(c);
        }
    if (!t->held) t->held = arena_array(l->scratch, ir_value *, t->n_held + 1);
}

/* The operands of a turn, or those that are staged once. */
static void load(lower *l, turns *t, bool once, sym_t turn, sym_t buffer, ir_value **v) {
    for (int i = 0; i < t->r->n; i++)
        for (int k = 0; k < 2; k++) {
            lower_contract *p = t->r->contract[i];
            lower_copy *c = &t->copy[i][k];
            if (!is_copied(&p->side[k], once) || p->side[k].bulk) continue;
            c->var = once ? NULL : t->var, c->as = turn;
            lower_copy_load(l, p, c, sym_const(l->syms, 0), buffer, v);
            v += lower_copy_held(c);
        }
    if (t->any_bulk && !once) lower_tma_load_rows(l, t->r, t->var, turn, buffer);
}

static void store(lower *l, turns *t, bool once, sym_t buffer, ir_value *const *v) {
    for (int i = 0; i < t->r->n; i++)
        for (int k = 0; k < 2; k++) {
            lower_contract *p = t->r->contract[i];
            lower_copy *c = &t->copy[i][k];
            if (!is_copied(&p->side[k], once)) continue;
            lower_copy_store(l, p, c, buffer, v);
            v += lower_copy_held(c);
        }
}

static void close_group(lower *l, const turns *t) {
    if (t->any_plain) ir_build(lower_here(l), IR_copy_commit, 0, NULL, 0, NULL);
}

static void wait_group(lower *l, const turns *t) {
    if (t->any_plain) ir_set_int(l->m, ir_build(lower_here(l), IR_copy_wait, 0, NULL, 0, NULL), IR_ATTR_pending, 0);
}

static void begin(lower *l, turns *t) {
    sym_t zero = sym_const(l->syms, 0);
    int n = 0;
    for (int i = 0; i < t->r->n; i++)
        for (int k = 0; k < 2; k++) n += is_copied(&t->r->contract[i]->side[k], true) ? lower_copy_held(&t->copy[i][k]) : 0;
    ir_value **v = arena_array(l->scratch, ir_value *, n + 1);
    load(l, t, true, zero, zero, v);
    store(l, t, true, zero, v);
    ir_op *some = lower_if(l, lower_compare(l, IR_lt, zero, t->count));
    load(l, t, false, zero, zero, t->held);
    store(l, t, false, zero, t->held);
    lower_if_end(l, some);
    close_group(l, t);
}

static ir_value *nothing_like(lower *l, const lower_copy *c) {
    frit_dtype t = c->o->t;
    if (c->wide > 1) return lower_int(l, FRIT_u32, 0);
    return lower_splat(l, frit_dtype_is_float(t) ? lower_float(l, t, 0) : lower_int(l, t, 0), c->lanes, 0);
}

/* The next turn's operands, if there is one: on their way to the buffer, or in t->held. */
static void load_next(lower *l, turns *t, ir_value *more, sym_t next, sym_t buffer) {
    int n = 0;
    for (int i = 0; i < t->r->n; i++)
        for (int k = 0; k < 2; k++)
            for (int j = 0; is_copied(&t->r->contract[i]->side[k], false) && j < lower_copy_held(&t->copy[i][k]); j++)
                t->held[n++] = nothing_like(l, &t->copy[i][k]);
    ir_op *choice = lower_choice(l, more, n, t->held);
    lower_look_thread_up(l); /* no address is held meanwhile */
    make_copies(l, t);
    ir_value **v = arena_array(l->scratch, ir_value *, n + 1);
    load(l, t, false, next, buffer, v);
    lower_choice_end(l, choice, n, v);
    lower_look_thread_up(l);
    for (int i = 0; i < n; i++) t->held[i] = v[i];
}

/* The same where there are no registers for them meanwhile: one operand after another. */
static void copy_next(lower *l, turns *t, ir_value *more, sym_t next, sym_t buffer) {
    ir_op *some = lower_if(l, more);
    lower_look_thread_up(l);
    make_copies(l, t);
    ir_value **v = arena_array(l->scratch, ir_value *, t->n_held + 1);
    for (int i = 0; i < 2 * t->r->n; i++) {
        lower_contract *p = t->r->contract[i / 2];
        lower_copy *c = &t->copy[i / 2][i % 2];
        if (!is_copied(&p->side[i % 2], false) || p->side[i % 2].bulk) continue;
        c->var = t->var, c->as = next;
        lower_copy_load(l, p, c, sym_const(l->syms, 0), buffer, v);
        lower_copy_store(l, p, c, buffer, v);
    }
    if (t->any_bulk) lower_tma_load_rows(l, t->r, t->var, next, buffer);
    lower_if_end(l, some);
    lower_look_thread_up(l);
}

/* ---- The order of stages ---- */
static bool writes_what(const ir_op *first, const ir_op *second) {
    for (int i = 0; i < first->n_blocks; i++)
        for (const ir_op *w = first->blocks[i]->first; w; w = w->next)
            for (int k = 0; w->code == IR_write && k < second->n_blocks; k++)
                for (const ir_op *x = second->blocks[k]->first; x; x = x->next)
                    if ((x->code == IR_read || x->code == IR_write) && ir_operand(x, 0) == ir_operand(w, 0)) return true;
    return false;
}

static bool is_free_of(const ir_op *a, const ir_op *b) { return !writes_what(a, b) && !writes_what(b, a); }

static lower_contract *contract_at(const lower_rows *r, const ir_op *op) {
    for (int i = 0; i < r->n; i++)
        if (r->contract[i]->op == op) return r->contract[i];
    return NULL;
}

/* Stages without products that need none of those before them come first: what they read need not be kept meanwhile. */
static int in_order(const lower_rows *r, const ir_op **stage) {
    int n = 0;
    for (const ir_op *op = r->loop->blocks[0]->first; op; op = op->next) {
        if (op->code != IR_stage) continue;
        int at = n;
        while (!contract_at(r, op) && at > 0 && is_free_of(stage[at - 1], op)) at--;
        while (at < n && !contract_at(r, stage[at])) at++;
        for (int i = n++; i > at; i--) stage[i] = stage[i - 1];
        stage[at] = op;
    }
    return n;
}

static int stages_of(const lower_rows *r) {
    int n = 0;
    for (const ir_op *op = r->loop->blocks[0]->first; op; op = op->next) n += op->code == IR_stage;
    return n;
}

static void do_turn(lower *l, turns *t) {
    sym_ctx *c = l->syms;
    lower_rows *r = t->r;
    sym_t next = sym_addi(c, t->turn, 1), zero = sym_const(c, 0), two = sym_const(c, 2);
    sym_t now = r->buffers == 2 ? sym_mod(c, t->turn, two) : zero, then = r->buffers == 2 ? sym_mod(c, next, two) : zero;
    ir_value *more = lower_compare(l, IR_lt, next, t->count);
    bool ahead = r->ahead && (r->buffers == 2 || !(t->any_plain || t->any_bulk));
    const ir_op **stage = arena_array(l->scratch, const ir_op *, stages_of(r) + 1);
    int n = in_order(r, stage);
    lower_look_thread_up(l);
    wait_group(l, t);
    if (t->any_bulk) lower_tma_wait(l, now);
    if (r->wgmma) ir_build(lower_here(l), IR_fence_async, 0, NULL, 0, NULL);
    lower_barrier(l);
    if (ahead) load_next(l, t, more, next, then);
    if (ahead) close_group(l, t);
    for (int i = 0; i < n; i++) {
        lower_contract *p = contract_at(r, stage[i]);
        lower_here(l)->span = stage[i]->span;
        if (p) contract(l, t, p, now);
        else lower_rows_stage(l, r->contract[0], stage[i]);
    }
    if (r->buffers == 1) lower_barrier(l);
    if (!ahead) copy_next(l, t, more, next, then);
    if (!ahead) close_group(l, t);
    if (!ahead) return;
    ir_op *some = lower_if(l, more);
    lower_look_thread_up(l);
    make_copies(l, t);
    store(l, t, false, then, t->held);
    lower_if_end(l, some);
}

static lower_rows *rows_of(const lower *l, const ir_op *op) {
    for (int i = 0; i < l->rows.len; i++)
        if (l->rows.data[i]->loop == op) return l->rows.data[i];
    return NULL;
}

/* All turns; t->any says whether there is cause to do them with care. */
static void do_turns(lower *l, turns *t) {
    const ir_op *op = t->r->loop;
    for (const ir_op *s = op->blocks[0]->first; s; s = s->next)
        if (s->code == IR_stage) lower_order_stage(l, s);
    lower_barrier(l);
    begin(l, t);
    int n = t->any != NULL;
    ir_op *loop = lower_for(l, lower_int(l, FRIT_i64, 0), lower_index(l, t->count), lower_int(l, FRIT_i64, 1), n, &t->any);
    t->turn = t->var;
    lower_bind(l, t->turn, loop->blocks[0]->args[0], l->depth);
    do_turn(l, t);
    lower_for_end(l, loop, n, &t->any);
    lower_look_thread_up(l);
    wait_group(l, t);
}

/* i32: some thread of the block has one. */
static ir_value *any_of_block(lower *l, ir_value *x) {
    lower_stage s = {.n = 1, .depth = l->depth};
    ir_combine max = IR_MAX;
    ir_value *v[1][2] = {{x, NULL}};
    s.threads[0] = l->lim->threads;
    lower_merge_threads(l, &s, 1, &max, v);
    return v[0][0];
}

/* What the stages before the loop gave the running values first. */
static void begin_again(lower *l, const lower_rows *r) {
    for (int i = 0; i < l->owns.len; i++) {
        const ir_op *op = l->owns.data[i].stage;
        bool before = false;
        for (const ir_op *x = op; x && op->parent == r->loop->parent; x = x->next) before |= x == r->loop;
        if (before && l->owns.data[i].as == r->contract[0]) lower_rows_stage(l, r->contract[0], op);
    }
}

static void do_twice(lower *l, turns *t) {
    ir_type one = ir_vector(FRIT_bool, 1);
    ir_value *zero = lower_int(l, FRIT_i32, 0), *no = lower_int(l, FRIT_i64, 0), *any = lower_int(l, FRIT_i32, 1);
    ir_op *loop = lower_for(l, no, lower_int(l, FRIT_i64, 2), lower_int(l, FRIT_i64, 1), 1, &any);
    ir_value *needed = lower_build(l, l->depth, IR_ne, 2, (ir_value *[]){any, zero}, one);
    t->careful = lower_build(l, l->depth, IR_ne, 2, (ir_value *[]){loop->blocks[0]->args[0], no}, one);
    lower_touched before = lower_order_state(l);
    any = zero;
    ir_op *choice = lower_choice(l, needed, 1, &any);
    lower_look_thread_up(l);
    ir_op *second = lower_if(l, t->careful);
    begin_again(l, t->r);
    lower_if_end(l, second);
    make_copies(l, t);
    t->any = zero;
    do_turns(l, t);
    any = any_of_block(l, t->any);
    lower_choice_end(l, choice, 1, &any);
    lower_order_maybe(l, before);
    lower_for_end(l, loop, 1, &any);
}

bool lower_rows_loop(lower *l, const ir_op *op) {
    enum { TOUCHED = 3 };
    const sym_t *vars, *extent;
    lower_rows *r = lower_is_block(l) ? rows_of(l, op) : NULL;
    bool guarded = false;
    if (!r) return false;
    ir_get_syms(op, IR_ATTR_vars, &vars);
    ir_get_syms(op, IR_ATTR_extent, &extent);
    turns *t = arena_new_of(l->scratch, turns);
    t->r = r, t->var = vars[0], t->count = extent[0];
    for (int i = 0; i < r->n; i++) guarded |= r->contract[i]->guarded;
    if (guarded) {
        do_twice(l, t);
    } else {
        make_copies(l, t);
        do_turns(l, t);
    }
    for (const ir_op *s = op->blocks[0]->first; s; s = s->next)
        for (int i = 0; i < s->n_blocks; i++) lower_order_touch(l, s->blocks[i]);
    r->place.touched = TOUCHED;
    return true;
}
