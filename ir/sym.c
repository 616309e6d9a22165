/* Canonical symbolic integers. See sym.h for the form; invariants held by every interned node:
 *   SUM      constant + terms; terms sorted by the id of their monomial, no zero coefficient; never one that could be
 *            a CONST or a lone monomial
 *   PRODUCT  two or more atoms sorted by id
 *   a monomial is an atom or a PRODUCT; an atom is VAR, FLOORDIV, MOD, MIN or MAX */
#include "sym.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { MAX_TERMS = 128, MAX_ATOMS = 16, PROOF_DEPTH = 10, PROOF_WORK = 80, PROOF_TERMS = 16 };

typedef struct term {
    int64_t coef;
    sym_t mono;
} term;

struct sym {
    uint8_t kind; /* sym_kind */
    uint8_t role;
    uint16_t n;
    int id;
    uint32_t hash;
    sym_t next; /* hash chain */
    sym_t made; /* the node that was made before this one */
    sym_t opaque; /* the variable that stands for it, or NULL */
    /* What is known of the node while the bounds of variables stay as they are (the context's epoch). */
    uint32_t range_epoch, sign_epoch;
    bool nonnegative; /* valid in sign_epoch: proved >= 0, or not provable */
    int64_t range_lo, range_hi;
    union {
        int64_t value; /* CONST */
        struct {
            const char *name;
            sym_t lo, hi;
            int64_t multiple, hint;
            sym_t definition;
        } var;
        struct {
            int64_t c0;
            const term *terms;
        } sum;
        const sym_t *atoms; /* PRODUCT */
        sym_t arg[2];
    };
};

struct sym_ctx {
    arena *arena; /* nodes alone */
    arena *tables;
    sym_t last; /* the node made last */
    sym_t *table;
    int size, count, next_id;
    int work; /* budget of the proof under way */
    bool proving;
    uint32_t epoch; /* advances when a variable's bounds change */
    sym_t invalid, zero, one;
};

/* A sum being built. Overflow or too many terms sets bad. */
typedef struct poly {
    int64_t c0;
    int n;
    bool bad;
    term t[MAX_TERMS];
} poly;

/* ---- Interning --------------------------------------------------------------------------------------------------- */
static uint32_t mix(uint32_t h, uint64_t v) {
    uint64_t x = (h ^ v) * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(x ^ x >> 32);
}

static uint32_t hash_node(const sym *s) {
    uint32_t h = mix(17, s->kind);
    switch ((sym_kind)s->kind) {
    case SYM_CONST: return mix(h, (uint64_t)s->value);
    case SYM_VAR: return mix(h, (uint64_t)s->id);
    case SYM_SUM:
        h = mix(h, (uint64_t)s->sum.c0);
        for (int i = 0; i < s->n; i++) h = mix(mix(h, (uint64_t)s->sum.terms[i].coef), (uint64_t)s->sum.terms[i].mono->id);
        return h;
    case SYM_PRODUCT:
        for (int i = 0; i < s->n; i++) h = mix(h, (uint64_t)s->atoms[i]->id);
        return h;
    case SYM_INVALID: return h;
    default: return mix(mix(h, (uint64_t)s->arg[0]->id), (uint64_t)s->arg[1]->id);
    }
}

static bool same_node(const sym *a, const sym *b) {
    if (a->kind != b->kind || a->n != b->n) return false;
    switch ((sym_kind)a->kind) {
    case SYM_CONST: return a->value == b->value;
    case SYM_VAR: return a->id == b->id;
    case SYM_SUM:
        if (a->sum.c0 != b->sum.c0) return false;
        for (int i = 0; i < a->n; i++)
            if (a->sum.terms[i].coef != b->sum.terms[i].coef || a->sum.terms[i].mono != b->sum.terms[i].mono) return false;
        return true;
    case SYM_PRODUCT: return !memcmp(a->atoms, b->atoms, a->n * sizeof *a->atoms);
    case SYM_INVALID: return true;
    default: return a->arg[0] == b->arg[0] && a->arg[1] == b->arg[1];
    }
}

