/* Sums of products by instructions that four warps give together, and that read both operands from shared memory
 * (ir/thread.def, wgmma). The warpgroups of a block share the tile as a grid of equal parts; one instruction does 64 rows
 * of a part by all of its columns. Which side of the contraction gives the rows is free: the one that has 64 of them.
 *
 * The staged operands lie in rows of 128 bytes, whose 16-byte pieces are exchanged by the number of the row modulo eight,
 * so that eight rows of one column of pieces meet all banks. A row holds reduced positions of one position along the side
 * or, where memory is contiguous along the side and elements have 16 bits, the other way round; then 64 positions along the
 * side make a panel, one behind another. Elements of other sizes are turned on their way.
 *
 * Products of f32 are split as in lower_mma.c: both parts of each element are staged, one tile behind the other. */
#include "lower_contract.h"

enum { GROUP_BITS = 7, ROWS = 64, COLS = 8, MOST_COLS = 256, ROW_BYTES = 128, PIECE_BYTES = 16, ROW_TURNS = 8 };

static int bytes_of(frit_dtype t) { return (int)frit_dtype_bits(t) / 8; }
static bool is_split(const lower_contract *p) { return lower_mma_is_split(p); }

static int step_of(frit_dtype t) { return 32 / bytes_of(t); }

/* ---- Planning ---- */
bool lower_wgmma_plan(lower *l, lower_contract *p) {
    static const frit_dtype narrow[] = {FRIT_f16, FRIT_bf16, FRIT_i8};
    if (!(l->lim->atoms & FRIT_ATOM_WGMMA) || l->lim->threads < 1 << GROUP_BITS) return false;
    for (size_t i = 0; i < sizeof narrow / sizeof *narrow && !p->wgmma; i++)
        p->wgmma = ir_wgmma_product(narrow[i])->acc == p->sum && lower_mma_narrow(p, narrow[i]);
    p->wgmma |= p->sum == FRIT_f32;
    p->chunk = ROW_BYTES / bytes_of((frit_dtype)p->side[0].v->type.dtype);
    return p->wgmma;
}

void lower_wgmma_layout(lower_operand *o) {
    o->width = ROW_BYTES / bytes_of(o->t);
    o->turned = !o->k_inner && bytes_of(o->t) != 2;
    o->k_inner |= o->turned;
}

static int panel_rows(const lower_contract *p, const lower_operand *o) { return o->k_inner ? o->tile : p->chunk; }
static int panels(const lower_contract *p, const lower_operand *o) {
    int across = o->k_inner ? p->chunk : o->tile;
    return (across + o->width - 1) / o->width;
}
/* Elements of one staged tile: of one part of each element, where they are split. */
static int64_t tile_elements(const lower_contract *p, const lower_operand *o) {
    return (int64_t)panels(p, o) * panel_rows(p, o) * o->width;
}

int64_t lower_wgmma_elements(const lower_contract *p, const lower_operand *o) { return tile_elements(p, o) * (o->t == FRIT_f32 ? 2 : 1); }

/* The warpgroups along the side that gives rows, as many as may be; the others along the other side. */
static bool share_as(lower_contract *p, int a, int groups) {
    for (int along = groups; along >= 1; along /= 2) {
        int m = p->side[a].tile, n = p->side[!a].tile / (groups / along);
        bool whole = p->side[!a].k_inner || n % p->side[!a].width == 0 || p->side[!a].tile <= p->side[!a].width;
        if (m < ROWS * along || n < 2 * COLS || n > MOST_COLS || !whole) continue;
        p->rows_of = a;
        p->threads[a] = along, p->threads[!a] = groups / along;
        return true;
    }
    return false;
}

static int row_parts(const lower_contract *p) { return p->side[p->rows_of].tile / p->threads[p->rows_of] / ROWS; }
static int columns(const lower_contract *p) { return p->side[!p->rows_of].tile / p->threads[!p->rows_of]; }

bool lower_wgmma_share(lower *l, lower_contract *p) {
    int groups = l->lim->threads >> GROUP_BITS;
    if (!share_as(p, 0, groups) && !share_as(p, 1, groups)) return false;
    p->n_sums = row_parts(p) * (is_split(p) ? 2 : 1);
    return true;
}

int lower_wgmma_sums(lower *l, lower_contract *p) { return lower_wgmma_share(l, p) ? p->n_sums * columns(p) / 2 : 0; }

int lower_wgmma_registers(lower *l, lower_contract *p) {
    enum { SPLITTING = 16 }; /* what is split where it lies */
    int sums = lower_wgmma_sums(l, p);
    return sums && is_split(p) && (p->side[0].bulk || p->side[1].bulk) ? sums + SPLITTING : sums;
}

