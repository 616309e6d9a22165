/* Crashes: a signal or a failed assert ends the command with EXIT_BUG and a file that reproduces it.
 *
 * The handler uses only what is safe in a signal handler: it starts this program again to write the model's tensor IR
 * (without weights) to frit-crash-PID.fir; when that fails too, it names the model itself. The command lines of the
 * child are made beforehand; they are the one thing kept outside a context, since a handler is given none. */
#include "cli.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_WORDS = 256, STACK = 1 << 16 };

static struct {
    char *words[MAX_WORDS];
    char file[64];
    const char *model;
} crash;

static void say(const char *text) {
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
}

/* True when the child wrote the file. */
static bool write_reproducer(void) {
    int status = 1;
    pid_t child = fork();
    if (child == 0) {
        setenv("FRIT_DEBUG", "nocrash", 1); /* the child must not start children */
        execv("/proc/self/exe", crash.words);
        _exit(1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int crash_report(const char *what) {
    say("frit: internal error: ");
    say(what);
    say("\nThis is a bug in frit. ");
    if (crash.words[0] && write_reproducer()) {
        say("What was being compiled is in ");
        say(crash.file);
        say(" (no weights): please send it with your report, and the command line.\n");
    } else if (crash.model) {
        say("Please report it with the command line and this file: ");
        say(crash.model);
        say("\n");
    } else
        say("Please report it with the command line.\n");
    return EXIT_BUG;
}

static void on_crash(int sig) {
    signal(SIGABRT, SIG_DFL);
    _exit(crash_report(sig == SIGABRT  ? "an assertion failed"
                       : sig == SIGFPE ? "arithmetic fault"
                       : sig == SIGILL ? "illegal instruction"
                                       : "memory fault"));
}

static void add_word(int *n, const char *word) {
    if (*n < MAX_WORDS - 1)
        crash.words[(*n)++] = strdup(word);
}

static void add_option(int *n, const cli_options *o, cli_option id, const char *flag) {
    for (int i = 0; i < o->values[id].len; i++) {
        add_word(n, flag);
        add_word(n, o->values[id].data[i]);
    }
}

static bool ends_with(const char *s, const char *tail) {
    size_t n = strlen(s), t = strlen(tail);
    return n >= t && !strcmp(s + n - t, tail);
}

/* frit compile MODEL -D... -w... -e... --emit tensor -o FILE */
static void prepare(const cli_options *o) {
    int n = 0;
    crash.model = o->arguments.data[0];
    if (ends_with(crash.model, ".fpk") || !strcmp(crash.model, "-"))
        return;
    snprintf(crash.file, sizeof crash.file, "frit-crash-%d.fir", (int)getpid());
    add_word(&n, o->program);
    add_word(&n, "compile");
    add_word(&n, crash.model);
    add_option(&n, o, OPT_weights_from, "-w");
    add_option(&n, o, OPT_define, "-D");
    add_option(&n, o, OPT_entry, "-e");
    add_word(&n, "--emit");
    add_word(&n, "tensor");
    add_word(&n, "-o");
    add_word(&n, crash.file);
}

void crash_install(const cli *c) {
    const char *debug = getenv("FRIT_DEBUG");
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return; /* the sanitizer's own report says more */
#endif
    if (debug && strstr(debug, "nocrash"))
        return;
    bool models = c->o.command == CMD_run || c->o.command == CMD_compile || c->o.command == CMD_check ||
                  c->o.command == CMD_explain || c->o.command == CMD_bench;
    if (models && c->o.arguments.len)
        prepare(&c->o);
    static char stack[STACK]; /* a handler for stack overflow needs memory of its own */
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK | SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < 5; i++)
        sigaction((int[]){SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}[i], &action, NULL);
}
