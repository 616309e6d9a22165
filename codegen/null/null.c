/* A target with no machine behind it. Its "code" is the text of the thread IR, so that everything above codegen/ can be
 * driven without a code generator, and a new target can start from a copy of this folder. What a copy changes:
 * the name, the limits, how a spec is read, and what compile and emit produce; then one line in target.c.
 *
 * "null" is a core with vectors. "null:block" is a block of threads with shared memory, of no vendor in particular; its
 * options change one limit each: threads=N, warp=N, shared=BYTES, registers=N, blocks=N (that the
 * machine runs at a time: contractions are done in parts), and the words of `words` below for families of instructions. */
#include "null.h"
#include <stdlib.h>
#include <string.h>

static const frit_target_limits core = {
    .vector_bytes = 16,
    .vector_registers = 16,
    .fma = true,
    .l1_bytes = 32 << 10,
    .l2_bytes = 256 << 10,
    .cache_line = 64,
};

static const frit_target_limits block = {
    .vector_bytes = 16,
    .vector_registers = 64,
    .fma = true,
    .l2_bytes = 4 << 20,
    .cache_line = 128,
    .threads = 128,
    .warp = 32,
    .shared_bytes = 48 << 10,
    .registers = 255,
};

/* ------------ options of null:block */
static const struct {
    const char *name;
    uint32_t atoms;
} words[] = {{"async", FRIT_ATOM_COPY_ASYNC},        {"mma", FRIT_ATOM_MMA_16816},
             {"wgmma", FRIT_ATOM_WGMMA},             {"tma", FRIT_ATOM_TMA},
             {"mfma", FRIT_ATOM_MFMA},               {"mfma_i8_16", FRIT_ATOM_MFMA_I8_16},
             {"mfma_i8_32", FRIT_ATOM_MFMA_I8_32},   {"wmma", FRIT_ATOM_WMMA},
             {"wmma_rdna4", FRIT_ATOM_WMMA_RDNA4}};
enum { N_WORDS = sizeof words / sizeof *words };

static bool is_power_of_two(int64_t n) { return n > 0 && !(n & (n - 1)); }

static bool block_is_possible(const frit_target_limits *l) {
    return is_power_of_two(l->warp) && l->warp <= 64 && is_power_of_two(l->threads) && l->threads <= 1024 &&
           l->threads >= l->warp && l->shared_bytes >= 0 && l->shared_bytes <= 1 << 20 && l->registers >= 16 && l->registers <= 1024;
}

static bool read_number(const char *s, int64_t *n) {
    char *end;
    *n = strtoll(s, &end, 10);
    return *s >= '0' && *s <= '9' && !*end && *n <= 1 << 24;
}

/* One option, "warp=64" or "mma". */
static bool read_option(frit_target_limits *l, char *s) {
    for (int i = 0; i < N_WORDS; i++)
        if (!strcmp(s, words[i].name)) return l->atoms |= words[i].atoms, true;
    char *eq = strchr(s, '=');
    int64_t n;
    if (!eq || !read_number(eq + 1, &n)) return false;
    *eq = 0;
    if (!strcmp(s, "threads")) l->threads = (int)n;
    else if (!strcmp(s, "warp")) l->warp = (int)n;
    else if (!strcmp(s, "shared")) l->shared_bytes = n;
    else if (!strcmp(s, "registers")) l->registers = (int)n;
    else if (!strcmp(s, "blocks")) l->multiprocessors = (int)n;
    else if (!strcmp(s, "cluster") && n > 0) l->atoms |= FRIT_ATOM_CLUSTER, l->cluster_part = (int)n;
    else return false;
    return true;
}

static bool read_block(arena *a, const char *spec, frit_target_limits *l) {
    *l = block;
    char *s = arena_strdup(a, spec), *rest = NULL;
    s = strtok_r(s, ",", &rest);
    if (!s || strcmp(s, "block")) return false;
    while ((s = strtok_r(NULL, ",", &rest)))
        if (!read_option(l, s)) return false;
    l->l1_bytes = l->multiprocessor_shared = l->shared_bytes;
    l->multiprocessor_registers = l->registers * l->threads;
    return block_is_possible(l);
}

static const char *canonical(arena *a, const frit_target_limits *l) {
    const char *s = arena_printf(a, "null:block,threads=%d,warp=%d,shared=%lld,registers=%d", l->threads, l->warp,
                                 (long long)l->shared_bytes, l->registers);
    if (l->multiprocessors) s = arena_printf(a, "%s,blocks=%d", s, l->multiprocessors);
    if (l->cluster_part) s = arena_printf(a, "%s,cluster=%d", s, l->cluster_part);
    for (int i = 0; i < N_WORDS; i++)
        if (l->atoms & words[i].atoms) s = arena_printf(a, "%s,%s", s, words[i].name);
    return s;
}

/* ------------ the target */
static const target *null_open(arena *a, const char *spec, const char **error) {
    target *t = arena_new_of(a, target);
    *t = (target){.cls = &null_target_class, .string = "null", .limits = core};
    if (!spec) return t;
    if (!read_block(a, spec, &t->limits)) {
        *error = arena_printf(a,
                              "target 'null' does not know '%s': it takes block, and after it threads=N and warp=N (powers of two), "
                              "shared=BYTES, registers=N, blocks=N, cluster=N, async, mma, wgmma, tma, mfma, mfma_i8_16, mfma_i8_32, wmma, wmma_rdna4",
                              spec);
        return NULL;
    }
    t->string = canonical(a, &t->limits);
    return t;
}

static const code_blob *null_compile(const target *t, arena *a, int n, ir_func *const *kernels, const char **error) {
    code_kernel *k = arena_array(a, code_kernel, n ? n : 1);
    VEC(uint8_t) bytes = {0};
    for (int i = 0; i < n; i++) {
        k[i] = (code_kernel){.name = kernels[i]->name, .offset = bytes.len};
        for (const char *s = ir_print_func(a, kernels[i]); *s; s++) vec_push(a, &bytes, (uint8_t)*s);
    }
    code_blob *b = arena_new_of(a, code_blob);
    *b = (code_blob){bytes.data, bytes.len, 1, n, k};
    return b;
}

static const char *null_emit(const target *t, arena *a, target_form form, int n, ir_func *const *kernels, int64_t *size,
                             const char **error) {
    *error = arena_printf(a, "target 'null' " TARGET_NO_FORM " '%s'", target_form_name(form));
    return NULL;
}

static void null_needs(const target *t, uint32_t *arch, uint64_t *features) {
    *arch = 0; /* any machine */
    *features = 0;
}

const target_class null_target_class = {"null",       "prints thread IR; no machine", null_open, null_compile,
                                        null_emit, null_needs};
