/* Index arithmetic: symbolic integers become i64 ops, each part in the outermost scope that knows its variables. A sum
 * is added up from its outermost terms inwards, so that the partial sums are loop invariants that many addresses share. */
#include "lower_internal.h"
#include <string.h>

enum { TAG_VALUE = 0, TAG_INSIDE = 101, TAG_BELOW = 102 };

void lower_bind(lower *l, sym_t var, ir_value *v, int depth) {
    bool own = v->op ? v->op->n_operands > 0 : v->block && v->block->op; /* a thread's number has many uses */
    if (own && !v->name && !v->hint && sym_var_role(var) == SYM_INDEX && strcmp(sym_var_name(var), "thread")) v->hint = sym_var_name(var);
    lower_memo_put(l, var, NULL, TAG_VALUE, depth, v);
}

typedef struct var_query {
    lower *l;
    int depth;
    bool lanes;
} var_query;

static void visit_var(void *u, sym_t var) {
    var_query *q = u;
    if (var == q->l->lane) {
        q->lanes = true;
        return;
    }
    const lower_memo *e = lower_memo_find(q->l, var, NULL, TAG_VALUE);
    if (!e) lower_fail(NULL, sym_print(q->l->scratch, var));
    if (e->depth > q->depth) q->depth = e->depth;
    q->lanes |= e->v->type.lanes > 1;
}

static var_query query(lower *l, sym_t e) {
    var_query q = {.l = l};
    if (sym_is_const(e, NULL)) return q;
    const lower_memo *placed = lower_memo_find(l, e, NULL, TAG_VALUE);
    if (placed) q.depth = placed->depth, q.lanes = placed->v->type.lanes > 1;
    else sym_each_var(e, visit_var, &q);
    if (q.depth < l->floor) q.depth = l->floor;
    return q;
}

int lower_depth(lower *l, sym_t e) { return query(l, e).depth; }
static bool in_lanes(lower *l, sym_t e) { return query(l, e).lanes; }

/* ---- Emission ---- */
static ir_value *emit(lower *l, sym_t e);

static ir_value *binary(lower *l, ir_opcode code, sym_t e, sym_t x, sym_t y) {
    int lanes = in_lanes(l, e) ? l->lanes : 1;
    ir_value *v[2] = {lower_splat(l, emit(l, x), lanes, lower_depth(l, x)),
                      lower_splat(l, emit(l, y), lanes, lower_depth(l, y))};
    return lower_build(l, lower_depth(l, e), code, 2, v, ir_vector(FRIT_i64, lanes));
}

/* Which terms of a sum, or atoms of a product, are to be computed before the rest. */
typedef struct outer_part {
    lower *l;
    bool lanes; /* e has lanes: what has none comes first */
    int depth;  /* of e: what is known outside comes first */
} outer_part;

static bool is_outer(const outer_part *o, sym_t x) {
    return o->lanes ? !in_lanes(o->l, x) : lower_depth(o->l, x) < o->depth;
}

static bool split_sum(const outer_part *o, sym_t e, sym_t *outer) {
    sym_ctx *c = o->l->syms;
    int n = sym_n_terms(e), n_outer = 0;
    *outer = sym_const(c, o->lanes ? sym_constant_part(e) : 0);
    for (int i = 0; i < n; i++) {
        sym_t atoms;
        int64_t k = sym_term(c, e, i, &atoms);
        if (!is_outer(o, atoms)) continue;
        *outer = sym_add(c, *outer, sym_muli(c, atoms, k));
        n_outer++;
    }
    return n_outer > 0 && n_outer < n;
}

/* One term with a coefficient, or a sum whose terms belong to one scope. */
static ir_value *emit_flat_sum(lower *l, sym_t e) {
    sym_ctx *c = l->syms;
    int64_t k0 = sym_constant_part(e);
    if (k0) return binary(l, IR_add, e, sym_addi(c, e, -k0), sym_const(c, k0));
    sym_t atoms;
    int n = sym_n_terms(e), last = n - 1;
    int64_t k = sym_term(c, e, last, &atoms);
    if (n == 1) {
        if (k == -1) return binary(l, IR_sub, e, sym_const(c, 0), atoms);
        return binary(l, IR_mul, e, atoms, sym_const(c, k));
    }
    sym_t term = sym_muli(c, atoms, k), rest = sym_sub(c, e, term);
    if (k < 0) return binary(l, IR_sub, e, rest, sym_sub(c, sym_const(c, 0), term));
    return binary(l, IR_add, e, rest, term);
}

