/* Views, sources and random numbers. */
#include "matrix.h"
#include <stdio.h>

#define DECLS "dim M\ndim N\nint pos in 0..\nbound pos in 0..N\n"
#define ROWS "M 1 0 5 3; N 1 4 37 16; pos 0 4 11 2"
#define ARGS "%x: f32[M, N], %a: f32[6, 8], %h: f32[M, 4, 6], %s: f32[], %i: i32[M, N], %pos: i64[] is pos"

static void reshapes(matrix *m) {
    static const char *const of_a[] = {"48", "8, 6", "3, 16", "2, 3, 2, 4", "4, 12", "12, 4", "1, 6, 1, 8, 1", "16, 3"};
    static const char *const of_h[] = {"M, 24", "4*M, 6", "24*M", "M, 8, 3", "M, 3, 8", "2*M, 12", "M, 2, 2, 6", "M, 1, 24"};
    matrix_begin(m, "reshape", 0, ROWS, DECLS, ARGS);
    for (int i = 0; i < 8; i++) {
        matrix_out(m, "$r = reshape(%%a) : f32[%s]\n$ = neg($r) : f32[%s]", of_a[i], of_a[i]);
        matrix_out(m, "$e = exp(%%h) : f32[M, 4, 6]\n$ = reshape($e) : f32[%s]", of_h[i]);
        matrix_out(m, "$ = reshape(%%h) : f32[%s]", of_h[i]);
    }
    matrix_out(m, "$f = reshape(%%x) : f32[M*N]\n$ = exp($f) : f32[M*N]");
    matrix_out(m, "$f = reshape(%%x) : f32[M*N]\n$g = neg($f) : f32[M*N]\n$ = reshape($g) : f32[N, M]");
    matrix_out(m, "$r = reshape(%%a) : f32[2, 3, 8]\n$t = transpose($r) {perm = [1, 0, 2]} : f32[3, 2, 8]\n$ = reshape($t) : f32[6, 8]");
    matrix_out(m, "$r = reshape(%%s) : f32[1, 1]\n$ = broadcast($r) {axes = [0, 1]} : f32[M, N]");
    /* axes of 1 that stretch */
    matrix_out(m, "$l = slice(%%a) {start = [2, 0], step = [1, 1]} : f32[1, 8]\n$ = broadcast($l) {axes = [0, 1]} : f32[M, 8]");
    matrix_out(m, "$l = slice(%%a) {start = [0, 3], step = [1, 1]} : f32[6, 1]\n$b = broadcast($l) {axes = [0, 2]} : f32[6, 5, N]\n$ = neg($b) : f32[6, 5, N]");
    matrix_out(m, "$s = reduce(%%x) {axes = [1], combine = max} : f32[M]\n$r = reshape($s) : f32[M, 1]\n$b = broadcast($r) {axes = [0, 1]} : f32[M, N]\n"
                  "$ = sub(%%x, $b) : f32[M, N]");
    matrix_out(m, "$e = exp(%%h) : f32[M, 4, 6]\n$s = reduce($e) {axes = [2], combine = sum} : f32[M, 4]\n$r = reshape($s) : f32[4*M]\n"
                  "$ = neg($r) : f32[4*M]");
    matrix_out(m, "$f = reshape(%%h) : f32[M, 24]\n$s = reduce($f) {axes = [1], combine = sum} : f32[M]\n$b = broadcast($s) {axes = [0]} : f32[M, 24]\n"
                  "$d = sub($f, $b) : f32[M, 24]\n$ = reshape($d) : f32[M, 8, 3]");
    matrix_end(m);
}

