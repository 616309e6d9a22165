/* Processors, levels of vector instructions, and the reading of a target string. */
#include "cpu_internal.h"
#include <string.h>

typedef struct level_info {
    const char *name;
    const char *features; /* exactly this level */
    int vector_bytes, registers;
} level_info;

/* What processors have beyond the levels and the extras, and the loader of packages does not check for: never used. */
#define X86_NEVER "-gfni,-avxifma,-avxneconvert,-avxvnniint8,-avxvnniint16,"
#define AVX512_NEVER "-avx512bitalg,-avx512ifma,-avx512vbmi2,-avx512vpopcntdq,"
#define ARM_NEVER "-sve,-fullfp16,-dotprod,-bf16,-i8mm,"
#define X86_V3 "+avx2,+bmi,+bmi2,+cx16,+f16c,+fma,+lzcnt,+movbe,+popcnt"
static const level_info levels[CPU_LEVEL_COUNT] = {
    [CPU_AVX2] = {"avx2", X86_NEVER "-avx512f," X86_V3, 32, 16},
    [CPU_AVX512] = {"avx512", X86_NEVER AVX512_NEVER X86_V3 ",+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl", 64, 32},
    [CPU_NEON] = {"neon", ARM_NEVER "+neon", 16, 32},
};

/* Extensions that LLVM makes use of by itself where it may, by runtime/cpu.h's names. */
enum { AVXVNNI, BF16, FP16, VBMI, VNNI, N_EXTRAS };
static const char *const extras[N_EXTRAS] = {
    [AVXVNNI] = "avxvnni", [BF16] = "avx512bf16", [FP16] = "avx512fp16", [VBMI] = "avx512vbmi", [VNNI] = "avx512vnni"};
enum {
    HAS_ICE = 1 << VBMI | 1 << VNNI,
    HAS_ZEN4 = HAS_ICE | 1 << BF16,
    HAS_SPR = HAS_ZEN4 | 1 << FP16 | 1 << AVXVNNI
};

static const struct {
    const char *name; /* LLVM's; "aarch64" is its "generic" */
    cpu_arch arch;
    cpu_level level;
    int l1_kb, l2_kb; /* data caches of one core */
    unsigned extras;  /* a set of bits */
} names[] = {
    {"x86-64-v3", CPU_X86_64, CPU_AVX2, 32, 256, 0},
    {"x86-64-v4", CPU_X86_64, CPU_AVX512, 32, 1024, 0},
    {"haswell", CPU_X86_64, CPU_AVX2, 32, 256, 0},
    {"broadwell", CPU_X86_64, CPU_AVX2, 32, 256, 0},
    {"skylake", CPU_X86_64, CPU_AVX2, 32, 256, 0},
    {"alderlake", CPU_X86_64, CPU_AVX2, 32, 1280, 1 << AVXVNNI},
    {"raptorlake", CPU_X86_64, CPU_AVX2, 32, 2048, 1 << AVXVNNI},
    {"meteorlake", CPU_X86_64, CPU_AVX2, 32, 2048, 1 << AVXVNNI},
    {"arrowlake", CPU_X86_64, CPU_AVX2, 48, 2560, 1 << AVXVNNI},
    {"sierraforest", CPU_X86_64, CPU_AVX2, 32, 1024, 1 << AVXVNNI},
    {"znver1", CPU_X86_64, CPU_AVX2, 32, 512, 0},
    {"znver2", CPU_X86_64, CPU_AVX2, 32, 512, 0},
    {"znver3", CPU_X86_64, CPU_AVX2, 32, 512, 0},
    {"znver4", CPU_X86_64, CPU_AVX512, 32, 1024, HAS_ZEN4},
    {"znver5", CPU_X86_64, CPU_AVX512, 48, 1024, HAS_ZEN4 | 1 << AVXVNNI},
    {"skylake-avx512", CPU_X86_64, CPU_AVX512, 32, 1024, 0},
    {"cascadelake", CPU_X86_64, CPU_AVX512, 32, 1024, 1 << VNNI},
    {"cooperlake", CPU_X86_64, CPU_AVX512, 32, 1024, 1 << VNNI | 1 << BF16},
    {"icelake-client", CPU_X86_64, CPU_AVX512, 48, 512, HAS_ICE},
    {"icelake-server", CPU_X86_64, CPU_AVX512, 48, 1280, HAS_ICE},
    {"rocketlake", CPU_X86_64, CPU_AVX512, 48, 512, HAS_ICE},
    {"tigerlake", CPU_X86_64, CPU_AVX512, 48, 1280, HAS_ICE},
    {"sapphirerapids", CPU_X86_64, CPU_AVX512, 48, 2048, HAS_SPR},
    {"emeraldrapids", CPU_X86_64, CPU_AVX512, 48, 2048, HAS_SPR},
    {"graniterapids", CPU_X86_64, CPU_AVX512, 48, 2048, HAS_SPR},
    {"aarch64", CPU_AARCH64, CPU_NEON, 32, 512, 0},
    {"cortex-a72", CPU_AARCH64, CPU_NEON, 32, 512, 0},
    {"cortex-a76", CPU_AARCH64, CPU_NEON, 64, 512, 0},
    {"neoverse-n1", CPU_AARCH64, CPU_NEON, 64, 1024, 0},
    {"neoverse-n2", CPU_AARCH64, CPU_NEON, 64, 1024, 0},
    {"neoverse-v1", CPU_AARCH64, CPU_NEON, 64, 1024, 0},
    {"neoverse-v2", CPU_AARCH64, CPU_NEON, 64, 2048, 0},
    {"apple-m1", CPU_AARCH64, CPU_NEON, 128, 4096, 0},
};
enum { N_NAMES = sizeof names / sizeof *names };

