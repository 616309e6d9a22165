#include "jit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* cmocka needs the headers above first */
#include <cmocka.h>

void jit_open(jit *j, const char *string) {
    *j = (jit){.a = arena_new(), .m = ir_module_new()};
    const char *error = NULL;
    j->t = target_open(j->a, string ? string : "cpu", &error);
    if (!j->t) fail_msg("%s", error);
}

static void unmap(jit *j) {
    if (j->map) munmap(j->map, j->map_size);
    j->map = NULL;
}

void jit_close(jit *j) {
    unmap(j);
    ir_module_free(j->m);
    arena_free(j->a);
}

ir_func *jit_func(jit *j, const char *name, int n, const frit_dtype *types, int n_ints, ir_builder *b) {
    ir_func *f = ir_func_new(j->m, name, IR_LEVEL_THREAD);
    for (int i = 0; i < n; i++) ir_block_add_arg(j->m, f->body, ir_ptr(types[i], IR_GLOBAL), NULL);
    for (int i = 0; i < n_ints; i++) ir_block_add_arg(j->m, f->body, ir_vector(FRIT_i64, 1), NULL);
    ir_block_add_arg(j->m, f->body, ir_ptr(FRIT_u8, IR_CORE), "scratch");
    ir_block_add_arg(j->m, f->body, ir_vector(FRIT_i64, 1), "begin");
    ir_block_add_arg(j->m, f->body, ir_vector(FRIT_i64, 1), "end");
    *b = ir_builder_at_end(j->m, f->body);
    return f;
}

ir_value *jit_buffer(ir_func *f, int i) { return f->body->args[i]; }
ir_value *jit_int(ir_func *f, int n_buffers, int i) { return f->body->args[n_buffers + i]; }
ir_value *jit_scratch(ir_func *f) { return f->body->args[f->body->n_args - 3]; }
ir_value *jit_begin(ir_func *f) { return f->body->args[f->body->n_args - 2]; }
ir_value *jit_end(ir_func *f) { return f->body->args[f->body->n_args - 1]; }

void jit_compile(jit *j, int n, ir_func **f, jit_fn *fn) {
    unmap(j);
    const char *error = NULL;
    const code_blob *c = target_compile(j->t, j->a, n, f, &error);
    if (!c) fail_msg("%s", error);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    j->map_size = ((size_t)c->size + page - 1) / page * page;
    j->map = mmap(NULL, j->map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(j->map, MAP_FAILED);
    memcpy(j->map, c->bytes, (size_t)c->size);
    assert_int_equal(mprotect(j->map, j->map_size, PROT_READ | PROT_EXEC), 0);
    for (int i = 0; i < n; i++) {
        void *at = (char *)j->map + c->kernels[i].offset;
        memcpy(&fn[i], &at, sizeof at);
    }
}

/* ---- Ops */
ir_value *jit_i64(ir_builder *b, int64_t v) { return ir_splat_int(b, ir_vector(FRIT_i64, 1), v); }

static ir_value *one(ir_builder *b, ir_opcode c, int n, ir_value *const *v, ir_type t) {
    return ir_result(ir_build(b, c, n, v, 1, &t), 0);
}

ir_value *jit_load(ir_builder *b, ir_value *ptr, ir_value *index, int lanes, ir_value *mask, ir_value *other) {
    ir_value *v[] = {ptr, index, mask, other};
    return one(b, IR_load, mask ? 4 : 2, v, ir_vector((frit_dtype)ptr->type.dtype, lanes));
}

void jit_store(ir_builder *b, ir_value *ptr, ir_value *index, ir_value *x, ir_value *mask) {
    ir_value *v[] = {ptr, index, x, mask};
    ir_build(b, IR_store, mask ? 4 : 3, v, 0, NULL);
}

ir_value *jit_load_lanes(ir_builder *b, ir_value *ptr, ir_value *indices, ir_value *mask, ir_value *other) {
    ir_value *v[] = {ptr, indices, mask, other};
    return one(b, IR_load_lanes, mask ? 4 : 2, v, ir_vector((frit_dtype)ptr->type.dtype, indices->type.lanes));
}

void jit_store_lanes(ir_builder *b, ir_value *ptr, ir_value *indices, ir_value *x, ir_value *mask) {
    ir_value *v[] = {ptr, indices, x, mask};
    ir_build(b, IR_store_lanes, mask ? 4 : 3, v, 0, NULL);
}

ir_value *jit_splat(ir_builder *b, ir_value *x, int lanes) {
    return one(b, IR_splat, 1, &x, ir_vector((frit_dtype)x->type.dtype, lanes));
}

ir_value *jit_ramp(ir_builder *b, ir_value *x, int lanes) {
    return one(b, IR_ramp, 1, &x, ir_vector((frit_dtype)x->type.dtype, lanes));
}

ir_op *jit_for(ir_builder *b, ir_value *from, ir_value *to, ir_value *step, int n, ir_value *const *carried) {
    ir_value *v[16] = {from, to, step};
    ir_type t[13] = {0};
    for (int i = 0; i < n; i++) {
        v[3 + i] = carried[i];
        t[i] = carried[i]->type;
    }
    ir_op *op = ir_build(b, IR_tfor, 3 + n, v, n, t);
    ir_block_add_arg(b->m, op->blocks[0], ir_vector(FRIT_i64, 1), "i");
    for (int i = 0; i < n; i++) ir_block_add_arg(b->m, op->blocks[0], t[i], NULL);
    *b = ir_builder_at_end(b->m, op->blocks[0]);
    return op;
}

void jit_yield(ir_builder *b, int n, ir_value *const *v) { ir_build(b, IR_yield, n, v, 0, NULL); }

/* ---- Guarded memory */
static size_t guarded(size_t n) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (n + page - 1) / page * page;
}

void *guard_alloc(size_t n) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = guarded(n);
    char *p = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    assert_int_equal(mprotect(p + size, page, PROT_NONE), 0);
    return p + size - n;
}

void guard_free(void *p, size_t n) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = guarded(n);
    munmap((char *)p + n - size, size + page);
}
