#include "internal.h"
#include <string.h>

ir_builder ir_builder_at_end(ir_module *m, ir_block *b) { return (ir_builder){.m = m, .block = b}; }

ir_builder ir_builder_before(ir_module *m, ir_op *op) {
    return (ir_builder){.m = m, .block = op->parent, .before = op, .span = op->span};
}

ir_builder ir_builder_after(ir_module *m, ir_op *op) {
    return (ir_builder){.m = m, .block = op->parent, .before = op->next, .span = op->span};
}

ir_op *ir_op_new(ir_module *m, ir_opcode code, int n_operands, ir_value *const *operands, int n_results,
                 const ir_type *types) {
    const ir_op_info *info = &ir_op_table[code];
    IR_REQUIRE(code > IR_OP_INVALID && code < IR_OPCODE_COUNT, code, "no such op");
    IR_REQUIRE(info->n_operands < 0 || info->n_operands == n_operands, code, "wrong number of operands");
    IR_REQUIRE(info->n_results < 0 || info->n_results == n_results, code, "wrong number of results");
    ir_op *op = arena_new_of(m->arena, ir_op);
    op->code = code;
    op->n_operands = n_operands;
    op->n_results = n_results;
    op->n_blocks = info->n_blocks;
    op->operands = n_operands ? arena_array(m->arena, ir_use, n_operands) : NULL;
    op->results = n_results ? arena_array(m->arena, ir_value, n_results) : NULL;
    op->blocks = op->n_blocks ? arena_array(m->arena, ir_block *, op->n_blocks) : NULL;
    for (int i = 0; i < n_operands; i++) {
        IR_REQUIRE(operands[i], code, "an operand is NULL");
        op->operands[i].user = op;
        ir_use_set(&op->operands[i], operands[i]);
    }
    for (int i = 0; i < n_results; i++) {
        ir_value_init(m, &op->results[i], types[i]);
        op->results[i].op = op;
        op->results[i].index = i;
    }
    for (int i = 0; i < op->n_blocks; i++) {
        op->blocks[i] = ir_block_new(m);
        op->blocks[i]->op = op;
    }
    return op;
}

ir_op *ir_build(ir_builder *b, ir_opcode code, int n_operands, ir_value *const *operands, int n_results,
                const ir_type *result_types) {
    IR_REQUIRE(b->block, code, "built with no block");
    ir_op *op = ir_op_new(b->m, code, n_operands, operands, n_results, result_types);
    op->span = b->span;
    ir_op_insert(b->block, b->before, op);
    return op;
}

static ir_value *build1(ir_builder *b, ir_opcode code, int n, ir_value *const *operands, ir_type t) {
    return ir_result(ir_build(b, code, n, operands, 1, &t), 0);
}

/* ---- Elementwise ---- */

static bool same_shape(ir_type a, ir_type b) { return ir_type_equal(ir_with_dtype(a, (frit_dtype)b.dtype), b); }

static void require_dtype(ir_opcode code, const ir_value *x) {
    uint32_t flags = ir_op_table[code].flags;
    bool is_float = frit_dtype_is_float((frit_dtype)x->type.dtype);
    IR_REQUIRE(flags & IR_F_ELEMENTWISE, code, "not an elementwise op");
    IR_REQUIRE(!(flags & IR_F_FLOAT) || is_float, code, "wants floats");
    IR_REQUIRE(!(flags & IR_F_INT) || !is_float, code, "wants integers or bool");
}

ir_value *ir_unary(ir_builder *b, ir_opcode code, ir_value *x) {
    require_dtype(code, x);
    IR_REQUIRE(code != IR_cast && code != IR_bitcast, code, "its result dtype does not follow from the operand");
    return build1(b, code, 1, (ir_value *[]){x}, x->type);
}

ir_value *ir_binary(ir_builder *b, ir_opcode code, ir_value *x, ir_value *y) {
    require_dtype(code, x);
    IR_REQUIRE(ir_type_equal(x->type, y->type), code, "operands of different types");
    ir_type t = ir_op_table[code].flags & IR_F_COMPARE ? ir_with_dtype(x->type, FRIT_bool) : x->type;
    return build1(b, code, 2, (ir_value *[]){x, y}, t);
}

