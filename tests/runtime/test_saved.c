/* Packed params saved by one process and taken by another: equal results, and nothing that does not fit is taken. */
#include "model.h"
#include <stdlib.h>
#include <string.h>

typedef struct bytes {
    char *data; /* 64-byte aligned, with room for one more */
    size_t n, room;
    int left; /* pieces until write says no; -1: never */
} bytes;

static bool take(void *u, const void *p, size_t n) {
    bytes *b = u;
    if (!b->left--) return false;
    assert_true(n <= b->room - b->n);
    memcpy(b->data + b->n, p, n);
    b->n += n;
    return true;
}

/* A package, a device and weights that are not loaded. */
typedef struct parts {
    model m;
    frit_package *p;
    frit_device *d;
    frit_weights *w;
} parts;

static parts open_parts(model m) {
    parts x = {.m = m};
    uint64_t n;
    const void *made = model_bytes(&x.m, &n);
    assert_ok(frit_package_open_memory(made, n, NULL, NULL, NULL, &x.p, err));
    assert_ok(frit_device_open(model_device(), NULL, &x.d, err));
    assert_ok(frit_weights_create(x.p, x.d, NULL, &x.w, err));
    return x;
}

static void close_parts(parts *x) {
    frit_weights_release(x->w);
    frit_device_release(x->d);
    frit_package_release(x->p);
    model_free(&x->m);
}

static frit_weights *again(const parts *x) {
    frit_weights *w;
    assert_ok(frit_weights_create(x->p, x->d, NULL, &w, err));
    return w;
}

static bytes save(frit_weights *w) {
    size_t n = frit_weights_saved_size(w);
    bytes b = {.room = n + 1, .left = -1};
    assert_true(n > 0 && n % 64 == 0);
    b.data = aligned_alloc(64, n + 64);
    assert_ok(frit_weights_save(w, take, &b, err));
    assert_int_equal(b.n, n);
    return b;
}

static void count(void *u) { ++*(int *)u; }

static void test_round_trip(void **state) {
    parts x = open_parts(model_everything());
    assert_int_equal(frit_weights_saved_size(x.w), 0);
    assert_fails(frit_weights_save(x.w, take, NULL, err), FRIT_USAGE, "load");
    assert_ok(frit_weights_load(x.w, err));
    bytes b = save(x.w);
    int gone = 0;
    for (int shift = 0; shift < 2; shift++) { /* in place, and copied */
        frit_weights *w = again(&x);
        if (shift) memmove(b.data + 1, b.data, b.n);
        assert_ok(frit_weights_restore(w, b.data + shift, b.n, count, &gone, err));
        bool lent = !shift && !strcmp(model_device(), "cpu");
        assert_int_equal(gone, lent ? 0 : 1 + shift);
        bytes c = save(w);
        assert_true(c.n == b.n && !memcmp(c.data, b.data + shift, c.n));
        assert_fails(frit_weights_restore(w, b.data, b.n, NULL, NULL, err), FRIT_USAGE, "already");
        assert_ok(frit_weights_load(w, err)); /* nothing is left to do */
        frit_weights_release(w);
        assert_int_equal(gone, 1 + shift);
        free(c.data);
    }
    free(b.data);
    close_parts(&x);
}

/* All that says what the bytes are: any change is refused, and the weights can be loaded then. */
static void test_damage(void **state) {
    parts x = open_parts(model_everything());
    assert_ok(frit_weights_load(x.w, err));
    bytes b = save(x.w);
    frit_weights *w = again(&x);
    int gone = 0;
    for (size_t at = 0; at < 48 + 24; at++) {
        b.data[at] ^= 0x10;
        assert_fails(frit_weights_restore(w, b.data, b.n, count, &gone, err), FRIT_BAD_PACKAGE, "packed");
        b.data[at] ^= 0x10;
    }
    for (size_t n = 0; n < b.n; n++)
        assert_fails(frit_weights_restore(w, b.data, n, count, &gone, err), FRIT_BAD_PACKAGE, "packed");
    assert_int_equal(gone, 0);
    assert_ok(frit_weights_load(w, err));
    frit_weights_release(w);
    parts other = open_parts(model_add());
    assert_fails(frit_weights_restore(other.w, b.data, b.n, NULL, NULL, err), FRIT_BAD_PACKAGE, "another package");
    assert_ok(frit_weights_load(other.w, err));
    assert_int_equal(frit_weights_saved_size(other.w), 0);
    close_parts(&other);
    free(b.data);
    close_parts(&x);
}

static void test_writer_says_no(void **state) {
    parts x = open_parts(model_everything());
    assert_ok(frit_weights_load(x.w, err));
    bytes b = save(x.w);
    for (int left = 0; left < 3; left++) {
        b.n = 0, b.left = left;
        assert_fails(frit_weights_save(x.w, take, &b, err), FRIT_IO, "not written");
    }
    free(b.data);
    close_parts(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_damage),
                                       cmocka_unit_test(test_writer_says_no)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
