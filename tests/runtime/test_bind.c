/* Expressions, and values of dims from shapes. */
#include "model.h"
#include "runtime/rt.h"
#include <stdlib.h>
#include <string.h>

static uint64_t seed = 7;
static uint32_t rnd(uint32_t n) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((seed >> 33) % n);
}

/* ---- Bytecode against the compiler's own evaluation -------------------------------------------------------------- */
enum { VARS = 3, EXPRS = 6 };
typedef struct point {
    sym_t vars[VARS];
    int64_t values[VARS];
} point;

static bool value_of(void *u, sym_t var, int64_t *v) {
    const point *p = u;
    for (int i = 0; i < VARS; i++)
        if (p->vars[i] == var) return *v = p->values[i], true;
    return false;
}

static sym_t random_expr(sym_ctx *c, const point *p, int depth) {
    if (depth == 0 || rnd(5) == 0) return rnd(3) ? p->vars[rnd(VARS)] : sym_const(c, (int64_t)rnd(9) - 3);
    sym_t a = random_expr(c, p, depth - 1), b = random_expr(c, p, depth - 1);
    switch (rnd(8)) {
    case 0: return sym_sub(c, a, b);
    case 1: return sym_mul(c, a, b);
    case 2: return sym_floordiv(c, a, b);
    case 3: return sym_mod(c, a, b);
    case 4: return sym_min(c, a, b);
    case 5: return sym_max(c, a, b);
    case 6: return sym_ceildiv(c, a, b);
    default: return sym_add(c, a, b);
    }
}

/* A package with the expressions as dims of its output over three host integers. */
static frit_package *expression_package(model *m, point *p, sym_t *exprs) {
    static const char *const names[VARS] = {"a", "b", "c"};
    for (int i = 0; i < VARS; i++) {
        p->vars[i] = sym_var(m->c, names[i], SYM_INT, NULL, NULL);
        package_input(m->p, names[i], FRIT_i64, 0, NULL, p->vars[i]);
    }
    for (int i = 0; i < EXPRS; i++) {
        do exprs[i] = random_expr(m->c, p, 4);
        while (sym_is_invalid(exprs[i]));
    }
    package_output(m->p, "out", FRIT_f32, EXPRS, exprs);
    model_target(m);
    package_main(m->p);
    uint64_t n;
    const void *bytes = model_bytes(m, &n);
    frit_package *pkg;
    assert_ok(frit_package_open_memory(bytes, n, NULL, NULL, NULL, &pkg, err));
    return pkg;
}

static void test_expressions(void **state) {
    (void)state;
    for (int round = 0; round < 300; round++) {
        model m = model_new();
        point p;
        sym_t exprs[EXPRS];
        frit_package *pkg = expression_package(&m, &p, exprs);
        int64_t syms[VARS];
        for (int turn = 0; turn < 10; turn++) {
            for (int i = 0; i < VARS; i++) {
                p.values[i] = (int64_t)rnd(40) - 15;
                syms[pkg->tensors[i].symbol] = p.values[i];
            }
            for (int i = 0; i < EXPRS; i++) {
                int64_t want = 0, got = 0;
                bool ok = sym_eval(exprs[i], value_of, &p, &want);
                assert_int_equal(rt_eval(pkg, pkg->lists[pkg->tensors[VARS].dims + (uint32_t)i], syms, NULL, &got), ok);
                if (want != got)
                    fail_msg("%s: %lld, not %lld", sym_print(m.a, exprs[i]), (long long)got, (long long)want);
            }
        }
        frit_package_release(pkg);
        model_free(&m);
    }
}

/* Expressions that a compiler would not write down as they are: steps by hand. */
static bool eval_steps(const fpk_step *steps, uint32_t n, int64_t *out) {
    fpk_expr e = {0, n};
    frit_package p = {.steps = steps, .exprs = &e};
    return rt_eval(&p, 0, NULL, NULL, out);
}

