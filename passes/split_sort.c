/* A line that is too long for one task is sorted in parts, side by side. Where few elements are wanted, those of each part are
 * sorted again; else neighbouring runs are merged until one is left (passes/schedule_sort.c). The last part is filled up
 * with elements that sort last: they are largest, and behind all equal ones. */
#include "split_sort.h"
#include "rewrite.h"
#include "target.h"
#include <math.h>
#include <string.h>

enum { PART = 4096, LEAST_PARTS = 4, LONG_FOR_CORE = 1 << 16, SHARE = 4 /* of a part, at most, is wanted of each */ };

ir_value *sort_before(ir_builder *b, ir_value *x, ir_value *y, bool descending) {
    if (descending) {
        ir_value *t = x;
        x = y;
        y = t;
    }
    ir_value *less = ir_binary(b, IR_lt, x, y);
    if (!frit_dtype_is_float((frit_dtype)x->type.dtype)) return less;
    ir_value *x_nan = ir_binary(b, IR_ne, x, x), *y_nan = ir_binary(b, IR_ne, y, y);
    return ir_binary(b, IR_or, less, ir_binary(b, IR_and, y_nan, ir_unary(b, IR_not, x_nan)));
}

/* What is known of one sort. Tensors below are [the other axes, parts (or runs), elements]. */
typedef struct splitting {
    pass_ctx *c;
    ir_builder b;
    ir_op *op;
    bool descending;
    int rank;        /* of the operand; the sorted axis is last */
    int64_t n, kept, parts, size;
    double fill;
    sym_t dims[IR_MAX_RANK + 1];
} splitting;

typedef struct sorted_pair {
    ir_value *values, *places; /* places: i32 positions */
} sorted_pair;

static ir_type type_of(splitting *w, frit_dtype t) { return ir_tensor(w->c->m, t, w->rank + 1, w->dims); }
static sym_t number(splitting *w, int64_t v) { return sym_const(w->c->m->syms, v); }
static ir_value *integer(splitting *w, int64_t v) { return ir_splat_int(&w->b, type_of(w, FRIT_i32), v); }

static ir_value *with_dims(splitting *w, ir_value *x, int64_t parts, int64_t size) {
    w->dims[w->rank - 1] = number(w, parts), w->dims[w->rank] = number(w, size);
    return ir_reshape(&w->b, x, w->rank + 1, w->dims);
}

/* The number that sorts last, as a view's fill; false: there is none that doubles have. */
static bool last_number(frit_dtype t, bool descending, double *fill) {
    frit_dtype_kind kind = frit_dtype_kind_of(t);
    int bits = (int)frit_dtype_bits(t);
    bool is_signed = kind == FRIT_KIND_SINT;
    if (kind == FRIT_KIND_FLOAT) *fill = descending ? -INFINITY : NAN;
    else if (descending) *fill = is_signed ? -ldexp(1, bits - 1) : 0;
    else *fill = kind == FRIT_KIND_BOOL ? 1 : ldexp(1, is_signed ? bits - 1 : bits) - 1;
    return kind == FRIT_KIND_FLOAT || descending || bits < 64;
}

static bool is_wanted(splitting *w) {
    const frit_target_limits *lim = w->c->options->limits;
    int64_t axis = ir_get_int(w->op, IR_ATTR_axis, 0);
    ir_value *x = ir_operand(w->op, 0);
    frit_dtype t = (frit_dtype)x->type.dtype;
    w->rank = x->type.rank;
    if (!lim || ir_get_int(w->op, IR_ATTR_runs, 0) || w->rank + 1 > IR_MAX_RANK || frit_dtype_bits(t) < 8) return false;
    if (!sym_is_const(x->type.dims[axis], &w->n) || !sym_is_const(ir_result(w->op, 0)->type.dims[axis], &w->kept)) return false;
    if (w->n < (lim->threads ? LEAST_PARTS * PART : LONG_FOR_CORE) || w->n > INT32_MAX / 4 || w->kept < 1) return false;
    for (w->parts = LEAST_PARTS; w->parts * PART < w->n;) w->parts *= 2;
    w->size = (w->n + w->parts - 1) / w->parts;
    w->descending = ir_get_int(w->op, IR_ATTR_descending, 0);
    return last_number(t, w->descending, &w->fill) || w->size * w->parts == w->n;
}

/* [the others, parts, size] of the operand, whose axis comes last. */
static ir_value *in_parts(splitting *w, ir_value *x) {
    sym_t vars[IR_MAX_RANK + 1], map[IR_MAX_RANK];
    if (w->size * w->parts == w->n) return with_dims(w, x, w->parts, w->size);
    sym_ctx *s = w->c->m->syms;
    w->dims[w->rank - 1] = number(w, w->parts), w->dims[w->rank] = number(w, w->size);
    for (int d = 0; d <= w->rank; d++) vars[d] = sym_index(s, "p", w->dims[d]);
    for (int d = 0; d < w->rank - 1; d++) map[d] = vars[d];
    map[w->rank - 1] = sym_add(s, sym_muli(s, vars[w->rank - 1], w->size), vars[w->rank]);
    return ir_view(&w->b, x, w->rank + 1, w->dims, vars, map, w->fill);
}

/* Each line of x along its last axis in order, the first `kept` of it. runs: of so many elements each is in order already. */
static ir_op *sort_each(splitting *w, ir_value *x, int64_t kept, int64_t runs) {
    sym_t dims[IR_MAX_RANK + 1];
    int last = x->type.rank - 1;
    memcpy(dims, x->type.dims, (size_t)last * sizeof *dims);
    dims[last] = number(w, kept);
    ir_type values = ir_tensor(w->c->m, (frit_dtype)x->type.dtype, last + 1, dims);
    ir_op *op = ir_build(&w->b, IR_sort, 1, &x, 2, (ir_type[]){values, ir_with_dtype(values, FRIT_i64)});
    ir_set_int(w->c->m, op, IR_ATTR_axis, last);
    ir_set_int(w->c->m, op, IR_ATTR_descending, w->descending);
    if (runs) ir_set_int(w->c->m, op, IR_ATTR_runs, runs);
    return op;
}

