/* Element access of any dtype. Elements of 8 bits and more are thread IR's own; 4-bit ones are taken out of bytes. */
#include "lower_internal.h"

static ir_value *load(lower *l, int depth, ir_value *ptr, ir_value *index, ir_type t, ir_value *mask, ir_value *other) {
    ir_value *x[4] = {ptr, index, mask, other};
    ir_opcode code = index->type.lanes > 1 ? IR_load_lanes : IR_load;
    return lower_build(l, depth, code, mask ? 4 : 2, x, t);
}

static void store(lower *l, ir_value *ptr, ir_value *index, ir_value *x, ir_value *mask) {
    ir_value *v[4] = {ptr, index, x, mask};
    ir_build(lower_here(l), index->type.lanes > 1 ? IR_store_lanes : IR_store, mask ? 4 : 3, v, 0, NULL);
}

/* ---- 4-bit elements ---- */
static ir_value *op2(lower *l, int depth, ir_opcode code, ir_value *x, ir_value *y) {
    return lower_build(l, depth, code, 2, (ir_value *[]){x, y}, x->type);
}

static ir_value *to(lower *l, int depth, ir_value *x, frit_dtype t) {
    return lower_build(l, depth, IR_cast, 1, &x, ir_vector(t, x->type.lanes));
}

static ir_value *number(lower *l, frit_dtype t, int64_t v, int lanes) {
    return lower_splat(l, lower_int(l, t, v), lanes, 0);
}

/* Where a nibble is: its byte, and the shift (0 or 4, as u8) inside it. */
typedef struct nibble {
    ir_value *bytes, *index, *shift;
} nibble;

static nibble find_nibble(lower *l, int depth, ir_value *ptr, ir_value *index, int lanes) {
    nibble n;
    n.bytes = lower_build(l, depth, IR_ptrcast, 1, &ptr, ir_ptr(FRIT_u8, (ir_space)ptr->type.space));
    if (lanes > index->type.lanes) {
        ir_value *zero = lower_int(l, FRIT_i64, 0);
        ir_value *ramp = lower_build(l, depth, IR_ramp, 1, &zero, ir_vector(FRIT_i64, lanes));
        index = op2(l, depth, IR_add, lower_splat(l, index, lanes, depth), ramp);
    }
    n.index = op2(l, depth, IR_shr, index, number(l, FRIT_i64, 1, lanes));
    ir_value *odd = op2(l, depth, IR_and, index, number(l, FRIT_i64, 1, lanes));
    n.shift = op2(l, depth, IR_shl, to(l, depth, odd, FRIT_u8), number(l, FRIT_u8, 2, lanes));
    return n;
}

static ir_value *load_nibbles(lower *l, int depth, ir_value *ptr, ir_value *index, ir_type t, ir_value *mask,
                              ir_value *other) {
    nibble n = find_nibble(l, depth, ptr, index, t.lanes);
    ir_value *zero = mask ? number(l, FRIT_u8, 0, t.lanes) : NULL;
    ir_value *byte = load(l, depth, n.bytes, n.index, ir_vector(FRIT_u8, t.lanes), mask, zero);
    byte = op2(l, depth, IR_and, op2(l, depth, IR_shr, byte, n.shift), number(l, FRIT_u8, 15, t.lanes));
    ir_value *v = to(l, depth, byte, (frit_dtype)t.dtype);
    return mask ? lower_build(l, depth, IR_select, 3, (ir_value *[]){mask, v, other}, t) : v;
}

static void store_nibble(lower *l, ir_value *ptr, ir_value *index, ir_value *x, ir_value *mask) {
    int d = l->depth;
    nibble n = find_nibble(l, d, ptr, index, 1);
    ir_value *zero = lower_int(l, FRIT_u8, 0), *low = lower_int(l, FRIT_u8, 15);
    ir_value *byte = load(l, d, n.bytes, n.index, ir_vector(FRIT_u8, 1), mask, zero);
    ir_value *keep = lower_build(l, d, IR_not, 1, (ir_value *[]){op2(l, d, IR_shl, low, n.shift)}, byte->type);
    ir_value *bits = op2(l, d, IR_shl, op2(l, d, IR_and, to(l, d, x, FRIT_u8), low), n.shift);
    store(l, n.bytes, n.index, op2(l, d, IR_or, op2(l, d, IR_and, byte, keep), bits), mask);
}

static ir_value *lane_of(lower *l, ir_value *x, int i) {
    if (!x || x->type.lanes == 1) return x;
    ir_value *v = lower_build(l, l->depth, IR_extract, 1, &x, ir_vector((frit_dtype)x->type.dtype, 1));
    ir_set_int(l->m, v->op, IR_ATTR_offset, i);
    return v;
}

/* Two nibbles share a byte: lanes are stored one after another. */
static void store_nibbles(lower *l, ir_value *ptr, ir_value *index, ir_value *x, ir_value *mask) {
    for (int i = 0; i < x->type.lanes; i++) {
        ir_value *at = lane_of(l, index, i);
        if (index->type.lanes == 1 && i) at = op2(l, l->depth, IR_add, index, lower_int(l, FRIT_i64, i));
        store_nibble(l, ptr, at, lane_of(l, x, i), lane_of(l, mask, i));
    }
}

/* ---- Any ---- */
static bool is_nibble(const ir_value *ptr) { return frit_dtype_bits((frit_dtype)ptr->type.dtype) < 8; }

ir_value *lower_load(lower *l, int depth, ir_value *ptr, ir_value *index, ir_type t, ir_value *mask, ir_value *other) {
    return (is_nibble(ptr) ? load_nibbles : load)(l, depth, ptr, index, t, mask, other);
}

void lower_store(lower *l, ir_value *ptr, ir_value *index, ir_value *x, ir_value *mask) {
    (is_nibble(ptr) ? store_nibbles : store)(l, ptr, index, x, mask);
}
