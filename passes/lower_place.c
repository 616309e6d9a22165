/* Where the buffers of a task live when a block of threads does it: in shared memory while their sizes are known and fit,
 * one after another in the same bytes where their lives do not overlap; else in the block's part of the global scratch
 * memory. */
#include "lower_internal.h"

static void used_at(lower *l, const ir_value *buffer, int at) {
    lower_place *p = &l->place[buffer->id];
    if (!p->known) return;
    if (p->first < 0) p->first = at;
    p->last = at;
}

static void visit(lower *l, const ir_block *b, int *clock);

/* What a loop uses lives through all of it. */
static void visit_loop(lower *l, const ir_block *b, int *clock) {
    int begin = ++*clock;
    visit(l, b, clock);
    ++*clock;
    for (int i = l->n_args; i < l->places.len; i++) {
        lower_place *p = l->places.data[i];
        if (p->last < begin) continue;
        if (p->first > begin) p->first = begin;
        p->last = *clock;
    }
}

static void visit(lower *l, const ir_block *b, int *clock) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_alloc) {
            const ir_value *v = ir_result(op, 0);
            l->place[v->id] = (lower_place){.buffer = v, .known = true, .first = -1, .last = -1};
            vec_push(l->scratch, &l->places, &l->place[v->id]);
        } else if (op->code == IR_for) {
            visit_loop(l, op->blocks[0], clock);
        } else if (op->code == IR_stage) {
            lower_contract_plan(l, op, ++*clock);
            for (int i = 0; i < 2; i++)
                for (const ir_op *x = op->blocks[i]->first; x; x = x->next)
                    if (x->code == IR_read || x->code == IR_write) used_at(l, ir_operand(x, 0), *clock);
        }
    }
}

static sym_t bits_of(lower *l, const ir_value *buffer) {
    ir_type t = buffer->type;
    return sym_muli(l->syms, sym_prod(l->syms, t.dims, t.rank), (int64_t)frit_dtype_bits((frit_dtype)t.dtype));
}

/* The lowest bytes that are free through the buffer's life. */
static int64_t lowest_free(const lower *l, const lower_place *p, int64_t from) {
    int64_t align = p->align > 16 ? p->align : 16, at = (from + align - 1) / align * align;
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = l->n_args; i < l->places.len; i++) {
            const lower_place *q = l->places.data[i];
            if (!q->shared || q == p || q->last < p->first || p->last < q->first) continue;
            if (q->at >= at + p->bytes || at >= q->at + q->bytes) continue;
            at = (q->at + q->bytes + align - 1) / align * align;
            moved = true;
        }
    }
    return at;
}

bool lower_place_shared(lower *l, lower_place *p, int64_t bytes) {
    p->bytes = (bytes + 15) & ~INT64_C(15);
    int64_t at = lowest_free(l, p, l->reserved_bytes);
    if (at + p->bytes > l->lim->shared_bytes) return false;
    p->at = at;
    p->shared = true;
    if (at + p->bytes > l->shared_bytes) l->shared_bytes = at + p->bytes;
    return true;
}

void lower_place_allocs(lower *l, const ir_block *grid) {
    int clock = 0;
    l->places.len = l->n_args;
    l->contracts.len = 0;
    visit(l, grid, &clock);
    l->owns.len = l->rows.len = 0;
    lower_rows_find(l, grid);
    lower_contract_places(l);
    lower_own_find(l, grid);
    for (int i = l->n_args; i < l->places.len; i++) {
        lower_place *p = l->places.data[i];
        if (!p->buffer || p->own) continue;
        sym_t bits = bits_of(l, p->buffer);
        int64_t lo, hi;
        sym_range(l->syms, bits, &lo, &hi);
        if (hi <= l->lim->shared_bytes * 8 && lower_place_shared(l, p, (hi + 7) / 8)) continue;
        p->offset = lower_take_scratch(l, bits);
    }
}

static ir_value *same_shared(lower *l, frit_dtype t, int64_t at, sym_t elements) {
    const sym_t *size;
    for (const ir_op *op = l->scope[0].b.block->first; op; op = op->next) {
        if (op->code != IR_shared || ir_get_int(op, IR_ATTR_offset, -1) != at || ir_result(op, 0)->type.dtype != (uint8_t)t) continue;
        if (ir_get_syms(op, IR_ATTR_size, &size) == 1 && size[0] == elements) return ir_result(op, 0);
    }
    return NULL;
}

ir_value *lower_shared(lower *l, frit_dtype t, int64_t at, int64_t bytes) {
    sym_t elements = sym_const(l->syms, bytes * 8 / (int64_t)frit_dtype_bits(t));
    ir_value *v = same_shared(l, t, at, elements);
    if (v) return v;
    v = lower_build(l, 0, IR_shared, 0, NULL, ir_ptr(t, IR_CORE));
    ir_set_int(l->m, v->op, IR_ATTR_offset, at);
    ir_set_syms(l->m, v->op, IR_ATTR_size, 1, &elements);
    return v;
}

ir_value *lower_placed_pointer(lower *l, const ir_value *buffer) {
    const lower_place *p = &l->place[buffer->id];
    frit_dtype t = (frit_dtype)buffer->type.dtype;
    if (p->shared) {
        int64_t lo, hi;
        sym_range(l->syms, bits_of(l, buffer), &lo, &hi);
        ir_value *shared = lower_shared(l, t, p->at, (hi + 7) / 8);
        if (!shared->name) shared->name = buffer->name;
        return shared;
    }
    ir_value *v[2] = {l->block_scratch, lower_index(l, p->offset)};
    ir_value *at = lower_build(l, l->floor, IR_ptradd, 2, v, l->block_scratch->type);
    at = lower_build(l, l->floor, IR_ptrcast, 1, &at, ir_ptr(t, IR_GLOBAL));
    at->name = buffer->name;
    return at;
}
