/* Loads, stores and addresses. Alignment is the element's unless the op says more. */
#include "printer_internal.h"

static frit_dtype pointee(const ir_op *op) { return (frit_dtype)ir_operand(op, 0)->type.dtype; }

static unsigned alignment(const ir_op *op, frit_dtype t) {
    unsigned bits = frit_dtype_bits(t);
    return (unsigned)ir_get_int(op, IR_ATTR_align, bits < 8 ? 1 : bits / 8);
}

static LLVMValueRef annotate(printer *p, const ir_op *op, LLVMValueRef access) {
    int root = p->roots[ir_operand(op, 0)->id];
    if (root) {
        shim_set_metadata(access, "alias.scope", p->scope[root - 1]);
        shim_set_metadata(access, "noalias", p->noalias[root - 1]);
    }
    return access;
}

static LLVMValueRef address(printer *p, const ir_op *op, LLVMValueRef index) {
    return LLVMBuildGEP2(p->b, mem_type(p, pointee(op), 1), operand_of(p, op, 0), &index, 1, "");
}

/* bool is a byte in memory. */
static LLVMValueRef from_memory(printer *p, frit_dtype t, LLVMValueRef x) {
    return t == FRIT_bool ? LLVMBuildICmp(p->b, LLVMIntNE, x, const_int(LLVMTypeOf(x), 0), "") : x;
}
static LLVMValueRef to_memory(printer *p, frit_dtype t, int lanes, LLVMValueRef x) {
    return t == FRIT_bool ? LLVMBuildZExt(p->b, x, mem_type(p, t, lanes), "") : x;
}

static LLVMValueRef element_of(printer *p, LLVMValueRef x, int lanes, int i) {
    if (lanes == 1) return x;
    return LLVMBuildExtractElement(p->b, x, LLVMConstInt(int_type(p, 32, 1), (uint64_t)i, false), "");
}
static LLVMValueRef with_element(printer *p, LLVMValueRef x, int lanes, int i, LLVMValueRef v) {
    if (lanes == 1) return v;
    return LLVMBuildInsertElement(p->b, x, v, LLVMConstInt(int_type(p, 32, 1), (uint64_t)i, false), "");
}

/* Masked accesses exist for vectors only: a scalar is a vector of one lane. */
static LLVMTypeRef at_least_vector(LLVMTypeRef t) {
    return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? t : LLVMVectorType(t, 1);
}
static LLVMValueRef as_vector(printer *p, LLVMValueRef x) {
    LLVMTypeRef t = LLVMTypeOf(x), v = at_least_vector(t);
    return t == v ? x : LLVMBuildInsertElement(p->b, LLVMGetPoison(v), x, const_int(int_type(p, 32, 1), 0), "");
}
static LLVMValueRef as_scalar(printer *p, LLVMValueRef x, int lanes) {
    return lanes == 1 ? element_of(p, x, 2, 0) : x;
}

static LLVMValueRef mask_or_all(printer *p, LLVMValueRef mask, int lanes) {
    return mask ? as_vector(p, mask) : LLVMConstAllOnes(at_least_vector(int_type(p, 1, lanes)));
}

/* ------------ 4-bit elements, one at a time: element i is a half of byte i / 2 */
typedef struct nibble {
    LLVMValueRef byte_at, shift;
} nibble;

static nibble nibble_at(printer *p, const ir_op *op, LLVMValueRef index) {
    LLVMTypeRef i64 = LLVMTypeOf(index), i8 = int_type(p, 8, 1);
    LLVMValueRef at = LLVMBuildAShr(p->b, index, const_int(i64, 1), "");
    LLVMValueRef odd = LLVMBuildTrunc(p->b, LLVMBuildAnd(p->b, index, const_int(i64, 1), ""), i8, "");
    return (nibble){LLVMBuildGEP2(p->b, i8, operand_of(p, op, 0), &at, 1, ""),
                    LLVMBuildShl(p->b, odd, const_int(i8, 2), "")};
}

static LLVMValueRef load_byte(printer *p, const ir_op *op, LLVMValueRef at) {
    return annotate(p, op, LLVMBuildLoad2(p->b, int_type(p, 8, 1), at, ""));
}

/* Runs `then` only where mask (NULL: always) holds; returns the block to come back to. */
static LLVMBasicBlockRef guard(printer *p, LLVMValueRef mask, LLVMBasicBlockRef *from) {
    *from = LLVMGetInsertBlock(p->b);
    if (!mask) return NULL;
    LLVMBasicBlockRef yes = LLVMAppendBasicBlockInContext(p->context, p->fn, "lane");
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(p->context, p->fn, "next");
    LLVMBuildCondBr(p->b, mask, yes, done);
    LLVMPositionBuilderAtEnd(p->b, yes);
    return done;
}

