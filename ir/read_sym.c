#include "read_internal.h"
#include <string.h>

/* ---- Variables in scope ---- */

sym_t read_find_var(const reader *r, const char *name, size_t len) {
    for (int i = r->scope.len - 1; i >= 0; i--)
        if (r->scope.data[i].len == len && !memcmp(r->scope.data[i].name, name, len)) return r->scope.data[i].var;
    return NULL;
}

void read_add_var(reader *r, const char *name, size_t len, sym_t var) {
    if (r->scope.len >= READ_MAX_SYMBOLS) read_fail_at(r, r->t.begin, r->t.begin, "more than %d variables", READ_MAX_SYMBOLS);
    else vec_push(r->scratch, &r->scope, ((named_var){name, len, var}));
}

bool read_range(reader *r, sym_t *lo, sym_t *hi) {
    *lo = *hi = NULL;
    if (!read_accept_word(r, "in")) return false;
    if (!read_is(r, PUNCT2('.', '.'))) *lo = read_sym(r);
    read_expect(r, PUNCT2('.', '.'));
    if (r->t.kind == TOK_INT || read_is(r, '-') || read_is(r, '(') ||
        (r->t.kind == TOK_NAME && (read_find_var(r, r->t.s, r->t.len) || read_is_word(r, "min") || read_is_word(r, "max"))))
        *hi = read_sym(r);
    return true;
}

/* ---- Expressions: sums of products of atoms, `*`, `//` and `%` binding alike and from the left ---- */

static sym_t zero(const reader *r) { return sym_const(r->m->syms, 0); }

static sym_t read_min_max(reader *r, bool is_min) {
    sym_ctx *c = r->m->syms;
    read_next(r);
    read_expect(r, '(');
    sym_t a = read_sym(r);
    read_expect(r, ',');
    sym_t b = read_sym(r);
    read_expect(r, ')');
    return is_min ? sym_min(c, a, b) : sym_max(c, a, b);
}

static sym_t read_var(reader *r) {
    sym_t v = read_find_var(r, r->t.s, r->t.len);
    if (!v) {
        read_fail_at(r, r->t.begin, r->t.begin + (uint32_t)r->t.len, "no variable is called '%.*s' here", (int)r->t.len, r->t.s);
        return zero(r);
    }
    read_next(r);
    return v;
}

static sym_t read_atom(reader *r) {
    if (r->t.kind == TOK_INT) return sym_const(r->m->syms, read_int(r));
    if (read_accept(r, '(')) {
        sym_t s = read_sym(r);
        read_expect(r, ')');
        return s;
    }
    if (read_is_word(r, "min")) return read_min_max(r, true);
    if (read_is_word(r, "max")) return read_min_max(r, false);
    if (r->t.kind == TOK_NAME) return read_var(r);
    read_fail(r, "an integer, a variable or '('");
    return zero(r);
}

static sym_t multiply(reader *r, sym_t a, sym_t b) {
    if ((sym_n_terms(a) + 1) * (sym_n_terms(b) + 1) > READ_MAX_PRODUCT) {
        read_fail(r, "a shorter product of sums");
        return a;
    }
    return sym_mul(r->m->syms, a, b);
}

static sym_t read_product(reader *r) {
    sym_t s = read_atom(r);
    while (!r->failed) {
        if (read_accept(r, '*')) s = multiply(r, s, read_atom(r));
        else if (read_accept(r, PUNCT2('/', '/'))) s = sym_floordiv(r->m->syms, s, read_atom(r));
        else if (read_accept(r, '%')) s = sym_mod(r->m->syms, s, read_atom(r));
        else break;
    }
    return s;
}

/* A negative number is read as one, so that the smallest int64 is in range. */
static sym_t read_signed(reader *r) {
    sym_ctx *c = r->m->syms;
    if (!read_accept(r, '-')) return read_product(r);
    if (r->t.kind == TOK_INT && r->t.u == UINT64_C(1) << 63) {
        read_next(r);
        return sym_const(c, INT64_MIN);
    }
    return sym_sub(c, zero(r), read_product(r));
}

