/* frit export: a model as C and kernels that need no frit. */
#include "codegen/export/export.h"
#include "driver.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const ir_span nowhere = {0};

typedef struct {
    model *m;
    io_array *held; /* by index of the weights */
} lender;

static bool lend(void *u, const char *path, export_param *out) {
    lender *l = u;
    int at = weights_find(l->m->weights, path);
    if (at < 0 || (!l->held[at].data && !weights_read(l->m->weights, at, &l->held[at], NULL)))
        return false;
    const io_array *a = &l->held[at];
    *out = (export_param){a->rank, a->dims, a->data, (uint64_t)a->bytes};
    return true;
}

static void give_back(lender *l) {
    for (int i = 0; i < weights_count(l->m->weights); i++)
        io_array_free(&l->held[i]);
    free(l->held);
}

static int fail_output(cli *c, const char *why) {
    diag_report(c->d, MSG_OUTPUT_FILE, nowhere, why);
    return EXIT_MODEL;
}

/* The folder and those above it. */
static int make_folder(cli *c, const char *path) {
    char *p = arena_strdup(c->arena, path);
    for (char *s = p + 1; *s; s++) {
        if (*s != '/')
            continue;
        *s = 0;
        mkdir(p, 0777);
        *s = '/';
    }
    struct stat st;
    if (mkdir(p, 0777) == 0 || (stat(p, &st) == 0 && S_ISDIR(st.st_mode)))
        return EXIT_DONE;
    return fail_output(c, arena_printf(c->arena, "cannot make the folder '%s': %s", path, strerror(errno)));
}

static int write_files(cli *c, const char *folder, const export_result *r) {
    io_error e;
    int status = make_folder(c, folder);
    for (int i = 0; status == EXIT_DONE && i < r->n; i++) {
        const char *path = arena_printf(c->arena, "%s/%s", folder, r->files[i].name);
        if (strchr(r->files[i].name, '/'))
            status = make_folder(c, arena_strndup(c->arena, path, (size_t)(strrchr(path, '/') - path)));
        if (status == EXIT_DONE && !io_write_file(path, r->files[i].bytes, r->files[i].size, false, &e))
            status = fail_output(c, e.text);
    }
    return status;
}

static int write_weights(cli *c, lender *l, const char *folder, const export_weights_file *f) {
    io_error e;
    io_writer w;
    export_param p;
    if (!io_writer_open(&w, arena_printf(c->arena, "%s/%s", folder, f->name), true, &e))
        return fail_output(c, e.text);
    bool ok = fwrite(f->header, 1, f->header_bytes, w.stream) == f->header_bytes;
    for (int i = 0; ok && i < f->n; i++)
        ok = lend(l, f->paths[i], &p) && fwrite(p.data, 1, p.bytes, w.stream) == p.bytes;
    if (ok && io_writer_commit(&w, &e))
        return EXIT_DONE;
    if (!ok) {
        io_writer_abort(&w);
        io_fail(&e, "cannot write the weights");
    }
    return fail_output(c, e.text);
}

/* A target's folder below -o, when there are several: the target string with '-' for ':'. */
static const char *folder_of(cli *c, const char *to, const target *t) {
    if (c->o.values[OPT_target].len < 2)
        return to;
    char *s = arena_printf(c->arena, "%s/%s", to, t->string);
    for (char *p = s + strlen(to) + 1; *p; p++)
        if (*p == ':' || *p == '+')
            *p = '-';
    return s;
}

static int export_for(cli *c, model *m, const char *to, const char *target_name, export_weights where) {
    const program *p;
    const target *t;
    const char *error = NULL;
    int status = driver_program(c, m, target_name, &p, &t);
    if (status != EXIT_DONE)
        return status;
    lender l = {m, calloc((size_t)weights_count(m->weights) + 1, sizeof *l.held)};
    export_options o = {option_text(&c->o, OPT_name, NULL), where, lend, &l};
    const export_result *r = export_build(c->arena, p, t, &o, &error);
    if (r) {
        const char *folder = folder_of(c, to, t);
        status = write_files(c, folder, r);
        if (status == EXIT_DONE && r->weights.name)
            status = write_weights(c, &l, folder, &r->weights);
        if (status == EXIT_DONE)
            cli_note(c, "%s: %s for %s, %llu bytes without weights", folder, r->name, t->string,
                     (unsigned long long)r->code_bytes);
    } else
        status = cli_usage(c, "%s", error);
    give_back(&l);
    return status;
}

static int one_target(cli *c, const char *to, const char *target_name, const char *how) {
    model m;
    int status;
    bool ok = model_open(c, c->o.arguments.data[0], &m, &status);
    if (ok && m.kind == MODEL_PACKAGE)
        status = cli_usage(c, "a package is compiled already: export wants the model's source");
    else if (ok && !model_check_weights(c, &m))
        status = EXIT_MODEL;
    else if (ok) {
        const char *h = how ? how : m.has_weights ? "beside" : "none";
        export_weights w = !strcmp(h, "inside") ? EXPORT_WEIGHTS_INSIDE
                           : !strcmp(h, "beside") ? EXPORT_WEIGHTS_BESIDE : EXPORT_WEIGHTS_NONE;
        if (w == EXPORT_WEIGHTS_NONE && strcmp(h, "none"))
            status = cli_usage(c, "--weights is inside, beside or none (weight files are given with -w)");
        else if (w != EXPORT_WEIGHTS_NONE && !m.has_weights)
            status = cli_usage(c, "--weights %s needs weights: give them with -w", h);
        else
            status = export_for(c, &m, to, target_name, w);
    }
    model_close(&m);
    return status;
}

int cmd_export(cli *c) {
    const strings *targets = &c->o.values[OPT_target];
    const char *to = option_text(&c->o, OPT_output, NULL), *how = option_text(&c->o, OPT_weights, NULL);
    int status = EXIT_DONE;
    if (c->o.arguments.len != 1)
        return cli_usage(c, "one MODEL is wanted (frit export --help)");
    if (!to || c->o.values[OPT_output].len > 1)
        return cli_usage(c, "-o DIR is wanted, once: the folder to write to");
    if (!targets->len)
        return one_target(c, to, "cpu", how);
    for (int i = 0; status == EXIT_DONE && i < targets->len; i++)
        status = one_target(c, to, targets->data[i], how);
    return status;
}
