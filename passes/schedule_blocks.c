/* Reductions that walk down the rows of a matrix, vectors running along the rows: every row is on another page, and a task
 * that took a narrow strip of columns from top to bottom would look up a page for each vector or two. So a few rows are
 * done at a time, over all of the task's columns, and the running values wait in the task's memory:
 *
 *     running[..] = identity;  for c: running[..] = running[..] combined with (over q < BLOCK of term(BLOCK * c + q));
 *     running[..] = the same with what is left over;  epilogue(running[..]) */
#include "schedule_internal.h"
#include <math.h>

enum { BLOCK = 8, SHORT = 64, NEAR = 1024, SMALL = 1 << 18 }; /* rows, rows, bytes between rows, bytes of the matrix */

typedef struct blocks {
    sched *s;
    ir_block *grid;
    ir_op *stage; /* as it was */
    int n, n_par, n_terms;
    const sym_t *vars, *extent;
    const int64_t *combines;
    ir_value *running[4];
} blocks;

static bool walks_rows(sched *s, const ir_op *read, sym_t along, sym_t down) {
    sym_ctx *c = s->m->syms;
    const ir_value *b = ir_operand(read, 0);
    const sym_t *map;
    sym_t at = sym_const(c, 0), coef, rest;
    int rank = ir_get_syms(read, IR_ATTR_map, &map);
    int64_t bits = frit_dtype_bits((frit_dtype)b->type.dtype);
    if (!b->block || sym_hint(sym_prod(c, b->type.dims, b->type.rank)) * bits / 8 < SMALL) return false;
    for (int d = 0; d < rank; d++) at = sym_add(c, sym_mul(c, at, b->type.dims[d]), map[d]);
    if (!sym_linear(c, at, along, &coef, &rest) || !sym_is(coef, 1)) return false;
    return sym_linear(c, at, down, &coef, &rest) && sym_hint(coef) * bits / 8 >= NEAR;
}

/* What is combined row by row may be combined in parts. */
static bool can_run_on(const blocks *b) {
    if (b->n_terms < 1 || b->n_terms > 4) return false;
    for (int k = 0; k < b->n_terms; k++)
        if (b->combines[k] >= IR_ANY || ir_operand(b->stage->blocks[0]->last, k)->type.dtype == FRIT_bool) return false;
    return true;
}

static bool look_at(blocks *b) {
    const ir_op *op = b->stage;
    b->n = ir_get_syms(op, IR_ATTR_vars, &b->vars);
    b->n_par = (int)ir_get_int(op, IR_ATTR_parallel, b->n);
    b->n_terms = ir_get_ints(op, IR_ATTR_combines, &b->combines);
    ir_get_syms(op, IR_ATTR_extent, &b->extent);
    int64_t vector = ir_get_int(op, IR_ATTR_vector, -1);
    if (b->n != b->n_par + 1 || vector < 0 || vector >= b->n_par || !can_run_on(b)) return false;
    if (sym_hint(b->extent[b->n_par]) < SHORT) return false;
    for (const ir_op *r = op->blocks[0]->first; r; r = r->next)
        if (r->code == IR_read && walks_rows(b->s, r, b->vars[vector], b->vars[b->n_par])) return true;
    return false;
}

static void set_tile(blocks *b, ir_op *stage) {
    const int64_t *tile;
    ir_get_ints(b->stage, IR_ATTR_tile, &tile);
    const sym_t *vars;
    ir_set_ints(b->s->m, stage, IR_ATTR_tile, ir_get_syms(stage, IR_ATTR_vars, &vars), tile);
    ir_set_int(b->s->m, stage, IR_ATTR_vector, ir_get_int(b->stage, IR_ATTR_vector, -1));
}

/* A stage before the old one over the parallel variables and, where `rows` is given, that many rows. */
static ir_op *stage_before(blocks *b, ir_op *before, sym_t row, sym_t rows) {
    stage_vars sv = {.n = b->n_par, .n_par = b->n_par};
    for (int i = 0; i < b->n_par; i++) sv.var[i] = b->vars[i], sv.extent[i] = b->extent[i];
    if (rows) sv.var[sv.n] = row, sv.extent[sv.n++] = rows;
    ir_op *op = sched_stage(b->s, before->parent, &sv);
    ir_op_move_before(op, before);
    return op;
}

static ir_value *begin(const blocks *b, ir_builder *at, int k) {
    ir_type t = ir_operand(b->stage->blocks[0]->last, k)->type;
    ir_combine c = (ir_combine)b->combines[k];
    bool is_float = frit_dtype_is_float((frit_dtype)t.dtype);
    if (c == IR_SUM || c == IR_PROD) return ir_splat_int(at, t, c == IR_PROD);
    if (is_float) return ir_splat(at, t, c == IR_MAX ? -INFINITY : INFINITY);
    int bits = (int)frit_dtype_bits((frit_dtype)t.dtype);
    bool has_sign = frit_dtype_kind_of((frit_dtype)t.dtype) == FRIT_KIND_SINT;
    int64_t most = (int64_t)(has_sign ? UINT64_MAX >> (65 - bits) : UINT64_MAX >> (64 - bits));
    return ir_splat_int(at, t, c == IR_MIN ? most : has_sign ? -most - 1 : 0);
}

