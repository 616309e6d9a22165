/* Thread level, what the tensor core and the asynchronous proxy take (53), and clusters (54). */
#include "verify_internal.h"

static bool is_pointer(ir_type t, ir_space s) { return t.kind == IR_PTR && t.space == s; }
static bool is_i64(const ir_op *op, int i) { return verify_is_lane(verify_type(op, i), FRIT_i64); }

/* Operands i and i + 1: a place in shared memory. */
static bool is_shared(const ir_op *op, int i) { return is_pointer(verify_type(op, i), IR_CORE) && is_i64(op, i + 1); }
/* ---- Clusters ---- */

static int cluster_of(const ir_op *op) { return ir_block_func(op->parent)->cluster; }

static void check_cluster(verifier *v, const ir_op *op) {
    if (!cluster_of(op)) verify_fail(v, 54, op, "the func has no clusters");
    if (op->code == IR_cluster_rank && !verify_is_lane(verify_result(op, 0), FRIT_i64)) verify_fail(v, 54, op, "the result is not i64");
    if (op->code != IR_cluster_ptr) return;
    ir_type from = verify_type(op, 0), to = verify_result(op, 0);
    if (!is_pointer(from, IR_CORE) || !is_pointer(to, IR_CLUSTER) || from.dtype != to.dtype || !is_i64(op, 1))
        verify_fail(v, 54, op, "does not make a pointer into the cluster of one to shared memory and an i64");
}

static void check_ranks(verifier *v, const ir_op *op) {
    int64_t ranks = ir_get_int(op, IR_ATTR_ranks, 1);
    int n = cluster_of(op);
    if (ir_has(op, IR_ATTR_ranks) && (ranks < 1 || ranks >> n)) verify_fail(v, 54, op, "goes to blocks that the cluster does not have");
}

static bool is_mbarrier(const ir_op *op, int i) { return is_shared(op, i) && verify_type(op, i).dtype == FRIT_u64; }

static bool all_i64(const ir_op *op, int from) {
    for (int i = from; i < op->n_operands; i++)
        if (!is_i64(op, i)) return false;
    return true;
}

/* ---- Values that belong to the tensor core ---- */

/* From wgmma_fence or wgmma, however they are carried. */
static bool is_held(const ir_value *v) {
    while (v) {
        const ir_op *op = v->op ? v->op : v->block->op;
        if (!op) return false;
        int loop = op->code == IR_tfor; /* whose first argument is the counter */
        if (v->op && (op->code == IR_wgmma || op->code == IR_wgmma_fence)) return true;
        if (v->op && op->code == IR_tif) v = op->blocks[0]->last && v->index < op->blocks[0]->last->n_operands ? ir_operand(op->blocks[0]->last, v->index) : NULL;
        else if (op->code == IR_twhile && (v->op || v->block == op->blocks[1]))
            v = op->blocks[0]->last && v->index + 1 < op->blocks[0]->last->n_operands ? ir_operand(op->blocks[0]->last, v->index + 1) : NULL;
        else if (op->code == IR_twhile) v = v->index < op->n_operands ? ir_operand(op, v->index) : NULL;
        else if (loop && (v->op || v->index)) v = v->index + (v->op ? 3 : 2) < op->n_operands ? ir_operand(op, v->index + (v->op ? 3 : 2)) : NULL;
        else return false;
    }
    return false;
}

/* What operand i stands for behind op's blocks: a value that is held iff the operand is; NULL when the operand is used here. */
static const ir_value *carried_as(const ir_op *op, int i) {
    const ir_op *around = op->parent ? op->parent->op : NULL;
    if (op->code == IR_tfor && i >= 3) return op->blocks[0]->n_args > i - 2 ? op->blocks[0]->args[i - 2] : NULL;
    if (op->code == IR_twhile) return op->blocks[0]->n_args > i ? op->blocks[0]->args[i] : NULL;
    if (op->code != IR_yield || !around) return NULL;
    if (around->code == IR_tif) return i < around->n_results ? ir_result(around, i) : NULL;
    if (around->code == IR_tfor) return i < around->n_results ? ir_result(around, i) : NULL;
    if (around->code != IR_twhile) return NULL;
    int skip = op->parent == around->blocks[0];
    return i >= skip && i - skip < around->n_results ? ir_result(around, i - skip) : NULL;
}

void verify_held(verifier *v, const ir_op *op) {
    for (int i = 0; i < op->n_operands; i++) {
        const ir_value *x = ir_operand(op, i), *as = carried_as(op, i);
        if (x->type.kind != IR_VECTOR) continue;
        bool held = is_held(x), taken = op->code == IR_wgmma || op->code == IR_wgmma_wait;
        if (op->code == IR_wgmma_fence && held) verify_fail(v, 53, op, "operand %d belongs to the tensor core already", i);
        else if (as ? held != is_held(as) : held && !taken)
            verify_fail(v, 53, op, "operand %d belongs to the tensor core here, and there it does not", i);
        if (taken && !held && (i == 0 || op->code == IR_wgmma_wait || (i == 1 && x->type.lanes > 1)))
            verify_fail(v, 53, op, "operand %d does not come from wgmma_fence or wgmma", i);
    }
}

