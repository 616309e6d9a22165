/* Lowering of loops whose stages run over rows that threads own (lower_rows.c says which): each thread does all stages at its
 * points, one after another, on values in its registers. The operands of the contractions are staged for the whole block,
 * those that change with the loop one turn ahead: one barrier a turn where there is room for two of each.
 *
 * Sums that leave terms out are right where they are finite (lower_absent.c). Where one was not, all turns are done once more,
 * with care: such sums are then made term by term. */
#include "lower_contract.h"

enum { MOST_VECTORS = 256, PASS_SUMS = 32, MOST_LANES = 4 };

/* ---- The points of a stage ---- */
typedef struct points {
    const lower_rows *r;
    const ir_op *op;
    lower_stage *s;
    lower_fragment f;      /* where they are; sums, if there are any */
    int row, column;       /* the stage's axes; column: -1 where there is none */
    int columns, from;     /* a thread's in all; the first at hand */
    int tile;              /* columns of the block */
    bool reads, writes;    /* memory, not registers alone */
} points;

static bool is_own(const lower *l, const ir_op *op) { return l->place[ir_operand(op, 0)->id].own != NULL; }

static bool has_access(const lower *l, const ir_block *b, ir_opcode code) {
    for (const ir_op *op = b->first; op; op = op->next)
        if (op->code == code && !is_own(l, op)) return true;
    return false;
}

static int along(const points *d, int column) { return d->r->side ? column * d->f.count[1] : column; }

/* Neighbours that lie side by side in vectors of sums and in every buffer that the stage touches. */
static int run_of(const lower *l, const points *d, const ir_block *b) {
    const int64_t *offset = d->f.offset[!d->r->side];
    int n = d->f.count[!d->r->side], run = MOST_LANES;
    while (n % run) run /= 2;
    for (int i = 1; i < n; i++) {
        bool next = offset[i] == offset[i - 1] + 1;
        if (d->f.sum) next &= d->f.sum[along(d, i)] == d->f.sum[along(d, i - 1)] && d->f.lane[along(d, i)] == d->f.lane[along(d, i - 1)] + 1;
        while (i % run && !next) run /= 2;
    }
    for (const ir_op *op = b->first; op; op = op->next) {
        if ((op->code != IR_read && op->code != IR_write) || !l->place[ir_operand(op, 0)->id].slots) continue;
        const int64_t *slot = l->place[ir_operand(op, 0)->id].slots;
        for (int i = 1; i < n; i++)
            while (i % run && slot[i] != slot[i - 1] + 1) run /= 2;
    }
    return run;
}

static void set_up(lower *l, points *d, int block) {
    lower_stage *s = d->s;
    const ir_block *b = d->op->blocks[block];
    s->op = d->op;
    s->first_block = block;
    s->border_axis = -1;
    s->unit = s->vector = d->column;
    for (int i = 0; i < s->n; i++) s->threads[i] = 2, s->count[i] = s->full[i] = 1;
    for (int i = block; i < 2; i++) {
        lower_find_axes(l, s, d->op->blocks[i]);
        d->reads |= has_access(l, d->op->blocks[i], IR_read);
        d->writes |= has_access(l, d->op->blocks[i], IR_write);
    }
    if (d->column >= 0) s->tile[d->column] = run_of(l, d, b);
    lower_settle_lanes(l, s);
}

static int lanes_of(const lower *l, const points *d) { return d->s->vector >= 0 ? l->lanes : 1; }
static bool is_ragged(lower *l, const points *d) {
    return d->column >= 0 && !sym_prove_multiple(l->syms, d->s->extent[d->column], d->tile);
}

/* Places the stage at one of the thread's rows, all columns at once. What lies beyond an extent is computed as well, since
 * nobody looks at it; from memory it is read as the last one or under a mask. */
static void place_row(lower *l, points *d, int row) {
    lower_stage *s = d->s;
    int side = d->r->side, lanes = lanes_of(l, d);
    sym_t at = sym_addi(l->syms, d->f.first[side], d->f.offset[side][row]), last = sym_addi(l->syms, s->extent[d->row], -1);
    bool inside = !d->reads || d->writes || sym_prove_lt(l->syms, at, s->extent[d->row]);
    s->base[d->row] = inside ? at : sym_min(l->syms, at, last);
    s->own_row = row;
    if (d->column >= 0) {
        int n = d->f.count[!side] / lanes;
        int64_t *place = arena_array(l->scratch, int64_t, n), *own = arena_array(l->scratch, int64_t, n);
        for (int i = 0; i < n; i++) {
            place[i] = d->f.offset[!side][i * lanes];
            own[i] = (int64_t)row * d->columns + d->from + i * lanes;
        }
        bool ragged = is_ragged(l, d) && (d->reads || d->writes);
        s->base[d->column] = d->f.first[!side];
        s->place[d->column] = place, s->own = own, s->count[d->column] = n;
        s->rest = ragged && lanes > 1 ? s->extent[d->column] : NULL;
        s->clamped[d->column] = ragged && lanes == 1;
        if (s->clamped[d->column]) s->base[d->column] = sym_min(l->syms, s->base[d->column], sym_addi(l->syms, s->extent[d->column], -1));
    }
    s->depth = l->depth;
    for (int i = 0; i < s->n; i++) s->at_depth[i] = l->depth;
}

