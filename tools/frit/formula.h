/* Dim formulas as packages and diagnostics write them: "2*H*E + (d // E) - 1", "min(a, b)". */
#ifndef FRIT_TOOLS_FORMULA_H
#define FRIT_TOOLS_FORMULA_H
#include <stdbool.h>
#include <stdint.h>

/* value(u, name, length, &v) gives a variable's value. False when a name has none, on overflow, or when the text is no
 * formula. Division rounds down; by zero it gives 0. */
bool formula_eval(const char *text, bool (*value)(void *u, const char *name, int length, int64_t *v), void *u,
                  int64_t *out);
#endif
