/* How errors travel through elementwise ops in a wide run (interp.h says what err means): the derivative times the operand's
 * err, or what the function spans within the operand's bound where that is more. */
#include "interp_internal.h"
#include <math.h>

double interp_unit(frit_dtype t) { return t == FRIT_f64 ? 0x1p-53 : 0x1p-24; }

double interp_half_ulp(frit_dtype t) {
    switch (t) {
    case FRIT_f64: return 0x1p-53;
    case FRIT_f32: return 0x1p-24;
    case FRIT_f16: return 0x1p-11;
    case FRIT_bf16: return 0x1p-8;
    case FRIT_f8e4m3: return 0x1p-4;
    default: return 0x1p-3;
    }
}

/* Half the smallest positive number of t: what is lost where numbers are no longer relative. */
double interp_half_least(frit_dtype t) {
    switch (t) {
    case FRIT_f64: return 0x1p-1074;
    case FRIT_f32: return 0x1p-150;
    case FRIT_f16: return 0x1p-25;
    case FRIT_bf16: return 0x1p-134;
    case FRIT_f8e4m3: return 0x1p-10;
    default: return 0x1p-17;
    }
}

bool interp_too_close(double x, double ex, double y, double ey) {
    double room = 4 * ex + 4 * ey;
    if (isnan(ex) || isnan(ey)) return true;
    return room > 0 && !(fabs(x - y) > room);
}

/* How far f(x) may be from y = f(x0) for x within 4 e of x0 (the bound of an operand), f monotone; in the unit of errs. */
static double span_err(ir_opcode op, double x, double e, double y) {
    double far = 0;
    bool flips = false;
    for (int side = -4; side <= 4 && e > 0; side += 8) {
        scalar a = {.f = x + side * e}, r;
        scalar_eval(op, FRIT_f64, FRIT_f64, &a, &r);
        if (!isfinite(r.f)) return INFINITY;
        far = fmax(far, fabs(r.f - y));
        flips |= r.f == 0 && y == 0 && signbit(r.f) != signbit(y);
    }
    return far == 0 && flips ? INTERP_ZERO_SIGN : far / 4;
}

/* Division by floor and remainders: certain as long as the whole quotient is. What a remainder may be is known even then. */
static double quotient_err(ir_opcode op, const scalar *a, const double *ea, double y, double u) {
    double x = a[0].f, d = a[1].f, q = x / d;
    if (ea[0] == 0 && ea[1] == 0 && (op == IR_mod || op == IR_rem)) return u * (fabs(x) + fabs(y));
    if (ea[0] == 0 && ea[1] == 0) return u * fabs(y);
    if (4 * ea[1] >= fabs(d)) return INFINITY;
    double eq = (ea[0] + fabs(q) * ea[1]) / (fabs(d) - 4 * ea[1]) + u * fabs(q);
    double whole = op == IR_rem ? trunc(q) : floor(q), step = span_err(op == IR_rem ? IR_trunc : IR_floor, q, eq, whole);
    if (op == IR_floordiv) return step;
    if (step > 0) return (fabs(d) + 4 * ea[1]) / 2;
    return ea[0] + fabs(whole) * ea[1] + u * (fabs(x) + fabs(y));
}

/* |f'(x)| for the unary ops, f(x) = y. */
static double slope(ir_opcode op, double x, double y) {
    switch (op) {
    case IR_sqrt: return 0.5 / y;
    case IR_rsqrt: return 0.5 * y * y * y;
    case IR_exp: return y;
    case IR_exp2: return y * 0.69314718055994531;
    case IR_expm1: return y + 1;
    case IR_log: return 1 / x;
    case IR_log2: return 1.4426950408889634 / x;
    case IR_log1p: return 1 / (1 + x);
    case IR_sin: return cos(x);
    case IR_cos: return sin(x);
    case IR_tan: return 1 + y * y;
    case IR_asin:
    case IR_acos: return 1 / sqrt(1 - x * x);
    case IR_atan: return 1 / (1 + x * x);
    case IR_sinh: return cosh(x);
    case IR_cosh: return sinh(x);
    case IR_tanh: return 1 - y * y;
    case IR_asinh: return 1 / sqrt(x * x + 1);
    case IR_acosh: return 1 / sqrt(x * x - 1);
    case IR_atanh: return 1 / (1 - x * x);
    case IR_erf: return 1.1283791670955126 * exp(-x * x);
    default: return 1;
    }
}

static double times(double factor, double err) { return err == 0 ? 0 : fabs(factor) * err; }

