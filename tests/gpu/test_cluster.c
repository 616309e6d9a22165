/* Clusters on the executor: what they compute, and what is told when their blocks are not ordered. */
#include "rig.h"

enum { THREADS = 64, BLOCKS = 4, N = THREADS * BLOCKS };

static bool run(const char *body, int cluster, const char *says, float *out) {
    static char text[1 << 14];
    static float x[N];
    uint8_t written[N * 4 / 8] = {0};
    char message[512] = "";
    snprintf(text, sizeof text,
             "fir 1\nfunc thread @k(%%x: ptr f32, %%out: ptr f32, %%scratch: ptr u8, %%tasks: i64) threads %d shared 512 cluster %d {\n"
             "%%zero = constant() {value = 0} : i64\n%%one = constant() {value = 1} : i64\n%%size = constant() {value = %d} : i64\n"
             "%%t = thread_id() : i64\n%%b = block_id() : i64\n%%r = cluster_rank() : i64\n%%o = xor(%%r, %%one) : i64\n"
             "%%at = fma(%%b, %%size, %%t) : i64\n%%first = eq(%%r, %%zero) : bool\n"
             "%%s = shared() {offset = 0} : ptr core f32\n%%p = cluster_ptr(%%s, %%o) : ptr cluster f32\n%s\nreturn()\n}\n",
             THREADS, cluster, THREADS, body);
    for (int i = 0; i < N; i++) x[i] = (float)i;
    kernel k = rig_kernel(text, 32);
    exec_memory m[2] = {{.data = x, .bytes = sizeof x}, {.data = out, .bytes = N * 4, .written = written, .output = true}};
    exec_launch l = {.buffers = m, .tasks = BLOCKS, .blocks = BLOCKS, .max_steps = 100000, .seed = 3};
    bool ok = exec_run(k.k, &l, message, sizeof message);
    if (says ? ok || !strstr(message, says) : !ok) fail_msg("%s\n%s (wanted: %s)", body, message, says ? says : "no fault");
    rig_free(&k);
    return ok;
}

static void breaks(const char *body, const char *says) {
    float out[N];
    run(body, 2, says, out);
}

#define FILL "%v = load(%x, %at) : f32\nstore(%s, %t, %v)\n"
#define TAKE "%w = load(%p, %t) : f32\nstore(%out, %at, %w)\n"
#define MEET "cluster_barrier()\n"

static void test_exchange(void **state) {
    float out[N];
    run(FILL MEET TAKE MEET, 2, NULL, out);
    for (int i = 0; i < N; i++) assert_true(out[i] == (float)(i ^ THREADS));
    run(MEET FILL "%w = add(%v, %v) : f32\nstore(%p, %t, %w)\n" MEET, 2, "race", out); /* into the other's, which it fills */
    run(MEET "%v = load(%x, %at) : f32\nstore(%p, %t, %v)\n" MEET "%w = load(%s, %t) : f32\nstore(%out, %at, %w)\n", 2, NULL, out);
    for (int i = 0; i < N; i++) assert_true(out[i] == (float)(i ^ THREADS));
    run(FILL MEET TAKE MEET, 4, NULL, out);
    for (int i = 0; i < N; i++) assert_true(out[i] == (float)(i ^ THREADS));
}

static void test_order(void **state) {
    breaks(FILL "barrier()\n" TAKE MEET, "may not run yet");
    breaks(MEET FILL "barrier()\n" TAKE MEET, "race");
    breaks(FILL MEET TAKE, "may have left");
    breaks(FILL MEET TAKE "store(%s, %t, %w)\n" MEET, "race");
    breaks(FILL MEET TAKE "barrier()\nstore(%s, %t, %w)\n" MEET, "race");
    breaks(MEET TAKE MEET, "nothing has written");
    breaks("tif(%first) () {\n" MEET "yield()\n} () {\nyield()\n}\n" FILL, "cluster");
    breaks(FILL MEET "%far = mul(%size, %size) : i64\n%f = load(%p, %far) : f32\n" MEET, "accesses");
    breaks("%q = cluster_ptr(%s, %size) : ptr cluster f32\n" FILL MEET "%f = load(%q, %t) : f32\n" MEET, "has no block");
    breaks(FILL MEET "%w = load(%p, %zero) : f32\n%f = load(%s, %zero) : f32\nbarrier()\nstore(%s, %zero, %f)\n" MEET, "race");
}

/* Global memory: a block reads what another of the cluster wrote. */
static void test_global(void **state) {
    float out[N];
    const char *there = "%u = xor(%b, %one) : i64\n%ut = fma(%u, %size, %t) : i64\n";
    char body[1024];
    snprintf(body, sizeof body, "%s%%v = load(%%x, %%at) : f32\nstore(%%out, %%at, %%v)\n" MEET "%%w = load(%%out, %%ut) : f32\n" MEET "store(%%out, %%at, %%w)\n", there);
    run(body, 2, NULL, out);
    for (int i = 0; i < N; i++) assert_true(out[i] == (float)(i ^ THREADS));
    snprintf(body, sizeof body, "%s%%v = load(%%x, %%at) : f32\nstore(%%out, %%at, %%v)\nbarrier()\n%%w = load(%%out, %%ut) : f32\n", there);
    breaks(body, "race");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exchange), cmocka_unit_test(test_order), cmocka_unit_test(test_global)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
