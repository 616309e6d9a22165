/* mbarriers, tensor and bulk copies, barriers of parts, roles of warps: what they compute, and that each breach is found. */
#include "rig.h"

enum { SIDE = 96, COUNT = SIDE * SIDE };
static float x[COUNT], out[COUNT];

static bool run(kernel *k, int64_t n, int seed, char *message, size_t size) {
    exec_memory memory[] = {{.data = x, .bytes = sizeof x}, {.data = out, .bytes = sizeof out, .output = true}};
    exec_launch l = {.buffers = memory, .ints = &n, .tasks = 1, .blocks = 1, .seed = (uint64_t)seed, .late = seed & 1, .max_steps = 1 << 22};
    for (int i = 0; i < COUNT; i++) x[i] = (float)i, out[i] = -1;
    return exec_run(k->k, &l, message, size);
}

#define HEAD                                                                                                           \
    "fir 1\nint N\nfunc thread @k(%x: ptr f32, %out: ptr f32, %n: i64 is N, %scratch: ptr u8, %tasks: i64) threads 128 shared 20480 {\n" \
    "%zero = constant() {value = 0} : i64\n%one = constant() {value = 1} : i64\n%two = constant() {value = 2} : i64\n" \
    "%four = constant() {value = 4} : i64\n%side = constant() {value = 96} : i64\n%warp = constant() {value = 32} : i64\n" \
    "%half = constant() {value = 64} : i64\n%ninety = constant() {value = 90} : i64\n%bytes = constant() {value = 4096} : i64\n" \
    "%map = tensor_map(%x, %side, %n, %side) {box = [32, 32], swizzle = [128]} : ptr map f32\n"                        \
    "%omap = tensor_map(%out, %side, %n, %side) {box = [32, 32], swizzle = [128]} : ptr map f32\n"                     \
    "%t = thread_id() : i64\n%s = shared() {offset = 0} : ptr core f32\n%u = shared() {offset = 4096} : ptr core f32\n" \
    "%bar = shared() {offset = 16384} : ptr core u64\n%first = eq(%t, %zero) : bool\n"
#define INIT(more) "tif(%first) () {\nmbarrier_init(%bar, %zero) {count = 1}\n" more "fence_async()\nyield()\n} () {\nyield()\n}\nbarrier()\n"
#define ONE(body) "tif(%first) () {\n" body "yield()\n} () {\nyield()\n}\n"
#define LOAD(to, row, column) "tensor_load(" to ", %zero, %map, %bar, %zero, " column ", " row ")\n"
#define EXPECT "mbarrier_arrive(%bar, %zero, %bytes)\n"
#define WAIT "mbarrier_wait(%bar, %zero, %zero)\n"
/* %e: what thread t sees at element t of %s */
#define STORE "%e = load(%s, %t) : f32\nstore(%out, %t, %e)\n"
#define TAIL "return()\n}\n"

static void breaks(const char *body, const char *what) {
    char message[1024];
    kernel k = rig_kernel(body, 32);
    bool found = false;
    for (int seed = 0; seed < 8; seed++) {
        if (run(&k, SIDE, seed, message, sizeof message)) continue;
        found = true;
        if (!strstr(message, what)) fail_msg("'%s' does not say '%s'", message, what);
    }
    if (!found) fail_msg("nothing is found, but '%s' should be", what);
    rig_free(&k);
}

static void works(const char *body, int64_t n) {
    char message[1024];
    kernel k = rig_kernel(body, 32);
    for (int seed = 0; seed < 8; seed++)
        if (!run(&k, n, seed, message, sizeof message)) fail_msg("%s", message);
    rig_free(&k);
}

/* ---- Tensor copies ----------------------------------------------------------------------------------------------- */
/* Where element (row, column) of a 32 x 32 box of f32 lies under the 128-byte swizzle: chunks of 4, permuted by the row. */
static int swizzled(int row, int column) { return row * 32 + (column / 4 ^ row % 8) * 4 + column % 4; }

