/* Many processes at one cache: compiling at the same time, running out of disk, being killed at any moment. Whatever
 * happens, a reader finds an entry whole or not at all, and so with package files. */
#include "frontend/cache.h"
#include "frontend/frit_compiler.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { BYTES = 300000, KILLS = 1000 };

typedef struct place {
    char root[64], folder[80], file[80];
    arena *a;
    cache c;
    char *content[2]; /* the entry's, as two generations of processes write it */
} place;

static int setup(void **state) {
    place *x = calloc(1, sizeof *x);
    strcpy(x->root, "/tmp/frit-processes-XXXXXX");
    if (!mkdtemp(x->root))
        return 1;
    snprintf(x->folder, sizeof x->folder, "%s/cache", x->root);
    snprintf(x->file, sizeof x->file, "%s/twice.fpk", x->root);
    x->a = arena_new();
    x->c = (cache){.folder = x->folder, .limit = 1 << 30};
    for (int g = 0; g < 2; g++) {
        x->content[g] = malloc(BYTES);
        for (int i = 0; i < BYTES; i++)
            x->content[g][i] = (char)(i * 7 + g);
    }
    *state = x;
    return 0;
}

static int teardown(void **state) {
    place *x = *state;
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", x->root);
    int status = system(command);
    arena_free(x->a);
    free(x->content[0]);
    free(x->content[1]);
    free(x);
    return status;
}

static cache_key key(place *x) {
    cache_key k = {0};
    cache_key_text(x->a, &k, "one");
    return k;
}

/* Streamed, as packed weights are, or at once, as packages are. */
static bool stream(void *u, bool (*put)(void *to, const void *bytes, size_t n), void *to) {
    for (int at = 0; at < BYTES; at += BYTES / 5)
        if (!put(to, (const char *)u + at, BYTES / 5))
            return false;
    return true;
}

static bool store(place *x, int generation, bool streamed) {
    cache_key k = key(x);
    cache_record r = {.name = "one", .n_package = BYTES, .notes = "notes", .n_notes = 5};
    if (streamed) {
        r.fill = stream;
        r.fill_ctx = x->content[generation];
    } else
        r.package = x->content[generation];
    return cache_store(&x->c, &k, &r);
}

/* A hit is one of the contents, whole. */
static bool find(place *x) {
    cache_key k = key(x);
    cache_entry e;
    bool found = cache_find(&x->c, "one", &k, &e);
    if (found) {
        assert_int_equal(e.n_package, BYTES);
        assert_true(!memcmp(e.package, x->content[0], BYTES) || !memcmp(e.package, x->content[1], BYTES));
    }
    cache_close(&e);
    return found;
}

static int count_files(const char *folder, const char *prefix) {
    DIR *d = opendir(folder);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));)
        n += !strncmp(e->d_name, prefix, strlen(prefix)) && strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
    if (d)
        closedir(d);
    return n;
}

/* ---- Killed ------------------------------------------------------------------------------------------------------ */
static frit_compiled *compiled_twice(void) {
    static const char text[] = "model twice(x: f32[N]) -> (y: f32[N]) { return x + x }\n";
    frit_compiler_options o = {.struct_size = sizeof o, .cache = FRIT_CACHE_OFF};
    frit_compiler *c;
    frit_module *m;
    frit_compiled *p;
    assert_int_equal(frit_compiler_create(&o, &c, NULL), FRIT_OK);
    assert_int_equal(frit_module_parse(c, FRIT_SOURCE_FRIT, "twice", text, strlen(text), NULL, &m, NULL), FRIT_OK);
    assert_int_equal(frit_compile(m, NULL, &p, NULL), FRIT_OK);
    frit_module_release(m);
    frit_compiler_release(c);
    return p;
}

/* Writes entries and packages until it is killed. */
static void write_for_ever(place *x, const frit_compiled *p, int first) {
    for (int i = first;; i++) {
        store(x, i & 1, i & 2);
        frit_compiled_write(p, x->file, NULL);
    }
}

static bool package_is_whole(const char *file) {
    frit_package *p;
    if (frit_package_open(file, &p, NULL) != FRIT_OK)
        return false;
    bool whole = frit_package_verify(p, NULL) == FRIT_OK;
    frit_package_release(p);
    return whole;
}

static void test_killed(void **state) {
    place *x = *state;
    frit_compiled *p = compiled_twice();
    int hits = 0, packages = 0;
    uint32_t random = 1;
    for (int i = 0; i < KILLS; i++) {
        int status;
        pid_t child = fork();
        if (!child)
            write_for_ever(x, p, i);
        random = random * 1664525 + 1013904223;
        usleep(random >> 21); /* up to 2 ms, in which a few entries are written */
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        hits += find(x);
        struct stat s;
        if (!stat(x->file, &s)) {
            assert_true(package_is_whole(x->file));
            packages++;
        }
    }
    int left = count_files(x->folder, ".new-");
    print_message("%d kills: %d hits, %d packages, %d unfinished files\n", KILLS, hits, packages, left);
    assert_true(hits > KILLS / 2 && packages > KILLS / 2 && left > 0); /* some were hit while they wrote */
    assert_true(store(x, 0, false));
    assert_true(find(x));
    frit_compiled_release(p);
}

/* What a killed process left is removed by a later one, once it is old. */
static void test_leftovers(void **state) {
    place *x = *state;
    assert_true(store(x, 0, false));
    char path[120];
    snprintf(path, sizeof path, "%s/.new-abcdef", x->folder);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_true(store(x, 1, true));
    assert_int_equal(count_files(x->folder, ".new-"), 1);
    utimensat(AT_FDCWD, path, old, 0);
    assert_true(store(x, 0, true));
    assert_int_equal(count_files(x->folder, ".new-"), 0);
}

