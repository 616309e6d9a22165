/* frit bench: medians, kernels, bytes, share of the machine's limit. */
#include "bench.h"
#include "driver.h"
#include "exec.h"
#include "feed.h"
#include <stdlib.h>
#include <string.h>

enum { LEAST_RUNS = 5, MOST_RUNS = 100000, PROFILED = 3, MAX_SWEPT = 4 };
static const double ENOUGH = 1;      /* seconds of measuring */
static const double SAMPLED = 0.05; /* seconds of runs between two looks at the machine's limits */
static const ir_span nowhere = {0};

typedef struct {
    cli *c;
    model *m;
    const void *bytes; /* of the package; NULL: the file itself, or the interpreter */
    size_t size;
    bool interpret, cold;
    int64_t runs;
    uint64_t seed;
    double allowed; /* share by which a median may be above the baseline */
    machine_meter *meter;
    bool on_device; /* whose limits are known from elsewhere */
    bench_report report;
} bench;

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- one size ---- */
static int measure(bench *b, exec *x, const feed *f, io_array *outputs, bench_point *p) {
    double *times = arena_array(b->c->arena, double, b->runs ? b->runs : MOST_RUNS), total = 0;
    int status = x->run(x, b->c, f->inputs, outputs); /* plans, allocates, loads */
    int n = 0, first = machine_meter_count(b->meter);
    double unseen = SAMPLED;
    while (status == EXIT_DONE && (b->runs ? n < b->runs : n < MOST_RUNS && (n < LEAST_RUNS || total < ENOUGH))) {
        if (!b->on_device && unseen >= SAMPLED) {
            machine_meter_sample(b->meter);
            status = x->run(x, b->c, f->inputs, outputs); /* what the sample took out of the caches is there again */
            unseen = 0;
        }
        if (b->cold)
            machine_evict();
        double start = machine_seconds();
        status = x->run(x, b->c, f->inputs, outputs);
        times[n] = machine_seconds() - start;
        unseen += times[n];
        total += times[n++];
    }
    if (!b->on_device)
        b->report.machine = machine_meter_read(b->meter, first);
    if (status != EXIT_DONE)
        return status;
    qsort(times, (size_t)n, sizeof *times, by_value);
    p->runs = n;
    p->fastest = times[0];
    p->median = n % 2 ? times[n / 2] : (times[n / 2 - 1] + times[n / 2]) / 2;
    return EXIT_DONE;
}

static int profile(bench *b, exec *x, const feed *f, io_array *outputs, bench_point *p) {
    frit_session *s = exec_session(x);
    int status = EXIT_DONE;
    if (!s)
        return EXIT_DONE;
    frit_session_set_profile(s, true);
    for (int i = 0; i < PROFILED && status == EXIT_DONE; i++)
        status = x->run(x, b->c, f->inputs, outputs);
    int n = frit_session_get_profile(s, NULL, 0);
    frit_kernel_profile *k = arena_array(b->c->arena, frit_kernel_profile, n + 1);
    frit_session_get_profile(s, k, n);
    p->n_kernels = n;
    p->kernels = arena_array(b->c->arena, bench_kernel, n + 1);
    p->memory = frit_session_memory(s);
    for (int i = 0; i < n; i++) {
        bench_kernel *to = &p->kernels[i];
        *to = (bench_kernel){.name = arena_strdup(b->c->arena, k[i].name), .file = arena_strdup(b->c->arena, k[i].file),
                             .line = k[i].line, .launches = (double)k[i].launches / PROFILED,
                             .seconds = k[i].seconds / PROFILED, .bytes = k[i].bytes / PROFILED,
                             .flops = k[i].flops / PROFILED};
        to->share = bench_share(&b->report.machine, to->bytes, to->flops, to->seconds);
        p->launches += to->launches;
        p->bytes += to->bytes;
        p->flops += to->flops;
    }
    p->share = bench_share(&b->report.machine, p->bytes, p->flops, p->median);
    return status;
}

static int bench_size(bench *b, int n_sizes, const frit_dim *sizes, bench_point *p) {
    int status = EXIT_DONE;
    feed f = {0};
    exec *x = b->interpret ? exec_open_interp(b->c, b->m, b->seed, &status)
                           : exec_open_package(b->c, b->m, b->bytes, b->size, b->seed, &status);
    if (!x)
        return status;
    io_array *outputs = calloc((size_t)x->info->n_outputs + 1, sizeof *outputs);
    b->report.target = arena_strdup(b->c->arena, x->device);
    double copy = 0;
    exec_keep_on_device(x, &copy);
    b->on_device = copy > 0; /* whose arithmetic is not measured */
    b->report.machine.copy_bytes = copy;
    status = feed_make(b->c, b->m, x, b->seed, n_sizes, sizes, &f);
    if (status == EXIT_DONE)
        status = measure(b, x, &f, outputs, p);
    if (status == EXIT_DONE)
        status = profile(b, x, &f, outputs, p);
    for (int i = 0; i < x->info->n_outputs; i++)
        io_array_free(&outputs[i]);
    free(outputs);
    x->close(x);
    feed_free(&f);
    return status;
}