static void test_arithmetic(void **state) {
    (void)state;
    static const struct {
        fpk_step_op op;
        int64_t a, b, want;
        bool fails;
    } cases[] = {
        {FPK_FLOORDIV, 7, 2, 3, false},   {FPK_FLOORDIV, -7, 2, -4, false},   {FPK_FLOORDIV, 7, -2, -4, false},
        {FPK_FLOORDIV, 5, 0, 0, false},   {FPK_MOD, -7, 3, 2, false},         {FPK_MOD, 7, -3, -2, false},
        {FPK_MOD, 7, 0, 0, false},        {FPK_CEILDIV, 7, 2, 4, false},      {FPK_CEILDIV, -7, 2, -3, false},
        {FPK_CEILDIV, 8, 2, 4, false},    {FPK_CEILDIV, 7, 0, 0, false},      {FPK_MIN, -1, 1, -1, false},
        {FPK_MAX, -1, 1, 1, false},       {FPK_MOD, INT64_MIN, -1, 0, false}, {FPK_FLOORDIV, INT64_MIN, -1, 0, true},
        {FPK_ADD, INT64_MAX, 1, 0, true}, {FPK_SUB, INT64_MIN, 1, 0, true},   {FPK_MUL, INT64_MAX, 2, 0, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fpk_step steps[3] = {{FPK_CONST, 0, cases[i].a}, {FPK_CONST, 0, cases[i].b}, {cases[i].op, 0, 0}};
        int64_t got = 0;
        assert_int_equal(eval_steps(steps, 3, &got), !cases[i].fails);
        if (!cases[i].fails) assert_int_equal(got, cases[i].want);
    }
}

/* ---- Solving ----------------------------------------------------------------------------------------------------- */
/* x f32[2 h + 1, w], y f32[w * h, h - 3 k], z f32[(h + 1) // 2]. */
static model model_equations(void) {
    model m = model_new();
    sym_t h = sym_var(m.c, "h", SYM_DIM, NULL, sym_const(m.c, 1000)),
          w = sym_var(m.c, "w", SYM_DIM, sym_const(m.c, 1), NULL);
    sym_t k = sym_var(m.c, "k", SYM_DIM, NULL, w), three = sym_muli(m.c, k, 3);
    sym_var_bound(m.c, w, NULL, NULL, 4);
    package_input(m.p, "x", FRIT_f32, 2, (sym_t[]){sym_addi(m.c, sym_muli(m.c, h, 2), 1), w}, NULL);
    package_input(m.p, "y", FRIT_f32, 2, (sym_t[]){sym_mul(m.c, w, h), sym_sub(m.c, h, three)}, NULL);
    package_input(m.p, "z", FRIT_f32, 1, (sym_t[]){sym_floordiv(m.c, sym_addi(m.c, h, 1), sym_const(m.c, 2))}, NULL);
    package_output(m.p, "out", FRIT_f32, 1, &k);
    model_target(&m);
    package_main(m.p);
    return m;
}

static frit_status prepare(rig *r, int64_t x0, int64_t x1, int64_t y0, int64_t y1, int64_t z0, frit_error *err) {
    int64_t x[2] = {x0, x1}, y[2] = {y0, y1};
    DLTensor in[3] = {frit_dense(NULL, FRIT_f32, 2, x), frit_dense(NULL, FRIT_f32, 2, y),
                      frit_dense(NULL, FRIT_f32, 1, &z0)};
    return frit_session_prepare(r->session, in, 3, err);
}

static void check_dim(rig *r, const char *name, int64_t want) {
    int64_t got;
    assert_ok(frit_session_dim(r->session, name, &got, err));
    assert_int_equal(got, want);
}

static void test_solving(void **state) {
    (void)state;
    model m = model_equations();
    rig r = rig_open(&m, 1);
    assert_ok(prepare(&r, 21, 4, 40, 4, 5, err));
    check_dim(&r, "h", 10);
    check_dim(&r, "w", 4);
    check_dim(&r, "k", 2);
    assert_fails(prepare(&r, 20, 4, 40, 4, 5, err), FRIT_SHAPE, "input 'x' has shape [20, 4]");
    assert_fails(prepare(&r, 21, 4, 44, 4, 5, err), FRIT_SHAPE, "w = 4");
    assert_fails(prepare(&r, 21, 4, 44, 4, 5, err), FRIT_SHAPE, "h = 10");
    assert_fails(prepare(&r, 21, 4, 40, 5, 5, err), FRIT_SHAPE, "input 'y'");
    assert_fails(prepare(&r, 21, 4, 40, 4, 6, err), FRIT_SHAPE, "input 'z' has shape [6]");
    assert_fails(prepare(&r, 21, 6, 60, 4, 5, err), FRIT_SHAPE, "w = 6 is no multiple of 4");
    assert_fails(prepare(&r, 21, 0, 0, 4, 5, err), FRIT_SHAPE, "w = 0 is below its least value 1");
    assert_fails(prepare(&r, 2005, 4, 4008, 0, 501, err), FRIT_SHAPE, "h = 1002 is above its greatest value 1000");
    assert_fails(prepare(&r, 61, 4, 120, 6, 15, err), FRIT_SHAPE, "k = 8 is above its greatest value 4");
    assert_fails(prepare(&r, 21, -4, 40, 4, 5, err), FRIT_SHAPE, "input 'x'");
    assert_fails(prepare(&r, INT64_MAX, 4, 40, 4, 5, err), FRIT_SHAPE, "too large");
    assert_ok(prepare(&r, 21, 4, 40, 4, 5, err));
    rig_close(&r);
    model_free(&m);
}

/* A dim that no shape tells has to be given. */
static void test_not_told(void **state) {
    (void)state;
    model m = model_new();
    sym_t a = sym_var(m.c, "a", SYM_DIM, NULL, NULL), b = sym_var(m.c, "b", SYM_DIM, NULL, NULL),
          ab = sym_mul(m.c, a, b);
    package_input(m.p, "x", FRIT_f32, 1, &ab, NULL);
    package_output(m.p, "out", FRIT_f32, 1, &a);
    model_target(&m);
    package_main(m.p);
    rig r = rig_open(&m, 1);
    int64_t n = 12, seven = 7;
    DLTensor in = frit_dense(NULL, FRIT_f32, 1, &n);
    assert_fails(frit_session_prepare(r.session, &in, 1, err), FRIT_SHAPE, "(f32[a*b]) does not tell a");
    frit_session_release(r.session);
    frit_session_options o = {.struct_size = sizeof o, .dims = (frit_dim[]){{"b", 3}}, .n_dims = 1};
    assert_ok(frit_session_create(r.weights, &o, &r.session, err));
    assert_ok(frit_session_prepare(r.session, &in, 1, err));
    check_dim(&r, "a", 4);
    in.shape = &seven;
    assert_fails(frit_session_prepare(r.session, &in, 1, err), FRIT_SHAPE, "b = 3");
    rig_close(&r);
    model_free(&m);
}

/* Sanitizers end the program on sizes that the system refuses, unless told otherwise. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "allocator_may_return_null=1"; }

/* ---- Large sizes ------------------------------------------------------------------------------------------------- */
static void test_overflow(void **state) {
    (void)state;
    model m = model_new();
    sym_t n = sym_var(m.c, "n", SYM_INT, NULL, NULL), big = sym_muli(m.c, sym_mul(m.c, n, n), 4);
    package_input(m.p, "n", FRIT_i64, 0, NULL, n);
    model_target(&m);
    package_ref t = package_at(package_temp(m.p, big));
    package_main(m.p);
    package_fill(m.p, t, sym_const(m.c, 1), 1, 0);
    rig r = rig_open(&m, 1);
    static const struct {
        int64_t n;
        frit_status want;
    } cases[] = {{3, FRIT_OK},
                 {INT64_C(1) << 31, FRIT_SHAPE},
                 {1500000000, FRIT_NO_MEMORY},
                 {INT64_MAX, FRIT_SHAPE},
                 {-5, FRIT_OK}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t v = cases[i].n;
        DLTensor in = frit_dense(&v, FRIT_i64, 0, NULL);
        assert_int_equal(frit_session_run(r.session, &in, 1, NULL, 0, NULL), cases[i].want);
    }
    rig_close(&r);
    model_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expressions), cmocka_unit_test(test_arithmetic), cmocka_unit_test(test_solving),
        cmocka_unit_test(test_not_told),    cmocka_unit_test(test_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
