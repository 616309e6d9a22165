/* Contractions: the register-tile microkernel with ragged edges, transposed operands, packed panels, convolution. */
#include "harness.h"
#include <string.h>

/* out[m, n] = sum over k of a * b, in one task per block of rows. ta, tb: a is [K, M], b is [N, K]. */
static code *matmul(frit_dtype t, bool ta, bool tb, const int64_t *tile, int vector, int64_t rows, const dim_value *fixed) {
    prog p = prog_new();
    p.fixed = fixed;
    sym_t m = dim(&p, "M"), n = dim(&p, "N"), k = dim(&p, "K"), br = sym_const(p.c, rows);
    ir_value *a = buffer(&p, t, 2, ta ? (sym_t[]){k, m} : (sym_t[]){m, k});
    ir_value *b = buffer(&p, t, 2, tb ? (sym_t[]){n, k} : (sym_t[]){k, n});
    ir_value *out = buffer(&p, t, SYMS(m, n));
    sym_t tasks = sym_ceildiv(p.c, m, br), g = sym_index(p.c, "g", tasks);
    grid(&p, SYMS(g), &tasks);
    sym_t m0 = sym_mul(p.c, g, br), em = sym_min(p.c, br, sym_sub(p.c, m, m0));
    sym_t i = sym_index(p.c, "i", em), j = sym_index(p.c, "j", n), r = sym_index(p.c, "r", k);
    stage(&p, SYMS(i, j, r), (sym_t[]){em, n, k}, 2, tile, vector);
    sym_t row = sym_add(p.c, m0, i);
    ir_value *x = rd(&p, a, 2, ta ? (sym_t[]){r, row} : (sym_t[]){row, r});
    ir_value *y = rd(&p, b, 2, tb ? (sym_t[]){j, r} : (sym_t[]){r, j});
    ir_value *term = bin(&p, IR_mul, x, y), *sum;
    reduce(&p, 1, &term, (int64_t[]){IR_SUM}, NULL, &sum);
    wr(&p, out, sum, SYMS(row, j));
    end_stage(&p);
    return compile(&p);
}

static void check_matmul(code *k, frit_dtype t, bool ta, bool tb, int64_t M, int64_t N, int64_t K, int seed) {
    memory b[3] = {memory_new(t, M * K, seed & 1), memory_new(t, K * N, seed & 1), memory_new(t, M * N, !(seed & 1))};
    for (int64_t e = 0; e < M * K; e++) frit_store_float(t, b[0].p, e, pseudo(e, seed));
    for (int64_t e = 0; e < K * N; e++) frit_store_float(t, b[1].p, e, pseudo(e, seed + 1));
    run(k, b, 3, (dim_value[]){{"M", M}, {"N", N}, {"K", K}, {0}}, 2);
    for (int64_t i = 0; i < M; i++)
        for (int64_t j = 0; j < N; j++) {
            double want = 0;
            for (int64_t r = 0; r < K; r++)
                want += frit_load_float(t, b[0].p, ta ? r * M + i : i * K + r) *
                        frit_load_float(t, b[1].p, tb ? j * K + r : r * N + j);
            if (frit_load_float(t, b[2].p, i * N + j) != want)
                fail_msg("M %ld N %ld K %ld: [%ld, %ld] is %g, not %g", (long)M, (long)N, (long)K, (long)i, (long)j,
                         frit_load_float(t, b[2].p, i * N + j), want);
        }
    for (int e = 0; e < 3; e++) memory_free(&b[e]);
}

static void sweep(frit_dtype t, bool ta, bool tb, const int64_t *tile, int vector, int64_t rows, int64_t step) {
    code *k = matmul(t, ta, tb, tile, vector, rows, NULL);
    for (int64_t M = 0; M <= 40; M += step)
        for (int64_t N = 0; N <= 40; N += step)
            for (int64_t K = 0; K <= 40; K += step) check_matmul(k, t, ta, tb, M, N, K, (int)(M + N + K));
    code_free(k);
}

static void test_microkernel(void **state) { sweep(FRIT_f32, false, false, (int64_t[]){6, 16, 1}, 1, 24, 1); }
static void test_microkernel_f64(void **state) { sweep(FRIT_f64, false, false, (int64_t[]){6, 8, 1}, 1, 12, 3); }
static void test_unrolled(void **state) { sweep(FRIT_f32, false, false, (int64_t[]){4, 8, 4}, 1, 8, 3); }
static void test_transposed_a(void **state) { sweep(FRIT_f32, true, false, (int64_t[]){6, 16, 1}, 1, 6, 3); }
static void test_transposed_b(void **state) { sweep(FRIT_f32, false, true, (int64_t[]){6, 16, 1}, 1, 24, 3); }
static void test_lanes_along_m(void **state) { sweep(FRIT_f32, true, true, (int64_t[]){16, 4, 1}, 0, 40, 3); }
static void test_lanes_along_k(void **state) { sweep(FRIT_f32, false, true, (int64_t[]){2, 2, 16}, 2, 7, 3); }
static void test_scalar(void **state) { sweep(FRIT_f32, false, false, (int64_t[]){1, 1, 4}, -1, 7, 5); }

