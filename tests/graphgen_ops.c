/* One op or a few at a time, on values that are there: what all programs draw from. */
#include "graphgen_internal.h"
#include <string.h>

static bool is_float(ir_type t) { return frit_dtype_is_float((frit_dtype)t.dtype); }

/* ---- Elementwise ------------------------------------------------------------------------------------------------- */
bool gen_defined(ir_opcode code, ir_type t) {
    uint32_t f = ir_op_table[code].flags;
    if (!(f & IR_F_ELEMENTWISE) || code == IR_constant || code == IR_cast || code == IR_bitcast || code == IR_select)
        return false;
    if (t.dtype == FRIT_bool)
        return code == IR_and || code == IR_or || code == IR_xor || code == IR_not || f & IR_F_COMPARE;
    return is_float(t) ? !(f & IR_F_INT) : !(f & IR_F_FLOAT);
}

static ir_value *elementwise(gen *g) {
    ir_value *x = gen_any(g);
    static const ir_opcode plain[] = {IR_add, IR_sub, IR_mul, IR_mul, IR_div, IR_neg, IR_max, IR_min, IR_exp, IR_abs};
    for (int i = 0; i < 20; i++) {
        ir_opcode code = gen_chance(g, 50) ? plain[gen_below(g, 10)] : (ir_opcode)(1 + gen_below(g, IR_OPCODE_COUNT - 1));
        if (!gen_defined(code, x->type)) continue;
        int n = ir_op_table[code].n_operands;
        ir_value *y = n > 1 ? (gen_chance(g, 15) ? x : gen_value(g, x->type)) : NULL;
        if (n == 1) return ir_unary(&g->b, code, x);
        if (n == 3) return ir_fma(&g->b, x, y, gen_value(g, x->type));
        return gen_chance(g, 50) ? ir_binary(&g->b, code, x, y) : ir_binary(&g->b, code, y, x);
    }
    return NULL;
}

/* Floats from any bits are mostly huge, where the order of factors decides whether a product overflows: they are brought
 * nearer to 0. */
ir_value *gen_bits(gen *g, ir_value *x, frit_dtype t) {
    ir_type to = ir_with_dtype(x->type, t);
    ir_value *v = ir_result(ir_build(&g->b, IR_bitcast, 1, &x, 1, &to), 0);
    if (!frit_dtype_is_float(t)) return v;
    v = ir_binary(&g->b, IR_min, v, ir_splat(&g->b, to, 200));
    return ir_binary(&g->b, IR_max, v, ir_splat(&g->b, to, -200));
}

static ir_value *select_or_cast(gen *g) {
    ir_value *x = gen_any(g);
    if (gen_chance(g, 50)) return ir_select(&g->b, gen_value(g, ir_with_dtype(x->type, FRIT_bool)), x, gen_value(g, x->type));
    frit_dtype t = gen_dtype(g);
    if (!gen_chance(g, 20) || frit_dtype_bits(t) != frit_dtype_bits((frit_dtype)x->type.dtype)) return ir_cast(&g->b, x, t);
    return t == x->type.dtype || t == FRIT_bool || x->type.dtype == FRIT_bool ? NULL : gen_bits(g, x, t);
}

/* ---- Views ------------------------------------------------------------------------------------------------------- */
static ir_value *reshape(gen *g) {
    ir_value *x = gen_any(g);
    sym_t dims[IR_MAX_RANK];
    int rank = 0, at = gen_below(g, x->type.rank + 1), how = gen_below(g, 3);
    int64_t e;
    for (int i = 0; i < x->type.rank; i++) {
        sym_t d = x->type.dims[i];
        if (i == at && how == 0) dims[rank++] = sym_const(g->s, 1);
        if (i == at && how == 1 && i + 1 < x->type.rank) dims[rank++] = sym_mul(g->s, d, x->type.dims[++i]);
        else if (i == at && how == 2 && sym_is_const(d, &e) && e % 2 == 0) {
            dims[rank++] = sym_const(g->s, 2);
            dims[rank++] = sym_const(g->s, e / 2);
        } else if (i == at && how == 2 && sym_n_atoms(d) == 2 && sym_kind_of(d) == SYM_PRODUCT) {
            dims[rank++] = sym_atom(d, 0);
            dims[rank++] = sym_atom(d, 1);
        } else if (!sym_is(d, 1) || !gen_chance(g, 40)) dims[rank++] = d;
    }
    if (at == x->type.rank) dims[rank++] = sym_const(g->s, 1);
    return gen_fits(g, rank, dims) ? ir_reshape(&g->b, x, rank, dims) : NULL;
}