/* ---- sweeps: every combination of the lists ---- */
static int sweep(bench *b) {
    const define *swept[MAX_SWEPT];
    int n = 0, total = 1;
    for (int i = 0; i < b->m->n_defines; i++)
        if (b->m->defines[i].kind == DEFINE_LIST && n < MAX_SWEPT)
            total *= (swept[n++] = &b->m->defines[i])->n;
    b->report.points = arena_array(b->c->arena, bench_point, total);
    for (int at = 0; at < total; at++) {
        frit_dim sizes[MAX_SWEPT];
        bench_point *p = &b->report.points[at];
        p->sizes = "";
        for (int i = 0, rest = at; i < n; rest /= swept[i++]->n) {
            sizes[i] = (frit_dim){swept[i]->name, swept[i]->list[rest % swept[i]->n]};
            p->sizes = arena_printf(b->c->arena, "%s%s%s=%lld", p->sizes, *p->sizes ? " " : "", sizes[i].name,
                                    (long long)sizes[i].value);
        }
        int status = bench_size(b, n, sizes, p);
        if (status != EXIT_DONE)
            return status;
        b->report.n++;
    }
    return EXIT_DONE;
}

static int prepare(bench *b) {
    if (b->m->kind == MODEL_PACKAGE || b->interpret) {
        b->report.compile = -1;
        return EXIT_DONE;
    }
    double start = machine_seconds();
    int status = driver_compile(b->c, b->m, false, &b->bytes, &b->size);
    b->report.compile = machine_seconds() - start;
    return status;
}

/* ---- results ---- */
static int output_failed(bench *b, const io_error *e) {
    diag_report(b->c->d, MSG_OUTPUT_FILE, nowhere, e->text);
    return EXIT_MODEL;
}

/* "5%" as 0.05. */
static bool read_share(cli *c, double *share) {
    const char *text = option_text(&c->o, OPT_max_regress, "5%");
    char *end;
    *share = strtod(text, &end) / 100;
    if (end > text && (!*end || !strcmp(end, "%")) && *share >= 0)
        return true;
    cli_usage(c, "--max-regress wants a share such as 5%%, not '%s'", text);
    return false;
}

static int finish(bench *b) {
    const cli_options *o = &b->c->o;
    const char *json = option_text(o, OPT_json, NULL), *html = option_text(o, OPT_html, NULL);
    const char *baseline = option_text(o, OPT_baseline, NULL);
    io_error e;
    bool regressed = false;
    if (!json || strcmp(json, "-"))
        bench_print(stdout, &b->report);
    if (json && !bench_write_json(json, &b->report, &e))
        return output_failed(b, &e);
    if (html && !bench_write_html(html, &b->report, &e))
        return output_failed(b, &e);
    if (!baseline)
        return EXIT_DONE;
    if (!bench_compare(stdout, &b->report, baseline, b->allowed, &regressed, &e)) {
        diag_report(b->c->d, MSG_EXPECTED_DATA, nowhere, e.text);
        return EXIT_MODEL;
    }
    return regressed ? EXIT_DIFFERENT : EXIT_DONE;
}

int cmd_bench(cli *c) {
    model m;
    int64_t seed, threads, runs;
    double allowed;
    int status;
    const char *fusion = option_text(&c->o, OPT_fusion, "full");
    if (c->o.arguments.len != 1)
        return cli_usage(c, "one MODEL is wanted (frit bench --help)");
    if (strcmp(fusion, "full") && strcmp(fusion, "op") && strcmp(fusion, "none"))
        return cli_usage(c, "--fusion is full, op or none, not '%s'", fusion);
    if (!cli_number(c, OPT_seed, 0, &seed) || !cli_number(c, OPT_threads, 0, &threads) ||
        !cli_number(c, OPT_runs, 0, &runs) || !read_share(c, &allowed))
        return EXIT_USAGE;
    bool ok = model_open(c, c->o.arguments.data[0], &m, &status) && model_check_weights(c, &m);
    bench b = {.c = c, .m = &m, .interpret = !strcmp(fusion, "none"), .cold = option_given(&c->o, OPT_cold),
               .runs = runs, .allowed = allowed, .seed = (uint64_t)seed,
               .report = {.model = m.path, .fusion = fusion, .target = ""}};
    if (ok && !(b.meter = machine_meter_open((int)threads))) {
        status = cli_environment(c, "out of memory");
        ok = false;
    } else if (ok) {
        b.report.machine = machine_meter_read(b.meter, 0); /* how many threads it stands for */
    }
    if (ok && b.interpret && m.kind == MODEL_PACKAGE)
        status = cli_usage(c, "--fusion none needs the model's source, not a package");
    else if (ok && (status = prepare(&b)) == EXIT_DONE && (status = sweep(&b)) == EXIT_DONE)
        status = finish(&b);
    else if (!ok && status == EXIT_DONE)
        status = EXIT_MODEL;
    machine_meter_close(b.meter);
    model_close(&m);
    return status;
}
