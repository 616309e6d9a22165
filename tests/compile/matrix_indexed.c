/* Data-dependent access: gather, scatter, insert, compact. */
#include "matrix.h"
#include <stdio.h>

#define DECLS "dim M\ndim N\nint pos in 0..\nbound pos in 0..N\n"
#define ROWS "M 1 0 5 3; N 1 4 37 16; pos 0 4 11 2"

static void gathers(matrix *m) {
    matrix_begin(m, "gather", 0, ROWS, DECLS,
                 "%x: f32[M, N], %a: f32[6, 8], %i: i32[M], %j: i64[M, N], %k: i8[M, N], %u: u8[M], %b: bf16[6, 8], %q: i4[9], %pos: i64[] is pos");
    matrix_out(m, "$ = gather(%%x, %%i) {vars = [i < M], idx = [e], map = [e, 0], fill = 0} : f32[M]");
    matrix_out(m, "$b = broadcast(%%i) {axes = [0]} : i32[M, 8]\n$ = gather(%%a, $b) {vars = [i < M, j < 8], idx = [e], map = [e, j], fill = nan} : f32[M, 8]");
    matrix_out(m, "$ = gather(%%a, %%j, %%k) {vars = [i < M, j < N], idx = [e, f], map = [e, f + 1], fill = -2} : f32[M, N]");
    matrix_out(m, "$ = gather(%%a, %%k) {vars = [i < M, j < N], idx = [e], map = [(e + i) %% 6, 2*e + j], fill = 1} : f32[M, N]");
    matrix_out(m, "$ = gather(%%x, %%u) {vars = [i < M], idx = [e], map = [i, e + pos], fill = 0.5} : f32[M]");
    matrix_out(m, "$ = gather(%%b, %%k) {vars = [i < M, j < N], idx = [e], map = [2, e], fill = 3} : bf16[M, N]");
    matrix_out(m, "$ = gather(%%q, %%k) {vars = [i < M, j < N], idx = [e], map = [e], fill = -3} : i4[M, N]");
    matrix_out(m, "$e = exp(%%a) : f32[6, 8]\n$g = gather($e, %%j) {vars = [i < M, j < N], idx = [e], map = [e, j], fill = 0} : f32[M, N]\n$ = reduce($g) {axes = [1], combine = sum} : f32[M]");
    matrix_out(m, "$g = gather(%%j, %%k) {vars = [i < M, j < N], idx = [e], map = [e, j], fill = 1} : i64[M, N]\n$ = gather(%%a, $g) {vars = [i < M, j < N], idx = [e], map = [e, e], fill = 7} : f32[M, N]");
    matrix_out(m, "$n = neg(%%k) : i8[M, N]\n$g = gather(%%a, $n) {vars = [i < M, j < N], idx = [e], map = [e, j], fill = 0} : f32[M, N]\n$ = exp($g) : f32[M, N]");
    matrix_out(m, "$b = broadcast(%%i) {axes = [0]} : i32[M, 8]\n$g = gather(%%a, $b) {vars = [i < M, j < 8], idx = [e], map = [e, j], fill = 0} : f32[M, 8]\n"
                  "$ = contract($g, %%a) {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [1]} : f32[M, 6]");
    matrix_out(m, "$s, $p = sort(%%x) {axis = 1, descending = 1} : f32[M, N], i64[M, N]\n$ = gather(%%x, $p) {vars = [i < M, j < N], idx = [e], map = [i, e], fill = 0} : f32[M, N]");
    matrix_out(m, "$v = view(%%x) {vars = [i < M, j < N], map = [i, j - 2], fill = 4} : f32[M, N]\n$ = gather($v, %%k) {vars = [i < M, j < N], idx = [e], map = [i, e], fill = 5} : f32[M, N]");
    matrix_end(m);
    matrix_begin(m, "gather_special", MATRIX_SPECIAL, ROWS, DECLS, "%a: i16[6, 8], %j: i64[M, N], %k: u64[M, N], %i: i32[M, N], %pos: i64[] is pos");
    matrix_out(m, "$ = gather(%%a, %%j) {vars = [i < M, j < N], idx = [e], map = [e, 1], fill = 9} : i16[M, N]");
    matrix_out(m, "$ = gather(%%a, %%k) {vars = [i < M, j < N], idx = [e], map = [2, e], fill = 9} : i16[M, N]");
    matrix_out(m, "$ = gather(%%a, %%i, %%j) {vars = [i < M, j < N], idx = [e, f], map = [e, f], fill = -9} : i16[M, N]");
    matrix_end(m);
}

