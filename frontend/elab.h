/* Elaboration: the syntax tree of a model becomes tensor IR.
 *
 * Calls are inlined, static values computed, `for` unrolled, dims solved, index notation turned into views, gathers and
 * reductions. What is left is one func of tensor ops with symbolic dims. docs/language.md gives the meaning. */
#ifndef FRIT_FRONTEND_ELAB_H
#define FRIT_FRONTEND_ELAB_H
#include "ast.h"
#include "ir/ir.h"

/* -D NAME=VALUE: a const of the root file or a dim of the model; "PATH.DIM" names a dim of one call's params. VALUE is
 * an integer, a number, true, false, a dtype, or else a string. */
typedef struct elab_define {
    const char *name, *value;
} elab_define;

typedef struct elab_options {
    const char *entry; /* the model's name; NULL: the last model of the file */
    int n_defines;
    const elab_define *defines;
    /* The type of the weight at `path`; false when it is not known (its dims then come from -D or stay symbols).
     * NULL: no weight is known. */
    bool (*weight_type)(void *user, const char *path, frit_dtype *dtype, int *rank, int64_t dims[IR_MAX_RANK]);
    void *weight_user;
} elab_options;

/* Reads the module that `import name` in the source `from` means. NULL: it could not be found (elaborate reports it)
 * or had errors (already reported). The same module must give the same pointer each time. */
typedef struct elab_loader {
    const ast_file *(*load)(void *user, uint32_t from, const char *name);
    void *user;
} elab_loader;

/* The module of root's entry model: one tensor-level func named after the model, its `return` op yielding the results,
 * globals with their paths (a state's init is a func of its own), symbols, checks. NULL when an error was reported to d.
 * The module owns its memory (ir_module_free); a holds what elaboration itself needs and may be freed afterwards.
 * `loader` and `options` may be NULL: no imports, defaults. */
ir_module *elaborate(arena *a, diag *d, const ast_file *root, const elab_loader *loader, const elab_options *options);

/* A loader that reads NAME.frit from the folder of the importing file. It keeps what it has read in `a`. */
elab_loader elab_folder_loader(arena *a, diag *d);
/* The sources that such a loader has read so far, in that order. */
const uint32_t *elab_folder_sources(const elab_loader *l, int *n);

/* The prelude: functions that every file sees. prelude_count texts, each a .frit file. */
typedef struct prelude_file {
    const char *name, *text;
} prelude_file;
extern const prelude_file prelude_files[];
extern const int prelude_count;
#endif
