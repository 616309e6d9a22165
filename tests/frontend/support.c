#include "support.h"
#include "frontend/source.h"
#include <stdio.h>

const char *const example_files[] = {"docs/examples/mlp.frit",      "docs/examples/minilm.frit",
                                     "docs/examples/llama.frit",    "docs/examples/resnet50.frit",
                                     "docs/examples/custom.frit",   "docs/examples/digits.frit",  NULL};

parsed parse_text(const char *text, size_t size) {
    parsed p = {.memory = arena_new(), .d = diag_new()};
    p.source = diag_add_source(p.d, "t.frit", text, size);
    p.file = ast_parse(p.memory, p.d, p.source);
    return p;
}

void parsed_free(parsed *p) {
    arena_free(p->memory);
    diag_free(p->d);
}

char *read_project_file(arena *a, const char *path) {
    diag *d = diag_new();
    int error = 0;
    uint32_t source = source_read(d, arena_printf(a, "%s/%s", FRIT_SOURCE_DIR, path), &error);
    if (!source)
        fail_msg("can't read %s: %s", path, strerror(error));
    size_t size = 0;
    char *text = arena_strdup(a, diag_source_text(d, source, &size));
    diag_free(d);
    return text;
}

bool next_example(arena *a, const char **at, const char **info, const char **text) {
    const char *fence = strstr(*at, "\n```frit");
    if (!fence)
        return false;
    const char *begin = fence + 4, *line = strchr(begin, '\n'), *end = line ? strstr(line, "\n```") : NULL;
    if (!end)
        return false;
    *info = arena_strndup(a, begin, (size_t)(line - begin));
    *text = arena_strndup(a, line + 1, (size_t)(end - line));
    *at = end + 4;
    return true;
}
