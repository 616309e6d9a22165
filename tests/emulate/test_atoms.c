/* Every atom as text: NVRTC and clang take it, and on the host the twins of NVIDIA's give the matrix product that the
 * layouts of ir/atoms.def say. */
#include "codegen/c/printer.h"
#include "codegen/cuda/nvrtc.h"
#include "text_target.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* cmocka needs the headers above first */
#include <cmocka.h>

static const struct atom_row {
    const char *name, *threads, *operands, *results;
} atoms[] = {
#define ATOM(name, threads, operands, results, doc) {#name, threads, operands, results},
#include "ir/atoms.def"
#undef ATOM
};
enum { N_ATOMS = sizeof atoms / sizeof *atoms };

static bool is_amd(const struct atom_row *r) { return !strncmp(r->name, "mfma", 4) || !strncmp(r->name, "wmma", 4); }
static bool is_wide(const struct atom_row *r) { return strstr(r->threads, "64") != NULL; }

/* "8xf16" at *s, which moves behind it. */
static ir_type read_type(const char **s) {
    int lanes = (int)strtol(*s, (char **)s, 10);
    size_t n = strcspn(++*s, " ");
    ir_type t = ir_vector(frit_dtype_from_name(*s, n), lanes);
    *s += n + ((*s)[n] == ' ');
    return t;
}

static ir_value *op1(ir_builder *b, ir_opcode c, int n, ir_value *const *v, ir_type t) {
    return ir_result(ir_build(b, c, n, v, 1, &t), 0);
}

/* Lane l of the warp holds elements l * lanes ... of each fragment's buffer. */
static ir_value *load_fragment(ir_builder *b, ir_value *buffer, ir_value *thread, int lanes) {
    ir_value *at = ir_binary(b, IR_mul, thread, ir_splat_int(b, ir_vector(FRIT_i64, 1), lanes));
    return op1(b, IR_load, 2, (ir_value *[]){buffer, at}, ir_vector((frit_dtype)buffer->type.dtype, lanes));
}

static void store_fragment(ir_builder *b, ir_value *buffer, ir_value *thread, ir_value *x) {
    ir_value *at = ir_binary(b, IR_mul, thread, ir_splat_int(b, ir_vector(FRIT_i64, 1), x->type.lanes));
    ir_build(b, IR_store, 3, (ir_value *[]){buffer, at, x}, 0, NULL);
}

static ir_value *matrix_load(ir_builder *b, const struct atom_row *r, ir_value *in, ir_value *thread, ir_type t) {
    ir_type tile_type = ir_ptr((frit_dtype)t.dtype, IR_CORE);
    ir_op *shared = ir_build(b, IR_shared, 0, NULL, 1, &tile_type);
    ir_set_int(b->m, shared, IR_ATTR_offset, 0);
    ir_value *tile = ir_result(shared, 0), *row = ir_binary(b, IR_mul, thread, ir_splat_int(b, ir_vector(FRIT_i64, 1), 8));
    store_fragment(b, tile, thread, load_fragment(b, in, thread, 8));
    ir_build(b, IR_barrier, 0, NULL, 0, NULL);
    ir_op *op = ir_build(b, IR_atom, 2, (ir_value *[]){tile, row}, 1, &t);
    ir_set_string(b->m, op, IR_ATTR_name, r->name);
    return ir_result(op, 0);
}

static ir_func *build(ir_module *m, const struct atom_row *r) {
    ir_func *f = ir_func_new(m, r->name, IR_LEVEL_THREAD);
    const char *s = r->operands;
    ir_type result, in[4];
    int n = 0;
    s = r->results;
    result = read_type(&s);
    if (r->operands[0] == 'p') in[n++] = result;
    else
        for (s = r->operands; *s && n < 4;) in[n++] = read_type(&s);
    for (int i = 0; i < n; i++) ir_block_add_arg(m, f->body, ir_ptr((frit_dtype)in[i].dtype, IR_GLOBAL), "in");
    ir_block_add_arg(m, f->body, ir_ptr((frit_dtype)result.dtype, IR_GLOBAL), "out");
    ir_block_add_arg(m, f->body, ir_ptr(FRIT_u8, IR_GLOBAL), "scratch");
    ir_block_add_arg(m, f->body, ir_vector(FRIT_i64, 1), "tasks");
    f->threads = is_wide(r) ? 64 : 32;
    f->shared = 1024;
    ir_builder b = ir_builder_at_end(m, f->body);
    ir_value *thread = op1(&b, IR_thread_id, 0, NULL, ir_vector(FRIT_i64, 1)), *x[4], *d;
    if (r->operands[0] == 'p') d = matrix_load(&b, r, f->body->args[0], thread, result);
    else {
        for (int i = 0; i < n; i++) x[i] = load_fragment(&b, f->body->args[i], thread, in[i].lanes);
        ir_op *op = ir_build(&b, IR_atom, n, x, 1, &result);
        ir_set_string(m, op, IR_ATTR_name, r->name);
        d = ir_result(op, 0);
    }
    store_fragment(&b, f->body->args[n], thread, d);
    ir_build(&b, IR_return, 0, NULL, 0, NULL);
    return f;
}

