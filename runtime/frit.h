/* libfrit_rt: opens packages (.fpk) made by frit and runs them. C17, C++ and FFI; libc, libm, libdl and threads only.
 *
 *     frit_package *pkg;  frit_device *dev;  frit_weights *w;  frit_session *s;
 *     frit_package_open("digits.fpk", &pkg, &err);
 *     frit_device_open("cpu", NULL, &dev, &err);
 *     frit_weights_create(pkg, dev, NULL, &w, &err);            // once per device
 *     frit_weights_bind(w, "w1", &w1, FRIT_BORROW, &err);       // for params that the package does not carry
 *     frit_session_create(w, NULL, &s, &err);
 *     frit_session_run(s, inputs, n_inputs, outputs, n_outputs, &err);
 *
 * Rules that hold everywhere:
 * - Every call that can fail returns a status and fills the caller's frit_error (which may be NULL). A failure
 * allocates nothing and leaves the objects as they were, unless the function says otherwise. Nothing aborts or prints.
 * - create and open give one reference, retain adds one, release drops one (NULL is allowed). An object keeps what it
 * was made from alive: a session its weights, weights their package and device.
 * - Option structs start with struct_size = sizeof the struct; NULL means all defaults; fields left zero are defaults.
 *   An older, shorter struct is as good; of a newer, longer one the fields that this library does not know must be zero
 *   (else FRIT_USAGE).
 * - DLTensors are borrowed for the call. Any strides (zero and negative ones included) and any element-aligned pointer
 *   work: what a kernel cannot read in place is copied. Host integers are rank-0 i64 tensors.
 * - Packages and devices may be used by any threads at once. Weights may be shared by any number of sessions once
 * loaded. A session is used by one thread at a time.
 * - The floating environment is set (to nearest, denormals kept) during a run and given back as it was.
 *
 * A package holds machine code: its checksums prove that it is whole, not that it may be trusted. */
#ifndef FRIT_RUNTIME_FRIT_H
#define FRIT_RUNTIME_FRIT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dlpack_min.h"

