/* Every elementwise op x dtype x lanes, run as machine code and compared with ir/scalar.h bit for bit (NaN is NaN). */
#include "ir/scalar.h"
#include "jit.h"
#include "passes/expand_math.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka needs the headers above first */
#include <cmocka.h>

enum { N = 480 }; /* elements of a run: divisible by all lane counts */
static const int lane_counts[] = {1, 5, 8, 16};
enum { N_LANES = sizeof lane_counts / sizeof *lane_counts };

static uint64_t next_random(uint64_t *s) {
    *s = *s * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return *s >> 11 ^ *s << 21;
}

/* Numbers at the edges, any bits at all, and small numbers. */
static void fill(frit_dtype t, void *buf, uint64_t *seed) {
    static const double floats[] = {
        0.0,   -0.0, 1,     -1,     0.5,        1.5,           2.5,          -2.5,   INFINITY, -INFINITY,
        NAN,   3,    1e-40, -1e-40, 1e-310,     65504,         65520,        448,    464,      57344,
        61440, 1e30, -1e30, 1e300,  2147483647, -2147483649.0, 4294967295.5, 1.8e19, 9.3e18,   0.1};
    static const int64_t ints[] = {
        0,   1,   -1,  2,     -2,     7,     8,         15,        16,         31,        32,        63, 64, -8, -128,
        127, 255, 256, 32767, -32768, 65535, INT32_MAX, INT32_MIN, UINT32_MAX, INT64_MAX, INT64_MIN, 3,  -3, 5,  100};
    bool is_float = frit_dtype_is_float(t);
    for (int i = 0; i < N; i++) {
        uint64_t r = next_random(seed), pick = r >> 8;
        if (r % 4 < 2 && is_float) frit_store_float(t, buf, i, floats[pick % (sizeof floats / sizeof *floats)]);
        else if (r % 4 < 2) frit_store_int(t, buf, i, ints[pick % (sizeof ints / sizeof *ints)]);
        else if (r % 4 == 2 && is_float) frit_store_float(t, buf, i, (double)(int64_t)(pick % 2001) / 16 - 62.5);
        else if (r % 4 == 2 || t == FRIT_bool) frit_store_int(t, buf, i, (int64_t)(pick % 41) - 20);
        else if (frit_dtype_bits(t) < 8) frit_store_int(t, buf, i, (int64_t)pick);
        else memcpy((char *)buf + i * (int64_t)frit_dtype_bits(t) / 8, &pick, frit_dtype_bits(t) / 8);
    }
}

/* One case: y = op(x...) with operands of dtype `in` and the result of dtype `out`. */
typedef struct op_case {
    ir_opcode op;
    frit_dtype in, out;
    int lanes;
} op_case;

static int n_operands(const op_case *c) { return ir_op_table[c->op].n_operands; }
static frit_dtype operand_type(const op_case *c, int i) { return c->op == IR_select && i == 0 ? FRIT_bool : c->in; }

static ir_value *apply(ir_builder *b, const op_case *c, ir_value **x) {
    if (c->op == IR_cast) return ir_cast(b, x[0], c->out);
    ir_type t = ir_vector(c->out, c->lanes);
    return ir_result(ir_build(b, c->op, n_operands(c), x, 1, &t), 0);
}

static ir_func *build(jit *j, const op_case *c, const char *name) {
    ir_builder b;
    int n = n_operands(c);
    frit_dtype t[4];
    for (int i = 0; i < n; i++) t[i] = operand_type(c, i);
    t[n] = c->out;
    ir_func *f = jit_func(j, name, n + 1, t, 0, &b);
    jit_for(&b, jit_begin(f), jit_end(f), jit_i64(&b, c->lanes), 0, NULL);
    ir_value *at = b.block->args[0], *x[3];
    for (int i = 0; i < n; i++) x[i] = jit_load(&b, jit_buffer(f, i), at, c->lanes, NULL, NULL);
    jit_store(&b, jit_buffer(f, n), at, apply(&b, c, x), NULL);
    jit_yield(&b, 0, NULL);
    expand_math(f);
    return f;
}

static void explain(const op_case *c, const scalar *x, scalar got, scalar want) {
    char text[256];
    int k = 0;
    for (int i = 0; i < n_operands(c); i++)
        k += frit_dtype_is_float(operand_type(c, i))
                 ? snprintf(text + k, sizeof text - (size_t)k, " %a", x[i].f)
                 : snprintf(text + k, sizeof text - (size_t)k, " %lld", (long long)x[i].i);
    if (frit_dtype_is_float(c->out))
        fail_msg("%s %s -> %s, %d lanes:%s gives %a, not %a", ir_op_table[c->op].name, frit_dtype_name(c->in),
                 frit_dtype_name(c->out), c->lanes, text, got.f, want.f);
    fail_msg("%s %s -> %s, %d lanes:%s gives %lld, not %lld", ir_op_table[c->op].name, frit_dtype_name(c->in),
             frit_dtype_name(c->out), c->lanes, text, (long long)got.i, (long long)want.i);
}