ir_value *ir_select(ir_builder *b, ir_value *cond, ir_value *x, ir_value *y) {
    IR_REQUIRE(cond->type.dtype == FRIT_bool, IR_select, "the condition is no bool");
    IR_REQUIRE(same_shape(cond->type, x->type), IR_select, "condition and values differ in shape");
    IR_REQUIRE(ir_type_equal(x->type, y->type), IR_select, "values of different types");
    return build1(b, IR_select, 3, (ir_value *[]){cond, x, y}, x->type);
}

ir_value *ir_fma(ir_builder *b, ir_value *x, ir_value *y, ir_value *z) {
    IR_REQUIRE(ir_type_equal(x->type, y->type) && ir_type_equal(x->type, z->type), IR_fma,
               "operands of different types");
    return build1(b, IR_fma, 3, (ir_value *[]){x, y, z}, x->type);
}

ir_value *ir_cast(ir_builder *b, ir_value *x, frit_dtype t) {
    if (x->type.dtype == t) return x;
    return build1(b, IR_cast, 1, &x, ir_with_dtype(x->type, t));
}

/* ---- Constants ---- */

/* Holds one element of any dtype. A 4-bit element fills both halves of its byte, so that it reads the same as element 0
 * and as element 1. */
typedef struct {
    uint64_t bits;
} element;

static ir_value *splat_of(ir_builder *b, ir_type t, const element *e) {
    IR_REQUIRE(t.kind == IR_TENSOR || t.kind == IR_VECTOR, IR_constant, "neither a tensor nor a vector");
    ir_value *v = build1(b, IR_constant, 0, NULL, t);
    ir_set_data(b->m, v->op, IR_ATTR_value, e, ir_splat_bytes(t));
    return v;
}

ir_value *ir_splat(ir_builder *b, ir_type t, double v) {
    element e = {0};
    for (int i = 0; i < (frit_dtype_bits((frit_dtype)t.dtype) < 8 ? 2 : 1); i++)
        frit_store_float((frit_dtype)t.dtype, &e, i, v);
    return splat_of(b, t, &e);
}

ir_value *ir_splat_int(ir_builder *b, ir_type t, int64_t v) {
    element e = {0};
    for (int i = 0; i < (frit_dtype_bits((frit_dtype)t.dtype) < 8 ? 2 : 1); i++)
        frit_store_int((frit_dtype)t.dtype, &e, i, v);
    return splat_of(b, t, &e);
}

ir_value *ir_dense(ir_builder *b, ir_type t, const void *data, int64_t bytes) {
    int64_t n = -1;
    IR_REQUIRE(t.kind == IR_TENSOR, IR_constant, "not a tensor");
    IR_REQUIRE(sym_is_const(ir_type_elements(b->m, t), &n), IR_constant, "dense with symbolic dims");
    IR_REQUIRE(frit_dtype_bytes((frit_dtype)t.dtype, n) == bytes, IR_constant, "dense with the wrong number of bytes");
    ir_value *v = build1(b, IR_constant, 0, NULL, t);
    if (n > 1 && bytes == ir_splat_bytes(t)) {
        /* Two 4-bit elements fit the byte that would stand for a splat; a second byte tells them apart. */
        uint8_t padded[2] = {*(const uint8_t *)data, 0};
        ir_set_data(b->m, v->op, IR_ATTR_value, padded, 2);
    } else {
        ir_set_data(b->m, v->op, IR_ATTR_value, data, bytes);
    }
    return v;
}

/* ---- Sources ---- */

ir_value *ir_size(ir_builder *b, sym_t s) {
    ir_value *v = build1(b, IR_size, 0, NULL, ir_scalar(FRIT_i64));
    ir_set_syms(b->m, v->op, IR_ATTR_size, 1, &s);
    return v;
}

