/* The executor on hand-written kernels: what it computes, and that each rule's breach is found and named. */
#include "exec.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { N = 128, BYTES = 4 * N };

typedef struct bench {
    diag *d;
    ir_module *m;
    exec_kernel *k;
    float x[N], out[N], scratch[N];
    uint8_t out_written[BYTES / 8], scratch_written[BYTES / 8];
    exec_launch l;
    exec_memory memory[2];
    int64_t n;
    char message[1024];
} bench;

/* body: ops over %x (f32[128], read), %out (f32[128], written), %n = 128; a block of 64 threads with 1024 bytes shared. */
static void open_bench(bench *b, const char *body) {
    static const char *const head = "fir 1\ndim N\nfunc thread @k(%x: ptr f32, %out: ptr f32, %n: i64 is N, %scratch: ptr u8, "
                                    "%tasks: i64) threads 64 shared 1024 {\n"
                                    "%t = thread_id() : i64\n%s = shared() {offset = 0} : ptr core f32\n"
                                    "%c0 = constant() {value = 0} : i64\n%c1 = constant() {value = 1} : i64\n"
                                    "%c64 = constant() {value = 64} : i64\n%f1 = constant() {value = 1} : f32\n"
                                    "%next = add(%t, %c1) : i64\n%inner = lt(%next, %c64) : bool\n";
    memset(b, 0, sizeof *b);
    b->d = diag_new();
    char text[8192];
    snprintf(text, sizeof text, "%s%sreturn()\n}\n", head, body);
    b->m = ir_parse(b->d, diag_add_source(b->d, "kernel.fir", text, strlen(text)));
    if (!b->m) diag_print_text(b->d, stderr, false);
    assert_non_null(b->m);
    const char *bad = NULL, *error = NULL;
    if (ir_verify(b->m->arena, b->m, &bad)) fail_msg("%s", bad);
    b->k = exec_kernel_new(b->m->funcs, 32, b->d, &error);
    if (!b->k) fail_msg("%s", error);
    for (int i = 0; i < N; i++) b->x[i] = (float)(i + 1);
    b->n = N;
    b->memory[0] = (exec_memory){.data = b->x, .bytes = BYTES};
    b->memory[1] = (exec_memory){.data = b->out, .bytes = BYTES, .written = b->out_written, .output = true};
    b->l = (exec_launch){.buffers = b->memory, .ints = &b->n, .tasks = 1, .blocks = 1, .max_steps = 1000000};
    b->l.scratch = (exec_memory){.data = b->scratch, .bytes = BYTES, .written = b->scratch_written, .output = true};
}

static void close_bench(bench *b) {
    exec_kernel_free(b->k);
    ir_module_free(b->m);
    diag_free(b->d);
}

static void runs(bench *b) {
    if (!exec_run(b->k, &b->l, b->message, sizeof b->message)) fail_msg("%s", b->message);
}

/* The body breaks a rule: the message holds `what`, the kernel's name and the line. */
static void breaks_with(const char *body, const char *what, int64_t blocks, bool late) {
    bench b;
    open_bench(&b, body);
    b.l.blocks = b.l.tasks = blocks;
    b.l.late = late;
    if (exec_run(b.k, &b.l, b.message, sizeof b.message)) fail_msg("nothing is found, but '%s' should be, in\n%s", what, body);
    if (!strstr(b.message, what)) fail_msg("'%s' does not say '%s'", b.message, what);
    assert_non_null(strstr(b.message, "kernel k"));
    assert_non_null(strstr(b.message, "kernel.fir:"));
    close_bench(&b);
}
static void breaks(const char *body, const char *what) { breaks_with(body, what, 1, false); }

/* ---- What it computes -------------------------------------------------------------------------------------------- */
static void test_exchange(void **state) {
    bench b;
    open_bench(&b, "%a = load(%x, %t) : f32\nstore(%s, %t, %a)\nbarrier()\n%c63 = constant() {value = 63} : i64\n"
                   "%r = sub(%c63, %t) : i64\n%v = load(%s, %r) : f32\nstore(%out, %t, %v)\n");
    runs(&b);
    for (int i = 0; i < 64; i++) assert_true(b.out[i] == (float)(64 - i));
    assert_int_equal(b.out_written[31], 255);
    assert_int_equal(b.out_written[32], 0);
    close_bench(&b);
}

