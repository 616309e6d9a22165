/* Tile programs written by hand, lowered, compiled for this machine and run between guard pages. */
#ifndef FRIT_TESTS_LOWER_HARNESS_H
#define FRIT_TESTS_LOWER_HARNESS_H
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include "codegen/target.h"
#include "ir/ir.h"
#include "passes/lower_tile.h"

/* ---- Writing a program ---- */
typedef struct dim_value {
    const char *name;
    int64_t v;
} dim_value;

typedef struct prog {
    ir_module *m;
    sym_ctx *c;
    ir_func *f;
    ir_builder b; /* where the next op goes */
    const dim_value *fixed; /* dims that are constants; NULL-terminated */
} prog;

prog prog_new(void);
sym_t dim(prog *p, const char *name); /* a symbol, or the constant that `fixed` gives */
#define N_OF(...) (int)(sizeof((sym_t[]){__VA_ARGS__}) / sizeof(sym_t))
#define SYMS(...) N_OF(__VA_ARGS__), (const sym_t[]){__VA_ARGS__}
#define NONE 0, NULL
ir_value *buffer(prog *p, frit_dtype t, int rank, const sym_t *dims); /* the next argument */
ir_value *alloc(prog *p, frit_dtype t, ir_space s, int rank, const sym_t *dims);
/* Opens a grid or for; `leave` goes back to the block around it. */
void grid(prog *p, int n, const sym_t *vars, const sym_t *extent);
void for_loop(prog *p, sym_t var, sym_t extent);
void leave(prog *p);
/* Opens block 0 of a stage. tile: one number per var; combines: -1 ends. */
ir_op *stage(prog *p, int n, const sym_t *vars, const sym_t *extent, int parallel, const int64_t *tile, int vector);
/* Yields the terms and opens block 1, whose arguments args[k] have dtypes t[k] (NULL: those of the terms). */
void reduce(prog *p, int n, ir_value **terms, const int64_t *combines, const frit_dtype *t, ir_value **args);
/* Closes the stage. */
void end_stage(prog *p);
ir_value *rd(prog *p, ir_value *buf, int n, const sym_t *map);
void wr(prog *p, ir_value *buf, ir_value *x, int n, const sym_t *map);
/* A read whose coordinates `checked` may fall outside, with n_idx index operands. */
ir_value *rd_checked(prog *p, ir_value *buf, int n, const sym_t *map, int n_checked, const int64_t *checked, double fill,
                     int n_idx, ir_value **idx, const sym_t *idx_vars);
ir_op *wr_combine(prog *p, ir_value *buf, ir_value *x, int n, const sym_t *map, int combine, int n_idx, ir_value **idx,
                  const sym_t *idx_vars);
ir_value *idx(prog *p, sym_t s, frit_dtype t);
static inline ir_value *bin(prog *p, ir_opcode c, ir_value *x, ir_value *y) { return ir_binary(&p->b, c, x, y); }

/* ---- Running it ---- */
typedef struct code code;
/* Verifies, lowers and compiles; fails the test with the reason otherwise. */
code *compile(prog *p);
void code_free(code *k); /* frees the program as well */
/* One buffer of a run: elements between guard pages. */
typedef struct memory {
    void *p;
    int64_t bytes;
    void *map;
    size_t mapped;
} memory;
/* at_end: the last byte is the last before a guard page, else the first byte is the first after one. Filled with 0xff. */
memory memory_new(frit_dtype t, int64_t n, bool at_end);
void memory_free(memory *m);
/* dims: values of the kernel's symbols by name, NULL-terminated. Runs all tasks, split in `pieces` calls. */
void run(code *k, const memory *bufs, int n_bufs, const dim_value *dims, int pieces);
/* The bare function, for timing. */
typedef void kernel_fn(void *const *buffers, const int64_t *ints, void *scratch, int64_t begin, int64_t end);
kernel_fn *code_fn(code *k);
int64_t code_eval(code *k, sym_t s, const dim_value *dims);
lower_info code_info(code *k);
int code_ints(code *k, const dim_value *dims, int64_t *ints);
/* Deterministic numbers in [-1, 1], multiples of 1/64: sums of a few thousand products are exact in f32. */
double pseudo(int64_t i, int seed);
/* In steps of lower_tile and of the rest, milliseconds. */
double code_lower_ms(const code *k);
double code_compile_ms(const code *k);
#endif
