/* The cache of compiled packages and packed weights: a folder of entries NAME-HASH.fpkc, shared by processes.
 *
 * An entry holds one content (below: the package, though what it is belongs to the caller). It is found by its key: every byte that the package depends on, but for the imported files, whose names and
 * contents the entry holds itself and which are read again and compared. The hash only names the file; keys are
 * compared whole. Entries are written to a temporary file and renamed, so that readers see all of one or none; a damaged
 * entry (wrong size, magic or checksum) is a miss and is replaced. The least recently used go when the folder grows
 * over its limit. Nothing here is an error: without a usable folder every lookup misses.
 *
 * A package holds machine code: whoever can write to the folder decides what runs. It is made with mode 0700, and one
 * that others own or may write to is not used. */
#ifndef FRIT_FRONTEND_CACHE_H
#define FRIT_FRONTEND_CACHE_H
#include "ir/arena.h"
#include <stdbool.h>
#include <stdio.h>

typedef enum cache_mode { CACHE_ON, CACHE_READ_ONLY, CACHE_OFF } cache_mode;

typedef struct cache {
    const char *folder;
    cache_mode mode;
    uint64_t limit; /* bytes of all entries together */
} cache;

enum { CACHE_LIMIT_MIB = 1024 };

/* The folder from FRIT_CACHE_DIR, else XDG_CACHE_HOME/frit, else ~/.cache/frit; the mode from FRIT_CACHE (off, ro). With
 * none of the folders named: off. */
cache cache_from_environment(arena *a);

/* ---- Keys -------------------------------------------------------------------------------------------------------- */
/* Bytes in the arena. Each part is stored with its length: different parts never make equal keys. */
typedef VEC(char) cache_key;
void cache_key_bytes(arena *a, cache_key *k, const void *bytes, size_t n);
void cache_key_text(arena *a, cache_key *k, const char *text); /* NULL differs from "" */
void cache_key_number(arena *a, cache_key *k, uint64_t v);
/* What compiled code depends on besides its input: frit's version and the build ids of the program (or library) that
 * holds the compiler and of LLVM's library where it is one. */
void cache_key_compiler(arena *a, cache_key *k);

/* ---- Entries ----------------------------------------------------------------------------------------------------- */
/* A file that the package was made from besides those in the key. */
typedef struct cache_file {
    const char *path;
    const void *bytes;
    size_t n;
} cache_file;

typedef struct cache_record {
    const char *name; /* of the model: the entry's file name begins with it */
    int n_files;
    const cache_file *files; /* paths as they will be opened again */
    const void *notes;       /* what the caller wants to find again with the package */
    size_t n_notes;
    const void *package;
    size_t n_package;
    /* With package NULL: gives its n_package bytes to `put`, in order; false when it cannot or when put fails. */
    bool (*fill)(void *u, bool (*put)(void *to, const void *bytes, size_t n), void *to);
    void *fill_ctx;
} cache_record;

/* A found entry: package (aligned to 4096) and notes lie in a private mapping until cache_close. */
typedef struct cache_entry {
    const void *package, *notes;
    size_t n_package, n_notes;
    void *map;
    size_t mapped;
} cache_entry;

/* False: a miss. `name` is the record's. */
bool cache_find(const cache *c, const char *name, const cache_key *k, cache_entry *e);
void cache_close(cache_entry *e);
/* Stores an entry and removes old ones over the limit. False when it was not stored. */
bool cache_store(const cache *c, const cache_key *k, const cache_record *r);

/* ---- The folder -------------------------------------------------------------------------------------------------- */
typedef struct cache_item {
    const char *file; /* name in the folder */
    uint64_t bytes;
    int64_t used; /* seconds since 1970 */
    int64_t used_ns;
} cache_item;
/* All entries by name; -1 with errno when the folder cannot be read (a missing one is empty). */
int cache_list(arena *a, const cache *c, const cache_item **items);
/* The folder may be used: it is missing, or ours alone to write to. */
bool cache_is_safe(const cache *c);
/* Removes all entries; returns how many. */
int cache_clear(arena *a, const cache *c);
#endif
