/* Writes a few packages into a folder, for the fuzzer to start from. Usage: write_corpus DIR */
#include "model.h"
#include <stdio.h>
#include <stdlib.h>

static int put_bytes(const char *dir, const char *name, const void *bytes, uint64_t n) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    bool ok = f && bytes && fwrite(bytes, 1, n, f) == n;
    if (f && fclose(f) != 0) ok = false;
    if (!ok) fprintf(stderr, "write_corpus: cannot write %s\n", path);
    return ok ? 0 : 1;
}

static int put(const char *dir, const char *name, model m) {
    const void *bytes = NULL;
    uint64_t n = 0;
    const char *why;
    int status = package_finish(m.p, &bytes, &n, &why) ? put_bytes(dir, name, bytes, n) : 1;
    model_free(&m);
    return status;
}

static int put_several(const char *dir) {
    model m;
    uint64_t n;
    const void *bytes = model_several(&m, &n);
    int status = put_bytes(dir, "several.fpk", bytes, n);
    model_free(&m);
    return status;
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    return put(argv[1], "add.fpk", model_add()) | put(argv[1], "everything.fpk", model_everything()) |
           put_several(argv[1]);
}
