#include "access.h"
#include <string.h>

bool access_is_pointwise(const ir_op *op) {
    switch (op->code) {
    case IR_constant:
    case IR_iota:
    case IR_size:
    case IR_random:
    case IR_materialize:
    case IR_gather: return true;
    default: return ir_op_flags(op) & (IR_F_ELEMENTWISE | IR_F_VIEW);
    }
}

sym_t access_index_var(access *x, const ir_op *op, int k, const sym_t *coords) {
    int rank = ir_result(op, 0)->type.rank;
    for (int i = 0; i < x->values.len; i++) {
        access_value *v = &x->values.data[i];
        if (v->op == op && v->k == k && !memcmp(v->coords, coords, (size_t)rank * sizeof *coords)) return v->var;
    }
    access_value v = {op, k, arena_copy(x->scratch, coords, (size_t)rank * sizeof *coords),
                      sym_var(x->m->syms, "idx", SYM_VALUE, NULL, NULL)};
    vec_push(x->scratch, &x->values, v);
    return v.var;
}

/* Row-major position of coords in dims. */
static sym_t flatten(sym_ctx *c, int rank, const sym_t *dims, const sym_t *coords) {
    sym_t at = sym_const(c, 0);
    for (int i = 0; i < rank; i++) at = sym_add(c, sym_mul(c, at, dims[i]), coords[i]);
    return at;
}

static bool divides(sym_ctx *c, sym_t d, sym_t x) { return sym_mul(c, sym_floordiv(c, x, d), d) == x; }

/* A reshape keeps the row-major position. Runs of dims with equal products on both sides are independent, which keeps
 * the expressions small: [B, S, H*E] -> [B, S, H, E] touches the last run only. */
static void reshape_coords(sym_ctx *c, ir_type from, ir_type to, const sym_t *coords, sym_t *out) {
    int i = 0, j = 0;
    while (i < from.rank) {
        int i0 = i, j0 = j;
        sym_t pi = from.dims[i++], pj = j < to.rank ? to.dims[j++] : sym_const(c, 1);
        while (pi != pj) { /* extend the side that is behind */
            if (j < to.rank && (i == from.rank || divides(c, pj, pi))) pj = sym_mul(c, pj, to.dims[j++]);
            else if (i < from.rank) pi = sym_mul(c, pi, from.dims[i++]);
            else break;
        }
        sym_t at = j > j0 ? flatten(c, j - j0, to.dims + j0, coords + j0) : sym_const(c, 0);
        for (int k = i - 1; k > i0; k--) {
            out[k] = sym_mod(c, at, from.dims[k]);
            at = sym_floordiv(c, at, from.dims[k]);
        }
        out[i0] = at;
    }
}

static void map_coords(access *x, const ir_op *op, const sym_t *coords, sym_t *out) {
    sym_ctx *c = x->m->syms;
    const sym_t *vars, *idx, *map;
    int n = ir_get_syms(op, IR_ATTR_vars, &vars), n_idx = ir_get_syms(op, IR_ATTR_idx, &idx);
    int rank = ir_get_syms(op, IR_ATTR_map, &map);
    sym_t from[IR_MAX_RANK * 2], to[IR_MAX_RANK * 2];
    for (int i = 0; i < n; i++) from[i] = vars[i], to[i] = coords[i];
    for (int k = 0; k < n_idx; k++) from[n + k] = idx[k], to[n + k] = access_index_var(x, op, k, coords);
    for (int d = 0; d < rank; d++) out[d] = sym_subst(c, map[d], n + n_idx, from, to);
}

void access_operand(access *x, const ir_op *op, int i, const sym_t *coords, sym_t *out) {
    sym_ctx *c = x->m->syms;
    ir_type rt = ir_result(op, 0)->type, t = ir_operand(op, i)->type;
    const int64_t *v;
    const sym_t *s;
    switch (op->code) {
    case IR_reshape: reshape_coords(c, t, rt, coords, out); return;
    case IR_transpose:
        ir_get_ints(op, IR_ATTR_perm, &v);
        for (int d = 0; d < rt.rank; d++) out[v[d]] = coords[d];
        return;
    case IR_broadcast:
        ir_get_ints(op, IR_ATTR_axes, &v);
        for (int d = 0; d < t.rank; d++)
            out[d] = sym_is(t.dims[d], 1) ? sym_const(c, 0) : coords[v[d]];
        return;
    case IR_slice:
        ir_get_syms(op, IR_ATTR_start, &s);
        ir_get_ints(op, IR_ATTR_step, &v);
        for (int d = 0; d < t.rank; d++) out[d] = sym_add(c, s[d], sym_muli(c, coords[d], v[d]));
        return;
    case IR_pad:
        if (i == 1) return;
        ir_get_syms(op, IR_ATTR_lo, &s);
        for (int d = 0; d < t.rank; d++) out[d] = sym_sub(c, coords[d], s[d]);
        return;
    case IR_concat: {
        int axis = (int)ir_get_int(op, IR_ATTR_axis, 0);
        memcpy(out, coords, (size_t)t.rank * sizeof *out);
        for (int k = 0; k < i; k++) out[axis] = sym_sub(c, out[axis], ir_operand(op, k)->type.dims[axis]);
        return;
    }
    case IR_view: map_coords(x, op, coords, out); return;
    case IR_gather:
        if (i == 0) map_coords(x, op, coords, out);
        else memcpy(out, coords, (size_t)t.rank * sizeof *out);
        return;
    default: memcpy(out, coords, (size_t)t.rank * sizeof *out); return;
    }
}

int access_reduced_extents(const ir_op *op, sym_t *extents) {
    const int64_t *axes;
    int n = op->code == IR_contract ? ir_get_ints(op, IR_ATTR_lhs_contract, &axes) : ir_get_ints(op, IR_ATTR_axes, &axes);
    for (int i = 0; i < n; i++) extents[i] = ir_operand(op, 0)->type.dims[axes[i]];
    return n;
}

static int position(const int64_t *v, int n, int64_t x) {
    for (int i = 0; i < n; i++)
        if (v[i] == x) return i;
    return -1;
}

void access_reduced(access *x, const ir_op *op, int i, const sym_t *coords, const sym_t *red, sym_t *out) {
    ir_type t = ir_operand(op, i)->type;
    const int64_t *axes, *batch;
    if (op->code == IR_reduce) {
        int n = ir_get_ints(op, IR_ATTR_axes, &axes), next = 0;
        for (int d = 0; d < t.rank; d++) {
            int r = position(axes, n, d);
            out[d] = r >= 0 ? red[r] : coords[next++];
        }
        return;
    }
    int nc = ir_get_ints(op, i ? IR_ATTR_rhs_contract : IR_ATTR_lhs_contract, &axes);
    int nb = ir_get_ints(op, i ? IR_ATTR_rhs_batch : IR_ATTR_lhs_batch, &batch);
    int next = i ? nb + ir_operand(op, 0)->type.rank - nb - nc : nb; /* where this operand's free axes start */
    for (int d = 0; d < t.rank; d++) {
        int r = position(axes, nc, d), b = position(batch, nb, d);
        out[d] = r >= 0 ? red[r] : b >= 0 ? coords[b] : coords[next++];
    }
}
