/* Loops of a task all of whose stages run over the same rows: a contraction's sums, what is computed from them point by
 * point or reduced along a row, and contractions of that with something else. Streaming attention's loop over chunks of
 * keys is one. Every row belongs to the threads of one warp that have its sums of a matrix instruction; what passes between
 * the stages stays in their registers, and threads meet only for the operands that they stage together.
 *
 * A product whose operand is what another one's sums have become takes it from registers where both lie alike. Which side
 * of the contractions gives the rows is free, so the side is taken as which sums can be an operand again, by
 * ir/products.def (Dao, "FlashAttention-2: Faster Attention with Better Parallelism and Work Partitioning", 2023, is the
 * case of mma.sync with rows on the left).
 *
 * This file finds such loops; lower_rows_run.c lowers them. */
#include "lower_contract.h"
#include <string.h>

enum { LEAST = 16, LEAST_TYPICAL = 8, MOST_COLUMNS = 256, MOST_PLACES = 16, OTHER_REGISTERS = 48, MOST_OPS = 16384 };

static const ir_value *buffer_of(const ir_op *op) { return ir_operand(op, 0); }
static bool is_access(const ir_op *op) { return op->code == IR_read || op->code == IR_write; }
static int64_t size_of(frit_dtype t) { return (int64_t)frit_dtype_bits(t) / 8; }

/* ---- Instructions ---- */
static int unit(const ir_product *q, int side) { return side ? q->n : q->m; }

/* Bits of the thread's number that move along the columns alone; false: they are not neighbours, or some move along both. */
static bool find_sharers(lower_rows *r) {
    const ir_product *q = r->product;
    int at[2];
    r->share_bits[0] = r->share_bits[1] = 0;
    for (int b = 0; 1 << b < q->warp; b++) {
        ir_product_place(q, 2, 1 << b, 0, &at[0], &at[1]);
        if (at[r->side] && at[!r->side]) return false;
        if (at[r->side]) continue;
        if (r->share_bits[1] == 0) r->share_bits[0] = b;
        else if (b != r->share_bits[0] + r->share_bits[1]) return false;
        r->share_bits[1]++;
    }
    return true;
}

int lower_rows_columns(const lower_rows *r, int columns) {
    int64_t offset[MOST_PLACES];
    return lower_mma_places(r->product, !r->side, offset, NULL) * (columns / unit(r->product, !r->side));
}

/* ---- Stages ---- */
typedef struct search {
    lower *l;
    const ir_block *grid;
    lower_rows *r;
    sym_t loop_var;
} search;

static bool writes(const ir_block *b, const ir_value *buffer) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_write && buffer_of(op) == buffer) return true;
        for (int i = 0; i < op->n_blocks; i++)
            if (writes(op->blocks[i], buffer)) return true;
    }
    return false;
}

static bool is_written(const search *q, const ir_value *buffer) { return writes(q->r->loop->blocks[0], buffer); }

static const lower_contract *contract_of(const lower_rows *r, const ir_op *op) {
    for (int i = 0; i < r->n; i++)
        if (r->contract[i]->op == op) return r->contract[i];
    return NULL;
}

static bool has_var(const ir_op *stage, sym_t var) {
    const sym_t *vars;
    int n = ir_get_syms(stage, IR_ATTR_vars, &vars);
    for (int i = 0; i < n && i < (int)ir_get_int(stage, IR_ATTR_parallel, n); i++)
        if (vars[i] == var) return true;
    return false;
}

/* The stages' variables: the row's, and another one at most, whose greatest extent goes to *columns (0: there is none). */
static bool is_over_rows(const search *q, const ir_op *op, sym_t *column, int64_t *columns) {
    const sym_t *vars, *extent;
    int64_t lo;
    int n = ir_get_syms(op, IR_ATTR_vars, &vars);
    ir_get_syms(op, IR_ATTR_extent, &extent);
    *column = NULL, *columns = 0;
    if (n > 2 || !has_var(op, q->r->row)) return false;
    for (int i = 0; i < n; i++) {
        if (vars[i] == q->r->row) continue;
        *column = vars[i];
        sym_range(q->l->syms, extent[i], &lo, columns);
    }
    return *columns <= MOST_COLUMNS;
}

