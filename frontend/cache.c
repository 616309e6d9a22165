#include "cache.h"
#include "runtime/package.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, MAX_NAME = 64, MAX_FILES = 4096, STALE_SECONDS = 3600 };
static const char magic[8] = "fritche2";
static const char ending[] = ".fpkc";

/* The file: this header, then `blob` bytes (key, files, notes), zeros up to a page, the package. */
typedef struct entry_header {
    char magic[8];
    uint64_t blob, package;           /* sizes in bytes */
    uint64_t key, notes;              /* sizes within the blob: the key lies first, the notes last */
    uint64_t n_files;                 /* each: its path and its contents with their lengths */
    uint64_t blob_hash, package_hash;
    uint64_t header_hash;             /* of all fields above */
} entry_header;

cache cache_from_environment(arena *a) {
    const char *own = getenv("FRIT_CACHE_DIR"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    const char *mode = getenv("FRIT_CACHE");
    cache c = {.limit = (uint64_t)CACHE_LIMIT_MIB << 20};
    if (own && *own)
        c.folder = arena_strdup(a, own);
    else if (xdg && *xdg)
        c.folder = arena_printf(a, "%s/frit", xdg);
    else if (home && *home)
        c.folder = arena_printf(a, "%s/.cache/frit", home);
    if (!c.folder || (mode && !strcmp(mode, "off")))
        c.mode = CACHE_OFF;
    else if (mode && !strcmp(mode, "ro"))
        c.mode = CACHE_READ_ONLY;
    return c;
}

/* ---- Keys -------------------------------------------------------------------------------------------------------- */
static void append(arena *a, cache_key *k, const void *bytes, size_t n) {
    while (k->cap - k->len < (int)n)
        k->data = arena_grow(a, k->data, k->len, &k->cap, 1);
    if (n)
        memcpy(k->data + k->len, bytes, n);
    k->len += (int)n;
}

void cache_key_number(arena *a, cache_key *k, uint64_t v) { append(a, k, &v, sizeof v); }

void cache_key_bytes(arena *a, cache_key *k, const void *bytes, size_t n) {
    cache_key_number(a, k, n);
    append(a, k, bytes, n);
}

void cache_key_text(arena *a, cache_key *k, const char *text) {
    if (text)
        cache_key_bytes(a, k, text, strlen(text));
    else
        cache_key_number(a, k, UINT64_MAX);
}

/* ---- The folder -------------------------------------------------------------------------------------------------- */
/* Makes the folder and those above it. */
static bool make_folder(const char *path) {
    char part[4096];
    if (strlen(path) >= sizeof part)
        return false;
    for (size_t i = 1; path[i]; i++)
        if (path[i] == '/') {
            memcpy(part, path, i);
            part[i] = 0;
            mkdir(part, 0700);
        }
    return !mkdir(path, 0700) || errno == EEXIST;
}

/* Code from a folder that others may write to is not run. */
static bool is_ours(const char *folder) {
    struct stat s;
    return !stat(folder, &s) && S_ISDIR(s.st_mode) && (s.st_uid == geteuid() || s.st_uid == 0) && !(s.st_mode & 022);
}

bool cache_is_safe(const cache *c) {
    struct stat s;
    return is_ours(c->folder) || (stat(c->folder, &s) && errno == ENOENT);
}

static bool path_of(const cache *c, const char *name, const cache_key *k, char path[4096]) {
    char clean[MAX_NAME];
    size_t n = 0;
    for (; name[n] && n < sizeof clean - 1; n++) {
        char x = name[n];
        bool plain = (x >= 'a' && x <= 'z') || (x >= 'A' && x <= 'Z') || (x >= '0' && x <= '9') || x == '_';
        clean[n] = plain ? x : '_';
    }
    clean[n] = 0;
    uint64_t low = fpk_hash(k->data, (size_t)k->len), high = low ^ (uint64_t)k->len;
    for (int i = 0; i < k->len; i++)
        high = (high ^ (uint8_t)k->data[i]) * 0x100000001b3u; /* FNV-1a */
    int length = snprintf(path, 4096, "%s/%s-%016llx%016llx%s", c->folder, clean, (unsigned long long)low,
                          (unsigned long long)high, ending);
    return length > 0 && length < 4096;
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */
typedef struct {
    const uint8_t *at, *end;
} reader;

static bool take(reader *r, const uint8_t **bytes, uint64_t *n) {
    if ((size_t)(r->end - r->at) < sizeof *n)
        return false;
    memcpy(n, r->at, sizeof *n);
    r->at += sizeof *n;
    if (*n > (uint64_t)(r->end - r->at))
        return false;
    *bytes = r->at;
    r->at += *n;
    return true;
}

static bool same_file(const char *path, const uint8_t *bytes, uint64_t n) {
    struct stat s;
    int f = open(path, O_RDONLY | O_CLOEXEC);
    bool same = f >= 0 && !fstat(f, &s) && S_ISREG(s.st_mode) && (uint64_t)s.st_size == n;
    uint8_t piece[1 << 14];
    for (uint64_t done = 0; same && done < n;) {
        ssize_t got = read(f, piece, n - done < sizeof piece ? (size_t)(n - done) : sizeof piece);
        same = got > 0 && !memcmp(piece, bytes + done, (size_t)got);
        done += same ? (uint64_t)got : 0;
    }
    if (f >= 0)
        close(f);
    return same;
}

static bool files_unchanged(reader r, uint64_t count) {
    const uint8_t *path, *bytes;
    uint64_t length, n;
    if (count > MAX_FILES)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        char text[4096];
        if (!take(&r, &path, &length) || !take(&r, &bytes, &n) || length >= sizeof text)
            return false;
        memcpy(text, path, length);
        text[length] = 0;
        if (!same_file(text, bytes, n))
            return false;
    }
    return true;
}

static uint64_t page_up(uint64_t n) { return (n + PAGE - 1) / PAGE * PAGE; }

static bool header_fits(const entry_header *h, uint64_t size) {
    return !memcmp(h->magic, magic, sizeof magic) &&
           h->header_hash == fpk_hash(h, offsetof(entry_header, header_hash)) && h->blob <= size && h->package <= size &&
           h->key <= h->blob && h->notes <= h->blob - h->key && page_up(sizeof *h + h->blob) + h->package == size;
}

static bool check_entry(const uint8_t *map, size_t size, const cache_key *k, cache_entry *e) {
    const entry_header *h = (const entry_header *)map;
    if (size < sizeof *h || !header_fits(h, size))
        return false;
    const uint8_t *blob = map + sizeof *h, *package = map + page_up(sizeof *h + h->blob);
    if (h->blob_hash != fpk_hash(blob, h->blob) || h->key != (uint64_t)k->len || memcmp(blob, k->data, h->key))
        return false;
    if (!files_unchanged((reader){blob + h->key, blob + h->blob - h->notes}, h->n_files))
        return false;
    *e = (cache_entry){.package = package, .n_package = h->package, .notes = blob + h->blob - h->notes,
                       .n_notes = h->notes, .map = (void *)(uintptr_t)map, .mapped = size};
    return h->package_hash == fpk_hash(package, h->package);
}

bool cache_find(const cache *c, const char *name, const cache_key *k, cache_entry *e) {
    char path[4096];
    struct stat s;
    *e = (cache_entry){0};
    if (c->mode == CACHE_OFF || !path_of(c, name, k, path))
        return false;
    int f = open(path, O_RDONLY | O_CLOEXEC);
    if (f < 0)
        return false;
    bool found = false;
    if (is_ours(c->folder) && !fstat(f, &s) && S_ISREG(s.st_mode) && s.st_size > 0) {
        void *map = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, f, 0);
        if (map != MAP_FAILED && !(found = check_entry(map, (size_t)s.st_size, k, e))) {
            munmap(map, (size_t)s.st_size);
            *e = (cache_entry){0};
        }
    }
    if (found && c->mode == CACHE_ON)
        futimens(f, NULL); /* used now: what trimming goes by */
    close(f);
    return found;
}

