/* matrix [-v] [-k DIR] [-f FAMILY] [-t TARGET] [-d DEVICE] [-c] [-s FROM/EVERY] [FILTER]: every op, dtype and control
 * construct, compiled and compared with the interpreter. With -c: only compiled; exits with 77 when something that
 * finishes code is missing. With -s: every EVERYth program, from number FROM on. */
#include "matrix.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNK = 12 };

static void append(matrix_text *t, const char *s, size_t n) {
    if (t->n + n + 1 > t->cap) {
        t->cap = (t->n + n) * 2 + 64;
        t->s = realloc(t->s, t->cap);
        if (!t->s) abort();
    }
    memcpy(t->s + t->n, s, n);
    t->n += n;
    t->s[t->n] = 0;
}

static void append_text(matrix_text *t, const char *s) { append(t, s, strlen(s)); }

static void parse_dims(matrix *m, const char *s) {
    m->n_dims = m->n_rows = 0;
    int64_t by_dim[MATRIX_MAX_DIMS][MATRIX_MAX_ROWS];
    while (s && *s) {
        int used = 0, n = 0;
        if (sscanf(s, " %15[A-Za-z]%n", m->names[m->n_dims], &used) != 1) abort();
        s += used;
        for (char *end; *s && *s != ';'; s = end) {
            by_dim[m->n_dims][n++] = strtoll(s, &end, 10);
            if (end == s) abort();
        }
        if (*s == ';') s++;
        if (m->n_dims && n != m->n_rows) abort();
        m->n_rows = n;
        m->n_dims++;
    }
    for (int r = 0; r < m->n_rows; r++)
        for (int d = 0; d < m->n_dims; d++) m->values[r * m->n_dims + d] = by_dim[d][r];
}

void matrix_begin(matrix *m, const char *group, int flags, const char *dims, const char *decls, const char *args) {
    snprintf(m->group, sizeof m->group, "%s", group);
    m->active = !m->filter || strstr(group, m->filter);
    m->flags = flags;
    m->decls = decls;
    m->args = args;
    m->after = NULL;
    m->n_outputs = m->next = 0;
    parse_dims(m, dims);
}

void matrix_out(matrix *m, const char *fmt, ...) {
    char line[4096], name[16];
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(line, sizeof line, fmt, ap) >= (int)sizeof line) abort();
    va_end(ap);
    if (!m->active) return;
    if (m->n_outputs == MATRIX_MAX_OUTPUTS) abort();
    snprintf(name, sizeof name, "%%o%d_", m->next);
    m->number[m->n_outputs] = m->next++;
    matrix_text *t = &m->body[m->n_outputs++];
    t->n = 0;
    append_text(t, "    ");
    for (const char *p = line; *p; p++) {
        if (*p == '$') append_text(t, name);
        else if (*p == '@') append_text(t, name + 1);
        else append(t, p, 1);
        if (*p == '\n') append_text(t, "    ");
    }
    append_text(t, "\n");
}

static void program_text(const matrix *m, int first, int n, matrix_text *t) {
    char s[64];
    append_text(t, "fir 1\n");
    append_text(t, m->decls);
    append_text(t, "\nfunc tensor @m(");
    append_text(t, m->args);
    snprintf(s, sizeof s, ") -> %d {\n", n);
    append_text(t, s);
    for (int i = first; i < first + n; i++) append(t, m->body[i].s, m->body[i].n);
    append_text(t, "    return(");
    for (int i = first; i < first + n; i++) {
        snprintf(s, sizeof s, "%s%%o%d_", i > first ? ", " : "", m->number[i]);
        append_text(t, s);
    }
    append_text(t, ")\n}\n");
    if (m->after) append_text(t, m->after);
}

static const char *const mode_names[] = {"full", "op", "none"};