static void read_or_write(blocks *b, ir_builder *at, int k, ir_value **x, bool write) {
    ir_type t = b->running[k]->type;
    ir_value *v[2] = {b->running[k], *x};
    ir_type element = ir_scalar((frit_dtype)t.dtype);
    ir_op *op = ir_build(at, write ? IR_write : IR_read, write ? 2 : 1, v, !write, write ? NULL : &element);
    ir_set_syms(b->s->m, op, IR_ATTR_map, b->n_par, b->vars);
    if (!write) *x = ir_result(op, 0);
}

/* The terms of `rows` rows from `base` on join the running values. */
static void add_rows(blocks *b, ir_op *before, sym_t base, sym_t rows) {
    sym_ctx *c = b->s->m->syms;
    sym_t q = sym_index(c, sym_var_name(b->vars[b->n_par]), rows), row = sym_add(c, base, q);
    static const ir_opcode code[] = {[IR_SUM] = IR_add, [IR_PROD] = IR_mul, [IR_MAX] = IR_max, [IR_MIN] = IR_min};
    ir_op *stage = stage_before(b, before, q, rows);
    ir_builder at = ir_builder_at_end(b->s->m, stage->blocks[0]);
    ir_map map = {0};
    for (const ir_op *op = b->stage->blocks[0]->first; op; op = op->next) {
        ir_op *copy = ir_clone(&at, op, &map);
        ir_substitute(b->s->m, copy, 1, &b->vars[b->n_par], &row);
    }
    ir_set_ints(b->s->m, stage, IR_ATTR_combines, b->n_terms, b->combines);
    at = ir_builder_at_end(b->s->m, stage->blocks[1]);
    for (int k = 0; k < b->n_terms; k++) {
        ir_value *arg = ir_block_add_arg(b->s->m, stage->blocks[1], ir_operand(b->stage->blocks[0]->last, k)->type, NULL), *x = NULL;
        read_or_write(b, &at, k, &x, false);
        x = ir_binary(&at, code[b->combines[k]], x, arg);
        read_or_write(b, &at, k, &x, true);
    }
    set_tile(b, stage);
}

static bool allocate(blocks *b) {
    for (int k = 0; k < b->n_terms; k++) {
        ir_type t = ir_operand(b->stage->blocks[0]->last, k)->type;
        if (!(b->running[k] = sched_alloc(b->s, b->grid, (frit_dtype)t.dtype, b->n_par, b->extent))) return false;
    }
    return true;
}

static void identities(blocks *b) {
    ir_op *stage = stage_before(b, b->stage, NULL, NULL);
    ir_builder at = ir_builder_at_end(b->s->m, stage->blocks[0]);
    for (int k = 0; k < b->n_terms; k++) {
        ir_value *x = begin(b, &at, k);
        read_or_write(b, &at, k, &x, true);
    }
    set_tile(b, stage);
}

static void epilogue(blocks *b) {
    ir_op *stage = stage_before(b, b->stage, NULL, NULL);
    ir_builder at = ir_builder_at_end(b->s->m, stage->blocks[0]);
    ir_map map = {0};
    for (int k = 0; k < b->n_terms; k++) {
        ir_value *x = NULL;
        read_or_write(b, &at, k, &x, false);
        ir_map_set(b->s->m, &map, b->stage->blocks[1]->args[k], x);
    }
    for (const ir_op *op = b->stage->blocks[1]->first; op; op = op->next) ir_clone(&at, op, &map);
    set_tile(b, stage);
}

static bool take_apart(blocks *b) {
    sym_ctx *c = b->s->m->syms;
    sym_t rows = b->extent[b->n_par], many = sym_floordiv(c, rows, sym_const(c, BLOCK)), done = sym_muli(c, many, BLOCK);
    if (!allocate(b)) return false;
    identities(b);
    ir_builder at = ir_builder_before(b->s->m, b->stage);
    at.span = b->stage->span;
    ir_op *loop = ir_build(&at, IR_for, 0, NULL, 0, NULL);
    sym_t chunk = sym_index(c, "c", many);
    ir_set_syms(b->s->m, loop, IR_ATTR_vars, 1, &chunk);
    ir_set_syms(b->s->m, loop, IR_ATTR_extent, 1, &many);
    ir_builder in = ir_builder_at_end(b->s->m, loop->blocks[0]);
    ir_op *end = ir_build(&in, IR_alloc, 0, NULL, 1, &b->running[0]->type); /* holds the place */
    add_rows(b, end, sym_muli(c, chunk, BLOCK), sym_const(c, BLOCK));
    ir_op_remove(end);
    if (!sym_prove_multiple(c, rows, BLOCK)) add_rows(b, b->stage, done, sym_sub(c, rows, done));
    epilogue(b);
    ir_op_remove(b->stage);
    return true;
}

bool sched_block_reductions(sched *s, ir_block *grid) {
    if (s->lim->threads || s->lim->is_source) return true;
    for (ir_op *op = grid->first, *next; op; op = next) {
        next = op->next;
        blocks b = {.s = s, .grid = grid, .stage = op};
        if (op->code == IR_stage && look_at(&b) && !take_apart(&b)) return false;
    }
    return true;
}
