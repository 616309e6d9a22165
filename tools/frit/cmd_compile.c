/* frit compile: a package, or what the compiler has at a stage. */
#include "driver.h"
#include "tools/io/safetensors.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const ir_span nowhere = {0};

static int write_file(cli *c, const char *path, const void *bytes, size_t size, bool binary) {
    io_error e;
    if (io_write_file(path, bytes, size, binary, &e))
        return EXIT_DONE;
    diag_report(c->d, MSG_OUTPUT_FILE, nowhere, e.text);
    return EXIT_MODEL;
}

/* MODEL's name without folder and ending, with another ending. */
static const char *default_name(cli *c, const char *path, const char *ending) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    int n = dot ? (int)(dot - name) : (int)strlen(name);
    if (!strcmp(path, "-"))
        return arena_printf(c->arena, "model%s", ending);
    return arena_printf(c->arena, "%.*s%s", n, name, ending);
}

/* A name as make reads it: spaces, # and $ are escaped. */
static const char *make_name(cli *c, const char *name) {
    char *text = arena_alloc(c->arena, 2 * strlen(name) + 1), *to = text;
    for (; *name; *to++ = *name++)
        if (*name == ' ' || *name == '#')
            *to++ = '\\';
        else if (*name == '$')
            *to++ = '$';
    return text;
}

/* A make rule: every file that the model was read from, weight files included. */
static int write_depfile(cli *c, const model *m, const char *target) {
    const char *path = option_text(&c->o, OPT_depfile, NULL);
    if (!path)
        return EXIT_DONE;
    char *text = arena_printf(c->arena, "%s:", make_name(c, target));
    text = arena_printf(c->arena, "%s \\\n  %s", text, make_name(c, m->path));
    for (int i = 0; i < m->n_imports; i++)
        text = arena_printf(c->arena, "%s \\\n  %s", text, make_name(c, diag_source_name(c->d, m->imports[i])));
    for (int i = 0; i < weights_files(m->weights); i++)
        text = arena_printf(c->arena, "%s \\\n  %s", text, make_name(c, weights_file_at(m->weights, i)));
    text = arena_printf(c->arena, "%s\n", text);
    return write_file(c, path, text, strlen(text), false);
}

static int emit_stage(cli *c, model *m, const char *name) {
    stage s = stage_from_name(name);
    if (c->o.values[OPT_target].len > 1)
        return cli_usage(c, "--emit shows the code of one target");
    const void *bytes;
    size_t size;
    if (s == STAGE_COUNT)
        return cli_usage(c, "--emit is one of %s; not '%s'", stage_names(c->arena), name);
    int status = driver_emit(c, m, s, option_text(&c->o, OPT_kernel, NULL), &bytes, &size);
    if (status != EXIT_DONE)
        return status;
    const char *to = option_text(&c->o, OPT_output, "-");
    status = write_depfile(c, m, to);
    return status == EXIT_DONE ? write_file(c, to, bytes, size, !stage_is_text(s)) : status;
}

/* Weights beside a package: those that the model uses, in one file, which the package refers to. */
static int write_weights_beside(cli *c, const model *m, const char *path) {
    io_error e;
    int n = 0, status = EXIT_DONE;
    io_array *a = calloc((size_t)m->module->globals.len + 1, sizeof *a);
    const char **names = arena_array(c->arena, const char *, m->module->globals.len + 1);
    for (int i = 0; i < m->module->globals.len; i++) {
        const ir_global *g = m->module->globals.data[i];
        int at = g->is_state ? -1 : weights_find(m->weights, g->path);
        if (at < 0)
            continue;
        names[n] = g->path;
        if (!weights_read(m->weights, at, &a[n++], &e))
            status = EXIT_MODEL;
    }
    if (status != EXIT_DONE || !safetensors_write_file(path, n, names, a, &e)) {
        diag_report(c->d, MSG_OUTPUT_FILE, nowhere, e.text);
        status = EXIT_MODEL;
    }
    for (int i = 0; i < n; i++)
        io_array_free(&a[i]);
    free(a);
    return status;
}

static int make_package(cli *c, model *m) {
    const char *where = option_text(&c->o, OPT_weights, m->has_weights ? "inside" : "none");
    bool inside = !strcmp(where, "inside"), beside = !strcmp(where, "beside");
    const void *bytes;
    size_t size;
    if (!inside && !beside && strcmp(where, "none"))
        return cli_usage(c, "--weights is inside, beside or none (weight files are given with -w)");
    if ((inside || beside) && !m->has_weights)
        return cli_usage(c, "--weights %s needs weights: give them with -w", where);
    const char *to = option_text(&c->o, OPT_output, NULL);
    if (!to)
        to = default_name(c, m->path, ".fpk");
    const char *file = beside ? arena_printf(c->arena, "%s.safetensors", to) : NULL;
    if (beside && !strcmp(to, "-"))
        return cli_usage(c, "--weights beside needs a place: give -o FILE");
    int status = beside ? write_weights_beside(c, m, file) : EXIT_DONE;
    if (status != EXIT_DONE)
        return status;
    status = driver_package(c, m, inside, file, &bytes, &size);
    if (status == EXIT_DONE)
        status = write_depfile(c, m, to);
    return status == EXIT_DONE ? write_file(c, to, bytes, size, true) : status;
}

int cmd_compile(cli *c) {
    model m;
    int status;
    if (c->o.arguments.len != 1)
        return cli_usage(c, "one MODEL is wanted (frit compile --help)");
    if (c->o.values[OPT_output].len > 1)
        return cli_usage(c, "-o is given twice");
    bool ok = model_open(c, c->o.arguments.data[0], &m, &status);
    const char *emit = option_text(&c->o, OPT_emit, NULL);
    if (ok && m.kind == MODEL_PACKAGE)
        status = cli_usage(c, "a package is compiled already");
    else if (ok && !model_check_weights(c, &m))
        status = EXIT_MODEL;
    else if (ok)
        status = emit ? emit_stage(c, &m, emit) : make_package(c, &m);
    model_close(&m);
    return status;
}
