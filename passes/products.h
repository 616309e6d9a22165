/* A sum of products, whichever ops it is written with: out[kept] = sum over summed axes of f0[..] * f1[..] * ..., each
 * factor a value read at coordinates over the axes (products.c reads it off a reduce or a contract, products_build.c
 * writes it as contractions). */
#ifndef FRIT_PASSES_PRODUCTS_H
#define FRIT_PASSES_PRODUCTS_H
#include "rewrite.h"

enum { MAX_AXES = 31, MAX_FACTORS = 7 };

/* A value over some of the axes: axis[d] is the axis that its dim d runs along, or -1 for a dim of extent 1 and for the
 * dims of a constant whose elements are equal. */
typedef struct factor {
    ir_value *v;
    int axis[IR_MAX_RANK];
    unsigned axes;    /* the set of them */
    bool divides;     /* the product is divided by it */
    bool outside;     /* applied behind the sum */
    bool cast;        /* v is read rounded to the products' dtype */
    int root;         /* the operand of the contract that it came from; 0 for a reduce */
} factor;

typedef struct products {
    ir_op *op;
    int n_axes, n_factors;
    sym_t var[MAX_AXES], extent[MAX_AXES];
    /* Sets of axes; kept ones come first, in the order of op's result. Axes of extent 1 are in neither: their only
     * index is the constant 0. */
    unsigned kept, summed;
    frit_dtype dtype;      /* of the factors inside the sum, and of root[] */
    factor f[MAX_FACTORS];
    int n_roots;
    factor root[2];        /* the operands of op themselves, as far as they are views */
} products;

/* Reads op (a sum or a contract). False when it is not such a sum, or has too many axes. */
bool products_read(rewriter *r, ir_op *op, products *p);

/* v is 0 by a mask of the program somewhere: a factor that takes its terms out of a sum (ir/absent.h). It stays with every
 * term. */
bool products_masked(const ir_value *v, int depth);

/* Elements along a set of axes, by the typical sizes of dims. */
double products_size(const products *p, unsigned axes);

/* p as the cheapest of: an elementwise product, a reduction, a contraction; NULL when op is that already. */
ir_value *products_build(rewriter *r, products *p);
#endif
