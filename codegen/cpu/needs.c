/* Which processors run the code: the features of the target's level, and its extras. */
#include "cpu_internal.h"
#include "runtime/cpu.h"
#include "runtime/package.h"
#include <string.h>

void cpu_needs(const target *t, uint32_t *arch, uint64_t *features) {
    const cpu_target *c = (const cpu_target *)t;
    *arch = c->arch == CPU_X86_64 ? FPK_ARCH_X86_64 : FPK_ARCH_AARCH64;
    *features =
        c->arch != CPU_X86_64 ? UINT64_C(1) << CPU_BIT_NEON : rt_cpu_level_features(c->level == CPU_AVX512 ? 4 : 3);
    for (const char *s = strchr(c->spec.features, '+'); s; s = strchr(s + 1, '+')) {
        size_t n = strcspn(s + 1, ",");
        const char *name;
        for (int bit = 0; (name = rt_cpu_feature_name(*arch, bit)); bit++)
            if (strlen(name) == n && !memcmp(name, s + 1, n)) *features |= UINT64_C(1) << bit;
    }
}
