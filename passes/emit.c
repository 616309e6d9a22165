#include "emit.h"
#include "emit_random.h"
#include <assert.h>
#include <math.h>
#include <string.h>

struct emit_memo {
    struct slot {
        const ir_value *v;
        const sym_t *coords;
        ir_value *scalar;
    } *slots;
    int n, cap;
};

frit_dtype emit_compute_dtype(frit_dtype t) {
    switch (t) {
    case FRIT_f16:
    case FRIT_bf16:
    case FRIT_f8e4m3:
    case FRIT_f8e5m2: return FRIT_f32;
    case FRIT_i4: return FRIT_i8;
    case FRIT_u4: return FRIT_u8;
    default: return t;
    }
}

void emit_init(emit *e, ir_module *m, arena *scratch) {
    *e = (emit){.x = {.m = m, .scratch = scratch}};
    e->memo = arena_new_of(scratch, emit_memo);
}

void emit_place_identity(emit *e, const ir_value *v, ir_value *buffer) {
    emit_place p = {.v = v, .buffer = buffer, .rank = v->type.rank, .exact = true};
    sym_t *at = arena_array(e->x.scratch, sym_t, v->type.rank);
    for (int d = 0; d < v->type.rank; d++) at[d] = sym_index(e->x.m->syms, "x", v->type.dims[d]);
    p.at = p.index = at;
    vec_push(e->x.scratch, &e->places, p);
}

void emit_forget(emit *e) {
    if (e->memo->slots) memset(e->memo->slots, 0, (size_t)e->memo->cap * sizeof *e->memo->slots);
    e->memo->n = 0;
}

void emit_block(emit *e, ir_block *block, ir_span span) {
    e->b = ir_builder_at_end(e->x.m, block);
    e->b.span = span;
    e->value_vars.len = e->values.len = 0;
    e->x.values.len = 0;
    emit_forget(e);
}

static struct slot *memo_slot(emit *e, const ir_value *v, const sym_t *coords) {
    emit_memo *m = e->memo;
    if (m->n * 2 >= m->cap) {
        struct slot *old = m->slots;
        int cap = m->cap;
        m->cap = cap ? cap * 2 : 128;
        m->slots = arena_alloc(e->x.scratch, sizeof *m->slots * (size_t)m->cap);
        m->n = 0;
        for (int i = 0; i < cap; i++)
            if (old[i].v) *memo_slot(e, old[i].v, old[i].coords) = old[i], m->n++;
    }
    uint64_t h = (uint64_t)v->id * 0x9E3779B97F4A7C15u;
    for (int d = 0; d < v->type.rank; d++) h = (h ^ (uint64_t)(uintptr_t)coords[d]) * 0x9E3779B97F4A7C15u;
    for (uint64_t i = h >> 20;; i++) {
        struct slot *s = &m->slots[i & (uint64_t)(m->cap - 1)];
        if (!s->v || (s->v == v && !memcmp(s->coords, coords, v->type.rank * sizeof *coords))) return s;
    }
}

void emit_known(emit *e, const ir_value *v, const sym_t *coords, ir_value *scalar) {
    struct slot *s = memo_slot(e, v, coords);
    if (!s->v) e->memo->n++;
    *s = (struct slot){v, arena_copy(e->x.scratch, coords, v->type.rank * sizeof *coords), scalar};
}

/* ---- Reads and writes -------------------------------------------------------------------------------------------- */
static bool in_range(emit *e, sym_t at, sym_t extent) {
    return sym_prove_ge0(e->x.m->syms, at) && sym_prove_lt(e->x.m->syms, at, extent);
}

static void note_value(void *u, sym_t var) {
    if (sym_var_role(var) == SYM_VALUE) *(bool *)u = true;
}

static bool needs_check(emit *e, sym_t at, sym_t extent) {
    bool risky = e->unsafe > 0;
    if (!risky) sym_each_var(at, note_value, &risky);
    risky |= e->split_lane && sym_uses(at, e->split_lane);
    return risky && !in_range(e, at, extent);
}

typedef struct used_values {
    emit *e;
    int n;
    sym_t vars[IR_MAX_RANK];
    ir_value *scalars[IR_MAX_RANK];
} used_values;

static void add_used(void *u, sym_t var) {
    used_values *s = u;
    if (sym_var_role(var) != SYM_VALUE) return;
    for (int i = 0; i < s->n; i++)
        if (s->vars[i] == var) return;
    for (int i = 0; i < s->e->value_vars.len; i++)
        if (s->e->value_vars.data[i] == var && s->n < IR_MAX_RANK) {
            s->vars[s->n] = var;
            s->scalars[s->n++] = s->e->values.data[i];
            return;
        }
    assert(!"an index variable without its element");
}

