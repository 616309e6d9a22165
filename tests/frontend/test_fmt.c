/* The canonical layout: what changes, what is kept, and that formatting twice changes nothing. */
#include "frontend/fmt.h"
#include "support.h"
#include <stdio.h>

static char *format(arena *a, const char *text) {
    diag *d = diag_new();
    char *formatted = frit_fmt(a, d, diag_add_source(d, "t.frit", text, strlen(text)));
    if (!formatted)
        fail_msg("%s: %s, in:\n%s", diag_get(d, 0).code, diag_get(d, 0).text, text);
    diag_free(d);
    return formatted;
}

static void check_stable(arena *a, const char *text) {
    char *once = format(a, text);
    assert_string_equal(format(a, once), once);
    parsed before = parse_text(text, strlen(text)), after = parse_text(once, strlen(once));
    assert_string_equal(ast_dump(a, before.file), ast_dump(a, after.file));
    assert_int_equal(before.file->comments.len, after.file->comments.len);
    parsed_free(&before);
    parsed_free(&after);
}

static void check(const char *text, const char *expected) {
    arena *a = arena_new();
    assert_string_equal(format(a, text), expected);
    check_stable(a, text);
    arena_free(a);
}

static void spacing(void **state) {
    check("const  x=1,y = - 2", "const x = 1, y = -2\n");
    check("const x = a+b * c", "const x = a+b * c\n");
    check("const x = a +b - c*-d", "const x = a + b - c*-d\n");
    check("const x = f ( a , k=[ 1,2 , ] ) . T [ 0 ]", "const x = f(a, k = [1, 2]).T[0]\n");
    check("const x = x[ a : b,: ,:: 2, ... , i  in 0 .. n]", "const x = x[a:b, :, ::2, ..., i in 0..n]\n");
    check("const x = (a)  if not( b )else[c]", "const x = (a) if not (b) else [c]\n");
    check("const x = a<b and a!=c ?? 2", "const x = a < b and a != c ?? 2\n");
    check("const x = \"a  {f( x )}  \"", "const x = \"a  {f( x )}  \"\n");
    check("const x = 1 .T, y = x", "const x = 1 .T, y = x\n");
    check("fn f [T:float,G=1](x:T[... A,B]?=none,y :int)->(a:T[],)where B%8==0{\nreturn x}",
          "fn f[T: float, G = 1](x: T[...A, B]? = none, y: int) -> (a: T[]) where B%8 == 0 {\n    return x\n}\n");
}

static void layout(void **state) {
    check("", "");
    check("\n\n# a\n\n\n\n# b", "# a\n\n# b\n");
    check("fn f(){}", "fn f() {}\n");
    check("fn f() { return 1 }", "fn f() { return 1 }\n");
    check("fn f() {\n\n\nfor i in 0..2 { x = i }\nif a {\nx = 1 }\nelse { if b { y = 2 } }\n\n}\n",
          "fn f() {\n    for i in 0..2 { x = i }\n    if a {\n        x = 1\n    } else { if b { y = 2 } }\n}\n");
    check("fn f(\nx: int,\n  y: int\n) {\nreturn g(x,\n[y,\nx], # why\n\nk = 1)\n}\n",
          "fn f(\n    x: int,\n    y: int\n) {\n"
          "    return g(x,\n        [y,\n            x],  # why\n\n        k = 1)\n}\n");
    check("fn f() {\ny[i] =\nsum[k](x)\nz = a\n+ b\n\n\nreturn y\n}\n",
          "fn f() {\n    y[i] =\n        sum[k](x)\n    z = a\n        + b\n\n    return y\n}\n");
    check("fn f(x: int)\n-> int\nwhere x > 0 {\nreturn x\n}",
          "fn f(x: int)\n    -> int\n    where x > 0 {\n    return x\n}\n");
}

static void comments(void **state) {
    check("const a = 1 # x\nconst bb = 22 #y\n\nconst c = 3      # z\n",
          "const a = 1    # x\nconst bb = 22  #y\n\nconst c = 3  # z\n");
    check("fn f() { # head\n# in\nx = 1\n# end\n}\n## doc\nfn g() {}\n",
          "fn f() {  # head\n    # in\n    x = 1\n    # end\n}\n## doc\nfn g() {}\n");
    check("fn f() {\nif a {\n} # then\nelse {\n}\n}\n", "fn f() {\n    if a {\n    }  # then\n    else {\n    }\n}\n");
    check("const x = [ # list\n1, # one\n2] # end", "const x = [  # list\n    1,       # one\n    2]       # end\n");
}

static void examples(void **state) {
    arena *a = arena_new();
    for (const char *const *path = example_files; *path; path++)
        check_stable(a, read_project_file(a, *path));
    const char *at = read_project_file(a, "docs/language.md"), *info, *text;
    while (next_example(a, &at, &info, &text))
        if (!strcmp(info, "frit"))
            check_stable(a, text);
    arena_free(a);
}

/* Blanks between tokens carry no meaning: doubled, the canonical text comes back. */
static void undone(void **state) {
    arena *a = arena_new();
    char *text = format(a, read_project_file(a, "docs/examples/custom.frit"));
    char *loose = arena_alloc(a, 8 * strlen(text) + 1), *to = loose;
    bool quoted = false, comment = false;
    for (const char *c = text; *c; c++) {
        *to++ = *c;
        comment = *c != '\n' && (comment || *c == '#');
        quoted ^= *c == '"' && !comment;
        if (*c == '\n')
            to += sprintf(to, " \t ");
        if (*c == ',' && !comment && !quoted)
            to += sprintf(to, "   ");
    }
    assert_string_equal(format(a, loose), text);
    arena_free(a);
}

static void errors_give_nothing(void **state) {
    arena *a = arena_new();
    diag *d = diag_new();
    assert_null(frit_fmt(a, d, diag_add_source(d, "t.frit", "fn (", 4)));
    assert_true(diag_errors(d) > 0);
    diag_free(d);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spacing), cmocka_unit_test(layout), cmocka_unit_test(comments),
        cmocka_unit_test(examples), cmocka_unit_test(undone), cmocka_unit_test(errors_give_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
