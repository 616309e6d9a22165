/* Shared by the frontend's tests. */
#ifndef FRIT_TESTS_FRONTEND_SUPPORT_H
#define FRIT_TESTS_FRONTEND_SUPPORT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/ast.h"

/* One parsed text and all that belongs to it. */
typedef struct {
    arena *memory;
    diag *d;
    uint32_t source;
    ast_file *file;
} parsed;

parsed parse_text(const char *text, size_t size);
void parsed_free(parsed *p);

/* The whole text of a file of the repository, in arena a. */
char *read_project_file(arena *a, const char *path);

extern const char *const example_files[]; /* paths of the example models, then NULL */

/* The next fenced block of a Markdown text whose info string starts with `frit`, from *at on; false at the end. `info`
 * is what follows the fence ("frit", "frit-error E0204"). */
bool next_example(arena *a, const char **at, const char **info, const char **text);
#endif
