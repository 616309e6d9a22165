/* Collecting diagnostics and their sources; printing is in diag_print.c. */
#include "diag.h"
#include "diag_internal.h"
#include <stdlib.h>
#include <string.h>

static const diag_message_info messages[] = {
#define MSG(number, severity, name, format, explanation) {number, severity, format, explanation},
#include "messages.def"
#undef MSG
};

const diag_message_info *diag_message_get(diag_message m) {
    return &messages[m];
}

const diag_message_info *diag_message_find(const char *code) {
    char letter = 0;
    if (*code == 'E' || *code == 'W' || *code == 'N')
        letter = *code++;
    char *end;
    long number = strtol(code, &end, 10);
    if (*end || end == code)
        return NULL;
    for (int m = 0; m < DIAG_MESSAGES; m++)
        if (messages[m].number == number && (!letter || diag_letter(messages[m].severity) == letter))
            return &messages[m];
    return NULL;
}

diag *diag_new(void) {
    arena *a = arena_new();
    diag *d = arena_new_of(a, diag);
    d->memory = a;
    return d;
}

void diag_free(diag *d) {
    if (d)
        arena_free(d->memory);
}

uint32_t diag_add_source(diag *d, const char *name, const char *text, size_t size) {
    diag_source s = {arena_strdup(d->memory, name), arena_strndup(d->memory, text, size), size};
    vec_push(d->memory, &d->sources, s);
    return (uint32_t)d->sources.len;
}

const char *diag_source_name(const diag *d, uint32_t source) {
    return source ? d->sources.data[source - 1].name : NULL;
}

const char *diag_source_text(const diag *d, uint32_t source, size_t *size) {
    *size = d->sources.data[source - 1].size;
    return d->sources.data[source - 1].text;
}

static diag_record *add_record(diag *d, diag_message m, ir_span span) {
    diag_record *r = arena_new_of(d->memory, diag_record);
    r->message = m;
    r->span = span;
    vec_push(d->memory, &d->records, r);
    return r;
}

diag_record *diag_report(diag *d, diag_message m, ir_span span, ...) {
    diag_severity severity = messages[m].severity;
    if (severity == DIAG_ERROR ? d->errors >= DIAG_MAX_ERRORS : d->others >= DIAG_MAX_ERRORS) {
        d->dropped++;
        return NULL;
    }
    *(severity == DIAG_ERROR ? &d->errors : &d->others) += 1;
    d->warnings += severity == DIAG_WARNING;
    diag_record *r = add_record(d, m, span);
    va_list ap;
    va_start(ap, span);
    r->text = arena_vprintf(d->memory, messages[m].format, ap);
    va_end(ap);
    return r;
}

void diag_note(diag *d, diag_record *r, ir_span span, const char *format, ...) {
    if (!r)
        return;
    va_list ap;
    va_start(ap, format);
    diag_attached n = {span, arena_vprintf(d->memory, format, ap)};
    va_end(ap);
    vec_push(d->memory, &r->notes, n);
}

void diag_suggest(diag *d, diag_record *r, const char *format, ...) {
    if (!r)
        return;
    va_list ap;
    va_start(ap, format);
    r->suggestion = arena_vprintf(d->memory, format, ap);
    va_end(ap);
}

ir_span diag_record_span(const diag_record *r) { return r ? r->span : (ir_span){0}; }

int diag_errors(const diag *d) {
    return d->errors;
}

int diag_warnings(const diag *d) {
    return d->warnings;
}

bool diag_full(const diag *d) {
    return d->errors >= DIAG_MAX_ERRORS;
}

int diag_count(const diag *d) {
    return d->records.len;
}

diag_view diag_get(const diag *d, int index) {
    const diag_record *r = d->records.data[index];
    const diag_message_info *m = &messages[r->message];
    diag_view v = {.message = r->message, .severity = m->severity, .span = r->span, .text = r->text,
                   .suggestion = r->suggestion, .notes = r->notes.len};
    snprintf(v.code, sizeof v.code, "%c%04d", diag_letter(m->severity), m->number % 10000);
    return v;
}

const char *diag_get_note(const diag *d, int index, int note, ir_span *span) {
    const diag_attached *n = &d->records.data[index]->notes.data[note];
    *span = n->span;
    return n->text;
}
