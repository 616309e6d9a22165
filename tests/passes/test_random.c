/* Random programs mean the same before and after every pass. In exact mode each element keeps its bits; with the
 * inexact rules it stays within the interpreter's bound. A program that fails is shrunk and printed.
 *   test_random [FIRST_SEED COUNT [N_OPS]] */
#include "passes/pass.h"
#include "tests/graphgen.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RESULTS = 4, WHOLE_PIPELINE = PASS_COUNT };

typedef struct trial {
    uint64_t seed;
    int pass; /* a pass_id, or WHOLE_PIPELINE */
    bool exact;
    char why[512];
} trial;

static bool same_element(const interp_tensor *x, const interp_tensor *y, int64_t i) {
    if (!frit_dtype_is_float(x->dtype)) return interp_get_int(x, i) == interp_get_int(y, i);
    double a = interp_get_float(x, i), b = interp_get_float(y, i);
    return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

static bool same_bits(const interp_tensor *x, const interp_tensor *y, trial *t) {
    int64_t n = interp_elements(x);
    if (x->dtype != y->dtype || x->rank != y->rank || interp_elements(y) != n) return false;
    for (int64_t i = 0; i < n; i++) {
        if (same_element(x, y, i)) continue;
        bool f = frit_dtype_is_float(x->dtype);
        snprintf(t->why, sizeof t->why, "element %lld was %.17g and is %.17g", (long long)i,
                 f ? interp_get_float(x, i) : (double)interp_get_int(x, i),
                 f ? interp_get_float(y, i) : (double)interp_get_int(y, i));
        return false;
    }
    return true;
}

/* The bound is about kernels, which keep f16, bf16 and f8 values in f32. Where the rounding of each op, as it stands
 * in the program, already leaves the bound, nothing is said about what passes make of it; nor about NaN and
 * infinities, which inexact rules may trade (a factor of a sum over nothing, the sign of a zero that is divided by). */
static bool within_bound(const interp_tensor *wide, const interp_tensor *before, const interp_tensor *after, trial *t) {
    interp_comparison c = interp_compare(after, wide, 0, 0);
    if (c.ok || !isfinite(c.got) || !isfinite(c.want) || (c.n >= 0 && !interp_compare(before, wide, 0, 0).ok))
        return true;
    snprintf(t->why, sizeof t->why, "element %lld is %.17g instead of %.17g (bound %g)", (long long)c.worst, c.got,
             c.want,
             c.bound);
    return false;
}

static bool transform(ir_module *m, trial *t) {
    pass_options options = {.exact = t->exact};
    pass_ctx c = pass_ctx_new(m, &options);
    if (t->pass == WHOLE_PIPELINE) passes_tensor(&c, m);
    else pass_run(&c, (pass_id)t->pass, m->funcs);
    if (c.bug) snprintf(t->why, sizeof t->why, "%s", c.bug);
    else if (c.cut_off) snprintf(t->why, sizeof t->why, "the rules do not come to an end");
    return !c.bug && !c.cut_off;
}

static void free_all(interp_tensor *x) {
    for (int i = 0; i < MAX_RESULTS; i++) interp_tensor_free(&x[i]);
}

/* Whether the passes change what m means. A program that does not run before them proves nothing. */
static bool fails(void *user, ir_module *m) {
    trial *t = user;
    interp_tensor wide[MAX_RESULTS] = {0}, before[MAX_RESULTS] = {0}, after[MAX_RESULTS] = {0};
    int n = m->funcs->n_results;
    t->why[0] = 0;
    int data = t->exact ? 0 : GRAPHGEN_TAME; /* inexact rules may take a NaN for an infinity */
    bool runs = n <= MAX_RESULTS && graphgen_run(m, m->funcs, t->seed, data, before) == INTERP_OK, bad = false;
    runs = runs && (t->exact || graphgen_run(m, m->funcs, t->seed, data | GRAPHGEN_WIDE, wide) == INTERP_OK);
    if (runs && !transform(m, t)) bad = true;
    else if (runs) {
        interp_status s = graphgen_run(m, m->funcs, t->seed, data, after);
        if (s != INTERP_OK) snprintf(t->why, sizeof t->why, "it runs no more: status %d", (int)s);
        bad = s != INTERP_OK;
    }
    for (int i = 0; runs && i < n && !bad; i++)
        bad = t->exact ? !same_bits(&before[i], &after[i], t) : !within_bound(&wide[i], &before[i], &after[i], t);
    free_all(wide);
    free_all(before);
    free_all(after);
    return bad;
}

static void report(trial *t, ir_module *m) {
    m = graphgen_shrink(m, fails, t);
    arena *a = arena_new();
    const char *small = ir_print(a, m);
    printf("seed %llu, %s%s:\n%s\n", (unsigned long long)t->seed,
           t->pass == WHOLE_PIPELINE ? "all passes" : pass_table[t->pass].name, t->exact ? ", exact" : "", small);
    fails(t, m);
    printf("becomes\n%s%s\n\n", ir_print(a, m), t->why);
    arena_free(a);
    ir_module_free(m);
}

static int check(uint64_t seed, int n_ops) {
    int bad = 0;
    for (int exact = 0; exact < 2; exact++)
        for (int pass = WHOLE_PIPELINE; pass >= 0 && !bad; pass--) {
            trial t = {.seed = seed, .pass = pass, .exact = exact};
            ir_module *m = graphgen_module(&(graphgen_options){.seed = seed, .n_ops = n_ops});
            ir_module *copy = graphgen_clone(m);
            if (!copy || fails(&t, copy)) {
                bad++;
                report(&t, m);
            } else ir_module_free(m);
            if (copy) ir_module_free(copy);
        }
    return bad;
}

int main(int argc, char **argv) {
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    int count = argc > 2 ? atoi(argv[2]) : 150, n_ops = argc > 3 ? atoi(argv[3]) : 12, bad = 0;
    for (int i = 0; i < count && bad < 5; i++) bad += check(first + (uint64_t)i, n_ops);
    printf("%d programs, %d failed\n", count, bad);
    return bad != 0;
}
