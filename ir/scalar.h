/* The meaning of every elementwise op on one element: what the interpreter loops over and constant folding calls.
 * Rows and their exact wording: elementwise.def. */
#ifndef FRIT_IR_SCALAR_H
#define FRIT_IR_SCALAR_H
#include "ir.h"

/* One element. A float dtype uses `f`, a number that the dtype holds exactly; integers and bool use `i`, extended to 64
 * bits by their sign (u64 keeps its bits). */
typedef union scalar {
    double f;
    int64_t i;
} scalar;

scalar scalar_load(frit_dtype t, const void *buf, int64_t index);
void scalar_store(frit_dtype t, void *buf, int64_t index, scalar x);
/* x rounded once to a float dtype (to nearest even; f8 saturates), or wrapped to an integer dtype. */
double scalar_round(frit_dtype t, double x);
int64_t scalar_wrap(frit_dtype t, int64_t x);

/* result = op(args). `in` is the dtype of the operands (of operand 1 for select, whose operand 0 is bool), `out` of the
 * result; they differ for comparisons, cast and bitcast only. False: op is not elementwise, or not defined on `in`
 * (IR_F_FLOAT, IR_F_INT), or bitcast between widths. Floats: f64 and f32 round the exact result once (transcendental
 * ops: the C library's double result); f16, bf16 and f8 round to f32 first. Division of floats by floor follows NumPy:
 * the exact quotient's floor, and the remainder has the sign of y. */
bool scalar_eval(ir_opcode op, frit_dtype in, frit_dtype out, const scalar *args, scalar *result);

/* How far a kernel's own version of the op may be from the rounded result, in units in the last place. */
double scalar_ulps(ir_opcode op);
#endif
