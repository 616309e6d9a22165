/* Several models in one C file: what each defines at file level for itself is found in its text, and gets the model's name
 * in front wherever it stands. Generated text begins such definitions in the first column:
 *
 *     static ... NAME(         static ... NAME[         static ... NAME =         typedef ... NAME;
 *     struct NAME ... {        } NAME;                  } NAME[] = {              enum { NAME = 1, NAME = 2 };
 *
 * Renaming is consistent, so fields, labels and locals of such a name may be renamed along. */
#include "export_internal.h"
#include <ctype.h>
#include <string.h>

static bool in_word(char c) { return isalnum((unsigned char)c) || c == '_'; }
static size_t word_length(const char *s) {
    size_t n = 0;
    while (in_word(s[n])) n++;
    return n;
}
static bool begins(const char *s, const char *with) { return !strncmp(s, with, strlen(with)); }

/* Names of the interface have the model's name in them already. */
static void add(names *n, const exporter *x, const char *s, size_t length) {
    const char *name = arena_strndup(n->a, s, length), *own[] = {x->name, x->upper};
    for (int i = 0; i < 2; i++) {
        size_t k = strlen(own[i]);
        if (begins(name, own[i]) && (!name[k] || name[k] == '_')) return;
    }
    if (length && !isdigit((unsigned char)*name)) vec_push(n->a, &n->taken, name);
}

/* The last word before `end`. */
static void add_before(names *n, const exporter *x, const char *line, const char *end) {
    while (end > line && !in_word(end[-1])) end--;
    const char *s = end;
    while (s > line && in_word(s[-1])) s--;
    add(n, x, s, (size_t)(end - s));
}

/* enum { A = 1, B = 2 }; */
static void add_constants(names *n, const exporter *x, const char *s) {
    for (s = strchr(s, '{'); s && *s && *s != '}'; s = strpbrk(s, ",}")) {
        s++;
        while (*s == ' ') s++;
        add(n, x, s, word_length(s));
    }
}

static void add_definition(names *n, const exporter *x, const char *line, const char *end) {
    if (begins(line, "enum {")) {
        add_constants(n, x, line);
    } else if (begins(line, "static const struct {")) {
        return; /* its name comes last */
    } else if (begins(line, "static ")) {
        add_before(n, x, line, line + strcspn(line, "([=;\n"));
    } else if (begins(line, "typedef struct ") || begins(line, "struct ")) {
        const char *s = strstr(line, "struct ") + 7;
        add(n, x, s, word_length(s));
    }
    if ((begins(line, "typedef ") && end > line && end[-1] == ';') || begins(line, "} "))
        add_before(n, x, line, line + strcspn(line, "[;\n"));
}

static names definitions(const exporter *x, const char *section) {
    names n = {.a = x->a};
    for (const char *line = section; *line;) {
        const char *end = line + strcspn(line, "\n");
        add_definition(&n, x, line, end);
        line = end + (*end == '\n');
    }
    return n;
}

static bool is_defined(const names *n, const char *s, size_t length) {
    for (int i = 0; i < n->taken.len; i++)
        if (!strncmp(n->taken.data[i], s, length) && !n->taken.data[i][length]) return true;
    return false;
}

void put_section(text *t, const exporter *x, const char *section, bool several) {
    if (!several) {
        put_bytes(t, section, strlen(section));
        return;
    }
    names n = definitions(x, section);
    bool quoted = false;
    for (const char *s = section; *s;) {
        size_t length = quoted ? 0 : word_length(s);
        if (length && is_defined(&n, s, length)) put(t, "%s_", x->name);
        if (*s == '"') quoted = !quoted;
        if (quoted && *s == '\\') put_bytes(t, s++, 1);
        put_bytes(t, s, length ? length : 1);
        s += length ? length : 1;
    }
    put(t, "\n");
}
