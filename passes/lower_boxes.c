/* Which operands of contractions (lower_wgmma.c) are boxes of a tensor, and of what size, for lower_tma.c.
 *
 * The operand is a read of an argument, or zero where the read would be outside. Each axis along which a staged tile lies
 * (the last reduced axis, all axes of the side) moves along one axis of the tensor; a box is the tile's positions along
 * them. All other axes, reduced ones too, are coordinates of the box: for a convolution a chunk is some channels of one
 * position of the kernel, and the padding is what lies outside of the tensor, which becomes zeros.
 *
 * Positions along several axes of a side are one flattened axis, of which a tile holds a power of two. It is a box if the
 * inner extents divide it or it divides them, or if one tile holds them all; then the rest of its rows stay empty.
 * What lies outside of the contraction must be rows of the tile that the epilogue drops, or zeros. */
#include "lower_contract.h"

enum { ROW_BYTES = 128, PIECE_BYTES = 16, MOST_BOX = 256, MOST_STEP = 8 };

/* ---- The read ---- */
static bool is_zero(const ir_value *v) {
    double x;
    return ir_splat_value(v, &x) && x == 0;
}

/* What the test asks for is that coordinates are inside the tensor that is read. */
static bool tests_read(const ir_op *test, const ir_op *read) {
    const sym_t *at, *extent, *map;
    int n = ir_get_syms(test, IR_ATTR_map, &at), rank = ir_get_syms(read, IR_ATTR_map, &map);
    ir_get_syms(test, IR_ATTR_extent, &extent);
    for (int i = 0; i < n; i++) {
        bool found = false;
        for (int d = 0; d < rank; d++) found |= map[d] == at[i] && ir_operand(read, 0)->type.dims[d] == extent[i];
        if (!found) return false;
    }
    return test->n_operands == 0;
}

/* The read that is all there is to the operand, but zeros outside of the tensor; or NULL. */
static const ir_op *read_of(const ir_value *v) {
    const ir_op *op = v->op, *read = op;
    if (!op) return NULL;
    if (op->code == IR_select) {
        const ir_op *test = ir_operand(op, 0)->op;
        read = ir_operand(op, 1)->op;
        if (!test || test->code != IR_inrange || !read || read->code != IR_read || !is_zero(ir_operand(op, 2))) return NULL;
        if (!tests_read(test, read)) return NULL;
    }
    if (read->code != IR_read || read->n_operands > 1) return NULL;
    return read != op || !ir_has(read, IR_ATTR_checked) ? read : NULL;
}

/* ---- Axes ---- */
/* The one coordinate of the read that moves along var, by *step positions; -1: none, or more. */
static int axis_of(lower *l, int rank, const sym_t *map, sym_t var, int64_t *step) {
    sym_t coef, rest;
    int axis = -1;
    for (int d = 0; d < rank; d++) {
        if (!sym_uses(map[d], var)) continue;
        if (axis >= 0 || !sym_linear(l->syms, map[d], var, &coef, &rest)) return -1;
        if (!sym_is_const(coef, step) || *step < 1 || *step > MOST_STEP) return -1;
        axis = d;
    }
    return axis;
}

static bool in_box(const lower_operand *o, int axis) {
    for (int i = 0; i < o->n_box; i++)
        if (o->box_axis[i] == axis) return true;
    return false;
}

static bool add_axis(lower_operand *o, int axis, int64_t step) {
    if (o->n_box == LOWER_MAP_AXES || (o->n_box == 0 && step != 1)) return false;
    o->box_axis[o->n_box] = axis;
    o->step[o->n_box] = step;
    o->box[o->n_box++] = 1;
    return true;
}

static bool add_variable(lower *l, lower_operand *o, const sym_t *map, sym_t var) {
    int64_t step;
    int axis = axis_of(l, ir_operand(o->boxed, 0)->type.rank, map, var, &step);
    return axis >= 0 && !in_box(o, axis) && add_axis(o, axis, step);
}

/* The tensor's axes in the order of a box in shared memory; those of one position last. */
static bool choose_axes(lower *l, const lower_contract *p, lower_operand *o, const sym_t *map) {
    const ir_value *buffer = ir_operand(o->boxed, 0);
    sym_t k = p->k.var[p->k.n - 1];
    o->n_box = 0;
    if (o->k_inner && !add_variable(l, o, map, k)) return false;
    for (int i = o->axes.n - 1; i >= 0; i--)
        if (!add_variable(l, o, map, o->axes.var[i])) return false;
    if (!o->k_inner && !add_variable(l, o, map, k)) return false;
    for (int d = buffer->type.rank - 1; d >= 0; d--)
        if (!in_box(o, d) && !sym_is(buffer->type.dims[d], 1) && !add_axis(o, d, 1)) return false;
    return true;
}

