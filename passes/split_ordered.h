/* Ops that go through their elements in order, taken apart so that threads do what they can side by side: for passes/split.c. */
#ifndef FRIT_PASSES_SPLIT_ORDERED_H
#define FRIT_PASSES_SPLIT_ORDERED_H
#include "rewrite.h"

/* Compactions of masks count them by a scan, for targets of blocks of threads: positions then find their places side by side.
 * Returns whether there were any. */
bool split_compacts(pass_ctx *c, ir_func *f);

/* A scatter that adds very many integers to few places, as a histogram does: each part of the updates has a result of its own,
 * which are added up. Integers wrap, so that any order gives the same. NULL where op is no such scatter. */
ir_value *split_scatter(rewriter *r, ir_op *op);
#endif
