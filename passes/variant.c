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

/* ---- Rows that are whole vectors ---- */
static bool is_dim(sym_t v) { return sym_is_var(v) && sym_var_role(v) == SYM_DIM && !sym_definition(v); }

typedef struct dim_set {
    int n; /* VARIANT_MAX_DIMS + 1: too many, or of another kind */
    sym_t *dims;
} dim_set;

static void add_dim(void *u, sym_t var) {
    dim_set *s = u;
    for (int i = 0; i < s->n && i < VARIANT_MAX_DIMS; i++)
        if (s->dims[i] == var) return;
    if (s->n >= VARIANT_MAX_DIMS || !is_dim(var)) s->n = VARIANT_MAX_DIMS + 1;
    else s->dims[s->n++] = var;
}

static bool has_rows(ir_type t) { return t.kind == IR_TENSOR && t.rank > 1 && frit_dtype_bits((frit_dtype)t.dtype) >= 8; }

/* Adds the dims that t's rows depend on; *lanes is made the most that a vector of `bytes` has. */
static void add_rows(dim_set *s, sym_ctx *c, ir_type t, int bytes, int64_t *lanes) {
    if (!has_rows(t)) return;
    sym_t row = t.dims[t.rank - 1];
    int64_t own = bytes * 8 / (int64_t)frit_dtype_bits((frit_dtype)t.dtype);
    if (sym_is_const(row, NULL) || sym_prove_multiple(c, row, own)) return;
    if (own > *lanes) *lanes = own;
    sym_each_var(row, add_dim, s);
}

/* Threads that share columns run alike, position by position: they take no vectors of open rows. */
static bool reduces_rows(const ir_op *op) {
    const int64_t *axes;
    int n = ir_get_ints(op, IR_ATTR_axes, &axes);
    return is_axis(axes, n, ir_operand(op, 0)->type.rank - 1);
}

bool variant_is_loops(const ir_op *kernel, bool gathers) {
    for (const ir_op *op = kernel->blocks[0]->first; op; op = op->next)
        switch (op->code) {
        case IR_contract:
        case IR_scan:
        case IR_sort:
        case IR_scatter:
        case IR_compact:
        case IR_transpose:
        case IR_concat:
        case IR_pad: return false;
        case IR_gather:
            if (!gathers) return false;
            break;
        case IR_reduce:
            if (!reduces_rows(op)) return false;
            break;
        default: break;
        }
    return true;
}

int variant_rows(const ir_op *kernel, sym_ctx *c, bool gathers, int bytes, sym_t *dims, int64_t *lanes) {
    dim_set s = {.dims = dims};
    const ir_block *b = kernel->blocks[0];
    *lanes = 1;
    if (!variant_is_loops(kernel, gathers)) return 0;
    for (int i = 0; i < b->n_args; i++) add_rows(&s, c, b->args[i]->type, bytes, lanes);
    for (int i = 0; i < kernel->n_results; i++) add_rows(&s, c, ir_result(kernel, i)->type, bytes, lanes);
    if (s.n > VARIANT_MAX_DIMS) return 0;
    sym_t whole[VARIANT_MAX_DIMS];
    variant_whole(c, s.n, dims, *lanes, whole);
    bool gains = false;
    for (int i = 0; i < b->n_args + kernel->n_results && s.n; i++) {
        ir_type t = i < b->n_args ? b->args[i]->type : ir_result(kernel, i - b->n_args)->type;
        gains |= has_rows(t) && sym_prove_multiple(c, sym_subst(c, t.dims[t.rank - 1], s.n, dims, whole), *lanes);
    }
    return gains ? s.n : 0;
}

void variant_whole(sym_ctx *c, int n, const sym_t *dims, int64_t lanes, sym_t *whole) {
    for (int i = 0; i < n; i++) {
        int64_t k = sym_var_multiple(dims[i]);
        whole[i] = sym_var(c, sym_var_name(dims[i]), SYM_DIM, sym_var_lo(dims[i]), sym_var_hi(dims[i]));
        sym_var_bound(c, whole[i], NULL, NULL, k % lanes == 0 ? k : lanes % k == 0 ? lanes : k * lanes);
        sym_var_hint(whole[i], sym_hint(dims[i]));
    }
}

sym_t variant_whole_guard(sym_ctx *c, int n, const sym_t *dims, int64_t lanes) {
    sym_t left = sym_const(c, 0), one = sym_const(c, 1);
    for (int i = 0; i < n; i++) left = sym_add(c, left, sym_mod(c, dims[i], sym_const(c, lanes)));
    return sym_sub(c, one, sym_min(c, one, left));
}

sym_t variant_guard(sym_ctx *c, int n, const sym_t *dims) {
    sym_t all = sym_const(c, 1);
    for (int i = 0; i < n; i++) {
        sym_t one = sym_max(c, sym_const(c, 0), sym_sub(c, sym_const(c, 2), dims[i]));
        all = sym_mul(c, all, sym_min(c, one, dims[i]));
    }
    return all;
}
