/* Excluded positions (ir/absent.h) written into the program: sums that would let the other factor's NaN or infinity through
 * a factor that the program excludes are told where it does.
 *
 * A contraction reads a copy of its operand in which excluded elements are -0 and no other is: that costs no memory, passes
 * through any kernel boundary, and changes no sum, as sums start from +0. Its attribute `absent` then names the operand. The
 * terms of a plain sum are selected, where an excluded one may be anything but 0.
 *
 * Runs last: rules for sums of products would lose the attribute. */
#include "ir/absent.h"
#include "rewrite.h"
#include <math.h>
#include <string.h>

/* What is known of a value, by id. */
typedef struct fact {
    bool may;      /* some element may be excluded */
    bool wrong;    /* and an excluded element may then be anything but 0 */
    bool positive; /* no element is below 0, or -0 */
    bool mark, test; /* wanted: the value with -0 where excluded; the bools */
    ir_value *marked, *absent;
} fact;

typedef struct marker {
    ir_module *m;
    fact *f;
    int n; /* values that there were when the pass began */
    bool changed;
    ir_map map; /* for copies of views: their operand */
} marker;

static fact *fact_of(marker *k, const ir_value *v) { return &k->f[v->id]; }
static bool is_sum(const ir_op *op) {
    return op->code == IR_reduce && (ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SUM) == IR_SUM && is_float_type(ir_operand(op, 0)->type);
}
static bool is_product(const ir_op *op) {
    return op->code == IR_contract && is_float_type(ir_operand(op, 0)->type) && !ir_has(op, IR_ATTR_absent);
}

/* ---- What may be excluded: operands first ------------------------------------------------------------------------------ */
static bool is_positive(marker *k, const ir_op *op) {
    fact *x[3] = {NULL};
    for (int i = 0; i < op->n_operands && i < 3; i++) x[i] = fact_of(k, ir_operand(op, i));
    double c;
    switch (op->code) {
    case IR_exp:
    case IR_exp2:
    case IR_abs: return true;
    case IR_constant: return ir_splat_value(ir_result(op, 0), &c) && !signbit(c);
    case IR_mul:
    case IR_div:
    case IR_add: return x[0]->positive && x[1]->positive;
    case IR_max: return x[0]->positive || x[1]->positive;
    case IR_select: return x[1]->positive && x[2]->positive;
    case IR_cast:
        return is_float_type(ir_operand(op, 0)->type) ? x[0]->positive : ir_operand(op, 0)->type.dtype == FRIT_bool;
    case IR_reduce: return is_sum(op) && x[0]->positive;
    case IR_reshape:
    case IR_transpose:
    case IR_broadcast:
    case IR_slice: return x[0]->positive;
    default: return false;
    }
}

static void learn(marker *k, const ir_op *op) {
    if (op->n_results != 1) return;
    fact *f = fact_of(k, ir_result(op, 0)), *x = op->n_operands > 0 ? fact_of(k, ir_operand(op, 0)) : NULL;
    fact *y = op->n_operands > 1 ? fact_of(k, ir_operand(op, 1)) : NULL;
    f->positive = is_float_type(ir_result(op, 0)->type) && is_positive(k, op);
    switch (ir_absence_of(op)) {
    case IR_ABSENT_LOW: f->may = true; break;
    case IR_ABSENT_CHOSEN:
        for (int i = 1; i < 3; i++) {
            f->may |= ir_excludes(op, i) || fact_of(k, ir_operand(op, i))->may;
            f->wrong |= fact_of(k, ir_operand(op, i))->wrong;
        }
        break;
    case IR_ABSENT_ALIKE: f->may = x->may, f->wrong = x->wrong; break;
    case IR_ABSENT_EITHER: f->may = f->wrong = x->may || y->may; break;
    case IR_ABSENT_QUOTIENT: f->may = x->may, f->wrong = x->wrong; break;
    default: break;
    }
}

static void learn_block(marker *k, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        learn(k, op);
        for (int i = 0; i < op->n_blocks; i++) learn_block(k, op->blocks[i]);
    }
}

