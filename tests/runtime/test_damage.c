/* Damaged packages and exhausted memory: refused with a status, or harmless; never a crash. */
#include "model.h"
#include "damage.h"
#include <stdlib.h>
#include <string.h>

/* Whether the bytes are accepted; a refusal gives a reason. */
static bool try_package(const void *bytes, size_t n) {
    frit_package *p = NULL;
    frit_error err = {0};
    frit_status s = frit_package_open_memory(bytes, n, NULL, NULL, NULL, &p, &err);
    if (s != FRIT_OK) {
        assert_true(err.message[0] != 0);
        assert_null(p);
        return false;
    }
    frit_package_release(p);
    return true;
}

/* The packages that are damaged: one target, and several. */
static const void *subject(void **state, model *m, uint64_t *n) {
    if (*state) return model_several(m, n);
    *m = model_everything();
    return model_bytes(m, n);
}

static void test_flips(void **state) {
    model m;
    uint64_t n;
    const void *bytes = subject(state, &m, &n);
    uint8_t *copy = aligned_alloc(64, (n + 63) / 64 * 64);
    assert_true(try_package(bytes, n));
    uint64_t accepted = 0, covered = sizeof(fpk_header);
    const fpk_section *sections = (const fpk_section *)((const fpk_header *)bytes + 1);
    for (uint32_t i = 0; i < ((const fpk_header *)bytes)->n_sections; i++)
        covered += sizeof *sections + sections[i].size;
    for (uint64_t i = 0; i < n; i++) {
        memcpy(copy, bytes, n);
        copy[i] ^= (uint8_t)(1u << i % 8);
        accepted += try_package(copy, n);
    }
    /* Only bytes between sections may change unnoticed: they mean nothing. */
    assert_int_equal(accepted, n - covered);
    free(copy);
    model_free(&m);
}

static void test_truncation(void **state) {
    model m;
    uint64_t n;
    const void *bytes = subject(state, &m, &n);
    for (uint64_t i = 0; i < n; i++) assert_false(try_package(bytes, i));
    uint8_t *longer = malloc(n + 1);
    memcpy(longer, bytes, n);
    longer[n] = 0;
    assert_false(try_package(longer, n + 1));
    assert_true(try_package(longer, n));
    memmove(longer + 1, longer, n); /* not aligned: copied */
    assert_true(try_package(longer + 1, n));
    free(longer);
    model_free(&m);
}

/* Equal calls give equal bytes, though every address differs. */
static void test_same_bytes(void **state) {
    (void)state;
    uint64_t n1, n2;
    model a = model_everything();
    void *elsewhere = malloc(12345);
    model b = model_everything();
    const void *x = model_bytes(&a, &n1), *y = model_bytes(&b, &n2);
    assert_int_equal(n1, n2);
    assert_memory_equal(x, y, n1);
    free(elsewhere);
    model_free(&a);
    model_free(&b);
}

/* The caller's mistakes are told in words. */
static void test_writer_mistakes(void **state) {
    (void)state;
    for (int mistake = 0; mistake < 5; mistake++) {
        static const char *const words[] = {"no target", "inside a loop", "there is no buffer 77",
                                            "nothing gives i a value", "no upper bound"};
        model m = model_new();
        sym_t i = sym_var(m.c, "i", SYM_INT, NULL, NULL), one = sym_const(m.c, 1);
        const void *bytes;
        uint64_t n;
        const char *why = NULL;
        if (mistake) model_target(&m), package_main(m.p);
        if (mistake == 1) package_loop(m.p, i, one);
        if (mistake == 2) package_copy(m.p, package_at(77), package_at(78), one);
        if (mistake == 3) package_fill(m.p, package_at(package_temp(m.p, i)), one, 1, 0);
        if (mistake == 4) package_read(m.p, i, package_at(package_temp(m.p, sym_const(m.c, 8))));
        assert_false(package_finish(m.p, &bytes, &n, &why));
        if (!strstr(why, words[mistake])) fail_msg("%s, not %s", why, words[mistake]);
        model_free(&m);
    }
}

static void test_version(void **state) {
    (void)state;
    model m = model_add();
    uint64_t n;
    uint8_t *bytes = (uint8_t *)model_bytes(&m, &n);
    frit_package *p;
    ((fpk_header *)bytes)->version++;
    assert_fails(frit_package_open_memory(bytes, n, NULL, NULL, NULL, &p, err), FRIT_VERSION_MISMATCH, "version 4");
    assert_fails(
        frit_package_open_memory("no package at all, but long enough for a header", 48, NULL, NULL, NULL, &p, err),
        FRIT_BAD_PACKAGE, "not a frit package");
    assert_fails(frit_package_open("/nonexistent/x.fpk", &p, err), FRIT_IO, "cannot open");
    assert_fails(frit_package_open("/", &p, err), FRIT_IO, "cannot map");
    model_free(&m);
}

/* Every field of every record takes bad values, with the checksums made right again: what the reader accepts must also
 * bind, plan and describe itself without harm. */
