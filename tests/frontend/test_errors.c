/* Code and place of every kind of syntax mistake; one mistake, one error. */
#include "support.h"

typedef struct {
    const char *text, *code;
    int line, column;
} mistake;

/* A statement list is wrapped in a function: its first line is line 2. */
static const mistake in_function[] = {
    {"y = a < b < c", "E0206", 2, 11},
    {"y = a == b != c", "E0206", 2, 12},
    {"y =", "E0202", 2, 4},
    {"y = a +", "E0202", 2, 8},
    {"y = a + * b", "E0202", 2, 9},
    {"y = (a + )", "E0202", 2, 10},
    {"y = [1, , 2]", "E0202", 2, 9},
    {"y = f(k = )", "E0202", 2, 11},
    {"y =\nz = 3", "E0216", 3, 3},
    {"y = z = 3", "E0216", 2, 7},
    {"if a = 3 { y = 1 }", "E0216", 2, 6},
    {"relu(x)", "E0207", 2, 1},
    {"x + 1", "E0207", 2, 1},
    {"x.T", "E0207", 2, 1},
    {"3", "E0207", 2, 1},
    {"x", "E0207", 2, 1},
    {"y = f(a b)", "E0208", 2, 9},
    {"y = [1 2]", "E0208", 2, 8},
    {"y[i, j = 3", "E0208", 2, 8},
    {"y = f(a, b\nz = 3", "E0208", 2, 11},
    {"y = f(a, b\nreturn y", "E0203", 2, 6},
    {"y = f(a, [b)", "E0205", 2, 12},
    {"y = f(a, b]", "E0205", 2, 11},
    {"y = f(a))", "E0204", 2, 9},
    {"y = x from \"p\"", "E0217", 2, 7},
    {"a, b = c, d", "E0214", 2, 9},
    {"state s: f32[2]", "E0215", 2, 7},
    {"param in: f32[2]", "E0209", 2, 7},
    {"param w", "E0218", 2, 7},
    {"param w: f32[2] = 3", "E0208", 2, 17},
    {"for i in 0 { y = 1 }", "E0208", 2, 12},
    {"for i in 0..3 y = 1", "E0208", 2, 15},
    {"for in in 0..3 { y = 1 }", "E0209", 2, 5},
    {"while a\n{ y = 1 }", "E0213", 3, 1},
    {"y = a if b", "E0208", 2, 11},
    {"y = a ? b : c", "E0201", 2, 7},
    {"if a { y = 1 } elif b { y = 2 }", "E0201", 2, 16},
    {"else { y = 2 }", "E0201", 2, 1},
    {"let y = 3", "E0201", 2, 1},
    {"y = a b", "E0201", 2, 7},
    {"assert a, 3", "E0208", 2, 11},
    {" fn g() { return 1 }", "E0211", 2, 2},
    {"y = a && b", "E0112", 2, 7},
    {"y = !a", "E0112", 2, 5},
    {"y = a; z = b", "E0112", 2, 6},
    {"y -= 1", "E0112", 2, 3},
    {"y = 'a'", "E0113", 2, 5},
    {"y = \"a", "E0105", 2, 5},
    {"y = \"a{b\"", "E0208", 2, 9},
    {"y = \"a{}\"", "E0202", 2, 8},
    {"y = \"a}\"", "E0107", 2, 7},
    {"y = \"\\q\"", "E0106", 2, 6},
    {"y = 2D", "E0108", 2, 5},
    {"y = 1. + a", "E0108", 2, 5},
    {"y = .5", "E0108", 2, 5},
    {"y = 0x", "E0108", 2, 5},
    {"y = 18446744073709551616", "E0109", 2, 5},
    {"y = 1e999", "E0109", 2, 5},
    {"y = a $$ b", "E0104", 2, 7},
    {"y = a \u2212 b", "E0104", 2, 7},
};

static const mistake in_file[] = {
    {"return 3\n", "E0210", 1, 1},
    {"x = 3\n", "E0210", 1, 1},
    {"def f() {\n    return 1\n}\n", "E0201", 1, 1},
    {"import\n", "E0208", 1, 7},
    {"import a as\n", "E0208", 1, 12},
    {"const x\n", "E0208", 1, 8},
    {"fn f\n", "E0208", 1, 5},
    {"fn f(x) { return x }\n", "E0218", 1, 6},
    {"fn f(x f32[B]) { return x }\n", "E0208", 1, 8},
    {"fn f() -> { return 1 }\n", "E0208", 1, 11},
    {"fn f() where { return 1 }\n", "E0202", 1, 14},
    {"fn f()\n{\n    return 1\n}\n", "E0213", 2, 1},
    {"model m[H](x: int) {\n    return x\n}\n", "E0212", 1, 8},
    {"fn f() {\n    y = 1\nfn g() {\n    return 1\n}\n", "E0203", 1, 8},
    {"fn f() {\n    y = 1\n", "E0203", 1, 8},
    {"fn f() {\n}\n}\n", "E0204", 3, 1},
    {"# \u00e9\nx\001\n", "E0210", 2, 1},
};

