/* The frit command: parse, dispatch, print what was reported. */
#include "cli.h"
#include "debug.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int (*const commands[CMD_COUNT])(cli *) = {
#define CMD(name, args, line, text) [CMD_##name] = cmd_##name,
#include "commands.def"
#undef CMD
};

static bool wants_colour(const cli_options *o) {
    const char *when = option_text(o, OPT_color, "auto");
    if (strcmp(when, "auto"))
        return !strcmp(when, "always");
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
    return isatty(STDERR_FILENO) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

static bool one_of(const char *text, const char *a, const char *b, const char *c) {
    return !strcmp(text, a) || !strcmp(text, b) || (c && !strcmp(text, c));
}

static int run_command(cli *c) {
    const char *form = option_text(&c->o, OPT_diagnostics, "text");
    if (!one_of(form, "text", "json", NULL))
        return cli_usage(c, "--diagnostics is text or json, not '%s'", form);
    if (!one_of(option_text(&c->o, OPT_color, "auto"), "auto", "always", "never"))
        return cli_usage(c, "--color is auto, always or never");
    debug_settings debug;
    const char *wrong;
    int n;
    if (!debug_read(&debug, &wrong, &n))
        return cli_usage(c, "FRIT_DEBUG: '%.*s' is none of its words (docs/options.md)", n, wrong);
    c->json = !strcmp(form, "json");
    c->colour = wants_colour(&c->o);
    c->quiet = option_given(&c->o, OPT_quiet);
    crash_install(c);
    return commands[c->o.command](c);
}

static int finish(cli *c, int status) {
    if (c->json)
        diag_print_json(c->d, stderr);
    else
        diag_print_text(c->d, stderr, c->colour);
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "frit: writing to standard output failed\n");
        return status ? status : EXIT_ENVIRONMENT;
    }
    return status;
}

int main(int argc, char **argv) {
    const char *why = NULL;
    cli c = {.arena = arena_new(), .d = diag_new()};
    int status = EXIT_DONE;
    switch (options_parse(c.arena, &c.o, argc, argv, &why)) {
    case PARSED: status = run_command(&c); break;
    case PARSED_VERSION: puts("frit " FRIT_VERSION); break;
    case PARSED_HELP:
        if (c.o.command == CMD_COUNT)
            help_program(stdout);
        else
            help_command(stdout, c.o.command);
        break;
    case PARSED_WRONG:
        fprintf(stderr, "frit: %s\n", why);
        status = EXIT_USAGE;
    }
    status = finish(&c, status);
    diag_free(c.d);
    arena_free(c.arena);
    return status;
}
