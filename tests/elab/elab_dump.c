/* elab_dump FILE [-e MODEL] [-D NAME=VALUE]... [-w PATH=DTYPE[N,M]]... [--run]: prints the tensor IR of a file's model;
 * diagnostics go to standard error. -w gives the type of one weight, as a weight file would. */
#include "frontend/elab.h"
#include "frontend/source.h"
#include "ir/interp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct weights {
    int n;
    char *text[256];
} weights;

static bool weight_type(void *user, const char *path, frit_dtype *t, int *rank, int64_t dims[IR_MAX_RANK]) {
    weights *w = user;
    for (int i = 0; i < w->n; i++) {
        char *eq = strchr(w->text[i], '='), *open = eq ? strchr(eq, '[') : NULL;
        if (!open || strlen(path) != (size_t)(eq - w->text[i]) || strncmp(path, w->text[i], (size_t)(eq - w->text[i])))
            continue;
        *t = frit_dtype_from_name(eq + 1, (size_t)(open - eq - 1));
        *rank = 0;
        for (char *s = open + 1; *s && *s != ']';) {
            dims[(*rank)++] = strtoll(s, &s, 10);
            s += strspn(s, ", ");
        }
        return true;
    }
    return false;
}

int main(int argc, char **argv) {
    arena *a = arena_new();
    diag *d = diag_new();
    elab_define defines[64];
    weights w = {0};
    elab_options o = {.defines = defines, .weight_type = weight_type, .weight_user = &w};
    const char *file = NULL;
    bool quiet = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-D") && i + 1 < argc && o.n_defines < 64) {
            char *eq = strchr(argv[++i], '=');
            if (eq)
                *eq = 0;
            defines[o.n_defines++] = (elab_define){argv[i], eq ? eq + 1 : "true"};
        } else if (!strcmp(argv[i], "-w") && i + 1 < argc && w.n < 256)
            w.text[w.n++] = argv[++i];
        else if (!strcmp(argv[i], "-e") && i + 1 < argc)
            o.entry = argv[++i];
        else if (!strcmp(argv[i], "-q"))
            quiet = true;
        else
            file = argv[i];
    }
    int error = 0;
    uint32_t source = file ? source_read(d, file, &error) : 0;
    if (!source) {
        fprintf(stderr, "usage: elab_dump FILE [-e MODEL] [-D NAME=VALUE]... [-w PATH=DTYPE[DIMS]]...\n");
        return 2;
    }
    const ast_file *ast = ast_parse(a, d, source);
    elab_loader loader = elab_folder_loader(a, d);
    ir_module *m = diag_errors(d) ? NULL : elaborate(a, d, ast, &loader, &o);
    diag_print_text(d, stderr, false);
    int status = m ? 0 : 1;
    if (m) {
        const char *why = NULL;
        int bad = ir_verify(a, m, &why);
        if (!quiet)
            fputs(ir_print(a, m), stdout);
        if (bad) {
            fprintf(stderr, "verifier: %d\n%s\n", bad, why);
            status = 3;
        }
        ir_module_free(m);
    }
    diag_free(d);
    arena_free(a);
    return status;
}
