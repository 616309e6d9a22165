/* Every row of ir/atoms.def against a plain matrix product (or a plain walk over the rows, for ldmatrix). The fragments are
 * made here from the definitions' wording, apart from the twins' own tables. */
#include "rig.h"
#include "ir/atom.h"

enum { WARPS = 2, THREADS = 32 * WARPS, MOST = 16 };

/* Rows as the def file has them. */
static const struct {
    const char *name, *threads, *operands, *results;
} rows[] = {
#define ATOM(name, threads, operands, results, doc) {#name, threads, operands, results},
#include "ir/atoms.def"
#undef ATOM
};
enum { N_ROWS = sizeof rows / sizeof *rows };

/* "8xf16" */
static int fragment(const char *s, frit_dtype *t) {
    int lanes = atoi(s);
    s = strchr(s, 'x') + 1;
    *t = frit_dtype_from_name(s, strcspn(s, " "));
    return lanes;
}

static void run(kernel *k, int n, exec_memory *memory) {
    char message[1024];
    exec_launch l = {.buffers = memory, .tasks = 1, .blocks = 1};
    (void)n;
    if (!exec_run(k->k, &l, message, sizeof message)) fail_msg("%s", message);
}

/* ---- Products ---------------------------------------------------------------------------------------------------- */
/* A kernel whose thread t loads its fragments of %a, %b, %c and stores that of the result. */
static kernel product_kernel(int row) {
    const char *o = rows[row].operands;
    frit_dtype t[3];
    int lanes[3];
    char text[4096], *p = text;
    for (int i = 0; i < 3; i++) {
        lanes[i] = fragment(o, &t[i]);
        o = strchr(o, ' ') ? strchr(o, ' ') + 1 : "";
    }
    p += sprintf(p, "fir 1\nfunc thread @k(%%a: ptr %s, %%b: ptr %s, %%c: ptr %s, %%d: ptr %s, %%scratch: ptr u8, %%tasks: i64) threads %d "
                    "shared 0 {\n%%t = thread_id() : i64\n", frit_dtype_name(t[0]), frit_dtype_name(t[1]), frit_dtype_name(t[2]),
                 frit_dtype_name(t[2]), THREADS);
    for (int i = 0; i < 3; i++)
        p += sprintf(p, "%%n%d = constant() {value = %d} : i64\n%%i%d = mul(%%t, %%n%d) : i64\n%%v%d = load(%%%c, %%i%d) : %sx%d\n", i, lanes[i],
                     i, i, i, 'a' + i, i, frit_dtype_name(t[i]), lanes[i]);
    sprintf(p, "%%r = atom(%%v0, %%v1, %%v2) {name = \"%s\"} : %sx%d\nstore(%%d, %%i2, %%r)\nreturn()\n}\n", rows[row].name,
            frit_dtype_name(t[2]), lanes[2]);
    return rig_kernel(text, 32);
}

/* Where the matrices' elements lie in fragments: (lane, index) by row and column, from the wording of the PTX ISA turned
 * around. bits: of an element of A and B. */
typedef struct at {
    int lane, i;
} at;
static at a_at(int bits, int row, int column) {
    if (bits == 32) return (at){row % 8 * 4 + column % 4, row / 8 + 2 * (column / 4)};
    int pack = bits == 16 ? 2 : 4, half = 4 * pack; /* elements of a register; columns of half the depth */
    return (at){row % 8 * 4 + column % half / pack, column % pack + pack * (row / 8) + 2 * pack * (column / half)};
}
static at b_at(int bits, int row, int column) {
    if (bits == 32) return (at){column * 4 + row % 4, row / 4};
    int pack = bits == 16 ? 2 : 4, half = 4 * pack;
    return (at){column * 4 + row % half / pack, row % pack + pack * (row / half)};
}
static at c_at(int row, int column) { return (at){row % 8 * 4 + column / 2, column % 2 + 2 * (row / 8)}; }

