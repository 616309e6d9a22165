/* Reductions: every combination and dtype, lanes along either kind of axis, chains of stages through core buffers. */
#include "harness.h"
#include <math.h>
#include <string.h>

/* out[i] = combine over j of x[i, j]. */
static code *rows(frit_dtype t, frit_dtype out_t, int combine, const int64_t *tile, int vector) {
    prog p = prog_new();
    sym_t m = dim(&p, "M"), n = dim(&p, "N"), one = sym_const(p.c, 1), z = sym_index(p.c, "z", one);
    sym_t i = sym_index(p.c, "i", m), j = sym_index(p.c, "j", n);
    ir_value *x = buffer(&p, t, SYMS(m, n)), *out = buffer(&p, out_t, SYMS(m));
    grid(&p, SYMS(z), &one);
    stage(&p, SYMS(i, j), (sym_t[]){m, n}, 1, tile, vector);
    ir_value *v = rd(&p, x, SYMS(i, j)), *r;
    if (combine == IR_ANY || combine == IR_ALL)
        v = t == FRIT_bool ? v : bin(&p, IR_lt, ir_splat(&p.b, ir_scalar(t), 0), v);
    reduce(&p, 1, &v, (int64_t[]){combine}, &out_t, &r);
    wr(&p, out, r, SYMS(i));
    end_stage(&p);
    return compile(&p);
}

/* out[i] = sum over j of x[i, j] + y[0], y as long as j: a read that no loop variable moves is not done for an empty loop. */
static void test_empty_loop(void **state) {
    for (int vector = 0; vector < 2; vector++) {
        prog p = prog_new();
        sym_t m = dim(&p, "M"), n = dim(&p, "N"), one = sym_const(p.c, 1), z = sym_index(p.c, "z", one);
        sym_t i = sym_index(p.c, "i", m), j = sym_index(p.c, "j", n);
        ir_value *x = buffer(&p, FRIT_f32, SYMS(m, n)), *y = buffer(&p, FRIT_f32, SYMS(n)), *out = buffer(&p, FRIT_f32, SYMS(m));
        grid(&p, SYMS(z), &one);
        stage(&p, SYMS(i, j), (sym_t[]){m, n}, 1, (int64_t[]){vector ? 1 : 8, vector ? 8 : 1}, vector);
        ir_value *v = bin(&p, IR_add, rd(&p, x, SYMS(i, j)), rd(&p, y, SYMS(sym_const(p.c, 0)))), *r;
        reduce(&p, 1, &v, (int64_t[]){IR_SUM}, NULL, &r);
        wr(&p, out, r, SYMS(i));
        end_stage(&p);
        code *k = compile(&p);
        for (int64_t N = 0; N < 20; N += N ? 6 : 1) {
            memory b[3] = {memory_new(FRIT_f32, 4 * N, true), memory_new(FRIT_f32, N, true), memory_new(FRIT_f32, 4, true)};
            float *px = b[0].p, *py = b[1].p, *po = b[2].p;
            for (int64_t e = 0; e < 4 * N; e++) px[e] = (float)pseudo(e, 1);
            for (int64_t e = 0; e < N; e++) py[e] = (float)pseudo(e, 2);
            run(k, b, 3, (dim_value[]){{"M", 4}, {"N", N}, {0}}, 1);
            for (int64_t a = 0; a < 4; a++) {
                float want = 0;
                for (int64_t e = 0; e < N; e++) want += px[a * N + e] + py[0];
                assert_true(po[a] == want);
            }
            for (int e = 0; e < 3; e++) memory_free(&b[e]);
        }
        code_free(k);
    }
}

/* The reference works on doubles for floats and on wrapped int64 for integers. */
static bool more(int combine, bool is_float, double a, double b, int64_t ia, int64_t ib, bool is_u64) {
    bool max = combine == IR_MAX || combine == IR_ARGMAX;
    if (is_float) return (isnan(a) && !isnan(b)) || (max ? a > b : a < b);
    if (is_u64) return max ? (uint64_t)ia > (uint64_t)ib : (uint64_t)ia < (uint64_t)ib;
    return max ? ia > ib : ia < ib;
}