#ifdef __cplusplus
extern "C" {
#endif
#include "dtype.h"

/* The ABI of this header: same major = programs keep working; a larger minor adds functions or struct tails. */
#define FRIT_ABI_MAJOR 1
#define FRIT_ABI_MINOR 1
#if defined(__GNUC__)
#define FRIT_API __attribute__((visibility("default")))
#else
#define FRIT_API
#endif
/* (major << 16 | minor) of the library that is linked in. */
FRIT_API uint32_t frit_abi_version(void);
/* Version of the frit that built the library, e.g. "0.1.0". */
FRIT_API const char *frit_version(void);

/* ---- Status ------------------------------------------------------------------------------------------------------ */
/* What went wrong, by what the caller should do about it. */
typedef enum frit_status {
    FRIT_OK = 0,
    FRIT_USAGE = 1,       /* fix the calling code: an argument is missing, out of range, or comes at the wrong time */
    FRIT_NOT_FOUND = 2,   /* use another name: the message lists those that exist, or the nearest */
    FRIT_SHAPE = 3,       /* pass tensors of other shapes, dtypes or values: the message names the input and the dims */
    FRIT_BAD_PACKAGE = 4, /* get the file again or rebuild it: it is damaged or no package */
    FRIT_VERSION_MISMATCH = 5, /* rebuild the package, or update the library: their versions do not fit */
    FRIT_IO = 6,             /* look at the path, the permissions or the disk: the system's reason is in the message */
    FRIT_NO_MEMORY = 7,      /* give it more memory or smaller shapes; the object is as it was before the call */
    FRIT_UNAVAILABLE = 8,    /* install or enable what the message names (a driver, a device) */
    FRIT_UNSUPPORTED = 9,    /* compile for another target: this machine runs none of the package's variants */
    FRIT_DEVICE_FAILED = 10, /* release the session and its device, then start again: the device reported a failure */
    FRIT_INTERNAL = 11,      /* report it: a bug in frit */
    FRIT_BAD_MODEL = 12,     /* correct the model's source (or its defines): the message says what is wrong */
    FRIT_NOT_COMPILED = 13   /* compile the model ahead of time: this program may not, and the cache has it not */
} frit_status;
/* "OK", "SHAPE"... */
FRIT_API const char *frit_status_name(frit_status s);

/* Belongs to the caller, who may leave it uninitialised: a failure fills all of it, success changes nothing. */
typedef struct frit_error {
    frit_status status;
    uint32_t line;     /* line of the model's source that is to blame, or 0 */
    char file[128];    /* its file, or "" */
    char message[512]; /* one line, no full stop; cut at the end when too long */
} frit_error;

/* ---- Memory and threads that the host may supply ----------------------------------------------------------------- */
/* alloc returns `size` bytes aligned to `align` (a power of two), or NULL. Called from frit_*_create, load and prepare
 * (and from the first run of new shapes), never from a run of prepared shapes. Must be thread-safe. */
typedef struct frit_allocator {
    void *ctx;
    void *(*alloc)(void *ctx, size_t size, size_t align);
    void (*free)(void *ctx, void *p, size_t size);
} frit_allocator;

/* run calls fn(arg, i) once for each i in [0, n), n <= threads, from any threads, and returns when all have returned.
 * Results do not depend on how the calls are spread. Two sessions that share a pool may call run at the same time. */
typedef struct frit_pool {
    void *ctx;
    int threads; /* the most that run at once, the caller of run included */
    void (*run)(void *ctx, int n, void (*fn)(void *arg, int i), void *arg);
} frit_pool;

/* ---- Device ------------------------------------------------------------------------------------------------------ */
/* A CPU or GPU with its threads or its context. */
typedef struct frit_device frit_device;
typedef struct frit_device_options {
    size_t struct_size;
    int index;             /* which of several devices */
    int threads;           /* CPU: worker threads, the calling one included; 0: one per CPU that the process may use */
    const frit_pool *pool; /* CPU: use these threads instead (copied); ctx must outlive the device */
    const frit_allocator *allocator; /* host memory of the device and all below it (copied); NULL: malloc */
} frit_device_options;
/* `target`: "cpu", "cuda", "hip", or a full target string, of which only the kind is read. FRIT_UNAVAILABLE when the
 * driver or the device is missing. A device does not survive fork: its threads are not in the child. */
FRIT_API frit_status frit_device_open(const char *target, const frit_device_options *options, frit_device **out,
                                      frit_error *err);
FRIT_API frit_device *frit_device_retain(frit_device *d);
FRIT_API void frit_device_release(frit_device *d);
/* How many devices of the target's kind there are: options.index counts them. FRIT_UNAVAILABLE when the driver is
 * missing, with what to install. */
FRIT_API frit_status frit_device_count(const char *target, int *n, frit_error *err);
/* What to print: "cpu (x86-64-v3, 2 threads)". */
FRIT_API const char *frit_device_name(const frit_device *d);

/* ---- Package ----------------------------------------------------------------------------------------------------- */
/* A compiled model: code for some targets, sizes and schedules, perhaps weights. Never changes. */
typedef struct frit_package frit_package;
/* Maps the file; its bytes are read when needed. The file must not be truncated while the package is open. FRIT_IO;
 * FRIT_BAD_PACKAGE: it is no package, or damaged; FRIT_VERSION_MISMATCH; FRIT_NO_MEMORY. */
FRIT_API frit_status frit_package_open(const char *path, frit_package **out, frit_error *err);
/* The same from memory, which must stay unchanged until the package is gone: `done(ctx)` (may be NULL) is called then.
 * Any alignment works; memory aligned to 64 bytes is used in place, other memory is copied. `dir` is the folder of
 * weights kept beside the package (NULL: the current one). On failure done is not called. */
FRIT_API frit_status frit_package_open_memory(const void *bytes, size_t size, const char *dir, void (*done)(void *ctx),
                                              void *ctx, frit_package **out, frit_error *err);
FRIT_API frit_package *frit_package_retain(frit_package *p);
FRIT_API void frit_package_release(frit_package *p);
/* Reads every byte, files beside included, and compares all checksums, those of large weights too (open and load leave
 * these out). FRIT_BAD_PACKAGE, FRIT_IO. */
FRIT_API frit_status frit_package_verify(const frit_package *p, frit_error *err);

/* One of a package's targets. */
typedef struct frit_target_info {
    size_t struct_size; /* set by the caller */
    const char *target; /* its string */
    int n_kernels;
    size_t code_bytes;
} frit_target_info;
/* What the package has for target i of its info. FRIT_USAGE: there is no such target. */
FRIT_API frit_status frit_package_target(const frit_package *p, int i, frit_target_info *out, frit_error *err);
/* How well a device runs target i: 0 for not at all, and then `why` (may be NULL) receives the reason; else the larger
 * the better: frit_weights_create takes the best. */
FRIT_API int frit_package_fits(const frit_package *p, int i, const frit_device *d, frit_error *why);

/* What a package says about itself: places of params, roles of dims, tensors, and all of it. */
typedef enum frit_param_place {
    FRIT_PARAM_NONE,   /* must be bound with frit_weights_bind */
    FRIT_PARAM_INSIDE, /* in the package */
    FRIT_PARAM_BESIDE  /* in a file next to the package */
} frit_param_place;
typedef enum frit_dim_role {
    FRIT_DIM_BOUND, /* from the shapes of inputs, params and states */
    FRIT_DIM_INT,   /* from the value of a host integer input */
    FRIT_DIM_SEED,  /* the session's seed */
    FRIT_DIM_LOOP,  /* counter of a run-time loop */
    FRIT_DIM_DEVICE /* known on the device only while it runs (the extent of a result that depends on data) */
} frit_dim_role;
typedef struct frit_dim_info {
    const char *name;
    frit_dim_role role;
    int64_t lo, hi;   /* accepted values, inclusive */
    int64_t multiple; /* of which they are multiples; 1 for any */
} frit_dim_info;
typedef struct frit_tensor_info {
    const char *name; /* of an input or output; path of a param or state */
    frit_dtype dtype;
    int rank;
    const char *const *dims; /* rank formulas over the dims, as text: "B", "64", "2*H + 1" */
    const char *type;        /* all of it: "f32[B, 64]" */
    bool host_int;           /* an input given as a rank-0 i64 in host memory */
    frit_param_place place;  /* of a param */
} frit_tensor_info;
typedef struct frit_package_info {
    const char *entry;    /* name of the model */
    const char *doc;      /* its doc comment, or "" */
    const char *compiler; /* "frit 0.1.0" */
    int n_inputs, n_outputs, n_params, n_states, n_dims, n_targets;
    const frit_tensor_info *inputs, *outputs, *params, *states;
    const frit_dim_info *dims;
    const char *const *targets; /* canonical target strings, in order of preference */
    uint64_t digest;            /* of all contents, from the checksums: tells packages apart, proves nothing */
} frit_package_info;
/* Lives as long as the package. */
FRIT_API const frit_package_info *frit_package_get_info(const frit_package *p);

/* ---- Weights ----------------------------------------------------------------------------------------------------- */
/* The params of a package on one device: bound by name, then loaded (the package's load program makes packed and folded
 * copies once). Shared by any number of sessions. */
typedef struct frit_weights frit_weights;
typedef struct frit_weights_options {
    size_t struct_size;
    const char *target; /* one of the package's targets; NULL: the best that this machine runs */
} frit_weights_options;

/* `options` may be NULL. Retains both. FRIT_UNSUPPORTED: no variant of the package runs on the device; the message says
 * what it lacks. FRIT_NO_MEMORY; FRIT_DEVICE_FAILED: the device does not take the code. */
FRIT_API frit_status frit_weights_create(frit_package *p, frit_device *d, const frit_weights_options *options,
                                         frit_weights **out, frit_error *err);
FRIT_API frit_weights *frit_weights_retain(frit_weights *w);
FRIT_API void frit_weights_release(frit_weights *w);

/* Flags of frit_weights_bind. */
enum frit_bind_flags {
    FRIT_COPY = 0,  /* the data is copied */
    FRIT_BORROW = 1 /* dense data on the device is used in place and must stay until the weights are gone */
};
/* Gives the param called `name` its value; dtype and dims must fit. Binding again replaces it. Not after load. Params
 * that the package holds inside or beside need no binding, but may be overridden. `flags`: frit_bind_flags; borrowed data
 * that cannot be used in place is copied all the same. FRIT_NOT_FOUND: the model has no such param; FRIT_SHAPE;
 * FRIT_USAGE: after load, or unknown flags; FRIT_NO_MEMORY. Dims are compared with those of other params by load. */
FRIT_API frit_status frit_weights_bind(frit_weights *w, const char *name, const DLTensor *t, int flags,
                                       frit_error *err);
/* Fixes a dim by name before params are bound, where their shapes do not tell it. FRIT_NOT_FOUND: no such dim. */
FRIT_API frit_status frit_weights_set_dim(frit_weights *w, const char *name, int64_t value, frit_error *err);
/* Checks that every param has a value and runs the load program. frit_session_create calls it when it has not been; call
 * it first where several threads create sessions. Loaded weights are left alone. FRIT_USAGE: a param has no value;
 * FRIT_SHAPE: params contradict one another; FRIT_IO: weights beside the package; FRIT_NO_MEMORY; FRIT_DEVICE_FAILED. */
FRIT_API frit_status frit_weights_load(frit_weights *w, frit_error *err);
/* Bytes that frit_weights_save gives: 0 before load, and for packages whose params are used as they are. */
FRIT_API size_t frit_weights_saved_size(const frit_weights *w);
/* Gives what the load program made of the params to `write`, piece by piece and in order, for another process to take
 * with frit_weights_restore. FRIT_USAGE before load; FRIT_IO when write returns false. */
FRIT_API frit_status frit_weights_save(frit_weights *w, bool (*write)(void *ctx, const void *bytes, size_t n), void *ctx,
                                       frit_error *err);
/* In place of load: checks that every param has a value and takes the bytes that frit_weights_save gave, without running
 * the load program. Aligned to 64 bytes they are used in place on a device with host memory and must stay unchanged
 * until the weights are gone; done(ctx) (may be NULL) is called when they are needed no more. FRIT_BAD_PACKAGE: they are
 * of another package, target or shapes of params; done is not called, and load still works. That the params had the same
 * values is the caller's to know. */
FRIT_API frit_status frit_weights_restore(frit_weights *w, const void *bytes, size_t size, void (*done)(void *ctx),
                                          void *ctx, frit_error *err);
/* The package they are of, without a reference of its own: it lives as long as the weights. */
FRIT_API frit_package *frit_weights_package(const frit_weights *w);
/* The target that was chosen; text that lives as long as the package. */
FRIT_API const char *frit_weights_target(const frit_weights *w);

/* ---- Session ----------------------------------------------------------------------------------------------------- */
/* One caller's state and working memory. */
typedef struct frit_session frit_session;
typedef struct frit_dim {
    const char *name;
    int64_t value;
} frit_dim;
typedef struct frit_session_options {
    size_t struct_size;
    int threads;          /* at most so many of the device's threads; 0: all */
    const frit_dim *dims; /* dims fixed for the session, e.g. the capacity of states; those not given come from the */
    int n_dims;           /* inputs of the first prepare or run, and the dims of states stay fixed from then on */
    uint64_t seed;        /* for `random` */
    const frit_allocator *allocator; /* for this session's host memory (copied); NULL: the device's */
    bool profile;                    /* count and time kernels from the start */
    void *stream; /* GPU: the host's own stream (CUstream, hipStream_t) that runs are enqueued on; it must outlive the
                   * session. NULL: a new one */
} frit_session_options;

/* Loads the weights when they are not loaded yet, with load's statuses. `options` may be NULL. Retains the weights.
 * FRIT_NOT_FOUND: a dim that the model has not; FRIT_SHAPE: one that the params contradict; FRIT_NO_MEMORY. */
FRIT_API frit_status frit_session_create(frit_weights *w, const frit_session_options *options, frit_session **out,
                                         frit_error *err);
FRIT_API frit_session *frit_session_retain(frit_session *s);
FRIT_API void frit_session_release(frit_session *s);

/* Plans and allocates for inputs of these shapes and strides, so that runs with equal ones allocate nothing, take no
 * lock and make no system call but to wake sleeping workers. `data` may be NULL except for host integers. States are
 * allocated and initialised at the first prepare. A run of shapes that were not prepared prepares them first. FRIT_SHAPE,
 * FRIT_USAGE: what is wrong with which input; FRIT_NO_MEMORY. */
FRIT_API frit_status frit_session_prepare(frit_session *s, const DLTensor *inputs, int n_inputs, frit_error *err);
/* Shape of output i for the shapes last prepared or run; dims has room for its rank. For an extent that depends on data
 * this is the bound. FRIT_USAGE before the first prepare or run, and for an output that is not there. */
FRIT_API frit_status frit_session_output_shape(const frit_session *s, int i, int64_t *dims, frit_error *err);
/* Value of a dim for the shapes last prepared or run. FRIT_NOT_FOUND; FRIT_USAGE: it has none yet. */
FRIT_API frit_status frit_session_dim(const frit_session *s, const char *name, int64_t *value, frit_error *err);
/* Inputs and outputs in the package's order, outputs of the shapes that frit_session_output_shape gives. An output may
 * share memory with an input (it is then written last, by a copy) but not with another output. After a failure the
 * contents of outputs and states are unspecified. Extents that depend on data are written back to outputs[i].shape.
 * Statuses as prepare's; FRIT_DEVICE_FAILED names the kernel, and `file` and `line` of the error the model's source.
 *
 * On a CPU the results are there when it returns. On a GPU the run is queued on the session's stream, and it returns before
 * it is done unless an output is on the host: inputs on the device must have their values in the order of that stream (or
 * have been waited for), outputs have theirs after frit_session_wait. Tensors may be on the device or the host; dense ones
 * on the device are used in place. */
FRIT_API frit_status frit_session_run(frit_session *s, const DLTensor *inputs, int n_inputs, DLTensor *outputs,
                                      int n_outputs, frit_error *err);
/* Waits for the work that runs have queued on the device; its failures are reported here. A CPU run has none left. */
FRIT_API frit_status frit_session_wait(frit_session *s, frit_error *err);
/* A view of the state called `name`, which may be read and written between runs. The shape array belongs to the
 * session. FRIT_USAGE before the state's dims are known (see prepare); FRIT_NOT_FOUND. */
FRIT_API frit_status frit_session_state(frit_session *s, const char *name, DLTensor *out, frit_error *err);
/* All states back to their first values, as the next run would find them in a new session. */
FRIT_API frit_status frit_session_reset(frit_session *s, frit_error *err);
/* The seed of later runs. */
FRIT_API void frit_session_seed(frit_session *s, uint64_t seed);

/* What the launches of one kernel took. */
typedef struct frit_kernel_profile {
    const char *name;
    const char *file; /* source of the model's op that the kernel stems from, or "" */
    uint32_t line;
    uint64_t launches;   /* since profiling was turned on */
    double seconds;      /* their sum, wall time on the device */
    double bytes, flops; /* their sums as estimated by the compiler */
} frit_kernel_profile;
/* Turns counting and timing on (clearing the numbers) or off. */
FRIT_API void frit_session_set_profile(frit_session *s, bool on);
/* Copies at most n records, in the package's order of kernels, and returns how many kernels there are. */
FRIT_API int frit_session_get_profile(const frit_session *s, frit_kernel_profile *out, int n);
/* Bytes of the arena and of the states that the session holds now. */
FRIT_API size_t frit_session_memory(const frit_session *s);

/* ---- Tensors on devices ------------------------------------------------------------------------------------------ */
/* Where a tensor on the device says that it is. */
FRIT_API DLDevice frit_device_dl(const frit_device *d);
/* Memory of the device for hosts that have none of their own: NULL when there is none. Free takes the same size. */
FRIT_API void *frit_device_alloc(frit_device *d, size_t bytes);
FRIT_API void frit_device_free(frit_device *d, void *p, size_t bytes);
/* dst = src, of equal shapes and sizes of elements; each is on the host or on the device, with any strides. Done when it
 * returns; it does not wait for runs of sessions (frit_session_wait does). */
FRIT_API frit_status frit_tensor_copy(frit_device *d, const DLTensor *dst, const DLTensor *src, frit_error *err);

/* ---- DLTensor helpers -------------------------------------------------------------------------------------------- */
/* The DLPack type of a dtype (f8e4m3: kDLFloat8_e4m3fn; 4-bit integers: bits = 4). */
FRIT_API DLDataType frit_dltype(frit_dtype t);
/* The dtype of a DLPack type, or FRIT_DTYPE_COUNT when frit has none. */
FRIT_API frit_dtype frit_dtype_from_dl(DLDataType t);
/* A dense row-major CPU tensor. `shape` (rank entries) is referenced, not copied. */
FRIT_API DLTensor frit_dense(void *data, frit_dtype t, int rank, int64_t *shape);

#ifdef __cplusplus
}
#endif
#endif
