/* A place in a source text: the bytes [begin, end) of a file registered with a diag (ir/diag.h). */
#ifndef FRIT_IR_SPAN_H
#define FRIT_IR_SPAN_H
#include <stdint.h>

typedef struct {
    uint32_t file; /* 0 = no place */
    uint32_t begin, end;
} ir_span;
#endif
