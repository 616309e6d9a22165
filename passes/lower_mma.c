/* Sums of products by matrix instructions of a warp (ir/products.def, which says where a thread's elements lie). The warps of
 * a block share the tile as a grid of equal parts; each part is as many rows and columns of instructions as fit it.
 *
 * Products of f32 by instructions that read 19 bits of them are split: x = hi + lo with hi of 11 and lo of the next 11 bits
 * of significand, and x y = hi hi + (hi lo + lo hi) up to 2^-21 of it, mostly far less (Ootomo and Yokota, "Recovering
 * single precision accuracy from Tensor Cores while surpassing the FP32 theoretical peak performance", 2022). The small
 * products have sums of their own. A sum that is infinite or NaN is made again, term by term in f32: operands that parts can't
 * hold (infinities, NaN, the largest numbers) show there (lower_epilogue.c). */
#include "lower_contract.h"
#include <string.h>

enum { CHUNK_BYTES = 64, LEAST_PART = 16 };

/* ---- Which instruction ---- */
static const ir_product *product_for(const lower *l, frit_dtype in, frit_dtype sum) {
    for (int i = 0; ir_product_at(i); i++) {
        const ir_product *q = ir_product_at(i);
        if (q->in == in && q->acc == sum && q->warp == l->lim->warp && l->lim->atoms & q->family) return q;
    }
    return NULL;
}

/* v without the cast that widens it from t. */
static const ir_value *narrow(const ir_value *v, frit_dtype t) {
    return ir_is(v, IR_cast) && ir_operand(v->op, 0)->type.dtype == t ? ir_operand(v->op, 0) : v;
}

bool lower_mma_narrow(lower_contract *p, frit_dtype t) {
    const ir_value *x = narrow(p->side[0].v, t), *y = narrow(p->side[1].v, t);
    if (x->type.dtype != t || y->type.dtype != t) return false;
    p->side[0].v = x, p->side[1].v = y;
    return true;
}

bool lower_mma_plan(lower *l, lower_contract *p) {
    static const frit_dtype narrow_types[] = {FRIT_f16, FRIT_bf16, FRIT_i8};
    if (l->lim->threads < l->lim->warp) return false;
    for (size_t i = 0; i < sizeof narrow_types / sizeof *narrow_types && !p->product; i++) {
        const ir_product *q = product_for(l, narrow_types[i], p->sum);
        if (q && lower_mma_narrow(p, narrow_types[i])) p->product = q;
    }
    if (!p->product) p->product = product_for(l, p->sum, p->sum);
    if (!p->product) return false;
    p->chunk = CHUNK_BYTES * 8 / (int)frit_dtype_bits(p->product->in);
    return true;
}

bool lower_mma_is_split(const lower_contract *p) {
    return p->wgmma ? p->side[0].t == FRIT_f32 : p->product && ir_product_is_tf32(p->product);
}
static bool is_split(const lower_contract *p) { return lower_mma_is_split(p); }

/* ---- Who has what ---- */
static int unit(const lower_contract *p, int side) { return side ? p->product->n : p->product->m; }
static int parts(const lower_contract *p, int side) { return p->side[side].tile / p->threads[side] / unit(p, side); }

bool lower_mma_share(lower *l, lower_contract *p) {
    int warps = l->lim->threads / p->product->warp;
    p->threads[0] = p->threads[1] = 1;
    while (p->threads[0] * p->threads[1] < warps) {
        int m = p->side[0].tile / p->threads[0], n = p->side[1].tile / p->threads[1], i = m > n ? 0 : 1;
        if ((i ? n : m) < 2 * LEAST_PART) i = !i;
        if ((i ? n : m) < 2 * LEAST_PART) return false;
        p->threads[i] *= 2;
    }
    p->n_sums = parts(p, 0) * parts(p, 1) * (is_split(p) ? 2 : 1);
    return true;
}

static int words_of(const lower_contract *p, int o, frit_dtype t) {
    return (ir_product_elements(p->product, o) * (int)frit_dtype_bits(t) + 31) / 32;
}

