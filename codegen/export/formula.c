/* Formulas of a package as C expressions. Where the bounds of the symbols prove that nothing overflows, plain
 * operators; elsewhere calls of checked helpers that set `bad`. */
#include "export_internal.h"
#include <string.h>

enum { PREC_SUM = 1, PREC_PRODUCT, PREC_ATOM };

typedef struct term {
    const char *text;
    int prec;
    int64_t lo, hi; /* proven bounds */
} term;

typedef struct renderer {
    exporter *x;
    bool *uses;
    bool checked, helps[HELP_COUNT];
} renderer;

static const char *wrap(renderer *r, const term *t, int least) {
    return t->prec < least ? arena_printf(r->x->a, "(%s)", t->text) : t->text;
}

static term constant(renderer *r, int64_t v) { return (term){literal(r->x->a, v), v < 0 ? PREC_SUM : PREC_ATOM, v, v}; }

static term symbol_term(renderer *r, uint32_t i) {
    const fpk_symbol *s = &r->x->p->symbols[i];
    term t = {r->x->symbol[i], PREC_ATOM, s->lo, s->hi};
    r->uses[i] = true;
    if (r->x->level[i] == LEVEL_LOOP) t.lo = 0, t.hi = INT64_MAX;
    if (r->x->level[i] == LEVEL_SEED) t.lo = INT64_MIN, t.hi = INT64_MAX;
    return t;
}

static term call(renderer *r, int help, const char *name, const term *a, const term *b, bool checked) {
    r->helps[help] = true;
    r->checked |= checked;
    return (term){arena_printf(r->x->a, "%s(%s, %s%s)", name, a->text, b->text, checked ? ", &bad" : ""), PREC_ATOM,
                  INT64_MIN, INT64_MAX};
}

static term sum(renderer *r, const term *a, const term *b, bool minus) {
    term t = {.prec = PREC_SUM};
    bool over = minus ? __builtin_sub_overflow(a->lo, b->hi, &t.lo) || __builtin_sub_overflow(a->hi, b->lo, &t.hi)
                      : __builtin_add_overflow(a->lo, b->lo, &t.lo) || __builtin_add_overflow(a->hi, b->hi, &t.hi);
    if (over) return call(r, minus ? HELP_SUB : HELP_ADD, minus ? "sub_" : "add_", a, b, true);
    bool negative = !minus && b->lo == b->hi && b->lo < 0 && b->lo > INT64_MIN;
    const char *right = negative ? literal(r->x->a, -b->lo) : wrap(r, b, PREC_PRODUCT);
    t.text = arena_printf(r->x->a, "%s %c %s", a->text, minus || negative ? '-' : '+', right);
    return t;
}

static term product(renderer *r, const term *a, const term *b) {
    int64_t v[4];
    if (__builtin_mul_overflow(a->lo, b->lo, &v[0]) || __builtin_mul_overflow(a->lo, b->hi, &v[1]) ||
        __builtin_mul_overflow(a->hi, b->lo, &v[2]) || __builtin_mul_overflow(a->hi, b->hi, &v[3]))
        return call(r, HELP_MUL, "mul_", a, b, true);
    term t = {.prec = PREC_PRODUCT, .lo = v[0], .hi = v[0]};
    for (int i = 1; i < 4; i++) {
        if (v[i] < t.lo) t.lo = v[i];
        if (v[i] > t.hi) t.hi = v[i];
    }
    t.text = arena_printf(r->x->a, "%s * %s", wrap(r, a, PREC_PRODUCT), wrap(r, b, PREC_ATOM));
    return t;
}