static bool is_plain_reduction(const ir_op *op) {
    const int64_t *c;
    int n = ir_get_ints(op, IR_ATTR_combines, &c);
    for (int i = 0; i < n; i++)
        if (c[i] != IR_SUM && c[i] != IR_PROD && c[i] != IR_MAX && c[i] != IR_MIN) return false;
    return n > 0;
}

/* A stage with one point a row gives it to the task's memory, by one thread, or to what each thread keeps; not to both. */
static bool is_for_all(const search *q, const ir_op *op) {
    bool kept = false, given = false;
    for (int i = 0; i < 2; i++)
        for (const ir_op *w = op->blocks[i]->first; w; w = w->next) {
            kept |= w->code == IR_write && is_written(q, buffer_of(w));
            given |= w->code == IR_write && !is_written(q, buffer_of(w));
        }
    return !kept || !given;
}

/* Each thread can do the points of such a stage that it has. */
static bool is_row_stage(const search *q, const ir_op *op) {
    const sym_t *vars;
    sym_t column;
    int64_t columns, cost = lower_epilogue_cost(op->blocks[0]) + lower_epilogue_cost(op->blocks[1]);
    int n = ir_get_syms(op, IR_ATTR_vars, &vars), parallel = (int)ir_get_int(op, IR_ATTR_parallel, n);
    if (!is_over_rows(q, op, &column, &columns)) return false;
    if (parallel < n && (vars[0] != q->r->row || !is_plain_reduction(op) || ir_block_has(op->blocks[0], IR_write))) return false;
    if ((!column || parallel < n) && !is_for_all(q, op)) return false;
    int64_t points = q->r->each * (column ? lower_rows_columns(q->r, (int)lower_next_power(columns < LEAST ? LEAST : columns)) : 1);
    return points * cost <= MOST_OPS && lower_may_write_out(op->blocks[0], points) && lower_may_write_out(op->blocks[1], points);
}

/* Every access of the buffer is at the point itself. */
static bool accesses_points(const ir_block *b, const ir_value *buffer, sym_t row, sym_t column, int *n) {
    const sym_t *map;
    for (const ir_op *op = b->first; op; op = op->next) {
        if (!is_access(op) || buffer_of(op) != buffer) continue;
        int rank = ir_get_syms(op, IR_ATTR_map, &map);
        if (rank < 1 || rank > 2 || map[0] != row || (rank == 2 && map[1] != column)) return false;
        if (ir_has(op, IR_ATTR_checked) || ir_has(op, IR_ATTR_within) || ir_has(op, IR_ATTR_combine)) return false;
        ++*n;
    }
    return true;
}

/* ---- Buffers ---- */
static bool touches(const ir_op *stage, const ir_value *buffer) {
    for (int i = 0; i < 2; i++)
        for (const ir_op *op = stage->blocks[i]->first; op; op = op->next)
            if (is_access(op) && buffer_of(op) == buffer) return true;
    return false;
}

/* Columns of the block that the stage takes the buffer to have; 1 where it has rows alone. */
static int64_t columns_by(const search *q, const ir_op *op, const ir_value *buffer) {
    const lower_contract *p = contract_of(q->r, op);
    sym_t column;
    int64_t columns;
    if (buffer->type.rank == 1) return 1;
    if (p) return p->side[q->r->side].held == buffer ? p->chunk : p->side[!q->r->side].tile;
    is_over_rows(q, op, &column, &columns);
    return lower_next_power(columns < LEAST ? LEAST : columns);
}

/* A buffer may have room for more than there ever is. */
static int64_t columns_of(const search *q, const ir_value *buffer) {
    for (const ir_op *op = q->r->loop->blocks[0]->first; op; op = op->next)
        if (op->code == IR_stage && touches(op, buffer)) return columns_by(q, op, buffer);
    return 1;
}

static bool stage_owns(const search *q, const ir_op *op, const ir_value *buffer) {
    const lower_contract *p = contract_of(q->r, op);
    sym_t column = NULL, k = NULL;
    int64_t columns;
    int n = 0;
    if (!touches(op, buffer)) return true;
    if (p) {
        column = p->side[!q->r->side].axes.var[0];
        if (p->side[q->r->side].held == buffer) k = p->k.var[0];
    } else {
        if (!is_row_stage(q, op) || !is_over_rows(q, op, &column, &columns)) return false;
        k = column;
    }
    bool ok = accesses_points(op->blocks[0], buffer, q->r->row, k, &n) && columns_by(q, op, buffer) == columns_of(q, buffer);
    if (p && n > (p->side[q->r->side].held == buffer)) return false;
    return ok && accesses_points(op->blocks[1], buffer, q->r->row, column, &n);
}