static LLVMValueRef unguard(printer *p, LLVMBasicBlockRef done, LLVMBasicBlockRef from, LLVMValueRef x,
                            LLVMValueRef other) {
    if (!done) return x;
    LLVMBasicBlockRef yes = LLVMGetInsertBlock(p->b);
    LLVMBuildBr(p->b, done);
    LLVMPositionBuilderAtEnd(p->b, done);
    if (!x) return NULL;
    LLVMValueRef phi = LLVMBuildPhi(p->b, LLVMTypeOf(x), "");
    LLVMAddIncoming(phi, (LLVMValueRef[]){x, other}, (LLVMBasicBlockRef[]){yes, from}, 2);
    return phi;
}

/* index(u, i): the element index of lane i. */
typedef struct lane_index {
    LLVMValueRef base;   /* consecutive from here, or */
    LLVMValueRef vector; /* one index per lane */
    int lanes;
} lane_index;

static LLVMValueRef index_of(printer *p, const lane_index *l, int i) {
    if (l->vector) return element_of(p, l->vector, l->lanes, i);
    return LLVMBuildAdd(p->b, l->base, const_int(LLVMTypeOf(l->base), i), "");
}

static LLVMValueRef load_nibbles(printer *p, const ir_op *op, lane_index l, LLVMValueRef mask, LLVMValueRef other) {
    LLVMTypeRef i4 = int_type(p, 4, 1);
    LLVMValueRef v = LLVMGetPoison(int_type(p, 4, l.lanes));
    for (int i = 0; i < l.lanes; i++) {
        LLVMBasicBlockRef from, done = guard(p, mask ? element_of(p, mask, l.lanes, i) : NULL, &from);
        nibble n = nibble_at(p, op, index_of(p, &l, i));
        LLVMValueRef x = LLVMBuildTrunc(p->b, LLVMBuildLShr(p->b, load_byte(p, op, n.byte_at), n.shift, ""), i4, "");
        LLVMValueRef e = other ? NULL : x;
        if (other) { /* taken before the branch: constants only cost nothing */
            e = unguard(p, done, from, x, LLVMConstNull(i4));
            LLVMValueRef keep = element_of(p, mask, l.lanes, i);
            e = LLVMBuildSelect(p->b, keep, e, element_of(p, other, l.lanes, i), "");
        }
        v = with_element(p, v, l.lanes, i, e);
    }
    return v;
}

static void store_nibbles(printer *p, const ir_op *op, lane_index l, LLVMValueRef x, LLVMValueRef mask) {
    LLVMTypeRef i8 = int_type(p, 8, 1);
    for (int i = 0; i < l.lanes; i++) {
        LLVMBasicBlockRef from, done = guard(p, mask ? element_of(p, mask, l.lanes, i) : NULL, &from);
        nibble n = nibble_at(p, op, index_of(p, &l, i));
        LLVMValueRef hole = LLVMBuildNot(p->b, LLVMBuildShl(p->b, const_int(i8, 15), n.shift, ""), "");
        LLVMValueRef e = LLVMBuildZExt(p->b, element_of(p, x, l.lanes, i), i8, "");
        LLVMValueRef kept = LLVMBuildAnd(p->b, load_byte(p, op, n.byte_at), hole, "");
        LLVMValueRef v = LLVMBuildOr(p->b, kept, LLVMBuildShl(p->b, e, n.shift, ""), "");
        annotate(p, op, LLVMBuildStore(p->b, v, n.byte_at));
        unguard(p, done, from, NULL, NULL);
    }
}

/* ------------ consecutive elements */
LLVMValueRef print_load(printer *p, const ir_op *op) {
    frit_dtype t = pointee(op);
    int lanes = lanes_of(ir_result(op, 0));
    LLVMValueRef index = operand_of(p, op, 1), mask = op->n_operands > 2 ? operand_of(p, op, 2) : NULL;
    LLVMValueRef other = op->n_operands > 3 ? operand_of(p, op, 3) : mask ? LLVMConstNull(reg_type(p, t, lanes)) : NULL;
    if (is_nibble(t)) return load_nibbles(p, op, (lane_index){.base = index, .lanes = lanes}, mask, other);
    LLVMValueRef at = address(p, op, index);
    LLVMTypeRef type = mem_type(p, t, lanes);
    if (!mask) {
        LLVMValueRef v = annotate(p, op, LLVMBuildLoad2(p->b, type, at, ""));
        LLVMSetAlignment(v, alignment(op, t));
        return from_memory(p, t, v);
    }
    other = as_vector(p, to_memory(p, t, lanes, other));
    LLVMValueRef v =
        shim_masked_load(p->b, p->module, at_least_vector(type), at, alignment(op, t), as_vector(p, mask), other);
    return from_memory(p, t, as_scalar(p, annotate(p, op, v), lanes));
}

