/* print_kernels TARGET FORM FILE.fir: the kernels of a tensor module as text of one form. */
#include "frontend/compiler.h"
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    static char text[1 << 22];
    const char *error = NULL;
    target_form form;
    FILE *f = argc == 4 ? fopen(argv[3], "rb") : NULL;
    if (!f || !target_form_from_name(argv[2], &form)) {
        fprintf(stderr, "usage: print_kernels TARGET FORM FILE.fir\n");
        return 2;
    }
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    arena *a = arena_new();
    diag *d = diag_new();
    ir_module *m = ir_parse(d, diag_add_source(d, argv[3], text, n));
    compile_options o = {.target = target_open(a, argv[1], &error), .stop = PROGRAM_THREAD, .diag = d};
    if (!m || !o.target) {
        fprintf(stderr, "%s\n", error ? error : "the text is no module");
        return 1;
    }
    ir_func *model = m->funcs;
    error = compile_fuse(m, model, &o);
    const program *p = error ? NULL : compile_program(a, model, &o, &error);
    ir_func **funcs = arena_array(a, ir_func *, p ? p->n_kernels + 1 : 1);
    int64_t size;
    for (int i = 0; p && i < p->n_kernels; i++) funcs[i] = p->kernels[i].thread;
    const char *out = p ? target_emit(o.target, a, form, p->n_kernels, funcs, &size, &error) : NULL;
    if (out) fwrite(out, 1, (size_t)size, stdout);
    else fprintf(stderr, "%s\n", error);
    diag_free(d);
    arena_free(a);
    return !out;
}
