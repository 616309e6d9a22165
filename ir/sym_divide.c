/* Floor division, remainder, min and max of symbolic integers. A quotient takes out what divides without remainder; what
 * is left is an atom. */
#include "sym_internal.h"

/* a = q * b + r, taking every term of a that the leading (last) term of b divides. */
static void split_by(sym_ctx *c, sym_t a, sym_t b, sym_t *q, sym_t *r) {
    *q = c->zero;
    *r = a;
    poly d;
    poly_of(&d, b);
    if (d.bad) return;
    for (int step = 0; step < 32; step++) {
        poly p, f;
        poly_clear(&f);
        poly_of(&p, *r);
        if (p.bad) return;
        if (d.n == 0) { /* constant divisor */
            if (d.c0 == 0) return;
            f.c0 = floor_div(p.c0, d.c0);
            for (int i = 0; i < p.n; i++)
                if (p.t[i].coef % d.c0 == 0) poly_add_term(&f, p.t[i].coef / d.c0, p.t[i].mono);
        } else {
            term lead = d.t[d.n - 1];
            for (int i = p.n - 1; i >= 0 && f.n == 0 && f.c0 == 0; i--) {
                sym_t m;
                if (p.t[i].coef % lead.coef || !mono_div(c, p.t[i].mono, lead.mono, &m)) continue;
                if (m) poly_add_term(&f, p.t[i].coef / lead.coef, m);
                else f.c0 = p.t[i].coef / lead.coef;
            }
        }
        if (f.n == 0 && f.c0 == 0) return;
        sym_t fs = poly_sym(c, &f);
        *q = sym_add(c, *q, fs);
        *r = sym_sub(c, *r, sym_mul(c, fs, b));
        if (d.n == 0) return;
    }
}

/* What a term of a and the product b have in common as factors. */
static sym_t common_factor(sym_ctx *c, const term *t, const poly *b) {
    sym_t g = sym_const(c, gcd(b->n ? b->t[0].coef : b->c0, t->coef));
    for (int i = 0; b->n && i < sym_n_atoms(t->mono); i++) {
        sym_t atom = sym_atom(t->mono, i), rest = sym_mul(c, g, atom), q;
        poly p;
        poly_of(&p, rest);
        if (p.n == 1 && mono_div(c, b->t[0].mono, p.t[0].mono, &q)) g = rest;
    }
    return g;
}

/* a = g * high + low and b = g * k with 0 <= low < g: then a // b = high // k and a % b = g * (high % k) + low. */
typedef struct digits {
    sym_t g, k, high, low;
} digits;

static bool split_digits(sym_ctx *c, sym_t a, sym_t b, digits *d) {
    poly p, q;
    poly_of(&p, a);
    poly_of(&q, b);
    if (p.bad || q.bad || p.n < 2 || q.n > 1 || (q.n && q.c0) || (q.n ? q.t[0].coef : q.c0) < 1) return false;
    for (int i = 0; i < p.n; i++) {
        sym_t none;
        d->g = common_factor(c, &p.t[i], &q);
        if (d->g == c->one || d->g == b) continue;
        split_by(c, b, d->g, &d->k, &none);
        split_by(c, a, d->g, &d->high, &d->low);
        if (none == c->zero && d->low != c->zero && sym_prove_ge0(c, d->low) && sym_prove_lt(c, d->low, d->g)) return true;
    }
    return false;
}

/* The atom r // b, after dividing out what coefficients and a constant divisor have in common. */
static sym_t floordiv_atom(sym_ctx *c, sym_t r, sym_t b) {
    if (b->kind == SYM_CONST && b->value > 1) {
        poly p;
        poly_of(&p, r);
        int64_t g = b->value;
        for (int i = 0; i < p.n; i++) g = gcd(g, p.t[i].coef);
        if (g > 1) {
            for (int i = 0; i < p.n; i++) p.t[i].coef /= g;
            p.c0 = floor_div(p.c0, g);
            return sym_floordiv(c, poly_sym(c, &p), sym_const(c, b->value / g));
        }
    }
    if (r->kind == SYM_FLOORDIV && sym_prove_ge(c, r->arg[1], c->one) && sym_prove_ge(c, b, c->one))
        return sym_floordiv(c, r->arg[0], sym_mul(c, r->arg[1], b));
    return sym_intern(c, &(sym){.kind = SYM_FLOORDIV, .arg = {r, b}});
}

