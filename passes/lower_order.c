/* Barriers: what a stage wrote may be read by other threads in the next one. For each buffer it is remembered whether it
 * was read or written since the last barrier; a stage that would read what was written, or write what was read or
 * written, is preceded by one. Tasks are independent of each other but for the memory that they use one after another. */
#include "lower_internal.h"

enum { READ = 1, WRITTEN = 2 };

static void forget(lower *l) {
    for (int i = 0; i < l->places.len; i++) l->places.data[i]->touched = 0;
}

void lower_barrier_met(lower *l) {
    forget(l);
    l->merge_read = false;
}

void lower_barrier(lower *l) {
    const ir_builder *b = lower_here(l);
    ir_opcode code = l->role == LOWER_ALL ? IR_barrier : IR_part_barrier;
    lower_barrier_met(l);
    if (l->role == LOWER_PRODUCER || (b->block->last && !b->before && b->block->last->code == code)) return;
    ir_op *op = ir_build(lower_here(l), code, 0, NULL, 0, NULL);
    if (code == IR_barrier) return;
    ir_set_int(l->m, op, IR_ATTR_barrier, 1);
    ir_set_int(l->m, op, IR_ATTR_count, l->lim->threads);
}

static bool overlap(const lower_place *p, const lower_place *q) {
    return p->shared && q->shared && p->at < q->at + q->bytes && q->at < p->at + p->bytes;
}

static bool is_touched(const lower *l, const ir_value *buffer, uint8_t how) {
    const lower_place *p = &l->place[buffer->id];
    if (p->own) return false;
    if (p->touched & how) return true;
    for (int i = l->n_args; i < l->places.len && p->shared; i++) {
        const lower_place *q = l->places.data[i];
        if ((q->touched & how) && overlap(p, q)) return true;
    }
    return false;
}

/* Buffers that share bytes hold nothing of each other: any touch of one bars a write of the other. */
static bool conflicts(const lower *l, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_read && is_touched(l, ir_operand(op, 0), WRITTEN)) return true;
        if (op->code == IR_write && is_touched(l, ir_operand(op, 0), READ | WRITTEN)) return true;
    }
    return false;
}

void lower_order_stage(lower *l, const ir_op *stage) {
    if (!lower_is_block(l)) return;
    if (conflicts(l, stage->blocks[0]) || conflicts(l, stage->blocks[1])) lower_barrier(l);
}

void lower_order_touch(lower *l, const ir_block *b) {
    if (!lower_is_block(l)) return;
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_read) l->place[ir_operand(op, 0)->id].touched |= READ;
        if (op->code == IR_write) l->place[ir_operand(op, 0)->id].touched |= WRITTEN;
        for (int i = 0; i < op->n_blocks; i++) lower_order_touch(l, op->blocks[i]);
    }
}

lower_touched lower_order_state(lower *l) {
    if (!lower_is_block(l)) return NULL;
    uint8_t *state = arena_array(l->scratch, uint8_t, l->places.len);
    for (int i = 0; i < l->places.len; i++) state[i] = l->places.data[i]->touched;
    return state;
}

void lower_order_maybe(lower *l, lower_touched before) {
    for (int i = 0; before && i < l->places.len; i++) l->places.data[i]->touched |= before[i];
}

void lower_order_task(lower *l) {
    bool any = false;
    l->merge_read = true; /* the task before */
    for (int i = l->n_args; i < l->places.len; i++) any |= !l->places.data[i]->apart && !l->places.data[i]->own;
    if (any) lower_barrier(l);
    forget(l);
}
