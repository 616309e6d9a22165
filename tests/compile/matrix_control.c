/* Control flow, states, params, host integers and what a function may return. */
#include "matrix.h"
#include <stdio.h>

#define DECLS "dim M\ndim N\nint pos in 0..\nbound pos in 0..N\nint n in 0..\n"
#define ROWS "M 1 0 5 3; N 1 4 37 16; pos 0 4 11 2; n 0 3 1 7"
#define ARGS "%x: f32[M, N], %y: f32[M, N], %c: bool[], %d: bool[], %i: i64[], %pos: i64[] is pos, %n: i64[] is n"

static void conditions(matrix *m) {
    matrix_begin(m, "if", 0, ROWS, DECLS, ARGS);
    matrix_out(m, "$ = if(%%c, %%x) : f32[M, N] ($a: f32[M, N]) {\n    $e = exp($a) : f32[M, N]\n    yield($e)\n} ($b: f32[M, N]) {\n    $f = neg($b) : f32[M, N]\n    yield($f)\n}");
    matrix_out(m, "$p, $q = if(%%c, %%x, %%y) : f32[M, N], f32[M, N] ($a: f32[M, N], $b: f32[M, N]) {\n    yield($a, $b)\n} ($g: f32[M, N], $h: f32[M, N]) {\n    yield($h, $g)\n}\n$ = sub($p, $q) : f32[M, N]");
    matrix_out(m, "$ = if(%%c, %%x) : f32[M, N] ($a: f32[M, N]) {\n    $z = constant() {value = 1} : f32[M, N]\n    yield($z)\n} ($b: f32[M, N]) {\n    yield($b)\n}");
    matrix_out(m, "$k = exp(%%y) : f32[M, N]\n$ = if(%%c) : f32[M, N] () {\n    $r = add($k, %%x) : f32[M, N]\n    yield($r)\n} () {\n    yield($k)\n}");
    matrix_out(m, "$n = not(%%c) : bool[]\n$ = if($n, %%x) : f32[M, N] ($a: f32[M, N]) {\n    $u = if(%%d, $a) : f32[M, N] ($v: f32[M, N]) {\n        $w = exp($v) : f32[M, N]\n        yield($w)\n    } ($t: f32[M, N]) {\n        yield($t)\n    }\n    $o = neg($u) : f32[M, N]\n    yield($o)\n} ($b: f32[M, N]) {\n    $s = reduce($b) {axes = [1], combine = sum} : f32[M]\n    $y = broadcast($s) {axes = [0]} : f32[M, N]\n    yield($y)\n}");
    matrix_out(m, "$s = reduce(%%x) {axes = [0, 1], combine = sum} : f32[]\n$z = constant() {value = 0} : f32[]\n$l = lt($s, $z) : bool[]\n$ = if($l, %%x) : f32[M, N] ($a: f32[M, N]) {\n    $e = neg($a) : f32[M, N]\n    yield($e)\n} ($b: f32[M, N]) {\n    yield($b)\n}");
    matrix_end(m);
}

