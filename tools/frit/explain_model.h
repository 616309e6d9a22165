#ifndef FRIT_TOOLS_EXPLAIN_MODEL_H
#define FRIT_TOOLS_EXPLAIN_MODEL_H
#include "cli.h"

/* Prints each kernel of the model with the source lines of its ops and the reason why they share it; with two ops
 * (names of values, or lines as ":12") only where these are and what parts them. */
int explain_model(cli *c, const char *path, const char *one, const char *other);
#endif
