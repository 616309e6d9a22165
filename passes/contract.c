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

/* Squares of outer products, whose factors are equal values computed twice, may be regrouped among equals in turns: what is
 * built from what was built so often is left as it is. An op's mark counts. */
enum { MOST_REGROUPED = 16 };

static ir_value *contract_rule(rewriter *r, ir_op *op) {
    products p;
    ir_op *before = op->prev;
    if (op->mark >= MOST_REGROUPED || !products_read(r, op, &p)) return NULL;
    ir_value *v = products_build(r, &p);
    for (ir_op *o = op->prev; v && o != before; o = o->prev) o->mark = op->mark + 1;
    return v;
}

static void clear_marks(ir_block *b) {
    for (ir_op *op = b->first; op; op = op->next) {
        op->mark = 0;
        for (int i = 0; i < op->n_blocks; i++) clear_marks(op->blocks[i]);
    }
}

bool pass_contract(pass_ctx *c, ir_func *f) {
    clear_marks(f->body);
    bool changed = rewrite_func(c, f, contract_rule);
    clear_marks(f->body);
    return changed;
}
