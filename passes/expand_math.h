/* Transcendental ops (IR_F_TRANSCENDENTAL), and floordiv, mod and rem of floats, rewritten as arithmetic on thread IR:
 * polynomials, range reduction with fma, bit tricks through bitcast; no call of any library. One set of formulas for
 * every target, so that results do not depend on it. Works on scalars and vectors of f32 and f64; f16, bf16 and f8 go
 * through f32.
 *
 * Errors: expand_math_ulps, over all finite arguments (denormals included); infinities, NaN and signed zeros as in C's
 * math.h. Nothing is above 2 units in the last place. tests/codegen/test_math.c measures it.
 * Coefficients are minimax fits made by tests/codegen/fit_math.py. */
#ifndef FRIT_PASSES_EXPAND_MATH_H
#define FRIT_PASSES_EXPAND_MATH_H
#include "ir/ir.h"

/* Rewrites f, a thread-level function, in place. True if anything changed. */
bool expand_math(ir_func *f);

/* How far the expansion of op in f32 or f64 may be from the exact result, in units in the last place of that result;
 * 0 for ops that are not expanded or exact (remainders, integer powers). */
double expand_math_ulps(ir_opcode op, frit_dtype t);

/* About how many ops the expansion of op in f32 is: 1 for ops that are not expanded. */
int expand_math_length(ir_opcode op);
#endif
