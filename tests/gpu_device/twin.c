#include "twin.h"
#include "tests/gpu/exec.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void twin_need(bool ok, const char *what, const char *more) {
    if (ok) return;
    fprintf(stderr, "twins: %s %s\n", what, more ? more : "");
    exit(1);
}

/* ---- Kernels and their data -------------------------------------------------------------------------------------- */
static char *read_file(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    twin_need(f, "can't read", path);
    char *s = calloc(1, 1 << 20);
    *n = fread(s, 1, (1 << 20) - 1, f);
    fclose(f);
    return s;
}

/* Small whole numbers, so that every sum is exact. A buffer of u32 holds elements of dtype t. */
static void fill(char *p, frit_dtype t, unsigned seed) {
    int64_t n = TWIN_BYTES / frit_dtype_bytes(t, 1);
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 1664525 + 1013904223;
        int v = (int)(seed >> 28) - 8;
        if (frit_dtype_is_float(t)) frit_store_float(t, p, i, v);
        else frit_store_int(t, p, i, v);
    }
}

static void run_twin(twin *k) {
    const char *error = NULL;
    int64_t extent = TWIN_EXTENT;
    char message[1024];
    exec_kernel *e = exec_kernel_new(k->f, 32, k->d, &error);
    twin_need(e, k->path, error);
    for (int seed = 0; seed < 4; seed++) {
        exec_memory memory[TWIN_BUFFERS];
        for (int i = 0; i < k->n; i++) memory[i] = (exec_memory){.data = k->host[i], .bytes = TWIN_BYTES};
        memory[k->n - 1] = (exec_memory){.data = k->want, .bytes = TWIN_BYTES, .output = true};
        memset(k->want, 0xff, TWIN_BYTES);
        exec_launch l = {.buffers = memory, .ints = &extent, .tasks = TWIN_TASKS(k->f), .blocks = TWIN_TASKS(k->f), .seed = (uint64_t)seed, .late = seed & 1};
        twin_need(exec_run(e, &l, message, sizeof message), k->path, message);
    }
    exec_kernel_free(e);
}

twin twin_open(const char *path) {
    twin k = {.path = path, .d = diag_new()};
    size_t n;
    char *s = read_file(path, &n);
    const char *bad = NULL;
    k.m = ir_parse(k.d, diag_add_source(k.d, path, s, n));
    if (!k.m) diag_print_text(k.d, stderr, false);
    twin_need(k.m && !ir_verify(k.m->arena, k.m, &bad), path, bad);
    free(s);
    k.f = k.m->funcs;
    while (k.n < TWIN_BUFFERS && k.f->body->args[k.n]->type.kind == IR_PTR) k.n++;
    for (int i = 0; i < k.n; i++) {
        frit_dtype t = (frit_dtype)k.f->body->args[i]->type.dtype;
        k.host[i] = aligned_alloc(128, TWIN_BYTES);
        fill(k.host[i], t == FRIT_u32 ? (frit_dtype)k.f->body->args[1]->type.dtype : t, 7u + (unsigned)i);
    }
    memset(k.host[k.n - 1], 0xff, TWIN_BYTES);
    k.want = aligned_alloc(128, TWIN_BYTES);
    run_twin(&k);
    return k;
}

void twin_close(twin *k) {
    for (int i = 0; i < k->n; i++) free(k->host[i]);
    free(k->want);
    ir_module_free(k->m);
    diag_free(k->d);
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int twin_list(const char *folder, char **paths, int most) {
    DIR *dir = opendir(folder);
    twin_need(dir, "no folder", folder);
    int n = 0;
    for (struct dirent *e; n < most && (e = readdir(dir));) {
        size_t length = strlen(e->d_name);
        if (length < 5 || strcmp(e->d_name + length - 4, ".fir")) continue;
        paths[n] = malloc(strlen(folder) + length + 2);
        sprintf(paths[n++], "%s/%s", folder, e->d_name);
    }
    closedir(dir);
    qsort(paths, (size_t)n, sizeof *paths, compare);
    return n;
}