static void check(const char *text, size_t size, const mistake *m) {
    parsed p = parse_text(text, size);
    if (!diag_errors(p.d))
        fail_msg("no error in:\n%s", text);
    diag_view v = diag_get(p.d, 0);
    int line, column;
    diag_locate(p.d, p.source, v.span.begin, &line, &column);
    if (strcmp(v.code, m->code) || line != m->line || column != m->column)
        fail_msg("%s at %d:%d (%s), not %s at %d:%d, in:\n%s", v.code, line, column, v.text, m->code, m->line,
                 m->column, text);
    if (diag_errors(p.d) > 1 && !strchr(text, '\001'))
        fail_msg("a second error, %s %s, in:\n%s", diag_get(p.d, 1).code, diag_get(p.d, 1).text, text);
    parsed_free(&p);
}

static void mistakes_in_function(void **state) {
    arena *a = arena_new();
    for (size_t i = 0; i < sizeof in_function / sizeof *in_function; i++) {
        const char *text = arena_printf(a, "fn f() {\n%s\n    return 1\n}\nfn g() {\n    return 2\n}\n",
                                        in_function[i].text);
        check(text, strlen(text), &in_function[i]);
    }
    arena_free(a);
}

static void mistakes_in_file(void **state) {
    for (size_t i = 0; i < sizeof in_file / sizeof *in_file; i++)
        check(in_file[i].text, strlen(in_file[i].text), &in_file[i]);
}

static void not_text(void **state) {
    check("a\0b", 3, &(mistake){NULL, "E0102", 1, 2});
    check("a = \xff", 5, &(mistake){NULL, "E0101", 1, 5});
    check("# \xc3", 3, &(mistake){NULL, "E0101", 1, 3});
    check("# \xed\xa0\x80", 5, &(mistake){NULL, "E0101", 1, 3});
    check("# \xc0\x80", 4, &(mistake){NULL, "E0101", 1, 3});
}

/* Each of several statements with a mistake has its own error, and what is correct is still read. */
static void recovery(void **state) {
    const char *text = "fn f(x: ) {\n    a = b +\n    return 1\n}\n"
                       "fn g() {\n    y = )\n    z = [1, 2\n    return 3 3\n}\n"
                       "fn h() {\n    return 1\n}\n";
    parsed p = parse_text(text, strlen(text));
    assert_int_equal(diag_errors(p.d), 5);
    ast_items *items = &p.file->items;
    assert_int_equal(items->len, 2);
    assert_string_equal(items->data[0]->fn.name.text, "g");
    assert_string_equal(items->data[1]->fn.name.text, "h");
    assert_int_equal(items->data[1]->fn.body.stmts.len, 1);
    parsed_free(&p);
}

/* Where a bracket is missing, a note points at its partner. */
static void opener_note(void **state) {
    const char *text = "fn f() {\n    y = f(a, (b + c d)\n    return y\n}\n";
    parsed p = parse_text(text, strlen(text));
    assert_int_equal(diag_get(p.d, 0).notes, 1);
    ir_span span;
    assert_string_equal(diag_get_note(p.d, 0, 0, &span), "to close this '('");
    assert_int_equal(span.begin, 22);
    parsed_free(&p);
}

/* A missing '}' shows at the end of the file; indentation tells whose it is. */
static void unclosed_block_note(void **state) {
    const char *text = "fn f() {\n    if a {\n        x = 1\n    while b {\n        y = 2\n    }\n    return y\n}\n";
    parsed p = parse_text(text, strlen(text));
    assert_int_equal(diag_errors(p.d), 1);
    assert_int_equal(diag_get(p.d, 0).message, MSG_UNCLOSED);
    assert_int_equal(diag_get(p.d, 0).notes, 2);
    ir_span span;
    assert_non_null(strstr(diag_get_note(p.d, 0, 1, &span), "indentation"));
    assert_int_equal(span.begin, strchr(text, 'a') - text + 2);
    parsed_free(&p);
}

/* The examples of the specification that show syntax errors; the others are valid files. */
static void specification(void **state) {
    arena *a = arena_new();
    const char *at = read_project_file(a, "docs/language.md"), *info, *text;
    int valid = 0, wrong = 0;
    while (next_example(a, &at, &info, &text)) {
        parsed p = parse_text(text, strlen(text));
        const char *code = strncmp(info, "frit-error ", 11) ? NULL : info + 11;
        bool syntax = code && (!strncmp(code, "E01", 3) || !strncmp(code, "E02", 3));
        if (diag_errors(p.d) ? !syntax || strcmp(code, diag_get(p.d, 0).code) : syntax)
            fail_msg("```%s gives %s for:\n%s", info, diag_errors(p.d) ? diag_get(p.d, 0).code : "no error", text);
        valid += !code;
        wrong += code != NULL;
        parsed_free(&p);
    }
    assert_true(valid >= 10);
    assert_true(wrong >= 5);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_in_function), cmocka_unit_test(mistakes_in_file), cmocka_unit_test(not_text),
        cmocka_unit_test(unclosed_block_note),
        cmocka_unit_test(recovery),             cmocka_unit_test(opener_note),      cmocka_unit_test(specification),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