int lower_mma_registers(lower *l, lower_contract *p) {
    if (!lower_mma_share(l, p)) return 0;
    int n = p->n_sums * words_of(p, 2, p->sum);
    for (int i = 0; i < 2; i++) n += parts(p, i) * words_of(p, i, p->product->in) * (is_split(p) ? 2 : 1);
    return n;
}

/* First row (column) of this warp's part i. */
static sym_t part_at(lower *l, const lower_contract *p, int side, int i) {
    int bits[2] = {lower_log2(p->threads[0]), lower_log2(p->threads[1])}, first = lower_log2(p->product->warp);
    sym_t warp = lower_coordinate(l, side ? first : first + bits[1], bits[side]);
    return sym_addi(l->syms, sym_muli(l->syms, warp, (int64_t)unit(p, side) * parts(p, side)), (int64_t)unit(p, side) * i);
}

/* An operand's matrix in shared memory: elements from row to row and from column to column. */
typedef struct layout {
    const ir_product *product;
    int operand;
    int64_t row, column;
    const ir_product_order *order; /* of the positions along k; NULL: as they are */
} layout;

static layout layout_of(const lower_contract *p, int side) {
    const lower_operand *o = &p->side[side];
    int64_t along_x = o->k_inner ? o->ld : 1, along_k = o->k_inner ? 1 : o->ld;
    return (layout){p->product, side, side ? along_k : along_x, side ? along_x : along_k, &p->order};
}

/* Elements from the matrix's first one to element i of a thread. */
static int64_t distance(const layout *m, int lane, int i) {
    int row, column;
    ir_product_place(m->product, m->operand, lane, i, &row, &column);
    int *k = m->operand ? &row : &column;
    *k = ir_product_ordered(m->order, *k);
    return row * m->row + column * m->column;
}

/* The same for this thread's element 0: bits of its number that count alike are taken together. */
static sym_t thread_at(lower *l, const layout *m) {
    int bits = lower_log2(m->product->warp);
    sym_t at = sym_const(l->syms, 0);
    for (int b = 0, n; b < bits; b += n) {
        int64_t step = distance(m, 1 << b, 0);
        for (n = 1; b + n < bits && distance(m, 1 << (b + n), 0) == step << n;) n++;
        if (step) at = sym_add(l->syms, at, sym_muli(l->syms, lower_coordinate(l, b, n), step));
    }
    return at;
}

/* A power of two of elements, at most `most`, that lie side by side wherever a thread's elements do. */
static int run_of(const layout *m, int most) {
    int n = ir_product_elements(m->product, m->operand), run = most < n ? most : n;
    for (int i = 1; i < n; i++)
        while (distance(m, 0, i) != distance(m, 0, i / run * run) + i % run) run /= 2;
    return run;
}

/* ---- Fragments ---- */
static ir_value *atom(lower *l, const char *name, int n, ir_value *const *x, ir_type t) {
    ir_value *v = lower_build(l, l->depth, IR_atom, n, x, t);
    ir_set_string(l->m, v->op, IR_ATTR_name, name);
    return v;
}

static sym_t staged_at(lower *l, const lower_operand *o, sym_t buffer, sym_t x, sym_t k) {
    sym_ctx *c = l->syms;
    sym_t row = o->k_inner ? x : k, col = o->k_inner ? k : x;
    return sym_add(c, sym_muli(c, buffer, o->elements), sym_add(c, sym_muli(c, row, o->ld), col));
}

/* Operands of the 16x8x16 products of 16 bits are what ldmatrix gives. */
bool lower_mma_has_matrix_loads(const lower_contract *p) {
    return frit_dtype_bits(p->product->in) == 16 && !strcmp(p->product->layout[0], "c2 c4 r1 r2 r4 | c1 r8 c8") &&
           !strcmp(p->product->layout[1], "r2 r4 c1 c2 c4 | r1 r8");
}

/* Four 8x8 matrices: 16 positions along the side by 16 reduced ones. Of A the second matrix is further along the side, of B
 * further along the reduced axis. */
