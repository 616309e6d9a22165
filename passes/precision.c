#include "precision.h"
#include "pass.h"
#include <string.h>

bool precision_from_name(const char *name, precision *p) {
    static const char *const names[] = {"f32", "tf32", "bf16", "fast"};
    for (int i = 0; i < 4; i++)
        if (!strcmp(name, names[i])) return *p = (precision)i, true;
    return false;
}

/* x to 11 significant bits, nearest, by arithmetic alone (Veltkamp's splitting: Dekker, A floating-point technique for
 * extending the available precision, 1971, section 5): c = (2^13 + 1) x, result c - (c - x). Where c would overflow, and
 * for infinities and NaN, x itself. */
static ir_value *round_tf32(ir_builder *b, ir_value *x) {
    ir_value *c = ir_binary(b, IR_mul, x, ir_splat(b, x->type, 8193));
    ir_value *high = ir_binary(b, IR_sub, c, ir_binary(b, IR_sub, c, x));
    ir_value *small = ir_binary(b, IR_le, ir_unary(b, IR_abs, x), ir_splat(b, x->type, 0x1p110));
    return ir_select(b, small, high, x);
}

static ir_value *rounded(ir_builder *b, ir_value *x, precision p) {
    return p == PRECISION_BF16 ? ir_cast(b, x, FRIT_bf16) : round_tf32(b, x);
}

static void round_operands(ir_module *m, ir_op *op, precision p) {
    ir_builder b = ir_builder_before(m, op);
    b.span = op->span;
    ir_value *x = ir_operand(op, 0), *y = ir_operand(op, 1), *left = rounded(&b, x, p);
    ir_set_operand(op, 0, left);
    ir_set_operand(op, 1, x == y ? left : rounded(&b, y, p));
}

static void round_block(ir_module *m, ir_block *block, precision p) {
    for (ir_op *op = block->first; op; op = op->next) {
        for (int i = 0; i < op->n_blocks; i++) round_block(m, op->blocks[i], p);
        if (op->code == IR_contract && ir_operand(op, 0)->type.dtype == FRIT_f32) round_operands(m, op, p);
    }
}

const char *precision_apply(ir_module *m, precision p) {
    if (p != PRECISION_TF32 && p != PRECISION_BF16) return NULL;
    pass_ctx c = pass_ctx_new(m, NULL);
    static const pass_id before[] = {PASS_canonicalize, PASS_fold, PASS_simplify, PASS_contract, PASS_dce};
    for (ir_func *f = m->funcs; f; f = f->next)
        for (size_t i = 0; i < sizeof before / sizeof *before; i++) pass_run(&c, before[i], f);
    for (ir_func *f = m->funcs; f; f = f->next) round_block(m, f->body, p);
    return c.bug;
}
