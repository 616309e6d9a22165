/* Equal computations are done once: an op that has the opcode, operands, attributes and types of an op before it in its
 * block, or in a block around it, gives way to that one. The variables of a view or gather are bound names: two maps
 * are equal when one becomes the other by renaming. Effects, random bits, control flow and compact (which names a
 * fresh dim) are left alone. One sweep suffices since operands come before users. */
#include "cse.h"
#include "pass.h"
#include <string.h>

typedef struct entry {
    ir_op *op;
    uint64_t hash;
    struct entry *next;
} entry;

typedef struct table {
    ir_module *m;
    arena *a;
    entry **buckets;
    int n_buckets; /* a power of two */
    VEC(entry *) scope; /* in order of entering: the innermost block's are last */
} table;

static bool takes_part(const ir_op *op) {
    if (op->n_blocks || op->n_results == 0 || ir_op_flags(op) & (IR_F_EFFECT | IR_F_TERMINATOR)) return false;
    return op->code != IR_random && op->code != IR_compact;
}

static uint64_t mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 29;
}

static bool binds_names(const ir_op *op) { return ir_has(op, IR_ATTR_vars); }

static bool names_key(uint8_t key) { return key == IR_ATTR_vars || key == IR_ATTR_idx || key == IR_ATTR_map; }

static uint64_t hash_attr(uint64_t h, const ir_attr *a) {
    h = mix(h, a->key);
    switch (ir_attr_table[a->key].kind) {
    case IR_ATTR_STRING:
        for (const char *s = a->s; *s; s++) h = mix(h, (unsigned char)*s);
        return h;
    case IR_ATTR_INTS:
        for (int i = 0; i < a->ints.n; i++) h = mix(h, (uint64_t)a->ints.v[i]);
        return h;
    case IR_ATTR_SYMS:
        for (int i = 0; i < a->syms.n; i++) h = mix(h, (uintptr_t)a->syms.v[i]);
        return h;
    case IR_ATTR_DATA:
        for (int64_t i = 0; i < a->data.bytes; i++) h = mix(h, ((const unsigned char *)a->data.p)[i]);
        return h;
    default: return mix(h, (uint64_t)a->i);
    }
}

static bool swapped(const ir_op *op) {
    return ir_op_flags(op) & IR_F_COMMUTATIVE && ir_operand(op, 0)->id > ir_operand(op, 1)->id;
}

static const ir_value *operand_in_order(const ir_op *op, int i) {
    return ir_operand(op, i < 2 && swapped(op) ? 1 - i : i);
}

static uint64_t hash_op(const ir_op *op) {
    uint64_t h = mix(7, op->code);
    for (int i = 0; i < op->n_operands; i++) h = mix(h, (uint64_t)operand_in_order(op, i)->id);
    for (int i = 0; i < op->n_results; i++) {
        ir_type t = op->results[i].type;
        h = mix(h, t.dtype);
        for (int d = 0; d < t.rank; d++) h = mix(h, (uintptr_t)t.dims[d]);
    }
    for (int i = 0; i < op->n_attrs; i++)
        if (!binds_names(op) || !names_key(op->attrs[i].key)) h = hash_attr(h, &op->attrs[i]);
    return h;
}

static bool same_bytes(const void *x, const void *y, size_t n) { return !n || !memcmp(x, y, n); } /* of nothing both may be NULL */

static bool same_attr(const ir_attr *a, const ir_attr *b) {
    if (a->key != b->key) return false;
    switch (ir_attr_table[a->key].kind) {
    case IR_ATTR_STRING: return !strcmp(a->s, b->s);
    case IR_ATTR_INTS:
        return a->ints.n == b->ints.n && same_bytes(a->ints.v, b->ints.v, (size_t)a->ints.n * sizeof(int64_t));
    case IR_ATTR_SYMS:
        return a->syms.n == b->syms.n && same_bytes(a->syms.v, b->syms.v, (size_t)a->syms.n * sizeof(sym_t));
    case IR_ATTR_DATA: return a->data.bytes == b->data.bytes && same_bytes(a->data.p, b->data.p, (size_t)a->data.bytes);
    default: return a->i == b->i;
    }
}