/* ---- Addresses ---- */
/* Column of the row, both at the level of threads, with its piece exchanged. */
static sym_t exchanged(lower *l, const lower_operand *o, sym_t row, sym_t col) {
    sym_ctx *c = l->syms;
    int piece = PIECE_BYTES / bytes_of(o->t);
    sym_t turn = sym_muli(c, sym_mod(c, row, sym_const(c, ROW_TURNS)), piece);
    if (sym_is(turn, 0)) return col;
    for (int i = 0; i < l->exchanges.len; i++)
        if (l->exchanges.data[i].turn == turn && l->exchanges.data[i].col == col) return l->exchanges.data[i].var;
    ir_value *v[2] = {lower_index(l, col), lower_index(l, turn)};
    int a = lower_depth(l, col), b = lower_depth(l, turn), depth = a > b ? a : b;
    sym_t var = sym_index(l->syms, "piece", sym_const(c, o->width));
    lower_bind(l, var, lower_build(l, depth, IR_xor, 2, v, ir_vector(FRIT_i64, 1)), depth);
    if (depth == l->floor) vec_push(l->scratch, &l->exchanges, ((lower_exchange){turn, col, var}));
    return var;
}

sym_t lower_wgmma_staged_at(lower *l, const lower_contract *p, const lower_operand *o, sym_t buffer, sym_t row, sym_t col) {
    sym_ctx *c = l->syms;
    sym_t width = sym_const(c, o->width), panel = sym_floordiv(c, col, width);
    sym_t at = sym_add(c, sym_muli(c, buffer, o->elements), sym_muli(c, panel, (int64_t)panel_rows(p, o) * o->width));
    at = sym_add(c, at, sym_muli(c, row, o->width));
    return sym_add(c, at, exchanged(l, o, row, sym_mod(c, col, width)));
}

/* Where the instruction's operand starts: position x along the side, reduced position k. */
static sym_t start_at(lower *l, const lower_contract *p, int side, sym_t buffer, sym_t x, int k, bool low) {
    sym_ctx *c = l->syms;
    const lower_operand *o = &p->side[side];
    sym_t at = sym_addi(c, sym_muli(c, buffer, o->elements), low ? tile_elements(p, o) : 0), width = sym_const(c, o->width);
    if (o->k_inner) return sym_add(c, at, sym_addi(c, sym_muli(c, x, o->width), (int64_t)k / o->width * panel_rows(p, o) * o->width + k % o->width));
    sym_t panel = sym_floordiv(c, x, width), in = sym_mod(c, x, width);
    at = sym_add(c, at, sym_muli(c, panel, (int64_t)panel_rows(p, o) * o->width));
    return sym_add(c, at, sym_addi(c, in, (int64_t)k * o->width));
}

/* First position along the side of this warpgroup's part i. */
static sym_t part_at(lower *l, const lower_contract *p, int side, int i) {
    int bits[2] = {lower_log2(p->threads[0]), lower_log2(p->threads[1])};
    sym_t group = lower_coordinate(l, side ? GROUP_BITS : GROUP_BITS + bits[1], bits[side]);
    int64_t each = p->side[side].tile / p->threads[side];
    return sym_addi(l->syms, sym_muli(l->syms, group, each), (int64_t)i * ROWS);
}

/* ---- Staging ---- */
void lower_wgmma_store(lower *l, lower_contract *p, const lower_operand *o, sym_t at, ir_value *x, ir_value *some) {
    ir_value *part[2] = {x, NULL};
    if (o->t == FRIT_f32) {
        part[0] = lower_mma_upper(l, x);
        part[1] = lower_build(l, l->depth, IR_sub, 2, (ir_value *[]){x, part[0]}, x->type);
    }
    for (int i = 0; i < 2 && part[i]; i++) {
        ir_op *op = lower_store(l, o->ptr, lower_index(l, sym_addi(l->syms, at, i * tile_elements(p, o))), part[i], some);
        if (x->type.lanes > 1) ir_set_int(l->m, op, IR_ATTR_align, x->type.lanes * bytes_of(o->t));
    }
}

/* ---- The sums ---- */
/* The sums go to the tensor cores, or come back. */
static ir_op *pass_sums(lower *l, lower_contract *p, ir_opcode code) {
    ir_type *t = arena_array(l->scratch, ir_type, p->n_sums);
    for (int i = 0; i < p->n_sums; i++) t[i] = p->sums[i]->type;
    ir_op *op = ir_build(lower_here(l), code, p->n_sums, p->sums, p->n_sums, t);
    for (int i = 0; i < p->n_sums; i++) p->sums[i] = ir_result(op, i);
    return op;
}

