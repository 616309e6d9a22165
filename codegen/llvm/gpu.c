#include "gpu.h"
#include "shim.h"
#include <ctype.h>
#include <string.h>

typedef struct module {
    const gpu_machine *g;
    int n;
    ir_func *const *funcs;
    const char **names;
} module;

enum { TAIL = 2 }; /* scratch, tasks */

static bool is_i64(ir_type t) { return t.kind == IR_VECTOR && t.dtype == FRIT_i64 && t.lanes == 1; }

/* Global pointers, then i64s, then the tail. */
static bool follows_abi(const ir_func *f) {
    int n = f->body->n_args, i = 0;
    ir_value **v = f->body->args;
    if (f->level != IR_LEVEL_THREAD || f->threads < 1 || n < TAIL) return false;
    while (i < n - TAIL && v[i]->type.kind == IR_PTR && v[i]->type.space == IR_GLOBAL) i++;
    while (i < n - TAIL && is_i64(v[i]->type)) i++;
    return i == n - TAIL && v[n - 2]->type.kind == IR_PTR && is_i64(v[n - 1]->type);
}

/* Letters, digits and '_', the first no digit, and unlike the other names. */
static const char *identifier(arena *a, const char *name, int n, const char *const *others) {
    char *s = arena_printf(a, "%s%s", isdigit((unsigned char)*name) ? "k" : "", name);
    for (char *c = s; *c; c++)
        if (!isalnum((unsigned char)*c)) *c = '_';
    const char *unique = s;
    for (int i = 0, k = 1; i < n; i++) {
        if (strcmp(others[i], unique)) continue;
        unique = arena_printf(a, "%s_%d", s, k++);
        i = -1;
    }
    return unique;
}

/* Tensor maps are parameters behind the func's arguments, in the order of their ops. */
static int count_maps(const ir_func *f) {
    int n = 0;
    for (const ir_op *op = f->body->first; op; op = op->next) n += op->code == IR_tensor_map;
    return n;
}

static LLVMValueRef declare_kernel(printer *p, const gpu_machine *g, const ir_func *f, const char *name) {
    int n = f->body->n_args, maps = count_maps(f);
    LLVMTypeRef *params = arena_array(p->a, LLVMTypeRef, n + maps);
    for (int i = 0; i < n; i++) params[i] = printer_type(p, f->body->args[i]->type);
    for (int i = 0; i < maps; i++) params[n + i] = LLVMPointerTypeInContext(p->context, 0);
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(p->context), params, (unsigned)(n + maps), false);
    LLVMValueRef fn = LLVMAddFunction(p->module, name, type);
    LLVMSetFunctionCallConv(fn, g->convention);
    machine_function_attributes(&g->spec, fn);
    shim_enum_attribute(fn, (unsigned)LLVMAttributeFunctionIndex, "convergent", 0);
    if (g->declare) g->declare(p, fn, f, n);
    return fn;
}

static void print_kernel(printer *p, const gpu_machine *g, const ir_func *f, const char *name) {
    LLVMValueRef fn = declare_kernel(p, g, f, name);
    LLVMPositionBuilderAtEnd(p->b, LLVMAppendBasicBlockInContext(p->context, fn, "entry"));
    int n = f->body->n_args + count_maps(f);
    LLVMValueRef *args = arena_array(p->a, LLVMValueRef, n);
    for (int i = 0; i < n; i++) args[i] = LLVMGetParam(fn, (unsigned)i);
    printer_body(p, f, fn, args);
    LLVMBuildRetVoid(p->b);
}

static void print_module(printer *p, void *u) {
    module *m = u;
    p->block = m->g->ops;
    for (int i = 0; i < m->n && !p->error; i++) {
        m->names[i] = identifier(p->a, m->funcs[i]->name, i, m->names);
        if (follows_abi(m->funcs[i])) print_kernel(p, m->g, m->funcs[i], m->names[i]);
        else
            p->error =
                arena_printf(p->a, "internal error: kernel '%s': its arguments are not a GPU's", m->funcs[i]->name);
    }
}

bool gpu_generate(const gpu_machine *g, arena *a, target_form form, int n, ir_func *const *funcs, const char **names,
                  machine_output *out, const char **error) {
    module m = {g, n, funcs, names};
    return machine_run(a, &g->spec, form, print_module, &m, out, error);
}

code_blob *gpu_blob(arena *a, const void *bytes, int64_t size, int n, const char *const *names) {
    code_kernel *k = arena_array(a, code_kernel, n + 1);
    for (int i = 0; i < n; i++) k[i].name = names[i];
    code_blob *b = arena_new_of(a, code_blob);
    *b = (code_blob){bytes, size, 64, n, k};
    return b;
}
