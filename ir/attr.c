#include "internal.h"
#include <string.h>

const ir_attr *ir_attr_get(const ir_op *op, ir_attr_key k) {
    for (int i = 0; i < op->n_attrs; i++)
        if (op->attrs[i].key == k) return &op->attrs[i];
    return NULL;
}

bool ir_has(const ir_op *op, ir_attr_key k) { return ir_attr_get(op, k) != NULL; }

int64_t ir_get_int(const ir_op *op, ir_attr_key k, int64_t absent) {
    const ir_attr *a = ir_attr_get(op, k);
    return a ? a->i : absent;
}

double ir_get_float(const ir_op *op, ir_attr_key k, double absent) {
    const ir_attr *a = ir_attr_get(op, k);
    return a ? a->f : absent;
}

const char *ir_get_string(const ir_op *op, ir_attr_key k) {
    const ir_attr *a = ir_attr_get(op, k);
    return a ? a->s : NULL;
}

int ir_get_ints(const ir_op *op, ir_attr_key k, const int64_t **v) {
    const ir_attr *a = ir_attr_get(op, k);
    *v = a ? a->ints.v : NULL;
    return a ? a->ints.n : 0;
}

int ir_get_syms(const ir_op *op, ir_attr_key k, const sym_t **v) {
    const ir_attr *a = ir_attr_get(op, k);
    *v = a ? a->syms.v : NULL;
    return a ? a->syms.n : 0;
}

/* Attributes are kept in key order, so that equal ops print and compare equal. */
void ir_set_attr(ir_module *m, ir_op *op, ir_attr attr) {
    int i = 0;
    while (i < op->n_attrs && op->attrs[i].key < attr.key) i++;
    if (i < op->n_attrs && op->attrs[i].key == attr.key) {
        op->attrs[i] = attr;
        return;
    }
    int n = op->n_attrs;
    if ((n & (n - 1)) == 0) { /* a power of two: full */
        ir_attr *grown = arena_array(m->arena, ir_attr, n ? 2 * n : 1);
        if (n) memcpy(grown, op->attrs, sizeof(ir_attr) * (size_t)n);
        op->attrs = grown;
    }
    memmove(&op->attrs[i + 1], &op->attrs[i], sizeof(ir_attr) * (size_t)(n - i));
    op->attrs[i] = attr;
    op->n_attrs++;
}

static void *copy(ir_module *m, const void *p, size_t size) { return size ? arena_copy(m->arena, p, size) : NULL; }

static ir_attr attr_of(const ir_op *op, ir_attr_key k, ir_attr_kind kind) {
    ir_attr_kind holds = ir_attr_table[k].kind;
    bool integer = holds == IR_ATTR_DTYPE || holds == IR_ATTR_ENUM;
    IR_REQUIRE(holds == kind || (kind == IR_ATTR_INT && integer), op->code, ir_attr_table[k].name);
    return (ir_attr){.key = (uint8_t)k};
}

void ir_set_int(ir_module *m, ir_op *op, ir_attr_key k, int64_t v) {
    ir_attr a = attr_of(op, k, IR_ATTR_INT);
    a.i = v;
    ir_set_attr(m, op, a);
}

void ir_set_float(ir_module *m, ir_op *op, ir_attr_key k, double v) {
    ir_attr a = attr_of(op, k, IR_ATTR_FLOAT);
    a.f = v;
    ir_set_attr(m, op, a);
}

void ir_set_string(ir_module *m, ir_op *op, ir_attr_key k, const char *s) {
    ir_attr a = attr_of(op, k, IR_ATTR_STRING);
    a.s = arena_strdup(m->arena, s);
    ir_set_attr(m, op, a);
}

void ir_set_ints(ir_module *m, ir_op *op, ir_attr_key k, int n, const int64_t *v) {
    ir_attr a = attr_of(op, k, IR_ATTR_INTS);
    a.ints.n = n;
    a.ints.v = copy(m, v, sizeof(int64_t) * (size_t)n);
    ir_set_attr(m, op, a);
}

void ir_set_syms(ir_module *m, ir_op *op, ir_attr_key k, int n, const sym_t *v) {
    ir_attr a = attr_of(op, k, IR_ATTR_SYMS);
    a.syms.n = n;
    a.syms.v = copy(m, v, sizeof(sym_t) * (size_t)n);
    ir_set_attr(m, op, a);
}

void ir_set_data(ir_module *m, ir_op *op, ir_attr_key k, const void *p, int64_t bytes) {
    ir_attr a = attr_of(op, k, IR_ATTR_DATA);
    a.data.bytes = bytes;
    a.data.p = copy(m, p, (size_t)bytes);
    ir_set_attr(m, op, a);
}

void ir_remove_attr(ir_op *op, ir_attr_key k) {
    for (int i = 0; i < op->n_attrs; i++) {
        if (op->attrs[i].key != k) continue;
        memmove(&op->attrs[i], &op->attrs[i + 1], sizeof(ir_attr) * (size_t)(op->n_attrs - i - 1));
        op->n_attrs--;
        /* Growth happens at powers of two; a shrunk array is copied once more than needed, never too late. */
        return;
    }
}

bool ir_splat_value(const ir_value *v, double *out) {
    if (!ir_is(v, IR_constant)) return false;
    const ir_attr *a = ir_attr_get(v->op, IR_ATTR_value);
    frit_dtype t = (frit_dtype)v->type.dtype;
    if (!a || a->data.bytes < 1) return false;
    int64_t n = a->data.bytes == ir_splat_bytes(v->type) ? 1 : a->data.bytes * 8 / frit_dtype_bits(t);
    unsigned bits = frit_dtype_bits(t);
    const char *p = a->data.p;
    if (bits < 8 && n > 1) {
        int64_t first = frit_load_int(t, p, 0);
        for (int64_t i = 1; i < n; i++)
            if (frit_load_int(t, p, i) != first) return false;
    } else if (n > 1 && memcmp(p, p + bits / 8, (size_t)a->data.bytes - bits / 8) != 0) {
        return false;
    }
    *out = frit_dtype_is_float(t) ? frit_load_float(t, p, 0) : (double)frit_load_int(t, p, 0);
    if (t == FRIT_u64) *out = (double)(uint64_t)frit_load_int(t, p, 0);
    return true;
}
