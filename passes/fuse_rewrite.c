/* Groups become `kernel` ops, in an order in which each stands behind what it needs. */
#include "fuse_internal.h"
#include <string.h>

static const char *kernel_name(fuser *f, const fuse_io *k) {
    const ir_op *main_op = k->ops.data[k->ops.len - 1];
    const char *value = NULL;
    for (int i = 0; i < k->ops.len; i++)
        if (k->ops.data[i]->code == IR_contract || k->ops.data[i]->code == IR_reduce) main_op = k->ops.data[i];
    for (int i = 0; i < k->outputs.len && !value; i++) value = k->outputs.data[i]->name;
    const char *what = ir_op_table[main_op->code].name;
    return value ? arena_printf(f->m->arena, "%s_%s_%d", value, what, f->next_name++)
                 : arena_printf(f->m->arena, "%s_%d", what, f->next_name++);
}

/* Kernels that are alike are tried once. */
static bool schedulable(fuser *f, const ir_op *kernel) {
    ir_module trial = {.arena = arena_new(), .syms = f->m->syms, .seed = f->m->seed};
    isomorph_key key = isomorph_key_of_kernel(&f->names, trial.arena, kernel);
    int known = isomorph_find(&f->scheduled, &key);
    if (known < 0) {
        trial.last_func = &trial.funcs;
        sym_place here = sym_here(f->m->syms);
        known = schedule_kernel(&trial, kernel, "trial", f->o->limits, NULL, NULL) != NULL;
        sym_back(f->m->syms, here);
        isomorph_key kept = fuse_kept_key(f, &key);
        isomorph_enter(f->scratch, &f->scheduled, &kept, known);
    }
    arena_free(trial.arena);
    return known;
}

/* False (and nothing made) when the group has several ops and no schedule. */
static bool kernel_of(fuser *f, int g, const fuse_io *k, ir_map *outer) {
    ir_module *m = f->m;
    int n_in = k->inputs.len, n_out = k->outputs.len;
    ir_value **ins = arena_array(f->trial, ir_value *, n_in + 1);
    ir_type *types = arena_array(f->trial, ir_type, n_out + 1);
    for (int i = 0; i < n_in; i++) ins[i] = ir_map_get(outer, k->inputs.data[i]);
    for (int i = 0; i < n_out; i++) types[i] = k->outputs.data[i]->type;
    ir_builder b = ir_builder_at_end(m, f->block);
    b.span = n_out ? k->outputs.data[0]->op->span : k->ops.data[0]->span;
    ir_op *kernel = ir_build(&b, IR_kernel, n_in, ins, n_out, types);
    ir_set_string(m, kernel, IR_ATTR_name, kernel_name(f, k));
    if (f->groups.data[g].reason) ir_set_string(m, kernel, IR_ATTR_reason, f->groups.data[g].reason);
    ir_map map = {0};
    for (int i = 0; i < n_in; i++)
        ir_map_set(m, &map, k->inputs.data[i],
                   ir_block_add_arg(m, kernel->blocks[0], k->inputs.data[i]->type, k->inputs.data[i]->name));
    ir_builder inner = ir_builder_at_end(m, kernel->blocks[0]);
    for (int i = 0; i < k->ops.len; i++) {
        inner.span = k->ops.data[i]->span;
        ir_clone(&inner, k->ops.data[i], &map);
    }
    ir_value **outs = arena_array(f->trial, ir_value *, n_out + 1);
    for (int i = 0; i < n_out; i++) {
        outs[i] = ir_map_get(&map, k->outputs.data[i]);
        ir_result(kernel, i)->name = k->outputs.data[i]->name;
    }
    ir_build(&inner, IR_yield, n_out, outs, 0, NULL);
    if (f->groups.data[g].ops.len > 1 && !schedulable(f, kernel)) {
        ir_op_remove(kernel);
        return false;
    }
    for (int i = 0; i < n_out; i++) ir_map_set(m, outer, k->outputs.data[i], ir_result(kernel, i));
    return true;
}