static ir_value *some_lanes(lower *l, ir_value *x, int first, int n) {
    if (x->type.lanes == n) return x;
    ir_value *v = lower_build(l, l->depth, IR_extract, 1, &x, ir_vector((frit_dtype)x->type.dtype, n));
    ir_set_int(l->m, v->op, IR_ATTR_offset, first);
    return v;
}

/* The sums of a row as the argument of the contraction's block 1. */
static void take_sums(lower *l, const points *d, int row) {
    const ir_value *arg = d->op->blocks[1]->args[0];
    int lanes = lanes_of(l, d), n = d->f.count[!d->r->side] / lanes;
    lower_val *v = &l->vals[arg->id];
    *v = (lower_val){.axes = 3, .depth = l->depth, .n = n, .inst = arena_array(l->scratch, ir_value *, n)};
    for (int i = 0; i < n; i++) {
        int at = (d->r->side ? row : row * d->f.count[1]) + along(d, i * lanes);
        ir_value *x = some_lanes(l, d->f.sum[at], d->f.lane[at], lanes);
        if (x->type.dtype != arg->type.dtype) x = lower_build(l, l->depth, IR_cast, 1, &x, ir_vector((frit_dtype)arg->type.dtype, lanes));
        v->inst[i] = x;
    }
}

/* Writes to memory whose columns are no vectors: one at a time, where there are such. */
static void write_singly(lower *l, points *d, const ir_block *b) {
    lower_stage *s = d->s;
    const int64_t *place = s->place[d->column], *own = s->own;
    int n = s->count[d->column], depth;
    s->count[d->column] = 1, s->clamped[d->column] = false, s->place[d->column] = NULL;
    for (int i = 0; i < n; i++) {
        sym_t at = sym_addi(l->syms, d->f.first[!d->r->side], place[i]);
        ir_value *in = lower_inside(l, at, s->extent[d->column], &depth);
        ir_op *choice = in ? lower_if(l, in) : NULL;
        s->base[d->column] = at, s->own = own + i;
        s->depth = l->depth;
        for (int k = 0; k < s->n; k++) s->at_depth[k] = l->depth;
        lower_body(l, s, b);
        if (choice) lower_if_end(l, choice);
    }
}

/* Who writes to memory at a row: threads that have such a row; of those that share it the first, where there is one point. */
static ir_value *is_writer(lower *l, const points *d, int row, bool one) {
    sym_t at = sym_addi(l->syms, d->f.first[d->r->side], d->f.offset[d->r->side][row]);
    int64_t sharers = ((INT64_C(1) << d->r->share_bits[1]) - 1) << d->r->share_bits[0];
    int depth = 0, both;
    if (!d->writes) return NULL;
    ir_value *in = lower_inside(l, at, d->s->extent[d->row], &depth);
    if (!one || !sharers) return in;
    ir_value *x[2] = {lower_thread_bits(l, sharers, 0), lower_int(l, FRIT_i64, 0)};
    ir_value *first = lower_build(l, l->floor, IR_eq, 2, x, ir_vector(FRIT_bool, 1));
    return in ? lower_and(l, first, l->floor, in, depth, &both) : first;
}

static void do_row(lower *l, points *d, int row, const ir_block *b) {
    ir_value *in = is_writer(l, d, row, d->column < 0);
    ir_op *choice = in ? lower_if(l, in) : NULL;
    place_row(l, d, row);
    if (d->f.sum) take_sums(l, d, row);
    if (d->writes && !d->f.sum && is_ragged(l, d) && lanes_of(l, d) == 1) write_singly(l, d, b);
    else lower_body(l, d->s, b);
    if (choice) lower_if_end(l, choice);
}

/* ---- Reductions along a row ---- */
static ir_value *shuffled(lower *l, ir_value *x, int bit) {
    ir_value *lane = lower_thread_bits(l, (INT64_C(1) << l->warp_bits) - 1, 0);
    lane = lower_build(l, l->depth, IR_xor, 2, (ir_value *[]){lane, lower_int(l, FRIT_i64, INT64_C(1) << bit)}, ir_vector(FRIT_i64, 1));
    return lower_build(l, l->depth, IR_shuffle, 2, (ir_value *[]){x, lane}, x->type);
}

static double identity_of(ir_combine c) {
    return c == IR_MAX ? -__builtin_inf() : c == IR_MIN ? __builtin_inf() : c == IR_PROD;
}

static ir_value *identity(lower *l, ir_combine c, frit_dtype t) {
    if (frit_dtype_is_float(t)) return lower_float(l, t, identity_of(c));
    return lower_int(l, t, frit_int_from_double(t, c == IR_MAX ? -0x1p63 : c == IR_MIN ? 0x1p63 : identity_of(c)));
}

/* In the last turn, columns beyond the extent count as nothing. */
static void leave_out_columns(lower *l, points *d, ir_combine c, int n, ir_value **x) {
    lower_stage *s = d->s;
    int lanes = lanes_of(l, d), depth, p[IR_MAX_RANK] = {0};
    sym_t extent = s->extent[d->column], rest = s->rest;
    ir_value *less = lower_compare(l, IR_lt, extent, sym_const(l->syms, d->tile));
    ir_op *choice = lower_choice(l, less, n, x);
    s->rest = extent;
    for (int i = 0; i < n; i++) {
        p[d->column] = i;
        sym_t at = sym_addi(l->syms, d->f.first[!d->r->side], d->f.offset[!d->r->side][i * lanes]);
        ir_value *in = lanes > 1 ? lower_rest_mask(l, s, p, &depth) : lower_inside(l, at, extent, &depth);
        ir_value *none = lower_splat(l, identity(l, c, (frit_dtype)x[i]->type.dtype), lanes, 0);
        if (in) x[i] = lower_build(l, l->depth, IR_select, 3, (ir_value *[]){in, x[i], none}, x[i]->type);
    }
    s->rest = rest;
    lower_choice_end(l, choice, n, x);
}

