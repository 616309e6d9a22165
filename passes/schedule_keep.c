/* Rows that are read once: what several stages of a task read of an input, element by element at the same points of rows (or chunks of
 * rows) that are known to be short enough, the first of them keeps in shared memory for the others. */
#include "schedule_internal.h"
#include <string.h>

static int n_vars(const ir_op *stage, const sym_t **vars) { return ir_get_syms(stage, IR_ATTR_vars, vars); }

/* The read is of an input, at the stage's own point: a coordinate for each of its variables, the row's last. */
static bool is_row_read(const sched *s, sym_t row, const ir_op *stage, const ir_op *op) {
    const sym_t *vars, *extent, *map;
    const ir_value *buffer = op->code == IR_read ? ir_operand(op, 0) : NULL;
    if (!buffer || !buffer->block || ir_is_written(buffer) || op->n_operands != 1 || !sched_is_plain(op) || ir_has(op, IR_ATTR_ahead)) return false;
    int n = n_vars(stage, &vars), rank = ir_get_syms(op, IR_ATTR_map, &map);
    ir_get_syms(stage, IR_ATTR_extent, &extent);
    if (!n || rank < 2 || extent[n - 1] != row) return false;
    sym_t begin = sym_sub(s->m->syms, map[rank - 1], vars[n - 1]); /* of the row, or a chunk */
    for (int i = 0; i < n; i++)
        if (sym_uses(begin, vars[i])) return false;
    for (int i = 0; i < n; i++) {
        bool used = false;
        for (int d = 0; d < rank; d++) used |= sym_uses(map[d], vars[i]);
        if (!used) return false;
    }
    return true;
}

/* Stages over the same loops, of which b reads what a reads, at the same point. */
static bool reads_same(const sched *s, const ir_op *in_a, const ir_op *a, const ir_op *in_b, const ir_op *b) {
    const sym_t *v, *w, *x, *y;
    int n = n_vars(in_a, &v);
    if (ir_operand(a, 0) != ir_operand(b, 0) || n_vars(in_b, &w) != n) return false;
    ir_get_syms(in_a, IR_ATTR_extent, &x);
    ir_get_syms(in_b, IR_ATTR_extent, &y);
    for (int i = 0; i < n; i++)
        if (x[i] != y[i]) return false;
    int rank = ir_get_syms(a, IR_ATTR_map, &x);
    ir_get_syms(b, IR_ATTR_map, &y);
    for (int d = 0; d < rank; d++)
        if (x[d] != sym_subst(s->m->syms, y[d], n, w, v)) return false;
    return true;
}

static ir_op *next_read(const sched *s, sym_t row, const ir_op *stage, const ir_op *read, const ir_op **where) {
    for (const ir_op *at = stage->next; at; at = at->next)
        for (ir_op *op = at->code == IR_stage ? at->blocks[0]->first : NULL; op; op = op->next)
            if (is_row_read(s, row, at, op) && reads_same(s, stage, read, at, op)) return *where = at, op;
    return NULL;
}

static void access_row(sched *s, ir_op *op, const ir_op *stage, ir_value *row) {
    const sym_t *vars;
    int n = n_vars(stage, &vars);
    ir_set_operand(op, 0, row);
    ir_set_syms(s->m, op, IR_ATTR_map, n, vars);
}

static bool keep(sched *s, ir_block *grid, sym_t of, ir_op *stage, ir_op *read) {
    const sym_t *vars, *extent;
    const ir_op *where;
    ir_op *again = next_read(s, of, stage, read, &where);
    if (!again) return true;
    int n = n_vars(stage, &vars);
    ir_get_syms(stage, IR_ATTR_extent, &extent);
    ir_value *row = sched_alloc(s, grid, (frit_dtype)ir_operand(read, 0)->type.dtype, n, extent);
    if (!row) return false;
    for (; again; again = next_read(s, of, stage, read, &where)) access_row(s, again, where, row);
    ir_builder b = ir_builder_after(s->m, read);
    ir_op *write = ir_build(&b, IR_write, 2, (ir_value *[]){row, ir_result(read, 0)}, 0, NULL);
    ir_set_syms(s->m, write, IR_ATTR_map, n, vars);
    return true;
}

bool sched_keep_rows(sched *s, ir_block *grid, ir_block *b, sym_t row) {
    for (ir_op *stage = b->first; stage; stage = stage->next)
        for (ir_op *op = stage->code == IR_stage ? stage->blocks[0]->first : NULL; op; op = op->next)
            if (is_row_read(s, row, stage, op) && !keep(s, grid, row, stage, op)) return false;
    return true;
}
