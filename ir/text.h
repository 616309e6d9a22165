/* What the printer and the reader of .fir text share: a growing string, a table of names, and the words of the format. */
#ifndef FRIT_IR_TEXT_H
#define FRIT_IR_TEXT_H
#include "internal.h"

/* The first line of a .fir text is `fir 1`; the reader accepts this version only. */
enum { FIR_VERSION = 1 };

typedef struct text {
    arena *a;
    char *s; /* always NUL-terminated once something was put */
    size_t n, cap;
} text;
void text_put(text *t, const char *s);
void text_putn(text *t, const char *s, size_t n);
void text_printf(text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* s in double quotes; quotes, backslashes and bytes outside printable ASCII are escaped. */
void text_quote(text *t, const char *s);

/* String -> pointer; open addressing. */
typedef struct name_table {
    arena *a;
    struct name_entry *slots;
    int size, count;
} name_table;
void *name_get(const name_table *t, const char *name, size_t len);
void name_set(name_table *t, const char *name, size_t len, void *value);

extern const char *const ir_level_names[3];
extern const char *const ir_space_names[IR_SPACE_COUNT];
extern const char *const ir_role_names[4];
/* The role of variables that attribute `key` of op `code` declares (vars, idx, counter); -1 for other attributes. */
int ir_declared_role(ir_opcode code, ir_attr_key key);
/* Appends a double so that it reads back exactly ("inf", "nan" included). */
void text_double(text *t, double v);
/* Encodes one number as an element of `t` at index i of buf. */
typedef struct number {
    bool is_float;
    double f;
    int64_t i; /* when !is_float; u64 keeps its bits */
} number;
void number_store(frit_dtype t, void *buf, int64_t i, number v);
/* Prints `s` with the names that name(u, var) gives, in an order that depends on those names alone. */
void text_sym(text *t, sym_t s, const char *(*name)(void *u, sym_t var), void *u);
#endif
