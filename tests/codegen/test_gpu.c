/* GPU targets without a GPU: strings, every elementwise op as code of every family, the ops of a block of threads, failures,
 * and the same bytes every time. What needs a program that finishes code is skipped where there is none. */
#include "jit.h"
#include "passes/expand_math.h"
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka needs the headers above first */
#include <cmocka.h>

static const char *const targets[] = {"cuda:sm_75",   "cuda:sm_80",   "cuda:sm_90a",        "cuda:sm_120a",
                                      "hip:gfx90a",   "hip:gfx942",   "hip:gfx950",         "hip:gfx1100",
                                      "hip:gfx1201",  "cuda:sm_121a", "cuda:sm_86+cubin",   "cuda:sm_80+source",
                                      "hip:gfx942+source"};
enum { N_TARGETS = sizeof targets / sizeof *targets };

static void test_strings(void **state) {
    static const char *const wrong[] = {"cuda:",        "cuda:sm_70",        "cuda:sm_80+",  "cuda:sm_80+fast",
                                        "cuda:sm_80a",  "hip:",              "hip:gfx90",    "hip:gfx90a+cubin",
                                        "hip:gfx90a+",  "cuda:sm_80+cubin+", "cuda:+cubin",  "hip:sm_80"};
    arena *a = arena_new();
    const char *error;
    for (int i = 0; i < N_TARGETS; i++) {
        const target *t = target_open(a, targets[i], &error);
        assert_non_null(t);
        assert_string_equal(t->string, targets[i]);
        assert_true(t->limits.threads > 0 && t->limits.shared_bytes >= 48 << 10);
        assert_int_equal(t->limits.warp, strstr(targets[i], "hip:gfx9") ? 64 : 32);
    }
    assert_false(target_open(a, "cuda:sm_75", &error)->limits.atoms & FRIT_ATOM_MMA_16816);
    assert_true(target_open(a, "cuda:sm_80", &error)->limits.atoms & FRIT_ATOM_MMA_16816);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        error = NULL;
        assert_null(target_open(a, wrong[i], &error));
        assert_non_null(error);
    }
    arena_free(a);
}

/* ------------ kernels */
static ir_value *result_of(ir_builder *b, ir_opcode c, int n, ir_value **v, ir_type t) {
    return ir_result(ir_build(b, c, n, v, 1, &t), 0);
}
static ir_value *id(ir_builder *b, ir_opcode c) { return result_of(b, c, 0, NULL, ir_vector(FRIT_i64, 1)); }
static void effect(ir_builder *b, ir_opcode c) { ir_build(b, c, 0, NULL, 0, NULL); }

/* A kernel of n buffers for blocks of 128 threads with 4 KB of shared memory; jit_func's counterpart. */
static ir_func *block_func(jit *j, const char *name, int n, const frit_dtype *types, ir_builder *b) {
    ir_func *f = ir_func_new(j->m, name, IR_LEVEL_THREAD);
    for (int i = 0; i < n; i++) ir_block_add_arg(j->m, f->body, ir_ptr(types[i], IR_GLOBAL), NULL);
    ir_block_add_arg(j->m, f->body, ir_ptr(FRIT_u8, IR_GLOBAL), "scratch");
    ir_block_add_arg(j->m, f->body, ir_vector(FRIT_i64, 1), "tasks");
    f->threads = 128;
    f->shared = 4096;
    *b = ir_builder_at_end(j->m, f->body);
    return f;
}

static ir_func *finish(ir_func *f, ir_builder *b) {
    effect(b, IR_return);
    expand_math(f);
    return f;
}

/* out[t] = op(x, x, x) in 4 lanes, where t < tasks. */
static ir_func *build_op(jit *j, ir_opcode op, frit_dtype t, frit_dtype out) {
    ir_builder b;
    const char *name = arena_printf(j->a, "%s_%s_%s", ir_op_table[op].name, frit_dtype_name(t), frit_dtype_name(out));
    ir_func *f = block_func(j, name, 2, (frit_dtype[]){t, out}, &b);
    ir_value *at = ir_binary(&b, IR_mul, id(&b, IR_thread_id), jit_i64(&b, 4));
    ir_value *mask = jit_splat(&b, ir_binary(&b, IR_lt, at, f->body->args[3]), 4), *zero = ir_splat(&b, ir_vector(t, 4), 0);
    ir_value *x = jit_load(&b, f->body->args[0], at, 4, mask, zero), *v[3] = {x, x, x};
    if (op == IR_select) v[0] = mask;
    ir_value *y = result_of(&b, op, ir_op_table[op].n_operands, v, ir_vector(out, 4));
    jit_store(&b, f->body->args[1], at, y, mask);
    return finish(f, &b);
}

