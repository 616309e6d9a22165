/* The CPU target: wraps thread functions in the kernel ABI, has LLVM compile them and links the object flat. */
#include "cpu_internal.h"
#include "codegen/llvm/shim.h"
#include <string.h>

static const target *cpu_open(arena *a, const char *spec, const char **error) {
    cpu_target *t = arena_new_of(a, cpu_target);
    t->base.cls = &cpu_target_class;
    return cpu_parse(a, spec, t, error) ? &t->base : NULL;
}

/* ------------ the kernel ABI */
typedef struct kernels {
    const cpu_target *t;
    int n;
    ir_func *const *funcs;
    const char **symbols; /* as LLVM named them */
} kernels;

enum { TAIL = 3 }; /* scratch, begin, end */

static bool is_i64(ir_type t) { return t.kind == IR_VECTOR && t.dtype == FRIT_i64 && t.lanes == 1; }

/* Pointers, then i64s, then the tail. */
static bool follows_abi(const ir_func *f) {
    int n = f->body->n_args;
    ir_value **v = f->body->args;
    if (f->level != IR_LEVEL_THREAD || n < TAIL) return false;
    if (v[n - 3]->type.kind != IR_PTR || !is_i64(v[n - 2]->type) || !is_i64(v[n - 1]->type)) return false;
    bool ints = false;
    for (int i = 0; i < n - TAIL; i++) {
        if (v[i]->type.kind != IR_PTR && !is_i64(v[i]->type)) return false;
        if (v[i]->type.kind == IR_PTR && ints) return false;
        ints |= v[i]->type.kind != IR_PTR;
    }
    return true;
}

static LLVMValueRef declare_kernel(printer *p, const cpu_target *t, const char *name) {
    LLVMTypeRef ptr = LLVMPointerTypeInContext(p->context, 0), i64 = LLVMInt64TypeInContext(p->context);
    LLVMTypeRef params[] = {ptr, ptr, ptr, i64, i64};
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(p->context), params, 5, false);
    LLVMValueRef fn = LLVMAddFunction(p->module, name, type);
    machine_function_attributes(&t->spec, fn);
    for (unsigned i = 1; i <= 3; i++) shim_enum_attribute(fn, i, "noalias", 0);
    for (unsigned i = 1; i <= 2; i++) shim_enum_attribute(fn, i, "readonly", 0);
    shim_enum_attribute(fn, 3, "align", 64);
    return fn;
}

/* Argument i of the kinds in order, from the array that the ABI passes. */
static LLVMValueRef load_argument(printer *p, LLVMTypeRef type, LLVMValueRef array, int i) {
    LLVMValueRef index = LLVMConstInt(LLVMInt64TypeInContext(p->context), (uint64_t)i, false);
    LLVMValueRef v = LLVMBuildLoad2(p->b, type, LLVMBuildGEP2(p->b, type, array, &index, 1, ""), "");
    shim_set_metadata(v, "invariant.load", shim_metadata(p->context, NULL, 0));
    return v;
}

static const char *print_kernel(printer *p, const cpu_target *t, const ir_func *f) {
    LLVMValueRef fn = declare_kernel(p, t, f->name);
    LLVMPositionBuilderAtEnd(p->b, LLVMAppendBasicBlockInContext(p->context, fn, "entry"));
    int n = f->body->n_args, n_ptr = 0, n_int = 0;
    LLVMValueRef *args = arena_array(p->a, LLVMValueRef, n);
    for (int i = 0; i < n - TAIL; i++) {
        bool ptr = f->body->args[i]->type.kind == IR_PTR;
        args[i] = load_argument(p, printer_type(p, f->body->args[i]->type), LLVMGetParam(fn, ptr ? 0 : 1),
                                ptr ? n_ptr++ : n_int++);
    }
    for (int i = 0; i < TAIL; i++) args[n - TAIL + i] = LLVMGetParam(fn, (unsigned)(2 + i));
    printer_body(p, f, fn, args);
    LLVMBuildRetVoid(p->b);
    size_t len;
    const char *symbol = LLVMGetValueName2(fn, &len);
    return arena_strndup(p->a, symbol, len);
}

static void print_kernels(printer *p, void *u) {
    kernels *k = u;
    for (int i = 0; i < k->n && !p->error; i++) {
        if (follows_abi(k->funcs[i])) k->symbols[i] = print_kernel(p, k->t, k->funcs[i]);
        else
            p->error =
                arena_printf(p->a, "internal error: kernel '%s': its arguments are not the CPU's", k->funcs[i]->name);
    }
}

/* ------------ the target */
static bool generate(const target *t, arena *a, target_form form, kernels *k, machine_output *out, const char **error) {
    const cpu_target *c = (const cpu_target *)t;
    k->t = c;
    k->symbols = arena_array(a, const char *, k->n + 1);
    return machine_run(a, &c->spec, form, print_kernels, k, out, error);
}

static const code_blob *cpu_compile(const target *t, arena *a, int n, ir_func *const *funcs, const char **error) {
    kernels k = {.n = n, .funcs = funcs};
    machine_output object;
    if (!generate(t, a, TARGET_OBJ, &k, &object, error)) return NULL;
    const code_blob *b = cpu_link(a, object.bytes, object.size, n, k.symbols, error);
    for (int i = 0; b && i < n; i++) ((code_kernel *)b->kernels)[i].name = funcs[i]->name;
    return b;
}

static const char *cpu_emit(const target *t, arena *a, target_form form, int n, ir_func *const *funcs, int64_t *size,
                            const char **error) {
    kernels k = {.n = n, .funcs = funcs};
    machine_output out;
    if (form > TARGET_OBJ) {
        *error = arena_printf(a, "target 'cpu' " TARGET_NO_FORM " '%s'", target_form_name(form));
        return NULL;
    }
    if (!generate(t, a, form, &k, &out, error)) return NULL;
    *size = (int64_t)out.size;
    return out.bytes;
}

const target_class cpu_target_class = {"cpu", "x86-64 and aarch64 processors, through LLVM", cpu_open, cpu_compile,
                                       cpu_emit, cpu_needs};
