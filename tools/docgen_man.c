/* frit(1) from the tables of commands and options. */
#include "docgen_pages.h"
#include "tools/frit/debug.h"
#include "tools/frit/options.h"
#include <string.h>

/* Text of a paragraph: what roff takes for requests and escapes is shown as it is. */
static void text(FILE *out, const char *s) {
    if (*s == '.' || *s == '\'')
        fputs("\\&", out);
    for (; *s; s++)
        switch (*s) {
        case '\\': fputs("\\e", out); break;
        case '-': fputs("\\-", out); break;
        default: fputc(*s, out);
        }
}

static void long_name(FILE *out, const char *id) {
    for (; *id; id++)
        fputs(*id == '_' ? "\\-" : (char[]){*id, 0}, out);
}

static void option(FILE *out, const option_info *o) {
    fputs(".TP\n", out);
    if (o->letter)
        fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", out);
    long_name(out, o->name);
    fputs("\\fR", out);
    if (o->argument) {
        fputs(" \\fI", out);
        text(out, o->argument);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    text(out, o->help);
    if (o->repeats)
        fputs(" (may be given several times)", out);
    fputs("\n", out);
}

static void command(FILE *out, cli_command c) {
    const command_info *info = &command_table[c];
    fprintf(out, ".SS \"frit %s [options] %s\"\n", info->name, info->arguments);
    text(out, info->line);
    fputs(".\n", out);
    if (*info->text) {
        fputs(".PP\n", out);
        text(out, info->text);
        fputs("\n", out);
    }
    fputs(".PP\nOptions:", out);
    for (int i = 0; i < OPT_COUNT; i++)
        if (option_table[i].commands >> c & 1) {
            fputs(" \\fB\\-\\-", out);
            long_name(out, option_table[i].name);
            fputs("\\fR", out);
        }
    fputs(".\n", out);
}

static void item(FILE *out, const char *name, const char *meaning) {
    fprintf(out, ".TP\n\\fB%s\\fR\n", name);
    text(out, meaning);
    fputc('\n', out);
}

void man_page(FILE *out) {
    fputs(".\\\" Made from the tables of the command; do not edit.\n.TH FRIT 1 \"\" \"frit " FRIT_VERSION "\" \"User Commands\"\n"
          ".SH NAME\nfrit \\- a graph compiler\n.SH SYNOPSIS\n.B frit\n.I COMMAND\n[options] ...\n.SH DESCRIPTION\n", out);
    text(out, "A model goes in as frit source; as few fused kernels as the hardware allows come out, run at once or kept as a "
              "package. MODEL is a .frit, .fir or (for run, bench and inspect) .fpk file.");
    fputs("\n.SH COMMANDS\n", out);
    for (int c = 0; c < CMD_COUNT; c++)
        command(out, (cli_command)c);
    fputs(".SH OPTIONS\n", out);
    for (int i = 0; i < OPT_COUNT; i++)
        option(out, &option_table[i]);
    fputs(".SH \"EXIT STATUS\"\n", out);
    item(out, "0", "done");
    item(out, "1", "the model or its data is wrong (diagnostics on standard error)");
    item(out, "2", "wrong usage");
    item(out, "3", "the device or environment failed");
    item(out, "4", "results differ, or a benchmark regressed");
    item(out, "70", "a bug in frit; a file that reproduces it is written and named");
    fputs(".SH ENVIRONMENT\n", out);
    item(out, "FRIT_CACHE_DIR", "folder of the cache of compiled models (default: $XDG_CACHE_HOME/frit, else ~/.cache/frit)");
    item(out, "FRIT_CACHE", "off: no cache; ro: read it, write nothing");
    fputs(".TP\n\\fBFRIT_DEBUG\\fR\nwords separated by ':'", out);
    for (int i = 0; i < DEBUG_COUNT; i++) {
        fputs(i ? "; " : ". ", out);
        text(out, debug_table[i].form);
        fputs(": ", out);
        text(out, debug_table[i].help);
    }
    fputc('\n', out);
    item(out, "FRIT_DUMP_DIR", "every stage of every compilation is written into this folder");
}
