/* Reading and writing .safetensors. */
#include "safetensors.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t MAX_HEADER = 100000000; /* the format's own limit */
static const double EXACT = 9007199254740992.0; /* 2^53: integers up to here survive JSON's doubles */

static const struct {
    const char *name;
    frit_dtype dtype;
} known[] = {
    {"F64", FRIT_f64}, {"F32", FRIT_f32}, {"F16", FRIT_f16}, {"BF16", FRIT_bf16}, {"F8_E4M3", FRIT_f8e4m3},
    {"F8_E5M2", FRIT_f8e5m2}, {"I64", FRIT_i64}, {"I32", FRIT_i32}, {"I16", FRIT_i16}, {"I8", FRIT_i8},
    {"U64", FRIT_u64}, {"U32", FRIT_u32}, {"U16", FRIT_u16}, {"U8", FRIT_u8}, {"BOOL", FRIT_bool},
    {"I4", FRIT_i4}, {"U4", FRIT_u4}, /* the last two are frit's own, packed low nibble first */
};
enum { KNOWN = sizeof known / sizeof *known };

static bool whole_number(const cJSON *j, uint64_t *v) {
    if (!cJSON_IsNumber(j) || !(j->valuedouble >= 0) || j->valuedouble > EXACT ||
        j->valuedouble != (double)(uint64_t)j->valuedouble)
        return false;
    *v = (uint64_t)j->valuedouble;
    return true;
}

static bool read_shape(safetensor *t, const cJSON *shape) {
    if (!cJSON_IsArray(shape))
        return false;
    const cJSON *d;
    cJSON_ArrayForEach(d, shape) {
        uint64_t v;
        if (t->rank == IO_MAX_RANK || !whole_number(d, &v))
            return false;
        t->dims[t->rank++] = (int64_t)v;
    }
    return true;
}

static void read_dtype(safetensor *t, const char *name) {
    t->dtype = FRIT_DTYPE_COUNT;
    t->foreign = name;
    for (int i = 0; i < KNOWN; i++)
        if (!strcmp(known[i].name, name))
            t->dtype = known[i].dtype;
}

static bool read_entry(safetensor *t, const cJSON *j, uint64_t data, uint64_t size, io_error *e) {
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(j, "dtype");
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(j, "shape");
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(j, "data_offsets");
    uint64_t begin, end;
    int64_t n, bytes;
    *t = (safetensor){.name = j->string};
    if (!cJSON_IsString(dtype) || !read_shape(t, shape))
        return io_fail(e, "the header's entry '%.80s' lacks a dtype or a shape of at most %d dims", j->string, IO_MAX_RANK);
    if (!cJSON_IsArray(offsets) || !offsets->child || !offsets->child->next ||
        !whole_number(offsets->child, &begin) || !whole_number(offsets->child->next, &end))
        return io_fail(e, "the header's entry '%.80s' lacks its data_offsets", j->string);
    if (begin > end || end > size)
        return io_fail(e, "the data of '%.80s' lies outside the file (truncated?)", j->string);
    read_dtype(t, dtype->valuestring);
    t->offset = (size_t)(data + begin);
    if (t->dtype == FRIT_DTYPE_COUNT)
        return true;
    if (!io_size(t->dtype, t->rank, t->dims, &n, &bytes) || (uint64_t)bytes != end - begin)
        return io_fail(e, "'%.80s' has %llu bytes, its shape and dtype need another number", j->string,
                       (unsigned long long)(end - begin));
    return true;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const safetensor *)a)->name, ((const safetensor *)b)->name);
}

static bool unique_names(const safetensors *s, io_error *e) {
    safetensor *sorted = malloc(sizeof *sorted * (size_t)(s->n ? s->n : 1));
    if (!sorted)
        return io_fail(e, "out of memory");
    memcpy(sorted, s->tensors, sizeof *sorted * (size_t)s->n);
    qsort(sorted, (size_t)s->n, sizeof *sorted, by_name);
    bool ok = true;
    for (int i = 1; i < s->n && ok; i++)
        if (!strcmp(sorted[i - 1].name, sorted[i].name))
            ok = io_fail(e, "the header has two entries '%.80s'", sorted[i].name);
    free(sorted);
    return ok;
}