static void want_row(frit_dtype t, int combine, const void *x, int64_t at, int64_t n, double *f, int64_t *v) {
    bool is_float = frit_dtype_is_float(t);
    *f = combine == IR_PROD ? 1 : 0;
    *v = combine == IR_PROD || combine == IR_ALL;
    double best = 0;
    int64_t ibest = 0;
    for (int64_t j = 0; j < n; j++) {
        double a = is_float ? frit_load_float(t, x, at + j) : 0;
        int64_t ia = is_float ? 0 : frit_load_int(t, x, at + j);
        switch (combine) {
        case IR_SUM: *f += a, *v = t == FRIT_bool ? *v | ia : (int64_t)((uint64_t)*v + (uint64_t)ia); break;
        case IR_PROD: *f *= a, *v = (int64_t)((uint64_t)*v * (uint64_t)ia); break;
        case IR_ANY: *v |= is_float ? a > 0 : ia > 0; break;
        case IR_ALL: *v &= is_float ? a > 0 : ia > 0; break;
        default:
            if (j && !more(combine, is_float, a, best, ia, ibest, t == FRIT_u64)) continue;
            best = a, ibest = ia;
            if (combine == IR_MAX || combine == IR_MIN) *f = a, *v = ia;
            else *v = j;
        }
    }
}

static void check_rows(code *k, frit_dtype t, frit_dtype out_t, int combine, int64_t M, int64_t N, bool nans) {
    bool is_float = frit_dtype_is_float(t);
    memory b[2] = {memory_new(t, M * N, N & 1), memory_new(out_t, M, N & 1)};
    for (int64_t e = 0; e < M * N; e++) {
        double v = pseudo(e * 3, combine);
        if (combine == IR_PROD) v = v > 0 ? 1 : v < -0.5 ? -1 : 2;
        if (combine == IR_ANY) v = pseudo(e, 5) > 0.9;
        if (combine == IR_ALL) v = pseudo(e, 5) > -0.9;
        if (nans && pseudo(e, 9) > 0.8) v = NAN;
        if (is_float) frit_store_float(t, b[0].p, e, v);
        else frit_store_int(t, b[0].p, e, combine == IR_SUM || combine >= IR_MAX ? (int64_t)(v * 64) : (int64_t)v);
    }
    run(k, b, 2, (dim_value[]){{"M", M}, {"N", N}, {0}}, 1);
    for (int64_t i = 0; i < M; i++) {
        double f;
        int64_t v;
        want_row(t, combine, b[0].p, i * N, N, &f, &v);
        if (N == 0 && (combine == IR_MAX || combine == IR_MIN)) continue;
        bool same;
        if (frit_dtype_is_float(out_t)) {
            double got = frit_load_float(out_t, b[1].p, i);
            same = got == f || (isnan(got) && isnan(f));
        } else {
            int64_t w = 0;
            frit_store_int(out_t, &w, 0, v);
            same = frit_load_int(out_t, b[1].p, i) == frit_load_int(out_t, &w, 0);
        }
        if (!same)
            fail_msg("%s %s, M %ld N %ld, row %ld: %g / %ld wanted, %ld found", frit_dtype_name(t),
                     ir_combine_name((ir_combine)combine), (long)M, (long)N, (long)i, f, (long)v,
                     (long)(frit_dtype_is_float(out_t) ? frit_load_float(out_t, b[1].p, i) : (double)frit_load_int(out_t, b[1].p, i)));
    }
    memory_free(&b[0]), memory_free(&b[1]);
}

static void every_size(frit_dtype t, frit_dtype out_t, int combine, const int64_t *tile, int vector) {
    static const int64_t sizes[] = {0, 1, 3, 8, 9, 31, 32, 33, 64, 71};
    code *k = rows(t, out_t, combine, tile, vector);
    bool extreme = combine == IR_MAX || combine == IR_MIN || combine == IR_ARGMAX || combine == IR_ARGMIN;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int64_t M = 0; M < 12; M += 3) {
            check_rows(k, t, out_t, combine, M, sizes[s], false);
            if (extreme && frit_dtype_is_float(t)) check_rows(k, t, out_t, combine, M, sizes[s], true);
        }
    code_free(k);
}

