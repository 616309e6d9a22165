/* Sums and products of symbolic integers: polynomials with integer coefficients over atoms. */
#include "sym_internal.h"
#include <assert.h>
#include <string.h>

enum { MAX_ATOMS = 16 };

void poly_add_term(poly *p, int64_t coef, sym_t mono) {
    int lo = 0, hi = p->n;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (p->t[mid].mono->id < mono->id) lo = mid + 1;
        else hi = mid;
    }
    if (lo < p->n && p->t[lo].mono == mono) {
        p->bad |= __builtin_add_overflow(p->t[lo].coef, coef, &p->t[lo].coef);
        if (p->t[lo].coef == 0) memmove(p->t + lo, p->t + lo + 1, (size_t)(--p->n - lo) * sizeof(term));
        return;
    }
    if (coef == 0) return;
    if (p->n == SYM_MAX_TERMS) {
        p->bad = true;
        return;
    }
    memmove(p->t + lo + 1, p->t + lo, (size_t)(p->n++ - lo) * sizeof(term));
    p->t[lo] = (term){coef, mono};
}

void poly_add(poly *p, int64_t k, sym_t s) {
    int64_t v;
    switch ((sym_kind)s->kind) {
    case SYM_INVALID: p->bad = true; return;
    case SYM_CONST:
        p->bad |= __builtin_mul_overflow(k, s->value, &v) || __builtin_add_overflow(p->c0, v, &p->c0);
        return;
    case SYM_SUM:
        p->bad |= __builtin_mul_overflow(k, s->sum.c0, &v) || __builtin_add_overflow(p->c0, v, &p->c0);
        for (int i = 0; i < s->n; i++) {
            p->bad |= __builtin_mul_overflow(k, s->sum.terms[i].coef, &v);
            poly_add_term(p, v, s->sum.terms[i].mono);
        }
        return;
    default: poly_add_term(p, k, s); return;
    }
}

void poly_clear(poly *p) { p->c0 = 0, p->n = 0, p->bad = false; }

void poly_of(poly *p, sym_t s) {
    poly_clear(p);
    poly_add(p, 1, s);
}

sym_t poly_sym(sym_ctx *c, const poly *p) {
    if (p->bad) return c->invalid;
    if (p->n == 0) return sym_const(c, p->c0);
    if (p->n == 1 && p->c0 == 0 && p->t[0].coef == 1) return p->t[0].mono;
    return sym_intern(c, &(sym){.kind = SYM_SUM, .n = (uint16_t)p->n, .sum = {p->c0, p->t}});
}

static int atoms_of(sym_t mono, const sym_t **atoms, sym_t *self) {
    if (mono->kind == SYM_PRODUCT) {
        *atoms = mono->atoms;
        return mono->n;
    }
    *self = mono;
    *atoms = self;
    return 1;
}

static sym_t mono_of(sym_ctx *c, const sym_t *atoms, int n) {
    assert(n > 0);
    if (n == 1) return atoms[0];
    return sym_intern(c, &(sym){.kind = SYM_PRODUCT, .n = (uint16_t)n, .atoms = atoms});
}

/* Product of two monomials; NULL when too long. */
static sym_t mono_mul(sym_ctx *c, sym_t a, sym_t b) {
    sym_t sa, sb, out[MAX_ATOMS];
    const sym_t *pa, *pb;
    int na = atoms_of(a, &pa, &sa), nb = atoms_of(b, &pb, &sb), n = 0;
    if (na + nb > MAX_ATOMS) return NULL;
    for (int i = 0, j = 0; i < na || j < nb;)
        out[n++] = j == nb || (i < na && pa[i]->id <= pb[j]->id) ? pa[i++] : pb[j++];
    sym_t m = mono_of(c, out, n);
    return m == c->invalid ? NULL : m;
}

bool mono_div(sym_ctx *c, sym_t a, sym_t b, sym_t *q) {
    sym_t sa, sb, out[MAX_ATOMS];
    const sym_t *pa, *pb;
    int na = atoms_of(a, &pa, &sa), nb = atoms_of(b, &pb, &sb), n = 0, j = 0;
    for (int i = 0; i < na; i++) {
        if (j < nb && pa[i] == pb[j]) j++;
        else out[n++] = pa[i];
    }
    if (j < nb) return false;
    *q = n ? mono_of(c, out, n) : NULL;
    return true;
}

/* With c*m in p and m a remainder x % b: c*b*(x // b) + c*m = c*x, where p has both. */
static bool join_divmod(sym_ctx *c, poly *p, term t, sym_t m) {
    sym_t others;
    if (m->kind != SYM_MOD || !mono_div(c, t.mono, m, &others)) return false;
    sym_t k = sym_muli(c, others ? others : c->one, t.coef);
    sym whole = {.kind = SYM_FLOORDIV, .arg = {m->arg[0], m->arg[1]}};
    poly q;
    poly_of(&q, sym_mul(c, sym_mul(c, k, m->arg[1]), sym_intern(c, &whole)));
    if (q.bad || q.n != 1 || q.c0) return false;
    for (int i = 0; i < p->n; i++) {
        if (p->t[i].mono != q.t[0].mono || p->t[i].coef != q.t[0].coef) continue;
        poly_add_term(p, -q.t[0].coef, q.t[0].mono);
        poly_add_term(p, -t.coef, t.mono);
        poly_add(p, 1, sym_mul(c, k, m->arg[0]));
        return true;
    }
    return false;
}