/* ---- What is wanted: users first --------------------------------------------------------------------------------------- */
/* The mark of op's result is op of its operands' marks: no step makes or loses the sign of a zero. */
static bool carries_mark(marker *k, const ir_op *op) {
    switch (ir_absence_of(op)) {
    case IR_ABSENT_CHOSEN: return true;
    case IR_ABSENT_ALIKE: return op->code != IR_neg && (op->code != IR_cast || fact_of(k, ir_operand(op, 0))->positive);
    default: return false;
    }
}

static void want(marker *k, const ir_op *op) {
    for (int i = 0; i < 2 && is_product(op); i++) fact_of(k, ir_operand(op, i))->mark |= fact_of(k, ir_operand(op, i))->may;
    if (is_sum(op)) fact_of(k, ir_operand(op, 0))->test |= fact_of(k, ir_operand(op, 0))->wrong;
    if (op->n_results != 1) return;
    fact *f = fact_of(k, ir_result(op, 0));
    if (!f->mark && !f->test) return;
    bool marks = f->mark && carries_mark(k, op);
    f->test |= f->mark && !marks && ir_absence_of(op) != IR_ABSENT_LOW;
    int first = op->code == IR_select;
    for (int i = first; i < op->n_operands && i < first + 2; i++) {
        fact *x = fact_of(k, ir_operand(op, i));
        if (!x->may) continue;
        x->mark |= marks;
        x->test |= f->test && !(ir_absence_of(op) == IR_ABSENT_QUOTIENT && i);
    }
}

static void want_block(marker *k, const ir_block *b) {
    for (const ir_op *op = b->last; op; op = op->prev) {
        for (int i = op->n_blocks - 1; i >= 0; i--) want_block(k, op->blocks[i]);
        want(k, op);
    }
}

/* ---- Making it --------------------------------------------------------------------------------------------------------- */
static ir_value *bools(ir_builder *b, const ir_value *like, bool x) {
    return ir_splat_int(b, ir_with_dtype(like->type, FRIT_bool), x);
}

/* A view's op on another operand. */
static ir_value *same_view(marker *k, ir_builder *b, const ir_op *op, ir_value *x) {
    ir_value *of = ir_operand(op, 0);
    ir_map_set(b->m, &k->map, of, x);
    ir_op *copy = ir_clone(b, op, &k->map);
    ir_map_set(b->m, &k->map, of, of);
    ir_value *v = ir_result(copy, 0);
    v->type = ir_with_dtype(v->type, (frit_dtype)x->type.dtype);
    v->name = NULL;
    double fill = ir_get_float(op, IR_ATTR_fill, 0); /* what is read outside is not excluded */
    if (ir_has(op, IR_ATTR_fill) && (fill == 0 || v->type.dtype == FRIT_bool)) ir_set_float(b->m, copy, IR_ATTR_fill, 0);
    return v;
}

static ir_value *both(ir_builder *b, ir_opcode code, ir_value *x, ir_value *y) { return !x || !y ? x ? x : y : ir_binary(b, code, x, y); }

/* bool: which elements of op's result are excluded. */
static ir_value *test_of(marker *k, ir_builder *b, const ir_op *op) {
    ir_value *v = ir_result(op, 0), *part[3];
    for (int i = 0; i < op->n_operands && i < 3; i++) part[i] = fact_of(k, ir_operand(op, i))->absent;
    switch (ir_absence_of(op)) {
    case IR_ABSENT_LOW: return ir_binary(b, IR_eq, ir_operand(op, 0), ir_splat(b, v->type, -INFINITY));
    case IR_ABSENT_CHOSEN: {
        ir_value *c = ir_operand(op, 0);
        if (ir_excludes(op, 1) && !part[2]) return c;
        if (ir_excludes(op, 2) && !part[1]) return ir_unary(b, IR_not, c);
        for (int i = 1; i < 3; i++)
            if (!part[i]) part[i] = bools(b, v, ir_excludes(op, i));
        return ir_select(b, c, part[1], part[2]);
    }
    case IR_ABSENT_ALIKE: return ir_op_flags(op) & IR_F_ELEMENTWISE ? part[0] : same_view(k, b, op, part[0]);
    case IR_ABSENT_EITHER: return both(b, IR_or, part[0], part[1]);
    default: { /* 0 / y is 0 */
        ir_value *y = ir_operand(op, 1), *zero = ir_splat(b, y->type, 0);
        return ir_binary(b, IR_and, part[0], ir_binary(b, IR_lt, zero, ir_unary(b, IR_abs, y)));
    }
    }
}

