/* frit inspect: what a file holds. */
#include "cli.h"
#include "model.h"
#include "tools/io/npy.h"
#include "tools/io/report.h"
#include "tools/io/safetensors.h"
#include <inttypes.h>
#include <string.h>

static const ir_span nowhere = {0};

static bool ends_with(const char *s, const char *tail) {
    size_t n = strlen(s), t = strlen(tail);
    return n >= t && !strcmp(s + n - t, tail);
}

/* ---- tensors ---- */
static int damaged(cli *c, const io_error *e) {
    diag_report(c->d, MSG_WEIGHT_FILE, nowhere, e->text);
    return EXIT_MODEL;
}

static int inspect_npy(cli *c, const char *path) {
    io_array a;
    io_error e;
    if (!npy_read_file(&a, path, FRIT_DTYPE_COUNT, &e))
        return damaged(c, &e);
    report_summary(stdout, path, &a);
    io_array_free(&a);
    return EXIT_DONE;
}

static int inspect_npz(cli *c, const char *path) {
    zip_file z;
    io_error e;
    char name[4200];
    int status = EXIT_DONE;
    if (!zip_open(&z, path, &e))
        return damaged(c, &e);
    for (int i = 0; i < z.n; i++) {
        io_array a;
        if (npz_read(&a, &z, i, FRIT_DTYPE_COUNT, &e)) {
            report_summary(stdout, npz_name(&z, i, name, sizeof name), &a);
            io_array_free(&a);
        } else
            status = damaged(c, &e);
    }
    zip_close(&z);
    return status;
}

static int inspect_safetensors(cli *c, const char *path) {
    safetensors s;
    io_error e;
    int64_t total = 0;
    int status = EXIT_DONE;
    if (!safetensors_open(&s, path, &e))
        return damaged(c, &e);
    for (int i = 0; i < s.n; i++) {
        io_array a;
        if (s.tensors[i].dtype == FRIT_DTYPE_COUNT) {
            printf("%s: %s, a dtype that frit does not have\n", s.tensors[i].name, s.tensors[i].foreign);
        } else if (safetensors_read(&a, &s, i, &e)) {
            report_summary(stdout, s.tensors[i].name, &a);
            total += a.bytes;
            io_array_free(&a);
        } else
            status = damaged(c, &e);
    }
    printf("%d tensors, %" PRId64 " bytes\n", s.n, total);
    safetensors_close(&s);
    return status;
}

/* ---- packages ---- */
static void show_tensors(const char *title, int n, const frit_tensor_info *t) {
    static const char *const places[] = {"", "  (inside)", "  (beside)"};
    if (n)
        printf("%s:\n", title);
    for (int i = 0; i < n; i++)
        printf("  %s: %s%s\n", t[i].name, t[i].type, places[t[i].place]);
}

static void show_dims(const frit_package_info *info) {
    static const char *const roles[] = {"", "host integer, ", "seed, ", "loop counter, ", "known on the device, "};
    if (info->n_dims)
        puts("dims:");
    for (int i = 0; i < info->n_dims; i++) {
        const frit_dim_info *d = &info->dims[i];
        printf("  %s: %s%" PRId64 " .. ", d->name, roles[d->role], d->lo);
        if (d->hi == INT64_MAX)
            fputs("any", stdout);
        else
            printf("%" PRId64, d->hi);
        if (d->multiple > 1)
            printf(", multiples of %" PRId64, d->multiple);
        putchar('\n');
    }
}

/* Whether a device of this machine runs the target. */
static void show_fit(const frit_package *p, int i, const char *target) {
    frit_device *d = NULL;
    frit_error why = {0};
    if (frit_device_open(target, NULL, &d, &why) == FRIT_OK && frit_package_fits(p, i, d, &why))
        printf("; runs on %s\n", frit_device_name(d));
    else
        printf("; does not run here: %s\n", why.message);
    frit_device_release(d);
}

