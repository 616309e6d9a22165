/* An object to a code object, by an ld.lld process. */
#include "codegen/tool.h"
#include "hip_internal.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>

/* The object with arch's number in its header, and its name in its metadata. */
static void rename_processor(const hip_arch *arch, const char *made_for, char *object, size_t size) {
    enum { MACH = 0xff };
    Elf64_Ehdr h;
    size_t n = strlen(made_for);
    if (size < sizeof h || strlen(arch->name) != n) return;
    memcpy(&h, object, sizeof h);
    h.e_flags = (h.e_flags & ~(Elf64_Word)MACH) | (Elf64_Word)arch->old_mach;
    memcpy(object, &h, sizeof h);
    for (char *at = object; (at = memmem(at, size - (size_t)(at - object), made_for, n)); at += n)
        if (at - object > 2 && at[-1] == '-' && at[-2] == '-') memcpy(at, arch->name, n);
}

const void *hip_link(arena *a, const hip_arch *arch, const char *made_for, const void *object, size_t size,
                     int64_t *bytes, const char **error) {
    static const char *const args[] = {"-shared", "--no-undefined", TOOL_IN, "-o", TOOL_OUT, NULL};
    const char *rocm = getenv("ROCM_PATH"), *own = arena_printf(a, "ld.lld-%d", machine_llvm_version()), *log;
    const char *names[] = {own, "ld.lld-22", "ld.lld-21", "ld.lld-20", "ld.lld-19", "ld.lld"};
    const char *dirs[] = {arena_printf(a, "/usr/lib/llvm-%d/bin", machine_llvm_version()),
                          rocm ? arena_printf(a, "%s/llvm/bin", rocm) : "", "/opt/rocm/llvm/bin", NULL};
    const char *program = tool_find(a, sizeof names / sizeof *names, names, dirs);
    if (!program) {
        *error = arena_printf(a, "ld.lld " TARGET_MISSING " for AMD GPUs: install lld-%d, or use '+source'",
                              machine_llvm_version());
        return NULL;
    }
    tool_bytes in = {arena_copy(a, object, size), size}, out;
    if (strcmp(arch->name, made_for)) rename_processor(arch, made_for, in.bytes, size);
    if (!tool_run(a, program, args, in, &out, &log, error)) return NULL;
    *bytes = (int64_t)out.size;
    return out.bytes;
}
