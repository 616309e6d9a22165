#include "verify_internal.h"

/* ---- Structured control (50) ---- */

static void check_results(verifier *v, const ir_op *op, int n, const ir_type *types) {
    bool same = op->n_results == n;
    for (int i = 0; same && i < n; i++) same = ir_type_equal(verify_result(op, i), types[i]);
    if (!same) verify_fail(v, 50, op, "the results are not of the carried types");
}

static void check_for(verifier *v, const ir_op *op) {
    if (op->n_operands < 3) {
        verify_fail(v, 50, op, "wants from, to and step");
        return;
    }
    for (int i = 0; i < 3; i++)
        if (!verify_is_lane(verify_type(op, i), FRIT_i64)) verify_fail(v, 50, op, "from, to and step are not i64");
    int n = op->n_operands - 3;
    ir_type *args = verify_operand_types(v, op, 2);
    args[0] = ir_vector(FRIT_i64, 1);
    check_results(v, op, n, args + 1);
    verify_args(v, 50, op, 0, n + 1, args);
    verify_yield(v, 50, op, 0, 0, n, args + 1);
}

static void check_if(verifier *v, const ir_op *op) {
    ir_type *results = verify_result_types(v, op);
    if (!verify_is_lane(verify_type(op, 0), FRIT_bool)) verify_fail(v, 50, op, "the condition is not bool");
    for (int i = 0; i < 2; i++) {
        verify_args(v, 50, op, i, 0, NULL);
        verify_yield(v, 50, op, i, 0, op->n_results, results);
    }
}

static void check_while(verifier *v, const ir_op *op) {
    ir_type *carried = verify_operand_types(v, op, 0);
    const ir_op *yield = op->blocks[0]->last;
    check_results(v, op, op->n_operands, carried);
    for (int i = 0; i < 2; i++) verify_args(v, 50, op, i, op->n_operands, carried);
    verify_yield(v, 50, op, 0, 1, op->n_operands, carried);
    verify_yield(v, 50, op, 1, 0, op->n_operands, carried);
    if (yield && yield->n_operands && yield->operands[0].value && !verify_is_lane(verify_type(yield, 0), FRIT_bool))
        verify_fail(v, 50, op, "the condition is not bool");
}

/* ---- Memory (51) ---- */

/* ptr, index, then values (1 for a store), then a mask, then for a load what masked lanes get. */
static void check_access(verifier *v, const ir_op *op, bool is_store, bool by_lane) {
    int n = op->n_operands, fixed = is_store ? 3 : 2;
    if (n != fixed && n != fixed + (is_store ? 1 : 2)) {
        verify_fail(v, 51, op, "has %d operands", n);
        return;
    }
    ir_type ptr = verify_type(op, 0), x = is_store ? verify_type(op, 2) : verify_result(op, 0);
    if (ptr.kind != IR_PTR || x.kind != IR_VECTOR || ptr.dtype != x.dtype) {
        verify_fail(v, 51, op, "pointer and value are not of one dtype");
        return;
    }
    if (!ir_type_equal(verify_type(op, 1), ir_vector(FRIT_i64, by_lane ? x.lanes : 1)))
        verify_fail(v, 51, op, "the index is not i64%s", by_lane ? " of as many lanes" : "");
    if (n > fixed && !ir_type_equal(verify_type(op, fixed), ir_vector(FRIT_bool, x.lanes)))
        verify_fail(v, 51, op, "the mask is not bool of as many lanes");
    if (n > fixed && !is_store && !ir_type_equal(verify_type(op, fixed + 1), x))
        verify_fail(v, 51, op, "what masked lanes get has another type");
}

static void check_prefetch(verifier *v, const ir_op *op) {
    if (verify_type(op, 0).kind != IR_PTR) verify_fail(v, 51, op, "has no pointer");
    if (!verify_is_lane(verify_type(op, 1), FRIT_i64)) verify_fail(v, 51, op, "the index is not i64");
}

static void check_pointer(verifier *v, const ir_op *op) {
    ir_type r = verify_result(op, 0);
    const sym_t *size;
    if (r.kind != IR_PTR) {
        verify_fail(v, 51, op, "the result is no pointer");
        return;
    }
    if (op->code == IR_local) {
        int64_t n = -1;
        if (ir_get_syms(op, IR_ATTR_size, &size) != 1 || !sym_is_const(size[0], &n) || n < 0)
            verify_fail(v, 51, op, "the size is no constant");
        return;
    }
    ir_type ptr = verify_type(op, 0);
    if (ptr.kind != IR_PTR || ptr.space != r.space || (op->code == IR_ptradd && ptr.dtype != r.dtype))
        verify_fail(v, 51, op, "operand and result are not pointers of one space (and dtype)");
    if (op->code == IR_ptradd && !verify_is_lane(verify_type(op, 1), FRIT_i64)) verify_fail(v, 51, op, "the index is not i64");
}

/* ---- Lanes (52) ---- */

