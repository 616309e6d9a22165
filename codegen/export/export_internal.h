/* Inside of the exporter. One `exporter` holds the package's tables with a C name for everything; a `scope` is one C
 * function being written; a `layout` is the plan of one schedule: its memory and the values of its formulas. */
#ifndef FRIT_CODEGEN_EXPORT_INTERNAL_H
#define FRIT_CODEGEN_EXPORT_INTERNAL_H
#include "export.h"
#include "runtime/rt.h"

/* ---- Text (text.c) ----------------------------------------------------------------------------------------------- */
typedef struct text {
    arena *a;
    char *data;
    size_t len, cap;
} text;
void put(text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void put_bytes(text *t, const void *bytes, size_t n);
/* NUL-terminated. */
const char *text_of(text *t);
/* A C comment's inside: no end of comment, lines prefixed with `prefix`. */
void put_doc(text *t, const char *doc, const char *prefix);
/* A C string literal with its quotes. */
void put_string(text *t, const char *s);
/* An integer literal of type int64_t. */
const char *literal(arena *a, int64_t v);

/* `template` with @ for the model's name, and $ in front of an underscore for it in capitals. */
typedef struct exporter exporter;
typedef struct export_set export_set;
void put_template(text *t, const exporter *x, const char *template);

/* Names given out once each; words of C, C++ and the generated code are taken from the start. */
typedef struct names {
    arena *a;
    VEC(const char *) taken;
} names;
/* `wanted` as a C identifier that nothing else in `n` has. */
const char *name_new(names *n, const char *wanted);
/* The same for a model, whose functions all begin with it: NAME_model where a library or the file itself has such names. */
const char *name_model(names *n, const char *wanted);
const char *upper(arena *a, const char *s);
/* The C type of one element (4-bit types: of two). */
const char *c_type(frit_dtype t);

/* ---- The exporter (export.c) ------------------------------------------------------------------------------------- */
/* Who knows a symbol's value. */
typedef enum level {
    LEVEL_WEIGHTS, /* the shapes of params */
    LEVEL_CONTEXT, /* the shapes of states: fixed when a context is made */
    LEVEL_RUN,     /* each run: shapes of inputs, host integers */
    LEVEL_SEED,
    LEVEL_LOOP,
    LEVEL_DEVICE
} level;

enum {
    HELP_ADD,
    HELP_SUB,
    HELP_MUL,
    HELP_FLOORDIV,
    HELP_CEILDIV,
    HELP_FLOORMOD,
    HELP_MIN,
    HELP_MAX,
    HELP_END,
    HELP_FILL,
    HELP_DEVICE_COPY,
    HELP_DEVICE_FILL8,
    HELP_COUNT
};

typedef struct code_status {
    const char *name, *meaning;
} code_status;

/* A kind of GPU driver (gpu.c). */
typedef struct gpu_family gpu_family;
struct exporter {
    arena *a;
    const program *program;
    const target *target;
    const export_options *o;
    const char *error;
    frit_package *p;
    const fpk_variant *v;
    const fpk_buffer *buffers;
    const fpk_kernel *kernels;
    const char *name, *upper;
    const char **symbol; /* C name of each symbol of the package */
    level *level;
    const char **tensor;             /* C name of each tensor, in the package's order */
    const char **kernel;             /* per kernel of the variant: the C function */
    int *code;                       /* per kernel of the variant: the program's kernel */
    const gpu_family *gpu;           /* NULL: kernels run on the host */
    uint32_t n_functions, n_modules; /* of a GPU */
    uint32_t n_map_places;           /* tensor maps of all launches of runs: each has a place among those that a context keeps */
    bool has_params;                 /* the caller sees a weights object */
    bool has_load;                   /* there is a weights object at all */
    bool *helps;                     /* helper functions in use */
    bool *const_used;                /* per buffer: a constant that some schedule reads */
    int64_t *known;                  /* weights-level symbols as the given params have them */
    uint8_t *is_known;
    const export_param *params; /* as given; NULL with EXPORT_WEIGHTS_NONE */
    VEC(code_status) statuses;
    export_set *set;
    bool reads_file;          /* the set has a file of weights, and the model params in it */
    uint64_t *weights_offset; /* of each param in that file */
    bool has_spans;           /* a function of the model checks the caller's pointers */
};

/* The models that share a header, a C file and a file of weights: one, or several of a source. Their functions are
 * prefixed with each model's name; what C files keep to themselves is made different by put_section. */
struct export_set {
    arena *a;
    const export_options *o;
    const char *name, *upper; /* of the files */
    int n;
    exporter *models;
    const char *kernel_text; /* kernels as C, or NULL: they are in objects */
    const char *error;
    VEC(export_file) files;
    export_weights_file weights_file;
    uint64_t weights_bytes;
};

static inline uint32_t n_symbols(const exporter *x) { return x->p->n_symbols; }
/* First mistake wins. */
void export_fail(exporter *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void export_add(export_set *s, const char *name, const void *bytes, uint64_t size);
/* The enumerator for a failure with this meaning; equal meanings share one. */
const char *status_for(exporter *x, const char *what, const char *meaning);
/* Index of tensor i of a kind in x->tensor. */
uint32_t tensor_at(const exporter *x, int kind, uint32_t i);
const char *tensor_type(const exporter *x, int kind, uint32_t i); /* its element type in C */
const char *state_name(const exporter *x, uint32_t i);            /* its name in C (context.c) */
bool in_tensors(const exporter *x, int kind, uint32_t symbol); /* in the dims of some tensor of the kind */
bool has_states(const exporter *x);
bool uses_seed(const exporter *x);
bool schedule_empty(const exporter *x, uint32_t s);

/* ---- Functions (scope.c, formula.c) ------------------------------------------------------------------------------ */
typedef struct layout layout;
typedef struct scope {
    exporter *x;
    layout *layout; /* where formulas go that no counter changes; NULL inside a layout's own function */
    text body;
    int indent;
    bool *uses;                                     /* symbols */
    bool *temps;                                    /* buffers: temps by their local names */
    bool *tensors;                                  /* by their place in the package's order */
    bool checked;                                   /* `bad` is in use */
    bool weights, memory, at, context, queue, flag; /* the names `weights`, `memory`, `plan`, `context`, `q`, `flag` */
} scope;
void scope_init(scope *s, exporter *x, layout *l);
/* One line at the present indent. */
void line(scope *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Expression e as C, to stand as an operand of anything when `atom`. */
const char *formula(scope *s, uint32_t e, bool atom);
/* e is a plain number: *v. */
bool formula_const(const exporter *x, uint32_t e, int64_t *v);
/* The bytes of a tensor, as C. */
const char *tensor_bytes(scope *s, int kind, uint32_t i);
/* Declares what `s` uses: symbols of weights, contexts and the seed, and `bad`. `weights`: how the function reaches its
 * weights object, or NULL: through `context`. */
void put_locals(text *t, scope *s, const char *weights);

/* ---- Plans (layout.c) -------------------------------------------------------------------------------------------- */
struct layout {
    exporter *x;
    uint32_t schedule;
    const char *suffix; /* "run", "load", "state_..." */
    scope s;            /* the body of its function */
    text fields;
    int *value; /* per expression: number of its field + 1 */
    int n_values;
    uint32_t *root;
    rt_life *lives;
    uint32_t n_lives;
    const char **at; /* per buffer: C text of its offset in memory, NULL: not placed */
    const char *ends; /* declares the locals of its function */
};
void layout_init(layout *l, exporter *x, uint32_t schedule, const char *suffix);
/* Field for expression e, in C. */
const char *layout_value(layout *l, uint32_t e);
/* The struct and the function that fills it. Call after everything that uses the layout was written. */
void put_layout_struct(text *t, layout *l);
void put_layout_function(text *t, layout *l);
/* The device symbols that `s` uses as locals, or local constants, with their greatest values. */
void put_device_bounds(text *t, scope *s, bool constant);

/* ---- Schedules (schedule.c) -------------------------------------------------------------------------------------- */
/* The function that runs schedule l->schedule. */
void put_schedule(text *t, layout *l);

/* ---- Files ------------------------------------------------------------------------------------------------------- */
void put_header(export_set *s, text *t); /* header.c */
void put_source(export_set *s, text *t); /* source.c */
/* context.c: the struct that a caller keeps between runs; the functions that make, set and free it. */
void put_context_struct(exporter *x, text *t);
void put_context_functions(exporter *x, text *t);
/* The head of the function that makes a context, up to its last parameter. */
void put_create_head(exporter *x, text *t);
/* One model's part of a C file that `several` share: its file-level names that are no part of the interface get the model's
 * name in front (section.c). */
void put_section(text *t, const exporter *x, const char *section, bool several);
/* Parameters of the run function after the first: dims, inputs, outputs. names_only: as arguments of a call. */
void put_run_params(exporter *x, text *t, bool names_only, const char *sep);
/* The symbols of one level, each after `sep`. */
void put_level_params(exporter *x, text *t, level l, bool names_only, const char *sep);
/* Returns from the function when a symbol of level `l` is out of bounds or a check that level `l` decides fails. */
void put_checks(scope *s, level l);                            /* checks.c */
const char *output_extent(const exporter *x, uint32_t symbol); /* parameter that receives a device symbol */
bool in_outputs(const exporter *x, uint32_t symbol);
bool weights_prepare(exporter *x);        /* weights.c: values of params, known dims; false after export_fail */
void weights_layout(export_set *s);         /* the file's header, where each param lies */
void put_constants(exporter *x, text *t); /* weights.c: arrays of constants, and of params kept inside */
void put_weights_struct(exporter *x, text *t);
void put_weights_functions(exporter *x, text *t, layout *load);
/* A relocatable ELF object with the variant's code and a hidden symbol per kernel (object.c). */
void object_write(exporter *x, const char *file);
void put_build_files(export_set *s); /* build.c */

/* ---- GPUs (gpu.c, manifest.c) ------------------------------------------------------------------------------------ */
/* Finds out whether the kernels are a GPU's, and under which driver; false after export_fail. */
bool gpu_prepare(exporter *x);
/* Names kernels and adds the modules' files. */
bool gpu_name_kernels(exporter *x);
const char *gpu_module_file(exporter *x, uint32_t kernel); /* "kernels/NAME_0.ptx" */
void put_gpu_support(exporter *x, text *t);
/* Tensor maps (gpu_maps.c); all but the first put nothing where no kernel takes any. Call after the schedules were written. */
bool gpu_has_maps(const exporter *x);
void put_gpu_map_struct(exporter *x, text *t);
void put_gpu_maps(exporter *x, text *t);
const char *gpu_map_parameters(const exporter *x);        /* of the function that launches */
void put_gpu_map_locals(const exporter *x, text *t);      /* in it */
void put_gpu_map_params(const exporter *x, text *t);      /* finds the maps of a launch */
void put_gpu_device(exporter *x, text *t);
void put_gpu_transfers(exporter *x, text *t);
void put_gpu_header(exporter *x, text *t);
void put_gpu_context_header(exporter *x, text *t);
void put_manifest(export_set *s);
/* `bytes` bytes as an array of unsigned integers of `size` bytes. */
void put_array(text *t, const char *name, const void *data, uint64_t bytes, unsigned size, bool aligned);
#endif