static ir_value *combined(lower *l, points *d, ir_combine c, const ir_value *term) {
    int n = d->s->count[d->column], p[IR_MAX_RANK] = {0}, lanes = lanes_of(l, d);
    ir_value *x[MOST_VECTORS];
    for (int i = 0; i < n; i++) {
        p[d->column] = i;
        x[i] = lower_get(l, d->s, term, p, lanes > 1);
    }
    if (is_ragged(l, d)) leave_out_columns(l, d, c, n, x);
    for (int m = n; m > 1; m = (m + 1) / 2)
        for (int i = 0; i < m / 2; i++) x[i] = lower_combine(l, c, x[i], x[i + (m + 1) / 2]);
    if (lanes > 1) {
        x[0] = lower_build(l, l->depth, IR_reduce_lanes, 1, x, ir_vector((frit_dtype)x[0]->type.dtype, 1));
        ir_set_int(l->m, x[0]->op, IR_ATTR_combine, c);
    }
    for (int b = 0; b < d->r->share_bits[1]; b++) x[0] = lower_combine(l, c, x[0], shuffled(l, x[0], d->r->share_bits[0] + b));
    return x[0];
}

static void reduce_row(lower *l, points *d, int row) {
    const ir_op *yield = d->op->blocks[0]->last;
    const ir_block *then = d->op->blocks[1];
    const int64_t *combines;
    ir_get_ints(d->op, IR_ATTR_combines, &combines);
    place_row(l, d, row);
    d->s->parallel = d->s->n; /* terms are values like others here */
    lower_body(l, d->s, d->op->blocks[0]);
    d->s->parallel = 1;
    for (int k = 0; k < then->n_args; k++) {
        const ir_value *arg = then->args[k];
        ir_value **x = arena_array(l->scratch, ir_value *, 1);
        x[0] = combined(l, d, (ir_combine)combines[k], ir_operand(yield, k));
        if (x[0]->type.dtype != arg->type.dtype) x[0] = lower_build(l, l->depth, IR_cast, 1, x, ir_vector((frit_dtype)arg->type.dtype, 1));
        l->vals[arg->id] = (lower_val){.axes = UINT32_C(1) << d->row, .depth = l->depth, .n = 1, .inst = x};
    }
    ir_value *in = is_writer(l, d, row, true);
    ir_op *choice = in ? lower_if(l, in) : NULL;
    lower_body(l, d->s, then);
    if (choice) lower_if_end(l, choice);
}

/* ---- A stage ---- */
/* The sums' places in a tile of so many columns. */
static lower_contract geometry_of(const lower_contract *p, int columns) {
    lower_contract g = *p;
    g.sums = NULL;
    g.side[!p->rows->side].tile = columns;
    g.side[!p->rows->side].from = 0;
    return g;
}

static int power_of(lower *l, sym_t extent) {
    int64_t lo, hi;
    int p = 16;
    sym_range(l->syms, extent, &lo, &hi);
    while (p < hi) p *= 2;
    return p;
}

void lower_rows_stage(lower *l, const lower_contract *p, const ir_op *op) {
    lower_stage *s = arena_new_of(l->scratch, lower_stage);
    points d = {.r = p->rows, .op = op, .s = s, .column = -1};
    s->n = ir_get_syms(op, IR_ATTR_vars, &s->vars);
    ir_get_syms(op, IR_ATTR_extent, &s->extent);
    s->parallel = (int)ir_get_int(op, IR_ATTR_parallel, s->n);
    d.row = s->vars[0] != d.r->row;
    if (s->n > 1) d.column = !d.row;
    d.tile = d.column >= 0 ? power_of(l, s->extent[d.column]) : p->side[!d.r->side].tile;
    lower_contract g = geometry_of(p, d.tile);
    lower_mma_fragment(l, &g, &d.f);
    d.columns = d.f.count[!d.r->side];
    bool reduces = s->parallel < s->n;
    set_up(l, &d, 0);
    for (int row = 0; row < d.f.count[d.r->side]; row++) {
        if (reduces) reduce_row(l, &d, row);
        else do_row(l, &d, row, op->blocks[0]);
    }
}

/* ---- Contractions ---- */
ir_value *lower_rows_fragment(lower *l, const lower_contract *p, int side, int i, int k) {
    const lower_operand *o = &p->side[side];
    int n = ir_product_elements(p->product, side);
    int64_t at = (int64_t)(k / p->product->k) * n;
    if (i) lower_fail(p->op, "a thread has one part of its rows");
    ir_value *v = lower_load(l, l->depth, l->ptrs[o->held->id], lower_int(l, FRIT_i64, at), ir_vector(o->t, n), NULL, NULL);
    int bytes = n * (int)frit_dtype_bits(o->t) / 8;
    ir_set_int(l->m, v->op, IR_ATTR_align, bytes < 16 ? bytes : 16);
    return v;
}