static ir_value *load_matrices(lower *l, const lower_contract *p, int side, sym_t buffer, sym_t x, int k) {
    sym_ctx *c = l->syms;
    const lower_operand *o = &p->side[side];
    sym_t in = lower_coordinate(l, 0, 3), first = lower_coordinate(l, 3, 1), second = lower_coordinate(l, 4, 1);
    sym_t along_x = sym_muli(c, side ? second : first, 8), along_k = sym_muli(c, side ? first : second, 8);
    sym_t *rows = o->k_inner ? &along_x : &along_k;
    *rows = sym_add(c, *rows, in);
    sym_t at = staged_at(l, o, buffer, sym_add(c, x, along_x), sym_addi(c, along_k, k));
    const char *name = arena_printf(l->m->arena, "ldmatrix_x4%s_%s", o->k_inner ? "" : "_trans", frit_dtype_name(o->t));
    ir_value *v[2] = {o->ptr, lower_index(l, at)};
    return atom(l, name, 2, v, ir_vector(o->t, 8));
}

static ir_value *some_of(lower *l, ir_value *x, int first, int n) {
    ir_value *v = lower_build(l, l->depth, IR_extract, 1, &x, ir_vector((frit_dtype)x->type.dtype, n));
    ir_set_int(l->m, v->op, IR_ATTR_offset, first);
    return v;
}

/* Runs of `run` elements each: vectors of words that are as wide as a run. */
static ir_value *load_words(lower *l, const lower_operand *o, const layout *m, sym_t at, int run) {
    static const frit_dtype words[] = {[1] = FRIT_u8, [2] = FRIT_u16, [4] = FRIT_u32, [8] = FRIT_u64};
    int n = ir_product_elements(m->product, m->operand), count = n / run;
    frit_dtype word = run == 1 ? o->t : words[run * (int)frit_dtype_bits(o->t) / 8];
    ir_value *ptr = o->ptr, *offsets = lower_build(l, 0, IR_constant, 0, NULL, ir_vector(FRIT_i64, count));
    int64_t from_first[16];
    for (int i = 0; i < count; i++) from_first[i] = distance(m, 0, i * run) / run;
    ir_set_data(l->m, offsets->op, IR_ATTR_value, from_first, count * (int64_t)sizeof *from_first);
    if (run > 1) {
        at = sym_floordiv(l->syms, at, sym_const(l->syms, run));
        ptr = lower_build(l, l->depth, IR_ptrcast, 1, &ptr, ir_ptr(word, IR_CORE));
    }
    ir_value *v[2] = {lower_splat(l, lower_index(l, at), count, lower_depth(l, at)), offsets};
    ir_value *index = lower_build(l, l->depth, IR_add, 2, v, ir_vector(FRIT_i64, count));
    ir_value *x = lower_load(l, l->depth, ptr, index, ir_vector(word, count), NULL, NULL);
    return run == 1 ? x : lower_build(l, l->depth, IR_reinterpret, 1, &x, ir_vector(o->t, n));
}

static ir_value *load_fragment(lower *l, const lower_contract *p, int side, sym_t buffer, sym_t x, int k) {
    const lower_operand *o = &p->side[side];
    layout m = layout_of(p, side);
    int n = ir_product_elements(p->product, side), size = (int)frit_dtype_bits(o->t) / 8, run = run_of(&m, n);
    sym_t at = sym_add(l->syms, staged_at(l, o, buffer, x, sym_const(l->syms, ir_product_ordered(&p->order, k))), thread_at(l, &m));
    if (run < n) return load_words(l, o, &m, at, run_of(&m, 8 / size));
    ir_value *v = lower_load(l, l->depth, o->ptr, lower_index(l, at), ir_vector(o->t, n), NULL, NULL);
    if (n > 1) ir_set_int(l->m, v->op, IR_ATTR_align, n * size < 16 ? n * size : 16);
    return v;
}

/* ---- Split f32 ---- */
static ir_value *op2(lower *l, ir_opcode code, ir_value *x, ir_value *y, frit_dtype t) {
    return lower_build(l, l->depth, code, 2, (ir_value *[]){x, y}, ir_vector(t, x->type.lanes));
}
static ir_value *op1(lower *l, ir_opcode code, ir_value *x, frit_dtype t) {
    return lower_build(l, l->depth, code, 1, &x, ir_vector(t, x->type.lanes));
}
static ir_value *word(lower *l, int64_t v, int lanes) { return lower_splat(l, lower_int(l, FRIT_i32, v), lanes, 0); }

