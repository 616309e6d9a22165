/* Stages of loops whose rows threads own (lower_rows.c says which): each thread does a stage at its points, on values in its
 * registers; a row is reduced over the thread's columns, then by shuffles among the threads that share it. */
#include "lower_contract.h"

enum { MOST_VECTORS = 256, MOST_LANES = 4 };

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
 * nobody looks at it; from memory it is read as the last one or under a mask. guarded: nothing is done beyond the last row. */
static void place_row(lower *l, points *d, int row, bool guarded) {
    lower_stage *s = d->s;
    int side = d->r->side, lanes = lanes_of(l, d);
    sym_t at = sym_addi(l->syms, d->f.first[side], d->f.offset[side][row]), last = sym_addi(l->syms, s->extent[d->row], -1);
    bool inside = !d->reads || guarded || sym_prove_lt(l->syms, at, s->extent[d->row]);
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

/* Columns that are read one by one: each address is of two registers, and there may not be as many. */
static bool has_addresses(const lower *l, const points *d, const ir_block *b) {
    enum { EACH = 3 };
    int reads = 0;
    for (const ir_op *op = b->first; op; op = op->next) reads += op->code == IR_read && !is_own(l, op);
    return d->column < 0 || !d->s->clamped[d->column] || d->s->count[d->column] * reads * EACH <= d->r->left;
}

/* Then some at a time. */
static void do_columns(lower *l, points *d, const ir_block *b) {
    enum { GROUP = 8 };
    lower_stage *s = d->s;
    const int64_t *place = s->place[d->column], *own = s->own;
    int n = s->count[d->column];
    sym_t last = sym_addi(l->syms, s->extent[d->column], -1);
    for (int i = 0; i < n; i += GROUP) {
        int64_t *from_first = arena_array(l->scratch, int64_t, GROUP);
        for (int k = i; k < n && k < i + GROUP; k++) from_first[k - i] = place[k] - place[i];
        s->base[d->column] = sym_min(l->syms, sym_addi(l->syms, d->f.first[!d->r->side], place[i]), last);
        s->count[d->column] = n - i < GROUP ? n - i : GROUP;
        s->place[d->column] = from_first, s->own = own + i;
        lower_body(l, s, b);
    }
}

static void do_row(lower *l, points *d, int row, const ir_block *b) {
    ir_value *in = is_writer(l, d, row, d->column < 0);
    ir_op *choice = in ? lower_if(l, in) : NULL;
    place_row(l, d, row, d->writes);
    if (d->f.sum) take_sums(l, d, row);
    if (d->writes && !d->f.sum && is_ragged(l, d) && lanes_of(l, d) == 1) write_singly(l, d, b);
    else if (!d->f.sum && !has_addresses(l, d, b)) do_columns(l, d, b);
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
    place_row(l, d, row, false);
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
lower_contract lower_rows_geometry(const lower_contract *p, int columns) {
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
    lower_contract g = lower_rows_geometry(p, d.tile);
    lower_mma_fragment(l, &g, &d.f);
    d.columns = d.f.count[!d.r->side];
    bool reduces = s->parallel < s->n;
    set_up(l, &d, 0);
    for (int row = 0; row < d.f.count[d.r->side]; row++) {
        if (reduces) reduce_row(l, &d, row);
        else do_row(l, &d, row, op->blocks[0]);
    }
}

/* ---- The result of a contraction ---- */
void lower_rows_result(lower *l, lower_contract *p, int tile, ir_value *careful) {
    const lower_rows *r = p->rows;
    const lower_operand *o = &p->side[!r->side];
    lower_stage *s = arena_new_of(l->scratch, lower_stage);
    sym_t *vars = arena_array(l->scratch, sym_t, 2), *extent = arena_array(l->scratch, sym_t, 2);
    vars[0] = p->side[r->side].axes.var[0], extent[0] = p->side[r->side].axes.extent[0];
    vars[1] = o->axes.var[0], extent[1] = o->axes.extent[0];
    s->n = s->parallel = 2, s->vars = vars, s->extent = extent;
    points d = {.r = r, .op = p->op, .s = s, .row = 0, .column = 1, .tile = tile};
    lower_mma_fragment(l, p, &d.f);
    d.columns = lower_rows_columns(r, d.tile), d.from = lower_rows_columns(r, o->from);
    sym_t first[2] = {sym_const(l->syms, 0), sym_const(l->syms, 0)};
    if (p->guarded && !p->side[r->side].held) lower_epilogue_guard(l, p, first, &d.f, careful);
    set_up(l, &d, 1);
    for (int row = 0; row < d.f.count[r->side]; row++) do_row(l, &d, row, p->op->blocks[1]);
}
