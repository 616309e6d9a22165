/* No program crashes the interpreter: the lines of a good .fir file are edited at random, and whatever still reads as a
 * module is run, verified or not, typed and wide. Any status will do. */
#include "support.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MUTANTS = 1500, MAX_ARGS = 16, BYTES = 1 << 20 };

static uint32_t seed = 1;
static uint32_t below(uint32_t n) {
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * n >> 32);
}

static const char *const words[] = {"0", "1", "2", "3", "-1", "7", "S", "B", "H", "f32", "i8", "i4", "u64", "bool",
                                    "f64", "bf16", "f8e4m3", "sum", "max", "argmax", "any", "set", "add", "exp",
                                    "select", "cast", "reshape", "9223372036854775807", "4000000000", "S // 2",
                                    "S % 0"};

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Replaces some words of text; the result is malloced. */
static char *mutate(const char *text) {
    size_t n = strlen(text);
    char *out = malloc(2 * n + 1000), *o = out;
    uint32_t rate = 20 + below(400);
    for (size_t i = 0; i < n;) {
        size_t end = i;
        while (end < n && is_word(text[end])) end++;
        bool name = i > 0 && (text[i - 1] == '%' || text[i - 1] == '@' || text[i - 1] == '"');
        if (end > i && !name && below(rate) == 0 && (size_t)(o - out) < 2 * n)
            o += sprintf(o, "%s", words[below(sizeof words / sizeof *words)]);
        else
            for (size_t j = i; j < end; j++) *o++ = text[j];
        if (end < n) *o++ = text[end];
        i = end + 1;
    }
    *o = 0;
    return out;
}

static bool some_value(void *u, sym_t var, int64_t *v) {
    *v = (*(uint32_t *)u * 7 + (uint32_t)sym_var_id(var) * 5) % 9;
    return true;
}

static void run_all(ir_module *m, bool wide) {
    interp *it = interp_new(m, &(interp_options){.wide = wide, .max_bytes = 4 * BYTES, .max_ops = 3000});
    static _Alignas(16) unsigned char data[BYTES];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(below(4) ? below(3) : below(256));
    uint32_t salt = below(1000);
    for (ir_func *f = m->funcs; f; f = f->next) {
        interp_tensor in[MAX_ARGS] = {{0}}, out[MAX_ARGS];
        if (f->body->n_args > MAX_ARGS || f->n_results > MAX_ARGS) continue;
        for (int i = 0; i < f->body->n_args; i++) {
            ir_type t = f->body->args[i]->type;
            in[i] = (interp_tensor){.dtype = (frit_dtype)t.dtype, .rank = t.rank, .data = data};
            for (int k = 0; k < t.rank; k++)
                if (!sym_eval(t.dims[k], some_value, &salt, &in[i].shape[k])) in[i].shape[k] = 1;
            int64_t bytes = frit_dtype_bytes(in[i].dtype, interp_elements(&in[i]));
            if (bytes < 0 || bytes > BYTES) memset(in[i].shape, 0, sizeof in[i].shape);
        }
        if (interp_run(it, f, f->body->n_args, in, f->n_results, out)) {
            assert_true(interp_message(it)[0] != 0);
            continue;
        }
        for (int i = 0; i < f->n_results; i++) interp_tensor_free(&out[i]);
    }
    interp_free(it);
}

static char *read_text(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("cannot read %s", path);
    char *text = calloc(1, 1 << 16);
    size_t n = fread(text, 1, (1 << 16) - 1, f);
    fclose(f);
    assert_true(n > 0);
    return text;
}

static void test_mutants(void **state) {
    const char *folder = *state;
    char path[1024];
    snprintf(path, sizeof path, "%s/mutants.fir", folder);
    char *text = read_text(path);
    int read = 0;
    for (int i = 0; i < MUTANTS; i++) {
        char *mutant = i == 0 ? strdup(text) : mutate(text);
        diag *d = diag_new();
        ir_module *m = ir_parse(d, diag_add_source(d, "mutant.fir", mutant, strlen(mutant)));
        if (m) {
            run_all(m, i & 1);
            ir_module_free(m);
            read++;
        }
        diag_free(d);
        free(mutant);
    }
    free(text);
    print_message("%d of %d mutants read\n", read, MUTANTS);
    assert_true(read > MUTANTS / 20);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(test_mutants, argc > 1 ? argv[1] : TEST_FOLDER)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
