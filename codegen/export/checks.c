/* Bounds of symbols and facts of the model, each a status of its own. */
#include "export_internal.h"
#include <string.h>

/* The level at which all symbols of e have values; LEVEL_LOOP and above: not before the run. */
static level level_of(const exporter *x, uint32_t e) {
    const fpk_expr *f = &x->p->exprs[e];
    level l = LEVEL_WEIGHTS;
    for (uint32_t i = f->first; i < f->first + f->count; i++)
        if (x->p->steps[i].op == FPK_SYM && x->level[x->p->steps[i].sym] > l) l = x->level[x->p->steps[i].sym];
    return l == LEVEL_SEED ? LEVEL_RUN : l;
}

static const char *range_status(scope *s, uint32_t i) {
    exporter *x = s->x;
    const fpk_symbol *record = &x->p->symbols[i];
    const char *name = rt_string(x->p, record->name), *lo = "", *hi = "", *multiple = "";
    if (record->lo > INT64_MIN) lo = arena_printf(x->a, ", at least %lld", (long long)record->lo);
    if (record->hi < INT64_MAX) hi = arena_printf(x->a, ", at most %lld", (long long)record->hi);
    if (record->multiple > 1) multiple = arena_printf(x->a, ", a multiple of %lld", (long long)record->multiple);
    return status_for(x, arena_printf(x->a, "DIM_%s", upper(x->a, x->symbol[i])),
                      arena_printf(x->a, "%s is not what the model takes%s%s%s", name, lo, hi, multiple));
}

static void numeric_bounds(scope *s, uint32_t i) {
    const fpk_symbol *record = &s->x->p->symbols[i];
    const char *name = s->x->symbol[i], *test = NULL;
    arena *a = s->x->a;
    if (record->lo > INT64_MIN) test = arena_printf(a, "%s < %s", name, literal(a, record->lo));
    if (record->hi < INT64_MAX)
        test = arena_printf(a, "%s%s%s > %s", test ? test : "", test ? " || " : "", name, literal(a, record->hi));
    if (record->multiple > 1)
        test = arena_printf(a, "%s%s%s %% %s != 0", test ? test : "", test ? " || " : "", name,
                            literal(a, record->multiple));
    if (!test) return;
    s->uses[i] = true;
    line(s, "if (%s) return %s;", test, range_status(s, i));
}

static void formula_bound(scope *s, uint32_t i, uint32_t e, const char *op, level l) {
    exporter *x = s->x;
    if (e == FPK_NONE || (level_of(x, e) > x->level[i] ? level_of(x, e) : x->level[i]) != l) return;
    s->uses[i] = true;
    line(s, "if (%s %s %s) return %s;", x->symbol[i], op, formula(s, e, false), range_status(s, i));
}

static void fact(scope *s, const fpk_check *c) {
    static const char *const ops[] = {"==", "!=", "<", "<="};
    exporter *x = s->x;
    const char *file = rt_string(x->p, c->file), *slash = strrchr(file, '/');
    const char *where = *file ? arena_printf(x->a, "%s:%u: ", slash ? slash + 1 : file, c->line) : "";
    const char *status = status_for(x, "CHECK", arena_printf(x->a, "%s%s", where, rt_string(x->p, c->text)));
    line(s, "if (!(%s %s %s)) return %s;", formula(s, c->lhs, true), ops[c->compare], formula(s, c->rhs, true), status);
}

void put_checks(scope *s, level l) {
    exporter *x = s->x;
    for (uint32_t i = 0; i < n_symbols(x); i++)
        if (x->level[i] == l) numeric_bounds(s, i);
    for (uint32_t i = 0; i < n_symbols(x); i++) {
        if (x->level[i] > LEVEL_RUN) continue;
        formula_bound(s, i, x->p->symbols[i].lower, "<", l);
        formula_bound(s, i, x->p->symbols[i].upper, ">", l);
    }
    for (uint32_t i = 0; i < x->p->n_checks; i++) {
        const fpk_check *c = &x->p->checks[i];
        level a = level_of(x, c->lhs), b = level_of(x, c->rhs);
        if ((a > b ? a : b) == l) fact(s, c);
    }
}
