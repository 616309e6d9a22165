/* Symbolic integers: dims, index expressions, sizes, offsets and guards are all written with these.
 *
 * An expression is immutable and hash-consed in its context: two expressions that are equal after canonicalisation are
 * the same pointer. The canonical form is a polynomial: a constant plus a sorted list of terms, each an integer
 * coefficient times a product of atoms; an atom is a variable or one of floordiv, mod, min, max over expressions.
 * Division and remainder round toward minus infinity; division by zero evaluates to 0 and x mod 0 to 0.
 * Arithmetic is checked 64-bit: an overflow while folding, or a formula too long to be walked (sym_internal.h), gives
 * an invalid one, which no comparison proves anything about and which fails to evaluate. */
#ifndef FRIT_IR_SYM_H
#define FRIT_IR_SYM_H
#include "arena.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct sym_ctx sym_ctx;
typedef struct sym sym;
typedef const sym *sym_t; /* what the rest of frit passes around */

typedef enum sym_role {
    SYM_DIM,   /* an extent of a tensor: >= 0 */
    SYM_INT,   /* a host integer given per run (an `int` input, the counter of a run-time loop): any value in [lo, hi] */
    SYM_INDEX, /* an index of a loop axis: in [lo, hi] while the loop body runs */
    SYM_VALUE  /* an integer that a kernel reads from a tensor (gather): any value */
} sym_role;

typedef enum sym_kind { SYM_CONST, SYM_VAR, SYM_SUM, SYM_PRODUCT, SYM_FLOORDIV, SYM_MOD, SYM_MIN, SYM_MAX, SYM_INVALID } sym_kind;

sym_ctx *sym_ctx_new(arena *a);

/* Forgets every expression made since `sym_here`: for trials that leave nothing behind. Nothing made before may have come
 * to refer to something made since. Places are given back last first. */
typedef struct sym_place {
    sym_t last;
    int next_id;
    arena_place memory;
} sym_place;
sym_place sym_here(const sym_ctx *c);
void sym_back(sym_ctx *c, sym_place to);

/* Leaves. sym_var makes a fresh variable at each call; `name` is for people (copied). lo and hi bound it inclusively;
 * NULL is no bound (but a SYM_DIM is never below 0). */
sym_t sym_const(sym_ctx *c, int64_t v);
sym_t sym_var(sym_ctx *c, const char *name, sym_role role, sym_t lo, sym_t hi);
/* A loop index over [0, extent). */
sym_t sym_index(sym_ctx *c, const char *name, sym_t extent);
/* A variable that stands for a formula and evaluates to its value: what is long to write becomes short, and to proofs it is
 * a variable with the formula's numeric bounds, divisor and typical size. One formula has one variable, whose role and name
 * are those of the first call. */
sym_t sym_opaque(sym_ctx *c, const char *name, sym_role role, sym_t formula);
/* The formula of such a variable; NULL of any other. */
sym_t sym_definition(sym_t var);
/* Another formula with the same value, once dims have been found equal. */
void sym_redefine(sym_t opaque, sym_t formula);
/* How long s is: its leaves (an opaque variable is one), counted up to a little over `most`. */
int sym_leaves(sym_t s, int most);
/* Narrow what is known of a variable (from `where`, assert, or a solved binding). `multiple`: v % multiple == 0. */
void sym_var_bound(sym_ctx *c, sym_t var, sym_t lo, sym_t hi, int64_t multiple);

