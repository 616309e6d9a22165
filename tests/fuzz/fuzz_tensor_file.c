/* Any bytes as a tensor file: the first byte says which reader gets the rest. What a reader accepts can be read in full. */
#include "tools/io/literal.h"
#include "tools/io/npy.h"
#include "tools/io/safetensors.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_TENSORS = 50 };

static unsigned touch(io_array *a) {
    unsigned sum = 0;
    for (int64_t i = 0; i < a->bytes; i++) sum += ((const uint8_t *)a->data)[i];
    io_array_free(a);
    return sum;
}

static unsigned read_npy(io_file *f, io_error *e) {
    io_array a;
    unsigned sum = 0;
    static const frit_dtype expected[] = {FRIT_DTYPE_COUNT, FRIT_bf16, FRIT_f8e4m3, FRIT_u4, FRIT_i4};
    for (int i = 0; i < 5; i++)
        if (npy_read(&a, f, 0, io_file_size(f), expected[i], e)) sum += touch(&a);
    return sum;
}

static unsigned read_npz(io_file *f, io_error *e) {
    zip_file z;
    io_array a;
    unsigned sum = 0;
    char name[64];
    if (!zip_parse(&z, f, e)) return 0;
    for (int i = 0; i < z.n && i < MAX_TENSORS; i++) {
        npz_name(&z, i, name, sizeof name);
        if (npz_find(&z, name) < 0 && strlen(name) < sizeof name - 1) abort();
        if (npz_read(&a, &z, i, FRIT_DTYPE_COUNT, e)) sum += touch(&a);
    }
    zip_close(&z);
    return sum;
}

static unsigned read_safetensors(io_file *f, io_error *e) {
    safetensors s;
    io_array a;
    unsigned sum = 0;
    if (!safetensors_parse(&s, f, e)) return 0;
    for (int i = 0; i < s.n && i < MAX_TENSORS; i++)
        if (safetensors_read(&a, &s, i, e)) sum += touch(&a);
    safetensors_close(&s);
    return sum;
}

static unsigned read_literal(const uint8_t *data, size_t size, io_error *e) {
    io_array a;
    char *text = malloc(size + 1);
    if (!text) abort();
    memcpy(text, data, size);
    text[size] = 0;
    unsigned sum = literal_looks_like(text);
    for (int t = 0; t < FRIT_DTYPE_COUNT; t++)
        if (literal_parse(&a, text, (frit_dtype)t, e)) sum += touch(&a);
    free(text);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static volatile unsigned sink;
    io_error e;
    if (!size) return 0;
    if (data[0] == 'l') {
        sink += read_literal(data + 1, size - 1, &e);
        return 0;
    }
    uint8_t *copy = malloc(size);
    if (!copy) abort();
    memcpy(copy, data + 1, size - 1);
    io_file *f = io_file_from_memory(copy, size - 1);
    if (!f) abort();
    sink += data[0] == 'n' ? read_npy(f, &e) : data[0] == 'z' ? read_npz(f, &e) : read_safetensors(f, &e);
    io_file_release(f);
    return 0;
}
