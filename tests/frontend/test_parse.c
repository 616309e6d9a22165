/* Trees of correct files, and the limits of the parser. */
#include "support.h"
#include <stdlib.h>

static void check_dump(const char *text, const char *expected) {
    parsed p = parse_text(text, strlen(text));
    if (diag_errors(p.d))
        fail_msg("%s\n%s: %s", text, diag_get(p.d, 0).code, diag_get(p.d, 0).text);
    assert_string_equal(ast_dump(p.memory, p.file), expected);
    parsed_free(&p);
}

/* The expression e parses to the tree `expected`. */
static void check_expr(const char *e, const char *expected) {
    arena *a = arena_new();
    check_dump(arena_printf(a, "const x = %s\n", e), arena_printf(a, "(const (x %s))", expected));
    arena_free(a);
}

static void precedence(void **state) {
    check_expr("a + b * c", "(chain a + (chain b * c))");
    check_expr("a - b - c + d", "(chain a - b - c + d)");
    check_expr("a - (b - c)", "(chain a - (chain b - c))");
    check_expr("(a - b) - c", "(chain (chain a - b) - c)");
    check_expr("a / b // c % d @ e", "(chain a / b // c % d @ e)");
    check_expr("-a ** -b", "(- (chain a ** (- b)))");
    check_expr("a ** b ** c", "(chain a ** (chain b ** c))");
    check_expr("a ** b ?? c", "(chain a ** (chain b ?? c))");
    check_expr("a ?? b ?? c", "(chain a ?? b ?? c)");
    check_expr("w[i] * x[i] ?? 0", "(chain (index w i) * (chain (index x i) ?? 0))");
    check_expr("a | b ^ c & d << e + f", "(chain a | (chain b ^ (chain c & (chain d << (chain e + f)))))");
    check_expr("not a == b and c or d", "(chain (chain (not (chain a == b)) and c) or d)");
    check_expr("(a < b) == c", "(chain (chain a < b) == c)");
    check_expr("~a & b", "(chain (~ a) & b)");
    check_expr("a if b else c if d else e", "(select b a (select d c e))");
    check_expr("a or b if c or d else e", "(select (chain c or d) (chain a or b) e)");
    check_expr("-x.T[0](1)", "(- (call (index (attr x T) 0) 1))");
}

static void literals(void **state) {
    check_expr("18446744073709551615", "18446744073709551615");
    check_expr("1_000", "1000");
    check_expr("0xFF", "255");
    check_expr("1.5e3", "0x1.77p+10");
    check_expr("5e5", "0x1.e848p+18");
    check_expr("[]", "(list)");
    check_expr("[1, 2,]", "(list 1 2)");
    check_expr("[true, false, none]", "(list true false none)");
    check_expr("\"\"", "(string)");
    check_expr("\"a\\n\\\"\\\\\\{b\\}\"", "(string \"a\\n\\\"\\\\{b}\")");
    check_expr("\"l{s + 1}.{i}\"", "(string \"l\" (chain s + 1) \".\" i)");
    check_expr("\"{f(\"a\", [1])}\"", "(string (call f (string \"a\") (list 1)))");
}

static void subscripts(void **state) {
    check_expr("x[:, 1:n, ::2, a:b:c]",
               "(index x (slice _ _ _) (slice 1 n _) (slice _ _ 2) (slice a b c))");
    check_expr("x[..., none, -1]", "(index x (...) none (- 1))");
    check_expr("sum[k, r in 0..n + 1](x[k] * r)",
               "(call (index sum k (in r 0 (chain n + 1) _)) (chain (index x k) * r))");
    check_expr("zeros(f32[])", "(call zeros (index f32))");
    check_expr("zeros(T[...A, D])", "(call zeros (index T (... A) D))");
    check_expr("nn.dense(x, k = 1,) from \"p\"", "(call (attr nn dense) x k= 1 from (string \"p\"))");
    check_expr("where(c, a, b)", "(call where c a b)");
    check_expr("x + f(a) from \"p\"", "(chain x + (call f a from (string \"p\")))");
}

