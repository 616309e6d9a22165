/* Summaries and comparisons of tensors. */
#include "report.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { FIRST = 6 };

static void print_element(FILE *out, const io_array *a, int64_t i) {
    if (a->dtype == FRIT_bool)
        fputs(frit_load_int(a->dtype, a->data, i) ? "true" : "false", out);
    else if (a->dtype == FRIT_u64)
        fprintf(out, "%" PRIu64, (uint64_t)frit_load_int(a->dtype, a->data, i));
    else if (frit_dtype_is_float(a->dtype))
        fprintf(out, "%.*g", a->dtype == FRIT_f64 ? 9 : 6, frit_load_float(a->dtype, a->data, i));
    else
        fprintf(out, "%" PRId64, frit_load_int(a->dtype, a->data, i));
}

typedef struct {
    double min, max, sum;
    int64_t nan, inf, finite;
} statistics;

static statistics collect(const io_array *a, int64_t n) {
    statistics s = {.min = INFINITY, .max = -INFINITY};
    for (int64_t i = 0; i < n; i++) {
        double x = frit_load_float(a->dtype, a->data, i);
        if (isnan(x)) {
            s.nan++;
            continue;
        }
        s.min = x < s.min ? x : s.min;
        s.max = x > s.max ? x : s.max;
        if (isinf(x)) {
            s.inf++;
            continue;
        }
        s.sum += x;
        s.finite++;
    }
    return s;
}

void report_summary(FILE *out, const char *name, const io_array *a) {
    char shape[400];
    int64_t n = io_elements(a);
    fprintf(out, "%s: %s = ", name, io_shape_text(shape, sizeof shape, a->dtype, a->rank, a->dims));
    if (a->rank)
        fputc('[', out);
    for (int64_t i = 0; i < n && i < FIRST; i++) {
        if (i)
            fputs(", ", out);
        print_element(out, a, i);
    }
    if (a->rank)
        fputs(n > FIRST ? ", ...]" : "]", out);
    if (n > 1) {
        statistics s = collect(a, n);
        if (s.finite)
            fprintf(out, "  min %.6g  max %.6g  mean %.6g", s.min, s.max, s.sum / (double)s.finite);
        if (s.nan || s.inf)
            fprintf(out, "  NaN %" PRId64 "  inf %" PRId64, s.nan, s.inf);
    }
    fputc('\n', out);
}

/* Excess over the tolerance; negative when within. */
static double excess(double a, double e, double rtol, double atol) {
    if (a == e || (isnan(a) && isnan(e)))
        return -1;
    if (!isfinite(a) || !isfinite(e))
        return INFINITY;
    double over = fabs(a - e) - (atol + rtol * fabs(e));
    return over > 0 ? over : -1;
}

static bool integers_differ(const io_array *a, const io_array *b, int64_t i) {
    return !frit_dtype_is_float(a->dtype) && !frit_dtype_is_float(b->dtype) &&
           frit_load_int(a->dtype, a->data, i) != frit_load_int(b->dtype, b->data, i);
}

static void compare_element(report_difference *d, const io_array *x, const io_array *y, int64_t i, double rtol,
                            double atol, double *most) {
    double a = frit_load_float(x->dtype, x->data, i), e = frit_load_float(y->dtype, y->data, i);
    double over = excess(a, e, rtol, atol);
    if (over < 0 && rtol == 0 && atol == 0 && integers_differ(x, y, i))
        over = 1; /* 64-bit integers that one double stands for */
    if (isfinite(a) && isfinite(e)) {
        d->max_abs = fmax(d->max_abs, fabs(a - e));
        if (e != 0)
            d->max_rel = fmax(d->max_rel, fabs(a - e) / fabs(e));
    }
    if (over < 0)
        return;
    d->wrong++;
    if (over > *most) {
        *most = over;
        d->worst = i;
        d->actual = a;
        d->expected = e;
    }
}

bool report_compare(const io_array *actual, const io_array *expected, double rtol, double atol, report_difference *d,
                    io_error *e) {
    char one[300], two[300];
    *d = (report_difference){.elements = io_elements(actual), .worst = -1};
    if (actual->rank != expected->rank ||
        memcmp(actual->dims, expected->dims, sizeof *actual->dims * (size_t)actual->rank))
        return io_fail(e, "the shapes differ: %s, expected %s",
                       io_shape_text(one, sizeof one, actual->dtype, actual->rank, actual->dims),
                       io_shape_text(two, sizeof two, expected->dtype, expected->rank, expected->dims));
    double most = -1;
    for (int64_t i = 0; i < d->elements; i++)
        compare_element(d, actual, expected, i, rtol, atol, &most);
    return true;
}

static void print_position(FILE *out, const io_array *a, int64_t at) {
    int64_t index[IO_MAX_RANK];
    for (int d = a->rank - 1; d >= 0; d--) {
        index[d] = at % a->dims[d];
        at /= a->dims[d];
    }
    fputc('[', out);
    for (int d = 0; d < a->rank; d++)
        fprintf(out, "%s%" PRId64, d ? ", " : "", index[d]);
    fputc(']', out);
}

void report_print(FILE *out, const char *name, const io_array *actual, const report_difference *d, double rtol,
                  double atol) {
    fprintf(out, "%s: %" PRId64 " of %" PRId64 " elements differ (rtol %g, atol %g); largest difference %.3g, relative %.3g\n",
            name, d->wrong, d->elements, rtol, atol, d->max_abs, d->max_rel);
    if (d->worst < 0)
        return;
    fprintf(out, "  worst at ");
    print_position(out, actual, d->worst);
    fprintf(out, ": %.9g, expected %.9g\n", d->actual, d->expected);
}

void report_default_tolerance(frit_dtype t, double *rtol, double *atol) {
    switch (t) {
    case FRIT_f64: *rtol = 1e-9, *atol = 1e-10; break;
    case FRIT_f32: *rtol = 1e-4, *atol = 1e-5; break;
    case FRIT_f16: *rtol = 1e-2, *atol = 1e-3; break;
    case FRIT_bf16: *rtol = 3e-2, *atol = 1e-2; break;
    case FRIT_f8e4m3:
    case FRIT_f8e5m2: *rtol = 0.25, *atol = 0.1; break;
    default: *rtol = *atol = 0; break;
    }
}
