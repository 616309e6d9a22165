/* Target strings, the code of every kind of CPU (linked, though only this machine's runs), and failures. */
#include "codegen/cpu/cpu.h"
#include "codegen/cpu/cpu_internal.h"
#include "codegen/llvm/load.h"
#include "codegen/llvm/machine.h"
#include "codegen/llvm/shim.h"
#include "jit.h"
#include "passes/expand_math.h"
#include <dlfcn.h>
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
/* cmocka needs the headers above first */
#include <cmocka.h>

static const char *const targets[] = {"cpu",        "cpu:x86-64-v3",      "cpu:x86-64-v4",  "cpu:znver4",
                                      "cpu:znver4+avx2", "cpu:sapphirerapids", "cpu:sapphirerapids+avx512+avx512vnni",
                                      "cpu:aarch64", "cpu:neoverse-v1",   "cpu:apple-m1", "null",
                                      "null:block,threads=256,warp=64,shared=65536,registers=128",
                                      "null:block,threads=128,warp=32,shared=49152,registers=255,async,mma",
                                      "null:block,threads=128,warp=64,shared=49152,registers=255,mfma,mfma_i8_32"};
enum { N_TARGETS = sizeof targets / sizeof *targets };

static void test_strings(void **state) {
    arena *a = arena_new();
    const char *error;
    for (int i = 0; i < N_TARGETS; i++) {
        const target *t = target_open(a, targets[i], &error);
        assert_non_null(t);
        if (i) assert_string_equal(t->string, targets[i]);
        const target *again = target_open(a, t->string, &error);
        assert_non_null(again);
        assert_string_equal(again->string, t->string);
        assert_memory_equal(&again->limits, &t->limits, sizeof t->limits);
    }
    assert_int_equal(target_open(a, "cpu:x86-64-v4", &error)->limits.vector_bytes, 64);
    assert_int_equal(target_open(a, "cpu:znver4+avx2", &error)->limits.vector_bytes, 32);
    assert_int_equal(target_open(a, "cpu:aarch64", &error)->limits.vector_bytes, 16);
    assert_int_equal(target_open(a, "null", &error)->limits.threads, 0);
    assert_int_equal(target_open(a, "null:block,warp=64", &error)->limits.warp, 64);
    static const char *const wrong[] = {"gpu", "", "cpu:", "cpu:pentium", "cpu:znver4+neon", "cpu:aarch64+avx2",
                                        "cpu:znver4+avx512vnni", "cpu:znver4+avx512+", "cpu:znver4+avx512+x", "null:x",
                                        "null:block,threads=100", "null:block,warp", "null:block,tensor"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        error = NULL;
        assert_null(target_open(a, wrong[i], &error));
        assert_non_null(error);
    }
    arena_free(a);
}

/* y = op(x, x, x) for one op on 8 lanes of t. */
static ir_func *build_op(jit *j, ir_opcode op, frit_dtype t, frit_dtype out) {
    ir_builder b;
    ir_func *f = jit_func(j, ir_op_table[op].name, 2, (frit_dtype[]){t, out}, 0, &b);
    ir_value *x = jit_load(&b, jit_buffer(f, 0), jit_begin(f), 8, NULL, NULL), *v[3] = {x, x, x};
    ir_type type = ir_vector(out, 8);
    ir_value *y = ir_result(ir_build(&b, op, ir_op_table[op].n_operands, v, 1, &type), 0);
    jit_store(&b, jit_buffer(f, 1), jit_begin(f), y, NULL);
    expand_math(f);
    return f;
}

/* Every elementwise op of f32 and i32, casts from f32 to all and back. */
static int build_all(jit *j, ir_func **f) {
    int n = 0;
    for (int c = 1; c < IR_OPCODE_COUNT; c++) {
        uint32_t flags = ir_op_table[c].flags;
        if (!(flags & IR_F_ELEMENTWISE) || c == IR_select || c == IR_cast || c == IR_bitcast) continue;
        bool compare = flags & IR_F_COMPARE, floats = !(flags & IR_F_INT), ints = !(flags & IR_F_FLOAT);
        if (floats) f[n++] = build_op(j, (ir_opcode)c, FRIT_f32, compare ? FRIT_bool : FRIT_f32);
        if (ints) f[n++] = build_op(j, (ir_opcode)c, FRIT_i32, compare ? FRIT_bool : FRIT_i32);
    }
    for (int t = 0; t < FRIT_DTYPE_COUNT; t++) {
        if (t == FRIT_f32) continue;
        f[n++] = build_op(j, IR_cast, FRIT_f32, (frit_dtype)t);
        f[n++] = build_op(j, IR_cast, (frit_dtype)t, FRIT_f32);
    }
    return n;
}

