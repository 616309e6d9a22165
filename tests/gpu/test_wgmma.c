/* The op wgmma against a plain product, in every layout, and each breach of its rules found. */
#include "rig.h"
#include "ir/atom.h"

enum { THREADS = 256, ROWS = 64, MOST_N = 256, MOST_K = 32, B_AT = 32768, SHARED = B_AT + 65536 };

static bool run(kernel *k, exec_memory *memory, uint64_t seed, bool late, char *message, size_t n) {
    exec_launch l = {.buffers = memory, .tasks = 1, .blocks = 1, .seed = seed, .late = late, .max_steps = 1 << 24};
    return exec_run(k->k, &l, message, n);
}

/* ---- Products ---------------------------------------------------------------------------------------------------- */
typedef struct form {
    frit_dtype t;
    int n, swizzle[2], major[2];
    bool in_registers;
} form;

static int depth_of(const form *f) { return 32 / (int)frit_dtype_bytes(f->t, 1); }

/* Distances that a matrix of so many rows has in this test, with room between its parts. */
static int stride_of(const form *f, int side) { return 8 * f->swizzle[side] * 2; }
static int leading_of(const form *f, int side, int rows) {
    if (f->swizzle[side] == 16) return f->major[side] ? 2 * 2 * stride_of(f, side) : (rows / 8 + 1) * stride_of(f, side);
    return 2 * stride_of(f, side);
}

/* Where element (row, k) lies: the text of the PTX ISA for matrices in shared memory, tile by tile of 8 rows of a swizzle's bytes. */
static int place(const form *f, int side, int rows, int row, int k) {
    int size = (int)frit_dtype_bytes(f->t, 1), span = f->swizzle[side], x = f->major[side] ? row : k, y = f->major[side] ? k : row;
    int in_row = x * size % span, part = x * size / span; /* along the contiguous axis */
    int at = y / 8 * stride_of(f, side) + part * leading_of(f, side, rows) + y % 8 * span + in_row;
    int chunk = at / 16 % 8, line = at / 128 % 8; /* swizzled in units of 16 bytes within 128 */
    chunk ^= span == 128 ? line : span == 64 ? line % 4 : span == 32 ? line % 2 : 0;
    return at / 128 * 128 + chunk * 16 + at % 16;
}

/* Copies shared memory in, multiplies twice by both groups of warps, stores the fragments. */
static kernel product_kernel(const form *f) {
    static char text[8192];
    const char *t = frit_dtype_name(f->t), *acc = f->t == FRIT_i8 ? "i32" : "f32";
    int lanes = f->n / 2, held = 16 / (int)frit_dtype_bytes(f->t, 1);
    char lists[512], a[64];
    snprintf(lists, sizeof lists, "{swizzle = [%d, %d], major = [%d, %d], leading = [%d, %d], stride = [%d, %d]}", f->swizzle[0], f->swizzle[1],
             f->major[0], f->major[1], leading_of(f, 0, ROWS), leading_of(f, 1, f->n), stride_of(f, 0), stride_of(f, 1));
    snprintf(a, sizeof a, f->in_registers ? "%%fa" : "%%sa, %%zero");
    snprintf(text, sizeof text,
             "fir 1\nfunc thread @k(%%x: ptr u32, %%a: ptr %s, %%c: ptr %s, %%d: ptr %s, %%scratch: ptr u8, %%tasks: i64) threads %d shared %d {\n"
             "%%zero = constant() {value = 0} : i64\n%%end = constant() {value = %d} : i64\n%%step = constant() {value = %d} : i64\n"
             "%%lanes = constant() {value = %d} : i64\n%%held = constant() {value = %d} : i64\n"
             "%%t = thread_id() : i64\n%%s = shared() {offset = 0} : ptr core u32\n%%sa = shared() {offset = 0} : ptr core %s\n"
             "%%sb = shared() {offset = %d} : ptr core %s\n"
             "tfor(%%t, %%end, %%step) (%%i: i64) {\n%%w = load(%%x, %%i) : u32\nstore(%%s, %%i, %%w)\nyield()\n}\n"
             "fence_async()\nbarrier()\n"
             "%%ic = mul(%%t, %%lanes) : i64\n%%vc = load(%%c, %%ic) : %sx%d\n%%ia = mul(%%t, %%held) : i64\n%%va = load(%%a, %%ia) : %sx%d\n"
             "%%fc, %%fa = wgmma_fence(%%vc, %%va) : %sx%d, %sx%d\n"
             "%%r = wgmma(%%fc, %s, %%sb, %%zero) %s : %sx%d\n%%q = wgmma(%%r, %s, %%sb, %%zero) %s : %sx%d\nwgmma_commit()\n"
             "%%o = wgmma_wait(%%q) {pending = 0} : %sx%d\nstore(%%d, %%ic, %%o)\nreturn()\n}\n",
             t, acc, acc, THREADS, SHARED, SHARED / 4, THREADS, lanes, held, t, B_AT, t, acc, lanes, t, held, acc, lanes, t, held, a, lists, acc, lanes,
             a, lists, acc, lanes, acc, lanes);
    return rig_kernel(text, 32);
}

