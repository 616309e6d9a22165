/* .npz: a zip archive of .npy files. */
#include "npy.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

bool npz_read(io_array *a, const zip_file *z, int i, frit_dtype expected, io_error *e) {
    io_file *bytes;
    size_t offset, size;
    io_error inner;
    if (!zip_read(z, i, &bytes, &offset, &size, e))
        return false;
    bool ok = npy_read(a, bytes, offset, size, expected, &inner);
    io_file_release(bytes);
    return ok || io_fail(e, "member '%.80s': %.400s", z->members[i].name, inner.text);
}

char *npz_name(const zip_file *z, int i, char *text, size_t size) {
    snprintf(text, size, "%s", z->members[i].name);
    size_t n = strlen(text);
    if (n > 4 && !strcmp(text + n - 4, ".npy"))
        text[n - 4] = 0;
    return text;
}

int npz_find(const zip_file *z, const char *name) {
    char text[4200];
    for (int i = 0; i < z->n; i++)
        if (!strcmp(npz_name(z, i, text, sizeof text), name))
            return i;
    return -1;
}

/* The member's checksum stands before its bytes, so it is formed in memory first. */
typedef struct {
    char *data;
    size_t size;
} blob;

static bool write_blob(const void *u, FILE *out) {
    const blob *b = u;
    return fwrite(b->data, 1, b->size, out) == b->size;
}

static bool add_array(zip_writer *z, const char *name, const io_array *a) {
    char member[4200];
    blob b = {0};
    FILE *memory = open_memstream(&b.data, &b.size);
    if (!memory)
        return false;
    bool ok = npy_write(memory, a);
    ok = !fclose(memory) && ok;
    snprintf(member, sizeof member, "%s.npy", name);
    ok = ok && zip_add(z, member, b.size, (uint32_t)crc32_z(0, (const uint8_t *)b.data, b.size), write_blob, &b);
    free(b.data);
    return ok;
}

bool npz_write_file(const char *path, int n, const char *const *names, const io_array *arrays, io_error *e) {
    io_writer w;
    if (!io_writer_open(&w, path, true, e))
        return false;
    zip_writer z = {.out = w.stream};
    bool ok = true;
    for (int i = 0; i < n && ok; i++)
        ok = add_array(&z, names[i], &arrays[i]);
    ok = zip_finish(&z) && ok;
    if (ok)
        return io_writer_commit(&w, e);
    io_writer_abort(&w);
    return io_fail(e, "%s: writing failed", path);
}
