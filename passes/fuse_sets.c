/* What a set of ops would read and write as one kernel. */
#include "fuse_internal.h"
#include <stdlib.h>

bool fuse_in_either(const fuser *f, int at, int a, int b) {
    int g = f->nodes[at].group;
    return g >= 0 && (g == a || g == b);
}

static void add_value(fuser *f, ir_value ***data, int *len, int *cap, ir_value *v) {
    for (int i = 0; i < *len; i++)
        if ((*data)[i] == v) return;
    if (*len == *cap) *data = arena_grow(f->trial, *data, *len, cap, sizeof **data);
    (*data)[(*len)++] = v;
}

static int by_node(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

/* Someone other than groups a and b reads v, directly or through inline ops. */
static bool read_outside(fuser *f, const ir_value *v, int a, int b) {
    VEC(const ir_value *) todo = {0};
    vec_push(f->trial, &todo, v);
    int walk = ++f->walk;
    for (int t = 0; t < todo.len; t++)
        for (const ir_use *u = todo.data[t]->uses; u; u = u->next) {
            if (u->user->parent != f->block || u->user->n_results == 0) return true;
            int n = fuse_node_of(f, ir_result(u->user, 0));
            if (n > f->classified) return true;
            if (f->nodes[n].group < 0) {
                if (f->walked[n] == walk) continue;
                f->walked[n] = walk;
                vec_push(f->trial, &todo, ir_result(f->nodes[n].op, 0));
            } else if (!fuse_in_either(f, n, a, b)) return true;
        }
    return false;
}

fuse_io fuse_collect(fuser *f, int a, int b) {
    fuse_io r = {0};
    VEC(int) list = {0};
    int walk = ++f->walk;
    for (int k = 0; k < 2; k++) {
        int g = k ? b : a;
        if (g < 0) continue;
        for (int i = 0; i < f->groups.data[g].ops.len; i++) vec_push(f->trial, &list, f->groups.data[g].ops.data[i]);
    }
    for (int i = 0; i < list.len; i++) { /* grows by the inline ops it meets */
        const ir_op *op = f->nodes[list.data[i]].op;
        for (int k = 0; k < op->n_operands; k++) {
            ir_value *v = ir_operand(op, k);
            int n = fuse_node_of(f, v);
            if (n >= 0 && fuse_in_either(f, n, a, b)) continue;
            if (n >= 0 && f->nodes[n].group < 0) {
                if (f->walked[n] != walk) vec_push(f->trial, &list, n);
                f->walked[n] = walk;
                continue;
            }
            add_value(f, &r.inputs.data, &r.inputs.len, &r.inputs.cap, v);
        }
    }
    qsort(list.data, (size_t)list.len, sizeof *list.data, by_node);
    for (int i = 0; i < list.len; i++) {
        ir_op *op = f->nodes[list.data[i]].op;
        vec_push(f->trial, &r.ops, op);
        if (f->nodes[list.data[i]].group < 0) continue;
        for (int k = 0; k < op->n_results; k++) {
            ir_value *v = ir_result(op, k);
            bool outside = op->code == IR_compact && k == 1; /* the length binds a dim: it is always stored */
            if (outside || read_outside(f, v, a, b)) add_value(f, &r.outputs.data, &r.outputs.len, &r.outputs.cap, v);
        }
    }
    return r;
}
