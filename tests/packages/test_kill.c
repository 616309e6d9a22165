/* A process that is killed while it writes a package leaves the old file or the new one, whole: by the command's way of
 * writing, the library's, and the cache's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "codegen/package.h"
#include "frontend/cache.h"
#include "frontend/frit_compiler.h"
#include "runtime/frit.h"
#include "tools/io/io.h"
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KILLS = 1000, VERSIONS = 2 };

static const char *const sources[VERSIONS] = {
    "model m(x: f32[B, 8]) -> f32[B, 8] { return relu(x) }\n",
    "model m(x: f32[B, 8]) -> f32[B] { return sum(softmax(x, axis = -1) * exp(x), axis = -1) }\n"};

/* What is written: compiled by the library, or with a megabyte of weights, so that writing takes several calls. */
typedef struct file {
    const void *bytes;
    size_t n;
} file;
static frit_compiled *compiled[VERSIONS];
static file small[VERSIONS], large[VERSIONS];
static frit_compiler *compiler;

static file with_weights(arena *a, int version) {
    enum { N = 1 << 18 };
    sym_ctx *c = sym_ctx_new(a);
    package *p = package_new(a, c, "weights", NULL);
    sym_t n = sym_const(c, N);
    int32_t *w = arena_alloc(a, N * sizeof *w);
    for (int i = 0; i < N; i++) w[i] = i * (version + 1);
    package_output(p, "out", FRIT_i32, 1, &n);
    package_param_inside(p, package_param(p, "w", FRIT_i32, 1, &n), w, N * sizeof *w);
    package_target(p, "cpu", FPK_ARCH_ANY, 0);
    package_code(p, "code", 4, 1);
    package_main(p);
    package_copy(p, package_at(package_output_buffer(p, 0)), package_at(package_param_buffer(p, 0)), sym_const(c, N * 4));
    file f = {0};
    uint64_t size = 0;
    const char *why = NULL;
    if (!package_finish(p, &f.bytes, &size, &why)) fail_msg("%s", why);
    f.n = size;
    return f;
}

static frit_compiled *compile(const char *source) {
    frit_module *m;
    frit_compiled *p;
    frit_error err = {0};
    if (frit_module_parse(compiler, FRIT_SOURCE_FRIT, "m.frit", source, strlen(source), NULL, &m, &err) != FRIT_OK ||
        frit_compile(m, NULL, &p, &err) != FRIT_OK)
        fail_msg("%s", err.message);
    frit_module_release(m);
    return p;
}

static void write_cache(const char *dir, const void *bytes, size_t n, int i) {
    arena *a = arena_new();
    cache c = {.folder = dir, .limit = 64 << 20};
    cache_key k = {0};
    cache_key_text(a, &k, "kill");
    cache_record r = {.name = "kill", .package = bytes, .n_package = n, .notes = &i, .n_notes = sizeof i};
    cache_store(&c, &k, &r);
    arena_free(a);
}

/* Writes for ever, one version after the other. */
static void writer(const char *dir, int way) {
    char path[300];
    snprintf(path, sizeof path, "%s/p.fpk", dir);
    for (int i = 0;; i = (i + 1) % VERSIONS) {
        io_error e;
        if (way == 0) io_write_file(path, large[i].bytes, large[i].n, true, &e);
        if (way == 1) frit_compiled_write(compiled[i], path, NULL);
        if (way == 2) write_cache(dir, large[i].bytes, large[i].n, i);
    }
}

static void kill_one(const char *dir, int way, unsigned microseconds) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        writer(dir, way);
        _exit(1);
    }
    struct timespec t = {0, (long)microseconds * 1000};
    nanosleep(&t, NULL);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static bool is_a_version(const void *bytes, size_t size) {
    for (int i = 0; i < VERSIONS; i++)
        if ((large[i].n == size && !memcmp(bytes, large[i].bytes, size)) ||
            (small[i].n == size && !memcmp(bytes, small[i].bytes, size)))
            return true;
    return false;
}

/* What readers accept is a whole version; whether there is one. */
static bool check_package(const char *dir) {
    char path[300];
    frit_package *p;
    frit_error err = {0};
    snprintf(path, sizeof path, "%s/p.fpk", dir);
    if (access(path, F_OK) != 0) return false;
    if (frit_package_open(path, &p, &err) != FRIT_OK || frit_package_verify(p, &err) != FRIT_OK) fail_msg("%s", err.message);
    frit_package_release(p);
    io_error e;
    io_file *f = io_file_open(path, &e);
    assert_non_null(f);
    assert_true(is_a_version(io_file_data(f), io_file_size(f)));
    io_file_release(f);
    return true;
}

static bool check_cache(const char *dir) {
    arena *a = arena_new();
    cache c = {.folder = dir, .limit = 64 << 20};
    cache_key k = {0};
    cache_entry e = {0};
    cache_key_text(a, &k, "kill");
    bool found = cache_find(&c, "kill", &k, &e);
    if (found) {
        assert_true(is_a_version(e.package, e.n_package));
        cache_close(&e);
    }
    arena_free(a);
    return found;
}

static void empty(const char *dir) {
    DIR *d = opendir(dir);
    char path[600];
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.' || strlen(e->d_name) > 2) unlink(path);
    }
    closedir(d);
}

static void test_kill(void **state) {
    (void)state;
    char dir[] = "/tmp/frit-kill-XXXXXX";
    unsigned seed = 1;
    int found = 0;
    assert_non_null(mkdtemp(dir));
    compiler = NULL;
    assert_int_equal(frit_compiler_create(NULL, &compiler, NULL), FRIT_OK);
    arena *a = arena_new();
    for (int i = 0; i < VERSIONS; i++) {
        compiled[i] = compile(sources[i]);
        small[i].bytes = frit_compiled_bytes(compiled[i], &small[i].n);
        large[i] = with_weights(a, i);
    }
    for (int i = 0; i < KILLS; i++) {
        seed = seed * 1664525u + 1013904223u;
        kill_one(dir, i % 3, seed >> 16 & 2047);
        found += i % 3 == 2 ? check_cache(dir) : check_package(dir);
        if (i % 50 == 49) empty(dir); /* what killed writers left beside, too */
    }
    print_message("%d kills, a whole file found after %d\n", KILLS, found);
    assert_true(found > KILLS / 4);
    empty(dir);
    assert_int_equal(rmdir(dir), 0);
    for (int i = 0; i < VERSIONS; i++) frit_compiled_release(compiled[i]);
    frit_compiler_release(compiler);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