static void test_all_ops_on_all_targets(void **state) {
    for (int i = 0; i < N_TARGETS; i++) {
        jit j;
        jit_open(&j, targets[i]);
        ir_func *f[256];
        int n = build_all(&j, f);
        const char *error = NULL;
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        const code_blob *c = target_compile(j.t, j.a, n, f, &error);
        clock_gettime(CLOCK_MONOTONIC, &to);
        if (!c) fail_msg("%s: %s", targets[i], error);
        double ms = (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) * 1e-6;
        print_message("%s: %d kernels, %lld bytes, %.2f ms a kernel\n", j.t->string, n, (long long)c->size, ms / n);
        assert_int_equal(c->n_kernels, n);
        assert_true(c->align <= 64);
        for (int k = 0; k < n; k++) {
            assert_true(c->kernels[k].offset >= 0 && c->kernels[k].offset < c->size);
            assert_string_equal(c->kernels[k].name, f[k]->name);
        }
        jit_close(&j);
    }
}

static void test_same_bytes_every_time(void **state) {
    const code_blob *c[2];
    jit j[2];
    for (int i = 0; i < 2; i++) {
        jit_open(&j[i], "cpu:x86-64-v4");
        ir_func *f[256];
        const char *error;
        int n = build_all(&j[i], f);
        c[i] = target_compile(j[i].t, j[i].a, n, f, &error);
        assert_non_null(c[i]);
    }
    assert_int_equal(c[0]->size, c[1]->size);
    assert_memory_equal(c[0]->bytes, c[1]->bytes, (size_t)c[0]->size);
    for (int i = 0; i < 2; i++) jit_close(&j[i]);
}

static void test_forms(void **state) {
    jit j;
    jit_open(&j, "cpu:x86-64-v3");
    ir_func *f = build_op(&j, IR_add, FRIT_f32, FRIT_f32);
    const char *error = NULL;
    int64_t n;
    assert_non_null(strstr(target_emit(j.t, j.a, TARGET_LLVM, 1, &f, &n, &error), "fadd <8 x float>"));
    assert_non_null(strstr(target_emit(j.t, j.a, TARGET_ASM, 1, &f, &n, &error), "vaddps"));
    const char *object = target_emit(j.t, j.a, TARGET_OBJ, 1, &f, &n, &error);
    assert_true(n > 64);
    assert_memory_equal(object, ELFMAG, SELFMAG);
    target_form form;
    assert_true(target_form_from_name("asm", &form) && form == TARGET_ASM);
    assert_false(target_form_from_name("spirv", &form));
    jit_close(&j);
}

static void test_null_target(void **state) {
    jit j;
    jit_open(&j, "null");
    ir_func *f = build_op(&j, IR_add, FRIT_f32, FRIT_f32);
    const char *error = NULL;
    const code_blob *c = target_compile(j.t, j.a, 1, &f, &error);
    assert_non_null(c);
    assert_non_null(memmem(c->bytes, (size_t)c->size, "add", 3));
    int64_t n;
    assert_null(target_emit(j.t, j.a, TARGET_ASM, 1, &f, &n, &error));
    assert_non_null(error);
    jit_close(&j);
}

static void expect_failure(jit *j, ir_func *f, const char *word) {
    const char *error = NULL;
    assert_null(target_compile(j->t, j->a, 1, &f, &error));
    assert_non_null(error);
    if (!strstr(error, word)) fail_msg("no '%s' in: %s", word, error);
}

static void test_bad_functions(void **state) {
    jit j;
    jit_open(&j, "cpu:x86-64-v3");
    ir_builder b;
    ir_func *f = jit_func(&j, "sine", 1, (frit_dtype[]){FRIT_f32}, 0, &b);
    ir_value *x = jit_load(&b, jit_buffer(f, 0), jit_i64(&b, 0), 1, NULL, NULL);
    jit_store(&b, jit_buffer(f, 0), jit_i64(&b, 0), ir_unary(&b, IR_sin, x), NULL);
    expect_failure(&j, f, "must be expanded");
    ir_func *g = ir_func_new(j.m, "bare", IR_LEVEL_THREAD);
    expect_failure(&j, g, "arguments");
    jit_close(&j);
}

/* ---- The linker */
static const char *object_of(jit *j, ir_func *f, int64_t *n) {
    const char *error = NULL, *o = target_emit(j->t, j->a, TARGET_OBJ, 1, &f, n, &error);
    assert_non_null(o);
    return o;
}

/* The first symbol of the object that names data, as bytes to change. */
static Elf64_Sym *find_data_symbol(char *o) {
    Elf64_Ehdr *h = (Elf64_Ehdr *)o;
    Elf64_Shdr *s = (Elf64_Shdr *)(o + h->e_shoff);
    for (int i = 0; i < h->e_shnum; i++) {
        if (s[i].sh_type != SHT_SYMTAB) continue;
        Elf64_Sym *v = (Elf64_Sym *)(o + s[i].sh_offset);
        for (size_t k = 1; k < s[i].sh_size / sizeof *v; k++)
            if (v[k].st_shndx < h->e_shnum && !(s[v[k].st_shndx].sh_flags & SHF_EXECINSTR) && v[k].st_shndx)
                return &v[k];
    }
    return NULL;
}

