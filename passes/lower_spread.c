/* How a stage's axes are shared out among the threads of a block. An axis gets a power of two of threads; the axis along
 * which memory is contiguous comes first, so that neighbouring threads touch neighbouring addresses. Reduced axes get
 * threads where the parallel ones leave some over, or where memory is contiguous along them. */
#include "lower_internal.h"

static int bits_of(int64_t n) { return n <= 1 ? 0 : 64 - __builtin_clzll((uint64_t)n - 1); }

static int64_t clip(int64_t x, int64_t lo, int64_t hi) { return x < lo ? lo : x > hi ? hi : x; }

/* Bits of threads that find something to do along the axis. */
static int wanted_bits(const lower_stage *s, int axis) {
    int64_t e = sym_hint(s->extent[axis]);
    return bits_of((clip(e, 1, INT32_MAX) + s->tile[axis] - 1) / s->tile[axis]);
}

/* The most that the axis's positions can come to. */
static int possible_bits(lower *l, const lower_stage *s, int axis) {
    int64_t lo, hi;
    sym_range(l->syms, s->extent[axis], &lo, &hi);
    return bits_of((clip(hi, 1, INT32_MAX) + s->tile[axis] - 1) / s->tile[axis]);
}

/* A part of an open axis (a chunk, a run of it) is mostly whole, whatever the typical size of the axis. */
static int reduced_bits_wanted(lower *l, const lower_stage *s, int axis) {
    enum { LONGEST = 1 << 16 };
    int64_t lo, hi;
    sym_range(l->syms, s->extent[axis], &lo, &hi);
    return hi <= LONGEST ? possible_bits(l, s, axis) : wanted_bits(s, axis);
}

/* Bits that typical extents leave over go to the axis with contiguous memory, whose extent may turn out longer. */
static int long_bits(lower *l, const lower_stage *s, int axis, uint32_t may) {
    int spare = bits_of(l->lim->threads), want = wanted_bits(s, axis), most = possible_bits(l, s, axis);
    for (int i = 0; i < s->n; i++)
        if (i >= s->parallel || (may & lower_axis(i))) spare -= wanted_bits(s, i);
    return spare > 0 && most > want ? (int)clip(want + spare, want, most) : want;
}

ir_value *lower_thread_bits(lower *l, int64_t mask, int shift) {
    enum { TAG_BITS = 200 };
    ir_type t = ir_vector(FRIT_i64, 1);
    sym_t key = sym_const(l->syms, mask);
    ir_value *v = lower_memo_get(l, l->thread, key, TAG_BITS + shift);
    if (v) return v;
    v = lower_index(l, l->thread);
    if (mask >> shift != (l->lim->threads - 1) >> shift)
        v = lower_build(l, l->floor, IR_and, 2, (ir_value *[]){v, lower_int(l, FRIT_i64, mask)}, t);
    if (shift) v = lower_build(l, l->floor, IR_shr, 2, (ir_value *[]){v, lower_int(l, FRIT_i64, shift)}, t);
    lower_memo_put(l, l->thread, key, TAG_BITS + shift, l->floor, v);
    return v;
}

sym_t lower_coordinate(lower *l, int first, int bits) {
    sym_t count = sym_const(l->syms, INT64_C(1) << bits), v;
    if (bits == 0) return sym_const(l->syms, 0);
    if (first == 0 && (1 << bits) == l->lim->threads) return l->thread;
    for (int i = 0; i < l->coords.len; i++)
        if (l->coords.data[i].first == first && l->coords.data[i].bits == bits) return l->coords.data[i].var;
    v = sym_index(l->syms, "thread", count);
    lower_bind(l, v, lower_thread_bits(l, ((INT64_C(1) << bits) - 1) << first, first), l->floor);
    vec_push(l->scratch, &l->coords, ((lower_coord){first, bits, v}));
    return v;
}

static void give(lower *l, lower_stage *s, int axis, int bits) {
    int left = bits_of(l->lim->threads) - s->used_bits;
    if (bits > left) bits = left;
    if (bits <= 0 || s->threads[axis] > 1) return;
    s->threads[axis] = 1 << bits;
    s->first_bit[axis] = s->used_bits;
    s->coord[axis] = lower_coordinate(l, s->used_bits, bits);
    s->used_bits += bits;
    s->merges |= axis >= s->parallel;
}

/* Reduced axes meet by shuffles alone where there is no shared memory to meet in. */
static void give_reduced(lower *l, lower_stage *s, int axis, int bits) {
    if (!l->merge_bytes && bits > l->warp_bits - s->used_bits) bits = l->warp_bits - s->used_bits;
    give(l, s, axis, bits);
}

/* ---- Which axes may be shared ---- */
static bool is_nibbles(const ir_value *buffer) { return frit_dtype_bits((frit_dtype)buffer->type.dtype) < 8; }

static bool writes_nibbles(const lower_stage *s) {
    for (int i = s->first_block; i < 2; i++)
        for (const ir_op *op = s->op->blocks[i]->first; op; op = op->next)
            if (op->code == IR_write && is_nibbles(ir_operand(op, 0))) return true;
    return false;
}

