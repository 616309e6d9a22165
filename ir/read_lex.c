#include "read_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_letter(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_digit(int c) { return c >= '0' && c <= '9'; }
static int hex_digit(int c) {
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* ---- Errors ---- */

void read_fail_at(reader *r, uint32_t begin, uint32_t end, const char *fmt, ...) {
    if (r->failed) return;
    r->failed = true;
    va_list ap;
    va_start(ap, fmt);
    const char *what = arena_vprintf(r->scratch, fmt, ap);
    va_end(ap);
    diag_report(r->d, MSG_FIR_SYNTAX, (ir_span){r->file, begin, end}, what);
    r->t = (token){.kind = TOK_END, .s = r->src + r->size, .begin = (uint32_t)r->size};
    r->at = r->size;
}

void read_fail(reader *r, const char *what) {
    read_fail_at(r, r->t.begin, r->t.begin + (uint32_t)r->t.len, "expected %s", what);
}

/* ---- Tokens ---- */

static int peek(const reader *r, size_t ahead) {
    return r->at + ahead < r->size ? (unsigned char)r->src[r->at + ahead] : -1;
}

static void skip_blank(reader *r) {
    for (;;) {
        int c = peek(r, 0);
        if (c == '#')
            while (peek(r, 0) >= 0 && peek(r, 0) != '\n') r->at++;
        else if (c == ' ' || c == '\n' || c == '\t' || c == '\r') r->at++;
        else return;
    }
}

/* Digits, then perhaps a fraction and an exponent. `1..2` is a range: a fraction has a digit behind its point. */
static void lex_number(reader *r, token *t) {
    bool is_float = false;
    while (is_digit(peek(r, 0))) r->at++;
    if (peek(r, 0) == '.' && is_digit(peek(r, 1))) {
        is_float = true;
        r->at++;
        while (is_digit(peek(r, 0))) r->at++;
    }
    int c = peek(r, 0), sign = peek(r, 1) == '-' || peek(r, 1) == '+';
    if ((c == 'e' || c == 'E') && is_digit(peek(r, 1 + (size_t)sign))) {
        is_float = true;
        r->at += 1 + (size_t)sign;
        while (is_digit(peek(r, 0))) r->at++;
    }
    size_t len = r->at - t->begin;
    if (len > 400) {
        read_fail_at(r, t->begin, (uint32_t)r->at, "a number of %zu digits is too long", len);
        return;
    }
    const char *s = arena_strndup(r->scratch, t->s, len);
    t->kind = is_float ? TOK_FLOAT : TOK_INT;
    t->f = strtod(s, NULL);
    errno = 0;
    if (!is_float) t->u = strtoull(s, NULL, 10);
    if (!is_float && errno == ERANGE)
        read_fail_at(r, t->begin, (uint32_t)r->at, "the integer %s does not fit 64 bits", s);
}

static void lex_string(reader *r, token *t) {
    size_t end = r->at + 1;
    while (end < r->size && r->src[end] != '"' && r->src[end] != '\n') end += r->src[end] == '\\' ? 2 : 1;
    char *s = arena_alloc(r->m->arena, end - r->at + 1), *out = s;
    t->kind = TOK_STRING;
    t->text = s;
    for (r->at++; peek(r, 0) != '"'; r->at++) {
        int c = peek(r, 0), next = peek(r, 1), high = hex_digit(peek(r, 2)), low = hex_digit(peek(r, 3));
        if (c < 0 || c == '\n' || c == 0) {
            read_fail_at(r, t->begin, (uint32_t)r->at, "this string has no closing quote");
            return;
        }
        if (c != '\\') {
            *out++ = (char)c;
        } else if (next == 'x' && high >= 0 && low >= 0 && high + low > 0) {
            *out++ = (char)(high * 16 + low);
            r->at += 3;
        } else if (next == 'n' || next == '"' || next == '\\') {
            *out++ = (char)(next == 'n' ? '\n' : next);
            r->at++;
        } else {
            read_fail_at(r, (uint32_t)r->at, (uint32_t)r->at + 1, "unknown escape in a string");
            return;
        }
    }
    r->at++;
}

static void lex_hex(reader *r, token *t) {
    size_t end = r->at + 2;
    while (end < r->size && hex_digit((unsigned char)r->src[end]) >= 0) end++;
    size_t digits = end - r->at - 2;
    if (end >= r->size || r->src[end] != '"' || digits % 2) {
        read_fail_at(r, t->begin, (uint32_t)end, "bytes are written as pairs of hexadecimal digits, x\"00ff\"");
        return;
    }
    char *bytes = arena_alloc(r->scratch, digits / 2 + 1);
    for (size_t i = 0; i < digits / 2; i++) {
        const char *p = r->src + r->at + 2 + 2 * i;
        bytes[i] = (char)(hex_digit((unsigned char)p[0]) * 16 + hex_digit((unsigned char)p[1]));
    }
    t->kind = TOK_HEX;
    t->text = bytes;
    t->size = digits / 2;
    r->at = end + 1;
}

static void lex_punct(reader *r, token *t) {
    static const char *const pairs[] = {"->", "..", "//", "<=", "==", "!="};
    int c = peek(r, 0);
    t->kind = TOK_PUNCT;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (c != pairs[i][0] || peek(r, 1) != pairs[i][1]) continue;
        t->punct = PUNCT2(pairs[i][0], pairs[i][1]);
        r->at += 2;
        return;
    }
    if (c <= 0 || !strchr("(){}[]=,:<+-*%@", c)) {
        read_fail_at(r, t->begin, t->begin + 1, c > 32 && c < 127 ? "unexpected character '%c'" : "unexpected byte 0x%02x",
                     (unsigned)c);
        return;
    }
    t->punct = c;
    r->at++;
}

