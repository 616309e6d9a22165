/* Stages of a task that run over the same loops become one: each loads what they share once, and what one computes for the
 * other passes through a register. An element that no later stage reads is then not stored at all.
 *
 * Two stages merge where every access of the second to memory that the first writes is a read, at the very place that the
 * first has just written at this point, and the first touches nothing that the second writes. What stands between them
 * must not conflict with the second, which moves up. */
#include "cse.h"
#include "schedule_internal.h"

typedef struct merger {
    sched *s;
    ir_op *first, *second;
} merger;

static int n_vars(const ir_op *stage, const sym_t **vars) { return ir_get_syms(stage, IR_ATTR_vars, vars); }

static int n_parallel(const ir_op *stage) {
    const sym_t *vars;
    int n = n_vars(stage, &vars);
    return (int)ir_get_int(stage, IR_ATTR_parallel, n);
}

static bool reduces(const ir_op *stage) {
    const sym_t *vars;
    return n_parallel(stage) < n_vars(stage, &vars);
}

/* ---- The same loops ---- */
static bool same_loops(const merger *m) {
    const sym_t *v, *w, *e, *f;
    int n = n_vars(m->first, &v);
    if (n == 0 || n_vars(m->second, &w) != n) return false;
    if (reduces(m->first) && reduces(m->second) && n_parallel(m->first) != n_parallel(m->second)) return false;
    ir_get_syms(m->first, IR_ATTR_extent, &e);
    ir_get_syms(m->second, IR_ATTR_extent, &f);
    for (int i = 0; i < n; i++)
        if (sym_subst(m->s->m->syms, e[i], n, v, w) != f[i]) return false;
    return sched_vector_axis(m->s, m->first) == sched_vector_axis(m->s, m->second);
}

/* ---- Memory ---- */
static bool is_access(const ir_op *op) { return op->code == IR_read || op->code == IR_write; }

static const ir_op *next_access(const ir_op *op) {
    while (op && !is_access(op)) op = op->next;
    return op;
}

/* An output that lives in an input's memory, or that input: the order of accesses to it is not to be touched. */
static bool shares_memory(const sched *s, const ir_value *buffer) {
    if (!buffer->block) return false;
    for (int k = 0; k < s->kernel->n_results; k++) {
        int base = schedule_in_place(s->kernel, k);
        bool output = s->f != s->first && buffer == sched_output(s, k);
        if (base >= 0 && (output || buffer->index == base)) return true;
    }
    return false;
}

static bool is_plain(const ir_op *op, int n_operands) {
    return op->n_operands == n_operands && sched_is_plain(op);
}

/* Every point that runs the block has an element of its own under the map. */
static bool is_distinct(const ir_op *stage, const ir_block *b, int rank, const sym_t *map) {
    const sym_t *v;
    int n = n_vars(stage, &v);
    if (b == stage->blocks[1]) n = n_parallel(stage);
    for (int i = 0; i < n; i++) {
        int d = 0;
        while (d < rank && !sym_uses(map[d], v[i])) d++;
        if (d == rank) return false;
    }
    return true;
}

static int n_writes(const ir_op *stage, const ir_value *buffer) {
    int n = 0;
    for (int k = 0; k < 2; k++)
        for (const ir_op *op = next_access(stage->blocks[k]->first); op; op = next_access(op->next))
            n += op->code == IR_write && ir_operand(op, 0) == buffer;
    return n;
}

/* The write of the block that leaves at this point, and at no other, what the read in the second stage reads. */
static ir_op *writer_of(const merger *m, const ir_block *in, const ir_op *read) {
    const sym_t *v, *w, *to, *from;
    int n = n_vars(m->first, &v), rank = ir_get_syms(read, IR_ATTR_map, &from);
    if (n_writes(m->first, ir_operand(read, 0)) != 1) return NULL;
    n_vars(m->second, &w);
    for (ir_op *op = in->first; op; op = op->next) {
        if (op->code != IR_write || ir_operand(op, 0) != ir_operand(read, 0)) continue;
        if (!is_plain(op, 2) || !is_plain(read, 1) || ir_get_syms(op, IR_ATTR_map, &to) != rank) return NULL;
        for (int d = 0; d < rank; d++)
            if (sym_subst(m->s->m->syms, to[d], n, v, w) != from[d]) return NULL;
        return is_distinct(m->first, in, rank, to) ? op : NULL;
    }
    return NULL;
}

