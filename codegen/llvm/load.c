#include "load.h"

#ifndef FRIT_LLVM_LIBRARY
bool llvm_load(const char **error) { return true; }
const char *llvm_file(void) { return ""; }
#else
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* FUNCTION(name) for every function: a pointer that is set once, before the first call, and a jump through it. */
#if defined(__x86_64__)
#define JUMP(name) "endbr64\n jmp *llvm_at_" name "(%rip)\n"
#elif defined(__aarch64__)
#define JUMP(name) "hint 34\n adrp x16, llvm_at_" name "\n ldr x16, [x16, :lo12:llvm_at_" name "]\n br x16\n"
#else
#error "link LLVM statically here (FRIT_LLVM_STATIC): jumps are written for x86-64 and aarch64"
#endif
#define FUNCTION(name)                                                                                                 \
    __attribute__((visibility("hidden"), used)) void *llvm_at_##name;                                                  \
    __asm__(".pushsection .text\n .globl " #name "\n .hidden " #name "\n .type " #name ", %function\n" #name           \
            ":\n" JUMP(#name) " .size " #name ", . - " #name "\n .popsection\n");
#include "llvm_functions.def"
#undef FUNCTION

static const struct {
    const char *name;
    void **at;
} functions[] = {
#define FUNCTION(name) {#name, &llvm_at_##name},
#include "llvm_functions.def"
#undef FUNCTION
};
enum { N_FUNCTIONS = sizeof functions / sizeof *functions };

static char failure[512]; /* written once; empty: loaded */

static void load(void) {
    const char *slash = strrchr(FRIT_LLVM_LIBRARY, '/'), *name = slash ? slash + 1 : FRIT_LLVM_LIBRARY;
    void *library = dlopen(FRIT_LLVM_LIBRARY, RTLD_LAZY | RTLD_LOCAL);
    if (!library) library = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
    if (!library) {
        snprintf(failure, sizeof failure, LLVM_MISSING ", which is needed to compile: %s (on Debian: libllvm%d)",
                 dlerror(), FRIT_LLVM_MAJOR);
        return;
    }
    for (size_t i = 0; i < N_FUNCTIONS; i++) {
        *functions[i].at = dlsym(library, functions[i].name);
        if (*functions[i].at) continue;
        snprintf(failure, sizeof failure, LLVM_MISSING ": %s lacks %s, so it is not the version that frit was built for", name,
                 functions[i].name);
        return;
    }
}

bool llvm_load(const char **error) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    *error = failure;
    return !failure[0];
}

const char *llvm_file(void) {
    const char *error;
    Dl_info where;
    if (!access(FRIT_LLVM_LIBRARY, R_OK)) return FRIT_LLVM_LIBRARY;
    return llvm_load(&error) && dladdr(*functions[0].at, &where) ? where.dli_fname : NULL;
}
#endif
