#!/usr/bin/env python3
"""Fits the polynomials of passes/expand_math*.c and writes passes/expand_math_coefficients.c.

Needs mpmath. Every polynomial is the minimax one (Remez exchange, relative error of the whole function), found again
after each coefficient in turn, lowest degree first, has been rounded to the dtype.

    fit_math.py > passes/expand_math_coefficients.c        (the maximum relative errors go to standard error)
"""
import struct
import sys
from mpmath import mp, mpf, lu_solve, matrix, exp, expm1, log, sin, cos, asin, atan, sinh, tanh, erf, erfc, asinh, atanh, sqrt, pi

mp.dps = 70
LN2 = log(mpf(2))


def rounded(x, bits):
    if bits == 64:
        return mpf(float(x))
    return mpf(struct.unpack("f", struct.pack("f", float(x)))[0])


def remez(target, weight, var, n_low, n, lo, hi):
    """Coefficients of var**n_low ... var**(n-1) that minimise max |weight * (target - poly)| on [lo, hi]."""
    m = n - n_low
    grid = [(lo + hi) / 2 - (hi - lo) / 2 * mp.cos(pi * i / (24 * m + 40)) for i in range(24 * m + 41)]
    table = [(var(x), target(x), weight(x)) for x in grid]
    ref = [round(i * (len(grid) - 1) / m) for i in range(m + 1)]
    coef, worst = None, None
    for _ in range(12):
        a = matrix(m + 1, m + 1)
        rhs = matrix(m + 1, 1)
        for r, i in enumerate(ref):
            u, t, w = table[i]
            for k in range(m):
                a[r, k] = w * u ** (n_low + k)
            a[r, m] = (-1) ** r
            rhs[r] = w * t
        sol = lu_solve(a, rhs)
        coef = [sol[k] for k in range(m)]
        err = []
        for u, t, w in table:
            p = mpf(0)
            for c in reversed(coef):
                p = p * u + c
            err.append(w * (t - p * u ** n_low))
        runs = []
        for i, e in enumerate(err):
            if runs and (e > 0) == (err[runs[-1]] > 0):
                if abs(e) > abs(err[runs[-1]]):
                    runs[-1] = i
            else:
                runs.append(i)
        worst = max(abs(e) for e in err)
        while len(runs) > m + 1:
            runs.pop(0 if abs(err[runs[0]]) < abs(err[runs[-1]]) else -1)
        if len(runs) < m + 1 or runs == ref:
            break
        ref = runs
    return coef, worst


def lawson(target, weight, var, n_low, n, lo, hi):
    """The same by least squares, reweighted by the error (Lawson 1961): for weights that vanish inside the interval,
    where the exchange has no equal oscillation to find."""
    m = n - n_low
    count = 6 * m + 10
    grid = [(lo + hi) / 2 - (hi - lo) / 2 * mp.cos(pi * (2 * i + 1) / (2 * count)) for i in range(count)]
    rows = [(var(x), target(x), weight(x)) for x in grid]
    powers = [[w * u ** (n_low + k) for k in range(m)] + [w * t] for u, t, w in rows]
    mass = [mpf(1)] * count
    best, least = None, None
    for _ in range(12):
        a = matrix(m, m)
        rhs = matrix(m, 1)
        for g, row in zip(mass, powers):
            for i in range(m):
                gi = g * row[i]
                rhs[i] += gi * row[m]
                for k in range(m):
                    a[i, k] += gi * row[k]
        coef = lu_solve(a, rhs)
        err = [abs(row[m] - sum(coef[k] * row[k] for k in range(m))) for row in powers]
        worst = max(err)
        if least is None or worst < least:
            best, least = [coef[k] for k in range(m)], worst
        total = sum(g * e for g, e in zip(mass, err))
        if not total:
            break
        mass = [g * e / total * count + mpf(10) ** -12 for g, e in zip(mass, err)]
    return best, least


def fit(target, weight, var, n, lo, hi, bits):
    fixed = []
    solve = remez if var is square or lo == 0 else lawson
    for k in range(n):
        def rest(x):
            u, p = var(x), mpf(0)
            for c in reversed(fixed):
                p = p * u + c
            return target(x) - p
        coef, _ = solve(rest, weight, var, k, n, lo, hi)
        fixed.append(rounded(coef[0], bits))
    grid = [lo + (hi - lo) * i / 2000 for i in range(2001)]
    final = mpf(0)
    for x in grid:
        u, p = var(x), mpf(0)
        for c in reversed(fixed):
            p = p * u + c
        final = max(final, abs(weight(x) * (target(x) - p)))
    return fixed, final


def ident(x):
    return x


def square(x):
    return x * x


def odd(f):
    """f(x) = x + x^3 P(x^2)"""
    return (lambda x: (f(x) - x) / x ** 3, lambda x: x ** 3 / f(x), square)


TINY = mpf(10) ** -6
A = sqrt(mpf(2)) / 2


def of_s(s):
    """log((1 + s) / (1 - s))"""
    return 2 * atanh(s)


S_MAX = (sqrt(mpf(2)) - 1) / (sqrt(mpf(2)) + 1)