static bool all_own(const search *q, const ir_block *b, const ir_value *buffer) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_stage && !stage_owns(q, op, buffer)) return false;
        if (op->code == IR_for && !all_own(q, op->blocks[0], buffer)) return false;
    }
    return true;
}

static bool writes_allocs(const lower *l, const ir_block *b) {
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code == IR_write && !l->place[buffer_of(op)->id].known) return false;
        for (int i = 0; i < op->n_blocks; i++)
            if (!writes_allocs(l, op->blocks[i])) return false;
    }
    return true;
}

/* What the loop writes is the task's own, read and written where it belongs, and small. */
static bool are_buffers_own(const search *q) {
    lower *l = q->l;
    if (!writes_allocs(l, q->r->loop->blocks[0])) return false;
    for (int i = l->n_args; i < l->places.len; i++) {
        const ir_value *b = l->places.data[i]->buffer;
        if (!b || !is_written(q, b)) continue;
        if (b->type.rank < 1 || b->type.rank > 2 || frit_dtype_bits((frit_dtype)b->type.dtype) < 8) return false;
        if ((b->type.rank == 2 && columns_of(q, b) > MOST_COLUMNS) || !all_own(q, q->grid, b)) return false;
    }
    return true;
}

/* ---- Contractions ---- */
static void give_rows_to(lower_contract *p, sym_t row, int side) {
    if (p->side[side].axes.var[0] == row) return;
    lower_operand x = p->side[0];
    p->side[0] = p->side[1];
    p->side[1] = x;
}

static bool is_candidate(lower *l, lower_contract *p) {
    if (!p || p->outer.n || p->side[0].axes.n != 1 || p->side[1].axes.n != 1 || p->k.n != 1) return false;
    const lower_axes *a[] = {&p->side[0].axes, &p->side[1].axes, &p->k};
    for (int i = 0; i < 3; i++)
        if (sym_hint(a[i]->extent[0]) < LEAST_TYPICAL) return false;
    return lower_mma_plan(l, p);
}

static bool find_contracts(search *q) {
    lower_rows *r = q->r;
    for (const ir_op *op = r->loop->blocks[0]->first; op; op = op->next) {
        if (op->code == IR_yield) continue;
        if (op->code != IR_stage) return false;
        lower_contract *p = lower_contract_of(q->l, op);
        if (!is_candidate(q->l, p)) continue;
        if (r->n == LOWER_MOST_IN_ROWS) return false;
        r->contract[r->n++] = p;
    }
    return r->n > 0;
}

static bool find_row(search *q) {
    lower_rows *r = q->r;
    for (int i = 0; i < 2; i++) {
        const lower_axes *a = &r->contract[0]->side[i].axes;
        bool all = true;
        for (const ir_op *op = r->loop->blocks[0]->first; op; op = op->next) all &= op->code != IR_stage || has_var(op, a->var[0]);
        if (!all) continue;
        r->row = a->var[0], r->extent = a->extent[0];
        return true;
    }
    return false;
}

/* The operand is a read of what the loop has made. */
static const ir_value *held_by(const search *q, const lower_operand *o) {
    return ir_is(o->v, IR_read) && is_written(q, buffer_of(o->v->op)) ? buffer_of(o->v->op) : NULL;
}

static bool choose_side(search *q) {
    lower_rows *r = q->r;
    bool any = false;
    r->product = r->contract[0]->product;
    for (int i = 0; i < r->n; i++) {
        const ir_product *p = r->contract[i]->product;
        if (p->m != r->product->m || p->n != r->product->n || strcmp(p->layout[2], r->product->layout[2])) return false;
    }
    for (r->side = 0; r->side < 2; r->side++) {
        bool fits = true;
        for (int i = 0; i < r->n; i++) {
            lower_contract *p = r->contract[i];
            give_rows_to(p, r->row, r->side);
            bool held = held_by(q, &p->side[r->side]) != NULL;
            any |= held;
            p->order = (ir_product_order){0};
            fits &= !held || ir_product_feeds(p->product, r->side, &p->order);
        }
        if (fits) return find_sharers(r);
        if (!any) return false;
    }
    return false;
}

