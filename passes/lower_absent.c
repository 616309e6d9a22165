/* Sums of products some of whose terms are left out (passes/absent.c): the term is select(absent, 0, x * y), where `absent`
 * says that x or y is -0.
 *
 * A product with such a factor is 0 or NaN, so the plain sum of products is right wherever it comes out finite. It is
 * summed up at full speed; where it is infinite or NaN, the sum is made again, term by term as written. */
#include "lower_internal.h"

static bool is_splat(const ir_value *v, double x) {
    double c;
    return ir_splat_value(v, &c) && c == x;
}

/* c holds only where x or y is -0. */
static bool tests_marks(const ir_value *c, const ir_value *x, const ir_value *y) {
    if (ir_is(c, IR_or)) return tests_marks(ir_operand(c->op, 0), x, y) && tests_marks(ir_operand(c->op, 1), x, y);
    if (!ir_is(c, IR_eq) || !ir_is(ir_operand(c->op, 0), IR_bitcast)) return false;
    const ir_value *of = ir_operand(ir_operand(c->op, 0)->op, 0);
    bool wide = of->type.dtype == FRIT_f64;
    return (of == x || of == y) && is_splat(ir_operand(c->op, 1), wide ? -0x1p63 : -0x1p31);
}

const ir_value *lower_plain_product(const ir_value *term) {
    if (!ir_is(term, IR_select) || !is_splat(ir_operand(term->op, 1), 0)) return NULL;
    const ir_value *product = ir_operand(term->op, 2);
    if (!ir_is(product, IR_mul) || ir_use_count(product) != 1) return NULL;
    bool marks = tests_marks(ir_operand(term->op, 0), ir_operand(product->op, 0), ir_operand(product->op, 1));
    return marks ? product : NULL;
}

/* x summed up so that only what is infinite or NaN leaves anything but 0. */
static ir_value *add_trace(lower *l, ir_value *trace, ir_value *x) {
    ir_value *zero = lower_splat(l, lower_float(l, (frit_dtype)x->type.dtype, 0), x->type.lanes, 0);
    if (trace && l->lim->fma && (x->type.dtype == FRIT_f32 || x->type.dtype == FRIT_f64))
        return lower_build(l, l->depth, IR_fma, 3, (ir_value *[]){x, zero, trace}, x->type);
    ir_value *y = lower_build(l, l->depth, IR_mul, 2, (ir_value *[]){x, zero}, x->type);
    return trace ? lower_build(l, l->depth, IR_add, 2, (ir_value *[]){trace, y}, x->type) : y;
}

ir_value *lower_any_infinite(lower *l, int n, ir_value *const *x) {
    ir_value *trace = NULL;
    for (int i = 0; i < n; i++) trace = add_trace(l, trace, x[i]);
    if (trace->type.lanes > 1) {
        trace = lower_build(l, l->depth, IR_reduce_lanes, 1, &trace, ir_vector((frit_dtype)trace->type.dtype, 1));
        ir_set_int(l->m, trace->op, IR_ATTR_combine, IR_SUM);
    }
    return lower_build(l, l->depth, IR_ne, 2, (ir_value *[]){trace, trace}, ir_vector(FRIT_bool, 1));
}

ir_op *lower_choice(lower *l, ir_value *cond, int n, ir_value *const *otherwise) {
    ir_type *t = arena_alloc(l->scratch, sizeof *t * (size_t)(n + 1));
    for (int i = 0; i < n; i++) t[i] = otherwise[i]->type;
    ir_op *choice = ir_build(lower_here(l), IR_tif, 1, &cond, n, t);
    ir_builder other = ir_builder_at_end(l->m, choice->blocks[1]);
    ir_build(&other, IR_yield, n, otherwise, 0, NULL);
    lower_push(l, choice, choice->blocks[0]);
    return choice;
}

void lower_choice_end(lower *l, ir_op *choice, int n, ir_value **x) {
    ir_build(lower_here(l), IR_yield, n, x, 0, NULL);
    lower_pop(l);
    for (int i = 0; i < n; i++) x[i] = ir_result(choice, i);
}

/* ---- Stages ---- */
void lower_plan_plain(lower *l, lower_stage *s) {
    const ir_op *yield = s->op->blocks[0]->last;
    bool sums = s->parallel < s->n && s->n_terms == 1 && s->combines[0] == IR_SUM && yield && yield->n_operands == 1;
    s->plain = sums && !ir_block_has(s->op->blocks[0], IR_write) ? lower_plain_product(ir_operand(yield, 0)) : NULL;
    if (s->plain) s->of_plain = lower_cone(l, s->op->blocks[0], s->plain, &s->first_id);
}

void lower_sum_plain(lower *l, lower_stage *s, void (*loops)(lower *l, lower_stage *s)) {
    s->wanted = s->of_plain;
    s->summing_plain = true;
    loops(l, s);
    s->wanted = NULL;
    s->summing_plain = false;
    int n = s->n_state;
    ir_op *again = lower_choice(l, lower_any_infinite(l, n, s->acc), n, s->acc);
    lower_reduce_init(l, s);
    loops(l, s);
    lower_choice_end(l, again, n, s->acc);
}