static void check_form(const form *f) {
    static unsigned char shared[SHARED], fragments[THREADS * 16], c[THREADS * 128 * 4], d[THREADS * 128 * 4];
    static int a[ROWS][MOST_K], b[MOST_N][MOST_K], sum[ROWS][MOST_N];
    const ir_product *p = ir_wgmma_product(f->t);
    frit_dtype acc = f->t == FRIT_i8 ? FRIT_i32 : FRIT_f32;
    int depth = depth_of(f), lanes = f->n / 2, held = 16 / (int)frit_dtype_bytes(f->t, 1), row, column;
    unsigned seed = 3u + (unsigned)f->n;
    memset(shared, 0x11, sizeof shared);
    for (int r = 0; r < ROWS; r++)
        for (int k = 0; k < depth; k++) rig_put(f->t, shared, place(f, 0, ROWS, r, k) / (int)frit_dtype_bytes(f->t, 1), a[r][k] = rig_number(&seed));
    for (int n = 0; n < f->n; n++)
        for (int k = 0; k < depth; k++) {
            int at = place(f, 1, f->n, n, k);
            assert_true(at + 4 <= SHARED - B_AT);
            rig_put(f->t, shared + B_AT, at / (int)frit_dtype_bytes(f->t, 1), b[n][k] = rig_number(&seed));
        }
    for (int t = 0; t < THREADS; t++) {
        for (int e = 0; e < held; e++) {
            ir_product_place(p, 0, t % 128, e, &row, &column);
            rig_put(f->t, fragments, t * held + e, a[row][column]);
        }
        for (int e = 0; e < lanes; e++) {
            ir_product_place(p, 2, t % 128, e, &row, &column);
            assert_in_range(column, 0, f->n - 1);
            if (t < 128) sum[row][column] = rig_number(&seed);
            rig_put(acc, c, t * lanes + e, sum[row][column]);
        }
    }
    exec_memory memory[] = {{.data = shared, .bytes = SHARED}, {.data = fragments, .bytes = THREADS * 16},
                            {.data = c, .bytes = THREADS * lanes * 4}, {.data = d, .bytes = THREADS * lanes * 4, .output = true}};
    kernel k = product_kernel(f);
    char message[1024];
    for (int late = 0; late < 2; late++) {
        memset(d, 0xff, sizeof d);
        if (!run(&k, memory, 1, late, message, sizeof message)) fail_msg("n %d: %s", f->n, message);
        for (int t = 0; t < THREADS; t++)
            for (int e = 0; e < lanes; e++) {
                ir_product_place(p, 2, t % 128, e, &row, &column);
                int want = sum[row][column];
                for (int i = 0; i < depth; i++) want += 2 * a[row][i] * b[column][i];
                if (rig_get(acc, d, t * lanes + e) != want)
                    fail_msg("%s n %d swizzle %d %d major %d %d: row %d column %d is %d and not %d", frit_dtype_name(f->t), f->n, f->swizzle[0],
                             f->swizzle[1], f->major[0], f->major[1], row, column, rig_get(acc, d, t * lanes + e), want);
            }
    }
    rig_free(&k);
}

static void test_products(void **state) {
    static const frit_dtype types[] = {FRIT_f16, FRIT_bf16, FRIT_f32, FRIT_i8};
    static const int swizzles[] = {16, 32, 64, 128};
    int forms = 0;
    for (int t = 0; t < 4; t++)
        for (int s = 0; s < 16; s++)
            for (int m = 0; m < (t < 2 ? 4 : 1); m++)
                for (int in_registers = 0; in_registers < (s % 4 ? 1 : 2); in_registers++, forms++) {
                    form f = {types[t], 32 << (forms % 3), {swizzles[s % 4], swizzles[s / 4]}, {m % 2, m / 2}, in_registers};
                    check_form(&f);
                }
    for (int n = 8; n <= 256; n += 8) check_form(&(form){FRIT_bf16, n, {128, 128}, {0, n / 8 % 2 && n % 64 == 0}, false});
}