static ir_value *emit_sum(lower *l, sym_t e) {
    outer_part o = {l, in_lanes(l, e), lower_depth(l, e)};
    sym_t outer;
    bool split = split_sum(&o, e, &outer);
    if (!split && o.lanes) {
        o.lanes = false;
        split = split_sum(&o, e, &outer);
    }
    if (split) return binary(l, IR_add, e, outer, sym_sub(l->syms, e, outer));
    return emit_flat_sum(l, e);
}

static ir_value *emit_product(lower *l, sym_t e) {
    sym_ctx *c = l->syms;
    outer_part o = {l, in_lanes(l, e), lower_depth(l, e)};
    sym_t outer = sym_const(c, 1), inner = outer;
    int n = sym_n_atoms(e), n_outer = 0;
    for (int i = 0; i < n; i++) {
        sym_t x = sym_atom(e, i);
        bool out = is_outer(&o, x);
        n_outer += out;
        *(out ? &outer : &inner) = sym_mul(c, out ? outer : inner, x);
    }
    if (n_outer > 0 && n_outer < n) return binary(l, IR_mul, e, outer, inner);
    for (int i = 1; i < n; i++) inner = i == 1 ? sym_atom(e, 1) : sym_mul(c, inner, sym_atom(e, i));
    return binary(l, IR_mul, e, sym_atom(e, 0), inner);
}

/* GPUs divide 32 bits much faster than 64. */
static frit_dtype division_dtype(lower *l, sym_t x, sym_t y) {
    int64_t lo, hi[2];
    sym_range(l->syms, x, &lo, &hi[0]);
    sym_range(l->syms, y, &lo, &hi[1]);
    return lower_is_block(l) && hi[0] <= UINT32_MAX && hi[1] <= UINT32_MAX ? FRIT_u32 : FRIT_u64;
}

/* Unsigned division spares the corrections that rounding toward minus infinity takes. */
static ir_value *emit_division(lower *l, ir_opcode code, sym_t e) {
    sym_t x = sym_arg(e, 0), y = sym_arg(e, 1);
    if (!sym_prove_ge0(l->syms, x) || !sym_prove_ge0(l->syms, y)) return binary(l, code, e, x, y);
    int lanes = in_lanes(l, e) ? l->lanes : 1, d = lower_depth(l, e);
    ir_value *v[2] = {emit(l, x), emit(l, y)};
    int64_t k;
    if (sym_is_const(y, &k) && k > 0 && (k & (k - 1)) == 0) {
        bool is_div = code == IR_floordiv;
        v[0] = lower_splat(l, v[0], lanes, lower_depth(l, x));
        v[1] = lower_splat(l, lower_int(l, FRIT_i64, is_div ? __builtin_ctzll((uint64_t)k) : k - 1), lanes, 0);
        return lower_build(l, d, is_div ? IR_shr : IR_and, 2, v, ir_vector(FRIT_i64, lanes));
    }
    frit_dtype t = division_dtype(l, x, y);
    bool constant = sym_is_const(y, &k);
    if (constant) v[1] = lower_splat(l, lower_int(l, t, k), lanes, 0);
    for (int i = 0; i < 2 - constant; i++) {
        v[i] = lower_splat(l, v[i], lanes, lower_depth(l, i ? y : x));
        v[i] = lower_build(l, d, IR_cast, 1, &v[i], ir_vector(t, lanes));
    }
    ir_value *q = lower_build(l, d, code, 2, v, ir_vector(t, lanes));
    return lower_build(l, d, IR_cast, 1, &q, ir_vector(FRIT_i64, lanes));
}

ir_value *lower_at_most(lower *l, int depth, ir_value *x, int64_t most, frit_dtype t) {
    ir_type u64 = ir_vector(FRIT_u64, 1);
    ir_value *v[2] = {lower_build(l, depth, IR_cast, 1, &x, u64), lower_int(l, FRIT_u64, most)};
    x = lower_build(l, depth, IR_min, 2, v, u64);
    return lower_build(l, depth, IR_cast, 1, &x, ir_vector(t, 1));
}

/* What is left of an extent, at most a constant. */
static ir_value *emit_rest(lower *l, sym_t e) {
    int64_t k;
    bool first = sym_is_const(sym_arg(e, 0), &k);
    if ((!first && !sym_is_const(sym_arg(e, 1), &k)) || k < 0 || k > INT32_MAX || !lower_is_block(l)) return NULL;
    sym_t rest = sym_arg(e, first);
    int64_t lo, hi;
    sym_range(l->syms, rest, &lo, &hi);
    if ((lo >= 0 && hi != INT64_MAX) || in_lanes(l, e) || !sym_prove_ge0(l->syms, rest)) return NULL;
    int d = lower_depth(l, e);
    return lower_at_most(l, d, emit(l, rest), k, FRIT_i64);
}

