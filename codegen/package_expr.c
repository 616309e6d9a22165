/* Strings, symbols and expressions of a package, each stored once. */
#include "package_internal.h"
#include <string.h>

/* ---- Bytes and maps ---------------------------------------------------------------------------------------------- */
uint64_t bytes_append(arena *a, byte_buffer *b, const void *data, uint64_t n, uint64_t align) {
    uint64_t at = (b->len + align - 1) / align * align, end = at + n;
    if (end > b->cap) {
        uint64_t cap = end < 2 * b->cap ? 2 * b->cap : end;
        uint8_t *grown = arena_alloc(a, cap); /* zeroed, so gaps are zero */
        if (b->len) memcpy(grown, b->data, b->len);
        b->data = grown, b->cap = cap;
    }
    if (n) memcpy(b->data + at, data, n);
    b->len = end;
    return at;
}

static uint64_t scramble(uint64_t key) { return (key ^ key >> 31) * UINT64_C(0x9E3779B97F4A7C15) >> 16; }

static uint32_t find_slot(const index_map *m, uint64_t key) {
    uint32_t i = (uint32_t)scramble(key) & (m->cap - 1);
    while (m->index[i] && m->key[i] != key) i = (i + 1) & (m->cap - 1);
    return i;
}

static void grow_map(arena *a, index_map *m) {
    index_map bigger = {.cap = m->cap ? 2 * m->cap : 64, .len = m->len};
    bigger.key = arena_array(a, uint64_t, bigger.cap);
    bigger.index = arena_array(a, uint32_t, bigger.cap);
    for (uint32_t i = 0; i < m->cap; i++) {
        if (!m->index[i]) continue;
        uint32_t j = find_slot(&bigger, m->key[i]);
        bigger.key[j] = m->key[i], bigger.index[j] = m->index[i];
    }
    *m = bigger;
}

uint32_t *map_slot(arena *a, index_map *m, uint64_t key, bool *found) {
    if (2 * m->len >= m->cap) grow_map(a, m);
    uint32_t i = find_slot(m, key);
    *found = m->index[i] != 0;
    if (!*found) m->key[i] = key, m->len++;
    return &m->index[i];
}

/* Different strings with one hash each get their own copy: only sharing is lost. */
uint32_t package_string(package *p, const char *s) {
    if (!s || !*s) return 0;
    size_t n = strlen(s) + 1;
    bool found;
    uint32_t *slot = map_slot(p->a, &p->string_map, fpk_hash(s, n), &found);
    if (found && !strcmp((const char *)p->strings.data + *slot, s)) return *slot;
    return *slot = (uint32_t)bytes_append(p->a, &p->strings, s, n, 1);
}

/* ---- Symbols ----------------------------------------------------------------------------------------------------- */
uint32_t package_symbol_of(package *p, sym_t var) {
    bool found;
    uint32_t *slot = map_slot(p->a, &p->symbol_map, (uint64_t)sym_var_id(var), &found);
    if (found) return *slot - 1;
    package_symbol s = {.var = var};
    s.record = (fpk_symbol){.name = package_string(p, sym_var_name(var)),
                            .lo = INT64_MIN,
                            .hi = INT64_MAX,
                            .multiple = 1,
                            .lower = FPK_NONE,
                            .upper = FPK_NONE};
    vec_push(p->a, &p->symbols, s);
    *slot = (uint32_t)p->symbols.len;
    return *slot - 1;
}

/* ---- Expressions ------------------------------------------------------------------------------------------------- */
/* Postfix steps of one expression under construction. */
typedef struct emitter {
    package *p;
    int depth, deepest;
} emitter;

static void emit(emitter *e, fpk_step_op op, uint32_t symbol, int64_t value) {
    fpk_step s = {op, symbol, value};
    vec_push(e->p->a, &e->p->steps, s);
    e->depth += op <= FPK_SYM ? 1 : -1;
    if (e->depth > e->deepest) e->deepest = e->depth;
}
static void emit_sym(emitter *e, sym_t s);

static void emit_product(emitter *e, sym_t mono) {
    for (int i = 0; i < sym_n_atoms(mono); i++) {
        emit_sym(e, sym_atom(mono, i));
        if (i) emit(e, FPK_MUL, 0, 0);
    }
}

/* coefficient * product, added to what is on the stack unless it is the first. */
static void emit_term(emitter *e, int64_t coef, sym_t mono, bool first) {
    emit_product(e, mono);
    if (coef == -1 && !first) {
        emit(e, FPK_SUB, 0, 0);
        return;
    }
    if (coef != 1) emit(e, FPK_CONST, 0, coef), emit(e, FPK_MUL, 0, 0);
    if (!first) emit(e, FPK_ADD, 0, 0);
}

static void emit_sum(emitter *e, sym_t s) {
    int64_t c = sym_constant_part(s);
    for (int i = 0; i < sym_n_terms(s); i++) {
        sym_t mono;
        int64_t coef = sym_term(e->p->syms, s, i, &mono);
        emit_term(e, coef, mono, i == 0);
    }
    if (c) emit(e, FPK_CONST, 0, c), emit(e, FPK_ADD, 0, 0);
}

static void emit_sym(emitter *e, sym_t s) {
    static const fpk_step_op ops[] = {
        [SYM_FLOORDIV] = FPK_FLOORDIV, [SYM_MOD] = FPK_MOD, [SYM_MIN] = FPK_MIN, [SYM_MAX] = FPK_MAX};
    int64_t v;
    switch (sym_kind_of(s)) {
    case SYM_CONST:
        sym_is_const(s, &v);
        emit(e, FPK_CONST, 0, v);
        return;
    case SYM_VAR:
        if (sym_definition(s)) emit_sym(e, sym_definition(s));
        else emit(e, FPK_SYM, package_symbol_of(e->p, s), 0);
        return;
    case SYM_SUM: emit_sum(e, s); return;
    case SYM_PRODUCT: emit_product(e, s); return;
    case SYM_INVALID:
        package_wrong(e->p, "a size or an argument overflows 64 bits");
        emit(e, FPK_CONST, 0, 0);
        return;
    default:
        emit_sym(e, sym_arg(s, 0));
        emit_sym(e, sym_arg(s, 1));
        emit(e, ops[sym_kind_of(s)], 0, 0);
    }
}

uint32_t package_expr(package *p, sym_t s, int64_t absent) {
    if (!s) s = sym_const(p->syms, absent);
    bool found;
    uint32_t *slot = map_slot(p->a, &p->expr_map, (uint64_t)(uintptr_t)s, &found);
    if (found) return *slot - 1;
    emitter e = {.p = p};
    fpk_expr x = {.first = (uint32_t)p->steps.len};
    emit_sym(&e, s);
    x.count = (uint32_t)p->steps.len - x.first;
    if (e.deepest > FPK_MAX_STACK) package_wrong(p, "the expression %s is too deep", sym_print(p->a, s));
    vec_push(p->a, &p->exprs, x);
    *slot = (uint32_t)p->exprs.len;
    return *slot - 1;
}
