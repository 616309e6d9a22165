/* From a fused tensor module to a package: every distinct kernel is scheduled, lowered and compiled once, buffers and
 * launches are laid out, and the bytes of the package are written. */
#ifndef FRIT_CODEGEN_PROGRAM_H
#define FRIT_CODEGEN_PROGRAM_H
#include "ir/ir.h"
#include "target.h"

typedef struct program_kernel {
    const char *name;
    ir_func *tile, *thread;
    int launches;       /* how many kernel ops share this code */
    const ir_op *op;    /* the first of them */
    sym_t tasks, scratch;
    int64_t code_bytes;
    uint64_t code_offset; /* of its entry in the package's code */
} program_kernel;

typedef enum program_stage { PROGRAM_TILE, PROGRAM_THREAD, PROGRAM_CODE, PROGRAM_PACKAGE } program_stage;

typedef struct program_options {
    const target *target;
    program_stage stop; /* the last stage that is wanted */
    int workers;        /* threads that compile; 0: one per CPU */
    /* Names file and line of a span; may be NULL. */
    const char *(*locate)(void *u, ir_span span, uint32_t *line);
    void *locate_ctx;
    /* Weights to keep inside the package: NULL when there are none. data: dense, row-major, alive until the end. */
    bool (*weight)(void *u, const char *path, const void **data, uint64_t *bytes);
    /* Says of a weight that `weight` gave that it lies in a file next to the package, and where; NULL or false: it goes
     * into the package. file: its name, relative to the package's folder. */
    bool (*beside)(void *u, const char *path, const char **file, uint64_t *offset);
    void *weight_ctx;
} program_options;

typedef struct program {
    int n_kernels;
    const program_kernel *kernels;
    const ir_module *tiles, *threads; /* the kernels as modules of their level */
    int n_launches;          /* dispatches of one run with every loop body counted once */
    const void *bytes;       /* the package; in the arena */
    uint64_t n_bytes;
    double schedule_ms, lower_ms, compile_ms;
} program;

/* In an error's text: the model goes over the limit of frit's that the rest names. Errors without it are bugs. */
#define PROGRAM_LIMIT "limit: "

/* The kernel reads nothing but params, constants and what other such kernels made of them, does not depend on a run's
 * shapes, and does not make much more of them than it reads: it runs when weights are loaded. */
bool program_at_load(ir_module *m, const ir_op *kernel);

/* `model` and the state initialisers of its module have been fused. NULL with *error on failure. */
const program *program_build(arena *a, ir_func *model, const program_options *o, const char **error);
#endif
