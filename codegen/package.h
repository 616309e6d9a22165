/* Writes packages (runtime/package.h). A package is built in memory by calls in the order
 *
 *     p = package_new(arena, syms, "digits", doc);
 *     inputs, outputs, params, states, checks                      shared by all targets
 *     package_target(p, "cpu:x86-64-v3", arch, features);          once per target, then all of its
 *         package_code, buffers, kernels                           code, buffers, kernels
 *         package_main(p);   launches...                           what a run does
 *         package_load(p);   launches...                           makes packed buffers from params (may be left out)
 *         package_init(p, state);  fills...                        a state's first value (left out: zeros)
 *     package_finish(p, &bytes, &n, &why)
 *
 * Everything returns small integers that name what was made. Symbolic integers are turned into the package's
 * expressions and shared when equal; a variable that appears anywhere becomes a symbol of the package, in order of
 * appearance: from input, param and state dims it is bound, as an `int` input's symbol it takes the value, as the
 * counter of package_loop or the target of package_read it is set by the schedule. Strings and data are copied, except
 * weights, which must stay until package_finish.
 *
 * Mistakes (a schedule that is not closed, a variable that nothing binds) are bugs of the caller and are reported by
 * package_finish in words. Equal calls give equal bytes. */
#ifndef FRIT_CODEGEN_PACKAGE_H
#define FRIT_CODEGEN_PACKAGE_H
#include "ir/sym.h"
#include "runtime/dtype.h"
#include "runtime/package.h"

typedef struct package package;

/* Everything is allocated in `a`. syms: the context that all expressions come from. doc may be NULL. */
package *package_new(arena *a, sym_ctx *syms, const char *entry, const char *doc);

/* ---- Shared by all targets --------------------------------------------------------------------------------------- */
/* Each returns the tensor's index among its kind. host_int: the variable that takes the value of an `int` input (rank
 * 0, i64), or NULL. */
int package_input(package *p, const char *name, frit_dtype t, int rank, const sym_t *dims, sym_t host_int);
int package_output(package *p, const char *name, frit_dtype t, int rank, const sym_t *dims);
int package_param(package *p, const char *path, frit_dtype t, int rank, const sym_t *dims);
int package_state(package *p, const char *path, frit_dtype t, int rank, const sym_t *dims);
/* Keeps the param's value in the package (dense, row-major, in the param's dtype; not copied until package_finish), or
 * says where it lies beside it: `file` is relative to the package's folder, `data` what is there (for its digest). With
 * neither, the host binds it. */
void package_param_inside(package *p, int param, const void *data, uint64_t bytes);
void package_param_beside(package *p, int param, const char *file, uint64_t offset, const void *data, uint64_t bytes);
/* op: "==", "!=", "<" or "<=" as in ir_check. Checked when dims are bound. file may be NULL. */
int package_check(package *p, const char *op, sym_t lhs, sym_t rhs, const char *text, const char *file, uint32_t line);
/* The variable that takes the session's seed. */
void package_seed(package *p, sym_t var);

/* ---- One target -------------------------------------------------------------------------------------------------- */
/* Begins the variant for `target` (canonical string). features: bits of runtime/cpu.h that its code needs. */
void package_target(package *p, const char *target, fpk_arch arch, uint64_t features);
/* Appends machine code at a multiple of `align` (a power of two up to 4096) and returns its offset in the variant's
 * code. Code must be position-independent and import nothing; its constants travel in the same blob. */
uint64_t package_code(package *p, const void *code, uint64_t bytes, uint64_t align);

/* Buffers. Those of tensors take their size from dtype and dims and are made once (asking again gives the same). */
int package_input_buffer(package *p, int input);
int package_output_buffer(package *p, int output);
int package_param_buffer(package *p, int param);
int package_state_buffer(package *p, int state);
int package_temp(package *p, sym_t bytes);
int package_packed(package *p, sym_t bytes);
int package_constant(package *p, const void *data, uint64_t bytes); /* equal constants become one */
/* What kernels rely on; the default is the element size for tensors' buffers, 64 for the others. Inputs and outputs
 * that the host gives with less are copied. */
