/* contract: both operands are read once into dense x[batch][m][k] and y[batch][k][n], then multiplied by plain loops.
 * Each result adds its products in ascending k, which is the row-major order of the contracted axes. */
#include "absent.h"
#include "interp_internal.h"
#include <math.h>
#include <string.h>

enum { ROWS = 4, COLUMNS = 64 };

/* The inner loops are compiled twice and chosen when the program starts. Neither version has fused multiply-add, so
 * both round alike. Sanitizers are not ready when that choice is made. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define WIDER_VECTORS __attribute__((target_clones("avx2", "default"), optimize("O3")))
#else
#define WIDER_VECTORS
#endif

typedef struct {
    int n_batch, n_free, n_contract;
    int axes[IR_MAX_RANK]; /* batch, free, contracted: each from the op, free ascending */
} side;

static bool read_side(interp *it, const ir_op *op, node *x, ir_attr_key batch, ir_attr_key contracted, side *s) {
    const int64_t *b, *c;
    unsigned used = 0;
    *s = (side){.n_batch = ir_get_ints(op, batch, &b), .n_contract = ir_get_ints(op, contracted, &c)};
    int64_t all[2 * IR_MAX_RANK];
    if (s->n_batch + s->n_contract > x->rank) return interp_fail(it, INTERP_BAD_IR, "contract: too many axes");
    for (int i = 0; i < s->n_batch + s->n_contract; i++) {
        all[i] = i < s->n_batch ? b[i] : c[i - s->n_batch];
        if (all[i] < 0 || all[i] >= x->rank || used >> all[i] & 1)
            return interp_fail(it, INTERP_BAD_IR, "contract: bad axis %lld", (long long)all[i]);
        used |= 1u << all[i];
    }
    s->n_free = x->rank - s->n_batch - s->n_contract;
    int n = 0;
    for (int i = 0; i < s->n_batch; i++) s->axes[n++] = (int)b[i];
    for (int i = 0; i < x->rank; i++)
        if (!(used >> i & 1)) s->axes[n++] = i;
    for (int i = 0; i < s->n_contract; i++) s->axes[n++] = (int)c[i];
    return true;
}

/* x, its axes in the given order, dense in dtype t. */
static storage *fetch(interp *it, node *x, const int *order, frit_dtype t) {
    node *p = node_permute(it, x, order);
    if (!p) return NULL;
    storage *s;
    if (node_is_dense(p) && p->store->t == interp_store_dtype(it, t) && !p->undecided) {
        s = p->store;
        s->refs++;
    } else {
        s = storage_new(it, t, p->n);
        if (s && !node_write(it, p, s->t, s->data, s->err)) {
            storage_release(it, s);
            s = NULL;
        }
    }
    node_release(it, p);
    return s;
}

typedef struct {
    const interp *it;
    int64_t batch, m, n, k;
    frit_dtype out, stored; /* in a wide run floats are stored wider than the result's dtype */
    const storage *x, *y;
    storage *z;
    const double *xe, *ye; /* errs of x and y; NULL when all are 0 */
    const uint8_t *xa, *ya; /* bool: which elements of x and y are excluded; NULL when none are */
} product;

static const double *errs_of(const storage *s) {
    for (int64_t i = 0; s->err && i < s->n; i++)
        if (s->err[i] != 0) return s->err;
    return NULL;
}

/* sum += a * |line|, a whole tile wide or less. */
WIDER_VECTORS static void add_scaled(double *sum, double a, const double *line, int columns) {
    if (columns == COLUMNS)
        for (int j = 0; j < COLUMNS; j++) sum[j] += a * fabs(line[j]);
    else
        for (int j = 0; j < columns; j++) sum[j] += a * fabs(line[j]);
}

WIDER_VECTORS static void multiply_f32(const product *p, int64_t x0, int64_t y0, int64_t z0, int rows, int columns) {
    const float *x = p->x->data, *y = p->y->data;
    float sum[ROWS][COLUMNS] = {{0}};
    for (int64_t k = 0; k < p->k; k++) {
        const float *line = y + y0 + k * p->n;
        for (int i = 0; i < rows; i++) {
            float a = x[x0 + i * p->k + k];
            if (columns == COLUMNS)
                for (int j = 0; j < COLUMNS; j++) sum[i][j] += a * line[j];
            else
                for (int j = 0; j < columns; j++) sum[i][j] += a * line[j];
        }
    }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) frit_store_float(p->out, p->z->data, z0 + i * p->n + j, sum[i][j]);
}

