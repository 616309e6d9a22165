/* The C API: from a module to a package, from the cache or by compiling, here or in the background. */
#include "cache_weights.h"
#include "codegen/package.h"
#include "compiler.h"
#include "frit_compiler_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct frit_compiled {
    atomic_int refs;
    arena *arena;      /* of freshly compiled bytes, or NULL */
    cache_entry entry; /* of bytes from the cache */
    const void *bytes;
    size_t size;
    bool cached;
};

/* ---- The result -------------------------------------------------------------------------------------------------- */
frit_compiled *frit_compiled_retain(frit_compiled *p) {
    if (p)
        p->refs++;
    return p;
}

void frit_compiled_release(frit_compiled *p) {
    if (!p || --p->refs)
        return;
    cache_close(&p->entry);
    if (p->arena)
        arena_free(p->arena);
    free(p);
}

const void *frit_compiled_bytes(const frit_compiled *p, size_t *size) {
    if (size)
        *size = p->size;
    return p->bytes;
}

bool frit_compiled_from_cache(const frit_compiled *p) { return p->cached; }

frit_status frit_compiled_join(const frit_compiled *const *each, int n, frit_compiled **out, frit_error *err) {
    const char *why = NULL;
    package_bytes all;
    if (!each || n < 1 || !out)
        return api_fail(err, FRIT_USAGE, "frit_compiled_join: packages and out are wanted");
    frit_compiled *p = calloc(1, sizeof *p);
    if (!p)
        return api_fail(err, FRIT_NO_MEMORY, "out of memory");
    p->refs = 1;
    p->arena = arena_new();
    package_bytes *from = arena_array(p->arena, package_bytes, n);
    for (int i = 0; i < n; i++)
        from[i] = (package_bytes){each[i]->bytes, each[i]->size};
    if (!package_merge(p->arena, n, from, &all, &why)) {
        frit_status s = api_fail(err, FRIT_USAGE, "frit_compiled_join: %s", why);
        frit_compiled_release(p);
        return s;
    }
    p->bytes = all.data;
    p->size = (size_t)all.n;
    *out = p;
    return FRIT_OK;
}

static void release(void *p) { frit_compiled_release(p); }

frit_status frit_compiled_open(frit_compiled *p, frit_package **out, frit_error *err) {
    if (!p || !out)
        return api_fail(err, FRIT_USAGE, "frit_compiled_open: the package and out are wanted");
    frit_compiled_retain(p);
    frit_status s = frit_package_open_memory(p->bytes, p->size, NULL, release, p, out, err);
    if (s != FRIT_OK)
        frit_compiled_release(p);
    return s;
}

