/* Reproducible contents for inputs and weights that nobody gave. */
#ifndef FRIT_TOOLS_FILL_H
#define FRIT_TOOLS_FILL_H
#include "io.h"

typedef enum {
    FILL_INPUT, /* floats: standard normal; integers: uniform in [0, bound) */
    FILL_WEIGHT /* matrices: normal, scaled by 1 / sqrt(last dim); vectors: uniform in [0.5, 1.5), so that what is used
                   as a variance or a scale is one */
} fill_kind;

/* Element i depends on (seed, name, i) alone, so that neither order nor other tensors change it. `bound` > 0 limits
 * integers to [0, bound); 0 stands for 8. bool is 0 or 1. */
void fill_seeded(io_array *a, fill_kind kind, uint64_t seed, const char *name, int64_t bound);
#endif