static void test_bad_fields(void **state) {
    model m;
    uint64_t n;
    const void *bytes = subject(state, &m, &n);
    uint8_t *copy = aligned_alloc(64, (n + 63) / 64 * 64);
    const fpk_header *h = bytes;
    const fpk_section *s = (const fpk_section *)(h + 1);
    static const uint32_t values[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x00ffffff, 65};
    uint64_t refused = 0, tried = 0;
    for (uint32_t k = 0; k < h->n_sections; k++) {
        if (s[k].kind == FPK_CODE || s[k].kind == FPK_WEIGHTS || s[k].kind == FPK_DATA) continue;
        for (uint64_t at = 0; at + 4 <= s[k].size; at += 4) {
            for (size_t v = 0; v < sizeof values / sizeof *values; v++, tried++) {
                memcpy(copy, bytes, n);
                memcpy(copy + s[k].offset + at, &values[v], 4);
                damage_reseal(copy, n);
                refused += !damage_exercise(copy, n);
            }
        }
    }
    assert_true(tried > 1000);
    assert_true(refused > tried / 10);
    free(copy);
    model_free(&m);
}

/* ---- Memory that runs out ---------------------------------------------------------------------------------------- */
typedef struct counting {
    int left; /* allocations until the one that fails; -1: none fails */
    int live;
    size_t live_bytes;
} counting;

static void *counted_alloc(void *ctx, size_t size, size_t align) {
    counting *c = ctx;
    if (c->left == 0) return NULL;
    if (c->left > 0) c->left--;
    void *p = aligned_alloc(align, (size + align - 1) / align * align);
    if (p) c->live++, c->live_bytes += size;
    return p;
}
static void counted_free(void *ctx, void *p, size_t size) {
    counting *c = ctx;
    c->live--, c->live_bytes -= size;
    free(p);
}

/* Everything from device to run; whether nothing failed. */
static frit_status whole_life(frit_package *p, const frit_allocator *mem) {
    frit_device_options o = {.struct_size = sizeof o, .threads = 2, .allocator = mem};
    frit_device *d = NULL;
    frit_weights *w = NULL;
    frit_session *s = NULL;
    float x[16] = {0}, y[33] = {0}, out[32] = {0};
    int64_t n = 16, n2 = 33, trips = 3, step = 2;
    DLTensor in[3] = {frit_dense(x, FRIT_f32, 1, &n), frit_dense(y, FRIT_f32, 1, &n2),
                      frit_dense(&trips, FRIT_i64, 0, NULL)};
    DLTensor z = frit_dense(out, FRIT_f32, 1, &n);
    z.strides = &step;
    frit_status st = frit_device_open("cpu", &o, &d, NULL);
    if (st == FRIT_OK) st = frit_weights_create(p, d, NULL, &w, NULL);
    if (st == FRIT_OK) st = frit_session_create(w, NULL, &s, NULL);
    if (st == FRIT_OK) st = frit_session_prepare(s, in, 3, NULL);
    if (st == FRIT_OK) st = frit_session_run(s, in, 3, &z, 1, NULL);
    if (st == FRIT_NO_MEMORY && s) { /* with memory, the session works as if nothing had happened */
        ((counting *)mem->ctx)->left = -1;
        assert_ok(frit_session_run(s, in, 3, &z, 1, err));
    }
    if (s) assert_true(out[30] == 3);
    frit_session_release(s);
    frit_weights_release(w);
    frit_device_release(d);
    return st;
}

static void test_no_memory(void **state) {
    (void)state;
    model m = model_everything();
    uint64_t n;
    const void *bytes = model_bytes(&m, &n);
    frit_package *p;
    assert_ok(frit_package_open_memory(bytes, n, NULL, NULL, NULL, &p, err));
    int failures = 0;
    for (int i = 0;; i++) {
        counting c = {.left = i};
        frit_allocator mem = {&c, counted_alloc, counted_free};
        frit_status st = whole_life(p, &mem);
        assert_int_equal(c.live, 0);
        assert_int_equal(c.live_bytes, 0);
        if (st == FRIT_OK) break;
        assert_int_equal(st, FRIT_NO_MEMORY);
        failures++;
        assert_true(i < 1000);
    }
    assert_true(failures > 15);
    frit_package_release(p);
    model_free(&m);
}

/* Packages allocate before there is a device to ask: the linker sends their aligned_alloc here. */
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
static int allocations_left = -1;
void *__wrap_aligned_alloc(size_t align, size_t size) {
    if (allocations_left == 0) return NULL;
    if (allocations_left > 0) allocations_left--;
    return __real_aligned_alloc(align, size);
}

