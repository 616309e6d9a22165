/* Runs a model by the runtime, with raw elements in files: a host program as small as they get, in C and C++.
 *
 *     run_model FILE.fpk NAME=FILE:DIM,DIM... -> NAME=FILE:DIM,DIM...
 *     run_model FILE.frit [-D NAME VALUE]... -w WEIGHTS NAME=FILE:DIM,DIM... -> NAME=FILE:DIM,DIM...
 *
 * Inputs before the arrow, outputs behind it; in the model's order. A package holds its weights. A source is compiled here
 * (with JIT defined); WEIGHTS is then a list of its params, all f32, each a line: name, rank, dims, file. Built with
 * INSTALLED it uses installed headers. */
#ifndef INSTALLED
#include "runtime/frit.h"
#elif defined(JIT)
#include <frit/frit_compiler.h>
#else
#include <frit/frit.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TENSORS = 32, MOST_PARAMS = 1024, MOST_RANK = 16 };
static frit_error err;

static void need(frit_status s, const char *what) {
    if (s == FRIT_OK) return;
    fprintf(stderr, "%s: %s\n", what, err.message);
    exit(1);
}

static void *zeros(size_t n) {
    void *p = calloc(n + 64, 1);
    if (!p) exit(3);
    return p;
}

/* "NAME=FILE:2,3" as a tensor of zeros of info's dtype; *file is the path. */
static DLTensor tensor(const frit_tensor_info *info, char *argument, char **file) {
    int64_t n = 1, *dims = (int64_t *)zeros(MOST_RANK * sizeof *dims);
    char *equals = strchr(argument, '='), *colon = equals ? strrchr(equals, ':') : NULL;
    int rank = 0;
    if (!colon || strncmp(argument, info->name, (size_t)(equals - argument))) exit(2);
    *colon = 0;
    *file = equals + 1;
    for (char *at = colon + 1; *at && rank < info->rank; rank++) {
        dims[rank] = strtoll(at, &at, 10);
        n *= dims[rank];
        at += *at == ',';
    }
    if (rank != info->rank) exit(2);
    return frit_dense(zeros((size_t)frit_dtype_bytes(info->dtype, n)), info->dtype, rank, dims);
}

static size_t bytes_of(const DLTensor *t) {
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++) n *= t->shape[i];
    return (size_t)(n * t->dtype.bits + 7) / 8;
}

static void move(const char *path, const DLTensor *t, int out) {
    FILE *f = fopen(path, out ? "wb" : "rb");
    size_t n = bytes_of(t), got = !f ? 0 : out ? fwrite(t->data, 1, n, f) : fread(t->data, 1, n, f);
    if (!f || got != n || fclose(f)) fprintf(stderr, "%s: %zu bytes\n", path, n), exit(1);
}

#ifdef JIT
static frit_weight_type types[MOST_PARAMS];
static DLTensor values[MOST_PARAMS];
static int n_params;

static void read_weights(const char *list) {
    char name[256], path[1024];
    int rank;
    FILE *f = fopen(list, "r");
    if (!f) exit(2);
    for (; n_params < MOST_PARAMS && fscanf(f, "%255s %d", name, &rank) == 2 && rank <= MOST_RANK; n_params++) {
        int64_t n = 1, *dims = (int64_t *)zeros(MOST_RANK * sizeof *dims);
        long long dim;
        for (int i = 0; i < rank && fscanf(f, "%lld", &dim) == 1; i++) n *= dims[i] = dim;
        if (fscanf(f, "%1023s", path) != 1) exit(2);
        frit_weight_type *t = &types[n_params];
        char *kept = (char *)zeros(strlen(name) + 1);
        t->name = strcpy(kept, name);
        t->dtype = FRIT_f32;
        t->rank = rank;
        t->dims = dims;
        values[n_params] = frit_dense(zeros((size_t)frit_dtype_bytes(FRIT_f32, n)), FRIT_f32, rank, dims);
        move(path, &values[n_params], 0);
    }
    fclose(f);
}

/* Compiles the source and takes its arguments, which lie before `*at`. */
static frit_package *compile(char **argv, int *at) {
    frit_compiler *c;
    frit_module *m;
    frit_compiled *p;
    frit_package *package;
    frit_define defines[8];
    frit_module_options o;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.defines = defines;
    for (*at = 2; argv[*at] && !strcmp(argv[*at], "-D") && o.n_defines < 8; *at += 3, o.n_defines++) {
        defines[o.n_defines].name = argv[*at + 1];
        defines[o.n_defines].value = argv[*at + 2];
    }
    if (!argv[*at] || strcmp(argv[*at], "-w")) exit(2);
    read_weights(argv[*at + 1]);
    *at += 2;
    o.weights = types;
    o.n_weights = n_params;
    need(frit_compiler_create(NULL, &c, &err), "compiler");
    need(frit_module_open(c, argv[1], &o, &m, &err), "source");
    need(frit_compile(m, NULL, &p, &err), "compile");
    need(frit_compiled_open(p, &package, &err), "open");
    frit_compiled_release(p);
    frit_module_release(m);
    frit_compiler_release(c);
    return package;
}

static void bind(frit_weights *w) {
    for (int i = 0; i < n_params; i++) need(frit_weights_bind(w, types[i].name, &values[i], FRIT_BORROW, &err), types[i].name);
}
#else
static frit_package *compile(char **argv, int *at) {
    frit_package *package;
    *at = 2;
    need(frit_package_open(argv[1], &package, &err), "open");
    return package;
}
static void bind(frit_weights *w) { (void)w; }
#endif

int main(int argc, char **argv) {
    frit_device *device;
    frit_weights *weights;
    frit_session *session;
    DLTensor t[MOST_TENSORS];
    char *file[MOST_TENSORS];
    frit_device_options one;
    int at;
    memset(&one, 0, sizeof one);
    one.struct_size = sizeof one;
    one.threads = 1;
    if (argc < 2) return 2;
    frit_package *package = compile(argv, &at);
    const frit_package_info *info = frit_package_get_info(package);
    int n = info->n_inputs, m = info->n_outputs;
    if (n + m > MOST_TENSORS || argc != at + 1 + n + m) return 2;
    for (int i = 0; i < n; i++) t[i] = tensor(&info->inputs[i], argv[at + i], &file[i]), move(file[i], &t[i], 0);
    for (int i = 0; i < m; i++) t[n + i] = tensor(&info->outputs[i], argv[at + 1 + n + i], &file[n + i]);
    need(frit_device_open("cpu", &one, &device, &err), "device");
    need(frit_weights_create(package, device, NULL, &weights, &err), "weights");
    bind(weights);
    need(frit_session_create(weights, NULL, &session, &err), "session");
    need(frit_session_run(session, t, n, t + n, m, &err), "run");
    for (int i = 0; i < m; i++) move(file[n + i], &t[n + i], 1);
    frit_session_release(session);
    frit_weights_release(weights);
    frit_device_release(device);
    frit_package_release(package);
    return 0;
}