/* x's elements at the places `at` of its last axis. */
static ir_value *elements_at(splitting *w, ir_value *x, ir_value *at) {
    sym_ctx *s = w->c->m->syms;
    sym_t vars[IR_MAX_RANK + 1], map[IR_MAX_RANK + 1], idx = sym_var(s, "e", SYM_VALUE, NULL, NULL);
    int rank = at->type.rank;
    for (int d = 0; d < rank; d++) map[d] = vars[d] = sym_index(s, "i", at->type.dims[d]);
    map[rank - 1] = idx;
    return ir_gather(&w->b, x, 1, &at, &idx, rank, at->type.dims, vars, map, 0);
}

/* The first results of the one run left, as [the others, kept]. */
static ir_value *cut(splitting *w, ir_value *x) {
    sym_t start[IR_MAX_RANK], size[IR_MAX_RANK];
    int64_t step[IR_MAX_RANK];
    w->dims[w->rank - 1] = number(w, w->parts * w->size);
    x = ir_reshape(&w->b, x, w->rank, w->dims);
    for (int d = 0; d < w->rank; d++) start[d] = number(w, 0), size[d] = w->dims[d], step[d] = 1;
    size[w->rank - 1] = number(w, w->kept);
    return ir_slice(&w->b, x, start, size, step);
}

/* Places count in the whole line. */
static sorted_pair sort_parts(splitting *w, ir_value *x, int64_t kept_each) {
    ir_op *op = sort_each(w, x, kept_each, 0);
    w->dims[w->rank] = number(w, kept_each);
    ir_value *part = ir_binary(&w->b, IR_mul, ir_iota(&w->b, type_of(w, FRIT_i32), w->rank - 1), integer(w, w->size));
    ir_value *place = ir_binary(&w->b, IR_add, ir_cast(&w->b, ir_result(op, 1), FRIT_i32), part);
    return (sorted_pair){ir_result(op, 0), place};
}

static sorted_pair sort_all(splitting *w, ir_value *x) {
    sorted_pair all = sort_parts(w, x, w->size);
    int64_t length = w->size;
    for (int64_t runs = w->parts; runs > 1; runs /= 2, length *= 2) {
        ir_value *values = with_dims(w, all.values, runs / 2, 2 * length), *places = with_dims(w, all.places, runs / 2, 2 * length);
        ir_op *op = sort_each(w, values, 2 * length, length);
        all = (sorted_pair){ir_result(op, 0), elements_at(w, places, ir_result(op, 1))};
    }
    return (sorted_pair){cut(w, all.values), cut(w, all.places)};
}

/* The first of all are among the first of each part; candidates stand in the order of their places where they are equal. */
static sorted_pair sort_first(splitting *w, ir_value *x) {
    sorted_pair first = sort_parts(w, x, w->kept);
    w->dims[w->rank - 1] = number(w, w->parts * w->kept);
    ir_value *values = ir_reshape(&w->b, first.values, w->rank, w->dims), *places = ir_reshape(&w->b, first.places, w->rank, w->dims);
    ir_op *op = sort_each(w, values, w->kept, 0);
    return (sorted_pair){ir_result(op, 0), elements_at(w, places, ir_result(op, 1))};
}

static void split_sort(splitting *w) {
    int64_t perm[IR_MAX_RANK], back[IR_MAX_RANK], axis = ir_get_int(w->op, IR_ATTR_axis, 0);
    for (int d = 0, k = 0; d < w->rank; d++)
        if (d != axis) perm[k++] = d;
    perm[w->rank - 1] = axis;
    for (int d = 0; d < w->rank; d++) back[perm[d]] = d;
    w->b = ir_builder_before(w->c->m, w->op);
    w->b.span = w->op->span;
    ir_value *x = ir_transpose(&w->b, ir_operand(w->op, 0), perm);
    memcpy(w->dims, x->type.dims, (size_t)w->rank * sizeof *w->dims);
    x = in_parts(w, x);
    sorted_pair all = w->kept * SHARE <= w->size ? sort_first(w, x) : sort_all(w, x);
    ir_value *results[2] = {all.values, ir_cast(&w->b, all.places, FRIT_i64)};
    for (int i = 0; i < 2; i++) {
        ir_value *old = ir_result(w->op, i), *v = ir_transpose(&w->b, results[i], back);
        if (!v->name && v->op) v->name = old->name;
        ir_replace_uses(old, v);
    }
}

/* A sort of what parts kept stands before the op that it is made for, and may be long itself. */
static bool in_block(pass_ctx *c, ir_block *block) {
    bool changed = false;
    for (ir_op *op = block->first; op; op = op->next) {
        if (op->code != IR_kernel)
            for (int i = 0; i < op->n_blocks; i++) changed |= in_block(c, op->blocks[i]);
        splitting w = {.c = c, .op = op};
        if (op->code != IR_sort || (!ir_result(op, 0)->uses && !ir_result(op, 1)->uses) || !is_wanted(&w)) continue;
        ir_op *before = op->prev;
        split_sort(&w);
        changed = true;
        op = before ? before : block->first; /* once more from the first new op on */
    }
    return changed;
}

bool split_sorts(pass_ctx *c, ir_func *f) { return in_block(c, f->body); }
