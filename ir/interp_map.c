#include "interp_internal.h"
#include <stdlib.h>

/* ---- Symbols ----------------------------------------------------------------------------------------------------- */
void interp_set_symbol(interp *it, sym_t var, int64_t value) {
    int id = sym_var_id(var);
    if (id >= it->n_symbols) {
        int n = id + 64;
        interp_symbol *grown = realloc(it->symbols, sizeof *grown * (size_t)n);
        if (!grown) {
            interp_fail(it, INTERP_MEMORY, "out of memory");
            return;
        }
        for (int i = it->n_symbols; i < n; i++) grown[i] = (interp_symbol){0};
        it->symbols = grown;
        it->n_symbols = n;
    }
    it->symbols[id].known = true;
    it->symbols[id].value = value;
}

bool interp_symbol_get(void *u, sym_t var, int64_t *v) {
    const interp *it = u;
    int id = sym_var_id(var);
    if (id >= it->n_symbols || !it->symbols[id].known) return false;
    *v = it->symbols[id].value;
    return true;
}

bool interp_eval(interp *it, sym_t s, int64_t *out) {
    if (sym_eval(s, interp_symbol_get, it, out)) return true;
    arena *a = arena_new();
    interp_fail(it, INTERP_BAD_INPUT, "the value of '%s' is not known or overflows", sym_print(a, s));
    arena_free(a);
    return false;
}

bool interp_dims(interp *it, ir_type t, int64_t *shape) {
    for (int i = 0; i < t.rank; i++) {
        if (!interp_eval(it, t.dims[i], &shape[i])) return false;
        if (shape[i] < 0)
            return interp_fail(it, INTERP_BAD_INPUT, "dim %d of a tensor is %lld", i, (long long)shape[i]);
    }
    return true;
}

/* ---- Maps -------------------------------------------------------------------------------------------------------- */
typedef enum { MAP_LINEAR, MAP_BINARY, MAP_GENERAL } map_kind;
typedef struct map_term {
    int64_t coef;
    map *factor; /* NULL: the column itself */
    int var;     /* column, -1: none */
} map_term;

struct map {
    map_kind kind;
    int64_t constant;
    int n_terms; /* LINEAR: constant + sum of coef * factor * column */
    map_term *terms;
    sym_kind op; /* BINARY: of l and r */
    map *l, *r;
    sym_t sym; /* GENERAL: evaluated point by point */
    int n_vars;
    sym_t *vars; /* GENERAL: copied */
};

void map_free(map *p) {
    if (!p) return;
    for (int i = 0; i < p->n_terms; i++) map_free(p->terms[i].factor);
    free(p->terms);
    free(p->vars);
    map_free(p->l);
    map_free(p->r);
    free(p);
}

static bool uses_any(sym_t s, int n, const sym_t *vars) {
    for (int i = 0; i < n; i++)
        if (sym_uses(s, vars[i])) return true;
    return false;
}

static map *compile(interp *it, sym_t s, int n, const sym_t *vars, int depth);

/* The term coef * atoms of a sum. */
static bool compile_term(interp *it, map *p, int64_t coef, sym_t atoms, int n, const sym_t *vars, int depth) {
    map_term *t = &p->terms[p->n_terms++];
    *t = (map_term){coef, NULL, -1};
    for (int i = 0; i < n; i++) {
        sym_t factor, rest;
        if (!sym_uses(atoms, vars[i]) || !sym_linear(it->m->syms, atoms, vars[i], &factor, &rest) || !sym_is(rest, 0))
            continue;
        t->var = i;
        return sym_is(factor, 1) || (t->factor = compile(it, factor, n, vars, depth));
    }
    return (t->factor = compile(it, atoms, n, vars, depth)) != NULL;
}

static bool compile_sum(interp *it, map *p, sym_t s, int n, const sym_t *vars, int depth) {
    int terms = sym_n_terms(s);
    p->kind = MAP_LINEAR;
    p->constant = sym_constant_part(s);
    p->terms = calloc((size_t)terms + 1, sizeof *p->terms);
    if (!p->terms) return interp_fail(it, INTERP_MEMORY, "out of memory");
    for (int i = 0; i < terms; i++) {
        sym_t atoms;
        int64_t coef = sym_term(it->m->syms, s, i, &atoms), value;
        if (!uses_any(atoms, n, vars)) {
            if (!interp_eval(it, atoms, &value)) return false;
            if (__builtin_mul_overflow(value, coef, &value) ||
                __builtin_add_overflow(p->constant, value, &p->constant))
                return interp_fail(it, INTERP_BAD_INPUT, "an index overflows");
        } else if (!compile_term(it, p, coef, atoms, n, vars, depth)) {
            return false;
        }
    }
    return true;
}

static bool compile_general(interp *it, map *p, sym_t s, int n, const sym_t *vars) {
    p->kind = MAP_GENERAL;
    p->sym = s;
    p->n_vars = n;
    p->vars = calloc((size_t)n + 1, sizeof *p->vars);
    if (!p->vars) return interp_fail(it, INTERP_MEMORY, "out of memory");
    for (int i = 0; i < n; i++) p->vars[i] = vars[i];
    return true;
}