static ir_value *transpose(gen *g) {
    ir_value *x = gen_any(g);
    int64_t perm[IR_MAX_RANK];
    for (int i = 0; i < x->type.rank; i++) {
        int j = gen_below(g, i + 1);
        perm[i] = perm[j];
        perm[j] = i;
    }
    return ir_transpose(&g->b, x, perm);
}

static ir_value *broadcast(gen *g) {
    ir_value *x = gen_any(g);
    sym_t dims[IR_MAX_RANK];
    int64_t axes[IR_MAX_RANK];
    int rank = 0;
    for (int i = 0; i <= x->type.rank; i++) {
        if (rank < GEN_RANK && gen_chance(g, 35)) dims[rank++] = gen_dim(g);
        if (i == x->type.rank) break;
        axes[i] = rank;
        dims[rank++] = sym_is(x->type.dims[i], 1) && gen_chance(g, 50) ? gen_dim(g) : x->type.dims[i];
    }
    return gen_fits(g, rank, dims) ? ir_broadcast(&g->b, x, rank, dims, axes) : NULL;
}

static ir_value *slice(gen *g) {
    ir_value *x = gen_any(g);
    sym_t start[IR_MAX_RANK], size[IR_MAX_RANK];
    int64_t step[IR_MAX_RANK], e;
    for (int i = 0; i < x->type.rank; i++) {
        start[i] = sym_const(g->s, 0);
        size[i] = x->type.dims[i];
        step[i] = 1;
        if (gen_chance(g, 40)) continue;
        if (!sym_is_const(size[i], &e)) { /* all of it, backwards */
            start[i] = sym_addi(g->s, size[i], -1);
            step[i] = -1;
            continue;
        }
        if (e == 0) continue;
        int64_t from = gen_below(g, (int)e), by = 1 + gen_below(g, 3), room = (e - 1 - from) / by + 1;
        if (gen_chance(g, 30)) by = -by, room = from / -by + 1;
        start[i] = sym_const(g->s, from);
        step[i] = by;
        size[i] = sym_const(g->s, gen_below(g, (int)room + 1));
    }
    return ir_slice(&g->b, x, start, size, step);
}

static ir_value *pad(gen *g) {
    ir_value *x = gen_any(g);
    sym_t lo[IR_MAX_RANK], hi[IR_MAX_RANK], dims[IR_MAX_RANK];
    int64_t e;
    for (int i = 0; i < x->type.rank; i++) {
        bool crop = sym_is_const(x->type.dims[i], &e) && e >= 2 && gen_chance(g, 20);
        lo[i] = sym_const(g->s, crop ? -1 : gen_below(g, 3));
        hi[i] = sym_const(g->s, crop ? -gen_below(g, 2) : gen_below(g, 3));
        dims[i] = sym_add(g->s, sym_add(g->s, x->type.dims[i], lo[i]), hi[i]);
    }
    if (!gen_fits(g, x->type.rank, dims)) return NULL;
    return ir_pad(&g->b, x, gen_splat(g, ir_scalar((frit_dtype)x->type.dtype)), lo, hi);
}

static ir_value *concat(gen *g) {
    ir_value *x = gen_any(g), *parts[3] = {x};
    int n = 1 + gen_below(g, 3), axis = gen_below(g, x->type.rank);
    if (x->type.rank == 0) return NULL;
    sym_t dims[IR_MAX_RANK];
    memcpy(dims, x->type.dims, sizeof(sym_t) * (size_t)x->type.rank);
    for (int i = 1; i < n; i++) {
        parts[i] = x;
        for (int k = 0; k < g->pool.len; k++) {
            ir_type t = g->pool.data[k]->type;
            bool same = t.rank == x->type.rank && t.dtype == x->type.dtype;
            for (int d = 0; same && d < t.rank; d++) same = d == axis || t.dims[d] == x->type.dims[d];
            if (same && gen_chance(g, 40)) parts[i] = g->pool.data[k];
        }
        dims[axis] = sym_add(g->s, dims[axis], parts[i]->type.dims[axis]);
    }
    return gen_fits(g, x->type.rank, dims) ? ir_concat(&g->b, n, parts, axis) : NULL;
}

