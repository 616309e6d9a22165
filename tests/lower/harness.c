#include "harness.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "passes/expand_math.h"

prog prog_new(void) {
    prog p = {.m = ir_module_new()};
    p.c = p.m->syms;
    p.f = ir_func_new(p.m, "k", IR_LEVEL_TILE);
    p.b = ir_builder_at_end(p.m, p.f->body);
    return p;
}

sym_t dim(prog *p, const char *name) {
    for (const dim_value *d = p->fixed; d && d->name; d++)
        if (!strcmp(d->name, name)) return sym_const(p->c, d->v);
    return sym_var(p->c, name, SYM_DIM, NULL, NULL);
}

ir_value *buffer(prog *p, frit_dtype t, int rank, const sym_t *dims) {
    return ir_block_add_arg(p->m, p->f->body, ir_buffer(p->m, t, IR_GLOBAL, rank, dims), NULL);
}

ir_value *alloc(prog *p, frit_dtype t, ir_space s, int rank, const sym_t *dims) {
    ir_type type = ir_buffer(p->m, t, s, rank, dims);
    return ir_result(ir_build(&p->b, IR_alloc, 0, NULL, 1, &type), 0);
}

static void enter(prog *p, ir_op *op, int block) { p->b = ir_builder_at_end(p->m, op->blocks[block]); }

void grid(prog *p, int n, const sym_t *vars, const sym_t *extent) {
    ir_op *op = ir_build(&p->b, IR_grid, 0, NULL, 0, NULL);
    ir_set_syms(p->m, op, IR_ATTR_vars, n, vars);
    ir_set_syms(p->m, op, IR_ATTR_extent, n, extent);
    enter(p, op, 0);
}

void for_loop(prog *p, sym_t var, sym_t extent) {
    ir_op *op = ir_build(&p->b, IR_for, 0, NULL, 0, NULL);
    ir_set_syms(p->m, op, IR_ATTR_vars, 1, &var);
    ir_set_syms(p->m, op, IR_ATTR_extent, 1, &extent);
    enter(p, op, 0);
}

static ir_block *around(const ir_op *op) { return op->parent; }

void leave(prog *p) { p->b = ir_builder_at_end(p->m, around(p->b.block->op)); }

ir_op *stage(prog *p, int n, const sym_t *vars, const sym_t *extent, int parallel, const int64_t *tile, int vector) {
    ir_op *op = ir_build(&p->b, IR_stage, 0, NULL, 0, NULL);
    ir_set_syms(p->m, op, IR_ATTR_vars, n, vars);
    ir_set_syms(p->m, op, IR_ATTR_extent, n, extent);
    ir_set_int(p->m, op, IR_ATTR_parallel, parallel);
    ir_set_ints(p->m, op, IR_ATTR_tile, n, tile);
    ir_set_int(p->m, op, IR_ATTR_vector, vector);
    enter(p, op, 0);
    return op;
}

void reduce(prog *p, int n, ir_value **terms, const int64_t *combines, const frit_dtype *t, ir_value **args) {
    ir_op *op = p->b.block->op;
    ir_build(&p->b, IR_yield, n, terms, 0, NULL);
    ir_set_ints(p->m, op, IR_ATTR_combines, n, combines);
    enter(p, op, 1);
    for (int i = 0; i < n; i++)
        args[i] = ir_block_add_arg(p->m, op->blocks[1], ir_scalar(t ? t[i] : (frit_dtype)terms[i]->type.dtype), NULL);
}

void end_stage(prog *p) { leave(p); }

ir_value *rd_checked(prog *p, ir_value *buf, int n, const sym_t *map, int n_checked, const int64_t *checked, double fill,
                     int n_idx, ir_value **idx, const sym_t *idx_vars) {
    ir_value *x[8] = {buf};
    for (int i = 0; i < n_idx; i++) x[1 + i] = idx[i];
    ir_type t = ir_scalar((frit_dtype)buf->type.dtype);
    ir_op *op = ir_build(&p->b, IR_read, 1 + n_idx, x, 1, &t);
    ir_set_syms(p->m, op, IR_ATTR_map, n, map);
    if (n_idx) ir_set_syms(p->m, op, IR_ATTR_idx, n_idx, idx_vars);
    if (n_checked) {
        ir_set_ints(p->m, op, IR_ATTR_checked, n_checked, checked);
        ir_set_float(p->m, op, IR_ATTR_fill, fill);
    }
    return ir_result(op, 0);
}

ir_value *rd(prog *p, ir_value *buf, int n, const sym_t *map) { return rd_checked(p, buf, n, map, 0, NULL, 0, 0, NULL, NULL); }

ir_op *wr_combine(prog *p, ir_value *buf, ir_value *x, int n, const sym_t *map, int combine, int n_idx, ir_value **idx,
                  const sym_t *idx_vars) {
    ir_value *v[8] = {buf, x};
    for (int i = 0; i < n_idx; i++) v[2 + i] = idx[i];
    ir_op *op = ir_build(&p->b, IR_write, 2 + n_idx, v, 0, NULL);
    ir_set_syms(p->m, op, IR_ATTR_map, n, map);
    if (n_idx) ir_set_syms(p->m, op, IR_ATTR_idx, n_idx, idx_vars);
    if (combine >= 0) ir_set_int(p->m, op, IR_ATTR_combine, combine);
    return op;
}

void wr(prog *p, ir_value *buf, ir_value *x, int n, const sym_t *map) { wr_combine(p, buf, x, n, map, -1, 0, NULL, NULL); }