void lower_wgmma_zero(lower *l, lower_contract *p) {
    ir_value *zero = frit_dtype_is_float(p->sum) ? lower_float(l, p->sum, 0) : lower_int(l, p->sum, 0);
    for (int i = 0; i < p->n_sums; i++) p->sums[i] = lower_splat(l, zero, columns(p) / 2, 0);
}

void lower_wgmma_begin(lower *l, lower_contract *p) { pass_sums(l, p, IR_wgmma_fence); }

void lower_wgmma_end(lower *l, lower_contract *p) { ir_set_int(l->m, pass_sums(l, p, IR_wgmma_wait), IR_ATTR_pending, 0); }

/* ---- A chunk ---- */
/* sum + A B over the instruction's reduced positions from k on; low: the side's lower parts of split elements; held: A, where it is
 * in registers, or NULL. */
static void multiply(lower *l, lower_contract *p, ir_value **sum, ir_value *held, const sym_t *x, const bool *low, sym_t buffer, int k) {
    ir_value *v[5] = {*sum, held};
    int64_t swizzle[2] = {0}, major[2] = {0}, leading[2] = {0}, stride[2] = {0};
    int n = held ? 2 : 1;
    for (int i = held ? 1 : 0; i < 2; i++) {
        int side = i ? !p->rows_of : p->rows_of;
        const lower_operand *o = &p->side[side];
        v[n++] = o->ptr;
        v[n++] = lower_index(l, start_at(l, p, side, buffer, x[side], k, low[side]));
        swizzle[i] = ROW_BYTES;
        major[i] = !o->k_inner;
        leading[i] = o->k_inner ? PIECE_BYTES : (int64_t)panel_rows(p, o) * ROW_BYTES;
        stride[i] = ROW_TURNS * ROW_BYTES;
    }
    ir_value *r = lower_build(l, l->depth, IR_wgmma, n, v, (*sum)->type);
    ir_set_ints(l->m, r->op, IR_ATTR_swizzle, 2, swizzle);
    ir_set_ints(l->m, r->op, IR_ATTR_major, 2, major);
    ir_set_ints(l->m, r->op, IR_ATTR_leading, 2, leading);
    ir_set_ints(l->m, r->op, IR_ATTR_stride, 2, stride);
    *sum = r;
}

void lower_wgmma_sum_chunk(lower *l, lower_contract *p, sym_t buffer) {
    static const bool parts[3][2] = {{false, false}, {true, false}, {false, true}};
    int m = row_parts(p), a = p->rows_of;
    ir_build(lower_here(l), IR_wgmma_fence, 0, NULL, 0, NULL);
    for (int k = 0; k < p->chunk; k += step_of(p->side[0].t))
        for (int i = 0; i < m; i++)
            for (int part = 0; part < (is_split(p) ? 3 : 1); part++) {
                sym_t x[2];
                x[a] = part_at(l, p, a, i), x[!a] = part_at(l, p, !a, 0);
                multiply(l, p, &p->sums[part ? m + i : i], NULL, x, parts[part], buffer, k);
            }
    ir_build(lower_here(l), IR_wgmma_commit, 0, NULL, 0, NULL);
}

/* ---- Rows that warps own ---- */
bool lower_wgmma_may_take_rows(const lower *l, const lower_contract *p, int side) {
    bool four = l->lim->atoms & FRIT_ATOM_WGMMA && l->lim->threads % (1 << GROUP_BITS) == 0 && side == 0;
    const lower_operand *o = &p->side[1];
    return four && lower_mma_has_matrix_loads(p) && p->chunk % step_of(p->product->in) == 0 && o->tile <= MOST_COLS;
}

void lower_wgmma_sum_rows(lower *l, const lower_contract *p, sym_t buffer) {
    enum { MOST_STEPS = 16, EACH = 4 };
    static const bool whole[2] = {false, false};
    lower_contract w = *p;
    int step = step_of(p->product->in), steps = p->chunk / step, n_held = p->side[0].held ? steps : 0;
    ir_value *v[1 + MOST_STEPS];
    ir_type t[1 + MOST_STEPS];
    w.wgmma = true, w.rows_of = 0, w.n_sums = 1, w.sums = v;
    w.threads[0] = l->lim->threads >> GROUP_BITS, w.threads[1] = 1;
    lower_wgmma_zero(l, &w);
    for (int i = 0; i < n_held; i++) v[1 + i] = lower_rows_fragment(l, p, 0, 0, i * step);
    for (int i = 0; i <= n_held; i++) t[i] = v[i]->type;
    ir_op *fence = ir_build(lower_here(l), IR_wgmma_fence, 1 + n_held, v, 1 + n_held, t);
    for (int i = 0; i <= n_held; i++) v[i] = ir_result(fence, i);
    sym_t x[2] = {part_at(l, &w, 0, 0), sym_const(l->syms, 0)};
    for (int i = 0; i < steps; i++) multiply(l, &w, v, n_held ? v[1 + i] : NULL, x, whole, buffer, i * step);
    ir_build(lower_here(l), IR_wgmma_commit, 0, NULL, 0, NULL);
    lower_wgmma_end(l, &w);
    for (int i = 0; i < p->n_sums; i++) {
        p->sums[i] = lower_build(l, l->depth, IR_extract, 1, v, ir_vector(p->sum, EACH));
        ir_set_int(l->m, p->sums[i]->op, IR_ATTR_offset, i * EACH);
    }
}

