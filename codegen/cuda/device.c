/* Which GPU this machine has, asked of the CUDA driver. */
#include "cuda_internal.h"
#include <dlfcn.h>
#include <string.h>

enum { CAPABILITY_MAJOR = 75, CAPABILITY_MINOR = 76 }; /* CUdevice_attribute */

static bool bind(void *library, const char *name, void *function) {
    void *f = dlsym(library, name);
    memcpy(function, &f, sizeof f);
    return f != NULL;
}

/* Major and minor capability of device 0 as 10 major + minor, 0 when there is none. */
static int capability(void) {
    int (*init)(unsigned), (*get)(int *, int), (*attribute)(int *, int, int), device, major = 0, minor = 0;
    void *lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!lib) return 0;
    if (!bind(lib, "cuInit", &init) || !bind(lib, "cuDeviceGet", &get) ||
        !bind(lib, "cuDeviceGetAttribute", &attribute))
        return 0;
    if (init(0) || get(&device, 0) || attribute(&major, CAPABILITY_MAJOR, device) ||
        attribute(&minor, CAPABILITY_MINOR, device))
        return 0;
    return 10 * major + minor;
}

/* Code for a processor with all it has ("a") where the table has that, else for the newest older one of its family. */
const cuda_arch *cuda_arch_here(arena *a, const char **error) {
    int have = capability();
    if (!have) {
        *error = "no CUDA device is found on this machine: install NVIDIA's driver (libcuda.so.1) where its GPU is, or name a target, e.g. cuda:sm_80";
        return NULL;
    }
    for (int c = have; c > 0 && c / 10 == have / 10; c--) {
        const char *name = arena_printf(a, "sm_%da", c);
        const cuda_arch *arch = c == have ? cuda_arch_find(name, strlen(name)) : NULL;
        if (!arch) arch = cuda_arch_find(name, strlen(name) - 1);
        if (arch) return arch;
    }
    *error = arena_printf(a, "this machine's CUDA device (sm_%d) is not one that frit makes code for", have);
    return NULL;
}
