/* One bad program (or more) per invariant of ir/verify.c. */
#include "support.h"

#define TENSOR(body) "func tensor @f(%x: f32[B, 64], %n: i32[B], %m: bool[B], %c: bool[]) {\n" body "\nreturn()\n}\n"
#define STAGE(attrs, block0, block1)                                                                                   \
    "func tile @f(%x: buffer global f32[B, 64], %o: buffer global f32[B]) {\n"                                         \
    "grid() {vars = [g < B], extent = [B]} () {\n"                                                                     \
    "stage() {" attrs "} () {\n" block0 "\n} " block1 "\n}\nreturn()\n}\n"
#define THREAD(body)                                                                                                   \
    "func thread @f(%x: ptr f32, %y: ptr i32, %s: ptr u8, %b: i64, %e: i64) {\n"                                       \
    "%f = constant() {value = 1} : f32\n%v = constant() {value = 1} : f32x8\n%k = constant() {value = 1} : boolx8\n"   \
    "%t = constant() {value = 1} : bool\n" body "\nreturn()\n}\n"

#define CLUSTER(body) \
    "func thread @f(%scratch: ptr u8, %i: i64) threads 32 shared 64 cluster 2 {\n%s = shared() {offset = 0} : ptr core f32\n" body "\nreturn()\n}\n"
#define ASYNC(body)                                                                                                    \
    "func thread @f(%x: ptr f16, %scratch: ptr u8, %tasks: i64) threads 128 shared 4096 {\n"                           \
    "%i = constant() {value = 64} : i64\n%v = constant() {value = 1} : f32x8\n%t = constant() {value = 1} : bool\n"    \
    "%h = shared() {offset = 0} : ptr core f16\n%s = shared() {offset = 0} : ptr core f32\n"                           \
    "%bar = shared() {offset = 2048} : ptr core u64\n" body "\nreturn()\n}\n"
#define LISTS "{swizzle = [128, 128], major = [0, 0], leading = [16, 16], stride = [1024, 1024]}"
#define HELD "%f = wgmma_fence(%v) : f32x8\n%a = wgmma(%f, %h, %i, %h, %i) " LISTS " : f32x8\n"

typedef struct bad {
    int rule;
    const char *text;
} bad;

