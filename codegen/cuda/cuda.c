/* The CUDA target: target strings, and which road makes the code. */
#include "cuda_internal.h"
#include "codegen/c/printer.h"
#include "nvrtc.h"
#include "nvvm.h"
#include <string.h>

static const char *const roads[CUDA_ROADS] = {"", "cubin", "nvrtc", "source"};

/* ------------ strings */
static bool read_spec(arena *a, const char *spec, cuda_target *t, const char **error) {
    size_t len = strcspn(spec, "+");
    t->arch = cuda_arch_find(spec, len);
    if (!t->arch) {
        const char *known = "";
        for (int i = 0; cuda_arch_at(i); i++)
            known = arena_printf(a, "%s%s%s", known, i ? ", " : "", cuda_arch_at(i)->name);
        *error = arena_printf(a, "unknown CUDA processor '%.*s' (known: %s)", (int)len, spec, known);
        return false;
    }
    if (!spec[len]) return true;
    for (int r = CUDA_CUBIN; r < CUDA_ROADS; r++)
        if (!strcmp(spec + len + 1, roads[r])) {
            t->road = (cuda_road)r;
            return true;
        }
    *error = arena_printf(a, "unknown option '%s' of target 'cuda' (known: cubin, nvrtc, source)", spec + len + 1);
    return false;
}

enum { LAUNCH_NS = 2000 }; /* that one more launch takes, about */

static void set_machine(arena *a, cuda_target *t) {
    bool old = machine_llvm_version() < 22 && t->arch->old_llvm;
    const cuda_arch *as = old ? cuda_arch_find(t->arch->old_llvm, strlen(t->arch->old_llvm)) : t->arch;
    t->machine = (gpu_machine){
        .spec = {.triple = "nvptx64-nvidia-cuda",
                 .cpu = as->llvm,
                 .features = arena_printf(a, "+ptx%d", as->ptx),
                 .assembled = true},
        .ops = as->atoms & FRIT_ATOM_CLUSTER ? &nvvm_sm_90 : as->atoms & FRIT_ATOM_MMA_16816 ? &nvvm_sm_80 : &nvvm_sm_75,
        .convention = 71, /* ptx_kernel */
        .declare = nvvm_declare,
    };
}

static const target *cuda_open(arena *a, const char *spec, const char **error) {
    cuda_target *t = arena_new_of(a, cuda_target);
    t->base.cls = &cuda_target_class;
    if (spec ? !read_spec(a, spec, t, error) : !(t->arch = cuda_arch_here(a, error))) return NULL;
    set_machine(a, t);
    t->base.string =
        arena_printf(a, "cuda:%s%s%s", t->arch->name, t->road == CUDA_PTX ? "" : "+", roads[t->road]);
    int64_t shared = (int64_t)t->arch->shared_kb << 10;
    t->base.limits = (frit_target_limits){.vector_bytes = 16,
                                          .vector_registers = 16,
                                          .fma = true,
                                          .l1_bytes = shared,
                                          .l2_bytes = 4 << 20,
                                          .cache_line = 128,
                                          .threads = 256,
                                          .warp = 32,
                                          .shared_bytes = shared,
                                          .registers = 255,
                                          .atoms = t->arch->atoms,
                                          .multiprocessors = t->arch->multiprocessors,
                                          .multiprocessor_registers = 65536,
                                          .multiprocessor_shared = shared + 1024,
                                          .launch_bytes = LAUNCH_NS * t->arch->gb_per_s / t->arch->multiprocessors,
                                          .piece_price = 1,
                                          .cluster_part = 4096};
    return &t->base;
}

/* ------------ roads */
static int parameter_bytes(const ir_func *f) {
    enum { MAP = 128 };
    int bytes = 8 * f->body->n_args;
    for (const ir_op *op = f->body->first; op; op = op->next) bytes += op->code == IR_tensor_map ? MAP : 0;
    return bytes;
}

/* Kernels with parameters of more than 4 KB are of PTX 8.1 (as ptxas says; CUDA 12.1, "32,764 bytes of kernel parameters"). */
static bool generate(const cuda_target *t, arena *a, target_form form, int n, ir_func *const *funcs, const char **names,
                     machine_output *out, const char **error) {
    enum { MOST_PARAMETERS = 4096, WIDER = 81 };
    gpu_machine m = t->machine;
    for (int i = 0; i < n; i++)
        if (parameter_bytes(funcs[i]) > MOST_PARAMETERS && t->arch->ptx < WIDER) m.spec.features = arena_printf(a, "+ptx%d", WIDER);
    return gpu_generate(&m, a, form, n, funcs, names, out, error);
}

