/* Compiles a model inside a program and runs it: the compiler and the runtime as libraries.
 *
 * The model is the text below. Its weights are made here; a real program binds its own. The second model is built by
 * calls. Prints the class probabilities of one image by both, which are equal. */
#include <frit/frit_compiler.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char source[] = "model digits(image: f32[B, 64]) -> f32[B, 10] {\n"
                             "    param w1: f32[64, 128], b1: f32[128]\n"
                             "    param w2: f32[128, 10], b2: f32[10]\n"
                             "    h = relu(image @ w1 + b1)\n"
                             "    return softmax(h @ w2 + b2, axis = -1)\n"
                             "}\n";

static void check(frit_status s, const frit_error *err) {
    if (s == FRIT_OK)
        return;
    fprintf(stderr, "jit: %s%s%s\n", err->file, *err->file ? ": " : "", err->message);
    exit(1);
}

static void diagnose(void *ctx, const frit_diagnostic *d) {
    fprintf(stderr, "%s:%d:%d: %s %s\n", d->file, d->line, d->column, d->code, d->message);
}

/* ---- The same model by calls ---- */
static frit_value layer(frit_builder *b, frit_value x, const char *w, const char *w_type, const char *bias,
                        const char *bias_type) {
    frit_value product = frit_builder_call(b, "@", (frit_value[]){x, frit_builder_param(b, w, w_type)}, 2, NULL);
    return frit_builder_call(b, "+", (frit_value[]){product, frit_builder_param(b, bias, bias_type)}, 2, NULL);
}

static frit_module *build(frit_compiler *c) {
    frit_builder *b;
    frit_module *m;
    frit_error err;
    check(frit_builder_create(c, "digits", &b, &err), &err);
    frit_value image = frit_builder_input(b, "image", "f32[B, 64]");
    frit_value h = layer(b, image, "w1", "f32[64, 128]", "b1", "f32[128]");
    h = frit_builder_call(b, "relu", &h, 1, NULL);
    h = layer(b, h, "w2", "f32[128, 10]", "b2", "f32[10]");
    frit_builder_output(b, frit_builder_call(b, "softmax", &h, 1, "axis = -1"), NULL, NULL);
    check(frit_builder_finish(b, &m, &err), &err);
    frit_builder_release(b);
    return m;
}

/* ---- Running a package ---- */
static void bind(frit_weights *w, const char *name, int rank, int64_t *shape, float *data) {
    frit_error err;
    int64_t n = rank == 2 ? shape[0] * shape[1] : shape[0];
    for (int64_t i = 0; i < n; i++)
        data[i] = (float)(i * 7 % 13 - 6) / 64;
    DLTensor t = frit_dense(data, FRIT_f32, rank, shape);
    check(frit_weights_bind(w, name, &t, FRIT_COPY, &err), &err);
}

static void run(frit_module *m, float out[10]) {
    static float space[64 * 128], image[64];
    frit_compiled *compiled;
    frit_package *package;
    frit_device *device;
    frit_weights *weights;
    frit_session *session;
    frit_error err;
    check(frit_compile(m, NULL, &compiled, &err), &err);
    check(frit_compiled_open(compiled, &package, &err), &err);
    frit_compiled_release(compiled); /* the package keeps it */
    check(frit_device_open("cpu", NULL, &device, &err), &err);
    check(frit_weights_create(package, device, NULL, &weights, &err), &err);
    bind(weights, "w1", 2, (int64_t[]){64, 128}, space);
    bind(weights, "b1", 1, (int64_t[]){128}, space);
    bind(weights, "w2", 2, (int64_t[]){128, 10}, space);
    bind(weights, "b2", 1, (int64_t[]){10}, space);
    check(frit_session_create(weights, NULL, &session, &err), &err);
    for (int i = 0; i < 64; i++)
        image[i] = (float)(i % 8) / 8;
    DLTensor in = frit_dense(image, FRIT_f32, 2, (int64_t[]){1, 64});
    DLTensor result = frit_dense(out, FRIT_f32, 2, (int64_t[]){1, 10});
    check(frit_session_run(session, &in, 1, &result, 1, &err), &err);
    frit_session_release(session);
    frit_weights_release(weights);
    frit_device_release(device);
    frit_package_release(package);
}

static void print(const char *what, const float p[10]) {
    printf("%s:", what);
    for (int i = 0; i < 10; i++)
        printf(" %.6f", (double)p[i]);
    printf("\n");
}

int main(void) {
    frit_compiler_options options = {.struct_size = sizeof options, .diagnose = diagnose};
    frit_compiler *compiler;
    frit_module *parsed, *built;
    frit_error err;
    float a[10], b[10];
    check(frit_compiler_create(&options, &compiler, &err), &err);
    check(frit_module_parse(compiler, FRIT_SOURCE_FRIT, "digits.frit", source, strlen(source), NULL, &parsed, &err), &err);
    built = build(compiler);
    run(parsed, a);
    run(built, b);
    print("parsed", a);
    print("built ", b);
    frit_module_release(parsed);
    frit_module_release(built);
    frit_compiler_release(compiler);
    return memcmp(a, b, sizeof a) != 0;
}
