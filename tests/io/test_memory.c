/* Every allocation of the readers of tensor files fails in turn: each time there is an error or the right result, nothing
 * crashes and nothing is lost. The allocator is replaced by the linker (--wrap). */
#include "tools/io/literal.h"
#include "tools/io/npy.h"
#include "tools/io/safetensors.h"
#include "tools/io/weights.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t alignment, size_t n);
char *__real_strdup(const char *s);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);
char *__wrap_strdup(const char *s);
void __wrap_free(void *p);

static struct {
    bool on, failed;
    long left, alive; /* allocations until one fails; blocks held */
} heap;

static bool fails(void) {
    if (!heap.on || heap.left-- != 0) return false;
    return heap.failed = true;
}

static void *made(void *p) {
    heap.alive += heap.on && p;
    return p;
}

void *__wrap_malloc(size_t n) { return fails() ? NULL : made(__real_malloc(n)); }
void *__wrap_calloc(size_t n, size_t size) { return fails() ? NULL : made(__real_calloc(n, size)); }
void *__wrap_aligned_alloc(size_t alignment, size_t n) { return fails() ? NULL : made(__real_aligned_alloc(alignment, n)); }
char *__wrap_strdup(const char *s) { return fails() ? NULL : made(__real_strdup(s)); }
void *__wrap_realloc(void *p, size_t n) {
    if (fails()) return NULL;
    return p ? __real_realloc(p, n) : made(__real_realloc(p, n));
}
void __wrap_free(void *p) {
    heap.alive -= heap.on && p;
    __real_free(p);
}

static char folder[64];
static char *in_folder(const char *name) {
    static char path[4][256];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

/* Runs read with the first, second, ... allocation failing, until none does. A read that fails says why. */
static void every_allocation(bool (*read)(io_error *e)) {
    enum { MOST = 2000 };
    int n = 0;
    for (;; n++) {
        io_error e = {{0}};
        assert_true(n < MOST);
        heap.failed = false;
        heap.alive = 0;
        heap.left = n;
        heap.on = true;
        bool ok = read(&e);
        heap.on = false;
        assert_int_equal(heap.alive, 0);
        if (!ok) assert_true(e.text[0]);
        if (!heap.failed) {
            assert_true(ok);
            break;
        }
    }
    assert_true(n > 0);
}

static bool freed(bool ok, io_array *a) {
    if (ok) io_array_free(a);
    return ok;
}

static bool read_npy(io_error *e) {
    io_array a;
    return freed(npy_read_file(&a, in_folder("a.npy"), FRIT_DTYPE_COUNT, e), &a);
}

static bool read_npz(io_error *e) {
    zip_file z;
    io_array a;
    if (!zip_open(&z, in_folder("a.npz"), e)) return false;
    bool ok = true;
    for (int i = 0; ok && i < z.n; i++) ok = freed(npz_read(&a, &z, i, FRIT_DTYPE_COUNT, e), &a);
    zip_close(&z);
    return ok;
}

static bool read_safetensors(io_error *e) {
    safetensors s;
    io_array a;
    if (!safetensors_open(&s, in_folder("a.safetensors"), e)) return false;
    bool ok = true;
    for (int i = 0; ok && i < s.n; i++) ok = freed(safetensors_read(&a, &s, i, e), &a);
    safetensors_close(&s);
    return ok;
}

static bool read_weights(io_error *e) {
    weights *w = weights_new();
    if (!w) return io_fail(e, "out of memory");
    bool ok = weights_add(w, in_folder("a.safetensors"), e);
    io_array a;
    for (int i = 0; ok && i < weights_count(w); i++) ok = freed(weights_read(w, i, &a, e), &a);
    weights_free(w);
    return ok;
}

static bool read_literal(io_error *e) {
    io_array a;
    return freed(literal_parse(&a, "[[1, 2.5, 3], [4, 5, 6]]", FRIT_f32, e), &a);
}

static void test_npy(void **state) { every_allocation(read_npy); }
static void test_npz(void **state) { every_allocation(read_npz); }
static void test_safetensors(void **state) { every_allocation(read_safetensors); }
static void test_weights(void **state) { every_allocation(read_weights); }
static void test_literal(void **state) { every_allocation(read_literal); }

static int make_files(void **state) {
    int64_t dims[] = {3, 4};
    const char *names[] = {"first", "second.one"};
    io_array a[2];
    strcpy(folder, "/tmp/frit-io-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    for (int i = 0; i < 2; i++) {
        if (!io_array_alloc(&a[i], i ? FRIT_bf16 : FRIT_f32, 2, dims, NULL)) return 1;
        memset(a[i].data, i, (size_t)a[i].bytes);
    }
    bool ok = npy_write_file(in_folder("a.npy"), a, NULL) && npz_write_file(in_folder("a.npz"), 2, names, a, NULL) &&
              safetensors_write_file(in_folder("a.safetensors"), 2, names, a, NULL);
    for (int i = 0; i < 2; i++) io_array_free(&a[i]);
    return !ok;
}

static int remove_files(void **state) {
    static const char *const names[] = {"a.npy", "a.npz", "a.safetensors"};
    for (int i = 0; i < 3; i++) unlink(in_folder(names[i]));
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_npy), cmocka_unit_test(test_npz),
                                       cmocka_unit_test(test_safetensors), cmocka_unit_test(test_weights),
                                       cmocka_unit_test(test_literal)};
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
