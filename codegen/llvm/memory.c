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
        where w = {0};
        if (mask) begin_where(p, element_of(p, mask, l.lanes, i), &w);
        nibble n = nibble_at(p, op, index_of(p, &l, i));
        LLVMValueRef x = LLVMBuildTrunc(p->b, LLVMBuildLShr(p->b, load_byte(p, op, n.byte_at), n.shift, ""), i4, "");
        if (mask) { /* taken before the branch: constants only cost nothing */
            x = end_where(p, &w, x, LLVMConstNull(i4));
            LLVMValueRef keep = element_of(p, mask, l.lanes, i);
            x = LLVMBuildSelect(p->b, keep, x, element_of(p, other, l.lanes, i), "");
        }
        v = with_element(p, v, l.lanes, i, x);
    }
    return v;
}

static void store_nibbles(printer *p, const ir_op *op, lane_index l, LLVMValueRef x, LLVMValueRef mask) {
    LLVMTypeRef i8 = int_type(p, 8, 1);
    for (int i = 0; i < l.lanes; i++) {
        where w = {0};
        if (mask) begin_where(p, element_of(p, mask, l.lanes, i), &w);
        nibble n = nibble_at(p, op, index_of(p, &l, i));
        LLVMValueRef hole = LLVMBuildNot(p->b, LLVMBuildShl(p->b, const_int(i8, 15), n.shift, ""), "");
        LLVMValueRef e = LLVMBuildZExt(p->b, element_of(p, x, l.lanes, i), i8, "");
        LLVMValueRef kept = LLVMBuildAnd(p->b, load_byte(p, op, n.byte_at), hole, "");
        LLVMValueRef v = LLVMBuildOr(p->b, kept, LLVMBuildShl(p->b, e, n.shift, ""), "");
        annotate(p, op, LLVMBuildStore(p->b, v, n.byte_at));
        if (mask) end_where(p, &w, NULL, NULL);
    }
}

/* ------------ masked accesses by a thread of a block: branches, for there are no masked vector accesses */
typedef struct masked_access {
    LLVMTypeRef element;
    LLVMValueRef at, mask; /* of consecutive elements one address, else one per lane */
    int lanes;
    unsigned align;
    bool whole; /* one access can serve all lanes */
} masked_access;

/* All lanes of v are the same. */
static bool is_uniform(const ir_value *v) {
    if (v->type.lanes == 1) return true;
    if (!v->op) return false;
    if (v->op->code == IR_constant)
        return ir_attr_get(v->op, IR_ATTR_value)->data.bytes <
               frit_dtype_bytes((frit_dtype)v->type.dtype, v->type.lanes);
    if (v->op->code == IR_splat) return true;
    if (!(ir_op_flags(v->op) & IR_F_ELEMENTWISE)) return false;
    for (int i = 0; i < v->op->n_operands; i++)
        if (!is_uniform(ir_operand(v->op, i))) return false;
    return true;
}

static LLVMValueRef all_lanes(printer *p, const masked_access *m) {
    LLVMTypeRef t = LLVMTypeOf(m->mask);
    return shim_intrinsic(p->b, p->module, "llvm.vector.reduce.and", 1, &t, 1, (LLVMValueRef[]){m->mask});
}

static LLVMValueRef lane_address(printer *p, const masked_access *m, int i) {
    if (LLVMGetTypeKind(LLVMTypeOf(m->at)) == LLVMVectorTypeKind) return element_of(p, m->at, m->lanes, i);
    LLVMValueRef index = const_int(int_type(p, 64, 1), i);
    return i ? LLVMBuildGEP2(p->b, m->element, m->at, &index, 1, "") : m->at;
}

static LLVMValueRef plain_load(printer *p, const ir_op *op, LLVMTypeRef t, LLVMValueRef at, unsigned align) {
    LLVMValueRef v = annotate(p, op, LLVMBuildLoad2(p->b, t, at, ""));
    LLVMSetAlignment(v, align);
    return v;
}

static void plain_store(printer *p, const ir_op *op, LLVMValueRef x, LLVMValueRef at, unsigned align) {
    LLVMSetAlignment(annotate(p, op, LLVMBuildStore(p->b, x, at)), align);
}

static unsigned element_bytes(const masked_access *m) { return LLVMGetIntTypeWidth(m->element) / 8; }