/* What the err of x leaves in y = f(x): the slope times it, but no less than f goes within the bound of x. */
static double carried_err(ir_opcode op, double x, double e, double y) {
    if (e == 0) return 0;
    double first = fabs(slope(op, x, y)) * e, most = (1 + fabs(y)) / 4;
    if (op == IR_sin || op == IR_cos) return fmin(first + 2 * e * e, most); /* |f| <= 1, |f''| <= 1 */
    if (op == IR_tan && floor((x + 4 * e) / M_PI + 0.5) != floor((x - 4 * e) / M_PI + 0.5)) return INFINITY; /* a pole */
    double span = span_err(op, x, e, y);
    return isfinite(first) ? fmax(first, span) : span;
}

/* The same of two operands: a function that is monotone in each goes furthest at the corners of their bounds. */
static double corners_err(ir_opcode op, const scalar *a, const double *ea, double y) {
    double far = 0;
    if (ea[0] == 0 && ea[1] == 0) return 0;
    for (int corner = 0; corner < 4; corner++) {
        scalar b[2] = {{.f = a[0].f + (corner & 1 ? 4 : -4) * ea[0]}, {.f = a[1].f + (corner & 2 ? 4 : -4) * ea[1]}}, r;
        scalar_eval(op, FRIT_f64, FRIT_f64, b, &r);
        if (!isfinite(r.f)) return INFINITY;
        far = fmax(far, fabs(r.f - y));
    }
    return far / 4;
}

/* Where the angle jumps by a turn, it may be any. */
static double atan2_err(const scalar *a, const double *ea, double y) {
    if (ea[0] + ea[1] > 0 && fabs(a[0].f) <= 4 * ea[0] && a[1].f - 4 * ea[1] <= 0) return (M_PI + fabs(y)) / 4;
    if (ea[1] > 0 && a[0].f == 0 && a[1].f - 4 * ea[1] <= 0) return (M_PI + fabs(y)) / 4;
    return corners_err(IR_atan2, a, ea, y);
}

static double pow_err(const scalar *a, const double *ea, double y) {
    double x = a[0].f, n = a[1].f;
    if (ea[0] > 0 && fabs(x) <= 4 * ea[0]) return INFINITY;
    if (ea[1] > 0 && x - 4 * ea[0] <= 0) return INFINITY; /* NaN but for whole exponents */
    double first = times(n * y / x, ea[0]) + times(y * log(fabs(x)), ea[1]), corners = corners_err(IR_pow, a, ea, y);
    return isfinite(first) ? fmax(first, corners) : corners;
}

/* What a kernel computes is rounded where it lies, which may be as far from y as the bound goes. */
static double rounded_err(double carried, double y, double ku) { return carried + ku * (fabs(y) + 4 * carried); }

/* err of a float result of an op on floats, before over- and underflow. */
static double smooth_err(ir_opcode op, const scalar *a, const double *ea, double y, double u) {
    double x = a[0].f, ku = u * scalar_ulps(op);
    switch (op) {
    case IR_add:
    case IR_sub: return ea[0] + ea[1] + u * (fabs(x) + fabs(a[1].f));
    case IR_mul: return times(a[1].f, ea[0]) + times(x, ea[1]) + 4 * ea[0] * ea[1] + u * fabs(y);
    case IR_fma:
        return times(a[1].f, ea[0]) + times(x, ea[1]) + 4 * ea[0] * ea[1] + ea[2] + u * (fabs(x * a[1].f) + fabs(a[2].f));
    case IR_div:
        if (ea[1] > 0 && 4 * ea[1] >= fabs(a[1].f)) return INFINITY;
        return (ea[0] + times(y, ea[1])) / (fabs(a[1].f) - 4 * ea[1]) + u * fabs(y);
    case IR_floordiv:
    case IR_mod:
    case IR_rem: return quotient_err(op, a, ea, y, u);
    case IR_min:
    case IR_max: return ea[0] > ea[1] ? ea[0] : ea[1];
    case IR_floor:
    case IR_ceil:
    case IR_round:
    case IR_trunc:
    case IR_sign: return span_err(op, x, ea[0], y);
    case IR_atan2: return rounded_err(atan2_err(a, ea, y), y, ku);
    case IR_pow: return rounded_err(pow_err(a, ea, y), y, ku);
    default: return rounded_err(carried_err(op, x, ea[0], y), y, ku);
    }
}

