/* Reductions, scans, sorts and contractions. */
#include "matrix.h"
#include <stdio.h>
#include <string.h>

#define DECLS "dim M\ndim N\n"
#define ROWS "M 1 0 5 3; N 1 4 0 37"

static const char *const numeric[] = {"sum", "prod", "max", "min"};

static void reduce_dtype(matrix *m, frit_dtype t, int flags) {
    static char args[200], group[64];
    const char *n = frit_dtype_name(t);
    snprintf(args, sizeof args, "%%x: %s[M, N], %%h: %s[M, 3, N]", n, n);
    snprintf(group, sizeof group, "reduce_%s%s", n, flags & MATRIX_SPECIAL ? "_special" : "");
    matrix_begin(m, group, flags, ROWS, DECLS, args);
    for (int c = 0; c < 4 && t != FRIT_bool; c++) {
        matrix_out(m, "$ = reduce(%%x) {axes = [1], combine = %s} : %s[M]", numeric[c], n);
        matrix_out(m, "$ = reduce(%%x) {axes = [0], combine = %s} : %s[N]", numeric[c], n);
        matrix_out(m, "$ = reduce(%%x) {axes = [0, 1], combine = %s} : %s[]", numeric[c], n);
        matrix_out(m, "$ = reduce(%%h) {axes = [0, 2], combine = %s} : %s[3]", numeric[c], n);
        matrix_out(m, "$ = reduce(%%h) {axes = [1], combine = %s} : %s[M, N]", numeric[c], n);
        matrix_out(m, "$ = reduce(%%x) {axes = [], combine = %s} : %s[M, N]", numeric[c], n);
    }
    for (int c = 0; c < 2 && t == FRIT_bool; c++) {
        const char *name = c ? "all" : "any";
        matrix_out(m, "$ = reduce(%%x) {axes = [1], combine = %s} : bool[M]", name);
        matrix_out(m, "$ = reduce(%%x) {axes = [0], combine = %s} : bool[N]", name);
        matrix_out(m, "$ = reduce(%%h) {axes = [0, 1, 2], combine = %s} : bool[]", name);
        matrix_out(m, "$ = scan(%%x) {axis = 1, combine = %s, exclusive = %d, reverse = 0} : bool[M, N]", name, c);
    }
    for (int c = 0; c < 2 && t != FRIT_bool; c++) {
        const char *name = c ? "argmin" : "argmax";
        matrix_out(m, "$ = reduce(%%x) {axes = [1], combine = %s} : i64[M]", name);
        matrix_out(m, "$ = reduce(%%x) {axes = [0], combine = %s} : i32[N]", name);
        matrix_out(m, "$ = reduce(%%h) {axes = [0, 2], combine = %s} : i64[3]", name);
        matrix_out(m, "$ = reduce(%%x) {axes = [0, 1], combine = %s} : u8[]", name);
    }
    matrix_end(m);
}

