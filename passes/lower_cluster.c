/* Reductions that the blocks of a cluster share (a stage with `across`): each has combined its part of the terms; every block then
 * reads what all have found from their shared memory and combines that in the order of their ranks, so that all go on with the
 * same value. Two halves of memory take turns: who writes to one again has met the others since they read from it. */
#include "lower_internal.h"

enum { HALVES = 2, VALUES = 4 }; /* of a half, by thread, of 8 bytes */

static int64_t half_bytes(const lower *l) { return l->lim->threads * VALUES * (int64_t)sizeof(int64_t); }

int64_t lower_cluster_bytes(const lower *l) { return l->cluster ? HALVES * half_bytes(l) : 0; }

void lower_cluster_barrier(lower *l) {
    lower_barrier_met(l);
    ir_build(lower_here(l), IR_cluster_barrier, 0, NULL, 0, NULL);
}

/* The number that threads with the same points have in common. */
static ir_value *place_of(lower *l, const lower_stage *s, const ir_value *x) {
    int64_t mask = 0;
    for (int i = 0; i < s->parallel; i++) mask |= (int64_t)(s->threads[i] - 1) << s->first_bit[i];
    ir_value *at = lower_thread_bits(l, mask, 0);
    if (x->type.lanes == 1) return at;
    return lower_build(l, l->depth, IR_mul, 2, (ir_value *[]){at, lower_int(l, FRIT_i64, x->type.lanes)}, at->type);
}

static int64_t bytes_of(const lower *l, const ir_value *x) {
    int64_t bytes = l->lim->threads * x->type.lanes * (int64_t)(frit_dtype_bits((frit_dtype)x->type.dtype) / 8);
    return (bytes + 15) & ~INT64_C(15);
}

/* What all blocks have there, combined. */
static ir_value *gather(lower *l, const lower_stage *s, ir_combine c, ir_value *pointer, const ir_value *x) {
    ir_value *all[8];
    for (int r = 0; r < l->cluster; r++) {
        ir_value *v[2] = {pointer, lower_int(l, FRIT_i64, r)};
        ir_value *there = lower_build(l, l->depth, IR_cluster_ptr, 2, v, ir_ptr((frit_dtype)x->type.dtype, IR_CLUSTER));
        all[r] = lower_load(l, l->depth, there, place_of(l, s, x), x->type, NULL, NULL);
        lower_tell_alignment(l, all[r]->op, x->type);
    }
    for (int n = l->cluster; n > 1; n /= 2)
        for (int r = 0; r < n / 2; r++) lower_merge(l, c, &all[r], &all[r + n / 2]);
    return all[0];
}

/* As many results at a time as a half holds. */
static int meet(lower *l, const lower_stage *s, int n, const ir_combine *combine, ir_value *(*x)[2]) {
    ir_value **pointer = arena_array(l->scratch, ir_value *, n);
    int64_t first = l->cluster_at + (l->cluster_half++ % HALVES) * half_bytes(l), used = 0;
    int done = 0;
    ir_value *leader = lower_is_leader(l, s);
    for (; done < n && used + bytes_of(l, x[done][0]) <= half_bytes(l); done++) {
        pointer[done] = lower_shared(l, (frit_dtype)x[done][0]->type.dtype, first + used, bytes_of(l, x[done][0]));
        used += bytes_of(l, x[done][0]);
    }
    if (l->shared_bytes < l->reserved_bytes) l->shared_bytes = l->reserved_bytes;
    ir_op *some = leader ? lower_if(l, leader) : NULL;
    for (int i = 0; i < done; i++) lower_tell_alignment(l, lower_store(l, pointer[i], place_of(l, s, x[i][0]), x[i][0], NULL), x[i][0]->type);
    if (some) lower_if_end(l, some);
    lower_cluster_barrier(l);
    for (int i = 0; i < done; i++) x[i][0] = gather(l, s, combine[i], pointer[i], x[i][0]);
    if (l->depth != s->depth) lower_cluster_barrier(l); /* the next turn of a loop writes there again */
    return done;
}

void lower_cluster_merge(lower *l, const lower_stage *s, int n, const ir_combine *combine, ir_value *(*x)[2]) {
    for (int done = 0; done < n;) done += meet(l, s, n - done, combine + done, x + done);
}