WIDER_VECTORS static void multiply_f64(const product *p, int64_t x0, int64_t y0, int64_t z0, int rows, int columns) {
    const double *x = p->x->data, *y = p->y->data;
    double sum[ROWS][COLUMNS] = {{0}};
    for (int64_t k = 0; k < p->k; k++)
        for (int i = 0; i < rows; i++) {
            double a = x[x0 + i * p->k + k];
            const double *line = y + y0 + k * p->n;
            if (columns == COLUMNS)
                for (int j = 0; j < COLUMNS; j++) sum[i][j] += a * line[j];
            else
                for (int j = 0; j < columns; j++) sum[i][j] += a * line[j];
        }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) frit_store_float(p->out, p->z->data, z0 + i * p->n + j, sum[i][j]);
}

static void multiply_int(const product *p, int64_t x0, int64_t y0, int64_t z0, int rows, int columns) {
    const uint64_t *x = p->x->data, *y = p->y->data;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            uint64_t sum = 0;
            for (int64_t k = 0; k < p->k; k++) sum += x[x0 + i * p->k + k] * y[y0 + k * p->n + j];
            frit_store_int(p->out, p->z->data, z0 + i * p->n + j, (int64_t)sum);
        }
}

/* n + k of the bound: k for the products, as of a mul, n for their sum. */
static void set_err(const product *p, frit_dtype t, int64_t at, double value, double magnitude, double carried) {
    double e = carried + ((double)p->k + scalar_ulps(IR_mul)) * interp_unit(t) * magnitude;
    if (magnitude > 0) e += (double)p->k * interp_half_least(t == FRIT_f64 ? FRIT_f64 : FRIT_f32); /* products underflow */
    if (!isfinite(value)) e = carried != 0 ? INFINITY : 0;
    else if (isnan(e) || (t != FRIT_f64 && magnitude > 0x1.fffffep127)) e = INFINITY;
    else if (t == FRIT_f64 && magnitude > 0 && magnitude < 0x1p-1000) e = INFINITY; /* no f64 says how far f64 has underflowed */
    p->z->err[at] = interp_sum_err(p->it, t, p->stored, value, e);
}

static bool has_nan(const product *p, int64_t x0, int64_t y0) {
    const double *x = (const double *)p->x->data + x0, *y = (const double *)p->y->data + y0;
    for (int64_t k = 0; k < p->k; k++)
        if (isnan(x[k]) || isnan(y[k * p->n])) return true;
    return false;
}

/* Whether any product of a result that is 0 is -0, or may be. */
static bool has_signed_zero(const product *p, int64_t x0, int64_t y0) {
    const double *x = (const double *)p->x->data + x0, *y = (const double *)p->y->data + y0;
    for (int64_t k = 0; k < p->k; k++)
        if (signbit(x[k] * y[k * p->n]) || (p->xe && p->xe[x0 + k] > 0) || (p->ye && p->ye[y0 + k * p->n] > 0)) return true;
    return false;
}

/* Whether some product of a result whose magnitude is 0 is 0 only because it is too small. */
static bool has_vanished(const product *p, int64_t x0, int64_t y0) {
    const double *x = (const double *)p->x->data + x0, *y = (const double *)p->y->data + y0;
    for (int64_t k = 0; k < p->k; k++)
        if (x[k] != 0 && y[k * p->n] != 0) return true;
    return false;
}

/* magnitude: sum of |x y|. carried: sum of |x| err(y) + |y| err(x) + 4 err(x) err(y). */
static void bound_product(const product *p, frit_dtype t, int64_t x0, int64_t y0, int64_t z0, int rows, int columns) {
    const double *x = p->x->data, *y = p->y->data;
    double magnitude[ROWS][COLUMNS] = {{0}}, carried[ROWS][COLUMNS] = {{0}};
    for (int64_t k = 0; k < p->k; k++)
        for (int i = 0; i < rows; i++) {
            int64_t at = x0 + i * p->k + k, line = y0 + k * p->n;
            double a = fabs(x[at]), e = p->xe ? p->xe[at] : 0;
            add_scaled(magnitude[i], a, y + line, columns);
            if (e != 0) add_scaled(carried[i], e, y + line, columns);
            if (p->ye) add_scaled(carried[i], a + 4 * e, p->ye + line, columns);
        }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            int64_t at = z0 + i * p->n + j;
            double v = ((const double *)p->z->data)[at];
            if (magnitude[i][j] == 0 && has_vanished(p, x0 + i * p->k, y0 + j)) magnitude[i][j] = interp_half_least(FRIT_f64);
            set_err(p, t, at, v, magnitude[i][j], carried[i][j]);
            if (isnan(v)) p->z->err[at] = interp_moved_err(p->it, v, has_nan(p, x0 + i * p->k, y0 + j), p->z->err[at]);
            if (magnitude[i][j] == 0 && p->z->err[at] == 0 && has_signed_zero(p, x0 + i * p->k, y0 + j)) p->z->err[at] = INTERP_ZERO_SIGN;
        }
}