static ir_value *emit_new(lower *l, sym_t e) {
    int64_t v;
    switch (sym_kind_of(e)) {
    case SYM_CONST: sym_is_const(e, &v); return lower_int(l, FRIT_i64, v);
    case SYM_VAR: {
        if (e != l->lane) lower_fail(NULL, "a variable that no scope knows");
        ir_value *zero = lower_int(l, FRIT_i64, 0);
        return lower_build(l, 0, IR_ramp, 1, &zero, ir_vector(FRIT_i64, l->lanes));
    }
    case SYM_SUM: return emit_sum(l, e);
    case SYM_PRODUCT: return emit_product(l, e);
    case SYM_FLOORDIV: return emit_division(l, IR_floordiv, e);
    case SYM_MOD: return emit_division(l, IR_mod, e);
    case SYM_MIN: {
        ir_value *rest = emit_rest(l, e);
        if (rest) return rest;
        return binary(l, IR_min, e, sym_arg(e, 0), sym_arg(e, 1));
    }
    case SYM_MAX: return binary(l, IR_max, e, sym_arg(e, 0), sym_arg(e, 1));
    case SYM_INVALID: break;
    }
    lower_fail(NULL, "an index expression that overflows");
}

static ir_value *emit(lower *l, sym_t e) {
    ir_value *v = lower_memo_get(l, e, NULL, TAG_VALUE);
    if (v) return v;
    v = emit_new(l, e);
    lower_memo_put(l, e, NULL, TAG_VALUE, lower_depth(l, e), v);
    return v;
}

ir_value *lower_index(lower *l, sym_t e) { return emit(l, e); }

static sym_t new_alias(lower *l, sym_t e) {
    lower_alias a = {e, sym_var(l->syms, "dim", SYM_DIM, NULL, NULL)};
    for (int64_t k = 64; k > 1; k /= 2)
        if (sym_prove_multiple(l->syms, e, k)) {
            sym_var_bound(l->syms, a.var, NULL, NULL, k);
            break;
        }
    lower_bind(l, a.var, lower_index(l, e), lower_depth(l, e));
    vec_push(l->scratch, &l->opaque, a);
    return a.var;
}

sym_t lower_opaque(lower *l, sym_t e) {
    if (sym_is_const(e, NULL) || sym_is_var(e)) return e;
    for (int i = 0; i < l->opaque.len; i++)
        if (l->opaque.data[i].e == e) return l->opaque.data[i].var;
    return lower_depth(l, e) > l->floor ? e : new_alias(l, e); /* an inner one's variable would outlive it */
}

/* The sum over many buffers would grow long: from time to time the running total becomes a variable of its own. */
sym_t lower_take_scratch(lower *l, sym_t bits) {
    enum { LONG = 8 };
    sym_ctx *c = l->syms;
    sym_t at = l->scratch_used, next = sym_add(c, at, sym_muli(c, sym_ceildiv(c, bits, sym_const(c, 512)), 64));
    if (sym_n_terms(next) > LONG) {
        sym_t v = sym_opaque(c, "taken", SYM_INT, next);
        int floor = l->floor;
        l->floor = 0;
        if (!lower_memo_find(l, v, NULL, TAG_VALUE)) lower_bind(l, v, lower_index(l, next), lower_depth(l, next));
        l->floor = floor;
        next = v;
    }
    l->scratch_used = next;
    return at;
}

/* ---- Predicates ---- */
ir_value *lower_and(lower *l, ir_value *x, int xd, ir_value *y, int yd, int *depth) {
    *depth = xd > yd ? xd : yd;
    if (!x || !y) return x ? x : y;
    int lanes = x->type.lanes > y->type.lanes ? x->type.lanes : y->type.lanes;
    ir_value *v[2] = {lower_splat(l, x, lanes, xd), lower_splat(l, y, lanes, yd)};
    return lower_build(l, *depth, IR_and, 2, v, ir_vector(FRIT_bool, lanes));
}

