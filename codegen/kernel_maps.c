/* The tensor maps of a kernel as a package tells them: what thread IR computes of arguments becomes formulas again. */
#include "program_kernels.h"

/* v as a formula over the symbols of f's arguments; NULL when it is none. */
static sym_t formula_of(const ir_func *f, const ir_value *v) {
    sym_ctx *c = f->module->syms;
    if (!v->op) return v->block && v->block->func == f && f->arg_syms ? f->arg_syms[v->index] : NULL;
    const ir_op *op = v->op;
    if (op->code == IR_constant) {
        const ir_attr *a = ir_attr_get(op, IR_ATTR_value);
        return sym_const(c, frit_load_int((frit_dtype)v->type.dtype, a->data.p, 0));
    }
    sym_t x = op->n_operands > 0 ? formula_of(f, ir_operand(op, 0)) : NULL, y = op->n_operands > 1 ? formula_of(f, ir_operand(op, 1)) : NULL;
    if (!x || (op->n_operands > 1 && !y) || op->n_operands > 2) return NULL;
    switch (op->code) {
    case IR_add: return sym_add(c, x, y);
    case IR_sub: return sym_sub(c, x, y);
    case IR_mul: return sym_mul(c, x, y);
    case IR_min: return sym_min(c, x, y);
    case IR_max: return sym_max(c, x, y);
    case IR_floordiv: return sym_floordiv(c, x, y);
    case IR_neg: return sym_sub(c, sym_const(c, 0), x);
    default: return NULL;
    }
}

static bool take_map(const ir_func *f, const ir_op *op, package_map *m) {
    const int64_t *box, *swizzle, *steps;
    int rank = op->n_operands / 2, n_steps = ir_get_ints(op, IR_ATTR_steps, &steps);
    if (ir_get_ints(op, IR_ATTR_box, &box) != rank || rank > FPK_MAP_RANK || ir_get_ints(op, IR_ATTR_swizzle, &swizzle) != 1) return false;
    *m = (package_map){{(uint32_t)ir_operand(op, 0)->index, ir_result(op, 0)->type.dtype, (uint32_t)rank, (uint32_t)swizzle[0]}, {NULL}};
    for (int i = 0; i < FPK_MAP_RANK; i++) m->words[FPK_MAP_BOX + i] = i < rank ? (uint32_t)box[i] | (uint32_t)(n_steps ? steps[i] - 1 : 0) << 16 : 1;
    for (int i = 0; i < 2 * rank - 1; i++) {
        sym_t v = formula_of(f, ir_operand(op, 1 + i));
        if (!v) return false;
        m->values[i < rank ? i : FPK_MAP_RANK + i - rank] = v;
    }
    return true;
}

int kernel_maps(arena *a, const ir_func *f, package_map **maps, const char **error) {
    int n = 0;
    for (const ir_op *op = f->body->first; op; op = op->next) n += op->code == IR_tensor_map;
    *maps = n ? arena_array(a, package_map, n) : NULL;
    n = 0;
    for (const ir_op *op = f->body->first; op; op = op->next) {
        if (op->code != IR_tensor_map) continue;
        if (!take_map(f, op, &(*maps)[n++])) return *error = arena_printf(a, "kernel %s: a tensor map that no formula describes", f->name), -1;
    }
    return n;
}
