/* What the files of the generator share. */
#ifndef FRIT_TESTS_GRAPHGEN_INTERNAL_H
#define FRIT_TESTS_GRAPHGEN_INTERNAL_H
#include "graphgen.h"

enum { GEN_SYMBOLS = 4, GEN_HOST_INTS = 2, GEN_RANK = 5, GEN_FEATURES = 3, GEN_MAX_EXTENT = 7 };

typedef struct gen {
    uint64_t state;
    const graphgen_options *o;
    ir_module *m;
    sym_ctx *s;
    ir_builder b;
    sym_t dims[GEN_SYMBOLS];
    sym_t ints[GEN_HOST_INTS]; /* broad: in 0..A, and in 0..B-1 (B is at least 1) */
    int n_globals;
    VEC(ir_value *) pool;
} gen;

/* A maker adds ops at g->b and returns a value of theirs; NULL when what it drew does not fit together. */
typedef struct gen_maker {
    ir_value *(*make)(gen *g);
    int weight;
    bool control, dependent;
} gen_maker;

/* What all programs draw from (graphgen_ops.c), and what the broad ones do besides (graphgen_broad.c). */
extern const gen_maker gen_plain_makers[];
extern const int gen_n_plain_makers;
extern const gen_maker gen_broad_makers[];
extern const int gen_n_broad_makers;

uint64_t gen_random(uint64_t *state);
int gen_below(gen *g, int n); /* 0 .. n-1 */
bool gen_chance(gen *g, int percent);
frit_dtype gen_dtype(gen *g);
sym_t gen_dim(gen *g);
/* A tensor of these dims is neither too large nor of too high rank. */
bool gen_fits(gen *g, int rank, const sym_t *dims);
void gen_keep(gen *g, ir_value *v); /* later ops may use it */
ir_value *gen_any(gen *g);
/* Some value of type t: from the pool, or made from less. */
ir_value *gen_value(gen *g, ir_type t);
ir_value *gen_splat(gen *g, ir_type t);
/* The bits of x as dtype t of the same width. */
ir_value *gen_bits(gen *g, ir_value *x, frit_dtype t);
bool gen_defined(ir_opcode code, ir_type t); /* an elementwise op on equal types that t has */
ir_value *gen_softmax(gen *g, ir_value *x, int64_t axis);
ir_value *gen_body_value(gen *g, ir_block *b, ir_type t);
#endif
