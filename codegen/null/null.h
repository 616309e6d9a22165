/* The skeleton to copy for a new target: see null.c. */
#ifndef FRIT_CODEGEN_NULL_NULL_H
#define FRIT_CODEGEN_NULL_NULL_H
#include "codegen/target.h"

extern const target_class null_target_class;
#endif
