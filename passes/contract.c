/* Sums of products become contractions over the smallest operands.
 *
 * Terminates: what is built from a sum of products has the factors of each operand in one group already, no axis of 1,
 * no neighbouring axes that could be one, and no factor that would leave the sum; reading it again gives the same
 * groups (the grouping that stands is preferred among equally cheap ones), so that it is left alone. Ties in cost are
 * broken by order, never by addresses.
 *
 * Inexact on floats (and off in exact mode): factors and repeated axes leave the sum, products of three and more are
 * regrouped, sums of single terms are not formed, axes of one operand alone are summed first, f16 and bf16 products
 * keep their bits. This also moves what is no number: 0 * inf inside a sum is NaN, (0 + 1) * inf behind it is inf,
 * and where a factor was to keep terms small, a sum near the largest number may overflow before it comes. An empty sum (an
 * axis of extent 0) stays 0, and a factor that a mask makes 0 does not leave the sum, nor is it summed alone. Forming a contraction of f32, f64 or integers is exact: the same products are added in the
 * same order. */
#include "products.h"

static ir_value *contract_rule(rewriter *r, ir_op *op) {
    products p;
    return products_read(r, op, &p) ? products_build(r, &p) : NULL;
}

bool pass_contract(pass_ctx *c, ir_func *f) { return rewrite_func(c, f, contract_rule); }
