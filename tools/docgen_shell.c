/* Completion of the command line for bash, zsh and fish, from the tables of commands and options. */
#include "docgen_pages.h"
#include "tools/frit/options.h"
#include <ctype.h>
#include <string.h>

/* Options whose value is one of a few words. */
static const char *words_of(cli_option o) {
    switch (o) {
    case OPT_emit:
        return ""
#define STAGE(name, text) " " #name
#include "tools/frit/stages.def"
#undef STAGE
            ;
    case OPT_precision: return "f32 tf32 bf16 fast";
    case OPT_weights: return "inside beside none";
    case OPT_fusion: return "full op none";
    case OPT_diagnostics: return "text json";
    case OPT_color: return "auto always never";
    default: return NULL;
    }
}

static bool names_file(const char *argument) {
    return argument && (strstr(argument, "FILE") || strstr(argument, "WEIGHTS"));
}

/* What stands behind a command: files, or lower-case words separated by '|', or nothing. */
static bool takes_files(cli_command c) {
    const char *a = command_table[c].arguments;
    return strstr(a, "MODEL") || strstr(a, "FILE");
}
static bool takes_words(cli_command c) {
    const char *a = command_table[c].arguments;
    return *a && islower((unsigned char)*a);
}

static bool has(cli_command c, int option) { return option_table[option].commands >> c & 1; }

static void spelt(FILE *out, const char *id, char from, char to) {
    for (; *id; id++)
        fputc(*id == from ? to : *id, out);
}
static void long_name(FILE *out, int option) { spelt(out, option_table[option].name, '_', '-'); }

/* ---- bash -------------------------------------------------------------------------------------------------------- */
static void bash_pattern(FILE *out, int option) {
    if (option_table[option].letter)
        fprintf(out, "-%c|", option_table[option].letter);
    fputs("--", out);
    long_name(out, option);
}

/* The value of the option before the cursor. */
static void bash_values(FILE *out) {
    fputs("    case $prev in\n", out);
    for (int o = 0; o < OPT_COUNT; o++) {
        const char *argument = option_table[o].argument, *words = words_of((cli_option)o);
        if (!argument)
            continue;
        fputs("    ", out);
        bash_pattern(out, o);
        if (words)
            fprintf(out, ") COMPREPLY=($(compgen -W \"%s\" -- \"$cur\")); return ;;\n", words + (*words == ' '));
        else if (names_file(argument))
            fputs(") COMPREPLY=($(compgen -f -- \"${cur#*=}\")); return ;;\n", out);
        else
            fputs(") return ;;\n", out);
    }
    fputs("    esac\n", out);
}

static void bash_options(FILE *out, cli_command c) {
    fprintf(out, "    %s) options=\"", command_table[c].name);
    for (int o = 0, n = 0; o < OPT_COUNT; o++)
        if (has(c, o)) {
            fputs(n++ ? " --" : "--", out);
            long_name(out, o);
        }
    fputs("\"", out);
    if (takes_words(c)) {
        fputs(" words=\"", out);
        spelt(out, command_table[c].arguments, '|', ' ');
        fputs("\"", out);
    } else if (!takes_files(c))
        fputs(" words=\"\"", out);
    fputs(" ;;\n", out);
}

void complete_bash(FILE *out) {
    fputs("# bash completion for frit; made from the tables of the command, do not edit.\n_frit() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} options words=-\n"
          "    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W \"", out);
    for (int c = 0; c < CMD_COUNT; c++)
        fprintf(out, "%s ", command_table[c].name);
    fputs("--help --version\" -- \"$cur\"))\n        return\n    fi\n", out);
    bash_values(out);
    fputs("    case ${COMP_WORDS[1]} in\n", out);
    for (int c = 0; c < CMD_COUNT; c++)
        bash_options(out, (cli_command)c);
    fputs("    esac\n"
          "    case $cur in\n    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")) ;;\n"
          "    *) if [ \"$words\" = - ]; then COMPREPLY=($(compgen -f -- \"$cur\")); else\n"
          "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")); fi ;;\n"
          "    esac\n}\ncomplete -o filenames -F _frit frit\n", out);
}