void lower_wgmma_wait(lower *l, const lower_contract *p) {
    ir_op *op = ir_build(lower_here(l), IR_wgmma_wait, 0, NULL, 0, NULL);
    ir_set_int(l->m, op, IR_ATTR_pending, p->in_flight);
}

/* ---- The result ---- */
/* Elements of part i: of every 8 columns what a thread has of a product of 16 x 8 by each warp. All lie at constant
 * distances from the first. */
static void store_part(lower *l, lower_contract *p, int i, ir_value *v) {
    enum { WARP_BITS = 5, WARP_ROWS = 16, HALF = 8 };
    sym_ctx *c = l->syms;
    int a = p->rows_of, pair = p->n_inner == !a ? 2 : 1; /* columns that are neighbours in memory */
    sym_t warp = lower_coordinate(l, WARP_BITS, GROUP_BITS - WARP_BITS), at[2];
    at[a] = sym_add(c, part_at(l, p, a, i), sym_add(c, sym_muli(c, warp, WARP_ROWS), lower_coordinate(l, 2, 3)));
    at[!a] = sym_add(c, part_at(l, p, !a, 0), sym_muli(c, lower_coordinate(l, 0, 2), 2));
    ir_value *first[2] = {p->result, lower_index(l, lower_result_at(l, p, at[0], at[1]))};
    ir_value *ptr = lower_build(l, l->depth, IR_ptradd, 2, first, p->result->type);
    for (int e = 0; e < v->type.lanes; e += pair) {
        at[a] = sym_const(c, e / 2 % 2 * HALF), at[!a] = sym_const(c, (int64_t)(e / 4) * COLS + e % 2);
        ir_value *x = lower_build(l, l->depth, IR_extract, 1, &v, ir_vector((frit_dtype)v->type.dtype, pair));
        ir_set_int(l->m, x->op, IR_ATTR_offset, e);
        ir_op *op = lower_store(l, ptr, lower_index(l, lower_result_at(l, p, at[0], at[1])), x, NULL);
        if (pair > 1) ir_set_int(l->m, op, IR_ATTR_align, pair * bytes_of(p->sum));
    }
}

/* Of every 8 columns a thread has two neighbours, in two rows of each 16. */
void lower_wgmma_fragment(lower *l, const lower_contract *p, lower_fragment *f) {
    enum { WARP_BITS = 5, WARP_ROWS = 16, HALF = 8 };
    sym_ctx *c = l->syms;
    int a = p->rows_of, m = row_parts(p), count[2] = {2 * m, columns(p) / 4};
    sym_t warp = lower_coordinate(l, WARP_BITS, GROUP_BITS - WARP_BITS);
    f->first[a] = sym_add(c, part_at(l, p, a, 0), sym_add(c, sym_muli(c, warp, WARP_ROWS), lower_coordinate(l, 2, 3)));
    f->first[!a] = sym_add(c, part_at(l, p, !a, 0), sym_muli(c, lower_coordinate(l, 0, 2), 2));
    for (int i = 0; i < 2; i++) {
        int side = i ? !a : a;
        f->count[side] = count[i];
        f->offset[side] = arena_array(l->scratch, int64_t, count[i]);
        for (int k = 0; k < count[i]; k++) f->offset[side][k] = i ? k / 2 * COLS + k % 2 : k / 2 * ROWS + k % 2 * HALF;
    }
    if (!p->sums) return;
    f->sum = arena_array(l->scratch, ir_value *, count[0] * count[1]);
    f->lane = arena_array(l->scratch, int, count[0] * count[1]);
    for (int i = 0; i < m; i++) {
        ir_value *sum = lower_mma_whole_sum(l, p, i, m);
        for (int k = 0; k < 2 * count[1]; k++) {
            int row = 2 * i + k / count[1], col = k % count[1], at = a ? col * count[0] + row : row * count[1] + col;
            f->sum[at] = sum;
            f->lane[at] = col / 2 * 4 + k / count[1] * 2 + col % 2;
        }
    }
}

void lower_wgmma_store_sums(lower *l, lower_contract *p) {
    int m = row_parts(p);
    for (int i = 0; i < m; i++) store_part(l, p, i, lower_mma_whole_sum(l, p, i, m));
}
