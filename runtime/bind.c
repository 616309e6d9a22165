/* Values of dims from the shapes of tensors. Each dim of a tensor is an equation: formula = extent. */
#include "rt.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- Messages ---------------------------------------------------------------------------------------------------- */
typedef struct text {
    char *at;
    size_t n, len;
} text;
static void add(text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(text *t, const char *fmt, ...) {
    if (t->len + 1 >= t->n) return;
    va_list ap;
    va_start(ap, fmt);
    int k = vsnprintf(t->at + t->len, t->n - t->len, fmt, ap);
    va_end(ap);
    if (k > 0) t->len += (size_t)k;
}

static bool uses(const frit_package *p, const fpk_tensor *t, uint32_t sym) {
    for (uint32_t k = 0; k < t->rank; k++) {
        const fpk_expr *e = &p->exprs[p->lists[t->dims + k]];
        for (uint32_t i = e->first; i < e->first + e->count; i++)
            if (p->steps[i].op == FPK_SYM && p->steps[i].sym == sym) return true;
    }
    return false;
}

void rt_describe(const frit_package *p, const fpk_tensor *t, const int64_t *syms, const uint8_t *known, char *out,
                 size_t n) {
    text s = {out, n, 0};
    add(&s, "%s", rt_string(p, t->type));
    const char *sep = " with ";
    for (uint32_t i = 0; i < p->n_symbols; i++) {
        if (!known[i] || !uses(p, t, i)) continue;
        add(&s, "%s%s = %lld", sep, rt_string(p, p->symbols[i].name), (long long)syms[i]);
        sep = ", ";
    }
}

static void given_shape(const DLTensor *t, char *out, size_t n) {
    text s = {out, n, 0};
    add(&s, "[");
    for (int i = 0; i < t->ndim; i++) add(&s, "%s%lld", i ? ", " : "", (long long)t->shape[i]);
    add(&s, "]");
}

static const char *kind_name(int kind) { return kind == RT_INPUT ? "input" : kind == RT_STATE ? "state" : "param"; }

/* ---- Equations --------------------------------------------------------------------------------------------------- */
typedef struct binder {
    const frit_package *p;
    int kind;
    const DLTensor *given;
    int64_t *syms;
    uint8_t *known;
    frit_error *err;
} binder;

static frit_status mismatch(const binder *b, const fpk_tensor *t, const DLTensor *given) {
    char want[256], got[160];
    rt_describe(b->p, t, b->syms, b->known, want, sizeof want);
    given_shape(given, got, sizeof got);
    return rt_fail(b->err, FRIT_SHAPE, "%s '%s' has shape %s, but %s is wanted", kind_name(b->kind),
                   rt_string(b->p, t->name), got, want);
}

/* Symbols of e without a value: 0, 1 or 2 (more than one); *sym is the first. */
static int unknowns(const binder *b, uint32_t e, uint32_t *sym) {
    int n = 0;
    const fpk_expr *x = &b->p->exprs[e];
    for (uint32_t i = x->first; i < x->first + x->count; i++) {
        const fpk_step *s = &b->p->steps[i];
        if (s->op != FPK_SYM || b->known[s->sym] || (n == 1 && s->sym == *sym)) continue;
        if (n++) return 2;
        *sym = s->sym;
    }
    return n;
}

/* e = a * sym + c with the other symbols known: sym such that e = value, when it is a whole number. */
static bool solve(const binder *b, uint32_t e, uint32_t sym, int64_t value, int64_t *out) {
    int64_t c, one, a;
    b->syms[sym] = 0;
    if (!rt_eval(b->p, e, b->syms, NULL, &c)) return false;
    b->syms[sym] = 1;
    if (!rt_eval(b->p, e, b->syms, NULL, &one) || __builtin_sub_overflow(one, c, &a) || a == 0) return false;
    int64_t rest;
    if (__builtin_sub_overflow(value, c, &rest) || (a == -1 && rest == INT64_MIN) || rest % a) return false;
    *out = rest / a;
    return true;
}

/* One dim. *progress: a symbol was bound. *open: it has unknowns still. */
static frit_status equation(const binder *b, const fpk_tensor *t, const DLTensor *given, uint32_t axis, bool *progress,
                            bool *open) {
    uint32_t e = b->p->lists[t->dims + axis], sym = b->p->facts[e].bare;
    int64_t value = given->shape[axis], have;
    int n = sym != FPK_NONE ? !b->known[sym] : unknowns(b, e, &sym);
    if (n == 0) {
        if (!rt_eval(b->p, e, b->syms, NULL, &have) || have != value) return mismatch(b, t, given);
        return FRIT_OK;
    }
    if (n > 1 || rt_degree(b->p, e, sym) != 1) {
        *open = true;
        return FRIT_OK;
    }
    if (!solve(b, e, sym, value, &have)) {
        return mismatch(b, t, given);
    }
    b->syms[sym] = have, b->known[sym] = 1;
    *progress = true;
    return FRIT_OK;
}

/* All dims once. `bare_only`: those that are a single symbol; they bind first, so that messages speak of them. */
static frit_status sweep(const binder *b, bool bare_only, bool *progress, bool *open) {
    *progress = *open = false;
    for (uint32_t i = 0; i < rt_n_tensors(b->p, b->kind); i++) {
        const fpk_tensor *t = rt_tensor(b->p, b->kind, i);
        for (int k = 0; k < b->given[i].ndim; k++) {
            if (bare_only && b->p->facts[b->p->lists[t->dims + (uint32_t)k]].bare == FPK_NONE)
                *open = true;
            else
                TRY(equation(b, t, &b->given[i], (uint32_t)k, progress, open));
        }
    }
    return FRIT_OK;
}

/* Host integers are given by value. */
static void bind_ints(const binder *b) {
    if (b->kind != RT_INPUT) return;
    for (uint32_t i = 0; i < b->p->info->n_inputs; i++) {
        uint32_t sym = rt_tensor(b->p, RT_INPUT, i)->symbol;
        if (sym == FPK_NONE) continue;
        memcpy(&b->syms[sym], rt_data(&b->given[i]), sizeof(int64_t));
        b->known[sym] = 1;
    }
}

static frit_status cannot_solve(const binder *b) {
    for (uint32_t i = 0; i < rt_n_tensors(b->p, b->kind); i++) {
        const fpk_tensor *t = rt_tensor(b->p, b->kind, i);
        for (int k = 0; k < b->given[i].ndim; k++) {
            uint32_t sym;
            if (!unknowns(b, b->p->lists[t->dims + (uint32_t)k], &sym)) continue;
            return rt_fail(b->err, FRIT_SHAPE, "the shape of %s '%s' (%s) does not tell %s: give its value",
                           kind_name(b->kind), rt_string(b->p, t->name), rt_string(b->p, t->type),
                           rt_string(b->p, b->p->symbols[sym].name));
        }
    }
    return rt_fail(b->err, FRIT_INTERNAL, "dims that cannot be solved were lost");
}

static bool in_shapes(const binder *b, uint32_t sym) {
    bool any = false;
    for (uint32_t i = 0; !any && i < rt_n_tensors(b->p, b->kind); i++) any = uses(b->p, rt_tensor(b->p, b->kind, i), sym);
    return any;
}

/* lhs == rhs, with a value for one side and one dim of the tensors without a value in the other. */
static bool solve_check(const binder *b, uint32_t lhs, uint32_t rhs) {
    uint32_t sym;
    int64_t value, found;
    if (unknowns(b, lhs, &sym) != 1 || !rt_eval(b->p, rhs, b->syms, b->known, &value)) return false;
    if (!in_shapes(b, sym) || rt_degree(b->p, lhs, sym) != 1 || !solve(b, lhs, sym, value, &found)) return false;
    b->syms[sym] = found, b->known[sym] = 1;
    return true;
}

/* What the model's checks tell of dims: of params that lie in a package there are no shapes but these. */
static bool sweep_checks(const binder *b) {
    bool progress = false;
    for (uint32_t i = 0; i < b->p->n_checks; i++) {
        const fpk_check *c = &b->p->checks[i];
        const rt_expr_facts *l = &b->p->facts[c->lhs], *r = &b->p->facts[c->rhs];
        if (c->compare != FPK_EQ || l->device || l->counter || r->device || r->counter) continue;
        progress |= solve_check(b, c->lhs, c->rhs) || solve_check(b, c->rhs, c->lhs);
    }
    return progress;
}

frit_status rt_bind_shapes(const frit_package *p, int kind, const DLTensor *given, int64_t *syms, uint8_t *known,
                           frit_error *err) {
    binder b = {p, kind, given, syms, known, err};
    bool progress, open;
    bind_ints(&b);
    TRY(sweep(&b, true, &progress, &open));
    do {
        progress = false;
        if (open) TRY(sweep(&b, false, &progress, &open));
        if (kind == RT_PARAM) progress |= sweep_checks(&b);
    } while (progress);
    return open ? cannot_solve(&b) : FRIT_OK;
}

/* ---- Bounds and checks ------------------------------------------------------------------------------------------- */
static frit_status out_of_bounds(const fpk_symbol *s, const char *name, int64_t v, int64_t lo, int64_t hi,
                                 frit_error *err) {
    if (v < lo)
        return rt_fail(err, FRIT_SHAPE, "%s = %lld is below its least value %lld", name, (long long)v, (long long)lo);
    if (v > hi)
        return rt_fail(err, FRIT_SHAPE, "%s = %lld is above its greatest value %lld", name, (long long)v,
                       (long long)hi);
    return rt_fail(err, FRIT_SHAPE, "%s = %lld is no multiple of %lld", name, (long long)v, (long long)s->multiple);
}

/* lo and hi of symbol i with those that depend on others. */
static void bounds(const frit_package *p, uint32_t i, const int64_t *syms, const uint8_t *known, int64_t *lo,
                   int64_t *hi) {
    const fpk_symbol *s = &p->symbols[i];
    int64_t v;
    *lo = s->lo, *hi = s->hi;
    if (s->lower != FPK_NONE && rt_eval(p, s->lower, syms, known, &v) && v > *lo) *lo = v;
    if (s->upper != FPK_NONE && rt_eval(p, s->upper, syms, known, &v) && v < *hi) *hi = v;
}

frit_status rt_check_fact(const frit_package *p, uint32_t check, const int64_t *syms, const uint8_t *known,
                          frit_error *err) {
    const fpk_check *c = &p->checks[check];
    int64_t a, b;
    if (!rt_eval(p, c->lhs, syms, known, &a) || !rt_eval(p, c->rhs, syms, known, &b)) return FRIT_OK;
    bool holds = c->compare == FPK_EQ ? a == b : c->compare == FPK_NE ? a != b : c->compare == FPK_LT ? a < b : a <= b;
    if (holds) return FRIT_OK;
    static const char *const names[] = {"==", "!=", "<", "<="};
    rt_fail(err, FRIT_SHAPE, "%s: %lld %s %lld does not hold", rt_string(p, c->text), (long long)a, names[c->compare],
            (long long)b);
    rt_blame(err, rt_string(p, c->file), c->line);
    return FRIT_SHAPE;
}

frit_status rt_bind_bounds(const frit_package *p, int64_t *syms, uint8_t *known, frit_error *err) {
    for (uint32_t i = 0; i < p->n_symbols; i++) {
        const fpk_symbol *s = &p->symbols[i];
        int64_t lo, hi;
        if (!known[i] || s->role > FRIT_DIM_INT) continue;
        bounds(p, i, syms, known, &lo, &hi);
        if (syms[i] < lo || syms[i] > hi || (s->multiple > 1 && syms[i] % s->multiple))
            return out_of_bounds(s, rt_string(p, s->name), syms[i], lo, hi, err);
    }
    for (uint32_t i = 0; i < p->n_symbols; i++) {
        int64_t lo;
        if (p->symbols[i].role != FRIT_DIM_DEVICE) continue;
        bounds(p, i, syms, known, &lo, &syms[i]);
        known[i] = syms[i] != INT64_MAX;
    }
    for (uint32_t i = 0; i < p->n_checks; i++)
        if (!p->facts[p->checks[i].lhs].device && !p->facts[p->checks[i].rhs].device &&
            !p->facts[p->checks[i].lhs].counter && !p->facts[p->checks[i].rhs].counter)
            TRY(rt_check_fact(p, i, syms, known, err));
    return FRIT_OK;
}
