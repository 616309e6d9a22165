/* Processors, levels of vector instructions, and the reading of a target string. */
#include "cpu_internal.h"
#include <string.h>

typedef struct level_info {
    const char *name;
    const char *features; /* exactly this level */
    int vector_bytes, registers;
    bool masked_memory;
} level_info;

#define X86_V3 "+avx2,+bmi,+bmi2,+cx16,+f16c,+fma,+lzcnt,+movbe,+popcnt"
static const level_info levels[CPU_LEVEL_COUNT] = {
    [CPU_AVX2] = {"avx2", "-avx512f," X86_V3, 32, 16, true},
    [CPU_AVX512] = {"avx512", X86_V3 ",+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl", 64, 32, true},
    [CPU_NEON] = {"neon", "+neon", 16, 32, false},
};

/* Extensions that LLVM makes use of by itself when a processor's name implies them. */
static const char *const extras[] = {"avxvnni",      "gfni",         "avx512bf16",  "avx512bitalg",   "avx512fp16",
                                     "avx512ifma",   "avx512vbmi",   "avx512vbmi2", "avx512vnni",     "avx512vpopcntdq"};
enum { N_EXTRAS = sizeof extras / sizeof *extras };

static const struct {
    const char *name; /* LLVM's; "aarch64" is its "generic" */
    cpu_arch arch;
    cpu_level level;
    int l1_kb, l2_kb; /* data caches of one core */
} names[] = {
    {"x86-64-v3", CPU_X86_64, CPU_AVX2, 32, 256},
    {"x86-64-v4", CPU_X86_64, CPU_AVX512, 32, 1024},
    {"haswell", CPU_X86_64, CPU_AVX2, 32, 256},
    {"broadwell", CPU_X86_64, CPU_AVX2, 32, 256},
    {"skylake", CPU_X86_64, CPU_AVX2, 32, 256},
    {"alderlake", CPU_X86_64, CPU_AVX2, 32, 1280},
    {"raptorlake", CPU_X86_64, CPU_AVX2, 32, 2048},
    {"meteorlake", CPU_X86_64, CPU_AVX2, 32, 2048},
    {"arrowlake", CPU_X86_64, CPU_AVX2, 48, 2560},
    {"sierraforest", CPU_X86_64, CPU_AVX2, 32, 1024},
    {"znver1", CPU_X86_64, CPU_AVX2, 32, 512},
    {"znver2", CPU_X86_64, CPU_AVX2, 32, 512},
    {"znver3", CPU_X86_64, CPU_AVX2, 32, 512},
    {"znver4", CPU_X86_64, CPU_AVX512, 32, 1024},
    {"znver5", CPU_X86_64, CPU_AVX512, 48, 1024},
    {"skylake-avx512", CPU_X86_64, CPU_AVX512, 32, 1024},
    {"cascadelake", CPU_X86_64, CPU_AVX512, 32, 1024},
    {"cooperlake", CPU_X86_64, CPU_AVX512, 32, 1024},
    {"icelake-client", CPU_X86_64, CPU_AVX512, 48, 512},
    {"icelake-server", CPU_X86_64, CPU_AVX512, 48, 1280},
    {"rocketlake", CPU_X86_64, CPU_AVX512, 48, 512},
    {"tigerlake", CPU_X86_64, CPU_AVX512, 48, 1280},
    {"sapphirerapids", CPU_X86_64, CPU_AVX512, 48, 2048},
    {"emeraldrapids", CPU_X86_64, CPU_AVX512, 48, 2048},
    {"graniterapids", CPU_X86_64, CPU_AVX512, 48, 2048},
    {"aarch64", CPU_AARCH64, CPU_NEON, 32, 512},
    {"cortex-a72", CPU_AARCH64, CPU_NEON, 32, 512},
    {"cortex-a76", CPU_AARCH64, CPU_NEON, 64, 512},
    {"neoverse-n1", CPU_AARCH64, CPU_NEON, 64, 1024},
    {"neoverse-n2", CPU_AARCH64, CPU_NEON, 64, 1024},
    {"neoverse-v1", CPU_AARCH64, CPU_NEON, 64, 1024},
    {"neoverse-v2", CPU_AARCH64, CPU_NEON, 64, 2048},
    {"apple-m1", CPU_AARCH64, CPU_NEON, 128, 4096},
};
enum { N_NAMES = sizeof names / sizeof *names };

