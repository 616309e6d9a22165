/* Control flow that is known, and values carried for nothing. Each rule removes an op with blocks, or one of its
 * operands or results; none adds any, which bounds the work. */
#include "pass.h"

static bool same_block_value(const ir_block *inner, const ir_value *v) {
    const ir_block *home = v->op ? v->op->parent : v->block;
    return home == inner;
}

/* v is defined inside b or a block nested in it. */
static bool defined_in(const ir_block *b, const ir_value *v) {
    for (const ir_block *h = v->op ? v->op->parent : v->block; h; h = h->op ? h->op->parent : NULL)
        if (h == b) return true;
    return false;
}

/* Moves the ops of b, whose arguments are args, in front of `before`; out[i] is what it yields. */
static void inline_block(ir_block *b, ir_value *const *args, ir_op *before, ir_value **out) {
    for (int i = 0; i < b->n_args; i++) ir_replace_uses(b->args[i], args[i]);
    while (b->first != b->last) ir_op_move_before(b->first, before);
    for (int i = 0; i < b->last->n_operands; i++) out[i] = ir_operand(b->last, i);
}

static bool known_condition(const ir_op *op, bool *value) {
    double v;
    if (op->code != IR_if || !ir_splat_value(ir_operand(op, 0), &v)) return false;
    *value = v != 0;
    return true;
}

static bool inline_if(pass_ctx *c, ir_op *op) {
    bool value;
    if (!known_condition(op, &value)) return false;
    ir_value **v = arena_array(c->scratch, ir_value *, op->n_operands + op->n_results + 1);
    for (int i = 1; i < op->n_operands; i++) v[i - 1] = ir_operand(op, i);
    ir_value **out = v + op->n_operands;
    inline_block(op->blocks[value ? 0 : 1], v, op, out);
    for (int i = 0; i < op->n_results; i++) ir_replace_uses(ir_result(op, i), out[i]);
    ir_op_remove(op);
    return true;
}

static bool never_runs(const ir_op *op) {
    const sym_t *extent;
    double v;
    int64_t trips;
    if (op->code == IR_while) {
        for (const ir_op *o = op->blocks[0]->first; o; o = o->next) /* the condition itself is evaluated once */
            if (ir_op_flags(o) & IR_F_EFFECT || o->n_blocks) return false;
        return ir_splat_value(ir_operand(op->blocks[0]->last, 0), &v) && v == 0;
    }
    return op->code == IR_loop && ir_get_syms(op, IR_ATTR_extent, &extent) == 1 && sym_is_const(extent[0], &trips) &&
           trips <= 0;
}

static bool skip_loop(pass_ctx *c, ir_op *op) {
    if (!never_runs(op)) return false;
    for (int i = 0; i < op->n_results; i++) ir_replace_uses(ir_result(op, i), ir_operand(op, i));
    ir_op_remove(op);
    return true;
}

/* ---- Results and carried values ---------------------------------------------------------------------------------- */
/* A copy of op without results `drop`, and for loops without those operands and block arguments; the blocks move
 * over. */
