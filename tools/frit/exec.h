/* Something that runs a model: a compiled package, or the interpreter. Both are described by the same record as
 * libfrit_rt describes a package. */
#ifndef FRIT_TOOLS_EXEC_H
#define FRIT_TOOLS_EXEC_H
#include "cli.h"
#include "model.h"

typedef struct exec exec;
struct exec {
    const frit_package_info *info;
    const char *device; /* what runs it, for people */
    /* All report their failures to the cli and return an exit status. */
    int (*set_dim)(exec *x, cli *c, const char *name, int64_t value); /* before bind */
    int (*bind)(exec *x, cli *c, int param, const io_array *a);       /* borrows a */
    int (*run)(exec *x, cli *c, const io_array *inputs, io_array *outputs); /* outputs are allocated; caller frees them */
    int (*get_state)(exec *x, cli *c, int state, io_array *a);       /* a copy */
    int (*set_state)(exec *x, cli *c, int state, const io_array *a); /* before run: kept for it */
    void (*close)(exec *x);
};

/* The interpreter over m->module. NULL: *status. */
exec *exec_open_interp(cli *c, const model *m, uint64_t seed, int *status);
/* A package in memory (kept until close) or, with bytes NULL, the file m->path. */
exec *exec_open_package(cli *c, const model *m, const void *bytes, size_t size, uint64_t seed, int *status);

/* From here on, inputs are copied to the package's device once and outputs stay there, so that runs do nothing but run.
 * Takes the copy's bytes a second on that device, or leaves *copy_bytes alone on the CPU. */
void exec_keep_on_device(exec *x, double *copy_bytes);

/* The session inside a package's exec, for profiling; NULL before the first run and for the interpreter. */
frit_session *exec_session(exec *x);
#endif
