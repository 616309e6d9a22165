/* run_fir [-v] [-op|-none] [-t TARGET] [-d DEVICE] [-s SEED] [-x EXTENT] [-n RUNS] [-g] [-stored] [NAME=N]... FILE.fir: compiles, runs, compares with the interpreter. */
#include "roundtrip.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    const char *names[32], *path = NULL;
    int64_t values[32];
    roundtrip_options o = {.extent = 17, .seed = 1, .dim_names = names, .dim_values = values};
    for (int i = 1; i < argc; i++) {
        char *eq = strchr(argv[i], '=');
        if (!strcmp(argv[i], "-v")) o.show = stdout;
        else if (!strcmp(argv[i], "-op")) o.fusion = COMPILE_OP;
        else if (!strcmp(argv[i], "-none")) o.fusion = COMPILE_NONE;
        else if (!strcmp(argv[i], "-g")) o.guard = true;
        else if (!strcmp(argv[i], "-stored")) o.stored = true;
        else if (!strcmp(argv[i], "-t") && i + 1 < argc) o.target = argv[++i];
        else if (!strcmp(argv[i], "-d") && i + 1 < argc) o.device = atoi(argv[++i]);
        else if (!strcmp(argv[i], "-s") && i + 1 < argc) o.seed = strtoull(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "-x") && i + 1 < argc) o.extent = atoll(argv[++i]);
        else if (!strcmp(argv[i], "-n") && i + 1 < argc) o.runs = atoi(argv[++i]);
        else if (eq && o.n_dims < 32) {
            *eq = 0;
            names[o.n_dims] = argv[i];
            values[o.n_dims++] = atoll(eq + 1);
        } else path = argv[i];
    }
    FILE *f = path ? fopen(path, "rb") : NULL;
    if (!f) {
        fprintf(stderr, "usage: run_fir [-v] [-op|-none] [-t TARGET] [-d DEVICE] [-s SEED] [-x EXTENT] [-n RUNS] [-g] [-stored] [NAME=N]... FILE.fir\n");
        return 2;
    }
    static char text[1 << 22];
    size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    roundtrip_result r = roundtrip_text(text, n, &o);
    printf("%s: %s, %d kernels, %d launches, worst %.3g of the bound, %lld undecidable%s%s\n", path, r.ok ? "ok" : "FAILED",
           r.n_kernels, r.n_launches, r.worst, (long long)r.undecidable, r.ok ? "" : ": ", r.message);
    return r.ok ? 0 : 1;
}
