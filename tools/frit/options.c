/* Parsing of the command line by the tables. */
#include "options.h"
#include "ir/diag.h"
#include <string.h>

enum {
#define CMD(name, args, line, text) C_##name = 1 << CMD_##name,
#include "commands.def"
#undef CMD
    C_all = (1 << CMD_COUNT) - 1
};

const command_info command_table[CMD_COUNT] = {
#define CMD(name, args, line, text) [CMD_##name] = {#name, args, line, text},
#include "commands.def"
#undef CMD
};

/* Long names are ids; ids with '_' are spelt with '-' when they are compared and printed. */
const option_info option_table[OPT_COUNT] = {
#define OPT(id, letter, arg, repeats, commands, help) [OPT_##id] = {#id, letter, arg, help, repeats, commands},
#include "options.def"
#undef OPT
};

bool option_given(const cli_options *o, cli_option id) { return o->values[id].len > 0; }

const char *option_text(const cli_options *o, cli_option id, const char *absent) {
    return o->values[id].len ? o->values[id].data[o->values[id].len - 1] : absent;
}

static bool same_name(const char *id, const char *text, size_t n) {
    if (strlen(id) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (id[i] != (text[i] == '-' ? '_' : text[i]))
            return false;
    return true;
}

static int find_long(const char *text, size_t n) {
    for (int i = 0; i < OPT_COUNT; i++)
        if (same_name(option_table[i].name, text, n))
            return i;
    return -1;
}

static int find_letter(char letter) {
    for (int i = 0; i < OPT_COUNT; i++)
        if (option_table[i].letter && option_table[i].letter == letter)
            return i;
    return -1;
}

static int find_command(const char *name) {
    for (int i = 0; i < CMD_COUNT; i++)
        if (!strcmp(command_table[i].name, name))
            return i;
    return -1;
}

static const char *unknown_option(arena *a, cli_command c, const char *text) {
    const char *names[OPT_COUNT];
    int n = 0;
    for (int i = 0; i < OPT_COUNT; i++)
        if (option_table[i].commands >> c & 1)
            names[n++] = option_table[i].name;
    const char *near = text[1] == '-' ? diag_nearest(text + 2, names, n) : NULL;
    return arena_printf(a, "unknown option '%s'%s%s", text, near ? "; did you mean --" : "", near ? near : "");
}

static const char *unknown_command(arena *a, const char *text) {
    static const char *const later[] = {"tune", "import"};
    const char *names[CMD_COUNT];
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        if (!strcmp(text, later[i]))
            return arena_printf(a, "this version of frit has no '%s' yet (frit --help lists its commands)", text);
    for (int i = 0; i < CMD_COUNT; i++)
        names[i] = command_table[i].name;
    const char *near = diag_nearest(text, names, CMD_COUNT);
    return arena_printf(a, "unknown command '%s'%s%s (frit --help lists them)", text, near ? "; did you mean " : "",
                        near ? near : "");
}

/* argv[*i] is an option; takes its value from the same word or the next. */
static const char *take_option(arena *a, cli_options *o, int argc, char **argv, int *i) {
    const char *word = argv[*i], *value = NULL;
    bool is_long = word[1] == '-';
    const char *equals = is_long ? strchr(word, '=') : NULL;
    size_t n = equals ? (size_t)(equals - word) : strlen(word);
    int id = is_long ? find_long(word + 2, n - 2) : find_letter(word[1]);
    if (id < 0)
        return unknown_option(a, o->command, word);
    const option_info *info = &option_table[id];
    if (!(info->commands >> o->command & 1))
        return arena_printf(a, "frit %s has no option '%s'", command_table[o->command].name, word);
    if (equals)
        value = equals + 1;
    else if (!is_long && word[2])
        value = word + 2;
    if (!info->argument && value)
        return arena_printf(a, "option '%s' takes no value", arena_strndup(a, word, is_long ? n : 2));
    if (info->argument && !value) {
        if (*i + 1 >= argc)
            return arena_printf(a, "option '%s' needs a value: %s", word, info->argument);
        value = argv[++*i];
    }
    if (!(info->repeats >> o->command & 1) && o->values[id].len && info->argument)
        return arena_printf(a, "option '%s' is given twice", word);
    vec_push(a, &o->values[id], value ? value : "");
    return NULL;
}

static parse_result parse_rest(arena *a, cli_options *o, int argc, char **argv, const char **why) {
    bool ended = false;
    for (int i = 2; i < argc; i++) {
        const char *word = argv[i];
        if (!ended && !strcmp(word, "--"))
            ended = true;
        else if (ended || word[0] != '-' || !word[1])
            vec_push(a, &o->arguments, word);
        else if ((*why = take_option(a, o, argc, argv, &i)))
            return option_given(o, OPT_help) ? PARSED_HELP : PARSED_WRONG;
    }
    return option_given(o, OPT_help) ? PARSED_HELP : PARSED;
}

parse_result options_parse(arena *a, cli_options *o, int argc, char **argv, const char **why) {
    *o = (cli_options){.command = CMD_COUNT, .program = argc ? argv[0] : "frit"};
    if (argc < 2) {
        *why = "a command is missing (frit --help lists them)";
        return PARSED_WRONG;
    }
    if (!strcmp(argv[1], "--version"))
        return PARSED_VERSION;
    bool help = !strcmp(argv[1], "help");
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || (help && argc == 2))
        return PARSED_HELP;
    const char *name = help ? argv[2] : argv[1];
    int c = find_command(name);
    if (c < 0) {
        *why = unknown_command(a, name);
        return PARSED_WRONG;
    }
    o->command = (cli_command)c;
    return help ? PARSED_HELP : parse_rest(a, o, argc, argv, why);
}