static int find_name(const char *s, size_t len) {
    for (int i = 0; i < N_NAMES; i++)
        if (strlen(names[i].name) == len && !strncmp(names[i].name, s, len)) return i;
    return -1;
}

static int find_level(const char *s, size_t len, cpu_arch arch) {
    for (int i = 0; i < CPU_LEVEL_COUNT; i++)
        if (strlen(levels[i].name) == len && !strncmp(levels[i].name, s, len) &&
            (i == CPU_NEON) == (arch == CPU_AARCH64))
            return i;
    return -1;
}

static int find_extra(const char *s, size_t len, cpu_arch arch) {
    for (int i = 0; i < N_EXTRAS && arch == CPU_X86_64; i++)
        if (strlen(extras[i]) == len && !strncmp(extras[i], s, len)) return i;
    return -1;
}

static const char *all_names(arena *a) {
    const char *s = "";
    for (int i = 0; i < N_NAMES; i++) s = arena_printf(a, "%s%s%s", s, i ? ", " : "", names[i].name);
    return s;
}

/* What a string says, before it is turned into features. */
typedef struct choice {
    int name;
    int level; /* -1: the name's own instruction set, whole */
    unsigned extras;
} choice;

/* LLVM's features: the level and the extras, and the other extras denied, whatever the name implies. */
static const char *features_of(arena *a, cpu_arch arch, cpu_level level, unsigned has) {
    if (arch == CPU_AARCH64) return levels[level].features;
    const char *f = "";
    for (int i = 0; i < N_EXTRAS; i++)
        if (!(has >> i & 1)) f = arena_printf(a, "%s-%s,", f, extras[i]);
    f = arena_printf(a, "%s%s", f, levels[level].features);
    for (int i = 0; i < N_EXTRAS; i++)
        if (has >> i & 1) f = arena_printf(a, "%s,+%s", f, extras[i]);
    return f;
}

static const char *text_of(arena *a, const choice *c) {
    const char *s = arena_printf(a, "cpu:%s", names[c->name].name);
    if (c->level < 0) return s;
    s = arena_printf(a, "%s+%s", s, levels[c->level].name);
    for (int i = 0; i < N_EXTRAS; i++)
        if (c->extras >> i & 1) s = arena_printf(a, "%s+%s", s, extras[i]);
    return s;
}

