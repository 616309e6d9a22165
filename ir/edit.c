#include "internal.h"
#include <string.h>

/* ---- Uses ---- */

void ir_use_set(ir_use *u, ir_value *v) {
    u->value = v;
    u->next = v->uses;
    u->link = &v->uses;
    if (u->next) u->next->link = &u->next;
    v->uses = u;
}

void ir_use_drop(ir_use *u) {
    if (!u->value) return;
    *u->link = u->next;
    if (u->next) u->next->link = u->link;
    u->value = NULL;
    u->next = NULL;
    u->link = NULL;
}

void ir_set_operand(ir_op *op, int i, ir_value *v) {
    IR_REQUIRE(i >= 0 && i < op->n_operands && v, op->code, "ir_set_operand of a missing operand");
    ir_use_drop(&op->operands[i]);
    ir_use_set(&op->operands[i], v);
}

bool ir_is_written(const ir_value *buffer) {
    for (const ir_use *u = buffer->uses; u; u = u->next)
        if (u->user->code == IR_write && ir_operand(u->user, 0) == buffer) return true;
    return false;
}

void ir_replace_uses(ir_value *of, ir_value *with) {
    if (of == with) return;
    while (of->uses) {
        ir_use *u = of->uses;
        ir_use_drop(u);
        ir_use_set(u, with);
    }
}

int ir_use_count(const ir_value *v) {
    int n = 0;
    for (const ir_use *u = v->uses; u; u = u->next) n++;
    return n;
}

/* ---- Placing and removing ops ---- */

void ir_op_insert(ir_block *block, ir_op *before, ir_op *op) {
    op->parent = block;
    op->next = before;
    op->prev = before ? before->prev : block->last;
    *(op->prev ? &op->prev->next : &block->first) = op;
    *(before ? &before->prev : &block->last) = op;
}

static void unlink_op(ir_op *op) {
    if (!op->parent) return;
    *(op->prev ? &op->prev->next : &op->parent->first) = op->next;
    *(op->next ? &op->next->prev : &op->parent->last) = op->prev;
    op->parent = NULL;
    op->prev = op->next = NULL;
}

static void drop_uses(ir_op *op) {
    for (int i = 0; i < op->n_operands; i++) ir_use_drop(&op->operands[i]);
    for (int i = 0; i < op->n_blocks; i++)
        for (ir_op *o = op->blocks[i]->first; o; o = o->next) drop_uses(o);
}

static bool type_uses(ir_type t, sym_t var) {
    for (int i = 0; i < t.rank; i++)
        if (sym_uses(t.dims[i], var)) return true;
    return false;
}

bool ir_op_uses_sym(const ir_op *op, sym_t var, const ir_op *except) {
    for (int i = 0; i < op->n_results; i++)
        if (type_uses(op->results[i].type, var)) return true;
    for (int i = 0; i < op->n_attrs; i++)
        if (ir_attr_table[op->attrs[i].key].kind == IR_ATTR_SYMS)
            for (int k = 0; k < op->attrs[i].syms.n; k++)
                if (sym_uses(op->attrs[i].syms.v[k], var)) return true;
    for (int i = 0; i < op->n_blocks; i++)
        if (ir_block_uses_sym(op->blocks[i], var, except)) return true;
    return false;
}

bool ir_block_uses_sym(const ir_block *b, sym_t var, const ir_op *except) {
    for (int i = 0; i < b->n_args; i++)
        if (type_uses(b->args[i]->type, var)) return true;
    for (const ir_op *op = b->first; op; op = op->next)
        if (op != except && ir_op_uses_sym(op, var, except)) return true;
    return false;
}

void ir_op_remove(ir_op *op) {
    for (int i = 0; i < op->n_results; i++)
        IR_REQUIRE(!op->results[i].uses, op->code, "removed while its results have uses");
    drop_uses(op);
    unlink_op(op);
}

void ir_op_move_before(ir_op *op, ir_op *before) {
    if (op == before) return;
    unlink_op(op);
    ir_op_insert(before->parent, before, op);
}

void ir_op_move_into(ir_op *op, ir_block *b, ir_op *before) {
    if (op == before) return;
    unlink_op(op);
    ir_op_insert(b, before, op);
}

/* ---- Copies ---- */

/* Open addressing by id; at most half of the slots are taken. */
static ir_map_slot *map_slot(const ir_map *map, const ir_value *v) {
    uint32_t mask = (uint32_t)map->cap - 1, i = (uint32_t)v->id * UINT32_C(0x9E3779B1) >> 7;
    while (map->slots[i & mask].from && map->slots[i & mask].from != v) i++;
    return &map->slots[i & mask];
}