static void fused_reductions(matrix *m) {
    matrix_begin(m, "reduce_fused", 0, ROWS, DECLS, "%x: f32[M, N], %y: f32[M, N], %i: i8[M, N], %g: bf16[M, N]");
    matrix_out(m, "$e = exp(%%x) : f32[M, N]\n$s = reduce($e) {axes = [1], combine = sum} : f32[M]\n$b = broadcast($s) {axes = [0]} : f32[M, N]\n$ = div($e, $b) : f32[M, N]");
    matrix_out(m, "$s = reduce(%%x) {axes = [1], combine = sum} : f32[M]\n$m = reduce(%%x) {axes = [0], combine = max} : f32[N]\n"
                  "$b = broadcast($s) {axes = [0]} : f32[M, N]\n$c = broadcast($m) {axes = [1]} : f32[M, N]\n$ = add($b, $c) : f32[M, N]");
    matrix_out(m, "$s = reduce(%%x) {axes = [1], combine = sum} : f32[M]\n$ = reduce($s) {axes = [0], combine = max} : f32[]");
    matrix_out(m, "$p = mul(%%x, %%y) : f32[M, N]\n$ = reduce($p) {axes = [1], combine = max} : f32[M]");
    matrix_out(m, "$p = mul(%%x, %%y) : f32[M, N]\n$ = reduce($p) {axes = [1], combine = prod} : f32[M]");
    matrix_out(m, "$p = mul(%%x, %%y) : f32[M, N]\n$ = reduce($p) {axes = [0], combine = sum} : f32[N]");
    matrix_out(m, "$c = cast(%%i) : i32[M, N]\n$ = reduce($c) {axes = [1], combine = sum} : i32[M]");
    matrix_out(m, "$c = cast(%%g) : f32[M, N]\n$s = reduce($c) {axes = [1], combine = sum} : f32[M]\n$ = cast($s) : bf16[M]");
    matrix_out(m, "$ = reduce(%%i) {axes = [1], combine = sum} : i32[M]");
    matrix_out(m, "$ = reduce(%%g) {axes = [1], combine = sum} : f32[M]");
    matrix_out(m, "$ = reduce(%%x) {axes = [1], combine = sum} : f64[M]");
    matrix_out(m, "$ = reduce(%%i) {axes = [0], combine = prod} : i64[N]");
    matrix_out(m, "$a = reduce(%%x) {axes = [1], combine = argmax} : i64[M]\n$c = cast($a) : f32[M]\n$ = exp($c) : f32[M]");
    matrix_out(m, "$l = lt(%%x, %%y) : bool[M, N]\n$ = reduce($l) {axes = [1], combine = any} : bool[M]");
    matrix_out(m, "$s = reduce(%%x) {axes = [1], combine = sum} : f32[M]\n$t = reduce(%%y) {axes = [1], combine = sum} : f32[M]\n$ = mul($s, $t) : f32[M]");
    matrix_out(m, "$t = transpose(%%x) {perm = [1, 0]} : f32[N, M]\n$s = reduce($t) {axes = [1], combine = sum} : f32[N]\n$ = sqrt($s) : f32[N]");
    matrix_out(m, "$n = reduce(%%x) {axes = [1], combine = max} : f32[M]\n$b = broadcast($n) {axes = [0]} : f32[M, N]\n$d = sub(%%x, $b) : f32[M, N]\n"
                  "$s = reduce($d) {axes = [0], combine = sum} : f32[N]\n$c = broadcast($s) {axes = [1]} : f32[M, N]\n$ = add($d, $c) : f32[M, N]");
    matrix_end(m);
}

/* Results of other dtypes than the operand: the empty minimum is the operand's, and so is the order. */
static void other_dtypes(matrix *m) {
    matrix_begin(m, "reduce_other_dtype", 0, ROWS, DECLS, "%i: i32[M, N], %u: u32[M, N], %n: i4[M, N], %b: bool[M, N], %w: i64[M, N], %d: f64[M, N]");
    matrix_out(m, "$s = reduce(%%d) {axes = [1], combine = sum} : f32[M]\n$ = cosh($s) : f32[M]");
    matrix_out(m, "$s = contract(%%d, %%d) {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [1]} : f32[M, M]\n$ = sin($s) : f32[M, M]");
    for (int c = 2; c < 4; c++) {
        matrix_out(m, "$ = reduce(%%i) {axes = [0], combine = %s} : i64[N]", numeric[c]);
        matrix_out(m, "$ = reduce(%%i) {axes = [1], combine = %s} : u32[M]", numeric[c]);
        matrix_out(m, "$o = cast(%%i) : u32[M, N]\n$ = reduce($o) {axes = [1], combine = %s} : i32[M]", numeric[c]);
        matrix_out(m, "$ = reduce(%%u) {axes = [1], combine = %s} : i64[M]", numeric[c]);
        matrix_out(m, "$ = reduce(%%n) {axes = [1], combine = %s} : i64[M]", numeric[c]);
        matrix_out(m, "$ = reduce(%%w) {axes = [1], combine = %s} : i8[M]", numeric[c]);
        matrix_out(m, "$ = reduce(%%b) {axes = [1], combine = %s} : i32[M]", numeric[c]);
        matrix_out(m, "$ = scan(%%i) {axis = 1, combine = %s, exclusive = 1, reverse = 0} : i64[M, N]", numeric[c]);
        matrix_out(m, "$ = scan(%%n) {axis = 1, combine = %s, exclusive = 1, reverse = 0} : i32[M, N]", numeric[c]);
    }
    matrix_end(m);
}

