/* What the tensor file readers and writers share: an error text, host arrays, files.
 *
 * Readers treat every byte as hostile: sizes are checked before they are used, nothing is allocated that the file does
 * not account for, and a damaged file is an error text, never a crash. */
#ifndef FRIT_TOOLS_IO_H
#define FRIT_TOOLS_IO_H
#include "runtime/dtype.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { IO_MAX_RANK = 16 };

/* Why something failed, one line without a final stop. Every function that takes one may be given NULL. */
typedef struct {
    char text[640];
} io_error;

/* Formats e->text and returns false, so that a reader can `return io_fail(e, ...)`. */
bool io_fail(io_error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Bytes of a file, mapped or read; `refs` counts the arrays that borrow from it. */
typedef struct io_file io_file;
/* Reads a regular file by mapping it, anything else (a pipe, "-" for standard input) by copying, up to 2^40 bytes. */
io_file *io_file_open(const char *path, io_error *e);
io_file *io_file_retain(io_file *f);
void io_file_release(io_file *f);
/* A file in memory that takes over `data` (heap), freed here even on failure (NULL). */
io_file *io_file_from_memory(void *data, size_t size);
const uint8_t *io_file_data(const io_file *f);
size_t io_file_size(const io_file *f);

/* A dense row-major tensor in host memory. The bytes are its own (heap) or a file's (`file` is retained). */
typedef struct {
    frit_dtype dtype;
    int rank;
    int64_t dims[IO_MAX_RANK];
    void *data;
    int64_t bytes;
    io_file *file; /* NULL: data is heap memory of this array */
} io_array;

/* Number of elements and bytes; false when a dim is negative or the size overflows. */
bool io_size(frit_dtype t, int rank, const int64_t *dims, int64_t *elements, int64_t *bytes);
int64_t io_elements(const io_array *a);
/* Zeroed memory for the dims, 64-byte aligned. */
bool io_array_alloc(io_array *a, frit_dtype t, int rank, const int64_t *dims, io_error *e);
/* Borrows `bytes` at `offset` of f when they are aligned for the dtype, copies them otherwise. */
bool io_array_from_file(io_array *a, frit_dtype t, int rank, const int64_t *dims, io_file *f, size_t offset,
                        io_error *e);
void io_array_free(io_array *a);
/* "f32[2, 3]" into text. Returns text. */
char *io_shape_text(char *text, size_t size, frit_dtype t, int rank, const int64_t *dims);

/* An output file written beside its name and renamed at commit, so that no reader ever sees half of it. */
typedef struct {
    FILE *stream;
    char *path, *temporary;
} io_writer;
/* path "-" is standard output, refused when that is a terminal and `binary`. */
bool io_writer_open(io_writer *w, const char *path, bool binary, io_error *e);
/* Flushes and renames; on failure the temporary file is removed. */
bool io_writer_commit(io_writer *w, io_error *e);
void io_writer_abort(io_writer *w);
/* The whole of it: open, write, commit. */
bool io_write_file(const char *path, const void *data, size_t size, bool binary, io_error *e);
#endif
