/* interp_driver FILE.fir [--wide]: runs functions of a .fir file on tensors from standard input.
 *
 * Request, repeated:  "run FUNC N\n", then N tensors.      "param PATH\n", then a tensor.      "seed S\n"
 * Reply to run:       "STATUS N MESSAGE\n", then N tensors (with --wide each followed by its errs as an f64 tensor).
 * Tensor:             "DTYPE RANK D0 D1 ...\n", then its elements. */
#include "ir/diag.h"
#include "ir/interp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_VALUES = 16 };

static char *read_file(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *text = calloc(1, *size + 1);
    if (text && fread(text, 1, *size, f) != *size) *size = 0;
    fclose(f);
    return text;
}

static bool read_tensor(interp_tensor *t) {
    char name[16];
    *t = (interp_tensor){0};
    if (scanf("%15s %d", name, &t->rank) != 2 || t->rank < 0 || t->rank > IR_MAX_RANK) return false;
    t->dtype = frit_dtype_from_name(name, strlen(name));
    for (int i = 0; i < t->rank; i++) {
        long long d;
        if (scanf("%lld", &d) != 1) return false;
        t->shape[i] = d;
    }
    if (t->dtype == FRIT_DTYPE_COUNT || getchar() != '\n') return false;
    size_t bytes = (size_t)frit_dtype_bytes(t->dtype, interp_elements(t));
    t->data = malloc(bytes + 1);
    return t->data && fread(t->data, 1, bytes, stdin) == bytes;
}

static void write_tensor(frit_dtype t, const interp_tensor *shape, const void *data) {
    printf("%s %d", frit_dtype_name(t), shape->rank);
    for (int i = 0; i < shape->rank; i++) printf(" %lld", (long long)shape->shape[i]);
    putchar('\n');
    if (data) fwrite(data, 1, (size_t)frit_dtype_bytes(t, interp_elements(shape)), stdout);
    else
        for (int64_t i = 0; i < interp_elements(shape); i++) fwrite(&(double){0}, 8, 1, stdout);
}

static void reply(interp *it, interp_status s, int n, interp_tensor *results, bool wide) {
    printf("%d %d %s\n", (int)s, s == INTERP_OK ? n : 0, interp_message(it));
    for (int i = 0; s == INTERP_OK && i < n; i++) {
        bool is_float = frit_dtype_is_float(results[i].dtype);
        write_tensor(wide && is_float ? FRIT_f64 : results[i].dtype, &results[i], results[i].data);
        if (wide) write_tensor(FRIT_f64, &results[i], results[i].err);
        interp_tensor_free(&results[i]);
    }
    fflush(stdout);
}

static bool run(interp *it, ir_module *m, bool wide) {
    char name[256];
    int n;
    interp_tensor in[MAX_VALUES], out[MAX_VALUES];
    if (scanf("%255s %d", name, &n) != 2 || n < 0 || n > MAX_VALUES || getchar() != '\n') return false;
    for (int i = 0; i < n; i++)
        if (!read_tensor(&in[i])) return false;
    ir_func *f = ir_func_find(m, name);
    if (!f || f->n_results > MAX_VALUES) return false;
    reply(it, interp_run(it, f, n, in, f->n_results, out), f->n_results, out, wide);
    for (int i = 0; i < n; i++) interp_tensor_free(&in[i]);
    return true;
}

static bool serve(interp **it, ir_module *m, bool wide) {
    char word[16], path[256];
    unsigned long long seed;
    interp_tensor param;
    while (scanf("%15s", word) == 1) {
        if (!strcmp(word, "run")) {
            if (!run(*it, m, wide)) return false;
        } else if (!strcmp(word, "seed") && scanf("%llu", &seed) == 1) {
            interp_free(*it);
            *it = interp_new(m, &(interp_options){.wide = wide, .seed = seed});
        } else if (!strcmp(word, "param") && scanf("%255s", path) == 1 && read_tensor(&param)) {
            if (interp_set_param(*it, path, &param)) return false;
        } else {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv) {
    size_t size = 0;
    bool wide = argc > 2 && !strcmp(argv[2], "--wide");
    char *text = argc > 1 ? read_file(argv[1], &size) : NULL;
    if (!text) return 2;
    diag *d = diag_new();
    ir_module *m = ir_parse(d, diag_add_source(d, argv[1], text, size));
    if (!m) {
        diag_print_text(d, stderr, false);
        return 1;
    }
    interp *it = interp_new(m, &(interp_options){.wide = wide, .seed = 1});
    bool ok = serve(&it, m, wide);
    interp_free(it);
    ir_module_free(m);
    diag_free(d);
    free(text);
    return ok ? 0 : 2;
}
