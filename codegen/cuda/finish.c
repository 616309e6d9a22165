/* PTX to machine code: by a ptxas process, else by libnvJitLink, an assembler in this process. That one makes code to be linked
 * with more: it then leaves out setmaxnreg and waits for each wgmma, since other units might hold callers, so it goes last. */
#include "codegen/tool.h"
#include "cuda_internal.h"
#include "toolkit.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* ------------ nvJitLink (its documentation: "nvJitLink API") */
typedef struct jitlink {
    int (*create)(void **handle, uint32_t n, const char **options);
    int (*destroy)(void **handle);
    int (*add)(void *handle, int type, const void *data, size_t size, const char *name);
    int (*complete)(void *handle);
    int (*cubin_size)(void *handle, size_t *size);
    int (*cubin)(void *handle, void *bytes);
    int (*error_size)(void *handle, size_t *size);
    int (*error)(void *handle, char *text);
    int (*info_size)(void *handle, size_t *size);
    int (*info)(void *handle, char *text);
} jitlink;
enum { INPUT_PTX = 2 };

static bool bind(void *library, const char *name, void *function) {
    void *f = dlsym(library, name);
    memcpy(function, &f, sizeof f);
    return f != NULL;
}

static bool open_jitlink(arena *a, jitlink *l) {
    void *lib = cuda_toolkit_library(a, "libnvJitLink.so", "nvJitLinkCreate");
    return lib && bind(lib, "nvJitLinkCreate", &l->create) && bind(lib, "nvJitLinkDestroy", &l->destroy) &&
           bind(lib, "nvJitLinkAddData", &l->add) && bind(lib, "nvJitLinkComplete", &l->complete) &&
           bind(lib, "nvJitLinkGetLinkedCubinSize", &l->cubin_size) && bind(lib, "nvJitLinkGetLinkedCubin", &l->cubin) &&
           bind(lib, "nvJitLinkGetErrorLogSize", &l->error_size) && bind(lib, "nvJitLinkGetErrorLog", &l->error) &&
           bind(lib, "nvJitLinkGetInfoLogSize", &l->info_size) && bind(lib, "nvJitLinkGetInfoLog", &l->info);
}

static const char *take_log(arena *a, void *h, int (*size)(void *, size_t *), int (*text)(void *, char *)) {
    size_t n = 0;
    if (size(h, &n) || !n) return "";
    char *s = arena_alloc(a, n + 1);
    return text(h, s) ? "" : s;
}

/* *works false: the library takes no work for this processor at all. */
static bool assemble_here(const jitlink *l, arena *a, const char *arch, tool_bytes ptx, tool_bytes *out,
                          const char **log, const char **error, bool *works) {
    const char *options[] = {arena_printf(a, "-arch=%s", arch), "-Xptxas=-v"};
    void *h = NULL;
    int status = l->create(&h, 2, options);
    *works = !status && h;
    if (!*works) return false;
    status = l->add(h, INPUT_PTX, ptx.bytes, ptx.size + 1, "frit.ptx");
    if (!status) status = l->complete(h);
    if (!status) status = l->cubin_size(h, &out->size);
    if (!status) {
        out->bytes = arena_alloc(a, out->size);
        status = l->cubin(h, out->bytes);
    }
    *log = take_log(a, h, l->info_size, l->info);
    if (status)
        *error = arena_printf(a, "nvJitLink failed for %s (status %d): %s", arch, status,
                              take_log(a, h, l->error_size, l->error));
    l->destroy(&h);
    return !status;
}

/* False with no *error: there is no such program. */
static bool assemble_beside(arena *a, const char *arch, tool_bytes ptx, tool_bytes *out, const char **log,
                            const char **error) {
    const char *program = cuda_toolkit_program(a, "ptxas");
    const char *args[] = {"-v", "-arch", arch, TOOL_IN, "-o", TOOL_OUT, NULL};
    return program && tool_run(a, program, args, ptx, out, log, error);
}

/* The program may be older than the processor: then the library's turn comes all the same. */
static bool assemble(arena *a, const char *arch, tool_bytes ptx, tool_bytes *out, const char **log, const char **error) {
    jitlink l;
    const char *failure = NULL;
    bool works = false;
    if (assemble_beside(a, arch, ptx, out, log, &failure)) return true;
    if (open_jitlink(a, &l) && assemble_here(&l, a, arch, ptx, out, log, error, &works)) return true;
    if (works && !failure) return false;
    *error = failure ? failure
                     : "libnvJitLink or ptxas " TARGET_MISSING
                       ": install the CUDA toolkit or set CUDA_HOME, or leave out '+cubin' and let the driver do it";
    return false;
}

bool cuda_assemble(arena *a, const char *arch, const char *ptx, size_t size, cuda_code *code, const char **error) {
    tool_bytes out;
    if (!assemble(a, arch, (tool_bytes){(char *)ptx, size}, &out, &code->log, error)) return false;
    code->bytes = out.bytes;
    code->size = (int64_t)out.size;
    return true;
}

/* ------------ spills, from the log */
/* The number before `words` in the line that starts at s, 0 when it is not there. */
static int number_before(const char *s, const char *words) {
    const char *end = strchr(s, '\n'), *at = strstr(s, words);
    if (!at || (end && at > end)) return 0;
    while (at > s && at[-1] == ' ') at--;
    while (at > s && at[-1] >= '0' && at[-1] <= '9') at--;
    int n = 0;
    return sscanf(at, "%d", &n) == 1 ? n : 0;
}

void cuda_read_spills(arena *a, const char *log, int n, code_kernel *k) {
    for (int i = 0; i < n; i++) {
        const char *title = arena_printf(a, "Function properties for %s\n", k[i].name), *at = strstr(log, title);
        if (at) k[i].spills = number_before(at + strlen(title), "bytes spill stores");
    }
}
