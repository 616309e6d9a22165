/* Removes what nothing reads, back to front, so that one sweep takes whole chains. Effects stay; so does a compact
 * whose counter is still a dim of something. */
#include "pass.h"

static bool has_effect(const ir_op *op) {
    if (ir_op_flags(op) & (IR_F_EFFECT | IR_F_TERMINATOR)) return op->code != IR_state_read;
    for (int i = 0; i < op->n_blocks; i++)
        for (const ir_op *o = op->blocks[i]->first; o; o = o->next)
            if (has_effect(o) && o->code != IR_yield) return true;
    return false;
}

static bool binds_used_dim(const ir_op *op) {
    const sym_t *counter;
    if (op->code != IR_compact || ir_get_syms(op, IR_ATTR_counter, &counter) != 1) return false;
    return ir_block_uses_sym(ir_block_func(op->parent)->body, counter[0], op);
}

static bool is_dead(const ir_op *op) {
    for (int i = 0; i < op->n_results; i++)
        if (op->results[i].uses) return false;
    return !has_effect(op) && !binds_used_dim(op);
}

static bool clean_block(ir_block *b) {
    bool changed = false;
    for (ir_op *op = b->last, *prev; op; op = prev) {
        prev = op->prev;
        if (is_dead(op)) {
            ir_op_remove(op);
            changed = true;
            continue;
        }
        for (int i = 0; i < op->n_blocks; i++) changed |= clean_block(op->blocks[i]);
    }
    return changed;
}

bool pass_dce(pass_ctx *c, ir_func *f) { return clean_block(f->body); }
