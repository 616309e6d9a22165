/* An object to a code object, by an ld.lld process. */
#include "codegen/tool.h"
#include "hip_internal.h"
#include <stdlib.h>

const void *hip_link(arena *a, const void *object, size_t size, int64_t *bytes, const char **error) {
    static const char *const args[] = {"-shared", "--no-undefined", TOOL_IN, "-o", TOOL_OUT, NULL};
    const char *rocm = getenv("ROCM_PATH"), *own = arena_printf(a, "ld.lld-%d", machine_llvm_version()), *log;
    const char *names[] = {own, "ld.lld", "ld.lld-22", "ld.lld-21", "ld.lld-20", "ld.lld-19"};
    const char *dirs[] = {arena_printf(a, "/usr/lib/llvm-%d/bin", machine_llvm_version()),
                          rocm ? arena_printf(a, "%s/llvm/bin", rocm) : "", "/opt/rocm/llvm/bin", NULL};
    const char *program = tool_find(a, sizeof names / sizeof *names, names, dirs);
    if (!program) {
        *error = arena_printf(a, "ld.lld " TARGET_MISSING " for AMD GPUs: install lld-%d, or use '+source'",
                              machine_llvm_version());
        return NULL;
    }
    tool_bytes out;
    if (!tool_run(a, program, args, (tool_bytes){(char *)object, size}, &out, &log, error)) return NULL;
    *bytes = (int64_t)out.size;
    return out.bytes;
}
