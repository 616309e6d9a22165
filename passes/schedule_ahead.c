/* Fetching early what the next task reads. The processor's own prefetching follows a run of addresses to the end of its
 * page, but a task begins somewhere else: its first pass would wait for memory, and its later ones, over what is then
 * in the cache, would leave memory idle. So the last stage that reads an input fetches, element for element, what the
 * next task reads at this place. */
#include "schedule_internal.h"

enum { NEAREST = 4096, FARTHEST = 1 << 18 }; /* bytes from an element to what is fetched beside it */

static bool accesses(const ir_op *stage, const ir_value *buffer) {
    for (int k = 0; k < 2; k++)
        for (const ir_op *op = stage->blocks[k]->first; op; op = op->next)
            if ((op->code == IR_read || op->code == IR_write) && ir_operand(op, 0) == buffer) return true;
    return false;
}

static bool is_last(const ir_op *stage, const ir_value *buffer) {
    for (const ir_op *op = stage->next; op; op = op->next) {
        if (op->code == IR_for) return false;
        if (op->code == IR_stage && accesses(op, buffer)) return false;
    }
    return true;
}

/* Elements from what the access finds to what it finds some tasks later; NULL: no such step, or none worth it. */
static sym_t step_of(sched *s, const ir_op *op, sym_t task) {
    sym_ctx *c = s->m->syms;
    const ir_value *buffer = ir_operand(op, 0);
    ir_type t = buffer->type;
    const sym_t *map;
    sym_t at = sym_const(c, 0), coef, rest;
    int rank = ir_get_syms(op, IR_ATTR_map, &map);
    int64_t bits = frit_dtype_bits((frit_dtype)t.dtype);
    if (!buffer->block || buffer->index >= s->kernel->n_operands || bits < 8 || ir_has(op, IR_ATTR_idx) || ir_has(op, IR_ATTR_combine)) return NULL;
    if (sym_hint(sym_prod(c, t.dims, t.rank)) < s->lim->l2_bytes * 8 / bits) return NULL;
    for (int d = 0; d < rank; d++) at = sym_add(c, sym_mul(c, at, t.dims[d]), map[d]);
    if (!sym_linear(c, at, task, &coef, &rest)) return NULL;
    int64_t bytes = sym_hint(coef) * bits / 8;
    if (bytes <= 0 || bytes > FARTHEST) return NULL;
    return sym_muli(c, coef, (NEAREST + bytes - 1) / bytes);
}

/* The innermost loop follows memory: a walk down the rows leaves a page at every step, and is better off without. */
static bool runs_along_lanes(const ir_op *stage) {
    const sym_t *vars;
    return ir_get_int(stage, IR_ATTR_vector, -1) == ir_get_syms(stage, IR_ATTR_vars, &vars) - 1;
}

void sched_fetch_ahead(sched *s, ir_block *grid) {
    const sym_t *vars;
    int n = ir_get_syms(grid->op, IR_ATTR_vars, &vars);
    if (s->lim->threads || s->lim->is_source || n == 0) return;
    for (ir_op *stage = grid->first; stage; stage = stage->next) {
        if (stage->code != IR_stage || !runs_along_lanes(stage)) continue;
        for (ir_op *op = stage->blocks[0]->first; op; op = op->next) {
            if (op->code != IR_read || !is_last(stage, ir_operand(op, 0))) continue;
            sym_t step = step_of(s, op, vars[n - 1]);
            if (step) ir_set_syms(s->m, op, IR_ATTR_ahead, 1, &step);
        }
    }
}