/* A written cast to a narrow float rounds; too large is infinity, or the largest number for f8. */
static double cast_err(frit_dtype in, frit_dtype out, const scalar *a, const double *ea, scalar *y) {
    if (!frit_dtype_is_float(out)) {
        if (!frit_dtype_is_float(in)) return ea[0];
        if (ea[0] == 0) return 0;
        scalar lo = {.f = a[0].f - 4 * ea[0]}, hi = {.f = a[0].f + 4 * ea[0]}, flo, fhi;
        scalar_eval(IR_cast, FRIT_f64, out, &lo, &flo);
        scalar_eval(IR_cast, FRIT_f64, out, &hi, &fhi);
        return flo.i != fhi.i || (out == FRIT_bool && fabs(a[0].f) <= 4 * ea[0]) ? INFINITY : 0;
    }
    double before = y->f, rounded = scalar_round(out, before);
    if (isnan(before)) return ea[0];
    bool saturates = out == FRIT_f8e4m3 || out == FRIT_f8e5m2;
    if (isfinite(before) && fabs(rounded - before) > fabs(before) * interp_half_ulp(out) + interp_half_least(out)) {
        y->f = rounded;
        return saturates ? ea[0] : ea[0] > 0 ? INFINITY : 0;
    }
    if (saturates && isinf(before)) y->f = rounded;
    bool exact = ea[0] == 0 && rounded == before;
    return exact ? 0 : ea[0] + interp_half_ulp(out) * fabs(before) + interp_half_least(out);
}

double interp_stored_err(const interp *it, frit_dtype t, double v, double e) {
    if (!it->stored || !frit_dtype_is_float(t) || frit_dtype_bits(t) > 16 || isnan(v)) return e;
    if (isinf(v)) return scalar_round(t, v) == v ? e : INFINITY; /* saturates where it is stored, and only there */
    if (interp_sign_open(v, e)) return e;
    double most = fabs(v) + 4 * e, half = interp_half_ulp(t), rounded = scalar_round(t, most);
    if (e == 0 && scalar_round(t, v) == v) return 0;
    if (!(fabs(rounded - most) <= most * half + interp_half_least(t))) return INFINITY; /* past the largest number */
    return e + half * (fabs(v) + e) + interp_half_least(t);
}

double interp_moved_err(const interp *it, double v, bool from_nan, double e) {
    return it->stored && isnan(v) && !from_nan ? INFINITY : e;
}

double interp_sum_err(const interp *it, frit_dtype in, frit_dtype out, double v, double e) {
    if (in == FRIT_f64 && frit_dtype_is_float(out) && out != FRIT_f64 && isfinite(v)) {
        if (fabs(v) + 4 * e > 0x1.fffffep127) return INFINITY;
        if (e > 0 || scalar_round(FRIT_f32, v) != v) e += interp_half_ulp(FRIT_f32) * (fabs(v) + e) + interp_half_least(FRIT_f32);
    }
    return interp_stored_err(it, out, v, e);
}

static double select_err(bool is_float, const scalar *a, const double *ea) {
    double chosen = a[0].i ? ea[1] : ea[2];
    if (ea[0] == 0) return chosen;
    if (!is_float) return a[1].i == a[2].i ? fmax(ea[1], ea[2]) : INFINITY;
    double gap = fabs(a[1].f - a[2].f) / 4 + fmax(ea[1], ea[2]);
    if (gap == 0 && signbit(a[1].f) != signbit(a[2].f)) return INTERP_ZERO_SIGN;
    return isnan(gap) ? INFINITY : gap;
}

static double int_err(int n, const double *ea) {
    for (int i = 0; i < n; i++)
        if (ea[i] != 0) return INFINITY;
    return 0;
}

/* Exact operands and a result that needed no rounding: 2 + 3 may be compared with 5. */
static bool is_exact(ir_opcode op, frit_dtype in, int n, const scalar *a, const double *ea, double y) {
    if (scalar_ulps(op) > 1 || int_err(n, ea) > 0) return false;
    if (in != FRIT_f64) return scalar_round(FRIT_f32, y) == y;
    for (int i = 0; i < n; i++)
        if (a[i].f != rint(a[i].f)) return false;
    return op != IR_div && op != IR_sqrt && fabs(y) < 0x1p53;
}

/* A point of the interval of x: an end, or 0 where it is inside (domains end there or lie around it). */
static double point_within(double x, double e, int which) {
    if (which == 2 && fabs(x) < 4 * e) return 0;
    return e > 0 ? x + (which == 1 ? 4 : -4) * e : x;
}

/* A result that is infinite or NaN is certain when it is the same for operands anywhere within their bounds. */
static double corner_err(ir_opcode op, int n, const scalar *a, const double *ea, double y) {
    /* the power of a negative number is NaN but for the whole exponents in between */
    if (op == IR_pow && ea[1] > 0 && floor(a[1].f + 4 * ea[1]) >= ceil(a[1].f - 4 * ea[1])) return INFINITY;
    for (int corner = 0; corner < 27 && int_err(n, ea) > 0; corner++) {
        scalar b[3], r;
        for (int i = 0, which = corner; i < n; i++, which /= 3) b[i].f = point_within(a[i].f, ea[i], which % 3);
        scalar_eval(op, FRIT_f64, FRIT_f64, b, &r);
        if (isnan(y) ? !isnan(r.f) : r.f != y) return INFINITY;
    }
    return 0;
}

