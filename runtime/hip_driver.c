/* AMD GPUs, through HIP's runtime API. */
#include "gpu.h"
#include <stdio.h>
#include <string.h>

static const char *const libraries[] = {"libamdhip64.so", "libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5",
                                        NULL};

static void version(int v, char *text, size_t n) { snprintf(text, n, "HIP %d.%d", v / 10000000, v / 100000 % 100); }

/* The name ("gfx942:sramecc+:xnack-") is a field of a struct whose layout changes between releases; nothing else in it
 * begins with gfx. */
static void architecture(gpu_device *g) {
    char properties[4096] = {0};
    int error = g->api.device_properties       ? g->api.device_properties(properties, g->device)
                : g->api.device_properties_old ? g->api.device_properties_old(properties, g->device)
                                               : 1;
    const char *at = error ? NULL : memmem(properties, sizeof properties - 48, "gfx", 3);
    snprintf(g->architecture, sizeof g->architecture, "%.*s", at ? (int)strcspn(at, ":") : 0, at ? at : "");
}

/* Code objects are for one architecture. Where its name is not known, loading tells. */
static int fits(const gpu_device *g, const char *target, bool text, char *why) {
    const char *want = strstr(target, "gfx");
    size_t n = want ? strspn(want, "gfx0123456789abcdef") : 0;
    if (!text && want && (!g->architecture[0] || (strlen(g->architecture) == n && !memcmp(want, g->architecture, n))))
        return 1;
    snprintf(why, 160, "%.60s %s %.40s", target, text ? "is no machine code for" : "is not", g->architecture);
    return 0;
}

static const gpu_dialect hip = {
    .kind = "hip",
    .column = GPU_HIP,
    .libraries = libraries,
    .advice =
        "install ROCm 6 or later (libamdhip64.so, the package rocm-hip-runtime) on a machine with an AMD GPU",
    .type = kDLROCM,
    .multiprocessors = 63,
    .shared = 74,
    .pools = 88,
    .architecture = architecture,
    .fits = fits,
    .version = version,
};

static frit_status hip_count(int *n, frit_error *err) { return gpu_count(&hip, n, err); }
static frit_status hip_open(frit_device *d, const frit_device_options *o, frit_error *err) {
    return gpu_open(&hip, d, o, err);
}
const rt_driver rt_hip_driver = GPU_DRIVER("hip", hip_count, hip_open);
