/* Sums of a loop over rows that threads own, term by term, for those that leave terms out and were not finite (lower_absent.c).
 * One operand of such a contraction is held in registers: the threads that share a row tell each other their elements, all
 * coming here alike, each for a column of its own. It is rare, so the code is short. */
#include "lower_contract.h"

/* Entry i of the table, i being a loop's variable: entries are sums over the bits of their number. */
static sym_t entry_of(lower *l, const int64_t *table, int count, sym_t i) {
    sym_ctx *c = l->syms;
    sym_t at = sym_const(c, table[0]);
    for (int b = 1; b < count; b *= 2) {
        sym_t bit = sym_mod(c, sym_floordiv(c, i, sym_const(c, b)), sym_const(c, 2));
        at = sym_add(c, at, sym_muli(c, bit, table[b] - table[0]));
    }
    return at;
}

static sym_t offset_of(lower *l, const lower_fragment *f, int axis, sym_t i) { return entry_of(l, f->offset[axis], f->count[axis], i); }

/* Where the sums' elements lie along an axis, one vector behind another. */
static const int64_t *sum_slots(lower *l, const lower_contract *p, int axis) {
    enum { MOST = 16 };
    const ir_product *q = p->product;
    int64_t offset[MOST];
    int e = ir_product_elements(q, 2), at[2][MOST], each[2], parts[2], n;
    for (int i = 0; i < 2; i++) {
        each[i] = lower_mma_places(q, i, offset, at[i]);
        parts[i] = p->side[i].tile / p->threads[i] / (i ? q->n : q->m);
    }
    n = each[axis] * parts[axis];
    int64_t *slot = arena_array(l->scratch, int64_t, n);
    for (int i = 0; i < n; i++) {
        int k = 0;
        while (at[axis][k] != i % each[axis] || at[!axis][k] != 0) k++;
        slot[i] = (int64_t)(i / each[axis]) * (axis ? 1 : parts[1]) * e + k;
    }
    return slot;
}

typedef struct again {
    const lower_contract *p;
    lower_fragment sums, held; /* of the result, of the held operand */
    ir_value *own, *operand;   /* memory of the thread with its elements of both */
    lower_stage *s;
} again;

static ir_value *held_term(lower *l, again *a, sym_t row, sym_t sharer, sym_t i, sym_t column) {
    sym_ctx *c = l->syms;
    const lower_contract *p = a->p;
    const lower_rows *r = p->rows;
    lower_stage *s = a->s;
    frit_dtype t = p->side[r->side].t;
    int first = r->share_bits[0], bits = r->share_bits[1], zero[IR_MAX_RANK] = {0}, depth;
    sym_t at = sym_add(c, sym_muli(c, row, a->held.count[!r->side]), i);
    ir_value *x = lower_load(l, l->depth, a->operand, lower_index(l, at), ir_vector(FRIT_f32, 1), NULL, NULL);
    int64_t all = (INT64_C(1) << l->warp_bits) - 1, mask = ((INT64_C(1) << bits) - 1) << first;
    ir_value *v[2] = {lower_thread_bits(l, all & ~mask, 0), lower_index(l, sym_muli(c, sharer, INT64_C(1) << first))};
    v[1] = lower_build(l, l->depth, IR_or, 2, v, ir_vector(FRIT_i64, 1));
    v[0] = x;
    x = lower_build(l, l->depth, IR_shuffle, 2, v, x->type);
    s->stands = t == FRIT_f32 ? x : lower_build(l, l->depth, IR_cast, 1, &x, ir_vector(t, 1));
    /* where that thread's element i is */
    sym_t k = offset_of(l, &a->held, !r->side, i);
    for (int b = 0; b < bits; b++) {
        int place[2];
        ir_product_place(r->product, 2, 1 << (first + b), 0, &place[0], &place[1]);
        sym_t bit = sym_mod(c, sym_floordiv(c, sharer, sym_const(c, 1 << b)), sym_const(c, 2));
        k = sym_add(c, k, sym_muli(c, bit, place[!r->side]));
    }
    sym_t extent = p->k.extent[0], columns = p->side[!r->side].axes.extent[0];
    s->base[0] = sym_min(c, sym_addi(c, extent, -1), k);
    s->base[1] = sym_min(c, sym_addi(c, columns, -1), column);
    s->depth = l->depth;
    for (int n = 0; n < s->n; n++) s->at_depth[n] = l->depth;
    lower_body(l, s, p->op->blocks[0]);
    ir_value *term = lower_get(l, s, p->term, zero, false), *in = lower_inside(l, k, extent, &depth);
    if (!in) return term;
    return lower_build(l, l->depth, IR_select, 3, (ir_value *[]){in, term, lower_float(l, p->sum, 0)}, term->type);
}

