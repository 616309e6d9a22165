/* Long sorts in parts: passes/split.c. And the order that every sort goes by. */
#ifndef FRIT_PASSES_SPLIT_SORT_H
#define FRIT_PASSES_SPLIT_SORT_H
#include "pass.h"

/* bool: x sorts before y by value, NaN as the largest; descending turns it around. Tensors of equal dims, or elements. */
ir_value *sort_before(ir_builder *b, ir_value *x, ir_value *y, bool descending);

/* Sorts of long lines of known length in f: of each part first, then of what the parts kept (few results), or by merging
 * neighbouring parts. Returns whether there were any. */
bool split_sorts(pass_ctx *c, ir_func *f);
#endif
