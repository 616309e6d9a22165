/* The HIP target: target strings, and which road makes the code. */
#include "hip_internal.h"
#include "amdgcn.h"
#include "codegen/c/printer.h"
#include <string.h>

/* ------------ strings */
static bool read_spec(arena *a, const char *spec, hip_target *t, const char **error) {
    size_t len = strcspn(spec, "+");
    t->arch = hip_arch_find(spec, len);
    if (!t->arch) {
        const char *known = "";
        for (int i = 0; hip_arch_at(i); i++) known = arena_printf(a, "%s%s%s", known, i ? ", " : "", hip_arch_at(i)->name);
        *error = arena_printf(a, "unknown HIP processor '%.*s' (known: %s)", (int)len, spec, known);
        return false;
    }
    t->source = !strcmp(spec + len, "+source");
    if (!spec[len] || t->source) return true;
    *error = arena_printf(a, "unknown option '%s' of target 'hip' (known: source)", spec + len + 1);
    return false;
}

enum { LAUNCH_NS = 4000 }; /* that one more launch takes, about */

static void set_machine(hip_target *t) {
    bool old = machine_llvm_version() < 22 && t->arch->old_llvm;
    t->machine = (gpu_machine){
        .spec = {.triple = "amdgcn-amd-amdhsa", .cpu = old ? t->arch->old_llvm : t->arch->name, .features = ""},
        .ops = t->arch->warp == 32 ? &amdgcn_wave32 : old ? &amdgcn_wave64_waiting : &amdgcn_wave64,
        .convention = 91, /* amdgpu_kernel */
        .declare = amdgcn_declare,
    };
}

static const target *hip_open(arena *a, const char *spec, const char **error) {
    hip_target *t = arena_new_of(a, hip_target);
    t->base.cls = &hip_target_class;
    if (spec ? !read_spec(a, spec, t, error) : !(t->arch = hip_arch_here(a, error))) return NULL;
    set_machine(t);
    t->base.string = arena_printf(a, "hip:%s%s", t->arch->name, t->source ? "+source" : "");
    int64_t shared = (int64_t)t->arch->shared_kb << 10;
    t->base.limits = (frit_target_limits){.vector_bytes = 16,
                                          .vector_registers = 16,
                                          .fma = true,
                                          .l1_bytes = shared,
                                          .l2_bytes = 4 << 20,
                                          .cache_line = 128,
                                          .threads = 256,
                                          .warp = t->arch->warp,
                                          .shared_bytes = shared,
                                          .registers = t->arch->registers,
                                          .atoms = t->arch->atoms,
                                          .multiprocessors = t->arch->multiprocessors,
                                          .multiprocessor_registers = t->arch->registers_k << 10,
                                          .multiprocessor_shared = shared,
                                          .launch_bytes = LAUNCH_NS * t->arch->gb_per_s / t->arch->multiprocessors,
                                          .piece_price = 1};
    return &t->base;
}

/* ------------ roads */
static code_blob *make_hsaco(const hip_target *t, arena *a, int n, ir_func *const *funcs, const char **error) {
    const char **names = arena_array(a, const char *, n + 1);
    machine_output object;
    int64_t size;
    if (!gpu_generate(&t->machine, a, TARGET_OBJ, n, funcs, names, &object, error)) return NULL;
    const void *linked = hip_link(a, t->arch, t->machine.spec.cpu, object.bytes, object.size, &size, error);
    if (!linked) return NULL;
    code_blob *b = gpu_blob(a, linked, size, n, names);
    return hip_read_notes(a, linked, size, n, (code_kernel *)b->kernels, error) ? b : NULL;
}

static const code_blob *hip_compile(const target *base, arena *a, int n, ir_func *const *funcs, const char **error) {
    const hip_target *t = (const hip_target *)base;
    if (!t->source) return make_hsaco(t, a, n, funcs, error);
    const char *text = cprint_module(a, CPRINT_HIP, t->machine.spec.cpu, n, funcs, error);
    const char **names = arena_array(a, const char *, n + 1);
    for (int i = 0; i < n; i++) names[i] = cprint_kernel_name(a, funcs[i]);
    return text ? gpu_blob(a, text, (int64_t)strlen(text) + 1, n, names) : NULL;
}

static const char *hip_emit(const target *base, arena *a, target_form form, int n, ir_func *const *funcs, int64_t *size,
                            const char **error) {
    const hip_target *t = (const hip_target *)base;
    const char **names = arena_array(a, const char *, n + 1);
    const code_blob *b;
    machine_output out;
    switch (form) {
    case TARGET_LLVM:
    case TARGET_ASM:
    case TARGET_OBJ:
        if (!gpu_generate(&t->machine, a, form, n, funcs, names, &out, error)) return NULL;
        *size = (int64_t)out.size;
        return out.bytes;
    case TARGET_HIP: {
        const char *s = cprint_module(a, CPRINT_HIP, t->machine.spec.cpu, n, funcs, error);
        if (s) *size = (int64_t)strlen(s);
        return s;
    }
    case TARGET_HSACO:
        if (!(b = make_hsaco(t, a, n, funcs, error))) return NULL;
        *size = b->size;
        return (const char *)b->bytes;
    default: *error = arena_printf(a, "target 'hip' " TARGET_NO_FORM " '%s'", target_form_name(form)); return NULL;
    }
}

/* Any host will do: the driver that the string names looks for the device. */
static void hip_needs(const target *t, uint32_t *arch, uint64_t *features) {
    *arch = 0;
    *features = 0;
}

const target_class hip_target_class = {"hip", "AMD GPUs, through LLVM's code objects or HIP text", hip_open,
                                       hip_compile, hip_emit, hip_needs};
