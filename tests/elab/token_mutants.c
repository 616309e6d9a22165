/* token_mutants COUNT SEED [-v] FILE.frit...: files with one token deleted, doubled, exchanged with the next, or replaced by
 * another of the file. None may crash the compiler or make it give a module that does not verify; of those that are wrong, at
 * least 80 of 100 must have their first error on the line that was changed. -v lists those that have not.
 *
 * The mutants run in child processes, so that a crash names its seed. */
#include "frontend/elab.h"
#include "frontend/source.h"
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_FILES = 32, MAX_TOKENS = 20000, BATCH = 100, SECONDS = 60 };
typedef enum kind { DELETED, DOUBLED, EXCHANGED, REPLACED, KINDS } kind;
static const char *const kind_names[KINDS] = {"deleted", "doubled", "exchanged", "replaced"};

typedef struct token {
    size_t begin, end;
} token;

typedef struct file {
    const char *path;
    char *text;
    size_t size;
    token *tokens;
    int n;
} file;

typedef struct tally {
    int done; /* of the batch */
    int right[KINDS], wrong[KINDS], on_line[KINDS];
} tally;

static uint64_t next_random(uint64_t *s) { /* SplitMix64 */
    uint64_t z = *s += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

static size_t token_end(const char *s, size_t i) {
    static const char *const pairs[] = {"->", "==", "!=", "<=", ">=", "//", "**", "??", "+=", "<<", ">>"};
    if (is_word(s[i])) {
        while (is_word(s[i]) || (s[i] == '.' && isdigit((unsigned char)s[i + 1]))) i++;
        return i;
    }
    if (s[i] == '"') {
        size_t n = strcspn(s + i + 1, "\"\n");
        return i + n + 2;
    }
    if (!strncmp(s + i, "...", 3)) return i + 3;
    for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++)
        if (!strncmp(s + i, pairs[k], 2)) return i + 2;
    return i + 1;
}

static bool read_file(const char *path, file *f) {
    FILE *in = fopen(path, "rb");
    if (!in) return false;
    *f = (file){.path = path, .text = calloc(1, 1 << 20), .tokens = calloc(MAX_TOKENS, sizeof(token))};
    f->size = fread(f->text, 1, (1 << 20) - 1, in);
    fclose(in);
    for (size_t i = 0; i < f->size && f->n < MAX_TOKENS;) {
        if (f->text[i] == '#') i += strcspn(f->text + i, "\n");
        else if (isspace((unsigned char)f->text[i])) i++;
        else {
            size_t end = token_end(f->text, i);
            f->tokens[f->n++] = (token){i, end};
            i = end;
        }
    }
    return f->n > 1;
}

static int line_of(const char *text, size_t at) {
    int line = 1;
    for (size_t i = 0; i < at; i++) line += text[i] == '\n';
    return line;
}

/* The mutant's text; *line is where it differs. */
static char *mutate(const file *f, uint64_t seed, kind *how, int *line) {
    uint64_t s = seed;
    *how = (kind)(next_random(&s) % KINDS);
    int k = (int)(next_random(&s) % (uint64_t)(f->n - 1)), o = (int)(next_random(&s) % (uint64_t)f->n);
    token t = f->tokens[k], u = f->tokens[k + 1], other = f->tokens[o];
    char *out = NULL;
    const char *x = f->text;
    *line = line_of(x, t.begin);
#define PART(a, b) (int)((b) - (a)), x + (a)
    int n = -1;
    switch (*how) {
    case DELETED: n = asprintf(&out, "%.*s%s", PART(0, t.begin), x + t.end); break;
    case DOUBLED: n = asprintf(&out, "%.*s %.*s%s", PART(0, t.end), PART(t.begin, t.end), x + t.end); break;
    case EXCHANGED:
        n = asprintf(&out, "%.*s%.*s %.*s%.*s%s", PART(0, t.begin), PART(u.begin, u.end), PART(t.end, u.begin), PART(t.begin, t.end), x + u.end);
        break;
    default: n = asprintf(&out, "%.*s%.*s%s", PART(0, t.begin), PART(other.begin, other.end), x + t.end); break;
    }
#undef PART
    if (n < 0) abort();
    return out;
}