void cache_close(cache_entry *e) {
    if (e->map)
        munmap(e->map, e->mapped);
    *e = (cache_entry){0};
}

/* ---- Writing ----------------------------------------------------------------------------------------------------- */
static bool write_all(int f, const void *bytes, size_t n) {
    const char *p = bytes;
    while (n) {
        ssize_t done = write(f, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        p += done;
        n -= (size_t)done;
    }
    return true;
}

typedef struct {
    int f;
    uint64_t left; /* bytes that are still wanted */
} content;

static bool put_content(void *to, const void *bytes, size_t n) {
    content *c = to;
    if (n > c->left || !write_all(c->f, bytes, n))
        return false;
    c->left -= n;
    return true;
}

/* Writes the package and gives its hash: what was streamed is read again from the file. */
static bool write_package(int f, uint64_t at, const cache_record *r, uint64_t *hash) {
    content c = {f, r->n_package};
    if (r->package) {
        *hash = fpk_hash(r->package, r->n_package);
        return write_all(f, r->package, r->n_package);
    }
    if (!r->fill(r->fill_ctx, put_content, &c) || c.left)
        return false;
    void *map = mmap(NULL, r->n_package, PROT_READ, MAP_SHARED, f, (off_t)at);
    if (map == MAP_FAILED)
        return false;
    *hash = fpk_hash(map, r->n_package);
    munmap(map, r->n_package);
    return true;
}

/* The header comes last: until it is there the file is none, under whichever name. */
static bool write_entry(int f, arena *a, const cache_key *k, const cache_record *r) {
    static const char zeros[PAGE];
    entry_header h = {0};
    cache_key blob = {0};
    append(a, &blob, k->data, (size_t)k->len);
    for (int i = 0; i < r->n_files; i++) {
        cache_key_text(a, &blob, r->files[i].path);
        cache_key_bytes(a, &blob, r->files[i].bytes, r->files[i].n);
    }
    append(a, &blob, r->notes, r->n_notes);
    uint64_t front = sizeof h + (uint64_t)blob.len, start = page_up(front);
    bool ok = write_all(f, &h, sizeof h) && write_all(f, blob.data, (size_t)blob.len) &&
              write_all(f, zeros, (size_t)(start - front)) && write_package(f, start, r, &h.package_hash);
    h.blob = (uint64_t)blob.len;
    h.package = r->n_package;
    h.key = (uint64_t)k->len;
    h.notes = r->n_notes;
    h.n_files = (uint64_t)r->n_files;
    h.blob_hash = fpk_hash(blob.data, (size_t)blob.len);
    memcpy(h.magic, magic, sizeof magic);
    h.header_hash = fpk_hash(&h, offsetof(entry_header, header_hash));
    return ok && pwrite(f, &h, sizeof h, 0) == sizeof h;
}

static int oldest_first(const void *x, const void *y) {
    const cache_item *a = x, *b = y;
    if (a->used != b->used)
        return a->used < b->used ? -1 : 1;
    return (a->used_ns > b->used_ns) - (a->used_ns < b->used_ns);
}

static void remove_file(const cache *c, const char *file) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", c->folder, file) < (int)sizeof path)
        unlink(path);
}