/* Near the end of its domain a function's slope says nothing: somewhere within the bounds of x it is infinite or NaN. */
static bool leaves_domain(ir_opcode op, double x, double e) {
    switch (op) {
    case IR_sqrt:
    case IR_rsqrt:
    case IR_log:
    case IR_log2:
    case IR_log1p:
    case IR_asin:
    case IR_acos:
    case IR_acosh:
    case IR_atanh: break;
    default: return false;
    }
    for (int side = -1; side <= 1; side += 2) {
        scalar a = {.f = x + side * 4 * e}, r;
        scalar_eval(op, FRIT_f64, FRIT_f64, &a, &r);
        if (!isfinite(r.f)) return true;
    }
    return false;
}

bool interp_sign_open(double x, double e) { return x == 0 && e > 0 && e < 0x1p-1060; }

static double decided_err(ir_opcode op, frit_dtype in, frit_dtype out, const scalar *a, const double *ea, scalar *y);

/* Operands that are 0 of either sign (set `open`): certain as long as the result is the same. */
static double signs_err(ir_opcode op, frit_dtype in, frit_dtype out, const scalar *a, const double *ea, unsigned open, scalar *y) {
    bool wide = op != IR_bitcast, to_float = frit_dtype_is_float(out), flips = false;
    double known[3];
    for (unsigned signs = 0; signs < 8; signs++) {
        scalar b[3], r;
        if (signs & ~open) continue;
        for (int i = 0; i < ir_op_table[op].n_operands; i++) {
            b[i] = a[i];
            if (open >> i & 1) b[i].f = signs >> i & 1 ? -0.0 : 0.0;
        }
        scalar_eval(op, wide ? FRIT_f64 : in, wide && to_float ? FRIT_f64 : out, b, &r);
        if (to_float ? r.f != y->f && !(isnan(r.f) && isnan(y->f)) : r.i != y->i) return INFINITY;
        flips |= to_float && y->f == 0 && signbit(r.f) != signbit(y->f);
    }
    for (int i = 0; i < ir_op_table[op].n_operands; i++) known[i] = open >> i & 1 ? 0 : ea[i];
    double e = decided_err(op, in, out, a, known, y);
    return e == 0 && flips ? INTERP_ZERO_SIGN : e;
}

double interp_err(ir_opcode op, frit_dtype in, frit_dtype out, const scalar *a, const double *ea, scalar *y) {
    unsigned open = 0;
    for (int i = 0; op != IR_select && frit_dtype_is_float(in) && i < ir_op_table[op].n_operands; i++)
        if (interp_sign_open(a[i].f, ea[i])) open |= 1u << i;
    return open ? signs_err(op, in, out, a, ea, open, y) : decided_err(op, in, out, a, ea, y);
}

static double decided_err(ir_opcode op, frit_dtype in, frit_dtype out, const scalar *a, const double *ea, scalar *y) {
    int n = ir_op_table[op].n_operands;
    bool from_float = frit_dtype_is_float(in), to_float = frit_dtype_is_float(out);
    if (op == IR_select) return select_err(to_float, a, ea);
    for (int i = 0; i < n; i++)
        if (!(ea[i] < INFINITY)) return INFINITY;
    if (op == IR_cast) return cast_err(in, out, a, ea, y);
    if (op == IR_bitcast) return from_float && isnan(a[0].f) ? INFINITY : int_err(1, ea); /* which NaN, nothing says */
    if (!from_float) return int_err(n, ea);
    if (ir_op_table[op].flags & IR_F_COMPARE) return interp_too_close(a[0].f, ea[0], a[1].f, ea[1]) ? INFINITY : 0;
    if (op == IR_neg || op == IR_abs) return ea[0];
    if (is_exact(op, in, n, a, ea, y->f)) return 0;
    double err = smooth_err(op, a, ea, y->f, interp_unit(in));
    if (ea[0] > 0 && isfinite(y->f) && leaves_domain(op, a[0].f, ea[0])) return INFINITY;
    bool exact_op = scalar_ulps(op) == 0 || op == IR_floor || op == IR_ceil || op == IR_round || op == IR_trunc;
    if (!exact_op) err += interp_half_least(in == FRIT_f64 ? FRIT_f64 : FRIT_f32);
    if (!isfinite(y->f)) return corner_err(op, n, a, ea, y->f);
    bool overflows = in != FRIT_f64 && fabs(y->f) + 4 * err > 0x1.fffffep127;
    return overflows || isnan(err) ? INFINITY : err;
}