/* A coordinate in the variables: one of them, a window, mixed radix, a quotient, a constant, backwards. */
static sym_t gen_coordinate(gen *g, int n, const sym_t *vars, const sym_t *dims, sym_t extent) {
    if (n == 0) return sym_const(g->s, gen_below(g, 3));
    int k = gen_below(g, n), j = gen_below(g, n);
    sym_t v = vars[k];
    for (int i = 0; i < n && gen_chance(g, 70); i++)
        if (dims[i] == extent) v = vars[i];
    switch (gen_below(g, 10)) {
    case 0: return sym_add(g->s, sym_muli(g->s, v, 1 + gen_below(g, 2)), vars[j]);
    case 1: return sym_addi(g->s, v, gen_below(g, 3) - 1);
    case 2: return j == k ? v : sym_add(g->s, sym_mul(g->s, vars[k], dims[j]), vars[j]);
    case 3: return sym_floordiv(g->s, v, sym_const(g->s, 2));
    case 4: return sym_mod(g->s, v, sym_const(g->s, 2 + gen_below(g, 2)));
    case 5: return sym_const(g->s, gen_below(g, 3));
    case 6: return sym_sub(g->s, sym_addi(g->s, extent, -1), v);
    default: return v;
    }
}

static int gen_axes(gen *g, ir_type like, sym_t *dims, sym_t *vars) {
    int rank = gen_below(g, GEN_RANK);
    for (int i = 0; i < rank; i++) {
        dims[i] = like.rank && gen_chance(g, 65) ? like.dims[gen_below(g, like.rank)] : gen_dim(g);
        vars[i] = sym_index(g->s, "i", dims[i]);
    }
    return rank;
}

static ir_value *view(gen *g) {
    ir_value *x = gen_any(g);
    sym_t vars[IR_MAX_RANK], dims[IR_MAX_RANK], map[IR_MAX_RANK];
    int rank = gen_axes(g, x->type, dims, vars);
    for (int d = 0; d < x->type.rank; d++) map[d] = gen_coordinate(g, rank, vars, dims, x->type.dims[d]);
    return gen_fits(g, rank, dims) ? ir_view(&g->b, x, rank, dims, vars, map, gen_chance(g, 80) ? 0 : 1) : NULL;
}

/* ---- Reductions -------------------------------------------------------------------------------------------------- */
static int some_axes(gen *g, int rank, int64_t *axes) {
    int n = 0;
    for (int i = 0; i < rank; i++)
        if (gen_chance(g, 45)) axes[n++] = i;
    return n;
}

static ir_value *reduce_value(gen *g, ir_value *x, bool sums) {
    int64_t axes[IR_MAX_RANK];
    int n = some_axes(g, x->type.rank, axes);
    frit_dtype t = (frit_dtype)x->type.dtype;
    if (t == FRIT_bool) return ir_reduce(&g->b, gen_chance(g, 50) ? IR_ANY : IR_ALL, x, n, axes, t);
    ir_combine c = sums || gen_chance(g, 45) ? IR_SUM : (ir_combine)(IR_SUM + gen_below(g, 4));
    if (!sums && gen_chance(g, 15)) return ir_reduce(&g->b, gen_chance(g, 50) ? IR_ARGMAX : IR_ARGMIN, x, n, axes, FRIT_i64);
    if (gen_chance(g, 20)) t = is_float(x->type) ? FRIT_f32 : FRIT_i64;
    return ir_reduce(&g->b, c, x, n, axes, t);
}

static ir_value *reduce(gen *g) { return reduce_value(g, gen_any(g), false); }

static ir_value *sum_of_products(gen *g) {
    ir_value *x = gen_any(g);
    if (x->type.dtype == FRIT_bool) return NULL;
    for (int i = 1 + gen_below(g, 2); i > 0; i--) {
        bool divides = is_float(x->type) && gen_chance(g, 20);
        x = ir_binary(&g->b, divides ? IR_div : IR_mul, x, gen_value(g, x->type));
    }
    return reduce_value(g, x, true);
}

