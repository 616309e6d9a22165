#include "interp_internal.h"
#include <math.h>
#include <string.h>

void block_columns(int rank, const int64_t *shape, int64_t begin, int n, column *at, int64_t (*room)[BLOCK]) {
    int64_t inner = 1; /* positions that one step of axis k spans */
    for (int k = rank; k-- > 0;) {
        int64_t row = begin / inner, left = inner - begin % inner, index = row % shape[k];
        at[k] = (column){NULL, index};
        if (left < n) {
            at[k].v = room[k];
            for (int i = 0; i < n; i++) {
                room[k][i] = index;
                if (--left == 0) {
                    left = inner;
                    index = index + 1 == shape[k] ? 0 : index + 1;
                }
            }
        }
        inner *= shape[k];
    }
}

/* ---- Strided ----------------------------------------------------------------------------------------------------- */
static void load(const storage *s, bool is_float, int n, const int64_t *at, scalar *v) {
    switch (s->t) {
    case FRIT_f32:
        for (int i = 0; i < n; i++) v[i].f = ((const float *)s->data)[at[i]];
        break;
    case FRIT_f64:
        for (int i = 0; i < n; i++) v[i].f = ((const double *)s->data)[at[i]];
        break;
    default:
        for (int i = 0; i < n; i++) v[i] = scalar_load(s->t, s->data, at[i]);
    }
}

static bool eval_strided(const node *x, int n, const column *at, scalar *v, double *e) {
    int64_t place[BLOCK], base = x->offset;
    bool constant = true;
    for (int k = 0; k < x->rank; k++)
        if (!at[k].v) base += at[k].k * x->stride[k];
        else constant &= x->stride[k] == 0;
    int points = constant ? 1 : n;
    for (int i = 0; i < points; i++) place[i] = base;
    for (int k = 0; k < x->rank && !constant; k++)
        for (int i = 0; at[k].v && x->stride[k] && i < n; i++) place[i] += at[k].v[i] * x->stride[k];
    load(x->store, frit_dtype_is_float(x->dtype), points, place, v);
    for (int i = 0; e && i < points; i++) e[i] = x->undecided ? INFINITY : x->store->err ? x->store->err[place[i]] : 0;
    for (int i = 1; constant && i < n; i++) {
        v[i] = v[0];
        if (e) e[i] = e[0];
    }
    return true;
}

/* ---- Elementwise ------------------------------------------------------------------------------------------------- */
static bool eval_elementwise(interp *it, const node *x, int n, const column *at, scalar *v, double *e) {
    scalar in[3][BLOCK];
    double err[3][BLOCK];
    frit_dtype from = x->in[x->op == IR_select ? 1 : 0]->dtype, to = x->dtype;
    for (int k = 0; k < x->n_in; k++)
        if (!node_eval(it, x->in[k], n, at, in[k], e ? err[k] : NULL)) return false;
    /* Reinterpreted bits are those of the dtype, wide or not. */
    bool bits = x->op == IR_bitcast;
    frit_dtype compute = bits ? from : interp_store_dtype(it, from), result = bits ? to : interp_store_dtype(it, to);
    for (int i = 0; i < n; i++) {
        scalar a[3];
        double ea[3];
        for (int k = 0; k < x->n_in; k++) {
            a[k] = in[k][i];
            ea[k] = e ? err[k][i] : 0;
        }
        if (!scalar_eval(x->op, compute, result, a, &v[i]))
            return interp_fail(it, INTERP_BAD_IR, "%s is not defined on %s", ir_op_table[x->op].name,
                               frit_dtype_name(from));
        if (e) e[i] = interp_err(x->op, from, to, a, ea, &v[i]);
        if (e && x->op != IR_cast && x->op != IR_select && !bits) e[i] = interp_stored_err(it, to, v[i].f, e[i]);
        if (e && (x->op == IR_mul || x->op == IR_div) && frit_dtype_is_float(to))
            e[i] = interp_moved_err(it, v[i].f, isnan(a[0].f) || isnan(a[1].f), e[i]);
    }
    return true;
}

/* ---- Views of recipes -------------------------------------------------------------------------------------------- */
static bool eval_affine(interp *it, const node *x, int n, const column *at, scalar *v, double *e) {
    int64_t room[IR_MAX_RANK][BLOCK];
    column inner[IR_MAX_RANK];
    for (int k = 0; k < x->in[0]->rank; k++) {
        column c = x->axis[k] < 0 ? (column){NULL, 0} : at[x->axis[k]];
        inner[k] = (column){NULL, x->start[k] + x->step[k] * c.k};
        if (!c.v) continue;
        inner[k].v = c.v;
        if (x->start[k] == 0 && x->step[k] == 1) continue;
        for (int i = 0; i < n; i++) room[k][i] = x->start[k] + x->step[k] * c.v[i];
        inner[k].v = room[k];
    }
    return node_eval(it, x->in[0], n, inner, v, e);
}