static bool write_all(int f, const char *bytes, size_t n) {
    while (n) {
        ssize_t done = write(f, bytes, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        bytes += done;
        n -= (size_t)done;
    }
    return true;
}

/* A new file beside `path`. Its mode follows the process's umask, as any output's: mkstemp's would not. */
static int open_temporary(const char *path, char *name, size_t size) {
    int f = -1;
    errno = EEXIST;
    for (int i = 0; f < 0 && errno == EEXIST && i < 1000; i++) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        if (snprintf(name, size, "%s.%x%lx.new", path, (unsigned)getpid(), (unsigned long)t.tv_nsec) >= (int)size) {
            errno = ENAMETOOLONG;
            return -1;
        }
        f = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    return f;
}

frit_status frit_compiled_write(const frit_compiled *p, const char *path, frit_error *err) {
    char temporary[4096];
    if (!p || !path)
        return api_fail(err, FRIT_USAGE, "frit_compiled_write: the package and a path are wanted");
    int f = open_temporary(path, temporary, sizeof temporary);
    if (f < 0)
        return api_fail(err, FRIT_IO, "%s: %s", path, strerror(errno));
    bool ok = write_all(f, p->bytes, p->size);
    ok = !close(f) && ok;
    ok = ok && !rename(temporary, path);
    int error = errno;
    if (ok)
        return FRIT_OK;
    unlink(temporary);
    return api_fail(err, FRIT_IO, "%s: %s", path, strerror(error));
}

/* ---- Compiling --------------------------------------------------------------------------------------------------- */
static cache_key key_of(arena *a, const frit_module *m, const target *t, precision as) {
    cache_key k = {0};
    cache_key_text(a, &k, "frit_compile");
    cache_key_compiler(a, &k);
    cache_key_text(a, &k, t->string);
    cache_key_number(a, &k, as);
    cache_key_number(a, &k, m->form);
    cache_key_text(a, &k, m->name);
    cache_key_bytes(a, &k, m->text, m->size);
    cache_key_text(a, &k, m->entry);
    cache_key_number(a, &k, (uint64_t)m->n_defines);
    for (int i = 0; i < m->n_defines; i++) {
        cache_key_text(a, &k, m->defines[i].name);
        cache_key_text(a, &k, m->defines[i].value);
    }
    cache_key_number(a, &k, (uint64_t)m->n_weights);
    for (int i = 0; i < m->n_weights; i++) {
        const frit_weight_type *w = &m->weights[i];
        cache_key_text(a, &k, w->name);
        cache_key_number(a, &k, (uint64_t)w->dtype);
        cache_key_number(a, &k, (uint64_t)w->rank);
        for (int d = 0; d < w->rank; d++)
            cache_key_number(a, &k, (uint64_t)w->dims[d]);
    }
    return k;
}

/* The entry's name: the source's without folder and ending. */
static const char *short_name(arena *a, const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    return arena_strndup(a, name, dot ? (size_t)(dot - name) : strlen(name));
}

static void store(const frit_module *m, const elaborated *e, const cache_key *k, const frit_compiled *p) {
    cache_file *files = arena_array(e->arena, cache_file, e->n_imports + 1);
    for (int i = 0; i < e->n_imports; i++) {
        files[i].path = diag_source_name(e->d, e->imports[i]);
        files[i].bytes = diag_source_text(e->d, e->imports[i], &files[i].n);
    }
    cache_record r = {.name = short_name(e->arena, m->name), .n_files = e->n_imports, .files = files,
                      .package = p->bytes, .n_package = p->size};
    cache_store(&m->compiler->cache, k, &r);
}

static frit_status kind_of(const char *error) {
    if (compile_error_is_missing(error))
        return FRIT_UNAVAILABLE;
    return compile_error_is_limit(error) ? FRIT_BAD_MODEL : FRIT_INTERNAL;
}

static frit_status build(const frit_module *m, const target *t, const elaborated *e, frit_compiled *p, frit_error *err) {
    compile_options o = {.target = t, .stop = PROGRAM_PACKAGE, .workers = m->compiler->workers, .diag = e->d};
    const program *made = NULL;
    p->arena = arena_new();
    const char *error = compile_fuse(e->module, e->model, &o);
    if (!error)
        made = compile_program(p->arena, e->model, &o, &error);
    if (!made)
        return api_fail(err, error ? kind_of(error) : FRIT_INTERNAL, "%s", error ? error : "the compiler gave no reason");
    p->bytes = made->bytes;
    p->size = (size_t)made->n_bytes;
    return FRIT_OK;
}

static frit_status compile(const frit_module *m, arena *a, const target *t, precision as, frit_compiled *p,
                           frit_error *err) {
    cache_key k = key_of(a, m, t, as);
    elaborated e;
    if (cache_find(&m->compiler->cache, short_name(a, m->name), &k, &p->entry)) {
        p->bytes = p->entry.package;
        p->size = p->entry.n_package;
        p->cached = true;
        return FRIT_OK;
    }
    if (m->compiler->never_compile)
        return api_fail(err, FRIT_NOT_COMPILED, "%s is not in the cache for %s, and this compiler may not compile", m->name,
                        t->string);
    frit_status s = module_elaborate(m, &e, err); /* an imported file may have changed since it was parsed */
    if (s != FRIT_OK)
        return s;
    const char *error = precision_apply(e.module, as);
    s = error ? api_fail(err, FRIT_INTERNAL, "%s", error) : build(m, t, &e, p, err);
    if (s == FRIT_OK)
        store(m, &e, &k, p);
    elaborated_free(&e);
    return s;
}

static frit_status compile_one(const frit_module *m, const char *wanted, precision as, frit_compiled **out,
                               frit_error *err) {
    const char *error = NULL;
    frit_compiled *p = calloc(1, sizeof *p);
    if (!p)
        return api_fail(err, FRIT_NO_MEMORY, "out of memory");
    p->refs = 1;
    arena *a = arena_new();
    const target *t = target_open(a, wanted, &error);
    frit_status s = t ? compile(m, a, t, as, p, err)
                      : api_fail(err, FRIT_NOT_FOUND, "%s", error ? error : "there is no such target");
    arena_free(a);
    if (s == FRIT_OK)
        *out = p;
    else
        frit_compiled_release(p);
    return s;
}

/* ---- What is asked for ------------------------------------------------------------------------------------------- */
frit_status request_take(arena *a, const char *function, const frit_compile_options *given, compile_request *r,
                         frit_error *err) {
    static const precision precisions[] = {PRECISION_F32, PRECISION_TF32, PRECISION_BF16, PRECISION_FAST};
    frit_compile_options o = {.struct_size = sizeof o};
    if (!api_take_options(&o, sizeof o, given))
        return api_bad_options(err, function);
    if ((unsigned)o.precision >= sizeof precisions / sizeof *precisions)
        return api_fail(err, FRIT_USAGE, "%s: there is no precision %d", function, (int)o.precision);
    if (o.n_targets < 0 || (o.n_targets && (!o.targets || o.target)))
        return api_fail(err, FRIT_USAGE, "%s: a target or several are wanted, not both", function);
    *r = (compile_request){arena_array(a, const char *, o.n_targets + 1), o.n_targets ? o.n_targets : 1,
                           precisions[o.precision]};
    r->targets[0] = arena_strdup(a, o.target ? o.target : "cpu");
    for (int i = 0; i < o.n_targets; i++) {
        if (!o.targets[i])
            return api_fail(err, FRIT_USAGE, "%s: target %d is NULL", function, i);
        r->targets[i] = arena_strdup(a, o.targets[i]);
    }
    return FRIT_OK;
}

frit_status request_compile(const frit_module *m, const compile_request *r, frit_compiled **out, frit_error *err) {
    frit_status s = FRIT_OK;
    bool cached = true;
    if (r->n == 1)
        return compile_one(m, r->targets[0], r->precision, out, err);
    frit_compiled **each = calloc((size_t)r->n, sizeof *each);
    if (!each)
        return api_fail(err, FRIT_NO_MEMORY, "out of memory");
    for (int i = 0; i < r->n && s == FRIT_OK; i++) {
        s = compile_one(m, r->targets[i], r->precision, &each[i], err);
        cached = cached && s == FRIT_OK && each[i]->cached;
    }
    if (s == FRIT_OK)
        s = frit_compiled_join((const frit_compiled *const *)each, r->n, out, err);
    if (s == FRIT_OK)
        (*out)->cached = cached;
    for (int i = 0; i < r->n; i++)
        frit_compiled_release(each[i]);
    free(each);
    return s;
}

frit_status frit_compile(frit_module *m, const frit_compile_options *options, frit_compiled **out, frit_error *err) {
    compile_request r;
    if (!m || !out)
        return api_fail(err, FRIT_USAGE, "frit_compile: a module and out are wanted");
    *out = NULL;
    arena *a = arena_new();
    frit_status s = request_take(a, "frit_compile", options, &r, err);
    if (s == FRIT_OK)
        s = request_compile(m, &r, out, err);
    arena_free(a);
    return s;
}

frit_status frit_compile_source(frit_compiler *c, const char *name, const char *text, const frit_compile_options *options,
                                frit_package **out, frit_error *err) {
    frit_module_options lazy = {.struct_size = sizeof lazy, .lazy = true};
    frit_compiler *own = NULL;
    frit_module *m = NULL;
    frit_compiled *p = NULL;
    if (!name || !text || !out)
        return api_fail(err, FRIT_USAGE, "frit_compile_source: a name, a text and out are wanted");
    *out = NULL;
    frit_status s = c ? FRIT_OK : frit_compiler_create(NULL, &own, err);
    if (s == FRIT_OK)
        s = frit_module_parse(c ? c : own, FRIT_SOURCE_FRIT, name, text, strlen(text), &lazy, &m, err);
    if (s == FRIT_OK)
        s = frit_compile(m, options, &p, err);
    if (s == FRIT_OK)
        s = frit_compiled_open(p, out, err);
    frit_compiled_release(p);
    frit_module_release(m);
    frit_compiler_release(own);
    return s;
}

/* ---- Weights ----------------------------------------------------------------------------------------------------- */
frit_status frit_compiler_load_weights(frit_compiler *c, frit_weights *w, const char *key, frit_error *err) {
    if (!c || !w || !key)
        return api_fail(err, FRIT_USAGE, "frit_compiler_load_weights: a compiler, weights and a key are wanted");
    arena *a = arena_new();
    cache_key k = {0};
    cache_key_text(a, &k, key);
    bool found = cache_find_weights(&c->cache, w, &k);
    frit_status s = found ? FRIT_OK : frit_weights_load(w, err);
    if (s == FRIT_OK && !found)
        cache_store_weights(&c->cache, w, &k);
    arena_free(a);
    return s;
}