/* A box at (row, column) goes out as it lies in shared memory. */
static void check_box(const char *row, const char *column, int at_row, int at_column, int64_t n) {
    char whole[8192];
    snprintf(whole, sizeof whole, "%stensor_load(%%s, %%zero, %%map, %%bar, %%zero, %s, %s)\n%s",
             HEAD "%thousand = constant() {value = 1024} : i64\n%threads = constant() {value = 128} : i64\n%back = constant() {value = -5} : i64\n"
             "%far = constant() {value = 80} : i64\n" INIT("") "tif(%first) () {\n" EXPECT, column, row,
             "yield()\n} () {\nyield()\n}\n" WAIT "tfor(%t, %thousand, %threads) (%i: i64) {\n%e = load(%s, %i) : f32\nstore(%out, %i, %e)\nyield()\n}\n" TAIL);
    works(whole, n);
    for (int r = 0; r < 32; r++)
        for (int c = 0; c < 32; c++) {
            int from_r = at_row + r, from_c = at_column + c;
            bool inside = from_r >= 0 && from_r < n && from_c >= 0 && from_c < SIDE;
            float want = inside ? (float)(from_r * SIDE + from_c) : 0;
            if (out[swizzled(r, c)] != want) fail_msg("row %d column %d is %g and not %g", r, c, out[swizzled(r, c)], want);
        }
}

static void test_boxes(void **state) {
    check_box("%zero", "%zero", 0, 0, SIDE);
    check_box("%warp", "%half", 32, 64, SIDE);
    check_box("%far", "%far", 80, 80, SIDE); /* beyond the end */
    check_box("%back", "%back", -5, -5, SIDE);
    check_box("%zero", "%four", 0, 4, 17); /* extents are values */
}

/* A box goes out through a tensor store, in part beyond the edge. */
static void test_store(void **state) {
    works(HEAD INIT("") ONE(EXPECT LOAD("%s", "%zero", "%zero")) WAIT "barrier()\n"
          ONE("tensor_store(%omap, %s, %zero, %half, %ninety)\nbulk_commit()\nbulk_wait() {pending = 0, reading = 1}\n") TAIL, SIDE);
    for (int r = 0; r < SIDE; r++)
        for (int c = 0; c < SIDE; c++) {
            bool inside = r >= 90 && c >= 64;
            assert_true(out[r * SIDE + c] == (inside ? (float)((r - 90) * SIDE + c - 64) : -1));
        }
}

static void test_bulk(void **state) {
    works(HEAD INIT("") ONE(EXPECT "%k = constant() {value = 1024} : i64\nbulk_load(%s, %zero, %x, %side, %k, %bar, %zero)\n") WAIT "barrier()\n"
          ONE("%m = constant() {value = 512} : i64\nbulk_store(%out, %zero, %s, %four, %m)\nbulk_commit()\nbulk_wait() {pending = 0}\n") TAIL, SIDE);
    for (int i = 0; i < 512; i++) assert_true(out[i] == (float)(SIDE + 4 + i));
}