/* Held elements beyond the reduced axis are nothing. */
static void clear_rest(lower *l, const lower_contract *p) {
    const lower_rows *r = p->rows;
    const lower_operand *o = &p->side[r->side];
    sym_t extent = p->k.extent[0];
    int depth;
    if (sym_prove_multiple(l->syms, extent, p->chunk)) return;
    const lower_place *b = &l->place[o->held->id];
    lower_contract g = geometry_of(p, p->chunk);
    lower_fragment f = {0};
    lower_mma_fragment(l, &g, &f);
    ir_op *rest = lower_if(l, lower_compare(l, IR_lt, extent, sym_const(l->syms, p->chunk)));
    for (int i = 0; i < f.count[!r->side]; i++) {
        ir_value *in = lower_inside(l, sym_addi(l->syms, f.first[!r->side], f.offset[!r->side][i]), extent, &depth);
        for (int row = 0; row < f.count[r->side] && in; row++) {
            int64_t at = b->slots[row * f.count[!r->side] + i];
            ir_value *x = lower_load(l, l->depth, l->ptrs[o->held->id], lower_int(l, FRIT_i64, at), ir_vector(o->t, 1), NULL, NULL);
            x = lower_build(l, l->depth, IR_select, 3, (ir_value *[]){in, x, lower_float(l, o->t, 0)}, x->type);
            lower_store(l, l->ptrs[o->held->id], lower_int(l, FRIT_i64, at), x, NULL);
        }
    }
    lower_if_end(l, rest);
}

static ir_value *own_memory(lower *l, frit_dtype t, int64_t elements) {
    sym_t n = sym_const(l->syms, elements);
    ir_value *own = lower_build(l, 0, IR_local, 0, NULL, ir_ptr(t, IR_REGISTER));
    ir_set_syms(l->m, own->op, IR_ATTR_size, 1, &n);
    ir_set_int(l->m, own->op, IR_ATTR_align, l->lim->vector_bytes);
    return own;
}

static ir_op *loop_over(lower *l, const char *name, int count, int carried, ir_value **x, sym_t *at) {
    ir_op *loop = lower_for(l, lower_int(l, FRIT_i64, 0), lower_int(l, FRIT_i64, count), lower_int(l, FRIT_i64, 1), carried, x);
    *at = sym_var(l->syms, name, SYM_INDEX, sym_const(l->syms, 0), sym_const(l->syms, count - 1));
    lower_bind(l, *at, loop->blocks[0]->args[0], l->depth);
    return loop;
}

/* Entry i of the table, i being a loop's variable: entries are sums over the bits of their number. */
static sym_t entry_of(lower *l, const int64_t *table, int count, sym_t i) {
    sym_ctx *c = l->syms;
    sym_t at = sym_const(c, table[0]);
    for (int b = 1; b < count; b *= 2) {
        sym_t bit = sym_mod(c, sym_floordiv(c, i, sym_const(c, b)), sym_const(c, 2));
        at = sym_add(c, at, sym_muli(c, bit, table[b] - table[0]));
    }
    return at;
}

static sym_t offset_of(lower *l, const lower_fragment *f, int axis, sym_t i) { return entry_of(l, f->offset[axis], f->count[axis], i); }

/* Where the sums' elements lie along an axis, one vector behind another. */
static const int64_t *sum_slots(lower *l, const lower_contract *p, int axis) {
    enum { MOST = 16 };
    const ir_product *q = p->product;
    int64_t offset[MOST];
    int e = ir_product_elements(q, 2), at[2][MOST], each[2], parts[2], n;
    for (int i = 0; i < 2; i++) {
        each[i] = lower_mma_places(q, i, offset, at[i]);
        parts[i] = p->side[i].tile / p->threads[i] / (i ? q->n : q->m);
    }
    n = each[axis] * parts[axis];
    int64_t *slot = arena_array(l->scratch, int64_t, n);
    for (int i = 0; i < n; i++) {
        int k = 0;
        while (at[axis][k] != i % each[axis] || at[!axis][k] != 0) k++;
        slot[i] = (int64_t)(i / each[axis]) * (axis ? 1 : parts[1]) * e + k;
    }
    return slot;
}

/* Sums whose first operand is held, term by term: the threads that share a row tell each other their elements, all coming
 * here alike, each for a column of its own. */
typedef struct again {
    const lower_contract *p;
    lower_fragment sums, held; /* of the result, of the held operand */
    ir_value *own, *operand;   /* memory of the thread with its elements of both */
    lower_stage *s;
} again;

static ir_value *held_term(lower *l, again *a, sym_t row, sym_t sharer, sym_t i, sym_t column) {
    sym_ctx *c = l->syms;
    const lower_contract *p = a->p;
    const lower_rows *r = p->rows;
    lower_stage *s = a->s;
    frit_dtype t = p->side[r->side].t;
    int first = r->share_bits[0], bits = r->share_bits[1], zero[IR_MAX_RANK] = {0}, depth;
    sym_t at = sym_add(c, sym_muli(c, row, a->held.count[!r->side]), i);
    ir_value *x = lower_load(l, l->depth, a->operand, lower_index(l, at), ir_vector(FRIT_f32, 1), NULL, NULL);
    int64_t all = (INT64_C(1) << l->warp_bits) - 1, mask = ((INT64_C(1) << bits) - 1) << first;
    ir_value *v[2] = {lower_thread_bits(l, all & ~mask, 0), lower_index(l, sym_muli(c, sharer, INT64_C(1) << first))};
    v[1] = lower_build(l, l->depth, IR_or, 2, v, ir_vector(FRIT_i64, 1));
    v[0] = x;
    x = lower_build(l, l->depth, IR_shuffle, 2, v, x->type);
    s->stands = lower_build(l, l->depth, IR_cast, 1, &x, ir_vector(t, 1));
    /* where that thread's element i is */
    sym_t k = offset_of(l, &a->held, !r->side, i);
    for (int b = 0; b < bits; b++) {
        int place[2];
        ir_product_place(r->product, 2, 1 << (first + b), 0, &place[0], &place[1]);
        sym_t bit = sym_mod(c, sym_floordiv(c, sharer, sym_const(c, 1 << b)), sym_const(c, 2));
        k = sym_add(c, k, sym_muli(c, bit, place[!r->side]));
    }
    sym_t extent = p->k.extent[0], columns = p->side[!r->side].axes.extent[0];
    s->base[0] = sym_min(c, sym_addi(c, extent, -1), k);
    s->base[1] = sym_min(c, sym_addi(c, columns, -1), column);
    s->depth = l->depth;
    for (int n = 0; n < s->n; n++) s->at_depth[n] = l->depth;
    lower_body(l, s, p->op->blocks[0]);
    ir_value *term = lower_get(l, s, p->term, zero, false), *in = lower_inside(l, k, extent, &depth);
    if (!in) return term;
    return lower_build(l, l->depth, IR_select, 3, (ir_value *[]){in, term, lower_float(l, p->sum, 0)}, term->type);
}

