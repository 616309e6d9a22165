/* Sums of products by matrix instructions of a warp (ir/atoms.def). The warps of a block share the tile as a grid of equal
 * parts; each part is rows of 16 by columns of 8, which one instruction adds a step of products to.
 *
 * Products of f32 are split: x = hi + lo with hi of 11 and lo of the next 11 bits of significand, and
 * x y = hi hi + (hi lo + lo hi) up to 2^-22 of it (Ootomo and Yokota, "Recovering single precision accuracy from Tensor
 * Cores while surpassing the FP32 theoretical peak performance", 2022). The small products have sums of their own, which
 * count only where the sum of the large ones is finite: infinities and NaN come out as in f32. */
#include "lower_contract.h"

enum { WARP_BITS = 5, ROWS = 16, COLS = 8 };

typedef struct shape {
    frit_dtype t;
    const char *multiply, *load, *load_trans;
    int step;  /* reduced positions of an instruction */
    int chunk; /* staged at a time */
} shape;

static const shape shapes[] = {
    {FRIT_f16, "mma_m16n8k16_f16", "ldmatrix_x4_f16", "ldmatrix_x4_trans_f16", 16, 32},
    {FRIT_bf16, "mma_m16n8k16_bf16", "ldmatrix_x4_bf16", "ldmatrix_x4_trans_bf16", 16, 32},
    {FRIT_f32, "mma_m16n8k8_tf32", NULL, NULL, 8, 16},
};

static const shape *shape_of(frit_dtype t) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (shapes[i].t == t) return &shapes[i];
    return NULL;
}

static bool is_split(const lower_contract *p) { return p->side[0].t == FRIT_f32; }

/* v without the cast that widens it from t. */
static const ir_value *narrow(const ir_value *v, frit_dtype t) {
    return ir_is(v, IR_cast) && ir_operand(v->op, 0)->type.dtype == t ? ir_operand(v->op, 0) : v;
}

bool lower_mma_plan(lower *l, lower_contract *p) {
    bool warps = l->lim->warp == 1 << WARP_BITS && l->lim->threads >= 1 << WARP_BITS;
    if (!(l->lim->atoms & FRIT_ATOM_MMA_16816) || !warps || p->sum != FRIT_f32) return false;
    for (frit_dtype t = FRIT_f16; !p->mma; t = FRIT_bf16) {
        const ir_value *x = narrow(p->side[0].v, t), *y = narrow(p->side[1].v, t);
        p->mma = x->type.dtype == t && y->type.dtype == t;
        if (p->mma) p->side[0].v = x, p->side[1].v = y;
        if (t == FRIT_bf16) break;
    }
    p->mma = true;
    p->chunk = shape_of((frit_dtype)p->side[0].v->type.dtype)->chunk;
    return true;
}

/* ---- Who has what ---- */
static int log2_of(int64_t n) { return 63 - __builtin_clzll((uint64_t)n); }
static int parts(const lower_contract *p, int side) { return p->side[side].tile / p->threads[side] / (side ? COLS : ROWS); }

bool lower_mma_share(lower *l, lower_contract *p) {
    int warps = l->lim->threads >> WARP_BITS;
    p->threads[0] = p->threads[1] = 1;
    while (p->threads[0] * p->threads[1] < warps) {
        int m = p->side[0].tile / p->threads[0], n = p->side[1].tile / p->threads[1], i = m > n ? 0 : 1;
        if ((i ? n : m) < 2 * ROWS) i = !i;
        if ((i ? n : m) < 2 * ROWS) return false;
        p->threads[i] *= 2;
    }
    p->n_sums = parts(p, 0) * parts(p, 1) * (is_split(p) ? 2 : 1);
    return true;
}

