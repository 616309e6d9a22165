#include "support.h"

static void count_ops(const ir_block *b, int *seen) {
    for (const ir_op *op = b->first; op; op = op->next) {
        seen[op->code]++;
        for (int i = 0; i < op->n_blocks; i++) count_ops(op->blocks[i], seen);
    }
}

/* Each level's file verifies, round-trips, and together with the elementwise ops they show every op there is. */
static void test_files(void **state) {
    static const char *const files[] = {"tensor.fir", "tile.fir", "thread.fir", "threads.fir", "async.fir", "cluster.fir", "names.fir",
                                        "opaque.fir"};
    int seen[IR_OPCODE_COUNT] = {0};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t size;
        char *text = read_fir(files[i], &size);
        ir_module *m = must_parse(text);
        check_module(m);
        for (const ir_func *f = m->funcs; f; f = f->next) count_ops(f->body, seen);
        ir_module_free(m);
        free(text);
    }
    for (int c = 1; c < IR_OPCODE_COUNT; c++)
        if (!seen[c] && !(ir_op_table[c].flags & IR_F_ELEMENTWISE)) fail_msg("no file shows %s", ir_op_table[c].name);
}

/* Equal names, names that are no identifiers and reserved words are told apart in the text. */
static void test_names(void **state) {
    ir_module *m = ir_module_new();
    sym_t a = sym_var(m->syms, "n", SYM_DIM, NULL, NULL), b = sym_var(m->syms, "n", SYM_DIM, NULL, NULL);
    sym_t min = sym_var(m->syms, "min", SYM_DIM, NULL, NULL);
    vec_push(m->arena, &m->symbols, a);
    vec_push(m->arena, &m->symbols, b);
    vec_push(m->arena, &m->symbols, min);
    ir_func *f = ir_func_new(m, "two words", IR_LEVEL_TENSOR);
    ir_block_add_arg(m, f->body, ir_tensor(m, FRIT_f32, 3, (sym_t[]){a, b, min}), "x y");
    ir_block_add_arg(m, f->body, ir_tensor(m, FRIT_f32, 1, &b), "x_y");
    ir_block_add_arg(m, f->body, ir_tensor(m, FRIT_f32, 1, &b), "7");
    ir_builder at = ir_builder_at_end(m, f->body);
    ir_build(&at, IR_return, 0, NULL, 0, NULL);
    check_module(m);
    arena *mem = arena_new();
    const char *text = ir_print(mem, m);
    assert_non_null(strstr(text, "func tensor @\"two words\"(%x_y: f32[n, n_1, min_1], %x_y_1: f32[n_1], %v7: f32[n_1])"));
    assert_non_null(strstr(ir_print_func(mem, f), "func tensor @\"two words\""));
    assert_string_equal(ir_print_op(mem, f->body->first), "return()");
    arena_free(mem);
    ir_module_free(m);
}

/* print(parse(text)) of one expression as a dim. */
static void check_sym_text(const char *in, const char *out) {
    char text[512];
    snprintf(text, sizeof text, "fir 1\ndim d\ndim E\ndim H\nfunc tensor @f(%%x: f32[%s]) {\nreturn()\n}\n", in);
    ir_module *m = must_parse(text);
    arena *a = arena_new();
    char wanted[512];
    snprintf(wanted, sizeof wanted, "f32[%s]", out);
    const char *printed = ir_print(a, m);
    if (!strstr(printed, wanted)) fail_msg("%s was printed as\n%s", in, printed);
    check_module(m);
    arena_free(a);
    ir_module_free(m);
}

static void test_syms(void **state) {
    check_sym_text("2*H*E + d // E - 1", "(d // E) + 2*E*H - 1");
    check_sym_text("min(d, E) * max(H, 3)", "max(3, H)*min(E, d)");
    check_sym_text("(d + 1) % E", "(d + 1) % E");
    check_sym_text("d // 7 // 3", "d // 21");
    check_sym_text("d - d + 4", "4");
    check_sym_text("(d + E)*(d + E)", "E*E + 2*E*d + d*d");
    check_sym_text("9223372036854775807", "9223372036854775807");
}

static void test_numbers(void **state) {
    static const char *const lines[] = {
        "constant() {value = 0.1} : f32[3]", "constant() {value = 1e-45} : f32[3]",
        "constant() {value = -0} : f16[3]", "constant() {value = nan} : bf16[3]",
        "constant() {value = [1, -448, nan]} : f8e4m3[3]", "constant() {value = [1, 0, 1]} : bool[3]",
        "constant() {value = -9223372036854775808} : i64[3]", "constant() {value = 18446744073709551615} : u64[3]",
        "constant() {value = x\"010203\"} : u8[99]", "constant() {value = [-8, 7]} : i4[2]",
        "constant() {value = 1.7976931348623157e+308} : f64[3]",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[512];
        snprintf(text, sizeof text, "fir 1\nfunc tensor @f() {\n    %%0 = %s\n    return()\n}\n", lines[i]);
        ir_module *m = must_parse(text);
        arena *a = arena_new();
        const char *printed = ir_print(a, m);
        if (!strstr(printed, lines[i])) fail_msg("%s was printed as\n%s", lines[i], printed);
        arena_free(a);
        ir_module_free(m);
    }
}