ir_value *ir_iota(ir_builder *b, ir_type t, int axis) {
    IR_REQUIRE(t.kind == IR_TENSOR && axis >= 0 && axis < t.rank, IR_iota, "axis out of range");
    ir_value *v = build1(b, IR_iota, 0, NULL, t);
    ir_set_int(b->m, v->op, IR_ATTR_axis, axis);
    return v;
}

/* ---- Views ---- */

static void require_tensor(ir_opcode code, const ir_value *x) {
    IR_REQUIRE(x->type.kind == IR_TENSOR, code, "operand is not a tensor");
}

static bool same_dims(int rank, const sym_t *a, const sym_t *b) {
    for (int i = 0; i < rank; i++)
        if (a[i] != b[i]) return false;
    return true;
}

ir_value *ir_reshape(ir_builder *b, ir_value *x, int rank, const sym_t *dims) {
    require_tensor(IR_reshape, x);
    if (rank == x->type.rank && same_dims(rank, dims, x->type.dims)) return x;
    ir_type t = ir_tensor(b->m, (frit_dtype)x->type.dtype, rank, dims);
    return build1(b, IR_reshape, 1, &x, t);
}

ir_value *ir_transpose(ir_builder *b, ir_value *x, const int64_t *perm) {
    require_tensor(IR_transpose, x);
    int rank = x->type.rank;
    sym_t dims[IR_MAX_RANK];
    unsigned seen = 0;
    bool identity = true;
    for (int i = 0; i < rank; i++) {
        IR_REQUIRE(perm[i] >= 0 && perm[i] < rank && !(seen >> perm[i] & 1), IR_transpose, "perm is no permutation");
        seen |= 1u << perm[i];
        identity = identity && perm[i] == i;
        dims[i] = x->type.dims[perm[i]];
    }
    if (identity) return x;
    ir_value *v = build1(b, IR_transpose, 1, &x, ir_tensor(b->m, (frit_dtype)x->type.dtype, rank, dims));
    ir_set_ints(b->m, v->op, IR_ATTR_perm, rank, perm);
    return v;
}

ir_value *ir_broadcast(ir_builder *b, ir_value *x, int rank, const sym_t *dims, const int64_t *axes) {
    require_tensor(IR_broadcast, x);
    for (int i = 0; i < x->type.rank; i++) {
        IR_REQUIRE(axes[i] >= 0 && axes[i] < rank, IR_broadcast, "axis out of range");
        IR_REQUIRE(i == 0 || axes[i] > axes[i - 1], IR_broadcast, "axes do not ascend");
        IR_REQUIRE(x->type.dims[i] == dims[axes[i]] || sym_is(x->type.dims[i], 1), IR_broadcast,
                   "an axis is neither 1 nor the result's dim");
    }
    if (rank == x->type.rank && same_dims(rank, dims, x->type.dims)) return x;
    ir_value *v = build1(b, IR_broadcast, 1, &x, ir_tensor(b->m, (frit_dtype)x->type.dtype, rank, dims));
    ir_set_ints(b->m, v->op, IR_ATTR_axes, x->type.rank, axes);
    return v;
}

ir_value *ir_slice(ir_builder *b, ir_value *x, const sym_t *start, const sym_t *size, const int64_t *step) {
    require_tensor(IR_slice, x);
    int rank = x->type.rank;
    bool whole = same_dims(rank, size, x->type.dims);
    for (int i = 0; i < rank; i++) whole = whole && sym_is(start[i], 0) && step[i] == 1;
    if (whole) return x;
    ir_value *v = build1(b, IR_slice, 1, &x, ir_tensor(b->m, (frit_dtype)x->type.dtype, rank, size));
    ir_set_syms(b->m, v->op, IR_ATTR_start, rank, start);
    ir_set_ints(b->m, v->op, IR_ATTR_step, rank, step);
    return v;
}

