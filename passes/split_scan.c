#include "schedule_special.h"
#include "split_ordered.h"
#include "target.h"
#include <math.h>
#include <string.h>

enum {
    LONG = 1 << 15, /* elements of a line: a block takes longer for them than two more launches */
    PART = 1 << 12, /* elements of a part, at least */
    UNIT = 1 << 10, /* which they are a multiple of */
    BLOCKS = 2      /* parts for each multiprocessor */
};

typedef struct splitting {
    rewriter *r;
    ir_op *op;
    ir_combine combine;
    int axis, rank; /* of the scan's operand */
    int64_t n, size, parts;
    bool exclusive, reverse;
    frit_dtype t; /* that it runs in */
    double fill;  /* beyond the line */
} splitting;

static bool is_combined(ir_combine c) { return c == IR_SUM || c == IR_PROD || c == IR_MAX || c == IR_MIN; }

static double identity(ir_combine c) { return c == IR_PROD ? 1 : c == IR_MAX ? -INFINITY : c == IR_MIN ? INFINITY : 0; }

/* The dtype that is carried; false where the operand's would be another one. */
static bool carried_dtype(splitting *w) {
    frit_dtype x = (frit_dtype)ir_operand(w->op, 0)->type.dtype, out = (frit_dtype)ir_result(w->op, 0)->type.dtype;
    bool is_float = frit_dtype_is_float(out), compares = w->combine == IR_MAX || w->combine == IR_MIN;
    if (frit_dtype_bits(out) < 8 || frit_dtype_bits(x) < 8 || out == FRIT_bool || (compares && x != out)) return false;
    if (!is_float && compares && w->exclusive) return false; /* no number is less than all, as a view fills up with */
    w->t = is_float && frit_dtype_bits(out) < 32 ? FRIT_f32 : out;
    w->fill = is_float || !compares ? identity(w->combine) : 0;
    return is_float == frit_dtype_is_float(x);
}

/* Parts of `size` elements; of equal ones where the length allows, so that nothing is filled up. */
static void cut(splitting *w, int64_t wanted) {
    w->size = (w->n + wanted - 1) / wanted;
    if (w->size < PART) w->size = PART;
    w->size = (w->size + UNIT - 1) / UNIT * UNIT;
    for (int64_t size = w->size; size < 2 * w->size; size += 4)
        if (w->n % size == 0) {
            w->size = size;
            break;
        }
    w->parts = (w->n + w->size - 1) / w->size;
}

static bool is_wanted(splitting *w) {
    const struct frit_target_limits *l = w->r->limits;
    ir_type t = ir_operand(w->op, 0)->type;
    if (!l || !l->threads || !l->multiprocessors || !is_combined(w->combine) || t.rank + 1 > IR_MAX_RANK) return false;
    if (!sym_is_const(t.dims[w->axis], &w->n) || w->n < LONG || !carried_dtype(w)) return false;
    int64_t lines = 1;
    for (int d = 0; d < t.rank; d++)
        if (d != w->axis) lines *= sym_hint(t.dims[d]) > 1 ? sym_hint(t.dims[d]) : 1;
    if (lines > l->multiprocessors / 2) return false;
    cut(w, BLOCKS * l->multiprocessors / lines);
    return w->parts > 2;
}

/* Where the scan's element number `at` is along the axis, in its operand and its result. */
static sym_t place_of(const splitting *w, sym_t at) {
    sym_ctx *s = w->r->s;
    return w->reverse ? sym_sub(s, sym_const(s, w->n - 1), at) : at;
}

/* The operand as [.., parts, size, ..]: element number p * size + i in the order of the scan, one later where it is exclusive. */
static ir_value *parts_of(splitting *w, ir_value *x) {
    sym_ctx *s = w->r->s;
    sym_t dims[IR_MAX_RANK + 1], vars[IR_MAX_RANK + 1], map[IR_MAX_RANK];
    for (int d = 0; d <= w->rank; d++) {
        dims[d] = d == w->axis ? sym_const(s, w->parts) : d == w->axis + 1 ? sym_const(s, w->size) : x->type.dims[d - (d > w->axis)];
        vars[d] = sym_index(s, "p", dims[d]);
    }
    for (int d = 0; d < w->rank; d++) map[d] = vars[d + (d > w->axis)];
    sym_t at = sym_add(s, sym_muli(s, vars[w->axis], w->size), vars[w->axis + 1]);
    map[w->axis] = place_of(w, sym_addi(s, at, w->exclusive ? -1 : 0));
    return ir_view(&w->r->at, x, w->rank + 1, dims, vars, map, w->fill);
}

/* The parts end to end again. */
static ir_value *whole(splitting *w, ir_value *y) {
    sym_ctx *s = w->r->s;
    sym_t vars[IR_MAX_RANK], map[IR_MAX_RANK + 1];
    const sym_t *dims = ir_result(w->op, 0)->type.dims;
    for (int d = 0; d < w->rank; d++) vars[d] = sym_index(s, "p", dims[d]);
    for (int d = 0; d <= w->rank; d++) map[d] = vars[d - (d > w->axis)];
    sym_t at = place_of(w, vars[w->axis]), size = sym_const(s, w->size);
    map[w->axis] = sym_floordiv(s, at, size);
    map[w->axis + 1] = sym_mod(s, at, size);
    return ir_view(&w->r->at, y, w->rank, dims, vars, map, 0);
}

static ir_value *scanned(splitting *w, ir_value *x, int axis, bool exclusive) {
    ir_op *op = ir_build(&w->r->at, IR_scan, 1, &x, 1, &x->type);
    ir_set_int(w->r->m, op, IR_ATTR_axis, axis);
    ir_set_int(w->r->m, op, IR_ATTR_combine, w->combine);
    if (exclusive) ir_set_int(w->r->m, op, IR_ATTR_exclusive, 1);
    return ir_result(op, 0);
}

/* x [.., parts, size, ..] whose parts begin with what stands before them. */
static ir_value *continued(splitting *w, ir_value *x, ir_value *before) {
    ir_builder *b = &w->r->at;
    int64_t axes[IR_MAX_RANK];
    for (int d = 0; d < w->rank; d++) axes[d] = d + (d > w->axis);
    before = ir_broadcast(b, before, w->rank + 1, x->type.dims, axes);
    ir_value *at = ir_iota(b, ir_with_dtype(x->type, FRIT_i32), w->axis + 1);
    ir_value *first = ir_binary(b, IR_eq, at, ir_splat_int(b, at->type, 0));
    return ir_select(b, first, sched_combined(b, w->combine, before, x), x);
}

ir_value *split_scan(rewriter *r, ir_op *op) {
    if (op->code != IR_scan) return NULL;
    splitting w = {.r = r, .op = op, .axis = (int)ir_get_int(op, IR_ATTR_axis, 0), .rank = ir_operand(op, 0)->type.rank};
    w.combine = (ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SUM);
    w.exclusive = ir_get_int(op, IR_ATTR_exclusive, 0);
    w.reverse = ir_get_int(op, IR_ATTR_reverse, 0);
    if (!is_wanted(&w)) return NULL;
    int64_t inner = w.axis + 1;
    ir_value *x = parts_of(&w, ir_cast(&r->at, ir_operand(op, 0), w.t));
    ir_value *before = scanned(&w, ir_reduce(&r->at, w.combine, x, 1, &inner, w.t), w.axis, true);
    ir_value *y = scanned(&w, continued(&w, x, before), w.axis + 1, false);
    return ir_cast(&r->at, whole(&w, y), (frit_dtype)ir_result(op, 0)->type.dtype);
}