/* The first of a line; lines of several lengths (32 elements at most are counted, more go through a network), and merges. */
static void first_sorted(matrix *m) {
    matrix_begin(m, "sort_first", MATRIX_SPECIAL, "N 1 40 33 70", "dim N in 1..100",
                 "%x: f32[3, 100], %y: i32[20, 3], %z: f16[N, 3], %n: u8[2, N]");
    for (int d = 0; d < 2; d++) {
        matrix_out(m, "$, $i = sort(%%x) {axis = 1, descending = %d} : f32[3, 9], i64[3, 9]", d);
        matrix_out(m, "$v, $ = sort(%%y) {axis = 0, descending = %d} : i32[7, 3], i64[7, 3]", d);
        matrix_out(m, "$, $i = sort(%%z) {axis = 0, descending = %d} : f16[(N + 1) // 2, 3], i64[(N + 1) // 2, 3]", d);
        matrix_out(m, "$v, $ = sort(%%n) {axis = 1, descending = %d} : u8[2, 1], i64[2, 1]", d);
    }
    matrix_end(m);
    matrix_begin(m, "sort_merge", MATRIX_SPECIAL, "", "", "%x: f32[2, 3, 35], %n: i8[6, 50]");
    for (int d = 0; d < 2; d++) {
        matrix_out(m, "$s, $p = sort(%%x) {axis = 2, descending = %d} : f32[2, 3, 35], i64[2, 3, 35]\n"
                   "$r = view($s) {vars = [i < 2, j < 70], map = [i, j // 35, j %% 35], fill = 0} : f32[2, 70]\n"
                   "$, $i = sort($r) {axis = 1, descending = %d, runs = 35} : f32[2, 70], i64[2, 70]", d, d);
        matrix_out(m, "$s, $p = sort(%%n) {axis = 0, descending = %d} : i8[6, 50], i64[6, 50]\n"
                   "$r = view($s) {vars = [i < 12, j < 50], map = [i %% 6, j], fill = 0} : i8[12, 50]\n"
                   "$v, $ = sort($r) {axis = 0, descending = %d, runs = 6} : i8[12, 50], i64[12, 50]", d, d);
    }
    matrix_end(m);
}

/* Lines that blocks of threads sort in parts, the last of which is filled up. */
static void long_sorts(matrix *m) {
    matrix_begin(m, "sort_long", MATRIX_SPECIAL | MATRIX_FULL, "", "", "%x: f16[16390]");
    matrix_out(m, "$, $i = sort(%%x) {axis = 0, descending = 0} : f16[16390], i64[16390]");
    matrix_out(m, "$v, $ = sort(%%x) {axis = 0, descending = 1} : f16[7], i64[7]");
    matrix_end(m);
}

