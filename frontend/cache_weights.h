/* Packed weights in the cache: what a package's load program made of the params, mapped by later processes. An entry's
 * key: the package's digest, the target, and what the caller says that the params depend on. */
#ifndef FRIT_FRONTEND_CACHE_WEIGHTS_H
#define FRIT_FRONTEND_CACHE_WEIGHTS_H
#include "cache.h"
#include "runtime/frit.h"

/* Restores w (bound, not loaded) from the cache; the entry is closed when the weights are gone. False: a miss, and w is
 * as it was. `k` is the caller's part. */
bool cache_find_weights(const cache *c, frit_weights *w, const cache_key *k);
/* Stores what w's load program made, if there is anything. False when it was not stored. */
bool cache_store_weights(const cache *c, frit_weights *w, const cache_key *k);
#endif
