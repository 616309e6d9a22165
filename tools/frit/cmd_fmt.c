/* frit fmt: the canonical layout of frit source. */
#include "model.h"
#include "frontend/fmt.h"
#include <string.h>

static const ir_span nowhere = {0};

/* True when the file is laid out already, or was rewritten. */
static bool format_one(cli *c, const char *path, bool check) {
    size_t size;
    io_error e;
    uint32_t source = model_read_source(c, path);
    char *text = source ? frit_fmt(c->arena, c->d, source) : NULL;
    if (!text)
        return false;
    const char *old = diag_source_text(c->d, source, &size);
    bool same = strlen(text) == size && !memcmp(text, old, size);
    if (check) {
        if (!same)
            puts(path);
        return same;
    }
    if (same && strcmp(path, "-"))
        return true;
    if (io_write_file(path, text, strlen(text), false, &e))
        return true;
    diag_report(c->d, MSG_OUTPUT_FILE, nowhere, e.text);
    return false;
}

int cmd_fmt(cli *c) {
    bool ok = true;
    if (!c->o.arguments.len)
        return cli_usage(c, "a FILE, or - for standard input, is wanted (frit fmt --help)");
    for (int i = 0; i < c->o.arguments.len; i++)
        ok = format_one(c, c->o.arguments.data[i], option_given(&c->o, OPT_check)) && ok;
    return ok ? EXIT_DONE : EXIT_MODEL;
}