typedef struct fixture {
    arena *a;
    ir_module *m;
    int n;
    ir_func *f[N_ATOMS];
    const struct atom_row *row[N_ATOMS];
} fixture;

static void open_fixture(fixture *x, bool (*wanted)(const struct atom_row *)) {
    *x = (fixture){.a = arena_new(), .m = ir_module_new()};
    for (int i = 0; i < N_ATOMS; i++)
        if (wanted(&atoms[i])) {
            x->row[x->n] = &atoms[i];
            x->f[x->n++] = build(x->m, &atoms[i]);
        }
    assert_true(x->n > 0);
}

static void close_fixture(fixture *x) {
    ir_module_free(x->m);
    arena_free(x->a);
}

static bool is_warp_atom(const struct atom_row *r) { return !is_amd(r) && !strcmp(r->threads, "warp"); }

static void test_nvrtc(void **state) {
    fixture x;
    const char *error = NULL;
    open_fixture(&x, is_warp_atom);
    const char *s = cprint_module(x.a, CPRINT_CUDA, NULL, x.n, x.f, &error);
    nvrtc_code code;
    if (!s) fail_msg("%s", error);
    bool there = nvrtc_find(x.a, NULL), ok = there && nvrtc_compile(x.a, s, "sm_80", true, &code, &error);
    if (there && !ok) fail_msg("%s", error);
    close_fixture(&x);
    if (!there) {
        print_message("skipped: libnvrtc is not here\n");
        skip();
    }
}

/* ------------ AMD, by clang */
static const char *gfx_of(const struct atom_row *r) {
    if (!strncmp(r->name, "wmma4", 5)) return "gfx1201";
    if (!strncmp(r->name, "wmma", 4)) return "gfx1100";
    return strcmp(r->name, "mfma_16x16x16_i8") ? "gfx942" : "gfx90a";
}

static const char *find_clang(arena *a) {
    static const char *const names[] = {"clang-22", "clang-19"};
    for (int i = 0; i < 2; i++)
        if (!system(arena_printf(a, "command -v %s >/dev/null", names[i]))) return names[i];
    return NULL;
}

static void test_hip(void **state) {
    fixture x;
    const char *error = NULL;
    open_fixture(&x, is_amd);
    const char *clang = find_clang(x.a);
    for (int i = 0; clang && i < x.n; i++) {
        const char *s = cprint_module(x.a, CPRINT_HIP, NULL, 1, &x.f[i], &error);
        if (!s) fail_msg("%s", error);
        const char *command = arena_printf(x.a,
                                           "%s -x hip --offload-device-only --no-gpu-bundle-output --offload-arch=%s -nogpuinc "
                                           "-nogpulib -Wall -Werror -O1 -S - -o /dev/null",
                                           clang, gfx_of(x.row[i]));
        FILE *to = popen(command, "w");
        assert_non_null(to);
        fputs(s, to);
        if (pclose(to)) fail_msg("%s: not taken by %s", x.row[i]->name, command);
    }
    close_fixture(&x);
    if (!clang) {
        print_message("skipped: neither clang-22 nor clang-19 is installed\n");
        skip();
    }
}

/* ------------ twins */
typedef void (*entry)(void *const *buffers, const int64_t *ints, void *scratch, int64_t begin, int64_t end);

/* Rows and columns that lane l holds at i of A, B and C, by the comment in atoms.def. */
static void place(const char *name, char of, int l, int i, int *row, int *column) {
    int g = l / 4, t = l % 4;
    int per = strstr(name, "i8") ? 4 : strstr(name, "tf32") ? 1 : 2, half = 4 * per;
    if (of == 'c') *row = g + 8 * (i / 2), *column = 2 * t + i % 2;
    else if (of == 'a') *row = g + 8 * (i / per % 2), *column = per * t + i % per + half * (i / (2 * per));
    else *row = per * t + i % per + half * (i / per), *column = g;
}

