/* The formatter works on tokens, not on the tree: so comments and line breaks stay where they are.
 *
 * 1. Tokens and comments become one list of atoms (a string is one atom). 2. Atoms are joined to lines, each with its
 * indentation. 3. Comments behind code are aligned, and everything is printed. */
#include "fmt.h"
#include "parse.h"
#include <string.h>

enum { COMMENT = -1, INDENT = 4 };

typedef struct {
    int kind; /* token kind, STRING_BEGIN for a whole string, or COMMENT */
    uint32_t begin, end;
    int breaks;     /* line ends between the atom before and this one */
    bool statement; /* first of a statement or item */
    bool unary;     /* - or ~ as a sign */
    bool tight;     /* an arithmetic operator without blanks around it */
    bool slice;     /* : in a subscript */
    bool call;      /* ( or [ right behind an operand */
    bool multiline; /* { or } of a block with line ends inside */
} atom;

typedef struct {
    int kind;
    int at;          /* index of the opening atom */
    int indent;      /* of lines inside */
    int outer;       /* of a line that starts with the closer */
    int statement;   /* indentation of the statement that it stands in */
    bool subscript;
} level;

typedef struct {
    int indent;
    bool blank_before;
    char *code;          /* without indentation; "" for a comment alone */
    const char *comment; /* NULL without */
} line;

typedef struct {
    arena *memory;
    const char *text;
    VEC(atom) atoms;
    VEC(level) levels;
    VEC(line) lines;
    VEC(char) code; /* of the line being built */
    int indent;     /* of the line being built */
    bool blank;     /* a blank line goes before it */
    int statement_indent;
} formatter;

/* ---- 1. Atoms ---- */

static void add_atom(formatter *f, int kind, uint32_t begin, uint32_t end, bool statement) {
    uint32_t from = f->atoms.len ? f->atoms.data[f->atoms.len - 1].end : 0;
    int breaks = 0;
    for (uint32_t i = from; i < begin; i++)
        breaks += f->text[i] == '\n';
    atom a = {.kind = kind, .begin = begin, .end = end, .breaks = breaks, .statement = statement};
    vec_push(f->memory, &f->atoms, a);
}

static void add_comments(formatter *f, const ast_comments *comments, int *next, uint32_t before) {
    for (; *next < comments->len && comments->data[*next].span.begin < before; ++*next)
        add_atom(f, COMMENT, comments->data[*next].span.begin, comments->data[*next].span.end, false);
}

/* Reads on to the end of the string that t starts; strings inside its interpolations belong to it. */
static uint32_t string_end(parser *p, token t) {
    YYSTYPE value;
    ir_span span = t.span;
    for (int depth = 1; depth;) {
        int kind = yylex(&value, &span, p);
        depth += (kind == STRING_BEGIN) - (kind == STRING_END);
    }
    return span.end;
}

static void collect_atoms(formatter *f, parser *p) {
    int next_comment = 0;
    bool statement = true;
    for (;;) {
        token t = {0};
        t.kind = yylex(&t.value, &t.span, p);
        if (t.kind == YYEOF)
            break;
        if (t.kind == NL) {
            statement = true;
            continue;
        }
        uint32_t end = t.kind == STRING_BEGIN ? string_end(p, t) : t.span.end;
        add_comments(f, &p->file->comments, &next_comment, t.span.begin);
        add_atom(f, t.kind, t.span.begin, end, statement && t.kind != '}');
        statement = t.kind == '{';
    }
    add_comments(f, &p->file->comments, &next_comment, UINT32_MAX);
}

static bool ends_operand(int kind) {
    return kind == STRING_BEGIN || kind == '?' || (kind != '}' && kind != RETURN && token_ends_statement(kind));
}

static bool is_arithmetic(int kind) {
    switch (kind) {
    case '+': case '-': case '*': case '/': case '%': case '@': case '&': case '|': case '^':
    case FLOORDIV: case POW: case SHL: case SHR:
        return true;
    default:
        return false;
    }
}

static bool blank_around(const formatter *f, const atom *a) {
    return strchr(" \t\r\n\f#", f->text[a->begin - 1]) || strchr(" \t\r\n\f#", f->text[a->end]);
}

