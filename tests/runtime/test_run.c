/* Runs of hand-made packages: values, shapes, strides, states, control flow, threads. */
#include "model.h"
#include <string.h>

static void test_add(void **state) {
    (void)state;
    model m = model_add();
    rig r = rig_open(&m, 2);
    float x[100], y[100], z[100];
    for (int64_t n = 1; n <= 100; n += 33) {
        for (int i = 0; i < 100; i++) x[i] = (float)i, y[i] = 0.5f * (float)i, z[i] = -1;
        DLTensor in[2] = {frit_dense(x, FRIT_f32, 1, &n), frit_dense(y, FRIT_f32, 1, &n)};
        DLTensor out = frit_dense(z, FRIT_f32, 1, &n);
        assert_ok(frit_session_run(r.session, in, 2, &out, 1, err));
        for (int i = 0; i < 100; i++) assert_true(z[i] == (i < n ? 1.5f * (float)i : -1));
    }
    rig_close(&r);
    model_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
