/* Numbers of frit bench as text, JSON, HTML; comparison with earlier ones. */
#include "bench.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

double bench_share(const machine_limits *m, double bytes, double flops, double seconds) {
    double memory = m->copy_bytes > 0 ? bytes / m->copy_bytes : 0, compute = m->fma_flops > 0 ? flops / m->fma_flops : 0;
    double least = memory > compute ? memory : compute;
    return seconds > 0 ? least / seconds : 0;
}

/* ---- text ---- */
static void print_point(FILE *out, const bench_point *p) {
    fprintf(out, "%s%smedian %.3f ms, fastest %.3f ms (%d runs); %.4g kernels", p->sizes, *p->sizes ? ": " : "",
            p->median * 1e3, p->fastest * 1e3, p->runs, p->launches);
    if (p->bytes > 0)
        fprintf(out, ", %.4g MB moved, %.4g Gflop, %.0f%% of the machine's limit", p->bytes / 1e6, p->flops / 1e9,
                p->share * 100);
    fprintf(out, "; %.1f MB of working memory\n", (double)p->memory / 1e6);
    for (int i = 0; i < p->n_kernels; i++) {
        const bench_kernel *k = &p->kernels[i];
        if (k->launches <= 0)
            continue;
        fprintf(out, "  %8.3f ms  %4.0f%%  x%-4.4g %s", k->seconds * 1e3, k->share * 100, k->launches, k->name);
        if (*k->file)
            fprintf(out, "  (%s:%u)", k->file, k->line);
        fputc('\n', out);
    }
}

void bench_print(FILE *out, const bench_report *r) {
    fprintf(out, "%s for %s, fusion %s, %d thread%s", r->model, r->target, r->fusion, r->machine.threads,
            r->machine.threads == 1 ? "" : "s");
    if (r->compile >= 0)
        fprintf(out, ", compiled in %.1f ms", r->compile * 1e3);
    fprintf(out, "\nmachine: copy %.1f GB/s, multiply-add %.1f GFLOP/s\n", r->machine.copy_bytes / 1e9,
            r->machine.fma_flops / 1e9);
    for (int i = 0; i < r->n; i++)
        print_point(out, &r->points[i]);
}

/* ---- JSON ---- */
static void add_kernels(cJSON *point, const bench_point *p) {
    cJSON *list = cJSON_AddArrayToObject(point, "kernels");
    for (int i = 0; i < p->n_kernels; i++) {
        const bench_kernel *k = &p->kernels[i];
        cJSON *j = cJSON_CreateObject();
        cJSON_AddStringToObject(j, "name", k->name);
        cJSON_AddNumberToObject(j, "launches", k->launches);
        cJSON_AddNumberToObject(j, "seconds", k->seconds);
        cJSON_AddNumberToObject(j, "bytes", k->bytes);
        cJSON_AddNumberToObject(j, "flops", k->flops);
        cJSON_AddNumberToObject(j, "share", k->share);
        cJSON_AddItemToArray(list, j);
    }
}

static cJSON *as_json(const bench_report *r) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "frit", FRIT_VERSION);
    cJSON_AddStringToObject(json, "model", r->model);
    cJSON_AddStringToObject(json, "target", r->target);
    cJSON_AddStringToObject(json, "fusion", r->fusion);
    cJSON_AddNumberToObject(json, "threads", r->machine.threads);
    cJSON_AddNumberToObject(json, "compile_seconds", r->compile);
    cJSON_AddNumberToObject(json, "copy_bytes_per_second", r->machine.copy_bytes);
    cJSON_AddNumberToObject(json, "fma_flops_per_second", r->machine.fma_flops);
    cJSON *points = cJSON_AddArrayToObject(json, "points");
    for (int i = 0; i < r->n; i++) {
        const bench_point *p = &r->points[i];
        cJSON *j = cJSON_CreateObject();
        cJSON_AddStringToObject(j, "sizes", p->sizes);
        cJSON_AddNumberToObject(j, "runs", p->runs);
        cJSON_AddNumberToObject(j, "median_seconds", p->median);
        cJSON_AddNumberToObject(j, "fastest_seconds", p->fastest);
        cJSON_AddNumberToObject(j, "launches", p->launches);
        cJSON_AddNumberToObject(j, "bytes", p->bytes);
        cJSON_AddNumberToObject(j, "flops", p->flops);
        cJSON_AddNumberToObject(j, "share", p->share);
        cJSON_AddNumberToObject(j, "memory_bytes", (double)p->memory);
        add_kernels(j, p);
        cJSON_AddItemToArray(points, j);
    }
    return json;
}

