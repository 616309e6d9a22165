/* The compiler as a library: models become packages inside a program, and libfrit_rt (runtime/frit.h) runs them.
 *
 *     frit_compiler *c;  frit_module *m;  frit_compiled *p;  frit_package *pkg;
 *     frit_compiler_create(NULL, &c, &err);
 *     frit_module_parse(c, FRIT_SOURCE_FRIT, "digits.frit", text, strlen(text), NULL, &m, &err);
 *     frit_compile(m, NULL, &p, &err);
 *     frit_compiled_open(p, &pkg, &err);       // then as with any package
 *
 * Statuses, errors, references and option structs keep the rules of runtime/frit.h. FRIT_BAD_MODEL: the model is wrong;
 * the error holds the first diagnostic, the callback is given all. FRIT_INTERNAL: a bug of frit's. Everything here may be
 * used by several threads at once, but a builder by one at a time. Compiling takes memory from malloc; running out of it
 * ends the process, which is the one exception to the runtime's rules. */
#ifndef FRIT_COMPILER_H
#define FRIT_COMPILER_H
#include "runtime/frit.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Compiler ---------------------------------------------------------------------------------------------------- */
/* Notes explain the finding before them. */
typedef enum frit_severity { FRIT_ERROR = 0, FRIT_WARNING = 1, FRIT_NOTE = 2 } frit_severity;
/* One finding in a model. Texts live for the call. Notes follow what they belong to. */
typedef struct frit_diagnostic {
    frit_severity severity;
    const char *code;       /* "E0204", "" for a note */
    const char *file;       /* "" without a place */
    int line, column;       /* from 1; 0 without a place */
    const char *message;    /* one line */
    const char *suggestion; /* or NULL */
    const char *source;     /* the line of the source, without its end; NULL without a place */
} frit_diagnostic;

/* What a compiler does with its cache. */
typedef enum frit_cache_mode {
    FRIT_CACHE_ENVIRONMENT = 0, /* as FRIT_CACHE says: on, off or ro */
    FRIT_CACHE_ON = 1,
    FRIT_CACHE_READ_ONLY = 2,
    FRIT_CACHE_OFF = 3
} frit_cache_mode;

/* Options that compilations share: where the cache is, how many threads work, who hears of findings. */
typedef struct frit_compiler frit_compiler;
typedef struct frit_compiler_options {
    size_t struct_size;
    frit_cache_mode cache;
    const char *cache_dir; /* NULL: FRIT_CACHE_DIR, else XDG_CACHE_HOME/frit, else ~/.cache/frit */
    uint64_t cache_limit;  /* bytes; 0: 1 GiB */
    int workers;           /* threads that one compilation uses; 0: one per CPU */
    /* Called for each finding, by the thread that parses or compiles; must be thread-safe. May be NULL. */
    void (*diagnose)(void *ctx, const frit_diagnostic *d);
    void *diagnose_ctx;
    /* Packages come from the cache or not at all: frit_compile gives FRIT_NOT_COMPILED where it would have to compile, and
     * LLVM is never loaded. For programs that must not spend time, or load code generators, while they run. */
    bool never_compile;
} frit_compiler_options;

/* `options` may be NULL. FRIT_USAGE: an option is out of range. The cache's folder is made when something is stored. */
FRIT_API frit_status frit_compiler_create(const frit_compiler_options *options, frit_compiler **out, frit_error *err);
FRIT_API frit_compiler *frit_compiler_retain(frit_compiler *c);
/* What has been started in the background keeps the compiler alive until it is done. */
FRIT_API void frit_compiler_release(frit_compiler *c);
/* Waits until nothing that frit_compile_background started is left: all callbacks have returned. A program that ends while
 * compilations run should call it first. Not from a callback. */
FRIT_API void frit_compiler_wait(frit_compiler *c);

/* ---- Modules ----------------------------------------------------------------------------------------------------- */
/* How a model is written. */
typedef enum frit_source {
    FRIT_SOURCE_FRIT = 0, /* the language */
    FRIT_SOURCE_FIR = 1   /* tensor IR as text */
} frit_source;
/* A const of the file or a dim of the model, as frit's -D. */
typedef struct frit_define {
    const char *name, *value;
} frit_define;
/* What a checkpoint has under a param's name. */
typedef struct frit_weight_type {
    const char *name;
    frit_dtype dtype;
    int rank;
    const int64_t *dims;
} frit_weight_type;
typedef struct frit_module_options {
    size_t struct_size;
    const char *entry; /* which model of the file; NULL: the last */
    const frit_define *defines;
    int n_defines;
    /* The text is only kept: frit_compile reports what is wrong with it, and finds a package in the cache before any
     * graph is built. */
    bool lazy;
    int n_weights;
    /* The types of weights that will be bound (copied): dims of params that the model leaves open are then known, which
     * compiles sooner and runs faster. Names that the model has no param of do no harm. */
    const frit_weight_type *weights;
} frit_module_options;

