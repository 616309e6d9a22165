/* Every elementwise op on every dtype, and every pair of a cast. */
#include "matrix.h"
#include <stdio.h>
#include <string.h>

static bool allowed(ir_opcode code, frit_dtype t) {
    uint32_t f = ir_op_table[code].flags;
    if (!(f & IR_F_ELEMENTWISE) || !(f & IR_F_TENSOR) || code == IR_cast || code == IR_bitcast) return false;
    if (f & IR_F_FLOAT && !frit_dtype_is_float(t)) return false;
    if (f & IR_F_INT && frit_dtype_is_float(t)) return false;
    if (t != FRIT_bool) return true;
    return f & IR_F_COMPARE || code == IR_and || code == IR_or || code == IR_xor || code == IR_not || code == IR_select ||
           code == IR_min || code == IR_max;
}

static void one_op(matrix *m, ir_opcode code, const char *t) {
    const char *name = ir_op_table[code].name;
    const char *to = ir_op_table[code].flags & IR_F_COMPARE ? "bool" : t;
    switch (ir_op_table[code].n_operands) {
    case 1: matrix_out(m, "$ = %s(%%x) : %s[M, N]", name, to); return;
    case 2: matrix_out(m, "$ = %s(%%x, %%y) : %s[M, N]", name, to); return;
    default: matrix_out(m, "$ = %s(%s, %%y, %%z) : %s[M, N]", name, code == IR_select ? "%c" : "%x", to);
    }
}

/* Operands through views. */
static void viewed_operands(matrix *m, const char *t, bool is_bool) {
    const char *op = is_bool ? "xor" : "add";
    matrix_out(m, "$t = transpose(%%x) {perm = [1, 0]} : %s[N, M]\n$u = transpose(%%y) {perm = [1, 0]} : %s[N, M]\n"
                  "$ = %s($t, $u) : %s[N, M]", t, t, op, t);
    matrix_out(m, "$b = broadcast(%%v) {axes = [1]} : %s[M, N]\n$ = %s(%%x, $b) : %s[M, N]", t, op, t);
    matrix_out(m, "$b = broadcast(%%w) {axes = [0]} : %s[M, N]\n$ = %s($b, %%x) : %s[M, N]", t, op, t);
    matrix_out(m, "$b = broadcast(%%s) {axes = []} : %s[M, N]\n$ = %s($b, %%x) : %s[M, N]", t, op, t);
    matrix_out(m, "$r = slice(%%x) {start = [0, N - 1], step = [1, -1]} : %s[M, N]\n$ = %s($r, %%y) : %s[M, N]", t, op, t);
    matrix_out(m, "$r = reshape(%%x) : %s[M*N]\n$q = reshape(%%y) : %s[M*N]\n$ = %s($r, $q) : %s[M*N]", t, t, op, t);
}

static void all_ops(matrix *m, frit_dtype t) {
    static char args[512], group[64];
    const char *n = frit_dtype_name(t);
    snprintf(args, sizeof args, "%%x: %s[M, N], %%y: %s[M, N], %%z: %s[M, N], %%c: bool[M, N], %%v: %s[N], %%w: %s[M], %%s: %s[]",
             n, n, n, n, n, n);
    snprintf(group, sizeof group, "elementwise_%s", n);
    matrix_begin(m, group, MATRIX_SPECIAL | (t == FRIT_f32 || t == FRIT_i8 ? 0 : MATRIX_FULL), "M 1 0 5 3; N 1 4 37 64", "dim M\ndim N\n", args);
    for (int code = 1; code < IR_OPCODE_COUNT; code++)
        if (allowed((ir_opcode)code, t)) one_op(m, (ir_opcode)code, n);
    viewed_operands(m, n, t == FRIT_bool);
    matrix_end(m);
}

/* Dims that are constants: other tiles, no guards. */
static void constant_dims(matrix *m) {
    static const char *const dims[] = {"0", "1", "7", "8", "64", "2, 3", "5, 16", "3, 1, 9", "4, 0, 3"};
    for (int i = 0; i < (int)(sizeof dims / sizeof *dims); i++) {
        char args[256];
        snprintf(args, sizeof args, "%%x: f32[%s], %%y: f32[%s], %%i: i8[%s], %%b: bf16[%s]", dims[i], dims[i], dims[i], dims[i]);
        matrix_begin(m, "elementwise_constant_dims", 0, "", "", args);
        matrix_out(m, "$e = exp(%%x) : f32[%s]\n$ = fma($e, %%y, %%x) : f32[%s]", dims[i], dims[i]);
        matrix_out(m, "$f = cast(%%i) : f32[%s]\n$ = mul($f, %%y) : f32[%s]", dims[i], dims[i]);
        matrix_out(m, "$ = lt(%%x, %%y) : bool[%s]", dims[i]);
        matrix_out(m, "$ = mul(%%b, %%b) : bf16[%s]", dims[i]);
        matrix_end(m);
    }
}

static void casts(matrix *m) {
    for (int from = 0; from < FRIT_DTYPE_COUNT; from++) {
        static char args[64], group[64];
        snprintf(args, sizeof args, "%%x: %s[M, N]", frit_dtype_name((frit_dtype)from));
        snprintf(group, sizeof group, "cast_%s", frit_dtype_name((frit_dtype)from));
        matrix_begin(m, group, MATRIX_SPECIAL | (from == FRIT_f32 ? 0 : MATRIX_FULL), "M 1 0 5; N 1 4 67", "dim M\ndim N\n", args);
        for (int to = 0; to < FRIT_DTYPE_COUNT; to++) {
            const char *t = frit_dtype_name((frit_dtype)to);
            matrix_out(m, "$ = cast(%%x) : %s[M, N]", t);
            if (frit_dtype_bits((frit_dtype)to) == frit_dtype_bits((frit_dtype)from) && from != FRIT_bool && to != FRIT_bool)
                matrix_out(m, "$ = bitcast(%%x) : %s[M, N]", t);
        }
        matrix_end(m);
    }
}

/* All 2^16 halves and all bytes through their conversions. */
static void exact_conversions(matrix *m) {
    matrix_begin(m, "cast_all_bits", MATRIX_FULL, "", "", "%unused: f32[]");
    static const char *const halves[] = {"f16", "bf16"}, *const bytes[] = {"f8e4m3", "f8e5m2"};
    for (int i = 0; i < 2; i++) {
        matrix_out(m, "$i = iota() {axis = 0} : u16[65536]\n$h = bitcast($i) : %s[65536]\n$ = cast($h) : f32[65536]", halves[i]);
        matrix_out(m, "$i = iota() {axis = 0} : u8[256]\n$h = bitcast($i) : %s[256]\n$ = cast($h) : f32[256]", bytes[i]);
    }
    for (int i = 0; i < 4; i++) { /* floats around every rounding boundary of the top bits */
        const char *t = i < 2 ? halves[i] : bytes[i - 2];
        matrix_out(m, "$i = iota() {axis = 0} : u32[262144]\n$k = constant() {value = 16411} : u32[262144]\n"
                      "$j = mul($i, $k) : u32[262144]\n$f = bitcast($j) : f32[262144]\n$ = cast($f) : %s[262144]", t);
    }
    matrix_end(m);
}

void matrix_elementwise(matrix *m) {
    for (int t = 0; t < FRIT_DTYPE_COUNT; t++) all_ops(m, (frit_dtype)t);
    constant_dims(m);
}

void matrix_casts(matrix *m) {
    casts(m);
    exact_conversions(m);
}
