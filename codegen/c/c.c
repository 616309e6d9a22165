/* The target `c`. Its form is C text; what `compile` gives is the same thread IR as machine code of the machine that
 * compiles, so that a package for `c` runs there and gives the bits that the exported text gives. */
#include "c.h"
#include "codegen/cpu/cpu.h"
#include "printer.h"
#include <string.h>

typedef struct c_target {
    target base;
    const target *machine; /* compiles for this machine */
} c_target;

/* Vectors of 16 bytes, which every 64-bit processor has. Compilers have no fused multiply-add unless they are told of
 * the processor, and calling one in a library in the innermost loop would be slow: sums of products take two ops. */
static const frit_target_limits limits = {
    .vector_bytes = 16,
    .vector_registers = 16,
    .fma = false,
    .l1_bytes = 32 << 10,
    .l2_bytes = 256 << 10,
    .cache_line = 64,
    .is_source = true,
};

static const target *c_open(arena *a, const char *spec, const char **error) {
    if (spec) {
        *error = arena_printf(a, "target 'c' takes no options, not '%s'", spec);
        return NULL;
    }
    c_target *t = arena_new_of(a, c_target);
    t->base = (target){.cls = &c_target_class, .string = "c", .limits = limits};
#ifdef __aarch64__
    t->machine = cpu_target_class.open(a, "aarch64", error);
#else
    t->machine = cpu_target_class.open(a, "x86-64-v3", error);
#endif
    return t->machine ? &t->base : NULL;
}

static const code_blob *c_compile(const target *t, arena *a, int n, ir_func *const *kernels, const char **error) {
    return target_compile(((const c_target *)t)->machine, a, n, kernels, error);
}

static const char *c_emit(const target *t, arena *a, target_form form, int n, ir_func *const *kernels, int64_t *size,
                          const char **error) {
    if (form != TARGET_C) {
        *error = arena_printf(a, "target 'c' " TARGET_NO_FORM " '%s'", target_form_name(form));
        return NULL;
    }
    const char *s = cprint_module(a, CPRINT_C, NULL, n, kernels, error);
    *size = s ? (int64_t)strlen(s) : 0;
    return s;
}

static void c_needs(const target *t, uint32_t *arch, uint64_t *features) {
    const target *machine = ((const c_target *)t)->machine;
    machine->cls->needs(machine, arch, features);
}

const target_class c_target_class = {"c", "portable C; runs here through the CPU's code generator", c_open, c_compile,
                                     c_emit, c_needs};
