/* The part of canonicalize that reads index maps (canonicalize_view.c). */
#ifndef FRIT_PASSES_CANONICALIZE_H
#define FRIT_PASSES_CANONICALIZE_H
#include "rewrite.h"

/* A `view` as slice, reshape, transpose and broadcast where its map is one, or composed with the view it reads. */
ir_value *canonical_view(rewriter *r, ir_op *op);
/* A gather whose indices are formulas of positions (iota, constants, sizes) is a view. */
ir_value *canonical_gather(rewriter *r, ir_op *op);
#endif