/* Extents that are known: whole tiles, tails of known length, tiles larger than the axis. */
static void test_constant_dims(void **state) {
    static const int64_t sizes[] = {1, 5, 8, 10, 13, 16, 17, 24, 39};
    for (int s = 0; s < 81; s++) {
        int64_t M = sizes[s / 9], N = sizes[s % 9], K = sizes[(s * 5 + 2) % 9];
        dim_value fixed[] = {{"M", M}, {"N", N}, {"K", K}, {0}};
        bool k_lanes = s % 3 == 0;
        code *k = matmul(FRIT_f32, false, k_lanes, k_lanes ? (int64_t[]){2, 2, 32} : (int64_t[]){6, 16, 1}, k_lanes ? 2 : 1, 24, fixed);
        check_matmul(k, FRIT_f32, false, k_lanes, M, N, K, s);
        code_free(k);
    }
}

/* b packed into [N / 16][K][16] first, then 6 x 16 tiles over blocks of rows with bias and relu in the epilogue. */
static void test_packed(void **state) {
    prog p = prog_new();
    sym_t m = dim(&p, "M"), n = dim(&p, "N"), k = dim(&p, "K"), one = sym_const(p.c, 1), s16 = sym_const(p.c, 16);
    ir_value *a = buffer(&p, FRIT_f32, SYMS(m, k)), *b = buffer(&p, FRIT_f32, SYMS(k, n));
    ir_value *bias = buffer(&p, FRIT_f32, SYMS(n)), *out = buffer(&p, FRIT_f32, SYMS(m, n));
    sym_t z = sym_index(p.c, "z", one), panels = sym_ceildiv(p.c, n, s16);
    grid(&p, SYMS(z), &one);
    ir_value *pack = alloc(&p, FRIT_f32, IR_CORE, SYMS(panels, k, s16));
    sym_t q = sym_index(p.c, "q", panels), r = sym_index(p.c, "r", k), c = sym_index(p.c, "c", s16);
    stage(&p, SYMS(q, r, c), (sym_t[]){panels, k, s16}, 3, (int64_t[]){1, 1, 16}, 2);
    sym_t col = sym_add(p.c, sym_muli(p.c, q, 16), c);
    wr(&p, pack, rd_checked(&p, b, SYMS(r, col), 1, (int64_t[]){1}, 0, 0, NULL, NULL), SYMS(q, r, c));
    end_stage(&p);
    sym_t h = sym_index(p.c, "h", panels);
    for_loop(&p, h, panels);
    sym_t j0 = sym_muli(p.c, h, 16), ej = sym_min(p.c, s16, sym_sub(p.c, n, j0));
    sym_t i = sym_index(p.c, "i", m), j = sym_index(p.c, "j", ej), kk = sym_index(p.c, "k", k);
    stage(&p, SYMS(i, j, kk), (sym_t[]){m, ej, k}, 2, (int64_t[]){6, 16, 1}, 1);
    ir_value *term = bin(&p, IR_mul, rd(&p, a, SYMS(i, kk)), rd(&p, pack, SYMS(h, kk, j))), *sum;
    reduce(&p, 1, &term, (int64_t[]){IR_SUM}, NULL, &sum);
    sym_t jj = sym_add(p.c, j0, j);
    sum = bin(&p, IR_add, sum, rd(&p, bias, SYMS(jj)));
    wr(&p, out, bin(&p, IR_max, sum, ir_splat(&p.b, ir_scalar(FRIT_f32), 0)), SYMS(i, jj));
    end_stage(&p);
    code *f = compile(&p);
    for (int64_t M = 0; M < 20; M += 3)
        for (int64_t N = 0; N < 50; N += 7)
            for (int64_t K = 0; K < 9; K += 4) {
                memory v[4] = {memory_new(FRIT_f32, M * K, M & 1), memory_new(FRIT_f32, K * N, N & 1),
                               memory_new(FRIT_f32, N, K & 1), memory_new(FRIT_f32, M * N, M & 1)};
                float *pa = v[0].p, *pb = v[1].p, *pc = v[2].p, *po = v[3].p;
                for (int64_t e = 0; e < M * K; e++) pa[e] = (float)pseudo(e, 1);
                for (int64_t e = 0; e < K * N; e++) pb[e] = (float)pseudo(e, 2);
                for (int64_t e = 0; e < N; e++) pc[e] = (float)pseudo(e, 3);
                run(f, v, 4, (dim_value[]){{"M", M}, {"N", N}, {"K", K}, {0}}, 1);
                for (int64_t e = 0; e < M * N; e++) {
                    float want = 0;
                    for (int64_t x = 0; x < K; x++) want += pa[e / N * K + x] * pb[x * N + e % N];
                    want += pc[e % N];
                    assert_true(po[e] == (want > 0 ? want : 0));
                }
                for (int e = 0; e < 4; e++) memory_free(&v[e]);
            }
    code_free(f);
}

