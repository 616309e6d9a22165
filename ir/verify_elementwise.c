#include "verify_internal.h"

static bool is_float(ir_type t) { return frit_dtype_is_float((frit_dtype)t.dtype); }

static void check_constant(verifier *v, const ir_op *op) {
    ir_type t = verify_result(op, 0);
    int64_t bytes = ir_attr_get(op, IR_ATTR_value)->data.bytes, n = t.lanes;
    if (t.kind != IR_TENSOR && t.kind != IR_VECTOR) {
        verify_fail(v, 22, op, "is neither a tensor nor a vector");
        return;
    }
    if (bytes == ir_splat_bytes(t)) return;
    bool known = t.kind == IR_VECTOR || sym_is_const(ir_type_elements((ir_module *)v->m, t), &n);
    bool padded = known && n == 2 && bytes == 2 && frit_dtype_bits((frit_dtype)t.dtype) < 8;
    if (!known || (bytes != frit_dtype_bytes((frit_dtype)t.dtype, n) && !padded))
        verify_fail(v, 22, op, "%lld bytes are neither one element nor all", (long long)bytes);
}

static void check_shapes(verifier *v, const ir_op *op) {
    ir_type r = verify_result(op, 0);
    if (r.kind != IR_TENSOR && r.kind != IR_VECTOR) verify_fail(v, 20, op, "the result is neither a tensor nor a vector");
    for (int i = 0; i < op->n_operands; i++)
        if (!verify_same_shape(verify_type(op, i), r)) verify_fail(v, 20, op, "operand %d differs from the result in shape", i);
}

static void check_dtypes(verifier *v, const ir_op *op) {
    uint32_t flags = ir_op_table[op->code].flags;
    int first = op->code == IR_select ? 1 : 0;
    ir_type x = verify_type(op, first), r = verify_result(op, 0);
    if (first && verify_type(op, 0).dtype != FRIT_bool) verify_fail(v, 21, op, "the condition is no bool");
    for (int i = first + 1; i < op->n_operands; i++)
        if (verify_type(op, i).dtype != x.dtype) verify_fail(v, 21, op, "operand %d has another dtype", i);
    if (op->code == IR_cast) return;
    if (op->code == IR_bitcast) {
        if (frit_dtype_bits((frit_dtype)x.dtype) != frit_dtype_bits((frit_dtype)r.dtype))
            verify_fail(v, 21, op, "changes the width");
        return;
    }
    if (r.dtype != (flags & IR_F_COMPARE ? FRIT_bool : x.dtype)) verify_fail(v, 21, op, "the result has the wrong dtype");
    if ((flags & IR_F_FLOAT && !is_float(x)) || (flags & IR_F_INT && is_float(x)))
        verify_fail(v, 21, op, "is not defined on %s", frit_dtype_name((frit_dtype)x.dtype));
}

void verify_elementwise(verifier *v, const ir_op *op) {
    if (op->code == IR_constant) {
        check_constant(v, op);
        return;
    }
    check_shapes(v, op);
    check_dtypes(v, op);
}
