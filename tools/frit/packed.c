#include "packed.h"

/* Every param comes from a file that -w names or from the package itself: nothing was made up, nothing lies beside. */
static bool all_named(const model *m, const frit_package_info *info) {
    for (int i = 0; i < info->n_params; i++)
        if (info->params[i].place != FRIT_PARAM_INSIDE && weights_find(m->weights, info->params[i].name) < 0)
            return false;
    return true;
}

static void make_key(packed *p, arena *a, const model *m, int n_dims, const frit_dim *dims) {
    cache_key_number(a, &p->key, m->has_weights ? weights_digest(m->weights) : 0);
    for (int i = 0; i < n_dims; i++) {
        cache_key_text(a, &p->key, dims[i].name);
        cache_key_number(a, &p->key, (uint64_t)dims[i].value);
    }
}

frit_status packed_load(packed *p, cli *c, const model *m, frit_weights *w, int n_dims, const frit_dim *dims,
                        frit_error *err) {
    *p = (packed){.cache = cache_from_environment(c->arena)};
    if (p->cache.mode != CACHE_OFF && all_named(m, frit_package_get_info(frit_weights_package(w)))) {
        make_key(p, c->arena, m, n_dims, dims);
        if (cache_find_weights(&p->cache, w, &p->key))
            return FRIT_OK;
        p->wanted = true;
    }
    return frit_weights_load(w, err);
}

void packed_store(packed *p, frit_weights *w) {
    if (p->wanted)
        cache_store_weights(&p->cache, w, &p->key);
    p->wanted = false;
}
