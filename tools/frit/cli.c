/* Helpers of the subcommands. */
#include "cli.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void print_message(const char *before, const char *between, const char *format, va_list ap) {
    fprintf(stderr, "%s%s: ", before, between);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
}

int cli_usage(cli *c, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    print_message("frit ", command_table[c->o.command].name, format, ap);
    va_end(ap);
    return EXIT_USAGE;
}

void cli_note(cli *c, const char *format, ...) {
    if (c->quiet)
        return;
    va_list ap;
    va_start(ap, format);
    print_message("note", "", format, ap);
    va_end(ap);
}

int cli_environment(cli *c, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    print_message("frit", "", format, ap);
    va_end(ap);
    return EXIT_ENVIRONMENT;
}

int cli_runtime_failure(cli *c, const frit_error *err) {
    static const ir_span nowhere = {0};
    switch (err->status) {
    case FRIT_OK: return EXIT_DONE;
    case FRIT_NOT_FOUND:
    case FRIT_SHAPE:
    case FRIT_USAGE:
        if (err->file[0])
            diag_report(c->d, MSG_RUN_REFUSED, nowhere,
                        arena_printf(c->arena, "%s:%u: %s", err->file, err->line, err->message));
        else
            diag_report(c->d, MSG_RUN_REFUSED, nowhere, err->message);
        return EXIT_MODEL;
    case FRIT_BAD_PACKAGE:
    case FRIT_VERSION_MISMATCH:
    case FRIT_IO: diag_report(c->d, MSG_BAD_PACKAGE, nowhere, err->message); return EXIT_MODEL;
    case FRIT_INTERNAL: fprintf(stderr, "frit: internal error: %s\n", err->message); return EXIT_BUG;
    default: return cli_environment(c, "%s", err->message);
    }
}

int cli_result(const cli *c) { return diag_errors(c->d) ? EXIT_MODEL : EXIT_DONE; }

bool cli_number(cli *c, cli_option id, int64_t absent, int64_t *v) {
    const char *text = option_text(&c->o, id, NULL);
    char *end;
    *v = absent;
    if (!text)
        return true;
    int64_t most = id == OPT_seed ? INT64_MAX : INT32_MAX;
    errno = 0;
    *v = strtoll(text, &end, 10);
    if (end > text && !*end && !errno && *v >= 0 && *v <= most)
        return true;
    cli_usage(c, "--%s needs a whole number, not '%s'", option_table[id].name, text);
    return false;
}

bool cli_real(cli *c, cli_option id, double absent, double *v) {
    const char *text = option_text(&c->o, id, NULL);
    char *end;
    *v = absent;
    if (!text)
        return true;
    *v = strtod(text, &end);
    if (end > text && !*end && *v >= 0)
        return true;
    cli_usage(c, "--%s needs a number of at least 0, not '%s'", option_table[id].name, text);
    return false;
}
