/* attention [-v] FILE.frit...: every file is compiled in full fusion; its core (what computes exponentials) must be one kernel,
 * and its results must agree with the interpreter for every column of its `# check` line. Prints one line a failure and
 * a summary; exits with 1 when a result is wrong or more than one in twenty splits. */
#include "frontend/elab.h"
#include "frontend/source.h"
#include "tests/compile/roundtrip.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DIMS = 16, MAX_ROWS = 16 };

typedef struct spelling {
    char text[1 << 16];
    size_t size;
    int n_dims, n_rows, kernels; /* kernels: the most that it may take */
    char name[MAX_DIMS][32];
    int64_t column[MAX_DIMS][MAX_ROWS];
} spelling;

typedef struct tally {
    int files, wrong, split;
    bool verbose;
} tally;

static bool read_spelling(const char *path, spelling *s) {
    FILE *f = fopen(path, "rb");
    if (!f) return false;
    s->size = fread(s->text, 1, sizeof s->text - 1, f);
    s->text[s->size] = 0;
    fclose(f);
    const char *check = strstr(s->text, "# check"), *kernels = strstr(s->text, "# kernels ");
    if (!check || !kernels) return false;
    s->kernels = atoi(kernels + 10);
    s->n_dims = s->n_rows = 0;
    for (const char *p = check + 7; *p == ' ' && s->n_dims < MAX_DIMS; s->n_dims++) {
        const char *eq = strchr(++p, '=');
        if (!eq || eq - p > 31) return false;
        memcpy(s->name[s->n_dims], p, (size_t)(eq - p));
        s->name[s->n_dims][eq - p] = 0;
        int k = 0;
        for (p = eq + 1; isdigit((unsigned char)*p) && k < MAX_ROWS; p += *p == ',')
            s->column[s->n_dims][k++] = strtoll(p, (char **)&p, 10);
        s->n_rows = k;
    }
    return true;
}

/* The tensor module of a file as text; NULL when it has errors (printed). */
static const char *tensor_text(arena *a, const spelling *s, const char *path) {
    diag *d = diag_new();
    uint32_t source = diag_add_source(d, path, s->text, s->size);
    const ast_file *ast = ast_parse(a, d, source);
    elab_loader loader = elab_folder_loader(a, d);
    ir_module *m = diag_errors(d) ? NULL : elaborate(a, d, ast, &loader, NULL);
    diag_print_text(d, stdout, false);
    const char *text = m ? ir_print(a, m) : NULL;
    if (m) ir_module_free(m);
    diag_free(d);
    return text;
}

static bool is_exponential(const ir_op *op) { return op->code == IR_exp || op->code == IR_exp2; }

/* Kernels with an exponential that is not part of an epilogue alone: such a kernel also reduces. */
static int count_cores(const ir_block *b) {
    int n = 0;
    for (const ir_op *op = b->first; op; op = op->next) {
        if (op->code != IR_kernel) continue;
        bool exponential = false, reduces = false;
        for (const ir_op *k = op->blocks[0]->first; k; k = k->next) {
            exponential |= is_exponential(k);
            reduces |= k->code == IR_reduce || k->code == IR_contract;
        }
        n += exponential && reduces;
    }
    return n;
}

/* How many kernels hold a piece of the core after fusion. */
static int cores(const char *text) {
    diag *d = diag_new();
    arena *a = arena_new();
    const char *error = NULL;
    ir_module *m = ir_parse(d, diag_add_source(d, "core.fir", text, strlen(text)));
    compile_options co = {.target = target_open(a, "cpu", &error), .fusion = COMPILE_FULL};
    if (m) compile_fuse(m, m->funcs, &co);
    int n = m ? count_cores(m->funcs->body) : 0;
    if (m) ir_module_free(m);
    arena_free(a);
    diag_free(d);
    return n;
}

static void check_file(tally *t, const char *path) {
    static spelling s;
    const char *names[MAX_DIMS];
    int64_t values[MAX_DIMS * MAX_ROWS];
    arena *a = arena_new();
    t->files++;
    const char *text = read_spelling(path, &s) ? tensor_text(a, &s, path) : NULL;
    if (!text) {
        t->wrong++;
        printf("%s: WRONG: does not elaborate\n", path);
        arena_free(a);
        return;
    }
    for (int i = 0; i < s.n_dims; i++) {
        names[i] = s.name[i];
        for (int k = 0; k < s.n_rows; k++) values[k * s.n_dims + i] = s.column[i][k];
    }
    roundtrip_options o = {.seed = (uint64_t)t->files, .extent = 3, .dim_names = names, .dim_values = values,
                           .n_dims = s.n_dims, .n_rows = s.n_rows, .guard = true, .show = t->verbose ? stdout : NULL};
    roundtrip_result r = roundtrip_text(text, strlen(text), &o);
    int n = cores(text);
    bool split = n != 1 || r.n_kernels > s.kernels;
    t->wrong += !r.ok;
    t->split += split;
    if (!r.ok) printf("%s: WRONG: %s\n", path, r.message);
    if (split) printf("%s: SPLIT: %d kernels where %d would do, %d with a piece of the core\n", path, r.n_kernels, s.kernels, n);
    fflush(stdout);
    arena_free(a);
}

int main(int argc, char **argv) {
    tally t = {0};
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-v")) t.verbose = true;
        else check_file(&t, argv[i]);
    }
    printf("%d spellings: %d in one kernel (%.1f%%), %d wrong\n", t.files, t.files - t.split,
           t.files ? 100.0 * (t.files - t.split) / t.files : 0, t.wrong);
    return t.files == 0 || t.wrong || t.split * 20 > t.files;
}
