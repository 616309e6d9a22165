#include "nvrtc.h"
#include "codegen/target.h"
#include "toolkit.h"
#include <dlfcn.h>
#include <string.h>

/* NVRTC's own interface (nvrtc.h of the CUDA toolkit, "NVRTC User Guide"): statuses are ints, 0 is success. */
typedef struct nvrtc_program nvrtc_program;
#define NVRTC_FUNCTIONS(F)                                                                                             \
    F(Version, (int *major, int *minor))                                                                               \
    F(CreateProgram, (nvrtc_program * *p, const char *source, const char *name, int n, const char *const *headers,     \
                      const char *const *names))                                                                       \
    F(CompileProgram, (nvrtc_program * p, int n, const char *const *options))                                          \
    F(GetProgramLogSize, (nvrtc_program * p, size_t *size))                                                            \
    F(GetProgramLog, (nvrtc_program * p, char *log))                                                                   \
    F(GetPTXSize, (nvrtc_program * p, size_t *size))                                                                   \
    F(GetPTX, (nvrtc_program * p, char *ptx))                                                                          \
    F(GetCUBINSize, (nvrtc_program * p, size_t *size))                                                                 \
    F(GetCUBIN, (nvrtc_program * p, char *cubin))                                                                      \
    F(DestroyProgram, (nvrtc_program * *p))

typedef struct nvrtc {
#define F(name, args) int(*name) args;
    NVRTC_FUNCTIONS(F)
#undef F
} nvrtc;

static bool open_library(arena *a, nvrtc *n) {
    void *lib = cuda_toolkit_library(a, "libnvrtc.so", "nvrtcCreateProgram"), *f;
    bool all = lib != NULL;
#define F(name, args)                                                                                                  \
    f = lib ? dlsym(lib, "nvrtc" #name) : NULL;                                                                        \
    memcpy(&n->name, &f, sizeof f);                                                                                    \
    all = all && f;
    NVRTC_FUNCTIONS(F)
#undef F
    return all;
}

bool nvrtc_find(arena *a, int *version) {
    nvrtc n;
    int major = 0, minor = 0;
    if (!open_library(a, &n) || n.Version(&major, &minor)) return false;
    if (version) *version = 1000 * major + 10 * minor;
    return true;
}

static const char *log_of(const nvrtc *n, nvrtc_program *p, arena *a) {
    size_t size = 0;
    if (n->GetProgramLogSize(p, &size) || size <= 1) return "";
    char *log = arena_alloc(a, size + 1);
    return n->GetProgramLog(p, log) ? "" : log;
}

static bool take_code(const nvrtc *n, nvrtc_program *p, arena *a, bool cubin, nvrtc_code *out) {
    size_t size = 0;
    if (cubin ? n->GetCUBINSize(p, &size) : n->GetPTXSize(p, &size)) return false;
    char *bytes = arena_alloc(a, size + 1);
    if (cubin ? n->GetCUBIN(p, bytes) : n->GetPTX(p, bytes)) return false;
    out->bytes = bytes;
    out->size = (int64_t)(cubin ? size : strlen(bytes));
    return size > 0;
}

static bool compile(const nvrtc *n, nvrtc_program *p, arena *a, const char *arch, bool cubin, nvrtc_code *out,
                    const char **error) {
    const char *options[] = {
        arena_printf(a, "--gpu-architecture=%s%s", cubin ? "sm_" : "compute_", arch + strcspn(arch, "0123456789")),
        "--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true", "--std=c++17", "--ptxas-options=-v"};
    int status = n->CompileProgram(p, cubin ? 7 : 6, options);
    out->log = log_of(n, p, a);
    if (!status && take_code(n, p, a, cubin, out)) return true;
    *error = arena_printf(a, "NVRTC: status %d for %s: %s", status, arch, out->log);
    return false;
}

bool nvrtc_compile(arena *a, const char *source, const char *arch, bool cubin, nvrtc_code *out, const char **error) {
    nvrtc n;
    nvrtc_program *p = NULL;
    if (!open_library(a, &n)) {
        *error = "libnvrtc " TARGET_MISSING ": it comes with the CUDA toolkit, or as the Python package nvidia-cuda-nvrtc";
        return false;
    }
    if (n.CreateProgram(&p, source, "kernels.cu", 0, NULL, NULL)) {
        *error = "libnvrtc " TARGET_BROKEN ": nvrtcCreateProgram fails";
        return false;
    }
    bool ok = compile(&n, p, a, arch, cubin, out, error);
    n.DestroyProgram(&p);
    return ok;
}