/* b's map is a's once b's variables are renamed to a's; they run over equal extents since the types are equal. */
static bool same_map(const ir_module *m, const ir_op *a, const ir_op *b) {
    const sym_t *va, *vb, *ia, *ib, *ma, *mb;
    int n = ir_get_syms(a, IR_ATTR_vars, &va), k = ir_get_syms(a, IR_ATTR_idx, &ia),
        r = ir_get_syms(a, IR_ATTR_map, &ma);
    if (ir_get_syms(b, IR_ATTR_vars, &vb) != n || ir_get_syms(b, IR_ATTR_idx, &ib) != k ||
        ir_get_syms(b, IR_ATTR_map, &mb) != r || n + k > 2 * IR_MAX_RANK)
        return false;
    sym_t from[2 * IR_MAX_RANK], to[2 * IR_MAX_RANK];
    for (int i = 0; i < n; i++) from[i] = vb[i], to[i] = va[i];
    for (int i = 0; i < k; i++) from[n + i] = ib[i], to[n + i] = ia[i];
    for (int i = 0; i < r; i++)
        if (sym_subst(m->syms, mb[i], n + k, from, to) != ma[i]) return false;
    return true;
}

static bool same_op(const ir_module *m, const ir_op *a, const ir_op *b) {
    if (a->code != b->code || a->n_operands != b->n_operands || a->n_results != b->n_results ||
        a->n_attrs != b->n_attrs)
        return false;
    for (int i = 0; i < a->n_operands; i++)
        if (operand_in_order(a, i) != operand_in_order(b, i)) return false;
    for (int i = 0; i < a->n_results; i++)
        if (!ir_type_equal(a->results[i].type, b->results[i].type)) return false;
    bool names = binds_names(a);
    for (int i = 0; i < a->n_attrs; i++) {
        const ir_attr *x = &a->attrs[i], *y = &b->attrs[i];
        if (names && names_key(x->key) ? x->key != y->key : !same_attr(x, y)) return false;
    }
    return !names || same_map(m, a, b);
}

bool cse_same_op(const ir_module *m, const ir_op *a, const ir_op *b) { return takes_part(a) && takes_part(b) && same_op(m, a, b); }

static bool visit_block(table *t, ir_block *b) {
    bool changed = false;
    int outer = t->scope.len;
    for (ir_op *op = b->first, *next; op; op = next) {
        next = op->next;
        if (op->code != IR_kernel)
            for (int i = 0; i < op->n_blocks; i++) changed |= visit_block(t, op->blocks[i]);
        if (!takes_part(op)) continue;
        uint64_t h = hash_op(op);
        entry **at = &t->buckets[h & (uint64_t)(t->n_buckets - 1)], *e = *at;
        while (e && (e->hash != h || !same_op(t->m, e->op, op))) e = e->next;
        if (!e) {
            e = arena_new_of(t->a, entry);
            *e = (entry){op, h, *at};
            *at = e;
            vec_push(t->a, &t->scope, e);
            continue;
        }
        for (int i = 0; i < op->n_results; i++) {
            if (!e->op->results[i].name) e->op->results[i].name = op->results[i].name;
            ir_replace_uses(ir_result(op, i), ir_result(e->op, i));
        }
        ir_op_remove(op);
        changed = true;
    }
    while (t->scope.len > outer) { /* each bucket's newest entries come first */
        entry *e = t->scope.data[--t->scope.len];
        t->buckets[e->hash & (uint64_t)(t->n_buckets - 1)] = e->next;
    }
    return changed;
}

bool pass_cse(pass_ctx *c, ir_func *f) {
    table t = {.m = c->m, .a = c->scratch, .n_buckets = 256};
    while (t.n_buckets < c->m->n_values && t.n_buckets < 1 << 20) t.n_buckets *= 2;
    t.buckets = arena_array(c->scratch, entry *, t.n_buckets);
    return visit_block(&t, f->body);
}