static void constant_extents(matrix *m) {
    static const char *const dims[] = {"7, 0", "0, 7", "1, 1", "3, 8", "16, 100", "5, 33", "2, 2",
                                       "1, 20", "3, 40" /* three vectors of 8, of 16 */};
    for (int i = 0; i < (int)(sizeof dims / sizeof *dims); i++) {
        char args[64], row[16], column[16];
        sscanf(dims[i], "%15[0-9], %15[0-9]", row, column);
        snprintf(args, sizeof args, "%%x: f32[%s], %%h: f16[%s]", dims[i], dims[i]);
        matrix_begin(m, "reduce_constant_dims", 0, "", "", args);
        matrix_out(m, "$ = reduce(%%x) {axes = [1], combine = sum} : f32[%s]", row);
        matrix_out(m, "$ = reduce(%%x) {axes = [0], combine = max} : f32[%s]", column);
        matrix_out(m, "$ = reduce(%%x) {axes = [1], combine = argmin} : i64[%s]", row);
        matrix_out(m, "$ = reduce(%%h) {axes = [0, 1], combine = sum} : f16[]");
        matrix_out(m, "$ = reduce(%%x) {axes = [0, 1], combine = sum} : f32[]");
        matrix_out(m, "$ = reduce(%%x) {axes = [0, 1], combine = argmax} : i64[]");
        matrix_out(m, "$ = scan(%%x) {axis = 1, combine = sum, exclusive = 0, reverse = 1} : f32[%s]", dims[i]);
        matrix_out(m, "$s, $ = sort(%%x) {axis = 0, descending = 0} : f32[%s], i64[%s]", dims[i], dims[i]);
        matrix_end(m);
    }
}

static void scans(matrix *m) {
    static const char *const dtypes[] = {"f32", "f64", "f16", "bf16", "i32", "i8", "u16", "i64", "i4"};
    for (int t = 0; t < (int)(sizeof dtypes / sizeof *dtypes); t++) {
        static char args[64], group[64];
        const char *n = dtypes[t];
        snprintf(args, sizeof args, "%%x: %s[M, N], %%h: %s[M, 3, N]", n, n);
        snprintf(group, sizeof group, "scan_%s", n);
        matrix_begin(m, group, t > 1 ? MATRIX_FULL : 0, ROWS, DECLS, args);
        for (int c = 0; c < 4; c++)
            for (int k = 0; k < 4; k++) {
                matrix_out(m, "$ = scan(%%x) {axis = %d, combine = %s, exclusive = %d, reverse = %d} : %s[M, N]", k % 3 == 0, numeric[c], k & 1, k >> 1, n);
                if (c == 0) matrix_out(m, "$ = scan(%%h) {axis = 1, combine = sum, exclusive = %d, reverse = %d} : %s[M, 3, N]", k & 1, k >> 1, n);
            }
        for (int k = 0; k < 8; k++)
            matrix_out(m, "$ = scan(%%x) {axis = %d, combine = %s, exclusive = %d, reverse = %d} : %s[M, N]", k % 3 == 0,
                       k & 4 ? "argmin" : "argmax", k & 1, k >> 1 & 1, k == 3 ? "i32" : "i64");
        /* where the running values are rounded to memory, no bound of the wide result holds */
        if (t != 2 && t != 3) matrix_out(m, "$n = neg(%%x) : %s[M, N]\n$s = scan($n) {axis = 1, combine = sum, exclusive = 0, reverse = 0} : %s[M, N]\n$ = mul($s, %%x) : %s[M, N]", n, n, n);
        matrix_end(m);
    }
    matrix_begin(m, "scan_special", MATRIX_SPECIAL, ROWS, DECLS, "%x: f32[M, N]");
    for (int c = 2; c < 4; c++)
        for (int k = 0; k < 4; k++)
            matrix_out(m, "$ = scan(%%x) {axis = 1, combine = %s, exclusive = %d, reverse = %d} : f32[M, N]", numeric[c], k & 1, k >> 1);
    for (int k = 0; k < 8; k++)
        matrix_out(m, "$ = scan(%%x) {axis = %d, combine = %s, exclusive = %d, reverse = %d} : i64[M, N]", k & 1,
                   k & 4 ? "argmin" : "argmax", k & 1, k >> 1 & 1);
    matrix_end(m);
}

