/* The token filter between scanner and grammar: line ends become NL tokens, brackets are balanced.
 *
 * NL: a line end ends a statement if no ( or [ is open, the last token can end a statement, and the next line does not
 * start with a token that continues it. So one line end is held until the next token is known.
 * Brackets: statement words and braces close open ( and [; a missing closer is made up, a surplus one is dropped, each
 * with its own error, and the grammar never sees either. */
#include "parse.h"

bool token_ends_statement(int kind) {
    switch (kind) {
    case NAME: case INTEGER: case FLOAT: case STRING_END: case TRUE: case FALSE: case NONE:
    case ')': case ']': case '}': case '?': case RETURN: case BAD:
        return true;
    default:
        return false;
    }
}

bool token_continues_line(int kind) {
    switch (kind) {
    case '+': case '-': case '*': case '/': case '%': case '@': case '&': case '|': case '^': case '<': case '>':
    case FLOORDIV: case POW: case EQ: case NE: case LE: case GE: case SHL: case SHR: case COALESCE: case AND: case OR:
    case ELSE: case FROM: case WHERE: case '.': case '=': case ADD_ASSIGN: case ARROW: case '{':
        return true;
    default:
        return false;
    }
}

static bool token_is_statement_word(int kind) {
    switch (kind) {
    case MODEL: case FN: case PARAM: case STATE: case CONST: case RETURN: case FOR: case LOOP: case WHILE:
    case IMPORT: case ASSERT:
        return true;
    default:
        return false;
    }
}

const char *bracket_text(int kind) {
    return kind == '(' ? "(" : kind == '[' ? "[" : kind == STRING_BEGIN ? "\"" : "{";
}

static int closer_of(int opener) {
    switch (opener) {
    case '(': return ')';
    case '[': return ']';
    case '{': return '}';
    case INTERP_BEGIN: return INTERP_END;
    default: return STRING_END;
    }
}

static bool is_round(int kind) {
    return kind == '(' || kind == '[';
}

static int innermost(const parser *p) {
    return p->open.len ? p->open.data[p->open.len - 1].kind : 0;
}

static bool any_open(const parser *p, int kind) {
    for (int i = 0; i < p->open.len; i++)
        if (p->open.data[i].kind == kind)
            return true;
    return false;
}

/* Blanks at the start of the line being read; deeper than any sane file is all the same. */
static int line_indent(const parser *p) {
    int n = 0;
    while (n < 1000 && (p->text[p->line_begin + (uint32_t)n] == ' ' || p->text[p->line_begin + (uint32_t)n] == '\t'))
        n++;
    return n;
}

static void queue(parser *p, token t) {
    vec_push(p->memory, &p->queue, t);
    p->tail = t.kind;
    p->tail_end = t.span.end;
}

static void queue_made(parser *p, int kind, bool synthetic) {
    queue(p, (token){.kind = kind, .span = {p->source, p->tail_end, p->tail_end}, .synthetic = synthetic});
}

/* Ends the statement unless nothing was begun. */
static void end_statement(parser *p, bool synthetic) {
    if (p->tail && p->tail != NL && p->tail != '{')
        queue_made(p, NL, synthetic);
}

/* Makes up the closer of the innermost bracket; `at` is what showed that it is missing. */
static void close_innermost(parser *p, const token *at) {
    open_bracket b = p->open.data[--p->open.len];
    if (!b.forgiven) {
        diag_record *r = diag_report(p->d, MSG_UNCLOSED, b.span, bracket_text(b.kind));
        if (at->kind == YYEOF)
            diag_note(p->d, r, at->span, "the file ends here");
        else
            diag_note(p->d, r, at->span, "it would have to be closed before this");
        if (b.kind == '{' && p->suspect.file)
            diag_note(p->d, r, p->suspect, "judging by the indentation, this '{' lacks its '}'");
    }
    if (b.kind == '{')
        end_statement(p, true);
    queue_made(p, closer_of(b.kind), true);
    if (is_round(b.kind))
        p->surplus++;
}

static void close_rounds(parser *p, const token *at) {
    while (is_round(innermost(p)))
        close_innermost(p, at);
}

void tokens_forgive_brackets(parser *p) {
    for (int i = 0; i < p->open.len && any_open(p, STRING_BEGIN); i++)
        if (p->open.data[i].kind == STRING_BEGIN || p->open.data[i].kind == INTERP_BEGIN)
            p->open.data[i].forgiven = true;
    bool drop = p->last.first && !any_open(p, STRING_BEGIN);
    for (int i = p->open.len; i-- > 0 && is_round(p->open.data[i].kind);) {
        p->open.data[i].forgiven = true;
        if (drop) {
            p->open.len--;
            p->surplus++;
        }
    }
}

static void open_new(parser *p, token t) {
    if (p->open.len >= AST_MAX_NEST) {
        diag_report(p->d, MSG_NESTED_TOO_DEEPLY, t.span, AST_MAX_NEST);
        p->stop = true;
        queue_made(p, YYerror, true);
        return;
    }
    open_bracket b = {t.kind, t.span, line_indent(p), false};
    vec_push(p->memory, &p->open, b);
    queue(p, t);
}

/* Index of the open bracket that ) or ] closes, searched down to the innermost brace; -1 if there is none. */
static int partner(const parser *p, int closer) {
    for (int i = p->open.len; i-- > 0 && is_round(p->open.data[i].kind);)
        if (closer_of(p->open.data[i].kind) == closer)
            return i;
    return -1;
}

static void report_mismatch(parser *p, const token *t) {
    open_bracket *b = &p->open.data[p->open.len - 1];
    if (b->forgiven)
        return;
    const char *closer = t->kind == ')' ? ")" : "]";
    diag_record *r = diag_report(p->d, MSG_MISMATCHED_CLOSER, t->span, closer, bracket_text(b->kind));
    diag_note(p->d, r, b->span, "'%s' was opened here", bracket_text(b->kind));
    b->forgiven = true;
}

