/* Weight files behind one table, sorted by key. */
#include "weights.h"
#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
    char *path;
    safetensors data;
    uint64_t stamp; /* which file it is, its size and when it changed */
} source;

typedef struct {
    char *key;
    int source, index;
} entry;

struct weights {
    source *sources;
    entry *entries; /* sorted by key */
    int n_sources, n_entries;
};

weights *weights_new(void) { return calloc(1, sizeof(weights)); }

void weights_free(weights *w) {
    if (!w)
        return;
    for (int i = 0; i < w->n_sources; i++) {
        safetensors_close(&w->sources[i].data);
        free(w->sources[i].path);
    }
    for (int i = 0; i < w->n_entries; i++)
        free(w->entries[i].key);
    free(w->sources);
    free(w->entries);
    free(w);
}

static int by_key(const void *a, const void *b) { return strcmp(((const entry *)a)->key, ((const entry *)b)->key); }

static char *prefixed(const char *prefix, const char *name) {
    size_t n = strlen(prefix) + strlen(name) + 2;
    char *key = malloc(n);
    if (key)
        snprintf(key, n, "%s%s%s", prefix, *prefix ? "." : "", name);
    return key;
}

static bool add_entries(weights *w, int s, const char *prefix, io_error *e) {
    const safetensors *data = &w->sources[s].data;
    entry *grown = realloc(w->entries, sizeof *grown * (size_t)(w->n_entries + data->n + 1));
    if (!grown)
        return io_fail(e, "out of memory");
    w->entries = grown;
    for (int i = 0; i < data->n; i++) {
        char *key = prefixed(prefix, data->tensors[i].name);
        if (!key)
            return io_fail(e, "out of memory");
        w->entries[w->n_entries++] = (entry){.key = key, .source = s, .index = i};
    }
    qsort(w->entries, (size_t)w->n_entries, sizeof *w->entries, by_key);
    for (int i = 1; i < w->n_entries; i++)
        if (!strcmp(w->entries[i - 1].key, w->entries[i].key))
            return io_fail(e, "weight '%.120s' is in %.200s and in %.200s", w->entries[i].key,
                           w->sources[w->entries[i - 1].source].path, w->sources[w->entries[i].source].path);
    return true;
}

static uint64_t mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * 0xff51afd7ed558ccdu;
    return h ^ h >> 32;
}

/* Archives and images give all their files one time of modification: the inode and its own time tell these apart. */
static uint64_t file_stamp(const char *path) {
    struct stat s;
    if (stat(path, &s))
        return 0;
    const uint64_t facts[] = {(uint64_t)s.st_size,         (uint64_t)s.st_mtim.tv_sec, (uint64_t)s.st_mtim.tv_nsec,
                              (uint64_t)s.st_ctim.tv_sec, (uint64_t)s.st_ctim.tv_nsec, (uint64_t)s.st_dev,
                              (uint64_t)s.st_ino};
    uint64_t h = 0;
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        h = mix(h, facts[i]);
    return h;
}

static bool add_file(weights *w, const char *prefix, const char *path, io_error *e) {
    source *grown = realloc(w->sources, sizeof *grown * (size_t)(w->n_sources + 1));
    if (!grown)
        return io_fail(e, "out of memory");
    w->sources = grown;
    source *s = &w->sources[w->n_sources];
    *s = (source){.path = strdup(path), .stamp = file_stamp(path)};
    if (!s->path)
        return io_fail(e, "out of memory");
    if (!safetensors_open(&s->data, path, e)) {
        free(s->path);
        return false;
    }
    w->n_sources++;
    return add_entries(w, w->n_sources - 1, prefix, e);
}

static bool ends_with(const char *s, const char *tail) {
    size_t n = strlen(s), t = strlen(tail);
    return n >= t && !strcmp(s + n - t, tail);
}

static bool in_folder(weights *w, const char *prefix, const char *folder, size_t length, const char *name, io_error *e) {
    size_t n = length + strlen(name) + 2;
    char *path = malloc(n);
    if (!path)
        return io_fail(e, "out of memory");
    snprintf(path, n, "%.*s%s%s", (int)length, folder, length && folder[length - 1] != '/' ? "/" : "", name);
    bool ok = add_file(w, prefix, path, e);
    free(path);
    return ok;
}

static bool already_listed(const cJSON *first, const cJSON *j) {
    for (const cJSON *k = first; k != j; k = k->next)
        if (!strcmp(k->valuestring, j->valuestring))
            return true;
    return false;
}

/* Files lie beside the index; a name that leaves the folder is refused. */
static bool add_mapped(weights *w, const char *prefix, const char *path, const cJSON *map, io_error *e) {
    const char *slash = strrchr(path, '/');
    const cJSON *j;
    if (!cJSON_IsObject(map))
        return io_fail(e, "%.300s: no \"weight_map\" object", path);
    cJSON_ArrayForEach(j, map) {
        if (!cJSON_IsString(j) || strchr(j->valuestring, '/') || !ends_with(j->valuestring, ".safetensors"))
            return io_fail(e, "%.300s: '%.80s' is not in a .safetensors file of the same folder", path, j->string);
        if (!already_listed(map->child, j) &&
            !in_folder(w, prefix, path, slash ? (size_t)(slash - path) + 1 : 0, j->valuestring, e))
            return false;
    }
    return true;
}