static void fill(arena *a, const choice *c, cpu_target *t) {
    t->arch = names[c->name].arch;
    t->level = c->level < 0 ? names[c->name].level : (cpu_level)c->level;
    const level_info *l = &levels[t->level];
    bool arm = t->arch == CPU_AARCH64, generic = arm && !strcmp(names[c->name].name, "aarch64");
    t->spec =
        (machine_spec){.triple = arm ? "aarch64-unknown-linux-gnu" : "x86_64-unknown-linux-gnu",
                       .cpu = generic ? "generic" : names[c->name].name,
                       .features = features_of(a, t->arch, t->level, c->level < 0 ? names[c->name].extras : c->extras),
                       .vector_bits = arm ? 0 : l->vector_bytes * 8,
                       .tiny = arm};
    t->base.string = text_of(a, c);
    t->base.limits = (frit_target_limits){.vector_bytes = l->vector_bytes,
                                          .vector_registers = l->registers,
                                          .fma = true,
                                          .l1_bytes = (int64_t)names[c->name].l1_kb << 10,
                                          .l2_bytes = (int64_t)names[c->name].l2_kb << 10,
                                          .cache_line = 64};
}

/* ------------ this machine */
/* Whether it has all of a level's features: "-a,+b" asks for b. */
static bool host_has_level(int level) {
    for (const char *s = levels[level].features; s; s = strchr(s, ',')) {
        s += *s == ',';
        char name[32] = "";
        size_t len = strcspn(s, ",");
        if (len >= sizeof name || *s != '+') continue;
        memcpy(name, s + 1, len - 1);
        if (!cpu_host_has(name)) return false;
    }
    return true;
}

static bool choose_host(arena *a, choice *c, const char **error) {
    const char *cpu = cpu_host_name();
#if defined(__aarch64__)
    cpu_level level = CPU_NEON;
    const char *generic = "aarch64";
#else
    bool wide = host_has_level(CPU_AVX512);
    cpu_level level = wide ? CPU_AVX512 : CPU_AVX2;
    const char *generic = wide ? "x86-64-v4" : "x86-64-v3";
#endif
    if (!host_has_level(level)) {
        *error = "this processor lacks instructions that frit needs: x86-64-v3 is the least";
        return false;
    }
    c->name = cpu ? find_name(cpu, strlen(cpu)) : -1;
    if (c->name < 0 || find_level(levels[level].name, strlen(levels[level].name), names[c->name].arch) < 0)
        c->name = find_name(generic, strlen(generic));
    c->level = (int)level;
    for (int i = 0; i < N_EXTRAS; i++)
        if (cpu_host_has(extras[i]) && (level == CPU_AVX512 || strncmp(extras[i], "avx512", 6) != 0))
            c->extras |= 1u << i;
    return true;
}

/* ------------ a string */
static bool choose(arena *a, const char *spec, choice *c, const char **error) {
    size_t len = strcspn(spec, "+");
    c->name = find_name(spec, len);
    c->level = -1;
    if (c->name < 0) {
        *error = arena_printf(a, "unknown processor '%.*s' (known: %s)", (int)len, spec, all_names(a));
        return false;
    }
    for (const char *s = spec + len; *s; s += len) {
        s++;
        len = strcspn(s, "+");
        cpu_arch arch = names[c->name].arch;
        int extra = find_extra(s, len, arch);
        if (c->level < 0) c->level = find_level(s, len, arch);
        else if (extra >= 0) c->extras |= 1u << extra;
        if (c->level < 0 || (extra < 0 && find_level(s, len, arch) != c->level)) {
            *error =
                arena_printf(a, "unknown feature '%.*s' of %s (a level first: %s)", (int)len, s, names[c->name].name,
                             arch == CPU_AARCH64 ? "neon" : "avx2 or avx512, then extras such as avx512vnni");
            return false;
        }
    }
    return true;
}

bool cpu_parse(arena *a, const char *spec, cpu_target *t, const char **error) {
    choice c = {0};
    if (!(spec ? choose(a, spec, &c, error) : choose_host(a, &c, error))) return false;
    fill(a, &c, t);
    return true;
}
