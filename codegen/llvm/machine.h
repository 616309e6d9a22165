/* Runs LLVM on a printed module: verify, a light pass pipeline, machine code. */
#ifndef FRIT_CODEGEN_LLVM_MACHINE_H
#define FRIT_CODEGEN_LLVM_MACHINE_H
#include "codegen/target.h"
#include "printer.h"

typedef struct machine_spec {
    const char *triple, *cpu, *features; /* as LLVM names them; features "+a,-b" */
    int vector_bits;                     /* the widest registers to use; 0 leaves it to LLVM */
    bool assembled;                      /* what is emitted is optimised once more: invariant code stays in its loops,
                                          * where it takes no registers around them */
    bool tiny;                           /* code and data within 1 MB of each other (aarch64) */
} machine_spec;

typedef struct machine_output {
    char *bytes; /* arena; NUL-terminated besides */
    size_t size;
} machine_output;

/* Calls print(p, u) on a fresh module, then gives the module in one form. LLVM runs on a thread of its own: when it
 * calls its fatal-error handler that thread is parked for ever, its LLVM context is given up, and the call fails like
 * any other. False: *error is arena text. Safe to call from several threads, each with its own arena. */
bool machine_run(arena *a, const machine_spec *spec, target_form form, void (*print)(printer *p, void *u), void *u,
                 machine_output *out, const char **error);
/* Attributes of every function that is printed: CPU, vector width, no library calls, no unwinding. */
void machine_function_attributes(const machine_spec *spec, LLVMValueRef fn);
/* The major version of the LLVM that is linked. */
int machine_llvm_version(void);
/* Fails the job that the calling thread runs; does not return. Only on a thread of machine_run. */
_Noreturn void machine_fatal(const char *reason);
#endif