/* A model that has been read and (unless lazy) found right. It does not change: it may be compiled often, for several targets. */
typedef struct frit_module frit_module;
/* `text` (size bytes, copied) called `name` in diagnostics; imports are read from the folder of that name. `options` may be
 * NULL. The module keeps the compiler alive. FRIT_BAD_MODEL: the text is wrong, or has no such entry; FRIT_USAGE. */
FRIT_API frit_status frit_module_parse(frit_compiler *c, frit_source form, const char *name, const char *text,
                                       size_t size, const frit_module_options *options, frit_module **out,
                                       frit_error *err);
/* The same from a file; one whose name ends in .fir holds tensor IR. FRIT_IO besides. */
FRIT_API frit_status frit_module_open(frit_compiler *c, const char *path, const frit_module_options *options,
                                      frit_module **out, frit_error *err);
FRIT_API frit_module *frit_module_retain(frit_module *m);
FRIT_API void frit_module_release(frit_module *m);

/* ---- Modules built by calls -------------------------------------------------------------------------------------- */
/* A builder writes a model step by step, as text of the language, so that all of the language can be called and means the
 * same: a model built and one parsed from the same text give the same package. Types are written as in the language:
 * "f32[B, 64]", "int", where an unknown name is a dim. All texts are copied; values are numbers that the builder gives out
 * and understands alone. Dtypes and shapes are checked when the module is made.
 *
 * The first failure stays: later calls do nothing and give -1, and frit_builder_finish reports it. A builder is used by one
 * thread at a time; it keeps its compiler alive, and a module made by it does not need it. */
typedef struct frit_builder frit_builder;
typedef int frit_value; /* -1: none */

/* `model` is the model's name. FRIT_USAGE: it is none. */
FRIT_API frit_status frit_builder_create(frit_compiler *c, const char *model, frit_builder **out, frit_error *err);
/* Also of one that is not finished. NULL is allowed. */
FRIT_API void frit_builder_release(frit_builder *b);

/* An input of the model, in the package's order. */
FRIT_API frit_value frit_builder_input(frit_builder *b, const char *name, const char *type);
/* A condition on dims: "S % 8 == 0", "S <= 4096". Checked when the model runs; the compiler may use it. */
FRIT_API void frit_builder_where(frit_builder *b, const char *condition);
/* A weight: bound by this name, dots allowed ("encoder.0.weight"). */
FRIT_API frit_value frit_builder_param(frit_builder *b, const char *name, const char *type);
/* A state: a tensor that a session keeps between runs. `init` is its first value, as an expression: "0". A call that takes
 * the state reads what was written to it by the updates before the call. */
FRIT_API frit_value frit_builder_state(frit_builder *b, const char *name, const char *type, const char *init);
/* state = v, or with a subscript a part of it: state[subscript] = v. In the subscript $0, $1, ... stand for args. */
FRIT_API void frit_builder_update(frit_builder *b, frit_value state, const char *subscript, const frit_value *args,
                                  int n_args, frit_value v);

/* fn(args..., named): any operation or function of the prelude by its name, or an operator: "+", "-", "*", "/", "@",
 * "<", "==" ... with two arguments. `named` (NULL: nothing) is further arguments as text: "axis = -1". */
FRIT_API frit_value frit_builder_call(frit_builder *b, const char *fn, const frit_value *args, int n_args,
                                      const char *named);
/* The same for a function of n_results results. */
FRIT_API void frit_builder_calls(frit_builder *b, const char *fn, const frit_value *args, int n_args, const char *named,
                                 frit_value *results, int n_results);
/* A value written as an expression of the language, in which $0, $1, ... stand for args. */
FRIT_API frit_value frit_builder_expression(frit_builder *b, const char *text, const frit_value *args, int n_args);
/* Appends an output. Either all outputs have a name and a type, or none has (both NULL). */
FRIT_API void frit_builder_output(frit_builder *b, frit_value v, const char *name, const char *type);
/* The module; the builder stays and can go on. FRIT_USAGE: a call of the builder was wrong, and which; FRIT_BAD_MODEL: a
 * dtype, a shape or a name is: the message ends with the call in question, diagnostics carry it as their source line, and
 * names of values in it are _v and the value's number. */
