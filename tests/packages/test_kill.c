/* The command that is killed while it writes a package leaves the old file or the new one, whole. (The library's
 * writing and the cache's: tests/compile_api/test_processes.c.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "codegen/package.h"
#include "runtime/frit.h"
#include "tools/io/io.h"
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KILLS = 1000, VERSIONS = 2 };

typedef struct file {
    const void *bytes;
    uint64_t n;
} file;

/* A package with a megabyte of weights, so that writing takes several calls. */
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
    package_copy(p, package_at(package_output_buffer(p, 0)), package_at(package_param_buffer(p, 0)),
                 sym_const(c, N * 4));
    file f = {0};
    const char *why = NULL;
    if (!package_finish(p, &f.bytes, &f.n, &why)) fail_msg("%s", why);
    return f;
}

/* A child writes one version after the other until it is killed. */
static void kill_one(const char *path, const file *versions, unsigned microseconds) {
    pid_t child = fork();
    assert_true(child >= 0);
    for (int i = 0; !child; i = (i + 1) % VERSIONS) io_write_file(path, versions[i].bytes, versions[i].n, true, NULL);
    struct timespec t = {0, (long)microseconds * 1000};
    nanosleep(&t, NULL);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* What the reader accepts is a whole version; whether there is a file. */
static bool check(const char *path, const file *versions) {
    frit_package *p;
    frit_error err = {0};
    io_error e;
    bool whole = false;
    if (access(path, F_OK) != 0) return false;
    if (frit_package_open(path, &p, &err) != FRIT_OK || frit_package_verify(p, &err) != FRIT_OK)
        fail_msg("%s", err.message);
    frit_package_release(p);
    io_file *f = io_file_open(path, &e);
    assert_non_null(f);
    for (int i = 0; i < VERSIONS; i++)
        whole |= io_file_size(f) == versions[i].n && !memcmp(io_file_data(f), versions[i].bytes, versions[i].n);
    assert_true(whole);
    io_file_release(f);
    return true;
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
    char dir[] = "/tmp/frit-kill-XXXXXX", path[64];
    unsigned seed = 1;
    int found = 0;
    arena *a = arena_new();
    file versions[VERSIONS] = {with_weights(a, 0), with_weights(a, 1)};
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/p.fpk", dir);
    for (int i = 0; i < KILLS; i++) {
        seed = seed * 1664525u + 1013904223u;
        kill_one(path, versions, seed >> 16 & 2047);
        found += check(path, versions);
        if (i % 50 == 49) empty(dir); /* what killed writers left beside, too */
    }
    print_message("%d kills, a whole file found after %d\n", KILLS, found);
    assert_true(found > KILLS / 4);
    empty(dir);
    assert_int_equal(rmdir(dir), 0);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
