#include "rig.h"

kernel rig_kernel(const char *text, int warp) {
    kernel k = {.d = diag_new()};
    k.m = ir_parse(k.d, diag_add_source(k.d, "kernel.fir", text, strlen(text)));
    if (!k.m) diag_print_text(k.d, stderr, false);
    assert_non_null(k.m);
    const char *bad = NULL, *error = NULL;
    if (ir_verify(k.m->arena, k.m, &bad)) fail_msg("%s", bad);
    k.k = exec_kernel_new(k.m->funcs, warp, k.d, &error);
    if (!k.k) fail_msg("%s", error);
    return k;
}

void rig_free(kernel *k) {
    exec_kernel_free(k->k);
    ir_module_free(k->m);
    diag_free(k->d);
}

int rig_number(unsigned *s) {
    *s = *s * 1664525 + 1013904223;
    return (int)(*s >> 28) - 8;
}

void rig_put(frit_dtype t, void *p, int64_t i, int x) {
    if (frit_dtype_is_float(t)) frit_store_float(t, p, i, x);
    else frit_store_int(t, p, i, x);
}

int rig_get(frit_dtype t, const void *p, int64_t i) {
    return frit_dtype_is_float(t) ? (int)frit_load_float(t, p, i) : (int)frit_load_int(t, p, i);
}
