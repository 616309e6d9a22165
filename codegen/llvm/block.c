/* The ops that concern a block of threads: the parts that are the same for every target. What is an instruction comes
 * from printer_block_ops. */
#include "printer_internal.h"
#include <string.h>

static LLVMTypeRef i32(printer *p) { return int_type(p, 32, 1); }

/* ------------ ids */
/* Ids are small: index arithmetic on i64 then needs no sign. */
static LLVMValueRef wide_id(printer *p, LLVMValueRef id) {
    return LLVMBuildZExt(p->b, id, int_type(p, 64, 1), "");
}

static LLVMValueRef shared_memory(printer *p) {
    if (p->shared) return p->shared;
    LLVMTypeRef t = LLVMArrayType2(int_type(p, 8, 1), 0);
    p->shared = LLVMAddGlobalInAddressSpace(p->module, t, "block_memory", p->block->spaces[IR_CORE]);
    LLVMSetLinkage(p->shared, LLVMExternalLinkage);
    LLVMSetAlignment(p->shared, p->block->shared_align ? (unsigned)p->block->shared_align : 128);
    return p->shared;
}

static LLVMValueRef print_shared(printer *p, const ir_op *op) {
    LLVMValueRef at = const_int(int_type(p, 64, 1), ir_get_int(op, IR_ATTR_offset, 0));
    return LLVMBuildInBoundsGEP2(p->b, int_type(p, 8, 1), shared_memory(p), &at, 1, "");
}

/* ------------ shuffles: 32 bits at a time */
static LLVMValueRef shuffle_scalar(printer *p, frit_dtype t, LLVMValueRef x, LLVMValueRef lane) {
    unsigned bits = t == FRIT_bool ? 1 : frit_dtype_bits(t);
    LLVMTypeRef type = LLVMTypeOf(x), narrow_type = int_type(p, bits, 1), pair = int_type(p, 32, 2);
    if (bits < 64) {
        x = LLVMBuildZExtOrBitCast(p->b, LLVMBuildBitCast(p->b, x, narrow_type, ""), i32(p), "");
        x = LLVMBuildTruncOrBitCast(p->b, p->block->shuffle(p, x, lane), narrow_type, "");
        return LLVMBuildBitCast(p->b, x, type, "");
    }
    LLVMValueRef halves = LLVMBuildBitCast(p->b, x, pair, ""), v = LLVMGetPoison(pair);
    for (int i = 0; i < 2; i++) {
        LLVMValueRef at = const_int(i32(p), i);
        LLVMValueRef half = LLVMBuildExtractElement(p->b, halves, at, "");
        v = LLVMBuildInsertElement(p->b, v, p->block->shuffle(p, half, lane), at, "");
    }
    return LLVMBuildBitCast(p->b, v, type, "");
}

static LLVMValueRef print_shuffle(printer *p, const ir_op *op) {
    LLVMValueRef x = operand_of(p, op, 0), lane = LLVMBuildTrunc(p->b, operand_of(p, op, 1), i32(p), "");
    frit_dtype t = (frit_dtype)ir_operand(op, 0)->type.dtype;
    int lanes = lanes_of(ir_operand(op, 0));
    if (lanes == 1) return shuffle_scalar(p, t, x, lane);
    LLVMValueRef v = LLVMGetPoison(LLVMTypeOf(x));
    for (int i = 0; i < lanes; i++) {
        LLVMValueRef at = const_int(i32(p), i), e = LLVMBuildExtractElement(p->b, x, at, "");
        v = LLVMBuildInsertElement(p->b, v, shuffle_scalar(p, t, e, lane), at, "");
    }
    return v;
}

/* ------------ copies */
/* Where a thread can't go on before its copy is there, the copy is a load and a store. */
static void copy_at_once(printer *p, LLVMValueRef to, LLVMValueRef from, int bytes, LLVMValueRef inside) {
    LLVMTypeRef t = int_type(p, 32, bytes / 4);
    where w = {0};
    if (inside) begin_where(p, inside, &w);
    LLVMValueRef v = LLVMBuildLoad2(p->b, t, from, "");
    LLVMSetAlignment(v, (unsigned)bytes);
    if (inside) v = end_where(p, &w, v, LLVMConstNull(t));
    LLVMSetAlignment(LLVMBuildStore(p->b, v, to), (unsigned)bytes);
}

