/* The value of a symbolic integer once its variables have values; typical values for cost models. */
#include "sym_internal.h"

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
