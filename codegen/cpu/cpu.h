/* The CPU target: `cpu`, `cpu:x86-64-v4`, `cpu:znver4+avx2`, `cpu:aarch64`...
 *
 *     cpu[:NAME[+LEVEL[+EXTRA]...]]
 *
 * NAME is a processor (names.c). Alone it stands for all of the table's extensions that processor has. With a LEVEL
 * (avx2, avx512, neon) the instruction set is exactly that level and the EXTRAs named, tuned for NAME. `cpu` alone is
 * this machine, always written out with its level and extras: the canonical string.
 *
 * Kernels follow the CPU kernel ABI of docs/architecture.md. The arguments of the thread function: a pointer per
 * buffer, an i64 per symbol, a u8 pointer to scratch memory, and the i64 range of tasks. */
#ifndef FRIT_CODEGEN_CPU_CPU_H
#define FRIT_CODEGEN_CPU_CPU_H
#include "codegen/target.h"

extern const target_class cpu_target_class;

typedef enum cpu_arch { CPU_X86_64, CPU_AARCH64 } cpu_arch;
typedef enum cpu_level { CPU_AVX2, CPU_AVX512, CPU_NEON, CPU_LEVEL_COUNT } cpu_level;

#endif
