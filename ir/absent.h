/* Positions that a program excludes: a term of a sum is left out, whatever its other factors, where one of its factors
 * says so. What an element says follows from the op that computes it:
 *
 *   exp(x), exp2(x)       excluded where x is -inf (not of f8e4m3, which has no infinities)
 *   select(c, x, 0)       excluded where c is false, and where x is; select(c, 0, x) likewise
 *   x * y                 where x or y is
 *   x / y                 where x is, unless 0 / y is NaN
 *   neg, float casts, views of single elements: where x is
 *
 * Nothing else excludes: not a small number (exp(-1e9) is 0, and 0 * NaN is NaN), not a cast of a bool, nor what passes
 * through memory that outlives the op: block arguments, results of control flow, states.
 *
 * The interpreter follows these rules forward (interp_absent.c), and so does the pass that writes them into the program
 * for compilation (passes/absent.c): there an excluded element of a contraction's operand becomes -0, all others are
 * something else, and the contraction's attribute `absent` says so. */
#ifndef FRIT_IR_ABSENT_H
#define FRIT_IR_ABSENT_H
#include "ir.h"

typedef enum ir_absence {
    IR_ABSENT_NEVER,
    IR_ABSENT_LOW,      /* where operand 0 is -inf */
    IR_ABSENT_CHOSEN,   /* select: where the chosen operand is, or is the literal that ir_excludes names */
    IR_ABSENT_ALIKE,    /* where operand 0 is */
    IR_ABSENT_EITHER,   /* where operand 0 or 1 is */
    IR_ABSENT_QUOTIENT, /* where operand 0 is and operand 1 is neither 0 nor NaN */
} ir_absence;

/* How the absence of op's result follows from its operands. Only ops whose result is a float tensor have any. */
ir_absence ir_absence_of(const ir_op *op);
/* Operand i (1 or 2) of a select is a 0 that excludes: the other choice is no 0, and the condition no constant. */
bool ir_excludes(const ir_op *select, int i);
/* Operand i of a contraction marks absent elements as -0. */
bool ir_marks_absent(const ir_op *contract, int i);
#endif