static void grow_table(sym_ctx *c) {
    int size = c->size ? c->size * 2 : 256;
    sym_t *t = arena_array(c->tables, sym_t, size);
    for (int i = 0; i < c->size; i++)
        for (sym *s = (sym *)c->table[i], *next; s; s = next) {
            next = (sym *)s->next;
            s->next = t[s->hash & (uint32_t)(size - 1)];
            t[s->hash & (uint32_t)(size - 1)] = s;
        }
    c->table = t;
    c->size = size;
}

static sym_t intern(sym_ctx *c, const sym *proto) {
    uint32_t h = hash_node(proto);
    for (sym_t s = c->size ? c->table[h & (uint32_t)(c->size - 1)] : NULL; s; s = s->next)
        if (s->hash == h && same_node(s, proto)) return s;
    if (c->count >= c->size) grow_table(c);
    sym *s = arena_copy(c->arena, proto, sizeof *proto);
    if (s->kind == SYM_SUM) s->sum.terms = arena_copy(c->arena, proto->sum.terms, s->n * sizeof(term));
    if (s->kind == SYM_PRODUCT) s->atoms = arena_copy(c->arena, proto->atoms, s->n * sizeof(sym_t));
    if (s->kind != SYM_VAR) s->id = c->next_id++;
    s->hash = h;
    s->next = c->table[h & (uint32_t)(c->size - 1)];
    c->table[h & (uint32_t)(c->size - 1)] = s;
    c->count++;
    s->made = c->last;
    c->last = s;
    return s;
}

sym_ctx *sym_ctx_new(arena *a) {
    sym_ctx *c = arena_new_of(a, sym_ctx);
    c->arena = arena_child(a);
    c->tables = a;
    c->epoch = 1;
    c->invalid = intern(c, &(sym){.kind = SYM_INVALID});
    c->zero = sym_const(c, 0);
    c->one = sym_const(c, 1);
    return c;
}

sym_place sym_here(const sym_ctx *c) { return (sym_place){c->last, c->next_id, arena_here(c->arena)}; }

void sym_back(sym_ctx *c, sym_place to) {
    for (; c->last != to.last; c->last = c->last->made, c->count--) {
        sym_t *link = &c->table[c->last->hash & (uint32_t)(c->size - 1)];
        while (*link != c->last) link = &((sym *)*link)->next;
        *link = c->last->next;
    }
    c->next_id = to.next_id;
    arena_back(c->arena, to.memory);
}

sym_t sym_const(sym_ctx *c, int64_t v) { return intern(c, &(sym){.kind = SYM_CONST, .value = v}); }

sym_t sym_var(sym_ctx *c, const char *name, sym_role role, sym_t lo, sym_t hi) {
    sym s = {.kind = SYM_VAR, .role = (uint8_t)role, .id = c->next_id++};
    s.var.name = arena_strdup(c->arena, name ? name : "");
    s.var.lo = role == SYM_DIM && !lo ? c->zero : lo;
    s.var.hi = hi;
    s.var.multiple = 1;
    return intern(c, &s);
}

sym_t sym_index(sym_ctx *c, const char *name, sym_t extent) {
    return sym_var(c, name, SYM_INDEX, c->zero, sym_addi(c, extent, -1));
}

sym_t sym_opaque(sym_ctx *c, const char *name, sym_role role, sym_t formula) {
    if (formula->opaque) return formula->opaque;
    int64_t lo, hi;
    sym_range(c, formula, &lo, &hi);
    sym_t v = sym_var(c, name, role, lo == INT64_MIN || (role == SYM_DIM && lo < 0) ? NULL : sym_const(c, lo),
                      hi == INT64_MAX ? NULL : sym_const(c, hi));
    sym *node = (sym *)v;
    for (int64_t k = 64; k > 1 && node->var.multiple == 1; k /= 2)
        if (sym_prove_multiple(c, formula, k)) node->var.multiple = k;
    int64_t hint = sym_hint(formula);
    for (node->var.hint = 1; node->var.hint < hint && node->var.hint < INT64_C(1) << 40;) node->var.hint *= 2; /* layers are alike */
    node->var.definition = formula;
    return ((sym *)formula)->opaque = v;
}

