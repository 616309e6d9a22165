/* What diag.c collects and diag_print.c prints. */
#ifndef FRIT_IR_DIAG_INTERNAL_H
#define FRIT_IR_DIAG_INTERNAL_H
#include "diag.h"

typedef struct {
    const char *name, *text;
    size_t size;
} diag_source;

typedef struct {
    ir_span span;
    const char *text;
} diag_attached;

struct diag_record {
    diag_message message;
    ir_span span;
    const char *text, *suggestion;
    VEC(diag_attached) notes;
};

struct diag {
    arena *memory;
    VEC(diag_source) sources;
    VEC(diag_record *) records;
    int errors, warnings, others, dropped;
};

static inline char diag_letter(diag_severity s) {
    return s == DIAG_ERROR ? 'E' : s == DIAG_WARNING ? 'W' : 'N';
}
#endif
