#include "model.h"
#include <string.h>

model model_new(void) {
    arena *a = arena_new();
    sym_ctx *c = sym_ctx_new(a);
    return (model){a, c, package_new(a, c, "test", "A test.")};
}
void model_free(model *m) { arena_free(m->a); }

void model_target(model *m) {
    package_target(m->p, "cpu", FPK_ARCH_ANY, 0);
    package_code(m->p, __start_frit_blob, (uint64_t)(__stop_frit_blob - __start_frit_blob), 64);
}

int model_kernel(model *m, void (*fn)(void *const *, const int64_t *, void *, int64_t, int64_t), int n_inputs,
                 int n_outputs, int n_ints, const sym_t *ints, sym_t tasks, sym_t scratch) {
    package_kernel k = {.name = "kernel", .n_inputs = n_inputs, .n_outputs = n_outputs, .n_ints = n_ints, .ints = ints,
                        .tasks = tasks, .scratch = scratch, .file = "test.frit", .line = 7};
    k.code_offset = (uint64_t)((uintptr_t)fn - (uintptr_t)__start_frit_blob);
    k.code_size = 1;
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
    assert_ok(frit_device_open("cpu", &o, &r.device, err));
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

model model_add(void) {
    model m = model_new();
    sym_t n = sym_var(m.c, "n", SYM_DIM, NULL, NULL), each = sym_const(m.c, 16);
    int x = package_input(m.p, "x", FRIT_f32, 1, &n, NULL), y = package_input(m.p, "y", FRIT_f32, 1, &n, NULL);
    int z = package_output(m.p, "z", FRIT_f32, 1, &n);
    model_target(&m);
    int k = model_kernel(&m, blob_add, 2, 1, 2, (sym_t[]){each, n}, sym_ceildiv(m.c, n, each), NULL);
    package_main(m.p);
    package_launch(m.p, k, (package_ref[]){package_at(package_input_buffer(m.p, x)), package_at(package_input_buffer(m.p, y)),
                                           package_at(package_output_buffer(m.p, z))});
    return m;
}
