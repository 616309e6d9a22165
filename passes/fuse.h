/* Which ops share a kernel. Rewrites every block of a tensor-level func so that its computing ops sit inside `kernel` ops;
 * what is left beside them are params, constants, states and control flow. */
#ifndef FRIT_PASSES_FUSE_H
#define FRIT_PASSES_FUSE_H
#include "ir/ir.h"
#include "target.h"

typedef enum fuse_mode {
    FUSE_FULL, /* as few and as cheap kernels as the cost model finds */
    FUSE_OP,   /* one kernel an op; views still fold into reads */
} fuse_mode;

typedef struct fuse_options {
    fuse_mode mode;
    const frit_target_limits *limits;
} fuse_options;

/* A group that cannot be scheduled is not formed. Every kernel carries its `name` and `reason`. */
void fuse(ir_module *m, ir_func *f, const fuse_options *o);
#endif