static bool read_header(safetensors *s, const cJSON *json, uint64_t data, io_error *e) {
    if (!cJSON_IsObject(json))
        return io_fail(e, "the header is not a JSON object");
    s->tensors = calloc((size_t)cJSON_GetArraySize(json) + 1, sizeof *s->tensors);
    if (!s->tensors)
        return io_fail(e, "out of memory");
    const cJSON *j;
    cJSON_ArrayForEach(j, json) {
        if (!strcmp(j->string, "__metadata__"))
            continue;
        if (!read_entry(&s->tensors[s->n], j, data, io_file_size(s->file) - data, e))
            return false;
        s->n++;
    }
    return unique_names(s, e);
}

bool safetensors_parse(safetensors *s, io_file *f, io_error *e) {
    const uint8_t *p = io_file_data(f);
    uint64_t n = 0;
    *s = (safetensors){0};
    if (io_file_size(f) < 8)
        return io_fail(e, "not a .safetensors file: shorter than its header");
    for (int i = 7; i >= 0; i--)
        n = n << 8 | p[i];
    if (n > MAX_HEADER || n > io_file_size(f) - 8)
        return io_fail(e, "not a .safetensors file, or truncated: the header claims %llu bytes", (unsigned long long)n);
    cJSON *json = cJSON_ParseWithLength((const char *)p + 8, (size_t)n);
    if (!json)
        return io_fail(e, "the header is not valid JSON");
    s->file = io_file_retain(f);
    s->header = json;
    if (read_header(s, json, 8 + n, e))
        return true;
    safetensors_close(s);
    return false;
}

bool safetensors_open(safetensors *s, const char *path, io_error *e) {
    io_error inner;
    io_file *f = io_file_open(path, e);
    if (!f)
        return false;
    bool ok = safetensors_parse(s, f, &inner);
    io_file_release(f);
    return ok || io_fail(e, "%.300s: %.300s", path, inner.text);
}

void safetensors_close(safetensors *s) {
    free(s->tensors);
    cJSON_Delete(s->header);
    io_file_release(s->file);
    *s = (safetensors){0};
}

bool safetensors_read(io_array *a, const safetensors *s, int i, io_error *e) {
    const safetensor *t = &s->tensors[i];
    if (t->dtype == FRIT_DTYPE_COUNT)
        return io_fail(e, "'%.80s' has dtype %.20s, which is not supported", t->name, t->foreign);
    return io_array_from_file(a, t->dtype, t->rank, t->dims, s->file, t->offset, e);
}

/* ---- writing ---- */
static const char *written_dtype(frit_dtype t) {
    for (int i = 0; i < KNOWN; i++)
        if (known[i].dtype == t)
            return known[i].name;
    return "?";
}

static uint64_t round_up(uint64_t n) { return (n + 63) / 64 * 64; }

/* The format forbids gaps, so tensors follow each other directly; only the first is aligned for certain. */
static char *form_header(int n, const char *const *names, const io_array *arrays) {
    cJSON *json = cJSON_CreateObject();
    uint64_t at = 0;
    for (int i = 0; i < n; i++) {
        cJSON *t = cJSON_AddObjectToObject(json, names[i]);
        cJSON_AddStringToObject(t, "dtype", written_dtype(arrays[i].dtype));
        cJSON *shape = cJSON_AddArrayToObject(t, "shape"), *offsets = cJSON_AddArrayToObject(t, "data_offsets");
        for (int d = 0; d < arrays[i].rank; d++)
            cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)arrays[i].dims[d]));
        cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)at));
        at += (uint64_t)arrays[i].bytes;
        cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)at));
    }
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    return text;
}

bool safetensors_write_file(const char *path, int n, const char *const *names, const io_array *arrays, io_error *e) {
    io_writer w;
    char *text = form_header(n, names, arrays);
    if (!text)
        return io_fail(e, "out of memory");
    if (!io_writer_open(&w, path, true, e)) {
        free(text);
        return false;
    }
    size_t length = strlen(text), padded = (size_t)round_up(8 + length) - 8;
    uint8_t head[8];
    for (int i = 0; i < 8; i++)
        head[i] = (uint8_t)((uint64_t)padded >> 8 * i);
    bool ok = fwrite(head, 1, 8, w.stream) == 8 && fprintf(w.stream, "%s%*s", text, (int)(padded - length), "") > 0;
    free(text);
    for (int i = 0; i < n && ok; i++)
        ok = !arrays[i].bytes || fwrite(arrays[i].data, 1, (size_t)arrays[i].bytes, w.stream) == (size_t)arrays[i].bytes;
    if (ok)
        return io_writer_commit(&w, e);
    io_writer_abort(&w);
    return io_fail(e, "%s: writing failed", path);
}
