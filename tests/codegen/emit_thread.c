/* emit_thread TARGET FORM FILE.fir: the thread-level funcs of a text, checked, in a form of the target's (to standard output).
 * Exit status 77: what the form needs is not installed. */
#include "codegen/target.h"
#include "ir/diag.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ir_module *read_module(diag *d, const char *path) {
    static char text[1 << 20];
    FILE *f = fopen(path, "r");
    if (!f) return NULL;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    return ir_parse(d, diag_add_source(d, path, text, n));
}

int main(int n, char **args) {
    enum { MOST = 256 };
    if (n != 4) return 2;
    diag *d = diag_new();
    arena *a = arena_new();
    const char *error = NULL;
    ir_module *m = read_module(d, args[3]);
    if (!m) diag_print_text(d, stderr, false);
    if (!m || ir_verify(a, m, &error)) return fprintf(stderr, "%s\n", error ? error : "can't be read"), 1;
    const target *t = target_open(a, args[1], &error);
    ir_func *funcs[MOST];
    int count = 0;
    for (ir_func *f = m->funcs; f && count < MOST; f = f->next) funcs[count++] = f;
    int form = 0;
    while (form < TARGET_FORM_COUNT && strcmp(target_form_name((target_form)form), args[2])) form++;
    int64_t size = 0;
    const char *bytes = t && form < TARGET_FORM_COUNT ? target_emit(t, a, (target_form)form, count, funcs, &size, &error) : NULL;
    if (!bytes) return fprintf(stderr, "%s\n", error ? error : "no such form"), error && strstr(error, TARGET_MISSING) ? 77 : 1;
    fwrite(bytes, 1, (size_t)size, stdout);
    return 0;
}
