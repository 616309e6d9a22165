#include "support.h"
#include <stdio.h>
#include <string.h>

ir_module *module_of(const char *text) {
    diag *d = diag_new();
    ir_module *m = ir_parse(d, diag_add_source(d, "test.fir", text, strlen(text)));
    if (!m) diag_print_text(d, stderr, false);
    diag_free(d);
    assert_non_null(m);
    return m;
}

interp_tensor tensor_of(frit_dtype t, void *data, ...) {
    interp_tensor x = {.dtype = t, .data = data};
    va_list ap;
    va_start(ap, data);
    for (int d = va_arg(ap, int); d >= 0; d = va_arg(ap, int)) x.shape[x.rank++] = d;
    va_end(ap);
    return x;
}

interp_status run_func(interp *it, ir_module *m, const char *name, int n, const interp_tensor *in, int n_out,
                       interp_tensor *out) {
    ir_func *f = ir_func_find(m, name);
    assert_non_null(f);
    return interp_run(it, f, n, in, n_out, out);
}
