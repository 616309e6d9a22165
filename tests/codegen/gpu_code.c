/* Thread-level kernels of .fir files as a GPU target's code: `gpu_code TARGET FORM FILE...` prints that form of all of
 * them (FORM "code": what a package would hold; "table": a line per kernel with what it takes). Exits with 77 when a
 * program that finishes code is missing. */
#include "codegen/target.h"
#include "codegen/tool.h"
#include "ir/diag.h"
#include "passes/expand_math.h"
#include <stdio.h>
#include <string.h>

static int fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    return strstr(why, "is not found") || strstr(why, "is found:") ? 77 : 1;
}

static int print_table(const target *t, arena *a, int n, ir_func **f) {
    const char *error = NULL;
    const code_blob *b = target_compile(t, a, n, f, &error);
    if (!b) return fail(t->string, error ? error : "no code");
    for (int i = 0; i < n; i++)
        printf("%-24s %-16s %4d registers %5d spilled %6d stack %7lld shared\n", b->kernels[i].name, t->string,
               b->kernels[i].registers, b->kernels[i].spills, b->kernels[i].stack, (long long)f[i]->shared);
    return 0;
}

static int print_form(const target *t, arena *a, const char *name, int n, ir_func **f) {
    const char *error = NULL;
    target_form form;
    int64_t size = 0;
    const void *bytes;
    if (!strcmp(name, "code")) {
        const code_blob *b = target_compile(t, a, n, f, &error);
        bytes = b ? b->bytes : NULL;
        size = b ? b->size : 0;
    } else if (target_form_from_name(name, &form)) bytes = target_emit(t, a, form, n, f, &size, &error);
    else return fail(name, "no such form");
    if (!bytes) return fail(t->string, error ? error : "no code");
    fwrite(bytes, 1, (size_t)size, stdout);
    return 0;
}

/* The module of a file; its text lives in `a`. */
static ir_module *read_module(arena *a, const char *path) {
    tool_bytes text = tool_read_file(a, path);
    if (!text.bytes) return NULL;
    diag *d = diag_new();
    ir_module *m = ir_parse(d, diag_add_source(d, path, text.bytes, text.size));
    if (!m) diag_print_text(d, stderr, false);
    diag_free(d);
    return m;
}

int main(int argc, char **argv) {
    arena *a = arena_new();
    const char *error = NULL;
    if (argc < 4) return fail("usage", "gpu_code TARGET FORM FILE...");
    const target *t = target_open(a, argv[1], &error);
    if (!t) return fail(argv[1], error);
    VEC(ir_func *) funcs = {0};
    for (int i = 3; i < argc; i++) {
        ir_module *m = read_module(a, argv[i]);
        if (!m) return fail(argv[i], "can't be read");
        for (ir_func *f = m->funcs; f; f = f->next) {
            expand_math(f);
            vec_push(a, &funcs, f);
        }
    }
    return !strcmp(argv[2], "table") ? print_table(t, a, funcs.len, funcs.data)
                                     : print_form(t, a, argv[2], funcs.len, funcs.data);
}