sym_t sym_add(sym_ctx *c, sym_t a, sym_t b);
sym_t sym_sub(sym_ctx *c, sym_t a, sym_t b);
sym_t sym_mul(sym_ctx *c, sym_t a, sym_t b);
sym_t sym_floordiv(sym_ctx *c, sym_t a, sym_t b);
sym_t sym_mod(sym_ctx *c, sym_t a, sym_t b);
sym_t sym_min(sym_ctx *c, sym_t a, sym_t b);
sym_t sym_max(sym_ctx *c, sym_t a, sym_t b);
sym_t sym_ceildiv(sym_ctx *c, sym_t a, sym_t b);
static inline sym_t sym_addi(sym_ctx *c, sym_t a, int64_t b) { return sym_add(c, a, sym_const(c, b)); }
static inline sym_t sym_muli(sym_ctx *c, sym_t a, int64_t b) { return sym_mul(c, a, sym_const(c, b)); }
/* Product of n extents (1 for none). */
sym_t sym_prod(sym_ctx *c, const sym_t *v, int n);

/* Queries. */
sym_kind sym_kind_of(sym_t s);
bool sym_is_const(sym_t s, int64_t *v); /* v may be NULL */
bool sym_is(sym_t s, int64_t v);
bool sym_is_invalid(sym_t s);
bool sym_is_var(sym_t s);
sym_role sym_var_role(sym_t var);
const char *sym_var_name(sym_t var);
int sym_var_id(sym_t var); /* dense, in creation order */
int sym_id(sym_t s);       /* of any expression: equal ids, equal expressions */
int sym_count(const sym_ctx *c); /* ids of what has been made so far are below it */
sym_t sym_var_lo(sym_t var), sym_var_hi(sym_t var);
int64_t sym_var_multiple(sym_t var); /* 1 when nothing is known */
bool sym_uses(sym_t s, sym_t var); /* itself or in the formula of an opaque variable */
/* Calls f for each distinct variable of s, in id order. */
void sym_each_var(sym_t s, void (*f)(void *u, sym_t var), void *u);
/* The two operands of FLOORDIV, MOD, MIN, MAX. */
sym_t sym_arg(sym_t s, int i);
/* SUM or PRODUCT seen as constant + sum of coefficient * atoms: n terms (a constant or lone atom counts as a sum too).
 * sym_term gives the coefficient and the product of atoms as an expression. */
int64_t sym_constant_part(sym_t s);
int sym_n_terms(sym_t s);
int64_t sym_term(sym_ctx *c, sym_t s, int i, sym_t *atoms);
/* The factors of such a product of atoms: of a PRODUCT several, of anything else itself. */
int sym_n_atoms(sym_t product);
sym_t sym_atom(sym_t product, int i);

/* Structure. */
/* s = coef * var + rest with var in neither; false when s is not of that form. */
bool sym_linear(sym_ctx *c, sym_t s, sym_t var, sym_t *coef, sym_t *rest);
/* All of vars[i] replaced by with[i] at once, and the result simplified again. */
sym_t sym_subst(sym_ctx *c, sym_t s, int n, const sym_t *vars, const sym_t *with);

/* Proof from the bounds of the variables. true = certainly; false = not known. */
bool sym_prove_ge(sym_ctx *c, sym_t a, sym_t b);
bool sym_prove_lt(sym_ctx *c, sym_t a, sym_t b);
static inline bool sym_prove_ge0(sym_ctx *c, sym_t a) { return sym_prove_ge(c, a, sym_const(c, 0)); }
/* v divides s whatever the variables are. */
bool sym_prove_multiple(sym_ctx *c, sym_t s, int64_t v);
/* Inclusive numeric bounds of s; INT64_MIN / INT64_MAX when unbounded. */
void sym_range(sym_ctx *c, sym_t s, int64_t *lo, int64_t *hi);

/* Numbers. value(u, var, &v) gives a variable's value; false stops. Overflow is false too. */
bool sym_eval(sym_t s, bool (*value)(void *u, sym_t var, int64_t *v), void *u, int64_t *out);
/* A plausible number for cost models: consts as they are, dims without a value at their typical size. */
int64_t sym_hint(sym_t s);
void sym_var_hint(sym_t var, int64_t hint);

/* Text: `2*H*E + (d // E) - 1`, `min(a, b)`. sym_print returns arena memory of `a`. The reader is read_sym.c. */
const char *sym_print(arena *a, sym_t s);
#endif