sym_t lower_boxes_stride(lower *l, const ir_value *buffer, int axis) {
    sym_t e = sym_const(l->syms, 1);
    for (int d = axis + 1; d < buffer->type.rank; d++) e = sym_mul(l->syms, e, buffer->type.dims[d]);
    return e;
}

/* The first axis is contiguous, the others' strides are multiples of 16 bytes. */
static bool has_strides(lower *l, const lower_operand *o, int64_t size) {
    const ir_value *buffer = ir_operand(o->boxed, 0);
    if (!sym_is(lower_boxes_stride(l, buffer, o->box_axis[0]), 1)) return false;
    for (int i = 1; i < o->n_box; i++)
        if (!sym_prove_multiple(l->syms, lower_boxes_stride(l, buffer, o->box_axis[i]), PIECE_BYTES / size)) return false;
    return true;
}

/* Beyond the last reduced position there are zeros: no chunk is ragged, or the tensor ends there too. */
static bool ends_in_zeros(lower *l, const lower_contract *p, const lower_operand *o, const sym_t *map) {
    sym_t k = p->k.var[p->k.n - 1], extent = p->k.extent[p->k.n - 1];
    int axis = o->box_axis[o->k_inner ? 0 : o->axes.n];
    sym_t coef, rest;
    if (sym_prove_multiple(l->syms, extent, p->chunk)) return true;
    if (p->rows && sym_linear(l->syms, map[axis], k, &coef, &rest) && sym_is(coef, 1)) { /* a chunk of an outer loop's */
        sym_t left = sym_sub(l->syms, ir_operand(o->boxed, 0)->type.dims[axis], rest);
        if (extent == sym_min(l->syms, sym_const(l->syms, p->chunk), left)) return true;
    }
    return p->k.n == 1 && map[axis] == k && extent == ir_operand(o->boxed, 0)->type.dims[axis];
}

void lower_boxes_plan(lower *l, const lower_contract *p, lower_operand *o) {
    const sym_t *map;
    int64_t size = (int64_t)frit_dtype_bits(o->t) / 8;
    o->bulk = false;
    o->boxed = lower_tma_bytes(l) ? read_of(o->v) : NULL;
    if (!o->boxed || (p->rows && o->k_inner ? p->chunk * size % ROW_BYTES : p->chunk * size != ROW_BYTES)) return;
    const ir_value *buffer = ir_operand(o->boxed, 0);
    bool argument = l->ptrs[buffer->id] && !l->ptrs[buffer->id]->op;
    if (!argument || ir_is_written(buffer)) return;
    ir_get_syms(o->boxed, IR_ATTR_map, &map);
    o->bulk = choose_axes(l, p, o, map) && has_strides(l, o, size) && ends_in_zeros(l, p, o, map);
}

/* ---- Sizes ---- */
static int64_t greatest(lower *l, sym_t extent) {
    int64_t lo, hi;
    sym_range(l->syms, extent, &lo, &hi);
    return hi;
}

/* `rows` positions along the side's axes, the innermost of which lies along axis `first` of the box, as a part of the
 * flattened positions that begins at any multiple of rows. */
static bool divide_rows(lower *l, lower_operand *o, int first, int64_t rows) {
    for (int i = o->axes.n - 1; i >= 0; i--, first++) {
        int64_t e;
        if (i == 0 || sym_prove_multiple(l->syms, o->axes.extent[i], rows)) {
            o->box[first] = rows, rows = 1;
        } else {
            if (!sym_is_const(o->axes.extent[i], &e) || rows % e) return false;
            o->box[first] = e, rows /= e;
        }
        if ((o->box[first] - 1) * o->step[first] >= MOST_BOX) return false;
    }
    return true;
}

/* All positions along the side's axes, at most `rows`; how many, or 0. */
static int64_t whole_rows(lower *l, lower_operand *o, int first, int64_t rows) {
    int64_t n = 1;
    for (int i = o->axes.n - 1; i >= 0; i--, first++) {
        int64_t e = greatest(l, o->axes.extent[i]);
        if (e > rows || (e - 1) * o->step[first] >= MOST_BOX || (i && !sym_is_const(o->axes.extent[i], NULL))) return 0;
        o->box[first] = e;
        n *= e;
        if (n > rows) return 0;
    }
    return n;
}

void lower_boxes_check(lower *l, const lower_contract *p, lower_operand *o) {
    if (!o->bulk) return;
    o->filled = o->k_inner ? o->tile : p->chunk * ((o->tile + o->width - 1) / o->width);
    if (o->k_inner) {
        o->box[0] = o->width;
        if (divide_rows(l, o, 1, o->tile)) return;
        o->filled = (int)whole_rows(l, o, 1, o->tile);
        o->bulk = o->filled > 0;
    } else {
        o->box[o->axes.n] = p->chunk;
        o->bulk = divide_rows(l, o, 0, o->width) && o->box[0] == o->width;
    }
}
