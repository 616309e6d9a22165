/* docs/api.md from public headers. The reader knows how these headers are written: a comment stands before what it
 * describes, declarations without a blank line between them share it, and a comment of dashes starts a section. */
#include "docgen_pages.h"
#include "ir/arena.h"
#include <ctype.h>
#include <string.h>

typedef struct reader {
    arena *a;
    FILE *out;
    const char *at;
    const char *comment;          /* of the group that is being read, or NULL */
    VEC(const char *) declarations;
    VEC(const char *) undescribed; /* first declarations of groups without a comment */
    bool intro;                   /* the next comment is the header's own */
} reader;

/* ---- Comments ---------------------------------------------------------------------------------------------------- */
static const char *read_comment(reader *r) {
    const char *end = strstr(r->at, "*/"), *from = r->at + 2;
    size_t n = end ? (size_t)(end - from) : strlen(from);
    r->at = end ? end + 2 : from + n;
    return arena_strndup(r->a, from, n);
}

/* A line of a comment without the stars before it. */
static const char *line_start(const char *s) {
    const char *p = s + strspn(s, " ");
    return *p == '*' ? p + 1 : s;
}

/* Indented lines are code; the rest are paragraphs and lists. */
static void print_comment(reader *r, const char *text) {
    bool code = false;
    int blank = 0; /* lines held back until it is known whether code goes on behind them */
    for (const char *line = text; line;) {
        const char *next = strchr(line, '\n'), *from = line == text ? line : line_start(line);
        int n = next ? (int)(next - from) : (int)strlen(from);
        while (n > 0 && from[n - 1] == ' ')
            n--;
        bool indented = n > 4 && !strncmp(from, "     ", 5);
        line = next ? next + 1 : NULL;
        if (!n) {
            blank++;
            continue;
        }
        if (code && !indented)
            fputs("```\n", r->out);
        for (; blank; blank--)
            fputc('\n', r->out);
        if (indented && !code)
            fputs("```c\n", r->out);
        code = indented;
        int skip = indented ? 5 : n && *from == ' ';
        fprintf(r->out, "%.*s\n", n > skip ? n - skip : 0, from + skip);
    }
    fputs(code ? "```\n\n" : "\n", r->out);
}

/* "---- Title ----" */
static bool section(reader *r, const char *comment) {
    const char *s = comment + strspn(comment, " ");
    if (strncmp(s, "----", 4))
        return false;
    s += strspn(s, "- ");
    size_t n = strlen(s);
    while (n && (s[n - 1] == '-' || s[n - 1] == ' '))
        n--;
    fprintf(r->out, "## %.*s\n\n", (int)n, s);
    return true;
}

/* ---- Groups ------------------------------------------------------------------------------------------------------ */
/* The name that a declaration declares: of a function before its parameters, of a type or a constant at its end. */
static void print_name(FILE *out, const char *d) {
    bool directive = *d == '#', type = !strncmp(d, "typedef", 7);
    const char *end = directive ? d + 8 + strcspn(d + 8, " ") : type ? strrchr(d, ';') : d + strcspn(d, "({;"), *from;
    while (end > d && end[-1] == ' ')
        end--;
    for (from = end; from > d && (isalnum((unsigned char)from[-1]) || from[-1] == '_');)
        from--;
    fprintf(out, "%.*s", (int)(end - from), from);
}

static bool is_typedef_only(const char *d) { return !strncmp(d, "typedef struct", 14) && !strchr(d, '{'); }

static void flush(reader *r) {
    int n = r->declarations.len;
    if (n) {
        fputs("### ", r->out);
        for (int i = 0; i < n; i++) {
            fputs(i ? ", " : "", r->out);
            print_name(r->out, r->declarations.data[i]);
        }
        fputs("\n\n```c\n", r->out);
        for (int i = 0; i < n; i++)
            fprintf(r->out, "%s\n", r->declarations.data[i]);
        fputs("```\n\n", r->out);
        if (!r->comment && !(n == 1 && is_typedef_only(r->declarations.data[0])))
            vec_push(r->a, &r->undescribed, r->declarations.data[0]);
    }
    if (r->comment)
        print_comment(r, r->comment);
    r->comment = NULL;
    r->declarations.len = 0;
}

static void take_comment(reader *r) {
    const char *text = read_comment(r);
    if (r->intro) {
        print_comment(r, text);
        r->intro = false;
        return;
    }
    flush(r);
    if (!section(r, text))
        r->comment = text;
}

