/* The compiled model of `frit run`: from the cache if it is there, else compiled and stored. */
#ifndef FRIT_TOOLS_WARM_H
#define FRIT_TOOLS_WARM_H
#include "frontend/cache.h"
#include "model.h"

/* `m` has been read (model_read). Gives the package's bytes, in e or the arena; on a miss the model is elaborated and
 * its weights are checked. `e` is closed by the caller, once nobody reads the bytes. Returns an exit status. */
int warm_package(cli *c, model *m, cache_entry *e, const void **bytes, size_t *size);
#endif