/* Integers: a result is lost when any of its terms is. */
static void doubt_product(const product *p, int64_t x0, int64_t y0, int64_t z0, int rows, int columns) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            for (int64_t k = 0; k < p->k; k++)
                if ((p->xe && p->xe[x0 + i * p->k + k] != 0) || (p->ye && p->ye[y0 + k * p->n + j] != 0))
                    p->z->err[z0 + i * p->n + j] = INFINITY;
}

static void multiply(const product *p, frit_dtype t) {
    for (int64_t b = 0; b < p->batch; b++)
        for (int64_t j = 0; j < p->n; j += COLUMNS)
            for (int64_t i = 0; i < p->m; i += ROWS) {
                int rows = p->m - i < ROWS ? (int)(p->m - i) : ROWS;
                int columns = p->n - j < COLUMNS ? (int)(p->n - j) : COLUMNS;
                int64_t x0 = (b * p->m + i) * p->k, y0 = b * p->k * p->n + j, z0 = (b * p->m + i) * p->n + j;
                if (p->x->t == FRIT_f32) multiply_f32(p, x0, y0, z0, rows, columns);
                else if (p->x->t == FRIT_f64) multiply_f64(p, x0, y0, z0, rows, columns);
                else multiply_int(p, x0, y0, z0, rows, columns);
                if (!p->z->err) continue;
                if (frit_dtype_is_float(t)) bound_product(p, t, x0, y0, z0, rows, columns);
                else if (p->xe || p->ye) doubt_product(p, x0, y0, z0, rows, columns);
            }
}

/* ---- Excluded elements ------------------------------------------------------------------------------------------------ */
/* z[b][i][j] again, without the terms of which a factor is excluded. */
static void sum_present(const product *p, frit_dtype t, int64_t row, int64_t j) {
    int64_t x0 = row * p->k, y0 = row / p->m * p->k * p->n + j, at = row * p->n + j;
    bool single = p->x->t == FRIT_f32, nan = false;
    double sum = 0, magnitude = 0, carried = 0;
    for (int64_t k = 0; k < p->k; k++) {
        int64_t i = x0 + k, q = y0 + k * p->n;
        if ((p->xa && p->xa[i]) || (p->ya && p->ya[q])) continue;
        double a = frit_load_float(p->x->t, p->x->data, i), b = frit_load_float(p->y->t, p->y->data, q);
        double ea = p->xe ? p->xe[i] : 0, eb = p->ye ? p->ye[q] : 0;
        sum = single ? (float)((float)sum + (float)a * (float)b) : sum + a * b;
        magnitude += fabs(a) * fabs(b);
        nan |= isnan(a) || isnan(b);
        if (ea != 0) carried += ea * fabs(b);
        if (eb != 0) carried += eb * (fabs(a) + ea);
    }
    frit_store_float(p->out, p->z->data, at, sum);
    if (!p->z->err) return;
    set_err(p, t, at, sum, magnitude, carried);
    p->z->err[at] = interp_moved_err(p->it, sum, nan, p->z->err[at]);
    if (magnitude == 0 && p->z->err[at] == 0) p->z->err[at] = INTERP_ZERO_SIGN;
}

/* An excluded factor is 0: it shows only in results that are no numbers. */
static void leave_out(const product *p, frit_dtype t) {
    for (int64_t row = 0; row < p->batch * p->m; row++)
        for (int64_t j = 0; j < p->n; j++)
            if (!isfinite(frit_load_float(p->out, p->z->data, row * p->n + j))) sum_present(p, t, row, j);
}

/* Which elements of operand i, stored as s in this order, are excluded: *which is NULL when none are. */
static bool excluded(interp *it, const ir_op *op, int i, const int *order, const storage *s, storage **which) {
    *which = NULL;
    if (!frit_dtype_is_float((frit_dtype)ir_operand(op, i)->type.dtype)) return true;
    if (!ir_marks_absent(op, i)) return !it->absent_in[i] || (*which = fetch(it, it->absent_in[i], order, FRIT_bool));
    if (!(*which = storage_new(it, FRIT_bool, s->n))) return false;
    for (int64_t k = 0; k < s->n; k++) {
        double x = frit_load_float(s->t, s->data, k);
        ((uint8_t *)(*which)->data)[k] = x == 0 && signbit(x);
    }
    return true;
}