static void loops(matrix *m) {
    matrix_begin(m, "loop", 0, ROWS, DECLS, ARGS);
    matrix_out(m, "$ = loop(%%x) {extent = [n], counter = [@t < n]} : f32[M, N] ($h: f32[M, N]) {\n    $k = add($h, %%y) : f32[M, N]\n    yield($k)\n}");
    matrix_out(m, "$p, $q = loop(%%x, %%y) {extent = [n], counter = [@t < n]} : f32[M, N], f32[M, N] ($a: f32[M, N], $b: f32[M, N]) {\n    yield($b, $a)\n}\n$ = sub($p, $q) : f32[M, N]");
    matrix_out(m, "$p, $q, $r = loop(%%x, %%y, %%x) {extent = [5], counter = [@t < 5]} : f32[M, N], f32[M, N], f32[M, N] ($a: f32[M, N], $b: f32[M, N], $c: f32[M, N]) {\n    $s = add($a, $b) : f32[M, N]\n    yield($b, $c, $s)\n}\n$u = sub($p, $q) : f32[M, N]\n$ = mul($u, $r) : f32[M, N]");
    matrix_out(m, "$p, $q = loop(%%x, %%y) {extent = [4], counter = [@t < 4]} : f32[M, N], f32[M, N] ($a: f32[M, N], $b: f32[M, N]) {\n    $s = neg($b) : f32[M, N]\n    yield($a, $s)\n}\n$ = sub($p, $q) : f32[M, N]");
    matrix_out(m, "$p, $q = loop(%%x, %%y) {extent = [3], counter = [@t < 3]} : f32[M, N], f32[M, N] ($a: f32[M, N], $b: f32[M, N]) {\n    yield($a, $a)\n}\n$ = sub($p, $q) : f32[M, N]");
    matrix_out(m, "$z = constant() {value = 0} : f32[M]\n$ = loop($z) {extent = [N], counter = [@t < N]} : f32[M] ($h: f32[M]) {\n    $s = slice(%%x) {start = [0, @t], step = [1, 1]} : f32[M, 1]\n    $r = reshape($s) : f32[M]\n    $k = add($h, $r) : f32[M]\n    yield($k)\n}");
    matrix_out(m, "$ = loop(%%x) {extent = [N], counter = [@t < N]} : f32[M, N] ($h: f32[M, N]) {\n    $s = slice(%%y) {start = [0, N - 1 - @t], step = [1, 1]} : f32[M, 1]\n    $k = insert($h, $s) {start = [0, @t], step = [1, 1]} : f32[M, N]\n    yield($k)\n}");
    matrix_out(m, "$ = loop(%%x) {extent = [N], counter = [@t < N]} : f32[M, N] ($h: f32[M, N]) {\n    $s = slice($h) {start = [0, @t], step = [1, 1]} : f32[M, 1]\n    $e = neg($s) : f32[M, 1]\n    $k = insert($h, $e) {start = [0, @t], step = [1, 1]} : f32[M, N]\n    yield($k)\n}");
    matrix_out(m, "$z = constant() {value = 0} : i64[]\n$ = loop($z) {extent = [n], counter = [@t < n]} : i64[] ($h: i64[]) {\n    $s = size() {size = [@t*@t + pos]} : i64[]\n    $k = add($h, $s) : i64[]\n    yield($k)\n}");
    matrix_out(m, "$ = loop(%%x) {extent = [3], counter = [@t < 3]} : f32[M, N] ($h: f32[M, N]) {\n    $g = loop($h) {extent = [n], counter = [@u < n]} : f32[M, N] ($v: f32[M, N]) {\n        $s = size() {size = [@t + 2*@u]} : i64[]\n        $f = cast($s) : f32[]\n        $b = broadcast($f) {axes = []} : f32[M, N]\n        $k = add($v, $b) : f32[M, N]\n        yield($k)\n    }\n    $o = neg($g) : f32[M, N]\n    yield($o)\n}");
    matrix_out(m, "$ = loop(%%x) {extent = [n], counter = [@t < n]} : f32[M, N] ($h: f32[M, N]) {\n    $g = if(%%c, $h) : f32[M, N] ($a: f32[M, N]) {\n        $e = neg($a) : f32[M, N]\n        yield($e)\n    } ($b: f32[M, N]) {\n        yield($b)\n    }\n    $k = add($g, %%y) : f32[M, N]\n    yield($k)\n}");
    matrix_out(m, "$r = loop(%%x) {extent = [2], counter = [@t < 2]} : f32[M, N] ($h: f32[M, N]) {\n    yield(%%y)\n}\n$ = add($r, %%x) : f32[M, N]");
    matrix_out(m, "$k = exp(%%y) : f32[M, N]\n$ = loop(%%x) {extent = [n], counter = [@t < n]} : f32[M, N] ($h: f32[M, N]) {\n    $a = add($h, $k) : f32[M, N]\n    yield($a)\n}");
    matrix_end(m);
}

