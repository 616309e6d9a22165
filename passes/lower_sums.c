/* Sums of products in a thread's registers: outer products of a few rows of one staged operand and a few of the other,
 * a vector of reduced positions at a time. Where a row's positions are contiguous in shared memory, the rows of
 * neighbouring threads are neighbours (padding spreads them over the banks); where neighbouring rows are contiguous, a
 * thread takes them in vectors. */
#include "lower_contract.h"

void lower_share_sums(lower *l, lower_contract *p) {
    int m = p->side[0].tile, n = p->side[1].tile, threads = l->lim->threads;
    p->threads[0] = p->threads[1] = 1;
    while (p->threads[0] * p->threads[1] < threads) {
        int i = m / p->threads[0] > n / p->threads[1] ? 0 : 1;
        p->threads[i] *= 2;
    }
    for (int i = 0; i < 2; i++) p->n_each[i] = p->side[i].tile / p->threads[i];
    p->n_sums = p->n_each[0] * p->n_each[1];
}

static int vector_of(frit_dtype t) { return (int)(128 / frit_dtype_bits(t)); }

/* Reduced positions of a step. */
static int step_of(const lower_contract *p) { return vector_of(p->sum) < 4 ? vector_of(p->sum) : 4; }

int lower_sums_registers(lower *l, lower_contract *p) {
    lower_share_sums(l, p);
    return (p->n_sums + (p->n_each[0] + p->n_each[1]) * step_of(p)) * (int)frit_dtype_bits(p->sum) / 32;
}

/* n neighbours in the order of threads: the bits of the thread's number along a side. */
static sym_t thread_along(lower *l, const lower_contract *p, int side) {
    int bits[2] = {lower_log2(p->threads[0]), lower_log2(p->threads[1])};
    return side ? lower_coordinate(l, 0, bits[1]) : lower_coordinate(l, bits[1], bits[0]);
}

/* Rows that a thread takes together. */
static int together(const lower_contract *p, int side) {
    const lower_operand *o = &p->side[side];
    int v = vector_of(o->t);
    if (o->k_inner) return 1;
    return p->n_each[side] < v ? p->n_each[side] : v;
}

/* Row i of this thread. */
static sym_t row_of(lower *l, const lower_contract *p, int side, int i) {
    int v = together(p, side);
    sym_t first = sym_muli(l->syms, thread_along(l, p, side), v);
    return sym_addi(l->syms, first, (int64_t)(i / v) * v * p->threads[side] + i % v);
}

static ir_value *load_staged(lower *l, const lower_operand *o, sym_t buffer, sym_t at, int lanes) {
    sym_ctx *c = l->syms;
    ir_value *index = lower_index(l, sym_add(c, sym_muli(c, buffer, o->elements), at));
    ir_value *v = lower_load(l, l->depth, o->ptr, index, ir_vector(o->t, lanes), NULL, NULL);
    if (lanes > 1) ir_set_int(l->m, v->op, IR_ATTR_align, lanes * (int)frit_dtype_bits(o->t) / 8);
    return v;
}

static ir_value *lane_of(lower *l, ir_value *x, int i) {
    if (x->type.lanes == 1) return x;
    ir_value *v = lower_build(l, l->depth, IR_extract, 1, &x, ir_vector((frit_dtype)x->type.dtype, 1));
    ir_set_int(l->m, v->op, IR_ATTR_offset, i);
    return v;
}

/* x[i * n_k + k]: row i at reduced position k of the step. */
static void load_rows(lower *l, const lower_contract *p, int side, sym_t buffer, sym_t k, int n_k, ir_value **x) {
    sym_ctx *c = l->syms;
    const lower_operand *o = &p->side[side];
    int n = p->n_each[side], v = o->k_inner ? n_k : together(p, side);
    for (int i = 0; i < n && o->k_inner; i++) {
        ir_value *row = load_staged(l, o, buffer, sym_add(c, sym_muli(c, row_of(l, p, side, i), o->ld), k), n_k);
        for (int j = 0; j < n_k; j++) x[i * n_k + j] = lane_of(l, row, j);
    }
    for (int j = 0; j < n_k && !o->k_inner; j++)
        for (int i = 0; i < n; i += v) {
            sym_t at = sym_add(c, sym_muli(c, sym_addi(c, k, j), o->ld), row_of(l, p, side, i));
            ir_value *rows = load_staged(l, o, buffer, at, v);
            for (int q = 0; q < v; q++) x[(i + q) * n_k + j] = lane_of(l, rows, q);
        }
}

static ir_value *multiply_add(lower *l, ir_value *x, ir_value *y, ir_value *sum) {
    ir_value *v[3] = {x, y, sum};
    bool fused = l->lim->fma && (sum->type.dtype == FRIT_f32 || sum->type.dtype == FRIT_f64);
    if (fused) return lower_build(l, l->depth, IR_fma, 3, v, sum->type);
    v[0] = lower_build(l, l->depth, IR_mul, 2, v, sum->type);
    return lower_build(l, l->depth, IR_add, 2, (ir_value *[]){sum, v[0]}, sum->type);
}

void lower_sum_chunk(lower *l, lower_contract *p, sym_t buffer) {
    sym_ctx *c = l->syms;
    int step = step_of(p);
    ir_op *loop = lower_for(l, lower_int(l, FRIT_i64, 0), lower_int(l, FRIT_i64, p->chunk), lower_int(l, FRIT_i64, step),
                            p->n_sums, p->sums);
    sym_t k = sym_var(c, "k", SYM_INDEX, sym_const(c, 0), sym_const(c, p->chunk - step));
    sym_var_bound(c, k, NULL, NULL, step);
    lower_bind(l, k, loop->blocks[0]->args[0], l->depth);
    ir_value **x = arena_array(l->scratch, ir_value *, p->n_each[0] * step), **y = arena_array(l->scratch, ir_value *, p->n_each[1] * step);
    load_rows(l, p, 0, buffer, k, step, x);
    load_rows(l, p, 1, buffer, k, step, y);
    for (int j = 0; j < step; j++)
        for (int m = 0; m < p->n_each[0]; m++)
            for (int n = 0; n < p->n_each[1]; n++) {
                ir_value **sum = &p->sums[m * p->n_each[1] + n];
                *sum = multiply_add(l, x[m * step + j], y[n * step + j], *sum);
            }
    lower_for_end(l, loop, p->n_sums, p->sums);
}

sym_t lower_result_at(lower *l, const lower_contract *p, sym_t row, sym_t col) {
    sym_ctx *c = l->syms;
    sym_t at[2] = {row, col};
    return sym_add(c, sym_muli(c, at[!p->n_inner], p->result_ld[p->n_inner]), at[p->n_inner]);
}

void lower_store_sums(lower *l, lower_contract *p) {
    for (int m = 0; m < p->n_each[0]; m++)
        for (int n = 0; n < p->n_each[1]; n++) {
            sym_t index = lower_result_at(l, p, row_of(l, p, 0, m), row_of(l, p, 1, n));
            lower_store(l, p->result, lower_index(l, index), p->sums[m * p->n_each[1] + n], NULL);
        }
}