static used_values values_in(emit *e, int rank, const sym_t *map) {
    used_values s = {.e = e};
    for (int d = 0; d < rank; d++) sym_each_var(map[d], add_used, &s);
    return s;
}

/* A coordinate in the variables that the finished code has. */
static sym_t finished(emit *e, sym_t at) {
    return e->split_var ? sym_subst(e->x.m->syms, at, 1, &e->split_var, &e->split_expr) : at;
}

/* Sets map, idx and checked on a read or write. */
static void set_access(emit *e, ir_op *op, ir_value *buffer, int rank, const sym_t *map, const used_values *s) {
    int64_t checked[IR_MAX_RANK];
    sym_t at[IR_MAX_RANK] = {0};
    int n = 0;
    for (int d = 0; d < rank; d++) {
        at[d] = finished(e, map[d]);
        if (needs_check(e, at[d], buffer->type.dims[d])) checked[n++] = d;
    }
    ir_set_syms(e->x.m, op, IR_ATTR_map, rank, at);
    if (s->n) ir_set_syms(e->x.m, op, IR_ATTR_idx, s->n, s->vars);
    if (n) ir_set_ints(e->x.m, op, IR_ATTR_checked, n, checked);
}

static ir_value *to_compute(emit *e, ir_value *x) {
    return ir_cast(&e->b, x, emit_compute_dtype((frit_dtype)x->type.dtype));
}

ir_value *emit_read(emit *e, ir_value *buffer, int rank, const sym_t *map, double fill) {
    used_values s = values_in(e, rank, map);
    ir_value *ops[1 + IR_MAX_RANK] = {buffer};
    memcpy(ops + 1, s.scalars, (size_t)s.n * sizeof *ops);
    ir_type t = ir_scalar((frit_dtype)buffer->type.dtype);
    ir_op *op = ir_build(&e->b, IR_read, 1 + s.n, ops, 1, &t);
    set_access(e, op, buffer, rank, map, &s);
    if (fill != 0 || signbit(fill)) ir_set_float(e->x.m, op, IR_ATTR_fill, fill);
    return to_compute(e, ir_result(op, 0));
}

/* A write's coordinate at[d] passes its dim exactly where split_expr passes its extent, or the extent of a tile of whole
 * panels. */
static bool dim_ends_split(emit *e, sym_t at, sym_t dim) {
    sym_ctx *c = e->x.m->syms;
    sym_t limit = sym_sub(c, dim, sym_sub(c, at, e->split_expr)), extent = e->split_extent;
    sym_t panel = sym_addi(c, sym_var_hi(e->split_lane), 1);
    if (sym_uses(limit, e->split_lane)) return false;
    if (limit == extent) return true;
    for (int i = 0; sym_kind_of(extent) == SYM_MIN && i < 2; i++)
        if (sym_arg(extent, i) == limit && sym_is(sym_mod(c, sym_arg(extent, 1 - i), panel), 0)) return true;
    return false;
}

/* Lanes past the split variable's extent must not store, even where they are inside of the buffer. */
static void guard_lanes(emit *e, ir_op *write, ir_value *buffer, int rank) {
    const sym_t *at;
    bool varies = false;
    if (!e->split_lane) return;
    ir_get_syms(write, IR_ATTR_map, &at);
    for (int d = 0; d < rank; d++) {
        if (!sym_uses(at[d], e->split_lane)) continue;
        if (at[d] == e->split_lane || dim_ends_split(e, at[d], buffer->type.dims[d])) return;
        varies = true;
    }
    sym_t within[2] = {e->split_expr, e->split_extent};
    if (varies) ir_set_syms(e->x.m, write, IR_ATTR_within, 2, within);
}

/* x in dtype t. What was widened to compute with, and has not been computed with, is moved as it is. */
static ir_value *as_stored(emit *e, ir_value *x, frit_dtype t) {
    bool widened = ir_is(x, IR_cast) && ir_operand(x->op, 0)->type.dtype == t && (frit_dtype)x->type.dtype == emit_compute_dtype(t);
    return widened ? ir_operand(x->op, 0) : ir_cast(&e->b, x, t);
}

