/* The op tables and the messages as text for people: `frit explain`, docs/ops.md, docs/errors.md. */
#ifndef FRIT_TOOLS_CATALOGUE_H
#define FRIT_TOOLS_CATALOGUE_H
#include <stdbool.h>
#include <stdio.h>

/* What the op `name` means; false when there is none. */
bool catalogue_op(FILE *out, const char *name);
/* What the diagnostic `code` means; false when there is none. */
bool catalogue_message(FILE *out, const char *code);
void catalogue_ops_markdown(FILE *out);
void catalogue_errors_markdown(FILE *out);
#endif
