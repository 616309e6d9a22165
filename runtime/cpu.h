/* What a CPU can do, as bits: for choosing a variant and, in the compiler, for `-t cpu`. */
#ifndef FRIT_RUNTIME_CPU_H
#define FRIT_RUNTIME_CPU_H
#include <stdint.h>

/* FEATURE(name, LLVM's name, level): level is the x86-64 level that includes it (0: none). The order is the order of
 * bits in packages. */
#define CPU_FEATURES_X86(FEATURE)                                                                                      \
    FEATURE(SSE3, "sse3", 2) FEATURE(SSSE3, "ssse3", 2) FEATURE(SSE41, "sse4.1", 2) FEATURE(SSE42, "sse4.2", 2)        \
    FEATURE(POPCNT, "popcnt", 2) FEATURE(CX16, "cx16", 2) FEATURE(AVX, "avx", 3) FEATURE(AVX2, "avx2", 3)              \
    FEATURE(BMI, "bmi", 3) FEATURE(BMI2, "bmi2", 3) FEATURE(F16C, "f16c", 3) FEATURE(FMA, "fma", 3)                    \
    FEATURE(LZCNT, "lzcnt", 3) FEATURE(MOVBE, "movbe", 3) FEATURE(AVX512F, "avx512f", 4)                               \
    FEATURE(AVX512BW, "avx512bw", 4) FEATURE(AVX512CD, "avx512cd", 4) FEATURE(AVX512DQ, "avx512dq", 4)                 \
    FEATURE(AVX512VL, "avx512vl", 4) FEATURE(AVX512VNNI, "avx512vnni", 0) FEATURE(AVX512BF16, "avx512bf16", 0)         \
    FEATURE(AVX512FP16, "avx512fp16", 0) FEATURE(AVX512VBMI, "avx512vbmi", 0) FEATURE(AVXVNNI, "avxvnni", 0)           \
    FEATURE(AMX_TILE, "amx-tile", 0) FEATURE(AMX_BF16, "amx-bf16", 0) FEATURE(AMX_INT8, "amx-int8", 0)
#define CPU_FEATURES_ARM(FEATURE)                                                                                      \
    FEATURE(NEON, "neon", 0) FEATURE(FP16, "fullfp16", 0) FEATURE(DOTPROD, "dotprod", 0) FEATURE(BF16, "bf16", 0)      \
    FEATURE(I8MM, "i8mm", 0) FEATURE(SVE, "sve", 0) FEATURE(SVE2, "sve2", 0)

enum {
#define FEATURE(name, text, level) CPU_BIT_##name,
    CPU_FEATURES_X86(FEATURE) CPU_FEATURES_X86_COUNT
};
enum {
    CPU_FEATURES_ARM(FEATURE) CPU_FEATURES_ARM_COUNT
#undef FEATURE
};

/* fpk_arch of the machine this runs on. */
uint32_t rt_cpu_arch(void);
/* Features that the processor has and the system has enabled. */
uint64_t rt_cpu_features(void);
/* All features of an x86-64 level, 1 to 4. */
uint64_t rt_cpu_level_features(int level);
/* The highest level whose features are all there: 1 to 4; 0 elsewhere than on x86-64. */
int rt_cpu_level(uint64_t features);
/* LLVM's name of feature bit i of an fpk_arch, or NULL. */
const char *rt_cpu_feature_name(uint32_t arch, int i);
/* CPUs that this process may run on, at least 1. */
int rt_cpu_count(void);
#endif
