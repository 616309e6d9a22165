/* elab_run FILE OUT [-e MODEL] [-D NAME=VALUE]... [i|p NAME DTYPE DIMS DATA]...: elaborates a model and runs it in the
 * interpreter. `i` is an input, `p` a param; DIMS is "2x3" or "-" for a scalar; DATA a file of dense elements. Result k
 * goes to OUT.k, and its dtype and dims to standard output. */
#include "frontend/elab.h"
#include "frontend/source.h"
#include "ir/interp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = 512 };
typedef struct tensors {
    int n;
    const char *name[MAX];
    interp_tensor t[MAX];
} tensors;

static bool weight_type(void *user, const char *path, frit_dtype *t, int *rank, int64_t dims[IR_MAX_RANK]) {
    const tensors *w = user;
    for (int i = 0; i < w->n; i++) {
        if (strcmp(w->name[i], path))
            continue;
        *t = w->t[i].dtype;
        *rank = w->t[i].rank;
        memcpy(dims, w->t[i].shape, sizeof(int64_t) * (size_t)*rank);
        return true;
    }
    return false;
}

static bool read_tensor(char **arg, tensors *to) {
    interp_tensor t = {.dtype = frit_dtype_from_name(arg[1], strlen(arg[1]))};
    int64_t n = 1;
    for (char *s = arg[2]; *s && *s != '-'; s += *s == 'x') {
        t.shape[t.rank] = strtoll(s, &s, 10);
        n *= t.shape[t.rank++];
    }
    size_t bytes = (size_t)frit_dtype_bytes(t.dtype, n);
    t.data = calloc(1, bytes + 1);
    FILE *f = fopen(arg[3], "rb");
    bool ok = f && t.data && fread(t.data, 1, bytes, f) == bytes;
    if (f)
        fclose(f);
    to->name[to->n] = arg[0];
    to->t[to->n++] = t;
    return ok;
}

static void write_result(const char *out, int k, const interp_tensor *t) {
    char path[4096];
    snprintf(path, sizeof path, "%s.%d", out, k);
    printf("%s", frit_dtype_name(t->dtype));
    for (int i = 0; i < t->rank; i++)
        printf(" %lld", (long long)t->shape[i]);
    printf("\n");
    FILE *f = fopen(path, "wb");
    if (f) {
        fwrite(t->data, 1, (size_t)frit_dtype_bytes(t->dtype, interp_elements(t)), f);
        fclose(f);
    }
}

static int run(ir_module *m, const char *entry, const tensors *in, const tensors *params, const char *out) {
    ir_func *f = entry ? ir_func_find(m, entry) : m->funcs;
    interp *it = interp_new(m, NULL);
    interp_tensor *inputs = calloc(MAX, sizeof *inputs), results[64];
    int bad = 0;
    for (int i = 0; i < params->n; i++)
        if (interp_set_param(it, params->name[i], &params->t[i]) != INTERP_OK)
            fprintf(stderr, "param %s: %s\n", params->name[i], interp_message(it));
    for (int i = 0; i < f->body->n_args; i++) {
        int k = 0;
        while (k < in->n && strcmp(in->name[k], f->body->args[i]->name))
            k++;
        if (k == in->n)
            bad = fprintf(stderr, "no input %s\n", f->body->args[i]->name);
        else
            inputs[i] = in->t[k];
    }
    if (!bad && interp_run(it, f, f->body->n_args, inputs, f->n_results, results) != INTERP_OK)
        bad = fprintf(stderr, "interpreter: %s\n", interp_message(it));
    for (int i = 0; !bad && i < f->n_results; i++) {
        write_result(out, i, &results[i]);
        interp_tensor_free(&results[i]);
    }
    free(inputs);
    interp_free(it);
    return bad ? 1 : 0;
}

int main(int argc, char **argv) {
    arena *a = arena_new();
    diag *d = diag_new();
    elab_define defines[64];
    static tensors in, params;
    elab_options o = {.defines = defines, .weight_type = weight_type, .weight_user = &params};
    int error = 0;
    if (argc < 3)
        return 2;
    for (int i = 3; i < argc; i++) {
        if (!strcmp(argv[i], "-D") && i + 1 < argc && o.n_defines < 64) {
            char *eq = strchr(argv[++i], '=');
            if (eq)
                *eq = 0;
            defines[o.n_defines++] = (elab_define){argv[i], eq ? eq + 1 : "true"};
        } else if (!strcmp(argv[i], "-e") && i + 1 < argc)
            o.entry = argv[++i];
        else if ((*argv[i] == 'i' || *argv[i] == 'p') && i + 4 < argc) {
            tensors *to = *argv[i] == 'i' ? &in : &params;
            if (to->n == MAX || !read_tensor(argv + i + 1, to))
                return 2;
            i += 4;
        } else
            return 2;
    }
    uint32_t source = source_read(d, argv[1], &error);
    const ast_file *ast = source ? ast_parse(a, d, source) : NULL;
    elab_loader loader = elab_folder_loader(a, d);
    ir_module *m = ast && !diag_errors(d) ? elaborate(a, d, ast, &loader, &o) : NULL;
    diag_print_text(d, stderr, false);
    int status = m ? 0 : 1;
    const char *why = NULL;
    if (m && ir_verify(a, m, &why)) {
        fprintf(stderr, "verifier: %s\n", why);
        status = 3;
    } else if (m)
        status = run(m, o.entry, &in, &params, argv[2]);
    if (m)
        ir_module_free(m);
    diag_free(d);
    arena_free(a);
    return status;
}