static bool is_static_list(const formatter *f, int at) {
    return at >= 2 && (f->atoms.data[at - 2].kind == FN || f->atoms.data[at - 2].kind == MODEL);
}

static void mark_pair(formatter *f, const level *open, int close) {
    bool broken = false;
    for (int i = open->at + 1; i <= close && !broken; i++)
        broken = f->atoms.data[i].breaks > 0;
    f->atoms.data[open->at].multiline = f->atoms.data[close].multiline = broken;
}

static void classify(formatter *f, int i, int previous) {
    atom *a = &f->atoms.data[i];
    bool operand = previous >= 0 && ends_operand(f->atoms.data[previous].kind);
    if (a->kind == ELSE && previous >= 0 && f->atoms.data[previous].kind == '}')
        a->statement = true; /* where a comment keeps it off the line of the '}' */
    a->unary = a->kind == '~' || (a->kind == '-' && !operand);
    a->tight = is_arithmetic(a->kind) && !a->unary && !blank_around(f, a);
    a->call = (a->kind == '(' || a->kind == '[') && operand && !a->statement;
    a->slice = a->kind == ':' && f->levels.len && f->levels.data[f->levels.len - 1].subscript;
    if (a->kind == '(' || a->kind == '[' || a->kind == '{') {
        level l = {.kind = a->kind, .at = i, .subscript = a->kind == '[' && a->call && !is_static_list(f, i)};
        vec_push(f->memory, &f->levels, l);
    } else if (a->kind == ')' || a->kind == ']' || a->kind == '}') {
        level open = f->levels.data[--f->levels.len];
        if (a->kind == '}')
            mark_pair(f, &open, i);
    }
}

static void classify_all(formatter *f) {
    for (int i = 0, previous = -1; i < f->atoms.len; i++) {
        if (f->atoms.data[i].kind == COMMENT)
            continue;
        classify(f, i, previous);
        previous = i;
    }
}

/* ---- 2. Lines ---- */

static void append(formatter *f, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        vec_push(f->memory, &f->code, s[i]);
}

static void finish_line(formatter *f, const char *comment) {
    if (!f->code.len && !comment)
        return;
    const char *code = f->code.len ? f->code.data : "";
    line l = {f->indent, f->blank, arena_strndup(f->memory, code, (size_t)f->code.len), comment};
    vec_push(f->memory, &f->lines, l);
    f->code.len = 0;
    f->blank = false;
}

static bool no_space_after(const atom *p) {
    return p->kind == '(' || p->kind == '[' || p->kind == '.' || p->kind == RANGE || p->kind == REST || p->unary ||
           p->tight || p->slice;
}

static bool no_space_before(const atom *p, const atom *a) {
    switch (a->kind) {
    case ')': case ']': case ',': case '?': case RANGE:
        return true;
    case '.':
        return p->kind != INTEGER && p->kind != FLOAT;
    case ':':
        return !a->slice || p->kind != ',';
    case '}':
        return p->kind == '{';
    default:
        return a->call || a->tight;
    }
}

static bool spaced(const atom *p, const atom *a) {
    if (p->kind == ',' && a->kind != ')' && a->kind != ']')
        return true;
    return !no_space_after(p) && !no_space_before(p, a);
}

static int line_indent(const formatter *f, const atom *a) {
    const level *l = f->levels.len ? &f->levels.data[f->levels.len - 1] : NULL;
    if (l && (a->kind == ')' || a->kind == ']' || a->kind == '}'))
        return l->outer;
    if (l && l->kind != '{')
        return l->indent;
    int block = l ? l->indent : 0;
    return a->statement || a->kind == COMMENT ? block : f->statement_indent + INDENT;
}

/* Does the atom start a line? The author's line ends count, but for `} else` and the insides of blocks. */
static bool starts_line(const atom *p, const atom *a) {
    if (!p)
        return true;
    if (p->kind == COMMENT)
        return true;
    if (p->kind == '}' && a->kind == ELSE)
        return false;
    if (a->kind == COMMENT)
        return a->breaks > 0;
    return a->breaks > 0 || (p->kind == '{' && p->multiline) || (a->kind == '}' && a->multiline);
}