/* Products in units of BLOCK, or more than any limit. */
static int64_t contract_blocks(const product *p) {
    int64_t n = p->batch;
    bool over = __builtin_mul_overflow(n, p->m, &n) || __builtin_mul_overflow(n, p->n, &n);
    return over || __builtin_mul_overflow(n, p->k, &n) ? INT64_MAX : n / BLOCK;
}

static int64_t extent(const node *x, const int *axes, int n) {
    int64_t e = 1;
    for (int i = 0; i < n; i++) e *= x->shape[axes[i]];
    return e;
}

static bool sides_fit(interp *it, const node *x, const node *y, const side *l, const side *r) {
    bool ok = l->n_batch == r->n_batch && l->n_contract == r->n_contract && x->dtype == y->dtype &&
              l->n_batch + l->n_free + r->n_free <= IR_MAX_RANK;
    for (int i = 0; ok && i < l->n_batch; i++) ok = x->shape[l->axes[i]] == y->shape[r->axes[i]];
    for (int i = 0; ok && i < l->n_contract; i++)
        ok = x->shape[l->axes[x->rank - l->n_contract + i]] == y->shape[r->axes[y->rank - r->n_contract + i]];
    return ok || interp_fail(it, INTERP_BAD_INPUT, "contract: the operands' axes do not match");
}

bool op_contract(interp *it, const ir_op *op, node **in, node **out) {
    node *x = in[0], *y = in[1];
    side l, r;
    if (!read_side(it, op, x, IR_ATTR_lhs_batch, IR_ATTR_lhs_contract, &l) ||
        !read_side(it, op, y, IR_ATTR_rhs_batch, IR_ATTR_rhs_contract, &r) || !sides_fit(it, x, y, &l, &r))
        return false;
    int64_t shape[IR_MAX_RANK];
    int rank = 0, order[IR_MAX_RANK], n = 0;
    for (int i = 0; i < l.n_batch + l.n_free; i++) shape[rank++] = x->shape[l.axes[i]];
    for (int i = 0; i < r.n_free; i++) shape[rank++] = y->shape[r.axes[r.n_batch + i]];
    frit_dtype t = (frit_dtype)ir_result(op, 0)->type.dtype;
    if (frit_dtype_is_float(t) != frit_dtype_is_float(x->dtype))
        return interp_fail(it, INTERP_BAD_IR, "contract of %s gives %s", frit_dtype_name(x->dtype), frit_dtype_name(t));
    if (!(out[0] = node_dense(it, t, rank, shape))) return false;
    if (out[0]->n == 0 || x->n == 0) return true; /* empty sums are 0 */
    /* y: contracted before free */
    for (int i = 0; i < r.n_batch; i++) order[n++] = r.axes[i];
    for (int i = 0; i < r.n_contract; i++) order[n++] = r.axes[r.n_batch + r.n_free + i];
    for (int i = 0; i < r.n_free; i++) order[n++] = r.axes[r.n_batch + i];
    frit_dtype held = !frit_dtype_is_float(x->dtype) ? FRIT_i64 : x->dtype == FRIT_f64 ? FRIT_f64 : FRIT_f32;
    storage *xs = fetch(it, x, l.axes, held), *ys = xs ? fetch(it, y, order, held) : NULL;
    bool ok = false;
    if (ys) {
        product p = {it, extent(x, l.axes, l.n_batch), extent(x, l.axes + l.n_batch, l.n_free),
                     extent(y, r.axes + r.n_batch, r.n_free), extent(y, r.axes + r.n_batch + r.n_free, r.n_contract),
                     out[0]->store->t, t, xs, ys, out[0]->store, errs_of(xs), errs_of(ys), NULL, NULL};
        storage *xa = NULL, *ya = NULL;
        ok = interp_work(it, contract_blocks(&p));
        if (ok) multiply(&p, x->dtype);
        if (ok && frit_dtype_is_float(t) && interp_any_infinite(out[0])) {
            ok = excluded(it, op, 0, l.axes, xs, &xa) && excluded(it, op, 1, order, ys, &ya);
            p.xa = xa ? xa->data : NULL, p.ya = ya ? ya->data : NULL;
            if (ok && (xa || ya)) leave_out(&p, x->dtype);
        }
        storage_release(it, xa);
        storage_release(it, ya);
    }
    storage_release(it, xs);
    storage_release(it, ys);
    return ok;
}