static void permutes(matrix *m) {
    matrix_begin(m, "transpose", 0, ROWS, DECLS, ARGS);
    static const char *const perm[] = {"0, 1, 2", "0, 2, 1", "1, 0, 2", "1, 2, 0", "2, 0, 1", "2, 1, 0"};
    static const char *const dims[] = {"M, 4, 6", "M, 6, 4", "4, M, 6", "4, 6, M", "6, M, 4", "6, 4, M"};
    for (int i = 0; i < 6; i++) matrix_out(m, "$ = transpose(%%h) {perm = [%s]} : f32[%s]", perm[i], dims[i]);
    matrix_out(m, "$e = exp(%%x) : f32[M, N]\n$t = transpose($e) {perm = [1, 0]} : f32[N, M]\n$ = neg($t) : f32[N, M]");
    matrix_out(m, "$ = broadcast(%%s) {axes = []} : f32[3, M]");
    matrix_out(m, "$ = broadcast(%%x) {axes = [1, 3]} : f32[2, M, 3, N]");
    matrix_out(m, "$b = broadcast(%%x) {axes = [0, 2]} : f32[M, 3, N]\n$ = exp($b) : f32[M, 3, N]");
    matrix_end(m);
}

static void slices(matrix *m) {
    matrix_begin(m, "slice", 0, ROWS, DECLS, ARGS);
    matrix_out(m, "$ = slice(%%a) {start = [1, 2], step = [1, 1]} : f32[4, 5]");
    matrix_out(m, "$ = slice(%%a) {start = [5, 7], step = [-1, -2]} : f32[6, 4]");
    matrix_out(m, "$ = slice(%%a) {start = [0, 1], step = [2, 3]} : f32[3, 3]");
    matrix_out(m, "$ = slice(%%a) {start = [3, 0], step = [1, 1]} : f32[0, 8]");
    matrix_out(m, "$ = slice(%%x) {start = [0, pos], step = [1, 1]} : f32[M, N - pos]");
    matrix_out(m, "$ = slice(%%x) {start = [0, 0], step = [1, 1]} : f32[M, pos]");
    matrix_out(m, "$ = slice(%%x) {start = [M - 1, pos - 1], step = [-1, -1]} : f32[M, pos]");
    matrix_out(m, "$e = exp(%%x) : f32[M, N]\n$t = slice($e) {start = [0, pos], step = [1, 1]} : f32[M, N - pos]\n$ = neg($t) : f32[M, N - pos]");
    matrix_out(m, "$t = slice(%%x) {start = [0, pos], step = [1, 1]} : f32[M, N - pos]\n$ = reduce($t) {axes = [1], combine = sum} : f32[M]");
    matrix_out(m, "$t = slice(%%x) {start = [0, 0], step = [1, 2]} : f32[M, (N + 1) // 2]\n$ = exp($t) : f32[M, (N + 1) // 2]");
    matrix_end(m);
}

static void pads(matrix *m) {
    matrix_begin(m, "pad", 0, ROWS, DECLS, ARGS);
    matrix_out(m, "$f = constant() {value = -0} : f32[]\n$p = pad(%%a, $f) {lo = [1, 2], hi = [0, 1]} : f32[7, 11]\n$o = constant() {value = 1} : f32[7, 11]\n$ = div($o, $p) : f32[7, 11]");
    static const char *const fill[] = {"0", "-2.5", "nan", "inf"};
    for (int i = 0; i < 4; i++) {
        matrix_out(m, "$f = constant() {value = %s} : f32[]\n$ = pad(%%x, $f) {lo = [1, 2], hi = [0, 3]} : f32[M + 1, N + 5]", fill[i]);
        matrix_out(m, "$f = constant() {value = %s} : f32[]\n$e = exp(%%a) : f32[6, 8]\n$ = pad($e, $f) {lo = [-1, 2], hi = [3, -2]} : f32[8, 8]", fill[i]);
    }
    matrix_out(m, "$ = pad(%%a, %%s) {lo = [-2, -1], hi = [-3, -6]} : f32[1, 1]");
    matrix_out(m, "$ = pad(%%x, %%s) {lo = [2, 0], hi = [0, 1]} : f32[M + 2, N + 1]");
    matrix_out(m, "$g = exp(%%s) : f32[]\n$p = pad(%%x, $g) {lo = [0, 3], hi = [2, 0]} : f32[M + 2, N + 3]\n$ = neg($p) : f32[M + 2, N + 3]");
    matrix_out(m, "$f = constant() {value = 7} : i32[]\n$ = pad(%%i, $f) {lo = [1, 1], hi = [1, 1]} : i32[M + 2, N + 2]");
    matrix_out(m, "$f = constant() {value = 0} : f32[]\n$p = pad(%%x, $f) {lo = [0, pos], hi = [0, 0]} : f32[M, N + pos]\n$ = reduce($p) {axes = [1], combine = sum} : f32[M]");
    matrix_out(m, "$f = constant() {value = 0} : f32[]\n$p = pad(%%x, $f) {lo = [0, 1], hi = [0, 1]} : f32[M, N + 2]\n$q = pad($p, %%s) {lo = [1, 0], hi = [1, 1]} : f32[M + 2, N + 3]\n$ = exp($q) : f32[M + 2, N + 3]");
    matrix_end(m);
}

