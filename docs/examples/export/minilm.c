/* Embeds sentences with an exported minilm: one line of token numbers each on standard input, one line of numbers out.
 * Runs of different lengths share one context. */
#include "minilm.h"
#include <stdio.h>
#include <stdlib.h>

enum { LONGEST = 512, WIDEST = 1024 };

static int failed(minilm_status s) {
    if (s != MINILM_OK) fprintf(stderr, "minilm: %s\n", minilm_status_text(s));
    return s != MINILM_OK;
}

/* Numbers of one line, at most LONGEST. */
static int read_line(int64_t *ids, int64_t *mask) {
    char line[8 * LONGEST], *at = line, *end;
    int n = 0;
    if (!fgets(line, sizeof line, stdin)) return -1;
    for (long long v = strtoll(at, &end, 10); end != at && n < LONGEST; v = strtoll(at, &end, 10)) {
        ids[n] = v;
        mask[n++] = 1;
        at = end;
    }
    return n;
}

int main(int argc, char **argv) {
    static int64_t ids[LONGEST], mask[LONGEST];
    static float embedding[WIDEST];
    minilm_weights *weights;
    minilm_context *context;
    int width = argc > 1 ? atoi(argv[1]) : 384, n;
    if (width < 1 || width > WIDEST) return 2;
    if (failed(minilm_weights_open("minilm.weights", &weights))) return 1;
    if (failed(minilm_create(weights, &context))) return 1;
    while ((n = read_line(ids, mask)) > 0) {
        if (failed(minilm_run(context, 1, n, ids, mask, embedding))) return 1;
        for (int i = 0; i < width; i++) printf("%s%.9g", i ? " " : "", (double)embedding[i]);
        printf("\n");
    }
    minilm_destroy(context);
    minilm_weights_free(weights);
    return 0;
}
