/* Control, memory and the kernel ABI, run through compiled code. */
#include "jit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs the headers above first */
#include <cmocka.h>

/* y[i] = x[i] + x[i], 8 lanes at a time, over tasks of 8. */
static ir_func *build_double(jit *j, const char *name) {
    ir_builder b;
    ir_func *f = jit_func(j, name, 2, (frit_dtype[]){FRIT_f32, FRIT_f32}, 0, &b);
    ir_value *eight = jit_i64(&b, 8);
    jit_for(&b, jit_begin(f), jit_end(f), jit_i64(&b, 1), 0, NULL);
    ir_value *i = b.block->args[0], *at = ir_binary(&b, IR_mul, i, eight);
    ir_value *x = jit_load(&b, jit_buffer(f, 0), at, 8, NULL, NULL);
    jit_store(&b, jit_buffer(f, 1), at, ir_binary(&b, IR_add, x, x), NULL);
    jit_yield(&b, 0, NULL);
    return f;
}

static void test_first_kernel(void **state) {
    jit j;
    jit_open(&j, NULL);
    ir_func *f = build_double(&j, "twice");
    jit_fn fn;
    jit_compile(&j, 1, &f, &fn);
    float x[32], y[32] = {0};
    for (int i = 0; i < 32; i++) x[i] = (float)i - 7.5f;
    fn((void *[]){x, y}, NULL, NULL, 1, 3);
    for (int i = 0; i < 32; i++) assert_true(y[i] == (i >= 8 && i < 24 ? 2 * x[i] : 0));
    jit_close(&j);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
