/* .npy: a magic, a header that is a Python dictionary literal, then the elements. */
#include "npy.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADER = 1 << 20 };

typedef struct {
    frit_dtype dtype;
    bool swapped, fortran, half_bytes; /* half_bytes: 4-bit values stored one to a byte */
    int rank;
    int64_t dims[IO_MAX_RANK];
    size_t data; /* where the elements start */
} npy_header;

/* ---- the dictionary literal ---- */
typedef struct {
    const char *p, *end;
} cursor;

static void skip_blank(cursor *c) {
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t'))
        c->p++;
}

static bool take(cursor *c, const char *word) {
    skip_blank(c);
    size_t n = strlen(word);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n))
        return false;
    c->p += n;
    return true;
}

static bool take_string(cursor *c, char *text, size_t size) {
    skip_blank(c);
    if (c->p == c->end || (*c->p != '\'' && *c->p != '"'))
        return false;
    char quote = *c->p++;
    const char *close = memchr(c->p, quote, (size_t)(c->end - c->p));
    if (!close || (size_t)(close - c->p) >= size)
        return false;
    memcpy(text, c->p, (size_t)(close - c->p));
    text[close - c->p] = 0;
    c->p = close + 1;
    return true;
}

static bool take_integer(cursor *c, int64_t *v) {
    skip_blank(c);
    const char *start = c->p;
    *v = 0;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9') {
        if (__builtin_mul_overflow(*v, 10, v) || __builtin_add_overflow(*v, *c->p - '0', v))
            return false;
        c->p++;
    }
    bool any = c->p > start;
    take(c, "L"); /* written by Python 2 */
    return any;
}

static bool take_shape(cursor *c, npy_header *h) {
    if (!take(c, "("))
        return false;
    while (!take(c, ")")) {
        if (h->rank == IO_MAX_RANK || !take_integer(c, &h->dims[h->rank]))
            return false;
        h->rank++;
        if (!take(c, ",")) {
            return take(c, ")");
        }
    }
    return true;
}

/* ---- dtype descriptions ---- */
static const struct {
    const char *descr;
    frit_dtype dtype;
} known[] = {
    {"f8", FRIT_f64}, {"f4", FRIT_f32}, {"f2", FRIT_f16}, {"i8", FRIT_i64}, {"i4", FRIT_i32}, {"i2", FRIT_i16},
    {"i1", FRIT_i8}, {"u8", FRIT_u64}, {"u4", FRIT_u32}, {"u2", FRIT_u16}, {"u1", FRIT_u8}, {"b1", FRIT_bool},
    {"V2", FRIT_bf16}, {"bfloat16", FRIT_bf16}, {"float8_e4m3fn", FRIT_f8e4m3}, {"float8_e5m2", FRIT_f8e5m2},
    {"int4", FRIT_i4}, {"uint4", FRIT_u4},
};

static bool understand_descr(npy_header *h, const char *descr, frit_dtype expected, io_error *e) {
    const char *bare = descr + strspn(descr, "<>=|");
    h->swapped = descr[0] == '>';
    h->dtype = FRIT_DTYPE_COUNT;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].descr, bare))
            h->dtype = known[i].dtype;
    if (!strcmp(bare, "V1") && (expected == FRIT_f8e4m3 || expected == FRIT_f8e5m2))
        h->dtype = expected;
    bool four = expected == FRIT_i4 || expected == FRIT_u4;
    if (four && (h->dtype == FRIT_i8 || h->dtype == FRIT_u8 || !strcmp(bare, "V1")))
        h->dtype = expected;
    h->half_bytes = h->dtype == FRIT_i4 || h->dtype == FRIT_u4;
    return h->dtype != FRIT_DTYPE_COUNT || io_fail(e, "elements of NumPy type '%.60s' are not supported", descr);
}

