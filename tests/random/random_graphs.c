/* random_graphs COUNT FIRST_SEED [--mode full|op|none] [--threads N] [--ops N] [--out DIR] [--minutes N] [--first]: random tensor modules compiled,
 * run for a few bindings of their dims and compared with the interpreter. A failure (a wrong element, a kernel without a
 * schedule, a crash, a hang) is shrunk and written to DIR/seed-N.fir. Prints how often each op and each kind of kernel was
 * met. Exits with 1 when something failed; --first: at once, without shrinking. --minutes: no graphs are begun after so many.
 *
 * The graphs run in a child process: a crash costs one graph. The child reports through shared memory. */
#include "table.h"
#include "tests/compile/roundtrip.h"
#include "tests/graphgen.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GRAPHS_A_CHILD = 50, SECONDS_A_GRAPH = 20, SHRINK_SECONDS = 25, MAX_SYMBOLS = 32, ROWS = 3 };

typedef struct shared {
    int done;      /* graphs that are decided */
    bool failed;   /* the graph after them */
    char message[1024];
    table counts;
} shared;

typedef struct campaign {
    compile_fusion fusion;
    const char *mode, *out, *target;
    int threads, n_ops;
    uint64_t seed;  /* of the graph in hand */
    shared *s;
    int err;        /* what children write to stderr */
    bool quiet;     /* counts nothing: shrinking */
    time_t until;   /* shrinking ends */
    char wanted[1024]; /* the kind of failure that shrinking keeps */
} campaign;

static ir_module *generate(const campaign *c) {
    return graphgen_module(&(graphgen_options){.seed = c->seed, .n_ops = 2 + (int)(c->seed % (uint64_t)c->n_ops), .broad = true});
}

static void inspect(void *u, const ir_module *source, const ir_module *fused, const program *p) {
    table_count(&((campaign *)u)->s->counts, source, fused, p);
}

/* Compiles and runs m for its bindings. True when all is well; else s->message says what is not. */
static bool trial(campaign *c, const ir_module *m) {
    const char *names[MAX_SYMBOLS];
    int64_t values[ROWS * MAX_SYMBOLS];
    int n = m->symbols.len;
    if (n > MAX_SYMBOLS) return true;
    for (int i = 0; i < n; i++) names[i] = sym_var_name(m->symbols.data[i]);
    for (int row = 0; row < ROWS; row++) graphgen_binding(m, c->seed, row, values + row * n);
    roundtrip_options o = {.fusion = c->fusion, .seed = c->seed, .n_dims = n, .dim_names = names, .dim_values = values,
                           .n_rows = ROWS, .guard = c->seed % 2, .threads = c->threads, .max_ops = 40000, .stored = true,
                           .inspect = c->quiet ? NULL : inspect, .inspect_ctx = c, .target = c->target,
                           .device = c->target ? (int)(c->seed % 1000003) : 0};
    arena *a = arena_new();
    const char *text = ir_print(a, m);
    roundtrip_result r = roundtrip_text(text, strlen(text), &o);
    arena_free(a);
    if (!c->quiet && r.ok) table_compared(&c->s->counts, &r);
    snprintf(c->s->message, sizeof c->s->message, "%s", r.message);
    return r.ok;
}