static LLVMValueRef place(printer *p, const ir_op *op, int i) {
    LLVMValueRef index = operand_of(p, op, i + 1);
    LLVMTypeRef t = mem_type(p, (frit_dtype)ir_operand(op, i)->type.dtype, 1);
    return LLVMBuildGEP2(p->b, t, operand_of(p, op, i), &index, 1, "");
}

static void print_copy(printer *p, const ir_op *op) {
    frit_dtype t = (frit_dtype)ir_operand(op, 0)->type.dtype;
    int bytes = (int)frit_dtype_bytes(t, ir_get_int(op, IR_ATTR_lanes, 1));
    if (is_nibble(t) || (bytes != 4 && bytes != 8 && bytes != 16)) {
        printer_fail(p, op, "copies 4, 8 or 16 bytes of whole ones");
        return;
    }
    LLVMValueRef to = place(p, op, 0), from = place(p, op, 2), inside = op->n_operands > 4 ? operand_of(p, op, 4) : NULL;
    (p->block->copy_async ? p->block->copy_async : copy_at_once)(p, to, from, bytes, inside);
}

static void print_atom(printer *p, const ir_op *op) {
    const char *name = ir_get_string(op, IR_ATTR_name);
    for (int i = 0; i < op->n_results; i++)
        p->values[ir_result(op, i)->id] = LLVMGetPoison(printer_type(p, ir_result(op, i)->type));
    if (!name || !p->block->atom(p, op, name))
        printer_fail(p, op, arena_printf(p->a, "the target has no instruction '%s'", name ? name : ""));
}

/* What binds its results itself. */
static void print_async(printer *p, const ir_op *op) {
    for (int i = 0; i < op->n_results; i++)
        if (!p->values[ir_result(op, i)->id]) p->values[ir_result(op, i)->id] = LLVMGetPoison(printer_type(p, ir_result(op, i)->type));
    if (!p->block || !p->block->async || !p->block->async(p, op))
        printer_fail(p, op, arena_printf(p->a, "the target has no instruction for '%s'", ir_op_table[op->code].name));
}

bool print_bound_op(printer *p, const ir_op *op) {
    switch (op->code) {
    case IR_warp_barrier:
    case IR_part_barrier:
    case IR_fence_async:
    case IR_mbarrier_init:
    case IR_mbarrier_arrive:
    case IR_mbarrier_wait:
    case IR_tensor_map:
    case IR_tensor_load:
    case IR_tensor_store:
    case IR_bulk_load:
    case IR_bulk_store:
    case IR_bulk_commit:
    case IR_bulk_wait:
    case IR_wgmma_fence:
    case IR_wgmma:
    case IR_wgmma_commit:
    case IR_wgmma_wait:
    case IR_registers:
    case IR_cluster_rank:
    case IR_cluster_barrier:
    case IR_cluster_ptr: print_async(p, op); return true;
    default: return false;
    }
}

LLVMValueRef print_block_op(printer *p, const ir_op *op) {
    const printer_block_ops *t = p->block;
    if (!t) {
        printer_fail(p, op, "is for blocks of threads, and here a task is one core's");
        return NULL;
    }
    switch (op->code) {
    case IR_thread_id: return wide_id(p, t->thread_id(p));
    case IR_block_id: return wide_id(p, t->block_id(p));
    case IR_block_count: return wide_id(p, t->block_count(p));
    case IR_shared: return print_shared(p, op);
    case IR_shuffle: return print_shuffle(p, op);
    case IR_barrier: t->barrier(p); return NULL;
    case IR_copy_async: print_copy(p, op); return NULL;
    case IR_copy_commit:
        if (t->copy_commit) t->copy_commit(p);
        return NULL;
    case IR_copy_wait:
        if (t->copy_wait) t->copy_wait(p, ir_get_int(op, IR_ATTR_pending, 0));
        return NULL;
    default: print_atom(p, op); return NULL;
    }
}
