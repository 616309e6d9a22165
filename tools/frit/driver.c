/* Compiling for the command: targets, weights inside packages, stages as text. */
#include "driver.h"
#include "debug.h"
#include "codegen/package.h"
#include "frontend/compiler.h"
#include "tools/io/safetensors.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static const ir_span nowhere = {0};

static const struct {
    const char *name;
    bool text;
} stages[STAGE_COUNT] = {
#define STAGE(name, text) [STAGE_##name] = {#name, text},
#include "stages.def"
#undef STAGE
};

stage stage_from_name(const char *name) {
    int s = 0;
    while (s < STAGE_COUNT && strcmp(stages[s].name, name))
        s++;
    return (stage)s;
}

const char *stage_names(arena *a) {
    const char *s = stages[0].name;
    for (int i = 1; i < STAGE_COUNT; i++)
        s = arena_printf(a, "%s, %s", s, stages[i].name);
    return s;
}

bool stage_is_text(stage s) { return stages[s].text; }

/* ---- options ---- */
typedef struct {
    model *m;
    io_array *held; /* weights lent to the package writer */
    int n;
    safetensors beside; /* the file that has them, if the package refers to one */
    const char *file;
} lender;

static bool lend(void *u, const char *path, const void **data, uint64_t *bytes) {
    lender *l = u;
    int at = weights_find(l->m->weights, path);
    io_array a;
    if (at < 0 || !weights_read(l->m->weights, at, &a, NULL))
        return false;
    l->held[l->n++] = a;
    *data = a.data;
    *bytes = (uint64_t)a.bytes;
    return true;
}

static bool lies_beside(void *u, const char *path, const char **file, uint64_t *offset) {
    lender *l = u;
    for (int i = 0; i < l->beside.n; i++)
        if (!strcmp(l->beside.tensors[i].name, path)) {
            *file = l->file;
            *offset = l->beside.tensors[i].offset;
            return true;
        }
    return false;
}

static void give_back(lender *l) {
    if (l->file)
        safetensors_close(&l->beside);
    for (int i = 0; i < l->n; i++)
        io_array_free(&l->held[i]);
    free(l->held);
}

/* FRIT_DEBUG and FRIT_DUMP_DIR in the compiler's terms. */
static bool open_debugging(cli *c, compile_options *o) {
    debug_settings s;
    const char *wrong = NULL;
    int n;
    size_t length = 0;
    if (!debug_read(&s, &wrong, &n))
        return true; /* main has said so */
    pass_options *passes = arena_new_of(c->arena, pass_options);
    *passes = (pass_options){.unverified = !debug_on(&s, DEBUG_verify), .dump_dir = s.dump_dir};
    if (s.skip)
        wrong = pass_parse_skip(arena_strndup(c->arena, s.skip, (size_t)s.skip_length), &passes->skip, &length);
    if (wrong) {
        cli_usage(c, "FRIT_DEBUG: skip=%.*s: there is no such pass", (int)length, wrong);
        return false;
    }
    if (s.dump_dir)
        mkdir(s.dump_dir, 0777);
    o->passes = passes;
    if (debug_on(&s, DEBUG_times))
        o->timers = arena_array(c->arena, pass_timer, PASS_COUNT);
    return true;
}

const char *driver_target(cli *c) {
    const char *name = option_text(&c->o, OPT_target, "cpu"), *error = NULL;
    const target *t = target_open(c->arena, name, &error);
    return t ? t->string : NULL;
}

static bool open_options_for(cli *c, const char *name, compile_options *o) {
    const char *error = NULL;
    const char *fusion = option_text(&c->o, OPT_fusion, "full");
    *o = (compile_options){.target = target_open(c->arena, name, &error), .stop = PROGRAM_PACKAGE, .diag = c->d};
    o->fusion = !strcmp(fusion, "op") ? COMPILE_OP : COMPILE_FULL;
    if (o->target)
        return open_debugging(c, o);
    diag_report(c->d, MSG_TARGET_UNKNOWN, nowhere, name, error ? error : "there is no such target");
    return false;
}

static bool open_options(cli *c, compile_options *o) {
    return open_options_for(c, option_text(&c->o, OPT_target, "cpu"), o);
}

static const char *print_funcs(cli *c, const program *p, const char *kernel, bool tile) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    for (int i = 0; out && i < p->n_kernels; i++)
        if (!kernel || !strcmp(kernel, p->kernels[i].name))
            fprintf(out, "%s\n", ir_print_func(c->arena, tile ? p->kernels[i].tile : p->kernels[i].thread));
    if (out)
        fclose(out);
    const char *kept = arena_strndup(c->arena, text ? text : "", size);
    free(text);
    return kept;
}

static void dump(cli *c, const compile_options *o, const char *name, const char *text) {
    if (o->passes->dump_dir)
        io_write_file(arena_printf(c->arena, "%s/%s.fir", o->passes->dump_dir, name), text, strlen(text), false, NULL);
}

