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

/* What files are called that several models share: the source's name without folder and ending. */
static const char *name_of_source(cli *c) {
    const char *path = c->o.arguments.data[0], *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    return strcmp(base, "-") ? arena_strndup(c->arena, base, strcspn(base, ".")) : "models";
}

static int export_programs(cli *c, model *models, int n, const program *const *programs, const target *t, const char *to,
                           export_weights where) {
    int status;
    const char *error = NULL, *name = option_text(&c->o, OPT_name, NULL);
    lender l = {&models[0], calloc((size_t)weights_count(models[0].weights) + 1, sizeof *l.held)};
    export_options o = {.name = n > 1 && !name ? name_of_source(c) : name, .prefixed = n > 1 && name, .weights = where,
                        .param = lend, .param_ctx = &l};
    const export_result *r = export_build(c->arena, n, programs, t, &o, &error);
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

static int choose_weights(cli *c, const model *m, export_weights *w) {
    const char *given = option_text(&c->o, OPT_weights, NULL), *how = given ? given : m->has_weights ? "beside" : "none";
    *w = !strcmp(how, "inside") ? EXPORT_WEIGHTS_INSIDE : !strcmp(how, "beside") ? EXPORT_WEIGHTS_BESIDE : EXPORT_WEIGHTS_NONE;
    if (*w == EXPORT_WEIGHTS_NONE && strcmp(how, "none"))
        return cli_usage(c, "--weights is inside, beside or none (weight files are given with -w)");
    if (*w != EXPORT_WEIGHTS_NONE && !m->has_weights)
        return cli_usage(c, "--weights %s needs weights: give them with -w", how);
    return EXIT_DONE;
}

/* Model number i of those that -e names; without -e there is one, the file's last. */
static int open_model(cli *c, int i, model *m) {
    const strings *entries = &c->o.values[OPT_entry];
    int status;
    if (!model_read(c, c->o.arguments.data[0], m, &status))
        return status;
    if (m->kind == MODEL_PACKAGE)
        return cli_usage(c, "a package is compiled already: export wants the model's source");
    if (entries->len)
        m->entry = entries->data[i];
    if (!model_elaborate(c, m, &status))
        return status;
    return model_check_weights(c, m) ? EXIT_DONE : EXIT_MODEL;
}

static int one_target(cli *c, const char *to, const char *target_name) {
    const strings *entries = &c->o.values[OPT_entry];
    int n = entries->len ? entries->len : 1, opened = 0, status = EXIT_DONE;
    model *models = arena_array(c->arena, model, n);
    const program **programs = arena_array(c->arena, const program *, n);
    const target *t = NULL;
    export_weights where = EXPORT_WEIGHTS_NONE;
    while (status == EXIT_DONE && opened < n) {
        model *m = &models[opened];
        status = open_model(c, opened++, m);
        if (status == EXIT_DONE && opened == 1)
            status = choose_weights(c, m, &where);
        if (status == EXIT_DONE)
            status = driver_program(c, m, target_name, &programs[opened - 1], &t);
    }
    if (status == EXIT_DONE)
        status = export_programs(c, models, n, programs, t, to, where);
    for (int i = 0; i < opened; i++)
        model_close(&models[i]);
    return status;
}

int cmd_export(cli *c) {
    const strings *targets = &c->o.values[OPT_target];
    const char *to = option_text(&c->o, OPT_output, NULL);
    int status = EXIT_DONE;
    if (c->o.arguments.len != 1)
        return cli_usage(c, "one MODEL is wanted (frit export --help)");
    if (!to || c->o.values[OPT_output].len > 1)
        return cli_usage(c, "-o DIR is wanted, once: the folder to write to");
    if (!targets->len)
        return one_target(c, to, "cpu");
    for (int i = 0; status == EXIT_DONE && i < targets->len; i++)
        status = one_target(c, to, targets->data[i]);
    return status;
}
