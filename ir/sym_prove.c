/* What the bounds of variables prove: numeric ranges by interval arithmetic, signs by substituting one variable or atom at
 * a time by the bound that its sign asks for, divisors by those of the factors. Each proof has a budget of work: what it
 * does not find in time counts as not known. */
#include "sym_internal.h"

enum { PROOF_DEPTH = 10, PROOF_WORK = 80, PROOF_TERMS = 16 };

/* ---- Bounds ------------------------------------------------------------------------------------------------------ */
/* Saturating arithmetic on bounds: INT64_MIN and INT64_MAX stand for minus and plus infinity. */
static int64_t sat_add(int64_t a, int64_t b) {
    if (a == INT64_MIN || b == INT64_MIN) return INT64_MIN;
    if (a == INT64_MAX || b == INT64_MAX) return INT64_MAX;
    int64_t v;
    return __builtin_add_overflow(a, b, &v) ? (a < 0 ? INT64_MIN : INT64_MAX) : v;
}
static int64_t sat_mul(int64_t a, int64_t b) {
    if (a == 0 || b == 0) return 0;
    int64_t v;
    bool inf = a == INT64_MIN || a == INT64_MAX || b == INT64_MIN || b == INT64_MAX;
    if (inf || __builtin_mul_overflow(a, b, &v)) return (a < 0) != (b < 0) ? INT64_MIN : INT64_MAX;
    return v;
}

static void range_mul(int64_t alo, int64_t ahi, int64_t *lo, int64_t *hi) {
    int64_t v[4] = {sat_mul(alo, *lo), sat_mul(alo, *hi), sat_mul(ahi, *lo), sat_mul(ahi, *hi)};
    *lo = min64(min64(v[0], v[1]), min64(v[2], v[3]));
    *hi = max64(max64(v[0], v[1]), max64(v[2], v[3]));
}

static void range_of(sym_ctx *c, sym_t s, int depth, int64_t *lo, int64_t *hi);

static void range_at(sym_ctx *c, sym_t s, int depth, int64_t *lo, int64_t *hi) {
    sym *n = (sym *)s;
    if (n->range_epoch != c->epoch) {
        int64_t l, h;
        range_of(c, s, depth, &l, &h);
        n->range_lo = l, n->range_hi = h, n->range_epoch = c->epoch;
    }
    *lo = n->range_lo, *hi = n->range_hi;
}

static void range_of(sym_ctx *c, sym_t s, int depth, int64_t *lo, int64_t *hi) {
    *lo = INT64_MIN, *hi = INT64_MAX;
    if (depth > PROOF_DEPTH) return;
    int64_t l, h, l2, h2;
    switch ((sym_kind)s->kind) {
    case SYM_CONST: *lo = *hi = s->value; return;
    case SYM_INVALID: return;
    case SYM_VAR:
        if (s->var.lo) range_at(c, s->var.lo, depth + 1, lo, &h);
        if (s->var.hi) range_at(c, s->var.hi, depth + 1, &l, hi);
        return;
    case SYM_SUM:
        *lo = *hi = s->sum.c0;
        for (int i = 0; i < s->n; i++) {
            range_at(c, s->sum.terms[i].mono, depth + 1, &l, &h);
            range_mul(s->sum.terms[i].coef, s->sum.terms[i].coef, &l, &h);
            *lo = sat_add(*lo, l), *hi = sat_add(*hi, h);
        }
        return;
    case SYM_PRODUCT:
        *lo = *hi = 1;
        for (int i = 0; i < s->n; i++) {
            range_at(c, s->atoms[i], depth + 1, &l, &h);
            range_mul(l, h, lo, hi);
        }
        return;
    case SYM_FLOORDIV:
        range_at(c, s->arg[0], depth + 1, &l, &h);
        range_at(c, s->arg[1], depth + 1, &l2, &h2);
        if (l2 < 1) {
            if (l >= 0 && l2 >= 0) *lo = 0, *hi = h;
            return;
        }
        *lo = l == INT64_MIN ? l : h2 == INT64_MAX ? (l < 0 ? floor_div(l, l2) : 0) : floor_div(l, l < 0 ? l2 : h2);
        *hi = h == INT64_MAX ? h : h2 == INT64_MAX ? (h < 0 ? -1 : floor_div(h, l2)) : floor_div(h, h < 0 ? h2 : l2);
        return;
    case SYM_MOD:
        range_at(c, s->arg[1], depth + 1, &l2, &h2);
        if (l2 < 0) return;
        *lo = 0, *hi = h2 == INT64_MAX ? h2 : max64(h2 - 1, 0);
        return;
    case SYM_MIN:
    case SYM_MAX:
        range_at(c, s->arg[0], depth + 1, &l, &h);
        range_at(c, s->arg[1], depth + 1, &l2, &h2);
        *lo = s->kind == SYM_MIN ? min64(l, l2) : max64(l, l2);
        *hi = s->kind == SYM_MIN ? min64(h, h2) : max64(h, h2);
        return;
    }
}

void sym_range(sym_ctx *c, sym_t s, int64_t *lo, int64_t *hi) { range_at(c, s, 0, lo, hi); }

static bool ge0(sym_ctx *c, sym_t e, int depth);