static void rebuild(pass_ctx *c, ir_op *op, const bool *drop) {
    ir_module *m = c->m;
    bool is_if = op->code == IR_if;
    int n = 0, k = 0;
    ir_value **in = arena_array(c->scratch, ir_value *, op->n_operands + 1);
    ir_type *types = arena_array(c->scratch, ir_type, op->n_results + 1);
    for (int i = 0; i < op->n_operands; i++)
        if (is_if || !drop[i]) in[n++] = ir_operand(op, i);
    for (int i = 0; i < op->n_results; i++)
        if (!drop[i]) types[k++] = op->results[i].type;
    ir_builder b = ir_builder_before(m, op);
    b.span = op->span;
    ir_op *to = ir_build(&b, op->code, n, in, k, types);
    const sym_t *s;
    int n_s = ir_get_syms(op, IR_ATTR_counter, &s);
    if (n_s) ir_set_syms(m, to, IR_ATTR_counter, n_s, s);
    n_s = ir_get_syms(op, IR_ATTR_extent, &s);
    if (n_s) ir_set_syms(m, to, IR_ATTR_extent, n_s, s);
    for (int j = 0; j < op->n_blocks; j++) {
        ir_block *from = op->blocks[j], *dest = to->blocks[j];
        for (int i = 0; i < from->n_args; i++) {
            if (!is_if && drop[i]) continue;
            ir_value *a = ir_block_add_arg(m, dest, from->args[i]->type, from->args[i]->name);
            ir_replace_uses(from->args[i], a);
        }
        ir_op *yield = from->last;
        bool condition = op->code == IR_while && j == 0;
        ir_value **out = arena_array(c->scratch, ir_value *, yield->n_operands + 1);
        int n_out = 0;
        for (int i = 0; i < yield->n_operands; i++)
            if (condition || !drop[i]) out[n_out++] = ir_operand(yield, i);
        ir_builder end = ir_builder_at_end(m, dest);
        end.span = yield->span;
        ir_op *last = ir_build(&end, IR_yield, n_out, out, 0, NULL);
        while (from->first != from->last) ir_op_move_before(from->first, last);
    }
    for (int i = 0, at = 0; i < op->n_results; i++) {
        if (drop[i]) continue;
        ir_result(to, at)->name = ir_result(op, i)->name;
        ir_replace_uses(ir_result(op, i), ir_result(to, at++));
    }
    ir_op_remove(op);
}

/* What the blocks of a loop need: a worklist of their values, and which carried values those come from. */
typedef struct liveness {
    pass_ctx *c;
    ir_op *op;
    bool *live;           /* per carried value */
    VEC(ir_value *) todo;
} liveness;

enum { SEEN = 0x11fe };

static void need(liveness *l, ir_value *v) {
    if (!defined_in(l->op->blocks[0], v) && (l->op->n_blocks < 2 || !defined_in(l->op->blocks[1], v))) return;
    vec_push(l->c->scratch, &l->todo, v);
}

static void need_operands(liveness *l, ir_op *op) {
    if (op->mark == SEEN) return;
    op->mark = SEEN;
    for (int i = 0; i < op->n_operands; i++) need(l, ir_operand(op, i));
    for (int k = 0; k < op->n_blocks; k++)
        for (ir_op *o = op->blocks[k]->first; o; o = o->next) need_operands(l, o);
}

static void clear_marks(ir_block *b) {
    for (ir_op *op = b->first; op; op = op->next) {
        op->mark = 0;
        for (int k = 0; k < op->n_blocks; k++) clear_marks(op->blocks[k]);
    }
}

static bool has_effect(const ir_op *op) {
    if (ir_op_flags(op) & IR_F_EFFECT) return true;
    for (int k = 0; k < op->n_blocks; k++)
        for (const ir_op *o = op->blocks[k]->first; o; o = o->next)
            if (has_effect(o)) return true;
    return false;
}

static void need_effects(liveness *l, ir_block *b) {
    for (ir_op *op = b->first; op; op = op->next)
        if (has_effect(op)) need_operands(l, op);
}

static void carry_live(liveness *l, int i) {
    ir_op *op = l->op;
    if (l->live[i]) return;
    l->live[i] = true;
    need(l, ir_operand(op->blocks[op->n_blocks - 1]->last, i));
}