static ir_value *bits2(lower *l, ir_opcode code, ir_value *x, ir_value *y) { return op2(l, code, x, y, FRIT_i32); }

/* x rounded to 11 bits of significand. Of NaN and infinities something is left in one part or the other; large numbers become
 * infinite: a sum of such products is no number, and made again. */
ir_value *lower_mma_upper(lower *l, ir_value *x) {
    enum { LOW = 0x1FFF, HALF = 0x1000 };
    int n = x->type.lanes;
    ir_value *bits = bits2(l, IR_add, op1(l, IR_bitcast, x, FRIT_i32), word(l, HALF, n));
    return op1(l, IR_bitcast, bits2(l, IR_and, bits, word(l, ~LOW, n)), FRIT_f32);
}

/* ---- A chunk ---- */
enum { MOST_PARTS = 64 };
typedef struct fragments {
    ir_value *hi[MOST_PARTS], *lo[MOST_PARTS];
} fragments;

/* Fragment i, and its neighbour where one instruction loads both. */
static void load_part(lower *l, const lower_contract *p, int side, sym_t buffer, int k, int i, fragments *f) {
    sym_t at = sym_addi(l->syms, part_at(l, p, side, i), p->side[side].from);
    if (p->side[side].held) {
        f->hi[i] = lower_rows_fragment(l, p, side, i, k);
    } else if (!lower_mma_has_matrix_loads(p)) {
        f->hi[i] = load_fragment(l, p, side, buffer, at, k);
    } else if (!side) {
        f->hi[i] = load_matrices(l, p, side, buffer, at, k);
    } else if (i % 2 == 0) {
        ir_value *x = load_matrices(l, p, side, buffer, at, k);
        f->hi[i] = some_of(l, x, 0, 4);
        f->hi[i + 1] = some_of(l, x, 4, 4);
    }
    if (!is_split(p)) return;
    ir_value *x = f->hi[i];
    f->hi[i] = lower_mma_upper(l, x);
    f->lo[i] = op2(l, IR_sub, x, f->hi[i], FRIT_f32);
}

static void multiply(lower *l, const char *name, ir_value *x, ir_value *y, ir_value **sum) {
    *sum = atom(l, name, 3, (ir_value *[]){x, y, *sum}, (*sum)->type);
}

/* One step of all parts: fragments of A stay, those of B pass. */
static void sum_step(lower *l, lower_contract *p, sym_t buffer, int k) {
    const char *name = p->product->name;
    int m = parts(p, 0), n = parts(p, 1);
    fragments a, b;
    for (int i = 0; i < m; i++) load_part(l, p, 0, buffer, k, i, &a);
    for (int j = 0; j < n; j++) {
        load_part(l, p, 1, buffer, k, j, &b);
        for (int i = 0; i < m; i++) {
            ir_value **sum = &p->sums[i * n + j], **small = sum + m * n;
            multiply(l, name, a.hi[i], b.hi[j], sum);
            if (!is_split(p)) continue;
            multiply(l, name, a.lo[i], b.hi[j], small);
            multiply(l, name, a.hi[i], b.lo[j], small);
        }
    }
}

void lower_mma_sum_chunk(lower *l, lower_contract *p, sym_t buffer) {
    for (int k = 0; k < p->chunk; k += p->product->k) sum_step(l, p, buffer, k);
}

void lower_mma_zero(lower *l, lower_contract *p) {
    ir_value *zero = frit_dtype_is_float(p->sum) ? lower_float(l, p->sum, 0) : lower_int(l, p->sum, 0);
    for (int i = 0; i < p->n_sums; i++) p->sums[i] = lower_splat(l, zero, ir_product_elements(p->product, 2), 0);
}