/* ---- wgmma ---- */

static bool two_of(const ir_op *op, ir_attr_key k, const int64_t **x) { return ir_get_ints(op, k, x) == 2; }

static bool is_swizzle(int64_t s) { return s == 16 || s == 32 || s == 64 || s == 128; }

static void check_layout(verifier *v, const ir_op *op, int side, unsigned bits) {
    const int64_t *swizzle, *major, *leading, *stride;
    if (!two_of(op, IR_ATTR_swizzle, &swizzle) || !two_of(op, IR_ATTR_major, &major) || !two_of(op, IR_ATTR_leading, &leading) ||
        !two_of(op, IR_ATTR_stride, &stride)) {
        verify_fail(v, 53, op, "a list is not of two");
        return;
    }
    if (!is_swizzle(swizzle[side])) verify_fail(v, 53, op, "swizzles by neither 16, 32, 64 nor 128 bytes");
    if (major[side] != 0 && (major[side] != 1 || bits != 16)) verify_fail(v, 53, op, "takes this dtype with k contiguous only");
    const int64_t at[] = {leading[side], stride[side]};
    for (int i = 0; i < 2; i++)
        if (at[i] < 0 || at[i] % 16 || at[i] >> 4 >= 1 << 14) verify_fail(v, 53, op, "a distance of %lld bytes", (long long)at[i]);
}

static void check_wgmma(verifier *v, const ir_op *op) {
    int n = op->n_operands;
    bool in_registers = n == 4;
    if (n != 4 && n != 5) {
        verify_fail(v, 53, op, "has %d operands", n);
        return;
    }
    ir_type acc = verify_type(op, 0), a = verify_type(op, 1), b = verify_type(op, n - 2);
    unsigned bits = frit_dtype_bits((frit_dtype)b.dtype);
    bool known = b.dtype == FRIT_f16 || b.dtype == FRIT_bf16 || b.dtype == FRIT_f32 || b.dtype == FRIT_i8;
    if (acc.kind != IR_VECTOR || !known || acc.dtype != (b.dtype == FRIT_i8 ? FRIT_i32 : FRIT_f32) || acc.lanes % 4 || acc.lanes > 128 ||
        !ir_type_equal(acc, verify_result(op, 0)))
        verify_fail(v, 53, op, "has no such accumulator");
    if (a.dtype != b.dtype || !is_shared(op, n - 2) || (!in_registers && !is_shared(op, 1)))
        verify_fail(v, 53, op, "A and B are not of one dtype in shared memory");
    if (in_registers && !ir_type_equal(a, ir_vector((frit_dtype)b.dtype, (int)(128 / bits))))
        verify_fail(v, 53, op, "A is not 16 bytes a thread");
    if (!in_registers) check_layout(v, op, 0, bits);
    check_layout(v, op, 1, bits);
}

static void check_same_types(verifier *v, const ir_op *op) {
    bool same = op->n_operands == op->n_results;
    for (int i = 0; same && i < op->n_results; i++)
        same = verify_type(op, i).kind == IR_VECTOR && ir_type_equal(verify_type(op, i), verify_result(op, i));
    if (!same) verify_fail(v, 53, op, "operands and results differ");
}

/* ---- Copies ---- */

/* v is made of the func's arguments and constants. */
static bool is_of_host(const ir_value *v) {
    if (!v->op) return v->block && v->block->func;
    if (v->op->code != IR_constant && !(ir_op_flags(v->op) & IR_F_ELEMENTWISE)) return false;
    for (int i = 0; i < v->op->n_operands; i++)
        if (!is_of_host(ir_operand(v->op, i))) return false;
    return true;
}

static void check_box(verifier *v, const ir_op *op, int rank) {
    const int64_t *box, *swizzle;
    unsigned bits = frit_dtype_bits((frit_dtype)verify_result(op, 0).dtype);
    if (ir_get_ints(op, IR_ATTR_box, &box) != rank || ir_get_ints(op, IR_ATTR_swizzle, &swizzle) != 1 || !is_swizzle(swizzle[0])) {
        verify_fail(v, 53, op, "box or swizzle are no such lists");
        return;
    }
    for (int i = 0; i < rank; i++)
        if (box[i] < 1 || box[i] > 256) verify_fail(v, 53, op, "a box of %lld elements along an axis", (long long)box[i]);
    const int64_t *steps;
    int n = ir_get_ints(op, IR_ATTR_steps, &steps);
    if (n && (n != rank || steps[0] != 1)) verify_fail(v, 53, op, "has no step for each axis, of the first one 1");
    for (int i = 1; i < n && n == rank; i++)
        if (steps[i] < 1 || steps[i] > 8 || (box[i] - 1) * steps[i] > 255) verify_fail(v, 53, op, "a step of %lld along an axis", (long long)steps[i]);
    int64_t row = box[0] * (int64_t)bits / 8;
    if (bits < 8 || row % 16 || (swizzle[0] > 16 && row != swizzle[0])) verify_fail(v, 53, op, "the box's rows are of %lld bytes", (long long)row);
}