void package_align(package *p, int buffer, uint32_t align);
/* Temp b is the same memory as temp a (in place). The runtime gives both the larger size and the joined lifetime. */
void package_same_as(package *p, int b, int a);
/* A temp that carries values between iterations of a loop although the loop's first access to it is a write. (A temp
 * that is read first, or used outside the loop too, is kept anyway.) */
void package_keep(package *p, int temp);

/* FPK_MAP_WORDS and FPK_MAP_VALUES of runtime/package.h. */
typedef struct package_map {
    uint32_t words[FPK_MAP_WORDS];
    sym_t values[FPK_MAP_VALUES]; /* NULL: 1 */
} package_map;

/* A kernel of the CPU ABI in docs/architecture.md. Buffers: n_inputs that it reads, then n_outputs that it writes; one
 * that it updates in place is listed as both. NULL sym_t: 0 (tasks: 1; bytes and flops: not known). */
typedef struct package_kernel {
    const char *name;
    uint64_t code_offset, code_size; /* package_code's result + the function's offset in that blob */
    int n_inputs, n_outputs;
    int n_ints;
    const sym_t *ints;
    sym_t tasks, scratch; /* scratch: bytes a worker; no loop counters */
    sym_t bytes, flops;
    int threads; /* of a block, and its bytes of shared memory, where blocks of threads do the tasks; else 0 */
    int64_t shared;
    int cluster; /* blocks of a cluster, of which tasks are a multiple; 0: none */
    const char *entry; /* its name in its module, with threads; else NULL */
    int n_maps;
    const package_map *maps; /* tensor maps, in the order in which its code takes them */
    const char *file;  /* source of the op it stems from, or NULL */
    uint32_t line;
} package_kernel;
int package_add_kernel(package *p, const package_kernel *k);

/* ---- Schedules of the target ------------------------------------------------------------------------------------- */
/* Each begins a schedule (and ends the one before). */
void package_main(package *p);
void package_load(package *p);
void package_init(package *p, int state);

/* A place in a buffer. offset: bytes, NULL is 0. */
typedef struct package_ref {
    int buffer;
    sym_t offset;
} package_ref;
static inline package_ref package_at(int buffer) { return (package_ref){buffer, 0}; }

/* args: one per buffer of the kernel. */
void package_launch(package *p, int kernel, const package_ref *args);
void package_copy(package *p, package_ref dst, package_ref src, sym_t bytes);
/* Repeats the `width` low bytes (1, 2, 4, 8) of pattern. */
void package_fill(package *p, package_ref dst, sym_t bytes, int width, uint64_t pattern);
/* Exchanges two temps of equal size: the way to carry a value around a loop without a copy. */
void package_swap(package *p, int a, int b);
/* counter runs 0 .. trips-1; closed by package_end. */
void package_loop(package *p, sym_t counter, sym_t trips);
/* Repeats while the bool at cond is true (tested before each turn, the first included). */
void package_while(package *p, package_ref cond);
void package_if(package *p, package_ref cond);
void package_else(package *p);
void package_end(package *p); /* closes the innermost loop, while or if */
/* var = the i64 at `from`, from here on. var must have an upper bound (sym_var_hi): sizes of buffers and scratch that
 * use var are taken at the bound, and so is the shape that a host passes for an output whose dims use it. */
void package_read(package *p, sym_t var, package_ref from);

/* ---- The bytes --------------------------------------------------------------------------------------------------- */
/* True: *bytes (of the arena, aligned to 64) and *n. False: *why says what the caller did wrong. */
bool package_finish(package *p, const void **bytes, uint64_t *n, const char **why);

/* ---- Several into one -------------------------------------------------------------------------------------------- */
typedef struct package_bytes {
    const void *data; /* aligned to 64 */
    uint64_t n;
} package_bytes;
/* One package with the variants of n, which this program made of one model for different targets. Where params lie is
 * taken from the first. *out is of the arena. False: *why says what does not fit. */
bool package_merge(arena *a, int n, const package_bytes *from, package_bytes *out, const char **why);
#endif
