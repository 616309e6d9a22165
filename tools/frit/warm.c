#include "warm.h"
#include "debug.h"
#include "driver.h"
#include <stdlib.h>
#include <string.h>

/* ---- the key: all that a package depends on, but for imported files ---- */
static bool add_target(cli *c, cache_key *k) {
    const char *t = driver_target(c);
    if (t)
        cache_key_text(c->arena, k, t);
    return t;
}

static bool make_key(cli *c, const model *m, cache_key *k) {
    arena *a = c->arena;
    size_t size;
    const char *text = diag_source_text(c->d, m->source, &size);
    cache_key_text(a, k, "frit run");
    cache_key_compiler(a, k);
    if (!add_target(c, k))
        return false;
    cache_key_text(a, k, m->path); /* packages name their source */
    cache_key_bytes(a, k, text, size);
    cache_key_text(a, k, option_text(&c->o, OPT_entry, NULL));
    cache_key_text(a, k, option_text(&c->o, OPT_precision, NULL));
    cache_key_number(a, k, m->has_weights ? weights_digest(m->weights) : 0);
    cache_key_number(a, k, m->has_weights);
    cache_key_number(a, k, (uint64_t)c->o.values[OPT_define].len);
    for (int i = 0; i < c->o.values[OPT_define].len; i++)
        cache_key_text(a, k, c->o.values[OPT_define].data[i]);
    return true;
}

/* ---- notes: what a run needs of the elaborated model besides its package ---- */
static void add_text(cli *c, cache_key *notes, const char *text) {
    const char *t = text ? text : "";
    for (size_t i = 0, n = strlen(t) + 1; i < n; i++)
        vec_push(c->arena, notes, t[i]);
}

static cache_key write_notes(cli *c, const model *m) {
    cache_key notes = {0};
    add_text(c, &notes, m->unused);
    for (int i = 0; i < m->n_bounds; i++)
        add_text(c, &notes, m->bounds[i]);
    return notes;
}

/* Texts, each with a final zero: the note on weights, then a bound for each input. */
static bool read_notes(cli *c, model *m, const cache_entry *e) {
    const char *at = e->notes, *end = at + e->n_notes;
    if (!e->n_notes || end[-1])
        return false;
    m->unused = *at ? arena_strdup(c->arena, at) : NULL;
    VEC(const char *) bounds = {0};
    for (at += strlen(at) + 1; at < end; at += strlen(at) + 1)
        vec_push(c->arena, &bounds, *at ? arena_strdup(c->arena, at) : NULL);
    m->bounds = bounds.data;
    m->n_bounds = bounds.len;
    return true;
}

/* ---- */
/* The name of the file without folder and ending. */
static const char *short_name(cli *c, const model *m) {
    const char *slash = strrchr(m->path, '/'), *name = slash ? slash + 1 : m->path, *dot = strrchr(name, '.');
    return arena_strndup(c->arena, name, dot ? (size_t)(dot - name) : strlen(name));
}

static void store(cli *c, const model *m, const cache *to, const cache_key *k, const void *bytes, size_t size) {
    cache_key notes = write_notes(c, m);
    cache_file *files = arena_array(c->arena, cache_file, m->n_imports + 1);
    for (int i = 0; i < m->n_imports; i++) {
        files[i].path = diag_source_name(c->d, m->imports[i]);
        files[i].bytes = diag_source_text(c->d, m->imports[i], &files[i].n);
    }
    cache_record r = {.name = short_name(c, m), .n_files = m->n_imports, .files = files, .notes = notes.data,
                      .n_notes = (size_t)notes.len, .package = bytes, .n_package = size};
    cache_store(to, k, &r);
}

static int compile(cli *c, model *m, const void **bytes, size_t *size) {
    int status;
    if (!model_elaborate(c, m, &status))
        return status;
    return model_check_weights(c, m) ? driver_compile(c, m, false, bytes, size) : EXIT_MODEL;
}

int warm_package(cli *c, model *m, cache_entry *e, const void **bytes, size_t *size) {
    cache kept = cache_from_environment(c->arena);
    cache_key k = {0};
    debug_settings debug;
    const char *wrong;
    int n;
    *e = (cache_entry){0};
    bool usable = kept.mode != CACHE_OFF && debug_read(&debug, &wrong, &n) && !debug_changes_compiler(&debug) &&
                  make_key(c, m, &k);
    if (usable && cache_find(&kept, short_name(c, m), &k, e) && read_notes(c, m, e)) {
        if (m->unused)
            cli_note(c, "%s", m->unused);
        *bytes = e->package;
        *size = e->n_package;
        return EXIT_DONE;
    }
    int status = compile(c, m, bytes, size);
    if (status == EXIT_DONE && usable && !diag_warnings(c->d)) /* warnings are shown each time */
        store(c, m, &kept, &k, *bytes, *size);
    return status;
}
