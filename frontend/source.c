#include "source.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t read_stream(diag *d, const char *path, FILE *f) {
    size_t size = 0, cap = 1 << 16, most = (size_t)SOURCE_MAX_MIB << 20;
    char *text = malloc(cap), *grown;
    for (size_t n; text && (n = fread(text + size, 1, cap - size, f)) > 0 && (size += n) <= most;)
        if (size == cap) {
            grown = realloc(text, cap *= 2);
            if (!grown)
                free(text);
            text = grown;
        }
    bool good = text && !ferror(f);
    uint32_t source = good ? diag_add_source(d, path, text, size) : 0;
    free(text);
    return source;
}

uint32_t source_read(diag *d, const char *path, int *error) {
    errno = 0;
    FILE *f = fopen(path, "rb");
    uint32_t source = f ? read_stream(d, path, f) : 0;
    *error = source ? 0 : errno ? errno : EIO;
    if (f)
        fclose(f);
    return source;
}

/* The length of the valid UTF-8 sequence at s (n bytes left), 0 if there is none. Unicode 15, table 3-7. */
static size_t sequence(const unsigned char *s, size_t n) {
    static const struct {
        unsigned char lo, hi, lo2, hi2, length;
    } forms[] = {{0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
                 {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
                 {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (*s < forms[i].lo || *s > forms[i].hi)
            continue;
        size_t length = forms[i].length;
        if (length > n || (length > 1 && (s[1] < forms[i].lo2 || s[1] > forms[i].hi2)))
            return 0;
        for (size_t k = 2; k < length; k++)
            if ((s[k] & 0xc0) != 0x80)
                return 0;
        return length;
    }
    return 0;
}

bool source_is_text(diag *d, uint32_t source) {
    size_t size;
    const unsigned char *text = (const unsigned char *)diag_source_text(d, source, &size);
    if (size > (size_t)SOURCE_MAX_MIB << 20) {
        diag_report(d, MSG_SOURCE_TOO_LARGE, (ir_span){source, 0, 0}, SOURCE_MAX_MIB);
        return false;
    }
    for (size_t i = 0, n; i < size; i += n) {
        ir_span here = {source, (uint32_t)i, (uint32_t)i + 1};
        n = sequence(text + i, size - i);
        if (n && text[i])
            continue;
        if (n)
            diag_report(d, MSG_NUL_BYTE, here);
        else
            diag_report(d, MSG_BAD_UTF8, here, text[i]);
        return false;
    }
    return true;
}