static void test_errors(void **state) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "this is no .fir text of version 1"},
        {"fir 2\n", "this is no .fir text of version 1"},
        {"fir 1\ngunc", "expected func"},
        {"fir 1\ndim B\ndim B", "'B' is declared twice"},
        {"fir 1\nparam \"w\": f32[Q]", "no variable is called 'Q' here"},
        {"fir 1\nparam \"w\": f32[]\nparam \"w\": f32[]", "\"w\" is declared twice"},
        {"fir 1\nparam \"w\": f33[]", "expected a type"},
        {"fir 1\nparam \"w: f32[]", "this string has no closing quote"},
        {"fir 1\nparam \"\\q\": f32[]", "unknown escape in a string"},
        {"fir 1\nparam \"w\": f32[9223372036854775807 * 2]", "the expression overflows, or is too long"},
        {"fir 1\nparam \"w\": f32[99999999999999999999]", "the integer 99999999999999999999 does not fit 64 bits"},
        {"fir 1\nstate \"s\": f32[] = @f", "there is no function 'f'"},
        {"fir 1\nfunc tensor @f() {}\nfunc tensor @f() {}", "there are two functions called 'f'"},
        {"fir 1\nfunc tensor @f(%x: f32[], %x: f32[]) {}", "%x is defined twice"},
        {"fir 1\nfunc tensor @f() { return(%x) }", "%x is not defined before this"},
        {"fir 1\nfunc tensor @f() { frob() }", "expected an op"},
        {"fir 1\nfunc tensor @f() { add() }", "add takes 2 operands and gives 1 results"},
        {"fir 1\nfunc tensor @f() { %0 = size() {siz = []} : i64[] }", "expected the name of an attribute"},
        {"fir 1\nfunc tensor @f() { %0 = constant() {value = x\"0\"} : i64[] }",
         "bytes are written as pairs of hexadecimal digits, x\"00ff\""},
        {"fir 1\nfunc tensor @f() { \x01", "unexpected byte 0x01"},
        {"fir 1\nfunc tensor @f() {", "expected an op"},
        {"fir 1\nfunc tensor @f(%x: f32[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]) {}", "expected at most 16 dims"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *error = "nothing";
        assert_null(parse_text(cases[i].text, strlen(cases[i].text), &error));
        assert_string_equal(error, cases[i].message);
    }
}

static void test_depth(void **state) {
    enum { DEEP = 100000 };
    const char *error = "";
    char *text = calloc(1, DEEP * 12 + 100);
    strcpy(text, "fir 1\nparam \"w\": f32[");
    memset(text + strlen(text), '(', DEEP);
    assert_null(parse_text(text, strlen(text), &error));
    assert_non_null(strstr(error, "nested more than"));

    strcpy(text, "fir 1\nfunc tile @f() {");
    char *end = text + strlen(text);
    for (int i = 0; i < DEEP; i++, end += 11) memcpy(end, "grid() () {", 12);
    assert_null(parse_text(text, strlen(text), &error));
    assert_non_null(strstr(error, "blocks nest more than"));
    free(text);
}

/* Every truncation and every changed byte of a real file parses or is reported; what parses can be verified and printed. */
static void test_damage(void **state) {
    static const char *const files[] = {"tensor.fir", "tile.fir", "thread.fir"};
    uint32_t seed = 1;
    for (size_t k = 0; k < 3; k++) {
        size_t size;
        char *text = read_fir(files[k], &size);
        for (size_t i = 0; i < size; i += 7) {
            ir_module_free(parse_text(text, i, NULL));
            char *copy = malloc(size);
            memcpy(copy, text, size);
            for (int n = 0; n < 3; n++) {
                seed = seed * 1664525u + 1013904223u;
                copy[(i + seed % 40) % size] = "(){}[]=,:<+-*%@\"x019ab \n#"[(seed >> 16) % 25];
            }
            ir_module *m = parse_text(copy, size, NULL);
            if (m) {
                arena *a = arena_new();
                const char *out;
                ir_verify(a, m, &out);
                assert_non_null(ir_print(a, m));
                arena_free(a);
            }
            ir_module_free(m);
            free(copy);
        }
        free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),  cmocka_unit_test(test_names), cmocka_unit_test(test_syms),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_errors), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests_name("ir text", tests, NULL, NULL);
}
