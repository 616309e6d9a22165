/* passes_opt FILE.fir [--exact]: runs the passes named in the file's first line "# PASSES: a,b" ("pipeline": the
 * default ones) on every tensor-level func and prints the module. Exit status 70: a pass broke the program. */
#include "ir/diag.h"
#include "passes/pass.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static ir_module *parse(const char *path, char **text) {
    size_t size = 0;
    diag *d = diag_new();
    *text = read_file(path, &size);
    ir_module *m = *text ? ir_parse(d, diag_add_source(d, path, *text, size)) : NULL;
    if (!m) diag_print_text(d, stderr, false);
    diag_free(d);
    return m;
}

static int run_list(pass_ctx *c, ir_module *m, const char *list) {
    char name[64];
    for (size_t n; (n = strcspn(list, ", \n\r")) > 0; list += n + (list[n] == ',')) {
        snprintf(name, sizeof name, "%.*s", (int)n, list);
        if (!strcmp(name, "pipeline")) {
            passes_tensor(c, m);
            continue;
        }
        pass_id id = pass_find(name);
        if (id == PASS_COUNT) {
            fprintf(stderr, "no pass '%s'\n", name);
            return 2;
        }
        for (ir_func *f = m->funcs; f; f = f->next)
            if (f->level == IR_LEVEL_TENSOR) pass_run(c, id, f);
    }
    return 0;
}

int main(int argc, char **argv) {
    static const char key[] = "# PASSES: ";
    char *text = NULL;
    ir_module *m = argc > 1 ? parse(argv[1], &text) : NULL;
    if (!m || strncmp(text, key, sizeof key - 1)) return 2;
    pass_options options = {.exact = argc > 2 && !strcmp(argv[2], "--exact")};
    pass_ctx c = pass_ctx_new(m, &options);
    int status = run_list(&c, m, text + sizeof key - 1);
    arena *a = arena_new();
    if (c.bug) fprintf(stderr, "%s", c.bug);
    else fputs(ir_print(a, m), stdout);
    arena_free(a);
    if (c.bug) status = 70;
    ir_module_free(m);
    free(text);
    return status;
}
