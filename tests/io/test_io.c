/* Tensor files: what is written reads back, and damaged bytes are errors. */
#include "tools/io/fill.h"
#include "tools/io/literal.h"
#include "tools/io/npy.h"
#include "tools/io/report.h"
#include "tools/io/weights.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static const char *in_folder(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state) {
    strcpy(folder, "/tmp/frit-io-XXXXXX");
    return !mkdtemp(folder);
}

static int remove_folder(void **state) {
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static io_array seeded(frit_dtype t, int rank, const int64_t *dims) {
    io_array a;
    assert_true(io_array_alloc(&a, t, rank, dims, NULL));
    fill_seeded(&a, FILL_INPUT, 7, "x", 0);
    return a;
}

static void assert_same(const io_array *a, const io_array *b) {
    assert_int_equal(a->dtype, b->dtype);
    assert_int_equal(a->rank, b->rank);
    assert_memory_equal(a->dims, b->dims, sizeof *a->dims * (size_t)a->rank + 1);
    assert_int_equal(a->bytes, b->bytes);
    assert_memory_equal(a->data, b->data, (size_t)a->bytes + (a->bytes == 0));
}

static const int64_t shapes[][3] = {{3, 4, 5}, {1, 7, 0}, {9, 0, 0}};
static const int ranks[] = {3, 3, 1, 0};

static void test_npy_round_trip(void **state) {
    for (int t = 0; t < FRIT_DTYPE_COUNT; t++)
        for (int s = 0; s < 4; s++) {
            io_array a = seeded((frit_dtype)t, ranks[s], shapes[s % 3]), b;
            io_error e = {{0}};
            assert_true(npy_write_file(in_folder("a.npy"), &a, &e));
            assert_true(npy_read_file(&b, in_folder("a.npy"), (frit_dtype)t, &e));
            assert_same(&a, &b);
            io_array_free(&a);
            io_array_free(&b);
        }
}

static void test_npz_round_trip(void **state) {
    io_array a[2] = {seeded(FRIT_f32, 2, (int64_t[]){4, 4}), seeded(FRIT_bf16, 1, (int64_t[]){9})}, b;
    const char *names[] = {"first", "second.one"};
    zip_file z;
    assert_true(npz_write_file(in_folder("a.npz"), 2, names, a, NULL));
    assert_true(zip_open(&z, in_folder("a.npz"), NULL));
    assert_int_equal(npz_find(&z, "none"), -1);
    for (int i = 0; i < 2; i++) {
        int at = npz_find(&z, names[i]);
        assert_int_equal(at, i);
        assert_true(npz_read(&b, &z, at, FRIT_DTYPE_COUNT, NULL));
        assert_same(&a[i], &b);
        io_array_free(&b);
        io_array_free(&a[i]);
    }
    zip_close(&z);
}

static void test_safetensors_round_trip(void **state) {
    io_array a[FRIT_DTYPE_COUNT], b;
    const char *names[FRIT_DTYPE_COUNT];
    safetensors s;
    for (int t = 0; t < FRIT_DTYPE_COUNT; t++) {
        a[t] = seeded((frit_dtype)t, 2, (int64_t[]){3, 5});
        names[t] = frit_dtype_name((frit_dtype)t);
    }
    assert_true(safetensors_write_file(in_folder("a.safetensors"), FRIT_DTYPE_COUNT, names, a, NULL));
    assert_true(safetensors_open(&s, in_folder("a.safetensors"), NULL));
    assert_int_equal(s.n, FRIT_DTYPE_COUNT);
    for (int t = 0; t < FRIT_DTYPE_COUNT; t++) {
        assert_string_equal(s.tensors[t].name, names[t]);
        assert_true(safetensors_read(&b, &s, t, NULL));
        assert_same(&a[t], &b);
        io_array_free(&b);
        io_array_free(&a[t]);
    }
    safetensors_close(&s);
}

static void write_one(const char *file, const char *name) {
    io_array a = seeded(FRIT_f32, 1, (int64_t[]){3});
    assert_true(safetensors_write_file(in_folder(file), 1, &name, &a, NULL));
    io_array_free(&a);
}

static void test_weights(void **state) {
    static const char index[] = "{\"weight_map\":{\"one\":\"w1.safetensors\",\"two\":\"w2.safetensors\"}}";
    static const char escape[] = "{\"weight_map\":{\"one\":\"../w1.safetensors\"}}";
    char argument[300];
    io_error e = {{0}};
    mkdir(in_folder("m"), 0700);
    write_one("m/w1.safetensors", "one");
    write_one("m/w2.safetensors", "two");
    weights *w = weights_new();
    assert_true(weights_add(w, in_folder("m"), &e));
    assert_int_equal(weights_count(w), 2);
    snprintf(argument, sizeof argument, "enc.layer=%s", in_folder("m/w1.safetensors"));
    assert_true(weights_add(w, argument, &e));
    assert_true(weights_find(w, "enc.layer.one") >= 0);
    assert_int_equal(weights_find(w, "three"), -1);
    const char *near[2];
    assert_int_equal(weights_nearest(w, "enc.layer.onc", 2, near), 2);
    assert_string_equal(near[0], "enc.layer.one");
    assert_false(weights_add(w, in_folder("m/w1.safetensors"), &e));
    assert_non_null(strstr(e.text, "'one' is in"));
    weights_free(w);
    w = weights_new();
    assert_true(io_write_file(in_folder("m/model.safetensors.index.json"), index, sizeof index - 1, false, &e));
    assert_true(weights_add(w, in_folder("m"), &e));
    assert_int_equal(weights_count(w), 2);
    assert_true(io_write_file(in_folder("m/model.safetensors.index.json"), escape, sizeof escape - 1, false, &e));
    assert_false(weights_add(w, in_folder("m"), &e));
    weights_free(w);
}

/* Every prefix and 4000 single-byte changes of each format: an error or an array, and the sanitizers stay silent. */
static void read_any(const uint8_t *bytes, size_t n) {
    void *copy = malloc(n ? n : 1);
    memcpy(copy, bytes, n);
    io_file *f = io_file_from_memory(copy, n);
    io_error e;
    io_array a;
    zip_file z;
    safetensors s;
    if (npy_read(&a, f, 0, n, FRIT_DTYPE_COUNT, &e))
        io_array_free(&a);
    if (zip_parse(&z, f, &e)) {
        for (int i = 0; i < z.n; i++)
            if (npz_read(&a, &z, i, FRIT_i4, &e))
                io_array_free(&a);
        zip_close(&z);
    }
    if (safetensors_parse(&s, f, &e)) {
        for (int i = 0; i < s.n; i++)
            if (safetensors_read(&a, &s, i, &e))
                io_array_free(&a);
        safetensors_close(&s);
    }
    io_file_release(f);
}

static void damage(const char *path) {
    io_file *f = io_file_open(path, NULL);
    size_t n = io_file_size(f);
    uint8_t *bytes = malloc(n);
    memcpy(bytes, io_file_data(f), n);
    io_file_release(f);
    for (size_t i = 0; i < n; i++)
        read_any(bytes, i);
    srand(1);
    for (int i = 0; i < 4000; i++) {
        size_t at = (size_t)rand() % n;
        uint8_t old = bytes[at];
        bytes[at] = (uint8_t)rand();
        read_any(bytes, n);
        bytes[at] = old;
    }
    free(bytes);
}

static void test_damaged_files(void **state) {
    io_array a = seeded(FRIT_f32, 2, (int64_t[]){2, 3});
    const char *name = "a";
    assert_true(npy_write_file(in_folder("d.npy"), &a, NULL));
    damage(in_folder("d.npy"));
    assert_true(npz_write_file(in_folder("d.npz"), 1, &name, &a, NULL));
    damage(in_folder("d.npz"));
    assert_true(safetensors_write_file(in_folder("d.safetensors"), 1, &name, &a, NULL));
    damage(in_folder("d.safetensors"));
    io_array_free(&a);
}

static void expect_npy_error(const char *header, size_t data, const char *part) {
    char file[512];
    size_t n = strlen(header);
    memcpy(file, "\x93NUMPY\1\0", 8);
    file[8] = (char)n;
    file[9] = 0;
    memcpy(file + 10, header, n);
    memset(file + 10 + n, 0, data);
    assert_true(io_write_file(in_folder("bad.npy"), file, 10 + n + data, true, NULL));
    io_array a;
    io_error e;
    assert_false(npy_read_file(&a, in_folder("bad.npy"), FRIT_DTYPE_COUNT, &e));
    if (!strstr(e.text, part))
        fail_msg("expected '%s' in: %s", part, e.text);
}

static void test_npy_errors(void **state) {
    expect_npy_error("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", 15, "truncated");
    expect_npy_error("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", 8, "'<c8' are not supported");
    expect_npy_error("{'descr': '<f4', 'shape': (1,), }", 8, "lacks");
    expect_npy_error("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 8, "overflows");
    expect_npy_error("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 8, "records");
    expect_npy_error("no dictionary", 8, "dictionary");
}

static void expect_literal(const char *text, frit_dtype t, int rank, int64_t n, double last) {
    io_array a;
    io_error e;
    assert_true(literal_looks_like(text));
    assert_true(literal_parse(&a, text, t, &e));
    assert_int_equal(a.rank, rank);
    assert_int_equal(io_elements(&a), n);
    if (n)
        assert_true(frit_load_float(t, a.data, n - 1) == last);
    io_array_free(&a);
}

static void expect_literal_error(const char *text, frit_dtype t, const char *part) {
    io_array a;
    io_error e;
    assert_false(literal_parse(&a, text, t, &e));
    if (!strstr(e.text, part))
        fail_msg("expected '%s' in: %s", part, e.text);
}

static void test_literals(void **state) {
    expect_literal("3", FRIT_i64, 0, 1, 3);
    expect_literal("-1.5e1", FRIT_f32, 0, 1, -15);
    expect_literal("true", FRIT_bool, 0, 1, 1);
    expect_literal("[1, 2,3 ]", FRIT_u8, 1, 3, 3);
    expect_literal("[[1,2],[3,4],]", FRIT_i4, 2, 4, 4);
    expect_literal("[]", FRIT_f32, 1, 0, 0);
    expect_literal("inf", FRIT_f64, 0, 1, INFINITY);
    expect_literal("9223372036854775807", FRIT_i64, 0, 1, (double)INT64_MAX);
    expect_literal("18446744073709551615", FRIT_u64, 0, 1, (double)UINT64_MAX);
    expect_literal_error("[1, [2]]", FRIT_f32, "a list where");
    expect_literal_error("[[1], 2]", FRIT_f32, "a number where");
    expect_literal_error("[[1], [2, 3]]", FRIT_f32, "one length");
    expect_literal_error("[1, 2", FRIT_f32, "not closed");
    expect_literal_error("300", FRIT_u8, "does not fit u8");
    expect_literal_error("1.5", FRIT_i32, "does not fit i32");
    expect_literal_error("[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", FRIT_i32, "nest");
    assert_false(literal_looks_like("x.npy"));
    assert_false(literal_looks_like("3.npy"));
    assert_false(literal_looks_like("infile"));
}

static void test_compare(void **state) {
    io_array a, b;
    report_difference d;
    io_error e;
    literal_parse(&a, "[1, 2, nan, inf]", FRIT_f32, &e);
    literal_parse(&b, "[1, 2.001, nan, inf]", FRIT_f32, &e);
    assert_true(report_compare(&a, &b, 0, 0.01, &d, &e));
    assert_int_equal(d.wrong, 0);
    assert_true(report_compare(&a, &b, 0, 0.0001, &d, &e));
    assert_int_equal(d.wrong, 1);
    assert_int_equal(d.worst, 1);
    io_array_free(&b);
    literal_parse(&b, "[1, 2, 0, -inf]", FRIT_f32, &e);
    assert_true(report_compare(&a, &b, 1, 1, &d, &e));
    assert_int_equal(d.wrong, 2);
    io_array_free(&b);
    literal_parse(&b, "[[1, 2, 0, 3]]", FRIT_f32, &e);
    assert_false(report_compare(&a, &b, 1, 1, &d, &e));
    io_array_free(&a);
    io_array_free(&b);
}

static void test_fill(void **state) {
    io_array a = seeded(FRIT_f32, 1, (int64_t[]){10000});
    double sum = 0, squares = 0;
    for (int i = 0; i < 10000; i++) {
        double x = frit_load_float(FRIT_f32, a.data, i);
        sum += x;
        squares += x * x;
    }
    assert_true(fabs(sum / 10000) < 0.05 && fabs(squares / 10000 - 1) < 0.05);
    io_array_free(&a);
    a = seeded(FRIT_i32, 1, (int64_t[]){1000});
    fill_seeded(&a, FILL_INPUT, 1, "ids", 17);
    for (int i = 0; i < 1000; i++)
        assert_in_range(frit_load_int(FRIT_i32, a.data, i), 0, 16);
    io_array_free(&a);
}

static void test_writer_leaves_nothing_half(void **state) {
    io_writer w;
    assert_true(io_write_file(in_folder("w"), "old", 3, false, NULL));
    assert_true(io_writer_open(&w, in_folder("w"), false, NULL));
    fputs("new", w.stream);
    io_writer_abort(&w);
    io_file *f = io_file_open(in_folder("w"), NULL);
    assert_memory_equal(io_file_data(f), "old", 3);
    io_file_release(f);
    assert_false(io_writer_open(&w, in_folder("no/such/folder"), false, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_npy_round_trip), cmocka_unit_test(test_npz_round_trip),
        cmocka_unit_test(test_safetensors_round_trip), cmocka_unit_test(test_weights),
        cmocka_unit_test(test_damaged_files), cmocka_unit_test(test_npy_errors), cmocka_unit_test(test_literals),
        cmocka_unit_test(test_compare), cmocka_unit_test(test_fill), cmocka_unit_test(test_writer_leaves_nothing_half),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