void read_next(reader *r) {
    if (r->failed) return;
    skip_blank(r);
    token t = {.s = r->src + r->at, .begin = (uint32_t)r->at};
    int c = peek(r, 0), next = peek(r, 1);
    if (c < 0) {
        t.kind = TOK_END;
    } else if (c == 'x' && next == '"') {
        lex_hex(r, &t);
    } else if (is_letter(c)) {
        while (is_letter(peek(r, 0)) || is_digit(peek(r, 0))) r->at++;
        t.kind = TOK_NAME;
    } else if (c == '%' && (is_letter(next) || is_digit(next))) {
        r->at++;
        while (is_letter(peek(r, 0)) || is_digit(peek(r, 0)) || peek(r, 0) == '.') r->at++;
        t.kind = TOK_VALUE;
    } else if (is_digit(c)) {
        lex_number(r, &t);
    } else if (c == '"') {
        lex_string(r, &t);
    } else {
        lex_punct(r, &t);
    }
    if (r->failed) return;
    t.len = r->at - t.begin;
    r->t = t;
}

/* ---- Expectations ---- */

bool read_is(const reader *r, int punct) { return r->t.kind == TOK_PUNCT && r->t.punct == punct; }

bool read_is_word(const reader *r, const char *word) {
    return r->t.kind == TOK_NAME && strlen(word) == r->t.len && !memcmp(r->t.s, word, r->t.len);
}

bool read_accept(reader *r, int punct) {
    if (!read_is(r, punct)) return false;
    read_next(r);
    return true;
}

bool read_accept_word(reader *r, const char *word) {
    if (!read_is_word(r, word)) return false;
    read_next(r);
    return true;
}

void read_expect(reader *r, int punct) {
    if (read_accept(r, punct)) return;
    char what[5] = {'\'', (char)punct, '\'', 0, 0};
    if (punct > 255) what[1] = (char)(punct >> 8), what[2] = (char)punct, what[3] = '\'';
    read_fail(r, what);
}

int64_t read_int(reader *r) {
    bool negative = read_accept(r, '-');
    uint64_t limit = negative ? UINT64_C(1) << 63 : INT64_MAX, u = r->t.u;
    if (r->t.kind != TOK_INT || u > limit) {
        read_fail(r, "an integer of 64 bits");
        return 0;
    }
    read_next(r);
    return negative ? (int64_t)(0 - u) : (int64_t)u;
}

const char *read_string(reader *r) {
    const char *s = r->t.text;
    if (r->t.kind != TOK_STRING) {
        read_fail(r, "a string");
        return "";
    }
    read_next(r);
    return s;
}

const char *read_name(reader *r) {
    if (r->t.kind == TOK_STRING) return read_string(r);
    if (r->t.kind != TOK_NAME) {
        read_fail(r, "a name");
        return "";
    }
    const char *s = arena_strndup(r->m->arena, r->t.s, r->t.len);
    read_next(r);
    return s;
}