static void test_copy_rules(void **state) {
#define GOOD HEAD INIT("") ONE(EXPECT LOAD("%s", "%zero", "%zero")) WAIT STORE TAIL
    works(GOOD, SIDE);
    breaks(HEAD INIT("") ONE(EXPECT LOAD("%s", "%zero", "%zero")) "barrier()\n" STORE TAIL, "byte 0 of shared memory");
    breaks(HEAD INIT("") ONE(EXPECT LOAD("%s", "%zero", "%zero")) "mbarrier_wait(%bar, %zero, %one)\n" STORE WAIT TAIL, "");
    breaks(HEAD INIT("") ONE(EXPECT) WAIT TAIL, "waits for ever");
    breaks(HEAD INIT("") ONE("mbarrier_arrive(%bar, %zero)\n" LOAD("%s", "%zero", "%zero")) WAIT STORE TAIL, "");
    breaks(HEAD INIT("") ONE(EXPECT EXPECT LOAD("%s", "%zero", "%zero")) WAIT STORE TAIL, "more arrivals");
    breaks(HEAD INIT("") ONE(LOAD("%s", "%zero", "%zero")) WAIT STORE TAIL, "waits for ever");
    breaks(HEAD ONE("mbarrier_init(%bar, %zero) {count = 1}\n") "barrier()\n" ONE(EXPECT LOAD("%s", "%zero", "%zero")) WAIT STORE TAIL, "no fence_async");
    breaks(HEAD ONE("mbarrier_init(%bar, %zero) {count = 1}\nfence_async()\n") ONE(EXPECT LOAD("%s", "%zero", "%zero")) WAIT STORE TAIL, "race");
    breaks(HEAD INIT("") ONE(EXPECT "tensor_load(%s, %half, %map, %bar, %zero, %zero, %zero)\n") WAIT TAIL, "not aligned");
    breaks(HEAD INIT("") ONE(EXPECT LOAD("%s", "%zero", "%zero")) TAIL, "");
    breaks(HEAD INIT("") "%f = load(%x, %t) : f32\nstore(%s, %t, %f)\n"
           ONE(EXPECT LOAD("%s", "%zero", "%zero")) WAIT STORE TAIL, "");
    breaks(HEAD INIT("") "%f = load(%x, %t) : f32\nstore(%s, %t, %f)\nbarrier()\n" ONE(EXPECT LOAD("%s", "%zero", "%zero")) WAIT STORE TAIL, "no fence_async");
    works(HEAD INIT("") "%f = load(%x, %t) : f32\nstore(%s, %t, %f)\nfence_async()\nbarrier()\n" ONE(EXPECT LOAD("%s", "%zero", "%zero")) WAIT STORE TAIL, SIDE);
    breaks(HEAD INIT("") ONE("mbarrier_arrive(%bar, %one)\n") TAIL, "no mbarrier");
    /* stores */
#define FILLED HEAD "%f = load(%x, %t) : f32\ntfor(%zero, %side, %four) (%i: i64) {\n%j = mul(%i, %warp) : i64\n%k = add(%j, %t) : i64\n%m = constant() {value = 1024} : i64\n%ok = lt(%k, %m) : bool\ntif(%ok) () {\nstore(%s, %k, %f)\nyield()\n} () {\nyield()\n}\nyield()\n}\n"
#define OUT "tensor_store(%omap, %s, %zero, %zero, %zero)\n"
    works(FILLED "fence_async()\nbarrier()\n" ONE(OUT "bulk_commit()\nbulk_wait() {pending = 0, reading = 1}\n") TAIL, SIDE);
    breaks(FILLED "barrier()\n" ONE(OUT "bulk_commit()\nbulk_wait() {pending = 0, reading = 1}\n") TAIL, "no fence_async");
    breaks(FILLED "fence_async()\n" ONE(OUT "bulk_commit()\nbulk_wait() {pending = 0, reading = 1}\n") TAIL, "race");
    breaks(FILLED "fence_async()\nbarrier()\n" ONE(OUT "bulk_commit()\n") TAIL, "in flight when the kernel ends");
    breaks(FILLED "fence_async()\nbarrier()\n" ONE(OUT "bulk_wait() {pending = 0, reading = 1}\n") TAIL, "in flight when the kernel ends");
    breaks(FILLED "fence_async()\nbarrier()\n" ONE(OUT "bulk_commit()\n") "barrier()\nstore(%s, %t, %f)\nbarrier()\n"
           ONE("bulk_wait() {pending = 0, reading = 1}\n") TAIL, "race");
    works(FILLED "fence_async()\nbarrier()\n" ONE(OUT "bulk_commit()\nbulk_wait() {pending = 0, reading = 1}\n") "barrier()\nstore(%s, %t, %f)\n" TAIL, SIDE);
    breaks(FILLED "fence_async()\nbarrier()\n" ONE(OUT "bulk_commit()\nbulk_wait() {pending = 0, reading = 1}\nstore(%out, %zero, %f)\n") TAIL, "");
}

/* ---- Roles ------------------------------------------------------------------------------------------------------- */
/* One warp brings n boxes through two stages, three warps add them up; shaped by what is between. */
#define STAGES INIT("mbarrier_init(%bar, %one) {count = 1}\nmbarrier_init(%bar, %two) {count = 96}\n%three = constant() {value = 3} : i64\nmbarrier_init(%bar, %three) {count = 96}\n")
#define ROLES(empty, full, release)                                                                                    \
    HEAD "%steps = constant() {value = 6} : i64\n%box = constant() {value = 1024} : i64\n" STAGES                       \
    "%producer = lt(%t, %warp) : bool\ntif(%producer) () {\ntfor(%zero, %steps, %one) (%i: i64) {\n"                    \
    "%stage = rem(%i, %two) : i64\n%round = floordiv(%i, %two) : i64\n%parity = rem(%round, %two) : i64\n%empty = add(%stage, %two) : i64\n" \
    "%passes = xor(%parity, %one) : i64\n" empty                                                                       \
    "tif(%first) () {\n%at = mul(%stage, %box) : i64\nmbarrier_arrive(%bar, %stage, %bytes)\n%column = mul(%i, %four) : i64\n" \
    "tensor_load(%s, %at, %map, %bar, %stage, %column, %zero)\nyield()\n} () {\nyield()\n}\nyield()\n}\nyield()\n} () {\n" \
    "%nil = constant() {value = 0} : f32\n%sum = tfor(%zero, %steps, %one, %nil) : f32 (%w: i64, %acc: f32) {\n"        \
    "%st = rem(%w, %two) : i64\n%ro = floordiv(%w, %two) : i64\n%pa = rem(%ro, %two) : i64\n%em = add(%st, %two) : i64\n" \
    full "%where = mul(%st, %box) : i64\n%me = add(%where, %t) : i64\n%v = load(%s, %me) : f32\n%next = add(%acc, %v) : f32\n" release \
    "yield(%next)\n}\nstore(%out, %t, %sum)\nyield()\n}\n" TAIL
