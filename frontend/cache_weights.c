#include "cache_weights.h"
#include <stdlib.h>
#include <string.h>

static cache_key whole_key(arena *a, const frit_weights *w, const cache_key *k) {
    cache_key whole = {0};
    cache_key_text(a, &whole, "packed weights");
    cache_key_number(a, &whole, frit_package_get_info(frit_weights_package(w))->digest);
    cache_key_text(a, &whole, frit_weights_target(w));
    cache_key_bytes(a, &whole, k->data, (size_t)k->len);
    return whole;
}

static const char *name_of(arena *a, const frit_weights *w) {
    return arena_printf(a, "%s_packed", frit_package_get_info(frit_weights_package(w))->entry);
}

static void close_entry(void *u) {
    cache_close(u);
    free(u);
}

bool cache_find_weights(const cache *c, frit_weights *w, const cache_key *k) {
    arena *a = arena_new();
    cache_entry *e = malloc(sizeof *e);
    cache_key whole = whole_key(a, w, k);
    bool found = e && cache_find(c, name_of(a, w), &whole, e);
    bool taken = found && frit_weights_restore(w, e->package, e->n_package, close_entry, e, NULL) == FRIT_OK;
    if (found && !taken)
        cache_close(e);
    if (!taken)
        free(e);
    arena_free(a);
    return taken;
}

static bool fill(void *u, bool (*put)(void *to, const void *bytes, size_t n), void *to) {
    return frit_weights_save(u, put, to, NULL) == FRIT_OK;
}

bool cache_store_weights(const cache *c, frit_weights *w, const cache_key *k) {
    arena *a = arena_new();
    cache_key whole = whole_key(a, w, k);
    cache_record r = {.name = name_of(a, w), .n_package = frit_weights_saved_size(w), .fill = fill, .fill_ctx = w};
    bool stored = r.n_package && cache_store(c, &whole, &r);
    arena_free(a);
    return stored;
}
