/* From compiled programs to files that need no frit: a typed C header, the host side as C, the kernels, and the recipe
 * of the weights file. The input is the package (runtime/package.h): its schedules become structured C, its formulas C
 * expressions, and its memory plan (runtime/lifetimes.c, runtime/plan.c) straight-line assignments of offsets.
 *
 * Equal input gives equal files: nothing in them depends on time, place or the number of threads that compiled. */
#ifndef FRIT_CODEGEN_EXPORT_EXPORT_H
#define FRIT_CODEGEN_EXPORT_EXPORT_H
#include "codegen/program.h"

typedef enum export_weights {
    EXPORT_WEIGHTS_NONE,   /* the caller gives every param as a pointer */
    EXPORT_WEIGHTS_BESIDE, /* in NAME.weights, which generated code reads (the caller may still give pointers) */
    EXPORT_WEIGHTS_INSIDE  /* as arrays in NAME.c */
} export_weights;

/* One param as it was given. data: dense, row-major, little-endian, alive until export_build returns. */
typedef struct export_param {
    int rank;
    const int64_t *dims;
    const void *data;
    uint64_t bytes;
} export_param;

typedef struct export_options {
    /* Of files, and the prefix of functions; NULL: the model's name. With several models it is of files alone, and not
     * NULL; functions are prefixed with each model's name, and with this one before it when `prefixed`. */
    const char *name;
    bool prefixed;
    export_weights weights;
    /* The value of a param by its path; false when it has none. Not called for EXPORT_WEIGHTS_NONE. */
    bool (*param)(void *u, const char *path, export_param *out);
    void *param_ctx;
} export_options;

typedef struct export_file {
    const char *name; /* relative to the folder; may have one folder of its own */
    const void *bytes;
    uint64_t size;
} export_file;

/* NAME.weights: a safetensors file of this header and these params in this order, without gaps. */
typedef struct export_weights_file {
    const char *name; /* NULL: none */
    const void *header;
    uint64_t header_bytes;
    int n;
    const char *const *paths;
} export_weights_file;

typedef struct export_result {
    const char *name; /* of the files */
    int n;
    const export_file *files;
    export_weights_file weights;
    uint64_t code_bytes; /* machine code (or kernel source) and host source, without weights */
} export_result;

/* The n programs were built for `t` up to the package, from models that share the params of equal paths. Everything is
 * allocated in `a`. NULL with *error: the target has no way to be exported, a param has no value, two models' names are too
 * much alike (the user's to mend), or a bug. */
const export_result *export_build(arena *a, int n, const program *const *programs, const target *t,
                                  const export_options *o, const char **error);
#endif
