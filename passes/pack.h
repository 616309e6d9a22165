/* Layouts of weights: see pack.c. */
#ifndef FRIT_PASSES_PACK_H
#define FRIT_PASSES_PACK_H
#include "ir/ir.h"

/* Rewrites the contractions of f that read weights to read them in panels. Run it after the tensor passes (they would
 * undo the layout's views) and before fusion. Returns whether anything changed. */
bool pack_weights(ir_module *m, ir_func *f);
#endif