static void close_round(parser *p, token t) {
    int at = partner(p, t.kind);
    if (at < 0 && p->surplus) {
        p->surplus--;
    } else if (at < 0 && is_round(innermost(p))) {
        report_mismatch(p, &t);
        t.kind = closer_of(p->open.data[--p->open.len].kind);
        queue(p, t);
    } else if (at < 0) {
        diag_report(p->d, MSG_STRAY_CLOSER, t.span, t.kind == ')' ? ")" : "]");
        t.kind = BAD;
        queue(p, t);
    } else {
        if (at < p->open.len - 1)
            report_mismatch(p, &t);
        while (at < p->open.len - 1) {
            p->open.data[p->open.len - 1].forgiven = true;
            close_innermost(p, &t);
            p->surplus--;
        }
        p->open.len--;
        queue(p, t);
    }
}

static void close_brace(parser *p, token t) {
    close_rounds(p, &t);
    p->surplus = 0;
    if (innermost(p) != '{') {
        diag_report(p->d, MSG_STRAY_CLOSER, t.span, "}");
        return;
    }
    end_statement(p, false);
    open_bracket b = p->open.data[--p->open.len];
    if (t.first && line_indent(p) < b.indent)
        p->suspect = b.span;
    queue(p, t);
}

/* The end of a string: its own quote, or the end of the line or file (then `t` is STRING_CUT or NEWLINE). */
static void close_string(parser *p, token t) {
    if (t.kind == STRING_END) {
        p->open.len--;
        queue(p, t);
        return;
    }
    int outer = 0;
    while (p->open.data[outer].kind != STRING_BEGIN)
        outer++;
    const open_bracket *b = &p->open.data[t.kind == STRING_CUT ? p->open.len - 1 : outer];
    if (!b->forgiven && !p->open.data[outer].forgiven)
        diag_report(p->d, MSG_UNTERMINATED_STRING, b->span);
    while (p->open.len > outer) {
        p->open.data[p->open.len - 1].forgiven = true;
        close_innermost(p, &t);
    }
    p->surplus = 0;
    scanner_leave_string(p);
}

static void begin_statement(parser *p, const token *t) {
    close_rounds(p, t);
    p->surplus = 0;
    bool item = t->kind == FN || t->kind == MODEL || t->kind == IMPORT;
    while (item && t->column0 && p->open.len)
        close_innermost(p, t);
    end_statement(p, false);
}

static void end_file(parser *p, token t) {
    if (any_open(p, STRING_BEGIN))
        close_string(p, t);
    while (p->open.len)
        close_innermost(p, &t);
    end_statement(p, false);
    p->stop = true;
}

static void line_end(parser *p, token t) {
    if (any_open(p, STRING_BEGIN))
        close_string(p, t);
    p->new_line = true;
    p->line_begin = t.span.end;
    if (!is_round(innermost(p)) && token_ends_statement(p->tail))
        p->pending = true;
}

static void settle_line(parser *p, token *t) {
    t->first = p->new_line;
    t->column0 = t->first && (t->span.begin == 0 || p->text[t->span.begin - 1] == '\n');
    p->new_line = false;
    if (!p->pending)
        return;
    p->pending = false;
    if (!token_continues_line(t->kind))
        end_statement(p, false);
    else if (t->kind == '{')
        diag_report(p->d, MSG_BRACE_ON_NEXT_LINE, t->span);
}

static void admit(parser *p, token t) {
    settle_line(p, &t);
    bool in_string = any_open(p, STRING_BEGIN);
    if (!in_string && token_is_statement_word(t.kind))
        begin_statement(p, &t);
    switch (t.kind) {
    case '{':
        close_rounds(p, &t);
        open_new(p, t);
        break;
    case '(': case '[': case STRING_BEGIN: case INTERP_BEGIN:
        open_new(p, t);
        break;
    case ')': case ']':
        close_round(p, t);
        break;
    case '}':
        close_brace(p, t);
        break;
    case INTERP_END:
        close_rounds(p, &t);
        p->open.len--;
        queue(p, t);
        break;
    case STRING_END: case STRING_CUT:
        close_string(p, t);
        break;
    case YYEOF:
        end_file(p, t);
        break;
    default:
        queue(p, t);
    }
}

/* `where` is a word between the brackets of a signature and its body; anywhere else it is a name, for the prelude has a
 * function of that name. */
static void settle_where(parser *p, token *t) {
    if (t->kind == FN || t->kind == MODEL)
        p->signature = true;
    else if (t->kind == '{')
        p->signature = false;
    if (t->kind != WHERE || (p->signature && !is_round(innermost(p))))
        return;
    t->kind = NAME;
    t->value.name = (ast_name){"where", t->span};
}

static token scan_token(parser *p) {
    token t = {0};
    t.kind = scan(&t.value, &t.span, p->scanner);
    settle_where(p, &t);
    return t;
}

static token next_token(parser *p) {
    while (p->queue_head == p->queue.len) {
        p->queue_head = p->queue.len = 0;
        if (p->stop || diag_full(p->d))
            return (token){.kind = YYEOF, .span = {p->source, (uint32_t)p->size, (uint32_t)p->size}};
        token t = scan_token(p);
        if (t.kind == NEWLINE)
            line_end(p, t);
        else
            admit(p, t);
    }
    return p->queue.data[p->queue_head++];
}

int yylex(YYSTYPE *value, ir_span *span, parser *p) {
    p->before = p->last;
    p->last = next_token(p);
    *value = p->last.value;
    *span = p->last.span;
    return p->last.kind;
}
