#include "split_ordered.h"
#include "target.h"

static bool compacts_in(pass_ctx *c, ir_block *block) {
    bool any = false;
    for (ir_op *op = block->first; op; op = op->next) {
        for (int k = 0; k < op->n_blocks && op->code != IR_kernel; k++) any |= compacts_in(c, op->blocks[k]);
        if (op->code != IR_compact || ir_operand(op, 0)->type.dtype != FRIT_bool) continue;
        int64_t n;
        bool is_short = sym_is_const(ir_operand(op, 0)->type.dims[0], &n) && n <= INT32_MAX;
        ir_builder b = ir_builder_before(c->m, op);
        b.span = op->span;
        ir_value *x = ir_cast(&b, ir_operand(op, 0), is_short ? FRIT_i32 : FRIT_i64);
        ir_op *counts = ir_build(&b, IR_scan, 1, &x, 1, &x->type);
        ir_set_int(c->m, counts, IR_ATTR_axis, 0);
        ir_set_int(c->m, counts, IR_ATTR_combine, IR_SUM);
        ir_set_operand(op, 0, ir_result(counts, 0));
        any = true;
    }
    return any;
}

bool split_compacts(pass_ctx *c, ir_func *f) { return c->options->limits && c->options->limits->threads && compacts_in(c, f->body); }