static void concats(matrix *m) {
    matrix_begin(m, "concat", 0, ROWS, DECLS, ARGS);
    for (int n = 1; n <= 6; n++) {
        char list[128] = "";
        int k = 0;
        for (int i = 0; i < n; i++) k += snprintf(list + k, sizeof list - (size_t)k, "%s%%x", i ? ", " : "");
        matrix_out(m, "$ = concat(%s) {axis = 0} : f32[%d*M, N]", list, n);
        matrix_out(m, "$c = concat(%s) {axis = 1} : f32[M, %d*N]\n$ = neg($c) : f32[M, %d*N]", list, n, n);
        matrix_out(m, "$c = concat(%s) {axis = 1} : f32[M, %d*N]\n$ = reduce($c) {axes = [1], combine = sum} : f32[M]", list, n);
    }
    matrix_out(m, "$e = exp(%%x) : f32[M, N]\n$t = slice(%%x) {start = [0, pos], step = [1, 1]} : f32[M, N - pos]\n$ = concat(%%x, $e, $t) {axis = 1} : f32[M, 3*N - pos]");
    matrix_out(m, "$z = slice(%%a) {start = [0, 0], step = [1, 1]} : f32[0, 8]\n$e = exp(%%a) : f32[6, 8]\n$ = concat($z, $e, $z, %%a) {axis = 0} : f32[12, 8]");
    matrix_out(m, "$z = slice(%%a) {start = [0, 0], step = [1, 1]} : f32[0, 8]\n$c = concat($z, %%a, $z) {axis = 0} : f32[6, 8]\n$ = exp($c) : f32[6, 8]");
    matrix_out(m, "$s = reduce(%%a) {axes = [0], combine = sum} : f32[8]\n$m = reduce(%%a) {axes = [0], combine = max} : f32[8]\n$ = concat($s, $m, $s) {axis = 0} : f32[24]");
    matrix_out(m, "$t = transpose(%%a) {perm = [1, 0]} : f32[8, 6]\n$c = concat(%%a, %%a) {axis = 0} : f32[12, 8]\n"
                  "$ = contract($c, $t) {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0]} : f32[12, 6]");
    matrix_end(m);
}