/* Every elementwise op of every dtype that it is defined on, and every cast. Narrow floats compute in f32: transcendental
 * functions of theirs are those of f32. */
static int build_all(jit *j, ir_func **f) {
    int n = 0;
    for (int c = 1; c < IR_OPCODE_COUNT; c++) {
        uint32_t flags = ir_op_table[c].flags;
        if (!(flags & IR_F_ELEMENTWISE) || c == IR_cast || c == IR_bitcast) continue;
        for (int t = 0; t < FRIT_DTYPE_COUNT; t++) {
            bool floats = frit_dtype_is_float((frit_dtype)t);
            bool narrow = floats && frit_dtype_bits((frit_dtype)t) < 32;
            if ((flags & IR_F_TRANSCENDENTAL && narrow) || (flags & IR_F_FLOAT && !floats) || (flags & IR_F_INT && floats) || t == FRIT_bool) continue;
            f[n++] = build_op(j, (ir_opcode)c, (frit_dtype)t, flags & IR_F_COMPARE ? FRIT_bool : (frit_dtype)t);
        }
    }
    for (int t = 0; t < FRIT_DTYPE_COUNT; t++)
        for (int u = 0; u < FRIT_DTYPE_COUNT; u++) f[n++] = build_op(j, IR_cast, (frit_dtype)t, (frit_dtype)u);
    return n;
}

/* Each kernel on one target of each maker. */
static void test_all_ops_and_dtypes(void **state) {
    static const char *const by_maker[2][2] = {{"cuda:sm_75", "cuda:sm_90a"}, {"hip:gfx942", "hip:gfx1100"}};
    enum { MAX = 2048 };
    for (int i = 0; i < 4; i++) {
        jit j;
        jit_open(&j, by_maker[i / 2][i % 2]);
        ir_func **f = arena_array(j.a, ir_func *, MAX);
        const char *error = NULL;
        int64_t size;
        int all = build_all(&j, f), n = 0;
        assert_true(all < MAX);
        for (int k = i % 2; k < all; k += 2) f[n++] = f[k];
        if (!target_emit(j.t, j.a, TARGET_ASM, n, f, &size, &error)) fail_msg("%s: %s", j.t->string, error);
        print_message("%s: %d kernels, %lld bytes of text\n", j.t->string, n, (long long)size);
        jit_close(&j);
    }
}

/* ------------ the ops of a block of threads */
/* Copies, barriers, shuffles of f32 and i64, lanes masked one by one. */
static ir_func *build_block(jit *j) {
    ir_builder b;
    ir_func *f = block_func(j, "block", 2, (frit_dtype[]){FRIT_f32, FRIT_i64}, &b);
    ir_value *t = id(&b, IR_thread_id), *x = f->body->args[0];
    ir_value *s = result_of(&b, IR_shared, 0, NULL, ir_ptr(FRIT_f32, IR_CORE));
    ir_value *inside = ir_binary(&b, IR_lt, t, f->body->args[3]);
    ir_op *copy = ir_build(&b, IR_copy_async, 5, (ir_value *[]){s, t, x, t, inside}, 0, NULL);
    ir_set_int(j->m, copy, IR_ATTR_lanes, 1);
    effect(&b, IR_copy_commit);
    ir_set_int(j->m, ir_build(&b, IR_copy_wait, 0, NULL, 0, NULL), IR_ATTR_pending, 0);
    effect(&b, IR_barrier);
    ir_value *v = jit_load(&b, s, t, 1, NULL, NULL), *other = ir_binary(&b, IR_xor, t, jit_i64(&b, 1));
    ir_value *w = result_of(&b, IR_shuffle, 2, (ir_value *[]){v, other}, ir_vector(FRIT_f32, 1));
    ir_value *sum = ir_cast(&b, ir_binary(&b, IR_add, v, w), FRIT_i64);
    ir_value *y = result_of(&b, IR_shuffle, 2, (ir_value *[]){sum, other}, ir_vector(FRIT_i64, 1));
    ir_value *ramp = jit_ramp(&b, t, 2), *mask = ir_binary(&b, IR_lt, ramp, jit_splat(&b, f->body->args[3], 2));
    jit_store(&b, f->body->args[1], t, jit_splat(&b, y, 2), mask);
    return finish(f, &b);
}