static void test_no_memory_to_open(void **state) {
    (void)state;
    model m = model_everything();
    uint64_t n;
    const char *bytes = model_bytes(&m, &n);
    char *copy = malloc(n + 1);
    memcpy(copy + 1, bytes, n); /* not aligned, so that it has to be copied */
    int failures = 0;
    for (int i = 0;; i++) {
        frit_package *p = NULL;
        allocations_left = i;
        frit_status st = frit_package_open_memory(copy + 1, n, "dir", NULL, NULL, &p, NULL);
        allocations_left = -1;
        frit_package_release(p);
        if (st == FRIT_OK) break;
        assert_int_equal(st, FRIT_NO_MEMORY);
        assert_true(failures++ < 100);
    }
    assert_true(failures >= 6);
    free(copy);
    model_free(&m);
}

/* After prepare, runs take no memory, also when a host integer changes from run to run. */
static void test_steady_runs(void **state) {
    (void)state;
    model m = model_everything();
    uint64_t n;
    const void *bytes = model_bytes(&m, &n);
    counting c = {.left = -1};
    frit_allocator mem = {&c, counted_alloc, counted_free};
    rig r = {0};
    assert_ok(frit_package_open_memory(bytes, n, NULL, NULL, NULL, &r.package, err));
    frit_device_options o = {.struct_size = sizeof o, .threads = 1, .allocator = &mem};
    assert_ok(frit_device_open("cpu", &o, &r.device, err));
    assert_ok(frit_weights_create(r.package, r.device, NULL, &r.weights, err));
    assert_ok(frit_session_create(r.weights, NULL, &r.session, err));
    float x[16] = {0}, y[33] = {0}, out[16];
    int64_t len = 16, len2 = 33, trips = 0;
    DLTensor in[3] = {frit_dense(x, FRIT_f32, 1, &len), frit_dense(y, FRIT_f32, 1, &len2),
                      frit_dense(&trips, FRIT_i64, 0, NULL)};
    DLTensor z = frit_dense(out, FRIT_f32, 1, &len);
    assert_ok(frit_session_prepare(r.session, in, 3, err));
    c.left = 0; /* any allocation from here on fails */
    for (trips = 0; trips < 9; trips++) {
        assert_ok(frit_session_run(r.session, in, 3, &z, 1, err));
        assert_true(out[15] == (float)trips); /* each turn adds the state, 1 */
    }
    rig_close(&r);
    model_free(&m);
}

/* Joining stores once what is equal, gives equal bytes for equal input, and each variant does what it did alone. */
static void test_several(void **state) {
    (void)state;
    uint64_t n1, n2, alone;
    model a, b, c = model_everything();
    const void *x = model_several(&a, &n1), *y = model_several(&b, &n2);
    assert_int_equal(n1, n2);
    assert_memory_equal(x, y, n1);
    const fpk_section *one = (const fpk_section *)((const fpk_header *)model_bytes(&c, &alone) + 1);
    const fpk_section *all = (const fpk_section *)((const fpk_header *)x + 1);
    for (uint32_t i = 0; i < ((const fpk_header *)x)->n_sections; i++) {
        static const fpk_section_kind shared[] = {FPK_INFO,    FPK_SYMBOLS, FPK_STEPS, FPK_EXPRS,
                                                  FPK_TENSORS, FPK_CHECKS,  FPK_DATA,  FPK_WEIGHTS};
        for (size_t k = 0; k < sizeof shared / sizeof *shared; k++)
            if (all[i].kind == shared[k]) assert_int_equal(all[i].size, one[i].size);
    }
    frit_package *p;
    frit_target_info t = {.struct_size = sizeof t};
    assert_ok(frit_package_open_memory(x, n1, NULL, NULL, NULL, &p, err));
    assert_int_equal(frit_package_get_info(p)->n_targets, 3);
    assert_ok(frit_package_target(p, 2, &t, err));
    assert_string_equal(t.target, "hip:gfx942");
    assert_int_equal(t.n_kernels, 2);
    assert_fails(frit_package_target(p, 3, &t, err), FRIT_USAGE, "no target 3");
    counting none = {.left = -1};
    frit_allocator mem = {&none, counted_alloc, counted_free};
    assert_int_equal(whole_life(p, &mem), FRIT_OK);
    frit_package_release(p);
    package_bytes twice[2] = {{x, n1}, {x, n1}}, other[2] = {{x, n1}, {NULL, 0}}, out;
    const char *why;
    assert_false(package_merge(a.a, 2, twice, &out, &why));
    assert_non_null(strstr(why, "twice"));
    model add = model_add();
    other[1].data = model_bytes(&add, &other[1].n);
    assert_false(package_merge(a.a, 2, other, &out, &why));
    assert_non_null(strstr(why, "not of one model"));
    model_free(&a), model_free(&b), model_free(&c), model_free(&add);
}

int main(void) {
    static char several[] = "several";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_several),
        cmocka_unit_test_prestate(test_flips, several),
        cmocka_unit_test_prestate(test_truncation, several),
        cmocka_unit_test_prestate(test_bad_fields, several),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_writer_mistakes),
        cmocka_unit_test(test_flips),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_bad_fields),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_no_memory_to_open),
        cmocka_unit_test(test_steady_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