static bool touches(const ir_op *stage, const ir_value *buffer, bool writes_only) {
    for (int k = 0; k < 2; k++)
        for (const ir_op *op = next_access(stage->blocks[k]->first); op; op = next_access(op->next))
            if (ir_operand(op, 0) == buffer && (op->code == IR_write || !writes_only)) return true;
    return false;
}

/* Block k of the second may follow the first point by point. */
static bool may_follow(const merger *m, int k) {
    for (const ir_op *op = next_access(m->second->blocks[k]->first); op; op = next_access(op->next)) {
        const ir_value *b = ir_operand(op, 0);
        if (op->code == IR_write ? touches(m->first, b, false) || shares_memory(m->s, b) : false) return false;
        if (op->code == IR_write || !touches(m->first, b, true)) continue;
        if (!writer_of(m, m->first->blocks[k], op) || touches(m->second, b, true)) return false;
    }
    return true;
}

static bool has_loops_of_its_own(const ir_op *op) { return op->n_blocks && op->code != IR_stage; }

/* The stage may be moved before op. */
static bool may_pass(const ir_op *stage, const ir_op *op) {
    if (op->code == IR_alloc) return true;
    if (has_loops_of_its_own(op)) return false;
    for (int k = 0; k < 2; k++) {
        for (const ir_op *a = next_access(stage->blocks[k]->first); a; a = next_access(a->next))
            if (touches(op, ir_operand(a, 0), a->code == IR_read)) return false;
        for (const ir_op *a = next_access(op->blocks[k]->first); a; a = next_access(a->next))
            if (a->code == IR_write && touches(stage, ir_operand(a, 0), false)) return false;
    }
    return true;
}

static bool writes_in_place(const merger *m) {
    for (int k = 0; k < 2; k++)
        for (const ir_op *op = next_access(m->first->blocks[k]->first); op; op = next_access(op->next))
            if (op->code == IR_write && shares_memory(m->s, ir_operand(op, 0))) return true;
    return false;
}

static bool fits(const merger *m) {
    return same_loops(m) && !writes_in_place(m) && may_follow(m, 0) && may_follow(m, 1);
}

/* ---- One stage of two ---- */
/* The ops of `from` but its yield, before `before` (NULL: at the end). Writes come last: nothing is read behind them. */
static void move_ops(ir_block *from, ir_block *to, ir_op *before) {
    for (ir_op *op = from->first, *next; op; op = next) {
        next = op->next;
        if (op->code != IR_yield) ir_op_move_into(op, to, before);
    }
}

static void writes_last(ir_block *b) {
    ir_op *end = b->last && b->last->code == IR_yield ? b->last : NULL, *last = end ? end->prev : b->last;
    for (ir_op *op = b->first, *next; op && last; op = next) {
        next = op == last ? NULL : op->next;
        if (op->code == IR_write) ir_op_move_into(op, b, end);
    }
}

/* Block k holds the ops of both, the first's before the second's: reads of what has just been written become the value. */
static void forward(sched *s, ir_block *b) {
    for (ir_op *op = b->first, *next; op; op = next) {
        next = op->next;
        if (op->code != IR_read) continue;
        const ir_op *w = op->prev;
        while (w && !(w->code == IR_write && ir_operand(w, 0) == ir_operand(op, 0))) w = w->prev;
        if (!w) continue;
        ir_replace_uses(ir_result(op, 0), ir_operand(w, 1));
        ir_op_remove(op);
    }
    for (ir_op *op = b->first, *next; op; op = next) {
        next = op->next;
        ir_op *same = op->n_results == 1 && !op->n_blocks ? b->first : NULL;
        while (same && same != op && !cse_same_op(s->m, same, op)) same = same->next;
        if (!same || same == op) continue;
        ir_replace_uses(ir_result(op, 0), ir_result(same, 0));
        ir_op_remove(op);
    }
}

