/* Values that are cheaper to compute again than to store: a cast to a wider dtype of what is stored anyway, its square, its
 * sum with a constant. The first sweep computes them where their operands are; once it is known which kernels read them, such
 * ops leave their group and belong to none, so that each reader evaluates them, where fewer bytes move then. */
#include "fuse_internal.h"
#include <string.h>

enum { MAX_READERS = 8 };

typedef struct readers {
    int n, g[MAX_READERS];
    bool all; /* of them are here, and may evaluate something */
} readers;

static bool add_reader(fuser *f, void *u, int g) {
    readers *r = u;
    r->all &= !f->groups.data[g].fixed && !f->groups.data[g].special;
    for (int i = 0; i < r->n; i++)
        if (r->g[i] == g) return true;
    if (r->n == MAX_READERS) r->all = false;
    else r->g[r->n++] = g;
    return r->all;
}

static bool is_in(const fuse_io *k, const ir_value *v) {
    for (int i = 0; i < k->outputs.len; i++)
        if (k->outputs.data[i] == v) return true;
    return false;
}

/* Arithmetic of few instructions, on values of this group or of none, that nothing wants in memory. */
static bool may_leave(const fuser *f, const ir_op *op) {
    if (!(ir_op_flags(op) & IR_F_ELEMENTWISE) || ir_op_flags(op) & IR_F_TRANSCENDENTAL || op->n_results != 1) return false;
    const ir_value *v = ir_result(op, 0);
    for (const ir_use *u = v->uses; u; u = u->next)
        if (u->user->parent != f->block || !u->user->n_results || fuse_updates_base(u->user, (int)(u - u->user->operands))) return false;
    return true;
}

static double cost_of(fuser *f, int g, const readers *r) {
    double cost = 0;
    for (int i = -1; i < r->n; i++) {
        int at = i < 0 ? g : r->g[i];
        if (i >= 0 && at == g) continue;
        f->groups.data[at].cost = -1;
        cost += fuse_group_cost(f, at);
    }
    return cost;
}

static void take_out(fuser *f, int g, int i) {
    fuse_group *p = &f->groups.data[g];
    f->nodes[p->ops.data[i]].group = -1;
    memmove(p->ops.data + i, p->ops.data + i + 1, sizeof *p->ops.data * (size_t)(p->ops.len - i - 1));
    p->ops.len--;
}

static void put_back(fuser *f, int g, int i, int node) {
    fuse_group *p = &f->groups.data[g];
    memmove(p->ops.data + i + 1, p->ops.data + i, sizeof *p->ops.data * (size_t)(p->ops.len - i));
    p->ops.data[i] = node;
    p->ops.len++;
    f->nodes[node].group = g;
}

static void try_op(fuser *f, int g, int i) {
    int node = f->groups.data[g].ops.data[i];
    readers r = {.all = true};
    f->node_stamp++;
    fuse_each_reader(f, f->nodes[node].op, add_reader, &r);
    if (!r.all) return;
    double before = cost_of(f, g, &r);
    take_out(f, g, i);
    if (cost_of(f, g, &r) < before) return;
    put_back(f, g, i, node);
    cost_of(f, g, &r);
}

void fuse_sink(fuser *f) {
    for (int g = 0; g < f->groups.len; g++) {
        fuse_group *p = &f->groups.data[g];
        if (p->fixed || p->dead || p->special || p->kept) continue;
        for (int i = p->ops.len - 1; i >= 0 && p->ops.len > 1; i--) {
            const ir_op *op = f->nodes[p->ops.data[i]].op;
            if (!may_leave(f, op)) continue;
            arena_place here = arena_here(f->trial);
            fuse_io k = fuse_collect(f, g, -1);
            bool stored = is_in(&k, ir_result(op, 0));
            arena_back(f->trial, here);
            if (stored) try_op(f, g, i);
        }
    }
}