/* ---- The result ---- */
ir_value *lower_mma_whole_sum(lower *l, const lower_contract *p, int i, int n) {
    return lower_mma_is_split(p) && !p->whole ? op2(l, IR_add, p->sums[i], p->sums[n + i], FRIT_f32) : p->sums[i];
}

void lower_mma_make_whole(lower *l, lower_contract *p) {
    if (!lower_mma_is_split(p) || p->whole) return;
    p->n_sums /= 2;
    for (int i = 0; i < p->n_sums; i++) p->sums[i] = lower_mma_whole_sum(l, p, i, p->n_sums);
    p->whole = true;
}

static void store_part(lower *l, lower_contract *p, int i, int j, ir_value *v) {
    int ld = p->result_ld[p->n_inner], size = (int)frit_dtype_bits(p->sum) / 8, n = v->type.lanes;
    layout m = {p->product, 2, p->n_inner ? ld : 1, p->n_inner ? 1 : ld, NULL};
    int run = run_of(&m, 16 / size);
    sym_t at = lower_result_at(l, p, part_at(l, p, 0, i), part_at(l, p, 1, j));
    at = sym_add(l->syms, at, thread_at(l, &m));
    for (int e = 0; e < n; e += run) {
        ir_value *index = lower_index(l, sym_addi(l->syms, at, distance(&m, 0, e)));
        ir_op *op = lower_store(l, p->result, index, some_of(l, v, e, run), NULL);
        if (run > 1) ir_set_int(l->m, op, IR_ATTR_align, run * size);
    }
}

void lower_mma_store(lower *l, lower_contract *p) {
    int m = parts(p, 0), n = parts(p, 1);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) store_part(l, p, i, j, lower_mma_whole_sum(l, p, i * n + j, m * n));
}

/* Positions of one instruction's elements of a thread along an axis, in order; at[e] is that of element e. */
int lower_mma_places(const ir_product *q, int axis, int64_t *offset, int *at) {
    int n = ir_product_elements(q, 2), count = 0, place[2];
    for (int e = 0; e < n; e++) {
        int i = 0;
        ir_product_place(q, 2, 0, e, &place[0], &place[1]);
        while (i < count && offset[i] < place[axis]) i++;
        if (i == count || offset[i] != place[axis]) {
            for (int k = count++; k > i; k--) offset[k] = offset[k - 1];
            offset[i] = place[axis];
        }
    }
    for (int e = 0; at && e < n; e++) {
        ir_product_place(q, 2, 0, e, &place[0], &place[1]);
        for (int i = 0; i < count; i++)
            if (offset[i] == place[axis]) at[e] = i;
    }
    return count;
}

void lower_mma_fragment(lower *l, const lower_contract *p, lower_fragment *f) {
    enum { MOST = 16 };
    int m = parts(p, 0), n = parts(p, 1), elements = ir_product_elements(p->product, 2), each[2], at[2][MOST];
    for (int i = 0; i < 2; i++) {
        int64_t offset[MOST];
        layout own = {p->product, 2, !i, i, NULL};
        each[i] = lower_mma_places(p->product, i, offset, at[i]);
        f->count[i] = each[i] * parts(p, i);
        f->offset[i] = arena_array(l->scratch, int64_t, f->count[i]);
        for (int k = 0; k < f->count[i]; k++) f->offset[i][k] = (int64_t)(k / each[i]) * unit(p, i) + offset[k % each[i]];
        f->first[i] = sym_addi(l->syms, sym_add(l->syms, part_at(l, p, i, 0), thread_at(l, &own)), p->side[i].from);
    }
    if (!p->sums) return;
    f->sum = arena_array(l->scratch, ir_value *, f->count[0] * f->count[1]);
    f->lane = arena_array(l->scratch, int, f->count[0] * f->count[1]);
    for (int i = 0; i < m * n; i++) {
        ir_value *sum = lower_mma_whole_sum(l, p, i, m * n);
        for (int e = 0; e < elements; e++) {
            int row = i / n * each[0] + at[0][e], col = i % n * each[1] + at[1][e];
            f->sum[row * f->count[1] + col] = sum;
            f->lane[row * f->count[1] + col] = e;
        }
    }
}
