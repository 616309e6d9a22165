/* Numbers that are 0 or 1 as conditions. variant.h says which there are: products of them, 1 less one of them, min(1, n), and
 * min(n, max(0, 2 - n)), which is 1 for n = 1; and the least of two of them (schedule_rows.c). */
#include "describe_internal.h"
#include <limits.h>

static const char *condition(describer *d, sym_t s, bool no, bool *ok);

static const char *fails(bool *ok) {
    *ok = false;
    return "";
}

static const char *compare(describer *d, sym_t x, bool no, const char *yes_op, const char *no_op, int64_t k) {
    return arena_printf(d->a, "%s %s %lld", describe_sym(d, x), no ? no_op : yes_op, (long long)k);
}

/* x >= k, in as plain a form as there is: constants and divisors go to the other side. */
static const char *at_least(describer *d, sym_t x, int64_t k, bool no) {
    sym_ctx *c = d->f->module->syms;
    for (;;) {
        int64_t by, factor;
        sym_t atom;
        if (sym_constant_part(x) && !sym_is_const(x, NULL)) {
            k -= sym_constant_part(x);
            x = sym_addi(c, x, -sym_constant_part(x));
        } else if (sym_n_terms(x) == 1 && (factor = sym_term(c, x, 0, &atom)) > 1) {
            k = k > 0 ? (k + factor - 1) / factor : k / factor;
            x = atom;
        } else if (sym_kind_of(x) == SYM_FLOORDIV && sym_is_const(sym_arg(x, 1), &by) && by > 0 && k < INT_MAX && by < INT_MAX) {
            k *= by;
            x = sym_arg(x, 0);
        } else {
            break;
        }
    }
    bool remainder = sym_kind_of(x) == SYM_MOD && k == 1; /* by habit */
    return remainder ? compare(d, x, no, "!=", "==", 0) : compare(d, x, no, ">=", "<", k);
}

static bool is_remainders(describer *d, sym_t s) {
    sym_t atom;
    for (int i = 0; i < sym_n_terms(s); i++)
        if (sym_term(d->f->module->syms, s, i, &atom) < 1 || sym_kind_of(atom) != SYM_MOD) return false;
    return sym_n_terms(s) > 1 && sym_constant_part(s) == 0;
}

/* s > 0, of what is never below: max(0, k - x) where x < k. */
static const char *positive(describer *d, sym_t s, bool no, bool *ok) {
    sym_ctx *c = d->f->module->syms;
    for (int i = 0; i < 2 && sym_kind_of(s) == SYM_MAX; i++) {
        sym_t rest = sym_arg(s, 1 - i);
        int64_t most = sym_constant_part(rest) - 1;
        if (sym_is(sym_arg(s, i), 0)) return compare(d, sym_sub(c, sym_const(c, most + 1), rest), no, "<=", ">", most);
    }
    if (!is_remainders(d, s)) return at_least(d, s, 1, no);
    text t = {.a = d->a};
    for (int i = 0; i < sym_n_terms(s); i++) {
        sym_t atom;
        sym_term(c, s, i, &atom);
        text_printf(&t, "%s%s", i == 0 ? "" : no ? " and " : " or ", positive(d, atom, no, ok));
    }
    return t.s;
}

static const char *of_min(describer *d, sym_t s, bool no, bool *ok) {
    for (int i = 0; i < 2; i++) {
        sym_t x = sym_arg(s, i), y = sym_arg(s, 1 - i), zero, rest;
        if (sym_is(x, 1)) return positive(d, y, no, ok);
        if (sym_kind_of(y) != SYM_MAX) continue;
        zero = sym_arg(y, 0), rest = sym_arg(y, 1);
        if (!sym_is(zero, 0)) zero = sym_arg(y, 1), rest = sym_arg(y, 0);
        if (sym_is(zero, 0) && sym_is(sym_add(d->f->module->syms, rest, x), 2)) return compare(d, x, no, "==", "!=", 1);
    }
    const char *a = condition(d, sym_arg(s, 0), no, ok), *b = condition(d, sym_arg(s, 1), no, ok);
    return arena_printf(d->a, "%s %s %s", a, no ? "or" : "and", b);
}

static const char *of_product(describer *d, sym_t s, bool no, bool *ok) {
    text t = {.a = d->a};
    for (int i = 0; i < sym_n_atoms(s); i++)
        text_printf(&t, "%s%s", i == 0 ? "" : no ? " or " : " and ", condition(d, sym_atom(s, i), no, ok));
    return t.s;
}

/* a - a * b: a, and not b. */
static const char *of_difference(describer *d, sym_t s, bool no, bool *ok) {
    sym_ctx *c = d->f->module->syms;
    sym_t of[2];
    if (no || sym_n_terms(s) != 2 || sym_constant_part(s)) return fails(ok);
    int64_t sign = sym_term(c, s, 0, &of[0]);
    if (sign + sym_term(c, s, 1, &of[1]) != 0 || (sign != 1 && sign != -1)) return fails(ok);
    sym_t a = of[sign < 0], both = of[sign > 0], b = sym_const(c, 1);
    for (int i = 0; i < sym_n_atoms(both); i++) {
        bool in_a = false;
        for (int j = 0; j < sym_n_atoms(a); j++) in_a |= sym_atom(a, j) == sym_atom(both, i);
        if (!in_a) b = sym_mul(c, b, sym_atom(both, i));
    }
    if (sym_mul(c, a, b) != both || sym_is_const(b, NULL)) return fails(ok);
    return arena_printf(d->a, "%s and %s", condition(d, a, false, ok), condition(d, b, true, ok));
}

static const char *condition(describer *d, sym_t s, bool no, bool *ok) {
    sym_ctx *c = d->f->module->syms;
    switch (sym_kind_of(s)) {
    case SYM_MIN: return of_min(d, s, no, ok);
    case SYM_PRODUCT: {
        sym_t atoms;
        if (sym_term(c, s, 0, &atoms) != 1) return fails(ok);
        return of_product(d, atoms, no, ok);
    }
    case SYM_SUM:
        if (sym_constant_part(s) == 1) return condition(d, sym_sub(c, sym_const(c, 1), s), !no, ok);
        return of_difference(d, s, no, ok);
    default: return fails(ok);
    }
}

const char *describe_condition(describer *d, sym_t guard) {
    bool ok = true;
    const char *s = condition(d, guard, false, &ok);
    return ok ? s : NULL;
}