/* text begins with what, where a blank of it is any number of them, tabs too (LLVM's versions differ there). */
static bool begins(const char *text, const char *what) {
    for (; *what; what++) {
        if (*what != ' ' && *text++ != *what) return false;
        if (*what != ' ') continue;
        if (!isspace((unsigned char)*text)) return false;
        while (isspace((unsigned char)*text)) text++;
    }
    return true;
}

static void expect(const char *text, const char *what) {
    bool found = false;
    for (const char *s = text; *s && !found; s++) found = begins(s, what);
    if (!found) fail_msg("no '%s' in:\n%s", what, text);
}

static const char *text_of(jit *j, target_form form, ir_func *f) {
    const char *error = NULL;
    int64_t n;
    const char *text = target_emit(j->t, j->a, form, 1, &f, &n, &error);
    if (!text) fail_msg("%s", error);
    return text;
}

static void test_block_ops(void **state) {
    static const struct {
        const char *target, *words[6];
    } cases[] = {
        {"cuda:sm_75", {".target sm_75", "bar.sync", "shfl.sync.idx", ".maxntid 128", "ld.global", "%tid.x"}},
        {"cuda:sm_80", {".target sm_80", "cp.async.ca.shared.global", "cp.async.commit_group", "cp.async.wait_group 0", "bar.sync"}},
        {"cuda:sm_90a", {".target sm_90a", "cp.async", "bar.sync", ".b64"}},
        {"hip:gfx90a", {"s_barrier", "ds_bpermute_b32", "gfx90a"}},
        {"hip:gfx1100", {"s_barrier", "ds_bpermute_b32", "buffer_gl0_inv", "wavefront_size: 32"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        jit j;
        jit_open(&j, cases[i].target);
        const char *text = text_of(&j, TARGET_ASM, build_block(&j));
        for (int k = 0; k < 6 && cases[i].words[k]; k++)
            expect(text, cases[i].words[k]);
        assert_null(strstr(text, "hidden_hostcall_buffer")); /* or the HIP runtime makes a thread that answers calls */
        assert_null(strstr(text, "hidden_heap_v1"));
        jit_close(&j);
    }
}

/* Parameters of more than 4 KB need a newer PTX than the target's own. */
static void test_many_buffers(void **state) {
    enum { MANY = 600 };
    frit_dtype types[MANY];
    for (int i = 0; i < MANY; i++) types[i] = FRIT_f32;
    for (int n = MANY; n > 1; n = n == MANY ? 500 : 0) {
        jit j;
        ir_builder b;
        const char *error = NULL;
        jit_open(&j, "cuda:sm_75+cubin");
        ir_func *f = block_func(&j, "many", n, types, &b);
        jit_store(&b, f->body->args[n - 1], id(&b, IR_thread_id), jit_load(&b, f->body->args[0], id(&b, IR_thread_id), 1, NULL, NULL), NULL);
        expect(text_of(&j, TARGET_PTX, finish(f, &b)), n == MANY ? ".version 8.1" : ".version 6.3");
        if (!target_compile(j.t, j.a, 1, &f, &error)) expect(error, TARGET_MISSING);
        jit_close(&j);
    }
}

/* ------------ atoms */
static ir_func *build_atoms(jit *j, const char *product, const char *load, frit_dtype t, int a_lanes, frit_dtype acc) {
    ir_builder b;
    ir_func *f = block_func(j, "atoms", 2, (frit_dtype[]){t, acc}, &b);
    ir_value *at = id(&b, IR_thread_id), *p = result_of(&b, IR_shared, 0, NULL, ir_ptr(t, IR_CORE));
    ir_type ab = ir_vector(t, a_lanes), c = ir_vector(acc, 4);
    ir_value *x = jit_load(&b, p, at, a_lanes, NULL, NULL), *y = jit_load(&b, p, at, a_lanes / 2, NULL, NULL);
    if (load) {
        ir_op *op = ir_build(&b, IR_atom, 2, (ir_value *[]){p, at}, 1, &ab);
        ir_set_string(j->m, op, IR_ATTR_name, load);
        x = ir_result(op, 0);
    }
    ir_op *op = ir_build(&b, IR_atom, 3, (ir_value *[]){x, y, ir_splat(&b, c, 0)}, 1, &c);
    ir_set_string(j->m, op, IR_ATTR_name, product);
    jit_store(&b, f->body->args[1], at, ir_result(op, 0), NULL);
    return finish(f, &b);
}

static void test_atoms(void **state) {
    static const struct {
        const char *product, *load;
        frit_dtype t;
        int lanes;
        frit_dtype acc;
        const char *words[2];
    } cases[] = {
        {"mma_m16n8k16_f16", "ldmatrix_x4_f16", FRIT_f16, 8, FRIT_f32,
         {"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", "ldmatrix.sync.aligned.m8n8.x4.shared.b16"}},
        {"mma_m16n8k16_bf16", "ldmatrix_x4_trans_bf16", FRIT_bf16, 8, FRIT_f32,
         {"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16"}},
        {"mma_m16n8k8_tf32", NULL, FRIT_f32, 4, FRIT_f32, {"mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", ""}},
        {"mma_m16n8k32_i8", NULL, FRIT_i8, 16, FRIT_i32, {"mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32", ""}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        jit j;
        const char *error = NULL;
        jit_open(&j, "cuda:sm_80");
        ir_func *f = build_atoms(&j, cases[i].product, cases[i].load, cases[i].t, cases[i].lanes, cases[i].acc);
        const char *text = text_of(&j, TARGET_PTX, f);
        expect(text, cases[i].words[0]);
        expect(text, cases[i].words[1]);
        const target *older = target_open(j.a, "cuda:sm_75", &error);
        assert_null(target_compile(older, j.a, 1, &f, &error));
        expect(error, "has no instruction");
        jit_close(&j);
    }
}

/* Every matrix product of ir/products.def on a target that has it. */
static ir_func *build_product(jit *j, const ir_product *p) {
    ir_builder b;
    ir_func *f = block_func(j, p->name, 4, (frit_dtype[]){p->in, p->in, p->acc, p->acc}, &b);
    ir_value *v[3], *t = id(&b, IR_thread_id);
    for (int o = 0; o < 3; o++) v[o] = jit_load(&b, f->body->args[o], t, ir_product_elements(p, o), NULL, NULL);
    ir_type c = v[2]->type;
    ir_op *op = ir_build(&b, IR_atom, 3, v, 1, &c);
    ir_set_string(j->m, op, IR_ATTR_name, p->name);
    jit_store(&b, f->body->args[3], t, ir_result(op, 0), NULL);
    return finish(f, &b);
}

/* Wait states between the first matrix product in the text and the next instruction that names its result: s_nop N is N + 1. */
static int waits(const char *text) {
    const char *at = strstr(text, "v_mfma_"), *v = at ? strchr(at, ' ') + 1 : NULL, *end;
    char result[32], line[256];
    int n = 0, nops;
    if (!v) return 0;
    snprintf(result, sizeof result, "%.*s", (int)strcspn(v, ","), v);
    for (at = strchr(at, '\n'); at && at[1]; at = end) {
        end = strchr(at + 1, '\n');
        snprintf(line, sizeof line, "%.*s", end ? (int)(end - at - 1) : 0, at + 1);
        if (!end || strstr(line, result)) return n;
        if (sscanf(line, " s_nop %d", &nops) == 1) n += nops + 1;
        else if (line[0] == '\t' && islower((unsigned char)line[1])) n++;
    }
    return n;
}

/* What stands in the text is also taken by what makes machine code of it. */
static void make_object(jit *j, const ir_product *p) {
    const char *error = NULL;
    ir_func *f = build_product(j, p);
    if (!target_compile(j->t, j->a, 1, &f, &error) && !strstr(error, TARGET_MISSING)) fail_msg("%s: %s", p->name, error);
}

static void test_products(void **state) {
    static const struct {
        const char *target, *word;
    } makers[] = {{"cuda:sm_80", "mma.sync"},   {"hip:gfx90a", "v_mfma_"},  {"hip:gfx942", "v_mfma_"},
                  {"hip:gfx950", "v_mfma_"},    {"hip:gfx1100", "v_wmma_"}, {"hip:gfx1201", "v_wmma_"}};
    uint32_t seen = 0;
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        jit j;
        jit_open(&j, makers[i].target);
        for (int k = 0; ir_product_at(k); k++) {
            if (!(j.t->limits.atoms & ir_product_at(k)->family)) continue;
            assert_int_equal(ir_product_at(k)->warp, j.t->limits.warp);
            const char *text = text_of(&j, TARGET_ASM, build_product(&j, ir_product_at(k)));
            expect(text, makers[i].word);
            make_object(&j, ir_product_at(k));
            if (strstr(makers[i].target, "gfx950")) assert_true(waits(text) >= (ir_product_at(k)->in == FRIT_f32 ? 10 : 8));
            seen |= 1u << k;
        }
        jit_close(&j);
    }
    for (int k = 0; ir_product_at(k); k++) assert_true(seen >> k & 1);
}

/* ------------ blobs */
static const code_blob *compile(jit *j, const char *string, int n, ir_func **f) {
    const char *error = NULL;
    jit_open(j, string);
    for (int i = 0; i < n; i++) f[i] = i ? build_op(j, IR_exp, FRIT_f32, FRIT_f32) : build_block(j);
    const code_blob *b = target_compile(j->t, j->a, n, f, &error);
    if (b) return b;
    if (!strstr(error, TARGET_MISSING)) fail_msg("%s: %s", string, error);
    print_message("%s: %s\n", string, error);
    jit_close(j);
    return NULL;
}

static void check_blob(const char *string, int registers) {
    jit j[2];
    ir_func *f[2];
    const code_blob *b[2] = {compile(&j[0], string, 2, f), NULL};
    if (!b[0]) skip();
    b[1] = compile(&j[1], string, 2, f);
    assert_int_equal(b[0]->size, b[1]->size);
    assert_memory_equal(b[0]->bytes, b[1]->bytes, (size_t)b[0]->size);
    assert_int_equal(b[0]->n_kernels, 2);
    assert_string_equal(b[0]->kernels[0].name, "block");
    assert_string_equal(b[0]->kernels[1].name, "exp_f32_f32");
    for (int i = 0; i < 2; i++) {
        const code_kernel *k = &b[0]->kernels[i];
        assert_true(registers ? k->registers >= 2 && k->registers < 64 : k->registers == 0);
        assert_int_equal(k->spills, 0);
        assert_int_equal(k->stack, 0);
    }
    if (!registers) assert_int_equal(b[0]->bytes[b[0]->size - 1], 0); /* text ends in NUL */
    jit_close(&j[0]);
    jit_close(&j[1]);
}

static void test_ptx_blob(void **state) { check_blob("cuda:sm_80", 0); }
static void test_cubin_blob(void **state) { check_blob("cuda:sm_80+cubin", 1); }
static void test_hsaco_blob(void **state) { check_blob("hip:gfx942", 1); }

/* A kernel that keeps more than there are registers spills, and says so. */
static void test_spills_are_seen(void **state) {
    jit j;
    ir_builder b;
    const char *error = NULL;
    jit_open(&j, "cuda:sm_80+cubin");
    ir_func *f = block_func(&j, "greedy", 1, (frit_dtype[]){FRIT_f32}, &b);
    enum { N = 400 };
    ir_value *v[N], *t = id(&b, IR_thread_id);
    for (int i = 0; i < N; i++) v[i] = jit_load(&b, f->body->args[0], ir_binary(&b, IR_add, t, jit_i64(&b, 1000 * i)), 1, NULL, NULL);
    effect(&b, IR_barrier);
    for (int i = 0; i < N; i++) jit_store(&b, f->body->args[0], ir_binary(&b, IR_add, t, jit_i64(&b, 1000 * i + 7)), v[i], NULL);
    finish(f, &b);
    const code_blob *c = target_compile(j.t, j.a, 1, &f, &error);
    if (!c && strstr(error, TARGET_MISSING)) skip();
    assert_non_null(c);
    assert_int_equal(c->kernels[0].registers, 255);
    assert_true(c->kernels[0].spills > 4 * (N - 255) / 2 && c->kernels[0].stack > 0);
    jit_close(&j);
}

/* ------------ failures */
static void test_failures(void **state) {
    jit j;
    const char *error = NULL;
    int64_t n;
    jit_open(&j, "cuda:sm_80");
    ir_func *f = build_op(&j, IR_add, FRIT_f32, FRIT_f32);
    assert_null(target_emit(j.t, j.a, TARGET_HSACO, 1, &f, &n, &error));
    expect(error, TARGET_NO_FORM);
    f->threads = 0; /* as for a core */
    assert_null(target_compile(j.t, j.a, 1, &f, &error));
    expect(error, "arguments");
    const target *cpu = target_open(j.a, "cpu:x86-64-v3", &error);
    f = build_block(&j);
    assert_null(target_compile(cpu, j.a, 1, &f, &error));
    jit_close(&j);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),    cmocka_unit_test(test_all_ops_and_dtypes), cmocka_unit_test(test_block_ops), cmocka_unit_test(test_many_buffers),
        cmocka_unit_test(test_atoms),      cmocka_unit_test(test_products),              cmocka_unit_test(test_ptx_blob),           cmocka_unit_test(test_cubin_blob),
        cmocka_unit_test(test_hsaco_blob), cmocka_unit_test(test_spills_are_seen),    cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