static ir_value *scan(gen *g) {
    ir_value *x = gen_any(g);
    if (x->type.rank == 0 || x->type.dtype == FRIT_bool) return NULL;
    bool position = gen_chance(g, 20);
    ir_type t = position ? ir_with_dtype(x->type, gen_chance(g, 50) ? FRIT_i64 : FRIT_i32) : x->type;
    ir_op *op = ir_build(&g->b, IR_scan, 1, &x, 1, &t);
    ir_set_int(g->m, op, IR_ATTR_axis, gen_below(g, x->type.rank));
    ir_set_int(g->m, op, IR_ATTR_combine, position ? IR_ARGMAX + gen_below(g, 2) : gen_below(g, 4));
    ir_set_int(g->m, op, IR_ATTR_exclusive, gen_below(g, 2));
    ir_set_int(g->m, op, IR_ATTR_reverse, gen_below(g, 2));
    return ir_result(op, 0);
}

/* Axes of x and y with equal dims are paired and become batch or summed axes, or stay free. */
static ir_value *contract(gen *g) {
    ir_value *x = gen_any(g), *y = gen_any(g);
    if (x->type.dtype != y->type.dtype) y = gen_chance(g, 50) ? ir_cast(&g->b, y, (frit_dtype)x->type.dtype) : x;
    int64_t xb[IR_MAX_RANK], yb[IR_MAX_RANK], xc[IR_MAX_RANK], yc[IR_MAX_RANK];
    int nb = 0, nc = 0, rank = 0;
    unsigned taken = 0, paired = 0;
    sym_t dims[2 * IR_MAX_RANK];
    if (x->type.dtype == FRIT_bool) return NULL;
    for (int i = 0; i < x->type.rank; i++)
        for (int j = 0; j < y->type.rank; j++) {
            if (x->type.dims[i] != y->type.dims[j] || taken >> j & 1 || paired >> i & 1 || gen_chance(g, 30)) continue;
            taken |= 1u << j;
            paired |= 1u << i;
            if (gen_chance(g, 40)) xb[nb] = i, yb[nb++] = j;
            else xc[nc] = i, yc[nc++] = j;
        }
    for (int i = 0; i < nb; i++) dims[rank++] = x->type.dims[xb[i]];
    for (int i = 0; i < x->type.rank; i++)
        if (!(paired >> i & 1)) dims[rank++] = x->type.dims[i];
    for (int i = 0; i < y->type.rank; i++)
        if (!(taken >> i & 1)) dims[rank++] = y->type.dims[i];
    if (!gen_fits(g, rank, dims)) return NULL;
    frit_dtype t = (frit_dtype)x->type.dtype;
    if (gen_chance(g, 20)) t = is_float(x->type) ? FRIT_f32 : FRIT_i32;
    return ir_contract(&g->b, x, y, nb, xb, yb, nc, xc, yc, t);
}

ir_value *gen_softmax(gen *g, ir_value *x, int64_t axis) {
    int64_t axes[IR_MAX_RANK];
    for (int i = 0, n = 0; i < x->type.rank; i++)
        if (i != axis) axes[n++] = i;
    frit_dtype t = (frit_dtype)x->type.dtype;
    ir_value *m = ir_reduce(&g->b, IR_MAX, x, 1, &axis, t);
    ir_value *e = ir_unary(&g->b, IR_exp,
                           ir_binary(&g->b, IR_sub, x, ir_broadcast(&g->b, m, x->type.rank, x->type.dims, axes)));
    ir_value *l = ir_reduce(&g->b, IR_SUM, e, 1, &axis, t);
    return ir_binary(&g->b, IR_div, e, ir_broadcast(&g->b, l, x->type.rank, x->type.dims, axes));
}

static ir_value *softmax(gen *g) {
    ir_value *x = gen_any(g);
    return !is_float(x->type) || x->type.rank == 0 ? NULL : gen_softmax(g, x, gen_below(g, x->type.rank));
}

