/* Reads and writes: which address, along which lanes, under which mask. */
#include "lower_internal.h"

enum { TAG_POINTER = 110 };

/* ---- The element accessed ---- */
static const ir_value *buffer_of(const ir_op *op) { return ir_operand(op, 0); }

static sym_t flat_index(lower *l, const ir_op *op) {
    const sym_t *map;
    ir_type t = buffer_of(op)->type;
    int n = ir_get_syms(op, IR_ATTR_map, &map);
    if (n != t.rank) lower_fail(op, "map and buffer differ in rank");
    sym_t flat = sym_const(l->syms, 0);
    for (int i = 0; i < n; i++)
        flat = sym_add(l->syms, sym_mul(l->syms, flat, lower_opaque(l, lower_dim(l, buffer_of(op), i))), map[i]);
    return flat;
}

/* Index operands at one position of the tile: variables that stand for their values. */
typedef struct index_values {
    int n;
    const sym_t *idx;
    sym_t with[IR_MAX_RANK];
} index_values;

static sym_t index_variable(lower *l, const lower_stage *s, const ir_value *operand, sym_t like, const int *p) {
    lower_val *val = &l->vals[operand->id];
    int at = lower_position(s, val->axes, s->count, p);
    if (!val->as_sym) val->as_sym = arena_array(l->scratch, sym_t, val->n);
    if (val->as_sym[at]) return val->as_sym[at];
    ir_value *v = val->inst[at];
    if (v->type.dtype != FRIT_i64) v = lower_build(l, val->depth, IR_cast, 1, &v, ir_vector(FRIT_i64, v->type.lanes));
    val->as_sym[at] = sym_var(l->syms, sym_var_name(like), SYM_VALUE, sym_var_lo(like), sym_var_hi(like));
    lower_bind(l, val->as_sym[at], v, val->depth);
    return val->as_sym[at];
}

static index_values index_operands(lower *l, const lower_stage *s, const ir_op *op, int first, const int *p) {
    index_values x;
    x.n = ir_get_syms(op, IR_ATTR_idx, &x.idx);
    for (int i = 0; i < x.n; i++) x.with[i] = index_variable(l, s, ir_operand(op, first + i), x.idx[i], p);
    return x;
}

static bool has_vector_index(const lower *l, const lower_stage *s, const ir_op *op, int first) {
    for (int i = first; i < op->n_operands; i++)
        if (lower_has_lanes(s, l->vals[ir_operand(op, i)->id].axes)) return true;
    return false;
}

/* ---- Masks ---- */
typedef struct predicate {
    ir_value *v; /* NULL: always true */
    int depth;
} predicate;

static void also(lower *l, predicate *p, ir_value *v, int depth) {
    if (v) p->v = lower_and(l, p->v, p->depth, v, depth, &p->depth);
}

/* Lanes beyond the vector axis's extent. */
static void and_rest(lower *l, const lower_stage *s, uint32_t axes, const int *p, predicate *out) {
    if (!s->rest || !lower_has_lanes(s, axes)) return;
    int d;
    ir_value *v = lower_rest_mask(l, s, p, &d);
    also(l, out, v, d);
}

static void and_checked(lower *l, const lower_stage *s, const ir_op *op, const int *p, const index_values *x, predicate *out) {
    const int64_t *checked;
    const sym_t *map;
    int n = ir_get_ints(op, IR_ATTR_checked, &checked);
    ir_get_syms(op, IR_ATTR_map, &map);
    for (int i = 0; i < n; i++) {
        int d;
        if (s->interior && op->code == IR_read && lower_is_affine(l, s, op, map[checked[i]])) continue;
        sym_t e = lower_point(l, s, map[checked[i]], p, x->n, x->idx, x->with);
        ir_value *v = lower_inside(l, e, lower_dim(l, buffer_of(op), (int)checked[i]), &d);
        also(l, out, v, d);
    }
}

/* A write's `within`. The coordinate is known to be >= 0. */
static void and_within(lower *l, const lower_stage *s, const ir_op *op, const int *p, predicate *out) {
    const sym_t *within;
    int d;
    if (ir_get_syms(op, IR_ATTR_within, &within) != 2) return;
    sym_t e = lower_point(l, s, within[0], p, 0, NULL, NULL);
    ir_value *v = lower_inside(l, e, lower_point(l, s, within[1], p, 0, NULL, NULL), &d);
    also(l, out, v, d);
}