static void show_program(cli *c, const compile_options *o, const program *p) {
    if (o->passes->dump_dir && o->stop >= PROGRAM_THREAD) {
        dump(c, o, "tile", print_funcs(c, p, NULL, true));
        dump(c, o, "thread", print_funcs(c, p, NULL, false));
    }
    if (!o->timers)
        return;
    for (int i = 0; i < PASS_COUNT; i++)
        fprintf(stderr, "%-14s %8.3f ms  %d runs, %d changed the program\n", pass_table[i].name,
                (double)o->timers[i].ns * 1e-6, o->timers[i].runs, o->timers[i].changes);
    fprintf(stderr, "%-14s %8.3f ms\n%-14s %8.3f ms\n%-14s %8.3f ms\n", "(schedule)", p->schedule_ms, "(lower)",
            p->lower_ms, "(compile)", p->compile_ms);
}

/* A limit is the user's to keep to, a missing library the environment's fault; anything else is a bug. */
static int failure(cli *c, const char *error) {
    if (error && compile_error_is_missing(error))
        return cli_environment(c, "%s", error);
    if (!error || !compile_error_is_limit(error))
        return crash_report(error ? error : "the compiler gave no reason");
    diag_report(c->d, MSG_COMPILE_LIMIT, nowhere, error);
    return EXIT_MODEL;
}

static const program *build(cli *c, model *m, compile_options *o, int *status) {
    const char *error;
    const program *made = NULL;
    debug_settings debug;
    const char *wrong;
    int n;
    if (debug_read(&debug, &wrong, &n) && debug_on(&debug, DEBUG_crash))
        abort(); /* lets a test see what a bug of frit's leaves behind */
    progress *p = progress_begin(c, "compiling");
    error = compile_fuse(m->module, m->func, o);
    if (!error) {
        dump(c, o, "fused", ir_print(c->arena, m->module));
        made = compile_program(c->arena, m->func, o, &error);
    }
    progress_end(p);
    if (made)
        show_program(c, o, made);
    *status = made ? EXIT_DONE : failure(c, error);
    return made;
}

/* ---- the doors ---- */
static int compile_for(cli *c, model *m, const char *target_name, bool inside, const char *beside, const void **bytes,
                       size_t *size) {
    compile_options o;
    io_error e;
    int status;
    if (!open_options_for(c, target_name, &o))
        return diag_errors(c->d) ? EXIT_MODEL : EXIT_USAGE;
    lender l = {.m = m};
    if (beside && !safetensors_open(&l.beside, beside, &e)) {
        diag_report(c->d, MSG_WEIGHT_FILE, nowhere, e.text);
        return EXIT_MODEL;
    }
    l.held = calloc((size_t)m->module->globals.len + 1, sizeof *l.held);
    if (beside) {
        const char *slash = strrchr(beside, '/');
        l.file = slash ? slash + 1 : beside;
        o.beside = lies_beside;
    }
    if (inside || beside) {
        o.weight = lend;
        o.weight_ctx = &l;
    }
    const program *p = build(c, m, &o, &status);
    give_back(&l);
    if (!p)
        return status;
    *bytes = p->bytes;
    *size = (size_t)p->n_bytes;
    return EXIT_DONE;
}

int driver_compile(cli *c, model *m, bool inside, const void **bytes, size_t *size) {
    return compile_for(c, m, option_text(&c->o, OPT_target, "cpu"), inside, NULL, bytes, size);
}

/* Compiling changes the module: every target after the first gets its own, from the same text. Weights are the first's. */
static int compile_again(cli *c, const model *m, const char *target_name, const void **bytes, size_t *size) {
    model again = *m;
    int status;
    again.module = NULL;
    if (model_elaborate(c, &again, &status))
        status = compile_for(c, &again, target_name, false, NULL, bytes, size);
    if (again.module)
        ir_module_free(again.module);
    return status;
}

int driver_package(cli *c, model *m, bool inside, const char *beside, const void **bytes, size_t *size) {
    const strings *targets = &c->o.values[OPT_target];
    package_bytes *each = arena_array(c->arena, package_bytes, targets->len + 1), all;
    const char *why;
    int status = EXIT_DONE;
    if (targets->len < 2)
        return compile_for(c, m, option_text(&c->o, OPT_target, "cpu"), inside, beside, bytes, size);
    for (int i = 0; i < targets->len && status == EXIT_DONE; i++) {
        const char *name = targets->data[i];
        status = i ? compile_again(c, m, name, bytes, size) : compile_for(c, m, name, inside, beside, bytes, size);
        each[i] = (package_bytes){*bytes, *size};
    }
    if (status != EXIT_DONE)
        return status;
    if (!package_merge(c->arena, targets->len, each, &all, &why))
        return cli_usage(c, "%s", why);
    *bytes = all.data;
    *size = (size_t)all.n;
    return EXIT_DONE;
}