static const bad programs[] = {
    {1, TENSOR("grid() {vars = [], extent = []} () {\n}")},
    {1, THREAD("%p = size() {size = [B]} : i64")},
    {5, TENSOR("%l = if(%c) : f32[] () {\n%i = size() {size = [B]} : i64[]\n%q = constant() {value = 1} : f32[]\n"
               "yield(%q)\n} () {\nyield(%q)\n}")},
    {5, TENSOR("%l = kernel(%x) : f32[B, 64] (%a: f32[B, 64]) {\n%q = add(%a, %x) : f32[B, 64]\nyield(%q)\n}")},
    {7, "func tensor @f() {\n}\n"},
    {7, "func tensor @f() {\nreturn()\nreturn()\n}\n"},
    {7, TENSOR("%l = kernel(%x) : f32[B, 64] (%a: f32[B, 64]) {\n}")},
    {7, TENSOR("%l = kernel(%x) : f32[B, 64] (%a: f32[B, 64]) {\nreturn(%a)\n}")},
    {7, STAGE("vars = [i < 4], extent = [4], parallel = 1", "yield()", "() {\n}")},
    {8, TENSOR("%s = exp(%x) {axis = 1} : f32[B, 64]")},
    {8, TENSOR("%s = iota() : i64[B]")},
    {9, TENSOR("%v = view(%n) {vars = [i < B, B], map = [i]} : i32[B, B]\n%w = view(%n) {vars = [3, 4], map = [0]} : i32[B, B]")},
    {9, STAGE("vars = [g], extent = [4], parallel = 1, combines = [set]", "", "() {\n}")},
    {10, "free dim K\n" TENSOR("%s = size() {size = [K + 1]} : i64[]")},
    {10, "free index i\n" STAGE("vars = [j < 4], extent = [4], parallel = 1",
                                "%r = read(%o) {map = [i]} : f32[]", "() {\n}")},
    {11, "func tensor @f(%x: f32x8) {\nreturn()\n}\n"},
    {11, "func tensor @f(%x: f32[-1]) {\nreturn()\n}\n"},
    {11, "func thread @f(%x: f32[4], %s: ptr u8, %b: i64, %e: i64) {\n}\n"},
    {12, "func tensor @f() -> (a, b) {\nreturn()\n}\n"},
    {12, "func tile @f(%x: buffer core f32[4]) {\n}\n"},
    {12, "func tile @f() -> 1 {\n}\n"},
    {12, "func thread @f(%x: ptr f32, %n: i64, %s: ptr u8, %b: i64, %e: i64) {\n}\n"},
    {12, "func tensor @f(%x: f32[] is B) {\nreturn()\n}\n"},
    {13, "state \"s\": f32[B]\n"},
    {13, "state \"s\": f32[B] = @f\nfunc tensor @f() -> 1 {\n%0 = constant() {value = 0} : f64[B]\nreturn(%0)\n}\n"},
    {13, "param \"s\": f32[] = @f\nfunc tensor @f() -> 1 {\n%0 = constant() {value = 0} : f32[]\nreturn(%0)\n}\n"},
    {20, TENSOR("%s = exp(%x) : f32[64, B]")},
    {20, THREAD("%q = add(%v, %v) : f32x4")},
    {21, TENSOR("%s = and(%x, %x) : f32[B, 64]")},
    {21, TENSOR("%s = exp(%n) : i32[B]")},
    {21, TENSOR("%s = lt(%n, %n) : i32[B]")},
    {21, TENSOR("%s = select(%n, %n, %n) : i32[B]")},
    {21, TENSOR("%s = bitcast(%x) : f16[B, 64]")},
    {22, TENSOR("%s = constant() {value = [1, 2, 3]} : f32[4]")},
    {22, TENSOR("%s = constant() {value = [1, 2, 3]} : f32[B]")},
    {30, TENSOR("%w = param() {path = \"w\"} : f32[B]")},
    {30, "param \"w\": f32[B]\n" TENSOR("%w = param() {path = \"w\"} : f64[B]")},
    {30, "param \"w\": f32[B]\n" TENSOR("%w = state_read() {path = \"w\"} : f32[B]")},
    {30, TENSOR("%s = size() {size = [B, B]} : i64[]")},
    {30, TENSOR("%s = iota() {axis = 1} : i64[B]")},
    {30, TENSOR("%s = random() : f32[B]")},
    {31, TENSOR("%s = reshape(%x) : f32[B, 63]")},
    {31, TENSOR("%s = transpose(%x) {perm = [0, 0]} : f32[B, B]")},
    {31, TENSOR("%s = transpose(%x) {perm = [1, 0]} : f32[B, 64]")},
    {31, TENSOR("%s = broadcast(%n) {axes = [0]} : i32[64, B]")},
    {31, TENSOR("%s = slice(%x) {start = [0, 60], step = [1, 1]} : f32[B, 5]")},
    {31, TENSOR("%s = slice(%x) {start = [0], step = [1]} : f32[B, 5]")},
    {31, TENSOR("%z = constant() {value = 0} : f32[]\n%s = pad(%x, %z) {lo = [0, 1], hi = [0, 1]} : f32[B, 65]")},
    {31, TENSOR("%s = concat(%x, %x) {axis = 1} : f32[B, 127]")},
    {31, TENSOR("%s = view(%x) {vars = [i < B], map = [i]} : f32[B]")},
    {31, TENSOR("%s = view(%x) {vars = [i < 3], map = [0, i]} : f32[8]")},
    {32, TENSOR("%s = reduce(%x) {axes = [2], combine = sum} : f32[B]")},
    {32, TENSOR("%s = reduce(%x) {axes = [0], combine = sum} : f32[B]")},
    {32, TENSOR("%s = reduce(%x) {axes = [1], combine = argmax} : f32[B]")},
    {32, TENSOR("%s = scan(%x) {axis = 2, combine = sum} : f32[B, 64]")},
    {32, TENSOR("%s = contract(%x, %x) {lhs_batch = [], rhs_batch = [], lhs_contract = [0], rhs_contract = [1]} : f32[64, B]")},
    {32, TENSOR("%s = contract(%x, %x) {lhs_batch = [0], rhs_batch = [0], lhs_contract = [1], rhs_contract = [1]} : f32[B, B]")},
    {32, TENSOR("%s, %t = sort(%x) {axis = 1} : f32[B, 64], i32[B, 64]")},
    {33, TENSOR("%g = gather(%x, %n) {vars = [i < B], idx = [e, d], map = [e, i]} : f32[B]")},
    {33, TENSOR("%g = gather(%x, %n) {vars = [i < 64], idx = [e], map = [e, i]} : f32[64]")},
    {33, TENSOR("%g = scatter(%x, %n, %n) {vars = [i < B], idx = [e], map = [e, 0], combine = sum} : f32[B, 64]")},
    {33, TENSOR("%g = insert(%x, %x) {start = [0], step = [1, 1]} : f32[B, 64]")},
    {33, TENSOR("%p, %q = compact(%x) {counter = [k]} : i64[k], i64[]")},
    {33, TENSOR("%p, %q = compact(%m) {counter = [k]} : i64[B], i64[]")},
    {34, TENSOR("%z = constant() {value = 0} : f32[]\n%l = if(%m) : f32[] () {\nyield(%z)\n} () {\nyield(%z)\n}")},
    {34, TENSOR("%z = constant() {value = 0} : f32[]\n%l = if(%c) : f64[] () {\nyield(%z)\n} () {\nyield(%z)\n}")},
    {34, TENSOR("%l = loop(%x) {counter = [i], extent = [4]} : f32[B, 64] (%h: f32[B]) {\nyield(%h)\n}")},
    {34, TENSOR("%l = while(%x) : f32[B, 64] (%h: f32[B, 64]) {\nyield(%h)\n} (%g: f32[B, 64]) {\nyield(%g)\n}")},
    {34, TENSOR("%l = kernel(%x) : f32[B, 64] () {\nyield()\n}")},
    {40, STAGE("vars = [i < 4, j < 2], extent = [4], parallel = 2", "", "() {\n}")},
    {40, STAGE("vars = [i < 4], extent = [4], parallel = 2", "", "() {\n}")},
    {40, STAGE("vars = [a < 2, b < 2, c < 2, d < 2, e < 2, f < 2, h < 2, i < 2, j < 2, k < 2, l < 2, m < 2, n < 2, p < 2, q < 2, r < 2, s < 2], "
               "extent = [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2], parallel = 17", "", "() {\n}")},
    {40, STAGE("vars = [i < 4], extent = [4], parallel = 1, vector = 1", "", "() {\n}")},
    {40, STAGE("vars = [i < 4], extent = [4], parallel = 1, tile = [1, 1]", "", "() {\n}")},
    {40, STAGE("vars = [i < 4], extent = [4], parallel = 0", "%r = read(%o) {map = [i]} : f32[]\nyield(%r)",
               "(%a: f32[]) {\n}")},
    {40, STAGE("vars = [i < 4], extent = [4], parallel = 0, combines = [sum]",
               "%r = read(%o) {map = [i]} : f32[]\nyield(%r)", "(%a: f64[]) {\n}")},
    {40, STAGE("vars = [i < 4], extent = [4], parallel = 1", "", "(%a: f32[]) {\n}")},
    {40, "func tile @f() {\n%a = alloc() : buffer core f32[4]\n}\n"},
    {40, "func tile @f() {\ngrid() {vars = [], extent = [], guard = [1, 0]} () {\n}\nreturn()\n}\n"},
    {41, STAGE("vars = [i < 4], extent = [4], parallel = 1", "%r = read(%x) {map = [i]} : f32[]", "() {\n}")},
    {41, STAGE("vars = [i < 4], extent = [4], parallel = 1", "%r = read(%o) {map = [i]} : f64[]", "() {\n}")},
    {41, STAGE("vars = [i < 4], extent = [4], parallel = 1", "%r = read(%o) {map = [i], checked = [1]} : f32[]", "() {\n}")},
    {41, STAGE("vars = [i < 4], extent = [4], parallel = 1",
               "%r = read(%o) {map = [i]} : f32[]\nwrite(%o, %r, %r) {idx = [e], map = [e]}", "() {\n}")},
    {42, STAGE("vars = [i < 4], extent = [4], parallel = 1", "%r = index() {size = [i]} : bool[]", "() {\n}")},
    {42, STAGE("vars = [i < 4], extent = [4], parallel = 1", "%r = inrange() {map = [i], extent = []} : bool[]", "() {\n}")},
    {42, STAGE("vars = [i < 4], extent = [4], parallel = 1", "%r = index() {size = [i]} : i64[]\nonly(%r)", "() {\n}")},
    {42, "func tile @f() {\ngrid() {vars = [], extent = []} () {\n%a = alloc() : buffer global f32[4]\n}\n}\n"},
    {50, THREAD("tfor(%b, %e) () {\nyield()\n}")},
    {50, THREAD("tfor(%b, %e, %f) (%i: i64) {\nyield()\n}")},
    {50, THREAD("%r = tfor(%b, %e, %b, %f) : f32 (%i: i64, %a: f32) {\nyield(%i)\n}")},
    {50, THREAD("tif(%k) () {\nyield()\n} () {\nyield()\n}")},
    {50, THREAD("%r = tif(%t) : f32 () {\nyield(%f)\n} () {\nyield()\n}")},
    {50, THREAD("%r = twhile(%f) : f32 (%a: f32) {\nyield(%a, %a)\n} (%z: f32) {\nyield(%z)\n}")},
    {51, THREAD("%r = load(%y, %b) : f32")},
    {51, THREAD("%r = load(%x, %f) : f32")},
    {51, THREAD("%r = load(%x, %b, %t, %v) : f32x8")},
    {51, THREAD("%r = load(%x, %b, %k) : f32x8")},
    {51, THREAD("store_lanes(%x, %b, %v)")},
    {51, "dim Q\n" THREAD("%r = local() {size = [Q]} : ptr f32")},
    {51, THREAD("%r = ptradd(%x, %b) : ptr i32")},
    {51, THREAD("%r = ptrcast(%x) : ptr core f32")},
    {52, THREAD("%r = splat(%v) : f32x8")},
    {52, THREAD("%r = ramp(%f) : f32x8")},
    {52, THREAD("%r = extract(%v) {offset = 8} : f32")},
    {52, THREAD("%r = reinterpret(%v) : i16x8")},
    {52, THREAD("%r = reduce_lanes(%v) {combine = argmax} : f32")},
    {52, THREAD("%r = reduce_lanes(%v) {combine = sum} : f32x8")},
    {53, ASYNC("%r = wgmma(%v, %h, %i, %h, %i) " LISTS " : f32x8")},                       /* no fence */
    {53, ASYNC(HELD "%r = add(%a, %a) : f32x8")},                                         /* used while held */
    {53, ASYNC(HELD "%d = wgmma_wait(%a) {pending = 0} : f32x8\n%e = wgmma(%d, %h, %i, %h, %i) " LISTS " : f32x8")},
    {53, ASYNC(HELD "%r = tfor(%i, %i, %i, %a) : f32x8 (%k: i64, %c: f32x8) {\nyield(%v)\n}")},
    {53, ASYNC(HELD "%r = tfor(%i, %i, %i, %v) : f32x8 (%k: i64, %c: f32x8) {\nyield(%a)\n}")},
    {53, ASYNC(HELD "%r = tif(%t) : f32x8 () {\nyield(%a)\n} () {\nyield(%v)\n}")},
    {53, ASYNC("%d = wgmma_wait(%v) {pending = 0} : f32x8")},
    {53, ASYNC("%w = constant() {value = 0} : f32x6\n%a = wgmma_fence(%w) : f32x6\n%r = wgmma(%a, %h, %i, %h, %i) " LISTS " : f32x6")},
    {53, ASYNC(HELD "%r = wgmma(%a, %s, %i, %s, %i) {swizzle = [128, 128], major = [1, 0], leading = [16, 16], stride = [1024, 1024]} : f32x8")},
    {53, ASYNC(HELD "%r = wgmma(%a, %h, %i, %h, %i) {swizzle = [48, 128], major = [0, 0], leading = [16, 16], stride = [1024, 1024]} : f32x8")},
    {53, ASYNC(HELD "%r = wgmma(%a, %h, %i, %h, %i) {swizzle = [128, 128], major = [0, 0], leading = [16, 16], stride = [1024, 8]} : f32x8")},
    {53, ASYNC("%m = tensor_map(%x, %i, %i) {box = [64, 64], swizzle = [128]} : ptr map f16")}, /* three lengths for two axes */
    {53, ASYNC("%m = tensor_map(%x, %i, %i, %i) {box = [32, 64], swizzle = [128]} : ptr map f16")},
    {53, ASYNC("%n = thread_id() : i64\n%m = tensor_map(%x, %n, %i, %i) {box = [64, 64], swizzle = [128]} : ptr map f16")},
    {54, ASYNC("%r = cluster_rank() : i64")},
    {54, ASYNC("%p = cluster_ptr(%h, %i) : ptr cluster f16")},
    {54, CLUSTER("%r = cluster_rank() : i32")},
    {54, CLUSTER("%p = cluster_ptr(%s, %i) : ptr core f32")},
    {54, CLUSTER("%p = cluster_ptr(%s, %s) : ptr cluster f32")},
    {54, "func tile @f(%x: buffer global f32[4]) cluster 4 {\ngrid() {vars = [i < 4, r < 2], extent = [4, 2]} () {\n}\n}\n"},
    {40, "func tile @f(%x: buffer global f32[4]) cluster 4 {\ngrid() {vars = [r < 4], extent = [4]} () {\nstage() {vars = [i < 4], extent = [4], parallel = 1, across = 1} () {\n} () {\n}\n}\n}\n"},
    {53, ASYNC("%m = tensor_map(%x, %i, %i, %i) {box = [64, 64], swizzle = [128]} : ptr map f16\ntensor_load(%h, %i, %m, %bar, %i, %i)")},
    {53, ASYNC("%m = tensor_map(%x, %i, %i, %i) {box = [64, 64], swizzle = [128]} : ptr map f16\ntensor_load(%s, %i, %m, %bar, %i, %i, %i)")},
    {53, ASYNC("%m = tensor_map(%x, %i, %i, %i) {box = [64, 64], swizzle = [128], steps = [2, 1]} : ptr map f16")},
    {53, ASYNC("%m = tensor_map(%x, %i, %i, %i) {box = [64, 64], swizzle = [128], steps = [1, 5]} : ptr map f16")},
    {53, ASYNC("mbarrier_init(%bar, %i) {count = 0}")},
    {53, ASYNC("mbarrier_wait(%h, %i, %i)")},
    {53, ASYNC("bulk_store(%h, %i, %x, %i, %i)")},
    {53, ASYNC("registers() {count = 30}")},
    {53, ASYNC("part_barrier() {count = 128, barrier = 16}")},
};

