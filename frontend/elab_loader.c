/* Imports: NAME.frit beside the importing file. */
#include "elab.h"
#include "source.h"
#include <string.h>

typedef struct loaded {
    const char *path;
    const ast_file *file;
    struct loaded *next;
} loaded;

typedef struct folder {
    arena *a;
    diag *d;
    loaded *list;
    VEC(uint32_t) sources;
} folder;

static const char *beside(folder *f, uint32_t from, const char *name) {
    const char *path = diag_source_name(f->d, from), *slash = path ? strrchr(path, '/') : NULL;
    return arena_printf(f->a, "%.*s%s.frit", slash ? (int)(slash - path + 1) : 0, path ? path : "", name);
}

static const ast_file *load(void *user, uint32_t from, const char *name) {
    folder *f = user;
    const char *path = beside(f, from, name);
    for (loaded *l = f->list; l; l = l->next)
        if (!strcmp(l->path, path))
            return l->file;
    int error = 0, errors = diag_errors(f->d);
    uint32_t source = source_read(f->d, path, &error);
    if (!source)
        return NULL;
    vec_push(f->a, &f->sources, source);
    loaded *l = arena_new_of(f->a, loaded);
    *l = (loaded){path, ast_parse(f->a, f->d, source), f->list};
    f->list = l;
    if (diag_errors(f->d) > errors)
        l->file = NULL;
    return l->file;
}

elab_loader elab_folder_loader(arena *a, diag *d) {
    folder *f = arena_new_of(a, folder);
    f->a = a;
    f->d = d;
    return (elab_loader){load, f};
}

const uint32_t *elab_folder_sources(const elab_loader *l, int *n) {
    const folder *f = l->user;
    *n = f->sources.len;
    return f->sources.data;
}
