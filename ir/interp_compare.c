#include "interp_internal.h"
#include <math.h>

/* Half the distance from y to the next number of dtype t. */
static double half_unit(frit_dtype t, double y) {
    double r = scalar_round(t, y), away = fabs(r - y);
    static const int digits[] = {[FRIT_f64] = 53, [FRIT_f32] = 24, [FRIT_f16] = 11, [FRIT_bf16] = 8, [FRIT_f8e4m3] = 4,
                                 [FRIT_f8e5m2] = 3};
    static const int least[] = {[FRIT_f64] = -1074, [FRIT_f32] = -149, [FRIT_f16] = -24, [FRIT_bf16] = -133,
                                [FRIT_f8e4m3] = -9, [FRIT_f8e5m2] = -16};
    int exp;
    frexp(y, &exp);
    int unit = exp - digits[t] > least[t] ? exp - digits[t] : least[t];
    return isfinite(y) ? fmax(ldexp(0.5, unit), isfinite(away) ? away : 0) : 0;
}

static bool same(double x, double y) { return x == y || (isnan(x) && isnan(y)); }

typedef struct {
    double difference, bound;
    bool undecidable, bad;
} verdict;

static verdict judge_float(const interp_tensor *got, const interp_tensor *wide, int64_t i, double rtol, double atol) {
    double y = interp_get_float(got, i), want = interp_get_float(wide, i), e = wide->err ? wide->err[i] : 0;
    verdict v = {0};
    if (same(y, want) || same(y, scalar_round(got->dtype, want))) return v;
    if (!(e < INFINITY)) {
        v.undecidable = true;
        return v;
    }
    v.bound = 4 * e + half_unit(got->dtype, want) + rtol * fabs(want) + atol;
    v.difference = fabs(y - want);
    /* past the largest number, infinity is near */
    bool reaches = !isfinite(scalar_round(got->dtype, want + copysign(v.bound, y)));
    if (isinf(y) && isfinite(want) && reaches) v.difference = 0;
    v.bad = !(v.difference <= v.bound);
    return v;
}

static verdict judge_int(const interp_tensor *got, const interp_tensor *wide, int64_t i) {
    uint64_t y = (uint64_t)interp_get_int(got, i), want = (uint64_t)interp_get_int(wide, i);
    verdict v = {.undecidable = wide->err && wide->err[i] != 0};
    if (v.undecidable || y == want) return v;
    v.difference = fabs((double)interp_get_int(got, i) - (double)interp_get_int(wide, i));
    v.bad = true;
    return v;
}

interp_comparison interp_compare(const interp_tensor *got, const interp_tensor *wide, double extra_rtol,
                                 double extra_atol) {
    interp_comparison c = {.n = -1, .worst = -1};
    bool is_float = frit_dtype_is_float(got->dtype), fits = got->dtype == wide->dtype && got->rank == wide->rank;
    for (int i = 0; fits && i < got->rank; i++) fits = got->shape[i] == wide->shape[i];
    if (!fits) return c;
    c.n = interp_elements(wide);
    for (int64_t i = 0; i < c.n; i++) {
        verdict v = is_float ? judge_float(got, wide, i, extra_rtol, extra_atol) : judge_int(got, wide, i);
        c.undecidable += v.undecidable;
        c.bad += v.bad;
        double ratio = v.bound > 0 && !isnan(v.difference) ? v.difference / v.bound : v.bad ? INFINITY : 0;
        if (!(ratio > c.ratio) && !(v.bad && c.worst < 0)) continue;
        c.worst = i;
        c.ratio = ratio;
        c.bound = v.bound;
        c.got = is_float ? interp_get_float(got, i) : (double)interp_get_int(got, i);
        c.want = is_float ? interp_get_float(wide, i) : (double)interp_get_int(wide, i);
    }
    c.ok = c.bad == 0;
    return c;
}