/* Single places, as the PTX ISA words them ("Register Fragments" of wgmma, D: row 16 warp + group of four + 8 (i / 2 % 2)). */
static void test_places(void **state) {
    static const struct {
        frit_dtype t;
        int o, thread, i, row, column;
    } at[] = {{FRIT_f16, 2, 0, 0, 0, 0},      {FRIT_f16, 2, 77, 7, 43, 11},  {FRIT_f16, 2, 127, 127, 63, 255}, {FRIT_f16, 0, 77, 6, 43, 10},
              {FRIT_bf16, 0, 33, 1, 16, 3},   {FRIT_f32, 0, 98, 3, 56, 6},   {FRIT_f32, 2, 98, 3, 56, 5},      {FRIT_i8, 0, 37, 13, 25, 21},
              {FRIT_i8, 2, 37, 65, 17, 131}};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        int row, column;
        ir_product_place(ir_wgmma_product(at[i].t), at[i].o, at[i].thread, at[i].i, &row, &column);
        assert_int_equal(row, at[i].row);
        assert_int_equal(column, at[i].column);
    }
}

/* tf32 reads 19 bits: what lies below does not count. */
static void test_tf32_cuts(void **state) {
    form f = {FRIT_f32, 8, {128, 128}, {0, 0}, false};
    static float shared[SHARED / 4], c[THREADS * 4], d[THREADS * 4], fragments[THREADS * 4];
    for (int i = 0; i < SHARED / 4; i++) shared[i] = i < B_AT / 4 ? 1.0f + 0x1p-11f : 1.0f + 0x1p-10f + 0x1p-12f;
    exec_memory memory[] = {{.data = shared, .bytes = SHARED}, {.data = fragments, .bytes = sizeof fragments}, {.data = c, .bytes = sizeof c},
                            {.data = d, .bytes = sizeof d, .output = true}};
    kernel k = product_kernel(&f);
    char message[1024];
    if (!run(&k, memory, 0, false, message, sizeof message)) fail_msg("%s", message);
    for (int i = 0; i < THREADS * 4; i++) assert_true(d[i] == 16 * (1.0f + 0x1p-10f));
    rig_free(&k);
}

/* ---- Rules ------------------------------------------------------------------------------------------------------- */
static void breaks(const char *body, const char *what) {
    char text[4096], message[1024];
    snprintf(text, sizeof text,
             "fir 1\nfunc thread @k(%%x: ptr f16, %%scratch: ptr u8, %%tasks: i64) threads 128 shared 4096 {\n%%t = thread_id() : i64\n"
             "%%s = shared() {offset = 0} : ptr core f16\n%%n = constant() {value = 8} : i64\n%%zero = constant() {value = 0} : i64\n"
             "%%i = mul(%%t, %%n) : i64\n%%v = load(%%x, %%i) : f16x8\n%%nil = constant() {value = 0} : f32x4\n%%h = constant() {value = 64} : i64\n%sreturn()\n}\n",
             body);
    kernel k = rig_kernel(text, 32);
    static uint16_t x[4096];
    exec_memory memory[] = {{.data = x, .bytes = sizeof x}};
    for (int late = 0; late < 2; late++) {
        bool fine = run(&k, memory, 1, late, message, sizeof message);
        if (late && fine) fail_msg("nothing is found, but '%s' should be", what);
        if (!fine && !strstr(message, what)) fail_msg("'%s' does not say '%s'", message, what);
    }
    rig_free(&k);
}

#define FILL "store(%s, %i, %v)\n%j = add(%i, %kb) : i64\nstore(%s, %j, %v)\n"
#define KB "%kb = constant() {value = 1024} : i64\n"
#define LISTS " {swizzle = [16, 16], major = [0, 0], leading = [1024, 1024], stride = [128, 128]} : f32x4\n"
#define MMA(d, c) "%" d " = wgmma(%" c ", %s, %zero, %s, %zero)" LISTS
#define START KB FILL "fence_async()\nbarrier()\n%f = wgmma_fence(%nil) : f32x4\n"
#define WAIT(d, c, n) "%" d " = wgmma_wait(%" c ") {pending = " n "} : f32x4\n"

