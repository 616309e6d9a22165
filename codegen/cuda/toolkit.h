/* Finds the parts of a CUDA toolkit: by the system's own search, then under $CUDA_HOME, $CUDA_PATH and the usual
 * place. */
#ifndef FRIT_CODEGEN_CUDA_TOOLKIT_H
#define FRIT_CODEGEN_CUDA_TOOLKIT_H
#include "ir/arena.h"

/* A handle for dlsym of the library `name` ("libnvJitLink.so"), of a version that frit knows (12 or 13); NULL when there is none.
 * Files of that name without `function` are passed over.
 * The library stays loaded; the handle is never closed. */
void *cuda_toolkit_library(arena *a, const char *name, const char *function);
/* The path of the program `name`, NULL when there is none. */
const char *cuda_toolkit_program(arena *a, const char *name);
#endif
