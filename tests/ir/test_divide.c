/* Quotients and remainders of symbolic integers: what they simplify to, and that they keep their value. */
#include "support.h"

enum { N_VARS = 4 };

typedef struct point {
    sym_t vars[N_VARS];
    int64_t at[N_VARS];
} point;

static bool value(void *u, sym_t var, int64_t *v) {
    point *p = u;
    for (int i = 0; i < N_VARS; i++)
        if (p->vars[i] == var) return *v = p->at[i], true;
    return false;
}

static int64_t at(sym_t s, point *p) {
    int64_t v = 0;
    assert_true(sym_eval(s, value, p, &v));
    return v;
}

/* Positions in a picture [C, H, W], channels in groups of 8: the group depends on the channel alone. */
static void group_of(sym_ctx *c, sym_t h, sym_t w) {
    sym_t i = sym_index(c, "i", sym_const(c, 64)), j = sym_index(c, "j", h), k = sym_index(c, "k", w);
    sym_t line = sym_add(c, sym_mul(c, sym_add(c, sym_mul(c, i, h), j), w), k);
    sym_t group = sym_muli(c, sym_mul(c, h, w), 8);
    sym_t eight = sym_const(c, 8), low = sym_add(c, sym_mul(c, j, w), k);
    assert_ptr_equal(sym_floordiv(c, line, group), sym_floordiv(c, i, eight));
    assert_ptr_equal(sym_mod(c, line, group), sym_add(c, sym_mul(c, sym_mul(c, sym_mod(c, i, eight), h), w), low));
    assert_ptr_equal(sym_add(c, sym_mul(c, group, sym_floordiv(c, line, group)), sym_mod(c, line, group)), line);
}

static void test_groups(void **state) {
    arena *a = arena_new();
    sym_ctx *c = sym_ctx_new(a);
    group_of(c, sym_const(c, 16), sym_const(c, 16));
    group_of(c, sym_const(c, 7), sym_const(c, 5));
    group_of(c, sym_var(c, "H", SYM_DIM, NULL, NULL), sym_var(c, "W", SYM_DIM, NULL, NULL));
    arena_free(a);
}

static uint64_t next(uint64_t *seed) { return (*seed = *seed * 6364136223846793005u + 1442695040888963407u) >> 33; }

/* A sum over three indices and a dim with coefficients that have much in common with the divisor. */
static void one_sum(uint64_t *seed) {
    static const int64_t factors[] = {0, 1, 2, 3, 4, 6, 8, 12, 24, -4, 5};
    arena *a = arena_new();
    sym_ctx *c = sym_ctx_new(a);
    sym_t dim = sym_var(c, "D", SYM_DIM, NULL, NULL);
    point p = {{dim, sym_index(c, "x", sym_const(c, 6)), sym_index(c, "y", sym_const(c, 4)), sym_index(c, "z", dim)}, {0}};
    sym_t s = sym_const(c, (int64_t)(next(seed) % 9) - 2), b = sym_const(c, factors[1 + next(seed) % 8]);
    if (next(seed) % 2) b = sym_mul(c, b, dim);
    for (int i = 1; i < N_VARS; i++) {
        sym_t t = sym_muli(c, p.vars[i], factors[next(seed) % 11]);
        s = sym_add(c, s, next(seed) % 3 ? t : sym_mul(c, t, dim));
    }
    sym_t quotient = sym_floordiv(c, s, b), rest = sym_mod(c, s, b);
    for (p.at[0] = 1; p.at[0] < 5; p.at[0]++)
        for (p.at[1] = 0; p.at[1] < 6; p.at[1]++)
            for (p.at[2] = 0; p.at[2] < 4; p.at[2]++)
                for (p.at[3] = 0; p.at[3] < p.at[0]; p.at[3]++) {
                    int64_t n = at(s, &p), d = at(b, &p), r = (n % d + d) % d;
                    assert_int_equal(at(quotient, &p), (n - r) / d);
                    assert_int_equal(at(rest, &p), r);
                }
    arena_free(a);
}

static void test_values(void **state) {
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) one_sum(&seed);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_groups), cmocka_unit_test(test_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