/* 3 x 3 convolution, padding 1, stride s, channels last: x [H, W, C], w [3, 3, C, F], out [OH, OW, F]. */
static code *convolution(int64_t stride, int vector, const int64_t *tile) {
    prog p = prog_new();
    sym_t h = dim(&p, "H"), w = dim(&p, "W"), c = dim(&p, "C"), f = dim(&p, "F"), three = sym_const(p.c, 3);
    sym_t st = sym_const(p.c, stride), oh = sym_ceildiv(p.c, h, st), ow = sym_ceildiv(p.c, w, st);
    ir_value *x = buffer(&p, FRIT_f32, SYMS(h, w, c)), *k = buffer(&p, FRIT_f32, SYMS(three, three, c, f));
    ir_value *out = buffer(&p, FRIT_f32, SYMS(oh, ow, f));
    sym_t y = sym_index(p.c, "y", oh), o = sym_index(p.c, "x", ow), g = sym_index(p.c, "f", f);
    sym_t dy = sym_index(p.c, "dy", three), dx = sym_index(p.c, "dx", three), ch = sym_index(p.c, "c", c);
    grid(&p, SYMS(y), &oh);
    stage(&p, SYMS(o, g, dy, dx, ch), (sym_t[]){ow, f, three, three, c}, 2, tile, vector);
    sym_t iy = sym_addi(p.c, sym_add(p.c, sym_mul(p.c, y, st), dy), -1);
    sym_t ix = sym_addi(p.c, sym_add(p.c, sym_mul(p.c, o, st), dx), -1);
    ir_value *v = rd_checked(&p, x, SYMS(iy, ix, ch), 2, (int64_t[]){0, 1}, 0, 0, NULL, NULL);
    ir_value *term = bin(&p, IR_mul, v, rd(&p, k, SYMS(dy, dx, ch, g))), *sum;
    reduce(&p, 1, &term, (int64_t[]){IR_SUM}, NULL, &sum);
    wr(&p, out, sum, SYMS(y, o, g));
    end_stage(&p);
    return compile(&p);
}

static void check_convolution(code *f, int64_t s, int64_t H, int64_t W, int64_t C, int64_t F) {
    int64_t OH = (H + s - 1) / s, OW = (W + s - 1) / s;
    memory b[3] = {memory_new(FRIT_f32, H * W * C, W & 1), memory_new(FRIT_f32, 9 * C * F, W & 1), memory_new(FRIT_f32, OH * OW * F, F & 1)};
    float *px = b[0].p, *pk = b[1].p, *po = b[2].p;
    for (int64_t e = 0; e < H * W * C; e++) px[e] = (float)pseudo(e, 1);
    for (int64_t e = 0; e < 9 * C * F; e++) pk[e] = (float)pseudo(e, 2);
    run(f, b, 3, (dim_value[]){{"H", H}, {"W", W}, {"C", C}, {"F", F}, {0}}, 2);
    for (int64_t e = 0; e < OH * OW * F; e++) {
        int64_t y = e / F / OW, x = e / F % OW;
        double want = 0;
        for (int64_t q = 0; q < 9 * C; q++) {
            int64_t iy = y * s + q / C / 3 - 1, ix = x * s + q / C % 3 - 1;
            if (iy >= 0 && iy < H && ix >= 0 && ix < W) want += (double)px[(iy * W + ix) * C + q % C] * pk[q * F + e % F];
        }
        if (po[e] != want)
            fail_msg("stride %d %ldx%ldx%ld->%ld: element %ld is %g, not %g", (int)s, (long)H, (long)W, (long)C, (long)F, (long)e, po[e], want);
    }
    for (int e = 0; e < 3; e++) memory_free(&b[e]);
}

static void test_convolution(void **state) {
    for (int64_t s = 1; s < 3; s++)
        for (int v = 0; v < 2; v++) {
            code *f = convolution(s, v, v ? (int64_t[]){4, 16, 1, 3, 1} : (int64_t[]){8, 2, 1, 1, 1});
            for (int64_t W = 1; W < 22; W += 4)
                for (int64_t F = 1; F < 20; F += 6) check_convolution(f, s, 5, W, 3, F);
            code_free(f);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_microkernel),   cmocka_unit_test(test_microkernel_f64), cmocka_unit_test(test_unrolled),
        cmocka_unit_test(test_transposed_a),  cmocka_unit_test(test_transposed_b),    cmocka_unit_test(test_lanes_along_m),
        cmocka_unit_test(test_lanes_along_k), cmocka_unit_test(test_scalar),          cmocka_unit_test(test_packed),
        cmocka_unit_test(test_constant_dims),
        cmocka_unit_test(test_convolution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