static void scatter_dtype(matrix *m, const char *t, int flags) {
    static char args[300], group[64];
    static const char *const combine[] = {"sum", "prod", "max", "min", "set"};
    snprintf(args, sizeof args, "%%x: %s[6, 8], %%u: %s[M, N], %%i: i32[M, N], %%j: i64[M, N], %%w: %s[M]", t, t, t);
    snprintf(group, sizeof group, "scatter_%s%s", t, flags & MATRIX_SPECIAL ? "_special" : "");
    matrix_begin(m, group, flags, ROWS, "dim M\ndim N\n", args);
    for (int c = 0; c < 5; c++) {
        matrix_out(m, "$ = scatter(%%x, %%u, %%i) {vars = [i < M, j < N], idx = [e], map = [e, j], combine = %s} : %s[6, 8]", combine[c], t);
        matrix_out(m, "$ = scatter(%%x, %%u, %%i, %%j) {vars = [i < M, j < N], idx = [e, f], map = [e, f], combine = %s} : %s[6, 8]", combine[c], t);
        matrix_out(m, "$ = scatter(%%x, %%u) {vars = [i < M, j < N], idx = [], map = [i // 2, j %% 8], combine = %s} : %s[6, 8]", combine[c], t);
    }
    matrix_out(m, "$z = constant() {value = 1} : %s[6, 8]\n$ = scatter($z, %%u, %%i) {vars = [i < M, j < N], idx = [e], map = [e, j], combine = sum} : %s[6, 8]", t, t);
    matrix_out(m, "$n = neg(%%x) : %s[6, 8]\n$v = neg(%%u) : %s[M, N]\n$ = scatter($n, $v, %%i) {vars = [i < M, j < N], idx = [e], map = [e, j], combine = set} : %s[6, 8]", t, t, t);
    matrix_out(m, "$s = scatter(%%x, %%u, %%i) {vars = [i < M, j < N], idx = [e], map = [e, j], combine = max} : %s[6, 8]\n$ = scatter($s, %%u, %%j) {vars = [i < M, j < N], idx = [e], map = [j, e], combine = max} : %s[6, 8]", t, t);
    matrix_end(m);
}

static void inserts(matrix *m) {
    for (int t = 0; t < FRIT_DTYPE_COUNT; t++) {
        static char args[200], group[64];
        const char *n = frit_dtype_name((frit_dtype)t);
        snprintf(args, sizeof args, "%%x: %s[M, N], %%a: %s[6, 8], %%v: %s[3, 4], %%pos: i64[] is pos", n, n, n);
        snprintf(group, sizeof group, "insert_%s", n);
        matrix_begin(m, group, t == FRIT_f32 ? 0 : MATRIX_FULL, ROWS, DECLS, args);
        matrix_out(m, "$ = insert(%%a, %%v) {start = [1, 2], step = [1, 1]} : %s[6, 8]", n);
        matrix_out(m, "$ = insert(%%a, %%v) {start = [5, 7], step = [-2, -2]} : %s[6, 8]", n);
        matrix_out(m, "$ = insert(%%a, %%v) {start = [0, 1], step = [2, 2]} : %s[6, 8]", n);
        matrix_out(m, "$s = slice(%%x) {start = [0, pos], step = [1, 1]} : %s[M, N - pos]\n$ = insert(%%x, $s) {start = [0, 0], step = [1, 1]} : %s[M, N]", n, n);
        matrix_out(m, "$s = slice(%%x) {start = [0, 0], step = [1, 1]} : %s[M, N - pos]\n$ = insert(%%x, $s) {start = [0, pos], step = [1, 1]} : %s[M, N]", n, n);
        matrix_out(m, "$s = insert(%%a, %%v) {start = [1, 2], step = [1, 1]} : %s[6, 8]\n$ = insert($s, %%v) {start = [2, 3], step = [1, 1]} : %s[6, 8]", n, n);
        matrix_out(m, "$c = constant() {value = 1} : %s[6, 8]\n$ = insert($c, %%v) {start = [3, 4], step = [1, 1]} : %s[6, 8]", n, n);
        if (t != FRIT_bool) {
            matrix_out(m, "$m = neg(%%a) : %s[6, 8]\n$w = neg(%%v) : %s[3, 4]\n$i = insert($m, $w) {start = [0, 0], step = [1, 1]} : %s[6, 8]\n$ = add($i, $m) : %s[6, 8]", n, n, n, n);
            matrix_out(m, "$t = transpose(%%a) {perm = [1, 0]} : %s[8, 6]\n$s = slice($t) {start = [0, 0], step = [1, 1]} : %s[6, 6]\n$ = insert(%%a, $s) {start = [0, 1], step = [1, 1]} : %s[6, 8]", n, n, n);
        }
        matrix_end(m);
    }
}