FRIT_API frit_status frit_builder_finish(frit_builder *b, frit_module **out, frit_error *err);
/* The model as text of the language; belongs to the builder and is gone with the next call. */
FRIT_API const char *frit_builder_text(frit_builder *b);

/* ---- Compiling --------------------------------------------------------------------------------------------------- */
/* What the operands of f32 products are rounded to, as frit's --precision. */
typedef enum frit_precision {
    FRIT_PRECISION_F32 = 0, /* nothing: as the model is written */
    FRIT_PRECISION_TF32 = 1,
    FRIT_PRECISION_BF16 = 2,
    FRIT_PRECISION_FAST = 3 /* what is fastest on the target */
} frit_precision;
/* What one compilation is to make. */
typedef struct frit_compile_options {
    size_t struct_size;
    const char *target; /* NULL: "cpu", this machine */
    /* In place of `target`: one package for all of these, of which a device later takes the one that suits it best. */
    const char *const *targets;
    int n_targets;
    frit_precision precision;
} frit_compile_options;
/* A finished package. It keeps nothing else alive. */
typedef struct frit_compiled frit_compiled;
/* From the cache if it is there (then no graph is built), else compiled (and stored) by this thread and the compiler's
 * workers; of several targets each by itself. FRIT_BAD_MODEL, FRIT_NOT_FOUND: no such target; FRIT_USAGE: an option is out
 * of range, or a target is there twice; FRIT_NOT_COMPILED: see never_compile; FRIT_UNAVAILABLE: LLVM is
 * not installed. */
FRIT_API frit_status frit_compile(frit_module *m, const frit_compile_options *options, frit_compiled **out,
                                  frit_error *err);
/* The same on one of the compiler's own threads (as many compilations at a time as there are CPUs; more wait in order):
 * done is called there, once, with what frit_compile would have returned. The reference in `result` (NULL on failure) is
 * then the callee's; `err` lives for the call. On a status other than FRIT_OK nothing was started and done is not
 * called. */
FRIT_API frit_status frit_compile_background(frit_module *m, const frit_compile_options *options,
                                             void (*done)(void *ctx, frit_compiled *result, const frit_error *err),
                                             void *ctx, frit_error *err);
/* One package for several targets, from packages that were compiled of one module, each for another target. FRIT_USAGE: they
 * are not. */
FRIT_API frit_status frit_compiled_join(const frit_compiled *const *each, int n, frit_compiled **out, frit_error *err);
FRIT_API frit_compiled *frit_compiled_retain(frit_compiled *p);
FRIT_API void frit_compiled_release(frit_compiled *p);
/* The package's bytes, aligned to 64, for as long as p lives. */
FRIT_API const void *frit_compiled_bytes(const frit_compiled *p, size_t *size);
/* Whether it came from the cache, for all targets. */
FRIT_API bool frit_compiled_from_cache(const frit_compiled *p);
/* Writes a .fpk: under a temporary name, then renamed, so that no reader sees half of it. FRIT_IO: the old file, if there
 * was one, is as it was. */
FRIT_API frit_status frit_compiled_write(const frit_compiled *p, const char *path, frit_error *err);
/* All of it in one call: from text of the language to a package, from the cache if it is there. `c` may be NULL: a compiler
 * with default options for this call. Statuses of frit_module_parse, frit_compile and frit_package_open_memory. */
FRIT_API frit_status frit_compile_source(frit_compiler *c, const char *name, const char *text,
                                         const frit_compile_options *options, frit_package **out, frit_error *err);
/* Opens it as a package that keeps p alive. Statuses as frit_package_open_memory's. */
FRIT_API frit_status frit_compiled_open(frit_compiled *p, frit_package **out, frit_error *err);

/* ---- Weights ----------------------------------------------------------------------------------------------------- */
/* Loads w (bound, not loaded) as frit_weights_load does, but takes the packed params from the cache when they are there,
 * and stores them when they are not: a process maps what another one packed. `key` names the values of the params (a
 * path with its size and time, a hash, a revision): two sets of params that differ must have different keys. Of w's
 * package, target and shapes the cache takes care itself. Statuses as frit_weights_load's; a cache that cannot be used
 * is none. */
FRIT_API frit_status frit_compiler_load_weights(frit_compiler *c, frit_weights *w, const char *key, frit_error *err);

#ifdef __cplusplus
}
#endif
#endif
