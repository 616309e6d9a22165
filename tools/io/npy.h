/* The .npy format: NumPy's "NPY format" (numpy/lib/format), versions 1.0 to 3.0, and .npz, a zip of them. */
#ifndef FRIT_TOOLS_NPY_H
#define FRIT_TOOLS_NPY_H
#include "io.h"
#include "zip.h"

/* Reads one .npy that is the `size` bytes at `offset` of f. `expected` (FRIT_DTYPE_COUNT: not known) decides what NumPy
 * has no name for: records of 2 bytes are bf16, of 1 byte f8 of the expected kind; i1 and u1 become i4 and u4 (values
 * that do not fit are an error). Big-endian and Fortran-ordered data is converted, else the bytes are borrowed. */
bool npy_read(io_array *a, io_file *f, size_t offset, size_t size, frit_dtype expected, io_error *e);
bool npy_read_file(io_array *a, const char *path, frit_dtype expected, io_error *e);
/* Writes version 1.0. bf16 and f8 are written as ml_dtypes does (void of their width), i4 and u4 one to a byte. */
bool npy_write(FILE *out, const io_array *a);
bool npy_write_file(const char *path, const io_array *a, io_error *e);

/* Reads member i of an opened .npz; its name is the member's without ".npy". */
bool npz_read(io_array *a, const zip_file *z, int i, frit_dtype expected, io_error *e);
/* Name of member i without ".npy", into text. */
char *npz_name(const zip_file *z, int i, char *text, size_t size);
/* Index of the array `name`, or -1. */
int npz_find(const zip_file *z, const char *name);
/* A stored (uncompressed) .npz of n arrays. */
bool npz_write_file(const char *path, int n, const char *const *names, const io_array *arrays, io_error *e);
#endif
