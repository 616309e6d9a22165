/* Which GPU this machine has, asked of the kernel's driver: a node of its topology that has SIMD units says its version as
 * 10000 major + 100 minor + step (Linux, "amdkfd" topology in sysfs). */
#include "hip_internal.h"
#include <stdio.h>
#include <string.h>

/* Value of the property `name` of node i; -1 when there is none. */
static long property(int i, const char *name) {
    char path[96], key[64];
    long value, found = -1;
    snprintf(path, sizeof path, "/sys/class/kfd/kfd/topology/nodes/%d/properties", i);
    FILE *f = fopen(path, "r");
    if (!f) return -1;
    while (found < 0 && fscanf(f, "%63s %ld", key, &value) == 2)
        if (!strcmp(key, name)) found = value;
    fclose(f);
    return found;
}

const hip_arch *hip_arch_here(arena *a, const char **error) {
    enum { MAX_NODES = 64 };
    for (int i = 0; i < MAX_NODES; i++) {
        long version = property(i, "gfx_target_version");
        if (version < 0) break;
        if (!version) continue; /* a processor */
        const char *name = arena_printf(a, "gfx%ld%lx%lx", version / 10000, version / 100 % 100, version % 100);
        const hip_arch *arch = hip_arch_find(name, strlen(name));
        if (!arch) *error = arena_printf(a, "this machine's device (%s) is not one that frit makes code for", name);
        return arch;
    }
    *error = "no HIP device is found on this machine: install ROCm (libamdhip64.so) where its GPU is, or name a target, e.g. hip:gfx942";
    return NULL;
}
