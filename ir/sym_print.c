/* Symbolic integers as people write them. */
#include "sym_internal.h"
#include <stdio.h>
#include <string.h>

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
