/* What the load program computes: kernels that params alone decide, run once per device and weight file. */
#include "passes/schedule.h"
#include "program.h"

static void note_symbol(void *u, sym_t var) {
    if (sym_var_role(var) == SYM_INT || sym_var_role(var) == SYM_DIM) *(bool *)u = true;
}

static bool symbolic(const sym_t *v, int n) {
    bool found = false;
    for (int i = 0; i < n; i++) sym_each_var(v[i], note_symbol, &found);
    return found;
}

/* Some dim or attribute inside the kernel differs from run to run. */
static bool varies(const ir_op *kernel) {
    for (int i = 0; i < kernel->n_operands; i++)
        if (symbolic(ir_operand(kernel, i)->type.dims, ir_operand(kernel, i)->type.rank)) return true;
    for (const ir_op *op = kernel->blocks[0]->first; op; op = op->next) {
        if (op->code == IR_random) return true;
        for (int i = 0; i < op->n_results; i++)
            if (symbolic(ir_result(op, i)->type.dims, ir_result(op, i)->type.rank)) return true;
        for (int i = 0; i < op->n_attrs; i++)
            if (ir_attr_table[op->attrs[i].key].kind == IR_ATTR_SYMS && symbolic(op->attrs[i].syms.v, op->attrs[i].syms.n))
                return true;
    }
    return false;
}

static double bits(ir_module *m, ir_type t) {
    return (double)sym_hint(ir_type_elements(m, t)) * frit_dtype_bits((frit_dtype)t.dtype);
}

/* A result that the model returns is written by every run. */
static bool returned(const ir_value *v) {
    for (const ir_use *u = v->uses; u; u = u->next)
        if (u->user->code == IR_return) return true;
    return false;
}

bool program_at_load(ir_module *m, const ir_op *kernel) {
    enum { MOST_GROWTH = 150 }; /* percent */
    if (kernel->code != IR_kernel || kernel->n_operands == 0 || !kernel->parent->func) return false;
    double in = 0, out = 0;
    for (int i = 0; i < kernel->n_operands; i++) {
        const ir_op *from = ir_operand(kernel, i)->op;
        if (!from) return false;
        if (from->code != IR_param && from->code != IR_constant && !program_at_load(m, from)) return false;
        in += bits(m, ir_operand(kernel, i)->type);
    }
    for (int k = 0; k < kernel->n_results; k++) {
        if (schedule_in_place(kernel, k) >= 0 || returned(ir_result(kernel, k))) return false;
        out += bits(m, ir_result(kernel, k)->type);
    }
    return out * 100 <= in * MOST_GROWTH && !varies(kernel);
}