ir_value *ir_pad(ir_builder *b, ir_value *x, ir_value *fill, const sym_t *lo, const sym_t *hi) {
    require_tensor(IR_pad, x);
    IR_REQUIRE(ir_type_equal(fill->type, ir_scalar((frit_dtype)x->type.dtype)), IR_pad, "fill is no scalar of x's dtype");
    int rank = x->type.rank;
    sym_t dims[IR_MAX_RANK];
    for (int i = 0; i < rank; i++)
        dims[i] = sym_add(b->m->syms, sym_add(b->m->syms, lo[i], hi[i]), x->type.dims[i]);
    ir_type t = ir_tensor(b->m, (frit_dtype)x->type.dtype, rank, dims);
    ir_value *v = build1(b, IR_pad, 2, (ir_value *[]){x, fill}, t);
    ir_set_syms(b->m, v->op, IR_ATTR_lo, rank, lo);
    ir_set_syms(b->m, v->op, IR_ATTR_hi, rank, hi);
    return v;
}

ir_value *ir_concat(ir_builder *b, int n, ir_value *const *x, int axis) {
    IR_REQUIRE(n >= 1, IR_concat, "no operands");
    require_tensor(IR_concat, x[0]);
    ir_type t = x[0]->type;
    IR_REQUIRE(axis >= 0 && axis < t.rank, IR_concat, "axis out of range");
    if (n == 1) return x[0];
    sym_t dims[IR_MAX_RANK];
    memcpy(dims, t.dims, sizeof(sym_t) * (size_t)t.rank);
    for (int i = 1; i < n; i++) {
        ir_type u = x[i]->type;
        IR_REQUIRE(u.kind == t.kind && u.dtype == t.dtype && u.rank == t.rank, IR_concat, "operands of different kinds");
        for (int d = 0; d < t.rank; d++)
            IR_REQUIRE(d == axis || u.dims[d] == t.dims[d], IR_concat, "operands of different dims");
        dims[axis] = sym_add(b->m->syms, dims[axis], u.dims[axis]);
    }
    ir_value *v = build1(b, IR_concat, n, x, ir_tensor(b->m, (frit_dtype)t.dtype, t.rank, dims));
    ir_set_int(b->m, v->op, IR_ATTR_axis, axis);
    return v;
}

ir_value *ir_view(ir_builder *b, ir_value *data, int rank, const sym_t *dims, const sym_t *axes, const sym_t *map,
                  double fill) {
    require_tensor(IR_view, data);
    for (int i = 0; i < rank; i++) IR_REQUIRE(sym_is_var(axes[i]), IR_view, "axes are not variables");
    ir_value *v = build1(b, IR_view, 1, &data, ir_tensor(b->m, (frit_dtype)data->type.dtype, rank, dims));
    ir_set_syms(b->m, v->op, IR_ATTR_vars, rank, axes);
    ir_set_syms(b->m, v->op, IR_ATTR_map, data->type.rank, map);
    ir_set_float(b->m, v->op, IR_ATTR_fill, fill);
    return v;
}

ir_value *ir_gather(ir_builder *b, ir_value *data, int n_idx, ir_value *const *idx, const sym_t *idx_vars, int rank,
                    const sym_t *dims, const sym_t *axes, const sym_t *map, double fill) {
    require_tensor(IR_gather, data);
    if (n_idx == 0) return ir_view(b, data, rank, dims, axes, map, fill);
    ir_value **operands = arena_array(b->m->arena, ir_value *, n_idx + 1);
    operands[0] = data;
    for (int i = 0; i < n_idx; i++) {
        ir_type t = idx[i]->type;
        IR_REQUIRE(t.kind == IR_TENSOR && frit_dtype_is_int((frit_dtype)t.dtype), IR_gather, "an index is no integer tensor");
        IR_REQUIRE(t.rank == rank && same_dims(rank, t.dims, dims), IR_gather, "an index differs from the result in dims");
        IR_REQUIRE(sym_is_var(idx_vars[i]), IR_gather, "idx are not variables");
        operands[i + 1] = idx[i];
    }
    for (int i = 0; i < rank; i++) IR_REQUIRE(sym_is_var(axes[i]), IR_gather, "axes are not variables");
    ir_type t = ir_tensor(b->m, (frit_dtype)data->type.dtype, rank, dims);
    ir_value *v = build1(b, IR_gather, n_idx + 1, operands, t);
    ir_set_syms(b->m, v->op, IR_ATTR_vars, rank, axes);
    ir_set_syms(b->m, v->op, IR_ATTR_idx, n_idx, idx_vars);
    ir_set_syms(b->m, v->op, IR_ATTR_map, data->type.rank, map);
    ir_set_float(b->m, v->op, IR_ATTR_fill, fill);
    return v;
}