/* ---- No room ----------------------------------------------------------------------------------------------------- */
/* Every write beyond `room` bytes of a file fails, as it does on a full disk. In a process of its own. */
static void with_room(place *x, const frit_compiled *p, rlim_t room) {
    int status;
    pid_t child = fork();
    if (!child) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){room, room});
        bool stored = store(x, 1, false) || store(x, 1, true);
        frit_error err = {0};
        bool written = frit_compiled_write(p, x->file, &err) == FRIT_OK;
        _exit(stored | written << 1 | (!written && err.status != FRIT_IO) << 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(find(x)); /* the old one */
    assert_int_equal(count_files(x->folder, ".new-"), 0);
    assert_int_equal(count_files(x->root, "twice.fpk"), 1);
    assert_true(package_is_whole(x->file));
}

static void test_no_room(void **state) {
    place *x = *state;
    frit_compiled *p = compiled_twice();
    size_t n;
    frit_compiled_bytes(p, &n);
    assert_true(store(x, 0, false));
    assert_int_equal(frit_compiled_write(p, x->file, NULL), FRIT_OK);
    for (size_t room = 0; room < n; room += n / 9 + 1)
        with_room(x, p, room);
    frit_compiled_release(p);
}

/* ---- At the same time -------------------------------------------------------------------------------------------- */
/* y = n * x + k, compiled in this process or taken from the cache. */
static bool compile_and_run(const char *folder, int k) {
    char text[120];
    float x[4] = {1, 2, 3, 4}, y[4] = {0};
    int64_t n = 4;
    frit_compiler_options o = {.struct_size = sizeof o, .cache = FRIT_CACHE_ON, .cache_dir = folder, .workers = 1};
    frit_device_options one = {.struct_size = sizeof one, .threads = 1};
    frit_compiler *c;
    frit_module *m;
    frit_compiled *p;
    frit_package *package;
    frit_device *d;
    frit_weights *w;
    frit_session *s;
    frit_module_options lazy = {.struct_size = sizeof lazy, .lazy = true};
    snprintf(text, sizeof text, "model m(x: f32[N]) -> (y: f32[N]) { return x * 3.0 + %d.0 }\n", k);
    DLTensor in = frit_dense(x, FRIT_f32, 1, &n), out = frit_dense(y, FRIT_f32, 1, &n);
    bool ok = frit_compiler_create(&o, &c, NULL) == FRIT_OK &&
              frit_module_parse(c, FRIT_SOURCE_FRIT, "m", text, strlen(text), &lazy, &m, NULL) == FRIT_OK &&
              frit_compile(m, NULL, &p, NULL) == FRIT_OK && frit_compiled_open(p, &package, NULL) == FRIT_OK &&
              frit_device_open("cpu", &one, &d, NULL) == FRIT_OK &&
              frit_weights_create(package, d, NULL, &w, NULL) == FRIT_OK &&
              frit_session_create(w, NULL, &s, NULL) == FRIT_OK && frit_session_run(s, &in, 1, &out, 1, NULL) == FRIT_OK;
    return ok && y[0] == 3 + (float)k && y[3] == 12 + (float)k;
}

static void test_at_once(void **state) {
    place *x = *state;
    enum { PROCESSES = 6, SHARED = 3, OWN = 2 };
    for (int i = 0; i < PROCESSES; i++)
        if (!fork()) {
            bool ok = true;
            for (int j = 0; j < SHARED; j++)
                ok &= compile_and_run(x->folder, (i + j) % SHARED);
            for (int j = 0; j < OWN; j++)
                ok &= compile_and_run(x->folder, 100 + OWN * i + j);
            _exit(!ok);
        }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(count_files(x->folder, "m-"), SHARED + OWN * PROCESSES);
    assert_int_equal(count_files(x->folder, ".new-"), 0);
}

/* ---- Not allowed to compile -------------------------------------------------------------------------------------- */
static void test_never_compile(void **state) {
    place *x = *state;
    static const char text[] = "model m(x: f32[N]) -> (y: f32[N]) { return x * 3.0 + 1.0 }\n", other[] = "no model at all";
    frit_compiler_options o = {.struct_size = sizeof o, .cache = FRIT_CACHE_READ_ONLY, .cache_dir = x->folder, .never_compile = true};
    frit_module_options lazy = {.struct_size = sizeof lazy, .lazy = true};
    frit_compiler *c;
    frit_module *m;
    frit_compiled *p;
    frit_error err;
    assert_int_equal(frit_compiler_create(&o, &c, &err), FRIT_OK);
    assert_int_equal(frit_module_parse(c, FRIT_SOURCE_FRIT, "m", text, strlen(text), &lazy, &m, &err), FRIT_OK);
    assert_int_equal(frit_compile(m, NULL, &p, &err), FRIT_NOT_COMPILED);
    assert_null(p);
    assert_non_null(strstr(err.message, "may not compile"));
    assert_string_equal(frit_status_name(err.status), "NOT_COMPILED");
    assert_true(compile_and_run(x->folder, 1)); /* another program compiles it */
    assert_int_equal(frit_compile(m, NULL, &p, &err), FRIT_OK);
    assert_true(frit_compiled_from_cache(p));
    frit_compiled_release(p);
    frit_module_release(m);
    assert_int_equal(frit_module_parse(c, FRIT_SOURCE_FRIT, "m", other, strlen(other), &lazy, &m, &err), FRIT_OK);
    assert_int_equal(frit_compile(m, NULL, &p, &err), FRIT_NOT_COMPILED);
    frit_module_release(m);
    frit_compiler_release(c);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_killed), TEST(test_leftovers), TEST(test_no_room), TEST(test_at_once),
                                       TEST(test_never_compile)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