/* Which bytes are read: side by side, under a mask, in lanes apart, by copies. */
static void test_reads(void **state) {
    static const char *const loads[] = {
        "%a = load(%x, %t) : f32\n",
        "%f = load(%x, %t, %inner, %f1) : f32\n%a = load(%x, %t, %inner, %f1) : f32\n",
        "%i = splat(%t) : i64x2\n%two = load_lanes(%x, %i) : f32x2\n%a = extract(%two) {offset = 1} : f32\n",
        "copy_async(%s, %t, %x, %t, %inner) {lanes = 1}\ncopy_commit()\ncopy_wait() {pending = 0}\n%a = load(%s, %t) : f32\n",
    };
    static const int last[] = {64, 63, 64, 63};
    for (int i = 0; i < 4; i++) {
        char body[1024];
        uint8_t read[BYTES / 8 + 1] = {0};
        bench b;
        snprintf(body, sizeof body, "%sstore(%%out, %%t, %%a)\n", loads[i]);
        open_bench(&b, body);
        b.memory[0].read = read;
        runs(&b);
        for (int at = 0; at < BYTES; at++) assert_int_equal(read[at / 8] >> at % 8 & 1, at < 4 * last[i]);
        close_bench(&b);
    }
}

/* Each thread reads what it put into its own memory, though all do at the same place. */
static void test_own_memory(void **state) {
    bench b;
    open_bench(&b, "%q = local() {size = [4]} : ptr register f32\n%a = load(%x, %t) : f32\nstore(%q, %c1, %a)\n"
                   "%v = load(%q, %c1) : f32\nstore(%out, %t, %v)\n");
    runs(&b);
    for (int i = 0; i < 64; i++) assert_true(b.out[i] == (float)(i + 1));
    close_bench(&b);
}

static void test_divergence(void **state) {
    bench b; /* thread t counts 1 + 2 + ... + t, by a loop of its own length, and takes one arm of an if */
    open_bench(&b, "%z = constant() {value = 0} : f32\n"
                   "%sum = tfor(%c0, %next, %c1, %z) : f32 (%i: i64, %acc: f32) { %g = cast(%i) : f32\n %h = add(%acc, %g) : f32\n yield(%h) }\n"
                   "%c32 = constant() {value = 32} : i64\n%low = lt(%t, %c32) : bool\n"
                   "%y = tif(%low) : f32 () { %q = neg(%sum) : f32\n yield(%q) } () { yield(%sum) }\nstore(%out, %t, %y)\n");
    runs(&b);
    for (int i = 0; i < 64; i++) assert_true(b.out[i] == (float)(i * (i + 1) / 2) * (i < 32 ? -1 : 1));
    close_bench(&b);
}

static void test_while(void **state) {
    bench b; /* halves t until it is 0 and counts the steps */
    open_bench(&b, "%r, %n1 = twhile(%t, %c0) : i64, i64 (%a: i64, %b: i64) { %more = lt(%c0, %a) : bool\n yield(%more, %a, %b) } "
                   "(%d: i64, %e: i64) { %h = shr(%d, %c1) : i64\n %f = add(%e, %c1) : i64\n yield(%h, %f) }\n"
                   "%v = cast(%n1) : f32\nstore(%out, %t, %v)\n");
    runs(&b);
    for (int i = 0; i < 64; i++) assert_true(b.out[i] == (float)(i ? 32 - __builtin_clz((unsigned)i) : 0));
    close_bench(&b);
}

static void test_crossed_values(void **state) {
    bench b; /* Fibonacci: the carried values change places */
    open_bench(&b, "%c10 = constant() {value = 10} : i64\n"
                   "%p, %q = tfor(%c0, %c10, %c1, %c0, %c1) : i64, i64 (%i: i64, %a: i64, %b: i64) { %s2 = add(%a, %b) : i64\n yield(%b, %s2) }\n"
                   "%v = cast(%p) : f32\nstore(%out, %t, %v)\n");
    runs(&b);
    assert_true(b.out[5] == 55);
    close_bench(&b);
}

static void test_shuffle_and_lanes(void **state) {
    bench b;
    open_bench(&b, "%c31 = constant() {value = 31} : i64\n%lane = and(%t, %c31) : i64\n%r = sub(%c31, %lane) : i64\n"
                   "%a = load(%x, %t) : f32\n%v = shuffle(%a, %r) : f32\n%c4 = constant() {value = 4} : i64\n"
                   "%at = rem(%t, %c4) : i64\n%p = load(%x, %at) : f32x4\n%u = reduce_lanes(%p) {combine = sum} : f32\n"
                   "%w = add(%u, %v) : f32\nstore(%out, %t, %w)\n");
    runs(&b);
    for (int i = 0; i < 64; i++) assert_true(b.out[i] == (float)(i / 32 * 32 + 32 - i % 32) + (float)(4 * (i % 4) + 10));
    close_bench(&b);
}

