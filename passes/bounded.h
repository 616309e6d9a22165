/* Values whose elements are known to be small, whatever the inputs: what may be rounded to f16 before it is scaled. */
#ifndef FRIT_PASSES_BOUNDED_H
#define FRIT_PASSES_BOUNDED_H
#include "rewrite.h"

/* Each element of the floats or bools v lies in [-1, 1] or is NaN: exp(x - max(x)) of softmax, sigmoids' kin, masks, their products. */
bool bounded_by_one(rewriter *r, ir_value *v);
#endif