ir_op *emit_write(emit *e, ir_value *buffer, ir_value *x, int rank, const sym_t *map) {
    used_values s = values_in(e, rank, map);
    ir_value *ops[2 + IR_MAX_RANK] = {buffer, as_stored(e, x, (frit_dtype)buffer->type.dtype)};
    memcpy(ops + 2, s.scalars, (size_t)s.n * sizeof *ops);
    ir_op *op = ir_build(&e->b, IR_write, 2 + s.n, ops, 0, NULL);
    set_access(e, op, buffer, rank, map, &s);
    guard_lanes(e, op, buffer, rank);
    return op;
}

static emit_place *place_of(emit *e, const ir_value *v) {
    for (int i = e->places.len - 1; i >= 0; i--)
        if (e->places.data[i].v == v) return &e->places.data[i];
    return NULL;
}

/* 0, or where v has no elements a number so far below that no offset brings it back into the output: nothing is read. */
static sym_t far_where_empty(emit *e, const emit_place *p, sym_t last) {
    sym_ctx *c = e->x.m->syms;
    sym_t all = sym_const(c, 1);
    if (sym_prove_ge0(c, last)) return sym_const(c, 0);
    for (int k = 0; k < p->rank; k++) all = sym_mul(c, all, sym_addi(c, p->buffer->type.dims[k], 1));
    return sym_mul(c, sym_min(c, sym_const(c, 0), last), all);
}

/* Where coordinates may be outside of v, v's place in an output that other tasks write pieces of must not be left, though
 * nobody looks at what is read there: on a GPU it would be a race. */
static void keep_inside(emit *e, const emit_place *p, const sym_t *coords, sym_t *at) {
    sym_ctx *c = e->x.m->syms;
    bool shared = e->unsafe > 0 && !p->exact && p->buffer->type.space == IR_GLOBAL;
    for (int d = 0; d < p->v->type.rank; d++) {
        sym_t last = sym_addi(c, p->v->type.dims[d], -1);
        bool inside = !shared || in_range(e, coords[d], p->v->type.dims[d]);
        if (inside) at[d] = coords[d];
        else at[d] = sym_add(c, sym_max(c, sym_const(c, 0), sym_min(c, coords[d], last)), far_where_empty(e, p, last));
    }
}

static ir_value *read_place(emit *e, const emit_place *p, const sym_t *coords, double fill) {
    sym_t map[IR_MAX_RANK], at[IR_MAX_RANK];
    keep_inside(e, p, coords, at);
    for (int k = 0; k < p->rank; k++) map[k] = sym_subst(e->x.m->syms, p->index[k], p->v->type.rank, p->at, at);
    return emit_read(e, p->buffer, p->rank, map, fill);
}

/* ---- Formulas ---------------------------------------------------------------------------------------------------- */
static ir_value *compute(emit *e, ir_value *v, const sym_t *coords);

static ir_value *value_expr(emit *e, sym_t s);

/* c * product, in elements that the kernel read. */
static ir_value *term_expr(emit *e, int64_t c, sym_t product) {
    ir_builder *b = &e->b;
    ir_value *x = NULL;
    for (int i = 0; i < sym_n_atoms(product); i++) {
        ir_value *y = value_expr(e, sym_atom(product, i));
        x = x ? ir_binary(b, IR_mul, x, y) : y;
    }
    ir_value *k = ir_splat_int(b, ir_scalar(FRIT_i64), c);
    return x ? ir_binary(b, IR_mul, x, k) : k;
}

/* s as i64 arithmetic where it has variables that stand for elements; an index op computes the rest. */
static ir_value *value_expr(emit *e, sym_t s) {
    ir_builder *b = &e->b;
    bool of_values = false;
    sym_each_var(s, note_value, &of_values);
    if (!of_values) {
        ir_type i64 = ir_scalar(FRIT_i64);
        ir_op *op = ir_build(b, IR_index, 0, NULL, 1, &i64);
        ir_set_syms(e->x.m, op, IR_ATTR_size, 1, &s);
        return ir_result(op, 0);
    }
    static const ir_opcode codes[] = {[SYM_FLOORDIV] = IR_floordiv, [SYM_MOD] = IR_mod, [SYM_MIN] = IR_min, [SYM_MAX] = IR_max};
    switch (sym_kind_of(s)) {
    case SYM_VAR: {
        used_values v = values_in(e, 1, &s);
        return v.scalars[0];
    }
    case SYM_FLOORDIV:
    case SYM_MOD:
    case SYM_MIN:
    case SYM_MAX: return ir_binary(b, codes[sym_kind_of(s)], value_expr(e, sym_arg(s, 0)), value_expr(e, sym_arg(s, 1)));
    default: {
        ir_value *x = ir_splat_int(b, ir_scalar(FRIT_i64), sym_constant_part(s));
        for (int i = 0; i < sym_n_terms(s); i++) {
            sym_t product;
            int64_t c = sym_term(e->x.m->syms, s, i, &product);
            if (!sym_is_const(product, NULL)) x = ir_binary(b, IR_add, x, term_expr(e, c, product));
        }
        return x;
    }
    }
}