/* The terms of both stages (each may have none) under one yield, and what block 1 of the merged stage gets for them. */
static void join_terms(merger *m, ir_op *into, ir_op *other) {
    const int64_t *a, *b;
    ir_module *mod = m->s->m;
    int n = ir_get_ints(into, IR_ATTR_combines, &a), k = ir_get_ints(other, IR_ATTR_combines, &b);
    if (!k) return;
    int64_t *all = arena_array(m->s->scratch, int64_t, n + k);
    ir_value **x = arena_array(m->s->scratch, ir_value *, n + k);
    for (int i = 0; i < n + k; i++) {
        all[i] = i < n ? a[i] : b[i - n];
        x[i] = i < n ? ir_operand(into->blocks[0]->last, i) : ir_operand(other->blocks[0]->last, i - n);
    }
    for (int i = 0; i < k; i++) {
        ir_value *arg = other->blocks[1]->args[i];
        ir_replace_uses(arg, ir_block_add_arg(mod, into->blocks[1], arg->type, arg->name));
    }
    ir_builder at = ir_builder_before(mod, into->blocks[0]->last);
    ir_build(&at, IR_yield, n + k, x, 0, NULL);
    ir_op_remove(into->blocks[0]->last);
    ir_set_ints(mod, into, IR_ATTR_combines, n + k, all);
}

/* Elements that nothing reads any more are not stored. */
static void drop_unread(ir_block *b) {
    for (ir_op *op = b->first, *next; op; op = next) {
        next = op->next;
        ir_value *buffer = op->code == IR_write ? ir_operand(op, 0) : NULL;
        if (!buffer || !buffer->op || ir_use_count(buffer) != 1) continue;
        ir_op *alloc = buffer->op;
        ir_op_remove(op);
        ir_op_remove(alloc);
    }
}

static void merge(merger *m) {
    sched *s = m->s;
    const sym_t *v, *w;
    int n = n_vars(m->first, &v);
    n_vars(m->second, &w);
    ir_substitute(s->m, m->first, n, v, w);
    bool onto_first = !reduces(m->second);
    ir_op *into = onto_first ? m->first : m->second, *other = onto_first ? m->second : m->first;
    if (!onto_first) ir_op_move_before(m->second, m->first);
    for (int k = 0; k < 2; k++) {
        ir_block *b = into->blocks[k];
        ir_op *yield = b->last && b->last->code == IR_yield ? b->last : NULL;
        if (onto_first) move_ops(other->blocks[k], b, yield);
        else move_ops(other->blocks[k], b, b->first);
    }
    join_terms(m, into, other);
    ir_op_remove(other);
    for (int k = 0; k < 2; k++) {
        forward(s, into->blocks[k]);
        writes_last(into->blocks[k]);
        drop_unread(into->blocks[k]);
    }
}

/* Finds the stage that `second` can merge with, having moved up to it. */
static bool find_first(merger *m) {
    enum { FAR = 8 };
    int n = 0;
    for (ir_op *op = m->second->prev; op && n < FAR; op = op->prev, n++) {
        m->first = op;
        if (op->code == IR_stage && !ir_has(op, IR_ATTR_tile) && fits(m)) return true;
        if (!may_pass(m->second, op)) return false;
    }
    return false;
}

void sched_merge_stages(sched *s, ir_block *b) {
    for (ir_op *op = b->first, *next; op; op = next) {
        next = op->next;
        if (op->code == IR_for) sched_merge_stages(s, op->blocks[0]);
        if (op->code != IR_stage || ir_has(op, IR_ATTR_tile) || s->lim->threads) continue;
        merger m = {.s = s, .second = op};
        if (find_first(&m)) merge(&m);
    }
    for (ir_op *op = b->first; op; op = op->next)
        if (op->code == IR_stage && !ir_has(op, IR_ATTR_tile)) sched_choose_tile(s, op, NULL);
}