static void test_rules(void **state) {
    breaks(KB FILL "barrier()\n%f = wgmma_fence(%nil) : f32x4\n" MMA("r", "f") "wgmma_commit()\n" WAIT("o", "r", "0"), "no fence_async");
    breaks(KB "fence_async()\n" FILL "barrier()\n%f = wgmma_fence(%nil) : f32x4\n" MMA("r", "f") "wgmma_commit()\n" WAIT("o", "r", "0"), "no fence_async");
    breaks(KB FILL "fence_async()\n%f = wgmma_fence(%nil) : f32x4\n" MMA("r", "f") "wgmma_commit()\n" WAIT("o", "r", "0"), "race");
    breaks("%f = wgmma_fence(%nil) : f32x4\n" MMA("r", "f") "wgmma_commit()\n" WAIT("o", "r", "0"), "nothing has written");
    breaks(START MMA("r", "f") WAIT("o", "r", "0"), "no wgmma_commit");
    breaks(START MMA("r", "f") "wgmma_commit()\n" WAIT("o", "r", "1"), "under way");
    breaks(START MMA("r", "f") "wgmma_commit()\n", "under way when the kernel ends");
    breaks(START MMA("r", "f") MMA("q", "f") "wgmma_commit()\n" WAIT("o", "r", "0"), "no more");
    breaks(START MMA("r", "f") "wgmma_commit()\nstore(%s, %i, %v)\n" WAIT("o", "r", "0"), "race");
    breaks(START MMA("r", "f") "wgmma_commit()\nbarrier()\nstore(%s, %i, %v)\n" WAIT("o", "r", "0"), "race");
    breaks(START "%r = wgmma(%f, %s, %h, %s, %zero) {swizzle = [32, 16], major = [0, 0], leading = [1024, 1024], stride = [256, 128]} : f32x4\n"
           "wgmma_commit()\n" WAIT("o", "r", "0"), "first row of a pattern");
    breaks(START "%low = lt(%t, %h) : bool\ntif(%low) () {\n" MMA("r", "f") "wgmma_commit()\n" WAIT("o", "r", "0") "yield()\n} () {\nyield()\n}\n",
           "of the same group of four warps does not");
    breaks(START "%r = wgmma(%f, %s, %t, %s, %zero)" LISTS "wgmma_commit()\n" WAIT("o", "r", "0"), "names another matrix");
}

/* A stage is free again when the wait covers its group, and no earlier. */
static void test_stages(void **state) {
    char text[4096], message[1024];
    for (int pending = 0; pending < 2; pending++) {
        char *at;
        strcpy(text,
                 "fir 1\nfunc thread @k(%x: ptr f16, %d: ptr f32, %scratch: ptr u8, %tasks: i64) threads 128 shared 8192 {\n%t = thread_id() : i64\n"
                 "%s = shared() {offset = 0} : ptr core f16\n%u = shared() {offset = 4096} : ptr core f16\n%n = constant() {value = 8} : i64\n"
                 "%zero = constant() {value = 0} : i64\n%four = constant() {value = 4} : i64\n%i = mul(%t, %n) : i64\n%v = load(%x, %i) : f16x8\n"
                 "%nil = constant() {value = 0} : f32x4\n" KB FILL "store(%u, %i, %v)\nstore(%u, %j, %v)\nfence_async()\nbarrier()\n"
                 "%f = wgmma_fence(%nil) : f32x4\n" "%r = wgmma(%f, %s, %zero, %s, %zero)" LISTS "wgmma_commit()\n"
                 "%q = wgmma(%r, %u, %zero, %u, %zero)" LISTS "wgmma_commit()\nwgmma_wait() {pending = 1}\nbarrier()\n"
                 "store(%@, %i, %v)\nfence_async()\nbarrier()\n%o = wgmma_wait(%q) {pending = 0} : f32x4\n"
                 "%at = mul(%t, %four) : i64\nstore(%d, %at, %o)\nreturn()\n}\n");
        at = strstr(text, "%@") + 1;
        *at = pending ? 'u' : 's';
        kernel k = rig_kernel(text, 32);
        static uint16_t x[1024];
        static float d[512];
        exec_memory memory[] = {{.data = x, .bytes = sizeof x}, {.data = d, .bytes = sizeof d, .output = true}};
        bool fine = run(&k, memory, 1, true, message, sizeof message);
        if (!pending && !fine) fail_msg("%s", message);
        if (pending && (fine || !strstr(message, "race"))) fail_msg("the stage that is in use: %s", fine ? "nothing is found" : message);
        rig_free(&k);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products), cmocka_unit_test(test_places), cmocka_unit_test(test_tf32_cuts),
                                       cmocka_unit_test(test_rules), cmocka_unit_test(test_stages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
