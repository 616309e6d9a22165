/* A target with no machine behind it. Its "code" is the text of the thread IR, so that everything above codegen/ can be
 * driven without a code generator, and a new target can start from a copy of this folder. What a copy changes:
 * the name, the limits, how a spec is read, and what compile and emit produce; then one line in target.c. */
#include "null.h"

static const frit_target_limits limits = {
    .vector_bytes = 16,
    .vector_registers = 16,
    .fma = true,
    .masked_memory = true,
    .l1_bytes = 32 << 10,
    .l2_bytes = 256 << 10,
    .cache_line = 64,
    .flops_per_byte = 10,
};

static const target *null_open(arena *a, const char *spec, const char **error) {
    if (spec) {
        *error = arena_printf(a, "target 'null' takes no options, not '%s'", spec);
        return NULL;
    }
    target *t = arena_new_of(a, target);
    *t = (target){.cls = &null_target_class, .string = "null", .limits = limits};
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
    *error = arena_printf(a, "target 'null' has no form '%s'", target_form_name(form));
    return NULL;
}

static void null_needs(const target *t, uint32_t *arch, uint64_t *features) {
    *arch = 0; /* any machine */
    *features = 0;
}

const target_class null_target_class = {"null",       "prints thread IR; no machine", null_open, null_compile,
                                        null_emit, null_needs};