/* A read moved out of reduction loops must not happen when they run zero times. */
static void and_nonempty(lower *l, const lower_stage *s, int depth, predicate *out) {
    for (int i = s->parallel; i < s->n; i++) {
        if (!s->maybe_empty[i] || s->at_depth[i] <= depth) continue;
        int d;
        ir_value *v = lower_inside(l, sym_const(l->syms, 0), s->extent[i], &d);
        also(l, out, v, d);
    }
}

/* ---- Addresses ---- */
typedef struct address {
    ir_value *ptr, *index; /* index: i64, or a vector of them */
    bool lanes;            /* one index per lane */
    int depth;
    sym_t at;              /* element of lane 0, where lanes are consecutive */
} address;

/* base + what is known outside the scope of e, as a pointer; *inner is the rest of e. */
static ir_value *outer_pointer(lower *l, ir_value *base, sym_t e, sym_t *inner) {
    sym_ctx *c = l->syms;
    int depth = lower_depth(l, e), n = sym_n_terms(e);
    sym_t outer = sym_const(c, 0), atoms;
    for (int i = 0; i < n; i++) {
        int64_t k = sym_term(c, e, i, &atoms);
        if (lower_depth(l, atoms) < depth) outer = sym_add(c, outer, sym_muli(c, atoms, k));
    }
    *inner = sym_sub(c, e, outer);
    if (sym_is(outer, 0)) return base;
    ir_value *p = lower_memo_get(l, base, outer, TAG_POINTER);
    if (p) return p;
    ir_value *x[2] = {base, lower_index(l, outer)};
    if ((depth = lower_depth(l, outer)) < l->floor) depth = l->floor; /* base is known there */
    p = lower_build(l, depth, IR_ptradd, 2, x, base->type);
    lower_memo_put(l, base, outer, TAG_POINTER, depth, p);
    return p;
}

static bool is_packed(const ir_value *buffer) { return frit_dtype_bits((frit_dtype)buffer->type.dtype) < 8; }

static address make_address(lower *l, const ir_value *buffer, sym_t e, bool wide, bool vector_index) {
    address a = {.ptr = l->ptrs[buffer->id], .depth = lower_depth(l, e)};
    sym_t coef = NULL, rest = e, inner;
    bool linear = wide && !vector_index && sym_linear(l->syms, e, l->lane, &coef, &rest);
    a.at = rest;
    if (!wide || (linear && sym_is(coef, 1))) {
        if (is_packed(buffer)) inner = rest;
        else a.ptr = outer_pointer(l, a.ptr, rest, &inner);
        a.index = lower_index(l, inner);
        return a;
    }
    a.lanes = true;
    if (linear && !is_packed(buffer)) {
        a.ptr = outer_pointer(l, a.ptr, rest, &inner);
        e = sym_add(l->syms, inner, sym_sub(l->syms, e, rest));
    }
    a.index = lower_splat(l, lower_index(l, e), l->lanes, lower_depth(l, e));
    return a;
}

static bool is_contiguous(const address *a, const ir_type t) { return !a->lanes && t.lanes > 1; }

/* Vectors of a block's threads move in one piece only where the address is known to be a multiple of their size. */
static void tell_alignment(lower *l, const address *a, ir_op *op, ir_type t) {
    if (op->code == IR_tif) op = op->blocks[0]->first;
    if (lower_is_block(l) && is_contiguous(a, t) && sym_prove_multiple(l->syms, a->at, t.lanes)) lower_tell_alignment(l, op, t);
}

int lower_aligned_lanes(lower *l, const lower_stage *s, int lanes) {
    sym_ctx *c = l->syms;
    sym_t coef, rest;
    for (int i = s->first_block; i < 2; i++)
        for (const ir_op *op = s->op->blocks[i]->first; op; op = op->next) {
            if (op->code != IR_read && op->code != IR_write) continue;
            sym_t flat = lower_in_vars(l, s, flat_index(l, op));
            if (!sym_linear(c, flat, s->vars[s->vector], &coef, &rest) || !sym_is(coef, 1)) continue;
            while (lanes > 1 && !sym_prove_multiple(c, rest, lanes)) lanes /= 2;
        }
    return lanes;
}