int driver_program(cli *c, model *m, const char *target_name, const program **p, const target **t) {
    enum { WORKERS = 4 }; /* kernels are dealt out to so many modules, whatever the machine */
    compile_options o;
    int status;
    if (!open_options_for(c, target_name, &o))
        return diag_errors(c->d) ? EXIT_MODEL : EXIT_USAGE;
    o.workers = WORKERS;
    *t = o.target;
    *p = build(c, m, &o, &status);
    return *p ? EXIT_DONE : status;
}

int driver_fuse(cli *c, model *m) {
    compile_options o;
    if (!open_options(c, &o))
        return diag_errors(c->d) ? EXIT_MODEL : EXIT_USAGE;
    const char *error = compile_fuse(m->module, m->func, &o);
    return error ? failure(c, error) : EXIT_DONE;
}

/* ---- stages ---- */
static int unknown_kernel(cli *c, const program *p, const char *name) {
    for (int i = 0; i < p->n_kernels; i++)
        cli_note(c, "kernel %s", p->kernels[i].name);
    return cli_usage(c, "the model has no kernel '%s'", name);
}

static int emit_target(cli *c, const program *p, const compile_options *o, stage s, const char *kernel,
                       const void **bytes, size_t *size) {
    ir_func **funcs = arena_array(c->arena, ir_func *, p->n_kernels + 1);
    const char *error = NULL;
    int n = 0;
    int64_t length = 0;
    target_form form;
    if (!target_form_from_name(stages[s].name, &form))
        return crash_report("a stage is no form of code");
    for (int i = 0; i < p->n_kernels; i++)
        if (!kernel || !strcmp(kernel, p->kernels[i].name))
            funcs[n++] = p->kernels[i].thread;
    *bytes = target_emit(o->target, c->arena, form, n, funcs, &length, &error);
    *size = (size_t)length;
    if (!*bytes && error && strstr(error, TARGET_NO_FORM))
        return cli_usage(c, "%s", error);
    return *bytes ? EXIT_DONE : failure(c, error);
}

/* A line per kernel: what it takes of the machine as far as the target can tell, and how long it takes to compile by
 * itself. */
static int emit_kernels(cli *c, const program *p, const compile_options *o, const char *kernel, const char **text) {
    const char *error = NULL, *s = "kernel                    launches threads  shared registers spilled  stack  compile ms\n";
    for (int i = 0; i < p->n_kernels; i++) {
        const program_kernel *k = &p->kernels[i];
        ir_func *f = k->thread;
        struct timespec from, to;
        if (kernel && strcmp(kernel, k->name))
            continue;
        arena *own = arena_new();
        clock_gettime(CLOCK_MONOTONIC, &from);
        const code_blob *b = target_compile(o->target, own, 1, &f, &error);
        clock_gettime(CLOCK_MONOTONIC, &to);
        double ms = (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) * 1e-6;
        if (b)
            s = arena_printf(c->arena, "%s%-25s %8d %7d %7lld %9d %7d %6d %11.2f\n", s, k->name, k->launches, f->threads,
                             (long long)f->shared, b->kernels[0].registers, b->kernels[0].spills, b->kernels[0].stack, ms);
        else
            error = arena_strdup(c->arena, error ? error : "no code");
        arena_free(own);
        if (!b)
            return failure(c, error);
    }
    *text = s;
    return EXIT_DONE;
}

int driver_emit(cli *c, model *m, stage s, const char *kernel, const void **bytes, size_t *size) {
    compile_options o;
    int status;
    const char *text = NULL;
    if (!open_options(c, &o))
        return diag_errors(c->d) ? EXIT_MODEL : EXIT_USAGE;
    const char *error = s == STAGE_fused ? compile_fuse(m->module, m->func, &o) : NULL;
    if (error)
        return failure(c, error);
    if (s == STAGE_tensor || s == STAGE_fused)
        text = ir_print(c->arena, m->module);
    else {
        o.stop = s == STAGE_tile ? PROGRAM_TILE : PROGRAM_THREAD;
        const program *p = build(c, m, &o, &status);
        if (!p)
            return status;
        bool found = !kernel;
        for (int i = 0; kernel && i < p->n_kernels; i++)
            found |= !strcmp(kernel, p->kernels[i].name);
        if (!found)
            return unknown_kernel(c, p, kernel);
        if (s == STAGE_kernels && (status = emit_kernels(c, p, &o, kernel, &text)) != EXIT_DONE)
            return status;
        if (s != STAGE_tile && s != STAGE_thread && s != STAGE_kernels)
            return emit_target(c, p, &o, s, kernel, bytes, size);
        if (s != STAGE_kernels)
            text = print_funcs(c, p, kernel, s == STAGE_tile);
    }
    *bytes = text;
    *size = strlen(text);
    return EXIT_DONE;
}