static uint32_t written_apart(const lower *l, const lower_stage *s) {
    uint32_t axes = (UINT32_C(1) << s->parallel) - 1;
    if (!s->in_order) return axes;
    for (int i = s->first_block; i < 2; i++)
        for (const ir_op *op = s->op->blocks[i]->first; op; op = op->next)
            for (int k = 0; k < s->parallel && op->code == IR_write; k++)
                if (!lower_is_axis_distinct(l, s, op, k)) axes &= ~lower_axis(k);
    return axes;
}

static bool reads_own(const lower_stage *s, const ir_block *b) {
    for (const ir_op *r = b->first; r; r = r->next)
        for (int i = s->first_block; i < 2 && r->code == IR_read; i++)
            for (const ir_op *w = s->op->blocks[i]->first; w; w = w->next)
                if (w->code == IR_write && ir_operand(w, 0) == ir_operand(r, 0)) return true;
    return false;
}

static bool is_even(const lower *l, const lower_stage *s, int axis) {
    return sym_prove_multiple(l->syms, s->extent[axis], s->tile[axis] * s->threads[axis]);
}

static bool has_pairs(const lower_stage *s) {
    for (int i = 0; i < s->n_terms; i++)
        if (s->combines[i] == IR_ARGMAX || s->combines[i] == IR_ARGMIN) return true;
    return false;
}

/* Loops over parallel axes run alike for all threads where partial results are merged inside of them: positions beyond
 * an extent are computed as the last one, by whole threads; by some positions of a thread where repeating it does no harm. */
static void make_uniform(lower *l, lower_stage *s) {
    for (int i = 0; i < s->parallel; i++) {
        bool pairs = i == s->vector && has_pairs(s); /* too much to meet in shared memory as vectors */
        if (!pairs && (s->threads[i] == 1 || is_even(l, s, i) || (i != s->vector && s->repeats))) continue;
        s->tile[i] = 1;
        if (i == s->vector) s->vector = -1, l->lanes = 1;
    }
}

static void share(lower *l, lower_stage *s, uint32_t may) {
    int total = bits_of(l->lim->threads), others = 0;
    for (int i = 0; i < s->parallel; i++)
        if ((may & lower_axis(i)) && i != s->unit) others += wanted_bits(s, i);
    if (s->unit >= s->parallel) {
        int spare = total - others, least = l->warp_bits < total ? l->warp_bits : total;
        int want = long_bits(l, s, s->unit, may);
        if (!s->in_order) give_reduced(l, s, s->unit, (int)clip(want, 0, spare > least ? spare : least));
    } else if (s->unit >= 0 && (may & lower_axis(s->unit))) {
        give(l, s, s->unit, long_bits(l, s, s->unit, may));
    }
    for (int i = s->parallel - 1; i >= 0; i--)
        if (may & lower_axis(i)) give(l, s, i, s->unit < 0 && i == s->parallel - 1 ? long_bits(l, s, i, may) : wanted_bits(s, i));
    for (int i = s->n - 1; i >= s->parallel && !s->in_order; i--) {
        int want = reduced_bits_wanted(l, s, i);
        if (want > 1) give_reduced(l, s, i, want);
    }
}

void lower_spread(lower *l, lower_stage *s) {
    for (int i = 0; i < s->n; i++) s->threads[i] = 1, s->coord[i] = sym_const(l->syms, 0);
    if (!lower_is_block(l)) return;
    if (writes_nibbles(s) && (s->vector < 0 || s->vector >= s->parallel)) return;
    share(l, s, written_apart(l, s));
    s->merges |= ir_get_int(s->op, IR_ATTR_across, 0) != 0; /* blocks meet */
    if (!s->merges) return;
    make_uniform(l, s);
    if (writes_nibbles(s) && s->vector < 0) {
        for (int i = 0; i < s->n; i++) s->threads[i] = 1, s->coord[i] = sym_const(l->syms, 0);
        s->used_bits = 0;
        s->merges = false;
    }
    s->settles = reads_own(s, s->op->blocks[0]);
}

/* ---- Who writes ---- */
static ir_value *bits_are_zero(lower *l, int64_t mask) {
    if (!mask) return NULL;
    ir_value *x[2] = {lower_thread_bits(l, mask, 0), lower_int(l, FRIT_i64, 0)};
    return lower_build(l, l->floor, IR_eq, 2, x, ir_vector(FRIT_bool, 1));
}

static int64_t spare_bits(const lower *l, const lower_stage *s) {
    if (!lower_is_block(l)) return 0;
    return (l->lim->threads - 1) & ~((INT64_C(1) << s->used_bits) - 1);
}

ir_value *lower_is_used(lower *l, const lower_stage *s) { return bits_are_zero(l, spare_bits(l, s)); }

ir_value *lower_is_leader(lower *l, const lower_stage *s) {
    int64_t mask = spare_bits(l, s);
    for (int i = s->parallel; i < s->n; i++) mask |= (int64_t)(s->threads[i] - 1) << s->first_bit[i];
    return bits_are_zero(l, mask);
}