sym_t read_sym(reader *r) {
    if (r->parens >= READ_MAX_PARENS) {
        read_fail_at(r, r->t.begin, r->t.begin, "the expression is nested more than %d deep", READ_MAX_PARENS);
        return zero(r);
    }
    uint32_t begin = r->t.begin;
    r->parens++;
    sym_t s = read_signed(r);
    while (!r->failed) {
        if (read_accept(r, '+')) s = sym_add(r->m->syms, s, read_product(r));
        else if (read_accept(r, '-')) s = sym_sub(r->m->syms, s, read_product(r));
        else break;
    }
    r->parens--;
    if (sym_is_invalid(s)) read_fail_at(r, begin, r->t.begin, "the expression overflows, or is too long");
    return r->failed ? zero(r) : s;
}

/* ---- Types ---- */

frit_dtype read_dtype_word(const token *t) {
    return t->kind == TOK_NAME ? frit_dtype_from_name(t->s, t->len) : FRIT_DTYPE_COUNT;
}

static int read_dims(reader *r, sym_t *dims) {
    int rank = 0;
    read_expect(r, '[');
    while (!r->failed && !read_accept(r, ']')) {
        if (rank) read_expect(r, ',');
        if (rank == IR_MAX_RANK) read_fail(r, "at most 16 dims");
        else dims[rank++] = read_sym(r);
    }
    return r->failed ? 0 : rank;
}

static ir_space read_space(reader *r, bool *found) {
    *found = true;
    for (int s = 0; s < IR_SPACE_COUNT; s++)
        if (read_accept_word(r, ir_space_names[s])) return (ir_space)s;
    *found = false;
    return IR_GLOBAL;
}

static frit_dtype read_dtype(reader *r) {
    frit_dtype t = read_dtype_word(&r->t);
    if (t == FRIT_DTYPE_COUNT) {
        read_fail(r, "a dtype");
        return FRIT_f32;
    }
    read_next(r);
    return t;
}

/* `f32x8`: the dtype, an x, the lanes. */
static bool read_vector(reader *r, ir_type *t) {
    const char *s = r->t.s;
    size_t x = r->t.len;
    while (x > 0 && s[x - 1] >= '0' && s[x - 1] <= '9') x--;
    size_t digits = r->t.len - x;
    if (digits < 1 || digits > 5 || x < 2 || s[x - 1] != 'x') return false;
    frit_dtype dtype = frit_dtype_from_name(s, x - 1);
    int lanes = 0;
    for (size_t i = x; i < r->t.len; i++) lanes = lanes * 10 + (s[i] - '0');
    if (dtype == FRIT_DTYPE_COUNT || lanes < 1 || lanes > UINT16_MAX) return false;
    *t = ir_vector(dtype, lanes);
    read_next(r);
    return true;
}

ir_type read_type(reader *r) {
    sym_t dims[IR_MAX_RANK];
    ir_type t = ir_scalar(FRIT_f32);
    bool has_space;
    if (read_accept_word(r, "none")) return (ir_type){.kind = IR_NONE};
    if (read_accept_word(r, "ptr")) {
        ir_space s = read_space(r, &has_space);
        return ir_ptr(read_dtype(r), s);
    }
    if (read_accept_word(r, "buffer")) {
        ir_space s = read_space(r, &has_space);
        if (!has_space) read_fail(r, "global, core or register");
        frit_dtype d = read_dtype(r);
        int rank = read_dims(r, dims);
        return ir_buffer(r->m, d, s, rank, dims);
    }
    if (r->t.kind == TOK_NAME && read_dtype_word(&r->t) == FRIT_DTYPE_COUNT && read_vector(r, &t)) return t;
    if (read_dtype_word(&r->t) == FRIT_DTYPE_COUNT) {
        read_fail(r, "a type");
        return t;
    }
    frit_dtype d = read_dtype(r);
    if (!read_is(r, '[')) return ir_vector(d, 1);
    int rank = read_dims(r, dims);
    return ir_tensor(r->m, d, rank, dims);
}