static ir_value *symbol_value(emit *e, sym_t s, frit_dtype t) {
    ir_type type = ir_scalar(t);
    s = finished(e, s);
    bool of_values = false;
    sym_each_var(s, note_value, &of_values);
    if (of_values) return ir_cast(&e->b, value_expr(e, s), t);
    ir_op *op = ir_build(&e->b, IR_index, 0, NULL, 1, &type);
    ir_set_syms(e->x.m, op, IR_ATTR_size, 1, &s);
    return ir_result(op, 0);
}

/* The bool 0 <= at[i] < extent[i] for all i. */
static ir_value *range_test(emit *e, int n, const sym_t *at, const sym_t *extent) {
    used_values s = values_in(e, n, at);
    ir_type t = ir_scalar(FRIT_bool);
    ir_op *op = ir_build(&e->b, IR_inrange, s.n, s.scalars, 1, &t);
    ir_set_syms(e->x.m, op, IR_ATTR_map, n, at);
    ir_set_syms(e->x.m, op, IR_ATTR_extent, n, extent);
    if (s.n) ir_set_syms(e->x.m, op, IR_ATTR_idx, s.n, s.vars);
    return ir_result(op, 0);
}

void emit_only(emit *e, sym_t at, sym_t extent) {
    ir_value *cond = range_test(e, 1, &at, &extent);
    ir_build(&e->b, IR_only, 1, &cond, 0, NULL);
}

static ir_value *number(emit *e, ir_type t, double x) {
    return frit_dtype_is_float((frit_dtype)t.dtype) ? ir_splat(&e->b, t, x) : ir_splat_int(&e->b, t, (int64_t)x);
}

/* x is a cast from a narrower float. */
static bool widens(const ir_value *x) {
    if (!ir_is(x, IR_cast)) return false;
    frit_dtype from = (frit_dtype)ir_operand(x->op, 0)->type.dtype, to = (frit_dtype)x->type.dtype;
    return frit_dtype_is_float(from) && frit_dtype_is_float(to) && frit_dtype_bits(from) < frit_dtype_bits(to);
}

/* data at `at`, or fill where a coordinate is outside. `fill_value` (a scalar) or fill (a number) is read there. */
static ir_value *guarded(emit *e, ir_value *data, const sym_t *at, double fill, ir_value *fill_value) {
    sym_t tested[IR_MAX_RANK], extent[IR_MAX_RANK];
    int n = 0;
    for (int d = 0; d < data->type.rank; d++)
        if (!in_range(e, at[d], data->type.dims[d])) {
            tested[n] = finished(e, at[d]);
            extent[n++] = data->type.dims[d];
        }
    if (n == 0) return emit_element(e, data, at);
    emit_place *p = place_of(e, data);
    e->unsafe++;
    ir_value *x;
    if (p && p->exact && !fill_value) {
        x = read_place(e, p, at, fill);
        n = 0;
    } else x = emit_element(e, data, at);
    e->unsafe--;
    if (!x || n == 0) return x;
    if (!fill_value && fill == 0 && widens(x)) { /* chosen before it is widened: a product still sees the narrow factor */
        ir_value *y = ir_operand(x->op, 0);
        y = ir_select(&e->b, range_test(e, n, tested, extent), y, number(e, y->type, fill));
        return ir_cast(&e->b, y, (frit_dtype)x->type.dtype);
    }
    return ir_select(&e->b, range_test(e, n, tested, extent), x, fill_value ? fill_value : number(e, x->type, fill));
}

ir_value *emit_element_or(emit *e, ir_value *v, const sym_t *at, double fill) { return guarded(e, v, at, fill, NULL); }

