/* The canonical layout of a .frit file: `frit fmt`.
 *
 * Changed: indentation (4 columns a block or open bracket, 4 for a continued statement), spaces between tokens, blank
 * lines (at most one in a row, none at the ends of a block), the column of comments behind code (aligned over
 * neighbouring lines), a comma before a closing bracket on its own line.
 * Kept: comments, line breaks inside brackets and after operators, one-line blocks, single blank lines, and whether an
 * arithmetic operator is spaced (h*E + e). */
#ifndef FRIT_FRONTEND_FMT_H
#define FRIT_FRONTEND_FMT_H
#include "ir/arena.h"
#include "ir/diag.h"

/* The formatted text, in arena a, ending in one newline (empty for an empty file); NULL, with diagnostics, if the
 * source has syntax errors. Formatting twice changes nothing, and the tree stays equal (ast_dump). */
char *frit_fmt(arena *a, diag *d, uint32_t source);
#endif
