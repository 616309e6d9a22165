/* Preloaded into a program that runs packages made by text_target.c with TEXT_KEEP: loads the libraries of that folder and
 * puts their functions where the packages' code looks for them. */
#include "text_slots.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void **slots(void) {
    void *want = (void *)TEXT_SLOTS, *p = mmap(want, TEXT_MAX_SLOTS * sizeof(void *), PROT_READ | PROT_WRITE,
                                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);
    if (p != want) fprintf(stderr, "text_slots: the table's place is taken\n"), abort();
    return p;
}

__attribute__((constructor)) static void fill(void) {
    const char *folder = getenv("TEXT_KEEP");
    char path[1024], library[64], symbol[512], last[64] = "";
    void *lib = NULL, **table;
    if (!folder) return;
    snprintf(path, sizeof path, "%s/index", folder);
    FILE *f = fopen(path, "r");
    if (!f) return; /* nothing is compiled yet */
    table = slots();
    for (int i = 0; fscanf(f, "%63s %511s", library, symbol) == 2; i++) {
        if (strcmp(library, last)) {
            snprintf(path, sizeof path, "%s/%s", folder, library);
            lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
            strcpy(last, library);
        }
        if (!lib || i == TEXT_MAX_SLOTS || !(table[i] = dlsym(lib, symbol))) fprintf(stderr, "text_slots: %s\n", dlerror()), abort();
    }
    fclose(f);
}
