#include "support.h"

ir_module *parse_text(const char *text, size_t size, const char **error) {
    static char message[512];
    diag *d = diag_new();
    ir_module *m = ir_parse(d, diag_add_source(d, "test.fir", text, size));
    if (!m) {
        assert_int_equal(diag_errors(d), 1);
        snprintf(message, sizeof message, "%s", diag_get(d, 0).text);
        if (error) *error = message;
    }
    diag_free(d);
    return m;
}

ir_module *must_parse(const char *text) {
    const char *error = "";
    ir_module *m = parse_text(text, strlen(text), &error);
    if (!m) fail_msg("%s\nin\n%s", error, text);
    return m;
}

char *read_fir(const char *name, size_t *size) {
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/ir/fir/%s", FRIT_SOURCE_DIR, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *text = calloc(1, 1 << 20);
    *size = fread(text, 1, (1 << 20) - 1, f);
    fclose(f);
    return text;
}

void check_module(const ir_module *m) {
    arena *a = arena_new();
    const char *problems = NULL;
    if (ir_verify(a, m, &problems)) fail_msg("%s", problems);
    const char *text = ir_print(a, m);
    ir_module *again = must_parse(text);
    assert_string_equal(ir_print(a, again), text);
    if (ir_verify(a, again, &problems)) fail_msg("%s", problems);
    ir_module_free(again);
    arena_free(a);
}