static void test_combines_f32(void **state) {
    for (int c = IR_SUM; c <= IR_ARGMIN; c++) {
        bool truth = c == IR_ANY || c == IR_ALL, arg = c == IR_ARGMAX || c == IR_ARGMIN;
        frit_dtype out = truth ? FRIT_bool : arg ? FRIT_i64 : FRIT_f32;
        every_size(FRIT_f32, out, c, (int64_t[]){1, 32}, 1);
        every_size(FRIT_f32, out, c, (int64_t[]){2, 8}, 1);
        every_size(FRIT_f32, out, c, (int64_t[]){8, 1}, 0);
        every_size(FRIT_f32, out, c, (int64_t[]){1, 4}, -1);
    }
}

static void test_dtypes(void **state) {
    static const int combines[] = {IR_SUM, IR_MAX, IR_ARGMIN};
    for (int t = 0; t < FRIT_DTYPE_COUNT; t++) {
        bool wide_float = t == FRIT_f64 || t == FRIT_f32;
        if ((frit_dtype_is_float((frit_dtype)t) && !wide_float) || frit_dtype_bits((frit_dtype)t) < 8) continue;
        int lanes = 256 / (int)frit_dtype_bits((frit_dtype)t);
        for (int c = 0; c < 3; c++) {
            if (t == FRIT_bool && combines[c] == IR_MAX) continue;
            frit_dtype out = combines[c] == IR_ARGMIN ? FRIT_i32 : (frit_dtype)t;
            every_size((frit_dtype)t, out, combines[c], (int64_t[]){1, 2 * lanes}, 1);
        }
    }
}

/* Row softmax in three stages through core buffers; rows are tasks. */
static void test_softmax(void **state) {
    prog p = prog_new();
    sym_t m = dim(&p, "M"), n = dim(&p, "N"), i = sym_index(p.c, "i", m), one = sym_const(p.c, 1);
    ir_value *x = buffer(&p, FRIT_f32, SYMS(m, n)), *out = buffer(&p, FRIT_f32, SYMS(m, n));
    grid(&p, SYMS(i), &m);
    ir_value *top = alloc(&p, FRIT_f32, IR_REGISTER, SYMS(one)), *sum = alloc(&p, FRIT_f32, IR_CORE, SYMS(one));
    ir_value *e = alloc(&p, FRIT_f32, IR_CORE, SYMS(n)), *v, *r;
    sym_t zero = sym_const(p.c, 0), j = sym_index(p.c, "j", n), j2 = sym_index(p.c, "j", n), j3 = sym_index(p.c, "j", n);
    stage(&p, SYMS(j), &n, 0, (int64_t[]){32}, 0);
    v = rd(&p, x, SYMS(i, j));
    reduce(&p, 1, &v, (int64_t[]){IR_MAX}, NULL, &r);
    wr(&p, top, r, SYMS(zero));
    end_stage(&p);
    stage(&p, SYMS(j2), &n, 1, (int64_t[]){16}, 0);
    v = ir_unary(&p.b, IR_exp, bin(&p, IR_sub, rd(&p, x, SYMS(i, j2)), rd(&p, top, SYMS(zero))));
    wr(&p, e, v, SYMS(j2));
    end_stage(&p);
    sym_t j4 = sym_index(p.c, "j", n);
    stage(&p, SYMS(j4), &n, 0, (int64_t[]){32}, 0);
    v = rd(&p, e, SYMS(j4));
    reduce(&p, 1, &v, (int64_t[]){IR_SUM}, NULL, &r);
    wr(&p, sum, r, SYMS(zero));
    end_stage(&p);
    stage(&p, SYMS(j3), &n, 1, (int64_t[]){16}, 0);
    wr(&p, out, bin(&p, IR_div, rd(&p, e, SYMS(j3)), rd(&p, sum, SYMS(zero))), SYMS(i, j3));
    end_stage(&p);
    code *k = compile(&p);
    for (int64_t N = 0; N < 70; N += 3) {
        int64_t M = 4;
        memory b[2] = {memory_new(FRIT_f32, M * N, N & 1), memory_new(FRIT_f32, M * N, N & 1)};
        float *px = b[0].p, *po = b[1].p;
        for (int64_t q = 0; q < M * N; q++) px[q] = 5 * (float)pseudo(q, 1);
        run(k, b, 2, (dim_value[]){{"M", M}, {"N", N}, {0}}, 2);
        for (int64_t q = 0; q < M; q++) {
            double s = 0;
            for (int64_t w = 0; w < N; w++) s += exp(px[q * N + w]);
            for (int64_t w = 0; w < N; w++) assert_true(fabs(po[q * N + w] - exp(px[q * N + w]) / s) < 1e-6);
        }
        memory_free(&b[0]), memory_free(&b[1]);
    }
    code_free(k);
}

