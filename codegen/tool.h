/* Programs beside frit that finish code: they are looked for when they are needed, and their absence is an error in
 * words, never a need of the build. */
#ifndef FRIT_CODEGEN_TOOL_H
#define FRIT_CODEGEN_TOOL_H
#include "ir/arena.h"
#include <stdbool.h>

/* The path of the first of `names` (n of them) found in PATH or in one of the folders `dirs` (NULL-terminated; may be
 * NULL; entries "" are passed over); NULL when there is none. */
const char *tool_find(arena *a, int n, const char *const *names, const char *const *dirs);

typedef struct tool_bytes {
    char *bytes; /* arena; NUL-terminated besides */
    size_t size;
} tool_bytes;

/* Runs `program` with `args` (NULL-terminated; without the program itself), in which TOOL_IN and TOOL_OUT stand for
 * the names of two temporary files: one that holds `in`, and one that the program writes and that becomes *out. *log
 * is what it printed. False: *error says why, with the log. Safe to call from several threads. */
#define TOOL_IN "{in}"
#define TOOL_OUT "{out}"
bool tool_run(arena *a, const char *program, const char *const *args, tool_bytes in, tool_bytes *out, const char **log,
              const char **error);
/* The whole of a file, NULL bytes when it can't be read. */
tool_bytes tool_read_file(arena *a, const char *path);
#endif
