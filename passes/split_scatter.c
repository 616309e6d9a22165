#include "split_ordered.h"
#include "target.h"
#include <string.h>

enum {
    LONG = 1 << 13,    /* updates that meet: a block takes longer for them than two more launches */
    PART = 1 << 9,     /* of them, at least */
    PLACES = 1 << 15,  /* of the result: of more there are owners enough */
    TRAFFIC = 2,       /* updates for each place of a part's result */
    BLOCKS = 2         /* parts for each multiprocessor */
};

typedef struct splitting {
    rewriter *r;
    ir_op *op;
    const sym_t *vars, *map;
    ir_type base, updates;
    unsigned meet; /* axes of the updates along which some may have the same place */
    int64_t n, parts, size;
    int rank; /* of what is made of the updates: [parts, size, the axes that never meet] */
    sym_t dims[IR_MAX_RANK], at[IR_MAX_RANK]; /* its dims and variables */
    sym_t from[IR_MAX_RANK];                  /* position along each axis of the updates, in these */
} splitting;

static bool is_wanted(splitting *w) {
    const struct frit_target_limits *l = w->r->limits;
    int64_t places, apart = 1, extent;
    if (!l || !l->threads || !l->multiprocessors || ir_get_int(w->op, IR_ATTR_combine, IR_SET) != IR_SUM) return false;
    if (!frit_dtype_is_int((frit_dtype)w->base.dtype) || frit_dtype_bits((frit_dtype)w->base.dtype) < 8) return false;
    if (!sym_is_const(ir_type_elements(w->r->m, w->base), &places) || places < 1 || places > PLACES) return false;
    w->n = 1;
    w->rank = 2;
    for (int d = 0; d < w->updates.rank; d++) {
        bool meets = true;
        for (int k = 0; k < w->base.rank; k++) meets &= w->map[k] != w->vars[d];
        if (!sym_is_const(w->updates.dims[d], &extent) || extent < 1) return false;
        if (meets) w->meet |= 1u << d, w->n *= extent;
        else apart *= extent, w->rank++;
    }
    if (w->n < LONG || w->rank > IR_MAX_RANK || w->base.rank + 1 > IR_MAX_RANK) return false;
    w->parts = BLOCKS * l->multiprocessors;
    if (w->parts > w->n / PART) w->parts = w->n / PART;
    if (w->parts > w->n * apart / places / TRAFFIC) w->parts = w->n * apart / places / TRAFFIC;
    if (w->parts < 2) return false;
    w->size = (w->n + w->parts - 1) / w->parts;
    w->parts = (w->n + w->size - 1) / w->size;
    return true;
}

/* Update number p * size + i of those that meet, and where it is along each axis. Those beyond the last one are outside. */
static void number_updates(splitting *w) {
    sym_ctx *s = w->r->s;
    w->dims[0] = sym_const(s, w->parts), w->dims[1] = sym_const(s, w->size);
    for (int d = 0, k = 2; d < w->updates.rank; d++)
        if (!(w->meet >> d & 1)) w->dims[k++] = w->updates.dims[d];
    for (int k = 0; k < w->rank; k++) w->at[k] = sym_index(s, "p", w->dims[k]);
    sym_t left = sym_add(s, sym_muli(s, w->at[0], w->size), w->at[1]);
    bool first = true;
    for (int d = 0, k = 2; d < w->updates.rank; d++)
        if (!(w->meet >> d & 1)) w->from[d] = w->at[k++];
    int64_t inner = w->n;
    for (int d = 0; d < w->updates.rank; d++) {
        int64_t extent;
        if (!(w->meet >> d & 1) || !sym_is_const(w->updates.dims[d], &extent)) continue;
        inner /= extent;
        w->from[d] = sym_floordiv(s, left, sym_const(s, inner));
        if (!first) w->from[d] = sym_mod(s, w->from[d], sym_const(s, extent));
        first = false;
    }
}

static ir_value *in_parts(splitting *w, ir_value *x) {
    sym_t vars[IR_MAX_RANK], map[IR_MAX_RANK];
    for (int k = 0; k < w->rank; k++) vars[k] = sym_index(w->r->s, "p", w->dims[k]);
    for (int d = 0; d < w->updates.rank; d++) map[d] = sym_subst(w->r->s, w->from[d], w->rank, w->at, vars);
    return ir_view(&w->r->at, x, w->rank, w->dims, vars, map, 0);
}

/* The results of all parts, [parts, the dims of the result]. */
static ir_value *of_parts(splitting *w) {
    rewriter *r = w->r;
    sym_t dims[IR_MAX_RANK], map[IR_MAX_RANK];
    ir_value *operands[IR_MAX_RANK + 2];
    const sym_t *idx;
    int n_idx = ir_get_syms(w->op, IR_ATTR_idx, &idx);
    dims[0] = w->dims[0];
    memcpy(dims + 1, w->base.dims, (size_t)w->base.rank * sizeof *dims);
    operands[0] = ir_splat_int(&r->at, ir_tensor(r->m, (frit_dtype)w->base.dtype, w->base.rank + 1, dims), 0);
    for (int i = 1; i < w->op->n_operands; i++) operands[i] = in_parts(w, ir_operand(w->op, i));
    map[0] = w->at[0];
    for (int k = 0; k < w->base.rank; k++) map[k + 1] = sym_subst(r->s, w->map[k], w->updates.rank, w->vars, w->from);
    ir_op *op = ir_build(&r->at, IR_scatter, w->op->n_operands, operands, 1, &operands[0]->type);
    ir_set_syms(r->m, op, IR_ATTR_vars, w->rank, w->at);
    ir_set_syms(r->m, op, IR_ATTR_idx, n_idx, idx);
    ir_set_syms(r->m, op, IR_ATTR_map, w->base.rank + 1, map);
    ir_set_int(r->m, op, IR_ATTR_combine, IR_SUM);
    return ir_result(op, 0);
}

ir_value *split_scatter(rewriter *r, ir_op *op) {
    if (op->code != IR_scatter) return NULL;
    splitting w = {.r = r, .op = op, .base = ir_operand(op, 0)->type, .updates = ir_operand(op, 1)->type};
    ir_get_syms(op, IR_ATTR_vars, &w.vars);
    ir_get_syms(op, IR_ATTR_map, &w.map);
    if (!is_wanted(&w)) return NULL;
    number_updates(&w);
    int64_t first = 0;
    ir_value *sum = ir_reduce(&r->at, IR_SUM, of_parts(&w), 1, &first, (frit_dtype)w.base.dtype);
    return ir_binary(&r->at, IR_add, ir_operand(op, 0), sum);
}
