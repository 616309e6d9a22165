/* The distinct kernels of a program. */
#ifndef FRIT_CODEGEN_PROGRAM_KERNELS_H
#define FRIT_CODEGEN_PROGRAM_KERNELS_H
#include "package.h"
#include "program.h"

typedef struct kernel_set kernel_set;
/* What a kernel op launches: a record of the set, and the values of its i64 arguments in this op's own symbols. */
typedef struct kernel_use {
    int index;
    int n_ints;
    const sym_t *ints;
    sym_t tasks, scratch;
    int n_maps;
    const package_map *maps;
    /* Of a kernel in two launches (passes/lower_tile.h): the first one, and the bytes that they share; NULL of others. */
    const struct kernel_use *parts;
    sym_t parts_bytes;
} kernel_use;

/* The tensor maps of f (kernel_maps.c), in the order in which its code takes them: *maps (of the arena), whose values are
 * formulas over f's symbols. Returns how many, -1 with *error. */
int kernel_maps(arena *a, const ir_func *f, package_map **maps, const char **error);

kernel_set *kernel_set_new(arena *a, ir_module *m, const target *t);
/* The kernel that runs `op`: scheduled and lowered when no equal one is there yet (equal up to the names of symbols and
 * values). Returns false with *error. */
bool kernel_set_add(kernel_set *s, const ir_op *op, kernel_use *use, const char **error);
/* Compiles all of them with `workers` threads. */
bool kernel_set_compile(kernel_set *s, int workers, const char **error);
/* All kernels as modules of one level. */
const ir_module *kernel_set_tiles(const kernel_set *s);
const ir_module *kernel_set_threads(const kernel_set *s);
int kernel_set_count(const kernel_set *s);
program_kernel *kernel_set_at(kernel_set *s, int i);
/* The blob that kernel i is in, and where it is there. */
const code_blob *kernel_set_code(const kernel_set *s, int i, const code_kernel **code);
void kernel_set_times(const kernel_set *s, double *schedule_ms, double *lower_ms);
#endif
