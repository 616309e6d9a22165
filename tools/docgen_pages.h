/* The pages that docgen writes besides those of tools/frit. */
#ifndef FRIT_TOOLS_DOCGEN_PAGES_H
#define FRIT_TOOLS_DOCGEN_PAGES_H
#include <stdbool.h>
#include <stdio.h>

/* The manual page frit(1), in the man macros. */
void man_page(FILE *out);
/* Completion of the command line for a shell. */
void complete_bash(FILE *out);
void complete_zsh(FILE *out);
void complete_fish(FILE *out);
/* docs/api.md from the comments and declarations of public headers. False when one cannot be read. */
bool api_page(FILE *out, int n, char **headers);
#endif
