/* A model as named on the command line: parsed, elaborated, its weights found. */
#ifndef FRIT_TOOLS_MODEL_H
#define FRIT_TOOLS_MODEL_H
#include "cli.h"
#include "frontend/elab.h"
#include "ir/ir.h"
#include "passes/precision.h"
#include "tools/io/weights.h"

typedef enum { MODEL_FRIT, MODEL_FIR, MODEL_PACKAGE } model_kind;

/* One -D: a value, or for compile and bench a constraint on a dim. */
typedef struct {
    const char *name, *value; /* value: text after '=' (or '%') */
    enum { DEFINE_VALUE, DEFINE_RANGE, DEFINE_MULTIPLE, DEFINE_LIST } kind;
    int64_t lo, hi;       /* RANGE; MULTIPLE: lo */
    const int64_t *list;  /* LIST */
    int n;
    bool used;
} define;

typedef struct model {
    model_kind kind;
    const char *path;
    const char *entry;   /* the name of the model of the file; NULL: the last */
    precision precision; /* written into the module */
    ir_module *module;  /* NULL for a package */
    ir_func *func;      /* the entry; NULL for a package */
    weights *weights;   /* never NULL; empty without -w */
    bool has_weights;   /* -w was given */
    define *defines;
    int n_defines;
    uint32_t source;      /* the root file's text in the cli's diag; 0 for a package */
    const uint32_t *imports; /* the files it imports, likewise */
    int n_imports;
    const char **bounds;  /* per input: see model_index_bound */
    int n_bounds;
    const char *unused;   /* the note on weights that nothing uses, or NULL */
} model;

/* Reads MODEL, -w, -D and -e of c. False after diagnostics or a message; *status is then the exit status. */
bool model_open(cli *c, const char *path, model *m, int *status);
/* The two halves of it: up to the text of the root file, and the rest. */
bool model_read(cli *c, const char *path, model *m, int *status);
bool model_elaborate(cli *c, model *m, int *status);
void model_close(model *m);
/* The text of a file, or of standard input for "-", as a source of the cli's diag; 0 after a diagnostic. */
uint32_t model_read_source(cli *c, const char *path);

/* Reports every param that the weight files lack or have with another type, and once how many keys nobody used. */
bool model_check_weights(cli *c, model *m);
/* The define that gives dim `name` a number, or NULL. */
define *model_define(model *m, const char *name);
/* Text of the extent that the elements of input i of a module as elaborated index (they are gather indices into an axis
 * of that extent), or NULL when they index nothing. */
const char *model_index_bound(cli *c, const model *m, int input);
#endif
