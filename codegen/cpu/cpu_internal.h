#ifndef FRIT_CODEGEN_CPU_CPU_INTERNAL_H
#define FRIT_CODEGEN_CPU_CPU_INTERNAL_H
#include "codegen/llvm/machine.h"
#include "cpu.h"
#include "link.h"

typedef struct cpu_target {
    target base;
    machine_spec spec;
    cpu_arch arch;
    cpu_level level;
} cpu_target;

/* names.c: reads "NAME[+LEVEL[+EXTRA]...]", or this machine when spec is NULL, and fills t. */
bool cpu_parse(arena *a, const char *spec, cpu_target *t, const char **error);

/* host.c: the name of this machine's processor among those of names.c, NULL when it is none of them; whether it has a
 * feature by LLVM's name ("avx2"). */
const char *cpu_host_name(void);
bool cpu_host_has(const char *name);

/* needs.c: see target_class. */
void cpu_needs(const target *t, uint32_t *arch, uint64_t *features);
#endif