static void push_level(formatter *f, const atom *a, int at) {
    bool block = a->kind == '{';
    int outer = block ? f->statement_indent : f->indent;
    level l = {.kind = a->kind, .at = at, .outer = outer, .indent = outer + INDENT, .statement = f->statement_indent};
    vec_push(f->memory, &f->levels, l);
}

static void place_atom(formatter *f, int i, const atom *p) {
    const atom *a = &f->atoms.data[i];
    bool closer = a->kind == ')' || a->kind == ']' || a->kind == '}';
    const atom *next = i + 1 < f->atoms.len ? a + 1 : NULL;
    bool idle_comma = a->kind == ',' && next && !next->breaks && (next->kind == ')' || next->kind == ']');
    if (f->code.len && p && spaced(p, a))
        append(f, " ", 1);
    if (!idle_comma)
        append(f, f->text + a->begin, a->end - a->begin);
    if (a->statement)
        f->statement_indent = f->indent;
    if (a->kind == '(' || a->kind == '[' || a->kind == '{')
        push_level(f, a, i);
    else if (closer)
        f->statement_indent = f->levels.data[--f->levels.len].statement;
}

/* At most one blank line, and none right inside braces and brackets. */
static bool wants_blank(const atom *p, const atom *a) {
    return p && a->breaks > 1 && p->kind != '{' && p->kind != '(' && p->kind != '[' && a->kind != '}' &&
           a->kind != ')' && a->kind != ']';
}

static void build_lines(formatter *f) {
    for (int i = 0; i < f->atoms.len; i++) {
        const atom *a = &f->atoms.data[i], *p = i ? a - 1 : NULL;
        if (starts_line(p, a)) {
            finish_line(f, NULL);
            f->blank = wants_blank(p, a);
            f->indent = line_indent(f, a);
        }
        if (a->kind == COMMENT)
            finish_line(f, arena_strndup(f->memory, f->text + a->begin, a->end - a->begin));
        else
            place_atom(f, i, p);
    }
    finish_line(f, NULL);
}

/* ---- 3. Printing ---- */

static int code_width(const line *l) {
    int n = l->indent;
    for (const char *c = l->code; *c; c++)
        n += ((unsigned char)*c & 0xc0) != 0x80;
    return n;
}

static bool has_trailing(const line *l) {
    return l->comment && *l->code;
}

/* The column of the comments of the run of lines [first, end) that all have code and a comment. */
static int comment_column(const formatter *f, int first, int *end) {
    int column = 0, i = first;
    for (; i < f->lines.len && has_trailing(&f->lines.data[i]); i++) {
        if (i > first && f->lines.data[i].blank_before)
            break;
        int width = code_width(&f->lines.data[i]);
        column = width > column ? width : column;
    }
    *end = i;
    return column + 2;
}

static void append_blanks(formatter *f, int n) {
    for (int i = 0; i < n; i++)
        append(f, " ", 1);
}

static void print_line(formatter *f, const line *l, int column) {
    if (l->blank_before)
        append(f, "\n", 1);
    append_blanks(f, l->indent);
    append(f, l->code, strlen(l->code));
    if (l->comment) {
        if (*l->code)
            append_blanks(f, column - code_width(l));
        append(f, l->comment, strlen(l->comment));
    }
    append(f, "\n", 1);
}

static char *print_lines(formatter *f) {
    f->code.len = 0;
    for (int i = 0, end = 0, column = 0; i < f->lines.len; i++) {
        if (i >= end && has_trailing(&f->lines.data[i]))
            column = comment_column(f, i, &end);
        print_line(f, &f->lines.data[i], column);
    }
    append(f, "", 1);
    return f->code.data;
}

static char *format_tokens(arena *a, parser *p) {
    formatter f = {.memory = a, .text = p->text};
    collect_atoms(&f, p);
    classify_all(&f);
    build_lines(&f);
    return print_lines(&f);
}

char *frit_fmt(arena *a, diag *d, uint32_t source) {
    int errors = diag_errors(d);
    arena *scratch = arena_new();
    ast_parse(scratch, d, source);
    char *text = NULL;
    parser p;
    if (diag_errors(d) == errors && parser_open(&p, scratch, d, source)) {
        char *formatted = format_tokens(scratch, &p);
        scanner_close(&p);
        text = arena_strdup(a, formatted);
    }
    arena_free(scratch);
    return text;
}
