/* frit fmt: the canonical layout of frit source. */
#include "cli.h"
#include "frontend/fmt.h"
#include "frontend/source.h"
#include <errno.h>
#include <string.h>

static const ir_span nowhere = {0};

static uint32_t read_text(cli *c, const char *path) {
    io_error e;
    int error = 0;
    if (strcmp(path, "-")) {
        uint32_t id = source_read(c->d, path, &error);
        if (!id)
            diag_report(c->d, MSG_MODEL_FILE, nowhere, path, strerror(error));
        return id;
    }
    io_file *f = io_file_open(path, &e);
    if (!f) {
        diag_report(c->d, MSG_MODEL_FILE, nowhere, path, e.text);
        return 0;
    }
    uint32_t id = diag_add_source(c->d, "<stdin>", (const char *)io_file_data(f), io_file_size(f));
    io_file_release(f);
    return id;
}

/* True when the file is laid out already, or was rewritten. */
static bool format_one(cli *c, const char *path, bool check) {
    size_t size;
    io_error e;
    uint32_t source = read_text(c, path);
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
