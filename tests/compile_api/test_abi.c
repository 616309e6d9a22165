/* Option structs of every size: shorter (an older host), longer (a newer one), unset. */
#include "frontend/frit_compiler.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char twice[] = "model twice(x: f32[N]) -> (y: f32[N]) {\n    return x + x\n}\n";

typedef struct objects {
    frit_compiler *compiler;
    frit_module *module;
    frit_package *package;
    frit_device *device;
    frit_weights *weights;
} objects;

/* Each makes what it is about with these options and lets go of it. */
static frit_status try_compiler(objects *x, const void *o, frit_error *err) {
    frit_compiler *c;
    frit_status s = frit_compiler_create(o, &c, err);
    if (s == FRIT_OK)
        frit_compiler_release(c);
    return s;
}

static frit_status try_module(objects *x, const void *o, frit_error *err) {
    frit_module *m;
    frit_status s = frit_module_parse(x->compiler, FRIT_SOURCE_FRIT, "t", twice, sizeof twice - 1, o, &m, err);
    if (s == FRIT_OK)
        frit_module_release(m);
    return s;
}

static frit_status try_compile(objects *x, const void *o, frit_error *err) {
    frit_compiled *p;
    frit_status s = frit_compile(x->module, o, &p, err);
    if (s == FRIT_OK)
        frit_compiled_release(p);
    return s;
}

static frit_status try_device(objects *x, const void *o, frit_error *err) {
    frit_device *d;
    frit_status s = frit_device_open("cpu", o, &d, err);
    if (s == FRIT_OK)
        frit_device_release(d);
    return s;
}

static frit_status try_weights(objects *x, const void *o, frit_error *err) {
    frit_weights *w;
    frit_status s = frit_weights_create(x->package, x->device, o, &w, err);
    if (s == FRIT_OK)
        frit_weights_release(w);
    return s;
}

static frit_status try_session(objects *x, const void *o, frit_error *err) {
    frit_session *s;
    frit_status status = frit_session_create(x->weights, o, &s, err);
    if (status == FRIT_OK)
        frit_session_release(s);
    return status;
}

static const struct {
    const char *name;
    size_t size;
    frit_status (*make)(objects *x, const void *options, frit_error *err);
} kinds[] = {
    {"frit_compiler_options", sizeof(frit_compiler_options), try_compiler},
    {"frit_module_options", sizeof(frit_module_options), try_module},
    {"frit_compile_options", sizeof(frit_compile_options), try_compile},
    {"frit_device_options", sizeof(frit_device_options), try_device},
    {"frit_weights_options", sizeof(frit_weights_options), try_weights},
    {"frit_session_options", sizeof(frit_session_options), try_session},
};

static void test_sizes(void **state) {
    objects x = {0};
    frit_compiled *p;
    frit_error err;
    setenv("FRIT_CACHE", "off", 1);
    frit_compiler_options cached = {.struct_size = sizeof cached, .cache = FRIT_CACHE_OFF};
    assert_int_equal(frit_compiler_create(&cached, &x.compiler, &err), FRIT_OK);
    assert_int_equal(frit_module_parse(x.compiler, FRIT_SOURCE_FRIT, "t", twice, sizeof twice - 1, NULL, &x.module, &err), FRIT_OK);
    assert_int_equal(frit_compile(x.module, NULL, &p, &err), FRIT_OK);
    assert_int_equal(frit_compiled_open(p, &x.package, &err), FRIT_OK);
    frit_compiled_release(p);
    assert_int_equal(frit_device_open("cpu", NULL, &x.device, &err), FRIT_OK);
    assert_int_equal(frit_weights_create(x.package, x.device, NULL, &x.weights, &err), FRIT_OK);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        _Alignas(16) char bytes[4096 + 64] = {0};
        for (size_t n = 0; n <= kinds[k].size + 40; n += n < 8 ? 1 : 8) {
            memcpy(bytes, &n, sizeof n);
            frit_status s = kinds[k].make(&x, bytes, &err), want = n < sizeof n ? FRIT_USAGE : FRIT_OK;
            if (s != want)
                fail_msg("%s of %zu bytes: %s", kinds[k].name, n, frit_status_name(s));
            if (n <= kinds[k].size)
                continue;
            bytes[n - 1] = 1; /* a field of a newer version asks for something */
            assert_int_equal(kinds[k].make(&x, bytes, &err), FRIT_USAGE);
            assert_non_null(strstr(err.message, "struct_size"));
            bytes[n - 1] = 0;
        }
        memset(bytes, 0xa5, sizeof(size_t)); /* never set */
        assert_int_equal(kinds[k].make(&x, bytes, &err), FRIT_USAGE);
        assert_int_equal(kinds[k].make(&x, NULL, &err), FRIT_OK);
    }
    frit_weights_release(x.weights);
    frit_device_release(x.device);
    frit_package_release(x.package);
    frit_module_release(x.module);
    frit_compiler_release(x.compiler);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
