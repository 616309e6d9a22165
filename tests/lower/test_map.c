/* Stages with nothing to reduce: elementwise, broadcast, transposition, gather, padding, every dtype. */
#include "harness.h"
#include <string.h>

static const int64_t sizes[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

/* out[i] = x[i] + x[i] for tasks of 48 elements. */
static code *doubling(frit_dtype t, int tile) {
    prog p = prog_new();
    sym_t n = dim(&p, "N"), g, i, b = sym_const(p.c, 48);
    ir_value *x = buffer(&p, t, SYMS(n)), *out = buffer(&p, t, SYMS(n));
    sym_t tasks = sym_ceildiv(p.c, n, b);
    g = sym_index(p.c, "g", tasks);
    grid(&p, SYMS(g), &tasks);
    sym_t e = sym_min(p.c, b, sym_sub(p.c, n, sym_mul(p.c, g, b)));
    i = sym_index(p.c, "i", e);
    stage(&p, SYMS(i), &e, 1, (int64_t[]){tile}, 0);
    sym_t at = sym_add(p.c, sym_mul(p.c, g, b), i);
    ir_value *v = rd(&p, x, SYMS(at));
    wr(&p, out, t == FRIT_bool ? v : bin(&p, IR_add, v, v), SYMS(at));
    end_stage(&p);
    return compile(&p);
}

static void test_every_dtype(void **state) {
    for (int t = 0; t < FRIT_DTYPE_COUNT; t++) {
        bool is_float = frit_dtype_is_float((frit_dtype)t);
        if (is_float && t != FRIT_f64 && t != FRIT_f32) continue;
        code *k = doubling((frit_dtype)t, 256 / (int)frit_dtype_bits((frit_dtype)t));
        for (int s = 0; s < N_SIZES; s++)
            for (int at_end = 0; at_end < 2; at_end++) {
                int64_t n = sizes[s];
                memory b[2] = {memory_new((frit_dtype)t, n, at_end), memory_new((frit_dtype)t, n, at_end)};
                for (int64_t i = 0; i < n; i++) {
                    if (is_float) frit_store_float((frit_dtype)t, b[0].p, i, pseudo(i, t));
                    else frit_store_int((frit_dtype)t, b[0].p, i, (int64_t)(pseudo(i, t) * 640));
                }
                run(k, b, 2, (dim_value[]){{"N", n}, {0}}, 2);
                for (int64_t i = 0; i < n; i++) {
                    if (is_float) {
                        assert_true(frit_load_float((frit_dtype)t, b[1].p, i) == 2 * frit_load_float((frit_dtype)t, b[0].p, i));
                    } else {
                        int64_t x = frit_load_int((frit_dtype)t, b[0].p, i), want = 0;
                        frit_store_int((frit_dtype)t, &want, 0, t == FRIT_bool ? x : (int64_t)((uint64_t)x * 2));
                        if (frit_load_int((frit_dtype)t, b[1].p, i) != frit_load_int((frit_dtype)t, &want, 0))
                            fail_msg("%s, n = %ld, element %ld", frit_dtype_name((frit_dtype)t), (long)n, (long)i);
                    }
                }
                memory_free(&b[0]), memory_free(&b[1]);
            }
        code_free(k);
    }
}

/* out = x * row + column: the row varies along the lanes, the column does not. */
static void test_broadcast(void **state) {
    prog p = prog_new();
    sym_t m = dim(&p, "M"), n = dim(&p, "N"), i = sym_index(p.c, "i", m), j = sym_index(p.c, "j", n);
    ir_value *x = buffer(&p, FRIT_f32, SYMS(m, n)), *row = buffer(&p, FRIT_f32, SYMS(n));
    ir_value *col = buffer(&p, FRIT_f32, SYMS(m)), *out = buffer(&p, FRIT_f32, SYMS(m, n));
    grid(&p, SYMS(i), &m);
    stage(&p, SYMS(j), &n, 1, (int64_t[]){32}, 0);
    ir_value *v = bin(&p, IR_mul, rd(&p, x, SYMS(i, j)), rd(&p, row, SYMS(j)));
    wr(&p, out, bin(&p, IR_add, v, rd(&p, col, SYMS(i))), SYMS(i, j));
    end_stage(&p);
    code *k = compile(&p);
    for (int s = 0; s < N_SIZES; s++)
        for (int at_end = 0; at_end < 2; at_end++) {
            int64_t N = sizes[s], M = 5;
            memory b[4] = {memory_new(FRIT_f32, M * N, at_end), memory_new(FRIT_f32, N, at_end),
                           memory_new(FRIT_f32, M, at_end), memory_new(FRIT_f32, M * N, at_end)};
            float *px = b[0].p, *pr = b[1].p, *pc = b[2].p, *po = b[3].p;
            for (int64_t e = 0; e < M * N; e++) px[e] = (float)pseudo(e, 1);
            for (int64_t e = 0; e < N; e++) pr[e] = (float)pseudo(e, 2);
            for (int64_t e = 0; e < M; e++) pc[e] = (float)pseudo(e, 3);
            run(k, b, 4, (dim_value[]){{"M", M}, {"N", N}, {0}}, 2);
            for (int64_t e = 0; e < M * N; e++) assert_true(po[e] == px[e] * pr[e % N] + pc[e / N]);
            for (int e = 0; e < 4; e++) memory_free(&b[e]);
        }
    code_free(k);
}

/* out[j, i] = x[i, j] with lanes along either axis, in 2-D grids of blocks of 16. */
static void transpose_with(int vector, int64_t ti, int64_t tj) {
    prog p = prog_new();
    sym_t m = dim(&p, "M"), n = dim(&p, "N"), b16 = sym_const(p.c, 16);
    ir_value *x = buffer(&p, FRIT_f32, SYMS(m, n)), *out = buffer(&p, FRIT_f32, SYMS(n, m));
    sym_t gm = sym_ceildiv(p.c, m, b16), gn = sym_ceildiv(p.c, n, b16);
    sym_t bi = sym_index(p.c, "bi", gm), bj = sym_index(p.c, "bj", gn);
    grid(&p, SYMS(bi, bj), (sym_t[]){gm, gn});
    sym_t i0 = sym_mul(p.c, bi, b16), j0 = sym_mul(p.c, bj, b16);
    sym_t ei = sym_min(p.c, b16, sym_sub(p.c, m, i0)), ej = sym_min(p.c, b16, sym_sub(p.c, n, j0));
    sym_t i = sym_index(p.c, "i", ei), j = sym_index(p.c, "j", ej);
    stage(&p, SYMS(i, j), (sym_t[]){ei, ej}, 2, (int64_t[]){ti, tj}, vector);
    sym_t r = sym_add(p.c, i0, i), c = sym_add(p.c, j0, j);
    wr(&p, out, rd(&p, x, SYMS(r, c)), SYMS(c, r));
    end_stage(&p);
    code *k = compile(&p);
    for (int64_t M = 0; M < 40; M += 3)
        for (int64_t N = 0; N < 40; N += 5) {
            memory b[2] = {memory_new(FRIT_f32, M * N, M & 1), memory_new(FRIT_f32, M * N, N & 1)};
            float *px = b[0].p, *po = b[1].p;
            for (int64_t e = 0; e < M * N; e++) px[e] = (float)pseudo(e, 1);
            run(k, b, 2, (dim_value[]){{"M", M}, {"N", N}, {0}}, 3);
            for (int64_t e = 0; e < M * N; e++) assert_true(po[e % N * M + e / N] == px[e]);
            memory_free(&b[0]), memory_free(&b[1]);
        }
    code_free(k);
}

static void test_transpose(void **state) {
    transpose_with(-1, 1, 1);
    transpose_with(1, 4, 8);
    transpose_with(0, 8, 4);
    transpose_with(0, 16, 1);
}

/* out[i, j] = table[ids[i], j], rows outside give -3; and the same with the index along the lanes. */
static void gather_with(int vector, frit_dtype id_type) {
    prog p = prog_new();
    sym_t m = dim(&p, "M"), v = dim(&p, "V"), n = dim(&p, "N"), i = sym_index(p.c, "i", m), j = sym_index(p.c, "j", n);
    ir_value *table = buffer(&p, FRIT_f32, SYMS(v, n)), *ids = buffer(&p, id_type, SYMS(m));
    ir_value *out = buffer(&p, FRIT_f32, SYMS(m, n));
    sym_t one = sym_const(p.c, 1), z = sym_index(p.c, "z", one);
    grid(&p, SYMS(z), &one);
    stage(&p, SYMS(i, j), (sym_t[]){m, n}, 2, (int64_t[]){vector ? 2 : 8, vector ? 16 : 1}, vector);
    ir_value *id = rd(&p, ids, SYMS(i));
    sym_t row = sym_var(p.c, "row", SYM_VALUE, NULL, NULL);
    wr(&p, out, rd_checked(&p, table, SYMS(row, j), 1, (int64_t[]){0}, -3, 1, &id, &row), SYMS(i, j));
    end_stage(&p);
    code *k = compile(&p);
    for (int64_t M = 0; M < 20; M++)
        for (int64_t N = 0; N < 40; N += 3) {
            int64_t V = 6;
            memory b[3] = {memory_new(FRIT_f32, V * N, M & 1), memory_new(id_type, M, N & 1), memory_new(FRIT_f32, M * N, M & 1)};
            float *pt = b[0].p, *po = b[2].p;
            for (int64_t e = 0; e < V * N; e++) pt[e] = (float)pseudo(e, 1);
            for (int64_t e = 0; e < M; e++) frit_store_int(id_type, b[1].p, e, (e * 5) % 9 - 1);
            run(k, b, 3, (dim_value[]){{"M", M}, {"N", N}, {"V", V}, {0}}, 1);
            for (int64_t e = 0; e < M * N; e++) {
                int64_t r = frit_load_int(id_type, b[1].p, e / N);
                assert_true(po[e] == (r >= 0 && r < V ? pt[r * N + e % N] : -3));
            }
            for (int e = 0; e < 3; e++) memory_free(&b[e]);
        }
    code_free(k);
}

static void test_gather(void **state) {
    gather_with(1, FRIT_i64);
    gather_with(1, FRIT_i32);
    gather_with(0, FRIT_i64);
    gather_with(0, FRIT_i32);
}

/* Panels of 8 lanes of which the first E elements together are written: `within`. What lies behind them stays. */
static void test_within(void **state) {
    for (int rows = 1; rows <= 3; rows += 2) {
        prog p = prog_new();
        sym_t n = dim(&p, "E"), eight = sym_const(p.c, 8), panels = sym_ceildiv(p.c, n, eight), m = sym_const(p.c, rows);
        sym_t r = sym_index(p.c, "r", m), q = sym_index(p.c, "q", panels), lane = sym_index(p.c, "c", eight);
        sym_t at = sym_add(p.c, sym_mul(p.c, q, eight), lane), last = sym_const(p.c, 40);
        ir_value *x = buffer(&p, FRIT_f32, SYMS(last)), *out = buffer(&p, FRIT_f32, SYMS(m, last));
        grid(&p, SYMS(r), &m);
        stage(&p, SYMS(q, lane), (sym_t[]){panels, eight}, 2, (int64_t[]){2, 8}, 1);
        wr(&p, out, rd(&p, x, SYMS(at)), SYMS(r, at));
        ir_op *w = p.b.block->last;
        ir_set_syms(p.m, w, IR_ATTR_within, 2, (sym_t[]){at, n});
        end_stage(&p);
        code *k = compile(&p);
        for (int64_t e = 0; e <= 40; e++) {
            memory b[2] = {memory_new(FRIT_f32, 40, true), memory_new(FRIT_f32, 40 * rows, true)};
            float *px = b[0].p, *po = b[1].p;
            for (int i = 0; i < 40; i++) px[i] = (float)pseudo(i, 3);
            for (int i = 0; i < 40 * rows; i++) po[i] = -7;
            run(k, b, 2, (dim_value[]){{"E", e}, {0}}, 1);
            for (int i = 0; i < 40 * rows; i++) assert_true(po[i] == (i % 40 < e ? px[i % 40] : -7));
            memory_free(&b[0]), memory_free(&b[1]);
        }
        code_free(k);
    }
}

/* out[(i * 3 + 1) % N] += x[i], in order; and a sum into few places, where order shows in f32. */
static void test_scatter(void **state) {
    prog p = prog_new();
    sym_t n = dim(&p, "N"), v = dim(&p, "V"), i = sym_index(p.c, "i", n);
    ir_value *x = buffer(&p, FRIT_f32, SYMS(n)), *ids = buffer(&p, FRIT_i32, SYMS(n)), *out = buffer(&p, FRIT_f32, SYMS(v));
    sym_t one = sym_const(p.c, 1), z = sym_index(p.c, "z", one), at = sym_var(p.c, "at", SYM_VALUE, NULL, NULL);
    grid(&p, SYMS(z), &one);
    stage(&p, SYMS(i), &n, 1, (int64_t[]){16}, 0);
    ir_value *id = rd(&p, ids, SYMS(i));
    ir_op *w = wr_combine(&p, out, rd(&p, x, SYMS(i)), SYMS(at), IR_SUM, 1, &id, &at);
    ir_set_ints(p.m, w, IR_ATTR_checked, 1, (int64_t[]){0});
    end_stage(&p);
    code *k = compile(&p);
    enum { N = 100, V = 7 };
    memory b[3] = {memory_new(FRIT_f32, N, true), memory_new(FRIT_i32, N, true), memory_new(FRIT_f32, V, true)};
    float *px = b[0].p, *po = b[2].p, want[V];
    for (int e = 0; e < V; e++) po[e] = want[e] = (float)e;
    for (int e = 0; e < N; e++) {
        px[e] = (float)pseudo(e, 1) / 3;
        ((int32_t *)b[1].p)[e] = e * 5 % (V + 2) - 1;
        int r = e * 5 % (V + 2) - 1;
        if (r >= 0 && r < V) want[r] += px[e];
    }
    run(k, b, 3, (dim_value[]){{"N", N}, {"V", V}, {0}}, 1);
    for (int e = 0; e < V; e++) assert_true(po[e] == want[e]);
    for (int e = 0; e < 3; e++) memory_free(&b[e]);
    code_free(k);
}

/* out[i] = 3 * i - 7 as several dtypes, and x reversed, and x[i / 3], and x strided. */
static void test_index_maps(void **state) {
    prog p = prog_new();
    sym_t n = dim(&p, "N"), i = sym_index(p.c, "i", n), one = sym_const(p.c, 1), z = sym_index(p.c, "z", one);
    ir_value *x = buffer(&p, FRIT_f32, SYMS(sym_muli(p.c, n, 3))), *rev = buffer(&p, FRIT_f32, SYMS(n));
    ir_value *third = buffer(&p, FRIT_f32, SYMS(n)), *every = buffer(&p, FRIT_f32, SYMS(n));
    ir_value *num = buffer(&p, FRIT_f32, SYMS(n)), *narrow = buffer(&p, FRIT_u8, SYMS(n));
    grid(&p, SYMS(z), &one);
    stage(&p, SYMS(i), &n, 1, (int64_t[]){16}, 0);
    wr(&p, rev, rd(&p, x, SYMS(sym_sub(p.c, sym_addi(p.c, n, -1), i))), SYMS(i));
    wr(&p, third, rd(&p, x, SYMS(sym_floordiv(p.c, i, sym_const(p.c, 3)))), SYMS(i));
    wr(&p, every, rd(&p, x, SYMS(sym_muli(p.c, i, 3))), SYMS(i));
    sym_t e = sym_addi(p.c, sym_muli(p.c, i, 3), -7);
    wr(&p, num, idx(&p, e, FRIT_f32), SYMS(i));
    wr(&p, narrow, idx(&p, e, FRIT_u8), SYMS(i));
    end_stage(&p);
    code *k = compile(&p);
    for (int s = 0; s < N_SIZES; s++) {
        int64_t N = sizes[s];
        memory b[6] = {memory_new(FRIT_f32, 3 * N, s & 1)};
        for (int e2 = 1; e2 < 6; e2++) b[e2] = memory_new(e2 == 5 ? FRIT_u8 : FRIT_f32, N, s & 1);
        float *px = b[0].p;
        for (int64_t q = 0; q < 3 * N; q++) px[q] = (float)pseudo(q, 1);
        run(k, b, 6, (dim_value[]){{"N", N}, {0}}, 1);
        for (int64_t q = 0; q < N; q++) {
            assert_true(((float *)b[1].p)[q] == px[N - 1 - q]);
            assert_true(((float *)b[2].p)[q] == px[q / 3]);
            assert_true(((float *)b[3].p)[q] == px[q * 3]);
            assert_true(((float *)b[4].p)[q] == (float)(3 * q - 7));
            assert_true(((uint8_t *)b[5].p)[q] == (uint8_t)(3 * q - 7));
        }
        for (int q = 0; q < 6; q++) memory_free(&b[q]);
    }
    code_free(k);
}

/* Two grids in one kernel: out[i] = x[i] + 1 and, backwards over tasks, sq[i] = x[i] * x[i]. */
static void test_two_grids(void **state) {
    prog p = prog_new();
    sym_t n = dim(&p, "N"), g = sym_index(p.c, "g", n), h = sym_index(p.c, "h", n);
    ir_value *x = buffer(&p, FRIT_f32, SYMS(n)), *out = buffer(&p, FRIT_f32, SYMS(n)), *sq = buffer(&p, FRIT_f32, SYMS(n));
    for (int i = 0; i < 2; i++) {
        sym_t v = i ? h : g;
        grid(&p, SYMS(v), &n);
        stage(&p, NONE, NULL, 0, NULL, -1);
        ir_value *e = rd(&p, x, SYMS(v));
        if (i) wr(&p, sq, bin(&p, IR_mul, e, e), SYMS(v));
        else wr(&p, out, bin(&p, IR_add, e, ir_splat(&p.b, ir_scalar(FRIT_f32), 1)), SYMS(v));
        end_stage(&p);
        leave(&p);
    }
    code *k = compile(&p);
    for (int pieces = 1; pieces < 6; pieces++) {
        enum { N = 10 };
        memory b[3] = {memory_new(FRIT_f32, N, true), memory_new(FRIT_f32, N, true), memory_new(FRIT_f32, N, false)};
        float *px = b[0].p;
        for (int i = 0; i < N; i++) px[i] = (float)pseudo(i, 1);
        run(k, b, 3, (dim_value[]){{"N", N}, {0}}, pieces);
        for (int i = 0; i < N; i++) {
            assert_true(((float *)b[1].p)[i] == px[i] + 1);
            assert_true(((float *)b[2].p)[i] == px[i] * px[i]);
        }
        for (int i = 0; i < 3; i++) memory_free(&b[i]);
    }
    code_free(k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_dtype), cmocka_unit_test(test_broadcast),  cmocka_unit_test(test_transpose),
        cmocka_unit_test(test_gather),      cmocka_unit_test(test_within), cmocka_unit_test(test_scatter),    cmocka_unit_test(test_index_maps),
        cmocka_unit_test(test_two_grids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
