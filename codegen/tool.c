#include "target.h"
#include "tool.h"
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { NOT_EXECUTABLE = 126 }; /* exit statuses of a shell from here on: what it should run could not be */

static bool is_program(const char *path) {
    struct stat s;
    return !stat(path, &s) && S_ISREG(s.st_mode) && !access(path, X_OK);
}

static const char *in_folder(arena *a, const char *dir, size_t len, int n, const char *const *names) {
    for (int i = 0; i < n && len; i++) {
        const char *path = arena_printf(a, "%.*s/%s", (int)len, dir, names[i]);
        if (is_program(path)) return path;
    }
    return NULL;
}

const char *tool_find(arena *a, int n, const char *const *names, const char *const *dirs) {
    const char *found = NULL, *path = getenv("PATH");
    for (size_t len; path && !found; path = path[len] ? path + len + 1 : NULL) {
        len = strcspn(path, ":");
        found = in_folder(a, path, len, n, names);
    }
    for (int i = 0; dirs && dirs[i] && !found; i++) found = in_folder(a, dirs[i], strlen(dirs[i]), n, names);
    return found;
}

tool_bytes tool_read_file(arena *a, const char *path) {
    tool_bytes b = {0};
    FILE *f = fopen(path, "rb");
    struct stat s;
    if (!f) return b;
    if (!fstat(fileno(f), &s) && S_ISREG(s.st_mode)) {
        char *bytes = arena_alloc(a, (size_t)s.st_size + 1);
        if (fread(bytes, 1, (size_t)s.st_size, f) == (size_t)s.st_size) b = (tool_bytes){bytes, (size_t)s.st_size};
    }
    fclose(f);
    return b;
}

/* Three files in a folder of its own. */
typedef struct workspace {
    char dir[512];
    const char *in, *out, *log;
} workspace;

static bool open_workspace(arena *a, workspace *w, tool_bytes in) {
    const char *base = getenv("TMPDIR");
    snprintf(w->dir, sizeof w->dir, "%s/frit-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(w->dir)) return false;
    w->in = arena_printf(a, "%s/in", w->dir);
    w->out = arena_printf(a, "%s/out", w->dir);
    w->log = arena_printf(a, "%s/log", w->dir);
    FILE *f = fopen(w->in, "wb");
    if (!f) return false;
    bool ok = fwrite(in.bytes, 1, in.size, f) == in.size;
    return !fclose(f) && ok;
}

static void close_workspace(const workspace *w) {
    if (w->in) {
        unlink(w->in);
        unlink(w->out);
        unlink(w->log);
    }
    rmdir(w->dir);
}

static char **arguments(arena *a, const char *program, const char *const *args, const workspace *w) {
    int n = 0;
    while (args[n]) n++;
    char **v = arena_array(a, char *, n + 2);
    v[0] = arena_strdup(a, program);
    for (int i = 0; i < n; i++)
        v[i + 1] = arena_strdup(a, !strcmp(args[i], TOOL_IN) ? w->in : !strcmp(args[i], TOOL_OUT) ? w->out : args[i]);
    return v;
}

/* The program's wait status, -1 when it did not start. */
static int spawn(const char *program, char **argv, const workspace *w) {
    posix_spawn_file_actions_t files;
    pid_t pid;
    int status = -1;
    if (posix_spawn_file_actions_init(&files)) return -1;
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, w->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    if (!posix_spawn(&pid, program, &files, NULL, argv, environ))
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    posix_spawn_file_actions_destroy(&files);
    return status;
}

/* A program that says no has read what it was given; one that does not get so far is no fault of that. */
static const char *why(arena *a, const char *program, int status, const char *log) {
    const char *ended = "it can't be started";
    if (status != -1 && WIFSIGNALED(status)) ended = arena_printf(a, "it ended by signal %d: %s", WTERMSIG(status), log);
    else if (status == 0) ended = arena_printf(a, "it wrote nothing: %s", log);
    else if (status != -1 && WEXITSTATUS(status) >= NOT_EXECUTABLE) ended = log;
    else if (status != -1) return arena_printf(a, "%s failed (exit status %d): %s", program, WEXITSTATUS(status), log);
    return arena_printf(a, "'%s' " TARGET_BROKEN ": %s", program, ended);
}

bool tool_run(arena *a, const char *program, const char *const *args, tool_bytes in, tool_bytes *out, const char **log,
              const char **error) {
    workspace w = {0};
    *log = "";
    *out = (tool_bytes){0};
    if (!open_workspace(a, &w, in)) {
        *error = arena_printf(a, "'%s' " TARGET_BROKEN ": it needs temporary files, and none can be written as '%s': %s",
                              program, w.dir, strerror(errno));
        close_workspace(&w);
        return false;
    }
    int status = spawn(program, arguments(a, program, args, &w), &w);
    tool_bytes text = tool_read_file(a, w.log);
    if (text.bytes) *log = text.bytes;
    if (status == 0) *out = tool_read_file(a, w.out);
    close_workspace(&w);
    if (out->bytes) return true;
    *error = why(a, program, status, *log);
    return false;
}
