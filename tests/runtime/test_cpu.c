/* Features of the CPU against what the system says about it, and the levels made of them. */
#include "model.h"
#include "runtime/cpu.h"
#include <stdio.h>
#include <string.h>

/* The system's word for a feature that it calls otherwise than LLVM does. */
static const char *system_name(const char *llvm) {
    static const char *const other[][2] = {
        {"sse3", "pni"},         {"sse4.1", "sse4_1"},           {"sse4.2", "sse4_2"},           {"lzcnt", "abm"},
        {"bmi", "bmi1"},         {"avx512vnni", "avx512_vnni"},  {"avx512bf16", "avx512_bf16"},  {"avx512fp16", "avx512_fp16"},
        {"avxvnni", "avx_vnni"}, {"avx512vbmi", "avx512vbmi"},   {"amx-tile", "amx_tile"},       {"amx-bf16", "amx_bf16"},
        {"amx-int8", "amx_int8"}};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (!strcmp(other[i][0], llvm)) return other[i][1];
    return llvm;
}

static bool read_flags(char *out, size_t n) {
    FILE *f = fopen("/proc/cpuinfo", "r");
    bool found = false;
    while (f && !found && fgets(out, (int)n, f)) found = !strncmp(out, "flags", 5);
    if (f) fclose(f);
    return found;
}

static void test_features(void **state) {
    (void)state;
    char flags[8192], word[64];
    if (rt_cpu_arch() != FPK_ARCH_X86_64 || !read_flags(flags, sizeof flags)) skip();
    uint64_t have = rt_cpu_features();
    flags[strcspn(flags, "\n")] = ' ';
    for (int i = 0; rt_cpu_feature_name(FPK_ARCH_X86_64, i); i++) {
        snprintf(word, sizeof word, " %s ", system_name(rt_cpu_feature_name(FPK_ARCH_X86_64, i)));
        if ((strstr(flags, word) != NULL) != (have >> i & 1)) fail_msg("feature%sdiffers from the system's list", word);
    }
}

static void test_levels(void **state) {
    (void)state;
    if (rt_cpu_arch() != FPK_ARCH_X86_64) skip();
    for (int level = 1; level <= 4; level++) {
        uint64_t f = rt_cpu_level_features(level);
        assert_int_equal(rt_cpu_level(f), level);
        if (f) assert_int_equal(rt_cpu_level(f & (f - 1)), 1); /* without SSE3 there is no level 2 */
    }
    assert_true(rt_cpu_count() >= 1);
    assert_null(rt_cpu_feature_name(FPK_ARCH_X86_64, -1));
    assert_null(rt_cpu_feature_name(FPK_ARCH_ANY, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_features), cmocka_unit_test(test_levels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