/* First row (column) of this warp's part i. */
static sym_t part_at(lower *l, const lower_contract *p, int side, int i) {
    int bits[2] = {log2_of(p->threads[0]), log2_of(p->threads[1])}, unit = side ? COLS : ROWS;
    sym_t warp = lower_coordinate(l, side ? WARP_BITS : WARP_BITS + bits[1], bits[side]);
    return sym_addi(l->syms, sym_muli(l->syms, warp, (int64_t)unit * parts(p, side)), (int64_t)unit * i);
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

/* Four 8x8 matrices: 16 positions along the side by 16 reduced ones. Of A the second matrix is further along the side, of B
 * further along the reduced axis. */
static ir_value *load_halves(lower *l, const lower_contract *p, int side, sym_t buffer, sym_t x, int k) {
    sym_ctx *c = l->syms;
    const lower_operand *o = &p->side[side];
    sym_t in = lower_coordinate(l, 0, 3), first = lower_coordinate(l, 3, 1), second = lower_coordinate(l, 4, 1);
    sym_t along_x = sym_muli(c, side ? second : first, 8), along_k = sym_muli(c, side ? first : second, 8);
    sym_t *rows = o->k_inner ? &along_x : &along_k;
    *rows = sym_add(c, *rows, in);
    sym_t at = staged_at(l, o, buffer, sym_add(c, x, along_x), sym_addi(c, along_k, k));
    const shape *s = shape_of(o->t);
    ir_value *v[2] = {o->ptr, lower_index(l, at)};
    return atom(l, o->k_inner ? s->load : s->load_trans, 2, v, ir_vector(o->t, 8));
}

static ir_value *half_of(lower *l, ir_value *x, int i) {
    ir_value *v = lower_build(l, l->depth, IR_extract, 1, &x, ir_vector((frit_dtype)x->type.dtype, x->type.lanes / 2));
    ir_set_int(l->m, v->op, IR_ATTR_offset, i * x->type.lanes / 2);
    return v;
}

static ir_value *offsets(lower *l, int n, const int64_t *v) {
    ir_value *x = lower_build(l, 0, IR_constant, 0, NULL, ir_vector(FRIT_i64, n));
    ir_set_data(l->m, x->op, IR_ATTR_value, v, n * (int64_t)sizeof *v);
    return x;
}

/* f32: single elements, 8 further along the side and 4 along the reduced axis. */
static ir_value *load_words(lower *l, const lower_contract *p, int side, sym_t buffer, sym_t x, int k) {
    sym_ctx *c = l->syms;
    const lower_operand *o = &p->side[side];
    int64_t far_x = o->k_inner ? 8 * (int64_t)o->ld : 8, far_k = o->k_inner ? 4 : 4 * (int64_t)o->ld;
    int64_t a[4] = {0, far_x, far_k, far_x + far_k}, b[2] = {0, far_k};
    int n = side ? 2 : 4;
    sym_t at = staged_at(l, o, buffer, sym_add(c, x, lower_coordinate(l, 2, 3)), sym_addi(c, lower_coordinate(l, 0, 2), k));
    ir_type t = ir_vector(FRIT_i64, n);
    ir_value *v[2] = {lower_splat(l, lower_index(l, at), n, lower_depth(l, at)), offsets(l, n, side ? b : a)};
    return lower_load(l, l->depth, o->ptr, lower_build(l, l->depth, IR_add, 2, v, t), ir_vector(FRIT_f32, n), NULL, NULL);
}

/* ---- Split f32 ---- */
static ir_value *op2(lower *l, ir_opcode code, ir_value *x, ir_value *y, frit_dtype t) {
    return lower_build(l, l->depth, code, 2, (ir_value *[]){x, y}, ir_vector(t, x->type.lanes));
}
static ir_value *op1(lower *l, ir_opcode code, ir_value *x, frit_dtype t) {
    return lower_build(l, l->depth, code, 1, &x, ir_vector(t, x->type.lanes));
}
static ir_value *word(lower *l, int64_t v, int lanes) { return lower_splat(l, lower_int(l, FRIT_i32, v), lanes, 0); }
static ir_value *choose(lower *l, ir_value *c, ir_value *x, ir_value *y) {
    return lower_build(l, l->depth, IR_select, 3, (ir_value *[]){c, x, y}, x->type);
}

/* x rounded to 11 bits of significand; cut off where rounding would give infinity; NaN whatever its payload. */
static ir_value *upper_part(lower *l, ir_value *x) {
    int n = x->type.lanes;
    ir_value *bits = op1(l, IR_bitcast, x, FRIT_i32), *mask = word(l, -8192, n);
    ir_value *rounded = op2(l, IR_and, op2(l, IR_add, bits, word(l, 4096, n), FRIT_i32), mask, FRIT_i32);
    ir_value *cut = op2(l, IR_and, bits, mask, FRIT_i32), *size = op2(l, IR_and, bits, word(l, INT32_MAX, n), FRIT_i32);
    ir_value *large = op2(l, IR_le, word(l, 0x7F7FF000, n), size, FRIT_bool);
    ir_value *nan = op2(l, IR_lt, word(l, 0x7F800000, n), size, FRIT_bool);
    ir_value *hi = choose(l, nan, word(l, 0x7FC00000, n), choose(l, large, cut, rounded));
    return op1(l, IR_bitcast, hi, FRIT_f32);
}

/* ---- A chunk ---- */
typedef struct fragments {
    int n;
    ir_value *hi[16], *lo[16];
} fragments;

static void load_side(lower *l, const lower_contract *p, int side, sym_t buffer, int k, fragments *f) {
    f->n = parts(p, side);
    for (int i = 0; i < f->n; i++) {
        if (is_split(p)) {
            ir_value *x = load_words(l, p, side, buffer, part_at(l, p, side, i), k);
            f->hi[i] = upper_part(l, x);
            f->lo[i] = op2(l, IR_sub, x, f->hi[i], FRIT_f32);
        } else if (!side) {
            f->hi[i] = load_halves(l, p, side, buffer, part_at(l, p, side, i), k);
        } else if (i % 2 == 0) { /* two columns of parts at once */
            ir_value *x = load_halves(l, p, side, buffer, part_at(l, p, side, i), k);
            f->hi[i] = half_of(l, x, 0);
            f->hi[i + 1] = half_of(l, x, 1);
        }
    }
}

static void multiply(lower *l, const char *name, ir_value *x, ir_value *y, ir_value **sum) {
    *sum = atom(l, name, 3, (ir_value *[]){x, y, *sum}, (*sum)->type);
}

void lower_mma_sum_chunk(lower *l, lower_contract *p, sym_t buffer) {
    const shape *s = shape_of(p->side[0].t);
    fragments a, b;
    for (int k = 0; k < p->chunk; k += s->step) {
        load_side(l, p, 0, buffer, k, &a);
        load_side(l, p, 1, buffer, k, &b);
        for (int i = 0; i < a.n; i++)
            for (int j = 0; j < b.n; j++) {
                ir_value **sum = &p->sums[i * b.n + j], **small = sum + a.n * b.n;
                multiply(l, s->multiply, a.hi[i], b.hi[j], sum);
                if (!is_split(p)) continue;
                multiply(l, s->multiply, a.lo[i], b.hi[j], small);
                multiply(l, s->multiply, a.hi[i], b.lo[j], small);
            }
    }
}

void lower_mma_zero(lower *l, lower_contract *p) {
    for (int i = 0; i < p->n_sums; i++) p->sums[i] = lower_splat(l, lower_float(l, FRIT_f32, 0), 4, 0);
}

/* ---- The result ---- */
static ir_value *whole_sum(lower *l, ir_value *large, ir_value *small) {
    ir_value *zero = op2(l, IR_sub, large, large, FRIT_f32), *finite = op2(l, IR_eq, zero, zero, FRIT_bool);
    return choose(l, finite, op2(l, IR_add, large, small, FRIT_f32), large);
}

static void store_part(lower *l, lower_contract *p, int i, int j, ir_value *v) {
    sym_ctx *c = l->syms;
    for (int e = 0; e < 4; e++) {
        sym_t row = sym_add(c, part_at(l, p, 0, i), sym_addi(c, lower_coordinate(l, 2, 3), e / 2 * 8));
        sym_t col = sym_add(c, part_at(l, p, 1, j), sym_addi(c, sym_muli(c, lower_coordinate(l, 0, 2), 2), e % 2));
        ir_value *x = lower_build(l, l->depth, IR_extract, 1, &v, ir_vector(FRIT_f32, 1));
        ir_set_int(l->m, x->op, IR_ATTR_offset, e);
        lower_store(l, p->result, lower_index(l, lower_result_at(l, p, row, col)), x, NULL);
    }
}

void lower_mma_store(lower *l, lower_contract *p) {
    int m = parts(p, 0), n = parts(p, 1);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            ir_value *v = p->sums[i * n + j];
            if (is_split(p)) v = whole_sum(l, v, p->sums[m * n + i * n + j]);
            store_part(l, p, i, j, v);
        }
}
