/* Diagnostics: collected in a context while a model is read and compiled, printed at the end as text or JSON lines.
 * One diag serves one compilation and one thread. Everything it holds is freed with it. */
#ifndef FRIT_IR_DIAG_H
#define FRIT_IR_DIAG_H
#include "arena.h"
#include "span.h"
#include <stdbool.h>
#include <stdio.h>

typedef struct diag diag;
typedef struct diag_record diag_record;

typedef enum { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE } diag_severity;

/* One message per row of ir/messages.def: MSG_<name>. */
typedef enum {
#define MSG(number, severity, name, format, explanation) MSG_##name,
#include "messages.def"
#undef MSG
    DIAG_MESSAGES
} diag_message;

typedef struct {
    int number; /* 204 is written E0204, a warning W0204 */
    diag_severity severity;
    const char *format, *explanation;
} diag_message_info;

const diag_message_info *diag_message_get(diag_message m);
/* The row whose code is `code` ("E0204", "W0310", "204"), or NULL. */
const diag_message_info *diag_message_find(const char *code);

enum { DIAG_MAX_ERRORS = 100 };

diag *diag_new(void);
void diag_free(diag *d);

/* Registers a source text (copied) and returns its id, from 1. Lines are found only when something is printed. */
uint32_t diag_add_source(diag *d, const char *name, const char *text, size_t size);
const char *diag_source_name(const diag *d, uint32_t source);
const char *diag_source_text(const diag *d, uint32_t source, size_t *size);
/* Line and column, both from 1, of a byte; columns count characters (UTF-8), not bytes. */
void diag_locate(const diag *d, uint32_t source, uint32_t offset, int *line, int *column);

/* Reports message m at a place (span.file 0: none); the arguments fit the format of its row. Returns the record for
 * notes and suggestions, or NULL once DIAG_MAX_ERRORS errors are held (one last note then says so). */
diag_record *diag_report(diag *d, diag_message m, ir_span span, ...);
/* Adds a note (span.file 0: no place) or sets the suggestion printed as `help:`. A NULL record is ignored. */
void diag_note(diag *d, diag_record *r, ir_span span, const char *format, ...) __attribute__((format(printf, 4, 5)));
void diag_suggest(diag *d, diag_record *r, const char *format, ...) __attribute__((format(printf, 3, 4)));
ir_span diag_record_span(const diag_record *r); /* file 0 for NULL */

int diag_errors(const diag *d);
int diag_warnings(const diag *d);
bool diag_full(const diag *d); /* DIAG_MAX_ERRORS reached: stop early */

/* Reading back: records 0 .. diag_count(d) in order of report. */
int diag_count(const diag *d);
typedef struct {
    diag_message message;
    diag_severity severity;
    char code[8]; /* "E0204" */
    ir_span span;
    const char *text;
    const char *suggestion; /* or NULL */
    int notes;
} diag_view;
diag_view diag_get(const diag *d, int index);
const char *diag_get_note(const diag *d, int index, int note, ir_span *span);

/* Prints everything held. Text is for people, with ANSI colours if `colour`; JSON is one object a line. */
void diag_print_text(const diag *d, FILE *out, bool colour);
void diag_print_json(const diag *d, FILE *out);

/* The candidate nearest to `word` by edit distance (Damerau-Levenshtein, optimal string alignment), if near enough to
 * be a slip of the keyboard (a third of its letters, or letter case alone); else NULL. */
const char *diag_nearest(const char *word, const char *const *candidates, int n);
/* Edit distance, or limit + 1 when above limit. */
int diag_distance(const char *a, const char *b, int limit);
#endif
