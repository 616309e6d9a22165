/* The whole road from a tensor module to a package, in one place. */
#ifndef FRIT_FRONTEND_COMPILER_H
#define FRIT_FRONTEND_COMPILER_H
#include "codegen/program.h"
#include "ir/diag.h"
#include "ir/ir.h"

typedef enum compile_fusion { COMPILE_FULL, COMPILE_OP, COMPILE_NONE } compile_fusion;

typedef struct compile_options {
    const target *target;
    compile_fusion fusion; /* OP: a kernel an op, views folded; NONE: the same without the tensor passes */
    program_stage stop;
    int workers;           /* threads that compile; 0: one per CPU */
    diag *diag;            /* names the sources that spans point into; may be NULL */
    bool (*weight)(void *u, const char *path, const void **data, uint64_t *bytes); /* see program_options */
    void *weight_ctx;
} compile_options;

/* Simplifies and fuses the model and its module's state initialisers: afterwards all computing ops are in kernels. */
void compile_fuse(ir_module *m, ir_func *model, const compile_options *o);
/* From there to machine code and a package. Memory from `a`. NULL with *error (a limit or a bug of frit's). */
const program *compile_program(arena *a, ir_func *fused, const compile_options *o, const char **error);
#endif