static bool uses_var(const ir_op *op, sym_t var) {
    static const ir_attr_key keys[] = {IR_ATTR_map, IR_ATTR_size, IR_ATTR_extent};
    const sym_t *v;
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
        for (int i = ir_get_syms(op, keys[k], &v) - 1; i >= 0; i--)
            if (sym_uses(v[i], var)) return true;
    return false;
}

/* What the operand is computed from: nothing that the loop makes; `once`: nor its variable. */
static bool is_apart(const search *q, const lower_contract *p, const lower_operand *o, bool once) {
    for (const ir_op *op = p->op->blocks[0]->first; op; op = op->next) {
        if (!op->n_results || !o->wanted[ir_result(op, 0)->id - p->first_id]) continue;
        if (op->code == IR_read && is_written(q, buffer_of(op))) return false;
        if (once && uses_var(op, q->loop_var)) return false;
    }
    return true;
}

static int64_t greatest(lower *l, sym_t extent) {
    int64_t lo, hi;
    sym_range(l->syms, extent, &lo, &hi);
    return hi < LEAST ? LEAST : hi;
}

static bool plan_contract(search *q, lower_contract *p) {
    lower *l = q->l;
    lower_rows *r = q->r;
    lower_operand *row = &p->side[r->side], *other = &p->side[!r->side];
    int64_t columns = greatest(l, other->axes.extent[0]), depth = greatest(l, p->k.extent[0]);
    if (row->axes.var[0] != r->row || row->axes.extent[0] != r->extent || columns > MOST_COLUMNS || depth > MOST_COLUMNS) return false;
    p->rows = r;
    p->guarded |= lower_mma_is_split(p);
    p->n_inner = !r->side;
    p->direct = true;
    p->chunk = (int)lower_next_power(depth);
    row->tile = r->tile, other->tile = (int)lower_next_power(columns);
    p->threads[r->side] = l->lim->threads / p->product->warp, p->threads[!r->side] = 1;
    row->held = held_by(q, row);
    row->once = !row->held;
    lower_contract_operands(l, p);
    if (row->held && row->v->type.dtype != p->product->in) return false;
    if (row->held && (p->chunk % p->order.size || (p->order.twin && frit_dtype_bits(p->product->in) != 16))) return false;
    return (row->held || is_apart(q, p, row, true)) && is_apart(q, p, other, false);
}

static bool plan_contracts(search *q) {
    lower_rows *r = q->r;
    int warps = q->l->lim->threads / r->product->warp;
    int64_t offset[MOST_PLACES];
    r->tile = warps * unit(r->product, r->side);
    r->each = lower_mma_places(r->product, r->side, offset, NULL);
    int64_t lo, hi;
    sym_range(q->l->syms, r->extent, &lo, &hi);
    if (hi > r->tile || sym_hint(r->extent) < LEAST || warps < 1) return false;
    for (int i = 0; i < r->n; i++)
        if (!plan_contract(q, r->contract[i])) return false;
    for (const ir_op *op = r->loop->blocks[0]->first; op; op = op->next)
        if (op->code == IR_stage && !contract_of(r, op) && !is_row_stage(q, op)) return false;
    r->wgmma = true;
    for (int i = 0; i < r->n; i++) r->wgmma &= lower_wgmma_may_take_rows(q->l, r->contract[i], r->side);
    for (int i = 0; i < 2 * r->n && r->wgmma; i++) {
        lower_operand *o = &r->contract[i / 2]->side[i % 2];
        lower_wgmma_layout(o);
        if (o->held || o->once) continue;
        lower_boxes_plan(q->l, r->contract[i / 2], o);
        lower_boxes_check(q->l, r->contract[i / 2], o);
    }
    return true;
}

/* ---- Registers and memory ---- */
static int64_t words(int64_t elements, frit_dtype t) { return (elements * (int64_t)frit_dtype_bits(t) + 31) / 32; }

static bool lives_on(const search *q, const ir_value *buffer) {
    for (const ir_op *op = q->grid->first; op; op = op->next)
        if (op->code == IR_stage && touches(op, buffer)) return true;
    return false;
}

