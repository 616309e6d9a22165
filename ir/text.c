#include "text.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const ir_level_names[3] = {"tensor", "tile", "thread"};
const char *const ir_space_names[IR_SPACE_COUNT] = {"global", "core", "register", "map", "cluster"};
const char *const ir_role_names[4] = {"dim", "int", "index", "value"};

/* ---- Strings ---- */

void text_putn(text *t, const char *s, size_t n) {
    if (t->n + n + 1 > t->cap) {
        size_t cap = (t->n + n + 64) * 2;
        char *p = arena_alloc(t->a, cap);
        if (t->n) memcpy(p, t->s, t->n);
        t->s = p;
        t->cap = cap;
    }
    if (n) memcpy(t->s + t->n, s, n);
    t->n += n;
    t->s[t->n] = 0;
}

void text_put(text *t, const char *s) { text_putn(t, s, strlen(s)); }

void text_printf(text *t, const char *fmt, ...) {
    char line[256];
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    if (n >= 0 && (size_t)n < sizeof line) text_putn(t, line, (size_t)n);
    else text_put(t, arena_vprintf(t->a, fmt, again));
    va_end(again);
    va_end(ap);
}

void text_quote(text *t, const char *s) {
    text_put(t, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') text_printf(t, "\\%c", c);
        else if (c == '\n') text_put(t, "\\n");
        else if (c < 32 || c > 126) text_printf(t, "\\x%02x", c);
        else text_putn(t, s, 1);
    }
    text_put(t, "\"");
}

/* ---- Name table ---- */

struct name_entry {
    const char *name;
    size_t len;
    void *value;
};

static uint32_t hash_name(const char *s, size_t n) {
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 16777619u;
    return h;
}

static struct name_entry *name_slot(const name_table *t, const char *name, size_t len) {
    uint32_t i = hash_name(name, len) & (uint32_t)(t->size - 1);
    while (t->slots[i].name && (t->slots[i].len != len || memcmp(t->slots[i].name, name, len) != 0))
        i = (i + 1) & (uint32_t)(t->size - 1);
    return &t->slots[i];
}

void *name_get(const name_table *t, const char *name, size_t len) {
    return t->size ? name_slot(t, name, len)->value : NULL;
}

void name_set(name_table *t, const char *name, size_t len, void *value) {
    if (2 * (t->count + 1) > t->size) {
        name_table bigger = {.a = t->a, .size = t->size ? 2 * t->size : 64, .count = t->count};
        bigger.slots = arena_array(t->a, struct name_entry, bigger.size);
        for (int i = 0; i < t->size; i++)
            if (t->slots[i].name) *name_slot(&bigger, t->slots[i].name, t->slots[i].len) = t->slots[i];
        *t = bigger;
    }
    struct name_entry *e = name_slot(t, name, len);
    if (!e->name) *e = (struct name_entry){.name = arena_strndup(t->a, name, len), .len = len}, t->count++;
    e->value = value;
}

/* ---- Numbers ---- */

void text_double(text *t, double v) {
    char s[40];
    if (isnan(v)) {
        text_put(t, "nan");
        return;
    }
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, v);
        if (strtod(s, NULL) == v) break;
    }
    text_put(t, s);
}

void number_store(frit_dtype t, void *buf, int64_t i, number v) {
    if (v.is_float) frit_store_float(t, buf, i, v.f);
    else frit_store_int(t, buf, i, v.i);
}

int ir_declared_role(ir_opcode code, ir_attr_key key) {
    switch (key) {
    case IR_ATTR_vars: return SYM_INDEX;
    case IR_ATTR_idx: return SYM_VALUE;
    case IR_ATTR_counter: return code == IR_compact ? SYM_DIM : SYM_INT;
    default: return -1;
    }
}

/* ---- Symbolic expressions ----
 * Terms and factors are ordered by their text, positive terms first and the constant last: the order of variables'
 * creation, which the canonical form goes by, does not survive a round trip. */

