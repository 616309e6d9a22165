/* flip FILE.fpk [STEP]: every byte of a package (every STEP-th) is changed in turn; the reader refuses the package, at open or
 * when it is asked to verify all, or the byte means nothing: then all that the package says is what it said before. */
#include "runtime/frit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REFUSED_AT_OPEN, REFUSED_BY_VERIFY, HARMLESS, HARM };

static int try_bytes(const void *bytes, size_t n, uint64_t digest) {
    frit_package *p = NULL;
    frit_error err = {0};
    frit_status s = frit_package_open_memory(bytes, n, NULL, NULL, NULL, &p, &err);
    if (s != FRIT_OK) return err.message[0] && !p ? REFUSED_AT_OPEN : HARM;
    int what = frit_package_verify(p, &err) != FRIT_OK           ? REFUSED_BY_VERIFY
               : frit_package_get_info(p)->digest == digest ? HARMLESS : HARM;
    frit_package_release(p);
    return what;
}

static uint8_t *read_file(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END)) return NULL;
    *n = (size_t)ftell(f);
    rewind(f);
    uint8_t *b = aligned_alloc(64, (*n + 63) / 64 * 64);
    if (b && fread(b, 1, *n, f) != *n) return NULL;
    fclose(f);
    return b;
}

int main(int argc, char **argv) {
    size_t n = 0, step = argc > 2 ? strtoull(argv[2], NULL, 10) : 1, counts[4] = {0};
    uint8_t *b = argc > 1 ? read_file(argv[1], &n) : NULL;
    frit_package *p;
    frit_error err;
    if (!b || !step) return fputs("usage: flip FILE.fpk [STEP]\n", stderr), 2;
    if (frit_package_open_memory(b, n, NULL, NULL, NULL, &p, &err) != FRIT_OK) return fprintf(stderr, "%s\n", err.message), 2;
    uint64_t digest = frit_package_get_info(p)->digest;
    frit_package_release(p);
    for (size_t i = 0; i < n; i += step) {
        b[i] ^= (uint8_t)(1u << i / step % 8);
        int what = try_bytes(b, n, digest);
        counts[what]++;
        if (what == HARM) printf("byte %zu of %zu: accepted, but the package says something else\n", i, n);
        b[i] ^= (uint8_t)(1u << i / step % 8);
    }
    printf("%zu bytes, every %zu: %zu refused at open, %zu by verify, %zu mean nothing, %zu do harm\n", n, step,
           counts[REFUSED_AT_OPEN], counts[REFUSED_BY_VERIFY], counts[HARMLESS], counts[HARM]);
    free(b);
    return counts[HARM] > 0;
}