/* The exponent of x[t]'s f32 is in the upper half of its words; of a uniform value too. */
static void test_reinterpret(void **state) {
    bench b;
    open_bench(&b, "%v = load(%x, %t) : f32x2\n%h = reinterpret(%v) : u16x4\n%e = extract(%h) {offset = 3} : u16\n"
                   "%u = load(%x, %c1) : f32x2\n%g = reinterpret(%u) : u16x4\n%i = extract(%g) {offset = 1} : u16\n"
                   "%a = cast(%e) : f32\n%c = cast(%i) : f32\n%r = sub(%a, %c) : f32\nstore(%out, %t, %r)\n");
    runs(&b);
    for (int i = 0; i < 64; i++) {
        uint32_t bits;
        memcpy(&bits, &b.x[i + 1], 4);
        assert_true(b.out[i] == (float)(bits >> 16) - 16384);
    }
    close_bench(&b);
}

static void test_blocks(void **state) {
    for (uint64_t seed = 0; seed < 4; seed++) {
        bench b;
        open_bench(&b, "%k = block_id() : i64\n%g = block_count() : i64\n"
                       "tfor(%k, %tasks, %g) (%task: i64) { %w = mul(%task, %c64) : i64\n %i = add(%w, %t) : i64\n"
                       " %a = load(%x, %i) : f32\n store(%out, %i, %a)\n yield() }\n");
        b.l.tasks = 2, b.l.blocks = seed % 2 + 1, b.l.seed = seed;
        runs(&b);
        assert_memory_equal(b.out, b.x, BYTES);
        close_bench(&b);
    }
}

static void test_async(void **state) {
    for (int late = 0; late < 2; late++) {
        bench b; /* two groups; the first is waited for alone */
        open_bench(&b, "copy_async(%s, %t, %x, %t) {lanes = 1}\ncopy_commit()\n%u = add(%t, %c64) : i64\n%no = lt(%u, %c0) : bool\n"
                       "copy_async(%s, %u, %x, %u, %no) {lanes = 1}\ncopy_commit()\ncopy_wait() {pending = 1}\nbarrier()\n"
                       "%c63 = constant() {value = 63} : i64\n%r = sub(%c63, %t) : i64\n%v = load(%s, %r) : f32\nstore(%out, %t, %v)\n"
                       "copy_wait() {pending = 0}\n%w = load(%s, %u) : f32\nstore(%out, %u, %w)\n");
        b.l.late = late;
        runs(&b);
        for (int i = 0; i < 64; i++) assert_true(b.out[i] == (float)(64 - i) && b.out[64 + i] == 0);
        close_bench(&b);
    }
}

/* ---- What it finds ----------------------------------------------------------------------------------------------- */
static void test_shared_races(void **state) {
    /* the barrier is missing */
    breaks("store(%s, %t, %f1)\ntif(%inner) () { %v = load(%s, %next) : f32\n store(%out, %t, %v)\n yield() } () { yield() }\n", "race: reads");
    /* a read, then a write by another thread */
    breaks("store(%s, %t, %f1)\nbarrier()\n%z = rem(%next, %c64) : i64\n%v = load(%s, %z) : f32\nstore(%s, %t, %v)\n", "race: writes");
    breaks("store(%s, %c0, %f1)\n", "race: writes");
    /* lane 1 of thread t is lane 0 of thread t + 1 */
    breaks("%v = splat(%f1) : f32x2\nstore(%s, %t, %v)\n", "race: writes");
    /* a uniform read after one thread's write */
    breaks("%first = eq(%t, %c0) : bool\ntif(%first) () { store(%s, %c0, %f1)\n yield() } () { yield() }\n"
           "%v = load(%s, %c0) : f32\nstore(%out, %t, %v)\n", "race: reads");
}

