/* The .safetensors format: 8 bytes of header length, a JSON header, the tensors' bytes
 * (https://github.com/huggingface/safetensors, "Format"). The file is mapped; tensors are read where they lie. */
#ifndef FRIT_TOOLS_SAFETENSORS_H
#define FRIT_TOOLS_SAFETENSORS_H
#include "io.h"

typedef struct {
    const char *name;
    frit_dtype dtype; /* FRIT_DTYPE_COUNT: a dtype that frit does not have, kept under its name in `foreign` */
    const char *foreign;
    int rank;
    int64_t dims[IO_MAX_RANK];
    size_t offset; /* from the start of the file */
} safetensor;

typedef struct {
    io_file *file;
    safetensor *tensors; /* in the order of the header */
    int n;
    void *header; /* the parsed JSON, which owns the names */
} safetensors;

bool safetensors_open(safetensors *s, const char *path, io_error *e);
bool safetensors_parse(safetensors *s, io_file *f, io_error *e); /* retains f */
void safetensors_close(safetensors *s);
bool safetensors_read(io_array *a, const safetensors *s, int i, io_error *e);

/* Writes n tensors in the given order, without gaps (the format allows none); the first lies on a multiple of 64 bytes. */
bool safetensors_write_file(const char *path, int n, const char *const *names, const io_array *arrays, io_error *e);
#endif