/* ---- Data-dependent access --------------------------------------------------------------------------------------- */
static ir_value *sort(gen *g) {
    ir_value *x = gen_any(g);
    if (x->type.rank == 0 || x->type.dtype == FRIT_bool) return NULL;
    ir_op *op = ir_build(&g->b, IR_sort, 1, &x, 2, (ir_type[]){x->type, ir_with_dtype(x->type, FRIT_i64)});
    ir_set_int(g->m, op, IR_ATTR_axis, gen_below(g, x->type.rank));
    ir_set_int(g->m, op, IR_ATTR_descending, gen_below(g, 2));
    return ir_result(op, gen_below(g, 2));
}

static ir_value *index_tensor(gen *g, int rank, const sym_t *dims) {
    static const frit_dtype ints[] = {FRIT_i64, FRIT_i64, FRIT_i32, FRIT_u8};
    return gen_value(g, ir_tensor(g->m, ints[gen_below(g, 4)], rank, dims));
}

static ir_value *gather(gen *g) {
    ir_value *x = gen_any(g), *idx[3];
    sym_t vars[IR_MAX_RANK], dims[IR_MAX_RANK], map[IR_MAX_RANK], idx_vars[3];
    int rank = gen_axes(g, x->type, dims, vars), n = 1 + gen_below(g, g->o->broad ? 3 : 2);
    if (!gen_fits(g, rank, dims)) return NULL;
    for (int k = 0; k < n; k++) {
        idx[k] = index_tensor(g, rank, dims);
        idx_vars[k] = sym_var(g->s, "e", SYM_VALUE, NULL, NULL);
    }
    for (int d = 0; d < x->type.rank; d++)
        map[d] = gen_chance(g, 50) ? idx_vars[gen_below(g, n)] : gen_coordinate(g, rank, vars, dims, x->type.dims[d]);
    return ir_gather(&g->b, x, n, idx, idx_vars, rank, dims, vars, map, 0);
}

static ir_value *scatter(gen *g) {
    ir_value *base = gen_any(g), *in[4] = {base};
    sym_t vars[IR_MAX_RANK], dims[IR_MAX_RANK], map[IR_MAX_RANK], e[2];
    static const ir_combine combines[] = {IR_SET, IR_SUM, IR_PROD, IR_MAX, IR_MIN};
    int rank = gen_axes(g, base->type, dims, vars), n = g->o->broad ? 1 + gen_below(g, 2) : 1;
    if (!gen_fits(g, rank, dims) || base->type.dtype == FRIT_bool) return NULL;
    in[1] = gen_value(g, ir_tensor(g->m, (frit_dtype)base->type.dtype, rank, dims));
    for (int k = 0; k < n; k++) {
        in[2 + k] = index_tensor(g, rank, dims);
        e[k] = sym_var(g->s, "e", SYM_VALUE, NULL, NULL);
    }
    for (int d = 0; d < base->type.rank; d++)
        map[d] = gen_chance(g, 50) ? e[gen_below(g, n)] : gen_coordinate(g, rank, vars, dims, base->type.dims[d]);
    ir_op *op = ir_build(&g->b, IR_scatter, 2 + n, in, 1, &base->type);
    ir_set_syms(g->m, op, IR_ATTR_vars, rank, vars);
    ir_set_syms(g->m, op, IR_ATTR_idx, n, e);
    ir_set_syms(g->m, op, IR_ATTR_map, base->type.rank, map);
    ir_set_int(g->m, op, IR_ATTR_combine, combines[gen_below(g, g->o->broad ? 5 : 2)]);
    return ir_result(op, 0);
}

static ir_value *insert(gen *g) {
    ir_value *base = gen_any(g);
    sym_t start[IR_MAX_RANK], dims[IR_MAX_RANK];
    int64_t step[IR_MAX_RANK], e;
    for (int i = 0; i < base->type.rank; i++) {
        bool part = sym_is_const(base->type.dims[i], &e) && e >= 2 && gen_chance(g, 60);
        start[i] = sym_const(g->s, part);
        dims[i] = part ? sym_const(g->s, e - 1) : base->type.dims[i];
        step[i] = 1;
    }
    ir_value *in[2] = {base, gen_value(g, ir_tensor(g->m, (frit_dtype)base->type.dtype, base->type.rank, dims))};
    ir_op *op = ir_build(&g->b, IR_insert, 2, in, 1, &base->type);
    ir_set_syms(g->m, op, IR_ATTR_start, base->type.rank, start);
    ir_set_ints(g->m, op, IR_ATTR_step, base->type.rank, step);
    return ir_result(op, 0);
}