static void check_lanes(verifier *v, const ir_op *op) {
    ir_type x = verify_type(op, 0), r = verify_result(op, 0);
    if (x.kind != IR_VECTOR || r.kind != IR_VECTOR || x.dtype != r.dtype) {
        verify_fail(v, 52, op, "operand and result are not lanes of one dtype");
        return;
    }
    bool widens = op->code == IR_splat || op->code == IR_ramp;
    if (op->code != IR_extract && (widens ? x.lanes : r.lanes) != 1) verify_fail(v, 52, op, "the %s is no scalar", widens ? "operand" : "result");
    if (op->code == IR_ramp && !frit_dtype_is_int((frit_dtype)x.dtype)) verify_fail(v, 52, op, "is not of integers");
    int64_t offset = ir_get_int(op, IR_ATTR_offset, 0), combine = ir_get_int(op, IR_ATTR_combine, 0);
    if (op->code == IR_extract && (offset < 0 || offset + r.lanes > x.lanes)) verify_fail(v, 52, op, "there is no such lane");
    if (op->code == IR_reduce_lanes && combine > IR_ALL) verify_fail(v, 52, op, "can't combine lanes like this");
}

static int64_t whole_bytes(ir_type t) {
    unsigned bits = t.kind == IR_VECTOR && t.dtype != FRIT_bool ? frit_dtype_bits((frit_dtype)t.dtype) : 0;
    return bits / 8 * (int64_t)t.lanes;
}

static void check_reinterpret(verifier *v, const ir_op *op) {
    int64_t bytes = whole_bytes(verify_type(op, 0));
    if (!bytes || bytes != whole_bytes(verify_result(op, 0))) verify_fail(v, 52, op, "operand and result are not as many whole bytes");
}

/* ---- Threads of a block (51, 52) ---- */

static bool is_pointer(ir_type t, ir_space s) { return t.kind == IR_PTR && t.space == s; }

static void check_shared(verifier *v, const ir_op *op) {
    int64_t at = ir_get_int(op, IR_ATTR_offset, -1);
    if (!is_pointer(verify_result(op, 0), IR_CORE)) verify_fail(v, 51, op, "the result is no pointer to shared memory");
    if (at < 0 || at % 16) verify_fail(v, 51, op, "the offset is no multiple of 16");
}

static void check_copy(verifier *v, const ir_op *op) {
    if (op->n_operands != 4 && op->n_operands != 5) {
        verify_fail(v, 51, op, "has %d operands", op->n_operands);
        return;
    }
    ir_type to = verify_type(op, 0), from = verify_type(op, 2);
    int64_t bits = ir_get_int(op, IR_ATTR_lanes, 0) * (int64_t)frit_dtype_bits((frit_dtype)to.dtype);
    if (!is_pointer(to, IR_CORE) || !is_pointer(from, IR_GLOBAL) || to.dtype != from.dtype)
        verify_fail(v, 51, op, "does not copy from global to shared memory of one dtype");
    if (!verify_is_lane(verify_type(op, 1), FRIT_i64) || !verify_is_lane(verify_type(op, 3), FRIT_i64))
        verify_fail(v, 51, op, "an index is not i64");
    if (bits != 32 && bits != 64 && bits != 128) verify_fail(v, 51, op, "copies neither 4 nor 8 nor 16 bytes");
    if (op->n_operands == 5 && !verify_is_lane(verify_type(op, 4), FRIT_bool)) verify_fail(v, 51, op, "the condition is not bool");
}

static void check_shuffle(verifier *v, const ir_op *op) {
    if (verify_type(op, 0).kind != IR_VECTOR || !ir_type_equal(verify_type(op, 0), verify_result(op, 0)))
        verify_fail(v, 52, op, "operand and result differ");
    if (!verify_is_lane(verify_type(op, 1), FRIT_i64)) verify_fail(v, 52, op, "the lane is not i64");
}

void verify_thread_op(verifier *v, const ir_op *op) {
    switch (op->code) {
    case IR_tfor: check_for(v, op); break;
    case IR_tif: check_if(v, op); break;
    case IR_twhile: check_while(v, op); break;
    case IR_load: check_access(v, op, false, false); break;
    case IR_store: check_access(v, op, true, false); break;
    case IR_load_lanes: check_access(v, op, false, true); break;
    case IR_store_lanes: check_access(v, op, true, true); break;
    case IR_prefetch: check_prefetch(v, op); break;
    case IR_local:
    case IR_ptradd:
    case IR_ptrcast: check_pointer(v, op); break;
    case IR_splat:
    case IR_ramp:
    case IR_extract:
    case IR_reduce_lanes: check_lanes(v, op); break;
    case IR_reinterpret: check_reinterpret(v, op); break;
    case IR_thread_id:
    case IR_block_id:
    case IR_block_count:
        if (!verify_is_lane(verify_result(op, 0), FRIT_i64)) verify_fail(v, 52, op, "the result is not i64");
        break;
    case IR_shared: check_shared(v, op); break;
    case IR_copy_async: check_copy(v, op); break;
    case IR_shuffle: check_shuffle(v, op); break;
    default: verify_async_op(v, op); break;
    }
}