/* A running sum kept in a core buffer over a sequential loop: out[i] = sum over b, j of x[b, i, j]. */
static void test_accumulate_in_core(void **state) {
    prog p = prog_new();
    sym_t nb = dim(&p, "B"), m = dim(&p, "M"), n = dim(&p, "N"), one = sym_const(p.c, 1), z = sym_index(p.c, "z", one);
    ir_value *x = buffer(&p, FRIT_f32, SYMS(nb, m, n)), *out = buffer(&p, FRIT_f32, SYMS(m));
    grid(&p, SYMS(z), &one);
    ir_value *acc = alloc(&p, FRIT_f32, IR_CORE, SYMS(m)), *r;
    sym_t i = sym_index(p.c, "i", m), i2 = sym_index(p.c, "i", m), i3 = sym_index(p.c, "i", m), j = sym_index(p.c, "j", n);
    stage(&p, SYMS(i), &m, 1, (int64_t[]){8}, 0);
    wr(&p, acc, ir_splat(&p.b, ir_scalar(FRIT_f32), 0), SYMS(i));
    end_stage(&p);
    sym_t b = sym_index(p.c, "b", nb);
    for_loop(&p, b, nb);
    stage(&p, SYMS(i2, j), (sym_t[]){m, n}, 1, (int64_t[]){2, 16}, 1);
    ir_value *v = rd(&p, x, SYMS(b, i2, j));
    reduce(&p, 1, &v, (int64_t[]){IR_SUM}, NULL, &r);
    wr(&p, acc, bin(&p, IR_add, rd(&p, acc, SYMS(i2)), r), SYMS(i2));
    end_stage(&p);
    leave(&p);
    stage(&p, SYMS(i3), &m, 1, (int64_t[]){8}, 0);
    wr(&p, out, rd(&p, acc, SYMS(i3)), SYMS(i3));
    end_stage(&p);
    code *k = compile(&p);
    for (int64_t B = 0; B < 4; B++)
        for (int64_t M = 0; M < 12; M += 5)
            for (int64_t N = 0; N < 40; N += 9) {
                memory q[2] = {memory_new(FRIT_f32, B * M * N, N & 1), memory_new(FRIT_f32, M, M & 1)};
                float *px = q[0].p, *po = q[1].p;
                for (int64_t w = 0; w < B * M * N; w++) px[w] = (float)pseudo(w, 1);
                run(k, q, 2, (dim_value[]){{"B", B}, {"M", M}, {"N", N}, {0}}, 1);
                for (int64_t w = 0; w < M; w++) {
                    float want = 0;
                    for (int64_t u = 0; u < B * N; u++) want += px[(u / N * M + w) * N + u % N];
                    assert_true(po[w] == want);
                }
                memory_free(&q[0]), memory_free(&q[1]);
            }
    code_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_loop),
        cmocka_unit_test(test_combines_f32),
        cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_accumulate_in_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
