/* How near the lowered code comes to the machine: a blocked matrix product against one core's FMA peak, row softmax and
 * a scaled copy against copying. All on one core; figures are medians of interleaved runs. Prints one line a subject. */
#include "tests/lower/harness.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef float v8 __attribute__((vector_size(32)));

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* what this thread ran: other load counts less */
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }

static double median(double *v, int n) {
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

/* ---- The limits ---- */
#ifdef __x86_64__
/* f32 flops a second with 12 independent chains of 8-lane FMAs. */
__attribute__((target("avx2,fma"))) static double fma_seconds(int64_t n, float *sink) {
    v8 acc[12], x = {0}, y = {0};
    for (int i = 0; i < 8; i++) x[i] = 0.5f, y[i] = 0.25f;
#pragma GCC unroll 12
    for (int i = 0; i < 12; i++) acc[i] = x * (float)i;
    double start = now();
    for (int64_t k = 0; k < n; k++)
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++) __asm__ volatile("vfmadd231ps %1, %2, %0" : "+x"(acc[i]) : "x"(x), "x"(y));
    double t = now() - start;
#pragma GCC unroll 12
    for (int i = 0; i < 12; i++) *sink += acc[i][0];
    return t;
}
static double peak_gflops(void) {
    float sink = 0;
    int64_t n = 400000;
    double t = fma_seconds(n, &sink);
    return sink == 12345 ? 0 : (double)n * 12 * 16 / t * 1e-9;
}
#else
static double peak_gflops(void) { return 0; }
#endif

/* ---- Matrix product: b packed into panels once, a packed per task and block of k ---- */
static code *pack_b(void) {
    prog p = prog_new();
    sym_t n = dim(&p, "N"), k = dim(&p, "K"), s16 = sym_const(p.c, 16), panels = sym_ceildiv(p.c, n, s16);
    ir_value *b = buffer(&p, FRIT_f32, SYMS(k, n)), *out = buffer(&p, FRIT_f32, SYMS(panels, k, s16));
    sym_t q = sym_index(p.c, "q", panels), r = sym_index(p.c, "r", k), c = sym_index(p.c, "c", s16);
    grid(&p, SYMS(q), &panels);
    stage(&p, SYMS(r, c), (sym_t[]){k, s16}, 2, (int64_t[]){1, 16}, 1);
    sym_t col = sym_add(p.c, sym_muli(p.c, q, 16), c);
    wr(&p, out, rd_checked(&p, b, SYMS(r, col), 1, (int64_t[]){1}, 0, 0, NULL, NULL), SYMS(q, r, c));
    end_stage(&p);
    return compile(&p);
}

enum { MC = 72, KC = 256 };

static code *matmul(void) {
    prog p = prog_new();
    sym_ctx *c = p.c;
    sym_t m = dim(&p, "M"), n = dim(&p, "N"), k = dim(&p, "K"), s16 = sym_const(c, 16), s6 = sym_const(c, 6);
    sym_t mc = sym_const(c, MC), kc = sym_const(c, KC), panels = sym_ceildiv(c, n, s16);
    ir_value *a = buffer(&p, FRIT_f32, SYMS(m, k)), *b = buffer(&p, FRIT_f32, SYMS(panels, k, s16));
    ir_value *out = buffer(&p, FRIT_f32, SYMS(m, n));
    sym_t blocks = sym_ceildiv(c, m, mc), g = sym_index(c, "g", blocks);
    grid(&p, SYMS(g), &blocks);
    ir_value *pa = alloc(&p, FRIT_f32, IR_CORE, SYMS(sym_const(c, MC / 6), kc, s6));
    sym_t m0 = sym_mul(c, g, mc), em = sym_min(c, mc, sym_sub(c, m, m0));
    sym_t kblocks = sym_ceildiv(c, k, kc), h = sym_index(c, "h", kblocks);
    for_loop(&p, h, kblocks);
    sym_t k0 = sym_mul(c, h, kc), ek = sym_min(c, kc, sym_sub(c, k, k0));
    sym_t iq = sym_ceildiv(c, em, s6), q = sym_index(c, "q", iq), r = sym_index(c, "r", ek), w = sym_index(c, "w", s6);
    stage(&p, SYMS(q, w, r), (sym_t[]){iq, s6, ek}, 3, (int64_t[]){1, 6, 1}, -1);
    sym_t row = sym_add(c, m0, sym_add(c, sym_muli(c, q, 6), w));
    ir_value *x = rd_checked(&p, a, SYMS(row, sym_add(c, k0, r)), 1, (int64_t[]){0}, 0, 0, NULL, NULL);
    wr(&p, pa, x, SYMS(q, r, w));
    end_stage(&p);
    sym_t jp = sym_index(c, "jp", panels);
    for_loop(&p, jp, panels);
    sym_t j0 = sym_muli(c, jp, 16), ej = sym_min(c, s16, sym_sub(c, n, j0));
    sym_t ip = sym_index(c, "ip", iq), iw = sym_index(c, "iw", s6), j = sym_index(c, "j", ej), kk = sym_index(c, "k", ek);
    stage(&p, SYMS(ip, iw, j, kk), (sym_t[]){iq, s6, ej, ek}, 3, (int64_t[]){1, 6, 16, 1}, 2);
    ir_value *term = bin(&p, IR_mul, rd(&p, pa, SYMS(ip, kk, iw)), rd(&p, b, SYMS(jp, sym_add(c, k0, kk), j))), *sum;
    reduce(&p, 1, &term, (int64_t[]){IR_SUM}, NULL, &sum);
    sym_t orow = sym_add(c, m0, sym_add(c, sym_muli(c, ip, 6), iw)), ocol = sym_add(c, j0, j);
    ir_value *old = rd_checked(&p, out, SYMS(orow, ocol), 1, (int64_t[]){0}, 0, 0, NULL, NULL);
    ir_value *first = idx(&p, h, FRIT_i64), *is_first = bin(&p, IR_eq, first, ir_splat_int(&p.b, ir_scalar(FRIT_i64), 0));
    old = ir_select(&p.b, is_first, ir_splat(&p.b, ir_scalar(FRIT_f32), 0), old);
    ir_op *store = wr_combine(&p, out, bin(&p, IR_add, sum, old), SYMS(orow, ocol), -1, 0, NULL, NULL);
    ir_set_ints(p.m, store, IR_ATTR_checked, 1, (int64_t[]){0});
    end_stage(&p);
    return compile(&p);
}

