/* States are read and written in program order. Within a block, a read after a write or read of the same path is that
 * value, and a write that is overwritten before any read goes. An op with blocks inside (if, loop, while) may run
 * them any number of times: a path that it writes is unknown after it, and one that it reads keeps the write before
 * it. */
#include "pass.h"
#include <string.h>

/* What is known of a path at a point of a block. */
typedef struct known {
    const char *path;
    ir_value *value; /* of the state now, or NULL */
    ir_op *write;    /* the last write, as long as nothing has read it */
} known;

typedef struct states {
    arena *a;
    VEC(known) paths;
    bool changed;
} states;

static known *known_of(states *s, const char *path) {
    for (int i = 0; i < s->paths.len; i++)
        if (!strcmp(s->paths.data[i].path, path)) return &s->paths.data[i];
    vec_push(s->a, &s->paths, (known){.path = path});
    return &s->paths.data[s->paths.len - 1];
}

static void disturb(states *s, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_state_read || op->code == IR_state_write) {
            known *k = known_of(s, ir_get_string(op, IR_ATTR_path));
            k->write = NULL;
            if (op->code == IR_state_write) k->value = NULL;
        }
        for (int i = 0; i < op->n_blocks; i++) disturb(s, op->blocks[i]);
    }
}

static void visit_block(states *s, ir_block *b);

static void visit_op(states *s, ir_op *op) {
    for (int i = 0; i < op->n_blocks; i++) {
        states inner = {.a = s->a};
        visit_block(&inner, op->blocks[i]);
        s->changed |= inner.changed;
        disturb(s, op->blocks[i]);
    }
    if (op->code != IR_state_read && op->code != IR_state_write) return;
    known *k = known_of(s, ir_get_string(op, IR_ATTR_path));
    if (op->code == IR_state_read) {
        ir_value *v = ir_result(op, 0);
        if (k->value) {
            ir_replace_uses(v, k->value);
            ir_op_remove(op);
            s->changed = true;
            return;
        }
        k->value = v;
        k->write = NULL;
        return;
    }
    ir_value *now = ir_operand(op, 0);
    if (k->value == now) { /* it holds this value already */
        ir_op_remove(op);
        s->changed = true;
        return;
    }
    if (k->write) {
        ir_op_remove(k->write);
        s->changed = true;
    }
    k->write = op;
    k->value = now;
}

static void visit_block(states *s, ir_block *b) {
    for (ir_op *op = b->first, *next; op; op = next) {
        next = op->next;
        visit_op(s, op);
    }
}

bool pass_state(pass_ctx *c, ir_func *f) {
    states s = {.a = c->scratch};
    visit_block(&s, f->body);
    return s.changed;
}
