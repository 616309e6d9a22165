/* reduce and scan: the operand is read with its reduced axes innermost, in row-major order. */
#include "interp_internal.h"

static ir_combine combine_of(const ir_op *op) { return (ir_combine)ir_get_int(op, IR_ATTR_combine, IR_SUM); }

static bool combine_fits(interp *it, ir_combine c, frit_dtype in, frit_dtype out) {
    bool arg = c == IR_ARGMAX || c == IR_ARGMIN, logical = c == IR_ANY || c == IR_ALL;
    bool same_kind = frit_dtype_is_float(in) == frit_dtype_is_float(out);
    bool ok = c >= 0 && c < IR_SET && (arg ? frit_dtype_is_int(out) : same_kind);
    if (logical) ok = in == FRIT_bool && out == FRIT_bool;
    return ok || interp_fail(it, INTERP_BAD_IR, "%s of %s does not give %s", ir_combine_name(c), frit_dtype_name(in),
                             frit_dtype_name(out));
}

typedef struct {
    combination first, now;
    int64_t length, done, written;
    node *out;
    bool running, exclusive; /* scan */
    bool from_end;           /* of positions: the first step is at the last element */
} combining;

static void emit(const interp *it, combining *c) {
    double e;
    scalar v = combine_value(&c->now, c->out->dtype, &e);
    if (c->from_end) v.i = scalar_wrap(c->out->dtype, c->length - 1 - c->now.best);
    scalar_store(c->out->store->t, c->out->store->data, c->written, v);
    if (c->out->store->err) c->out->store->err[c->written] = interp_sum_err(it, c->now.dtype, c->out->dtype, v.f, e);
    if (c->out->store->err && c->now.how == IR_SUM && frit_dtype_is_float(c->out->dtype))
        c->out->store->err[c->written] = interp_moved_err(it, v.f, c->now.has_nan, c->out->store->err[c->written]);
    c->written++;
}

static bool combine_block(void *u, interp *it, int64_t begin, int n, const column *at, const scalar *v,
                          const double *e) {
    combining *c = u;
    for (int i = 0; i < n; i++) {
        if (c->done == 0) c->now = c->first;
        if (c->running && c->exclusive) emit(it, c);
        combine_step(&c->now, v[i], e ? e[i] : 0);
        if (c->running && !c->exclusive) emit(it, c);
        if (++c->done < c->length) continue;
        c->done = 0;
        if (!c->running) emit(it, c);
    }
    return true;
}

/* y from x, whose reduced axes are the last ones of perm, `length` elements together. */
static bool combine_rows(interp *it, const ir_op *op, node *x, const int *perm, int64_t length, node *y) {
    node *rows = node_permute(it, x, perm);
    if (!rows) return false;
    combining c = {.first = combine_start(it, combine_of(op), x->dtype), .length = length, .out = y};
    bool ok = node_visit(it, rows, combine_block, &c);
    for (c.now = c.first; ok && x->n == 0 && c.written < y->n;) emit(it, &c);
    node_release(it, rows);
    return ok;
}

bool op_reduce(interp *it, const ir_op *op, node **in, node **out) {
    node *x = in[0];
    const int64_t *axes;
    int n_axes = ir_get_ints(op, IR_ATTR_axes, &axes), perm[IR_MAX_RANK], kept = 0;
    unsigned reduced = 0;
    int64_t shape[IR_MAX_RANK], length = 1;
    for (int i = 0; i < n_axes; i++) {
        if (axes[i] < 0 || axes[i] >= x->rank || reduced >> axes[i] & 1)
            return interp_fail(it, INTERP_BAD_IR, "reduce over axis %lld", (long long)axes[i]);
        reduced |= 1u << axes[i];
    }
    for (int i = 0; i < x->rank; i++)
        if (!(reduced >> i & 1)) {
            shape[kept] = x->shape[i];
            perm[kept++] = i;
        }
    for (int i = 0, k = kept; i < x->rank; i++)
        if (reduced >> i & 1) {
            perm[k++] = i;
            length = x->n ? length * x->shape[i] : 0;
        }
    frit_dtype t = (frit_dtype)ir_result(op, 0)->type.dtype;
    if (!combine_fits(it, combine_of(op), x->dtype, t)) return false;
    node *y = out[0] = node_dense(it, t, kept, shape);
    if (!y || !combine_rows(it, op, x, perm, length, y)) return false;
    if (!it->absent_in[0] || combine_of(op) != IR_SUM || !interp_any_infinite(y)) return true;
    node *present = interp_leave_out(it, x, it->absent_in[0]);
    bool ok = present && combine_rows(it, op, present, perm, length, y);
    node_release(it, present);
    return ok;
}

bool op_scan(interp *it, const ir_op *op, node **in, node **out) {
    node *x = in[0];
    int last = x->rank - 1, along = (int)ir_get_int(op, IR_ATTR_axis, 0), axis[IR_MAX_RANK];
    if (along < 0 || along > last) return interp_fail(it, INTERP_BAD_IR, "scan along axis %d", along);
    frit_dtype t = (frit_dtype)ir_result(op, 0)->type.dtype;
    ir_combine how = combine_of(op);
    if (!combine_fits(it, how, x->dtype, t)) return false;
    /* rows: the axis innermost, backwards for a reverse scan; the result is written so and read back the same way */
    int64_t shape[IR_MAX_RANK], start[IR_MAX_RANK] = {0}, step[IR_MAX_RANK], back_start[IR_MAX_RANK] = {0},
            back_step[IR_MAX_RANK];
    int back[IR_MAX_RANK];
    bool reverse = ir_get_int(op, IR_ATTR_reverse, 0) != 0;
    for (int i = 0; i <= last; i++) {
        axis[i] = i < along ? i : i == along ? last : i - 1;
        back[axis[i]] = i;
        shape[axis[i]] = x->shape[i];
        step[i] = i == along && reverse ? -1 : 1;
        back_step[axis[i]] = step[i];
        start[i] = back_start[axis[i]] = step[i] < 0 ? x->shape[i] - 1 : 0;
    }
    node *rows = node_affine(it, x, x->rank, shape, axis, start, step);
    node *y = rows ? node_dense(it, t, x->rank, shape) : NULL;
    combining c = {.first = combine_start(it, how, x->dtype), .length = x->shape[along], .out = y, .running = true,
                   .exclusive = ir_get_int(op, IR_ATTR_exclusive, 0) != 0,
                   .from_end = reverse && (how == IR_ARGMAX || how == IR_ARGMIN)};
    bool ok = y && node_visit(it, rows, combine_block, &c);
    if (ok) out[0] = node_affine(it, y, x->rank, x->shape, back, back_start, back_step);
    node_release(it, rows);
    node_release(it, y);
    return ok && out[0];
}