static void whiles(matrix *m) {
    matrix_begin(m, "while", 0, ROWS, DECLS, ARGS);
    matrix_out(m, "$z = constant() {value = 0} : i64[]\n$j, $ = while($z, %%x) : i64[], f32[M, N] ($i: i64[], $h: f32[M, N]) {\n    $l = lt($i, %%n) : bool[]\n    yield($l)\n} ($i2: i64[], $h2: f32[M, N]) {\n    $one = constant() {value = 1} : i64[]\n    $s = add($i2, $one) : i64[]\n    $k = add($h2, %%y) : f32[M, N]\n    yield($s, $k)\n}");
    matrix_out(m, "$j, $p, $q = while(%%n, %%x, %%y) : i64[], f32[M, N], f32[M, N] ($i: i64[], $h: f32[M, N], $g: f32[M, N]) {\n    $z = constant() {value = 0} : i64[]\n    $l = lt($z, $i) : bool[]\n    yield($l)\n} ($i2: i64[], $h2: f32[M, N], $g2: f32[M, N]) {\n    $one = constant() {value = 1} : i64[]\n    $s = sub($i2, $one) : i64[]\n    yield($s, $g2, $h2)\n}\n$ = sub($p, $q) : f32[M, N]");
    matrix_out(m, "$ = while(%%x) : f32[M, N] ($h: f32[M, N]) {\n    $f = constant() {value = 0} : bool[]\n    yield($f)\n} ($h2: f32[M, N]) {\n    yield($h2)\n}");
    matrix_out(m, "$s, $b = while(%%x, %%c) : f32[M, N], bool[] ($h: f32[M, N], $k: bool[]) {\n    yield($k)\n} ($h2: f32[M, N], $k2: bool[]) {\n    $f = constant() {value = 0} : bool[]\n    $e = neg($h2) : f32[M, N]\n    yield($e, $f)\n}\n$ = add($s, %%y) : f32[M, N]");
    matrix_end(m);
}

static void one_state(matrix *m, const char *name, const char *dims, const char *args, const char *init, const char *body) {
    static char decls[300];
    snprintf(decls, sizeof decls, "dim M\nint pos in 0..\nbound pos in 0..3\nparam \"w\": f32[4, 8]\nstate \"s\": f32[4, 8] = @\"i.s\"\nstate \"t\": f32[4, 8] = @\"i.t\"\n");
    matrix_begin(m, name, MATRIX_TOGETHER, dims, decls, args);
    m->runs = 4;
    m->after = init;
    matrix_out(m, "%s", body);
    matrix_end(m);
}