static bool make_ptx(const cuda_target *t, arena *a, int n, ir_func *const *funcs, const char **names,
                     machine_output *out, const char **error) {
    return generate(t, a, TARGET_ASM, n, funcs, names, out, error);
}

static code_blob *make_cubin(const cuda_target *t, arena *a, int n, ir_func *const *funcs, const char **error) {
    const char **names = arena_array(a, const char *, n + 1);
    machine_output ptx;
    cuda_code code;
    if (!make_ptx(t, a, n, funcs, names, &ptx, error)) return NULL;
    if (!cuda_assemble(a, t->arch->name, ptx.bytes, ptx.size, &code, error)) return NULL;
    code_blob *b = gpu_blob(a, code.bytes, code.size, n, names);
    code_kernel *k = (code_kernel *)b->kernels;
    cuda_read_spills(a, code.log, n, k);
    return cuda_read_cubin(a, code.bytes, code.size, n, k, error) ? b : NULL;
}

/* Entry points have the names that the text gives them. */
static const char **text_names(arena *a, int n, ir_func *const *funcs) {
    const char **names = arena_array(a, const char *, n + 1);
    for (int i = 0; i < n; i++) names[i] = cprint_kernel_name(a, funcs[i]);
    return names;
}

static const code_blob *make_from_text(const cuda_target *t, arena *a, int n, ir_func *const *funcs, const char **error) {
    const char *text = cprint_module(a, CPRINT_CUDA, t->arch->name, n, funcs, error), **names = text_names(a, n, funcs);
    nvrtc_code code;
    if (!text) return NULL;
    if (t->road == CUDA_SOURCE) return gpu_blob(a, text, (int64_t)strlen(text) + 1, n, names);
    if (!nvrtc_compile(a, text, t->arch->name, true, &code, error)) return NULL;
    code_blob *b = gpu_blob(a, code.bytes, code.size, n, names);
    code_kernel *k = (code_kernel *)b->kernels;
    cuda_read_spills(a, code.log, n, k);
    return cuda_read_cubin(a, code.bytes, code.size, n, k, error) ? b : NULL;
}

static const code_blob *cuda_compile(const target *base, arena *a, int n, ir_func *const *funcs, const char **error) {
    const cuda_target *t = (const cuda_target *)base;
    const char **names = arena_array(a, const char *, n + 1);
    machine_output ptx;
    switch (t->road) {
    case CUDA_CUBIN: return make_cubin(t, a, n, funcs, error);
    case CUDA_PTX: /* with its NUL: the driver takes text */
        if (!make_ptx(t, a, n, funcs, names, &ptx, error)) return NULL;
        return gpu_blob(a, ptx.bytes, (int64_t)ptx.size + 1, n, names);
    default: return make_from_text(t, a, n, funcs, error);
    }
}

static const char *text_form(const cuda_target *t, arena *a, target_form form, int n, ir_func *const *funcs,
                             int64_t *size, const char **error) {
    const char **names = arena_array(a, const char *, n + 1);
    machine_output out;
    if (!generate(t, a, form, n, funcs, names, &out, error)) return NULL;
    *size = (int64_t)out.size;
    return out.bytes;
}

static const char *cuda_emit(const target *base, arena *a, target_form form, int n, ir_func *const *funcs,
                             int64_t *size, const char **error) {
    const cuda_target *t = (const cuda_target *)base;
    switch (form) {
    case TARGET_LLVM: return text_form(t, a, TARGET_LLVM, n, funcs, size, error);
    case TARGET_ASM:
    case TARGET_PTX: return text_form(t, a, TARGET_ASM, n, funcs, size, error);
    case TARGET_CUDA: {
        const char *s = cprint_module(a, CPRINT_CUDA, t->arch->name, n, funcs, error);
        if (s) *size = (int64_t)strlen(s);
        return s;
    }
    case TARGET_OBJ:
    case TARGET_CUBIN: {
        const code_blob *b = make_cubin(t, a, n, funcs, error);
        if (!b) return NULL;
        *size = b->size;
        return (const char *)b->bytes;
    }
    default: *error = arena_printf(a, "target 'cuda' " TARGET_NO_FORM " '%s'", target_form_name(form)); return NULL;
    }
}

/* Any host will do: the driver that the string names looks for the device. */
static void cuda_needs(const target *t, uint32_t *arch, uint64_t *features) {
    *arch = 0;
    *features = 0;
}

const target_class cuda_target_class = {"cuda", "NVIDIA GPUs, through LLVM's PTX or CUDA C", cuda_open, cuda_compile,
                                        cuda_emit, cuda_needs};
