/* ir/products.def: its places cover every matrix, agree with atoms.def and with the vendors' wording at single points, and the
 * twins multiply. */
#include "rig.h"
#include "ir/atom.h"

enum { SIDE = 32, WARPS = 2, MOST = 64 * WARPS * 16 };

static void sides(const ir_product *p, int o, int *rows, int *columns) {
    *rows = o == 1 ? p->k : p->m;
    *columns = o == 0 ? p->k : p->n;
}

/* Every element of every operand is held, and by as many threads as every other. */
static void test_cover(void **state) {
    for (int i = 0; ir_product_at(i); i++)
        for (int o = 0; o < 3; o++) {
            const ir_product *p = ir_product_at(i);
            int seen[SIDE][SIDE] = {{0}}, rows, columns, n = ir_product_elements(p, o);
            sides(p, o, &rows, &columns);
            for (int lane = 0; lane < p->warp; lane++)
                for (int e = 0; e < n; e++) {
                    int r, c;
                    ir_product_place(p, o, lane, e, &r, &c);
                    assert_in_range(r, 0, rows - 1);
                    assert_in_range(c, 0, columns - 1);
                    seen[r][c]++;
                }
            for (int r = 0; r < rows; r++)
                for (int c = 0; c < columns; c++) assert_int_equal(seen[r][c], p->warp * n / rows / columns);
        }
}

/* Operands have as many lanes, and the dtypes, that atoms.def says. */
static void test_rows(void **state) {
    static const struct {
        const char *name, *operands;
    } rows[] = {
#define ATOM(name, threads, operands, results, doc) {#name, operands},
#include "ir/atoms.def"
#undef ATOM
    };
    int found = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const ir_product *p = ir_product_find(rows[i].name);
        char want[64];
        if (!p) continue;
        const char *in = frit_dtype_name(p->in), *acc = frit_dtype_name(p->acc);
        snprintf(want, sizeof want, "%dx%s %dx%s %dx%s", ir_product_elements(p, 0), in, ir_product_elements(p, 1), in,
                 ir_product_elements(p, 2), acc);
        assert_string_equal(want, rows[i].operands);
        found++;
    }
    for (int i = 0; ir_product_at(i); i++) found--;
    assert_int_equal(found, 0);
}

/* Single places, as the vendors' manuals word them. */
static void test_places(void **state) {
    static const struct {
        const char *name;
        int o, lane, i, row, column;
    } at[] = {
        {"mma_m16n8k16_f16", 0, 13, 6, 11, 10},   {"mma_m16n8k16_f16", 1, 13, 3, 11, 3},  {"mma_m16n8k16_f16", 2, 13, 3, 11, 3},
        {"mma_m16n8k8_tf32", 0, 30, 3, 15, 6},   {"mma_m16n8k32_i8", 0, 5, 13, 9, 21},   {"mma_m16n8k32_i8", 1, 5, 6, 22, 1},
        {"mfma_16x16x16_f16", 0, 37, 3, 5, 11},  {"mfma_16x16x16_f16", 1, 37, 3, 11, 5}, {"mfma_16x16x16_f16", 2, 37, 3, 11, 5},
        {"mfma_16x16x4_f32", 0, 37, 0, 5, 2},    {"mfma_16x16x32_i8", 0, 50, 5, 2, 29},  {"mfma_16x16x32_i8", 2, 50, 1, 13, 2},
        {"wmma_16x16x16_f16", 0, 21, 9, 5, 9},   {"wmma_16x16x16_f16", 2, 21, 3, 7, 5},  {"wmma_16x16x16_f16", 1, 5, 9, 9, 5},
        {"wmma4_16x16x16_f16", 0, 21, 3, 5, 11}, {"wmma4_16x16x16_f16", 2, 21, 3, 11, 5},
    };
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        int row, column;
        ir_product_place(ir_product_find(at[i].name), at[i].o, at[i].lane, at[i].i, &row, &column);
        assert_int_equal(row, at[i].row);
        assert_int_equal(column, at[i].column);
    }
}

