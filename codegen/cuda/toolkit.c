#include "toolkit.h"
#include "codegen/tool.h"
#include <dlfcn.h>
#include <stdlib.h>

enum { ROOTS = 3 };

static void roots(const char *root[ROOTS]) {
    root[0] = getenv("CUDA_HOME");
    root[1] = getenv("CUDA_PATH");
    root[2] = "/usr/local/cuda";
}

void *cuda_toolkit_library(arena *a, const char *name) {
    static const char *const versions[] = {".13", ".12", ""}, *const folders[] = {"lib64", "lib"};
    const char *root[ROOTS];
    roots(root);
    for (int v = 0; v < 3; v++) {
        void *h = dlopen(arena_printf(a, "%s%s", name, versions[v]), RTLD_NOW | RTLD_LOCAL);
        for (int r = 0; r < ROOTS && !h; r++)
            for (int f = 0; f < 2 && !h && root[r]; f++)
                h = dlopen(arena_printf(a, "%s/%s/%s%s", root[r], folders[f], name, versions[v]),
                           RTLD_NOW | RTLD_LOCAL);
        if (h) return h;
    }
    return NULL;
}

const char *cuda_toolkit_program(arena *a, const char *name) {
    const char *root[ROOTS], *dirs[ROOTS + 1] = {0};
    roots(root);
    for (int r = 0; r < ROOTS; r++) dirs[r] = root[r] ? arena_printf(a, "%s/bin", root[r]) : "";
    return tool_find(a, 1, &name, dirs);
}
