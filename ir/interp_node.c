#include "interp_internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool interp_fail(interp *it, interp_status s, const char *format, ...) {
    if (it->status != INTERP_OK) return false; /* the first reason stands */
    it->status = s;
    va_list ap;
    va_start(ap, format);
    vsnprintf(it->message, sizeof it->message, format, ap);
    va_end(ap);
    return false;
}

bool interp_work(interp *it, int64_t n) {
    if (it->max_ops <= 0) return true;
    if (n <= it->max_ops - it->ops) {
        it->ops += n;
        return true;
    }
    it->ops = it->max_ops;
    return interp_fail(it, INTERP_LIMIT, "more work than the limit of %lld ops", (long long)it->max_ops);
}

/* ---- Storage ----------------------------------------------------------------------------------------------------- */
storage *storage_new(interp *it, frit_dtype t, int64_t n) {
    frit_dtype stored = interp_store_dtype(it, t);
    int64_t bytes = frit_dtype_bytes(stored, n), with_err = 0;
    bool bad = bytes < 0 || (it->wide && __builtin_mul_overflow(n, (int64_t)sizeof(double), &with_err)) ||
               __builtin_add_overflow(bytes, with_err, &with_err);
    if (bad || with_err > it->max_bytes - it->live_bytes) {
        interp_fail(it, INTERP_MEMORY, "a tensor of %lld elements of %s exceeds the interpreter's memory limit",
                    (long long)n, frit_dtype_name(t));
        return NULL;
    }
    storage *s = calloc(1, sizeof *s);
    void *data = calloc(1, (size_t)bytes + 1);
    double *err = it->wide ? calloc((size_t)n + 1, sizeof(double)) : NULL;
    if (!s || !data || (it->wide && !err)) {
        free(s), free(data), free(err);
        interp_fail(it, INTERP_MEMORY, "out of memory for a tensor of %lld elements", (long long)n);
        return NULL;
    }
    *s = (storage){.refs = 1, .t = stored, .n = n, .bytes = with_err, .data = data, .err = err, .owned = true};
    it->live_bytes += with_err;
    return s;
}

void storage_release(interp *it, storage *s) {
    if (!s || --s->refs) return;
    if (s->owned) {
        it->live_bytes -= s->bytes;
        free(s->data);
        free(s->err);
    }
    free(s);
}

/* ---- Nodes ------------------------------------------------------------------------------------------------------- */
int64_t interp_count(interp *it, int rank, const int64_t *shape) {
    int64_t n = 1;
    bool bad = false, empty = false;
    for (int i = 0; i < rank; i++) {
        bad |= shape[i] < 0;
        empty |= shape[i] == 0;
    }
    for (int i = 0; i < rank && !bad && !empty; i++) bad |= __builtin_mul_overflow(n, shape[i], &n);
    if (bad) {
        interp_fail(it, INTERP_BAD_INPUT, "a tensor has a negative dim or more than 2^63 elements");
        return -1;
    }
    return empty ? 0 : n;
}

node *node_new(interp *it, node_kind kind, frit_dtype t, int rank, const int64_t *shape, int n_in, node *const *in) {
    int64_t n = interp_count(it, rank, shape);
    if (n < 0) return NULL;
    node *x = calloc(1, sizeof *x);
    node **operands = n_in ? calloc((size_t)n_in, sizeof *operands) : NULL;
    if (!x || (n_in && !operands)) {
        free(x), free(operands);
        interp_fail(it, INTERP_MEMORY, "out of memory");
        return NULL;
    }
    *x = (node){.refs = 1, .kind = kind, .dtype = t, .rank = rank, .n = n, .n_in = n_in, .in = operands};
    if (rank) memcpy(x->shape, shape, sizeof *shape * (size_t)rank);
    for (int i = 0; i < n_in; i++) {
        x->in[i] = node_keep(in[i]);
        if (in[i]->depth + 1 > x->depth) x->depth = in[i]->depth + 1;
        x->undecided |= in[i]->undecided;
    }
    return x;
}

node *node_keep(node *x) {
    if (x) x->refs++;
    return x;
}

static void drop_contents(interp *it, node *x) {
    storage_release(it, x->store);
    if (x->maps)
        for (int i = 0; i < x->in[0]->rank; i++) map_free(x->maps[i]);
    free(x->maps);
    for (int i = 0; i < x->n_in; i++) node_release(it, x->in[i]);
    free(x->in);
    x->store = NULL;
    x->maps = NULL;
    x->in = NULL;
    x->n_in = 0;
}

void node_release(interp *it, node *x) {
    if (!x || --x->refs) return;
    drop_contents(it, x);
    free(x);
}

static void dense_strides(node *x) {
    int64_t s = 1;
    for (int i = x->rank; i-- > 0;) {
        x->stride[i] = s;
        if (x->n) s *= x->shape[i];
    }
}