static ir_value *emit_gather(emit *e, ir_value *v, const sym_t *coords) {
    const ir_op *op = v->op;
    sym_t at[IR_MAX_RANK];
    for (int k = 0; k + 1 < op->n_operands; k++) {
        access_operand(&e->x, op, k + 1, coords, at);
        ir_value *i = emit_element(e, ir_operand(op, k + 1), at);
        if (!i) return NULL;
        sym_t var = access_index_var(&e->x, op, k, coords);
        vec_push(e->x.scratch, &e->value_vars, var);
        vec_push(e->x.scratch, &e->values, ir_cast(&e->b, i, FRIT_i64));
    }
    access_operand(&e->x, op, 0, coords, at);
    return guarded(e, ir_operand(op, 0), at, ir_get_float(op, IR_ATTR_fill, 0), NULL);
}

static ir_value *emit_pad(emit *e, const ir_op *op, const sym_t *coords) {
    sym_t at[IR_MAX_RANK];
    double fill = 0;
    ir_value *f = ir_operand(op, 1), *scalar = NULL;
    bool number = ir_splat_value(f, &fill); /* large integers may not be exact as a double */
    number = number && (frit_dtype_is_float((frit_dtype)f->type.dtype) || fabs(fill) < 0x1p53);
    if (!number && !(scalar = emit_element(e, f, coords))) return NULL;
    access_operand(&e->x, op, 0, coords, at);
    return guarded(e, ir_operand(op, 0), at, fill, scalar);
}

static ir_value *emit_concat(emit *e, const ir_op *op, const sym_t *coords) {
    int axis = (int)ir_get_int(op, IR_ATTR_axis, 0);
    sym_t at[IR_MAX_RANK];
    ir_value *out = NULL;
    e->unsafe++;
    for (int i = op->n_operands - 1; i >= 0; i--) {
        access_operand(&e->x, op, i, coords, at);
        ir_value *x = emit_element(e, ir_operand(op, i), at);
        if (!x) {
            out = NULL;
            break;
        }
        sym_t extent = ir_operand(op, i)->type.dims[axis];
        sym_t test = finished(e, at[axis]);
        out = out ? ir_select(&e->b, range_test(e, 1, &test, &extent), x, out) : x;
    }
    e->unsafe--;
    return out;
}

/* Four-bit ops on bytes: what looks at the width sees four bits, and what leaves them wraps. */
static ir_value *emit_nibble(emit *e, const ir_op *op, ir_value *const *x, frit_dtype t) {
    ir_builder *b = &e->b;
    ir_value *y = x[0];
    if (op->code == IR_popcount || op->code == IR_clz) {
        ir_value *bits = ir_cast(b, ir_cast(b, y, FRIT_u4), FRIT_u8);
        y = ir_unary(b, op->code, bits);
        if (op->code == IR_clz) y = ir_binary(b, IR_sub, y, ir_splat_int(b, y->type, 4));
        y = ir_cast(b, y, emit_compute_dtype(t));
    } else if (op->n_operands == 1) y = ir_unary(b, op->code, x[0]);
    else if (op->n_operands == 2) y = ir_binary(b, op->code, x[0], x[1]);
    else y = ir_fma(b, x[0], x[1], x[2]);
    return ir_op_flags(op) & IR_F_COMPARE ? y : to_compute(e, ir_cast(b, y, t));
}

static ir_value *emit_elementwise(emit *e, const ir_op *op, const sym_t *coords) {
    ir_value *x[3];
    for (int i = 0; i < op->n_operands; i++)
        if (!(x[i] = emit_element(e, ir_operand(op, i), coords))) return NULL;
    frit_dtype to = (frit_dtype)ir_result(op, 0)->type.dtype, from = (frit_dtype)ir_operand(op, 0)->type.dtype;
    if (op->code == IR_cast) return to_compute(e, ir_cast(&e->b, x[0], to));
    if (op->code == IR_bitcast) {
        ir_type t = ir_scalar(to);
        ir_value *bits = ir_cast(&e->b, x[0], from);
        return to_compute(e, ir_result(ir_build(&e->b, IR_bitcast, 1, &bits, 1, &t), 0));
    }
    if (op->code != IR_select && (from == FRIT_i4 || from == FRIT_u4)) return emit_nibble(e, op, x, from);
    switch (op->n_operands) {
    case 1: return ir_unary(&e->b, op->code, x[0]);
    case 2: return ir_binary(&e->b, op->code, x[0], x[1]);
    default: return op->code == IR_select ? ir_select(&e->b, x[0], x[1], x[2]) : ir_fma(&e->b, x[0], x[1], x[2]);
    }
}