static bool same(frit_dtype t, scalar x, scalar y) {
    if (!frit_dtype_is_float(t)) return x.i == y.i;
    return (isnan(x.f) && isnan(y.f)) || !memcmp(&x.f, &y.f, sizeof x.f);
}

static void check(const op_case *c, jit_fn fn, uint64_t *seed) {
    void *buf[4];
    int n = n_operands(c);
    for (int i = 0; i <= n; i++) {
        frit_dtype t = i < n ? operand_type(c, i) : c->out;
        buf[i] = guard_alloc((size_t)frit_dtype_bytes(t, N));
        if (i < n) fill(t, buf[i], seed);
    }
    fn(buf, NULL, NULL, 0, N);
    for (int e = 0; e < N; e++) {
        scalar x[3], want, got = scalar_load(c->out, buf[n], e);
        for (int i = 0; i < n; i++) x[i] = scalar_load(operand_type(c, i), buf[i], e);
        assert_true(scalar_eval(c->op, c->in, c->out, x, &want));
        /* a scalar keeps no payload of NaN, and storing one saturates */
        bool payload = c->op == IR_bitcast && frit_dtype_is_float(c->in) && !isfinite(x[0].f);
        if (!payload && !same(c->out, got, want)) explain(c, x, got, want);
    }
    for (int i = 0; i <= n; i++) guard_free(buf[i], (size_t)frit_dtype_bytes(i < n ? operand_type(c, i) : c->out, N));
}

/* Not here: what is not exact (test_math.c), and what bool has no use for. */
static bool is_exact(const op_case *c) {
    uint32_t flags = ir_op_table[c->op].flags;
    scalar x[3] = {{0}}, r;
    if (!(flags & IR_F_ELEMENTWISE)) return false;
    if (flags & IR_F_TRANSCENDENTAL && (frit_dtype_is_float(c->in) || c->in == FRIT_bool)) return false;
    bool bits = c->op == IR_shl || c->op == IR_shr || c->op == IR_popcount || c->op == IR_clz;
    return !(bits && c->in == FRIT_bool) && scalar_eval(c->op, c->in, c->out, x, &r);
}

/* Cases of one op, compiled together. */
static void run_op(ir_opcode op, const char *string) {
    enum { MOST = FRIT_DTYPE_COUNT * FRIT_DTYPE_COUNT };
    for (int l = 0; l < N_LANES; l++) {
        jit j;
        jit_open(&j, string);
        op_case cases[MOST];
        ir_func *f[MOST];
        jit_fn fn[MOST];
        int n = 0;
        bool converts = op == IR_cast || op == IR_bitcast, compares = ir_op_table[op].flags & IR_F_COMPARE;
        for (int in = 0; in < FRIT_DTYPE_COUNT; in++)
            for (int out = 0; out < FRIT_DTYPE_COUNT; out++) {
                op_case c = {op, (frit_dtype)in, (frit_dtype)out, lane_counts[l]};
                bool wanted = converts ? in != out : compares ? out == FRIT_bool : in == out;
                if (!wanted || !is_exact(&c)) continue;
                cases[n] = c;
                f[n] = build(&j, &c, arena_printf(j.a, "k%d", n));
                n++;
            }
        assert_true(n > 0);
        jit_compile(&j, n, f, fn);
        uint64_t seed = (uint64_t)op * 1000 + (uint64_t)l;
        for (int i = 0; i < n; i++) check(&cases[i], fn[i], &seed);
        jit_close(&j);
    }
}

static void test_op(void **state) { run_op(*(const ir_opcode *)*state, NULL); }

int main(void) {
    static struct CMUnitTest tests[IR_OPCODE_COUNT];
    static ir_opcode codes[IR_OPCODE_COUNT];
    size_t n = 0;
    for (int c = 1; c < IR_OPCODE_COUNT; c++) {
        uint32_t flags = ir_op_table[c].flags;
        if (!(flags & IR_F_ELEMENTWISE) || (flags & IR_F_TRANSCENDENTAL && c != IR_pow)) continue;
        codes[n] = (ir_opcode)c;
        tests[n] = (struct CMUnitTest){ir_op_table[c].name, test_op, NULL, NULL, &codes[n]};
        n++;
    }
    return _cmocka_run_group_tests("ops", tests, n, NULL, NULL);
}