static void sum_terms(lower *l, again *a) {
    const lower_contract *p = a->p;
    const lower_rows *r = p->rows;
    sym_t at[2], sharer, i;
    int side = r->side;
    ir_op *rows = loop_over(l, "m", a->sums.count[side], 0, NULL, &at[side]);
    ir_op *columns = loop_over(l, "n", a->sums.count[!side], 0, NULL, &at[!side]);
    sym_t slot = sym_const(l->syms, 0);
    for (int k = 0; k < 2; k++) slot = sym_add(l->syms, slot, entry_of(l, sum_slots(l, p, k), a->sums.count[k], at[k]));
    sym_t place = sym_add(l->syms, a->sums.first[!side], offset_of(l, &a->sums, !side, at[!side]));
    ir_value *sum = lower_float(l, p->sum, 0);
    ir_op *sharers = loop_over(l, "h", 1 << r->share_bits[1], 1, &sum, &sharer);
    ir_op *elements = loop_over(l, "k", a->held.count[!side], 1, &sum, &i);
    sum = lower_combine(l, IR_SUM, sum, held_term(l, a, at[side], sharer, i, place));
    lower_for_end(l, elements, 1, &sum);
    lower_for_end(l, sharers, 1, &sum);
    lower_store(l, a->own, lower_index(l, slot), sum, NULL);
    lower_for_end(l, columns, 0, NULL);
    lower_for_end(l, rows, 0, NULL);
}

static lower_stage *term_stage(lower *l, const lower_contract *p) {
    lower_stage *s = arena_new_of(l->scratch, lower_stage);
    sym_t *vars = arena_array(l->scratch, sym_t, 3), *extent = arena_array(l->scratch, sym_t, 3);
    const lower_axes *a[3] = {&p->k, &p->side[!p->rows->side].axes, &p->side[p->rows->side].axes};
    for (int i = 0; i < 3; i++) {
        vars[i] = a[i]->var[0], extent[i] = a[i]->extent[0];
        s->count[i] = s->full[i] = 1, s->base[i] = sym_const(l->syms, 0);
    }
    s->op = p->op, s->n = s->parallel = 3, s->vars = vars, s->extent = extent;
    s->border_axis = s->vector = s->unit = -1;
    s->stood_for = p->side[p->rows->side].held;
    lower_find_axes(l, s, p->op->blocks[0]);
    return s;
}

/* All sums of p with care, into memory of the thread, where this is asked for. It is rare, so the code is short. */
static ir_value *sum_carefully(lower *l, const lower_contract *p, ir_value *careful) {
    const lower_rows *r = p->rows;
    const lower_operand *o = &p->side[r->side];
    again a = {.p = p};
    lower_contract g = geometry_of(p, p->chunk), result = geometry_of(p, p->side[!r->side].tile);
    int columns = lower_rows_columns(r, result.side[!r->side].tile);
    ir_op *choice = lower_if(l, careful);
    lower_look_thread_up(l);
    a.s = term_stage(l, p);
    lower_mma_fragment(l, &g, &a.held);
    lower_mma_fragment(l, &result, &a.sums);
    l->lanes = 1;
    int held = a.held.count[0] * a.held.count[1];
    a.own = own_memory(l, p->sum, (int64_t)r->each * columns);
    a.operand = own_memory(l, FRIT_f32, held);
    for (int i = 0; i < held; i++) {
        int64_t slot = l->place[o->held->id].slots[i];
        ir_value *x = lower_load(l, l->depth, l->ptrs[o->held->id], lower_int(l, FRIT_i64, slot), ir_vector(o->t, 1), NULL, NULL);
        x = lower_build(l, l->depth, IR_cast, 1, &x, ir_vector(FRIT_f32, 1));
        lower_store(l, a.operand, lower_int(l, FRIT_i64, i), x, NULL);
    }
    sum_terms(l, &a);
    lower_if_end(l, choice);
    lower_look_thread_up(l);
    return a.own;
}

static void sum_plainly(lower *l, lower_contract *p, sym_t buffer) {
    lower_mma_zero(l, p);
    lower_mma_sum_chunk(l, p, buffer);
}

/* Held operands leave nothing in memory to look at again: such sums are made one way or the other. `own`: those made with
 * care, the part's from element `at` on. */
