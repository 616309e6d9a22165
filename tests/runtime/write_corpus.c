/* Writes a few packages into a folder, for the fuzzer to start from. Usage: write_corpus DIR */
#include "model.h"
#include <stdio.h>
#include <stdlib.h>

static int put(const char *dir, const char *name, model m) {
    char path[4096];
    const void *bytes;
    uint64_t n;
    const char *why;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    bool ok = f && package_finish(m.p, &bytes, &n, &why) && fwrite(bytes, 1, n, f) == n;
    if (f && fclose(f) != 0) ok = false;
    if (!ok) fprintf(stderr, "write_corpus: cannot write %s\n", path);
    model_free(&m);
    return ok ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    return put(argv[1], "add.fpk", model_add()) | put(argv[1], "everything.fpk", model_everything());
}
