/* Combining elements one after the other: what reduce and scan do. */
#include "interp_internal.h"
#include <float.h>
#include <math.h>

/* What a combination is held in: integer sums and products wrap at the width of the result, not of the elements. */
static frit_dtype held_dtype(const interp *it, ir_combine c, frit_dtype t) {
    if (frit_dtype_is_float(t)) return it->wide || t == FRIT_f64 ? FRIT_f64 : FRIT_f32;
    return c == IR_SUM || c == IR_PROD ? FRIT_i64 : t;
}

static int64_t int_limit(frit_dtype t, bool largest) {
    unsigned bits = frit_dtype_bits(t);
    if (t == FRIT_bool) return largest;
    if (frit_dtype_kind_of(t) == FRIT_KIND_UINT)
        return !largest ? 0 : bits == 64 ? -1 : (int64_t)((UINT64_C(1) << bits) - 1);
    int64_t least = scalar_wrap(t, (int64_t)(UINT64_C(1) << (bits - 1)));
    return largest ? ~least : least;
}

combination combine_start(const interp *it, ir_combine c, frit_dtype t) {
    combination a = {.how = c, .dtype = t, .held = held_dtype(it, c, t), .wide = it->wide, .rival = -INFINITY};
    bool is_float = frit_dtype_is_float(t);
    if (is_float) a.v.f = c == IR_PROD ? 1 : c == IR_MAX ? -INFINITY : c == IR_MIN ? INFINITY : 0;
    else if (c == IR_MAX || c == IR_MIN) a.v.i = int_limit(t, c == IR_MIN);
    else a.v.i = c == IR_PROD || c == IR_ALL;
    return a;
}

/* Whether x takes the place of the best so far: NaN beats numbers, the first of equals stays. */
static bool beats(const combination *a, scalar x) {
    bool largest = a->how == IR_ARGMAX;
    if (frit_dtype_is_float(a->dtype)) {
        if (isnan(a->v.f)) return false;
        return isnan(x.f) || (largest ? x.f > a->v.f : x.f < a->v.f);
    }
    bool u = frit_dtype_kind_of(a->dtype) == FRIT_KIND_UINT;
    bool less = u ? (uint64_t)x.i < (uint64_t)a->v.i : x.i < a->v.i;
    return largest ? x.i != a->v.i && !less : less;
}

/* rival: the most that any element but the best may be (signed so that larger wins). */
static void combine_arg(combination *a, scalar x, double e) {
    double sign = a->how == IR_ARGMAX ? 1 : -1;
    bool is_float = frit_dtype_is_float(a->dtype), wins = a->n == 0 || beats(a, x);
    double loser = wins ? a->v.f : x.f, loser_e = wins ? a->e : e;
    double most = loser_e < INFINITY ? sign * loser + 4 * loser_e : INFINITY;
    if (is_float && a->n > 0 && most > a->rival) a->rival = most;
    a->doubt |= e != 0;
    if (!wins) return;
    a->v = x;
    a->e = e;
    a->best = a->n;
}

static void combine_bool(combination *a, scalar x, double e) {
    bool decides = a->how == IR_ANY ? x.i != 0 : x.i == 0;
    if (decides && e == 0) a->certain = true;
    a->doubt |= e != 0;
    if (decides) a->v.i = a->how == IR_ANY;
}

void combine_step(combination *a, scalar x, double e) {
    scalar two[2] = {a->v, x};
    double u = interp_unit(a->dtype);
    switch (a->how) {
    case IR_ARGMAX:
    case IR_ARGMIN: combine_arg(a, x, e); break;
    case IR_ANY:
    case IR_ALL: combine_bool(a, x, e); break;
    case IR_SUM:
        scalar_eval(IR_add, a->held, a->held, two, &a->v);
        if (a->wide && frit_dtype_is_float(a->dtype)) {
            bool open = interp_sign_open(x.f, e);
            a->magnitude += fabs(x.f);
            a->has_nan |= isnan(x.f);
            a->signed_zero |= open || (x.f == 0 && signbit(x.f));
            if (open) e = 0;
        }
        a->e += e;
        break;
    case IR_PROD:
        scalar_eval(IR_mul, a->held, a->held, two, &a->v);
        if (a->wide && frit_dtype_is_float(a->dtype)) {
            a->magnitude = (a->n ? a->magnitude : 1) * fmax(1, fabs(x.f));
            a->e = fabs(two[0].f) * e + fabs(x.f) * a->e + 4 * a->e * e + u * fabs(a->v.f) +
                   (a->v.f != 0 ? interp_half_least(a->dtype == FRIT_f64 ? FRIT_f64 : FRIT_f32) : 0);
        } else {
            a->e += e;
        }
        break;
    default:
        scalar_eval(a->how == IR_MAX ? IR_max : IR_min, a->held, a->held, two, &a->v);
        if (e > a->e) a->e = e;
        break;
    }
    a->n++;
}

/* err of a float sum or product. Partial results, in whatever order, that may be too large for f32 leave nothing to say. */
static double float_err(const combination *a) {
    double e = a->e;
    if (!isfinite(a->v.f)) return e != 0 ? INFINITY : 0;
    if (a->how == IR_SUM && a->n > 1) e += (double)a->n * interp_unit(a->dtype) * a->magnitude;
    if (a->signed_zero && a->magnitude == 0 && e == 0) e = INTERP_ZERO_SIGN;
    double most = a->dtype == FRIT_f64 ? DBL_MAX : FLT_MAX;
    bool overflow = a->magnitude > most || fabs(a->v.f) > most;
    return isnan(e) || overflow ? INFINITY : e;
}

scalar combine_value(const combination *a, frit_dtype out, double *e) {
    scalar r = a->v;
    bool arg = a->how == IR_ARGMAX || a->how == IR_ARGMIN, is_float = frit_dtype_is_float(a->dtype);
    *e = 0;
    if (arg) {
        double sign = a->how == IR_ARGMAX ? 1 : -1;
        bool close = is_float ? !(sign * a->v.f - 4 * a->e > a->rival) && a->n > 1 : true;
        if (a->doubt && close) *e = INFINITY;
        return (scalar){.i = scalar_wrap(out, a->best)};
    }
    if (a->how == IR_ANY || a->how == IR_ALL) *e = a->doubt && !a->certain ? INFINITY : 0;
    else if (a->wide) *e = is_float && a->how != IR_MAX && a->how != IR_MIN ? float_err(a) : a->e;
    if (!is_float) r.i = scalar_wrap(out, r.i);
    else if (!a->wide) scalar_eval(IR_cast, a->held, out, &r, &r);
    return r;
}
