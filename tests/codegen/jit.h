/* Builds thread-level kernels by hand, compiles them for this machine, maps the code write-xor-execute and calls it. */
#ifndef FRIT_TESTS_CODEGEN_JIT_H
#define FRIT_TESTS_CODEGEN_JIT_H
#include "codegen/target.h"

typedef void (*jit_fn)(void *const *buffers, const int64_t *ints, void *scratch, int64_t begin, int64_t end);

typedef struct jit {
    arena *a;
    ir_module *m;
    const target *t;
    void *map;
    size_t map_size;
} jit;

/* string NULL: this machine. Fails the running test on error. */
void jit_open(jit *j, const char *string);
void jit_close(jit *j);
/* A kernel function with n buffers of the dtypes given and n_ints integers; its body is open at *b. */
ir_func *jit_func(jit *j, const char *name, int n, const frit_dtype *types, int n_ints, ir_builder *b);
/* Its arguments. */
ir_value *jit_buffer(ir_func *f, int i);
ir_value *jit_int(ir_func *f, int n_buffers, int i);
ir_value *jit_scratch(ir_func *f);
ir_value *jit_begin(ir_func *f);
ir_value *jit_end(ir_func *f);
/* Compiles n functions and maps them; fn[i] stays callable until jit_close or the next jit_compile. */
void jit_compile(jit *j, int n, ir_func **f, jit_fn *fn);

/* Thread-level ops for which ir.h has no helper. */
ir_value *jit_i64(ir_builder *b, int64_t v);
ir_value *jit_load(ir_builder *b, ir_value *ptr, ir_value *index, int lanes, ir_value *mask, ir_value *other);
void jit_store(ir_builder *b, ir_value *ptr, ir_value *index, ir_value *x, ir_value *mask);
ir_value *jit_load_lanes(ir_builder *b, ir_value *ptr, ir_value *indices, ir_value *mask, ir_value *other);
void jit_store_lanes(ir_builder *b, ir_value *ptr, ir_value *indices, ir_value *x, ir_value *mask);
ir_value *jit_splat(ir_builder *b, ir_value *x, int lanes);
ir_value *jit_ramp(ir_builder *b, ir_value *x, int lanes);
/* for i = from; i < to; i += step, with carried values; the body's arguments are op->blocks[0]->args; the builder moves
 * into the body. jit_yield ends a body; the builder is then set after the op by the caller (ir_builder_after). */
ir_op *jit_for(ir_builder *b, ir_value *from, ir_value *to, ir_value *step, int n, ir_value *const *carried);
void jit_yield(ir_builder *b, int n, ir_value *const *v);

/* n bytes that end right before a page that cannot be touched; freed with guard_free. */
void *guard_alloc(size_t n);
void guard_free(void *p, size_t n);
#endif
