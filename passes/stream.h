/* Streaming: several reductions over one long axis done in a single pass over chunks of it, so that what lies between them
 * (the scores of attention) is never kept whole.
 *
 * A reduction that does not depend on another over the same axis keeps a running value. One that does must be a sum whose
 * terms carry the earlier value m only as a factor exp(W(m)), W being the same for all terms of an element: when m moves
 * from m0 to m1, what is summed so far is multiplied by exp(W(m1) - W(m0)). That gives the online softmax (Milakov and
 * Gimelshein, "Online normalizer calculation for softmax", 2018) and, with a contraction as the later sum, streaming
 * attention (Rabe and Staats, "Self-attention does not need O(n^2) memory", 2021), however they are spelt. */
#ifndef FRIT_PASSES_STREAM_H
#define FRIT_PASSES_STREAM_H
#include "region.h"
#include "schedule_sizes.h"

enum { STREAM_MAX_VARS = 32, STREAM_MAX_TERMS = 4, STREAM_MAX_FACTORS = 4 };

typedef enum stream_role {
    STREAM_BEFORE, /* does not vary along the axis, nor depends on what is reduced over it */
    STREAM_BODY,   /* has the axis as one of its own: done chunk by chunk */
    STREAM_STATE,  /* reduces over it */
    STREAM_AFTER   /* depends on a state's final value */
} stream_role;

/* +- v * factors (or / factor), an element of v at `at`. */
typedef struct stream_term {
    ir_value *v;
    const sym_t *at;
    bool minus;
    int n_factors;
    ir_value *factor[STREAM_MAX_FACTORS];
    const sym_t *factor_at[STREAM_MAX_FACTORS];
    bool divides[STREAM_MAX_FACTORS];
} stream_term;

typedef struct stream_nest {
    stream_role role;
    bool early;   /* a state that others depend on within the pass */
    bool scaled;  /* a state whose terms have the factor exp(W) (or exp2) */
    bool base2;
    int n_terms;  /* of W; coordinates are in the nest's own variables, and do not move along the axis */
    stream_term term[STREAM_MAX_TERMS];
} stream_nest;

typedef struct stream {
    sym_t extent; /* of the axis */
    int n_vars;
    sym_t vars[STREAM_MAX_VARS]; /* each nest's own name of it */
    stream_nest *nests;          /* by index in the region */
    sym_t first, last; /* positions before and behind have no effect, in the nests' variables; NULL: not known */
} stream;

/* The axis along which the region should be streamed, or NULL: a value between nests would be kept along it, it is not known
 * to be short, as the schedule takes it, and every reduction over it has a rule. Memory comes from the region's scratch. */
stream *stream_choose(region *r, const schedule_sizes *z);
/* All reductions over axes of the extent `row` in one pass, where each of them has a rule and nothing between nests is kept along such an
 * axis; what needs their results goes over the row again, behind the pass. NULL: they can't be. */
stream *stream_rows(region *r, sym_t row);
/* All contractions of the region are of one dtype of 16 or 32 bits, such as sums of products can be rounded to and multiplied
 * again: what a task takes on then; NULL: they are not. */
const schedule_rows *stream_of_products(const region *r, const schedule_sizes *z);
/* What a task keeps of a row has at most so many elements, along every axis but the streamed one. */
bool stream_is_narrow(const region *r, const stream *s, int64_t most);
/* Sets first and last. */
void stream_bound(region *r, stream *s);
/* Which of the stream's variables var is, or -1. */
int stream_var(const stream *s, sym_t var);
#endif
