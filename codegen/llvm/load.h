/* LLVM's library, loaded when the first kernel is compiled and not before: a program that only runs packages, or finds
 * what it asks for in the cache, never pays for it (about 14 ms of a process's start), and starts without it.
 *
 * Every function of LLVM's C API that this folder calls is defined in load.c as a jump through a pointer; CMake finds
 * the names among the undefined symbols of the folder's objects. Where LLVM is linked statically, nothing is loaded. */
#ifndef FRIT_CODEGEN_LLVM_LOAD_H
#define FRIT_CODEGEN_LLVM_LOAD_H
#include <stdbool.h>

/* Part of the error that says that there is no LLVM to load: the environment's fault, not a bug. */
#define LLVM_MISSING "LLVM cannot be loaded"

/* Makes LLVM's functions callable; any thread, any number of times. False: *error says what to install (text that lives
 * for ever). */
bool llvm_load(const char **error);
/* The file that llvm_load takes LLVM from, found without loading it where it lies where it lay when frit was built. ""
 * when LLVM is linked in; NULL when there is none. */
const char *llvm_file(void);
#endif