static void check_product(const fixture *x, int at, entry run) {
    const char *name = x->row[at]->name, *s = x->row[at]->operands;
    ir_type t[3];
    double m[3][32][32] = {{{0}}};
    _Alignas(16) char buffer[4][4096] = {{0}};
    for (int i = 0; i < 3; i++) t[i] = read_type(&s);
    for (int o = 0; o < 3; o++)
        for (int l = 0; l < 32; l++)
            for (int i = 0; i < t[o].lanes; i++) {
                int row, column;
                place(name, "abc"[o], l, i, &row, &column);
                int v = (row * 7 + column * 5 + o * 3) % 9 - 4;
                m[o][row][column] = v;
                if (frit_dtype_is_float((frit_dtype)t[o].dtype)) frit_store_float((frit_dtype)t[o].dtype, buffer[o], l * t[o].lanes + i, v);
                else frit_store_int((frit_dtype)t[o].dtype, buffer[o], l * t[o].lanes + i, v);
            }
    void *const buffers[] = {buffer[0], buffer[1], buffer[2], buffer[3]};
    run(buffers, NULL, NULL, 0, 1);
    for (int l = 0; l < 32; l++)
        for (int i = 0; i < 4; i++) {
            int row, column;
            place(name, 'c', l, i, &row, &column);
            double want = m[2][row][column];
            for (int k = 0; k < 32; k++) want += m[0][row][k] * m[1][k][column];
            bool is_float = frit_dtype_is_float((frit_dtype)t[2].dtype);
            double got = is_float ? frit_load_float(FRIT_f32, buffer[3], l * 4 + i) : (double)frit_load_int(FRIT_i32, buffer[3], l * 4 + i);
            if (got != want) fail_msg("%s, lane %d, %d: %g, not %g", name, l, i, got, want);
        }
}

static void check_matrix_load(const fixture *x, int at, entry run) {
    bool turned = strstr(x->row[at]->name, "trans");
    _Alignas(16) uint16_t in[256], out[256];
    for (int i = 0; i < 256; i++) in[i] = (uint16_t)i;
    run((void *const[]){in, out}, NULL, NULL, 0, 1);
    for (int l = 0; l < 32; l++)
        for (int i = 0; i < 8; i++) {
            int g = l / 4, pair = 2 * (l % 4) + i % 2, row = turned ? pair : g, column = turned ? g : pair;
            assert_int_equal(out[l * 8 + i], (i / 2 * 8 + row) * 8 + column);
        }
}

static void test_twins(void **state) {
    fixture x;
    const char *error = NULL, *clang, *cc;
    open_fixture(&x, is_warp_atom);
    clang = find_clang(x.a);
    if (!clang) {
        close_fixture(&x);
        print_message("skipped: clang is not installed\n");
        skip();
    }
    setenv("TEXT_MORE", arena_printf(x.a, "%s/emulate.cc -x c %s/../../ir/atom.c", EMULATE_FOLDER, EMULATE_FOLDER), 1);
    cc = arena_printf(x.a, "%s -O1 -ffp-contract=off -I%s -I%s/../..", clang, EMULATE_FOLDER, EMULATE_FOLDER);
    const target *t = text_target_open(x.a, "cuda:sm_80", cc, &error);
    const code_blob *blob = t ? target_compile(t, x.a, x.n, x.f, &error) : NULL;
    if (!blob) fail_msg("%s", error);
    char *code = mmap(NULL, (size_t)blob->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(code, MAP_FAILED);
    memcpy(code, blob->bytes, (size_t)blob->size);
    assert_int_equal(mprotect(code, (size_t)blob->size, PROT_READ | PROT_EXEC), 0);
    for (int i = 0; i < x.n; i++) {
        entry run;
        void *at = code + blob->kernels[i].offset;
        memcpy(&run, &at, sizeof run);
        if (x.row[i]->operands[0] == 'p') check_matrix_load(&x, i, run);
        else check_product(&x, i, run);
    }
    munmap(code, (size_t)blob->size);
    close_fixture(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nvrtc), cmocka_unit_test(test_hip), cmocka_unit_test(test_twins)};
    return cmocka_run_group_tests_name("atoms", tests, NULL, NULL);
}