static void bench_matmul(int64_t M, int64_t N, int64_t K) {
    code *kp = pack_b(), *km = matmul();
    int64_t P = (N + 15) / 16;
    memory a = memory_new(FRIT_f32, M * K, false), b = memory_new(FRIT_f32, K * N, false), bp = memory_new(FRIT_f32, P * K * 16, false),
           o = memory_new(FRIT_f32, M * N, false);
    for (int64_t i = 0; i < M * K; i++) ((float *)a.p)[i] = (float)pseudo(i, 1);
    for (int64_t i = 0; i < K * N; i++) ((float *)b.p)[i] = (float)pseudo(i, 2);
    dim_value dims[] = {{"M", M}, {"N", N}, {"K", K}, {0}};
    enum { RUNS = 15 };
    double tp[RUNS], tm[RUNS], top[RUNS], share[RUNS], flops = 2.0 * (double)M * (double)N * (double)K;
    for (int i = 0; i < RUNS; i++) {
        double p0 = peak_gflops(), t0 = now();
        run(kp, (memory[]){b, bp}, 2, dims, 1);
        double t1 = now();
        run(km, (memory[]){a, bp, o}, 3, dims, 1);
        tp[i] = t1 - t0, tm[i] = now() - t1;
        top[i] = (p0 + peak_gflops()) / 2;
        share[i] = flops / tm[i] * 1e-9 / top[i];
    }
    for (int64_t i = 0; i < M * N; i += 997) {
        double want = 0;
        for (int64_t k = 0; k < K; k++) want += (double)((float *)a.p)[i / N * K + k] * ((float *)b.p)[k * N + i % N];
        if (((float *)o.p)[i] != (float)want) printf("WRONG at %ld: %g, not %g\n", (long)i, ((float *)o.p)[i], want);
    }
    double mul = median(tm, RUNS), mid = median(share, RUNS);
    printf("matmul %ldx%ldx%ld: %.2f ms, %.1f GFLOP/s; FMA peak %.1f: %.0f%% (best run %.0f%%); packing b %.2f ms; lowered in %.2f ms, "
           "LLVM %.1f ms\n",
           (long)M, (long)N, (long)K, mul * 1e3, flops / mul * 1e-9, median(top, RUNS), 100 * mid,
           100 * share[RUNS - 1], median(tp, RUNS) * 1e3, code_lower_ms(km), code_compile_ms(km));
    memory_free(&a), memory_free(&b), memory_free(&bp), memory_free(&o);
    code_free(kp), code_free(km);
}

