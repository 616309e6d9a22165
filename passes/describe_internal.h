/* What the files of describe.h share. */
#ifndef FRIT_PASSES_DESCRIBE_INTERNAL_H
#define FRIT_PASSES_DESCRIBE_INTERNAL_H
#include "describe.h"
#include "ir/text.h"

enum { DESCRIBE_VARIABLES = 128 }; /* in scope */

typedef struct describer {
    arena *a;
    const ir_func *f;
    const describe_launch *launch;
    const char **names; /* by id of values of f: what stands for them in formulas, or NULL */
    int *uses, *sizes;  /* by id: of the stage at hand, how often formulas have the value; ops that its formula shows */
    int n_allocs, n_lines; /* buffers seen; lines of intermediate values that the stage at hand may still have */
    int n_scope; /* symbols and what they are called; those of the grid, loops and stage at hand come last */
    sym_t scope[DESCRIBE_VARIABLES], as[DESCRIBE_VARIABLES];
    const char *range; /* of the stage before, which stands over its lines */
    const char **parameters; /* by argument of the launch's func: its name */
    bool sums_alone;   /* what stages reduce is all that they do */
    text out;
} describer;

/* ---- describe_formula.c */
const char *describe_sym(describer *d, sym_t s);
/* A name like `want` that nothing in scope has; it is in scope from here on. */
const char *describe_fresh(describer *d, const char *want);
/* From here on, var is called `name`. */
void describe_enter(describer *d, sym_t var, const char *name);
/* The buffer's name. */
const char *describe_buffer(describer *d, const ir_value *v);
/* Names for n variables, from here on; those that are taken get a number. */
void describe_variables(describer *d, int n, const sym_t *vars);
/* What a stage computes, each line behind `indent`. */
void describe_stage(describer *d, const ir_op *stage, const char *indent);

/* ---- describe_guard.c */
/* A number that is 0 or 1 (variant.h) as the condition for its being 1: "B >= 448". NULL: it is of another form. */
const char *describe_condition(describer *d, sym_t guard);
#endif
