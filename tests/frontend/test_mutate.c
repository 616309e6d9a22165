/* Damaged files: whatever is deleted, doubled, swapped or cut off, parsing ends with a tree or with errors, every error
 * lies inside the file, and what parses also formats. */
#include "frontend/fmt.h"
#include "support.h"
#include <ctype.h>
#include <stdio.h>

static void check_damaged(const char *text, size_t size) {
    parsed p = parse_text(text, size);
    for (int i = 0; i < diag_count(p.d); i++) {
        diag_view v = diag_get(p.d, i);
        assert_true(v.span.file == p.source && v.span.begin <= v.span.end && v.span.end <= size);
    }
    if (!diag_errors(p.d)) {
        char *once = frit_fmt(p.memory, p.d, p.source);
        parsed q = parse_text(once, strlen(once));
        assert_int_equal(diag_errors(q.d), 0);
        assert_string_equal(ast_dump(p.memory, p.file), ast_dump(q.memory, q.file));
        assert_string_equal(frit_fmt(q.memory, q.d, q.source), once);
        parsed_free(&q);
    }
    parsed_free(&p);
}

/* The end of a rough token: a word, a number, or a single other character. */
static size_t token_end(const char *text, size_t begin) {
    size_t end = begin + 1;
    while (isalnum((unsigned char)text[begin]) && isalnum((unsigned char)text[end]))
        end++;
    return end;
}

static void damage_tokens(arena *a, const char *text) {
    size_t size = strlen(text);
    char *copy = arena_alloc(a, 2 * size + 1);
    for (size_t begin = 0, end; begin < size; begin = end) {
        end = token_end(text, begin);
        if (text[begin] == ' ')
            continue;
        size_t n = end - begin;
        memcpy(copy, text, begin);
        memcpy(copy + begin, text + end, size - end); /* deleted */
        check_damaged(copy, size - n);
        memcpy(copy + begin, text + begin, n); /* doubled */
        memcpy(copy + end, text + begin, size - begin);
        check_damaged(copy, size + n);
    }
}

static void replace_bytes(arena *a, const char *text) {
    static const char bytes[] = "()[]{}\"#\n:=,.\\-?";
    size_t size = strlen(text);
    char *copy = arena_strdup(a, text);
    for (size_t i = 0; i < size; i += 3) {
        copy[i] = bytes[i / 3 % (sizeof bytes - 1)];
        check_damaged(copy, size);
        copy[i] = text[i];
    }
}

static void tokens(void **state) {
    arena *a = arena_new();
    damage_tokens(a, read_project_file(a, "docs/examples/custom.frit"));
    damage_tokens(a, read_project_file(a, "docs/examples/resnet50.frit"));
    arena_free(a);
}

static void bytes(void **state) {
    arena *a = arena_new();
    for (const char *const *path = example_files; *path; path++)
        replace_bytes(a, read_project_file(a, *path));
    arena_free(a);
}

static void truncated(void **state) {
    arena *a = arena_new();
    char *text = read_project_file(a, "docs/examples/resnet50.frit");
    for (size_t n = 0; n <= strlen(text); n++)
        check_damaged(text, n);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens),
        cmocka_unit_test(bytes),
        cmocka_unit_test(truncated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
