#include "isomorph.h"
#include <string.h>

typedef struct writer {
    isomorph_names *names;
    arena *a;
    VEC(int64_t) words;
    VEC(sym_t) vars;    /* by number; indices of maps included */
    VEC(sym_t) symbols; /* those of them that a launch passes */
    struct numbered {
        const ir_value *v; /* NULL: free */
        int number;
    } *values; /* open addressing, at most half full */
    int cap_values, n_values;
} writer;

static void put(writer *w, int64_t v) { vec_push(w->a, &w->words, v); }

static void put_bytes(writer *w, const void *p, int64_t n) {
    put(w, n);
    for (int64_t i = 0; i < n; i += 8) {
        int64_t word = 0;
        memcpy(&word, (const char *)p + i, (size_t)(n - i < 8 ? n - i : 8));
        put(w, word);
    }
}

/* ---- Symbols ---- */
static void put_sym(writer *w, sym_t s);

static void put_bound(writer *w, sym_t s) {
    if (s) put_sym(w, s);
    else put(w, -1);
}

static void note_var(void *u, sym_t var) {
    writer *w = u;
    for (int i = 0; i < w->vars.len; i++)
        if (w->vars.data[i] == var) return;
    vec_push(w->a, &w->vars, var);
    ir_module *m = w->names->m;
    while (w->names->stand_in.len < w->vars.len)
        vec_push(m->arena, &w->names->stand_in, sym_var(m->syms, "$", SYM_VALUE, NULL, NULL));
    if (sym_var_role(var) == SYM_INDEX || sym_var_role(var) == SYM_VALUE) return;
    vec_push(w->a, &w->symbols, var);
    put(w, -2);
    put(w, sym_var_role(var));
    put(w, sym_var_multiple(var));
    put(w, sym_hint(var));
    put(w, var == m->seed);
    put_bound(w, sym_var_lo(var));
    put_bound(w, sym_var_hi(var));
}

/* Expressions are canonical: once its variables are replaced, an expression is its own key. */
static void put_sym(writer *w, sym_t s) {
    int64_t v;
    if (sym_is_const(s, &v)) {
        put(w, 0);
        put(w, v);
        return;
    }
    sym_each_var(s, note_var, w);
    sym_t e = sym_subst(w->names->m->syms, s, w->vars.len, w->vars.data, w->names->stand_in.data);
    put(w, 1);
    put(w, sym_id(e));
}

/* ---- Ops ---- */
static void put_type(writer *w, ir_type t) {
    put(w, t.kind | t.dtype << 8 | t.rank << 16);
    for (int d = 0; d < t.rank; d++) put_sym(w, t.dims[d]);
}

static struct numbered *value_slot(const writer *w, const ir_value *v) {
    uint32_t mask = (uint32_t)w->cap_values - 1, i = (uint32_t)v->id * UINT32_C(0x9E3779B1) >> 7;
    while (w->values[i & mask].v && w->values[i & mask].v != v) i++;
    return &w->values[i & mask];
}

static void number_value(writer *w, const ir_value *v) { *value_slot(w, v) = (struct numbered){v, ++w->n_values}; }

static void put_value(writer *w, const ir_value *v) { put(w, value_slot(w, v)->number); }

static void put_attr(writer *w, const ir_attr *a) {
    put(w, a->key);
    switch (ir_attr_table[a->key].kind) {
    case IR_ATTR_INT:
    case IR_ATTR_DTYPE:
    case IR_ATTR_ENUM: put(w, a->i); return;
    case IR_ATTR_FLOAT: put_bytes(w, &a->f, sizeof a->f); return;
    case IR_ATTR_STRING: put_bytes(w, a->s, (int64_t)strlen(a->s)); return;
    case IR_ATTR_INTS: put_bytes(w, a->ints.v, a->ints.n * (int64_t)sizeof *a->ints.v); return;
    case IR_ATTR_SYMS:
        put(w, a->syms.n);
        for (int i = 0; i < a->syms.n; i++) put_sym(w, a->syms.v[i]);
        return;
    case IR_ATTR_DATA: put_bytes(w, a->data.p, a->data.bytes); return;
    }
}

