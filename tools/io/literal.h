/* Tensor literals of the command line: `3`, `-1e5`, `true`, `nan`, `[1, 2, 3]`, `[[1, 2], [3, 4]]`. */
#ifndef FRIT_TOOLS_LITERAL_H
#define FRIT_TOOLS_LITERAL_H
#include "io.h"

/* Whether `text` is meant as a literal rather than a file name: it starts with '[', or is a number or a word of numbers
 * from end to end. A file with such a name is written ./3. */
bool literal_looks_like(const char *text);
/* Elements get dtype t, each value checked to fit (integers exactly; floats are rounded). Lists nest to IO_MAX_RANK and
 * are rectangular. */
bool literal_parse(io_array *a, const char *text, frit_dtype t, io_error *e);
#endif