static int find_name(const char *s, size_t len) {
    for (int i = 0; i < N_NAMES; i++)
        if (strlen(names[i].name) == len && !strncmp(names[i].name, s, len)) return i;
    return -1;
}

static int find_level(const char *s, size_t len, cpu_arch arch) {
    for (int i = 0; i < CPU_LEVEL_COUNT; i++)
        if (strlen(levels[i].name) == len && !strncmp(levels[i].name, s, len) && (i == CPU_NEON) == (arch == CPU_AARCH64))
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
    bool extra[N_EXTRAS];
} choice;

static void fill(arena *a, const choice *c, cpu_target *t) {
    const char *text = arena_printf(a, "cpu:%s", names[c->name].name), *features = "";
    t->arch = names[c->name].arch;
    t->level = c->level < 0 ? names[c->name].level : (cpu_level)c->level;
    const level_info *l = &levels[t->level];
    if (c->level >= 0) {
        text = arena_printf(a, "%s+%s", text, l->name);
        for (int i = 0; i < N_EXTRAS && t->arch == CPU_X86_64; i++)
            if (!c->extra[i]) features = arena_printf(a, "%s-%s,", features, extras[i]);
        features = arena_printf(a, "%s%s", features, l->features);
        for (int i = 0; i < N_EXTRAS; i++) {
            if (!c->extra[i]) continue;
            text = arena_printf(a, "%s+%s", text, extras[i]);
            features = arena_printf(a, "%s,+%s", features, extras[i]);
        }
    }
    bool arm = t->arch == CPU_AARCH64, generic = arm && !strcmp(names[c->name].name, "aarch64");
    t->spec = (machine_spec){.triple = arm ? "aarch64-unknown-linux-gnu" : "x86_64-unknown-linux-gnu",
                             .cpu = generic ? "generic" : names[c->name].name,
                             .features = features,
                             .vector_bits = arm ? 0 : l->vector_bytes * 8,
                             .tiny = arm};
    t->base.string = text;
    t->base.limits = (frit_target_limits){.vector_bytes = l->vector_bytes,
                                          .vector_registers = l->registers,
                                          .fma = true,
                                          .masked_memory = l->masked_memory,
                                          .l1_bytes = (int64_t)names[c->name].l1_kb << 10,
                                          .l2_bytes = (int64_t)names[c->name].l2_kb << 10,
                                          .cache_line = 64,
                                          .flops_per_byte = 4.0 * l->vector_bytes / 32 * 4};
}

/* ------------ this machine */
static bool has(const char *features, const char *name) {
    size_t len = strlen(name);
    for (const char *s = features; (s = strstr(s, name)); s += len)
        if (s > features && s[-1] == '+' && (s[len] == ',' || !s[len])) return true;
    return false;
}

static bool has_all(const char *features, const char *list) {
    for (const char *s = list; s; s = strchr(s, ',')) {
        s += *s == ',';
        char name[32] = "";
        size_t len = strcspn(s, ",");
        if (len >= sizeof name || *s != '+') continue;
        memcpy(name, s + 1, len - 1);
        if (!has(features, name)) return false;
    }
    return true;
}

static bool choose_host(arena *a, choice *c, const char **error) {
    const char *cpu, *features;
    machine_host(a, &cpu, &features);
#if defined(__aarch64__)
    cpu_level level = CPU_NEON;
    const char *generic = "aarch64";
#else
    bool wide = has_all(features, levels[CPU_AVX512].features);
    cpu_level level = wide ? CPU_AVX512 : CPU_AVX2;
    const char *generic = wide ? "x86-64-v4" : "x86-64-v3";
#endif
    if (!has_all(features, levels[level].features)) {
        *error = arena_printf(a, "this processor (%s) lacks instructions that frit needs: x86-64-v3 is the least", cpu);
        return false;
    }
    c->name = find_name(cpu, strlen(cpu));
    if (c->name < 0 || find_level(levels[level].name, strlen(levels[level].name), names[c->name].arch) < 0)
        c->name = find_name(generic, strlen(generic));
    c->level = (int)level;
    for (int i = 0; i < N_EXTRAS; i++)
        c->extra[i] = has(features, extras[i]) && (level == CPU_AVX512 || strncmp(extras[i], "avx512", 6) != 0);
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
        else if (extra >= 0) c->extra[extra] = true;
        if (c->level < 0 || (extra < 0 && find_level(s, len, arch) != c->level)) {
            *error = arena_printf(a, "unknown feature '%.*s' of %s (a level first: %s)", (int)len, s, names[c->name].name,
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
