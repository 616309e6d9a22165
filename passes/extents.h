/* Long extents: where the shapes of weights are open, the dims of a deep network are formulas that grow with its depth, and
 * index maps multiply them. Each long formula becomes one opaque variable (sym_opaque): kernels see short extents, those of
 * layers that are alike are alike, and the formula is computed once per run. */
#ifndef FRIT_PASSES_EXTENTS_H
#define FRIT_PASSES_EXTENTS_H
#include "ir/ir.h"

/* Rewrites the types and attributes of all tensor-level funcs and the types of params and states. Equal formulas stay equal;
 * products of a formula and sums of it and a few terms are written with its variable. Checks keep their formulas. The open size of a
 * sliding window gets the typical size of one. */
void shorten_extents(ir_module *m);
#endif
