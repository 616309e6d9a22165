/* Delta debugging on a program: the changes below are tried on copies, and kept while the failure stays. */
#include "graphgen.h"
#include "ir/diag.h"
#include <string.h>

ir_module *graphgen_clone(const ir_module *m) {
    arena *a = arena_new();
    const char *text = ir_print(a, m);
    diag *d = diag_new();
    ir_module *copy = ir_parse(d, diag_add_source(d, "clone.fir", text, strlen(text)));
    diag_free(d);
    arena_free(a);
    return copy;
}

static ir_func *model(ir_module *m) {
    for (ir_func *f = m->funcs; f; f = f->next)
        if (f->level == IR_LEVEL_TENSOR && !strcmp(f->name, "main")) return f;
    return m->funcs;
}

static int count_ops(const ir_block *b) {
    int n = 0;
    for (const ir_op *op = b->first; op; op = op->next) {
        n++;
        for (int i = 0; i < op->n_blocks; i++) n += count_ops(op->blocks[i]);
    }
    return n;
}

/* Op number *k of a block in program order, those of nested blocks before their op. */
static ir_op *op_at(ir_block *b, int *k) {
    for (ir_op *op = b->first; op; op = op->next) {
        for (int i = 0; i < op->n_blocks; i++) {
            ir_op *found = op_at(op->blocks[i], k);
            if (found) return found;
        }
        if ((*k)-- == 0) return op;
    }
    return NULL;
}

static void remove_unused(ir_block *b) {
    for (ir_op *op = b->last, *prev; op; op = prev) {
        prev = op->prev;
        bool used = ir_op_flags(op) & (IR_F_EFFECT | IR_F_TERMINATOR);
        for (int i = 0; i < op->n_results; i++) used |= op->results[i].uses != NULL;
        if (!used) ir_op_remove(op);
        else
            for (int i = 0; i < op->n_blocks; i++) remove_unused(op->blocks[i]);
    }
}

/* The ways to make op vanish: its results become new inputs of the func (way 0), or operand way - 1 of equal type. */
static bool drop_op(ir_module *m, ir_func *f, ir_op *op, int way) {
    if (ir_op_flags(op) & IR_F_TERMINATOR || op->code == IR_constant || (op->n_results == 0 && way)) return false;
    if (op->n_results && way == 0) {
        for (int i = 0; i < op->n_results; i++)
            ir_replace_uses(ir_result(op, i), ir_block_add_arg(m, f->body, op->results[i].type, "in"));
    } else if (op->n_results) {
        if (way > op->n_operands) return false;
        ir_value *v = ir_operand(op, way - 1);
        if (op->n_results != 1 || !ir_type_equal(v->type, op->results[0].type)) return false;
        ir_replace_uses(ir_result(op, 0), v);
    }
    ir_op_remove(op);
    return true;
}

/* Only result number `only` stays. */
static bool single_result(ir_module *m, ir_func *f, int only) {
    ir_op *ret = f->body->last;
    if (ret->n_operands <= 1 || only >= ret->n_operands) return false;
    ir_value *v = ir_operand(ret, only);
    ir_op_remove(ret);
    ir_builder b = ir_builder_at_end(m, f->body);
    ir_build(&b, IR_return, 1, &v, 0, NULL);
    f->n_results = 1;
    return true;
}

static bool still_fails(ir_module *m, bool (*fails)(void *, ir_module *), void *user) {
    arena *a = arena_new();
    bool valid = ir_verify(a, m, NULL) == 0;
    arena_free(a);
    if (!valid) return false;
    ir_module *probe = graphgen_clone(m);
    bool failed = probe && fails(user, probe);
    if (probe) ir_module_free(probe);
    return failed;
}

/* Takes over the changed copy when it still fails. */
static bool adopt(ir_module **m, ir_module *copy, bool changed, bool (*fails)(void *, ir_module *), void *user) {
    if (changed) remove_unused(model(copy)->body);
    if (!changed || !still_fails(copy, fails, user)) {
        ir_module_free(copy);
        return false;
    }
    ir_module_free(*m);
    *m = copy;
    return true;
}

ir_module *graphgen_shrink(ir_module *m, bool (*fails)(void *user, ir_module *m), void *user) {
    enum { WAYS = 4 };
    for (int i = 0; i < model(m)->n_results; i++) {
        ir_module *copy = graphgen_clone(m);
        if (adopt(&m, copy, single_result(copy, model(copy), i), fails, user)) break;
    }
    for (bool progress = true; progress;) {
        progress = false;
        for (int k = count_ops(model(m)->body) - 1; k >= 0; k--)
            for (int way = WAYS - 1; way >= 0; way--) {
                ir_module *copy = graphgen_clone(m);
                int at = k;
                ir_op *op = op_at(model(copy)->body, &at);
                if (!adopt(&m, copy, op && drop_op(copy, model(copy), op, way), fails, user)) continue;
                progress = true;
                break;
            }
    }
    return m;
}