static bool show_targets(cli *c, const frit_package *p) {
    for (int i = 0; i < frit_package_get_info(p)->n_targets; i++) {
        frit_target_info t = {.struct_size = sizeof t};
        frit_error err = {0};
        if (frit_package_target(p, i, &t, &err) != FRIT_OK)
            return cli_runtime_failure(c, &err), false;
        printf("target: %s, %d kernel%s, %zu bytes of code", t.target, t.n_kernels, t.n_kernels == 1 ? "" : "s", t.code_bytes);
        show_fit(p, i, t.target);
    }
    return true;
}

static int inspect_package(cli *c, const char *path) {
    frit_package *p;
    frit_error err = {0};
    if (frit_package_open(path, &p, &err) != FRIT_OK)
        return cli_runtime_failure(c, &err);
    const frit_package_info *info = frit_package_get_info(p);
    printf("package: %s, made by %s\n", info->entry, info->compiler);
    if (*info->doc)
        printf("%s\n", info->doc);
    if (!show_targets(c, p))
        return frit_package_release(p), EXIT_ENVIRONMENT;
    show_tensors("inputs", info->n_inputs, info->inputs);
    show_tensors("outputs", info->n_outputs, info->outputs);
    show_tensors("params", info->n_params, info->params);
    show_tensors("states", info->n_states, info->states);
    show_dims(info);
    int status = frit_package_verify(p, &err) == FRIT_OK ? EXIT_DONE : cli_runtime_failure(c, &err);
    if (status == EXIT_DONE)
        puts("checksums: right");
    frit_package_release(p);
    return status;
}

/* ---- models ---- */
static void show_globals(cli *c, const ir_module *m, bool states) {
    bool titled = false;
    for (int i = 0; i < m->globals.len; i++) {
        const ir_global *g = m->globals.data[i];
        if (g->is_state != states)
            continue;
        if (!titled)
            puts(states ? "states:" : "params:");
        titled = true;
        printf("  %s: %s\n", g->path, ir_type_print(c->arena, g->type));
    }
}

static int inspect_model(cli *c, const char *path) {
    model m;
    int status;
    if (!model_open(c, path, &m, &status)) {
        model_close(&m);
        return status;
    }
    const ir_func *f = m.func;
    const ir_op *ret = f->body->last;
    printf("model: %s\n", f->name);
    if (f->doc)
        printf("%s\n", f->doc);
    if (f->body->n_args)
        puts("inputs:");
    for (int i = 0; i < f->body->n_args; i++)
        printf("  %s: %s\n", f->body->args[i]->name ? f->body->args[i]->name : "?",
               f->arg_syms && f->arg_syms[i] ? "int" : ir_type_print(c->arena, f->body->args[i]->type));
    puts("outputs:");
    for (int i = 0; ret && i < ret->n_operands; i++)
        printf("  %s: %s\n", f->result_names && i < f->n_results && f->result_names[i] && *f->result_names[i] ? f->result_names[i] : "out",
               ir_type_print(c->arena, ir_operand(ret, i)->type));
    show_globals(c, m.module, false);
    show_globals(c, m.module, true);
    model_close(&m);
    return EXIT_DONE;
}

int cmd_inspect(cli *c) {
    if (c->o.arguments.len != 1)
        return cli_usage(c, "one FILE is wanted (frit inspect --help)");
    const char *path = c->o.arguments.data[0];
    if (ends_with(path, ".npy"))
        return inspect_npy(c, path);
    if (ends_with(path, ".npz"))
        return inspect_npz(c, path);
    if (ends_with(path, ".safetensors"))
        return inspect_safetensors(c, path);
    if (ends_with(path, ".fpk"))
        return inspect_package(c, path);
    if (ends_with(path, ".frit") || ends_with(path, ".fir"))
        return inspect_model(c, path);
    return cli_usage(c, "'%s' has none of the endings .fpk .safetensors .npy .npz .frit .fir", path);
}