static void states(matrix *m) {
    static const char init[] = "func tensor @\"i.s\"() -> 1 {\n    %0 = constant() {value = 1} : f32[4, 8]\n    return(%0)\n}\nfunc tensor @\"i.t\"() -> 1 {\n"
                               "    %0 = iota() {axis = 1} : f32[4, 8]\n    %1 = exp(%0) : f32[4, 8]\n    return(%1)\n}\n";
    static const char dims[] = "M 1 2 3 1; pos 0 1 2 3", args[] = "%x: f32[4, 8], %r: f32[1, 8], %pos: i64[] is pos, %n: i64[]";
    static const char *const body[] = {
        /* counts up */
        "$a = state_read() {path = \"s\"} : f32[4, 8]\n$ = add($a, %x) : f32[4, 8]\nstate_write($) {path = \"s\"}",
        /* a row in place */
        "$a = state_read() {path = \"s\"} : f32[4, 8]\n$b = insert($a, %r) {start = [pos, 0], step = [1, 1]} : f32[4, 8]\nstate_write($b) {path = \"s\"}\n$ = reduce($b) {axes = [0], combine = sum} : f32[8]",
        /* old value used after the write */
        "$a = state_read() {path = \"s\"} : f32[4, 8]\n$b = insert($a, %r) {start = [pos, 0], step = [1, 1]} : f32[4, 8]\nstate_write($b) {path = \"s\"}\n$ = sub($a, $b) : f32[4, 8]",
        /* read after write */
        "$a = state_read() {path = \"s\"} : f32[4, 8]\n$n = add($a, %x) : f32[4, 8]\nstate_write($n) {path = \"s\"}\n$c = state_read() {path = \"s\"} : f32[4, 8]\n$ = mul($a, $c) : f32[4, 8]",
        /* two writes */
        "$a = state_read() {path = \"s\"} : f32[4, 8]\n$n = add($a, %x) : f32[4, 8]\nstate_write($n) {path = \"s\"}\n$k = mul($n, %x) : f32[4, 8]\nstate_write($k) {path = \"s\"}\n$ = neg($n) : f32[4, 8]",
        /* exchange of two states */
        "$a = state_read() {path = \"s\"} : f32[4, 8]\n$b = state_read() {path = \"t\"} : f32[4, 8]\nstate_write($b) {path = \"s\"}\nstate_write($a) {path = \"t\"}\n$ = sub($a, $b) : f32[4, 8]",
        /* the state itself is returned, before and after */
        "$ = state_read() {path = \"t\"} : f32[4, 8]\n$n = add($, %x) : f32[4, 8]\nstate_write($n) {path = \"t\"}",
        "$a = state_read() {path = \"t\"} : f32[4, 8]\n$n = add($a, %x) : f32[4, 8]\nstate_write($n) {path = \"t\"}\n$ = state_read() {path = \"t\"} : f32[4, 8]",
        /* an input and a param become the state */
        "$ = state_read() {path = \"s\"} : f32[4, 8]\nstate_write(%x) {path = \"s\"}",
        "$ = state_read() {path = \"s\"} : f32[4, 8]\n$w = param() {path = \"w\"} : f32[4, 8]\nstate_write($w) {path = \"s\"}",
        /* two rows in place, one after the other */
        "$a = state_read() {path = \"s\"} : f32[4, 8]\n$b = insert($a, %r) {start = [pos, 0], step = [1, 1]} : f32[4, 8]\n$q = neg(%r) : f32[1, 8]\n$d = insert($b, $q) {start = [3 - pos, 0], step = [1, 1]} : f32[4, 8]\nstate_write($d) {path = \"s\"}\n$ = exp($d) : f32[4, 8]",
        /* written in a loop; the value from before is used after it */
        "$a = state_read() {path = \"s\"} : f32[4, 8]\n$l = loop(%x) {extent = [3], counter = [@t < 3]} : f32[4, 8] ($h: f32[4, 8]) {\n    $o = state_read() {path = \"s\"} : f32[4, 8]\n    $k = add($o, $h) : f32[4, 8]\n    state_write($k) {path = \"s\"}\n    yield($k)\n}\n$ = sub($l, $a) : f32[4, 8]",
        /* read inside the loop, of a value from before the write */
        "$a = state_read() {path = \"s\"} : f32[4, 8]\n$ = loop(%x) {extent = [3], counter = [@t < 3]} : f32[4, 8] ($h: f32[4, 8]) {\n    $k = add($h, $a) : f32[4, 8]\n    state_write($k) {path = \"s\"}\n    yield($k)\n}",
        /* in place within a loop */
        "$ = loop(%x) {extent = [4], counter = [@t < 4]} : f32[4, 8] ($h: f32[4, 8]) {\n    $o = state_read() {path = \"s\"} : f32[4, 8]\n    $u = insert($o, %r) {start = [@t, 0], step = [1, 1]} : f32[4, 8]\n    state_write($u) {path = \"s\"}\n    $k = add($u, $h) : f32[4, 8]\n    yield($k)\n}",
        /* a transposed copy of itself */
        "$a = state_read() {path = \"s\"} : f32[4, 8]\n$v = view($a) {vars = [i < 4, j < 8], map = [3 - i, 7 - j], fill = 0} : f32[4, 8]\nstate_write($v) {path = \"s\"}\n$ = add($v, %x) : f32[4, 8]",
        /* two different updates of one value */
        "$a = state_read() {path = \"s\"} : f32[4, 8]\n$b = insert($a, %r) {start = [pos, 0], step = [1, 1]} : f32[4, 8]\n$q = neg(%r) : f32[1, 8]\n$d = insert($a, $q) {start = [pos, 0], step = [1, 1]} : f32[4, 8]\nstate_write($d) {path = \"s\"}\n$ = add($d, $b) : f32[4, 8]",
        /* conditional write */
        "$z = constant() {value = 0} : i64[]\n$g = lt($z, %n) : bool[]\n$a = state_read() {path = \"s\"} : f32[4, 8]\n$ = if($g, %x) : f32[4, 8] ($h: f32[4, 8]) {\n    $k = add($a, $h) : f32[4, 8]\n    state_write($k) {path = \"s\"}\n    yield($k)\n} ($j: f32[4, 8]) {\n    yield($a)\n}",
    };
    for (int i = 0; i < (int)(sizeof body / sizeof *body); i++) {
        char name[32];
        snprintf(name, sizeof name, "state_%d", i);
        one_state(m, name, dims, args, init, body[i]);
    }
    one_state(m, "state_random", dims, args,
              "func tensor @\"i.s\"() -> 1 {\n    %0 = random() {seed = 3} : u32[4, 8]\n    %1 = cast(%0) : f32[4, 8]\n    return(%1)\n}\nfunc tensor @\"i.t\"() -> 1 {\n"
              "    %0 = constant() {value = [1, 2, 3, 4, 5, 6, 7, 8]} : f32[8]\n    %1 = broadcast(%0) {axes = [1]} : f32[4, 8]\n    return(%1)\n}\n",
              "$a = state_read() {path = \"s\"} : f32[4, 8]\n$b = state_read() {path = \"t\"} : f32[4, 8]\n$ = add($a, $b) : f32[4, 8]\nstate_write($) {path = \"s\"}");
}