/* Every lane by itself where its mask holds. */
static LLVMValueRef load_each(printer *p, const ir_op *op, const masked_access *m, LLVMValueRef other) {
    LLVMValueRef v = other;
    for (int i = 0; i < m->lanes; i++) {
        where w;
        begin_where(p, element_of(p, m->mask, m->lanes, i), &w);
        LLVMValueRef x = plain_load(p, op, m->element, lane_address(p, m, i), element_bytes(m));
        x = end_where(p, &w, x, element_of(p, other, m->lanes, i));
        v = with_element(p, v, m->lanes, i, x);
    }
    return v;
}

static void store_each(printer *p, const ir_op *op, const masked_access *m, LLVMValueRef x) {
    for (int i = 0; i < m->lanes; i++) {
        where w;
        begin_where(p, element_of(p, m->mask, m->lanes, i), &w);
        plain_store(p, op, element_of(p, x, m->lanes, i), lane_address(p, m, i), element_bytes(m));
        end_where(p, &w, NULL, NULL);
    }
}

static LLVMValueRef load_masked(printer *p, const ir_op *op, const masked_access *m, LLVMValueRef other) {
    where w;
    bool uniform = m->whole && is_uniform(ir_operand(op, 2));
    if (!m->whole) return load_each(p, op, m, other);
    LLVMValueRef all = uniform ? element_of(p, m->mask, m->lanes, 0) : all_lanes(p, m);
    begin_where(p, all, &w);
    LLVMTypeRef t = m->lanes > 1 ? LLVMVectorType(m->element, (unsigned)m->lanes) : m->element;
    LLVMValueRef v = end_where(p, &w, plain_load(p, op, t, m->at, m->align), other);
    if (uniform) return v;
    begin_where(p, LLVMBuildNot(p->b, all, ""), &w);
    return end_where(p, &w, load_each(p, op, m, other), v);
}

static void store_masked(printer *p, const ir_op *op, const masked_access *m, LLVMValueRef x) {
    where w;
    bool uniform = m->whole && is_uniform(ir_operand(op, 3));
    if (!m->whole) {
        store_each(p, op, m, x);
        return;
    }
    LLVMValueRef all = uniform ? element_of(p, m->mask, m->lanes, 0) : all_lanes(p, m);
    begin_where(p, all, &w);
    plain_store(p, op, x, m->at, m->align);
    end_where(p, &w, NULL, NULL);
    if (uniform) return;
    begin_where(p, LLVMBuildNot(p->b, all, ""), &w);
    store_each(p, op, m, x);
    end_where(p, &w, NULL, NULL);
}

/* An access that the branches above serve; a lane for itself is a whole access. */
static masked_access masked(printer *p, const ir_op *op, frit_dtype t, int lanes, LLVMValueRef at, LLVMValueRef mask) {
    unsigned align = alignment(op, t), bytes = (unsigned)frit_dtype_bytes(t, 1);
    bool vector = LLVMGetTypeKind(LLVMTypeOf(at)) == LLVMVectorTypeKind;
    return (masked_access){.element = int_type(p, bytes * 8, 1),
                           .at = at,
                           .mask = mask,
                           .lanes = lanes,
                           .align = align,
                           .whole = !vector && (lanes == 1 || align >= 2 * bytes)};
}

/* Masked accesses move bits. */
static LLVMValueRef as_bits(printer *p, frit_dtype t, int lanes, LLVMValueRef x) {
    return LLVMBuildBitCast(p->b, x, int_type(p, (unsigned)frit_dtype_bytes(t, 1) * 8, lanes), "");
}

static LLVMValueRef block_load(printer *p, const ir_op *op, frit_dtype t, int lanes, LLVMValueRef at, LLVMValueRef mask,
                               LLVMValueRef other) {
    masked_access m = masked(p, op, t, lanes, at, mask);
    LLVMValueRef v = load_masked(p, op, &m, as_bits(p, t, lanes, to_memory(p, t, lanes, other)));
    return from_memory(p, t, LLVMBuildBitCast(p->b, v, mem_type(p, t, lanes), ""));
}

