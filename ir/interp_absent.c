/* Excluded positions (absent.h): beside a value's elements goes a bool for each, a recipe over what the value was computed
 * from. It is looked at only by sums that come out infinite or NaN, as an excluded factor is 0 in itself. */
#include "absent.h"
#include "interp_internal.h"
#include <math.h>
#include <string.h>

static node *made_of(interp *it, ir_opcode code, frit_dtype t, int n, node *const *in) {
    node *x = node_new(it, NODE_ELEMENTWISE, t, in[0]->rank, in[0]->shape, n, in);
    if (!x) return NULL;
    x->op = code;
    if (x->depth < MAX_DEPTH || node_settle(it, x)) return x;
    node_release(it, x);
    return NULL;
}

/* The number v, of dtype t, at every position of x. */
static node *everywhere(interp *it, const node *x, frit_dtype t, double v) {
    node *one = node_dense(it, t, 0, NULL), *all = NULL;
    int axis = 0;
    int64_t zero = 0;
    if (one && frit_dtype_is_float(t)) frit_store_float(one->store->t, one->store->data, 0, v);
    else if (one) frit_store_int(t, one->store->data, 0, (int64_t)v);
    if (one) all = node_affine(it, one, x->rank, x->shape, &axis, &zero, &zero);
    node_release(it, one);
    return all;
}

static node *compare(interp *it, node *x, double v) {
    node *in[2] = {x, everywhere(it, x, x->dtype, v)};
    node *y = in[1] ? made_of(it, IR_eq, FRIT_bool, 2, in) : NULL;
    node_release(it, in[1]);
    return y;
}

static node *chosen(interp *it, const ir_op *op, node **in, node *const *absent_in) {
    node *part[3] = {in[0]}, *y = NULL;
    bool any = false;
    for (int i = 1; i < 3; i++) {
        bool zero = ir_excludes(op, i);
        any |= zero || absent_in[i];
        part[i] = zero || !absent_in[i] ? everywhere(it, in[0], FRIT_bool, zero) : node_keep(absent_in[i]);
    }
    if (any && part[1] && part[2]) y = made_of(it, IR_select, FRIT_bool, 3, part);
    node_release(it, part[1]);
    node_release(it, part[2]);
    return y;
}

static node *alike(interp *it, const ir_op *op, node **in, node *absent) {
    if (ir_op_flags(op) & IR_F_ELEMENTWISE) return node_keep(absent);
    node *from = in[0], *y = NULL;
    in[0] = absent;
    bool ok = interp_function(op)(it, op, in, &y);
    in[0] = from;
    if (ok) {
        y->fill = 0; /* what a view reads outside is its own */
        return y;
    }
    node_release(it, y);
    return NULL;
}

node *interp_absent(interp *it, const ir_op *op, node **in, node *const *absent_in, node *out) {
    node *const *a = absent_in;
    switch (ir_absence_of(op)) {
    case IR_ABSENT_LOW: return compare(it, in[0], -INFINITY);
    case IR_ABSENT_CHOSEN: return chosen(it, op, in, a);
    case IR_ABSENT_ALIKE: return a[0] ? alike(it, op, in, a[0]) : NULL;
    case IR_ABSENT_EITHER: return a[0] && a[1] ? made_of(it, IR_or, FRIT_bool, 2, a) : node_keep(a[0] ? a[0] : a[1]);
    case IR_ABSENT_QUOTIENT: {
        if (!a[0]) return NULL;
        node *size = made_of(it, IR_abs, out->dtype, 1, &in[1]), *zero = everywhere(it, out, out->dtype, 0);
        node *positive = size && zero ? made_of(it, IR_lt, FRIT_bool, 2, (node *[]){zero, size}) : NULL;
        node *y = positive ? made_of(it, IR_and, FRIT_bool, 2, (node *[]){a[0], positive}) : NULL;
        node_release(it, size);
        node_release(it, zero);
        node_release(it, positive);
        return y;
    }
    default: return NULL;
    }
}

bool interp_any_infinite(const node *x) {
    for (int64_t i = 0; frit_dtype_is_float(x->dtype) && i < x->n; i++)
        if (!isfinite(frit_load_float(x->store->t, x->store->data, i))) return true;
    return false;
}

/* Excluded or not is never in doubt: a comparison with -inf says so of what is -inf in the wide run. */
static node *certain(interp *it, node *absent) {
    node *x = node_private(it, absent);
    if (x && x->store->err) memset(x->store->err, 0, sizeof *x->store->err * (size_t)x->n);
    return x;
}

node *interp_leave_out(interp *it, node *x, node *absent) {
    node *in[3] = {certain(it, absent), everywhere(it, x, x->dtype, 0), x};
    node *y = in[0] && in[1] ? made_of(it, IR_select, x->dtype, 3, in) : NULL;
    node_release(it, in[0]);
    node_release(it, in[1]);
    return y;
}