static void test_product(int row) {
    frit_dtype ta, tb, tc;
    const char *o = rows[row].operands;
    int la = fragment(o, &ta), lb = fragment(strchr(o, ' ') + 1, &tb), lc = fragment(strrchr(o, ' ') + 1, &tc);
    int bits = (int)frit_dtype_bits(ta), depth = la * 2;
    unsigned seed = 7u + (unsigned)row;
    int a[WARPS][16][32], b[WARPS][32][8], c[WARPS][16][8];
    _Alignas(16) char fa[THREADS * MOST * 4], fb[THREADS * MOST * 4], fc[THREADS * 4 * 4], fd[THREADS * 4 * 4];
    assert_int_equal(depth, bits == 32 ? 8 : bits == 16 ? 16 : 32);
    for (int w = 0; w < WARPS; w++) {
        for (int i = 0; i < 16; i++)
            for (int k = 0; k < depth; k++) {
                at p = a_at(bits, i, k);
                rig_put(ta, fa, (w * 32 + p.lane) * la + p.i, a[w][i][k] = rig_number(&seed));
            }
        for (int k = 0; k < depth; k++)
            for (int j = 0; j < 8; j++) {
                at p = b_at(bits, k, j);
                rig_put(tb, fb, (w * 32 + p.lane) * lb + p.i, b[w][k][j] = rig_number(&seed));
            }
        for (int i = 0; i < 16; i++)
            for (int j = 0; j < 8; j++) rig_put(tc, fc, (w * 32 + c_at(i, j).lane) * lc + c_at(i, j).i, c[w][i][j] = rig_number(&seed));
    }
    exec_memory memory[] = {{.data = fa, .bytes = THREADS * la * bits / 8}, {.data = fb, .bytes = THREADS * lb * bits / 8},
                            {.data = fc, .bytes = sizeof fc}, {.data = fd, .bytes = sizeof fd, .output = true}};
    kernel k = product_kernel(row);
    run(&k, 4, memory);
    for (int w = 0; w < WARPS; w++)
        for (int i = 0; i < 16; i++)
            for (int j = 0; j < 8; j++) {
                int want = c[w][i][j];
                for (int l = 0; l < depth; l++) want += a[w][i][l] * b[w][l][j];
                assert_int_equal(rig_get(tc, fd, (w * 32 + c_at(i, j).lane) * lc + c_at(i, j).i), want);
            }
    rig_free(&k);
}

/* ---- ldmatrix ---------------------------------------------------------------------------------------------------- */
/* 64 rows of 8 elements are copied to shared memory; lane l of warp w takes row permuted(32 w + l). */
static int permuted(int row) { return row * 5 % 64; }

static void test_ldmatrix(int row) {
    bool transposed = strstr(rows[row].name, "trans");
    frit_dtype t;
    assert_int_equal(fragment(rows[row].results, &t), 8);
    const char *n = frit_dtype_name(t);
    char text[4096];
    sprintf(text,
            "fir 1\nfunc thread @k(%%x: ptr %s, %%d: ptr %s, %%scratch: ptr u8, %%tasks: i64) threads 64 shared 1024 {\n"
            "%%t = thread_id() : i64\n%%n = constant() {value = 8} : i64\n%%f = constant() {value = 5} : i64\n%%m = constant() {value = 64} : i64\n"
            "%%i = mul(%%t, %%n) : i64\n%%v = load(%%x, %%i) : %sx8\n%%s = shared() {offset = 0} : ptr core %s\nstore(%%s, %%i, %%v)\nbarrier()\n"
            "%%p = mul(%%t, %%f) : i64\n%%q = rem(%%p, %%m) : i64\n%%j = mul(%%q, %%n) : i64\n%%r = atom(%%s, %%j) {name = \"%s\"} : %sx8\n"
            "store(%%d, %%i, %%r)\nreturn()\n}\n", n, n, n, n, rows[row].name, n);
    kernel k = rig_kernel(text, 32);
    uint16_t x[64][8], d[64][8];
    for (int i = 0; i < 64 * 8; i++) x[i / 8][i % 8] = (uint16_t)(i * 31);
    exec_memory memory[] = {{.data = x, .bytes = sizeof x}, {.data = d, .bytes = sizeof d, .output = true}};
    run(&k, 2, memory);
    for (int thread = 0; thread < 64; thread++)
        for (int matrix = 0; matrix < 4; matrix++)
            for (int e = 0; e < 2; e++) {
                int lane = thread % 32, r = lane / 4, column = lane % 4 * 2 + e;
                int from = permuted(thread / 32 * 32 + matrix * 8 + (transposed ? column : r));
                assert_int_equal(d[thread][matrix * 2 + e], x[from][transposed ? r : column]);
            }
    rig_free(&k);
}

