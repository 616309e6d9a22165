/* The stack of blocks being filled, what has been placed in them, and the ops that open them. */
#include "lower_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void lower_fail(const ir_op *op, const char *why) {
    fprintf(stderr, "frit: internal error: lowering `%s`: %s\n", op ? ir_op_table[op->code].name : "kernel", why);
    abort();
}

void lower_push(lower *l, ir_op *op, ir_block *b) {
    if (l->depth + 1 >= LOWER_MAX_SCOPES) lower_fail(op, "nested too deeply");
    if (op) lower_here(l)->before = op;
    l->scope[++l->depth] = (lower_scope){ir_builder_at_end(l->m, b), l->next_serial++};
    if (op) l->scope[l->depth].b.span = op->span;
}

void lower_pop(lower *l) {
    l->depth--;
    lower_here(l)->before = NULL;
}

/* ---- What has been placed ---- */
static uint32_t memo_hash(const void *a, const void *b, int tag) {
    uint64_t h = ((uintptr_t)a >> 4) * UINT64_C(0x9E3779B97F4A7C15) ^ ((uintptr_t)b >> 4) * UINT64_C(0xC2B2AE3D27D4EB4F);
    h ^= (uint64_t)tag * UINT64_C(0x165667B19E3779F9);
    return (uint32_t)(h >> 32 ^ h >> 7);
}

static lower_memo *memo_slot(lower *l, const void *a, const void *b, int tag) {
    uint32_t mask = (uint32_t)l->memo_size - 1;
    for (uint32_t i = memo_hash(a, b, tag);; i++) {
        lower_memo *e = &l->memo[i & mask];
        if (!e->v || (e->a == a && e->b == b && e->tag == tag)) return e;
    }
}

static bool is_alive(const lower *l, const lower_memo *e) {
    return e->v && e->depth <= l->depth && l->scope[e->depth].serial == e->serial;
}

static void memo_grow(lower *l) {
    lower_memo *old = l->memo;
    int n = l->memo_size;
    l->memo_size = n ? n * 2 : 512;
    l->memo = arena_array(l->scratch, lower_memo, l->memo_size);
    l->memo_count = 0;
    for (int i = 0; i < n; i++)
        if (is_alive(l, &old[i])) {
            *memo_slot(l, old[i].a, old[i].b, old[i].tag) = old[i];
            l->memo_count++;
        }
}

const lower_memo *lower_memo_find(lower *l, const void *a, const void *b, int tag) {
    if (!l->memo_size) return NULL;
    const lower_memo *e = memo_slot(l, a, b, tag);
    return is_alive(l, e) ? e : NULL;
}

ir_value *lower_memo_get(lower *l, const void *a, const void *b, int tag) {
    const lower_memo *e = lower_memo_find(l, a, b, tag);
    return e ? e->v : NULL;
}

void lower_memo_put(lower *l, const void *a, const void *b, int tag, int depth, ir_value *v) {
    if (2 * l->memo_count >= l->memo_size) memo_grow(l);
    lower_memo *e = memo_slot(l, a, b, tag);
    l->memo_count += !e->v;
    *e = (lower_memo){a, b, tag, depth, l->scope[depth].serial, v};
}

/* ---- Building ---- */
ir_value *lower_build(lower *l, int depth, ir_opcode code, int n, ir_value *const *operands, ir_type t) {
    return ir_result(ir_build(lower_at(l, depth), code, n, operands, 1, &t), 0);
}

ir_value *lower_splat(lower *l, ir_value *v, int lanes, int depth) {
    if (lanes == 1 || v->type.lanes != 1) return v;
    const lower_memo *known = lower_memo_find(l, v, NULL, -lanes);
    if (known && known->depth <= depth) return known->v; /* one placed deeper does not reach the caller's depth */
    ir_value *s;
    ir_type t = ir_vector((frit_dtype)v->type.dtype, lanes);
    const ir_attr *value = ir_is(v, IR_constant) ? ir_attr_get(v->op, IR_ATTR_value) : NULL;
    if (value) {
        s = lower_build(l, depth, IR_constant, 0, NULL, t);
        ir_set_data(l->m, s->op, IR_ATTR_value, value->data.p, value->data.bytes);
    } else {
        s = lower_build(l, depth, IR_splat, 1, &v, t);
    }
    lower_memo_put(l, v, NULL, -lanes, depth, s);
    return s;
}

ir_value *lower_int(lower *l, frit_dtype t, int64_t v) {
    sym_t key = sym_const(l->syms, v);
    ir_value *c = lower_memo_get(l, key, NULL, 1 + (int)t);
    if (!c) {
        c = ir_splat_int(lower_at(l, 0), ir_vector(t, 1), v);
        lower_memo_put(l, key, NULL, 1 + (int)t, 0, c);
    }
    return c;
}

ir_value *lower_float(lower *l, frit_dtype t, double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    sym_t key = sym_const(l->syms, (int64_t)bits);
    ir_value *c = lower_memo_get(l, key, key, 1 + (int)t);
    if (!c) {
        c = ir_splat(lower_at(l, 0), ir_vector(t, 1), v);
        lower_memo_put(l, key, key, 1 + (int)t, 0, c);
    }
    return c;
}

static ir_op *open_loop(lower *l, int n_operands, ir_value **operands, int n, const ir_type *types) {
    ir_op *loop = ir_build(lower_here(l), IR_tfor, n_operands, operands, n, types);
    lower_push(l, loop, loop->blocks[0]);
    return loop;
}

ir_op *lower_for(lower *l, ir_value *from, ir_value *to, ir_value *step, int n, ir_value **carried) {
    ir_value **operands = arena_array(l->scratch, ir_value *, n + 3);
    ir_type *types = arena_array(l->scratch, ir_type, n + 1);
    operands[0] = from, operands[1] = to, operands[2] = step;
    for (int i = 0; i < n; i++) {
        operands[3 + i] = carried[i];
        types[i] = carried[i]->type;
    }
    ir_op *loop = open_loop(l, n + 3, operands, n, types);
    ir_block_add_arg(l->m, loop->blocks[0], ir_vector(FRIT_i64, 1), NULL);
    for (int i = 0; i < n; i++) carried[i] = ir_block_add_arg(l->m, loop->blocks[0], types[i], NULL);
    return loop;
}

void lower_for_end(lower *l, ir_op *loop, int n, ir_value **carried) {
    ir_build(lower_here(l), IR_yield, n, carried, 0, NULL);
    lower_pop(l);
    for (int i = 0; i < n; i++) carried[i] = ir_result(loop, i);
}

ir_op *lower_loop_over(lower *l, const char *name, int count, int n, ir_value **carried, sym_t *at) {
    ir_op *loop = lower_for(l, lower_int(l, FRIT_i64, 0), lower_int(l, FRIT_i64, count), lower_int(l, FRIT_i64, 1), n, carried);
    *at = sym_var(l->syms, name, SYM_INDEX, sym_const(l->syms, 0), sym_const(l->syms, count - 1));
    lower_bind(l, *at, loop->blocks[0]->args[0], l->depth);
    return loop;
}

ir_op *lower_if(lower *l, ir_value *cond) {
    ir_op *op = ir_build(lower_here(l), IR_tif, 1, &cond, 0, NULL);
    lower_push(l, op, op->blocks[0]);
    return op;
}

void lower_if_end(lower *l, ir_op *op) {
    ir_build(lower_here(l), IR_yield, 0, NULL, 0, NULL);
    lower_pop(l);
    ir_builder other = ir_builder_at_end(l->m, op->blocks[1]);
    ir_build(&other, IR_yield, 0, NULL, 0, NULL);
}
