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

static void *open_library(const char *path, const char *function) {
    void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!h || dlsym(h, function)) return h;
    dlclose(h);
    return NULL;
}

void *cuda_toolkit_library(arena *a, const char *name, const char *function) {
    static const char *const versions[] = {".13", ".12", ""}, *const folders[] = {"lib64", "lib"};
    const char *root[ROOTS];
    roots(root);
    for (int v = 0; v < 3; v++) {
        void *h = open_library(arena_printf(a, "%s%s", name, versions[v]), function);
        for (int r = 0; r < ROOTS && !h; r++)
            for (int f = 0; f < 2 && !h && root[r]; f++)
                h = open_library(arena_printf(a, "%s/%s/%s%s", root[r], folders[f], name, versions[v]), function);
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
