/* What an integer input indexes: its elements are followed through casts and views to a gather whose coordinate is the
 * index itself; the extent of the gathered axis bounds them. */
#include "model.h"

enum { MAX_DEPTH = 64 };

static sym_t bound_of_value(const ir_value *v, int depth);

/* The extent of the data axis whose coordinate is index variable k of op (gather: operand 0 is the data). */
static sym_t bound_at_gather(const ir_op *op, int k) {
    const sym_t *idx, *map;
    int n_idx = ir_get_syms(op, IR_ATTR_idx, &idx), n = ir_get_syms(op, IR_ATTR_map, &map);
    const ir_type data = ir_operand(op, 0)->type;
    for (int i = 0; i < n && i < data.rank; i++)
        if (k < n_idx && map[i] == idx[k])
            return data.dims[i];
    return NULL;
}

static bool passes_elements(const ir_op *op, int operand) {
    if (ir_op_flags(op) & IR_F_VIEW)
        return op->code != IR_pad || operand == 0;
    return op->code == IR_cast || op->code == IR_max || op->code == IR_min || (op->code == IR_select && operand > 0);
}

static sym_t bound_of_use(const ir_use *u, int depth) {
    const ir_op *op = u->user;
    int operand = (int)(u - op->operands);
    int first_index = op->code == IR_gather ? 1 : 2;
    if ((op->code == IR_gather || op->code == IR_scatter) && operand >= first_index)
        return bound_at_gather(op, operand - first_index);
    if (passes_elements(op, operand) && op->n_results)
        return bound_of_value(&op->results[0], depth + 1);
    return NULL;
}

static sym_t bound_of_value(const ir_value *v, int depth) {
    for (const ir_use *u = v->uses; u && depth < MAX_DEPTH; u = u->next) {
        sym_t b = bound_of_use(u, depth);
        if (b)
            return b;
    }
    return NULL;
}

const char *model_index_bound(cli *c, const model *m, int input) {
    if (!m->func || input >= m->func->body->n_args)
        return NULL;
    sym_t b = bound_of_value(m->func->body->args[input], 0);
    return b ? sym_print(c->arena, b) : NULL;
}
