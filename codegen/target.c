#include "target.h"
#include "c/c.h"
#include "cpu/cpu.h"
#include "cuda/cuda.h"
#include "hip/hip.h"
#include "null/null.h"
#include <string.h>

static const target_class *const classes[] = {&cpu_target_class, &cuda_target_class, &hip_target_class, &c_target_class,
                                            &null_target_class};
enum { N_CLASSES = sizeof classes / sizeof *classes };

static const char *const form_names[TARGET_FORM_COUNT] = {
    [TARGET_LLVM] = "llvm", [TARGET_ASM] = "asm", [TARGET_OBJ] = "obj", [TARGET_PTX] = "ptx", [TARGET_CUBIN] = "cubin",
    [TARGET_CUDA] = "cuda", [TARGET_HIP] = "hip", [TARGET_HSACO] = "hsaco", [TARGET_C] = "c",
};

const char *target_form_name(target_form f) { return form_names[f]; }
bool target_form_from_name(const char *name, target_form *f) {
    for (int i = 0; i < TARGET_FORM_COUNT; i++)
        if (!strcmp(name, form_names[i])) {
            *f = (target_form)i;
            return true;
        }
    return false;
}

const target_class *target_class_at(int i) { return i >= 0 && i < N_CLASSES ? classes[i] : NULL; }

const target *target_open(arena *a, const char *string, const char **error) {
    const char *colon = strchr(string, ':');
    size_t len = colon ? (size_t)(colon - string) : strlen(string);
    for (int i = 0; i < N_CLASSES; i++)
        if (strlen(classes[i]->name) == len && !strncmp(classes[i]->name, string, len))
            return classes[i]->open(a, colon ? colon + 1 : NULL, error);
    const char *known = "";
    for (int i = 0; i < N_CLASSES; i++) known = arena_printf(a, "%s%s%s", known, i ? ", " : "", classes[i]->name);
    *error = arena_printf(a, "unknown target '%s' (known: %s)", string, known);
    return NULL;
}

const code_blob *target_compile(const target *t, arena *a, int n, ir_func *const *kernels, const char **error) {
    return t->cls->compile(t, a, n, kernels, error);
}

const char *target_emit(const target *t, arena *a, target_form form, int n, ir_func *const *kernels, int64_t *size,
                        const char **error) {
    return t->cls->emit(t, a, form, n, kernels, size, error);
}