static void sorts(matrix *m) {
    for (int t = 0; t < FRIT_DTYPE_COUNT; t++) {
        static char args[64], group[64];
        const char *n = frit_dtype_name((frit_dtype)t);
        snprintf(args, sizeof args, "%%x: %s[M, N]", n);
        snprintf(group, sizeof group, "sort_%s", n);
        matrix_begin(m, group, MATRIX_SPECIAL | (t ? MATRIX_FULL : 0), "M 1 0 5 3 9; N 1 4 0 37 70", DECLS, args);
        for (int d = 0; d < 2; d++)
            for (int axis = 0; axis < 2; axis++) {
                matrix_out(m, "$, $i = sort(%%x) {axis = %d, descending = %d} : %s[M, N], i64[M, N]", axis, d, n);
                matrix_out(m, "$v, $ = sort(%%x) {axis = %d, descending = %d} : %s[M, N], i64[M, N]", axis, d, n);
            }
        matrix_end(m);
    }
    matrix_begin(m, "sort_both", MATRIX_SPECIAL | MATRIX_TOGETHER, ROWS, DECLS, "%x: f32[M, N]");
    matrix_out(m, "$n = neg(%%x) : f32[M, N]\n$, $i = sort($n) {axis = 1, descending = 1} : f32[M, N], i64[M, N]");
    matrix_out(m, "$ = add(%%o0_i, %%o0_i) : i64[M, N]");
    matrix_out(m, "$ = abs(%%o0_) : f32[M, N]");
    matrix_end(m);
}

static void contract_dtype(matrix *m, const char *n, const char *to, int flags) {
    static char args[300], group[64];
    snprintf(args, sizeof args, "%%x: %s[M, K], %%y: %s[K, N], %%u: %s[N, K], %%v: %s[K], %%p: %s[3, M, K], %%q: %s[3, K, N], %%w: %s[K, 20]", n, n, n, n, n, n, n);
    snprintf(group, sizeof group, "contract_%s_%s", n, to);
    matrix_begin(m, group, flags, "M 1 5 0 13 4 40; N 1 7 3 33 0 16; K 1 3 5 40 9 0", "dim M\ndim N\ndim K\n", args);
    const char *plain = "lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract";
    matrix_out(m, "$ = contract(%%x, %%y) {%s = [0]} : %s[M, N]", plain, to);
    matrix_out(m, "$ = contract(%%x, %%u) {%s = [1]} : %s[M, N]", plain, to);
    matrix_out(m, "$ = contract(%%u, %%x) {%s = [1]} : %s[N, M]", plain, to);
    matrix_out(m, "$ = contract(%%x, %%w) {%s = [0]} : %s[M, 20]", plain, to);
    matrix_out(m, "$ = contract(%%x, %%v) {%s = [0]} : %s[M]", plain, to);
    matrix_out(m, "$ = contract(%%v, %%y) {lhs_batch = [], rhs_batch = [], lhs_contract = [0], rhs_contract = [0]} : %s[N]", to);
    matrix_out(m, "$ = contract(%%v, %%v) {lhs_batch = [], rhs_batch = [], lhs_contract = [0], rhs_contract = [0]} : %s[]", to);
    matrix_out(m, "$ = contract(%%v, %%v) {lhs_batch = [], rhs_batch = [], lhs_contract = [], rhs_contract = []} : %s[K, K]", to);
    matrix_out(m, "$ = contract(%%v, %%v) {lhs_batch = [0], rhs_batch = [0], lhs_contract = [], rhs_contract = []} : %s[K]", to);
    matrix_out(m, "$ = contract(%%p, %%q) {lhs_batch = [0], rhs_batch = [0], lhs_contract = [2], rhs_contract = [1]} : %s[3, M, N]", to);
    matrix_out(m, "$ = contract(%%p, %%p) {lhs_batch = [0], rhs_batch = [0], lhs_contract = [1, 2], rhs_contract = [1, 2]} : %s[3]", to);
    matrix_out(m, "$ = contract(%%p, %%p) {lhs_batch = [], rhs_batch = [], lhs_contract = [0, 2], rhs_contract = [0, 2]} : %s[M, M]", to);
    matrix_out(m, "$ = contract(%%p, %%p) {lhs_batch = [2], rhs_batch = [2], lhs_contract = [0], rhs_contract = [0]} : %s[K, M, M]", to);
    matrix_end(m);
}