static void items(void **state) {
    check_dump("import a as b\nimport c\nconst N = 2, M = N*2\n",
               "(import a b) (import c c) (const (N 2) (M (chain N * 2)))");
    check_dump("fn f[T: float, G, s = 1, n: str](x: T[...A, D]?, k: int = 3) -> T[] where S % 8 == 0, S <= 4096 {\n"
               "    return x\n}",
               "(fn f (static (T float _) (G _ _) (s _ 1) (n str _)) (params (x (type T? [ (... A) D]) _ _) "
               "(k (type int) 3 _)) (result (_ (type T []) _ _)) "
               "(where (chain (chain S % 8) == 0) (chain S <= 4096)) { (return x) })");
    check_dump("## One\n##  two\n# three\n## four\nmodel m() -> (a: int, b: f32[2]) {\n}\n",
               "(doc \"four\") (model m (static) (params) (results (a (type int) _ _) (b (type f32 [ 2]) _ _)) "
               "(where) { })");
    check_dump("## far\n\nfn f() {}\n## near\nfn g() {}\n",
               "(fn f (static) (params) (result) (where) { }) (doc \"near\") (fn g (static) (params) (result) (where) "
               "{ })");
}

static void check_body(const char *body, const char *expected) {
    arena *a = arena_new();
    check_dump(arena_printf(a, "fn f() {\n%s\n}\n", body),
               arena_printf(a, "(fn f (static) (params) (result) (where) { %s })", expected));
    arena_free(a);
}

static void statements(void **state) {
    check_body("a, h[l], _ = f(x)", "(assign (a) (h [ l]) (_) (call f x))");
    check_body("y[i, j in 0..N] += x[j]", "(add (y [ i (in j 0 N _)]) (index x j))");
    check_body("y: T[B] = x", "(assign (y) (type T [ B]) x)");
    check_body("param a: f32[2] from \"p\", b: int",
               " (param (a (type f32 [ 2]) _ (string \"p\")) (b (type int) _ _))");
    check_body("state k: f32[B] = 0", " (state (k (type f32 [ B]) 0 _))");
    check_body("assert a < b, \"too {a}\"", "(assert (chain a < b) (string \"too \" a))");
    check_body("const N = 1", "(const (N 1))");
    check_body("if a { x = 1 } else if b { x = 2 }\nelse {\n}", "(if a { (assign (x) 1) } b { (assign (x) 2) } { })");
    check_body("for i in 0..n { loop j in i..2*n { while c { return a, b } } }",
               "(for i 0 n { (loop j i (chain 2 * n) { (while c { (return a b) }) }) })");
}

static void line_ends(void **state) {
    check_body("a = b +\n c\n", "(assign (a) (chain b + c))");
    check_body("a = b\n  + c\n  - d\n", "(assign (a) (chain b + c - d))");
    check_body("a = f(b,\n\n c # why\n)\n", "(assign (a) (call f b c))");
    check_body("a =\n b\n  .T\n", "(assign (a) (attr b T))");
    check_body("a = f(b)\n  from \"p\"", "(assign (a) (call f b from (string \"p\")))");
    check_body("a = b if c\n else d", "(assign (a) (select c b d))");
    check_body("a = b\nwhere = c", "(assign (a) b) (assign (where) c)");
    check_body("a = b # + c\n\n\n# d\nc = d", "(assign (a) b) (assign (c) d)");
    check_body("a = b\r\nc = d\r\n", "(assign (a) b) (assign (c) d)");
    check_dump("fn f(x: int,\n     y: int)\n  -> int\n  where x > 0,\n    y > 0 {\n}",
               "(fn f (static) (params (x (type int) _ _) (y (type int) _ _)) "
               "(result (_ (type int) _ _)) (where (chain x > 0) (chain y > 0)) { })");
    check_dump("", "");
    check_dump("\n\n# only\n", "");
}

static void spans(void **state) {
    const char *text = "fn f() {\n    y = (a + b) * c\n}\n";
    parsed p = parse_text(text, strlen(text));
    const ast_stmt *s = p.file->items.data[0]->fn.body.stmts.data[0];
    const ast_expr *e = s->assign.value;
    assert_int_equal(s->span.begin, 13);
    assert_int_equal(s->span.end, 28);
    assert_int_equal(e->span.begin, 17);
    assert_int_equal(e->span.end, 28);
    assert_true(e->chain.first->parens);
    assert_int_equal(e->chain.first->span.begin, 18);
    assert_int_equal(e->chain.links.data[0].op_span.begin, 25);
    assert_int_equal(p.file->items.data[0]->span.end, 30);
    parsed_free(&p);
}

