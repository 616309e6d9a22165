/* Kernels with sm_90a's own instructions as CUDA C text on the host, against the executor of thread IR; and taken by NVRTC. */
#include "codegen/c/printer.h"
#include "codegen/cuda/nvrtc.h"
#include "tests/gpu_device/twin.h"
#include "text_target.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef void (*entry)(void *const *buffers, const int64_t *ints, void *scratch, int64_t begin, int64_t end);
enum { MOST = 64, JUMP_TO = 2 };

static const char *find_clang(arena *a) {
    static const char *const names[] = {"clang-19", "clang-22"};
    for (int i = 0; i < 2; i++)
        if (!system(arena_printf(a, "command -v %s >/dev/null", names[i]))) return names[i];
    return NULL;
}

/* The blob holds a jump to the kernel, which is in this process: its address stands behind the first bytes. */
static entry entry_of(const code_blob *b) {
    entry f;
    memcpy(&f, (const char *)b->bytes + b->kernels[0].offset + JUMP_TO, sizeof f);
    return f;
}

static void run_text(const target *t, twin *k) {
    const char *error = NULL;
    const code_blob *b = target_compile(t, k->m->arena, 1, &k->f, &error);
    if (!b) fail_msg("%s: %s", k->path, error);
    int64_t extent = TWIN_EXTENT;
    char *out = k->host[k->n - 1];
    memset(out, 0xff, TWIN_BYTES);
    entry_of(b)((void *const *)k->host, &extent, NULL, 0, TWIN_TASKS(k->f));
    int at = 0;
    while (at < TWIN_BYTES && out[at] == k->want[at]) at++;
    if (at < TWIN_BYTES) fail_msg("%s: differs from byte %d on: %08x and not %08x", k->path, at, *(unsigned *)(void *)(out + at / 4 * 4), *(unsigned *)(void *)(k->want + at / 4 * 4));
}

static void test_twins(void **state) {
    char *paths[MOST];
    arena *a = arena_new();
    const char *clang = find_clang(a), *error = NULL;
    int n = twin_list(TWIN_KERNELS, paths, MOST);
    assert_true(n > 8);
    if (!clang) {
        print_message("skipped: clang is not installed\n");
        skip();
    }
    const char *object = arena_printf(a, "%s/emulate_twins.o", TWIN_OBJECTS);
    const char *atoms = arena_printf(a, "%s/emulate_twins_atom.o", TWIN_OBJECTS);
    if (system(arena_printf(a, "%s -O2 -fPIC -I%s -c %s/emulate.cc -o %s && %s -O2 -fPIC -I%s -c %s/ir/atom.c -o %s", clang, TWIN_ROOT, EMULATE_FOLDER, object, clang, TWIN_ROOT,
                           TWIN_ROOT, atoms)))
        fail_msg("emulate.cc is not taken");
    setenv("TEXT_MORE", arena_printf(a, "%s %s", object, atoms), 1);
    const target *t = text_target_open(a, "cuda:sm_90a", arena_printf(a, "%s -O1 -ffp-contract=off -std=c++17 -I%s -I%s", clang, EMULATE_FOLDER, TWIN_ROOT), &error);
    assert_non_null(t);
    for (int i = 0; i < n; i++) {
        twin k = twin_open(paths[i]);
        run_text(t, &k);
        twin_close(&k);
    }
    arena_free(a);
}

static void test_nvrtc(void **state) {
    char *paths[MOST];
    arena *a = arena_new();
    int n = twin_list(TWIN_KERNELS, paths, MOST);
    bool there = nvrtc_find(a, NULL);
    for (int i = 0; there && i < n; i += 3) {
        twin k = twin_open(paths[i]);
        const char *error = NULL, *s = cprint_module(a, CPRINT_CUDA, NULL, 1, &k.f, &error);
        nvrtc_code code;
        if (!s || !nvrtc_compile(a, s, "sm_90a", true, &code, &error)) fail_msg("%s: %s", paths[i], error);
        twin_close(&k);
    }
    arena_free(a);
    if (!there) {
        print_message("skipped: libnvrtc is not here\n");
        skip();
    }
}

int main(int n, char **args) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_twins), cmocka_unit_test(test_nvrtc)};
    setenv("EMULATE_COPIES", "late", 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
