/* Named precisions: what a model asks for with `--precision`, written into the program itself, so that the interpreter's
 * meaning of the changed program is what kernels are held to. */
#ifndef FRIT_PASSES_PRECISION_H
#define FRIT_PASSES_PRECISION_H
#include "ir/ir.h"

typedef enum precision {
    PRECISION_F32,  /* as written */
    PRECISION_TF32, /* operands of f32 contractions are rounded to 10 bits of mantissa behind the leading one */
    PRECISION_BF16, /* ... to bf16; products are exact and sums f32 in both */
    PRECISION_FAST  /* a target may take the cheapest of these; where f32 is as fast as they are, it is f32 */
} precision;

/* The precision called `name`; false when there is none. */
bool precision_from_name(const char *name, precision *p);
/* Rounds the operands of every contraction of f32 in m. Sums of products that are written by hand become contractions
 * first, so that the way in which a product of matrices is written does not matter. NULL, or what is wrong with m
 * afterwards (a bug of frit's; memory of m). */
const char *precision_apply(ir_module *m, precision p);
#endif