static void block_store(printer *p, const ir_op *op, frit_dtype t, int lanes, LLVMValueRef at, LLVMValueRef mask,
                        LLVMValueRef x) {
    masked_access m = masked(p, op, t, lanes, at, mask);
    store_masked(p, op, &m, as_bits(p, t, lanes, to_memory(p, t, lanes, x)));
}

/* One address per lane, no mask: lanes by themselves, so that what their addresses share is found. */
static LLVMValueRef lane_place(printer *p, const ir_op *op, LLVMValueRef index, int lanes, int i) {
    return address(p, op, element_of(p, index, lanes, i));
}

static LLVMValueRef block_load_lanes(printer *p, const ir_op *op, frit_dtype t, int lanes, LLVMValueRef index) {
    LLVMTypeRef e = mem_type(p, t, 1);
    LLVMValueRef v = LLVMGetPoison(mem_type(p, t, lanes));
    for (int i = 0; i < lanes; i++) {
        LLVMValueRef x = plain_load(p, op, e, lane_place(p, op, index, lanes, i), alignment(op, t));
        v = with_element(p, v, lanes, i, x);
    }
    return from_memory(p, t, v);
}

static void block_store_lanes(printer *p, const ir_op *op, frit_dtype t, int lanes, LLVMValueRef index, LLVMValueRef x) {
    x = to_memory(p, t, lanes, x);
    for (int i = 0; i < lanes; i++)
        plain_store(p, op, element_of(p, x, lanes, i), lane_place(p, op, index, lanes, i), alignment(op, t));
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
    if (p->block) return block_load(p, op, t, lanes, at, mask, other);
    other = as_vector(p, to_memory(p, t, lanes, other));
    LLVMValueRef v =
        shim_masked_load(p->b, p->module, at_least_vector(type), at, alignment(op, t), as_vector(p, mask), other);
    return from_memory(p, t, as_scalar(p, annotate(p, op, v), lanes));
}

void print_store(printer *p, const ir_op *op) {
    frit_dtype t = pointee(op);
    if (is_table(operand_of(p, op, 0))) return;
    int lanes = lanes_of(ir_operand(op, 2));
    LLVMValueRef index = operand_of(p, op, 1), x = operand_of(p, op, 2);
    LLVMValueRef mask = op->n_operands > 3 ? operand_of(p, op, 3) : NULL;
    if (is_nibble(t)) {
        store_nibbles(p, op, (lane_index){.base = index, .lanes = lanes}, x, mask);
        return;
    }
    LLVMValueRef at = address(p, op, index);
    if (mask && p->block) {
        block_store(p, op, t, lanes, at, mask, x);
        return;
    }
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
    if (p->block && mask) return block_load(p, op, t, lanes, address(p, op, index), mask, other);
    if (p->block) return block_load_lanes(p, op, t, lanes, index);
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
    if (p->block && mask) {
        block_store(p, op, t, lanes, address(p, op, index), mask, x);
        return;
    }
    if (p->block) {
        block_store_lanes(p, op, t, lanes, index, x);
        return;
    }
    LLVMValueRef at = as_vector(p, address(p, op, index));
    x = as_vector(p, to_memory(p, t, lanes, x));
    annotate(p, op, shim_masked_store(p->b, p->module, x, at, alignment(op, t), mask_or_all(p, mask, lanes)));
}

/* ------------ addresses */
void print_prefetch(printer *p, const ir_op *op) {
    enum { KEEP = 3, DATA = 1 };
    LLVMTypeRef i32 = int_type(p, 32, 1), ptr = LLVMTypeOf(operand_of(p, op, 0));
    LLVMValueRef x[] = {address(p, op, operand_of(p, op, 1)), const_int(i32, ir_get_int(op, IR_ATTR_to_write, 0)),
                        const_int(i32, KEEP), const_int(i32, DATA)};
    shim_intrinsic(p->b, p->module, "llvm.prefetch", 1, &ptr, 4, x);
}

/* 4-bit elements: the index is even. */
LLVMValueRef print_ptradd(printer *p, const ir_op *op) {
    LLVMValueRef index = operand_of(p, op, 1);
    if (!is_nibble(pointee(op))) return address(p, op, index);
    index = LLVMBuildAShr(p->b, index, const_int(LLVMTypeOf(index), 1), "");
    return LLVMBuildGEP2(p->b, int_type(p, 8, 1), operand_of(p, op, 0), &index, 1, "");
}