static void put_op(writer *w, const ir_op *op) {
    put(w, op->code);
    put(w, op->n_operands);
    for (int i = 0; i < op->n_operands; i++) put_value(w, ir_operand(op, i));
    put(w, op->n_attrs);
    for (int i = 0; i < op->n_attrs; i++) put_attr(w, &op->attrs[i]);
    put(w, op->n_results);
    for (int i = 0; i < op->n_results; i++) {
        number_value(w, ir_result(op, i));
        put_type(w, ir_result(op, i)->type);
    }
}

static void make_room(writer *w, const isomorph_set *s) {
    int n = s->n_inputs;
    for (int i = 0; i < s->n_ops; i++) n += s->ops[i]->n_results;
    for (w->cap_values = 16; w->cap_values < 2 * n;) w->cap_values *= 2;
    w->values = arena_array(w->a, struct numbered, w->cap_values);
}

static uint64_t hash_words(const int64_t *v, int n) {
    uint64_t h = 0x243F6A8885A308D3u;
    for (int i = 0; i < n; i++) {
        h = (h ^ (uint64_t)v[i]) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    return h;
}

isomorph_key isomorph_key_of(isomorph_names *n, arena *a, const isomorph_set *s) {
    writer w = {.names = n, .a = a};
    make_room(&w, s);
    put(&w, s->n_inputs);
    for (int i = 0; i < s->n_inputs; i++) {
        const ir_value *v = s->inputs[i];
        number_value(&w, v);
        put(&w, v->op ? v->op->code : 0);
        put_type(&w, v->type);
    }
    for (int i = 0; i < s->n_ops; i++) put_op(&w, s->ops[i]);
    put(&w, -3);
    for (int i = 0; i < s->n_outputs; i++) put_value(&w, s->outputs[i]);
    return (isomorph_key){hash_words(w.words.data, w.words.len), w.words.len, w.symbols.len, w.words.data, w.symbols.data};
}

isomorph_key isomorph_key_of_kernel(isomorph_names *n, arena *a, const ir_op *kernel) {
    const ir_block *b = kernel->blocks[0];
    VEC(ir_op *) ops = {0};
    for (ir_op *op = b->first; op; op = op->next) vec_push(a, &ops, op);
    isomorph_set s = {.n_inputs = b->n_args, .inputs = b->args, .n_ops = ops.len, .ops = ops.data};
    return isomorph_key_of(n, a, &s);
}

static bool isomorph_equal(const isomorph_key *x, const isomorph_key *y) {
    return x->hash == y->hash && x->n_words == y->n_words &&
           !memcmp(x->words, y->words, (size_t)x->n_words * sizeof *x->words);
}

/* ---- Tables: open addressing, at most half full ---- */
static struct isomorph_entry *slot_of(const isomorph_table *t, const isomorph_key *k) {
    uint64_t mask = (uint64_t)t->cap - 1, i = k->hash;
    while (t->slots[i & mask].key.words && !isomorph_equal(&t->slots[i & mask].key, k)) i++;
    return &t->slots[i & mask];
}

int isomorph_find(const isomorph_table *t, const isomorph_key *k) {
    if (!t->n) return -1;
    const struct isomorph_entry *e = slot_of(t, k);
    return e->key.words ? e->value : -1;
}

void isomorph_enter(arena *a, isomorph_table *t, const isomorph_key *k, int value) {
    if (t->n * 2 >= t->cap) {
        isomorph_table old = *t;
        t->cap = old.cap ? old.cap * 2 : 64;
        t->slots = arena_array(a, struct isomorph_entry, t->cap);
        for (int i = 0; i < old.cap; i++)
            if (old.slots[i].key.words) *slot_of(t, &old.slots[i].key) = old.slots[i];
    }
    t->n++;
    *slot_of(t, k) = (struct isomorph_entry){*k, value};
}