/* Division and remainder are C's where the dividend is not negative and the divisor a positive constant. */
static term quotient(renderer *r, const term *a, const term *b) {
    if (a->lo < 0 || b->lo != b->hi || b->lo <= 0) return call(r, HELP_FLOORDIV, "floordiv_", a, b, true);
    return (term){arena_printf(r->x->a, "%s / %s", wrap(r, a, PREC_PRODUCT), b->text), PREC_PRODUCT, a->lo / b->lo,
                  a->hi / b->lo};
}
static term remainder_term(renderer *r, const term *a, const term *b) {
    if (a->lo < 0 || b->lo != b->hi || b->lo <= 0) return call(r, HELP_FLOORMOD, "floormod_", a, b, false);
    return (term){arena_printf(r->x->a, "%s %% %s", wrap(r, a, PREC_PRODUCT), b->text), PREC_PRODUCT, 0, b->lo - 1};
}
static term ceiling(renderer *r, const term *a, const term *b) {
    int64_t most;
    if (a->lo < 0 || b->lo != b->hi || b->lo <= 0 || __builtin_add_overflow(a->hi, b->lo - 1, &most))
        return call(r, HELP_CEILDIV, "ceildiv_", a, b, true);
    return (term){arena_printf(r->x->a, "(%s + %s) / %s", a->text, literal(r->x->a, b->lo - 1), b->text), PREC_PRODUCT,
                  (a->lo + b->lo - 1) / b->lo, most / b->lo};
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static term extreme(renderer *r, const term *a, const term *b, bool max) {
    term t = call(r, max ? HELP_MAX : HELP_MIN, max ? "max_" : "min_", a, b, false);
    t.lo = max ? larger(a->lo, b->lo) : smaller(a->lo, b->lo);
    t.hi = max ? larger(a->hi, b->hi) : smaller(a->hi, b->hi);
    return t;
}

static term apply(renderer *r, uint32_t op, const term *a, const term *b) {
    switch ((fpk_step_op)op) {
    case FPK_ADD: return sum(r, a, b, false);
    case FPK_SUB: return sum(r, a, b, true);
    case FPK_MUL: return product(r, a, b);
    case FPK_FLOORDIV: return quotient(r, a, b);
    case FPK_MOD: return remainder_term(r, a, b);
    case FPK_CEILDIV: return ceiling(r, a, b);
    case FPK_MIN: return extreme(r, a, b, false);
    case FPK_MAX: return extreme(r, a, b, true);
    default: return *a;
    }
}

bool formula_const(const exporter *x, uint32_t e, int64_t *v) {
    const fpk_expr *f = &x->p->exprs[e];
    for (uint32_t i = f->first; i < f->first + f->count; i++)
        if (x->p->steps[i].op == FPK_SYM) return false;
    return rt_eval(x->p, e, NULL, NULL, v);
}

static term render(renderer *r, uint32_t e) {
    term stack[FPK_MAX_STACK];
    int n = 0;
    int64_t v;
    if (formula_const(r->x, e, &v)) return constant(r, v);
    const fpk_step *s = r->x->p->steps + r->x->p->exprs[e].first, *end = s + r->x->p->exprs[e].count;
    for (; s < end; s++) {
        if (s->op == FPK_CONST)
            stack[n++] = constant(r, s->value);
        else if (s->op == FPK_SYM)
            stack[n++] = symbol_term(r, s->sym);
        else
            n--, stack[n - 1] = apply(r, s->op, &stack[n - 1], &stack[n]);
    }
    return stack[0];
}

static void take(scope *s, const renderer *r) {
    s->checked |= r->checked;
    for (int i = 0; i < HELP_COUNT; i++) s->x->helps[i] |= r->helps[i];
    for (uint32_t i = 0; i < n_symbols(s->x); i++) s->uses[i] |= r->uses[i];
}

const char *formula(scope *s, uint32_t e, bool atom) {
    exporter *x = s->x;
    renderer r = {.x = x, .uses = arena_array(x->a, bool, n_symbols(x) + 1)};
    term t = render(&r, e);
    const rt_expr_facts *f = &x->p->facts[e];
    if (s->layout && r.checked && !f->counter && !f->device) {
        s->at = true;
        return layout_value(s->layout, e);
    }
    take(s, &r);
    return wrap(&r, &t, atom ? PREC_ATOM : 0);
}

const char *tensor_bytes(scope *s, int kind, uint32_t i) {
    exporter *x = s->x;
    const fpk_tensor *t = rt_tensor(x->p, kind, i);
    int64_t bits = frit_dtype_bits((frit_dtype)t->dtype);
    renderer r = {.x = x, .uses = arena_array(x->a, bool, n_symbols(x) + 1)};
    term n = constant(&r, 1), size = constant(&r, bits < 8 ? 8 / bits : bits / 8);
    for (uint32_t k = 0; k < t->rank; k++) {
        term d = render(&r, x->p->lists[t->dims + k]);
        n = n.lo == 1 && n.hi == 1 ? d : d.lo == 1 && d.hi == 1 ? n : product(&r, &n, &d);
    }
    if (bits < 8)
        n = ceiling(&r, &n, &size);
    else if (bits > 8)
        n = product(&r, &n, &size);
    take(s, &r);
    return n.lo == n.hi ? literal(x->a, n.lo) : n.text;
}