/* What a child that ended by itself left undone: its last words, or the signal. */
static void last_words(campaign *c, int status) {
    char text[4096] = "", *line = text;
    ssize_t n = pread(c->err, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = 0;
    for (char *p = text; *p; p++)
        if (*p == '\n') {
            *p = 0;
            if (strstr(line, "ssert") || strstr(line, "ERROR") || strstr(line, "rror:")) break;
            if (p[1]) line = p + 1;
        }
    int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    snprintf(c->s->message, sizeof c->s->message, sig == SIGALRM || sig == SIGPROF ? "hangs" : "crash: signal %d, status %d: %.900s", sig,
             WEXITSTATUS(status), line);
}

/* Ends the process after so many seconds of a processor, or ten times that on the wall. */
static void limit_time(int seconds) {
    setitimer(ITIMER_PROF, &(struct itimerval){.it_value = {.tv_sec = seconds}}, NULL);
    alarm((unsigned)seconds * 10);
}

static pid_t start_child(campaign *c) {
    fflush(NULL);
    if (ftruncate(c->err, 0)) abort();
    lseek(c->err, 0, SEEK_SET);
    pid_t child = fork();
    if (child < 0) abort();
    if (child == 0) dup2(c->err, 2);
    return child;
}

/* A failure by its kind: numbers and what follows a colon in a wrong element are left out. */
static void kind_of(const char *message, char *kind) {
    int n = 0;
    for (; *message && n < 90; message++)
        if (*message < '0' || *message > '9') kind[n++] = *message;
    kind[n] = 0;
    if (!strncmp(kind, "output", 6)) kind[strcspn(kind, ",")] = 0;
}

static bool fails_alike(void *u, ir_module *m) {
    campaign *c = u;
    int status;
    if (time(NULL) >= c->until) return false;
    c->s->failed = false;
    pid_t child = start_child(c);
    if (child == 0) {
        limit_time(SECONDS_A_GRAPH / 2);
        c->s->failed = !trial(c, m);
        _exit(0);
    }
    waitpid(child, &status, 0);
    if (status) c->s->failed = true, last_words(c, status);
    char kind[1024];
    kind_of(c->s->message, kind);
    return c->s->failed && !strcmp(kind, c->wanted);
}

static void report(campaign *c) {
    char message[1024], path[512];
    memcpy(message, c->s->message, sizeof message);
    kind_of(message, c->wanted);
    c->quiet = true;
    c->until = time(NULL) + SHRINK_SECONDS;
    ir_module *m = graphgen_shrink(generate(c), fails_alike, c);
    c->until += SHRINK_SECONDS;
    fails_alike(c, m); /* the message of the small one */
    c->quiet = false;
    snprintf(path, sizeof path, "%s/seed-%llu-%s.fir", c->out, (unsigned long long)c->seed, c->mode);
    arena *a = arena_new();
    const char *text = ir_print(a, m);
    FILE *f = fopen(path, "w");
    c->s->message[strcspn(c->s->message, "\n")] = 0;
    if (f) fprintf(f, "# %s\n# run_fir -stored -s %llu%s%s", c->s->message, (unsigned long long)c->seed, c->fusion == COMPILE_FULL ? "" : " -", c->fusion == COMPILE_FULL ? "" : c->mode);
    int64_t values[MAX_SYMBOLS];
    for (int row = 0; f && row < ROWS; row++) {
        graphgen_binding(m, c->seed, row, values);
        fprintf(f, "%s", row ? "\n#        or" : "");
        for (int i = 0; i < m->symbols.len; i++) fprintf(f, " %s=%lld", sym_var_name(m->symbols.data[i]), (long long)values[i]);
    }
    if (f) fprintf(f, "\n%s", text), fclose(f);
    printf("seed %llu: %s\n    %s\n", (unsigned long long)c->seed, c->s->message, path);
    fflush(stdout);
    arena_free(a);
    ir_module_free(m);
}

/* Graphs first .. first + n - 1 in one child; ends at the first that fails. */
static void run_batch(campaign *c, uint64_t first, int n) {
    int status;
    c->s->done = 0;
    c->s->failed = false;
    pid_t child = start_child(c);
    if (child == 0) {
        for (int i = 0; i < n && !c->s->failed; i++) {
            limit_time(SECONDS_A_GRAPH);
            c->seed = first + (uint64_t)i;
            ir_module *m = generate(c);
            bool ok = trial(c, m);
            ir_module_free(m);
            c->s->failed = !ok;
            c->s->done += ok;
        }
        _exit(0);
    }
    waitpid(child, &status, 0);
    if (status) c->s->failed = true, last_words(c, status);
}

static int usage(void) {
    fprintf(stderr, "usage: random_graphs COUNT FIRST_SEED [--mode full|op|none] [--threads N] [--ops N] [--out DIR] [--minutes N] [--first]\n");
    return 2;
}

int main(int argc, char **argv) {
    campaign c = {.mode = "full", .out = ".", .threads = 1, .n_ops = 16};
    if (argc < 3) return usage();
    int count = atoi(argv[1]), failed = 0;
    uint64_t first = strtoull(argv[2], NULL, 0);
    if (!first) first = (uint64_t)time(NULL) / 86400 * 1000000;
    uint64_t next = first;
    time_t last = 0;
    bool at_once = !strcmp(argv[argc - 1], "--first");
    for (int i = 3; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--mode")) c.mode = argv[i + 1];
        else if (!strcmp(argv[i], "--threads")) c.threads = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--ops") && atoi(argv[i + 1]) > 0) c.n_ops = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--target")) c.target = argv[i + 1];
        else if (!strcmp(argv[i], "--minutes")) last = time(NULL) + 60 * atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--out")) c.out = argv[i + 1];
        else return usage();
    }
    c.fusion = !strcmp(c.mode, "op") ? COMPILE_OP : !strcmp(c.mode, "none") ? COMPILE_NONE : COMPILE_FULL;
    c.s = mmap(NULL, sizeof *c.s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    FILE *err = tmpfile();
    if (c.s == MAP_FAILED || !err) return 3;
    c.err = fileno(err);
    printf("%d graphs from seed %llu, %s fusion\n", count, (unsigned long long)first, c.mode);
    for (int64_t left; (left = count - c.s->counts.compared - failed) > 0 && (!last || time(NULL) < last);) {
        run_batch(&c, next, left < GRAPHS_A_CHILD ? (int)left : GRAPHS_A_CHILD);
        next += (uint64_t)c.s->done;
        if (!c.s->failed) continue;
        c.seed = next++;
        failed++;
        if (at_once) {
            printf("seed %llu: %s\n", (unsigned long long)c.seed, c.s->message);
            return 1;
        }
        report(&c);
    }
    table_print(&c.s->counts, stdout);
    printf("seeds %llu to %llu: %lld graphs compared, %d failed\n", (unsigned long long)first, (unsigned long long)next - 1,
           (long long)c.s->counts.compared + failed, failed);
    return failed != 0;
}
