#ifndef FRIT_CODEGEN_CPU_CPU_INTERNAL_H
#define FRIT_CODEGEN_CPU_CPU_INTERNAL_H
#include "codegen/llvm/machine.h"
#include "cpu.h"

typedef struct cpu_target {
    target base;
    machine_spec spec;
    cpu_arch arch;
    cpu_level level;
} cpu_target;

/* names.c: reads "NAME[+LEVEL[+EXTRA]...]", or this machine when spec is NULL, and fills t. */
bool cpu_parse(arena *a, const char *spec, cpu_target *t, const char **error);

/* needs.c: see target_class. */
void cpu_needs(const target *t, uint32_t *arch, uint64_t *features);

/* link.c: the code and read-only data of an ELF object as one blob, with the offsets of n symbols. Undefined symbols,
 * writable data and relocations that need an address are errors. */
const code_blob *cpu_link(arena *a, const void *object, size_t size, int n, const char *const *symbols,
                          const char **error);
#endif