/* Carried values that neither a result that is read, nor an effect, nor a condition needs. */
static bool find_dead(pass_ctx *c, ir_op *op, bool *drop) {
    liveness l = {.c = c, .op = op, .live = arena_array(c->scratch, bool, op->n_results + 1)};
    for (int k = 0; k < op->n_blocks; k++) clear_marks(op->blocks[k]);
    for (int k = 0; k < op->n_blocks; k++) need_effects(&l, op->blocks[k]);
    if (op->code == IR_while) need(&l, ir_operand(op->blocks[0]->last, 0));
    for (int i = 0; i < op->n_results; i++)
        if (ir_result(op, i)->uses) carry_live(&l, i);
    while (l.todo.len) {
        ir_value *v = l.todo.data[--l.todo.len];
        if (v->op) need_operands(&l, v->op);
        else if (v->block == op->blocks[0] || v->block == op->blocks[op->n_blocks - 1]) carry_live(&l, v->index);
    }
    bool any = false;
    for (int i = 0; i < op->n_results; i++) any |= drop[i] = !l.live[i];
    return any;
}

/* The value carried in place i is the same in each round: all its readers may read the first. */
static bool constant_carry(ir_op *op, int i) {
    ir_block *body = op->blocks[op->n_blocks - 1];
    ir_value *arg = body->args[i], *next = ir_operand(body->last, i), *first = ir_operand(op, i);
    if (next != arg && next != first) return false;
    bool changed = ir_result(op, i)->uses != NULL;
    for (int k = 0; k < op->n_blocks; k++) {
        const ir_value *a = op->blocks[k]->args[i];
        changed |= a->uses && !(a->uses->user == body->last && !a->uses->next);
    }
    if (!changed) return false;
    for (int k = 0; k < op->n_blocks; k++) ir_replace_uses(op->blocks[k]->args[i], first);
    ir_set_operand(body->last, i, arg);
    ir_replace_uses(ir_result(op, i), first);
    return true;
}

static bool shrink_loop(pass_ctx *c, ir_op *op) {
    bool changed = false;
    bool *drop = arena_array(c->scratch, bool, op->n_results + 1);
    for (int i = 0; i < op->n_results; i++) changed |= constant_carry(op, i);
    if (find_dead(c, op, drop)) {
        /* what computes a dead value reads its own argument only: cut the circle */
        for (int i = 0; i < op->n_results; i++) {
            ir_block *body = op->blocks[op->n_blocks - 1];
            if (drop[i]) ir_set_operand(body->last, i, body->args[i]);
        }
        for (int i = 0; i < op->n_results; i++)
            for (int k = 0; k < op->n_blocks && drop[i]; k++)
                ir_replace_uses(op->blocks[k]->args[i], ir_operand(op, i));
        rebuild(c, op, drop);
        return true;
    }
    return changed;
}

static bool shrink_if(pass_ctx *c, ir_op *op) {
    bool any = false, changed = false;
    bool *drop = arena_array(c->scratch, bool, op->n_results + 1);
    for (int i = 0; i < op->n_results; i++) {
        ir_value *a = ir_operand(op->blocks[0]->last, i), *b = ir_operand(op->blocks[1]->last, i),
            *v = ir_result(op, i);
        for (int k = 0; k < op->blocks[0]->n_args; k++)
            if (a == op->blocks[0]->args[k] && b == op->blocks[1]->args[k]) a = b = ir_operand(op, k + 1);
        if (a == b && v->uses && !same_block_value(op->blocks[0], a)) {
            ir_replace_uses(v, a);
            changed = true;
        }
        any |= drop[i] = !v->uses;
    }
    if (any) rebuild(c, op, drop);
    return any || changed;
}

static bool visit_block(pass_ctx *c, ir_block *b) {
    bool changed = false;
    for (ir_op *op = b->first, *next; op; op = next) {
        next = op->next;
        if (op->code != IR_if && op->code != IR_loop && op->code != IR_while) continue;
        for (int i = 0; i < op->n_blocks; i++) changed |= visit_block(c, op->blocks[i]);
        if (inline_if(c, op) || skip_loop(c, op)) changed = true;
        else changed |= op->code == IR_if ? shrink_if(c, op) : shrink_loop(c, op);
    }
    return changed;
}

bool pass_control(pass_ctx *c, ir_func *f) { return visit_block(c, f->body); }