node *node_dense(interp *it, frit_dtype t, int rank, const int64_t *shape) {
    node *x = node_new(it, NODE_STRIDED, t, rank, shape, 0, NULL);
    if (!x) return NULL;
    x->store = storage_new(it, t, x->n);
    if (!x->store) {
        node_release(it, x);
        return NULL;
    }
    dense_strides(x);
    return x;
}

node *node_borrow(interp *it, const interp_tensor *t) {
    node *x = node_new(it, NODE_STRIDED, t->dtype, t->rank, t->shape, 0, NULL);
    if (!x) return NULL;
    x->store = calloc(1, sizeof *x->store);
    if (!x->store) {
        interp_fail(it, INTERP_MEMORY, "out of memory");
        node_release(it, x);
        return NULL;
    }
    frit_dtype stored = t->wide && frit_dtype_is_float(t->dtype) ? FRIT_f64 : t->dtype;
    *x->store = (storage){.refs = 1, .t = stored, .n = x->n, .data = t->data, .err = t->err};
    dense_strides(x);
    return x;
}

bool node_is_dense(const node *x) {
    if (x->kind != NODE_STRIDED || x->offset) return false;
    int64_t s = 1;
    for (int i = x->rank; i-- > 0;) {
        if (x->shape[i] != 1 && x->stride[i] != s) return false;
        s *= x->shape[i] ? x->shape[i] : 1;
    }
    return true;
}

/* The elements of x in fresh storage. */
static storage *compute(interp *it, const node *x) {
    storage *s = storage_new(it, x->dtype, x->n);
    if (s && node_write(it, x, s->t, s->data, s->err)) return s;
    storage_release(it, s);
    return NULL;
}

bool node_settle(interp *it, node *x) {
    if (x->kind == NODE_STRIDED) return true;
    storage *s = compute(it, x);
    if (!s) return false;
    drop_contents(it, x);
    x->kind = NODE_STRIDED;
    x->store = s;
    x->offset = 0;
    x->depth = 0;
    dense_strides(x);
    return true;
}

static node *dense_copy(interp *it, const node *x) {
    node *y = node_dense(it, x->dtype, x->rank, x->shape);
    if (!y) return NULL;
    y->undecided = x->undecided;
    if (node_write(it, x, y->store->t, y->store->data, y->store->err)) return y;
    node_release(it, y);
    return NULL;
}

node *node_to_dense(interp *it, node *x) {
    if (!node_settle(it, x)) return NULL;
    return node_is_dense(x) ? node_keep(x) : dense_copy(it, x);
}

node *node_private(interp *it, node *x) {
    bool mine = x->refs == 1 && node_is_dense(x) && x->store->refs == 1 && x->store->owned &&
                x->store->t == interp_store_dtype(it, x->dtype) && x->store->n == x->n;
    return mine ? node_keep(x) : dense_copy(it, x);
}

node *node_affine(interp *it, node *x, int rank, const int64_t *shape, const int *axis, const int64_t *start,
                  const int64_t *step) {
    bool strided = x->kind == NODE_STRIDED;
    node *y = node_new(it, strided ? NODE_STRIDED : NODE_AFFINE, x->dtype, rank, shape, strided ? 0 : 1, &x);
    if (!y) return NULL;
    y->undecided = x->undecided;
    if (strided) {
        y->store = x->store;
        y->store->refs++;
        y->offset = x->offset;
    }
    for (int i = 0; i < x->rank; i++) {
        if (strided) {
            y->offset += start[i] * x->stride[i];
            if (axis[i] >= 0) y->stride[axis[i]] += step[i] * x->stride[i];
        } else {
            y->axis[i] = axis[i];
            y->start[i] = start[i];
            y->step[i] = step[i];
        }
    }
    return y;
}

node *node_permute(interp *it, node *x, const int *perm) {
    int axis[IR_MAX_RANK];
    int64_t shape[IR_MAX_RANK], start[IR_MAX_RANK] = {0}, step[IR_MAX_RANK];
    for (int i = 0; i < x->rank; i++) {
        axis[perm[i]] = i;
        shape[i] = x->shape[perm[i]];
        step[i] = 1;
    }
    return node_affine(it, x, x->rank, shape, axis, start, step);
}

bool interp_to_host(interp *it, node *x, interp_tensor *out) {
    node *y = dense_copy(it, x);
    if (!y) return false;
    *out = (interp_tensor){.dtype = x->dtype, .rank = x->rank, .wide = it->wide};
    memcpy(out->shape, x->shape, sizeof out->shape);
    out->data = y->store->data;
    out->err = y->store->err;
    y->store->owned = false; /* the caller's from here on */
    it->live_bytes -= y->store->bytes;
    for (int64_t i = 0; out->err && x->undecided && i < x->n; i++) out->err[i] = __builtin_inf();
    node_release(it, y);
    return true;
}