static void check_map(verifier *v, const ir_op *op) {
    int n = op->n_operands, rank = n / 2;
    ir_type r = verify_result(op, 0);
    if (n % 2 || rank < 2 || rank > 5 || !is_pointer(verify_type(op, 0), IR_GLOBAL) || ir_operand(op, 0)->op || !all_i64(op, 1)) {
        verify_fail(v, 53, op, "is not an argument, 2 to 5 extents and strides");
        return;
    }
    if (!is_pointer(r, IR_MAP) || r.dtype != verify_type(op, 0).dtype) verify_fail(v, 53, op, "the result is no map of this dtype");
    for (int i = 1; i < n; i++)
        if (!is_of_host(ir_operand(op, i))) verify_fail(v, 53, op, "an extent or stride is not known before the launch");
    if (!op->parent->func) verify_fail(v, 53, op, "stands inside of control flow");
    check_box(v, op, rank);
}

/* Operand m is a map, behind c stand as many coordinates as it has axes. */
static bool fits_map(const ir_op *op, int m, int c) {
    const ir_value *map = ir_operand(op, m);
    return op->n_operands > c && ir_is(map, IR_tensor_map) && op->n_operands - c == map->op->n_operands / 2 && all_i64(op, c);
}

static void check_tensor_copy(verifier *v, const ir_op *op) {
    bool load = op->code == IR_tensor_load;
    int map = load ? 2 : 0, at = load ? 0 : 1, c = load ? 5 : 3;
    if (op->n_operands <= c || !fits_map(op, map, c)) verify_fail(v, 53, op, "has no map with a coordinate per axis");
    else if (!is_shared(op, at) || verify_type(op, at).dtype != verify_type(op, map).dtype)
        verify_fail(v, 53, op, "is not to or from shared memory of the map's dtype");
    else if (load && !is_mbarrier(op, 3)) verify_fail(v, 53, op, "tells no mbarrier");
    if (load) check_ranks(v, op);
}

static void check_bulk(verifier *v, const ir_op *op) {
    bool load = op->code == IR_bulk_load;
    if (op->n_operands != (load ? 7 : 5)) {
        verify_fail(v, 53, op, "has %d operands", op->n_operands);
        return;
    }
    ir_type to = verify_type(op, 0), from = verify_type(op, 2);
    if (!is_pointer(to, load ? IR_CORE : IR_GLOBAL) || !is_pointer(from, load ? IR_GLOBAL : IR_CORE) || to.dtype != from.dtype ||
        !is_i64(op, 1) || !is_i64(op, 3) || !is_i64(op, 4))
        verify_fail(v, 53, op, "is not between global and shared memory of one dtype");
    if (load && !is_mbarrier(op, 5)) verify_fail(v, 53, op, "tells no mbarrier");
}

static void check_mbarrier(verifier *v, const ir_op *op) {
    int n = op->n_operands;
    bool there = n == 2 && op->code == IR_mbarrier_arrive && is_pointer(verify_type(op, 0), IR_CLUSTER) && verify_type(op, 0).dtype == FRIT_u64;
    if (n < 2 || n > 3 || !(there || is_mbarrier(op, 0)) || !all_i64(op, 1)) verify_fail(v, 53, op, "has no mbarrier (u64 in shared memory)");
    int64_t count = ir_get_int(op, IR_ATTR_count, 1);
    if (count < 1 || count > 1023) verify_fail(v, 53, op, "can't count to %lld", (long long)count);
}

void verify_async_op(verifier *v, const ir_op *op) {
    int64_t count = ir_get_int(op, IR_ATTR_count, 0), barrier = ir_get_int(op, IR_ATTR_barrier, 1);
    switch (op->code) {
    case IR_wgmma: check_wgmma(v, op); break;
    case IR_wgmma_fence:
    case IR_wgmma_wait: check_same_types(v, op); break;
    case IR_tensor_map: check_map(v, op); break;
    case IR_tensor_load:
    case IR_tensor_store: check_tensor_copy(v, op); break;
    case IR_bulk_load:
    case IR_bulk_store: check_bulk(v, op); break;
    case IR_mbarrier_init:
    case IR_mbarrier_arrive:
    case IR_mbarrier_wait: check_mbarrier(v, op); break;
    case IR_cluster_rank:
    case IR_cluster_barrier:
    case IR_cluster_ptr: check_cluster(v, op); break;
    case IR_registers:
        if (count < 24 || count > 256 || count % 8) verify_fail(v, 53, op, "%lld registers", (long long)count);
        break;
    case IR_part_barrier:
        if (barrier < 1 || barrier > 15 || count < 1 || count > 1024) verify_fail(v, 53, op, "there is no such barrier");
        break;
    default: break;
    }
}