void print_store(printer *p, const ir_op *op) {
    frit_dtype t = pointee(op);
    int lanes = lanes_of(ir_operand(op, 2));
    LLVMValueRef index = operand_of(p, op, 1), x = operand_of(p, op, 2);
    LLVMValueRef mask = op->n_operands > 3 ? operand_of(p, op, 3) : NULL;
    if (is_nibble(t)) {
        store_nibbles(p, op, (lane_index){.base = index, .lanes = lanes}, x, mask);
        return;
    }
    LLVMValueRef at = address(p, op, index);
    x = to_memory(p, t, lanes, x);
    if (!mask) {
        LLVMSetAlignment(annotate(p, op, LLVMBuildStore(p->b, x, at)), alignment(op, t));
        return;
    }
    x = as_vector(p, x);
    annotate(p, op, shim_masked_store(p->b, p->module, x, at, alignment(op, t), as_vector(p, mask)));
}

/* ------------ one address per lane */
LLVMValueRef print_load_lanes(printer *p, const ir_op *op) {
    frit_dtype t = pointee(op);
    int lanes = lanes_of(ir_result(op, 0));
    LLVMValueRef index = operand_of(p, op, 1), mask = op->n_operands > 2 ? operand_of(p, op, 2) : NULL;
    LLVMValueRef other = op->n_operands > 3 ? operand_of(p, op, 3) : mask ? LLVMConstNull(reg_type(p, t, lanes)) : NULL;
    if (is_nibble(t)) return load_nibbles(p, op, (lane_index){.vector = index, .lanes = lanes}, mask, other);
    LLVMValueRef at = as_vector(p, address(p, op, index));
    LLVMTypeRef type = at_least_vector(mem_type(p, t, lanes));
    other = other ? as_vector(p, to_memory(p, t, lanes, other)) : LLVMGetPoison(type);
    LLVMValueRef v = shim_masked_load(p->b, p->module, type, at, alignment(op, t), mask_or_all(p, mask, lanes), other);
    return from_memory(p, t, as_scalar(p, annotate(p, op, v), lanes));
}

void print_store_lanes(printer *p, const ir_op *op) {
    frit_dtype t = pointee(op);
    int lanes = lanes_of(ir_operand(op, 2));
    LLVMValueRef index = operand_of(p, op, 1), x = operand_of(p, op, 2);
    LLVMValueRef mask = op->n_operands > 3 ? operand_of(p, op, 3) : NULL;
    if (is_nibble(t)) {
        store_nibbles(p, op, (lane_index){.vector = index, .lanes = lanes}, x, mask);
        return;
    }
    LLVMValueRef at = as_vector(p, address(p, op, index));
    x = as_vector(p, to_memory(p, t, lanes, x));
    annotate(p, op, shim_masked_store(p->b, p->module, x, at, alignment(op, t), mask_or_all(p, mask, lanes)));
}

/* ------------ addresses */
LLVMValueRef print_local(printer *p, const ir_op *op) {
    frit_dtype t = (frit_dtype)ir_result(op, 0)->type.dtype;
    const sym_t *size = NULL;
    int64_t n = 0;
    if (ir_get_syms(op, IR_ATTR_size, &size) != 1 || !sym_is_const(size[0], &n)) {
        printer_fail(p, op, "size must be a constant");
        return NULL;
    }
    LLVMBuilderRef b = LLVMCreateBuilderInContext(p->context);
    LLVMValueRef first = LLVMGetFirstInstruction(p->entry);
    if (first) LLVMPositionBuilderBefore(b, first);
    else LLVMPositionBuilderAtEnd(b, p->entry);
    LLVMTypeRef type = LLVMArrayType2(int_type(p, 8, 1), (uint64_t)frit_dtype_bytes(t, n));
    LLVMValueRef v = LLVMBuildAlloca(b, type, "local");
    LLVMSetAlignment(v, alignment(op, t));
    LLVMDisposeBuilder(b);
    return v;
}

/* 4-bit elements: the index is even. */
LLVMValueRef print_ptradd(printer *p, const ir_op *op) {
    LLVMValueRef index = operand_of(p, op, 1);
    if (!is_nibble(pointee(op))) return address(p, op, index);
    index = LLVMBuildAShr(p->b, index, const_int(LLVMTypeOf(index), 1), "");
    return LLVMBuildGEP2(p->b, int_type(p, 8, 1), operand_of(p, op, 0), &index, 1, "");
}