static bool breaks_rule(const ir_module *m, int rule, const char *text) {
    arena *a = arena_new();
    const char *out = "";
    char wanted[16];
    snprintf(wanted, sizeof wanted, "V%d: ", rule);
    int n = ir_verify(a, m, &out);
    bool found = n > 0 && strstr(out, wanted);
    if (!found) print_error("wanted V%d of\n%s\nbut got %d:\n%s", rule, text, n, out);
    arena_free(a);
    return found;
}

static void test_programs(void **state) {
    int missed = 0;
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        char text[4096];
        snprintf(text, sizeof text, "fir 1\ndim B in 1..\n%s", programs[i].text);
        ir_module *m = must_parse(text);
        missed += !breaks_rule(m, programs[i].rule, text);
        ir_module_free(m);
    }
    assert_int_equal(missed, 0);
}

/* A module whose func adds an argument to itself twice; the tests below break it in ways that no text can. */
typedef struct small {
    ir_module *m;
    ir_func *f;
    ir_op *first, *second;
} small;

static small make(void) {
    small s = {.m = ir_module_new()};
    s.f = ir_func_new(s.m, "f", IR_LEVEL_TENSOR);
    ir_value *x = ir_block_add_arg(s.m, s.f->body, ir_scalar(FRIT_f32), "x");
    ir_builder b = ir_builder_at_end(s.m, s.f->body);
    ir_value *y = ir_binary(&b, IR_add, x, x), *z = ir_binary(&b, IR_add, y, x);
    ir_build(&b, IR_return, 0, NULL, 0, NULL);
    s.first = y->op;
    s.second = z->op;
    check_module(s.m);
    return s;
}

