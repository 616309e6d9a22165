/* One run of the command: its options, where diagnostics go, and the helpers that every subcommand uses. */
#ifndef FRIT_TOOLS_CLI_H
#define FRIT_TOOLS_CLI_H
#include "ir/diag.h"
#include "options.h"
#include "runtime/frit.h"
#include "tools/io/io.h"

typedef enum {
    EXIT_DONE = 0,
    EXIT_MODEL = 1,       /* the model or its data is wrong */
    EXIT_USAGE = 2,       /* wrong usage */
    EXIT_ENVIRONMENT = 3, /* the device or the environment failed */
    EXIT_DIFFERENT = 4,   /* results differ, a benchmark regressed */
    EXIT_BUG = 70
} cli_status;

typedef struct cli {
    cli_options o;
    arena *arena; /* lives as long as the command */
    diag *d;
    bool json, colour, quiet;
} cli;

/* Each subcommand returns a cli_status; what it reported to c->d is printed by main. */
#define CMD(name, args, line, text) int cmd_##name(cli *c);
#include "commands.def"
#undef CMD

/* "frit run: ..." on standard error; EXIT_USAGE. */
int cli_usage(cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A remark on standard error, not with --quiet. */
void cli_note(cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "frit: ..." on standard error; EXIT_ENVIRONMENT. */
int cli_environment(cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A failure of the runtime as a diagnostic or message, and the exit status that it means. */
int cli_runtime_failure(cli *c, const frit_error *err);
/* EXIT_MODEL if anything wrong was reported, else EXIT_DONE. */
int cli_result(const cli *c);
/* A non-negative number from an option; false after cli_usage. */
bool cli_number(cli *c, cli_option id, int64_t absent, int64_t *v);
bool cli_real(cli *c, cli_option id, double absent, double *v);

/* The line on a terminal that says what takes longer than a second. */
typedef struct progress progress;
progress *progress_begin(const cli *c, const char *what);
void progress_end(progress *p);

/* Makes crashes end with EXIT_BUG and a reproducer; see crash.c. */
void crash_install(const cli *c);
/* frit found a bug of its own: says what, writes the reproducer; EXIT_BUG. */
int crash_report(const char *what);
#endif