/* ---- Reductions ---- */

/* Axes as a set of bits; each in range and named once. */
static unsigned axis_set(ir_opcode code, int rank, int n, const int64_t *axes) {
    unsigned set = 0;
    for (int i = 0; i < n; i++) {
        IR_REQUIRE(axes[i] >= 0 && axes[i] < rank && !(set >> axes[i] & 1), code, "axes out of range or repeated");
        set |= 1u << axes[i];
    }
    return set;
}

ir_value *ir_reduce(ir_builder *b, ir_combine c, ir_value *x, int n_axes, const int64_t *axes, frit_dtype t) {
    require_tensor(IR_reduce, x);
    IR_REQUIRE((unsigned)c < IR_SET, IR_reduce, "no such combination");
    unsigned set = axis_set(IR_reduce, x->type.rank, n_axes, axes);
    sym_t dims[IR_MAX_RANK];
    int64_t ascending[IR_MAX_RANK];
    int rank = 0, n = 0;
    for (int i = 0; i < x->type.rank; i++) {
        if (set >> i & 1) ascending[n++] = i;
        else dims[rank++] = x->type.dims[i];
    }
    ir_value *v = build1(b, IR_reduce, 1, &x, ir_tensor(b->m, t, rank, dims));
    ir_set_int(b->m, v->op, IR_ATTR_combine, c);
    ir_set_ints(b->m, v->op, IR_ATTR_axes, n, ascending);
    return v;
}

ir_value *ir_contract(ir_builder *b, ir_value *x, ir_value *y, int n_batch, const int64_t *x_batch,
                      const int64_t *y_batch, int n_contract, const int64_t *x_contract, const int64_t *y_contract,
                      frit_dtype t) {
    require_tensor(IR_contract, x);
    require_tensor(IR_contract, y);
    IR_REQUIRE(x->type.dtype == y->type.dtype, IR_contract, "operands of different dtypes");
    unsigned in_x = axis_set(IR_contract, x->type.rank, n_batch, x_batch);
    unsigned in_y = axis_set(IR_contract, y->type.rank, n_batch, y_batch);
    unsigned sum_x = axis_set(IR_contract, x->type.rank, n_contract, x_contract);
    unsigned sum_y = axis_set(IR_contract, y->type.rank, n_contract, y_contract);
    IR_REQUIRE(!(in_x & sum_x) && !(in_y & sum_y), IR_contract, "an axis is both batch and summed");
    sym_t dims[2 * IR_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < n_batch; i++) {
        dims[rank++] = x->type.dims[x_batch[i]];
        IR_REQUIRE(dims[i] == y->type.dims[y_batch[i]], IR_contract, "batch dims differ");
    }
    for (int i = 0; i < n_contract; i++)
        IR_REQUIRE(x->type.dims[x_contract[i]] == y->type.dims[y_contract[i]], IR_contract, "summed dims differ");
    for (int i = 0; i < x->type.rank; i++)
        if (!((in_x | sum_x) >> i & 1)) dims[rank++] = x->type.dims[i];
    for (int i = 0; i < y->type.rank; i++)
        if (!((in_y | sum_y) >> i & 1)) dims[rank++] = y->type.dims[i];
    ir_value *v = build1(b, IR_contract, 2, (ir_value *[]){x, y}, ir_tensor(b->m, t, rank, dims));
    ir_set_ints(b->m, v->op, IR_ATTR_lhs_batch, n_batch, x_batch);
    ir_set_ints(b->m, v->op, IR_ATTR_rhs_batch, n_batch, y_batch);
    ir_set_ints(b->m, v->op, IR_ATTR_lhs_contract, n_contract, x_contract);
    ir_set_ints(b->m, v->op, IR_ATTR_rhs_contract, n_contract, y_contract);
    return v;
}
