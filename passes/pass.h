/* Passes over tensor-level funcs and the runner, which alone decides what runs, prints, times and verifies.
 *
 * A pass is `bool pass_X(pass_ctx *, ir_func *)` in passes/X.c: it rewrites one func and returns whether it changed
 * anything. It keeps the meaning that the typed interpreter gives, but for rules marked inexact at their place in the
 * source: those may round differently (within the interpreter's bound) and are left out when options->exact is set. */
#ifndef FRIT_PASSES_PASS_H
#define FRIT_PASSES_PASS_H
#include "ir/ir.h"

typedef enum pass_id {
#define PASS(name, doc) PASS_##name,
#include "passes.def"
#undef PASS
    PASS_COUNT
} pass_id;

typedef struct pass_ctx pass_ctx;

typedef struct pass_info {
    const char *name, *doc;
    bool (*run)(pass_ctx *c, ir_func *f);
} pass_info;
extern const pass_info pass_table[PASS_COUNT];

typedef struct pass_options {
    uint64_t skip;        /* bit i: pass i is not run */
    bool exact;           /* no rule that rounds differently from the program as written */
    const struct frit_target_limits *limits; /* of the target, or NULL: nothing is known of it */
    bool unverified;      /* do not check the program after each pass that changed it */
    const char *dump_dir; /* a folder that receives the program after each pass that changed it, or NULL */
    /* Called with the program after each pass that changed it; stage is the pass's name. May be NULL. */
    void (*show)(void *user, const ir_module *m, const char *stage);
    void *user;
} pass_options;

typedef struct pass_timer {
    int runs, changes;
    int64_t ns;
} pass_timer;

struct pass_ctx {
    ir_module *m;
    const pass_options *options;
    arena *scratch; /* ends with the pass that runs */
    pass_timer timers[PASS_COUNT];
    int dumps;       /* files written to dump_dir so far */
    int cut_off;     /* sweeps whose rules did not come to an end: harmless, but a bug of theirs */
    const char *bug; /* what the verifier said after which pass (memory of the module), or NULL */
};

/* A context for one module and one compilation; options (NULL: defaults) are borrowed. */
pass_ctx pass_ctx_new(ir_module *m, const pass_options *options);
/* The pass called `name`, or PASS_COUNT. */
pass_id pass_find(const char *name);
/* Adds the passes of a list such as "cse,dce" to *skip. Returns the first unknown name (its length in *len), or
 * NULL. */
const char *pass_parse_skip(const char *list, uint64_t *skip, size_t *len);

/* Runs one pass on f: skipped, timed, shown, dumped and verified as the options say. Returns whether f changed. After
 * a verifier failure (c->bug) nothing runs any more. */
bool pass_run(pass_ctx *c, pass_id id, ir_func *f);

/* The default pipeline on every tensor-level func of the module, up to and without fusion. False: c->bug says what is
 * wrong with frit itself. */
bool passes_tensor(pass_ctx *c, ir_module *m);

/* The passes themselves; call them through pass_run. */
#define PASS(name, doc) bool pass_##name(pass_ctx *c, ir_func *f);
#include "passes.def"
#undef PASS
#endif