/* What the load program has made is read by every run: no run may write over it. */
static void updates_of_weights(matrix *m) {
    matrix_begin(m, "update_of_weights", 0, "N 3 3 5", "dim N\nparam \"w\": f32[6, 8]\n", "%i: i64[N], %x: f32[N, 8], %v: f32[3, 4]");
    m->runs = 3;
    matrix_out(m, "$w = param() {path = \"w\"} : f32[6, 8]\n$e = exp($w) : f32[6, 8]\n$j = broadcast(%%i) {axes = [0]} : i64[N, 8]\n"
                  "$ = scatter($e, %%x, $j) {vars = [i < N, k < 8], idx = [e], map = [e, k], combine = sum} : f32[6, 8]");
    matrix_out(m, "$w = param() {path = \"w\"} : f32[6, 8]\n$e = exp($w) : f32[6, 8]\n$ = insert($e, %%v) {start = [1, 2], step = [1, 1]} : f32[6, 8]");
    matrix_out(m, "$w = param() {path = \"w\"} : f32[6, 8]\n$j = broadcast(%%i) {axes = [0]} : i64[N, 8]\n"
                  "$ = scatter($w, %%x, $j) {vars = [i < N, k < 8], idx = [e], map = [e, k], combine = sum} : f32[6, 8]");
    matrix_end(m);
}

/* Many updates of a large result, which blocks of threads share out: lines of no, few and many elements, two indices. */
static void long_scatters(matrix *m) {
    static const char *const combine[] = {"sum", "set", "max"};
    matrix_begin(m, "scatter_long", MATRIX_FULL, "N 90 0 1", "dim N\n",
                 "%i: i64[90], %x: f32[700], %u: f32[90], %y: f16[700, 3], %v: f16[90, 3], %z: f32[40, 300], %w: f32[90, 300], %n: i64[N], %t: f32[N, 5]");
    for (int c = 0; c < 3; c++) {
        matrix_out(m, "$ = scatter(%%x, %%u, %%i) {vars = [i < 90], idx = [e], map = [5*(i // 2) + 3*e], combine = %s} : f32[700]", combine[c]);
        matrix_out(m, "$j = broadcast(%%i) {axes = [0]} : i64[90, 3]\n"
                      "$ = scatter(%%y, %%v, $j) {vars = [i < 90, k < 3], idx = [e], map = [699 - 7*i - e, k], combine = %s} : f16[700, 3]", combine[c]);
        matrix_out(m, "$j = broadcast(%%i) {axes = [0]} : i64[90, 300]\n$ = scatter(%%z, %%w, $j, $j) {vars = [i < 90, k < 300],"
                      " idx = [e, f], map = [i // 3 + e, k + 0*f], combine = %s} : f32[40, 300]", combine[c]);
        matrix_out(m, "$c = cast(%%t) : f16[N, 5]\n$o = transpose($c) {perm = [1, 0]} : f16[5, N]\n$j = broadcast(%%n) {axes = [1]} : i64[5, N]\n"
                      "$ = scatter(%%y, $o, $j) {vars = [k < 5, i < N], idx = [e], map = [8*i + e, k], combine = %s} : f16[700, 3]", combine[c]);
    }
    matrix_end(m);
}

