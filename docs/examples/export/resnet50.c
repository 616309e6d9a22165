/* Runs an exported resnet50 on one RGB image: resnet50 FILE HEIGHT WIDTH, FILE holding 3 * HEIGHT * WIDTH floats. Prints
 * the five best classes. */
#include "resnet50.h"
#include <stdio.h>
#include <stdlib.h>

static int failed(resnet50_status s) {
    if (s != RESNET50_OK) fprintf(stderr, "resnet50: %s\n", resnet50_status_text(s));
    return s != RESNET50_OK;
}

static float *read_image(const char *path, size_t n) {
    FILE *f = fopen(path, "rb");
    float *image = (float *)malloc(n * sizeof *image);
    if (!f || !image || fread(image, sizeof *image, n, f) != n) {
        fprintf(stderr, "resnet50: %s does not hold %zu floats\n", path, n);
        exit(1);
    }
    fclose(f);
    return image;
}

int main(int argc, char **argv) {
    static float logits[1000];
    resnet50_weights *weights;
    resnet50_context *context;
    if (argc != 4) return 2;
    long height = atol(argv[2]), width = atol(argv[3]);
    float *image = read_image(argv[1], 3 * (size_t)height * (size_t)width);
    if (failed(resnet50_weights_open("resnet50.weights", &weights))) return 1;
    if (failed(resnet50_create(weights, &context))) return 1;
    if (failed(resnet50_run(context, 1, height, width, image, logits))) return 1;
    for (int k = 0; k < 5; k++) {
        int best = 0;
        for (int i = 1; i < 1000; i++)
            if (logits[i] > logits[best]) best = i;
        printf("class %d: %.9g\n", best, (double)logits[best]);
        logits[best] = -1e30f;
    }
    resnet50_destroy(context);
    resnet50_weights_free(weights);
    free(image);
    return 0;
}