static void sum_one_way(lower *l, lower_contract *p, sym_t buffer, ir_value *careful, ir_value *own, int64_t at) {
    ir_type *t = arena_array(l->scratch, ir_type, p->n_sums);
    int n = ir_product_elements(p->product, 2);
    for (int i = 0; i < p->n_sums; i++) t[i] = ir_vector(p->sum, n);
    ir_op *choice = ir_build(lower_here(l), IR_tif, 1, &careful, p->n_sums, t);
    for (int i = 0; i < 2; i++) {
        lower_push(l, choice, choice->blocks[i]);
        if (i) {
            lower_look_thread_up(l);
            sum_plainly(l, p, buffer);
        }
        for (int k = 0; k < p->n_sums && !i; k++)
            p->sums[k] = lower_load(l, l->depth, own, lower_int(l, FRIT_i64, at + (int64_t)k * n), t[k], NULL, NULL);
        ir_build(lower_here(l), IR_yield, p->n_sums, p->sums, 0, NULL);
        lower_pop(l);
    }
    lower_look_thread_up(l);
    for (int i = 0; i < p->n_sums; i++) p->sums[i] = ir_result(choice, i);
}

/* What the turns of a loop share. */
typedef struct turns {
    lower_rows *r;
    sym_t var, turn;      /* of the op; the loop's */
    sym_t count;
    lower_copy copy[LOWER_MOST_IN_ROWS][2];
    bool any_plain;
    int n_held;
    ir_value **held;      /* on their way through registers */
    ir_value *careful;    /* bool; NULL: there is nothing to care for */
    ir_value *any;        /* i32: some sum that leaves out terms was no number */
} turns;

static void note_infinite(lower *l, turns *t, const lower_contract *p) {
    ir_type i32 = ir_vector(FRIT_i32, 1);
    ir_value *x = lower_any_infinite(l, p->n_sums, p->sums);
    x = lower_build(l, l->depth, IR_cast, 1, &x, i32);
    t->any = lower_build(l, l->depth, IR_or, 2, (ir_value *[]){t->any, x}, i32);
}

/* Columns from..from + tile of the contraction's result. */
static void contract_part(lower *l, turns *t, const lower_contract *whole, int from, int tile, sym_t buffer, ir_value *own) {
    const lower_rows *r = whole->rows;
    lower_contract p = *whole;
    lower_operand *o = &p.side[!r->side];
    o->tile = tile, o->from = from;
    int m = p.side[0].tile / p.threads[0] / p.product->m, n = p.side[1].tile / p.threads[1] / p.product->n;
    p.n_sums = m * n * (lower_mma_is_split(&p) ? 2 : 1);
    p.sums = arena_array(l->scratch, ir_value *, p.n_sums);
    if (own) sum_one_way(l, &p, buffer, t->careful, own, (int64_t)r->each * lower_rows_columns(r, from));
    else sum_plainly(l, &p, buffer);
    if (p.guarded) note_infinite(l, t, &p);
    lower_stage *s = arena_new_of(l->scratch, lower_stage);
    sym_t *vars = arena_array(l->scratch, sym_t, 2), *extent = arena_array(l->scratch, sym_t, 2);
    vars[0] = p.side[r->side].axes.var[0], extent[0] = p.side[r->side].axes.extent[0];
    vars[1] = o->axes.var[0], extent[1] = o->axes.extent[0];
    s->n = s->parallel = 2, s->vars = vars, s->extent = extent;
    points d = {.r = r, .op = p.op, .s = s, .row = 0, .column = 1, .tile = whole->side[!r->side].tile};
    lower_mma_fragment(l, &p, &d.f);
    d.columns = lower_rows_columns(r, d.tile), d.from = lower_rows_columns(r, from);
    sym_t first[2] = {sym_const(l->syms, 0), sym_const(l->syms, 0)};
    if (p.guarded && !p.side[r->side].held) lower_epilogue_guard(l, &p, first, &d.f, t->careful);
    set_up(l, &d, 1);
    for (int row = 0; row < d.f.count[r->side]; row++) do_row(l, &d, row, p.op->blocks[1]);
}

static void contract(lower *l, turns *t, lower_contract *p, sym_t buffer) {
    const lower_rows *r = p->rows;
    int tile = p->side[!r->side].tile, part = tile;
    while (part > 2 * 16 && r->each * lower_rows_columns(r, part) > PASS_SUMS) part /= 2;
    if (p->side[r->side].held) clear_rest(l, p);
    ir_value *own = p->side[r->side].held && p->guarded ? sum_carefully(l, p, t->careful) : NULL;
    for (int from = 0; from < tile; from += part) contract_part(l, t, p, from, part, buffer, own);
}

/* ---- The loop ---- */
static bool is_copied(const lower_operand *o, bool once) { return !o->held && o->once == once; }

static void make_copies(lower *l, turns *t) {
    t->n_held = 0;
    for (int i = 0; i < t->r->n; i++)
        for (int k = 0; k < 2; k++) {
            lower_contract *p = t->r->contract[i];
            lower_operand *o = &p->side[k];
            if (o->held) continue;
            int64_t bytes = t->r->place.bytes - o->at;
            o->ptr = lower_shared(l, o->t, t->r->place.at + o->at, bytes);
            lower_copy *c = &t->copy[i][k];
            *c = lower_copy_make(l, p, o, sym_const(l->syms, 0));
            t->any_plain |= c->plain != NULL;
            if (!o->once) t->n_held += lower_copy_held(c);
        }
    if (!t->held) t->held = arena_array(l->scratch, ir_value *, t->n_held + 1);
}

