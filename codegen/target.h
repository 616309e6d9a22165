/* Targets: what turns thread IR into code. A target is one folder of codegen/ that exports one const target_class; the
 * registry in target.c lists them. A class opens an instance from the text after the colon of a target string
 * ("cpu:x86-64-v4"); an instance is immutable and may be used by several threads at once.
 *
 * Errors: a function that fails returns NULL and sets *error to arena text. A wrong target string is the user's
 * mistake; a failure of compile or emit is a bug of frit's (or of the code generator's) and names the kernel where it
 * can. */
#ifndef FRIT_CODEGEN_TARGET_H
#define FRIT_CODEGEN_TARGET_H
#include "ir/ir.h"
#include "passes/target.h"

typedef struct target target;
typedef struct target_class target_class;

/* Parts of errors that are no bugs: a program or library that finishes code is not on this machine, or is but
 * does not work; a form was asked for
 * that the target does not have. */
#define TARGET_MISSING "is needed to finish code"
#define TARGET_BROKEN "does not work on this machine"
#define TARGET_NO_FORM "has no form"

/* Where a kernel starts in its blob, and what it takes of the machine as far as the target can tell. */
typedef struct code_kernel {
    const char *name;   /* of the entry point; finds it in a module that a driver loads */
    int64_t offset;     /* bytes from the start of the blob; 0 where the name finds it */
    int registers, spills, stack; /* a thread's registers, bytes spilled, bytes of stack; 0 where not known */
} code_kernel;

/* Machine code (or what else the target's driver loads), position-independent and complete: nothing is left to link. */
typedef struct code_blob {
    const uint8_t *bytes;
    int64_t size;
    int64_t align; /* of the address the blob is placed at; a power of two, at most 4096 */
    int n_kernels;
    const code_kernel *kernels; /* in the order of the functions given */
} code_blob;

/* What `frit compile --emit` may ask a target for. */
typedef enum target_form {
    TARGET_LLVM, TARGET_ASM, TARGET_OBJ, TARGET_PTX, TARGET_CUBIN, TARGET_CUDA, TARGET_HIP, TARGET_HSACO, TARGET_C,
    TARGET_FORM_COUNT
} target_form;
const char *target_form_name(target_form f); /* "llvm" */
bool target_form_from_name(const char *name, target_form *f);

struct target {
    const target_class *cls;
    const char *string; /* canonical: equal strings give equal bytes */
    frit_target_limits limits;
    int modules; /* most modules that kernels are dealt to; 0: as many as let several cores compile */
};

struct target_class {
    const char *name; /* "cpu": what stands before the colon */
    const char *doc;  /* one line for help */
    /* `spec` is the text after the colon, NULL when there is none (this machine). The instance lives in `a`. */
    const target *(*open)(arena *a, const char *spec, const char **error);
    /* Thread-level functions, transcendental ops already expanded, to code. The result lives in `a`. */
    const code_blob *(*compile)(const target *t, arena *a, int n, ir_func *const *kernels, const char **error);
    /* One of the forms, *size bytes (text is NUL-terminated besides). */
    const char *(*emit)(const target *t, arena *a, target_form form, int n, ir_func *const *kernels, int64_t *size,
                        const char **error);
    /* What a machine must have to run its code: an fpk_arch and feature bits of runtime/cpu.h. */
    void (*needs)(const target *t, uint32_t *arch, uint64_t *features);
};

/* The target that a string names. */
const target *target_open(arena *a, const char *string, const char **error);
/* Class i of the registry, NULL past the last. */
const target_class *target_class_at(int i);

const code_blob *target_compile(const target *t, arena *a, int n, ir_func *const *kernels, const char **error);
const char *target_emit(const target *t, arena *a, target_form form, int n, ir_func *const *kernels, int64_t *size,
                        const char **error);
#endif