/* What passes through registers a chunk ahead. */
static int64_t held_registers(const search *q) {
    int64_t n = 0;
    for (int i = 0; i < 2 * q->r->n; i++) {
        const lower_operand *o = &q->r->contract[i / 2]->side[i % 2];
        if (!o->held && !o->once) n += lower_copy_held_registers(q->l, q->r->contract[i / 2], o);
    }
    return n;
}

/* Running values are there throughout; of what passes from stage to stage two at a time. */
static bool has_registers(const search *q) {
    lower *l = q->l;
    int64_t kept = 0, most = 0, products = 0;
    for (int i = l->n_args; i < l->places.len; i++) {
        const ir_value *b = l->places.data[i]->buffer;
        if (!b || !is_written(q, b)) continue;
        int64_t n = q->r->each * (b->type.rank == 2 ? lower_rows_columns(q->r, (int)columns_of(q, b)) : 1);
        n = words(n, (frit_dtype)b->type.dtype);
        if (lives_on(q, b)) kept += n;
        else if (n > most) most = n;
    }
    for (int i = 0; i < q->r->n; i++) {
        const lower_contract *p = q->r->contract[i];
        int64_t n = words(ir_product_elements(p->product, 0), p->product->in) + 2 * words(ir_product_elements(p->product, 1), p->product->in);
        if (n > products) products = n;
    }
    int64_t left = l->lim->registers - (kept + 2 * most + products + OTHER_REGISTERS), held = held_registers(q);
    q->r->ahead = held <= left;
    q->r->left = q->r->ahead ? left - held : left;
    return left >= 0;
}

/* Bytes of all staged operands with room for so many chunks. */
static int64_t lay_out(lower_rows *r, int buffers) {
    int64_t bytes = 0;
    r->buffers = buffers;
    for (int i = 0; i < r->n; i++)
        for (int k = 0; k < 2; k++) {
            lower_contract *p = r->contract[i];
            lower_operand *o = &p->side[k];
            if (o->held) continue;
            int64_t size = size_of(o->t), pad = 16 / size, elements;
            /* rows so many banks apart meet no other: of four neighbours, or of every other one in another order */
            if (size == 4 && !o->k_inner && !p->order.size) pad *= 2;
            o->ld = (int)((o->k_inner ? p->chunk : o->tile) + pad);
            elements = r->wgmma ? lower_wgmma_elements(p, o) : (int64_t)(o->k_inner ? o->tile : p->chunk) * o->ld;
            o->elements = o->once ? 0 : elements; /* from one buffer to the next */
            o->at = bytes;
            bytes += ((o->once ? 1 : buffers) * elements * size + 15) & ~INT64_C(15);
        }
    return bytes;
}

static bool has_memory(lower *l, lower_rows *r) {
    enum { SWIZZLE_BYTES = 1024 };
    bool found = false;
    if (r->wgmma) r->place.align = SWIZZLE_BYTES;
    for (int i = 0; i < l->contracts.len; i++) /* they live as long as what the usual plan would have taken */
        if (contract_of(r, l->contracts.data[i]->op)) {
            const lower_place *p = &l->contracts.data[i]->place;
            if (!found || p->first < r->place.first) r->place.first = p->first;
            if (!found || p->last > r->place.last) r->place.last = p->last;
            found = true;
        }
    if (!found) r->place.first = 0, r->place.last = INT32_MAX;
    return lower_place_shared(l, &r->place, lay_out(r, 2)) || lower_place_shared(l, &r->place, lay_out(r, 1));
}

/* ---- What becomes of the grid ---- */
/* A place's number among a thread's sorted places. */
static int index_of(const ir_product *q, int axis, int64_t at) {
    int64_t offset[MOST_PLACES];
    int n = lower_mma_places(q, axis, offset, NULL), u = unit(q, axis), i = 0;
    while (offset[i] != at % u) i++;
    return (int)(at / u) * n + i;
}

static bool has_place(const ir_product *q, int axis, int64_t at) {
    int64_t offset[MOST_PLACES];
    for (int i = lower_mma_places(q, axis, offset, NULL) - 1; i >= 0; i--)
        if (offset[i] == at % unit(q, axis)) return true;
    return false;
}