ir_value *ir_map_get(const ir_map *map, ir_value *v) {
    if (!map || !map->n) return v;
    ir_value *to = map_slot(map, v)->to;
    return to ? to : v;
}

static void grow_map(ir_module *m, ir_map *map) {
    ir_map old = *map;
    map->cap = old.cap ? old.cap * 2 : 32;
    map->slots = arena_array(m->arena, ir_map_slot, map->cap);
    for (int i = 0; i < old.cap; i++)
        if (old.slots[i].from) *map_slot(map, old.slots[i].from) = old.slots[i];
}

void ir_map_set(ir_module *m, ir_map *map, const ir_value *v, ir_value *to) {
    if (map->n * 2 >= map->cap) grow_map(m, map);
    ir_map_slot *s = map_slot(map, v);
    map->n += !s->from;
    *s = (ir_map_slot){v, to};
}

static void clone_block(ir_builder *b, ir_block *to, const ir_block *from, ir_map *map) {
    for (int i = 0; i < from->n_args; i++) {
        const ir_value *arg = from->args[i];
        ir_map_set(b->m, map, arg, ir_block_add_arg(b->m, to, arg->type, arg->name));
    }
    ir_builder inner = ir_builder_at_end(b->m, to);
    for (const ir_op *op = from->first; op; op = op->next) ir_clone(&inner, op, map);
}

ir_op *ir_clone(ir_builder *b, const ir_op *op, ir_map *map) {
    arena *a = b->m->arena;
    ir_value *few_values[8], **operands = few_values;
    ir_type few_types[4], *types = few_types;
    if (op->n_operands > 8) operands = arena_array(a, ir_value *, op->n_operands);
    if (op->n_results > 4) types = arena_array(a, ir_type, op->n_results);
    for (int i = 0; i < op->n_operands; i++) operands[i] = ir_map_get(map, op->operands[i].value);
    for (int i = 0; i < op->n_results; i++) types[i] = op->results[i].type;

    ir_op *copy = ir_op_new(b->m, op->code, op->n_operands, operands, op->n_results, types);
    copy->span = op->span;
    ir_op_insert(b->block, b->before, copy);
    /* Attribute contents are never changed in place, so the copy shares them. */
    for (int i = 0; i < op->n_attrs; i++) ir_set_attr(b->m, copy, op->attrs[i]);
    for (int i = 0; i < op->n_results; i++) {
        copy->results[i].name = op->results[i].name;
        ir_map_set(b->m, map, &op->results[i], &copy->results[i]);
    }
    for (int i = 0; i < op->n_blocks; i++) clone_block(b, copy->blocks[i], op->blocks[i], map);
    return copy;
}

/* ---- Symbols ---- */

static ir_type substituted(ir_module *m, ir_type t, int n, const sym_t *vars, const sym_t *with) {
    if (!t.rank) return t;
    sym_t *dims = arena_array(m->arena, sym_t, t.rank);
    for (int d = 0; d < t.rank; d++) dims[d] = sym_subst(m->syms, t.dims[d], n, vars, with);
    t.dims = dims;
    return t;
}

void ir_substitute(ir_module *m, ir_op *op, int n, const sym_t *vars, const sym_t *with) {
    for (int i = 0; i < op->n_results; i++)
        op->results[i].type = substituted(m, op->results[i].type, n, vars, with);
    for (int i = 0; i < op->n_attrs; i++) {
        if (ir_attr_table[op->attrs[i].key].kind != IR_ATTR_SYMS) continue;
        const sym_t *old;
        int k = ir_get_syms(op, (ir_attr_key)op->attrs[i].key, &old);
        sym_t *now = arena_array(m->arena, sym_t, k + 1);
        for (int j = 0; j < k; j++) now[j] = sym_subst(m->syms, old[j], n, vars, with);
        ir_set_syms(m, op, (ir_attr_key)op->attrs[i].key, k, now);
    }
    for (int b = 0; b < op->n_blocks; b++) {
        for (int i = 0; i < op->blocks[b]->n_args; i++)
            op->blocks[b]->args[i]->type = substituted(m, op->blocks[b]->args[i]->type, n, vars, with);
        for (ir_op *o = op->blocks[b]->first; o; o = o->next) ir_substitute(m, o, n, vars, with);
    }
}

bool ir_block_has(const ir_block *b, ir_opcode code) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code == code) return true;
        for (int i = 0; i < op->n_blocks; i++)
            if (ir_block_has(op->blocks[i], code)) return true;
    }
    return false;
}

bool ir_keeps_rolled(const ir_func *f) { return ir_block_has(f->body, IR_atom) || ir_block_has(f->body, IR_wgmma); }
