/* Shared by the scanner (lexer.l), the token filter (tokens.c), the grammar (parser.y) and the syntax errors
 * (syntax_error.c); no other part of frit includes it.
 *
 * Bytes -> scanner -> raw tokens -> filter -> tokens -> grammar. The filter turns line ends into NL tokens where they
 * end a statement and repairs brackets, so that the grammar always sees balanced ones. */
#ifndef FRIT_FRONTEND_PARSE_H
#define FRIT_FRONTEND_PARSE_H
#include "ast.h"
#include "parser.h" /* made by bison: token kinds, YYSTYPE, and the name `parser` */
#include <locale.h>

typedef struct {
    int kind; /* enum yytokentype */
    ir_span span;
    YYSTYPE value;
    bool first;     /* the first of its line */
    bool column0;   /* first, and not indented */
    bool synthetic; /* made by the filter */
} token;

/* An open bracket: '(', '[', '{', STRING_BEGIN or INTERP_BEGIN. */
typedef struct {
    int kind;
    ir_span span;
    int indent;    /* of the line that it stands in */
    bool forgiven; /* an error that it explains was reported */
} open_bracket;

struct parser {
    arena *memory;
    diag *d;
    uint32_t source;
    const char *text;
    size_t size;
    ast_file *file;

    /* scanner */
    void *scanner;
    VEC(char) literal; /* the text piece being read */
    ir_span literal_span;
    locale_t c_locale;
    uint32_t bad_end; /* the end of the last bad character */

    /* filter */
    VEC(open_bracket) open;
    VEC(token) queue; /* tokens to deliver before scanning on, from queue_head */
    int queue_head;
    bool pending;  /* a line end that may end a statement was seen */
    bool new_line; /* no token since the last line end */
    uint32_t line_begin; /* of the line being read */
    ir_span suspect; /* a '{' whose '}' stands further left than its line: likely the one that lacks its own '}' */
    bool signature; /* between fn or model and its '{' */
    bool stop;     /* give up: only the end of the file follows */
    int surplus;   /* closers that recovery made and that may still come */
    int tail;           /* kind and end of the last token queued */
    uint32_t tail_end;
    token last, before; /* the last two delivered */

    /* errors */
    bool too_deep; /* EXPRESSION_TOO_DEEP was reported */
};

/* Sets p up to read a source; false, with a diagnostic, if it is not text. Ends with scanner_close. */
bool parser_open(parser *p, arena *a, diag *d, uint32_t source);

/* Sets up the scanner over p->text. */
void scanner_open(parser *p);
void scanner_close(parser *p);
/* The next raw token; NEWLINE for a line end. Comments go to p->file->comments. */
int scan(YYSTYPE *value, ir_span *span, void *scanner);
/* After a string was cut short: read on outside it. */
void scanner_leave_string(parser *p);

/* The next token for the grammar. */
int yylex(YYSTYPE *value, ir_span *span, parser *p);
/* Forgets open ( and [ of the current statement, so that the next line end ends it. */
void tokens_forgive_brackets(parser *p);
/* Can a statement end after this token? */
bool token_ends_statement(int kind);
/* Does a line that starts with this token continue the one before? */
bool token_continues_line(int kind);
/* The bracket's text: "(", "[", "{", "\"". */
const char *bracket_text(int kind);

/* Builders that need more than an initialiser; in ast.c. */
ast_expr *ast_new_expr(parser *p, ast_expr_kind kind, ir_span span);
/* Sets depth from the children; replaces the node by AST_ERROR, with a diagnostic, when that is too deep. */
ast_expr *ast_measure(parser *p, ast_expr *e);
ast_expr *ast_binary(parser *p, ir_span span, ast_expr *lhs, ast_op op, ir_span op_span, ast_expr *rhs);
ast_expr *ast_unary(parser *p, ir_span span, ast_op op, ast_expr *operand);
void ast_attach_docs(parser *p);
#endif
