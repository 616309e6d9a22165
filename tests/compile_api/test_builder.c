/* Models built by calls: equal to the same model as source, states and conditions, errors that name the call, and calls
 * without sense, which must fail with a status and nothing else. test_builder N SEED runs N senseless models. */
#include "frontend/elab.h"
#include "frontend/frit_compiler.h"
#include "ir/ir.h"
#include "runtime/package.h"
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ok(call)                                                                                                       \
    do {                                                                                                               \
        frit_error ok_err = {0};                                                                                       \
        frit_error *err = &ok_err;                                                                                     \
        if ((call) != FRIT_OK)                                                                                         \
            fail_msg("%s: %s", #call, err->message);                                                                   \
    } while (0)

static frit_compiler *compiler(void) {
    frit_compiler_options o = {.struct_size = sizeof o, .cache = FRIT_CACHE_OFF, .workers = 1};
    frit_compiler *c;
    ok(frit_compiler_create(&o, &c, err));
    return c;
}

static frit_compiled *compile(frit_module *m) {
    frit_compiled *p;
    ok(frit_compile(m, NULL, &p, err));
    return p;
}

static frit_module *parse(frit_compiler *c, const char *name, const char *text) {
    frit_module *m;
    ok(frit_module_parse(c, FRIT_SOURCE_FRIT, name, text, strlen(text), NULL, &m, err));
    return m;
}

/* ---- Equal to source --------------------------------------------------------------------------------------------- */
static const char attention[] = "model block(x: f32[B, S, 64]) -> (y: f32[B, S, 64]) where S <= 128 {\n"
                                "    param wq: f32[64, 64] from \"attn.q\", wk: f32[64, 64] from \"attn.k\"\n"
                                "    param wv: f32[64, 64] from \"attn.v\", g: f32[64], b: f32[64]\n"
                                "    n = layer_norm(x, g, b)\n"
                                "    a = softmax((n @ wq) @ (n @ wk).T * 0.125, axis = -1) @ (n @ wv)\n"
                                "    return gelu(a) + x\n"
                                "}\n";

static frit_value call2(frit_builder *b, const char *fn, frit_value x, frit_value y) {
    return frit_builder_call(b, fn, (frit_value[]){x, y}, 2, NULL);
}

static frit_builder *build_attention(frit_compiler *c) {
    frit_builder *b;
    ok(frit_builder_create(c, "block", &b, err));
    frit_value x = frit_builder_input(b, "x", "f32[B, S, 64]");
    frit_builder_where(b, "S <= 128");
    frit_value wq = frit_builder_param(b, "attn.q", "f32[64, 64]"), wk = frit_builder_param(b, "attn.k", "f32[64, 64]");
    frit_value wv = frit_builder_param(b, "attn.v", "f32[64, 64]");
    frit_value g = frit_builder_param(b, "g", "f32[64]"), bias = frit_builder_param(b, "b", "f32[64]");
    frit_value n = frit_builder_call(b, "layer_norm", (frit_value[]){x, g, bias}, 3, NULL);
    frit_value q = call2(b, "@", n, wq), k = call2(b, "@", n, wk), v = call2(b, "@", n, wv);
    frit_value scores = frit_builder_expression(b, "$0 @ $1.T * 0.125", (frit_value[]){q, k}, 2);
    frit_value a = call2(b, "@", frit_builder_call(b, "softmax", &scores, 1, "axis = -1"), v);
    frit_builder_output(b, call2(b, "+", frit_builder_call(b, "gelu", &a, 1, NULL), x), "y", "f32[B, S, 64]");
    return b;
}

/* A section of a package. */
static const void *section(const frit_compiled *p, fpk_section_kind kind, size_t *n) {
    size_t size;
    const char *bytes = frit_compiled_bytes(p, &size);
    const fpk_header *h = (const void *)bytes;
    const fpk_section *s = (const void *)(bytes + sizeof *h);
    for (uint32_t i = 0; i < h->n_sections; i++)
        if (s[i].kind == kind) {
            *n = s[i].size;
            return bytes + s[i].offset;
        }
    fail_msg("the package lacks a section");
    return NULL;
}

static void assert_same(const frit_compiled *a, const frit_compiled *b, fpk_section_kind kind) {
    size_t n, m;
    const void *x = section(a, kind, &n), *y = section(b, kind, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
}

static void test_equal_to_source(void **state) {
    frit_compiler *c = compiler();
    frit_builder *b = build_attention(c);
    frit_module *built, *by_hand = parse(c, "block.frit", attention);
    ok(frit_builder_finish(b, &built, err));
    frit_module *text = parse(c, "block (built)", frit_builder_text(b));
    frit_builder_release(b);
    frit_compiled *p = compile(built), *q = compile(text), *r = compile(by_hand);
    size_t n, m;
    const void *x = frit_compiled_bytes(p, &n), *y = frit_compiled_bytes(q, &m);
    assert_int_equal(n, m); /* the text it stands for: the same bytes */
    assert_memory_equal(x, y, n);
    assert_same(p, r, FPK_CODE); /* as one would write it: the same kernels, launched in the same way */
    assert_same(p, r, FPK_WORDS);
    frit_compiled_release(p);
    frit_compiled_release(q);
    frit_compiled_release(r);
    frit_module_release(built);
    frit_module_release(text);
    frit_module_release(by_hand);
    frit_compiler_release(c);
}

/* ---- States and conditions --------------------------------------------------------------------------------------- */
static frit_status run_cache(frit_session *s, float x, int64_t at, float mean[2], frit_error *err) {
    float rows[2] = {x, 2 * x};
    DLTensor in[2] = {frit_dense(rows, FRIT_f32, 2, (int64_t[]){1, 2}), frit_dense(&at, FRIT_i64, 0, NULL)};
    DLTensor out = frit_dense(mean, FRIT_f32, 1, (int64_t[]){2});
    return frit_session_run(s, in, 2, &out, 1, err);
}

static void test_state(void **state) {
    frit_compiler *c = compiler();
    frit_builder *b;
    frit_module *m;
    frit_package *package;
    frit_device *device;
    frit_weights *w;
    frit_session *s;
    frit_error error;
    float mean[2];
    ok(frit_builder_create(c, "running_mean", &b, err));
    frit_value x = frit_builder_input(b, "x", "f32[S, 2]"), pos = frit_builder_input(b, "pos", "int");
    frit_builder_where(b, "S <= 4");
    frit_value cache = frit_builder_state(b, "cache", "f32[8, 2]", "0");
    frit_builder_update(b, cache, "$0:$0 + S", &pos, 1, x);
    frit_builder_output(b, frit_builder_expression(b, "sum($0[:$1 + S], axis = 0) / ($1 + S)", (frit_value[]){cache, pos}, 2),
                        "mean", "f32[2]");
    ok(frit_builder_finish(b, &m, err));
    frit_builder_release(b);
    frit_compiled *p = compile(m);
    ok(frit_compiled_open(p, &package, err));
    ok(frit_device_open("cpu", NULL, &device, err));
    ok(frit_weights_create(package, device, NULL, &w, err));
    ok(frit_session_create(w, NULL, &s, err));
    ok(run_cache(s, 1, 0, mean, err));
    ok(run_cache(s, 3, 1, mean, err));
    assert_true(mean[0] == 2 && mean[1] == 4);
    float five[10];
    int64_t at = 0;
    DLTensor in[2] = {frit_dense(five, FRIT_f32, 2, (int64_t[]){5, 2}), frit_dense(&at, FRIT_i64, 0, NULL)};
    DLTensor out = frit_dense(mean, FRIT_f32, 1, (int64_t[]){2});
    assert_int_equal(frit_session_run(s, in, 2, &out, 1, &error), FRIT_SHAPE); /* S <= 4 */
    frit_session_release(s);
    frit_weights_release(w);
    frit_device_release(device);
    frit_package_release(package);
    frit_compiled_release(p);
    frit_module_release(m);
    frit_compiler_release(c);
}

/* ---- Errors name the call ---------------------------------------------------------------------------------------- */
typedef struct heard {
    int errors;
    char source[256], message[256];
} heard;

static void listen(void *ctx, const frit_diagnostic *d) {
    heard *h = ctx;
    if (d->severity != FRIT_ERROR)
        return;
    h->errors++;
    snprintf(h->source, sizeof h->source, "%s", d->source ? d->source : "");
    snprintf(h->message, sizeof h->message, "%s", d->message);
}

static void test_errors_name_the_call(void **state) {
    heard h = {0};
    frit_compiler_options o = {.struct_size = sizeof o, .cache = FRIT_CACHE_OFF, .diagnose = listen, .diagnose_ctx = &h};
    frit_compiler *c;
    frit_builder *b;
    frit_module *m;
    frit_error e;
    ok(frit_compiler_create(&o, &c, err));
    ok(frit_builder_create(c, "m", &b, err));
    frit_value x = frit_builder_input(b, "x", "f32[B, 7]"), w = frit_builder_param(b, "w", "f32[8, 3]");
    frit_value y = frit_builder_call(b, "relu", &x, 1, NULL);
    y = call2(b, "@", y, w);
    assert_int_equal(y, 3);
    frit_builder_output(b, frit_builder_call(b, "exp", &y, 1, NULL), NULL, NULL);
    assert_int_equal(frit_builder_finish(b, &m, &e), FRIT_BAD_MODEL);
    assert_null(m);
    assert_non_null(strstr(e.message, "in `_v3 = _v2 @ _p1`"));
    assert_string_equal(e.file, "m (built)");
    assert_int_equal(h.errors, 1);
    assert_string_equal(h.source, "    _v3 = _v2 @ _p1");
    assert_true(strstr(h.message, "7") && strstr(h.message, "8"));
    frit_builder_release(b);
    frit_compiler_release(c);
}

/* ---- Calls without sense ----------------------------------------------------------------------------------------- */
typedef struct random_state {
    uint64_t s;
} random_state;
static uint32_t below(random_state *r, uint32_t n) { /* PCG's output function on a 64-bit LCG */
    r->s = r->s * 6364136223846793005u + 1442695040888963407u;
    uint32_t x = (uint32_t)(((r->s >> 18) ^ r->s) >> 27), k = (uint32_t)(r->s >> 59);
    return (x >> k | x << (-k & 31)) % n;
}

typedef struct names {
    char name[512][40];
    int n;
} names;

static void add_name(names *k, const char *s, size_t n) {
    if (k->n < 512 && n && n < sizeof k->name[0])
        snprintf(k->name[k->n++], sizeof k->name[0], "%.*s", (int)n, s);
}

/* Every function that a model can call: built in, elementwise ops, the prelude. */
static names all_functions(void) {
    static const char *const builtin[] = {
#define BUILTIN(name, parameters, function, doc) name,
#include "frontend/builtins.def"
#undef BUILTIN
    };
    names k = {.n = 0};
    for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++)
        add_name(&k, builtin[i], strlen(builtin[i]));
    for (int i = 0; i < IR_OPCODE_COUNT; i++)
        add_name(&k, ir_op_table[i].name, strlen(ir_op_table[i].name));
    for (int f = 0; f < prelude_count; f++)
        for (const char *s = prelude_files[f].text; (s = strstr(s, "\nfn ")); s += 4)
            add_name(&k, s + 4, strcspn(s + 4, "[("));
    static const char *const operators[] = {"+", "-", "*", "/", "//", "%", "@", "<", "==", "&", "|", "**", "<<"};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        add_name(&k, operators[i], strlen(operators[i]));
    return k;
}

static const char *random_type(random_state *r, char text[96]) {
    static const char *const dtypes[] = {"f32", "f32", "f32", "f16", "bf16", "i64", "i32", "u8", "i4", "bool", "f64", "f8e4m3"};
    static const char *const dims[] = {"B", "S", "4", "1", "0", "7", "B*S", "2*B", "B - 3", "S // 2", "-1", "99999999999", "x", ""};
    if (below(r, 3))
        return "f32[B, 4]"; /* something must fit now and then */
    if (!below(r, 12))
        return "int";
    int n = snprintf(text, 96, "%s[", dtypes[below(r, sizeof dtypes / sizeof *dtypes)]);
    for (uint32_t d = 0, rank = below(r, 5); d < rank; d++)
        n += snprintf(text + n, 96 - (size_t)n, "%s%s", d ? ", " : "", dims[below(r, below(r, 4) ? 6 : sizeof dims / sizeof *dims)]);
    snprintf(text + n, 96 - (size_t)n, "%s", below(r, 50) ? "]" : "");
    return text;
}

static const char *random_named(random_state *r) {
    static const char *const named[] = {"axis = -1", "axis = 0", "axis = [0, 1]", "axis = 99", "shape = [2, -1]", "k = 3",
                                        "perm = [1, 0]", "stride = 2", "padding = -1", "n = 4", "dtype = f16", "groups = 2",
                                        "eps = 0.0", "axis = none", "k = 1 // 0", "shape = [B, S]", "bogus = 1", "axis =", ") + (",
                                        "size = [3, 3]", "num_groups = 0", "depth = -5", "k = 1 << 62"};
    return below(r, 6) ? NULL : named[below(r, sizeof named / sizeof *named)];
}

/* One model; true when it was accepted. It is compiled then. */
static bool senseless(frit_compiler *c, const names *functions, uint64_t seed) {
    random_state r = {seed * 0x9e3779b97f4a7c15u + 1};
    frit_builder *b;
    frit_module *m;
    frit_error e;
    frit_value values[40];
    int n = 0;
    char text[96];
    ok(frit_builder_create(c, "m", &b, err));
    for (uint32_t i = 0, k = 1 + below(&r, 4); i < k; i++) {
        static const char *const inputs[] = {"x", "y", "z", "B", "S"};
        values[n++] = below(&r, 3) ? frit_builder_input(b, inputs[below(&r, 20) ? i % 3 : below(&r, 5)], random_type(&r, text))
                                   : frit_builder_param(b, (char[]){(char)('p' + i), 0}, random_type(&r, text));
    }
    if (!below(&r, 4))
        values[n++] = frit_builder_state(b, "s", random_type(&r, text), below(&r, 2) ? "0" : "x");
    for (uint32_t i = 0, k = 1 + below(&r, below(&r, 2) ? 2 : 8); i < k && n < 32; i++) {
        frit_value args[3];
        int n_args = below(&r, 2) ? 1 : 1 + (int)below(&r, 3);
        for (int j = 0; j < n_args; j++)
            args[j] = values[below(&r, (uint32_t)n)];
        const char *fn = functions->name[below(&r, (uint32_t)functions->n)];
        if (!isalpha((unsigned char)*fn))
            n_args = 2;
        if (!below(&r, 30))
            frit_builder_update(b, args[0], below(&r, 2) ? NULL : "0:2, $0", args, n_args, args[n_args - 1]);
        values[n++] = frit_builder_call(b, fn, args, n_args, isalpha((unsigned char)*fn) ? random_named(&r) : NULL);
    }
    frit_builder_output(b, values[n - 1], NULL, NULL);
    frit_status s = frit_builder_finish(b, &m, &e);
    if (s != FRIT_OK && s != FRIT_BAD_MODEL && s != FRIT_USAGE)
        fail_msg("seed %llu: %s: %s\n%s", (unsigned long long)seed, frit_status_name(s), e.message, frit_builder_text(b));
    if (s == FRIT_OK) {
        frit_compiled *p;
        s = frit_compile(m, NULL, &p, &e);
        if (s != FRIT_OK && s != FRIT_BAD_MODEL)
            fail_msg("seed %llu: compile: %s: %s\n%s", (unsigned long long)seed, frit_status_name(s), e.message, frit_builder_text(b));
        frit_compiled_release(s == FRIT_OK ? p : NULL);
        frit_module_release(m);
        s = FRIT_OK;
    }
    frit_builder_release(b);
    return s == FRIT_OK;
}

static int count = 1300;
static uint64_t first_seed = 1;

static void test_senseless(void **state) {
    frit_compiler *c = compiler();
    names functions = all_functions();
    int accepted = 0;
    assert_true(functions.n > 200);
    for (int i = 0; i < count; i++)
        accepted += senseless(c, &functions, first_seed + (uint64_t)i);
    print_message("%d models, %d accepted\n", count, accepted);
    assert_true(count < 500 || (accepted > count / 50 && accepted < count));
    frit_compiler_release(c);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_equal_to_source), cmocka_unit_test(test_state),
                                       cmocka_unit_test(test_errors_name_the_call), cmocka_unit_test(test_senseless)};
    if (argc > 1)
        count = atoi(argv[1]);
    if (argc > 2)
        first_seed = strtoull(argv[2], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