/* What the next task finds here: fetched once for each line that the tile covers. */
static void fetch_ahead(lower *l, const lower_stage *s, const ir_op *op, const address *a, ir_type t, const int *p) {
    const sym_t *ahead;
    int bits = t.lanes * (int)frit_dtype_bits((frit_dtype)t.dtype);
    if (ir_get_syms(op, IR_ATTR_ahead, &ahead) != 1 || !is_contiguous(a, t) || s->rest) return;
    if (p[s->vector] * (int64_t)bits % (8 * (int64_t)l->lim->cache_line)) return;
    ir_value *x[2] = {a->ptr, lower_index(l, ahead[0])};
    ir_value *to[2] = {lower_build(l, l->depth, IR_ptradd, 2, x, a->ptr->type), a->index};
    ir_op *fetch = ir_build(lower_here(l), IR_prefetch, 2, to, 0, NULL);
    if (op->code == IR_write) ir_set_int(l->m, fetch, IR_ATTR_to_write, 1);
}

/* ---- How a block's reads and writes move ---- */
static bool is_wanted(const ir_op *op, const bool *wanted, int first_id) {
    if (op->code == IR_write) return true;
    return op->code == IR_read && (!wanted || wanted[ir_result(op, 0)->id - first_id]);
}

int lower_unit_steps(lower *l, const ir_block *b, const bool *wanted, int first_id, sym_t var) {
    sym_t coef, rest;
    int n = 0;
    for (const ir_op *op = b->first; op; op = op->next) {
        if (!is_wanted(op, wanted, first_id)) continue;
        int weight = op->code == IR_write ? 4 : 1;
        if (sym_linear(l->syms, flat_index(l, op), var, &coef, &rest) && sym_is(coef, 1)) n += weight;
    }
    return n;
}

/* Elements from one position of the axis to the next; 0: none, INT64_MAX: not the same everywhere, or open. */
static int64_t step_of(lower *l, sym_t flat, sym_t var) {
    sym_t coef, rest;
    int64_t step;
    return sym_linear(l->syms, flat, var, &coef, &rest) && sym_is_const(coef, &step) && step >= 0 ? step : INT64_MAX;
}

/* Of one access: runs of like steps, each of which begins a sector of its own. */
static double sectors_of(lower *l, const ir_op *op, int n, const sym_t *vars, const sym_t *extent) {
    enum { SECTOR_BYTES = 32 };
    sym_t flat = flat_index(l, op);
    int64_t step = step_of(l, flat, vars[n - 1]), run = sym_hint(extent[n - 1]);
    double of_sector = SECTOR_BYTES * 8.0 / frit_dtype_bits((frit_dtype)buffer_of(op)->type.dtype);
    for (int i = n - 2; i >= 0 && step < INT64_MAX && step_of(l, flat, vars[i]) == step * run; i--) run *= sym_hint(extent[i]);
    double each = (double)step < of_sector ? (double)step / of_sector : 1;
    return run > 0 ? (1 + (double)(run - 1) * each) / (double)run : each;
}

double lower_sectors(lower *l, const ir_block *b, const bool *wanted, int first_id, int n, const sym_t *vars, const sym_t *extent) {
    double sectors = 0;
    for (const ir_op *op = b->first; op; op = op->next)
        if (is_wanted(op, wanted, first_id)) sectors += sectors_of(l, op, n, vars, extent);
    return sectors;
}

int lower_aligned_reads(lower *l, const ir_block *b, const bool *wanted, int first_id, sym_t var, int lanes) {
    sym_t coef, rest;
    for (const ir_op *op = b->first; op; op = op->next) {
        if (!is_wanted(op, wanted, first_id)) continue;
        bool linear = sym_linear(l->syms, flat_index(l, op), var, &coef, &rest);
        if (linear && sym_is(coef, 0)) continue;
        if (!linear || !sym_is(coef, 1)) return 1;
        while (lanes > 1 && !sym_prove_multiple(l->syms, rest, lanes)) lanes /= 2;
    }
    return lanes;
}

