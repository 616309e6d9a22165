/* Thread IR to text of the C family, one printer with three dialects.
 *
 * The text of a module is complete: types and helper functions that its kernels use, then the kernels. `c` includes
 * <math.h>, <stdbool.h>, <stdint.h> and <string.h> and compiles as C99 or C++; `cuda` and `hip` include nothing.
 *
 * Every op is total as ir/elementwise.def says, nothing is contracted, and floats are never reassociated. Helpers and
 * types are static, so that several modules may be put together in one program, but not in one file.
 *
 * Registers hold f16, bf16 and f8 as the integers that are their bits; bool lanes are bytes, 0 or -1. Memory holds bool
 * as a byte and 4-bit integers two to a byte. */
#ifndef FRIT_CODEGEN_C_PRINTER_H
#define FRIT_CODEGEN_C_PRINTER_H
#include "ir/ir.h"

typedef enum cprint_dialect { CPRINT_C, CPRINT_CUDA, CPRINT_HIP, CPRINT_DIALECT_COUNT } cprint_dialect;

/* What kernel f is called in the text: its name, made an identifier that no language or library has taken. */
const char *cprint_kernel_name(arena *a, const ir_func *f);

/* The text of n kernels, thread-level funcs whose transcendental ops are expanded: for `c` such with threads == 0, which
 * get the CPU kernel ABI (docs/architecture.md); for the others such with threads > 0, launched as docs/gpu.md says.
 * In `c`, kernels have the storage class FRIT_KERNEL, which a program may define before the text (default: extern).
 * arch: the processor ("sm_80", "gfx942") that the first comment names, which says how to compile and launch; NULL: no such comment.
 * NULL with *error: a bug of frit's. Arena memory. */
const char *cprint_module(arena *a, cprint_dialect d, const char *arch, int n, ir_func *const *kernels, const char **error);
#endif
