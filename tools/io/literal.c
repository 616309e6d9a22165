/* Literals: one pass counts and checks the shape, a second one stores the values. */
#include "literal.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *p;
    int64_t dims[IO_MAX_RANK];
    int rank;      /* -1 until the first value shows it */
    int64_t count; /* values seen */
    io_array *out; /* NULL in the first pass */
    io_error *e;
} reader;

static void skip_blank(reader *r) {
    while (isspace((unsigned char)*r->p))
        r->p++;
}

static bool fits(frit_dtype t, bool whole, int64_t i, bool above, double f, io_error *e) {
    if (frit_dtype_is_float(t))
        return true;
    unsigned bits = frit_dtype_bits(t);
    bool ok = whole;
    if (t == FRIT_bool)
        ok = ok && !above && (i == 0 || i == 1);
    else if (frit_dtype_kind_of(t) == FRIT_KIND_UINT)
        ok = ok && (above ? bits == 64 : i >= 0 && (bits == 64 || i < INT64_C(1) << bits));
    else
        ok = ok && !above && (bits == 64 || (i >= -(INT64_C(1) << (bits - 1)) && i < INT64_C(1) << (bits - 1)));
    return ok || io_fail(e, "the value %.17g does not fit %s", f, frit_dtype_name(t));
}

/* A number as integer and as double; *above: an integer in [2^63, 2^64), its bits in *i. */
static bool take_number(const char **p, double *f, int64_t *i, bool *whole, bool *above) {
    char *end_f, *end_i;
    const char *start = *p;
    *f = strtod(start, &end_f);
    if (end_f == start)
        return false;
    errno = 0;
    *i = strtoll(start, &end_i, 10);
    *whole = end_i == end_f && !errno;
    *above = false;
    if (end_i == end_f && errno && *start != '-') {
        errno = 0;
        uint64_t u = strtoull(start, &end_i, 10);
        *above = *whole = !errno;
        *i = (int64_t)u;
    }
    if (!*whole && isfinite(*f) && *f == trunc(*f) && fabs(*f) < 9e15) { /* 1e3, 2.0 */
        *i = (int64_t)*f;
        *whole = true;
    }
    *p = end_f;
    return true;
}

static bool take_word(const char **p, const char *word) {
    size_t n = strlen(word);
    if (strncmp(*p, word, n) || isalnum((unsigned char)(*p)[n]))
        return false;
    *p += n;
    return true;
}

static bool scalar(reader *r) {
    double f = 0;
    int64_t i = 0;
    bool whole = true, above = false;
    if (take_word(&r->p, "true"))
        f = (double)(i = 1);
    else if (!take_word(&r->p, "false") && !take_number(&r->p, &f, &i, &whole, &above))
        return io_fail(r->e, "expected a number at '%.20s'", r->p);
    if (r->out) {
        frit_dtype t = r->out->dtype;
        if (!fits(t, whole, i, above, f, r->e))
            return false;
        if (frit_dtype_is_float(t))
            frit_store_float(t, r->out->data, r->count, f);
        else
            frit_store_int(t, r->out->data, r->count, i);
    }
    r->count++;
    return true;
}

static bool value(reader *r, int depth);

static bool list(reader *r, int depth) {
    int64_t n = 0;
    if (depth == IO_MAX_RANK)
        return io_fail(r->e, "lists nest more than %d deep", IO_MAX_RANK);
    skip_blank(r);
    while (*r->p != ']') {
        if (!value(r, depth + 1))
            return false;
        n++;
        skip_blank(r);
        if (*r->p == ',')
            r->p++;
        else if (*r->p != ']')
            return io_fail(r->e, *r->p ? "expected ',' or ']' at '%.20s'" : "the list is not closed%s", r->p);
        skip_blank(r);
    }
    r->p++;
    if (r->rank < 0)
        r->rank = depth + 1; /* an empty list ends the nesting */
    if (r->dims[depth] < 0)
        r->dims[depth] = n;
    return r->dims[depth] == n || io_fail(r->e, "the lists are not all of one length (%lld and %lld)",
                                          (long long)r->dims[depth], (long long)n);
}

static bool value(reader *r, int depth) {
    skip_blank(r);
    if (*r->p == '[') {
        if (r->rank >= 0 && depth >= r->rank)
            return io_fail(r->e, "a list where the others have a number");
        r->p++;
        return list(r, depth);
    }
    if (r->rank < 0)
        r->rank = depth;
    if (depth != r->rank)
        return io_fail(r->e, "a number where the others have a list");
    return scalar(r);
}

static bool pass(reader *r, const char *text) {
    r->p = text;
    r->count = 0;
    if (!value(r, 0))
        return false;
    skip_blank(r);
    return !*r->p || io_fail(r->e, "unexpected '%.20s' after the value", r->p);
}

bool literal_parse(io_array *a, const char *text, frit_dtype t, io_error *e) {
    reader r = {.rank = -1, .e = e};
    for (int d = 0; d < IO_MAX_RANK; d++)
        r.dims[d] = -1;
    if (!pass(&r, text) || !io_array_alloc(a, t, r.rank, r.dims, e))
        return false;
    r.out = a;
    if (pass(&r, text))
        return true;
    io_array_free(a);
    return false;
}

bool literal_looks_like(const char *text) {
    if (*text == '[')
        return true;
    const char *p = text;
    double f;
    int64_t i;
    bool whole, above;
    if (!take_word(&p, "true") && !take_word(&p, "false") && !take_number(&p, &f, &i, &whole, &above))
        return false;
    return !*p;
}
