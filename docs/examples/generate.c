/* Generates text with a compiled stories.frit: the runtime alone, no compiler.
 *
 *     stories.py stories260K.bin stories.safetensors
 *     frit compile stories.frit -w stories.safetensors -D B=1 -o stories.fpk
 *     generate stories.fpk tok512.bin 256
 *
 * Greedy: each step feeds the most likely token back. The vocabulary is llama2.c's tokenizer file: the longest piece's
 * length, then for each token a score, a length and its bytes. With a fourth argument the tokens a second go to standard
 * error. */
#include <frit/frit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BEGIN = 1, MAX_VOCABULARY = 1 << 20, MAX_PIECE = 1 << 12 };

typedef struct {
    char **pieces;
    int n;
} vocabulary;

static void fail(const char *what) {
    fprintf(stderr, "generate: %s\n", what);
    exit(1);
}

static void check(frit_status s, const frit_error *err) {
    if (s != FRIT_OK)
        fail(err->message);
}

static vocabulary read_vocabulary(const char *path) {
    vocabulary v = {.pieces = calloc(MAX_VOCABULARY, sizeof *v.pieces)};
    FILE *f = fopen(path, "rb");
    int32_t longest, length;
    float score;
    if (!f || !v.pieces || fread(&longest, 4, 1, f) != 1)
        fail("the vocabulary cannot be read");
    while (v.n < MAX_VOCABULARY && fread(&score, 4, 1, f) == 1) {
        if (fread(&length, 4, 1, f) != 1 || length < 0 || length > MAX_PIECE)
            fail("the vocabulary is damaged");
        char *piece = calloc((size_t)length + 1, 1);
        if (!piece || fread(piece, 1, (size_t)length, f) != (size_t)length)
            fail("the vocabulary is truncated");
        v.pieces[v.n++] = piece;
    }
    fclose(f);
    return v;
}

/* The text of a token: the space that starts a sentence is dropped, <0x0A> stands for a byte. */
static void print_piece(const vocabulary *v, int before, int token) {
    unsigned byte;
    if (token < 0 || token >= v->n)
        fail("a token outside the vocabulary");
    const char *piece = v->pieces[token];
    if (before == BEGIN && piece[0] == ' ')
        piece++;
    if (sscanf(piece, "<0x%02X>", &byte) == 1)
        putchar((int)byte);
    else
        fputs(piece, stdout);
    fflush(stdout);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Runs steps; returns how many tokens were made. */
static int generate(frit_session *s, const vocabulary *v, int n_vocabulary, int steps) {
    frit_error err = {0};
    int32_t token = BEGIN, next = 0;
    float *logits = malloc(sizeof *logits * (size_t)n_vocabulary);
    int64_t position = 0, one_one[] = {1, 1}, one[] = {1}, logits_shape[] = {1, n_vocabulary};
    DLTensor in[] = {frit_dense(&token, FRIT_i32, 2, one_one), frit_dense(&position, FRIT_i64, 0, NULL)};
    DLTensor out[] = {frit_dense(logits, FRIT_f32, 2, logits_shape), frit_dense(&next, FRIT_i32, 1, one)};
    for (; position < steps; position++) {
        check(frit_session_run(s, in, 2, out, 2, &err), &err);
        if (next == BEGIN)
            break;
        print_piece(v, token, next);
        token = next;
    }
    free(logits);
    return (int)position;
}

int main(int argc, char **argv) {
    frit_error err = {0};
    frit_package *package;
    frit_device *device;
    frit_weights *weights;
    frit_session *session;
    if (argc < 4)
        fail("usage: generate MODEL.fpk VOCABULARY STEPS [speed]");
    vocabulary v = read_vocabulary(argv[2]);
    check(frit_package_open(argv[1], &package, &err), &err);
    frit_device_options options = {.struct_size = sizeof options, .threads = 1};
    check(frit_device_open(frit_package_get_info(package)->targets[0], &options, &device, &err), &err);
    check(frit_weights_create(package, device, NULL, &weights, &err), &err);
    check(frit_session_create(weights, NULL, &session, &err), &err);
    double start = seconds();
    int n = generate(session, &v, v.n, atoi(argv[3]));
    if (argc > 4)
        fprintf(stderr, "%.0f tokens/s\n", (n - 1) / (seconds() - start));
    putchar('\n');
    frit_session_release(session);
    frit_weights_release(weights);
    frit_device_release(device);
    frit_package_release(package);
    for (int i = 0; i < v.n; i++)
        free(v.pieces[i]);
    free(v.pieces);
    return 0;
}