sym_t sym_definition(sym_t var) { return var->kind == SYM_VAR ? var->var.definition : NULL; }

void sym_redefine(sym_t opaque, sym_t formula) {
    assert(opaque->var.definition);
    ((sym *)opaque)->var.definition = formula;
    if (!formula->opaque) ((sym *)formula)->opaque = opaque;
}

static int count_leaves(sym_t s, int most, int n) {
    if (n > most) return n;
    switch ((sym_kind)s->kind) {
    case SYM_CONST:
    case SYM_INVALID: return n;
    case SYM_VAR: return n + 1;
    case SYM_SUM:
        for (int i = 0; i < s->n && n <= most; i++) n = count_leaves(s->sum.terms[i].mono, most, n);
        return n;
    case SYM_PRODUCT:
        for (int i = 0; i < s->n; i++) n = count_leaves(s->atoms[i], most, n);
        return n;
    default: return count_leaves(s->arg[1], most, count_leaves(s->arg[0], most, n));
    }
}

int sym_leaves(sym_t s, int most) { return count_leaves(s, most, 0); }

void sym_var_bound(sym_ctx *c, sym_t var, sym_t lo, sym_t hi, int64_t multiple) {
    sym *v = (sym *)var;
    assert(v->kind == SYM_VAR);
    c->epoch++;
    if (lo) v->var.lo = v->var.lo ? sym_max(c, v->var.lo, lo) : lo;
    if (hi) v->var.hi = v->var.hi ? sym_min(c, v->var.hi, hi) : hi;
    if (multiple > 1 && multiple % v->var.multiple == 0) v->var.multiple = multiple;
}

/* ---- Polynomials ------------------------------------------------------------------------------------------------- */
static void poly_add_term(poly *p, int64_t coef, sym_t mono) {
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
    if (p->n == MAX_TERMS) {
        p->bad = true;
        return;
    }
    memmove(p->t + lo + 1, p->t + lo, (size_t)(p->n++ - lo) * sizeof(term));
    p->t[lo] = (term){coef, mono};
}

