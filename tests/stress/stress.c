#include "stress.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void stress_fail(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    exit(1);
}

#ifdef STRESS_COMPILES
#include "frontend/frit_compiler.h"

static frit_package *compile(const char *path) {
    frit_compiler_options o = {.struct_size = sizeof o, .cache = FRIT_CACHE_OFF};
    frit_compiler *c;
    frit_module *m;
    frit_compiled *compiled;
    frit_package *p;
    must(frit_compiler_create(&o, &c, err));
    must(frit_module_open(c, path, NULL, &m, err));
    must(frit_compile(m, NULL, &compiled, err));
    must(frit_compiled_open(compiled, &p, err));
    frit_compiled_release(compiled);
    frit_module_release(m);
    frit_compiler_release(c);
    return p;
}
#endif

frit_package *stress_open(const char *path) {
#ifdef STRESS_COMPILES
    size_t n = strlen(path);
    if (n > 5 && !strcmp(path + n - 5, ".frit")) return compile(path);
#endif
    frit_package *p;
    must(frit_package_open(path, &p, err));
    return p;
}

void mixed_case(mixed_run *r, int i) {
    static const struct {
        int64_t b, s;
        bool transposed; /* x comes with its first two axes swapped in memory */
        int shift;       /* floats by which data miss their natural alignment */
    } cases[N_CASES] = {{1, 1, false, 0}, {2, 5, false, 0}, {4, 16, false, 0}, {3, 7, true, 0},
                        {2, 16, false, 1}, {1, 9, true, 3}, {0, 4, false, 0}};
    int64_t b = cases[i].b, s = cases[i].s;
    memcpy(r->in_shape, (int64_t[]){b, s, 32}, sizeof r->in_shape);
    memcpy(r->in_strides, cases[i].transposed ? (int64_t[]){32, 32 * b, 1} : (int64_t[]){32 * s, 32, 1}, sizeof r->in_strides);
    r->top_shape[0] = b;
    float *x = r->x + cases[i].shift;
    for (int64_t k = 0; k < b * s * 32; k++) x[k] = (float)((k * 37 + i) % 61 - 30) / 32;
    r->in = frit_dense(x, FRIT_f32, 3, r->in_shape);
    r->in.strides = r->in_strides;
    r->out[0] = frit_dense(r->y + cases[i].shift, FRIT_f32, 3, r->in_shape);
    r->out[1] = frit_dense(r->top, FRIT_f32, 1, r->top_shape);
}

void mixed_bind(frit_weights *w) {
    static const char *const names[] = {"w", "v"};
    static float data[32 * 64]; /* the same bytes whoever writes them first: bound once, before threads start */
    for (int i = 0; i < 32 * 64; i++) data[i] = (float)(i * 29 % 47 - 23) / 64;
    for (int i = 0; i < 2; i++) {
        int64_t shape[] = {i ? 64 : 32, i ? 32 : 64};
        DLTensor t = frit_dense(data, FRIT_f32, 2, shape);
        must(frit_weights_bind(w, names[i], &t, FRIT_COPY, err));
    }
}

frit_status cached_run(frit_session *s, int k, frit_error *err) {
    float x[8], mean[8], sum[8];
    int64_t row[] = {1, 8}, eight = 8, pos = k % 64;
    for (int i = 0; i < 8; i++) x[i] = (float)(pos + i);
    DLTensor in[] = {frit_dense(x, FRIT_f32, 2, row), frit_dense(&pos, FRIT_i64, 0, NULL)};
    DLTensor out[] = {frit_dense(mean, FRIT_f32, 1, &eight), frit_dense(sum, FRIT_f32, 1, &eight)};
    frit_status st = frit_session_run(s, in, 2, out, 2, err);
    if (st != FRIT_OK) return st;
    holds(sum[3] == x[3]);
    holds(mean[0] > (float)pos / 2 - 0.01f && mean[0] < (float)pos / 2 + 0.01f); /* of 0 .. pos */
    return FRIT_OK;
}