/* Compiles and runs in a child process. Returns whether all is well; message (of n bytes) says what is not. */
static bool run_program(const matrix *m, const matrix_text *t, int mode, char *message, size_t n) {
    int fds[2];
    message[0] = 0;
    fflush(stdout);
    if (pipe(fds)) abort();
    pid_t child = fork();
    if (child < 0) abort();
    if (child == 0) {
        const char *names[MATRIX_MAX_DIMS];
        for (int i = 0; i < m->n_dims; i++) names[i] = m->names[i];
        roundtrip_options o = {.fusion = (compile_fusion)mode, .seed = 3, .extent = 5, .n_dims = m->n_dims, .dim_names = names,
                               .dim_values = m->values, .n_rows = m->n_rows, .runs = m->runs, .guard = true, .target = m->target, .device = m->target ? m->device + m->programs : 0,
                               .special = m->flags & MATRIX_SPECIAL, .compile_only = m->compile_only};
        alarm(120);
        roundtrip_result r = roundtrip_text(t->s, t->n, &o);
        ssize_t k = r.ok ? 0 : write(fds[1], r.message, strlen(r.message));
        _exit(r.ok && k == 0 ? 0 : 1);
    }
    close(fds[1]);
    size_t have = 0;
    for (ssize_t k; have + 1 < n && (k = read(fds[0], message + have, n - 1 - have)) > 0;) have += (size_t)k;
    message[have] = 0;
    close(fds[0]);
    int status;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) snprintf(message, n, "signal %d", WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A program left out of the slice, or not for a target that is only compiled for. */
static bool passed_over(matrix *m, int mode) {
    if (mode && m->compile_only) return true;
    return m->every && m->seen++ % m->every != m->from;
}

static void report(matrix *m, const matrix_text *t, int mode, const char *what, const char *message) {
    if (strstr(message, TARGET_MISSING)) {
        printf("skipped: %s\n", message);
        exit(77);
    }
    m->failures++;
    printf("FAILED %s, %s: %s\n%s", m->group, mode_names[mode], message, what);
    if (!m->keep) return;
    char path[512];
    snprintf(path, sizeof path, "%s/%s_%s_%d.fir", m->keep, m->group, mode_names[mode], m->failures);
    FILE *f = fopen(path, "wb");
    if (!f) return;
    fwrite(t->s, 1, t->n, f);
    fclose(f);
}

/* The outputs of a failed program one by one. */
static bool find_culprits(matrix *m, int first, int n, int mode) {
    bool any = false;
    for (int i = first; i < first + n; i++) {
        matrix_text t = {0};
        char message[1200];
        program_text(m, i, 1, &t);
        if (!run_program(m, &t, mode, message, sizeof message)) {
            any = true;
            report(m, &t, mode, m->body[i].s, message);
        }
        free(t.s);
    }
    return any;
}

void matrix_end(matrix *m) {
    int together = m->flags & MATRIX_TOGETHER ? MATRIX_MAX_OUTPUTS : CHUNK;
    for (int first = 0; m->active && first < m->n_outputs; first += together) {
        int n = m->n_outputs - first < together ? m->n_outputs - first : together;
        matrix_text t = {0};
        program_text(m, first, n, &t);
        for (int mode = 0; mode < (m->flags & MATRIX_FULL ? 1 : 3); mode++) {
            char message[1200];
            if (passed_over(m, mode)) continue;
            m->programs++;
            if (run_program(m, &t, mode, message, sizeof message)) continue;
            if (n == 1 || m->flags & MATRIX_TOGETHER || !find_culprits(m, first, n, mode))
                report(m, &t, mode, n == 1 ? m->body[first].s : "    (all together)\n", message);
        }
        free(t.s);
    }
    m->runs = 0;
}

void matrix_program(matrix *m, const char *text) {
    matrix_text t = {0};
    append_text(&t, text);
    for (int mode = 0; m->active && mode < 3; mode++) {
        char message[1200];
        if (passed_over(m, mode)) continue;
        m->programs++;
        if (!run_program(m, &t, mode, message, sizeof message)) report(m, &t, mode, text, message);
    }
    free(t.s);
}

int main(int argc, char **argv) {
    static matrix m;
    const char *family = NULL;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-v")) m.verbose = true;
        else if (!strcmp(argv[i], "-k") && i + 1 < argc) m.keep = argv[++i];
        else if (!strcmp(argv[i], "-f") && i + 1 < argc) family = argv[++i];
        else if (!strcmp(argv[i], "-t") && i + 1 < argc) m.target = argv[++i];
        else if (!strcmp(argv[i], "-d") && i + 1 < argc) m.device = atoi(argv[++i]);
        else if (!strcmp(argv[i], "-c")) m.compile_only = true;
        else if (!strcmp(argv[i], "-s") && i + 1 < argc) {
            if (sscanf(argv[++i], "%d/%d", &m.from, &m.every) != 2) return 2;
        }
        else m.filter = argv[i];
    }
    static const struct {
        const char *name;
        void (*run)(matrix *);
    } families[] = {{"elementwise", matrix_elementwise}, {"casts", matrix_casts}, {"views", matrix_views},
                    {"reductions", matrix_reductions}, {"indexed", matrix_indexed}, {"control", matrix_control}};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (!family || !strcmp(family, families[i].name)) families[i].run(&m);
    printf("%d programs, %d failures\n", m.programs, m.failures);
    for (int i = 0; i < MATRIX_MAX_OUTPUTS; i++) free(m.body[i].s);
    return m.failures || m.programs == 0 ? 1 : 0;
}
