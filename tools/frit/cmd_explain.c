/* frit explain: what a diagnostic, an op or a function means; why ops share a kernel. */
#include "catalogue.h"
#include "explain_model.h"
#include "frontend/elab.h"
#include <ctype.h>
#include <string.h>

static bool explain_code(cli *c, const char *s) {
    char *code = arena_strdup(c->arena, s);
    code[0] = (char)toupper((unsigned char)code[0]);
    bool looks_so = strlen(code) == 5 && strchr("EWN", code[0]) && isdigit((unsigned char)code[1]);
    return looks_so && catalogue_message(stdout, code);
}

/* The lines of a prelude file from the doc comment of `fn NAME` to its closing brace. */
static bool show_function(const char *text, const char *name) {
    size_t n = strlen(name);
    const char *doc = NULL, *line = text;
    while (*line) {
        const char *end = strchrnul(line, '\n');
        bool comment = line[0] == '#' && line[1] == '#';
        if (comment && !doc)
            doc = line;
        if (!strncmp(line, "fn ", 3) && !strncmp(line + 3, name, n) && !isalnum((unsigned char)line[3 + n]) &&
            line[3 + n] != '_') {
            const char *close = strstr(line, "\n}");
            const char *from = doc ? doc : line, *to = close ? close + 2 : end;
            printf("%.*s\n", (int)(to - from), from);
            return true;
        }
        if (!comment)
            doc = NULL;
        line = *end ? end + 1 : end;
    }
    return false;
}

static bool explain_function(const char *name) {
    bool found = false;
    for (int i = 0; i < prelude_count; i++)
        found |= show_function(prelude_files[i].text, name);
    return found;
}

static bool explain_builtin(const char *name) {
    static const struct builtin_doc {
        const char *name, *params, *doc;
    } builtins[] = {
#define BUILTIN(name, params, fn, doc) {name, params, doc},
#include "frontend/builtins.def"
#undef BUILTIN
    };
    bool found = false;
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++)
        if (!strcmp(builtins[i].name, name)) {
            printf("built-in function %s(%s): %s\n", builtins[i].name, builtins[i].params, builtins[i].doc);
            found = true;
        }
    return found;
}

static bool is_file(const char *s) {
    const char *dot = strrchr(s, '.');
    return dot && (!strcmp(dot, ".frit") || !strcmp(dot, ".fir"));
}

int cmd_explain(cli *c) {
    int n = c->o.arguments.len;
    const char *what = n ? c->o.arguments.data[0] : NULL;
    if (!what || (n > 1 && !is_file(what)) || (n != 1 && n != 3))
        return cli_usage(c, "MODEL, MODEL OP OP, a CODE or a FUNCTION is wanted (frit explain --help)");
    if (is_file(what))
        return explain_model(c, what, n == 3 ? c->o.arguments.data[1] : NULL, n == 3 ? c->o.arguments.data[2] : NULL);
    if (explain_code(c, what))
        return EXIT_DONE;
    bool function = explain_function(what), builtin = explain_builtin(what);
    if (catalogue_op(stdout, what) || function || builtin)
        return EXIT_DONE;
    return cli_usage(c, "'%s' is no model file, diagnostic, op or function", what);
}