/* `head`, then n times `unit`, then `tail`. */
static parsed parse_repeated(const char *head, const char *unit, int n, const char *tail) {
    size_t h = strlen(head), u = strlen(unit), t = strlen(tail);
    char *text = malloc(h + u * (size_t)n + t);
    assert_non_null(text);
    memcpy(text, head, h);
    for (int i = 0; i < n; i++)
        memcpy(text + h + u * (size_t)i, unit, u);
    memcpy(text + h + u * (size_t)n, tail, t);
    parsed p = parse_text(text, h + u * (size_t)n + t);
    free(text);
    return p;
}

static void million_terms(void **state) {
    parsed p = parse_repeated("const x = 0", " + 1", 1000000, "\n");
    assert_int_equal(diag_errors(p.d), 0);
    const ast_expr *e = p.file->items.data[0]->consts.data[0].value;
    assert_int_equal(e->chain.links.len, 1000000);
    assert_int_equal(e->depth, 2);
    parsed_free(&p);
}

static void long_line(void **state) {
    parsed p = parse_repeated("const x = [", "1, ", 3500000, "1]\n");
    assert_int_equal(diag_errors(p.d), 0);
    assert_int_equal(p.file->items.data[0]->consts.data[0].value->items.len, 3500001);
    parsed_free(&p);
}

static void check_limit(const char *unit, int n, diag_message expected) {
    parsed p = parse_repeated("const x = ", unit, n, "1\n");
    assert_int_equal(diag_errors(p.d), 1);
    assert_int_equal(diag_get(p.d, 0).message, expected);
    parsed_free(&p);
}

static void depth_limits(void **state) {
    check_limit("(", 10000, MSG_NESTED_TOO_DEEPLY);
    check_limit("[", 257, MSG_NESTED_TOO_DEEPLY);
    check_limit("f(", 10000, MSG_NESTED_TOO_DEEPLY);
    check_limit("-", 1001, MSG_EXPRESSION_TOO_DEEP);
    check_limit("-", 100000, MSG_EXPRESSION_TOO_DEEP);
    check_limit("not ", 100000, MSG_EXPRESSION_TOO_DEEP);
    check_limit("2 ** ", 100000, MSG_EXPRESSION_TOO_DEEP);
    check_limit("1 if a else ", 100000, MSG_EXPRESSION_TOO_DEEP);
    parsed p = parse_repeated("const x = y", ".T", 100000, "\n");
    assert_int_equal(diag_errors(p.d), 1);
    assert_int_equal(diag_get(p.d, 0).message, MSG_EXPRESSION_TOO_DEEP);
    parsed_free(&p);
    p = parse_repeated("fn f() {\n", "if a {} else ", 100000, "{}\n}\n");
    assert_int_equal(diag_errors(p.d), 0);
    parsed_free(&p);
}

static void error_cap(void **state) {
    parsed p = parse_repeated("fn f() {\n", "y = )\n", 5000, "}\n");
    assert_int_equal(diag_errors(p.d), DIAG_MAX_ERRORS);
    parsed_free(&p);
}

static void examples(void **state) {
    arena *a = arena_new();
    for (const char *const *path = example_files; *path; path++) {
        char *text = read_project_file(a, *path);
        parsed p = parse_text(text, strlen(text));
        if (diag_errors(p.d))
            fail_msg("%s: %s %s", *path, diag_get(p.d, 0).code, diag_get(p.d, 0).text);
        assert_true(p.file->items.len > 0);
        parsed_free(&p);
    }
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precedence),    cmocka_unit_test(literals),  cmocka_unit_test(subscripts),
        cmocka_unit_test(items),         cmocka_unit_test(statements), cmocka_unit_test(line_ends),
        cmocka_unit_test(spans),         cmocka_unit_test(million_terms), cmocka_unit_test(long_line),
        cmocka_unit_test(depth_limits),  cmocka_unit_test(error_cap), cmocka_unit_test(examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