/* Elements of a held operand lie fragment by fragment. */
static const int64_t *fragment_slots(lower *l, const lower_contract *p, int columns) {
    const lower_rows *r = p->rows;
    const ir_product *q = p->product;
    int n = ir_product_elements(q, r->side), at[2], own;
    int64_t *slot = arena_array(l->scratch, int64_t, r->each * columns);
    for (int step = 0; step * q->k < p->chunk; step++)
        for (int e = own = 0; e < n; e++) {
            ir_product_place(q, r->side, 0, e, &at[0], &at[1]);
            at[!r->side] = ir_product_ordered(&p->order, at[!r->side] + step * q->k);
            if (!has_place(q, !r->side, at[!r->side])) continue; /* the twin's */
            slot[index_of(q, r->side, at[r->side]) * columns + index_of(q, !r->side, at[!r->side])] = (int64_t)step * (p->order.twin ? n / 2 : n) + own++;
        }
    return slot;
}

static void own_buffer(const search *q, lower_place *b) {
    lower_rows *r = q->r;
    b->own = r->contract[0];
    b->own_rows = b->buffer->type.rank == 1;
    int columns = b->own_rows ? 1 : lower_rows_columns(r, (int)columns_of(q, b->buffer));
    b->own_elements = (int64_t)r->each * columns;
    for (int i = 0; i < r->n; i++)
        if (r->contract[i]->side[r->side].held == b->buffer) b->slots = fragment_slots(q->l, r->contract[i], columns);
}

/* Stages of the grid that touch such buffers. */
static void own_stages(const search *q, const ir_block *b) {
    lower *l = q->l;
    for (const ir_op *op = b->first; op; op = op->next) {
        bool any = false;
        if (op->code == IR_for && op != q->r->loop) own_stages(q, op->blocks[0]);
        for (int i = l->n_args; i < l->places.len && op->code == IR_stage; i++)
            any |= l->places.data[i]->own == q->r->contract[0] && touches(op, l->places.data[i]->buffer);
        if (any) vec_push(l->scratch, &l->owns, ((lower_own){op, q->r->contract[0]}));
    }
}

static void take(const search *q) {
    lower *l = q->l;
    int n = 0;
    for (int i = 0; i < l->contracts.len; i++)
        if (!contract_of(q->r, l->contracts.data[i]->op)) l->contracts.data[n++] = l->contracts.data[i];
    l->contracts.len = n;
    for (int i = l->n_args; i < l->places.len; i++)
        if (l->places.data[i]->buffer && is_written(q, l->places.data[i]->buffer)) own_buffer(q, l->places.data[i]);
    own_stages(q, q->grid);
    vec_push(l->scratch, &l->places, &q->r->place);
    vec_push(l->scratch, &l->rows, q->r);
}

/* Another loop may not hold what is this one's already. */
static bool is_free(const search *q) {
    for (int i = q->l->n_args; i < q->l->places.len; i++)
        if (q->l->places.data[i]->own && is_written(q, q->l->places.data[i]->buffer)) return false;
    return true;
}

void lower_rows_maps(lower *l) {
    for (int i = 0; i < l->rows.len; i++)
        for (int k = 0; k < 2 * l->rows.data[i]->n; k++) {
            lower_operand *o = &l->rows.data[i]->contract[k / 2]->side[k % 2];
            if (o->bulk) lower_tma_prepare(l, o);
        }
}

void lower_rows_find(lower *l, const ir_block *grid) {
    const sym_t *vars;
    if (l->warp_bits != lower_log2(l->lim->warp)) return;
    if (!l->merge_bytes && l->lim->threads > l->lim->warp) return; /* threads have nowhere to agree */
    for (const ir_op *op = grid->first; op; op = op->next) {
        if (op->code != IR_for) continue;
        lower_rows *r = arena_new_of(l->scratch, lower_rows);
        ir_get_syms(op, IR_ATTR_vars, &vars);
        search q = {l, grid, r, vars[0]};
        r->loop = op;
        if (!find_contracts(&q) || !find_row(&q) || !choose_side(&q) || !plan_contracts(&q)) continue;
        if (is_free(&q) && are_buffers_own(&q) && has_registers(&q) && has_memory(l, r)) take(&q);
    }
}
