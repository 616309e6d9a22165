/* What the files of the C API share. */
#ifndef FRIT_FRONTEND_FRIT_COMPILER_INTERNAL_H
#define FRIT_FRONTEND_FRIT_COMPILER_INTERNAL_H
#include "cache.h"
#include "frit_compiler.h"
#include "ir/diag.h"
#include "ir/ir.h"
#include "passes/precision.h"
#include <stdatomic.h>

/* Work that goes on while the host does something else (frit_background.c). */
typedef struct background background;
background *background_new(void); /* NULL: no memory */
void background_free(background *b);

struct frit_compiler {
    atomic_int refs;
    background *background;
    bool never_compile;
    arena *arena; /* of the options' texts */
    cache cache;
    int workers;
    void (*diagnose)(void *ctx, const frit_diagnostic *d);
    void *diagnose_ctx;
};

/* The text and what elaboration depends on; elaborated again by each compilation, which changes what it works on. */
struct frit_module {
    atomic_int refs;
    frit_compiler *compiler;
    arena *arena;
    frit_source form;
    const char *name, *text;
    size_t size;
    const char *entry;
    frit_define *defines;
    int n_defines;
    frit_weight_type *weights;
    int n_weights;
};

/* One reading of a module, freed with elaborated_free. */
typedef struct elaborated {
    arena *arena;
    diag *d;
    ir_module *module;
    ir_func *model;
    const uint32_t *imports; /* sources in d */
    int n_imports;
} elaborated;

/* Copies a host's option struct (may be NULL) over *dst of `size` bytes, which is zero but for its struct_size, as
 * libfrit_rt does for its own: false when struct_size is not set or an unknown field is not zero. */
bool api_take_options(void *dst, size_t size, const void *src);
frit_status api_bad_options(frit_error *err, const char *function);
frit_status api_fail(frit_error *err, frit_status s, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* frit_compile_options as taken: at least one target. Texts lie in the arena that it was taken with. */
typedef struct compile_request {
    const char **targets;
    int n;
    precision precision;
} compile_request;
frit_status request_take(arena *a, const char *function, const frit_compile_options *given, compile_request *r,
                         frit_error *err);
frit_status request_compile(const frit_module *m, const compile_request *r, frit_compiled **out, frit_error *err);
/* FRIT_OK with *e, or FRIT_BAD_MODEL after the callback was given what is wrong. */
frit_status module_elaborate(const frit_module *m, elaborated *e, frit_error *err);
void elaborated_free(elaborated *e);
#endif
