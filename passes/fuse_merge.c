/* Three of the sweeps: which groups become one. */
#include "fuse_internal.h"
#include <string.h>

/* Limits of a group; how far apart in the block siblings may stand. */
enum { MAX_GROUP = 160, MAX_OUTPUTS = 16, MAX_READERS = 64, NEAR = 48 };

static void merge(fuser *f, int from, int into, double cost, const char *reason) {
    fuse_group *a = &f->groups.data[from], *b = &f->groups.data[into];
    VEC(int) ops = {0};
    int i = 0, j = 0;
    while (i < a->ops.len || j < b->ops.len) {
        bool left = j == b->ops.len || (i < a->ops.len && a->ops.data[i] < b->ops.data[j]);
        vec_push(f->scratch, &ops, left ? a->ops.data[i++] : b->ops.data[j++]);
    }
    for (int k = 0; k < a->ops.len; k++) f->nodes[a->ops.data[k]].group = into;
    a->dead = true;
    b->grown = true;
    b->special |= a->special;
    b->kept |= a->kept;
    memcpy(&b->ops, &ops, sizeof b->ops);
    b->cost = cost;
    b->reason = reason;
    fuse_note_span(f, into);
}

/* ---- Sweep 1: epilogues -------------------------------------------------------------------------------------------- */
/* The latest group among op's producers whose value has op's elements; -1 when there is none to join. */
static int producer_to_join(fuser *f, const ir_op *op) {
    int best = -1;
    if (!access_is_pointwise(op) && op->code != IR_insert) return -1; /* loops join in the second sweep, if at all */
    if (op->code == IR_gather || op->code == IR_concat || op->code == IR_pad) return -1;
    for (int i = 0; i < op->n_operands; i++) {
        if (fuse_updates_base(op, i)) continue;
        ir_value *v = ir_operand(op, i);
        int n = fuse_node_of(f, v);
        while (n >= 0 && f->nodes[n].group < 0 && f->nodes[n].op->n_operands > 0 && ir_op_flags(f->nodes[n].op) & IR_F_VIEW &&
               f->nodes[n].op->code != IR_broadcast)
            n = fuse_node_of(f, ir_operand(f->nodes[n].op, 0));
        if (n < 0 || f->nodes[n].group < 0) continue;
        int g = f->nodes[n].group;
        fuse_group *p = &f->groups.data[g];
        if (p->fixed || p->special || p->kept || p->ops.len >= MAX_GROUP || g <= best) continue;
        ir_type want = op->code == IR_insert ? ir_operand(op, 1)->type : ir_result(op, 0)->type;
        if (ir_type_elements(f->m, want) != ir_type_elements(f->m, ir_result(f->nodes[n].op, 0)->type)) continue;
        best = g;
    }
    return best;
}

/* Some op of the two groups updates a value that they compute themselves. The base of an update must be in memory. */
static bool updates_own_value(const fuser *f, int a, int b) {
    for (int k = 0; k < 2; k++) {
        const fuse_group *p = &f->groups.data[k ? b : a];
        for (int i = 0; i < p->ops.len; i++) {
            const ir_op *op = f->nodes[p->ops.data[i]].op;
            if (!fuse_updates_base(op, 0)) continue;
            int n = fuse_node_of(f, ir_operand(op, 0));
            if (n >= 0 && fuse_in_either(f, n, a, b)) return true;
        }
    }
    return false;
}

void fuse_join_epilogue(fuser *f, int at) {
    const ir_op *op = f->nodes[at].op;
    int g = producer_to_join(f, op);
    int own = fuse_new_group(f, at, false);
    if (g < 0 || f->o->mode == FUSE_OP || f->groups.data[own].special || fuse_needs_group(f, op, g)) return;
    if (updates_own_value(f, own, g)) return;
    arena_place here = arena_here(f->trial);
    fuse_io k = fuse_collect(f, own, g);
    double c = k.outputs.len > MAX_OUTPUTS ? -1 : fuse_cost(f, &k);
    arena_back(f->trial, here);
    if (c >= 0) merge(f, own, g, -1, "computed where its producer stores");
}

/* ---- Sweep 2: producers into consumers ------------------------------------------------------------------------------ */
typedef struct readers {
    int n, g[MAX_READERS];
} readers;
static bool add_reader(fuser *f, void *u, int g) {
    readers *r = u;
    for (int i = 0; i < r->n; i++)
        if (r->g[i] == g) return true;
    if (r->n < MAX_READERS) r->g[r->n++] = g;
    return true;
}

