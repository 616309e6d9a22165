/* Partial results of threads that share reduced axes: exchanged by shuffles for the bits of the thread number within a
 * warp, then through shared memory. Both partners of an exchange compute the same, so that all threads that share a
 * point end with its result; the order depends on the distribution alone. */
#include "lower_internal.h"

static ir_value *at_thread(lower *l, ir_opcode code, ir_value *x, int64_t k) {
    return lower_build(l, l->depth, code, 2, (ir_value *[]){x, lower_int(l, FRIT_i64, k)}, ir_vector(FRIT_i64, 1));
}

static int state_size(ir_combine c) { return c == IR_ARGMAX || c == IR_ARGMIN ? 2 : 1; }

static int64_t reduced_bits(const lower_stage *s) {
    int64_t mask = 0;
    for (int i = s->parallel; i < s->n; i++) mask |= (int64_t)(s->threads[i] - 1) << s->first_bit[i];
    return mask;
}

static void exchange(lower *l, int bit, int n, const ir_combine *combine, ir_value *(*x)[2]) {
    ir_value *lane = at_thread(l, IR_xor, lower_thread_bits(l, (INT64_C(1) << l->warp_bits) - 1, 0), INT64_C(1) << bit);
    for (int i = 0; i < n; i++) {
        ir_value *y[2];
        for (int k = 0; k < state_size(combine[i]); k++)
            y[k] = lower_build(l, l->depth, IR_shuffle, 2, (ir_value *[]){x[i][k], lane}, x[i][k]->type);
        lower_merge(l, combine[i], x[i], y);
    }
}

/* ---- Through shared memory ---- */
static int64_t part_bytes(const lower *l, const ir_value *x) {
    int64_t bytes = x->type.lanes * (int64_t)(frit_dtype_bits((frit_dtype)x->type.dtype) / 8);
    return (l->lim->threads * bytes + 15) & ~INT64_C(15);
}

static int64_t state_bytes(const lower *l, ir_combine c, ir_value *const *x) {
    return part_bytes(l, x[0]) + (state_size(c) == 2 ? part_bytes(l, x[1]) : 0);
}

/* Thread numbers that differ from one's own in the bits of `mask` alone, in ascending order. */
static int partners(lower *l, int64_t mask, ir_value **thread) {
    ir_value *own = lower_thread_bits(l, (l->lim->threads - 1) & ~mask, 0);
    int n = 0;
    for (int64_t m = 0;; m = (m - mask) & mask) {
        thread[n++] = m ? at_thread(l, IR_or, own, m) : own;
        if (m == mask) return n;
    }
}

/* Vectors lie one behind another. */
static ir_value *slot(lower *l, ir_value *thread, const ir_value *x) {
    return x->type.lanes > 1 ? at_thread(l, IR_mul, thread, x->type.lanes) : thread;
}

static void gather(lower *l, ir_combine c, ir_value **pointer, int n, ir_value *const *thread, ir_value **x) {
    ir_value *(*y)[2] = arena_alloc(l->scratch, sizeof(ir_value *[2]) * (size_t)n);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < state_size(c); k++) {
            y[i][k] = lower_load(l, l->depth, pointer[k], slot(l, thread[i], x[k]), x[k]->type, NULL, NULL);
            lower_tell_alignment(l, y[i][k]->op, x[k]->type);
        }
    for (int m = n; m > 1; m = (m + 1) / 2)
        for (int k = 0; k < m / 2; k++) lower_merge(l, c, y[k], y[k + (m + 1) / 2]);
    for (int k = 0; k < state_size(c); k++) x[k] = y[0][k];
}

/* As many results at a time as the memory holds. */
static int meet(lower *l, const lower_stage *s, int64_t mask, int n, const ir_combine *combine, ir_value *(*x)[2]) {
    ir_value *thread[64], *own = lower_index(l, l->thread);
    ir_value *(*pointer)[2] = arena_alloc(l->scratch, sizeof(ir_value *[2]) * (size_t)n);
    int64_t used = 0;
    int done = 0;
    if (l->merge_read || l->depth != s->depth) lower_barrier(l); /* in a loop, the turn before may have read */
    if (l->shared_bytes < l->merge_bytes) l->shared_bytes = l->merge_bytes;
    for (; done < n && used + state_bytes(l, combine[done], x[done]) <= l->merge_bytes; done++)
        for (int k = 0; k < state_size(combine[done]); k++) {
            pointer[done][k] = lower_shared(l, (frit_dtype)x[done][k]->type.dtype, used, part_bytes(l, x[done][k]));
            if (!pointer[done][k]->name) pointer[done][k]->name = "partial";
            lower_tell_alignment(l, lower_store(l, pointer[done][k], slot(l, own, x[done][k]), x[done][k], NULL), x[done][k]->type);
            used += part_bytes(l, x[done][k]);
        }
    lower_barrier(l);
    int n_threads = partners(l, mask, thread);
    for (int i = 0; i < done; i++) gather(l, combine[i], pointer[i], n_threads, thread, x[i]);
    l->merge_read = true;
    return done;
}

void lower_merge_threads(lower *l, const lower_stage *s, int n, const ir_combine *combine, ir_value *(*x)[2]) {
    int64_t mask = reduced_bits(s), in_warp = mask & ((INT64_C(1) << l->warp_bits) - 1), across = mask & ~in_warp;
    for (int bit = 0; bit < l->warp_bits; bit++)
        if (in_warp >> bit & 1) exchange(l, bit, n, combine, x);
    for (int done = 0; across && done < n;) done += meet(l, s, across, n - done, combine + done, x + done);
}
