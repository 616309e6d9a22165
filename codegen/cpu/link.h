/* A linker for one object. */
#ifndef FRIT_CODEGEN_CPU_LINK_H
#define FRIT_CODEGEN_CPU_LINK_H
#include "codegen/target.h"

/* The code and read-only data of an ELF object (x86-64 or aarch64) as one blob, with the offsets of n symbols.
 * Undefined symbols, writable data and relocations that need an address are errors; so is any malformed object. */
const code_blob *cpu_link(arena *a, const void *object, size_t size, int n, const char *const *symbols,
                          const char **error);
#endif