static void expect_broken(small s, int rule) {
    assert_true(breaks_rule(s.m, rule, "a broken module"));
    ir_module_free(s.m);
}

static void test_structure(void **state) {
    small s = make();
    s.first->code = IR_OPCODE_COUNT;
    expect_broken(s, 1);

    s = make();
    s.second->n_operands = 1;
    expect_broken(s, 2);

    s = make();
    s.second->prev = s.second;
    expect_broken(s, 3);

    s = make();
    s.second->results[0].index = 1;
    expect_broken(s, 3);

    s = make();
    s.second->operands[1].value = s.first->results; /* past ir_set_operand: the lists of uses do not know */
    expect_broken(s, 4);

    s = make();
    ir_op_move_before(s.second, s.first);
    expect_broken(s, 5);

    s = make();
    s.second->results[0].id = s.first->results[0].id;
    expect_broken(s, 6);

    s = make();
    s.second->results[0].id = 99;
    expect_broken(s, 6);
}

static void test_module(void **state) {
    small s = make();
    sym_t one = sym_const(s.m->syms, 1);
    vec_push(s.m->arena, &s.m->checks, ((ir_check){.op = ">", .lhs = one, .rhs = one, .text = "text"}));
    expect_broken(s, 14);

    s = make();
    ir_func_new(s.m, "f", IR_LEVEL_TILE);
    expect_broken(s, 12);

    s = make();
    ir_global_add(s.m, "w", ir_scalar(FRIT_f32), false, (ir_span){0});
    ir_global_add(s.m, "w", ir_scalar(FRIT_f32), false, (ir_span){0});
    expect_broken(s, 13);

    s = make();
    s.first->results[0].type.dtype = FRIT_DTYPE_COUNT;
    expect_broken(s, 11);
}

