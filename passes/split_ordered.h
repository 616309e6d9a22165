/* Ops that go through their elements in order, in parts that blocks of threads do side by side: rules of passes/split.c. */
#ifndef FRIT_PASSES_SPLIT_ORDERED_H
#define FRIT_PASSES_SPLIT_ORDERED_H
#include "rewrite.h"

/* A scan along an axis of known length, too long for as few blocks as it has lines: each part's combination first, then a scan of
 * these, then one of each part from what stands before it (reduce-then-scan: Merrill and Grimshaw, "Parallel Scan for Stream
 * Architectures", 2009). NULL where op is no such scan. */
ir_value *split_scan(rewriter *r, ir_op *op);

/* A scatter that adds very many integers to few places, as a histogram does: each part of the updates has a result of its own,
 * which are added up. Integers wrap, so that any order gives the same. NULL where op is no such scatter. */
ir_value *split_scatter(rewriter *r, ir_op *op);
#endif