static bool add_index(weights *w, const char *prefix, const char *path, io_error *e) {
    io_file *f = io_file_open(path, e);
    if (!f)
        return false;
    cJSON *json = cJSON_ParseWithLength((const char *)io_file_data(f), io_file_size(f));
    io_file_release(f);
    if (!json)
        return io_fail(e, "%.300s: not valid JSON", path);
    bool ok = add_mapped(w, prefix, path, cJSON_GetObjectItemCaseSensitive(json, "weight_map"), e);
    cJSON_Delete(json);
    return ok;
}

static int is_index(const struct dirent *d) { return ends_with(d->d_name, ".index.json"); }
static int is_safetensors(const struct dirent *d) { return ends_with(d->d_name, ".safetensors"); }

static void free_names(struct dirent **names, int n) {
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

static bool add_folder(weights *w, const char *prefix, const char *folder, io_error *e) {
    struct dirent **names = NULL;
    bool ok = true;
    int n = scandir(folder, &names, is_index, alphasort);
    if (n == 1) {
        size_t size = strlen(folder) + strlen(names[0]->d_name) + 2;
        char *path = malloc(size);
        if (path)
            snprintf(path, size, "%s/%s", folder, names[0]->d_name);
        ok = path ? add_index(w, prefix, path, e) : io_fail(e, "out of memory");
        free(path);
        free_names(names, n);
        return ok;
    }
    free_names(names, n > 0 ? n : 0);
    names = NULL;
    n = scandir(folder, &names, is_safetensors, alphasort);
    if (n <= 0)
        ok = io_fail(e, "%.300s: no .safetensors file in this folder", folder);
    for (int i = 0; i < n && ok; i++)
        ok = in_folder(w, prefix, folder, strlen(folder), names[i]->d_name, e);
    free_names(names, n > 0 ? n : 0);
    return ok;
}

bool weights_add(weights *w, const char *argument, io_error *e) {
    struct stat s;
    char prefix[512] = "";
    const char *equals = strchr(argument, '='), *path = argument;
    bool found = !stat(argument, &s);
    if (!found && equals && equals - argument < (ptrdiff_t)sizeof prefix) {
        snprintf(prefix, sizeof prefix, "%.*s", (int)(equals - argument), argument);
        path = equals + 1;
        found = !stat(path, &s);
    }
    if (found && S_ISDIR(s.st_mode))
        return add_folder(w, prefix, path, e);
    if (ends_with(path, ".json"))
        return add_index(w, prefix, path, e);
    return add_file(w, prefix, path, e);
}

int weights_count(const weights *w) { return w->n_entries; }
const char *weights_key(const weights *w, int i) { return w->entries[i].key; }
int weights_files(const weights *w) { return w->n_sources; }
const char *weights_file_at(const weights *w, int i) { return w->sources[i].path; }
const char *weights_file(const weights *w, int i) { return w->sources[w->entries[i].source].path; }

const safetensor *weights_entry(const weights *w, int i) {
    return &w->sources[w->entries[i].source].data.tensors[w->entries[i].index];
}

int weights_find(const weights *w, const char *key) {
    int lo = 0, hi = w->n_entries;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2, order = strcmp(w->entries[mid].key, key);
        if (!order)
            return mid;
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return -1;
}

bool weights_read(weights *w, int i, io_array *a, io_error *e) {
    io_error inner;
    if (safetensors_read(a, &w->sources[w->entries[i].source].data, w->entries[i].index, &inner))
        return true;
    return io_fail(e, "%.300s: %.300s", weights_file(w, i), inner.text);
}

/* Levenshtein distance on two rows; keys longer than the rows are cut. */
static int distance(const char *a, const char *b) {
    enum { MAX = 255 };
    int row[MAX + 1], n = (int)strnlen(b, MAX), m = (int)strnlen(a, MAX);
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; i <= m; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int change = diagonal + (a[i - 1] != b[j - 1]), step = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < step ? change : step;
        }
    }
    return row[n];
}

int weights_nearest(const weights *w, const char *key, int max, const char **keys) {
    int best[8], n = 0;
    if (max > 8)
        max = 8;
    for (int i = 0; i < w->n_entries; i++) {
        int d = distance(key, w->entries[i].key), at = n;
        while (at > 0 && best[at - 1] > d)
            at--;
        if (at == max)
            continue;
        n += n < max;
        for (int j = n - 1; j > at; j--) {
            best[j] = best[j - 1];
            keys[j] = keys[j - 1];
        }
        best[at] = d;
        keys[at] = w->entries[i].key;
    }
    return n;
}

uint64_t weights_digest(const weights *w) {
    uint64_t h = 0x66726974;
    for (int i = 0; i < w->n_entries; i++) {
        const safetensor *t = weights_entry(w, i);
        for (const char *p = w->entries[i].key; *p; p++)
            h = mix(h, (uint8_t)*p);
        h = mix(mix(h, t->dtype), t->offset);
        for (int d = 0; d < t->rank; d++)
            h = mix(h, (uint64_t)t->dims[d]);
        h = mix(h, w->sources[w->entries[i].source].stamp);
    }
    return h;
}
