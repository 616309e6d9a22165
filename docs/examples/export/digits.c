/* Runs an exported digits model on an image whose pixels are 0 .. 63 / 64; prints the ten probabilities. */
#include "digits.h"
#include <stdio.h>

static int failed(digits_status s) {
    if (s != DIGITS_OK) fprintf(stderr, "digits: %s\n", digits_status_text(s));
    return s != DIGITS_OK;
}

int main(void) {
    float image[64], probabilities[10];
    digits_weights *weights;
    digits_context *context;
    for (int i = 0; i < 64; i++) image[i] = (float)i / 64;
    if (failed(digits_weights_open("digits.weights", &weights))) return 1;
    if (failed(digits_create(weights, &context))) return 1;
    if (failed(digits_run(context, 1, image, probabilities))) return 1;
    for (int i = 0; i < 10; i++) printf("%d %.9g\n", i, (double)probabilities[i]);
    digits_destroy(context);
    digits_weights_free(weights);
    return 0;
}
