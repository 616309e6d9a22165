/* Weights as the load program packs them, kept in the cache between runs: the first run makes them, later ones map them. */
#ifndef FRIT_TOOLS_PACKED_H
#define FRIT_TOOLS_PACKED_H
#include "frontend/cache_weights.h"
#include "model.h"

typedef struct packed {
    cache cache;
    cache_key key;
    bool wanted; /* the weights have a key, and the cache holds none of them yet */
} packed;

/* Loads w (bound, with these dims set), from the cache where it can. */
frit_status packed_load(packed *p, cli *c, const model *m, frit_weights *w, int n_dims, const frit_dim *dims,
                        frit_error *err);
/* Stores what packed_load had to make. After the run: nobody waits for it. */
void packed_store(packed *p, frit_weights *w);
#endif