bool bench_write_json(const char *path, const bench_report *r, io_error *e) {
    cJSON *json = as_json(r);
    char *text = cJSON_Print(json);
    cJSON_Delete(json);
    if (!text)
        return io_fail(e, "out of memory");
    bool ok = io_write_file(path, text, strlen(text), false, e);
    free(text);
    return ok;
}

/* ---- HTML ---- */
static void escape(FILE *out, const char *text) {
    for (; *text; text++)
        if (*text == '<')
            fputs("&lt;", out);
        else if (*text == '&')
            fputs("&amp;", out);
        else
            fputc(*text, out);
}

static void html_point(FILE *out, const bench_point *p) {
    fputs("<h2>", out);
    escape(out, *p->sizes ? p->sizes : "one size");
    fprintf(out, "</h2>\n<p>median %.3f ms, fastest %.3f ms of %d runs; %.4g kernels; %.4g MB; %.0f%% of the limit</p>\n"
                 "<table><tr><th>kernel<th>source<th>launches<th>ms<th>MB<th>Gflop<th>of the limit</tr>\n",
            p->median * 1e3, p->fastest * 1e3, p->runs, p->launches, p->bytes / 1e6, p->share * 100);
    for (int i = 0; i < p->n_kernels; i++) {
        const bench_kernel *k = &p->kernels[i];
        fputs("<tr><td>", out);
        escape(out, k->name);
        fputs("<td>", out);
        escape(out, k->file);
        fprintf(out, ":%u<td>%.4g<td>%.4f<td>%.4g<td>%.4g<td><meter value=%.3f></meter> %.0f%%</tr>\n", k->line, k->launches,
                k->seconds * 1e3, k->bytes / 1e6, k->flops / 1e9, k->share, k->share * 100);
    }
    fputs("</table>\n", out);
}

bool bench_write_html(const char *path, const bench_report *r, io_error *e) {
    io_writer w;
    if (!io_writer_open(&w, path, false, e))
        return false;
    fputs("<!doctype html><meta charset=utf-8><title>frit bench</title>\n<style>body{font:15px sans-serif;margin:2em}"
          "td,th{padding:2px 10px;text-align:right}td:first-child,th:first-child{text-align:left}</style>\n<h1>", w.stream);
    escape(w.stream, r->model);
    fprintf(w.stream, "</h1>\n<p>%s, fusion %s, %d threads; copy %.1f GB/s, multiply-add %.1f GFLOP/s</p>\n", r->target,
            r->fusion, r->machine.threads, r->machine.copy_bytes / 1e9, r->machine.fma_flops / 1e9);
    for (int i = 0; i < r->n; i++)
        html_point(w.stream, &r->points[i]);
    return io_writer_commit(&w, e);
}

/* ---- comparison ---- */
static const cJSON *find_point(const cJSON *points, const char *sizes) {
    const cJSON *p;
    cJSON_ArrayForEach(p, points) {
        const cJSON *s = cJSON_GetObjectItemCaseSensitive(p, "sizes");
        if (cJSON_IsString(s) && !strcmp(s->valuestring, sizes))
            return p;
    }
    return NULL;
}

static bool compare_point(FILE *out, const bench_point *p, const cJSON *old, double allowed) {
    const cJSON *m = old ? cJSON_GetObjectItemCaseSensitive(old, "median_seconds") : NULL;
    const cJSON *k = old ? cJSON_GetObjectItemCaseSensitive(old, "launches") : NULL;
    if (!cJSON_IsNumber(m) || m->valuedouble <= 0) {
        fprintf(out, "%s%snot in the baseline\n", p->sizes, *p->sizes ? ": " : "");
        return false;
    }
    double change = p->median / m->valuedouble - 1;
    bool worse = change > allowed;
    fprintf(out, "%s%s%+.1f%% against the baseline (%.3f ms)%s", p->sizes, *p->sizes ? ": " : "", change * 100,
            m->valuedouble * 1e3, worse ? ": REGRESSED" : "");
    if (cJSON_IsNumber(k) && k->valuedouble != p->launches)
        fprintf(out, "; %.4g kernels, were %.4g", p->launches, k->valuedouble);
    fputc('\n', out);
    return worse;
}

bool bench_compare(FILE *out, const bench_report *r, const char *path, double allowed, bool *regressed, io_error *e) {
    io_file *f = io_file_open(path, e);
    if (!f)
        return false;
    cJSON *json = cJSON_ParseWithLength((const char *)io_file_data(f), io_file_size(f));
    io_file_release(f);
    const cJSON *points = cJSON_GetObjectItemCaseSensitive(json, "points");
    *regressed = false;
    for (int i = 0; points && i < r->n; i++)
        *regressed |= compare_point(out, &r->points[i], find_point(points, r->points[i].sizes), allowed);
    bool ok = points != NULL;
    cJSON_Delete(json);
    return ok || io_fail(e, "%.300s: not the JSON of a frit bench", path);
}
