#include "variant.h"

static bool is_axis(const int64_t *axes, int n, int d) {
    for (int i = 0; i < n; i++)
        if (axes[i] == d) return true;
    return false;
}

/* Product of operand i's dims that are neither batch nor contracted. */
static sym_t free_size(const ir_op *op, sym_ctx *c, int i) {
    const int64_t *batch, *summed;
    int n_batch = ir_get_ints(op, i ? IR_ATTR_rhs_batch : IR_ATTR_lhs_batch, &batch);
    int n_summed = ir_get_ints(op, i ? IR_ATTR_rhs_contract : IR_ATTR_lhs_contract, &summed);
    ir_type t = ir_operand(op, i)->type;
    sym_t size = sym_const(c, 1);
    for (int d = 0; d < t.rank; d++)
        if (!is_axis(batch, n_batch, d) && !is_axis(summed, n_summed, d)) size = sym_mul(c, size, t.dims[d]);
    return size;
}

/* The variables whose product (times a small number) `size` is, if it is nothing else and each may be 1. */
static int factors(sym_t size, sym_t *vars) {
    enum { FEW_ROWS = 8 };
    sym_t m = NULL;
    int n = 0;
    if (sym_is_const(size, NULL) || sym_n_terms(size) != 1 || sym_term(NULL, size, 0, &m) > FEW_ROWS) return 0;
    for (int k = 0; k < sym_n_atoms(m); k++) {
        sym_t v = sym_atom(m, k), one = NULL;
        if (n == VARIANT_MAX_DIMS || !sym_is_var(v) || (sym_var_role(v) != SYM_DIM && sym_var_role(v) != SYM_INT)) return 0;
        if ((one = sym_var_lo(v)) && !sym_is(one, 0) && !sym_is(one, 1)) return 0;
        if (sym_var_multiple(v) > 1 || sym_definition(v)) return 0;
        vars[n++] = v;
    }
    return n;
}

int variant_dims(const ir_op *kernel, sym_ctx *c, sym_t *dims) {
    const ir_op *op = kernel->blocks[0]->last;
    while (op && op->code != IR_contract) op = op->prev;
    if (!op) return 0;
    sym_t both[2][VARIANT_MAX_DIMS];
    int n[2] = {factors(free_size(op, c, 0), both[0]), factors(free_size(op, c, 1), both[1])};
    if (!n[0] == !n[1]) return 0; /* rows against columns of an open number: which is which can't be told */
    int side = n[0] ? 0 : 1;
    for (int i = 0; i < n[side]; i++) dims[i] = both[side][i];
    return n[side];
}

const ir_op *variant_contraction(const ir_op *kernel) {
    const ir_op *one = NULL;
    for (const ir_op *op = kernel->blocks[0]->first; op; op = op->next) {
        if (op->code != IR_contract) continue;
        if (one) return NULL;
        one = op;
    }
    return one;
}

static sym_t tiles_along(sym_ctx *c, sym_t size, int64_t tile) {
    return sym_floordiv(c, sym_addi(c, size, tile / 2), sym_const(c, tile));
}

sym_t variant_large(const ir_op *one, sym_ctx *c, int64_t rows, int64_t cols, int64_t tasks) {
    const int64_t *batch;
    int n_batch = ir_get_ints(one, IR_ATTR_lhs_batch, &batch);
    sym_t count = sym_mul(c, tiles_along(c, free_size(one, c, 0), rows), tiles_along(c, free_size(one, c, 1), cols));
    for (int i = 0; i < n_batch; i++) count = sym_mul(c, count, ir_operand(one, 0)->type.dims[batch[i]]);
    if (sym_is_const(count, NULL) || !sym_prove_ge0(c, count)) return NULL;
    return sym_min(c, sym_const(c, 1), sym_floordiv(c, count, sym_const(c, tasks > 1 ? tasks : 1)));
}

sym_t variant_guard(sym_ctx *c, int n, const sym_t *dims) {
    sym_t all = sym_const(c, 1);
    for (int i = 0; i < n; i++) {
        sym_t one = sym_max(c, sym_const(c, 0), sym_sub(c, sym_const(c, 2), dims[i]));
        all = sym_mul(c, all, sym_min(c, one, dims[i]));
    }
    return all;
}