/* Values returned as they are, and more than once: inputs, params, constants, results. */
static void returning(matrix *m, const char *list) {
    char text[1200];
    int n = 1;
    for (const char *p = list; *p; p++) n += *p == ',';
    snprintf(text, sizeof text,
             "fir 1\ndim M\ndim N\nint pos in 0..\nparam \"w\": f32[3, 4]\nfunc tensor @m(%%x: f32[M, N], %%pos: i64[] is pos) -> %d {\n"
             "    %%w = param() {path = \"w\"} : f32[3, 4]\n    %%e = exp(%%x) : f32[M, N]\n    %%c = constant() {value = [1, 2, 3]} : f32[3]\n"
             "    %%k = constant() {value = 7} : i32[M, 4]\n    %%z = constant() {value = [0, 0, 0, 0, 0]} : f32[5]\n"
             "    %%i = insert(%%z, %%c) {start = [1], step = [1]} : f32[5]\n    return(%s)\n}\n", n, list);
    matrix_begin(m, "return_list", 0, "M 1 0 5; N 3 4 37; pos 0 4 11", "", "");
    matrix_program(m, text);
}

static void returns(matrix *m) {
    matrix_begin(m, "return", MATRIX_TOGETHER, ROWS, DECLS "param \"w\": f32[3, 4]\nparam \"v\": i8[5]\n", "%x: f32[M, N], %y: bf16[M, N], %pos: i64[] is pos, %n: i64[] is n");
    matrix_out(m, "$w = param() {path = \"w\"} : f32[3, 4]\n$ = neg($w) : f32[3, 4]");
    matrix_out(m, "$ = param() {path = \"v\"} : i8[5]");
    matrix_out(m, "$ = constant() {value = [1, 2, 3]} : f32[3]");
    matrix_out(m, "$ = constant() {value = 7} : i32[4]");
    matrix_out(m, "$ = reshape(%%x) : f32[M*N]");
    matrix_out(m, "$ = add(%%pos, %%n) : i64[]");
    matrix_out(m, "$v = param() {path = \"w\"} : f32[3, 4]\n$ = transpose($v) {perm = [1, 0]} : f32[4, 3]");
    matrix_out(m, "$ = cast(%%y) : f32[M, N]");
    matrix_end(m);
    static const char *const lists[] = {"%x", "%x, %x", "%e, %e", "%w, %w, %e", "%k, %k", "%pos, %x, %c, %c", "%w", "%k, %x, %i", "%i, %i"};
    for (int i = 0; i < (int)(sizeof lists / sizeof *lists); i++) returning(m, lists[i]);
}

void matrix_control(matrix *m) {
    conditions(m);
    loops(m);
    whiles(m);
    states(m);
    returns(m);
}