static bool parse_dictionary(npy_header *h, cursor c, frit_dtype expected, io_error *e) {
    char key[32], descr[64] = "";
    bool shape = false, order = false;
    if (!take(&c, "{"))
        return io_fail(e, "the header is not a dictionary");
    while (!take(&c, "}")) {
        if (!take_string(&c, key, sizeof key) || !take(&c, ":"))
            return io_fail(e, "the header is damaged");
        bool ok = true;
        if (!strcmp(key, "descr")) {
            ok = take_string(&c, descr, sizeof descr);
            if (!ok)
                return io_fail(e, "records (structured dtypes) are not supported");
        } else if (!strcmp(key, "fortran_order")) {
            h->fortran = take(&c, "True");
            ok = order = h->fortran || take(&c, "False");
        } else if (!strcmp(key, "shape") && !shape) {
            ok = shape = take_shape(&c, h);
        } else
            ok = false;
        if (!ok)
            return io_fail(e, "the header's entry '%s' is damaged or has more than %d dims", key, IO_MAX_RANK);
        take(&c, ",");
    }
    if (!descr[0] || !shape || !order)
        return io_fail(e, "the header lacks descr, fortran_order or shape");
    return understand_descr(h, descr, expected, e);
}

static bool parse_header(npy_header *h, const uint8_t *p, size_t size, frit_dtype expected, io_error *e) {
    *h = (npy_header){0};
    if (size < 10 || memcmp(p, "\x93NUMPY", 6))
        return io_fail(e, "not an .npy file");
    if (p[6] < 1 || p[6] > 3)
        return io_fail(e, ".npy format version %d is not supported", p[6]);
    size_t n = (size_t)p[8] | (size_t)p[9] << 8, start = 10;
    if (p[6] > 1) {
        if (size < 12)
            return io_fail(e, "the file ends in the middle of its header");
        n |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
        start = 12;
    }
    if (n > MAX_HEADER)
        return io_fail(e, "the header claims %zu bytes", n);
    if (n > size - start)
        return io_fail(e, "the file ends in the middle of its header");
    h->data = start + n;
    return parse_dictionary(h, (cursor){(const char *)p + start, (const char *)p + h->data}, expected, e);
}

/* ---- elements ---- */
static void copy_swapped(uint8_t *to, const uint8_t *from, size_t width) {
    for (size_t i = 0; i < width; i++)
        to[i] = from[width - 1 - i];
}

/* Source position of the next element in row-major order of the result. */
static void advance(const npy_header *h, int64_t *index) {
    for (int d = h->rank - 1; d >= 0; d--) {
        if (++index[d] < h->dims[d])
            return;
        index[d] = 0;
    }
}

static int64_t fortran_position(const npy_header *h, const int64_t *index) {
    int64_t at = 0;
    for (int d = h->rank - 1; d >= 0; d--)
        at = at * h->dims[d] + index[d];
    return at;
}

/* Reorders, swaps bytes and packs 4-bit values, element by element: the uncommon road. */
static bool convert(io_array *a, const npy_header *h, const uint8_t *p, io_error *e) {
    if (!io_array_alloc(a, h->dtype, h->rank, h->dims, e))
        return false;
    size_t width = h->half_bytes ? 1 : frit_dtype_bits(h->dtype) / 8;
    int64_t n = io_elements(a), index[IO_MAX_RANK] = {0};
    for (int64_t i = 0; i < n; i++, advance(h, index)) {
        const uint8_t *from = p + (size_t)(h->fortran ? fortran_position(h, index) : i) * width;
        if (h->half_bytes) {
            int v = h->dtype == FRIT_i4 ? (int8_t)*from : *from;
            if (h->dtype == FRIT_i4 ? v < -8 || v > 7 : v > 15) {
                io_array_free(a);
                return io_fail(e, "the value %d does not fit %s", v, frit_dtype_name(h->dtype));
            }
            frit_store_int(h->dtype, a->data, i, v);
        } else if (h->swapped)
            copy_swapped((uint8_t *)a->data + (size_t)i * width, from, width);
        else
            memcpy((uint8_t *)a->data + (size_t)i * width, from, width);
    }
    return true;
}