static bool make_kernel(fuser *f, int g, ir_map *outer) {
    arena_place here = arena_here(f->trial);
    fuse_io k = fuse_collect(f, g, -1);
    bool made = kernel_of(f, g, &k, outer);
    arena_back(f->trial, here);
    return made;
}

static void emit_group(fuser *f, int g, ir_map *outer);

/* Every op of g becomes a group of its own. */
static void split_group(fuser *f, int g, ir_map *outer) {
    int n = f->groups.data[g].ops.len, *ops = arena_array(f->scratch, int, n), *own = arena_array(f->scratch, int, n);
    memcpy(ops, f->groups.data[g].ops.data, sizeof *ops * (size_t)n);
    f->groups.data[g].dead = true;
    for (int i = 0; i < n; i++) {
        own[i] = fuse_new_group(f, ops[i], false);
        f->groups.data[own[i]].reason = "no kernel fits the group that it was in";
    }
    for (int i = 0; i < n; i++) emit_group(f, own[i], outer);
}

/* The groups that bind the dims which op is made of. */
static void emit_counters(fuser *f, const ir_op *op, int g, ir_map *outer) {
    int at = op->n_results ? fuse_node_of(f, ir_result(op, 0)) : -1;
    for (int i = 0; at >= 0 && i < f->nodes[at].counters.len; i++) {
        int h = f->nodes[f->nodes[at].counters.data[i]].group;
        if (h != g) emit_group(f, h, outer);
    }
}

/* Values of this block that a nested block reads are inputs of the op that holds it. */
static void emit_captures(fuser *f, const ir_block *b, int g, ir_map *outer) {
    for (const ir_op *op = b->first; op; op = op->next) {
        for (int i = 0; i < op->n_operands; i++) {
            int n = fuse_node_of(f, ir_operand(op, i));
            if (n >= 0 && f->nodes[n].group >= 0 && f->nodes[n].group != g) emit_group(f, f->nodes[n].group, outer);
        }
        for (int k = 0; k < op->n_blocks; k++) emit_captures(f, op->blocks[k], g, outer);
    }
}

/* What g needs comes first. */
static void emit_group(fuser *f, int g, ir_map *outer) {
    fuse_group *p = &f->groups.data[g];
    if (p->emitted || p->dead) return;
    p->emitted = true;
    arena_place here = arena_here(f->trial);
    fuse_io k = fuse_collect(f, g, -1);
    for (int i = 0; i < k.inputs.len; i++) {
        int n = fuse_node_of(f, k.inputs.data[i]);
        if (n >= 0 && f->nodes[n].group != g) emit_group(f, f->nodes[n].group, outer);
    }
    for (int i = 0; i < k.ops.len; i++) emit_counters(f, k.ops.data[i], g, outer);
    arena_back(f->trial, here);
    const ir_op *first = f->nodes[f->groups.data[g].ops.data[0]].op; /* splits make groups */
    for (int i = 0; i < first->n_blocks; i++) emit_captures(f, first->blocks[i], g, outer);
    p = &f->groups.data[g];
    if (p->fixed) {
        ir_op *op = f->nodes[p->ops.data[0]].op;
        ir_builder b = ir_builder_at_end(f->m, f->block);
        b.span = op->span;
        ir_clone(&b, op, outer);
    } else if (!make_kernel(f, g, outer)) split_group(f, g, outer);
}

void fuse_rewrite(fuser *f) {
    VEC(ir_op *) old = {0};
    for (ir_op *op = f->block->first; op; op = op->next) vec_push(f->scratch, &old, op);
    ir_map outer = {0};
    for (int i = 0; i < f->n_nodes; i++) { /* fixed ops in program order, each after what it needs */
        int g = f->nodes[i].group;
        if (g < 0 || !f->groups.data[g].fixed) continue;
        emit_group(f, g, &outer);
    }
    for (int i = old.len - 1; i >= 0; i--) {
        for (int k = 0; k < old.data[i]->n_results; k++) {
            ir_value *v = ir_result(old.data[i], k), *w = ir_map_get(&outer, v);
            if (w != v) ir_replace_uses(v, w);
        }
        ir_op_remove(old.data[i]);
    }
}