# name, (target, weight, variable), lo, hi, coefficients for f32, for f64, what the polynomial is for
FITS = [
    ("exp", (lambda x: (exp(x) - 1 - x) / x**2, lambda x: x**2 / exp(x), ident), -0.6935, 0.69351, 6, 12,
     "e^r = 1 + r + r^2 P(r), |r| <= ln 2"),
    ("exp2", (lambda x: (2**x - 1) / x, lambda x: x / 2**x, ident), -1.0001, 1.00011, 7, 13,
     "2^r = 1 + r P(r), |r| <= 1"),
    ("expm1", (lambda x: (expm1(x) - x) / x**2, lambda x: x**2 / expm1(x), ident), -0.3467, 0.34671, 5, 10,
     "e^r - 1 = r + r^2 P(r), |r| <= ln 2 / 2"),
    ("log", (lambda s: (of_s(s) / s - 2) / s**2, lambda s: s**3 / of_s(s), square), TINY, S_MAX * 1.0001, 3, 7,
     "log((1 + s) / (1 - s)) = 2 s + s^3 P(s^2), |s| <= 3 - 2 sqrt 2"),
    ("log_tail", (lambda s: (of_s(s) / s - 2 - 2 * s**2 / 3) / s**4, lambda s: s**5 / of_s(s), square), TINY,
     S_MAX * 1.0001, 3, 7, "the same without its first two terms: 2 s + 2/3 s^3 + s^5 P(s^2)"),
    ("sin", odd(sin), TINY, mpf("0.7856"), 3, 6, "sin r = r + r^3 P(r^2), |r| <= pi / 4"),
    ("cos", (lambda x: (cos(x) - 1 + x**2 / 2) / x**4, lambda x: x**4 / cos(x), square), mpf("0.001"), mpf("0.7856"), 3, 6,
     "cos r = 1 - r^2 / 2 + r^4 P(r^2), |r| <= pi / 4"),
    ("asin", odd(asin), TINY, mpf("0.5"), 5, 12, "asin x = x + x^3 P(x^2), |x| <= 1/2"),
    ("atan", odd(atan), TINY, mpf("0.4143"), 4, 11, "atan x = x + x^3 P(x^2), |x| <= sqrt 2 - 1"),
    ("sinh", odd(sinh), TINY, mpf(1), 4, 8, "sinh x = x + x^3 P(x^2), |x| <= 1"),
    ("tanh", odd(tanh), TINY, mpf("0.625"), 5, 11, "tanh x = x + x^3 P(x^2), |x| <= 5/8"),
    ("asinh", odd(asinh), TINY, mpf("0.5"), 5, 13, "asinh x = x + x^3 P(x^2), |x| <= 1/2"),
    ("atanh", odd(atanh), TINY, mpf("0.5"), 6, 16, "atanh x = x + x^3 P(x^2), |x| <= 1/2"),
    ("erf", (lambda x: erf(x) / x - 1, lambda x: x / erf(x), square), TINY, mpf(1), 7, 13,
     "erf x = x + x P(x^2), |x| <= 1"),
]


def literal(c):
    return float(c).hex()


def erfc_tail(lo, hi, n, bits):
    """log erfc(x) = P(x - lo); what counts is the error of 1 - erfc."""
    target = lambda d: log(erfc(d + lo))
    weight = lambda d: erfc(d + lo) / erf(d + lo)
    return fit(target, weight, ident, n, mpf(0), hi - lo, bits)


def wrapped(coef):
    out, line = [], "       "
    for part in (literal(c) for c in coef):
        if len(line) + len(part) > 112:
            out.append(line)
            line = "       "
        line += " " + part + ","
    return "\n".join(out + [line])


def emit(name, c32, c64, doc):
    print("\n/* %s */" % doc)
    print("const math_poly math_%s = {" % name)
    for bits, c in ((32, c32), (64, c64)):
        if c:
            print("    .n%d = %d,\n    .c%d = {\n%s\n    }," % (bits, len(c), bits, wrapped(c)))
    print("};")


def report(name, bits, worst):
    unit = 24 if bits == 32 else 53
    print("%s f%d: %.3f of 2^-%d" % (name, bits, float(worst * 2**unit), unit), file=sys.stderr)


def fit_all(only):
    for name, (target, weight, var), lo, hi, n32, n64, doc in FITS:
        if only and name not in only:
            continue
        got = []
        for bits, n in ((32, n32), (64, n64)):
            coef, worst = fit(target, weight, var, n, mpf(lo), mpf(hi), bits)
            report(name, bits, worst)
            got.append(coef)
        emit(name, got[0], got[1], doc)


def fit_tails():
    for name, bits, lo, hi, n in (("erfc_1_4", 32, "1", "4", 8), ("erfc_1_2", 64, "1", "2.25", 15),
                                  ("erfc_2_6", 64, "2.25", "6", 15)):
        coef, worst = erfc_tail(mpf(lo), mpf(hi), n, bits)
        report(name, bits, worst)
        emit(name, coef if bits == 32 else [], coef if bits == 64 else [],
             "log erfc(x) = P(x - %s) on [%s, %s]" % (lo, lo, hi))


def two_over_pi():
    mp.dps = 420
    bits = int(mp.floor(mpf(2) ** 1280 * 2 / mp.pi))
    limbs = [0] + [bits >> (1280 - 32 * (i + 1)) & 0xFFFFFFFF for i in range(39)]
    print("\n/* 2 / pi: a limb of 32 bits before the point, 39 behind it */")
    print("const uint32_t math_two_over_pi[MATH_PI_LIMBS] = {")
    for i in range(0, 40, 8):
        print("    " + " ".join("0x%08x," % v for v in limbs[i:i + 8]))
    print("};")


def main():
    only = sys.argv[1:]
    print("/* Written by tests/codegen/fit_math.py; lowest degree first. */")
    print('#include "expand_math_internal.h"')
    fit_all(only)
    if not only or "erfc" in only:
        fit_tails()
    two_over_pi()


main()
