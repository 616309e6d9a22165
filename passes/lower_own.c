/* Buffers of a task that each thread keeps its part of in registers: those whose elements nobody touches but the epilogue of
 * one contraction, at the sum's own position, and stages over the same points, at theirs. Each thread does those stages at
 * the points of its sums (lower_epilogue.c), so that an element belongs to one thread throughout. The running sums of a
 * streamed contraction are such: they are scaled and added to once a chunk, between nothing and the result. */
#include "lower_contract.h"

enum { MOST_OPS = 1024 /* of a thread, for a stage's points written out */ };

static const ir_value *buffer_of(const ir_op *op) { return ir_operand(op, 0); }
static bool is_access(const ir_op *op) { return op->code == IR_read || op->code == IR_write; }

/* ---- What may run over sums ---- */
static bool is_one_tile(lower *l, const lower_contract *p) {
    int64_t lo, hi;
    for (int i = 0; i < 2; i++) {
        if (p->side[i].axes.n != 1) return false;
        sym_range(l->syms, p->side[i].axes.extent[0], &lo, &hi);
        if (hi > p->side[i].tile) return false;
    }
    return p->direct && !p->roles && p->outer.n == 0;
}

static int64_t elements_of(const lower *l, const lower_contract *p) {
    return (int64_t)p->side[0].tile * p->side[1].tile / l->lim->threads;
}

/* A stage over the points of p's tile, short enough, that no point of which depends on another. */
static bool runs_as(lower *l, const lower_contract *p, const ir_op *op) {
    const sym_t *vars, *extent;
    int n = ir_get_syms(op, IR_ATTR_vars, &vars);
    ir_get_syms(op, IR_ATTR_extent, &extent);
    if (n != 2 || ir_get_int(op, IR_ATTR_parallel, n) != 2) return false;
    for (int i = 0; i < 2; i++)
        if (extent[i] != p->side[i].axes.extent[0]) return false;
    for (const ir_op *w = op->blocks[0]->first; w; w = w->next)
        if (w->code == IR_write && (ir_has(w, IR_ATTR_combine) || frit_dtype_bits((frit_dtype)buffer_of(w)->type.dtype) < 8)) return false;
    int64_t points = elements_of(l, p);
    return points * lower_epilogue_cost(op->blocks[0]) <= MOST_OPS && lower_may_write_out(op->blocks[0], points);
}

/* ---- Who touches a buffer ---- */
typedef struct search {
    lower *l;
    lower_contract *p;
    const ir_value *buffer;
    int stages, epilogues; /* that do, in the way asked for */
    bool refused;
    bool adds;             /* those stages are to be noted */
} search;

/* Every access of the buffer in b is at the point itself. */
static bool accesses_points(const search *q, const ir_block *b, const sym_t *vars, int *n) {
    const sym_t *map;
    for (const ir_op *op = b->first; op; op = op->next) {
        if (!is_access(op) || buffer_of(op) != q->buffer) continue;
        if (ir_get_syms(op, IR_ATTR_map, &map) != 2 || map[0] != vars[0] || map[1] != vars[1]) return false;
        if (ir_has(op, IR_ATTR_checked) || ir_has(op, IR_ATTR_within) || ir_has(op, IR_ATTR_combine)) return false;
        ++*n;
    }
    return true;
}

static const lower_contract *noted(const lower *l, const ir_op *stage) {
    for (int i = 0; i < l->owns.len; i++)
        if (l->owns.data[i].stage == stage) return l->owns.data[i].as;
    return NULL;
}

static bool is_contraction(const lower *l, const ir_op *stage) {
    for (int i = 0; i < l->contracts.len; i++)
        if (l->contracts.data[i]->op == stage) return true;
    return false;
}

static void look_at_stage(search *q, const ir_op *op) {
    lower *l = q->l;
    const sym_t *vars, own[2] = {q->p->side[0].axes.var[0], q->p->side[1].axes.var[0]};
    int in_terms = 0, in_epilogue = 0;
    ir_get_syms(op, IR_ATTR_vars, &vars);
    bool self = op == q->p->op, fits = accesses_points(q, op->blocks[0], vars, &in_terms);
    fits &= accesses_points(q, op->blocks[1], self ? own : vars, &in_epilogue);
    if (!in_terms && !in_epilogue && fits) return;
    q->epilogues += self;
    q->stages += !self;
    const lower_contract *as = noted(l, op);
    bool may = self ? !in_terms : !in_epilogue && !is_contraction(l, op) && (!as || as == q->p) && runs_as(l, q->p, op);
    q->refused |= !fits || !may;
    if (q->adds && !self && !as) vec_push(l->scratch, &l->owns, ((lower_own){op, q->p}));
}

static void look(search *q, const ir_block *b) {
    for (const ir_op *op = b->first; op && !q->refused; op = op->next) {
        if (op->code == IR_stage) look_at_stage(q, op);
        else if (op->code == IR_for) look(q, op->blocks[0]);
    }
}

/* All contractions of the grid run while the elements are held. */
static bool has_registers(lower *l, int64_t words) {
    for (int i = 0; i < l->contracts.len; i++) {
        lower_contract *p = l->contracts.data[i];
        if ((p->product || p->wgmma) && lower_contract_registers(l, p) + words > l->lim->registers) return false;
    }
    return true;
}

static bool becomes_own(lower *l, const ir_block *grid, lower_contract *p, const ir_value *buffer, int64_t held) {
    search q = {.l = l, .p = p, .buffer = buffer};
    if (buffer->type.rank != 2 || frit_dtype_bits((frit_dtype)buffer->type.dtype) != 32) return false;
    look(&q, grid);
    if (q.refused || !q.epilogues || !has_registers(l, held + elements_of(l, p))) return false;
    q.adds = true;
    look(&q, grid);
    return true;
}

void lower_own_find(lower *l, const ir_block *grid) {
    int64_t held = 0;
    for (int i = 0; i < l->contracts.len; i++) {
        lower_contract *p = l->contracts.data[i];
        for (int k = l->n_args; k < l->places.len && is_one_tile(l, p); k++) {
            lower_place *b = l->places.data[k];
            if (!b->buffer || b->own || !becomes_own(l, grid, p, b->buffer, held)) continue;
            b->own = p;
            held += elements_of(l, p);
        }
    }
}

/* ---- Lowering ---- */
ir_value *lower_own_memory(lower *l, frit_dtype t, int64_t elements) {
    sym_t n = sym_const(l->syms, elements);
    ir_value *own = lower_build(l, 0, IR_local, 0, NULL, ir_ptr(t, IR_REGISTER));
    ir_set_syms(l->m, own->op, IR_ATTR_size, 1, &n);
    ir_set_int(l->m, own->op, IR_ATTR_align, l->lim->vector_bytes);
    return own;
}

ir_value *lower_own_pointer(lower *l, const ir_value *buffer) {
    const lower_place *p = &l->place[buffer->id];
    return lower_own_memory(l, (frit_dtype)buffer->type.dtype, p->own_elements ? p->own_elements : elements_of(l, p->own));
}

bool lower_own_stage(lower *l, const ir_op *op) {
    const lower_contract *p = lower_is_block(l) ? noted(l, op) : NULL;
    if (!p) return false;
    lower_order_stage(l, op);
    if (p->rows) lower_rows_stage(l, p, op);
    else lower_epilogue_stage(l, p, op);
    lower_order_touch(l, op->blocks[0]);
    lower_order_touch(l, op->blocks[1]);
    return true;
}