/* ------------ the twins */
static const char *lanes_of(char *s, frit_dtype t, int n) {
    if (n == 1) return frit_dtype_name(t);
    sprintf(s, "%sx%d", frit_dtype_name(t), n);
    return s;
}

/* A kernel whose thread t loads its fragments of %0, %1, %2 and stores that of the result to %3. */
static exec_kernel *kernel_of(const ir_product *p, diag *d, ir_module **m) {
    char text[4096], word[32], *s = text;
    s += sprintf(s, "fir 1\nfunc thread @k(%%p0: ptr %s, %%p1: ptr %s, %%p2: ptr %s, %%p3: ptr %s, %%scratch: ptr u8, "
                    "%%tasks: i64) threads %d shared 0 {\n%%t = thread_id() : i64\n",
                 frit_dtype_name(p->in), frit_dtype_name(p->in), frit_dtype_name(p->acc), frit_dtype_name(p->acc),
                 WARPS * p->warp);
    for (int o = 0; o < 3; o++)
        s += sprintf(s, "%%n%d = constant() {value = %d} : i64\n%%i%d = mul(%%t, %%n%d) : i64\n%%v%d = load(%%p%d, %%i%d) : %s\n",
                     o, ir_product_elements(p, o), o, o, o, o, o, lanes_of(word, o < 2 ? p->in : p->acc, ir_product_elements(p, o)));
    sprintf(s, "%%r = atom(%%v0, %%v1, %%v2) {name = \"%s\"} : %s\nstore(%%p3, %%i2, %%r)\nreturn()\n}\n", p->name,
            lanes_of(word, p->acc, ir_product_elements(p, 2)));
    const char *error = NULL;
    *m = ir_parse(d, diag_add_source(d, "product.fir", text, strlen(text)));
    if (!*m) diag_print_text(d, stderr, false);
    assert_non_null(*m);
    exec_kernel *k = exec_kernel_new((*m)->funcs, p->warp, d, &error);
    if (!k) fail_msg("%s: %s", p->name, error);
    return k;
}

static void check_product(const ir_product *p) {
    static int x[3][WARPS][SIDE][SIDE];
    static _Alignas(16) char memory[4][MOST * 4];
    unsigned seed = 5;
    char message[1024];
    for (int o = 0; o < 3; o++)
        for (int w = 0; w < WARPS; w++) {
            int rows, columns, n = ir_product_elements(p, o), r, c;
            sides(p, o, &rows, &columns);
            for (r = 0; r < rows; r++)
                for (c = 0; c < columns; c++) x[o][w][r][c] = rig_number(&seed);
            for (int lane = 0; lane < p->warp; lane++)
                for (int e = 0; e < n; e++) {
                    ir_product_place(p, o, lane, e, &r, &c);
                    rig_put(o < 2 ? p->in : p->acc, memory[o], (w * p->warp + lane) * n + e, x[o][w][r][c]);
                }
        }
    diag *d = diag_new();
    ir_module *m;
    exec_kernel *k = kernel_of(p, d, &m);
    exec_memory buffers[4];
    for (int i = 0; i < 4; i++) buffers[i] = (exec_memory){.data = memory[i], .bytes = sizeof memory[i], .output = i == 3};
    exec_launch l = {.buffers = buffers, .tasks = 1, .blocks = 1};
    if (!exec_run(k, &l, message, sizeof message)) fail_msg("%s: %s", p->name, message);
    int n = ir_product_elements(p, 2);
    for (int t = 0; t < WARPS * p->warp; t++)
        for (int e = 0; e < n; e++) {
            int r, c, w = t / p->warp;
            ir_product_place(p, 2, t % p->warp, e, &r, &c);
            int sum = x[2][w][r][c];
            for (int i = 0; i < p->k; i++) sum += x[0][w][r][i] * x[1][w][i][c];
            assert_int_equal(rig_get(p->acc, memory[3], t * n + e), sum);
        }
    exec_kernel_free(k);
    ir_module_free(m);
    diag_free(d);
}

static void test_twins(void **state) {
    for (int i = 0; ir_product_at(i); i++) check_product(ir_product_at(i));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cover),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_twins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