static void test_global_races(void **state) {
    breaks("store(%out, %t, %f1)\n%z = rem(%next, %c64) : i64\n%v = load(%out, %z) : f32\nstore(%s, %t, %v)\n", "race: reads");
    breaks_with("store(%out, %t, %f1)\n", "another block", 2, false);
    /* a barrier does not order blocks */
    breaks_with("%k = block_id() : i64\n%w = mul(%k, %c64) : i64\n%i = add(%w, %t) : i64\nstore(%out, %i, %f1)\nbarrier()\n"
                "%v = load(%out, %t) : f32\nstore(%s, %t, %v)\n", "block", 2, false);
    breaks_with("%q = ptrcast(%scratch) : ptr f32\nstore(%q, %t, %f1)\n", "scratch memory", 2, false);
}

static void test_parts_of_shared(void **state) {
    /* two parts that overlap are the same memory */
    breaks("%p = shared() {size = [64], offset = 64} : ptr core f32\nstore(%s, %t, %f1)\n%v = load(%p, %t) : f32\n", "race: reads");
    bench b;
    open_bench(&b, "%p = shared() {size = [64], offset = 64} : ptr core f32\n%a = load(%x, %t) : f32\nstore(%p, %t, %a)\nbarrier()\n"
                   "%c16 = constant() {value = 16} : i64\n%i = add(%t, %c16) : i64\n%v = load(%s, %i) : f32\nstore(%out, %t, %v)\n");
    runs(&b);
    assert_memory_equal(b.out, b.x, 256);
    close_bench(&b);
}

static void test_barriers_order(void **state) {
    bench b; /* what a barrier separates is no race: shared and global, read after write and write after read */
    open_bench(&b, "%z = rem(%next, %c64) : i64\nstore(%s, %t, %f1)\nstore(%out, %t, %f1)\nbarrier()\n%v = load(%s, %z) : f32\n"
                   "%w = load(%out, %z) : f32\nbarrier()\nstore(%s, %t, %v)\nstore(%out, %t, %w)\n");
    runs(&b);
    close_bench(&b);
}

static void test_unwritten(void **state) {
    breaks("%v = load(%s, %t) : f32\nstore(%out, %t, %v)\n", "nothing has written");
    breaks("%v = load(%out, %t) : f32\nstore(%s, %t, %v)\n", "nothing has written");
    breaks("%q = ptrcast(%scratch) : ptr f32\n%v = load(%q, %t) : f32\nstore(%s, %t, %v)\n", "nothing has written");
    breaks("%q = local() {size = [4]} : ptr register f32\n%v = load(%q, %c0) : f32\nstore(%s, %t, %v)\n", "nothing has written");
    /* what the block before left in shared memory */
    breaks_with("%k = block_id() : i64\n%first = eq(%k, %c0) : bool\ntif(%first) () { store(%s, %t, %f1)\n yield() } () { yield() }\n"
                "%v = load(%s, %t) : f32\n", "nothing has written", 2, false);
}

static void test_bounds(void **state) {
    breaks("%i = add(%t, %n) : i64\n%v = load(%x, %i) : f32\nstore(%s, %t, %v)\n", "accesses bytes 512");
    breaks("%i = sub(%t, %c1) : i64\n%v = load(%x, %i) : f32\nstore(%s, %t, %v)\n", "accesses bytes -4");
    breaks("%c256 = constant() {value = 256} : i64\nstore(%s, %c256, %f1)\n", "accesses bytes 1024");
    breaks("%p = shared() {size = [32], offset = 64} : ptr core f32\nstore(%p, %t, %f1)\n", "accesses bytes 128");
    breaks("store(%x, %t, %f1)\n", "only reads");
    breaks("%c9 = constant() {value = 1152921504606846976} : i64\n%c16 = mul(%c9, %c64) : i64\n%i = sub(%c16, %c1) : i64\n"
           "%j = add(%i, %c9) : i64\n%v = load(%x, %j) : f32\nstore(%s, %t, %v)\n", "accesses bytes");
    bench b; /* where the mask is off nothing is touched */
    open_bench(&b, "%i = mul(%t, %c64) : i64\n%m = lt(%i, %n) : bool\n%v = load(%x, %i, %m, %f1) : f32\nstore(%out, %t, %v)\n"
                   "store(%out, %i, %v, %m)\n");
    runs(&b);
    assert_true(b.out[0] == 1 && b.out[1] == 65 && b.out[2] == 1 && b.out[64] == 65);
    close_bench(&b);
}