static void sum_terms(lower *l, again *a) {
    const lower_contract *p = a->p;
    const lower_rows *r = p->rows;
    sym_t at[2], sharer, i;
    int side = r->side;
    ir_op *rows = lower_loop_over(l, "m", a->sums.count[side], 0, NULL, &at[side]);
    ir_op *columns = lower_loop_over(l, "n", a->sums.count[!side], 0, NULL, &at[!side]);
    sym_t slot = sym_const(l->syms, 0);
    for (int k = 0; k < 2; k++) slot = sym_add(l->syms, slot, entry_of(l, sum_slots(l, p, k), a->sums.count[k], at[k]));
    sym_t place = sym_add(l->syms, a->sums.first[!side], offset_of(l, &a->sums, !side, at[!side]));
    ir_value *sum = lower_float(l, p->sum, 0);
    ir_op *sharers = lower_loop_over(l, "h", 1 << r->share_bits[1], 1, &sum, &sharer);
    ir_op *elements = lower_loop_over(l, "k", a->held.count[!side], 1, &sum, &i);
    sum = lower_combine(l, IR_SUM, sum, held_term(l, a, at[side], sharer, i, place));
    lower_for_end(l, elements, 1, &sum);
    lower_for_end(l, sharers, 1, &sum);
    lower_store(l, a->own, lower_index(l, slot), sum, NULL);
    lower_for_end(l, columns, 0, NULL);
    lower_for_end(l, rows, 0, NULL);
}

static lower_stage *term_stage(lower *l, const lower_contract *p) {
    lower_stage *s = arena_new_of(l->scratch, lower_stage);
    sym_t *vars = arena_array(l->scratch, sym_t, 3), *extent = arena_array(l->scratch, sym_t, 3);
    const lower_axes *a[3] = {&p->k, &p->side[!p->rows->side].axes, &p->side[p->rows->side].axes};
    for (int i = 0; i < 3; i++) {
        vars[i] = a[i]->var[0], extent[i] = a[i]->extent[0];
        s->count[i] = s->full[i] = 1, s->base[i] = sym_const(l->syms, 0);
    }
    s->op = p->op, s->n = s->parallel = 3, s->vars = vars, s->extent = extent;
    s->border_axis = s->vector = s->unit = -1;
    s->stood_for = p->side[p->rows->side].held;
    lower_find_axes(l, s, p->op->blocks[0]);
    return s;
}

ir_value *lower_rows_careful(lower *l, const lower_contract *p, ir_value *careful) {
    const lower_rows *r = p->rows;
    const lower_operand *o = &p->side[r->side];
    again a = {.p = p};
    lower_contract g = lower_rows_geometry(p, p->chunk), result = lower_rows_geometry(p, p->side[!r->side].tile);
    int columns = lower_rows_columns(r, result.side[!r->side].tile);
    ir_op *choice = lower_if(l, careful);
    lower_look_thread_up(l);
    a.s = term_stage(l, p);
    lower_mma_fragment(l, &g, &a.held);
    lower_mma_fragment(l, &result, &a.sums);
    l->lanes = 1;
    int held = a.held.count[0] * a.held.count[1];
    a.own = lower_own_memory(l, p->sum, (int64_t)r->each * columns);
    a.operand = lower_own_memory(l, FRIT_f32, held);
    for (int i = 0; i < held; i++) {
        int64_t slot = l->place[o->held->id].slots[i];
        ir_value *x = lower_load(l, l->depth, l->ptrs[o->held->id], lower_int(l, FRIT_i64, slot), ir_vector(o->t, 1), NULL, NULL);
        if (o->t != FRIT_f32) x = lower_build(l, l->depth, IR_cast, 1, &x, ir_vector(FRIT_f32, 1));
        lower_store(l, a.operand, lower_int(l, FRIT_i64, i), x, NULL);
    }
    sum_terms(l, &a);
    lower_if_end(l, choice);
    lower_look_thread_up(l);
    return a.own;
}
