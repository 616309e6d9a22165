#include "model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *model_device(void) {
    const char *kind = getenv("FRIT_TEST_DEVICE");
    return kind ? kind : "cpu";
}

static const struct {
    void (*fn)(void *const *, const int64_t *, void *, int64_t, int64_t);
    const char *entry;
} kernels[] = {{blob_add, "gpu_blob_add"},
               {blob_square, "gpu_blob_square"},
               {blob_row_sum, "gpu_blob_row_sum"},
               {blob_accumulate, "gpu_blob_accumulate"},
               {blob_iota, "gpu_blob_iota"},
               {blob_count, "gpu_blob_count"},
               {blob_rounding, "gpu_blob_rounding"},
               {blob_compact, "gpu_blob_compact"},
               {blob_mix, "gpu_blob_mix"}};

model model_new(void) {
    arena *a = arena_new();
    sym_ctx *c = sym_ctx_new(a);
    return (model){.a = a, .c = c, .p = package_new(a, c, "test", "A test.")};
}
void model_free(model *m) { arena_free(m->a); }

void model_target_for(model *m, const char *target, const void *code, uint64_t bytes) {
    package_target(m->p, target, FPK_ARCH_ANY, 0);
    m->code_bytes = code ? bytes : 0;
    if (!code) code = __start_frit_blob, bytes = (uint64_t)(__stop_frit_blob - __start_frit_blob);
    package_code(m->p, code, bytes, 64);
}

void model_target(model *m) {
    const char *image = getenv("FRIT_TEST_IMAGE");
    char target[64];
    if (!strcmp(model_device(), "cpu")) {
        model_target_for(m, "cpu", NULL, 0);
        return;
    }
    FILE *f = image ? fopen(image, "rb") : NULL;
    if (!f) fail_msg("FRIT_TEST_IMAGE is not a file");
    fseek(f, 0, SEEK_END);
    size_t n = (size_t)ftell(f);
    void *code = arena_alloc(m->a, n);
    rewind(f);
    assert_int_equal(fread(code, 1, n, f), n);
    fclose(f);
    snprintf(target, sizeof target, "%s:%s", model_device(), strcmp(model_device(), "hip") ? "sm_90" : "gfx942");
    model_target_for(m, target, code, n);
}

int model_kernel(model *m, void (*fn)(void *const *, const int64_t *, void *, int64_t, int64_t), int n_inputs,
                 int n_outputs, int n_ints, const sym_t *ints, sym_t tasks, sym_t scratch) {
    package_kernel k = {.name = "kernel",
                        .n_inputs = n_inputs,
                        .n_outputs = n_outputs,
                        .n_ints = n_ints,
                        .ints = ints,
                        .tasks = tasks,
                        .scratch = scratch,
                        .file = "test.frit",
                        .line = 7};
    k.code_offset = (uint64_t)((uintptr_t)fn - (uintptr_t)__start_frit_blob);
    k.code_size = 1;
    for (size_t i = 0; m->code_bytes && i < sizeof kernels / sizeof *kernels; i++)
        if (kernels[i].fn == fn)
            k.threads = 32, k.cluster = m->cluster, k.entry = kernels[i].entry, k.code_offset = 0, k.code_size = m->code_bytes;
    return package_add_kernel(m->p, &k);
}

const void *model_bytes(model *m, uint64_t *n) {
    const void *bytes = NULL;
    const char *why = NULL;
    if (!package_finish(m->p, &bytes, n, &why)) fail_msg("package_finish: %s", why);
    return bytes;
}

rig rig_open(model *m, int threads) {
    rig r = {0};
    uint64_t n;
    const void *bytes = model_bytes(m, &n);
    assert_ok(frit_package_open_memory(bytes, n, NULL, NULL, NULL, &r.package, err));
    frit_device_options o = {.struct_size = sizeof o, .threads = threads};
    assert_ok(frit_device_open(model_device(), &o, &r.device, err));
    assert_ok(frit_weights_create(r.package, r.device, NULL, &r.weights, err));
    assert_ok(frit_session_create(r.weights, NULL, &r.session, err));
    return r;
}

void rig_close(rig *r) {
    frit_session_release(r->session);
    frit_weights_release(r->weights);
    frit_device_release(r->device);
    frit_package_release(r->package);
}

