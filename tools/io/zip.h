/* Zip archives, as far as .npz needs them: stored and deflated members, zip64 (PKWARE APPNOTE 6.3). */
#ifndef FRIT_TOOLS_ZIP_H
#define FRIT_TOOLS_ZIP_H
#include "io.h"

typedef struct {
    const char *name;
    uint64_t compressed, size, offset; /* offset: of the local header */
    uint32_t crc;
    int method; /* 0 stored, 8 deflated */
} zip_member;

typedef struct {
    io_file *file;
    zip_member *members;
    int n;
} zip_file;

/* Reads the central directory. Members are bounded by the file's size, so that memory is too. */
bool zip_open(zip_file *z, const char *path, io_error *e);
bool zip_parse(zip_file *z, io_file *f, io_error *e); /* retains f */
void zip_close(zip_file *z);
/* The bytes of member i: part of the archive itself when stored (offset into `*bytes`), a fresh file when deflated. The
 * checksum is verified. The caller releases *bytes. */
bool zip_read(const zip_file *z, int i, io_file **bytes, size_t *offset, size_t *size, io_error *e);

/* Writing: members one after another, stored, then the directory. */
typedef struct {
    FILE *out;
    zip_member *members;
    int n, cap;
    uint64_t at;
} zip_writer;
/* write(u, out) must produce exactly `size` bytes whose CRC-32 is `crc`. */
bool zip_add(zip_writer *z, const char *name, uint64_t size, uint32_t crc, bool (*write)(const void *u, FILE *out),
             const void *u);
bool zip_finish(zip_writer *z); /* the directory; frees the list */

#endif
