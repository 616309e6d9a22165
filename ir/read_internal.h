/* The parts of the .fir reader: tokens (read_lex.c), symbolic integers and types (read_sym.c), ops and modules (read.c).
 * The reader stops at its first error: every function returns a harmless value once `failed` is set. */
#ifndef FRIT_IR_READ_INTERNAL_H
#define FRIT_IR_READ_INTERNAL_H
#include "diag.h"
#include "text.h"

/* Bounds on what is read, far above what frit writes. */
enum {
    READ_MAX_BYTES = 1 << 28,
    READ_MAX_DEPTH = 64,   /* nested blocks */
    READ_MAX_PARENS = 128, /* nested symbolic expressions */
    READ_MAX_SYMBOLS = 1 << 14,
    READ_MAX_PRODUCT = 4096 /* terms of a product of sums, before like ones are joined */
};

typedef enum { TOK_END, TOK_NAME, TOK_VALUE, TOK_INT, TOK_FLOAT, TOK_STRING, TOK_HEX, TOK_PUNCT } token_kind;

typedef struct token {
    token_kind kind;
    const char *s; /* in the source */
    size_t len;
    uint32_t begin;
    int punct;      /* the character, or two of them as first << 8 | second */
    uint64_t u;     /* TOK_INT */
    double f;       /* TOK_INT, TOK_FLOAT */
    const char *text; /* TOK_STRING, TOK_HEX: contents, NUL-terminated */
    size_t size;    /* TOK_HEX: bytes */
} token;

#define PUNCT2(a, b) ((a) << 8 | (b))

typedef struct named_var {
    const char *name;
    size_t len;
    sym_t var;
} named_var;

typedef struct reader {
    diag *d;
    uint32_t file;
    const char *src;
    size_t size, at;
    token t; /* the one token of look-ahead */
    bool failed;
    ir_module *m;
    arena *scratch;
    VEC(named_var) scope;
    int header;        /* how many of them belong to the module */
    name_table values; /* of the func being read */
    int depth, parens;
} reader;

/* read_lex.c */
void read_next(reader *r);
/* Reports "expected `what`" at the look-ahead. */
void read_fail(reader *r, const char *what);
/* Reports at the look-ahead what is wrong. */
void read_fail_at(reader *r, uint32_t begin, uint32_t end, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
bool read_is(const reader *r, int punct);
bool read_is_word(const reader *r, const char *word);
bool read_accept(reader *r, int punct);
bool read_accept_word(reader *r, const char *word);
void read_expect(reader *r, int punct);
int64_t read_int(reader *r);
/* A name or a string, in the module's arena. */
const char *read_name(reader *r);
const char *read_string(reader *r);

/* read_sym.c */
sym_t read_sym(reader *r);
ir_type read_type(reader *r);
sym_t read_find_var(const reader *r, const char *name, size_t len);
void read_add_var(reader *r, const char *name, size_t len, sym_t var);
/* `in lo..hi`, each optional (NULL). */
bool read_range(reader *r, sym_t *lo, sym_t *hi);
/* The dtype called so, or FRIT_DTYPE_COUNT. */
frit_dtype read_dtype_word(const token *t);
#endif