void model_add_tensors(model *m) {
    sym_t n = sym_var(m->c, "n", SYM_DIM, NULL, NULL);
    package_input(m->p, "x", FRIT_f32, 1, &n, NULL);
    package_input(m->p, "y", FRIT_f32, 1, &n, NULL);
    package_output(m->p, "z", FRIT_f32, 1, &n);
    m->n = n;
}

void model_add_launch(model *m) {
    sym_t each = sym_const(m->c, 16);
    int k = model_kernel(m, blob_add, 2, 1, 2, (sym_t[]){each, m->n}, sym_ceildiv(m->c, m->n, each), NULL);
    package_main(m->p);
    package_launch(m->p, k,
                   (package_ref[]){package_at(package_input_buffer(m->p, 0)), package_at(package_input_buffer(m->p, 1)),
                                   package_at(package_output_buffer(m->p, 0))});
}

model model_add(void) {
    model m = model_new();
    model_add_tensors(&m);
    model_target(&m);
    model_add_launch(&m);
    return m;
}

static model everything_for(const char *target, const void *code, uint64_t code_bytes) {
    static const float w[4] = {1, 2, 3, 4};
    model m = model_new();
    sym_t n = sym_var(m.c, "n", SYM_DIM, NULL, sym_const(m.c, 64)), four = sym_const(m.c, 4),
          bytes = sym_muli(m.c, n, 4);
    sym_t trips = sym_var(m.c, "trips", SYM_INT, sym_const(m.c, 0), sym_const(m.c, 9)),
          i = sym_var(m.c, "i", SYM_INT, NULL, NULL);
    sym_t twice = sym_addi(m.c, sym_muli(m.c, n, 2), 1);
    package_input(m.p, "x", FRIT_f32, 1, &n, NULL);
    package_input(m.p, "y", FRIT_f32, 1, &twice, NULL);
    package_input(m.p, "trips", FRIT_i64, 0, NULL, trips);
    package_output(m.p, "out", FRIT_f32, 1, &n);
    package_param_inside(m.p, package_param(m.p, "w", FRIT_f32, 1, &four), w, sizeof w);
    int s = package_state(m.p, "s", FRIT_f32, 1, &n);
    package_check(m.p, "<=", trips, n, "few trips", NULL, 0);
    if (target)
        model_target_for(&m, target, code, code_bytes);
    else
        model_target(&m);
    int add = model_kernel(&m, blob_add, 2, 1, 2, (sym_t[]){four, n}, sym_ceildiv(m.c, n, four), four);
    int quad = model_kernel(&m, blob_add, 2, 1, 2, (sym_t[]){four, four}, NULL, NULL);
    package_ref w_ref = package_at(package_param_buffer(m.p, 0)),
                packed = package_at(package_packed(m.p, sym_const(m.c, 16)));
    package_ref x = package_at(package_input_buffer(m.p, 0)), t = package_at(package_temp(m.p, bytes));
    package_ref u = package_at(package_temp(m.p, bytes)), st = package_at(package_state_buffer(m.p, s));
    package_load(m.p);
    package_launch(m.p, quad, (package_ref[]){w_ref, package_at(package_constant(m.p, w, sizeof w)), packed});
    package_init(m.p, s);
    package_fill(m.p, st, bytes, 4, 0x3f800000);
    package_main(m.p);
    package_copy(m.p, t, x, bytes);
    package_copy(m.p, u, x, bytes);
    package_loop(m.p, i, trips);
    package_launch(m.p, add, (package_ref[]){t, st, u});
    package_swap(m.p, t.buffer, u.buffer);
    package_end(m.p);
    package_copy(m.p, package_at(package_output_buffer(m.p, 0)), t, bytes);
    return m;
}

model model_everything(void) { return everything_for(NULL, NULL, 0); }

const void *model_several(model *m, uint64_t *n) {
    static const char text[] = ".version 8.0 // no code that runs";
    model each[3] = {everything_for("cpu", NULL, 0), everything_for("cuda:sm_80", text, sizeof text),
                     everything_for("hip:gfx942", text, sizeof text)};
    package_bytes from[3], out = {0};
    const char *why = NULL;
    *m = model_new();
    for (int i = 0; i < 3; i++) from[i].data = model_bytes(&each[i], &from[i].n);
    if (!package_merge(m->a, 3, from, &out, &why)) fail_msg("package_merge: %s", why);
    for (int i = 0; i < 3; i++) model_free(&each[i]);
    *n = out.n;
    return out.data;
}
