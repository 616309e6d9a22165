/* Nodes of symbolic integers: interning, leaves, queries. Invariants held by every interned node:
 *   SUM      constant + terms; terms sorted by the id of their monomial, no zero coefficient; never one that could be
 *            a CONST or a lone monomial
 *   PRODUCT  two or more atoms sorted by id
 *   a monomial is an atom or a PRODUCT; an atom is VAR, FLOORDIV, MOD, MIN or MAX */
#include "sym_internal.h"
#include <assert.h>
#include <string.h>

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

static uint32_t weight_of(const sym *s) { /* at most 256 parts of SYM_MAX_WEIGHT each: no overflow */
    uint32_t w = 0;
    switch ((sym_kind)s->kind) {
    case SYM_CONST:
    case SYM_VAR:
    case SYM_INVALID: return 1;
    case SYM_SUM:
        for (int i = 0; i < s->n; i++) w += s->sum.terms[i].mono->weight;
        return w + 1;
    case SYM_PRODUCT:
        for (int i = 0; i < s->n; i++) w += s->atoms[i]->weight;
        return w;
    default: return s->arg[0]->weight + s->arg[1]->weight;
    }
}

sym_t sym_intern(sym_ctx *c, const sym *proto) {
    uint32_t h = hash_node(proto);
    for (sym_t s = c->size ? c->table[h & (uint32_t)(c->size - 1)] : NULL; s; s = s->next)
        if (s->hash == h && same_node(s, proto)) return s;
    uint32_t weight = weight_of(proto);
    if (weight > SYM_MAX_WEIGHT) return c->invalid;
    if (c->count >= c->size) grow_table(c);
    sym *s = arena_copy(c->arena, proto, sizeof *proto);
    if (s->kind == SYM_SUM) s->sum.terms = arena_copy(c->arena, proto->sum.terms, s->n * sizeof(term));
    if (s->kind == SYM_PRODUCT) s->atoms = arena_copy(c->arena, proto->atoms, s->n * sizeof(sym_t));
    if (s->kind != SYM_VAR) s->id = c->next_id++;
    s->hash = h;
    s->weight = weight;
    s->next = c->table[h & (uint32_t)(c->size - 1)];
    c->table[h & (uint32_t)(c->size - 1)] = s;
    c->count++;
    s->made = c->last;
    c->last = s;
    return s;
}

/* ---- Contexts ---------------------------------------------------------------------------------------------------- */
sym_ctx *sym_ctx_new(arena *a) {
    sym_ctx *c = arena_new_of(a, sym_ctx);
    c->arena = arena_child(a);
    c->tables = a;
    c->epoch = 1;
    c->invalid = sym_intern(c, &(sym){.kind = SYM_INVALID});
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

/* ---- Leaves ------------------------------------------------------------------------------------------------------ */
sym_t sym_const(sym_ctx *c, int64_t v) { return sym_intern(c, &(sym){.kind = SYM_CONST, .value = v}); }

sym_t sym_var(sym_ctx *c, const char *name, sym_role role, sym_t lo, sym_t hi) {
    sym s = {.kind = SYM_VAR, .role = (uint8_t)role, .id = c->next_id++};
    s.var.name = arena_strdup(c->arena, name ? name : "");
    s.var.lo = role == SYM_DIM && !lo ? c->zero : lo;
    s.var.hi = hi;
    s.var.multiple = 1;
    return sym_intern(c, &s);
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
    node->weight = formula->weight;
    return ((sym *)formula)->opaque = v;
}

sym_t sym_definition(sym_t var) { return var->kind == SYM_VAR ? var->var.definition : NULL; }

void sym_redefine(sym_t opaque, sym_t formula) {
    assert(opaque->var.definition);
    ((sym *)opaque)->var.definition = formula;
    if (!formula->opaque) ((sym *)formula)->opaque = opaque;
}

void sym_var_bound(sym_ctx *c, sym_t var, sym_t lo, sym_t hi, int64_t multiple) {
    sym *v = (sym *)var;
    assert(v->kind == SYM_VAR);
    c->epoch++;
    if (lo) v->var.lo = v->var.lo ? sym_max(c, v->var.lo, lo) : lo;
    if (hi) v->var.hi = v->var.hi ? sym_min(c, v->var.hi, hi) : hi;
    if (multiple > 1 && multiple % v->var.multiple == 0) v->var.multiple = multiple;
}

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

void sym_collect_vars(sym_t s, sym_var_list *l) {
    switch ((sym_kind)s->kind) {
    case SYM_CONST:
    case SYM_INVALID: return;
    case SYM_SUM:
        for (int i = 0; i < s->n; i++) sym_collect_vars(s->sum.terms[i].mono, l);
        return;
    case SYM_PRODUCT:
        for (int i = 0; i < s->n; i++) sym_collect_vars(s->atoms[i], l);
        return;
    case SYM_VAR: {
        int at = l->n;
        while (at > 0 && l->v[at - 1]->id > s->id) at--;
        if ((at > 0 && l->v[at - 1] == s) || l->n == l->cap) return;
        memmove(l->v + at + 1, l->v + at, (size_t)(l->n++ - at) * sizeof *l->v);
        l->v[at] = s;
        return;
    }
    default: sym_collect_vars(s->arg[0], l), sym_collect_vars(s->arg[1], l);
    }
}

void sym_each_var(sym_t s, void (*f)(void *u, sym_t var), void *u) {
    sym_t v[256];
    sym_var_list l = {v, 0, 256};
    sym_collect_vars(s, &l);
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