sym_t sym_floordiv(sym_ctx *c, sym_t a, sym_t b) {
    if (a == c->invalid || b == c->invalid) return c->invalid;
    if (a == c->zero || b == c->zero) return c->zero;
    if (b == c->one) return a;
    if (a->kind == SYM_CONST && b->kind == SYM_CONST) return sym_const(c, floor_div(a->value, b->value));
    sym_t q, r;
    split_by(c, a, b, &q, &r);
    if (r == c->zero) return q;
    if (sym_prove_ge0(c, r) && sym_prove_lt(c, r, b)) return q;
    if (sym_prove_lt(c, r, c->zero) && sym_prove_ge0(c, sym_add(c, r, b))) return sym_addi(c, q, -1);
    digits d;
    if (split_digits(c, r, b, &d)) return sym_add(c, q, sym_floordiv(c, d.high, d.k));
    if (q == c->zero || (b->kind == SYM_SUM && sym_n_terms(b) + (b->sum.c0 != 0) > 1)) return floordiv_atom(c, a, b);
    return sym_add(c, q, floordiv_atom(c, r, b));
}

/* Replaces remainders by a multiple of b inside r: (x % (k*b)) % b = x % b. */
static sym_t drop_inner_mods(sym_ctx *c, sym_t r, sym_t b) {
    poly p, out;
    poly_clear(&out);
    poly_of(&p, r);
    out.c0 = p.c0;
    for (int i = 0; i < p.n; i++) {
        sym_t m = p.t[i].mono, q, rest;
        if (m->kind == SYM_MOD) {
            split_by(c, m->arg[1], b, &q, &rest);
            if (rest == c->zero) {
                poly_add(&out, p.t[i].coef, m->arg[0]);
                continue;
            }
        }
        poly_add_term(&out, p.t[i].coef, m);
    }
    return poly_sym(c, &out);
}

sym_t sym_mod(sym_ctx *c, sym_t a, sym_t b) {
    if (a == c->invalid || b == c->invalid) return c->invalid;
    if (a == c->zero || b == c->zero || b == c->one) return c->zero;
    if (a->kind == SYM_CONST && b->kind == SYM_CONST) return sym_const(c, floor_mod(a->value, b->value));
    sym_t q, r, inner = drop_inner_mods(c, a, b);
    split_by(c, inner, b, &q, &r);
    if (r == c->zero) return c->zero;
    if (sym_prove_ge0(c, r) && sym_prove_lt(c, r, b)) return r;
    if (r->kind == SYM_CONST && b->kind == SYM_CONST) return sym_const(c, floor_mod(r->value, b->value));
    digits d;
    if (split_digits(c, r, b, &d)) return sym_add(c, sym_mul(c, d.g, sym_mod(c, d.high, d.k)), d.low);
    return sym_intern(c, &(sym){.kind = SYM_MOD, .arg = {r, b}});
}

sym_t sym_ceildiv(sym_ctx *c, sym_t a, sym_t b) { return sym_floordiv(c, sym_addi(c, sym_add(c, a, b), -1), b); }

static sym_t extreme(sym_ctx *c, sym_kind k, sym_t a, sym_t b) {
    if (a == c->invalid || b == c->invalid) return c->invalid;
    if (sym_prove_ge(c, a, b)) return k == SYM_MAX ? a : b;
    if (sym_prove_ge(c, b, a)) return k == SYM_MAX ? b : a;
    bool swap = a->id > b->id;
    return sym_intern(c, &(sym){.kind = (uint8_t)k, .arg = {swap ? b : a, swap ? a : b}});
}
sym_t sym_min(sym_ctx *c, sym_t a, sym_t b) { return extreme(c, SYM_MIN, a, b); }
sym_t sym_max(sym_ctx *c, sym_t a, sym_t b) { return extreme(c, SYM_MAX, a, b); }