/* lane < n in 32 bits: n is clamped to the lanes first. */
ir_value *lower_lanes_below(lower *l, sym_t n, int *depth) {
    *depth = lower_depth(l, n);
    ir_value *memo = lower_memo_get(l, n, l->lane, TAG_BELOW);
    if (memo) return memo;
    sym_ctx *c = l->syms;
    sym_t bounded = sym_max(c, sym_const(c, 0), sym_min(c, n, sym_const(c, l->lanes)));
    ir_value *limit = lower_index(l, bounded), *zero = lower_int(l, FRIT_i32, 0);
    limit = lower_build(l, *depth, IR_cast, 1, &limit, ir_vector(FRIT_i32, 1));
    ir_value *v[2] = {lower_memo_get(l, l->lane, l->lane, TAG_BELOW), lower_splat(l, limit, l->lanes, *depth)};
    if (!v[0]) {
        v[0] = lower_build(l, 0, IR_ramp, 1, &zero, ir_vector(FRIT_i32, l->lanes));
        lower_memo_put(l, l->lane, l->lane, TAG_BELOW, 0, v[0]);
    }
    memo = lower_build(l, *depth, IR_lt, 2, v, ir_vector(FRIT_bool, l->lanes));
    lower_memo_put(l, n, l->lane, TAG_BELOW, *depth, memo);
    return memo;
}

static ir_value *compare(lower *l, ir_opcode code, sym_t x, sym_t y, int lanes, int depth) {
    ir_value *v[2] = {lower_splat(l, lower_index(l, x), lanes, lower_depth(l, x)),
                      lower_splat(l, lower_index(l, y), lanes, lower_depth(l, y))};
    return lower_build(l, depth, code, 2, v, ir_vector(FRIT_bool, lanes));
}

/* 0 <= base + lane < n as bounds on the lane. */
static ir_value *inside_along_lanes(lower *l, sym_t base, sym_t n, bool low, bool high, int depth) {
    sym_ctx *c = l->syms;
    int d;
    ir_value *below = high ? lower_lanes_below(l, sym_sub(c, n, base), &d) : NULL;
    if (!low) return below;
    ir_value *before = lower_lanes_below(l, sym_sub(c, sym_const(c, 0), base), &d);
    ir_value *from = lower_build(l, depth, IR_not, 1, &before, before->type);
    return lower_and(l, below, depth, from, depth, &d);
}

/* By ranges alone: a proof would cost more than the test that it spares. */
static bool is_nonnegative(lower *l, sym_t e) {
    int64_t lo, hi;
    sym_range(l->syms, e, &lo, &hi);
    return lo >= 0;
}

ir_value *lower_inside(lower *l, sym_t e, sym_t n, int *depth) {
    sym_ctx *c = l->syms;
    int de = lower_depth(l, e), dn = lower_depth(l, n), lanes = in_lanes(l, e) ? l->lanes : 1;
    *depth = de > dn ? de : dn;
    ir_value *v = lower_memo_get(l, e, n, TAG_INSIDE);
    if (v) return v;
    bool low = !is_nonnegative(l, e), high = !is_nonnegative(l, sym_addi(c, sym_sub(c, n, e), -1));
    if (!low && !high) return NULL;
    sym_t coef, base;
    if (lanes > 1 && sym_linear(c, e, l->lane, &coef, &base) && sym_is(coef, 1) && !in_lanes(l, base)) {
        v = inside_along_lanes(l, base, n, low, high, *depth);
    } else {
        int d;
        ir_value *from = low ? compare(l, IR_le, sym_const(c, 0), e, lanes, *depth) : NULL;
        ir_value *below = high ? compare(l, IR_lt, e, n, lanes, *depth) : NULL;
        v = lower_and(l, from, *depth, below, *depth, &d);
    }
    lower_memo_put(l, e, n, TAG_INSIDE, *depth, v);
    return v;
}

ir_value *lower_compare(lower *l, ir_opcode code, sym_t x, sym_t y) {
    int dx = lower_depth(l, x), dy = lower_depth(l, y);
    return compare(l, code, x, y, 1, dx > dy ? dx : dy);
}

ir_value *lower_nonnegative(lower *l, sym_t e, int *depth) {
    *depth = lower_depth(l, e);
    if (is_nonnegative(l, e)) return NULL;
    return compare(l, IR_le, sym_const(l->syms, 0), e, 1, *depth);
}

ir_value *lower_rest_mask(lower *l, const lower_stage *s, const int *p, int *depth) {
    *depth = 0;
    if (!s->rest) return NULL;
    sym_t at = sym_addi(l->syms, s->base[s->vector], lower_place_of(l, s, s->vector, p[s->vector]));
    sym_t left = sym_sub(l->syms, s->rest, at);
    if (is_nonnegative(l, sym_addi(l->syms, left, -l->lanes))) return NULL;
    return lower_lanes_below(l, left, depth);
}
