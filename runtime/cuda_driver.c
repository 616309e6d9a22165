/* NVIDIA GPUs, through CUDA's driver API. */
#include "gpu.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const libraries[] = {"libcuda.so.1", "libcuda.so", NULL};

static void version(int v, char *text, size_t n) { snprintf(text, n, "CUDA %d.%d", v / 1000, v % 1000 / 10); }

static void architecture(gpu_device *g) {
    enum { CAPABILITY_MAJOR = 75, CAPABILITY_MINOR = 76 };
    int major = 0, minor = 0;
    g->api.device_attribute(&major, CAPABILITY_MAJOR, g->device);
    g->api.device_attribute(&minor, CAPABILITY_MINOR, g->device);
    snprintf(g->architecture, sizeof g->architecture, "sm_%d", major * 10 + minor);
}

/* The number after "sm_" (0: there is none) and the letter that may follow it. */
static int sm_of(const char *text, char *letter) {
    const char *at = strstr(text, "sm_");
    char *end;
    long n = at ? strtol(at + 3, &end, 10) : 0;
    *letter = n > 0 && (*end == 'a' || *end == 'f') ? *end : 0;
    return n > 0 && n < 10000 ? (int)n : 0;
}

/* sm_90a runs on 9.0 alone; sm_100f on 10.x from 10.0 on; machine code on its major number from its minor on; PTX on
 * anything from its number on. PTX ISA, chapter "PTX Module Directives: .target". The nearer the architecture the
 * better, then what is bound to it, then what needs no compiling. */
static int fits(const gpu_device *g, const char *target, bool text, char *why) {
    char letter, none;
    int want = sm_of(target, &letter), have = sm_of(g->architecture, &none);
    bool family = want / 10 == have / 10 && have >= want;
    bool runs = want && (letter == 'a' ? have == want : letter == 'f' || !text ? family : have >= want);
    if (runs) return 8 * want + (letter ? 2 : 0) + (text ? 0 : 1);
    snprintf(why, 160, "%.60s needs %s%s", target,
             !want           ? "an architecture that it does not name"
             : letter == 'a' ? "exactly that architecture"
             : have < want   ? "a newer device"
                             : "a device of its family",
             want && have >= want && !letter && !text ? " (machine code, and no PTX is in the package)" : "");
    return 0;
}

static const gpu_dialect cuda = {
    .kind = "cuda",
    .column = GPU_CUDA,
    .libraries = libraries,
    .advice = "install NVIDIA's driver (libcuda.so.1, the package nvidia-driver or libcuda1) on a machine with its GPU",
    .type = kDLCUDA,
    .multiprocessors = 16,
    .shared = 97,
    .pools = 115,
    .architecture = architecture,
    .fits = fits,
    .version = version,
};

static frit_status cuda_count(int *n, frit_error *err) { return gpu_count(&cuda, n, err); }
static frit_status cuda_open(frit_device *d, const frit_device_options *o, frit_error *err) {
    return gpu_open(&cuda, d, o, err);
}
const rt_driver rt_cuda_driver = GPU_DRIVER("cuda", cuda_count, cuda_open);