/* All violations are reported, and the program is shown with each beside its op. */
static void test_report(void **state) {
    ir_module *m = must_parse("fir 1\nfunc tensor @f(%x: i32[]) -> 2 {\n%a = exp(%x) : i32[]\n%b = sin(%x) : i32[]\nreturn(%b)\n}\n");
    arena *a = arena_new();
    const char *out = "";
    assert_int_equal(ir_verify(a, m, &out), 3);
    assert_non_null(strstr(out, "f: V12: returns 1 values instead of 2\n"));
    assert_non_null(strstr(out, "    # V21: exp: is not defined on i32\n    %a = exp(%x) : i32[]\n"
                                "    # V21: sin: is not defined on i32\n    %b = sin(%x) : i32[]\n"));
    assert_int_equal(ir_verify(a, m, NULL), 3);
    arena_free(a);
    ir_module_free(m);
}

/* Every number in the list that opens ir/verify.c has a program above. */
static void test_complete(void **state) {
    static const int structural[] = {2, 3, 4, 6, 14};
    char path[1024], line[512];
    snprintf(path, sizeof path, "%s/ir/verify.c", FRIT_SOURCE_DIR);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    int rules = 0;
    while (fgets(line, sizeof line, f) && !strstr(line, "#include")) {
        int rule;
        char star, letter;
        if (sscanf(line, " %c %d %c", &star, &rule, &letter) != 3 || star != '*') continue;
        bool found = false;
        for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) found = found || programs[i].rule == rule;
        for (size_t i = 0; i < sizeof structural / sizeof *structural; i++) found = found || structural[i] == rule;
        if (!found) fail_msg("no program violates V%d", rule);
        rules++;
    }
    fclose(f);
    assert_int_equal(rules, 30);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_programs), cmocka_unit_test(test_structure), cmocka_unit_test(test_module),
        cmocka_unit_test(test_report),   cmocka_unit_test(test_complete),
    };
    return cmocka_run_group_tests_name("ir verify", tests, NULL, NULL);
}
