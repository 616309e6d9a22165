/* What people see of tensors: summaries and comparisons. */
#ifndef FRIT_TOOLS_REPORT_H
#define FRIT_TOOLS_REPORT_H
#include "io.h"

/* `name: f32[2, 3] = [0.1, 0.2, ...]  min, max, mean, and counts of NaN and infinities when there are any`. */
void report_summary(FILE *out, const char *name, const io_array *a);

typedef struct {
    int64_t elements, wrong; /* wrong: |a - e| > atol + rtol |e|, or NaN, infinity or dtype on one side alone */
    int64_t worst;           /* position of the largest excess; -1 when nothing is wrong */
    double actual, expected; /* there */
    double max_abs, max_rel; /* over finite pairs */
} report_difference;

/* Compares element by element as numpy.allclose with equal_nan does; integers that are not floats on either side
 * compare exactly when rtol and atol are 0. False (with e) when the shapes differ. */
bool report_compare(const io_array *actual, const io_array *expected, double rtol, double atol, report_difference *d,
                    io_error *e);
/* Two or three lines about a difference, for a person. */
void report_print(FILE *out, const char *name, const io_array *actual, const report_difference *d, double rtol,
                  double atol);
/* Tolerances of a result of dtype t against the interpreter where none were given. */
void report_default_tolerance(frit_dtype t, double *rtol, double *atol);
#endif
