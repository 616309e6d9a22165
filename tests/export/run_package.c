/* Runs a package by the runtime alone, for machines where the frit command is not: cross-built with runtime/.
 *
 *     run_package FILE.fpk NAME=FILE:DIM,DIM... -> NAME=FILE:DIM,DIM...
 *
 * Inputs (raw elements in files) before the arrow, outputs behind it; in the package's order. The package holds its
 * weights. */
#include "runtime/frit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static frit_error err;

static void need(frit_status s, const char *what) {
    if (s == FRIT_OK) return;
    fprintf(stderr, "%s: %s\n", what, err.message);
    exit(1);
}

/* "NAME=FILE:2,3" as a tensor of zeros of info's dtype; *file is the path. */
static DLTensor tensor(const frit_tensor_info *info, char *argument, char **file) {
    int64_t n = 1, *dims = calloc(FRIT_DTYPE_COUNT, sizeof *dims);
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
    return frit_dense(calloc((size_t)frit_dtype_bytes(info->dtype, n) + 64, 1), info->dtype, rank, dims);
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

int main(int argc, char **argv) {
    frit_package *package;
    frit_device *device;
    frit_weights *weights;
    frit_session *session;
    DLTensor t[32];
    char *file[32];
    frit_device_options one = {.struct_size = sizeof one, .threads = 1};
    if (argc < 2) return 2;
    need(frit_package_open(argv[1], &package, &err), "open");
    const frit_package_info *info = frit_package_get_info(package);
    int n = info->n_inputs, m = info->n_outputs;
    if (n + m > 32 || argc != 3 + n + m) return 2;
    for (int i = 0; i < n; i++) t[i] = tensor(&info->inputs[i], argv[2 + i], &file[i]), move(file[i], &t[i], 0);
    for (int i = 0; i < m; i++) t[n + i] = tensor(&info->outputs[i], argv[3 + n + i], &file[n + i]);
    need(frit_device_open("cpu", &one, &device, &err), "device");
    need(frit_weights_create(package, device, NULL, &weights, &err), "weights");
    need(frit_session_create(weights, NULL, &session, &err), "session");
    need(frit_session_run(session, t, n, t + n, m, &err), "run");
    for (int i = 0; i < m; i++) move(file[n + i], &t[n + i], 1);
    frit_session_release(session);
    frit_weights_release(weights);
    frit_device_release(device);
    frit_package_release(package);
    return 0;
}