/* The line of the first error: 0 when there is none, -1 when it is in another file. */
static int first_error(const diag *d, uint32_t source) {
    for (int i = 0; i < diag_count(d); i++) {
        diag_view v = diag_get(d, i);
        int line, column;
        if (v.severity != DIAG_ERROR) continue;
        if (v.span.file != source) return -1;
        diag_locate(d, source, v.span.begin, &line, &column);
        return line;
    }
    return 0;
}

static int compile(const file *f, const char *text, bool verbose) {
    arena *a = arena_new();
    diag *d = diag_new();
    uint32_t source = diag_add_source(d, f->path, text, strlen(text));
    const ast_file *ast = ast_parse(a, d, source);
    elab_loader loader = elab_folder_loader(a, d);
    elab_define layers = {"L", "1"};
    elab_options options = {.n_defines = strstr(text, "const") && strstr(text, " L =") ? 1 : 0, .defines = &layers};
    ir_module *m = diag_errors(d) ? NULL : elaborate(a, d, ast, &loader, &options);
    const char *problems;
    if (!m != (diag_errors(d) > 0)) abort();
    if (m && ir_verify(a, m, &problems)) fprintf(stderr, "%s\n", problems), abort();
    int line = first_error(d, source);
    if (verbose && line) diag_print_text(d, stdout, false);
    if (m) ir_module_free(m);
    diag_free(d);
    arena_free(a);
    return line;
}

static void try(const file *files, int n_files, uint64_t seed, bool verbose, tally *t) {
    kind how;
    int line;
    const file *f = &files[seed % (uint64_t)n_files];
    char *text = mutate(f, seed, &how, &line);
    if (getenv("SHOW_MUTANT")) fprintf(stderr, "%s", text);
    int at = compile(f, text, false);
    if (!at) t->right[how]++;
    else t->wrong[how]++, t->on_line[how] += at == line;
    if (verbose && at && at != line) {
        printf("---- seed %llu: %s, a token of line %d %s, first error on line %d\n", (unsigned long long)seed, f->path, line, kind_names[how], at);
        const char *s = text;
        for (int i = 1; i < line; i++) s = strchr(s, '\n') + 1;
        printf("%.*s\n", (int)strcspn(s, "\n"), s);
        compile(f, text, true);
    }
    free(text);
}

int main(int argc, char **argv) {
    static file files[MAX_FILES];
    int count = argc > 2 ? atoi(argv[1]) : 0, n = 0, crashed = 0, wrong = 0, on_line = 0;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;
    bool verbose = false;
    for (int i = 3; i < argc && n < MAX_FILES; i++) {
        if (!strcmp(argv[i], "-v")) verbose = true;
        else if (read_file(argv[i], &files[n])) n++;
    }
    if (!count || !n) return fprintf(stderr, "usage: token_mutants COUNT SEED [-v] FILE.frit...\n"), 2;
    tally *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (t == MAP_FAILED) return 3;
    for (int i = 0; i < count;) {
        int batch = count - i < BATCH ? count - i : BATCH, status;
        t->done = 0;
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            for (; t->done < batch; t->done++) {
                alarm(SECONDS);
                try(files, n, seed + (uint64_t)(i + t->done), verbose, t);
            }
            fflush(NULL);
            _exit(0);
        }
        waitpid(child, &status, 0);
        i += t->done;
        if (!status) continue;
        printf("seed %llu: %s\n", (unsigned long long)(seed + (uint64_t)i),
               WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? "hangs" : "crashes");
        crashed++, i++;
    }
    printf("%-10s %8s %8s %8s\n", "token", "valid", "wrong", "on line");
    for (int k = 0; k < KINDS; k++) {
        printf("%-10s %8d %8d %7.1f%%\n", kind_names[k], t->right[k], t->wrong[k], t->wrong[k] ? 100.0 * t->on_line[k] / t->wrong[k] : 0);
        wrong += t->wrong[k], on_line += t->on_line[k];
    }
    printf("%d mutants: %d wrong, %.1f%% of them reported on the line that was changed, %d crashed\n", count, wrong,
           wrong ? 100.0 * on_line / wrong : 0, crashed);
    return crashed > 0 || on_line * 100 < wrong * 80;
}