typedef struct sym_printer {
    arena *a;
    const char *(*name)(void *u, sym_t var);
    void *u;
} sym_printer;

typedef struct piece {
    int64_t coef;
    const char *s;
} piece;

static const char *sym_text(sym_printer *p, sym_t s, bool nested);

static int by_sign_and_text(const void *x, const void *y) {
    const piece *a = x, *b = y;
    if ((a->coef < 0) != (b->coef < 0)) return a->coef < 0 ? 1 : -1;
    return strcmp(a->s, b->s);
}

static uint64_t magnitude(int64_t v) { return v < 0 ? 0 - (uint64_t)v : (uint64_t)v; }

static const char *monomial_text(sym_printer *p, sym_t s) {
    int n = sym_n_atoms(s);
    if (n == 1) return sym_text(p, s, true);
    piece *atoms = arena_array(p->a, piece, n);
    for (int i = 0; i < n; i++) atoms[i].s = sym_text(p, sym_atom(s, i), true);
    qsort(atoms, (size_t)n, sizeof *atoms, by_sign_and_text);
    text t = {.a = p->a};
    for (int i = 0; i < n; i++) text_printf(&t, "%s%s", i ? "*" : "", atoms[i].s);
    return t.s;
}

static const char *sum_text(sym_printer *p, sym_t s) {
    int n = sym_n_terms(s);
    piece *terms = arena_array(p->a, piece, n);
    for (int i = 0; i < n; i++) {
        sym_t mono;
        terms[i].coef = sym_term(NULL, s, i, &mono);
        terms[i].s = monomial_text(p, mono);
    }
    qsort(terms, (size_t)n, sizeof *terms, by_sign_and_text);
    text t = {.a = p->a};
    for (int i = 0; i < n; i++) {
        int64_t k = terms[i].coef;
        text_put(&t, i ? k < 0 ? " - " : " + " : k < 0 ? "-" : "");
        if (magnitude(k) != 1) text_printf(&t, "%llu*", (unsigned long long)magnitude(k));
        text_put(&t, terms[i].s);
    }
    int64_t c = sym_constant_part(s);
    if (c) text_printf(&t, " %c %llu", c < 0 ? '-' : '+', (unsigned long long)magnitude(c));
    return t.s;
}

static const char *sym_text(sym_printer *p, sym_t s, bool nested) {
    int64_t v;
    const char *inner;
    switch (sym_kind_of(s)) {
    case SYM_CONST:
        sym_is_const(s, &v);
        return arena_printf(p->a, nested && v < 0 ? "(%lld)" : "%lld", (long long)v);
    case SYM_VAR: return p->name(p->u, s);
    case SYM_SUM: inner = sum_text(p, s); break;
    case SYM_PRODUCT: inner = monomial_text(p, s); break;
    case SYM_FLOORDIV:
    case SYM_MOD: {
        const char *op = sym_kind_of(s) == SYM_MOD ? "%" : "//", *a = sym_text(p, sym_arg(s, 0), true);
        inner = arena_printf(p->a, "%s %s %s", a, op, sym_text(p, sym_arg(s, 1), true));
        break;
    }
    case SYM_MIN:
    case SYM_MAX: {
        const char *a = sym_text(p, sym_arg(s, 0), false), *b = sym_text(p, sym_arg(s, 1), false);
        bool swap = strcmp(a, b) > 0;
        const char *f = sym_kind_of(s) == SYM_MIN ? "min" : "max";
        return arena_printf(p->a, "%s(%s, %s)", f, swap ? b : a, swap ? a : b);
    }
    default: return "invalid";
    }
    return nested ? arena_printf(p->a, "(%s)", inner) : inner;
}

void text_sym(text *t, sym_t s, const char *(*name)(void *u, sym_t var), void *u) {
    sym_printer p = {.a = t->a, .name = name, .u = u};
    text_put(t, sym_text(&p, s, false));
}
