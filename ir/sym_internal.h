/* Symbolic integers as the files sym*.c see them: nodes, contexts, sums under construction. */
#ifndef FRIT_IR_SYM_INTERNAL_H
#define FRIT_IR_SYM_INTERNAL_H
#include "sym.h"

/* A formula whose leaves, written out in full, are more than SYM_MAX_WEIGHT is refused: functions that walk one, and programs
 * that evaluate one, see shared parts once for every use, which a few dozen layers can make astronomically many. */
enum { SYM_MAX_TERMS = 128, SYM_MAX_WEIGHT = 1 << 16 };

typedef struct term {
    int64_t coef;
    sym_t mono;
} term;

struct sym {
    uint8_t kind; /* sym_kind */
    uint8_t role;
    uint16_t n;
    int id;
    uint32_t hash;
    uint32_t weight; /* leaves of the formula written out, those of opaque variables' formulas included */
    sym_t next; /* hash chain */
    sym_t made; /* the node that was made before this one */
    sym_t opaque; /* the variable that stands for it, or NULL */
    /* What is known of the node while the bounds of variables stay as they are (the context's epoch). */
    uint32_t range_epoch, sign_epoch;
    bool nonnegative; /* valid in sign_epoch: proved >= 0, or not provable */
    int64_t range_lo, range_hi;
    union {
        int64_t value; /* CONST */
        struct {
            const char *name;
            sym_t lo, hi;
            int64_t multiple, hint;
            sym_t definition;
        } var;
        struct {
            int64_t c0;
            const term *terms;
        } sum;
        const sym_t *atoms; /* PRODUCT */
        sym_t arg[2];
    };
};

struct sym_ctx {
    arena *arena; /* nodes alone */
    arena *tables;
    sym_t last; /* the node made last */
    sym_t *table;
    int size, count, next_id;
    int work; /* budget of the proof under way */
    bool proving;
    uint32_t epoch; /* advances when a variable's bounds change */
    sym_t invalid, zero, one;
};

/* A sum being built. Overflow or too many terms sets bad. */
typedef struct poly {
    int64_t c0;
    int n;
    bool bad;
    term t[SYM_MAX_TERMS];
} poly;

/* The one node equal to proto (sym.c lists what holds of a node); whatever proto points to is copied. */
sym_t sym_intern(sym_ctx *c, const sym *proto);

/* Adds the distinct variables of s in id order; those beyond cap are left out. */
typedef struct sym_var_list {
    sym_t *v;
    int n, cap;
} sym_var_list;
void sym_collect_vars(sym_t s, sym_var_list *l);

/* Sums under construction. */
void poly_clear(poly *p);
/* p = s */
void poly_of(poly *p, sym_t s);
/* p += coef * mono */
void poly_add_term(poly *p, int64_t coef, sym_t mono);
/* p += k * s */
void poly_add(poly *p, int64_t k, sym_t s);
/* The expression; an invalid one of a bad sum. */
sym_t poly_sym(sym_ctx *c, const poly *p);
/* a / b when b's atoms are all among a's. *q is NULL for the quotient 1. */
bool mono_div(sym_ctx *c, sym_t a, sym_t b, sym_t *q);

/* Division of numbers toward minus infinity, defined for every operand: x // 0 = 0, x % 0 = 0. */
static inline int64_t floor_div(int64_t a, int64_t b) {
    if (b == 0) return 0;
    if (a == INT64_MIN && b == -1) return INT64_MIN;
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}
static inline int64_t floor_mod(int64_t a, int64_t b) {
    if (b == 0 || b == -1) return 0;
    int64_t m = a % b;
    return m + (m != 0 && (m < 0) != (b < 0) ? b : 0);
}
static inline int64_t gcd(int64_t a, int64_t b) {
    while (b) {
        int64_t t = a % b;
        a = b;
        b = t;
    }
    return a < 0 ? -a : a;
}
static inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
#endif
