/* The cache of packages: what hits, what misses, what damage does, what is removed. */
#include "frontend/cache.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

typedef struct fixture {
    arena *a;
    cache c;
    char root[64];
    const char *import; /* a file that an entry depends on */
} fixture;

static void put(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int setup(void **state) {
    fixture *x = calloc(1, sizeof *x);
    x->a = arena_new();
    strcpy(x->root, "/tmp/frit-cache-XXXXXX");
    if (!mkdtemp(x->root))
        return 1;
    x->c = (cache){.folder = arena_printf(x->a, "%s/a/b", x->root), .limit = 1 << 20};
    x->import = arena_printf(x->a, "%s/part.frit", x->root);
    put(x->import, "fn f(x) { return x }\n");
    *state = x;
    return 0;
}

static int teardown(void **state) {
    fixture *x = *state;
    cache_clear(x->a, &x->c);
    rmdir(x->c.folder);
    rmdir(arena_printf(x->a, "%s/a", x->root));
    unlink(x->import);
    int status = rmdir(x->root); /* nothing else was left */
    arena_free(x->a);
    free(x);
    return status;
}

static cache_key key(fixture *x, const char *text) {
    cache_key k = {0};
    cache_key_text(x->a, &k, text);
    return k;
}

static bool store(fixture *x, const char *text, const char *package, size_t n) {
    cache_key k = key(x, text);
    cache_file import = {x->import, "fn f(x) { return x }\n", 21};
    cache_record r = {.name = "model/x", .n_files = 1, .files = &import, .notes = "notes", .n_notes = 5,
                      .package = package, .n_package = n};
    return cache_store(&x->c, &k, &r);
}

static bool find(fixture *x, const char *text) {
    cache_key k = key(x, text);
    cache_entry e;
    bool found = cache_find(&x->c, "model/x", &k, &e);
    if (found) {
        assert_int_equal((uintptr_t)e.package % 4096, 0);
        assert_true(e.n_package >= 7 && !memcmp(e.package, "package", 7));
        assert_true(e.n_notes == 5 && !memcmp(e.notes, "notes", 5));
    }
    cache_close(&e);
    return found;
}

static const char *only_entry(fixture *x) {
    const cache_item *items;
    assert_int_equal(cache_list(x->a, &x->c, &items), 1);
    return arena_printf(x->a, "%s/%s", x->c.folder, items[0].file);
}

static void test_found_again(void **state) {
    fixture *x = *state;
    struct stat s;
    assert_false(find(x, "one"));
    assert_true(store(x, "one", "package", 7));
    assert_true(find(x, "one"));
    assert_false(find(x, "two"));
    assert_int_equal(stat(x->c.folder, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0700);
    assert_int_equal(cache_clear(x->a, &x->c), 1);
    assert_false(find(x, "one"));
}

static void test_import_changed(void **state) {
    fixture *x = *state;
    assert_true(store(x, "one", "package", 7));
    put(x->import, "fn f(y) { return y }\n");
    assert_false(find(x, "one"));
    put(x->import, "fn f(x) { return x }\n");
    assert_true(find(x, "one"));
    put(x->import, "fn f(x) { return x }\n\n");
    assert_false(find(x, "one"));
    unlink(x->import);
    assert_false(find(x, "one"));
}

/* Any byte changed, any length cut: a miss; storing again mends it. */
static void test_damage(void **state) {
    fixture *x = *state;
    struct stat s;
    assert_true(store(x, "one", "package", 7));
    const char *path = only_entry(x);
    assert_int_equal(stat(path, &s), 0);
    int f = open(path, O_RDWR);
    int missed = 0, harmless = 0;
    for (off_t at = 0; at < s.st_size; at++) {
        char was, now;
        assert_int_equal(pread(f, &was, 1, at), 1);
        now = (char)(was ^ 0x41);
        assert_int_equal(pwrite(f, &now, 1, at), 1);
        if (find(x, "one"))
            harmless++; /* the padding before the package */
        else
            missed++;
        assert_int_equal(pwrite(f, &was, 1, at), 1);
    }
    assert_true(missed > 100 && harmless > 3000 && harmless + missed == s.st_size && harmless < 4096);
    assert_true(find(x, "one"));
    for (off_t length = 0; length < s.st_size; length += length < 400 ? 1 : 97) {
        assert_true(store(x, "one", "package", 7));
        assert_int_equal(truncate(path, length), 0);
        assert_false(find(x, "one"));
    }
    close(f);
    assert_true(store(x, "one", "package", 7));
    assert_true(find(x, "one"));
}

static void test_modes(void **state) {
    fixture *x = *state;
    assert_true(store(x, "one", "package", 7));
    x->c.mode = CACHE_READ_ONLY;
    assert_true(find(x, "one"));
    assert_false(store(x, "two", "package", 7));
    x->c.mode = CACHE_OFF;
    assert_false(find(x, "one"));
    x->c.mode = CACHE_ON;
    assert_int_equal(chmod(x->c.folder, 0777), 0); /* anybody could have put code there */
    assert_false(find(x, "one"));
    assert_false(store(x, "two", "package", 7));
    assert_int_equal(chmod(x->c.folder, 0500), 0);
    assert_true(find(x, "one"));
    assert_int_equal(chmod(x->c.folder, 0700), 0);
}

static void test_limit(void **state) {
    fixture *x = *state;
    char *big = calloc(1, 100000);
    memcpy(big, "package", 7);
    x->c.limit = 350000;
    for (int i = 0; i < 3; i++) {
        assert_true(store(x, (const char *[]){"one", "two", "three"}[i], big, 100000));
        usleep(20000);
    }
    assert_true(find(x, "one")); /* used last: now "two" is the oldest */
    assert_true(store(x, "four", big, 100000));
    assert_true(find(x, "one"));
    assert_false(find(x, "two"));
    assert_true(find(x, "three"));
    assert_true(find(x, "four"));
    x->c.limit = 1000;
    assert_false(store(x, "five", big, 100000));
    free(big);
}

/* Processes that write and read one entry at once never see half of it. */
static void test_processes(void **state) {
    fixture *x = *state;
    size_t n = 200000;
    char *big = calloc(1, n);
    memcpy(big, "package", 7);
    assert_true(store(x, "one", big, n));
    for (int p = 0; p < 3; p++)
        if (!fork()) {
            bool ok = true;
            for (int i = 0; i < 60 && ok; i++)
                ok = p < 2 ? store(x, "one", big, n) : find(x, "one");
            _exit(!ok);
        }
    for (int p = 0; p < 3; p++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    only_entry(x);
    free(big);
}

static void test_keys(void **state) {
    fixture *x = *state;
    cache_key k[4] = {{0}};
    cache_key_text(x->a, &k[0], "ab");
    cache_key_text(x->a, &k[0], "c");
    cache_key_text(x->a, &k[1], "a");
    cache_key_text(x->a, &k[1], "bc");
    assert_true(k[0].len != k[1].len || memcmp(k[0].data, k[1].data, (size_t)k[0].len));
    cache_key_text(x->a, &k[2], NULL);
    cache_key_text(x->a, &k[3], "");
    assert_true(k[2].len != k[3].len || memcmp(k[2].data, k[3].data, (size_t)k[2].len));
    cache_key build[2] = {{0}};
    cache_key_compiler(x->a, &build[0]);
    cache_key_compiler(x->a, &build[1]);
    assert_true(build[0].len >= 8 + (int)strlen(FRIT_VERSION) + 8 + 16); /* a build id, or size and times */
    assert_true(build[0].len == build[1].len && !memcmp(build[0].data, build[1].data, (size_t)build[0].len));
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_found_again), TEST(test_import_changed), TEST(test_damage),
                                       TEST(test_modes),       TEST(test_limit),          TEST(test_processes),
                                       TEST(test_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
