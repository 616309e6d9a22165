#include "emit_random.h"

static ir_value *number(ir_builder *b, frit_dtype t, uint64_t v) { return ir_splat_int(b, ir_scalar(t), (int64_t)v); }
static ir_value *low(ir_builder *b, ir_value *x) { return ir_cast(b, x, FRIT_u32); }
static ir_value *high(ir_builder *b, ir_value *x) {
    return ir_cast(b, ir_binary(b, IR_shr, x, number(b, FRIT_u64, 32)), FRIT_u32);
}
static ir_value *three(ir_builder *b, ir_value *x, ir_value *y, ir_value *z) {
    return ir_binary(b, IR_xor, ir_binary(b, IR_xor, x, y), z);
}

static void philox(ir_builder *b, ir_value *w[4], ir_value *k0, ir_value *k1) {
    for (int round = 0; round < 10; round++) {
        ir_value *a = ir_binary(b, IR_mul, ir_cast(b, w[0], FRIT_u64), number(b, FRIT_u64, 0xD2511F53u));
        ir_value *c = ir_binary(b, IR_mul, ir_cast(b, w[2], FRIT_u64), number(b, FRIT_u64, 0xCD9E8D57u));
        ir_value *next[4] = {three(b, high(b, c), w[1], k0), low(b, c), three(b, high(b, a), w[3], k1), low(b, a)};
        for (int i = 0; i < 4; i++) w[i] = next[i];
        k0 = ir_binary(b, IR_add, k0, number(b, FRIT_u32, 0x9E3779B9u));
        k1 = ir_binary(b, IR_add, k1, number(b, FRIT_u32, 0xBB67AE85u));
    }
}

/* x where bit `bit` of at is set, else y. */
static ir_value *choose(ir_builder *b, ir_value *at, int bit, ir_value *x, ir_value *y) {
    ir_value *set = ir_binary(b, IR_and, at, number(b, FRIT_u64, UINT64_C(1) << bit));
    return ir_select(b, ir_binary(b, IR_ne, set, number(b, FRIT_u64, 0)), x, y);
}

static ir_value *join(ir_builder *b, ir_value *lo, ir_value *hi) {
    ir_value *top = ir_binary(b, IR_shl, ir_cast(b, hi, FRIT_u64), number(b, FRIT_u64, 32));
    return ir_binary(b, IR_or, top, ir_cast(b, lo, FRIT_u64));
}

ir_value *emit_random(ir_builder *b, frit_dtype t, uint64_t stream, ir_value *seed, ir_value *element) {
    bool wide = t == FRIT_u64;
    ir_value *block = ir_binary(b, IR_shr, element, number(b, FRIT_u64, wide ? 1 : 2));
    ir_value *w[4] = {low(b, block), high(b, block), number(b, FRIT_u32, (uint32_t)stream), number(b, FRIT_u32, stream >> 32)};
    philox(b, w, low(b, seed), high(b, seed));
    if (wide) return choose(b, element, 0, join(b, w[2], w[3]), join(b, w[0], w[1]));
    return choose(b, element, 1, choose(b, element, 0, w[3], w[2]), choose(b, element, 0, w[1], w[0]));
}
