/* The command line as parsed: one subcommand, its options, its arguments. The tables are commands.def and options.def. */
#ifndef FRIT_TOOLS_OPTIONS_H
#define FRIT_TOOLS_OPTIONS_H
#include "ir/arena.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef enum {
#define CMD(name, args, line, text) CMD_##name,
#include "commands.def"
#undef CMD
    CMD_COUNT
} cli_command;

typedef enum {
#define OPT(id, letter, arg, repeats, commands, help) OPT_##id,
#include "options.def"
#undef OPT
    OPT_COUNT
} cli_option;

typedef VEC(const char *) strings;

typedef struct {
    cli_command command;
    strings values[OPT_COUNT]; /* what was given for each option, in order; "" for one without argument */
    strings arguments;
    const char *program;
} cli_options;

typedef struct {
    const char *name, *arguments, *line, *text;
} command_info;
typedef struct {
    const char *name; /* long name, with '-' */
    char letter;
    const char *argument, *help;
    uint32_t repeats, commands; /* sets of 1 << command: that take it more than once, that take it */
} option_info;
extern const command_info command_table[CMD_COUNT];
extern const option_info option_table[OPT_COUNT];

typedef enum { PARSED, PARSED_HELP, PARSED_VERSION, PARSED_WRONG } parse_result;
/* Reads argv. PARSED_WRONG: *why is one line. PARSED_HELP: o->command is the subcommand asked about, CMD_COUNT for none. */
parse_result options_parse(arena *a, cli_options *o, int argc, char **argv, const char **why);

bool option_given(const cli_options *o, cli_option id);
/* The (last) value, or `absent`. */
const char *option_text(const cli_options *o, cli_option id, const char *absent);

void help_program(FILE *out);
void help_command(FILE *out, cli_command c);
/* docs/options.md. */
void help_markdown(FILE *out);
#endif