/* The operands of a turn, or those that are staged once. */
static void load(lower *l, turns *t, bool once, sym_t turn, sym_t buffer, ir_value **v) {
    for (int i = 0; i < t->r->n; i++)
        for (int k = 0; k < 2; k++) {
            lower_contract *p = t->r->contract[i];
            lower_copy *c = &t->copy[i][k];
            if (!is_copied(&p->side[k], once)) continue;
            c->var = once ? NULL : t->var, c->as = turn;
            lower_copy_load(l, p, c, sym_const(l->syms, 0), buffer, v);
            v += lower_copy_held(c);
        }
}

static void store(lower *l, turns *t, bool once, sym_t buffer, ir_value *const *v) {
    for (int i = 0; i < t->r->n; i++)
        for (int k = 0; k < 2; k++) {
            lower_contract *p = t->r->contract[i];
            lower_copy *c = &t->copy[i][k];
            if (!is_copied(&p->side[k], once)) continue;
            lower_copy_store(l, p, c, buffer, v);
            v += lower_copy_held(c);
        }
}

static void close_group(lower *l, const turns *t) {
    if (t->any_plain) ir_build(lower_here(l), IR_copy_commit, 0, NULL, 0, NULL);
}

static void wait_group(lower *l, const turns *t) {
    if (t->any_plain) ir_set_int(l->m, ir_build(lower_here(l), IR_copy_wait, 0, NULL, 0, NULL), IR_ATTR_pending, 0);
}

static void begin(lower *l, turns *t) {
    sym_t zero = sym_const(l->syms, 0);
    int n = 0;
    for (int i = 0; i < t->r->n; i++)
        for (int k = 0; k < 2; k++) n += is_copied(&t->r->contract[i]->side[k], true) ? lower_copy_held(&t->copy[i][k]) : 0;
    ir_value **v = arena_array(l->scratch, ir_value *, n + 1);
    load(l, t, true, zero, zero, v);
    store(l, t, true, zero, v);
    ir_op *some = lower_if(l, lower_compare(l, IR_lt, zero, t->count));
    load(l, t, false, zero, zero, t->held);
    store(l, t, false, zero, t->held);
    lower_if_end(l, some);
    close_group(l, t);
}

static ir_value *nothing_like(lower *l, const lower_copy *c) {
    frit_dtype t = c->o->t;
    if (c->wide > 1) return lower_int(l, FRIT_u32, 0);
    return lower_splat(l, frit_dtype_is_float(t) ? lower_float(l, t, 0) : lower_int(l, t, 0), c->lanes, 0);
}

/* The next turn's operands, if there is one: on their way to the buffer, or in t->held. */
static void load_next(lower *l, turns *t, ir_value *more, sym_t next, sym_t buffer) {
    int n = 0;
    for (int i = 0; i < t->r->n; i++)
        for (int k = 0; k < 2; k++)
            for (int j = 0; is_copied(&t->r->contract[i]->side[k], false) && j < lower_copy_held(&t->copy[i][k]); j++)
                t->held[n++] = nothing_like(l, &t->copy[i][k]);
    ir_op *choice = lower_choice(l, more, n, t->held);
    lower_look_thread_up(l); /* no address is held meanwhile */
    make_copies(l, t);
    ir_value **v = arena_array(l->scratch, ir_value *, n + 1);
    load(l, t, false, next, buffer, v);
    lower_choice_end(l, choice, n, v);
    lower_look_thread_up(l);
    for (int i = 0; i < n; i++) t->held[i] = v[i];
}

/* ---- The order of stages ---- */
static bool writes_what(const ir_op *first, const ir_op *second) {
    for (int i = 0; i < first->n_blocks; i++)
        for (const ir_op *w = first->blocks[i]->first; w; w = w->next)
            for (int k = 0; w->code == IR_write && k < second->n_blocks; k++)
                for (const ir_op *x = second->blocks[k]->first; x; x = x->next)
                    if ((x->code == IR_read || x->code == IR_write) && ir_operand(x, 0) == ir_operand(w, 0)) return true;
    return false;
}

static bool is_free_of(const ir_op *a, const ir_op *b) { return !writes_what(a, b) && !writes_what(b, a); }

static lower_contract *contract_at(const lower_rows *r, const ir_op *op) {
    for (int i = 0; i < r->n; i++)
        if (r->contract[i]->op == op) return r->contract[i];
    return NULL;
}

/* Stages without products that need none of those before them come first: what they read need not be kept meanwhile. */
static int in_order(const lower_rows *r, const ir_op **stage) {
    int n = 0;
    for (const ir_op *op = r->loop->blocks[0]->first; op; op = op->next) {
        if (op->code != IR_stage) continue;
        int at = n;
        while (!contract_at(r, op) && at > 0 && is_free_of(stage[at - 1], op)) at--;
        while (at < n && !contract_at(r, stage[at])) at++;
        for (int i = n++; i > at; i--) stage[i] = stage[i - 1];
        stage[at] = op;
    }
    return n;
}

static int stages_of(const lower_rows *r) {
    int n = 0;
    for (const ir_op *op = r->loop->blocks[0]->first; op; op = op->next) n += op->code == IR_stage;
    return n;
}

