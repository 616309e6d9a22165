/* Target `c`: kernels as one portable C file (printer.h, dialect c). */
#ifndef FRIT_CODEGEN_C_C_H
#define FRIT_CODEGEN_C_C_H
#include "codegen/target.h"

extern const target_class c_target_class;
#endif