/* ---- Rows ---- */
static code *softmax(void) {
    prog p = prog_new();
    sym_t m = dim(&p, "M"), n = dim(&p, "N"), i = sym_index(p.c, "i", m), one = sym_const(p.c, 1), zero = sym_const(p.c, 0);
    ir_value *x = buffer(&p, FRIT_f32, SYMS(m, n)), *out = buffer(&p, FRIT_f32, SYMS(m, n)), *v, *r;
    grid(&p, SYMS(i), &m);
    ir_value *top = alloc(&p, FRIT_f32, IR_REGISTER, SYMS(one)), *scale = alloc(&p, FRIT_f32, IR_REGISTER, SYMS(one));
    ir_value *e = alloc(&p, FRIT_f32, IR_CORE, SYMS(n));
    sym_t j = sym_index(p.c, "j", n), j2 = sym_index(p.c, "j", n), j3 = sym_index(p.c, "j", n), j4 = sym_index(p.c, "j", n);
    stage(&p, SYMS(j), &n, 0, (int64_t[]){32}, 0);
    v = rd(&p, x, SYMS(i, j));
    reduce(&p, 1, &v, (int64_t[]){IR_MAX}, NULL, &r);
    wr(&p, top, r, SYMS(zero));
    end_stage(&p);
    stage(&p, SYMS(j2), &n, 1, (int64_t[]){16}, 0);
    wr(&p, e, ir_unary(&p.b, IR_exp, bin(&p, IR_sub, rd(&p, x, SYMS(i, j2)), rd(&p, top, SYMS(zero)))), SYMS(j2));
    end_stage(&p);
    stage(&p, SYMS(j4), &n, 0, (int64_t[]){32}, 0);
    v = rd(&p, e, SYMS(j4));
    reduce(&p, 1, &v, (int64_t[]){IR_SUM}, NULL, &r);
    wr(&p, scale, bin(&p, IR_div, ir_splat(&p.b, ir_scalar(FRIT_f32), 1), r), SYMS(zero));
    end_stage(&p);
    stage(&p, SYMS(j3), &n, 1, (int64_t[]){32}, 0);
    wr(&p, out, bin(&p, IR_mul, rd(&p, e, SYMS(j3)), rd(&p, scale, SYMS(zero))), SYMS(i, j3));
    end_stage(&p);
    return compile(&p);
}

static code *scaled_copy(void) {
    prog p = prog_new();
    sym_t m = dim(&p, "M"), n = dim(&p, "N"), i = sym_index(p.c, "i", m), j = sym_index(p.c, "j", n);
    ir_value *x = buffer(&p, FRIT_f32, SYMS(m, n)), *out = buffer(&p, FRIT_f32, SYMS(m, n));
    grid(&p, SYMS(i), &m);
    stage(&p, SYMS(j), &n, 1, (int64_t[]){32}, 0);
    wr(&p, out, bin(&p, IR_mul, rd(&p, x, SYMS(i, j)), ir_splat(&p.b, ir_scalar(FRIT_f32), 3)), SYMS(i, j));
    end_stage(&p);
    return compile(&p);
}

static void bench_rows(const char *name, code *k, int64_t M, int64_t N) {
    memory x = memory_new(FRIT_f32, M * N, false), o = memory_new(FRIT_f32, M * N, false);
    for (int64_t i = 0; i < M * N; i++) ((float *)x.p)[i] = (float)pseudo(i, 1);
    double t[9], tc[9], bytes = 8.0 * (double)M * (double)N;
    for (int i = 0; i < 9; i++) {
        double t0 = now();
        run(k, (memory[]){x, o}, 2, (dim_value[]){{"M", M}, {"N", N}, {0}}, 1);
        double t1 = now();
        memcpy(o.p, x.p, (size_t)(M * N * 4));
        t[i] = t1 - t0, tc[i] = now() - t1;
    }
    double mine = median(t, 9), copy = median(tc, 9);
    printf("%s %ldx%ld: %.2f ms, %.1f GB/s; memcpy %.1f GB/s: %.2f of it; lowered in %.2f ms, LLVM %.1f ms\n", name, (long)M,
           (long)N, mine * 1e3, bytes / mine * 1e-9, bytes / copy * 1e-9, copy / mine, code_lower_ms(k), code_compile_ms(k));
    memory_free(&x), memory_free(&o);
    code_free(k);
}

int main(void) {
    bench_matmul(1024, 1024, 1024);
    bench_matmul(1000, 1000, 1000);
    bench_matmul(96, 3072, 768);
    bench_rows("softmax", softmax(), 4096, 4096);
    bench_rows("softmax", softmax(), 64, 1024);
    bench_rows("scaled copy", scaled_copy(), 4096, 4096);
    bench_rows("scaled copy", scaled_copy(), 64, 1024);
    return 0;
}
