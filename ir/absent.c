#include "absent.h"

static bool is_float(const ir_value *v) { return frit_dtype_is_float((frit_dtype)v->type.dtype); }

ir_absence ir_absence_of(const ir_op *op) {
    if (op->n_results != 1 || !is_float(ir_result(op, 0))) return IR_ABSENT_NEVER;
    switch (op->code) {
    case IR_exp:
    case IR_exp2: return ir_result(op, 0)->type.dtype == FRIT_f8e4m3 ? IR_ABSENT_NEVER : IR_ABSENT_LOW; /* it has no infinities */
    case IR_select: return IR_ABSENT_CHOSEN;
    case IR_mul: return IR_ABSENT_EITHER;
    case IR_div: return IR_ABSENT_QUOTIENT;
    case IR_cast: return is_float(ir_operand(op, 0)) ? IR_ABSENT_ALIKE : IR_ABSENT_NEVER;
    case IR_neg:
    case IR_reshape:
    case IR_transpose:
    case IR_broadcast:
    case IR_slice:
    case IR_view:
    case IR_gather: return IR_ABSENT_ALIKE;
    default: return IR_ABSENT_NEVER;
    }
}

/* v without what repeats or converts a number. */
static const ir_value *literal(const ir_value *v) {
    while (v->op && (v->op->code == IR_broadcast || v->op->code == IR_reshape || v->op->code == IR_cast)) v = ir_operand(v->op, 0);
    return v;
}

static bool is_zero(const ir_value *v) {
    double x;
    return ir_splat_value(literal(v), &x) && x == 0;
}

bool ir_excludes(const ir_op *select, int i) {
    double c;
    return is_zero(ir_operand(select, i)) && !is_zero(ir_operand(select, 3 - i)) &&
           !ir_splat_value(literal(ir_operand(select, 0)), &c);
}

bool ir_marks_absent(const ir_op *contract, int i) {
    const int64_t *sides;
    int n = ir_get_ints(contract, IR_ATTR_absent, &sides);
    for (int k = 0; k < n; k++)
        if (sides[k] == i) return true;
    return false;
}
