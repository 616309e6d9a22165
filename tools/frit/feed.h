/* What goes into a run: inputs, weights and dims, as given or made up. */
#ifndef FRIT_TOOLS_FEED_H
#define FRIT_TOOLS_FEED_H
#include "exec.h"

typedef struct {
    io_array *inputs;  /* one per input of the model */
    io_array *params;  /* one per param, bound */
    int n_inputs, n_params;
} feed;

/* Binds dims and weights of x and makes the inputs from -i, -D, -w and --seed. `sizes` (may be NULL) are dims that take
 * precedence over -D: pairs for a sweep. Returns an exit status; feed_free in any case. */
int feed_make(cli *c, model *m, exec *x, uint64_t seed, int n_sizes, const frit_dim *sizes, feed *f);
void feed_free(feed *f);
#endif
