/* Dim formulas: recursive descent over + - * // % and min, max. */
#include "formula.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 100 };

typedef struct {
    const char *p;
    bool (*value)(void *u, const char *name, int length, int64_t *v);
    void *u;
    int depth;
} reader;

static bool sum(reader *r, int64_t *v);

static bool take(reader *r, const char *word) {
    while (*r->p == ' ')
        r->p++;
    size_t n = strlen(word);
    if (strncmp(r->p, word, n))
        return false;
    r->p += n;
    return true;
}

static bool pair(reader *r, bool smaller, int64_t *v) {
    int64_t b;
    if (!take(r, "(") || !sum(r, v))
        return false;
    while (take(r, ",")) {
        if (!sum(r, &b))
            return false;
        if (smaller ? b < *v : b > *v)
            *v = b;
    }
    return take(r, ")");
}

static bool atom(reader *r, int64_t *v) {
    if (take(r, "("))
        return sum(r, v) && take(r, ")");
    if (isdigit((unsigned char)*r->p)) {
        *v = strtoll(r->p, (char **)(uintptr_t)&r->p, 10);
        return true;
    }
    const char *name = r->p;
    while (isalnum((unsigned char)*r->p) || *r->p == '_' || (*r->p == '.' && r->p[1] != '.'))
        r->p++;
    int n = (int)(r->p - name);
    if (n == 3 && (!strncmp(name, "min", 3) || !strncmp(name, "max", 3)) && *r->p == '(')
        return pair(r, name[1] == 'i', v);
    return n > 0 && r->value(r->u, name, n, v);
}

static bool unary(reader *r, int64_t *v) {
    if (!take(r, "-"))
        return atom(r, v);
    return ++r->depth < MAX_DEPTH && unary(r, v) && !__builtin_sub_overflow(0, *v, v);
}

static int64_t floor_div(int64_t a, int64_t b) {
    if (b == 0 || (a == INT64_MIN && b == -1))
        return 0;
    return a / b - (a % b && (a < 0) != (b < 0));
}

static bool product(reader *r, int64_t *v) {
    int64_t b;
    if (!unary(r, v))
        return false;
    for (;;) {
        bool divide = take(r, "//"), rest = !divide && take(r, "%"), times = !divide && !rest && take(r, "*");
        if (!divide && !rest && !times)
            return true;
        if (!unary(r, &b))
            return false;
        if (divide)
            *v = floor_div(*v, b);
        else if (rest)
            *v = b == 0 || b == -1 ? 0 : *v - floor_div(*v, b) * b;
        else if (__builtin_mul_overflow(*v, b, v))
            return false;
    }
}

static bool sum(reader *r, int64_t *v) {
    int64_t b;
    if (++r->depth > MAX_DEPTH || !product(r, v))
        return false;
    for (;;) {
        bool plus = take(r, "+"), minus = !plus && take(r, "-");
        if (!plus && !minus) {
            r->depth--;
            return true;
        }
        if (!product(r, &b) || (plus ? __builtin_add_overflow(*v, b, v) : __builtin_sub_overflow(*v, b, v)))
            return false;
    }
}

bool formula_eval(const char *text, bool (*value)(void *u, const char *name, int length, int64_t *v), void *u,
                  int64_t *out) {
    reader r = {.p = text, .value = value, .u = u};
    if (!sum(&r, out))
        return false;
    take(&r, "");
    return !*r.p;
}
