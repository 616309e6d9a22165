/* The order of a contraction's tiles. Blocks that run at a time read the same rows of one operand and the same columns of the
 * other; of so many tiles those that lie in a square share most. So tasks go down a few rows of tiles before they go on to the
 * next column, where rows are long enough for it to matter: what the blocks at work read then fits a cache, or is read from it
 * more often. */
#include "lower_contract.h"

/* Grid variables that the operand's reads use, a bit each. */
static uint32_t used_by(const lower_contract *p, int side, int n, const sym_t *vars) {
    const lower_operand *o = &p->side[side];
    uint32_t used = 0;
    for (const ir_op *op = p->op->blocks[0]->first; op; op = op->next) {
        const sym_t *map;
        if (op->code != IR_read || !o->wanted[op->results[0].id - p->first_id]) continue;
        int rank = ir_get_syms(op, IR_ATTR_map, &map);
        for (int i = 0; i < n; i++)
            for (int d = 0; d < rank; d++)
                if (sym_uses(map[d], vars[i])) used |= UINT32_C(1) << i;
    }
    return used;
}

/* Rows of tiles that are gone down together: about as many times their height as the tiles of all blocks at work are wide. */
static int64_t rows_together(const lower *l, const lower_contract *p, int outer_side) {
    int64_t rows = 1, blocks = l->lim->multiprocessors;
    while (4 * rows * rows * p->side[outer_side].tile <= blocks * 2 * p->side[!outer_side].tile) rows *= 2;
    return rows;
}

/* The side that the last axis but one of the grid runs along, the last one running along the other; -1: it is not so. */
static int outer_side(const lower_contract *p, int n, const sym_t *vars) {
    uint32_t used[2] = {used_by(p, 0, n, vars), used_by(p, 1, n, vars)}, outer = UINT32_C(1) << (n - 2), inner = outer << 1;
    for (int i = 0; i < 2; i++)
        if (used[i] & outer && !(used[!i] & outer) && used[!i] & inner && !(used[i] & inner)) return i;
    return -1;
}

static sym_t bound(lower *l, const char *name, sym_t e, int64_t lo, sym_t hi) {
    sym_t v = sym_var(l->syms, name, SYM_INDEX, sym_const(l->syms, lo), hi);
    ir_value *x = lower_index(l, e);
    lower_bind(l, v, x, lower_depth(l, e));
    return v;
}

bool lower_raster(lower *l, const ir_op *grid, ir_value **task, ir_value **v) {
    sym_ctx *c = l->syms;
    const sym_t *vars, *extent;
    int n = ir_get_syms(grid, IR_ATTR_vars, &vars);
    ir_get_syms(grid, IR_ATTR_extent, &extent);
    const lower_contract *p = l->contracts.len == 1 ? l->contracts.data[0] : NULL;
    if (!p || n < 2 || !l->lim->multiprocessors || grid->blocks[0]->first != p->op) return false;
    int side = outer_side(p, n, vars);
    int64_t rows = side < 0 ? 1 : rows_together(l, p, side), blocks = l->lim->multiprocessors;
    sym_t down = extent[n - 2], across = extent[n - 1];
    if (rows < 2 || sym_hint(down) < 2 || 2 * sym_hint(across) * rows <= 3 * blocks) return false;
    sym_t number = sym_var(c, "task", SYM_INDEX, sym_const(c, 0), NULL), all = sym_mul(c, down, across);
    lower_bind(l, number, *task, l->depth);
    sym_t at = n > 2 ? bound(l, "tile", sym_mod(c, number, all), 0, NULL) : number;
    sym_t many = sym_muli(c, across, rows), group = bound(l, "group", sym_floordiv(c, at, many), 0, NULL);
    sym_t in = bound(l, "in", sym_mod(c, at, many), 0, NULL), first = sym_muli(c, group, rows), these = sym_const(c, rows);
    if (!sym_prove_multiple(c, down, rows)) these = bound(l, "rows", sym_min(c, these, sym_sub(c, down, first)), 1, these);
    v[n - 2] = lower_index(l, sym_add(c, first, sym_mod(c, in, these)));
    v[n - 1] = lower_index(l, sym_floordiv(c, in, these));
    *task = n > 2 ? lower_index(l, sym_floordiv(c, number, all)) : lower_int(l, FRIT_i64, 0);
    return true;
}