static bool merge_if_better(fuser *f, int a, int b) {
    fuse_group *p = &f->groups.data[a], *q = &f->groups.data[b];
    if (p->kept) return false;
    if (a == b || p->fixed || q->fixed || p->dead || q->dead || p->special || p->ops.len + q->ops.len > MAX_GROUP)
        return false;
    if (updates_own_value(f, a, b) || fuse_indirect_path(f, a, b)) return false;
    fuse_io k = fuse_collect(f, a, b);
    if (k.outputs.len > MAX_OUTPUTS) return false;
    if (q->special) { /* its schedule evaluates pointwise producers only */
        for (int i = 0; i < p->ops.len; i++)
            if (!access_is_pointwise(f->nodes[p->ops.data[i]].op)) return false;
        fuse_io alone = fuse_collect(f, b, -1);
        if (k.outputs.len != alone.outputs.len) return false;
        merge(f, a, b, -1, "computed where its only reader loads");
        return true;
    }
    double merged = fuse_cost(f, &k);
    if (merged < 0 || merged > fuse_group_cost(f, a) + fuse_group_cost(f, b) || fuse_loses_tasks(f, &k, a, b)) return false;
    merge(f, a, b, merged, "one kernel moves fewer bytes");
    return true;
}

static bool try_merge(fuser *f, int a, int b) {
    arena_place here = arena_here(f->trial);
    bool merged = merge_if_better(f, a, b);
    arena_back(f->trial, here);
    return merged;
}

/* Tries each group with its readers, from the back. Later sweeps try those again that have grown since; where a task is a
 * block's, also those whose readers have: what is too few tasks for two contractions may be many for all of attention. */
static bool sweep_backward(fuser *f, bool first) {
    bool any = false;
    for (int a = f->groups.len - 1; a >= 0; a--) {
        fuse_group *p = &f->groups.data[a];
        if (p->fixed || p->dead || (!first && !p->grown && !f->o->limits->threads)) continue;
        p->grown = false;
        readers r = {0};
        f->node_stamp++;
        for (int i = 0; i < p->ops.len; i++) fuse_each_reader(f, f->nodes[p->ops.data[i]].op, add_reader, &r);
        for (int i = 0; i < r.n; i++)
            if (try_merge(f, a, r.g[i])) {
                any = true;
                break;
            }
    }
    return any;
}

void fuse_merge_backward(fuser *f) {
    enum { SWEEPS = 4 };
    for (int i = 0; i < SWEEPS && sweep_backward(f, i == 0); i++) continue;
}

/* ---- Sweep 4: siblings ---------------------------------------------------------------------------------------------- */
static bool has_op(const fuser *f, int g, ir_opcode code) {
    for (int i = 0; i < f->groups.data[g].ops.len; i++)
        if (f->nodes[f->groups.data[g].ops.data[i]].op->code == code) return true;
    return false;
}

/* Groups a and b may be one dispatch: neither waits for the other, and they stand close together. */
static bool are_siblings(fuser *f, int a, int b) {
    const fuse_group *p = &f->groups.data[a], *q = &f->groups.data[b];
    if (a == b || p->fixed || p->dead || p->kept != q->kept || p->ops.len + q->ops.len > MAX_GROUP) return false;
    if (has_op(f, a, IR_contract) != has_op(f, b, IR_contract)) return false;
    if (fuse_first_node(f, b) - fuse_last_node(f, a) > NEAR || fuse_first_node(f, a) - fuse_last_node(f, b) > NEAR) return false;
    if (has_op(f, a, IR_compact) || has_op(f, b, IR_compact)) return false; /* later dims wait for its count */
    return !fuse_depends(f, a, b) && !fuse_depends(f, b, a);
}

static readers readers_of(fuser *f, const ir_value *v) {
    readers r = {0};
    f->node_stamp++;
    for (const ir_use *u = v->uses; u && r.n < MAX_READERS - 4; u = u->next) {
        int n = fuse_node_of_user(f, u->user);
        if (n < 0) continue;
        if (f->nodes[n].group >= 0) add_reader(f, &r, f->nodes[n].group);
        else fuse_each_reader(f, f->nodes[n].op, add_reader, &r);
    }
    return r;
}

static void join_siblings(fuser *f, int b) {
    fuse_io k = fuse_collect(f, b, -1);
    for (int i = 0; i < k.inputs.len; i++) {
        const ir_value *v = k.inputs.data[i];
        if (v->op && (v->op->code == IR_param || v->op->code == IR_constant)) continue;
        readers r = readers_of(f, v);
        for (int j = 0; j < r.n; j++)
            if (are_siblings(f, r.g[j], b) && fuse_collect(f, r.g[j], b).outputs.len <= MAX_OUTPUTS)
                merge(f, r.g[j], b, -1, "independent and reading the same values: one dispatch");
    }
}

/* Groups that read nothing, such as the zeros that sums by scatter begin with, wait for nobody: *last is the one before b. */
static void join_unfed(fuser *f, int b, int *last) {
    fuse_io k = fuse_collect(f, b, -1);
    if (k.inputs.len) return;
    int a = *last;
    if (a >= 0 && are_siblings(f, a, b) && fuse_collect(f, a, b).outputs.len <= MAX_OUTPUTS)
        merge(f, a, b, -1, "they read nothing: one dispatch");
    *last = b;
}

void fuse_merge_siblings(fuser *f) {
    int unfed = -1;
    for (int b = 0; b < f->groups.len; b++) {
        if (f->groups.data[b].fixed || f->groups.data[b].dead) continue;
        arena_place here = arena_here(f->trial);
        join_siblings(f, b);
        join_unfed(f, b, &unfed);
        arena_back(f->trial, here);
    }
}
