/* Ops without tensor operands, and states. */
#include "interp_internal.h"
#include <stdlib.h>
#include <string.h>

/* A node of op's result 0 over fresh storage of the given dims, then stretched by stride 0 to the result's dims. */
static node *stretched(interp *it, const ir_op *op, int64_t elements, int axis) {
    ir_type t = ir_result(op, 0)->type;
    int64_t shape[IR_MAX_RANK];
    if (!interp_dims(it, t, shape)) return NULL;
    node *x = node_new(it, NODE_STRIDED, (frit_dtype)t.dtype, t.rank, shape, 0, NULL);
    if (!x) return NULL;
    x->store = storage_new(it, (frit_dtype)t.dtype, elements);
    if (axis >= 0) x->stride[axis] = 1;
    if (x->store) return x;
    node_release(it, x);
    return NULL;
}

static void put(node *x, int64_t i, scalar v) { scalar_store(x->store->t, x->store->data, i, v); }

bool op_constant(interp *it, const ir_op *op, node **in, node **out) {
    const ir_attr *value = ir_attr_get(op, IR_ATTR_value);
    ir_type t = ir_result(op, 0)->type;
    frit_dtype d = (frit_dtype)t.dtype;
    int64_t shape[IR_MAX_RANK];
    if (!value || !interp_dims(it, t, shape)) return interp_fail(it, INTERP_BAD_IR, "constant without a value");
    int64_t n = interp_count(it, t.rank, shape), one = frit_dtype_bytes(d, 1);
    if (n < 0) return false;
    if (value->data.bytes == one && n != 1) {
        if (!(out[0] = stretched(it, op, 1, -1))) return false;
        put(out[0], 0, scalar_load(d, value->data.p, 0));
        return true;
    }
    /* two 4-bit elements take two bytes here: one byte is a splat */
    if (value->data.bytes != frit_dtype_bytes(d, n) && !(n == 2 && one == 1 && value->data.bytes == 2))
        return interp_fail(it, INTERP_BAD_IR, "constant of %lld bytes for %lld elements of %s",
                           (long long)value->data.bytes, (long long)n, frit_dtype_name(d));
    if (!(out[0] = node_dense(it, d, t.rank, shape))) return false;
    for (int64_t i = 0; i < n; i++) put(out[0], i, scalar_load(d, value->data.p, i));
    return true;
}

bool op_param(interp *it, const ir_op *op, node **in, node **out) {
    const char *path = ir_get_string(op, IR_ATTR_path);
    for (int i = 0; i < it->n_globals; i++)
        if (path && !strcmp(it->m->globals.data[i]->path, path) && it->globals[i]) {
            out[0] = node_keep(it->globals[i]);
            return true;
        }
    return interp_fail(it, INTERP_BAD_INPUT, "param '%s' is not bound", path ? path : "");
}

static int global_index(interp *it, const char *path) {
    for (int i = 0; path && i < it->n_globals; i++)
        if (!strcmp(it->m->globals.data[i]->path, path) && it->m->globals.data[i]->is_state) return i;
    interp_fail(it, INTERP_BAD_IR, "no state '%s'", path ? path : "");
    return -1;
}

bool op_state_read(interp *it, const ir_op *op, node **in, node **out) {
    int i = global_index(it, ir_get_string(op, IR_ATTR_path));
    if (i < 0) return false;
    if (!it->globals[i]) {
        const ir_global *g = it->m->globals.data[i];
        ir_func *init = g->init;
        if (!init) return interp_fail(it, INTERP_BAD_INPUT, "state '%s' has no first value", g->path);
        if (!interp_prepare(it, init->body) || !interp_block(it, init->body, 0, NULL, 1, &it->globals[i])) return false;
    }
    out[0] = node_keep(it->globals[i]);
    return true;
}

bool op_state_write(interp *it, const ir_op *op, node **in, node **out) {
    int i = global_index(it, ir_get_string(op, IR_ATTR_path));
    if (i < 0) return false;
    node *x = node_to_dense(it, in[0]); /* the inputs of this run end with it: a state owns its elements */
    if (x && !x->store->owned) {
        node *copy = node_private(it, x);
        node_release(it, x);
        x = copy;
    }
    if (!x) return false;
    node_release(it, it->globals[i]);
    it->globals[i] = x;
    return true;
}

bool op_size(interp *it, const ir_op *op, node **in, node **out) {
    const sym_t *s;
    scalar v;
    if (ir_get_syms(op, IR_ATTR_size, &s) != 1) return interp_fail(it, INTERP_BAD_IR, "size without an expression");
    if (!interp_eval(it, s[0], &v.i) || !(out[0] = stretched(it, op, 1, -1))) return false;
    put(out[0], 0, v);
    return true;
}

bool op_iota(interp *it, const ir_op *op, node **in, node **out) {
    int axis = (int)ir_get_int(op, IR_ATTR_axis, 0);
    ir_type t = ir_result(op, 0)->type;
    int64_t shape[IR_MAX_RANK];
    if (axis < 0 || axis >= t.rank) return interp_fail(it, INTERP_BAD_IR, "iota along axis %d", axis);
    if (!interp_dims(it, t, shape) || !(out[0] = stretched(it, op, shape[axis], axis))) return false;
    for (int64_t i = 0; i < shape[axis]; i++) {
        scalar v = {.i = i};
        frit_dtype d = (frit_dtype)t.dtype;
        scalar_eval(IR_cast, FRIT_i64, interp_store_dtype(it, d), &v, &v);
        put(out[0], i, v);
        if (out[0]->store->err && frit_dtype_is_float(d)) out[0]->store->err[i] = interp_stored_err(it, d, v.f, 0);
    }
    return true;
}

/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC 2011, section 3.3). */
static void philox(const uint32_t counter[4], uint64_t key, uint32_t out[4]) {
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    memcpy(out, counter, 16);
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        uint64_t a = (uint64_t)out[0] * 0xD2511F53u, b = (uint64_t)out[2] * 0xCD9E8D57u;
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ out[1] ^ k0, (uint32_t)b, (uint32_t)(a >> 32) ^ out[3] ^ k1,
                            (uint32_t)a};
        memcpy(out, next, 16);
    }
}

/* Stream layout: the key is the run's seed (low word, high word); the counter is (block low, block high, op's seed low,
 * op's seed high); word w of the stream is output w % 4 of block w / 4. A u64 element e is words 2e (low), 2e + 1. */
bool op_random(interp *it, const ir_op *op, node **in, node **out) {
    ir_type t = ir_result(op, 0)->type;
    int64_t shape[IR_MAX_RANK];
    uint64_t stream = (uint64_t)ir_get_int(op, IR_ATTR_seed, 0);
    if (t.dtype != FRIT_u32 && t.dtype != FRIT_u64) return interp_fail(it, INTERP_BAD_IR, "random gives u32 or u64");
    if (!interp_dims(it, t, shape)) return false;
    if (!(out[0] = node_dense(it, (frit_dtype)t.dtype, t.rank, shape))) return false;
    uint64_t words = (uint64_t)out[0]->n * (t.dtype == FRIT_u64 ? 2 : 1);
    uint32_t *data = out[0]->store->data;
    for (uint64_t block = 0; block * 4 < words; block++) {
        uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)};
        uint32_t word[4];
        philox(counter, it->seed, word);
        uint64_t n = words - block * 4 < 4 ? words - block * 4 : 4;
        memcpy(data + block * 4, word, (size_t)n * sizeof *word);
    }
    return true;
}