bool npy_read(io_array *a, io_file *f, size_t offset, size_t size, frit_dtype expected, io_error *e) {
    npy_header h;
    int64_t n, bytes;
    const uint8_t *p = io_file_data(f) + offset;
    if (!parse_header(&h, p, size, expected, e))
        return false;
    if (!io_size(h.dtype, h.rank, h.dims, &n, &bytes))
        return io_fail(e, "the size of the tensor overflows 64 bits");
    size_t needed = (size_t)(h.half_bytes ? n : bytes);
    if (needed > size - h.data) {
        char shape[200];
        return io_fail(e, "the file is truncated: %s needs %zu bytes, %zu are there",
                       io_shape_text(shape, sizeof shape, h.dtype, h.rank, h.dims), needed, size - h.data);
    }
    if (h.half_bytes || (h.fortran && h.rank > 1) || (h.swapped && frit_dtype_bits(h.dtype) > 8))
        return convert(a, &h, p + h.data, e);
    return io_array_from_file(a, h.dtype, h.rank, h.dims, f, offset + h.data, e);
}

bool npy_read_file(io_array *a, const char *path, frit_dtype expected, io_error *e) {
    io_file *f = io_file_open(path, e);
    if (!f)
        return false;
    io_error inner;
    bool ok = npy_read(a, f, 0, io_file_size(f), expected, &inner);
    io_file_release(f);
    return ok || io_fail(e, "%.300s: %.300s", path, inner.text);
}

/* ---- writing ---- */
static const char *written_descr(frit_dtype t) {
    switch (t) {
    case FRIT_f64: return "<f8";
    case FRIT_f32: return "<f4";
    case FRIT_f16: return "<f2";
    case FRIT_bf16: return "<V2";
    case FRIT_f8e4m3:
    case FRIT_f8e5m2: return "|V1";
    case FRIT_i64: return "<i8";
    case FRIT_i32: return "<i4";
    case FRIT_i16: return "<i2";
    case FRIT_i8:
    case FRIT_i4: return "|i1";
    case FRIT_u64: return "<u8";
    case FRIT_u32: return "<u4";
    case FRIT_u16: return "<u2";
    case FRIT_u8:
    case FRIT_u4: return "|u1";
    default: return "|b1";
    }
}

static bool write_header(FILE *out, const io_array *a) {
    char text[128 + 24 * IO_MAX_RANK];
    int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (", written_descr(a->dtype));
    for (int i = 0; i < a->rank; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%lld%s", (long long)a->dims[i],
                      i + 1 < a->rank ? ", " : a->rank == 1 ? "," : "");
    n += snprintf(text + n, sizeof text - (size_t)n, "), }");
    int total = (10 + n + 1 + 63) / 64 * 64, blanks = total - 10 - n - 1;
    uint8_t head[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)((total - 10) & 255), (uint8_t)((total - 10) >> 8)};
    return fwrite(head, 1, 10, out) == 10 && fprintf(out, "%s%*s\n", text, blanks, "") > 0;
}

bool npy_write(FILE *out, const io_array *a) {
    if (!write_header(out, a))
        return false;
    if (frit_dtype_bits(a->dtype) >= 8)
        return !a->bytes || fwrite(a->data, 1, (size_t)a->bytes, out) == (size_t)a->bytes;
    for (int64_t i = 0, n = io_elements(a); i < n; i++)
        if (putc((int)(frit_load_int(a->dtype, a->data, i) & 255), out) == EOF)
            return false;
    return true;
}

bool npy_write_file(const char *path, const io_array *a, io_error *e) {
    io_writer w;
    if (!io_writer_open(&w, path, true, e))
        return false;
    if (!npy_write(w.stream, a)) {
        io_fail(e, "%s: writing failed", path);
        io_writer_abort(&w);
        return false;
    }
    return io_writer_commit(&w, e);
}