/* ---- Declarations ------------------------------------------------------------------------------------------------ */
/* The end of a declaration: behind its ';', or behind the body of a function. */
static const char *declaration_end(const char *s) {
    bool body = !strncmp(s, "static inline", 13);
    for (int depth = 0; *s; s++) {
        if (s[0] == '/' && s[1] == '*')
            s = strstr(s, "*/") ? strstr(s, "*/") + 1 : s;
        else if (*s == '{')
            depth++;
        else if (*s == '}' && !--depth && body)
            return s + 1;
        else if (*s == ';' && !depth)
            return s + 1;
    }
    return s;
}

/* A list that is made by including a table is left to the comment. */
static const char *without_directives(arena *a, const char *from, size_t n) {
    const char *text = "";
    for (const char *end = from + n; from < end;) {
        size_t line = strcspn(from, "\n") + 1;
        line = line < (size_t)(end - from) ? line : (size_t)(end - from);
        if (*from != '#')
            text = arena_printf(a, "%s%.*s", text, (int)line, from);
        from += line;
    }
    return text;
}

static void take_declaration(reader *r) {
    const char *end = declaration_end(r->at), *from = r->at;
    bool body = !strncmp(from, "static inline", 13);
    r->at = end;
    if (!strncmp(from, "FRIT_API ", 9))
        from += 9;
    size_t n = body ? strcspn(from, "{") : (size_t)(end - from);
    const char *text = arena_printf(r->a, "%s%s", without_directives(r->a, from, n), body ? ";" : "");
    vec_push(r->a, &r->declarations, text);
}

/* Of the preprocessor's lines only plain constants are shown. */
static void take_directive(reader *r) {
    size_t n = strcspn(r->at, "\n");
    while (r->at[n] && r->at[n - 1] == '\\')
        n += 1 + strcspn(r->at + n + 1, "\n");
    const char *text = arena_strndup(r->a, r->at, n);
    bool constant = !strncmp(text, "#define FRIT_", 13) && strcspn(text + 8, " (") < strlen(text + 8) &&
                    strncmp(text, "#define FRIT_API", 16);
    if (constant)
        vec_push(r->a, &r->declarations, text);
    r->at += n;
}

static void take(reader *r) {
    size_t blank = strspn(r->at, " \t\n"), lines = 0;
    for (size_t i = 0; i < blank; i++)
        lines += r->at[i] == '\n';
    if (lines > 1 && r->declarations.len)
        flush(r);
    r->at += blank;
    if (!*r->at)
        return;
    if (!strncmp(r->at, "/*", 2))
        take_comment(r);
    else if (*r->at == '#')
        take_directive(r);
    else if (!strncmp(r->at, "extern \"C\" {", 12))
        r->at += 12;
    else if (*r->at == '}')
        r->at++;
    else
        take_declaration(r);
}

/* ---- Files ------------------------------------------------------------------------------------------------------- */
static const char *read_file(arena *a, const char *path) {
    VEC(char) text = {0};
    FILE *f = fopen(path, "r");
    int c;
    if (!f)
        return NULL;
    while ((c = getc(f)) != EOF)
        vec_push(a, &text, (char)c);
    fclose(f);
    vec_push(a, &text, 0);
    return text.data;
}

static bool header(reader *r, const char *path) {
    const char *slash = strrchr(path, '/');
    r->at = read_file(r->a, path);
    if (!r->at) {
        perror(path);
        return false;
    }
    fprintf(r->out, "# `#include <frit/%s>`\n\n", slash ? slash + 1 : path);
    r->intro = true;
    while (*r->at)
        take(r);
    flush(r);
    for (int i = 0; i < r->undescribed.len; i++)
        fprintf(stderr, "%s: not described: %.*s\n", path, (int)strcspn(r->undescribed.data[i], "\n"),
                r->undescribed.data[i]);
    return !r->undescribed.len;
}

bool api_page(FILE *out, int n, char **headers) {
    reader r = {.a = arena_new(), .out = out};
    bool ok = true;
    fputs("<!-- Made from the headers by `docgen api`; do not edit. -->\n\n", out);
    for (int i = 0; i < n && ok; i++)
        ok = header(&r, headers[i]);
    arena_free(r.a);
    return ok;
}