/* ---- Reads ---- */
static ir_value *fill_value(lower *l, const ir_op *op, frit_dtype t) {
    double fill = ir_get_float(op, IR_ATTR_fill, 0);
    if (frit_dtype_is_float(t)) return lower_float(l, t, fill);
    return lower_int(l, t, frit_int_from_double(t, fill));
}

static bool written_in(const ir_block *b, const ir_value *buffer) {
    for (const ir_op *op = b->first; op; op = op->next)
        if (op->code == IR_write && buffer_of(op) == buffer) return true;
    return false;
}

/* ---- What a thread has in registers (lower_own.c) ---- */
static bool is_own(const lower *l, const ir_op *op) { return lower_is_block(l) && l->place[buffer_of(op)->id].own; }

static ir_value *own_index(lower *l, const lower_stage *s, const lower_place *b, const int *p) {
    if (b->own_rows) return lower_int(l, FRIT_i64, s->own_row);
    int64_t at = s->own[p[s->unit]];
    return lower_int(l, FRIT_i64, b->slots ? b->slots[at] : at);
}

static ir_value *read_own(lower *l, const lower_stage *s, const ir_op *op, const int *p) {
    frit_dtype t = (frit_dtype)buffer_of(op)->type.dtype;
    const lower_place *b = &l->place[buffer_of(op)->id];
    ir_type type = ir_vector(t, s->vector >= 0 && !b->own_rows ? l->lanes : 1);
    return lower_load(l, l->depth, l->ptrs[buffer_of(op)->id], own_index(l, s, b, p), type, NULL, NULL);
}

static ir_value *read_at(lower *l, lower_stage *s, const ir_op *op, lower_val *v, sym_t flat, const int *p) {
    bool wide = lower_has_lanes(s, v->axes);
    frit_dtype t = (frit_dtype)buffer_of(op)->type.dtype;
    index_values x = index_operands(l, s, op, 1, p);
    predicate mask = {0};
    and_rest(l, s, v->axes, p, &mask);
    and_checked(l, s, op, p, &x, &mask);
    sym_t e = lower_point(l, s, flat, p, x.n, x.idx, x.with);
    address a = make_address(l, buffer_of(op), e, wide, has_vector_index(l, s, op, 1));
    if (a.depth > v->depth) v->depth = a.depth;
    if (mask.v && mask.depth > v->depth) v->depth = mask.depth;
    and_nonempty(l, s, v->depth, &mask);
    ir_type type = ir_vector(t, wide ? l->lanes : 1);
    ir_value *other = NULL;
    if (mask.v) other = lower_splat(l, fill_value(l, op, t), type.lanes, 0);
    ir_value *element = lower_load(l, v->depth, a.ptr, a.index, type, mask.v, other);
    tell_alignment(l, &a, element->op, type);
    fetch_ahead(l, s, op, &a, type, p);
    return element;
}

void lower_read(lower *l, lower_stage *s, const ir_op *op, lower_val *v) {
    sym_t flat = flat_index(l, op);
    if (written_in(s->op->blocks[0], buffer_of(op)) || written_in(s->op->blocks[1], buffer_of(op))) v->depth = l->depth;
    /* What has lost its checks stays in the branch that made them needless. */
    if (s->interior && ir_has(op, IR_ATTR_checked) && s->at_depth[s->border_axis] > v->depth)
        v->depth = s->at_depth[s->border_axis];
    int p[IR_MAX_RANK] = {0}, i = 0;
    if (is_own(l, op)) v->depth = l->depth;
    if (s->stood_for == buffer_of(op)) {
        v->depth = l->depth;
        do v->inst[i++] = s->stands;
        while (lower_next(s, v->axes, s->count, p));
        return;
    }
    do v->inst[i++] = is_own(l, op) ? read_own(l, s, op, p) : read_at(l, s, op, v, flat, p);
    while (lower_next(s, v->axes, s->count, p));
}