static ir_value *emit_constant(emit *e, ir_value *v) {
    const ir_attr *a = ir_attr_get(v->op, IR_ATTR_value);
    frit_dtype t = (frit_dtype)v->type.dtype, c = emit_compute_dtype(t);
    double d;
    if (!ir_splat_value(v, &d)) return NULL;
    if (frit_dtype_is_float(t)) return ir_splat(&e->b, ir_scalar(c), frit_load_float(t, a->data.p, 0));
    return ir_splat_int(&e->b, ir_scalar(c), frit_load_int(t, a->data.p, 0));
}

ir_value *emit_size(emit *e, sym_t size) { return symbol_value(e, size, FRIT_i64); }

static ir_value *random_element(emit *e, const ir_value *v, const sym_t *coords) {
    ir_module *m = e->x.m;
    sym_t at = sym_const(m->syms, 0);
    for (int d = 0; d < v->type.rank; d++) at = sym_add(m->syms, sym_mul(m->syms, at, v->type.dims[d]), coords[d]);
    if (!m->seed) m->seed = sym_var(m->syms, "seed", SYM_INT, NULL, NULL);
    ir_value *seed = symbol_value(e, m->seed, FRIT_u64), *element = symbol_value(e, at, FRIT_u64);
    return emit_random(&e->b, (frit_dtype)v->type.dtype, (uint64_t)ir_get_int(v->op, IR_ATTR_seed, 0), seed, element);
}

static ir_value *compute(emit *e, ir_value *v, const sym_t *coords) {
    const ir_op *op = v->op;
    sym_t at[IR_MAX_RANK];
    const sym_t *s;
    switch (op->code) {
    case IR_constant: return emit_constant(e, v);
    case IR_iota: {
        frit_dtype t = (frit_dtype)v->type.dtype;
        ir_value *i = symbol_value(e, coords[ir_get_int(op, IR_ATTR_axis, 0)], emit_compute_dtype(t));
        return frit_dtype_bits(t) < 8 ? to_compute(e, ir_cast(&e->b, i, t)) : i; /* wraps */
    }
    case IR_size: ir_get_syms(op, IR_ATTR_size, &s); return symbol_value(e, s[0], FRIT_i64);
    case IR_random: return random_element(e, v, coords);
    case IR_gather: return emit_gather(e, v, coords);
    case IR_materialize: return emit_element(e, ir_operand(op, 0), coords);
    case IR_pad: return emit_pad(e, op, coords);
    case IR_concat: return emit_concat(e, op, coords);
    case IR_view:
        access_operand(&e->x, op, 0, coords, at);
        return guarded(e, ir_operand(op, 0), at, ir_get_float(op, IR_ATTR_fill, 0), NULL);
    default: break;
    }
    if (ir_op_flags(op) & IR_F_ELEMENTWISE) return emit_elementwise(e, op, coords);
    if (!(ir_op_flags(op) & IR_F_VIEW)) return NULL;
    access_operand(&e->x, op, 0, coords, at);
    return emit_element(e, ir_operand(op, 0), at);
}

static bool is_rounded(const ir_value *v, int depth) {
    enum { DEEPEST = 16 };
    const ir_op *op = v->op;
    if (!op || op->code == IR_cast || op->code == IR_constant) return true;
    double fill = ir_get_float(op, IR_ATTR_fill, 0);
    if (depth > DEEPEST || !(fill == 0 || isinf(fill))) return false;
    bool moves = (ir_op_flags(op) & IR_F_VIEW) || op->code == IR_gather || op->code == IR_materialize;
    bool chooses = op->code == IR_select || op->code == IR_neg || op->code == IR_abs;
    int first = op->code == IR_select, n = op->code == IR_gather ? 1 : op->n_operands;
    for (int i = first; i < n && (moves || chooses); i++)
        if (!is_rounded(ir_operand(op, i), depth + 1)) return false;
    return moves || chooses;
}

bool emit_is_rounded(const ir_value *v) { return is_rounded(v, 0); }

ir_value *emit_element(emit *e, ir_value *v, const sym_t *coords) {
    struct slot *s = memo_slot(e, v, coords);
    if (s->v) return s->scalar;
    emit_place *p = place_of(e, v);
    ir_value *x = p ? read_place(e, p, coords, 0) : v->op ? compute(e, v, coords) : NULL;
    if (!x) {
        if (!e->error) e->error = v->op ? ir_op_table[v->op->code].name : "an argument without a buffer";
        return NULL;
    }
    emit_known(e, v, coords, x);
    if (v->name && x->op && !x->hint && x->op->code != IR_read && x->op->code != IR_constant) x->hint = v->name;
    return x;
}
