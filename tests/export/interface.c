/* The interface of exported models beside plain runs: wrong arguments, bounds, damaged weights, exhausted memory, threads,
 * two models in one program, the one-call form. Built with the exported files of digits, pick, steps and counter, whose
 * memory comes from get() and give(). */
#include "counter.h"
#include "digits.h"
#include "pick.h"
#include "steps.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long live, calls, fail_at = -1;
static int wrong;

void *get(size_t n);
void give(void *p);
void *get(size_t n) {
    if (calls++ == fail_at) return NULL;
    live++;
    return malloc(n);
}
void give(void *p) {
    live -= p != NULL;
    free(p);
}

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) fprintf(stderr, "line %d: %s\n", __LINE__, #condition), wrong++;                             \
    } while (0)

static void *read_file(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    char *p = (char *)malloc(1 << 20);
    *n = f && p ? fread(p, 1, 1 << 20, f) : 0;
    if (f) fclose(f);
    return p;
}

/* ---- Threads ----------------------------------------------------------------------------------------------------- */
typedef struct piece {
    void (*fn)(void *arg, int i);
    void *arg;
    int i;
} piece;
static int pieces;

static void *run_piece(void *p) {
    piece *x = (piece *)p;
    x->fn(x->arg, x->i);
    return NULL;
}
static void parallel(void *user, int n, void (*fn)(void *arg, int i), void *arg) {
    pthread_t t[16];
    piece p[16];
    EXPECT(user == &pieces && n <= 4);
    for (int i = 0; i < n; i++) {
        p[i].fn = fn, p[i].arg = arg, p[i].i = i;
        pthread_create(&t[i], NULL, run_piece, &p[i]);
    }
    for (int i = 0; i < n; i++) pthread_join(t[i], NULL);
    pieces += n;
}

/* ---- Cases ------------------------------------------------------------------------------------------------------- */
static float image[300 * 64], one[300 * 10], many[300 * 10];

static void digits(void) {
    size_t n;
    char *file = (char *)read_file("digits.weights", &n);
    digits_weights *w = NULL, *other = (digits_weights *)file;
    digits_context *c = NULL;
    EXPECT(digits_weights_from_memory(file, n, NULL) == DIGITS_E_ARGUMENT);
    EXPECT(digits_weights_from_memory(file, n - 1, &other) == DIGITS_E_WEIGHTS && !other);
    EXPECT(digits_weights_from_memory(file + 1, n, &other) == DIGITS_E_WEIGHTS);
    file[20] ^= 1;
    EXPECT(digits_weights_from_memory(file, n, &other) == DIGITS_E_WEIGHTS);
    file[20] ^= 1;
    EXPECT(digits_weights_open("nowhere", &other) == DIGITS_E_FILE && !other);
    EXPECT(digits_weights_open("digits.h", &other) == DIGITS_E_WEIGHTS && !other);
    EXPECT(digits_weights_from_memory(file, n, &w) == DIGITS_OK);
    EXPECT(digits_create(NULL, &c) == DIGITS_E_ARGUMENT);
    EXPECT(digits_create(w, &c) == DIGITS_OK);
    for (int i = 0; i < 300 * 64; i++) image[i] = (float)(i % 17) / 16;
    EXPECT(digits_run(NULL, 1, image, one) == DIGITS_E_ARGUMENT);
    EXPECT(digits_run(c, 1, NULL, one) == DIGITS_E_ARGUMENT);
    EXPECT(digits_run(c, 1, image, image + 60) == DIGITS_E_ARGUMENT);
    EXPECT(digits_run(c, -1, image, one) == DIGITS_E_DIM_B);
    EXPECT(digits_run(c, INT64_MAX / 100, image, one) == DIGITS_E_TOO_LARGE);
    EXPECT(digits_run(c, 0, NULL, NULL) == DIGITS_OK);
    EXPECT(digits_run(c, 300, image, one) == DIGITS_OK);
    EXPECT(digits_set_threads(c, 4, NULL, NULL) == DIGITS_E_ARGUMENT);
    EXPECT(digits_set_threads(c, 4, parallel, &pieces) == DIGITS_OK);
    EXPECT(digits_run(c, 300, image, many) == DIGITS_OK);
    EXPECT(pieces > 1 && !memcmp(one, many, sizeof one));
    EXPECT(strstr(digits_status_text(DIGITS_E_DIM_B), "B ") && digits_status_text((digits_status)999));
    digits_destroy(c);
    digits_destroy(NULL);
    digits_weights_free(w);
    digits_weights_free(NULL);
    free(file);
}

static void others(void) {
    static float x[1000], values[1000], y[1000], a[50], b[50];
    static int64_t ids[1000];
    int64_t n = -1;
    float limit = 0.5f;
    uint8_t big = 1;
    int32_t turns;
    counter_context *c;
    pick_context *p;
    for (int i = 0; i < 1000; i++) x[i] = (float)(i % 10) / 10;
    EXPECT(pick(1000, x, &limit, ids, values, &n) == PICK_OK && n == 400 && ids[0] == 6 && ids[399] == 999);
    EXPECT(pick(1000, x, &limit, ids, values, NULL) == PICK_OK);
    EXPECT(pick(1001, x, &limit, ids, values, &n) == PICK_E_DIM_N);
    EXPECT(pick_create(&p) == PICK_OK && pick_prepare(p, 500) == PICK_OK);
    fail_at = calls; /* a prepared run gets no memory */
    EXPECT(pick_run(p, 500, x, &limit, ids, values, &n) == PICK_OK && n == 200);
    fail_at = -1;
    pick_destroy(p);
    for (int i = 0; i < 50; i++) a[i] = 4;
    EXPECT(steps(50, a, 1, &big, b, &turns) == STEPS_OK && b[49] > 3.99f && b[49] < 4.01f && turns > 0);
    EXPECT(counter_create(9, &c) == COUNTER_OK);
    EXPECT(counter_run(c, x, y) == COUNTER_OK && y[1] > 4.79f && y[1] < 4.81f); /* (1.5 + 0.1) * (2 + 1) */
    counter_state_total(c)[1] = 0;
    EXPECT(counter_run(c, x, y) == COUNTER_OK && y[1] > 0.39f && y[1] < 0.41f);
    EXPECT(counter_reset(c) == COUNTER_OK && counter_run(c, x, y) == COUNTER_OK && y[1] > 4.79f && y[1] < 4.81f);
    counter_destroy(c);
}

/* One life of a model; returns whether all went well. */
static int life(void) {
    digits_weights *w;
    digits_context *c;
    int ok = digits_weights_open("digits.weights", &w) == DIGITS_OK;
    if (!ok) return 0;
    ok = digits_create(w, &c) == DIGITS_OK;
    if (ok) {
        ok = digits_run(c, 7, image, one) == DIGITS_OK;
        digits_destroy(c);
    }
    digits_weights_free(w);
    if (ok) {
        counter_context *k;
        if ((ok = counter_create(9, &k) == COUNTER_OK)) {
            ok = counter_run(k, image, one) == COUNTER_OK;
            counter_destroy(k);
        }
    }
    return ok;
}

static void exhausted(void) {
    long n, i;
    calls = 0;
    EXPECT(life());
    n = calls;
    EXPECT(n > 5);
    for (i = 0; i < n; i++) {
        calls = 0;
        fail_at = i;
        EXPECT(!life());
        EXPECT(live == 0);
    }
    fail_at = -1;
}

int main(void) {
    digits();
    others();
    exhausted();
    EXPECT(live == 0);
    if (!wrong) printf("all as expected\n");
    return wrong != 0;
}
