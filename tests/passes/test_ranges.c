/* Ranges of i64s: what is proven, what is not, and what may be computed in 32 bits. */
#include "ir/diag.h"
#include "passes/ranges.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

typedef struct expected {
    const char *op; /* ends in %v, in a block of 256 threads; its range */
    bool any;       /* which has no bounds */
    int64_t lo, hi;
    bool narrow; /* the op itself */
} expected;

#define HEAD "fir 1\ndim N\nfunc thread @k(%x: ptr f32, %n: i64 is N, %scratch: ptr u8, %tasks: i64) threads 256 shared 0 {\n"     \
             "%t = thread_id() : i64\n%b = block_id() : i64\n%c0 = constant() {value = 0} : i64\n"                                   \
             "%c1 = constant() {value = 1} : i64\n%c2 = constant() {value = 2} : i64\n%c3 = constant() {value = 3} : i64\n"          \
             "%c31 = constant() {value = 31} : i64\n%big = constant() {value = 2147483647} : i64\n"                                   \
             "%huge = constant() {value = 9223372036854775807} : i64\n%top = sub(%big, %t) : i64\n"

static ir_module *parse(diag *d, const char *body) {
    char text[4096];
    snprintf(text, sizeof text, "%s%sreturn()\n}\n", HEAD, body);
    ir_module *m = ir_parse(d, diag_add_source(d, "k.fir", text, strlen(text)));
    if (!m) diag_print_text(d, stderr, false);
    assert_non_null(m);
    return m;
}

static const ir_op *find(const ir_block *b, const char *name) {
    for (const ir_op *op = b->first; op; op = op->next) {
        for (int i = 0; i < op->n_results; i++)
            if (op->results[i].name && !strcmp(op->results[i].name, name)) return op;
        for (int i = 0; i < op->n_blocks; i++) {
            const ir_op *found = find(op->blocks[i], name);
            if (found) return found;
        }
    }
    return NULL;
}

static void check(const expected *e) {
    diag *d = diag_new();
    ir_module *m = parse(d, e->op);
    const ir_op *op = find(m->funcs->body, "v");
    assert_non_null(op);
    const value_range *r = ranges_of(m->arena, m->funcs);
    value_range v = r[ir_result(op, 0)->id], want = {e->any ? INT64_MIN : e->lo, e->any ? INT64_MAX : e->hi};
    if (v.lo != want.lo || v.hi != want.hi)
        fail_msg("%s: %lld to %lld, not %lld to %lld", e->op, (long long)v.lo, (long long)v.hi, (long long)want.lo, (long long)want.hi);
    if (ranges_narrow_op(r, op) != e->narrow) fail_msg("%s: %s 32 bits", e->op, e->narrow ? "is not of" : "is of");
    ir_module_free(m);
    diag_free(d);
}

static void test_arithmetic(void **state) {
    static const expected rows[] = {
        {"%v = add(%t, %c31) : i64\n", false, 31, 286, true},
        {"%v = sub(%t, %c31) : i64\n", false, -31, 224, true},
        {"%v = mul(%t, %c31) : i64\n", false, 0, 7905, true},
        {"%v = add(%big, %c0) : i64\n", false, INT32_MAX, INT32_MAX, true},
        {"%v = add(%big, %c1) : i64\n", false, INT64_C(2147483648), INT64_C(2147483648), false},
        {"%w = add(%big, %c1) : i64\n%v = sub(%w, %c1) : i64\n", false, INT32_MAX, INT32_MAX, false},
        {"%v = mul(%b, %c31) : i64\n", false, 0, INT64_C(31) * (RANGES_MOST_TASKS - 1), false},
        {"%v = mul(%t, %n) : i64\n", true, 0, 0, false},   /* N is any size: rows beyond 2^31 elements */
        {"%v = add(%n, %c1) : i64\n", true, 0, 0, false},
        {"%v = add(%huge, %t) : i64\n", true, 0, 0, false}, /* wraps */
        {"%v = neg(%t) : i64\n", false, -255, 0, true},
        {"%v = shl(%t, %c3) : i64\n", false, 0, 2040, true},
        {"%v = shr(%t, %c3) : i64\n", false, 0, 31, true},
        {"%v = and(%t, %c31) : i64\n", false, 0, 31, true},
        {"%v = and(%n, %c31) : i64\n", false, 0, 31, false}, /* of 64 bits */
        {"%v = xor(%t, %c31) : i64\n", false, 0, 255, true},
        {"%v = min(%n, %c31) : i64\n", false, 0, 31, false},
        {"%v = mod(%n, %c31) : i64\n", false, 0, 30, false},
        {"%v = floordiv(%t, %c31) : i64\n", false, 0, 8, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) check(&rows[i]);
}

static void test_choices(void **state) {
    static const expected rows[] = {
        {"%l = lt(%t, %c31) : bool\n%v = select(%l, %t, %c0) : i64\n", false, 0, 30, true},
        {"%l = le(%c31, %t) : bool\n%w = sub(%t, %c31) : i64\n%v = select(%l, %w, %t) : i64\n", false, 0, 224, true},
        {"%l = lt(%c0, %n) : bool\n%v = select(%l, %n, %c0) : i64\n", false, 0, INT64_MAX, false},
        {"%l = lt(%n, %c31) : bool\n%v = select(%l, %n, %c1) : i64\n", false, 0, 30, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) check(&rows[i]);
}

/* %v in the body, which carries %a. */
#define LOOP(next) "%r = tfor(%c0, %n, %c1, %c0) : i64 (%i: i64, %a: i64) {\n%v = add(%a, %c1) : i64\n" next "yield(%next)\n}\n"

static void test_loops(void **state) {
    static const expected rows[] = {
        /* a ring of three: 0, 1, 2, 0 ... */
        {LOOP("%l = le(%c3, %v) : bool\n%w = sub(%v, %c3) : i64\n%next = select(%l, %w, %v) : i64\n"), false, 1, 3, true},
        /* grows with every turn, of which there are any number */
        {LOOP("%next = add(%a, %c1) : i64\n"), true, 0, 0, false},
        {"tfor(%t, %c31, %c2) (%i: i64) {\n%v = add(%i, %c1) : i64\nyield()\n}\n", false, 1, 31, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) check(&rows[i]);
}

static bool narrow_counter(const char *to, const char *step) {
    char body[256];
    snprintf(body, sizeof body, "tfor(%%t, %s, %s) (%%i: i64) {\n%%v = add(%%i, %%c1) : i64\nyield()\n}\n", to, step);
    diag *d = diag_new();
    ir_module *m = parse(d, body);
    const ir_op *loop = find(m->funcs->body, "v")->parent->op;
    bool narrow = ranges_narrow_counter(ranges_of(m->arena, m->funcs), loop);
    ir_module_free(m);
    diag_free(d);
    return narrow;
}

static void test_counters(void **state) {
    assert_true(narrow_counter("%c31", "%c2"));
    assert_true(narrow_counter("%tasks", "%c1"));
    assert_false(narrow_counter("%big", "%c1")); /* the number behind the last one */
    assert_false(narrow_counter("%n", "%c1"));
    assert_false(narrow_counter("%c31", "%c0"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_arithmetic), cmocka_unit_test(test_choices), cmocka_unit_test(test_loops),
                                       cmocka_unit_test(test_counters)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
