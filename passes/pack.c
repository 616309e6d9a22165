/* Weights that a contraction reads are laid out once, as panels of SCHEDULE_PANEL columns:
 *
 *     w[k.., n]  ->  packed[n / 16, k.., n % 16]
 *
 * the last panel filled up with zeros, so that its inner loop reads one stream with unit stride. The packed tensor is made
 * by a kernel that reads params only, which the load program runs once. */
#include "pack.h"
#include "access.h"
#include "schedule.h"
#include <string.h>

enum { LEAST_ELEMENTS = 2048, MAX_DEPTH = 24 };

/* Bits of param data that v is computed from, with nothing but params behind it; < 0 otherwise. */
static double param_bits(ir_module *m, const ir_value *v, int depth) {
    if (!v->op || depth > MAX_DEPTH) return -1;
    int64_t n;
    if (v->op->code == IR_param)
        return sym_is_const(ir_type_elements(m, v->type), &n) ? (double)n * frit_dtype_bits((frit_dtype)v->type.dtype) : -1;
    if (v->op->code == IR_constant) return 0;
    if (!access_is_pointwise(v->op) || v->op->code == IR_random) return -1;
    double bits = 0;
    for (int i = 0; i < v->op->n_operands; i++) {
        double b = param_bits(m, ir_operand(v->op, i), depth + 1);
        if (b < 0) return -1;
        bits += b;
    }
    return bits;
}

/* The one axis of the right operand that is neither batch nor summed. */
static int free_axis(const ir_op *op) {
    const int64_t *axes, *batch;
    ir_type t = ir_operand(op, 1)->type;
    int n = ir_get_ints(op, IR_ATTR_rhs_contract, &axes), axis = -1;
    int64_t extent, total = 1;
    if (ir_get_ints(op, IR_ATTR_rhs_batch, &batch) || t.rank != n + 1) return -1;
    for (int d = 0; d < t.rank; d++) {
        bool summed = false;
        for (int i = 0; i < n; i++) summed |= axes[i] == d;
        if (!summed) axis = d;
        if (!sym_is_const(t.dims[d], &extent) || extent <= 0 || total > INT64_MAX / extent) return -1;
        total *= extent;
    }
    if (total < LEAST_ELEMENTS || axis < 0 || !sym_is_const(t.dims[axis], &extent) || extent < SCHEDULE_PANEL) return -1;
    return axis;
}

/* w with zeros behind the axis's end, up to a whole number of panels. */
static ir_value *whole_panels(ir_builder *b, ir_value *w, int axis) {
    sym_ctx *c = b->m->syms;
    sym_t dims[IR_MAX_RANK], vars[IR_MAX_RANK], panel = sym_const(c, SCHEDULE_PANEL);
    for (int d = 0; d < w->type.rank; d++) {
        dims[d] = d == axis ? sym_mul(c, sym_ceildiv(c, w->type.dims[d], panel), panel) : w->type.dims[d];
        vars[d] = sym_index(c, "w", dims[d]);
    }
    return dims[axis] == w->type.dims[axis] ? w : ir_view(b, w, w->type.rank, dims, vars, vars, 0);
}

static ir_value *packed(ir_builder *b, ir_value *w, int axis) {
    sym_ctx *c = b->m->syms;
    ir_type t = w->type;
    w = whole_panels(b, w, axis);
    sym_t dims[IR_MAX_RANK], vars[IR_MAX_RANK], map[IR_MAX_RANK], panel = sym_const(c, SCHEDULE_PANEL);
    int64_t perm[IR_MAX_RANK];
    int n = 0, k = 0;
    for (int d = 0; d < t.rank; d++) {
        vars[d] = sym_index(c, "w", t.dims[d]);
        if (d == axis) dims[n++] = sym_ceildiv(c, t.dims[d], panel), dims[n++] = panel;
        else dims[n++] = t.dims[d];
    }
    ir_value *split = ir_reshape(b, w, n, dims);
    perm[k] = axis;
    map[k++] = sym_floordiv(c, vars[axis], panel);
    for (int d = 0; d < t.rank; d++)
        if (d != axis) {
            perm[k] = d < axis ? d : d + 1;
            map[k++] = vars[d];
        }
    perm[k] = axis + 1;
    map[k++] = sym_mod(c, vars[axis], panel);
    ir_value *p = ir_transpose(b, split, perm);
    ir_op *made = ir_build(b, IR_materialize, 1, &p, 1, &p->type);
    ir_result(made, 0)->name = "packed";
    return ir_view(b, ir_result(made, 0), t.rank, t.dims, vars, map, 0);
}

static bool pack_block(ir_module *m, ir_block *block) {
    bool changed = false;
    for (ir_op *op = block->first; op; op = op->next) {
        for (int k = 0; k < op->n_blocks; k++) changed |= pack_block(m, op->blocks[k]);
        if (op->code != IR_contract || ir_result(op, 0)->type.dtype != FRIT_f32) continue;
        ir_value *w = ir_operand(op, 1);
        int axis = free_axis(op);
        if (axis < 0) continue;
        int64_t n;
        sym_is_const(ir_type_elements(m, w->type), &n);
        double bits = param_bits(m, w, 0), own = (double)n * frit_dtype_bits((frit_dtype)w->type.dtype);
        if (bits <= 0 || own > 1.5 * bits) continue; /* not from weights, or growing them too much */
        ir_builder b = ir_builder_before(m, op);
        b.span = op->span;
        ir_set_operand(op, 1, packed(&b, w, axis));
        changed = true;
    }
    return changed;
}

bool pack_weights(ir_module *m, ir_func *f) { return pack_block(m, f->body); }