static void compacts(matrix *m) {
    matrix_begin(m, "compact", 0, ROWS, "dim M\ndim N\n", "%m: bool[N], %x: f32[M, N], %y: f32[N]");
    matrix_out(m, "$, $n = compact(%%m) {counter = [@nz in ..N]} : i64[@nz], i64[]");
    matrix_out(m, "$p, $ = compact(%%m) {counter = [@nz in ..N]} : i64[@nz], i64[]");
    matrix_out(m, "$p, $n = compact(%%m) {counter = [@nz in ..N]} : i64[@nz], i64[]\n$ = gather(%%y, $p) {vars = [i < @nz], idx = [e], map = [e], fill = 0} : f32[@nz]");
    matrix_out(m, "$p, $n = compact(%%m) {counter = [@nz in ..N]} : i64[@nz], i64[]\n$g = gather(%%y, $p) {vars = [i < @nz], idx = [e], map = [e], fill = 0} : f32[@nz]\n$ = reduce($g) {axes = [0], combine = sum} : f32[]");
    matrix_out(m, "$z = constant() {value = 0} : f32[N]\n$l = lt(%%y, $z) : bool[N]\n$p, $n = compact($l) {counter = [@nz in ..N]} : i64[@nz], i64[]\n$a = add($p, $p) : i64[@nz]\n$c = cast($a) : f32[@nz]\n$ = exp($c) : f32[@nz]");
    matrix_out(m, "$p, $n = compact(%%m) {counter = [@nz in ..N]} : i64[@nz], i64[]\n$b = broadcast($p) {axes = [1]} : i64[M, @nz]\n$ = gather(%%x, $b) {vars = [i < M, j < @nz], idx = [e], map = [i, e], fill = 0} : f32[M, @nz]");
    matrix_out(m, "$p, $n = compact(%%m) {counter = [@nz in ..N]} : i64[@nz], i64[]\n$g = gather(%%y, $p) {vars = [i < @nz], idx = [e], map = [e], fill = 0} : f32[@nz]\n"
                  "$z = constant() {value = 0} : f32[@nz]\n$l = lt($z, $g) : bool[@nz]\n$q, $k = compact($l) {counter = [@ny in ..N]} : i64[@ny], i64[]\n$ = gather($g, $q) {vars = [i < @ny], idx = [e], map = [e], fill = 0} : f32[@ny]");
    matrix_out(m, "$p, $n = compact(%%m) {counter = [@nz in ..N]} : i64[@nz], i64[]\n$f = cast($n) : f32[]\n$b = broadcast($f) {axes = []} : f32[N]\n$ = add(%%y, $b) : f32[N]");
    matrix_out(m, "$p, $n = compact(%%m) {counter = [@nz in ..N]} : i64[@nz], i64[]\n$s = size() {size = [@nz]} : i64[]\n$f = cast($s) : f32[]\n"
                  "$b = broadcast($f) {axes = []} : f32[N]\n$ = add(%%y, $b) : f32[N]");
    matrix_out(m, "$z = constant() {value = 0} : f32[N]\n$l = lt(%%y, $z) : bool[N]\n$p, $n = compact($l) {counter = [@nz in ..N]} : i64[@nz], i64[]\n"
                  "$s = size() {size = [@nz]} : i64[]\n$f = cast($s) : f32[]\n$b = broadcast($f) {axes = []} : f32[N]\n$e = exp(%%y) : f32[N]\n"
                  "$ = select($l, $e, $b) : f32[N]");
    matrix_end(m);
}

void matrix_indexed(matrix *m) {
    gathers(m);
    static const char *const t[] = {"f32", "f64", "i32", "u8", "i4", "i64"};
    for (int i = 0; i < (int)(sizeof t / sizeof *t); i++) scatter_dtype(m, t[i], i ? MATRIX_FULL : 0);
    scatter_dtype(m, "f32", MATRIX_SPECIAL | MATRIX_FULL);
    scatter_dtype(m, "i16", MATRIX_SPECIAL | MATRIX_FULL);
    long_scatters(m);
    inserts(m);
    updates_of_weights(m);
    compacts(m);
}