/* `kept`, the entry just written, stays. */
static void trim(arena *a, const cache *c, const char *kept) {
    const cache_item *list;
    uint64_t total = 0;
    int n = cache_list(a, c, &list);
    cache_item *items = arena_array(a, cache_item, n > 0 ? n : 1);
    for (int i = 0; i < n; i++)
        total += (items[i] = list[i]).bytes;
    if (n > 0)
        qsort(items, (size_t)n, sizeof *items, oldest_first);
    for (int i = 0; i < n && total > c->limit; i++)
        if (strcmp(items[i].file, kept)) {
            remove_file(c, items[i].file);
            total -= items[i].bytes;
        }
}

/* Temporary files of processes that ended before they could rename them. */
static void sweep(const cache *c) {
    DIR *d = opendir(c->folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat s;
        if (!strncmp(e->d_name, ".new-", 5) && !fstatat(dirfd(d), e->d_name, &s, 0) &&
            s.st_mtime < time(NULL) - STALE_SECONDS)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        closedir(d);
}

bool cache_store(const cache *c, const cache_key *k, const cache_record *r) {
    char path[4096], temporary[4096];
    if (c->mode != CACHE_ON || r->n_package > c->limit || r->n_files > MAX_FILES || !path_of(c, r->name, k, path) ||
        !make_folder(c->folder) || !is_ours(c->folder) ||
        snprintf(temporary, sizeof temporary, "%s/.new-XXXXXX", c->folder) >= (int)sizeof temporary)
        return false;
    int f = mkostemp(temporary, O_CLOEXEC);
    if (f < 0)
        return false;
    arena *a = arena_new();
    bool ok = write_entry(f, a, k, r);
    ok &= !close(f);
    if (!ok || rename(temporary, path)) {
        unlink(temporary);
        ok = false;
    } else {
        sweep(c);
        trim(a, c, strrchr(path, '/') + 1);
    }
    arena_free(a);
    return ok;
}

/* ---- Listing ----------------------------------------------------------------------------------------------------- */
static int is_entry(const struct dirent *d) {
    size_t n = strlen(d->d_name), tail = sizeof ending - 1;
    return n > tail && d->d_name[0] != '.' && !strcmp(d->d_name + n - tail, ending);
}

int cache_list(arena *a, const cache *c, const cache_item **items) {
    struct dirent **names = NULL;
    int n = c->folder ? scandir(c->folder, &names, is_entry, alphasort) : 0, kept = 0;
    *items = NULL;
    if (n < 0)
        return errno == ENOENT ? 0 : -1;
    cache_item *list = arena_array(a, cache_item, n + 1);
    for (int i = 0; i < n; i++) {
        struct stat s;
        char path[4096];
        bool fits = snprintf(path, sizeof path, "%s/%s", c->folder, names[i]->d_name) < (int)sizeof path;
        if (fits && !stat(path, &s))
            list[kept++] = (cache_item){arena_strdup(a, names[i]->d_name), (uint64_t)s.st_size, s.st_mtim.tv_sec,
                                        s.st_mtim.tv_nsec};
        free(names[i]);
    }
    free(names);
    *items = list;
    return kept;
}

int cache_clear(arena *a, const cache *c) {
    const cache_item *list;
    int n = cache_list(a, c, &list);
    for (int i = 0; i < n; i++)
        remove_file(c, list[i].file);
    return n < 0 ? 0 : n;
}