static void fused_contractions(matrix *m) {
    const char *plain = "lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0]";
    matrix_begin(m, "contract_fused", 0, "M 1 5 0 13 4 40; N 1 7 3 33 0 16; K 1 3 5 40 9 0", "dim M\ndim N\ndim K\n",
                 "%x: f32[M, K], %y: f32[K, N], %b: f32[N], %g: bf16[M, K], %h: bf16[K, N], %i: i8[M, K], %j: i8[K, N], %z: f32[M, N], %t: i32[K, N]");
    matrix_out(m, "$e = exp(%%x) : f32[M, K]\n$ = contract($e, %%y) {%s} : f32[M, N]", plain);
    matrix_out(m, "$e = tanh(%%y) : f32[K, N]\n$ = contract(%%x, $e) {%s} : f32[M, N]", plain);
    matrix_out(m, "$c = contract(%%x, %%y) {%s} : f32[M, N]\n$b = broadcast(%%b) {axes = [1]} : f32[M, N]\n$a = add($c, $b) : f32[M, N]\n$m = mul($a, %%z) : f32[M, N]\n$ = tanh($m) : f32[M, N]", plain);
    matrix_out(m, "$c = contract(%%g, %%h) {%s} : f32[M, N]\n$d = exp($c) : f32[M, N]\n$ = cast($d) : bf16[M, N]", plain);
    matrix_out(m, "$c = contract(%%i, %%j) {%s} : i32[M, N]\n$f = cast($c) : f32[M, N]\n$ = mul($f, %%z) : f32[M, N]", plain);
    matrix_out(m, "$a = cast(%%i) : i32[M, K]\n$c = contract($a, %%t) {%s} : i32[M, N]\n$ = reduce($c) {axes = [1], combine = max} : i32[M]", plain);
    matrix_out(m, "$c = contract(%%x, %%y) {%s} : f32[M, N]\n$s = reduce($c) {axes = [1], combine = sum} : f32[M]\n$b = broadcast($s) {axes = [0]} : f32[M, N]\n$ = sub($c, $b) : f32[M, N]", plain);
    matrix_out(m, "$c = contract(%%x, %%y) {%s} : f32[M, N]\n$ = transpose($c) {perm = [1, 0]} : f32[N, M]", plain);
    matrix_out(m, "$c = contract(%%x, %%y) {%s} : f32[M, N]\n$n = tanh($c) : f32[M, N]\n$ = contract($n, %%z) {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [1]} : f32[M, M]", plain);
    matrix_out(m, "$t = transpose(%%y) {perm = [1, 0]} : f32[N, K]\n$r = reshape($t) : f32[N*K]\n$q = reshape($r) : f32[N, K]\n"
                  "$ = contract(%%x, $q) {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [1]} : f32[M, N]");
    matrix_out(m, "$r = reduce(%%x) {axes = [1], combine = max} : f32[M]\n$b = broadcast($r) {axes = [0]} : f32[M, K]\n$d = sub(%%x, $b) : f32[M, K]\n$e = exp($d) : f32[M, K]\n$ = contract($e, %%y) {%s} : f32[M, N]", plain);
    matrix_out(m, "$a = contract(%%x, %%y) {%s} : f32[M, N]\n$b = contract(%%x, %%y) {%s} : f32[M, N]\n$c = mul($a, $b) : f32[M, N]\n$d = contract(%%g, %%h) {%s} : f32[M, N]\n$ = add($c, $d) : f32[M, N]", plain, plain, plain);
    matrix_end(m);
}