/* p += k * s */
static void poly_add(poly *p, int64_t k, sym_t s) {
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

static void poly_clear(poly *p) { p->c0 = 0, p->n = 0, p->bad = false; }

static void poly_of(poly *p, sym_t s) {
    poly_clear(p);
    poly_add(p, 1, s);
}

static sym_t poly_sym(sym_ctx *c, const poly *p) {
    if (p->bad) return c->invalid;
    if (p->n == 0) return sym_const(c, p->c0);
    if (p->n == 1 && p->c0 == 0 && p->t[0].coef == 1) return p->t[0].mono;
    return intern(c, &(sym){.kind = SYM_SUM, .n = (uint16_t)p->n, .sum = {p->c0, p->t}});
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
    return intern(c, &(sym){.kind = SYM_PRODUCT, .n = (uint16_t)n, .atoms = atoms});
}

/* Product of two monomials; NULL when too long. */
static sym_t mono_mul(sym_ctx *c, sym_t a, sym_t b) {
    sym_t sa, sb, out[MAX_ATOMS];
    const sym_t *pa, *pb;
    int na = atoms_of(a, &pa, &sa), nb = atoms_of(b, &pb, &sb), n = 0;
    if (na + nb > MAX_ATOMS) return NULL;
    for (int i = 0, j = 0; i < na || j < nb;)
        out[n++] = j == nb || (i < na && pa[i]->id <= pb[j]->id) ? pa[i++] : pb[j++];
    return mono_of(c, out, n);
}

/* a / b when b's atoms are all among a's. *q is NULL for the quotient 1. */
static bool mono_div(sym_ctx *c, sym_t a, sym_t b, sym_t *q) {
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

/* c*b*(x // b) + c*(x % b) = c*x, for each remainder in p. */
static void poly_join_divmod(sym_ctx *c, poly *p) {
    for (int i = 0; i < p->n && !p->bad; i++) {
        term t = p->t[i];
        if (t.mono->kind != SYM_MOD) continue;
        sym whole = {.kind = SYM_FLOORDIV, .arg = {t.mono->arg[0], t.mono->arg[1]}};
        sym_t e = sym_mul(c, sym_mul(c, sym_const(c, t.coef), t.mono->arg[1]), intern(c, &whole));
        poly q;
        poly_of(&q, e);
        if (q.bad || q.n != 1 || q.c0) continue;
        for (int k = 0; k < p->n; k++)
            if (p->t[k].mono == q.t[0].mono && p->t[k].coef == q.t[0].coef) {
                poly_add_term(p, -q.t[0].coef, q.t[0].mono);
                poly_add_term(p, -t.coef, t.mono);
                poly_add(p, t.coef, t.mono->arg[0]);
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

/* ---- Division ---------------------------------------------------------------------------------------------------- */
static int64_t floor_div(int64_t a, int64_t b) {
    if (b == 0) return 0;
    if (a == INT64_MIN && b == -1) return INT64_MIN;
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}
static int64_t floor_mod(int64_t a, int64_t b) {
    if (b == 0 || b == -1) return 0;
    int64_t m = a % b;
    return m + (m != 0 && (m < 0) != (b < 0) ? b : 0);
}

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

static int64_t gcd(int64_t a, int64_t b) {
    while (b) {
        int64_t t = a % b;
        a = b;
        b = t;
    }
    return a < 0 ? -a : a;
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
    return intern(c, &(sym){.kind = SYM_FLOORDIV, .arg = {r, b}});
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
    return intern(c, &(sym){.kind = SYM_MOD, .arg = {r, b}});
}

sym_t sym_ceildiv(sym_ctx *c, sym_t a, sym_t b) { return sym_floordiv(c, sym_addi(c, sym_add(c, a, b), -1), b); }

static sym_t extreme(sym_ctx *c, sym_kind k, sym_t a, sym_t b) {
    if (a == c->invalid || b == c->invalid) return c->invalid;
    if (sym_prove_ge(c, a, b)) return k == SYM_MAX ? a : b;
    if (sym_prove_ge(c, b, a)) return k == SYM_MAX ? b : a;
    bool swap = a->id > b->id;
    return intern(c, &(sym){.kind = (uint8_t)k, .arg = {swap ? b : a, swap ? a : b}});
}
sym_t sym_min(sym_ctx *c, sym_t a, sym_t b) { return extreme(c, SYM_MIN, a, b); }
sym_t sym_max(sym_ctx *c, sym_t a, sym_t b) { return extreme(c, SYM_MAX, a, b); }

/* ---- Queries ----------------------------------------------------------------------------------------------------- */
sym_kind sym_kind_of(sym_t s) { return (sym_kind)s->kind; }
bool sym_is_const(sym_t s, int64_t *v) {
    if (s->kind != SYM_CONST) return false;
    if (v) *v = s->value;
    return true;
}
bool sym_is(sym_t s, int64_t v) { return s->kind == SYM_CONST && s->value == v; }
bool sym_is_invalid(sym_t s) { return s->kind == SYM_INVALID; }
bool sym_is_var(sym_t s) { return s->kind == SYM_VAR; }
sym_role sym_var_role(sym_t v) { return (sym_role)v->role; }
const char *sym_var_name(sym_t v) { return v->var.name; }
int sym_var_id(sym_t v) { return v->id; }
int sym_id(sym_t s) { return s->id; }
int sym_count(const sym_ctx *c) { return c->next_id; }
sym_t sym_var_lo(sym_t v) { return v->var.lo; }
sym_t sym_var_hi(sym_t v) { return v->var.hi; }
int64_t sym_var_multiple(sym_t v) { return v->var.multiple; }
void sym_var_hint(sym_t v, int64_t hint) { ((sym *)v)->var.hint = hint; }
sym_t sym_arg(sym_t s, int i) { return s->arg[i]; }
bool sym_uses(sym_t s, sym_t var) {
    switch ((sym_kind)s->kind) {
    case SYM_CONST:
    case SYM_INVALID: return false;
    case SYM_VAR: return s == var || (s->var.definition && sym_uses(s->var.definition, var));
    case SYM_SUM:
        for (int i = 0; i < s->n; i++)
            if (sym_uses(s->sum.terms[i].mono, var)) return true;
        return false;
    case SYM_PRODUCT:
        for (int i = 0; i < s->n; i++)
            if (sym_uses(s->atoms[i], var)) return true;
        return false;
    default: return sym_uses(s->arg[0], var) || sym_uses(s->arg[1], var);
    }
}

typedef struct var_list {
    sym_t *v;
    int n, cap;
} var_list;

static void collect(sym_t s, var_list *l) {
    switch ((sym_kind)s->kind) {
    case SYM_CONST:
    case SYM_INVALID: return;
    case SYM_SUM:
        for (int i = 0; i < s->n; i++) collect(s->sum.terms[i].mono, l);
        return;
    case SYM_PRODUCT:
        for (int i = 0; i < s->n; i++) collect(s->atoms[i], l);
        return;
    case SYM_VAR: {
        int at = l->n;
        while (at > 0 && l->v[at - 1]->id > s->id) at--;
        if ((at > 0 && l->v[at - 1] == s) || l->n == l->cap) return;
        memmove(l->v + at + 1, l->v + at, (size_t)(l->n++ - at) * sizeof *l->v);
        l->v[at] = s;
        return;
    }
    default: collect(s->arg[0], l), collect(s->arg[1], l);
    }
}

void sym_each_var(sym_t s, void (*f)(void *u, sym_t var), void *u) {
    sym_t v[256];
    var_list l = {v, 0, 256};
    collect(s, &l);
    for (int i = 0; i < l.n; i++) f(u, l.v[i]);
}

int64_t sym_constant_part(sym_t s) { return s->kind == SYM_CONST ? s->value : s->kind == SYM_SUM ? s->sum.c0 : 0; }
int sym_n_terms(sym_t s) { return s->kind == SYM_CONST || s->kind == SYM_INVALID ? 0 : s->kind == SYM_SUM ? s->n : 1; }
int64_t sym_term(sym_ctx *c, sym_t s, int i, sym_t *atoms) {
    if (s->kind == SYM_SUM) {
        *atoms = s->sum.terms[i].mono;
        return s->sum.terms[i].coef;
    }
    *atoms = s;
    return 1;
}

int sym_n_atoms(sym_t mono) { return mono->kind == SYM_PRODUCT ? mono->n : 1; }
sym_t sym_atom(sym_t mono, int i) { return mono->kind == SYM_PRODUCT ? mono->atoms[i] : mono; }

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
static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

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
    var_list l = {vars, 0, 64};
    collect(e, &l);
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

/* ---- Numbers ----------------------------------------------------------------------------------------------------- */
bool sym_eval(sym_t s, bool (*value)(void *u, sym_t var, int64_t *v), void *u, int64_t *out) {
    int64_t a, b;
    switch ((sym_kind)s->kind) {
    case SYM_CONST: *out = s->value; return true;
    case SYM_INVALID: return false;
    case SYM_VAR: return s->var.definition ? sym_eval(s->var.definition, value, u, out) : value(u, s, out);
    case SYM_SUM:
        *out = s->sum.c0;
        for (int i = 0; i < s->n; i++)
            if (!sym_eval(s->sum.terms[i].mono, value, u, &a) || __builtin_mul_overflow(a, s->sum.terms[i].coef, &a) ||
                __builtin_add_overflow(*out, a, out))
                return false;
        return true;
    case SYM_PRODUCT:
        *out = 1;
        for (int i = 0; i < s->n; i++)
            if (!sym_eval(s->atoms[i], value, u, &a) || __builtin_mul_overflow(*out, a, out)) return false;
        return true;
    default:
        if (!sym_eval(s->arg[0], value, u, &a) || !sym_eval(s->arg[1], value, u, &b)) return false;
        switch ((sym_kind)s->kind) {
        case SYM_FLOORDIV: *out = floor_div(a, b); return true;
        case SYM_MOD: *out = floor_mod(a, b); return true;
        case SYM_MIN: *out = min64(a, b); return true;
        default: *out = max64(a, b); return true;
        }
    }
}

static bool hint_value(void *u, sym_t var, int64_t *v) {
    enum { TYPICAL = 128 };
    int64_t h;
    if (var->var.hint) {
        *v = var->var.hint;
        return true;
    }
    if (var->role == SYM_DIM) {
        *v = TYPICAL;
        if (var->var.hi && sym_is_const(var->var.hi, &h) && h < *v) *v = h;
        if (var->var.lo && sym_is_const(var->var.lo, &h) && h > *v) *v = h;
        return true;
    }
    if (var->role == SYM_INDEX && var->var.hi) {
        *v = sym_hint(var->var.hi) / 2;
        return true;
    }
    *v = 0;
    return true;
}

int64_t sym_hint(sym_t s) {
    int64_t v;
    return sym_eval(s, hint_value, NULL, &v) ? v : INT64_MAX;
}

/* ---- Text -------------------------------------------------------------------------------------------------------- */
typedef struct text {
    arena *a;
    char *s;
    size_t n, cap;
} text;

static void put(text *t, const char *s) {
    size_t k = strlen(s);
    if (t->n + k + 1 > t->cap) {
        size_t cap = (t->cap + k + 32) * 2;
        char *p = arena_alloc(t->a, cap);
        if (t->n) memcpy(p, t->s, t->n);
        t->s = p;
        t->cap = cap;
    }
    memcpy(t->s + t->n, s, k + 1);
    t->n += k;
}

static void put_int(text *t, int64_t v) {
    char b[32];
    snprintf(b, sizeof b, "%lld", (long long)v);
    put(t, b);
}

static void put_sym(text *t, sym_t s, int prec);

static void put_call(text *t, const char *name, sym_t s) {
    put(t, name);
    put_sym(t, s->arg[0], 0);
    put(t, ", ");
    put_sym(t, s->arg[1], 0);
    put(t, ")");
}

static void put_sum(text *t, sym_t s) {
    for (int i = 0; i < s->n; i++) {
        int64_t k = s->sum.terms[i].coef;
        if (i) put(t, k < 0 ? " - " : " + ");
        else if (k < 0) put(t, "-");
        uint64_t m = k < 0 ? 0 - (uint64_t)k : (uint64_t)k;
        if (m != 1) {
            char b[32];
            snprintf(b, sizeof b, "%llu*", (unsigned long long)m);
            put(t, b);
        }
        put_sym(t, s->sum.terms[i].mono, 2);
    }
    int64_t c0 = s->sum.c0;
    if (c0 == 0) return;
    put(t, c0 < 0 ? " - " : " + ");
    char b[32];
    snprintf(b, sizeof b, "%llu", (unsigned long long)(c0 < 0 ? 0 - (uint64_t)c0 : (uint64_t)c0));
    put(t, b);
}

/* prec: 0 nothing binds around it, 1 within a sum, 2 within a product or as an operand of // and %. */
static void put_sym(text *t, sym_t s, int prec) {
    switch ((sym_kind)s->kind) {
    case SYM_CONST: put_int(t, s->value); return;
    case SYM_INVALID: put(t, "invalid"); return;
    case SYM_VAR: put(t, s->var.name); return;
    case SYM_SUM:
        if (prec) put(t, "(");
        put_sum(t, s);
        if (prec) put(t, ")");
        return;
    case SYM_PRODUCT:
        if (prec > 2) put(t, "(");
        for (int i = 0; i < s->n; i++) {
            if (i) put(t, "*");
            put_sym(t, s->atoms[i], 2);
        }
        if (prec > 2) put(t, ")");
        return;
    case SYM_MIN: put_call(t, "min(", s); return;
    case SYM_MAX: put_call(t, "max(", s); return;
    case SYM_FLOORDIV:
    case SYM_MOD:
        if (prec) put(t, "(");
        put_sym(t, s->arg[0], 3);
        put(t, s->kind == SYM_MOD ? " % " : " // ");
        put_sym(t, s->arg[1], 3);
        if (prec) put(t, ")");
        return;
    }
}

const char *sym_print(arena *a, sym_t s) {
    text t = {.a = a};
    put(&t, "");
    put_sym(&t, s, 0);
    return t.s;
}