static void test_alignment(void **state) {
    breaks("%v = load(%x, %t) {align = 8} : f32x2\n%e = extract(%v) {offset = 0} : f32\nstore(%s, %t, %e)\n", "not aligned to 8");
    breaks("copy_async(%s, %t, %x, %t) {lanes = 2}\ncopy_commit()\ncopy_wait() {pending = 0}\n", "not aligned to 8");
}

static void test_divergent_groups(void **state) {
    breaks("tif(%inner) () { barrier()\n yield() } () { yield() }\n", "thread 63 of the same block does not");
    breaks("tif(%inner) () { %v = shuffle(%f1, %c0) : f32\n store(%out, %t, %v)\n yield() } () { yield() }\n", "of the same warp does not");
    breaks("tfor(%c0, %next, %c1) (%i: i64) { barrier()\n yield() }\n", "reaches this");
    bench b; /* a whole warp may shuffle alone */
    open_bench(&b, "%c32 = constant() {value = 32} : i64\n%low = lt(%t, %c32) : bool\n"
                   "tif(%low) () { %a = load(%x, %t) : f32\n %v = shuffle(%a, %c1) : f32\n store(%out, %t, %v)\n yield() } () { yield() }\n");
    runs(&b);
    assert_true(b.out[31] == 2);
    close_bench(&b);
}

static void test_async_rules(void **state) {
#define COPY "copy_async(%s, %t, %x, %t) {lanes = 1}\n"
    for (int late = 0; late < 2; late++) {
        /* no wait; no commit; a wait that leaves one group open; no barrier before another thread reads */
        breaks_with(COPY "copy_commit()\n%v = load(%s, %t) : f32\n", "no copy_wait has covered", 1, late);
        breaks_with(COPY "copy_wait() {pending = 0}\n%v = load(%s, %t) : f32\n", "no copy_wait has covered", 1, late);
        breaks_with(COPY "copy_commit()\ncopy_wait() {pending = 1}\n%v = load(%s, %t) : f32\n", "no copy_wait has covered", 1, late);
        breaks_with(COPY "copy_commit()\ncopy_wait() {pending = 0}\n%z = rem(%next, %c64) : i64\n%v = load(%s, %z) : f32\n", "race: reads", 1,
                    late);
        /* the barrier stands before the wait */
        breaks_with(COPY "copy_commit()\nbarrier()\ncopy_wait() {pending = 0}\n%z = rem(%next, %c64) : i64\n%v = load(%s, %z) : f32\n",
                    "race: reads", 1, late);
        /* the destination is still being read */
        breaks_with("store(%s, %t, %f1)\nbarrier()\n%z = rem(%next, %c64) : i64\n%v = load(%s, %z) : f32\n" COPY
                    "copy_commit()\ncopy_wait() {pending = 0}\n", "race: writes", 1, late);
        breaks_with(COPY "copy_commit()\nstore(%s, %t, %f1)\ncopy_wait() {pending = 0}\n", "no copy_wait has covered", 1, late);
        breaks_with(COPY COPY "copy_commit()\ncopy_wait() {pending = 0}\n", "no copy_wait has covered", 1, late);
        /* the source changes; the kernel ends too early */
        breaks_with("store(%out, %t, %f1)\nbarrier()\ncopy_async(%s, %t, %out, %t) {lanes = 1}\ncopy_commit()\n%f2 = add(%f1, %f1) : f32\n"
                    "store(%out, %t, %f2)\ncopy_wait() {pending = 0}\n", "changed while", 1, late);
        breaks_with(COPY "copy_commit()\n", "in flight when the kernel ends", 1, late);
    }
}

static void test_endless(void **state) {
    breaks("%r = twhile(%c0) : i64 (%a: i64) { %more = le(%c0, %a) : bool\n yield(%more, %a) } (%b: i64) { yield(%b) }\n", "does not end");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchange),       cmocka_unit_test(test_divergence),   cmocka_unit_test(test_while),
        cmocka_unit_test(test_crossed_values), cmocka_unit_test(test_shuffle_and_lanes), cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_reinterpret),    cmocka_unit_test(test_own_memory),
        cmocka_unit_test(test_reads), cmocka_unit_test(test_async),          cmocka_unit_test(test_shared_races), cmocka_unit_test(test_global_races),
        cmocka_unit_test(test_barriers_order), cmocka_unit_test(test_unwritten),    cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_alignment),      cmocka_unit_test(test_divergent_groups), cmocka_unit_test(test_async_rules),
        cmocka_unit_test(test_parts_of_shared), cmocka_unit_test(test_endless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