static void constant_contractions(matrix *m) {
    static const int sizes[][3] = {{1, 1, 1}, {0, 3, 2}, {3, 0, 2}, {3, 2, 0}, {4, 16, 8}, {6, 32, 7}, {13, 17, 19}, {64, 64, 64}, {1, 100, 50}, {100, 1, 50}, {97, 130, 40}};
    for (int i = 0; i < (int)(sizeof sizes / sizeof *sizes); i++) {
        char args[256];
        int a = sizes[i][0], b = sizes[i][1], k = sizes[i][2];
        snprintf(args, sizeof args, "%%x: f32[%d, %d], %%y: f32[%d, %d], %%u: f32[%d, %d], %%g: f16[%d, %d], %%h: f16[%d, %d], %%i: i8[%d, %d], %%j: i8[%d, %d]", a, k, k, b, b, k, a, k, k, b, k, a, k, b);
        matrix_begin(m, "contract_constant_dims", i < 4 ? 0 : MATRIX_FULL, "", "", args);
        const char *plain = "lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract";
        matrix_out(m, "$ = contract(%%x, %%y) {%s = [0]} : f32[%d, %d]", plain, a, b);
        matrix_out(m, "$ = contract(%%x, %%u) {%s = [1]} : f32[%d, %d]", plain, a, b);
        matrix_out(m, "$c = contract(%%g, %%h) {%s = [0]} : f16[%d, %d]\n$ = neg($c) : f16[%d, %d]", plain, a, b, a, b);
        matrix_out(m, "$ = contract(%%i, %%j) {lhs_batch = [], rhs_batch = [], lhs_contract = [0], rhs_contract = [0]} : i32[%d, %d]", a, b);
        matrix_end(m);
    }
}

/* A product with a weight whose panels the load program lays out. */
static void packed_weights(matrix *m) {
    matrix_begin(m, "contract_packed", 0, "M 1 0 7 20", "dim M\nparam \"w\": f32[48, 64]\nparam \"t\": f32[80, 48]\nparam \"c\": f16[48, 64]\n",
                 "%x: f32[M, 48], %b: f32[64]");
    matrix_out(m, "$w = param() {path = \"w\"} : f32[48, 64]\n"
                  "$ = contract(%%x, $w) {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0]} : f32[M, 64]");
    matrix_out(m, "$w = param() {path = \"t\"} : f32[80, 48]\n"
                  "$ = contract(%%x, $w) {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [1]} : f32[M, 80]");
    matrix_out(m, "$w = param() {path = \"w\"} : f32[48, 64]\n$d = mul($w, $w) : f32[48, 64]\n"
                  "$p = contract(%%x, $d) {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0]} : f32[M, 64]\n"
                  "$e = broadcast(%%b) {axes = [1]} : f32[M, 64]\n$ = add($p, $e) : f32[M, 64]");
    matrix_out(m, "$c = param() {path = \"c\"} : f16[48, 64]\n$w = cast($c) : f32[48, 64]\n"
                  "$ = contract(%%x, $w) {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0]} : f32[M, 64]");
    matrix_end(m);
}

void matrix_reductions(matrix *m) {
    for (int t = 0; t < FRIT_DTYPE_COUNT; t++) reduce_dtype(m, (frit_dtype)t, t == FRIT_f32 ? 0 : MATRIX_FULL);
    reduce_dtype(m, FRIT_f32, MATRIX_SPECIAL);
    reduce_dtype(m, FRIT_bf16, MATRIX_SPECIAL | MATRIX_FULL);
    reduce_dtype(m, FRIT_i32, MATRIX_SPECIAL | MATRIX_FULL);
    fused_reductions(m);
    other_dtypes(m);
    constant_extents(m);
    scans(m);
    sorts(m);
    first_sorted(m);
    long_sorts(m);
    contract_dtype(m, "f32", "f32", 0);
    static const char *const pairs[][2] = {{"f64", "f64"}, {"f16", "f16"}, {"f16", "f32"}, {"bf16", "bf16"}, {"bf16", "f32"}, {"f8e4m3", "f32"},
                                           {"f8e5m2", "f16"}, {"i8", "i32"}, {"i8", "i8"}, {"u8", "u32"}, {"i32", "i32"}, {"i64", "i64"}, {"u16", "u16"}, {"i4", "i32"}, {"bool", "bool"}};
    for (int i = 0; i < (int)(sizeof pairs / sizeof *pairs); i++) contract_dtype(m, pairs[i][0], pairs[i][1], MATRIX_FULL);
    fused_contractions(m);
    constant_contractions(m);
    packed_weights(m);
}