static bool compile_into(interp *it, map *p, sym_t s, int n, const sym_t *vars, int depth) {
    if (!uses_any(s, n, vars)) return interp_eval(it, s, &p->constant);
    sym_t atoms = s;
    bool one_term = sym_n_terms(s) == 1 && sym_constant_part(s) == 0 && sym_term(it->m->syms, s, 0, &atoms) == 1;
    switch (sym_kind_of(s)) {
    case SYM_FLOORDIV:
    case SYM_MOD:
    case SYM_MIN:
    case SYM_MAX:
        p->kind = MAP_BINARY;
        p->op = sym_kind_of(s);
        p->l = compile(it, sym_arg(s, 0), n, vars, depth);
        p->r = p->l ? compile(it, sym_arg(s, 1), n, vars, depth) : NULL;
        return p->r != NULL;
    case SYM_PRODUCT:
        if (one_term) {
            for (int i = 0; i < n; i++) {
                sym_t factor, rest;
                if (sym_uses(s, vars[i]) && sym_linear(it->m->syms, s, vars[i], &factor, &rest) && sym_is(rest, 0))
                    return compile_sum(it, p, s, n, vars, depth);
            }
            return compile_general(it, p, s, n, vars); /* a square, or a product of quotients */
        }
        return compile_sum(it, p, s, n, vars, depth);
    case SYM_INVALID: return interp_fail(it, INTERP_BAD_INPUT, "an index expression overflows");
    default: return compile_sum(it, p, s, n, vars, depth);
    }
}

static map *compile(interp *it, sym_t s, int n, const sym_t *vars, int depth) {
    map *p = calloc(1, sizeof *p);
    if (!p) {
        interp_fail(it, INTERP_MEMORY, "out of memory");
        return NULL;
    }
    bool ok = depth > 16 ? compile_general(it, p, s, n, vars) : compile_into(it, p, s, n, vars, depth + 1);
    if (!ok) {
        map_free(p);
        return NULL;
    }
    return p;
}

map *map_new(interp *it, sym_t s, int n_vars, const sym_t *vars) { return compile(it, s, n_vars, vars, 0); }

/* ---- Evaluation -------------------------------------------------------------------------------------------------- */
static bool eval_linear(interp *it, const map *p, int n, const column *vars, int64_t *out) {
    int64_t factor[BLOCK];
    bool overflow = false;
    for (int i = 0; i < n; i++) out[i] = p->constant;
    for (int t = 0; t < p->n_terms; t++) {
        const map_term *term = &p->terms[t];
        if (term->factor && !map_eval(it, term->factor, n, vars, factor)) return false;
        for (int i = 0; i < n; i++) {
            int64_t x = term->coef;
            if (term->factor) overflow |= __builtin_mul_overflow(x, factor[i], &x);
            if (term->var >= 0) overflow |= __builtin_mul_overflow(x, column_at(vars[term->var], i), &x);
            overflow |= __builtin_add_overflow(out[i], x, &out[i]);
        }
    }
    return !overflow || interp_fail(it, INTERP_BAD_INPUT, "an index overflows");
}

static int64_t floor_quotient(int64_t x, int64_t y) {
    if (y == 0) return 0;
    if (y == -1) return (int64_t)(0 - (uint64_t)x);
    return x / y - (x % y != 0 && (x < 0) != (y < 0));
}

static int64_t floor_remainder(int64_t x, int64_t y) {
    return y == 0 ? 0 : (int64_t)((uint64_t)x - (uint64_t)floor_quotient(x, y) * (uint64_t)y);
}

static bool eval_binary(interp *it, const map *p, int n, const column *vars, int64_t *out) {
    int64_t r[BLOCK];
    if (!map_eval(it, p->l, n, vars, out) || !map_eval(it, p->r, n, vars, r)) return false;
    for (int i = 0; i < n; i++) {
        switch (p->op) {
        case SYM_FLOORDIV: out[i] = floor_quotient(out[i], r[i]); break;
        case SYM_MOD: out[i] = floor_remainder(out[i], r[i]); break;
        case SYM_MIN: out[i] = r[i] < out[i] ? r[i] : out[i]; break;
        default: out[i] = r[i] > out[i] ? r[i] : out[i]; break;
        }
    }
    return true;
}

typedef struct {
    interp *it;
    const map *p;
    const column *vars;
    int i;
} point;

static bool point_value(void *u, sym_t var, int64_t *v) {
    point *q = u;
    for (int k = 0; k < q->p->n_vars; k++)
        if (q->p->vars[k] == var) {
            *v = column_at(q->vars[k], q->i);
            return true;
        }
    return interp_symbol_get(q->it, var, v);
}

bool map_eval(interp *it, const map *p, int n, const column *vars, int64_t *out) {
    if (p->kind == MAP_LINEAR) return eval_linear(it, p, n, vars, out);
    if (p->kind == MAP_BINARY) return eval_binary(it, p, n, vars, out);
    for (int i = 0; i < n; i++) {
        point q = {it, p, vars, i};
        if (!sym_eval(p->sym, point_value, &q, &out[i])) return interp_fail(it, INTERP_BAD_INPUT, "an index overflows");
    }
    return true;
}