static bool eval_reshape(interp *it, const node *x, int n, const column *at, scalar *v, double *e) {
    int64_t room[IR_MAX_RANK][BLOCK], place[BLOCK] = {0};
    column inner[IR_MAX_RANK];
    const node *from = x->in[0];
    for (int k = 0; k < x->rank; k++)
        for (int i = 0; i < n; i++) place[i] = place[i] * x->shape[k] + column_at(at[k], i);
    for (int k = from->rank; k-- > 0;) {
        for (int i = 0; i < n; i++) {
            room[k][i] = place[i] % from->shape[k];
            place[i] /= from->shape[k];
        }
        inner[k] = (column){room[k], 0};
    }
    return node_eval(it, from, n, inner, v, e);
}

/* Coordinates of in[0] into coord, clamped where outside; outside[i] says so. */
static bool map_coordinates(interp *it, const node *x, int n, const column *at, const column *vars,
                            int64_t (*coord)[BLOCK], bool *outside) {
    const node *data = x->in[0];
    for (int k = 0; k < data->rank; k++) {
        if (!map_eval(it, x->maps[k], n, vars, coord[k])) return false;
        for (int i = 0; i < n; i++)
            if (coord[k][i] < 0 || coord[k][i] >= data->shape[k]) {
                outside[i] = true;
                coord[k][i] = 0;
            }
    }
    return true;
}

static bool eval_map(interp *it, const node *x, int n, const column *at, scalar *v, double *e) {
    int64_t index[IR_MAX_RANK][BLOCK], coord[IR_MAX_RANK][BLOCK];
    bool outside[BLOCK] = {false}, doubtful[BLOCK] = {false};
    column vars[2 * IR_MAX_RANK], inner[IR_MAX_RANK];
    memcpy(vars, at, sizeof *at * (size_t)x->rank);
    for (int k = 1; k < x->n_in; k++) {
        if (!node_eval(it, x->in[k], n, at, v, e)) return false;
        for (int i = 0; i < n; i++) {
            index[k - 1][i] = v[i].i;
            doubtful[i] |= e && e[i] != 0;
        }
        vars[x->rank + k - 1] = (column){index[k - 1], 0};
    }
    if (!map_coordinates(it, x, n, at, vars, coord, outside)) return false;
    for (int k = 0; k < x->in[0]->rank; k++) inner[k] = (column){coord[k], 0};
    if (x->in[0]->n && !node_eval(it, x->in[0], n, inner, v, e)) return false;
    scalar fill = frit_dtype_is_float(x->dtype)
                      ? (scalar){.f = scalar_round(x->dtype, x->fill)}
                      : (scalar){.i = scalar_wrap(x->dtype, frit_int_from_double(FRIT_i64, x->fill))};
    for (int i = 0; i < n; i++) {
        if (outside[i] || !x->in[0]->n) {
            v[i] = fill;
            if (e) e[i] = 0;
        }
        if (doubtful[i]) e[i] = INFINITY;
    }
    return true;
}

bool node_eval(interp *it, const node *x, int n, const column *at, scalar *v, double *e) {
    switch (x->kind) {
    case NODE_STRIDED: return eval_strided(x, n, at, v, e);
    case NODE_ELEMENTWISE: return eval_elementwise(it, x, n, at, v, e);
    case NODE_AFFINE: return eval_affine(it, x, n, at, v, e);
    case NODE_RESHAPE: return eval_reshape(it, x, n, at, v, e);
    default: return eval_map(it, x, n, at, v, e);
    }
}

/* ---- Whole nodes ------------------------------------------------------------------------------------------------- */
bool node_visit(interp *it, const node *x, block_visitor f, void *u) {
    int64_t room[IR_MAX_RANK][BLOCK];
    column at[IR_MAX_RANK];
    scalar v[BLOCK];
    double e[BLOCK];
    for (int64_t begin = 0; begin < x->n; begin += BLOCK) {
        int n = x->n - begin < BLOCK ? (int)(x->n - begin) : BLOCK;
        if (!interp_work(it, 1)) return false;
        block_columns(x->rank, x->shape, begin, n, at, room);
        if (!node_eval(it, x, n, at, v, it->wide ? e : NULL)) return false;
        if (!f(u, it, begin, n, at, v, it->wide ? e : NULL)) return false;
    }
    return true;
}

typedef struct {
    frit_dtype t;
    void *data;
    double *err;
} destination;

static bool write_block(void *u, interp *it, int64_t begin, int n, const column *at, const scalar *v,
                        const double *e) {
    destination *d = u;
    if (d->t == FRIT_f32)
        for (int i = 0; i < n; i++) ((float *)d->data)[begin + i] = (float)v[i].f;
    else if (d->t == FRIT_f64)
        for (int i = 0; i < n; i++) ((double *)d->data)[begin + i] = v[i].f;
    else
        for (int i = 0; i < n; i++) scalar_store(d->t, d->data, begin + i, v[i]);
    if (d->err && e) memcpy(d->err + begin, e, sizeof *e * (size_t)n);
    return true;
}

bool node_write(interp *it, const node *x, frit_dtype t, void *dst, double *err) {
    destination d = {t, dst, err};
    bool plain = node_is_dense(x) && x->store->t == t && x->n && !x->undecided;
    if (!plain) return node_visit(it, x, write_block, &d);
    memcpy(dst, x->store->data, (size_t)frit_dtype_bytes(t, x->n));
    if (err && x->store->err) memcpy(err, x->store->err, sizeof *err * (size_t)x->n);
    return true;
}
