/* Task-private memory whose last reader makes an output of it, element for element, is the output's own memory: the values
 * wait where their successors go. Lines of the output are then brought in while there is still something to compute, and
 * the task touches less memory. */
#include "schedule_internal.h"

typedef struct direct {
    sched *s;
    ir_value *buffer, *output;
    const ir_op *last, *read, *write; /* the stage that reads it last; its accesses */
    const sym_t *at;                  /* where the read is, one variable a dim */
    int rank;
} direct;

/* The extent of the stage's variable v; NULL: it has none such. */
static sym_t extent_of(const ir_op *stage, sym_t v) {
    const sym_t *vars, *extent;
    int n = ir_get_syms(stage, IR_ATTR_vars, &vars);
    ir_get_syms(stage, IR_ATTR_extent, &extent);
    for (int i = 0; i < n; i++)
        if (vars[i] == v) return extent[i];
    return NULL;
}

/* The stage that an access belongs to. */
static ir_op *stage_of(const ir_op *op) { return op->parent->op; }

/* Finds the last stage and its read: the one that has no successor among the users. */
static bool find_last(direct *d) {
    d->last = NULL;
    int reads = 0;
    const ir_block *grid = d->buffer->op->parent;
    for (const ir_use *u = d->buffer->uses; u; u = u->next) {
        if (!sched_is_plain(u->user) || stage_of(u->user)->code != IR_stage || stage_of(u->user)->parent != grid) return false;
    }
    for (const ir_op *op = grid->last; op && !d->last; op = op->prev)
        for (const ir_use *u = d->buffer->uses; u; u = u->next)
            if (stage_of(u->user) == op) d->last = op;
    for (const ir_use *u = d->buffer->uses; u && d->last; u = u->next) {
        if (stage_of(u->user) != d->last) continue;
        if (u->user->code != IR_read || u->user->parent != d->last->blocks[0]) return false;
        d->read = u->user;
        reads++;
    }
    return reads == 1;
}

/* Each dim of the read is a variable of its own, and the stage has no other: what it writes at a point is the read's. */
static bool reads_every_point_once(direct *d) {
    const sym_t *vars;
    int n = ir_get_syms(d->last, IR_ATTR_vars, &vars), used = 0;
    d->rank = ir_get_syms(d->read, IR_ATTR_map, &d->at);
    if ((int)ir_get_int(d->last, IR_ATTR_parallel, n) != n) return false;
    for (int i = 0; i < n; i++) {
        int uses = 0;
        for (int k = 0; k < d->rank; k++) uses += d->at[k] == vars[i];
        used += uses == 1;
    }
    return used == n && n == d->rank;
}

static bool is_within(const ir_op *op, const ir_block *b) {
    while (op && op->parent != b) op = op->parent->op;
    return op;
}

/* Other grids are another form of the kernel, or make another part of the output. */
static int uses_within(const ir_value *v, const ir_block *grid) {
    int n = 0;
    for (const ir_use *u = v->uses; u; u = u->next) n += is_within(u->user, grid);
    return n;
}

/* The stage's write of an output that nothing else of the task touches. */
static bool find_output(direct *d) {
    d->write = NULL;
    for (const ir_op *op = d->last->blocks[0]->first; op; op = op->next) {
        if (op->code != IR_write) continue;
        ir_value *b = ir_operand(op, 0);
        if (d->write || !b->block || uses_within(b, d->last->parent) != 1 || !sched_is_plain(op)) return false;
        if (b->type.dtype != d->buffer->type.dtype || frit_dtype_bits((frit_dtype)b->type.dtype) < 8) return false;
        d->write = op;
        d->output = b;
    }
    if (!d->write) return false;
    const sym_t *map;
    int rank = ir_get_syms(d->write, IR_ATTR_map, &map);
    for (int i = 0; i < d->rank; i++) {
        bool moves = sym_is(extent_of(d->last, d->at[i]), 1);
        for (int k = 0; k < rank; k++) moves |= sym_uses(map[k], d->at[i]);
        if (!moves) return false;
    }
    return schedule_in_place(d->s->kernel, d->output->index - d->s->kernel->n_operands) < 0;
}

/* All accesses are at variables with the extents that the last stage has: none is beyond what the output holds. */
static bool accesses_fit(const direct *d) {
    for (const ir_use *u = d->buffer->uses; u; u = u->next) {
        const sym_t *map;
        ir_get_syms(u->user, IR_ATTR_map, &map);
        for (int i = 0; i < d->rank; i++)
            if (extent_of(stage_of(u->user), map[i]) != extent_of(d->last, d->at[i])) return false;
    }
    return true;
}

static void redirect(direct *d) {
    const sym_t *to, *map;
    ir_module *m = d->s->m;
    int rank = ir_get_syms(d->write, IR_ATTR_map, &to);
    while (d->buffer->uses) {
        ir_op *op = d->buffer->uses->user;
        sym_t at[IR_MAX_RANK];
        ir_get_syms(op, IR_ATTR_map, &map);
        for (int k = 0; k < rank; k++) at[k] = sym_subst(m->syms, to[k], d->rank, d->at, map);
        ir_set_operand(op, 0, d->output);
        ir_set_syms(m, op, IR_ATTR_map, rank, at);
    }
    ir_op_remove(d->buffer->op);
}

void sched_direct(sched *s, ir_block *grid) {
    if (s->lim->threads) return;
    for (ir_op *op = grid->first, *next; op; op = next) {
        next = op->next;
        if (op->code != IR_alloc) continue;
        direct d = {.s = s, .buffer = ir_result(op, 0)};
        if (find_last(&d) && reads_every_point_once(&d) && find_output(&d) && accesses_fit(&d)) redirect(&d);
    }
}