static void maps(matrix *m) {
    static const char *const map[] = {
        "i, j - 1", "i - 2, j + 3", "M - 1 - i, j", "i, N - 1 - j", "i, j // 2", "i, 2*j", "i, 3*j + 1", "i // 3, j % 4",
        "i, (j + i) % 5", "i, min(j + 2, N - 1)", "i, max(j - 2, 0)", "0, 0", "i, pos", "i, pos - j", "j % 3, i", "i - j, j - i",
        "i, (3*j + 2) // 4", "i, -j", "i + 100, j", "i, j // 0", "i, j % 0",
    };
    static const char *const fill[] = {"0", "-1.5", "nan", "-inf"};
    matrix_begin(m, "view", 0, ROWS, DECLS, ARGS);
    for (int i = 0; i < (int)(sizeof map / sizeof *map); i++) {
        matrix_out(m, "$ = view(%%x) {vars = [i < M, j < N], map = [%s], fill = %s} : f32[M, N]", map[i], fill[i % 4]);
        matrix_out(m, "$e = cos(%%x) : f32[M, N]\n$v = view($e) {vars = [i < M, j < N], map = [%s], fill = %s} : f32[M, N]\n$ = add($v, %%x) : f32[M, N]",
                   map[i], fill[(i + 1) % 4]);
    }
    matrix_out(m, "$w = view(%%x) {vars = [i < M, j < N, k < 3], map = [i, j + k - 1], fill = 0} : f32[M, N, 3]\n$ = reduce($w) {axes = [2], combine = sum} : f32[M, N]");
    matrix_out(m, "$w = view(%%a) {vars = [i < 3, j < 4, k < 3, l < 2], map = [2*i + k - 1, 2*j + l], fill = -inf} : f32[3, 4, 3, 2]\n$ = reduce($w) {axes = [2, 3], combine = max} : f32[3, 4]");
    matrix_out(m, "$w = view(%%a) {vars = [i < 6, j < 20], map = [j %% 6, j // 6 + i], fill = 9} : f32[6, 20]\n$ = exp($w) : f32[6, 20]");
    matrix_out(m, "$ = view(%%i) {vars = [i < M, j < N], map = [i, j + 1], fill = -3} : i32[M, N]");
    matrix_out(m, "$d = view(%%a) {vars = [i < 6], map = [i, i], fill = 0} : f32[6]\n$ = neg($d) : f32[6]");
    matrix_out(m, "$v = view(%%x) {vars = [i < M, j < N], map = [i, j - 1], fill = 1} : f32[M, N]\n$w = view($v) {vars = [i < M, j < N], map = [i, j + 2], fill = 2} : f32[M, N]\n"
                  "$ = neg($w) : f32[M, N]");
    matrix_end(m);
}

/* Bits of indices in reverse: an element's place is a formula of more bits than a stage has loops. */
static void reversals(matrix *m) {
    static const char bits[] = "2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2";
    matrix_begin(m, "reversed", 0, "B 1 2", "dim B\n", "%a: f32[B, 64, 64, 32], %b: f32[B, 64, 64, 32]");
    for (int sums = 0; sums < 2; sums++)
        matrix_out(m, "$a = reshape(%%a) : f32[B, 2, %s, 32]\n$c = transpose($a) {perm = [0, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 13]} : f32[B, 2, %s, 32]\n"
                      "$p = reshape($c) : f32[B, 64, 64, 32]\n$b = reshape(%%b) : f32[B, 64, %s]\n"
                      "$d = transpose($b) {perm = [0, 1, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]} : f32[B, 64, %s]\n$q = reshape($d) : f32[B, 64, 64, 32]\n%s",
                   bits, bits, bits, bits,
                   sums ? "$m = mul($p, $q) : f32[B, 64, 64, 32]\n$ = reduce($m) {axes = [1, 2, 3], combine = sum} : f32[B]"
                        : "$ = add($p, $q) : f32[B, 64, 64, 32]");
    matrix_end(m);
}

static void dtypes(matrix *m) {
    for (int t = 0; t < FRIT_DTYPE_COUNT; t++) {
        static char args[128], group[64];
        const char *n = frit_dtype_name((frit_dtype)t);
        snprintf(args, sizeof args, "%%x: %s[M, N], %%a: %s[6, 8], %%s: %s[]", n, n, n);
        snprintf(group, sizeof group, "data_%s", n);
        matrix_begin(m, group, MATRIX_SPECIAL | (t == FRIT_f32 || t == FRIT_u4 ? 0 : MATRIX_FULL), "M 1 0 5 3; N 1 4 37 16", "dim M\ndim N\n", args);
        matrix_out(m, "$ = transpose(%%x) {perm = [1, 0]} : %s[N, M]", n);
        matrix_out(m, "$ = slice(%%a) {start = [5, 1], step = [-1, 2]} : %s[5, 3]", n);
        matrix_out(m, "$ = pad(%%x, %%s) {lo = [1, 2], hi = [0, 1]} : %s[M + 1, N + 3]", n);
        matrix_out(m, "$ = concat(%%x, %%x, %%x) {axis = 1} : %s[M, 3*N]", n);
        matrix_out(m, "$ = view(%%x) {vars = [i < M, j < N], map = [i, j - 1], fill = 1} : %s[M, N]", n);
        matrix_out(m, "$ = reshape(%%a) : %s[3, 16]", n);
        matrix_out(m, "$ = broadcast(%%s) {axes = []} : %s[M, N]", n);
        matrix_out(m, "$ = constant() {value = 1} : %s[M, N]", n);
        matrix_out(m, "$ = constant() {value = [0, 1, 1, 0, 1]} : %s[5]", n);
        matrix_out(m, "$c = constant() {value = [1, 1, 1, 0, 1, 0, 0, 1]} : %s[8]\n$ = broadcast($c) {axes = [1]} : %s[M, 8]", n, n);
        if (t != FRIT_bool) {
            matrix_out(m, "$ = iota() {axis = 0} : %s[M, N]", n);
            matrix_out(m, "$ = iota() {axis = 1} : %s[M, N]", n);
        }
        matrix_end(m);
    }
}

