/* Source files: from the disk into a diag, and the checks that come before scanning. */
#ifndef FRIT_FRONTEND_SOURCE_H
#define FRIT_FRONTEND_SOURCE_H
#include "ir/diag.h"

enum { SOURCE_MAX_MIB = 256 };

/* Reads a file and registers it under its path. 0 if it can't be read; then *error says why (errno). */
uint32_t source_read(diag *d, const char *path, int *error);
/* Checks size and encoding of a registered source: UTF-8 without NUL bytes. Reports and returns false if it is not. */
bool source_is_text(diag *d, uint32_t source);
#endif
