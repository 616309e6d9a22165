/* Diagnostics: what is printed, and names that are near. */
#include "ir/diag.h"
#include "support.h"
#include <stdio.h>
#include <stdlib.h>

static const char source_text[] = "const a = 1\n\tx = \u00e9 + bc\r\nlast";

static char *print(const diag *d, bool json, bool colour) {
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    assert_non_null(f);
    if (json)
        diag_print_json(d, f);
    else
        diag_print_text(d, f, colour);
    fclose(f);
    return text;
}

static diag *sample(void) {
    diag *d = diag_new();
    uint32_t s = diag_add_source(d, "a \"b\".frit", source_text, sizeof source_text - 1);
    diag_record *r = diag_report(d, MSG_BAD_NUMBER, (ir_span){s, 22, 24}, "b\"c");
    diag_note(d, r, (ir_span){s, 6, 7}, "a is %d", 1);
    diag_note(d, r, (ir_span){0}, "no place");
    diag_suggest(d, r, "write %s", "x");
    diag_report(d, MSG_UNEXPECTED, (ir_span){0}, "a", "b");
    return d;
}

static void text_form(void **state) {
    diag *d = sample();
    char *text = print(d, false, false);
    assert_string_equal(text, "a \"b\".frit:2:10: error[E0108]: 'b\"c' is not a number\n"
                              "     2 |  x = \u00e9 + bc\n"
                              "       |          ^~\n"
                              "a \"b\".frit:1:7: note: a is 1\n"
                              "     1 | const a = 1\n"
                              "       |       ^\n"
                              "       = note: no place\n"
                              "       = help: write x\n"
                              "error[E0201]: unexpected ab\n");
    free(text);
    text = print(d, false, true);
    assert_non_null(strstr(text, "\033[1;31merror[E0108]:\033[0m"));
    free(text);
    diag_free(d);
}

static void json_form(void **state) {
    diag *d = sample();
    char *text = print(d, true, false);
    assert_string_equal(
        text, "{\"severity\":\"error\",\"code\":\"E0108\",\"message\":\"'b\\\"c' is not a number\","
              "\"file\":\"a \\\"b\\\".frit\","
              "\"line\":2,\"column\":10,\"begin\":22,\"end\":24,\"notes\":[{\"message\":\"a is 1\","
              "\"file\":\"a \\\"b\\\".frit\","
              "\"line\":1,\"column\":7,\"begin\":6,\"end\":7},{\"message\":\"no place\"}],\"help\":\"write x\"}\n"
              "{\"severity\":\"error\",\"code\":\"E0201\",\"message\":\"unexpected ab\",\"notes\":[]}\n");
    free(text);
    diag_free(d);
}

static void long_lines_are_cut(void **state) {
    size_t n = 1 << 20;
    char *line = malloc(n);
    assert_non_null(line);
    memset(line, 'x', n);
    diag *d = diag_new();
    uint32_t s = diag_add_source(d, "t", line, n);
    diag_report(d, MSG_SINGLE_QUOTES, (ir_span){s, 500000, 500003});
    char *text = print(d, false, false);
    assert_true(strlen(text) < 400);
    const char *shown = strstr(text, "| ..."), *caret = strstr(text, "^~~\n");
    assert_non_null(shown);
    assert_non_null(caret);
    free(text);
    free(line);
    diag_free(d);
}

static void cap(void **state) {
    diag *d = diag_new();
    for (int i = 0; i < DIAG_MAX_ERRORS + 5; i++)
        diag_note(d, diag_report(d, MSG_SINGLE_QUOTES, (ir_span){0}), (ir_span){0}, "n");
    assert_int_equal(diag_errors(d), DIAG_MAX_ERRORS);
    assert_true(diag_full(d));
    char *text = print(d, false, false);
    assert_non_null(strstr(text, "5 more"));
    free(text);
    diag_free(d);
}

static void codes(void **state) {
    assert_ptr_equal(diag_message_find("E0204"), diag_message_get(MSG_STRAY_CLOSER));
    assert_ptr_equal(diag_message_find("204"), diag_message_get(MSG_STRAY_CLOSER));
    assert_null(diag_message_find("W0204"));
    assert_null(diag_message_find("E9999"));
    assert_null(diag_message_find("E"));
    assert_null(diag_message_find("E204x"));
    for (int a = 0; a < DIAG_MESSAGES; a++)
        for (int b = 0; b < a; b++)
            assert_int_not_equal(diag_message_get(a)->number, diag_message_get(b)->number);
}

static void nearest(void **state) {
    static const char *const names[] = {"relu", "gelu", "softmax", "log_softmax", "B", "maximum"};
    int n = sizeof names / sizeof *names;
    assert_string_equal(diag_nearest("rleu", names, n), "relu");
    assert_string_equal(diag_nearest("sofmax", names, n), "softmax");
    assert_string_equal(diag_nearest("ReLU", names, n), "relu");
    assert_string_equal(diag_nearest("maximun", names, n), "maximum");
    assert_string_equal(diag_nearest("b", names, n), "B");
    assert_null(diag_nearest("C", names, n));
    assert_null(diag_nearest("transpose", names, n));
    assert_int_equal(diag_distance("kitten", "sitting", 5), 3);
    assert_int_equal(diag_distance("abcd", "abdc", 5), 1);
    assert_int_equal(diag_distance("", "abc", 5), 3);
    assert_int_equal(diag_distance("abcdef", "ghijkl", 2), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_form), cmocka_unit_test(json_form), cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(cap),       cmocka_unit_test(codes),     cmocka_unit_test(nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