/* e >= 0 from e = coef * atom + rest once the atom is replaced by a bound on the side that its sign asks for. */
static bool ge0_by_atom(sym_ctx *c, sym_t e, term t, int depth) {
    sym_t a = t.mono, rest = sym_sub(c, e, sym_mul(c, sym_const(c, t.coef), a)), k = sym_const(c, t.coef);
    bool up = t.coef > 0; /* a lower bound of the atom is wanted */
    switch ((sym_kind)a->kind) {
    case SYM_MIN:
    case SYM_MAX: {
        bool first = ge0(c, sym_add(c, rest, sym_mul(c, k, a->arg[0])), depth + 1);
        bool both = (a->kind == SYM_MIN) == up;
        if (first != both) return first;
        return ge0(c, sym_add(c, rest, sym_mul(c, k, a->arg[1])), depth + 1);
    }
    case SYM_MOD: {
        int64_t lo, hi;
        range_at(c, a->arg[1], depth, &lo, &hi);
        if (lo < 0) return false;
        return ge0(c, up ? rest : sym_add(c, rest, sym_mul(c, k, sym_addi(c, sym_max(c, a->arg[1], c->one), -1))), depth + 1);
    }
    case SYM_FLOORDIV: { /* b * (x // b) lies in [x - b + 1, x] */
        sym_t b = a->arg[1], x = a->arg[0];
        int64_t lo, hi;
        range_at(c, b, depth, &lo, &hi);
        if (lo < 1) return false;
        sym_t bound = up ? sym_addi(c, sym_sub(c, x, b), 1) : x;
        return ge0(c, sym_add(c, sym_mul(c, k, bound), sym_mul(c, b, rest)), depth + 1);
    }
    default: return false;
    }
}

/* e = coef * var + rest with a symbolic coefficient of known sign: var goes to its bound. */
static bool ge0_by_var(sym_ctx *c, sym_t e, sym_t v, int depth) {
    sym_t coef, rest, bound = NULL;
    if (!sym_linear(c, e, v, &coef, &rest)) return false;
    int64_t lo, hi;
    range_at(c, coef, depth, &lo, &hi);
    if (lo >= 0) bound = v->var.lo;
    else if (hi <= 0) bound = v->var.hi;
    if (!bound || sym_uses(bound, v)) return false;
    return ge0(c, sym_add(c, sym_mul(c, coef, bound), rest), depth + 1);
}

static bool ge0(sym_ctx *c, sym_t e, int depth) {
    int64_t lo, hi;
    if (depth > PROOF_DEPTH || c->work <= 0) return false;
    c->work--;
    range_at(c, e, 0, &lo, &hi);
    if (lo >= 0) return true;
    if (hi < 0 || sym_is_invalid(e)) return false;
    poly p;
    poly_of(&p, e);
    if (p.n > PROOF_TERMS) return false; /* nothing written by a person */
    for (int i = p.n - 1; i >= 0; i--)
        if (p.t[i].mono->kind >= SYM_FLOORDIV && p.t[i].mono->kind <= SYM_MAX)
            if (ge0_by_atom(c, e, p.t[i], depth)) return true;
    sym_t vars[64];
    sym_var_list l = {vars, 0, 64};
    sym_collect_vars(e, &l);
    for (int i = l.n - 1; i >= 0; i--) /* innermost indices first: their bounds may use outer ones */
        if (l.v[i]->role != SYM_DIM && ge0_by_var(c, e, l.v[i], depth)) return true;
    for (int i = 0; i < l.n; i++)
        if (l.v[i]->role == SYM_DIM && ge0_by_var(c, e, l.v[i], depth)) return true;
    return false;
}

bool sym_prove_ge(sym_ctx *c, sym_t a, sym_t b) {
    if (a == b) return !sym_is_invalid(a);
    if (a->kind == SYM_CONST && b->kind == SYM_CONST) return a->value >= b->value;
    sym_t d = sym_sub(c, a, b);
    if (c->proving) return ge0(c, d, 0); /* proofs nest through simplification; the outermost one has the budget */
    sym *n = (sym *)d;
    if (n->sign_epoch != c->epoch) {
        c->work = PROOF_WORK;
        c->proving = true;
        bool r = ge0(c, d, 0);
        c->proving = false;
        n->nonnegative = r, n->sign_epoch = c->epoch;
    }
    return n->nonnegative;
}

bool sym_prove_lt(sym_ctx *c, sym_t a, sym_t b) { return sym_prove_ge(c, sym_addi(c, b, -1), a); }

static int64_t known_multiple(sym_t s);

/* What divides all terms and the constant. */
static int64_t divisor_of(sym_t s) {
    if (s->kind != SYM_SUM) return known_multiple(s);
    int64_t d = s->sum.c0;
    for (int i = 0; i < s->n; i++) {
        int64_t m;
        if (__builtin_mul_overflow(s->sum.terms[i].coef, known_multiple(s->sum.terms[i].mono), &m)) return 1;
        d = gcd(d, m);
    }
    return d;
}

static int64_t common_multiple(sym_t a, sym_t b) { return gcd(divisor_of(a), divisor_of(b)); }

static int64_t known_multiple(sym_t s) {
    switch ((sym_kind)s->kind) {
    case SYM_CONST: return s->value;
    case SYM_VAR: return s->var.multiple;
    case SYM_PRODUCT: {
        int64_t m = 1;
        for (int i = 0; i < s->n; i++)
            if (__builtin_mul_overflow(m, known_multiple(s->atoms[i]), &m)) return 1;
        return m;
    }
    case SYM_MIN:
    case SYM_MAX: return common_multiple(s->arg[0], s->arg[1]);
    default: return 1;
    }
}

bool sym_prove_multiple(sym_ctx *c, sym_t s, int64_t v) {
    poly p;
    poly_of(&p, s);
    if (v == 1) return true;
    if (p.bad || v == 0 || p.c0 % v) return false;
    for (int i = 0; i < p.n; i++) {
        int64_t m = known_multiple(p.t[i].mono), g = gcd(v, p.t[i].coef);
        if (m % (v / (g ? g : v)) != 0) return false;
    }
    return true;
}
