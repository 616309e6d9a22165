#include "cpu.h"
#include "package.h"
#include <sched.h>
#include <stddef.h>

#if defined(__x86_64__)
#include <cpuid.h>

uint32_t rt_cpu_arch(void) { return FPK_ARCH_X86_64; }

static uint64_t xgetbv0(void) {
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static uint64_t bit(uint32_t reg, int i, int feature) { return (uint64_t)(reg >> i & 1) << feature; }

/* Intel SDM volume 2, CPUID; leaves 1, 7.0, 7.1 and 0x80000001. Vector features count only when XCR0 says that the
 * system saves their registers. */
static uint64_t find_features(void) {
    uint32_t a, b, c, d, ext_c = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    uint64_t f = bit(c, 0, CPU_BIT_SSE3) | bit(c, 9, CPU_BIT_SSSE3) | bit(c, 19, CPU_BIT_SSE41) |
                 bit(c, 20, CPU_BIT_SSE42) | bit(c, 23, CPU_BIT_POPCNT) | bit(c, 13, CPU_BIT_CX16) |
                 bit(c, 22, CPU_BIT_MOVBE);
    uint64_t xcr = c >> 27 & 1 ? xgetbv0() : 0;
    int avx = (xcr & 0x6) == 0x6, avx512 = avx && (xcr & 0xe0) == 0xe0, amx = (xcr & 0x60000) == 0x60000;
    if (avx) f |= bit(c, 28, CPU_BIT_AVX) | bit(c, 29, CPU_BIT_F16C) | bit(c, 12, CPU_BIT_FMA);
    if (__get_cpuid(0x80000001, &a, &b, &ext_c, &d)) f |= bit(ext_c, 5, CPU_BIT_LZCNT);
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return f;
    uint32_t sub = a;
    f |= bit(b, 3, CPU_BIT_BMI) | bit(b, 8, CPU_BIT_BMI2);
    if (avx) f |= bit(b, 5, CPU_BIT_AVX2);
    if (avx512)
        f |= bit(b, 16, CPU_BIT_AVX512F) | bit(b, 30, CPU_BIT_AVX512BW) | bit(b, 28, CPU_BIT_AVX512CD) |
             bit(b, 17, CPU_BIT_AVX512DQ) | bit(b, 31, CPU_BIT_AVX512VL) | bit(c, 11, CPU_BIT_AVX512VNNI) |
             bit(d, 23, CPU_BIT_AVX512FP16) | bit(c, 1, CPU_BIT_AVX512VBMI);
    if (amx) f |= bit(d, 24, CPU_BIT_AMX_TILE) | bit(d, 22, CPU_BIT_AMX_BF16) | bit(d, 25, CPU_BIT_AMX_INT8);
    if (sub >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) {
        if (avx) f |= bit(a, 4, CPU_BIT_AVXVNNI);
        if (avx512) f |= bit(a, 5, CPU_BIT_AVX512BF16);
    }
    return f;
}
#elif defined(__aarch64__)
#include <sys/auxv.h>
#include <asm/hwcap.h>

uint32_t rt_cpu_arch(void) { return FPK_ARCH_AARCH64; }
static uint64_t find_features(void) {
    unsigned long h = getauxval(AT_HWCAP), h2 = getauxval(AT_HWCAP2);
    uint64_t f = 0;
#define BIT(word, mask, name) f |= (uint64_t)(((word) & (mask)) != 0) << CPU_BIT_##name
    BIT(h, HWCAP_ASIMD, NEON);
    BIT(h, HWCAP_ASIMDHP, FP16);
    BIT(h, HWCAP_ASIMDDP, DOTPROD);
    BIT(h, HWCAP_SVE, SVE);
    BIT(h2, HWCAP2_SVE2, SVE2);
    BIT(h2, HWCAP2_BF16, BF16);
    BIT(h2, HWCAP2_I8MM, I8MM);
#undef BIT
    return f;
}
#else
uint32_t rt_cpu_arch(void) { return FPK_ARCH_ANY; }
static uint64_t find_features(void) { return 0; }
#endif

/* CPUID leaves a virtual machine for tens of microseconds: it is asked once. */
uint64_t rt_cpu_features(void) {
    static _Atomic uint64_t known;
    enum { ASKED = 63 }; /* no feature has this bit */
    uint64_t f = known;
    if (!f) known = f = find_features() | (uint64_t)1 << ASKED;
    return f & ~((uint64_t)1 << ASKED);
}

uint64_t rt_cpu_level_features(int level) {
    uint64_t f = 0;
#define FEATURE(name, text, l)                                                                                         \
    if (l && l <= level) f |= (uint64_t)1 << CPU_BIT_##name;
    CPU_FEATURES_X86(FEATURE)
#undef FEATURE
    return f;
}

int rt_cpu_level(uint64_t features) {
    if (rt_cpu_arch() != FPK_ARCH_X86_64) return 0;
    int level = 1;
    while (level < 4 && (features & rt_cpu_level_features(level + 1)) == rt_cpu_level_features(level + 1)) level++;
    return level;
}

const char *rt_cpu_feature_name(uint32_t arch, int i) {
#define FEATURE(name, text, level) text,
    static const char *const x86[] = {CPU_FEATURES_X86(FEATURE)}, *const arm[] = {CPU_FEATURES_ARM(FEATURE)};
#undef FEATURE
    if (i < 0) return NULL;
    if (arch == FPK_ARCH_X86_64) return i < CPU_FEATURES_X86_COUNT ? x86[i] : NULL;
    return arch == FPK_ARCH_AARCH64 && i < CPU_FEATURES_ARM_COUNT ? arm[i] : NULL;
}

int rt_cpu_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}