static void poly_join_divmod(sym_ctx *c, poly *p) {
    for (int i = 0; i < p->n && !p->bad; i++) {
        term t = p->t[i];
        for (int k = 0; k < sym_n_atoms(t.mono); k++)
            if (join_divmod(c, p, t, sym_atom(t.mono, k))) {
                i = -1;
                break;
            }
    }
}

sym_t sym_add(sym_ctx *c, sym_t a, sym_t b) {
    poly p;
    poly_of(&p, a);
    poly_add(&p, 1, b);
    poly_join_divmod(c, &p);
    return poly_sym(c, &p);
}

sym_t sym_sub(sym_ctx *c, sym_t a, sym_t b) {
    poly p;
    poly_of(&p, a);
    poly_add(&p, -1, b);
    poly_join_divmod(c, &p);
    return poly_sym(c, &p);
}

sym_t sym_mul(sym_ctx *c, sym_t a, sym_t b) {
    poly p, q, r;
    poly_clear(&r);
    poly_of(&p, a);
    poly_of(&q, b);
    int64_t v;
    r.bad = p.bad || q.bad || __builtin_mul_overflow(p.c0, q.c0, &r.c0);
    for (int i = 0; i < p.n && !r.bad; i++) {
        r.bad |= __builtin_mul_overflow(p.t[i].coef, q.c0, &v);
        poly_add_term(&r, v, p.t[i].mono);
        for (int j = 0; j < q.n && !r.bad; j++) {
            sym_t m = mono_mul(c, p.t[i].mono, q.t[j].mono);
            r.bad |= !m || __builtin_mul_overflow(p.t[i].coef, q.t[j].coef, &v);
            if (!r.bad) poly_add_term(&r, v, m);
        }
    }
    for (int j = 0; j < q.n && !r.bad; j++) {
        r.bad |= __builtin_mul_overflow(q.t[j].coef, p.c0, &v);
        poly_add_term(&r, v, q.t[j].mono);
    }
    if (!r.bad) poly_join_divmod(c, &r);
    return poly_sym(c, &r);
}

sym_t sym_prod(sym_ctx *c, const sym_t *v, int n) {
    sym_t p = c->one;
    for (int i = 0; i < n; i++) p = sym_mul(c, p, v[i]);
    return p;
}

/* ---- Structure --------------------------------------------------------------------------------------------------- */
bool sym_linear(sym_ctx *c, sym_t s, sym_t var, sym_t *coef, sym_t *rest) {
    poly p, k, r;
    poly_clear(&k);
    poly_clear(&r);
    poly_of(&p, s);
    if (p.bad) return false;
    r.c0 = p.c0;
    for (int i = 0; i < p.n; i++) {
        sym_t m = p.t[i].mono, q;
        if (!sym_uses(m, var)) {
            poly_add_term(&r, p.t[i].coef, m);
            continue;
        }
        if (!mono_div(c, m, var, &q) || (q && sym_uses(q, var))) return false;
        if (q) poly_add_term(&k, p.t[i].coef, q);
        else k.c0 += p.t[i].coef;
    }
    *coef = poly_sym(c, &k);
    *rest = poly_sym(c, &r);
    return true;
}

sym_t sym_subst(sym_ctx *c, sym_t s, int n, const sym_t *vars, const sym_t *with) {
    switch ((sym_kind)s->kind) {
    case SYM_CONST:
    case SYM_INVALID: return s;
    case SYM_VAR:
        for (int i = 0; i < n; i++)
            if (vars[i] == s) return with[i];
        return s;
    case SYM_SUM: {
        sym_t out = sym_const(c, s->sum.c0);
        for (int i = 0; i < s->n; i++)
            out = sym_add(c, out,
                          sym_mul(c, sym_const(c, s->sum.terms[i].coef), sym_subst(c, s->sum.terms[i].mono, n, vars, with)));
        return out;
    }
    case SYM_PRODUCT: {
        sym_t out = c->one;
        for (int i = 0; i < s->n; i++) out = sym_mul(c, out, sym_subst(c, s->atoms[i], n, vars, with));
        return out;
    }
    default: {
        sym_t a = sym_subst(c, s->arg[0], n, vars, with), b = sym_subst(c, s->arg[1], n, vars, with);
        if (a == s->arg[0] && b == s->arg[1]) return s;
        switch ((sym_kind)s->kind) {
        case SYM_FLOORDIV: return sym_floordiv(c, a, b);
        case SYM_MOD: return sym_mod(c, a, b);
        case SYM_MIN: return sym_min(c, a, b);
        default: return sym_max(c, a, b);
        }
    }
    }
}