static void test_undefined_symbol(void **state) {
    jit j;
    jit_open(&j, "cpu:x86-64-v3");
    ir_func *f = build_op(&j, IR_exp, FRIT_f32, FRIT_f32); /* has constants */
    int64_t n;
    const char *o = object_of(&j, f, &n), *name = "exp", *error = NULL;
    assert_non_null(cpu_link(j.a, o, (size_t)n, 1, &name, &error));
    char *copy = arena_copy(j.a, o, (size_t)n);
    Elf64_Sym *s = find_data_symbol(copy);
    assert_non_null(s);
    s->st_shndx = SHN_UNDEF;
    assert_null(cpu_link(j.a, copy, (size_t)n, 1, &name, &error));
    assert_non_null(strstr(error, "import nothing"));
    name = "absent";
    assert_null(cpu_link(j.a, o, (size_t)n, 1, &name, &error));
    assert_non_null(strstr(error, "absent"));
    jit_close(&j);
}

/* Any bytes are an error or a blob, never a crash. */
static void test_damaged_objects(void **state) {
    static const char *const some[] = {"cpu:x86-64-v3", "cpu:aarch64"};
    int linked = 0, failed = 0;
    for (int t = 0; t < 2; t++) {
        jit j;
        jit_open(&j, some[t]);
        ir_func *f = build_op(&j, IR_exp, FRIT_f32, FRIT_f32);
        int64_t n;
        const char *o = object_of(&j, f, &n), *name = "exp";
        uint32_t r = 12345;
        for (int k = 0; k < 3000; k++) {
            arena *a = arena_new();
            char *copy = arena_copy(a, o, (size_t)n);
            int64_t size = k % 10 ? n : (int64_t)(r % (uint32_t)n);
            for (int i = 0; i < 1 + k % 4; i++) {
                r = r * 1664525 + 1013904223;
                copy[(r >> 8) % (uint32_t)n] = (char)(k % 3 ? r : r >> 24 & 1 ? 0xff : 0);
            }
            const char *error = NULL;
            if (cpu_link(a, copy, (size_t)size, 1, &name, &error)) linked++;
            else failed += error != NULL;
            arena_free(a);
        }
        jit_close(&j);
    }
    assert_int_equal(linked + failed, 6000);
    assert_true(linked > 0 && failed > 0);
}

/* ---- LLVM giving up: an x86 instruction asked of an Arm processor */
static void print_impossible(printer *p, void *u) {
    const machine_spec *spec = u;
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(p->context), NULL, 0, false);
    LLVMValueRef fn = LLVMAddFunction(p->module, "f", type);
    machine_function_attributes(spec, fn);
    LLVMPositionBuilderAtEnd(p->b, LLVMAppendBasicBlockInContext(p->context, fn, "entry"));
    shim_intrinsic(p->b, p->module, "llvm.x86.sse2.pause", 0, NULL, 0, NULL);
    LLVMBuildRetVoid(p->b);
}

static void print_unknown(printer *p, void *u) {
    shim_intrinsic(p->b, p->module, "llvm.no.such.thing", 0, NULL, 0, NULL);
}

static void test_llvm_gives_up(void **state) {
    arena *a = arena_new();
    machine_spec spec = {.triple = "aarch64-unknown-linux-gnu", .cpu = "generic", .features = "+neon"};
    machine_output out;
    for (int i = 0; i < 3; i++) {
        const char *error = NULL;
        assert_false(machine_run(a, &spec, TARGET_OBJ, i ? print_impossible : print_unknown, &spec, &out, &error));
        assert_non_null(strstr(error, "LLVM gave up"));
    }
    arena_free(a);
    test_forms(NULL); /* and goes on */
}

/* ---- This machine's processor: what frit finds out is what LLVM would */
static void test_host(void **state) {
    const char *file = llvm_file(), *name = cpu_host_name();
    void *library = file && *file ? dlopen(file, RTLD_LAZY | RTLD_LOCAL) : NULL;
    char *(*llvm_name)(void) = NULL, *(*llvm_features)(void) = NULL;
    if (!library) skip(); /* linked statically */
    *(void **)&llvm_name = dlsym(library, "LLVMGetHostCPUName");
    *(void **)&llvm_features = dlsym(library, "LLVMGetHostCPUFeatures");
    assert_true(llvm_name && llvm_features);
    arena *a = arena_new();
    const char *theirs = llvm_name(), *error;
    bool known = target_open(a, arena_printf(a, "cpu:%s", theirs), &error);
    if (known) assert_string_equal(name, theirs);
    const char *list = arena_printf(a, ",%s,", llvm_features());
    static const char *const features[] = {"avx2", "fma", "f16c", "avx512f", "avx512vl", "avx512vnni", "avxvnni"};
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        assert_int_equal(cpu_host_has(features[i]), strstr(list, arena_printf(a, ",+%s,", features[i])) != NULL);
    arena_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_all_ops_on_all_targets),
        cmocka_unit_test(test_same_bytes_every_time),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_null_target),
        cmocka_unit_test(test_bad_functions),
        cmocka_unit_test(test_undefined_symbol),
        cmocka_unit_test(test_damaged_objects),
        cmocka_unit_test(test_llvm_gives_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
