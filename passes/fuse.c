/* Greedy fusion in four sweeps over a block, each linear in the ops with bounded look-around:
 *   1. forward: a pointwise op joins the kernel of its producer when it has the producer's elements (epilogues);
 *   2. backward: a group joins a consumer when the merged loops fit one kernel and cost less memory traffic;
 *   3. ops that are cheaper to compute again than to store leave their group (fuse_sink.c);
 *   4. siblings: independent groups that read the same value become one dispatch with a grid each.
 * Views, generators and cheap formulas of inputs belong to no group: each kernel that reads them evaluates them. */
#include "fuse_internal.h"
#include <string.h>

enum { CHEAP = 12 };

/* ---- Classification ----------------------------------------------------------------------------------------------- */
static bool is_fixed(const ir_op *op) {
    double d;
    switch (op->code) {
    case IR_param:
    case IR_state_read:
    case IR_state_write:
    case IR_if:
    case IR_loop:
    case IR_while:
    case IR_yield:
    case IR_return:
    case IR_kernel: return true;
    case IR_constant: return !ir_splat_value(ir_result(op, 0), &d);
    default: return false;
    }
}

int fuse_node_of(const fuser *f, const ir_value *v) { return v->id < f->n_ids ? f->node_of[v->id] : -1; }

int fuse_node_of_user(const fuser *f, const ir_op *user) {
    while (user && user->parent != f->block) user = user->parent->op;
    if (!user) return -1;
    if (user->n_results) return fuse_node_of(f, ir_result(user, 0));
    return -1;
}

bool fuse_updates_base(const ir_op *op, int operand) {
    return operand == 0 && (op->code == IR_insert || op->code == IR_scatter);
}

/* A pointwise op that each reader evaluates for itself: views and generators, and cheap arithmetic on what is not computed
 * by any group. */
static bool is_inline(fuser *f, const ir_op *op) {
    if (!access_is_pointwise(op) || op->n_results != 1 || op->code == IR_gather || op->code == IR_materialize) return false;
    if (op->code == IR_concat && op->n_operands > 2) return false;
    for (ir_use *u = ir_result(op, 0)->uses; u; u = u->next) {
        if (u->user->parent != f->block || is_fixed(u->user)) return false; /* wanted in memory */
        if (fuse_updates_base(u->user, (int)(u - u->user->operands))) return false;
    }
    if (op->n_operands == 0) return true;
    if (ir_op_flags(op) & IR_F_VIEW) return op->code != IR_pad && op->code != IR_concat;
    if (f->o->mode == FUSE_OP) return false;
    double cost = 1;
    if (ir_op_flags(op) & IR_F_TRANSCENDENTAL) return false;
    for (int i = 0; i < op->n_operands; i++) {
        ir_value *v = ir_operand(op, i);
        int k = fuse_node_of(f, v);
        if (k < 0) continue;
        fuse_group *g = f->nodes[k].group >= 0 ? &f->groups.data[f->nodes[k].group] : NULL;
        if (g && !g->fixed) return false;
        const ir_op *p = f->nodes[k].op;
        while (!g && p->n_operands && ir_op_flags(p) & IR_F_VIEW) { /* a view of a group's result */
            int q = fuse_node_of(f, ir_operand(p, 0));
            if (q < 0) break;
            if (f->nodes[q].group >= 0 && !f->groups.data[f->nodes[q].group].fixed) return false;
            p = f->nodes[q].op;
        }
        cost += 2;
    }
    return cost <= CHEAP;
}

int fuse_new_group(fuser *f, int at, bool fixed) {
    fuse_group g = {.fixed = fixed, .cost = -1, .emitted = 0};
    vec_push(f->scratch, &g.ops, at);
    g.special = !fixed && sched_is_special(f->nodes[at].op);
    g.kept = f->nodes[at].op->code == IR_materialize;
    vec_push(f->scratch, &f->groups, g);
    f->nodes[at].group = f->groups.len - 1;
    return f->groups.len - 1;
}

/* ---- Blocks ------------------------------------------------------------------------------------------------------ */
/* Notes who has dims made of the counter of the compact at node `at`. */
static void find_sized(fuser *f, int at) {
    const sym_t *counter;
    if (ir_get_syms(f->nodes[at].op, IR_ATTR_counter, &counter) != 1) return;
    for (int i = at + 1; i < f->n_nodes; i++)
        if (ir_op_uses_sym(f->nodes[i].op, counter[0], NULL)) {
            vec_push(f->scratch, &f->nodes[at].sized, i);
            vec_push(f->scratch, &f->nodes[i].counters, at);
        }
}

/* Numbers the block's ops. */
static void number_nodes(fuser *f) {
    for (ir_op *op = f->block->first; op; op = op->next) f->n_nodes++;
    f->nodes = arena_array(f->scratch, fuse_node, f->n_nodes + 1);
    f->n_ids = f->m->n_values;
    f->node_of = arena_array(f->scratch, int, f->n_ids + 1);
    memset(f->node_of, -1, sizeof(int) * (size_t)(f->n_ids + 1));
    int i = 0;
    for (ir_op *op = f->block->first; op; op = op->next, i++) {
        f->nodes[i] = (fuse_node){.op = op, .group = -1};
        op->mark = 0; /* region_analyse marks ops */
        for (int k = 0; k < op->n_results; k++) f->node_of[ir_result(op, k)->id] = i;
    }
    for (int k = 0; k < f->n_nodes; k++)
        if (f->nodes[k].op->code == IR_compact) find_sized(f, k);
    f->seen = arena_array(f->scratch, int, f->n_nodes + 1);
    f->seen_node = arena_array(f->scratch, int, f->n_nodes + 1);
    f->walked = arena_array(f->scratch, int, f->n_nodes + 1);
    f->far = arena_array(f->scratch, int, f->n_nodes + 1);
    for (i = 0; i <= f->n_nodes; i++) f->far[i] = i;
}

static void fuse_block(ir_module *m, ir_block *block, const fuse_options *o, arena *scratch, int *next_name) {
    for (ir_op *op = block->first; op; op = op->next)
        for (int k = 0; k < op->n_blocks && op->code != IR_kernel; k++) fuse_block(m, op->blocks[k], o, scratch, next_name);
    fuser f = {.m = m, .block = block, .o = o, .sizes = schedule_sizes_of(o->limits), .scratch = scratch, .next_name = *next_name};
    f.trial = arena_child(scratch);
    f.names.m = m;
    number_nodes(&f);
    for (int i = 0; i < f.n_nodes; i++) {
        f.classified = i;
        if (is_fixed(f.nodes[i].op)) fuse_new_group(&f, i, true);
        else if (!is_inline(&f, f.nodes[i].op)) fuse_join_epilogue(&f, i);
    }
    if (o->mode == FUSE_FULL) {
        fuse_merge_backward(&f);
        fuse_sink(&f);
        fuse_merge_siblings(&f);
    }
    fuse_rewrite(&f);
    *next_name = f.next_name;
}

/* What the model returns and has not named itself is called as its callers call it. */
static void name_results(const ir_func *f) {
    const ir_op *last = f->body->last;
    for (int i = 0; f->result_names && last && last->code == IR_return && i < last->n_operands; i++) {
        ir_value *v = ir_operand(last, i);
        if (v->op && !v->name) v->name = f->result_names[i];
    }
}

void fuse(ir_module *m, ir_func *f, const fuse_options *o) {
    arena *scratch = arena_new();
    int next_name = 0;
    name_results(f);
    fuse_block(m, f->body, o, scratch, &next_name);
    arena_free(scratch);
}