static void do_turn(lower *l, turns *t) {
    sym_ctx *c = l->syms;
    lower_rows *r = t->r;
    sym_t next = sym_addi(c, t->turn, 1), zero = sym_const(c, 0), two = sym_const(c, 2);
    sym_t now = r->buffers == 2 ? sym_mod(c, t->turn, two) : zero, then = r->buffers == 2 ? sym_mod(c, next, two) : zero;
    ir_value *more = lower_compare(l, IR_lt, next, t->count);
    bool ahead = r->buffers == 2 || !t->any_plain;
    const ir_op **stage = arena_array(l->scratch, const ir_op *, stages_of(r) + 1);
    int n = in_order(r, stage);
    lower_look_thread_up(l);
    wait_group(l, t);
    lower_barrier(l);
    if (ahead) load_next(l, t, more, next, then);
    if (ahead) close_group(l, t);
    for (int i = 0; i < n; i++) {
        lower_contract *p = contract_at(r, stage[i]);
        lower_here(l)->span = stage[i]->span;
        if (p) contract(l, t, p, now);
        else lower_rows_stage(l, r->contract[0], stage[i]);
    }
    if (r->buffers == 1) lower_barrier(l);
    if (!ahead) load_next(l, t, more, next, then);
    if (!ahead) close_group(l, t);
    ir_op *some = lower_if(l, more);
    lower_look_thread_up(l);
    make_copies(l, t);
    store(l, t, false, then, t->held);
    lower_if_end(l, some);
}

static lower_rows *rows_of(const lower *l, const ir_op *op) {
    for (int i = 0; i < l->rows.len; i++)
        if (l->rows.data[i]->loop == op) return l->rows.data[i];
    return NULL;
}

/* All turns; t->any says whether there is cause to do them with care. */
static void do_turns(lower *l, turns *t) {
    const ir_op *op = t->r->loop;
    for (const ir_op *s = op->blocks[0]->first; s; s = s->next)
        if (s->code == IR_stage) lower_order_stage(l, s);
    lower_barrier(l);
    begin(l, t);
    int n = t->any != NULL;
    ir_op *loop = lower_for(l, lower_int(l, FRIT_i64, 0), lower_index(l, t->count), lower_int(l, FRIT_i64, 1), n, &t->any);
    t->turn = t->var;
    lower_bind(l, t->turn, loop->blocks[0]->args[0], l->depth);
    do_turn(l, t);
    lower_for_end(l, loop, n, &t->any);
    lower_look_thread_up(l);
    wait_group(l, t);
}

/* i32: some thread of the block has one. */
static ir_value *any_of_block(lower *l, ir_value *x) {
    lower_stage s = {.n = 1, .depth = l->depth};
    ir_combine max = IR_MAX;
    ir_value *v[1][2] = {{x, NULL}};
    s.threads[0] = l->lim->threads;
    lower_merge_threads(l, &s, 1, &max, v);
    return v[0][0];
}

/* What the stages before the loop gave the running values first. */
static void begin_again(lower *l, const lower_rows *r) {
    for (int i = 0; i < l->owns.len; i++) {
        const ir_op *op = l->owns.data[i].stage;
        bool before = false;
        for (const ir_op *x = op; x && op->parent == r->loop->parent; x = x->next) before |= x == r->loop;
        if (before && l->owns.data[i].as == r->contract[0]) lower_rows_stage(l, r->contract[0], op);
    }
}

static void do_twice(lower *l, turns *t) {
    ir_type one = ir_vector(FRIT_bool, 1);
    ir_value *zero = lower_int(l, FRIT_i32, 0), *no = lower_int(l, FRIT_i64, 0), *any = lower_int(l, FRIT_i32, 1);
    ir_op *loop = lower_for(l, no, lower_int(l, FRIT_i64, 2), lower_int(l, FRIT_i64, 1), 1, &any);
    ir_value *needed = lower_build(l, l->depth, IR_ne, 2, (ir_value *[]){any, zero}, one);
    t->careful = lower_build(l, l->depth, IR_ne, 2, (ir_value *[]){loop->blocks[0]->args[0], no}, one);
    lower_touched before = lower_order_state(l);
    any = zero;
    ir_op *choice = lower_choice(l, needed, 1, &any);
    lower_look_thread_up(l);
    ir_op *second = lower_if(l, t->careful);
    begin_again(l, t->r);
    lower_if_end(l, second);
    make_copies(l, t);
    t->any = zero;
    do_turns(l, t);
    any = any_of_block(l, t->any);
    lower_choice_end(l, choice, 1, &any);
    lower_order_maybe(l, before);
    lower_for_end(l, loop, 1, &any);
}

bool lower_rows_loop(lower *l, const ir_op *op) {
    enum { TOUCHED = 3 };
    const sym_t *vars, *extent;
    lower_rows *r = lower_is_block(l) ? rows_of(l, op) : NULL;
    bool guarded = false;
    if (!r) return false;
    ir_get_syms(op, IR_ATTR_vars, &vars);
    ir_get_syms(op, IR_ATTR_extent, &extent);
    turns *t = arena_new_of(l->scratch, turns);
    t->r = r, t->var = vars[0], t->count = extent[0];
    for (int i = 0; i < r->n; i++) guarded |= r->contract[i]->guarded;
    if (guarded) {
        do_twice(l, t);
    } else {
        make_copies(l, t);
        do_turns(l, t);
    }
    for (const ir_op *s = op->blocks[0]->first; s; s = s->next)
        for (int i = 0; i < s->n_blocks; i++) lower_order_touch(l, s->blocks[i]);
    r->place.touched = TOUCHED;
    return true;
}
