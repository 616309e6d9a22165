/* The whole road from a tensor module to a package, in one place. */
#ifndef FRIT_FRONTEND_COMPILER_H
#define FRIT_FRONTEND_COMPILER_H
#include "codegen/program.h"
#include "ir/diag.h"
#include "ir/ir.h"
#include "passes/pass.h"

typedef enum compile_fusion { COMPILE_FULL, COMPILE_OP, COMPILE_NONE } compile_fusion;

typedef struct compile_options {
    const target *target;
    compile_fusion fusion; /* OP: a kernel an op, views folded; NONE: the same without the tensor passes */
    program_stage stop;
    int workers;           /* threads that compile; 0: one per CPU */
    const pass_options *passes; /* NULL: all passes, unverified */
    pass_timer *timers;    /* PASS_COUNT that receive what each pass took; may be NULL */
    diag *diag;            /* names the sources that spans point into; may be NULL */
    bool (*weight)(void *u, const char *path, const void **data, uint64_t *bytes); /* see program_options */
    bool (*beside)(void *u, const char *path, const char **file, uint64_t *offset);
    void *weight_ctx;
} compile_options;

/* Simplifies and fuses the model and its module's state initialisers: afterwards all computing ops are in kernels.
 * NULL, or what the verifier found wrong after a pass (a bug of frit's; memory of the module). */
const char *compile_fuse(ir_module *m, ir_func *model, const compile_options *o);
/* From there to machine code and a package. Memory from `a`. NULL with *error: a bug of frit's, unless
 * compile_error_is_limit or compile_error_is_missing. */
const program *compile_program(arena *a, ir_func *fused, const compile_options *o, const char **error);
/* The error says that the model goes over a limit of frit's that its author can keep to. */
bool compile_error_is_limit(const char *error);
/* The error says that a library or program which compiling needs is not installed. */
bool compile_error_is_missing(const char *error);
#endif
