/* What the algebraic passes share: a sweep that offers every op to one rule function, and questions about values. */
#ifndef FRIT_PASSES_REWRITE_H
#define FRIT_PASSES_REWRITE_H
#include "access.h"
#include "ir/scalar.h"
#include "pass.h"

typedef struct rewriter {
    ir_module *m;
    sym_ctx *s;
    arena *scratch;
    bool exact;    /* inexact rules are off */
    const struct frit_target_limits *limits; /* or NULL */
    ir_builder at; /* before the op on offer */
    access x;
} rewriter;

/* Returns a value of equal type that takes the place of op's only result, or NULL to leave op alone. New ops go to
 * r->at; nothing is built when NULL is returned. */
typedef ir_value *rewrite_rule(rewriter *r, ir_op *op);

/* Offers each op with one result, operands before users and ops inside nested blocks too (kernels excepted), and then
 * offers what a rule has built until no rule applies. A rule set that fails to terminate is cut off. */
bool rewrite_func(pass_ctx *c, ir_func *f, rewrite_rule *rule);

/* The element of a constant that is one element for all. */
bool splat_of(const ir_value *v, scalar *out);
/* v is a constant of floats (or integers) all equal to x, the sign of zero included. */
bool is_splat_float(const ir_value *v, double x);
bool is_splat_int(const ir_value *v, int64_t x);
ir_value *make_splat(ir_builder *b, ir_type t, scalar x);
bool is_float_type(ir_type t);
bool single_use(const ir_value *v);
/* 0 <= e < extent, whatever the variables are within their bounds. */
bool in_range(sym_ctx *s, sym_t e, sym_t extent);
/* e contains a floordiv or mod. */
bool has_division(sym_t e);
/* x with its axes of extent 1 in `drop` (a set of bits) gone. */
ir_value *drop_axes(ir_builder *b, ir_value *x, unsigned drop);
#endif