/* ---- zsh --------------------------------------------------------------------------------------------------------- */
/* Within single quotes; what _arguments and _describe read as their own is escaped. */
static void zsh_text(FILE *out, const char *s) {
    for (; *s; s++)
        if (*s == '\'')
            fputs("'\\''", out);
        else {
            if (strchr("[]:\\", *s))
                fputc('\\', out);
            fputc(*s, out);
        }
}

static void zsh_option(FILE *out, int o) {
    const option_info *i = &option_table[o];
    const char *words = words_of((cli_option)o);
    fputs("            '", out);
    fputs(i->repeats ? "*" : "", out);
    if (i->letter && !i->repeats) {
        fprintf(out, "(-%c --", i->letter);
        long_name(out, o);
        fputc(')', out);
    }
    if (i->letter) {
        fprintf(out, "'{-%c,--", i->letter);
        long_name(out, o);
        fputs("}'", out);
    } else {
        fputs("--", out);
        long_name(out, o);
    }
    fputc('[', out);
    zsh_text(out, i->help);
    fputc(']', out);
    if (i->argument) {
        fputc(':', out);
        zsh_text(out, i->argument);
        fputc(':', out);
        if (words)
            fprintf(out, "(%s)", words + (*words == ' '));
        else if (names_file(i->argument))
            fputs("_files", out);
    }
    fputs("' \\\n", out);
}

void complete_zsh(FILE *out) {
    fputs("#compdef frit\n# Made from the tables of the command, do not edit.\n_frit() {\n    local -a commands\n    commands=(\n", out);
    for (int c = 0; c < CMD_COUNT; c++) {
        fprintf(out, "        '%s:", command_table[c].name);
        zsh_text(out, command_table[c].line);
        fputs("'\n", out);
    }
    fputs("    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n"
          "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $command in\n", out);
    for (int c = 0; c < CMD_COUNT; c++) {
        fprintf(out, "    %s)\n        _arguments -S \\\n", command_table[c].name);
        for (int o = 0; o < OPT_COUNT; o++)
            if (has((cli_command)c, o))
                zsh_option(out, o);
        if (takes_words((cli_command)c)) {
            fputs("            '1:what:(", out);
            spelt(out, command_table[c].arguments, '|', ' ');
            fputs(")' ;;\n", out);
        } else
            fputs(takes_files((cli_command)c) ? "            '*:file:_files' ;;\n" : "            && return ;;\n", out);
    }
    fputs("    esac\n}\n_frit \"$@\"\n", out);
}

/* ---- fish -------------------------------------------------------------------------------------------------------- */
static void fish_text(FILE *out, const char *s) {
    fputc('\'', out);
    for (; *s; s++) {
        if (*s == '\'' || *s == '\\')
            fputc('\\', out);
        fputc(*s, out);
    }
    fputc('\'', out);
}

static void fish_option(FILE *out, cli_command c, int o) {
    const option_info *i = &option_table[o];
    const char *words = words_of((cli_option)o);
    fprintf(out, "complete -c frit -n '__fish_seen_subcommand_from %s' -l ", command_table[c].name);
    long_name(out, o);
    if (i->letter)
        fprintf(out, " -s %c", i->letter);
    if (words)
        fprintf(out, " -x -a '%s'", words + (*words == ' '));
    else if (i->argument)
        fputs(names_file(i->argument) ? " -r -F" : " -x", out);
    fputs(" -d ", out);
    fish_text(out, i->help);
    fputc('\n', out);
}

void complete_fish(FILE *out) {
    fputs("# fish completion for frit; made from the tables of the command, do not edit.\n", out);
    for (int c = 0; c < CMD_COUNT; c++) {
        fprintf(out, "complete -c frit -n __fish_use_subcommand -f -a %s -d ", command_table[c].name);
        fish_text(out, command_table[c].line);
        fputc('\n', out);
    }
    for (int c = 0; c < CMD_COUNT; c++) {
        if (takes_words((cli_command)c)) {
            fprintf(out, "complete -c frit -n '__fish_seen_subcommand_from %s' -f -a '", command_table[c].name);
            spelt(out, command_table[c].arguments, '|', ' ');
            fputs("'\n", out);
        }
        for (int o = 0; o < OPT_COUNT; o++)
            if (has((cli_command)c, o))
                fish_option(out, (cli_command)c, o);
    }
}