ir_value *idx(prog *p, sym_t s, frit_dtype t) {
    ir_type type = ir_scalar(t);
    ir_op *op = ir_build(&p->b, IR_index, 0, NULL, 1, &type);
    ir_set_syms(p->m, op, IR_ATTR_size, 1, &s);
    return ir_result(op, 0);
}

/* ---- Compiling ---- */
struct code {
    arena *a;
    prog p;
    ir_module *lowered;
    ir_func *thread;
    lower_info info;
    void *map;
    size_t mapped;
    kernel_fn *fn;
    double lower_ms, compile_ms;
};

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void check_module(arena *a, const ir_module *m, const char *when) {
    const char *why = NULL;
    if (ir_verify(a, m, &why)) fail_msg("%s: %s", when, why);
}

static void place(code *k, const code_blob *blob) {
    k->mapped = (size_t)(blob->size + 4095) & ~(size_t)4095;
    k->map = mmap(NULL, k->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(k->map, MAP_FAILED);
    memcpy(k->map, blob->bytes, (size_t)blob->size);
    assert_int_equal(mprotect(k->map, k->mapped, PROT_READ | PROT_EXEC), 0);
    void *at = (char *)k->map + blob->kernels[0].offset;
    memcpy(&k->fn, &at, sizeof at);
}

code *compile(prog *p) {
    arena *a = arena_new();
    code *k = arena_new_of(a, code);
    k->a = a, k->p = *p;
    const char *error = NULL;
    const target *t = target_open(a, "cpu", &error);
    if (!t) fail_msg("%s", error);
    check_module(a, p->m, "tile program");
    double start = now_ms();
    k->lowered = ir_module_new();
    k->lowered->syms = p->m->syms;
    k->thread = lower_tile(k->lowered, p->f, &t->limits, &k->info);
    k->lower_ms = now_ms() - start;
    if (getenv("FRIT_DUMP")) printf("%s\n%s\n", ir_print_func(a, p->f), ir_print_func(a, k->thread));
    check_module(a, k->lowered, "thread program");
    start = now_ms();
    expand_math(k->thread);
    const code_blob *blob = target_compile(t, a, 1, &k->thread, &error);
    k->compile_ms = now_ms() - start;
    if (!blob) fail_msg("%s", error);
    if (getenv("FRIT_DUMP_ASM")) {
        int64_t n;
        printf("%s\n", target_emit(t, a, TARGET_ASM, 1, &k->thread, &n, &error));
    }
    place(k, blob);
    return k;
}

void code_free(code *k) {
    munmap(k->map, k->mapped);
    ir_module_free(k->lowered);
    ir_module_free(k->p.m);
    arena_free(k->a);
}

kernel_fn *code_fn(code *k) { return k->fn; }
lower_info code_info(code *k) { return k->info; }
double code_lower_ms(const code *k) { return k->lower_ms; }
double code_compile_ms(const code *k) { return k->compile_ms; }

/* ---- Running ---- */
memory memory_new(frit_dtype t, int64_t n, bool at_end) {
    memory m = {.bytes = frit_dtype_bytes(t, n)};
    size_t page = 4096, body = ((size_t)m.bytes + page - 1) / page * page;
    m.mapped = body + 2 * page;
    m.map = mmap(NULL, m.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(m.map, MAP_FAILED);
    char *first = (char *)m.map + page;
    if (body) {
        assert_int_equal(mprotect(first, body, PROT_READ | PROT_WRITE), 0);
        memset(first, 0xff, body);
    }
    m.p = at_end ? first + (body - (size_t)m.bytes) : first;
    return m;
}

void memory_free(memory *m) { munmap(m->map, m->mapped); }

static bool find_dim(void *u, sym_t var, int64_t *v) {
    for (const dim_value *d = u; d && d->name; d++)
        if (!strcmp(d->name, sym_var_name(var))) {
            *v = d->v;
            return true;
        }
    return false;
}

int64_t code_eval(code *k, sym_t s, const dim_value *dims) {
    int64_t v;
    if (!sym_eval(s, find_dim, (void *)dims, &v)) fail_msg("cannot evaluate %s", sym_print(k->a, s));
    return v;
}

int code_ints(code *k, const dim_value *dims, int64_t *ints) {
    int n = 0;
    for (int i = 0; i < k->thread->body->n_args; i++)
        if (k->thread->arg_syms[i]) ints[n++] = code_eval(k, k->thread->arg_syms[i], dims);
    return n;
}

void run(code *k, const memory *bufs, int n_bufs, const dim_value *dims, int pieces) {
    void *pointers[64];
    int64_t ints[32], tasks = code_eval(k, k->info.tasks, dims), bytes = code_eval(k, k->info.scratch_bytes, dims);
    for (int i = 0; i < n_bufs; i++) pointers[i] = bufs[i].p;
    code_ints(k, dims, ints);
    memory scratch = memory_new(FRIT_u8, (bytes + 63) / 64 * 64, true);
    for (int i = 0; i < pieces; i++)
        k->fn(pointers, ints, scratch.p, tasks * i / pieces, tasks * (i + 1) / pieces);
    memory_free(&scratch);
}

double pseudo(int64_t i, int seed) {
    uint64_t x = (uint64_t)i * UINT64_C(0x9E3779B97F4A7C15) + (uint64_t)seed * UINT64_C(0xD1B54A32D192ED03);
    x ^= x >> 29;
    x *= UINT64_C(0xBF58476D1CE4E5B9);
    return (double)((int64_t)(x >> 57) - 64) / 64;
}
