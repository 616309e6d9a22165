/* Code for GPUs on a stand-in for their libraries: which of a package's variants is loaded, what is said of one that is not,
 * how modules are shared. */
#include "fake_use.h"
#include "runtime/package.h"
#include <stdio.h>
#include <stdlib.h>

static const char ptx[] =
    "// made by a test\n.version 8.5\n.target sm_75\n.visible .entry gpu_blob_add(\n.param .u64 a,\n"
    ".param .u64 b, .param .u64 c, .param .u64 d, .param .u64 e, .param .u64 f, .param .u64 g\n)\n{}\n";
static const char bad_ptx[] = ".version 8.5\nsyntax error\n";

typedef struct choice {
    const char *targets[4]; /* machine code, or text with a leading '.' */
    const char *best;       /* on device 0 */
} choice;

static void choose(const choice *c) {
    fake_gpu *g = begin();
    model m = model_new();
    char code[64] = "\x7f"
                    "ELF: never loaded where it does not fit";
    model_add_tensors(&m);
    for (int i = 0; i < 4 && c->targets[i]; i++) {
        const char *t = c->targets[i];
        if (*t == '.')
            model_target_for(&m, t + 1, ptx, sizeof ptx);
        else if (*t == '!')
            model_target_for(&m, t + 1, bad_ptx, sizeof bad_ptx);
        else if (c->best && !strcmp(t, c->best))
            model_target(&m);
        else
            model_target_for(&m, t, code, sizeof code);
        model_add_launch(&m);
    }
    frit_weights *w;
    frit_error e = {0};
    frit_status st = load(&m, &w, &e);
    if (c->best) {
        if (st != FRIT_OK) fail_msg("%s: %s", c->best, e.message);
        assert_string_equal(frit_weights_target(w), c->best);
    } else {
        assert_int_equal(st, FRIT_UNSUPPORTED);
        assert_true(e.message[0] != 0);
    }
    frit_weights_release(w);
    model_free(&m);
    end(g);
}

static void test_variants(void **state) {
    (void)state;
    static const choice cuda[] = {
        {{"cpu:x86-64-v3", "cuda:sm_80", "cuda:sm_90"}, "cuda:sm_90"}, /* another family's code does not run */
        {{".cuda:sm_75", ".cuda:sm_80", "cuda:sm_86"}, "cuda:sm_80"},  /* the newest that the driver can finish */
        {{".cuda:sm_90", "cuda:sm_90", ".cuda:sm_80"}, "cuda:sm_90"},  /* machine code before text */
        {{".cuda:sm_90", ".cuda:sm_90a", ".cuda:sm_100"}, "cuda:sm_90a"},
        {{".cuda:sm_100", "cuda:sm_80"}, NULL},
        {{"!cuda:sm_90", ".cuda:sm_80"}, "cuda:sm_80"}, /* what the driver refuses is passed over */
        {{"!cuda:sm_90", "!cuda:sm_80"}, NULL},
        {{"cpu", "hip:gfx942"}, NULL}};
    static const choice hip[] = {
        {{"hip:gfx90a", "hip:gfx942"}, "hip:gfx942"}, {{"hip:gfx90a", "hip:gfx9"}, NULL}, {{".hip:gfx942"}, NULL}};
    if (is_hip())
        for (size_t i = 0; i < sizeof hip / sizeof *hip; i++) choose(&hip[i]);
    else
        for (size_t i = 0; i < sizeof cuda / sizeof *cuda; i++) choose(&cuda[i]);
}

/* The driver's own words about text that it cannot compile, with what made it and what reads it. */
static void test_log(void **state) {
    (void)state;
    if (is_hip()) return; /* HIP loads no text */
    fake_gpu *g = begin();
    model m = model_new();
    model_add_tensors(&m);
    model_target_for(&m, "cuda:sm_80", bad_ptx, sizeof bad_ptx - 1); /* no NUL at its end */
    model_add_launch(&m);
    frit_weights *w;
    frit_error e = {0};
    assert_int_equal(load(&m, &w, &e), FRIT_UNSUPPORTED);
    const char *parts[] = {"line 2: a mistake in the text", "cuda:sm_80 (PTX 8.5)", "driver for CUDA 12.4", "kernel kernel"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(e.message, parts[i])) fail_msg("%s is not in: %s", parts[i], e.message);
    model_free(&m);
    end(g);
}

/* Weights of one package share its modules. */
static void test_modules_shared(void **state) {
    (void)state;
    if (is_hip()) return;
    fake_gpu *g = begin();
    model m = model_new();
    model_add_tensors(&m);
    model_target_for(&m, "cuda:sm_80", ptx, sizeof ptx - 1);
    model_add_launch(&m);
    rig r = rig_open(&m, 1);
    frit_weights *w;
    assert_ok(frit_weights_create(r.package, r.device, NULL, &w, err));
    assert_int_equal(g->jitted, 1);
    frit_weights_release(w);
    rig_close(&r);
    model_free(&m);
    end(g);
}

/* A package with `shared` bytes of shared memory and blocks of `threads` in its first kernel. */
static frit_status load_with(uint32_t threads, uint32_t shared, frit_error *err) {
    model m = model_new();
    model_add_tensors(&m);
    model_target(&m);
    package_kernel k = {.name = "wide",
                        .n_inputs = 2,
                        .n_outputs = 1,
                        .threads = (int)threads,
                        .shared = shared,
                        .entry = "gpu_blob_add",
                        .code_size = m.code_bytes};
    package_add_kernel(m.p, &k);
    package_main(m.p);
    frit_weights *w;
    frit_status st = load(&m, &w, err);
    frit_weights_release(w);
    model_free(&m);
    return st;
}

static void test_limits(void **state) {
    (void)state;
    fake_gpu *g = begin();
    assert_ok(load_with(1024, 60 << 10, err));
    assert_fails(load_with(64, 300 << 10, err), FRIT_UNSUPPORTED, "of shared memory");
    assert_fails(load_with(1025, 0, err), FRIT_BAD_PACKAGE, "block");
    end(g);
}

int test_gpu_code(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variants), cmocka_unit_test(test_log), cmocka_unit_test(test_modules_shared), cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