static void sources(matrix *m) {
    matrix_begin(m, "source", 0, ROWS, DECLS, ARGS);
    matrix_out(m, "$ = size() {size = [M*N + pos]} : i64[]");
    matrix_out(m, "$s = size() {size = [3*N - pos // 2]} : i64[]\n$b = broadcast($s) {axes = []} : i64[M, N]\n$c = cast($b) : f32[M, N]\n$ = add($c, %%x) : f32[M, N]");
    matrix_out(m, "$c = constant() {value = [3, 1, -2, 0.5, nan, -inf]} : f32[6]\n$b = broadcast($c) {axes = [0]} : f32[6, 8]\n$ = add($b, %%a) : f32[6, 8]");
    matrix_out(m, "$c = constant() {value = [3, 1, -2, 0.5, 1, 2]} : f32[6]\n$b = broadcast($c) {axes = [2]} : f32[M, 4, 6]\n$p = mul($b, %%h) : f32[M, 4, 6]\n"
                  "$ = reduce($p) {axes = [2], combine = sum} : f32[M, 4]");
    matrix_out(m, "$i = iota() {axis = 1} : i4[M, N]\n$ = cast($i) : i32[M, N]");
    matrix_out(m, "$i = iota() {axis = 1} : u4[M, N]\n$ = cast($i) : f32[M, N]");
    matrix_out(m, "$i = iota() {axis = 1} : i32[M, N]\n$j = iota() {axis = 0} : i32[M, N]\n$c = le($j, $i) : bool[M, N]\n$z = constant() {value = 0} : f32[M, N]\n"
                  "$ = select($c, %%x, $z) : f32[M, N]");
    matrix_end(m);
}

static void randoms(matrix *m) {
    matrix_begin(m, "random", 0, ROWS, DECLS, ARGS);
    static const char *const t[] = {"u32", "u64"};
    for (int i = 0; i < 2; i++) {
        matrix_out(m, "$ = random() {seed = 7} : %s[M, N]", t[i]);
        matrix_out(m, "$ = random() {seed = -81985529216486896} : %s[M*N + 3]", t[i]);
        matrix_out(m, "$r = random() {seed = 5} : %s[M, N]\n$ = slice($r) {start = [0, pos], step = [1, 1]} : %s[M, N - pos]", t[i], t[i]);
        matrix_out(m, "$r = random() {seed = 5} : %s[N, M]\n$ = transpose($r) {perm = [1, 0]} : %s[M, N]", t[i], t[i]);
        matrix_out(m, "$ = random() {seed = 1} : %s[]", t[i]);
        matrix_out(m, "$r = random() {seed = 1} : %s[M, N]\n$ = reduce($r) {axes = [1], combine = max} : %s[M]", t[i], t[i]);
    }
    matrix_out(m, "$r = random() {seed = 2} : u32[M, N]\n$f = cast($r) : f32[M, N]\n$k = constant() {value = 2147483648} : f32[M, N]\n$c = lt($f, $k) : bool[M, N]\n"
                  "$z = constant() {value = 0} : f32[M, N]\n$ = select($c, %%x, $z) : f32[M, N]");
    matrix_end(m);
}

void matrix_views(matrix *m) {
    reshapes(m);
    permutes(m);
    slices(m);
    pads(m);
    concats(m);
    maps(m);
    reversals(m);
    dtypes(m);
    sources(m);
    randoms(m);
}