/* v without -0: x + 0 is x, and 0 of -0. */
static ir_value *unmarked(marker *k, ir_builder *b, ir_value *v) {
    return fact_of(k, v)->positive ? v : ir_binary(b, IR_add, v, ir_splat(b, v->type, 0));
}

static ir_value *mark_of(marker *k, ir_builder *b, const ir_op *op) {
    ir_value *v = ir_result(op, 0), *part[3];
    if (!carries_mark(k, op)) {
        ir_value *present = op->code == IR_exp || op->code == IR_exp2
                                ? ir_binary(b, IR_ne, ir_operand(op, 0), ir_splat(b, v->type, -INFINITY))
                                : ir_unary(b, IR_not, fact_of(k, v)->absent);
        return ir_select(b, present, unmarked(k, b, v), ir_splat(b, v->type, -0.0));
    }
    if (op->code != IR_select) {
        ir_value *x = fact_of(k, ir_operand(op, 0))->marked;
        return op->code == IR_cast ? ir_cast(b, x, (frit_dtype)v->type.dtype) : same_view(k, b, op, x);
    }
    for (int i = 1; i < 3; i++) {
        ir_value *x = ir_operand(op, i);
        part[i] = fact_of(k, x)->marked;
        if (!part[i]) part[i] = ir_excludes(op, i) ? ir_splat(b, v->type, -0.0) : unmarked(k, b, x);
    }
    return ir_select(b, ir_operand(op, 0), part[1], part[2]);
}

static void make(marker *k, ir_op *op) {
    k->changed |= fact_of(k, ir_result(op, 0))->test;
    fact *f = fact_of(k, ir_result(op, 0));
    ir_builder b = ir_builder_after(k->m, op);
    b.span = op->span;
    if (f->test) f->absent = test_of(k, &b, op);
    if (f->mark) f->marked = mark_of(k, &b, op);
}

static void rewrite_product(marker *k, ir_op *op) {
    int64_t sides[2];
    int n = 0;
    for (int i = 0; i < 2; i++) {
        ir_value *marked = fact_of(k, ir_operand(op, i))->marked;
        if (!marked) continue;
        sides[n++] = i;
        ir_set_operand(op, i, marked);
    }
    if (n) ir_set_ints(k->m, op, IR_ATTR_absent, n, sides);
    k->changed |= n > 0;
}

/* Not over axes of 1 alone: such a sum may be its only term, the sign of 0 included. */
static bool adds_up(const ir_op *op) {
    const int64_t *axes;
    int n = ir_get_ints(op, IR_ATTR_axes, &axes);
    for (int i = 0; i < n; i++)
        if (!sym_is(ir_operand(op, 0)->type.dims[axes[i]], 1)) return true;
    return false;
}

/* Sums of what a contraction reads marked read that too, so that one value is computed and kept. */
static void rewrite_sum(marker *k, ir_op *op) {
    ir_value *x = ir_operand(op, 0);
    const fact *f = fact_of(k, x);
    ir_builder b = ir_builder_before(k->m, op);
    b.span = op->span;
    if (f->wrong && f->absent) ir_set_operand(op, 0, ir_select(&b, f->absent, ir_splat(&b, x->type, 0), x));
    else if (f->marked && adds_up(op)) ir_set_operand(op, 0, f->marked);
}

static void make_block(marker *k, ir_block *b) {
    for (ir_op *op = b->first, *next; op; op = next) {
        next = op->next;
        for (int i = 0; i < op->n_blocks; i++) make_block(k, op->blocks[i]);
        if (is_product(op)) rewrite_product(k, op);
        else if (is_sum(op)) rewrite_sum(k, op);
        else if (op->n_results == 1) make(k, op);
    }
}

bool pass_absent(pass_ctx *c, ir_func *f) {
    marker k = {.m = c->m, .n = c->m->n_values};
    k.f = arena_array(c->scratch, fact, k.n + 1);
    learn_block(&k, f->body);
    want_block(&k, f->body);
    make_block(&k, f->body);
    return k.changed;
}