void lower_copy_async(lower *l, const lower_stage *s, const ir_op *op, ir_value *const *to, ir_value *inside, int lanes) {
    int p[IR_MAX_RANK] = {0};
    sym_t e = lower_point(l, s, flat_index(l, op), p, 0, NULL, NULL);
    address a = make_address(l, buffer_of(op), e, lanes > 1, false);
    ir_value *x[5] = {to[0], to[1], a.ptr, a.index, inside};
    ir_op *copy = ir_build(lower_here(l), IR_copy_async, inside ? 5 : 4, x, 0, NULL);
    ir_set_int(l->m, copy, IR_ATTR_lanes, lanes);
}

void lower_inrange(lower *l, lower_stage *s, const ir_op *op, lower_val *v) {
    const sym_t *map, *extent;
    int n = ir_get_syms(op, IR_ATTR_map, &map), p[IR_MAX_RANK] = {0}, i = 0;
    ir_get_syms(op, IR_ATTR_extent, &extent);
    int lanes = lower_has_lanes(s, v->axes) ? l->lanes : 1;
    do {
        predicate in = {0};
        index_values x = index_operands(l, s, op, 0, p);
        for (int k = 0; k < n; k++) {
            int d;
            sym_t e = lower_point(l, s, map[k], p, x.n, x.idx, x.with);
            ir_value *c = lower_inside(l, e, lower_point(l, s, extent[k], p, 0, NULL, NULL), &d);
            also(l, &in, c, d);
        }
        if (!in.v) in.v = lower_int(l, FRIT_bool, 1);
        if (in.depth > v->depth) v->depth = in.depth;
        v->inst[i++] = lower_splat(l, in.v, lanes, in.depth);
    } while (lower_next(s, v->axes, s->count, p));
}

/* ---- Writes ---- */
static bool is_combining(const ir_op *op) {
    return ir_has(op, IR_ATTR_combine) && ir_get_int(op, IR_ATTR_combine, IR_SET) != IR_SET;
}

/* The block's writes are done only where a coordinate less R times the axis's var is in [0, R): each point has its own. */
static bool has_own_share(const lower *l, const lower_stage *s, const ir_block *b, int axis) {
    for (const ir_op *op = b->first; op; op = op->next) {
        const ir_op *test = op->code == IR_only ? ir_operand(op, 0)->op : NULL;
        const sym_t *map, *extent;
        sym_t coef, rest;
        if (!test || test->code != IR_inrange || ir_get_syms(test, IR_ATTR_map, &map) != 1) continue;
        ir_get_syms(test, IR_ATTR_extent, &extent);
        return sym_linear(l->syms, map[0], s->vars[axis], &coef, &rest) && sym_is(sym_add(l->syms, coef, extent[0]), 0);
    }
    return false;
}

/* Some coordinate is the axis's var plus what no other var moves: distinct points write distinct elements. */
bool lower_is_axis_distinct(const lower *l, const lower_stage *s, const ir_op *op, int axis) {
    if (s->n_outer) return false;
    const sym_t *map;
    int n = ir_get_syms(op, IR_ATTR_map, &map);
    if (sym_is(s->extent[axis], 1) || has_own_share(l, s, op->parent, axis)) return true;
    for (int i = 0; i < n; i++) {
        if (lower_sym_axes(s, map[i]) != lower_axis(axis) || sym_kind_of(map[i]) > SYM_SUM) continue;
        bool uses_idx = false;
        const sym_t *idx;
        int n_idx = ir_get_syms(op, IR_ATTR_idx, &idx);
        for (int k = 0; k < n_idx; k++) uses_idx |= sym_uses(map[i], idx[k]);
        sym_t atoms = NULL;
        int uses = 0, lone = 0;
        for (int k = 0; k < sym_n_terms(map[i]); k++) {
            sym_term(NULL, map[i], k, &atoms);
            uses += sym_uses(atoms, s->vars[axis]);
            lone += atoms == s->vars[axis];
        }
        if (!uses_idx && uses == 1 && lone == 1) return true;
    }
    return false;
}

/* Whether a ragged tile may compute its last point several times: what it reads is not what it has written before. All
 * positions read before any writes, so this holds even where an output shares its memory with an input. */