static void test_every_row(void **state) {
    for (int i = 0; i < N_ROWS; i++) {
        if (!strncmp(rows[i].name, "mma_", 4)) test_product(i);
        else if (!strncmp(rows[i].name, "ldmatrix_", 9)) test_ldmatrix(i);
        else if (!ir_product_find(rows[i].name)) /* test_products.c has them */
            fail_msg("%s has no test", rows[i].name);
    }
}

/* tf32 reads 19 bits: what lies below does not count. */
static void test_tf32_cuts(void **state) {
    int row = 0;
    while (strcmp(rows[row].name, "mma_m16n8k8_tf32")) row++;
    float a[THREADS * 4], b[THREADS * 2], c[THREADS * 4] = {0}, d[THREADS * 4];
    for (int i = 0; i < THREADS * 4; i++) a[i] = 1.0f + 0x1p-11f;
    for (int i = 0; i < THREADS * 2; i++) b[i] = 1.0f + 0x1p-10f + 0x1p-12f;
    exec_memory memory[] = {{.data = a, .bytes = sizeof a}, {.data = b, .bytes = sizeof b}, {.data = c, .bytes = sizeof c},
                            {.data = d, .bytes = sizeof d, .output = true}};
    kernel k = product_kernel(row);
    run(&k, 4, memory);
    for (int i = 0; i < THREADS * 4; i++) assert_true(d[i] == 8 * (1.0f + 0x1p-10f));
    rig_free(&k);
}

/* What breaks the rules of atoms. */
static void breaks(const char *body, const char *what) {
    char text[4096], message[1024];
    snprintf(text, sizeof text,
             "fir 1\nfunc thread @k(%%x: ptr f16, %%scratch: ptr u8, %%tasks: i64) threads 64 shared 2048 {\n%%t = thread_id() : i64\n"
             "%%s = shared() {offset = 0} : ptr core f16\n%%n = constant() {value = 8} : i64\n%%one = constant() {value = 1} : i64\n"
             "%%i = mul(%%t, %%n) : i64\n%%v = load(%%x, %%i) : f16x8\n%sreturn()\n}\n", body);
    kernel k = rig_kernel(text, 32);
    uint16_t x[64 * 8] = {0};
    exec_memory memory[] = {{.data = x, .bytes = sizeof x}};
    exec_launch l = {.buffers = memory, .tasks = 1, .blocks = 1};
    if (exec_run(k.k, &l, message, sizeof message)) fail_msg("nothing is found, but '%s' should be", what);
    if (!strstr(message, what)) fail_msg("'%s' does not say '%s'", message, what);
    rig_free(&k);
}

static void test_rules(void **state) {
#define LD "%r = atom(%s, %j) {name = \"ldmatrix_x4_f16\"} : f16x8\n"
    breaks("store(%s, %i, %v)\nbarrier()\n%j = add(%i, %one) : i64\n" LD, "not aligned to 16");
    breaks("store(%s, %i, %v)\n%j = mul(%t, %n) : i64\n" LD, "race"); /* even its own row: the warp reads */
    breaks("%j = mul(%t, %n) : i64\n" LD, "nothing has written");
    breaks("store(%s, %i, %v)\nbarrier()\n%j = mul(%t, %n) : i64\n%low = lt(%t, %n) : bool\ntif(%low) () { " LD " yield() } () { yield() }\n",
           "of the same warp does not");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_row), cmocka_unit_test(test_tf32_cuts), cmocka_unit_test(test_rules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