#define WAIT_EMPTY "mbarrier_wait(%bar, %empty, %passes)\n"
#define WAIT_FULL "mbarrier_wait(%bar, %st, %pa)\n"
#define RELEASE "mbarrier_arrive(%bar, %em)\n"

static void test_roles(void **state) {
    works(ROLES(WAIT_EMPTY, WAIT_FULL, RELEASE), SIDE);
    for (int t = 32; t < 128; t++) {
        float want = 0;
        int row = t / 32, column = (t % 32 / 4 ^ row % 8) * 4 + t % 4;
        for (int i = 0; i < 6; i++) want += (float)(row * SIDE + column + 4 * i);
        assert_true(out[t] == want);
    }
    breaks(ROLES("", WAIT_FULL, RELEASE), "");                              /* a stage is overwritten */
    breaks(ROLES(WAIT_EMPTY, "", RELEASE), "");                             /* read too early */
    breaks(ROLES(WAIT_EMPTY, WAIT_FULL, ""), "waits for ever");
    breaks(ROLES("mbarrier_wait(%bar, %empty, %parity)\n", WAIT_FULL, RELEASE), "waits for ever");
    breaks(ROLES(WAIT_EMPTY, WAIT_FULL, RELEASE "%again = load(%s, %me) : f32\n"), ""); /* after it was given away */
    breaks(ROLES(WAIT_EMPTY, WAIT_FULL, "tif(%producer) () {\nyield()\n} () {\n" RELEASE RELEASE "yield()\n}\n"), "");
}

/* Ordering within parts: warps 0 and 1 by a barrier of their own, lanes of a warp by the warp's. */
#define PARTS(between) HEAD "%low = lt(%t, %half) : bool\ntif(%low) () {\n%f = load(%x, %t) : f32\nstore(%s, %t, %f)\n" between                       \
    "%o = xor(%t, %mask) : i64\n%e = load(%s, %o) : f32\nstore(%out, %t, %e)\nyield()\n} () {\npart_barrier() {count = 64, barrier = 2}\nyield()\n}\n" TAIL
#define MASK(n) "%mask = constant() {value = " n "} : i64\n"

static void test_parts(void **state) {
    works(PARTS("part_barrier() {count = 64, barrier = 1}\n" MASK("33")), SIDE);
    for (int t = 0; t < 64; t++) assert_true(out[t] == (float)(t ^ 33));
    works(PARTS("warp_barrier()\n" MASK("1")), SIDE);
    breaks(PARTS("warp_barrier()\n" MASK("33")), "race");
    breaks(PARTS(MASK("1")), "race");
    breaks(PARTS("part_barrier() {count = 96, barrier = 1}\n" MASK("33")), "waits for ever");
    breaks(PARTS("part_barrier() {count = 32, barrier = 1}\n" MASK("33")), "64 threads come to");
    breaks(PARTS("barrier()\n" MASK("33")), "does not");
    works(HEAD "%low = lt(%t, %half) : bool\ntif(%low) () {\npart_barrier() {count = 128, barrier = 3}\nyield()\n} () {\npart_barrier() {count = 128, barrier = 3}\nyield()\n}\n" TAIL, SIDE);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_boxes), cmocka_unit_test(test_store), cmocka_unit_test(test_bulk),
                                       cmocka_unit_test(test_copy_rules), cmocka_unit_test(test_roles), cmocka_unit_test(test_parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