bool lower_may_repeat(const lower_stage *s) {
    for (int i = s->first_block; i < 2; i++) {
        bool wrote = false;
        for (const ir_op *op = s->op->blocks[i]->first; op; op = op->next) {
            wrote |= op->code == IR_write;
            if (op->code == IR_read && wrote) return false;
            if (op->code == IR_write && is_combining(op)) return false;
        }
    }
    return true;
}

bool lower_write_is_ordered(const lower *l, const lower_stage *s, const ir_op *op) {
    if (!ir_has(op, IR_ATTR_combine)) return false;
    for (int i = 0; i < s->parallel; i++)
        if (!lower_is_axis_distinct(l, s, op, i)) return true;
    return false;
}

/* Where all points along an axis write the same element, the last one does. */
static void and_last(lower *l, const lower_stage *s, const ir_op *op, sym_t flat, const int *p, predicate *out) {
    uint32_t axes = lower_sym_axes(s, flat);
    for (int i = 2; i < op->n_operands; i++) axes |= l->vals[ir_operand(op, i)->id].axes;
    for (int i = 0; i < s->parallel; i++) {
        if (s->threads[i] == 1 || (axes & lower_axis(i)) || has_own_share(l, s, op->parent, i)) continue;
        sym_t last = lower_point(l, s, sym_sub(l->syms, sym_addi(l->syms, s->vars[i], 1), s->extent[i]), p, 0, NULL, NULL);
        int d;
        ir_value *v = lower_inside(l, last, sym_const(l->syms, 1), &d);
        also(l, out, v, d);
    }
}

/* Points that stand for the last one, so that all threads take the same turns, leave its terms' writes to it. */
static void and_valid(lower *l, const lower_stage *s, const ir_op *op, predicate *out) {
    for (int i = 0; i < s->parallel && s->merges && op->parent == s->op->blocks[0]; i++)
        if (s->valid[i]) also(l, out, s->valid[i], s->valid_depth[i]);
}

static void write_at(lower *l, lower_stage *s, const ir_op *op, sym_t flat, uint32_t axes, const int *p) {
    bool wide = lower_has_lanes(s, axes);
    ir_value *x = lower_get(l, s, ir_operand(op, 1), p, wide);
    if (is_own(l, op)) {
        lower_store(l, l->ptrs[buffer_of(op)->id], own_index(l, s, &l->place[buffer_of(op)->id], p), x, NULL);
        return;
    }
    index_values idx = index_operands(l, s, op, 2, p);
    predicate mask = {0};
    and_rest(l, s, axes, p, &mask);
    and_checked(l, s, op, p, &idx, &mask);
    and_within(l, s, op, p, &mask);
    and_last(l, s, op, flat, p, &mask);
    and_valid(l, s, op, &mask);
    sym_t e = lower_point(l, s, flat, p, idx.n, idx.idx, idx.with);
    address a = make_address(l, buffer_of(op), e, wide, has_vector_index(l, s, op, 2));
    if (is_combining(op)) {
        frit_dtype t = (frit_dtype)x->type.dtype;
        ir_value *zero = frit_dtype_is_float(t) ? lower_float(l, t, 0) : lower_int(l, t, 0);
        zero = lower_splat(l, zero, x->type.lanes, 0);
        ir_value *old = lower_load(l, l->depth, a.ptr, a.index, x->type, mask.v, mask.v ? zero : NULL);
        x = lower_combine(l, (ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SET), old, x);
    }
    ir_op *store = lower_store(l, a.ptr, a.index, x, mask.v);
    tell_alignment(l, &a, store, x->type);
    fetch_ahead(l, s, op, &a, x->type, p);
}

/* Every point of the axes that the block runs over writes, whatever the address depends on. */
void lower_write(lower *l, lower_stage *s, const ir_op *op) {
    uint32_t axes = (UINT32_C(1) << (op->parent == s->op->blocks[0] ? s->n : s->parallel)) - 1;
    sym_t flat = flat_index(l, op);
    int p[IR_MAX_RANK] = {0};
    ir_value *used = s->merges && op->parent == s->op->blocks[0] ? lower_is_used(l, s) : NULL; /* spare threads compute along */
    ir_op *some = used ? lower_if(l, used) : NULL;
    do write_at(l, s, op, flat, axes, p);
    while (lower_next(s, axes, s->count, p));
    if (some) lower_if_end(l, some);
}
