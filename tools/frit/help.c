/* Help texts and docs/options.md, from the tables. */
#include "debug.h"
#include "options.h"
#include <string.h>

enum { WIDTH = 100 };

/* Words of text in lines of WIDTH columns, indented; the first line starts at column `at`. */
static void wrap(FILE *out, const char *text, int indent, int at) {
    fprintf(out, "%*s", indent > at ? indent - at : 0, "");
    int column = indent;
    while (*text) {
        size_t n = strcspn(text, " ");
        if (column > indent && column + (int)n + 1 > WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        }
        column += fprintf(out, "%s%.*s", column > indent ? " " : "", (int)n, text);
        text += n + strspn(text + n, " ");
    }
    fputc('\n', out);
}

static void print_long(FILE *out, const char *id) {
    for (; *id; id++)
        fputc(*id == '_' ? '-' : *id, out);
}

static void print_option(FILE *out, const option_info *info) {
    int n = info->letter ? fprintf(out, "  -%c, --", info->letter) : fprintf(out, "      --");
    print_long(out, info->name);
    n += (int)strlen(info->name);
    if (info->argument)
        n += fprintf(out, " %s", info->argument);
    if (n > 30) {
        fputc('\n', out);
        n = 0;
    }
    wrap(out, info->help, 32, n);
}

void help_program(FILE *out) {
    fputs("frit: a graph compiler\n\nusage: frit COMMAND [options] ...\n\n", out);
    for (int i = 0; i < CMD_COUNT; i++)
        wrap(out, command_table[i].line, 14, fprintf(out, "  %s", command_table[i].name));
    fputs("\n  frit COMMAND --help shows the options of a command; frit --version the version.\n\n"
          "Exit status: 0 done; 1 the model or its data is wrong; 2 wrong usage; 3 the device or environment failed;\n"
          "4 results differ or a benchmark regressed; 70 a bug in frit (a file that reproduces it is named).\n\n"
          "Environment: FRIT_CACHE_DIR, FRIT_CACHE=off|ro, FRIT_DEBUG, FRIT_DUMP_DIR (see docs/options.md).\n", out);
}

void help_command(FILE *out, cli_command c) {
    const command_info *info = &command_table[c];
    fprintf(out, "usage: frit %s [options] %s\n\n", info->name, info->arguments);
    wrap(out, info->line, 0, 0);
    if (*info->text) {
        fputc('\n', out);
        wrap(out, info->text, 0, 0);
    }
    fputs("\noptions:\n", out);
    for (int i = 0; i < OPT_COUNT; i++)
        if (option_table[i].commands >> c & 1)
            print_option(out, &option_table[i]);
}

/* Cells of a table: '|' is escaped, and '<' so that no renderer takes it for markup. */
static void print_cell(FILE *out, const char *text) {
    for (; *text; text++) {
        if (*text == '|' || *text == '<' || *text == '*')
            fputc('\\', out);
        fputc(*text, out);
    }
}

void help_markdown(FILE *out) {
    fputs("# The frit command\n\nMade from tools/frit/commands.def and options.def by `docgen options`; do not edit.\n", out);
    for (int c = 0; c < CMD_COUNT; c++) {
        fprintf(out, "\n## frit %s %s\n\n", command_table[c].name, command_table[c].arguments);
        print_cell(out, command_table[c].line);
        fputs(".\n", out);
        if (*command_table[c].text) {
            fputc('\n', out);
            print_cell(out, command_table[c].text);
            fputc('\n', out);
        }
        fputs("\n| option | meaning |\n|---|---|\n", out);
        for (int i = 0; i < OPT_COUNT; i++) {
            const option_info *o = &option_table[i];
            if (!(o->commands >> c & 1))
                continue;
            fputs("| `", out);
            if (o->letter)
                fprintf(out, "-%c`, `", o->letter);
            fputs("--", out);
            print_long(out, o->name);
            fprintf(out, "%s%s` | ", o->argument ? " " : "", o->argument ? o->argument : "");
            print_cell(out, o->help);
            fputs(" |\n", out);
        }
    }
    fputs("\n## Exit status\n\n| status | meaning |\n|---|---|\n| 0 | done |\n| 1 | the model or its data is wrong (diagnostics on "
          "standard error) |\n| 2 | wrong usage |\n| 3 | the device or environment failed |\n| 4 | results differ, or a "
          "benchmark regressed |\n| 70 | a bug in frit; a file that reproduces it is written and named |\n"
          "\n## Environment\n\n| variable | meaning |\n|---|---|\n| `FRIT_CACHE_DIR` | folder of the cache of compiled models "
          "(default: `$XDG_CACHE_HOME/frit`, else `~/.cache/frit`) |\n| `FRIT_CACHE` | `off`: no cache; `ro`: read it, write "
          "nothing |\n| `FRIT_DEBUG` | words separated by `:`", out);
    for (int i = 0; i < DEBUG_COUNT; i++)
        fprintf(out, "%s `%s`: %s", i ? ";" : ".", debug_table[i].form, debug_table[i].help);
    fputs(" |\n"
          "| `FRIT_DUMP_DIR` | every stage of every compilation is written into this folder |\n", out);
}
