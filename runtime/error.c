#include "rt.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *frit_status_name(frit_status s) {
    static const char *const names[] = {
        "OK", "USAGE",     "NOT_FOUND",   "SHAPE",       "BAD_PACKAGE",   "VERSION_MISMATCH",
        "IO", "NO_MEMORY", "UNAVAILABLE", "UNSUPPORTED", "DEVICE_FAILED", "INTERNAL",
        "BAD_MODEL", "NOT_COMPILED"};
    return (unsigned)s < sizeof names / sizeof *names ? names[s] : "?";
}

frit_status rt_fail(frit_error *err, frit_status s, const char *fmt, ...) {
    if (!err) return s;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->message, sizeof err->message, fmt, ap);
    va_end(ap);
    err->status = s;
    err->line = 0;
    err->file[0] = 0;
    return s;
}

void rt_blame(frit_error *err, const char *file, uint32_t line) {
    if (!err) return;
    snprintf(err->file, sizeof err->file, "%s", file);
    err->line = line;
}

uint32_t frit_abi_version(void) { return FRIT_ABI_MAJOR << 16 | FRIT_ABI_MINOR; }
const char *frit_version(void) { return FRIT_VERSION; }
