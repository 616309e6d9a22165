/* Elementwise ops over arrays. Register forms: f64 double, f32 float, f16 and bf16 uint16_t (bits), f8 uint8_t (bits),
 * integers their own width, i4 and u4 an 8-bit integer that holds the number, bool uint8_t 0 or 1. */
#ifndef FRIT_TESTS_GPU_EXEC_LOOPS_H
#define FRIT_TESTS_GPU_EXEC_LOOPS_H
#include "ir/ir.h"

/* d[i] = op(a[i * sa], b[i * sb], c[i * sc]), i < n. Strides are 0 or 1; at least one is 1. d overlaps none of them. */
typedef void exec_loop_fn(void *d, const void *a, const void *b, const void *c, int64_t n, int sa, int sb, int sc);
typedef struct exec_loop {
    exec_loop_fn *fn; /* NULL: element by element through scalar_eval */
} exec_loop;

/* The loop of op for operands of dtype `in` (of operand 1 for select) and a result of dtype `out`; NULL when there is none
 * and scalar_eval has to do it. The two tables hold the same loops, compiled for any x86-64 and for x86-64-v3. */
exec_loop_fn *exec_loop_any(ir_opcode op, frit_dtype in, frit_dtype out);
exec_loop_fn *exec_loop_v3(ir_opcode op, frit_dtype in, frit_dtype out);
#endif
