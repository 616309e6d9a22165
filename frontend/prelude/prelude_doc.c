/* prelude_doc: docs/prelude.md on standard output, from the doc comments of the prelude and the table of built-ins. */
#include "frontend/elab.h"
#include <stdio.h>
#include <string.h>

static void one_line(const char *text, size_t n) {
    bool space = false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == ' ' || text[i] == '\n') {
            space = true;
            continue;
        }
        if (space)
            putchar(' ');
        space = false;
        putchar(text[i]);
    }
}

static void function(diag *d, const ast_item *item) {
    size_t size;
    const ast_fn *fn = &item->fn;
    const char *text = diag_source_text(d, fn->head.file, &size);
    if (!item->doc)
        return;
    printf("\n### %s\n\n```text\n", fn->name.text);
    one_line(text + fn->head.begin, fn->head.end - fn->head.begin);
    printf("\n```\n\n%s\n", item->doc);
}

static void file(arena *a, diag *d, const prelude_file *f) {
    const ast_file *ast = ast_parse(a, d, diag_add_source(d, f->name, f->text, strlen(f->text)));
    const char *base = strrchr(f->name, '/');
    printf("\n## %.*s\n", (int)strcspn(base + 1, "."), base + 1);
    for (int i = 0; i < ast->items.len; i++)
        if (ast->items.data[i]->kind == AST_FN)
            function(d, ast->items.data[i]);
}

int main(void) {
    arena *a = arena_new();
    diag *d = diag_new();
    printf("# Prelude\n\nFunctions that every file sees; a file's own names come first. Made by `prelude_doc` from the\n"
           "comments in frontend/prelude and the table frontend/builtins.def. In brackets: static parameters, given by\n"
           "keyword; in parentheses: tensors and integers. Everything is written in frit or expands to primitive ops.\n");
    for (int i = 0; i < prelude_count; i++)
        file(a, d, &prelude_files[i]);
    printf("\n## Built-in functions\n\n| call | meaning |\n|---|---|\n");
#define BUILTIN(name, params, fn, doc) printf("| `%s(%s)` | %s |\n", name, params, doc);
#include "frontend/builtins.def"
#undef BUILTIN
    printf("\n## Elementwise ops\n\n| call | meaning |\n|---|---|\n");
#define OP(name, operands, results, blocks, flags, attrs, names, doc) \
    if (!strstr(" constant cast bitcast select min max and or not xor ", " " #name " "))                               \
        printf("| `%s(%s)` | %s |\n", #name, names, doc);
#include "ir/elementwise.def"
#undef OP
    diag_free(d);
    arena_free(a);
    return 0;
}