/* ---- Control ----------------------------------------------------------------------------------------------------- */
/* Draws a few ops inside `b`; they may use what is outside. Returns a value of type t made there. */
ir_value *gen_body_value(gen *g, ir_block *b, ir_type t) {
    ir_builder outer = g->b;
    int pool = g->pool.len;
    g->b = ir_builder_at_end(g->m, b);
    for (int i = 0; i < b->n_args; i++) gen_keep(g, b->args[i]);
    for (int i = gen_below(g, 4); i > 0; i--) {
        ir_value *v = elementwise(g);
        if (v) gen_keep(g, v);
    }
    ir_value *v = gen_value(g, t);
    if (gen_chance(g, 60)) v = t.dtype == FRIT_bool ? v : ir_binary(&g->b, IR_add, v, gen_value(g, t));
    g->pool.len = pool;
    g->b = outer;
    return v;
}

static void yield(gen *g, ir_block *b, int n, ir_value *const *v) {
    ir_builder end = ir_builder_at_end(g->m, b);
    ir_build(&end, IR_yield, n, v, 0, NULL);
}

static ir_value *condition(gen *g) {
    if (!g->o->broad || gen_chance(g, 40)) return gen_value(g, ir_scalar(FRIT_bool));
    ir_value *n = ir_size(&g->b, g->ints[gen_below(g, GEN_HOST_INTS)]);
    return ir_binary(&g->b, IR_lt, n, ir_splat_int(&g->b, n->type, gen_below(g, 4)));
}

static ir_value *conditional(gen *g) {
    ir_value *x = gen_any(g), *in[2] = {condition(g), x}, *out[2];
    ir_type types[2] = {x->type, gen_any(g)->type};
    ir_op *op = ir_build(&g->b, IR_if, 2, in, 2, types);
    for (int k = 0; k < 2; k++) {
        ir_block_add_arg(g->m, op->blocks[k], x->type, "a");
        for (int i = 0; i < 2; i++) out[i] = gen_body_value(g, op->blocks[k], types[i]);
        yield(g, op->blocks[k], 2, out);
    }
    gen_keep(g, ir_result(op, 1));
    return ir_result(op, 0);
}

static ir_value *loop(gen *g) {
    ir_value *in[2] = {gen_any(g), gen_any(g)}, *out[2];
    ir_type types[2] = {in[0]->type, in[1]->type};
    sym_t extent = gen_chance(g, 30) ? g->dims[gen_below(g, GEN_SYMBOLS)] : sym_const(g->s, gen_below(g, 4));
    sym_t counter = sym_index(g->s, "it", extent);
    ir_op *op = ir_build(&g->b, IR_loop, 2, in, 2, types);
    ir_set_syms(g->m, op, IR_ATTR_counter, 1, &counter);
    ir_set_syms(g->m, op, IR_ATTR_extent, 1, &extent);
    for (int i = 0; i < 2; i++) ir_block_add_arg(g->m, op->blocks[0], types[i], "c");
    for (int i = 0; i < 2; i++)
        out[i] = gen_chance(g, 25) ? op->blocks[0]->args[i] : gen_body_value(g, op->blocks[0], types[i]);
    yield(g, op->blocks[0], 2, out);
    if (gen_chance(g, 60)) gen_keep(g, ir_result(op, 1));
    return ir_result(op, 0);
}

/* ---- All of them ------------------------------------------------------------------------------------------------- */
const gen_maker gen_plain_makers[] = {
    {elementwise, 24, false, false}, {select_or_cast, 8, false, false}, {reshape, 8, false, false},
    {transpose, 7, false, false},    {broadcast, 8, false, false},      {slice, 6, false, false},
    {pad, 3, false, false},          {concat, 4, false, false},         {view, 10, false, false},
    {reduce, 7, false, false},       {sum_of_products, 8, false, false}, {scan, 2, false, false},
    {contract, 8, false, false},     {softmax, 2, false, false},        {sort, 1, false, true},
    {gather, 4, false, true},        {scatter, 2, false, true},         {insert, 2, false, false},
    {conditional, 2, true, false},   {loop, 2, true, false},
};
const int gen_n_plain_makers = (int)(sizeof gen_plain_makers / sizeof *gen_plain_makers);
